/* tests/unit/test_vrepl_ddl_rule.c — what becomes of a DDL, for each policy. */
#include "vrepl/move/ddl_rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the three above first */
#include <cmocka.h>

static void each_policy_has_its_act(void **state)
{
    (void)state;
    assert_int_equal(ddl_rule(VREPL_ON_DDL_IGNORE, false, false), DDL_ACT_PASS);
    assert_int_equal(ddl_rule(VREPL_ON_DDL_STOP, false, false), DDL_ACT_STOP_BEHIND);
    assert_int_equal(ddl_rule(VREPL_ON_DDL_EXEC, false, false), DDL_ACT_EXECUTE);
    assert_int_equal(ddl_rule(VREPL_ON_DDL_EXEC_IGNORE, false, false), DDL_ACT_EXECUTE);
}

static void rows_that_changed_without_events_stop_every_policy(void **state)
{
    (void)state;
    for (int policy = VREPL_ON_DDL_IGNORE; policy <= VREPL_ON_DDL_EXEC_IGNORE; policy++)
        assert_int_equal(ddl_rule((enum vrepl_on_ddl)policy, false, true), DDL_ACT_STOP_BEFORE);
}

static void a_target_that_did_it_waits_for_the_others(void **state)
{
    (void)state;
    for (int policy = VREPL_ON_DDL_IGNORE; policy <= VREPL_ON_DDL_EXEC_IGNORE; policy++) {
        assert_int_equal(ddl_rule((enum vrepl_on_ddl)policy, true, false), DDL_ACT_PARK);
        assert_int_equal(ddl_rule((enum vrepl_on_ddl)policy, true, true), DDL_ACT_PARK);
    }
}

static bool forgives(enum vrepl_on_ddl policy, int native, enum err_class class_)
{
    struct err e = ERR_INIT;
    (void)err_set_native(&e, ERR_INTERNAL, class_, native, "refused");
    return ddl_rule_forgives(policy, &e);
}

static void only_what_is_done_already_is_forgiven(void **state)
{
    (void)state;
    assert_true(forgives(VREPL_ON_DDL_EXEC, 1060, ERR_CLASS_FATAL));
    assert_true(forgives(VREPL_ON_DDL_EXEC, 1091, ERR_CLASS_FATAL));
    assert_false(forgives(VREPL_ON_DDL_EXEC, 1054, ERR_CLASS_FATAL));
    assert_true(forgives(VREPL_ON_DDL_EXEC_IGNORE, 1054, ERR_CLASS_FATAL));
    assert_false(forgives(VREPL_ON_DDL_EXEC_IGNORE, 2013, ERR_CLASS_RETRY));
    assert_false(ddl_rule_skips_unknown(VREPL_ON_DDL_EXEC));
    assert_true(ddl_rule_skips_unknown(VREPL_ON_DDL_EXEC_IGNORE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_policy_has_its_act),
        cmocka_unit_test(rows_that_changed_without_events_stop_every_policy),
        cmocka_unit_test(a_target_that_did_it_waits_for_the_others),
        cmocka_unit_test(only_what_is_done_already_is_forgiven),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
