/* base/text.c — text that a terminal may be given. */
#include "base/text.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Length of the valid UTF-8 sequence at s, 0 if there is none; its code point in *code. */
static size_t utf8_decode(const unsigned char *s, size_t left, uint32_t *code)
{
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (s[0] > 0xf4 || n > left)
        return 0;
    *code = n <= 1 ? s[0] : s[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (s[i] & 0x3fu);
    }
    bool too_long = (n == 3 && *code < 0x800) || (n == 4 && *code < 0x10000);
    bool surrogate = *code >= 0xd800 && *code <= 0xdfff;
    return too_long || surrogate || *code > 0x10ffff ? 0 : n;
}

bool text_is_utf8(const char *s, size_t n)
{
    uint32_t code;
    for (size_t i = 0, len; i < n; i += len) {
        len = utf8_decode((const unsigned char *)s + i, n - i, &code);
        if (len == 0)
            return false;
    }
    return true;
}

static bool acts_on_terminals(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f;
}

size_t text_shown_len(const char *s, size_t left)
{
    uint32_t code = 0;
    size_t n = utf8_decode((const unsigned char *)s, left, &code);
    return n > 0 && !acts_on_terminals(code) ? n : 0;
}

bool text_put_printable(struct buf *b, const char *s, size_t n, const char *keep)
{
    for (size_t i = 0, len; i < n; i += len) {
        len = text_shown_len(s + i, n - i);
        if (len == 0 && s[i] != '\0' && strchr(keep, s[i]))
            len = 1;
        if (len > 0) {
            buf_put(b, s + i, len);
        } else {
            buf_printf(b, "\\x%02x", (unsigned char)s[i]);
            len = 1;
        }
    }
    return !b->failed;
}

bool text_put_json_printable(struct buf *b, const char *json, size_t n)
{
    for (size_t i = 0, len; i < n; i += len) {
        uint32_t code = 0;
        len = utf8_decode((const unsigned char *)json + i, n - i, &code);
        if (len == 0) {
            buf_put_str(b, "\\ufffd");
            len = 1;
        } else if (acts_on_terminals(code) && code != '\n') {
            buf_printf(b, "\\u%04x", (unsigned)code);
        } else {
            buf_put(b, json + i, len);
        }
    }
    return !b->failed;
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

size_t text_distance(const char *a, const char *b)
{
    size_t n = strlen(b);
    size_t *row = mem_calloc(n + 1, sizeof *row);
    for (size_t k = 0; k <= n; k++)
        row[k] = k;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t k = 0; k < n; k++) {
            size_t above = row[k + 1];
            row[k + 1] = smallest(above + 1, row[k] + 1, diagonal + (lower(a[i]) != lower(b[k])));
            diagonal = above;
        }
    }
    size_t found = row[n];
    free(row);
    return found;
}

#define NEAR_WORD_MAX 64 /* longer ones are no misspelt names */

const char *text_nearest(const char *word, const char *const *words, size_t n)
{
    const char *best = NULL;
    size_t best_distance = 4;
    for (size_t i = 0; i < n && strlen(word) <= NEAR_WORD_MAX; i++) {
        size_t d = text_distance(word, words[i]);
        if (d < best_distance && strlen(words[i]) <= NEAR_WORD_MAX) {
            best_distance = d;
            best = words[i];
        }
    }
    return best;
}
