/* tests/golden/test_vindex_golden.c — our vindexes against keyspace ids that Vitess computed. */
#include "base/mem.h"
#include "schemas/sharding/unicode_loose.h"
#include "schemas/sharding/vindex_line.h"
#include "tests/support/fixtures.h"
#include <unistd.h>
#include <xxhash.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Without the table of weights, the build refuses these by name (tests/unit/test_schemas_vindex.c). */
static bool is_applicable(const char *type, const char *params)
{
    return unicode_loose_available() ||
           (strstr(type, "unicode_loose") == NULL && strstr(params, "unicode_loose") == NULL);
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

/* region_json names its map by a path relative to the vectors. */
static void enter_fixtures(void)
{
    const char *root = getenv("SLUICE_FIXTURES");
    char path[1024];
    snprintf(path, sizeof path, "%s/golden/vitess", root && *root ? root : "../shared/fixtures");
    assert_int_equal(chdir(path), 0);
}

static void every_line_gives_the_keyspace_id_of_vitess(void **state)
{
    (void)state;
    struct buf text CLEANUP(buf_fini) = BUF_INIT;
    char here[4096]; /* not allocated: skip() jumps past cleanups */
    assert_non_null(getcwd(here, sizeof here));
    if (!fixture_read("golden/vitess/vindex-golden.tsv", &text))
        skip();
    enter_fixtures();
    char *at = (char *)text.data, *fields[FIXTURE_FIELDS];
    size_t checked = 0, others = 0;
    while (fixture_next_line(&at, fields)) {
        if (fields[0][0] == '#')
            continue;
        if (is_applicable(fields[0], fields[1])) {
            check_line(fields);
            checked++;
        } else {
            others++;
        }
    }
    assert_int_equal(chdir(here), 0);
    if (others > 0)
        printf("skipped: %zu lines of unicode_loose_*: built without their weights\n", others);
    printf("vindex-golden.tsv: %zu lines equal\n", checked);
    assert_true(checked > 2500);
}

/* ---- every code point of Unicode ---- */

static size_t put_utf8(uint32_t point, uint8_t out[4])
{
    if (point < 0x80) {
        out[0] = (uint8_t)point;
        return 1;
    }
    size_t n = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, point >>= 6)
        out[i] = (uint8_t)(0x80 | (point & 0x3f));
    out[0] = (uint8_t)(point | (0xf00u >> n & 0xff));
    return n;
}

/* A line holds the hash of the ids of a block's 256 characters, and the first id. */
static void check_block(char *const f[FIXTURE_FIELDS], const struct vindex *v)
{
    struct buf ids CLEANUP(buf_fini) = BUF_INIT, first CLEANUP(buf_fini) = BUF_INIT;
    struct err e = ERR_INIT;
    uint32_t start = (uint32_t)strtoul(f[0], NULL, 16);
    for (uint32_t point = start; point < start + 256; point++) {
        uint8_t utf8[4];
        if (point >= 0xd800 && point <= 0xdfff)
            continue;
        struct vindex_input in = {.kind = VINDEX_IN_BYTES, .p = utf8, .n = put_utf8(point, utf8)};
        assert_int_equal(vindex_map_buf(v, &in, 1, &ids, &e), VINDEX_KSID);
    }
    buf_put_hex(&first, ids.data, 8);
    char hash[17];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)XXH64(ids.data, ids.len, 0));
    if (strcmp(buf_str(&first), f[2]) != 0 || strcmp(hash, f[1]) != 0)
        fail_msg("U+%s: expected %s %s, got %s %s", f[0], f[1], f[2], hash, buf_str(&first));
}

static void every_character_has_the_weight_of_vitess(void **state)
{
    (void)state;
    struct buf text CLEANUP(buf_fini) = BUF_INIT;
    struct err e = ERR_INIT;
    if (!unicode_loose_available()) {
        printf("skipped: built without the weights of unicode_loose_*\n");
        skip();
    }
    if (!fixture_read("golden/vitess/unicode-sweep-golden.tsv", &text))
        skip();
    struct vindex *v = vindex_new("v", "unicode_loose_xxhash", NULL, &e);
    char *at = (char *)text.data, *fields[FIXTURE_FIELDS];
    size_t checked = 0;
    while (fixture_next_line(&at, fields)) {
        if (fields[0][0] != '#') {
            check_block(fields, v);
            checked++;
        }
    }
    vindex_free(v);
    printf("unicode-sweep-golden.tsv: %zu blocks equal\n", checked);
    assert_true(checked > 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_gives_the_keyspace_id_of_vitess),
        cmocka_unit_test(every_character_has_the_weight_of_vitess),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
