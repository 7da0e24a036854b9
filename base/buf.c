/* base/buf.c — the growable buffer: growth by half, sticky failure at its maximum. */
#include "base/buf.h"

#include "base/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_fini(struct buf *b)
{
    free(b->data);
    *b = (struct buf){.max = b->max};
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = 0;
}

static size_t grown_capacity(size_t cap, size_t need, size_t max)
{
    size_t grown = cap < 64 ? 64 : cap + cap / 2;
    if (grown < need)
        grown = need;
    return grown > max ? max : grown;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
    size_t max = b->max ? b->max : BUF_DEFAULT_MAX;
    if (b->failed || n > max || b->len > max - n) {
        b->failed = true;
        return NULL;
    }
    if (!b->data || b->len + n > b->cap) {
        b->cap = grown_capacity(b->cap, b->len + n, max);
        b->data = mem_realloc(b->data, b->cap + 1, 1); /* + 1 for the zero behind */
        b->data[b->len] = 0;
    }
    assert(b->len + n <= b->cap && b->cap <= max);
    return b->data + b->len;
}

/* The bytes at the end were written by the caller of buf_reserve. */
static bool advance(struct buf *b, size_t n)
{
    b->len += n;
    b->data[b->len] = 0;
    return true;
}

bool buf_put(struct buf *b, const void *p, size_t n)
{
    uint8_t *to = buf_reserve(b, n);
    if (!to)
        return false;
    if (n)
        memcpy(to, p, n);
    return advance(b, n);
}

bool buf_put_str(struct buf *b, const char *s)
{
    return buf_put(b, s, strlen(s));
}

bool buf_put_u8(struct buf *b, uint8_t v)
{
    uint8_t *to = buf_reserve(b, 1);
    if (!to)
        return false;
    *to = v;
    return advance(b, 1);
}

bool buf_put_le(struct buf *b, uint64_t v, unsigned n_bytes)
{
    assert(n_bytes >= 1 && n_bytes <= 8);
    uint8_t bytes[8];
    for (unsigned i = 0; i < n_bytes; i++)
        bytes[i] = (uint8_t)(v >> (8 * i));
    return buf_put(b, bytes, n_bytes);
}

bool buf_put_be(struct buf *b, uint64_t v, unsigned n_bytes)
{
    assert(n_bytes >= 1 && n_bytes <= 8);
    uint8_t bytes[8];
    for (unsigned i = 0; i < n_bytes; i++)
        bytes[n_bytes - 1 - i] = (uint8_t)(v >> (8 * i));
    return buf_put(b, bytes, n_bytes);
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    uint8_t *to = n < 0 ? NULL : buf_reserve(b, (size_t)n);
    if (to)
        vsnprintf((char *)to, (size_t)n + 1, fmt, again);
    va_end(again);
    if (!to) {
        b->failed = true;
        return false;
    }
    return advance(b, (size_t)n);
}

bool buf_put_u64(struct buf *b, uint64_t v)
{
    char digits[20];
    unsigned at = sizeof digits;
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    return buf_put(b, digits + at, sizeof digits - at);
}

bool buf_put_i64(struct buf *b, int64_t v)
{
    if (v >= 0)
        return buf_put_u64(b, (uint64_t)v);
    return buf_reserve(b, 20) && buf_put_u8(b, '-') && buf_put_u64(b, 0 - (uint64_t)v);
}

