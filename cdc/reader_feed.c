/* cdc/reader_feed.c — one thread that reads a source's log from a place and publishes batches: the
 * tail, or a private reader of one stream.
 *
 * A session is one connection. It begins at the last transaction boundary before feed.resume and
 * takes out, by reader_skip, what was published of the transaction that was cut; so the sequence of
 * published changes is the same as without the cut. Errors that may pass end the session and
 * another one follows after a backoff; others end the feed and reach its consumers.
 *
 * Batches end at transaction boundaries where they can, because consumers join the ring there.
 * Before the thread waits for the log it publishes what it has: an idle log costs no latency.
 *
 * While it works off a backlog it leaves its core to the thread that uses what it has read: the
 * server wakes it for every few KiB, and it would take the core each time. (Two cores, three
 * threads: 10 % of the time.) At the head of the log it is to be quick.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sys.h"
#include "base/thread.h"
#include "cdc/reader_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SOFT_BATCH_BYTES                                                                           \
    (CDC_BATCH_BYTES * 3 / 4)            /* from here on a batch ends with its transaction */
#define BACKLOG_BYTES  ((size_t)4 << 20) /* read without a pause: there is more */
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 10000
#define MAX_BAD_EVENTS 2

enum session_end { SESSION_STOP, SESSION_LOG_END, SESSION_ERROR };

struct session {
    struct cdc_source *source;
    struct cdc_decoder *decoder;
    struct reader_skip skip;
    size_t open_bytes; /* fed since the last batch was taken, about */
    size_t backlog;    /* fed since the log had nothing more; counted to BACKLOG_BYTES */
    bool yields;
    uint64_t skipped_rows; /* that were counted */
    bool live;             /* definitions are asked from the server by this reader */
};

bool reader_feed_stopping(struct feed *f)
{
    pthread_mutex_lock(&f->reader->lock);
    bool stop = f->stop;
    pthread_mutex_unlock(&f->reader->lock);
    return stop;
}

/* The source becomes interruptible by others; false: stop was asked for meanwhile. */
static bool show_source(struct feed *f, struct cdc_source *source)
{
    struct cdc_reader *r = f->reader;
    pthread_mutex_lock(&r->lock);
    f->source = source;
    f->cut = f->cut && !source;
    bool go = !f->stop;
    if (go && source)
        r->connected = true;
    pthread_mutex_unlock(&r->lock);
    return go;
}

static bool take_server_id(struct feed *f, struct err *e)
{
    if (f->has_server_id || !f->reader->topo)
        return true;
    f->has_server_id = topology_server_id_take(f->reader->topo, &f->server_id, e);
    return f->has_server_id;
}

static void give_server_id(struct feed *f)
{
    if (f->has_server_id)
        topology_server_id_give(f->reader->topo, f->server_id);
    f->has_server_id = false;
}

/* Another dump has our server id: takes a different one before it gives this one back. */
static void change_server_id(struct feed *f)
{
    uint32_t old = f->server_id;
    bool had = f->has_server_id;
    struct err ignored = ERR_INIT;
    if (!f->reader->topo)
        return;
    f->has_server_id = topology_server_id_take(f->reader->topo, &f->server_id, &ignored);
    if (had)
        topology_server_id_give(f->reader->topo, old);
}

static struct cdc_source *open_source(struct feed *f, const struct position *start, struct err *e)
{
    struct cdc_reader *r = f->reader;
    if (!FAULT_POINT("reader.connect", e) || !take_server_id(f, e))
        return NULL;
    if (r->o.open)
        return r->o.open(r->o.open_ctx, start, f->server_id, e);
    return reader_open_live(f, start, e);
}

