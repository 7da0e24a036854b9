/* sinks/format/typed.h — rows without an encoder: every value is brought to its typed form
 * (numbers, decimals without their point, fields of dates and times, UTF-8 text, JSON text) and
 * thrown away. For measuring, and for finding values that cannot be read. Thread: one.
 */
#ifndef SLUICE_SINKS_FORMAT_TYPED_H
#define SLUICE_SINKS_FORMAT_TYPED_H

#include "cdc/log/value.h"

struct typed_rows;
struct typed_rows *typed_rows_new(void);
void typed_rows_free(struct typed_rows *t);
/* The rows that follow are of this table, until the next call. */
void typed_rows_table(struct typed_rows *t, const struct schema_table *table);
bool typed_rows_row(struct typed_rows *t, const struct cdc_row *row, struct err *e) WARN_UNUSED;

#endif
