/* vrepl/workflow/recopy.h — a stopped workflow copies anew: all of its tables, whose streams then
 * forget where they are, or some, while the others' rows stay.
 *
 * For a stream that stands at a DDL after which the target's rows are not known to be the source's.
 *
 * All tables: the copy that follows is create's, with no position in it from before. Some tables:
 * every stream goes back to the phase of rounds where it stands, before the DDL, and these tables
 * wait for their copy to begin, so that it passes the DDL (vrepl/move/copy.c). All streams, since
 * they share the target tables. The other tables of a stream that had passed the high watermark are kept: they are a
 * state of the source there, and every later change is applied to them exactly once. In a stream
 * whose copy was not over it goes on.
 *
 * Until all streams have passed it again there is no switch. The tables are made known anew
 * (cdc/sidecar/incarnation.h), since their rows then come from the copy alone.
 *
 * The row's todo says which tables from before the first thing is forgotten until the workflow
 * runs, and no start goes past it: a crash leaves a stopped workflow whose next start begins with
 * emptying again. Every step can be done again.
 */
#ifndef SLUICE_VREPL_WORKFLOW_RECOPY_H
#define SLUICE_VREPL_WORKFLOW_RECOPY_H

#include "base/flags.h"
#include "vrepl/workflow/workflow.h"

struct recopy { /* what is copied anew */
    bool any, all;
    bool *tables; /* one a table of the workflow's definition, when not all */
};
#define RECOPY_INIT                                                                                \
    {                                                                                              \
        false, false, NULL                                                                         \
    }
void recopy_fini(struct recopy *r);
/* Adds what --recopy names: all, or target tables. ERR_WF_PRECONDITION: there is no such table in the
 * workflow. */
bool recopy_add(struct recopy *r, const struct wf_def *d, const struct flag_choice *given,
                struct err *e) WARN_UNUSED;
/* The same of the row's todo: what an earlier start began. */
bool recopy_add_pending(struct recopy *r, const struct workflow *w, struct err *e) WARN_UNUSED;
bool recopy_has(const struct recopy *r, size_t table_no);
/* Only in state STOPPED and before any switch, else ERR_WF_STATE. */
bool recopy_check(const struct workflow *w, struct err *e) WARN_UNUSED;
/* recopy_check, and then all of it. The workflow is ours, its verb locked. On return it is pending
 * and everything is empty; the step to RUNNING clears todo. */
bool recopy_prepare(struct workflow *w, const struct recopy *r, struct my_conn *home,
                    struct err *e) WARN_UNUSED;

#endif
