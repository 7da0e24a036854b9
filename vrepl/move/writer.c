/* vrepl/move/writer.c — collects consecutive rows of one form and sends them by the server's
 * cheapest exact way.
 *
 * A form is (plan, verb, present columns, compared columns). MariaDB takes n rows by array binding
 * for all four verbs; MySQL takes multi-row prepared INSERT and REPLACE, and single UPDATE and
 * DELETE. On a pipelined connection statements go out without waiting for each other; their hit
 * counts are compared when the answers are read, at the latest at the flush, before any COMMIT.
 */
#include "vrepl/move/writer.h"

#include "base/mem.h"
#include "vrepl/move/json_write.h"
#include "vrepl/move/statement.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define WRITER_ROWS       1000u
#define WRITER_BYTES      ((size_t)512 * 1024)
#define WRITER_MULTI_ROWS 128u   /* of one multi-row statement on MySQL */
#define WRITER_MAX_PARAMS 60000u /* the protocol's limit is 65,535 */
#define WRITER_CACHE      512u   /* prepared statements */

struct sent { /* a statement whose answer has not been read */
    const struct vrepl_plan *plan;
    size_t rows;
    bool strict;
};

struct vrepl_writer {
    struct my_conn *conn; /* borrowed */
    bool bulk, one_by_one, pipelined;
    struct sent sent[MY_PIPELINE_MAX]; /* ring */
    size_t first_sent;
    size_t max_rows, max_bytes;
    struct map *statements;     /* form and row count → struct my_stmt * */
    struct buf form, next_form; /* of what is pending; of the row that comes */
    struct buf texts;           /* of next_form, while it is made */
    struct json_write json;     /* of one document */
    const uint8_t *next_text;   /* in form, while a row is bound */
    const struct vrepl_plan *plan;
    struct copy_statement what;
    uint8_t *present, *compared; /* into form */
    struct my_value *values;     /* rows × params */
    size_t cap_values, n_params, n_rows, n_bytes;
    struct value_scratch scratch;
};

static void free_stmt(void *p)
{
    my_stmt_free(p);
}

struct vrepl_writer *vrepl_writer_new(struct my_conn *c, size_t max_rows, size_t max_bytes)
{
    struct vrepl_writer *w = mem_alloc(sizeof *w);
    w->conn = c;
    w->bulk = my_conn_server(c)->bulk;
    w->max_rows = max_rows ? max_rows : WRITER_ROWS;
    w->max_bytes = max_bytes ? max_bytes : WRITER_BYTES;
    w->statements = map_new(free_stmt);
    value_scratch_init(&w->scratch);
    return w;
}

void vrepl_writer_free(struct vrepl_writer *w)
{
    if (!w)
        return;
    map_free(w->statements);
    buf_fini(&w->form);
    buf_fini(&w->next_form);
    buf_fini(&w->texts);
    json_write_fini(&w->json);
    free(w->values);
    value_scratch_fini(&w->scratch);
    free(w);
}

void vrepl_writer_one_by_one(struct vrepl_writer *w, bool on)
{
    assert(w->n_rows == 0);
    w->one_by_one = on;
}

void vrepl_writer_pipelined(struct vrepl_writer *w)
{
    w->pipelined = true;
}

void vrepl_writer_reset(struct vrepl_writer *w)
{
    if (w->pipelined)
        my_pipeline_drop(w->conn);
    w->n_rows = 0;
    w->n_bytes = 0;
    w->plan = NULL;
    buf_reset(&w->form);
    arena_reset(&w->scratch.arena);
}

/* One expression that stands for the plan's: which column (set ones, then compared ones), how many
 * parameters, and its text. */
struct own_text {
    uint32_t column, n_params;
    const char *sql;
};

static const uint8_t *next_text(const uint8_t *at, struct own_text *out)
{
    memcpy(&out->column, at, 4);
    memcpy(&out->n_params, at + 4, 4);
    out->sql = (const char *)at + 8;
    return at + 8 + strlen(out->sql) + 1;
}

