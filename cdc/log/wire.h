/* cdc/log/wire.h — reading the log's integers: unchecked loads, and a cursor whose overrun is
 * sticky.
 *
 * A cursor that ran over its end stays at its end, `failed`, and gives zeros: a parser reads a
 * whole structure and checks once. Includes nothing but the C library.
 */
#ifndef SLUICE_CDC_LOG_WIRE_H
#define SLUICE_CDC_LOG_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t wire_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t wire_u24(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

static inline uint32_t wire_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

static inline uint64_t wire_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

/* Little-endian, n ≤ 8 bytes. The widths of columns are read at once: values are most of the work.
 */
static inline uint64_t wire_le(const uint8_t *p, size_t n)
{
    switch (n) {
    case 0:
        return 0;
    case 1:
        return p[0];
    case 2:
        return wire_u16(p);
    case 3:
        return wire_u24(p);
    case 4:
        return wire_u32(p);
    case 8:
        return wire_u64(p);
    default: /* two halves that overlap */
        return wire_u32(p) | (uint64_t)wire_u32(p + n - 4) << 8 * (n - 4);
    }
}

/* Big-endian, n ≤ 8 bytes. */
static inline uint64_t wire_be(const uint8_t *p, size_t n)
{
    return n == 0 ? 0 : __builtin_bswap64(wire_le(p, n)) >> 8 * (8 - n);
}

struct wire {
    const uint8_t *p, *end;
    bool failed;
};

/* p may be NULL when n is 0. */
static inline struct wire wire_of(const uint8_t *p, size_t n)
{
    return (struct wire){p, n ? p + n : p, false};
}

static inline size_t wire_left(const struct wire *w)
{
    return (size_t)(w->end - w->p);
}

/* The next n bytes, or NULL. */
static inline const uint8_t *wire_take(struct wire *w, uint64_t n)
{
    if (n > wire_left(w)) {
        w->failed = true;
        w->p = w->end;
        return NULL;
    }
    const uint8_t *p = w->p;
    w->p += n;
    return p;
}

static inline uint64_t wire_get(struct wire *w, size_t n_bytes)
{
    const uint8_t *p = wire_take(w, n_bytes);
    return p ? wire_le(p, n_bytes) : 0;
}

/* A length-encoded integer; 0xFB (NULL) and 0xFF are failures. */
static inline uint64_t wire_lenenc(struct wire *w)
{
    uint64_t first = wire_get(w, 1);
    if (first < 0xfb)
        return first;
    if (first == 0xfc)
        return wire_get(w, 2);
    if (first == 0xfd)
        return wire_get(w, 3);
    if (first == 0xfe)
        return wire_get(w, 8);
    w->failed = true;
    w->p = w->end;
    return 0;
}

/* Bytes behind a length-encoded length, as a cursor of their own. */
static inline struct wire wire_sub(struct wire *w, uint64_t n)
{
    const uint8_t *p = wire_take(w, n);
    return p ? wire_of(p, (size_t)n) : (struct wire){w->end, w->end, true};
}

static inline bool wire_bit(const uint8_t *bitmap, size_t i)
{
    return bitmap[i >> 3] >> (i & 7) & 1;
}

#endif
