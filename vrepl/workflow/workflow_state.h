/* vrepl/workflow/workflow_state.h — the states of a workflow as one const table: what may follow
 * what, and what a daemon that finds a workflow in a state has to do.
 *
 * The state stands in _sluice.workflow.state. A change of it is one guarded UPDATE
 * (cdc/sidecar/workflow_row.h), so the table is also the list of all atomic steps.
 */
#ifndef SLUICE_VREPL_WORKFLOW_WORKFLOW_STATE_H
#define SLUICE_VREPL_WORKFLOW_WORKFLOW_STATE_H

#include "cdc/sidecar/workflow_column.h"

/* Forward is from source to target; reverse is from target to source, the workflow that people know
 * as NAME_reverse. */
enum wf_direction { WF_FORWARD, WF_REVERSE };
enum wf_event {
    WF_EVENT_CREATE,
    WF_EVENT_CREATED,
    WF_EVENT_CREATED_STOPPED,
    WF_EVENT_START,
    WF_EVENT_STOP,
    WF_EVENT_SWITCH,
    WF_EVENT_REVERSE,
    WF_EVENT_GIVE_UP, /* of a switch before its decision: error, timeout, or found by a new owner */
    WF_EVENT_UNDONE,
    WF_EVENT_DECIDE,
    WF_EVENT_FINISH,
    WF_EVENT_FINISH_STOPPED,
    WF_EVENT_COMPLETE,
    WF_EVENT_CANCEL,
    WF_EVENT_GONE,
    WF_EVENT_FOUND, /* a daemon has taken the lease of a workflow in this state */
    WF_EVENT_COUNT
};
/* What entering the next state obliges its owner to do. */
enum wf_action {
    WF_ACT_NONE,
    WF_ACT_MAKE_TABLES,
    WF_ACT_RUN_STREAMS,
    WF_ACT_STOP_STREAMS,
    WF_ACT_HOLD_AND_FENCE,
    WF_ACT_REMOVE_FENCE,
    WF_ACT_ROLL_FORWARD,
    WF_ACT_WATCH_FENCE,
    WF_ACT_REMOVE_SOURCE,
    WF_ACT_REMOVE_TARGET
};
struct wf_transition {
    enum wf_state state;
    enum wf_event event;
    enum wf_state next;
    enum wf_action action;
    const char *comment;
};

extern const struct wf_transition wf_transitions[];
extern const size_t wf_n_transitions;

/* NULL: the event is not allowed in the state. */
const struct wf_transition *wf_transition_find(enum wf_state state, enum wf_event event);
const char *wf_event_name(enum wf_event ev);
const char *wf_action_name(enum wf_action a);
/* Which side serves: false until a forward decision, true until a reverse one. */
bool wf_state_target_serves(enum wf_state s);
/* The direction in which streams run in a state: away from the side that serves. */
enum wf_direction wf_state_direction(enum wf_state s);
static inline enum wf_direction wf_opposite(enum wf_direction d)
{
    return d == WF_FORWARD ? WF_REVERSE : WF_FORWARD;
}

#endif
