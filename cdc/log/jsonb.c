/* cdc/log/jsonb.c — binary JSON into a tree.
 *
 * A container: count, size, entries {key offset, key length}… for objects, entries {type, offset or
 * inlined value}…, then keys and values; all offsets count from the container's start, in 2 bytes
 * (small) or 4. The server patches documents in place, so values may lie in any order and with
 * holes. Invariants:
 *   1. Everything is read through a cursor bounded by its container.
 *   2. No document makes more nodes than it has bytes, nor more text: parts shared by several
 * entries are refused when that budget is used up (a hostile document could otherwise grow without
 * limit).
 */
#include "cdc/log/jsonb.h"
#include "cdc/log/wire.h"

#include <assert.h>
#include <string.h>

enum {
    T_SMALL_OBJECT,
    T_LARGE_OBJECT,
    T_SMALL_ARRAY,
    T_LARGE_ARRAY,
    T_LITERAL,
    T_INT16,
    T_UINT16,
    T_INT32,
    T_UINT32,
    T_INT64,
    T_UINT64,
    T_DOUBLE,
    T_STRING,
    T_OPAQUE = 15
};

struct parser {
    struct arena *arena;
    uint64_t budget; /* bytes that may still be made into nodes and text */
    struct err *e;
};

static bool bad(struct parser *ps, const char *what)
{
    return err_set(ps->e, ERR_LOG_FORMAT, "binary JSON: %s", what);
}

static bool spend(struct parser *ps, uint64_t n)
{
    if (n > ps->budget)
        return bad(ps, "parts overlap");
    ps->budget -= n;
    return true;
}

/* 7 bits a byte, lowest first, at most 5 bytes. */
static uint64_t get_var_len(struct wire *w)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 5; i++) {
        uint64_t b = wire_get(w, 1);
        v |= (b & 0x7f) << 7 * i;
        if (!(b & 0x80))
            return v;
    }
    w->failed = true;
    return 0;
}

static bool parse_value(struct parser *ps, uint8_t type, struct wire w, unsigned depth,
                        struct jsonb_node *out);

static bool parse_literal(struct parser *ps, struct wire *w, struct jsonb_node *out)
{
    static const enum jsonb_kind kinds[3] = {JSONB_NULL, JSONB_TRUE, JSONB_FALSE};
    uint64_t v = wire_get(w, 1);
    if (w->failed || v > 2)
        return bad(ps, "unknown literal");
    out->kind = kinds[v];
    return true;
}

static void set_int(struct jsonb_node *out, int64_t v)
{
    out->kind = JSONB_INT;
    out->i64 = v;
}

static void set_uint(struct jsonb_node *out, uint64_t v)
{
    out->kind = JSONB_UINT;
    out->u64 = v;
}

static bool parse_bytes(struct parser *ps, uint8_t type, struct wire *w, struct jsonb_node *out)
{
    out->kind = type == T_STRING ? JSONB_STRING : JSONB_OPAQUE;
    if (type == T_OPAQUE)
        out->opaque_type = (uint8_t)wire_get(w, 1);
    uint64_t n = get_var_len(w);
    out->bytes.p = wire_take(w, n);
    out->bytes.n = (size_t)n;
    return w->failed ? bad(ps, "a text goes beyond the end") : spend(ps, n);
}

static bool parse_scalar(struct parser *ps, uint8_t type, struct wire *w, struct jsonb_node *out)
{
    uint64_t bits;
    switch (type) {
    case T_LITERAL:
        return parse_literal(ps, w, out);
    case T_INT16:
        set_int(out, (int16_t)wire_get(w, 2));
        break;
    case T_UINT16:
        set_uint(out, wire_get(w, 2));
        break;
    case T_INT32:
        set_int(out, (int32_t)wire_get(w, 4));
        break;
    case T_UINT32:
        set_uint(out, wire_get(w, 4));
        break;
    case T_INT64:
        set_int(out, (int64_t)wire_get(w, 8));
        break;
    case T_UINT64:
        set_uint(out, wire_get(w, 8));
        break;
    case T_DOUBLE:
        bits = wire_get(w, 8);
        out->kind = JSONB_DOUBLE;
        memcpy(&out->number, &bits, sizeof bits);
        break;
    case T_STRING:
    case T_OPAQUE:
        return parse_bytes(ps, type, w, out);
    default:
        return bad(ps, "unknown type");
    }
    return w->failed ? bad(ps, "a number goes beyond the end") : true;
}

