/* tests/unit/test_vrepl_verb_flags.c — each flag of each verb is taken or refused by name, never passed over. */
#include "vrepl/workflow/verb_flags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static bool takes(const char *type, const char *verb, const char *text, struct err *e)
{
    *e = (struct err)ERR_INIT;
    bool ok = verb_flags_check(type, verb, text, e);
    assert_int_equal(e->code, ok ? ERR_NONE : ERR_USAGE);
    return ok;
}

static void a_verb_takes_its_own_flags(void **state)
{
    struct err e;
    (void)state;
    assert_true(takes("movetables", "create",
                      "{\"tables\":[\"a\"],\"on_ddl\":\"STOP\",\"dry_run\":true}", &e));
    assert_true(takes("movetables", "create", "{\"tables\":\"a,b\",\"all_tables\":false}", &e));
    assert_true(takes("reshard", "switchtraffic",
                      "{\"timeout_ms\":1000,\"tablet_types\":[\"primary\"]}", &e));
    assert_true(takes("workflow", "switchtraffic", "{\"timeout_ms\":1000}", &e));
    assert_true(takes("workflow", "complete", "{\"rename_tables\":true,\"force\":false}", &e));
    assert_true(takes("vdiff", "show", "{\"uuid\":\"last\"}", &e));
    assert_true(takes("workflow", "show", "", &e));
    assert_true(takes("workflow", "start", "{\"recopy\":true}", &e));
    assert_true(takes("movetables", "start", "{\"recopy\":[\"a\",\"b\"]}", &e));
}

static void another_flag_is_refused_with_the_nearest(void **state)
{
    struct err e;
    (void)state;
    assert_false(takes("movetables", "create", "{\"exclude_table\":[\"a\"]}", &e));
    assert_non_null(strstr(e.text, "exclude_table"));
    assert_non_null(strstr(e.cure, "exclude_tables"));
    assert_false(takes("vdiff", "create", "{\"only_pk\":true}", &e));
    assert_non_null(strstr(e.cure, "only_pks"));
}

static void a_flag_of_another_verb_is_refused_with_that_verb(void **state)
{
    struct err e;
    (void)state;
    assert_false(takes("movetables", "create", "{\"keep_data\":true}", &e));
    assert_non_null(strstr(e.text, "--keep-data"));
    assert_non_null(strstr(e.cure, "cancel"));
    assert_false(takes("movetables", "cancel", "{\"rename_tables\":true}", &e));
    assert_false(takes("workflow", "stop", "{\"recopy\":true}", &e));
    assert_false(takes("reshard", "create", "{\"tables\":[\"t\"]}", &e));
    assert_false(takes("movetables", "switchtraffic", "{\"on_ddl\":\"STOP\"}", &e));
}

static void a_value_of_another_kind_is_refused(void **state)
{
    struct err e;
    (void)state;
    assert_false(takes("movetables", "create", "{\"all_tables\":\"true\"}", &e));
    assert_non_null(strstr(e.text, "all_tables"));
    assert_false(takes("movetables", "create", "{\"tables\":[1]}", &e));
    assert_false(takes("movetables", "create", "{\"tables\":null}", &e));
    assert_false(takes("movetables", "switchtraffic", "{\"timeout_ms\":\"5s\"}", &e));
    assert_false(takes("movetables", "switchtraffic", "{\"timeout_ms\":-1}", &e));
    assert_false(takes("movetables", "switchtraffic", "{\"timeout_ms\":1.5}", &e));
    assert_false(takes("movetables", "create", "{\"on_ddl\":1}", &e));
    assert_false(takes("workflow", "start", "{\"recopy\":1}", &e));
    assert_false(takes("movetables", "create", "[]", &e));
    assert_false(takes("movetables", "create", "{\"dry_run\":true,\"dry_run\":false}", &e));
}

static void what_is_not_offered_says_why(void **state)
{
    struct err e;
    (void)state;
    assert_false(takes("movetables", "switchtraffic", "{\"force\":true}", &e));
    assert_non_null(strstr(e.text, "--force"));
    assert_true(e.cure[0] != '\0');
    assert_false(takes("movetables", "complete", "{\"keep_routing_rules\":true}", &e));
    assert_false(takes("vdiff", "create", "{\"verbose\":true}", &e));
    assert_false(takes("reshard", "switchtraffic", "{\"initialize_target_sequences\":true}", &e));
}

static void other_verbs_and_types_are_refused(void **state)
{
    struct err e;
    (void)state;
    assert_false(takes("movetables", "destroy", "{}", &e));
    assert_non_null(strstr(e.cure, "switchtraffic"));
    assert_false(takes("workflow", "create", "{}", &e));
    assert_false(takes("MoveTables", "create", "{}", &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_verb_takes_its_own_flags),
        cmocka_unit_test(another_flag_is_refused_with_the_nearest),
        cmocka_unit_test(a_flag_of_another_verb_is_refused_with_that_verb),
        cmocka_unit_test(a_value_of_another_kind_is_refused),
        cmocka_unit_test(what_is_not_offered_says_why),
        cmocka_unit_test(other_verbs_and_types_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
