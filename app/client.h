/* app/client.h — the verbs' side of the HTTP API: one blocking request over a unix or TCP socket.
 */
#ifndef SLUICE_APP_CLIENT_H
#define SLUICE_APP_CLIENT_H

#include "base/buf.h"

struct client_request {
    const char *address; /* "unix:/path" or "host:port" */
    const char *token;   /* bearer token or NULL */
    const char *method;  /* "GET", "POST" */
    const char *path;    /* with query */
    const char *body;    /* JSON or NULL */
    /* Called for each line of an NDJSON answer as it arrives; NULL: the body is only collected. */
    void (*on_line)(void *ctx, const char *line);
    void *ctx;
};
/* *status: the HTTP status; body: the answer (without transfer coding). ERR_DAEMON_UNREACHABLE if
 * nobody listens, ERR_API if the answer breaks off. */
bool client_call(const struct client_request *rq, int *status, struct buf *body,
                 struct err *e) WARN_UNUSED;
/* Reads {"error":{…}} of an answer into *e; false always. */
bool client_error(const char *json, struct err *e);

#endif
