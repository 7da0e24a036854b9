/* cdc/log/decode_gtid.c — GTID events: they announce a transaction; and the sets at the head of a
 * file.
 *
 * MySQL 33/34: 5.6 stops after gno, 5.7 after sequence_number. 42:
 * mysql::serialization, fields by id in ascending order. MariaDB 162: MDB gtid_event.md; the tail
 * is read by length. Invariant: the position's GTID set is only used once it is known to be
 * complete (given at the start, or read from the head of a file while it was unknown).
 */
#include "cdc/log/decode_internal.h"

#include <assert.h>

/* A new transaction is announced; what was open before it never ended. */
static struct transaction *announce(struct cdc_decoder *d, const struct event *ev)
{
    decode_cut_off(d, ev);
    struct transaction *tx = &d->tx;
    tx->announced = true;
    tx->standalone = tx->undecided = false;
    tx->gtid = (struct gtid){0};
    tx->commit_us = tx->original_commit_us = 0;
    tx->start_pos = ev->start_pos;
    tx->timestamp = ev->timestamp;
    tx->server_id = ev->server_id;
    tx->thread_known = false;
    return tx;
}

/* [last_committed, sequence_number, immediate and original commit time]: later versions have more.
 */
static void read_times(struct transaction *tx, struct wire *w)
{
    if (wire_left(w) < 1 + 16 + 7 || wire_get(w, 1) != 2)
        return;
    (void)wire_take(w, 16);
    uint64_t immediate = wire_get(w, 7);
    const uint64_t has_original = (uint64_t)1 << 55;
    tx->commit_us = immediate & ~has_original;
    tx->original_commit_us = immediate & has_original ? wire_get(w, 7) : tx->commit_us;
}

bool decode_gtid(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    struct wire w = wire_of(ev->body, ev->n);
    (void)wire_get(&w, 1);
    const uint8_t *uuid = wire_take(&w, 16);
    uint64_t gno = wire_get(&w, 8);
    if (w.failed)
        return decode_short(ev, e);
    struct transaction *tx = announce(d, ev);
    if (ev->type == EV_GTID) {
        if (gno == 0 || gno > INT64_MAX - 1)
            return err_set(e, ERR_LOG_FORMAT, "transaction number %llu", (unsigned long long)gno);
        tx->gtid.flavor = GTID_FLAVOR_MYSQL;
        memcpy(tx->gtid.uuid, uuid, 16);
        tx->gtid.seq = gno;
    }
    read_times(tx, &w);
    return w.failed ? decode_short(ev, e) : true;
}

/* k trailing one bits in the first byte: k+1 bytes, the value above those k+1 bits. */
static uint64_t get_varint(struct wire *w)
{
    if (wire_left(w) == 0) {
        w->failed = true;
        return 0;
    }
    unsigned extra = (unsigned)__builtin_ctz(~(unsigned)*w->p);
    if (extra >= 8) {
        (void)wire_take(w, 1);
        return wire_get(w, 8);
    }
    uint64_t word = wire_get(w, extra + 1);
    return word >> (extra + 1);
}

static int64_t get_signed_varint(struct wire *w)
{
    uint64_t v = get_varint(w);
    int64_t rest = (int64_t)(v >> 1);
    return v & 1 ? -1 - rest : rest;
}

enum {
    TAGGED_FLAGS,
    TAGGED_UUID,
    TAGGED_GNO,
    TAGGED_TAG,
    TAGGED_LAST_COMMITTED,
    TAGGED_SEQUENCE,
    TAGGED_IMMEDIATE,
    TAGGED_ORIGINAL,
    TAGGED_LENGTH,
    TAGGED_VERSION,
    TAGGED_ORIGINAL_VERSION,
    TAGGED_TICKET
};

static void read_uuid(struct gtid *g, struct wire *w)
{
    for (unsigned i = 0; i < 16; i++) {
        uint64_t byte = get_varint(w);
        w->failed = w->failed || byte > UINT8_MAX;
        g->uuid[i] = (uint8_t)byte;
    }
}

