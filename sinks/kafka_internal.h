/* sinks/kafka_internal.h — what the files of the Kafka sink share. */
#ifndef SLUICE_SINKS_KAFKA_INTERNAL_H
#define SLUICE_SINKS_KAFKA_INTERNAL_H

#include "sinks/sinks_internal.h"

#include <jansson.h>
#include <librdkafka/rdkafka.h>

struct map;
struct kafka_refusal;
struct kafka_topic {
    char *name;
    rd_kafka_topic_t *handle;
    uint64_t limit; /* its max.message.bytes, where batches are small; 0: not known */
};
struct kafka_sink {
    struct sink base;
    const struct sink_stop *stop;
    rd_kafka_t *producer;
    json_t *options;
    char *brokers, *name, *positions_topic;
    struct map *topics;
    uint64_t batch_bytes; /* what a batch may hold at most; 0: the default; 1: one record */
    uint64_t written;
    struct err first_error;                        /* of a delivery; NONE: none */
    struct kafka_refusal *refusals, *last_refusal; /* of records, in the order of the reports */
    struct kafka_refusal *taken;                   /* what kafka_refused lent last */
    char *refused_batch;                           /* a topic's; NULL: none */
    int refused_batch_code;
    char reason[400]; /* what librdkafka said last of a connection; "" since the last delivery */
    int reason_code;
    bool no_admin;        /* the brokers do not let us make topics: they do it, or somebody did */
    bool positions_there; /* the brokers know the topic of positions */
};
/* bootstrap servers, client id and the user's own properties; NULL: ERR_SINK_CONFIG. */
rd_kafka_conf_t *kafka_conf(struct kafka_sink *s, struct err *e);
/* True: the driver was asked to stop (SHUTDOWN). */
bool kafka_asked_to_stop(const struct kafka_sink *s, struct err *e);

/* kafka_delivery.c */
void kafka_on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *sink);
void kafka_on_error(rd_kafka_t *rk, int code, const char *reason, void *sink);
void kafka_on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text);
/* Was the record alone in the batch that was refused? batch_bytes: of the sink. librdkafka puts
 * nothing beside a record that has batch.size or more. Pure. */
bool kafka_refused_alone(uint64_t batch_bytes, int code, size_t record_bytes);
bool kafka_refused(struct sink *sink, struct sink_record *r, struct err *why);
void kafka_refusals_free(struct kafka_sink *s);
/* False: the producer is broken, or a batch was refused (SINK_BATCH). */
bool kafka_check(struct kafka_sink *s, struct err *e) WARN_UNUSED;
bool kafka_record_error(struct err *e, rd_kafka_resp_err_t code, const struct sink_record *r);
/* SINK_UNREACHABLE with what librdkafka says of the connections. Returns false. */
bool kafka_unreachable(const struct kafka_sink *s, struct err *e, int code, const char *what);
bool kafka_error(struct err *e, rd_kafka_resp_err_t code, const char *what);

/* kafka_topic.c */
/* The topic's max.message.bytes as it was asked when it was opened; 0: not known. */
uint64_t kafka_topic_limit(const struct kafka_sink *s, const char *topic);
/* The same, asked now. */
uint64_t kafka_ask_topic_limit(struct kafka_sink *s, const char *topic);
/* Whether a topic with these settings (NULL: not known) keeps each key's last record. Pure. */
bool kafka_keeps_last(const char *policy, const char *retention_ms, const char *retention_bytes);
/* False (SINK_CONFIG): the topic is known to lose positions after a time. */
bool kafka_check_kept(struct kafka_sink *s, const char *topic, struct err *e) WARN_UNUSED;
/* Makes the topic unless it is there. That it may not be made is no error: the first record will
 * tell. *there: the brokers know it now. False: no broker answers (RETRY). */
bool kafka_create_topic(struct kafka_sink *s, const char *topic, bool compacted, bool *there,
                        struct err *e) WARN_UNUSED;
/* Value of the last record with the key, over all partitions; "" if none or no such topic. That the
 * topic may not be described or read is an error: it says nothing of what stands in it. */
bool kafka_read_last(struct kafka_sink *s, const char *topic, const char *key, struct buf *out,
                     struct err *e) WARN_UNUSED;
/* Every key's last value, without the keys that were deleted. An absent topic is an error. */
typedef bool (*kafka_kept_fn)(void *ctx, const char *key, const char *value, struct err *e);
bool kafka_read_each(struct kafka_sink *s, const char *topic, kafka_kept_fn fn, void *ctx,
                     struct err *e) WARN_UNUSED;

#endif
