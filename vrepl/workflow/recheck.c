/* vrepl/workflow/recheck.c — asks both sides again what create asked. */
#include "vrepl/workflow/recheck.h"

#include "base/mem.h"
#include "cdc/sidecar/incarnation.h"
#include "schemas/inspect.h"
#include "vrepl/workflow/create.h"
#include "vrepl/workflow/fence.h"
#include "vrepl/workflow/foreign_keys.h"
#include "vrepl/workflow/precheck.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the tables of a side are called now; a rename fence hides their names. */
struct side_names {
    char (*texts)[260];
    const char **names;
};

static void names_take(struct side_names *x, const struct workflow *w, enum wf_side_name side)
{
    size_t n = w->def->n_tables;
    x->texts = mem_calloc(n + 1, sizeof *x->texts);
    x->names = mem_calloc(n + 1, sizeof *x->names);
    for (size_t i = 0; i < n; i++) {
        wf_table_name(w, &w->def->tables[i], side, x->texts[i], sizeof *x->texts);
        x->names[i] = x->texts[i];
    }
}

static void names_fini(struct side_names *x)
{
    free(x->texts);
    free(x->names);
}

/* Triggers on the side that is written by streams fire once more for each row. On the side that is
 * given up they end with the switch: the other side must not lack them without a word. */
static bool no_triggers(struct my_conn *c, const struct topo_shard *s, const char *table,
                        bool given_up, bool follow, struct err *e)
{
    CLEANUP(buf_fini) struct buf found = BUF_INIT;
    if (!schema_triggers(c, s->primary.database, table, &found, e))
        return false;
    if (found.len == 0)
        return true;
    err_set(e, ERR_WF_PRECONDITION, "%s/%s: table %s has triggers (%s), which %s", s->keyspace,
            s->name, table, buf_str(&found),
            !given_up ? "streams fire again for each row"
            : follow  ? "reverse streams would fire again"
                      : "the other side lacks: rows written there would not get what they do");
    return err_cure(e, given_up ? "drop them here, switch, and create them where the table then "
                                  "is, once no stream writes it"
                                : "drop them; add them again after complete");
}

static bool check_names(struct precheck *p, struct workflow *w, enum wf_side_name side,
                        struct my_conn *c, const struct topo_shard *s, bool given_up, bool follow,
                        struct err *e)
{
    struct side_names x;
    names_take(&x, w, side);
    bool ok = precheck_engines(p, c, s, x.names, e) && foreign_keys_check(w->def, x.names, c, s, e);
    for (size_t i = 0; ok && i < w->def->n_tables; i++)
        ok = no_triggers(c, s, x.names[i], given_up, follow, e);
    names_fini(&x);
    return ok;
}

bool recheck_tables_listed(struct workflow *w, struct my_conn *c, const struct topo_shard *s,
                           struct err *e)
{
    char **names = NULL;
    size_t n = 0;
    struct buf ghosts CLEANUP(buf_fini) = BUF_INIT; /* create has said it of them too */
    bool ok = !w->def->type->whole_shards ||
              (schema_list_tables(c, s->primary.database, &names, &n, e) &&
               schema_leave_ghosts(c, s->primary.database, names, &n, &ghosts, e));
    for (size_t i = 0; ok && i < n; i++) {
        bool ours = create_leaves_out(w->engine, w->def, names[i]);
        for (size_t k = 0; k < w->def->n_tables && !ours; k++)
            ours = strcmp(w->def->tables[k].source, names[i]) == 0;
        if (ours)
            continue;
        ok = err_set(e, ERR_WF_PRECONDITION,
                     "%s/%s: table %s is not in workflow %s: it was made after it, and would be "
                     "left behind",
                     s->keyspace, s->name, names[i], w->keys[0]);
        err_cure(e, "cancel the workflow and create it again, or drop the table");
    }
    schema_names_free(names, n);
    return ok;
}

static bool check_target(struct precheck *p, size_t k, const struct schema_table *source,
                         const char *name, struct err *e)
{
    char at[200];
    const struct topo_shard *to = p->sides[WF_TARGET].shards[k];
    struct schema_collation_map map = precheck_collations(p, k);
    snprintf(at, sizeof at, "%s/%s", to->keyspace, to->name);
    struct schema_table *t = schema_inspect(p->conns[WF_TARGET][k], to->primary.database, name, e);
    bool ok = t != NULL && precheck_fits(source, t, &map, at, e);
    schema_table_unref(t);
    return ok;
}

