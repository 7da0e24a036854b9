/* vrepl/workflow/workflow_state.c — the table of workflow states, and its drawing.
 *
 * Invariants, walked by tests/unit/test_workflow_state.c:
 *   1. One next state per (state, event).
 *   2. Every state that can be stored answers FOUND: a crash leaves nothing without an heir.
 *   3. DECIDED and REVERSE_DECIDED have no way back: only FINISH, and FOUND to roll forward again.
 *   4. A decision comes from SWITCHING or REVERSING alone; GIVE_UP leaves them first, so that a
 *      decision that is still on its way to the server finds another state and matches no row.
 *   5. No CANCEL while the target serves, no COMPLETE while the source does.
 */
#include "vrepl/workflow/workflow_state.h"

#include "vrepl/workflow/engine.h"

#include <assert.h>
#include <string.h>

const struct wf_transition wf_transitions[] = {
    {WF_NONE, WF_EVENT_CREATE, WF_CREATING, WF_ACT_MAKE_TABLES,
     "preconditions hold; row inserted with a lease"},
    {WF_CREATING, WF_EVENT_CREATE, WF_CREATING, WF_ACT_MAKE_TABLES,
     "the same create again goes on"},
    {WF_CREATING, WF_EVENT_CREATED, WF_RUNNING, WF_ACT_RUN_STREAMS, "tables exist everywhere"},
    {WF_CREATING, WF_EVENT_CREATED_STOPPED, WF_STOPPED, WF_ACT_NONE, "--auto-start=false"},
    {WF_CREATING, WF_EVENT_CANCEL, WF_CANCELLING, WF_ACT_REMOVE_TARGET, "nothing was switched"},
    {WF_CREATING, WF_EVENT_FOUND, WF_CREATING, WF_ACT_NONE, "waits for create or cancel"},

    {WF_RUNNING, WF_EVENT_STOP, WF_STOPPED, WF_ACT_STOP_STREAMS, "on request"},
    {WF_RUNNING, WF_EVENT_START, WF_RUNNING, WF_ACT_RUN_STREAMS, "restarts streams in error"},
    {WF_RUNNING, WF_EVENT_SWITCH, WF_SWITCHING, WF_ACT_HOLD_AND_FENCE, "before anything is fenced"},
    {WF_RUNNING, WF_EVENT_CANCEL, WF_CANCELLING, WF_ACT_REMOVE_TARGET, "the source serves"},
    {WF_RUNNING, WF_EVENT_FOUND, WF_RUNNING, WF_ACT_RUN_STREAMS, "resumes from the targets' rows"},

    {WF_STOPPED, WF_EVENT_START, WF_RUNNING, WF_ACT_RUN_STREAMS, "on request"},
    {WF_STOPPED, WF_EVENT_STOP, WF_STOPPED, WF_ACT_NONE, "is stopped"},
    {WF_STOPPED, WF_EVENT_CANCEL, WF_CANCELLING, WF_ACT_REMOVE_TARGET, "the source serves"},
    {WF_STOPPED, WF_EVENT_FOUND, WF_STOPPED, WF_ACT_NONE, "stays stopped"},

    {WF_SWITCHING, WF_EVENT_DECIDE, WF_DECIDED, WF_ACT_ROLL_FORWARD, "the point of no return"},
    {WF_SWITCHING, WF_EVENT_GIVE_UP, WF_UNDOING, WF_ACT_REMOVE_FENCE,
     "no decision can match this row now"},
    {WF_SWITCHING, WF_EVENT_FOUND, WF_UNDOING, WF_ACT_REMOVE_FENCE, "a crash before the decision"},
    {WF_UNDOING, WF_EVENT_UNDONE, WF_RUNNING, WF_ACT_RUN_STREAMS, "the source is as before"},
    {WF_UNDOING, WF_EVENT_FOUND, WF_UNDOING, WF_ACT_REMOVE_FENCE, "a crash while undoing"},

    {WF_DECIDED, WF_EVENT_FINISH, WF_SWITCHED, WF_ACT_WATCH_FENCE,
     "journals, target, routing, reverse streams"},
    {WF_DECIDED, WF_EVENT_FINISH_STOPPED, WF_SWITCHED_STOPPED, WF_ACT_WATCH_FENCE,
     "without reverse streams"},
    {WF_DECIDED, WF_EVENT_FOUND, WF_DECIDED, WF_ACT_ROLL_FORWARD, "a crash after the decision"},

    {WF_SWITCHED, WF_EVENT_STOP, WF_SWITCHED_STOPPED, WF_ACT_STOP_STREAMS,
     "the reverse streams, on request"},
    {WF_SWITCHED, WF_EVENT_START, WF_SWITCHED, WF_ACT_RUN_STREAMS, "restarts streams in error"},
    {WF_SWITCHED, WF_EVENT_REVERSE, WF_REVERSING, WF_ACT_HOLD_AND_FENCE,
     "before anything is fenced"},
    {WF_SWITCHED, WF_EVENT_COMPLETE, WF_COMPLETING, WF_ACT_REMOVE_SOURCE, "no way back from here"},
    {WF_SWITCHED, WF_EVENT_FOUND, WF_SWITCHED, WF_ACT_RUN_STREAMS,
     "reverse streams and the watch resume"},
    {WF_SWITCHED_STOPPED, WF_EVENT_START, WF_SWITCHED, WF_ACT_RUN_STREAMS, "on request"},
    {WF_SWITCHED_STOPPED, WF_EVENT_STOP, WF_SWITCHED_STOPPED, WF_ACT_NONE, "is stopped"},
    {WF_SWITCHED_STOPPED, WF_EVENT_COMPLETE, WF_COMPLETING, WF_ACT_REMOVE_SOURCE,
     "no way back from here"},
    {WF_SWITCHED_STOPPED, WF_EVENT_FOUND, WF_SWITCHED_STOPPED, WF_ACT_WATCH_FENCE, "stays stopped"},

    {WF_REVERSING, WF_EVENT_DECIDE, WF_REVERSE_DECIDED, WF_ACT_ROLL_FORWARD,
     "the point of no return"},
    {WF_REVERSING, WF_EVENT_GIVE_UP, WF_REVERSE_UNDOING, WF_ACT_REMOVE_FENCE,
     "no decision can match this row now"},
    {WF_REVERSING, WF_EVENT_FOUND, WF_REVERSE_UNDOING, WF_ACT_REMOVE_FENCE,
     "a crash before the decision"},
    {WF_REVERSE_UNDOING, WF_EVENT_UNDONE, WF_SWITCHED, WF_ACT_RUN_STREAMS,
     "the target is as before"},
    {WF_REVERSE_UNDOING, WF_EVENT_FOUND, WF_REVERSE_UNDOING, WF_ACT_REMOVE_FENCE,
     "a crash while undoing"},
    {WF_REVERSE_DECIDED, WF_EVENT_FINISH, WF_RUNNING, WF_ACT_RUN_STREAMS,
     "the source serves again"},
    {WF_REVERSE_DECIDED, WF_EVENT_FINISH_STOPPED, WF_STOPPED, WF_ACT_WATCH_FENCE,
     "without forward streams"},
    {WF_REVERSE_DECIDED, WF_EVENT_FOUND, WF_REVERSE_DECIDED, WF_ACT_ROLL_FORWARD,
     "a crash after the decision"},

    {WF_COMPLETING, WF_EVENT_COMPLETE, WF_COMPLETING, WF_ACT_REMOVE_SOURCE,
     "the same complete again goes on"},
    {WF_COMPLETING, WF_EVENT_FOUND, WF_COMPLETING, WF_ACT_REMOVE_SOURCE,
     "a crash while completing"},
    {WF_COMPLETING, WF_EVENT_GONE, WF_NONE, WF_ACT_NONE, "the row is deleted last"},
    {WF_CANCELLING, WF_EVENT_CANCEL, WF_CANCELLING, WF_ACT_REMOVE_TARGET,
     "the same cancel again goes on"},
    {WF_CANCELLING, WF_EVENT_FOUND, WF_CANCELLING, WF_ACT_REMOVE_TARGET,
     "a crash while cancelling"},
    {WF_CANCELLING, WF_EVENT_GONE, WF_NONE, WF_ACT_NONE, "the row is deleted last"},
};
const size_t wf_n_transitions = sizeof wf_transitions / sizeof *wf_transitions;