static void read_tag(struct gtid *g, struct wire *w)
{
    uint64_t n = get_varint(w);
    const uint8_t *text = n < sizeof g->tag ? wire_take(w, n) : NULL;
    w->failed = w->failed || !text;
    for (uint64_t i = 0; text && i < n; i++) {
        uint8_t c = text[i];
        bool letter = (c >= 'a' && c <= 'z') || c == '_';
        w->failed = w->failed || !(letter || (i > 0 && c >= '0' && c <= '9'));
        g->tag[i] = (char)c;
    }
}

static bool read_tagged_field(struct transaction *tx, uint64_t id, struct wire *w)
{
    switch (id) {
    case TAGGED_UUID:
        read_uuid(&tx->gtid, w);
        return true;
    case TAGGED_GNO:
        tx->gtid.seq = (uint64_t)get_signed_varint(w);
        return true;
    case TAGGED_TAG:
        read_tag(&tx->gtid, w);
        return true;
    case TAGGED_IMMEDIATE:
        tx->commit_us = tx->original_commit_us = get_varint(w);
        return true;
    case TAGGED_ORIGINAL:
        tx->original_commit_us = get_varint(w);
        return true;
    case TAGGED_FLAGS:
    case TAGGED_LAST_COMMITTED:
    case TAGGED_SEQUENCE:
    case TAGGED_LENGTH:
    case TAGGED_VERSION:
    case TAGGED_ORIGINAL_VERSION:
    case TAGGED_TICKET:
        (void)get_varint(w);
        return true;
    default: /* a field of a later version; all fields behind it are later ones too */
        return false;
    }
}

/* The format's version and the fields, whose end becomes the cursor's. */
static bool read_tagged_head(struct wire *w, uint64_t *version, uint64_t *last_needed)
{
    const uint8_t *begin = w->p;
    *version = get_varint(w);
    uint64_t size = get_varint(w);
    *last_needed = get_varint(w);
    if (w->failed || size > (size_t)(w->end - begin) || size < (size_t)(w->p - begin))
        return false;
    w->end = begin + size;
    return true;
}

static bool read_tagged_fields(struct transaction *tx, struct wire *w)
{
    tx->gtid.flavor = GTID_FLAVOR_MYSQL;
    while (wire_left(w) > 0 && !w->failed) {
        if (!read_tagged_field(tx, get_varint(w), w))
            break;
    }
    return !w->failed;
}

bool decode_tagged_gtid(struct wire *w, struct gtid *out)
{
    uint64_t version, last_needed;
    struct transaction tx = {.gtid = {.flavor = GTID_FLAVOR_NONE}};
    bool ok = read_tagged_head(w, &version, &last_needed) && read_tagged_fields(&tx, w);
    *out = tx.gtid;
    return ok;
}

bool decode_gtid_tagged(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    struct wire w = wire_of(ev->body, ev->n);
    uint64_t version, last_needed;
    if (!read_tagged_head(&w, &version, &last_needed))
        return decode_short(ev, e);
    if (version != 1 || last_needed > TAGGED_TICKET + 1)
        return err_set(e, ERR_LOG_UNSUPPORTED, "tagged GTID format %llu needs field %llu",
                       (unsigned long long)version, (unsigned long long)last_needed);
    struct transaction *tx = announce(d, ev);
    if (!read_tagged_fields(tx, &w))
        return decode_short(ev, e);
    if (tx->gtid.seq == 0 || tx->gtid.seq > INT64_MAX - 1)
        return err_set(e, ERR_LOG_FORMAT, "transaction number %llu",
                       (unsigned long long)tx->gtid.seq);
    return true;
}

/* Where the event's tail has them: format, lengths, gtrid and bqual. As XA COMMIT spells it. */
static void read_xid(struct wire *w, struct buf *text)
{
    uint32_t format = (uint32_t)wire_get(w, 4);
    size_t gtrid_len = (size_t)wire_get(w, 1), bqual_len = (size_t)wire_get(w, 1);
    const uint8_t *xid = wire_take(w, gtrid_len + bqual_len);
    if (w->failed)
        return;
    buf_put_str(text, "X'");
    buf_put_hex(text, xid, gtrid_len);
    buf_put_str(text, "',X'");
    buf_put_hex(text, xid + gtrid_len, bqual_len);
    buf_printf(text, "',%u", format);
}

