/* tests/unit/test_cdc_value.c — values, rows and binary JSON from hand-made bytes with published
 * results. */
#include "cdc/log/jsonb.h"
#include "cdc/log/number.h"
#include "cdc/log/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void decimals_print_with_their_scale(void **state)
{
    static const struct {
        unsigned precision, scale;
        uint8_t bytes[8];
        size_t n;
        const char *text;
    } cases[] = {
        /* MySQL manual, strings/decimal.cc: 1234567890.1234 as decimal(14,4) */
        {14, 4, {0x81, 0x0d, 0xfb, 0x38, 0xd2, 0x04, 0xd2}, 7, "1234567890.1234"},
        {14, 4, {0x7e, 0xf2, 0x04, 0xc7, 0x2d, 0xfb, 0x2d}, 7, "-1234567890.1234"},
        {4, 2, {0x80, 0x00}, 2, "0.00"},
        {4, 4, {0x7f, 0xfe}, 2, "-0.0001"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out = BUF_INIT;
        assert_true(
            decimal_print(cases[i].bytes, cases[i].n, cases[i].precision, cases[i].scale, &out));
        assert_string_equal(buf_str(&out), cases[i].text);
        buf_fini(&out);
    }
}

/* The packing as the servers' documentation tells it: digit groups of the text, big-endian. */
static size_t pack_part(const char *digits, unsigned n, bool whole, uint8_t *to)
{
    static const uint8_t bytes_of[10] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};
    size_t at = 0;
    for (unsigned i = 0, take; i < n; i += take) {
        take = whole && i == 0 && n % 9 ? n % 9 : n - i < 9 ? n - i : 9;
        uint32_t v = 0;
        for (unsigned k = 0; k < take; k++)
            v = v * 10 + (uint32_t)(digits[i + k] - '0');
        for (unsigned k = bytes_of[take]; k > 0; k--)
            to[at++] = (uint8_t)(v >> 8 * (k - 1));
    }
    return at;
}

static void check_decimal(unsigned precision, unsigned scale, unsigned *seed)
{
    char digits[66] = "", text[80], *end = text;
    uint8_t bytes[32];
    unsigned whole = precision - scale, zeros = (*seed >> 8) % (precision + 1);
    bool negative = false;
    for (unsigned i = 0; i < precision; i++) {
        *seed = *seed * 1103515245u + 12345u;
        digits[i] = i < zeros ? '0' : (char)('0' + (*seed >> 16) % 10);
        negative = negative || (digits[i] != '0' && *seed >> 31);
    }
    size_t n = pack_part(digits, whole, true, bytes);
    n += pack_part(digits + whole, scale, false, bytes + n);
    bytes[0] ^= 0x80;
    for (size_t i = 0; negative && i < n; i++)
        bytes[i] = (uint8_t)~bytes[i];
    if (negative)
        *end++ = '-';
    unsigned first = 0;
    while (first < whole && digits[first] == '0')
        first++;
    if (first == whole)
        *end++ = '0';
    end += snprintf(end, 70, "%.*s", (int)(whole - first), digits + first);
    if (scale)
        snprintf(end, 70, ".%.*s", (int)scale, digits + whole);
    struct buf out = BUF_INIT;
    assert_true(decimal_print(bytes, n, precision, scale, &out));
    assert_string_equal(buf_str(&out), text);
    buf_fini(&out);
    struct decimal_shape shape;
    assert_int_equal(decimal_shape_of(precision, scale, &shape), precision <= 18 && scale <= 9);
    if (precision <= 18 && scale <= 9) {
        char all[70];
        int64_t unscaled;
        snprintf(all, sizeof all, "%s%.*s", negative ? "-" : "", (int)precision, digits);
        assert_true(decimal_unscaled(&shape, bytes, n, &unscaled));
        assert_int_equal(unscaled, strtoll(all, NULL, 10));
        assert_false(decimal_unscaled(&shape, bytes, n - 1, &unscaled));
    }
}

static void decimals_of_every_precision_and_scale(void **state)
{
    unsigned seed = 4;
    (void)state;
    for (unsigned precision = 1; precision <= 65; precision++)
        for (unsigned scale = 0; scale <= 30 && scale <= precision; scale++)
            for (int i = 0; i < 40; i++)
                check_decimal(precision, scale, &seed);
}

