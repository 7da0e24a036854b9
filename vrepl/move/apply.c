/* vrepl/move/apply.c — the applier's thread, its queue, and what others may ask of it. */
#include "vrepl/move/apply_internal.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void apply_item_unref(struct apply_item *i)
{
    if (!i || --i->refs > 0)
        return;
    cdc_batch_unref(i->batch);
    vrepl_routing_unref(i->routing);
    position_fini(&i->high);
    free(i);
}

static void free_item(void *p)
{
    apply_item_unref(p);
}

void apply_publish(struct vrepl_apply *a, uint64_t rows, uint64_t transactions, int64_t lag_ms)
{
    pthread_mutex_lock(&a->lock);
    position_copy(&a->committed, &a->lane.row.pos);
    position_copy(&a->seen_shared, &a->seen);
    a->phase = a->lane.row.phase;
    a->frozen = a->lane.row.frozen;
    a->rows += rows;
    a->transactions += transactions;
    if (lag_ms >= 0)
        a->lag_ms = lag_ms;
    pthread_mutex_unlock(&a->lock);
    a->o.changed(a->o.ctx);
}

static void note_error(void *ctx, const struct err *e)
{
    struct vrepl_apply *a = ctx;
    pthread_mutex_lock(&a->lock);
    if (e)
        a->error = *e;
    else
        err_clear(&a->error);
    pthread_mutex_unlock(&a->lock);
}

static void fail(struct vrepl_apply *a, const struct err *e)
{
    pthread_mutex_lock(&a->lock);
    a->failed = true;
    a->error = *e;
    pthread_mutex_unlock(&a->lock);
    a->o.changed(a->o.ctx);
}

static void set_item(struct vrepl_apply *a, struct apply_item *item)
{
    apply_item_unref(a->item);
    a->item = item;
    a->at = 0;
}

/* The next item, first what was taken out and put aside. */
static enum queue_result pop(struct vrepl_apply *a, int64_t timeout_ms, struct apply_item **out)
{
    void *next = a->aside;
    a->aside = NULL;
    enum queue_result r = next ? QUEUE_OK : queue_pop(a->queue, &next, timeout_ms);
    *out = next;
    return r;
}

bool apply_gather(struct vrepl_apply *a)
{
    struct apply_item *item = NULL;
    while (pop(a, 0, &item) == QUEUE_OK) {
        if (item->kind == APPLY_ITEM_BATCH) {
            set_item(a, item);
            a->gathered++;
            return true;
        }
        if (item->kind != APPLY_ITEM_POKE) {
            a->aside = item;
            return false;
        }
        apply_item_unref(item); /* its reason is looked at at the next boundary */
        queue_done(a->queue);
    }
    return false;
}

/* Everything before the current item has been committed; the item itself is counted by work(). */
static void finish_gathered(struct vrepl_apply *a)
{
    for (; a->gathered > 0; a->gathered--)
        queue_done(a->queue);
}

bool apply_next_batch(struct vrepl_apply *a, struct err *e)
{
    struct apply_item *item = NULL;
    while (!__atomic_load_n(&a->stop, __ATOMIC_ACQUIRE)) {
        enum queue_result r = pop(a, 1000, &item);
        if (r == QUEUE_CLOSED)
            break;
        apply_lane_keep_awake(&a->lane);
        if (r == QUEUE_TIMEOUT)
            continue;
        queue_done(a->queue); /* a barrier is never waited for inside a transaction */
        if (item->kind == APPLY_ITEM_BATCH) {
            set_item(a, item);
            return true;
        }
        assert(item->kind == APPLY_ITEM_POKE);
        apply_item_unref(item);
    }
    return err_set(e, ERR_SHUTDOWN, "stopped inside a transaction");
}

static bool take_freeze(struct vrepl_apply *a, struct err *e)
{
    pthread_mutex_lock(&a->lock);
    bool wanted =
        a->freeze && !a->lane.row.frozen && position_at_or_after(&a->seen, &a->freeze_pos);
    pthread_mutex_unlock(&a->lock);
    return !wanted || apply_save(a, NULL, true, e);
}

bool apply_save_if_due(struct vrepl_apply *a, struct err *e)
{
    bool due = a->unsaved && clock_mono_ms() - a->saved_ms >= APPLY_SAVE_MS;
    pthread_mutex_lock(&a->lock);
    due = due || (a->save_soon && !position_equal(&a->seen, &a->lane.row.pos));
    a->save_soon = false;
    pthread_mutex_unlock(&a->lock);
    if (a->lane.row.phase == COPY_PHASE_CATCHUP &&
        position_at_or_after(&a->seen, &a->lane.row.high_pos))
        due = true;
    if (due && !a->lane.row.frozen &&
        !(FAULT_POINT("apply.idle_save", e) && apply_save(a, NULL, false, e)))
        return false;
    return take_freeze(a, e);
}

