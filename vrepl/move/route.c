/* vrepl/move/route.c — origins, plans by source definition, vindex values from row images. */
#include "vrepl/move/route.h"

#include "base/mem.h"
#include "cdc/sidecar/origin.h"
#include "schemas/sharding/vindex_input.h"
#include "vrepl/move/hidden.h"
#include "vrepl/move/object_names.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define ROUTE_MAX_VINDEX 8

struct known_table {         /* by content hash of the source's definition */
    struct vrepl_plan *plan; /* NULL: not of the stream */
    struct schema_table *table;
};

struct vrepl_router {
    struct vrepl_router_options o;
    pthread_mutex_t lock;   /* of known: copiers ask too */
    struct map *known;      /* content hash → struct known_table * */
    bool in_tx;             /* a transaction is open between batches */
    bool own_origin;        /* that we, or the partner, wrote: nothing of it is applied */
    bool saw_rows, foreign; /* of the open transaction */
    struct cdc_row *before, *after;
    size_t row_columns;
    const bool *waits; /* of vrepl_router_wait */
    bool stale; /* the stream ends, or begins anew, at a DDL that was routed: nothing behind it is
                   ours */
};

void vrepl_routing_unref(struct vrepl_routing *r)
{
    if (!r || __atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    free(r->changes);
    free(r->before);
    free(r->after);
    free(r);
}

struct vrepl_routing *vrepl_routing_ref(struct vrepl_routing *r)
{
    __atomic_add_fetch(&r->refs, 1, __ATOMIC_RELAXED);
    return r;
}

bool vrepl_route_hits(uint16_t route, size_t target)
{
    return route == ROUTE_ALL || route == target;
}

static void free_known(void *p)
{
    struct known_table *k = p;
    vrepl_plan_free(k->plan);
    schema_table_unref(k->table);
    free(k);
}

struct vrepl_router *vrepl_router_new(const struct vrepl_router_options *o)
{
    struct vrepl_router *r = mem_alloc(sizeof *r);
    assert(o->spec->n_targets < ROUTE_ALL);
    r->o = *o;
    r->known = map_new(free_known);
    pthread_mutex_init(&r->lock, NULL);
    return r;
}

void vrepl_router_free(struct vrepl_router *r)
{
    if (!r)
        return;
    map_free(r->known);
    pthread_mutex_destroy(&r->lock);
    cdc_row_free(r->before);
    cdc_row_free(r->after);
    free(r);
}

void vrepl_router_wait(struct vrepl_router *r, const bool *waits)
{
    r->waits = waits;
}

static int find_spec(const struct vrepl_router *r, const struct schema_table *t)
{
    const struct vrepl_stream_spec *s = r->o.spec;
    if (strcmp(t->db, s->source->primary.database) != 0)
        return -1;
    for (size_t i = 0; i < s->n_tables; i++) {
        if (!strcmp(s->tables[i].source_table, t->name))
            return (int)i;
    }
    return -1;
}

static const struct vrepl_plan *find_or_make(struct vrepl_router *r, const struct schema_table *t,
                                             struct err *e)
{
    assert(t->content_hash != 0); /* an unsealed definition would be taken for another */
    struct known_table *k = map_get(r->known, &t->content_hash, sizeof t->content_hash);
    if (k)
        return k->plan;
    int no = find_spec(r, t);
    struct vrepl_plan *plan = NULL;
    if (no >= 0) {
        struct plan_options o = {.spec = &r->o.spec->tables[no],
                                 .table_no = (size_t)no,
                                 .source_charsets = r->o.source_charsets,
                                 .target_charsets = r->o.target_charsets,
                                 .target_flavor = r->o.target_flavor,
                                 .several_sources = r->o.spec->several_sources,
                                 .may_narrow = !r->o.spec->copy};
        plan = vrepl_plan_new(&o, t, r->o.targets[no], e);
        if (!plan)
            return NULL;
    }
    k = mem_alloc(sizeof *k);
    k->plan = plan;
    k->table = schema_table_ref(t);
    map_put(r->known, &t->content_hash, sizeof t->content_hash, k);
    return plan;
}

const struct vrepl_plan *vrepl_router_plan(struct vrepl_router *r, const struct schema_table *t,
                                           struct err *e)
{
    err_clear(e);
    pthread_mutex_lock(&r->lock);
    const struct vrepl_plan *plan = find_or_make(r, t, e);
    pthread_mutex_unlock(&r->lock);
    return plan;
}

struct input_scratch {
    struct buf unpacked, text;
};

static bool input_of(const struct cdc_value *v, struct input_scratch *scratch,
                     struct vindex_input *in, struct err *e)
{
    struct vindex_value value = vindex_value_of(v->column);
    if (!v->null && schema_type_is_packed(v->column->type)) {
        if (!cdc_value_bytes(v, &scratch->unpacked, e))
            return false;
        value.p = (const uint8_t *)buf_str(&scratch->unpacked);
        value.n = scratch->unpacked.len;
    } else if (!v->null) {
        value.p = v->p;
        value.n = v->n;
    }
    return vindex_input_of(&value, &scratch->text, in, e);
}

static bool map_values(const struct vrepl_plan *plan, const struct cdc_value *const *values,
                       struct ksid *id, struct err *e)
{
    struct vindex_input in[ROUTE_MAX_VINDEX];
    struct input_scratch scratch[ROUTE_MAX_VINDEX] = {0};
    bool ok = true;
    for (size_t i = 0; i < plan->n_vindex && ok; i++)
        ok = input_of(values[i], &scratch[i], &in[i], e);
    if (ok) {
        enum vindex_result found = vindex_map(plan->spec->vindex, in, plan->n_vindex, id, e);
        if (found == VINDEX_NONE)
            err_set(e, ERR_VINDEX, "%s: the sharding key maps to no shard", plan->source->name);
        ok = found == VINDEX_KSID;
    }
    for (size_t i = 0; i < plan->n_vindex; i++) {
        buf_fini(&scratch[i].unpacked);
        buf_fini(&scratch[i].text);
    }
    return ok;
}

static void put_value(const struct cdc_value *v, struct buf *out)
{
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    struct err unreadable = ERR_INIT; /* the row's place in the log has to do then */
    bool valid = false;
    if (schema_type_is_integer(v->column->type) && cdc_value_is_unsigned(v))
        buf_printf(out, "%llu", (unsigned long long)cdc_value_u64(v));
    else if (schema_type_is_integer(v->column->type))
        buf_printf(out, "%lld", (long long)cdc_value_i64(v));
    else if (schema_type_is_string(v->column->type) && !cdc_value_is_binary(v) &&
             cdc_value_text(v, &text, &valid, &unreadable) && valid)
        buf_printf(out, "'%.60s'", buf_str(&text));
    else
        buf_put_str(out, "…");
}

/* "id=7, name='x'": the identity key, for whoever has to find the row. */
static void put_place(const struct cdc_row *row, const struct vrepl_plan *plan, struct buf *out)
{
    const struct schema_key *k = schema_table_identity(plan->source);
    for (size_t i = 0; k && i < k->n; i++) {
        const struct cdc_value *v = &row->values[k->columns[i]];
        if (v->absent || v->null)
            continue;
        buf_printf(out, "%s%s=", out->len > 0 ? ", " : "", v->column->name);
        put_value(v, out);
    }
}

/* A row that no target takes would be lost at the switch without a word. Its absence afterwards
 * loses nothing, so images that are only removed pass. */
static bool no_target(const struct vrepl_router *r, const struct vrepl_plan *plan,
                      const struct cdc_row *row, const struct ksid *id, struct err *e)
{
    CLEANUP(buf_fini) struct buf hex = BUF_INIT;
    CLEANUP(buf_fini) struct buf place = BUF_INIT;
    const struct vrepl_stream_spec *s = r->o.spec;
    buf_put_hex(&hex, id->bytes, id->n);
    put_place(row, plan, &place);
    err_set(e, ERR_VINDEX, "%s.%s: row (%s) has keyspace id %s, which %s", plan->source->db,
            plan->source->name, buf_str(&place), buf_str(&hex),
            s->one_key_space && !keyrange_contains(&s->source->range, id)
                ? "is not of the shard's range"
                : "no target shard holds");
    return err_cure(e,
                    "such a row does not belong on shard %s/%s: move or delete it there, cancel "
                    "the workflow and create it again",
                    r->o.spec->source->keyspace, r->o.spec->source->name);
}

/* ▶ A target may be wider than the source (the way back of a split, a merge): a row inside of it
 * that the source's range does not hold is a stray one, and its twin on the shard where it belongs
 * would be overwritten, or removed, by it. */
uint16_t vrepl_route_target(const struct vrepl_stream_spec *s, const struct ksid *id)
{
    if (s->one_key_space && !keyrange_contains(&s->source->range, id))
        return ROUTE_NONE;
    for (size_t i = 0; i < s->n_targets; i++) {
        if (keyrange_contains(&s->targets[i]->range, id))
            return (uint16_t)i;
    }
    return ROUTE_NONE;
}

static bool place_row(const struct vrepl_router *r, const struct vrepl_plan *plan,
                      const struct cdc_row *row, const struct cdc_row *fallback, bool stays,
                      uint16_t *out, struct err *e)
{
    *out = ROUTE_ALL;
    if (!plan->spec->vindex)
        return true;
    const struct cdc_value *values[ROUTE_MAX_VINDEX];
    if (plan->n_vindex > ROUTE_MAX_VINDEX)
        return err_set(e, ERR_LIMIT, "%s: too many sharding columns", plan->source->name);
    for (size_t i = 0; i < plan->n_vindex; i++) {
        uint16_t column = plan->vindex[i];
        values[i] = &row->values[column];
        if (values[i]->absent && fallback)
            values[i] = &fallback->values[column];
        if (values[i]->absent)
            return err_set(e, ERR_SRC_SETTING,
                           "%s.%s: the log's row image has no value of the sharding column %s",
                           plan->source->db, plan->source->name,
                           plan->source->columns[column].name);
    }
    struct ksid id;
    if (!map_values(plan, values, &id, e))
        return err_prepend(e, "%s.%s", plan->source->db, plan->source->name);
    *out = vrepl_route_target(r->o.spec, &id);
    return *out != ROUTE_NONE || !stays || no_target(r, plan, row, &id, e);
}

bool vrepl_route_row(const struct vrepl_router *r, const struct vrepl_plan *plan,
                     const struct cdc_row *row, const struct cdc_row *fallback, uint16_t *out,
                     struct err *e)
{
    return place_row(r, plan, row, fallback, true, out, e);
}

static bool same_vindex_values(const struct vrepl_plan *plan, const struct cdc_row *a,
                               const struct cdc_row *b)
{
    for (size_t i = 0; i < plan->n_vindex; i++) {
        uint16_t column = plan->vindex[i];
        if (!b->values[column].absent && !cdc_value_equal(&a->values[column], &b->values[column]))
            return false;
    }
    return true;
}

static bool route_images(struct vrepl_router *r, const struct vrepl_plan *plan, enum cdc_op op,
                         uint16_t *before, uint16_t *after, struct err *e)
{
    *before = *after = ROUTE_NONE;
    if (op != CDC_OP_INSERT && !place_row(r, plan, r->before, NULL, false, before, e))
        return false;
    if (op == CDC_OP_DELETE)
        return true;
    if (op == CDC_OP_UPDATE && *before != ROUTE_NONE &&
        same_vindex_values(plan, r->before, r->after)) {
        *after = *before;
        return true;
    }
    return vrepl_route_row(r, plan, r->after, op == CDC_OP_UPDATE ? r->before : NULL, after, e);
}

static void grow_rows(struct vrepl_router *r, size_t n_columns)
{
    if (n_columns <= r->row_columns)
        return;
    cdc_row_free(r->before);
    cdc_row_free(r->after);
    r->before = cdc_row_new(n_columns);
    r->after = cdc_row_new(n_columns);
    r->row_columns = n_columns;
}

static bool route_each(struct vrepl_router *r, const struct cdc_rows *rows,
                       const struct vrepl_plan *plan, uint16_t *before, uint16_t *after,
                       struct err *e)
{
    struct cdc_rows_iter it;
    enum cdc_rows_result next;
    grow_rows(r, rows->n_columns);
    cdc_rows_begin(&it, rows);
    for (size_t i = 0; (next = cdc_rows_next(&it, r->before, r->after, e)) == CDC_ROWS_ROW; i++) {
        assert(i < rows->n_rows);
        if (!route_images(r, plan, rows->op, &before[i], &after[i], e))
            return false;
    }
    return next == CDC_ROWS_END;
}

/* The origin stands in the first rows of a transaction, before any row of the user's. */
static void look_at_origin(struct vrepl_router *r, const struct cdc_rows *rows)
{
    char origin[512];
    if (r->saw_rows)
        return;
    r->saw_rows = true;
    if (!cdc_rows_origin(rows, origin, sizeof origin))
        return;
    const struct vrepl_stream_spec *s = r->o.spec;
    r->own_origin =
        !strcmp(origin, s->workflow_key) || (s->skip_origin && !strcmp(origin, s->skip_origin));
}

static bool waits(const struct vrepl_router *r, const struct schema_table *t)
{
    int no = r->waits ? find_spec(r, t) : -1;
    return no >= 0 && r->waits[no];
}

/* Nobody writes to a table that a fence has hidden; whoever does, writes to the table. */
static bool refuse_hidden(const struct vrepl_router *r, const struct schema_table *t, struct err *e)
{
    const struct vrepl_stream_spec *s = r->o.spec;
    for (size_t i = 0; i < s->n_tables && strcmp(t->db, s->source->primary.database) == 0; i++) {
        if (!names_is_hidden(t->name, s->tables[i].source_table))
            continue;
        err_set(e, ERR_WF_STATE,
                "table %s was written under the name %s, by which a fence hides it",
                s->tables[i].source_table, t->name);
        return err_cure(e, "copy the workflow's tables anew (workflow stop, then workflow start "
                           "--recopy)");
    }
    return true;
}

static bool route_rows(struct vrepl_router *r, const struct cdc_change *c,
                       struct vrepl_routing *out, struct route_change *rc, struct err *e)
{
    if (c->kind == CDC_ROWS)
        look_at_origin(r, &c->rows);
    if (cdc_is_sidecar(c->rows.table))
        return true;
    r->foreign = true;
    if (r->own_origin || r->stale || waits(r, c->rows.table))
        return true;
    const struct vrepl_plan *plan = vrepl_router_plan(r, c->rows.table, e);
    if (!plan)
        return e->code == ERR_NONE && refuse_hidden(r, c->rows.table, e);
    rc->plan = plan;
    rc->first = (uint32_t)out->n_rows;
    rc->everywhere = !plan->spec->vindex;
    if (rc->everywhere)
        return true;
    bool ok = route_each(r, &c->rows, plan, out->before + out->n_rows, out->after + out->n_rows, e);
    out->n_rows += c->rows.n_rows;
    return ok;
}

enum ddl_concern vrepl_route_ddl(const struct vrepl_stream_spec *s, const bool *waits,
                                 const struct ddl_text *ddl, size_t *table_no)
{
    enum ddl_concern most = DDL_UNRELATED;
    for (size_t i = 0; i < s->n_tables; i++) {
        enum ddl_concern one =
            hidden_concern(ddl, s->source->primary.database, s->tables[i].source_table);
        bool nothing_there = one == DDL_CHANGES && waits && waits[i];
        if (one <= most || nothing_there)
            continue;
        most = one;
        *table_no = i;
    }
    return most;
}

static void route_ddl(struct vrepl_router *r, const struct cdc_change *c, struct route_change *rc)
{
    size_t table_no = 0;
    r->foreign = true;
    if (r->own_origin)
        return;
    enum ddl_concern what = vrepl_route_ddl(r->o.spec, r->waits, &c->ddl, &table_no);
    rc->ddl_ours = what != DDL_UNRELATED;
    rc->ddl_changes = what == DDL_CHANGES;
    rc->ddl_table = (uint16_t)table_no;
    r->stale =
        r->stale || (rc->ddl_ours && (rc->ddl_changes || r->o.spec->on_ddl != VREPL_ON_DDL_IGNORE));
}

static bool route_change(struct vrepl_router *r, const struct cdc_change *c,
                         struct vrepl_routing *out, struct route_change *rc, struct err *e)
{
    switch (c->kind) {
    case CDC_BEGIN:
        r->in_tx = true;
        r->own_origin = r->saw_rows = r->foreign = false;
        return true;
    case CDC_ROWS:
    case CDC_COPY_ROWS:
        return route_rows(r, c, out, rc, e);
    case CDC_DDL:
        route_ddl(r, c, rc);
        return true;
    case CDC_COMMIT:
    case CDC_ROLLBACK:
        r->in_tx = false;
        rc->foreign = r->foreign;
        return true;
    case CDC_HEARTBEAT:
    case CDC_JOURNAL:
        return true;
    case CDC_GAP:
        return err_set(e, ERR_LOG_UNSUPPORTED, "an event that cannot be read (type %u): %s",
                       c->gap.event_type, c->gap.why ? c->gap.why : "");
    }
    return true;
}

static size_t count_rows(const struct cdc_batch *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n_changes; i++) {
        if (b->changes[i].kind == CDC_ROWS || b->changes[i].kind == CDC_COPY_ROWS)
            n += b->changes[i].rows.n_rows;
    }
    return n;
}

bool vrepl_route(struct vrepl_router *r, const struct cdc_batch *b, struct vrepl_routing **out,
                 struct err *e)
{
    size_t n = count_rows(b);
    struct vrepl_routing *routing = mem_alloc(sizeof *routing);
    routing->refs = 1;
    routing->changes = mem_calloc(b->n_changes + 1, sizeof *routing->changes);
    routing->before = mem_calloc(n + 1, sizeof *routing->before);
    routing->after = mem_calloc(n + 1, sizeof *routing->after);
    for (size_t i = 0; i < b->n_changes; i++) {
        const struct cdc_change *c = &b->changes[i];
        if (route_change(r, c, routing, &routing->changes[i], e))
            continue;
        err_prepend(e, "%s:%llu", c->file ? c->file : "", (unsigned long long)c->log_pos);
        vrepl_routing_unref(routing);
        return false;
    }
    assert(routing->n_rows <= n);
    *out = routing;
    return true;
}
