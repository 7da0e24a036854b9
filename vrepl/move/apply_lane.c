/* vrepl/move/apply_lane.c — a lane's connection, its position row, and what follows an error. */
#include "vrepl/move/apply_lane.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "vrepl/move/left_out.h"

#include <assert.h>
#include <string.h>

void apply_lane_init(struct apply_lane *l)
{
    pthread_mutex_init(&l->lock, NULL);
    backoff_init(&l->backoff, 20, 5000);
}

/* --- the connection --- */

static void set_connection(struct apply_lane *l, struct my_conn *c)
{
    pthread_mutex_lock(&l->lock);
    l->conn = c;
    pthread_mutex_unlock(&l->lock);
}

static void close_connection(struct apply_lane *l)
{
    struct my_conn *c = l->conn;
    set_connection(l, NULL);
    vrepl_writer_free(l->writer);
    target_tx_free(l->tx);
    my_close(c);
    l->writer = NULL;
    l->tx = NULL;
}

void apply_lane_fini(struct apply_lane *l)
{
    close_connection(l);
    target_row_fini(&l->row);
    pthread_mutex_destroy(&l->lock);
}

void apply_lane_interrupt(struct apply_lane *l)
{
    pthread_mutex_lock(&l->lock);
    if (l->conn)
        my_conn_interrupt(l->conn);
    pthread_mutex_unlock(&l->lock);
}

static bool set_pass(struct apply_lane *l, struct err *e)
{
    const char *pass = l->spec->fence_pass;
    if (!pass)
        return true;
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_str(&sql, "SET @sluice_pass = ");
    buf_put_sql_string(&sql, pass, strlen(pass));
    return my_exec(l->conn, buf_str(&sql), NULL, e);
}

bool apply_lane_connect(struct apply_lane *l, struct err *e)
{
    close_connection(l);
    set_connection(l, target_connect(l->params, "apply", e));
    if (!l->conn)
        return false;
    l->tx = target_tx_new(l->conn, &l->key);
    l->writer = vrepl_writer_new(l->conn, 0, 0);
    vrepl_writer_one_by_one(l->writer, l->one_by_one);
    vrepl_writer_pipelined(l->writer);
    l->fk_checks = true;
    return my_exec(l->conn, "SET SESSION foreign_key_checks=1", NULL, e) && set_pass(l, e) &&
           my_pipeline_open(l->conn, e);
}

/* A failure is none yet: the next transaction finds it, and is repeated on a new connection. */
void apply_lane_keep_awake(struct apply_lane *l)
{
    struct err lost = ERR_INIT;
    int64_t now = clock_mono_ms();
    if (!l->conn || now - l->awake_ms < TARGET_AWAKE_MS || my_pipeline_count(l->conn) > 0)
        return;
    l->awake_ms = now;
    if (!my_ping(l->conn, &lost))
        log_err(LOG_DEBUG, "apply", &lost);
}

bool apply_lane_fk_checks(struct apply_lane *l, bool on, struct err *e)
{
    if (l->fk_checks == on)
        return true;
    if (!vrepl_writer_flush(l->writer, e) ||
        !my_execf(l->conn, e, "SET SESSION foreign_key_checks=%d", on))
        return false;
    l->fk_checks = on;
    return true;
}

/* --- the position row --- */

enum copy_phase apply_lane_phase_at(const struct apply_lane *l, const struct position *end)
{
    bool passed = l->row.phase == COPY_PHASE_CATCHUP && position_at_or_after(end, &l->row.high_pos);
    return passed ? COPY_PHASE_PLAIN : l->row.phase;
}

/* In the transaction that makes the phase plain: from here on the target is a state of the source,
 * and that must be true. */
static bool may_be_plain(struct apply_lane *l, enum copy_phase next, struct err *e)
{
    bool passes = l->row.phase != COPY_PHASE_PLAIN && next == COPY_PHASE_PLAIN;
    return !passes || left_out_check(l->conn, &l->key, e);
}

static bool moved(const struct apply_lane *l, struct err *e)
{
    return err_set_native(e, ERR_DB_DEADLOCK, ERR_CLASS_RETRY, 0,
                          "%s %s: the position row is not as it was read", l->key.workflow,
                          l->key.stream);
}

bool apply_lane_begin(struct apply_lane *l, struct lane_work *w, struct err *e)
{
    if (w->open)
        return true;
    if (!FAULT_POINT("apply.before_position", e))
        return false;
    switch (target_tx_open(l->tx, l->row.n, w->whole ? w->end : NULL,
                           apply_lane_phase_at(l, w->end), e)) {
    case TARGET_TX_OK:
        w->open = true;
        return true;
    case TARGET_TX_MOVED:
        return moved(l, e);
    case TARGET_TX_FAIL:
        return false;
    }
    return false;
}

