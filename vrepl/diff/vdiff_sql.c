/* vrepl/diff/vdiff_sql.c — the SQL of a comparison: canonical column texts, row hashes, key
 * conditions.
 *
 * A row's hash is the SHA-256 of a run-random salt and the row's values, written so that two
 * different rows never give the same text: each value that may hold the separator is preceded by
 * its length, NULLs are left out, and a digit for each column says at the end which ones are NULL.
 * Long types enter as SHA-256 of their own, because a text of more than max_allowed_packet would
 * be NULL.
 *
 * A range's checksum is COUNT(*) and the sum of the first 64 bits of its rows' hashes, exact (a
 * DECIMAL), so that the parts of several shards can be added up. Why equal sums are equal ranges:
 * nobody outside knows the salt, so different texts have independent, uniformly distributed words.
 * Take the rows that only one side has, of which there is at least one, and fix the words of all
 * but one text: the sums, which are exact, then agree for at most one of the 2^64 values of its
 * word (also when one side has that text several times more often: its word then counts several
 * times, and never cancels out). So a range that differs is taken for equal with a probability of
 * at most 2^-64, whatever the difference. A hash that is linear in its
 * input does not have this: CRC32 of each of two rows that have exchanged values XORs to the same,
 * with any salt, and sums of terms that each depend on one column do not see exchanged values.
 *
 * A hash is NULL when a value is longer than the server will concatenate. SUM would pass over it;
 * here it counts as 10^30, which no sum of fewer than 2^35 words reaches, and is an error.
 */
#include "vrepl/diff/vdiff_internal.h"

#include "base/mem.h"
#include "cdc/log/json_types.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum column_class {
    CLASS_PLAIN,
    CLASS_FLOAT,
    CLASS_TEXT,
    CLASS_LONG,
    CLASS_JSON,
    CLASS_GEOMETRY,
    CLASS_BIT,
    CLASS_LABEL
};

static enum column_class class_of(const struct schema_column *c)
{
    bool is_long = c->type == SCHEMA_TYPE_BLOB || c->type == SCHEMA_TYPE_BLOB_COMPRESSED ||
                   c->type == SCHEMA_TYPE_VECTOR;
    switch (schema_column_kind(c)) {
    case SCHEMA_VALUE_FLOAT:
    case SCHEMA_VALUE_DOUBLE:
        return CLASS_FLOAT;
    case SCHEMA_VALUE_BIT:
        return CLASS_BIT;
    case SCHEMA_VALUE_JSON:
        return CLASS_JSON;
    case SCHEMA_VALUE_GEOMETRY:
        return CLASS_GEOMETRY;
    case SCHEMA_VALUE_ENUM:
    case SCHEMA_VALUE_SET:
        return CLASS_LABEL;
    case SCHEMA_VALUE_TEXT:
    case SCHEMA_VALUE_BYTES:
    case SCHEMA_VALUE_NETWORK:
    case SCHEMA_VALUE_VECTOR:
        return is_long ? CLASS_LONG : CLASS_TEXT;
    case SCHEMA_VALUE_INTEGER:
    case SCHEMA_VALUE_DECIMAL:
    case SCHEMA_VALUE_YEAR:
    case SCHEMA_VALUE_DATE:
    case SCHEMA_VALUE_TIME:
    case SCHEMA_VALUE_DATETIME:
    case SCHEMA_VALUE_TIMESTAMP:
    case SCHEMA_VALUE_NONE:
        break;
    }
    return CLASS_PLAIN;
}

/* A widened column prints otherwise on the two sides: both are cast to the wider form. */
static const char *widening_cast(const struct schema_column *a, const struct schema_column *b)
{
    bool same = a->column_type != NULL && b->column_type != NULL &&
                strcasecmp(a->column_type, b->column_type) == 0;
    if (same)
        return NULL;
    if (a->type == SCHEMA_TYPE_NEWDECIMAL || b->type == SCHEMA_TYPE_NEWDECIMAL)
        return "DECIMAL(65,30)";
    if (a->type == SCHEMA_TYPE_DATETIME2 || a->type == SCHEMA_TYPE_TIMESTAMP2)
        return "DATETIME(6)";
    return a->type == SCHEMA_TYPE_TIME2 ? "TIME(6)" : NULL;
}

