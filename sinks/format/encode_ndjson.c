/* sinks/format/encode_ndjson.c — the program's own record format: one JSON object a change, nothing
 * lost.
 *
 * Fields in this order: op, keyspace, shard (both left out when unknown), db, table, pos, gtid,
 * seq, ts_ms, key, before, after. `pos` is where the transaction begins; with seq it names a change
 * for ever. A column that the image does not hold is absent; NULL is null.
 */
#include "base/mem.h"
#include "cdc/log/number.h"
#include "schemas/charset.h"
#include "schemas/sqltoken.h"
#include "sinks/format/encode.h"

#include <assert.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct ndjson {
    struct encoder base;
    struct buf key, line, text;
};

extern const struct encoder_ops encode_ndjson_ops;

static void put_quoted(struct buf *out, const void *p, size_t n)
{
    buf_put_u8(out, '"');
    buf_put_json_escaped(out, p, n);
    buf_put_u8(out, '"');
}

static void put_string(struct buf *out, const char *s)
{
    put_quoted(out, s, strlen(s));
}

/* The log does not say in which character set it has the text of a row's statement. */
static void put_statement(struct buf *out, const char *text, size_t n)
{
    if (charset_is_valid_utf8(text, n)) {
        put_quoted(out, text, n);
        return;
    }
    buf_put_str(out, "{\"hex\":\"");
    buf_put_hex(out, text, n);
    buf_put_str(out, "\"}");
}

static void put_column_name(struct buf *out, const struct schema_table *t, size_t i)
{
    const char *name = t->columns[i].name;
    buf_put_u8(out, '"');
    if (name)
        buf_put_json_escaped(out, name, strlen(name));
    else
        buf_printf(out, "@%zu", i + 1);
    buf_put_str(out, "\":");
}

static void put_float(struct buf *out, double v, bool single)
{
    struct number_digits d;
    if (!isfinite(v)) { /* the servers store none */
        buf_put_str(out, "null");
        return;
    }
    if (single)
        number_digits_float((float)v, &d);
    else
        number_digits_double(v, &d);
    number_print(&d, out);
}

static bool put_bytes(struct ndjson *x, const struct cdc_value *v, struct buf *out, struct err *e)
{
    buf_reset(&x->text);
    if (!cdc_value_binary(v, &x->text, e))
        return false;
    buf_put_u8(out, '"');
    buf_put_base64(out, x->text.data, x->text.len);
    buf_put_u8(out, '"');
    return true;
}

/* MariaDB keeps a document's text as it was written, also one that is no JSON where the CHECK was
 * off. Only a whole document may stand unquoted, else the text could add members of its own. In
 * one, a byte below 0x20 can only be white space between tokens: a blank there keeps the record on
 * one line. False: it is no document that can be proven (the caller quotes it). */
