/* base/crc32.c — CRC-32 by folding with PCLMULQDQ, wide where the CPU can; zlib for the rest and
 * for other CPUs.
 *
 * The method is V. Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ
 * Instruction" (Intel, 2009), with its constants for the bit-reflected IEEE polynomial. A fold over
 * D bits multiplies by x^(D+32) and x^(D-32) modulo the polynomial, bit-reflected and shifted by
 * one.
 */
#include "base/crc32.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
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

/* 96 bits to 32: the quotient by the polynomial's inverse as a power series, as far as 64 bits go;
 * what is left of x without its multiple of the polynomial lies behind them. */
static TARGET uint32_t reduce_96(__m128i x)
{
    const __m128i poly = _mm_set_epi64x(0x01db710641, (long long)0xb4e5b025f7011641);
    __m128i quotient = _mm_clmulepi64_si128(x, poly, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(x, _mm_clmulepi64_si128(quotient, poly, 0x10)),
                                       2);
}

/* 128 bits to 32. */
static TARGET uint32_t reduce(__m128i x)
{
    const __m128i to_96 = _mm_set_epi64x(0x01db710640, 0x00ccaa009e);
    __m128i low = _mm_clmulepi64_si128(x, to_96, 0x00);
    return reduce_96(_mm_xor_si128(low, _mm_clmulepi64_si128(x, to_96, 0x11)));
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

/* What is left behind the folded x. */
static TARGET uint32_t fold_rest(__m128i x, const unsigned char *p, size_t n)
{
    const __m128i over_128 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    for (; n >= 16; p += 16, n -= 16)
        x = fold(x, over_128, load(p));
    return reduce(n > 0 ? fold_tail(x, over_128, p + n, n) : x);
}

/* n ≥ 16; crc is the register, not inverted. */
static TARGET uint32_t fold_short(const unsigned char *p, size_t n, uint32_t crc)
{
    assert(n >= 16);
    return fold_rest(_mm_xor_si128(load(p), _mm_cvtsi32_si128((int)crc)), p + 16, n - 16);
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
    return fold_rest(x0, p, n);
}

#define AT_ONCE 256u /* the longest that is folded without a loop */
#define TARGET_WIDE                                                                                \
    __attribute__((target("avx512f,avx512vl,avx512bw,avx512vbmi2,vpclmulqdq,bmi2,sse4.2,pclmul")))

/* For the 16 bytes that end n bytes before the end, [15 - n / 16]: the factors of their two halves
 * that bring both to the 96 bits at the end. */
static const _Alignas(64) uint64_t to_end[AT_ONCE / 16][2] = {
    {0x01322d1430, 0x01db06f64c}, {0x01c47d2a9c, 0x019159bb02}, {0x0125f17dfc, 0x01b35adb0e},
    {0x01e7146aac, 0x01821d8bc0}, {0x012e958ac4, 0x01816ab61c}, {0x010aae2566, 0x00e3543be0},
    {0x014b57d3f0, 0x01fdc60a7c}, {0x003f41287a, 0x01e88ef372}, {0x014a7fe880, 0x01ea89367e},
    {0x01d7cfc6ac, 0x00df068dc2}, {0x018cb44e58, 0x01c7569e54}, {0x00ae0b5394, 0x0154442bd4},
    {0x01c6e41596, 0x003db1ecdc}, {0x0174359406, 0x00f1da05aa}, {0x015a546366, 0x01751997d0},
    {0x00ccaa009e, 0x01db710640},
};
static uint32_t of_zeros[AT_ONCE + 1]; /* the CRC of so many zeros */

/* Moves the four parts of x and adds the next bytes. */
static TARGET_WIDE __m512i fold_wide(__m512i x, __m512i k, __m512i next)
{
    __m512i low = _mm512_clmulepi64_epi128(x, k, 0x00);
    __m512i high = _mm512_clmulepi64_epi128(x, k, 0x11);
    return _mm512_ternarylogic_epi64(low, high, next, 0x96); /* all three by exclusive or */
}

static TARGET_WIDE __m512i constants(uint64_t high, uint64_t low)
{
    return _mm512_broadcast_i32x4(_mm_set_epi64x((long long)high, (long long)low));
}

/* Four blocks of 64 bytes at a time; *at and *n go on. n ≥ 192, and x came before. */
static TARGET_WIDE __m512i fold_blocks(__m512i x, const unsigned char **at, size_t *n)
{
    const __m512i over_2048 = constants(0x01322d1430, 0x011542778a);
    const __m512i over_512 = constants(0x01c6e41596, 0x0154442bd4);
    const unsigned char *p = *at;
    __m512i x1 = _mm512_loadu_si512(p), x2 = _mm512_loadu_si512(p + 64);
    __m512i x3 = _mm512_loadu_si512(p + 128);
    for (p += 192, *n -= 192; *n >= 256; p += 256, *n -= 256) {
        x = fold_wide(x, over_2048, _mm512_loadu_si512(p));
        x1 = fold_wide(x1, over_2048, _mm512_loadu_si512(p + 64));
        x2 = fold_wide(x2, over_2048, _mm512_loadu_si512(p + 128));
        x3 = fold_wide(x3, over_2048, _mm512_loadu_si512(p + 192));
    }
    *at = p;
    x = fold_wide(x, over_512, x1);
    x = fold_wide(x, over_512, x2);
    return fold_wide(x, over_512, x3);
}

static TARGET_WIDE __m128i add_parts(__m512i x)
{
    __m256i half = _mm256_xor_si256(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
    return _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

/* The four parts of x to one: the first three are folded over those behind them. */
static TARGET_WIDE __m128i join_parts(__m512i x)
{
    const __m512i over = _mm512_set_epi64(0, 0, 0x00ccaa009e, 0x01751997d0, 0x015a546366,
                                          0x00f1da05aa, 0x0174359406, 0x003db1ecdc);
    __m512i low = _mm512_clmulepi64_epi128(x, over, 0x00);
    __m512i high = _mm512_clmulepi64_epi128(x, over, 0x11);
    return add_parts(_mm512_ternarylogic_epi64(low, high, _mm512_maskz_mov_epi64(0xc0, x), 0x96));
}

/* n ≥ 64; crc is the register, not inverted. The first block has what n leaves over from whole
 * ones, behind zeros, which change nothing; so there is no tail. */
static TARGET_WIDE uint32_t fold_all_wide(const unsigned char *p, size_t n, uint32_t crc)
{
    const __m512i over_512 = constants(0x01c6e41596, 0x0154442bd4);
    size_t first = (n - 1) % 64 + 1;
    if (first < 4) { /* too short to begin with: in bytes */
        crc = ~crc32_portable(~crc, p, first);
        p += first;
        n -= first;
        first = 64;
    }
    assert(n >= first);
    size_t zeros = 64 - first;
    __m512i x = _mm512_maskz_loadu_epi8(~(uint64_t)0 << zeros, p - zeros);
    __m512i start = _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)crc));
    x = _mm512_xor_si512(x, _mm512_maskz_expand_epi8((uint64_t)0xf << zeros, start));
    p += first;
    n -= first;
    if (n >= 256)
        x = fold_blocks(x, &p, &n);
    for (; n > 0; p += 64, n -= 64)
        x = fold_wide(x, over_512, _mm512_loadu_si512(p));
    return reduce(join_parts(x));
}

