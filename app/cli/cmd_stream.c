/* app/cli/cmd_stream.c — merges the streams of a keyspace's shards to standard output.
 *
 * One thread a shard reads and encodes; whole transactions are written under one lock, so that
 * records of different shards never mix inside a transaction's flush. The end: SIGINT or SIGTERM,
 * every shard idle for until_idle_ms, every shard at its entry of the until VGTID, or a switch of
 * traffic that takes shards or tables away (cdc/vstream/handover.h). The VGTID on stderr at the end
 * is where another stream goes on behind what was written.
 */
#include "app/cli/cmd_stream.h"
#include "app/cli/stream_raw.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sys.h"
#include "cdc/reader.h"
#include "cdc/reader_definition.h"
#include "cdc/vstream/handover.h"
#include "schemas/inspect.h"
#include "sinks/snapshot.h"
#include "state/position.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define OUT_BYTES   ((size_t)256 * 1024)
#define PULL_MS     100
#define LOOK_MS     20
#define QUEUE_BYTES ((size_t)2 * 1024 * 1024) /* in the caches: nobody here is slow on purpose */

struct shard_stream {
    struct run *run;
    const struct topo_shard *shard;
    struct cdc_reader *reader;
    struct cdc_stream *stream;
    struct sink_tx *tx;
    struct encoder *encoder;
    struct buf out;
    struct position start, until;
    uint32_t until_time;
    pthread_t thread;
    bool started, done;
    bool at_end;            /* atomic: the log has nothing more */
    int64_t last_change_ms; /* monotonic; of the last batch with changes */
    struct err error;
};
struct run {
    const struct stream_request *rq;
    struct topology *topo;
    struct shard_stream *shards;
    struct handover handover; /* under out_lock */
    pthread_mutex_t out_lock;
    sem_t ended; /* posted by each shard's thread at its end */
    int stop;    /* atomic */
};

static volatile sig_atomic_t signalled;

static void on_signal(int number)
{
    (void)number;
    signalled = 1;
}

bool stream_interrupted(void)
{
    return signalled;
}

static bool stopping(struct run *r)
{
    return signalled || __atomic_load_n(&r->stop, __ATOMIC_RELAXED);
}

/* ---- output ---- */

/* What is kept, and then `more`, which is long and need not be copied for that (NULL: nothing). */
static bool write_with(struct shard_stream *s, const void *more, size_t n, struct err *e)
{
    pthread_mutex_lock(&s->run->out_lock);
    bool ok = sys_write_all(STDOUT_FILENO, s->out.data, s->out.len) &&
              sys_write_all(STDOUT_FILENO, more, n);
    pthread_mutex_unlock(&s->run->out_lock);
    buf_reset(&s->out);
    return ok || err_set_native(e, ERR_IO, ERR_CLASS_FATAL, errno, "standard output: %s",
                                strerror(errno));
}

/* A switch of traffic is at this place of the shard's log. */
static bool on_journal(void *ctx, const char *json, size_t n, struct err *e)
{
    struct shard_stream *s = ctx;
    struct run *r = s->run;
    bool ends = false;
    (void)n;
    pthread_mutex_lock(&r->out_lock);
    bool ok = handover_take(&r->handover, (size_t)(s - r->shards), json,
                            cdc_reader_folds_names(s->reader), sink_tx_position(s->tx), &ends, e);
    pthread_mutex_unlock(&r->out_lock);
    if (ends)
        sink_tx_stop(s->tx);
    return ok;
}

static bool write_out(struct shard_stream *s, struct err *e)
{
    return write_with(s, NULL, 0, e);
}

static bool define(void *ctx, const struct cdc_change *begin, const struct schema_table *table,
                   const struct schema_table **out, struct err *e)
{
    return cdc_stream_definition(((struct shard_stream *)ctx)->stream, begin, table, out, e);
}

