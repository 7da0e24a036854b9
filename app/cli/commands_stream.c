/* app/cli/commands_stream.c — `sluice stream` and `sluice route`: what needs to know which shards
 * serve. */
#include "app/cli/cmd_stream.h"
#include "app/cli/commands.h"
#include "app/cli/routing_file.h"
#include "base/mem.h"
#include "cdc/vstream/handover.h"
#include "schemas/inspect.h"
#include "schemas/sharding/vindex_input.h"
#include "schemas/sharding/vschema.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool all_known(const struct topo_keyspace *ks, char **shards, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        bool known = false;
        for (size_t k = 0; k < ks->n_shards; k++)
            known |= strcmp(ks->shards[k].name, shards[i]) == 0;
        if (!known)
            return err_set(e, ERR_USAGE, "keyspace %s has no shard '%s'", ks->name, shards[i]);
    }
    return true;
}

/* A VGTID names the shards that are read: its own, whether they serve still or not. */
static bool shards_of_vgtid(const struct topo_keyspace *ks, const char *from,
                            const char *const *serving, size_t n_serving, const char ***out,
                            size_t *n, struct err *e)
{
    CLEANUP(vgtid_fini) struct vgtid v = {0};
    *n = 0;
    if (!vgtid_parse(from, &v, e) || !handover_check_start(ks, &v, NULL, serving, n_serving, e))
        return false;
    *out = mem_calloc(v.n + 1, sizeof(char *));
    for (size_t i = 0; i < ks->n_shards; i++)
        if (vgtid_get(&v, ks->name, ks->shards[i].name) != NULL)
            (*out)[(*n)++] = ks->shards[i].name;
    return true;
}

static bool run_stream(const struct opt_values *v, const struct config *c, struct err *e)
{
    const char *name = opt_str(v, "keyspace"), *format = opt_str(v, "format"),
               *prefix = opt_str(v, "prefix");
    struct topo_keyspace *ks = name != NULL ? topology_keyspace(c->topo, name) : NULL;
    char **tables = NULL, **chosen = NULL;
    const char **serving = NULL, **named = NULL, *from = opt_str(v, "from");
    if (ks == NULL)
        return err_set(e, ERR_USAGE,
                       name != NULL ? "there is no keyspace '%s'" : "--keyspace is missing%s",
                       name != NULL ? name : "");
    size_t n_tables = opt_list(v, "tables", &tables), n_chosen = opt_list(v, "shards", &chosen);
    size_t n_serving = serving_shards(c, ks, &serving);
    struct stream_request rq = {.keyspace = ks->name,
                                .shards = n_chosen > 0 ? (const char *const *)chosen : serving,
                                .n_shards = n_chosen > 0 ? n_chosen : n_serving,
                                .tables = (const char *const *)tables,
                                .n_tables = n_tables,
                                .state_dir = c->state_dir,
                                .from = from,
                                .on_statement = opt_str(v, "on-statement"),
                                .until = opt_str(v, "until"),
                                .until_idle_ms = opt_ms(v, "until-idle"),
                                .copy = opt_flag(v, "copy"),
                                .format = format != NULL ? format : "ndjson",
                                .prefix = prefix != NULL ? prefix : c->topo->installation,
                                .tx = opt_flag(v, "tx"),
                                .stats = opt_flag(v, "stats")};
    topology_server_id_apart(c->topo);
    bool by_vgtid = n_chosen == 0 && !rq.copy && from != NULL && from[0] == '[';
    bool ok = all_known(ks, chosen, n_chosen, e) &&
              (!by_vgtid || shards_of_vgtid(ks, from, serving, n_serving, &named, &rq.n_shards, e));
    if (ok && by_vgtid)
        rq.shards = named;
    ok = ok && cmd_stream_run(c->topo, &rq, e);
    opt_words_free(tables, n_tables);
    opt_words_free(chosen, n_chosen);
    free(serving);
    free(named);
    return ok;
}

int cmd_stream(const struct opt_values *v)
{
    struct err e = ERR_INIT;
    struct config *c = config_load(opt_str(v, "config"), &e);
    bool ok = c != NULL && run_stream(v, c, &e);
    config_free(c);
    if (!ok && e.code == ERR_SHUTDOWN)
        return ERR_EXIT_INTERRUPTED;
    return ok ? ERR_EXIT_OK : cmd_fail(v, &e);
}

static const struct topo_shard *shard_of(const struct config *c, const struct topo_keyspace *ks,
                                         const struct ksid *id)
{
    const char **serving = NULL;
    size_t n = serving_shards(c, ks, &serving);
    const struct topo_shard *found = NULL;
    for (size_t i = 0; i < n && found == NULL; i++) {
        const struct topo_shard *s = topology_shard(c->topo, ks->name, serving[i]);
        if (keyrange_contains(&s->range, id))
            found = s;
    }
    free(serving);
    return found;
}

