/* vrepl/diff/vdiff.c — the comparison of a workflow's tables, range by range.
 *
 * A range's checksum is computed in the servers, on both sides at once. Equal sums are equal rows
 * (vdiff_sql.c says with which certainty); the rest is vdiff_rows.c's. With several target shards
 * the sums add up, which cannot see a row on the wrong shard; vdiff_check_placement does. An error
 * anywhere ends the comparison with that error, never with a result.
 */
#include "vrepl/diff/vdiff_internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/sys.h"
#include "cdc/sidecar/incarnation.h"
#include "schemas/inspect.h"
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VDIFF_RANGE_ROWS 20000
#define VDIFF_RANGES_MAX 20000

bool vdiff_wait_common(struct vdiff_run *d, struct err *e)
{
    for (size_t i = 0; i < d->rq->n_sources; i++) {
        struct position pos = POSITION_INIT;
        struct my_conn *c = my_connect(&d->rq->sources[i]->primary, "vdiff", e);
        bool ok = c != NULL && my_current_position(c, &pos, e);
        my_close(c);
        if (ok && d->rq->streams != NULL && d->rq->streams[i] != NULL)
            ok = vrepl_stream_wait(d->rq->streams[i], &pos, d->rq->wait_ms, e);
        position_fini(&pos);
        if (!ok)
            return err_prepend(e, "vdiff of %s: waiting for a common position", d->t->target_table);
    }
    return true;
}

static bool open_end(struct vdiff_end *x, const struct topo_shard *shard, const char *table,
                     struct err *e)
{
    x->shard = shard;
    x->reader = copy_reader_open(&shard->primary, e);
    if (x->reader != NULL)
        x->table = schema_inspect(copy_reader_conn(x->reader), shard->primary.database, table, e);
    return x->table != NULL ||
           err_prepend(e, "vdiff of %s on %s/%s", table, shard->keyspace, shard->name);
}

static void close_end(struct vdiff_end *x)
{
    if (x->reader != NULL)
        copy_reader_close(x->reader);
    if (x->table != NULL)
        schema_table_unref(x->table);
    free(x->from);
    free(x->checksum);
    free(x->key_hash);
    free(x->row);
}

static bool open_ends(struct vdiff_run *d, struct err *e)
{
    d->sources = mem_calloc(d->rq->n_sources, sizeof *d->sources);
    d->targets = mem_calloc(d->rq->n_targets, sizeof *d->targets);
    d->counts = mem_calloc(d->rq->n_targets, sizeof *d->counts);
    for (size_t i = 0; i < d->rq->n_sources; i++)
        if (!open_end(&d->sources[i], d->rq->sources[i], d->t->source_table, e))
            return false;
    for (size_t i = 0; i < d->rq->n_targets; i++)
        if (!open_end(&d->targets[i], d->rq->targets[i], d->t->target_table, e))
            return false;
    return true;
}

static void run_fini(struct vdiff_run *d)
{
    for (size_t i = 0; d->sources != NULL && i < d->rq->n_sources; i++)
        close_end(&d->sources[i]);
    for (size_t i = 0; d->targets != NULL && i < d->rq->n_targets; i++)
        close_end(&d->targets[i]);
    for (size_t i = 0; d->counts != NULL && i < d->rq->n_targets; i++) {
        buf_fini(&d->counts[i].mismatched_sample);
        buf_fini(&d->counts[i].extra_source_sample);
        buf_fini(&d->counts[i].extra_target_sample);
    }
    vdiff_plan_fini(d);
    free(d->sources);
    free(d->targets);
    free(d->counts);
}

/* ---- checksums ---- */

static bool parse_total(const char *text, vdiff_total *out)
{
    *out = 0;
    if (text == NULL || *text == '\0')
        return false;
    for (; *text >= '0' && *text <= '9'; text++)
        *out = *out * 10 + (unsigned)(*text - '0');
    return *text == '\0';
}

/* What a row without a hash adds: 10^30 (vdiff_sql.c). */
static vdiff_total no_hash(void)
{
    vdiff_total v = 1;
    for (int i = 0; i < 30; i++)
        v *= 10;
    return v;
}

static bool read_sum(struct vdiff_end *x, const char *where, struct vdiff_sum *out, struct err *e)
{
    struct my_cell cells[2];
    char *sql = mem_printf("SELECT %s FROM %s%s", x->checksum, x->from, where);
    struct my_result *r = my_query(copy_reader_conn(x->reader), sql, e);
    bool ok = r != NULL && my_result_next(r, cells, e) == MY_ROW;
    if (ok && (!sys_parse_u64(cells[0].p, &out->n) || !parse_total(cells[1].p, &out->total)))
        ok = err_set(e, ERR_INTERNAL, "the checksum of %s is no number", x->from);
    if (ok && out->total >= no_hash())
        ok = err_set(e, ERR_LIMIT,
                     "%s: a row's text is longer than max_allowed_packet, it cannot be compared",
                     x->from);
    my_result_free(r);
    free(sql);
    return ok;
}