/* JSON documents that hold more than their text says are written by an expression of their own. */
static bool put_texts(struct vrepl_writer *w, const struct vrepl_plan *p, const uint8_t *set,
                      size_t first, const struct cdc_row *row, struct err *e)
{
    for (size_t i = 0; i < p->n_columns; i++) {
        const struct plan_column *c = &p->columns[i];
        if (!c->typed || !set[i] || row->values[c->source].null || row->values[c->source].json_diff)
            continue;
        if (!json_write_make(&w->json, c, &row->values[c->source], &w->scratch, e))
            return err_prepend(e, "%s.%s", p->source->name, p->source->columns[c->source].name);
        if (w->json.n == 0)
            continue;
        buf_put_le(&w->texts, first + i, 4);
        buf_put_le(&w->texts, w->json.n, 4);
        buf_put(&w->texts, buf_str(&w->json.sql), w->json.sql.len + 1);
    }
    return true;
}

/* The form as bytes: plan, verb and strictness, then one byte a column for each of the two sets,
 * then the expressions that stand for the plan's. */
static bool put_form(struct vrepl_writer *w, const struct vrepl_plan *p, struct copy_statement s,
                     const struct cdc_row *before, const struct cdc_row *after, struct err *e)
{
    struct buf *out = &w->next_form;
    buf_reset(out);
    buf_reset(&w->texts);
    buf_put(out, &p, sizeof p);
    buf_put_u8(out, (uint8_t)s.verb);
    buf_put_u8(out, s.strict);
    bool sets = s.verb != COPY_DELETE, compares = s.verb == COPY_DELETE || s.verb == COPY_UPDATE;
    uint8_t *at = buf_reserve(out, p->n_columns * 2);
    if (!at)
        return err_set(e, ERR_LIMIT, "%s: too many columns", p->source->name);
    for (size_t i = 0; i < p->n_columns; i++) {
        const struct plan_column *c = &p->columns[i];
        at[i] = sets && !after->values[c->source].absent;
        at[p->n_columns + i] =
            compares && !before->values[c->source].absent && (p->n_key == 0 || c->key || c->guard);
    }
    out->len += p->n_columns * 2;
    if (!p->typed) /* no text can be another than the plan's */
        return true;
    if (!put_texts(w, p, at, 0, after, e) ||
        !put_texts(w, p, at + p->n_columns, p->n_columns, before, e))
        return false;
    return w->texts.len == 0 || buf_put(out, w->texts.data, w->texts.len) ||
           err_set(e, ERR_LIMIT, "%s: a statement that is too long", p->source->name);
}

static bool check_images(const struct vrepl_plan *p, struct copy_statement s,
                         const struct cdc_row *before, const struct cdc_row *after, struct err *e)
{
    for (size_t i = 0; i < p->n_columns; i++) {
        const struct plan_column *c = &p->columns[i];
        const char *name = p->source->columns[c->source].name;
        bool compared = s.verb == COPY_DELETE || s.verb == COPY_UPDATE;
        if (compared && (c->key || c->guard) && before->values[c->source].absent)
            return err_set(e, ERR_SRC_SETTING,
                           "%s.%s: the log's row image has no value of key column %s",
                           p->source->db, p->source->name, name);
        if (s.verb == COPY_REPLACE && after->values[c->source].absent) {
            err_set(e, ERR_SRC_SETTING, "%s.%s: the log's row image has no value of column %s",
                    p->source->db, p->source->name, name);
            return err_cure(e, "set binlog_row_image=FULL on the source while tables are copied");
        }
    }
    return true;
}

static size_t value_bytes(const struct my_value *v)
{
    return v->type == MY_VALUE_BYTES ? v->v.bytes.n + 4 : 9;
}

/* A document's text and what its own expression puts over it; next: the form's next such. */
static bool bind_document(struct vrepl_writer *w, const struct plan_column *c,
                          const struct cdc_value *v, struct my_value **at, struct err *e)
{
    struct own_text text;
    w->next_text = next_text(w->next_text, &text);
    if (!json_write_make(&w->json, c, v, &w->scratch, e))
        return false;
    assert(w->json.n == text.n_params);
    memcpy(*at, w->json.values, w->json.n * sizeof **at);
    *at += w->json.n;
    return true;
}

