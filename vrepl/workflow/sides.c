/* vrepl/workflow/sides.c — a workflow's sides against the journals and against all other workflows.
 */
#include "vrepl/workflow/sides.h"

#include "base/mem.h"
#include "vrepl/workflow/living.h"
#include "vrepl/workflow/routing.h"
#include "vrepl/workflow/workflow_type.h"

#include <stdlib.h>
#include <string.h>

/* A server that does not answer keeps its last known journals; a verb that needs it fails there. */
static void look_again(struct vrepl_engine *g, const struct wf_def *d)
{
    engine_scan(g, d->source.keyspace);
    if (strcmp(d->source.keyspace, d->target.keyspace) != 0)
        engine_scan(g, d->target.keyspace);
}

static bool is_other(const struct workflow *o, const char *keyspace, const char *name)
{
    return o->def != NULL && (strcmp(o->keyspace, keyspace) != 0 || strcmp(o->name, name) != 0);
}

bool sides_check_new(struct vrepl_engine *g, const char *keyspace, const char *name,
                     const struct wf_def *d, struct err *e)
{
    bool ok = true;
    look_again(g, d);
    pthread_mutex_lock(&g->lock);
    for (size_t i = 0; ok && i < g->n_workflows; i++) {
        const struct workflow *o = g->workflows[i];
        struct living_place at;
        if (!is_other(o, keyspace, name) || !living_clash(d, o->def, &at))
            continue;
        ok = err_set(e, ERR_WF_PRECONDITION, "workflow %s has table %s on %s/%s in its hands",
                     o->keys[0], at.table, at.keyspace, at.shard);
        err_cure(e, "complete or cancel %s first", o->keys[0]);
    }
    pthread_mutex_unlock(&g->lock);
    return ok;
}

static bool still_serves(struct workflow *w, const struct topo_shard *s, struct err *e)
{
    bool known;
    if (routing_serves(w->engine, s->keyspace, s->name, &known) || !known)
        return true;
    err_set(e, ERR_WF_PRECONDITION,
            "shard %s/%s, which workflow %s was made with, does not serve any more: keyspace %s "
            "has been resharded since",
            s->keyspace, s->name, w->keys[0], s->keyspace);
    return err_cure(e, "complete the workflow, or cancel it, and move the tables with a new one");
}

bool sides_serve(struct workflow *w, enum wf_side_name side, struct err *e)
{
    const char *keyspace = w->sides[side].shards[0]->keyspace;
    for (size_t i = 0; i < w->sides[side].n; i++) {
        if (!still_serves(w, w->sides[side].shards[i], e))
            return false;
    }
    return routing_check_partition(w->engine, keyspace, e);
}

/* Who shares a side with w. readers: those that only read count too. */
static bool alone_on(struct workflow *w, enum wf_side_name side, bool readers, struct err *e)
{
    struct vrepl_engine *g = w->engine;
    bool ok = true;
    pthread_mutex_lock(&g->lock);
    for (size_t i = 0; ok && i < g->n_workflows; i++) {
        const struct workflow *o = g->workflows[i];
        struct living_place at;
        if (o == w || o->def == NULL || (!readers && !o->def->type->takes_over) ||
            !living_on(w->def, side, o->def, &at))
            continue;
        ok = err_set(e, ERR_WF_PRECONDITION, "workflow %s lives on table %s of %s/%s", o->keys[0],
                     at.table, at.keyspace, at.shard);
        if (!o->def->type->takes_over)
            err_cure(e,
                     "point it elsewhere: cancel %s and create it again with --source-keyspace %s; "
                     "or keep the tables here with --keep-data",
                     o->keys[0], w->sides[side == WF_SOURCE].shards[0]->keyspace);
        else
            err_cure(e, "complete or cancel %s first", o->keys[0]);
    }
    pthread_mutex_unlock(&g->lock);
    return ok;
}

bool sides_check_switch(struct workflow *w, enum wf_direction dir, struct err *e)
{
    enum wf_side_name from = wf_reads(dir), to = wf_writes(dir);
    look_again(w->engine, w->def);
    return w->def->type->cut(w, dir, e) && alone_on(w, from, false, e) && alone_on(w, to, false, e);
}

bool sides_check_drop(struct workflow *w, enum wf_side_name side, struct err *e)
{
    look_again(w->engine, w->def);
    return (w->def->type->finish == NULL || w->def->type->finish(w, side, e)) &&
           alone_on(w, side, true, e);
}
