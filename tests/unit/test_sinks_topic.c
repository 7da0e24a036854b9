/* tests/unit/test_sinks_topic.c — topic names are those that Debezium gives, and templates are
 * checked before anything is published. */
#include "sinks/sink.h"
#include "sinks/topic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four standard ones above */
#include <cmocka.h>

static void assert_topic(const char *template, const char *prefix, const char *table,
                         const char *expected)
{
    const struct sink_topic t = {
        .template = template, .prefix = prefix, .keyspace = "ks", .shard = "-80"};
    struct buf out = BUF_INIT;
    sink_topic_of(&t, "db", table, &out);
    assert_string_equal(buf_str(&out), expected);
    buf_fini(&out);
}

/* Captured from the engine: tables "order-lines 2.0", "Ünï", "t$1"; an emoji is two of Java's
 * characters. */
static void each_character_that_kafka_refuses_is_one_underscore(void **state)
{
    (void)state;
    assert_topic(NULL, "srv", "order-lines 2.0", "srv.db.order-lines_2.0");
    assert_topic(NULL, "srv", "Ünï", "srv.db._n_");
    assert_topic("", "srv", "café", "srv.db.caf_");
    assert_topic(NULL, "srv", "t$1", "srv.db.t_1");
    assert_topic(NULL, "srv", "日本", "srv.db.__");
    assert_topic(NULL, "😀", "t", "__.db.t");
    assert_topic("{keyspace}.{shard}.{table}/x", "srv", "t", "ks.-80.t_x");
}

static void what_is_too_long_is_cut(void **state)
{
    char table[4 * 300 + 1] = "", prefix[260];
    (void)state;
    for (int i = 0; i < 300; i++)
        strncat(table, "é", 3);
    memset(prefix, 'p', sizeof prefix - 1);
    prefix[sizeof prefix - 1] = '\0';
    struct buf out = BUF_INIT;
    const struct sink_topic t = {.prefix = "srv", .keyspace = "ks", .shard = "-"};
    sink_topic_of(&t, "db", table, &out);
    assert_int_equal(out.len, SINK_TOPIC_MAX);
    buf_reset(&out);
    sink_topic_make_valid(prefix, &out);
    assert_int_equal(out.len, SINK_TOPIC_MAX);
    buf_fini(&out);
}

static void dots_alone_are_no_name(void **state)
{
    (void)state;
    assert_topic("{table}", "p", ".", "_");
    assert_topic("{table}", "p", "..", "__");
    assert_topic("{table}", "p", "...", "...");
}

static void a_template_that_can_give_no_name_is_refused(void **state)
{
    char long_prefix[260];
    struct err e = ERR_INIT;
    struct sink_topic t = {.template = "{prefix}/{tabel}", .prefix = "p"};
    (void)state;
    assert_false(sink_topic_check(&t, &e));
    assert_int_equal(e.code, ERR_SINK_CONFIG);
    assert_non_null(strstr(e.text, "{tabel}"));
    memset(long_prefix, 'p', sizeof long_prefix - 1);
    long_prefix[sizeof long_prefix - 1] = '\0';
    t = (struct sink_topic){.prefix = long_prefix};
    assert_false(sink_topic_check(&t, &e));
    t = (struct sink_topic){.template = long_prefix, .prefix = "p"};
    assert_false(sink_topic_check(&t, &e));
    t = (struct sink_topic){.template = "{table}", .prefix = "p"};
    assert_true(sink_topic_check(&t, &e));
}

static void a_sinks_name_can_be_shown_everywhere(void **state)
{
    static const char *const good[] = {"s", "orders-2.0", "caf\xc3\xa9", ".s", "a\"b"};
    static const char *const bad[] = {
        "",     ".",    "..",        "a b",   "a/b",  "a?b",      "a#b",          "a%b",
        "a\tb", "a\nb", "e\x1b[31m", "a\x7f", "\xff", "\xc2\x9b", "\xe2\x80\xae", "\xc3"};
    char long_name[SINK_NAME_MAX_BYTES + 2];
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(sink_name_check(good[i], NULL));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(sink_name_check(bad[i], NULL));
    memset(long_name, 'n', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_false(sink_name_check(long_name, NULL));
    long_name[sizeof long_name - 2] = '\0';
    assert_true(sink_name_check(long_name, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_character_that_kafka_refuses_is_one_underscore),
        cmocka_unit_test(what_is_too_long_is_cut),
        cmocka_unit_test(a_sinks_name_can_be_shown_everywhere),
        cmocka_unit_test(dots_alone_are_no_name),
        cmocka_unit_test(a_template_that_can_give_no_name_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
