/* tests/unit/test_vrepl_counters.c — how far an AUTO_INCREMENT counter is raised. */
#include "vrepl/workflow/counters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void a_counter_is_raised_with_room(void **state)
{
    (void)state;
    assert_int_equal(counters_target(500001, "int(11)"), 501001);
    assert_int_equal(counters_target(7, "bigint(20) unsigned"), 1007);
}

static void the_room_is_a_part_of_what_the_type_has_left(void **state)
{
    (void)state;
    assert_int_equal(counters_target(47, "tinyint(4)"), 52);
    assert_int_equal(counters_target(95, "tinyint unsigned"), 105);
    assert_int_equal(counters_target(127, "tinyint"), 127);
    assert_true(counters_target(UINT64_MAX - 3, "bigint unsigned") == UINT64_MAX - 3);
    assert_true(counters_target(UINT64_MAX, "bigint unsigned") == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_counter_is_raised_with_room),
        cmocka_unit_test(the_room_is_a_part_of_what_the_type_has_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
