/* app/server/recover.h — what a destination tells of the sinks that publish to it, for `sluice
 * recover`.
 */
#ifndef SLUICE_APP_SERVER_RECOVER_H
#define SLUICE_APP_SERVER_RECOVER_H

#include "app/server/sink_flags.h"
#include "state/position.h"

struct recovered_lane {
    char *keyspace, *shard;
    struct position pos;
};
struct recovered_sink {
    char *name;
    bool by_command;
    struct sink_options definition; /* what `sink create` was told, of one by command */
    struct recovered_lane *lanes;   /* without those of a copy that is not complete */
    size_t n_lanes, cap_lanes;
};
struct recovered_sinks {
    struct recovered_sink *items;
    size_t n, cap;
};
/* from: the destination, like kafka://HOST:PORT or file:PATH; options_json: {"kafka":{…}}. Changes
 * nothing there. */
bool recover_read(const char *from, const char *prefix, const char *options_json,
                  struct recovered_sinks *out, struct err *e) WARN_UNUSED;
void recovered_sinks_fini(struct recovered_sinks *all);

#endif
