/* app/cmd_stream.c — `sluice stream`: one thread a shard pulls, encodes and writes whole
 * transactions.
 *
 * With --copy each shard first notes its position A, then reads the tables through a view that is
 * proven to be at or after A, and prints their rows as `r`; the changes from A follow. So the last
 * record of a key is its state, and a change between A and the view appears a second time, after
 * the row that contains it.
 */
#include "app/cmd_stream.h"

#include "app/stream_out.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cdc/copy_read.h"
#include "cdc/journal.h"
#include "cdc/reader.h"
#include "schemas/inspect.h"
#include "sinks/encode.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COPY_CHUNK_BYTES ((size_t)1024 * 1024)
#define COPY_PROOF_MS    30000

struct shard_run {
    struct stream_job *job;
    const struct topo_shard *shard;
    struct cdc_reader *reader;
    struct cdc_stream *stream;
    struct position pos;
    struct cdc_change begin; /* of the open transaction */
    struct stream_out out;
    struct encoder *encoder; /* NULL: format none */
    struct encode_context context;
    struct cdc_row *before, *after;
    uint64_t rows, bytes, transactions,
        sum; /* sum: keeps the typed values from being optimised away */
    bool started, ok;
    struct err e;
    pthread_t thread;
};

struct stream_job {
    struct topology *topo;
    const struct stream_request *rq;
    struct shard_run *shards;
    struct vgtid until, from;
    volatile int failed;
};

static volatile sig_atomic_t stop_signal;

static void on_signal(int number)
{
    stop_signal = number;
}

static bool table_wanted(const struct shard_run *s, const struct schema_table *t)
{
    const struct stream_request *rq = s->job->rq;
    if (cdc_is_sidecar(t))
        return false;
    for (size_t i = 0; i < rq->n_tables; i++)
        if (strcmp(rq->tables[i], t->name) == 0)
            return true;
    return rq->n_tables == 0;
}

static bool emit(void *ctx, const struct schema_table *table, const void *key, size_t key_len,
                 const void *value, size_t value_len, struct err *e)
{
    struct shard_run *s = ctx;
    (void)table;
    (void)key;
    (void)key_len;
    return value == NULL ||
           (stream_out_put(&s->out, value, value_len, e) && stream_out_put(&s->out, "\n", 1, e));
}

/* Format none: every value is brought into its type, nothing is printed. */
static void touch_value(struct shard_run *s, const struct cdc_value *v)
{
    struct cdc_datetime d;
    if (v->absent || v->null)
        return;
    switch ((enum schema_type)v->column->type) {
    case SCHEMA_TYPE_TINY:
    case SCHEMA_TYPE_SHORT:
    case SCHEMA_TYPE_INT24:
    case SCHEMA_TYPE_LONG:
    case SCHEMA_TYPE_LONGLONG:
        s->sum += cdc_value_is_unsigned(v) ? cdc_value_u64(v) : (uint64_t)cdc_value_i64(v);
        break;
    case SCHEMA_TYPE_YEAR:
        s->sum += (uint64_t)cdc_value_i64(v);
        break;
    case SCHEMA_TYPE_BIT:
    case SCHEMA_TYPE_ENUM:
    case SCHEMA_TYPE_SET:
        s->sum += cdc_value_u64(v);
        break;
    case SCHEMA_TYPE_FLOAT:
        s->sum += cdc_value_float(v) > 0;
        break;
    case SCHEMA_TYPE_DOUBLE:
        s->sum += cdc_value_double(v) > 0;
        break;
    case SCHEMA_TYPE_DATE:
    case SCHEMA_TYPE_NEWDATE:
    case SCHEMA_TYPE_TIME:
    case SCHEMA_TYPE_TIME2:
    case SCHEMA_TYPE_DATETIME:
    case SCHEMA_TYPE_DATETIME2:
    case SCHEMA_TYPE_TIMESTAMP:
    case SCHEMA_TYPE_TIMESTAMP2:
        s->sum += cdc_value_datetime(v, &d) ? d.second : 0;
        break;
    case SCHEMA_TYPE_DECIMAL:
    case SCHEMA_TYPE_NULL:
    case SCHEMA_TYPE_VARCHAR:
    case SCHEMA_TYPE_TYPED_ARRAY:
    case SCHEMA_TYPE_BLOB_COMPRESSED:
    case SCHEMA_TYPE_VARCHAR_COMPRESSED:
    case SCHEMA_TYPE_VECTOR:
    case SCHEMA_TYPE_JSON:
    case SCHEMA_TYPE_NEWDECIMAL:
    case SCHEMA_TYPE_BLOB:
    case SCHEMA_TYPE_VAR_STRING:
    case SCHEMA_TYPE_STRING:
    case SCHEMA_TYPE_GEOMETRY:
        s->sum += v->n;
        break;
    }
}

