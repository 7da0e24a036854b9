/* sinks/kafka.c — records to Kafka at least once: idempotent producer, acks=all, partitions as Java
 * clients choose.
 *
 * A flush acknowledges in this order: every record is delivered (without one error since the last
 * flush), then the position record is written to the compacted topic {prefix}.positions under the
 * key <sink>/<keyspace>/<shard> and delivered too. A position in Kafka thus never runs ahead of the
 * records. Deliveries wait for ever (message.timeout.ms=0, as Kafka's own idempotent clients do): a
 * broker that is down is a pause. Errors that stay are of two kinds: of one record (too large,
 * invalid) → SINK_RECORD with the record's name; of the producer (fatal, authorisation, unknown
 * topic) → SINK_FATAL: the driver opens a new instance and goes on from the acknowledged position.
 * Thread: the lane's; delivery reports come on it too, from poll and flush.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/sys.h"
#include "sinks/kafka_internal.h"
#include "sinks/kafka_property.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRITE_WAIT_MS    1000
#define SECRET_MAX_BYTES ((size_t)16 * 1024)

struct kafka_topic {
    char *name;
    rd_kafka_topic_t *handle;
};

/* ---- configuration ---- */

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *e)
{
    char text[400];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK)
        return true;
    return err_set(e, ERR_SINK_CONFIG, "kafka: %s", text);
}

/* NAME_file: the property NAME is the first line of that file. */
static bool set_secret(rd_kafka_conf_t *conf, const char *name, const char *path, struct err *e)
{
    struct buf text = BUF_INIT;
    char *property = mem_strndup(name, kafka_property_secret_len(name));
    bool ok = sys_read_secret(path, SECRET_MAX_BYTES, &text, e);
    if (ok) {
        text.data[strcspn(buf_str(&text), "\r\n")] = '\0';
        ok = set(conf, property, buf_str(&text), e);
        explicit_bzero(text.data, text.cap);
    }
    buf_fini(&text);
    free(property);
    return ok || err_prepend(e, "kafka: %s", name);
}

static bool set_one(rd_kafka_conf_t *conf, const char *name, const json_t *value, struct err *e)
{
    const char *text = json_string_value(value);
    if (text && kafka_property_secret_len(name) > 0)
        return set_secret(conf, name, text, e);
    char *number = text ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    bool ok = set(conf, name, number ? number : text, e);
    free(number);
    return ok;
}

static bool set_user(rd_kafka_conf_t *conf, const json_t *options, struct err *e)
{
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(options, "kafka"), name, value)
    {
        if (!set_one(conf, name, value, e))
            return false;
    }
    return true;
}

rd_kafka_conf_t *kafka_conf(const struct kafka_sink *s, struct err *e)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char client_id[200];
    snprintf(client_id, sizeof client_id, "sluice-%.150s", s->name);
    if (set(conf, "bootstrap.servers", s->brokers, e) && set(conf, "client.id", client_id, e) &&
        set_user(conf, s->options, e))
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

static const char *text_option(const json_t *options, const char *name, const char *fallback)
{
    const char *text = json_string_value(json_object_get(options, name));
    return text && text[0] ? text : fallback;
}

/* ---- delivery ---- */

/* What to make of an error that librdkafka has given up on. */
static enum err_code classify(rd_kafka_resp_err_t code)
{
    if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
        code == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE || code == RD_KAFKA_RESP_ERR_INVALID_MSG ||
        code == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE || code == RD_KAFKA_RESP_ERR_INVALID_RECORD)
        return ERR_SINK_RECORD;
    if (code == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT || code == RD_KAFKA_RESP_ERR__TIMED_OUT ||
        code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        return ERR_SINK_UNREACHABLE;
    return ERR_SINK_FATAL;
}

bool kafka_error(struct err *e, rd_kafka_resp_err_t code, const char *what)
{
    enum err_code own = classify(code);
    err_set(e, own, "kafka: %s: %s", what, rd_kafka_err2str(code));
    if (e)
        e->native = code;
    if (own == ERR_SINK_RECORD)
        err_cure(e, "raise message.max.bytes of broker, topic and sink, or set on_record_error: "
                    "dead_letter");
    return false;
}

