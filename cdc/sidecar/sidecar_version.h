/* cdc/sidecar/sidecar_version.h — which version the tables of a server are of, and the steps from an
 * older one.
 *
 * The version is the number of the last step that was done. It stands in a table of its own and is
 * written after its step. A step that was interrupted is done again from its beginning, so every
 * step looks at what is there before each statement: it may find any prefix of its own work, and
 * tables of a later shape, which are made in it at once where they are missing. One session of a
 * server at a time does steps (sidecar_lock).
 *
 *   0  the tables of before there was a version; also an empty database
 *   1  log_mark and note take the place of watermark; position.u_pos is called high_pos
 */
#ifndef SLUICE_CDC_SIDECAR_SIDECAR_VERSION_H
#define SLUICE_CDC_SIDECAR_SIDECAR_VERSION_H

#include "cdc/sidecar/sidecar_table.h"

#define SIDECAR_VERSION 1

extern const struct sidecar_table sidecar_version_table;

/* *version is 0 where none is recorded. ERR_SIDECAR_NEWER when it is above SIDECAR_VERSION. */
bool sidecar_version_read(struct my_conn *c, unsigned *version, struct err *e) WARN_UNUSED;
/* Does the steps that are missing. The database exists, and the session has the lock. */
bool sidecar_upgrade(struct my_conn *c, unsigned version, struct err *e) WARN_UNUSED;

/* Waits until no other session makes or changes the tables of this server. ERR_TIMEOUT (class
 * RETRY) when one does for long. Until sidecar_unlock, or the end of the connection, statements that
 * change a table wait no longer than that either. */
bool sidecar_lock(struct my_conn *c, struct err *e) WARN_UNUSED;
void sidecar_unlock(struct my_conn *c);

#endif
