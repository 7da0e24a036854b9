/* tests/unit/test_app_options.c — command lines, as people and scripts of vtctldclient write them.
 */
#include "app/cli/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct opt_values *parse(const char *command, int argc, const char *const *words,
                                struct err *e)
{
    static char *argv[16];
    for (int i = 0; i < argc; i++)
        argv[i] = (char *)(uintptr_t)words[i];
    const struct cmd_def *cmd = cmd_find(command);
    assert_non_null(cmd);
    return opt_parse(cmd, argc, argv, e);
}

static void commands_and_verbs_are_case_insensitive(void **state)
{
    struct err e = ERR_INIT;
    static const char *const words[] = {"MoveTables", "--workflow", "w",
                                        "--target-keyspace=customer", "SwitchTraffic"};
    struct opt_values *v = parse("MoveTables", 5, words, &e);
    (void)state;
    assert_non_null(v);
    assert_string_equal(opt_command(v)->name, "movetables");
    assert_string_equal(opt_verb(v), "switchtraffic");
    assert_string_equal(opt_str(v, "workflow"), "w");
    assert_string_equal(opt_str(v, "target-keyspace"), "customer");
    opt_free(v);
}

static void a_mistyped_option_names_the_nearest(void **state)
{
    struct err e = ERR_INIT;
    static const char *const words[] = {"movetables", "create", "--source-keyspac=x"};
    (void)state;
    assert_null(parse("movetables", 3, words, &e));
    assert_int_equal(e.code, ERR_USAGE);
    assert_non_null(strstr(e.cure, "--source-keyspace"));
}

static void a_value_of_another_kind_is_a_mistake_of_the_command_line(void **state)
{
    struct err e = ERR_INIT;
    static const char *const words[] = {"movetables", "create", "--timeout", "soon"};
    (void)state;
    assert_null(parse("movetables", 4, words, &e));
    assert_int_equal(e.code, ERR_USAGE);
    assert_non_null(strstr(e.text, "--timeout"));
}

static void flags_become_json_with_typed_values(void **state)
{
    struct err e = ERR_INIT;
    struct buf json = BUF_INIT;
    static const char *const words[] = {"movetables", "create", "--tables", "a,b", "--tables", "c",
                                        "--timeout",  "5s",     "--dry-run"};
    struct opt_values *v = parse("movetables", 9, words, &e);
    (void)state;
    assert_non_null(v);
    opt_flags_json(v, opt_verb(v), &json);
    assert_non_null(strstr(buf_str(&json), "\"tables\":[\"a\",\"b\",\"c\"]"));
    assert_non_null(strstr(buf_str(&json), "\"timeout_ms\":5000"));
    assert_non_null(strstr(buf_str(&json), "\"dry_run\":true"));
    assert_null(strstr(buf_str(&json), "max_replication_lag_allowed")); /* a default is not sent */
    assert_null(strstr(buf_str(&json), "source_keyspace"));
    buf_fini(&json);
    opt_free(v);
}

