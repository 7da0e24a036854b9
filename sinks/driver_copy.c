/* sinks/driver_copy.c — the initial copy of a sink: the rows that its lane gives first, acknowledged
 * as a whole.
 *
 * Nothing is checkpointed before the copy is complete: a crash begins it anew (records are doubled,
 * none is lost).
 */
#include "base/fault.h"
#include "sinks/driver_internal.h"

#define FLUSH_BYTES ((uint64_t)4 * 1024 * 1024)

bool lane_between_chunks(struct lane *l, struct err *e)
{
    if (driver_stopping(l->driver))
        return err_set(e, ERR_SHUTDOWN, "sink %s was asked to stop", l->driver->spec->name);
    return FAULT_POINT("sink.copy_chunk", e) &&
           (l->dirty_bytes < FLUSH_BYTES || lane_flush(l, false, "", e));
}

bool lane_copied(struct lane *l, struct err *e)
{
    if (!lane_between_chunks(l, e) || !lane_flush(l, true, "{\"copied\":true}", e))
        return false;
    lane_set_state(l, LANE_RUNNING, NULL);
    return true;
}
