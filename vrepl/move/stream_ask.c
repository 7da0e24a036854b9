/* vrepl/move/stream_ask.c — questions and orders from other threads: status, wait, flush, freeze. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "vrepl/move/stream_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ASK_FREEZE_MS 30000

/* --- waiting: the condition is signalled by every commit, failure and change of state --- */

static void wait_until(struct vrepl_stream *s, int64_t deadline_ms)
{
    /* Bounded, because an order given to an applier that is being replaced has to be repeated. */
    int64_t until = clock_mono_ms() + 50;
    if (until > deadline_ms)
        until = deadline_ms;
    (void)thread_wait_until(&s->changed, &s->lock, until);
}

/* True when every applier satisfies `reached`. Locks held: s->lock. */
static bool all_reached(struct vrepl_stream *s, const struct position *pos,
                        bool (*reached)(struct vrepl_apply *a, const struct vrepl_apply_status *st,
                                        const struct position *pos))
{
    bool all = true;
    for (size_t i = 0; i < s->spec.n_targets; i++) {
        struct vrepl_apply *a = s->targets[i].apply;
        if (!a) {
            all = false;
            continue;
        }
        struct vrepl_apply_status st;
        vrepl_apply_status(a, &st);
        all = reached(a, &st, pos) && all;
        vrepl_apply_status_fini(&st);
    }
    return all;
}

/* waited_ms was measured: callers may ask a little at a time, or for no time at all. */
static void set_late(const struct vrepl_stream *s, const struct position *pos, const char *what,
                     int64_t waited_ms, struct err *e)
{
    CLEANUP(mem_free_ptr) char *place = pos ? position_text(pos) : mem_strdup("the end");
    err_set(e, ERR_TIMEOUT, "%s: changes up to %s are not %s after %lld ms", s->spec.workflow_key,
            place, what, (long long)waited_ms);
    err_cure(e, "ask again; `workflow show` says how far the stream is");
}

static bool wait_for(struct vrepl_stream *s, const struct position *pos, int64_t timeout_ms,
                     const char *what,
                     bool (*reached)(struct vrepl_apply *, const struct vrepl_apply_status *,
                                     const struct position *),
                     struct err *e)
{
    int64_t deadline = clock_mono_ms() + timeout_ms;
    bool ok = false, late = false;
    pthread_mutex_lock(&s->lock);
    while (!(ok = all_reached(s, pos, reached)) && !s->ended && !late) {
        wait_until(s, deadline);
        late = clock_mono_ms() >= deadline;
    }
    if (!ok && s->ended)
        err_copy(e, &s->error);
    else if (!ok)
        set_late(s, pos, what, clock_mono_ms() - deadline + timeout_ms, e);
    if (!ok && e && e->code == ERR_NONE)
        err_set(e, ERR_SHUTDOWN, "the stream has stopped");
    pthread_mutex_unlock(&s->lock);
    return ok;
}

static bool committed(struct vrepl_apply *a, const struct vrepl_apply_status *st,
                      const struct position *pos)
{
    if (st->failed || st->phase != COPY_PHASE_PLAIN)
        return false;
    if (position_at_or_after(&st->committed, pos))
        return true;
    if (position_at_or_after(&st->seen, pos))
        vrepl_apply_save_soon(a);
    return false;
}

bool vrepl_stream_wait(struct vrepl_stream *s, const struct position *pos, int64_t timeout_ms,
                       struct err *e)
{
    return wait_for(s, pos, timeout_ms, "applied", committed, e);
}

static bool saved(struct vrepl_apply *a, const struct vrepl_apply_status *st,
                  const struct position *pos)
{
    (void)pos;
    bool done = !st->failed && (st->frozen || position_equal(&st->committed, &st->seen));
    if (!done)
        vrepl_apply_save_soon(a);
    return done;
}

bool vrepl_stream_flush(struct vrepl_stream *s, int64_t timeout_ms, struct err *e)
{
    return wait_for(s, NULL, timeout_ms, "flushed", saved, e);
}

static bool is_frozen(struct vrepl_apply *a, const struct vrepl_apply_status *st,
                      const struct position *pos)
{
    if (!st->frozen)
        vrepl_apply_freeze(a, pos);
    return st->frozen;
}