static bool has_own_text(const struct vrepl_writer *w, size_t column)
{
    struct own_text text;
    if (w->next_text == w->form.data + w->form.len)
        return false;
    next_text(w->next_text, &text);
    return text.column == column;
}

static bool column_error(const struct vrepl_writer *w, const struct plan_column *c, struct err *e)
{
    return err_prepend(e, "%s.%s", w->plan->source->name, w->plan->source->columns[c->source].name);
}

/* As bind_set, for a form without expressions of its own, which nearly all are: one value a column.
 */
static bool bind_plain(struct vrepl_writer *w, const uint8_t *set, const struct cdc_row *row,
                       struct my_value **at, struct err *e)
{
    const struct plan_column *c = w->plan->columns, *end = c + w->plan->n_columns;
    struct my_value *to = *at;
    size_t bytes = 0;
    for (; c < end; c++) {
        if (!*set++)
            continue;
        if (!value_bind(c, &row->values[c->source], &w->scratch, to, e))
            return column_error(w, c, e);
        bytes += value_bytes(to++);
    }
    *at = to;
    w->n_bytes += bytes;
    return true;
}

/* first: the number of the set's first column among all that are set or compared. */
static bool bind_set(struct vrepl_writer *w, const uint8_t *set, size_t first,
                     const struct cdc_row *row, struct my_value **at, struct err *e)
{
    if (w->next_text == w->form.data + w->form.len)
        return bind_plain(w, set, row, at, e);
    for (size_t i = 0; i < w->plan->n_columns; i++) {
        const struct plan_column *c = &w->plan->columns[i];
        struct my_value *from = *at;
        if (!set[i])
            continue;
        const struct cdc_value *v = &row->values[c->source];
        if (has_own_text(w, first + i) ? !bind_document(w, c, v, at, e)
                                       : !value_bind(c, v, &w->scratch, (*at)++, e))
            return column_error(w, c, e);
        while (from < *at)
            w->n_bytes += value_bytes(from++);
    }
    return true;
}

/* Behind the two sets. */
static const uint8_t *texts_of(const struct vrepl_writer *w)
{
    return w->compared + w->plan->n_columns;
}

static size_t count_more_params(const struct vrepl_writer *w)
{
    size_t more = 0;
    struct own_text text;
    for (const uint8_t *at = texts_of(w), *end = w->form.data + w->form.len; at < end;
         more += text.n_params - 1)
        at = next_text(at, &text);
    return more;
}

static size_t count_set(const uint8_t *set, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += set[i];
    return count;
}

static void take_form(struct vrepl_writer *w, const struct vrepl_plan *p, struct copy_statement s)
{
    struct buf old = w->form;
    w->form = w->next_form;
    w->next_form = old;
    w->plan = p;
    w->what = s;
    w->present = w->form.data + sizeof p + 2;
    w->compared = w->present + p->n_columns;
    w->n_params = count_set(w->present, p->n_columns) + count_set(w->compared, p->n_columns) +
                  count_more_params(w);
}

static bool check_hits(const struct sent *s, uint64_t hits, struct err *e)
{
    assert(s->plan);
    if (!s->strict || hits == s->rows)
        return true;
    return err_set(e, ERR_APPLY_MISSED, "%s: %llu of %zu changes hit a row of the target",
                   s->plan->target->name, (unsigned long long)hits, s->rows);
}

/* Reads answers until at most `left` are to come. */
static bool read_answers(struct vrepl_writer *w, size_t left, struct err *e)
{
    while (w->pipelined && my_pipeline_count(w->conn) > left) {
        uint64_t hits = 0;
        const struct sent *s = &w->sent[w->first_sent];
        if (!my_pipeline_answer(w->conn, &hits, e) || !check_hits(s, hits, e))
            return false;
        w->first_sent = (w->first_sent + 1) % MY_PIPELINE_MAX;
    }
    return true;
}

