/* sinks/driver_lane.c — the thread of one sink and source shard: pull, encode, write, flush,
 * checkpoint.
 *
 * Invariants:
 *   1. A checkpoint is stored only after the sink acknowledged everything before it (flush), in
 *      this order: records, position with the records, checkpoint in SQLite.
 *   2. A session begins at the newest acknowledged position, of SQLite's and the sink's own. What
 *      was written and not acknowledged is written again: at least once.
 *   3. The position that is acknowledged lies between transactions.
 * A crash between any two steps of 1 repeats records, and loses none.
 *
 * Errors: what may pass (broker down, disk full) is waited out in place; anything else ends the
 * session, and a new one with a new sink instance begins at the acknowledged position after a
 * pause.
 */
#include "base/backoff.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "cdc/reader_definition.h"
#include "schemas/inspect.h"
#include "sinks/driver_internal.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDLE_SAVE_MS     1000
#define FLUSH_TIMEOUT_MS 2000
#define RETRY_PAUSE_MS   500
#define ERROR_PAUSE_MS   10000

void lane_set_state(struct lane *l, enum lane_state state, const struct err *why)
{
    pthread_mutex_lock(&l->driver->lock);
    l->state = state;
    if (why)
        err_format(why, l->message, sizeof l->message);
    else
        l->message[0] = '\0';
    pthread_mutex_unlock(&l->driver->lock);
}

static bool asked_to_stop(struct lane *l, struct err *e)
{
    return err_set(e, ERR_SHUTDOWN, "sink %s was asked to stop", l->driver->spec->name);
}

/* Waits for a cause that may pass; false (SHUTDOWN) when the driver stops. */
static bool wait_out(struct lane *l, struct err *e)
{
    metric_add(l->m_retries, 1);
    lane_set_state(l, LANE_WAITING, e);
    return driver_pause(l->driver, RETRY_PAUSE_MS) || asked_to_stop(l, e);
}

/* ---- flush and checkpoint ---- */

/* Everything in front of it was encoded and written. */
static const struct position *taken_up_to(const struct lane *l)
{
    return vstream_lane_position(l->source);
}

/* Who stops does not wait for a destination that is away: what it did not acknowledge comes again
 * after the next start. */
static bool flush_until_answered(struct lane *l, const char *position, struct err *e)
{
    while (!l->sink->ops->flush(l->sink, l->shard->keyspace, l->shard->name, position,
                                FLUSH_TIMEOUT_MS, e)) {
        if (e->class_ != ERR_CLASS_RETRY)
            return false;
        l->away = true;
        if (driver_stopping(l->driver))
            return asked_to_stop(l, e);
        metric_add(l->m_retries, 1);
        lane_set_state(l, LANE_WAITING, e);
        clock_sleep_ms(50, NULL);
    }
    l->away = false;
    return true;
}

/* A position is not acknowledged before the refused records behind it are kept elsewhere. */
static bool flush_sink(struct lane *l, const char *position, struct err *e)
{
    if (!l->sink->ops->refused)
        return flush_until_answered(l, position, e);
    return flush_until_answered(l, "", e) && lane_take_refused(l, e) &&
           (!position[0] || flush_until_answered(l, position, e));
}

static bool put_checkpoint(struct lane *l, const struct position *pos, const char *data,
                           struct err *e)
{
    struct sink_driver *d = l->driver;
    int64_t began_us = clock_mono_us();
    while (!store_checkpoint_put(d->store, d->spec->name, l->shard->keyspace, l->shard->name, pos,
                                 data, e)) {
        if (e->class_ != ERR_CLASS_RETRY || !wait_out(l, e))
            return false;
    }
    metric_observe(l->m_checkpoint, (double)(clock_mono_us() - began_us) / 1e6);
    return true;
}

static void note_flushed(struct lane *l, int64_t began_us, char *position)
{
    struct sink_driver *d = l->driver;
    metric_add(l->m_records, (double)l->dirty_records);
    metric_add(l->m_bytes, (double)l->dirty_bytes);
    metric_observe(l->m_latency, (double)(clock_mono_us() - began_us) / 1e6);
    pthread_mutex_lock(&d->lock);
    l->records += l->dirty_records;
    if (position) {
        free(l->position_text);
        l->position_text = position;
    }
    if (l->state != LANE_COPYING || position) {
        l->state = LANE_RUNNING;
        l->message[0] = '\0';
    }
    pthread_mutex_unlock(&d->lock);
    l->dirty_records = l->dirty_bytes = 0;
    l->first_dirty_ms = 0;
}

