/* base/http_client.h — one HTTP request and its answer, by libcurl: over TCP or a unix socket,
 * bounded in bytes and in silence.
 *
 * The other side is not trusted: whatever it sends, a call ends with an answer or an error, and
 * takes no more memory than it was given. No proxy, no redirect, no other protocol.
 */
#ifndef SLUICE_BASE_HTTP_CLIENT_H
#define SLUICE_BASE_HTTP_CLIENT_H

#include "base/buf.h"

struct http_client_request {
    const char *address; /* "unix:/path" or "host:port" */
    const char *method;  /* "GET", "POST", "DELETE" */
    const char *path;    /* with query */
    const char *token;   /* bearer token or NULL */
    const char *body;    /* JSON or NULL */
    size_t max_bytes;    /* of the answer, or of one line of it */
    unsigned idle_ms;    /* without a byte for so long the call fails; without on_line the whole
                            answer has to be there by then */
    /* Called for each line of the answer as it arrives, without its line end, not for empty ones;
     * the body then holds only what follows the last line end. NULL: the whole answer is
     * collected. */
    void (*on_line)(void *ctx, const char *line);
    void *ctx;
};

/* *status: of the answer; body: what was received. ERR_DAEMON_UNREACHABLE: nobody listens; ERR_API:
 * the answer broke off, came too slowly or was no HTTP; ERR_LIMIT: it was too large.
 * Thread: any; blocks. */
bool http_client_call(const struct http_client_request *rq, int *status, struct buf *body,
                      struct err *e) WARN_UNUSED;

#endif