bool buf_put_hex(struct buf *b, const void *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *from = p;
    uint8_t *to = n > SIZE_MAX / 2 ? NULL : buf_reserve(b, 2 * n);
    if (!to) {
        b->failed = true;
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        to[2 * i] = (uint8_t)digits[from[i] >> 4];
        to[2 * i + 1] = (uint8_t)digits[from[i] & 15];
    }
    return advance(b, 2 * n);
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool buf_put_base64(struct buf *b, const void *p, size_t n)
{
    const uint8_t *s = p;
    uint8_t *to = n > SIZE_MAX / 2 ? NULL : buf_reserve(b, (n + 2) / 3 * 4);
    if (!to) {
        b->failed = true;
        return false;
    }
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)s[i] << 16;
        v |= i + 1 < n ? (uint32_t)s[i + 1] << 8 : 0;
        v |= i + 2 < n ? (uint32_t)s[i + 2] : 0;
        *to++ = (uint8_t)base64_digits[v >> 18];
        *to++ = (uint8_t)base64_digits[v >> 12 & 63];
        *to++ = (uint8_t)(i + 1 < n ? base64_digits[v >> 6 & 63] : '=');
        *to++ = (uint8_t)(i + 2 < n ? base64_digits[v & 63] : '=');
    }
    return advance(b, (n + 2) / 3 * 4);
}

/* The short JSON escape letter of c, 'u' for \u00xx, 0 when c stays as it is. */
static char json_escape(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return c < 0x20 ? 'u' : 0;
    }
}

static bool put_json_escape(struct buf *b, unsigned char c, char letter)
{
    if (letter == 'u')
        return buf_printf(b, "\\u%04x", c);
    const char pair[2] = {'\\', letter};
    return buf_put(b, pair, 2);
}

bool buf_put_json_escaped(struct buf *b, const char *s, size_t n)
{
    size_t before = b->len, run = 0;
    for (size_t i = 0; i < n; i++) {
        char letter = json_escape((unsigned char)s[i]);
        if (!letter)
            continue;
        buf_put(b, s + run, i - run);
        put_json_escape(b, (unsigned char)s[i], letter);
        run = i + 1;
    }
    if (buf_put(b, s + run, n - run))
        return true;
    if (b->data) { /* a write that fails stays without effect */
        b->len = before;
        b->data[before] = 0;
    }
    return false;
}

bool buf_put_ident(struct buf *b, const char *name)
{
    size_t n = strlen(name);
    uint8_t *to = n > SIZE_MAX / 2 - 2 ? NULL : buf_reserve(b, 2 * n + 2);
    if (!to) {
        b->failed = true;
        return false;
    }
    uint8_t *end = to;
    *end++ = '`';
    for (; *name; name++) {
        if (*name == '`')
            *end++ = '`';
        *end++ = (uint8_t)*name;
    }
    *end++ = '`';
    return advance(b, (size_t)(end - to));
}

bool buf_put_table_name(struct buf *b, const char *database, const char *table)
{
    return buf_put_ident(b, database) && buf_put_u8(b, '.') && buf_put_ident(b, table);
}

static char sql_escape(uint8_t c)
{
    switch (c) {
    case 0:
        return '0';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case 0x1a:
        return 'Z';
    case '\\':
    case '\'':
        return (char)c;
    default:
        return 0;
    }
}

bool buf_put_sql_string(struct buf *b, const void *p, size_t n)
{
    const uint8_t *s = p;
    size_t escapes = 0;
    for (size_t i = 0; i < n; i++)
        escapes += sql_escape(s[i]) != 0;
    uint8_t *to = n > SIZE_MAX / 2 - 2 ? NULL : buf_reserve(b, n + escapes + 2);
    if (!to) {
        b->failed = true;
        return false;
    }
    *to++ = '\'';
    for (size_t i = 0; i < n; i++) {
        char letter = sql_escape(s[i]);
        if (letter)
            *to++ = '\\';
        *to++ = letter ? (uint8_t)letter : s[i];
    }
    *to = '\'';
    return advance(b, n + escapes + 2);
}

bool buf_put_sql_text(struct buf *b, const char *before, const char *text)
{
    return buf_put_str(b, before) && buf_put_sql_string(b, text, strlen(text));
}

const char *buf_str(const struct buf *b)
{
    return b->data ? (const char *)b->data : "";
}

char *buf_take(struct buf *b)
{
    char *out = b->data ? (char *)b->data : mem_strdup("");
    *b = (struct buf){.max = b->max};
    return out;
}
