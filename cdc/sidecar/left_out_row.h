/* cdc/sidecar/left_out_row.h — the statements on _sluice.left_out: rows that a copy left out, until
 * replay has brought them (vrepl/move/left_out.h).
 */
#ifndef SLUICE_CDC_SIDECAR_LEFT_OUT_ROW_H
#define SLUICE_CDC_SIDECAR_LEFT_OUT_ROW_H

#include "cdc/sidecar/sidecar_table.h"

extern const struct sidecar_table left_out_row_table;

#define LEFT_OUT_ID_BYTES 32

/* Inside a chunk's transaction. */
bool left_out_row_put(struct my_conn *c, const struct sidecar_key *key, const char *tab,
                      const uint8_t *id, const char *row_key, const char *reason,
                      struct err *e) WARN_UNUSED;
/* Inside the applier's transaction. */
bool left_out_row_remove(struct my_conn *c, const uint8_t *id, struct err *e) WARN_UNUSED;
/* Calls fn with the id of every row of the stream. */
bool left_out_rows_each(struct my_conn *c, const struct sidecar_key *key,
                        void (*fn)(void *ctx, const void *id, size_t n), void *ctx,
                        struct err *e) WARN_UNUSED;
/* One row of the stream: its key and the reason are appended; *found false when there is none. */
bool left_out_row_any(struct my_conn *c, const struct sidecar_key *key, bool *found,
                      struct buf *row_key, struct buf *reason, struct err *e) WARN_UNUSED;
bool left_out_rows_forget_table(struct my_conn *c, const char *workflow_key, const char *tab,
                                struct err *e) WARN_UNUSED;

#endif
