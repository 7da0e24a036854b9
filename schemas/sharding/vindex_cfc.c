/* schemas/sharding/vindex_cfc.c — cfc: a key of several parts of fixed widths in one column, each
 * hashed by itself to as many bytes as it has.
 *
 * A LIKE with a constant beginning is then a range of ids: as much of the beginning as makes up
 * whole parts.
 */
#include "base/mem.h"
#include "schemas/sharding/vindex_internal.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { HASH_BYTES_MAX = 16 };

struct cfc {
    bool md5, xxhash; /* neither: the bytes are the id */
    size_t *offsets;  /* where parts end, ascending; what is behind the last is one more part */
    size_t n;
};

static bool take_offsets(const struct vindex *v, struct cfc *c, const char *text, struct err *e)
{
    json_t *list = json_loads(text, 0, NULL);
    size_t n = json_array_size(list);
    bool ok = n > 0;
    c->offsets = mem_calloc(n + 1, sizeof *c->offsets);
    for (size_t i = 0; ok && i < n; i++) {
        const json_t *item = json_array_get(list, i);
        json_int_t offset = json_integer_value(item);
        ok = json_is_integer(item) && offset > (i > 0 ? (json_int_t)c->offsets[i - 1] : 0);
        c->offsets[c->n++] = ok ? (size_t)offset : 0;
    }
    json_decref(list);
    return ok || err_set(e, ERR_VSCHEMA,
                         "vindex %s: offsets are ascending whole numbers above 0 in brackets, not "
                         "'%.100s'",
                         v->name, text);
}

static bool create_cfc(struct vindex *v, const struct vindex_params *p, struct err *e)
{
    const char *hash = vindex_param(p, "hash"), *offsets = vindex_param(p, "offsets");
    struct cfc *c = v->own = mem_alloc(sizeof *c);
    if (hash == NULL || *hash == 0)
        return true;
    c->md5 = strcmp(hash, "md5") == 0;
    c->xxhash = strcmp(hash, "xxhash64") == 0;
    if (!c->md5 && !c->xxhash)
        return err_set(e, ERR_VSCHEMA, "vindex %s: hash is md5 or xxhash64, not '%.100s'", v->name,
                       hash);
    if (offsets == NULL || *offsets == 0)
        return err_set(e, ERR_VSCHEMA, "vindex %s: hash needs offsets", v->name);
    return take_offsets(v, c, offsets, e);
}

static void destroy_cfc(struct vindex *v)
{
    struct cfc *c = v->own;
    free(c->offsets);
    mem_free_ptr(&v->own);
}

static bool put_part(const struct cfc *c, const uint8_t *p, size_t n, struct buf *out)
{
    uint8_t bytes[HASH_BYTES_MAX + 1];
    struct buf hash = {.data = bytes, .cap = HASH_BYTES_MAX, .max = HASH_BYTES_MAX};
    if (c->xxhash)
        vindex_xxhash(p, n, &hash);
    else if (!vindex_md5(p, n, &hash))
        return false;
    buf_put(out, bytes, n < hash.len ? n : hash.len);
    return true;
}

/* The parts that p has whole; whole: what is behind the last offset is one too. */
static bool put_parts(const struct cfc *c, const uint8_t *p, size_t n, struct buf *out)
{
    size_t from = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (n < c->offsets[i])
            return true;
        if (!put_part(c, p + from, c->offsets[i] - from, out))
            return false;
        from = c->offsets[i];
    }
    return from == n || put_part(c, p + from, n - from, out);
}

static enum vindex_result put_id(const struct vindex *v, const uint8_t *p, size_t n,
                                 struct buf *out, struct err *e)
{
    const struct cfc *c = v->own;
    if (!c->md5 && !c->xxhash)
        buf_put(out, p, n);
    else if (!put_parts(c, p, n, out)) {
        err_set(e, ERR_VINDEX, "vindex %s: the digest could not be computed", v->name);
        return VINDEX_ERROR;
    }
    return VINDEX_KSID;
}

static enum vindex_result map_cfc(const struct vindex *v, const struct vindex_input *in,
                                  size_t n_in, struct buf *out, struct err *e)
{
    (void)n_in;
    const struct cfc *c = v->own;
    struct vindex_text t;
    vindex_input_text(in, &t);
    if (c->n > 0 && t.n < c->offsets[c->n - 1]) {
        err_set(e, ERR_VINDEX, "vindex %s: a key has at least %zu bytes, not %zu", v->name,
                c->offsets[c->n - 1], t.n);
        return VINDEX_ERROR;
    }
    return put_id(v, t.p, t.n, out, e);
}

/* The beginning of a LIKE pattern up to the first % or _, with the escapes of a string literal. */
static void put_beginning(const uint8_t *p, size_t n, struct buf *out)
{
    static const char escapes[] = "0\0b\bn\nr\rt\tZ\x1a";
    for (size_t i = 0; i < n && p[i] != '%' && p[i] != '_'; i++) {
        if (p[i] != '\\' || i + 1 == n) {
            buf_put_u8(out, p[i]);
            continue;
        }
        uint8_t c = p[++i];
        for (size_t k = 0; k + 1 < sizeof escapes; k += 2)
            if (p[i] == (uint8_t)escapes[k])
                c = (uint8_t)escapes[k + 1];
        buf_put_u8(out, c);
    }
}

enum vindex_result vindex_map_like(const struct vindex *v, const void *pattern, size_t n,
                                   struct buf *prefix, struct err *e)
{
    struct buf beginning CLEANUP(buf_fini) = BUF_INIT;
    if (v->kind->map != map_cfc) {
        err_set(e, ERR_VINDEX, "vindex type %s does not map the beginning of a value",
                v->kind->type);
        return VINDEX_ERROR;
    }
    put_beginning(pattern, n, &beginning);
    return put_id(v, (const uint8_t *)buf_str(&beginning), beginning.len, prefix, e);
}

static void place_cfc(const struct vindex *v, struct buf *out)
{
    const struct cfc *c = v->own;
    buf_put_str(out, c->md5 ? "md5" : c->xxhash ? "xxhash64" : "");
    for (size_t i = 0; i < c->n; i++)
        buf_printf(out, ",%zu", c->offsets[i]);
}

static const char *const cfc_params[] = {"hash", "offsets", NULL};

const struct vindex_kind vindex_kinds_cfc[] = {
    {.type = "cfc",
     .params = cfc_params,
     .columns = 1,
     .create = create_cfc,
     .destroy = destroy_cfc,
     .map = map_cfc,
     .place = place_cfc,
     .cost = 1,
     .unique = true},
    {.type = NULL},
};
