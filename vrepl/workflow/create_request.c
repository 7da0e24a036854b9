/* vrepl/workflow/create_request.c — what a create asks for: flags, shards, tables and vindexes
 * become a definition. */
#include "vrepl/workflow/create.h"

#include "base/log.h"
#include "base/mem.h"
#include "schemas/inspect.h"
#include "schemas/names.h"
#include "vrepl/workflow/routing.h"

#include <assert.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool options_from(struct wf_def *d, const json_t *f, struct err *e)
{
    const char *on_ddl = flags_str(f, "on_ddl");
    const char *handling = flags_str(f, "sharded_auto_increment_handling");
    if (on_ddl != NULL && !wf_on_ddl_parse(on_ddl, &d->on_ddl))
        return err_set(e, ERR_USAGE, "--on-ddl is IGNORE, STOP, EXEC or EXEC_IGNORE, not %s",
                       on_ddl);
    if (handling != NULL && strcasecmp(handling, "REPLACE") == 0) {
        err_set(e, ERR_WF_PRECONDITION,
                "--sharded-auto-increment-handling REPLACE needs sequences, which are not offered");
        return err_cure(
            e,
            "use REMOVE (the application allocates ids) or LEAVE (each shard counts on its own)");
    }
    if (handling != NULL && strcasecmp(handling, "REMOVE") != 0 &&
        strcasecmp(handling, "LEAVE") != 0)
        return err_set(e, ERR_USAGE, "--sharded-auto-increment-handling is LEAVE or REMOVE, not %s",
                       handling);
    d->keep_auto_increment = handling != NULL && strcasecmp(handling, "LEAVE") == 0;
    d->stop_after_copy = flags_bool(f, "stop_after_copy", false);
    d->auto_start = flags_bool(f, "auto_start", true);
    d->defer_secondary_keys = flags_bool(f, "defer_secondary_keys", true);
    d->routing_rules = !flags_bool(f, "no_routing_rules", false);
    return true;
}

static bool collations_from(struct wf_def *d, const json_t *f, struct err *e)
{
    size_t n;
    char **list = flags_list(f, "collation_map", &n);
    d->collation_map = mem_calloc(n + 1, sizeof *d->collation_map);
    for (size_t i = 0; i < n; i++)
        d->collation_map[d->n_collation_map++] = mem_strdup(list[i]);
    flags_list_free(list, n);
    for (size_t i = 0; i < d->n_collation_map; i++) {
        const char *equals = strchr(d->collation_map[i], '=');
        if (equals == NULL || equals == d->collation_map[i] || equals[1] == '\0')
            return err_set(e, ERR_USAGE, "--collation-map is a list of FROM=TO, not %s",
                           d->collation_map[i]);
    }
    return true;
}

