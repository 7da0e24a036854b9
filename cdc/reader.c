/* cdc/reader.c — streams of one source shard: who is served by the tail's ring and who by a private
 * reader.
 *
 * A stream is always exactly one of:
 *   UNPLACED   its next pull places it;
 *   WAITING    for a free private reader;
 *   PRIVATE    a feed of its own fills its queue;
 *   JOINED     it reads the tail's ring from its cursor on, after what is left in its queue.
 *
 * Invariants (lock held):
 *   I1  stream.resume is the place after the last change handed out. Every placing starts from it.
 *   I2  The changes of queue, followed by those of the ring from cursor on (JOINED) or by what the
 *       private feed publishes next (PRIVATE), are the log from stream.resume on: nothing is missing
 *       and nothing stands twice.
 *   I3  Published batches are not written any more; a private batch is cut only before it is
 *       queued.
 *   I4  The ring holds every batch from the lowest cursor of the joined streams on. An entry that
 *       is needed leaves only after its streams were unplaced.
 *   I5  Serials have no gaps: the entry after serial n is what the tail published after it, and
 *       begins at the place where n ends (where the tail would resume), across reconnects too
 *       (cdc/reader_skip.c).
 *
 * Why joining neither loses nor doubles. A private feed that would resume at M (after its last published
 * change) publishes a batch b, so I2 holds with b's changes next. For a COMMIT c inside b let P be
 * the place after it. If some ring entry k begins at P (same file:pos, same GTID set, no
 * transaction open, no row of one delivered), then what follows c in b and what begins at k are the
 * same changes of the same log. So b is cut behind c and queued, cursor becomes k, the feed ends:
 * I2 holds, with the ring's part in place of the feed's. The test and the switch are one critical
 * section, so k is still in the ring (I4 from now on). The same holds without b when the feed is
 * idle: then P = M, and k may be the ring's end, if the tail would resume at P and no transaction is open
 * there: the next entry will begin at P (I5). A place inside a transaction is never a joining
 * point: BEGIN, open GTID and row number belong to one reader. Detaching (ring exhausted, rewind,
 * failure) throws the queue's and ring's rest away and places anew from there (I1), so it can only
 * cost reading twice.
 *
 * Back pressure: the tail waits only while no joined stream has room, so none is starved by it.
 * When it has to go on for one stream, another whose backlog is full for 2 s, or whose entries the
 * ring cannot keep, is unplaced. A lone slow consumer thus costs one connection, and the source's
 * TCP window holds the log. Private readers are few: one whose queue is full for 2 s is given to a
 * stream that waits for one.
 */
#include "cdc/reader.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "cdc/reader_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RING_DEFAULT_BYTES    ((size_t)64 * 1024 * 1024)
#define QUEUE_DEFAULT_BYTES   ((size_t)8 * 1024 * 1024)
#define PRIVATE_DEFAULT       4
#define RETAIN_ALONE_BYTES    ((size_t)4 * 1024 * 1024) /* of a ring that only one stream reads */
#define FULL_BEFORE_DETACH_MS 2000
#define WAITING_LOOK_MS       500 /* nobody tells who waits that another's queue has stayed full */

/* ---- backlog, back pressure, retention ---- */

static uint64_t ring_backlog(const struct cdc_stream *s)
{
    const struct reader_ring *ring = &s->reader->ring;
    if (s->mode != STREAM_JOINED || s->cursor == reader_ring_end(ring))
        return 0;
    return ring->offset - reader_ring_at(ring, s->cursor)->offset;
}

static size_t backlog(const struct cdc_stream *s)
{
    return s->queue_bytes + (size_t)ring_backlog(s);
}

static bool is_full(const struct cdc_stream *s)
{
    return backlog(s) >= s->queue_limit_bytes;
}

static void note_backlog(struct cdc_stream *s)
{
    size_t bytes = backlog(s);
    metric_set(s->m_queue, (double)bytes);
    if (bytes < s->queue_limit_bytes)
        s->full_since_ms = 0;
    else if (!s->full_since_ms)
        s->full_since_ms = clock_mono_ms();
}

static void queue_drop(struct cdc_stream *s)
{
    for (size_t i = 0; i < s->queue_n; i++)
        cdc_batch_unref(s->queue[i]);
    s->queue_n = 0;
    s->queue_bytes = 0;
}

static void queue_push(struct cdc_stream *s, struct cdc_batch *b)
{
    mem_grow((void **)&s->queue, &s->queue_cap, s->queue_n + 1, sizeof *s->queue);
    s->queue[s->queue_n++] = b;
    s->queue_bytes += cdc_batch_memory(b);
}

