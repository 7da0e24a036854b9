/* cdc/log/jsonb_diff.c — JSON diffs of partial updates: reading, applying to a document, printing.
 *
 * {operation u8: 0 replace, 1 insert, 2 remove; path length, path; unless remove: length, binary
 * JSON}… with length-encoded lengths. Paths are $ followed by .name, ."quoted name" or [index]
 * (MySQL sources sql-common/json_diff.cc). REPLACE and REMOVE need the place to exist, INSERT puts
 * a new member into an object or shifts an array's elements up; an index behind the end appends.
 */
#include "base/mem.h"
#include "cdc/log/jsonb.h"
#include "cdc/log/wire.h"

#include <assert.h>
#include <string.h>

enum diff_op { DIFF_REPLACE, DIFF_INSERT, DIFF_REMOVE };
struct diff {
    enum diff_op op;
    struct wire path, value;
};
struct leg {
    bool is_index;
    uint64_t index;
    const uint8_t *name;
    size_t name_len;
};

static bool bad(struct err *e, const char *what)
{
    return err_set(e, ERR_LOG_FORMAT, "JSON diff: %s", what);
}

static bool read_diff(struct wire *w, struct diff *d, struct err *e)
{
    uint64_t op = wire_get(w, 1);
    d->path = wire_sub(w, wire_lenenc(w));
    d->value = wire_of(w->p, 0);
    if (op != DIFF_REMOVE)
        d->value = wire_sub(w, wire_lenenc(w));
    if (op > DIFF_REMOVE || w->failed)
        return bad(e, "not well-formed");
    d->op = (enum diff_op)op;
    if (wire_left(&d->path) == 0 || wire_get(&d->path, 1) != '$')
        return bad(e, "a path does not begin with $");
    return true;
}

static void skip_blanks(struct wire *w)
{
    while (wire_left(w) > 0 && (*w->p == ' ' || *w->p == '\t' || *w->p == '\n' || *w->p == '\r'))
        w->p++;
}

static bool read_index(struct wire *w, struct leg *leg)
{
    leg->is_index = true;
    skip_blanks(w);
    size_t digits = 0;
    for (; wire_left(w) > 0 && *w->p >= '0' && *w->p <= '9' && digits < 10; digits++)
        leg->index = leg->index * 10 + (uint64_t)(*w->p++ - '0');
    skip_blanks(w);
    return digits > 0 && wire_get(w, 1) == ']';
}