static bool session_open(struct feed *f, struct session *s, struct err *e)
{
    struct cdc_reader *r = f->reader;
    struct cdc_decode_options options = {.verify_checksum = true,
                                         .want_query = r->o.want_query,
                                         .schema = r->o.schema,
                                         .ddl = r->o.ddl,
                                         .schema_ctx = r->o.schema_ctx,
                                         .statement = reader_live_statement,
                                         .statement_ctx = f,
                                         .spill_dir = reader_spill_dir(r),
                                         .held_max_bytes = r->o.spill_max_bytes};
    struct position start = POSITION_INIT;
    s->live = !r->o.open && !options.schema;
    if (s->live) {
        options.schema = reader_live_schema;
        options.ddl = reader_live_ddl;
        options.schema_ctx = f;
        options.prepared = reader_live_prepared;
        options.prepared_ctx = f;
        f->schema_server[0] = 0;
    }
    position_copy(&start, &f->resume.pos);
    start.seq = 0;
    reader_skip_init(&s->skip, &f->resume);
    s->source = open_source(f, &start, e);
    options.server = f->identity;
    if (s->source)
        s->decoder = cdc_decoder_new(&options, &start);
    position_fini(&start);
    return s->source != NULL;
}

static void hurry(struct session *s)
{
    s->backlog = 0;
    if (s->yields)
        sys_thread_yields_no_more();
    s->yields = false;
}

static void watch_backlog(struct session *s, size_t n, bool idle)
{
    if (idle) {
        hurry(s);
    } else if (s->backlog < BACKLOG_BYTES) {
        s->backlog += n;
        s->yields = s->backlog >= BACKLOG_BYTES && sys_thread_yields();
    }
}

static void session_close(struct feed *f, struct session *s)
{
    struct cdc_reader *r = f->reader;
    hurry(s);
    if (s->decoder && f->schema_server[0]) {
        struct log_span seen = cdc_decoder_span(s->decoder);
        reader_live_seen(f, &seen);
    }
    pthread_mutex_lock(&r->lock);
    f->source = NULL;
    if (r->tail == f || !r->tail)
        r->connected = false;
    pthread_mutex_unlock(&r->lock);
    cdc_decoder_free(s->decoder);
    if (s->source)
        s->source->ops->close(s->source);
    my_close(f->watch);
    f->watch = NULL;
}

/* The batch's place among what this feed published is where the feed would resume, whatever was taken out of it. */
static void set_start(struct feed *f, struct cdc_batch *b)
{
    if (!f->resume.in_tx && f->resume.pos.seq == 0)
        return; /* the decoder knows it, rotations included */
    position_copy(&b->start, &f->resume.pos);
    b->starts_in_tx = f->resume.in_tx;
    b->open_gtid = f->resume.open_gtid;
}

static bool publish_batch(struct feed *f, struct session *s, struct cdc_batch *b, struct err *e)
{
    s->open_bytes = 0;
    if (!FAULT_POINT("reader.publish", e) ||
        (s->skip.active && !reader_skip_apply(&s->skip, b, e))) {
        cdc_batch_unref(b);
        return false;
    }
    if (b->n_changes == 0) {
        cdc_batch_unref(b);
        return true;
    }
    set_start(f, b);
    f->progressed = true;
    f->bad_events = 0;
    if (reader_publish(f, b))
        return true;
    return err_set(e, ERR_SHUTDOWN, "the reader was stopped");
}

static bool publish_open_batch(struct feed *f, struct session *s, bool flush, struct err *e)
{
    for (struct cdc_batch *b; (b = cdc_decoder_take(s->decoder, flush)) != NULL;) {
        if (!publish_batch(f, s, b, e))
            return false;
    }
    return !cdc_decoder_failed(s->decoder, e);
}

static void count_skipped(struct feed *f, struct session *s)
{
    const struct cdc_decode_stats *stats = cdc_decoder_stats(s->decoder);
    uint64_t now = stats->skipped_sequence_rows + stats->skipped_history_rows;
    if (now == s->skipped_rows)
        return;
    metric_add(f->reader->m_skipped_rows, (double)(now - s->skipped_rows));
    pthread_mutex_lock(&f->reader->lock);
    f->reader->skipped_rows += now - s->skipped_rows;
    pthread_mutex_unlock(&f->reader->lock);
    s->skipped_rows = now;
}

