/* schemas/sharding/vindex_line.h — one line of `sluice vindex --stdin`: a vindex, its input, and
 * what it maps to. */
#ifndef SLUICE_SCHEMAS_SHARDING_VINDEX_LINE_H
#define SLUICE_SCHEMAS_SHARDING_VINDEX_LINE_H

#include "schemas/sharding/vindex.h"

/* line: `type TAB params-json TAB input-type(s) TAB input(s)`; further columns are ignored.
 * type: a vindex type, or `reverse:TYPE` (input type KSID-HEX), or `range:TYPE` (two inputs), or
 * `TYPE(prefix)` (the pattern of a LIKE).
 * An input is a JSON string, hex:… or NULL; several are joined by ','.
 * Appends, without a line end: the keyspace id in hex, KEYRANGE:start-end, ALLSHARDS, NONE, `ERR: text`,
 * `CREATE-ERR: text`, or for reverse: `UINT64:"1"`, `VARBINARY:…`. False (ERR_USAGE, nothing
 * appended): the line is not of this form. Thread: any. */
bool vindex_line_eval(const char *line, struct buf *out, struct err *e) WARN_UNUSED;

/* The input as the column type (INT64, UINT64, VARCHAR, …, NULL_TYPE) gives it to a vindex; p is
 * borrowed. */
void vindex_input_of_type(const char *type, const void *p, size_t n, struct vindex_input *out);

#endif
