/* app/cmd_decode.c — `sluice decode`: binary log files to records on stdout, offline; figures with
 * --stats.
 *
 * One thread: source → decoder → batch → encoder → a write buffer. With --stats alone (format none)
 * changes that cannot be decoded are counted, not fatal, so that any log can be looked at.
 */
#include "app/cmd_decode.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/sys.h"
#include "cdc/decode.h"
#include "cdc/source.h"
#include "sinks/encode.h"

#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define OUT_BYTES ((size_t)256 * 1024)

struct table_count {
    uint64_t rows, bytes;
    char name[]; /* db.table */
};

struct decode_run {
    const char *format, *prefix, *tables;
    uint64_t start_pos, stop_pos;
    bool verify, stats, tx;
    bool in_tx;
    const struct encoder_ops *ops;
    struct encoder *encoder;
    struct encode_context context;
    struct cdc_change begin; /* of the open transaction; its texts live in the batch */
    struct position pos;
    struct cdc_row *before, *after;
    struct buf out;
    struct map *counts; /* "db.table" → struct table_count */
    const struct schema_table *last_table;
    struct table_count *last_count;
    uint64_t gaps;
    uint32_t first_time, last_time;
};

static bool flush_out(struct decode_run *r, struct err *e)
{
    size_t at = 0;
    while (at < r->out.len) {
        ssize_t n = write(STDOUT_FILENO, r->out.data + at, r->out.len - at);
        if (n < 0 && errno != EINTR)
            return err_set(e, ERR_IO, "stdout: %s", strerror(errno));
        at += n > 0 ? (size_t)n : 0;
    }
    buf_reset(&r->out);
    return true;
}

static bool emit(void *ctx, const struct schema_table *table, const void *key, size_t key_len,
                 const void *value, size_t value_len, struct err *e)
{
    struct decode_run *r = ctx;
    (void)table;
    if (strcmp(r->ops->name, "ndjson") != 0) { /* other formats are records of key and value */
        buf_put_str(&r->out, "{\"key\":");
        buf_put(&r->out, key ? key : "null", key ? key_len : 4);
        buf_put_str(&r->out, ",\"value\":");
        buf_put(&r->out, value ? value : "null", value ? value_len : 4);
        buf_put_u8(&r->out, '}');
    } else {
        buf_put(&r->out, value, value_len);
    }
    buf_put_u8(&r->out, '\n');
    return r->out.len < OUT_BYTES || flush_out(r, e);
}

/* "db.table,db.*,table": a name without a dot is a table of any database. */
static bool want_table(void *ctx, const char *db, const char *table)
{
    const struct decode_run *r = ctx;
    char full[600];
    snprintf(full, sizeof full, "%s.%s", db, table);
    for (const char *p = r->tables; *p; p += strcspn(p, ","), p += *p == ',') {
        char one[600];
        snprintf(one, sizeof one, "%.*s", (int)strcspn(p, ","), p);
        if (fnmatch(one, strchr(one, '.') ? full : table, 0) == 0)
            return true;
    }
    return false;
}

static void count_rows(struct decode_run *r, const struct cdc_rows *rows)
{
    if (rows->table != r->last_table || !r->last_count) {
        char name[600];
        snprintf(name, sizeof name, "%s.%s", rows->table->db, rows->table->name);
        r->last_count = map_get_str(r->counts, name);
        r->last_table = rows->table;
        if (!r->last_count) {
            r->last_count = mem_alloc(sizeof *r->last_count + strlen(name) + 1);
            memcpy(r->last_count->name, name, strlen(name) + 1);
            map_put_str(r->counts, name, r->last_count);
        }
    }
    r->last_count->rows += rows->n_rows;
    r->last_count->bytes += rows->images_len;
}

static void ensure_rows(struct decode_run *r, size_t n)
{
    if (r->before && r->before->n_columns >= n)
        return;
    cdc_row_free(r->before);
    cdc_row_free(r->after);
    r->before = cdc_row_new(n);
    r->after = cdc_row_new(n);
}

static bool each_row(struct decode_run *r, const struct cdc_change *c, struct err *e)
{
    struct cdc_rows_iter it;
    ensure_rows(r, c->rows.n_columns);
    cdc_rows_begin(&it, &c->rows);
    for (;;) {
        enum cdc_rows_result got = cdc_rows_next(&it, r->before, r->after, e);
        if (got != CDC_ROWS_ROW)
            return got == CDC_ROWS_END;
        if (r->encoder && !r->encoder->ops->row(r->encoder, &r->context, c, r->before, r->after,
                                                c->rows.first_seq + it.row, emit, r, e))
            return false;
    }
}

