/* tests/component/test_schema_tracker.c — the tracker against a made-up server whose whole history
 * is known: what it says of a table at a place is true, or it says that it does not know. */
#include "schemas/labels.h"
#include "schemas/tracker.h"

#include "base/mem.h"
#include "base/sys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TABLES   3
#define LOG_MAX  2000
#define FILE_LEN 40 /* entries in one log file */

/* One transaction: a DDL that makes version n of a table, or rows of it (or both: CREATE SELECT).
 * A version's number is the name of the table's column; all versions have the same type. */
struct entry {
    bool ddl, rows, logged_elsewhere;
    unsigned table, version; /* after it; 0: dropped */
};
struct world {
    struct entry log[LOG_MAX];
    size_t n;
    unsigned current[TABLES];
    unsigned versions;
    unsigned seed;
    bool writes_while_asked;
    unsigned asked, scanned;
    size_t purged;          /* entries before are gone */
    unsigned first[TABLES]; /* version that a table had when the log was begun anew */
    const char *server;
};
static uint32_t begun[LOG_MAX / FILE_LEN + 1]; /* when each file of the log was begun */
static uint32_t now_s = 1000;

static unsigned dice(struct world *w, unsigned n)
{
    w->seed = w->seed * 1664525u + 1013904223u;
    return (w->seed >> 16) % n;
}

static struct log_place spot(size_t entry)
{
    struct log_place s = {.pos = 4 + (entry % FILE_LEN) * 100, .begun = begun[entry / FILE_LEN]};
    snprintf(s.file, sizeof s.file, "binlog.%06zu", 999998 + entry / FILE_LEN);
    return s;
}

static size_t entry_of(const struct log_place *s)
{
    return (strtoul(s->file + 7, NULL, 10) - 999998) * FILE_LEN + (s->pos - 4) / 100;
}

static void begin_files(size_t from_entry)
{
    now_s++;
    for (size_t i = from_entry / FILE_LEN; i < sizeof begun / sizeof *begun; i++)
        begun[i] = now_s;
}

static const char *name_of(unsigned table)
{
    static const char *const names[TABLES] = {"t0", "t1", "T2"};
    return names[table];
}

static void add_entry(struct world *w, bool ddl, bool rows, unsigned table)
{
    if (w->n == LOG_MAX)
        return;
    if (ddl)
        w->current[table] = !rows && dice(w, 8) == 0 ? 0 : ++w->versions;
    w->log[w->n++] = (struct entry){.ddl = ddl,
                                    .rows = rows && w->current[table],
                                    .table = table,
                                    .version = w->current[table]};
}

static void add_random(struct world *w)
{
    unsigned kind = dice(w, 10), table = dice(w, TABLES);
    add_entry(w, kind<2, kind> 0, table);
}

static unsigned version_at(const struct world *w, unsigned table, size_t entry)
{
    unsigned version = w->first[table];
    for (size_t i = 0; i <= entry; i++)
        if (w->log[i].ddl && w->log[i].table == table)
            version = w->log[i].version;
    return version;
}

static struct schema_table *table_of(unsigned table, unsigned version)
{
    struct schema_table *t = schema_table_new("shop", name_of(table), 1);
    char name[32];
    snprintf(name, sizeof name, "v%u", version);
    t->columns[0].name = version ? mem_strdup(name) : NULL;
    t->columns[0].type = SCHEMA_TYPE_LONG;
    t->full_metadata = version != 0;
    schema_table_seal(t);
    return t;
}

static struct ddl_text text_of(const struct entry *d, char *sql, size_t n)
{
    snprintf(sql, n, "/* %u */ ALTER TABLE `%s` ADD x INT", d->version, name_of(d->table));
    return (struct ddl_text){.db = "shop", .sql = sql, .n = strlen(sql)};
}

static void others_write(struct world *w)
{
    for (unsigned i = dice(w, 4); i && w->writes_while_asked; i--)
        add_random(w);
}

/* DDL comes before, between and after the three steps. */
static bool world_inspect(void *ctx, const char *db, const char *name, struct tracker_reading *out,
                          struct err *e)
{
    struct world *w = ctx;
    (void)e;
    assert_string_equal(db, "shop");
    out->since = spot(w->n);
    others_write(w);
    out->list.tables = mem_calloc(TABLES, sizeof *out->list.tables);
    for (unsigned i = 0; i < TABLES; i++)
        if ((!name || strcmp(name, name_of(i)) == 0) && w->current[i])
            out->list.tables[out->list.n++] = table_of(i, w->current[i]);
    others_write(w);
    out->end = spot(w->n);
    w->asked++;
    others_write(w);
    return true;
}

