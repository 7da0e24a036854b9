/* app/server/parameters.c — the tables: one row a parameter, and what stands behind each. */
#include "app/server/parameters.h"

#define STREAM(f) FLAG_FIELD(vstream_parameters, f)
#define VERB(f)   FLAG_FIELD(verb_parameters, f)

/* clang-format off */
const struct flag_def vstream_parameters[] = {
    {.name = "keyspace", .type = FLAG_TEXT, .arg = "KEYSPACE", .doc = "whose changes; needed", .field = STREAM(keyspace)},
    {.name = "vgtid", .type = FLAG_TEXT, .arg = "POSITION", .fallback = "current",
     .doc = "where to begin: the last `vgtid` received, whole; current, beginning or a time", .field = STREAM(vgtid)},
    {.name = "tables", .type = FLAG_LIST, .doc = "only these tables", .field = STREAM(tables)},
    {.name = "shard", .type = FLAG_TEXT, .arg = "SHARD", .doc = "only this shard, of those that serve or that the VGTID names",
     .field = STREAM(shard)},
    {.name = "tx", .type = FLAG_BOOL, .fallback = "false", .doc = "begin and commit records too", .field = STREAM(tx)},
    {.name = "heartbeat", .type = FLAG_DURATION, .fallback = "5s", .min = 100, .max = 3600000,
     .doc = "how often a heartbeat is sent, from 100ms to 1h; 0: never", .field = STREAM(heartbeat_ms)},
    {.name = NULL},
};
const struct flag_def verb_parameters[] = {
    {.name = "type", .type = FLAG_TEXT, .arg = "COMMAND", .fallback = "workflow", .commands = "/v1/workflows",
     .doc = "the command that the verb belongs to: movetables, reshard, materialize, vdiff, or workflow for any type", .field = VERB(type)},
    {.name = "progress", .type = FLAG_BOOL, .fallback = "false", .doc = "answer lines as the verb works, the last one its result",
     .field = VERB(progress)},
    {.name = NULL},
};
/* clang-format on */
const struct flag_def no_parameters[] = {{.name = NULL}};
