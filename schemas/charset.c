/* schemas/charset.c — collation ids to character sets, and the walk over a text, character by
 * character.
 *
 * NUL is a character (U+0000) in every character set; decoders therefore say by NOT_A_CHARACTER,
 * not by 0, that there is none.
 */
#include "schemas/charset.h"

#include "schemas/charset_multi.h"

#include <assert.h>
#include <string.h>

#define NOT_A_CHARACTER UINT32_MAX

enum charset_id {
    CS_ARMSCII8,
    CS_ASCII,
    CS_BIG5,
    CS_BINARY,
    CS_CP1250,
    CS_CP1251,
    CS_CP1256,
    CS_CP1257,
    CS_CP850,
    CS_CP852,
    CS_CP866,
    CS_CP932,
    CS_DEC8,
    CS_EUCJPMS,
    CS_EUCKR,
    CS_GB18030,
    CS_GB2312,
    CS_GBK,
    CS_GEOSTD8,
    CS_GREEK,
    CS_HEBREW,
    CS_HP8,
    CS_KEYBCS2,
    CS_KOI8R,
    CS_KOI8U,
    CS_LATIN1,
    CS_LATIN2,
    CS_LATIN5,
    CS_LATIN7,
    CS_MACCE,
    CS_MACROMAN,
    CS_SJIS,
    CS_SWE7,
    CS_TIS620,
    CS_UCS2,
    CS_UJIS,
    CS_UTF16,
    CS_UTF16LE,
    CS_UTF32,
    CS_UTF8MB3,
    CS_UTF8MB4
};
struct run { /* collation ids first…last have this character set */
    uint16_t first, last;
    enum charset_id charset;
};
#include "schemas/charset_tables.inc"

struct charset;
/* The code point at p (n ≥ 1) and its length. */
typedef uint32_t next_fn(const struct charset *c, const uint8_t *p, size_t n, size_t *used);
static next_fn next_single, next_swe7, next_multi, next_ucs2, next_utf16, next_utf16le, next_utf32;

struct charset {
    const char *name;
    unsigned max_bytes;
    next_fn *next;          /* NULL: UTF-8 */
    const uint16_t *points; /* of the bytes 80–ff (swe7: of all); 0: none */
    enum charset_multi multi;
    uint32_t last_point; /* of UTF-8 */
};

#define SINGLE(name_)                                                                              \
    {                                                                                              \
        .name = #name_, .max_bytes = 1, .next = next_single, .points = points_##name_              \
    }
#define MULTI(name_, max_, which)                                                                  \
    {                                                                                              \
        .name = #name_, .max_bytes = max_, .next = next_multi, .multi = which                      \
    }
#define UTF8(name_, max_, last_)                                                                   \
    {                                                                                              \
        .name = #name_, .max_bytes = max_, .last_point = last_                                     \
    }
#define WIDE(name_, max_)                                                                          \
    {                                                                                              \
        .name = #name_, .max_bytes = max_, .next = next_##name_                                    \
    }

static const struct charset charsets[] = {
    [CS_ARMSCII8] = SINGLE(armscii8),
    [CS_ASCII] = UTF8(ascii, 1, 0x7f),
    [CS_BIG5] = MULTI(big5, 2, CHARSET_BIG5),
    [CS_BINARY] = UTF8(binary, 1, 0x10ffff),
    [CS_CP1250] = SINGLE(cp1250),
    [CS_CP1251] = SINGLE(cp1251),
    [CS_CP1256] = SINGLE(cp1256),
    [CS_CP1257] = SINGLE(cp1257),
    [CS_CP850] = SINGLE(cp850),
    [CS_CP852] = SINGLE(cp852),
    [CS_CP866] = SINGLE(cp866),
    [CS_CP932] = MULTI(cp932, 2, CHARSET_CP932),
    [CS_DEC8] = SINGLE(dec8),
    [CS_EUCJPMS] = MULTI(eucjpms, 3, CHARSET_EUCJPMS),
    [CS_EUCKR] = MULTI(euckr, 2, CHARSET_EUCKR),
    [CS_GB18030] = MULTI(gb18030, 4, CHARSET_GB18030),
    [CS_GB2312] = MULTI(gb2312, 2, CHARSET_GB2312),
    [CS_GBK] = MULTI(gbk, 2, CHARSET_GBK),
    [CS_GEOSTD8] = SINGLE(geostd8),
    [CS_GREEK] = SINGLE(greek),
    [CS_HEBREW] = SINGLE(hebrew),
    [CS_HP8] = SINGLE(hp8),
    [CS_KEYBCS2] = SINGLE(keybcs2),
    [CS_KOI8R] = SINGLE(koi8r),
    [CS_KOI8U] = SINGLE(koi8u),
    [CS_LATIN1] = SINGLE(latin1),
    [CS_LATIN2] = SINGLE(latin2),
    [CS_LATIN5] = SINGLE(latin5),
    [CS_LATIN7] = SINGLE(latin7),
    [CS_MACCE] = SINGLE(macce),
    [CS_MACROMAN] = SINGLE(macroman),
    [CS_SJIS] = MULTI(sjis, 2, CHARSET_SJIS),
    [CS_SWE7] = {.name = "swe7", .max_bytes = 1, .next = next_swe7, .points = points_swe7},
    [CS_TIS620] = SINGLE(tis620),
    [CS_UCS2] = WIDE(ucs2, 2),
    [CS_UJIS] = MULTI(ujis, 3, CHARSET_UJIS),
    [CS_UTF16] = WIDE(utf16, 4),
    [CS_UTF16LE] = WIDE(utf16le, 4),
    [CS_UTF32] = WIDE(utf32, 4),
    [CS_UTF8MB3] = UTF8(utf8mb3, 3, 0xffff),
    [CS_UTF8MB4] = UTF8(utf8mb4, 4, 0x10ffff),
};