static bool record_error(struct err *e, rd_kafka_resp_err_t code, const char *topic,
                         const void *key, size_t key_len, size_t value_len)
{
    struct buf what = BUF_INIT;
    buf_printf(&what, "topic %s, key ", topic);
    buf_put_json_escaped(&what, key ? key : "null", key ? (key_len < 200 ? key_len : 200) : 4);
    buf_printf(&what, ", %zu bytes", value_len);
    kafka_error(e, code, buf_str(&what));
    buf_fini(&what);
    return false;
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    struct kafka_sink *s = opaque;
    (void)rk;
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        s->delivered++;
        return;
    }
    s->failed++;
    if (s->first_error.code != ERR_NONE)
        return;
    record_error(&s->first_error, m->err, rd_kafka_topic_name(m->rkt), m->key, m->key_len, m->len);
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    (void)rk;
    (void)opaque;
    log_debug("sink.kafka", "%s: %s", rd_kafka_err2name((rd_kafka_resp_err_t)code), reason);
}

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    log_debug("sink.kafka", "%d %s %s", level, facility, text);
}

/* False when the producer is broken or a record was refused. */
static bool check(struct kafka_sink *s, struct err *e)
{
    char text[400];
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(s->producer, text, sizeof text);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        err_set(e, ERR_SINK_FATAL, "kafka: the producer is broken: %s", text);
        if (e)
            e->native = code;
        return false;
    }
    return s->first_error.code == ERR_NONE || err_copy(e, &s->first_error);
}

/* ---- open, close ---- */

static bool make_producer(struct kafka_sink *s, struct err *e)
{
    char text[400];
    rd_kafka_conf_t *conf = kafka_conf(s, e);
    static const char *const ours[][2] = {{"enable.idempotence", "true"},
                                          {"acks", "all"},
                                          {"partitioner", "murmur2_random"},
                                          {"message.timeout.ms", "0"}};
    static const char *const defaults[][2] = {{"linger.ms", "5"},
                                              {"queue.buffering.max.kbytes", "32768"},
                                              {"queue.buffering.max.messages", "200000"}};
    bool ok = conf != NULL;
    for (size_t i = 0; ok && i < sizeof ours / sizeof *ours; i++)
        ok = set(conf, ours[i][0], ours[i][1], e);
    for (size_t i = 0; ok && i < sizeof defaults / sizeof *defaults; i++) {
        if (!json_object_get(json_object_get(s->options, "kafka"), defaults[i][0]))
            ok = set(conf, defaults[i][0], defaults[i][1], e);
    }
    if (ok) {
        rd_kafka_conf_set_opaque(conf, s);
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
        rd_kafka_conf_set_error_cb(conf, on_error);
        rd_kafka_conf_set_log_cb(conf, on_log);
        s->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
        if (s->producer)
            return true;
        err_set(e, ERR_SINK_CONFIG, "kafka: %s", text);
    }
    if (conf)
        rd_kafka_conf_destroy(conf);
    return false;
}

static void free_topic(void *p)
{
    struct kafka_topic *t = p;
    rd_kafka_topic_destroy(t->handle);
    free(t->name);
    free(t);
}

static void kafka_close(struct sink *sink)
{
    struct kafka_sink *s = (struct kafka_sink *)sink;
    map_free(s->topics);
    if (s->producer) {
        rd_kafka_purge(s->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_flush(s->producer, 0);
        rd_kafka_destroy(s->producer);
    }
    json_decref(s->options);
    free(s->brokers);
    free(s->name);
    free(s->positions_topic);
    free(s);
}

static struct sink *kafka_open(const char *target, const char *options_json, struct err *e)
{
    struct kafka_sink *s = mem_alloc(sizeof *s);
    s->base.ops = &sink_kafka_ops;
    s->options =
        options_json && options_json[0] ? json_loads(options_json, 0, NULL) : json_object();
    s->brokers = mem_strdup(target);
    s->name = mem_strdup(text_option(s->options, "name", "sink"));
    const char *prefix = text_option(s->options, "prefix", "sluice");
    const char *positions = text_option(s->options, "positions_topic", NULL);
    s->positions_topic = positions ? mem_strdup(positions) : mem_printf("%s.positions", prefix);
    s->topics = map_new(free_topic);
    bool ok =
        target[0] || err_set(e, ERR_SINK_CONFIG, "kafka:// needs brokers, like kafka://host:9092");
    ok = ok && (s->options || err_set(e, ERR_SINK_CONFIG, "the sink's options are not JSON"));
    if (ok && make_producer(s, e) && kafka_create_topic(s, s->positions_topic, true, e))
        return &s->base;
    kafka_close(&s->base);
    return NULL;
}

/* ---- writing ---- */

static rd_kafka_topic_t *topic_handle(struct kafka_sink *s, const char *name, struct err *e)
{
    struct kafka_topic *t = map_get_str(s->topics, name);
    if (t)
        return t->handle;
    if (!kafka_create_topic(s, name, false, e))
        return NULL;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(s->producer, name, NULL);
    if (!handle) {
        kafka_error(e, rd_kafka_last_error(), name);
        return NULL;
    }
    t = mem_alloc(sizeof *t);
    t->name = mem_strdup(name);
    t->handle = handle;
    map_put_str(s->topics, name, t);
    return handle;
}

static rd_kafka_resp_err_t produce(struct kafka_sink *s, rd_kafka_topic_t *topic,
                                   const struct sink_record *r)
{
    union {
        const void *in;
        void *out;
    } value = {.in = r->value}, key = {.in = r->key};
    rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u = {.rkt = topic}},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u = {.i = RD_KAFKA_MSG_F_COPY}},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u = {.mem = {key.out, r->key_len}}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u = {.mem = {value.out, r->value_len}}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u = {.i64 = r->timestamp_ms}},
    };
    rd_kafka_error_t *error = rd_kafka_produceva(s->producer, parts, r->timestamp_ms ? 5 : 4);
    rd_kafka_resp_err_t code = error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (error)
        rd_kafka_error_destroy(error);
    return code;
}

