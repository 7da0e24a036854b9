/* vrepl/move/stream.c — the stream's thread: attempts, the pump from the log to the appliers, copy,
 * catch-up, steady.
 *
 * States as the targets' rows have them (phase), not as this object remembers:
 *
 *   rounds ──(nothing left to copy)──► catch-up ──(all appliers passed the high watermark)──► plain
 *
 * An attempt takes the stream over, reads the rows, and goes on from there; an error that may pass
 * ends it, and the next one begins after a while. So a crash, a lost server and an error are one
 * path.
 */
#include "base/backoff.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "cdc/sidecar/log_mark.h"
#include "schemas/sqltoken.h"
#include "vrepl/move/stream_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_POLL_MS   100
#define STREAM_ROUND_MS  10000
#define STREAM_TABLES_MS 10000
#define STREAM_STOP_MS   3000 /* for what is under way to end by itself */

static void set_state(struct vrepl_stream *s, enum vrepl_stream_state state)
{
    pthread_mutex_lock(&s->lock);
    s->state = state;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void set_error(struct vrepl_stream *s, const struct err *e, bool final)
{
    pthread_mutex_lock(&s->lock);
    if (e)
        s->error = *e;
    else
        err_clear(&s->error);
    if (final)
        s->state = VREPL_STREAM_ERROR;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* --- the pump --- */

/* The first applier that failed; with RETRY the others are let finish what they have in hand. */
static bool check_appliers(struct vrepl_stream *s, struct err *e)
{
    for (size_t i = 0; i < s->spec.n_targets; i++) {
        struct vrepl_apply_status st;
        vrepl_apply_status(s->targets[i].apply, &st);
        bool failed = st.failed;
        if (failed)
            err_copy(e, &st.error);
        vrepl_apply_status_fini(&st);
        if (failed)
            return err_prepend(e, "target %s", s->spec.targets[i]->name);
    }
    return true;
}

static bool push_to(struct vrepl_stream *s, size_t i, struct cdc_batch *b, struct vrepl_routing *r,
                    struct err *e)
{
    while (!vrepl_apply_push(s->targets[i].apply, b, r, STREAM_POLL_MS)) {
        if (__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE))
            return err_set(e, ERR_SHUTDOWN, "stopped");
        if (!check_appliers(s, e))
            return false;
    }
    return true;
}

/* What is safe on all targets need never be read again; how far the source is, for those who ask.
 */
static void report(struct vrepl_stream *s, bool idle)
{
    struct stream_attempt *now = &s->now;
    int64_t t = clock_mono_ms(), lag = -1;
    if (!idle && t - now->head_ms < STREAM_POLL_MS)
        return;
    now->head_ms = t;
    struct position head = POSITION_INIT, lowest = POSITION_INIT;
    cdc_stream_source_head(now->in, &head, &lag);
    for (size_t i = 0; i < s->spec.n_targets; i++) {
        struct vrepl_apply_status st;
        vrepl_apply_status(s->targets[i].apply, &st);
        if (i == 0 || position_at_or_after(&lowest, &st.committed))
            position_copy(&lowest, &st.committed);
        vrepl_apply_status_fini(&st);
    }
    cdc_stream_ack(now->in, &lowest);
    pthread_mutex_lock(&s->lock);
    position_copy(&s->head, &head);
    s->head_lag_ms = lag;
    s->idle = idle;
    pthread_mutex_unlock(&s->lock);
    position_fini(&head);
    position_fini(&lowest);
}

static bool any_in(struct vrepl_stream *s, enum copy_phase phase)
{
    bool any = false;
    for (size_t i = 0; i < s->spec.n_targets; i++) {
        struct vrepl_apply_status st;
        vrepl_apply_status(s->targets[i].apply, &st);
        any = any || st.phase == phase;
        vrepl_apply_status_fini(&st);
    }
    return any;
}

static bool gives_way(struct vrepl_stream *s)
{
    return any_in(s, COPY_PHASE_ROUNDS) || any_in(s, COPY_PHASE_CATCHUP);
}

/* A key that is dropped may come back before anybody looks: while it was gone, REPLACE took rows
 * away that no later change brings. */
static bool drops_something(const struct cdc_change *c)
{
    struct sqltoken_scanner scan;
    struct sqltoken t;
    sqltoken_init(&scan, c->ddl.sql, c->ddl.n, c->ddl.lex);
    while (sqltoken_next(&scan, &t)) {
        if (sqltoken_is(&t, "DROP"))
            return true;
    }
    return false;
}

static bool has_further_unique_key(const struct schema_table *t)
{
    size_t n = 0;
    for (size_t k = 0; k < t->n_keys; k++)
        n += t->keys[k].unique;
    return n > 1;
}

/* The rows of a table that was kept do not give way, and one whose copy has not begun has none. */
static bool rows_give_way(const struct vrepl_stream *s, size_t i)
{
    if (s->now.waits && s->now.waits[i])
        return false;
    for (size_t k = 0; k < s->spec.n_targets; k++) {
        if (!s->targets[k].progress.tables[i].kept)
            return true;
    }
    return false;
}

/* A table whose keys the statement may have taken away while its rows give way to each other; NULL:
 * none. */
static const struct vrepl_table_spec *loses_keys(const struct vrepl_stream *s,
                                                 const struct cdc_change *c)
{
    for (size_t i = 0; drops_something(c) && i < s->spec.n_tables; i++) {
        const struct vrepl_table_spec *t = &s->spec.tables[i];
        if (rows_give_way(s, i) && has_further_unique_key(s->now.targets[i]) &&
            ddl_concern(&c->ddl, s->spec.source->primary.database, t->source_table) !=
                DDL_UNRELATED)
            return t;
    }
    return NULL;
}

static bool copy_must_begin_again(const struct vrepl_table_spec *t, const struct cdc_change *c,
                                  struct err *e)
{
    err_set(e, ERR_WF_STATE,
            "table %s has unique keys and lost something during its copy, which has to begin "
            "again: %.*s",
            t->source_table, c->ddl.n < 400 ? (int)c->ddl.n : 400, c->ddl.sql);
    return err_cure(e,
                    "give the target table the source's definition and copy it anew (workflow "
                    "stop, then workflow start --recopy %s)",
                    t->target_table);
}

/* Until the high watermark is passed, rows give way to each other (1062, REPLACE): that is right only while the
 * unique keys of both sides are the same, so each DDL on the way is followed by a look at them. */
static bool keys_hold(struct vrepl_stream *s, const struct cdc_batch *b,
                      const struct vrepl_routing *r, struct err *e)
{
    bool changed = false;
    for (size_t i = 0; i < b->n_changes; i++) {
        const struct cdc_change *c = &b->changes[i];
        if (c->kind != CDC_DDL || !r->changes[i].ddl_ours)
            continue;
        changed = true;
        const struct vrepl_table_spec *t = gives_way(s) ? loses_keys(s, c) : NULL;
        if (t)
            return copy_must_begin_again(t, c, e);
    }
    return !changed || !gives_way(s) || stream_check_keys(s, e);
}

static bool deliver(struct vrepl_stream *s, struct cdc_batch *b, struct err *e)
{
    struct vrepl_routing *r = NULL;
    bool ok = vrepl_route(s->now.router, b, &r, e);
    if (ok)
        s->now.in_tx = b->ends_in_tx;
    ok = ok && keys_hold(s, b, r, e);
    for (size_t i = 0; i < s->spec.n_targets && ok; i++)
        ok = push_to(s, i, b, r, e);
    vrepl_routing_unref(r);
    return ok;
}

/* A server that does not answer now is the appliers' to notice. */
static bool look_at_tables(struct vrepl_stream *s, struct err *e)
{
    struct err failed = ERR_INIT;
    int64_t t = clock_mono_ms();
    if (s->now.tables_ms == 0)
        s->now.tables_ms = t; /* the attempt has just asked */
    if (t - s->now.tables_ms < STREAM_TABLES_MS)
        return true;
    s->now.tables_ms = t;
    bool news = false;
    if (!stream_check_tables(s, &news, &failed))
        return failed.class_ == ERR_CLASS_RETRY || err_copy(e, &failed);
    return !news ||
           err_set_native(e, ERR_SCHEMA_MISMATCH, ERR_CLASS_RETRY, 0,
                          "tables of the target were rebuilt or made again: %s", s->unproven);
}

/* One batch from the log to the appliers. *got false: nothing came within the time. */
static bool pump(struct vrepl_stream *s, int64_t timeout_ms, bool *got, struct err *e)
{
    struct cdc_batch *b = NULL;
    *got = false;
    if (__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE))
        return err_set(e, ERR_SHUTDOWN, "stopped");
    enum cdc_next next = cdc_stream_next(s->now.in, &b, timeout_ms, e);
    bool ok = next == CDC_NEXT_TIMEOUT || next == CDC_NEXT_END;
    if (next == CDC_NEXT_OK) {
        *got = true;
        ok = deliver(s, b, e);
        cdc_batch_unref(b);
    } else if (next == CDC_NEXT_FAIL) {
        err_prepend(e, "source %s", s->spec.source->name);
    }
    if (!ok)
        return false;
    report(s, !*got);
    return check_appliers(s, e) && look_at_tables(s, e);
}