static const struct charset *find(uint16_t collation_id)
{
    size_t low = 0, high = sizeof runs / sizeof runs[0];
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (collation_id > runs[middle].last)
            low = middle + 1;
        else if (collation_id < runs[middle].first)
            high = middle;
        else
            return &charsets[runs[middle].charset];
    }
    return NULL;
}

const char *charset_name(uint16_t collation_id)
{
    const struct charset *c = find(collation_id);
    return c ? c->name : NULL;
}

unsigned charset_max_bytes(uint16_t collation_id)
{
    const struct charset *c = find(collation_id);
    return c ? c->max_bytes : 0;
}

bool charset_is_utf8_compatible(uint16_t collation_id)
{
    const struct charset *c = find(collation_id);
    return c && !c->next && c != &charsets[CS_BINARY];
}

static uint32_t next_single(const struct charset *c, const uint8_t *p, size_t n, size_t *used)
{
    (void)n;
    *used = 1;
    if (p[0] < 0x80)
        return p[0];
    return c->points[p[0] - 0x80] ? c->points[p[0] - 0x80] : NOT_A_CHARACTER;
}

static uint32_t next_swe7(const struct charset *c, const uint8_t *p, size_t n, size_t *used)
{
    (void)n;
    *used = 1;
    return c->points[p[0]] || p[0] == 0 ? c->points[p[0]] : NOT_A_CHARACTER;
}

static uint32_t next_multi(const struct charset *c, const uint8_t *p, size_t n, size_t *used)
{
    uint32_t point = charset_multi_next(c->multi, p, n, used);
    return point == 0 && p[0] != 0 ? NOT_A_CHARACTER : point;
}

static bool is_surrogate(uint32_t point)
{
    return point >= 0xd800 && point <= 0xdfff;
}

static uint32_t next_ucs2(const struct charset *c, const uint8_t *p, size_t n, size_t *used)
{
    (void)c;
    *used = 2;
    if (n < 2)
        return NOT_A_CHARACTER;
    uint32_t unit = (uint32_t)p[0] << 8 | p[1];
    return is_surrogate(unit) ? NOT_A_CHARACTER : unit;
}

static uint32_t join_surrogates(uint32_t high, uint32_t low)
{
    if (high > 0xdbff || low < 0xdc00 || low > 0xdfff)
        return NOT_A_CHARACTER;
    return 0x10000 + ((high - 0xd800) << 10 | (low - 0xdc00));
}

static uint32_t next_utf16_units(const uint8_t *p, size_t n, unsigned high_byte, size_t *used)
{
    *used = 2;
    if (n < 2)
        return NOT_A_CHARACTER;
    uint32_t unit = (uint32_t)p[high_byte] << 8 | p[!high_byte];
    if (!is_surrogate(unit))
        return unit;
    *used = 4;
    if (n < 4)
        return NOT_A_CHARACTER;
    return join_surrogates(unit, (uint32_t)p[2 + high_byte] << 8 | p[2 + !high_byte]);
}

static uint32_t next_utf16(const struct charset *c, const uint8_t *p, size_t n, size_t *used)
{
    (void)c;
    return next_utf16_units(p, n, 0, used);
}

static uint32_t next_utf16le(const struct charset *c, const uint8_t *p, size_t n, size_t *used)
{
    (void)c;
    return next_utf16_units(p, n, 1, used);
}

static uint32_t next_utf32(const struct charset *c, const uint8_t *p, size_t n, size_t *used)
{
    (void)c;
    *used = 4;
    if (n < 4)
        return NOT_A_CHARACTER;
    uint32_t point = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    return point > 0x10ffff || is_surrogate(point) ? NOT_A_CHARACTER : point;
}

