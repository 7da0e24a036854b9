/* app/cli/decode_run.c — the loop behind `sluice decode` and `sluice stream --format raw`. */
#include "app/cli/decode_run.h"

#include "app/cli/render.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/spill.h"
#include "base/sys.h"
#include "cdc/log/event_header.h"
#include "sinks/format/encode.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUT_BYTES ((size_t)256 * 1024)

static bool write_out(const void *p, size_t n, struct err *e)
{
    return sys_write_all(STDOUT_FILENO, p, n) || err_set(e, ERR_IO, "stdout: %s", strerror(errno));
}

static bool flush_out(struct decode_run *r, struct err *e)
{
    if (!write_out(r->out.data, r->out.len, e))
        return false;
    buf_reset(&r->out);
    return true;
}

/* A long text is written from where it lies. */
static bool put_out(struct decode_run *r, const void *text, size_t n, struct err *e)
{
    if (n < OUT_BYTES)
        return buf_put(&r->out, text, n) || err_set(e, ERR_LIMIT, "a record is too long");
    return flush_out(r, e) && write_out(text, n, e);
}

static bool emit(void *ctx, const struct encode_record *record, struct err *e)
{
    struct decode_run *r = ctx;
    const void *key = record->key, *value = record->value;
    if (strcmp(r->ops->name, "ndjson") != 0) { /* other formats are records of key and value */
        buf_put_str(&r->out, "{\"key\":");
        buf_put(&r->out, key ? key : "null", key ? record->key_len : 4);
        buf_put_str(&r->out, ",\"value\":");
        if (!put_out(r, value ? value : "null", value ? record->value_len : 4, e))
            return false;
        buf_put_u8(&r->out, '}');
    } else if (!put_out(r, value, record->value_len, e)) {
        return false;
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

/* The decoder lets our own tables through for its consumers, who follow journals in them; here only
 * those count that were asked for. */
static bool is_asked_for(struct decode_run *r, const struct schema_table *t)
{
    return r->tables == NULL || strcmp(t->db, "_sluice") != 0 || want_table(r, t->db, t->name);
}

static bool pass_with_warning(void *ctx, const struct cdc_statement *st, struct err *why)
{
    int n = st->n > 60 ? 60 : (int)st->n;
    (void)ctx;
    (void)why;
    fprintf(stderr, "%s:%llu: a statement instead of rows is passed over: \"%.*s\"\n",
            st->seen->to.file, (unsigned long long)st->seen->to.pos, n, st->sql);
    return true;
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

struct walk {
    struct decode_run *run;
    const struct cdc_change *change;
    struct cdc_rows_iter it;
};

static enum cdc_rows_result next_row(void *source, struct encode_row *row, struct err *e)
{
    struct walk *w = source;
    struct decode_run *r = w->run;
    enum cdc_rows_result got = cdc_rows_next(&w->it, r->before, r->after, e);
    *row = (struct encode_row){&r->context, w->change, r->before, r->after,
                               w->change->rows.first_seq + w->it.row};
    return got;
}

static bool each_row(struct decode_run *r, const struct cdc_change *c, struct err *e)
{
    struct walk w = {.run = r, .change = c};
    struct encode_rows rows = {.change = c, .next = next_row, .source = &w, .emit = emit, .ctx = r};
    struct encode_row row;
    enum cdc_rows_result got;
    ensure_rows(r, c->rows.n_columns);
    cdc_rows_begin(&w.it, &c->rows);
    if (r->encoder)
        return r->encoder->ops->rows(r->encoder, &rows, e);
    while ((got = next_row(&w, &row, e)) == CDC_ROWS_ROW)
        ;
    return got == CDC_ROWS_END;
}

static void say_lost(struct decode_run *r)
{
    const struct committed_lost lost = committed_lost(r->committed);
    r->n_lost++;
    fprintf(stderr, "%s:%llu: a transaction without an end is left out (%llu rows)\n",
            lost.file[0] ? lost.file : "log", (unsigned long long)lost.pos,
            (unsigned long long)lost.rows);
}

static bool on_change(struct decode_run *r, const struct cdc_change *c, struct err *e)
{
    bool shown = c->kind == CDC_DDL || (r->tx && c->kind != CDC_HEARTBEAT);
    switch (c->kind) {
    case CDC_ROWS:
        return r->raw || !is_asked_for(r, c->rows.table) || each_row(r, c, e);
    case CDC_GAP:
        return true;
    case CDC_ROLLBACK:
        if (c->end.cut_off)
            say_lost(r);
        return true; /* nothing of it was shown */
    case CDC_BEGIN:
    case CDC_COMMIT:
    case CDC_DDL:
    case CDC_HEARTBEAT:
    case CDC_JOURNAL:
    case CDC_COPY_ROWS:
        break;
    }
    return !r->encoder || !shown || r->encoder->ops->other(r->encoder, &r->context, c, emit, r, e);
}

static bool give_part(struct decode_run *r, const struct committed_part *part, struct err *e)
{
    r->context.begin = part->begin;
    for (size_t i = 0; i < part->n; i++) {
        if (!on_change(r, &part->changes[i], e))
            return false;
        if (r->tx && r->encoder)
            cdc_position_advance(&r->pos, &part->changes[i]);
    }
    return true;
}

/* Figures are about the log, whatever became of what stands in it. */
static void count_batch(struct decode_run *r, const struct cdc_batch *b)
{
    decode_stats_batch(r->stats);
    for (size_t i = 0; i < b->n_changes; i++)
        decode_stats_change(r->stats, &b->changes[i]);
}

static bool on_batch(struct decode_run *r, struct cdc_batch *b, struct err *e)
{
    if (b->serial == 0)
        position_copy(&r->pos, &b->start);
    if (r->stats)
        count_batch(r, b);
    committed_put(r->committed, b);
    struct committed_part part;
    enum committed_next next;
    while ((next = committed_next(r->committed, &part, e)) == COMMITTED_PART) {
        if (!give_part(r, &part, e))
            return false;
    }
    return next != COMMITTED_FAIL;
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

/* A source tells the decoder of a new file by a rotation that is in no file; so does a server,
 * which also repeats the format and sends heartbeats. */
static bool is_in_log(const struct decode_run *r, const uint8_t *event, size_t n)
{
    if (n < EVENT_HEADER_LEN)
        return true;
    const struct event_header head = event_header_read(event);
    if (head.type == EV_ROTATE && head.server_id == 0)
        return false;
    bool made_up =
        head.flags & EVENT_ARTIFICIAL || head.type == EV_HEARTBEAT || head.type == EV_HEARTBEAT_V2;
    return !r->live || !made_up;
}

/* Where the event lies; before it is decoded, because a rotation names the next file. */
static void find_place(struct decode_run *r, const struct cdc_source *s,
                       const struct cdc_decoder *d, const uint8_t *event, size_t n)
{
    const char *file = cdc_source_file(s, &r->offset);
    struct log_place at;
    if (r->live) {
        at = cdc_decoder_place(d);
        uint32_t end = n >= EVENT_HEADER_LEN ? event_header_read(event).next_pos : 0;
        file = at.file;
        r->offset = (at.pos & ~(uint64_t)UINT32_MAX) | (uint32_t)(end - (uint32_t)n);
    }
    snprintf(r->file, sizeof r->file, "%s", file ? file : "");
}

/* The event's line; how many rows it has is known once it was decoded. */
static bool raw_line(struct decode_run *r, const uint8_t *event, size_t n, uint64_t rows)
{
    event_text_line(r->text, r->file[0] ? r->file : NULL, r->offset, event, n, &r->out);
    if (rows)
        buf_printf(&r->out, " rows=%llu", (unsigned long long)rows);
    buf_put_u8(&r->out, '\n');
    return r->out.len < OUT_BYTES;
}

/* There is an error; what came before the bad place is whole. */
static bool stop_behind_whole(struct decode_run *r, struct cdc_decoder *d)
{
    struct err late = ERR_INIT;
    (void)drain(r, d, true, &late);
    return false;
}

static bool after_feed(struct decode_run *r, struct cdc_decoder *d, bool fed, struct err *e)
{
    return fed ? !cdc_decoder_has_batch(d) || drain(r, d, false, e) : stop_behind_whole(r, d);
}

static bool take_event(struct decode_run *r, struct cdc_source *s, struct cdc_decoder *d,
                       const uint8_t *event, size_t n, struct err *e)
{
    uint64_t rows = r->raw ? cdc_decoder_stats(d)->rows : 0;
    bool shown = r->raw && is_in_log(r, event, n);
    if (shown)
        find_place(r, s, d, event, n);
    bool fed = cdc_decoder_feed_kept(d, event, n, s->checked, s->piece, e);
    if (shown && !raw_line(r, event, n, cdc_decoder_stats(d)->rows - rows) && !flush_out(r, e))
        return false;
    return after_feed(r, d, fed, e);
}

/* What a live log or a pipe said is shown before more is waited for. */
static bool show_before_waiting(struct decode_run *r, struct cdc_source *s, struct cdc_decoder *d,
                                struct err *e)
{
    return !s->ops->ready || s->ops->ready(s) || (drain(r, d, true, e) && flush_out(r, e));
}

static bool is_behind_stop(const struct decode_run *r, const struct cdc_source *s)
{
    uint64_t offset;
    (void)cdc_source_file(s, &offset);
    return offset >= r->stop_pos;
}

/* Where no event has to be looked at by itself. */
static bool read_all(struct decode_run *r, struct cdc_source *s, struct cdc_decoder *d,
                     struct err *e)
{
    struct cdc_events events;
    enum cdc_next next;
    while ((next = s->ops->next_many(s, &events, e)) == CDC_NEXT_OK) {
        while (events.n > 0) {
            if (!after_feed(r, d, cdc_decoder_feed_many(d, &events, e), e))
                return false;
        }
        if (!show_before_waiting(r, s, d, e))
            return false;
    }
    return next == CDC_NEXT_END ? drain(r, d, true, e) : stop_behind_whole(r, d);
}

static bool read_source(struct decode_run *r, struct cdc_source *s, struct cdc_decoder *d,
                        struct err *e)
{
    bool ranged = decode_range_given(&r->range);
    if (s->ops->next_many && !ranged && !r->stop_pos && !r->raw && !r->live)
        return read_all(r, s, d, e);
    for (;;) {
        const uint8_t *event;
        size_t n;
        enum cdc_next next = s->ops->next(s, &event, &n, e);
        if (next == CDC_NEXT_END || (next == CDC_NEXT_OK && r->stop_pos && is_behind_stop(r, s)))
            break;
        if (next != CDC_NEXT_OK)
            return stop_behind_whole(r, d);
        enum decode_pass pass = ranged ? decode_range_look(&r->range, d, event, n) : DECODE_SHOW;
        if (pass == DECODE_STOP)
            break;
        if (pass == DECODE_SHOW && !take_event(r, s, d, event, n, e))
            return false;
        if (!show_before_waiting(r, s, d, e))
            return false;
        if (r->live && r->is_end(r->is_end_ctx, s, d))
            break;
    }
    return drain(r, d, true, e);
}

static void print_stats(const struct decode_run *r, const struct cdc_decode_stats *d)
{
    struct buf out = BUF_INIT;
    decode_stats_print(r->stats, d, &out);
    render_print(stderr, &out, false);
    buf_fini(&out);
}

struct cdc_decode_options decode_run_options(struct decode_run *r)
{
    struct cdc_decode_options o = {.verify_checksum = r->verify, .want_query = r->tx};
    o.gap_instead_of_error = r->raw || (r->stats && !r->encoder);
    if (r->warn_of_statements)
        o.statement = pass_with_warning;
    if (r->tables) {
        o.want_table = want_table;
        o.want_ctx = r;
    }
    return o;
}

static void say_prepared(void *ctx, const char *xid, size_t n, const char *file, uint64_t pos)
{
    ++*(size_t *)ctx;
    fprintf(stderr, "%s:%llu: a prepared transaction without an end is left out (%.*s)\n",
            file[0] ? file : "log", (unsigned long long)pos, n > 200 ? 200 : (int)n, xid);
}

bool decode_run_source(struct decode_run *r, struct cdc_source *s, struct cdc_decoder *d,
                       struct err *e)
{
    bool ok = read_source(r, s, d, e);
    ok = flush_out(r, ok ? e : NULL) && ok;
    if (committed_is_open(r->committed))
        say_lost(r);
    size_t n = r->n_lost;
    cdc_decoder_each_prepared(d, say_prepared, &n);
    if (n)
        fprintf(stderr, "transactions without an end: %zu\n", n);
    if (r->stats)
        print_stats(r, cdc_decoder_stats(d));
    return ok;
}

bool decode_run_open(struct decode_run *r, struct err *e)
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
    bool shows = !r->raw && strcmp(r->format, "none") != 0;
    r->spill_dir = spill_temporary_dir();
    r->committed = committed_new(
        &(struct committed_options){.spill_dir = r->spill_dir, .at_once = !shows, .log = true},
        NULL);
    if (!shows)
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

void decode_run_fini(struct decode_run *r)
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
    committed_free(r->committed);
    free(r->spill_dir);
}
