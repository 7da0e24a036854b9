/* cdc/sidecar/vschema_row.h — the statements on _sluice.vschema: the versions of a keyspace's vschema
 * that were applied.
 */
#ifndef SLUICE_CDC_SIDECAR_VSCHEMA_ROW_H
#define SLUICE_CDC_SIDECAR_VSCHEMA_ROW_H

#include "cdc/sidecar/sidecar_table.h"

extern const struct sidecar_table vschema_row_table;

/* The newest version, and its text and placements, appended; *version is 0 without one, and where
 * there is no such table. */
bool vschema_row_last(struct my_conn *c, const char *keyspace, uint64_t *version, struct buf *json,
                      struct buf *placements, struct err *e) WARN_UNUSED;
/* ERR_TIMEOUT (class RETRY): somebody else has just applied that version. */
bool vschema_row_add(struct my_conn *c, const char *keyspace, uint64_t version, const char *json,
                     const char *placements, struct err *e) WARN_UNUSED;
/* Calls fn for each version, the oldest first; none where there is no such table. applied: the
 * server's time in UTC. */
bool vschema_rows_each(struct my_conn *c, const char *keyspace,
                       void (*fn)(void *ctx, uint64_t version, const char *applied,
                                  const char *json),
                       void *ctx, struct err *e) WARN_UNUSED;

#endif
