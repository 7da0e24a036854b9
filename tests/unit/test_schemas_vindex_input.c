/* tests/unit/test_schemas_vindex_input.c — a text is a number or characters by its column's type.
 */
#include "schemas/sharding/vindex_input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static char name[] = "code";
static const struct schema_column text = {
    .name = name, .type = SCHEMA_TYPE_VARCHAR, .collation = 45};
static const struct schema_column number = {
    .name = name, .type = SCHEMA_TYPE_LONGLONG, .unsigned_known = true};
static const struct schema_column natural = {
    .name = name, .type = SCHEMA_TYPE_LONGLONG, .unsigned_known = true, .is_unsigned = true};

static void digits_in_a_text_column_are_text(void **state)
{
    struct vindex_input in;
    struct err e = ERR_INIT;
    (void)state;
    assert_true(vindex_input_of_text(&text, "007", 3, &in, &e));
    assert_int_equal(in.kind, VINDEX_IN_BYTES);
    assert_int_equal(in.n, 3);
    assert_true(vindex_input_of_text(&number, "007", 3, &in, &e));
    assert_int_equal(in.kind, VINDEX_IN_I64);
    assert_int_equal(in.i64, 7);
}

static void a_number_keeps_the_sign_of_its_column(void **state)
{
    struct vindex_input in;
    struct err e = ERR_INIT;
    (void)state;
    assert_true(vindex_input_of_text(&natural, "18446744073709551615", 20, &in, &e));
    assert_int_equal(in.kind, VINDEX_IN_U64);
    assert_true(in.u64 == UINT64_MAX);
    assert_true(vindex_input_of_text(&natural, "7", 1, &in, &e));
    assert_int_equal(in.kind, VINDEX_IN_U64);
    assert_false(vindex_input_of_text(&number, "18446744073709551615", 20, &in, &e));
    assert_int_equal(e.code, ERR_VINDEX);
}

static void what_is_no_value_of_the_column_is_an_error(void **state)
{
    struct vindex_input in;
    struct err e = ERR_INIT;
    struct schema_column date = {.name = name, .type = SCHEMA_TYPE_DATE};
    (void)state;
    assert_false(vindex_input_of_text(&number, "7x", 2, &in, &e));
    assert_false(vindex_input_of_text(&number, "7\0", 2, &in, &e));
    assert_false(vindex_input_of_text(&date, "2026-01-01", 10, &in, &e));
    assert_true(vindex_input_of_text(&date, NULL, 0, &in, &e));
    assert_int_equal(in.kind, VINDEX_IN_NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digits_in_a_text_column_are_text),
        cmocka_unit_test(a_number_keeps_the_sign_of_its_column),
        cmocka_unit_test(what_is_no_value_of_the_column_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
