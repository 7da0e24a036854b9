/* tests/unit/test_vrepl_json_write.c — what a document's text does not tell is written over it. */
#include "cdc/log/json_types.h"
#include "vrepl/move/json_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- the walk ---- */

static bool note(void *arg, const struct json_typed *v, struct err *e)
{
    struct buf *out = arg;
    (void)e;
    buf_printf(out, "%c %s=%.*s;", (char)v->type, buf_str(v->path), (int)v->n, v->text);
    return true;
}

static void assert_walk(const char *text, const char *letters, const char *found)
{
    CLEANUP(buf_fini) struct buf out = BUF_INIT;
    struct err e = ERR_INIT;
    assert_true(json_types_walk(text, strlen(text), letters, strlen(letters), note, &out, &e));
    assert_string_equal(buf_str(&out), found);
}

static void assert_torn(const char *text, const char *letters, enum err_code code)
{
    CLEANUP(buf_fini) struct buf out = BUF_INIT;
    struct err e = ERR_INIT;
    assert_false(json_types_walk(text, strlen(text), letters, strlen(letters), note, &out, &e));
    assert_int_equal(e.code, code);
}

static void each_typed_scalar_has_its_path(void **state)
{
    (void)state;
    assert_walk("{\"a\": 1.50, \"b\": [1, [2, \"2024-01-02\"]], \"c\": {}}", "d--D",
                "d $.\"a\"=1.50;D $.\"b\"[1][1]=2024-01-02;");
    assert_walk("3.50", "d", "d $=3.50;");
    assert_walk("{\"\": \"10:11:12.000000\", \"x\\\"]\": 5}", "Tu",
                "T $.\"\"=10:11:12.000000;u $.\"x\\\"]\"=5;");
    assert_walk("[[], {}, \"a,]\\\\\", null, \"base64:type15:AP8=\"]", "--o",
                "o $[4]=base64:type15:AP8=;");
}

static void an_unsigned_that_no_integer_can_be_is_plain(void **state)
{
    (void)state;
    assert_walk("[9223372036854775807, 9223372036854775808, 18446744073709551615]", "uuu",
                "u $[0]=9223372036854775807;");
}

static void letters_of_another_document_are_refused(void **state)
{
    (void)state;
    assert_torn("[1, 2]", "d", ERR_LOG_FORMAT);
    assert_torn("[1]", "d-", ERR_LOG_FORMAT);
    assert_torn("[1]", "D", ERR_LOG_FORMAT);
    assert_torn("[\"1\"]", "d", ERR_LOG_FORMAT);
    assert_torn("[1", "d", ERR_LOG_FORMAT);
    assert_torn("{\"a", "d", ERR_LOG_FORMAT);
    assert_torn("[1]", "?", ERR_LOG_UNSUPPORTED);
}

static void a_logged_document_tells_the_type_of_each_scalar(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf letters = BUF_INIT;
    struct jsonb_member inner[] = {
        {.node = {.kind = JSONB_OPAQUE, .opaque_type = SCHEMA_TYPE_NEWDECIMAL}},
        {.node = {.kind = JSONB_OPAQUE, .opaque_type = SCHEMA_TYPE_TIMESTAMP}},
        {.node = {.kind = JSONB_OPAQUE, .opaque_type = SCHEMA_TYPE_BLOB}}};
    struct jsonb_member outer[] = {
        {.node = {.kind = JSONB_UINT}},
        {.node = {.kind = JSONB_ARRAY, .list = {.items = inner, .n = 3}}},
        {.node = {.kind = JSONB_DOUBLE}},
        {.node = {.kind = JSONB_NULL}}};
    struct jsonb_node root = {.kind = JSONB_OBJECT, .list = {.items = outer, .n = 4}};
    json_types_of(&root, &letters);
    assert_string_equal(buf_str(&letters), "udSo--");
}

/* ---- the expression ---- */

static struct plan_column column = {.typed = true, .value = (char *)(uintptr_t) "?"};

/* types: NULL for a text without. */
static bool make(const char *text, const char *types, struct json_write *w, struct err *e)
{
    static struct value_scratch scratch;
    struct schema_column c = {.type = SCHEMA_TYPE_JSON, .ext = SCHEMA_EXT_JSON_TEXT};
    CLEANUP(buf_fini) struct buf image = BUF_INIT;
    buf_put_str(&image, text);
    if (types) {
        buf_put_u8(&image, 0);
        buf_put_str(&image, types);
    }
    value_scratch_fini(&scratch);
    value_scratch_init(&scratch);
    struct cdc_value v = {.column = &c, .p = image.data, .n = image.len};
    return json_write_make(w, &column, &v, &scratch, e);
}

