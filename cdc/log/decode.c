/* cdc/log/decode.c — the decoder's front: one event in, checked and positioned, to its handler;
 * batches out.
 *
 * Positions: the low 32 bits stand in the header (0 inside MariaDB ≥ 11.4 transactions, and in
 * artificial events), the rest is counted from the events' lengths, so files beyond 4 GiB are
 * followed. Where the header's position is not the counted one, events were left out by the server
 * (GTID dump) and the header wins, except when it goes backwards (relay logs). Format: MySQL
 * internals "Binary Log Event"; MariaDB KB "2-binlog-event-header".
 */
#include "base/crc32.h"
#include "base/mem.h"
#include "cdc/log/decode_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

struct cdc_decoder *cdc_decoder_new(const struct cdc_decode_options *o,
                                    const struct position *start)
{
    struct cdc_decoder *d = mem_alloc(sizeof *d);
    d->o = *o;
    if (d->o.batch_bytes == 0)
        d->o.batch_bytes = CDC_BATCH_BYTES;
    if (start)
        position_copy(&d->pos, start);
    d->gtids_known = d->pos.gtids != NULL;
    d->resume_seq = d->pos.seq;
    d->pos.seq = 0;
    memcpy(d->file, d->pos.file, sizeof d->file);
    d->file_pos = d->pos.pos;
    if (o->server)
        snprintf(d->log.server, sizeof d->log.server, "%s", o->server);
    d->o.server = NULL;
    d->tx.begin_index = SIZE_MAX;
    table_cache_init(&d->tables);
    return d;
}

void cdc_decoder_free(struct cdc_decoder *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->n_ready; i++)
        cdc_batch_unref(d->ready[i]);
    free(d->ready);
    cdc_batch_unref(d->open);
    table_cache_fini(&d->tables);
    payload_free(d->payload);
    xa_free(d->xa);
    held_free(d->holding);
    replay_fini(d);
    buf_fini(&d->scratch);
    buf_fini(&d->utf8);
    buf_fini(&d->fragments);
    free(d->tx.savepoints);
    position_fini(&d->pos);
    free(d);
}

const struct position *cdc_decoder_position(const struct cdc_decoder *d)
{
    return &d->pos;
}

static struct log_place place_at(const struct cdc_decoder *d, uint64_t outside)
{
    struct log_place at = {.pos = d->tx.open || d->tx.announced ? d->tx.start_pos : outside,
                           .begun = d->log.begun};
    memcpy(at.file, d->file, sizeof at.file);
    return at;
}

struct log_place cdc_decoder_place(const struct cdc_decoder *d)
{
    return place_at(d, d->file_pos);
}

struct log_span cdc_decoder_span(const struct cdc_decoder *d)
{
    return (struct log_span){.from = d->since, .to = cdc_decoder_place(d)};
}

struct log_span decode_span(const struct cdc_decoder *d, const struct event *ev)
{
    return (struct log_span){.from = d->since, .to = place_at(d, ev->start_pos)};
}

bool cdc_decoder_in_transaction(const struct cdc_decoder *d)
{
    return d->tx.open;
}

bool cdc_decoder_is_mariadb(const struct cdc_decoder *d)
{
    return d->mariadb;
}

const struct cdc_decode_stats *cdc_decoder_stats(const struct cdc_decoder *d)
{
    return &d->stats;
}

bool decode_short(const struct event *ev, struct err *e)
{
    return err_set(e, ERR_LOG_FORMAT, "the event's fields go beyond its %zu bytes", ev->n);
}

static bool skip(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    (void)d;
    (void)ev;
    (void)e;
    return true;
}

static bool unknown(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    if (ev->flags & EVENT_IGNORABLE || ev->type == EV_AURORA_PADDING) {
        d->stats.skipped_events++;
        return true;
    }
    return err_set(e, ERR_LOG_UNSUPPORTED,
                   "events of type %u cannot be decoded and are not marked as ignorable", ev->type);
}

