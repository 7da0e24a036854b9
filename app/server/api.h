/* app/server/api.h — the routes of the HTTP API over a daemon. */
#ifndef SLUICE_APP_SERVER_API_H
#define SLUICE_APP_SERVER_API_H

#include "app/server/daemon.h"
#include "app/server/http_server.h"
#include "app/server/monitor.h"

struct api;
struct api *api_new(struct daemon *d, struct monitor *m);
void api_free(struct api *a);
void api_handle(void *api, struct http_call *call); /* http_handler_fn */
/* /healthz, /readyz and /metrics; http_probe_fn. */
int api_probe(void *api, const char *path, const char **type, struct buf *body);

int api_error_status(const struct err *e);
void api_reference(struct buf *out); /* docs/reference/api.md */

#endif