/* After one event (n bytes): hands over a full batch, and anything when the log has nothing more at
 * the moment. */
static bool hand_over(struct feed *f, struct session *s, size_t n, struct err *e)
{
    bool in_tx = cdc_decoder_in_transaction(s->decoder);
    bool idle = s->source->ops->ready && !s->source->ops->ready(s->source);
    bool flush = idle || (!in_tx && s->open_bytes >= SOFT_BATCH_BYTES);
    watch_backlog(s, n, idle);
    if (!publish_open_batch(f, s, flush, e))
        return false;
    if (idle) /* what was taken may have ended the transaction */
        reader_idle(f, cdc_decoder_position(s->decoder), cdc_decoder_in_transaction(s->decoder));
    return true;
}

/* Between transactions, and never of a replay, which has no server to ask. */
static bool is_beat(const struct feed *f, const struct session *s, const uint8_t *event)
{
    enum { TYPE_AT = 4, HEARTBEAT = 27, HEARTBEAT_V2 = 41 };
    return (event[TYPE_AT] == HEARTBEAT || event[TYPE_AT] == HEARTBEAT_V2) && !f->reader->o.open &&
           !cdc_decoder_in_transaction(s->decoder);
}

static bool session_event(struct feed *f, struct session *s, const uint8_t *event, size_t n,
                          struct err *e)
{
    const struct cdc_source *from = s->source;
    if (!FAULT_POINT("reader.event", e) ||
        !cdc_decoder_feed_kept(s->decoder, event, n, from->checked, from->piece, e))
        return false;
    s->open_bytes += n;
    count_skipped(f, s);
    if (is_beat(f, s, event) && !reader_log_goes_on(f, cdc_decoder_position(s->decoder), e))
        return false;
    return hand_over(f, s, n, e);
}

/* What came whole before a cut, or before an event that cannot be decoded, is good. */
static void publish_rest(struct feed *f, struct session *s)
{
    struct err ignored = ERR_INIT;
    if (!publish_open_batch(f, s, true, &ignored))
        log_debug("reader", "at a cut: %s", ignored.text);
}

static enum session_end session_read(struct feed *f, struct session *s, struct err *e)
{
    for (;;) {
        const uint8_t *event = NULL;
        size_t n = 0;
        switch (s->source->ops->next(s->source, &event, &n, e)) {
        case CDC_NEXT_OK:
            if (session_event(f, s, event, n, e))
                break;
            if (cdc_decoder_failed(s->decoder, NULL))
                publish_rest(f, s);
            return SESSION_ERROR;
        case CDC_NEXT_END:
            if (!publish_open_batch(f, s, true, e))
                return SESSION_ERROR;
            reader_idle(f, cdc_decoder_position(s->decoder),
                        cdc_decoder_in_transaction(s->decoder));
            return SESSION_LOG_END;
        case CDC_NEXT_FAIL:
            publish_rest(f, s);
            return SESSION_ERROR;
        case CDC_NEXT_TIMEOUT:
            if (reader_feed_stopping(f))
                return SESSION_STOP;
            break;
        }
    }
}

static enum session_end feed_session(struct feed *f, struct err *e)
{
    struct session s = {0};
    enum session_end end = SESSION_ERROR;
    f->progressed = false;
    if (session_open(f, &s, e)) {
        bool go = show_source(f, s.source);
        if (go && s.live)
            reader_live_begin(f);
        end = go ? session_read(f, &s, e) : SESSION_STOP;
    }
    session_close(f, &s);
    return end;
}

/* Waits before the next try; false when the error is for the consumers. */
static bool may_retry(struct feed *f, const struct err *e)
{
    if (e->class_ != ERR_CLASS_RETRY)
        return false;
    if (e->code == ERR_DB_LOST && !f->reader->o.open)
        reader_live_lost(f);
    if (e->code == ERR_LOG_CHECKSUM && ++f->bad_events >= MAX_BAD_EVENTS)
        return false;
    if (e->code == ERR_DB_AUTH && f->reader->o.refuse_bad_login && !f->identity[0])
        return false;
    if (e->code == ERR_SRC_SERVER_ID)
        change_server_id(f);
    return true;
}

