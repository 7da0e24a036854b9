/* schemas/sharding/vindex_map.c — vindexes that a given map of numbers decides: numeric_static_map,
 * region_json, and region_experimental, which is the same without a map.
 *
 * A region's id is one or two bytes of the region's number before the hash of another column.
 */
#include "base/mem.h"
#include "base/sys.h"
#include "schemas/sharding/vindex_internal.h"
#include <stdlib.h>
#include <string.h>

enum { MAP_MAX_BYTES = 64 << 20, REGION_BYTES_MAX = 2 };

struct mapped {
    uint64_t key, value;
};

struct static_map {
    struct vindex_pair *pairs; /* as they are written */
    struct mapped *numbers;    /* the same, by ascending key */
    size_t n;
    struct vindex *fallback; /* NULL: a number that is not in the map is its own id */
};

struct region {
    int bytes;
    struct vindex_pair *map; /* region_json's */
    size_t n;
    struct vindex *hash;
};

static bool read_map(const struct vindex *v, const char *path, struct vindex_pair **pairs,
                     size_t *n, struct err *e)
{
    struct buf text CLEANUP(buf_fini) = BUF_INIT;
    if (!sys_read_file(path, MAP_MAX_BYTES, &text, e))
        return err_prepend(e, "vindex %s: its map", v->name);
    return vindex_pairs_parse(v->name, buf_str(&text), pairs, n, e) || err_prepend(e, "%s", path);
}

/* ---- numeric_static_map ---- */

static int by_key(const void *a, const void *b)
{
    uint64_t x = ((const struct mapped *)a)->key, y = ((const struct mapped *)b)->key;
    return x < y ? -1 : x > y;
}

static bool take_numbers(const struct vindex *v, struct static_map *m, struct err *e)
{
    m->numbers = mem_calloc(m->n + 1, sizeof *m->numbers);
    for (size_t i = 0; i < m->n; i++) {
        m->numbers[i].value = m->pairs[i].value;
        if (!sys_parse_u64(m->pairs[i].name, &m->numbers[i].key))
            return err_set(e, ERR_VSCHEMA, "vindex %s: the map's name '%.100s' is not a number",
                           v->name, m->pairs[i].name);
    }
    qsort(m->numbers, m->n, sizeof *m->numbers, by_key);
    for (size_t i = 1; i < m->n; i++)
        if (m->numbers[i].key == m->numbers[i - 1].key)
            return err_set(e, ERR_VSCHEMA, "vindex %s: the map has the number %llu twice", v->name,
                           (unsigned long long)m->numbers[i].key);
    return true;
}

static bool take_fallback(const struct vindex *v, struct static_map *m, const char *type,
                          struct err *e)
{
    const struct vindex_params none = {0};
    if (type == NULL)
        return true;
    m->fallback = vindex_new_part(v->name, type, &none, e);
    if (m->fallback == NULL)
        return false;
    return m->fallback->kind->hashing ||
           err_set(e, ERR_VSCHEMA, "vindex %s: fallback_type %s gives no keyspace id of one value",
                   v->name, type);
}

static bool create_static_map(struct vindex *v, const struct vindex_params *p, struct err *e)
{
    const char *json = vindex_param(p, "json"), *path = vindex_param(p, "json_path");
    struct static_map *m = v->own = mem_alloc(sizeof *m);
    if ((json == NULL) == (path == NULL))
        return err_set(e, ERR_VSCHEMA, "vindex %s: numeric_static_map needs json or json_path, %s",
                       v->name, json == NULL ? "and has none" : "not both");
    bool read = json != NULL ? vindex_pairs_parse(v->name, json, &m->pairs, &m->n, e)
                             : read_map(v, path, &m->pairs, &m->n, e);
    return read && take_numbers(v, m, e) &&
           take_fallback(v, m, vindex_param(p, "fallback_type"), e);
}

static void destroy_static_map(struct vindex *v)
{
    struct static_map *m = v->own;
    vindex_pairs_free(m->pairs, m->n);
    free(m->numbers);
    vindex_free(m->fallback);
    mem_free_ptr(&v->own);
}

static enum vindex_result map_static(const struct vindex *v, const struct vindex_input *in,
                                     size_t n_in, struct buf *out, struct err *e)
{
    (void)n_in;
    (void)e;
    const struct static_map *m = v->own;
    struct mapped of = {0};
    if (!vindex_input_number(in, false, &of.key))
        return VINDEX_NONE;
    const struct mapped *found = bsearch(&of, m->numbers, m->n, sizeof *m->numbers, by_key);
    if (found == NULL && m->fallback != NULL)
        return vindex_map_part(m->fallback, in, out);
    buf_put_be(out, found != NULL ? found->value : of.key, VINDEX_ID_BYTES);
    return VINDEX_KSID;
}