static bool is_inlined(uint8_t type, bool large)
{
    return type == T_LITERAL || type == T_INT16 || type == T_UINT16 ||
           (large && (type == T_INT32 || type == T_UINT32));
}

struct container {
    const uint8_t *start;
    size_t size, width; /* of an offset */
    bool large, object;
    uint64_t count;
    struct wire keys, values; /* entries */
};

static bool parse_entry(struct parser *ps, struct container *c, unsigned depth,
                        struct jsonb_node *out)
{
    uint8_t type = (uint8_t)wire_get(&c->values, 1);
    const uint8_t *field = wire_take(&c->values, c->width);
    assert(field);
    if (is_inlined(type, c->large)) {
        struct wire w = wire_of(field, c->width);
        return parse_scalar(ps, type, &w, out);
    }
    uint64_t offset = wire_le(field, c->width);
    if (offset >= c->size)
        return bad(ps, "a value lies beyond the end");
    return parse_value(ps, type, wire_of(c->start + offset, c->size - (size_t)offset), depth + 1,
                       out);
}

static bool parse_key(struct parser *ps, struct container *c, struct jsonb_member *m)
{
    uint64_t offset = wire_get(&c->keys, c->width), len = wire_get(&c->keys, 2);
    if (offset > c->size || len > c->size - offset)
        return bad(ps, "a key lies beyond the end");
    m->key = c->start + offset;
    m->key_len = (size_t)len;
    return spend(ps, len);
}

static bool read_container(struct parser *ps, uint8_t type, struct wire w, struct container *c)
{
    c->start = w.p;
    c->large = type == T_LARGE_OBJECT || type == T_LARGE_ARRAY;
    c->object = type == T_SMALL_OBJECT || type == T_LARGE_OBJECT;
    c->width = c->large ? 4 : 2;
    size_t whole = wire_left(&w);
    c->count = wire_get(&w, c->width);
    uint64_t size = wire_get(&w, c->width);
    if (w.failed || size > whole)
        return bad(ps, "a container is larger than its room");
    c->size = (size_t)size;
    uint64_t key_bytes = c->object ? c->count * (c->width + 2) : 0;
    uint64_t value_bytes = c->count * (c->width + 1);
    if (key_bytes + value_bytes + 2 * c->width > size)
        return bad(ps, "a container has more entries than room");
    c->keys = wire_sub(&w, key_bytes);
    c->values = wire_sub(&w, value_bytes);
    assert(!w.failed);
    return spend(ps, key_bytes + value_bytes);
}

static bool parse_container(struct parser *ps, uint8_t type, struct wire w, unsigned depth,
                            struct jsonb_node *out)
{
    struct container c = {0};
    if (depth >= JSONB_MAX_DEPTH)
        return bad(ps, "nested too deeply");
    if (!read_container(ps, type, w, &c))
        return false;
    out->kind = c.object ? JSONB_OBJECT : JSONB_ARRAY;
    out->list.n = out->list.cap = (size_t)c.count;
    out->list.items = arena_alloc(ps->arena, (out->list.n + 1) * sizeof *out->list.items);
    memset(out->list.items, 0, (out->list.n + 1) * sizeof *out->list.items);
    for (size_t i = 0; i < out->list.n; i++) {
        struct jsonb_member *m = &out->list.items[i];
        if (c.object && !parse_key(ps, &c, m))
            return false;
        if (!parse_entry(ps, &c, depth, &m->node))
            return false;
    }
    return true;
}

static bool parse_value(struct parser *ps, uint8_t type, struct wire w, unsigned depth,
                        struct jsonb_node *out)
{
    if (type <= T_LARGE_ARRAY)
        return parse_container(ps, type, w, depth, out);
    return parse_scalar(ps, type, &w, out);
}

bool jsonb_parse(const uint8_t *p, size_t n, struct arena *a, struct jsonb_node *out, struct err *e)
{
    *out = (struct jsonb_node){.kind = JSONB_NULL};
    if (n == 0)
        return true;
    struct parser ps = {a, (uint64_t)n + 16, e};
    return parse_value(&ps, p[0], wire_of(p + 1, n - 1), 0, out);
}