static bool flush_steps(struct lane *l, const char *position, const char *data, struct err *e)
{
    if (!FAULT_POINT("sink.before_flush", e) || !flush_sink(l, position, e) ||
        !FAULT_POINT("sink.after_flush", e))
        return false;
    if (!position[0])
        return true;
    return FAULT_POINT("sink.before_checkpoint", e) && put_checkpoint(l, taken_up_to(l), data, e) &&
           FAULT_POINT("sink.after_checkpoint", e);
}

bool lane_flush(struct lane *l, bool with_position, const char *data, struct err *e)
{
    int64_t began_us = clock_mono_us();
    char *position = with_position ? position_text(taken_up_to(l)) : NULL;
    if (!flush_steps(l, position ? position : "", data, e)) {
        free(position);
        return false;
    }
    if (with_position) {
        position_copy(&l->acked, taken_up_to(l));
        l->last_save_ms = clock_mono_ms();
        if (l->stream)
            cdc_stream_ack(l->stream, &l->acked);
    }
    note_flushed(l, began_us, position);
    return true;
}

/* Records go out soon; a position alone (others' transactions) once a second. */
static bool flush_is_due(const struct lane *l)
{
    int64_t now_ms = clock_mono_ms();
    if (l->dirty_records)
        return l->dirty_bytes >= l->driver->flush_bytes ||
               now_ms - l->first_dirty_ms >= l->driver->flush_ms;
    return now_ms - l->last_save_ms >= IDLE_SAVE_MS && !position_equal(taken_up_to(l), &l->acked);
}

/* ---- where to begin ---- */

/* What is known of where the lane begins. */
struct start {
    struct position at;
    bool found;   /* at says it; else a copy comes first */
    bool fresh;   /* a sink made by command that has not acknowledged anything yet */
    bool unasked; /* at holds only if the destination knows nothing: it is where `from` pointed */
    bool kept;    /* the destination knows a position of the lane, too */
};

static bool stored_start(struct lane *l, struct start *s, struct err *e)
{
    struct sink_driver *d = l->driver;
    struct buf data = BUF_INIT;
    bool ok = store_checkpoint_get(d->store, d->spec->name, l->shard->keyspace, l->shard->name,
                                   &s->at, &data, &s->found, e);
    s->fresh = ok && s->found && strcmp(buf_str(&data), SINK_FRESH) == 0;
    s->unasked = ok && s->found && strcmp(buf_str(&data), SINK_UNASKED) == 0;
    s->found = s->found && !(s->fresh && position_is_empty(&s->at));
    buf_fini(&data);
    return ok;
}

static bool sinks_position(struct lane *l, struct position *out, bool *found, struct err *e)
{
    struct buf text = BUF_INIT;
    bool ok = l->sink->ops->position(l->sink, l->shard->keyspace, l->shard->name, &text, e);
    *found = ok && text.len > 0;
    if (*found)
        ok = position_parse(buf_str(&text), out, e);
    buf_fini(&text);
    return ok;
}

/* The newer one of SQLite's and the sink's own. What stands at the destination of a sink that was
 * just made is of another one that had its name. */
static bool find_start(struct lane *l, struct start *s, struct err *e)
{
    struct position own = POSITION_INIT;
    bool ok = stored_start(l, s, e) && (s->fresh || sinks_position(l, &own, &s->kept, e));
    if (ok && s->kept && (!s->found || s->unasked || position_at_or_after(&own, &s->at)))
        position_copy(&s->at, &own);
    s->found = ok && (s->found || s->kept);
    s->unasked = s->unasked && !s->kept;
    position_fini(&own);
    return ok;
}

/* Asked before the first record only: a table that is dropped later is no error. */
bool sink_tables_exist(const struct sink_spec *spec, const struct topo_shard *shard, struct err *e)
{
    if (spec->n_tables == 0)
        return true;
    struct my_conn *c = my_connect(&shard->primary, "sink", e);
    bool ok = c && schema_tables_exist(c, shard->primary.database,
                                       (const char *const *)spec->tables, spec->n_tables, e);
    my_close(c);
    return ok;
}

