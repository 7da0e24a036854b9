/* state/gtid.c — GTID sets as sorted arrays: intervals for each uuid and tag, one last GTID for
 * each domain.
 *
 * Invariants of a MySQL set: 1. sources sorted by uuid, then tag, none without intervals;
 * 2. intervals [start, end) sorted, not touching; 3. 1 ≤ start < end ≤ GNO_END.
 * Of a MariaDB set: domains sorted by id, one entry each.
 */
#include "state/gtid.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define GNO_END INT64_MAX /* MySQL: the largest gno is 2^63 − 2 */
#define TAG_MAX 32

struct interval {
    uint64_t start, end; /* end is exclusive */
};

struct source {
    uint8_t uuid[16];
    char tag[TAG_MAX + 1];
    struct interval *intervals;
    size_t n, cap;
};

struct gtid_set {
    enum gtid_flavor flavor;
    struct source *sources; /* MySQL */
    size_t n_sources, cap_sources;
    size_t last;          /* index of the source that was added to last: the likely next one */
    struct gtid *domains; /* MariaDB */
    size_t n_domains, cap_domains;
};

/* --- one GTID ------------------------------------------------------------------------------- */

static void print_uuid(const uint8_t *uuid, struct buf *out)
{
    static const unsigned char lengths[] = {4, 2, 2, 2, 6};
    for (size_t i = 0, at = 0; i < sizeof lengths; at += lengths[i++]) {
        if (i)
            buf_put_u8(out, '-');
        buf_put_hex(out, uuid + at, lengths[i]);
    }
}

static void print_mariadb(const struct gtid *g, struct buf *out)
{
    buf_put_u64(out, g->domain_id);
    buf_put_u8(out, '-');
    buf_put_u64(out, g->server_id);
    buf_put_u8(out, '-');
    buf_put_u64(out, g->seq);
}

void gtid_print(const struct gtid *g, struct buf *out)
{
    switch (g->flavor) {
    case GTID_FLAVOR_NONE:
        return;
    case GTID_FLAVOR_MARIADB:
        print_mariadb(g, out);
        return;
    case GTID_FLAVOR_MYSQL:
        print_uuid(g->uuid, out);
        if (g->tag[0])
            buf_printf(out, ":%s", g->tag);
        buf_put_u8(out, ':');
        buf_put_u64(out, g->seq);
        return;
    }
}

static const char *skip_space(const char *s)
{
    return s + strspn(s, " \t\r\n");
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* As MySQL: with dashes in their places or without any. */
static bool parse_uuid(const char **s, uint8_t *uuid)
{
    const char *at = *s;
    bool dashes = strnlen(at, 9) == 9 && at[8] == '-';
    for (unsigned i = 0; i < 16; i++) {
        if (dashes && (i == 4 || i == 6 || i == 8 || i == 10) && *at++ != '-')
            return false;
        int high = hex_digit(at[0]), low = high < 0 ? -1 : hex_digit(at[1]);
        if (low < 0)
            return false;
        uuid[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    *s = at;
    return true;
}

static bool parse_number(const char **s, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;
    const char *at = *s;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*at - '0'), &v))
            return false;
    if (at == *s || v > max)
        return false;
    *s = at;
    *out = v;
    return true;
}

static bool expect(const char **s, char c)
{
    if (**s != c)
        return false;
    ++*s;
    return true;
}

static bool is_tag_start(char c)
{
    char lower = (char)(c | 0x20);
    return (lower >= 'a' && lower <= 'z') || c == '_';
}

static bool parse_tag(const char **s, char *tag)
{
    size_t n = 0;
    const char *at = *s;
    for (; is_tag_start(*at) || (n && *at >= '0' && *at <= '9'); at++) {
        if (n == TAG_MAX)
            return false;
        tag[n++] = *at >= 'A' && *at <= 'Z' ? (char)(*at | 0x20) : *at;
    }
    tag[n] = 0;
    *s = at;
    return n > 0;
}

