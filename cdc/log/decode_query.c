/* cdc/log/decode_query.c — QUERY events: words that open and end transactions, DDL, and statements
 * that should not be in a row-based log.
 *
 * Only the statement's kind and its tables are looked at (schemas/sqltoken.h); there is no grammar.
 * What is neither transaction control nor DDL may have changed rows, by a function that it calls if
 * by nothing else: it passes only where it is proven that it did not (schemas/stmt_reach.h).
 * A statement that changes nothing we follow (accounts, temporary tables, FLUSH) still is a
 * transaction of its own when a GTID was announced for it, because the position has to pass it.
 */
#include "cdc/log/decode_internal.h"
#include "schemas/charset.h"
#include "schemas/sql_mode.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define MANY_DBS         254u
#define LOAD_QUERY_EXTRA 13u /* file id, place of its name, duplicates */
#define QUERY_TEXT_MAX   ((size_t)1024 * 1024 * 1024)
#define UTF8MB4_0900     255u /* what MySQL gives a column in utf8mb4, if not told otherwise */
#define UTF8MB4_GENERAL  45u  /* what it gave before 8.0, which tells nothing */
#define ZONE_MAX         64

struct query {
    uint32_t thread_id;
    struct wire status;
    const char *db; /* zero-terminated in the event */
    size_t db_len;
    const char *sql;
    size_t n;
    uint64_t sql_mode;
    bool mode_told;
    unsigned lex;             /* by it */
    char zone[ZONE_MAX];      /* "": not told */
    struct wire collations;   /* MariaDB: pairs of ids */
    uint16_t utf8mb4_default; /* MySQL; 0: not told */
    uint16_t lc_time_names;
    uint16_t collation,
        connection; /* of the text; that its strings were converted to. 0: unknown */
    enum ddl_strings strings;
    const char *updated_dbs; /* names that end in zero, or NULL */
    size_t updated_n;
};

/* extra: bytes of the event's own between the head and the status. */
static bool read_query(struct query *q, const struct event *ev, size_t extra, struct wire *w,
                       struct err *e)
{
    *w = wire_of(ev->body, ev->n);
    q->thread_id = (uint32_t)wire_get(w, 4);
    (void)wire_get(w, 4);
    q->db_len = (size_t)wire_get(w, 1);
    (void)wire_get(w, 2);
    uint64_t status = wire_get(w, 2);
    (void)wire_take(w, extra);
    q->status = wire_sub(w, status);
    q->db = (const char *)wire_take(w, q->db_len);
    uint64_t terminator = wire_get(w, 1);
    if (w->failed)
        return decode_short(ev, e);
    if (terminator != 0 || memchr(q->db, 0, q->db_len))
        return err_set(e, ERR_LOG_FORMAT, "the database's name is not terminated");
    q->sql = (const char *)w->p;
    q->n = wire_left(w);
    return true;
}

/* The databases that a statement updated; more than 253 of them are not named. */
static void read_updated(struct query *q, struct wire *w)
{
    uint64_t n = wire_get(w, 1);
    const char *first = (const char *)w->p, *at = first;
    for (uint64_t i = 0; i < n && n < MANY_DBS; i++) {
        const char *end = memchr(at, 0, wire_left(w));
        if (!end) {
            w->failed = true;
            return;
        }
        (void)wire_take(w, (size_t)(end - at) + 1);
        at = end + 1;
    }
    q->updated_dbs = n > 0 && n < MANY_DBS ? first : NULL;
    q->updated_n = (size_t)(at - first);
}

/* A name that does not fit is not one that a server has: any other is said in its place, so that
 * nobody takes it for untold. */
static void read_zone(struct query *q, struct wire *w)
{
    size_t n = (size_t)wire_get(w, 1);
    const char *name = (const char *)wire_take(w, n);
    bool fits = name && n > 0 && n < ZONE_MAX;
    snprintf(q->zone, sizeof q->zone, "%.*s", fits ? (int)n : 1, fits ? name : "?");
}

/* One status variable that says how the text is to be understood. False: it is none of these. */
static bool read_meaning(struct query *q, uint64_t code, struct wire *w)
{
    switch (code) {
    case 1:
        q->sql_mode = wire_get(w, 8);
        q->mode_told = !w->failed;
        return true;
    case 4:
        q->collation = (uint16_t)wire_get(w, 2);
        q->connection = (uint16_t)wire_get(w, 2);
        (void)wire_take(w, 2);
        return true;
    case 5:
        read_zone(q, w);
        return true;
    case 7:
        q->lc_time_names = (uint16_t)wire_get(w, 2);
        return true;
    case 18:
        q->utf8mb4_default = (uint16_t)wire_get(w, 2);
        return true;
    case 131: /* character_set_collations: before the text's own character set */
        q->collations = wire_sub(w, 4 * wire_get(w, 1));
        return true;
    default:
        return false;
    }
}

