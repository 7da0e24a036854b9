/* vrepl/recopy.h — a stopped workflow's copy begins again: its target tables are emptied, and its
 * streams forget where they are.
 *
 * For a stream that stands at a DDL after which the target's rows are not known to be the source's.
 * All tables of the workflow, not one: then the copy that follows is create's, with no position in
 * it from before. The row's todo says that it is under way from before the first thing is forgotten
 * until the workflow runs, and no start goes past it: a crash leaves a stopped workflow whose next
 * start begins with emptying again. Every step can be done again.
 */
#ifndef SLUICE_VREPL_RECOPY_H
#define SLUICE_VREPL_RECOPY_H

#include "vrepl/workflow.h"

/* Asked for, or under way since an earlier start? */
bool recopy_pending(const struct workflow *w);
/* The workflow is ours, its verb locked. Only in state STOPPED and before any switch, else
 * ERR_WF_STATE, and nothing is done. On return it is pending and everything is empty; the step to
 * RUNNING clears todo. */
bool recopy_prepare(struct workflow *w, struct my_conn *home, struct err *e) WARN_UNUSED;

#endif