/* The source serves, so its names are plain. */
static bool check_pairs(struct workflow *w, struct precheck *p, struct err *e)
{
    struct side_names x;
    const char *database = p->sides[WF_SOURCE].shards[0]->primary.database;
    bool ok = true;
    names_take(&x, w, WF_TARGET);
    for (size_t i = 0; ok && i < w->def->n_tables; i++) {
        struct schema_table *source =
            schema_inspect(p->conns[WF_SOURCE][0], database, w->def->tables[i].source, e);
        ok = source != NULL;
        for (size_t k = 0; ok && k < p->sides[WF_TARGET].n; k++)
            ok = check_target(p, k, source, x.names[i], e);
        schema_table_unref(source);
    }
    names_fini(&x);
    return ok;
}

static bool limit_waits(struct precheck *p, struct err *e)
{
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < p->sides[k].n; i++) {
            if (!my_limit_lock_waits(p->conns[k][i], FENCE_LOCK_S, e))
                return false;
        }
    }
    return true;
}

static bool check_sides(struct workflow *w, struct precheck *p, enum wf_direction dir, bool follow,
                        struct err *e)
{
    for (unsigned side = 0; side < 2; side++) {
        bool given_up = side == (unsigned)wf_reads(dir);
        for (size_t i = 0; i < p->sides[side].n; i++) {
            struct my_conn *c = p->conns[side][i];
            const struct topo_shard *s = p->sides[side].shards[i];
            if (!check_names(p, w, (enum wf_side_name)side, c, s, given_up, follow, e) ||
                (given_up && !recheck_tables_listed(w, c, s, e)))
                return false;
        }
    }
    return true;
}

/* The streams' tables on one shard; what is not proven to have all rows is not switched to. */
static bool check_incarnations(struct workflow *w, enum wf_direction dir, struct my_conn *c,
                               const struct topo_shard *s, const struct side_names *x,
                               struct err *e)
{
    bool *changed = mem_calloc(w->def->n_tables + 1, sizeof *changed);
    bool ok = incarnations_check(c, w->keys[dir], s->primary.database, x->names, w->def->n_tables,
                                 true, changed, e);
    for (size_t i = 0; ok && i < w->def->n_tables; i++) {
        if (!changed[i])
            continue;
        ok = err_set(e, ERR_WF_PRECONDITION,
                     "%s/%s: table %s is not the one that workflow %s wrote to: it was emptied, "
                     "dropped and made again, rebuilt (ALTER, OPTIMIZE), or its columns "
                     "are others",
                     s->keyspace, s->name, x->names[i], w->keys[dir]);
        err_cure(e,
                 "compare it (vdiff create): without differences it is the one from then on; "
                 "where rows are missing, copy it anew (workflow stop, then workflow start "
                 "--recopy %s)",
                 x->names[i]);
    }
    free(changed);
    return ok;
}

static bool check_written(struct workflow *w, struct precheck *p, enum wf_direction dir,
                          struct err *e)
{
    enum wf_side_name side = wf_writes(dir);
    struct side_names x;
    bool ok = true;
    names_take(&x, w, side);
    for (size_t k = 0; ok && k < p->sides[side].n; k++)
        ok = check_incarnations(w, dir, p->conns[side][k], p->sides[side].shards[k], &x, e);
    names_fini(&x);
    return ok;
}

bool recheck_switch(struct workflow *w, enum wf_direction dir, bool follow, struct err *e)
{
    struct precheck p = {.g = w->engine, .def = w->def};
    bool ok = precheck_open(&p, e) && limit_waits(&p, e) &&
              precheck_switch_servers(&p, wf_reads(dir), follow, e) &&
              check_sides(w, &p, dir, follow, e) && check_written(w, &p, dir, e) &&
              (dir == WF_REVERSE || check_pairs(w, &p, e));
    precheck_close(&p);
    return ok;
}

bool recheck_start(struct workflow *w, enum wf_direction dir, struct err *e)
{
    enum wf_side_name side = wf_writes(dir);
    bool ok = true;
    struct side_names x;
    names_take(&x, w, side);
    for (size_t k = 0; ok && k < w->sides[side].n; k++) {
        const struct topo_shard *s = w->sides[side].shards[k];
        struct my_conn *c = my_connect(&s->primary, "start", e);
        ok = c != NULL;
        for (size_t i = 0; ok && i < w->def->n_tables; i++)
            ok = no_triggers(c, s, x.names[i], false, true, e);
        my_close(c);
    }
    names_fini(&x);
    return ok;
}
