/* cdc/vstream/committed.c — finds where transactions end, and spools those that a batch cuts. */
#include "cdc/vstream/committed.h"

#include "base/mem.h"
#include "cdc/log/spool.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* What was seen of a transaction that does not lie in one batch, or that is lost. */
struct seen {
    struct cdc_change begin; /* with texts of its own: a part's changes do not stay */
    char file[POSITION_FILE_MAX];
    struct log_id log;
    struct buf query;
    uint64_t rows;
};

struct committed {
    struct committed_options o;
    struct position pos;
    struct cdc_spool *spool;
    struct cdc_batch *batch; /* reference; NULL: used up */
    size_t at;               /* the first change of batch that was not taken */
    bool open;               /* a transaction has begun, and its end was not given */
    bool unspooling;         /* its end was seen: it is given from the spool */
    bool stopped;
    bool moved;    /* pos is not compared with `until` yet */
    bool has_seen; /* seen is about the open transaction */
    struct seen seen;
    const struct cdc_change *end; /* of the part that was given last; NULL: it did not end */
};

static void move_to(struct committed *c, const struct position *at)
{
    position_copy(&c->pos, at);
    c->moved = true;
}

static void move_behind(struct committed *c, const struct cdc_change *change)
{
    cdc_position_advance(&c->pos, change);
    c->moved = true;
}

struct committed *committed_new(const struct committed_options *o, const struct position *start)
{
    struct committed *c = mem_alloc(sizeof *c);
    uint64_t max_bytes = o->spill_max_bytes;
    c->o = *o;
    if (start)
        move_to(c, start);
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
    buf_fini(&c->seen.query);
    free(c);
}

void committed_put(struct committed *c, struct cdc_batch *b)
{
    assert(!c->batch);
    c->batch = cdc_batch_ref(b);
    c->at = 0;
    if (!c->o.log && position_is_empty(&c->pos))
        move_to(c, &b->start);
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
    return c->open && !c->unspooling && !c->end;
}

struct committed_lost committed_lost(const struct committed *c)
{
    return (struct committed_lost){
        .file = c->seen.file, .pos = c->seen.begin.log_pos, .rows = c->seen.rows};
}

/* ---- what was seen of a transaction ---- */

static void see_begin(struct seen *s, const struct cdc_change *begin)
{
    s->begin = *begin;
    s->rows = 0;
    snprintf(s->file, sizeof s->file, "%s", begin->file ? begin->file : "");
    if (begin->file)
        s->begin.file = s->file;
    if (begin->log) {
        s->log = *begin->log;
        s->begin.log = &s->log;
    }
    buf_reset(&s->query);
    if (begin->begin.query) {
        buf_put_str(&s->query, begin->begin.query);
        s->begin.begin.query = buf_str(&s->query);
    }
}

/* Changes from … to − 1 of the batch. */
static void see(struct committed *c, size_t from, size_t to)
{
    c->has_seen = true;
    for (size_t i = from; i < to; i++) {
        const struct cdc_change *change = &c->batch->changes[i];
        if (change->kind == CDC_BEGIN)
            see_begin(&c->seen, change);
        else if (change->kind == CDC_ROWS)
            c->seen.rows += change->rows.n_rows;
    }
}

/* ---- one transaction ---- */

static void end_transaction(struct committed *c, const struct cdc_change *end)
{
    if (!c->o.log)
        move_behind(c, end);
    if (!cdc_spool_is_empty(c->spool))
        cdc_spool_clear(c->spool); /* also lets go of `end`, which may stand in it */
    c->open = c->unspooling = c->has_seen = false;
    c->end = NULL;
}

/* What the batch has of a transaction, from its next change on. */
struct extent {
    size_t from, to;
    bool alone;             /* it is the whole transaction */
    bool ends, is_left_out; /* the last change ends it; it is no COMMIT */
};

static struct extent find_extent(const struct committed *c)
{
    const struct cdc_batch *b = c->batch;
    size_t i = c->at;
    while (i < b->n_changes && b->changes[i].kind != CDC_COMMIT &&
           b->changes[i].kind != CDC_ROLLBACK)
        i++;
    bool ends = i < b->n_changes;
    return (struct extent){.from = c->at,
                           .to = ends ? i + 1 : i,
                           .alone = ends && !c->open,
                           .ends = ends,
                           .is_left_out = ends && b->changes[i].kind == CDC_ROLLBACK};
}

static enum committed_next give(struct committed *c, const struct cdc_change *changes, size_t n,
                                bool ends, struct committed_part *part)
{
    *part = (struct committed_part){.changes = changes, .n = n, .ends = ends};
    if (c->has_seen)
        part->begin = &c->seen.begin;
    else if (changes->kind == CDC_BEGIN)
        part->begin = changes;
    c->end = ends ? &changes[n - 1] : NULL;
    return COMMITTED_PART;
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

static enum committed_next leave_out(struct committed *c, const struct extent *s,
                                     struct committed_part *part)
{
    const struct cdc_change *end = &c->batch->changes[s->to - 1];
    c->at = s->to;
    if (c->o.log) {
        see(c, s->from, s->to);
        c->open = true;
        return give(c, end, 1, true, part);
    }
    end_transaction(c, end);
    return COMMITTED_MORE;
}

static enum committed_next keep(struct committed *c, const struct extent *s,
                                struct committed_part *part, struct err *e)
{
    if (!cdc_spool_add(c->spool, c->batch, s->from, s->to - s->from, e))
        return COMMITTED_FAIL;
    see(c, s->from, s->to);
    c->at = s->to;
    c->open = true;
    if (!s->ends)
        return COMMITTED_MORE;
    cdc_spool_rewind(c->spool);
    c->unspooling = true;
    return give_spooled(c, part, e);
}

static enum committed_next take_transaction(struct committed *c, struct committed_part *part,
                                            struct err *e)
{
    const struct extent s = find_extent(c);
    if (s.is_left_out && !c->o.at_once)
        return leave_out(c, &s, part);
    if (!s.alone && !c->o.at_once)
        return keep(c, &s, part, e);
    if (!s.alone || s.is_left_out)
        see(c, s.from, s.to);
    c->at = s.to;
    c->open = true;
    return give(c, &c->batch->changes[s.from], s.to - s.from, s.ends, part);
}

/* ---- the batch ---- */

static bool reached(struct committed *c)
{
    const struct position *until = c->o.until;
    if (c->open)
        return false;
    if (c->moved && until && !position_is_empty(until) && position_at_or_after(&c->pos, until))
        c->stopped = true;
    c->moved = false;
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
    if (c->o.log)
        return give(c, &c->batch->changes[c->at++], 1, false, part);
    if (first->kind == CDC_GAP)
        return refuse_gap(first, e);
    move_behind(c, first);
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
