/* vrepl/move/apply.h — one target shard's applier: a thread that turns routed batches into fenced
 * transactions.
 *
 * The source's transactions in their order; several of them form one target transaction when they
 * are already at hand (up to a count and a size), one by one at the head of the log. The position
 * row is the first write of each. ▶ On any error: ROLLBACK, read the position row again, redo the
 * whole group. Transactions too big to be held stream through; should such a one fail, the applier
 * fails with class RETRY and the stream begins anew from the durable positions.
 */
#ifndef SLUICE_VREPL_MOVE_APPLY_H
#define SLUICE_VREPL_MOVE_APPLY_H

#include "vrepl/move/left_out.h"
#include "vrepl/move/progress.h"
#include "vrepl/move/route.h"
#include "vrepl/move/target_tx.h"

struct vrepl_apply_options {
    const struct vrepl_stream_spec *spec; /* borrowed, as everything here */
    size_t target_no;
    struct target_tx_key key;
    /* This target's progress; does not change while items are queued. */
    const struct progress *progress;
    const struct left_out *left_out; /* likewise */
    const struct target_row *row;    /* the position row as it was read at take-over */
    bool behind_start;               /* the log is read from before row->pos: skip what is in it */
    void (*changed)(void *ctx);      /* a commit or a failure happened. Thread: the applier's */
    void *ctx;
};
struct vrepl_apply;
struct vrepl_apply *vrepl_apply_start(const struct vrepl_apply_options *o,
                                      struct err *e) WARN_UNUSED;
/* Ends at the next boundary: what is queued is not applied. Joins, frees. */
void vrepl_apply_stop(struct vrepl_apply *a);

/* Thread: stream's. Blocks while the queue is full, at most timeout_ms; false: not taken (timeout,
 * failed). */
bool vrepl_apply_push(struct vrepl_apply *a, struct cdc_batch *b, struct vrepl_routing *r,
                      int64_t timeout_ms);
/* Waits until everything pushed is done, then makes the position durable. The log stands at a
 * boundary. */
bool vrepl_apply_barrier(struct vrepl_apply *a, struct err *e) WARN_UNUSED;
/* After a barrier, everything being copied: plain statements begin at the high watermark. Durable on return. */
bool vrepl_apply_set_high(struct vrepl_apply *a, const struct position *high,
                          struct err *e) WARN_UNUSED;
/* Runs DDL (deferred keys) on the applier's thread, so that several targets do so at once; call
 * _wait. */
void vrepl_apply_run(struct vrepl_apply *a, bool (*fn)(void *ctx, struct my_conn *c, struct err *e),
                     void *ctx);
bool vrepl_apply_wait(struct vrepl_apply *a, struct err *e) WARN_UNUSED;

/* Thread: any. */
/* What the connection is doing ends with an error; for a stop that has waited long enough. */
void vrepl_apply_interrupt(struct vrepl_apply *a);
void vrepl_apply_save_soon(struct vrepl_apply *a);
void vrepl_apply_freeze(struct vrepl_apply *a, const struct position *pos);
struct vrepl_apply_status {
    struct position committed, seen; /* durable; looked at. position_fini both */
    enum copy_phase phase;
    bool frozen, failed;
    struct err error; /* failed, or retrying: code ≠ ERR_NONE */
    uint64_t rows, transactions;
    int64_t lag_ms; /* age of the last applied transaction when it was applied; −1: none yet */
};
void vrepl_apply_status(struct vrepl_apply *a, struct vrepl_apply_status *out);
void vrepl_apply_status_fini(struct vrepl_apply_status *st);

#endif
