/* app/cli/cmd_route.c — `sluice route`: on which shard a row is, by a vindex of its table.
 *
 * A functional vindex tells it alone; a lookup vindex is asked at its lookup table's servers. The
 * value's meaning is the column's type, which a serving shard tells.
 */
#include "app/cli/commands.h"
#include "app/cli/routing_file.h"
#include "base/mem.h"
#include "mysql/conn.h"
#include "schemas/inspect.h"
#include "schemas/sharding/lookup_ask.h"
#include "schemas/sharding/vindex_input.h"
#include "schemas/sharding/vschema.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct route {
    const struct config *c;
    const struct topo_keyspace *ks;
    const struct topo_shard **shards; /* those that serve */
    size_t n_shards;
    const char *table, *key, *column;
    const struct vschema_column_vindex *by;
    char *values[VINDEX_COLUMNS_MAX]; /* of the vindex's first columns */
    struct buf scratch[VINDEX_COLUMNS_MAX];
    struct vindex_input in[VINDEX_COLUMNS_MAX];
    size_t n;
};

static void route_fini(struct route *r)
{
    for (size_t i = 0; i < VINDEX_COLUMNS_MAX; i++) {
        free(r->values[i]);
        buf_fini(&r->scratch[i]);
    }
    free(r->shards);
}

static const struct topo_shard **shards_serving(const struct config *c,
                                                const struct topo_keyspace *ks, size_t *n)
{
    const char **names = NULL;
    *n = serving_shards(c, ks, &names);
    const struct topo_shard **shards = mem_calloc(*n + 1, sizeof *shards);
    for (size_t i = 0; i < *n; i++)
        shards[i] = topology_shard(c->topo, ks->name, names[i]);
    free(names);
    return shards;
}

static void print_shard(const struct route *r, const struct topo_shard *s)
{
    printf("%s.%s is on %s/%s at %s, database %s\n", r->ks->name, r->table, r->ks->name, s->name,
           s->primary_address, s->primary.database);
}

static bool print_shards(const struct route *r)
{
    for (size_t i = 0; i < r->n_shards; i++)
        print_shard(r, r->shards[i]);
    return true;
}

/* ---- the value ---- */

static bool split_key(struct route *r, struct err *e)
{
    size_t takes = vindex_is_lookup(r->by->vindex) ? 1 : r->by->n_columns;
    const char *at = r->key;
    while (at != NULL) {
        size_t n = takes > 1 ? strcspn(at, ",") : strlen(at);
        if (r->n == takes)
            return err_set(e, ERR_USAGE, "vindex %s takes %zu values, not '%s'",
                           vindex_name(r->by->vindex), takes, r->key);
        r->values[r->n++] = mem_strndup(at, n);
        at = at[n] == ',' ? at + n + 1 : NULL;
    }
    return true;
}

/* A terminal's text is UTF-8, whatever the column's character set is. */
static bool input_of_key(const struct schema_column *c, const char *key, struct buf *scratch,
                         struct vindex_input *in, struct err *e)
{
    struct vindex_value v = vindex_value_of(c);
    v.form = VINDEX_FORM_TEXT;
    v.collation = 0;
    v.p = (const uint8_t *)key;
    v.n = strlen(key);
    return vindex_input_of(&v, scratch, in, e);
}

static bool read_values(struct route *r, const struct schema_table *t, struct err *e)
{
    for (size_t i = 0; i < r->n; i++) {
        const char *column = r->by->columns[i];
        int k = schema_table_column(t, column);
        if (k < 0)
            return err_set(e, ERR_SCHEMA_MISMATCH, "%s has no column %s", r->table, column);
        if (!input_of_key(&t->columns[k], r->values[i], &r->scratch[i], &r->in[i], e))
            return err_prepend(e, "the type of %s.%s decides where %s belongs", r->table, column,
                               r->values[i]);
    }
    return true;
}

