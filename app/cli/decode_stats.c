/* app/cli/decode_stats.c — counts over a log, and their table. */
#include "app/cli/decode_stats.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST_KEPT 5u

struct table_count {
    uint64_t rows, bytes;
    char name[]; /* db.table */
};

struct transaction_count {
    uint64_t rows, bytes, pos;
    char file[POSITION_FILE_MAX];
    struct gtid gtid;
};

struct decode_stats {
    struct map *counts; /* "db.table" → struct table_count */
    const struct schema_table *last_table;
    const char *open_file; /* of the batch that `open.file` was copied from */
    struct table_count *last_count;
    struct transaction_count open, largest[LARGEST_KEPT]; /* by bytes, descending */
    size_t n_largest;
    uint64_t gaps;
    uint32_t first_time, last_time;
};

struct decode_stats *decode_stats_new(void)
{
    struct decode_stats *s = mem_alloc(sizeof *s);
    s->counts = map_new(free);
    return s;
}

void decode_stats_free(struct decode_stats *s)
{
    if (!s)
        return;
    map_free(s->counts);
    free(s);
}

void decode_stats_batch(struct decode_stats *s)
{
    s->last_table = NULL;
    s->open_file = NULL;
}

static void count_rows(struct decode_stats *s, const struct cdc_rows *rows)
{
    if (rows->table != s->last_table || !s->last_count) {
        char name[600];
        snprintf(name, sizeof name, "%s.%s", rows->table->db, rows->table->name);
        s->last_count = map_get_str(s->counts, name);
        s->last_table = rows->table;
        if (!s->last_count) {
            s->last_count = mem_alloc(sizeof *s->last_count + strlen(name) + 1);
            memcpy(s->last_count->name, name, strlen(name) + 1);
            map_put_str(s->counts, name, s->last_count);
        }
    }
    s->last_count->rows += rows->n_rows;
    s->last_count->bytes += rows->images_len;
    s->open.rows += rows->n_rows;
    s->open.bytes += rows->images_len;
}

static void begin_transaction(struct decode_stats *s, const struct cdc_change *c)
{
    struct transaction_count *t = &s->open;
    t->rows = t->bytes = 0;
    t->pos = c->log_pos;
    t->gtid = c->begin.gtid;
    if (c->file && c->file == s->open_file)
        return;
    s->open_file = c->file;
    snprintf(t->file, sizeof t->file, "%s", c->file ? c->file : "");
}

static void end_transaction(struct decode_stats *s)
{
    size_t at = s->n_largest;
    while (at > 0 && s->largest[at - 1].bytes < s->open.bytes)
        at--;
    if (at == LARGEST_KEPT || s->open.rows == 0)
        return;
    if (s->n_largest < LARGEST_KEPT)
        s->n_largest++;
    memmove(&s->largest[at + 1], &s->largest[at], (s->n_largest - 1 - at) * sizeof s->largest[0]);
    s->largest[at] = s->open;
}

void decode_stats_change(struct decode_stats *s, const struct cdc_change *c)
{
    if (c->timestamp) {
        s->first_time = s->first_time ? s->first_time : c->timestamp;
        s->last_time = c->timestamp;
    }
    switch (c->kind) {
    case CDC_BEGIN:
        begin_transaction(s, c);
        return;
    case CDC_ROWS:
        count_rows(s, &c->rows);
        return;
    case CDC_COMMIT:
    case CDC_ROLLBACK:
        end_transaction(s);
        return;
    case CDC_GAP:
        s->gaps++;
        return;
    case CDC_DDL:
    case CDC_HEARTBEAT:
    case CDC_JOURNAL:
    case CDC_COPY_ROWS:
        return;
    }
}

static void print_events(const struct cdc_decode_stats *s, struct buf *out)
{
    uint64_t events = 0, bytes = 0;
    buf_printf(out, "%-34s %12s %16s\n", "event", "count", "bytes");
    for (unsigned i = 0; i < 256; i++) {
        if (s->events[i] == 0)
            continue;
        events += s->events[i];
        bytes += s->bytes[i];
        char name[64];
        snprintf(name, sizeof name, "%s (%u)", cdc_event_type_name((uint8_t)i), i);
        buf_printf(out, "%-34s %12llu %16llu\n", name, (unsigned long long)s->events[i],
                   (unsigned long long)s->bytes[i]);
    }
    buf_printf(out, "%-34s %12llu %16llu\n", "all", (unsigned long long)events,
               (unsigned long long)bytes);
}

static int compare_counts(const void *a, const void *b)
{
    return strcmp((*(const struct table_count *const *)a)->name,
                  (*(const struct table_count *const *)b)->name);
}

static void print_tables(const struct decode_stats *s, struct buf *out)
{
    size_t n = map_count(s->counts), i = 0, it = 0;
    const struct table_count **all = mem_calloc(n + 1, sizeof *all);
    const void *key;
    size_t key_len;
    void *value;
    while (map_next(s->counts, &it, &key, &key_len, &value))
        all[i++] = value;
    qsort(all, n, sizeof *all, compare_counts);
    if (n)
        buf_printf(out, "\n%-34s %12s %16s\n", "table", "rows", "bytes");
    for (i = 0; i < n; i++)
        buf_printf(out, "%-34s %12llu %16llu\n", all[i]->name, (unsigned long long)all[i]->rows,
                   (unsigned long long)all[i]->bytes);
    free(all);
}

static void print_largest(const struct decode_stats *s, struct buf *out)
{
    if (s->n_largest)
        buf_printf(out, "\n%-34s %12s %16s  %s\n", "largest transactions", "rows", "bytes", "gtid");
    for (size_t i = 0; i < s->n_largest; i++) {
        const struct transaction_count *t = &s->largest[i];
        char where[POSITION_FILE_MAX + 24];
        snprintf(where, sizeof where, "%s:%llu", t->file, (unsigned long long)t->pos);
        buf_printf(out, "%-34s %12llu %16llu  ", where, (unsigned long long)t->rows,
                   (unsigned long long)t->bytes);
        gtid_print(&t->gtid, out);
        buf_put_u8(out, '\n');
    }
}

void decode_stats_print(const struct decode_stats *s, const struct cdc_decode_stats *d,
                        struct buf *out)
{
    char first[32], last[32];
    print_events(d, out);
    print_tables(s, out);
    print_largest(s, out);
    clock_format_ms((int64_t)s->first_time * 1000, first, sizeof first);
    clock_format_ms((int64_t)s->last_time * 1000, last, sizeof last);
    buf_printf(out, "\n%llu rows, %llu transactions, %llu events skipped, %llu gaps, %s to %s\n",
               (unsigned long long)d->rows, (unsigned long long)d->transactions,
               (unsigned long long)d->skipped_events, (unsigned long long)s->gaps, first, last);
}
