/* tests/unit/test_cdc_decode_query.c — statements in the log: the words of transactions,
 * savepoints, DDL, statements instead of rows, XA, MariaDB's compressed form; and malformed ones.
 */
#include "tests/support/decode_feeder.h"

#include <zlib.h>

/* One statement after a GTID, on a decoder of its own. seen NULL: refused with the text. */
static const struct {
    const char *sql, *seen;
    enum err_code code;
    const char *text;
} statements[] = {
    {"BEGIN", "B / ", ERR_NONE, NULL},
    {"begin", "B / ", ERR_NONE, NULL},
    {"START TRANSACTION", "B / ", ERR_NONE, NULL},
    {"COMMIT", "B C ", ERR_NONE, NULL},
    {"COMMIT /* x */", "B C ", ERR_NONE, NULL},
    {"ROLLBACK", "B R ", ERR_NONE, NULL},
    {"ROLLBACK WORK", "B R ", ERR_NONE, NULL},
    {"RELEASE SAVEPOINT s", "", ERR_NONE, NULL},
    {"SAVEPOINT", "", ERR_NONE, NULL},
    {"# Dummy event replacing event type 160 that slave cannot handle.", "", ERR_NONE, NULL},
    {"# Dummy event replacing event type 163 that", "", ERR_NONE, NULL},
    {"# Dummy event replacing event type 161 ", "", ERR_NONE, NULL},
    {"# Dummy event replacing event type 160", NULL, ERR_LOG_UNSUPPORTED,
     "the server left out an event and wrote a comment in its place"},
    {"# Dummy event replacing event type 23 that slave cannot handle.", NULL, ERR_LOG_UNSUPPORTED,
     "(\"# Dummy event replacing event type 23 that slave cannot hand\")"},
    {"# Dummy event replacing event type 160000 ", NULL, ERR_LOG_UNSUPPORTED, "160000 \")"},
    {"# Dum", NULL, ERR_LOG_UNSUPPORTED, "(\"# Dum\")"},
    {"FLUSH TABLES", "B C ", ERR_NONE, NULL},
    {"GRANT SELECT ON *.* TO u", "B C ", ERR_NONE, NULL},
    {"CREATE USER u IDENTIFIED BY 'secret'", "B C ", ERR_NONE, NULL},
    {"CREATE TABLE t (a INT)", "B D C ", ERR_NONE, NULL},
    {"CREATE TEMPORARY TABLE t (a INT)", "B C ", ERR_NONE, NULL},
    {"DROP TEMPORARY TABLE t", "B C ", ERR_NONE, NULL},
    {"ALTER TABLE t ADD b INT", "B D C ", ERR_NONE, NULL},
    {"DROP TABLE t", "B D C ", ERR_NONE, NULL},
    {"RENAME TABLE t TO u", "B D C ", ERR_NONE, NULL},
    {"TRUNCATE t", "B D C ", ERR_NONE, NULL},
    {"TRUNCATE TABLE t", "B D C ", ERR_NONE, NULL},
    {"CREATE INDEX i ON t (a)", "B D C ", ERR_NONE, NULL},
    {"DROP INDEX i ON t", "B D C ", ERR_NONE, NULL},
    {"CREATE DATABASE e", "B D C ", ERR_NONE, NULL},
    {"CREATE TRIGGER r BEFORE INSERT ON t FOR EACH ROW SET @a = 1", "B D C ", ERR_NONE, NULL},
    {"CREATE SEQUENCE s", "B D C ", ERR_NONE, NULL},
    {"XA END X'78',X'',1", "", ERR_NONE, NULL},
    {"XA ROLLBACK X'78',X'',1", "B C ", ERR_NONE, NULL},
    {"INSERT INTO mysql.rds_heartbeat2 VALUES (1)", "B C ", ERR_NONE, NULL},
    {"replace mysql.ha_health_check VALUES (1)", "B C ", ERR_NONE, NULL},
    {"INSERT INTO other.t VALUES (1)", NULL, ERR_LOG_STATEMENT,
     "other.t was changed by a statement"},
    {"UPDATE mysql.rds_x, t SET t.a = 1", NULL, ERR_LOG_STATEMENT, "was changed by a statement"},
    {"SET @a = 1", "B C ", ERR_NONE, NULL},
    {"SET @a = f()", NULL, ERR_LOG_STATEMENT, "it may change any table: SET"},
    {"SELECT f()", NULL, ERR_LOG_STATEMENT, "a statement may have changed tables of d"},
    {"DO f()", NULL, ERR_LOG_STATEMENT, "it may change any table: DO"},
    {"VALUES (f())", NULL, ERR_LOG_STATEMENT, "it may change any table: VALUES"},
    {"CALL p()", NULL, ERR_LOG_STATEMENT, "it may change any table: CALL"},
    {"ANALYZE DELETE FROM t", NULL, ERR_LOG_STATEMENT, "it may change any table: ANALYZE"},
    {"CREATE TABLE n AS SELECT * FROM t", NULL, ERR_LOG_STATEMENT,
     "d.n was changed by a statement"},
    {"CREATE TEMPORARY TABLE n SELECT f(5)", NULL, ERR_LOG_STATEMENT,
     "may call a stored function: f"},
    {"INSERT INTO `t` VALUES (1)", NULL, ERR_LOG_STATEMENT, "d.t was changed by a statement"},
    {"INSERT IGNORE INTO e . `t` VALUES (1)", NULL, ERR_LOG_STATEMENT,
     "e.t was changed by a statement instead of row events (\"INSERT IGNORE INTO e . `t` VALUES "
     "(1)\")"},
    {"DELETE QUICK FROM t", NULL, ERR_LOG_STATEMENT, "d.t was changed by a statement"},
    {"UPDATE t.", NULL, ERR_LOG_STATEMENT, "was changed by a statement"},
    {"UPDATE", NULL, ERR_LOG_STATEMENT, "a statement may have changed tables of d instead"},
    {"DELETE o FROM t o", NULL, ERR_LOG_STATEMENT, "d.t was changed by a statement"},
    {"WITH c AS (SELECT 1) UPDATE t SET a = 1 WHERE a = 100000000000000000", NULL,
     ERR_LOG_STATEMENT,
     "a statement may have changed tables of d instead of row events (\"WITH c AS (SELECT 1) "
     "UPDATE t SET a "
     "= 1 WHERE a = 1000000000\")"},
    {"ROLLBACK TO s", NULL, ERR_LOG_UNSUPPORTED,
     "ROLLBACK TO SAVEPOINT s, which the transaction did not set"},
    {"ROLLBACK WORK TO", NULL, ERR_LOG_UNSUPPORTED, "ROLLBACK TO SAVEPOINT , which"},
    {"XA COMMIT X'78',X'',1", NULL, ERR_LOG_UNSUPPORTED, "XA COMMIT X'78',X'',1: it was prepared"},
    {"XA RECOVER", NULL, ERR_LOG_UNSUPPORTED, "XA statement \"XA RECOVER\""},
    {"XA END", NULL, ERR_LOG_UNSUPPORTED, "XA statement \"XA END\""},
    {"XA RECOVER /* 4567890123456789012345678901234567890123456789 */", NULL, ERR_LOG_UNSUPPORTED,
     "XA statement \"XA RECOVER /* 4567890123456789012345678901234567890123456789\""},
};