static bool read_input(struct route *r, struct err *e)
{
    if (r->n_shards == 0)
        return err_set(e, ERR_KEYRANGE, "no shard of %s serves", r->ks->name);
    const struct topo_shard *s = r->shards[0];
    struct my_conn *conn = my_connect(&s->primary, "route", e);
    struct schema_table *t =
        conn != NULL ? schema_inspect(conn, s->primary.database, r->table, e) : NULL;
    bool ok = t != NULL && read_values(r, t, e);
    if (t != NULL)
        schema_table_unref(t);
    my_close(conn);
    return ok;
}

/* ---- the place ---- */

static bool print_place(const struct route *r, const struct ksid *id, struct err *e)
{
    const struct topo_shard *s = NULL;
    struct buf hex CLEANUP(buf_fini) = BUF_INIT, where CLEANUP(buf_fini) = BUF_INIT;
    for (size_t i = 0; i < r->n_shards && s == NULL; i++)
        if (keyrange_contains(&r->shards[i]->range, id))
            s = r->shards[i];
    if (s == NULL)
        return err_set(e, ERR_KEYRANGE, "no serving shard of %s holds that keyspace id",
                       r->ks->name);
    buf_put_hex(&hex, id->bytes, id->n);
    for (size_t i = 0; i < r->n; i++)
        buf_printf(&where, "%s%s=%s", i > 0 ? ", " : "", r->by->columns[i], r->values[i]);
    printf("%s.%s with %s (keyspace id %s) is on %s/%s at %s, database %s\n", r->ks->name, r->table,
           buf_str(&where), buf_str(&hex), r->ks->name, s->name, s->primary_address,
           s->primary.database);
    return true;
}

/* The values of the first columns alone are a range of keyspace ids. */
static bool print_prefix(const struct route *r, struct err *e)
{
    struct buf start CLEANUP(buf_fini) = BUF_INIT, end CLEANUP(buf_fini) = BUF_INIT,
                     name CLEANUP(buf_fini) = BUF_INIT;
    struct keyrange range;
    if (vindex_map_prefix(r->by->vindex, r->in, r->n, &start, e) != VINDEX_KSID)
        return err_set(e, ERR_VINDEX, "vindex %s of type %s maps these values to no shard",
                       vindex_name(r->by->vindex), vindex_type(r->by->vindex));
    vindex_prefix_end(&start, &end);
    buf_put_hex(&name, buf_str(&start), start.len);
    buf_put_u8(&name, '-');
    buf_put_hex(&name, buf_str(&end), end.len);
    if (!keyrange_parse(buf_str(&name), &range, e))
        return false;
    for (size_t i = 0; i < r->n_shards; i++)
        if (keyrange_intersects(&r->shards[i]->range, &range))
            print_shard(r, r->shards[i]);
    return true;
}

static bool by_function(const struct route *r, struct err *e)
{
    struct ksid id;
    if (r->n < r->by->n_columns)
        return print_prefix(r, e);
    if (vindex_map(r->by->vindex, r->in, r->n, &id, e) != VINDEX_KSID)
        return e->code != ERR_NONE ? false : err_set(e, ERR_VINDEX, "the value maps to no shard");
    return print_place(r, &id, e);
}

/* ---- lookup tables ---- */

/* The keyspace of a table that is named without one: its own, else the one whose vschema has it. */
static const struct topo_keyspace *keyspace_with(const struct route *r, const char *table)
{
    const struct topology *t = r->c->topo;
    const struct topo_keyspace *found = NULL;
    if (vschema_table(r->ks->vschema, table) != NULL)
        return r->ks;
    for (size_t i = 0; i < t->n_keyspaces; i++) {
        if (vschema_table(t->keyspaces[i].vschema, table) == NULL)
            continue;
        if (found != NULL)
            return NULL;
        found = &t->keyspaces[i];
    }
    return found;
}