static const char *const event_names[WF_EVENT_COUNT] = {
    "create",  "created", "created_stopped", "start",  "stop",           "switch",   "reverse",
    "give_up", "undone",  "decide",          "finish", "finish_stopped", "complete", "cancel",
    "gone",    "found",
};
static const char *const action_names[] = {
    "nothing",      "make tables",  "run streams", "stop streams",  "hold and fence",
    "remove fence", "roll forward", "watch fence", "remove source", "remove target",
};

const struct wf_transition *wf_transition_find(enum wf_state state, enum wf_event event)
{
    for (size_t i = 0; i < wf_n_transitions; i++) {
        if (wf_transitions[i].state == state && wf_transitions[i].event == event)
            return &wf_transitions[i];
    }
    return NULL;
}

const char *wf_event_name(enum wf_event ev)
{
    assert(ev < WF_EVENT_COUNT);
    return event_names[ev];
}

const char *wf_action_name(enum wf_action a)
{
    return action_names[a];
}

bool wf_state_target_serves(enum wf_state s)
{
    switch (s) {
    case WF_DECIDED:
    case WF_SWITCHED:
    case WF_SWITCHED_STOPPED:
    case WF_REVERSING:
    case WF_REVERSE_UNDOING:
    case WF_COMPLETING:
        return true;
    case WF_NONE:
    case WF_CREATING:
    case WF_RUNNING:
    case WF_STOPPED:
    case WF_SWITCHING:
    case WF_UNDOING:
    case WF_REVERSE_DECIDED:
    case WF_CANCELLING:
    case WF_STATE_COUNT:
        return false;
    }
    return false;
}

void vrepl_graph(struct buf *out)
{
    buf_put_str(out, "digraph workflow {\n  rankdir=LR;\n  node [shape=box, style=rounded];\n");
    for (unsigned i = 0; i < WF_STATE_COUNT; i++) {
        bool decided = i == WF_DECIDED || i == WF_REVERSE_DECIDED;
        buf_printf(out, "  %s%s;\n", wf_state_name((enum wf_state)i),
                   decided ? " [style=\"rounded,bold\"]" : "");
    }
    for (size_t i = 0; i < wf_n_transitions; i++) {
        const struct wf_transition *t = &wf_transitions[i];
        buf_printf(out, "  %s -> %s [label=\"%s\\n%s\", tooltip=\"%s\"%s];\n",
                   wf_state_name(t->state), wf_state_name(t->next), event_names[t->event],
                   action_names[t->action], t->comment,
                   t->event == WF_EVENT_FOUND ? ", style=dashed" : "");
    }
    buf_put_str(out, "}\n");
}

enum wf_direction wf_state_direction(enum wf_state s)
{
    return wf_state_target_serves(s) ? WF_REVERSE : WF_FORWARD;
}
