/* cdc/sidecar/position_row.h — the statements on _sluice.position: how far a stream is applied.
 *
 * The row's UPDATE is the first write of every transaction that we apply: its table map marks the
 * transaction with its origin, the workflow's key, before any row of the user's
 * (cdc/sidecar/origin.h).
 */
#ifndef SLUICE_CDC_SIDECAR_POSITION_ROW_H
#define SLUICE_CDC_SIDECAR_POSITION_ROW_H

#include "cdc/sidecar/sidecar_table.h"

extern const struct sidecar_table position_row_table;

/* For my_prepare; the parameters' order stands behind each. All of them count n up by one where it
 * is still the given n, except the last. */
extern const char position_row_mark_sql[];   /* workflow, stream, n */
extern const char position_row_move_sql[];   /* position, phase, workflow, stream, n */
extern const char position_row_finish_sql[]; /* position, phase, workflow, stream */

/* The names that the column `phase` holds. */
#define POSITION_PHASE_COPY    "copy"
#define POSITION_PHASE_CATCHUP "catchup"
#define POSITION_PHASE_PLAIN   "plain"
#define POSITION_PHASE_FROZEN  "frozen"

/* All of these run inside a transaction. */
bool position_row_insert(struct my_conn *c, const struct sidecar_key *key, const char *phase,
                         const char *position, const char *high, struct err *e) WARN_UNUSED;
bool position_row_set_high(struct my_conn *c, const struct sidecar_key *key, const char *high,
                           struct err *e) WARN_UNUSED;
bool position_row_set_phase(struct my_conn *c, const struct sidecar_key *key, const char *phase,
                            struct err *e) WARN_UNUSED;
/* Locks and reads n, phase, position and high watermark; calls fn with these four cells, or not at
 * all when there is no row. */
bool position_row_read(struct my_conn *c, const struct sidecar_key *key,
                       bool (*fn)(void *ctx, const struct my_cell *cells, struct err *e), void *ctx,
                       struct err *e) WARN_UNUSED;

/* All streams of a workflow are copying again; their positions stand. */
bool position_rows_copy_again(struct my_conn *c, const char *workflow_key,
                              struct err *e) WARN_UNUSED;
/* Appends a parenthesised subquery: the streams of a workflow that have passed the high watermark.
 */
void position_rows_put_plain(struct buf *sql, const char *workflow_key);

#endif
