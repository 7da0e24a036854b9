/* vrepl/workflow/create_request.c — what a create asks for: flags, shards, tables and vindexes
 * become a definition. */
#include "vrepl/workflow/create.h"

#include "base/log.h"
#include "base/mem.h"
#include "schemas/inspect.h"
#include "schemas/names.h"
#include "vrepl/workflow/routing.h"
#include "vrepl/workflow/type_rows.h"

#include <assert.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool options_from(struct wf_def *d, const struct verb_options *o, struct err *e)
{
    const char *handling = o->sharded_auto_increment_handling; /* one of its words, or NULL */
    if (handling != NULL && strcasecmp(handling, "REPLACE") == 0) {
        err_set(e, ERR_WF_PRECONDITION,
                "--sharded-auto-increment-handling REPLACE needs sequences, which are not offered");
        return err_cure(
            e,
            "use REMOVE (the application allocates ids) or LEAVE (each shard counts on its own)");
    }
    if (o->on_ddl != NULL && !wf_on_ddl_parse(o->on_ddl, &d->on_ddl))
        return err_set(e, ERR_INTERNAL, "no such --on-ddl: %s", o->on_ddl);
    d->keep_auto_increment = handling != NULL && strcasecmp(handling, "LEAVE") == 0;
    d->stop_after_copy = o->stop_after_copy;
    d->auto_start = o->auto_start;
    d->defer_secondary_keys = o->defer_secondary_keys;
    d->routing_rules = !o->no_routing_rules;
    return true;
}

static bool collations_from(struct wf_def *d, const struct verb_options *o, struct err *e)
{
    const struct flag_list *list = &o->collation_map;
    d->collation_map = mem_calloc(list->n + 1, sizeof *d->collation_map);
    for (size_t i = 0; i < list->n; i++) {
        const char *equals = strchr(list->items[i], '=');
        if (equals == NULL || equals == list->items[i] || equals[1] == '\0')
            return err_set(e, ERR_USAGE, "--collation-map is a list of FROM=TO, not %s",
                           list->items[i]);
        d->collation_map[d->n_collation_map++] = mem_strdup(list->items[i]);
    }
    return true;
}

bool request_keyspace_known(struct vrepl_engine *g, const char *keyspace, const char *what,
                            struct err *e)
{
    if (keyspace == NULL)
        return err_set(e, ERR_USAGE, "--%s-keyspace is needed", what);
    if (topology_keyspace(g->o.topo, keyspace) != NULL)
        return true;
    err_set(e, ERR_WF_PRECONDITION, "there is no keyspace %s", keyspace);
    return err_cure(e, "add it under keyspaces in the configuration");
}

static bool side_serving(struct vrepl_engine *g, const char *keyspace, struct wf_side *side,
                         struct err *e)
{
    const char **shards;
    size_t n = vrepl_engine_serving(g, keyspace, &shards);
    if (n == 0) {
        free(shards);
        return err_set(e, ERR_WF_PRECONDITION, "keyspace %s has no shard that serves", keyspace);
    }
    wf_side_set(side, keyspace, shards, n);
    free(shards);
    return routing_check_partition(g, keyspace, e);
}

/* One source shard for each target table: several could hold the same keys. */
static bool one_source(const struct wf_def *d, struct err *e)
{
    if (d->source.n_shards == 1)
        return true;
    err_set(e, ERR_WF_PRECONDITION,
            "keyspace %s has %zu serving shards: copying several into one table is not supported",
            d->source.keyspace, d->source.n_shards);
    return err_cure(e, "move tables out of keyspaces with one serving shard");
}

bool request_two_keyspaces(struct vrepl_engine *g, struct wf_def *d, const char *keyspace,
                           const struct verb_options *o, struct err *e)
{
    const char *source = o->source_keyspace;
    if (!request_keyspace_known(g, source, "source", e) ||
        !request_keyspace_known(g, keyspace, "target", e))
        return false;
    if (strcmp(source, keyspace) == 0)
        return err_set(e, ERR_WF_PRECONDITION, "source and target keyspace are the same: %s",
                       keyspace);
    if (!side_serving(g, source, &d->source, e) || !side_serving(g, keyspace, &d->target, e))
        return false;
    if (o->source_shards.n != 0 && o->source_shards.n != d->source.n_shards)
        return err_set(e, ERR_WF_PRECONDITION,
                       "--source-shards: moving some shards only is not supported");
    return one_source(d, e);
}

/* All tables of the source but those that the user left out and those of a schema change that runs.
 */
