/* vrepl/workflow/fence.h — keeping the application's writes off a set of tables: first a hold, then
 * a durable fence.
 *
 * Everything that waits for somebody, or that takes time for each table, comes before the hold:
 * fence_prepare makes triggers that let everybody pass as long as one row says so, and fence_gate
 * takes what opening the other side will need. Hold: one session a shard keeps every writer
 * waiting, without an error, and falls by itself when we die. Fence: the row is changed, or the
 * tables get hidden names. The facts that the order rests on were tried on MariaDB 10.11, 11.8 and
 * MySQL 9.7: docs/internals/switch.md.
 *
 * The barrier: whoever makes or removes a fence holds a user-level lock (GET_LOCK) of the shard in
 * the same session, and asks for the lease's epoch after it has it. So a new owner that has the
 * barrier knows that no older owner's session is still making a fence; a session that will not go
 * is killed.
 */
#ifndef SLUICE_VREPL_WORKFLOW_FENCE_H
#define SLUICE_VREPL_WORKFLOW_FENCE_H

#include "vrepl/workflow/workflow.h"

/* No statement of a switch waits longer than this for a lock; between two attempts everybody may
 * write. */
#define FENCE_LOCK_S 2

struct fence_hold {
    struct workflow *w;
    const struct topo_shard *shard;
    enum wf_side_name side;
    struct my_conn *conn;       /* barrier; then the hold, and whatever changes the fence */
    struct my_conn *aux;        /* everything else on that server meanwhile */
    enum vrepl_fence_mode mode; /* TRIGGER or RENAME once prepared or gated; AUTO before */
    int64_t cost_ms;            /* what making or removing the fence will take while writers wait */
    unsigned lock_s;            /* the lock waits that conn was given last; 0: the server's */
    bool locked;                /* the hold stands */
    bool gated;                 /* what fence_open needs is ours */
};
/* How long preparations may wait for others, and whether to go on with them. */
struct fence_wait {
    int64_t left_ms;                         /* how long it may still wait; work is not counted */
    bool (*go_on)(void *ctx, struct err *e); /* asked between two steps; keeps sessions awake */
    void *ctx;
};
/* Connects twice, prepares the sessions, takes the barrier, and verifies the lease on home. */
bool fence_hold_open(struct fence_hold *h, struct workflow *w, const struct topo_shard *shard,
                     enum wf_side_name side, struct my_conn *home, struct err *e) WARN_UNUSED;
/* Ends both sessions: locks fall, a made fence stays. */
void fence_hold_close(struct fence_hold *h);
/* Before the hold: whatever takes time for each table. AUTO: triggers; if a privilege is missing,
 * hidden names. Writers of one table at a time wait, at most a second. */
bool fence_prepare(struct fence_hold *h, enum vrepl_fence_mode mode, struct fence_wait *wait,
                   struct err *e) WARN_UNUSED;
/* One attempt of FENCE_LOCK_S seconds. ERR_WF_BLOCKED names who is in the way. */
bool fence_hold_lock(struct fence_hold *h, struct err *e) WARN_UNUSED;
void fence_hold_unlock(struct fence_hold *h);
/* The hold still stands: the session answers. */
bool fence_hold_check(struct fence_hold *h, struct err *e) WARN_UNUSED;
/* Commits a marker row and takes the position behind it: nothing of the held tables can come after
 * it. */
bool fence_marker(struct fence_hold *h, struct position *out, struct err *e) WARN_UNUSED;
/* Makes the prepared fence durable under the hold, and proves that it covers every table. */
bool fence_make(struct fence_hold *h, struct err *e) WARN_UNUSED;
/* On the side that will serve: takes the locks that opening the fence which stands there needs, so
 * that fence_open waits for nobody. One attempt of FENCE_LOCK_S seconds; ERR_WF_BLOCKED as above.
 */
bool fence_gate(struct fence_hold *h, struct err *e) WARN_UNUSED;
/* Between two uses of a gate: gives back what streams of ours would have to wait for. */
bool fence_gate_yield(struct fence_hold *h, struct err *e) WARN_UNUSED;
/* Lets everybody write: under the hold, through the gate, or in a session that has the barrier.
 * What is left of a trigger fence reads "open" until fence_clear. */
bool fence_open(struct fence_hold *h, struct err *e) WARN_UNUSED;
/* Drops open triggers and their row, table after table; a reader of a table can be in the way. */
bool fence_clear(struct fence_hold *h, struct fence_wait *wait, struct err *e) WARN_UNUSED;
/* Opens and clears whatever stands, in a session of its own behind the barrier. *open (may be
 * NULL): everybody can write, whatever the answer says about what is left. */
bool fence_remove(struct workflow *w, const struct topo_shard *shard, enum wf_side_name side,
                  struct my_conn *home, int64_t wait_ms, bool *open, struct err *e) WARN_UNUSED;
const char *fence_mode_name(enum vrepl_fence_mode m); /* "auto" "trigger" "rename" */

#define FENCE_IS_OPEN "open" /* in the fence column: triggers stand, and let everybody pass */

/* fence_watch.c: reads a fenced shard's log and reports foreign rows on the fenced tables. */
struct fence_watch *fence_watch_start(struct workflow *w, const struct topo_shard *shard,
                                      enum wf_side_name side, struct cdc_reader *reader,
                                      const struct position *from, struct err *e) WARN_UNUSED;
void fence_watch_stop(struct fence_watch *f);
/* Waits until everything that is in the shard's log now has been looked at. */
bool fence_watch_catch_up(struct fence_watch *f, int64_t timeout_ms, struct err *e) WARN_UNUSED;
/* True with ERR_WRITE_AFTER_FENCE set when such a row was seen. */
bool fence_watch_alarm(struct fence_watch *f, struct err *e);

#endif
