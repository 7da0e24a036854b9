/* tests/unit/test_app_parameters.c — each parameter of a request is read or refused by name. */
#include "app/server/parameters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define PATH "/v1/vstream"

static bool reads(const char *name, const char *text, struct vstream_parameters *p, struct err *e)
{
    const struct flag_text given[] = {{"keyspace", "ks"}, {name, text}};
    *p = (struct vstream_parameters){0};
    *e = (struct err)ERR_INIT;
    bool ok = flags_fill_texts(vstream_parameters, PATH, given, 2, p, e);
    assert_int_equal(e->code, ok ? ERR_NONE : ERR_USAGE);
    return ok;
}

static void what_is_not_given_has_its_default(void **state)
{
    struct vstream_parameters p = {0};
    struct err e = ERR_INIT;
    (void)state;
    assert_true(flags_fill_texts(vstream_parameters, PATH, NULL, 0, &p, &e));
    assert_null(p.keyspace);
    assert_null(p.shard);
    assert_string_equal(p.vgtid, "current");
    assert_int_equal(p.heartbeat_ms, 5000);
    assert_int_equal(p.tables.n, 0);
    assert_false(p.tx);
    flags_clear(vstream_parameters, &p);
    assert_null(p.vgtid);
}

static void what_is_given_is_read(void **state)
{
    struct vstream_parameters p;
    struct err e;
    (void)state;
    assert_true(reads("tables", "a,b", &p, &e));
    assert_string_equal(p.keyspace, "ks");
    assert_int_equal(p.tables.n, 2);
    assert_string_equal(p.tables.items[1], "b");
    flags_clear(vstream_parameters, &p);
    assert_true(reads("tx", "1", &p, &e));
    assert_true(p.tx);
    flags_clear(vstream_parameters, &p);
    assert_true(reads("tx", "0", &p, &e));
    assert_false(p.tx);
    flags_clear(vstream_parameters, &p);
}

static void a_heartbeat_is_never_or_in_its_range(void **state)
{
    struct vstream_parameters p;
    struct err e;
    (void)state;
    assert_true(reads("heartbeat", "0", &p, &e));
    assert_int_equal(p.heartbeat_ms, 0);
    flags_clear(vstream_parameters, &p);
    assert_true(reads("heartbeat", "100ms", &p, &e));
    assert_int_equal(p.heartbeat_ms, 100);
    flags_clear(vstream_parameters, &p);
    assert_false(reads("heartbeat", "99ms", &p, &e));
    assert_string_equal(e.text,
                        "/v1/vstream → heartbeat takes 0, or from 100ms to 3600000ms, not '99ms'");
    assert_false(reads("heartbeat", "2h", &p, &e));
    assert_false(reads("heartbeat", "soon", &p, &e));
    assert_non_null(strstr(e.text, "heartbeat"));
}

static void what_would_be_passed_over_is_refused(void **state)
{
    static const char *const wrong[][2] = {
        {"table", "a"},  {"TX", "1"},   {"keyspace", "ks"}, {"tx", "2"}, {"shard", ""},
        {"tables", ","}, {"vgtid", ""}, {"heartbeat", ""},  {"", "a"},   {"heartbeat_ms", "100"},
    };
    struct vstream_parameters p;
    struct err e;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(reads(wrong[i][0], wrong[i][1], &p, &e));
    assert_false(reads("table", "a", &p, &e));
    assert_string_equal(e.text, "/v1/vstream has no parameter 'table'");
    assert_string_equal(e.cure, "did you mean tables?");
    assert_false(reads("keyspace", "other", &p, &e));
    assert_string_equal(e.text, "/v1/vstream: the parameter keyspace is given twice");
}

static void a_parameter_belongs_to_its_path(void **state)
{
    const struct flag_text given = {"type", "reshard"};
    struct verb_parameters p = {0};
    struct err e = ERR_INIT;
    (void)state;
    assert_true(flags_fill_texts(verb_parameters, "/v1/workflows", &given, 1, &p, &e));
    assert_string_equal(p.type, "reshard");
    flags_clear(verb_parameters, &p);
    assert_false(flags_fill_texts(verb_parameters, "/v1/vdiff", &given, 1, &p, &e));
    assert_string_equal(e.cure, "it takes progress");
    e = (struct err)ERR_INIT;
    assert_false(flags_fill_texts(no_parameters, "/v1/status", &given, 1, NULL, &e));
    assert_string_equal(e.cure, "it takes none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_given_has_its_default),
        cmocka_unit_test(what_is_given_is_read),
        cmocka_unit_test(a_heartbeat_is_never_or_in_its_range),
        cmocka_unit_test(what_would_be_passed_over_is_refused),
        cmocka_unit_test(a_parameter_belongs_to_its_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
