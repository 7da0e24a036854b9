/* schemas/charset_multi.c — decoding tables of the multi-byte character sets, made on first use.
 *
 * A table has one code point for each lead byte alone and each pair (trail bytes 00–ff), 0 where
 * there is none; it is filled through iconv and then corrected by the list of differences that
 * tools/gen_charsets found against the servers. ujis and eucjpms have a second plane behind the
 * byte 8f; gb18030 has four-byte characters, whose first plane is tabled and whose others are
 * numbered in order. A system without iconv's module for a character set has an empty table: all
 * its non-ASCII text is then invalid, never wrong.
 */
#include "schemas/charset_multi.h"

#include "base/mem.h"

#include <assert.h>
#include <iconv.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

struct exception {
    uint32_t code, point;
};
#include "schemas/charset_exceptions.inc"

enum {
    PAIRS = 128 * 256,
    THIRD_LEAD = 0x8f, /* ujis, eucjpms: two bytes a1–fe follow */
    THIRD_CODES = 94 * 94,
    FOUR_CODES = 4 * 10 * 126 * 10, /* gb18030: leads 81–84 */
    FOUR_ASTRAL_LEAD = 0x90,        /* 90308130 is U+10000 */
    LAST_POINT = 0x10ffff
};

struct decoder {
    const char *iconv_name;
    const struct exception *exceptions; /* ends with code 0 */
    bool has_third, has_four;
    pthread_once_t once;
    uint16_t single[128];
    uint32_t *pairs, *third, *four;
};

#define DECODER(name, iconv_, third_, four_)                                                       \
    {                                                                                              \
        .iconv_name = iconv_, .exceptions = exceptions_##name, .has_third = third_,                \
        .has_four = four_, .once = PTHREAD_ONCE_INIT                                               \
    }

static struct decoder decoders[CHARSET_MULTI_COUNT] = {
    [CHARSET_BIG5] = DECODER(big5, "BIG5", false, false),
    [CHARSET_CP932] = DECODER(cp932, "CP932", false, false),
    [CHARSET_EUCJPMS] = DECODER(eucjpms, "EUC-JP-MS", true, false),
    [CHARSET_EUCKR] = DECODER(euckr, "UHC", false, false),
    [CHARSET_GB18030] = DECODER(gb18030, "GB18030", false, true),
    [CHARSET_GB2312] = DECODER(gb2312, "GB2312", false, false),
    [CHARSET_GBK] = DECODER(gbk, "GBK", false, false),
    [CHARSET_SJIS] = DECODER(sjis, "SJIS", false, false),
    [CHARSET_UJIS] = DECODER(ujis, "EUC-JP-MS", true, false),
};

static bool in(uint8_t byte, uint8_t first, uint8_t last)
{
    return byte >= first && byte <= last;
}

static size_t third_index(const uint8_t *p)
{
    return (size_t)(p[1] - 0xa1) * 94 + (size_t)(p[2] - 0xa1);
}

static size_t four_index(const uint8_t *p, uint8_t first_lead)
{
    return (((size_t)(p[0] - first_lead) * 10 + (size_t)(p[1] - 0x30)) * 126 +
            (size_t)(p[2] - 0x81)) *
               10 +
           (size_t)(p[3] - 0x30);
}

static bool is_third(const struct decoder *d, const uint8_t *p, size_t n)
{
    return d->has_third && n >= 3 && p[0] == THIRD_LEAD && in(p[1], 0xa1, 0xfe) &&
           in(p[2], 0xa1, 0xfe);
}

static bool is_four(const struct decoder *d, const uint8_t *p, size_t n)
{
    return d->has_four && n >= 4 && in(p[0], 0x81, 0xfe) && in(p[1], 0x30, 0x39) &&
           in(p[2], 0x81, 0xfe) && in(p[3], 0x30, 0x39);
}

/* One character by iconv; 0 if it is none, or several. */
static uint32_t ask_iconv(iconv_t converter, const uint8_t *code, size_t n)
{
    char source[4];
    uint8_t point[16];
    char *from = source, *to = (char *)point;
    size_t left = n, room = sizeof point;
    memcpy(source, code, n);
    iconv(converter, NULL, NULL, NULL, NULL);
    iconv(converter, &from, &left, &to, &room);
    if (left != 0 || sizeof point - room != 4)
        return 0;
    return (uint32_t)point[0] << 24 | (uint32_t)point[1] << 16 | (uint32_t)point[2] << 8 | point[3];
}

static void fill_pairs(struct decoder *d, iconv_t converter)
{
    for (unsigned lead = 0x80; lead < 0x100; lead++) {
        uint8_t code[2] = {(uint8_t)lead, 0};
        d->single[lead - 0x80] = (uint16_t)ask_iconv(converter, code, 1);
        for (unsigned trail = 1; trail < 0x100; trail++) {
            code[1] = (uint8_t)trail;
            d->pairs[(lead - 0x80) << 8 | trail] = ask_iconv(converter, code, 2);
        }
    }
}

static void fill_third(struct decoder *d, iconv_t converter)
{
    for (unsigned i = 0; i < THIRD_CODES; i++) {
        const uint8_t code[3] = {THIRD_LEAD, (uint8_t)(0xa1 + i / 94), (uint8_t)(0xa1 + i % 94)};
        d->third[third_index(code)] = ask_iconv(converter, code, 3);
    }
}

static void fill_four(struct decoder *d, iconv_t converter)
{
    for (unsigned i = 0; i < FOUR_CODES; i++) {
        const uint8_t code[4] = {(uint8_t)(0x81 + i / 12600), (uint8_t)(0x30 + i / 1260 % 10),
                                 (uint8_t)(0x81 + i / 10 % 126), (uint8_t)(0x30 + i % 10)};
        d->four[four_index(code, 0x81)] = ask_iconv(converter, code, 4);
    }
}

