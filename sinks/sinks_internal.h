/* sinks/sinks_internal.h — what the files of sinks/ share. Not for others. */
#ifndef SLUICE_SINKS_SINKS_INTERNAL_H
#define SLUICE_SINKS_SINKS_INTERNAL_H

#include "sinks/sink.h"

extern const struct sink_ops sink_file_ops, sink_stdout_ops, sink_kafka_ops;

#endif