static bool pump_to_boundary(struct vrepl_stream *s, struct err *e)
{
    bool got;
    while (s->now.in_tx) {
        if (!pump(s, STREAM_POLL_MS, &got, e))
            return false;
    }
    return true;
}

static bool barrier(struct vrepl_stream *s, struct err *e)
{
    if (!pump_to_boundary(s, e))
        return false;
    for (size_t i = 0; i < s->spec.n_targets; i++) {
        if (!vrepl_apply_barrier(s->targets[i].apply, e))
            return err_prepend(e, "target %s", s->spec.targets[i]->name);
    }
    return true;
}

/* Where the source's log ends now, as file:pos: an engine's GTID sets may lag behind what is
 * visible. */
static bool source_end(struct vrepl_stream *s, struct position *out, struct err *e)
{
    struct position all = POSITION_INIT;
    bool ok = my_current_position(s->now.source, &all, e);
    memcpy(out->file, all.file, sizeof out->file);
    out->pos = all.pos;
    position_fini(&all);
    return ok ? true : err_prepend(e, "source %s", s->spec.source->name);
}

/* Applies what has happened up to now, more or less: until the log's end of this moment, or a
 * silence. */
static bool replay(struct vrepl_stream *s, struct err *e)
{
    struct position end = POSITION_INIT;
    bool got = true;
    if (!source_end(s, &end, e))
        return false;
    while (got && !position_at_or_after(cdc_stream_position(s->now.in), &end)) {
        if (!pump(s, 5 * STREAM_POLL_MS, &got, e))
            return false;
    }
    position_fini(&end);
    return true;
}

