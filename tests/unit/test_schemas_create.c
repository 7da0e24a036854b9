/* tests/unit/test_schemas_create.c — edits of texts that MariaDB 10.11 and MySQL 9.7 printed. */
#include "schemas/inspect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char mysql_text[] =
    "CREATE TABLE `orders` (\n"
    "  `id` bigint unsigned NOT NULL AUTO_INCREMENT,\n"
    "  `customer` int DEFAULT '3' COMMENT 'AUTO_INCREMENT=5, KEY `x` (`y`)',\n"
    "  `hidden` int DEFAULT NULL /*!80023 INVISIBLE */,\n"
    "  `total` int GENERATED ALWAYS AS ((`customer` + 1)) VIRTUAL,\n"
    "  PRIMARY KEY (`id`),\n"
    "  UNIQUE KEY `u` (`customer`,`hidden`),\n"
    "  KEY `odd``k,(` (`total`,`customer`),\n"
    "  KEY `low` ((lower(`customer`))) /*!80000 INVISIBLE */,\n"
    "  KEY `fk` (`customer`),\n"
    "  FULLTEXT KEY `ft` (`z`) /*!50100 WITH PARSER `ngram` */ ,\n"
    "  SPATIAL KEY `sp` (`gg`),\n"
    "  CONSTRAINT `fk` FOREIGN KEY (`customer`) REFERENCES `customers` (`id`) ON DELETE CASCADE,\n"
    "  CONSTRAINT `chk` CHECK ((`customer` > 0)) /*!80016 NOT ENFORCED */\n"
    ") ENGINE=InnoDB AUTO_INCREMENT=77 DEFAULT CHARSET=utf8mb4 COMMENT='it''s AUTO_INCREMENT=3'\n"
    "/*!50100 PARTITION BY HASH (`id`)\n"
    "PARTITIONS 4 */";

static void edit(const char *sql, const struct schema_create_edit *how, const char *expected,
                 const char *expected_dropped)
{
    struct buf out CLEANUP(buf_fini) = BUF_INIT, dropped CLEANUP(buf_fini) = BUF_INIT;
    struct err e = ERR_INIT;
    if (!schema_create_edit(sql, how, &out, &dropped, &e))
        fail_msg("%s", e.text);
    assert_string_equal(buf_str(&out), expected);
    assert_string_equal(buf_str(&dropped), expected_dropped);
}

static void no_edit_changes_nothing_that_matters(void **state)
{
    (void)state;
    struct buf out CLEANUP(buf_fini) = BUF_INIT;
    struct schema_create_edit nothing = {.new_name = NULL};
    struct err e = ERR_INIT;
    assert_true(schema_create_edit(mysql_text, &nothing, &out, NULL, &e));
    assert_int_equal(out.len, strlen(mysql_text) - 1); /* the blank before a comma */
}

static void everything_is_dropped_at_once(void **state)
{
    (void)state;
    struct schema_create_edit all = {.new_name = "new`name",
                                     .drop_foreign_keys = true,
                                     .drop_auto_increment = true,
                                     .drop_secondary_keys = true};
    edit(mysql_text, &all,
         "CREATE TABLE `new``name` (\n"
         "  `id` bigint unsigned NOT NULL,\n"
         "  `customer` int DEFAULT '3' COMMENT 'AUTO_INCREMENT=5, KEY `x` (`y`)',\n"
         "  `hidden` int DEFAULT NULL /*!80023 INVISIBLE */,\n"
         "  `total` int GENERATED ALWAYS AS ((`customer` + 1)) VIRTUAL,\n"
         "  PRIMARY KEY (`id`),\n"
         "  UNIQUE KEY `u` (`customer`,`hidden`),\n"
         "  FULLTEXT KEY `ft` (`z`) /*!50100 WITH PARSER `ngram` */,\n"
         "  SPATIAL KEY `sp` (`gg`),\n"
         "  CONSTRAINT `chk` CHECK ((`customer` > 0)) /*!80016 NOT ENFORCED */\n"
         ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='it''s AUTO_INCREMENT=3'\n"
         "/*!50100 PARTITION BY HASH (`id`)\n"
         "PARTITIONS 4 */",
         "ADD KEY `odd``k,(` (`total`,`customer`), "
         "ADD KEY `low` ((lower(`customer`))) /*!80000 INVISIBLE */, ADD KEY `fk` (`customer`)");
}

static void a_kept_foreign_key_keeps_its_key(void **state)
{
    (void)state;
    struct schema_create_edit keys = {.drop_secondary_keys = true};
    struct buf out CLEANUP(buf_fini) = BUF_INIT;
    struct err e = ERR_INIT;
    assert_true(schema_create_edit(mysql_text, &keys, &out, NULL, &e));
    assert_non_null(strstr(buf_str(&out), "KEY `fk` (`customer`)"));
    assert_non_null(strstr(buf_str(&out), "FOREIGN KEY"));
    assert_non_null(strstr(buf_str(&out), " AUTO_INCREMENT=77 "));
    assert_null(strstr(buf_str(&out), "`low`"));
}

static void an_auto_increment_keeps_its_only_key(void **state)
{
    (void)state;
    static const char sql[] = "CREATE TABLE `t` (\n  `a` int NOT NULL,\n  `n` int NOT NULL "
                              "AUTO_INCREMENT,\n  PRIMARY KEY (`a`),\n  KEY `n` (`n`)\n)";
    struct schema_create_edit keys = {.drop_secondary_keys = true};
    edit(sql, &keys, sql, "");
    keys.drop_auto_increment = true;
    edit(sql, &keys,
         "CREATE TABLE `t` (\n  `a` int NOT NULL,\n  `n` int NOT NULL,\n  PRIMARY KEY (`a`)\n)",
         "ADD KEY `n` (`n`)");
}

static void texts_that_are_no_table_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TABLE `t` (`a` int",
        "CREATE TABLE `t` LIKE `u`",
        "DROP TABLE `t`",
        "CREATE TABLE `t` ()",
        "CREATE TABLE `t` (\n)",
        "CREATE TABLE `t` (CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `u` (`a`))"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct buf out CLEANUP(buf_fini) = BUF_INIT;
        struct schema_create_edit nothing = {.new_name = NULL};
        struct err e = ERR_INIT;
        assert_false(schema_create_edit(wrong[i], &nothing, &out, NULL, &e));
        assert_int_equal(e.code, ERR_SCHEMA_MISMATCH);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_edit_changes_nothing_that_matters),
        cmocka_unit_test(everything_is_dropped_at_once),
        cmocka_unit_test(a_kept_foreign_key_keeps_its_key),
        cmocka_unit_test(an_auto_increment_keeps_its_only_key),
        cmocka_unit_test(texts_that_are_no_table_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
