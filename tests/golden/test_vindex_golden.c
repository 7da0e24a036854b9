/* tests/golden/test_vindex_golden.c — our vindexes against keyspace ids that Vitess computed. */
#include "schemas/sharding/vindex_line.h"
#include "tests/support/fixtures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *bare_type(const char *type)
{
    const char *colon = strchr(type, ':');
    return colon ? colon + 1 : type;
}

static bool is_applicable(const char *type)
{
    static const char *const ours[] = {"hash",       "xxhash",       "numeric", "binary",
                                       "binary_md5", "reverse_bits", "null",    "nosuch"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (strcmp(bare_type(type), ours[i]) == 0)
            return true;
    return false;
}

/* Refusals have our own words. */
static bool same_result(const char *expected, const char *got)
{
    if (strncmp(expected, "ERR: ", 5) == 0)
        return strncmp(got, "ERR: ", 5) == 0;
    if (strncmp(expected, "CREATE-ERR: ", 12) == 0)
        return strncmp(got, "CREATE-ERR: ", 12) == 0;
    return strcmp(expected, got) == 0;
}

static void check_line(char *const f[FIXTURE_FIELDS])
{
    struct buf line CLEANUP(buf_fini) = BUF_INIT, got CLEANUP(buf_fini) = BUF_INIT;
    struct err e = ERR_INIT;
    buf_printf(&line, "%s\t%s\t%s\t%s", f[0], f[1], f[2], f[3]);
    if (!vindex_line_eval(buf_str(&line), &got, &e))
        fail_msg("%s: %s", buf_str(&line), e.text);
    if (!same_result(f[4], buf_str(&got)))
        fail_msg("%s: expected %s, got %s", buf_str(&line), f[4], buf_str(&got));
}

static void every_applicable_line_gives_the_keyspace_id_of_vitess(void **state)
{
    (void)state;
    struct buf text CLEANUP(buf_fini) = BUF_INIT;
    if (!fixture_read("golden/vitess/vindex-golden.tsv", &text))
        skip();
    char *at = (char *)text.data, *fields[FIXTURE_FIELDS];
    size_t checked = 0, others = 0;
    while (fixture_next_line(&at, fields)) {
        if (fields[0][0] == '#')
            continue;
        if (is_applicable(fields[0])) {
            check_line(fields);
            checked++;
        } else {
            others++;
        }
    }
    printf("vindex-golden.tsv: %zu lines equal, %zu of other vindexes\n", checked, others);
    assert_true(checked > 1500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_applicable_line_gives_the_keyspace_id_of_vitess),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