bool apply_lane_commit(struct apply_lane *l, const struct lane_work *w, bool marked, struct err *e)
{
    enum copy_phase phase = apply_lane_phase_at(l, w->end);
    if (!vrepl_writer_flush(l->writer, e) || !may_be_plain(l, phase, e))
        return false;
    if (!marked && !target_tx_finish(l->tx, w->end, phase, e))
        return false;
    return FAULT_POINT("apply.before_commit", e) && target_tx_commit(l->tx, e) &&
           FAULT_POINT("apply.after_commit", e);
}

bool apply_lane_save(struct apply_lane *l, const struct position *pos, const struct position *high,
                     bool freeze, struct err *e)
{
    enum copy_phase phase = high ? COPY_PHASE_CATCHUP : apply_lane_phase_at(l, pos);
    if (!target_tx_begin(l->tx, e))
        return false;
    switch (target_tx_mark(l->tx, l->row.n, pos, phase, e)) {
    case TARGET_TX_OK:
        break;
    case TARGET_TX_MOVED:
        return moved(l, e);
    case TARGET_TX_FAIL:
        return false;
    }
    if ((high && !target_tx_set_high(l->tx, high, e)) ||
        (freeze && !target_tx_set_frozen(l->tx, e)))
        return false;
    return may_be_plain(l, phase, e) && target_tx_commit(l->tx, e);
}

void apply_lane_advance(struct apply_lane *l, const struct position *end)
{
    l->row.phase = apply_lane_phase_at(l, end);
    l->row.n++;
    position_copy(&l->row.pos, end);
}

void apply_lane_succeeded(struct apply_lane *l)
{
    backoff_reset(&l->backoff);
    l->duplicate_since_ms = 0;
    if (l->one_by_one) {
        l->one_by_one = false;
        vrepl_writer_one_by_one(l->writer, false);
    }
    l->retrying(l->ctx, NULL);
}

/* --- after an error --- */

static bool stopped(const struct apply_lane *l)
{
    return __atomic_load_n(l->stop, __ATOMIC_ACQUIRE);
}

static bool wait_and_reread(struct apply_lane *l, struct target_row *now, struct err *e)
{
    for (;;) {
        clock_sleep_ms(backoff_next_ms(&l->backoff), l->stop);
        if (stopped(l))
            return err_set(e, ERR_SHUTDOWN, "stopped");
        struct err again = ERR_INIT;
        bool up = l->conn && my_ping(l->conn, &again);
        if ((up || apply_lane_connect(l, &again)) && target_tx_read(l->tx, now, &again))
            return true;
        l->retrying(l->ctx, &again);
        if (again.class_ != ERR_CLASS_RETRY)
            return err_copy(e, &again);
    }
}

/* Invariant 2. */
static bool compare_row(const struct apply_lane *l, const struct lane_work *w,
                        const struct target_row *now, bool *done, struct err *e)
{
    *done = false;
    if (now->found && now->n == l->row.n)
        return true;
    *done = now->found && w->whole && now->n == l->row.n + 1 && position_equal(&now->pos, w->end);
    if (*done)
        return true;
    return err_set(e, ERR_WF_FENCED, "%s %s: somebody else moved the position row", l->key.workflow,
                   l->key.stream);
}

/* With several sources a duplicate may be a row whose other source has yet to take it away. */
static bool may_wait_for_others(struct apply_lane *l, const struct err *e)
{
    if (!l->spec->several_sources || e->code != ERR_DB_DUPLICATE)
        return false;
    int64_t now = clock_mono_ms();
    if (l->duplicate_since_ms == 0)
        l->duplicate_since_ms = now;
    return now - l->duplicate_since_ms < APPLY_DUPLICATE_MS;
}

static bool is_row_error(const struct err *e)
{
    return e->code == ERR_DB_QUERY || e->code == ERR_DB_DUPLICATE || e->code == ERR_APPLY_MISSED;
}

static bool may_retry(struct apply_lane *l, struct err *e)
{
    if (e->class_ == ERR_CLASS_RETRY || e->native == 1020 || may_wait_for_others(l, e))
        return true;
    if (!is_row_error(e) || l->one_by_one)
        return false;
    l->one_by_one = true; /* once more, to learn which row it is */
    return true;
}

bool apply_lane_recover(struct apply_lane *l, struct lane_work *w, bool *done, struct err *e)
{
    bool whole = w->whole;
    vrepl_writer_reset(l->writer); /* no answer of its is waited for any more */
    target_tx_rollback(l->tx);
    w->open = false;
    if (stopped(l) || e->class_ == ERR_CLASS_SHUTDOWN || !may_retry(l, e))
        return false;
    if (w->dropped)
        return err_set_native(e, ERR_DB_LOST, ERR_CLASS_RETRY, 0,
                              "a large transaction has to be read again");
    log_err(LOG_DEBUG, "apply", e);
    l->retrying(l->ctx, e);
    struct target_row now = {.found = false};
    bool ok = wait_and_reread(l, &now, e) && compare_row(l, w, &now, done, e);
    target_row_fini(&now);
    vrepl_writer_one_by_one(l->writer, l->one_by_one);
    /* A first part that was whole stays so; parts are complete once their end was seen. */
    assert(w->whole == whole);
    (void)whole; /* without assertions */
    return ok;
}