static void decimal_digits_beyond_nine_are_refused(void **state)
{
    const uint8_t bytes[4] = {0xff, 0xff, 0xff, 0xff};
    struct buf out = BUF_INIT;
    (void)state;
    assert_false(decimal_print(bytes, 4, 9, 0, &out));
    assert_false(decimal_print(bytes, 4, 8, 0, &out));
    assert_false(decimal_print(bytes, 4, 9, 9, &out));
    assert_false(decimal_print(bytes, 2, 2, 1, &out));
    static const unsigned shapes[][3] = {{9, 0, 4}, {8, 0, 4}, {9, 9, 4}, {2, 1, 2}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct decimal_shape shape;
        int64_t v;
        assert_true(decimal_shape_of(shapes[i][0], shapes[i][1], &shape));
        assert_false(decimal_unscaled(&shape, bytes, shapes[i][2], &v));
    }
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

static void numbers_are_the_shortest_that_read_back(void **state)
{
    static const struct {
        double v;
        const char *server, *java;
    } cases[] = {
        {0.1, "0.1", "0.1"},
        {1e15, "1e15", "1.0E15"},
        {1234567890123456.8, "1234567890123456.8", "1.2345678901234568E15"},
        {9007199254740992.0, "9.007199254740992e15", "9.007199254740992E15"},
        {100, "100", "100.0"},
        {1e7, "10000000", "1.0E7"},
        {0.001, "0.001", "0.001"},
        {1e-4, "0.0001", "1.0E-4"},
        {5e-324, "5e-324", "4.9E-324"},
        {1.7976931348623157e308, "1.7976931348623157e308", "1.7976931348623157E308"},
        {-1.5, "-1.5", "-1.5"},
        {0x1p-24, "0.00000005960464477539063", "5.9604644775390625E-8"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct number_digits d;
        struct buf out = BUF_INIT;
        number_digits_double(cases[i].v, &d);
        number_print(&d, &out);
        assert_string_equal(buf_str(&out), cases[i].server);
        buf_reset(&out);
        number_digits_double_java(cases[i].v, &d);
        number_print_java(&d, &out);
        assert_string_equal(buf_str(&out), cases[i].java);
        buf_fini(&out);
    }
}

static void json_text(const uint8_t *p, size_t n, const char *want)
{
    struct buf out = BUF_INIT;
    struct err e = ERR_INIT;
    bool ok = jsonb_print(p, n, JSONB_STYLE_SERVER, &out, &e);
    assert_int_equal(ok, want != NULL);
    if (want)
        assert_string_equal(buf_str(&out), want);
    else
        assert_int_equal(e.code, ERR_LOG_FORMAT);
    buf_fini(&out);
}

static const uint8_t small_object[] = {0x00, 0x01, 0x00, 0x0c, 0x00, 0x0b, 0x00,
                                       0x01, 0x00, 0x05, 0x02, 0x00, 'a'};

static void binary_json_prints_as_the_server_does(void **state)
{
    static const uint8_t text[] = {0x0c, 0x03, 'a', '"', 'b'};
    static const uint8_t decimal[] = {0x0f, 0xf6, 0x04, 0x04, 0x02, 0x8c, 0x1e};
    static const uint8_t literal[] = {0x04, 0x01};
    (void)state;
    json_text(NULL, 0, "null");
    json_text(small_object, sizeof small_object, "{\"a\": 2}");
    json_text(text, sizeof text, "\"a\\\"b\"");
    json_text(decimal, sizeof decimal, "12.30");
    json_text(literal, sizeof literal, "true");
}

static void broken_binary_json_is_an_error(void **state)
{
    (void)state;
    for (size_t n = 1; n < sizeof small_object; n++)
        json_text(small_object, n, NULL);
    uint8_t far[sizeof small_object];
    memcpy(far, small_object, sizeof far);
    far[5] = 0x7f; /* the key's offset */
    json_text(far, sizeof far, NULL);
}

static void shared_parts_do_not_multiply(void **state)
{
    /* an array of two entries that both are the array itself: without a budget 2^128 values */
    static const uint8_t loop[] = {0x02, 0x02, 0x00, 0x0a, 0x00, 0x02,
                                   0x00, 0x00, 0x02, 0x00, 0x00};
    (void)state;
    json_text(loop, sizeof loop, NULL);
}

static void diffs_apply_in_order(void **state)
{
    static const uint8_t diffs[] = {
        0x00, 0x03, '$', '.', 'a', 0x03, 0x05, 0x07, 0x00,               /* replace $.a 7 */
        0x01, 0x04, '$', '.', 'b', 'b',  0x02, 0x04, 0x01,               /* insert $.bb true */
        0x02, 0x03, '$', '.', 'a',                                       /* remove $.a */
        0x01, 0x07, '$', '.', '"', 'x',  ' ',  'y',  '"',  0x02, 0x04, 0 /* insert $."x y" null */
    };
    struct buf out = BUF_INIT;
    struct err e = ERR_INIT;
    (void)state;
    assert_true(jsonb_diff_apply(small_object, sizeof small_object, diffs, sizeof diffs,
                                 JSONB_STYLE_SERVER, &out, &e));
    assert_string_equal(buf_str(&out), "{\"bb\": true, \"x y\": null}");
    buf_reset(&out);
    assert_false(jsonb_diff_apply(small_object, sizeof small_object, diffs + 18, 5 + 12,
                                  JSONB_STYLE_SERVER, &out, &e) &&
                 jsonb_diff_apply(NULL, 0, diffs, sizeof diffs, JSONB_STYLE_SERVER, &out, &e));
    buf_fini(&out);
}

static struct schema_table *two_columns(void)
{
    struct schema_table *t = schema_table_new("d", "t", 2);
    t->columns[0].type = SCHEMA_TYPE_LONG;
    t->columns[1].type = SCHEMA_TYPE_VARCHAR;
    t->columns[1].meta = 20;
    t->columns[1].collation = 45;
    return t;
}

static void rows_count_absent_null_and_values(void **state)
{
    static const uint8_t present[] = {0x03}, first_only[] = {0x01};
    static const uint8_t images[] = {0x00, 1, 0, 0, 0, 2, 'h', 'i', 0x02, 2, 0, 0, 0};
    static const uint8_t narrow[] = {0x00, 9, 0, 0, 0};
    struct schema_table *t = two_columns();
    struct cdc_rows rows = {.table = t,
                            .op = CDC_OP_INSERT,
                            .n_columns = 2,
                            .present_after = present,
                            .images = images,
                            .images_len = sizeof images};
    struct cdc_row *after = cdc_row_new(2);
    struct cdc_rows_iter it;
    struct err e = ERR_INIT;
    (void)state;
    assert_true(cdc_rows_validate(&rows, &e));
    assert_int_equal(rows.n_rows, 2);
    cdc_rows_begin(&it, &rows);
    assert_int_equal(cdc_rows_next(&it, NULL, after, &e), CDC_ROWS_ROW);
    assert_int_equal(cdc_value_i64(&after->values[0]), 1);
    assert_int_equal(after->values[1].n, 2);
    assert_int_equal(cdc_rows_next(&it, NULL, after, &e), CDC_ROWS_ROW);
    assert_true(after->values[1].null && !after->values[1].absent);
    assert_int_equal(cdc_rows_next(&it, NULL, after, &e), CDC_ROWS_END);
    rows.present_after = first_only;
    rows.images = narrow;
    rows.images_len = sizeof narrow;
    assert_true(cdc_rows_validate(&rows, &e));
    cdc_rows_begin(&it, &rows);
    assert_int_equal(cdc_rows_next(&it, NULL, after, &e), CDC_ROWS_ROW);
    assert_true(after->values[1].absent && !after->values[1].null);
    cdc_row_free(after);
    schema_table_unref(t);
}

static void a_row_that_is_cut_names_its_column(void **state)
{
    static const uint8_t present[] = {0x03};
    static const uint8_t images[] = {0x00, 1, 0, 0, 0, 2, 'h', 'i'};
    struct schema_table *t = two_columns();
    (void)state;
    t->columns[1].name = strdup("v");
    for (size_t n = 1; n < sizeof images; n++) {
        struct cdc_rows rows = {.table = t,
                                .op = CDC_OP_INSERT,
                                .n_columns = 2,
                                .present_after = present,
                                .images = images,
                                .images_len = n};
        struct err e = ERR_INIT;
        assert_false(cdc_rows_validate(&rows, &e));
        assert_int_equal(e.code, ERR_LOG_FORMAT);
        assert_non_null(strstr(e.text, n < 5 ? "d.t" : "d.t.v"));
    }
    schema_table_unref(t);
}

static void time_text(const uint8_t *p, size_t n, uint8_t type, uint16_t fsp, const char *want)
{
    struct schema_column c = {.type = type, .meta = fsp};
    struct cdc_value v = {.column = &c, .p = p, .n = n};
    struct cdc_datetime d;
    struct buf out = BUF_INIT;
    assert_true(cdc_value_datetime(&v, &d));
    cdc_datetime_print(&v, &d, &out);
    assert_string_equal(buf_str(&out), want);
    buf_fini(&out);
}

static void times_keep_sign_fraction_and_zero(void **state)
{
    (void)state;
    time_text((const uint8_t *)"\x80\x00\x00", 3, SCHEMA_TYPE_TIME2, 0, "00:00:00");
    time_text((const uint8_t *)"\x7f\xff\xff\xff\xff\xff", 6, SCHEMA_TYPE_TIME2, 6,
              "-00:00:00.000001");
    time_text((const uint8_t *)"\x7f\xff\xff\xff", 4, SCHEMA_TYPE_TIME2, 2, "-00:00:00.01");
    time_text((const uint8_t *)"\x80\x00\x00\x00\x00", 5, SCHEMA_TYPE_DATETIME2, 0,
              "0000-00-00 00:00:00");
    time_text((const uint8_t *)"\x00\x00\x00\x00\x00", 5, SCHEMA_TYPE_TIMESTAMP2, 1,
              "0000-00-00 00:00:00.0");
    time_text((const uint8_t *)"\x21\x00\x00", 3, SCHEMA_TYPE_DATE, 0, "0000-01-01");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_print_with_their_scale),
        cmocka_unit_test(decimals_of_every_precision_and_scale),
        cmocka_unit_test(decimal_digits_beyond_nine_are_refused),
        cmocka_unit_test(numbers_are_the_shortest_that_read_back),
        cmocka_unit_test(binary_json_prints_as_the_server_does),
        cmocka_unit_test(broken_binary_json_is_an_error),
        cmocka_unit_test(shared_parts_do_not_multiply),
        cmocka_unit_test(diffs_apply_in_order),
        cmocka_unit_test(rows_count_absent_null_and_values),
        cmocka_unit_test(a_row_that_is_cut_names_its_column),
        cmocka_unit_test(times_keep_sign_fraction_and_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