/* --- copying --- */

/* The common position of all targets after a barrier; *same false: they have to be brought
 * together. */
static void common_position(struct vrepl_stream *s, struct position *low, bool *same)
{
    *same = true;
    for (size_t i = 0; i < s->spec.n_targets; i++) {
        struct vrepl_apply_status st;
        vrepl_apply_status(s->targets[i].apply, &st);
        if (i == 0)
            position_copy(low, &st.committed);
        *same = *same && position_equal(low, &st.committed);
        vrepl_apply_status_fini(&st);
    }
}

/* A transaction of ours makes the log pass the high watermark, or a common position, now, not with the next foreign
 * one. */
static void push_log(struct vrepl_stream *s)
{
    struct err ignored = ERR_INIT;
    CLEANUP(buf_fini) struct buf name = BUF_INIT;
    buf_printf(&name, "stream:%s", s->spec.workflow_key);
    if (!log_mark_write(s->now.source, buf_str(&name), &ignored))
        log_err(LOG_DEBUG, "stream", &ignored);
}

static bool find_low(struct vrepl_stream *s, struct position *low, struct err *e)
{
    for (;;) {
        bool same = false;
        if (!barrier(s, e))
            return false;
        common_position(s, low, &same);
        if (same)
            return true;
        bool got = false;
        push_log(s);
        if (!pump(s, STREAM_POLL_MS, &got, e))
            return false;
    }
}

/* Which tables wait for their copy to begin: on every target, or, where a snapshot is copied whole,
 * on any. */