static const struct topo_keyspace *find_lookup(const struct route *r, char *name, char **table,
                                               struct err *e)
{
    char *dot = strchr(name, '.');
    const struct topo_keyspace *ks;
    *table = dot != NULL ? dot + 1 : name;
    if (dot != NULL) {
        *dot = '\0';
        ks = topology_keyspace(r->c->topo, name);
    } else {
        ks = keyspace_with(r, name);
    }
    if (ks != NULL)
        return ks;
    err_set(e, ERR_VSCHEMA, "vindex %s: no keyspace, or several, have the lookup table %s",
            vindex_name(r->by->vindex), *table);
    err_cure(e, "write KEYSPACE.TABLE in the vindex's parameter table");
    return NULL;
}

static bool print_answer(const struct route *r, const struct vindex_answer *a, struct err *e)
{
    if (a->everywhere)
        return print_shards(r);
    if (a->n == 0)
        return err_set(e, ERR_VINDEX, "lookup table %s has no row for %s=%s",
                       vindex_lookup_of(r->by->vindex)->table, r->by->columns[0], r->values[0]);
    for (size_t i = 0; i < a->n; i++)
        if (!print_place(r, &a->ids[i], e))
            return false;
    return true;
}

static bool by_lookup(const struct route *r, struct err *e)
{
    char *table;
    char *name CLEANUP(mem_free_ptr) =
        serving_table_route(r->c, vindex_lookup_of(r->by->vindex)->table);
    const struct topo_keyspace *ks = find_lookup(r, name, &table, e);
    if (ks == NULL)
        return false;
    struct lookup_place where = {.table = table};
    const struct topo_shard **shards = shards_serving(r->c, ks, &where.n_shards);
    struct vindex_answer answer;
    where.shards = shards;
    bool ok =
        lookup_ask(r->by->vindex, &where, r->in, 1, &answer, e) && print_answer(r, &answer, e);
    vindex_answers_fini(&answer, 1);
    free(shards);
    return ok;
}

/* ---- the command ---- */

static bool choose_vindex(struct route *r, const struct vschema_table *t, struct err *e)
{
    if (r->column == NULL) {
        r->by = t != NULL && t->primary != NULL ? &t->vindexes[0] : NULL;
        return true;
    }
    r->by = t != NULL ? vschema_vindex_of(t, r->column) : NULL;
    return r->by != NULL || err_set(e, ERR_USAGE, "no vindex of %s.%s begins with column %s",
                                    r->ks->name, r->table, r->column);
}

static bool print_route(struct route *r, struct err *e)
{
    if (!choose_vindex(r, vschema_table(r->ks->vschema, r->table), e))
        return false;
    r->shards = shards_serving(r->c, r->ks, &r->n_shards);
    if (r->key == NULL || r->by == NULL)
        return print_shards(r);
    if (!split_key(r, e) || !read_input(r, e))
        return false;
    return vindex_is_lookup(r->by->vindex) ? by_lookup(r, e) : by_function(r, e);
}

static bool route_table(struct route *r, const char *given, struct err *e)
{
    char *name CLEANUP(mem_free_ptr) = serving_table_route(r->c, given);
    char *dot = strchr(name, '.');
    if (dot == NULL)
        return err_set(e, ERR_USAGE, "'%s' is no KEYSPACE.TABLE", given);
    *dot = '\0';
    r->table = dot + 1;
    r->ks = topology_keyspace(r->c->topo, name);
    bool ok = r->ks != NULL ? print_route(r, e)
                            : err_set(e, ERR_USAGE, "there is no keyspace '%s'", name);
    route_fini(r);
    return ok;
}

int cmd_route(const struct opt_values *v)
{
    struct err e = ERR_INIT;
    struct config *c = config_load(opt_str(v, "config"), &e);
    struct route r = {.c = c, .key = opt_str(v, "key"), .column = opt_str(v, "column")};
    bool ok = c != NULL;
    if (ok && opt_n_args(v) != 1)
        ok = err_set(&e, ERR_USAGE, "route needs KEYSPACE.TABLE");
    ok = ok && route_table(&r, opt_arg(v, 0), &e);
    config_free(c);
    return ok ? ERR_EXIT_OK : cmd_fail(v, &e);
}