/* Status variables up to the first that is not known. */
static void read_status(struct query *q)
{
    static const uint8_t lengths[] = {[0] = 4,  [3] = 4,  [8] = 2,  [9] = 8,  [10] = 4,  [13] = 3,
                                      [16] = 1, [17] = 8, [19] = 1, [20] = 1, [128] = 3, [129] = 8};
    struct wire *w = &q->status;
    while (wire_left(w) > 0 && !w->failed) {
        uint64_t code = wire_get(w, 1);
        if (read_meaning(q, code, w)) {
            continue;
        } else if (code == 2) {
            (void)wire_take(w, wire_get(w, 1) + 1);
        } else if (code == 11) {
            (void)wire_take(w, wire_get(w, 1));
            (void)wire_take(w, wire_get(w, 1));
        } else if (code == 12) {
            read_updated(q, w);
        } else if (code == 6) {
            (void)wire_take(w, wire_get(w, 1));
        } else if (code < sizeof lengths && lengths[code]) {
            (void)wire_take(w, lengths[code]);
        } else {
            return;
        }
    }
}

static bool same_word(const struct query *q, const char *word)
{
    return q->n == strlen(word) && strncasecmp(q->sql, word, q->n) == 0;
}

static void on_begin(struct cdc_decoder *d, const struct event *ev, const struct query *q)
{
    if (d->tx.open && d->tx.implicit)
        decode_end(d, ev, CDC_COMMIT, false);
    if (d->tx.open && d->tx.seq == 0 && !d->holding)
        return; /* MariaDB's GTID event opened it */
    if (d->tx.open)
        decode_cut_off(d, ev); /* in a log without GTID events */
    d->tx.thread_known = !d->mariadb;
    d->tx.thread_id = q->thread_id;
    decode_begin(d, ev);
}

static void on_end(struct cdc_decoder *d, const struct event *ev, enum cdc_change_kind kind)
{
    if (!d->tx.open && !d->tx.announced)
        return;
    if (!d->tx.open)
        decode_begin(d, ev);
    if (kind == CDC_COMMIT) {
        decode_commit(d, ev, false);
        return;
    }
    hold_drop(d);
    decode_end(d, ev, kind, false);
}

/* A transaction of its own without content, if the log announced one. */
static void pass(struct cdc_decoder *d, const struct event *ev)
{
    if (!d->tx.open && d->tx.announced) {
        decode_begin(d, ev);
        decode_end(d, ev, CDC_COMMIT, false);
    }
}

/* The ids of the collations that the session gave character sets, or NULL. */
static const char *collations_of(struct arena *to, const struct cdc_decoder *d,
                                 const struct query *q)
{
    CLEANUP(buf_fini) struct buf ids = BUF_INIT;
    struct wire w = q->collations;
    if (!d->mariadb && q->utf8mb4_default != UTF8MB4_0900)
        buf_printf(&ids, "%u", q->utf8mb4_default ? q->utf8mb4_default : UTF8MB4_GENERAL);
    while (wire_left(&w) >= 4) {
        (void)wire_get(&w, 2);
        buf_printf(&ids, "%s%u", ids.len > 0 ? "," : "", (unsigned)wire_get(&w, 2));
    }
    return ids.len > 0 ? arena_strndup(to, buf_str(&ids), ids.len) : NULL;
}

static struct ddl_session session_of(struct arena *to, const struct cdc_decoder *d,
                                     const struct query *q)
{
    return (struct ddl_session){
        .known = q->mode_told,
        .mariadb = d->mariadb,
        .sql_mode = q->sql_mode,
        .time_zone = q->zone[0] ? arena_strndup(to, q->zone, strlen(q->zone)) : NULL,
        .collations = collations_of(to, d, q),
        .lc_time_names = q->lc_time_names,
    };
}

