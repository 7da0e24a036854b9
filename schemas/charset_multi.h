/* schemas/charset_multi.h — one character of the East Asian character sets. For schemas/charset.c.
 */
#ifndef SLUICE_SCHEMAS_CHARSET_MULTI_H
#define SLUICE_SCHEMAS_CHARSET_MULTI_H

#include <stddef.h>
#include <stdint.h>

enum charset_multi {
    CHARSET_BIG5,
    CHARSET_CP932,
    CHARSET_EUCJPMS,
    CHARSET_EUCKR,
    CHARSET_GB18030,
    CHARSET_GB2312,
    CHARSET_GBK,
    CHARSET_SJIS,
    CHARSET_UJIS,
    CHARSET_MULTI_COUNT
};
/* The code point of the character at p (n ≥ 1) and its length in bytes; 0: no character. Thread:
 * any. */
uint32_t charset_multi_next(enum charset_multi which, const uint8_t *p, size_t n, size_t *used);
/* The length of what charset_multi_next found to be no character: 2 where the servers' lexers take
 * the bytes for one by their form alone, else 1. n ≥ 1. Thread: any. */
size_t charset_multi_skip(enum charset_multi which, const uint8_t *p, size_t n);

#endif
