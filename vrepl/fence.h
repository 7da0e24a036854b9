/* vrepl/fence.h — keeping the application's writes off a set of tables: first a hold, then a
 * durable fence.
 *
 * Hold: one session a shard has LOCK TABLES … WRITE. It drains what is open, lets writers wait
 * without an error, and falls by itself when we die. Fence: triggers that refuse, or hidden names;
 * made in the same session, so that there is no gap between the two. The facts that the order rests
 * on were tried on MariaDB 10.11 and MySQL 9.7: docs/internals/switch.md.
 *
 * The barrier: whoever makes or removes a fence holds a user-level lock (GET_LOCK) of the shard in
 * the same session, and asks for the lease's epoch after it has it. So a new owner that has the
 * barrier knows that no older owner's session is still making a fence; a session that will not go
 * is killed.
 */
#ifndef SLUICE_VREPL_FENCE_H
#define SLUICE_VREPL_FENCE_H

#include "vrepl/workflow.h"

struct fence_hold {
    struct workflow *w;
    const struct topo_shard *shard;
    enum wf_side_name side;
    struct my_conn *conn; /* barrier, then LOCK TABLES, then the fence's DDL */
    struct my_conn *aux;  /* everything else on that server meanwhile */
    bool locked;
};
/* Connects twice, prepares the sessions, takes the barrier, and verifies the lease on home. */
bool fence_hold_open(struct fence_hold *h, struct workflow *w, const struct topo_shard *shard,
                     enum wf_side_name side, struct my_conn *home, struct err *e) WARN_UNUSED;
void fence_hold_close(
    struct fence_hold *h); /* ends both sessions: locks fall, a made fence stays */
/* One attempt of wait_s seconds. ERR_WF_BLOCKED names who is in the way. */
bool fence_hold_lock(struct fence_hold *h, unsigned wait_s, struct err *e) WARN_UNUSED;
void fence_hold_unlock(struct fence_hold *h);
/* The hold still stands: the session answers. */
bool fence_hold_check(struct fence_hold *h, struct err *e) WARN_UNUSED;
/* Commits a marker row and takes the position behind it: nothing of the held tables can come after
 * it. */
bool fence_marker(struct fence_hold *h, struct position *out, struct err *e) WARN_UNUSED;
/* Makes the fence under the hold. AUTO: triggers; if a privilege is missing, hidden names. *mode:
 * what was made. */
bool fence_make(struct fence_hold *h, enum vrepl_fence_mode *mode, struct err *e) WARN_UNUSED;
/* Removes whatever fence stands under the hold. */
bool fence_unmake(struct fence_hold *h, struct err *e) WARN_UNUSED;
/* The same without a hold, in a session of its own behind the barrier; waits up to timeout_ms for
 * readers. */
bool fence_remove(struct workflow *w, const struct topo_shard *shard, enum wf_side_name side,
                  struct my_conn *home, int64_t timeout_ms, struct err *e) WARN_UNUSED;
const char *fence_mode_name(enum vrepl_fence_mode m); /* "auto" "trigger" "rename" */

/* fence_watch.c: reads a fenced shard's log and reports foreign rows on the fenced tables. */
struct fence_watch *fence_watch_start(struct workflow *w, const struct topo_shard *shard,
                                      enum wf_side_name side, struct cdc_reader *reader,
                                      const struct position *from, struct err *e) WARN_UNUSED;
void fence_watch_stop(struct fence_watch *f);
/* True with ERR_WRITE_AFTER_FENCE set when such a row was seen. */
bool fence_watch_alarm(struct fence_watch *f, struct err *e);

#endif
