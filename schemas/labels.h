/* schemas/labels.h — labels of ENUM and SET columns: kept with their length, compared, and as SQL.
 */
#ifndef SLUICE_SCHEMAS_LABELS_H
#define SLUICE_SCHEMAS_LABELS_H

#include "schemas/table.h"

/* Appends a label that is UTF-8. */
void schema_labels_add(struct schema_column *c, const void *utf8, size_t n);
/* Appends one whose bytes are in the column's character set (utf8mb4 where that is unknown). */
void schema_labels_add_bytes(struct schema_column *c, const void *p, size_t n);
/* Appends one that is no text. */
void schema_labels_add_unreadable(struct schema_column *c, const void *p, size_t n);
void schema_labels_clear(struct schema_column *c);
/* `to` has none of its own, or borrowed ones, which are only overwritten. */
void schema_labels_copy(struct schema_column *to, const struct schema_column *from);
bool schema_label_same(const struct schema_label *a, const struct schema_label *b);
/* The same labels in the same order. */
bool schema_labels_same(const struct schema_column *a, const struct schema_column *b);
/* All are text, so that they can be converted between character sets. */
bool schema_labels_are_text(const struct schema_column *c);
/* Labels that were read out of a server's text are all that they are: see labels.c. */
bool schema_labels_are_whole(const struct schema_column *c);
/* For messages: the text, or 0x and hexadecimal digits. */
void schema_label_describe(const struct schema_label *l, struct buf *out);
/* "'a','b'" as it stands in a CREATE TABLE that is sent as utf8mb4. */
void schema_labels_put_sql(const struct schema_column *c, struct buf *out);

#endif
