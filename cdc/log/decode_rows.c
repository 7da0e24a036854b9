/* cdc/log/decode_rows.c — row events of every kind into ROWS changes.
 *
 * v1, v2 and partial updates, MariaDB's compressed ones and fragments. Bitmaps and images are
 * checked where they lie in the event. Then the batch holds the piece that they were received in,
 * if they are a fair part of it, else they are copied into it. Invariants:
 *   1. A ROWS change is only added after cdc_rows_validate passed: its walks cannot fail.
 *   2. `seq` counts every row of the transaction, also those of tables that are not wanted.
 */
#include "base/mem.h"
#include "cdc/log/decode_internal.h"
#include "cdc/log/row_plan.h"

#include <assert.h>
#include <stdlib.h>
#include <zlib.h>

#define INFLATE_RATIO_MAX 1100u /* deflate cannot expand more */
#define FRAGMENTS_MAX     ((uint64_t)2200 * 1024 * 1024)
#define HOLD_MIN_BYTES    1024u /* a copy of less costs less than a reference */
#define HOLD_MAX_RATIO    256u

struct rows_kind {
    enum cdc_op op;
    bool v2, compressed, partial;
};

static struct rows_kind kind_of(uint8_t type)
{
    struct rows_kind k = {.partial = type == EV_PARTIAL_UPDATE_ROWS};
    k.compressed = type >= EV_WRITE_ROWS_COMPRESSED_V1;
    k.v2 = type >= EV_WRITE_ROWS && !(k.compressed && type <= EV_DELETE_ROWS_COMPRESSED_V1);
    unsigned base = k.partial      ? EV_UPDATE_ROWS - 1u
                    : k.compressed ? (k.v2 ? EV_WRITE_ROWS_COMPRESSED : EV_WRITE_ROWS_COMPRESSED_V1)
                    : k.v2         ? EV_WRITE_ROWS
                                   : EV_WRITE_ROWS_V1;
    static const enum cdc_op ops[3] = {CDC_OP_INSERT, CDC_OP_UPDATE, CDC_OP_DELETE};
    k.op = k.partial ? CDC_OP_UPDATE : ops[(type - base) % 3];
    return k;
}

/* Table ids had 4 bytes in the first 5.1 versions, whose post-header was 6 bytes long. */
size_t decode_table_id_len(const struct cdc_decoder *d, uint8_t type)
{
    return d->post_header_len[type] == 6 ? 4 : 6;
}

/* Algorithm and length of length, the length itself, the data. */
bool decode_inflate_block(struct wire *w, struct buf *out, struct err *e)
{
    unsigned head = (unsigned)wire_get(w, 1);
    size_t n_len = head & 7;
    const uint8_t *len_bytes = wire_take(w, n_len);
    if (w->failed || n_len == 0 || n_len > 4)
        return err_set(e, ERR_LOG_FORMAT, "a compressed block's head is not well-formed");
    if ((head & 0xf0) != 0x80)
        return err_set(e, ERR_LOG_UNSUPPORTED, "compression algorithm %u", head >> 4 & 7);
    uint64_t len = wire_be(len_bytes, n_len);
    if (len > (uint64_t)(wire_left(w) + 64) * INFLATE_RATIO_MAX)
        return err_set(e, ERR_LOG_FORMAT, "a compressed block claims %llu bytes out of %zu",
                       (unsigned long long)len, wire_left(w));
    uint8_t *to = buf_reserve(out, (size_t)len);
    if (!to)
        return err_set(e, ERR_LIMIT, "a compressed block of %llu bytes", (unsigned long long)len);
    uLongf got = (uLongf)len;
    int rc = uncompress(to, &got, w->p, (uLong)wire_left(w));
    if (rc != Z_OK || got != len)
        return err_set(e, ERR_LOG_FORMAT, "a compressed block does not unpack (zlib %d)", rc);
    out->len += (size_t)len;
    out->data[out->len] = 0;
    w->p = w->end;
    return true;
}

static bool skip_extra(struct wire *w)
{
    uint64_t len = wire_get(w, 2);
    if (len < 2)
        w->failed = true;
    else
        (void)wire_take(w, len - 2);
    return !w->failed;
}