static struct cdc_batch *queue_pop(struct cdc_stream *s)
{
    struct cdc_batch *b = s->queue[0];
    memmove(s->queue, s->queue + 1, --s->queue_n * sizeof *s->queue);
    s->queue_bytes -= cdc_batch_memory(b);
    return b;
}

/* Takes the stream away from whoever serves it; what is queued stays valid only for a joined
 * stream. */
static void unplace(struct cdc_stream *s)
{
    if (s->feed)
        reader_feed_stop(s->feed);
    if (s->mode == STREAM_PRIVATE)
        queue_drop(s);
    s->mode = STREAM_UNPLACED;
    s->full_since_ms = 0;
    pthread_cond_broadcast(&s->wake);
}

static size_t count_joined(const struct cdc_reader *r, bool *one_has_room)
{
    size_t n = 0;
    *one_has_room = false;
    for (const struct cdc_stream *s = r->streams; s; s = s->next) {
        if (s->mode != STREAM_JOINED)
            continue;
        n++;
        *one_has_room |= !is_full(s);
    }
    return n;
}

static uint64_t lowest_cursor(const struct cdc_reader *r)
{
    uint64_t low = reader_ring_end(&r->ring);
    for (const struct cdc_stream *s = r->streams; s; s = s->next) {
        if (s->mode == STREAM_JOINED && s->cursor < low)
            low = s->cursor;
    }
    return low;
}

static size_t retain_bytes(const struct cdc_reader *r)
{
    bool alone = r->streams && !r->streams->next;
    return alone && RETAIN_ALONE_BYTES < r->o.ring_bytes ? RETAIN_ALONE_BYTES : r->o.ring_bytes;
}

static void trim_ring(struct cdc_reader *r)
{
    uint64_t needed_from = lowest_cursor(r);
    size_t limit = retain_bytes(r);
    while (r->ring.n && r->ring.bytes > limit && r->ring.first_serial < needed_from)
        reader_ring_drop_first(&r->ring);
    metric_set(r->m_ring, (double)r->ring.bytes);
}

/* Some joined stream has room, so the tail goes on: those that hold it up are unplaced. */
static void unplace_slow(struct cdc_reader *r)
{
    int64_t now_ms = clock_mono_ms();
    for (struct cdc_stream *s = r->streams; s; s = s->next) {
        if (s->mode != STREAM_JOINED || !is_full(s))
            continue;
        bool too_long = s->full_since_ms && now_ms - s->full_since_ms >= FULL_BEFORE_DETACH_MS;
        bool too_far = ring_backlog(s) >= r->o.ring_bytes;
        if (!too_long && !too_far)
            continue;
        log_debug("reader", "%s/%s: stream %s leaves the tail, %zu bytes behind",
                  r->shard->keyspace, r->shard->name, s->name, backlog(s));
        unplace(s);
    }
}

static bool tail_must_wait(struct cdc_reader *r)
{
    bool one_has_room;
    return count_joined(r, &one_has_room) > 0 && !one_has_room;
}

/* A consumer made room or left. */
static void tail_check(struct cdc_reader *r)
{
    bool one_has_room;
    if (!r->tail)
        return;
    if (count_joined(r, &one_has_room) == 0)
        reader_feed_stop(r->tail);
    else if (one_has_room)
        pthread_cond_broadcast(&r->tail->wake);
}

/* ---- placing ---- */

static bool tail_end_is(const struct cdc_reader *r, const struct resume_point *m)
{
    const struct resume_point *t = r->tail ? &r->tail->resume : NULL;
    return t && !t->in_tx && !m->in_tx && t->pos.seq == 0 && t->pos.pos == m->pos.pos &&
           position_equal(&t->pos, &m->pos);
}

static bool join_point(const struct cdc_reader *r, const struct resume_point *m, uint64_t *serial)
{
    if (!r->tail || m->in_tx || m->pos.seq)
        return false;
    if (reader_ring_find(&r->ring, &m->pos, serial))
        return true;
    if (!tail_end_is(r, m))
        return false;
    *serial = reader_ring_end(&r->ring);
    return true;
}

static void join(struct cdc_stream *s, uint64_t serial)
{
    s->mode = STREAM_JOINED;
    s->cursor = serial;
    s->full_since_ms = 0;
    note_backlog(s);
    pthread_cond_broadcast(&s->wake);
}

/* The stream becomes the first of a new tail. Streams that still read the old tail's rest are
 * placed anew. */
