/* vrepl/diff/vdiff_report.c — the report of a comparison, with vtctldclient's field names. */
#include "vrepl/diff/vdiff_internal.h"

#include "base/text.h"
#include <string.h>

#define COLUMN_TEXT_MAX 128

static void put_text(struct buf *out, const char *text, size_t n)
{
    buf_put_u8(out, '"');
    buf_put_json_escaped(out, text, n);
    buf_put_u8(out, '"');
}

/* A zero byte is no character for most readers of JSON; bytes are shown as such. */
static bool is_text(const struct my_cell *c)
{
    return memchr(c->p, '\0', c->n) == NULL && text_is_utf8(c->p, c->n);
}

void vdiff_row_json(const struct vdiff_run *d, const struct my_cell *cells, struct buf *out)
{
    buf_put_str(out, "{\"Row\":{");
    for (size_t i = 0; i < d->n_columns; i++) {
        struct buf value = BUF_INIT;
        size_t n = cells[i].n;
        bool cut = n > COLUMN_TEXT_MAX && i >= d->n_key;
        buf_put_str(out, i > 0 ? "," : "");
        put_text(out, d->columns[i], strlen(d->columns[i]));
        buf_put_u8(out, ':');
        if (cells[i].p == NULL) {
            buf_put_str(out, "null");
        } else if (is_text(&cells[i])) {
            while (cut && n > COLUMN_TEXT_MAX - 20 &&
                   ((unsigned char)cells[i].p[COLUMN_TEXT_MAX - 20] & 0xc0) != 0x80)
                n = COLUMN_TEXT_MAX - 20;
            put_text(&value, cells[i].p, n);
            if (cut && n < cells[i].n)
                value.len--, buf_put_str(&value, "...[TRUNCATED]\"");
        } else {
            buf_put_str(&value, "\"0x");
            buf_put_hex(&value, cells[i].p, cut ? COLUMN_TEXT_MAX / 2 : n);
            buf_put_str(&value, cut ? "...[TRUNCATED]\"" : "\"");
        }
        buf_put(out, value.data, value.len);
        buf_fini(&value);
    }
    buf_put_str(out, "}}");
}

static void put_counts(const struct vdiff_counts *c, const char *rows_word, struct buf *out)
{
    uint64_t wrong = c->mismatched + c->extra_target + c->extra_source;
    uint64_t matching = c->processed > wrong ? c->processed - wrong : 0;
    buf_printf(out,
               "\"%s\":%llu,\"MatchingRows\":%llu,\"MismatchedRows\":%llu,\"ExtraRowsSource\":%llu,"
               "\"ExtraRowsTarget\":%llu",
               rows_word, (unsigned long long)c->processed, (unsigned long long)matching,
               (unsigned long long)c->mismatched, (unsigned long long)c->extra_source,
               (unsigned long long)c->extra_target);
}

static void put_sample(const char *name, const struct buf *sample, struct buf *out)
{
    if (sample->len > 0)
        buf_printf(out, ",\"%s\":[%s]", name, buf_str(sample));
}

void vdiff_report_table(const struct vdiff_run *d, struct buf *tables, struct buf *reports,
                        bool first)
{
    struct vdiff_counts total = {0};
    const char *name = d->t->target_table;
    buf_put_str(reports, first ? "" : ",");
    put_text(reports, name, strlen(name));
    buf_put_str(reports, ":{");
    for (size_t i = 0; i < d->rq->n_targets; i++) {
        const struct vdiff_counts *c = &d->counts[i];
        buf_printf(reports, "%s\"%s\":{\"TableName\":", i > 0 ? "," : "", d->rq->targets[i]->name);
        put_text(reports, name, strlen(name));
        buf_put_u8(reports, ',');
        put_counts(c, "ProcessedRows", reports);
        put_sample("ExtraRowsSourceSample", &c->extra_source_sample, reports);
        put_sample("ExtraRowsTargetSample", &c->extra_target_sample, reports);
        put_sample("MismatchedRowsSample", &c->mismatched_sample, reports);
        buf_put_str(reports, "}");
        total.processed += c->processed;
        total.mismatched += c->mismatched;
        total.extra_source += c->extra_source;
        total.extra_target += c->extra_target;
    }
    buf_put_str(reports, "}");
    buf_put_str(tables, first ? "" : ",");
    put_text(tables, name, strlen(name));
    buf_put_str(tables, ":{\"TableName\":");
    put_text(tables, name, strlen(name));
    buf_put_str(tables, ",\"State\":\"completed\",");
    put_counts(&total, "RowsCompared", tables);
    buf_put_str(tables, "}");
}
