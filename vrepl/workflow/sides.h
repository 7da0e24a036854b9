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
/* Every shard of a side serves, and with the keyspace's other shards it covers all keys. */
bool sides_serve(struct workflow *w, enum wf_side_name side, struct err *e) WARN_UNUSED;
/* For a switch: the sides serve as the type's `cut` wants it, and nobody else lives on them. */
bool sides_check_switch(struct workflow *w, enum wf_direction dir, struct err *e) WARN_UNUSED;
/* For complete (source) and cancel (target), when data goes: the type's `finish` lets it go, and no
 * other workflow reads or writes it. */
bool sides_check_drop(struct workflow *w, enum wf_side_name side, struct err *e) WARN_UNUSED;

#endif
