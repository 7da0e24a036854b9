/* tests/unit/test_schemas_ddl_columns.c — which columns a DDL may have changed: never too few. */
#include "schemas/ddl_columns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct ddl_columns read_text(const char *sql)
{
    struct ddl_text text = {.db = "shop", .sql = sql, .n = strlen(sql)};
    struct ddl_columns c = {.any = false};
    ddl_columns(&text, &c);
    return c;
}

static bool keeps(const char *sql, const char *column)
{
    struct ddl_columns c = read_text(sql);
    bool kept = !c.any && !c.creates && !ddl_words_have(buf_str(&c.words), column);
    ddl_columns_fini(&c);
    return kept;
}

static void a_column_that_is_not_named_is_kept(void **state)
{
    static const char *const kept[] = {
        "ALTER TABLE a ADD y INT",
        "ALTER TABLE a ADD y INT AFTER u, ADD z UUID AFTER `U`",
        "ALTER ONLINE TABLE IF EXISTS shop.u MODIFY x TEXT",
        "ALTER TABLE a ADD KEY k (u), ADD CHECK (u <> 'DROP u')",
        "ALTER TABLE a ADD COLUMN (z UUID, w INT) /* u */, COMMENT 'MODIFY u INT'",
        "ALTER TABLE a ENGINE=InnoDB, FORCE",
        "ALTER TABLE a RENAME COLUMN b TO c",
        "DROP INDEX u ON a"};
    static const char *const changed[] = {"ALTER TABLE a MODIFY u BINARY(16)",
                                          "ALTER TABLE a ADD y INT AFTER x, MODIFY U INT",
                                          "ALTER TABLE a CHANGE `u` w UUID",
                                          "ALTER TABLE a DROP u",
                                          "ALTER TABLE a RENAME COLUMN b TO u",
                                          "ALTER TABLE a ADD u UUID",
                                          "ALTER TABLE a CONVERT TO CHARACTER SET latin1",
                                          "ALTER TABLE a RENAME TO b",
                                          "ALTER TABLE a ADD y INT, RENAME b",
                                          "RENAME TABLE a TO b, c TO a",
                                          "DROP TABLE a",
                                          "CREATE OR REPLACE TABLE a (u INT)",
                                          "CREATE TABLE a LIKE b",
                                          "nonsense"};
    (void)state;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (!keeps(kept[i], "u"))
            fail_msg("%s", kept[i]);
    for (size_t i = 0; i < sizeof changed / sizeof *changed; i++)
        if (keeps(changed[i], "u"))
            fail_msg("%s", changed[i]);
}

static void a_new_table_has_the_words_of_its_text_alone(void **state)
{
    struct ddl_columns c = read_text("CREATE TABLE a (b BINARY(16), `x` Uuid DEFAULT 'inet6')");
    (void)state;
    assert_true(c.creates && !c.any);
    assert_true(ddl_words_have(buf_str(&c.words), "UUID"));
    assert_false(ddl_words_have(buf_str(&c.words), "INET6"));
    ddl_columns_fini(&c);
    static const char *const others[] = {"CREATE TABLE a LIKE b",
                                         "CREATE TABLE a AS SELECT * FROM b",
                                         "CREATE TABLE IF NOT EXISTS a (b INT)"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        c = read_text(others[i]);
        assert_true(c.any);
        ddl_columns_fini(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_column_that_is_not_named_is_kept),
        cmocka_unit_test(a_new_table_has_the_words_of_its_text_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
