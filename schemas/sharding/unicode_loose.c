/* schemas/sharding/unicode_loose.c — from text to primary weights, by the table that the build made
 * (tools/gen_unicode_weights); and the vindexes unicode_loose_md5 and unicode_loose_xxhash.
 *
 * The steps are x/text's, whose results Vitess has stored in keyspace ids:
 *   1. The longest contraction at a place gives its elements, another character its own. Marks may
 *      stand between the parts of a contraction if none of them has the next part's combining
 *      class or a higher one; they come after it.
 *   2. Elements whose combining class is not 0 are sorted by it, up to 30 in a row.
 *   3. Of each element the primary weight counts, unless it is 0.
 *
 * An entry of the table: 0 — an implicit weight, or a Hangul syllable; kind 1 — one element (weight
 * and class); kind 2 — a sequence (offset, length); kind 3 — the beginning of contractions (their
 * offset in uw_contracted, first node, number of nodes).
 */
#include "schemas/sharding/unicode_loose.h"
#include "base/mem.h"
#include "schemas/charset.h"
#include "schemas/sharding/vindex_internal.h"
#include <assert.h>
#include <string.h>

enum {
    MARKS_SORTED_MAX = 30, /* x/text's limits */
    MARKS_SEGMENT_MAX = 30,
    ELEMENTS_MAX = 1024 /* 31 that wait, a contraction's, and 18 of each mark in between */
};

struct uw_node {
    uint8_t low, high, n, number;
};
struct uw_mark {
    uint32_t point;
    uint8_t lead, trail, n_lead; /* classes of the decomposition's ends, marks at its beginning */
};
struct uw_range {
    uint32_t low, high;
};

#ifdef SLUICE_UNICODE_WEIGHTS
#include SLUICE_UNICODE_WEIGHTS /* made by the build */
static const bool available = true;
#else
static const bool available = false;
static const uint16_t uw_pages[0x110000 >> 6] = {0};
static const uint32_t uw_entries[64] = {0}, uw_elements[1] = {0}, uw_contracted[1] = {0};
static const struct uw_node uw_nodes[1] = {{0, 0, 0, 0}};
static const struct uw_mark uw_marks[1] = {{0, 0, 0, 0}};
static const struct uw_range uw_ideographs[1] = {{1, 0}};
#endif

bool unicode_loose_available(void)
{
    return available;
}

struct span {
    const uint8_t *p;
    size_t n;
};

struct elements {
    uint32_t items[ELEMENTS_MAX];
    size_t n;
};

static uint32_t weight_of(uint32_t element)
{
    return element & 0x1fffff;
}

static unsigned class_of(uint32_t element)
{
    return element >> 21 & 0xff;
}

static void add_element(struct elements *out, uint32_t element)
{
    assert(out->n < ELEMENTS_MAX); /* see ELEMENTS_MAX */
    if (out->n < ELEMENTS_MAX)
        out->items[out->n++] = element;
}

/* Kinds 1 and 2. */
static void add_entry(struct elements *out, uint32_t entry)
{
    if (entry >> 30 == 1) {
        add_element(out, entry & 0x1fffffff);
        return;
    }
    for (uint32_t i = 0, at = entry >> 8 & 0x3fffff; i < (entry & 0xff); i++)
        add_element(out, uw_elements[at + i]);
}

static uint32_t entry_of(uint32_t point)
{
    return uw_entries[(size_t)uw_pages[point >> 6] * 64 + (point & 63)];
}

/* The first character of valid UTF-8. */
static uint32_t first_point(struct span s, size_t *size)
{
    uint8_t c = s.p[0];
    *size = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    uint32_t point = *size == 1 ? c : c & (0x7fu >> *size);
    for (size_t i = 1; i < *size; i++)
        point = point << 6 | (s.p[i] & 0x3fu);
    return point;
}

static bool is_ideograph(uint32_t point)
{
    for (size_t i = 0; i < sizeof uw_ideographs / sizeof uw_ideographs[0]; i++)
        if (point >= uw_ideographs[i].low && point <= uw_ideographs[i].high)
            return true;
    return false;
}

static uint32_t implicit_weight(uint32_t point)
{
    if (!is_ideograph(point))
        return point + 0x50000;
    bool common = (point >= 0x4e00 && point <= 0x9fff) || (point >= 0xf900 && point <= 0xfaff);
    return point + (common ? 0x10000 : 0x20000);
}

/* What has no entry: a Hangul syllable is its two or three letters, the others are numbered. */
static void add_implicit(struct elements *out, uint32_t point)
{
    enum { SYLLABLES = 0xac00, LEADS = 0x1100, VOWELS = 0x1161, TRAILS = 0x11a7 };
    if (point < SYLLABLES || point > 0xd7a3) {
        add_element(out, implicit_weight(point));
        return;
    }
    uint32_t number = point - SYLLABLES;
    add_entry(out, entry_of(LEADS + number / (21 * 28)));
    add_entry(out, entry_of(VOWELS + number / 28 % 21));
    if (number % 28 != 0)
        add_entry(out, entry_of(TRAILS + number % 28));
}

