/* tests/unit/test_schemas_labels.c — labels that are more than a text of the server shows. */
#include "schemas/inspect_whole.h"
#include "schemas/labels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct schema_column labels(uint16_t collation, const char *one, size_t n)
{
    struct schema_column c = {.type = SCHEMA_TYPE_ENUM, .collation = collation};
    schema_labels_add(&c, "a", 1);
    schema_labels_add_bytes(&c, one, n);
    return c;
}

static void a_list_with_a_question_mark_is_not_believed(void **state)
{
    static const struct {
        uint16_t collation;
        const char *label;
        bool whole;
    } cases[] = {{45, "b", true},
                 {45, "why?", false},
                 {45, "\xe6\xbc\xa2'\\", true},
                 {45, "\xff", false}, /* what information_schema never shows */
                 {63, "b", false}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct schema_column c = labels(cases[i].collation, cases[i].label, strlen(cases[i].label));
        assert_int_equal(schema_labels_are_whole(&c), cases[i].whole);
        schema_labels_clear(&c);
    }
}

static void labels_hold_every_byte_and_are_sql(void **state)
{
    struct buf sql CLEANUP(buf_fini) = BUF_INIT;
    struct schema_column c = labels(63, "x\0'\\", 4), same = {.name = NULL};
    (void)state;
    schema_labels_add_bytes(&c, "\xff\0", 2);
    assert_int_equal(c.labels[1].n, 4);
    assert_true(c.labels[1].is_text && !c.labels[2].is_text);
    assert_false(schema_labels_are_text(&c));
    schema_labels_put_sql(&c, &sql);
    assert_string_equal(buf_str(&sql), "'a','x\\0\\'\\\\',x'ff00'");
    schema_labels_copy(&same, &c);
    assert_true(schema_labels_same(&c, &same));
    same.labels[1].p[2] = 'y';
    assert_false(schema_labels_same(&c, &same));
    schema_labels_clear(&same);
    schema_labels_clear(&c);
}

static void lists_and_defaults_are_found_in_a_definition(void **state)
{
    static const char text[] =
        "CREATE TABLE `e` (\n  `e` enum('(','?,','`s` set(''x'')') DEFAULT '?',\n  `s` set('b') "
        "COMMENT 'DEFAULT ''n''',\n  `v` varchar(9) DEFAULT (concat('?')),\n  `w` char(1) DEFAULT "
        "'w' CHECK (`w` in ('?')),\n  KEY `e` (`e`)\n) DEFAULT COMMENT '?'";
    static const char *const expected[] = {"1'(','?,','`s` set(''x'')'", "0'?'", "1'b'", "0'w'"};
    static const size_t columns[] = {0, 0, 1, 3};
    struct schema_table *t = schema_table_new("d", "e", 4);
    struct create_spots spots;
    struct create_spot spot;
    size_t n = 0;
    (void)state;
    for (size_t i = 0; i < 4; i++)
        t->columns[i].name = strndup(&"esvw"[i], 1);
    t->create_sql = strdup(text);
    create_spots_begin(&spots, t);
    for (; create_spots_next(&spots, &spot); n++) {
        assert_true(n < 4);
        assert_int_equal(spot.labels, expected[n][0] == '1');
        assert_int_equal(spot.column, columns[n]);
        assert_int_equal(spot.end - spot.start, strlen(expected[n] + 1));
        assert_memory_equal(text + spot.start, expected[n] + 1, spot.end - spot.start);
    }
    assert_int_equal(n, 4);
    schema_table_unref(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_with_a_question_mark_is_not_believed),
        cmocka_unit_test(labels_hold_every_byte_and_are_sql),
        cmocka_unit_test(lists_and_defaults_are_found_in_a_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
