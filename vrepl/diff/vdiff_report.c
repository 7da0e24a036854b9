/* vrepl/diff/vdiff_report.c — renders the report of a comparison. */
#include "vrepl/diff/vdiff_report.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

uint64_t vdiff_counts_differences(const struct vdiff_counts *c)
{
    return c->mismatched + c->extra_source + c->extra_target;
}

/* Over the targets; without samples. */
static struct vdiff_counts total_of(const struct vdiff_report *r,
                                    const struct vdiff_table_report *t)
{
    struct vdiff_counts total = {0};
    for (size_t i = 0; i < r->n_shards; i++) {
        total.processed += t->targets[i].processed;
        total.mismatched += t->targets[i].mismatched;
        total.extra_source += t->targets[i].extra_source;
        total.extra_target += t->targets[i].extra_target;
    }
    return total;
}

uint64_t vdiff_report_rows(const struct vdiff_report *r)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < r->n_tables; i++)
        rows += total_of(r, &r->tables[i]).processed;
    return rows;
}

uint64_t vdiff_report_differences(const struct vdiff_report *r)
{
    uint64_t n = 0;
    for (size_t i = 0; i < r->n_tables; i++) {
        const struct vdiff_counts total = total_of(r, &r->tables[i]);
        n += vdiff_counts_differences(&total);
    }
    return n;
}

static void counts_fini(struct vdiff_counts *c)
{
    buf_fini(&c->mismatched_sample);
    buf_fini(&c->extra_source_sample);
    buf_fini(&c->extra_target_sample);
}

void vdiff_report_fini(struct vdiff_report *r)
{
    for (size_t i = 0; i < r->n_tables; i++) {
        for (size_t k = 0; k < r->n_shards; k++)
            counts_fini(&r->tables[i].targets[k]);
        free(r->tables[i].targets);
        free(r->tables[i].table);
    }
    for (size_t i = 0; i < r->n_shards; i++)
        free(r->shards[i]);
    free(r->tables);
    free(r->shards);
    *r = (struct vdiff_report){0};
}

/* ---- JSON ---- */

static void put_string(const char *text, struct buf *out)
{
    buf_put_u8(out, '"');
    buf_put_json_escaped(out, text, strlen(text));
    buf_put_u8(out, '"');
}

static void put_text(const char *name, const char *text, struct buf *out)
{
    buf_printf(out, ",\"%s\":", name);
    put_string(text, out);
}

static void put_time(const char *name, int64_t wall_ms, struct buf *out)
{
    char text[40];
    clock_format_ms(wall_ms, text, sizeof text);
    text[10] = ' ';
    text[19] = '\0';
    put_text(name, text, out);
}

static void put_counts(const struct vdiff_counts *c, const char *rows_word, struct buf *out)
{
    uint64_t wrong = vdiff_counts_differences(c);
    uint64_t matching = c->processed > wrong ? c->processed - wrong : 0;
    buf_printf(
        out,
        ",\"%s\":%llu,\"MatchingRows\":%llu,\"MismatchedRows\":%llu,\"ExtraRowsSource\":%llu,"
        "\"ExtraRowsTarget\":%llu",
        rows_word, (unsigned long long)c->processed, (unsigned long long)matching,
        (unsigned long long)c->mismatched, (unsigned long long)c->extra_source,
        (unsigned long long)c->extra_target);
}

static void put_sample(const char *name, const struct buf *sample, struct buf *out)
{
    if (sample->len == 0)
        return;
    buf_printf(out, ",\"%s\":[", name);
    buf_put(out, sample->data, sample->len);
    buf_put_u8(out, ']');
}

static void put_summary(const struct vdiff_report *r, const struct vdiff_table_report *t,
                        struct buf *out)
{
    const struct vdiff_counts total = total_of(r, t);
    put_string(t->table, out);
    buf_put_str(out, ":{\"TableName\":");
    put_string(t->table, out);
    buf_put_str(out, ",\"State\":\"completed\"");
    put_counts(&total, "RowsCompared", out);
    buf_put_u8(out, '}');
}

static void put_target(const struct vdiff_table_report *t, const char *shard,
                       const struct vdiff_counts *c, struct buf *out)
{
    put_string(shard, out);
    buf_put_str(out, ":{\"TableName\":");
    put_string(t->table, out);
    put_counts(c, "ProcessedRows", out);
    put_sample("ExtraRowsSourceSample", &c->extra_source_sample, out);
    put_sample("ExtraRowsTargetSample", &c->extra_target_sample, out);
    put_sample("MismatchedRowsSample", &c->mismatched_sample, out);
    buf_put_u8(out, '}');
}

static void put_details(const struct vdiff_report *r, const struct vdiff_table_report *t,
                        struct buf *out)
{
    put_string(t->table, out);
    buf_put_str(out, ":{");
    for (size_t i = 0; i < r->n_shards; i++) {
        buf_put_str(out, i > 0 ? "," : "");
        put_target(t, r->shards[i], &t->targets[i], out);
    }
    buf_put_u8(out, '}');
}

static void put_found(const struct vdiff_report *r, struct buf *out)
{
    buf_printf(out, ",\"RowsCompared\":%llu,\"Differences\":%llu",
               (unsigned long long)vdiff_report_rows(r),
               (unsigned long long)vdiff_report_differences(r));
    buf_put_str(out, ",\"TableSummary\":{");
    for (size_t i = 0; i < r->n_tables; i++) {
        buf_put_str(out, i > 0 ? "," : "");
        put_summary(r, &r->tables[i], out);
    }
    buf_put_str(out, "},\"Reports\":{");
    for (size_t i = 0; i < r->n_tables; i++) {
        buf_put_str(out, i > 0 ? "," : "");
        put_details(r, &r->tables[i], out);
    }
    buf_put_u8(out, '}');
}

void vdiff_report_put(const struct vdiff_head *h, const struct vdiff_report *r, struct buf *out)
{
    bool differ = r != NULL && vdiff_report_differences(r) > 0;
    buf_printf(out, "{\"HasMismatch\":%s,\"created_ms\":%lld", differ ? "true" : "false",
               (long long)h->started_ms);
    put_text("Workflow", h->workflow, out);
    put_text("Keyspace", h->keyspace, out);
    put_text("UUID", h->uuid, out);
    put_text("State", h->state, out);
    put_text("Shards", h->shards, out);
    put_time("StartedAt", h->started_ms, out);
    if (h->completed_ms != 0)
        put_time("CompletedAt", h->completed_ms, out);
    if (h->error != NULL)
        put_text("Errors", h->error, out);
    if (r != NULL)
        put_found(r, out);
    buf_put_u8(out, '}');
}
