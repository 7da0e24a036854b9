/* tests/unit/test_sinks_encode_debezium_default.c — what a NULL is printed as where the column's
 * definition is known; values as the real engines print them (fixtures, NOTES.md). */
#include "sinks/format/encode_debezium.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static char int_type[] = "int", float_pair[] = "float(7,3)", generated[] = "DEFAULT_GENERATED";

/* What is put for a NULL; "": it stays one. */
static const char *null_as(struct schema_column *c, bool mariadb, const char *text)
{
    static char result[200];
    char copy[100];
    struct buf scratch = BUF_INIT, out = BUF_INIT;
    struct cdc_value v = {.column = c, .null = true};
    if (text) {
        assert_true(strlen(text) < sizeof copy);
        memcpy(copy, text, strlen(text) + 1);
    }
    c->default_text = text ? copy : NULL;
    if (!c->column_type)
        c->column_type = int_type;
    bool put = debezium_put_known(&v, c, mariadb, &scratch, &out);
    memcpy(result, put ? buf_str(&out) : "", put ? out.len + 1 : 1);
    c->default_text = NULL;
    buf_fini(&scratch);
    buf_fini(&out);
    return result;
}

#define COLUMN(t, ...)                                                                             \
    (&(struct schema_column){.type = SCHEMA_TYPE_##t, .nullable = true, __VA_ARGS__})

static void a_null_is_the_default_of_its_column(void **state)
{
    (void)state;
    assert_string_equal(null_as(COLUMN(LONG), true, "5"), "5");
    assert_string_equal(null_as(COLUMN(LONG), false, "-7"), "-7");
    assert_string_equal(null_as(COLUMN(NEWDECIMAL, .meta = 8 << 8 | 3), true, "1.500"), "\"Bdw=\"");
    assert_string_equal(null_as(COLUMN(NEWDECIMAL, .meta = 9 << 8 | 4), false, "-1.5"), "\"xWg=\"");
    assert_string_equal(null_as(COLUMN(DOUBLE), true, "0.1"), "0.1");
    assert_string_equal(null_as(COLUMN(BIT, .meta = 1 << 8), true, "b'101'"), "\"BQ==\"");
    assert_string_equal(null_as(COLUMN(BIT, .meta = 1), false, "b'1'"), "true");
    assert_string_equal(null_as(COLUMN(VARCHAR, .collation = 45), true, "'d''\\\\x'"),
                        "\"d'\\\\x\"");
    assert_string_equal(null_as(COLUMN(VARCHAR, .collation = 45), false, ""), "\"\"");
    assert_string_equal(null_as(COLUMN(VARCHAR, .collation = 63), false, "0x7879"), "\"eHk=\"");
    assert_string_equal(null_as(COLUMN(DATE), false, "2020-02-29"), "18321");
    assert_string_equal(null_as(COLUMN(TIME2, .meta = 2), true, "'12:34:56.78'"), "45296780000");
    assert_string_equal(null_as(COLUMN(DATETIME2, .meta = 6), false, "2001-02-03 04:05:06.789012"),
                        "981173106789012");
    assert_string_equal(null_as(COLUMN(DATETIME2, .meta = 2), true, "current_timestamp(2)"), "0");
    assert_string_equal(null_as(COLUMN(TIMESTAMP2, .meta = 3), true, "'2015-05-06 07:08:09.120'"),
                        "\"2015-05-06T07:08:09.12Z\"");
}

static void a_default_that_the_connectors_take_for_none_is_null(void **state)
{
    (void)state;
    assert_string_equal(null_as(COLUMN(LONG), true, NULL), "");
    assert_string_equal(null_as(COLUMN(LONG), true, "NULL"), "");
    assert_string_equal(null_as(COLUMN(LONG), true, "(1 + 1)"), "");
    assert_string_equal(null_as(COLUMN(LONG, .extra = generated), false, "(1 + 1)"), "");
    assert_string_equal(null_as(COLUMN(VARCHAR, .collation = 45), true, "concat('a','z')"), "");
    assert_string_equal(null_as(COLUMN(VARCHAR, .collation = 45), false, "gr?n"), "");
    assert_string_equal(null_as(COLUMN(DATE), false, "2020-00-15"), "");
    assert_string_equal(null_as(COLUMN(TIMESTAMP2), true, "current_timestamp()"), "");
}

static void an_unsigned_default_does_not_wrap(void **state)
{
    (void)state;
    assert_string_equal(
        null_as(COLUMN(LONGLONG, .is_unsigned = true), false, "18446744073709551615"),
        "9223372036854775807");
}

static void a_float_with_digits_is_a_double(void **state)
{
    struct schema_column c = {.type = SCHEMA_TYPE_FLOAT, .column_type = float_pair};
    float f = 1234.567F;
    uint8_t bytes[4];
    struct buf scratch = BUF_INIT, out = BUF_INIT;
    (void)state;
    memcpy(bytes, &f, sizeof bytes);
    struct cdc_value v = {.column = &c, .p = bytes, .n = sizeof bytes};
    assert_true(debezium_put_known(&v, &c, true, &scratch, &out));
    assert_string_equal(buf_str(&out), "1234.5670166015625");
    c.column_type = int_type; /* any without digits */
    assert_false(debezium_put_known(&v, &c, true, &scratch, &out));
    c.column_type = NULL; /* nothing is proven */
    assert_false(debezium_put_known(&v, &c, true, &scratch, &out));
    buf_fini(&scratch);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_null_is_the_default_of_its_column),
        cmocka_unit_test(a_default_that_the_connectors_take_for_none_is_null),
        cmocka_unit_test(an_unsigned_default_does_not_wrap),
        cmocka_unit_test(a_float_with_digits_is_a_double),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