static bool world_scan(void *ctx, struct schema_tracker *t, const struct log_place *from,
                       const struct log_place *to, struct err *e)
{
    struct world *w = ctx;
    char sql[200];
    size_t first = entry_of(from), last = entry_of(to);
    w->scanned++;
    assert_int_equal(from->begun, begun[first / FILE_LEN]);
    assert_int_equal(to->begun, begun[last / FILE_LEN]);
    if (first < w->purged)
        return err_set(e, ERR_SCHEMA_UNKNOWN, "purged");
    for (size_t i = first; i < last && i < w->n; i++) {
        struct log_place at = spot(i);
        if (!w->log[i].ddl)
            continue;
        struct ddl_text ddl = text_of(&w->log[i], sql, sizeof sql);
        schema_tracker_found(t, &at, &ddl);
    }
    return true;
}

static bool world_look(void *ctx, const char *file, struct log_place *end, struct err *e)
{
    const struct world *w = ctx;
    size_t number = strtoul(file + 7, NULL, 10) - 999998, last = (number + 1) * FILE_LEN;
    (void)e;
    *end = (struct log_place){.file = ""};
    if (number > w->n / FILE_LEN || last <= w->purged)
        return true;
    *end = spot(number * FILE_LEN);
    end->pos += ((w->n < last ? w->n : last) - number * FILE_LEN) * 100;
    return true;
}

static const struct schema_tracker_ops world_ops = {
    .inspect = world_inspect, .scan = world_scan, .look = world_look};

/* RESET: the log begins anew, with the tables as they are. */
static void reset_log(struct world *w)
{
    for (unsigned i = 0; i < TABLES; i++)
        w->first[i] = w->current[i];
    w->n = w->purged = 0;
    begin_files(0);
}

/* A copy of the server, made when a file was full, takes its place. */
static void restore_copy(struct world *w)
{
    size_t n = dice(w, (unsigned)(w->n / FILE_LEN) + 1) * FILE_LEN;
    if (n == 0 || n <= w->purged)
        return;
    w->n = n;
    for (unsigned i = 0; i < TABLES; i++)
        w->current[i] = version_at(w, i, n - 1);
    begin_files(n);
}

struct reader {
    size_t since, at;
};

struct tally {
    unsigned known, refused;
};

static void ask_rows(struct world *w, struct schema_tracker *t, const struct reader *r,
                     struct tally *tally)
{
    const struct entry *d = &w->log[r->at];
    struct log_span span = {.to = spot(r->at), .from = spot(r->since)};
    struct err e = ERR_INIT;
    struct schema_table *log = table_of(d->table, 0);
    unsigned truth = version_at(w, d->table, r->at);
    const struct schema_table *got = schema_tracker_definition(t, &span, log, w, &e);
    schema_table_unref(log);
    if (!got) {
        assert_int_equal(e.code, ERR_SCHEMA_UNKNOWN);
        tally->refused++;
        return;
    }
    if (strtoul(got->columns[0].name + 1, NULL, 10) != truth)
        fail_msg("entry %zu of %s: v%u is taken for %s", r->at, name_of(d->table), truth,
                 got->columns[0].name);
    schema_table_unref(got);
    tally->known++;
}

/* One entry further. */
static void read_on(struct world *w, struct schema_tracker *t, struct reader *r,
                    struct tally *tally)
{
    char sql[200];
    if (r->at >= w->n)
        return;
    const struct entry *d = &w->log[r->at];
    struct log_span span = {.to = spot(r->at), .from = spot(r->since)};
    if (d->ddl) {
        struct ddl_text ddl = text_of(d, sql, sizeof sql);
        schema_tracker_ddl(t, &span, &ddl, dice(w, 3) > 0, w);
    }
    if (d->rows && d->version)
        ask_rows(w, t, r, tally);
    r->at++;
}

