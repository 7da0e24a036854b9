/* schemas/sharding/keyrange.c — shard names as key ranges, their order and their equal division.
 *
 * Rules are those of Vitess' go/vt/key: ids compare bytewise without their trailing zero bytes, an
 * empty (or all-zero) start is the lowest id, an empty (or all-zero) end lies beyond the highest.
 */
#include "schemas/sharding/keyrange.h"
#include "base/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { GENERATE_MAX = 65536 };

static size_t significant_len(const uint8_t *p, size_t n)
{
    while (n > 0 && p[n - 1] == 0)
        n--;
    return n;
}

int keyrange_compare_ids(const uint8_t *a, size_t na, const uint8_t *b, size_t nb)
{
    na = significant_len(a, na);
    nb = significant_len(b, nb);
    size_t common = na < nb ? na : nb;
    int order = common ? memcmp(a, b, common) : 0;
    if (order != 0)
        return order < 0 ? -1 : 1;
    return na < nb ? -1 : na > nb;
}

static bool start_is_lowest(const struct keyrange *r)
{
    return significant_len(r->start, r->start_len) == 0;
}

static bool end_is_highest(const struct keyrange *r)
{
    return significant_len(r->end, r->end_len) == 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool parse_bound(const char *name, const char *hex, size_t n, uint8_t *out, uint8_t *out_len,
                        struct err *e)
{
    if (n % 2 != 0 || n / 2 > KSID_MAX)
        return err_set(e, ERR_KEYRANGE, "%s: a boundary has %zu hex digits", name, n);
    for (size_t i = 0; i < n; i += 2) {
        int high = hex_digit(hex[i]), low = hex_digit(hex[i + 1]);
        if (high < 0 || low < 0)
            return err_set(e, ERR_KEYRANGE, "%s: a boundary is not hexadecimal", name);
        out[i / 2] = (uint8_t)(high << 4 | low);
    }
    *out_len = (uint8_t)(n / 2);
    return true;
}

bool keyrange_parse_unordered(const char *text, struct keyrange *out, struct err *e)
{
    *out = (struct keyrange){.start_len = 0};
    if (strcmp(text, "0") == 0)
        return true;
    const char *dash = strchr(text, '-');
    if (!dash || strchr(dash + 1, '-'))
        return err_set(e, ERR_KEYRANGE, "'%.100s' is not a key range such as -80 or 40-80", text);
    return parse_bound(text, text, (size_t)(dash - text), out->start, &out->start_len, e) &&
           parse_bound(text, dash + 1, strlen(dash + 1), out->end, &out->end_len, e);
}

bool keyrange_parse(const char *name, struct keyrange *out, struct err *e)
{
    if (!keyrange_parse_unordered(name, out, e))
        return false;
    if (end_is_highest(out) ||
        keyrange_compare_ids(out->start, out->start_len, out->end, out->end_len) < 0)
        return true;
    return err_set(e, ERR_KEYRANGE, "%s: the start is not smaller than the end", name);
}

void keyrange_print(const struct keyrange *r, struct buf *out)
{
    if (keyrange_is_full(r)) {
        buf_put_u8(out, '-');
        return;
    }
    buf_put_hex(out, r->start, r->start_len);
    buf_put_u8(out, '-');
    buf_put_hex(out, r->end, r->end_len);
}

bool keyrange_contains(const struct keyrange *r, const struct ksid *id)
{
    return (start_is_lowest(r) ||
            keyrange_compare_ids(id->bytes, id->n, r->start, r->start_len) >= 0) &&
           (end_is_highest(r) || keyrange_compare_ids(id->bytes, id->n, r->end, r->end_len) < 0);
}

bool keyrange_intersects(const struct keyrange *a, const struct keyrange *b)
{
    return (end_is_highest(a) ||
            keyrange_compare_ids(b->start, b->start_len, a->end, a->end_len) < 0) &&
           (end_is_highest(b) ||
            keyrange_compare_ids(a->start, a->start_len, b->end, b->end_len) < 0);
}

bool keyrange_contains_range(const struct keyrange *outer, const struct keyrange *inner)
{
    return keyrange_compare_starts(outer, inner) <= 0 && keyrange_compare_ends(outer, inner) >= 0;
}

int keyrange_compare_starts(const struct keyrange *a, const struct keyrange *b)
{
    return keyrange_compare_ids(a->start, a->start_len, b->start, b->start_len);
}

int keyrange_compare_ends(const struct keyrange *a, const struct keyrange *b)
{
    bool a_open = end_is_highest(a), b_open = end_is_highest(b);
    if (a_open || b_open)
        return a_open - b_open;
    return keyrange_compare_ids(a->end, a->end_len, b->end, b->end_len);
}

int keyrange_compare(const struct keyrange *a, const struct keyrange *b)
{
    int starts = keyrange_compare_starts(a, b);
    return starts != 0 ? starts : keyrange_compare_ends(a, b);
}

bool keyrange_equal(const struct keyrange *a, const struct keyrange *b)
{
    return keyrange_compare(a, b) == 0;
}

bool keyrange_is_full(const struct keyrange *r)
{
    return start_is_lowest(r) && end_is_highest(r);
}

bool keyrange_contiguous(const struct keyrange *a, const struct keyrange *b)
{
    return !end_is_highest(a) &&
           keyrange_compare_ids(a->end, a->end_len, b->start, b->start_len) == 0;
}

static void join_ranges(const struct keyrange *low, const struct keyrange *high,
                        struct keyrange *out)
{
    struct keyrange joined = *low;
    memcpy(joined.end, high->end, sizeof joined.end);
    joined.end_len = high->end_len;
    *out = joined;
}

bool keyrange_add(const struct keyrange *a, const struct keyrange *b, struct keyrange *out)
{
    if (keyrange_contiguous(a, b))
        join_ranges(a, b, out);
    else if (keyrange_contiguous(b, a))
        join_ranges(b, a, out);
    else
        return false;
    return true;
}

static const struct keyrange *lowest_after(const struct keyrange *set, size_t n,
                                           const struct keyrange *previous)
{
    const struct keyrange *found = NULL;
    for (size_t i = 0; i < n; i++)
        if ((!previous || keyrange_compare(&set[i], previous) > 0) &&
            (!found || keyrange_compare(&set[i], found) < 0))
            found = &set[i];
    return found;
}

/* The one range that a set without gap, overlap and repetition makes up. */
static bool join_set(const struct keyrange *set, size_t n, struct keyrange *whole)
{
    const struct keyrange *last = lowest_after(set, n, NULL);
    if (!last)
        return false;
    *whole = *last;
    for (size_t i = 1; i < n; i++) {
        const struct keyrange *next = lowest_after(set, n, last);
        if (!next || !keyrange_contiguous(last, next))
            return false;
        join_ranges(whole, next, whole);
        last = next;
    }
    return true;
}

bool keyrange_sets_equal(const struct keyrange *a, size_t na, const struct keyrange *b, size_t nb)
{
    struct keyrange whole_a, whole_b;
    return join_set(a, na, &whole_a) && join_set(b, nb, &whole_b) &&
           keyrange_equal(&whole_a, &whole_b);
}

/* The range that begins at an end that others reach and that reaches furthest itself; marks all
 * that can be reached from the lowest keyspace id. */
static const struct keyrange *furthest(const struct keyrange *set, size_t n, bool *reached)
{
    const struct keyrange *last = NULL;
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < n; i++) {
            bool next = start_is_lowest(&set[i]);
            for (size_t k = 0; k < n && !next; k++)
                next = reached[k] && keyrange_contiguous(&set[k], &set[i]);
            if (!next || reached[i])
                continue;
            reached[i] = more = true;
            if (!last || keyrange_compare_ends(last, &set[i]) < 0)
                last = &set[i];
        }
    }
    return last;
}