static struct uw_mark mark_of(uint32_t point)
{
    size_t low = 0, high = sizeof uw_marks / sizeof uw_marks[0];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (uw_marks[middle].point < point)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < sizeof uw_marks / sizeof uw_marks[0] && uw_marks[low].point == point)
        return uw_marks[low];
    return (struct uw_mark){.point = point};
}

/* ---- contractions ---- */

struct scan {
    struct span s;
    size_t nodes, n;    /* where the next character is looked for */
    size_t number, end; /* the longest match so far, and the bytes of s up to its end */
    bool done;
};

static bool begins_character(struct span s, size_t p)
{
    return p >= s.n || (s.p[p] & 0xc0) != 0x80;
}

/* Matches from p on; what is returned is where the last whole character of a match ends. */
static size_t scan_from(struct scan *x, size_t p)
{
    size_t reached = p, nodes = x->nodes, n = x->n;
    for (size_t i = 0; i < n && p < x->s.n;) {
        const struct uw_node *node = &uw_nodes[nodes + i];
        uint8_t c = x->s.p[p];
        if (c == node->low) {
            p++;
            if (node->number != 0xff) {
                x->number = node->number;
                x->end = p;
            }
            if (node->n == 0) {
                x->done = true;
                return p;
            }
            nodes += node->high + n;
            n = node->n;
            i = 0;
            if (begins_character(x->s, p)) {
                x->nodes = nodes;
                x->n = n;
                reached = p;
            }
        } else if (c > node->low && node->n == 0 && c <= node->high) {
            x->done = true;
            x->number = (size_t)(c - node->low) + node->number;
            x->end = ++p;
            return p;
        } else {
            i++;
        }
    }
    return reached;
}

/* How many bytes belong to the marks at the beginning of s; a segment has at most 30. */
static size_t marks_end(struct span s)
{
    size_t at = 0, size;
    unsigned marks = 0;
    while (at < s.n) {
        struct uw_mark mark = mark_of(first_point((struct span){s.p + at, s.n - at}, &size));
        marks += mark.n_lead;
        if (mark.n_lead == 0 || marks > MARKS_SEGMENT_MAX)
            break;
        at += size;
    }
    return at;
}

static struct span rest_of(struct span s, size_t from)
{
    return (struct span){s.p + from, s.n - from};
}

/* The contraction goes on behind marks that do not block it, which are kept in `between`. p: where
 * the match without gaps ended. */
static void scan_behind_marks(struct scan *x, struct span suffix, size_t p, struct buf *between)
{
    size_t size, kept = 0, from = p;
    struct uw_mark mark = mark_of(first_point(rest_of(suffix, p), &size));
    p += size;
    if (mark.lead == 0)
        return;
    unsigned class_before = mark.trail;
    x->s.n = p + marks_end(rest_of(suffix, p));
    while (p < suffix.n && !x->done && suffix.p[p] >= 0x80) {
        mark = mark_of(first_point(rest_of(suffix, p), &size));
        if (mark.lead == 0 || class_before >= mark.lead)
            break;
        class_before = mark.trail;
        size_t matched = scan_from(x, p);
        if (matched == p) {
            p += size;
            continue;
        }
        buf_put(between, suffix.p + from, p - from);
        if (x->end == matched)
            kept = between->len;
        p = from = matched;
    }
    between->len = kept;
}

static size_t add_next(struct elements *out, struct span s);

/* suffix: what follows the character that begins the contraction. The bytes of it that were used.
 */
static size_t add_contraction(struct elements *out, uint32_t entry, struct span suffix)
{
    struct buf between CLEANUP(buf_fini) = BUF_INIT;
    struct scan x = {.s = suffix, .nodes = entry >> 4 & 0xfff, .n = entry & 15};
    size_t p = scan_from(&x, 0);
    if (!x.done && p < suffix.n && suffix.p[p] >= 0x80)
        scan_behind_marks(&x, suffix, p, &between);
    add_entry(out, uw_contracted[(entry >> 16 & 0x1fff) + x.number]);
    struct span marks = {(const uint8_t *)buf_str(&between), between.len};
    while (marks.n > 0)
        marks = rest_of(marks, add_next(out, marks));
    return x.end;
}

/* The elements at the beginning of s; the bytes that gave them. */
static size_t add_next(struct elements *out, struct span s)
{
    size_t size;
    uint32_t point = first_point(s, &size), entry = entry_of(point);
    if (entry == 0)
        add_implicit(out, point);
    else if (entry >> 30 < 3)
        add_entry(out, entry);
    else
        return size + add_contraction(out, entry, rest_of(s, size));
    return size;
}

/* ---- the order of elements ---- */

struct iter {
    struct span rest;
    struct elements e;
    size_t ready; /* the first ones, whose order is final */
};

static bool read_more(struct iter *it)
{
    if (it->rest.n == 0)
        return false;
    it->rest = rest_of(it->rest, add_next(&it->e, it->rest));
    return true;
}