static bool give_row(struct shard_run *s, const struct cdc_change *c, uint32_t seq, struct err *e)
{
    s->rows++;
    if (s->encoder != NULL)
        return s->encoder->ops->row(s->encoder, &s->context, c, s->before, s->after, seq, emit, s,
                                    e);
    for (size_t i = 0; c->rows.op != CDC_OP_INSERT && i < c->rows.n_columns; i++)
        touch_value(s, &s->before->values[i]);
    for (size_t i = 0; c->rows.op != CDC_OP_DELETE && i < c->rows.n_columns; i++)
        touch_value(s, &s->after->values[i]);
    return true;
}

static bool give_rows(struct shard_run *s, const struct cdc_change *c, struct err *e)
{
    struct cdc_rows_iter it;
    if (!table_wanted(s, c->rows.table))
        return true;
    if (s->before == NULL || s->before->n_columns < c->rows.n_columns) {
        cdc_row_free(s->before);
        cdc_row_free(s->after);
        s->before = cdc_row_new(c->rows.n_columns);
        s->after = cdc_row_new(c->rows.n_columns);
    }
    cdc_rows_begin(&it, &c->rows);
    for (;;) {
        enum cdc_rows_result r = cdc_rows_next(&it, s->before, s->after, e);
        if (r != CDC_ROWS_ROW)
            return r == CDC_ROWS_END;
        if (!give_row(s, c, c->rows.first_seq + it.row, e))
            return false;
    }
}

static bool give_other(struct shard_run *s, const struct cdc_change *c, struct err *e)
{
    bool frame = c->kind == CDC_BEGIN || c->kind == CDC_COMMIT;
    return s->encoder == NULL || (frame && !s->job->rq->tx) ||
           s->encoder->ops->other(s->encoder, &s->context, c, emit, s, e);
}

static bool give_change(struct shard_run *s, const struct cdc_change *c, struct err *e)
{
    switch (c->kind) {
    case CDC_BEGIN:
        s->begin = *c;
        return give_other(s, c, e);
    case CDC_ROWS:
        return give_rows(s, c, e);
    case CDC_DDL:
        return give_other(s, c, e);
    case CDC_COMMIT:
        s->transactions++;
        return give_other(s, c, e);
    case CDC_ROLLBACK:
        stream_out_drop(&s->out);
        return true;
    case CDC_GAP:
        return err_set(e, ERR_LOG_UNSUPPORTED, "%s: event type %u: %s", c->file, c->gap.event_type,
                       c->gap.why);
    case CDC_HEARTBEAT:
    case CDC_JOURNAL:
    case CDC_COPY_ROWS:
    case CDC_COPY_DONE:
        break;
    }
    return true;
}

static bool reached(struct shard_run *s)
{
    const struct position *end = vgtid_get(&s->job->until, s->shard->keyspace, s->shard->name);
    return end != NULL && position_at_or_after(&s->pos, end);
}

