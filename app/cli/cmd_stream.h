/* app/cli/cmd_stream.h — `sluice stream`: the merged change stream of a keyspace's shards to
 * stdout, without a daemon. */
#ifndef SLUICE_APP_CLI_CMD_STREAM_H
#define SLUICE_APP_CLI_CMD_STREAM_H

#include "schemas/sharding/topology.h"

struct stream_request {
    const char *keyspace;
    const char *const *shards; /* names; the caller chose the serving ones */
    size_t n_shards;
    const char *const *tables; /* none: all */
    size_t n_tables;
    const char *state_dir;    /* where table versions are kept; NULL: nowhere */
    const char *from;         /* "current", "beginning", a time or a VGTID */
    const char *on_statement; /* "stop", "skip-unrelated", "warn"; NULL: the second */
    const char *until;        /* VGTID, time or NULL */
    int64_t until_idle_ms;    /* 0: never */
    bool copy;                /* rows that exist first */
    const char *format; /* "ndjson", "debezium-json", "none" (decode every value, print nothing) */
    const char *prefix; /* Debezium's topic.prefix */
    bool tx, stats;
};
/* format "raw": the events of one shard, a line each; stats: by type and table
 * (app/cli/stream_raw.c). Runs until its end or SIGINT/SIGTERM (ERR_SHUTDOWN: exit 130). The final
 * VGTID goes to stderr. */
bool cmd_stream_run(struct topology *topo, const struct stream_request *rq,
                    struct err *e) WARN_UNUSED;

#endif
