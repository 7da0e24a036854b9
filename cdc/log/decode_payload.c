/* cdc/log/decode_payload.c — TRANSACTION_PAYLOAD: a compressed transaction, unpacked as batches are
 * taken.
 *
 * Body: TLVs of length-encoded type and length (1 payload size, 2 algorithm: 0 zstd, 255 none, 3
 * size unpacked, 0 end), then the payload: events with headers, without checksums, their positions
 * 0. The compressed bytes are kept; of the unpacked ones only a window and the event that is being
 * put together. Work stops as soon as a batch is full, and goes on when it was taken: memory is
 * bounded by the compressed event, one batch and the largest event inside.
 */
#include "base/mem.h"
#include "cdc/log/decode_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <zstd.h>

#define COMPRESSION_ZSTD 0u
#define COMPRESSION_NONE 255u
#define EVENT_MAX        ((size_t)2200 * 1024 * 1024)
#define WINDOW_BYTES     ((size_t)256 * 1024)

struct payload {
    struct buf compressed;
    ZSTD_DStream *stream; /* NULL: not compressed */
    size_t at;            /* consumed of `compressed` */
    uint64_t unpacked_left;
    struct buf window; /* unpacked, from window_at on not yet looked at */
    size_t window_at;
    bool frame_done;
    uint32_t timestamp, server_id;
    uint64_t start_pos, end_pos;
};

void payload_free(struct payload *p)
{
    if (!p)
        return;
    ZSTD_freeDStream(p->stream);
    buf_fini(&p->compressed);
    buf_fini(&p->window);
    free(p);
}

struct payload_head {
    uint64_t size, algorithm, unpacked;
};

static bool read_payload_head(struct wire *w, struct payload_head *h)
{
    *h = (struct payload_head){.size = UINT64_MAX, .algorithm = COMPRESSION_NONE};
    for (;;) {
        uint64_t type = wire_lenenc(w);
        if (type == 0 || w->failed)
            return !w->failed;
        struct wire v = wire_sub(w, wire_lenenc(w));
        uint64_t number = wire_left(&v) ? wire_lenenc(&v) : 0;
        if (v.failed && type <= 3)
            return false;
        if (type == 1)
            h->size = number;
        else if (type == 2)
            h->algorithm = number;
        else if (type == 3)
            h->unpacked = number;
    }
}

bool decode_payload(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    struct wire w = wire_of(ev->body, ev->n);
    struct payload_head h;
    if (!read_payload_head(&w, &h) || (h.size != UINT64_MAX && h.size != wire_left(&w)))
        return decode_short(ev, e);
    if (ev->inner)
        return err_set(e, ERR_LOG_FORMAT, "a transaction payload inside another");
    if (h.algorithm != COMPRESSION_ZSTD && h.algorithm != COMPRESSION_NONE)
        return err_set(e, ERR_LOG_UNSUPPORTED, "payload compression %llu",
                       (unsigned long long)h.algorithm);
    struct payload *p = mem_alloc(sizeof *p);
    p->compressed.max = p->window.max = EVENT_MAX;
    p->timestamp = ev->timestamp;
    p->server_id = ev->server_id;
    p->start_pos = ev->start_pos;
    p->end_pos = ev->end_pos;
    p->unpacked_left = h.algorithm == COMPRESSION_NONE ? wire_left(&w) : h.unpacked;
    buf_put(&p->compressed, w.p, wire_left(&w));
    if (h.algorithm == COMPRESSION_ZSTD) {
        p->stream = ZSTD_createDStream();
        if (!p->stream || ZSTD_isError(ZSTD_initDStream(p->stream))) {
            payload_free(p);
            return err_set(e, ERR_NO_MEMORY, "zstd stream");
        }
    }
    assert(!d->payload);
    d->payload = p;
    return true;
}

