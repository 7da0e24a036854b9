/* cdc/log/decode_hold.c — raw events whose fate the log tells later: held, cut back, or run through
 * the decoder again.
 *
 * Held are the table maps, rows and their texts of
 *   - an XA transaction, between its START and PREPARE, and on until its COMMIT (decode_xa.c);
 *   - any transaction behind its first SAVEPOINT: a ROLLBACK TO may take them back. Servers log
 * that one only where a table without transactions was changed too, but nobody can know it before.
 * Invariants:
 *   1. Of a held_log the spill's bytes come first, then memory; an event, with the place where it
 * lies in the log before it, is whole in one of them.
 *   2. d->holding is not NULL while such events have to be held; then none of them is dispatched.
 *   3. While d->replay.log is not NULL the transaction is open, no event is fed, and every take
 * goes on with the replay until a batch is full; its end follows the last held event. So memory is
 * bounded by MEMORY_BYTES a held log, one batch and the largest event, and the numbers of rows
 * (seq) count what is published alone: the same each time the log is read.
 */
#include "base/mem.h"
#include "base/spill.h"
#include "cdc/log/decode_internal.h"
#include "schemas/ident.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define MEMORY_BYTES ((size_t)4 * 1024 * 1024)
#define READ_BYTES   ((size_t)256 * 1024)
#define DEFAULT_MAX  ((uint64_t)20 << 30)

/* Before each event: where it begins, and whether it was packed (the last bit). */
#define PLACE_BYTES 8u

struct held_log {
    char file[POSITION_FILE_MAX]; /* that all of it lies in: no transaction spans two */
    uint64_t pos;                 /* where the transaction begins */
    struct buf memory;
    struct spill *spill; /* NULL: none yet */
    uint64_t at;         /* of the walk */
    struct buf window;   /* of the spill's bytes, from window_at on */
    uint64_t window_at;
};

struct held_log *held_new(const struct cdc_decoder *d)
{
    struct held_log *h = mem_alloc(sizeof *h);
    memcpy(h->file, d->file, sizeof h->file);
    h->pos = cdc_decoder_place(d).pos;
    return h;
}

const char *held_place(const struct held_log *h, uint64_t *pos)
{
    *pos = h->pos;
    return h->file;
}

void held_free(void *p)
{
    struct held_log *h = p;
    if (!h)
        return;
    buf_fini(&h->memory);
    buf_fini(&h->window);
    spill_close(h->spill);
    free(h);
}

static uint64_t spilled(const struct held_log *h)
{
    return h->spill ? spill_len(h->spill) : 0;
}

static uint64_t held_bytes(const struct held_log *h)
{
    return spilled(h) + h->memory.len;
}

static bool is_held_type(uint8_t type)
{
    bool rows = (type >= EV_WRITE_ROWS_V1 && type <= EV_DELETE_ROWS_V1) ||
                (type >= EV_WRITE_ROWS && type <= EV_DELETE_ROWS) ||
                type == EV_PARTIAL_UPDATE_ROWS ||
                (type >= EV_WRITE_ROWS_COMPRESSED_V1 && type <= EV_PARTIAL_ROW_DATA);
    return rows || type == EV_TABLE_MAP || type == EV_ROWS_QUERY || type == EV_ANNOTATE_ROWS;
}

static bool to_disk(const struct cdc_decoder *d, struct held_log *h, struct err *e)
{
    CLEANUP(mem_free_ptr) char *temporary = d->o.spill_dir ? NULL : spill_temporary_dir();
    CLEANUP(mem_free_ptr)
    char *dir = mem_printf("%s/spill", temporary ? temporary : d->o.spill_dir);
    if (!h->spill)
        h->spill = spill_open(dir, e);
    if (!h->spill || !spill_append(h->spill, h->memory.data, h->memory.len, e))
        return false;
    buf_reset(&h->memory);
    return true;
}

/* Header and body as they came, the header's length mended for the checksum that is cut off. */
static bool hold(const struct cdc_decoder *d, struct held_log *h, const struct event *ev,
                 struct err *e)
{
    size_t n = EVENT_HEADER_LEN + ev->n;
    uint64_t max = d->o.held_max_bytes ? d->o.held_max_bytes : DEFAULT_MAX;
    if (held_bytes(h) + PLACE_BYTES + n > max) {
        err_set(e, ERR_LIMIT,
                "a transaction that is held until its end is known is over %llu bytes",
                (unsigned long long)max);
        return err_cure(e, "raise limits.spill_max and make room for it");
    }
    if (h->memory.len > 0 && h->memory.len + PLACE_BYTES + n > MEMORY_BYTES && !to_disk(d, h, e))
        return false;
    uint32_t length = (uint32_t)n;
    buf_put_le(&h->memory, ev->start_pos << 1 | ev->packed, PLACE_BYTES);
    buf_put(&h->memory, ev->raw, n);
    memcpy(h->memory.data + h->memory.len - n + 9, &length, sizeof length);
    return true;
}

static void cut(struct held_log *h, uint64_t bytes)
{
    assert(bytes <= held_bytes(h));
    if (bytes >= spilled(h)) {
        h->memory.len = (size_t)(bytes - spilled(h));
        return;
    }
    spill_cut(h->spill, bytes);
    buf_reset(&h->memory);
}

/* ---- walking ---- */

