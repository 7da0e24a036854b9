/* tests/unit/test_app_sink_made.c — what `sink create` was told is taken or refused by name, and kept whole. */
#include "app/server/sink_made.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define GIVEN                                                                                      \
    "{\"keyspace\":\"c\",\"tables\":[\"a\",\"b,c\"],\"to\":\"kafka://"                             \
    "h:1\",\"from\":\"beginning\","                                                                \
    "\"kafka\":[\"acks=1\",\"sasl.password=secret=1\"],\"copy\":true,\"on_statement\":\"warn\"}"

static bool takes(const char *verb, const char *body)
{
    struct sink_options o = {0};
    struct err e = ERR_INIT;
    bool ok = sink_options_fill(verb, body, &o, &e);
    assert_int_equal(e.code, ok ? ERR_NONE : ERR_USAGE);
    sink_options_fini(&o);
    return ok;
}

static void sinks_take_their_flags_and_no_others(void **state)
{
    (void)state;
    assert_true(takes("create", "{\"keyspace\":\"c\",\"tables\":[\"t\"],\"kafka\":[\"a=b\"]}"));
    assert_true(takes("delete", NULL));
    assert_true(takes("recover", "{\"from\":\"file:/f\",\"dry_run\":true}"));
    assert_false(takes("create", "{\"keyspace\":\"c\",\"table\":[\"t\"]}"));
    assert_false(takes("create", "{\"tables\":\"t\"}"));
    assert_false(takes("create", "{\"tables\":[null]}"));
    assert_false(takes("create", "{\"kafka\":[\"acks\"]}"));
    assert_false(takes("create", "{\"kafka\":[\"=1\"]}"));
    assert_false(takes("create", "{\"dry_run\":true}"));
    assert_false(takes("create", "{\"on_statement\":\"go on\"}"));
    assert_false(takes("delete", "{\"keyspace\":\"c\"}"));
    assert_false(takes("destroy", "{}"));
}

static void an_empty_text_is_no_default(void **state)
{
    (void)state;
    assert_false(takes("create", "{\"from\":\"\"}"));
    assert_false(takes("create", "{\"keyspace\":\"\"}"));
    assert_false(takes("create", "{\"prefix\":\"\"}"));
    assert_false(takes("create", "{\"format\":\"\"}"));
}

static void spec_of(const char *body, struct sink_options *o, struct sink_spec *s)
{
    struct err e = ERR_INIT;
    *o = (struct sink_options){0};
    assert_true(sink_options_fill("create", body, o, &e));
    sink_made_spec("name", o, "here", s);
}

static void a_definition_has_what_was_told_and_else_the_defaults(void **state)
{
    struct sink_options o;
    struct sink_spec s;
    (void)state;
    spec_of(GIVEN, &o, &s);
    assert_string_equal(s.keyspace, "c");
    assert_int_equal(s.n_tables, 2);
    assert_string_equal(s.tables[1], "b,c");
    assert_string_equal(s.from, "beginning");
    assert_true(s.copy);
    assert_string_equal(s.format, SINK_DEFAULT_FORMAT);
    assert_string_equal(s.topic, SINK_DEFAULT_TOPIC);
    assert_string_equal(s.prefix, "here");
    assert_string_equal(s.options_json,
                        "{\"kafka\":{\"acks\":\"1\",\"sasl.password\":\"secret=1\"},"
                        "\"on_statement\":\"warn\"}");
    sink_spec_fini(&s);
    sink_options_fini(&o);
}

static void what_is_stored_is_read_back_the_same(void **state)
{
    struct sink_options o, again;
    struct sink_spec s, t;
    (void)state;
    spec_of(GIVEN, &o, &s);
    CLEANUP(mem_free_ptr) char *document = sink_made_document(&o);
    spec_of(document, &again, &t);
    CLEANUP(mem_free_ptr) char *second = sink_made_document(&again);
    assert_string_equal(document, second);
    assert_string_equal(s.from, t.from);
    assert_string_equal(s.options_json, t.options_json);
    assert_string_equal(s.definition, t.definition);
    assert_string_equal(s.tables[1], t.tables[1]);
    sink_spec_fini(&s);
    sink_spec_fini(&t);
    sink_options_fini(&o);
    sink_options_fini(&again);
}

static void the_destination_is_told_no_secret_and_no_start(void **state)
{
    struct sink_options o;
    struct sink_spec s;
    (void)state;
    spec_of(GIVEN, &o, &s);
    assert_non_null(strstr(s.definition, "acks=1"));
    assert_null(strstr(s.definition, "secret"));
    assert_null(strstr(s.definition, "beginning"));
    assert_true(takes("create", s.definition));
    sink_spec_fini(&s);
    sink_options_fini(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sinks_take_their_flags_and_no_others),
        cmocka_unit_test(an_empty_text_is_no_default),
        cmocka_unit_test(a_definition_has_what_was_told_and_else_the_defaults),
        cmocka_unit_test(what_is_stored_is_read_back_the_same),
        cmocka_unit_test(the_destination_is_told_no_secret_and_no_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
