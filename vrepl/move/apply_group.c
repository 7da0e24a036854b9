/* vrepl/move/apply_group.c — forming groups of source transactions, executing them, and what
 * follows an error.
 *
 * A group is either
 *   - some whole transactions of the batches that are at hand, its end known before its first
 *     statement: the position row's first write already holds the end; or
 *   - one transaction that goes on in later batches: the marker is written first and the position
 *     last.
 *
 * Invariants:
 *   1. Only a->row and a->seen are remembered between groups; a->row is what the target holds.
 *   2. After an error nothing of the group counts: ROLLBACK, read the row again. n unchanged: redo
 *      all of it. n one higher and pos at the group's end: its COMMIT had arrived. Anything else:
 *      there is another writer.
 *   3. Row bytes live in batches that the group's parts hold, until the group is committed; a
 *      transaction larger than APPLY_HELD_BYTES gives them up after they were sent, and can then
 *      not be redone here.
 */
#include "vrepl/move/apply_internal.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "cdc/sidecar/incarnation.h"
#include "schemas/ddl_session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct part { /* changes [from, to) of one batch */
    struct apply_item *item;
    size_t from, to;
};
struct group {
    struct part *parts;
    size_t n_parts, held_bytes;
    bool whole;       /* ends inside what is at hand: `end` is known */
    bool dropped;     /* parts were given up: cannot be redone */
    bool relevant;    /* something of it is for this target */
    bool foreign;     /* something besides sidecar tables */
    bool open;        /* the target's transaction has begun */
    bool outside;     /* holds transactions that must not be applied, and then nothing else */
    bool rolled_back; /* on the source */
    const struct cdc_change *ddl;         /* a DDL of the stream's tables: alone in its group */
    const struct route_change *ddl_route; /* what it does */
    struct position end;
    uint64_t rows, transactions, commit_us;
    int64_t received_us;
};

static void group_fini(struct group *g)
{
    for (size_t i = 0; i < g->n_parts; i++)
        apply_item_unref(g->parts[i].item);
    free(g->parts);
    position_fini(&g->end);
}

static void add_part(struct group *g, struct apply_item *item, size_t from, size_t to)
{
    item->refs++;
    g->parts = mem_realloc(g->parts, g->n_parts + 1, sizeof *g->parts);
    g->parts[g->n_parts++] = (struct part){.item = item, .from = from, .to = to};
    g->held_bytes += item->batch->bytes;
    g->received_us = item->batch->received_us;
}

/* --- forming --- */

static void note_begin(struct apply_tx *tx, const struct cdc_change *c)
{
    tx->gtid = c->begin.gtid;
    tx->pos = c->log_pos;
    tx->commit_us = c->begin.commit_us;
    size_t n = c->file ? strlen(c->file) : 0;
    if (n >= sizeof tx->file)
        n = sizeof tx->file - 1;
    memcpy(tx->file, c->file ? c->file : "", n);
    tx->file[n] = 0;
}

static bool contains_tx(const struct position *p, const struct apply_tx *tx)
{
    if (p->gtids && tx->gtid.flavor != GTID_FLAVOR_NONE)
        return gtid_set_contains_gtid(p->gtids, &tx->gtid);
    int files = position_file_compare(tx->file, p->file);
    return files < 0 || (files == 0 && tx->pos < p->pos);
}

/* The log has been read up to p: nothing more comes that p contains. */
static bool reached(const struct position *p, const struct cdc_change *heartbeat)
{
    int files = position_file_compare(heartbeat->file ? heartbeat->file : "", p->file);
    return files > 0 || (files == 0 && heartbeat->log_pos >= p->pos);
}

/* Index of the COMMIT or ROLLBACK of the transaction that i is in; n_changes if it is not here. */
static size_t find_end(const struct cdc_batch *b, size_t i)
{
    while (i < b->n_changes && b->changes[i].kind != CDC_COMMIT &&
           b->changes[i].kind != CDC_ROLLBACK)
        i++;
    return i;
}