static unsigned begin_session(struct schema_tracker *t, struct world *w, const char *server)
{
    struct err e = ERR_INIT;
    unsigned log = 0;
    assert_true(schema_tracker_session(t, server, w, &log, &e));
    assert_int_equal(log, schema_tracker_log(t));
    return log;
}

static struct schema_tracker *tracker_of(struct store *store, struct world *w)
{
    struct schema_tracker *t = schema_tracker_new(&world_ops, store);
    begin_session(t, w, w->server ? w->server : "server");
    return t;
}

/* The log is another one: every reader begins in it anew. */
static void lose_log(struct world *w, struct schema_tracker *t, struct reader *readers, size_t n)
{
    if (dice(w, 2))
        reset_log(w);
    else
        restore_copy(w);
    for (size_t i = 0; i < n; i++)
        readers[i].at = readers[i].since = w->n ? dice(w, (unsigned)w->n) : 0;
    begin_session(t, w, w->server);
}

static void begin(struct schema_tracker *t, struct world *w)
{
    struct err e = ERR_INIT;
    assert_true(schema_tracker_begin(t, "shop", w, &e));
}

static struct tally live_through(unsigned seed, struct store *store, unsigned steps)
{
    struct world *w = mem_alloc(sizeof *w);
    struct reader readers[3] = {{0, 0}};
    struct tally tally = {0, 0};
    char server[32];
    snprintf(server, sizeof server, "server %u", seed);
    w->server = server;
    w->seed = seed;
    begin_files(0);
    w->writes_while_asked = seed % 2;
    for (unsigned i = 0; i < TABLES; i++)
        add_entry(w, true, false, i);
    struct schema_tracker *t = tracker_of(store, w);
    for (unsigned i = 0; i < steps; i++) {
        struct reader *r = &readers[dice(w, 3)];
        unsigned what = dice(w, 100);
        if (what < 45) {
            add_random(w);
        } else if (what < 95) {
            read_on(w, t, r, &tally);
        } else if (what < 97) { /* connects anew, somewhere behind or before */
            r->at = r->since = dice(w, (unsigned)w->n + 1);
            begin_session(t, w, server);
            if (dice(w, 2))
                begin(t, w);
        } else if (what < 98) {
            struct log_span span = {.to = spot(r->at), .from = spot(r->since)};
            schema_tracker_seen(t, &span);
        } else if (what < 99) { /* the program dies; what was stored is left */
            schema_tracker_free(t);
            t = tracker_of(store, w);
            for (unsigned k = 0; k < 3; k++)
                readers[k].since = readers[k].at;
        } else if (dice(w, 2)) {
            w->purged = dice(w, (unsigned)w->n + 1);
        } else {
            lose_log(w, t, readers, 3);
        }
    }
    schema_tracker_free(t);
    free(w);
    return tally;
}

static void no_history_gives_a_wrong_definition(void **state)
{
    struct tally sum = {0, 0};
    (void)state;
    for (unsigned seed = 1; seed <= 300; seed++) {
        struct tally one = live_through(seed, NULL, 1500);
        sum.known += one.known;
        sum.refused += one.refused;
    }
    print_message("%u known, %u refused\n", sum.known, sum.refused);
    assert_true(sum.known > 10000 && sum.refused > 1000);
}

static struct store *open_store(char *dir)
{
    struct err e = ERR_INIT;
    assert_non_null(mkdtemp(dir));
    struct store *s = store_open(dir, &e);
    if (!s)
        fail_msg("%s", e.text);
    return s;
}