static bool not_of_other(void *ctx, const char *db, const char *table)
{
    (void)ctx;
    (void)table;
    return strcmp(db, "other") != 0;
}

static void each_kind_of_statement_has_its_effect(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        struct cdc_decode_options o = {.want_table = not_of_other};
        struct feeder f;
        start_with(&f, &o, FEEDER_MYSQL, NULL);
        gtid(&f, 1);
        bool ok = query(&f, statements[i].sql);
        if (ok != (statements[i].seen != NULL))
            print_error("%s: %s\n", statements[i].sql, ok ? "accepted" : f.e.text);
        assert_int_equal(ok, statements[i].seen != NULL);
        if (ok)
            assert_seen(&f, statements[i].seen);
        else
            assert_fails(&f, statements[i].sql, statements[i].code, statements[i].text);
        stop(&f);
    }
}

static bool judge_statement(void *ctx, const struct cdc_statement *st, struct err *why)
{
    const char **updated = ctx;
    *updated = st->updated_n == 8 ? st->updated_dbs : NULL;
    if (strstr(st->sql, "lost"))
        return err_set_native(why, ERR_DB_LOST, ERR_CLASS_RETRY, 0, "the connection was lost");
    if (strstr(st->sql, "followed"))
        return err_set(why, ERR_LOG_STATEMENT, "it is followed");
    return true;
}

/* Whoever reads may know more than the text: with the databases that MySQL names. */
static void the_reader_judges_a_statement(void **state)
{
    const char *updated = NULL;
    struct cdc_decode_options o = {.statement = judge_statement, .statement_ctx = &updated};
    struct feeder f;
    struct buf body CLEANUP(buf_fini) = BUF_INIT;
    (void)state;
    start_with(&f, &o, FEEDER_MYSQL, NULL);
    gtid(&f, 1);
    put_query(&body, "\13\1u\1h\14\2one\0two", 15, "INSERT INTO one.t VALUES (1)");
    assert_true(query(&f, "BEGIN") && feed_buf(&f, 2, &body));
    assert_non_null(updated);
    xid(&f);
    assert_seen(&f, "B C ");
    assert_int_equal(cdc_decoder_stats(f.d)->skipped_statements, 1);
    gtid(&f, 2);
    assert_false(query(&f, "INSERT INTO followed VALUES (1)"));
    assert_fails(&f, "refused", ERR_LOG_STATEMENT, ": it is followed");
    stop(&f);
    start_with(&f, &o, FEEDER_MYSQL, NULL);
    gtid(&f, 1);
    assert_false(query(&f, "INSERT INTO lost VALUES (1)"));
    assert_fails(&f, "not asked", ERR_DB_LOST, "the connection was lost");
    stop(&f);
}

/* Nothing announced a transaction: only what changes something makes one. */
static void statements_outside_transactions_need_no_gtid(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    assert_true(query(&f, "COMMIT") && query(&f, "ROLLBACK") && query(&f, "FLUSH TABLES"));
    assert_true(query(&f, "") && query(&f, "  "));
    assert_seen(&f, "");
    assert_true(query(&f, "DROP TABLE t"));
    assert_seen(&f, "B D C ");
    assert_true(query(&f, "BEGIN") && query(&f, "FLUSH TABLES") &&
                query(&f, "CREATE TABLE u (a INT)"));
    assert_true(query(&f, "BEGIN") && query(&f, "COMMIT"));
    assert_seen(&f, "B D C ");
    stop(&f);
}