static bool read_head(const struct cdc_decoder *d, const struct event *ev, struct rows_kind k,
                      struct wire *w, struct rows_head *h, struct err *e)
{
    h->table_id = wire_get(w, decode_table_id_len(d, ev->type));
    h->flags = (uint16_t)wire_get(w, 2);
    if (k.v2 && !skip_extra(w))
        return decode_short(ev, e);
    uint64_t n = wire_lenenc(w);
    if (w->failed || n > 65535)
        return decode_short(ev, e);
    h->n_columns = (uint32_t)n;
    h->bitmaps_len = (size_t)(n + 7) / 8 * (k.op == CDC_OP_UPDATE ? 2 : 1);
    h->bitmaps = wire_take(w, h->bitmaps_len);
    return w->failed ? decode_short(ev, e) : true;
}

static void set_bitmaps(struct cdc_rows *rows, const uint8_t *bitmaps)
{
    size_t one = (rows->n_columns + 7) / 8;
    if (rows->op != CDC_OP_INSERT) {
        rows->present_before = bitmaps;
        bitmaps += one;
    }
    if (rows->op != CDC_OP_DELETE)
        rows->present_after = bitmaps;
}

static void add_change(struct cdc_decoder *d, const struct event *ev, const struct cdc_rows *rows,
                       bool skippable)
{
    struct cdc_change *c = cdc_batch_add(d->open, CDC_ROWS);
    c->server_id = ev->server_id;
    c->timestamp = ev->timestamp;
    c->log_pos = ev->start_pos;
    decode_set_file(d, c);
    c->skippable = skippable;
    c->rows = *rows;
    if (ev->held_file) {
        if (!d->open_held)
            d->open_held = arena_strndup(&d->open->arena, ev->held_file, POSITION_FILE_MAX);
        c->rows.held_file = d->open_held;
        c->rows.held_pos = ev->held_pos;
    }
    cdc_position_advance(&d->pos, c);
}

/* The rows delivered before go into a change of their own, so that readers can drop it whole. */
static void add_split(struct cdc_decoder *d, const struct event *ev, const struct cdc_rows *rows,
                      uint32_t n_first)
{
    struct cdc_rows_iter it;
    struct err e;
    cdc_rows_begin(&it, rows);
    while (it.next < n_first) {
        enum cdc_rows_result r = cdc_rows_next(&it, NULL, NULL, &e);
        assert(r == CDC_ROWS_ROW);
        (void)r;
    }
    struct cdc_rows first = *rows, rest = *rows;
    first.images_len = (size_t)(it.at - rows->images);
    first.n_rows = n_first;
    rest.images = it.at;
    rest.images_len = rows->images_len - first.images_len;
    rest.n_rows = rows->n_rows - n_first;
    rest.first_seq += n_first;
    rest.first_row += n_first;
    add_change(d, ev, &first, true);
    add_change(d, ev, &rest, false);
}

/* Column number of the journal's document: "val", else the last. */
static size_t journal_column(const struct schema_table *t)
{
    int c = schema_table_column(t, "val");
    return c >= 0 ? (size_t)c : t->n_columns - 1;
}

static bool add_journal(struct cdc_decoder *d, const struct event *ev, const struct cdc_value *v,
                        struct err *e)
{
    struct buf text CLEANUP(buf_fini) = BUF_INIT;
    if (v->absent || v->null)
        return true;
    if (v->column->type == SCHEMA_TYPE_JSON ? !cdc_value_json(v, &text, e)
                                            : !cdc_value_bytes(v, &text, e))
        return false;
    struct cdc_change *c = cdc_batch_add(d->open, CDC_JOURNAL);
    c->server_id = ev->server_id;
    c->timestamp = ev->timestamp;
    c->log_pos = ev->start_pos;
    decode_set_file(d, c);
    char *json = arena_alloc(&d->open->arena, text.len + 1);
    memcpy(json, buf_str(&text), text.len + 1);
    c->journal.json = json;
    c->journal.n = text.len;
    return true;
}

static bool add_journals(struct cdc_decoder *d, const struct event *ev, const struct cdc_rows *rows,
                         struct err *e)
{
    struct cdc_rows_iter it;
    struct cdc_row *after = cdc_row_new(rows->n_columns);
    size_t column = journal_column(rows->table);
    bool ok = true;
    cdc_rows_begin(&it, rows);
    while (ok && cdc_rows_next(&it, NULL, after, e) == CDC_ROWS_ROW)
        ok = add_journal(d, ev, &after->values[column], e);
    cdc_row_free(after);
    return ok;
}

/* Few bytes must not keep much memory in use. */
static bool is_worth_holding(const struct cdc_batch *b, const struct piece *p, size_t n)
{
    return cdc_batch_holds_piece(b, p) || (n >= HOLD_MIN_BYTES && n >= p->cap / HOLD_MAX_RATIO);
}

