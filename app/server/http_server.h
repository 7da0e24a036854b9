/* app/server/http_server.h — the HTTP server: libevent on one thread, every request handled on a thread of
 * its own.
 *
 * The loop never waits for anything but sockets; a handler may take as long as a reshard. Handlers
 * write either one document or lines; lines are sent as they come, with backpressure of
 * HTTP_PENDING_BYTES.
 */
#ifndef SLUICE_APP_SERVER_HTTP_SERVER_H
#define SLUICE_APP_SERVER_HTTP_SERVER_H

#include "base/flags.h"

struct http_server;
struct http_call; /* one request; given to the handler's thread */

/* Handles one call on its own thread and answers it by http_reply or http_line… + http_end. */
typedef void (*http_handler_fn)(void *ctx, struct http_call *call);
/* Answers "/healthz", "/readyz" and "/metrics" on the loop's own thread, so that they are answered
 * however busy the handlers are; must not wait. Fills body and *type, returns the status. */
typedef int (*http_probe_fn)(void *ctx, const char *path, const char **type, struct buf *body);

struct http_options {
    const char *listen;         /* "unix:/path" (0600) or a loopback "127.0.0.1:port" */
    const char *metrics_listen; /* "host:port" that answers what probe answers, without a token;
                                   NULL: none */
    const char *token;          /* NULL: none demanded; only with a unix socket */
    const char *stream_path;    /* what calls of it send has no end: so that they leave commands
                                   room, one of eight calls is never theirs. NULL: none;
                                   kept as long as the server */
    http_handler_fn handler;
    http_probe_fn probe;          /* may be NULL: then everything is the handler's */
    void (*on_hangup)(void *ctx); /* SIGHUP, on the loop's own thread; may be NULL */
    void *ctx;
};

/* ERR_CONFIG: an address that may not be used, TCP without a token, or another daemon's socket. */
struct http_server *http_open(const struct http_options *o, struct err *e) WARN_UNUSED;
/* Runs the loop until a signal (TERM, INT) or http_stop. Returns after all handlers have ended. */
void http_run(struct http_server *s);
void http_stop(struct http_server *s); /* Thread: any */
void http_close(struct http_server *s);
/* Another token, demanded from the next request on. Thread: the loop's (on_hangup). */
void http_set_token(struct http_server *s, const char *token);

const char *http_method(const struct http_call *c);
const char *http_path(const struct http_call *c);   /* decoded, without query */
const char *http_target(const struct http_call *c); /* path and query as sent */
/* Every parameter of the query, in its order, decoded; the texts are the call's. The caller frees
 * *out. Returns how many. */
size_t http_parameters(const struct http_call *c, struct flag_text **out);
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
/* Starts an answer of lines at once, and sends an empty line whenever nothing was sent for some
 * seconds, until http_end: the client can tell a long piece of work from a daemon that hangs. */
void http_keep_alive(struct http_call *c, const char *type);

#endif