static bool emit(void *ctx, const struct encode_record *r, struct err *e)
{
    struct shard_stream *s = ctx;
    if (!r->value)
        return true; /* a tombstone is no line */
    if (r->value_len < OUT_BYTES)
        buf_put(&s->out, r->value, r->value_len);
    else if (!write_with(s, r->value, r->value_len, e))
        return false;
    buf_put_u8(&s->out, '\n');
    if (s->out.failed)
        return err_set(e, ERR_LIMIT, "a record is too long");
    return s->out.len < OUT_BYTES || write_out(s, e);
}

/* ---- one shard ---- */

static bool between_chunks(void *ctx, struct err *e)
{
    struct shard_stream *s = ctx;
    __atomic_store_n(&s->last_change_ms, clock_mono_ms(), __ATOMIC_RELAXED);
    return write_out(s, e) && (!stopping(s->run) || err_set(e, ERR_SHUTDOWN, "asked to stop"));
}

/* The rows that exist, from one snapshot; the stream then begins at its position. */
static bool copy_shard(struct shard_stream *s, struct err *e)
{
    if (sink_snapshot(s->tx, &s->shard->primary, &s->start, between_chunks, s, e))
        return true;
    if (e->class_ != ERR_CLASS_SHUTDOWN)
        return false;
    err_clear(e);
    return true;
}

static bool attach(struct shard_stream *s, struct err *e)
{
    struct cdc_stream_options o = {.name = "stdout", .queue_bytes = QUEUE_BYTES};
    if (s->run->rq->copy && !copy_shard(s, e))
        return false;
    s->stream = cdc_reader_attach(s->reader, &s->start, &o, e);
    return s->stream != NULL;
}

static bool has_content(const struct cdc_batch *b)
{
    for (size_t i = 0; i < b->n_changes; i++) {
        if (b->changes[i].kind != CDC_HEARTBEAT)
            return true;
    }
    return false;
}

static bool take_batch(struct shard_stream *s, struct cdc_batch *b, struct err *e)
{
    size_t at = 0;
    bool clean;
    __atomic_store_n(&s->at_end, false, __ATOMIC_RELEASE);
    if (has_content(b))
        __atomic_store_n(&s->last_change_ms, clock_mono_ms(), __ATOMIC_RELAXED);
    /* After an error too: the position stands behind the transactions before it. */
    sink_tx_fold_names(s->tx, cdc_reader_folds_names(s->reader));
    bool ok = sink_tx_batch(s->tx, b, &at, &clean, e);
    struct err unwritten = ERR_INIT;
    if (write_out(s, &unwritten))
        return ok;
    return ok ? err_copy(e, &unwritten) : false;
}

/* Nothing came. The end of the log is one reason, no connection is another: who waits for idleness
 * is told of that. */
static bool note_rest(struct shard_stream *s, struct err *e)
{
    int64_t idle_ms = s->run->rq->until_idle_ms;
    enum cdc_rest rest = cdc_stream_rest(s->stream, e);
    __atomic_store_n(&s->at_end, rest == CDC_REST_IDLE, __ATOMIC_RELEASE);
    return rest != CDC_REST_CUT || idle_ms == 0 || clock_mono_ms() - s->last_change_ms < idle_ms;
}

static bool follow(struct shard_stream *s, struct err *e)
{
    while (!stopping(s->run) && !sink_tx_reached(s->tx)) {
        struct cdc_batch *b;
        switch (cdc_stream_next(s->stream, &b, PULL_MS, e)) {
        case CDC_NEXT_OK: {
            bool ok = take_batch(s, b, e);
            cdc_batch_unref(b);
            if (!ok)
                return false;
            break;
        }
        case CDC_NEXT_TIMEOUT:
            if (!note_rest(s, e))
                return false;
            break;
        case CDC_NEXT_END:
            return true;
        case CDC_NEXT_FAIL:
            return false;
        }
    }
    return true;
}

/* Nothing is to be read on when the switch that this shard met was met on all its shards. */
static void stop_at_handover(struct run *r)
{
    pthread_mutex_lock(&r->out_lock);
    if (handover_complete(&r->handover) >= 0)
        __atomic_store_n(&r->stop, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&r->out_lock);
}

