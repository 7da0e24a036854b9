/* tests/unit/test_schemas_ddl_session.c — the settings under which a DDL is repeated: which of them
 * matter, their names on the other server, and what is refused. */
#include "schemas/ddl_session.h"
#include "schemas/sql_mode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#define MARIADB true
#define MYSQL   false
#define BIT(n)  ((uint64_t)1 << (n))

static void assert_names(uint64_t mode, bool from, bool to, const char *wanted)
{
    struct buf out CLEANUP(buf_fini) = BUF_INIT;
    struct err e = ERR_INIT;
    bool ok = sql_mode_names(mode, from, to, &out, &e);
    assert_string_equal(ok ? buf_str(&out) : e.text, wanted);
    assert_true(ok || e.cure[0]);
}

static void modes_have_the_names_of_the_other_server(void **state)
{
    (void)state;
    assert_names(0x1f | BIT(31), MARIADB, MARIADB,
                 "REAL_AS_FLOAT,PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,PAD_CHAR_TO_FULL_LENGTH");
    assert_names(BIT(0) | BIT(18), MYSQL, MYSQL, "REAL_AS_FLOAT"); /* ANSI is its parts */
    assert_names(BIT(6) | BIT(28), MARIADB, MARIADB, "NO_UNSIGNED_SUBTRACTION");
    assert_names(BIT(20) | BIT(13), MARIADB, MYSQL,
                 "NO_BACKSLASH_ESCAPES,TIME_TRUNCATE_FRACTIONAL");
    assert_names(BIT(22) | BIT(24) | BIT(29), MYSQL, MARIADB,
                 "STRICT_ALL_TABLES,NO_ZERO_DATE,HIGH_NOT_PRECEDENCE,TIME_ROUND_FRACTIONAL");
}

/* One bit, two meanings; and each server says the opposite of what it does by itself. */
static void fractions_are_rounded_as_at_the_source(void **state)
{
    (void)state;
    assert_names(0, MYSQL, MYSQL, "");
    assert_names(0, MARIADB, MARIADB, "");
    assert_names(BIT(32), MYSQL, MYSQL, "TIME_TRUNCATE_FRACTIONAL");
    assert_names(BIT(34), MARIADB, MARIADB, "TIME_ROUND_FRACTIONAL");
    assert_names(0, MYSQL, MARIADB, "TIME_ROUND_FRACTIONAL");
    assert_names(BIT(32), MYSQL, MARIADB, "");
    assert_names(0, MARIADB, MYSQL, "TIME_TRUNCATE_FRACTIONAL");
    assert_names(BIT(34), MARIADB, MYSQL, "");
}

static void a_mode_that_the_other_server_lacks_is_refused_by_name(void **state)
{
    (void)state;
#define LACKS(name, server)                                                                        \
    "the statement was written under sql_mode " name ", which " server " does not have"
    assert_names(BIT(9), MARIADB, MARIADB, "ORACLE");
    assert_names(BIT(9), MARIADB, MYSQL, LACKS("ORACLE", "MySQL"));
    assert_names(BIT(12), MARIADB, MYSQL, LACKS("MAXDB", "MySQL"));
    assert_names(BIT(32), MARIADB, MARIADB, "EMPTY_STRING_IS_NULL");
    assert_names(BIT(32), MARIADB, MYSQL, LACKS("EMPTY_STRING_IS_NULL", "MySQL"));
    assert_names(BIT(33), MYSQL, MARIADB, LACKS("INTERPRET_UTF8_AS_UTF8MB4", "MariaDB"));
    assert_names(BIT(35), MARIADB, MARIADB, LACKS("bit 35", "MariaDB"));
    assert_names(BIT(34), MYSQL, MYSQL, LACKS("bit 34", "MySQL"));
}

static void names_and_strings_end_by_the_mode(void **state)
{
    (void)state;
    assert_int_equal(sql_mode_lex(BIT(2) | BIT(20), MYSQL),
                     SQLTOKEN_ANSI_QUOTES | SQLTOKEN_NO_BACKSLASH);
    assert_int_equal(sql_mode_lex(BIT(10), MARIADB), SQLTOKEN_BRACKETS);
    assert_int_equal(sql_mode_lex(BIT(10), MYSQL), 0);
}

static struct ddl_text text(const char *sql, bool mariadb)
{
    return (struct ddl_text){
        .db = "d", .sql = sql, .n = strlen(sql), .session = {.known = true, .mariadb = mariadb}};
}