static bool parse_mariadb(const char **s, struct gtid *g)
{
    uint64_t domain, server, seq;
    if (!parse_number(s, UINT32_MAX, &domain) || !expect(s, '-') ||
        !parse_number(s, UINT32_MAX, &server) || !expect(s, '-') ||
        !parse_number(s, UINT64_MAX, &seq))
        return false;
    *g = (struct gtid){.flavor = GTID_FLAVOR_MARIADB,
                       .domain_id = (uint32_t)domain,
                       .server_id = (uint32_t)server,
                       .seq = seq};
    return true;
}

static bool parse_mysql(const char **s, struct gtid *g)
{
    *g = (struct gtid){.flavor = GTID_FLAVOR_MYSQL};
    if (!parse_uuid(s, g->uuid) || !expect(s, ':'))
        return false;
    if (is_tag_start(**s) && (!parse_tag(s, g->tag) || !expect(s, ':')))
        return false;
    return parse_number(s, GNO_END - 1, &g->seq) && g->seq > 0;
}

bool gtid_parse(const char *text, struct gtid *out, struct err *e)
{
    const char *s = text = skip_space(text);
    if (!*s) {
        *out = (struct gtid){.flavor = GTID_FLAVOR_NONE};
        return true;
    }
    if (parse_mysql(&s, out) && !*skip_space(s))
        return true;
    s = text;
    if (parse_mariadb(&s, out) && !*skip_space(s))
        return true;
    *out = (struct gtid){.flavor = GTID_FLAVOR_NONE};
    return err_set(e, ERR_POSITION_PARSE, "\"%.200s\" is not a GTID", text);
}

/* --- sets: making and copying --------------------------------------------------------------- */

struct gtid_set *gtid_set_new(enum gtid_flavor flavor)
{
    struct gtid_set *s = mem_alloc(sizeof *s);
    s->flavor = flavor;
    return s;
}

static void clear_sources(struct gtid_set *s)
{
    for (size_t i = 0; i < s->n_sources; i++)
        free(s->sources[i].intervals);
    s->n_sources = 0;
    s->last = 0;
}

void gtid_set_free(struct gtid_set *s)
{
    if (!s)
        return;
    clear_sources(s);
    free(s->sources);
    free(s->domains);
    free(s);
}

static void grow(void *items_pp, size_t *cap, size_t need, size_t sz)
{
    void *items;
    memcpy(&items, items_pp, sizeof items);
    mem_grow(&items, cap, need, sz);
    memcpy(items_pp, &items, sizeof items);
}

struct gtid_set *gtid_set_copy(const struct gtid_set *s)
{
    if (!s)
        return NULL;
    struct gtid_set *copy = gtid_set_new(s->flavor);
    gtid_set_union(copy, s);
    return copy;
}

enum gtid_flavor gtid_set_flavor(const struct gtid_set *s)
{
    return s->flavor;
}

bool gtid_set_is_empty(const struct gtid_set *s)
{
    return s->n_sources == 0 && s->n_domains == 0;
}

/* --- MySQL: sources and intervals ------------------------------------------------------------ */

static int source_compare(const struct source *a, const uint8_t *uuid, const char *tag)
{
    int c = memcmp(a->uuid, uuid, 16);
    return c ? c : strcmp(a->tag, tag);
}