static void *shard_main(void *arg)
{
    struct shard_stream *s = arg;
    bool ok = attach(s, &s->error) && follow(s, &s->error);
    if (!ok) {
        err_prepend(&s->error, "%s/%s", s->shard->keyspace, s->shard->name);
        __atomic_store_n(&s->run->stop, 1, __ATOMIC_RELAXED);
    }
    stop_at_handover(s->run);
    __atomic_store_n(&s->done, true, __ATOMIC_RELEASE);
    sem_post(&s->run->ended);
    return NULL;
}

/* ---- preparing ---- */

bool stream_entry(const char *json, const struct topo_shard *shard, struct position *out,
                  struct err *e)
{
    struct vgtid v = {0};
    if (!vgtid_parse(json, &v, e))
        return false;
    const struct position *p = vgtid_get(&v, shard->keyspace, shard->name);
    if (p)
        position_copy(out, p);
    vgtid_fini(&v);
    return p ||
           err_set(e, ERR_USAGE, "the VGTID has no entry for %s/%s", shard->keyspace, shard->name);
}

bool stream_until(const struct stream_request *rq, const struct topo_shard *shard,
                  struct position *out, uint32_t *seconds, struct err *e)
{
    return !rq->until || clock_parse_time(rq->until, seconds) ||
           stream_entry(rq->until, shard, out, e);
}

static bool find_start(struct shard_stream *s, struct err *e)
{
    const struct stream_request *rq = s->run->rq;
    bool named;
    if (!stream_until(rq, s->shard, &s->until, &s->until_time, e))
        return false;
    if (rq->copy)
        return true;
    if (!cdc_reader_from(s->reader, rq->from, &s->start, &named, e))
        return false;
    return named || stream_entry(rq->from, s->shard, &s->start, e);
}

static bool open_encoder(struct shard_stream *s, struct err *e)
{
    const char *format = s->run->rq->format;
    if (format && strcmp(format, "none") == 0)
        return true;
    const struct encoder_ops *ops = encoder_find(format);
    if (!ops) {
        struct buf names = BUF_INIT;
        encoder_names(&names);
        err_set(e, ERR_USAGE, "there is no format '%s'", format);
        err_cure(e, "one of %s, none", buf_str(&names));
        buf_fini(&names);
        return false;
    }
    s->encoder = ops->open("{}", e);
    return s->encoder != NULL;
}

/* Sessions of such a server may write statements, whose rows nobody can follow. Servers without the
 * setting can only write rows. */
static void warn_of_format(struct my_conn *c, const struct topo_shard *shard)
{
    struct err ignored = ERR_INIT;
    char *format CLEANUP(mem_free_ptr) = NULL;
    if (my_query_text(c, "SELECT @@global.binlog_format", &format, &ignored) && format &&
        strcasecmp(format, "ROW") != 0)
        log_warn("stream",
                 "%s/%s: the server has binlog_format=%s: a change that it logs as a statement is "
                 "no row here and stops the stream; set it to ROW",
                 shard->keyspace, shard->name, format);
}

/* What is wrong with a server that cannot be reached the reader will say, and wait for it; but a
 * name that no table has would be a stream of nothing, for ever. */
static bool look_at_server(const struct run *r, const struct topo_shard *shard, struct err *e)
{
    struct err unreached = ERR_INIT;
    bool named = r->rq->n_tables > 0;
    struct my_conn *c = my_connect(&shard->primary, "stream", &unreached);
    bool ok = c || !named || err_copy(e, &unreached);
    if (c)
        warn_of_format(c, shard);
    if (c && named)
        ok = schema_tables_exist(c, shard->primary.database, r->rq->tables, r->rq->n_tables, e);
    my_close(c);
    return ok || err_prepend(e, "%s/%s", shard->keyspace, shard->name);
}

