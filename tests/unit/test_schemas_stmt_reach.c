/* tests/unit/test_schemas_stmt_reach.c — what the text of a statement proves about the tables it
 * can have changed; in doubt nothing. */
#include "base/buf.h"
#include "schemas/stmt_reach.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

/* "-" for nothing, "?" for unknown, else the tables, the written ones with a "!". */
static void assert_reach(const char *sql, const char *expected)
{
    struct stmt_reach reach;
    char seen[1000] = "";
    stmt_reach_read(sql, strlen(sql), 0, &reach);
    if (reach.kind == REACH_NOTHING)
        snprintf(seen, sizeof seen, "-");
    else if (reach.kind == REACH_UNKNOWN)
        snprintf(seen, sizeof seen, "?");
    for (size_t i = 0; reach.kind == REACH_NAMED && i < reach.n_tables; i++) {
        const struct stmt_reach_table *t = &reach.tables[i];
        size_t n = strlen(seen);
        snprintf(seen + n, sizeof seen - n, "%s%s%s%s%s", n ? " " : "", t->name.db,
                 t->name.db[0] ? "." : "", t->name.name, t->written ? "!" : "");
    }
    if (strcmp(seen, expected) != 0)
        fail_msg("%s: \"%s\" (%s), not \"%s\"", sql, seen, reach.why, expected);
}

static void what_changes_no_row_is_known(void **state)
{
    (void)state;
    assert_reach("", "-");
    assert_reach(" /* nothing */ ", "-");
    assert_reach("FLUSH TABLES", "-");
    assert_reach("analyze no_write_to_binlog table t", "-");
    assert_reach("ANALYZE DELETE FROM t", "?"); /* MariaDB runs it */
    assert_reach("SET @a = 1", "-");
    assert_reach("SET @a = f()", "?");
    assert_reach("SET STATEMENT max_statement_time=1 FOR DELETE FROM t", "t!");
}

static void named_tables_are_found(void **state)
{
    (void)state;
    assert_reach("INSERT INTO p.h (ts, id) VALUES ('a', 1) ON DUPLICATE KEY UPDATE ts = VALUES(ts)",
                 "p.h!");
    assert_reach("REPLACE INTO `percona`.`checksums` (db, tbl) SELECT 'd', COUNT(*), "
                 "COALESCE(LOWER(CONV(BIT_XOR(CAST(CRC32(CONCAT_WS('#', `id`)) AS UNSIGNED)), 10, "
                 "16)), 0) AS crc FROM `d`.`orders` FORCE INDEX(`PRIMARY`) WHERE ((`id` >= '1'))",
                 "percona.checksums! d.orders");
    assert_reach("INSERT LOW_PRIORITY IGNORE t SET a = (SELECT MAX(x) FROM u)", "t! u");
    assert_reach("UPDATE LOW_PRIORITY p.h SET ts = NOW(), n = n + 1 WHERE id = 1", "p.h!");
    assert_reach("UPDATE a, b AS x JOIN (c, d) USING (id) SET x.v = 1, a.v = 2", "a! b! c! d!");
    assert_reach("DELETE o FROM orders o JOIN src s ON s.id = o.id AND o.k IN (1, 2), z",
                 "orders! src! z!");
    assert_reach("DELETE FROM o USING orders AS o WHERE o.id IN (SELECT id FROM (SELECT 1) y, u)",
                 "o! orders! u!");
    assert_reach("LOAD DATA INFILE 'x' REPLACE INTO TABLE p.t (a, b)", "p.t!");
    assert_reach("CREATE TABLE IF NOT EXISTS m AS SELECT * FROM src", "m! src");
    assert_reach(
        "INSERT INTO t SELECT EXTRACT(YEAR FROM ts), TRIM(LEADING 'x' FROM y) FROM u FOR UPDATE",
        "t! u");
}