/* Where the source is, or belongs. */
static size_t source_place(const struct gtid_set *s, const uint8_t *uuid, const char *tag)
{
    size_t low = 0, high = s->n_sources;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (source_compare(&s->sources[middle], uuid, tag) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct source *source_find(const struct gtid_set *s, const uint8_t *uuid, const char *tag)
{
    size_t at = source_place(s, uuid, tag);
    bool found = at < s->n_sources && source_compare(&s->sources[at], uuid, tag) == 0;
    return found ? &s->sources[at] : NULL;
}

static struct source *source_get(struct gtid_set *s, const uint8_t *uuid, const char *tag)
{
    if (s->last < s->n_sources && source_compare(&s->sources[s->last], uuid, tag) == 0)
        return &s->sources[s->last];
    size_t at = source_place(s, uuid, tag);
    s->last = at;
    if (at < s->n_sources && source_compare(&s->sources[at], uuid, tag) == 0)
        return &s->sources[at];
    grow(&s->sources, &s->cap_sources, s->n_sources + 1, sizeof *s->sources);
    memmove(s->sources + at + 1, s->sources + at, (s->n_sources - at) * sizeof *s->sources);
    s->n_sources++;
    struct source *src = &s->sources[at];
    *src = (struct source){.n = 0};
    memcpy(src->uuid, uuid, 16);
    memcpy(src->tag, tag, strlen(tag) + 1);
    return src;
}

/* Index of the first interval that ends at or behind gno. */
static size_t interval_place(const struct source *src, uint64_t gno)
{
    size_t low = 0, high = src->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (src->intervals[middle].end < gno)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void interval_add(struct source *src, uint64_t start, uint64_t end)
{
    assert(start >= 1 && start < end && end <= GNO_END);
    size_t at =
        src->n && src->intervals[src->n - 1].end == start ? src->n - 1 : interval_place(src, start);
    size_t until = at; /* intervals at … until − 1 touch the new one and melt into it */
    while (until < src->n && src->intervals[until].start <= end) {
        start = src->intervals[until].start < start ? src->intervals[until].start : start;
        end = src->intervals[until].end > end ? src->intervals[until].end : end;
        until++;
    }
    if (until == at)
        grow(&src->intervals, &src->cap, src->n + 1, sizeof *src->intervals);
    memmove(src->intervals + at + 1, src->intervals + until,
            (src->n - until) * sizeof *src->intervals);
    src->n = src->n + 1 - (until - at);
    src->intervals[at] = (struct interval){start, end};
}

static bool interval_contains(const struct source *src, uint64_t start, uint64_t end)
{
    size_t at = interval_place(src, start + 1);
    return at < src->n && src->intervals[at].start <= start && src->intervals[at].end >= end;
}

static void interval_remove(struct source *src, uint64_t start, uint64_t end)
{
    struct interval *kept = NULL;
    size_t n = 0, cap = 0;
    for (size_t i = 0; i < src->n; i++) {
        struct interval v = src->intervals[i];
        grow(&kept, &cap, n + 2, sizeof *kept);
        if (v.start < start)
            kept[n++] = (struct interval){v.start, v.end < start ? v.end : start};
        if (v.end > end)
            kept[n++] = (struct interval){v.start > end ? v.start : end, v.end};
    }
    free(src->intervals);
    src->intervals = kept;
    src->n = n;
    src->cap = cap;
}

static void drop_empty_sources(struct gtid_set *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_sources; i++) {
        if (s->sources[i].n == 0)
            free(s->sources[i].intervals);
        else
            s->sources[n++] = s->sources[i];
    }
    s->n_sources = n;
    s->last = 0;
}

/* --- MariaDB: domains ------------------------------------------------------------------------ */

static struct gtid *domain_find(const struct gtid_set *s, uint32_t domain_id)
{
    for (size_t i = 0; i < s->n_domains; i++)
        if (s->domains[i].domain_id == domain_id)
            return &s->domains[i];
    return NULL;
}

static void domain_put(struct gtid_set *s, const struct gtid *g)
{
    struct gtid *known = domain_find(s, g->domain_id);
    if (known) {
        *known = *g;
        return;
    }
    size_t at = 0;
    while (at < s->n_domains && s->domains[at].domain_id < g->domain_id)
        at++;
    grow(&s->domains, &s->cap_domains, s->n_domains + 1, sizeof *s->domains);
    memmove(s->domains + at + 1, s->domains + at, (s->n_domains - at) * sizeof *s->domains);
    s->domains[at] = *g;
    s->n_domains++;
}

static void domain_put_greater(struct gtid_set *s, const struct gtid *g)
{
    const struct gtid *known = domain_find(s, g->domain_id);
    if (!known || known->seq < g->seq)
        domain_put(s, g);
}

static void subtract_domains(struct gtid_set *s, const struct gtid_set *other)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_domains; i++) {
        const struct gtid *o = domain_find(other, s->domains[i].domain_id);
        if (!o || s->domains[i].seq > o->seq)
            s->domains[n++] = s->domains[i];
    }
    s->n_domains = n;
}

