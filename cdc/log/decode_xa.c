/* cdc/log/decode_xa.c — XA transactions: what was prepared is held and published when its COMMIT
 * comes.
 *
 * In the log: XA START (MariaDB: a GTID event that has the xid), rows, XA END, XA_PREPARE event as
 * one transaction; later, perhaps after many others and in another file, the statement XA COMMIT or
 * XA ROLLBACK as another. With one_phase set in the XA_PREPARE event that event is the commit. The
 * events run through the decoder at the COMMIT, as rows of its transaction (decode_hold.c). What
 * was prepared before this decoder began is asked of its owner, who may find it by reading the log
 * before that place; where nobody has it, the COMMIT is an error, because going on would lose rows.
 */
#include "base/mem.h"
#include "cdc/log/decode_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <strings.h>

struct xa_state {
    struct map *prepared; /* xid text → struct held_log */
    char *xid;            /* between START and PREPARE, else NULL */
};

void xa_free(struct xa_state *xa)
{
    if (!xa)
        return;
    map_free(xa->prepared);
    free(xa->xid);
    free(xa);
}

static bool is_between_start_and_prepare(const struct cdc_decoder *d)
{
    return d->xa && d->xa->xid;
}

static void forget_xid(struct xa_state *xa)
{
    free(xa->xid);
    xa->xid = NULL;
}

void xa_cut_off(struct cdc_decoder *d)
{
    if (!is_between_start_and_prepare(d))
        return;
    forget_xid(d->xa);
    hold_drop(d);
}

void xa_start(struct cdc_decoder *d, const char *xid, size_t n)
{
    if (!d->xa) {
        d->xa = mem_alloc(sizeof *d->xa);
        d->xa->prepared = map_new(held_free);
    }
    forget_xid(d->xa);
    hold_drop(d);
    d->holding = held_new(d);
    d->xa->xid = mem_strndup(xid, n);
}

static void empty_transaction(struct cdc_decoder *d, const struct event *ev)
{
    if (!d->tx.open)
        decode_begin(d, ev);
    decode_end(d, ev, CDC_COMMIT, false);
}

/* Takes the prepared transaction out; NULL if it is not ours. */
static struct held_log *take_prepared(struct cdc_decoder *d, const char *xid, size_t n)
{
    return d->xa ? map_take(d->xa->prepared, xid, n) : NULL;
}

struct cdc_prepared *cdc_decoder_take_prepared(struct cdc_decoder *d, const char *xid, size_t n)
{
    return (struct cdc_prepared *)take_prepared(d, xid, n);
}

void cdc_decoder_each_prepared(const struct cdc_decoder *d, cdc_left_fn fn, void *ctx)
{
    const void *xid;
    size_t it = 0, n;
    void *value;
    while (d->xa && map_next(d->xa->prepared, &it, &xid, &n, &value)) {
        uint64_t pos;
        const char *file = held_place(value, &pos);
        fn(ctx, xid, n, file, pos);
    }
}

/* From before this decoder's first event. */
static struct held_log *find_prepared(struct cdc_decoder *d, const struct event *ev,
                                      const char *xid, size_t n, struct err *e)
{
    if (d->o.prepared) {
        struct log_span seen = decode_span(d, ev);
        /* cppcheck-suppress returnDanglingLifetime ; the span is used during the call alone */
        return (struct held_log *)d->o.prepared(d->o.prepared_ctx, &seen, xid, n, e);
    }
    err_set(e, ERR_LOG_UNSUPPORTED,
            "XA COMMIT %.*s: it was prepared before the place where reading began",
            (int)(n > 200 ? 200 : n), xid);
    err_cure(e, "begin at a position before its XA PREPARE, or copy the tables again");
    return NULL;
}

static bool commit(struct cdc_decoder *d, const struct event *ev, const char *xid, size_t n,
                   struct err *e)
{
    struct held_log *h = take_prepared(d, xid, n);
    if (!h)
        h = find_prepared(d, ev, xid, n, e);
    if (!h)
        return false;
    if (!d->tx.open)
        decode_begin(d, ev);
    hold_replay(d, ev, h, true);
    return true;
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

bool decode_xa_prepare(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    if (ev->n < 1)
        return decode_short(ev, e);
    if (!is_between_start_and_prepare(d))
        return err_set(e, ERR_LOG_FORMAT, "XA_PREPARE without XA START");
    struct held_log *h = d->holding;
    d->holding = NULL;
    if (ev->body[0] == 0) {
        map_put_str(d->xa->prepared, d->xa->xid, h);
        empty_transaction(d, ev);
    } else {
        if (!d->tx.open)
            decode_begin(d, ev);
        hold_replay(d, ev, h, true);
    }
    forget_xid(d->xa);
    return true;
}