static void what_may_change_anything_is_unknown(void **state)
{
    static const char *const forms[] = {
        "SELECT f()",
        "SELECT 1",
        "SELECT a FROM t",
        "DO f(7)",
        "DO 1",
        "VALUES (f(1))",
        "CALL p()",
        "WITH c AS (SELECT 1) UPDATE t SET a = 1",
        "EXECUTE IMMEDIATE 'x'",
        "(SELECT f())",
        "INSERT INTO t VALUES (f(1))",
        "INSERT INTO t VALUES (`now`())",
        "INSERT INTO t VALUES (d.now())",
        "INSERT INTO t VALUES (count (1))",
        "INSERT INTO t VALUES (/*!50000 f(1) */)",
        "INSERT INTO t VALUES (NEXT VALUE FOR s)",
        "INSERT INTO t VALUES (NEXTVAL(s))",
        "INSERT INTO t SELECT * FROM f(1)",
        "INSERT INTO t SELECT * FROM JSON_TABLE('[]', '$' COLUMNS (a INT PATH '$')) j",
        "UPDATE t SET a = 1 WHERE f(a)",
        "UPDATE",
        "UPDATE t.",
        "DELETE 'x' FROM t, 'y'",
        "INSERT INTO t SELECT * FROM a UNION WITH c AS (SELECT 1) SELECT * FROM c",
        "INSERT INTO t VALUES ('\\\xbf')",
    };
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        assert_reach(forms[i], "?");
}

static void assert_repeated(const char *start, const char *more, unsigned times, const char *end,
                            const char *expected)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_str(&sql, start);
    for (unsigned i = 0; i < times; i++)
        buf_put_str(&sql, more);
    buf_put_str(&sql, end);
    assert_reach(buf_str(&sql), expected);
}

static void too_much_is_unknown(void **state)
{
    (void)state;
    assert_repeated("UPDATE a", ", b", 15, " SET a.x = 1",
                    "a! b! b! b! b! b! b! b! b! b! b! b! b! b! b! b!");
    assert_repeated("UPDATE a", ", b", 16, " SET a.x = 1", "?");
    assert_repeated("UPDATE a SET x = ", "(", 70, "", "?");
}

static void strings_end_where_the_session_ended_them(void **state)
{
    static const char sql[] = "INSERT INTO t VALUES ('\\', f(1), '\\')";
    struct stmt_reach reach;
    (void)state;
    stmt_reach_read(sql, sizeof sql - 1, 0, &reach);
    assert_int_equal(reach.kind, REACH_NAMED);
    stmt_reach_read(sql, sizeof sql - 1, SQLTOKEN_NO_BACKSLASH, &reach);
    assert_int_equal(reach.kind, REACH_UNKNOWN);
    assert_non_null(strstr(reach.why, "f"));
}

static bool fills(const char *sql)
{
    return stmt_reach_fills(sql, strlen(sql), false);
}

static void a_table_that_is_filled_by_a_query_is_seen(void **state)
{
    (void)state;
    assert_true(fills("CREATE TABLE t SELECT 1"));
    assert_true(fills("CREATE TABLE t (a INT) REPLACE AS (SELECT f(1))"));
    assert_true(fills("CREATE TABLE t VALUES ROW(1)"));
    assert_true(fills("CREATE TABLE t AS TABLE u"));
    assert_true(fills("CREATE TABLE t VALUES"));
    assert_false(fills("CREATE TABLE t (`select` INT COMMENT 'select') PARTITION BY RANGE (a) "
                       "(PARTITION p VALUES LESS THAN (1))"));
    assert_false(fills("CREATE TABLE t (a INT) PARTITION BY LIST (a) (PARTITION p VALUES IN (1))"));
    assert_false(fills("CREATE TABLE t LIKE u"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_changes_no_row_is_known),
        cmocka_unit_test(named_tables_are_found),
        cmocka_unit_test(what_may_change_anything_is_unknown),
        cmocka_unit_test(too_much_is_unknown),
        cmocka_unit_test(strings_end_where_the_session_ended_them),
        cmocka_unit_test(a_table_that_is_filled_by_a_query_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