bool vrepl_stream_freeze(struct vrepl_stream *s, const struct position *pos, struct err *e)
{
    pthread_mutex_lock(&s->lock);
    s->freeze = true;
    position_copy(&s->freeze_pos, pos);
    pthread_mutex_unlock(&s->lock);
    return wait_for(s, pos, ASK_FREEZE_MS, "frozen", is_frozen, e);
}

/* --- status --- */

static void fill_tables(const struct vrepl_stream *s, struct vrepl_stream_status *out)
{
    out->n_tables = s->spec.n_tables;
    out->tables = mem_calloc(out->n_tables + 1, sizeof *out->tables);
    for (size_t i = 0; i < out->n_tables; i++) {
        struct vrepl_table_status *t = &out->tables[i];
        t->name = s->spec.tables[i].target_table;
        t->rows_copied = s->rows_copied[i];
        t->rows_total = s->rows_total[i] > t->rows_copied ? s->rows_total[i] : t->rows_copied;
        t->bytes_total = s->bytes_total[i];
        t->bytes_copied = t->rows_total ? (uint64_t)((double)t->bytes_total *
                                                     (double)t->rows_copied / (double)t->rows_total)
                                        : 0;
        t->done = s->table_done[i];
        out->rows_copied += t->rows_copied;
    }
}

static void fill_error(const struct vrepl_stream *s, const struct err *applier,
                       struct vrepl_stream_status *out)
{
    const struct err *e = &s->error;
    if (e->code == ERR_NONE)
        e = applier;
    if (e->code == ERR_NONE && s->unproven[0])
        snprintf(
            out->message, sizeof out->message,
            "rebuilt, emptied or made again at the target, compare (vdiff) before a switch: %s",
            s->unproven);
    if (e->code == ERR_NONE)
        return;
    snprintf(out->message, sizeof out->message, "%s%s%s", e->text, e->cure[0] ? "; " : "", e->cure);
    const char *code = err_code_name(e->code);
    strncpy(out->code, code, sizeof out->code - 1);
    out->may_pass = e->class_ == ERR_CLASS_RETRY;
}

/* The applier's part; when an attempt is between two appliers, what the rows said. */
static void fill_target(const struct vrepl_stream *s, size_t i, struct position *lowest,
                        struct err *error, struct vrepl_stream_status *out)
{
    struct vrepl_apply_status st = {.lag_ms = -1};
    if (s->targets[i].apply)
        vrepl_apply_status(s->targets[i].apply, &st);
    else
        position_copy(&st.seen, &s->targets[i].row.pos);
    if (i == 0 || position_at_or_after(lowest, &st.seen))
        position_copy(lowest, &st.seen);
    if (st.lag_ms > out->lag_ms)
        out->lag_ms = st.lag_ms;
    if (st.error.code != ERR_NONE)
        *error = st.error;
    out->rows_applied += st.rows;
    out->transactions_applied += st.transactions;
    vrepl_apply_status_fini(&st);
}

void vrepl_stream_status(struct vrepl_stream *s, struct vrepl_stream_status *out)
{
    struct position lowest = POSITION_INIT;
    struct err error = ERR_INIT;
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    *out = (struct vrepl_stream_status){.lag_ms = -1};
    pthread_mutex_lock(&s->lock);
    out->state = s->state;
    out->rows_applied = s->rows_before;
    out->transactions_applied = s->transactions_before;
    for (size_t i = 0; i < s->spec.n_targets; i++)
        fill_target(s, i, &lowest, &error, out);
    bool at_end = !position_is_empty(&s->head) && position_at_or_after(&lowest, &s->head);
    out->at_head = s->state == VREPL_STREAM_RUNNING && s->idle && at_end;
    if (out->at_head)
        out->lag_ms = 0;
    else if (s->idle == false && s->head_lag_ms > out->lag_ms)
        out->lag_ms = s->head_lag_ms;
    fill_error(s, &error, out);
    fill_tables(s, out);
    pthread_mutex_unlock(&s->lock);
    position_print(&lowest, &text);
    strncpy(out->position, buf_str(&text), sizeof out->position - 1);
    position_fini(&lowest);
}

void vrepl_stream_status_fini(struct vrepl_stream_status *st)
{
    free(st->tables);
    st->tables = NULL;
    st->n_tables = 0;
}