static void rows_without_begin_are_a_transaction_of_their_own(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    map_table(&f, 't');
    assert_true(feed(&f, 30, "\x09\0\0\0\0\0\x01\0\x02\0\x01\xff\0\x07\0\0\0", 17));
    assert_seen(&f, "B 0+1 C ");
    assert_true(feed(&f, 30, "\x09\0\0\0\0\0\0\0\x02\0\x01\xff\0\x07\0\0\0", 17)); /* no end */
    assert_true(query(&f, "BEGIN"));
    assert_seen(&f, "B 0+1 C B / ");
    stop(&f);
}

/* Old servers log no GTID event, so nothing else says that the one before has no end. */
static void a_begin_inside_a_transaction_cuts_it_off(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    assert_true(query(&f, "BEGIN") && rows(&f, 1) && query(&f, "BEGIN") && rows(&f, 2));
    struct cdc_batch *b = cdc_decoder_take(f.d, true);
    assert_int_equal(b->changes[2].kind, CDC_ROLLBACK);
    assert_true(b->changes[2].end.cut_off);
    cdc_batch_unref(b);
    xid(&f);
    assert_seen(&f, "C ");
    stop(&f);
}

/* ---- savepoints ---- */

static void savepoints_are_found_by_name(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    assert_true(query(&f, "SAVEPOINT outside"));
    gtid(&f, 1);
    assert_true(query(&f, "BEGIN") && query(&f, "SAVEPOINT a") && rows(&f, 1));
    assert_true(query(&f, "SAVEPOINT `b c`") && rows(&f, 1));
    assert_true(query(&f, "ROLLBACK TO SAVEPOINT `B C`")); /* names have no case */
    assert_true(query(&f, "ROLLBACK TO `b c`"));
    assert_true(query(&f, "ROLLBACK WORK TO a") && rows(&f, 3));
    assert_false(query(&f, "ROLLBACK TO `b c`")); /* it went with the rows behind a */
    assert_fails(&f, "gone", ERR_LOG_UNSUPPORTED, "which the transaction did not set");
    stop(&f);
}

/* As the version that wrote the log compares them; of two the later one is meant. */
static void savepoints_have_the_servers_letters(void **state)
{
    static const char *const versions[] = {FEEDER_MYSQL, FEEDER_MARIADB, "11.8.2-MariaDB"};
    struct cdc_decode_options o = {.batch_bytes = 0};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct feeder f;
        start_with(&f, &o, versions[i], NULL);
        assert_true(query(&f, "BEGIN") && query(&f, "SAVEPOINT `größe`") && rows(&f, 1) &&
                    query(&f, "SAVEPOINT `GROSE`") && rows(&f, 2) &&
                    query(&f, "ROLLBACK TO `GRÖßE`") && query(&f, "COMMIT"));
        assert_seen(&f, i == 2 ? "B C " : "B 0+1 C ");
        stop(&f);
    }
}

static void rows_behind_a_savepoint_wait_for_the_end(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    gtid(&f, 1);
    assert_true(query(&f, "BEGIN") && rows(&f, 1) && query(&f, "SAVEPOINT a") && rows(&f, 2));
    assert_seen(&f, "B 0+1 / ");
    assert_true(query(&f, "ROLLBACK TO a") && rows(&f, 4) && query(&f, "COMMIT"));
    assert_seen(&f, "1+4 C ");
    gtid(&f, 2);
    assert_true(query(&f, "BEGIN") && query(&f, "SAVEPOINT a") && rows(&f, 2));
    assert_true(query(&f, "ROLLBACK"));
    assert_seen(&f, "B R ");
    stop(&f);
}

/* Without a BEGIN a savepoint has nothing to hold. */
static void a_savepoint_in_a_transaction_of_one_statement_holds_nothing(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    map_table(&f, 't');
    assert_true(feed(&f, 30, "\x09\0\0\0\0\0\0\0\x02\0\x01\xff\0\x07\0\0\0", 17));
    assert_true(query(&f, "SAVEPOINT a"));
    assert_true(feed(&f, 30, "\x09\0\0\0\0\0\1\0\x02\0\x01\xff\0\x07\0\0\0", 17));
    assert_seen(&f, "B 0+1 1+1 C ");
    stop(&f);
}

/* ---- DDL ---- */

struct ddl_seen {
    unsigned n;
    uint64_t pos;
    char sql[100];
    bool refuse;
};

static bool on_ddl(void *ctx, const struct log_span *at, const struct cdc_change *ddl,
                   struct err *e)
{
    struct ddl_seen *seen = ctx;
    seen->n++;
    seen->pos = at->to.pos;
    snprintf(seen->sql, sizeof seen->sql, "%s: %s", ddl->ddl.db, ddl->ddl.sql);
    return !seen->refuse || err_set(e, ERR_SCHEMA_UNKNOWN, "no tracker");
}

static void ddl_is_told_with_its_place(void **state)
{
    struct ddl_seen seen = {0};
    struct cdc_decode_options o = {.ddl = on_ddl, .schema_ctx = &seen};
    struct feeder f;
    (void)state;
    start_with(&f, &o, FEEDER_MYSQL, "FilePos/binlog.000001:4");
    gtid(&f, 1);
    assert_true(query(&f, "DROP TABLE t"));
    assert_int_equal(seen.n, 1);
    assert_int_equal(seen.pos, FEEDER_FIRST);
    assert_string_equal(seen.sql, "d: DROP TABLE t");
    uint32_t before = f.pos;
    assert_true(query(&f, "DROP TABLE u"));
    assert_int_equal(seen.pos, before);
    assert_true(query(&f, "BEGIN") && query(&f, "DROP TABLE v"));
    xid(&f);
    assert_seen(&f, "B D C B D C B D C ");
    seen.refuse = true;
    assert_false(query(&f, "DROP TABLE w"));
    assert_fails(&f, "refused", ERR_SCHEMA_UNKNOWN, "QUERY_EVENT (type 2) → no tracker");
    stop(&f);
}

