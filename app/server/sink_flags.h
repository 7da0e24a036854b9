/* app/server/sink_flags.h — the one table of flags that the verbs of sinks take. Pure. */
#ifndef SLUICE_APP_SERVER_SINK_FLAGS_H
#define SLUICE_APP_SERVER_SINK_FLAGS_H

#include "base/flags.h"

/* command: "sink", or "recover" for the verb of that name. */
extern const struct flag_def sink_flags[];

/* body: JSON text, NULL or empty for none. ERR_USAGE: no verb of sinks, or a flag that it does not
 * take, or a value of another kind. */
bool sink_flags_check(const char *verb, const char *body, struct err *e) WARN_UNUSED;
/* Markdown: the JSON members of every verb. */
void sink_flags_reference(struct buf *out);

#endif
