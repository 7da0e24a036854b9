/* cdc/reader_definition.h — what a live server tells of a table that no log does: its columns'
 * defaults and their types in the server's own words. */
#ifndef SLUICE_CDC_READER_DEFINITION_H
#define SLUICE_CDC_READER_DEFINITION_H

#include "cdc/reader.h"

/* The definition that the table of the log had at the beginning of the transaction: a new reference
 * to a table of the same columns, in which those of which it is proven have a column_type; NULL:
 * nothing is proven. May read the log between there and its end, once. False: the server cannot be
 * asked now (RETRY, or SHUTDOWN when the stream is interrupted). Thread: the consumer's.  Locks: the
 * reader's schema_lock. */
bool cdc_stream_definition(struct cdc_stream *s, const struct cdc_change *begin,
                           const struct schema_table *log, const struct schema_table **out,
                           struct err *e) WARN_UNUSED;

#endif