/* The elements from p on go before those of a higher class. */
static void sort_in(struct iter *it, size_t p, unsigned class_)
{
    uint32_t moved[ELEMENTS_MAX];
    size_t end = it->e.n, n = end - p, to = p;
    memcpy(moved, it->e.items + p, n * sizeof moved[0]);
    for (to--; to > it->ready && class_ < class_of(it->e.items[to - 1]); to--)
        ;
    memmove(it->e.items + to + n, it->e.items + to, (p - to) * sizeof moved[0]);
    memcpy(it->e.items + to, moved, n * sizeof moved[0]);
}

static void sort_marks(struct iter *it, unsigned class_before)
{
    for (;;) {
        size_t p = it->e.n;
        if (!read_more(it)) {
            it->ready = it->e.n;
            return;
        }
        unsigned class_ = p < it->e.n ? class_of(it->e.items[p]) : 0;
        if (class_ == 0 || it->e.n - it->ready > MARKS_SORTED_MAX) {
            it->ready = p;
            return;
        }
        if (class_ < class_before)
            sort_in(it, p, class_);
        else
            class_before = class_;
    }
}

static bool next_ready(struct iter *it)
{
    while (it->e.n == 0)
        if (!read_more(it))
            return false;
    unsigned last = class_of(it->e.items[it->e.n - 1]);
    if (last == 0) {
        it->ready = it->e.n;
        return true;
    }
    if (class_of(it->e.items[0]) != 0) {
        sort_marks(it, last);
        return true;
    }
    for (it->ready = 1; it->ready < it->e.n && class_of(it->e.items[it->ready]) == 0;)
        it->ready++;
    return true;
}

static void put_weight(uint32_t weight, struct buf *out)
{
    if (weight == 0)
        return;
    if (weight <= 0x7fff)
        buf_put_be(out, weight, 2);
    else
        buf_put_be(out, weight | 0x800000, 3);
}

bool unicode_loose_weights(const uint8_t *p, size_t n, struct buf *out)
{
    if (!charset_is_valid_utf8(p, n))
        return false;
    while (n > 0 && p[n - 1] == ' ')
        n--;
    struct iter it;
    it.rest = (struct span){p, n};
    it.e.n = it.ready = 0;
    while (next_ready(&it)) {
        for (size_t i = 0; i < it.ready; i++)
            put_weight(weight_of(it.e.items[i]), out);
        it.e.n -= it.ready;
        memmove(it.e.items, it.e.items + it.ready, it.e.n * sizeof it.e.items[0]);
        it.ready = 0;
    }
    return true;
}

/* ---- vindexes ---- */

bool vindex_loose_refused(const struct vindex *v, struct err *e)
{
    err_set(e, ERR_VSCHEMA, "vindex %s: this program was built without the weights that %s needs",
            v->name, v->kind->type);
    return err_cure(e, "install Debian's package golang-golang-x-text-dev or run "
                       "tools/gen_unicode_weights --fetch, then configure and build anew");
}

static bool create_loose(struct vindex *v, const struct vindex_params *p, struct err *e)
{
    (void)p;
    return available || vindex_loose_refused(v, e);
}

static bool weights_of(const struct vindex *v, const struct vindex_input *in, struct buf *weights,
                       struct err *e)
{
    struct vindex_text t;
    vindex_input_text(in, &t);
    return unicode_loose_weights(t.p, t.n, weights) ||
           err_set(e, ERR_VINDEX, "vindex %s: the value is not UTF-8", v->name);
}

static enum vindex_result map_loose_md5(const struct vindex *v, const struct vindex_input *in,
                                        size_t n_in, struct buf *out, struct err *e)
{
    (void)n_in;
    struct buf weights CLEANUP(buf_fini) = BUF_INIT;
    if (!weights_of(v, in, &weights, e))
        return VINDEX_ERROR;
    return vindex_md5_id(v, buf_str(&weights), weights.len, out, e);
}

static enum vindex_result map_loose_xxhash(const struct vindex *v, const struct vindex_input *in,
                                           size_t n_in, struct buf *out, struct err *e)
{
    (void)n_in;
    struct buf weights CLEANUP(buf_fini) = BUF_INIT;
    if (!weights_of(v, in, &weights, e))
        return VINDEX_ERROR;
    vindex_xxhash(buf_str(&weights), weights.len, out);
    return VINDEX_KSID;
}

const struct vindex_kind vindex_kinds_loose[] = {
    {.type = "unicode_loose_md5",
     .params = vindex_no_params,
     .columns = 1,
     .create = create_loose,
     .map = map_loose_md5,
     .cost = 1,
     .hashing = true,
     .unique = true},
    {.type = "unicode_loose_xxhash",
     .params = vindex_no_params,
     .columns = 1,
     .create = create_loose,
     .map = map_loose_xxhash,
     .cost = 1,
     .hashing = true,
     .unique = true},
    {.type = NULL},
};