static bool on_change(struct decode_run *r, const struct cdc_change *c, struct err *e)
{
    bool shown = c->kind == CDC_DDL || (r->tx && c->kind != CDC_HEARTBEAT);
    r->context.begin = r->in_tx ? &r->begin : NULL;
    if (c->timestamp) {
        r->first_time = r->first_time ? r->first_time : c->timestamp;
        r->last_time = c->timestamp;
    }
    switch (c->kind) {
    case CDC_BEGIN:
        r->begin = *c;
        r->in_tx = true;
        r->context.begin = &r->begin;
        break;
    case CDC_ROWS:
        if (r->stats)
            count_rows(r, &c->rows);
        return each_row(r, c, e);
    case CDC_GAP:
        r->gaps++;
        return true;
    case CDC_COMMIT:
    case CDC_ROLLBACK:
        r->in_tx = false;
        break;
    case CDC_DDL:
    case CDC_HEARTBEAT:
    case CDC_JOURNAL:
    case CDC_COPY_ROWS:
    case CDC_COPY_DONE:
        break;
    }
    return !r->encoder || !shown || r->encoder->ops->other(r->encoder, &r->context, c, emit, r, e);
}

static bool on_batch(struct decode_run *r, const struct cdc_batch *b, struct err *e)
{
    bool track = r->tx && r->encoder;
    if (track && b->serial == 0)
        position_copy(&r->pos, &b->start);
    r->last_table = NULL;
    for (size_t i = 0; i < b->n_changes; i++) {
        if (!on_change(r, &b->changes[i], e))
            return false;
        if (track)
            cdc_position_advance(&r->pos, &b->changes[i]);
    }
    r->begin.begin.query = r->begin.file = NULL; /* they go with the batch */
    return true;
}

static bool drain(struct decode_run *r, struct cdc_decoder *d, bool flush, struct err *e)
{
    struct cdc_batch *b;
    bool ok = true;
    r->context.mariadb = cdc_decoder_is_mariadb(d);
    while (ok && (b = cdc_decoder_take(d, flush)) != NULL) {
        ok = on_batch(r, b, e);
        cdc_batch_unref(b);
    }
    return ok && !cdc_decoder_failed(d, e);
}