static bool put_document(const struct buf *text, struct buf *out)
{
    json_t *whole = json_loadb(buf_str(text), text->len,
                               JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
    if (!whole)
        return false;
    json_decref(whole);
    for (size_t i = 0; i < text->len; i++)
        buf_put_u8(out, text->data[i] < 0x20 ? ' ' : text->data[i]);
    return true;
}

static void put_hex(const void *p, size_t n, struct buf *out)
{
    buf_put_str(out, "{\"hex\":\"");
    buf_put_hex(out, p, n);
    buf_put_str(out, "\"}");
}

/* Text in UTF-8; bytes that are none in their character set as {"hex":"…"}. */
static bool put_text(struct ndjson *x, const struct cdc_value *v, struct buf *out, struct err *e)
{
    bool valid;
    buf_reset(&x->text);
    if (!cdc_value_text(v, &x->text, &valid, e))
        return false;
    if (valid && v->column->ext == SCHEMA_EXT_JSON_TEXT && put_document(&x->text, out))
        return true;
    if (valid) {
        put_quoted(out, buf_str(&x->text), x->text.len);
        return true;
    }
    buf_reset(&x->text);
    if (!cdc_value_bytes(v, &x->text, e))
        return false;
    put_hex(x->text.data, x->text.len, out);
    return true;
}

static void put_vector(const struct cdc_value *v, struct buf *out)
{
    buf_put_u8(out, '[');
    for (size_t i = 0; i + 4 <= v->n; i += 4) {
        float f;
        memcpy(&f, v->p + i, sizeof f);
        if (i > 0)
            buf_put_u8(out, ',');
        put_float(out, (double)f, true);
    }
    buf_put_u8(out, ']');
}

static void put_network(const struct cdc_value *v, struct buf *out)
{
    buf_put_u8(out, '"');
    cdc_value_ext_text(v, out);
    buf_put_u8(out, '"');
}

static void put_text_or_hex(const struct schema_label *l, struct buf *out)
{
    if (l->is_text)
        put_quoted(out, l->p, l->n);
    else
        put_hex(l->p, l->n, out);
}

static void put_enum(const struct cdc_value *v, struct buf *out)
{
    uint64_t i = cdc_value_u64(v);
    if (!v->column->label_known)
        buf_put_u64(out, i);
    else if (i >= 1 && i <= v->column->n_labels)
        put_text_or_hex(&v->column->labels[i - 1], out);
    else
        buf_put_str(out, "\"\"");
}

static void put_set(struct ndjson *x, const struct cdc_value *v, struct buf *out)
{
    uint64_t mask = cdc_value_u64(v);
    bool first = true;
    if (!v->column->label_known) {
        buf_put_u64(out, mask);
        return;
    }
    struct schema_label joined = {.is_text = true};
    buf_reset(&x->text);
    for (size_t i = 0; i < v->column->n_labels && i < 64; i++) {
        const struct schema_label *l = &v->column->labels[i];
        if (!(mask >> i & 1))
            continue;
        buf_put_str(&x->text, first ? "" : ",");
        buf_put(&x->text, l->p, l->n);
        joined.is_text = joined.is_text && l->is_text;
        first = false;
    }
    joined.p = (char *)x->text.data;
    joined.n = x->text.len;
    put_text_or_hex(&joined, out);
}

static void put_geometry(const struct cdc_value *v, struct buf *out)
{
    uint32_t srid = 0;
    size_t head = v->n < 4 ? v->n : 4;
    memcpy(&srid, v->p, head);
    buf_printf(out, "{\"srid\":%u,\"wkb\":\"", srid);
    buf_put_base64(out, v->p + head, v->n - head);
    buf_put_str(out, "\"}");
}

static bool put_temporal(const struct cdc_value *v, struct buf *out, struct err *e)
{
    struct cdc_datetime d;
    if (!cdc_value_datetime(v, &d))
        return cdc_value_no_datetime(v, e) ||
               err_prepend(e, "%s", v->column->name ? v->column->name : "column");
    buf_put_u8(out, '"');
    cdc_datetime_print(v, &d, out);
    buf_put_u8(out, '"');
    return true;
}

static bool put_decimal(const struct cdc_value *v, struct buf *out, struct err *e)
{
    buf_put_u8(out, '"');
    if (!cdc_value_decimal(v, out))
        return err_set(e, ERR_LOG_FORMAT, "%s: not a decimal number",
                       v->column->name ? v->column->name : "column");
    buf_put_u8(out, '"');
    return true;
}

static void put_integer(const struct cdc_value *v, struct buf *out)
{
    if (cdc_value_is_unsigned(v))
        buf_put_u64(out, cdc_value_u64(v));
    else
        buf_put_i64(out, cdc_value_i64(v));
}

static bool put_value(struct ndjson *x, const struct cdc_value *v, struct buf *out, struct err *e)
{
    switch (schema_column_kind(v->column)) {
    case SCHEMA_VALUE_INTEGER:
    case SCHEMA_VALUE_YEAR:
    case SCHEMA_VALUE_BIT:
        put_integer(v, out);
        return true;
    case SCHEMA_VALUE_FLOAT:
        put_float(out, (double)cdc_value_float(v), true);
        return true;
    case SCHEMA_VALUE_DOUBLE:
        put_float(out, cdc_value_double(v), false);
        return true;
    case SCHEMA_VALUE_DECIMAL:
        return put_decimal(v, out, e);
    case SCHEMA_VALUE_ENUM:
        put_enum(v, out);
        return true;
    case SCHEMA_VALUE_SET:
        put_set(x, v, out);
        return true;
    case SCHEMA_VALUE_JSON:
        return v->json_diff ? cdc_value_json_diff(v, out, e) : cdc_value_json(v, out, e);
    case SCHEMA_VALUE_GEOMETRY:
        put_geometry(v, out);
        return true;
    case SCHEMA_VALUE_VECTOR: /* MariaDB's travel as VARBINARY */
        put_vector(v, out);
        return true;
    case SCHEMA_VALUE_DATE:
    case SCHEMA_VALUE_TIME:
    case SCHEMA_VALUE_DATETIME:
    case SCHEMA_VALUE_TIMESTAMP:
        return put_temporal(v, out, e);
    case SCHEMA_VALUE_NETWORK:
        put_network(v, out);
        return true;
    case SCHEMA_VALUE_BYTES:
        return put_bytes(x, v, out, e);
    case SCHEMA_VALUE_TEXT:
        return put_text(x, v, out, e);
    case SCHEMA_VALUE_NONE:
        break;
    }
    return cdc_value_no_kind(v, e);
}

static bool usable_before(const struct cdc_value *before)
{
    return before && !before->absent && !before->null && !before->json_diff;
}

/* One member, with the comma before it; diffs are left out unless the before image completes them.
 */
static bool put_member(struct ndjson *x, const struct schema_table *t, size_t i,
                       const struct cdc_value *v, const struct cdc_value *before, bool *first,
                       struct err *e)
{
    struct buf *out = &x->line;
    if (v->absent || (v->json_diff && !usable_before(before)))
        return true;
    if (!*first)
        buf_put_u8(out, ',');
    *first = false;
    put_column_name(out, t, i);
    if (v->null) {
        buf_put_str(out, "null");
        return true;
    }
    if (v->json_diff)
        return cdc_value_json_patched(before, v, out, e);
    return put_value(x, v, out, e);
}

static bool put_image(struct ndjson *x, const struct schema_table *t, const struct cdc_row *row,
                      const struct cdc_row *before, struct err *e)
{
    bool first = true;
    buf_put_u8(&x->line, '{');
    for (size_t i = 0; i < t->n_columns; i++) {
        if (!put_member(x, t, i, &row->values[i], before ? &before->values[i] : NULL, &first, e))
            return false;
    }
    buf_put_u8(&x->line, '}');
    return true;
}

static bool put_diffs(struct ndjson *x, const struct schema_table *t, const struct cdc_row *before,
                      const struct cdc_row *after, struct err *e)
{
    bool any = false;
    for (size_t i = 0; i < t->n_columns; i++) {
        const struct cdc_value *v = &after->values[i];
        if (v->absent || v->null || !v->json_diff || usable_before(&before->values[i]))
            continue;
        buf_put_str(&x->line, any ? "," : ",\"json_diff\":{");
        any = true;
        put_column_name(&x->line, t, i);
        if (!cdc_value_json_diff(v, &x->line, e))
            return false;
    }
    if (any)
        buf_put_u8(&x->line, '}');
    return true;
}

static size_t key_columns(const struct schema_table *t, const uint16_t **columns)
{
    const struct schema_key *identity = t->n_pk == 0 ? schema_table_identity(t) : NULL;
    *columns = identity ? identity->columns : t->pk;
    return identity ? identity->n : t->n_pk;
}

/* Key columns from the after image, from the before image where that lacks them; null without a
 * key. */
static bool put_key(struct ndjson *x, const struct schema_table *t, const struct cdc_row *before,
                    const struct cdc_row *after, struct err *e)
{
    const uint16_t *columns;
    size_t n = key_columns(t, &columns);
    if (n == 0) {
        buf_put_str(&x->line, "null");
        return true;
    }
    bool first = true;
    buf_put_u8(&x->line, '{');
    for (size_t i = 0; i < n; i++) {
        const struct cdc_value *v = &after->values[columns[i]];
        if (v->absent)
            v = &before->values[columns[i]];
        if (!put_member(x, t, columns[i], v, NULL, &first, e))
            return false;
    }
    buf_put_u8(&x->line, '}');
    return true;
}

static void put_op(struct ndjson *x, const struct encode_context *c, const char *op)
{
    buf_printf(&x->line, "{\"op\":\"%s\"", op);
    if (c->keyspace) {
        buf_put_str(&x->line, ",\"keyspace\":");
        put_string(&x->line, c->keyspace);
    }
    if (c->shard) {
        buf_put_str(&x->line, ",\"shard\":");
        put_string(&x->line, c->shard);
    }
}

static void put_pos(struct ndjson *x, const char *file, uint64_t pos)
{
    buf_put_str(&x->line, ",\"pos\":\"");
    if (file)
        buf_put_json_escaped(&x->line, file, strlen(file));
    buf_put_u8(&x->line, ':');
    buf_put_u64(&x->line, pos);
    buf_put_u8(&x->line, '"');
}

static void put_gtid(struct ndjson *x, const struct gtid *g)
{
    if (!g || g->flavor == GTID_FLAVOR_NONE) {
        buf_put_str(&x->line, ",\"gtid\":null");
        return;
    }
    buf_put_str(&x->line, ",\"gtid\":\"");
    gtid_print(g, &x->line);
    buf_put_u8(&x->line, '"');
}

static void put_time(struct ndjson *x, uint64_t commit_us, uint32_t timestamp)
{
    buf_put_str(&x->line, ",\"ts_ms\":");
    buf_put_u64(&x->line, commit_us ? commit_us / 1000 : (uint64_t)timestamp * 1000);
}

static void put_where(struct ndjson *x, const struct encode_context *c,
                      const struct cdc_change *change)
{
    const struct cdc_change *begin = c->begin;
    put_pos(x, change->file, begin ? begin->log_pos : change->log_pos);
    put_gtid(x, begin ? &begin->begin.gtid : NULL);
}

/* What a record says of a row. */
struct shape {
    const char *word;
    bool has_before, has_after;
};
static const struct shape shapes[] = {[ENCODE_COPY] = {"r", false, true},
                                      [ENCODE_INSERT] = {"c", false, true},
                                      [ENCODE_UPDATE] = {"u", true, true},
                                      [ENCODE_DELETE] = {"d", true, false}};

/* An update's after image may be a difference to its before image, whether that is shown or not. */
static bool put_images(struct ndjson *x, const struct cdc_change *change, const struct shape *shape,
                       const struct cdc_row *before, const struct cdc_row *after, struct err *e)
{
    const struct schema_table *t = change->rows.table;
    buf_put_str(&x->line, ",\"before\":");
    if (!shape->has_before)
        buf_put_str(&x->line, "null");
    else if (!put_image(x, t, before, NULL, e))
        return false;
    buf_put_str(&x->line, ",\"after\":");
    if (!shape->has_after) {
        buf_put_str(&x->line, "null");
        return true;
    }
    return put_image(x, t, after, change->rows.op == CDC_OP_UPDATE ? before : NULL, e) &&
           (!change->rows.partial_json || put_diffs(x, t, before, after, e));
}

/* Where records go that are of a change which is being encoded. */
struct to {
    const struct encode_context *c;
    const struct schema_table *table;
    encode_emit_fn emit;
    void *ctx;
};

static bool give(struct ndjson *x, const struct to *to, enum encode_op op, bool key, struct err *e)
{
    if (x->line.failed)
        return encode_too_large(e);
    const struct encode_record r = {.context = to->c,
                                    .table = to->table,
                                    .op = op,
                                    .key = key ? x->key.data : NULL,
                                    .key_len = key ? x->key.len : 0,
                                    .value = x->line.data,
                                    .value_len = x->line.len};
    return to->emit(to->ctx, &r, e);
}

static bool same_value(const struct cdc_value *a, const struct cdc_value *b)
{
    return a->null == b->null && a->n == b->n && (a->n == 0 || memcmp(a->p, b->p, a->n) == 0);
}

/* Columns that an image lacks have not changed. */
static bool key_changed(const struct schema_table *t, const struct cdc_row *before,
                        const struct cdc_row *after)
{
    const uint16_t *columns;
    size_t n = key_columns(t, &columns), i = 0;
    while (i < n && (after->values[columns[i]].absent || before->values[columns[i]].absent ||
                     same_value(&before->values[columns[i]], &after->values[columns[i]])))
        i++;
    return i < n;
}

static bool give_record(struct ndjson *x, const struct to *to, const struct encode_row *row,
                        enum encode_op op, struct err *e)
{
    const struct encode_context *c = to->c;
    const struct cdc_change *change = row->change;
    const struct cdc_row *before = row->before, *after = row->after;
    const struct shape *shape = &shapes[op];
    const struct schema_table *t = change->rows.table;
    buf_reset(&x->line);
    buf_reset(&x->key);
    put_op(x, c, shape->word);
    buf_put_str(&x->line, ",\"db\":");
    put_string(&x->line, t->db);
    buf_put_str(&x->line, ",\"table\":");
    put_string(&x->line, t->name);
    put_where(x, c, change);
    buf_put_str(&x->line, ",\"seq\":");
    buf_put_u64(&x->line, row->seq);
    put_time(x, c->begin ? c->begin->begin.commit_us : 0, change->timestamp);
    buf_put_str(&x->line, ",\"key\":");
    size_t key_at = x->line.len;
    if (!put_key(x, t, before, shape->has_after ? after : before, e))
        return false;
    buf_put(&x->key, x->line.data + key_at, x->line.len - key_at);
    if (!put_images(x, change, shape, before, after, e))
        return false;
    buf_put_u8(&x->line, '}');
    return give(x, to, op, x->key.data[0] == '{', e);
}

/* Where records are found by their key, a row that leaves its key is deleted under the old one and
 * created under the new one: each key's newest record says whether its row exists, in whatever
 * order a consumer reads the partitions. */
static bool ndjson_row(struct encoder *enc, const struct encode_row *row, encode_emit_fn emit,
                       void *ctx, struct err *e)
{
    struct ndjson *x = (struct ndjson *)enc;
    const struct schema_table *t = row->change->rows.table;
    const struct to to = {row->context, t, emit, ctx};
    enum encode_op op = encode_op_of(row->change, row->context);
    bool moves = to.c->keyed && op == ENCODE_UPDATE && key_changed(t, row->before, row->after);
    if (!moves)
        return give_record(x, &to, row, op, e);
    return give_record(x, &to, row, ENCODE_DELETE, e) && give_record(x, &to, row, ENCODE_INSERT, e);
}

static void put_vgtid(struct ndjson *x, const struct encode_context *c,
                      const struct cdc_change *change)
{
    struct position after = POSITION_INIT;
    struct vgtid v = {0};
    position_copy(&after, c->pos);
    cdc_position_advance(&after, change);
    vgtid_set(&v, c->keyspace ? c->keyspace : "", c->shard ? c->shard : "", &after);
    buf_put_str(&x->line, ",\"vgtid\":");
    vgtid_print(&v, &x->line);
    vgtid_fini(&v);
    position_fini(&after);
}

static bool put_end(struct ndjson *x, const struct to *to, const struct cdc_change *change,
                    struct err *e)
{
    const struct encode_context *c = to->c;
    put_op(x, c, change->kind == CDC_COMMIT ? "commit" : "rollback");
    put_pos(x, change->file, change->end.next_pos);
    put_gtid(x, &change->end.gtid);
    put_time(x, change->end.commit_us, change->timestamp);
    if (c->pos)
        put_vgtid(x, c, change);
    buf_put_u8(&x->line, '}');
    return give(x, to, change->kind == CDC_COMMIT ? ENCODE_COMMIT : ENCODE_ROLLBACK, false, e);
}

static bool put_begin(struct ndjson *x, const struct to *to, const struct cdc_change *change,
                      struct err *e)
{
    const struct encode_context *c = to->c;
    put_op(x, c, "begin");
    put_pos(x, change->file, change->log_pos);
    put_gtid(x, &change->begin.gtid);
    put_time(x, change->begin.commit_us, change->timestamp);
    if (change->begin.query) {
        buf_put_str(&x->line, ",\"query\":");
        put_statement(&x->line, change->begin.query, strlen(change->begin.query));
    }
    buf_put_u8(&x->line, '}');
    return give(x, to, ENCODE_BEGIN, false, e);
}

static bool put_ddl(struct ndjson *x, const struct to *to, const struct cdc_change *change,
                    struct err *e)
{
    const struct encode_context *c = to->c;
    struct sqlstmt *s = mem_alloc(sizeof *s);
    sqlstmt_classify(change->ddl.sql, change->ddl.n, change->ddl.lex, s);
    bool truncate = s->kind == SQLSTMT_TRUNCATE;
    put_op(x, c, truncate ? "t" : "ddl");
    buf_put_str(&x->line, ",\"db\":");
    put_string(&x->line, s->n_tables && s->tables[0].db[0] ? s->tables[0].db : change->ddl.db);
    if (s->n_tables) {
        buf_put_str(&x->line, ",\"table\":");
        put_string(&x->line, s->tables[0].name);
    }
    free(s);
    put_where(x, c, change);
    put_time(x, c->begin ? c->begin->begin.commit_us : 0, change->timestamp);
    buf_put_str(&x->line, ",\"sql\":");
    put_statement(&x->line, change->ddl.sql, change->ddl.n);
    buf_put_u8(&x->line, '}');
    return give(x, to, truncate ? ENCODE_TRUNCATE : ENCODE_DDL, false, e);
}

static bool put_heartbeat(struct ndjson *x, const struct to *to, const struct cdc_change *change,
                          struct err *e)
{
    const struct encode_context *c = to->c;
    put_op(x, c, "heartbeat");
    put_pos(x, change->file, change->log_pos);
    buf_printf(&x->line, ",\"ts_ms\":%llu}", (unsigned long long)change->timestamp * 1000);
    return give(x, to, ENCODE_HEARTBEAT, false, e);
}

static bool ndjson_other(struct encoder *enc, const struct encode_context *c,
                         const struct cdc_change *change, encode_emit_fn emit, void *ctx,
                         struct err *e)
{
    struct ndjson *x = (struct ndjson *)enc;
    const struct to to = {c, NULL, emit, ctx};
    buf_reset(&x->line);
    switch (change->kind) {
    case CDC_BEGIN:
        return put_begin(x, &to, change, e);
    case CDC_COMMIT:
    case CDC_ROLLBACK:
        return put_end(x, &to, change, e);
    case CDC_DDL:
        return put_ddl(x, &to, change, e);
    case CDC_HEARTBEAT:
        return put_heartbeat(x, &to, change, e);
    case CDC_ROWS:
    case CDC_COPY_ROWS:
    case CDC_JOURNAL:
    case CDC_GAP:
        return true;
    }
    return true;
}

static struct encoder *ndjson_open(const char *options_json, struct err *e)
{
    (void)options_json;
    (void)e;
    struct ndjson *x = mem_alloc(sizeof *x);
    x->base.ops = &encode_ndjson_ops;
    return &x->base;
}

static void ndjson_close(struct encoder *enc)
{
    struct ndjson *x = (struct ndjson *)enc;
    if (!x)
        return;
    buf_fini(&x->key);
    buf_fini(&x->line);
    buf_fini(&x->text);
    free(x);
}

const struct encoder_ops encode_ndjson_ops = {.name = "ndjson",
                                              .open = ndjson_open,
                                              .rows = encode_row_by_row,
                                              .row = ndjson_row,
                                              .other = ndjson_other,
                                              .close = ndjson_close};
