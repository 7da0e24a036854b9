/* vrepl/move/apply_group.c — the transactional strategy: groups of source transactions, in order.
 *
 * A group is either
 *   - some whole transactions of the batches that are at hand, its end known before its first
 *     statement: the position row's first write already holds the end; or
 *   - one transaction that goes on in later batches: the marker is written first and the position
 *     last.
 *
 * Invariants:
 *   1. Only the lane's row and a->seen are remembered between groups.
 *   2. After an error nothing of the group counts (vrepl/move/apply_lane.h): all of it is put again,
 *      or it had arrived.
 *   3. Row bytes live in batches that the group's parts hold, until the group is committed; a
 *      transaction larger than APPLY_HELD_BYTES gives them up after they were sent, and can then
 *      not be repeated here.
 */
#include "vrepl/move/apply_internal.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct part { /* changes [from, to) of one batch */
    struct apply_item *item;
    size_t from, to;
};
struct group {
    struct group_form f;
    struct part *parts;
    size_t n_parts;
    struct lane_work work;
    bool rolled_back; /* on the source */
    uint64_t rows;
    int64_t received_us;
};

static void group_fini(struct group *g)
{
    for (size_t i = 0; i < g->n_parts; i++)
        apply_item_unref(g->parts[i].item);
    free(g->parts);
    position_fini(&g->f.end);
}

static struct lane_work *work_of(struct group *g)
{
    g->work.whole = g->f.whole;
    g->work.end = &g->f.end;
    return &g->work;
}

static void add_part(struct group *g, struct apply_item *item, size_t from, size_t to)
{
    item->refs++;
    g->parts = mem_realloc(g->parts, g->n_parts + 1, sizeof *g->parts);
    g->parts[g->n_parts++] = (struct part){.item = item, .from = from, .to = to};
    g->received_us = item->batch->received_us;
}

/* --- forming --- */

/* freeze: room for the position that the rules may name; position_fini it. */
static struct group_rules rules_now(struct vrepl_apply *a, struct position *freeze)
{
    pthread_mutex_lock(&a->lock);
    bool asked = a->freeze;
    if (asked)
        position_copy(freeze, &a->freeze_pos);
    pthread_mutex_unlock(&a->lock);
    return (struct group_rules){.target_no = a->o.target_no,
                                .durable = &a->lane.row.pos,
                                .freeze = asked ? freeze : NULL,
                                .frozen = a->lane.row.frozen,
                                .ddl_always = a->o.spec->on_ddl != VREPL_ON_DDL_IGNORE};
}

/* Whole transactions of the current batch from a->at on. */
static void take_whole(struct vrepl_apply *a, const struct group_rules *rules, struct group *g)
{
    uint64_t before = g->f.transactions;
    size_t to = group_take(&g->f, rules, a->item->batch, a->item->routing, a->at);
    if (g->f.transactions > before)
        add_part(g, a->item, a->at, to);
    a->at = to;
}

/* As many whole transactions as are at hand; none: the first one is not complete in its batch. */
static void form(struct vrepl_apply *a, const struct group_rules *rules, struct group *g)
{
    position_copy(&g->f.end, &a->seen);
    do
        take_whole(a, rules, g);
    while (a->at == a->item->batch->n_changes && !group_is_full(&g->f) && apply_gather(a));
}

/* The first transaction is not complete here: its rows go out as they come. */
static bool form_open(struct vrepl_apply *a, const struct group_rules *rules, struct group *g,
                      struct err *e)
{
    const struct cdc_batch *b = a->item->batch;
    const struct cdc_change *begin = &b->changes[a->at];
    if (begin->kind != CDC_BEGIN)
        return err_set(e, ERR_INTERNAL, "the log does not continue at a transaction boundary");
    g->f.commit_us = begin->begin.commit_us;
    g->f.outside = group_is_outside(&g->f, rules, begin, &a->seen);
    g->f.held_bytes += b->bytes;
    add_part(g, a->item, a->at, b->n_changes);
    a->at = b->n_changes;
    return true;
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
    if (!left_out_holds(a->o.left_out, &a->lane.key, p, row))
        return true;
    return vrepl_writer_flush(a->lane.writer, e) &&
           left_out_strike(a->lane.conn, &a->lane.key, p, row, e);
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
        if (!vrepl_writer_put(a->lane.writer, p, what.s[i], a->before, a->after, e) ||
            (cc->phase != COPY_PHASE_PLAIN && !strike_off(a, p, what.s[i].verb, e)))
            return false;
    }
    return true;
}

