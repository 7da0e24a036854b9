/* cdc/sidecar/workflow_column.c — the names of the states. */
#include "cdc/sidecar/workflow_column.h"

#include <assert.h>
#include <string.h>

static const char *const state_names[WF_STATE_COUNT] = {
    "none",       "creating",        "running",
    "stopped",    "switching",       "undoing",
    "decided",    "switched",        "switched_stopped",
    "reversing",  "reverse_undoing", "reverse_decided",
    "completing", "cancelling",
};

const char *wf_state_name(enum wf_state s)
{
    assert(s < WF_STATE_COUNT);
    return state_names[s];
}

bool wf_state_parse(const char *name, enum wf_state *out)
{
    for (unsigned i = 0; i < WF_STATE_COUNT; i++) {
        if (strcmp(name, state_names[i]) == 0) {
            *out = (enum wf_state)i;
            return true;
        }
    }
    return false;
}