static bool keyspace_known(struct vrepl_engine *g, const char *keyspace, const char *what,
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

static bool sides_of_move(struct vrepl_engine *g, struct wf_def *d, const char *keyspace,
                          const json_t *f, struct err *e)
{
    const char *source = flags_str(f, "source_keyspace");
    if (!keyspace_known(g, source, "source", e) || !keyspace_known(g, keyspace, "target", e))
        return false;
    if (strcmp(source, keyspace) == 0)
        return err_set(e, ERR_WF_PRECONDITION, "source and target keyspace are the same: %s",
                       keyspace);
    if (!side_serving(g, source, &d->source, e) || !side_serving(g, keyspace, &d->target, e))
        return false;
    size_t n;
    char **only = flags_list(f, "source_shards", &n);
    bool all = n == 0 || n == d->source.n_shards;
    flags_list_free(only, n);
    if (!all)
        return err_set(e, ERR_WF_PRECONDITION,
                       "--source-shards: moving some shards only is not supported");
    return one_source(d, e);
}

static bool shard_list(struct vrepl_engine *g, const char *keyspace, const json_t *f,
                       const char *flag, struct wf_side *side, struct err *e)
{
    size_t n;
    char **names = flags_list(f, flag, &n);
    const char **known = mem_calloc(n + 1, sizeof(char *));
    bool ok = n > 0 || err_set(e, ERR_USAGE, "--source-shards and --target-shards are needed");
    for (size_t i = 0; ok && i < n; i++) {
        const struct topo_shard *s = topology_shard(g->o.topo, keyspace, names[i]);
        ok = s != NULL ||
             err_set(e, ERR_WF_PRECONDITION, "there is no shard %s/%s in the configuration",
                     keyspace, names[i]);
        known[i] = s != NULL ? s->name : NULL;
    }
    if (ok)
        wf_side_set(side, keyspace, known, n);
    flags_list_free(names, n);
    free(known);
    return ok;
}

static int by_start(const void *a, const void *b)
{
    const struct keyrange *x = a, *y = b;
    size_t n = x->start_len < y->start_len ? x->start_len : y->start_len;
    int c = memcmp(x->start, y->start, n);
    return c != 0 ? c : (int)x->start_len - (int)y->start_len;
}

static struct keyrange *ranges_of(struct vrepl_engine *g, const struct wf_side *s)
{
    struct keyrange *r = mem_calloc(s->n_shards, sizeof *r);
    for (size_t i = 0; i < s->n_shards; i++)
        r[i] = topology_shard(g->o.topo, s->keyspace, s->shards[i])->range;
    qsort(r, s->n_shards, sizeof *r, by_start);
    return r;
}

static bool check_ranges(struct vrepl_engine *g, const struct wf_def *d, struct err *e)
{
    struct keyrange *a = ranges_of(g, &d->source), *b = ranges_of(g, &d->target);
    bool ok =
        keyrange_sets_equal(a, d->source.n_shards, b, d->target.n_shards) ||
        err_set(e, ERR_WF_PRECONDITION, "source and target shards do not cover the same key range");
    for (size_t i = 0; ok && i < d->target.n_shards; i++) {
        size_t meets = 0;
        for (size_t k = 0; k < d->source.n_shards; k++)
            meets += keyrange_intersects(&a[k], &b[i]) ? 1 : 0;
        ok = meets == 1 ||
             err_set(e, ERR_WF_PRECONDITION,
                     "a target shard takes rows of %zu source shards: merging is not supported",
                     meets);
    }
    free(a);
    free(b);
    return ok;
}

static bool check_serving(struct vrepl_engine *g, const struct wf_def *d, struct err *e)
{
    bool known;
    for (size_t i = 0; i < d->target.n_shards; i++) {
        if (routing_serves(g, d->target.keyspace, d->target.shards[i], &known) && known)
            return err_set(e, ERR_WF_PRECONDITION, "target shard %s/%s is serving",
                           d->target.keyspace, d->target.shards[i]);
    }
    for (size_t i = 0; i < d->source.n_shards; i++) {
        if (!routing_serves(g, d->source.keyspace, d->source.shards[i], &known) && known)
            return err_set(e, ERR_WF_PRECONDITION, "source shard %s/%s is not serving",
                           d->source.keyspace, d->source.shards[i]);
    }
    return true;
}

static bool sides_of_reshard(struct vrepl_engine *g, struct wf_def *d, const char *keyspace,
                             const json_t *f, struct err *e)
{
    if (!keyspace_known(g, keyspace, "target", e) ||
        !shard_list(g, keyspace, f, "source_shards", &d->source, e) ||
        !shard_list(g, keyspace, f, "target_shards", &d->target, e))
        return false;
    for (size_t i = 0; i < d->source.n_shards; i++) {
        if (flags_in(d->target.shards, d->target.n_shards, d->source.shards[i]))
            return err_set(e, ERR_WF_PRECONDITION, "shard %s is both source and target",
                           d->source.shards[i]);
    }
    return check_ranges(g, d, e) && check_serving(g, d, e);
}

/* All tables of the source but those that the user left out and those of a schema change that runs.
 */
static bool list_all(struct vrepl_engine *g, struct wf_def *d, const json_t *f, char ***names,
                     size_t *n, struct err *e)
{
    const struct topo_shard *s = topology_shard(g->o.topo, d->source.keyspace, d->source.shards[0]);
    const char *db = s->primary.database;
    struct my_conn *c = my_connect(&s->primary, "create", e);
    CLEANUP(buf_fini) struct buf ghosts = BUF_INIT;
    size_t n_not;
    char **not = flags_list(f, "exclude_tables", &n_not);
    bool ok = c != NULL && schema_list_tables(c, db, names, n, e) &&
              schema_names_exclude(*names, n, my_conn_server(c)->folds_names, db, not, n_not, e) &&
              schema_leave_ghosts(c, db, *names, n, &ghosts, e);
    if (ok && ghosts.len > 0) {
        log_warn("workflow", "%s/%s: %s left out: tables of a schema change that runs", s->keyspace,
                 s->name, buf_str(&ghosts));
        d->left_out = mem_strdup(buf_str(&ghosts));
    }
    my_close(c);
    flags_list_free(not, n_not);
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

/* Of the tables that the user named. */
static bool tables_as_stored(struct vrepl_engine *g, struct wf_def *d, struct err *e)
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

static void add_table(struct wf_def *d, const char *source, const char *target)
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

static bool is_type(const struct vschema_table *v, const char *type)
{
    return v != NULL && v->type != NULL && strcmp(v->type, type) == 0;
}

bool create_leaves_out(struct vrepl_engine *g, const struct wf_def *d, const char *table)
{
    const struct vschema_table *v = vschema_entry(g, d, table);
    return d->type == WF_RESHARD && (is_type(v, "reference") || is_type(v, "sequence"));
}

static bool tables_all(struct vrepl_engine *g, struct wf_def *d, const json_t *f, struct err *e)
{
    char **names = NULL;
    size_t n = 0;
    bool ok = list_all(g, d, f, &names, &n, e);
    for (size_t i = 0; ok && i < n; i++) {
        if (!create_leaves_out(g, d, names[i]))
            add_table(d, names[i], names[i]);
    }
    schema_names_free(names, n);
    return ok &&
           (d->n_tables > 0 ||
            err_set(e, ERR_WF_PRECONDITION, "source keyspace %s has no tables, or all are left out",
                    d->source.keyspace));
}

static bool tables_listed(struct wf_def *d, const json_t *f, const char *flag)
{
    size_t n;
    char **names = flags_list(f, flag, &n);
    for (size_t i = 0; i < n; i++) {
        if (!flags_in(names, i, names[i]))
            add_table(d, names[i], names[i]);
    }
    flags_list_free(names, n);
    return n > 0;
}

static bool names_any(const json_t *f, const char *flag)
{
    size_t n;
    char **names = flags_list(f, flag, &n);
    flags_list_free(names, n);
    return n > 0;
}

static bool tables_of_move(struct vrepl_engine *g, struct wf_def *d, const json_t *f, struct err *e)
{
    bool all = flags_bool(f, "all_tables", false);
    if (all && names_any(f, "tables"))
        return err_set(e, ERR_USAGE, "either --tables or --all-tables");
    if (!all && names_any(f, "exclude_tables"))
        return err_set(e, ERR_USAGE, "--exclude-tables is for --all-tables");
    if (all)
        return tables_all(g, d, f, e);
    if (!tables_listed(d, f, "tables"))
        return err_set(e, ERR_USAGE,
                       "tables or all-tables are required to specify which tables to move");
    return tables_as_stored(g, d, e);
}

static const char *const select_star = "select * from ";

/* {"target_table","source_expression","create_ddl"} with `select * from t` only. */
static bool add_setting(struct wf_def *d, const json_t *s, struct err *e)
{
    const char *target = json_string_value(json_object_get(s, "target_table"));
    const char *expr = json_string_value(json_object_get(s, "source_expression"));
    const char *ddl = json_string_value(json_object_get(s, "create_ddl"));
    if (target == NULL || expr == NULL)
        return err_set(e, ERR_USAGE,
                       "--table-settings: target_table and source_expression are needed");
    size_t n = strlen(select_star);
    const char *table = strncasecmp(expr, select_star, n) == 0 ? expr + n : "";
    size_t len = strspn(table, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$`");
    if (len == 0 || table[len] != '\0') {
        err_set(e, ERR_WF_PRECONDITION, "--table-settings: `%s` is not supported", expr);
        return err_cure(
            e, "`select * from TABLE` is: columns, WHERE, GROUP BY and functions are not offered");
    }
    if (ddl != NULL && ddl[0] != '\0' && strcmp(ddl, "copy") != 0)
        return err_set(e, ERR_WF_PRECONDITION,
                       "--table-settings: create_ddl is \"copy\" or \"\", not %s", ddl);
    char *name =
        table[0] == '`' && len > 2 ? mem_strndup(table + 1, len - 2) : mem_strndup(table, len);
    add_table(d, name, target);
    free(name);
    return true;
}

static bool tables_of_materialize(struct wf_def *d, const json_t *f, struct err *e)
{
    const char *text = flags_str(f, "table_settings");
    if (tables_listed(d, f, "reference_tables"))
        return text == NULL ||
               err_set(e, ERR_USAGE, "--reference-tables or --table-settings, not both");
    json_t *settings = text != NULL ? json_loads(text, 0, NULL) : NULL;
    bool ok =
        json_array_size(settings) > 0 ||
        err_set(e, ERR_USAGE, "--reference-tables or --table-settings (a JSON array) is needed");
    for (size_t i = 0; ok && i < json_array_size(settings); i++)
        ok = add_setting(d, json_array_get(settings, i), e);
    json_decref(settings);
    return ok;
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
    t->vindex_type = mem_strdup(vindex_type(v->primary));
    t->n_columns = v->n_columns;
    t->columns = mem_calloc(v->n_columns + 1, sizeof *t->columns);
    for (size_t i = 0; i < v->n_columns; i++)
        t->columns[i] = mem_strdup(v->columns[i]);
    return true;
}

/* Behind the switch the application writes it on each shard, and each would send it back. */
static bool no_way_back(const struct wf_def *d, const char *table, struct err *e)
{
    err_set(e, ERR_WF_PRECONDITION,
            "table %s is a reference table in keyspace %s: after a switch its changes would come "
            "back once from each of %zu shards",
            table, d->target.keyspace, d->target.n_shards);
    return err_cure(e,
                    "leave it out of the move, and copy it with `materialize create "
                    "--reference-tables %s`",
                    table);
}

static bool take_vindexes(struct vrepl_engine *g, struct wf_def *d, bool reference, struct err *e)
{
    bool sharded = topology_keyspace(g->o.topo, d->target.keyspace)->vschema->sharded;
    if (!sharded && d->target.n_shards > 1)
        return err_set(e, ERR_WF_PRECONDITION,
                       "keyspace %s has several shards, but its vschema is not sharded",
                       d->target.keyspace);
    for (size_t i = 0; sharded && i < d->n_tables; i++) {
        const struct vschema_table *v = vschema_entry(g, d, d->tables[i].target);
        bool everywhere = is_type(v, "reference");
        if (everywhere && d->type == WF_MOVETABLES && d->target.n_shards > 1)
            return no_way_back(d, d->tables[i].source, e);
        if (reference && !everywhere && v != NULL && v->primary != NULL)
            return err_set(e, ERR_WF_PRECONDITION,
                           "table %s has a primary vindex in keyspace %s: it is no reference table",
                           d->tables[i].target, d->target.keyspace);
        if (!reference && !everywhere && !take_vindex(g, d, &d->tables[i], e))
            return false;
    }
    return true;
}

static int by_source(const void *a, const void *b)
{
    return strcmp(((const struct wf_table *)a)->source, ((const struct wf_table *)b)->source);
}

static bool fill(struct vrepl_engine *g, struct wf_def *d, const char *keyspace, const json_t *f,
                 struct err *e)
{
    bool ok = false;
    switch (d->type) {
    case WF_MOVETABLES:
        ok = sides_of_move(g, d, keyspace, f, e) && tables_of_move(g, d, f, e);
        break;
    case WF_RESHARD:
        ok = sides_of_reshard(g, d, keyspace, f, e) && tables_all(g, d, f, e);
        break;
    case WF_MATERIALIZE:
        ok = sides_of_move(g, d, keyspace, f, e) && tables_of_materialize(d, f, e) &&
             tables_as_stored(g, d, e);
        break;
    }
    if (!ok)
        return false;
    qsort(d->tables, d->n_tables, sizeof *d->tables, by_source);
    return take_vindexes(g, d, flags_str(f, "table_settings") == NULL && d->type == WF_MATERIALIZE,
                         e);
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

struct wf_def *create_request(struct vrepl_engine *g, enum wf_type type, const char *keyspace,
                              const json_t *f, struct err *e)
{
    struct wf_def *d = mem_alloc(sizeof *d);
    d->type = type;
    d->on_ddl = VREPL_ON_DDL_IGNORE;
    d->pass = new_pass();
    if (options_from(d, f, e) && collations_from(d, f, e) && fill(g, d, keyspace, f, e))
        return d;
    wf_def_free(d);
    return NULL;
}
