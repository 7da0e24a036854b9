/* sinks/kafka_topic.c — makes topics, and reads the last record of a key in a compacted one. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "sinks/kafka_internal.h"

#include <stdlib.h>
#include <string.h>

#define ADMIN_TIMEOUT_MS 10000
#define READ_TIMEOUT_MS  30000

static bool exists(struct kafka_sink *s, const char *topic, bool *yes, struct err *e)
{
    const struct rd_kafka_metadata *all;
    *yes = false;
    rd_kafka_resp_err_t code = rd_kafka_metadata(s->producer, 1, NULL, &all, ADMIN_TIMEOUT_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        kafka_error(e, code, "no broker answers");
        err_set_native(e, ERR_SINK_UNREACHABLE, ERR_CLASS_RETRY, code, "kafka: %s: %s", s->brokers,
                       rd_kafka_err2str(code));
        return false;
    }
    for (int i = 0; i < all->topic_cnt && !*yes; i++)
        *yes = strcmp(all->topics[i].topic, topic) == 0;
    rd_kafka_metadata_destroy(all);
    return true;
}

static rd_kafka_resp_err_t result_of(rd_kafka_event_t *event)
{
    size_t n = 0;
    if (!event)
        return RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (rd_kafka_event_error(event))
        return rd_kafka_event_error(event);
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
    const rd_kafka_topic_result_t **topics =
        result ? rd_kafka_CreateTopics_result_topics(result, &n) : NULL;
    return n ? rd_kafka_topic_result_error(topics[0]) : RD_KAFKA_RESP_ERR__FAIL;
}

static rd_kafka_resp_err_t create(struct kafka_sink *s, const char *topic, bool compacted)
{
    char text[200];
    rd_kafka_NewTopic_t *new_topic =
        rd_kafka_NewTopic_new(topic, compacted ? 1 : -1, -1, text, sizeof text);
    if (!new_topic)
        return RD_KAFKA_RESP_ERR__INVALID_ARG;
    if (compacted)
        rd_kafka_NewTopic_set_config(new_topic, "cleanup.policy", "compact");
    rd_kafka_queue_t *queue = rd_kafka_queue_new(s->producer);
    rd_kafka_AdminOptions_t *o =
        rd_kafka_AdminOptions_new(s->producer, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_request_timeout(o, ADMIN_TIMEOUT_MS, text, sizeof text);
    rd_kafka_CreateTopics(s->producer, &new_topic, 1, o, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ADMIN_TIMEOUT_MS + 1000);
    rd_kafka_resp_err_t code = result_of(event);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(o);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(new_topic);
    return code;
}

bool kafka_create_topic(struct kafka_sink *s, const char *topic, bool compacted, struct err *e)
{
    bool there;
    if (!exists(s, topic, &there, e))
        return false;
    if (there || s->no_admin)
        return true;
    rd_kafka_resp_err_t code = create(s, topic, compacted);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
        log_debug("sink.kafka", "topic %s was not made: %s", topic, rd_kafka_err2str(code));
        /* Not asked again of a cluster that cannot, or does not answer: each time costs the
         * timeout. */
        s->no_admin =
            code == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE || code == RD_KAFKA_RESP_ERR__TIMED_OUT;
    }
    return true;
}

/* ---- reading a position back ---- */

static rd_kafka_t *open_consumer(struct kafka_sink *s, struct err *e)
{
    static const char *const ours[][2] = {{"group.id", "sluice-positions"},
                                          {"enable.auto.commit", "false"},
                                          {"enable.partition.eof", "true"},
                                          {"isolation.level", "read_uncommitted"}};
    char text[400];
    rd_kafka_conf_t *conf = kafka_conf(s, e);
    for (size_t i = 0; conf && i < sizeof ours / sizeof *ours; i++)
        rd_kafka_conf_set(conf, ours[i][0], ours[i][1], text, sizeof text);
    rd_kafka_t *consumer = conf ? rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text) : NULL;
    if (conf && !consumer) {
        err_set(e, ERR_SINK_CONFIG, "kafka: %s", text);
        rd_kafka_conf_destroy(conf);
    }
    return consumer;
}

/* All partitions of the topic from their beginning; none when there is no such topic. */
static rd_kafka_topic_partition_list_t *partitions_of(rd_kafka_t *consumer, const char *topic,
                                                      struct err *e)
{
    const struct rd_kafka_metadata *m;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(consumer, topic, NULL);
    rd_kafka_resp_err_t code = rd_kafka_metadata(consumer, 0, handle, &m, ADMIN_TIMEOUT_MS);
    rd_kafka_topic_destroy(handle);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        err_set_native(e, ERR_SINK_UNREACHABLE, ERR_CLASS_RETRY, code, "kafka: topic %s: %s", topic,
                       rd_kafka_err2str(code));
        return NULL;
    }
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    for (int i = 0; i < m->topic_cnt && m->topics[i].err == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        for (int p = 0; p < m->topics[i].partition_cnt; p++)
            rd_kafka_topic_partition_list_add(list, topic, m->topics[i].partitions[p].id)->offset =
                RD_KAFKA_OFFSET_BEGINNING;
    }
    rd_kafka_metadata_destroy(m);
    return list;
}

struct last {
    const char *key;
    int64_t timestamp; /* of the record that out holds; -1: none */
    struct buf *out;
};

static void look_at(struct last *l, const rd_kafka_message_t *m)
{
    bool ours = m->key_len == strlen(l->key) && memcmp(m->key, l->key, m->key_len) == 0;
    int64_t timestamp = rd_kafka_message_timestamp(m, NULL);
    if (!ours || timestamp < l->timestamp)
        return;
    l->timestamp = timestamp;
    buf_reset(l->out);
    buf_put(l->out, m->payload, m->len);
}

/* Reads until each partition said that its end is reached. */
static bool read_all(rd_kafka_t *consumer, int n_partitions, struct last *l, struct err *e)
{
    int64_t until_ms = clock_mono_ms() + READ_TIMEOUT_MS;
    for (int ended = 0; ended < n_partitions;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(consumer, 200);
        rd_kafka_resp_err_t code = m ? m->err : RD_KAFKA_RESP_ERR__TIMED_OUT;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            look_at(l, m);
        else if (code == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            ended++;
        if (m)
            rd_kafka_message_destroy(m);
        if (clock_mono_ms() > until_ms)
            return err_set(e, ERR_SINK_UNREACHABLE, "kafka: the positions cannot be read: %s",
                           rd_kafka_err2str(code));
    }
    return true;
}

bool kafka_read_last(struct kafka_sink *s, const char *topic, const char *key, struct buf *out,
                     struct err *e)
{
    struct last l = {.key = key, .timestamp = -1, .out = out};
    rd_kafka_t *consumer = open_consumer(s, e);
    if (!consumer)
        return false;
    rd_kafka_poll_set_consumer(consumer);
    rd_kafka_topic_partition_list_t *list = partitions_of(consumer, topic, e);
    bool ok = list != NULL;
    if (ok && list->cnt) {
        rd_kafka_assign(consumer, list);
        ok = read_all(consumer, list->cnt, &l, e);
        rd_kafka_assign(consumer, NULL);
    }
    if (list)
        rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    return ok;
}