static bool rows_hit(const struct vrepl_apply *a, const struct cdc_rows *rows,
                     const struct vrepl_routing *r, const struct route_change *rc)
{
    if (!rc->plan)
        return false;
    if (rc->everywhere)
        return true;
    for (uint32_t i = rc->first; i < rc->first + rows->n_rows; i++) {
        if (vrepl_route_hits(r->before[i], a->o.target_no) ||
            vrepl_route_hits(r->after[i], a->o.target_no))
            return true;
    }
    return false;
}

static bool hits(const struct vrepl_apply *a, const struct apply_item *item, size_t from, size_t to,
                 size_t *bytes)
{
    bool any = false;
    for (size_t i = from; i < to; i++) {
        const struct cdc_change *c = &item->batch->changes[i];
        if (c->kind != CDC_ROWS ||
            !rows_hit(a, &c->rows, item->routing, &item->routing->changes[i]))
            continue;
        any = true;
        *bytes += c->rows.images_len;
    }
    return any;
}

static const struct cdc_change *our_ddl(const struct apply_item *item, size_t from, size_t to,
                                        const struct route_change **route)
{
    for (size_t i = from; i < to; i++) {
        const struct route_change *rc = &item->routing->changes[i];
        if (item->batch->changes[i].kind != CDC_DDL || !rc->ddl_ours)
            continue;
        *route = rc;
        return &item->batch->changes[i];
    }
    return NULL;
}

/* Nothing is applied before row.pos (another target was behind) and after the freeze. */
static bool is_outside(struct vrepl_apply *a, const struct cdc_change *begin,
                       const struct position *at)
{
    note_begin(&a->source_tx, begin);
    if (a->skipping)
        a->skipping = contains_tx(&a->row.pos, &a->source_tx);
    if (a->skipping || a->row.frozen)
        return true;
    pthread_mutex_lock(&a->lock);
    bool outside = a->freeze && position_at_or_after(at, &a->freeze_pos);
    pthread_mutex_unlock(&a->lock);
    return outside;
}

/* May one more whole transaction [i, end] join the group? Sets what it adds. A transaction that
 * must not be applied and one that must never share a group: the group's range is applied as a
 * whole. */
static bool join(struct vrepl_apply *a, struct group *g, size_t i, size_t end, size_t *bytes)
{
    const struct apply_item *item = a->item;
    const struct cdc_change *c = &item->batch->changes[i];
    bool outside = is_outside(a, c, &g->end) || item->batch->changes[end].kind == CDC_ROLLBACK;
    size_t more = 0;
    bool relevant = !outside && hits(a, item, i, end, &more);
    bool stops = !outside || a->o.spec->on_ddl != VREPL_ON_DDL_IGNORE;
    const struct cdc_change *ddl = stops ? our_ddl(item, i, end, &g->ddl_route) : NULL;
    if ((ddl && (i > a->at || g->whole)) || (outside && g->relevant) || (relevant && g->outside))
        return false;
    g->outside = g->outside || outside;
    g->ddl = ddl;
    g->relevant = g->relevant || relevant;
    g->transactions += relevant;
    g->commit_us = c->begin.commit_us;
    g->foreign = g->foreign || (!outside && item->routing->changes[end].foreign);
    *bytes += more;
    return true;
}

static bool group_full(const struct group *g, size_t bytes)
{
    return g->transactions >= APPLY_GROUP_TX || bytes >= APPLY_GROUP_BYTES ||
           g->held_bytes >= APPLY_GROUP_HELD || g->ddl;
}

/* Whole transactions of the current batch from a->at on. */
static void take_whole(struct vrepl_apply *a, struct group *g, size_t *bytes)
{
    const struct cdc_batch *b = a->item->batch;
    size_t i = a->at;
    uint64_t before = g->transactions;
    while (i < b->n_changes && !group_full(g, *bytes)) {
        size_t end = i;
        if (b->changes[i].kind == CDC_BEGIN) {
            end = find_end(b, i);
            if (end == b->n_changes || !join(a, g, i, end, bytes))
                break;
        }
        /* Before row.pos the position stands still: it is ahead of what is read. */
        if (b->changes[end].kind == CDC_HEARTBEAT)
            a->skipping = a->skipping && !reached(&a->row.pos, &b->changes[end]);
        if (!a->skipping)
            cdc_position_advance(&g->end, &b->changes[end]);
        i = end + 1;
    }
    g->whole = g->whole || i > a->at;
    if (g->transactions > before)
        add_part(g, a->item, a->at, i);
    a->at = i;
}