static void copy_bytes(struct cdc_batch *b, struct cdc_rows *rows, const struct rows_head *h)
{
    assert(h->bitmaps_len > 0); /* a table has a column */
    uint8_t *to = arena_alloc(&b->arena, h->bitmaps_len + rows->images_len);
    memcpy(to, h->bitmaps, h->bitmaps_len);
    if (rows->images_len)
        memcpy(to + h->bitmaps_len, rows->images, rows->images_len);
    rows->images = to + h->bitmaps_len;
    set_bitmaps(rows, to);
}

/* Bitmaps and images into the batch; the statement's text too if the batch is a new one. piece:
 * they lie in it, or NULL. */
static void keep_bytes(struct cdc_decoder *d, struct cdc_rows *rows, const struct rows_head *h,
                       struct piece *piece)
{
    size_t n = h->bitmaps_len + rows->images_len;
    const char *query = d->tx.query;
    struct cdc_batch *b = decode_batch(d, n + sizeof(struct cdc_change));
    if (query && !d->tx.query)
        d->tx.query =
            arena_strndup(&b->arena, query, strlen(query)); /* the old batch is still ours */
    rows->query = d->tx.query;
    if (piece && is_worth_holding(b, piece, n))
        cdc_batch_hold_piece(b, piece, n);
    else
        copy_bytes(b, rows, h);
    cdc_batch_hold_table(b, rows->table);
}

bool decode_publish_rows(struct cdc_decoder *d, const struct event *ev,
                         const struct table_entry *entry, const struct rows_head *h,
                         struct cdc_rows *rows, struct err *e)
{
    keep_bytes(d, rows, h, h->unpacked ? NULL : ev->piece);
    if (entry->journal && rows->op == CDC_OP_INSERT && !add_journals(d, ev, rows, e))
        return false;
    uint64_t end = (uint64_t)rows->first_seq + rows->n_rows;
    if (d->resume_seq > rows->first_seq && d->resume_seq < end)
        add_split(d, ev, rows, (uint32_t)(d->resume_seq - rows->first_seq));
    else
        add_change(d, ev, rows, d->resume_seq >= end);
    return true;
}

static bool take_rows(struct cdc_decoder *d, const struct event *ev,
                      const struct table_entry *entry, const struct rows_head *h,
                      struct cdc_rows *rows, struct err *e)
{
    rows->table = entry->table;
    rows->n_columns = h->n_columns;
    rows->flags = h->flags;
    rows->first_seq = d->tx.seq;
    rows->first_row = ev->packed ? d->tx.seq : 0;
    set_bitmaps(rows, h->bitmaps);
    if (rows->n_columns != schema_table_width(entry->table))
        return err_set(e, ERR_LOG_FORMAT, "%s.%s: %u columns in the rows, %zu in the table map",
                       entry->table->db, entry->table->name, rows->n_columns,
                       schema_table_width(entry->table));
    if (!entry->wanted && !row_plan_of(entry->table)->all_supported)
        return true; /* cannot be counted; the same each time it is read */
    if (!cdc_rows_validate(rows, e))
        return false;
    if (UINT32_MAX - d->tx.seq < rows->n_rows)
        return err_set(e, ERR_LIMIT, "more than %u rows in one transaction", UINT32_MAX);
    bool history = entry->table->keeps_history;
    if (entry->wanted && rows->n_rows > 0 &&
        !(history ? decode_publish_current : decode_publish_rows)(d, ev, entry, h, rows, e))
        return false;
    if (entry->table->sequence)
        d->stats.skipped_sequence_rows += rows->n_rows;
    d->tx.seq += rows->n_rows;
    d->stats.rows += rows->n_rows;
    return true;
}

static void end_statement(struct cdc_decoder *d, const struct event *ev)
{
    d->tx.query = NULL;
    if (d->tx.open && d->tx.implicit)
        decode_end(d, ev, CDC_COMMIT, false);
}

static void ensure_transaction(struct cdc_decoder *d, const struct event *ev)
{
    if (d->tx.open)
        return;
    const char *query = d->tx.query;
    decode_begin(d, ev);
    d->tx.query = query;
    d->tx.implicit = true;
}

