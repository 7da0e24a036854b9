/* schemas/sharding/vindex_input.h — a value that is given as text becomes a vindex's input, by the
 * type of its column. Pure.
 *
 * '007' is the number 7 in an INT column and three characters in a VARCHAR: the text alone does not
 * say which, and the two map to different shards.
 */
#ifndef SLUICE_SCHEMAS_SHARDING_VINDEX_INPUT_H
#define SLUICE_SCHEMAS_SHARDING_VINDEX_INPUT_H

#include "schemas/sharding/vindex.h"
#include "schemas/table.h"

/* p, n: the value as the servers' text protocol gives it (UTF-8 for text columns, bytes for binary
 * ones), p NULL for NULL; borrowed by *out. ERR_VINDEX: the column's type cannot be a sharding key,
 * or the text is none of its values. */
bool vindex_input_of_text(const struct schema_column *c, const char *p, size_t n,
                          struct vindex_input *out, struct err *e) WARN_UNUSED;

#endif