static bool on_ddl(struct cdc_decoder *d, const struct event *ev, const struct query *q,
                   struct err *e)
{
    bool alone = !d->tx.open;
    (void)decode_batch(d, 3 * sizeof(struct cdc_change) + q->db_len + q->n + 2);
    if (alone) {
        d->tx.thread_known = !d->mariadb;
        d->tx.thread_id = q->thread_id;
        decode_begin(d, ev);
    }
    struct cdc_change *c = decode_add(d, CDC_DDL, ev);
    char *sql = arena_alloc(&d->open->arena, q->n + 1);
    memcpy(sql, q->sql, q->n);
    sql[q->n] = 0;
    c->ddl.db = arena_strndup(&d->open->arena, q->db, q->db_len);
    c->ddl.sql = sql;
    c->ddl.n = q->n;
    c->ddl.lex = q->lex;
    c->ddl.session = session_of(&d->open->arena, d, q);
    c->ddl.strings = q->strings;
    table_cache_forget(&d->tables);
    struct log_span seen = decode_span(d, ev);
    if (d->o.ddl && !d->o.ddl(d->o.schema_ctx, &seen, c, e))
        return false;
    if (alone)
        decode_end(d, ev, CDC_COMMIT, false);
    return true;
}

/* ROLLBACK, or ROLLBACK [WORK] TO [SAVEPOINT] name; SAVEPOINT name; RELEASE SAVEPOINT name. */
static bool on_savepoint(struct cdc_decoder *d, const struct event *ev, const struct query *q,
                         struct err *e)
{
    struct sqltoken_scanner s;
    struct sqltoken t, first;
    sqltoken_init(&s, q->sql, q->n, q->lex);
    if (!sqltoken_next(&s, &first))
        return true;
    bool rollback = sqltoken_is(&first, "ROLLBACK"), to = false, named = false;
    while (sqltoken_next(&s, &t)) {
        bool word = sqltoken_is(&t, "WORK") || sqltoken_is(&t, "SAVEPOINT");
        to = to || sqltoken_is(&t, "TO");
        named = !word && !(t.kind == SQLTOKEN_WORD && sqltoken_is(&t, "TO"));
        if (named)
            break;
    }
    if (rollback && !to) {
        on_end(d, ev, CDC_ROLLBACK);
        return true;
    }
    if (rollback)
        return decode_rollback_to(d, named ? t.text : "", e);
    if (sqltoken_is(&first, "SAVEPOINT") && named)
        decode_savepoint(d, t.text);
    return true;
}

/* Heartbeats that platforms write by statement on purpose (Amazon RDS, Alibaba). */
static bool is_platform_table(const char *db, const char *name)
{
    return strcasecmp(db, "mysql") == 0 &&
           (strncasecmp(name, "rds_", 4) == 0 || strcasecmp(name, "ha_health_check") == 0);
}

static bool only_platform_tables(const struct query *q, const struct stmt_reach *reach)
{
    for (size_t i = 0; i < reach->n_tables; i++) {
        const struct sqlstmt_table *t = &reach->tables[i].name;
        if (!is_platform_table(t->db[0] ? t->db : q->db, t->name))
            return false;
    }
    return reach->kind == REACH_NAMED;
}

static bool refuse_statement(const struct query *q, const struct stmt_reach *reach,
                             const struct err *why, struct err *e)
{
    int n = q->n > 60 ? 60 : (int)q->n;
    const char *proof = why->code != ERR_NONE ? why->text : reach->why;
    if (reach->n_tables > 0 && reach->tables[0].written)
        err_set(e, ERR_LOG_STATEMENT,
                "%s.%s was changed by a statement instead of row events (\"%.*s\")%s%s",
                reach->tables[0].name.db[0] ? reach->tables[0].name.db : q->db,
                reach->tables[0].name.name, n, q->sql, proof[0] ? ": " : "", proof);
    else
        err_set(e, ERR_LOG_STATEMENT,
                "a statement may have changed tables of %s instead of row events (\"%.*s\")%s%s",
                q->db, n, q->sql, proof[0] ? ": " : "", proof);
    if (why->cure[0])
        return err_cure(e, "%s", why->cure);
    return err_cure(
        e, "set binlog_format=ROW on the server (sessions too), then copy that table again");
}

/* Something else than rows, DDL and transaction control. True: it is passed over, because its text
 * proves that it changes no row, or because whoever reads says so. */