static void the_sessions_modes_stand_in_the_status(void **state)
{
    /* flags2, sql_mode, catalog, auto_increment, charset, time zone, catalog without end,
     * day names, character set of the database, table map, microseconds, an unknown one */
    static const char status[] = "\0\1\2\3\4"
                                 "\1\4\0\x10\0\0\0\0\0"
                                 "\2\3std\0"
                                 "\3\1\0\2\0"
                                 "\4\x2d\0\x2d\0\x2d\0"
                                 "\5\6SYSTEM"
                                 "\6\3std"
                                 "\7\1\0"
                                 "\x08\1\0"
                                 "\11\1\2\3\4\5\6\7\10"
                                 "\12\1\2\3\4"
                                 "\15\1\2\3"
                                 "\20\1\2";
    struct feeder f;
    struct buf body CLEANUP(buf_fini) = BUF_INIT;
    (void)state;
    start(&f, 0, NULL);
    put_query(&body, status, sizeof status - 1, "CREATE TABLE \"t\" (a INT)");
    assert_true(feed_buf(&f, 2, &body));
    struct cdc_batch *b = cdc_decoder_take(f.d, true);
    assert_int_equal(b->n_changes, 3);
    assert_true(b->changes[0].begin.thread_known);
    assert_int_equal(b->changes[0].begin.thread_id, 5);
    const struct ddl_text *ddl = &b->changes[1].ddl;
    assert_int_equal(ddl->lex, SQLTOKEN_ANSI_QUOTES | SQLTOKEN_NO_BACKSLASH);
    assert_true(ddl->session.known && !ddl->session.mariadb);
    assert_int_equal(ddl->session.sql_mode, 0x100004);
    assert_string_equal(ddl->session.time_zone, "SYSTEM");
    assert_string_equal(ddl->session.collations, "45"); /* what a server that tells none had */
    assert_int_equal(ddl->session.lc_time_names, 1);
    assert_int_equal(b->changes[1].ddl.strings, DDL_STRINGS_AS_SENT);
    cdc_batch_unref(b);
    buf_reset(&body);
    put_query(&body, "\13\1\4\0\0", 5, "DROP TABLE t"); /* 11 has no fixed length */
    assert_true(feed_buf(&f, 2, &body));
    buf_reset(&body);
    put_query(&body, "\5\100ab", 4, "DROP TABLE t"); /* longer than all of the status */
    assert_true(feed_buf(&f, 2, &body));
    assert_seen(&f, "B D C B D C ");
    stop(&f);
}

/* DDL as sent in a character set, and the text of its change. */
static const struct {
    uint16_t client, connection;
    const char *sent, *text;
    enum ddl_strings strings;
} in_charsets[] = {
    {8, 8, "TRUNCATE `t\xf6`", "TRUNCATE `t\xc3\xb6`", DDL_STRINGS_CONVERTED},
    {8, 45, "TRUNCATE `t\xf6`", "TRUNCATE `t\xc3\xb6`", DDL_STRINGS_CONVERTED},
    {8, 9, "TRUNCATE `t\xf6`", "TRUNCATE `t\xc3\xb6`", DDL_STRINGS_VARY},
    {45, 8, "TRUNCATE `t\xc3\xb6`", "TRUNCATE `t\xc3\xb6`", DDL_STRINGS_VARY},
    {45, 45, "TRUNCATE `t\xc3\xb6`", "TRUNCATE `t\xc3\xb6`", DDL_STRINGS_AS_SENT},
    {63, 63, "TRUNCATE `t\xc3\xb6`", "TRUNCATE `t\xc3\xb6`", DDL_STRINGS_AS_SENT},
    /* second bytes 5c and 60: a backslash and a backquote, were they alone */
    {13, 13, "ALTER TABLE a COMMENT '\x95\x5c', RENAME `\x83\x60`",
     "ALTER TABLE a COMMENT '\xe8\xa1\xa8', RENAME `\xe3\x83\x81`", DDL_STRINGS_CONVERTED},
    {95, 95, "DROP TABLE `\x95\x5c`", "DROP TABLE `\xe8\xa1\xa8`", DDL_STRINGS_CONVERTED},
    {28, 28, "DROP TABLE `\x81\x60`, `b`", "DROP TABLE `\xe4\xb9\xa3`, `b`", DDL_STRINGS_CONVERTED},
    {1, 1, "DROP TABLE `\xa5\x5c`", "DROP TABLE `\xe5\x8a\x9f`", DDL_STRINGS_CONVERTED},
    /* no characters: walked over as the server's lexer does */
    {28, 28, "ALTER TABLE a COMMENT '\xff\x5c', RENAME b",
     "ALTER TABLE a COMMENT '\xef\xbf\xbd\\', RENAME b", DDL_STRINGS_CONVERTED},
    {13, 13, "ALTER TABLE a COMMENT '\xfc\x5c', RENAME b",
     "ALTER TABLE a COMMENT '\xef\xbf\xbd', RENAME b", DDL_STRINGS_CONVERTED},
    {13, 13, "ALTER TABLE a COMMENT '\x95', RENAME b",
     "ALTER TABLE a COMMENT '\xef\xbf\xbd', RENAME b", DDL_STRINGS_CONVERTED},
    /* the server's own text is in UTF-8; what looks like UTF-8 and is the client's is not */
    {8, 8, "CREATE TABLE `\xc3\xa0` (\n  `id` int\n)", "CREATE TABLE `\xc3\xa0` (\n  `id` int\n)",
     DDL_STRINGS_AS_SENT},
    {8, 8,
     "TRUNCATE TABLE `d`.`\xc3\xa9` /* generated by server for memory table after a restart */",
     "TRUNCATE TABLE `d`.`\xc3\xa9` /* generated by server for memory table after a restart */",
     DDL_STRINGS_AS_SENT},
    {8, 8, "DROP TABLE `\xc3\xa9` /* generated by server */",
     "DROP TABLE `\xc3\x83\xc2\xa9` /* generated by server */", DDL_STRINGS_CONVERTED},
    {8, 8, "CREATE TABLE `\xe0` (\n  `id` int\n)", "CREATE TABLE `\xc3\xa0` (\n  `id` int\n)",
     DDL_STRINGS_CONVERTED},
    {10, 10, "DROP TABLE `a`", "DROP TABLE `a`", DDL_STRINGS_AS_SENT}, /* swe7 */
    {65000, 65000, "DROP TABLE a", "DROP TABLE a", DDL_STRINGS_VARY},  /* unknown, but ASCII */
};