static void close_store(struct store *s, const char *dir)
{
    static const char *const files[] = {"state.db", "state.db-wal", "state.db-shm", "lock"};
    store_close(s);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *path CLEANUP(mem_free_ptr) = mem_printf("%s/%s", dir, files[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(dir), 0);
}

static void nor_does_one_with_restarts(void **state)
{
    char dir[] = "/tmp/sluice-tracker-XXXXXX";
    struct tally sum = {0, 0};
    struct store *s = open_store(dir);
    (void)state;
    for (unsigned seed = 1; seed <= 6; seed++) {
        struct tally one = live_through(seed * 7919, s, 600);
        sum.known += one.known;
        sum.refused += one.refused;
    }
    assert_true(sum.known > 100);
    close_store(s, dir);
}

/* A reader that keeps up knows every row, and asks the server once a DDL. */
static void who_keeps_up_knows_everything(void **state)
{
    struct world *w = mem_alloc(sizeof *w);
    struct schema_tracker *t = tracker_of(NULL, w);
    struct reader r = {0, 0};
    struct tally tally = {0, 0};
    char sql[200];
    (void)state;
    w->seed = 5;
    for (unsigned i = 0; i < 500; i++) {
        add_entry(w, i < TABLES || i % 10 == 0, true, i % TABLES);
        const struct entry *d = &w->log[r.at];
        struct log_span span = {.to = spot(r.at), .from = spot(r.since)};
        struct ddl_text ddl = text_of(d, sql, sizeof sql);
        if (d->ddl)
            schema_tracker_ddl(t, &span, &ddl, true, w);
        ask_rows(w, t, &r, &tally);
        r.at++;
    }
    assert_int_equal(tally.refused, 0);
    assert_int_equal(tally.known, 500);
    assert_true(w->asked <= 500 / 10 + TABLES);
    schema_tracker_free(t);
    free(w);
}

/* What is in the log when the reader begins, or comes next, and is followed by a DDL before its row
 * is read. */
static void a_row_that_is_followed_by_a_ddl_is_known(void **state)
{
    struct world *w = mem_alloc(sizeof *w);
    struct reader r = {3, 3};
    struct tally tally = {0, 0};
    (void)state;
    w->seed = 5;
    for (unsigned i = 0; i < TABLES; i++)
        add_entry(w, true, false, i);
    add_entry(w, false, true, 0); /* the reader begins here, while the log goes on */
    struct schema_tracker *t = tracker_of(NULL, w);
    begin(t, w);
    assert_int_equal(w->asked, 1);
    add_entry(w, true, false, 0); /* right where the log ended */
    add_entry(w, false, true, 1);
    add_entry(w, true, false, 1);
    add_entry(w, false, true, 1);
    while (r.at < w->n)
        read_on(w, t, &r, &tally);
    assert_int_equal(tally.refused, 0);
    assert_int_equal(tally.known, 3);
    unsigned asked = w->asked;
    begin(t, w);
    assert_int_equal(w->asked, asked);
    schema_tracker_free(t);
    free(w);
}

static void the_error_names_the_place_and_the_cure(void **state)
{
    struct world *w = mem_alloc(sizeof *w);
    struct schema_tracker *t = tracker_of(NULL, w);
    struct err e = ERR_INIT;
    (void)state;
    add_entry(w, true, true, 0);
    add_entry(w, false, true, 0);
    add_entry(w, true, false, 1);
    w->log[2] = (struct entry){.ddl = true, .table = 0, .version = w->current[0] = 77};
    struct log_span span = {.to = spot(1), .from = spot(1)};
    struct schema_table *log = table_of(0, 0);
    assert_null(schema_tracker_definition(t, &span, log, w, &e));
    assert_int_equal(e.code, ERR_SCHEMA_UNKNOWN);
    assert_non_null(strstr(e.text, "binlog.999998:104"));
    assert_non_null(strstr(e.text, "binlog.999998:204"));
    assert_non_null(strstr(e.cure, "binlog_row_metadata=FULL"));
    schema_table_unref(log);
    schema_tracker_free(t);
    free(w);
}

static void read_two_entries(struct world *w, struct schema_tracker *t, struct reader *r,
                             struct tally *tally)
{
    add_entry(w, true, true, 0);
    add_entry(w, false, true, 0);
    while (r->at < w->n)
        read_on(w, t, r, tally);
}

static void another_server_shares_nothing(void **state)
{
    char dir[] = "/tmp/sluice-tracker-XXXXXX";
    struct store *s = open_store(dir);
    struct world *w = mem_alloc(sizeof *w);
    struct schema_tracker *t = tracker_of(s, w);
    struct reader r = {0, 0};
    struct tally tally = {0, 0};
    (void)state;
    read_two_entries(w, t, &r, &tally);
    assert_int_equal(tally.known, 2);
    begin_session(t, w, "another");
    unsigned asked = w->asked;
    r = (struct reader){1, 1};
    read_on(w, t, &r, &tally);
    assert_int_equal(w->asked, asked + 1);
    schema_tracker_free(t);
    free(w);
    close_store(s, dir);
}

/* Nor the same server's log that was begun anew, however long it is by now. */
static void nor_does_a_log_that_was_begun_anew(void **state)
{
    char dir[] = "/tmp/sluice-tracker-XXXXXX";
    struct store *s = open_store(dir);
    struct world *w = mem_alloc(sizeof *w);
    struct schema_tracker *t = tracker_of(s, w);
    struct reader r = {0, 0};
    struct tally tally = {0, 0};
    (void)state;
    read_two_entries(w, t, &r, &tally);
    unsigned log = schema_tracker_log(t);
    assert_int_equal(begin_session(t, w, "server"), log);
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        reset_log(w);
        w->first[0] = w->current[0] = 70 + restarts; /* by a DDL that the old log has */
        for (unsigned i = 0; i < FILE_LEN * 2; i++)
            add_entry(w, false, true, 0);
        if (restarts) {
            schema_tracker_free(t);
            t = tracker_of(s, w);
        } else {
            assert_true(begin_session(t, w, "server") != log);
        }
        r = (struct reader){0, 0};
        while (r.at < w->n)
            read_on(w, t, &r, &tally);
    }
    assert_int_equal(tally.refused, 0);
    schema_tracker_free(t);
    free(w);
    close_store(s, dir);
}

