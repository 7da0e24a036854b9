/* cdc/log/batch.c — batches of changes: building, atomic references, and moving a position over a
 * change.
 *
 * Emptied batches wait in a small pool with their memory, because fresh memory costs as many page
 * faults as decoding what goes into it. The pool keeps at most POOL_MAX batches and POOL_BYTES of
 * memory, in batches of at most POOL_BATCH_BYTES (those of an initial copy are larger than a
 * log's).
 */
#include "base/mem.h"
#include "cdc/log/change.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POOL_MAX         32
#define POOL_BYTES       ((size_t)16 << 20)
#define POOL_BATCH_BYTES ((size_t)4 << 20)
#define HOLD_LOOK_BACK   16 /* a table may be held twice; searching all would cost more */

static struct {
    pthread_mutex_t lock;
    struct cdc_batch *batches[POOL_MAX];
    size_t n, bytes;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

size_t cdc_batch_memory(const struct cdc_batch *b)
{
    return sizeof *b + b->arena.total_bytes + b->cap_changes * sizeof *b->changes + b->pieces_bytes;
}

static struct cdc_batch *pool_get(void)
{
    pthread_mutex_lock(&pool.lock);
    struct cdc_batch *b = pool.n ? pool.batches[--pool.n] : NULL;
    pool.bytes -= b ? cdc_batch_memory(b) : 0;
    pthread_mutex_unlock(&pool.lock);
    return b;
}

static bool pool_put(struct cdc_batch *b)
{
    pthread_mutex_lock(&pool.lock);
    size_t bytes = cdc_batch_memory(b);
    bool kept = pool.n < POOL_MAX && bytes <= POOL_BATCH_BYTES && pool.bytes + bytes <= POOL_BYTES;
    if (kept) {
        pool.batches[pool.n++] = b;
        pool.bytes += bytes;
    }
    pthread_mutex_unlock(&pool.lock);
    return kept;
}

struct cdc_batch *cdc_batch_new(void)
{
    struct cdc_batch *b = pool_get();
    if (!b) {
        b = mem_alloc(sizeof *b);
        arena_init(&b->arena);
    }
    assert(b->refs == 0 && b->n_changes == 0 && b->n_tables == 0 && b->n_pieces == 0);
    b->refs = 1;
    return b;
}

struct cdc_batch *cdc_batch_ref(struct cdc_batch *b)
{
    int before = __atomic_fetch_add(&b->refs, 1, __ATOMIC_RELAXED);
    assert(before > 0);
    (void)before;
    return b;
}

/* Memory for the next user stays: the arena (cut to one block) and the vectors. */
static void batch_empty(struct cdc_batch *b)
{
    struct cdc_batch next = {0};
    for (size_t i = 0; i < b->n_tables; i++)
        schema_table_unref(b->tables[i]);
    for (size_t i = 0; i < b->n_pieces; i++)
        piece_unref(b->pieces[i]);
    position_fini(&b->start);
    arena_reset(&b->arena);
    next.arena = b->arena;
    next.changes = b->changes;
    next.cap_changes = b->cap_changes;
    next.tables = b->tables;
    next.cap_tables = b->cap_tables;
    next.pieces = b->pieces;
    next.cap_pieces = b->cap_pieces;
    *b = next;
}

void cdc_batch_unref(struct cdc_batch *b)
{
    if (!b || __atomic_sub_fetch(&b->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    assert(b->refs == 0);
    batch_empty(b);
    if (pool_put(b))
        return;
    arena_fini(&b->arena);
    free(b->changes);
    free(b->tables);
    free(b->pieces);
    free(b);
}

struct cdc_change *cdc_batch_add(struct cdc_batch *b, enum cdc_change_kind kind)
{
    assert(b->refs == 1);
    mem_grow((void **)&b->changes, &b->cap_changes, b->n_changes + 1, sizeof *b->changes);
    struct cdc_change *c = &b->changes[b->n_changes++];
    memset(c, 0, sizeof *c);
    c->kind = kind;
    return c;
}

void cdc_batch_hold_table(struct cdc_batch *b, const struct schema_table *t)
{
    size_t looked_at = b->n_tables < HOLD_LOOK_BACK ? b->n_tables : HOLD_LOOK_BACK;
    for (size_t i = 0; i < looked_at; i++) {
        if (b->tables[b->n_tables - 1 - i] == t)
            return;
    }
    mem_grow((void **)&b->tables, &b->cap_tables, b->n_tables + 1, sizeof *b->tables);
    b->tables[b->n_tables++] = schema_table_ref(t);
}

/* Events come piece by piece, so that only the last can be the same. */
bool cdc_batch_holds_piece(const struct cdc_batch *b, const struct piece *p)
{
    return b->n_pieces && b->pieces[b->n_pieces - 1] == p;
}

void cdc_batch_hold_piece(struct cdc_batch *b, struct piece *p, size_t n)
{
    b->images_bytes += n;
    if (cdc_batch_holds_piece(b, p))
        return;
    mem_grow((void **)&b->pieces, &b->cap_pieces, b->n_pieces + 1, sizeof(struct piece *));
    b->pieces[b->n_pieces++] = piece_ref(p);
    b->pieces_bytes += p->cap;
}

static void set_file_pos(struct position *pos, const struct cdc_change *c, uint64_t at)
{
    if (!c->file)
        return;
    if (strcmp(pos->file, c->file) != 0)
        snprintf(pos->file, sizeof pos->file, "%s", c->file);
    pos->pos = at;
    pos->log = c->log ? *c->log : (struct log_id){.server = ""};
}

/* Files of two kinds of servers read one after the other: no set names both, the place in the file
 * stays. */
static void add_gtid(struct position *pos, const struct gtid *g)
{
    if (!pos->gtids || g->flavor == GTID_FLAVOR_NONE)
        return;
    if (gtid_set_flavor(pos->gtids) == g->flavor) {
        gtid_set_add(pos->gtids, g);
        return;
    }
    gtid_set_free(pos->gtids);
    pos->gtids = NULL;
}

void cdc_position_advance(struct position *pos, const struct cdc_change *c)
{
    switch (c->kind) {
    case CDC_COMMIT:
    case CDC_ROLLBACK:
        add_gtid(pos, &c->end.gtid);
        set_file_pos(pos, c, c->end.next_pos);
        pos->seq = 0;
        return;
    case CDC_ROWS:
        pos->seq = (uint64_t)c->rows.first_seq + c->rows.n_rows;
        return;
    case CDC_HEARTBEAT:
        if (pos->seq == 0)
            set_file_pos(pos, c, c->log_pos);
        return;
    case CDC_BEGIN:
    case CDC_DDL:
    case CDC_JOURNAL:
    case CDC_COPY_ROWS:
    case CDC_GAP:
        return;
    }
}
