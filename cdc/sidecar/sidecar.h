/* cdc/sidecar/sidecar.h — making and emptying the tables of database _sluice on the servers.
 *
 * Each table has a file of its own with its description and all its statements; no other file of
 * the program has any (tools/check_sidecar). docs/internals/sidecar.md shows them all.
 */
#ifndef SLUICE_CDC_SIDECAR_SIDECAR_H
#define SLUICE_CDC_SIDECAR_SIDECAR_H

#include "cdc/sidecar/sidecar_table.h"

/* Makes the tables that are missing and brings older ones up to this program's version
 * (cdc/sidecar/sidecar_version.h); any number of sessions may do so at once. ERR_SIDECAR_NEWER:
 * the tables are of a newer version, nothing was changed. */
bool sidecar_create(struct my_conn *c, struct err *e) WARN_UNUSED;
/* The same for a server that may have no tables of ours: where there are none, none are made. Before
 * anything is read from them. */
bool sidecar_check(struct my_conn *c, struct err *e) WARN_UNUSED;
/* Removes every row of one workflow key from epoch, position, progress, left_out and
 * target_table. */
bool sidecar_forget(struct my_conn *c, const char *workflow_key, struct err *e) WARN_UNUSED;
/* The same, but for the epochs: an older owner stays shut out. */
bool sidecar_forget_progress(struct my_conn *c, const char *workflow_key,
                             struct err *e) WARN_UNUSED;
/* Inside a transaction, for a new copy of some tables. Forgets what all streams have of one target
 * table. */
bool sidecar_forget_table(struct my_conn *c, const char *workflow_key, const char *db,
                          const char *table, struct err *e) WARN_UNUSED;
/* Removes what streams had copied and applied: they start from positions that they are given. */
bool sidecar_forget_positions(struct my_conn *c, const char *workflow_key,
                              struct err *e) WARN_UNUSED;

#endif
