/* tests/unit/test_cdc_jsonb.c — binary JSON of each type and both styles, each way to be malformed,
 * and the diffs of partial updates. */
#include "cdc/log/jsonb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A string literal with its length, zero bytes inside included. */
#define BYTES(s) (s), sizeof(s) - 1

/* The bytes in a block of their own size: a sanitizer sees a read behind them. */
static bool print(const void *p, size_t n, enum jsonb_style style, struct buf *out, struct err *e)
{
    uint8_t *exact = malloc(n + 1);
    assert_non_null(exact);
    memcpy(exact + 1, p, n);
    bool ok = jsonb_print(exact + 1, n, style, out, e);
    free(exact);
    return ok;
}

/* server: as CAST(… AS CHAR) of MySQL 8.0 prints it; debezium: NULL where it is the same. */
static const struct {
    const char *bytes;
    size_t n;
    const char *server, *debezium;
} documents[] = {
    {BYTES("\004\000"), "null", NULL},
    {BYTES("\004\001"), "true", NULL},
    {BYTES("\004\002"), "false", NULL},
    {BYTES("\005\377\377"), "-1", NULL},
    {BYTES("\006\377\377"), "65535", NULL},
    {BYTES("\007\000\000\000\200"), "-2147483648", NULL},
    {BYTES("\010\377\377\377\377"), "4294967295", NULL},
    {BYTES("\011\000\000\000\000\000\000\000\200"), "-9223372036854775808", NULL},
    {BYTES("\012\377\377\377\377\377\377\377\377"), "18446744073709551615", NULL},
    {BYTES("\013\000\000\000\000\000\000\370\077"), "1.5", NULL},
    {BYTES("\013\000\000\000\000\000\000\000\100"), "2.0", NULL},
    {BYTES("\013\000\000\000\000\000\000\000\000"), "0.0", NULL},
    {BYTES("\013\000\000\000\000\000\000\000\200"), "-0.0", NULL},
    {BYTES("\013\100\214\265\170\035\257\025\104"), "1e20", "100000000000000000000"},
    {BYTES("\013\000\000\000\000\320\022\143\101"), "10000000.0", "10000000"},
    {BYTES("\013\000\000\000\000\000\000\340\277"), "-0.5", NULL},
    {BYTES("\013\055\103\034\353\342\066\032\077"), "0.0001",
     "0.000100000000000000004792173602385929598312941379845142364501953125"},
    {BYTES("\013\000\000\000\000\000\000\360\177"), "null", NULL},
    {BYTES("\013\000\000\000\000\000\000\370\177"), "null", NULL},
    {BYTES("\014\000"), "\"\"", NULL},
    {BYTES("\014\003\141\012\142"), "\"a\\nb\"", NULL},
    {BYTES("\017\014\010\014\000\000\031\166\037\225\031"), "\"2015-01-15 23:24:25.000012\"", NULL},
    {BYTES("\017\007\010\170\340\001\031\166\037\225\031"), "\"2015-01-15 23:24:25.123000\"",
     "\"2015-01-15 23:24:25.123\""},
    {BYTES("\017\014\010\000\000\000\031\166\037\225\031"), "\"2015-01-15 23:24:25.000000\"",
     "\"2015-01-15 23:24:25\""},
    {BYTES("\017\012\010\000\000\000\000\000\036\225\031"), "\"2015-01-15\"", NULL},
    {BYTES("\017\013\010\000\000\000\372\156\064\000\000"), "\"838:59:58.000000\"",
     "\"838:59:58\""},
    {BYTES("\017\013\010\340\136\370\174\357\377\377\377"), "\"-01:02:03.500000\"",
     "\"-01:02:03.500\""},
    {BYTES("\017\013\010\000\000\000\000\000\000\000\200"), "\"-00:00:00.000000\"",
     "\"-00:00:00\""},
    {BYTES("\017\014\007\061\062\063\064\065\066\067"), "\"base64:type12:MTIzNDU2Nw==\"",
     "\"MTIzNDU2Nw==\""},
    {BYTES("\017\366\004\004\002\214\036"), "12.30", NULL},
    {BYTES("\017\366\001\004"), "\"base64:type246:BA==\"", "\"BA==\""},
    {BYTES("\017\366\004\004\002\214\377"), "\"base64:type246:BAKM/w==\"", "\"BAKM/w==\""},
    {BYTES("\017\374\002\000\377"), "\"base64:type252:AP8=\"", "\"AP8=\""},
    {BYTES("\003\004\000\000\000\042\000\000\000\007\376\377\377\377\010\377\377\377\377\004\001"
           "\000\000\000\014\034\000\000\000\005\150\145\154\154\157"),
     "[-2, 4294967295, true, \"hello\"]", "[-2,4294967295,true,\"hello\"]"},
    {BYTES("\001\002\000\000\000\041\000\000\000\036\000\000\000\001\000\037\000\000\000\002\000"
           "\005\377\377\000\000\006\011\000\000\000\141\142\142"),
     "{\"a\": -1, \"bb\": 9}", "{\"a\":-1,\"bb\":9}"},
    {BYTES("\000\000\000\004\000"), "{}", NULL},
    {BYTES("\002\000\000\004\000"), "[]", NULL},
    {BYTES("\000\002\000\023\000\022\000\001\000\022\000\000\000\005\001\000\005\002\000\141"),
     "{\"a\": 1, \"\": 2}", "{\"a\":1,\"\":2}"},
};

