/* schemas/sharding/vindex.c — the table of vindex types, and what all of them have in common.
 */
#include "schemas/sharding/vindex.h"
#include "base/mem.h"
#include "schemas/sharding/vindex_internal.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct vindex_kind *const families[] = {vindex_kinds_plain, vindex_kinds_columns,
                                                     vindex_kinds_map,   vindex_kinds_cfc,
                                                     vindex_kinds_loose, vindex_kinds_lookup};

static const struct vindex_kind *find_kind(const char *type)
{
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        for (const struct vindex_kind *k = families[i]; k->type != NULL; k++)
            if (strcmp(k->type, type) == 0)
                return k;
    return NULL;
}

static bool takes(const struct vindex_kind *k, const char *name)
{
    for (size_t i = 0; k->params[i] != NULL; i++)
        if (strcmp(k->params[i], name) == 0)
            return true;
    return false;
}

static void note_unknown(struct vindex *v, const struct vindex_params *p)
{
    v->unknown = mem_calloc(p->n + 1, sizeof *v->unknown);
    for (size_t i = 0; i < p->n && v->kind->params != NULL; i++)
        if (!takes(v->kind, p->items[i].name))
            v->unknown[v->n_unknown++] = mem_strdup(p->items[i].name);
}

struct vindex *vindex_new_part(const char *name, const char *type, const struct vindex_params *p,
                               struct err *e)
{
    const struct vindex_kind *kind = find_kind(type);
    if (kind == NULL) {
        err_set(e, ERR_VSCHEMA, "vindex %.100s: type '%.100s' is not known", name, type);
        err_cure(e, "use one of the types that docs/reference/vindexes.md lists");
        return NULL;
    }
    struct vindex *v = mem_alloc(sizeof *v);
    v->kind = kind;
    v->name = mem_strdup(name);
    v->n_columns = kind->columns;
    note_unknown(v, p);
    if (kind->create == NULL || kind->create(v, p, e)) {
        assert(v->n_columns >= 1 && v->n_columns <= VINDEX_COLUMNS_MAX);
        return v;
    }
    vindex_free(v);
    return NULL;
}

struct vindex *vindex_new(const char *name, const char *type, const char *params_json,
                          struct err *e)
{
    struct vindex_params params;
    if (!vindex_params_parse(name, params_json, &params, e))
        return NULL;
    struct vindex *v = vindex_new_part(name, type, &params, e);
    vindex_params_fini(&params);
    return v;
}

void vindex_free(struct vindex *v)
{
    if (!v)
        return;
    if (v->own != NULL && v->kind->destroy != NULL)
        v->kind->destroy(v);
    for (size_t i = 0; i < v->n_unknown; i++)
        free(v->unknown[i]);
    free(v->unknown);
    mem_free_ptr(&v->name);
    mem_free_ptr(&v);
}

const char *vindex_name(const struct vindex *v)
{
    return v->name;
}

const char *vindex_type(const struct vindex *v)
{
    return v->kind->type;
}

size_t vindex_columns(const struct vindex *v)
{
    return v->n_columns;
}

bool vindex_is_unique(const struct vindex *v)
{
    return v->kind->unique;
}

bool vindex_is_lookup(const struct vindex *v)
{
    return v->kind->map == NULL;
}

unsigned vindex_cost(const struct vindex *v)
{
    return v->kind->cost;
}

bool vindex_keeps_order(const struct vindex *v)
{
    return v->kind->keeps_order;
}

const char *vindex_unknown_param(const struct vindex *v, size_t i)
{
    return i < v->n_unknown ? v->unknown[i] : NULL;
}

void vindex_put_placement(const struct vindex *v, struct buf *out)
{
    buf_put_str(out, v->kind->type);
    if (v->kind->place == NULL)
        return;
    buf_put_u8(out, '(');
    v->kind->place(v, out);
    buf_put_u8(out, ')');
}

