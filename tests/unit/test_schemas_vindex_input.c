/* tests/unit/test_schemas_vindex_input.c — every type and every vindex: what the log has of a value,
 * what a query gives and what a person types are one input.
 */
#include "schemas/sharding/vindex_input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static char name[] = "code";

/* A value in both forms, and in Vitess's words (type and text) as fixtures/golden/vitess has it. */
struct example {
    struct schema_column c;
    const char *log;
    size_t n_log;
    const char *text; /* in the column's character set */
    size_t n_text;
    enum vindex_input_kind kind;
    const char *bytes; /* BYTES: what a vindex gets */
    size_t n_bytes;
    int64_t number;
};
#define BOTH(log, text) (log), sizeof(log) - 1, (text), sizeof(text) - 1
#define GIVES(bytes)    VINDEX_IN_BYTES, (bytes), sizeof(bytes) - 1, 0
#define INTEGER(t, u)                                                                              \
    {                                                                                              \
        .name = name, .type = (t), .unsigned_known = true, .is_unsigned = (u)                      \
    }
#define STRING_OF(t, m, k)                                                                         \
    {                                                                                              \
        .name = name, .type = (t), .meta = (m), .collation = (k)                                   \
    }
#define MARIADB(m, x)                                                                              \
    {                                                                                              \
        .name = name, .type = SCHEMA_TYPE_STRING, .meta = (m), .collation = 63, .ext = (x)         \
    }
#define UUID_TEXT "123e4567-e89b-12d3-a456-426614174000"
#define UUID_RAW  "\x12\x3e\x45\x67\xe8\x9b\x12\xd3\xa4\x56\x42\x66\x14\x17\x40\x00"

static const struct example examples[] = {
    {INTEGER(SCHEMA_TYPE_TINY, false), BOTH("\xff", "-1"), VINDEX_IN_I64, NULL, 0, -1},
    {INTEGER(SCHEMA_TYPE_TINY, true), BOTH("\xff", "255"), VINDEX_IN_U64, NULL, 0, 255},
    {INTEGER(SCHEMA_TYPE_SHORT, false), BOTH("\x00\x80", "-32768"), VINDEX_IN_I64, NULL, 0, -32768},
    {INTEGER(SCHEMA_TYPE_INT24, false), BOTH("\xfe\xff\xff", "-2"), VINDEX_IN_I64, NULL, 0, -2},
    {INTEGER(SCHEMA_TYPE_INT24, true), BOTH("\xfe\xff\xff", "16777214"), VINDEX_IN_U64, NULL, 0,
     16777214},
    {INTEGER(SCHEMA_TYPE_LONG, false), BOTH("\x07\x00\x00\x00", "007"), VINDEX_IN_I64, NULL, 0, 7},
    {INTEGER(SCHEMA_TYPE_LONGLONG, false),
     BOTH("\x00\x00\x00\x00\x00\x00\x00\x80", "-9223372036854775808"), VINDEX_IN_I64, NULL, 0,
     INT64_MIN},
    {INTEGER(SCHEMA_TYPE_LONGLONG, true),
     BOTH("\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615"), VINDEX_IN_U64, NULL, 0, -1},
    {STRING_OF(SCHEMA_TYPE_VARCHAR, 80, 45), BOTH("007", "007"), GIVES("007")},
    {STRING_OF(SCHEMA_TYPE_VARCHAR, 80, 0), BOTH("\xc3\xa9", "\xc3\xa9"), GIVES("\xc3\xa9")},
    {STRING_OF(SCHEMA_TYPE_STRING, 80, 8), BOTH("\xe9t\xe9", "\xe9t\xe9"),
     GIVES("\xc3\xa9t\xc3\xa9")},
    {STRING_OF(SCHEMA_TYPE_BLOB, 2, 54), BOTH("\x00\xe9\x00\x37", "\x00\xe9\x00\x37"),
     GIVES("\xc3\xa9"
           "7")},
    {STRING_OF(SCHEMA_TYPE_VARCHAR_COMPRESSED, 80, 45), BOTH("a", "a"), GIVES("a")},
    {STRING_OF(SCHEMA_TYPE_VARCHAR, 80, 45), BOTH("", ""), GIVES("")},
    {STRING_OF(SCHEMA_TYPE_STRING, 4, 63), BOTH("\x01", "\x01"), GIVES("\x01\0\0\0")},
    {STRING_OF(SCHEMA_TYPE_STRING, 4, 63), BOTH("\x01", "\x01\0\0\0"), GIVES("\x01\0\0\0")},
    {STRING_OF(SCHEMA_TYPE_VARCHAR, 4, 63), BOTH("\xff\x01", "\xff\x01"), GIVES("\xff\x01")},
    {STRING_OF(SCHEMA_TYPE_BLOB, 1, 63), BOTH("\xff", "\xff"), GIVES("\xff")},
    {MARIADB(16, SCHEMA_EXT_UUID), UUID_RAW, 15, UUID_TEXT, 36, GIVES(UUID_RAW)},
    {MARIADB(16, SCHEMA_EXT_INET6), BOTH("\x20\x01\x0d\xb8", "2001:db8::"),
     GIVES("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\0")},
    {MARIADB(4, SCHEMA_EXT_INET4), BOTH("\x0a\x00\x00\x07", "10.0.0.7"), GIVES("\x0a\0\0\x07")},
};
#define N_EXAMPLES (sizeof examples / sizeof examples[0])

