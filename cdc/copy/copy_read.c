/* cdc/copy/copy_read.c — chunks of a table: plan, one statement a chunk, and the batch that comes
 * of it.
 *
 * A chunk is one prepared `SELECT … ORDER BY key LIMIT n`, read unbuffered; n comes from the size
 * of the rows lately, so that little is read in vain. What lies over max_bytes is dropped and read
 * by the next chunk. The end is known only from a statement that returned fewer rows than its LIMIT
 * (▶ an error is never an end). Tables without a key are read by one statement that stays open over
 * all chunks.
 */
#include "cdc/copy/copy_read.h"

#include "base/fault.h"
#include "base/mem.h"
#include "cdc/copy/copy_read_internal.h"
#include "cdc/log/json_types.h"
#include "schemas/labels.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROW_BYTES_GUESS 200
#define LIMIT_MIN       16
#define LIMIT_MAX       200000
#define SILENCE_S       600 /* a view that nobody reads holds metadata locks: DDL waits for it */
#define IMAGES_MAX      ((size_t)1200 * 1024 * 1024)

void copy_range_fini(struct copy_range *r)
{
    free(r->lower.sql);
    free(r->upper.sql);
    *r = (struct copy_range){0};
}

struct copy_reader *copy_reader_open(const struct my_params *p, struct err *e)
{
    struct my_conn *c = my_connect(p, "copy", e);
    if (!c)
        return NULL;
    if (!my_limit_silence(c, SILENCE_S, e) ||
        !my_exec(c, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", NULL, e)) {
        my_close(c);
        return NULL;
    }
    struct copy_reader *r = mem_alloc(sizeof *r);
    r->conn = c;
    my_params_copy(&r->params, p);
    buf_init(&r->images, IMAGES_MAX);
    return r;
}

static void plan_fini(struct copy_plan *p)
{
    copy_key_fini(&p->key);
    schema_table_unref(p->source);
    schema_table_unref(p->table);
    free(p->columns);
    free(p->select);
    *p = (struct copy_plan){0};
}

void copy_reader_close(struct copy_reader *r)
{
    if (!r)
        return;
    copy_scan_end(r);
    plan_fini(&r->plan);
    copy_reader_lock_tables(r, NULL, 0);
    copy_definitions_forget(r);
    free(r->known);
    my_close(r->asker);
    my_close(r->conn);
    my_params_fini(&r->params);
    buf_fini(&r->images);
    buf_fini(&r->key_bytes);
    free(r);
}

struct my_conn *copy_reader_conn(struct copy_reader *r)
{
    return r->conn;
}

void copy_reader_json_types(struct copy_reader *r)
{
    assert(!r->plan.source);
    r->json_types = true;
}

/* ---- the plan ---- */

static void copy_column_definition(struct schema_column *to, const struct schema_column *from)
{
    *to = *from;
    to->name = mem_strdup(from->name);
    to->column_type = mem_strdup(from->column_type);
    to->collation_name = mem_strdup(from->collation_name);
    to->default_text = mem_strdup(from->default_text);
    to->extra = mem_strdup(from->extra);
    to->expression = mem_strdup(from->expression);
    schema_labels_copy(to, from);
    if (to->type == SCHEMA_TYPE_JSON)
        to->ext = SCHEMA_EXT_JSON_TEXT;
}

static void copy_key_definition(struct schema_key *to, const struct schema_key *from)
{
    *to = *from;
    to->name = mem_strdup(from->name);
    to->columns = mem_calloc(from->n ? from->n : 1, sizeof *to->columns);
    to->prefix = mem_calloc(from->n ? from->n : 1, sizeof *to->prefix);
    memcpy(to->columns, from->columns, from->n * sizeof *to->columns);
    memcpy(to->prefix, from->prefix, from->n * sizeof *to->prefix);
    to->expressions = mem_strdup(from->expressions);
}

/* The definition of a table whose JSON columns carry text. */
static struct schema_table *json_text_table(const struct schema_table *t)
{
    struct schema_table *copy = schema_table_new(t->db, t->name, t->n_columns);
    for (size_t i = 0; i < t->n_columns; i++)
        copy_column_definition(&copy->columns[i], &t->columns[i]);
    copy->pk = mem_calloc(t->n_pk ? t->n_pk : 1, sizeof *copy->pk);
    if (t->n_pk)
        memcpy(copy->pk, t->pk, t->n_pk * sizeof *copy->pk);
    copy->n_pk = t->n_pk;
    copy->keys = mem_calloc(t->n_keys ? t->n_keys : 1, sizeof *copy->keys);
    for (size_t i = 0; i < t->n_keys; i++)
        copy_key_definition(&copy->keys[copy->n_keys++], &t->keys[i]);
    copy->full_metadata = t->full_metadata;
    copy->content_hash = t->content_hash ^ 0x6a736f6e74657874u;
    return copy;
}

static const struct schema_table *copy_table(const struct schema_table *t)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        if (t->columns[i].type == SCHEMA_TYPE_JSON && t->columns[i].ext != SCHEMA_EXT_JSON_TEXT)
            return json_text_table(t);
    }
    return schema_table_ref(t);
}

