/* cdc/decode_xa.c — XA transactions: what was prepared is held and published when its COMMIT comes.
 *
 * In the log: XA START (MariaDB: a GTID event that has the xid), rows, XA END, XA_PREPARE event as
 * one transaction; later, perhaps after many others and in another file, the statement XA COMMIT or
 * XA ROLLBACK as another. With one_phase set in the XA_PREPARE event that event is the commit. Held
 * are the raw table-map, row and text events; they run through the decoder again at the COMMIT, as
 * rows of its transaction. A COMMIT of something that was prepared before this decoder began is an
 * error: its rows lie behind us, and going on would lose them.
 */
#include "base/mem.h"
#include "cdc/decode_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <strings.h>

#define HELD_MAX ((size_t)256 * 1024 * 1024)

struct held {
    struct buf events; /* each: header and body as they came, the header's length mended for the
                          lost checksum */
};
struct xa_state {
    struct map *prepared; /* xid text → struct held */
    struct held *holding; /* between START and PREPARE */
    char *xid;
    size_t bytes; /* held in all */
};

static void held_free(void *p)
{
    struct held *h = p;
    if (!h)
        return;
    buf_fini(&h->events);
    free(h);
}

void xa_free(struct xa_state *xa)
{
    if (!xa)
        return;
    map_free(xa->prepared);
    held_free(xa->holding);
    free(xa->xid);
    free(xa);
}

bool xa_is_holding(const struct cdc_decoder *d)
{
    return d->xa && d->xa->holding;
}

static void drop_holding(struct xa_state *xa)
{
    if (xa->holding)
        xa->bytes -= xa->holding->events.len;
    held_free(xa->holding);
    xa->holding = NULL;
    free(xa->xid);
    xa->xid = NULL;
}

static bool is_held_type(uint8_t type)
{
    bool rows = (type >= EV_WRITE_ROWS_V1 && type <= EV_DELETE_ROWS_V1) ||
                (type >= EV_WRITE_ROWS && type <= EV_DELETE_ROWS) ||
                type == EV_PARTIAL_UPDATE_ROWS ||
                (type >= EV_WRITE_ROWS_COMPRESSED_V1 && type <= EV_PARTIAL_ROW_DATA);
    return rows || type == EV_TABLE_MAP || type == EV_ROWS_QUERY || type == EV_ANNOTATE_ROWS;
}

bool xa_hold(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    struct xa_state *xa = d->xa;
    bool gone = ev->type == EV_GTID || ev->type == EV_ANONYMOUS_GTID ||
                ev->type == EV_GTID_TAGGED || ev->type == EV_MARIADB_GTID ||
                ev->type == EV_FORMAT_DESCRIPTION;
    if (gone)
        drop_holding(xa); /* it was cut off */
    if (gone || !is_held_type(ev->type))
        return decode_dispatch(d, ev, e);
    size_t n = EVENT_HEADER_LEN + ev->n;
    if (xa->bytes + n > HELD_MAX)
        return err_set(e, ERR_LIMIT, "prepared XA transactions hold more than %zu MiB",
                       HELD_MAX >> 20);
    struct buf *b = &xa->holding->events;
    buf_put(b, ev->raw, n);
    uint32_t length = (uint32_t)n;
    memcpy(b->data + b->len - n + 9, &length, sizeof length);
    xa->bytes += n;
    return true;
}

/* The events of h as rows of the open transaction; positions are those of ev. */
static bool replay(struct cdc_decoder *d, const struct event *ev, const struct held *h,
                   struct err *e)
{
    struct wire w = wire_of(h->events.data, h->events.len);
    while (wire_left(&w) > 0) {
        const uint8_t *raw = w.p;
        uint32_t n = wire_u32(raw + 9);
        (void)wire_take(&w, n);
        assert(!w.failed && n >= EVENT_HEADER_LEN);
        struct event inner = {
            .timestamp = wire_u32(raw),
            .type = raw[4],
            .server_id = wire_u32(raw + 5),
            .flags = wire_u16(raw + 17),
            .inner = true,
            .raw = raw,
            .body = raw + EVENT_HEADER_LEN,
            .n = n - EVENT_HEADER_LEN,
            .start_pos = ev->start_pos,
            .end_pos = ev->end_pos,
        };
        if (!decode_dispatch(d, &inner, e))
            return err_prepend(e, "prepared %s", cdc_event_type_name(inner.type));
    }
    return true;
}