/* A document's text does not tell the types of its scalars, which MySQL keeps. */
static void put_document(const char *name, bool typed, struct buf *out)
{
    buf_printf(out,
               typed ? "CONCAT(SHA2(CAST(%s AS CHAR),256),COALESCE(SHA2(("
                     : "SHA2(CAST(%s AS CHAR),256)",
               name);
    if (!typed)
        return;
    json_types_select(name, out);
    buf_put_str(out, "),256),''))");
}

/* Canonical bytes of a column; `other` is its twin on the other side. */
static void put_value(const struct schema_column *c, const struct schema_column *other,
                      struct buf *out)
{
    struct buf name = BUF_INIT;
    const char *cast = widening_cast(c, other);
    buf_put_ident(&name, c->name);
    const char *n = buf_str(&name);
    bool convert = c->collation != other->collation && c->collation != 63 && other->collation != 63;
    switch (class_of(c)) {
    case CLASS_FLOAT:
        buf_printf(out, "(%s+0e0)", n);
        break;
    case CLASS_BIT:
        buf_printf(out, "(%s+0)", n);
        break;
    case CLASS_JSON:
        put_document(n, c->type == other->type, out);
        break;
    case CLASS_GEOMETRY:
        buf_printf(out, "SHA2(HEX(%s),256)", n);
        break;
    case CLASS_LABEL:
        buf_printf(out,
                   c->collation == 63 ? "CAST(%s AS BINARY)"
                                      : "CAST(CONVERT(%s USING utf8mb4) AS BINARY)",
                   n);
        break;
    case CLASS_LONG:
    case CLASS_TEXT: {
        bool is_long = class_of(c) == CLASS_LONG || class_of(other) == CLASS_LONG;
        buf_printf(out,
                   convert ? "%sCAST(CONVERT(%s USING utf8mb4) AS BINARY)%s"
                           : "%sCAST(%s AS BINARY)%s",
                   is_long ? "SHA2(" : "", n, is_long ? ",256)" : "");
        break;
    }
    case CLASS_PLAIN:
        if (cast != NULL)
            buf_printf(out, "CAST(%s AS %s)", n, cast);
        else
            buf_put_str(out, n);
        break;
    }
    buf_fini(&name);
}

static bool needs_length(const struct schema_column *c)
{
    enum column_class k = class_of(c);
    return k == CLASS_TEXT || k == CLASS_LABEL;
}

static const struct schema_column *column_of(const struct vdiff_end *x, const char *name)
{
    int i = schema_table_column(x->table, name);
    assert(i >= 0);
    return &x->table->columns[i];
}

/* SHA2(CONCAT_WS('#', salt, [length,] value, …, nulls),256) */
static void put_hash(const struct vdiff_run *d, const struct vdiff_end *x,
                     const struct vdiff_end *twin, struct buf *out)
{
    buf_printf(out, "SHA2(CONCAT_WS('#','%s'", d->salt);
    for (size_t k = 0; k < d->n_columns; k++) {
        const struct schema_column *c = column_of(x, d->columns[k]);
        buf_put_u8(out, ',');
        if (needs_length(c)) {
            buf_put_str(out, "LENGTH(");
            put_value(c, column_of(twin, d->columns[k]), out);
            buf_put_str(out, "),");
        }
        put_value(c, column_of(twin, d->columns[k]), out);
    }
    buf_put_str(out, ",CONCAT(''");
    for (size_t k = 0; k < d->n_columns; k++) {
        buf_put_str(out, ",ISNULL(");
        buf_put_ident(out, d->columns[k]);
        buf_put_str(out, ")");
    }
    buf_put_str(out, ")),256)");
}

static void put_key_text(const struct vdiff_run *d, const struct vdiff_end *x,
                         const struct vdiff_end *twin, struct buf *out)
{
    buf_put_str(out, "CONCAT_WS(','");
    for (size_t i = 0; i < d->n_key; i++) {
        const char *name = d->columns[i];
        buf_put_str(out, ",HEX(CAST(");
        put_value(column_of(x, name), column_of(twin, name), out);
        buf_put_str(out, " AS BINARY))");
    }
    buf_put_str(out, ")");
}