/* As many whole transactions as are at hand; none: the first one is not complete in its batch. */
static void form(struct vrepl_apply *a, struct group *g)
{
    size_t bytes = 0;
    position_copy(&g->end, &a->seen);
    do
        take_whole(a, g, &bytes);
    while (a->at == a->item->batch->n_changes && !group_full(g, bytes) && apply_gather(a));
}

/* --- executing --- */

static bool key_differs(const struct vrepl_plan *p, const struct cdc_row *before,
                        const struct cdc_row *after)
{
    for (size_t i = 0; i < p->n_key; i++) {
        uint16_t column = p->columns[p->key[i]].source;
        if (!after->values[column].absent &&
            !cdc_value_equal(&before->values[column], &after->values[column]))
            return true;
    }
    return p->n_key == 0;
}

/* A change that is written is one that brings, or takes away for good, the row of its key. */
static bool strike_off(struct vrepl_apply *a, const struct vrepl_plan *p, enum copy_verb verb,
                       struct err *e)
{
    const struct cdc_row *row = verb == COPY_DELETE ? a->before : a->after;
    if (!left_out_holds(a->o.left_out, &a->o.key, p, row))
        return true;
    return vrepl_writer_flush(a->writer, e) && left_out_strike(a->conn, &a->o.key, p, row, e);
}

static bool put_row(struct vrepl_apply *a, const struct vrepl_plan *p, struct copy_change *cc,
                    struct err *e)
{
    const struct progress_table *t = &a->o.progress->tables[p->table_no];
    if (cc->has_before && cc->has_after && cc->phase != COPY_PHASE_PLAIN)
        cc->key_changed = key_differs(p, a->before, a->after);
    if (cc->phase == COPY_PHASE_ROUNDS) {
        cc->order_exact = t->order_exact;
        cc->before_copied = cc->has_before && t->order_exact && progress_covers(t, p, a->before);
        cc->after_copied = cc->has_after && t->order_exact && progress_covers(t, p, a->after);
    }
    struct copy_statements what = copy_rule_decide(cc);
    for (size_t i = 0; i < what.n; i++) {
        if (!vrepl_writer_put(a->writer, p, what.s[i], a->before, a->after, e) ||
            (cc->phase != COPY_PHASE_PLAIN && !strike_off(a, p, what.s[i].verb, e)))
            return false;
    }
    return true;
}

static bool set_fk_checks(struct vrepl_apply *a, bool on, struct err *e)
{
    if (a->fk_checks == on)
        return true;
    if (!vrepl_writer_flush(a->writer, e) ||
        !my_execf(a->conn, e, "SET SESSION foreign_key_checks=%d", on))
        return false;
    a->fk_checks = on;
    return true;
}

/* Tables of one exact snapshot are outside the rounds: what the copy has is skipped, the rest is
 * exact. Those that were kept have everything up to the position, and the rest is exact. */
static bool choose_phase(const struct vrepl_apply *a, const struct vrepl_plan *p,
                         enum copy_phase *phase)
{
    const struct progress_table *t = &a->o.progress->tables[p->table_no];
    *phase = a->row.phase;
    if (*phase == COPY_PHASE_PLAIN || (!t->exact_snapshot && !t->kept))
        return true;
    *phase = COPY_PHASE_PLAIN;
    return t->kept || !contains_tx(&t->snapshot, &a->source_tx);
}

static void grow_rows(struct vrepl_apply *a, size_t n_columns)
{
    if (n_columns <= a->row_columns)
        return;
    cdc_row_free(a->before);
    cdc_row_free(a->after);
    a->before = cdc_row_new(n_columns);
    a->after = cdc_row_new(n_columns);
    a->row_columns = n_columns;
}