static bool start_tail(struct cdc_reader *r, struct cdc_stream *s, struct err *e)
{
    assert(!r->tail);
    for (struct cdc_stream *o = r->streams; o; o = o->next) {
        if (o->mode == STREAM_JOINED)
            unplace(o);
    }
    reader_ring_clear(&r->ring);
    if (!reader_feed_start(r, NULL, &s->resume, e))
        return false;
    r->tail_result = FEED_RUNNING;
    join(s, reader_ring_end(&r->ring));
    return true;
}

static bool start_private(struct cdc_reader *r, struct cdc_stream *s, struct err *e)
{
    if (!reader_feed_start(r, s, &s->resume, e))
        return false;
    s->mode = STREAM_PRIVATE;
    s->private_result = FEED_RUNNING;
    return true;
}

/* A private reader is for whoever reads. The one whose queue has been full for longest gives its
 * reader up to those who wait: its next pull places it anew, from where it stands (I1). */
static bool take_from_stalled(struct cdc_reader *r)
{
    struct cdc_stream *stalled = NULL;
    for (struct cdc_stream *s = r->streams; s; s = s->next) {
        bool full = s->mode == STREAM_PRIVATE && s->feed && is_full(s) && s->full_since_ms;
        if (full && (!stalled || s->full_since_ms < stalled->full_since_ms))
            stalled = s;
    }
    if (!stalled || clock_mono_ms() - stalled->full_since_ms < FULL_BEFORE_DETACH_MS)
        return false;
    log_info("reader", "%s/%s: stream %s does not read; its private reader goes to one that waits",
             r->shard->keyspace, r->shard->name, stalled->name);
    unplace(stalled);
    return true;
}

/* Its turn among those who wait for a private reader. */
static bool my_turn(struct cdc_reader *r, const struct cdc_stream *s)
{
    for (const struct cdc_stream *o = r->streams; o; o = o->next) {
        if (o != s && o->mode == STREAM_WAITING && o->waiting_since < s->waiting_since)
            return false;
    }
    return r->n_private < r->o.private_readers || take_from_stalled(r);
}

/* Why a stream waits, with the names of those who have what it waits for. */
static bool say_who_reads(const struct cdc_stream *waiting, struct err *e)
{
    const struct cdc_reader *r = waiting->reader;
    struct buf names = BUF_INIT;
    for (const struct cdc_stream *s = r->streams; s; s = s->next) {
        if (s->mode == STREAM_PRIVATE && s->feed)
            buf_printf(&names, "%s%s", names.len ? ", " : "", s->name);
    }
    err_set_native(e, ERR_LIMIT, ERR_CLASS_RETRY, 0,
                   "stream %s waits for a private reader of %s/%s: all %u are in use, by %.400s",
                   waiting->name, r->shard->keyspace, r->shard->name, r->o.private_readers,
                   buf_str(&names));
    buf_fini(&names);
    return err_cure(e, "it goes on when one of them has caught up; limits.private_readers allows "
                       "more");
}

static void begin_to_wait(struct cdc_stream *s)
{
    struct err why = ERR_INIT;
    s->mode = STREAM_WAITING;
    say_who_reads(s, &why);
    log_err(LOG_INFO, "reader", &why);
}

static bool place(struct cdc_stream *s, struct err *e)
{
    struct cdc_reader *r = s->reader;
    uint64_t serial;
    assert(s->queue_n == 0 && !s->feed);
    if (join_point(r, &s->resume, &serial)) {
        join(s, serial);
        return true;
    }
    if (!r->tail)
        return start_tail(r, s, e);
    if (s->mode != STREAM_WAITING)
        s->waiting_since = ++r->tickets;
    if (my_turn(r, s))
        return start_private(r, s, e);
    if (s->mode != STREAM_WAITING)
        begin_to_wait(s);
    return true;
}

/* A private reader or the tail is gone: those who wait look again. */
static void wake_waiting(struct cdc_reader *r)
{
    for (struct cdc_stream *s = r->streams; s; s = s->next) {
        if (s->mode == STREAM_WAITING)
            pthread_cond_broadcast(&s->wake);
    }
}

/* ---- what feeds call ---- */

/* A private feed whose place is the ring's end (the tail just got there, or it did): joins. */
static bool join_at_end(struct feed *f)
{
    struct cdc_stream *s = f->owner;
    uint64_t serial;
    if (!join_point(f->reader, &f->resume, &serial))
        return false;
    reader_feed_stop(f);
    join(s, serial);
    wake_waiting(f->reader);
    return true;
}

static void join_idle_feeds(struct cdc_reader *r)
{
    for (struct feed *f = r->feeds; f; f = f->next) {
        if (f->owner && f->idle && !f->stop && tail_end_is(r, &f->resume))
            join_at_end(f);
    }
}

