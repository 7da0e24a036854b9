/* cdc/reader_ring.c — the tail's ring of recent batches, and points to resume from.
 *
 * Batches are found by file:pos (entries are in the order of the log, so by bisection) and accepted
 * only if the GTID sets agree too, because two servers may use the same file names.
 */
#include "base/mem.h"
#include "cdc/reader_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void resume_point_fini(struct resume_point *m)
{
    position_fini(&m->pos);
}

void resume_point_copy(struct resume_point *dst, const struct resume_point *src)
{
    if (dst == src)
        return;
    position_copy(&dst->pos, &src->pos);
    dst->in_tx = src->in_tx;
    dst->open_gtid = src->open_gtid;
    dst->others = src->others;
}

void resume_point_advance(struct resume_point *m, const struct cdc_change *c)
{
    switch (c->kind) {
    case CDC_BEGIN:
        m->in_tx = true;
        m->open_gtid = c->begin.gtid;
        m->others = 0;
        break;
    case CDC_COMMIT:
    case CDC_ROLLBACK:
        m->in_tx = false;
        m->others = 0;
        break;
    case CDC_DDL:
    case CDC_JOURNAL:
    case CDC_GAP:
        if (m->in_tx)
            m->others++;
        break;
    case CDC_ROWS:
    case CDC_HEARTBEAT:
    case CDC_COPY_ROWS:
        break;
    }
    cdc_position_advance(&m->pos, c);
}

static struct ring_entry *entry(const struct reader_ring *r, size_t i)
{
    assert(i < r->n);
    return &r->entries[(r->first + i) & (r->cap - 1)];
}

static void ring_grow(struct reader_ring *r)
{
    size_t cap = r->cap ? r->cap * 2 : 64;
    struct ring_entry *entries = mem_calloc(cap, sizeof *entries);
    for (size_t i = 0; i < r->n; i++)
        entries[i] = *entry(r, i);
    free(r->entries);
    r->entries = entries;
    r->cap = cap;
    r->first = 0;
}

void reader_ring_push(struct reader_ring *r, struct cdc_batch *b, bool joinable)
{
    if (r->n == r->cap)
        ring_grow(r);
    size_t bytes = cdc_batch_memory(b);
    b->serial = reader_ring_end(r);
    r->n++;
    *entry(r, r->n - 1) =
        (struct ring_entry){.batch = b, .offset = r->offset, .bytes = bytes, .joinable = joinable};
    r->offset += bytes;
    r->bytes += bytes;
}

void reader_ring_drop_first(struct reader_ring *r)
{
    struct ring_entry *e = entry(r, 0);
    assert(r->bytes >= e->bytes);
    r->bytes -= e->bytes;
    cdc_batch_unref(e->batch);
    r->first = (r->first + 1) & (r->cap - 1);
    r->first_serial++;
    r->n--;
}

void reader_ring_clear(struct reader_ring *r)
{
    while (r->n)
        reader_ring_drop_first(r);
    assert(r->bytes == 0);
}

struct ring_entry *reader_ring_at(const struct reader_ring *r, uint64_t serial)
{
    assert(serial >= r->first_serial);
    return entry(r, (size_t)(serial - r->first_serial));
}

uint64_t reader_ring_end(const struct reader_ring *r)
{
    return r->first_serial + r->n;
}

static int place_compare(const struct position *a, const struct position *b)
{
    int c = strcmp(a->file, b->file) == 0 ? 0 : position_file_compare(a->file, b->file);
    return c ? c : (a->pos > b->pos) - (a->pos < b->pos);
}

static bool same_place(const struct position *a, const struct position *b)
{
    if (a->seq || b->seq || place_compare(a, b) != 0)
        return false;
    if (!a->gtids || !b->gtids)
        return a->gtids == b->gtids;
    return gtid_set_equal(a->gtids, b->gtids);
}

bool reader_ring_find(const struct reader_ring *r, const struct position *pos, uint64_t *serial)
{
    size_t low = 0, high = r->n;
    if (pos->seq || !pos->file[0])
        return false;
    while (low < high) { /* the first entry that begins at or after pos */
        size_t middle = low + (high - low) / 2;
        if (place_compare(&entry(r, middle)->batch->start, pos) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < r->n && place_compare(&entry(r, low)->batch->start, pos) == 0; low++) {
        if (entry(r, low)->joinable && same_place(&entry(r, low)->batch->start, pos)) {
            *serial = r->first_serial + low;
            return true;
        }
    }
    return false;
}
