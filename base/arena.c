/* base/arena.c — bump allocation: blocks of 64 KiB and growing, larger wishes get their own. */
#include "base/arena.h"

#include "base/mem.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_MIN ((size_t)64 * 1024)
#define BLOCK_MAX ((size_t)1024 * 1024)

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    _Alignas(16) unsigned char bytes[];
};

void arena_init(struct arena *a)
{
    *a = (struct arena){0};
}

void arena_fini(struct arena *a)
{
    for (struct arena_block *b = a->head, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    *a = (struct arena){0};
}

static struct arena_block *add_block(struct arena *a, size_t n)
{
    size_t size = a->total_bytes < BLOCK_MIN ? BLOCK_MIN : a->total_bytes;
    size = size > BLOCK_MAX ? BLOCK_MAX : size;
    size = size < n ? n : size;
    struct arena_block *b = mem_realloc(NULL, sizeof *b + size, 1);
    b->used = 0;
    b->size = size;
    b->next = a->head;
    a->head = b;
    a->total_bytes += size;
    return b;
}

/* Several blocks become one of their size, so that the next user needs no other. */
void arena_reset(struct arena *a)
{
    size_t total = a->total_bytes;
    struct arena_block *keep = a->head;
    if (!keep)
        return;
    if (keep->next) {
        arena_fini(a);
        keep = add_block(a, total < BLOCK_MAX ? total : BLOCK_MAX);
    }
    keep->used = 0;
    a->used_bytes = 0;
}

void *arena_alloc(struct arena *a, size_t n)
{
    if (n > SIZE_MAX - 4096)
        abort();
    size_t rounded = (n + 15) & ~(size_t)15;
    struct arena_block *b = a->head;
    if (!b || b->size - b->used < rounded)
        b = add_block(a, rounded);
    void *p = b->bytes + b->used;
    b->used += rounded;
    a->used_bytes += rounded;
    assert(b->used <= b->size);
    return p;
}

void *arena_copy(struct arena *a, const void *p, size_t n)
{
    void *out = arena_alloc(a, n);
    if (n)
        memcpy(out, p, n);
    return out;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    n = strnlen(s, n);
    char *out = arena_alloc(a, n + 1);
    memcpy(out, s, n);
    out[n] = 0;
    return out;
}
