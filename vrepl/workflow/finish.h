/* vrepl/workflow/finish.h — the two ends of a workflow: complete removes the source, cancel removes
 * the target. */
#ifndef SLUICE_VREPL_WORKFLOW_FINISH_H
#define SLUICE_VREPL_WORKFLOW_FINISH_H

#include "vrepl/workflow/workflow.h"

/* Flags of the command, kept in the row's todo column while it is under way. */
struct finish_options {
    bool keep_data;
    bool rename_tables; /* complete only */
};
char *finish_options_print(const struct finish_options *o); /* malloc'ed JSON */
/* May it be completed so? All that could stop it half-way is found here, before anything is done:
 * rows that only the source has (ERR_WRITE_AFTER_FENCE), others that read what goes, names that are
 * taken. */
bool finish_check_complete(struct workflow *w, const struct finish_options *o,
                           struct err *e) WARN_UNUSED;
/* From state COMPLETING (CANCELLING) to no row; idempotent. The workflow leaves the engine's list.
 */
bool finish_complete(struct workflow *w, struct my_conn *home, struct err *e) WARN_UNUSED;
bool finish_cancel(struct workflow *w, struct my_conn *home, struct err *e) WARN_UNUSED;
/* The row's deletion leaves a note beside it: so the same complete or cancel, given again after its
 * answer was lost, can say that it is done. verb: "complete" or "cancel". */
bool finish_was(struct vrepl_engine *g, const char *keyspace, const char *name, const char *verb,
                bool *yes, struct err *e) WARN_UNUSED;
/* For a new workflow of that name. */
bool finish_forget_notes(struct my_conn *home, const char *keyspace, const char *name,
                         struct err *e) WARN_UNUSED;

#endif
