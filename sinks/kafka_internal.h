/* sinks/kafka_internal.h — what the files of the Kafka sink share. */
#ifndef SLUICE_SINKS_KAFKA_INTERNAL_H
#define SLUICE_SINKS_KAFKA_INTERNAL_H

#include "sinks/sinks_internal.h"

#include <jansson.h>
#include <librdkafka/rdkafka.h>

struct map;
struct kafka_sink {
    struct sink base;
    rd_kafka_t *producer;
    json_t *options;
    char *brokers, *name, *positions_topic;
    struct map *topics;
    uint64_t written, delivered, failed;
    struct err first_error; /* of a delivery; NONE: none */
    bool no_admin;          /* the brokers do not let us make topics: they do it, or somebody did */
};
/* bootstrap servers, client id and the user's own properties; NULL: ERR_SINK_CONFIG. */
rd_kafka_conf_t *kafka_conf(const struct kafka_sink *s, struct err *e);
bool kafka_error(struct err *e, rd_kafka_resp_err_t code, const char *what);
/* Makes the topic unless it is there. That it may not be made is no error: the first record will
 * tell. False: no broker answers (RETRY). */
bool kafka_create_topic(struct kafka_sink *s, const char *topic, bool compacted,
                        struct err *e) WARN_UNUSED;
/* Value of the last record with the key, over all partitions; "" if none or no such topic. */
bool kafka_read_last(struct kafka_sink *s, const char *topic, const char *key, struct buf *out,
                     struct err *e) WARN_UNUSED;

#endif
