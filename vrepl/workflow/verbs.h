/* vrepl/workflow/verbs.h — the verbs of the workflow commands (vrepl_engine_command dispatches to
 * them). */
#ifndef SLUICE_VREPL_WORKFLOW_VERBS_H
#define SLUICE_VREPL_WORKFLOW_VERBS_H

#include "vrepl/workflow/flags.h"
#include "vrepl/workflow/workflow.h"

struct verb_call {
    struct vrepl_engine *g;
    const struct vrepl_command *cmd;
    const json_t *flags;
    struct buf *result; /* one JSON document */
};
/* movetables, reshard, materialize and workflow. */
bool verbs_run(struct verb_call *c, struct err *e) WARN_UNUSED;
/* vdiff (vdiff_verbs.c). */
bool vdiff_verbs_run(struct verb_call *c, struct err *e) WARN_UNUSED;
/* Stops comparisons that run (of one workflow key, or all with NULL) and waits for them. */
void vdiff_verbs_stop(struct vrepl_engine *g, const char *workflow_key);
void verbs_put(struct verb_call *c, json_t *take); /* prints and frees */

/* --dry-run of a verb that can neither say what it would do nor leaves everything as it is anyway
 * is refused: it must not do it. */
bool verbs_check_dry_run(const struct verb_call *c, struct err *e) WARN_UNUSED;

#endif