unsigned decode_gtid_tail(struct wire *w, unsigned flags, struct buf *xid)
{
    if (flags & MARIADB_GTID_COMMIT_ID)
        (void)wire_get(w, 8);
    if (flags & (MARIADB_GTID_PREPARED_XA | MARIADB_GTID_COMPLETED_XA))
        read_xid(w, xid);
    return wire_left(w) > 0 ? (unsigned)wire_get(w, 1) : 0;
}

/* A two-phase ALTER (binlog_alter_two_phase) stands in the log as two transactions, each with the
 * whole statement: START ALTER when it begins, so that replicas begin too, then COMMIT ALTER or
 * ROLLBACK ALTER. It is in force from its COMMIT on, and whoever begins to read between the two
 * finds the text there; so the other two are passed over. */
static bool is_undecided(unsigned extra)
{
    return extra & (MARIADB_EXTRA_START_ALTER | MARIADB_EXTRA_ROLLBACK_ALTER);
}

bool decode_gtid_mariadb(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    struct buf xid CLEANUP(buf_fini) = BUF_INIT;
    struct wire w = wire_of(ev->body, ev->n);
    uint64_t seq = wire_get(&w, 8);
    uint32_t domain = (uint32_t)wire_get(&w, 4);
    unsigned flags = (unsigned)wire_get(&w, 1);
    if (w.failed)
        return decode_short(ev, e);
    struct transaction *tx = announce(d, ev);
    tx->gtid = (struct gtid){
        .flavor = GTID_FLAVOR_MARIADB, .domain_id = domain, .server_id = ev->server_id, .seq = seq};
    tx->commit_us = tx->original_commit_us = (uint64_t)ev->timestamp * 1000000;
    tx->standalone = flags & MARIADB_GTID_STANDALONE;
    tx->undecided = is_undecided(decode_gtid_tail(&w, flags, &xid));
    if (w.failed)
        return decode_short(ev, e);
    if (!tx->standalone)
        decode_begin(d, ev);              /* other groups have no BEGIN of their own */
    if (flags & MARIADB_GTID_PREPARED_XA) /* its content follows */
        xa_start(d, buf_str(&xid), xid.len);
    return true;
}

static void adopt_gtids(struct cdc_decoder *d, struct gtid_set *set)
{
    assert(!d->gtids_known);
    gtid_set_free(d->pos.gtids);
    d->pos.gtids = set;
    d->gtids_known = true;
    if (d->open && d->open->n_changes == 0)
        position_copy(&d->open->start, &d->pos);
}

/* Complete only where nothing was left out before: between transactions, as the file's head is. */
static bool wants_gtids(const struct cdc_decoder *d, const struct event *ev)
{
    return !d->gtids_known && !d->tx.open && !d->tx.announced && !(ev->flags & EVENT_ARTIFICIAL);
}

bool decode_previous_gtids(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    struct gtid_set *set = gtid_set_decode(ev->body, ev->n, e);
    if (!set)
        return false;
    if (wants_gtids(d, ev))
        adopt_gtids(d, set);
    else
        gtid_set_free(set);
    return true;
}

bool decode_gtid_list(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    struct wire w = wire_of(ev->body, ev->n);
    uint64_t count = wire_get(&w, 4) & 0x0fffffff;
    if (w.failed || count * 16 > wire_left(&w))
        return decode_short(ev, e);
    if (!wants_gtids(d, ev))
        return true;
    struct gtid_set *set = gtid_set_new(GTID_FLAVOR_MARIADB);
    for (uint64_t i = 0; i < count; i++) {
        struct gtid g = {.flavor = GTID_FLAVOR_MARIADB};
        g.domain_id = (uint32_t)wire_get(&w, 4);
        g.server_id = (uint32_t)wire_get(&w, 4);
        g.seq = wire_get(&w, 8);
        gtid_set_add(set, &g);
    }
    adopt_gtids(d, set);
    return true;
}
