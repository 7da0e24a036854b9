/* cdc/log/decimal.c — packed decimals to text.
 *
 * Groups of nine digits as 4 big-endian bytes; what is left over at the front of the whole part and
 * at the end of the fraction takes 1–4 bytes. The first bit is 1 for positive; negative ones have
 * all bits flipped. MySQL sources strings/decimal.cc.
 */
#include "cdc/log/jsonb.h"
#include "cdc/log/wire.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Of n digits on one side of the point. */
static const uint8_t packed_bytes[DECIMAL_DIGITS_MAX + 1] = {
    0,  1,  1,  2,  2,  3,  3,  4,  4,  4,  5,  5,  6,  6,  7,  7,  8,  8,  8,  9,  9,
    10, 10, 11, 11, 12, 12, 12, 13, 13, 14, 14, 15, 15, 16, 16, 16, 17, 17, 18, 18, 19,
    19, 20, 20, 20, 21, 21, 22, 22, 23, 23, 24, 24, 24, 25, 25, 26, 26, 27, 27, 28, 28,
    28, 29, 29, 30, 30, 31, 31, 32, 32, 32, 33, 33, 34, 34, 35, 35, 36, 36, 36};
static const uint32_t powers[10] = {1,      10,      100,      1000,      10000,
                                    100000, 1000000, 10000000, 100000000, 1000000000};

static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                            "25262728293031323334353637383940414243444546474849"
                            "50515253545556575859606162636465666768697071727374"
                            "75767778798081828384858687888990919293949596979899";

struct digits {
    const uint8_t *at;
    uint64_t flip; /* all ones for a negative number */
    uint64_t sign; /* what the next byte's first bit is turned by: the number's first only */
    uint8_t *to;
    bool valid;
};

/* Exactly n digits. */
static void put_digits(uint8_t *to, uint32_t v, unsigned n)
{
    for (; n >= 2; n -= 2, v /= 100)
        memcpy(to + n - 2, pairs + v % 100 * 2, 2);
    if (n)
        *to = (uint8_t)('0' + v % 10);
}

static uint32_t take_group(struct digits *d, unsigned n_digits)
{
    unsigned n_bytes = packed_bytes[n_digits];
    if (n_bytes == 0)
        return 0;
    uint64_t v = (wire_be(d->at, n_bytes) ^ d->flip) & (((uint64_t)1 << 8 * n_bytes) - 1);
    v ^= d->sign << 8 * (n_bytes - 1);
    d->sign = 0;
    d->at += n_bytes;
    d->valid = d->valid && v < powers[n_digits];
    return (uint32_t)v;
}

static unsigned count_digits(uint32_t v)
{
    unsigned n = 1;
    while (n < 9 && v >= powers[n])
        n++;
    return n;
}

/* Without leading zeros, but at least one digit. */
static void put_whole(struct digits *d, unsigned n_digits)
{
    const uint8_t *begin = d->to;
    unsigned n = n_digits % 9;
    for (unsigned left = n_digits / 9 + 1; left > 0; left--, n = 9) {
        uint32_t v = take_group(d, n);
        unsigned shown = d->to > begin ? n : v == 0 ? 0 : count_digits(v);
        put_digits(d->to, v, shown);
        d->to += shown;
    }
    if (d->to == begin)
        *d->to++ = '0';
}

static void put_fraction(struct digits *d, unsigned n_digits)
{
    *d->to++ = '.';
    for (unsigned n; n_digits > 0; n_digits -= n) {
        n = n_digits < 9 ? n_digits : 9;
        put_digits(d->to, take_group(d, n), n);
        d->to += n;
    }
}

/* ---- most decimals: up to 18 digits before the point and 8 behind it ---- */

#define SMALL_WHOLE     18u
#define SMALL_FRACTION  8u

#define UNSCALED_DIGITS 18u /* fit 64 bits */

/* v < 10^8 as eight digits, the first in the lowest byte: halves, then pairs, then digits, all at
 * once. */
static uint64_t eight_digits(uint32_t v)
{
    uint64_t halves = v / 10000 | (uint64_t)(v % 10000) << 32;
    uint64_t hundreds = (halves * 10486 >> 20) & 0x0000007f0000007f;
    uint64_t pairs8 = hundreds | (halves - 100 * hundreds) << 16;
    uint64_t tens = (pairs8 * 103 >> 10) & 0x000f000f000f000f;
    return (tens | (pairs8 - 10 * tens) << 8) | 0x3030303030303030;
}

static uint8_t *put_eight(uint8_t *to, uint32_t v)
{
    uint64_t text = eight_digits(v);
    memcpy(to, &text, sizeof text);
    return to + sizeof text;
}

/* v < 10^8 without leading zeros, but at least one digit. */
static uint8_t *put_up_to_eight(uint8_t *to, uint32_t v)
{
    uint64_t text = eight_digits(v);
    unsigned zeros = (unsigned)__builtin_ctzll((text - 0x3030303030303030) | (uint64_t)1 << 56) / 8;
    text >>= 8 * zeros;
    memcpy(to, &text, sizeof text);
    return to + 8 - zeros;
}