/* --- sets: algebra --------------------------------------------------------------------------- */

void gtid_set_add(struct gtid_set *s, const struct gtid *g)
{
    if (g->flavor == GTID_FLAVOR_NONE)
        return;
    assert(s->flavor == g->flavor);
    if (g->flavor == GTID_FLAVOR_MARIADB)
        domain_put(s, g);
    else if (g->seq >= 1 && g->seq < GNO_END)
        interval_add(source_get(s, g->uuid, g->tag), g->seq, g->seq + 1);
}

void gtid_set_union(struct gtid_set *s, const struct gtid_set *other)
{
    if (s == other)
        return;
    assert(s->flavor == other->flavor || gtid_set_is_empty(other));
    for (size_t i = 0; i < other->n_domains; i++)
        domain_put_greater(s, &other->domains[i]);
    for (size_t i = 0; i < other->n_sources; i++) {
        const struct source *o = &other->sources[i];
        struct source *src = source_get(s, o->uuid, o->tag);
        for (size_t j = 0; j < o->n; j++)
            interval_add(src, o->intervals[j].start, o->intervals[j].end);
    }
}

void gtid_set_subtract(struct gtid_set *s, const struct gtid_set *other)
{
    if (s == other) {
        clear_sources(s);
        s->n_domains = 0;
        return;
    }
    subtract_domains(s, other);
    for (size_t i = 0; i < other->n_sources; i++) {
        const struct source *o = &other->sources[i];
        struct source *src = source_find(s, o->uuid, o->tag);
        for (size_t j = 0; src && j < o->n; j++)
            interval_remove(src, o->intervals[j].start, o->intervals[j].end);
    }
    drop_empty_sources(s);
}

bool gtid_set_contains(const struct gtid_set *s, const struct gtid_set *subset)
{
    for (size_t i = 0; i < subset->n_domains; i++) {
        const struct gtid *d = domain_find(s, subset->domains[i].domain_id);
        if (!d || d->seq < subset->domains[i].seq)
            return false;
    }
    for (size_t i = 0; i < subset->n_sources; i++) {
        const struct source *o = &subset->sources[i];
        const struct source *src = source_find(s, o->uuid, o->tag);
        for (size_t j = 0; j < o->n; j++)
            if (!src || !interval_contains(src, o->intervals[j].start, o->intervals[j].end))
                return false;
    }
    return true;
}

bool gtid_set_contains_gtid(const struct gtid_set *s, const struct gtid *g)
{
    if (g->flavor == GTID_FLAVOR_NONE || g->flavor != s->flavor)
        return false;
    if (g->flavor == GTID_FLAVOR_MARIADB) {
        const struct gtid *d = domain_find(s, g->domain_id);
        return d && d->seq >= g->seq;
    }
    const struct source *src = source_find(s, g->uuid, g->tag);
    return src && g->seq < GNO_END && interval_contains(src, g->seq, g->seq + 1);
}

static bool same_source(const struct source *a, const struct source *b)
{
    return source_compare(a, b->uuid, b->tag) == 0 && a->n == b->n &&
           memcmp(a->intervals, b->intervals, a->n * sizeof *a->intervals) == 0;
}

static bool same_gtid(const struct gtid *a, const struct gtid *b)
{
    return a->domain_id == b->domain_id && a->server_id == b->server_id && a->seq == b->seq;
}

