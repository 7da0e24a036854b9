/* tests/unit/test_cdc_value_types.c — the getters of values: numbers, bytes and compressed bytes,
 * text, addresses, JSON, dates of both formats, equality; and what is refused. */
#include "cdc/log/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

/* A string literal with its length, zero bytes inside included. */
#define BYTES(s) (s), sizeof(s) - 1

static char v_name[] = "v", j_name[] = "j";

static struct cdc_value value_of(const struct schema_column *c, const void *p, size_t n)
{
    return (struct cdc_value){.column = c, .p = p, .n = n};
}

static void integers_of_each_width_keep_their_sign(void **state)
{
    static const struct {
        uint8_t type;
        const char *bytes;
        size_t n;
        int64_t as_signed;
        uint64_t as_unsigned;
    } cases[] = {
        {SCHEMA_TYPE_TINY, BYTES("\xff"), -1, 255},
        {SCHEMA_TYPE_TINY, BYTES("\x7f"), 127, 127},
        {SCHEMA_TYPE_SHORT, BYTES("\x00\x80"), -32768, 32768},
        {SCHEMA_TYPE_INT24, BYTES("\x00\x00\x80"), -8388608, 8388608},
        {SCHEMA_TYPE_LONG, BYTES("\xfe\xff\xff\xff"), -2, 4294967294},
        {SCHEMA_TYPE_LONGLONG, BYTES("\0\0\0\0\0\0\0\x80"), INT64_MIN, (uint64_t)1 << 63},
        {SCHEMA_TYPE_YEAR, BYTES("\0"), 0, 0},
        {SCHEMA_TYPE_YEAR, BYTES("\1"), 1901, 1901},
        {SCHEMA_TYPE_YEAR, BYTES("\xff"), 2155, 2155},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct schema_column c = {.type = cases[i].type};
        struct cdc_value v = value_of(&c, cases[i].bytes, cases[i].n);
        assert_true(cdc_value_i64(&v) == cases[i].as_signed);
        assert_true(cdc_value_u64(&v) == cases[i].as_unsigned);
    }
}

static void bits_are_big_endian_and_labels_little(void **state)
{
    struct schema_column bit = {.type = SCHEMA_TYPE_BIT}, set = {.type = SCHEMA_TYPE_SET},
                         label = {.type = SCHEMA_TYPE_ENUM}, plain = {.type = SCHEMA_TYPE_LONG},
                         large = {.type = SCHEMA_TYPE_LONG, .is_unsigned = true};
    struct cdc_value b = value_of(&bit, "\1\2", 2), s = value_of(&set, "\1\2\0\0\0\0\0\x80", 8),
                     l = value_of(&label, "\1\2", 2), p = value_of(&plain, "\1\0\0\0", 4),
                     u = value_of(&large, "\1\0\0\0", 4);
    (void)state;
    assert_true(cdc_value_u64(&b) == 0x102);
    assert_true(cdc_value_u64(&s) == 0x8000000000000201u);
    assert_true(cdc_value_u64(&l) == 0x201);
    assert_true(cdc_value_is_unsigned(&b) && cdc_value_is_unsigned(&s) &&
                cdc_value_is_unsigned(&l) && cdc_value_is_unsigned(&u));
    assert_false(cdc_value_is_unsigned(&p));
}

static void floating_point_values_are_their_bits(void **state)
{
    struct schema_column f = {.type = SCHEMA_TYPE_FLOAT}, d = {.type = SCHEMA_TYPE_DOUBLE};
    struct cdc_value small = value_of(&f, "\0\0\xc0\xbf", 4),
                     wide = value_of(&d, "\0\0\0\0\0\0\xf8\x3f", 8);
    (void)state;
    assert_true(cdc_value_float(&small) == -1.5f);
    assert_true(cdc_value_double(&wide) == 1.5);
}

static void decimals_take_their_scale_from_the_column(void **state)
{
    struct schema_column c = {.type = SCHEMA_TYPE_NEWDECIMAL, .meta = 14 << 8 | 4};
    struct cdc_value v = value_of(&c, "\x7e\xf2\x04\xc7\x2d\xfb\x2d", 7);
    struct buf out CLEANUP(buf_fini) = BUF_INIT;
    (void)state;
    assert_true(cdc_value_decimal(&v, &out));
    assert_string_equal(buf_str(&out), "-1234567890.1234");
    v.n = 6;
    assert_false(cdc_value_decimal(&v, &out));
}

