/* sinks/kafka_delivery.c — what the brokers answered: deliveries, refusals, and why none answers.
 *
 * A broker refuses a batch, not a record: one record that is too large takes its neighbours with
 * it, and a topic whose max.message.bytes is below the producer's batch refuses batches of records
 * of which each is small enough. So a refusal is believed of a record only where it was the batch.
 * Otherwise SINK_BATCH asks the driver for a new instance whose batches hold at most err.native
 * bytes (1: one record), from the acknowledged position: records that followed in the same
 * partition may be delivered already, and only sending all of them again keeps the order of each
 * key.
 */
#include "base/log.h"
#include "base/mem.h"
#include "sinks/kafka_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static bool is_about_size(int code)
{
    return code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
           code == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE;
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

bool kafka_record_error(struct err *e, rd_kafka_resp_err_t code, const struct sink_record *r)
{
    struct buf what = BUF_INIT;
    size_t key_len = r->key_len < 200 ? r->key_len : 200;
    buf_printf(&what, "topic %s, key ", r->topic);
    buf_put_json_escaped(&what, r->key ? r->key : "null", r->key ? key_len : 4);
    buf_printf(&what, ", %zu bytes", r->value_len);
    kafka_error(e, code, buf_str(&what));
    buf_fini(&what);
    return false;
}

/* ---- why no broker answers ---- */

bool kafka_unreachable(const struct kafka_sink *s, struct err *e, int code, const char *what)
{
    err_set_native(e, ERR_SINK_UNREACHABLE, ERR_CLASS_RETRY, code, "kafka: %s%s%s", what,
                   s->reason[0] ? ": " : "", s->reason);
    /* A listener without TLS closes the connection: as an error of TLS, or as nothing but that. */
    if (s->reason_code == RD_KAFKA_RESP_ERR__SSL || strstr(s->reason, "SSL_HANDSHAKE"))
        return err_cure(e, "check security.protocol and the ssl.* properties against the "
                           "brokers' listener");
    if (s->reason_code == RD_KAFKA_RESP_ERR__AUTHENTICATION)
        return err_cure(e, "check sasl.mechanisms, sasl.username and the password");
    if (s->reason_code == RD_KAFKA_RESP_ERR__RESOLVE)
        return err_cure(e, "check the brokers' names in `to`, and those that they advertise");
    return false;
}

/* That all brokers are down is said after each broker's own reason, which says more. */
void kafka_on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct kafka_sink *s = opaque;
    (void)rk;
    log_debug("sink.kafka", "%s: %s", rd_kafka_err2name((rd_kafka_resp_err_t)code), reason);
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && s->reason[0])
        return;
    s->reason_code = code;
    snprintf(s->reason, sizeof s->reason, "%s", reason);
}

void kafka_on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    log_debug("sink.kafka", "%d %s %s", level, facility, text);
}

/* ---- deliveries and refusals ---- */

struct kafka_refusal {
    struct kafka_refusal *next;
    struct sink_record record; /* own copies */
    int code;
};

static void free_refusal(struct kafka_refusal *r)
{
    union {
        const void *in;
        void *out;
    } topic, key, value;
    if (!r)
        return;
    topic.in = r->record.topic;
    key.in = r->record.key;
    value.in = r->record.value;
    free(topic.out);
    free(key.out);
    free(value.out);
    free(r);
}

void kafka_refusals_free(struct kafka_sink *s)
{
    for (struct kafka_refusal *r = s->refusals, *next; r; r = next) {
        next = r->next;
        free_refusal(r);
    }
    free_refusal(s->taken);
    free(s->refused_batch);
}

static void *copy_or_null(const void *p, size_t n)
{
    return p ? memcpy(mem_alloc(n + 1), p, n) : NULL;
}

static void keep_refusal(struct kafka_sink *s, const rd_kafka_message_t *m)
{
    struct kafka_refusal *r = mem_alloc(sizeof *r);
    r->code = m->err;
    r->record = (struct sink_record){.topic = mem_strdup(rd_kafka_topic_name(m->rkt)),
                                     .key = copy_or_null(m->key, m->key_len),
                                     .key_len = m->key_len,
                                     .value = copy_or_null(m->payload, m->len),
                                     .value_len = m->len};
    *(s->last_refusal ? &s->last_refusal->next : &s->refusals) = r;
    s->last_refusal = r;
}

bool kafka_refused_alone(uint64_t batch_bytes, int code, size_t record_bytes)
{
    return batch_bytes == 1 ||
           (batch_bytes > 1 && is_about_size(code) && record_bytes >= batch_bytes);
}

static void on_refusal(struct kafka_sink *s, const rd_kafka_message_t *m)
{
    if (kafka_refused_alone(s->batch_bytes, m->err, m->key_len + m->len)) {
        keep_refusal(s, m);
    } else if (!s->refused_batch) {
        s->refused_batch = mem_strdup(rd_kafka_topic_name(m->rkt));
        s->refused_batch_code = m->err;
    }
}

void kafka_on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    struct kafka_sink *s = opaque;
    (void)rk;
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        s->reason[0] = '\0';
        s->reason_code = 0;
    } else if (classify(m->err) == ERR_SINK_RECORD) {
        on_refusal(s, m);
    } else if (s->first_error.code == ERR_NONE) {
        struct sink_record r = {.topic = rd_kafka_topic_name(m->rkt),
                                .key = m->key,
                                .key_len = m->key_len,
                                .value_len = m->len};
        kafka_record_error(&s->first_error, m->err, &r);
    }
}

bool kafka_refused(struct sink *sink, struct sink_record *r, struct err *why)
{
    struct kafka_sink *s = (struct kafka_sink *)sink;
    struct kafka_refusal *first = s->refusals;
    if (!first)
        return false;
    s->refusals = first->next;
    if (!s->refusals)
        s->last_refusal = NULL;
    free_refusal(s->taken);
    s->taken = first;
    *r = first->record;
    kafka_record_error(why, first->code, r);
    uint64_t limit = is_about_size(first->code) ? kafka_topic_limit(s, r->topic) : 0;
    if (limit)
        err_cure(why,
                 "the topic takes max.message.bytes=%llu: raise it, or set on_record_error: "
                 "dead_letter",
                 (unsigned long long)limit);
    return true;
}

/* The most bytes that a batch to the topic may have; 1, one record, where that is not the trouble
 * or cannot be known. */
static int smaller_batch(struct kafka_sink *s)
{
    uint64_t limit =
        is_about_size(s->refused_batch_code) ? kafka_ask_topic_limit(s, s->refused_batch) : 0;
    bool helps = limit > 1 && limit <= INT32_MAX && (!s->batch_bytes || limit < s->batch_bytes);
    return helps ? (int)limit : 1;
}

bool kafka_check(struct kafka_sink *s, struct err *e)
{
    char text[400];
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(s->producer, text, sizeof text);
    if (s->refused_batch)
        return err_set_native(
            e, ERR_SINK_BATCH, ERR_CLASS_FATAL, smaller_batch(s),
            "kafka: topic %s refused a batch: %s; it is sent again in smaller ones",
            s->refused_batch, rd_kafka_err2str((rd_kafka_resp_err_t)s->refused_batch_code));
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return err_set_native(e, ERR_SINK_FATAL, ERR_CLASS_FATAL, code,
                              "kafka: the producer is broken: %s", text);
    return s->first_error.code == ERR_NONE || err_copy(e, &s->first_error);
}
