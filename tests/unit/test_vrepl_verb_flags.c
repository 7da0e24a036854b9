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
    assert_false(takes("workflow", "stop", "{\"dry_run\":true}", &e));
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

/* Every flag that vtctldclient's commands have, as its documentation lists them (v22, and v24's
 * code); the commands that have the same names here. */
static const struct {
    const char *command, *verbs, *flags;
} vtctldclient[] = {
    {"movetables", "create",
     "cells all-cells tablet-types tablet-types-in-preference-order auto-start stop-after-copy "
     "defer-secondary-keys on-ddl config-overrides source-keyspace tables all-tables "
     "exclude-tables "
     "atomic-copy no-routing-rules source-shards source-time-zone sharded-auto-increment-handling "
     "global-keyspace tenant-id shards"},
    {"movetables", "show", "include-logs shards"},
    {"movetables", "status progress start stop", "shards"},
    {"movetables", "mirrortraffic", "percent tablet-types"},
    {"movetables", "switchtraffic reversetraffic",
     "cells tablet-types timeout max-replication-lag-allowed enable-reverse-replication dry-run "
     "force initialize-target-sequences shards"},
    {"movetables", "complete",
     "dry-run keep-data keep-routing-rules rename-tables shards ignore-source-keyspace"},
    {"movetables", "cancel",
     "keep-data keep-routing-rules delete-batch-size shards ignore-source-keyspace"},
    {"reshard", "create",
     "cells all-cells tablet-types tablet-types-in-preference-order auto-start stop-after-copy "
     "defer-secondary-keys on-ddl config-overrides source-shards target-shards skip-schema-copy"},
    {"reshard", "show", "include-logs"},
    {"reshard", "switchtraffic reversetraffic",
     "cells tablet-types timeout max-replication-lag-allowed enable-reverse-replication dry-run "
     "force"},
    {"reshard", "complete", "dry-run keep-data keep-routing-rules rename-tables"},
    {"reshard", "cancel", "keep-data"},
    {"materialize", "create",
     "source-keyspace table-settings reference-tables stop-after-copy cells tablet-types "
     "tablet-types-in-preference-order"},
    {"materialize", "update", "add-reference-tables"},
    {"materialize", "show", "include-logs"},
    {"vdiff", "create",
     "auto-retry auto-start debug-query filtered-replication-wait-time limit max-diff-duration "
     "max-extra-rows-to-compare max-report-sample-rows only-pks row-diff-column-truncate-at "
     "source-cells target-cells tables tablet-types tablet-types-in-preference-order "
     "update-table-stats wait wait-update-interval verbose"},
    {"vdiff", "show", "verbose"},
    {"vdiff", "stop resume delete", "target-shards"},
    {"workflow", "show", "include-logs"},
    {"workflow", "delete",
     "keep-data keep-routing-rules delete-batch-size shards ignore-source-keyspace"},
    {"workflow", "update",
     "cells tablet-types tablet-types-in-order on-ddl config-overrides shards"},
};

typedef void (*word_fn)(const char *command, const char *verb, const char *flag);

static void each_word(const char *words, char *word, size_t len, size_t *at)
{
    *at += strspn(words + *at, " ");
    size_t n = strcspn(words + *at, " ");
    assert_true(n < len);
    memcpy(word, words + *at, n);
    word[n] = '\0';
    *at += n;
}

static void each_vtctldclient_flag(word_fn fn)
{
    char verb[40], flag[60];
    for (size_t i = 0; i < sizeof vtctldclient / sizeof *vtctldclient; i++) {
        for (size_t v = 0; vtctldclient[i].verbs[v] != '\0';) {
            each_word(vtctldclient[i].verbs, verb, sizeof verb, &v);
            for (size_t f = 0; vtctldclient[i].flags[f] != '\0';) {
                each_word(vtctldclient[i].flags, flag, sizeof flag, &f);
                fn(vtctldclient[i].command, verb, flag);
            }
        }
    }
}

/* It works, or the table says why nothing follows from it, or why it is refused and what to do. */
static void has_its_row(const char *command, const char *verb, const char *flag)
{
    const struct flag_def *d = flags_find(verb_flags, command, verb, flag);
    if (d == NULL)
        fail_msg("%s %s --%s is silently absent", command, verb, flag);
    assert_true(d->status != FLAG_WORKS || d->field != 0);
    assert_true(d->status == FLAG_WORKS || d->status == FLAG_LOCAL || strlen(d->why) > 10);
    assert_true(d->status != FLAG_REFUSED || strlen(d->cure) > 10);
}

static void no_flag_of_vtctldclient_is_absent(void **state)
{
    (void)state;
    each_vtctldclient_flag(has_its_row);
}

