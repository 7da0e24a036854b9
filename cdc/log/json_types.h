/* cdc/log/json_types.h — the SQL types of a JSON document's scalars, which its text does not tell.
 *
 * MySQL keeps a type with every scalar of a document. As text a DECIMAL looks as a DOUBLE does, an
 * UNSIGNED INTEGER as an INTEGER, a date or a BLOB as a string; read back, it would be that. So a
 * document that is moved as text goes with its types: one letter a scalar, in the text's order.
 * Knows no server: the log's documents tell their types themselves, a copy asks for them with the
 * expression that is made here.
 */
#ifndef SLUICE_CDC_LOG_JSON_TYPES_H
#define SLUICE_CDC_LOG_JSON_TYPES_H

#include "cdc/log/jsonb.h"

enum json_type {
    JSON_TYPE_PLAIN = '-', /* what the text says */
    JSON_TYPE_DECIMAL = 'd',
    JSON_TYPE_UNSIGNED = 'u',
    JSON_TYPE_DATE = 'D',
    JSON_TYPE_TIME = 'T',
    JSON_TYPE_DATETIME = 'M',
    JSON_TYPE_TIMESTAMP = 'S',
    JSON_TYPE_OPAQUE = 'o',  /* bytes; the text says of which column type */
    JSON_TYPE_UNKNOWN = '?', /* none of these */
};

/* One letter for each scalar of a document, in the order of its text. */
void json_types_of(const struct jsonb_node *node, struct buf *letters);
/* An SQL expression of MySQL ≥ 8.0.4 whose value is the same for a column (quoted), NULL for a
 * document without scalars. Of a large document (over 256 KiB) it says only whether every scalar is
 * plain (NULL) or not (a single '?'): its nodes cannot be listed in time that grows with their
 * number alone. */
void json_types_select(const char *column, struct buf *sql);
/* Whether there is anything that the text does not tell. */
bool json_types_told(const char *letters, size_t n);

/* A scalar that is not what the text says. */
struct json_typed {
    enum json_type type;
    const struct buf *path; /* a path of the server's: $."a"[3] */
    const char *text; /* the scalar as it stands in the document; a string without its quotes */
    size_t n;
};
typedef bool (*json_typed_fn)(void *arg, const struct json_typed *value, struct err *e);
/* Calls fn for each of them, in the text's order. An UNSIGNED INTEGER that no INTEGER can be is
 * plain. ERR_LOG_FORMAT: letters and text are not of one document. ERR_LOG_UNSUPPORTED: '?'. */
bool json_types_walk(const char *text, size_t n, const char *letters, size_t n_letters,
                     json_typed_fn fn, void *arg, struct err *e) WARN_UNUSED;

#endif