static uint8_t *put_number(uint8_t *to, uint64_t v)
{
    const uint64_t e8 = 100000000;
    if (v < e8)
        return put_up_to_eight(to, (uint32_t)v);
    if (v < e8 * e8)
        return put_eight(put_up_to_eight(to, (uint32_t)(v / e8)), (uint32_t)(v % e8));
    to = put_up_to_eight(to, (uint32_t)(v / (e8 * e8)));
    v %= e8 * e8;
    return put_eight(put_eight(to, (uint32_t)(v / e8)), (uint32_t)(v % e8));
}

static inline uint8_t *put_short_fraction(uint8_t *to, uint32_t v, unsigned n)
{
    *to++ = '.';
    if (n == 2)
        memcpy(to, pairs + 2 * v, 2);
    else
        (void)put_eight(to, v * powers[SMALL_FRACTION - n]);
    return to + n;
}

/* The number of one side. sign: what its first byte is turned by. */
static inline uint64_t take_side(const uint8_t *p, unsigned n, uint64_t flip, uint64_t sign)
{
    if (n == 0)
        return 0;
    uint64_t mask = UINT64_MAX >> (64 - 8 * n);
    return ((wire_be(p, n) ^ flip) & mask) ^ sign << (8 * n - 8);
}

static inline struct decimal_shape shape_of(unsigned n_whole, unsigned n_fraction)
{
    return (struct decimal_shape){.whole_bytes = packed_bytes[n_whole],
                                  .fraction_bytes = packed_bytes[n_fraction],
                                  .high_limit = n_whole > 9 ? powers[n_whole - 9] : 1,
                                  .low_limit = powers[n_whole > 9 ? 9 : n_whole],
                                  .fraction_limit = powers[n_fraction]};
}

struct small {
    bool negative;
    uint32_t fraction;
    uint64_t whole;
};

/* False when a group of digits is none. */
static inline bool take_small(const struct decimal_shape *s, const uint8_t *p, struct small *out)
{
    uint64_t flip = p[0] & 0x80 ? 0 : UINT64_MAX;
    uint64_t whole = take_side(p, s->whole_bytes, flip, 0x80);
    uint64_t fraction =
        take_side(p + s->whole_bytes, s->fraction_bytes, flip, s->whole_bytes ? 0 : 0x80);
    uint64_t high = whole >> 32, low = (uint32_t)whole;
    out->negative = flip;
    out->fraction = (uint32_t)fraction;
    out->whole = high * powers[9] + low;
    return high < s->high_limit && low < s->low_limit && fraction < s->fraction_limit;
}

/* The text's end, or NULL. `to` has DECIMAL_TEXT_MAX bytes. */
static uint8_t *print_small(const uint8_t *p, unsigned n_whole, unsigned n_fraction, uint8_t *to)
{
    const struct decimal_shape shape = shape_of(n_whole, n_fraction);
    struct small v;
    if (!take_small(&shape, p, &v))
        return NULL;
    *to = '-';
    to = put_number(to + v.negative, v.whole);
    return n_fraction ? put_short_fraction(to, v.fraction, n_fraction) : to;
}

bool decimal_shape_of(unsigned precision, unsigned scale, struct decimal_shape *out)
{
    if (precision == 0 || precision > UNSCALED_DIGITS || scale > precision || scale > 9)
        return false;
    *out = shape_of(precision - scale, scale);
    return true;
}

bool decimal_unscaled(const struct decimal_shape *s, const uint8_t *p, size_t n, int64_t *out)
{
    struct small v;
    if (n < (size_t)s->whole_bytes + s->fraction_bytes || !take_small(s, p, &v))
        return false;
    int64_t unscaled = (int64_t)(v.whole * s->fraction_limit + v.fraction);
    *out = v.negative ? -unscaled : unscaled;
    return true;
}

static uint8_t *print_any(const uint8_t *p, unsigned n_whole, unsigned n_fraction, uint8_t *to)
{
    bool negative = !(p[0] & 0x80);
    struct digits d = {
        .at = p, .flip = negative ? UINT64_MAX : 0, .sign = 0x80, .to = to, .valid = true};
    if (negative)
        *d.to++ = '-';
    put_whole(&d, n_whole);
    if (n_fraction > 0)
        put_fraction(&d, n_fraction);
    return d.valid ? d.to : NULL;
}

size_t decimal_text(const uint8_t *p, size_t n, unsigned precision, unsigned scale,
                    char to[DECIMAL_TEXT_MAX])
{
    if (precision == 0 || precision > DECIMAL_DIGITS_MAX || scale > precision)
        return 0;
    unsigned n_whole = precision - scale;
    if (n < (size_t)packed_bytes[n_whole] + packed_bytes[scale])
        return 0;
    uint8_t *begin = (uint8_t *)to;
    const uint8_t *end = n_whole <= SMALL_WHOLE && scale <= SMALL_FRACTION
                             ? print_small(p, n_whole, scale, begin)
                             : print_any(p, n_whole, scale, begin);
    return end ? (size_t)(end - begin) : 0;
}

bool decimal_print(const uint8_t *p, size_t n, unsigned precision, unsigned scale, struct buf *out)
{
    char *to = (char *)buf_reserve(out, DECIMAL_TEXT_MAX);
    size_t len = to ? decimal_text(p, n, precision, scale, to) : 0;
    if (!to)
        return false;
    out->len += len;
    out->data[out->len] = 0;
    return len > 0;
}
