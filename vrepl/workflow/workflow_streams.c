/* vrepl/workflow/workflow_streams.c — from a definition to running streams, and the watch of a
 * fenced side.
 *
 * Forward streams begin with a copy until the first reverse; after a decision, streams of the other
 * direction begin at the positions that the decision holds (rows on the servers rule when they
 * exist).
 */
#include "vrepl/workflow/workflow.h"

#include "base/log.h"
#include "base/mem.h"
#include "vrepl/workflow/fence.h"
#include "vrepl/workflow/workflow_type.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const struct vschema_table *vschema_of(const struct workflow *w, enum wf_side_name side,
                                              const struct wf_table *t)
{
    const struct topo_keyspace *ks =
        topology_keyspace(w->engine->o.topo, w->sides[side].shards[0]->keyspace);
    return ks != NULL ? vschema_table(ks->vschema, wf_plain_name(t, side)) : NULL;
}

/* The vindex in the configuration must still be the one that the rows were placed by. */
static bool vindex_unchanged(const struct wf_table *t, const struct vschema_table *v, struct err *e)
{
    CLEANUP(buf_fini) struct buf placement = BUF_INIT;
    if (v != NULL && v->primary != NULL)
        vindex_put_placement(v->primary, &placement);
    bool same = strcmp(buf_str(&placement), t->placement) == 0 && v->n_columns == t->n_columns;
    for (size_t i = 0; same && i < t->n_columns; i++)
        same = strcmp(v->columns[i], t->columns[i]) == 0;
    if (same)
        return true;
    err_set(e, ERR_VSCHEMA,
            "the primary vindex of %s is not the one that the workflow was created with",
            t->target);
    return err_cure(e, "put the vschema back, or cancel the workflow and create it anew");
}

/* Texts that a spec borrows while the stream is being started. */
struct spec_texts {
    char (*names)[260]; /* per table: what is read, what is written */
    struct vrepl_table_spec *tables;
    const struct topo_shard **targets;
};

static void texts_free(struct spec_texts *x)
{
    free(x->names);
    free(x->tables);
    free(x->targets);
}

static bool table_spec(struct workflow *w, enum wf_direction dir, size_t i, struct spec_texts *x,
                       struct err *e)
{
    const struct wf_table *t = &w->def->tables[i];
    struct vrepl_table_spec *s = &x->tables[i];
    char *source = x->names[2 * i], *target = x->names[2 * i + 1];
    wf_table_name(w, t, wf_reads(dir), source, sizeof x->names[0]);
    wf_table_name(w, t, wf_writes(dir), target, sizeof x->names[0]);
    *s = (struct vrepl_table_spec){.source_table = source, .target_table = target};
    s->deferred_keys = dir == WF_REVERSE ? NULL : t->deferred_keys;
    if (t->vindex_type == NULL)
        return true;
    const struct vschema_table *owner = vschema_of(w, WF_TARGET, t);
    if (!vindex_unchanged(t, owner, e))
        return false;
    s->vindex_columns = (const char *const *)t->columns;
    s->n_vindex_columns = t->n_columns;
    const struct vschema_table *written = vschema_of(w, wf_writes(dir), t);
    s->vindex = written != NULL ? written->primary : NULL; /* an unsharded source takes every row */
    return true;
}

static bool specs_fill(struct workflow *w, enum wf_direction dir, struct spec_texts *x,
                       struct err *e)
{
    size_t n = w->def->n_tables;
    x->names = mem_calloc(2 * n + 1, sizeof *x->names);
    x->tables = mem_calloc(n + 1, sizeof *x->tables);
    x->targets = mem_calloc(w->sides[wf_writes(dir)].n + 1, sizeof(void *));
    for (size_t i = 0; i < n; i++) {
        if (!table_spec(w, dir, i, x, e))
            return false;
    }
    return true;
}