static void rows_of_one_name_have_one_type(void **state)
{
    static const char *const commands[] = {"movetables", "reshard", "materialize", "workflow",
                                           "vdiff"};
    (void)state;
    for (size_t i = 0; i < 5; i++)
        for (const struct flag_def *d = verb_flags; d->name != NULL; d++) {
            const struct flag_def *first = flags_find(verb_flags, commands[i], NULL, d->name);
            if (flags_word(d->commands, commands[i]))
                assert_int_equal(first->type, d->type);
        }
}

static void what_has_no_effect_is_taken_and_said(void **state)
{
    struct err e;
    struct buf notes = BUF_INIT;
    const char *text = "{\"cells\":[\"zone1\"],\"tables\":[\"t\"]}";
    (void)state;
    assert_true(takes("movetables", "create", text, &e));
    verb_flags_notes("movetables", "create", text, &notes);
    assert_string_equal(buf_str(&notes),
                        "--cells has no effect: streams read the shards' primaries\n");
    buf_fini(&notes);
}

static void a_command_or_verb_that_is_not_offered_says_why(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    assert_true(verb_flags_refused_command("LookupVindex", &e));
    assert_non_null(strstr(e.text, "not offered"));
    assert_false(verb_flags_refused_command("movetables", &e));
    assert_false(takes("movetables", "mirrortraffic", "{}", &e));
    assert_non_null(strstr(e.text, "not mirrored"));
    assert_false(takes("migrate", "create", "{}", &e));
    assert_non_null(strstr(e.cure, "movetables"));
    assert_false(takes("vdiff", "create", "{\"auto_start\":false}", &e));
    assert_true(takes("vdiff", "create", "{\"auto_start\":true}", &e));
}

static void a_verb_reads_what_was_given_and_else_the_defaults(void **state)
{
    struct err e = ERR_INIT;
    struct verb_options o = {0};
    (void)state;
    assert_true(verb_options_fill("movetables", "create",
                                  "{\"tables\":\"a,,b\",\"auto_start\":false}", &o, &e));
    assert_int_equal(o.tables.n, 2);
    assert_true(flag_list_has(&o.tables, "b") && !flag_list_has(&o.tables, ""));
    assert_true(!o.auto_start && o.defer_secondary_keys && !o.stop_after_copy);
    assert_string_equal(o.on_ddl, "IGNORE");
    verb_options_fini(&o);
    assert_true(verb_options_fill("reshard", "switchtraffic", "{\"timeout_ms\":5000}", &o, &e));
    assert_int_equal(o.timeout_ms, 5000);
    assert_int_equal(o.max_replication_lag_allowed_ms, 30000);
    assert_true(o.enable_reverse_replication);
    assert_null(o.on_ddl); /* no flag of a switch */
    verb_options_fini(&o);
    assert_true(verb_options_fill("workflow", "start", "{\"recopy\":[]}", &o, &e));
    assert_true(o.recopy.given && !o.recopy.all && o.recopy.list.n == 0);
    verb_options_fini(&o);
    assert_true(verb_options_fill("vdiff", "create", NULL, &o, &e));
    assert_int_equal(o.max_report_sample_rows, 10);
    verb_options_fini(&o);
}

static void a_refused_flag_of_any_type_is_refused(void **state)
{
    struct err e;
    (void)state;
    assert_false(takes("movetables", "create", "{\"source_time_zone\":\"UTC\"}", &e));
    assert_non_null(strstr(e.text, "--source-time-zone"));
    assert_false(takes("movetables", "status", "{\"shards\":[\"-80\"]}", &e));
    assert_false(takes("movetables", "status", "{\"shards\":[]}", &e));
    assert_false(takes("vdiff", "create", "{\"limit\":5}", &e));
    assert_true(takes("movetables", "create", "{\"atomic_copy\":false}", &e));
}

static void a_number_outside_its_range_is_refused(void **state)
{
    struct err e;
    (void)state;
    assert_true(takes("vdiff", "create", "{\"max_report_sample_rows\":10000}", &e));
    assert_false(takes("vdiff", "create", "{\"max_report_sample_rows\":10001}", &e));
    assert_non_null(strstr(e.text, "from 0 to 10000"));
    assert_false(takes("movetables", "create", "{\"on_ddl\":\"PERHAPS\"}", &e));
    assert_non_null(strstr(e.text, "IGNORE|STOP"));
    assert_false(takes("movetables", "create", "{\"wait_ms\":1}", &e)); /* the command's own */
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
        cmocka_unit_test(no_flag_of_vtctldclient_is_absent),
        cmocka_unit_test(rows_of_one_name_have_one_type),
        cmocka_unit_test(what_has_no_effect_is_taken_and_said),
        cmocka_unit_test(a_command_or_verb_that_is_not_offered_says_why),
        cmocka_unit_test(a_verb_reads_what_was_given_and_else_the_defaults),
        cmocka_unit_test(a_refused_flag_of_any_type_is_refused),
        cmocka_unit_test(a_number_outside_its_range_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
