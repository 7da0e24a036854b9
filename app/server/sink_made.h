/* app/server/sink_made.h — sinks made by command: from what `sink create` was told to the definition that
 * runs, is stored, and is kept at the destination. Pure.
 */
#ifndef SLUICE_APP_SERVER_SINK_MADE_H
#define SLUICE_APP_SERVER_SINK_MADE_H

#include "app/server/sink_flags.h"
#include "sinks/sink.h"

/* out: for sink_spec_fini. installation: the prefix of a sink that has none. */
void sink_made_spec(const char *name, const struct sink_options *o, const char *installation,
                    struct sink_spec *out);
/* What the store keeps of the sink: all that it was told. malloc'ed JSON for sink_options_fill. */
char *sink_made_document(const struct sink_options *o);
/* {"kafka":{name: value},"on_statement":…}, as struct sink_spec has it. malloc'ed. */
char *sink_made_properties(const struct sink_options *o);

#endif
