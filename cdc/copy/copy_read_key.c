/* cdc/copy/copy_read_key.c — places in a table's identity key, written in SQL so that the server
 * compares them.
 *
 * Text is written as bytes with the column's character set and collation, and never compared here.
 * Row constructors are not used: neither server makes an index range of `(a,b) > (1,2)`. The
 * expanded form `a > 1 OR (a = 1 AND b > 2)` is one on both.
 */
#include "base/mem.h"
#include "cdc/copy/copy_read_internal.h"
#include "cdc/log/wire.h"

#include <stdlib.h>
#include <string.h>

static bool column_collation(struct my_conn *c, const struct schema_table *t, const char *column,
                             struct copy_key_column *out, struct err *e)
{
    struct buf sql = BUF_INIT;
    struct my_cell cells[2];
    buf_put_str(&sql, "SELECT CHARACTER_SET_NAME, COLLATION_NAME FROM information_schema.COLUMNS "
                      "WHERE TABLE_SCHEMA = ");
    buf_put_sql_string(&sql, t->db, strlen(t->db));
    buf_put_str(&sql, " AND TABLE_NAME = ");
    buf_put_sql_string(&sql, t->name, strlen(t->name));
    buf_put_str(&sql, " AND COLUMN_NAME = ");
    buf_put_sql_string(&sql, column, strlen(column));
    struct my_result *res = my_query(c, buf_str(&sql), e);
    buf_fini(&sql);
    if (!res)
        return false;
    enum my_next next = my_result_next(res, cells, e);
    if (next == MY_ROW) {
        out->charset = mem_strdup(cells[0].p ? cells[0].p : "");
        out->collation = mem_strdup(cells[1].p ? cells[1].p : "");
    }
    my_result_free(res);
    if (next == MY_END)
        err_set(e, ERR_SCHEMA_MISMATCH, "%s.%s has no column %s any more", t->db, t->name, column);
    return next == MY_ROW;
}

static bool key_column_init(struct copy_key_column *k, struct my_conn *c,
                            const struct schema_table *t, uint16_t number,
                            const struct copy_column *columns, struct err *e)
{
    struct buf name = BUF_INIT;
    k->number = number;
    k->column = &columns[number];
    buf_put_ident(&name, t->columns[number].name);
    k->name_sql = buf_take(&name);
    if (k->column->form == COPY_BYTES && t->columns[number].collation != 63)
        return column_collation(c, t, t->columns[number].name, k, e);
    k->charset = mem_strdup("");
    k->collation = mem_strdup("");
    return true;
}

bool copy_key_init(struct copy_key *k, struct my_conn *c, const struct schema_table *t,
                   const struct copy_column *columns, struct err *e)
{
    const struct schema_key *id = schema_table_identity(t);
    struct buf index = BUF_INIT, order = BUF_INIT;
    *k = (struct copy_key){.columns = mem_calloc(id ? id->n : 1, sizeof *k->columns)};
    if (id) {
        buf_put_str(&index, " FORCE INDEX (");
        buf_put_ident(&index, id->name);
        buf_put_str(&index, ")");
    }
    bool ok = true;
    for (; id && k->n < id->n && ok; k->n++) {
        ok = key_column_init(&k->columns[k->n], c, t, id->columns[k->n], columns, e);
        buf_printf(&order, "%s%s", k->n ? "," : " ORDER BY ", k->columns[k->n].name_sql);
    }
    k->force_index = mem_strdup(buf_str(&index));
    k->order_by = mem_strdup(buf_str(&order));
    buf_fini(&index);
    buf_fini(&order);
    return ok;
}

void copy_key_fini(struct copy_key *k)
{
    for (size_t i = 0; i < k->n; i++) {
        free(k->columns[i].name_sql);
        free(k->columns[i].charset);
        free(k->columns[i].collation);
    }
    free(k->columns);
    free(k->force_index);
    free(k->order_by);
    *k = (struct copy_key){0};
}

