/* app/cmd_decode.c — `sluice decode`: binary log files to records on stdout, offline; figures with
 * --stats.
 *
 * One thread: source → decoder → batch → encoder → a write buffer. With --stats alone (format none)
 * and in format raw, changes that cannot be decoded are counted, not fatal, so that any log can be
 * looked at; raw prints the events as they lie in the files and decodes them only to count rows.
 */
#include "app/cmd_decode.h"

#include "app/decode_range.h"
#include "app/decode_stats.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/sys.h"
#include "cdc/decode.h"
#include "cdc/event_text.h"
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

struct decode_run {
    const char *format, *prefix, *tables;
    uint64_t start_pos, stop_pos;
    struct decode_range range;
    bool verify, show_stats, tx, raw;
    bool in_tx;
    const struct encoder_ops *ops;
    struct encoder *encoder;
    struct encode_context context;
    struct cdc_change begin; /* of the open transaction; its texts live in the batch */
    struct position pos;
    struct cdc_row *before, *after;
    struct buf out;
    struct decode_stats *stats; /* NULL: not wanted */
    struct event_text *text;    /* of format raw */
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
    if (r->stats)
        decode_stats_change(r->stats, c);
    switch (c->kind) {
    case CDC_BEGIN:
        r->begin = *c;
        r->in_tx = true;
        r->context.begin = &r->begin;
        break;
    case CDC_ROWS:
        return r->raw || each_row(r, c, e);
    case CDC_GAP:
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
    if (r->stats)
        decode_stats_batch(r->stats);
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

/* The source tells the decoder of a new file by a rotation that is in no file. */
static bool is_in_file(const uint8_t *event, size_t n)
{
    return n < 19 || event[4] != 4 || event[5] || event[6] || event[7] || event[8];
}

/* The event's line; how many rows it has is known once it was decoded. */
static bool raw_line(struct decode_run *r, const struct cdc_source *s, const uint8_t *event,
                     size_t n, uint64_t rows)
{
    uint64_t offset;
    const char *file = cdc_source_file(s, &offset);
    event_text_line(r->text, file, offset, event, n, &r->out);
    if (rows)
        buf_printf(&r->out, " rows=%llu", (unsigned long long)rows);
    buf_put_u8(&r->out, '\n');
    return r->out.len < OUT_BYTES;
}

static bool take_event(struct decode_run *r, struct cdc_source *s, struct cdc_decoder *d,
                       const uint8_t *event, size_t n, struct err *e)
{
    uint64_t rows = cdc_decoder_stats(d)->rows;
    bool fed = cdc_decoder_feed(d, event, n, e);
    if (r->raw && is_in_file(event, n) &&
        !raw_line(r, s, event, n, cdc_decoder_stats(d)->rows - rows) && !flush_out(r, e))
        return false;
    if (fed)
        return drain(r, d, false, e);
    struct err late = ERR_INIT; /* what came before the bad place is whole */
    (void)drain(r, d, true, &late);
    return false;
}

static bool run_source(struct decode_run *r, struct cdc_source *s, struct cdc_decoder *d,
                       struct err *e)
{
    for (;;) {
        const uint8_t *event;
        size_t n;
        uint64_t offset;
        enum cdc_next next = s->ops->next(s, &event, &n, e);
        (void)cdc_source_file(s, &offset);
        if (next == CDC_NEXT_END || (next == CDC_NEXT_OK && r->stop_pos && offset >= r->stop_pos))
            break;
        if (next != CDC_NEXT_OK) {
            struct err late = ERR_INIT;
            (void)drain(r, d, true, &late);
            return false;
        }
        enum decode_pass pass = decode_range_look(&r->range, d, event, n);
        if (pass == DECODE_STOP)
            break;
        if (pass == DECODE_SHOW && !take_event(r, s, d, event, n, e))
            return false;
    }
    return drain(r, d, true, e);
}

static void print_stats(const struct decode_run *r, const struct cdc_decode_stats *d)
{
    struct buf out = BUF_INIT;
    decode_stats_print(r->stats, d, &out);
    fwrite(buf_str(&out), 1, out.len, stderr);
    buf_fini(&out);
}

static bool decode_files(struct decode_run *r, char **files, int n, struct err *e)
{
    struct cdc_decode_options o = {.verify_checksum = r->verify, .want_query = r->tx};
    o.gap_instead_of_error = r->raw || (r->stats && !r->encoder);
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
    if (r->show_stats)
        r->stats = decode_stats_new();
    r->raw = strcmp(r->format, "raw") == 0;
    if (r->raw) {
        r->text = event_text_new();
        r->verify = false; /* each line says it */
    }
    if (r->raw || strcmp(r->format, "none") == 0)
        return true;
    r->ops = encoder_find(r->format);
    if (!r->ops) {
        struct buf names CLEANUP(buf_fini) = BUF_INIT;
        encoder_names(&names);
        return err_set(e, ERR_USAGE, "there is no format '%s': %s, raw or none", r->format,
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
    OPTION_START_TIME,
    OPTION_STOP_TIME,
    OPTION_START_GTID,
    OPTION_STOP_GTID,
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
    {"start-time", required_argument, NULL, OPTION_START_TIME},
    {"stop-time", required_argument, NULL, OPTION_STOP_TIME},
    {"start-gtid", required_argument, NULL, OPTION_START_GTID},
    {"stop-gtid", required_argument, NULL, OPTION_STOP_GTID},
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
    case OPTION_START_TIME:
        return decode_range_time(value, &r->range.start_time, e);
    case OPTION_STOP_TIME:
        return decode_range_time(value, &r->range.stop_time, e);
    case OPTION_START_GTID:
        return decode_range_gtids(value, &r->range.start_gtids, e);
    case OPTION_STOP_GTID:
        return decode_range_gtids(value, &r->range.stop_gtids, e);
    case OPTION_VERIFY:
        r->verify = strcasecmp(value, "yes") == 0;
        return r->verify || strcasecmp(value, "no") == 0 ||
               err_set(e, ERR_USAGE, "--verify-checksum is yes or no");
    case OPTION_STATS:
        r->show_stats = true;
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
        r->format = r->show_stats ? "none" : "ndjson";
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
    decode_stats_free(r->stats);
    event_text_free(r->text);
    decode_range_fini(&r->range);
}

int cmd_decode(int argc, char **argv)
{
    struct decode_run r = {.verify = true, .prefix = "sluice"};
    struct err e = ERR_INIT;
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
