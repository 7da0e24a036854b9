/* vrepl/move/copy.h — the initial copy: key ranges, rounds, copiers. Who replays between rounds is
 * vrepl/move/stream.c. */
#ifndef SLUICE_VREPL_MOVE_COPY_H
#define SLUICE_VREPL_MOVE_COPY_H

#include "base/metrics.h"
#include "vrepl/move/left_out.h"
#include "vrepl/move/progress.h"
#include "vrepl/move/route.h"

struct vrepl_copy_target {
    struct target_tx_key key;
    const struct my_params *params;
    struct progress *progress; /* changed by rounds */
    struct left_out *left_out; /* likewise */
};
struct vrepl_copy_options {
    const struct vrepl_stream_spec *spec; /* borrowed, as everything here */
    struct vrepl_copy_target *targets;    /* one a target of the spec */
    struct vrepl_router *router;
    struct schema_table *const *sources; /* definitions of the source tables, in the spec's order */
    const volatile int *stop;
    /* A copier cannot write a chunk now and tries again: why. NULL: it has written it. Thread: the
     * copier's. */
    void (*waits)(void *ctx, const struct err *why);
    void *waits_ctx;
};
struct vrepl_copy;
struct vrepl_copy *vrepl_copy_new(const struct vrepl_copy_options *o, struct err *e) WARN_UNUSED;
void vrepl_copy_free(struct vrepl_copy *c);

/* Splits tables that have no progress rows into ranges; copies those that need one exact snapshot,
 * wholly. Appliers stand still. Thread: stream's, as for all of this. */
bool vrepl_copy_prepare(struct vrepl_copy *c, struct err *e) WARN_UNUSED;
/* One round: reads that see everything up to a, until the time is over or nothing is left. Appliers
 * have committed a on every target, and stand still. On return nothing of the round is in flight,
 * and progress in memory is what the targets hold. RETRY errors of single copiers end the round
 * early. */
bool vrepl_copy_round(struct vrepl_copy *c, const struct position *low, int64_t budget_ms,
                      struct err *e) WARN_UNUSED;
bool vrepl_copy_done(const struct vrepl_copy *c);

/* "ADD KEY …, ADD KEY …" on a target, unless another stream of the workflow still copies into the
 * table or the keys are there; then checks that each of them is. */
bool vrepl_copy_add_keys(struct my_conn *c, const char *workflow, const struct vrepl_table_spec *t,
                         struct err *e) WARN_UNUSED;

#endif