bool sink_first_position(const struct sink_spec *spec, struct cdc_reader *reader,
                         const struct topo_shard *shard, struct position *out, struct err *e)
{
    struct vgtid v = {0};
    bool named;
    if (!cdc_reader_from(reader, spec->from, out, &named, e))
        return false;
    if (named)
        return true;
    if (!vgtid_parse(spec->from, &v, e))
        return false;
    const struct position *p = vgtid_get(&v, shard->keyspace, shard->name);
    if (p)
        position_copy(out, p);
    vgtid_fini(&v);
    return p || err_set(e, ERR_SINK_CONFIG, "from: has no position for %s/%s", shard->keyspace,
                        shard->name);
}

/* ---- one session ---- */

static bool lane_stopping(void *lane)
{
    return driver_stopping(((struct lane *)lane)->driver);
}

static bool lane_define(void *ctx, const struct cdc_change *begin, const struct schema_table *table,
                        const struct schema_table **out, struct err *e)
{
    return cdc_stream_definition(((struct lane *)ctx)->stream, begin, table, out, e);
}

static bool open_parts(struct lane *l, struct err *e)
{
    struct sink_driver *d = l->driver;
    CLEANUP(mem_free_ptr) char *options = sink_options_text(l->driver->spec, l->batch_bytes);
    if (!FAULT_POINT("sink.open", e))
        return false;
    l->asked = (struct sink_stop){.asked = lane_stopping, .ctx = l};
    l->sink = d->sink_ops->open(d->target, options, &l->asked, e);
    if (!l->sink)
        return false;
    l->encoder = d->encoder_ops->open(options, e);
    if (!l->encoder)
        return false;
    struct sink_tx_options o = {.database = l->shard->primary.database,
                                .tables = (const char *const *)d->spec->tables,
                                .n_tables = d->spec->n_tables,
                                .encoder = l->encoder,
                                .context = {.installation = d->topo->installation,
                                            .prefix = d->spec->prefix,
                                            .keyspace = l->shard->keyspace,
                                            .shard = l->shard->name,
                                            .keyed = d->sink_ops->keyed,
                                            .version = SLUICE_VERSION},
                                .emit = lane_emit,
                                .topic = lane_topic,
                                .committed = lane_committed,
                                .define = lane_define,
                                .refused = lane_row_refused,
                                .ctx = l};
    l->tx = sink_tx_new(&o);
    return true;
}

static void show_stream(struct lane *l, struct cdc_stream *s)
{
    pthread_mutex_lock(&l->driver->lock);
    l->stream = s;
    if (s && l->driver->stop)
        cdc_stream_interrupt(s);
    pthread_mutex_unlock(&l->driver->lock);
}

static void close_parts(struct lane *l)
{
    show_stream(l, NULL);
    vstream_lane_close(l->source);
    sink_tx_free(l->tx);
    if (l->encoder)
        l->encoder->ops->close(l->encoder);
    if (l->sink)
        l->sink->ops->close(l->sink);
    cdc_journal_fini(&l->journal);
    l->journal_seen = false;
    l->tx = NULL;
    l->source = NULL;
    l->away = false;
    l->encoder = NULL;
    l->sink = NULL;
    l->dirty_records = l->dirty_bytes = 0;
    l->first_dirty_ms = 0;
}

/* For status: what is acknowledged before anything new was. */
static void show_position(struct lane *l)
{
    char *text = position_text(&l->acked);
    pthread_mutex_lock(&l->driver->lock);
    free(l->position_text);
    l->position_text = text;
    pthread_mutex_unlock(&l->driver->lock);
}

/* The destination keeps what the state directory may lose: who the sink is, and where the lane
 * begins as long as it has acknowledged nothing. */
static bool tell_destination(struct lane *l, const struct start *s, struct err *e)
{
    const char *definition = l->driver->spec->definition;
    CLEANUP(mem_free_ptr) char *at = s->found ? position_text(&s->at) : mem_strdup("");
    bool place = s->found ? !s->kept : s->fresh;
    return !l->sink->ops->begin || (!definition && !place) ||
           l->sink->ops->begin(l->sink, l->shard->keyspace, l->shard->name, definition,
                               place ? at : NULL, FLUSH_TIMEOUT_MS, e);
}

/* Before the destination is asked, which may be away for long: a lane that nothing is known of
 * begins where `from` points now, unless the destination then knows better. */
