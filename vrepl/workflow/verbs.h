/* vrepl/workflow/verbs.h — the verbs of the workflow commands (vrepl_engine_command dispatches to
 * them). */
#ifndef SLUICE_VREPL_WORKFLOW_VERBS_H
#define SLUICE_VREPL_WORKFLOW_VERBS_H

#include "vrepl/workflow/verb_flags.h"
#include "vrepl/workflow/workflow.h"

#include <jansson.h>

struct verb_call {
    struct vrepl_engine *g;
    const struct vrepl_command *cmd;
    const struct verb_options *o;
    struct buf *result; /* one JSON document */
};
/* movetables, reshard, materialize and workflow. */
bool verbs_run(struct verb_call *c, struct err *e) WARN_UNUSED;
/* vdiff (vdiff_verbs.c). */
bool vdiff_verbs_run(struct verb_call *c, struct err *e) WARN_UNUSED;
/* Stops comparisons that run (of one workflow key, or all with NULL) and waits for them. */
void vdiff_verbs_stop(struct vrepl_engine *g, const char *workflow_key);
void verbs_put(struct verb_call *c, json_t *take); /* prints and frees */

#endif