/* A place that was not known (the source's own beginning) becomes the first batch's. */
static void learn_start(struct resume_point *m, const struct cdc_batch *b)
{
    if (position_is_empty(&m->pos))
        position_copy(&m->pos, &b->start);
}

static bool publish_tail(struct feed *f, struct cdc_batch *b)
{
    struct cdc_reader *r = f->reader;
    while (!f->stop && tail_must_wait(r))
        pthread_cond_wait(&f->wake, &r->lock);
    if (f->stop)
        return false;
    learn_start(&f->resume, b);
    bool joinable = !f->resume.in_tx && f->resume.pos.seq == 0;
    for (size_t i = 0; i < b->n_changes; i++)
        resume_point_advance(&f->resume, &b->changes[i]);
    b->bytes = cdc_batch_memory(b);
    reader_ring_push(&r->ring, b, joinable);
    for (struct cdc_stream *s = r->streams; s; s = s->next) {
        if (s->mode != STREAM_JOINED)
            continue;
        note_backlog(s);
        pthread_cond_signal(&s->wake);
    }
    unplace_slow(r);
    trim_ring(r);
    if (!f->resume.in_tx) {
        position_copy(&r->head, &f->resume.pos);
        join_idle_feeds(r);
    }
    return true;
}

/* True when b was cut at a joining point (it may be empty then); *serial is where the ring goes on.
 */
static bool cut_at_join_point(struct feed *f, struct cdc_batch *b, uint64_t *serial)
{
    struct cdc_reader *r = f->reader;
    bool found = join_point(r, &f->resume, serial);
    size_t keep = 0;
    for (; keep < b->n_changes && !found; keep++) {
        resume_point_advance(&f->resume, &b->changes[keep]);
        found = b->changes[keep].kind == CDC_COMMIT && join_point(r, &f->resume, serial);
    }
    b->n_changes = keep;
    return found;
}

static bool publish_private(struct feed *f, struct cdc_batch *b)
{
    struct cdc_reader *r = f->reader;
    uint64_t serial;
    while (!f->stop && f->owner->queue_n && is_full(f->owner))
        pthread_cond_wait(&f->wake, &r->lock);
    if (f->stop)
        return false;
    struct cdc_stream *s = f->owner;
    learn_start(&f->resume, b);
    bool joins = cut_at_join_point(f, b, &serial);
    b->bytes = cdc_batch_memory(b);
    if (b->n_changes)
        queue_push(s, b);
    else
        cdc_batch_unref(b);
    note_backlog(s);
    pthread_cond_signal(&s->wake);
    if (!joins)
        return true;
    reader_feed_stop(f);
    join(s, serial);
    wake_waiting(r);
    return true;
}

bool reader_publish(struct feed *f, struct cdc_batch *b)
{
    struct cdc_reader *r = f->reader;
    pthread_mutex_lock(&r->lock);
    f->idle = false;
    assert(f->stop || !b->n_changes || b->refs == 1);
    bool done = f->owner ? publish_private(f, b) : publish_tail(f, b);
    if (!done)
        cdc_batch_unref(b);
    bool go_on = !f->stop;
    pthread_mutex_unlock(&r->lock);
    return done && go_on;
}

void reader_idle(struct feed *f, const struct position *pos, bool in_tx)
{
    struct cdc_reader *r = f->reader;
    pthread_mutex_lock(&r->lock);
    if (!f->stop && !in_tx) {
        f->idle = true;
        position_copy(&f->idle_pos, pos);
        if (!f->owner)
            position_copy(&r->head, pos);
        if (f->owner) {
            pthread_cond_signal(&f->owner->wake);
            join_at_end(f);
        } else {
            for (struct cdc_stream *s = r->streams; s; s = s->next)
                pthread_cond_signal(&s->wake);
        }
    }
    pthread_mutex_unlock(&r->lock);
}

void reader_feed_ended(struct feed *f, enum feed_result result, const struct err *e)
{
    struct cdc_reader *r = f->reader;
    struct cdc_stream *owner = f->owner;
    reader_feed_stop(f);
    if (owner) {
        owner->private_result = result;
        err_copy(&owner->private_err, e);
        pthread_cond_broadcast(&owner->wake);
    } else {
        r->tail_result = result;
        err_copy(&r->tail_err, e);
        for (struct cdc_stream *s = r->streams; s; s = s->next)
            pthread_cond_broadcast(&s->wake);
    }
    wake_waiting(r);
}

/* ---- streams ---- */