/* MariaDB's compressed column: head, length, zlib or bare deflate. */
static void put_compressed(struct buf *out, const char *text, bool bare)
{
    uint8_t packed[256];
    z_stream z = {.next_in = (Bytef *)(uintptr_t)text,
                  .avail_in = (uInt)strlen(text),
                  .next_out = packed,
                  .avail_out = sizeof packed};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, bare ? -15 : 15, 9, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    buf_put_u8(out, bare ? 0x8a : 0x82);
    buf_put_be(out, strlen(text), 2);
    buf_put(out, packed, z.total_out);
    deflateEnd(&z);
}

static const char sentence[] = "again and again and again and again and again";

static void compressed_columns_unpack_in_each_form(void **state)
{
    struct schema_column blob = {.type = SCHEMA_TYPE_BLOB_COMPRESSED, .name = v_name},
                         text = {.type = SCHEMA_TYPE_VARCHAR_COMPRESSED, .name = v_name};
    (void)state;
    for (int form = 0; form < 4; form++) {
        struct buf packed CLEANUP(buf_fini) = BUF_INIT, out CLEANUP(buf_fini) = BUF_INIT;
        struct err e = ERR_INIT;
        if (form < 2) {
            put_compressed(&packed, sentence, form == 1);
        } else if (form == 2) {
            buf_put_u8(&packed, 0); /* too short to be worth it */
            buf_put_str(&packed, sentence);
        }
        struct cdc_value v = value_of(form % 2 ? &blob : &text, packed.data, packed.len);
        assert_true(cdc_value_bytes(&v, &out, &e));
        assert_string_equal(buf_str(&out), form == 3 ? "" : sentence);
    }
}

static void broken_compressed_columns_name_themselves(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *text;
    } cases[] = {
        {BYTES("\x12\0\1x"), "v → a compressed column begins with 12"},
        {BYTES("\x80\0\1x"), "v → a compressed column begins with 80"},
        {BYTES("\x85\0\0\0\0\1x"), "v → a compressed column begins with 85"},
        {BYTES("\x82\0"), "v → a compressed column begins with 82"},
        {BYTES("\x84\xff\xff\xff\xff"
               "x"),
         "v → a compressed column claims 4294967295 bytes out of 1"},
        {BYTES("\x83\xff\xff\xff"
               "x"),
         "v → a compressed column claims 16777215 bytes out of 1"},
        {BYTES("\x81\5not zlib"), "v → a compressed column does not unpack (zlib -3)"},
        {BYTES("\x89\5"), "v → a compressed column does not unpack (zlib -5)"},
    };
    struct schema_column c = {.type = SCHEMA_TYPE_BLOB_COMPRESSED, .name = v_name};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out CLEANUP(buf_fini) = BUF_INIT;
        struct err e = ERR_INIT;
        struct cdc_value v = value_of(&c, cases[i].bytes, cases[i].n);
        assert_false(cdc_value_bytes(&v, &out, &e));
        assert_int_equal(e.code, ERR_LOG_FORMAT);
        assert_string_equal(e.text, cases[i].text);
    }
}

/* One byte more or fewer than announced; a column without name. */
static void a_compressed_length_has_to_be_exact(void **state)
{
    struct schema_column c = {.type = SCHEMA_TYPE_BLOB_COMPRESSED};
    (void)state;
    for (int off = -1; off <= 1; off += 2) {
        struct buf packed CLEANUP(buf_fini) = BUF_INIT, out CLEANUP(buf_fini) = BUF_INIT;
        struct err e = ERR_INIT;
        put_compressed(&packed, sentence, false);
        packed.data[2] = (uint8_t)(packed.data[2] + off);
        struct cdc_value v = value_of(&c, packed.data, packed.len);
        assert_false(cdc_value_bytes(&v, &out, &e));
        assert_int_equal(e.code, ERR_LOG_FORMAT);
        assert_non_null(strstr(e.text, "column → a compressed column does not unpack"));
        bool valid;
        assert_false(cdc_value_text(&v, &out, &valid, &e));
        assert_false(cdc_value_binary(&v, &out, &e));
    }
}