static void plan_end(const struct vdiff_run *d, struct vdiff_end *x, const struct vdiff_end *twin)
{
    struct buf h = BUF_INIT, key = BUF_INIT, row = BUF_INIT, from = BUF_INIT;
    put_hash(d, x, twin, &h);
    if (d->n_key > 0)
        put_key_text(d, x, twin, &key);
    else /* without an identity the content is the key, and rows are counted */
        buf_printf(&key, "%s", buf_str(&h));
    for (size_t i = 0; i < d->n_columns; i++) {
        enum column_class k = class_of(column_of(x, d->columns[i]));
        buf_put_str(&row, i > 0 ? "," : "");
        buf_put_str(&row, k == CLASS_GEOMETRY ? "HEX(" : k == CLASS_BIT ? "0+(" : "(");
        buf_put_ident(&row, d->columns[i]);
        buf_put_str(&row, ")");
    }
    buf_put_table_name(&from, x->shard->primary.database, x->table->name);
    x->checksum = mem_printf("COUNT(*),COALESCE(SUM(COALESCE(CAST(CONV(LEFT(%s,16),16,10) AS "
                             "DECIMAL(20,0)),1000000000000000000000000000000)),0)",
                             buf_str(&h));
    x->key_hash = mem_printf("%s,LEFT(%s,%d)", buf_str(&key), buf_str(&h), VDIFF_HASH_LEN);
    x->row = buf_take(&row);
    x->from = buf_take(&from);
    buf_fini(&h);
    buf_fini(&key);
}

static bool key_column_charset(struct vdiff_end *x, struct vdiff_key_column *k, const char *name,
                               struct err *e)
{
    struct buf sql = BUF_INIT;
    struct my_cell cells[2];
    buf_put_str(&sql, "SELECT CHARACTER_SET_NAME, COLLATION_NAME FROM information_schema.COLUMNS "
                      "WHERE TABLE_SCHEMA=");
    buf_put_sql_string(&sql, x->shard->primary.database, strlen(x->shard->primary.database));
    buf_put_str(&sql, " AND TABLE_NAME=");
    buf_put_sql_string(&sql, x->table->name, strlen(x->table->name));
    buf_put_str(&sql, " AND COLUMN_NAME=");
    buf_put_sql_string(&sql, name, strlen(name));
    struct my_result *r = my_query(copy_reader_conn(x->reader), buf_str(&sql), e);
    bool ok = r != NULL && my_result_next(r, cells, e) == MY_ROW;
    if (ok) {
        k->charset = mem_strdup(cells[0].p);
        k->collation = mem_strdup(cells[1].p);
    }
    my_result_free(r);
    buf_fini(&sql);
    return ok || err_set(e, ERR_SCHEMA_UNKNOWN, "column %s of %s is gone", name, x->table->name);
}

static bool plan_key(struct vdiff_run *d, struct err *e)
{
    struct vdiff_end *s = &d->sources[0];
    const struct schema_key *key = schema_table_identity(s->table);
    d->n_key = key != NULL ? key->n : 0;
    d->key = mem_calloc(d->n_key + 1, sizeof *d->key);
    for (size_t i = 0; i < d->n_key; i++) {
        const struct schema_column *c = &s->table->columns[key->columns[i]];
        struct buf quoted = BUF_INIT;
        enum column_class class_ = class_of(c);
        buf_put_ident(&quoted, c->name);
        d->key[i].number = key->columns[i];
        d->key[i].name = buf_take(&quoted);
        d->key[i].numeric = class_ == CLASS_PLAIN || class_ == CLASS_FLOAT || class_ == CLASS_BIT;
        if (!key_column_charset(s, &d->key[i], c->name, e))
            return false;
    }
    return true;
}

static bool is_key_column(const struct vdiff_run *d, size_t number)
{
    for (size_t i = 0; i < d->n_key; i++)
        if (d->key[i].number == number)
            return true;
    return false;
}