static const decode_fn handlers[256] = {
    [EV_QUERY] = decode_query,
    [EV_STOP] = skip,
    [EV_ROTATE] = decode_rotate,
    [EV_INTVAR] = skip, /* these three belong to statements, which are refused themselves */
    [EV_RAND] = skip,
    [EV_USER_VAR] = skip,
    [EV_LOAD] = decode_load,
    [EV_FORMAT_DESCRIPTION] = decode_format_description,
    [EV_XID] = decode_xid,
    [9] = skip,  /* APPEND_BLOCK: data of a LOAD, which is refused itself */
    [11] = skip, /* DELETE_FILE */
    [12] = decode_load,
    [EV_BEGIN_LOAD_QUERY] = skip,
    [EV_EXECUTE_LOAD_QUERY] = decode_execute_load,
    [EV_TABLE_MAP] = decode_table_map,
    [EV_WRITE_ROWS_V1] = decode_rows,
    [EV_UPDATE_ROWS_V1] = decode_rows,
    [EV_DELETE_ROWS_V1] = decode_rows,
    [EV_INCIDENT] = decode_incident,
    [EV_HEARTBEAT] = decode_heartbeat_v1,
    [EV_IGNORABLE] = skip,
    [EV_ROWS_QUERY] = decode_rows_query,
    [EV_WRITE_ROWS] = decode_rows,
    [EV_UPDATE_ROWS] = decode_rows,
    [EV_DELETE_ROWS] = decode_rows,
    [EV_GTID] = decode_gtid,
    [EV_ANONYMOUS_GTID] = decode_gtid,
    [EV_PREVIOUS_GTIDS] = decode_previous_gtids,
    [EV_TRANSACTION_CONTEXT] = skip,
    [EV_VIEW_CHANGE] = skip,
    [EV_XA_PREPARE] = decode_xa_prepare,
    [EV_PARTIAL_UPDATE_ROWS] = decode_rows,
    [EV_TRANSACTION_PAYLOAD] = decode_payload,
    [EV_HEARTBEAT_V2] = decode_heartbeat_v2,
    [EV_GTID_TAGGED] = decode_gtid_tagged,
    [EV_LARGE_TRANSACTION_HEADER] = skip,
    [EV_ANNOTATE_ROWS] = decode_annotate,
    [EV_BINLOG_CHECKPOINT] = skip,
    [EV_MARIADB_GTID] = decode_gtid_mariadb,
    [EV_GTID_LIST] = decode_gtid_list,
    [EV_START_ENCRYPTION] =
        skip, /* what follows is clear over the wire; files are checked by their source */
    [EV_QUERY_COMPRESSED] = decode_query_compressed,
    [EV_WRITE_ROWS_COMPRESSED_V1] = decode_rows,
    [EV_UPDATE_ROWS_COMPRESSED_V1] = decode_rows,
    [EV_DELETE_ROWS_COMPRESSED_V1] = decode_rows,
    [EV_WRITE_ROWS_COMPRESSED] = decode_rows,
    [EV_UPDATE_ROWS_COMPRESSED] = decode_rows,
    [EV_DELETE_ROWS_COMPRESSED] = decode_rows,
    [EV_PARTIAL_ROW_DATA] = decode_row_fragment,
};

bool decode_gap(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    if (!d->o.gap_instead_of_error)
        return false;
    struct cdc_change *c = decode_add(d, CDC_GAP, ev);
    c->gap.event_type = ev->type;
    c->gap.why = arena_strndup(&d->open->arena, e->text, sizeof e->text);
    err_clear(e);
    return true;
}

bool decode_dispatch(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    if (ev->type != EV_ROTATE || ev->server_id != 0) { /* those of a file source are in no file */
        d->stats.events[ev->type]++;
        d->stats.bytes[ev->type] += EVENT_HEADER_LEN + ev->n;
    }
    decode_fn handler = handlers[ev->type] ? handlers[ev->type] : unknown;
    if (handler(d, ev, e))
        return true;
    return e->code != ERR_LOG_CHECKSUM && decode_gap(d, ev, e);
}

