/* tests/unit/test_schemas_names.c — which names a server takes for one, and which is meant. */
#include "base/mem.h"
#include "schemas/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
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

/* The names that are left, joined by spaces; NULL: refused. */
static const char *without(bool folds, char *const *out, size_t n_out, struct err *e)
{
    static char left[200];
    static const char *const all[] = {"Items", "customers", "orders"};
    char **names = mem_calloc(3, sizeof *names);
    size_t n = 3;
    for (size_t i = 0; i < n; i++)
        names[i] = mem_strdup(all[i]);
    bool ok = schema_names_exclude(names, &n, folds, "shop", out, n_out, e);
    left[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        snprintf(left + strlen(left), sizeof left - strlen(left), "%s ", names[i]);
        free(names[i]);
    }
    free(names);
    return ok ? left : NULL;
}

static void what_is_excluded_is_a_table_as_the_server_names_it(void **state)
{
    struct err e = ERR_INIT;
    char *two[] = {(char[]){"orders"}, (char[]){"Items"}}, *upper[] = {(char[]){"ORDERS"}},
         *wrong[] = {(char[]){"orders"}, (char[]){"custmers"}},
         *twice[] = {(char[]){"orders"}, (char[]){"ORDERS"}};
    (void)state;
    assert_string_equal(without(false, two, 2, &e), "customers ");
    assert_string_equal(without(true, upper, 1, &e), "Items customers ");
    assert_string_equal(without(true, twice, 2, &e), "Items customers ");
    assert_null(without(false, upper, 1, &e));
    assert_null(without(false, wrong, 2, &e));
    assert_int_equal(e.code, ERR_WF_PRECONDITION);
    assert_non_null(strstr(e.cure, "customers"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folding_server_takes_both_cases_for_one),
        cmocka_unit_test(a_statement_may_mean_too_many_and_never_too_few),
        cmocka_unit_test(the_stored_name_is_found),
        cmocka_unit_test(the_nearest_name_is_offered),
        cmocka_unit_test(what_is_excluded_is_a_table_as_the_server_names_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
