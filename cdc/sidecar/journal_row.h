/* cdc/sidecar/journal_row.h — the statements on _sluice.journal: one document a decided switch
 * (cdc/sidecar/journal.h), on every server of the side that was left.
 *
 * Readers of the log find it there as it is inserted.
 */
#ifndef SLUICE_CDC_SIDECAR_JOURNAL_ROW_H
#define SLUICE_CDC_SIDECAR_JOURNAL_ROW_H

#include "cdc/sidecar/journal.h"
#include "cdc/sidecar/sidecar_table.h"

extern const struct sidecar_table journal_row_table;

/* Inserts the journal; one of that id that is there already stays. */
bool journal_row_insert(struct my_conn *c, const struct cdc_journal *j, struct err *e) WARN_UNUSED;
bool journal_row_exists(struct my_conn *c, int64_t id, bool *yes, struct err *e) WARN_UNUSED;
/* Calls fn with every document, by id; none where there is no such table. */
bool journal_rows_each(struct my_conn *c, void (*fn)(void *ctx, const char *json), void *ctx,
                       struct err *e) WARN_UNUSED;

#endif