/* The checksum of a format description is computed with "in use" cleared. */
uint32_t decode_event_crc(const uint8_t *event, size_t n)
{
    const struct event_header h = event_header_read(event);
    if (h.type != EV_FORMAT_DESCRIPTION || !(h.flags & EVENT_IN_USE))
        return crc32_compute(0, event, n);
    uint8_t head[EVENT_HEADER_LEN];
    memcpy(head, event, sizeof head);
    head[17] = (uint8_t)(head[17] & ~EVENT_IN_USE);
    uint32_t crc = crc32_compute(0, head, sizeof head);
    return crc32_compute(crc, event + sizeof head, n - sizeof head);
}

bool decode_crc_matches(const uint8_t *event, size_t n)
{
    return n >= EVENT_HEADER_LEN + EVENT_CHECKSUM_LEN &&
           decode_event_crc(event, n - EVENT_CHECKSUM_LEN) ==
               wire_u32(event + n - EVENT_CHECKSUM_LEN);
}

/* Whether the event carries a checksum: format descriptions say it themselves, an artificial rotate
 * may come before any and is tried. */
static bool has_checksum(const struct cdc_decoder *d, const uint8_t *event, size_t n)
{
    const struct event_header h = event_header_read(event);
    if (h.type == EV_FORMAT_DESCRIPTION)
        return false; /* its handler looks */
    if (h.type != EV_ROTATE)
        return d->checksum;
    bool artificial = h.timestamp == 0 || h.flags & EVENT_ARTIFICIAL;
    if (artificial || !d->format_known)
        return decode_crc_matches(event, n);
    return d->checksum;
}

static bool check_crc(const struct cdc_decoder *d, const uint8_t *event, size_t n, bool checked,
                      struct err *e)
{
    if (n < EVENT_HEADER_LEN + EVENT_CHECKSUM_LEN)
        return err_set(e, ERR_LOG_CHECKSUM, "%zu bytes have no room for a checksum", n);
    if (checked || !d->o.verify_checksum)
        return true;
    uint32_t want = wire_u32(event + n - EVENT_CHECKSUM_LEN);
    uint32_t have = decode_event_crc(event, n - EVENT_CHECKSUM_LEN);
    if (have == want)
        return true;
    return err_set(e, ERR_LOG_CHECKSUM, "checksum is %08x, computed %08x", want, have);
}

/* Format descriptions end in [algorithm u8, crc u32] when the server is of a version that knows
 * checksums. */
static bool check_format_crc(const struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    if (!d->checksum)
        return true;
    return check_crc(d, ev->raw, EVENT_HEADER_LEN + ev->n, false, e);
}

static bool is_artificial(const struct event *ev)
{
    return ev->flags & EVENT_ARTIFICIAL || ev->type == EV_HEARTBEAT ||
           ev->type == EV_HEARTBEAT_V2 || (ev->type == EV_ROTATE && ev->timestamp == 0);
}

static void set_positions(struct cdc_decoder *d, struct event *ev, uint32_t length,
                          uint32_t next_pos)
{
    ev->start_pos = ev->end_pos = d->file_pos;
    if (is_artificial(ev) || (ev->type == EV_FORMAT_DESCRIPTION && next_pos == 0))
        return; /* takes no room in the file */
    uint64_t end = d->file_pos + length;
    bool gap = !d->since.file[0];
    if (next_pos != 0 && (uint32_t)end != next_pos) {
        uint64_t jump = (d->file_pos & ~(uint64_t)UINT32_MAX) | next_pos;
        if (jump + INT32_MAX < d->file_pos)
            jump += (uint64_t)UINT32_MAX + 1;
        gap = gap || jump > end;
        end = jump >= end ? jump : end;
    }
    ev->end_pos = end;
    ev->start_pos = end - length;
    d->file_pos = end;
    if (gap) {
        memcpy(d->since.file, d->file, sizeof d->since.file);
        d->since.pos = ev->start_pos;
        d->since.begun = d->log.begun;
    }
}