static bool put_rows(struct vrepl_apply *a, struct group *g, const struct cdc_rows *rows,
                     const struct vrepl_routing *r, const struct route_change *rc, struct err *e)
{
    struct copy_change base = {.phase = COPY_PHASE_ROUNDS};
    if (!choose_phase(a, rc->plan, &base.phase))
        return true;
    /* The stream's phase: a parent may be among the tables that are still being copied. */
    bool checks = a->row.phase == COPY_PHASE_PLAIN && !(rows->flags & CDC_ROWS_NO_FK_CHECKS);
    if (!set_fk_checks(a, checks, e))
        return false;
    grow_rows(a, rows->n_columns);
    struct cdc_rows_iter it;
    enum cdc_rows_result next;
    cdc_rows_begin(&it, rows);
    while ((next = cdc_rows_next(&it, a->before, a->after, e)) == CDC_ROWS_ROW) {
        size_t i = rc->first + it.row;
        struct copy_change cc = base;
        cc.has_before = rows->op != CDC_OP_INSERT &&
                        (rc->everywhere || vrepl_route_hits(r->before[i], a->o.target_no));
        cc.has_after = rows->op != CDC_OP_DELETE &&
                       (rc->everywhere || vrepl_route_hits(r->after[i], a->o.target_no));
        if (!cc.has_before && !cc.has_after)
            continue;
        if (!put_row(a, rc->plan, &cc, e))
            return false;
        g->rows++;
    }
    return next == CDC_ROWS_END;
}

static enum copy_phase phase_at(const struct vrepl_apply *a, const struct position *end)
{
    bool passed = a->row.phase == COPY_PHASE_CATCHUP && position_at_or_after(end, &a->row.u_pos);
    return passed ? COPY_PHASE_PLAIN : a->row.phase;
}

/* In the transaction that makes the phase plain: from here on the target is a state of the source,
 * and that must be true. */
static bool may_pass_u(struct vrepl_apply *a, enum copy_phase next, struct err *e)
{
    bool passes = a->row.phase != COPY_PHASE_PLAIN && next == COPY_PHASE_PLAIN;
    return !passes || left_out_check(a->conn, &a->o.key, e);
}

static bool moved(const struct vrepl_apply *a, struct err *e)
{
    return err_set_native(e, ERR_DB_DEADLOCK, ERR_CLASS_RETRY, 0,
                          "%s %s: the position row is not as it was read", a->o.key.workflow,
                          a->o.key.stream);
}

static bool open_transaction(struct vrepl_apply *a, struct group *g, struct err *e)
{
    if (g->open)
        return true;
    if (!FAULT_POINT("apply.before_position", e))
        return false;
    switch (target_tx_open(a->tx, a->row.n, g->whole ? &g->end : NULL, phase_at(a, &g->end), e)) {
    case TARGET_TX_OK:
        g->open = true;
        return true;
    case TARGET_TX_MOVED:
        return moved(a, e);
    case TARGET_TX_FAIL:
        return false;
    }
    return false;
}

static bool put_part(struct vrepl_apply *a, struct group *g, const struct part *part, struct err *e)
{
    const struct cdc_batch *b = part->item->batch;
    for (size_t i = part->from; i < part->to; i++) {
        const struct cdc_change *c = &b->changes[i];
        const struct route_change *rc = &part->item->routing->changes[i];
        if (c->kind == CDC_BEGIN)
            note_begin(&a->source_tx, c);
        if (g->outside || c->kind != CDC_ROWS || !rows_hit(a, &c->rows, part->item->routing, rc))
            continue;
        if (!open_transaction(a, g, e))
            return false;
        if (!put_rows(a, g, &c->rows, part->item->routing, rc, e))
            return err_prepend(e, "%s:%llu", c->file ? c->file : "",
                               (unsigned long long)c->log_pos);
    }
    return true;
}

/* The next slice of an open transaction. Slices that cannot be held are sent and given up. */
static bool pull_part(struct vrepl_apply *a, struct group *g, struct err *e)
{
    if (g->held_bytes > APPLY_HELD_BYTES) {
        if (!vrepl_writer_flush(a->writer, e))
            return false;
        for (size_t i = 0; i < g->n_parts; i++)
            apply_item_unref(g->parts[i].item);
        g->n_parts = g->held_bytes = 0;
        g->dropped = true;
    }
    if (!apply_next_batch(a, e))
        return false;
    const struct cdc_batch *b = a->item->batch;
    size_t end = find_end(b, 0);
    g->whole = end < b->n_changes;
    add_part(g, a->item, 0, g->whole ? end : b->n_changes);
    a->at = g->whole ? end + 1 : b->n_changes;
    if (!g->whole)
        return true;
    position_copy(&g->end, &a->seen);
    if (!a->skipping)
        cdc_position_advance(&g->end, &b->changes[end]);
    g->rolled_back = b->changes[end].kind == CDC_ROLLBACK;
    g->foreign = a->item->routing->changes[end].foreign;
    return true;
}

