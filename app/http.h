/* app/http.h — the HTTP server: libevent on one thread, every request handled on a thread of its
 * own.
 *
 * The loop never waits for anything but sockets; a handler may take as long as a reshard. Handlers
 * write either one document or lines; lines are sent as they come, with backpressure of
 * HTTP_PENDING_BYTES.
 */
#ifndef SLUICE_APP_HTTP_H
#define SLUICE_APP_HTTP_H

#include "base/buf.h"

struct http_server;
struct http_call; /* one request; given to the handler's thread */

/* Handles one call on its own thread and answers it by http_reply or http_line… + http_end. */
typedef void (*http_handler_fn)(void *ctx, struct http_call *call);

/* listen: "unix:/path" (socket made 0600, a stale one replaced) or a loopback "127.0.0.1:port"
 * ("…:0" picks one). Other addresses are refused. token NULL: none demanded. */
struct http_server *http_open(const char *listen, const char *token, http_handler_fn handler,
                              void *ctx, struct err *e) WARN_UNUSED;
/* Runs the loop until a signal (TERM, INT) or http_stop. Returns after all handlers have ended. */
void http_run(struct http_server *s);
void http_stop(struct http_server *s); /* Thread: any */
bool http_stopping(const struct http_server *s);
void http_close(struct http_server *s);

const char *http_method(const struct http_call *c);
const char *http_path(const struct http_call *c);                    /* decoded, without query */
const char *http_query(const struct http_call *c, const char *name); /* NULL if absent */
const char *http_body(const struct http_call *c);
const char *http_header(const struct http_call *c,
                        const char *name); /* only Idempotency-Key, Accept, Prefer */
/* Non-zero once the client went away or the server stops; for long work. */
const volatile int *http_cancelled(const struct http_call *c);

void http_reply(struct http_call *c, int status, const char *type, const void *body, size_t n);
/* Starts (at the first call) a chunked answer 200 of the type, and sends. False: the client is
 * gone. */
bool http_line(struct http_call *c, const char *type, const void *p, size_t n);
void http_end(struct http_call *c);

#endif
