/* sinks/kafka.c — records to Kafka at least once: idempotent producer, acks=all, partitions as Java
 * clients choose.
 *
 * A flush acknowledges in this order: every record is delivered (without one error since the last
 * flush), then the position record is written to the compacted topic {prefix}.positions under the
 * key <sink>/<keyspace>/<shard> and delivered too. A position in Kafka thus never runs ahead of the
 * records. Deliveries wait for ever (message.timeout.ms=0, as Kafka's own idempotent clients do): a
 * broker that is down is a pause.
 *
 * Errors that stay are of three kinds:
 *   of one record     too large, invalid: it is given back by kafka_refused.
 *   of a batch        SINK_BATCH (kafka_delivery.c).
 *   of the producer   fatal, authorisation, unknown topic: SINK_FATAL.
 * After the latter two the driver opens a new instance and goes on from the acknowledged position.
 *
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
#include "sinks/topic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRITE_WAIT_MS     1000
#define TOMBSTONE_STEP_MS 200
#define SECRET_MAX_BYTES  ((size_t)16 * 1024)

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
    bool ok = kafka_property_may_be(name, number ? number : text)
                  ? set(conf, name, number ? number : text, e)
                  : err_set(e, ERR_SINK_CONFIG,
                            "kafka: %s cannot be %s: without loss it is as this program sets it",
                            name, number ? number : text);
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

static bool has(const rd_kafka_conf_t *conf, const char *name, const char *part)
{
    char value[400];
    size_t n = sizeof value;
    return rd_kafka_conf_get(conf, name, value, &n) == RD_KAFKA_CONF_OK && strcasestr(value, part);
}

/* librdkafka's own default is OpenSSL's bundle, which this program turns off
 * (my_tls_without_bundle); "probe" looks for the system's CAs where distributions keep them. */
static bool trust_system(rd_kafka_conf_t *conf, const json_t *options, struct err *e)
{
    const json_t *user = json_object_get(options, "kafka");
    return !has(conf, "security.protocol", "ssl") || json_object_get(user, "ssl.ca.location") ||
           json_object_get(user, "ssl.ca.pem") || json_object_get(user, "ssl.ca.pem_file") ||
           set(conf, "ssl.ca.location", "probe", e);
}

rd_kafka_conf_t *kafka_conf(struct kafka_sink *s, struct err *e)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char client_id[200];
    snprintf(client_id, sizeof client_id, "sluice-%.150s", s->name);
    if (set(conf, "bootstrap.servers", s->brokers, e) && set(conf, "client.id", client_id, e) &&
        set_user(conf, s->options, e) && trust_system(conf, s->options, e)) {
        rd_kafka_conf_set_opaque(conf, s);
        rd_kafka_conf_set_error_cb(conf, kafka_on_error);
        rd_kafka_conf_set_log_cb(conf, kafka_on_log);
        return conf;
    }
    rd_kafka_conf_destroy(conf);
    return NULL;
}

bool kafka_asked_to_stop(const struct kafka_sink *s, struct err *e)
{
    if (!s->stop || !s->stop->asked(s->stop->ctx))
        return false;
    err_set(e, ERR_SHUTDOWN, "kafka: asked to stop");
    return true;
}

static const char *text_option(const json_t *options, const char *name, const char *fallback)
{
    const char *text = json_string_value(json_object_get(options, name));
    return text && text[0] ? text : fallback;
}

/* ---- open, close ---- */

static bool limit_batches(const struct kafka_sink *s, rd_kafka_conf_t *conf, struct err *e)
{
    char number[24];
    snprintf(number, sizeof number, "%llu", (unsigned long long)s->batch_bytes);
    return s->batch_bytes == 0 || (s->batch_bytes == 1 ? set(conf, "batch.num.messages", "1", e)
                                                       : set(conf, "batch.size", number, e));
}

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
    ok = ok && limit_batches(s, conf, e);
    if (ok) {
        rd_kafka_conf_set_dr_msg_cb(conf, kafka_on_delivery);
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
    kafka_refusals_free(s);
    json_decref(s->options);
    free(s->brokers);
    free(s->name);
    free(s->positions_topic);
    free(s);
}

static struct kafka_sink *make_sink(const char *target, const char *options_json)
{
    struct kafka_sink *s = mem_alloc(sizeof *s);
    s->base.ops = &sink_kafka_ops;
    s->options =
        options_json && options_json[0] ? json_loads(options_json, 0, NULL) : json_object();
    s->brokers = mem_strdup(target);
    s->name = mem_strdup(text_option(s->options, "name", "sink"));
    const char *prefix = text_option(s->options, "prefix", "sluice");
    s->batch_bytes = (uint64_t)json_integer_value(json_object_get(s->options, "batch_bytes"));
    const char *positions = text_option(s->options, "positions_topic", NULL);
    CLEANUP(mem_free_ptr) char *own = mem_printf("%s.positions", prefix);
    struct buf topic = BUF_INIT;
    sink_topic_make_valid(positions ? positions : own, &topic);
    s->positions_topic = buf_take(&topic);
    s->topics = map_new(free_topic);
    return s;
}