static struct sent of_rows(const struct vrepl_writer *w, size_t rows)
{
    return (struct sent){.plan = w->plan, .rows = rows, .strict = w->what.strict};
}

static void note_sent(struct vrepl_writer *w, size_t rows)
{
    size_t last = my_pipeline_count(w->conn) - 1;
    w->sent[(w->first_sent + last) % MY_PIPELINE_MAX] = of_rows(w, rows);
}

/* Half of the answers are read when the ring is full, so that the server has work meanwhile. */
static bool make_room(struct vrepl_writer *w, struct err *e)
{
    return my_pipeline_count(w->conn) < MY_PIPELINE_MAX || read_answers(w, MY_PIPELINE_MAX / 2, e);
}

static void put_statement(const struct vrepl_writer *w, size_t rows, struct buf *sql)
{
    const uint8_t *at = texts_of(w), *end = w->form.data + w->form.len;
    const char **texts = at < end ? mem_calloc(w->plan->n_columns * 2, sizeof *texts) : NULL;
    struct own_text text;
    while (at < end) {
        at = next_text(at, &text);
        texts[text.column] = text.sql;
    }
    statement_text(w->plan, w->what.verb, w->present, w->compared, texts, rows, sql);
    free(texts);
}

/* A statement for this form and number of VALUES lists; owned by the cache. Preparing one is a
 * request of its own: it waits for the answers under way. */
static struct my_stmt *prepared(struct vrepl_writer *w, size_t rows, struct err *e)
{
    CLEANUP(buf_fini) struct buf key = BUF_INIT;
    buf_put(&key, w->form.data, w->form.len);
    buf_put_le(&key, rows, 4);
    struct my_stmt *s = map_get(w->statements, key.data, key.len);
    if (s)
        return s;
    if (!read_answers(w, 0, e))
        return NULL;
    if (map_count(w->statements) >= WRITER_CACHE)
        map_clear(w->statements);
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    put_statement(w, rows, &sql);
    s = my_prepare(w->conn, buf_str(&sql), e);
    if (s)
        map_put(w->statements, key.data, key.len, s);
    return s;
}

static bool bulk_now(struct vrepl_writer *w, struct my_stmt *s, struct err *e)
{
    uint64_t hits = 0;
    const struct sent sent = of_rows(w, w->n_rows);
    return my_stmt_exec_bulk(s, w->values, w->n_rows, &hits, e) && check_hits(&sent, hits, e);
}

static bool send_bulk(struct vrepl_writer *w, struct err *e)
{
    struct my_stmt *s = prepared(w, 1, e);
    if (!s || !w->pipelined)
        return s && bulk_now(w, s, e);
    for (size_t at = 0, taken = 0; at < w->n_rows; at += taken) {
        if (!make_room(w, e) ||
            !my_stmt_send_bulk(s, &w->values[at * w->n_params], w->n_rows - at, &taken, e))
            return false;
        note_sent(w, taken);
    }
    return true;
}

/* rows: VALUES lists in the statement. */
static bool send_some(struct vrepl_writer *w, size_t first, size_t rows, struct err *e)
{
    struct my_stmt *s = prepared(w, rows, e);
    const struct my_value *values = &w->values[first * w->n_params];
    if (s && w->pipelined) {
        if (!make_room(w, e) || !my_stmt_send(s, values, e))
            return false;
        note_sent(w, rows);
        return true;
    }
    uint64_t hits = 0;
    const struct sent sent = of_rows(w, rows);
    return s && my_stmt_exec(s, values, &hits, e) && check_hits(&sent, hits, e);
}

static size_t rows_per_statement(const struct vrepl_writer *w, size_t left)
{
    bool multi = w->what.verb == COPY_INSERT || w->what.verb == COPY_REPLACE;
    if (!multi || w->n_params == 0)
        return 1;
    size_t most = WRITER_MAX_PARAMS / w->n_params;
    size_t rows = WRITER_MULTI_ROWS;
    while (rows > 1 && (rows > left || rows > most))
        rows /= 2;
    return rows;
}