/* One batch; whole transactions leave at its end. *end: --until is reached. */
static bool give_batch(struct shard_run *s, const struct cdc_batch *b, bool *end, struct err *e)
{
    s->bytes += b->bytes;
    s->context.now_us = clock_wall_us();
    s->context.now_ms = s->context.now_us / 1000;
    s->context.now_ns = s->context.now_us * 1000;
    for (size_t i = 0; i < b->n_changes && !*end; i++) {
        const struct cdc_change *c = &b->changes[i];
        s->context.begin = s->begin.kind == CDC_BEGIN ? &s->begin : NULL;
        if (!c->skippable && !give_change(s, c, e))
            return false;
        cdc_position_advance(&s->pos, c);
        if (c->kind == CDC_COMMIT && !stream_out_put(&s->out, "", 0, e))
            return false;
        if (c->kind == CDC_COMMIT &&
            (i + 1 == b->n_changes || b->ends_in_tx || s->job->until.n > 0) &&
            !stream_out_release(&s->out, e))
            return false;
        *end = c->kind == CDC_COMMIT && reached(s);
    }
    s->begin.begin.query = NULL; /* lived in the batch */
    s->begin.file = NULL;
    return b->ends_in_tx || stream_out_release(&s->out, e);
}

static bool stopping(const struct shard_run *s)
{
    return stop_signal != 0 || s->job->failed != 0;
}

static bool follow(struct shard_run *s, struct err *e)
{
    int64_t quiet_since = clock_mono_ms();
    bool end = reached(s);
    while (!end && !stopping(s)) {
        struct cdc_batch *b = NULL;
        enum cdc_next r = cdc_stream_next(s->stream, &b, 100, e);
        int64_t now = clock_mono_ms();
        if (r == CDC_NEXT_FAIL)
            return false;
        if (r == CDC_NEXT_OK) {
            bool only_heartbeat = b->n_changes == 1 && b->changes[0].kind == CDC_HEARTBEAT;
            bool ok = give_batch(s, b, &end, e);
            cdc_batch_unref(b);
            cdc_stream_ack(s->stream, &s->pos);
            if (!ok)
                return false;
            quiet_since = only_heartbeat ? quiet_since : now;
        }
        end = end ||
              (s->job->rq->until_idle_ms > 0 && now - quiet_since >= s->job->rq->until_idle_ms);
    }
    return true;
}

/* ---- initial copy ---- */

/* A copied row is said to stand at the position from which its changes follow. The batch is ours
 * alone. */
static bool give_copied(struct shard_run *s, struct cdc_change *c, struct err *e)
{
    c->file = s->pos.file;
    c->log_pos = s->pos.pos;
    return c->kind != CDC_COPY_ROWS || give_rows(s, c, e);
}

static bool copy_rows(struct shard_run *s, struct copy_reader *r, const struct schema_table *t,
                      struct err *e)
{
    struct copy_range range = {{NULL}, {NULL}};
    bool end = false, ok = true;
    while (ok && !end && !stopping(s)) {
        struct cdc_batch *b = NULL;
        ok = copy_read_chunk(r, t, &range, NULL, COPY_CHUNK_BYTES, &b, &range.lower, &end, e);
        for (size_t i = 0; ok && b != NULL && i < b->n_changes; i++)
            ok = give_copied(s, &b->changes[i], e);
        ok = ok && stream_out_release(&s->out, e);
        cdc_batch_unref(b);
    }
    copy_range_fini(&range);
    return ok;
}

static bool copy_table(struct shard_run *s, struct copy_reader *r, const char *name, struct err *e)
{
    struct schema_table *t =
        schema_inspect(copy_reader_conn(r), s->shard->primary.database, name, e);
    bool ok = t != NULL && (!table_wanted(s, t) || copy_rows(s, r, t, e));
    if (t != NULL)
        schema_table_unref(t);
    return ok || err_prepend(e, "copy of %s", name);
}

