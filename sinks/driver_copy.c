/* sinks/driver_copy.c — the initial copy of a sink: a snapshot, acknowledged as a whole.
 *
 * Nothing is checkpointed before the copy is complete: a crash begins it anew (records are doubled,
 * none is lost).
 */
#include "base/fault.h"
#include "sinks/driver_internal.h"
#include "sinks/snapshot.h"

#define FLUSH_BYTES ((uint64_t)4 * 1024 * 1024)

static bool between_chunks(void *ctx, struct err *e)
{
    struct lane *l = ctx;
    if (driver_stopping(l->driver))
        return err_set(e, ERR_SHUTDOWN, "sink %s was asked to stop", l->driver->spec->name);
    return FAULT_POINT("sink.copy_chunk", e) &&
           (l->dirty_bytes < FLUSH_BYTES || lane_flush(l, false, "", e));
}

bool lane_copy(struct lane *l, struct position *at, struct err *e)
{
    lane_set_state(l, LANE_COPYING, NULL);
    if (!sink_snapshot(l->tx, &l->shard->primary, at, between_chunks, l, e))
        return false;
    l->copied = at;
    return lane_flush(l, true, "{\"copied\":true}", e);
}
