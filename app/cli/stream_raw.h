/* app/cli/stream_raw.h — `sluice stream --format raw`: the events of one server's log as they are;
 * and what it shares with the other formats. */
#ifndef SLUICE_APP_CLI_STREAM_RAW_H
#define SLUICE_APP_CLI_STREAM_RAW_H

#include "app/cli/cmd_stream.h"
#include "state/position.h"

/* On one connection: when it is lost the command ends in that error. */
bool stream_raw(struct topology *topo, const struct stream_request *rq, struct err *e) WARN_UNUSED;

/* cmd_stream.c: the shard's entry of a VGTID; ERR_USAGE if it has none. */
bool stream_entry(const char *json, const struct topo_shard *shard, struct position *out,
                  struct err *e) WARN_UNUSED;
/* --until: a place or a time; neither is touched without it. */
bool stream_until(const struct stream_request *rq, const struct topo_shard *shard,
                  struct position *out, uint32_t *seconds, struct err *e) WARN_UNUSED;
bool stream_interrupted(void); /* SIGINT or SIGTERM came */

#endif
