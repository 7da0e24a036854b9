/* cdc/sidecar/epoch_row.h — the statements on _sluice.epoch: who may write for a stream.
 *
 * The row is locked FOR SHARE (MariaDB: LOCK IN SHARE MODE) as the first statement of every
 * transaction that we write, compared, and kept locked until the commit. A new owner raises it, and
 * commits that, before it reads positions and progress.
 */
#ifndef SLUICE_CDC_SIDECAR_EPOCH_ROW_H
#define SLUICE_CDC_SIDECAR_EPOCH_ROW_H

#include "cdc/sidecar/sidecar_table.h"

extern const struct sidecar_table epoch_row_table;

/* For my_prepare: reads and locks the epoch; parameters workflow, stream. */
extern const char epoch_row_read_sql[];
/* For my_prepare: makes the row, or raises it; parameters workflow, stream, epoch, epoch. */
extern const char epoch_row_take_over_sql[];

/* Raises the epochs of all streams of a workflow that stand below `epoch`, and says how many stand
 * above it; those are locked. Inside a transaction. */
bool epoch_rows_raise(struct my_conn *c, const char *workflow_key, uint64_t epoch,
                      uint64_t *n_above, struct err *e) WARN_UNUSED;

#endif