static bool note_waiting(struct vrepl_stream *s)
{
    bool any = false;
    s->now.waits = mem_calloc(s->spec.n_tables + 1, sizeof *s->now.waits);
    for (size_t i = 0; i < s->spec.n_tables; i++) {
        size_t n = 0;
        bool exact = false;
        for (size_t k = 0; k < s->spec.n_targets; k++) {
            const struct progress_table *t = &s->targets[k].progress.tables[i];
            n += progress_table_waits(t);
            exact = exact || t->exact_snapshot;
        }
        s->now.waits[i] = exact ? n > 0 : n == s->spec.n_targets;
        any = any || s->now.waits[i];
    }
    return any;
}

static void end_waiting(struct vrepl_stream *s)
{
    vrepl_router_wait(s->now.router, NULL);
    free(s->now.waits);
    s->now.waits = NULL;
}

/* Up to `end`, which may lie in the log's idle part: then a transaction of ours makes it pass. */
static bool pump_to(struct vrepl_stream *s, const struct position *end, struct err *e)
{
    bool got = true;
    while (!position_at_or_after(cdc_stream_position(s->now.in), end)) {
        if (!pump(s, STREAM_POLL_MS, &got, e))
            return false;
        if (!got)
            push_log(s);
    }
    return true;
}

/* Before tables whose copy has not begun are cut into ranges: the log's end of now is reached on
 * every target, without them (vrepl/move/copy.c). */
static bool pass_by_waiting(struct vrepl_stream *s, struct err *e)
{
    struct position end = POSITION_INIT, low = POSITION_INIT;
    bool ok = true;
    if (note_waiting(s)) {
        vrepl_router_wait(s->now.router, s->now.waits);
        ok = source_end(s, &end, e) && pump_to(s, &end, e) && find_low(s, &low, e) &&
             FAULT_POINT("copy.waiting.passed", e);
    }
    if (ok)
        end_waiting(s);
    position_fini(&end);
    position_fini(&low);
    return ok;
}

static int64_t next_budget(const struct vrepl_stream *s, int64_t budget_ms, int64_t replay_ms)
{
    int64_t base = s->spec.round_ms ? s->spec.round_ms : STREAM_ROUND_MS;
    if (replay_ms > budget_ms && budget_ms > base / 4)
        return budget_ms / 2;
    if (replay_ms * 10 < budget_ms && budget_ms < base * 6)
        return budget_ms * 2;
    return budget_ms;
}

static bool rounds(struct vrepl_stream *s, struct vrepl_copy *c, struct err *e)
{
    struct position low = POSITION_INIT;
    int64_t budget_ms = s->spec.round_ms ? s->spec.round_ms : STREAM_ROUND_MS;
    bool ok = true;
    while (ok && !vrepl_copy_done(c)) {
        ok = find_low(s, &low, e) && vrepl_copy_round(c, &low, budget_ms, e);
        stream_note_progress(s);
        int64_t began = clock_mono_ms();
        ok = ok && (vrepl_copy_done(c) || replay(s, e));
        budget_ms = next_budget(s, budget_ms, clock_mono_ms() - began);
    }
    position_fini(&low);
    return ok;
}

static bool set_high(struct vrepl_stream *s, struct err *e)
{
    struct position high = POSITION_INIT;
    bool ok = source_end(s, &high, e);
    for (size_t i = 0; i < s->spec.n_targets && ok; i++)
        ok = vrepl_apply_set_high(s->targets[i].apply, &high, e);
    position_fini(&high);
    if (ok)
        push_log(s);
    return ok && FAULT_POINT("copy.high.reached", e);
}

/* On the applier's thread, so that all targets do so at once. */
static bool add_keys(void *ctx, struct my_conn *c, struct err *e)
{
    const struct vrepl_stream *s = ctx;
    for (size_t i = 0; i < s->spec.n_tables; i++) {
        if (!vrepl_copy_add_keys(c, s->spec.workflow_key, &s->spec.tables[i], e))
            return false;
    }
    return true;
}