static bool list_all(struct vrepl_engine *g, struct wf_def *d, const struct verb_options *o,
                     char ***names, size_t *n, struct err *e)
{
    const struct topo_shard *s = topology_shard(g->o.topo, d->source.keyspace, d->source.shards[0]);
    const char *db = s->primary.database;
    struct my_conn *c = my_connect(&s->primary, "create", e);
    CLEANUP(buf_fini) struct buf ghosts = BUF_INIT;
    const struct flag_list *not = &o->exclude_tables;
    bool ok = c != NULL && schema_list_tables(c, db, names, n, e) &&
              schema_names_exclude(*names, n, my_conn_server(c)->folds_names, db, not ->items,
                                   not ->n, e) &&
              schema_leave_ghosts(c, db, *names, n, &ghosts, e);
    if (ok && ghosts.len > 0) {
        log_warn("workflow", "%s/%s: %s left out: tables of a schema change that runs", s->keyspace,
                 s->name, buf_str(&ghosts));
        d->left_out = mem_strdup(buf_str(&ghosts));
    }
    my_close(c);
    return ok || err_prepend(e, "%s/%s", s->keyspace, s->name);
}

/* Takes a table's name as the source stores it: that is its name in the log. */
static bool take_stored(struct wf_table *t, bool folds, const char *db, char *const *names,
                        size_t n, struct err *e)
{
    const char *stored = schema_name_find(folds, names, n, t->source);
    if (!stored)
        return schema_name_unknown(names, n, db, t->source, e);
    if (strcmp(t->target, t->source) == 0) {
        free(t->target);
        t->target = mem_strdup(stored);
    }
    free(t->source);
    t->source = mem_strdup(stored);
    return true;
}

static bool named_twice(const struct wf_def *d, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(d->tables[k].source, d->tables[i].source) == 0 &&
            strcmp(d->tables[k].target, d->tables[i].target) == 0)
            return true;
    return false;
}

bool request_tables_stored(struct vrepl_engine *g, struct wf_def *d, struct err *e)
{
    const struct topo_shard *s = topology_shard(g->o.topo, d->source.keyspace, d->source.shards[0]);
    struct my_conn *c = my_connect(&s->primary, "create", e);
    char **names = NULL;
    size_t n = 0;
    bool ok = c != NULL && schema_list_tables(c, s->primary.database, &names, &n, e);
    bool folds = ok && my_conn_server(c)->folds_names;
    for (size_t i = 0; i < d->n_tables && ok; i++) {
        ok = take_stored(&d->tables[i], folds, s->primary.database, names, n, e);
        if (ok && named_twice(d, i))
            ok = err_set(e, ERR_USAGE, "table %s is named twice", d->tables[i].source);
    }
    schema_names_free(names, n);
    my_close(c);
    return ok || err_prepend(e, "%s/%s", s->keyspace, s->name);
}

void request_add_table(struct wf_def *d, const char *source, const char *target)
{
    d->tables = mem_realloc(d->tables, d->n_tables + 1, sizeof *d->tables);
    d->tables[d->n_tables] =
        (struct wf_table){.source = mem_strdup(source), .target = mem_strdup(target)};
    d->n_tables++;
}

static const struct vschema_table *vschema_entry(struct vrepl_engine *g, const struct wf_def *d,
                                                 const char *table)
{
    return vschema_table(topology_keyspace(g->o.topo, d->target.keyspace)->vschema, table);
}

bool create_leaves_out(struct vrepl_engine *g, const struct wf_def *d, const char *table)
{
    const struct vschema_table *v = vschema_entry(g, d, table);
    return d->type->leaves_out != NULL && d->type->leaves_out(v);
}

bool request_tables_all(struct vrepl_engine *g, struct wf_def *d, const struct verb_options *o,
                        struct err *e)
{
    char **names = NULL;
    size_t n = 0;
    bool ok = list_all(g, d, o, &names, &n, e);
    for (size_t i = 0; ok && i < n; i++) {
        if (!create_leaves_out(g, d, names[i]))
            request_add_table(d, names[i], names[i]);
    }
    schema_names_free(names, n);
    return ok &&
           (d->n_tables > 0 ||
            err_set(e, ERR_WF_PRECONDITION, "source keyspace %s has no tables, or all are left out",
                    d->source.keyspace));
}

void request_tables_listed(struct wf_def *d, const struct flag_list *names)
{
    for (size_t i = 0; i < names->n; i++) {
        const struct flag_list before = {names->items, i};
        if (!flag_list_has(&before, names->items[i]))
            request_add_table(d, names->items[i], names->items[i]);
    }
}

/* A lookup table says where a row is now. A row that is copied, or that the log changed, is placed as
 * of its place in the log, which the table has left behind or not reached. */
static bool check_functional(const struct wf_def *d, const struct wf_table *t,
                             const struct vindex *primary, struct err *e)
{
    if (!vindex_is_lookup(primary))
        return true;
    err_set(
        e, ERR_WF_PRECONDITION,
        "keyspace %s places table %s by vindex %s of type %s: what a lookup table says now places "
        "no row of the log",
        d->target.keyspace, t->target, vindex_name(primary), vindex_type(primary));
    return err_cure(e, "put a functional vindex (docs/reference/vindexes.md) first in the table's "
                       "column_vindexes");
}