static bool finish(struct vrepl_apply *a, struct group *g, bool known_end, struct err *e)
{
    if (!g->open)
        return true;
    if (g->rolled_back) {
        target_tx_rollback(a->tx);
        g->open = false;
        return true;
    }
    if (!vrepl_writer_flush(a->writer, e) || !may_pass_u(a, phase_at(a, &g->end), e))
        return false;
    if (!known_end && !target_tx_finish(a->tx, &g->end, phase_at(a, &g->end), e))
        return false;
    return FAULT_POINT("apply.before_commit", e) && target_tx_commit(a->tx, e) &&
           FAULT_POINT("apply.after_commit", e);
}

static bool attempt(struct vrepl_apply *a, struct group *g, struct err *e)
{
    bool known_end = g->whole;
    g->rows = 0;
    for (size_t i = 0;; i++) {
        if (i == g->n_parts) {
            if (g->whole)
                break;
            if (!pull_part(a, g, e))
                return false;
            i = g->n_parts - 1;
        }
        if (!put_part(a, g, &g->parts[i], e))
            return false;
    }
    return finish(a, g, known_end, e);
}

/* --- after an error --- */

static bool wait_and_reread(struct vrepl_apply *a, struct target_row *now, struct err *e)
{
    for (;;) {
        clock_sleep_ms(backoff_next_ms(&a->backoff), (const volatile int *)&a->stop);
        if (__atomic_load_n(&a->stop, __ATOMIC_ACQUIRE))
            return err_set(e, ERR_SHUTDOWN, "stopped");
        struct err again = ERR_INIT;
        bool up = a->conn && my_ping(a->conn, &again);
        if ((up || apply_reconnect(a, &again)) && target_tx_read(a->tx, now, &again))
            return true;
        apply_note_error(a, &again);
        if (again.class_ != ERR_CLASS_RETRY)
            return err_copy(e, &again);
    }
}

/* *done: the group's COMMIT had arrived. */
static bool compare_row(struct vrepl_apply *a, const struct group *g, const struct target_row *now,
                        bool *done, struct err *e)
{
    *done = false;
    if (now->found && now->n == a->row.n)
        return true;
    *done = now->found && g->whole && now->n == a->row.n + 1 && position_equal(&now->pos, &g->end);
    if (*done)
        return true;
    return err_set(e, ERR_WF_FENCED, "%s %s: somebody else moved the position row",
                   a->o.key.workflow, a->o.key.stream);
}

/* With several sources a duplicate may be a row whose other source has yet to take it away. */
static bool may_wait_for_others(struct vrepl_apply *a, const struct err *e)
{
    if (!a->o.spec->several_sources || e->code != ERR_DB_DUPLICATE)
        return false;
    int64_t now = clock_mono_ms();
    if (a->duplicate_since_ms == 0)
        a->duplicate_since_ms = now;
    return now - a->duplicate_since_ms < APPLY_DUPLICATE_MS;
}

static bool is_row_error(const struct err *e)
{
    return e->code == ERR_DB_QUERY || e->code == ERR_DB_DUPLICATE || e->code == ERR_APPLY_MISSED;
}

static bool may_retry(struct vrepl_apply *a, struct err *e)
{
    if (e->class_ == ERR_CLASS_RETRY || e->native == 1020 || may_wait_for_others(a, e))
        return true;
    if (!is_row_error(e) || a->one_by_one)
        return false;
    a->one_by_one = true; /* once more, to learn which row it is */
    return true;
}

