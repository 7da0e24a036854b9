/* app/server/vstream_call.h — GET /v1/vstream: a keyspace's change stream as chunked NDJSON or
 * server-sent events. */
#ifndef SLUICE_APP_SERVER_VSTREAM_CALL_H
#define SLUICE_APP_SERVER_VSTREAM_CALL_H

#include "app/server/daemon.h"
#include "app/server/http_server.h"

/* The query is struct vstream_parameters (app/server/parameters.h). Runs until the client goes away,
 * or ends with an error that carries the VGTID from which a client goes on. */
void vstream_serve(struct daemon *d, struct http_call *call);

#endif
