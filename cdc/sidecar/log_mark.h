/* cdc/sidecar/log_mark.h — the statements on _sluice.log_mark: transactions of our own on a source,
 * committed so that its log has an event behind which something is known.
 *
 * The name says what for:
 *   copy                             a copy's reads see every change that was committed before
 *                                    (cdc/copy/copy_read.h)
 *   stream:<workflow key>            the log passes a common position, or the high watermark, now,
 *                                    not with the next foreign transaction
 *   switch:<workflow key>:<shard>    the final position of a switch is behind it
 * What a row holds is of no interest to anybody.
 */
#ifndef SLUICE_CDC_SIDECAR_LOG_MARK_H
#define SLUICE_CDC_SIDECAR_LOG_MARK_H

#include "cdc/sidecar/sidecar_table.h"

extern const struct sidecar_table log_mark_table;

/* The whole table's name, for messages. */
#define LOG_MARK_NAME SLUICE_SIDECAR_DB ".log_mark"

/* Commits one mark of that name, on a connection with autocommit on. */
bool log_mark_write(struct my_conn *c, const char *name, struct err *e) WARN_UNUSED;

#endif