static void stream_metrics(struct cdc_stream *s)
{
    static const char *const ops[] = {"insert", "update", "delete"};
    const struct topo_shard *shard = s->reader->shard;
    char labels[512], queue[160];
    snprintf(queue, sizeof queue, "stream.%s.%s.%s", shard->keyspace, shard->name, s->name);
    metrics_labels(labels, sizeof labels, "queue", queue, NULL);
    s->m_queue = metrics_get(METRIC_GAUGE, "queue_bytes", labels, "Bytes waiting in a queue.");
    for (size_t i = 0; i < 3; i++) {
        metrics_labels(labels, sizeof labels, "stream", s->name, "keyspace", shard->keyspace,
                       "shard", shard->name, "op", ops[i], NULL);
        s->m_rows[i] = metrics_get(METRIC_COUNTER, "stream_rows_total", labels,
                                   "Row changes handed to a stream.");
    }
    metrics_labels(labels, sizeof labels, "stream", s->name, "keyspace", shard->keyspace, "shard",
                   shard->name, NULL);
    s->m_lag = metrics_get(METRIC_GAUGE, "stream_lag_seconds", labels,
                           "How far a stream's consumer is behind its source; 0 when it has "
                           "everything, rising while either is stuck.");
    s->m_transactions = metrics_get(METRIC_COUNTER, "stream_transactions_total", labels,
                                    "Transactions handed to a stream.");
    s->m_bytes = metrics_get(METRIC_COUNTER, "stream_bytes_total", labels,
                             "Bytes of row images handed to a stream.");
    s->m_position = metrics_get(METRIC_GAUGE, "stream_position_bytes", labels,
                                "Offset of a stream in its log file.");
}

static void hide_metrics(struct cdc_stream *s)
{
    for (size_t i = 0; i < 3; i++)
        metric_hide(s->m_rows[i]);
    metric_hide(s->m_lag);
    metric_hide(s->m_queue);
    metric_hide(s->m_transactions);
    metric_hide(s->m_bytes);
    metric_hide(s->m_position);
}

struct counts {
    uint64_t rows[3], transactions, bytes;
};

static void note_change(struct cdc_stream *s, const struct cdc_change *c, struct counts *n)
{
    resume_point_advance(&s->resume, c);
    if (c->kind == CDC_ROWS) {
        n->rows[c->rows.op] += c->rows.n_rows;
        n->bytes += c->rows.images_len;
    } else if (c->kind == CDC_COMMIT) {
        n->transactions++;
        s->last_event_us =
            c->end.commit_us ? (int64_t)c->end.commit_us : (int64_t)c->timestamp * 1000000;
    }
}

/* Has the stream been given everything that the source has? Only while the source is heard: its
 * heartbeats say that there is nothing more, and a dump without them is closed. */
static bool is_current(const struct cdc_stream *s)
{
    const struct feed *f = s->mode == STREAM_JOINED ? s->reader->tail : s->feed;
    return f && f->idle && f->source && backlog(s) == 0;
}

/* How far what the consumer has done is behind the source: 0 while it waits for more and there is
 * none; otherwise the time since it last was there, or since the commit that it was last given,
 * whichever is later. So it rises while the consumer is stuck, and while the source is not heard.
 */
static int64_t lag_us(struct cdc_stream *s)
{
    int64_t now = clock_wall_us();
    if (s->pulling && is_current(s))
        s->current_us = now;
    int64_t from = s->current_us > s->last_event_us ? s->current_us : s->last_event_us;
    return from && now > from ? now - from : 0;
}

static void note_delivery(struct cdc_stream *s, const struct cdc_batch *b)
{
    struct counts n = {0};
    learn_start(&s->resume, b);
    for (size_t i = 0; i < b->n_changes; i++)
        note_change(s, &b->changes[i], &n);
    for (size_t i = 0; i < 3; i++) {
        if (n.rows[i])
            metric_add(s->m_rows[i], (double)n.rows[i]);
    }
    metric_add(s->m_transactions, (double)n.transactions);
    metric_add(s->m_bytes, (double)n.bytes);
    metric_set(s->m_position, (double)s->resume.pos.pos);
    metric_set(s->m_lag, (double)lag_us(s) / 1e6);
    note_backlog(s);
}

/* The next batch if one is there. */
static struct cdc_batch *take_ready(struct cdc_stream *s)
{
    struct cdc_reader *r = s->reader;
    struct cdc_batch *b = NULL;
    if (s->queue_n) {
        b = queue_pop(s);
        if (s->feed)
            pthread_cond_signal(&s->feed->wake);
    } else if (s->mode == STREAM_JOINED && s->cursor < reader_ring_end(&r->ring)) {
        b = cdc_batch_ref(reader_ring_at(&r->ring, s->cursor++)->batch);
    }
    if (!b)
        return NULL;
    note_delivery(s, b);
    if (s->mode == STREAM_JOINED) {
        trim_ring(r);
        tail_check(r);
    }
    return b;
}