/* Before the high watermark is set: as long as a key may be missing the phase says that the copy is not over. */
static bool run_keys(struct vrepl_stream *s, struct err *e)
{
    for (size_t i = 0; i < s->spec.n_targets; i++)
        vrepl_apply_run(s->targets[i].apply, add_keys, s);
    for (size_t i = 0; i < s->spec.n_targets; i++) {
        if (!vrepl_apply_wait(s->targets[i].apply, e))
            return err_prepend(e, "target %s", s->spec.targets[i]->name);
    }
    return true;
}

/* A status without it would say that a copy goes on which stands still. */
static void copier_waits(void *ctx, const struct err *why)
{
    set_error(ctx, why, false);
}

static bool copy(struct vrepl_stream *s, struct err *e)
{
    set_state(s, VREPL_STREAM_COPYING);
    struct vrepl_copy_target *targets = mem_calloc(s->spec.n_targets, sizeof *targets);
    for (size_t i = 0; i < s->spec.n_targets; i++) {
        targets[i].key = stream_key(s, i);
        targets[i].params = &s->spec.targets[i]->primary;
        targets[i].progress = &s->targets[i].progress;
        targets[i].left_out = &s->targets[i].left_out;
    }
    struct vrepl_copy_options o = {.spec = &s->spec,
                                   .targets = targets,
                                   .router = s->now.router,
                                   .sources = s->now.sources,
                                   .stop = &s->stop,
                                   .waits = copier_waits,
                                   .waits_ctx = s};
    struct vrepl_copy *c = vrepl_copy_new(&o, e);
    bool ok = c && pass_by_waiting(s, e) && vrepl_copy_prepare(c, e) && rounds(s, c, e) &&
              barrier(s, e) && run_keys(s, e) && stream_check_keys(s, e) && set_high(s, e);
    vrepl_copy_free(c);
    free(targets);
    return ok;
}

/* --- attempts --- */

static bool steady(struct vrepl_stream *s, struct err *e)
{
    bool got, plain = false;
    while (pump(s, STREAM_POLL_MS, &got, e)) {
        if (plain || any_in(s, COPY_PHASE_CATCHUP))
            continue;
        plain = true;
        set_error(s, NULL, false);
        set_state(s, VREPL_STREAM_RUNNING);
        if (s->spec.copy && s->spec.stop_after_copy)
            return barrier(s, e);
    }
    return false;
}

/* Without targets there is nothing that could be lost, and nothing to wait for. */
static bool attempt(struct vrepl_stream *s, struct err *e)
{
    assert(s->spec.n_targets > 0);
    if (!stream_open(s, e))
        return false;
    if (any_in(s, COPY_PHASE_ROUNDS) && !copy(s, e))
        return false;
    if (any_in(s, COPY_PHASE_CATCHUP))
        set_state(s, VREPL_STREAM_CATCHUP);
    return steady(s, e);
}

static void end(struct vrepl_stream *s, const struct err *e)
{
    pthread_mutex_lock(&s->lock);
    s->ended = true;
    if (e) {
        s->error = *e;
        s->state = e->class_ == ERR_CLASS_SHUTDOWN ? VREPL_STREAM_STOPPED : VREPL_STREAM_ERROR;
        if (e->code == ERR_WF_STATE)
            s->state = VREPL_STREAM_STOPPED;
    } else {
        s->state = VREPL_STREAM_STOPPED;
        err_clear(&s->error);
    }
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void note_positions(const struct vrepl_stream *s, struct position *at)
{
    for (size_t i = 0; i < s->spec.n_targets; i++)
        position_copy(&at[i], &s->targets[i].row.pos);
}

/* An attempt that moved a position has not failed, whatever ended it: each DDL that is executed
 * ends one. */
static bool has_moved(const struct vrepl_stream *s, struct position *at)
{
    bool moved = false;
    for (size_t i = 0; i < s->spec.n_targets; i++)
        moved = moved || !position_equal(&at[i], &s->targets[i].row.pos);
    note_positions(s, at);
    return moved;
}

static void free_positions(const struct vrepl_stream *s, struct position *at)
{
    for (size_t i = 0; i < s->spec.n_targets; i++)
        position_fini(&at[i]);
    free(at);
}

static void run_attempts(struct vrepl_stream *s, struct position *at)
{
    struct backoff b;
    backoff_init(&b, 100, 10000);
    while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
        struct err e = ERR_INIT;
        int64_t began = clock_mono_ms();
        bool done = attempt(s, &e);
        stream_close(s);
        if (done) {
            end(s, NULL);
            return;
        }
        if (__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE))
            break;
        if (e.class_ != ERR_CLASS_RETRY) {
            log_err(LOG_ERROR, "stream", &e);
            end(s, &e);
            return;
        }
        log_err(LOG_WARN, "stream", &e);
        set_error(s, &e, false);
        if (has_moved(s, at) || clock_mono_ms() - began > 60000)
            backoff_reset(&b);
        clock_sleep_ms(backoff_next_ms(&b), &s->stop);
    }
    struct err stopped = ERR_INIT;
    err_set(&stopped, ERR_SHUTDOWN, "stopped");
    end(s, &stopped);
}