/* x, a block that ends `behind` blocks before the end, there; and what is there already. */
static TARGET_WIDE __m512i to_96(__m512i x, size_t behind, __m512i sum)
{
    __m512i k = _mm512_load_si512(to_end[AT_ONCE / 16 - 4 * (behind + 1)]);
    __m512i low = _mm512_clmulepi64_epi128(x, k, 0x00);
    __m512i high = _mm512_clmulepi64_epi128(x, k, 0x11);
    return _mm512_ternarylogic_epi64(sum, low, high, 0x96);
}

/* 1 ≤ n ≤ AT_ONCE, from 0 on. Every half of 16 bytes is brought to the end by a factor of its own,
 * all at the same time; bytes before the first are taken as zeros. What the first register (all
 * ones) adds depends on n alone. */
static TARGET_WIDE uint32_t crc_at_once(const unsigned char *p, size_t n)
{
    const unsigned char *end = p + n;
    size_t behind = (n - 1) / 64, zeros = 64 * (behind + 1) - n;
    __m512i x = _mm512_maskz_loadu_epi8(~(uint64_t)0 << zeros, p - zeros);
    x = to_96(x, behind, _mm512_setzero_si512());
    switch (behind) {
    case 3:
        x = to_96(_mm512_loadu_si512(end - 192), 2, x);
        __attribute__((fallthrough));
    case 2:
        x = to_96(_mm512_loadu_si512(end - 128), 1, x);
        __attribute__((fallthrough));
    case 1:
        x = to_96(_mm512_loadu_si512(end - 64), 0, x);
        __attribute__((fallthrough));
    default:
        return reduce_96(add_parts(x)) ^ of_zeros[n];
    }
}