static void assert_sql(const struct ddl_text *ddl, bool to, const char *wanted)
{
    struct buf out CLEANUP(buf_fini) = BUF_INIT;
    struct err e = ERR_INIT;
    bool ok = ddl_session_sql(ddl, to, &out, &e);
    if (!strstr(ok ? buf_str(&out) : e.text, wanted))
        fail_msg("%s: %s", ddl->sql, ok ? buf_str(&out) : e.text);
    assert_true(ok || e.cure[0]);
}

static void a_session_is_made_as_the_other_was(void **state)
{
    struct ddl_text ddl = text("ALTER TABLE t ADD a INT", MYSQL);
    (void)state;
    assert_sql(&ddl, MYSQL, "SET SESSION sql_mode = '', SESSION lc_time_names = 0");
    ddl.session.sql_mode = BIT(20);
    ddl.session.time_zone = "+03:00";
    ddl.session.lc_time_names = 4;
    assert_sql(&ddl, MYSQL,
               "SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES', SESSION lc_time_names = 4, "
               "SESSION time_zone = '+03:00'");
    ddl.session.known = false;
    assert_sql(&ddl, MYSQL, "does not tell under which sql_mode");
}

static void a_zone_that_is_not_told_is_refused_where_it_matters(void **state)
{
    static const struct {
        const char *sql, *zone, *wanted;
        bool mariadb;
    } forms[] = {
#define BOUND                                                                                      \
    "ALTER TABLE t ADD PARTITION (PARTITION p VALUES LESS THAN (UNIX_TIMESTAMP('2021-01-01')))"
        {BOUND, NULL, "depends on the session's time_zone", false},
        {BOUND, "SYSTEM", "depends on the session's time_zone", true},
        {BOUND, "Asia/Tokyo", "time_zone = 'Asia/Tokyo'", true},
        {"ALTER TABLE t ADD CHECK (a > '2021-01-01')", "SYSTEM", "depends on", true},
        {"ALTER TABLE t ADD CHECK (a > '2021-01-01')", NULL, "SET SESSION", true},
        {"ALTER TABLE t ADD CHECK (a > '2021-01-01')", "SYSTEM", "SET SESSION", false},
        {"ALTER TABLE t ADD a DATETIME DEFAULT '2021-01-01 10:00:00+02:00'", "SYSTEM", "depends on",
         false},
        {"ALTER TABLE t ADD a DATETIME DEFAULT '2021-01-01 10:00:00'", "SYSTEM", "SET SESSION",
         false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct ddl_text ddl = text(forms[i].sql, forms[i].mariadb);
        ddl.session.time_zone = forms[i].zone;
        assert_sql(&ddl, forms[i].mariadb, forms[i].wanted);
    }
}

static void default_collations_are_those_of_the_session(void **state)
{
    struct ddl_text ddl = text("ALTER TABLE t ADD a CHAR(9) CHARACTER SET = utf8mb4", MARIADB);
    struct ddl_text latin = text("ALTER TABLE t ADD a CHAR(9) CHARSET latin1", MARIADB);
    struct ddl_text named =
        text("ALTER TABLE t ADD a CHAR(9) CHARSET utf8mb4 COLLATE utf8mb4_bin", MARIADB);
    struct ddl_text of_database = text("ALTER TABLE t DEFAULT CHARSET = DEFAULT", MYSQL);
    (void)state;
    assert_sql(&ddl, MYSQL, "the default one differs between MySQL and MariaDB");
    assert_sql(&latin, MYSQL, "SET SESSION");
    assert_sql(&named, MYSQL, "SET SESSION");
    assert_sql(&of_database, MYSQL, "from its database");
    ddl.session.collations = "2048,2304";
    assert_sql(&ddl, MARIADB, "WHERE ID IN (2048,2304))");
    ddl.session.mariadb = false;
    assert_sql(&ddl, MYSQL, "default_collation_for_utf8mb4 is not known");
    ddl.session.collations = "45";
    assert_sql(&ddl, MYSQL, "default_collation_for_utf8mb4 = 'utf8mb4_general_ci'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modes_have_the_names_of_the_other_server),
        cmocka_unit_test(fractions_are_rounded_as_at_the_source),
        cmocka_unit_test(a_mode_that_the_other_server_lacks_is_refused_by_name),
        cmocka_unit_test(names_and_strings_end_by_the_mode),
        cmocka_unit_test(a_session_is_made_as_the_other_was),
        cmocka_unit_test(a_zone_that_is_not_told_is_refused_where_it_matters),
        cmocka_unit_test(default_collations_are_those_of_the_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