static struct kafka_sink *open_sink(const char *target, const char *options_json,
                                    const struct sink_stop *stop, struct err *e)
{
    struct kafka_sink *s = make_sink(target, options_json);
    s->stop = stop;
    bool ok =
        target[0] || err_set(e, ERR_SINK_CONFIG, "kafka:// needs brokers, like kafka://host:9092");
    ok = ok && (s->options || err_set(e, ERR_SINK_CONFIG, "the sink's options are not JSON"));
    if (ok && make_producer(s, e) &&
        kafka_create_topic(s, s->positions_topic, true, &s->positions_there, e))
        return s;
    kafka_close(&s->base);
    return NULL;
}

static struct sink *kafka_open(const char *target, const char *options_json,
                               const struct sink_stop *stop, struct err *e)
{
    struct kafka_sink *s = open_sink(target, options_json, stop, e);
    if (!s || !s->positions_there || kafka_check_kept(s, s->positions_topic, e))
        return s ? &s->base : NULL;
    kafka_close(&s->base);
    return NULL;
}

/* ---- writing ---- */

static rd_kafka_topic_t *topic_handle(struct kafka_sink *s, const char *name, struct err *e)
{
    struct kafka_topic *t = map_get_str(s->topics, name);
    if (t)
        return t->handle;
    bool there;
    if (!kafka_create_topic(s, name, false, &there, e))
        return NULL;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(s->producer, name, NULL);
    if (!handle) {
        kafka_error(e, rd_kafka_last_error(), name);
        return NULL;
    }
    t = mem_alloc(sizeof *t);
    t->name = mem_strdup(name);
    t->handle = handle;
    t->limit = s->batch_bytes > 1 ? kafka_ask_topic_limit(s, name) : 0;
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

static bool still_waiting(const struct kafka_sink *s, struct err *e)
{
    char what[60];
    snprintf(what, sizeof what, "%d records wait for the brokers", rd_kafka_outq_len(s->producer));
    return kafka_unreachable(s, e, 0, what);
}

static bool write_to(struct kafka_sink *s, const struct sink_record *r, struct err *e)
{
    int64_t until_ms = clock_mono_ms() + WRITE_WAIT_MS;
    rd_kafka_topic_t *topic = topic_handle(s, r->topic, e);
    if (!topic || !kafka_check(s, e))
        return false;
    rd_kafka_resp_err_t code;
    while ((code = produce(s, topic, r)) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        rd_kafka_poll(s->producer, 50);
        if (!kafka_check(s, e))
            return false;
        if (clock_mono_ms() >= until_ms)
            return still_waiting(s, e);
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (++s->written % 1000 == 0)
            rd_kafka_poll(s->producer, 0);
        return true;
    }
    return kafka_record_error(e, code, r);
}

/* A row's key could be that of a definition or of a position. */
static bool kafka_write(struct sink *sink, const struct sink_record *r, struct err *e)
{
    struct kafka_sink *s = (struct kafka_sink *)sink;
    if (strcmp(r->topic, s->positions_topic) != 0)
        return write_to(s, r, e);
    err_set(e, ERR_SINK_CONFIG, "kafka: records cannot go to topic %s, which keeps the positions",
            r->topic);
    return err_cure(e, "give the sink another topic, or another prefix");
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
        if (!kafka_check(s, e))
            return false;
        if (left_ms <= 0)
            return still_waiting(s, e);
        rd_kafka_flush(s->producer, left_ms > 100 ? 100 : (int)left_ms);
    }
    return kafka_check(s, e);
}

/* ---- what the topic of positions keeps of a sink ---- */

