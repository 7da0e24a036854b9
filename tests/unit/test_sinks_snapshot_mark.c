/* tests/unit/test_sinks_snapshot_mark.c — which marker each row of an initial copy has. The expected
 * ones are the engine's: captured (one row in the first table, an empty table, several rows), and
 * the order of its conditions. */
#include "sinks/snapshot_mark.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the four standard ones above */
#include <cmocka.h>

static void a_row_in_the_middle_has_no_place(void **state)
{
    const struct vstream_copied whole = {.first_table = true,
                                         .begins = true,
                                         .ends = true,
                                         .is_last = true},
                                middle = {.first_table = true};
    (void)state;
    assert_int_equal(sink_snapshot_mark(&whole, false, false), ENCODE_SNAPSHOT_ROW);
    assert_int_equal(sink_snapshot_mark(&middle, true, false), ENCODE_SNAPSHOT_ROW);
    assert_int_equal(sink_snapshot_mark(&middle, false, true), ENCODE_SNAPSHOT_ROW);
}

static void the_first_row_of_all_is_in_the_first_table(void **state)
{
    const struct vstream_copied first = {.first_table = true, .begins = true, .ends = true},
                                later = {.begins = true, .ends = true};
    (void)state;
    assert_int_equal(sink_snapshot_mark(&first, true, false), ENCODE_SNAPSHOT_FIRST);
    assert_int_equal(sink_snapshot_mark(&first, true, true), ENCODE_SNAPSHOT_FIRST);
    assert_int_equal(sink_snapshot_mark(&later, true, false), ENCODE_SNAPSHOT_FIRST_OF_TABLE);
}

static void a_table_of_one_row_says_that_it_ends(void **state)
{
    const struct vstream_copied later = {.begins = true, .ends = true};
    (void)state;
    assert_int_equal(sink_snapshot_mark(&later, true, true), ENCODE_SNAPSHOT_LAST_OF_TABLE);
    assert_int_equal(sink_snapshot_mark(&later, false, true), ENCODE_SNAPSHOT_LAST_OF_TABLE);
}

static void the_last_row_of_all_is_last_whatever_else_it_is(void **state)
{
    const struct vstream_copied only = {
        .first_table = true, .begins = true, .ends = true, .is_last = true};
    (void)state;
    assert_int_equal(sink_snapshot_mark(&only, true, true), ENCODE_SNAPSHOT_LAST);
    assert_int_equal(sink_snapshot_mark(&only, true, false), ENCODE_SNAPSHOT_FIRST);
    assert_int_equal(sink_snapshot_mark(&only, false, true), ENCODE_SNAPSHOT_LAST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_in_the_middle_has_no_place),
        cmocka_unit_test(the_first_row_of_all_is_in_the_first_table),
        cmocka_unit_test(a_table_of_one_row_says_that_it_ends),
        cmocka_unit_test(the_last_row_of_all_is_last_whatever_else_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