static void place_static_map(const struct vindex *v, struct buf *out)
{
    const struct static_map *m = v->own;
    vindex_pairs_digest(m->pairs, m->n, out);
    if (m->fallback != NULL)
        buf_printf(out, ",%s", m->fallback->kind->type);
}

/* ---- regions ---- */

static bool create_region(struct vindex *v, const struct vindex_params *p, struct err *e)
{
    const struct vindex_params none = {0};
    const char *bytes = vindex_param(p, "region_bytes");
    struct region *r = v->own = mem_alloc(sizeof *r);
    if (bytes == NULL)
        return err_set(e, ERR_VSCHEMA, "vindex %s: the parameter region_bytes is missing", v->name);
    if (!vindex_param_int(v->name, "region_bytes", bytes, &r->bytes, e))
        return false;
    if (r->bytes < 1 || r->bytes > REGION_BYTES_MAX)
        return err_set(e, ERR_VSCHEMA, "vindex %s: region_bytes is 1 or 2, not %d", v->name,
                       r->bytes);
    r->hash = vindex_new_part(v->name, "hash", &none, e);
    return r->hash != NULL;
}

static bool create_region_json(struct vindex *v, const struct vindex_params *p, struct err *e)
{
    const char *path = vindex_param(p, "region_map");
    if (!create_region(v, p, e))
        return false;
    struct region *r = v->own;
    if (path == NULL)
        return err_set(e, ERR_VSCHEMA, "vindex %s: the parameter region_map is missing", v->name);
    return read_map(v, path, &r->map, &r->n, e);
}

static void destroy_region(struct vindex *v)
{
    struct region *r = v->own;
    vindex_pairs_free(r->map, r->n);
    vindex_free(r->hash);
    mem_free_ptr(&v->own);
}

static void put_region(const struct region *r, uint64_t number, struct buf *out)
{
    unsigned bits = 8 * (unsigned)r->bytes;
    buf_put_be(out, number & ((1u << bits) - 1), (unsigned)r->bytes);
}

static enum vindex_result put_hash(const struct region *r, uint64_t number, struct buf *out)
{
    const struct vindex_input in = {.kind = VINDEX_IN_U64, .u64 = number};
    return vindex_map_part(r->hash, &in, out);
}

static enum vindex_result map_region(const struct vindex *v, const struct vindex_input *in,
                                     size_t n_in, struct buf *out, struct err *e)
{
    (void)e;
    const struct region *r = v->own;
    uint64_t region, number;
    if (!vindex_input_number(&in[0], false, &region))
        return VINDEX_NONE;
    if (n_in > 1 && !vindex_input_number(&in[1], false, &number))
        return VINDEX_NONE;
    put_region(r, region, out);
    return n_in > 1 ? put_hash(r, number, out) : VINDEX_KSID;
}

static enum vindex_result map_region_json(const struct vindex *v, const struct vindex_input *in,
                                          size_t n_in, struct buf *out, struct err *e)
{
    (void)n_in;
    (void)e;
    const struct region *r = v->own;
    struct vindex_text name;
    uint64_t number;
    if (!vindex_input_number(&in[0], false, &number))
        return VINDEX_NONE;
    vindex_input_text(&in[1], &name);
    const struct vindex_pair *found = vindex_pairs_find(r->map, r->n, (const char *)name.p, name.n);
    if (found == NULL)
        return VINDEX_NONE;
    put_region(r, found->value, out);
    return put_hash(r, number, out);
}

static void place_region(const struct vindex *v, struct buf *out)
{
    const struct region *r = v->own;
    buf_printf(out, "%d", r->bytes);
    if (r->map != NULL || r->n > 0) {
        buf_put_u8(out, ',');
        vindex_pairs_digest(r->map, r->n, out);
    }
}

static const char *const static_params[] = {"json", "json_path", "fallback_type", NULL};
static const char *const region_params[] = {"region_bytes", NULL};
static const char *const region_json_params[] = {"region_bytes", "region_map", NULL};

const struct vindex_kind vindex_kinds_map[] = {
    {.type = "numeric_static_map",
     .params = static_params,
     .columns = 1,
     .create = create_static_map,
     .destroy = destroy_static_map,
     .map = map_static,
     .place = place_static_map,
     .cost = 1,
     .hashing = true,
     .unique = true},
    {.type = "region_experimental",
     .params = region_params,
     .columns = 2,
     .create = create_region,
     .destroy = destroy_region,
     .map = map_region,
     .place = place_region,
     .cost = 1,
     .partial = true,
     .unique = true},
    {.type = "region_json",
     .params = region_json_params,
     .columns = 2,
     .create = create_region_json,
     .destroy = destroy_region,
     .map = map_region_json,
     .place = place_region,
     .cost = 1,
     .unique = true},
    {.type = NULL},
};