static bool reached_until(const struct cdc_stream *s)
{
    if (!s->until_idle || position_is_empty(&s->until) || s->resume.in_tx ||
        s->mode == STREAM_UNPLACED)
        return false;
    const struct feed *f = s->mode == STREAM_JOINED ? s->reader->tail : s->feed;
    if (position_at_or_after(&s->resume.pos, &s->until))
        return true;
    return f && f->idle && position_at_or_after(&f->idle_pos, &s->until);
}

/* Nothing is there: why not, and is that all? OK means wait. */
static enum cdc_next look_for_end(struct cdc_stream *s, struct err *e)
{
    struct cdc_reader *r = s->reader;
    enum feed_result result = FEED_RUNNING;
    if (s->mode == STREAM_JOINED && !r->tail)
        result = r->tail_result;
    else if (s->mode == STREAM_PRIVATE && !s->feed)
        result = s->private_result;
    if (result == FEED_FAILED) {
        err_copy(e, s->mode == STREAM_JOINED ? &r->tail_err : &s->private_err);
        err_prepend(e, "stream %s", s->name);
        s->mode = STREAM_UNPLACED;
        return CDC_NEXT_FAIL;
    }
    s->ended |= result == FEED_ENDED || reached_until(s);
    return s->ended ? CDC_NEXT_END : CDC_NEXT_OK;
}

static enum cdc_next stream_step(struct cdc_stream *s, struct cdc_batch **batch, struct err *e)
{
    if (s->interrupted) {
        err_set(e, ERR_SHUTDOWN, "stream %s was asked to stop", s->name);
        return CDC_NEXT_FAIL;
    }
    *batch = take_ready(s);
    if (*batch || s->ended)
        return *batch ? CDC_NEXT_OK : CDC_NEXT_END;
    if ((s->mode == STREAM_UNPLACED || s->mode == STREAM_WAITING) && !place(s, e)) {
        s->mode = STREAM_UNPLACED;
        return CDC_NEXT_FAIL;
    }
    *batch = take_ready(s);
    return *batch ? CDC_NEXT_OK : look_for_end(s, e);
}

enum cdc_next cdc_stream_next(struct cdc_stream *s, struct cdc_batch **batch, int64_t timeout_ms,
                              struct err *e)
{
    struct cdc_reader *r = s->reader;
    int64_t until_ms = timeout_ms < 0 ? -1 : clock_mono_ms() + timeout_ms;
    enum cdc_next result;
    *batch = NULL;
    pthread_mutex_lock(&r->lock);
    s->pulling = true;
    while ((result = stream_step(s, batch, e)) == CDC_NEXT_OK && !*batch) {
        int64_t left_ms = timeout_ms < 0 ? -1 : until_ms - clock_mono_ms();
        if (timeout_ms >= 0 && left_ms <= 0) {
            result = CDC_NEXT_TIMEOUT;
            break;
        }
        if (s->mode == STREAM_WAITING && (left_ms < 0 || left_ms > WAITING_LOOK_MS))
            left_ms = WAITING_LOOK_MS;
        (void)thread_wait_ms(&s->wake, &r->lock, left_ms);
    }
    if (!*batch)
        lag_us(s); /* notes that it is current, if it is */
    s->pulling = false;
    pthread_mutex_unlock(&r->lock);
    return result;
}

static bool resolve_start(struct cdc_reader *r, struct cdc_stream *s, const struct position *start,
                          const struct cdc_stream_options *o, struct err *e)
{
    bool current = !start || position_is_empty(start);
    if (!current)
        position_copy(&s->resume.pos, start);
    if (r->o.open)
        return true; /* no server to ask: an empty start means its source's own */
    if (current && !cdc_reader_locate(r, false, &s->resume.pos, e))
        return false;
    return !o || !o->until_idle || cdc_reader_locate(r, false, &s->until, e);
}

static void stream_free(struct cdc_stream *s)
{
    resume_point_fini(&s->resume);
    position_fini(&s->until);
    position_fini(&s->acked);
    pthread_cond_destroy(&s->wake);
    free(s->queue);
    free(s);
}

