/* schemas/sharding/vschema_change.c — how a vschema places its tables, and what another one changes
 * of it. */
#include "schemas/sharding/vschema_change.h"
#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* What decides where the table's rows are. Empty: nothing does. */
static void put_place(const struct vschema *v, const struct vschema_table *t, struct buf *out)
{
    if (!v->sharded || t == NULL)
        return;
    if (t->primary == NULL) {
        buf_put_str(out, vschema_table_is(t, "reference") ? "on every shard" : "a sequence");
        return;
    }
    vindex_put_placement(t->primary, out);
    buf_put_str(out, " over ");
    for (size_t i = 0; i < t->n_columns; i++) {
        buf_put_str(out, i > 0 ? ", " : "");
        for (const char *c = t->columns[i]; *c; c++) /* names of columns have no letter case */
            buf_put_u8(out, (uint8_t)tolower((unsigned char)*c));
    }
}

static json_t *placement_json(const struct vschema *v, const struct vschema_table *t)
{
    CLEANUP(buf_fini) struct buf place = BUF_INIT;
    put_place(v, t, &place);
    const char *vindex = t != NULL && t->primary != NULL ? vindex_name(t->primary) : NULL;
    return place.len > 0 ? json_pack("{s:s, s:s*}", "place", buf_str(&place), "vindex", vindex)
                         : NULL;
}

void vschema_placements(const struct vschema *v, struct buf *json)
{
    json_t *all = json_object();
    for (size_t i = 0; i < v->n_tables; i++) {
        json_t *one = placement_json(v, &v->tables[i]);
        if (one != NULL)
            json_object_set_new(all, v->tables[i].name, one);
    }
    char *text = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS);
    buf_put_str(json, text != NULL ? text : "{}");
    free(text);
    json_decref(all);
}

static const char *place_of(const json_t *placement)
{
    const char *text = json_string_value(json_object_get(placement, "place"));
    return text != NULL ? text : "";
}

static void put_words(const json_t *placement, struct buf *out)
{
    const char *vindex = json_string_value(json_object_get(placement, "vindex"));
    if (vindex != NULL)
        buf_printf(out, "vindex %s: ", vindex);
    buf_put_str(out, placement != NULL ? place_of(placement) : "not placed");
}

bool vschema_moved_tables(const char *placements, const struct vschema *to,
                          bool (*fn)(void *ctx, const char *table, const char *before,
                                     const char *after, struct err *e),
                          void *ctx, struct err *e)
{
    const char *table;
    json_t *before, *all = json_loads(placements, JSON_REJECT_DUPLICATES, NULL);
    bool ok = json_is_object(all) || err_set(e, ERR_VSCHEMA, "placements are not an object");
    json_object_foreach(all, table, before)
    {
        CLEANUP(buf_fini) struct buf was = BUF_INIT;
        CLEANUP(buf_fini) struct buf is = BUF_INIT;
        json_t *after = placement_json(to, vschema_table(to, table));
        put_words(before, &was);
        put_words(after, &is);
        if (ok && strcmp(place_of(before), place_of(after)) != 0)
            ok = fn(ctx, table, buf_str(&was), buf_str(&is), e);
        json_decref(after);
    }
    json_decref(all);
    return ok;
}