/* ---- types that the log leaves open ---- */

struct one_table { /* a server that has one table now, or none; its log's DDL was all given */
    struct schema_table *now;
};

static bool one_inspect(void *ctx, const char *db, const char *name, struct tracker_reading *out,
                        struct err *e)
{
    struct one_table *o = ctx;
    (void)db;
    (void)name;
    (void)e;
    out->since = out->end = spot(30);
    out->list.tables = mem_calloc(1, sizeof *out->list.tables);
    if (o->now)
        out->list.tables[out->list.n++] = schema_table_ref(o->now);
    return true;
}

static bool one_scan(void *ctx, struct schema_tracker *t, const struct log_place *from,
                     const struct log_place *to, struct err *e)
{
    (void)ctx;
    (void)t;
    (void)from;
    (void)to;
    (void)e;
    return true;
}

static const struct schema_tracker_ops one_ops = {.inspect = one_inspect, .scan = one_scan};

/* u UUID or what looks like it, b BINARY(16). */
static struct schema_table *uuid_and_binary(bool log)
{
    struct schema_table *t = schema_table_new("shop", "a", 2);
    for (size_t i = 0; i < 2; i++) {
        struct schema_column *c = &t->columns[i];
        c->name = mem_strdup(i == 0 ? "u" : "b");
        c->type = SCHEMA_TYPE_STRING;
        c->meta = 16;
        c->type_open = log;
    }
    t->columns[0].ext = log ? SCHEMA_EXT_NONE : SCHEMA_EXT_UUID;
    t->full_metadata = true;
    schema_table_seal(t);
    return t;
}

static void give(struct schema_tracker *t, size_t entry, const char *sql)
{
    struct log_span span = {.to = spot(entry), .from = spot(0)};
    struct ddl_text ddl = {.db = "shop", .sql = sql, .n = strlen(sql)};
    schema_tracker_ddl(t, &span, &ddl, false, NULL);
}