static void correct(struct decoder *d)
{
    for (const struct exception *x = d->exceptions; x->code; x++) {
        const uint8_t code[4] = {(uint8_t)(x->code >> 24), (uint8_t)(x->code >> 16),
                                 (uint8_t)(x->code >> 8), (uint8_t)x->code};
        if (x->code > 0xffffff)
            d->four[four_index(code, 0x81)] = x->point;
        else if (x->code > 0xffff)
            d->third[third_index(code + 1)] = x->point;
        else if (x->code > 0xff)
            d->pairs[x->code - 0x8000] = x->point;
        else
            d->single[x->code - 0x80] = (uint16_t)x->point;
    }
}

static void fill(struct decoder *d)
{
    d->pairs = mem_calloc(PAIRS, sizeof *d->pairs);
    d->third = mem_calloc(d->has_third ? THIRD_CODES : 1, sizeof *d->third);
    d->four = mem_calloc(d->has_four ? FOUR_CODES : 1, sizeof *d->four);
    iconv_t converter = iconv_open("UTF-32BE", d->iconv_name);
    if (converter == (iconv_t)-1)
        return;
    fill_pairs(d, converter);
    if (d->has_third)
        fill_third(d, converter);
    if (d->has_four)
        fill_four(d, converter);
    iconv_close(converter);
    correct(d);
}

#define FILL(which)                                                                                \
    static void fill_##which(void)                                                                 \
    {                                                                                              \
        fill(&decoders[which]);                                                                    \
    }
FILL(CHARSET_BIG5)
FILL(CHARSET_CP932)
FILL(CHARSET_EUCJPMS)
FILL(CHARSET_EUCKR)
FILL(CHARSET_GB18030)
FILL(CHARSET_GB2312)
FILL(CHARSET_GBK)
FILL(CHARSET_SJIS)
FILL(CHARSET_UJIS)

static void (*const fillers[CHARSET_MULTI_COUNT])(void) = {
    fill_CHARSET_BIG5,  fill_CHARSET_CP932,   fill_CHARSET_EUCJPMS,
    fill_CHARSET_EUCKR, fill_CHARSET_GB18030, fill_CHARSET_GB2312,
    fill_CHARSET_GBK,   fill_CHARSET_SJIS,    fill_CHARSET_UJIS,
};

static uint32_t four_bytes(const struct decoder *d, const uint8_t *p)
{
    if (p[0] <= 0x84)
        return d->four[four_index(p, 0x81)];
    if (p[0] < FOUR_ASTRAL_LEAD)
        return 0;
    size_t point = 0x10000 + four_index(p, FOUR_ASTRAL_LEAD);
    return point <= LAST_POINT ? (uint32_t)point : 0;
}

uint32_t charset_multi_next(enum charset_multi which, const uint8_t *p, size_t n, size_t *used)
{
    assert(n > 0);
    struct decoder *d = &decoders[which];
    *used = 1;
    if (p[0] < 0x80)
        return p[0];
    pthread_once(&d->once, fillers[which]);
    if (d->single[p[0] - 0x80])
        return d->single[p[0] - 0x80];
    if (is_third(d, p, n)) {
        *used = 3;
        return d->third[third_index(p)];
    }
    if (is_four(d, p, n)) {
        *used = 4;
        return four_bytes(d, p);
    }
    *used = 2;
    return n >= 2 ? d->pairs[(size_t)(p[0] - 0x80) << 8 | p[1]] : 0;
}

/* First and second bytes of two, from and to; a range of zeros is none (server: ctype-*.c,
 * is…head and is…tail). */
static const struct form {
    uint8_t heads[2][2], tails[3][2];
} forms[CHARSET_MULTI_COUNT] = {
    [CHARSET_BIG5] = {{{0xa1, 0xf9}}, {{0x40, 0x7e}, {0xa1, 0xfe}}},
    [CHARSET_CP932] = {{{0x81, 0x9f}, {0xe0, 0xfc}}, {{0x40, 0x7e}, {0x80, 0xfc}}},
    [CHARSET_EUCJPMS] = {{{0xa1, 0xfe}}, {{0xa1, 0xfe}}},
    [CHARSET_EUCKR] = {{{0x81, 0xfe}}, {{0x41, 0x5a}, {0x61, 0x7a}, {0x81, 0xfe}}},
    [CHARSET_GB18030] = {{{0x81, 0xfe}}, {{0x40, 0x7e}, {0x80, 0xfe}}},
    [CHARSET_GB2312] = {{{0xa1, 0xf7}}, {{0xa1, 0xfe}}},
    [CHARSET_GBK] = {{{0x81, 0xfe}}, {{0x40, 0x7e}, {0x80, 0xfe}}},
    [CHARSET_SJIS] = {{{0x81, 0x9f}, {0xe0, 0xfc}}, {{0x40, 0x7e}, {0x80, 0xfc}}},
    [CHARSET_UJIS] = {{{0xa1, 0xfe}}, {{0xa1, 0xfe}}},
};

static bool in_ranges(uint8_t byte, const uint8_t (*ranges)[2], size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ranges[i][0] && in(byte, ranges[i][0], ranges[i][1]))
            return true;
    return false;
}

size_t charset_multi_skip(enum charset_multi which, const uint8_t *p, size_t n)
{
    const struct form *f = &forms[which];
    if (is_third(&decoders[which], p, n))
        return 3;
    if (is_four(&decoders[which], p, n))
        return 4;
    return n >= 2 && in_ranges(p[0], f->heads, 2) && in_ranges(p[1], f->tails, 3) ? 2 : 1;
}
