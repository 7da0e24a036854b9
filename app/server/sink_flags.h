/* app/server/sink_flags.h — the one table of flags that the verbs of sinks take. Pure. */
#ifndef SLUICE_APP_SERVER_SINK_FLAGS_H
#define SLUICE_APP_SERVER_SINK_FLAGS_H

#include "base/flags.h"

/* What a verb was told; fields of flags that it does not take are zero. */
struct sink_options {
    char *keyspace, *to, *format, *prefix, *topic, *on_statement;
    char *from; /* create: where to start; recover: where the sinks publish */
    struct flag_list tables;
    struct flag_list kafka; /* name=value each */
    bool copy, dry_run;
};

/* command: "sink", or "recover" for the verb of that name. */
extern const struct flag_def sink_flags[];

/* body: JSON text, NULL or empty for none. ERR_USAGE: no verb of sinks, or a flag that it does not
 * take, a value of another kind, an empty text. o: all zero; for sink_options_fini in any case. */
bool sink_options_fill(const char *verb, const char *body, struct sink_options *o,
                       struct err *e) WARN_UNUSED;
void sink_options_fini(struct sink_options *o);
/* Markdown: the JSON members of every verb. */
void sink_flags_reference(struct buf *out);

#endif
