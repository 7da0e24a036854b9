/* vrepl/workflow/recheck.h — create's preconditions once more, when traffic is to move: months may
 * lie between, and a DDL on either side may have undone them.
 */
#ifndef SLUICE_VREPL_WORKFLOW_RECHECK_H
#define SLUICE_VREPL_WORKFLOW_RECHECK_H

#include "vrepl/workflow/workflow.h"

/* Before a switch (no writer waits yet): settings, privileges and engines of both sides; foreign
 * keys and triggers of the application on both sides; keys, columns and collations of both; for a
 * reshard, that no table is left out. follow: streams the other way are wanted. */
bool recheck_switch(struct workflow *w, enum wf_direction dir, bool follow,
                    struct err *e) WARN_UNUSED;
/* Before streams of a direction start again: nothing fires on what they write. */
bool recheck_start(struct workflow *w, enum wf_direction dir, struct err *e) WARN_UNUSED;
/* A reshard's serving shards hold no table that the workflow lacks. c is a session of shard s. */
bool recheck_tables_listed(struct workflow *w, struct my_conn *c, const struct topo_shard *s,
                           struct err *e) WARN_UNUSED;

#endif
