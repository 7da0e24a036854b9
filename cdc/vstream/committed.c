/* cdc/vstream/committed.c — finds where transactions end, and spools those that a batch cuts. */
#include "cdc/vstream/committed.h"

#include "base/mem.h"
#include "cdc/log/spool.h"

#include <assert.h>
#include <stdlib.h>

struct committed {
    struct committed_options o;
    struct position pos;
    struct cdc_spool *spool;
    struct cdc_batch *batch; /* reference; NULL: used up */
    size_t at;               /* the first change of batch that was not taken */
    bool open;               /* a transaction has begun, and its end was not given */
    bool unspooling;         /* its end was seen: it is given from the spool */
    bool stopped;
    const struct cdc_change *end; /* of the part that was given last; NULL: it did not end */
};

struct committed *committed_new(const struct committed_options *o, const struct position *start)
{
    struct committed *c = mem_alloc(sizeof *c);
    uint64_t max_bytes = o->spill_max_bytes;
    c->o = *o;
    if (start)
        position_copy(&c->pos, start);
    if (!o->spill_dir && !max_bytes)
        max_bytes = UINT64_MAX;
    c->spool = cdc_spool_new(o->spill_dir, 0, max_bytes);
    return c;
}

void committed_free(struct committed *c)
{
    if (!c)
        return;
    cdc_spool_free(c->spool);
    cdc_batch_unref(c->batch);
    position_fini(&c->pos);
    free(c);
}

void committed_put(struct committed *c, struct cdc_batch *b)
{
    assert(!c->batch);
    c->batch = cdc_batch_ref(b);
    c->at = 0;
    if (position_is_empty(&c->pos))
        position_copy(&c->pos, &b->start);
}

const struct position *committed_position(const struct committed *c)
{
    return &c->pos;
}

void committed_stop(struct committed *c)
{
    c->stopped = true;
}

bool committed_is_open(const struct committed *c)
{
    return c->open;
}

/* ---- one transaction ---- */

static void end_transaction(struct committed *c, const struct cdc_change *end)
{
    cdc_position_advance(&c->pos, end);
    if (!cdc_spool_is_empty(c->spool))
        cdc_spool_clear(c->spool); /* also lets go of `end`, which may stand in it */
    c->open = c->unspooling = false;
    c->end = NULL;
}

static enum committed_next give(struct committed *c, const struct cdc_change *changes, size_t n,
                                bool ends, struct committed_part *part)
{
    *part = (struct committed_part){.changes = changes, .n = n, .ends = ends};
    c->end = ends ? &changes[n - 1] : NULL;
    return COMMITTED_PART;
}

/* Index of the COMMIT or ROLLBACK from `at` on; n_changes if it is not in this batch. */
static size_t find_end(const struct committed *c)
{
    const struct cdc_batch *b = c->batch;
    size_t i = c->at;
    while (i < b->n_changes && b->changes[i].kind != CDC_COMMIT &&
           b->changes[i].kind != CDC_ROLLBACK)
        i++;
    return i;
}

static enum committed_next give_spooled(struct committed *c, struct committed_part *part,
                                        struct err *e)
{
    const struct cdc_change *change = NULL;
    if (!cdc_spool_next(c->spool, &change, e))
        return COMMITTED_FAIL;
    assert(change); /* the COMMIT is the last one, and ends it */
    return give(c, change, 1, change->kind == CDC_COMMIT, part);
}

/* The open transaction's changes up to `next`; its end is the last of them where `whole`. */
static enum committed_next keep(struct committed *c, size_t next, bool whole,
                                struct committed_part *part, struct err *e)
{
    if (!cdc_spool_add(c->spool, c->batch, c->at, next - c->at, e))
        return COMMITTED_FAIL;
    c->at = next;
    c->open = true;
    if (!whole)
        return COMMITTED_MORE;
    cdc_spool_rewind(c->spool);
    c->unspooling = true;
    return give_spooled(c, part, e);
}

static enum committed_next take_transaction(struct committed *c, struct committed_part *part,
                                            struct err *e)
{
    const struct cdc_batch *b = c->batch;
    size_t from = c->at, end = find_end(c), next = end < b->n_changes ? end + 1 : end;
    bool whole = end < b->n_changes;
    bool rolled_back = whole && b->changes[end].kind == CDC_ROLLBACK;
    if (rolled_back && !c->o.at_once) {
        c->at = next;
        end_transaction(c, &b->changes[end]);
        return COMMITTED_MORE;
    }
    if (!c->o.at_once && !(whole && cdc_spool_is_empty(c->spool)))
        return keep(c, next, whole, part, e);
    c->at = next;
    c->open = true;
    return give(c, &b->changes[from], next - from, whole, part);
}

/* ---- the batch ---- */

static bool reached(struct committed *c)
{
    const struct position *until = c->o.until;
    if (c->open)
        return false;
    if (until && !position_is_empty(until) && position_at_or_after(&c->pos, until))
        c->stopped = true;
    return c->stopped;
}

static bool is_too_late(const struct committed *c, const struct cdc_change *first)
{
    return first->kind == CDC_BEGIN && c->o.until_time && first->timestamp >= c->o.until_time;
}

static enum committed_next refuse_gap(const struct cdc_change *c, struct err *e)
{
    err_set(e, ERR_LOG_UNSUPPORTED, "event of type %u: %s", c->gap.event_type,
            c->gap.why ? c->gap.why : "cannot be read");
    return COMMITTED_FAIL;
}

static enum committed_next take(struct committed *c, struct committed_part *part, struct err *e)
{
    const struct cdc_change *first = &c->batch->changes[c->at];
    if (c->open || first->kind == CDC_BEGIN)
        return take_transaction(c, part, e);
    if (first->kind == CDC_GAP)
        return refuse_gap(first, e);
    cdc_position_advance(&c->pos, first);
    c->at++;
    return COMMITTED_MORE;
}

void committed_taken(struct committed *c)
{
    if (c->end)
        end_transaction(c, c->end);
}

enum committed_next committed_next(struct committed *c, struct committed_part *part, struct err *e)
{
    enum committed_next next = COMMITTED_MORE;
    committed_taken(c);
    if (c->unspooling)
        return give_spooled(c, part, e);
    while (next == COMMITTED_MORE && c->batch && c->at < c->batch->n_changes) {
        if (!reached(c) && !c->open && is_too_late(c, &c->batch->changes[c->at]))
            c->stopped = true;
        if (reached(c))
            return COMMITTED_END;
        next = take(c, part, e);
    }
    if (next != COMMITTED_MORE)
        return next;
    cdc_batch_unref(c->batch);
    c->batch = NULL;
    return reached(c) ? COMMITTED_END : COMMITTED_MORE;
}