/* The key of a definition cannot be that of a position, NAME/KEYSPACE/SHARD. */
static char *definition_key(const char *name)
{
    json_t *o = json_pack("{s:s}", "sink", name);
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

static bool put_kept(struct kafka_sink *s, const char *key, const char *value, struct err *e)
{
    struct sink_record r = {.topic = s->positions_topic,
                            .key = key,
                            .key_len = strlen(key),
                            .value = value,
                            .value_len = value ? strlen(value) : 0};
    return write_to(s, &r, e);
}

static bool put_lane(struct kafka_sink *s, const char *keyspace, const char *shard,
                     const char *position, struct err *e)
{
    CLEANUP(mem_free_ptr) char *key = mem_printf("%s/%s/%s", s->name, keyspace, shard);
    return put_kept(s, key, position, e);
}

/* The same as deliver; that a record of the sink's own is refused is an error. */
static bool deliver_kept(struct kafka_sink *s, int64_t timeout_ms, struct err *e)
{
    const struct sink_record r = {.topic = s->positions_topic};
    return deliver(s, timeout_ms, e) &&
           (!s->refusals || kafka_record_error(e, RD_KAFKA_RESP_ERR_INVALID_RECORD, &r));
}

static bool kafka_flush(struct sink *sink, const char *keyspace, const char *shard,
                        const char *position, int64_t timeout_ms, struct err *e)
{
    struct kafka_sink *s = (struct kafka_sink *)sink;
    if (!deliver(s, timeout_ms, e))
        return false;
    if (!position[0])
        return true;
    return put_lane(s, keyspace, shard, position, e) && deliver_kept(s, timeout_ms, e);
}

static bool kafka_position(struct sink *sink, const char *keyspace, const char *shard,
                           struct buf *out, struct err *e)
{
    struct kafka_sink *s = (struct kafka_sink *)sink;
    CLEANUP(mem_free_ptr) char *key = mem_printf("%s/%s/%s", s->name, keyspace, shard);
    return kafka_read_last(s, s->positions_topic, key, out, e);
}

static bool kafka_begin(struct sink *sink, const char *keyspace, const char *shard,
                        const char *definition, const char *position, int64_t timeout_ms,
                        struct err *e)
{
    struct kafka_sink *s = (struct kafka_sink *)sink;
    CLEANUP(mem_free_ptr) char *key = definition_key(s->name);
    return (!definition || put_kept(s, key, definition, e)) &&
           (!position || put_lane(s, keyspace, shard, position[0] ? position : NULL, e)) &&
           deliver_kept(s, timeout_ms, e);
}

/* Delivers as long as the caller waits. */
static bool deliver_tombstones(struct kafka_sink *s, struct err *e)
{
    bool done = false;
    while (!done && !kafka_asked_to_stop(s, e)) {
        err_clear(e);
        done = deliver_kept(s, TOMBSTONE_STEP_MS, e);
        if (!done && e->class_ != ERR_CLASS_RETRY)
            break;
    }
    return done;
}

static bool kafka_forget(const char *target, const char *options_json, const struct sink_stop *stop,
                         const struct sink_place *lanes, size_t n_lanes, struct err *e)
{
    struct kafka_sink *s = open_sink(target, options_json, stop, e);
    if (!s)
        return false;
    CLEANUP(mem_free_ptr) char *key = definition_key(s->name);
    bool ok = put_kept(s, key, NULL, e);
    for (size_t i = 0; ok && i < n_lanes; i++)
        ok = put_lane(s, lanes[i].keyspace, lanes[i].shard, NULL, e);
    ok = ok && deliver_tombstones(s, e);
    kafka_close(&s->base);
    return ok;
}

struct recalling {
    sink_recall_fn fn;
    void *ctx;
};

static bool recall_definition(struct recalling *r, const char *key, const char *value,
                              struct err *e)
{
    json_t *o = json_loads(key, 0, NULL);
    const char *name = json_string_value(json_object_get(o, "sink"));
    bool ok = !name || r->fn(r->ctx, &(struct sink_memory){.name = name, .definition = value}, e);
    json_decref(o);
    return ok;
}

/* Keyspaces and shards have no slash in their names. */
static bool recall_lane(struct recalling *r, const char *key, const char *value, struct err *e)
{
    CLEANUP(mem_free_ptr) char *name = mem_strdup(key);
    char *shard = strrchr(name, '/');
    if (!shard)
        return true;
    *shard++ = '\0';
    char *keyspace = strrchr(name, '/');
    if (!keyspace)
        return true;
    *keyspace++ = '\0';
    return r->fn(r->ctx,
                 &(struct sink_memory){
                     .name = name, .keyspace = keyspace, .shard = shard, .position = value},
                 e);
}

static bool recall_one(void *ctx, const char *key, const char *value, struct err *e)
{
    return key[0] == '{' ? recall_definition(ctx, key, value, e) : recall_lane(ctx, key, value, e);
}

static bool kafka_recall(const char *target, const char *options_json, sink_recall_fn fn, void *ctx,
                         struct err *e)
{
    struct recalling r = {.fn = fn, .ctx = ctx};
    struct kafka_sink *s = make_sink(target, options_json);
    bool ok = s->options || err_set(e, ERR_SINK_CONFIG, "the options are not JSON");
    ok = ok && kafka_read_each(s, s->positions_topic, recall_one, &r, e);
    kafka_close(&s->base);
    return ok;
}

const struct sink_ops sink_kafka_ops = {.scheme = "kafka",
                                        .keyed = true,
                                        .open = kafka_open,
                                        .write = kafka_write,
                                        .flush = kafka_flush,
                                        .refused = kafka_refused,
                                        .poll = kafka_poll,
                                        .position = kafka_position,
                                        .close = kafka_close,
                                        .begin = kafka_begin,
                                        .forget = kafka_forget,
                                        .recall = kafka_recall};
