/* app/server/http_guard.h — who may ask the API what: a decision about one request's head. Pure.
 *
 * The API changes tables, so a request must come from a program that means it. A web page that is
 * open in a browser on the same host (or at the other end of a forwarded port) can send requests,
 * but not without an Origin, and not with a JSON Content-Type unless asked before; a name that an
 * attacker makes resolve to loopback shows in Host.
 */
#ifndef SLUICE_APP_SERVER_HTTP_GUARD_H
#define SLUICE_APP_SERVER_HTTP_GUARD_H

#include "base/err.h"

struct http_head {
    bool tcp;                  /* came over TCP, not through a unix socket */
    const char *method, *path; /* "GET", "/v1/status"; decoded, without query */
    const char *host;          /* headers; NULL: absent */
    const char *origin, *content_type, *authorization;
};

/* 0: the request may be handled. Otherwise the HTTP status that refuses it, with the reason in *e.
 * token NULL: none is demanded. */
int http_guard(const struct http_head *h, const char *token, struct err *e);
/* /healthz and /readyz are answered to everybody who reaches the address; they show no data. */
bool http_guard_is_probe(const char *path);

#endif