static bool fix_start(struct lane *l, struct err *e)
{
    struct start s = {.at = POSITION_INIT};
    bool ok = l->driver->spec->copy || stored_start(l, &s, e);
    if (ok && !l->driver->spec->copy && !s.found && !s.fresh)
        ok = sink_first_position(l->driver->spec, l->reader, l->shard, &s.at, e) &&
             put_checkpoint(l, &s.at, SINK_UNASKED, e);
    position_fini(&s.at);
    return ok;
}

/* at NULL: behind a copy of what the sink wants. */
static bool attach(struct lane *l, const struct position *at, struct err *e)
{
    struct vstream_lane_options o = {
        .name = l->driver->spec->name,
        .committed = {.spill_dir = store_dir(l->driver->store),
                      .spill_max_bytes = l->driver->spec->spill_max_bytes},
        .journal = lane_journal,
        .ctx = l};
    if (at) {
        position_copy(&l->acked, at);
        show_position(l);
    } else {
        o.copy =
            (struct initial_copy_options){.source = &l->shard->primary,
                                          .tables = (const char *const *)l->driver->spec->tables,
                                          .n_tables = l->driver->spec->n_tables};
    }
    if (!at)
        lane_set_state(l, LANE_COPYING, NULL);
    l->last_save_ms = clock_mono_ms();
    l->source = vstream_lane_open(l->reader, &o, at, e);
    if (!l->source)
        return false;
    show_stream(l, vstream_lane_stream(l->source));
    if (at)
        lane_set_state(l, LANE_RUNNING, NULL);
    return true;
}

static bool begin(struct lane *l, struct err *e)
{
    struct start s = {.at = POSITION_INIT};
    bool ok = find_start(l, &s, e) && tell_destination(l, &s, e);
    if (ok && (!s.found || s.unasked))
        ok = sink_tables_exist(l->driver->spec, l->shard, e);
    ok = ok && attach(l, s.found ? &s.at : NULL, e);
    position_fini(&s.at);
    return ok;
}

/* What may pass is waited out in place, unless a part of these records was written already. */
static bool take_part(struct lane *l, const struct committed_part *part, struct err *e)
{
    bool clean = true;
    sink_tx_fold_names(l->tx, cdc_reader_folds_names(l->reader));
    while (!sink_tx_part(l->tx, part, vstream_lane_position(l->source), &clean, e)) {
        if (!clean || e->class_ != ERR_CLASS_RETRY || e->code == ERR_FAULT_INJECTED ||
            !wait_out(l, e))
            return false;
    }
    vstream_lane_taken(l->source);
    return true;
}

static void note_taken(struct lane *l)
{
    if (l->dirty_records && !l->first_dirty_ms)
        l->first_dirty_ms = clock_mono_ms();
    l->sink->ops->poll(l->sink);
}

static int64_t pull_timeout_ms(const struct lane *l)
{
    int64_t left_ms = l->first_dirty_ms ? l->first_dirty_ms + l->driver->flush_ms - clock_mono_ms()
                                        : IDLE_SAVE_MS;
    return left_ms > 0 ? left_ms : 0;
}

/* Nothing came. That there is no reader for the lane is no silence: its state says so. */
static void note_rest(struct lane *l)
{
    struct err why = ERR_INIT;
    bool waits = cdc_stream_rest(l->stream, &why) == CDC_REST_WAITING;
    if (waits || l->without_reader)
        lane_set_state(l, waits ? LANE_WAITING : LANE_RUNNING, waits ? &why : NULL);
    l->without_reader = waits;
}

static bool is_at_journal(struct lane *l, bool *ended, struct err *e)
{
    *ended = l->journal_seen;
    return *ended || driver_pause(l->driver, l->driver->flush_ms) || asked_to_stop(l, e);
}

/* One part, or a wait for it. *ended: the journal's transaction was taken. */
static bool pull(struct lane *l, bool *pause, bool *ended, struct err *e)
{
    struct committed_part part;
    enum vstream_next next = vstream_lane_next(l->source, &part, pull_timeout_ms(l), e);
    *pause = next != VSTREAM_PART;
    if (next == VSTREAM_REST || l->without_reader)
        note_rest(l);
    switch (next) {
    case VSTREAM_PART:
        return (!part.copied || lane_between_chunks(l, e)) && take_part(l, &part, e);
    case VSTREAM_COPIED:
        show_stream(l, vstream_lane_stream(l->source));
        return lane_copied(l, e);
    case VSTREAM_TAKEN:
        note_taken(l);
        return true;
    case VSTREAM_REST:
        return true;
    case VSTREAM_ENDED:
        return is_at_journal(l, ended, e);
    case VSTREAM_FAIL:
        break;
    }
    return e->code == ERR_DISK_FULL && e->class_ == ERR_CLASS_RETRY && wait_out(l, e);
}

