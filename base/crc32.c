/* base/crc32.c — CRC-32 by folding with PCLMULQDQ; zlib for the rest and for other CPUs.
 *
 * The method is V. Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ
 * Instruction" (Intel, 2009), with its constants for the bit-reflected IEEE polynomial.
 */
#include "base/crc32.h"

#include <assert.h>
#include <zlib.h>

uint32_t crc32_portable(uint32_t crc, const void *p, size_t n)
{
    return (uint32_t)crc32_z(crc, p, n);
}

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("sse4.2,pclmul")))

static TARGET __m128i load(const unsigned char *p)
{
    __m128i v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

/* Moves x over 128 (or 512) bits and adds the next bytes. */
static TARGET __m128i fold(__m128i x, __m128i k, __m128i next)
{
    __m128i low = _mm_clmulepi64_si128(x, k, 0x00);
    __m128i high = _mm_clmulepi64_si128(x, k, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/* 128 bits to 32: fold to 64, then Barrett reduction. */
static TARGET uint32_t reduce(__m128i x)
{
    const __m128i k4 = _mm_set_epi64x(0, 0x00ccaa009e);
    const __m128i k5 = _mm_set_epi64x(0, 0x0163cd6124);
    const __m128i poly = _mm_set_epi64x(0x01f7011641, 0x01db710641);
    const __m128i mask = _mm_setr_epi32(~0, 0, ~0, 0);
    __m128i t = _mm_clmulepi64_si128(x, k4, 0x00);
    /* The low half of x times k4 joins its high half. */
    x = _mm_xor_si128(_mm_srli_si128(x, 8), t);
    t = _mm_srli_si128(x, 4);
    x = _mm_clmulepi64_si128(_mm_and_si128(x, mask), k5, 0x00);
    x = _mm_xor_si128(x, t);
    t = _mm_clmulepi64_si128(_mm_and_si128(x, mask), poly, 0x10);
    t = _mm_clmulepi64_si128(_mm_and_si128(t, mask), poly, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(x, t), 1);
}

/* Adds the last n < 16 bytes before end: x and they are n + 16 bytes, whose first n are folded over
 * the other 16. (At least 16 bytes lie before end.) */
static TARGET __m128i fold_tail(__m128i x, __m128i over_128, const unsigned char *end, size_t n)
{
    static const unsigned char places[48] = {
        128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128,
        0,   1,   2,   3,   4,   5,   6,   7,   8,   9,   10,  11,  12,  13,  14,  15,
        128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128};
    __m128i up = load(places + n), down = load(places + 16 + n);
    __m128i rest = _mm_blendv_epi8(_mm_shuffle_epi8(x, down), load(end - 16), down);
    return fold(_mm_shuffle_epi8(x, up), over_128, rest);
}

/* n ≥ 16; crc is the register, not inverted. */
static TARGET uint32_t fold_short(const unsigned char *p, size_t n, uint32_t crc)
{
    const __m128i over_128 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    __m128i x = _mm_xor_si128(load(p), _mm_cvtsi32_si128((int)crc));
    assert(n >= 16);
    for (p += 16, n -= 16; n >= 16; p += 16, n -= 16)
        x = fold(x, over_128, load(p));
    return reduce(n > 0 ? fold_tail(x, over_128, p + n, n) : x);
}

/* n ≥ 64; crc is the register, not inverted. */
static TARGET uint32_t fold_all(const unsigned char *p, size_t n, uint32_t crc)
{
    const __m128i over_512 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);
    const __m128i over_128 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    __m128i x0 = _mm_xor_si128(load(p), _mm_cvtsi32_si128((int)crc));
    __m128i x1 = load(p + 16), x2 = load(p + 32), x3 = load(p + 48);
    assert(n >= 64);
    for (p += 64, n -= 64; n >= 64; p += 64, n -= 64) {
        x0 = fold(x0, over_512, load(p));
        x1 = fold(x1, over_512, load(p + 16));
        x2 = fold(x2, over_512, load(p + 32));
        x3 = fold(x3, over_512, load(p + 48));
    }
    x0 = fold(x0, over_128, x1);
    x0 = fold(x0, over_128, x2);
    x0 = fold(x0, over_128, x3);
    for (; n >= 16; p += 16, n -= 16)
        x0 = fold(x0, over_128, load(p));
    return reduce(n > 0 ? fold_tail(x0, over_128, p + n, n) : x0);
}

static uint32_t crc32_pclmul(uint32_t crc, const void *p, size_t n)
{
    if (n < 16)
        return crc32_portable(crc, p, n);
    return ~(n < 64 ? fold_short(p, n, ~crc) : fold_all(p, n, ~crc));
}

static int use_pclmul(void)
{
    static int known; /* 0 unknown, 1 no, 2 yes; a race only computes it twice */
    int v = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (v == 0) {
        __builtin_cpu_init();
        v = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.2") ? 2 : 1;
        __atomic_store_n(&known, v, __ATOMIC_RELAXED);
    }
    return v == 2;
}
#else
static uint32_t crc32_pclmul(uint32_t crc, const void *p, size_t n)
{
    return crc32_portable(crc, p, n);
}

static int use_pclmul(void)
{
    return 0;
}
#endif

uint32_t crc32_compute(uint32_t crc, const void *p, size_t n)
{
    return use_pclmul() ? crc32_pclmul(crc, p, n) : crc32_portable(crc, p, n);
}

const char *crc32_implementation(void)
{
    return use_pclmul() ? "pclmul" : "zlib";
}