static bool query_in(struct feeder *f, uint16_t client, uint16_t connection, const char *sql)
{
    struct buf body CLEANUP(buf_fini) = BUF_INIT, status CLEANUP(buf_fini) = BUF_INIT;
    buf_put_u8(&status, 4);
    buf_put_le(&status, client, 2);
    buf_put_le(&status, connection, 2);
    buf_put_le(&status, 45, 2);
    put_query(&body, buf_str(&status), status.len, sql);
    return feed_buf(f, 2, &body);
}

static void statements_are_read_in_utf8(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    for (size_t i = 0; i < sizeof in_charsets / sizeof *in_charsets; i++) {
        gtid(&f, i + 1);
        if (!query_in(&f, in_charsets[i].client, in_charsets[i].connection, in_charsets[i].sent))
            fail_msg("%s: %s", in_charsets[i].text, f.e.text);
        struct cdc_batch *b = cdc_decoder_take(f.d, true);
        assert_string_equal(b->changes[1].ddl.sql, in_charsets[i].text);
        assert_int_equal(b->changes[1].ddl.n, strlen(in_charsets[i].text));
        assert_int_equal(b->changes[1].ddl.strings, in_charsets[i].strings);
        cdc_batch_unref(b);
    }
    stop(&f);
}

static void statements_that_cannot_be_read_stop(void **state)
{
    static const struct {
        uint16_t client;
        const char *sql, *text;
    } refused[] = {
        {65000, "DROP TABLE `\xe9`", "in character set unknown (collation id 65000)"},
        {35, "DROP TABLE `\xe9`", "in character set ucs2 (collation id 35)"},
        {10, "DROP TABLE `a}`", "in character set swe7 (collation id 10)"},
        {0, "DROP TABLE `\xe9`", "in character set unknown (collation id 0)"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct feeder f;
        start(&f, 0, NULL);
        assert_false(query_in(&f, refused[i].client, refused[i].client, refused[i].sql));
        assert_fails(&f, refused[i].sql, ERR_LOG_UNSUPPORTED, refused[i].text);
        stop(&f);
    }
}

static const struct {
    const char *what, *body;
    size_t n;
    const char *text;
} malformed[] = {
    {"no head", BYTES("\5\0\0\0\0\0\0\0\1\0\0\0"), "beyond its 12 bytes"},
    {"a status longer than the event", BYTES("\5\0\0\0\0\0\0\0\1\0\0\x09\0d\0BEGIN"),
     "beyond its 20 bytes"},
    {"no database", BYTES("\5\0\0\0\0\0\0\0\1\0\0\0\0"), "beyond its 13 bytes"},
    {"a database without end", BYTES("\5\0\0\0\0\0\0\0\1\0\0\0\0d"), "beyond its 14 bytes"},
    {"a database that ends otherwise", BYTES("\5\0\0\0\0\0\0\0\1\0\0\0\0dxBEGIN"),
     "the database's name is not terminated"},
    {"a database that ends early", BYTES("\5\0\0\0\0\0\0\0\2\0\0\0\0d\0\0BEGIN"),
     "the database's name is not terminated"},
};

static void malformed_queries_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * sizeof malformed / sizeof *malformed; i++) {
        struct feeder f;
        size_t k = i / 2;
        start(&f, 0, NULL);
        assert_false(feed(&f, i % 2 ? 165 : 2, malformed[k].body, malformed[k].n));
        assert_fails(&f, malformed[k].what, ERR_LOG_FORMAT, malformed[k].text);
        stop(&f);
    }
}

static void compressed_queries_are_unpacked(void **state)
{
    static const char sql[] = "CREATE TABLE t (a INT)";
    struct feeder f;
    struct buf body CLEANUP(buf_fini) = BUF_INIT;
    uint8_t packed[100];
    uLongf n = sizeof packed;
    (void)state;
    assert_int_equal(compress(packed, &n, (const Bytef *)sql, sizeof sql - 1), Z_OK);
    start_mariadb(&f);
    put_query(&body, "", 0, "");
    size_t head = body.len;
    buf_put_u8(&body, 0x81);
    buf_put_u8(&body, sizeof sql - 1);
    buf_put(&body, packed, n);
    assert_true(feed_buf(&f, 165, &body));
    struct cdc_batch *b = cdc_decoder_take(f.d, true);
    assert_int_equal(b->n_changes, 3);
    assert_string_equal(b->changes[1].ddl.sql, sql);
    assert_false(b->changes[0].begin.thread_known); /* MariaDB's is that of the slave's thread */
    cdc_batch_unref(b);
    body.data[head + 3] ^= 0x55;
    assert_false(feed_buf(&f, 165, &body));
    assert_fails(&f, "damaged", ERR_LOG_FORMAT, "a compressed block does not unpack");
    stop(&f);
}

