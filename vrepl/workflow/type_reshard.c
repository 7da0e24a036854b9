/* vrepl/workflow/type_reshard.c — Reshard: all tables of a keyspace's shards, split into new shards
 * of the same key space.
 */
#include "vrepl/workflow/type_rows.h"

#include "base/mem.h"
#include "cdc/sidecar/journal.h"
#include "mysql/checks.h"
#include "vrepl/workflow/routing.h"
#include "vrepl/workflow/sides.h"

#include <stdlib.h>
#include <string.h>

static bool shard_list(struct vrepl_engine *g, const char *keyspace, const struct flag_list *names,
                       struct wf_side *side, struct err *e)
{
    size_t n = names->n;
    const char **known = mem_calloc(n + 1, sizeof(char *));
    bool ok = n > 0 || err_set(e, ERR_USAGE, "--source-shards and --target-shards are needed");
    for (size_t i = 0; ok && i < n; i++) {
        const struct topo_shard *s = topology_shard(g->o.topo, keyspace, names->items[i]);
        ok = s != NULL ||
             err_set(e, ERR_WF_PRECONDITION, "there is no shard %s/%s in the configuration",
                     keyspace, names->items[i]);
        known[i] = s != NULL ? s->name : NULL;
    }
    if (ok)
        wf_side_set(side, keyspace, known, n);
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
                             const struct verb_options *o, struct err *e)
{
    if (!request_keyspace_known(g, keyspace, "target", e) ||
        !shard_list(g, keyspace, &o->source_shards, &d->source, e) ||
        !shard_list(g, keyspace, &o->target_shards, &d->target, e))
        return false;
    const struct flag_list targets = {d->target.shards, d->target.n_shards};
    for (size_t i = 0; i < d->source.n_shards; i++) {
        if (flag_list_has(&targets, d->source.shards[i]))
            return err_set(e, ERR_WF_PRECONDITION, "shard %s is both source and target",
                           d->source.shards[i]);
    }
    return check_ranges(g, d, e) && check_serving(g, d, e);
}

static bool request(struct vrepl_engine *g, struct wf_def *d, const char *keyspace,
                    const struct verb_options *o, struct err *e)
{
    return sides_of_reshard(g, d, keyspace, o, e) && request_tables_all(g, d, o, e);
}

/* Reference and sequence tables have workflows of their own. */
static bool leaves_out(const struct vschema_table *v)
{
    return vschema_table_is(v, "reference") || vschema_table_is(v, "sequence");
}

/* The shards that take over do not serve yet: that is what the switch is for. */
static bool cut(struct workflow *w, enum wf_direction dir, struct err *e)
{
    return sides_serve(w, wf_reads(dir), e);
}

static void journal(const struct workflow *w, struct cdc_journal *j)
{
    (void)w;
    j->shards = true;
}

static bool finish(struct workflow *w, enum wf_side_name side, struct err *e)
{
    for (size_t i = 0; i < w->sides[side].n; i++) {
        const struct topo_shard *s = w->sides[side].shards[i];
        bool known;
        if (routing_serves(w->engine, s->keyspace, s->name, &known) && known)
            return err_set(e, ERR_WF_PRECONDITION,
                           "shard %s/%s serves: its tables would be dropped", s->keyspace, s->name);
    }
    return true;
}

const struct wf_type_ops wf_type_reshard = {
    .name = "Reshard",
    .command = "reshard",
    .source_roles = MY_ROLE_STREAM | MY_ROLE_COPY_SOURCE | MY_ROLE_SWITCH,
    .target_roles = MY_ROLE_TARGET | MY_ROLE_STREAM | MY_ROLE_SWITCH,
    .takes_over = true,
    .one_key_space = true,
    .whole_shards = true,
    .target_pending = true,
    .request = request,
    .leaves_out = leaves_out,
    .cut = cut,
    .journal = journal,
    .finish = finish,
};