static void put_integer(const struct schema_column *c, const struct my_wire *w, struct buf *out)
{
    uint64_t v = wire_le(w->p, w->n > 8 ? 8 : w->n);
    bool is_unsigned = c->is_unsigned || c->type == SCHEMA_TYPE_ENUM || c->type == SCHEMA_TYPE_SET;
    if (is_unsigned || w->n == 0) {
        buf_put_u64(out, v);
        return;
    }
    unsigned unused_bits = 64 - 8 * (unsigned)(w->n > 8 ? 8 : w->n);
    buf_put_i64(out, (int64_t)(v << unused_bits) >> unused_bits);
}

static void put_real(const struct schema_column *c, const struct my_wire *w, struct buf *out)
{
    double d = 0;
    float f = 0;
    if (c->type == SCHEMA_TYPE_FLOAT && w->n >= sizeof f) {
        memcpy(&f, w->p, sizeof f);
        d = (double)f;
    } else if (w->n >= sizeof d) {
        memcpy(&d, w->p, sizeof d);
    }
    buf_printf(out, "%.17e", d);
}

static void put_temporal(const struct schema_column *c, const struct my_wire *w, struct buf *out)
{
    uint8_t b[11] = {0};
    if (w->n)
        memcpy(b, w->p, w->n < sizeof b ? w->n : sizeof b);
    buf_printf(out, "'%04u-%02u-%02u", wire_u16(b), b[2], b[3]);
    if (c->type != SCHEMA_TYPE_DATE && c->type != SCHEMA_TYPE_NEWDATE)
        buf_printf(out, " %02u:%02u:%02u.%06u", b[4], b[5], b[6], wire_u32(b + 7));
    buf_put_str(out, "'");
}

static void put_time(const struct my_wire *w, struct buf *out)
{
    uint8_t b[12] = {0};
    if (w->n)
        memcpy(b, w->p, w->n < sizeof b ? w->n : sizeof b);
    buf_printf(out, "'%s%02u:%02u:%02u.%06u'", b[0] ? "-" : "", wire_u32(b + 1) * 24 + b[5], b[6],
               b[7], wire_u32(b + 8));
}

static void put_bytes(const struct copy_key_column *k, const struct my_wire *w, struct buf *out)
{
    if (k->charset[0])
        buf_printf(out, "_%s ", k->charset);
    buf_put_str(out, "X'");
    buf_put_hex(out, w->p, w->n);
    buf_put_str(out, "'");
    if (k->collation[0])
        buf_printf(out, " COLLATE %s", k->collation);
}

/* MariaDB's types of fixed bytes, selected as those bytes. */
static const char *cast_type(enum schema_ext ext)
{
    switch (ext) {
    case SCHEMA_EXT_UUID:
        return "UUID";
    case SCHEMA_EXT_INET4:
        return "INET4";
    case SCHEMA_EXT_INET6:
        return "INET6";
    case SCHEMA_EXT_NONE:
    case SCHEMA_EXT_JSON_TEXT:
        break;
    }
    return NULL;
}

static void put_bytes_or_cast(const struct copy_key_column *k, const struct my_wire *w,
                              struct buf *out)
{
    const char *cast = cast_type(k->column->column->ext);
    if (cast)
        buf_put_str(out, "CAST(");
    put_bytes(k, w, out);
    if (cast)
        buf_printf(out, " AS %s)", cast);
}