static bool run_item(struct vrepl_apply *a, struct apply_item *item, struct err *e)
{
    switch (item->kind) {
    case APPLY_ITEM_BATCH:
        item->refs++;
        set_item(a, item);
        return a->strategy->batch(a, e);
    case APPLY_ITEM_SAVE:
        return a->lane.row.frozen || position_equal(&a->seen, &a->lane.row.pos) ||
               apply_save(a, NULL, false, e);
    case APPLY_ITEM_SET_HIGH:
        return apply_save(a, &item->high, false, e);
    case APPLY_ITEM_RUN:
        return my_exec(a->lane.conn, "SET SESSION autocommit = 1", NULL, e) &&
               item->fn(item->ctx, a->lane.conn, e) &&
               my_exec(a->lane.conn, "SET SESSION autocommit = 0", NULL, e);
    case APPLY_ITEM_POKE:
        return true;
    }
    return true;
}

/* One round of the thread's loop; false: the queue is closed, or the applier has failed. */
static bool work(struct vrepl_apply *a, struct err *e)
{
    struct apply_item *item = NULL;
    int64_t wait_ms = a->unsaved ? APPLY_SAVE_MS / 4 : APPLY_SAVE_MS;
    enum queue_result r = pop(a, wait_ms, &item);
    if (r == QUEUE_CLOSED)
        return false;
    apply_lane_keep_awake(&a->lane);
    if (r == QUEUE_TIMEOUT)
        return apply_save_if_due(a, e);
    bool ok = run_item(a, item, e) &&
              (__atomic_load_n(&a->stop, __ATOMIC_ACQUIRE) || apply_save_if_due(a, e));
    if (!ok)
        fail(a, e);
    apply_item_unref(item);
    finish_gathered(a);
    queue_done(a->queue);
    return ok;
}

/* Nobody may wait for ever for an applier that has failed. */
static void drain(struct vrepl_apply *a)
{
    struct apply_item *item = NULL;
    while (pop(a, -1, &item) == QUEUE_OK) {
        apply_item_unref(item);
        queue_done(a->queue);
    }
}

static void *apply_main(void *p)
{
    struct vrepl_apply *a = p;
    struct err e = ERR_INIT;
    while (!__atomic_load_n(&a->stop, __ATOMIC_ACQUIRE) && work(a, &e))
        ;
    if (e.code != ERR_NONE && !__atomic_load_n(&a->stop, __ATOMIC_ACQUIRE))
        fail(a, &e);
    drain(a);
    return NULL;
}

static void register_metrics(struct vrepl_apply *a)
{
    static const char *const modes[3] = {"rounds", "catchup", "plain"};
    const struct topo_shard *t = a->o.spec->targets[a->o.target_no];
    char labels[512];
    for (size_t i = 0; i < 3; i++) {
        metrics_labels(labels, sizeof labels, "workflow", a->o.spec->workflow_key, "shard", t->name,
                       "mode", modes[i], NULL);
        a->m_rows[i] = metrics_get(METRIC_COUNTER, "apply_rows_total", labels,
                                   "Row changes applied to targets.");
    }
    metrics_labels(labels, sizeof labels, "workflow", a->o.spec->workflow_key, "shard", t->name,
                   NULL);
    a->m_batches = metrics_get(METRIC_COUNTER, "apply_batches_total", labels,
                               "Transactions written to targets.");
    a->m_latency =
        metrics_get(METRIC_HISTOGRAM, "apply_latency_seconds", labels,
                    "Seconds from the commit on the source to the commit on the target.");
}