/* ---- XA ---- */

#define XID_X "X'78',X'',1"

static bool prepare(struct feeder *f, char one_phase)
{
    char body[14] = "\0\1\0\0\0\1\0\0\0\0\0\0\0x";
    body[0] = one_phase;
    return feed(f, 38, body, sizeof body);
}

static void one_phase_commits_at_once(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    gtid(&f, 1);
    assert_true(query(&f, "XA BEGIN " XID_X) && rows(&f, 2) && query(&f, "XA END " XID_X));
    assert_true(prepare(&f, 1));
    assert_seen(&f, "B 0+2 C ");
    stop(&f);
}

static void a_prepared_transaction_can_be_rolled_back(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    gtid(&f, 1);
    assert_true(query(&f, "XA START " XID_X) && rows(&f, 2) && prepare(&f, 0));
    gtid(&f, 2);
    assert_true(query(&f, "XA ROLLBACK " XID_X));
    assert_seen(&f, "B C B C ");
    gtid(&f, 3);
    assert_false(query(&f, "XA COMMIT " XID_X));
    assert_fails(&f, "rolled back", ERR_LOG_UNSUPPORTED, "it was prepared before");
    stop(&f);
}

static void a_prepared_transaction_may_be_empty(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    gtid(&f, 1);
    assert_true(query(&f, "XA START " XID_X) && prepare(&f, 0));
    gtid(&f, 2);
    assert_true(query(&f, "XA COMMIT " XID_X));
    gtid(&f, 3);
    assert_true(query(&f, "XA START " XID_X) && prepare(&f, 1));
    assert_seen(&f, "B C B C B C ");
    stop(&f);
}

/* Everything that a prepared transaction may hold comes back at its COMMIT: texts, fragments and
 * all kinds of rows. */
static void held_events_of_each_type_are_replayed(void **state)
{
    static const uint8_t types[] = {19,  23,  24,  25,  29,  30,  31,  32, 39,
                                    160, 166, 167, 168, 169, 170, 171, 172};
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    gtid(&f, 1);
    assert_true(query(&f, "XA START " XID_X));
    for (size_t i = 0; i < sizeof types; i++)
        assert_true(feed(&f, types[i], "", 0)); /* malformed, but nobody looks yet */
    assert_true(feed(&f, 27, "", 0) && feed(&f, 173, "", 0) == false);
    assert_fails(&f, "not held", ERR_LOG_UNSUPPORTED, "type 173");
    stop(&f);
    for (int one_phase = 0; one_phase < 2; one_phase++) {
        start(&f, 0, NULL);
        gtid(&f, 1);
        assert_true(query(&f, "XA START " XID_X) && feed(&f, 30, "\1", 1));
        assert_true(prepare(&f, (char)one_phase));
        assert_true(one_phase || query(&f, "XA COMMIT " XID_X));
        take(&f, true);
        assert_true(cdc_decoder_failed(f.d, &f.e));
        assert_fails(&f, "held", ERR_LOG_FORMAT,
                     "held WRITE_ROWS_EVENT → the event's fields go beyond its 1 bytes");
        stop(&f);
    }
}

static void what_was_being_held_is_dropped_when_it_was_cut_off(void **state)
{
    static const struct {
        uint8_t type;
        const char *body;
        size_t n;
    } ends[] = {
        {33, BYTES("\1"
                   "0123456789abcdef"
                   "\2\0\0\0\0\0\0\0")},
        {34, BYTES("\1"
                   "0123456789abcdef"
                   "\0\0\0\0\0\0\0\0")},
        {42, BYTES("\2\12\30\4\4")},
        {162, BYTES("\1\0\0\0\0\0\0\0\0\0\0\0\1")},
    };
    (void)state;
    for (size_t i = 0; i <= sizeof ends / sizeof *ends; i++) {
        struct feeder f;
        struct buf format CLEANUP(buf_fini) = BUF_INIT;
        put_format_body(&format, FEEDER_MYSQL);
        format.data[52] = 1; /* the server started anew */
        start(&f, 0, NULL);
        gtid(&f, 1);
        assert_true(query(&f, "XA START " XID_X) && rows(&f, 2));
        assert_true(i < 4 ? feed(&f, ends[i].type, ends[i].body, ends[i].n)
                          : feed_buf(&f, 15, &format));
        assert_false(prepare(&f, 0));
        assert_fails(&f, "cut off", ERR_LOG_FORMAT, "XA_PREPARE without XA START");
        stop(&f);
    }
}

static void an_xa_start_inside_another_begins_anew(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    gtid(&f, 1);
    assert_true(query(&f, "XA START X'79',X'',1") && rows(&f, 5));
    assert_true(query(&f, "XA START " XID_X) && rows(&f, 2) && prepare(&f, 0));
    assert_true(query(&f, "XA COMMIT " XID_X));
    assert_seen(&f, "B C B 0+2 C ");
    stop(&f);
}