static size_t put_point(uint8_t *to, uint32_t point)
{
    if (point < 0x80) {
        to[0] = (uint8_t)point;
        return 1;
    }
    size_t n = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--, point >>= 6)
        to[i] = (uint8_t)(0x80 | (point & 0x3f));
    to[0] = (uint8_t)(lead[n] | point);
    return n;
}

static inline uint64_t high_bits(const uint8_t *p)
{
    uint64_t eight;
    memcpy(&eight, p, sizeof eight);
    return eight & 0x8080808080808080u;
}

/* Whether all is ASCII, 32 bytes at a time; the last words overlap. */
static bool is_ascii(const uint8_t *p, size_t n)
{
    size_t i = 0;
    if (n < 8) {
        for (; i < n && p[i] < 0x80; i++)
            ;
        return i == n;
    }
    for (; i + 32 <= n; i += 32) {
        if (high_bits(p + i) | high_bits(p + i + 8) | high_bits(p + i + 16) | high_bits(p + i + 24))
            return false;
    }
    uint64_t high = high_bits(p + n - 8);
    for (; i + 8 < n; i += 8)
        high |= high_bits(p + i);
    return high == 0;
}

/* Bytes of the ASCII run at p, eight at a time. */
static size_t ascii_run(const uint8_t *p, size_t n)
{
    size_t i = 0;
    while (i + 8 <= n && !high_bits(p + i))
        i += 8;
    while (i < n && p[i] < 0x80)
        i++;
    return i;
}

static size_t utf8_length(uint8_t lead)
{
    if (lead >= 0xc2 && lead <= 0xdf)
        return 2;
    if (lead >= 0xe0 && lead <= 0xef)
        return 3;
    return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

/* The length of the well-formed non-ASCII character at p, 0 if there is none. */
static size_t utf8_character(const uint8_t *p, size_t n, uint32_t last_point)
{
    static const uint32_t shortest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = utf8_length(p[0]);
    if (length == 0 || length > n)
        return 0;
    uint32_t point = p[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (p[i] & 0x3f);
    }
    return point < shortest[length] || point > last_point || is_surrogate(point) ? 0 : length;
}

static bool is_utf8(const uint8_t *p, size_t n, uint32_t last_point)
{
    if (is_ascii(p, n))
        return true;
    size_t i = ascii_run(p, n);
    while (i < n) {
        size_t length = utf8_character(p + i, n - i, last_point);
        if (length == 0)
            return false;
        i += length;
        i += ascii_run(p + i, n - i);
    }
    return true;
}

bool charset_is_valid_utf8(const void *p, size_t n)
{
    return is_utf8(p, n, 0x10ffff);
}

/* Appends by blocks, so that a text needs few reservations. */
static bool convert(const struct charset *c, const uint8_t *p, size_t n, struct buf *out)
{
    uint8_t block[512];
    size_t filled = 0;
    while (n > 0) {
        size_t used;
        uint32_t point = c->next(c, p, n, &used);
        if (point == NOT_A_CHARACTER)
            return false;
        assert(used <= n);
        filled += put_point(block + filled, point);
        p += used;
        n -= used;
        if (filled + 4 > sizeof block || n == 0) {
            buf_put(out, block, filled);
            filled = 0;
        }
    }
    return true;
}

#define REPLACEMENT 0xfffdu

/* swe7 has letters where ASCII has brackets and the like. The backquote is a quote all the same:
 * the server cuts the text before it converts it. */
static bool is_ascii_to_swe7(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != '`' && points_swe7[p[i]] != p[i])
            return false;
    return true;
}

static void convert_statement(const struct charset *c, const uint8_t *p, size_t n, struct buf *out)
{
    while (n > 0) {
        uint8_t character[4];
        size_t used;
        uint32_t point = c->next(c, p, n, &used);
        if (point == NOT_A_CHARACTER) {
            point = REPLACEMENT;
            used = c->next == next_multi ? charset_multi_skip(c->multi, p, n) : 1;
        }
        buf_put(out, character, put_point(character, point));
        p += used;
        n -= used;
    }
}

bool charset_statement_to_utf8(uint16_t collation_id, const void *p, size_t n, struct buf *out)
{
    const struct charset *c = find(collation_id);
    if (c && c->next == next_swe7)
        return is_ascii_to_swe7(p, n);
    if (is_ascii(p, n))
        return true;
    if (!c || (c->next && c->next != next_single && c->next != next_multi))
        return false;
    if (c->next)
        convert_statement(c, p, n, out);
    return true;
}

bool charset_to_utf8(uint16_t collation_id, const void *p, size_t n, struct buf *out)
{
    const struct charset *c = find(collation_id);
    if (!c)
        return false;
    if (!c->next) {
        if (!is_utf8(p, n, c->last_point))
            return false;
        buf_put(out, p, n);
        return true;
    }
    size_t before = out->len;
    if (convert(c, p, n, out))
        return true;
    out->len = before;
    if (out->data)
        out->data[before] = 0;
    return false;
}