static void every_type_prints_in_both_styles(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        struct buf out CLEANUP(buf_fini) = BUF_INIT;
        struct err e = ERR_INIT;
        assert_true(print(documents[i].bytes, documents[i].n, JSONB_STYLE_SERVER, &out, &e));
        assert_string_equal(buf_str(&out), documents[i].server);
        buf_reset(&out);
        assert_true(print(documents[i].bytes, documents[i].n, JSONB_STYLE_DEBEZIUM, &out, &e));
        assert_string_equal(buf_str(&out),
                            documents[i].debezium ? documents[i].debezium : documents[i].server);
    }
}

static const struct {
    const char *what, *bytes;
    size_t n;
    const char *text;
} malformed[] = {
    {"a literal without its byte", BYTES("\004"), "unknown literal"},
    {"a literal that is none", BYTES("\004\003"), "unknown literal"},
    {"a number of type 5 without its last byte", BYTES("\005\001"), "a number goes beyond the end"},
    {"a number of type 6 without its last byte", BYTES("\006\001"), "a number goes beyond the end"},
    {"a number of type 7 without its last byte", BYTES("\007\001\001\001"),
     "a number goes beyond the end"},
    {"a number of type 8 without its last byte", BYTES("\010\001\001\001"),
     "a number goes beyond the end"},
    {"a number of type 9 without its last byte", BYTES("\011\001\001\001\001\001\001\001"),
     "a number goes beyond the end"},
    {"a number of type 10 without its last byte", BYTES("\012\001\001\001\001\001\001\001"),
     "a number goes beyond the end"},
    {"a number of type 11 without its last byte", BYTES("\013\001\001\001\001\001\001\001"),
     "a number goes beyond the end"},
    {"a text without length", BYTES("\014"), "a text goes beyond the end"},
    {"a length of six bytes", BYTES("\014\200\200\200\200\200\000"), "a text goes beyond the end"},
    {"a text longer than its room", BYTES("\014\004\141\142\143"), "a text goes beyond the end"},
    {"a length of 4 GiB", BYTES("\014\377\377\377\377\017\141\142\143"),
     "a text goes beyond the end"},
    {"an opaque value without type", BYTES("\017"), "a text goes beyond the end"},
    {"type 13", BYTES("\015\000\000"), "unknown type"},
    {"type 14", BYTES("\016\000\000"), "unknown type"},
    {"type 16", BYTES("\020\000\000"), "unknown type"},
    {"a container without head", BYTES("\002\000\000\004"), "a container is larger than its room"},
    {"a container larger than its room", BYTES("\002\000\000\005\000"),
     "a container is larger than its room"},
    {"more elements than room", BYTES("\002\002\000\011\000\005\001\000\005\001"),
     "a container has more entries than room"},
    {"more members than room", BYTES("\000\001\000\012\000\013\000\001\000\005\001"),
     "a container has more entries than room"},
    {"2^32 elements", BYTES("\003\377\377\377\377\010\000\000\000"),
     "a container has more entries than room"},
    {"a key behind the end", BYTES("\000\001\000\014\000\015\000\000\000\005\001\000\141"),
     "a key lies beyond the end"},
    {"a key longer than the rest", BYTES("\000\001\000\014\000\013\000\002\000\005\001\000\141"),
     "a key lies beyond the end"},
    {"a value behind the end", BYTES("\002\001\000\010\000\014\010\000\000"),
     "a value lies beyond the end"},
    {"an element that is cut", BYTES("\002\001\000\010\000\014\007\000\005"),
     "a text goes beyond the end"},
};

