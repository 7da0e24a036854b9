/* base/mem.h — allocation that either succeeds or ends the process, and a bounded one for lengths
 * that come from outside. */
#ifndef SLUICE_BASE_MEM_H
#define SLUICE_BASE_MEM_H

#include "base/err.h"

/* First thing in main: two heaps for all threads. glibc's own choice, eight a core, keeps what
 * every thread once had and freed: 75 MiB instead of 45 for a move between MySQL servers. */
void mem_init(void);
void *mem_alloc(size_t n);             /* zeroed; aborts on failure */
void *mem_calloc(size_t n, size_t sz); /* zeroed; overflow-checked */
void *mem_realloc(void *p, size_t n, size_t sz);
char *mem_strdup(const char *s); /* NULL stays NULL */
char *mem_strndup(const char *s, size_t n);
char *mem_printf(const char *fmt, ...) ERR_PRINTF(1, 2);
/* Grows *items (element size sz) so that it holds at least need elements; doubles. */
void mem_grow(void **items, size_t *cap, size_t need, size_t sz);
void mem_free_ptr(void *pp); /* for CLEANUP(mem_free_ptr) on any pointer variable */

#endif
