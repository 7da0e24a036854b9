/* vrepl/move/apply_internal.h — what apply.c (thread, control), apply_ddl.c (DDL) and
 * apply_group.c (transactions) share.
 */
#ifndef SLUICE_VREPL_MOVE_APPLY_INTERNAL_H
#define SLUICE_VREPL_MOVE_APPLY_INTERNAL_H

#include "base/metrics.h"
#include "base/queue.h"
#include "vrepl/move/apply.h"
#include "vrepl/move/apply_lane.h"
#include "vrepl/move/group_form.h"

#include <pthread.h>

#define APPLY_QUEUE_BYTES ((size_t)8 * 1024 * 1024)
#define APPLY_HELD_BYTES                                                                           \
    ((size_t)16 * 1024 * 1024) /* of one open transaction, for its repetition */
#define APPLY_SAVE_MS 1000
#define APPLY_STOP_MS 2000 /* for the group in hand to end by itself */

enum apply_item_kind {
    APPLY_ITEM_BATCH,
    APPLY_ITEM_SAVE,
    APPLY_ITEM_SET_HIGH,
    APPLY_ITEM_RUN,
    APPLY_ITEM_POKE
};
struct apply_item {
    enum apply_item_kind kind;
    int refs; /* the applier's thread only */
    struct cdc_batch *batch;
    struct vrepl_routing *routing;
    struct position high;
    bool (*fn)(void *ctx, struct my_conn *c, struct err *e);
    void *ctx;
};
void apply_item_unref(struct apply_item *i);

/* How routed batches become transactions of a target. Call order: batch, once for each item; the
 * strategy takes further items by apply_gather and apply_next_batch, and gives each DDL, between what
 * it has committed and what it has not begun, to apply_ddl. */
struct apply_strategy {
    const char *name;
    /* Works through a->item from a->at on. False: the applier has failed. */
    bool (*batch)(struct vrepl_apply *a, struct err *e);
};

struct vrepl_apply {
    struct vrepl_apply_options o;
    const struct apply_strategy *strategy;
    pthread_t thread;
    struct queue *queue;
    volatile int stop;

    /* The thread's own: */
    struct apply_lane lane; /* one today; a strategy may use several */
    struct position seen;   /* after the last change looked at, at a boundary */
    bool skipping;          /* still before row.pos */
    bool parked;            /* the attempt is about to end: no batch is looked at any more */
    bool unsaved;           /* a foreign transaction moved `seen` since the last save */
    int64_t saved_ms;
    struct apply_item *item; /* current batch and the next change in it */
    size_t at;
    struct apply_item *aside;  /* taken from the queue, not looked at yet */
    size_t gathered;           /* batches taken behind the one that work() took */
    struct group_tx source_tx; /* the one that is being looked at */
    struct cdc_row *before, *after;
    size_t row_columns;
    struct metric *m_rows[3], *m_batches, *m_latency; /* rows by mode */

    /* Shared: */
    pthread_mutex_t lock;
    struct position committed, seen_shared, freeze_pos;
    enum copy_phase phase;
    bool frozen, failed, freeze, save_soon;
    struct err error;
    uint64_t rows, transactions;
    int64_t lag_ms;
};

/* apply.c */
void apply_publish(struct vrepl_apply *a, uint64_t rows, uint64_t transactions, int64_t lag_ms);
/* The queue's next item, if it is there and a batch, becomes a->item; never waits. */
bool apply_gather(struct vrepl_apply *a);
/* Between groups: positions that have waited long enough, and the freeze. */
bool apply_save_if_due(struct vrepl_apply *a, struct err *e) WARN_UNUSED;
/* Next batch for an open transaction; false: stop, or failed. */
bool apply_next_batch(struct vrepl_apply *a, struct err *e) WARN_UNUSED;

/* apply_ddl.c. f: of a DDL alone. Between groups, with no transaction open. Call order: before what is
 * behind it is looked at. False: an error, also where the DDL was done and the tables are to be looked at
 * anew. a->parked: nothing behind it may be looked at. */
bool apply_ddl(struct vrepl_apply *a, const struct group_form *f, struct err *e) WARN_UNUSED;

/* apply_group.c */
/* What f covers has been looked at and has no row for this target. */
void apply_pass(struct vrepl_apply *a, const struct group_form *f);
extern const struct apply_strategy apply_transactional;
/* Makes `seen` durable, without rows; high: also the new high watermark. */
bool apply_save(struct vrepl_apply *a, const struct position *high, bool freeze,
                struct err *e) WARN_UNUSED;

#endif