static enum vindex_result finished(const struct vindex *v, enum vindex_result result,
                                   const struct buf *out, struct err *e)
{
    if (result != VINDEX_KSID || !out->failed)
        return result;
    err_set(e, ERR_VINDEX, "vindex %s: the keyspace id is longer than %zu bytes", v->name,
            out->max);
    return VINDEX_ERROR;
}

static bool is_functional(const struct vindex *v, struct err *e)
{
    if (v->kind->map != NULL)
        return true;
    err_set(e, ERR_VINDEX,
            "vindex %s of type %s is answered by its lookup table, not by a function", v->name,
            v->kind->type);
    return err_cure(e, "ask it by sluice route");
}

enum vindex_result vindex_map_buf(const struct vindex *v, const struct vindex_input *in,
                                  size_t n_in, struct buf *out, struct err *e)
{
    if (!is_functional(v, e))
        return VINDEX_ERROR;
    if (n_in != v->n_columns) {
        if (v->n_columns > 1 || v->kind->partial)
            return VINDEX_NONE;
        err_set(e, ERR_VINDEX, "vindex %s of type %s takes one column, not %zu", v->name,
                v->kind->type, n_in);
        return VINDEX_ERROR;
    }
    return finished(v, v->kind->map(v, in, n_in, out, e), out, e);
}

enum vindex_result vindex_map_part(const struct vindex *v, const struct vindex_input *in,
                                   struct buf *out)
{
    struct err unsaid = ERR_INIT;
    return v->kind->map(v, in, 1, out, &unsaid) == VINDEX_KSID ? VINDEX_KSID : VINDEX_NONE;
}

enum vindex_result vindex_map_prefix(const struct vindex *v, const struct vindex_input *in,
                                     size_t n_in, struct buf *prefix, struct err *e)
{
    if (!v->kind->partial || n_in == 0 || n_in > v->n_columns)
        return VINDEX_NONE;
    return finished(v, v->kind->map(v, in, n_in, prefix, e), prefix, e);
}

void vindex_prefix_end(const struct buf *prefix, struct buf *end)
{
    size_t keep = prefix->len;
    while (keep > 0 && prefix->data[keep - 1] == 0xff)
        keep--;
    if (keep == 0)
        return;
    buf_put(end, prefix->data, keep);
    end->data[end->len - 1]++;
    while (end->len < prefix->len && buf_put_u8(end, 0))
        ;
}

enum vindex_result vindex_map(const struct vindex *v, const struct vindex_input *in, size_t n_in,
                              struct ksid *out, struct err *e)
{
    /* A buffer that is full at its maximum never allocates: this runs for each row. */
    uint8_t bytes[KSID_MAX + 1];
    struct buf id = {.data = bytes, .cap = KSID_MAX, .max = KSID_MAX};
    enum vindex_result result = vindex_map_buf(v, in, n_in, &id, e);
    assert(id.data == bytes && id.len <= KSID_MAX);
    memcpy(out->bytes, bytes, id.len);
    out->n = result == VINDEX_KSID ? (uint8_t)id.len : 0;
    return result;
}

bool vindex_reverse(const struct vindex *v, const uint8_t *id, size_t n, struct vindex_input *out,
                    struct err *e)
{
    if (strcmp(v->kind->type, "binary") == 0) {
        *out = (struct vindex_input){.kind = VINDEX_IN_BYTES, .p = id, .n = n};
        return true;
    }
    if (!v->kind->reverse)
        return err_set(e, ERR_VINDEX, "vindex type %s cannot be reversed", v->kind->type);
    if (n != VINDEX_ID_BYTES)
        return err_set(e, ERR_VINDEX, "a keyspace id of type %s has 8 bytes, not %zu",
                       v->kind->type, n);
    uint64_t number = 0;
    for (size_t i = 0; i < n; i++)
        number = number << 8 | id[i];
    *out = (struct vindex_input){.kind = VINDEX_IN_U64};
    return v->kind->reverse(v, number, &out->u64);
}
