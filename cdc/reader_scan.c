/* cdc/reader_scan.c — a span of a live log, read on a dump of its own for what it says besides
 * rows: DDL, prepared transactions, times.
 *
 * The span must be of the server that the caller names: files mean nothing elsewhere.
 */
#include "cdc/reader_internal.h"

#include <stdio.h>
#include <string.h>

bool reader_same_server(const struct my_server *a, const struct my_server *b)
{
    return a->server_id == b->server_id && strcmp(a->server_uuid, b->server_uuid) == 0;
}

const char *reader_spill_dir(const struct cdc_reader *r)
{
    return r->o.state_dir || !r->o.store ? r->o.state_dir : store_dir(r->o.store);
}

struct log_place reader_log_place(const char *file, uint64_t pos, const struct log_id *log)
{
    struct log_place s = {.pos = pos, .begun = log ? log->begun : 0};
    snprintf(s.file, sizeof s.file, "%s", file ? file : "");
    return s;
}

static bool no_table(void *ctx, const char *db, const char *table)
{
    (void)ctx;
    (void)db;
    (void)table;
    return false;
}

static bool has_reached(const struct cdc_decoder *d, const struct log_place *to)
{
    struct log_place here = cdc_decoder_place(d);
    return to->file[0] && here.file[0] && log_place_compare(&here, to) >= 0;
}

/* The file of an end of the span, begun at another time than that was, is of another log. */
static bool is_of_log(const struct cdc_decoder *d, const struct log_place *end, struct err *e)
{
    struct log_place at = cdc_decoder_place(d);
    if (!end->begun || !at.begun || end->begun == at.begun || strcmp(end->file, at.file) != 0)
        return true;
    return err_set_native(e, ERR_SRC_IDENTITY, ERR_CLASS_RETRY, 0, "%s was begun anew", end->file);
}

static void look_at_batches(struct reader_scan *s)
{
    for (struct cdc_batch *b; (b = cdc_decoder_take(s->decoder, true));) {
        s->reached = s->reached || (s->look && s->look(s->look_ctx, b));
        cdc_batch_unref(b);
    }
}

static bool read_events(struct reader_scan *s, struct my_dump *dump, struct err *e)
{
    const uint8_t *event;
    size_t n;
    enum my_next next = MY_END;
    for (unsigned i = 0; !s->reached && (next = my_dump_next(dump, &event, &n, e)) == MY_ROW; i++) {
        if (!cdc_decoder_feed(s->decoder, event, n, e) || !is_of_log(s->decoder, &s->from, e) ||
            !is_of_log(s->decoder, &s->to, e))
            return false;
        look_at_batches(s);
        if (cdc_decoder_failed(s->decoder, e))
            return false;
        if (i % 256 == 0 && s->feed && reader_feed_stopping(s->feed))
            return err_set(e, ERR_SHUTDOWN, "the reader was stopped");
        s->reached = s->reached || has_reached(s->decoder, &s->to);
    }
    return next != MY_FAIL;
}

bool reader_scan(struct reader_scan *s, struct err *e)
{
    struct my_dump_options o = {.server_id = s->server_id, .non_block = true};
    struct position start = {.pos = s->from.pos};
    char server[sizeof start.log.server];
    memcpy(start.file, s->from.file, sizeof start.file);
    s->reached = false;
    s->options.gap_instead_of_error = true;
    s->options.want_table = no_table;
    my_server_name(s->server, server, sizeof server);
    s->options.server = server;
    struct my_dump *dump = my_dump_open(&s->reader->shard->primary, &o, &start, e);
    if (!dump)
        return false;
    s->decoder = cdc_decoder_new(&s->options, &start);
    bool ok = true;
    if (!reader_same_server(my_dump_server(dump), s->server))
        ok = err_set_native(e, ERR_SRC_IDENTITY, ERR_CLASS_RETRY, 0, "the server has changed");
    ok = ok && read_events(s, dump, e);
    my_dump_close(dump);
    return ok;
}

void reader_scan_fini(struct reader_scan *s)
{
    cdc_decoder_free(s->decoder);
    s->decoder = NULL;
}
