/* cdc/sidecar/note.h — the statements on _sluice.note: what outlives the rows of workflows.
 *
 *   ended:complete:<workflow key>    the workflow is gone because it was completed, so that a
 *   ended:cancel:<workflow key>      repeated command can tell; n has no meaning
 *   routing:<installation>           n is the highest version of the routing document that was
 *                                    published
 */
#ifndef SLUICE_CDC_SIDECAR_NOTE_H
#define SLUICE_CDC_SIDECAR_NOTE_H

#include "cdc/sidecar/sidecar_table.h"

extern const struct sidecar_table note_table;

/* A note of that name with at least n; a number only grows. */
bool note_raise(struct my_conn *c, const char *name, uint64_t n, struct err *e) WARN_UNUSED;
/* 0 without such a note, and where there is no such table. */
bool note_read(struct my_conn *c, const char *name, uint64_t *n, struct err *e) WARN_UNUSED;
bool note_remove(struct my_conn *c, const char *name, struct err *e) WARN_UNUSED;

#endif
