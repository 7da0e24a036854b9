/* base/text.h — text that a terminal may be given: no byte in it moves the cursor, changes a title
 * or turns the direction of writing. */
#ifndef SLUICE_BASE_TEXT_H
#define SLUICE_BASE_TEXT_H

#include "base/buf.h"

/* Is it UTF-8 as JSON readers take it: no overlong form, no surrogate? Zero bytes are characters.
 */
bool text_is_utf8(const char *s, size_t n);
/* Length of the character at s if it is valid UTF-8 and may be shown as it is; 0 for a control (C0,
 * DEL, C1), a line separator, a control of writing direction and each byte that is no UTF-8.
 * left: bytes from s on, at least 1. */
size_t text_shown_len(const char *s, size_t left);
/* The n bytes at s with everything that may not be shown as \xNN. keep: control characters that
 * stay, such as "\n\t"; "" for one line. */
bool text_put_printable(struct buf *b, const char *s, size_t n, const char *keep);
/* The same for a JSON document: characters that may not be shown become \uNNNN, which is the same
 * string to a JSON reader; line ends between values stay. */
bool text_put_json_printable(struct buf *b, const char *json, size_t n);

/* How far two words are apart: characters to insert, remove or exchange; ASCII letters that differ
 * by case only cost nothing. */
size_t text_distance(const char *a, const char *b);
/* The one of the words that is nearest to the given one, for an error's message; NULL where none is
 * nearer than four characters. Borrowed from words. */
const char *text_nearest(const char *word, const char *const *words, size_t n);

#endif
