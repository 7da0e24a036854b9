/* tests/unit/test_app_error_document.c — an error as the API gives it is JSON whatever its text is.
 */
#include "app/server/error_document.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void check(struct err *e, const char *code, const char *message, const char *cure)
{
    struct buf out CLEANUP(buf_fini) = BUF_INIT;
    error_document_put(e, &out);
    assert_null(strchr(buf_str(&out), '\n'));
    json_t *whole = json_loads(buf_str(&out), 0, NULL);
    assert_non_null(whole);
    assert_int_equal(json_object_size(whole), 1);
    json_t *o = json_object_get(whole, "error");
    assert_int_equal(json_object_size(o), 4);
    assert_string_equal(json_string_value(json_object_get(o, "code")), code);
    assert_string_equal(json_string_value(json_object_get(o, "message")), message);
    assert_string_equal(json_string_value(json_object_get(o, "cure")), cure);
    assert_string_equal(json_string_value(json_object_get(o, "where")), "");
    json_decref(whole);
}

static void code_message_and_cure_are_members(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    err_set(&e, ERR_USAGE, "there is no keyspace '%s'", "shop");
    check(&e, "USAGE", "there is no keyspace 'shop'", "");
    err_cure(&e, "name one of: %s", "commerce");
    check(&e, "USAGE", "there is no keyspace 'shop'", "name one of: commerce");
    err_prepend(&e, "sink %s", "orders");
    check(&e, "USAGE", "sink orders → there is no keyspace 'shop'", "name one of: commerce");
}

static void quotes_and_line_ends_stay_inside(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    err_set(&e, ERR_DB_QUERY, "near \"%s\"\n at\tline \\1", "x");
    check(&e, "DB_QUERY", e.text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(code_message_and_cure_are_members),
        cmocka_unit_test(quotes_and_line_ends_stay_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