static void a_full_buffer_is_a_limit_error(void **state)
{
    struct schema_column packed = {.type = SCHEMA_TYPE_BLOB_COMPRESSED, .name = v_name},
                         plain = {.type = SCHEMA_TYPE_BLOB, .name = v_name},
                         padded = {.type = SCHEMA_TYPE_STRING, .meta = 200},
                         json = {.type = SCHEMA_TYPE_JSON, .ext = SCHEMA_EXT_JSON_TEXT};
    struct buf zipped CLEANUP(buf_fini) = BUF_INIT, small CLEANUP(buf_fini) = {.max = 8};
    struct err e = ERR_INIT;
    (void)state;
    put_compressed(&zipped, sentence, false);
    const struct cdc_value values[] = {value_of(&packed, zipped.data, zipped.len),
                                       value_of(&packed,
                                                "\0"
                                                "123456789",
                                                10),
                                       value_of(&plain, "123456789", 9)};
    for (size_t i = 0; i < 3; i++) {
        err_clear(&e);
        buf_reset(&small);
        assert_false(cdc_value_bytes(&values[i], &small, &e));
        assert_int_equal(e.code, ERR_LIMIT);
    }
    struct cdc_value v = value_of(&padded, "123", 3), j = value_of(&json, "[1,2,3,4]", 9);
    buf_reset(&small);
    assert_false(cdc_value_binary(&v, &small, &e));
    assert_string_equal(e.text, "a column of 200 bytes");
    buf_reset(&small);
    assert_false(cdc_value_json(&j, &small, &e));
    assert_string_equal(e.text, "a JSON document is too long");
}

