/* sinks/format/encode_debezium.c — Debezium's change events as JSON without schemas
 * (schemas.enable=false).
 *
 * Envelope {before, after, source, transaction, op, ts_ms, ts_us, ts_ns}; field order and values as
 * Debezium 3.6.1 for MySQL and 3.5.0 for MariaDB write them. A delete is followed by a tombstone; a
 * changed key is a delete of the old key, a tombstone and a create of the new one. TRUNCATE and DDL
 * give nothing (the engine's defaults skip the one and send the other to another topic); no
 * transaction metadata.
 */
#include "sinks/format/encode_debezium.h"
#include "base/mem.h"
#include "sinks/format/encode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct debezium {
    struct encoder base;
    struct buf old_key, key, before, after, source, value, scratch;
};
/* One row on its way through the encoder. */
struct record {
    const struct encode_context *c;
    const struct cdc_change *change;
    const struct schema_table *table;
    encode_emit_fn emit;
    void *ctx;
    bool has_key;
};

extern const struct encoder_ops encode_debezium_ops;

static void put_text(struct buf *out, const char *s)
{
    debezium_put_string(out, s, strlen(s));
}

static void put_name(struct buf *out, const struct schema_table *t, size_t i, bool first)
{
    char number[24];
    if (!first)
        buf_put_u8(out, ',');
    if (t->columns[i].name) {
        put_text(out, t->columns[i].name);
    } else {
        snprintf(number, sizeof number, "@%zu", i + 1);
        put_text(out, number);
    }
    buf_put_u8(out, ':');
}

static bool put_column(struct debezium *x, const struct record *r, size_t i,
                       const struct cdc_row *row, const struct cdc_row *before, bool first,
                       struct buf *out, struct err *e)
{
    put_name(out, r->table, i, first);
    const struct cdc_value *old = before ? &before->values[i] : NULL;
    const struct cdc_value *v = &row->values[i];
    if (r->c->known && i < r->c->known->n_columns &&
        debezium_put_known(v->absent && old ? old : v, &r->c->known->columns[i], r->c->mariadb,
                           &x->scratch, out))
        return true;
    if (debezium_put_value(&row->values[i], old, r->c->mariadb, &x->scratch, out, e))
        return true;
    const char *name = r->table->columns[i].name;
    return err_prepend(e, "%s", name ? name : "@");
}

static bool put_image(struct debezium *x, const struct record *r, const struct cdc_row *row,
                      const struct cdc_row *before, struct buf *out, struct err *e)
{
    buf_reset(out);
    buf_put_u8(out, '{');
    for (size_t i = 0; i < r->table->n_columns; i++) {
        if (!put_column(x, r, i, row, before, i == 0, out, e))
            return false;
    }
    buf_put_u8(out, '}');
    return true;
}

static size_t key_columns(const struct schema_table *t, const uint16_t **columns)
{
    const struct schema_key *identity = t->n_pk == 0 ? schema_table_identity(t) : NULL;
    *columns = identity ? identity->columns : t->pk;
    return identity ? identity->n : t->n_pk;
}

static bool put_key(struct debezium *x, const struct record *r, const struct cdc_row *row,
                    const struct cdc_row *before, struct buf *out, struct err *e)
{
    const uint16_t *columns;
    size_t n = key_columns(r->table, &columns);
    buf_reset(out);
    buf_put_u8(out, '{');
    for (size_t i = 0; i < n; i++) {
        if (!put_column(x, r, columns[i], row, before, i == 0, out, e))
            return false;
    }
    buf_put_u8(out, '}');
    return true;
}

static void put_optional(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, ",\"%s\":", name);
    if (text)
        put_text(out, text);
    else
        buf_put_str(out, "null");
}

static void put_gtid(struct buf *out, const struct cdc_change *begin)
{
    buf_put_str(out, ",\"gtid\":");
    if (!begin || begin->begin.gtid.flavor == GTID_FLAVOR_NONE) {
        buf_put_str(out, "null");
        return;
    }
    buf_put_u8(out, '"');
    gtid_print(&begin->begin.gtid, out);
    buf_put_u8(out, '"');
}