static int by_range(const void *a, const void *b)
{
    const struct topo_shard *x = *(const struct topo_shard *const *)a,
                            *y = *(const struct topo_shard *const *)b;
    size_t n = x->range.start_len < y->range.start_len ? x->range.start_len : y->range.start_len;
    int c = memcmp(x->range.start, y->range.start, n);
    return c != 0 ? c : (int)x->range.start_len - (int)y->range.start_len;
}

bool wf_exchange(const struct workflow *w, const struct topo_shard *a, const struct topo_shard *b)
{
    return !w->def->type->one_key_space || keyrange_intersects(&a->range, &b->range);
}

static size_t pick_targets(const struct workflow *w, enum wf_direction dir,
                           const struct topo_shard *reads, const struct topo_shard **out,
                           bool *several)
{
    const struct wf_shards *to = &w->sides[wf_writes(dir)], *from = &w->sides[wf_reads(dir)];
    size_t n = 0;
    *several = false;
    for (size_t i = 0; i < to->n; i++) {
        size_t readers = 0;
        if (!wf_exchange(w, reads, to->shards[i]))
            continue;
        out[n++] = to->shards[i];
        for (size_t k = 0; k < from->n; k++)
            readers += wf_exchange(w, from->shards[k], to->shards[i]) ? 1 : 0;
        *several = *several || readers > 1;
    }
    qsort(out, n, sizeof *out, by_range);
    return n;
}

static bool spec_start(const struct workflow *w, enum wf_direction dir, const char *shard,
                       struct vrepl_stream_spec *s, struct err *e)
{
    const struct wf_decision *d = w->decision;
    if (d == NULL || d->dir == dir) { /* never switched the other way */
        s->copy = dir == WF_FORWARD;
        return dir == WF_FORWARD ||
               err_set(e, ERR_INTERNAL, "workflow %s: no decision says where reverse streams begin",
                       w->keys[0]);
    }
    s->start = wf_decision_pos(d->to, d->n_to, shard);
    return s->start != NULL ||
           err_set(e, ERR_STATE_DB, "workflow %s: the decision lacks shard %s", w->keys[0], shard);
}

static struct vrepl_stream *start_one(struct workflow *w, enum wf_direction dir,
                                      const struct topo_shard *reads, struct spec_texts *x,
                                      struct err *e)
{
    struct vrepl_engine *g = w->engine;
    struct vrepl_stream_spec s = {.workflow_key = w->keys[dir],
                                  .skip_origin = w->keys[wf_opposite(dir)],
                                  .source = reads,
                                  .targets = x->targets,
                                  .tables = x->tables,
                                  .n_tables = w->def->n_tables,
                                  .epoch = lease_key(w->lease)->epoch,
                                  .on_ddl = w->def->on_ddl,
                                  .one_key_space = w->def->type->one_key_space,
                                  .collation_map = (const char *const *)w->def->collation_map,
                                  .n_collation_map = w->def->n_collation_map,
                                  .copy_memory_bytes = g->o.copy_memory_bytes,
                                  .copiers = g->o.copiers,
                                  .stop_after_copy = dir == WF_FORWARD && w->def->stop_after_copy,
                                  .fence_pass = w->def->pass};
    s.n_targets = pick_targets(w, dir, reads, x->targets, &s.several_sources);
    if (!spec_start(w, dir, reads->name, &s, e))
        return NULL;
    struct cdc_reader *reader = g->o.reader(g->o.reader_ctx, reads->keyspace, reads->name);
    if (reader == NULL) {
        err_set(e, ERR_CONFIG, "no reader for %s/%s", reads->keyspace, reads->name);
        return NULL;
    }
    return vrepl_stream_start(&s, reader, e);
}

struct wf_streams *wf_streams_pin(struct workflow *w, volatile int *cancel)
{
    pthread_mutex_lock(&w->lock);
    struct wf_streams *s = w->running != NULL && w->running->pin == NULL ? w->running : NULL;
    if (s != NULL)
        s->pin = cancel;
    pthread_mutex_unlock(&w->lock);
    return s;
}

