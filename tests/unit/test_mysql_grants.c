/* tests/unit/test_mysql_grants.c — SHOW GRANTS lines as both servers print them, and what is
 * missing. */
#include "mysql/grants.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static struct my_grants *grants_of(const char *const *lines)
{
    struct my_grants *g = my_grants_new();
    for (; *lines; lines++)
        my_grants_add(g, *lines);
    return g;
}

static void global_and_database_privileges_are_told_apart(void **state)
{
    (void)state;
    const char *const lines[] = {
        "GRANT RELOAD, REPLICATION SLAVE, BINLOG MONITOR ON *.* TO `sluice`@`%` IDENTIFIED BY "
        "PASSWORD '*81F5E21E35407D884A6CD4A731AEBFB6AF209E1B'",
        "GRANT SELECT, LOCK TABLES ON `commerce`.* TO `sluice`@`%` WITH GRANT OPTION", NULL};
    struct my_grants *g = grants_of(lines);
    assert_true(my_grants_have(g, "REPLICATION SLAVE", NULL));
    assert_true(my_grants_have(g, "REPLICATION CLIENT", NULL)); /* MariaDB's other name */
    assert_true(my_grants_have(g, "SELECT", "commerce"));
    assert_false(my_grants_have(g, "SELECT", NULL));
    assert_false(my_grants_have(g, "SELECT", "customer"));
    assert_false(my_grants_have(g, "INSERT", "commerce"));
    my_grants_free(g);
}

static void patterns_match_as_the_server_matches_them(void **state)
{
    (void)state;
    const char *const lines[] = {"GRANT SELECT ON `app\\_%`.* TO `u`@`%`",
                                 "GRANT INSERT ON `shard_`.* TO `u`@`%`",
                                 "GRANT DELETE ON `my``db`.* TO `u`@`%`", NULL};
    struct my_grants *g = grants_of(lines);
    assert_true(my_grants_have(g, "SELECT", "app_one"));
    assert_false(my_grants_have(g, "SELECT", "appXone"));
    assert_true(my_grants_have(g, "INSERT", "shard1"));
    assert_false(my_grants_have(g, "INSERT", "shard12"));
    assert_true(my_grants_have(g, "DELETE", "my`db"));
    my_grants_free(g);
}

static void table_column_routine_proxy_and_role_lines_give_nothing(void **state)
{
    (void)state;
    const char *const lines[] = {
        "GRANT SELECT ON `commerce`.`orders` TO `u`@`%`",
        "GRANT SELECT (`id`, `ON x`), INSERT (`id`) ON `commerce`.* TO `u`@`%`",
        "GRANT EXECUTE ON PROCEDURE `commerce`.`p` TO `u`@`%`",
        "GRANT PROXY ON ''@'' TO 'u'@'%' WITH GRANT OPTION",
        "GRANT `reader`@`%` TO `u`@`%`",
        "SET DEFAULT ROLE `reader` FOR `u`@`%`",
        "GRANT USAGE ON *.* TO `u`@`%`",
        NULL};
    struct my_grants *g = grants_of(lines);
    assert_false(my_grants_have(g, "SELECT", "commerce"));
    assert_false(my_grants_have(g, "INSERT", "commerce"));
    assert_false(my_grants_have(g, "EXECUTE", "commerce"));
    assert_false(my_grants_have(g, "SELECT", NULL));
    my_grants_free(g);
}

static void all_privileges_hold_where_they_were_given(void **state)
{
    (void)state;
    const char *const lines[] = {"GRANT ALL PRIVILEGES ON `a`.* TO `u`@`%`", NULL};
    struct my_grants *g = grants_of(lines);
    assert_true(my_grants_have(g, "TRIGGER", "a"));
    assert_false(my_grants_have(g, "TRIGGER", "b"));
    assert_false(my_grants_have(g, "REPLICATION SLAVE", NULL));
    my_grants_free(g);
}

static void a_partial_revoke_takes_away(void **state)
{
    (void)state;
    const char *const lines[] = {"GRANT SELECT, INSERT ON *.* TO `u`@`%`",
                                 "REVOKE INSERT ON `secret`.* FROM `u`@`%`", NULL};
    struct my_grants *g = grants_of(lines);
    assert_true(my_grants_have(g, "INSERT", "open"));
    assert_false(my_grants_have(g, "INSERT", "secret"));
    assert_true(my_grants_have(g, "SELECT", "secret"));
    my_grants_free(g);
}

static void the_statements_are_exact(void **state)
{
    (void)state;
    struct my_server maria = {.flavor = MY_FLAVOR_MARIADB, .version = 101119};
    struct my_server mysql = {.flavor = MY_FLAVOR_MYSQL, .version = 90704};
    struct buf b = BUF_INIT;
    my_checks_grants(&maria, MY_ROLE_STREAM, "my_shop", "'s'@'%'", &b);
    assert_string_equal(buf_str(&b), "GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO 's'@'%';\n"
                                     "GRANT SELECT ON `my\\_shop`.* TO 's'@'%';\n");
    buf_reset(&b);
    my_checks_grants(&mysql, MY_ROLE_STREAM, NULL, "'s'@'%'", &b);
    assert_string_equal(buf_str(&b),
                        "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 's'@'%';\n");
    buf_reset(&b);
    my_checks_grants(&mysql, MY_ROLE_SWITCH, NULL, "'s'@'%'", &b);
    assert_non_null(strstr(buf_str(&b), "REPLICATION CLIENT, PROCESS, XA_RECOVER_ADMIN ON *.*"));
    buf_reset(&b);
    my_checks_grants(&maria, MY_ROLE_SWITCH, NULL, "'s'@'%'", &b);
    assert_non_null(strstr(buf_str(&b), "BINLOG MONITOR, PROCESS ON *.*"));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(global_and_database_privileges_are_told_apart),
        cmocka_unit_test(patterns_match_as_the_server_matches_them),
        cmocka_unit_test(table_column_routine_proxy_and_role_lines_give_nothing),
        cmocka_unit_test(all_privileges_hold_where_they_were_given),
        cmocka_unit_test(a_partial_revoke_takes_away),
        cmocka_unit_test(the_statements_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
