/* app/cli/commands_stream.c — `sluice stream`: which shards it reads, and from where. */
#include "app/cli/cmd_stream.h"
#include "app/cli/commands.h"
#include "app/cli/routing_file.h"
#include "base/mem.h"
#include "cdc/vstream/handover.h"
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