static void each_malformed_document_says_what_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        struct buf out CLEANUP(buf_fini) = BUF_INIT;
        struct err e = ERR_INIT;
        bool ok = print(malformed[i].bytes, malformed[i].n, JSONB_STYLE_SERVER, &out, &e);
        if (ok || !strstr(e.text, malformed[i].text))
            print_error("%s: %s\n", malformed[i].what, ok ? buf_str(&out) : e.text);
        assert_false(ok);
        assert_int_equal(e.code, ERR_LOG_FORMAT);
        assert_non_null(strstr(e.text, malformed[i].text));
    }
}

static void long_texts_have_lengths_of_several_bytes(void **state)
{
    static const size_t lengths[] = {127, 128, 16383, 16384, 2097152};
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct buf doc CLEANUP(buf_fini) = BUF_INIT, out CLEANUP(buf_fini) = BUF_INIT;
        struct err e = ERR_INIT;
        size_t n = lengths[i];
        buf_put_u8(&doc, 0x0c);
        for (; n >= 128; n >>= 7)
            buf_put_u8(&doc, (uint8_t)(0x80 | (n & 0x7f)));
        buf_put_u8(&doc, (uint8_t)n);
        memset(buf_reserve(&doc, lengths[i]), 'x', lengths[i]);
        doc.len += lengths[i];
        assert_true(print(doc.data, doc.len, JSONB_STYLE_SERVER, &out, &e));
        assert_int_equal(out.len, lengths[i] + 2);
        assert_false(print(doc.data, doc.len - 1, JSONB_STYLE_SERVER, &out, &e));
    }
}

/* depth arrays of one element, the innermost empty. */
static void put_nested(struct buf *doc, unsigned depth)
{
    buf_put_u8(doc, 2);
    for (unsigned i = depth; i > 1; i--) {
        buf_put_le(doc, 1, 2);
        buf_put_le(doc, 7u * (i - 1) + 4, 2);
        buf_put_u8(doc, 2);
        buf_put_le(doc, 7, 2);
    }
    buf_put_le(doc, 0, 2);
    buf_put_le(doc, 4, 2);
}

static void nesting_has_a_limit(void **state)
{
    struct buf doc CLEANUP(buf_fini) = BUF_INIT, out CLEANUP(buf_fini) = BUF_INIT;
    struct err e = ERR_INIT;
    (void)state;
    put_nested(&doc, JSONB_MAX_DEPTH);
    assert_true(print(doc.data, doc.len, JSONB_STYLE_SERVER, &out, &e));
    assert_int_equal(out.len, 2 * JSONB_MAX_DEPTH);
    buf_reset(&doc);
    put_nested(&doc, JSONB_MAX_DEPTH + 1);
    assert_false(print(doc.data, doc.len, JSONB_STYLE_SERVER, &out, &e));
    assert_non_null(strstr(e.text, "nested too deeply"));
}