static int64_t source_time_us(const struct record *r)
{
    const struct cdc_change *begin = r->c->begin;
    if (r->c->snapshot)
        return r->c->now_us;
    if (begin && begin->begin.original_commit_us && !r->c->mariadb)
        return (int64_t)begin->begin.original_commit_us;
    return (int64_t)r->change->timestamp * 1000000;
}

static const char *snapshot_mark(const struct record *r)
{
    static const char *const marks[] = {[ENCODE_SNAPSHOT_NONE] = "false",
                                        [ENCODE_SNAPSHOT_ROW] = "true",
                                        [ENCODE_SNAPSHOT_FIRST] = "first",
                                        [ENCODE_SNAPSHOT_FIRST_OF_TABLE] =
                                            "first_in_data_collection",
                                        [ENCODE_SNAPSHOT_LAST_OF_TABLE] = "last_in_data_collection",
                                        [ENCODE_SNAPSHOT_LAST] = "last"};
    return marks[r->c->snapshot];
}

static void put_source(struct debezium *x, const struct record *r, uint32_t row_number)
{
    struct buf *out = &x->source;
    const struct cdc_change *begin = r->c->begin;
    bool snapshot = r->c->snapshot != ENCODE_SNAPSHOT_NONE;
    int64_t us = source_time_us(r);
    buf_reset(out);
    buf_printf(out, "{\"version\":\"%s\",\"connector\":\"%s\"",
               r->c->mariadb ? "3.5.0.Final" : "3.6.1.Final", r->c->mariadb ? "mariadb" : "mysql");
    put_optional(out, "name", r->c->prefix ? r->c->prefix : "");
    buf_printf(out, ",\"ts_ms\":%lld,\"snapshot\":\"%s\"", (long long)us / 1000, snapshot_mark(r));
    put_optional(out, "db", r->table->db);
    buf_printf(out, ",\"sequence\":null,\"ts_us\":%lld,\"ts_ns\":%lld", (long long)us,
               (long long)us * 1000);
    put_optional(out, "table", r->table->name);
    buf_printf(out, ",\"server_id\":%u", snapshot ? 0 : r->change->server_id);
    put_gtid(out, snapshot ? NULL : begin);
    const struct cdc_rows *rows = &r->change->rows;
    const char *file = rows->held_file ? rows->held_file : r->change->file;
    uint64_t pos = rows->held_file ? rows->held_pos : r->change->log_pos;
    put_optional(out, "file", file ? file : "");
    buf_printf(out, ",\"pos\":%llu,\"row\":%u", (unsigned long long)pos, row_number);
    if (begin && begin->begin.thread_known && !r->c->mariadb && !snapshot)
        buf_printf(out, ",\"thread\":%u", begin->begin.thread_id);
    else
        buf_put_str(out, ",\"thread\":null");
    buf_put_str(out, ",\"query\":null}");
}

static void put_part(struct buf *out, const char *name, const struct buf *part)
{
    buf_put_str(out, name);
    if (part)
        buf_put(out, part->data, part->len);
    else
        buf_put_str(out, "null");
}

static bool give(struct debezium *x, const struct record *r, enum encode_op op,
                 const struct buf *key, const struct buf *value, struct err *e)
{
    if (x->value.failed || x->before.failed || x->after.failed || x->key.failed ||
        x->old_key.failed)
        return encode_too_large(e);
    bool keyed = r->has_key;
    const struct encode_record out = {.context = r->c,
                                      .table = r->table,
                                      .op = op,
                                      .key = keyed ? key->data : NULL,
                                      .key_len = keyed ? key->len : 0,
                                      .value = value ? value->data : NULL,
                                      .value_len = value ? value->len : 0};
    return r->emit(r->ctx, &out, e);
}

static const char *const op_words[] = {
    [ENCODE_COPY] = "r", [ENCODE_INSERT] = "c", [ENCODE_UPDATE] = "u", [ENCODE_DELETE] = "d"};

