/* vrepl/move/apply_lane.h — one way of writing to a target: a connection, the stream's epoch, a
 * position row, and what follows an error. What is written in its transactions, a strategy decides
 * (apply_internal.h).
 *
 * Invariants:
 *   1. row is what the target's position row holds.
 *   2. After an error nothing of the work in hand counts: ROLLBACK, read the row again. n unchanged:
 *      all of it is repeated. n one higher and pos at the work's end: its COMMIT had arrived.
 *      Anything else: there is another writer.
 * A target may have several lanes, each with a position row of its own. Thread: the lane's own.
 */
#ifndef SLUICE_VREPL_MOVE_APPLY_LANE_H
#define SLUICE_VREPL_MOVE_APPLY_LANE_H

#include "base/backoff.h"
#include "vrepl/move/stream.h"
#include "vrepl/move/target_tx.h"
#include "vrepl/move/writer.h"

#include <pthread.h>

#define APPLY_DUPLICATE_MS 30000 /* waiting for another source's stream */

struct apply_lane {
    const struct vrepl_stream_spec *spec; /* borrowed, as the next four */
    const struct my_params *params;
    const volatile int *stop;
    void (*retrying)(void *ctx, const struct err *e); /* shown while it is retried; NULL: no more */
    void *ctx;
    struct target_tx_key key;

    pthread_mutex_t lock; /* conn is changed under it: apply_lane_interrupt uses it */
    struct my_conn *conn;
    struct target_tx *tx;
    struct vrepl_writer *writer;
    bool fk_checks;        /* whether the session checks foreign keys */
    bool one_by_one;       /* an error has to be named */
    struct target_row row; /* the position row as it is durable */
    int64_t duplicate_since_ms;
    int64_t awake_ms; /* when my_ping last succeeded: TARGET_AWAKE_MS */
    struct backoff backoff;
};

/* One transaction at the target, as far as its repetition asks for it. */
struct lane_work {
    bool open;    /* the target's transaction has begun */
    bool whole;   /* end is known */
    bool dropped; /* something of it was given up: it cannot be repeated here */
    const struct position *end;
};

/* The borrowed fields, key and row are set. fini takes what a lane had that never connected too. */
void apply_lane_init(struct apply_lane *l);
void apply_lane_fini(struct apply_lane *l);
bool apply_lane_connect(struct apply_lane *l, struct err *e) WARN_UNUSED; /* again, too */
void apply_lane_interrupt(struct apply_lane *l);                          /* Thread: any */
/* A connection that is kept has to speak now and then. */
void apply_lane_keep_awake(struct apply_lane *l);
bool apply_lane_fk_checks(struct apply_lane *l, bool on, struct err *e) WARN_UNUSED;

/* The phase that the row has when it stands at end. */
enum copy_phase apply_lane_phase_at(const struct apply_lane *l, const struct position *end);
/* Begins w's transaction, once: epoch, marker and, when w is whole, its end. */
bool apply_lane_begin(struct apply_lane *l, struct lane_work *w, struct err *e) WARN_UNUSED;
/* Ends it; marked: the row got its end when it began. */
bool apply_lane_commit(struct apply_lane *l, const struct lane_work *w, bool marked,
                       struct err *e) WARN_UNUSED;
/* A transaction of the position row alone: pos; high: also the new high watermark; freeze: for good. */
bool apply_lane_save(struct apply_lane *l, const struct position *pos, const struct position *high,
                     bool freeze, struct err *e) WARN_UNUSED;
/* w's transaction failed with *e. True: it is repeated, or (*done) its COMMIT had arrived. False:
 * it is not, and *e says why. */
bool apply_lane_recover(struct apply_lane *l, struct lane_work *w, bool *done, struct err *e);
/* A transaction arrived: the row stands at end. */
void apply_lane_advance(struct apply_lane *l, const struct position *end);
void apply_lane_succeeded(struct apply_lane *l); /* what was changed for the repetition goes */

#endif
