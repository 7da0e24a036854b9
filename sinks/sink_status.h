/* sinks/sink_status.h — what people see of a sink: a struct that the driver fills and that is rendered once.
 */
#ifndef SLUICE_SINKS_SINK_STATUS_H
#define SLUICE_SINKS_SINK_STATUS_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

struct sink_lane_status {
    const char *shard; /* the topology's */
    const char
        *state;     /* "starting", "copying", "running", "waiting", "error", "ended", "stopped" */
    char *position; /* the last acknowledged, "" for none */
    char *message;  /* "" for none */
    int64_t lag_ms;
    uint64_t records, dead_letters;
    /* of its shard's log, since the daemon began, by the readers of its policy */
    uint64_t skipped_statements;
};
struct sink_status {
    const char *name, *keyspace, *to, *format; /* the definition's; NULL: not said */
    const char
        *state; /* the worst of the lanes'; "Paused" or "Error" of a sink that does not run */
    const char *on_statement;       /* NULL: it does not run */
    struct sink_lane_status *lanes; /* NULL: it does not run */
    size_t n_lanes;
    char *message;       /* one of the lanes', or why it does not run; "" for none */
    const char *summary; /* NULL: none; what a command's answer begins with */
    bool from_yaml;
};
/* One JSON object. */
void sink_status_put(const struct sink_status *s, struct buf *out);
void sink_status_fini(struct sink_status *s);

#endif
