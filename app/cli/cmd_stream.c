/* app/cli/cmd_stream.c — prints a keyspace's change stream (cdc/vstream/vstream.h) on standard
 * output.
 *
 * One thread a lane reads and encodes; records are written under one lock, whole lines at a time.
 * The threads of the lanes that a reshard adds are started by the main thread, which also looks for
 * the end: SIGINT or SIGTERM, every lane idle for until_idle_ms, every lane at its entry of the
 * until VGTID, or a switch of traffic that the stream cannot follow. The VGTID on stderr at the end
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
#include "cdc/vstream/vstream.h"
#include "schemas/inspect.h"
#include "sinks/sink_tx.h"
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

struct shard_stream { /* one lane */
    struct run *run;
    const struct topo_shard *shard;
    struct vstream_shard *lane;
    struct sink_tx *tx;
    struct encoder *encoder;
    struct buf out;
    struct position start; /* of a lane that the stream began with */
    pthread_t thread;
    bool started, done;
    bool at_end;            /* atomic: the log has nothing more */
    bool content;           /* changes came since the last look at the clock */
    bool inside;            /* a transaction was encoded in part */
    int64_t last_change_ms; /* monotonic; of the last changes */
    struct err error;
};
struct shard_reader {
    const struct topo_shard *shard;
    struct cdc_reader *reader;
};
struct run {
    const struct stream_request *rq;
    struct topology *topo;
    struct vstream *vstream;
    char *spill_dir;
    struct vgtid until;
    uint32_t until_time;
    struct shard_stream **shards; /* by the lane's number; the main thread's */
    size_t n, cap;
    struct shard_reader *readers; /* under readers_lock */
    size_t n_readers, readers_cap;
    pthread_mutex_t readers_lock, out_lock;
    sem_t ended; /* posted by each lane's thread at its end */
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

static bool write_out(struct shard_stream *s, struct err *e)
{
    return write_with(s, NULL, 0, e);
}

static bool define(void *ctx, const struct cdc_change *begin, const struct schema_table *table,
                   const struct schema_table **out, struct err *e)
{
    const struct shard_stream *s = ctx;
    return cdc_stream_definition(vstream_stream(s->lane), begin, table, out, e);
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

static bool take_part(struct shard_stream *s, const struct committed_part *part, struct err *e)
{
    bool clean;
    s->content = true;
    __atomic_store_n(&s->at_end, false, __ATOMIC_RELEASE);
    s->inside = s->encoder && !part->ends;
    sink_tx_fold_names(s->tx, vstream_folds_names(s->lane));
    if (!sink_tx_part(s->tx, part, vstream_position(s->lane), &clean, e))
        return false;
    vstream_taken(s->lane);
    return true;
}

/* Everything that was read is encoded. */
static bool take_rest(struct shard_stream *s, struct err *e)
{
    if (s->content)
        __atomic_store_n(&s->last_change_ms, clock_mono_ms(), __ATOMIC_RELAXED);
    s->content = false;
    return write_out(s, e);
}

/* Nothing came. The end of the log is one reason, no connection is another: who waits for idleness
 * is told of that. */
static bool note_rest(struct shard_stream *s, struct err *e)
{
    int64_t idle_ms = s->run->rq->until_idle_ms;
    struct vstream_state state = vstream_state(s->lane);
    __atomic_store_n(&s->at_end, state.rest == CDC_REST_IDLE, __ATOMIC_RELEASE);
    if (state.rest != CDC_REST_CUT || idle_ms == 0 || clock_mono_ms() - s->last_change_ms < idle_ms)
        return true;
    (void)cdc_stream_rest(vstream_stream(s->lane), e);
    return false;
}

static bool step(struct shard_stream *s, bool *ended, struct err *e)
{
    struct committed_part part;
    switch (vstream_pull(s->lane, &part, PULL_MS, e)) {
    case VSTREAM_PART:
        return take_part(s, &part, e) && (!part.copied || take_rest(s, e));
    case VSTREAM_COPIED:
    case VSTREAM_TAKEN:
        return take_rest(s, e);
    case VSTREAM_REST:
        return note_rest(s, e);
    case VSTREAM_ENDED:
        *ended = true;
        return true;
    case VSTREAM_FAIL:
        break;
    }
    return false;
}

/* A transaction is written whole even when asked to stop. What was encoded before an error is
 * written, too: the VGTID stands behind it. */
static bool follow(struct shard_stream *s, struct err *e)
{
    struct err unwritten = ERR_INIT;
    bool ended = false, ok = true;
    while (ok && !ended && (s->inside || !stopping(s->run)))
        ok = step(s, &ended, e);
    if (take_rest(s, &unwritten))
        return ok;
    return ok ? err_copy(e, &unwritten) : false;
}

static void *shard_main(void *arg)
{
    struct shard_stream *s = arg;
    bool ok = vstream_begin(s->lane, &s->start, &s->error) && follow(s, &s->error);
    if (!ok) {
        if (s->error.code != ERR_SRC_HANDOVER)
            err_prepend(&s->error, "%s/%s", s->shard->keyspace, s->shard->name);
        __atomic_store_n(&s->run->stop, 1, __ATOMIC_RELAXED);
    }
    __atomic_store_n(&s->done, true, __ATOMIC_RELEASE);
    sem_post(&s->run->ended);
    return NULL;
}

/* ---- readers ---- */

static bool make_reader(struct run *r, const struct topo_shard *shard, struct cdc_reader **out,
                        struct err *e)
{
    struct cdc_reader_options ro = {
        .heartbeat_ms = 1000, .state_dir = r->rq->state_dir, .refuse_bad_login = true};
    if (!cdc_on_statement_parse(r->rq->on_statement, &ro.on_statement, e))
        return false;
    *out = cdc_reader_new(r->topo, shard, &ro);
    mem_grow((void **)&r->readers, &r->readers_cap, r->n_readers + 1, sizeof *r->readers);
    r->readers[r->n_readers++] = (struct shard_reader){shard, *out};
    return true;
}

static struct cdc_reader *reader_of(void *ctx, const struct topo_shard *shard, struct err *e)
{
    struct run *r = ctx;
    struct cdc_reader *reader = NULL;
    pthread_mutex_lock(&r->readers_lock);
    for (size_t i = 0; i < r->n_readers && !reader; i++) {
        if (r->readers[i].shard == shard)
            reader = r->readers[i].reader;
    }
    if (!reader)
        (void)make_reader(r, shard, &reader, e);
    pthread_mutex_unlock(&r->readers_lock);
    return reader;
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
    struct position until CLEANUP(position_fini) = POSITION_INIT;
    uint32_t seconds = 0;
    bool named;
    if (!stream_until(rq, s->shard, &until, &seconds, e))
        return false;
    struct cdc_reader *reader = reader_of(s->run, s->shard, e);
    if (!reader || rq->copy)
        return reader != NULL;
    if (!cdc_reader_from(reader, rq->from, &s->start, &named, e))
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

static bool open_tx(struct shard_stream *s, struct err *e)
{
    const struct run *r = s->run;
    if (!open_encoder(s, e))
        return false;
    struct sink_tx_options o = {.database = s->shard->primary.database,
                                .tables = r->rq->tables,
                                .n_tables = r->rq->n_tables,
                                .transactions = r->rq->tx,
                                .encoder = s->encoder,
                                .context = {.installation = r->topo->installation,
                                            .prefix = r->rq->prefix,
                                            .keyspace = s->shard->keyspace,
                                            .shard = s->shard->name,
                                            .version = SLUICE_VERSION},
                                .emit = emit,
                                .define = define,
                                .ctx = s};
    s->tx = sink_tx_new(&o);
    s->last_change_ms = clock_mono_ms();
    return true;
}

/* The next lane's; it is run's even after a failure. */
static bool add_shard(struct run *r, struct err *e)
{
    struct shard_stream *s = mem_alloc(sizeof *s);
    mem_grow((void **)&r->shards, &r->cap, r->n + 1, sizeof(struct shard_stream *));
    s->run = r;
    s->lane = vstream_shard(r->vstream, r->n);
    s->shard = vstream_shard_is(s->lane);
    r->shards[r->n++] = s;
    return open_tx(s, e) &&
           (vstream_is_child(s->lane) || (look_at_server(r, s->shard, e) && find_start(s, e)));
}

static void shard_close(struct shard_stream *s)
{
    sink_tx_free(s->tx);
    if (s->encoder)
        s->encoder->ops->close(s->encoder);
    position_fini(&s->start);
    buf_fini(&s->out);
    free(s);
}

/* ---- the run ---- */

static bool all_done(const struct run *r)
{
    for (size_t i = 0; i < r->n; i++) {
        if (!__atomic_load_n(&r->shards[i]->done, __ATOMIC_ACQUIRE))
            return false;
    }
    return vstream_count(r->vstream) == r->n; /* a lane that ended may have added others */
}

static bool all_idle(const struct run *r)
{
    int64_t now_ms = clock_mono_ms();
    for (size_t i = 0; i < r->n && r->rq->until_idle_ms > 0; i++) {
        const struct shard_stream *s = r->shards[i];
        bool at_end = __atomic_load_n(&s->at_end, __ATOMIC_ACQUIRE);
        int64_t last_ms = __atomic_load_n(&s->last_change_ms, __ATOMIC_RELAXED);
        bool done = __atomic_load_n(&s->done, __ATOMIC_ACQUIRE);
        if (!done && (!at_end || now_ms - last_ms < r->rq->until_idle_ms))
            return false;
    }
    return r->rq->until_idle_ms > 0 && vstream_count(r->vstream) == r->n;
}

/* Until a lane's thread ends, a signal comes, or it is time to look for idleness. */
static void wait_a_little(struct run *r)
{
    struct timespec until = clock_mono_after_ms(LOOK_MS);
    (void)sem_clockwait(&r->ended, CLOCK_MONOTONIC, &until);
}

static bool start_thread(struct shard_stream *s, struct err *e)
{
    int rc = pthread_create(&s->thread, NULL, shard_main, s);
    s->started = rc == 0;
    return s->started || err_set_native(e, ERR_LIMIT, ERR_CLASS_FATAL, rc,
                                        "no thread for a shard: %s", strerror(rc));
}

static bool start_children(struct run *r, struct err *e)
{
    while (r->n < vstream_count(r->vstream)) {
        if (!add_shard(r, e) || !start_thread(r->shards[r->n - 1], e))
            return false;
    }
    return true;
}

static bool run_all(struct run *r, struct err *e)
{
    bool ok = true;
    for (size_t i = 0; ok && i < r->n; i++)
        ok = start_thread(r->shards[i], e);
    while (ok && !all_done(r) && !stopping(r) && !all_idle(r)) {
        ok = start_children(r, e);
        wait_a_little(r);
    }
    return ok;
}

static bool first_error(const struct run *r, struct err *e)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->shards[i]->error.code != ERR_NONE)
            return err_copy(e, &r->shards[i]->error);
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
    if (!vstream_vgtid(r->vstream, &v, &moved, e))
        return false;
    print_line("vgtid", &v);
    if (moved.n > 0)
        print_line("moved", &moved);
    return true;
}

/* The time of waiting for idleness at the end is not counted. */
static void print_stats(const struct run *r, int64_t began_ms)
{
    struct sink_tx_stats sum = {0};
    int64_t last_ms = began_ms;
    for (size_t i = 0; i < r->n; i++) {
        const struct sink_tx_stats *s = sink_tx_stats(r->shards[i]->tx);
        int64_t change_ms = r->shards[i]->last_change_ms;
        sum.rows += s->rows;
        sum.transactions += s->transactions;
        sum.bytes += s->bytes;
        last_ms = change_ms > last_ms ? change_ms : last_ms;
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

static bool run_open(struct run *r, struct err *e)
{
    const struct stream_request *rq = r->rq;
    const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    bool by_vgtid = rq->until && !clock_parse_time(rq->until, &r->until_time);
    pthread_mutex_init(&r->out_lock, NULL);
    pthread_mutex_init(&r->readers_lock, NULL);
    sem_init(&r->ended, 0, 0);
    if (by_vgtid && !vgtid_parse(rq->until, &r->until, e))
        return false;
    r->spill_dir = mem_printf("%s/sluice-%u", tmp, (unsigned)getuid());
    struct vstream_options o = {.ks = topology_keyspace(r->topo, rq->keyspace),
                                .tables = rq->tables,
                                .n_tables = rq->n_tables,
                                .name = "stdout",
                                .queue_bytes = QUEUE_BYTES,
                                .spill_dir = r->spill_dir,
                                .at_once = rq->format && strcmp(rq->format, "none") == 0,
                                .copy = rq->copy,
                                .until = by_vgtid ? &r->until : NULL,
                                .until_time = r->until_time,
                                .reader = reader_of,
                                .ctx = r};
    r->vstream = vstream_open(&o, rq->shards, rq->n_shards);
    return true;
}

static void run_close(struct run *r)
{
    vstream_close(r->vstream);
    for (size_t i = 0; i < r->n; i++)
        shard_close(r->shards[i]);
    for (size_t i = 0; i < r->n_readers; i++)
        cdc_reader_free(r->readers[i].reader);
    free(r->shards);
    free(r->readers);
    free(r->spill_dir);
    vgtid_fini(&r->until);
    sem_destroy(&r->ended);
    pthread_mutex_destroy(&r->readers_lock);
    pthread_mutex_destroy(&r->out_lock);
}

static void stop_all(struct run *r)
{
    __atomic_store_n(&r->stop, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < r->n; i++) {
        if (r->shards[i]->started)
            pthread_join(r->shards[i]->thread, NULL);
    }
}

bool cmd_stream_run(struct topology *topo, const struct stream_request *rq, struct err *e)
{
    struct run r = {.rq = rq, .topo = topo};
    catch_signals();
    if (strcmp(rq->format, "raw") == 0)
        return stream_raw(topo, rq, e);
    bool ok = run_open(&r, e);
    while (ok && r.n < rq->n_shards)
        ok = add_shard(&r, e);
    int64_t began_ms = clock_mono_ms();
    bool ran = ok;
    ok = ok && run_all(&r, e);
    stop_all(&r);
    ok = ok && first_error(&r, e);
    struct err unusable = ERR_INIT;
    if (ran && !print_vgtid(&r, &unusable) && ok)
        ok = err_copy(e, &unusable);
    if (ran && rq->stats)
        print_stats(&r, began_ms);
    run_close(&r);
    return ok && (!signalled || err_set(e, ERR_SHUTDOWN, "interrupted"));
}
