/* tests/unit/test_schemas_names.c — which names a server takes for one, and which is meant. */
#include "schemas/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static char items[] = "Items", customers[] = "customers", lines[] = "order_lines",
            orders[] = "orders";
static char *stored[] = {items, customers, lines, orders};
#define N (sizeof stored / sizeof stored[0])

static void a_folding_server_takes_both_cases_for_one(void **state)
{
    (void)state;
    assert_true(schema_name_is(true, "Orders", "orders"));
    assert_false(schema_name_is(false, "Orders", "orders"));
    assert_false(schema_name_is(true, "Orders", "orders2"));
    assert_false(schema_name_is(true, "orders2", "orders"));
    assert_false(schema_name_is(true, "b\xc3\x84r", "b\xc3\xa4r"));
}

static void a_statement_may_mean_too_many_and_never_too_few(void **state)
{
    (void)state;
    assert_true(schema_name_may_be(true, "Shop", "B\xc3\x84R", "shop", "b\xc3\xa4r"));
    assert_false(schema_name_may_be(true, "shop2", "orders", "shop", "orders"));
    assert_false(schema_name_may_be(false, "shop", "Orders", "shop", "orders"));
    assert_true(schema_name_may_be(false, "shop", "orders", "shop", "orders"));
}

static void the_stored_name_is_found(void **state)
{
    (void)state;
    assert_string_equal(schema_name_find(true, stored, N, "ORDERS"), "orders");
    assert_null(schema_name_find(false, stored, N, "ORDERS"));
    assert_string_equal(schema_name_find(false, stored, N, "Items"), "Items");
}

static void the_nearest_name_is_offered(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    assert_string_equal(schema_name_nearest(stored, N, "oders"), "orders");
    assert_string_equal(schema_name_nearest(stored, N, "Orders"), "orders");
    assert_null(schema_name_nearest(stored, N, "xyz"));
    assert_false(schema_name_unknown(stored, N, "shop", "oders", &e));
    assert_int_equal(e.code, ERR_WF_PRECONDITION);
    assert_non_null(strstr(e.cure, "orders"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folding_server_takes_both_cases_for_one),
        cmocka_unit_test(a_statement_may_mean_too_many_and_never_too_few),
        cmocka_unit_test(the_stored_name_is_found),
        cmocka_unit_test(the_nearest_name_is_offered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