static bool run_source(struct decode_run *r, struct cdc_source *s, struct cdc_decoder *d,
                       struct err *e)
{
    for (;;) {
        const uint8_t *event;
        size_t n;
        uint64_t offset;
        enum cdc_next next = s->ops->next(s, &event, &n, e);
        if (next == CDC_NEXT_END)
            break;
        bool ok = next == CDC_NEXT_OK;
        (void)cdc_source_file(s, &offset);
        if (ok && r->stop_pos && offset >= r->stop_pos)
            break;
        if (ok && cdc_decoder_feed(d, event, n, e)) {
            if (!drain(r, d, false, e))
                return false;
            continue;
        }
        struct err late = ERR_INIT; /* what came before the bad place is whole */
        (void)drain(r, d, true, &late);
        return false;
    }
    return drain(r, d, true, e);
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

static void print_tables(const struct decode_run *r, struct buf *out)
{
    size_t n = map_count(r->counts), i = 0, it = 0;
    const struct table_count **all = mem_calloc(n + 1, sizeof *all);
    const void *key;
    size_t key_len;
    void *value;
    while (map_next(r->counts, &it, &key, &key_len, &value))
        all[i++] = value;
    qsort(all, n, sizeof *all, compare_counts);
    if (n)
        buf_printf(out, "\n%-34s %12s %16s\n", "table", "rows", "bytes");
    for (i = 0; i < n; i++)
        buf_printf(out, "%-34s %12llu %16llu\n", all[i]->name, (unsigned long long)all[i]->rows,
                   (unsigned long long)all[i]->bytes);
    free(all);
}

static void print_stats(const struct decode_run *r, const struct cdc_decode_stats *s)
{
    struct buf out = BUF_INIT;
    char first[32], last[32];
    print_events(s, &out);
    print_tables(r, &out);
    clock_format_ms((int64_t)r->first_time * 1000, first, sizeof first);
    clock_format_ms((int64_t)r->last_time * 1000, last, sizeof last);
    buf_printf(&out, "\n%llu rows, %llu transactions, %llu events skipped, %llu gaps, %s to %s\n",
               (unsigned long long)s->rows, (unsigned long long)s->transactions,
               (unsigned long long)s->skipped_events, (unsigned long long)r->gaps, first, last);
    fwrite(buf_str(&out), 1, out.len, stderr);
    buf_fini(&out);
}

static bool decode_files(struct decode_run *r, char **files, int n, struct err *e)
{
    struct cdc_decode_options o = {.verify_checksum = r->verify, .want_query = r->tx};
    o.gap_instead_of_error = r->stats && !r->encoder;
    if (r->tables) {
        o.want_table = want_table;
        o.want_ctx = r;
    }
    struct cdc_source *s =
        cdc_source_open_files((const char *const *)files, (size_t)n, r->start_pos, e);
    if (!s)
        return false;
    struct cdc_decoder *d = cdc_decoder_new(&o, NULL);
    bool ok = run_source(r, s, d, e);
    ok = flush_out(r, ok ? e : NULL) && ok;
    if (r->stats)
        print_stats(r, cdc_decoder_stats(d));
    cdc_decoder_free(d);
    s->ops->close(s);
    return ok;
}

static bool open_encoder(struct decode_run *r, struct err *e)
{
    r->context = (struct encode_context){
        .prefix = r->prefix, .installation = r->prefix, .version = SLUICE_VERSION, .pos = &r->pos};
    r->context.now_ms = clock_wall_ms();
    r->context.now_us = r->context.now_ms * 1000;
    r->context.now_ns = r->context.now_us * 1000;
    if (strcmp(r->format, "none") == 0)
        return true;
    r->ops = encoder_find(r->format);
    if (!r->ops) {
        struct buf names CLEANUP(buf_fini) = BUF_INIT;
        encoder_names(&names);
        return err_set(e, ERR_USAGE, "there is no format '%s': %s or none", r->format,
                       buf_str(&names));
    }
    r->encoder = r->ops->open("{}", e);
    return r->encoder != NULL;
}

enum {
    OPTION_FORMAT = 256,
    OPTION_TABLES,
    OPTION_START,
    OPTION_STOP,
    OPTION_VERIFY,
    OPTION_STATS,
    OPTION_TX,
    OPTION_PREFIX
};
static const struct option options[] = {
    {"format", required_argument, NULL, OPTION_FORMAT},
    {"tables", required_argument, NULL, OPTION_TABLES},
    {"start-position", required_argument, NULL, OPTION_START},
    {"stop-position", required_argument, NULL, OPTION_STOP},
    {"verify-checksum", required_argument, NULL, OPTION_VERIFY},
    {"stats", no_argument, NULL, OPTION_STATS},
    {"tx", no_argument, NULL, OPTION_TX},
    {"prefix", required_argument, NULL, OPTION_PREFIX},
    {NULL, 0, NULL, 0},
};

static bool set_option(struct decode_run *r, int option, const char *value, struct err *e)
{
    switch (option) {
    case OPTION_FORMAT:
        r->format = value;
        return true;
    case OPTION_TABLES:
        r->tables = value;
        return true;
    case OPTION_START:
        return sys_parse_u64(value, &r->start_pos) ||
               err_set(e, ERR_USAGE, "--start-position %s is no number", value);
    case OPTION_STOP:
        return sys_parse_u64(value, &r->stop_pos) ||
               err_set(e, ERR_USAGE, "--stop-position %s is no number", value);
    case OPTION_VERIFY:
        r->verify = strcasecmp(value, "yes") == 0;
        return r->verify || strcasecmp(value, "no") == 0 ||
               err_set(e, ERR_USAGE, "--verify-checksum is yes or no");
    case OPTION_STATS:
        r->stats = true;
        return true;
    case OPTION_TX:
        r->tx = true;
        return true;
    case OPTION_PREFIX:
        r->prefix = value;
        return true;
    default:
        return err_set(e, ERR_USAGE, "an option of decode is not known or lacks its value");
    }
}

static bool parse(struct decode_run *r, int argc, char **argv, struct err *e)
{
    int option;
    optind = 1;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (!set_option(r, option, optarg, e))
            return false;
    }
    if (optind == argc)
        return err_set(e, ERR_USAGE, "decode needs at least one FILE (- for stdin)");
    if (!r->format)
        r->format = r->stats ? "none" : "ndjson";
    return true;
}

static void run_fini(struct decode_run *r)
{
    if (r->encoder)
        r->encoder->ops->close(r->encoder);
    cdc_row_free(r->before);
    cdc_row_free(r->after);
    position_fini(&r->pos);
    buf_fini(&r->out);
    map_free(r->counts);
}

int cmd_decode(int argc, char **argv)
{
    struct decode_run r = {.verify = true, .prefix = "sluice"};
    struct err e = ERR_INIT;
    r.counts = map_new(free);
    bool ok = parse(&r, argc, argv, &e) && open_encoder(&r, &e) &&
              decode_files(&r, argv + optind, argc - optind, &e);
    run_fini(&r);
    if (ok)
        return ERR_EXIT_OK;
    char text[2300];
    err_format(&e, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    return (int)err_code_exit(e.code);
}