static struct vindex_value value_of(const struct example *x, enum vindex_form form)
{
    struct vindex_value v = vindex_value_of(&x->c);
    v.form = form;
    v.p = (const uint8_t *)(form == VINDEX_FORM_LOG ? x->log : x->text);
    v.n = form == VINDEX_FORM_LOG ? x->n_log : x->n_text;
    return v;
}

static void check_input(const struct example *x, const struct vindex_input *in)
{
    assert_int_equal(in->kind, x->kind);
    if (x->kind == VINDEX_IN_I64)
        assert_true(in->i64 == x->number);
    else if (x->kind == VINDEX_IN_U64)
        assert_true(in->u64 == (uint64_t)x->number);
    else {
        assert_int_equal(in->n, x->n_bytes);
        assert_memory_equal(in->p, x->bytes, x->n_bytes);
    }
}

static void every_type_is_one_input_in_both_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_EXAMPLES; i++) {
        for (int form = VINDEX_FORM_LOG; form <= VINDEX_FORM_TEXT; form++) {
            struct buf scratch CLEANUP(buf_fini) = BUF_INIT;
            struct vindex_input in;
            struct err e = ERR_INIT;
            struct vindex_value v = value_of(&examples[i], (enum vindex_form)form);
            if (!vindex_input_of(&v, &scratch, &in, &e))
                fail_msg("example %zu, form %d: %s", i, form, e.text);
            check_input(&examples[i], &in);
        }
    }
}

/* Each vindex, where it takes the value at all, puts both forms at one place. */
static void every_vindex_maps_both_forms_alike(void **state)
{
    static const char *const types[] = {"hash",       "xxhash",       "numeric", "binary",
                                        "binary_md5", "reverse_bits", "null"};
    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        struct err e = ERR_INIT;
        struct vindex *vindex = vindex_new(types[t], types[t], NULL, &e);
        assert_non_null(vindex);
        for (size_t i = 0; i < N_EXAMPLES; i++) {
            struct buf scratch[2] = {BUF_INIT, BUF_INIT}, id[2] = {BUF_INIT, BUF_INIT};
            enum vindex_result result[2];
            for (int form = 0; form < 2; form++) {
                struct vindex_input in;
                struct vindex_value v = value_of(&examples[i], (enum vindex_form)form);
                assert_true(vindex_input_of(&v, &scratch[form], &in, &e));
                result[form] = vindex_map_buf(vindex, &in, 1, &id[form], &e);
            }
            assert_int_equal(result[0], result[1]);
            assert_int_equal(id[0].len, id[1].len);
            assert_memory_equal(buf_str(&id[0]), buf_str(&id[1]), id[0].len);
            for (int form = 0; form < 2; form++) {
                buf_fini(&scratch[form]);
                buf_fini(&id[form]);
            }
        }
        vindex_free(vindex);
    }
}

