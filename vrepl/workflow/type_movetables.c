/* vrepl/workflow/type_movetables.c — MoveTables: chosen tables, from one keyspace to another. */
#include "vrepl/workflow/type_rows.h"

#include "cdc/sidecar/journal.h"
#include "mysql/checks.h"
#include "vrepl/workflow/sides.h"

static bool tables_of_move(struct vrepl_engine *g, struct wf_def *d, const struct verb_options *o,
                           struct err *e)
{
    bool all = o->all_tables;
    if (all && o->tables.n > 0)
        return err_set(e, ERR_USAGE, "either --tables or --all-tables");
    if (!all && o->exclude_tables.n > 0)
        return err_set(e, ERR_USAGE, "--exclude-tables is for --all-tables");
    if (all)
        return request_tables_all(g, d, o, e);
    request_tables_listed(d, &o->tables);
    if (d->n_tables == 0)
        return err_set(e, ERR_USAGE,
                       "tables or all-tables are required to specify which tables to move");
    return request_tables_stored(g, d, e);
}

static bool request(struct vrepl_engine *g, struct wf_def *d, const char *keyspace,
                    const struct verb_options *o, struct err *e)
{
    return request_two_keyspaces(g, d, keyspace, o, e) && tables_of_move(g, d, o, e);
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

static bool precheck(const struct wf_def *d, const struct wf_table *t,
                     const struct vschema_table *v, const struct verb_options *o, bool *everywhere,
                     struct err *e)
{
    (void)v;
    (void)o;
    return !*everywhere || d->target.n_shards == 1 || no_way_back(d, t->source, e);
}

static bool cut(struct workflow *w, enum wf_direction dir, struct err *e)
{
    return sides_serve(w, wf_reads(dir), e) && sides_serve(w, wf_writes(dir), e);
}

static void journal(const struct workflow *w, struct cdc_journal *j)
{
    (void)w;
    j->shards = false;
}

const struct wf_type_ops wf_type_movetables = {
    .name = "MoveTables",
    .command = "movetables",
    .source_roles = MY_ROLE_STREAM | MY_ROLE_COPY_SOURCE | MY_ROLE_SWITCH,
    .target_roles = MY_ROLE_TARGET | MY_ROLE_STREAM | MY_ROLE_SWITCH,
    .takes_over = true,
    .rules_before_switch = true,
    .request = request,
    .precheck = precheck,
    .cut = cut,
    .journal = journal,
};
