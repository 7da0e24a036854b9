/* sinks/kafka_topic.c — makes topics, and reads the last record of a key in a compacted one. */
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/sys.h"
#include "sinks/kafka_internal.h"

#include <stdlib.h>
#include <string.h>

#define ADMIN_TIMEOUT_MS 10000
#define LIMIT_TIMEOUT_MS 2000 /* for what is good to know, not needed */
#define REASON_AFTER_MS  2000 /* a connection that failed is waited for no longer than this */
#define READ_TIMEOUT_MS  30000
#define STEP_MS          500

/* ---- asking the brokers ---- */

/* The metadata of one topic, or of all (NULL). Waits in steps: a stop is not kept waiting. */
static bool ask_metadata(const struct kafka_sink *s, rd_kafka_t *rk, rd_kafka_topic_t *topic,
                         const struct rd_kafka_metadata **out, struct err *e)
{
    int64_t began_ms = clock_mono_ms();
    rd_kafka_resp_err_t code;
    while ((code = rd_kafka_metadata(rk, topic == NULL, topic, out, STEP_MS)) !=
           RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_poll(rk, 0); /* the connections' errors */
        if (kafka_asked_to_stop(s, e))
            return false;
        if (clock_mono_ms() - began_ms >= (s->reason[0] ? REASON_AFTER_MS : ADMIN_TIMEOUT_MS))
            break;
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return true;
    CLEANUP(mem_free_ptr) char *what = mem_printf("%s: %s", s->brokers, rd_kafka_err2str(code));
    return kafka_unreachable(s, e, code, what);
}

/* One administrator's request: begin, send with its options and queue, wait, end. */
struct admin_call {
    rd_kafka_queue_t *queue;
    rd_kafka_AdminOptions_t *options;
    rd_kafka_event_t *answer; /* NULL: none came, or the driver stops */
    int timeout_ms;
};

static struct admin_call call_begin(const struct kafka_sink *s, rd_kafka_admin_op_t op,
                                    int timeout_ms)
{
    char text[200];
    struct admin_call c = {.queue = rd_kafka_queue_new(s->producer),
                           .options = rd_kafka_AdminOptions_new(s->producer, op),
                           .timeout_ms = timeout_ms};
    rd_kafka_AdminOptions_set_request_timeout(c.options, timeout_ms, text, sizeof text);
    return c;
}

static rd_kafka_event_t *call_wait(struct admin_call *c, const struct kafka_sink *s)
{
    int64_t until_ms = clock_mono_ms() + c->timeout_ms + 1000;
    while (!c->answer && !kafka_asked_to_stop(s, NULL) && clock_mono_ms() < until_ms)
        c->answer = rd_kafka_queue_poll(c->queue, STEP_MS);
    return c->answer;
}

static void call_end(struct admin_call *c)
{
    if (c->answer)
        rd_kafka_event_destroy(c->answer);
    rd_kafka_AdminOptions_destroy(c->options);
    rd_kafka_queue_destroy(c->queue);
}

/* ---- topics ---- */

static bool exists(struct kafka_sink *s, const char *topic, bool *yes, struct err *e)
{
    const struct rd_kafka_metadata *all;
    *yes = false;
    if (!ask_metadata(s, s->producer, NULL, &all, e))
        return false;
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
    struct admin_call call = call_begin(s, RD_KAFKA_ADMIN_OP_CREATETOPICS, ADMIN_TIMEOUT_MS);
    rd_kafka_CreateTopics(s->producer, &new_topic, 1, call.options, call.queue);
    rd_kafka_resp_err_t code = result_of(call_wait(&call, s));
    call_end(&call);
    rd_kafka_NewTopic_destroy(new_topic);
    return code;
}

bool kafka_create_topic(struct kafka_sink *s, const char *topic, bool compacted, bool *there,
                        struct err *e)
{
    if (!exists(s, topic, there, e))
        return false;
    if (*there || s->no_admin)
        return true;
    rd_kafka_resp_err_t code = create(s, topic, compacted);
    *there = code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS;
    if (!*there) {
        log_debug("sink.kafka", "topic %s was not made: %s", topic, rd_kafka_err2str(code));
        /* Not asked again of a cluster that cannot, or does not answer: each time costs the
         * timeout. */
        s->no_admin =
            code == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE || code == RD_KAFKA_RESP_ERR__TIMED_OUT;
    }
    return true;
}

/* ---- how a topic is configured ---- */

static struct admin_call describe(const struct kafka_sink *s, const char *topic)
{
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    struct admin_call call = call_begin(s, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, LIMIT_TIMEOUT_MS);
    rd_kafka_DescribeConfigs(s->producer, &resource, 1, call.options, call.queue);
    rd_kafka_ConfigResource_destroy(resource);
    (void)call_wait(&call, s);
    return call;
}

/* Lent by the answer; NULL: the brokers do not say. */
static const char *setting_in(rd_kafka_event_t *event, const char *name)
{
    size_t n = 0, n_entries = 0;
    const rd_kafka_DescribeConfigs_result_t *result =
        event ? rd_kafka_event_DescribeConfigs_result(event) : NULL;
    const rd_kafka_ConfigResource_t **all =
        result ? rd_kafka_DescribeConfigs_result_resources(result, &n) : NULL;
    const rd_kafka_ConfigEntry_t **entries =
        n ? rd_kafka_ConfigResource_configs(all[0], &n_entries) : NULL;
    for (size_t i = 0; i < n_entries; i++) {
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0)
            return rd_kafka_ConfigEntry_value(entries[i]);
    }
    return NULL;
}

