/* cdc/log/decode_batch.c — the batch that is being filled, and the transaction that is open in the
 * log.
 *
 * Invariants:
 *   1. The decoder's position is that behind the last change added; a batch starts with a copy of
 * it.
 *   2. Changes between BEGIN and its end are those of one transaction; nothing else comes between.
 *   3. A batch passes its size only for one change that alone is larger.
 */
#include "base/mem.h"
#include "cdc/log/decode_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define PIECES_PER_BATCH 4 /* what it holds may be this much more than what it uses of it */

static size_t batch_size(const struct cdc_batch *b)
{
    return b->arena.used_bytes + b->n_changes * sizeof *b->changes + b->images_bytes;
}

static bool is_full(const struct cdc_decoder *d, const struct cdc_batch *b)
{
    return batch_size(b) >= d->o.batch_bytes ||
           b->pieces_bytes >= PIECES_PER_BATCH * d->o.batch_bytes;
}

bool decode_batch_full(const struct cdc_decoder *d)
{
    return d->n_ready > 0 || (d->open && is_full(d, d->open));
}

static struct cdc_batch *finish(struct cdc_decoder *d)
{
    struct cdc_batch *b = d->open;
    b->ends_in_tx = d->tx.open;
    b->bytes = cdc_batch_memory(b);
    b->serial = d->serial++;
    d->open = NULL;
    d->open_file = d->open_held = NULL;
    d->open_log = NULL;
    d->tx.begin_index = SIZE_MAX;
    d->tx.query = NULL;
    return b;
}

static void open_batch(struct cdc_decoder *d)
{
    struct cdc_batch *b = cdc_batch_new();
    position_copy(&b->start, &d->pos);
    b->starts_in_tx = d->tx.open;
    if (d->tx.open)
        b->open_gtid = d->tx.gtid;
    d->open = b;
}

struct cdc_batch *decode_batch(struct cdc_decoder *d, size_t need)
{
    struct cdc_batch *b = d->open;
    if (b && b->n_changes > 0 && batch_size(b) + need > d->o.batch_bytes) {
        mem_grow((void **)&d->ready, &d->cap_ready, d->n_ready + 1, sizeof *d->ready);
        d->ready[d->n_ready++] = finish(d);
    }
    if (!d->open)
        open_batch(d);
    return d->open;
}

struct cdc_batch *decode_batch_pop(struct cdc_decoder *d, bool flush)
{
    if (d->n_ready > 0) {
        struct cdc_batch *b = d->ready[0];
        d->n_ready--;
        memmove(d->ready, d->ready + 1, d->n_ready * sizeof *d->ready);
        return b;
    }
    if (!d->open || d->open->n_changes == 0 || (!flush && !decode_batch_full(d)))
        return NULL;
    return finish(d);
}

void decode_set_file(struct cdc_decoder *d, struct cdc_change *c)
{
    if (!d->open_file && d->file[0])
        d->open_file = arena_strndup(&d->open->arena, d->file, sizeof d->file - 1);
    if (!d->open_log && d->log.server[0]) {
        struct log_id *log = arena_alloc(&d->open->arena, sizeof *log);
        *log = d->log;
        d->open_log = log;
    }
    c->file = d->open_file;
    c->log = d->open_log;
}

/* Its log is not that of the file before: it has still to be read when it was begun. */
void decode_enter_file(struct cdc_decoder *d, const char *file)
{
    if (file != d->file)
        snprintf(d->file, sizeof d->file, "%s", file);
    d->log.begun = 0;
    d->open_file = NULL;
    d->open_log = NULL;
}

struct cdc_change *decode_add(struct cdc_decoder *d, enum cdc_change_kind kind,
                              const struct event *ev)
{
    struct cdc_batch *b = decode_batch(d, sizeof(struct cdc_change));
    struct cdc_change *c = cdc_batch_add(b, kind);
    c->server_id = ev->server_id;
    c->timestamp = ev->timestamp;
    c->log_pos = ev->start_pos;
    decode_set_file(d, c);
    return c;
}

void decode_begin(struct cdc_decoder *d, const struct event *ev)
{
    struct transaction *tx = &d->tx;
    assert(!tx->open);
    if (!tx->announced) {
        tx->gtid = (struct gtid){0};
        tx->commit_us = tx->original_commit_us = 0;
        tx->start_pos = ev->start_pos;
        tx->timestamp = ev->timestamp;
        tx->server_id = ev->server_id;
        tx->standalone = tx->undecided = false;
    }
    struct cdc_change *c = decode_add(d, CDC_BEGIN, ev);
    c->log_pos = tx->start_pos;
    c->timestamp = tx->timestamp;
    c->server_id = tx->server_id;
    c->begin.gtid = tx->gtid;
    c->begin.commit_us = tx->commit_us;
    c->begin.original_commit_us = tx->original_commit_us;
    c->begin.thread_known = tx->thread_known;
    c->begin.thread_id = tx->thread_id;
    tx->begin_index = d->open->n_changes - 1;
    tx->open = true;
    tx->announced = tx->implicit = false;
    tx->seq = 0;
    tx->query = NULL;
    tx->n_savepoints = 0;
    d->stats.transactions++;
}

void decode_end(struct cdc_decoder *d, const struct event *ev, enum cdc_change_kind kind, bool xid)
{
    assert(d->tx.open && (kind == CDC_COMMIT || kind == CDC_ROLLBACK));
    struct cdc_change *c = decode_add(d, kind, ev);
    c->end.gtid = d->tx.gtid;
    c->end.commit_us = d->tx.commit_us;
    c->end.xid = xid;
    c->end.next_pos = c->log_pos = ev->end_pos;
    d->tx.open = false;
    d->tx.query = NULL;
    d->tx.begin_index = SIZE_MAX;
    d->tx.thread_known = false;
    d->resume_seq = 0;
    cdc_position_advance(&d->pos, c);
    table_cache_trim(&d->tables);
}

void decode_cut_off(struct cdc_decoder *d, const struct event *ev)
{
    xa_cut_off(d);
    hold_drop(d);
    if (d->tx.open) {
        struct event at = *ev;
        at.end_pos = ev->start_pos;
        d->tx.gtid = (struct gtid){0}; /* never executed there, so not part of any set */
        decode_end(d, &at, CDC_ROLLBACK, false);
        d->open->changes[d->open->n_changes - 1].end.cut_off = true;
    }
    d->tx.announced = false;
}

void decode_heartbeat(struct cdc_decoder *d, const struct event *ev, const char *file, uint64_t pos)
{
    if (d->tx.open || d->tx.announced)
        return;
    if (strcmp(file, d->file) != 0)
        decode_enter_file(d, file);
    struct cdc_change *c = decode_add(d, CDC_HEARTBEAT, ev);
    c->log_pos = pos;
    cdc_position_advance(&d->pos, c);
}

void decode_set_query(struct cdc_decoder *d, const void *text, size_t n)
{
    if (!d->o.want_query)
        return;
    struct cdc_batch *b = decode_batch(d, n + 1);
    char *copy = arena_alloc(&b->arena, n + 1);
    memcpy(copy, text, n);
    copy[n] = 0;
    d->tx.query = copy;
    if (d->tx.open && d->tx.begin_index != SIZE_MAX && !b->changes[d->tx.begin_index].begin.query)
        b->changes[d->tx.begin_index].begin.query = copy;
}