/* Key columns first, then all that both sides have. */
static bool plan_columns(struct vdiff_run *d, struct err *e)
{
    const struct schema_table *s = d->sources[0].table, *t = d->targets[0].table;
    d->columns = mem_calloc(s->n_columns + 1, sizeof(char *));
    for (size_t i = 0; i < d->n_key; i++)
        d->columns[d->n_columns++] = mem_strdup(s->columns[d->key[i].number].name);
    for (size_t i = 0; i < s->n_columns; i++)
        if (!is_key_column(d, i) && !d->rq->only_pks &&
            schema_table_column(t, s->columns[i].name) >= 0)
            d->columns[d->n_columns++] = mem_strdup(s->columns[i].name);
    for (size_t i = 0; i < d->n_key; i++)
        if (schema_table_column(t, d->columns[i]) < 0)
            return err_set(e, ERR_SCHEMA_MISMATCH, "%s: the target lacks the key column %s",
                           s->name, d->columns[i]);
    return d->n_columns > 0 ||
           err_set(e, ERR_SCHEMA_MISMATCH, "%s: there is no column to compare", s->name);
}

bool vdiff_plan(struct vdiff_run *d, struct err *e)
{
    if (!plan_key(d, e) || !plan_columns(d, e))
        return false;
    for (size_t i = 0; i < d->rq->n_sources; i++)
        plan_end(d, &d->sources[i], &d->targets[0]);
    for (size_t i = 0; i < d->rq->n_targets; i++)
        plan_end(d, &d->targets[i], &d->sources[0]);
    return true;
}

void vdiff_plan_fini(struct vdiff_run *d)
{
    for (size_t i = 0; i < d->n_key; i++) {
        free(d->key[i].name);
        free(d->key[i].charset);
        free(d->key[i].collation);
    }
    for (size_t i = 0; i < d->n_columns; i++)
        free(d->columns[i]);
    free(d->key);
    free(d->columns);
}

/* Numbers go in bare (a quoted one would be compared as a DOUBLE), dates and times in quotes. */
static bool put_number(const char *hex, size_t n, struct buf *sql, struct err *e)
{
    struct buf text = BUF_INIT;
    bool ok = true, temporal = false;
    for (size_t i = 0; i + 1 < n; i += 2) {
        char two[3] = {hex[i], hex[i + 1], '\0'};
        char c = (char)strtoul(two, NULL, 16);
        ok &= c != '\0' && strchr("0123456789+-.:eE ", c) != NULL;
        temporal |= c == ':' || c == ' ' || (c == '-' && i >= 8);
        buf_put_u8(&text, (uint8_t)c);
    }
    if (ok)
        buf_printf(sql, temporal ? "'%s'" : "%s", buf_str(&text));
    buf_fini(&text);
    return ok || err_set(e, ERR_INTERNAL, "a key value is no number");
}

static bool put_key_value(const struct vdiff_key_column *k, const char *hex, size_t n,
                          struct buf *sql, struct err *e)
{
    buf_put_str(sql, k->name);
    buf_put_u8(sql, '=');
    if (k->numeric)
        return put_number(hex, n, sql, e);
    if (k->charset != NULL)
        buf_printf(sql, "CONVERT(0x%.*s USING %s) COLLATE %s", (int)n, hex, k->charset,
                   k->collation);
    else
        buf_printf(sql, "0x%.*s", (int)n, hex);
    return true;
}

bool vdiff_key_condition(const struct vdiff_run *d, const char *key, struct buf *sql, struct err *e)
{
    const char *p = key;
    buf_put_u8(sql, '(');
    for (size_t i = 0; i < d->n_key; i++) {
        size_t n = strcspn(p, ",");
        buf_put_str(sql, i > 0 ? " AND " : "");
        if (n == 0)
            buf_printf(sql, "%s=''", d->key[i].name);
        else if (!put_key_value(&d->key[i], p, n, sql, e))
            return false;
        p += n;
        p += *p == ',';
    }
    buf_put_u8(sql, ')');
    return true;
}
