/* tests/component/test_sink_file.c — whose file it is, rotations, and lines that only look like
 * positions. */
#include "base/sys.h"
#include "sinks/sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPTIONS "{\"name\":\"s\"}"

static char folder[] = "/tmp/sluice-test-file-XXXXXX";
static char path[64], other[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/out", folder);
    snprintf(other, sizeof other, "%s/other", folder);
    return 0;
}

static int clear(void **state)
{
    (void)state;
    unlink(path);
    unlink(other);
    return 0;
}

static int remove_folder(void **state)
{
    return clear(state) == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static struct sink *open_sink(void)
{
    struct err e = ERR_INIT;
    struct sink *s = sink_find("file")->open(path, OPTIONS, NULL, &e);
    if (!s)
        fail_msg("%s", e.text);
    return s;
}

static bool write_line(struct sink *s, const char *value, struct err *e)
{
    const struct sink_record r = {.topic = "t", .value = value, .value_len = strlen(value)};
    return s->ops->write(s, &r, e);
}

static void publish(struct sink *s, const char *value, const char *position)
{
    struct err e = ERR_INIT;
    assert_true(write_line(s, value, &e));
    if (!s->ops->flush(s, "k", "-", position, 1000, &e))
        fail_msg("%s", e.text);
}

static void holds(const char *file, const char *text, bool expect)
{
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    struct err e = ERR_INIT;
    assert_true(sys_read_file(file, 65536, &b, &e));
    assert_int_equal(b.len, strlen(buf_str(&b))); /* no zero bytes */
    assert_true((strstr(buf_str(&b), text) != NULL) == expect);
}

static void position_is(struct sink *s, const char *expect)
{
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    struct err e = ERR_INIT;
    assert_true(s->ops->position(s, "k", "-", &b, &e));
    assert_string_equal(buf_str(&b), expect);
}

static void a_foreign_file_is_refused_and_stays(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    assert_true(sys_write_file_atomic(other, "precious\n", 9, 0644, &e));
    assert_null(sink_find("file")->open(other, OPTIONS, NULL, &e));
    assert_int_equal(e.code, ERR_SINK_CONFIG);
    holds(other, "precious\n", true);
    assert_int_equal(symlink(other, path), 0);
    assert_null(sink_find("file")->open(path, OPTIONS, NULL, &e));
    holds(other, "precious\n", true);
    assert_null(sink_find("file")->open(folder, OPTIONS, NULL, &e));
}

static void what_was_not_acknowledged_is_cut_off(void **state)
{
    (void)state;
    struct sink *s = open_sink();
    publish(s, "{\"n\":1}", "one");
    s->ops->close(s);
    FILE *f = fopen(path, "a");
    assert_non_null(f);
    fputs("{\"n\":2}\n", f);
    fclose(f);
    s = open_sink();
    position_is(s, "one");
    holds(path, "{\"n\":2}", false);
    s->ops->close(s);
}

static void a_renamed_file_is_left_and_a_new_one_made(void **state)
{
    (void)state;
    struct sink *s = open_sink();
    publish(s, "{\"n\":1}", "one");
    assert_int_equal(rename(path, other), 0);
    publish(s, "{\"n\":2}", "two");
    holds(other, "{\"n\":2}", false);
    holds(path, "{\"n\":2}", true);
    position_is(s, "two");
    assert_int_equal(unlink(path), 0);
    publish(s, "{\"n\":3}", "three");
    holds(path, "{\"n\":3}", true);
    s->ops->close(s);
}

static void a_file_that_was_emptied_has_no_hole(void **state)
{
    (void)state;
    struct sink *s = open_sink();
    publish(s, "{\"n\":1}", "one");
    assert_int_equal(truncate(path, 0), 0);
    publish(s, "{\"n\":2}", "two");
    holds(path, "{\"n\":2}", true);
    s->ops->close(s);
    s = open_sink();
    position_is(s, "two");
    s->ops->close(s);
}

static void a_record_cannot_say_how_far_the_stream_is(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    struct sink *s = open_sink();
    publish(s, "{\"n\":1}", "one");
    assert_false(write_line(s,
                            "{\"n\":\n{\"op\":\"position\",\"sink\":\"s\",\"keyspace\":\"k\","
                            "\"shard\":\"-\",\"position\":\"forged\"}\n}",
                            &e));
    assert_int_equal(e.code, ERR_SINK_RECORD);
    assert_false(write_line(s,
                            "{\"op\":\"position\",\"sink\":\"s\",\"keyspace\":\"k\","
                            "\"shard\":\"-\",\"position\":\"forged\"}",
                            &e));
    publish(s, "{\"n\":2}", "two");
    position_is(s, "two");
    s->ops->close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_foreign_file_is_refused_and_stays, clear),
        cmocka_unit_test_teardown(what_was_not_acknowledged_is_cut_off, clear),
        cmocka_unit_test_teardown(a_renamed_file_is_left_and_a_new_one_made, clear),
        cmocka_unit_test_teardown(a_file_that_was_emptied_has_no_hole, clear),
        cmocka_unit_test_teardown(a_record_cannot_say_how_far_the_stream_is, clear),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
