/* tests/unit/test_base_buf.c — growth, the sticky limit and every encoder of struct buf. */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void an_empty_buffer_is_an_empty_string(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    assert_string_equal(buf_str(&b), "");
    char *text = buf_take(&b);
    assert_string_equal(text, "");
    free(text);
    buf_fini(&b);
}

static void bytes_survive_growth(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    for (unsigned i = 0; i < 100000; i++)
        assert_true(buf_put_u8(&b, (uint8_t)(i * 7)));
    assert_int_equal(b.len, 100000);
    for (unsigned i = 0; i < 100000; i++)
        assert_int_equal(b.data[i], (uint8_t)(i * 7));
    assert_int_equal(b.data[b.len], 0);
}

static void the_limit_is_sticky_and_writes_nothing(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    buf_init(&b, 5);
    assert_true(buf_put_str(&b, "abc"));
    assert_false(buf_put_str(&b, "def"));
    assert_true(b.failed);
    assert_false(buf_put_u8(&b, 'x'));
    assert_false(buf_printf(&b, "%d", 1));
    assert_false(buf_put_hex(&b, "", 0));
    assert_string_equal(buf_str(&b), "abc");
    buf_reset(&b);
    assert_true(buf_put_str(&b, "12345"));
    assert_string_equal(buf_str(&b), "12345");
    assert_false(buf_put_u8(&b, '6'));
}

static void an_absurd_length_is_refused_not_wrapped(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    assert_true(buf_put_u8(&b, 1));
    assert_null(buf_reserve(&b, SIZE_MAX));
    assert_true(b.failed);
}

static void integers_are_written_in_both_orders(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    buf_put_le(&b, 0x0102030405060708u, 8);
    buf_put_le(&b, 0xabcdef, 3);
    buf_put_be(&b, 0xabcdef, 3);
    static const uint8_t want[] = {8, 7, 6, 5, 4, 3, 2, 1, 0xef, 0xcd, 0xab, 0xab, 0xcd, 0xef};
    assert_int_equal(b.len, sizeof want);
    assert_memory_equal(b.data, want, sizeof want);
}

static void decimal_text_covers_the_extremes(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    buf_put_u64(&b, 0);
    buf_put_u8(&b, ' ');
    buf_put_u64(&b, UINT64_MAX);
    buf_put_u8(&b, ' ');
    buf_put_i64(&b, INT64_MIN);
    buf_put_u8(&b, ' ');
    buf_put_i64(&b, -1);
    buf_printf(&b, " %s=%d", "k", 7);
    assert_string_equal(buf_str(&b), "0 18446744073709551615 -9223372036854775808 -1 k=7");
}

static void hex_and_base64_match_the_published_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } rfc4648[] = {{"", ""},
                   {"f", "Zg=="},
                   {"fo", "Zm8="},
                   {"foo", "Zm9v"},
                   {"foob", "Zm9vYg=="},
                   {"fooba", "Zm9vYmE="},
                   {"foobar", "Zm9vYmFy"}};
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    for (size_t i = 0; i < sizeof rfc4648 / sizeof rfc4648[0]; i++) {
        buf_reset(&b);
        assert_true(buf_put_base64(&b, rfc4648[i].in, strlen(rfc4648[i].in)));
        assert_string_equal(buf_str(&b), rfc4648[i].out);
    }
    buf_reset(&b);
    assert_true(buf_put_hex(&b, "\x00\xff\x1a", 3));
    assert_string_equal(buf_str(&b), "00ff1a");
}

static void json_escapes_controls_and_keeps_utf8(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    assert_true(buf_put_json_escaped(&b, "a\"b\\c\n\t\x01\0é/", 12));
    assert_string_equal(buf_str(&b), "a\\\"b\\\\c\\n\\t\\u0001\\u0000é/");
}

static void a_failed_json_text_leaves_nothing_behind(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    buf_init(&b, 6);
    buf_put_str(&b, "ab");
    assert_false(buf_put_json_escaped(&b, "cd\n\n", 4));
    assert_string_equal(buf_str(&b), "ab");
}

static void identifiers_and_literals_are_quoted(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    buf_put_ident(&b, "we`ird");
    buf_put_u8(&b, ' ');
    buf_put_table_name(&b, "d`", "t.u");
    buf_put_u8(&b, ' ');
    buf_put_sql_string(&b, "a'b\\c\0d\n\r\x1a\"", 11);
    assert_string_equal(buf_str(&b), "`we``ird` `d```.`t.u` 'a\\'b\\\\c\\0d\\n\\r\\Z\"'");
}

static void taking_leaves_an_empty_buffer(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    buf_put_str(&b, "x");
    char *text = buf_take(&b);
    assert_string_equal(text, "x");
    assert_null(b.data);
    assert_int_equal(b.len, 0);
    free(text);
    buf_put_str(&b, "y");
    assert_string_equal(buf_str(&b), "y");
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_is_an_empty_string),
        cmocka_unit_test(bytes_survive_growth),
        cmocka_unit_test(the_limit_is_sticky_and_writes_nothing),
        cmocka_unit_test(an_absurd_length_is_refused_not_wrapped),
        cmocka_unit_test(integers_are_written_in_both_orders),
        cmocka_unit_test(decimal_text_covers_the_extremes),
        cmocka_unit_test(hex_and_base64_match_the_published_vectors),
        cmocka_unit_test(json_escapes_controls_and_keeps_utf8),
        cmocka_unit_test(a_failed_json_text_leaves_nothing_behind),
        cmocka_unit_test(identifiers_and_literals_are_quoted),
        cmocka_unit_test(taking_leaves_an_empty_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