static void assert_written(const char *text, const char *types, const char *sql, size_t n_values)
{
    struct json_write w = {0};
    struct err e = ERR_INIT;
    assert_true(make(text, types, &w, &e));
    assert_int_equal(w.n, n_values);
    if (n_values > 0) {
        assert_string_equal(buf_str(&w.sql), sql);
        assert_memory_equal(w.values[0].v.bytes.p, text, strlen(text));
    }
    json_write_fini(&w);
}

static void a_text_that_says_everything_needs_no_expression(void **state)
{
    (void)state;
    assert_written("[1, 1.5, \"2024-01-02\"]", NULL, NULL, 0);
    assert_written("[1, 18446744073709551615]", "-u", NULL, 0);
}

static void numbers_and_times_are_cast_to_their_types(void **state)
{
    (void)state;
    assert_written("[1.50]", "d", "JSON_SET(?,_utf8mb4'$[0]',CAST(? AS DECIMAL(65,2)))", 2);
    assert_written("[5, \"2024-01-02\", \"10:11:12.5\", \"2024-01-02 03:04:05.000000\"]", "uDTM",
                   "JSON_SET(?,_utf8mb4'$[0]',CAST(? AS UNSIGNED),_utf8mb4'$[1]',CAST(? AS DATE),"
                   "_utf8mb4'$[2]',CAST(? AS TIME(6)),_utf8mb4'$[3]',CAST(? AS DATETIME(6)))",
                   5);
    assert_written("\"2024-01-02 03:04:05.000000\"", "S",
                   "JSON_SET(?,_utf8mb4'$',(SELECT v FROM JSON_TABLE(JSON_ARRAY(CAST(? AS "
                   "DATETIME(6))),_utf8mb4'$[*]' COLUMNS(v TIMESTAMP(6) PATH _utf8mb4'$' ERROR ON "
                   "EMPTY ERROR ON ERROR)) t))",
                   2);
    /* More digits than a column has stand in the text, where they are exact. */
    assert_written("[1234567890123456789012345678901234567890123456789012345678901234567890]", "d",
                   "JSON_SET(?,_utf8mb4'$[0]',"
                   "1234567890123456789012345678901234567890123456789012345678901234567890)",
                   1);
}

static void bytes_keep_the_type_of_their_column(void **state)
{
    (void)state;
    assert_written("[\"base64:type15:AP8=\"]", "o", "JSON_SET(?,_utf8mb4'$[0]',x'00ff')", 1);
    assert_written("[\"base64:type16:AQU=\"]", "o",
                   "JSON_SET(?,_utf8mb4'$[0]',(SELECT v FROM JSON_TABLE(JSON_ARRAY(CAST(261 AS "
                   "UNSIGNED)),_utf8mb4'$[*]' COLUMNS(v BIT(16) PATH _utf8mb4'$' ERROR ON EMPTY "
                   "ERROR ON ERROR)) t))",
                   1);
    assert_written("[\"base64:type252:AA\\nEC\"]", "o",
                   "JSON_SET(?,_utf8mb4'$[0]',(SELECT v FROM JSON_TABLE(JSON_ARRAY(x'000102'),"
                   "_utf8mb4'$[*]' COLUMNS(v BLOB PATH _utf8mb4'$' ERROR ON EMPTY ERROR ON ERROR)) "
                   "t))",
                   1);
    assert_written("[\"base64:type251:AP8=\"]", "o",
                   "JSON_SET(?,_utf8mb4'$[0]',IF(TRUE,x'00ff',REPEAT(x'00',16777216)))", 1);
}

static void a_type_that_nothing_gives_is_refused_with_its_path(void **state)
{
    (void)state;
    struct json_write w = {0};
    struct err e = ERR_INIT;
    assert_false(make("{\"t\": \"base64:type249:AP8=\"}", "o", &w, &e));
    assert_int_equal(e.code, ERR_LOG_UNSUPPORTED);
    assert_non_null(strstr(e.text, "$.\"t\""));
    json_write_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_typed_scalar_has_its_path),
        cmocka_unit_test(an_unsigned_that_no_integer_can_be_is_plain),
        cmocka_unit_test(letters_of_another_document_are_refused),
        cmocka_unit_test(a_logged_document_tells_the_type_of_each_scalar),
        cmocka_unit_test(a_text_that_says_everything_needs_no_expression),
        cmocka_unit_test(numbers_and_times_are_cast_to_their_types),
        cmocka_unit_test(bytes_keep_the_type_of_their_column),
        cmocka_unit_test(a_type_that_nothing_gives_is_refused_with_its_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