static bool recover(struct vrepl_apply *a, struct group *g, bool *done, struct err *e)
{
    bool finished = g->whole;
    vrepl_writer_reset(a->writer); /* no answer of its is waited for any more */
    target_tx_rollback(a->tx);
    g->open = false;
    if (__atomic_load_n(&a->stop, __ATOMIC_ACQUIRE) || e->class_ == ERR_CLASS_SHUTDOWN ||
        !may_retry(a, e))
        return false;
    if (g->dropped)
        return err_set_native(e, ERR_DB_LOST, ERR_CLASS_RETRY, 0,
                              "a large transaction has to be read again");
    log_err(LOG_DEBUG, "apply", e);
    apply_note_error(a, e);
    struct target_row now = {.found = false};
    bool ok = wait_and_reread(a, &now, e) && compare_row(a, g, &now, done, e);
    target_row_fini(&now);
    vrepl_writer_one_by_one(a->writer, a->one_by_one);
    /* A first part that was whole stays so; slices are complete once their end was seen. */
    assert(g->whole == finished);
    (void)finished; /* without assertions */
    return ok;
}

static void advance(struct vrepl_apply *a, struct group *g, bool wrote)
{
    position_copy(&a->seen, &g->end);
    if (!wrote) {
        a->unsaved = a->unsaved || g->foreign;
        return;
    }
    a->row.phase = phase_at(a, &g->end);
    a->row.n++;
    position_copy(&a->row.pos, &g->end);
    a->unsaved = false;
    a->saved_ms = clock_mono_ms();
}

/* MariaDB's commit time is in whole seconds: there the arrival of the event is the better clock. */
static void measure(struct vrepl_apply *a, const struct group *g, enum copy_phase phase)
{
    int64_t now = clock_wall_us();
    bool exact = g->commit_us != 0 && g->commit_us % 1000000 != 0;
    int64_t since = exact ? now - (int64_t)g->commit_us : now - g->received_us;
    metric_add(a->m_rows[phase], (double)g->rows);
    metric_add(a->m_batches, 1);
    if (since >= 0)
        metric_observe(a->m_latency, (double)since / 1e6);
    int64_t lag_ms = g->commit_us ? (now - (int64_t)g->commit_us) / 1000 : since / 1000;
    apply_publish(a, g->rows, g->transactions ? g->transactions : 1, lag_ms < 0 ? 0 : lag_ms);
}

static void group_succeeded(struct vrepl_apply *a, struct group *g)
{
    enum copy_phase phase = a->row.phase;
    advance(a, g, true);
    measure(a, g, phase);
    backoff_reset(&a->backoff);
    a->duplicate_since_ms = 0;
    if (a->one_by_one) {
        a->one_by_one = false;
        vrepl_writer_one_by_one(a->writer, false);
    }
    apply_note_error(a, NULL);
}

/* Names what is fatal: the row stands in the text already, when it was found alone. */
static bool fatal(const struct err *from, struct err *e)
{
    if (from->code != ERR_DB_QUERY && from->code != ERR_DB_DUPLICATE)
        return err_copy(e, from);
    err_set_native(e, ERR_APPLY_ROW, ERR_CLASS_FATAL, from->native, "%s", from->text);
    return false;
}

static bool run_group(struct vrepl_apply *a, struct group *g, struct err *e)
{
    for (;;) {
        struct err failed = ERR_INIT;
        bool done = false;
        bool ok = attempt(a, g, &failed);
        if (!ok && !recover(a, g, &done, &failed))
            return fatal(&failed, e);
        if (!ok && !done)
            continue;
        if (g->open || done)
            group_succeeded(a, g);
        else
            advance(a, g, false);
        return true;
    }
}

/* A repetition after a crash between the DDL and the position finds it done. It has one clause, so
 * that nothing else of it is missing; that what is there has the source's definition is proven by
 * the plan, before a row is applied. */
static bool is_done_already(const struct err *e)
{
    static const int done[] = {1060, 1061, 1091, 3822}; /* duplicate column, key; no key; check */
    for (size_t i = 0; i < sizeof done / sizeof *done; i++)
        if (e->native == done[i])
            return true;
    return false;
}

static bool ddl_here(struct vrepl_apply *a, const struct group *g, struct buf *out)
{
    return ddl_for_table(&g->ddl->ddl, a->o.spec->targets[a->o.target_no]->primary.database,
                         a->o.spec->tables[g->ddl_route->ddl_table].target_table, out);
}

