/* base/mem.c — checked allocation; small allocations that fail end the process. */
#include "base/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_die(void *p)
{
    if (!p) {
        static const char text[] = "sluice: out of memory\n";
        fwrite(text, 1, sizeof text - 1, stderr);
        abort();
    }
    return p;
}

void mem_init(void)
{
#ifdef M_ARENA_MAX
    mallopt(M_ARENA_MAX, 2);
#endif
}

void *mem_alloc(size_t n)
{
    return or_die(calloc(1, n ? n : 1));
}

void *mem_calloc(size_t n, size_t sz)
{
    return or_die(calloc(n ? n : 1, sz ? sz : 1));
}

void *mem_realloc(void *p, size_t n, size_t sz)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, sz, &bytes))
        return or_die(NULL);
    return or_die(realloc(p, bytes ? bytes : 1));
}

char *mem_strdup(const char *s)
{
    return s ? mem_strndup(s, strlen(s)) : NULL;
}

char *mem_strndup(const char *s, size_t n)
{
    n = strnlen(s, n);
    char *out = mem_alloc(n + 1);
    memcpy(out, s, n);
    return out;
}

char *mem_printf(const char *fmt, ...)
{
    va_list ap;
    char *out = NULL;
    va_start(ap, fmt);
    int n = vasprintf(&out, fmt, ap);
    va_end(ap);
    return or_die(n < 0 ? NULL : out);
}

void mem_grow(void **items, size_t *cap, size_t need, size_t sz)
{
    if (need <= *cap)
        return;
    size_t bigger = *cap ? *cap : 8;
    while (bigger < need)
        bigger = bigger > SIZE_MAX / 2 ? need : bigger * 2;
    *items = mem_realloc(*items, bigger, sz);
    *cap = bigger;
}

void mem_free_ptr(void *pp)
{
    void *p;
    memcpy(&p, pp, sizeof p); /* pp is the address of a pointer of any type */
    free(p);
    p = NULL;
    memcpy(pp, &p, sizeof p);
}