#define JSON_TABLE_SINCE 80004u

static bool add_json_types(struct copy_reader *r, const struct schema_table *t, struct err *e)
{
    struct copy_plan *p = &r->plan;
    p->n_cells = t->n_columns;
    for (size_t i = 0; i < t->n_columns && r->json_types; i++) {
        if (t->columns[i].type != SCHEMA_TYPE_JSON)
            continue;
        if (my_conn_server(r->conn)->version < JSON_TABLE_SINCE)
            return err_set(e, ERR_LOG_UNSUPPORTED,
                           "%s.%s.%s: a server before MySQL 8.0.4 does not tell the types inside "
                           "of JSON documents",
                           t->db, t->name, t->columns[i].name);
        p->columns[i].form = COPY_JSON;
        p->columns[i].types_cell = p->n_cells++;
    }
    return true;
}

static void put_json_types(const struct copy_plan *p, const struct schema_table *t, struct buf *sql)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        if (p->columns[i].form != COPY_JSON)
            continue;
        CLEANUP(buf_fini) struct buf name = BUF_INIT;
        buf_put_ident(&name, t->columns[i].name);
        buf_put_u8(sql, ',');
        json_types_select(buf_str(&name), sql);
    }
}

static char *select_text(const struct copy_plan *p, const struct schema_table *t)
{
    struct buf sql = BUF_INIT;
    for (size_t i = 0; i < t->n_columns; i++) {
        buf_put_str(&sql, i ? "," : "SELECT ");
        copy_column_select(&t->columns[i], &sql);
    }
    put_json_types(p, t, &sql);
    buf_put_str(&sql, " FROM ");
    buf_put_table_name(&sql, t->db, t->name);
    buf_put_str(&sql, p->key.force_index);
    return buf_take(&sql);
}

bool copy_plan_for(struct copy_reader *r, const struct schema_table *t, struct err *e)
{
    struct copy_plan *p = &r->plan;
    if (p->source == t)
        return true;
    copy_scan_end(r);
    plan_fini(p);
    p->columns = mem_calloc(t->n_columns, sizeof *p->columns);
    p->source = schema_table_ref(t);
    p->table = copy_table(t);
    bool ok = true;
    for (size_t i = 0; i < t->n_columns && ok; i++)
        ok = copy_column_init(&p->columns[i], p->table, i, e);
    ok = ok && add_json_types(r, t, e) && copy_key_init(&p->key, r->conn, p->table, p->columns, e);
    if (!ok) {
        plan_fini(p);
        return false;
    }
    p->select = select_text(p, t);
    return true;
}

/* ---- one chunk ---- */

struct chunk {
    uint32_t n_rows; /* stored */
    uint64_t seen;   /* rows the statement returned */
    size_t max_bytes;
    bool full;
};

/* The key of the row that was stored last, as it came: cells are gone with the next row. */
static bool keep_key(struct copy_reader *r, const struct my_wire *cells)
{
    buf_reset(&r->key_bytes);
    for (size_t i = 0; i < r->plan.key.n; i++) {
        const struct my_wire *w = &cells[r->plan.key.columns[i].number];
        buf_put_le(&r->key_bytes, w->p ? w->n : UINT32_MAX, 4);
        if (w->p)
            buf_put(&r->key_bytes, w->p, w->n);
    }
    return !r->key_bytes.failed;
}

