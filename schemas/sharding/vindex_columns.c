/* schemas/sharding/vindex_columns.c — multicol: the first bytes of each column's own vindex, one
 * after the other.
 *
 * An id has at most eight bytes. Columns that column_bytes leaves out share what is left, the first
 * ones getting more. A part that is shorter than its bytes is filled with zeros where another
 * follows.
 */
#include "base/mem.h"
#include "schemas/sharding/vindex_internal.h"
#include <stdlib.h>
#include <string.h>

enum { NOT_GIVEN = -1 };

struct columns {
    size_t n;
    struct vindex *parts[VINDEX_COLUMNS_MAX];
    int bytes[VINDEX_COLUMNS_MAX];
};

static bool take_count(struct vindex *v, const struct vindex_params *p, struct err *e)
{
    struct columns *c = v->own;
    const char *text = vindex_param(p, "column_count");
    int n = 0;
    if (text == NULL)
        return err_set(e, ERR_VSCHEMA, "vindex %s: the parameter column_count is missing", v->name);
    if (!vindex_param_int(v->name, "column_count", text, &n, e))
        return false;
    if (n < 1 || n > VINDEX_COLUMNS_MAX)
        return err_set(e, ERR_VSCHEMA, "vindex %s: column_count is from 1 to %d, not %d", v->name,
                       VINDEX_COLUMNS_MAX, n);
    c->n = v->n_columns = (size_t)n;
    return true;
}

/* The next of a list's items, without the ',' behind it; NULL: no more. *at: NULL at the end. */
static char *next_item(const char **at)
{
    if (*at == NULL)
        return NULL;
    size_t n = strcspn(*at, ",");
    char *item = mem_strndup(*at, n);
    *at = (*at)[n] == ',' ? *at + n + 1 : NULL;
    return item;
}

static bool too_many(const struct vindex *v, const char *name, struct err *e)
{
    return err_set(e, ERR_VSCHEMA, "vindex %s: %s has more items than the %zu of column_count",
                   v->name, name, v->n_columns);
}

static bool read_bytes(const struct vindex *v, const char *list, struct columns *c, struct err *e)
{
    for (size_t i = 0; list != NULL; i++) {
        char *item CLEANUP(mem_free_ptr) = next_item(&list);
        if (i == c->n)
            return too_many(v, "column_bytes", e);
        if (*item == 0)
            continue;
        if (!vindex_param_int(v->name, "column_bytes", item, &c->bytes[i], e))
            return false;
        if (c->bytes[i] < 0)
            return err_set(e, ERR_VSCHEMA, "vindex %s: column_bytes has %s", v->name, item);
    }
    return true;
}

static bool take_bytes(const struct vindex *v, const struct vindex_params *p, struct err *e)
{
    struct columns *c = v->own;
    int left = VINDEX_ID_BYTES, open = 0;
    for (size_t i = 0; i < c->n; i++)
        c->bytes[i] = NOT_GIVEN;
    if (!read_bytes(v, vindex_param(p, "column_bytes"), c, e))
        return false;
    for (size_t i = 0; i < c->n; i++) {
        open += c->bytes[i] == NOT_GIVEN;
        left -= c->bytes[i] != NOT_GIVEN && left > -VINDEX_ID_BYTES ? c->bytes[i] : 0;
    }
    if (open > left)
        return err_set(e, ERR_VSCHEMA,
                       "vindex %s: column_bytes: the columns need more than the %d bytes of an id",
                       v->name, VINDEX_ID_BYTES);
    for (size_t i = 0; i < c->n; i++) {
        if (c->bytes[i] != NOT_GIVEN)
            continue;
        c->bytes[i] = (left + open - 1) / open;
        left -= c->bytes[i];
        open--;
    }
    return true;
}

static char *trimmed(const char *item)
{
    item += strspn(item, " \t\r\n");
    size_t n = strlen(item);
    while (n > 0 && strchr(" \t\r\n", item[n - 1]) != NULL)
        n--;
    return n > 0 ? mem_strndup(item, n) : mem_strdup("hash");
}

static bool add_part(const struct vindex *v, const struct vindex_params *p, size_t i,
                     const char *item, struct err *e)
{
    struct columns *c = v->own;
    char *type CLEANUP(mem_free_ptr) = trimmed(item);
    c->parts[i] = vindex_new_part(v->name, type, p, e);
    if (c->parts[i] == NULL)
        return false;
    return c->parts[i]->kind->hashing ||
           err_set(e, ERR_VSCHEMA,
                   "vindex %s: column_vindex: %s gives no keyspace id of one value by itself",
                   v->name, type);
}

static bool take_parts(const struct vindex *v, const struct vindex_params *p, struct err *e)
{
    const struct columns *c = v->own;
    const char *list = vindex_param(p, "column_vindex");
    size_t i = 0;
    for (; list != NULL; i++) {
        char *item CLEANUP(mem_free_ptr) = next_item(&list);
        if (i == c->n)
            return too_many(v, "column_vindex", e);
        if (!add_part(v, p, i, item, e))
            return false;
    }
    for (; i < c->n; i++)
        if (!add_part(v, p, i, "", e))
            return false;
    return true;
}

static bool create_multicol(struct vindex *v, const struct vindex_params *p, struct err *e)
{
    v->own = mem_alloc(sizeof(struct columns));
    return take_count(v, p, e) && take_bytes(v, p, e) && take_parts(v, p, e);
}

static void destroy_multicol(struct vindex *v)
{
    struct columns *c = v->own;
    for (size_t i = 0; i < c->n; i++)
        vindex_free(c->parts[i]);
    mem_free_ptr(&v->own);
}

static enum vindex_result map_multicol(const struct vindex *v, const struct vindex_input *in,
                                       size_t n_in, struct buf *out, struct err *e)
{
    (void)e;
    const struct columns *c = v->own;
    struct buf id CLEANUP(buf_fini) = BUF_INIT;
    size_t start = out->len, least = 0;
    for (size_t i = 0; i < n_in; i++) {
        buf_reset(&id);
        if (vindex_map_part(c->parts[i], &in[i], &id) != VINDEX_KSID)
            return VINDEX_NONE;
        while (out->len - start < least && buf_put_u8(out, 0))
            ;
        size_t bytes = (size_t)c->bytes[i];
        buf_put(out, buf_str(&id), id.len < bytes ? id.len : bytes);
        least += bytes;
    }
    return VINDEX_KSID;
}

static void place_multicol(const struct vindex *v, struct buf *out)
{
    const struct columns *c = v->own;
    for (size_t i = 0; i < c->n; i++) {
        buf_printf(out, "%s%d:", i > 0 ? "," : "", c->bytes[i]);
        vindex_put_placement(c->parts[i], out);
    }
}

const struct vindex_kind vindex_kinds_columns[] = {
    {.type = "multicol",
     .create = create_multicol,
     .destroy = destroy_multicol,
     .map = map_multicol,
     .place = place_multicol,
     .cost = 1,
     .partial = true,
     .unique = true},
    {.type = NULL},
};