void xa_start(struct cdc_decoder *d, const char *xid, size_t n)
{
    if (!d->xa) {
        d->xa = mem_alloc(sizeof *d->xa);
        d->xa->prepared = map_new(held_free);
    }
    drop_holding(d->xa);
    d->xa->holding = mem_alloc(sizeof *d->xa->holding);
    d->xa->holding->events.max = HELD_MAX + 1;
    d->xa->xid = mem_strndup(xid, n);
}

static void empty_transaction(struct cdc_decoder *d, const struct event *ev)
{
    if (!d->tx.open)
        decode_begin(d, ev);
    decode_end(d, ev, CDC_COMMIT, false);
}

/* Takes the prepared transaction out; NULL if it is not ours. */
static struct held *take_prepared(struct cdc_decoder *d, const char *xid, size_t n)
{
    struct held *h = d->xa ? map_get(d->xa->prepared, xid, n) : NULL;
    if (!h)
        return NULL;
    struct held *taken = mem_alloc(sizeof *taken);
    *taken = *h;
    *h = (struct held){0};
    map_remove(d->xa->prepared, xid, n);
    d->xa->bytes -= taken->events.len;
    return taken;
}

static bool commit(struct cdc_decoder *d, const struct event *ev, const char *xid, size_t n,
                   struct err *e)
{
    struct held *h = take_prepared(d, xid, n);
    if (!h) {
        err_set(e, ERR_LOG_UNSUPPORTED,
                "XA COMMIT %.*s: it was prepared before the place where reading began",
                (int)(n > 200 ? 200 : n), xid);
        return err_cure(e, "begin at a position before its XA PREPARE, or copy the tables again");
    }
    if (!d->tx.open)
        decode_begin(d, ev);
    bool ok = replay(d, ev, h, e);
    held_free(h);
    if (ok)
        decode_end(d, ev, CDC_COMMIT, true);
    return ok;
}

/* The verb, then the xid as the server prints it: X'gtrid',X'bqual',format. */
bool xa_statement(struct cdc_decoder *d, const struct event *ev, const char *sql, size_t n,
                  struct err *e)
{
    static const char *const verbs[] = {"XA START ", "XA BEGIN ", "XA END ", "XA COMMIT ",
                                        "XA ROLLBACK "};
    size_t verb = 0, len = 0;
    for (; verb < sizeof verbs / sizeof *verbs; verb++) {
        len = strlen(verbs[verb]);
        if (n > len && strncasecmp(sql, verbs[verb], len) == 0)
            break;
    }
    const char *xid = sql + len;
    size_t xid_len = n - len;
    switch (verb) {
    case 0:
    case 1:
        xa_start(d, xid, xid_len);
        return true;
    case 2:
        return true;
    case 3:
        return commit(d, ev, xid, xid_len, e);
    case 4:
        held_free(take_prepared(d, xid, xid_len));
        empty_transaction(d, ev);
        return true;
    default:
        return err_set(e, ERR_LOG_UNSUPPORTED, "XA statement \"%.*s\"", n > 60 ? 60 : (int)n, sql);
    }
}

static bool commit_one_phase(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    struct held *h = d->xa->holding;
    d->xa->holding = NULL;
    d->xa->bytes -= h->events.len;
    if (!d->tx.open)
        decode_begin(d, ev);
    bool ok = replay(d, ev, h, e);
    held_free(h);
    if (ok)
        decode_end(d, ev, CDC_COMMIT, true);
    return ok;
}

bool decode_xa_prepare(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    if (ev->n < 1)
        return decode_short(ev, e);
    if (!xa_is_holding(d))
        return err_set(e, ERR_LOG_FORMAT, "XA_PREPARE without XA START");
    if (ev->body[0] != 0)
        return commit_one_phase(d, ev, e);
    map_put_str(d->xa->prepared, d->xa->xid, d->xa->holding);
    d->xa->holding = NULL;
    empty_transaction(d, ev);
    return true;
}