/* Twenty keys that are one and the same text: more text than the document has bytes. */
static void keys_that_share_their_bytes_are_refused(void **state)
{
    struct buf doc CLEANUP(buf_fini) = BUF_INIT, out CLEANUP(buf_fini) = BUF_INIT;
    struct err e = ERR_INIT;
    (void)state;
    buf_put_u8(&doc, 0);
    buf_put_le(&doc, 20, 2);
    buf_put_le(&doc, 4 + 20 * 7 + 50, 2);
    for (int i = 0; i < 20; i++)
        buf_put_le(&doc, (4 + 20 * 7) | 50 << 16, 4);
    for (int i = 0; i < 20; i++)
        buf_put(&doc, "\5\1", 3);
    for (int i = 0; i < 50; i++)
        buf_put_u8(&doc, 'k');
    assert_false(print(doc.data, doc.len, JSONB_STYLE_SERVER, &out, &e));
    assert_string_equal(e.text, "binary JSON: parts overlap");
}

/* {"k": [1, 2]} */
static const char document[] = "\0\1\0\x16\0\x0b\0\1\0\2\x0c\0k\2\0\x0a\0\5\1\0\5\2";
static const char seven[] = "\5\7";

static void put_diff(struct buf *diffs, unsigned op, const char *path)
{
    buf_put_u8(diffs, (uint8_t)op);
    buf_put_u8(diffs, (uint8_t)strlen(path));
    buf_put_str(diffs, path);
    if (op != 2) {
        buf_put_u8(diffs, sizeof seven);
        buf_put(diffs, seven, sizeof seven);
    }
}

/* Replace and insert the number 7, or remove. */
static const struct {
    unsigned op;
    const char *path, *want;
} diffs[] = {
    {0, "$", "7"},
    {0, "$.k", "{\"k\": 7}"},
    {0, "$.k[1]", "{\"k\": [1, 7]}"},
    {0, "$.k[ 0\t]", "{\"k\": [7, 2]}"},
    {0, "$. \r\nk", "{\"k\": 7}"},
    {0, "$.\"k\"", "{\"k\": 7}"},
    {1, "$.k[0]", "{\"k\": [7, 1, 2]}"},
    {1, "$.k[2]", "{\"k\": [1, 2, 7]}"},
    {1, "$.k[4294967295]", "{\"k\": [1, 2, 7]}"},
    {1, "$.a", "{\"a\": 7, \"k\": [1, 2]}"},
    {1, "$.z", "{\"k\": [1, 2], \"z\": 7}"},
    {1, "$.aa", "{\"k\": [1, 2], \"aa\": 7}"},
    {1, "$.\"\"", "{\"\": 7, \"k\": [1, 2]}"},
    {1, "$.\"a\\\"\\\\\\/\\b\\f\\n\\r\\tb\"", "{\"k\": [1, 2], \"a\\\"\\\\/\\b\\f\\n\\r\\tb\": 7}"},
    {1, "$.\"\\u001F\\u0041\"", "{\"k\": [1, 2], \"\\u001fA\": 7}"},
    {2, "$.k", "{}"},
    {2, "$.k[0]", "{\"k\": [2]}"},
    {2, "$.k[1]", "{\"k\": [1]}"},
};

static void diffs_change_the_place_that_their_path_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof diffs / sizeof *diffs; i++) {
        struct buf bytes CLEANUP(buf_fini) = BUF_INIT, out CLEANUP(buf_fini) = BUF_INIT;
        struct err e = ERR_INIT;
        put_diff(&bytes, diffs[i].op, diffs[i].path);
        bool ok = jsonb_diff_apply((const uint8_t *)document, sizeof document, bytes.data,
                                   bytes.len, JSONB_STYLE_SERVER, &out, &e);
        if (!ok)
            print_error("%s: %s\n", diffs[i].path, e.text);
        assert_true(ok);
        assert_string_equal(buf_str(&out), diffs[i].want);
    }
}