static bool decode_images(struct cdc_decoder *d, const struct event *ev, struct rows_kind k,
                          struct wire *w, struct rows_head *h, struct err *e)
{
    const struct table_entry *entry = table_cache_find(&d->tables, h->table_id);
    if (!entry)
        return err_set(e, ERR_LOG_FORMAT, "rows of table id %llu without a table map",
                       (unsigned long long)h->table_id);
    ensure_transaction(d, ev);
    struct cdc_rows rows = {.op = k.op, .partial_json = k.partial};
    struct buf unpacked CLEANUP(buf_fini) = BUF_INIT;
    if (k.compressed) {
        if (!decode_inflate_block(w, &unpacked, e))
            return err_prepend(e, "%s.%s", entry->table->db, entry->table->name);
        h->unpacked = true;
        rows.images = unpacked.data;
        rows.images_len = unpacked.len;
    } else {
        rows.images = w->p;
        rows.images_len = wire_left(w);
    }
    return take_rows(d, ev, entry, h, &rows, e);
}

/* The dummy that ends a statement and holds nothing: the servers write an id of all ones, in 24, 32
 * or 48 bits, without a table map and without images. A counter of tables that reaches one of these
 * numbers gives a real table: its map is known, so that its rows are rows. */
static bool is_dummy(const struct cdc_decoder *d, const struct rows_head *h, const struct wire *w)
{
    bool all_ones =
        h->table_id == 0xffffff || h->table_id == UINT32_MAX || h->table_id == 0xffffffffffff;
    return all_ones && h->flags & CDC_ROWS_STMT_END && wire_left(w) == 0 &&
           !table_cache_find(&d->tables, h->table_id);
}

bool decode_rows(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    struct rows_kind k = kind_of(ev->type);
    struct wire w = wire_of(ev->body, ev->n);
    struct rows_head h = {0};
    if (!read_head(d, ev, k, &w, &h, e))
        return false;
    if (!is_dummy(d, &h, &w) && !decode_images(d, ev, k, &w, &h, e))
        return false;
    if (h.flags & CDC_ROWS_STMT_END)
        end_statement(d, ev);
    return true;
}

static bool start_fragments(struct cdc_decoder *d, struct wire *w, uint32_t total, struct err *e)
{
    d->fragments_size = wire_get(w, 8);
    d->fragments_total = total;
    d->fragments_next = 1;
    buf_reset(&d->fragments);
    if (w->failed || d->fragments_size > FRAGMENTS_MAX)
        return err_set(e, ERR_LOG_FORMAT, "a row event in fragments of %llu bytes",
                       (unsigned long long)d->fragments_size);
    return true;
}

/* The joined event: its own header, no checksum. */
static bool dispatch_joined(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    const struct buf *b = &d->fragments;
    if (b->len < EVENT_HEADER_LEN || b->len != d->fragments_size)
        return err_set(e, ERR_LOG_FORMAT, "fragments of %zu bytes, %llu were announced", b->len,
                       (unsigned long long)d->fragments_size);
    const struct event joined = event_of(b->data, b->len);
    struct event inner = *ev;
    inner.type = joined.type;
    inner.flags = joined.flags;
    inner.inner = true;
    inner.piece = NULL;
    inner.raw = joined.raw;
    inner.body = joined.body;
    inner.n = joined.n;
    bool rows =
        (inner.type >= EV_WRITE_ROWS_V1 && inner.type <= EV_DELETE_ROWS_V1) ||
        (inner.type >= EV_WRITE_ROWS && inner.type <= EV_DELETE_ROWS) ||
        (inner.type >= EV_WRITE_ROWS_COMPRESSED_V1 && inner.type <= EV_DELETE_ROWS_COMPRESSED);
    if (!rows)
        return err_set(e, ERR_LOG_FORMAT, "fragments of an event of type %u", inner.type);
    return decode_dispatch(d, &inner, e);
}

bool decode_row_fragment(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    struct wire w = wire_of(ev->body, ev->n);
    uint32_t total = (uint32_t)wire_get(&w, 4), seq = (uint32_t)wire_get(&w, 4);
    unsigned flags = (unsigned)wire_get(&w, 1);
    if (w.failed)
        return decode_short(ev, e);
    if (flags & 1 && seq == 1 && !start_fragments(d, &w, total, e))
        return false;
    if (seq != d->fragments_next || total != d->fragments_total || seq > total)
        return err_set(e, ERR_LOG_FORMAT, "fragment %u of %u, %u was expected", seq, total,
                       d->fragments_next);
    if (d->fragments.len + wire_left(&w) > d->fragments_size)
        return err_set(e, ERR_LOG_FORMAT, "fragments are longer than announced");
    buf_put(&d->fragments, w.p, wire_left(&w));
    d->fragments_next++;
    if (seq < total)
        return true;
    d->fragments_next = 0;
    return dispatch_joined(d, ev, e);
}
