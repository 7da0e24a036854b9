/* vrepl/workflow/workflow_resume.c — what an owner does with a workflow that it finds in some
 * state. */
#include "vrepl/workflow/workflow.h"

#include "vrepl/workflow/finish.h"
#include "vrepl/workflow/switch.h"

#include <assert.h>

bool wf_resume(struct workflow *w, struct my_conn *home, struct err *e)
{
    const struct wf_transition *t = wf_transition_find(w->state, WF_EVENT_FOUND);
    assert(t != NULL); /* invariant 2 of the table */
    enum wf_direction dir = wf_state_direction(w->state);
    bool ok = true;
    switch (t->action) {
    case WF_ACT_NONE:
        break;
    case WF_ACT_RUN_STREAMS:
        ok = wf_streams_run(w, dir, e);
        break;
    case WF_ACT_WATCH_FENCE:
        break;
    case WF_ACT_REMOVE_FENCE:
        ok = switch_undo(w, home, NULL, e);
        break;
    case WF_ACT_ROLL_FORWARD:
        ok = switch_roll_forward(w, home, NULL, NULL, e);
        break;
    case WF_ACT_REMOVE_SOURCE:
        ok = finish_complete(w, home, e);
        break;
    case WF_ACT_REMOVE_TARGET:
        ok = finish_cancel(w, home, e);
        break;
    case WF_ACT_MAKE_TABLES:
    case WF_ACT_STOP_STREAMS:
    case WF_ACT_HOLD_AND_FENCE:
        assert(false); /* no FOUND has them */
        break;
    }
    if (ok && w->state != WF_NONE && w->decision != NULL)
        wf_watch_start(w);
    return ok;
}