/* What Vitess computes (vindex-golden.tsv): as text, and the INT64 of the same digits. */
static void digits_in_a_text_column_are_text(void **state)
{
    static const uint8_t of_text[] = {0x64, 0xf8, 0xbc, 0xf2, 0x56, 0x5c, 0x9e, 0xb1},
                         of_seven[] = {0xb7, 0x7a, 0x0d, 0xa0, 0xb6, 0x52, 0x4a, 0x18};
    static const struct schema_column text = STRING_OF(SCHEMA_TYPE_VARCHAR, 80, 45),
                                      number = INTEGER(SCHEMA_TYPE_LONG, false);
    struct buf scratch CLEANUP(buf_fini) = BUF_INIT;
    struct err e = ERR_INIT;
    struct vindex *xxhash = vindex_new("x", "xxhash", NULL, &e);
    (void)state;
    for (int is_number = 0; is_number < 2; is_number++) {
        struct vindex_value v = vindex_value_of(is_number ? &number : &text);
        struct vindex_input in;
        struct ksid id;
        v.form = VINDEX_FORM_TEXT;
        v.p = (const uint8_t *)"007";
        v.n = 3;
        assert_true(vindex_input_of(&v, &scratch, &in, &e));
        assert_int_equal(vindex_map(xxhash, &in, 1, &id, &e), VINDEX_KSID);
        assert_memory_equal(id.bytes, is_number ? of_seven : of_text, 8);
    }
    vindex_free(xxhash);
}

/* A query gives text as the column has it, a terminal in UTF-8: the shard is that of the row. */
static void the_character_set_is_that_of_the_bytes(void **state)
{
    static const struct schema_column latin1 = STRING_OF(SCHEMA_TYPE_VARCHAR, 80, 8);
    struct buf scratch CLEANUP(buf_fini) = BUF_INIT;
    struct vindex_value v = vindex_value_of(&latin1);
    struct vindex_input in;
    struct err e = ERR_INIT;
    (void)state;
    v.form = VINDEX_FORM_TEXT;
    v.collation = 0;
    v.p = (const uint8_t *)"\xc3\xa9";
    v.n = 2;
    assert_true(vindex_input_of(&v, &scratch, &in, &e));
    assert_int_equal(in.n, 2);
    v.collation = 33; /* utf8mb3, and no text of it */
    v.p = (const uint8_t *)"\xe9";
    v.n = 1;
    assert_false(vindex_input_of(&v, &scratch, &in, &e));
    assert_int_equal(e.code, ERR_VINDEX);
}

static bool takes(const struct schema_column *c, const char *text, size_t n, enum err_code *code)
{
    struct buf scratch CLEANUP(buf_fini) = BUF_INIT;
    struct vindex_value v = vindex_value_of(c);
    struct vindex_input in;
    struct err e = ERR_INIT;
    v.form = VINDEX_FORM_TEXT;
    v.p = (const uint8_t *)text;
    v.n = n;
    bool ok = vindex_input_of(&v, &scratch, &in, &e);
    *code = e.code;
    return ok;
}

static void what_is_no_value_of_the_column_is_an_error(void **state)
{
    static const struct schema_column number = INTEGER(SCHEMA_TYPE_LONGLONG, false),
                                      natural = INTEGER(SCHEMA_TYPE_LONGLONG, true),
                                      uuid = MARIADB(16, SCHEMA_EXT_UUID),
                                      inet4 = MARIADB(4, SCHEMA_EXT_INET4);
    enum err_code code;
    (void)state;
    assert_false(takes(&number, "7x", 2, &code));
    assert_int_equal(code, ERR_VINDEX);
    assert_false(takes(&number, "7\0", 2, &code));
    assert_false(takes(&number, "18446744073709551615", 20, &code));
    assert_false(takes(&natural, "-1", 2, &code));
    assert_false(takes(&uuid, UUID_TEXT "0", 37, &code));
    assert_false(takes(&uuid, "123e4567", 8, &code));
    assert_false(takes(&inet4, "10.0.0.256", 10, &code));
    assert_int_equal(code, ERR_VINDEX);
}

/* Every type of the table: either one of those above, or refused by name; NULL is an input of all. */
static void every_other_type_is_refused(void **state)
{
    (void)state;
    for (unsigned type = 0; type <= UINT8_MAX; type++) {
        enum err_code code;
        const struct schema_column c = {.name = name, .type = (uint8_t)type, .collation = 45};
        bool key = schema_type_is_integer((uint8_t)type) || schema_type_is_string((uint8_t)type);
        assert_int_equal(takes(&c, "1", 1, &code), key);
        if (!key)
            assert_int_equal(code, ERR_VINDEX);
        assert_true(takes(&c, NULL, 0, &code));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_one_input_in_both_forms),
        cmocka_unit_test(every_vindex_maps_both_forms_alike),
        cmocka_unit_test(digits_in_a_text_column_are_text),
        cmocka_unit_test(the_character_set_is_that_of_the_bytes),
        cmocka_unit_test(what_is_no_value_of_the_column_is_an_error),
        cmocka_unit_test(every_other_type_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