bool keyrange_covers_all(const struct keyrange *set, size_t n, struct buf *why)
{
    bool *reached = mem_calloc(n + 1, sizeof *reached);
    const struct keyrange *last = furthest(set, n, reached);
    free(reached);
    if (last && end_is_highest(last))
        return true;
    if (!last) {
        buf_put_str(why, "no range begins at the lowest keyspace id");
        return false;
    }
    buf_put_str(why, "no range begins where ");
    keyrange_print(last, why);
    buf_put_str(why, " ends");
    return false;
}

bool keyrange_is_partition(const struct keyrange *set, size_t n, struct buf *why)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = i + 1; k < n; k++) {
            if (!keyrange_intersects(&set[i], &set[k]))
                continue;
            keyrange_print(&set[i], why);
            buf_put_str(why, " and ");
            keyrange_print(&set[k], why);
            buf_put_str(why, " overlap");
            return false;
        }
    }
    return keyrange_covers_all(set, n, why);
}

bool keyrange_generate_digits(unsigned n, unsigned hex_digits, struct buf *out, struct err *e)
{
    if (n == 0 || n > GENERATE_MAX)
        return err_set(e, ERR_KEYRANGE, "the number of shards must be from 1 to %d", GENERATE_MAX);
    if (hex_digits == 0)
        hex_digits = n <= 256 ? 2 : 4;
    if (hex_digits != 2 && hex_digits != 4)
        return err_set(e, ERR_KEYRANGE, "a boundary has 2 or 4 hex digits, not %u", hex_digits);
    uint64_t ids = hex_digits == 2 ? 256 : 65536;
    if (n > ids)
        return err_set(e, ERR_KEYRANGE, "%u shards need more than %u hex digits", n, hex_digits);
    for (uint64_t i = 0; i < n; i++) {
        if (i > 0)
            buf_printf(out, "%0*x", (int)hex_digits, (unsigned)(i * ids / n));
        buf_put_u8(out, '-');
        if (i + 1 < n)
            buf_printf(out, "%0*x", (int)hex_digits, (unsigned)((i + 1) * ids / n));
        buf_put_u8(out, '\n');
    }
    return !out->failed || err_set(e, ERR_LIMIT, "the list of key ranges is too long");
}

bool keyrange_generate(unsigned n, struct buf *out, struct err *e)
{
    return keyrange_generate_digits(n, 0, out, e);
}
