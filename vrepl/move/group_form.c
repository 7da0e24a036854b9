/* vrepl/move/group_form.c — transactions join a group one by one, until one may not. */
#include "vrepl/move/group_form.h"

#include <assert.h>
#include <string.h>

void group_tx_note(struct group_tx *tx, const struct cdc_change *begin)
{
    tx->gtid = begin->begin.gtid;
    tx->pos = begin->log_pos;
    tx->commit_us = begin->begin.commit_us;
    size_t n = begin->file ? strlen(begin->file) : 0;
    if (n >= sizeof tx->file)
        n = sizeof tx->file - 1;
    memcpy(tx->file, begin->file ? begin->file : "", n);
    tx->file[n] = 0;
}

bool group_tx_is_in(const struct position *p, const struct group_tx *tx)
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

size_t group_find_end(const struct cdc_batch *b, size_t i)
{
    while (i < b->n_changes && b->changes[i].kind != CDC_COMMIT &&
           b->changes[i].kind != CDC_ROLLBACK)
        i++;
    return i;
}

bool group_rows_hit(const struct cdc_rows *rows, const struct vrepl_routing *routing,
                    const struct route_change *rc, size_t target_no)
{
    if (!rc->plan)
        return false;
    if (rc->everywhere)
        return true;
    for (uint32_t i = rc->first; i < rc->first + rows->n_rows; i++) {
        if (vrepl_route_hits(routing->before[i], target_no) ||
            vrepl_route_hits(routing->after[i], target_no))
            return true;
    }
    return false;
}

/* Whether any row of [from, to) is for the target, and how many bytes such changes have. */
static bool hits(const struct group_rules *r, const struct cdc_batch *b,
                 const struct vrepl_routing *routing, size_t from, size_t to, size_t *bytes)
{
    bool any = false;
    for (size_t i = from; i < to; i++) {
        const struct cdc_change *c = &b->changes[i];
        if (c->kind != CDC_ROWS ||
            !group_rows_hit(&c->rows, routing, &routing->changes[i], r->target_no))
            continue;
        any = true;
        *bytes += c->rows.images_len;
    }
    return any;
}

static const struct cdc_change *our_ddl(const struct cdc_batch *b,
                                        const struct vrepl_routing *routing, size_t from, size_t to,
                                        const struct route_change **route)
{
    for (size_t i = from; i < to; i++) {
        const struct route_change *rc = &routing->changes[i];
        if (b->changes[i].kind != CDC_DDL || !rc->ddl_ours)
            continue;
        *route = rc;
        return &b->changes[i];
    }
    return NULL;
}

bool group_is_outside(struct group_form *g, const struct group_rules *r,
                      const struct cdc_change *begin, const struct position *at)
{
    group_tx_note(&g->tx, begin);
    if (g->skipping)
        g->skipping = group_tx_is_in(r->durable, &g->tx);
    return g->skipping || r->frozen || (r->freeze && position_at_or_after(at, r->freeze));
}

/* May the whole transaction [i, end] join? Sets what it adds; first: it would be the first of all. */
static bool join(struct group_form *g, const struct group_rules *r, const struct cdc_batch *b,
                 const struct vrepl_routing *routing, size_t i, size_t end, bool first)
{
    const struct cdc_change *begin = &b->changes[i];
    bool outside = group_is_outside(g, r, begin, &g->end) || b->changes[end].kind == CDC_ROLLBACK;
    size_t more = 0;
    bool relevant = !outside && hits(r, b, routing, i, end, &more);
    const struct cdc_change *ddl =
        !outside || r->ddl_always ? our_ddl(b, routing, i, end, &g->ddl_route) : NULL;
    if ((ddl && !first) || (outside && g->relevant) || (relevant && g->outside))
        return false;
    g->outside = g->outside || outside;
    g->ddl = ddl;
    g->relevant = g->relevant || relevant;
    g->transactions += relevant;
    g->commit_us = begin->begin.commit_us;
    g->foreign = g->foreign || (!outside && routing->changes[end].foreign);
    g->bytes += more;
    return true;
}

bool group_is_full(const struct group_form *g)
{
    return g->transactions >= GROUP_TX_MAX || g->bytes >= GROUP_BYTES_MAX ||
           g->held_bytes >= GROUP_HELD_MAX || g->ddl;
}

size_t group_take(struct group_form *g, const struct group_rules *r, const struct cdc_batch *b,
                  const struct vrepl_routing *routing, size_t from)
{
    size_t i = from;
    uint64_t before = g->transactions;
    while (i < b->n_changes && !group_is_full(g)) {
        size_t end = i;
        if (b->changes[i].kind == CDC_BEGIN) {
            end = group_find_end(b, i);
            if (end == b->n_changes || !join(g, r, b, routing, i, end, i == from && !g->whole))
                break;
        }
        /* Before the durable position the end stands still: it is ahead of what is read. */
        if (b->changes[end].kind == CDC_HEARTBEAT)
            g->skipping = g->skipping && !reached(r->durable, &b->changes[end]);
        if (!g->skipping)
            cdc_position_advance(&g->end, &b->changes[end]);
        i = end + 1;
    }
    g->whole = g->whole || i > from;
    if (g->transactions > before)
        g->held_bytes += b->bytes;
    assert(i >= from && i <= b->n_changes);
    return i;
}