bool gtid_set_equal(const struct gtid_set *a, const struct gtid_set *b)
{
    if (a->flavor != b->flavor || a->n_sources != b->n_sources || a->n_domains != b->n_domains)
        return false;
    for (size_t i = 0; i < a->n_sources; i++)
        if (!same_source(&a->sources[i], &b->sources[i]))
            return false;
    for (size_t i = 0; i < a->n_domains; i++)
        if (!same_gtid(&a->domains[i], &b->domains[i]))
            return false;
    return true;
}

/* --- sets: text ------------------------------------------------------------------------------ */

static void print_source(const struct source *src, bool new_uuid, struct buf *out)
{
    if (new_uuid)
        print_uuid(src->uuid, out);
    if (src->tag[0])
        buf_printf(out, ":%s", src->tag);
    for (size_t i = 0; i < src->n; i++) {
        buf_put_u8(out, ':');
        buf_put_u64(out, src->intervals[i].start);
        if (src->intervals[i].end - src->intervals[i].start == 1)
            continue;
        buf_put_u8(out, '-');
        buf_put_u64(out, src->intervals[i].end - 1);
    }
}

void gtid_set_print(const struct gtid_set *s, struct buf *out)
{
    for (size_t i = 0; i < s->n_domains; i++) {
        if (i)
            buf_put_u8(out, ',');
        print_mariadb(&s->domains[i], out);
    }
    for (size_t i = 0; i < s->n_sources; i++) {
        bool new_uuid = i == 0 || memcmp(s->sources[i - 1].uuid, s->sources[i].uuid, 16) != 0;
        if (i && new_uuid)
            buf_put_u8(out, ',');
        print_source(&s->sources[i], new_uuid, out);
    }
}

static bool parse_interval(const char **s, struct source *src)
{
    uint64_t first, last;
    if (!parse_number(s, GNO_END - 1, &first) || first == 0)
        return false;
    last = first;
    *s = skip_space(*s);
    if (**s == '-') {
        *s = skip_space(*s + 1);
        if (!parse_number(s, GNO_END - 1, &last) || last < first)
            return false;
    }
    interval_add(src, first, last + 1);
    return true;
}

/* uuid(:[tag:]interval)…; a tag holds until the next tag. */
static bool parse_uuid_set(const char **s, struct gtid_set *set)
{
    uint8_t uuid[16];
    char tag[TAG_MAX + 1] = "";
    bool wants_interval = true;
    if (!parse_uuid(s, uuid))
        return false;
    for (*s = skip_space(*s); **s == ':'; *s = skip_space(*s)) {
        *s = skip_space(*s + 1);
        if (is_tag_start(**s)) {
            if (!parse_tag(s, tag))
                return false;
            wants_interval = true;
            continue;
        }
        if (!parse_interval(s, source_get(set, uuid, tag)))
            return false;
        wants_interval = false;
    }
    return !wants_interval;
}

static bool parse_one(const char **s, struct gtid_set *set)
{
    struct gtid g;
    if (set->flavor == GTID_FLAVOR_MYSQL)
        return parse_uuid_set(s, set);
    if (!parse_mariadb(s, &g))
        return false;
    domain_put_greater(set, &g);
    return true;
}

struct gtid_set *gtid_set_parse(enum gtid_flavor flavor, const char *text, struct err *e)
{
    struct gtid_set *set = gtid_set_new(flavor);
    const char *s = skip_space(text);
    bool ok = flavor != GTID_FLAVOR_NONE || !*s;
    while (ok && *s) {
        ok = parse_one(&s, set);
        s = skip_space(s);
        ok = ok && (!*s || *s == ',');
        if (ok && *s == ',')
            s = skip_space(s + 1);
    }
    if (ok)
        return set;
    gtid_set_free(set);
    err_set(e, ERR_POSITION_PARSE, "\"%.200s\" is not a GTID set (wrong at \"%.40s\")", text, s);
    return NULL;
}