/* MariaDB: the GTID event opens the transaction and has the xid; COMMIT comes in one of its own. */
static void mariadbs_prepared_transactions_stand_in_the_gtid(void **state)
{
    struct feeder f;
    (void)state;
    start_mariadb(&f);
    assert_true(feed(&f, 162, "\1\0\0\0\0\0\0\0\0\0\0\0\x42\1\2\3\4\5\6\7\x08\1\0\0\0\2\1abc", 30));
    assert_true(rows(&f, 2) && prepare(&f, 0));
    assert_true(feed(&f, 162,
                     BYTES("\2\0\0\0\0\0\0\0\0\0\0\0\x84\1\0\0\0\2\1"
                           "abc")));
    assert_true(query(&f, "XA COMMIT X'6162',X'63',1"));
    assert_true(feed(&f, 162, "\3\0\0\0\0\0\0\0\0\0\0\0\x40\1\0\0\0\1\0x", 20));
    assert_true(rows(&f, 1) && prepare(&f, 1));
    assert_true(feed(&f, 162, BYTES("\4\0\0\0\0\0\0\0\0\0\0\0\x84\1\0\0\0\1\0y")));
    assert_true(query(&f, "XA ROLLBACK X'79',X'',1"));
    assert_seen(&f, "B C B 0+2 C B 0+1 C B C ");
    stop(&f);
}

static const struct cdc_rows *assert_held(const struct cdc_batch *b, size_t i, const char *file,
                                          uint64_t pos)
{
    assert_int_equal(b->changes[i].kind, CDC_ROWS);
    assert_string_equal(b->changes[i].rows.held_file, file);
    assert_int_equal(b->changes[i].rows.held_pos, pos);
    assert_true(b->changes[i].log_pos > pos);
    return &b->changes[i].rows;
}

/* Rows that were held lie elsewhere than they are published, in XA perhaps in another file. */
static void held_rows_keep_their_place(void **state)
{
    const uint32_t event = 19 + 12 + 5; /* of one row */
    struct feeder f;
    (void)state;
    start_with(&f, &(struct cdc_decode_options){.batch_bytes = 0}, FEEDER_MYSQL,
               "FilePos/binlog.000001:4");
    gtid(&f, 1);
    assert_true(query(&f, "BEGIN") && rows(&f, 1) && query(&f, "SAVEPOINT a") && rows(&f, 1));
    uint32_t first = f.pos - event;
    assert_true(rows(&f, 1));
    uint32_t second = f.pos - event;
    xid(&f);
    struct cdc_batch *b = cdc_decoder_take(f.d, true);
    assert_null(b->changes[1].rows.held_file);
    assert_held(b, 2, "binlog.000001", first);
    assert_held(b, 3, "binlog.000001", second);
    cdc_batch_unref(b);
    gtid(&f, 2);
    assert_true(query(&f, "XA START " XID_X) && rows(&f, 1));
    first = f.pos - event;
    assert_true(prepare(&f, 0));
    f.timestamp = 0; /* the next file, as a source announces it */
    assert_true(feed(&f, 4, BYTES("\4\0\0\0\0\0\0\0binlog.000002")));
    f.timestamp = 100;
    f.pos = 4000;
    gtid(&f, 3);
    assert_true(query(&f, "XA COMMIT " XID_X));
    take(&f, false);
    b = cdc_decoder_take(f.d, true);
    const size_t n = b->n_changes;
    assert_string_equal(b->changes[n - 1].file, "binlog.000002");
    assert_held(b, n - 2, "binlog.000001", first);
    cdc_batch_unref(b);
    stop(&f);
}

/* The GTID event of an ALTER in two phases: DDL, standing alone, and the byte of extra flags. */
static void alter_gtid(struct feeder *f, uint8_t seq, uint8_t flags, const char *tail, size_t n)
{
    struct buf body CLEANUP(buf_fini) = BUF_INIT;
    buf_put_le(&body, seq, 8);
    buf_put_le(&body, 0, 4);
    buf_put_u8(&body, 0x21 | flags);
    buf_put(&body, tail, n);
    assert_true(feed_buf(f, 162, &body));
}

static bool count_ddl(void *ctx, const struct log_span *at, const struct cdc_change *ddl,
                      struct err *e)
{
    (void)at;
    (void)ddl;
    (void)e;
    ++*(int *)ctx;
    return true;
}

static void an_alter_in_two_phases_is_one_ddl_at_its_commit(void **state)
{
    int told = 0;
    struct cdc_decode_options o = {.ddl = count_ddl, .schema_ctx = &told};
    struct feeder f;
    (void)state;
    start_with(&f, &o, FEEDER_MARIADB, "MariaDB/0-7-5@binlog.000001:4");
    alter_gtid(&f, 6, 0, BYTES("\2\0\0\0\0\0")); /* START ALTER */
    assert_true(query(&f, "ALTER TABLE t ADD y INT"));
    assert_seen(&f, "B C ");
    assert_int_equal(told, 0);
    char *between = position_text(cdc_decoder_position(f.d));
    alter_gtid(&f, 7, 0, BYTES("\4\6\0\0\0\0\0\0\0")); /* COMMIT ALTER of 6 */
    assert_true(query(&f, "ALTER TABLE t ADD y INT"));
    assert_seen(&f, "B D C ");
    alter_gtid(&f, 8, 2, BYTES("\1\0\0\0\0\0\0\0\2")); /* with a commit id */
    assert_true(query(&f, "ALTER TABLE t ADD UNIQUE (y)"));
    alter_gtid(&f, 9, 0, BYTES("\x08\x08\0\0\0\0\0\0\0")); /* ROLLBACK ALTER of 8 */
    assert_true(query(&f, "ALTER TABLE t ADD UNIQUE (y)"));
    assert_seen(&f, "B C B C ");
    alter_gtid(&f, 10, 0, BYTES("\0\0\0\0\0\0")); /* in one phase */
    assert_true(query(&f, "ALTER TABLE t ADD z INT"));
    assert_seen(&f, "B D C ");
    assert_int_equal(told, 2);
    stop(&f);
    start_with(&f, &o, FEEDER_MARIADB, between); /* the text is found there */
    alter_gtid(&f, 7, 0, BYTES("\4\6\0\0\0\0\0\0\0"));
    assert_true(query(&f, "ALTER TABLE t ADD y INT"));
    assert_seen(&f, "B D C ");
    free(between);
    stop(&f);
}

