/* base/piece.c — refcounted memory and a pool of the usual size: fresh memory costs as many page
 * faults as a copy of what goes into it.
 *
 * Invariant: the pool's pieces have no reference and PIECE_BYTES.
 */
#include "base/piece.h"

#include "base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#define POOL_MAX 32

static struct {
    pthread_mutex_t lock;
    struct piece *pieces[POOL_MAX];
    size_t n;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct piece *pool_get(void)
{
    pthread_mutex_lock(&pool.lock);
    struct piece *p = pool.n ? pool.pieces[--pool.n] : NULL;
    pthread_mutex_unlock(&pool.lock);
    return p;
}

static bool pool_put(struct piece *p)
{
    pthread_mutex_lock(&pool.lock);
    bool kept = p->cap == PIECE_BYTES && pool.n < POOL_MAX;
    if (kept)
        pool.pieces[pool.n++] = p;
    pthread_mutex_unlock(&pool.lock);
    return kept;
}

struct piece *piece_new(size_t cap)
{
    struct piece *p = cap == PIECE_BYTES ? pool_get() : NULL;
    if (!p) {
        p = mem_realloc(NULL, sizeof *p + cap, 1);
        p->cap = cap;
    }
    p->refs = 1;
    return p;
}

struct piece *piece_ref(struct piece *p)
{
    int before = __atomic_fetch_add(&p->refs, 1, __ATOMIC_RELAXED);
    assert(before > 0);
    (void)before;
    return p;
}

void piece_unref(struct piece *p)
{
    if (!p || __atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    if (!pool_put(p))
        free(p);
}

bool piece_is_shared(const struct piece *p)
{
    return __atomic_load_n(&p->refs, __ATOMIC_ACQUIRE) > 1;
}

struct piece *piece_grow(struct piece *p, size_t cap)
{
    assert(!piece_is_shared(p) && cap >= p->cap);
    p = mem_realloc(p, sizeof *p + cap, 1);
    p->cap = cap;
    return p;
}
