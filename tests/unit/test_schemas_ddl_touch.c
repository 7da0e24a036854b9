/* tests/unit/test_schemas_ddl_touch.c — which tables a DDL touches, however it is written. */
#include "schemas/ddl_touch.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static bool touches(const struct ddl_text *ddl, const char *db, const char *name)
{
    struct ddl_touched *t = mem_alloc(sizeof *t);
    ddl_touch(ddl, t);
    bool found = t->all || ddl_names_have(buf_str(&t->names), db, name);
    ddl_touched_fini(t);
    free(t);
    return found;
}

static struct ddl_text text(const char *sql)
{
    return (struct ddl_text){.db = "d", .sql = sql, .n = strlen(sql)};
}

static void every_form_that_changes_t_is_seen(void **state)
{
    static const char *const forms[] = {
        "ALTER TABLE t ADD x INT",
        "alter /* c */ online ignore table /*!40000 d . */ `T` drop x",
        "-- c\nALTER TABLE d.t RENAME COLUMN a TO b",
        "# c\nRENAME TABLE u TO t",
        "RENAME TABLE x TO y, t TO z, y TO x",
        "DROP TABLE IF EXISTS a, b, d.t",
        "CREATE OR REPLACE TABLE t (a INT)",
        "CREATE UNIQUE INDEX i ON t (a)",
        "CREATE TABLE t SELECT 1",
        "ALTER TABLE p EXCHANGE PARTITION p0 WITH TABLE t",
        "ALTER TABLE u RENAME TO t",
        "ALTER TABLE u ADD INDEX (a), RENAME = d.t",
        "ALTER TABLE u CONVERT PARTITION p TO TABLE t",
        "DROP INDEX `PRIMARY` ON t",
        "DROP DATABASE d",
        "DROP SCHEMA IF EXISTS `D`",
        "SET STATEMENT max_statement_time=1 FOR ALTER TABLE t ADD x INT",
        "CREATE SOMETHING NEW ON t",
        "ALTER THING t",
    };
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct ddl_text ddl = text(forms[i]);
        if (!touches(&ddl, "d", "t"))
            fail_msg("%s", forms[i]);
    }
}

static void what_cannot_change_t_touches_nothing(void **state)
{
    static const char *const forms[] = {
        "ALTER TABLE t2 ADD t INT",
        "ALTER TABLE other.t ADD x INT",
        "CREATE TABLE u LIKE t",
        "CREATE TABLE u SELECT * FROM t",
        "TRUNCATE TABLE t",
        "CREATE INDEX t ON t (a)",
        "CREATE TABLE IF NOT EXISTS t LIKE u",
        "/*!40000 ALTER TABLE `t` DISABLE KEYS */",
        "ALTER TABLE t ADD PARTITION (PARTITION p1 VALUES LESS THAN (20))",
        "ALTER TABLE t DROP PARTITION p0",
        "ALTER TABLE t ANALYZE PARTITION p0",
        "CREATE TRIGGER t BEFORE INSERT ON t FOR EACH ROW SET @a = 1",
        "CREATE ALGORITHM=MERGE DEFINER=`a`@`b` SQL SECURITY INVOKER VIEW t AS SELECT 1",
        "DROP VIEW t",
        "CREATE DATABASE d",
        "ALTER DATABASE d CHARACTER SET latin1",
        "DROP DATABASE e",
        "CREATE TABLESPACE t ADD DATAFILE 'x'",
        "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (USER 'x')",
        "DROP FUNCTION t",
        "CREATE EVENT t ON SCHEDULE EVERY 1 DAY DO SELECT 1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct ddl_text ddl = text(forms[i]);
        if (touches(&ddl, "d", "t"))
            fail_msg("%s", forms[i]);
    }
}

static void a_table_that_may_be_new_is_asked_for(void **state)
{
    struct ddl_touched *t = mem_alloc(sizeof *t);
    struct ddl_text ddl = text("CREATE TABLE IF NOT EXISTS t (a INT)");
    (void)state;
    ddl_touch(&ddl, t);
    assert_false(t->all);
    assert_int_equal(t->n_tables, 1);
    assert_string_equal(t->tables[0].name, "t");
    ddl_touched_fini(t);
    free(t);
}

static void letters_beyond_ascii_are_all_alike(void **state)
{
    struct ddl_text ddl = text("ALTER TABLE `t\xc3\xb6` ADD x INT");
    (void)state;
    assert_true(touches(&ddl, "d", "t\xc3\xb6"));
    assert_true(touches(&ddl, "d", "T\xc3\x96"));
    assert_false(touches(&ddl, "d", "t"));
}

static void texts_are_cut_as_their_session_cut_them(void **state)
{
    struct ddl_text ddl = text("ALTER TABLE u COMMENT 'C:\\', RENAME TO t");
    (void)state;
    assert_false(touches(&ddl, "d", "t"));
    ddl.lex = SQLTOKEN_NO_BACKSLASH;
    assert_true(touches(&ddl, "d", "t"));
    struct ddl_text brackets = text("ALTER TABLE [t] ADD [x y] INT");
    brackets.lex = SQLTOKEN_BRACKETS;
    assert_true(touches(&brackets, "d", "t"));
    assert_false(touches(&brackets, "d", "u"));
    struct ddl_text quotes = text("ALTER TABLE \"t\" ADD \"x\" INT");
    quotes.lex = SQLTOKEN_ANSI_QUOTES;
    assert_true(touches(&quotes, "d", "t"));
}

static void more_tables_than_fit_are_all_tables(void **state)
{
    struct buf sql CLEANUP(buf_fini) = BUF_INIT;
    (void)state;
    buf_put_str(&sql, "DROP TABLE a0");
    for (unsigned i = 1; i < 80; i++)
        buf_printf(&sql, ", a%u", i);
    struct ddl_text ddl = text(buf_str(&sql));
    assert_true(touches(&ddl, "d", "a79"));
    struct ddl_text no_db = text("DROP TABLE a");
    no_db.db = NULL;
    assert_true(touches(&no_db, "", "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_that_changes_t_is_seen),
        cmocka_unit_test(what_cannot_change_t_touches_nothing),
        cmocka_unit_test(a_table_that_may_be_new_is_asked_for),
        cmocka_unit_test(letters_beyond_ascii_are_all_alike),
        cmocka_unit_test(texts_are_cut_as_their_session_cut_them),
        cmocka_unit_test(more_tables_than_fit_are_all_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
