/* schemas/charset.h — text of every character set of the servers to UTF-8, as their own CONVERT
 * does it. */
#ifndef SLUICE_SCHEMAS_CHARSET_H
#define SLUICE_SCHEMAS_CHARSET_H

#include "base/buf.h"

/* Name of the character set of a collation id of either server ("utf8mb4"), "binary" for 63; NULL:
 * unknown. */
const char *charset_name(uint16_t collation_id);
/* The longest character in bytes, as information_schema.CHARACTER_SETS says; 0: unknown. */
unsigned charset_max_bytes(uint16_t collation_id);
/* Valid text is UTF-8 as it is: utf8mb4, utf8mb3, ascii. (It may still hold invalid bytes.) */
bool charset_is_utf8_compatible(uint16_t collation_id);
/* Appends the text in UTF-8. False, and nothing is appended: there are bytes that are no character
 * there (or a surrogate alone), or the collation is unknown. `binary` is taken as UTF-8. Thread:
 * any. */
bool charset_to_utf8(uint16_t collation_id, const void *p, size_t n, struct buf *out);
/* A statement in the character set of its session, as the server's lexer walks over it: what is no
 * character (in a string, a name has none) becomes U+FFFD and hides no quote. Appends nothing, and
 * is true, where the bytes are UTF-8 or ASCII as they are: take those. False, and nothing is
 * appended: the collation is unknown, or its character set has other characters at ASCII's places,
 * so that quotes are not where they seem. Thread: any. */
bool charset_statement_to_utf8(uint16_t collation_id, const void *p, size_t n, struct buf *out);
/* Whole, shortest-form UTF-8 without surrogates. */
bool charset_is_valid_utf8(const void *p, size_t n);

#endif
