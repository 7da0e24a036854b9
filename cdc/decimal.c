/* cdc/decimal.c — packed decimals to text.
 *
 * Groups of nine digits as 4 big-endian bytes; what is left over at the front of the whole part and
 * at the end of the fraction takes 1–4 bytes. The first bit is 1 for positive; negative ones have
 * all bits flipped. MySQL sources strings/decimal.cc.
 */
#include "cdc/jsonb.h"
#include "cdc/wire.h"

#include <assert.h>
#include <string.h>

#define DECIMAL_MAX_BYTES 32u

static const uint8_t group_bytes[10] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};
static const uint32_t powers[10] = {1,      10,      100,      1000,      10000,
                                    100000, 1000000, 10000000, 100000000, 1000000000};

struct digits {
    char text[96];
    size_t n;
    const uint8_t *at;
    bool valid;
};

static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                            "25262728293031323334353637383940414243444546474849"
                            "50515253545556575859606162636465666768697071727374"
                            "75767778798081828384858687888990919293949596979899";

static void take_group(struct digits *d, unsigned n_digits)
{
    uint32_t v = (uint32_t)wire_be(d->at, group_bytes[n_digits]);
    char *to = d->text + d->n;
    d->at += group_bytes[n_digits];
    d->valid = d->valid && v < powers[n_digits];
    d->n += n_digits;
    for (; n_digits >= 2; n_digits -= 2, v /= 100)
        memcpy(to + n_digits - 2, pairs + v % 100 * 2, 2);
    if (n_digits)
        *to = (char)('0' + v % 10);
}

static void take_whole(struct digits *d, unsigned n_digits)
{
    take_group(d, n_digits % 9);
    for (unsigned i = 0; i < n_digits / 9; i++)
        take_group(d, 9);
}

static void take_fraction(struct digits *d, unsigned n_digits)
{
    for (unsigned i = 0; i < n_digits / 9; i++)
        take_group(d, 9);
    take_group(d, n_digits % 9);
}

static size_t packed_bytes(unsigned n_digits)
{
    return n_digits / 9 * 4u + group_bytes[n_digits % 9];
}

bool decimal_print(const uint8_t *p, size_t n, unsigned precision, unsigned scale, struct buf *out)
{
    uint8_t bytes[DECIMAL_MAX_BYTES];
    if (precision == 0 || precision > 65 || scale > precision || n > sizeof bytes ||
        n < packed_bytes(precision - scale) + packed_bytes(scale))
        return false;
    uint8_t flip = p[0] & 0x80 ? 0 : 0xff;
    for (size_t i = 0; i < n; i++)
        bytes[i] = p[i] ^ flip;
    bytes[0] ^= 0x80;
    struct digits d;
    size_t start = 2; /* room for a sign and a zero */
    d.n = start;
    d.at = bytes;
    d.valid = true;
    take_whole(&d, precision - scale);
    while (start + 1 < d.n && d.text[start] == '0')
        start++;
    if (start == d.n)
        d.text[--start] = '0';
    if (scale > 0)
        d.text[d.n++] = '.';
    take_fraction(&d, scale);
    if (flip)
        d.text[--start] = '-';
    buf_put(out, d.text + start, d.n - start);
    return d.valid;
}