static bool key_bound(struct copy_reader *r, struct copy_bound *last, struct err *e)
{
    const struct copy_key *k = &r->plan.key;
    struct my_wire values[64];
    struct buf sql = BUF_INIT;
    size_t at = 0;
    assert(k->n <= 64);
    for (size_t i = 0; i < k->n; i++) {
        uint32_t n;
        memcpy(&n, r->key_bytes.data + at, 4);
        at += 4;
        values[i] = (struct my_wire){.p = n == UINT32_MAX ? NULL : r->key_bytes.data + at, .n = n};
        at += n == UINT32_MAX ? 0 : n;
    }
    if (k->n == 0)
        buf_printf(&sql, "row %llu", (unsigned long long)r->scan_rows);
    bool ok = copy_key_literals(k, values, &sql, e);
    free(last->sql);
    last->sql = ok ? buf_take(&sql) : NULL;
    buf_fini(&sql);
    return ok;
}

static bool store_row(struct copy_reader *r, struct chunk *c, const struct my_wire *cells,
                      struct err *e)
{
    const struct schema_table *t = r->plan.table;
    if (!copy_row_put(r->plan.columns, t->n_columns, cells, &r->images, e) || !keep_key(r, cells))
        return err_prepend(e, "%s.%s", t->db, t->name);
    c->n_rows++;
    c->full = r->images.len >= c->max_bytes;
    return true;
}

/* Reads rows until the statement's end, or (stop_when_full) until the chunk is full. */
static enum my_next read_rows(struct copy_reader *r, struct my_stmt *s, struct chunk *c,
                              bool stop_when_full, struct err *e)
{
    struct my_wire *cells = mem_calloc(r->plan.n_cells, sizeof *cells);
    enum my_next next = MY_ROW;
    while (!(c->full && stop_when_full) && (next = my_stmt_next(s, cells, e)) == MY_ROW) {
        c->seen++;
        if (!c->full && !store_row(r, c, cells, e)) {
            next = MY_FAIL;
            break;
        }
    }
    free(cells);
    return next;
}

static struct cdc_batch *make_batch(struct copy_reader *r, const struct chunk *chunk)
{
    struct cdc_batch *b = cdc_batch_new();
    const struct schema_table *t = r->plan.table;
    size_t bitmap_bytes = (t->n_columns + 7) / 8;
    uint8_t *present = arena_alloc(&b->arena, bitmap_bytes);
    memset(present, 0xff, bitmap_bytes);
    if (t->n_columns % 8)
        present[bitmap_bytes - 1] = (uint8_t)((1u << (t->n_columns % 8)) - 1);
    struct cdc_change *c = cdc_batch_add(b, CDC_COPY_ROWS);
    cdc_batch_hold_table(b, t);
    c->rows.table = t;
    c->rows.op = CDC_OP_INSERT;
    c->rows.n_columns = (uint32_t)t->n_columns;
    c->rows.present_after = present;
    c->rows.images = arena_copy(&b->arena, r->images.data, r->images.len);
    c->rows.images_len = r->images.len;
    c->rows.n_rows = chunk->n_rows;
    b->bytes = b->arena.total_bytes;
    return b;
}

static bool finish_chunk(struct copy_reader *r, const struct chunk *c, struct cdc_batch **out,
                         struct copy_bound *last, struct err *e)
{
    if (c->n_rows == 0)
        return true;
    r->plan.row_bytes = r->images.len / c->n_rows + 1;
    if (!key_bound(r, last, e))
        return false;
    *out = make_batch(r, c);
    return true;
}

static uint64_t chunk_limit(const struct copy_reader *r, size_t max_bytes)
{
    uint64_t n = max_bytes / (r->plan.row_bytes ? r->plan.row_bytes : ROW_BYTES_GUESS) + 1;
    return n < LIMIT_MIN ? LIMIT_MIN : n > LIMIT_MAX ? LIMIT_MAX : n;
}

/* The definition is proven (copy_read_definition.c); that what arrives is what it says costs
 * nothing to look at. */