static bool put_literal(const struct copy_key_column *k, const struct my_wire *w, struct buf *out,
                        struct err *e)
{
    const struct schema_column *c = k->column->column;
    switch (k->column->form) {
    case COPY_INT:
        if (c->type == SCHEMA_TYPE_FLOAT || c->type == SCHEMA_TYPE_DOUBLE)
            put_real(c, w, out);
        else
            put_integer(c, w, out);
        return true;
    case COPY_YEAR:
        buf_put_u64(out, wire_le(w->p, w->n > 8 ? 8 : w->n));
        return true;
    case COPY_DATE:
    case COPY_DATETIME2:
    case COPY_TIMESTAMP2:
        put_temporal(c, w, out);
        return true;
    case COPY_TIME2:
        put_time(w, out);
        return true;
    case COPY_DECIMAL:
        return buf_put(out, w->p, w->n);
    case COPY_BIT:
        buf_put_u64(out, wire_be(w->p, w->n > 8 ? 8 : w->n));
        return true;
    case COPY_BYTES:
    case COPY_BINARY:
        put_bytes_or_cast(k, w, out);
        return true;
    case COPY_COMPRESSED:
    case COPY_JSON:
        break;
    }
    return err_set(e, ERR_LOG_UNSUPPORTED, "key column %s: type %u cannot be a place to go on from",
                   c->name, c->type);
}

bool copy_key_literals(const struct copy_key *k, const struct my_wire *values, struct buf *out,
                       struct err *e)
{
    for (size_t i = 0; i < k->n; i++) {
        if (i)
            buf_put_str(out, ",");
        if (!values[i].p)
            return err_set(e, ERR_LOG_FORMAT, "key column %s is NULL", k->columns[i].name_sql);
        if (!put_literal(&k->columns[i], &values[i], out, e))
            return false;
    }
    return !out->failed || err_set(e, ERR_LIMIT, "a key is too long");
}

/* None of our literals contains a comma but as the separator. */
struct literals {
    const char *at[64];
    int len[64];
    size_t n;
};

static bool split_literals(const struct copy_key *k, const char *sql, struct literals *l,
                           struct err *e)
{
    l->n = 0;
    for (const char *p = sql; p && l->n < 64;) {
        const char *comma = strchr(p, ',');
        l->at[l->n] = p;
        l->len[l->n++] = (int)(comma ? comma - p : (ptrdiff_t)strlen(p));
        p = comma ? comma + 1 : NULL;
    }
    if (l->n <= k->n)
        return true;
    return err_set(e, ERR_SCHEMA_MISMATCH,
                   "the bound (%.200s) has %zu values, the key has %zu columns", sql, l->n, k->n);
}

/* Lower, exclusive: a > 1 OR (a = 1 AND b > 2). Upper, inclusive: a < 1 OR (a = 1 AND b <= 2). */
static bool put_bound(const struct copy_key *k, const char *sql_bound, bool lower, struct buf *sql,
                      struct err *e)
{
    struct literals l;
    if (!split_literals(k, sql_bound, &l, e))
        return false;
    buf_put_str(sql, "(");
    for (size_t i = 0; i < l.n; i++) {
        bool last = i + 1 == l.n;
        buf_put_str(sql, i ? " OR (" : "(");
        for (size_t j = 0; j < i; j++)
            buf_printf(sql, "%s = %.*s AND ", k->columns[j].name_sql, l.len[j], l.at[j]);
        buf_printf(sql, "%s %s %.*s)", k->columns[i].name_sql,
                   lower  ? ">"
                   : last ? "<="
                          : "<",
                   l.len[i], l.at[i]);
    }
    return buf_put_str(sql, ")");
}

static bool is_set(const struct copy_bound *b)
{
    return b->sql && b->sql[0];
}

bool copy_key_where(const struct copy_key *k, const struct copy_range *range, const char *where,
                    struct buf *sql, struct err *e)
{
    const char *glue = " WHERE ";
    const struct copy_bound *bounds[2] = {range && k->n ? &range->lower : NULL,
                                          range && k->n ? &range->upper : NULL};
    for (size_t i = 0; i < 2; i++) {
        if (!bounds[i] || !is_set(bounds[i]))
            continue;
        buf_put_str(sql, glue);
        glue = " AND ";
        if (!put_bound(k, bounds[i]->sql, i == 0, sql, e))
            return false;
    }
    if (where && where[0])
        buf_printf(sql, "%s(%s)", glue, where);
    return !sql->failed || err_set(e, ERR_LIMIT, "a statement is too long");
}