struct cdc_stream *cdc_reader_attach(struct cdc_reader *r, const struct position *start,
                                     const struct cdc_stream_options *o, struct err *e)
{
    struct cdc_stream *s = mem_alloc(sizeof *s);
    s->reader = r;
    s->queue_limit_bytes = o && o->queue_bytes ? o->queue_bytes : QUEUE_DEFAULT_BYTES;
    s->until_idle = o && o->until_idle;
    snprintf(s->name, sizeof s->name, "%s", o && o->name ? o->name : "stream");
    thread_cond_init(&s->wake);
    stream_metrics(s);
    if (!resolve_start(r, s, start, o, e)) {
        hide_metrics(s);
        stream_free(s);
        return NULL;
    }
    position_copy(&s->acked, &s->resume.pos);
    pthread_mutex_lock(&r->lock);
    s->next = r->streams;
    r->streams = s;
    pthread_mutex_unlock(&r->lock);
    return s;
}

void cdc_stream_ack(struct cdc_stream *s, const struct position *pos)
{
    pthread_mutex_lock(&s->reader->lock);
    position_copy(&s->acked, pos);
    pthread_mutex_unlock(&s->reader->lock);
}

const struct position *cdc_stream_position(const struct cdc_stream *s)
{
    return &s->resume.pos;
}

enum cdc_rest cdc_stream_rest(struct cdc_stream *s, struct err *e)
{
    struct cdc_reader *r = s->reader;
    enum cdc_rest rest = CDC_REST_BUSY;
    pthread_mutex_lock(&r->lock);
    const struct feed *f = s->mode == STREAM_JOINED ? r->tail : s->feed;
    if (f && f->idle && backlog(s) == 0) {
        rest = CDC_REST_IDLE;
    } else if (f && f->cut) {
        rest = CDC_REST_CUT;
        err_copy(e, &r->last_error);
    } else if (s->mode == STREAM_WAITING) {
        rest = CDC_REST_WAITING;
        say_who_reads(s, e);
    }
    pthread_mutex_unlock(&r->lock);
    return rest;
}

void cdc_stream_source_head(struct cdc_stream *s, struct position *out, int64_t *lag_ms)
{
    struct cdc_reader *r = s->reader;
    pthread_mutex_lock(&r->lock);
    const struct feed *f = s->mode == STREAM_JOINED ? r->tail : s->feed;
    const struct position *head = &r->head;
    if (f && f->owner && (position_is_empty(head) || position_at_or_after(&f->resume.pos, head)))
        head = &f->resume.pos;
    if (position_is_empty(head) || position_at_or_after(&s->resume.pos, head))
        head = &s->resume.pos;
    if (out)
        position_copy(out, head);
    if (lag_ms)
        *lag_ms = is_current(s) ? 0 : lag_us(s) / 1000;
    pthread_mutex_unlock(&r->lock);
}

/* Whether the tail serves nobody but s: then it may be moved instead of a second connection made.
 */
static bool alone_at_tail(const struct cdc_reader *r, const struct cdc_stream *s)
{
    for (const struct cdc_stream *o = r->streams; o; o = o->next) {
        if (o != s && o->mode == STREAM_JOINED)
            return false;
    }
    return true;
}

bool cdc_stream_rewind(struct cdc_stream *s, const struct position *pos, struct err *e)
{
    struct cdc_reader *r = s->reader;
    uint64_t serial;
    pthread_mutex_lock(&r->lock);
    position_copy(&s->resume.pos, pos);
    s->resume.in_tx = false;
    s->resume.others = 0;
    s->ended = false;
    unplace(s);
    queue_drop(s);
    if (r->tail && alone_at_tail(r, s) && !join_point(r, &s->resume, &serial))
        reader_feed_stop(r->tail);
    bool ok = place(s, e);
    if (!ok)
        s->mode = STREAM_UNPLACED;
    tail_check(r);
    wake_waiting(r);
    pthread_mutex_unlock(&r->lock);
    return ok;
}

void cdc_stream_interrupt(struct cdc_stream *s)
{
    pthread_mutex_lock(&s->reader->lock);
    s->interrupted = s->asking.stop = true;
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->reader->lock);
}

void cdc_stream_close(struct cdc_stream *s)
{
    if (!s)
        return;
    struct cdc_reader *r = s->reader;
    pthread_mutex_lock(&r->lock);
    unplace(s);
    queue_drop(s);
    struct cdc_stream **at = &r->streams;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    hide_metrics(s);
    tail_check(r);
    trim_ring(r);
    wake_waiting(r);
    pthread_mutex_unlock(&r->lock);
    stream_free(s);
}

/* ---- the reader ---- */

