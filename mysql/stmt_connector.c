/* mysql/stmt_connector.c — prepared statements by MariaDB Connector/C: parameters encoded here,
 * binary rows sliced here.
 *
 * The library prepares and reads answers; the packets COM_STMT_EXECUTE and COM_STMT_BULK_EXECUTE
 * are built from my_value directly and rows are cells inside the network buffer, so that neither
 * way copies a value twice or allocates per row.
 *
 * Invariant: a row is only sliced inside its packet's length: a server that sends nonsense gives
 * ERR_DB_LOST. Format: MySQL manual "COM_STMT_EXECUTE", "Binary Protocol Resultset Row"; MariaDB KB
 * "COM_STMT_BULK_EXECUTE".
 */
#include "mysql/stmt_internal.h"
#include "mysql/stmt_wire.h"

#include <assert.h>
#include <sys/socket.h>

bool my_stmt_encode(struct my_stmt *s, const struct my_value *params, struct err *e)
{
    struct buf *b = &s->c->request;
    my_stmt_reset(s);
    buf_reset(b);
    stmt_wire_put_execute(b, (uint32_t)s->h->stmt_id, params, s->h->param_count, s->types);
    if (!b->failed && b->len + 1 <= s->c->max_packet_bytes)
        return true;
    my_stmt_trim_request(b);
    return my_stmt_too_long(s, 0, e);
}

bool my_stmt_write(struct my_stmt *s, enum my_request kind, struct err *e)
{
    MYSQL *h = s->c->h;
    const struct buf *b = &s->c->request;
    enum enum_server_command command =
        kind == MY_REQUEST_BULK ? COM_STMT_BULK_EXECUTE : COM_STMT_EXECUTE;
    return h->methods->db_command(h, command, (const char *)b->data, b->len, 1, s->h) == 0 ||
           my_stmt_fail(s, e);
}

bool my_stmt_answer(struct my_stmt *s, struct err *e)
{
    MYSQL *h = s->c->h;
    if (h->methods->db_read_execute_response(s->h) != 0)
        return my_stmt_fail(s, e);
    s->open = h->field_count > 0;
    return true;
}

bool my_stmt_execute(struct my_stmt *s, const struct my_value *params, struct err *e)
{
    assert(s->c->n_pending == 0);
    bool ok = my_stmt_encode(s, params, e) && my_stmt_write(s, MY_REQUEST_EXECUTE, e) &&
              my_stmt_answer(s, e);
    my_stmt_trim_request(&s->c->request);
    return ok;
}

static void close_result(struct my_stmt *s)
{
    s->open = false;
    s->h->state = MYSQL_STMT_FETCH_DONE;
    s->c->h->status = MYSQL_STATUS_READY;
    my_conn_trim(s->c);
}

/* The packet after the last row: warnings and status. */
static void note_end(struct my_stmt *s, const uint8_t *p, size_t n)
{
    MYSQL *h = s->c->h;
    if (n >= 5) {
        h->warning_count = (unsigned)(p[1] | p[2] << 8);
        h->server_status = (unsigned)(p[3] | p[4] << 8);
    }
    close_result(s);
}

static enum my_next fail_row(struct my_stmt *s, struct err *e)
{
    my_conn_fail(s->c, e);
    close_result(s);
    return MY_FAIL;
}

enum my_next my_stmt_next(struct my_stmt *s, struct my_wire *cells, struct err *e)
{
    if (!s->open)
        return MY_END;
    MYSQL *h = s->c->h;
    unsigned long n = mysql_net_read_packet(h);
    if (__builtin_expect(n == packet_error, 0))
        return fail_row(s, e);
    const uint8_t *p = h->net.read_pos;
    if (__builtin_expect(p[0] == 0, 1)) {
        if (stmt_wire_slice_row(p, n, s->fixed, s->n_columns, cells))
            return MY_ROW;
    } else if (p[0] == 0xfe && n < 9) {
        note_end(s, p, n);
        return MY_END;
    }
    shutdown(s->c->fd, SHUT_RDWR); /* where the next packet begins is not known any more */
    err_set(e, ERR_DB_LOST, "%s: a row of the result is malformed", s->c->where);
    close_result(s);
    return MY_FAIL;
}

void my_stmt_reset(struct my_stmt *s)
{
    MYSQL *h = s->c->h;
    while (s->open) {
        unsigned long n = mysql_net_read_packet(h);
        const uint8_t *p = h->net.read_pos;
        if (n == packet_error)
            close_result(s);
        else if (p[0] == 0xfe && n < 9)
            note_end(s, p, n);
    }
}