static bool print_shards(const struct config *c, const struct topo_keyspace *ks, const char *table)
{
    const char **serving = NULL;
    size_t n = serving_shards(c, ks, &serving);
    for (size_t i = 0; i < n; i++) {
        const struct topo_shard *s = topology_shard(c->topo, ks->name, serving[i]);
        printf("%s.%s is on %s/%s at %s, database %s\n", ks->name, table, ks->name, s->name,
               s->primary_address, s->primary.database);
    }
    free(serving);
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

/* The input of the table's primary vindex, by the type that its column has on a serving shard. */
static bool read_input(const struct config *c, const struct topo_keyspace *ks,
                       const struct vschema_table *t, const char *key, struct buf *scratch,
                       struct vindex_input *in, struct err *e)
{
    const char **serving = NULL;
    size_t n = serving_shards(c, ks, &serving);
    const struct topo_shard *s = n > 0 ? topology_shard(c->topo, ks->name, serving[0]) : NULL;
    struct my_conn *conn = s != NULL ? my_connect(&s->primary, "route", e) : NULL;
    struct schema_table *table =
        conn != NULL ? schema_inspect(conn, s->primary.database, t->name, e) : NULL;
    int i = table != NULL ? schema_table_column(table, t->columns[0]) : -1;
    bool ok = i >= 0 && input_of_key(&table->columns[i], key, scratch, in, e);
    if (table != NULL && i < 0)
        err_set(e, ERR_SCHEMA_MISMATCH, "%s has no column %s", t->name, t->columns[0]);
    if (table != NULL)
        schema_table_unref(table);
    my_close(conn);
    free(serving);
    return ok || err_prepend(e, "the type of %s.%s decides where %s belongs", t->name,
                             t->columns[0], key);
}

static bool print_place(const struct config *c, const struct topo_keyspace *ks,
                        const struct vschema_table *t, const char *key, const struct ksid *id,
                        struct err *e)
{
    const struct topo_shard *s = shard_of(c, ks, id);
    struct buf hex = BUF_INIT;
    buf_put_hex(&hex, id->bytes, id->n);
    if (s != NULL)
        printf("%s.%s with %s=%s (keyspace id %s) is on %s/%s at %s, database %s\n", ks->name,
               t->name, t->columns[0], key, buf_str(&hex), ks->name, s->name, s->primary_address,
               s->primary.database);
    buf_fini(&hex);
    return s != NULL ||
           err_set(e, ERR_KEYRANGE, "no serving shard of %s holds that keyspace id", ks->name);
}

static bool print_route(const struct config *c, const struct topo_keyspace *ks, const char *table,
                        const char *key, struct err *e)
{
    const struct vschema_table *t = vschema_table(ks->vschema, table);
    CLEANUP(buf_fini) struct buf scratch = BUF_INIT;
    struct vindex_input in;
    struct ksid id;
    if (key == NULL || t == NULL || t->primary == NULL)
        return print_shards(c, ks, table);
    if (!read_input(c, ks, t, key, &scratch, &in, e))
        return false;
    if (vindex_map(t->primary, &in, 1, &id, e) != VINDEX_KSID)
        return e->code != ERR_NONE ? false : err_set(e, ERR_VINDEX, "the value maps to no shard");
    return print_place(c, ks, t, key, &id, e);
}

static bool route_table(const struct config *c, const char *given, const char *key, struct err *e)
{
    char *route = serving_table_route(c, given);
    char *name = route != NULL ? route : mem_strdup(given);
    char *dot = strchr(name, '.');
    bool ok = dot != NULL || err_set(e, ERR_USAGE, "'%s' is no KEYSPACE.TABLE", given);
    if (ok) {
        *dot = '\0';
        struct topo_keyspace *ks = topology_keyspace(c->topo, name);
        ok = ks != NULL ? print_route(c, ks, dot + 1, key, e)
                        : err_set(e, ERR_USAGE, "there is no keyspace '%s'", name);
    }
    free(name);
    return ok;
}

int cmd_route(const struct opt_values *v)
{
    struct err e = ERR_INIT;
    struct config *c = config_load(opt_str(v, "config"), &e);
    bool ok = c != NULL;
    if (ok && opt_n_args(v) != 1)
        ok = err_set(&e, ERR_USAGE, "route needs KEYSPACE.TABLE");
    ok = ok && route_table(c, opt_arg(v, 0), opt_str(v, "key"), &e);
    config_free(c);
    return ok ? ERR_EXIT_OK : cmd_fail(v, &e);
}