/* More unpacked bytes at the window's end; 0 at the payload's end. */
static bool unpack(struct payload *p, size_t *got, struct err *e)
{
    uint8_t *to = buf_reserve(&p->window, WINDOW_BYTES);
    if (!to)
        return err_set(e, ERR_LIMIT, "an event inside the payload is larger than %zu MiB",
                       EVENT_MAX >> 20);
    size_t left = p->compressed.len - p->at;
    if (!p->stream) {
        *got = left < WINDOW_BYTES ? left : WINDOW_BYTES;
        memcpy(to, p->compressed.data + p->at, *got);
        p->at += *got;
    } else {
        ZSTD_inBuffer in = {p->compressed.data, p->compressed.len, p->at};
        ZSTD_outBuffer out = {to, WINDOW_BYTES, 0};
        size_t rc = p->frame_done && left == 0 ? 0 : ZSTD_decompressStream(p->stream, &out, &in);
        if (ZSTD_isError(rc))
            return err_set(e, ERR_LOG_FORMAT, "the payload does not unpack: %s",
                           ZSTD_getErrorName(rc));
        p->frame_done = rc == 0;
        p->at = in.pos;
        *got = out.pos;
    }
    if (*got > p->unpacked_left)
        return err_set(e, ERR_LOG_FORMAT, "the payload holds more than it announces");
    p->unpacked_left -= *got;
    p->window.len += *got;
    return true;
}

/* At least n bytes behind window_at, or *n_have fewer at the payload's end. */
static bool fill(struct payload *p, size_t n, size_t *n_have, struct err *e)
{
    *n_have = p->window.len - p->window_at;
    if (*n_have >= n)
        return true;
    if (*n_have > 0)
        memmove(p->window.data, p->window.data + p->window_at, *n_have);
    p->window.len = *n_have;
    p->window_at = 0;
    while (*n_have < n) {
        size_t got = 0, at = p->at;
        if (!unpack(p, &got, e))
            return false;
        if (got == 0 && at == p->at)
            return true;
        *n_have += got;
    }
    return true;
}

static bool end_payload(struct cdc_decoder *d, size_t rest, struct err *e)
{
    struct payload *p = d->payload;
    bool whole = rest == 0 && p->unpacked_left == 0 && (!p->stream || p->frame_done);
    payload_free(p);
    d->payload = NULL;
    return whole || err_set(e, ERR_LOG_FORMAT, "the payload ends inside an event");
}

static bool next_event(struct cdc_decoder *d, struct err *e)
{
    struct payload *p = d->payload;
    size_t have;
    if (!fill(p, EVENT_HEADER_LEN, &have, e))
        return false;
    if (have < EVENT_HEADER_LEN)
        return end_payload(d, have, e);
    uint32_t length = event_header_read(p->window.data + p->window_at).length;
    if (length < EVENT_HEADER_LEN || length > have + p->unpacked_left)
        return err_set(e, ERR_LOG_FORMAT, "an event of %u bytes inside the payload", length);
    if (!fill(p, length, &have, e))
        return false;
    if (have < length)
        return end_payload(d, have, e);
    const uint8_t *raw = p->window.data + p->window_at;
    struct event ev = event_of(raw, length);
    ev.inner = ev.packed = true;
    ev.start_pos = p->start_pos;
    ev.end_pos = p->end_pos;
    if (ev.type == EV_FORMAT_DESCRIPTION || ev.type == EV_ROTATE ||
        ev.type == EV_TRANSACTION_PAYLOAD)
        return err_set(e, ERR_LOG_FORMAT, "an event of type %u inside a payload", ev.type);
    bool ok = hold_or_dispatch(d, &ev, e);
    p->window_at += length;
    return ok || err_prepend(e, "payload → %s", cdc_event_type_name(ev.type));
}

bool payload_continue(struct cdc_decoder *d, struct err *e)
{
    bool ok = true;
    do {
        ok = next_event(d, e);
    } while (ok && d->payload && !d->replay.log && !decode_batch_full(d));
    if (!ok) {
        struct event at = {.type = EV_TRANSACTION_PAYLOAD,
                           .start_pos = d->payload ? d->payload->start_pos : 0};
        payload_free(d->payload);
        d->payload = NULL;
        err_prepend(e, "%s:%llu", d->file[0] ? d->file : "log", (unsigned long long)at.start_pos);
    }
    return ok;
}