/* An empty word is no table, and least of all means all of them. */
static void a_list_that_stands_alone_means_all(void **state)
{
    static const struct {
        const char *words[6];
        int n;
        const char *json; /* NULL: refused */
    } cases[] = {
        {{"workflow", "start", "--recopy"}, 3, "\"recopy\":true"},
        {{"workflow", "start", "--recopy", "--dry-run"}, 4, "\"recopy\":true"},
        {{"workflow", "--recopy", "start"}, 3, "\"recopy\":true"},
        {{"workflow", "start", "--recopy", "a,b"}, 4, "\"recopy\":[\"a\",\"b\"]"},
        {{"workflow", "--recopy=a", "start", "--recopy", "b"}, 5, "\"recopy\":[\"a\",\"b\"]"},
        {{"workflow", "start", "--recopy", ""}, 4, "\"recopy\":[]"},
        {{"workflow", "start", "--recopy="}, 3, "\"recopy\":[]"},
        {{"workflow", "--recopy", "start", "--recopy", "a"}, 5, NULL},
        {{"workflow", "start", "--recopy", "a", "--recopy"}, 5, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = ERR_INIT;
        struct buf json = BUF_INIT;
        struct opt_values *v = parse("workflow", cases[i].n, cases[i].words, &e);
        assert_int_equal(v != NULL, cases[i].json != NULL);
        if (v == NULL)
            continue;
        opt_flags_json(v, opt_verb(v), &json);
        assert_non_null(strstr(buf_str(&json), cases[i].json));
        buf_fini(&json);
        opt_free(v);
    }
}

static void the_environment_may_speak_to_other_verbs(void **state)
{
    struct err e = ERR_INIT;
    struct buf json = BUF_INIT;
    static const char *const words[] = {"movetables", "start", "--timeout", "5s", "--on-ddl=STOP"};
    (void)state;
    setenv("SLUICE_KEEP_DATA", "true", 1);
    struct opt_values *v = parse("movetables", 4, words, &e);
    assert_non_null(v);
    assert_true(opt_given(v, "keep-data") && !opt_typed(v, "keep-data"));
    opt_flags_json(v, "start", &json);
    assert_string_equal(buf_str(&json), "{\"timeout_ms\":5000}");
    buf_reset(&json);
    opt_flags_json(v, "cancel", &json);
    assert_string_equal(buf_str(&json), "{\"timeout_ms\":5000,\"keep_data\":true}");
    opt_free(v);
    unsetenv("SLUICE_KEEP_DATA");
    v = parse("movetables", 5, words, &e); /* what was typed is sent, and refused there */
    buf_reset(&json);
    opt_flags_json(v, "start", &json);
    assert_non_null(strstr(buf_str(&json), "\"on_ddl\":\"STOP\""));
    buf_fini(&json);
    opt_free(v);
}

static void a_flag_of_the_command_itself_is_not_sent(void **state)
{
    struct err e = ERR_INIT;
    struct buf json = BUF_INIT;
    static const char *const words[] = {"movetables", "create", "--wait=5m", "--workflow=w"};
    (void)state;
    struct opt_values *v = parse("movetables", 4, words, &e);
    assert_non_null(v);
    assert_int_equal(opt_ms(v, "wait"), 300000);
    opt_flags_json(v, "create", &json);
    assert_string_equal(buf_str(&json), "{}");
    buf_fini(&json);
    opt_free(v);
}

static void global_options_that_mean_nothing_are_refused(void **state)
{
    static const char *const words[][3] = {
        {"status", "--local"},       {"stream", "--api=unix:/x"},  {"status", "--progress=json"},
        {"status", "--format=yaml"}, {"decode", "--token-file=x"}, {"sink", "--local"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct err e = ERR_INIT;
        assert_null(parse(words[i][0], 2, words[i], &e));
        assert_int_equal(e.code, ERR_USAGE);
    }
    static const char *const fine[] = {"sink", "list", "--format=debezium-json"};
    struct err e = ERR_INIT;
    struct opt_values *v = parse("sink", 3, fine, &e);
    assert_non_null(v);
    opt_free(v);
}

static void a_value_outside_its_words_is_refused(void **state)
{
    struct err e = ERR_INIT;
    static const char *const words[] = {"movetables", "create", "--on-ddl=maybe"};
    (void)state;
    assert_null(parse("movetables", 3, words, &e));
    assert_non_null(strstr(e.text, "IGNORE|STOP|EXEC|EXEC_IGNORE"));
}

static void the_environment_gives_what_the_line_does_not(void **state)
{
    struct err e = ERR_INIT;
    static const char *const words[] = {"status", "--api", "unix:/from-line"};
    (void)state;
    setenv("SLUICE_CONFIG", "/from-environment", 1);
    setenv("SLUICE_API", "unix:/from-environment", 1);
    struct opt_values *v = parse("status", 3, words, &e);
    unsetenv("SLUICE_CONFIG");
    unsetenv("SLUICE_API");
    assert_non_null(v);
    assert_string_equal(opt_str(v, "config"), "/from-environment");
    assert_string_equal(opt_str(v, "api"), "unix:/from-line");
    opt_free(v);
}

static void helped(const struct flag_def *o, const char *command, const struct buf *help)
{
    for (; o != NULL && o->name != NULL; o++) {
        if (!flags_word(o->commands, command))
            continue;
        assert_non_null(strstr(buf_str(help), o->name));
        assert_true(strlen(o->status == FLAG_WORKS || o->status == FLAG_LOCAL ? o->doc : o->why) >
                    0);
    }
}

static void every_command_has_help_and_every_option_a_line(void **state)
{
    (void)state;
    for (const struct cmd_def *c = cmd_table; c->name != NULL; c++) {
        struct buf help = BUF_INIT;
        opt_help_command(c, &help);
        helped(c->options, c->name, &help);
        helped(c->flags, c->name, &help);
        buf_fini(&help);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_and_verbs_are_case_insensitive),
        cmocka_unit_test(a_mistyped_option_names_the_nearest),
        cmocka_unit_test(a_value_of_another_kind_is_a_mistake_of_the_command_line),
        cmocka_unit_test(flags_become_json_with_typed_values),
        cmocka_unit_test(a_list_that_stands_alone_means_all),
        cmocka_unit_test(the_environment_may_speak_to_other_verbs),
        cmocka_unit_test(a_flag_of_the_command_itself_is_not_sent),
        cmocka_unit_test(global_options_that_mean_nothing_are_refused),
        cmocka_unit_test(a_value_outside_its_words_is_refused),
        cmocka_unit_test(the_environment_gives_what_the_line_does_not),
        cmocka_unit_test(every_command_has_help_and_every_option_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