static const struct {
    unsigned op;
    const char *path, *text;
} bad_paths[] = {
    {0, "", "a path does not begin with $"},
    {0, "k", "a path does not begin with $"},
    {0, "$.x", "the document has nothing at a path"},
    {0, "$.kk", "the document has nothing at a path"},
    {0, "$.k[2]", "the document has nothing at a path"},
    {0, "$[0]", "the document has nothing at a path"},
    {0, "$.k.x", "the document has nothing at a path"},
    {0, "$.x.y", "the document has nothing at a path"},
    {0, "$.k[0].y", "the document has nothing at a path"},
    {2, "$.x", "the document has nothing at a path"},
    {1, "$", "the whole document can only be replaced"},
    {2, "$", "the whole document can only be replaced"},
    {1, "$.k", "an INSERT's place is taken or is no container"},
    {1, "$[0]", "an INSERT's place is taken or is no container"},
    {1, "$.k.x", "an INSERT's place is taken or is no container"},
    {0, "$k", "a path is not well-formed"},
    {0, "$.", "a path is not well-formed"},
    {0, "$.*", "a path is not well-formed"},
    {0, "$.k*", "a path is not well-formed"},
    {0, "$.k [0]", "a path is not well-formed"},
    {0, "$.k[", "a path is not well-formed"},
    {0, "$.k[]", "a path is not well-formed"},
    {0, "$.k[x]", "a path is not well-formed"},
    {0, "$.k[1", "a path is not well-formed"},
    {0, "$.k[12345678901]", "a path is not well-formed"},
    {0, "$.\"k", "a path is not well-formed"},
    {0, "$.\"k\\", "a path is not well-formed"},
    {0, "$.\"\\x\"", "a path is not well-formed"},
    {0, "$.\"\\\303\"", "a path is not well-formed"},
    {0, "$.\"\\u00", "a path is not well-formed"},
    {0, "$.\"\\u00zz\"", "a path is not well-formed"},
    {0, "$.\"\\u0080\"", "a path is not well-formed"},
};

static void a_diff_without_its_place_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_paths / sizeof *bad_paths; i++) {
        struct buf bytes CLEANUP(buf_fini) = BUF_INIT, out CLEANUP(buf_fini) = BUF_INIT;
        struct err e = ERR_INIT;
        put_diff(&bytes, bad_paths[i].op, bad_paths[i].path);
        bool ok = jsonb_diff_apply((const uint8_t *)document, sizeof document, bytes.data,
                                   bytes.len, JSONB_STYLE_SERVER, &out, &e);
        if (ok || !strstr(e.text, bad_paths[i].text))
            print_error("%s: %s\n", bad_paths[i].path, ok ? buf_str(&out) : e.text);
        assert_false(ok);
        assert_int_equal(e.code, ERR_LOG_FORMAT);
        assert_non_null(strstr(e.text, bad_paths[i].text));
        assert_int_equal(out.len, 0);
    }
}

static const struct {
    const char *what, *bytes;
    size_t n;
    const char *text;
} bad_diffs[] = {
    {"an unknown operation", BYTES("\3\3$.k\2\4\1"), "not well-formed"},
    {"no path", BYTES("\2"), "not well-formed"},
    {"a path that is cut", BYTES("\2\4$.k"), "not well-formed"},
    {"no value", BYTES("\0\3$.k"), "not well-formed"},
    {"a value that is cut", BYTES("\0\3$.k\3\4\1"), "not well-formed"},
    {"a length that is none", BYTES("\2\xff$.k"), "not well-formed"},
    {"a value that is no JSON", BYTES("\0\3$.k\2\4\3"), "unknown literal"},
    {"a zero byte in an escape", BYTES("\2\6$.\"\\\0\""), "a path is not well-formed"},
    {"a zero byte in a code", BYTES("\2\12$.\"\\u000\0\""), "a path is not well-formed"},
};

