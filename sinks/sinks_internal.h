/* sinks/sinks_internal.h — what the files of sinks/ share. Not for others. */
#ifndef SLUICE_SINKS_SINKS_INTERNAL_H
#define SLUICE_SINKS_SINKS_INTERNAL_H

#include "sinks/sink.h"

/* What sink_ops' functions are given as options_json: the spec's own options, its name and its
 * prefix. batch_bytes: 0, or what the destination takes at once. */
char *sink_options_text(const struct sink_spec *spec, int batch_bytes);

extern const struct sink_ops sink_file_ops, sink_stdout_ops, sink_kafka_ops;

#endif
