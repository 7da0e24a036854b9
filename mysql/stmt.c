/* mysql/stmt.c — prepared statements, and many rows in one request; how a request is sent and a row
 * read is the client library's (stmt_connector.c, stmt_libmysqlclient.c).
 *
 * Invariant: `open` is true exactly while a result is unread on the connection; every exit of a
 * result (end, error, reset, free) clears it and makes the handle ready for the next command.
 */
#include "base/mem.h"
#include "mysql/stmt_internal.h"
#include "mysql/stmt_wire.h"

#include <assert.h>
#include <errmsg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One bulk packet is kept below this, whatever the server allows: it bounds the request buffer. */
#define BULK_MAX_BYTES ((size_t)8 << 20)
/* A request buffer larger than this is given back after its use. */
#define REQUEST_KEEP_BYTES ((size_t)2 << 20)

/* ── preparing ─────────────────────────────────────────────────────────── */

bool my_stmt_fail(struct my_stmt *s, struct err *e)
{
    if (mysql_errno(s->c->h) == 0 && mysql_stmt_errno(s->h) != 0)
        return my_conn_error_set(s->c, e, mysql_stmt_errno(s->h), mysql_stmt_error(s->h));
    return my_conn_fail(s->c, e);
}

static bool begins_with_word(const char *sql, const char *word)
{
    sql += strspn(sql, " \t\r\n");
    return strncasecmp(sql, word, strlen(word)) == 0;
}

struct my_stmt *my_prepare(struct my_conn *c, const char *sql, struct err *e)
{
    struct my_stmt *s = mem_alloc(sizeof *s);
    assert(c->n_pending == 0);
    s->c = c;
    s->h = mysql_stmt_init(c->h);
    if (!s->h || mysql_stmt_prepare(s->h, sql, (unsigned long)strlen(sql)) != 0) {
        if (s->h)
            my_stmt_fail(s, e);
        else
            err_set(e, ERR_NO_MEMORY, "%s: no memory for a statement", c->where);
        my_stmt_free(s);
        return NULL;
    }
    s->types = mem_calloc(s->h->param_count + 1, sizeof *s->types);
    for (unsigned i = 0; i < s->h->param_count; i++)
        s->types[i] = STMT_WIRE_BYTES;
    s->rows_atomic = begins_with_word(sql, "insert") || begins_with_word(sql, "replace");
    return s;
}

void my_stmt_free(struct my_stmt *s)
{
    if (!s)
        return;
    if (s->h) {
        my_stmt_reset(s);
        mysql_stmt_close(s->h);
    }
    free(s->binds);
    free(s->types);
    free(s->columns);
    free(s->fixed);
    free(s);
}

/* ── executing ─────────────────────────────────────────────────────────── */

void my_stmt_trim_request(struct buf *b)
{
    if (b->cap > REQUEST_KEEP_BYTES) {
        buf_fini(b);
        buf_init(b, MY_MAX_PACKET_BYTES);
    }
}

bool my_stmt_too_long(struct my_stmt *s, size_t row, struct err *e)
{
    err_set_native(e, ERR_LIMIT, ERR_CLASS_FATAL, CR_NET_PACKET_TOO_LARGE,
                   "%s: row %zu of the batch is longer than max_allowed_packet (%llu bytes)",
                   s->c->where, row, (unsigned long long)s->c->max_packet_bytes);
    return err_cure(e, "raise max_allowed_packet on that server");
}

bool my_stmt_exec(struct my_stmt *s, const struct my_value *params, uint64_t *affected,
                  struct err *e)
{
    if (!my_stmt_execute(s, params, e))
        return false;
    if (affected)
        *affected = s->open ? 0 : mysql_affected_rows(s->c->h);
    my_stmt_reset(s);
    return true;
}

/* ── many rows in one request ──────────────────────────────────────────── */

/* The types of a column come from its first value that is not NULL. */
void my_stmt_note_types(struct my_stmt *s, const struct my_value *values, size_t rows)
{
    unsigned n = s->h->param_count;
    for (unsigned i = 0; i < n; i++)
        for (size_t r = 0; r < rows; r++)
            if (stmt_wire_note_type(&values[r * n + i], &s->types[i]))
                break;
}

