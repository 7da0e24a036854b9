/* base/arena.h — bump allocation in chained blocks; everything is freed together. */
#ifndef SLUICE_BASE_ARENA_H
#define SLUICE_BASE_ARENA_H

#include <stddef.h>

struct arena_block;
struct arena {
    struct arena_block *head;
    size_t used_bytes;  /* handed out */
    size_t total_bytes; /* held from malloc */
};

void arena_init(struct arena *a);
void arena_fini(struct arena *a);
void arena_reset(struct arena *a); /* keeps one block */
/* 16-byte aligned, not zeroed; aborts on failure. Sizes from outside are bounded by the caller. */
void *arena_alloc(struct arena *a, size_t n);
void *arena_copy(struct arena *a, const void *p, size_t n);
char *arena_strndup(struct arena *a, const char *s, size_t n);

#endif
