/* vrepl/workflow/switch.h — switching traffic: the two-stage fence, the decision, and what follows
 * from it.
 *
 * All with workflow.verb held and the lease ours.
 */
#ifndef SLUICE_VREPL_WORKFLOW_SWITCH_H
#define SLUICE_VREPL_WORKFLOW_SWITCH_H

#include "vrepl/workflow/fence.h"

struct switch_options {
    enum wf_direction dir;
    int64_t timeout_ms; /* limit of the hold and the catch-up together */
    int64_t max_lag_ms;
    bool follow; /* --enable-reverse-replication */
    bool dry_run;
    const volatile int *cancelled; /* may be NULL */
};
struct switch_result {
    int64_t blocked_ms; /* how long writers waited */
    bool already;       /* traffic was there */
};
/* Sessions that a switch opened before anybody had to wait: connecting under the hold would be
 * waited for. */
struct switch_sessions {
    struct fence_hold *holds; /* one a shard that served */
    size_t n_holds;
    struct fence_hold
        *gates; /* one a shard that will serve: its fence, if one stands, goes through it */
    size_t n_gates;
};
/* Everything up to UNLOCK. An error before the decision has been undone (or says that it could not
 * be); after it the error says that the switch is decided and goes on by itself. */
bool switch_run(struct workflow *w, struct my_conn *home, const struct switch_options *o,
                struct switch_result *r, struct err *e) WARN_UNUSED;
/* Checks without effect: state, streams, lag, triggers. */
bool switch_check(struct workflow *w, const struct switch_options *o, struct err *e) WARN_UNUSED;

/* switch_finish.c */
/* After the decision: journals, enabling, routing, UNLOCK, streams the other way, FINISH.
 * Idempotent. s: NULL after a crash. *unlocked_ms (may be NULL): monotonic time when writers could
 * go on. */
bool switch_roll_forward(struct workflow *w, struct my_conn *home, struct switch_sessions *s,
                         int64_t *unlocked_ms, struct err *e) WARN_UNUSED;
/* Before it: leaves SWITCHING so that no decision can come, removes the fences, restarts the
 * streams. */
bool switch_undo(struct workflow *w, struct my_conn *home, struct switch_sessions *s,
                 struct err *e) WARN_UNUSED;
bool switch_left_open(const struct workflow *w);
/* Clears what an earlier switch had to leave: open triggers that a reader's lock kept. With the
 * keeper, in a state that lasts. */
bool switch_clear(struct workflow *w, struct my_conn *home, struct err *e) WARN_UNUSED;
/* `step` of "switch." or "reverse.": a fault point. */
bool switch_fault(enum wf_direction dir, const char *step, struct err *e) WARN_UNUSED;

#endif