/* Settings that the target does not have, or that its account may not change. */
static bool take_session(struct vrepl_apply *a, const struct cdc_change *ddl, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    bool mariadb = my_conn_server(a->conn)->flavor == MY_FLAVOR_MARIADB;
    if (!ddl_session_sql(&ddl->ddl, mariadb, &sql, e))
        return false;
    if (my_exec(a->conn, buf_str(&sql), NULL, e))
        return true;
    err_prepend(e, "the settings of the session that wrote it are refused here");
    return err_cure(e, "make the change on the target by hand, workflow update --on-ddl IGNORE, "
                       "and start the workflow; or let the target have them");
}

/* With the settings of the session that wrote the statement, which no other statement of ours may
 * run under: whatever becomes of it, the connection ends with it. */
static bool run_as_its_session(struct vrepl_apply *a, const struct group *g, const struct buf *sql,
                               struct err *e)
{
    struct err closed = ERR_INIT;
    bool ok = take_session(a, g->ddl, e) && my_exec_n(a->conn, buf_str(sql), sql->len, NULL, e);
    if (apply_reconnect(a, &closed))
        return ok;
    if (ok)
        err_copy(e, &closed);
    return false;
}

/* Only ever on the workflow's own table at the target, whatever the text names. Not inside a
 * transaction: the epoch is read first. */
static bool exec_ddl(struct vrepl_apply *a, const struct group *g, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    bool tolerant = a->o.spec->on_ddl == VREPL_ON_DDL_EXEC_IGNORE;
    if (!ddl_here(a, g, &sql)) {
        if (tolerant)
            return true;
        err_set(e, ERR_WF_STATE, "it is not known to be the same change on the target");
        return err_cure(e, "make the change on the target by hand, workflow update --on-ddl "
                           "IGNORE, and start the workflow");
    }
    bool ours = target_tx_begin(a->tx, e);
    target_tx_rollback(a->tx);
    ours = ours && incarnation_forget(a->conn, a->o.key.workflow,
                                      a->o.spec->targets[a->o.target_no]->primary.database,
                                      a->o.spec->tables[g->ddl_route->ddl_table].target_table, e);
    if (!ours || run_as_its_session(a, g, &sql, e))
        return ours;
    bool passes = is_done_already(e) || (tolerant && e->class_ == ERR_CLASS_FATAL);
    if (passes)
        err_clear(e);
    return passes;
}

/* "a,b": the target tables whose rows the statement may change, as --recopy takes them. */
static void put_changed(const struct vrepl_apply *a, const struct ddl_text *ddl, struct buf *out)
{
    const struct vrepl_stream_spec *s = a->o.spec;
    for (size_t i = 0; i < s->n_tables; i++) {
        if (ddl_concern(ddl, s->source->primary.database, s->tables[i].source_table) == DDL_CHANGES)
            buf_printf(out, "%s%s", out->len > 0 ? "," : "", s->tables[i].target_table);
    }
}

/* Whatever on-ddl says: what the target has is no longer what the source has, and no row event will
 * say so. The position stays before the statement. */
static bool stop_before(const struct vrepl_apply *a, const struct group *g, int shown,
                        struct err *e)
{
    CLEANUP(buf_fini) struct buf tables = BUF_INIT;
    put_changed(a, &g->ddl->ddl, &tables);
    err_set(e, ERR_WF_STATE,
            "table %s: rows may have changed without row events, the target would keep the old "
            "ones: %.*s",
            a->o.spec->tables[g->ddl_route->ddl_table].source_table, shown, g->ddl->ddl.sql);
    return err_cure(
        e,
        "give the target table the source's definition and copy it anew (workflow stop, then "
        "workflow start --recopy %s); after a switch: cancel the workflow with the traffic at the "
        "source, and create it again",
        buf_str(&tables));
}