static void wait_before_retry(struct feed *f, const struct err *e)
{
    struct cdc_reader *r = f->reader;
    if (f->progressed)
        backoff_reset(&f->backoff);
    int64_t until_ms = clock_mono_ms() + backoff_next_ms(&f->backoff);
    metric_add(r->m_reconnects, 1);
    bool told = f->backoff.tries > 1 && f->told == e->code; /* the same again */
    log_err(told ? LOG_DEBUG : LOG_WARN, "reader", e);
    f->told = e->code;
    pthread_mutex_lock(&r->lock);
    err_copy(&r->last_error, e);
    f->cut = true;
    f->idle = false;
    for (int64_t now; !f->stop && (now = clock_mono_ms()) < until_ms;)
        (void)thread_wait_ms(&f->wake, &r->lock, until_ms - now);
    pthread_mutex_unlock(&r->lock);
}

static enum feed_result feed_run(struct feed *f, struct err *e)
{
    while (!reader_feed_stopping(f)) {
        err_clear(e);
        switch (feed_session(f, e)) {
        case SESSION_STOP:
            return FEED_ENDED;
        case SESSION_LOG_END:
            return FEED_ENDED;
        case SESSION_ERROR:
            if (reader_feed_stopping(f))
                return FEED_ENDED;
            if (!may_retry(f, e))
                return FEED_FAILED;
            wait_before_retry(f, e);
            break;
        }
    }
    return FEED_ENDED;
}

static void unlink_feed(struct cdc_reader *r, struct feed *f)
{
    struct feed **at = &r->feeds;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    if (!r->feeds)
        pthread_cond_broadcast(&r->feeds_gone);
}

static void *feed_main(void *arg)
{
    struct feed *f = arg;
    struct cdc_reader *r = f->reader;
    struct err e = ERR_INIT;
    enum feed_result result = feed_run(f, &e);
    give_server_id(f);
    pthread_mutex_lock(&r->lock);
    if (result == FEED_FAILED)
        err_copy(&r->last_error, &e);
    if (!f->stop)
        reader_feed_ended(f, result, &e);
    assert(f->stop && !f->source);
    unlink_feed(r, f);
    pthread_cond_destroy(&f->wake);
    resume_point_fini(&f->resume);
    position_fini(&f->idle_pos);
    free(f);
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

bool reader_feed_start(struct cdc_reader *r, struct cdc_stream *owner,
                       const struct resume_point *from, struct err *e)
{
    struct feed *f = mem_alloc(sizeof *f);
    pthread_attr_t attr;
    pthread_t thread;
    f->reader = r;
    f->owner = owner;
    resume_point_copy(&f->resume, from);
    thread_cond_init(&f->wake);
    backoff_init(&f->backoff, r->o.retry_ms ? r->o.retry_ms : BACKOFF_MIN_MS, BACKOFF_MAX_MS);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int rc = pthread_create(&thread, &attr, feed_main, f);
    pthread_attr_destroy(&attr);
    if (rc != 0) {
        pthread_cond_destroy(&f->wake);
        resume_point_fini(&f->resume);
        free(f);
        return err_set_native(e, ERR_LIMIT, ERR_CLASS_RETRY, rc, "no thread for a reader: %s",
                              strerror(rc));
    }
    f->next = r->feeds;
    r->feeds = f;
    if (owner) {
        owner->feed = f;
        r->n_private++;
    } else {
        r->tail = f;
    }
    return true;
}

void reader_feed_stop(struct feed *f)
{
    struct cdc_reader *r = f->reader;
    if (f->stop)
        return;
    f->stop = true;
    if (f->owner) {
        f->owner->feed = NULL;
        f->owner = NULL;
        r->n_private--;
    } else if (r->tail == f) {
        r->tail = NULL;
    }
    if (f->source)
        f->source->ops->interrupt(f->source);
    pthread_cond_broadcast(&f->wake);
}
