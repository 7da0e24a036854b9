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

#endif