/* n bytes at h->at, in *p until the next call. */
static bool look(struct held_log *h, size_t n, const uint8_t **p, struct err *e)
{
    uint64_t on_disk = spilled(h);
    if (h->at >= on_disk) {
        *p = h->memory.data + (h->at - on_disk);
        return true;
    }
    if (h->at < h->window_at || h->at + n > h->window_at + h->window.len) {
        uint64_t left = on_disk - h->at;
        size_t want = n > READ_BYTES ? n : READ_BYTES;
        want = want > left ? (size_t)left : want;
        buf_reset(&h->window);
        uint8_t *to = buf_reserve(&h->window, want);
        if (!to)
            return err_set(e, ERR_LIMIT, "a held event of %zu bytes", n);
        if (!spill_read(h->spill, h->at, to, want, e))
            return false;
        h->window.len = want;
        h->window_at = h->at;
    }
    *p = h->window.data + (h->at - h->window_at);
    return true;
}

/* The next event; *raw NULL behind the last. */
static bool next(struct held_log *h, uint64_t *place, const uint8_t **raw, size_t *n, struct err *e)
{
    const uint8_t *p;
    *raw = NULL;
    if (h->at == held_bytes(h))
        return true;
    if (!look(h, PLACE_BYTES + EVENT_HEADER_LEN, &p, e))
        return false;
    *place = wire_u64(p);
    *n = event_header_read(p + PLACE_BYTES).length;
    assert(*n >= EVENT_HEADER_LEN && h->at + PLACE_BYTES + *n <= held_bytes(h));
    if (!look(h, PLACE_BYTES + *n, &p, e))
        return false;
    *raw = p + PLACE_BYTES;
    h->at += PLACE_BYTES + *n;
    return true;
}

/* ---- what the decoder does with them ---- */

bool hold_event(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    if (!is_held_type(ev->type))
        return decode_dispatch(d, ev, e);
    return hold(d, d->holding, ev, e);
}

void hold_drop(struct cdc_decoder *d)
{
    held_free(d->holding);
    d->holding = NULL;
    d->tx.n_savepoints = 0;
}

void hold_replay(struct cdc_decoder *d, const struct event *ev, struct held_log *h, bool xid)
{
    assert(d->tx.open && !d->replay.log);
    d->replay = (struct replay){.log = h, .end = *ev, .xid = xid};
    d->open_held = NULL;
    h->at = 0;
}

static bool replay_next(struct cdc_decoder *d, struct err *e)
{
    struct replay *r = &d->replay;
    const uint8_t *raw = NULL;
    uint64_t place = 0;
    size_t n = 0;
    if (!next(r->log, &place, &raw, &n, e))
        return false;
    if (!raw) {
        held_free(r->log);
        r->log = NULL;
        decode_end(d, &r->end, CDC_COMMIT, r->xid);
        return true;
    }
    struct event ev = event_of(raw, n);
    ev.inner = true;
    ev.packed = place & 1;
    ev.held_file = r->log->file;
    ev.held_pos = place >> 1;
    ev.start_pos = r->end.start_pos;
    ev.end_pos = r->end.end_pos;
    return decode_dispatch(d, &ev, e) || err_prepend(e, "held %s", cdc_event_type_name(ev.type));
}

bool replay_continue(struct cdc_decoder *d, struct err *e)
{
    uint64_t pos = d->replay.end.start_pos;
    bool ok = true;
    do {
        ok = replay_next(d, e);
    } while (ok && d->replay.log && !decode_batch_full(d));
    return ok || err_prepend(e, "%s:%llu", d->file[0] ? d->file : "log", (unsigned long long)pos);
}

void replay_fini(struct cdc_decoder *d)
{
    held_free(d->replay.log);
    d->replay.log = NULL;
}

void decode_commit(struct cdc_decoder *d, const struct event *ev, bool xid)
{
    struct held_log *h = d->holding;
    d->holding = NULL;
    if (h)
        hold_replay(d, ev, h, xid);
    else
        decode_end(d, ev, CDC_COMMIT, xid);
}

/* ---- savepoints ---- */

void decode_savepoint(struct cdc_decoder *d, const char *name)
{
    struct transaction *tx = &d->tx;
    if (!d->holding) {
        if (!tx->open || tx->implicit)
            return;
        d->holding = held_new(d);
        tx->n_savepoints = 0;
    }
    mem_grow((void **)&tx->savepoints, &tx->cap_savepoints, tx->n_savepoints + 1,
             sizeof *tx->savepoints);
    struct savepoint *s = &tx->savepoints[tx->n_savepoints++];
    snprintf(s->name, sizeof s->name, "%s", name);
    s->held_bytes = held_bytes(d->holding);
}

bool decode_rollback_to(struct cdc_decoder *d, const char *name, struct err *e)
{
    struct transaction *tx = &d->tx;
    for (size_t i = d->holding ? tx->n_savepoints : 0; i > 0; i--) {
        const struct savepoint *s = &tx->savepoints[i - 1];
        if (!ident_same(d->names, s->name, name))
            continue;
        tx->n_savepoints = i;
        cut(d->holding, s->held_bytes);
        return true;
    }
    return err_set(e, ERR_LOG_UNSUPPORTED,
                   "ROLLBACK TO SAVEPOINT %s, which the transaction did not set", name);
}
