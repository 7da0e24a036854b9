/* app/vstream.h — GET /v1/vstream: a keyspace's change stream as chunked NDJSON or server-sent
 * events. */
#ifndef SLUICE_APP_VSTREAM_H
#define SLUICE_APP_VSTREAM_H

#include "app/daemon.h"
#include "app/http.h"

/* Query: keyspace, vgtid (position or empty = current), tables=a,b, shard (default: all serving
 * ones), tx=1. Runs until the client goes away. */
void vstream_serve(struct daemon *d, struct http_call *call);

#endif