/* Tables of one exact snapshot are outside the rounds: what the copy has is skipped, the rest is
 * exact. Those that were kept have everything up to the position, and the rest is exact. */
static bool choose_phase(const struct vrepl_apply *a, const struct vrepl_plan *p,
                         enum copy_phase *phase)
{
    const struct progress_table *t = &a->o.progress->tables[p->table_no];
    *phase = a->lane.row.phase;
    if (*phase == COPY_PHASE_PLAIN || (!t->exact_snapshot && !t->kept))
        return true;
    *phase = COPY_PHASE_PLAIN;
    return t->kept || !group_tx_is_in(&t->snapshot, &a->source_tx);
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
    bool checks = a->lane.row.phase == COPY_PHASE_PLAIN && !(rows->flags & CDC_ROWS_NO_FK_CHECKS);
    if (!apply_lane_fk_checks(&a->lane, checks, e))
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

static bool put_part(struct vrepl_apply *a, struct group *g, const struct part *part, struct err *e)
{
    const struct cdc_batch *b = part->item->batch;
    for (size_t i = part->from; i < part->to; i++) {
        const struct cdc_change *c = &b->changes[i];
        const struct route_change *rc = &part->item->routing->changes[i];
        if (c->kind == CDC_BEGIN)
            group_tx_note(&a->source_tx, c);
        if (g->f.outside || c->kind != CDC_ROWS ||
            !group_rows_hit(&c->rows, part->item->routing, rc, a->o.target_no))
            continue;
        if (!apply_lane_begin(&a->lane, work_of(g), e))
            return false;
        if (!put_rows(a, g, &c->rows, part->item->routing, rc, e))
            return err_prepend(e, "%s:%llu", c->file ? c->file : "",
                               (unsigned long long)c->log_pos);
    }
    return true;
}

/* The next part of an open transaction. Parts that cannot be held are sent and given up. */
static bool pull_part(struct vrepl_apply *a, struct group *g, struct err *e)
{
    if (g->f.held_bytes > APPLY_HELD_BYTES) {
        if (!vrepl_writer_flush(a->lane.writer, e))
            return false;
        for (size_t i = 0; i < g->n_parts; i++)
            apply_item_unref(g->parts[i].item);
        g->n_parts = g->f.held_bytes = 0;
        g->work.dropped = true;
    }
    if (!apply_next_batch(a, e))
        return false;
    const struct cdc_batch *b = a->item->batch;
    size_t end = group_find_end(b, 0);
    g->f.whole = end < b->n_changes;
    g->f.held_bytes += b->bytes;
    add_part(g, a->item, 0, g->f.whole ? end : b->n_changes);
    a->at = g->f.whole ? end + 1 : b->n_changes;
    if (!g->f.whole)
        return true;
    position_copy(&g->f.end, &a->seen);
    if (!a->skipping)
        cdc_position_advance(&g->f.end, &b->changes[end]);
    g->rolled_back = b->changes[end].kind == CDC_ROLLBACK;
    g->f.foreign = a->item->routing->changes[end].foreign;
    return true;
}

static bool finish(struct vrepl_apply *a, struct group *g, bool marked, struct err *e)
{
    if (!g->work.open)
        return true;
    if (g->rolled_back) {
        target_tx_rollback(a->lane.tx);
        g->work.open = false;
        return true;
    }
    return apply_lane_commit(&a->lane, work_of(g), marked, e);
}

static bool attempt(struct vrepl_apply *a, struct group *g, struct err *e)
{
    bool known_end = g->f.whole;
    g->rows = 0;
    for (size_t i = 0;; i++) {
        if (i == g->n_parts) {
            if (g->f.whole)
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

/* --- its end --- */

void apply_pass(struct vrepl_apply *a, const struct group_form *f)
{
    position_copy(&a->seen, &f->end);
    a->unsaved = a->unsaved || f->foreign;
}

static void advance(struct vrepl_apply *a, const struct group *g)
{
    position_copy(&a->seen, &g->f.end);
    apply_lane_advance(&a->lane, &g->f.end);
    a->unsaved = false;
    a->saved_ms = clock_mono_ms();
}

/* MariaDB's commit time is in whole seconds: there the arrival of the event is the better clock. */
static void measure(struct vrepl_apply *a, const struct group *g, enum copy_phase phase)
{
    int64_t now = clock_wall_us();
    bool exact = g->f.commit_us != 0 && g->f.commit_us % 1000000 != 0;
    int64_t since = exact ? now - (int64_t)g->f.commit_us : now - g->received_us;
    metric_add(a->m_rows[phase], (double)g->rows);
    metric_add(a->m_batches, 1);
    if (since >= 0)
        metric_observe(a->m_latency, (double)since / 1e6);
    int64_t lag_ms = g->f.commit_us ? (now - (int64_t)g->f.commit_us) / 1000 : since / 1000;
    apply_publish(a, g->rows, g->f.transactions ? g->f.transactions : 1, lag_ms < 0 ? 0 : lag_ms);
}

static void group_succeeded(struct vrepl_apply *a, struct group *g)
{
    enum copy_phase phase = a->lane.row.phase;
    advance(a, g);
    measure(a, g, phase);
    apply_lane_succeeded(&a->lane);
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
        if (!ok && !apply_lane_recover(&a->lane, work_of(g), &done, &failed))
            return fatal(&failed, e);
        if (!ok && !done)
            continue;
        if (g->work.open || done)
            group_succeeded(a, g);
        else
            apply_pass(a, &g->f);
        return true;
    }
}

static bool run_formed(struct vrepl_apply *a, struct group *g, struct err *e)
{
    if (g->f.whole && !g->f.relevant) {
        apply_pass(a, &g->f);
        return true;
    }
    return run_group(a, g, e);
}

/* One group, or one transaction that goes on in later batches. */
static bool step(struct vrepl_apply *a, struct err *e)
{
    struct group g = {.f = {.skipping = a->skipping}};
    struct position freeze = POSITION_INIT;
    const struct group_rules rules = rules_now(a, &freeze);
    form(a, &rules, &g);
    bool ok = (!g.f.ddl || apply_ddl(a, &g.f, e)) && (g.f.whole || form_open(a, &rules, &g, e));
    a->skipping = g.f.skipping;
    ok = ok && run_formed(a, &g, e);
    position_fini(&freeze);
    group_fini(&g);
    return ok;
}

static bool apply_batch(struct vrepl_apply *a, struct err *e)
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

const struct apply_strategy apply_transactional = {.name = "transactional", .batch = apply_batch};

bool apply_save(struct vrepl_apply *a, const struct position *high, bool freeze, struct err *e)
{
    struct group g = {.f = {.whole = true}};
    position_copy(&g.f.end, &a->seen);
    bool ok = false, done = false;
    while (!ok && !done) {
        struct err failed = ERR_INIT;
        ok = apply_lane_save(&a->lane, &a->seen, high, freeze, &failed);
        if (!ok && !apply_lane_recover(&a->lane, work_of(&g), &done, &failed)) {
            group_fini(&g);
            return err_copy(e, &failed);
        }
        /* What landed after all may lack the further columns: write them again. */
        if (done && (high || freeze)) {
            a->lane.row.n++;
            position_copy(&a->lane.row.pos, &g.f.end);
            done = false;
        }
    }
    advance(a, &g);
    if (high) { /* even if it is behind us already: the row says so, and the next save passes it */
        a->lane.row.phase = COPY_PHASE_CATCHUP;
        position_copy(&a->lane.row.high_pos, high);
    }
    a->lane.row.frozen = a->lane.row.frozen || freeze;
    group_fini(&g);
    apply_publish(a, 0, 0, -1);
    return true;
}