static bool kafka_write(struct sink *sink, const struct sink_record *r, struct err *e)
{
    struct kafka_sink *s = (struct kafka_sink *)sink;
    int64_t until_ms = clock_mono_ms() + WRITE_WAIT_MS;
    rd_kafka_topic_t *topic = topic_handle(s, r->topic, e);
    if (!topic || !check(s, e))
        return false;
    rd_kafka_resp_err_t code;
    while ((code = produce(s, topic, r)) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        rd_kafka_poll(s->producer, 50);
        if (!check(s, e))
            return false;
        if (clock_mono_ms() >= until_ms)
            return err_set(e, ERR_SINK_UNREACHABLE, "kafka: %d records wait for the brokers",
                           rd_kafka_outq_len(s->producer));
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (++s->written % 1000 == 0)
            rd_kafka_poll(s->producer, 0);
        return true;
    }
    return record_error(e, code, r->topic, r->key, r->key_len, r->value_len);
}

static void kafka_poll(struct sink *sink)
{
    rd_kafka_poll(((struct kafka_sink *)sink)->producer, 0);
}

/* Everything in the producer is delivered. Waits in steps, because a fatal error ends no flush by
 * itself. */
static bool deliver(struct kafka_sink *s, int64_t timeout_ms, struct err *e)
{
    int64_t until_ms = clock_mono_ms() + timeout_ms;
    while (rd_kafka_outq_len(s->producer) > 0) {
        int64_t left_ms = until_ms - clock_mono_ms();
        if (!check(s, e))
            return false;
        if (left_ms <= 0)
            return err_set(e, ERR_SINK_UNREACHABLE, "kafka: %d records are not acknowledged yet",
                           rd_kafka_outq_len(s->producer));
        rd_kafka_flush(s->producer, left_ms > 100 ? 100 : (int)left_ms);
    }
    return check(s, e);
}

static bool kafka_flush(struct sink *sink, const char *keyspace, const char *shard,
                        const char *position, int64_t timeout_ms, struct err *e)
{
    struct kafka_sink *s = (struct kafka_sink *)sink;
    if (!deliver(s, timeout_ms, e))
        return false;
    if (!position[0])
        return true;
    CLEANUP(mem_free_ptr) char *key = mem_printf("%s/%s/%s", s->name, keyspace, shard);
    struct sink_record r = {.topic = s->positions_topic,
                            .key = key,
                            .key_len = strlen(key),
                            .value = position,
                            .value_len = strlen(position)};
    return kafka_write(sink, &r, e) && deliver(s, timeout_ms, e);
}

static bool kafka_position(struct sink *sink, const char *keyspace, const char *shard,
                           struct buf *out, struct err *e)
{
    struct kafka_sink *s = (struct kafka_sink *)sink;
    CLEANUP(mem_free_ptr) char *key = mem_printf("%s/%s/%s", s->name, keyspace, shard);
    return kafka_read_last(s, s->positions_topic, key, out, e);
}

const struct sink_ops sink_kafka_ops = {.scheme = "kafka",
                                        .open = kafka_open,
                                        .write = kafka_write,
                                        .flush = kafka_flush,
                                        .poll = kafka_poll,
                                        .position = kafka_position,
                                        .close = kafka_close};
