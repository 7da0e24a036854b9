/* app/cli/client.h — the verbs' side of the daemon's HTTP API. */
#ifndef SLUICE_APP_CLI_CLIENT_H
#define SLUICE_APP_CLI_CLIENT_H

#include "base/http.h"

struct client_request {
    const char *address;                          /* "unix:/path", "host:port" or "https://…" */
    const char *method;                           /* "GET", "POST", "DELETE" */
    const char *path;                             /* the query is part of it */
    const char *token;                            /* bearer token or NULL */
    const char *body;                             /* JSON or NULL */
    void (*on_line)(void *ctx, const char *line); /* as in base/http.h */
    void *ctx;
};
/* With the limits that suit the daemon's answers. *status: of the answer; body: what was received.
 * ERR_DAEMON_UNREACHABLE: nobody listens; ERR_API: the answer broke off, came too slowly or was no
 * HTTP; ERR_LIMIT: it was too large; ERR_CONFIG: the token would leave this machine unencrypted. */
bool client_call(const struct client_request *rq, int *status, struct buf *body,
                 struct err *e) WARN_UNUSED;
/* Sets e from {"error":{…}}: code, message and cure. Always false. */
bool client_error(const char *json, struct err *e);

#endif
