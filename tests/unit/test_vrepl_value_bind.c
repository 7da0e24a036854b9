/* tests/unit/test_vrepl_value_bind.c — values of the log as parameters of a statement: padding,
 * signs, NULL. */
#include "vrepl/move/value_bind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the three above first */
#include <cmocka.h>

static char column_name[] = "c";

/* The value's bytes as they are bound; in scratch or in v. */
static struct my_value bind(enum plan_bind how, const struct schema_column *column, const void *p,
                            size_t n, struct value_scratch *scratch)
{
    struct plan_column c = {.bind = how};
    struct cdc_value v = {.column = column, .p = p, .n = n, .null = !p};
    struct my_value out = {.type = MY_VALUE_DEFAULT};
    struct err e = ERR_INIT;
    if (!value_bind(&c, &v, scratch, &out, &e))
        fail_msg("%s", e.text);
    return out;
}

static void assert_bytes(struct my_value got, const char *want, size_t n)
{
    assert_int_equal(got.type, MY_VALUE_BYTES);
    assert_int_equal(got.v.bytes.n, n);
    assert_memory_equal(got.v.bytes.p, want, n);
}

static void binary_has_its_whole_length_again(void **state)
{
    struct schema_column column = {
        .name = column_name, .type = SCHEMA_TYPE_STRING, .meta = 4, .collation = 63};
    struct value_scratch s;
    (void)state;
    value_scratch_init(&s);
    assert_bytes(bind(PLAN_BIND_BINARY, &column, "ab", 2, &s), "ab\0\0", 4);
    assert_bytes(bind(PLAN_BIND_BINARY, &column, "", 0, &s), "\0\0\0\0", 4);
    assert_bytes(bind(PLAN_BIND_BINARY, &column, "abcd", 4, &s), "abcd", 4);
    value_scratch_fini(&s);
}

static void decimals_keep_sign_digits_and_scale(void **state)
{
    struct schema_column column = {
        .name = column_name, .type = SCHEMA_TYPE_NEWDECIMAL, .meta = 5 << 8 | 2};
    struct value_scratch s;
    (void)state;
    value_scratch_init(&s);
    assert_bytes(bind(PLAN_BIND_DECIMAL, &column, "\x80\x7b\x2d", 3, &s), "123.45", 6);
    assert_bytes(bind(PLAN_BIND_DECIMAL, &column, "\x7f\x84\xd2", 3, &s), "-123.45", 7);
    assert_bytes(bind(PLAN_BIND_DECIMAL, &column, "\x80\x00\x05", 3, &s), "0.05", 4);
    assert_bytes(bind(PLAN_BIND_DECIMAL, &column, "\x7f\xff\xfa", 3, &s), "-0.05", 5);
    value_scratch_fini(&s);
}

static void integers_keep_their_sign(void **state)
{
    struct schema_column column = {.name = column_name, .type = SCHEMA_TYPE_INT24};
    struct value_scratch s;
    (void)state;
    value_scratch_init(&s);
    assert_int_equal(bind(PLAN_BIND_I64, &column, "\xfe\xff\xff", 3, &s).v.i64, -2);
    assert_int_equal(bind(PLAN_BIND_U64, &column, "\xfe\xff\xff", 3, &s).v.u64, 0xfffffe);
    value_scratch_fini(&s);
}

static void null_is_null_in_every_form(void **state)
{
    struct schema_column column = {.name = column_name, .type = SCHEMA_TYPE_STRING, .meta = 4};
    struct value_scratch s;
    (void)state;
    value_scratch_init(&s);
    for (int how = PLAN_BIND_I64; how <= PLAN_BIND_LABEL; how++)
        assert_int_equal(bind((enum plan_bind)how, &column, NULL, 0, &s).type, MY_VALUE_NULL);
    value_scratch_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binary_has_its_whole_length_again),
        cmocka_unit_test(decimals_keep_sign_digits_and_scale),
        cmocka_unit_test(integers_keep_their_sign),
        cmocka_unit_test(null_is_null_in_every_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
