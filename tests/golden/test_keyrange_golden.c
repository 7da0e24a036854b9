/* tests/golden/test_keyrange_golden.c — our key ranges against the results of Vitess' go/vt/key. */
#include "schemas/sharding/keyrange.h"
#include "tests/support/fixtures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct keyrange range_of(const char *text)
{
    struct keyrange r;
    struct err e = ERR_INIT;
    bool everything = strcmp(text, "nil") == 0 || !*text;
    if (!keyrange_parse_unordered(everything ? "-" : text, &r, &e))
        fail_msg("%s: %s", text, e.text);
    return r;
}

/* An id is the start of the range "id-". */
static struct ksid id_of(const char *hex)
{
    char text[2 * KSID_MAX + 2];
    snprintf(text, sizeof text, "%s-", hex);
    struct keyrange r = range_of(text);
    struct ksid id = {.n = r.start_len};
    memcpy(id.bytes, r.start, r.start_len);
    return id;
}

static void put_bool(struct buf *out, bool value)
{
    buf_put_str(out, value ? "true" : "false");
}

/* As written: "00-" is not shortened to "-". */
static bool put_bounds(struct buf *out, const struct keyrange *r)
{
    buf_put_hex(out, r->start, r->start_len);
    buf_put_u8(out, '-');
    return buf_put_hex(out, r->end, r->end_len);
}

static bool generate(const char *count, const char *digits, struct buf *out)
{
    struct buf lines CLEANUP(buf_fini) = BUF_INIT;
    int n = (int)strtol(count, NULL, 10), width = (int)strtol(digits, NULL, 10);
    if (n < 0 || !keyrange_generate_digits((unsigned)n, (unsigned)width, &lines, NULL))
        return buf_put_str(out, "ERR: ");
    char *at = (char *)lines.data, *line;
    size_t i = 0;
    if (n > 32)
        buf_printf(out, "%d ranges: ", n);
    while (at && *at && (line = strsep(&at, "\n"))) {
        size_t place = i++;
        bool shown = n <= 32 || place < 4 || place + 3 >= (size_t)n;
        if (shown && place > 0 && buf_str(out)[out->len - 1] != ' ')
            buf_put_u8(out, ',');
        if (shown)
            buf_put_str(out, line);
        if (n > 32 && place == 3)
            buf_put_str(out, " ... ");
    }
    return true;
}

static bool two_ranges(const char *function, const char *a_text, const char *b_text,
                       struct buf *out)
{
    if (strncmp(function, "KeyRange", 8) != 0 || strcmp(function, "KeyRangeContains") == 0)
        return false;
    struct keyrange a = range_of(a_text), b = range_of(b_text), joined;
    const char *what = function + 8;
    if (strcmp(what, "ContainsKeyRange") == 0)
        put_bool(out, keyrange_contains_range(&a, &b));
    else if (strcmp(what, "Equal") == 0)
        put_bool(out, keyrange_equal(&a, &b));
    else if (strcmp(what, "Intersect") == 0)
        put_bool(out, keyrange_intersects(&a, &b));
    else if (strcmp(what, "Less") == 0)
        put_bool(out, keyrange_compare(&a, &b) < 0);
    else if (strcmp(what, "Compare") == 0)
        buf_put_i64(out, keyrange_compare(&a, &b));
    else if (strcmp(what, "StartCompare") == 0)
        buf_put_i64(out, keyrange_compare_starts(&a, &b));
    else if (strcmp(what, "EndCompare") == 0)
        buf_put_i64(out, keyrange_compare_ends(&a, &b));
    else if (strcmp(what, "Contiguous") == 0 &&
             keyrange_compare_ids(a.end, a.end_len, NULL, 0) != 0)
        put_bool(out, keyrange_contiguous(&a, &b)); /* Vitess lets "80-" touch "-80"; we do not */
    else if (strcmp(what, "Add") == 0 && keyrange_add(&a, &b, &joined))
        put_bounds(out, &joined);
    else if (strcmp(what, "Add") == 0)
        put_bool(out, false);
    return out->len > 0;
}

static bool one_range(const char *function, const char *text, struct buf *out)
{
    if (strcmp(function, "KeyRangeIsComplete") != 0 && strcmp(function, "KeyRangeIsPartial") != 0 &&
        strcmp(function, "KeyRangeString") != 0)
        return false;
    struct keyrange r = range_of(text);
    if (strcmp(function, "KeyRangeString") == 0)
        keyrange_print(&r, out);
    else
        put_bool(out, keyrange_is_full(&r) == (strcmp(function, "KeyRangeIsComplete") == 0));
    return true;
}