/* Encodes rows from `from` on while they fit; *taken is their number, never 0. */
bool my_stmt_encode_rows(struct my_stmt *s, const struct my_value *values, size_t from, size_t rows,
                         size_t *taken, struct err *e)
{
    unsigned n = s->h->param_count;
    struct buf *b = &s->c->request;
    uint64_t limit = s->c->max_packet_bytes;
    buf_reset(b);
    stmt_wire_put_bulk_head(b, (uint32_t)s->h->stmt_id, s->types, n);
    for (*taken = 0; from + *taken < rows && b->len < BULK_MAX_BYTES; ++*taken) {
        size_t before = b->len;
        if (!stmt_wire_put_bulk_row(b, values + (from + *taken) * n, n, s->types))
            return err_set(e, ERR_INTERNAL, "%s: row %zu of the batch has a value of another type",
                           s->c->where, from + *taken);
        if (b->failed || b->len + 1 > limit) {
            b->len = before;
            b->failed = false;
            break;
        }
    }
    return *taken > 0 || my_stmt_too_long(s, from, e);
}

static bool send_chunk(struct my_stmt *s, uint64_t *affected, struct err *e)
{
    if (!my_stmt_write(s, MY_REQUEST_BULK, e) || !my_stmt_answer(s, e))
        return false;
    *affected += s->open ? 0 : mysql_affected_rows(s->c->h);
    my_stmt_reset(s);
    return true;
}

static bool exec_chunks(struct my_stmt *s, const struct my_value *values, size_t rows,
                        uint64_t *affected, struct err *e)
{
    size_t from = 0;
    while (from < rows) {
        size_t taken;
        if (!my_stmt_encode_rows(s, values, from, rows, &taken, e) || !send_chunk(s, affected, e))
            return false;
        from += taken;
    }
    return true;
}

/* Several requests, or one whose rows the server runs one by one, are held together by a savepoint
 * (a transaction of their own under autocommit), so that the call stays one statement. */
static bool exec_grouped(struct my_stmt *s, const struct my_value *values, size_t rows,
                         uint64_t *affected, struct err *e)
{
    struct my_conn *c = s->c;
    bool in_transaction = c->h->server_status & SERVER_STATUS_IN_TRANS;
    if (!my_exec(c, in_transaction ? "SAVEPOINT sluice_bulk" : "START TRANSACTION", NULL, e))
        return false;
    if (exec_chunks(s, values, rows, affected, e))
        return in_transaction || my_exec(c, "COMMIT", NULL, e);
    /* A deadlock has taken the savepoint with it and a lost connection everything: the first error
     * stays the one that is reported. */
    struct err ignored;
    const char *undo = in_transaction ? "ROLLBACK TO SAVEPOINT sluice_bulk" : "ROLLBACK";
    bool undone = my_exec(c, undo, NULL, &ignored);
    (void)undone;
    return false;
}

bool my_stmt_exec_bulk(struct my_stmt *s, const struct my_value *values, size_t rows,
                       uint64_t *affected, struct err *e)
{
    uint64_t n_affected = 0;
    size_t first;
    if (!s->c->server.bulk || s->h->param_count == 0)
        return err_set(e, ERR_INTERNAL, "%s: bulk statements are not available here", s->c->where);
    my_stmt_reset(s);
    my_stmt_note_types(s, values, rows);
    bool ok = rows == 0 || my_stmt_encode_rows(s, values, 0, rows, &first, e);
    if (ok && rows > 0 && first == rows && s->rows_atomic)
        ok = send_chunk(s, &n_affected, e);
    else if (ok && rows > 0)
        ok = exec_grouped(s, values, rows, &n_affected, e);
    my_stmt_trim_request(&s->c->request);
    if (ok && affected)
        *affected = n_affected;
    return ok;
}

/* ── rows ──────────────────────────────────────────────────────────────── */

static void note_column(struct my_column *to, const MYSQL_FIELD *from)
{
    snprintf(to->name, sizeof to->name, "%s", from->name ? from->name : "");
    to->type = (unsigned)from->type;
    to->flags = from->flags;
    to->charset = from->charsetnr;
    to->decimals = from->decimals;
    to->length = from->length;
}

void my_stmt_note_columns(struct my_stmt *s)
{
    unsigned n = s->c->h->field_count;
    if (n != s->n_columns) {
        s->columns = mem_realloc(s->columns, n, sizeof *s->columns);
        s->fixed = mem_realloc(s->fixed, n, sizeof *s->fixed);
        s->n_columns = n;
    }
    for (unsigned i = 0; i < n; i++) {
        note_column(&s->columns[i], &s->c->h->fields[i]);
        s->fixed[i] = stmt_wire_width(s->columns[i].type);
    }
}

bool my_stmt_query(struct my_stmt *s, const struct my_value *params, struct err *e)
{
    if (!my_stmt_execute(s, params, e))
        return false;
    if (!s->open)
        return err_set(e, ERR_INTERNAL, "%s: a query was expected, the statement has no result",
                       s->c->where);
    my_stmt_note_columns(s);
    return true;
}

unsigned my_stmt_columns(const struct my_stmt *s, const struct my_column **columns)
{
    *columns = s->columns;
    return s->n_columns;
}