static void free_apply(struct vrepl_apply *a)
{
    apply_item_unref(a->item);
    apply_item_unref(a->aside);
    apply_lane_fini(&a->lane);
    queue_free(a->queue);
    position_fini(&a->seen);
    position_fini(&a->committed);
    position_fini(&a->seen_shared);
    position_fini(&a->freeze_pos);
    cdc_row_free(a->before);
    cdc_row_free(a->after);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

static void take_row(struct vrepl_apply *a, const struct target_row *row)
{
    a->lane.row =
        (struct target_row){.found = true, .n = row->n, .phase = row->phase, .frozen = row->frozen};
    position_copy(&a->lane.row.pos, &row->pos);
    position_copy(&a->lane.row.high_pos, &row->high_pos);
    position_copy(&a->seen, &row->pos);
    position_copy(&a->committed, &row->pos);
    position_copy(&a->seen_shared, &row->pos);
    a->phase = row->phase;
    a->frozen = row->frozen;
}

struct vrepl_apply *vrepl_apply_start(const struct vrepl_apply_options *o, struct err *e)
{
    struct vrepl_apply *a = mem_alloc(sizeof *a);
    a->o = *o;
    a->strategy = &apply_transactional;
    a->lane = (struct apply_lane){.spec = o->spec,
                                  .params = &o->spec->targets[o->target_no]->primary,
                                  .stop = &a->stop,
                                  .retrying = note_error,
                                  .ctx = a,
                                  .key = o->key};
    apply_lane_init(&a->lane);
    a->queue = queue_new("apply", APPLY_QUEUE_BYTES, free_item);
    a->skipping = o->behind_start;
    a->lag_ms = -1;
    a->saved_ms = clock_mono_ms();
    pthread_mutex_init(&a->lock, NULL);
    take_row(a, o->row);
    register_metrics(a);
    if (apply_lane_connect(&a->lane, e)) {
        if (pthread_create(&a->thread, NULL, apply_main, a) == 0)
            return a;
        err_set(e, ERR_INTERNAL, "no thread for an applier");
    }
    free_apply(a);
    return NULL;
}

void vrepl_apply_interrupt(struct vrepl_apply *a)
{
    __atomic_store_n(&a->stop, 1, __ATOMIC_RELEASE);
    apply_lane_interrupt(&a->lane);
}

void vrepl_apply_stop(struct vrepl_apply *a)
{
    if (!a)
        return;
    __atomic_store_n(&a->stop, 1, __ATOMIC_RELEASE);
    queue_close(a->queue);
    if (!thread_join_within(a->thread, APPLY_STOP_MS)) {
        vrepl_apply_interrupt(a);
        pthread_join(a->thread, NULL);
    }
    free_apply(a);
}

static bool has_failed(struct vrepl_apply *a)
{
    pthread_mutex_lock(&a->lock);
    bool failed = a->failed;
    pthread_mutex_unlock(&a->lock);
    return failed;
}

static struct apply_item *new_item(enum apply_item_kind kind)
{
    struct apply_item *item = mem_alloc(sizeof *item);
    item->kind = kind;
    item->refs = 1;
    return item;
}

bool vrepl_apply_push(struct vrepl_apply *a, struct cdc_batch *b, struct vrepl_routing *r,
                      int64_t timeout_ms)
{
    if (has_failed(a))
        return false;
    struct apply_item *item = new_item(APPLY_ITEM_BATCH);
    item->batch = cdc_batch_ref(b);
    item->routing = vrepl_routing_ref(r);
    void *take = item;
    if (queue_push(a->queue, &take, b->bytes, timeout_ms) == QUEUE_OK)
        return true;
    apply_item_unref(item);
    return false;
}

static void push_control(struct vrepl_apply *a, struct apply_item *item)
{
    void *take = item;
    if (queue_push(a->queue, &take, 1, -1) != QUEUE_OK)
        apply_item_unref(item);
}

bool vrepl_apply_wait(struct vrepl_apply *a, struct err *e)
{
    enum queue_result r = queue_wait_idle(a->queue, -1);
    if (r != QUEUE_OK)
        return err_set(e, ERR_SHUTDOWN, "the applier was stopped");
    pthread_mutex_lock(&a->lock);
    bool ok = !a->failed;
    if (!ok)
        err_copy(e, &a->error);
    pthread_mutex_unlock(&a->lock);
    return ok;
}

bool vrepl_apply_barrier(struct vrepl_apply *a, struct err *e)
{
    push_control(a, new_item(APPLY_ITEM_SAVE));
    return vrepl_apply_wait(a, e);
}

bool vrepl_apply_set_high(struct vrepl_apply *a, const struct position *high, struct err *e)
{
    struct apply_item *item = new_item(APPLY_ITEM_SET_HIGH);
    position_copy(&item->high, high);
    push_control(a, item);
    return vrepl_apply_wait(a, e);
}

void vrepl_apply_run(struct vrepl_apply *a, bool (*fn)(void *ctx, struct my_conn *c, struct err *e),
                     void *ctx)
{
    struct apply_item *item = new_item(APPLY_ITEM_RUN);
    item->fn = fn;
    item->ctx = ctx;
    push_control(a, item);
}

/* A full queue needs no waking: the applier is at work and looks at its flags at the next boundary.
 */
static void poke(struct vrepl_apply *a)
{
    struct apply_item *item = new_item(APPLY_ITEM_POKE);
    void *take = item;
    if (queue_push(a->queue, &take, 1, 0) != QUEUE_OK)
        apply_item_unref(item);
}

void vrepl_apply_save_soon(struct vrepl_apply *a)
{
    pthread_mutex_lock(&a->lock);
    a->save_soon = true;
    pthread_mutex_unlock(&a->lock);
    poke(a);
}

void vrepl_apply_freeze(struct vrepl_apply *a, const struct position *pos)
{
    pthread_mutex_lock(&a->lock);
    a->freeze = true;
    position_copy(&a->freeze_pos, pos);
    pthread_mutex_unlock(&a->lock);
    poke(a);
}

void vrepl_apply_status(struct vrepl_apply *a, struct vrepl_apply_status *out)
{
    *out = (struct vrepl_apply_status){.lag_ms = -1};
    pthread_mutex_lock(&a->lock);
    position_copy(&out->committed, &a->committed);
    position_copy(&out->seen, &a->seen_shared);
    out->phase = a->phase;
    out->frozen = a->frozen;
    out->failed = a->failed;
    out->error = a->error;
    out->rows = a->rows;
    out->transactions = a->transactions;
    out->lag_ms = a->lag_ms;
    pthread_mutex_unlock(&a->lock);
}

void vrepl_apply_status_fini(struct vrepl_apply_status *st)
{
    position_fini(&st->committed);
    position_fini(&st->seen);
}