static bool ids(const char *function, const char *a, const char *b, struct buf *out)
{
    if (strcmp(function, "Compare") == 0) {
        struct ksid left = id_of(a), right = id_of(b);
        return buf_put_i64(out, keyrange_compare_ids(left.bytes, left.n, right.bytes, right.n));
    }
    if (strcmp(function, "Empty") == 0) {
        struct ksid id = id_of(a);
        put_bool(out, keyrange_compare_ids(id.bytes, id.n, NULL, 0) == 0);
        return true;
    }
    if (strcmp(function, "KeyRangeContains") != 0)
        return false;
    struct keyrange r = range_of(a);
    struct ksid id = id_of(b);
    put_bool(out, keyrange_contains(&r, &id));
    return true;
}

/* Shard names that Vitess takes for an unsharded keyspace ("1", "a") are refused by us, save "0".
 */
static bool shard_name(const char *function, const char *name, struct buf *out)
{
    struct keyrange r;
    if (strcmp(function, "ValidateShardName") != 0 || (*name && !strchr(name, '-')))
        return false;
    if (!keyrange_parse(name, &r, NULL))
        return buf_put_str(out, "ERR: ");
    buf_printf(out, "%s|", name);
    return put_bounds(out, &r);
}

/* The shards of a list that satisfy a test, joined by ','. */
static void matching(const char *list, const struct keyrange *wanted, const struct ksid *id,
                     struct buf *out)
{
    char copy[64];
    snprintf(copy, sizeof copy, "%s", list);
    copy[strcspn(copy, " ")] = 0; /* "-80 only" */
    char *at = copy, *name;
    while ((name = strsep(&at, ","))) {
        struct keyrange shard = range_of(name);
        if (id ? !keyrange_contains(&shard, id) : !keyrange_intersects(&shard, wanted))
            continue;
        buf_printf(out, "%s%s", out->len ? "," : "", name);
        if (id)
            return;
    }
    if (id)
        buf_put_str(out, "ERR: ");
}

static bool destination(const char *function, const char *list, const char *arg, struct buf *out)
{
    bool by_id = strcmp(function, "GetShardForKeyspaceID") == 0;
    if (!by_id && strcmp(function, "DestinationKeyRange.Resolve") != 0)
        return false;
    struct ksid id = {.n = 0};
    struct keyrange range = {.start_len = 0};
    if (by_id)
        id = id_of(arg);
    else
        range = range_of(arg);
    matching(list, &range, by_id ? &id : NULL, out);
    return true;
}

static bool evaluate(char *const f[FIXTURE_FIELDS], struct buf *out)
{
    if (strcmp(f[0], "GenerateShardRanges") == 0)
        return generate(f[1], f[2], out);
    return one_range(f[0], f[1], out) || two_ranges(f[0], f[1], f[2], out) ||
           ids(f[0], f[1], f[2], out) || shard_name(f[0], f[1], out) ||
           destination(f[0], f[1], f[2], out);
}

static void every_applicable_line_gives_the_result_of_vitess(void **state)
{
    (void)state;
    struct buf text CLEANUP(buf_fini) = BUF_INIT;
    if (!fixture_read("golden/vitess/keyrange-golden.tsv", &text))
        skip();
    char *at = (char *)text.data, *f[FIXTURE_FIELDS];
    size_t checked = 0, others = 0;
    while (fixture_next_line(&at, f)) {
        struct buf got CLEANUP(buf_fini) = BUF_INIT;
        if (f[0][0] == '#')
            continue;
        if (!evaluate(f, &got)) {
            others++;
            continue;
        }
        bool refused = strncmp(f[3], "ERR: ", 5) == 0;
        if (refused ? strncmp(buf_str(&got), "ERR: ", 5) != 0 : strcmp(buf_str(&got), f[3]) != 0)
            fail_msg("%s(%s, %s): expected %s, got %s", f[0], f[1], f[2], f[3], buf_str(&got));
        checked++;
    }
    printf("keyrange-golden.tsv: %zu lines equal, %zu of other functions\n", checked, others);
    assert_true(checked > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_applicable_line_gives_the_result_of_vitess),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