static bool check_result(const struct copy_plan *p, const struct my_stmt *s, struct err *e)
{
    const struct my_column *columns;
    unsigned n = my_stmt_columns(s, &columns);
    bool same = n == p->n_cells;
    for (unsigned i = 0; i < p->table->n_columns && same; i++) {
        same = copy_column_is(&p->columns[i], &columns[i]);
        if (!same)
            err_set_native(e, ERR_SCHEMA_MISMATCH, ERR_CLASS_RETRY, 0,
                           "column %s arrives as type %u, which its definition %s is not",
                           columns[i].name, columns[i].type,
                           p->table->columns[i].column_type ? p->table->columns[i].column_type
                                                            : "");
    }
    if (!same && e->code == ERR_NONE)
        err_set(e, ERR_INTERNAL, "%u columns arrive, %zu were asked for", n, p->n_cells);
    return same;
}

static struct my_stmt *start_select(struct copy_reader *r, const char *sql, struct err *e)
{
    struct my_stmt *s = my_prepare(r->conn, sql, e);
    if (s && my_stmt_query(s, NULL, e) && check_result(&r->plan, s, e))
        return s;
    my_stmt_free(s);
    return NULL;
}

static bool read_key_chunk(struct copy_reader *r, const struct copy_range *range, const char *where,
                           struct chunk *c, bool *end, struct err *e)
{
    struct buf sql = BUF_INIT;
    uint64_t limit = chunk_limit(r, c->max_bytes);
    struct my_stmt *s = NULL;
    buf_put_str(&sql, r->plan.select);
    if (copy_key_where(&r->plan.key, range, where, &sql, e)) {
        buf_printf(&sql, "%s LIMIT %llu", r->plan.key.order_by, (unsigned long long)limit);
        s = start_select(r, buf_str(&sql), e);
    }
    buf_fini(&sql);
    if (!s)
        return false;
    enum my_next next = read_rows(r, s, c, false, e);
    my_stmt_free(s);
    *end = next == MY_END && c->seen < limit && c->seen == c->n_rows;
    return next == MY_END;
}

void copy_scan_end(struct copy_reader *r)
{
    if (r->scan)
        my_stmt_free(r->scan);
    r->scan = NULL;
    r->scan_rows = 0;
}

static bool scan_begin(struct copy_reader *r, const struct copy_range *range, const char *where,
                       struct err *e)
{
    struct buf sql = BUF_INIT;
    char here[40];
    snprintf(here, sizeof here, "row %llu", (unsigned long long)r->scan_rows);
    const char *from = range && range->lower.sql ? range->lower.sql : "";
    if (r->scan && strcmp(from, here) == 0)
        return true;
    if (from[0])
        return err_set(e, ERR_WF_STATE,
                       "%s.%s has no key to go on from; its copy must be started anew",
                       r->plan.table->db, r->plan.table->name);
    copy_scan_end(r);
    buf_put_str(&sql, r->plan.select);
    if (copy_key_where(&r->plan.key, NULL, where, &sql, e))
        r->scan = start_select(r, buf_str(&sql), e);
    buf_fini(&sql);
    return r->scan != NULL;
}

static bool read_scan_chunk(struct copy_reader *r, const struct copy_range *range,
                            const char *where, struct chunk *c, bool *end, struct err *e)
{
    if (!scan_begin(r, range, where, e))
        return false;
    enum my_next next = read_rows(r, r->scan, c, true, e);
    r->scan_rows += c->n_rows;
    *end = next == MY_END;
    return next != MY_FAIL;
}

bool copy_read_chunk(struct copy_reader *r, const struct schema_table *t,
                     const struct copy_range *range, const char *where, size_t max_bytes,
                     struct cdc_batch **out, struct copy_bound *last, bool *end, struct err *e)
{
    struct chunk c = {.max_bytes = max_bytes};
    *out = NULL;
    *end = false;
    if (!FAULT_POINT("copy.read_chunk", e) || !copy_plan_for(r, t, e))
        return false;
    buf_reset(&r->images);
    bool keyed = r->plan.key.n > 0;
    bool ok = keyed ? read_key_chunk(r, range, where, &c, end, e)
                    : read_scan_chunk(r, range, where, &c, end, e);
    if (ok)
        ok = finish_chunk(r, &c, out, last, e);
    if (!ok && !keyed)
        copy_scan_end(r);
    if (!keyed && *end)
        copy_scan_end(r);
    return ok || err_prepend(e, "copy of %s.%s", t->db, t->name);
}