struct cdc_reader *cdc_reader_new(struct topology *topo, const struct topo_shard *shard,
                                  const struct cdc_reader_options *o)
{
    struct cdc_reader *r = mem_alloc(sizeof *r);
    char labels[512];
    pthread_mutex_init(&r->lock, NULL);
    pthread_mutex_init(&r->schema_lock, NULL);
    thread_cond_init(&r->feeds_gone);
    r->topo = topo;
    r->shard = shard;
    if (o)
        r->o = *o;
    if (!r->o.ring_bytes)
        r->o.ring_bytes = RING_DEFAULT_BYTES;
    if (!r->o.private_readers)
        r->o.private_readers = PRIVATE_DEFAULT;
    metrics_labels(labels, sizeof labels, "keyspace", shard->keyspace, "shard", shard->name, NULL);
    r->m_reconnects = metrics_get(METRIC_COUNTER, "stream_reconnects_total", labels,
                                  "Connections to a log made anew after an error.");
    r->m_statements = metrics_get(METRIC_COUNTER, "stream_statements_skipped_total", labels,
                                  "Statements in the log instead of rows that were passed over.");
    r->m_skipped_rows =
        metrics_get(METRIC_COUNTER, "stream_rows_skipped_total", labels,
                    "Rows in the log that are no table's current rows: of sequences, "
                    "and the history of system-versioned tables");
    bool usual = r->o.on_statement == CDC_STATEMENT_SKIP_UNRELATED;
    const char *stops = r->o.on_statement == CDC_STATEMENT_STOP ? "stop" : "warn";
    metrics_labels(labels, sizeof labels, "arena", "ring", "keyspace", shard->keyspace, "shard",
                   shard->name, usual ? NULL : "on_statement", stops, NULL);
    r->m_ring = metrics_get(METRIC_GAUGE, "memory_bytes", labels, "Bytes held, by purpose.");
    return r;
}

void cdc_reader_free(struct cdc_reader *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    assert(!r->streams);
    for (struct feed *f = r->feeds, *next; f; f = next) {
        next = f->next;
        reader_feed_stop(f);
    }
    while (r->feeds)
        pthread_cond_wait(&r->feeds_gone, &r->lock);
    reader_ring_clear(&r->ring);
    pthread_mutex_unlock(&r->lock);
    my_close(r->schema_conn);
    schema_tracker_free(r->tracker);
    store_close(r->own_store);
    pthread_mutex_destroy(&r->schema_lock);
    free(r->ring.entries);
    position_fini(&r->head);
    pthread_cond_destroy(&r->feeds_gone);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

bool cdc_reader_folds_names(const struct cdc_reader *r)
{
    return __atomic_load_n(&r->folds_names, __ATOMIC_RELAXED);
}

/* Called with the lock. */
static struct cdc_reader_counts counts_of(const struct cdc_reader *r)
{
    struct cdc_reader_counts n = {.skipped_statements = r->skipped_statements,
                                  .skipped_rows = r->skipped_rows};
    for (const struct cdc_stream *s = r->streams; s; s = s->next)
        n.consumers++;
    return n;
}

struct cdc_reader_counts cdc_reader_counts(struct cdc_reader *r)
{
    pthread_mutex_lock(&r->lock);
    struct cdc_reader_counts n = counts_of(r);
    pthread_mutex_unlock(&r->lock);
    return n;
}

void cdc_reader_status(struct cdc_reader *r, struct buf *json)
{
    struct buf pos = BUF_INIT;
    double lag_seconds = 0;
    pthread_mutex_lock(&r->lock);
    struct cdc_reader_counts n = counts_of(r);
    for (struct cdc_stream *s = r->streams; s; s = s->next) {
        double lag = (double)lag_us(s) / 1e6;
        metric_set(s->m_lag, lag);
        lag_seconds = lag > lag_seconds ? lag : lag_seconds;
    }
    position_print(&r->head, &pos);
    buf_put_str(json, "{\"position\":\"");
    buf_put_json_escaped(json, buf_str(&pos), pos.len);
    buf_printf(json,
               "\",\"lag_seconds\":%.3f,\"connected\":%s,\"private_readers\":%u,\"consumers\":%u,"
               "\"skipped_statements\":%llu,\"skipped_rows\":%llu,\"last_error\":\"",
               lag_seconds, r->connected ? "true" : "false", r->n_private, n.consumers,
               (unsigned long long)n.skipped_statements, (unsigned long long)n.skipped_rows);
    buf_put_json_escaped(json, r->last_error.text, strlen(r->last_error.text));
    buf_put_str(json, "\"}");
    pthread_mutex_unlock(&r->lock);
    buf_fini(&pos);
}