static bool prepare(struct run *r, struct shard_stream *s, const char *name, struct err *e)
{
    const struct stream_request *rq = r->rq;
    s->run = r;
    s->shard = topology_shard(r->topo, rq->keyspace, name);
    if (!s->shard)
        return err_set(e, ERR_USAGE, "keyspace %s has no shard '%s'", rq->keyspace, name);
    struct cdc_reader_options ro = {
        .heartbeat_ms = 1000, .state_dir = rq->state_dir, .refuse_bad_login = true};
    if (!cdc_on_statement_parse(rq->on_statement, &ro.on_statement, e))
        return false;
    s->reader = cdc_reader_new(r->topo, s->shard, &ro);
    if (!open_encoder(s, e) || !look_at_server(r, s->shard, e) || !find_start(s, e))
        return false;
    struct sink_tx_options o = {.database = s->shard->primary.database,
                                .tables = rq->tables,
                                .n_tables = rq->n_tables,
                                .transactions = rq->tx,
                                .until = &s->until,
                                .until_time = s->until_time,
                                .encoder = s->encoder,
                                .context = {.installation = r->topo->installation,
                                            .prefix = rq->prefix,
                                            .keyspace = s->shard->keyspace,
                                            .shard = s->shard->name,
                                            .version = SLUICE_VERSION},
                                .emit = emit,
                                .define = define,
                                .journal = on_journal,
                                .ctx = s};
    const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    CLEANUP(mem_free_ptr)
    char *spill = mem_printf("%s/sluice-%u", tmp, (unsigned)getuid());
    o.spill_dir = spill;
    s->tx = sink_tx_new(&o, &s->start);
    s->last_change_ms = clock_mono_ms();
    return true;
}

static void shard_close(struct shard_stream *s)
{
    cdc_stream_close(s->stream);
    cdc_reader_free(s->reader);
    sink_tx_free(s->tx);
    if (s->encoder)
        s->encoder->ops->close(s->encoder);
    position_fini(&s->start);
    position_fini(&s->until);
    buf_fini(&s->out);
}

/* ---- the run ---- */

static bool all_done(const struct run *r)
{
    for (size_t i = 0; i < r->rq->n_shards; i++) {
        if (!__atomic_load_n(&r->shards[i].done, __ATOMIC_ACQUIRE))
            return false;
    }
    return true;
}

static bool all_idle(const struct run *r)
{
    int64_t now_ms = clock_mono_ms();
    for (size_t i = 0; i < r->rq->n_shards && r->rq->until_idle_ms > 0; i++) {
        bool at_end = __atomic_load_n(&r->shards[i].at_end, __ATOMIC_ACQUIRE);
        int64_t last_ms = __atomic_load_n(&r->shards[i].last_change_ms, __ATOMIC_RELAXED);
        bool done = __atomic_load_n(&r->shards[i].done, __ATOMIC_ACQUIRE);
        if (!done && (!at_end || now_ms - last_ms < r->rq->until_idle_ms))
            return false;
    }
    return r->rq->until_idle_ms > 0;
}

/* Until a shard's thread ends, a signal comes, or it is time to look for idleness. */
static void wait_a_little(struct run *r)
{
    struct timespec until = clock_mono_after_ms(LOOK_MS);
    (void)sem_clockwait(&r->ended, CLOCK_MONOTONIC, &until);
}

static bool start_all(struct run *r, struct err *e)
{
    for (size_t i = 0; i < r->rq->n_shards; i++) {
        struct shard_stream *s = &r->shards[i];
        int rc = pthread_create(&s->thread, NULL, shard_main, s);
        if (rc != 0)
            return err_set_native(e, ERR_LIMIT, ERR_CLASS_FATAL, rc, "no thread for a shard: %s",
                                  strerror(rc));
        s->started = true;
    }
    while (!all_done(r) && !stopping(r) && !all_idle(r))
        wait_a_little(r);
    return true;
}

static bool first_error(const struct run *r, struct err *e)
{
    for (size_t i = 0; i < r->rq->n_shards; i++) {
        if (r->shards[i].error.code != ERR_NONE)
            return err_copy(e, &r->shards[i].error);
    }
    return true;
}

