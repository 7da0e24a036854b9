/* sinks/topic.h — the name of the topic that a record goes to: a template, made valid. Pure. */
#ifndef SLUICE_SINKS_TOPIC_H
#define SLUICE_SINKS_TOPIC_H

#include "base/buf.h"

#define SINK_TOPIC_MAX 249 /* Kafka's limit */

struct sink_topic {       /* what stands for {prefix} {keyspace} {shard} {db} {table} */
    const char *template; /* NULL or "": {prefix}.{db}.{table} */
    const char *prefix, *keyspace, *shard;
};
/* The topic of a table. Kafka allows letters, digits, '.', '_' and '-': every other character
 * becomes one '_' (two where it is beyond U+FFFF, which Java counts as two), what is longer than
 * 249 is cut, and "." and ".." become "_" and "__"; all as Debezium's topic naming does it. */
void sink_topic_of(const struct sink_topic *t, const char *db, const char *table, struct buf *out);
/* One name, made valid in the same way: the prefix is the topic of records without a table. */
void sink_topic_make_valid(const char *name, struct buf *out);
/* Whether names can be made: no unknown {field}, and room for a table's name (SINK_CONFIG). */
bool sink_topic_check(const struct sink_topic *t, struct err *e) WARN_UNUSED;

#endif