static bool copy_tables(struct shard_run *s, struct copy_reader *r, struct err *e)
{
    char **names = NULL;
    size_t n = 0;
    if (!schema_list_tables(copy_reader_conn(r), s->shard->primary.database, &names, &n, e))
        return false;
    bool ok = copy_prove_visible(r, &s->pos, COPY_PROOF_MS, e);
    s->context.snapshot = true;
    s->context.begin = NULL;
    for (size_t i = 0; ok && i < n; i++)
        ok = copy_table(s, r, names[i], e);
    s->context.snapshot = false;
    schema_names_free(names, n);
    return ok;
}

/* ---- a shard's thread ---- */

static bool current_position(struct shard_run *s, struct err *e)
{
    struct my_conn *c = my_connect(&s->shard->primary, "stream", e);
    bool ok = c != NULL && my_current_position(c, &s->pos, e);
    s->context.mariadb = c != NULL && my_conn_server(c)->flavor == MY_FLAVOR_MARIADB;
    my_close(c);
    return ok;
}

static bool start_position(struct shard_run *s, struct err *e)
{
    const char *from = s->job->rq->from;
    if (!current_position(s, e))
        return false;
    if (strcmp(from, "beginning") == 0) {
        struct my_conn *c = my_connect(&s->shard->primary, "stream", e);
        char *file = NULL;
        bool ok = c != NULL && my_query_text(c, "SHOW BINARY LOGS", &file, e);
        position_fini(&s->pos);
        s->pos = (struct position)POSITION_INIT;
        if (ok && file != NULL)
            snprintf(s->pos.file, sizeof s->pos.file, "%s", file);
        s->pos.pos = 4;
        free(file);
        my_close(c);
        return ok;
    }
    const struct position *p = vgtid_get(&s->job->from, s->shard->keyspace, s->shard->name);
    if (p != NULL)
        position_copy(&s->pos, p);
    return true;
}

static bool run_shard(struct shard_run *s, struct err *e)
{
    struct cdc_stream_options o = {.name = "stream"};
    struct cdc_reader_options ro = {.ring_bytes = 0};
    if (!start_position(s, e))
        return false;
    s->reader = cdc_reader_new(s->job->topo, s->shard, &ro);
    if (s->job->rq->copy) {
        struct copy_reader *r = copy_reader_open(&s->shard->primary, e);
        bool ok = r != NULL && copy_tables(s, r, e);
        if (r != NULL)
            copy_reader_close(r);
        if (!ok)
            return false;
    }
    s->stream = cdc_reader_attach(s->reader, &s->pos, &o, e);
    return s->stream != NULL && follow(s, e);
}

static void *shard_thread(void *arg)
{
    struct shard_run *s = arg;
    s->ok = run_shard(s, &s->e);
    if (!s->ok)
        err_prepend(&s->e, "stream %s/%s", s->shard->keyspace, s->shard->name);
    if (!s->ok)
        s->job->failed = 1;
    return NULL;
}

static void shard_fini(struct shard_run *s)
{
    if (s->stream != NULL)
        cdc_stream_close(s->stream);
    if (s->reader != NULL)
        cdc_reader_free(s->reader);
    if (s->encoder != NULL)
        s->encoder->ops->close(s->encoder);
    cdc_row_free(s->before);
    cdc_row_free(s->after);
    stream_out_fini(&s->out);
    position_fini(&s->pos);
}

static bool open_shard(struct stream_job *job, struct shard_run *s, const char *name, struct err *e)
{
    const struct encoder_ops *ops =
        strcmp(job->rq->format, "none") == 0 ? NULL : encoder_find(job->rq->format);
    struct buf names = BUF_INIT;
    s->job = job;
    s->shard = topology_shard(job->topo, job->rq->keyspace, name);
    s->context = (struct encode_context){.installation = job->topo->installation,
                                         .prefix = job->rq->prefix,
                                         .keyspace = s->shard->keyspace,
                                         .shard = s->shard->name,
                                         .version = SLUICE_VERSION,
                                         .pos = &s->pos};
    if (ops == NULL && strcmp(job->rq->format, "none") != 0) {
        encoder_names(&names);
        err_set(e, ERR_USAGE, "there is no record format '%s'", job->rq->format);
        err_cure(e, "use one of %s, none", buf_str(&names));
        buf_fini(&names);
        return false;
    }
    s->encoder = ops != NULL ? ops->open("{}", e) : NULL;
    return ops == NULL || s->encoder != NULL;
}