static uint32_t crc32_pclmul(uint32_t crc, const void *p, size_t n)
{
    if (n < 16)
        return crc32_portable(crc, p, n);
    return ~(n < 64 ? fold_short(p, n, ~crc) : fold_all(p, n, ~crc));
}

static uint32_t crc32_wide(uint32_t crc, const void *p, size_t n)
{
    if (n > AT_ONCE)
        return ~fold_all_wide(p, n, ~crc);
    return crc == 0 && n > 0 ? crc_at_once(p, n) : crc32_pclmul(crc, p, n);
}

static enum crc32_way find_way(void)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("pclmul") || !__builtin_cpu_supports("sse4.2"))
        return CRC32_PORTABLE;
    bool wide = __builtin_cpu_supports("vpclmulqdq") && __builtin_cpu_supports("avx512f") &&
                __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("bmi2");
    return wide ? CRC32_WIDE : CRC32_PCLMUL;
}

static void prepare(void)
{
    static const unsigned char zeros[AT_ONCE];
    for (size_t n = 0; n <= AT_ONCE; n++)
        of_zeros[n] = crc32_portable(0, zeros, n);
}
#else
static uint32_t crc32_pclmul(uint32_t crc, const void *p, size_t n)
{
    return crc32_portable(crc, p, n);
}

static uint32_t crc32_wide(uint32_t crc, const void *p, size_t n)
{
    return crc32_portable(crc, p, n);
}

static enum crc32_way find_way(void)
{
    return CRC32_PORTABLE;
}

static void prepare(void)
{
}
#endif

static int known; /* 0 unknown, else 1 + the way */

static void find_out(void)
{
    prepare();
    __atomic_store_n(&known, 1 + (int)find_way(), __ATOMIC_RELEASE);
}

enum crc32_way crc32_best(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int v = __atomic_load_n(&known, __ATOMIC_ACQUIRE);
    if (v == 0) {
        pthread_once(&once, find_out);
        v = __atomic_load_n(&known, __ATOMIC_RELAXED);
    }
    return (enum crc32_way)(v - 1);
}

uint32_t crc32_by(enum crc32_way way, uint32_t crc, const void *p, size_t n)
{
    return way == CRC32_WIDE     ? crc32_wide(crc, p, n)
           : way == CRC32_PCLMUL ? crc32_pclmul(crc, p, n)
                                 : crc32_portable(crc, p, n);
}

uint32_t crc32_compute(uint32_t crc, const void *p, size_t n)
{
    return crc32_by(crc32_best(), crc, p, n);
}
