/* app/cli/remote.h — a request to the daemon that the command's options name (--api, else the
 * configuration). */
#ifndef SLUICE_APP_CLI_REMOTE_H
#define SLUICE_APP_CLI_REMOTE_H

#include "app/cli/options.h"

bool remote_call(const struct opt_values *v, const char *method, const char *path, const char *body,
                 void (*on_line)(void *ctx, const char *line), void *ctx, int *status,
                 struct buf *answer, struct err *e) WARN_UNUSED;
/* A request whose answer is one document: 200 or *e. */
bool remote_document(const struct opt_values *v, const char *method, const char *path,
                     const char *body, struct buf *answer, struct err *e) WARN_UNUSED;

#endif