static bool is_name_end(uint8_t c)
{
    return c == '.' || c == '[' || c == '*' || c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* One character of a quoted name into to; JSON escapes. */
static bool unescape(struct wire *w, uint8_t **to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    uint64_t c = wire_get(w, 1);
    const char *at = c && c < 128 ? strchr(from, (int)c) : NULL;
    if (at) {
        *(*to)++ = (uint8_t)into[at - from];
        return true;
    }
    const uint8_t *hex = c == 'u' ? wire_take(w, 4) : NULL;
    unsigned v = 0;
    for (int i = 0; hex && i < 4; i++) {
        const char *digits = "0123456789abcdef";
        const char *d = hex[i] ? strchr(digits, hex[i] | 0x20) : NULL;
        if (!d)
            return false;
        v = v << 4 | (unsigned)(d - digits);
    }
    if (!hex || v >= 0x80) /* the server escapes only controls */
        return false;
    *(*to)++ = (uint8_t)v;
    return true;
}

static bool read_quoted(struct wire *w, struct arena *a, struct leg *leg)
{
    uint8_t *text = arena_alloc(a, wire_left(w) + 1), *to = text;
    (void)wire_take(w, 1);
    while (wire_left(w) > 0 && *w->p != '"') {
        uint8_t c = *w->p++;
        if (c != '\\')
            *to++ = c;
        else if (!unescape(w, &to))
            return false;
    }
    leg->name = text;
    leg->name_len = (size_t)(to - text);
    return wire_get(w, 1) == '"';
}

static bool read_leg(struct wire *w, struct arena *a, struct leg *leg)
{
    *leg = (struct leg){0};
    uint64_t c = wire_get(w, 1);
    if (c == '[')
        return read_index(w, leg);
    if (c != '.')
        return false;
    skip_blanks(w);
    if (wire_left(w) > 0 && *w->p == '"')
        return read_quoted(w, a, leg);
    leg->name = w->p;
    while (wire_left(w) > 0 && !is_name_end(*w->p))
        w->p++;
    leg->name_len = (size_t)(w->p - leg->name);
    return leg->name_len > 0;
}

/* Index of the member or element that the leg names; list.n when there is none. */
static size_t find(const struct jsonb_node *node, const struct leg *leg)
{
    if (leg->is_index)
        return node->kind == JSONB_ARRAY && leg->index < node->list.n ? (size_t)leg->index
                                                                      : SIZE_MAX;
    if (node->kind != JSONB_OBJECT)
        return SIZE_MAX;
    for (size_t i = 0; i < node->list.n; i++) {
        const struct jsonb_member *m = &node->list.items[i];
        if (m->key_len == leg->name_len && memcmp(m->key, leg->name, leg->name_len) == 0)
            return i;
    }
    return SIZE_MAX;
}

static void insert_at(struct arena *a, struct jsonb_node *list, size_t i,
                      const struct jsonb_member *m)
{
    if (list->list.n == list->list.cap) {
        size_t cap = list->list.cap * 2 + 4;
        struct jsonb_member *grown = arena_alloc(a, cap * sizeof *grown);
        if (list->list.n > 0)
            memcpy(grown, list->list.items, list->list.n * sizeof *grown);
        list->list.items = grown;
        list->list.cap = cap;
    }
    memmove(&list->list.items[i + 1], &list->list.items[i], (list->list.n - i) * sizeof *m);
    list->list.items[i] = *m;
    list->list.n++;
}

/* Objects are kept in the server's order: shorter keys first, then by bytes. */
static size_t key_place(const struct jsonb_node *object, const struct leg *leg)
{
    size_t i = 0;
    for (; i < object->list.n; i++) {
        const struct jsonb_member *m = &object->list.items[i];
        if (m->key_len > leg->name_len ||
            (m->key_len == leg->name_len && memcmp(m->key, leg->name, leg->name_len) > 0))
            break;
    }
    return i;
}

static bool insert_value(struct arena *a, struct jsonb_node *parent, const struct leg *leg,
                         const struct jsonb_node *value, struct err *e)
{
    struct jsonb_member m = {.key = leg->name, .key_len = leg->name_len, .node = *value};
    if (leg->is_index && parent->kind == JSONB_ARRAY) {
        insert_at(a, parent, leg->index < parent->list.n ? (size_t)leg->index : parent->list.n, &m);
        return true;
    }
    if (leg->is_index || parent->kind != JSONB_OBJECT || find(parent, leg) != SIZE_MAX)
        return bad(e, "an INSERT's place is taken or is no container");
    insert_at(a, parent, key_place(parent, leg), &m);
    return true;
}

static bool change(struct arena *a, struct jsonb_node *parent, const struct leg *leg,
                   const struct diff *d, const struct jsonb_node *value, struct err *e)
{
    if (d->op == DIFF_INSERT)
        return insert_value(a, parent, leg, value, e);
    size_t i = find(parent, leg);
    if (i == SIZE_MAX)
        return bad(e, "the document has nothing at a path");
    if (d->op == DIFF_REPLACE) {
        parent->list.items[i].node = *value;
        return true;
    }
    parent->list.n--;
    memmove(&parent->list.items[i], &parent->list.items[i + 1],
            (parent->list.n - i) * sizeof *parent->list.items);
    return true;
}

static bool apply(struct arena *a, struct jsonb_node *root, struct diff *d, struct err *e)
{
    struct jsonb_node value = {.kind = JSONB_NULL}, *at = root;
    struct leg leg;
    if (d->op != DIFF_REMOVE && !jsonb_parse(d->value.p, wire_left(&d->value), a, &value, e))
        return false;
    if (wire_left(&d->path) == 0) {
        if (d->op != DIFF_REPLACE)
            return bad(e, "the whole document can only be replaced");
        *root = value;
        return true;
    }
    for (;;) {
        if (!read_leg(&d->path, a, &leg))
            return bad(e, "a path is not well-formed");
        if (wire_left(&d->path) == 0)
            return change(a, at, &leg, d, &value, e);
        size_t i = find(at, &leg);
        if (i == SIZE_MAX)
            return bad(e, "the document has nothing at a path");
        at = &at->list.items[i].node;
    }
}

bool jsonb_diff_apply(const uint8_t *doc, size_t doc_len, const uint8_t *diffs, size_t n,
                      enum jsonb_style style, struct buf *out, struct err *e)
{
    struct arena a;
    struct jsonb_node root;
    struct wire w = wire_of(diffs, n);
    arena_init(&a);
    bool ok = jsonb_parse(doc, doc_len, &a, &root, e);
    while (ok && wire_left(&w) > 0) {
        struct diff d;
        ok = read_diff(&w, &d, e) && apply(&a, &root, &d, e);
    }
    if (ok)
        jsonb_node_print(&root, style, out);
    arena_fini(&a);
    return ok;
}

static bool print_diff(struct diff *d, struct buf *out, struct err *e)
{
    static const char *const names[] = {"replace", "insert", "remove"};
    buf_printf(out, "{\"op\":\"%s\",\"path\":\"$", names[d->op]);
    buf_put_json_escaped(out, (const char *)d->path.p, wire_left(&d->path));
    buf_put_u8(out, '"');
    if (d->op != DIFF_REMOVE) {
        buf_put_str(out, ",\"value\":");
        if (!jsonb_print(d->value.p, wire_left(&d->value), JSONB_STYLE_SERVER, out, e))
            return false;
    }
    return buf_put_u8(out, '}') || bad(e, "too long");
}

bool jsonb_diff_print(const uint8_t *diffs, size_t n, struct buf *out, struct err *e)
{
    struct wire w = wire_of(diffs, n);
    bool first = true;
    buf_put_u8(out, '[');
    for (; wire_left(&w) > 0; first = false) {
        struct diff d;
        if (!first)
            buf_put_u8(out, ',');
        if (!read_diff(&w, &d, e) || !print_diff(&d, out, e))
            return false;
    }
    return buf_put_u8(out, ']') || bad(e, "too long");
}