static bool on_changing(struct cdc_decoder *d, const struct event *ev, const struct query *q,
                        struct err *e)
{
    struct stmt_reach reach;
    struct err why = ERR_INIT;
    stmt_reach_read(q->sql, q->n, q->lex, &reach);
    if (reach.kind == REACH_NOTHING || only_platform_tables(q, &reach))
        return true;
    struct log_span seen = decode_span(d, ev);
    struct cdc_statement st = {
        .db = q->db, .sql = q->sql, .n = q->n, .reach = &reach, .seen = &seen};
    if (!d->mariadb) {
        st.updated_dbs = q->updated_dbs;
        st.updated_n = q->updated_n;
    }
    if (d->o.statement && d->o.statement(d->o.statement_ctx, &st, &why)) {
        d->stats.skipped_statements++;
        return true;
    }
    if (why.class_ == ERR_CLASS_RETRY) /* the server could not be asked: not an answer */
        return err_copy(e, &why);
    return refuse_statement(q, &reach, &why, e);
}

/* Filled from a query, which a row-based log never says: there the rows follow. */
static bool on_create_table(struct cdc_decoder *d, const struct event *ev, const struct query *q,
                            struct err *e)
{
    if (stmt_reach_fills(q->sql, q->n, q->lex) && !on_changing(d, ev, q, e))
        return false;
    if (!d->stmt.temporary)
        return on_ddl(d, ev, q, e);
    pass(d, ev);
    return true;
}

static bool starts_like_ddl(const struct query *q)
{
    static const char *const words[] = {"CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE"};
    struct sqltoken_scanner s;
    struct sqltoken t;
    sqltoken_init(&s, q->sql, q->n, q->lex);
    if (!sqltoken_next(&s, &t))
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (sqltoken_is(&t, words[i]))
            return true;
    }
    return false;
}

static bool on_statement(struct cdc_decoder *d, const struct event *ev, const struct query *q,
                         struct err *e)
{
    switch (d->stmt.kind) {
    case SQLSTMT_BEGIN:
        on_begin(d, ev, q);
        return true;
    case SQLSTMT_COMMIT:
        on_end(d, ev, CDC_COMMIT);
        return true;
    case SQLSTMT_ROLLBACK:
    case SQLSTMT_SAVEPOINT:
        return on_savepoint(d, ev, q, e);
    case SQLSTMT_XA:
        return xa_statement(d, ev, q->sql, q->n, e);
    case SQLSTMT_ACCOUNT: /* may hold secrets, and changes no table */
        pass(d, ev);
        return true;
    case SQLSTMT_DML:
    case SQLSTMT_OTHER:
        if (starts_like_ddl(q))
            return on_ddl(d, ev, q, e);
        if (!on_changing(d, ev, q, e))
            return false;
        pass(d, ev);
        return true;
    case SQLSTMT_CREATE_TABLE:
        return on_create_table(d, ev, q, e);
    case SQLSTMT_ALTER_TABLE:
    case SQLSTMT_DROP_TABLE:
    case SQLSTMT_RENAME_TABLE:
    case SQLSTMT_TRUNCATE:
    case SQLSTMT_CREATE_INDEX:
    case SQLSTMT_DROP_INDEX:
    case SQLSTMT_DATABASE:
    case SQLSTMT_TRIGGER_OR_ROUTINE:
        if (!d->stmt.temporary)
            return on_ddl(d, ev, q, e);
        pass(d, ev);
        return true;
    }
    return true;
}

/* MariaDB's comment in place of an event that the replica said it cannot read, padded or cut to
 * that event's length. */
static const char dummy_head[] = "# Dummy event replacing event type ";

static bool is_dummy(const struct query *q)
{
    size_t n = q->n < sizeof dummy_head - 1 ? q->n : sizeof dummy_head - 1;
    return n > 0 && memcmp(q->sql, dummy_head, n) == 0;
}

/* Of no harm where it certainly stands for an event that changes nothing. */
static bool on_dummy(const struct query *q, struct err *e)
{
    unsigned type = 0;
    size_t at = sizeof dummy_head - 1;
    while (at < q->n && q->sql[at] >= '0' && q->sql[at] <= '9' && type < 256)
        type = type * 10 + (unsigned)(q->sql[at++] - '0');
    bool whole = at < q->n; /* the number is not cut */
    if (whole && (type == EV_ANNOTATE_ROWS || type == EV_BINLOG_CHECKPOINT || type == EV_GTID_LIST))
        return true;
    err_set(e, ERR_LOG_UNSUPPORTED,
            "the server left out an event and wrote a comment in its place (\"%.*s\")",
            q->n > 60 ? 60 : (int)q->n, q->sql);
    return err_cure(e, "read the log of the server that made the change, not that of a replica of "
                       "an older version");
}

