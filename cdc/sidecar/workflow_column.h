/* cdc/sidecar/workflow_column.h — the values of _sluice.workflow.state.
 *
 * What may follow what is vrepl/workflow/workflow_state.h's.
 */
#ifndef SLUICE_CDC_SIDECAR_WORKFLOW_COLUMN_H
#define SLUICE_CDC_SIDECAR_WORKFLOW_COLUMN_H

#include "base/buf.h"

enum wf_state {
    WF_NONE,      /* no row */
    WF_CREATING,  /* the row exists, target tables are being made */
    WF_RUNNING,   /* the source serves; forward streams copy or follow */
    WF_STOPPED,   /* the source serves; streams are stopped on request */
    WF_SWITCHING, /* a fence may stand on the source; nothing is decided */
    WF_UNDOING,   /* the switch was given up: no decision can come any more, the fence is going */
    WF_DECIDED, /* point of no return passed: the target serves as soon as this is rolled forward */
    WF_SWITCHED,         /* the target serves; reverse streams follow */
    WF_SWITCHED_STOPPED, /* the target serves; reverse streams are stopped on request, or were not
                            wanted */
    WF_REVERSING,        /* as SWITCHING, the other way */
    WF_REVERSE_UNDOING,
    WF_REVERSE_DECIDED,
    WF_COMPLETING, /* source tables and our rows are being removed */
    WF_CANCELLING, /* target tables and our rows are being removed */
    WF_STATE_COUNT
};
const char *wf_state_name(enum wf_state s);
bool wf_state_parse(const char *name, enum wf_state *out);

#endif