/* All ends of one side, on a thread of its own while the other side is asked, too. */
struct side_job {
    struct vdiff_end *ends;
    size_t n;
    const char *where;
    struct vdiff_sum *sums;
    bool ok;
    struct err e;
};

static void *run_side(void *arg)
{
    struct side_job *j = arg;
    j->ok = true;
    for (size_t i = 0; j->ok && i < j->n; i++)
        j->ok = read_sum(&j->ends[i], j->where, &j->sums[i], &j->e);
    return NULL;
}

static struct vdiff_sum add_up(const struct vdiff_sum *sums, size_t n)
{
    struct vdiff_sum t = {0, 0};
    for (size_t i = 0; i < n; i++) {
        t.n += sums[i].n;
        t.total += sums[i].total;
    }
    return t;
}

static bool equal(const struct vdiff_sum *a, const struct vdiff_sum *b)
{
    return a->n == b->n && a->total == b->total;
}

static bool sums_agree(const struct vdiff_run *d, const struct vdiff_sum *source,
                       const struct vdiff_sum *target)
{
    struct vdiff_sum s = add_up(source, d->rq->n_sources), t = add_up(target, d->rq->n_targets);
    if (d->t->vindex != NULL)
        return equal(&s, &t);
    for (size_t i = 0; i < d->rq->n_targets; i++)
        if (!equal(&s, &target[i]))
            return false;
    return true;
}

static bool read_sums(struct vdiff_run *d, const char *where, struct vdiff_sum *source,
                      struct vdiff_sum *target, struct err *e)
{
    struct side_job s = {d->sources, d->rq->n_sources, where, source, false, ERR_INIT};
    struct side_job t = {d->targets, d->rq->n_targets, where, target, false, ERR_INIT};
    pthread_t thread;
    bool threaded = pthread_create(&thread, NULL, run_side, &s) == 0;
    run_side(&t);
    if (threaded)
        pthread_join(thread, NULL);
    else
        run_side(&s);
    return (s.ok || err_copy(e, &s.e)) && (t.ok || err_copy(e, &t.e));
}

static bool compare_range(struct vdiff_run *d, const struct copy_range *range, struct err *e)
{
    struct vdiff_sum *source = mem_calloc(d->rq->n_sources, sizeof *source),
                     *target = mem_calloc(d->rq->n_targets, sizeof *target);
    struct buf where = BUF_INIT;
    bool ok = d->n_key == 0 ||
              copy_range_where(d->sources[0].reader, d->sources[0].table, range, NULL, &where, e);
    ok = ok && read_sums(d, buf_str(&where), source, target, e);
    if (ok && sums_agree(d, source, target)) {
        for (size_t i = 0; i < d->rq->n_targets; i++)
            d->counts[i].processed += target[i].n;
    } else if (ok) {
        ok = vdiff_compare_rows(d, range, e);
    }
    buf_fini(&where);
    free(source);
    free(target);
    return ok;
}

/* ---- one table ---- */

static void show_progress(const struct vdiff_run *d)
{
    struct buf line = BUF_INIT;
    if (d->rq->progress == NULL)
        return;
    buf_put_str(&line, "{\"phase\":\"vdiff\",\"table\":\"");
    buf_put_json_escaped(&line, d->t->target_table, strlen(d->t->target_table));
    buf_printf(&line, "\",\"ranges_done\":%llu,\"ranges\":%llu}",
               (unsigned long long)d->ranges_done, (unsigned long long)d->ranges);
    d->rq->progress(d->rq->progress_ctx, buf_str(&line));
    buf_fini(&line);
}

static bool split(struct vdiff_run *d, struct copy_range **ranges, size_t *n, struct err *e)
{
    uint64_t rows = 0;
    if (d->n_key == 0) {
        *ranges = mem_calloc(1, sizeof **ranges);
        *n = 1;
        return true;
    }
    for (size_t i = 0; i < d->rq->n_sources; i++)
        rows += d->sources[i].table->rows_estimate;
    uint64_t wanted = rows / VDIFF_RANGE_ROWS + 1;
    return copy_split(d->sources[0].reader, d->sources[0].table,
                      wanted < VDIFF_RANGES_MAX ? (unsigned)wanted : VDIFF_RANGES_MAX, ranges, n,
                      e);
}

static bool compare_ranges(struct vdiff_run *d, struct err *e)
{
    struct copy_range *ranges = NULL;
    size_t n = 0;
    bool ok = split(d, &ranges, &n, e);
    d->ranges = n;
    for (size_t i = 0; ok && i < n; i++) {
        if (d->rq->cancelled != NULL && *d->rq->cancelled != 0)
            ok = err_set(e, ERR_SHUTDOWN, "the comparison was stopped");
        ok = ok && compare_range(d, &ranges[i], e);
        d->ranges_done++;
        show_progress(d);
    }
    for (size_t i = 0; i < n; i++)
        copy_range_fini(&ranges[i]);
    free(ranges);
    return ok;
}

