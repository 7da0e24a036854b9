/* cdc/sidecar/fence_row.h — the statements on _sluice.fence_<hash> and _sluice.fence_<hash>_x: the
 * row that the fence triggers of a shard read (vrepl/workflow/fence_trigger.c says why so).
 *
 * `name` is the first table's name (vrepl/move/object_names.h). DDL carries the comment
 * "sluice:<workflow key>", by which readers of the log know it as ours.
 */
#ifndef SLUICE_CDC_SIDECAR_FENCE_ROW_H
#define SLUICE_CDC_SIDECAR_FENCE_ROW_H

#include "cdc/sidecar/sidecar_table.h"

extern const struct sidecar_table fence_row_table;

/* Makes both tables and the row, which lets everybody pass. Commits. */
bool fence_row_make(struct my_conn *c, const char *name, const char *workflow_key,
                    struct err *e) WARN_UNUSED;
/* Appends the statements of a trigger's body that set its variable `variable` to the row's
 * `closed`, or to NULL when the row is not there. */
void fence_row_put_reading(struct buf *sql, const char *name, const char *variable);
/* Appends the LOCK TABLES statement that waits for every writer whose trigger has read the row. */
void fence_row_put_hold(struct buf *sql, const char *name);
/* Appends a statement that locks the row until the transaction ends. */
void fence_row_put_gate(struct buf *sql, const char *name);
/* Appends the DROP TABLE statement of both tables. */
void fence_row_put_drop(struct buf *sql, const char *name, const char *workflow_key);
/* Commits the row's new value. matched may be NULL. */
bool fence_row_set(struct my_conn *c, const char *name, bool closed, uint64_t *matched,
                   struct err *e) WARN_UNUSED;
/* *closed false also without the row; without the table an error (sidecar_is_absent). */
bool fence_row_read(struct my_conn *c, const char *name, bool *closed, struct err *e) WARN_UNUSED;
/* Renames a table of that name, made for this, there and back: microseconds for one renaming. */
bool fence_row_measure_rename(struct my_conn *c, const char *name, int64_t *took_us,
                              struct err *e) WARN_UNUSED;

#endif