/* Whether a string of the session keeps its characters on its way into a column. */
static bool keeps_characters(const struct query *q)
{
    const char *from = charset_name(q->collation), *to = charset_name(q->connection);
    return charset_is_utf8_compatible(q->connection) || (from && to && strcmp(from, to) == 0);
}

static bool begins_with(const struct query *q, const char *word)
{
    size_t n = strlen(word);
    return q->n >= n && strncasecmp(q->sql, word, n) == 0;
}

/* What the server wrote itself is in UTF-8, although its event names the session's character set:
 * savepoints, MariaDB's TRUNCATE of a MEMORY table after a restart, and a table made from a query
 * or like a temporary one, whose text is that of SHOW CREATE TABLE. (DROP TABLE, also made by the
 * server, is in the session's.) */
static bool is_servers_own(const struct query *q)
{
    static const char shown[] = "` (\n  `", restart[] = "/* generated by server for memory table";
    bool own = begins_with(q, "SAVEPOINT ") || begins_with(q, "ROLLBACK TO ") ||
               memmem(q->sql, q->n, restart, sizeof restart - 1) ||
               (begins_with(q, "CREATE ") && memmem(q->sql, q->n, shown, sizeof shown - 1));
    return own && charset_is_valid_utf8(q->sql, q->n);
}

/* A statement is read in UTF-8 alone. Before it is cut into words: in sjis, gbk and big5 the second
 * byte of a character may be a quote or a backslash. */
static bool to_utf8(struct cdc_decoder *d, struct query *q, struct err *e)
{
    buf_reset(&d->utf8);
    d->utf8.max = QUERY_TEXT_MAX;
    bool said = q->collation != 0 && !is_servers_own(q);
    if (said ? !charset_statement_to_utf8(q->collation, q->sql, q->n, &d->utf8)
             : !charset_is_valid_utf8(q->sql, q->n)) {
        const char *name = said ? charset_name(q->collation) : NULL;
        err_set(e, ERR_LOG_UNSUPPORTED,
                "a statement in character set %s (collation id %u) cannot be read: \"%.*s\"",
                name ? name : "unknown", q->collation, q->n > 60 ? 60 : (int)q->n, q->sql);
        return err_cure(e, "begin behind it with a new copy of the tables that it names, and let "
                           "that client use utf8mb4");
    }
    if (said && !keeps_characters(q))
        q->strings = DDL_STRINGS_VARY;
    else if (d->utf8.len > 0)
        q->strings = DDL_STRINGS_CONVERTED;
    if (d->utf8.failed)
        return err_set(e, ERR_LIMIT, "a statement of %zu bytes", q->n);
    if (d->utf8.len > 0) {
        q->sql = buf_str(&d->utf8);
        q->n = d->utf8.len;
    }
    return true;
}

static bool run_query(struct cdc_decoder *d, const struct event *ev, struct query *q, struct err *e)
{
    if (same_word(q, "BEGIN")) {
        on_begin(d, ev, q);
        return true;
    }
    if (same_word(q, "COMMIT")) {
        on_end(d, ev, CDC_COMMIT);
        return true;
    }
    if (is_dummy(q))
        return on_dummy(q, e);
    if (d->tx.undecided) {
        pass(d, ev);
        return true;
    }
    read_status(q);
    q->lex = sql_mode_lex(q->sql_mode, d->mariadb);
    if (!to_utf8(d, q, e))
        return false;
    sqlstmt_classify(q->sql, q->n, q->lex, &d->stmt);
    return on_statement(d, ev, q, e);
}

bool decode_query(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    struct query q = {0};
    struct wire w;
    return read_query(&q, ev, 0, &w, e) && run_query(d, ev, &q, e);
}

bool decode_execute_load(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    struct query q = {0};
    struct wire w;
    if (!read_query(&q, ev, LOAD_QUERY_EXTRA, &w, e))
        return false;
    read_status(&q);
    return to_utf8(d, &q, e) && on_changing(d, ev, &q, e);
}

bool decode_query_compressed(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    struct query q = {0};
    struct wire w;
    if (!read_query(&q, ev, 0, &w, e))
        return false;
    buf_reset(&d->scratch);
    d->scratch.max = QUERY_TEXT_MAX;
    if (!decode_inflate_block(&w, &d->scratch, e))
        return false;
    q.sql = buf_str(&d->scratch);
    q.n = d->scratch.len;
    return run_query(d, ev, &q, e);
}
