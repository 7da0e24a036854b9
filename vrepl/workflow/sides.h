/* vrepl/workflow/sides.h — before a verb fences or drops a side: does it serve as the verb
 * believes, and is the workflow alone there?
 *
 * A definition names the shards of the day it was made. A reshard since then has moved the traffic
 * on: fencing the old shards would stop nobody, dropping them would take what others read. All
 * checks first ask the servers for journals and workflows that another daemon may have made.
 */
#ifndef SLUICE_VREPL_WORKFLOW_SIDES_H
#define SLUICE_VREPL_WORKFLOW_SIDES_H

#include "vrepl/workflow/workflow.h"

/* For create: no other workflow has one of these tables on one of these shards in its own hands. */
bool sides_check_new(struct vrepl_engine *g, const char *keyspace, const char *name,
                     const struct wf_def *d, struct err *e) WARN_UNUSED;
/* For a switch: the side that is given up serves and nobody else lives on it; a move's other side
 * is the one that its keyspace serves from. */
bool sides_check_switch(struct workflow *w, bool back, struct err *e) WARN_UNUSED;
/* For complete (source) and cancel (target), when data goes: a reshard's side does not serve, and
 * no other workflow reads or writes it. */
bool sides_check_drop(struct workflow *w, enum wf_side_name side, struct err *e) WARN_UNUSED;

#endif
