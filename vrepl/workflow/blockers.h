/* vrepl/workflow/blockers.h — who holds locks on a server: for the message of a hold that could not
 * be had.
 */
#ifndef SLUICE_VREPL_WORKFLOW_BLOCKERS_H
#define SLUICE_VREPL_WORKFLOW_BLOCKERS_H

#include "mysql/conn.h"

/* "connection 17 (app@10.0.0.1, transaction open for 42 s, idle); prepared XA transaction 'x1'"
 * into out; nothing where the server does not let us look. except: our own waiting session. */
void blockers_name(struct my_conn *c, uint64_t except, struct buf *out);

#endif