uint64_t kafka_topic_limit(const struct kafka_sink *s, const char *topic)
{
    const struct kafka_topic *t = map_get_str(s->topics, topic);
    return t ? t->limit : 0;
}

uint64_t kafka_ask_topic_limit(struct kafka_sink *s, const char *topic)
{
    uint64_t limit = 0;
    if (s->no_admin)
        return 0;
    struct admin_call call = describe(s, topic);
    const char *value = setting_in(call.answer, "max.message.bytes");
    if (value && !sys_parse_u64(value, &limit))
        limit = 0;
    call_end(&call);
    return limit;
}

bool kafka_keeps_last(const char *policy, const char *ms, const char *bytes)
{
    bool for_ever = ms && bytes && strcmp(ms, "-1") == 0 && strcmp(bytes, "-1") == 0;
    return !policy || !strstr(policy, "delete") || for_ever;
}

bool kafka_check_kept(struct kafka_sink *s, const char *topic, struct err *e)
{
    if (s->no_admin)
        return true;
    struct admin_call call = describe(s, topic);
    const char *policy = setting_in(call.answer, "cleanup.policy");
    bool ok = kafka_keeps_last(policy, setting_in(call.answer, "retention.ms"),
                               setting_in(call.answer, "retention.bytes"));
    if (!ok) {
        err_set(e, ERR_SINK_CONFIG,
                "kafka: topic %s, which says where sinks stand, has cleanup.policy=%s: positions "
                "in it expire",
                topic, policy);
        err_cure(e, "set cleanup.policy=compact on that topic");
    }
    call_end(&call);
    return ok;
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

/* What a broker says instead of a topic's partitions. Only that there is no such topic means that
 * nothing stands in it; and not even that, where the brokers knew the topic a moment ago. */
static bool topic_is_absent(const struct kafka_sink *s, const char *topic, rd_kafka_resp_err_t code,
                            struct err *e)
{
    bool unknown =
        code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    if (unknown && !s->positions_there)
        return true;
    err_set_native(e, ERR_SINK_FATAL, ERR_CLASS_RETRY, code,
                   "kafka: topic %s, which says where the sink stands, cannot be described: %s",
                   topic, rd_kafka_err2str(code));
    return err_cure(e, "allow the sink's user DESCRIBE, READ and WRITE on that topic");
}

static rd_kafka_topic_partition_list_t *list_of(const struct rd_kafka_metadata_topic *t)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    for (int p = 0; p < t->partition_cnt; p++)
        rd_kafka_topic_partition_list_add(list, t->topic, t->partitions[p].id)->offset =
            RD_KAFKA_OFFSET_BEGINNING;
    return list;
}

/* All partitions of the topic from their beginning; none when there is no such topic. */
static rd_kafka_topic_partition_list_t *
partitions_of(const struct kafka_sink *s, rd_kafka_t *consumer, const char *topic, struct err *e)
{
    const struct rd_kafka_metadata *m;
    rd_kafka_topic_partition_list_t *list = NULL;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(consumer, topic, NULL);
    bool ok = ask_metadata(s, consumer, handle, &m, e);
    rd_kafka_topic_destroy(handle);
    if (!ok)
        return NULL;
    rd_kafka_resp_err_t code =
        m->topic_cnt == 1 ? m->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        list = list_of(&m->topics[0]);
    else if (topic_is_absent(s, topic, code, e))
        list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_metadata_destroy(m);
    return list;
}

/* Takes one record of the topic. */
typedef void (*record_fn)(void *ctx, const rd_kafka_message_t *m);