void wf_streams_unpin(struct workflow *w, struct wf_streams *s)
{
    pthread_mutex_lock(&w->lock);
    s->pin = NULL;
    pthread_cond_broadcast(&w->unpinned);
    pthread_mutex_unlock(&w->lock);
}

void wf_streams_free(struct workflow *w, struct wf_streams *s)
{
    if (s == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    while (s->pin != NULL) {
        *s->pin = 1;
        pthread_cond_wait(&w->unpinned, &w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    for (size_t i = 0; i < s->n; i++)
        vrepl_stream_stop(s->streams[i]);
    free(s->streams);
    free(s);
}

bool wf_streams_start(struct workflow *w, enum wf_direction dir, struct wf_streams **out,
                      struct err *e)
{
    const struct wf_shards *from = &w->sides[wf_reads(dir)];
    struct spec_texts x = {0};
    struct wf_streams *s = mem_alloc(sizeof *s);
    s->dir = dir;
    s->streams = mem_calloc(from->n + 1, sizeof *s->streams);
    bool ok = lease_held(w->lease, e) && specs_fill(w, dir, &x, e);
    while (ok && s->n < from->n) {
        s->streams[s->n] = start_one(w, dir, from->shards[s->n], &x, e);
        ok = s->streams[s->n] != NULL;
        s->n += ok ? 1 : 0;
    }
    texts_free(&x);
    if (!ok) {
        wf_streams_free(w, s);
        return err_prepend(e, "workflow %s", w->keys[dir]);
    }
    *out = s;
    return true;
}

struct wf_streams *wf_streams_put(struct workflow *w, struct wf_streams *s)
{
    pthread_mutex_lock(&w->lock);
    struct wf_streams *old = w->running;
    w->running = s;
    pthread_mutex_unlock(&w->lock);
    return old;
}

void wf_streams_stop(struct workflow *w)
{
    wf_streams_free(w, wf_streams_put(w, NULL));
}

bool wf_streams_run(struct workflow *w, enum wf_direction dir, struct err *e)
{
    struct wf_streams *s = NULL;
    if (w->running != NULL && w->running->dir == dir)
        return true;
    wf_streams_stop(w);
    if (!wf_streams_start(w, dir, &s, e))
        return false;
    wf_streams_free(w, wf_streams_put(w, s));
    return true;
}

void wf_watch_start(struct workflow *w)
{
    const struct wf_decision *d = w->decision;
    if (d == NULL || w->n_watches > 0)
        return;
    enum wf_side_name side = wf_reads(d->dir);
    const struct wf_shards *fenced = &w->sides[side];
    struct fence_watch **list = mem_calloc(fenced->n + 1, sizeof(void *));
    size_t n = 0;
    for (size_t i = 0; i < fenced->n; i++) {
        const struct topo_shard *s = fenced->shards[i];
        struct err e = ERR_INIT;
        struct cdc_reader *reader =
            w->engine->o.reader(w->engine->o.reader_ctx, s->keyspace, s->name);
        const struct position *pos = wf_decision_pos(d->from, d->n_from, s->name);
        if (reader != NULL && pos != NULL)
            list[n] = fence_watch_start(w, s, side, reader, pos, &e);
        if (list[n] != NULL)
            n++;
        else
            log_warn("fence", "%s: %s/%s is not watched: %s", w->keys[0], s->keyspace, s->name,
                     e.text);
    }
    pthread_mutex_lock(&w->lock);
    struct fence_watch **old = w->watches;
    w->watches = list;
    w->n_watches = n;
    pthread_mutex_unlock(&w->lock);
    free(old);
}

void wf_watch_stop(struct workflow *w)
{
    pthread_mutex_lock(&w->lock);
    struct fence_watch **list = w->watches;
    size_t n = w->n_watches;
    w->watches = NULL;
    w->n_watches = 0;
    pthread_mutex_unlock(&w->lock);
    for (size_t i = 0; i < n; i++)
        fence_watch_stop(list[i]);
    free(list);
}