static bool step(struct lane *l, bool *ended, struct err *e)
{
    bool pause = false;
    if (!pull(l, &pause, ended, e))
        return false;
    return *ended || !pause || !flush_is_due(l) || lane_flush(l, true, "", e);
}

static char *ended_data(const struct cdc_journal *j)
{
    json_t *o = json_pack("{s:b,s:I}", "ended", 1, "journal", (json_int_t)j->id);
    json_t *children = json_array();
    for (size_t i = 0; i < j->n_shard_gtids; i++)
        json_array_append_new(
            children, json_pack("{s:s,s:s,s:s}", "keyspace", j->shard_gtids[i].keyspace, "shard",
                                j->shard_gtids[i].shard, "gtid", j->shard_gtids[i].gtid));
    json_object_set_new(o, "children", children);
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

static bool finish(struct lane *l, struct err *e)
{
    CLEANUP(mem_free_ptr) char *data = ended_data(&l->journal);
    if (!lane_flush(l, true, data, e))
        return false;
    while (!driver_start_children(l, e)) {
        if (!wait_out(l, e))
            return false; /* the checkpoint says where the children begin */
    }
    lane_set_state(l, LANE_ENDED, NULL);
    return true;
}

/* True: the lane is done. */
static bool session(struct lane *l, struct err *e)
{
    bool ended = false;
    if (!fix_start(l, e) || !open_parts(l, e) || !begin(l, e))
        return false;
    while (!ended) {
        if (!step(l, &ended, e))
            break;
    }
    if (ended)
        return finish(l, e);
    if (e->class_ != ERR_CLASS_SHUTDOWN)
        return false;
    if (vstream_lane_copies(l->source))
        return false; /* there is nothing to acknowledge */
    struct err flush_error = ERR_INIT;
    bool records = l->dirty_records > 0 || !position_equal(taken_up_to(l), &l->acked);
    if (records && !l->away && !lane_flush(l, true, "", &flush_error))
        log_err(LOG_WARN, "sink", &flush_error);
    return false;
}

static bool pause_after(struct lane *l, struct backoff *backoff, struct err *e)
{
    char area[100];
    bool passes =
        e->class_ == ERR_CLASS_RETRY || e->code == ERR_SINK_FATAL || e->code == ERR_SINK_BATCH;
    if (e->code == ERR_SINK_BATCH)
        l->batch_bytes = e->native;
    if (e->class_ == ERR_CLASS_SKIP_ROW) {
        CLEANUP(mem_free_ptr) char *at = position_text(&l->acked);
        err_prepend(e, "after %.300s", at);
    }
    snprintf(area, sizeof area, "sink.%s", l->driver->spec->name);
    err_prepend(e, "sink %s, %s/%s", l->driver->spec->name, l->shard->keyspace, l->shard->name);
    lane_set_state(l, passes ? LANE_WAITING : LANE_ERROR, e);
    log_err(passes ? LOG_WARN : LOG_ERROR, area, e);
    metric_add(l->m_retries, 1);
    return driver_pause(l->driver, passes ? backoff_next_ms(backoff) : ERROR_PAUSE_MS);
}

void *lane_main(void *arg)
{
    struct lane *l = arg;
    struct backoff backoff;
    backoff_init(&backoff, 200, ERROR_PAUSE_MS);
    for (bool done = false; !done && !driver_stopping(l->driver);) {
        struct err e = ERR_INIT;
        uint64_t records = l->records;
        done = session(l, &e);
        close_parts(l);
        if (l->records != records)
            backoff_reset(&backoff);
        if (done || e.class_ == ERR_CLASS_SHUTDOWN)
            break;
        if (!pause_after(l, &backoff, &e))
            break;
    }
    if (l->state != LANE_ENDED)
        lane_set_state(l, LANE_STOPPED, NULL);
    return NULL;
}