struct last {
    const char *key;
    int64_t timestamp; /* of the record that out holds; -1: none */
    struct buf *out;
};

static void look_at(void *ctx, const rd_kafka_message_t *m)
{
    struct last *l = ctx;
    bool ours = m->key_len == strlen(l->key) && memcmp(m->key, l->key, m->key_len) == 0;
    int64_t timestamp = rd_kafka_message_timestamp(m, NULL);
    if (!ours || timestamp < l->timestamp)
        return;
    l->timestamp = timestamp;
    buf_reset(l->out);
    buf_put(l->out, m->payload, m->len);
}

/* One key's records are in one partition, in their order. */
static void keep(void *ctx, const rd_kafka_message_t *m)
{
    if (!m->key_len)
        return;
    map_remove(ctx, m->key, m->key_len);
    if (m->payload && m->len)
        map_put(ctx, m->key, m->key_len, mem_strndup(m->payload, m->len));
}

/* A record, an end of a partition, or an error that reading on does not cure. */
static bool take_message(const rd_kafka_message_t *m, record_fn fn, void *ctx, int *ended,
                         struct err *e)
{
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        ++*ended;
    } else if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        fn(ctx, m);
    } else {
        err_set_native(e, ERR_SINK_FATAL, ERR_CLASS_RETRY, m->err,
                       "kafka: the positions cannot be read: %s", rd_kafka_message_errstr(m));
        return err_cure(e, "allow the sink's user DESCRIBE, READ and WRITE on that topic");
    }
    return true;
}

/* Reads until each partition said that its end is reached. */
static bool read_to_ends(const struct kafka_sink *s, rd_kafka_t *consumer, int n_partitions,
                         record_fn fn, void *ctx, struct err *e)
{
    int64_t until_ms = clock_mono_ms() + READ_TIMEOUT_MS;
    bool ok = true;
    for (int ended = 0; ok && ended < n_partitions;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(consumer, 200);
        if (m) {
            ok = take_message(m, fn, ctx, &ended, e);
            rd_kafka_message_destroy(m);
            until_ms = clock_mono_ms() + READ_TIMEOUT_MS;
        } else if (kafka_asked_to_stop(s, e)) {
            ok = false;
        } else if (clock_mono_ms() > until_ms) {
            ok = kafka_unreachable(s, e, RD_KAFKA_RESP_ERR__TIMED_OUT,
                                   "the positions cannot be read");
        }
    }
    return ok;
}

/* *n: how many partitions the topic has; 0: there is none. */
static bool read_topic(struct kafka_sink *s, const char *topic, record_fn fn, void *ctx, int *n,
                       struct err *e)
{
    rd_kafka_t *consumer = open_consumer(s, e);
    if (!consumer)
        return false;
    rd_kafka_poll_set_consumer(consumer);
    rd_kafka_topic_partition_list_t *list = partitions_of(s, consumer, topic, e);
    bool ok = list != NULL;
    *n = ok ? list->cnt : 0;
    if (*n) {
        rd_kafka_assign(consumer, list);
        ok = read_to_ends(s, consumer, *n, fn, ctx, e);
        rd_kafka_assign(consumer, NULL);
    }
    if (list)
        rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    return ok;
}

bool kafka_read_last(struct kafka_sink *s, const char *topic, const char *key, struct buf *out,
                     struct err *e)
{
    struct last l = {.key = key, .timestamp = -1, .out = out};
    int n;
    return read_topic(s, topic, look_at, &l, &n, e);
}

static bool give_kept(const struct map *kept, kafka_kept_fn fn, void *ctx, struct err *e)
{
    const void *key;
    void *value;
    size_t key_len, it = 0;
    bool ok = true;
    while (ok && map_next(kept, &it, &key, &key_len, &value)) {
        CLEANUP(mem_free_ptr) char *name = mem_strndup(key, key_len);
        ok = fn(ctx, name, value, e);
    }
    return ok;
}

bool kafka_read_each(struct kafka_sink *s, const char *topic, kafka_kept_fn fn, void *ctx,
                     struct err *e)
{
    struct map *kept = map_new(free);
    int n;
    bool ok = read_topic(s, topic, keep, kept, &n, e);
    if (ok && !n) {
        ok = err_set(e, ERR_SINK_CONFIG, "kafka: %s has no topic %s", s->brokers, topic);
        err_cure(e, "give the sinks' --prefix");
    }
    ok = ok && give_kept(kept, fn, ctx, e);
    map_free(kept);
    return ok;
}