/* Rows are encoded when they are sent: their bytes are not needed afterwards. */
static bool send_pending(struct vrepl_writer *w, struct err *e)
{
    if (w->bulk && w->n_rows > 1 && w->n_params > 0)
        return send_bulk(w, e);
    for (size_t at = 0, rows; at < w->n_rows; at += rows) {
        rows = rows_per_statement(w, w->n_rows - at);
        if (!send_some(w, at, rows, e))
            return false;
    }
    return true;
}

static bool send_all(struct vrepl_writer *w, struct err *e)
{
    if (w->n_rows == 0)
        return true;
    if (!send_pending(w, e))
        return false;
    w->n_rows = 0;
    w->n_bytes = 0;
    arena_reset(&w->scratch.arena);
    return true;
}

bool vrepl_writer_flush(struct vrepl_writer *w, struct err *e)
{
    return send_all(w, e) && read_answers(w, 0, e);
}

static bool same_form(const struct vrepl_writer *w)
{
    return w->plan && w->form.len == w->next_form.len &&
           !memcmp(w->form.data, w->next_form.data, w->form.len);
}

static bool add_row(struct vrepl_writer *w, const struct cdc_row *before,
                    const struct cdc_row *after, struct err *e)
{
    size_t need = (w->n_rows + 1) * w->n_params;
    if (need > w->cap_values)
        mem_grow((void **)&w->values, &w->cap_values, need, sizeof *w->values);
    struct my_value *at = &w->values[w->n_rows * w->n_params];
    w->next_text = texts_of(w);
    if (!bind_set(w, w->present, 0, after, &at, e) ||
        !bind_set(w, w->compared, w->plan->n_columns, before, &at, e))
        return false;
    w->n_rows++;
    return true;
}

/* Returns false. */
static bool name_row(const struct vrepl_plan *p, struct copy_statement s,
                     const struct cdc_row *before, const struct cdc_row *after, struct err *e)
{
    CLEANUP(buf_fini) struct buf row = BUF_INIT;
    vrepl_row_describe(p, s.verb == COPY_DELETE || s.verb == COPY_UPDATE ? before : after, &row);
    return err_prepend(e, "%s", buf_str(&row));
}

bool vrepl_writer_put(struct vrepl_writer *w, const struct vrepl_plan *p, struct copy_statement s,
                      const struct cdc_row *before, const struct cdc_row *after, struct err *e)
{
    if (!check_images(p, s, before, after, e))
        return false;
    if (!put_form(w, p, s, before, after, e))
        return name_row(p, s, before, after, e);
    if (!same_form(w)) {
        if (!send_all(w, e))
            return false;
        take_form(w, p, s);
    }
    if (!add_row(w, before, after, e))
        return false;
    bool full = w->one_by_one || w->n_rows >= w->max_rows || w->n_bytes >= w->max_bytes;
    if (!full || (w->one_by_one ? vrepl_writer_flush(w, e) : send_all(w, e)))
        return true;
    return w->one_by_one && name_row(p, s, before, after, e);
}

void vrepl_row_describe(const struct vrepl_plan *p, const struct cdc_row *row, struct buf *out)
{
    struct value_scratch scratch;
    value_scratch_init(&scratch);
    buf_printf(out, "%s(", p->target->name);
    for (size_t i = 0; i < p->n_key; i++) {
        const struct plan_column *c = &p->columns[p->key[i]];
        const struct cdc_value *v = &row->values[c->source];
        struct my_value value = {.type = MY_VALUE_NULL};
        if (i > 0)
            buf_put_str(out, ", ");
        buf_printf(out, "%s=", p->source->columns[c->source].name);
        if (v->absent || !value_bind(c, v, &scratch, &value, NULL))
            buf_put_u8(out, '?');
        else
            value_describe(&value, out);
    }
    buf_put_u8(out, ')');
    value_scratch_fini(&scratch);
}