static void print_vgtid(const struct stream_job *job)
{
    struct vgtid g = {0};
    struct buf text = BUF_INIT;
    for (size_t i = 0; i < job->rq->n_shards; i++)
        vgtid_set(&g, job->rq->keyspace, job->shards[i].shard->name, &job->shards[i].pos);
    vgtid_print(&g, &text);
    fprintf(stderr, "vgtid: %s\n", buf_str(&text));
    buf_fini(&text);
    vgtid_fini(&g);
}

static void print_stats(const struct stream_job *job, int64_t begun_us)
{
    uint64_t rows = 0, bytes = 0, transactions = 0;
    double seconds = (double)(clock_mono_us() - begun_us) / 1e6;
    for (size_t i = 0; i < job->rq->n_shards; i++) {
        rows += job->shards[i].rows;
        bytes += job->shards[i].bytes;
        transactions += job->shards[i].transactions;
    }
    fprintf(stderr,
            "stats: rows=%llu transactions=%llu bytes=%llu seconds=%.3f rows_per_second=%.0f\n",
            (unsigned long long)rows, (unsigned long long)transactions, (unsigned long long)bytes,
            seconds, (double)rows / (seconds > 0 ? seconds : 1));
}

static bool parse_places(struct stream_job *job, struct err *e)
{
    const char *from = job->rq->from;
    if (strcmp(from, "current") != 0 && strcmp(from, "beginning") != 0 &&
        !vgtid_parse(from, &job->from, e))
        return err_prepend(e, "--from");
    return job->rq->until == NULL || vgtid_parse(job->rq->until, &job->until, e) ||
           err_prepend(e, "--until");
}

static bool run_all(struct stream_job *job, struct err *e)
{
    bool ok = parse_places(job, e);
    for (size_t i = 0; ok && i < job->rq->n_shards; i++)
        ok = open_shard(job, &job->shards[i], job->rq->shards[i], e);
    for (size_t i = 0; ok && i < job->rq->n_shards; i++) {
        ok = pthread_create(&job->shards[i].thread, NULL, shard_thread, &job->shards[i]) == 0 ||
             err_set(e, ERR_LIMIT, "no further thread can be started");
        job->shards[i].started = ok;
    }
    if (!ok)
        job->failed = 1;
    for (size_t i = 0; i < job->rq->n_shards; i++) {
        if (!job->shards[i].started)
            continue;
        pthread_join(job->shards[i].thread, NULL);
        if (ok && !job->shards[i].ok)
            ok = err_copy(e, &job->shards[i].e);
    }
    return ok;
}

bool cmd_stream_run(struct topology *topo, const struct stream_request *rq, struct err *e)
{
    struct stream_job job = {.topo = topo, .rq = rq};
    struct sigaction act = {.sa_handler = on_signal};
    int64_t begun_us = clock_mono_us();
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    job.shards = mem_calloc(rq->n_shards + 1, sizeof *job.shards);
    bool ok = run_all(&job, e);
    if (job.shards[0].shard != NULL && job.shards[rq->n_shards - 1].shard != NULL)
        print_vgtid(&job);
    if (rq->stats)
        print_stats(&job, begun_us);
    for (size_t i = 0; i < rq->n_shards; i++)
        shard_fini(&job.shards[i]);
    free(job.shards);
    vgtid_fini(&job.from);
    vgtid_fini(&job.until);
    if (ok && stop_signal != 0)
        return err_set(e, ERR_SHUTDOWN, "interrupted");
    return ok;
}