/* On the way back, rows are placed by the source keyspace's vindex, of which the stream knows the
 * columns that place them in the target keyspace. */
static bool check_way_back(struct vrepl_engine *g, const struct wf_def *d, const struct wf_table *t,
                           struct err *e)
{
    const struct vschema_table *v =
        vschema_table(topology_keyspace(g->o.topo, d->source.keyspace)->vschema, t->source);
    if (!d->type->takes_over || d->type->one_key_space || v == NULL || v->primary == NULL)
        return true;
    bool same = v->n_columns == t->n_columns && !vindex_is_lookup(v->primary);
    for (size_t i = 0; same && i < t->n_columns; i++)
        same = strcasecmp(v->columns[i], t->columns[i]) == 0;
    if (same || d->source.n_shards == 1)
        return true;
    err_set(
        e, ERR_WF_PRECONDITION,
        "table %s: keyspace %s places it by vindex %s of type %s and other columns than keyspace "
        "%s: the way back could not be placed",
        t->source, d->source.keyspace, vindex_name(v->primary), vindex_type(v->primary),
        d->target.keyspace);
    return err_cure(e, "give both vschemas a functional primary vindex of the same columns");
}

static bool take_vindex(struct vrepl_engine *g, const struct wf_def *d, struct wf_table *t,
                        struct err *e)
{
    const struct vschema_table *v = vschema_entry(g, d, t->target);
    if (v == NULL || v->primary == NULL) {
        err_set(e, ERR_WF_PRECONDITION,
                "keyspace %s is sharded, but its vschema has no primary vindex for table %s",
                d->target.keyspace, t->target);
        return err_cure(e, "add the table with its column_vindexes to the keyspace's vschema");
    }
    if (!check_functional(d, t, v->primary, e))
        return false;
    struct buf placement = BUF_INIT;
    vindex_put_placement(v->primary, &placement);
    t->placement = buf_take(&placement);
    t->vindex_type = mem_strdup(vindex_type(v->primary));
    t->n_columns = v->n_columns;
    t->columns = mem_calloc(v->n_columns + 1, sizeof *t->columns);
    for (size_t i = 0; i < v->n_columns; i++)
        t->columns[i] = mem_strdup(v->columns[i]);
    return check_way_back(g, d, t, e);
}

static bool place_table(struct vrepl_engine *g, const struct wf_def *d, struct wf_table *t,
                        const struct verb_options *o, struct err *e)
{
    const struct vschema_table *v = vschema_entry(g, d, t->target);
    bool everywhere = vschema_table_is(v, "reference");
    if (d->type->precheck != NULL && !d->type->precheck(d, t, v, o, &everywhere, e))
        return false;
    return everywhere || take_vindex(g, d, t, e);
}

static bool place_tables(struct vrepl_engine *g, struct wf_def *d, const struct verb_options *o,
                         struct err *e)
{
    bool sharded = topology_keyspace(g->o.topo, d->target.keyspace)->vschema->sharded;
    if (!sharded && d->target.n_shards > 1)
        return err_set(e, ERR_WF_PRECONDITION,
                       "keyspace %s has several shards, but its vschema is not sharded",
                       d->target.keyspace);
    for (size_t i = 0; sharded && i < d->n_tables; i++) {
        if (!place_table(g, d, &d->tables[i], o, e))
            return false;
    }
    return true;
}

static int by_source(const void *a, const void *b)
{
    return strcmp(((const struct wf_table *)a)->source, ((const struct wf_table *)b)->source);
}

static bool fill(struct vrepl_engine *g, struct wf_def *d, const char *keyspace,
                 const struct verb_options *o, struct err *e)
{
    if (!d->type->request(g, d, keyspace, o, e))
        return false;
    qsort(d->tables, d->n_tables, sizeof *d->tables, by_source);
    return place_tables(g, d, o, e);
}

/* Not a secret: fence triggers show it. It only has to differ from what an application sets. */
static char *new_pass(void)
{
    unsigned char bytes[12];
    CLEANUP(buf_fini) struct buf hex = BUF_INIT;
    int made = RAND_bytes(bytes, sizeof bytes);
    assert(made == 1);
    (void)made;
    buf_put_hex(&hex, bytes, sizeof bytes);
    return buf_take(&hex);
}

struct wf_def *create_request(struct vrepl_engine *g, const struct wf_type_ops *type,
                              const char *keyspace, const struct verb_options *o, struct err *e)
{
    struct wf_def *d = mem_alloc(sizeof *d);
    d->type = type;
    d->on_ddl = VREPL_ON_DDL_IGNORE;
    d->pass = new_pass();
    if (options_from(d, o, e) && collations_from(d, o, e) && fill(g, d, keyspace, o, e))
        return d;
    wf_def_free(d);
    return NULL;
}