static void malformed_diffs_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_diffs / sizeof *bad_diffs; i++) {
        struct buf out CLEANUP(buf_fini) = BUF_INIT;
        struct err e = ERR_INIT;
        bool ok = jsonb_diff_apply((const uint8_t *)document, sizeof document,
                                   (const uint8_t *)bad_diffs[i].bytes, bad_diffs[i].n,
                                   JSONB_STYLE_SERVER, &out, &e);
        if (ok || !strstr(e.text, bad_diffs[i].text))
            print_error("%s: %s\n", bad_diffs[i].what, ok ? buf_str(&out) : e.text);
        assert_false(ok);
        assert_int_equal(e.code, ERR_LOG_FORMAT);
        assert_non_null(strstr(e.text, bad_diffs[i].text));
    }
}

static void a_malformed_document_is_not_patched(void **state)
{
    struct buf bytes CLEANUP(buf_fini) = BUF_INIT, out CLEANUP(buf_fini) = BUF_INIT;
    struct err e = ERR_INIT;
    (void)state;
    put_diff(&bytes, 0, "$");
    assert_false(jsonb_diff_apply((const uint8_t *)"\4\3", 2, bytes.data, bytes.len,
                                  JSONB_STYLE_SERVER, &out, &e));
    assert_string_equal(e.text, "binary JSON: unknown literal");
}

static void many_insertions_let_a_list_grow(void **state)
{
    struct buf bytes CLEANUP(buf_fini) = BUF_INIT, out CLEANUP(buf_fini) = BUF_INIT;
    struct err e = ERR_INIT;
    (void)state;
    buf_put(&bytes, "\1\3$.l\5\2\0\0\4\0", 11); /* insert $.l [] */
    for (int i = 0; i < 100; i++)
        put_diff(&bytes, 1, "$.l[0]");
    assert_true(jsonb_diff_apply((const uint8_t *)document, sizeof document, bytes.data, bytes.len,
                                 JSONB_STYLE_DEBEZIUM, &out, &e));
    assert_int_equal(out.len, strlen("{\"k\":[1,2],\"l\":[]}") + 199);
    assert_string_equal(buf_str(&out) + out.len - 6, ",7,7]}");
}

static void diffs_print_as_what_they_do(void **state)
{
    static const char want[] = "[{\"op\":\"replace\",\"path\":\"$.k\",\"value\":7},"
                               "{\"op\":\"insert\",\"path\":\"$.\\\"x\\\"\",\"value\":7},"
                               "{\"op\":\"remove\",\"path\":\"$[0]\"}]";
    struct buf bytes CLEANUP(buf_fini) = BUF_INIT, out CLEANUP(buf_fini) = BUF_INIT;
    struct err e = ERR_INIT;
    (void)state;
    put_diff(&bytes, 0, "$.k");
    put_diff(&bytes, 1, "$.\"x\"");
    put_diff(&bytes, 2, "$[0]");
    assert_true(jsonb_diff_print(bytes.data, bytes.len, &out, &e));
    assert_string_equal(buf_str(&out), want);
    for (size_t max = 1; max + 1 < sizeof want; max++) {
        struct buf small CLEANUP(buf_fini) = {.max = max};
        err_clear(&e);
        assert_false(jsonb_diff_print(bytes.data, bytes.len, &small, &e));
        assert_string_equal(e.text, "JSON diff: too long");
    }
    assert_false(jsonb_diff_print(bytes.data, bytes.len - 1, &out, &e));
    assert_string_equal(e.text, "JSON diff: not well-formed");
    assert_false(jsonb_diff_print((const uint8_t *)"\0\1$\2\4\3", 6, &out, &e));
    assert_string_equal(e.text, "binary JSON: unknown literal");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_prints_in_both_styles),
        cmocka_unit_test(each_malformed_document_says_what_is_wrong),
        cmocka_unit_test(long_texts_have_lengths_of_several_bytes),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(keys_that_share_their_bytes_are_refused),
        cmocka_unit_test(diffs_change_the_place_that_their_path_names),
        cmocka_unit_test(a_diff_without_its_place_is_refused),
        cmocka_unit_test(malformed_diffs_are_refused),
        cmocka_unit_test(a_malformed_document_is_not_patched),
        cmocka_unit_test(many_insertions_let_a_list_grow),
        cmocka_unit_test(diffs_print_as_what_they_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
