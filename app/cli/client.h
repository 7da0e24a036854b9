/* app/cli/client.h — the verbs' side of the daemon's HTTP API. */
#ifndef SLUICE_APP_CLI_CLIENT_H
#define SLUICE_APP_CLI_CLIENT_H

#include "base/http_client.h"

/* As http_client_call, with the limits of an answer of the daemon. A token is refused for an
 * address beyond this machine: it would go there unencrypted. */
bool client_call(const struct http_client_request *rq, int *status, struct buf *body,
                 struct err *e) WARN_UNUSED;
/* Reads {"error":{…}} of an answer into *e; false always. */
bool client_error(const char *json, struct err *e);

#endif
