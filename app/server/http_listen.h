/* app/server/http_listen.h — one listening address of the API and the connections that came through
 * it.
 *
 * A connection that sends no whole request does not stay: it would hold a descriptor that
 * replication needs. The number of connections is bounded; when it is reached, those without a
 * request that runs give way, the oldest first. When descriptors run out, accepting rests for a
 * moment instead of trying again at once.
 *
 * Thread: the loop's, but http_port_open and _close while no loop runs. Private to
 * app/server/http*.c.
 */
#ifndef SLUICE_APP_SERVER_HTTP_LISTEN_H
#define SLUICE_APP_SERVER_HTTP_LISTEN_H

#include "base/err.h"

#include <stddef.h>

struct event_base;
struct evhttp;
struct evhttp_connection;
struct http_port;

enum http_reach {
    HTTP_REACH_LOCAL, /* a unix socket (0600), or TCP on loopback */
    HTTP_REACH_ANY    /* any address of the machine too: for what shows no data */
};

/* listen: "unix:/path" or "host:port". A socket file on which a daemon answers is refused, one that
 * nobody serves is replaced. ERR_CONFIG: not an address, or one that may not be used; ERR_IO: the
 * system refuses. */
struct http_port *http_port_open(struct event_base *base, const char *listen, enum http_reach reach,
                                 struct err *e) WARN_UNUSED;
void http_port_close(struct http_port *p); /* NULL is fine; removes its socket file */
struct evhttp *http_port_evhttp(struct http_port *p);
bool http_port_is_tcp(const struct http_port *p);
/* How many requests may run at once: fewer than there may be connections, so that a probe still
 * finds one when all of them run. */
size_t http_port_calls_max(const struct http_port *p);
/* Anything but "unix:…". Pure. */
bool http_listen_is_tcp(const char *listen);

/* A request of this connection begins or has ended: only those without one give way. */
void http_port_busy(struct http_port *p, struct evhttp_connection *conn, bool busy);

#endif