static void print_line(const char *name, const struct vgtid *v)
{
    struct buf text = BUF_INIT;
    vgtid_print(v, &text);
    fprintf(stderr, "%s: %s\n", name, buf_str(&text));
    buf_fini(&text);
}

/* Where the stream goes on; and, where a move took tables away, where these do. */
static bool print_vgtid(const struct run *r, struct err *e)
{
    CLEANUP(vgtid_fini) struct vgtid v = {0};
    CLEANUP(vgtid_fini) struct vgtid moved = {0};
    int done = handover_complete(&r->handover);
    const struct position **at = mem_calloc(r->rq->n_shards + 1, sizeof *at);
    for (size_t i = 0; i < r->rq->n_shards; i++)
        at[i] = sink_tx_position(r->shards[i].tx);
    bool ok = handover_vgtid(&r->handover, done, at, &v, e) &&
              (done < 0 || handover_moved(&r->handover, done, &moved, e));
    free(at);
    if (ok)
        print_line("vgtid", &v);
    if (ok && moved.n > 0)
        print_line("moved", &moved);
    return ok && (done < 0 || handover_error(&r->handover, done, e));
}

/* The time of waiting for idleness at the end is not counted. */
static void print_stats(const struct run *r, int64_t began_ms)
{
    struct sink_tx_stats sum = {0};
    int64_t last_ms = began_ms;
    for (size_t i = 0; i < r->rq->n_shards; i++) {
        const struct sink_tx_stats *s = sink_tx_stats(r->shards[i].tx);
        sum.rows += s->rows;
        sum.transactions += s->transactions;
        sum.bytes += s->bytes;
        last_ms = r->shards[i].last_change_ms > last_ms ? r->shards[i].last_change_ms : last_ms;
    }
    double seconds = last_ms > began_ms ? (double)(last_ms - began_ms) / 1000 : 0.001;
    fprintf(stderr,
            "stats: rows=%llu transactions=%llu bytes=%llu seconds=%.3f rows_per_second=%.0f\n",
            (unsigned long long)sum.rows, (unsigned long long)sum.transactions,
            (unsigned long long)sum.bytes, seconds, (double)sum.rows / seconds);
}

static void catch_signals(void)
{
    struct sigaction on = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
    signalled = 0;
    sigaction(SIGINT, &on, NULL);
    sigaction(SIGTERM, &on, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

bool cmd_stream_run(struct topology *topo, const struct stream_request *rq, struct err *e)
{
    struct run r = {.rq = rq, .topo = topo};
    bool ok = true;
    catch_signals();
    if (strcmp(rq->format, "raw") == 0)
        return stream_raw(topo, rq, e);
    pthread_mutex_init(&r.out_lock, NULL);
    sem_init(&r.ended, 0, 0);
    r.shards = mem_calloc(rq->n_shards ? rq->n_shards : 1, sizeof *r.shards);
    handover_init(&r.handover, rq->keyspace, rq->shards, rq->n_shards, rq->tables, rq->n_tables);
    for (size_t i = 0; i < rq->n_shards && ok; i++)
        ok = prepare(&r, &r.shards[i], rq->shards[i], e);
    int64_t began_ms = clock_mono_ms();
    bool ran = ok;
    ok = ok && start_all(&r, e);
    __atomic_store_n(&r.stop, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < rq->n_shards; i++) {
        if (r.shards[i].started)
            pthread_join(r.shards[i].thread, NULL);
    }
    ok = ok && first_error(&r, e);
    struct err handed = ERR_INIT;
    if (ran && !print_vgtid(&r, &handed) && ok)
        ok = err_copy(e, &handed);
    if (ran && rq->stats)
        print_stats(&r, began_ms);
    for (size_t i = 0; i < rq->n_shards; i++)
        shard_close(&r.shards[i]);
    free(r.shards);
    handover_fini(&r.handover);
    sem_destroy(&r.ended);
    pthread_mutex_destroy(&r.out_lock);
    return ok && (!signalled || err_set(e, ERR_SHUTDOWN, "interrupted"));
}