static bool give_envelope(struct debezium *x, const struct record *r, enum encode_op op,
                          const struct buf *key, const struct buf *before, const struct buf *after,
                          struct err *e)
{
    struct buf *out = &x->value;
    buf_reset(out);
    put_part(out, "{\"before\":", before);
    put_part(out, ",\"after\":", after);
    put_part(out, ",\"source\":", &x->source);
    buf_printf(
        out, ",\"transaction\":null,\"op\":\"%s\",\"ts_ms\":%lld,\"ts_us\":%lld,\"ts_ns\":%lld}",
        op_words[op], (long long)r->c->now_ms, (long long)r->c->now_us, (long long)r->c->now_ns);
    return give(x, r, op, key, out, e);
}

static bool give_delete(struct debezium *x, const struct record *r, struct err *e)
{
    return give_envelope(x, r, ENCODE_DELETE, &x->old_key, &x->before, NULL, e) &&
           give(x, r, ENCODE_DELETE, &x->old_key, NULL, e);
}

static bool give_update(struct debezium *x, const struct record *r, struct err *e)
{
    bool moved =
        x->key.len != x->old_key.len || memcmp(x->key.data, x->old_key.data, x->key.len) != 0;
    if (!moved)
        return give_envelope(x, r, ENCODE_UPDATE, &x->key, &x->before, &x->after, e);
    return give_delete(x, r, e) && give_envelope(x, r, ENCODE_INSERT, &x->key, NULL, &x->after, e);
}

static bool give_row(struct debezium *x, const struct record *r, const struct cdc_row *before,
                     const struct cdc_row *after, struct err *e)
{
    enum cdc_op op = r->change->rows.op;
    bool has_before = op != CDC_OP_INSERT, has_after = op != CDC_OP_DELETE;
    const struct cdc_row *old = has_before ? before : NULL;
    if (has_before && (!put_key(x, r, before, NULL, &x->old_key, e) ||
                       !put_image(x, r, before, NULL, &x->before, e)))
        return false;
    if (has_after &&
        (!put_key(x, r, after, old, &x->key, e) || !put_image(x, r, after, old, &x->after, e)))
        return false;
    switch (op) {
    case CDC_OP_INSERT:
        return give_envelope(x, r, encode_op_of(r->change, r->c), &x->key, NULL, &x->after, e);
    case CDC_OP_UPDATE:
        return give_update(x, r, e);
    case CDC_OP_DELETE:
        return give_delete(x, r, e);
    }
    return false;
}

static bool debezium_row(struct encoder *enc, const struct encode_row *row, encode_emit_fn emit,
                         void *ctx, struct err *e)
{
    struct debezium *x = (struct debezium *)enc;
    const uint16_t *columns;
    const struct cdc_change *change = row->change;
    struct encode_context own = *row->context;
    if (change->kind == CDC_COPY_ROWS && own.snapshot == ENCODE_SNAPSHOT_NONE)
        own.snapshot = ENCODE_SNAPSHOT_ROW;
    struct record r = {
        .c = &own, .change = change, .table = change->rows.table, .emit = emit, .ctx = ctx};
    r.has_key = key_columns(r.table, &columns) > 0;
    put_source(x, &r,
               own.snapshot ? 0 : row->seq - change->rows.first_seq + change->rows.first_row);
    return give_row(x, &r, row->before, row->after, e);
}

static bool debezium_other(struct encoder *enc, const struct encode_context *c,
                           const struct cdc_change *change, encode_emit_fn emit, void *ctx,
                           struct err *e)
{
    (void)enc;
    (void)c;
    (void)change;
    (void)emit;
    (void)ctx;
    (void)e;
    return true;
}

static struct encoder *debezium_open(const char *options_json, struct err *e)
{
    (void)options_json;
    (void)e;
    struct debezium *x = mem_alloc(sizeof *x);
    x->base.ops = &encode_debezium_ops;
    return &x->base;
}

static void debezium_close(struct encoder *enc)
{
    struct debezium *x = (struct debezium *)enc;
    if (!x)
        return;
    struct buf *all[] = {&x->old_key, &x->key,   &x->before, &x->after,
                         &x->source,  &x->value, &x->scratch};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        buf_fini(all[i]);
    free(x);
}

const struct encoder_ops encode_debezium_ops = {.name = "debezium-json",
                                                .open = debezium_open,
                                                .rows = encode_row_by_row,
                                                .row = debezium_row,
                                                .other = debezium_other,
                                                .close = debezium_close,
                                                .wants_known = true};