static void long_names_of_unknown_transactions_are_cut(void **state)
{
    char sql[400] = "XA COMMIT X'";
    struct feeder f;
    (void)state;
    memset(sql + 12, '7', 300);
    start(&f, 0, NULL);
    gtid(&f, 1);
    assert_true(query(&f, "XA START " XID_X) && prepare(&f, 0));
    assert_false(query(&f, sql));
    assert_fails(&f, "long", ERR_LOG_UNSUPPORTED, "77: it was prepared before");
    assert_true(strlen(f.e.text) < 350);
    stop(&f);
}

static void held_bytes_have_a_limit(void **state)
{
    struct cdc_decode_options o = {.held_max_bytes = 1000};
    char body[400] = {0};
    struct feeder f;
    (void)state;
    start_with(&f, &o, FEEDER_MYSQL, NULL);
    for (uint64_t i = 1; i <= 3; i++) { /* the same name: each replaces the one before */
        gtid(&f, i);
        assert_true(query(&f, "XA START " XID_X) && feed(&f, 30, body, sizeof body) &&
                    prepare(&f, 0));
    }
    gtid(&f, 4);
    assert_true(query(&f, "XA START " XID_X) && feed(&f, 30, body, sizeof body) &&
                feed(&f, 30, body, sizeof body));
    assert_false(feed(&f, 30, body, sizeof body));
    assert_fails(&f, "too much", ERR_LIMIT,
                 "a transaction that is held until its end is known is over 1000 bytes");
    stop(&f);
}

static void collations_stand_before_the_texts_character_set(void **state)
{
    /* flags2, sql_mode, catalog, character_set_collations, charset: as MariaDB 11.8 writes them */
    static const char status[] = "\0\0\0\0\0"
                                 "\1\0\4\0\0\0\0\0\0"
                                 "\6\3std"
                                 "\203\2\x21\0\0\x08\x2d\0\0\x09"
                                 "\4\x08\0\x08\0\x08\0";
    struct feeder f;
    struct buf body CLEANUP(buf_fini) = BUF_INIT;
    (void)state;
    start_mariadb(&f);
    put_query(&body, status, sizeof status - 1, "ALTER TABLE [t] ADD \xe9 INT CHARSET utf8mb4");
    assert_true(feed_buf(&f, 2, &body));
    struct cdc_batch *b = cdc_decoder_take(f.d, true);
    assert_int_equal(b->n_changes, 3);
    const struct ddl_text *ddl = &b->changes[1].ddl;
    assert_non_null(strstr(ddl->sql, "ADD \xc3\xa9 INT")); /* latin1 */
    assert_string_equal(ddl->session.collations, "2048,2304");
    assert_int_equal(ddl->lex, SQLTOKEN_BRACKETS);
    assert_true(ddl->session.mariadb);
    cdc_batch_unref(b);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_statement_has_its_effect),
        cmocka_unit_test(the_reader_judges_a_statement),
        cmocka_unit_test(statements_outside_transactions_need_no_gtid),
        cmocka_unit_test(rows_without_begin_are_a_transaction_of_their_own),
        cmocka_unit_test(a_begin_inside_a_transaction_cuts_it_off),
        cmocka_unit_test(savepoints_are_found_by_name),
        cmocka_unit_test(savepoints_have_the_servers_letters),
        cmocka_unit_test(rows_behind_a_savepoint_wait_for_the_end),
        cmocka_unit_test(a_savepoint_in_a_transaction_of_one_statement_holds_nothing),
        cmocka_unit_test(ddl_is_told_with_its_place),
        cmocka_unit_test(the_sessions_modes_stand_in_the_status),
        cmocka_unit_test(collations_stand_before_the_texts_character_set),
        cmocka_unit_test(malformed_queries_are_refused),
        cmocka_unit_test(compressed_queries_are_unpacked),
        cmocka_unit_test(one_phase_commits_at_once),
        cmocka_unit_test(a_prepared_transaction_can_be_rolled_back),
        cmocka_unit_test(a_prepared_transaction_may_be_empty),
        cmocka_unit_test(held_events_of_each_type_are_replayed),
        cmocka_unit_test(what_was_being_held_is_dropped_when_it_was_cut_off),
        cmocka_unit_test(an_xa_start_inside_another_begins_anew),
        cmocka_unit_test(mariadbs_prepared_transactions_stand_in_the_gtid),
        cmocka_unit_test(held_rows_keep_their_place),
        cmocka_unit_test(statements_are_read_in_utf8),
        cmocka_unit_test(statements_that_cannot_be_read_stop),
        cmocka_unit_test(an_alter_in_two_phases_is_one_ddl_at_its_commit),
        cmocka_unit_test(long_names_of_unknown_transactions_are_cut),
        cmocka_unit_test(held_bytes_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