/* --- sets: MySQL's binary form --------------------------------------------------------------- */

static bool has_tags(const struct gtid_set *s)
{
    for (size_t i = 0; i < s->n_sources; i++)
        if (s->sources[i].tag[0])
            return true;
    return false;
}

static void encode_tag(const char *tag, struct buf *out)
{
    size_t n = strlen(tag);
    buf_put_u8(out, (uint8_t)(n << 1));
    buf_put(out, tag, n);
}

bool gtid_set_encode(const struct gtid_set *s, struct buf *out)
{
    bool tagged = has_tags(s);
    assert(s->flavor != GTID_FLAVOR_MARIADB);
    if (tagged)
        buf_put_le(out, (uint64_t)1 << 56 | (uint64_t)s->n_sources << 8 | 1, 8);
    else
        buf_put_le(out, s->n_sources, 8);
    for (size_t i = 0; i < s->n_sources; i++) {
        const struct source *src = &s->sources[i];
        buf_put(out, src->uuid, 16);
        if (tagged)
            encode_tag(src->tag, out);
        buf_put_le(out, src->n, 8);
        for (size_t j = 0; j < src->n; j++) {
            buf_put_le(out, src->intervals[j].start, 8);
            buf_put_le(out, src->intervals[j].end, 8);
        }
    }
    return !out->failed;
}

struct bytes {
    const uint8_t *p;
    size_t left;
};

static bool take(struct bytes *b, void *to, size_t n)
{
    if (b->left < n)
        return false;
    memcpy(to, b->p, n);
    b->p += n;
    b->left -= n;
    return true;
}

static bool take_u64(struct bytes *b, uint64_t *v)
{
    uint8_t raw[8];
    if (!take(b, raw, 8))
        return false;
    *v = 0;
    for (unsigned i = 8; i-- > 0;)
        *v = *v << 8 | raw[i];
    return true;
}

static bool take_tag(struct bytes *b, char *tag)
{
    uint8_t length;
    char raw[TAG_MAX + 1] = "";
    if (!take(b, &length, 1) || length % 2 || length / 2 > TAG_MAX || !take(b, raw, length / 2))
        return false;
    const char *s = raw;
    tag[0] = 0;
    return length == 0 || (parse_tag(&s, tag) && strlen(raw) == length / 2 && !*s);
}

static bool decode_source(struct bytes *b, bool tagged, struct gtid_set *set)
{
    uint8_t uuid[16];
    char tag[TAG_MAX + 1] = "";
    uint64_t n, start, end;
    if (!take(b, uuid, 16) || (tagged && !take_tag(b, tag)) || !take_u64(b, &n))
        return false;
    if (n > b->left / 16)
        return false;
    for (; n > 0; n--) {
        if (!take_u64(b, &start) || !take_u64(b, &end))
            return false;
        if (start < 1 || start >= end || end > GNO_END)
            return false;
        interval_add(source_get(set, uuid, tag), start, end);
    }
    return true;
}

struct gtid_set *gtid_set_decode(const uint8_t *p, size_t n, struct err *e)
{
    struct bytes b = {p, n};
    struct gtid_set *set = gtid_set_new(GTID_FLAVOR_MYSQL);
    uint64_t head;
    bool ok = take_u64(&b, &head);
    bool tagged = ok && head >> 56 == 1;
    if (tagged) {
        ok = (head & 0xff) == 1;
        head = head >> 8 & 0xffffffffffff;
    }
    ok = ok && head <= b.left / 24;
    for (; ok && head > 0; head--)
        ok = decode_source(&b, tagged, set);
    if (ok && b.left == 0)
        return set;
    gtid_set_free(set);
    err_set(e, ERR_LOG_FORMAT, "a binary GTID set of %zu bytes is malformed", n);
    return NULL;
}