static void text_is_converted_and_judged(void **state)
{
    static const struct {
        uint16_t collation;
        const char *bytes;
        size_t n;
        bool valid;
        const char *text;
    } cases[] = {
        {8, BYTES("\xe9"), true, "\xc3\xa9"},      /* latin1 */
        {45, BYTES("\xc3\xa9"), true, "\xc3\xa9"}, /* utf8mb4 */
        {0, BYTES("\xc3\xa9"), true, "\xc3\xa9"},  /* not known: utf8mb4 */
        {45, BYTES("\xc3"), false, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct schema_column c = {.type = SCHEMA_TYPE_VARCHAR, .collation = cases[i].collation};
        struct cdc_value v = value_of(&c, cases[i].bytes, cases[i].n);
        struct buf out CLEANUP(buf_fini) = BUF_INIT;
        struct err e = ERR_INIT;
        bool valid = !cases[i].valid;
        assert_true(cdc_value_text(&v, &out, &valid, &e));
        assert_int_equal(valid, cases[i].valid);
        if (cases[i].text)
            assert_string_equal(buf_str(&out), cases[i].text);
    }
    struct schema_column c = {.type = SCHEMA_TYPE_VARCHAR_COMPRESSED, .collation = 8};
    struct cdc_value v = value_of(&c, "\0\xe9", 2);
    struct buf out CLEANUP(buf_fini) = BUF_INIT;
    struct err e = ERR_INIT;
    bool valid = false;
    assert_true(cdc_value_text(&v, &out, &valid, &e));
    assert_true(valid);
    assert_string_equal(buf_str(&out), "\xc3\xa9");
}

static void binary_is_padded_to_its_length(void **state)
{
    struct schema_column fixed = {.type = SCHEMA_TYPE_STRING, .meta = 4, .collation = 63},
                         varying = {.type = SCHEMA_TYPE_VARCHAR, .meta = 4, .collation = 45};
    struct buf out CLEANUP(buf_fini) = BUF_INIT;
    struct err e = ERR_INIT;
    (void)state;
    struct cdc_value short_one = value_of(&fixed, "ab", 2), full = value_of(&fixed, "abcd", 4),
                     other = value_of(&varying, "ab", 2);
    assert_true(cdc_value_binary(&short_one, &out, &e));
    assert_int_equal(out.len, 4);
    assert_memory_equal(out.data, "ab\0\0", 5); /* and the end of a string */
    buf_reset(&out);
    assert_true(cdc_value_binary(&full, &out, &e) && out.len == 4);
    buf_reset(&out);
    assert_true(cdc_value_binary(&other, &out, &e) && out.len == 2);
    assert_true(cdc_value_is_binary(&full));
    assert_false(cdc_value_is_binary(&other));
}

/* As MariaDB's CAST(… AS CHAR) prints them; trailing zero bytes are not in the log. */
static void extension_types_print_as_text(void **state)
{
    static const struct {
        enum schema_ext ext;
        const char *bytes;
        size_t n;
        const char *text;
    } cases[] = {
        {SCHEMA_EXT_UUID, BYTES("\x12\x34\x56\x78\x9a\xbc\xde\xf0\1\2\3\4\5\6\7\x08"),
         "12345678-9abc-def0-0102-030405060708"},
        {SCHEMA_EXT_UUID, BYTES("\x12"), "12000000-0000-0000-0000-000000000000"},
        {SCHEMA_EXT_INET4, BYTES("\xc0\xa8\0\1"), "192.168.0.1"},
        {SCHEMA_EXT_INET4, BYTES("\x0a"), "10.0.0.0"},
        {SCHEMA_EXT_INET6, BYTES(""), "::"},
        {SCHEMA_EXT_INET6, BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"), "::1"},
        {SCHEMA_EXT_INET6, BYTES("\0\1"), "1::"},
        {SCHEMA_EXT_INET6, BYTES("\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"), "2001:db8::1"},
        {SCHEMA_EXT_INET6, BYTES("\0\1\0\0\0\0\0\2\0\0\0\0\0\0\0\3"), "1:0:0:2::3"},
        {SCHEMA_EXT_INET6, BYTES("\0\1\0\0\0\2\0\3\0\4\0\5\0\6\0\7"), "1::2:3:4:5:6:7"},
        {SCHEMA_EXT_INET6, BYTES("\0\1\0\2\0\3\0\4\0\5\0\6\0\7"), "1:2:3:4:5:6:7::"},
        {SCHEMA_EXT_INET6, BYTES("\0\0\0\2\0\0\0\4\0\5\0\6\0\7\0\x08"), "::2:0:4:5:6:7:8"},
        {SCHEMA_EXT_INET6, BYTES("\0\0\0\0\0\0\0\0\0\0\xff\xff\1\2\3\4"), "::ffff:1.2.3.4"},
        {SCHEMA_EXT_INET6, BYTES("\0\0\0\0\0\0\0\0\0\0\xff\xfe\1\2\3\4"), "::fffe:102:304"},
        {SCHEMA_EXT_INET6, BYTES("\0\0\0\0\0\0\0\0\0\0\xfe\xff\1\2\3\4"), "::feff:102:304"},
        {SCHEMA_EXT_INET6, BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\1\2\3\4"), "::1.2.3.4"},
        {SCHEMA_EXT_NONE, BYTES("\1"), NULL},
        {SCHEMA_EXT_JSON_TEXT, BYTES("1"), NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct schema_column c = {.type = SCHEMA_TYPE_STRING, .ext = cases[i].ext};
        struct cdc_value v = value_of(&c, cases[i].bytes, cases[i].n);
        struct buf out CLEANUP(buf_fini) = BUF_INIT;
        assert_int_equal(cdc_value_ext_text(&v, &out), cases[i].text != NULL);
        assert_string_equal(buf_str(&out), cases[i].text ? cases[i].text : "");
    }
}

static void json_comes_as_text_patched_or_as_what_was_changed(void **state)
{
    static const char doc[] = "\2\1\0\7\0\5\2"; /* [2] */
    static const char set[] = "\0\4$[0]\3\5\7"; /* replace $[0] by 7 */
    struct schema_column c = {.type = SCHEMA_TYPE_JSON, .name = j_name},
                         copy = {.type = SCHEMA_TYPE_JSON, .ext = SCHEMA_EXT_JSON_TEXT};
    struct cdc_value v = value_of(&c, doc, sizeof doc), text = value_of(&copy, "[2]", 3),
                     diff = value_of(&c, set, sizeof set);
    struct buf out CLEANUP(buf_fini) = BUF_INIT;
    struct err e = ERR_INIT;
    (void)state;
    diff.json_diff = true;
    assert_true(cdc_value_json(&v, &out, &e) && cdc_value_json(&text, &out, &e));
    assert_true(cdc_value_json_patched(&v, &diff, &out, &e) &&
                cdc_value_json_diff(&diff, &out, &e));
    assert_string_equal(buf_str(&out),
                        "[2][2][7][{\"op\":\"replace\",\"path\":\"$[0]\",\"value\":7}]");
    v.n = 1;
    assert_false(cdc_value_json(&v, &out, &e));
    assert_string_equal(e.text, "j → binary JSON: a container is larger than its room");
    diff.n = 3;
    assert_false(cdc_value_json_diff(&diff, &out, &e));
    assert_string_equal(e.text, "j → JSON diff: not well-formed");
    v.n = sizeof doc;
    assert_false(cdc_value_json_patched(&v, &diff, &out, &e));
    assert_string_equal(e.text, "j → JSON diff: not well-formed");
}

static void equal_values_have_the_same_canonical_bytes(void **state)
{
    struct schema_column plain = {.type = SCHEMA_TYPE_BLOB},
                         packed = {.type = SCHEMA_TYPE_BLOB_COMPRESSED};
    struct buf zipped CLEANUP(buf_fini) = BUF_INIT, bare CLEANUP(buf_fini) = BUF_INIT;
    (void)state;
    put_compressed(&zipped, sentence, false);
    put_compressed(&bare, sentence, true);
    struct cdc_value a = value_of(&plain, "ab", 2), b = value_of(&plain, "ac", 2),
                     same = value_of(&plain, "abc", 2), longer = value_of(&plain, "abc", 3),
                     z = value_of(&packed, zipped.data, zipped.len),
                     y = value_of(&packed, bare.data, bare.len),
                     broken = value_of(&packed, "\x10", 1), empty = value_of(&packed, "", 0),
                     none = value_of(&packed, "\0", 1), other = value_of(&packed, "\0ab", 3),
                     two = value_of(&packed, "\0xy", 3);
    struct cdc_value null = {.column = &plain, .null = true},
                     absent = {.column = &plain, .absent = true}, diff = a;
    diff.json_diff = true;
    assert_true(cdc_value_equal(&a, &same) && cdc_value_equal(&z, &y));
    assert_true(cdc_value_equal(&null, &null) && cdc_value_equal(&absent, &absent));
    assert_true(cdc_value_equal(&empty, &none));
    assert_false(cdc_value_equal(&a, &b) || cdc_value_equal(&a, &longer));
    assert_false(cdc_value_equal(&a, &null) || cdc_value_equal(&a, &absent) ||
                 cdc_value_equal(&null, &absent) || cdc_value_equal(&a, &diff));
    assert_false(cdc_value_equal(&z, &broken) || cdc_value_equal(&broken, &z));
    assert_false(cdc_value_equal(&z, &other) || cdc_value_equal(&two, &other));
    assert_true(cdc_value_equal(&a, &other));
    assert_false(cdc_value_equal(&a, &two));
}

static const struct {
    uint8_t type;
    uint16_t fsp;
    const char *bytes;
    size_t n;
    const char *text; /* NULL: not a date or time */
} times[] = {
    {SCHEMA_TYPE_DATE, 0, BYTES("\x9f\xcf\x0f"), "2023-12-31"},
    {SCHEMA_TYPE_NEWDATE, 0, BYTES("\x9f\xcf\x0f"), "2023-12-31"},
    {SCHEMA_TYPE_TIME, 0, BYTES("\x40\xe2\x01"), "12:34:56"},
    {SCHEMA_TYPE_TIME, 0, BYTES("\xc0\x1d\xfe"), "-12:34:56"},
    {SCHEMA_TYPE_TIME, 0, BYTES("\xa7\xf5\x7f"), "838:59:59"},
    {SCHEMA_TYPE_DATETIME, 0, BYTES("\x77\xe7\x59\x73\x66\x12\0\0"), "2023-12-31 23:59:59"},
    /* As MariaDB 10.11 logs them with mysql56_temporal_format=OFF. */
    {SCHEMA_TYPE_TIME, 1, BYTES("\x01\xcc\xe0\x6b"), "00:00:01.1"},
    {SCHEMA_TYPE_TIME, 6, BYTES("\x02\xbf\x3d\xef\x44\xe0"), "00:00:01.100000"},
    {SCHEMA_TYPE_DATETIME, 3, BYTES("\x00\x42\x2a\x7d\xed\xdc\x64"), "2024-01-01 00:00:00.100"},
    {SCHEMA_TYPE_DATETIME, 6, BYTES("\x01\x02\x75\xfb\xe9\x24\xe6\xa0"),
     "2024-01-01 00:00:00.100000"},
    {SCHEMA_TYPE_TIMESTAMP, 2, BYTES("\x65\x92\x00\x80\x0a"), "2024-01-01 00:00:00.10"},
    {SCHEMA_TYPE_DATETIME, 0, BYTES("\x01\x02\x75\xfb\xe9\x24\xe6\xa0"),
     NULL}, /* no digits known */
    {SCHEMA_TYPE_TIME, 0, BYTES("\xd4\x17\0"), NULL},
    {SCHEMA_TYPE_TIMESTAMP, 1, BYTES("\x65\x92\x00\x80\x0a"), NULL},
    {SCHEMA_TYPE_TIMESTAMP, 0, BYTES("\x00\x00\x00\x00"), "0000-00-00 00:00:00"},
    {SCHEMA_TYPE_TIMESTAMP, 0, BYTES("\x01\x00\x00\x00"), "1970-01-01 00:00:01"},
    {SCHEMA_TYPE_TIMESTAMP, 0, BYTES("\xff\xff\xff\xff"), "2106-02-07 06:28:15"},
    {SCHEMA_TYPE_TIMESTAMP2, 2, BYTES("\0\0\0\0\x32"), "1970-01-01 00:00:00.50"},
    {SCHEMA_TYPE_TIMESTAMP2, 6, BYTES("\x65\x92\x00\x80\x0f\x42\x3f"),
     "2024-01-01 00:00:00.999999"},
    {SCHEMA_TYPE_DATETIME2, 0, BYTES("\x99\xb1\xff\x7e\xfb"), "2023-12-31 23:59:59"},
    {SCHEMA_TYPE_DATETIME2, 3, BYTES("\x99\xb1\xff\x7e\xfb\x26\xde"), "2023-12-31 23:59:59.995"},
    {SCHEMA_TYPE_DATETIME2, 0, BYTES("\x7f\xff\xff\xff\xff"), NULL}, /* before the year 0 */
    {SCHEMA_TYPE_LONG, 0, BYTES("\0\0\0\0"), NULL},
};

static void dates_and_times_of_both_formats_print_as_the_server_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct schema_column c = {.type = times[i].type, .meta = times[i].fsp};
        struct cdc_value v = value_of(&c, times[i].bytes, times[i].n);
        struct cdc_datetime d;
        struct buf out CLEANUP(buf_fini) = BUF_INIT;
        assert_int_equal(cdc_value_datetime(&v, &d), times[i].text != NULL);
        if (!times[i].text)
            continue;
        cdc_datetime_print(&v, &d, &out);
        assert_string_equal(buf_str(&out), times[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_of_each_width_keep_their_sign),
        cmocka_unit_test(bits_are_big_endian_and_labels_little),
        cmocka_unit_test(floating_point_values_are_their_bits),
        cmocka_unit_test(decimals_take_their_scale_from_the_column),
        cmocka_unit_test(compressed_columns_unpack_in_each_form),
        cmocka_unit_test(broken_compressed_columns_name_themselves),
        cmocka_unit_test(a_compressed_length_has_to_be_exact),
        cmocka_unit_test(a_full_buffer_is_a_limit_error),
        cmocka_unit_test(text_is_converted_and_judged),
        cmocka_unit_test(binary_is_padded_to_its_length),
        cmocka_unit_test(extension_types_print_as_text),
        cmocka_unit_test(json_comes_as_text_patched_or_as_what_was_changed),
        cmocka_unit_test(equal_values_have_the_same_canonical_bytes),
        cmocka_unit_test(dates_and_times_of_both_formats_print_as_the_server_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