static void an_open_type_is_proven_by_the_column_or_refused(void **state)
{
    static const struct {
        const char *earlier, *later; /* DDL before and behind the place */
        bool there, known;
        enum schema_ext ext;
    } cases[] = {
        {NULL, "ALTER TABLE a ADD y INT", true, true, SCHEMA_EXT_UUID},
        {NULL, "ALTER TABLE a RENAME COLUMN u TO x, RENAME COLUMN b TO u, RENAME COLUMN x TO b",
         true, false, SCHEMA_EXT_NONE},
        {NULL, "DROP TABLE a", false, false, SCHEMA_EXT_NONE},
        {"CREATE TABLE a (u UUID, b BINARY(16))", "DROP TABLE a", false, false, SCHEMA_EXT_NONE},
        {"CREATE TABLE a (u BINARY(16), b BINARY(16))", "DROP TABLE a", false, true,
         SCHEMA_EXT_NONE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = ERR_INIT;
        struct one_table o = {cases[i].there ? uuid_and_binary(false) : NULL};
        struct schema_table *log = uuid_and_binary(true);
        struct schema_tracker *t = schema_tracker_new(&one_ops, NULL);
        struct log_span span = {.to = spot(10), .from = spot(0)};
        if (cases[i].earlier)
            give(t, 5, cases[i].earlier);
        give(t, 20, cases[i].later);
        const struct schema_table *known = schema_tracker_types(t, &span, log, &o, &e);
        assert_int_equal(known != NULL, cases[i].known);
        if (known)
            assert_int_equal(known->columns[0].ext, cases[i].ext);
        else
            assert_non_null(strstr(e.text, "the type of its column u at binlog."));
        schema_table_unref(known);
        schema_table_unref(log);
        schema_table_unref(o.now);
        schema_tracker_free(t);
    }
}

static void a_definition_survives_as_json(void **state)
{
    struct err e = ERR_INIT;
    struct buf json CLEANUP(buf_fini) = BUF_INIT;
    struct schema_table *t = schema_table_new("d\"b", "t\xc3\xb6", 2);
    (void)state;
    t->columns[0] = (struct schema_column){.name = mem_strdup("a\"\\"),
                                           .type = SCHEMA_TYPE_ENUM,
                                           .meta = 2,
                                           .collation = 255,
                                           .nullable = true,
                                           .visible = false,
                                           .unsigned_known = true,
                                           .is_unsigned = true,
                                           .generated = true,
                                           .auto_increment = true,
                                           .label_known = true,
                                           .ext = SCHEMA_EXT_UUID,
                                           .column_type = mem_strdup("enum('x')"),
                                           .vector_dim = 3,
                                           .geometry_type = 4};
    schema_labels_add(&t->columns[0], "x\0\xf0\x9f\x98\x80", 6);
    schema_labels_add(&t->columns[0], "", 0);
    schema_labels_add_unreadable(&t->columns[0], "\xff\0", 2);
    t->columns[1].name = mem_strdup("");
    t->pk = mem_calloc(1, sizeof *t->pk);
    t->pk[t->n_pk++] = 1;
    schema_table_seal(t);
    schema_table_to_json(t, &json);
    struct schema_table *again = schema_table_from_json(buf_str(&json), &e);
    assert_non_null(again);
    assert_int_equal(again->content_hash, t->content_hash);
    assert_string_equal(again->db, t->db);
    assert_string_equal(again->name, t->name);
    assert_true(again->full_metadata);
    schema_table_unref(t);
    schema_table_unref(again);
    static const char wrong_key[] = "{\"db\":\"d\",\"name\":\"t\",\"columns\":[{\"name\":\"a\"}],"
                                    "\"pk\":[1]}";
    static const char *const bad[] = {"",
                                      "{}",
                                      "[]",
                                      "{\"db\":\"d\",\"name\":\"t\",\"columns\":[]}",
                                      "{\"db\":\"d\",\"name\":\"t\",\"columns\":[{}],\"pk\":[]}",
                                      wrong_key};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_null(schema_table_from_json(bad[i], &e));
}

static void two_processes_share_the_versions(void **state)
{
    char dir[] = "/tmp/sluice-tracker-XXXXXX";
    struct err e = ERR_INIT;
    (void)state;
    struct store *one = open_store(dir), *two = store_open_shared(dir, &e);
    assert_non_null(two);
    struct store_schema v = {.server_uuid = "u",
                             .db = "d",
                             .name = "t",
                             .from_file = "b.1",
                             .seen_file = "b.1",
                             .definition = "x",
                             .from_pos = 4,
                             .seen_pos = 5};
    for (v.from_pos = 4; v.from_pos < 44; v.from_pos++)
        assert_true(store_schema_put(v.from_pos % 2 ? one : two, &v, &e));
    assert_true(store_schema_put(one, &v, &e) && store_schema_put(two, &v, &e));
    store_close(two);
    close_store(one, dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_history_gives_a_wrong_definition),
        cmocka_unit_test(nor_does_one_with_restarts),
        cmocka_unit_test(who_keeps_up_knows_everything),
        cmocka_unit_test(a_row_that_is_followed_by_a_ddl_is_known),
        cmocka_unit_test(the_error_names_the_place_and_the_cure),
        cmocka_unit_test(another_server_shares_nothing),
        cmocka_unit_test(nor_does_a_log_that_was_begun_anew),
        cmocka_unit_test(an_open_type_is_proven_by_the_column_or_refused),
        cmocka_unit_test(a_definition_survives_as_json),
        cmocka_unit_test(two_processes_share_the_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