static void *stream_main(void *p)
{
    struct vrepl_stream *s = p;
    struct position *at = mem_calloc(s->spec.n_targets + 1, sizeof *at);
    note_positions(s, at);
    run_attempts(s, at);
    free_positions(s, at);
    return NULL;
}

static void free_stream(struct vrepl_stream *s)
{
    for (size_t i = 0; i < s->spec.n_targets; i++) {
        target_row_fini(&s->targets[i].row);
        progress_fini(&s->targets[i].progress);
        left_out_fini(&s->targets[i].left_out);
        free(s->targets[i].key);
    }
    free(s->targets);
    free(s->rows_total);
    free(s->bytes_total);
    free(s->rows_copied);
    free(s->table_done);
    position_fini(&s->head);
    position_fini(&s->freeze_pos);
    stream_spec_fini(&s->spec);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    free(s);
}

static struct vrepl_stream *new_stream(const struct vrepl_stream_spec *spec,
                                       struct cdc_reader *reader)
{
    struct vrepl_stream *s = mem_alloc(sizeof *s);
    stream_spec_copy(&s->spec, spec);
    s->reader = reader;
    s->targets = mem_calloc(spec->n_targets + 1, sizeof *s->targets);
    for (size_t i = 0; i < spec->n_targets; i++) {
        s->targets[i].key = mem_printf("%s/%s>%s", spec->source->keyspace, spec->source->name,
                                       spec->targets[i]->name);
        progress_init(&s->targets[i].progress, &s->spec);
        left_out_init(&s->targets[i].left_out);
    }
    s->rows_total = mem_calloc(spec->n_tables + 1, sizeof *s->rows_total);
    s->bytes_total = mem_calloc(spec->n_tables + 1, sizeof *s->bytes_total);
    s->rows_copied = mem_calloc(spec->n_tables + 1, sizeof *s->rows_copied);
    s->table_done = mem_calloc(spec->n_tables + 1, sizeof *s->table_done);
    s->state = spec->copy ? VREPL_STREAM_COPYING : VREPL_STREAM_CATCHUP;
    thread_cond_init(&s->changed);
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

struct vrepl_stream *vrepl_stream_start(const struct vrepl_stream_spec *spec,
                                        struct cdc_reader *reader, struct err *e)
{
    struct vrepl_stream *s = new_stream(spec, reader);
    if (spec->n_targets == 0)
        err_set(e, ERR_INTERNAL, "a stream without targets");
    else if (stream_take_over(s, e)) {
        stream_note_progress(s);
        if (pthread_create(&s->thread, NULL, stream_main, s) == 0)
            return s;
        err_set(e, ERR_INTERNAL, "no thread for a stream");
    }
    free_stream(s);
    return NULL;
}

/* They may be waiting for a lock, or adding keys for hours. */
static void interrupt_appliers(struct vrepl_stream *s)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->spec.n_targets; i++) {
        if (s->targets[i].apply)
            vrepl_apply_interrupt(s->targets[i].apply);
    }
    pthread_mutex_unlock(&s->lock);
}

void vrepl_stream_stop(struct vrepl_stream *s)
{
    if (!s)
        return;
    __atomic_store_n(&s->stop, 1, __ATOMIC_RELEASE);
    if (!thread_join_within(s->thread, STREAM_STOP_MS)) {
        interrupt_appliers(s);
        pthread_join(s->thread, NULL);
    }
    free_stream(s);
}
