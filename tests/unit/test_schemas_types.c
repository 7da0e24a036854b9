/* tests/unit/test_schemas_types.c — the table of column types: numbers, words, kinds of values. */
#include "schemas/column_info.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct word {
    const char *word;
    enum schema_value_kind kind;
};

/* information_schema.DATA_TYPE of both servers, written down from their manuals. */
static const struct word words[] = {
    {"tinyint", SCHEMA_VALUE_INTEGER},   {"smallint", SCHEMA_VALUE_INTEGER},
    {"mediumint", SCHEMA_VALUE_INTEGER}, {"int", SCHEMA_VALUE_INTEGER},
    {"bigint", SCHEMA_VALUE_INTEGER},    {"float", SCHEMA_VALUE_FLOAT},
    {"double", SCHEMA_VALUE_DOUBLE},     {"decimal", SCHEMA_VALUE_DECIMAL},
    {"bit", SCHEMA_VALUE_BIT},           {"year", SCHEMA_VALUE_YEAR},
    {"date", SCHEMA_VALUE_DATE},         {"time", SCHEMA_VALUE_TIME},
    {"datetime", SCHEMA_VALUE_DATETIME}, {"timestamp", SCHEMA_VALUE_TIMESTAMP},
    {"char", SCHEMA_VALUE_TEXT},         {"varchar", SCHEMA_VALUE_TEXT},
    {"tinytext", SCHEMA_VALUE_TEXT},     {"text", SCHEMA_VALUE_TEXT},
    {"mediumtext", SCHEMA_VALUE_TEXT},   {"longtext", SCHEMA_VALUE_TEXT},
    {"binary", SCHEMA_VALUE_BYTES},      {"varbinary", SCHEMA_VALUE_BYTES},
    {"tinyblob", SCHEMA_VALUE_BYTES},    {"blob", SCHEMA_VALUE_BYTES},
    {"mediumblob", SCHEMA_VALUE_BYTES},  {"longblob", SCHEMA_VALUE_BYTES},
    {"enum", SCHEMA_VALUE_ENUM},         {"set", SCHEMA_VALUE_SET},
    {"json", SCHEMA_VALUE_JSON},         {"geometry", SCHEMA_VALUE_GEOMETRY},
    {"point", SCHEMA_VALUE_GEOMETRY},    {"multipolygon", SCHEMA_VALUE_GEOMETRY},
    {"vector", SCHEMA_VALUE_VECTOR},     {"uuid", SCHEMA_VALUE_NETWORK},
    {"inet4", SCHEMA_VALUE_NETWORK},     {"inet6", SCHEMA_VALUE_NETWORK},
};

static void every_word_of_the_servers_has_its_kind(void **state)
{
    (void)state;
    for (int mariadb = 0; mariadb < 2; mariadb++) {
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
            const char *text = strcmp(words[i].word, "vector") ? words[i].word : "vector(3)";
            const struct schema_column_info info = {.data_type = words[i].word,
                                                    .column_type = text,
                                                    .collation = 45,
                                                    .mariadb = mariadb};
            struct schema_column c = {0};
            struct err e = ERR_INIT;
            if (!schema_column_from_info(&info, &c, &e))
                fail_msg("%s: %s", words[i].word, e.text);
            assert_string_equal(schema_value_name(schema_column_kind(&c)),
                                schema_value_name(words[i].kind));
            free(c.column_type);
        }
    }
}

/* A number names a type of this time; its older form has no word of its own. */
static void words_of_older_forms_mean_the_type_of_now(void **state)
{
    static const struct {
        const char *word;
        uint8_t type;
    } now[] = {{"time", SCHEMA_TYPE_TIME2},
               {"datetime", SCHEMA_TYPE_DATETIME2},
               {"timestamp", SCHEMA_TYPE_TIMESTAMP2},
               {"date", SCHEMA_TYPE_DATE},
               {"decimal", SCHEMA_TYPE_NEWDECIMAL},
               {"varchar", SCHEMA_TYPE_VARCHAR},
               {"text", SCHEMA_TYPE_BLOB}};
    (void)state;
    for (size_t i = 0; i < sizeof now / sizeof now[0]; i++) {
        const struct schema_column_info info = {.data_type = now[i].word,
                                                .column_type = now[i].word};
        struct schema_column c = {0};
        struct err e = ERR_INIT;
        assert_true(schema_column_from_info(&info, &c, &e));
        assert_int_equal(c.type, now[i].type);
        assert_string_equal(schema_type_word(c.type), now[i].word);
        free(c.column_type);
    }
}

static void a_number_that_is_no_type_has_no_kind(void **state)
{
    (void)state;
    assert_int_equal(schema_types[200].kind, SCHEMA_VALUE_NONE);
    assert_string_equal(schema_type_word(200), "?");
    assert_false(schema_type_is_old_time(SCHEMA_TYPE_DECIMAL));
    assert_true(schema_type_is_old_time(SCHEMA_TYPE_TIME));
    assert_false(schema_type_is_old_time(SCHEMA_TYPE_TIME2));
    assert_true(schema_type_is_packed(SCHEMA_TYPE_BLOB_COMPRESSED));
    assert_true(schema_type_is_string(SCHEMA_TYPE_VAR_STRING));
    assert_false(schema_type_is_string(SCHEMA_TYPE_ENUM));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_word_of_the_servers_has_its_kind),
        cmocka_unit_test(words_of_older_forms_mean_the_type_of_now),
        cmocka_unit_test(a_number_that_is_no_type_has_no_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