static bool handle_ddl(struct vrepl_apply *a, struct group *g, struct err *e)
{
    const struct cdc_change *c = g->ddl;
    enum vrepl_on_ddl what = a->o.spec->on_ddl;
    int shown = c->ddl.n < 400 ? (int)c->ddl.n : 400;
    /* Done here already; another target has yet to do it, and ends the attempt. Nothing behind it
     * was routed. */
    a->parked = g->outside;
    if (a->parked)
        return true;
    if (g->ddl_route->ddl_changes)
        return stop_before(a, g, shown, e);
    if (what == VREPL_ON_DDL_IGNORE)
        return true;
    if (what != VREPL_ON_DDL_STOP && !exec_ddl(a, g, e))
        return err_prepend(e, "DDL of the source: %.*s", shown, c->ddl.sql);
    advance(a, g, false);
    if (!apply_save(a, NULL, false, e))
        return false;
    if (what == VREPL_ON_DDL_STOP)
        return err_set(e, ERR_WF_STATE, "stopped behind a DDL (on-ddl stop): %.*s", shown,
                       c->ddl.sql);
    return err_set_native(e, ERR_SCHEMA_MISMATCH, ERR_CLASS_RETRY, 0,
                          "the target's tables have changed");
}

/* One group, or one transaction that goes on in later batches. */
static bool step(struct vrepl_apply *a, struct err *e)
{
    struct group g = {.whole = false};
    form(a, &g);
    bool ok = true;
    if (g.ddl)
        ok = handle_ddl(a, &g, e);
    if (!g.whole) { /* the first transaction is not complete here */
        const struct cdc_change *begin = &a->item->batch->changes[a->at];
        if (begin->kind != CDC_BEGIN) {
            group_fini(&g);
            return err_set(e, ERR_INTERNAL, "the log does not continue at a transaction boundary");
        }
        g.commit_us = begin->begin.commit_us;
        g.outside = is_outside(a, begin, &a->seen);
        add_part(&g, a->item, a->at, a->item->batch->n_changes);
        a->at = a->item->batch->n_changes;
    }
    if (ok && g.whole && !g.relevant)
        advance(a, &g, false);
    else if (ok)
        ok = run_group(a, &g, e);
    group_fini(&g);
    return ok;
}

bool apply_batch(struct vrepl_apply *a, struct err *e)
{
    bool ok = true;
    while (ok && a->at < a->item->batch->n_changes && !a->parked) {
        if (__atomic_load_n(&a->stop, __ATOMIC_ACQUIRE))
            return err_set(e, ERR_SHUTDOWN, "stopped");
        ok = step(a, e) && (a->parked || apply_save_if_due(a, e));
    }
    if (ok)
        apply_publish(a, 0, 0, -1);
    return ok;
}

static bool save_once(struct vrepl_apply *a, const struct position *u, bool freeze, struct err *e)
{
    enum copy_phase phase = u ? COPY_PHASE_CATCHUP : phase_at(a, &a->seen);
    if (!target_tx_begin(a->tx, e))
        return false;
    switch (target_tx_mark(a->tx, a->row.n, &a->seen, phase, e)) {
    case TARGET_TX_OK:
        break;
    case TARGET_TX_MOVED:
        return moved(a, e);
    case TARGET_TX_FAIL:
        return false;
    }
    if ((u && !target_tx_set_u(a->tx, u, e)) || (freeze && !target_tx_set_frozen(a->tx, e)))
        return false;
    return may_pass_u(a, phase, e) && target_tx_commit(a->tx, e);
}

bool apply_save(struct vrepl_apply *a, const struct position *u, bool freeze, struct err *e)
{
    struct group g = {.whole = true};
    position_copy(&g.end, &a->seen);
    bool ok = false, done = false;
    while (!ok && !done) {
        struct err failed = ERR_INIT;
        ok = save_once(a, u, freeze, &failed);
        if (!ok && !recover(a, &g, &done, &failed)) {
            group_fini(&g);
            return err_copy(e, &failed);
        }
        /* What landed after all may lack the further columns: write them again. */
        if (done && (u || freeze)) {
            a->row.n++;
            position_copy(&a->row.pos, &g.end);
            done = false;
        }
    }
    advance(a, &g, true);
    if (u) { /* even if U is behind us already: the row says so, and the next save passes it */
        a->row.phase = COPY_PHASE_CATCHUP;
        position_copy(&a->row.u_pos, u);
    }
    a->row.frozen = a->row.frozen || freeze;
    group_fini(&g);
    apply_publish(a, 0, 0, -1);
    return true;
}