static ERR_COLD bool where(const struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    return err_prepend(e, "%s:%llu → %s (type %u)", d->file[0] ? d->file : "log",
                       (unsigned long long)ev->start_pos, cdc_event_type_name(ev->type), ev->type);
}

static bool feed(struct cdc_decoder *d, const uint8_t *event, size_t n, bool checked,
                 struct piece *piece, struct err *e)
{
    if (n < EVENT_HEADER_LEN)
        return err_set(e, ERR_LOG_FORMAT, "%s:%llu: %zu bytes are less than an event's header",
                       d->file[0] ? d->file : "log", (unsigned long long)d->file_pos, n);
    const struct event_header head = event_header_read(event);
    struct event ev = event_of(event, n);
    ev.piece = piece;
    set_positions(d, &ev, head.length, head.next_pos);
    if (head.length != n) {
        err_set(e, ERR_LOG_FORMAT, "the header says %u bytes, the event has %zu", head.length, n);
        return where(d, &ev, e);
    }
    bool checksum = has_checksum(d, event, n);
    if (checksum && !check_crc(d, event, n, checked, e))
        return where(d, &ev, e);
    if (checksum)
        ev.n -= EVENT_CHECKSUM_LEN;
    if (!hold_or_dispatch(d, &ev, e))
        return where(d, &ev, e);
    if (ev.type == EV_FORMAT_DESCRIPTION && !check_format_crc(d, &ev, e))
        return where(d, &ev, e);
    return true;
}

static ERR_COLD bool die(struct cdc_decoder *d, const struct err *e)
{
    if (e != &d->failure)
        err_copy(&d->failure, e);
    d->failed = true;
    return false;
}

bool cdc_decoder_failed(const struct cdc_decoder *d, struct err *e)
{
    if (d->failed)
        err_copy(e, &d->failure);
    return d->failed;
}

/* Events that came in one piece, or earlier, and are decoded as batches are taken. */
static bool is_unpacking(const struct cdc_decoder *d)
{
    return d->payload || d->replay.log;
}

static bool unpack(struct cdc_decoder *d, struct err *e)
{
    return d->replay.log ? replay_continue(d, e) : payload_continue(d, e);
}

/* For a caller that did not take all. */
static ERR_COLD bool unpack_all(struct cdc_decoder *d, struct err *e)
{
    while (is_unpacking(d)) {
        if (!unpack(d, e))
            return false;
        if (decode_batch_full(d) && d->open)
            (void)decode_batch(d, d->o.batch_bytes);
    }
    return true;
}

bool cdc_decoder_feed_kept(struct cdc_decoder *d, const uint8_t *event, size_t n, bool checked,
                           struct piece *piece, struct err *e)
{
    struct err *to = e ? e : &d->failure;
    if (d->failed)
        return err_copy(e, &d->failure);
    if ((!is_unpacking(d) || unpack_all(d, to)) && feed(d, event, n, checked, piece, to))
        return true;
    return die(d, to);
}

bool cdc_decoder_feed(struct cdc_decoder *d, const uint8_t *event, size_t n, struct err *e)
{
    return cdc_decoder_feed_kept(d, event, n, false, NULL, e);
}

bool cdc_decoder_feed_many(struct cdc_decoder *d, struct cdc_events *events, struct err *e)
{
    while (events->n > 0) {
        size_t n;
        bool good;
        const uint8_t *event = cdc_events_pop(events, &n, &good);
        if (!cdc_decoder_feed_kept(d, event, n, good, events->piece, e))
            return false;
        if (cdc_decoder_has_batch(d))
            return true;
    }
    return true;
}

bool cdc_decoder_has_batch(const struct cdc_decoder *d)
{
    return decode_batch_full(d) || is_unpacking(d) || d->failed;
}

struct cdc_batch *cdc_decoder_take(struct cdc_decoder *d, bool flush)
{
    for (;;) {
        struct cdc_batch *b = decode_batch_pop(d, flush && !is_unpacking(d));
        if (b || !is_unpacking(d) || d->failed)
            return b;
        struct err e = ERR_INIT;
        if (!unpack(d, &e))
            die(d, &e);
    }
}