static uint64_t differences_of(const struct vdiff_run *d)
{
    uint64_t n = 0;
    for (size_t i = 0; i < d->rq->n_targets; i++)
        n += vdiff_counts_differences(&d->counts[i]);
    return n;
}

static bool make_salt(struct vdiff_run *d, struct err *e)
{
    struct buf hex = BUF_INIT;
    unsigned char bytes[16];
    bool ok = RAND_bytes(bytes, sizeof bytes) == 1;
    buf_put_hex(&hex, bytes, sizeof bytes);
    memcpy(d->salt, buf_str(&hex), sizeof d->salt);
    buf_fini(&hex);
    return ok || err_set(e, ERR_INTERNAL, "there are no random numbers");
}

static void free_texts(char **texts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(texts[i]);
    free(texts);
}

static bool read_incarnations(struct vdiff_run *d, char **out, struct err *e)
{
    for (size_t i = 0; i < d->rq->n_targets; i++) {
        CLEANUP(buf_fini) struct buf text = BUF_INIT;
        if (!incarnation_read(copy_reader_conn(d->targets[i].reader),
                              d->targets[i].shard->primary.database, d->t->target_table, &text, e))
            return false;
        out[i] = buf_take(&text);
    }
    return true;
}

/* before: as they were when the comparison began. Keys alone prove no row. */
static bool prove_tables(struct vdiff_run *d, char *const *before, struct err *e)
{
    char **after = mem_calloc(d->rq->n_targets + 1, sizeof *after);
    bool proves = d->rq->workflow_key && !d->rq->only_pks && differences_of(d) == 0;
    bool ok = !proves || read_incarnations(d, after, e);
    for (size_t i = 0; ok && proves && i < d->rq->n_targets; i++)
        ok = strcmp(before[i], after[i]) != 0 ||
             incarnation_prove(copy_reader_conn(d->targets[i].reader), d->rq->workflow_key,
                               d->targets[i].shard->primary.database, d->t->target_table, after[i],
                               e);
    free_texts(after, d->rq->n_targets);
    return ok;
}

static bool compare_placed(struct vdiff_run *d, struct err *e)
{
    bool ok = vdiff_plan(d, e) && vdiff_wait_common(d, e) && compare_ranges(d, e);
    for (size_t i = 0; ok && d->t->vindex != NULL && d->rq->n_targets > 1 && i < d->rq->n_targets;
         i++)
        ok = vdiff_check_placement(d, i, e);
    return ok;
}

static bool compare_table(const struct vdiff_request *rq, const struct vdiff_table *t,
                          struct vdiff_run *d, struct err *e)
{
    *d = (struct vdiff_run){.rq = rq, .t = t};
    char **before = mem_calloc(rq->n_targets + 1, sizeof *before);
    bool ok = make_salt(d, e) && open_ends(d, e) && read_incarnations(d, before, e) &&
              compare_placed(d, e) && prove_tables(d, before, e);
    free_texts(before, rq->n_targets);
    return ok || err_prepend(e, "vdiff of %s", t->target_table);
}

/* Gives the counts of the compared table to the report. */
static void add_table(struct vdiff_report *report, struct vdiff_run *d)
{
    report->tables[report->n_tables++] =
        (struct vdiff_table_report){.table = mem_strdup(d->t->target_table), .targets = d->counts};
    d->counts = NULL;
}

static void open_report(const struct vdiff_request *rq, struct vdiff_report *out)
{
    *out = (struct vdiff_report){.n_shards = rq->n_targets,
                                 .shards = mem_calloc(rq->n_targets + 1, sizeof *out->shards),
                                 .tables = mem_calloc(rq->n_tables + 1, sizeof *out->tables)};
    for (size_t i = 0; i < rq->n_targets; i++)
        out->shards[i] = mem_strdup(rq->targets[i]->name);
}

static void measure(const struct vdiff_report *r)
{
    metric_add(metrics_get(METRIC_COUNTER, "vdiff_rows_total", "", "rows compared"),
               (double)vdiff_report_rows(r));
    metric_set(
        metrics_get(METRIC_GAUGE, "vdiff_differences", "", "differences of the last comparison"),
        (double)vdiff_report_differences(r));
}

bool vdiff_run(const struct vdiff_request *rq, struct vdiff_report *report, struct err *e)
{
    bool ok = true;
    open_report(rq, report);
    for (size_t i = 0; ok && i < rq->n_tables; i++) {
        struct vdiff_run d;
        ok = compare_table(rq, &rq->tables[i], &d, e);
        if (ok)
            add_table(report, &d);
        run_fini(&d);
    }
    if (ok)
        measure(report);
    return ok;
}
