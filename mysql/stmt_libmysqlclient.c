/* mysql/stmt_libmysqlclient.c — prepared statements by MySQL's own client library.
 *
 * Parameters are bound anew for each execution and copied by the library into its packet. Rows are
 * fetched without bound columns, which leaves the row's packet in the network buffer, and sliced
 * there. The packet's length is not told; a cell is only taken inside the buffer, so that nonsense
 * from a server can give a wrong cell but no byte of anything else.
 */
#include "base/mem.h"
#include "mysql/stmt_internal.h"
#include "mysql/stmt_wire.h"

#include <assert.h>
#include <sys/socket.h>

#define TYPE_BITS     0xffu
#define TYPE_UNSIGNED 0x8000u

/* The library reads through these pointers only. */
static void *unconst(const void *p)
{
    union {
        const void *in;
        void *out;
    } u = {.in = p};
    return u.out;
}

static void bind_value(MYSQL_BIND *to, const struct my_value *v, uint16_t type)
{
    *to = (MYSQL_BIND){.buffer_type = (enum enum_field_types)(type & TYPE_BITS),
                       .is_unsigned = (type & TYPE_UNSIGNED) != 0,
                       .is_null_value = v->type == MY_VALUE_NULL || v->type == MY_VALUE_DEFAULT};
    to->is_null = &to->is_null_value;
    to->buffer = unconst(&v->v);
    if (v->type == MY_VALUE_BYTES) {
        to->buffer = unconst(v->v.bytes.p ? v->v.bytes.p : "");
        to->buffer_length = to->length_value = v->v.bytes.n;
        to->length = &to->length_value;
    }
}

bool my_stmt_execute(struct my_stmt *s, const struct my_value *params, struct err *e)
{
    unsigned n = s->h->param_count;
    assert(s->c->n_pending == 0);
    my_stmt_reset(s);
    if (stmt_wire_execute_size(params, n) > s->c->max_packet_bytes)
        return my_stmt_too_long(s, 0, e);
    if (!s->binds)
        s->binds = mem_calloc(n + 1, sizeof *s->binds);
    for (unsigned i = 0; i < n; i++) {
        stmt_wire_note_type(&params[i], &s->types[i]);
        bind_value(&s->binds[i], &params[i], s->types[i]);
    }
    if ((n > 0 && mysql_stmt_bind_param(s->h, s->binds)) || mysql_stmt_execute(s->h) != 0)
        return my_stmt_fail(s, e);
    s->open = mysql_stmt_field_count(s->h) > 0;
    return true;
}

/* ── packets of our own: the library has no call for them ──────────────── */

static bool no_raw_packets(struct my_stmt *s, struct err *e)
{
    return err_set(e, ERR_INTERNAL, "%s: %s takes no packets made elsewhere", s->c->where,
                   my_lib_name);
}

bool my_stmt_encode(struct my_stmt *s, const struct my_value *params, struct err *e)
{
    (void)params;
    return no_raw_packets(s, e);
}

bool my_stmt_write(struct my_stmt *s, enum my_request kind, struct err *e)
{
    (void)kind;
    return no_raw_packets(s, e);
}

bool my_stmt_answer(struct my_stmt *s, struct err *e)
{
    return no_raw_packets(s, e);
}

/* ── rows ──────────────────────────────────────────────────────────────── */

enum my_next my_stmt_next(struct my_stmt *s, struct my_wire *cells, struct err *e)
{
    if (!s->open)
        return MY_END;
    int answer = mysql_stmt_fetch(s->h);
    if (answer == MYSQL_NO_DATA) {
        my_stmt_reset(s);
        return MY_END;
    }
    const NET *net = &s->c->h->net;
    const uint8_t *row = net->read_pos;
    if (answer == 0 &&
        stmt_wire_slice_cells(row, (size_t)(net->buff_end - row), s->fixed, s->n_columns, cells))
        return MY_ROW;
    if (answer != 0) {
        my_stmt_fail(s, e);
    } else {
        err_set(e, ERR_DB_LOST, "%s: a row of the result is malformed", s->c->where);
        shutdown(s->c->fd, SHUT_RDWR); /* the server is not what it should be */
    }
    my_stmt_reset(s);
    return MY_FAIL;
}

void my_stmt_reset(struct my_stmt *s)
{
    if (s->open)
        mysql_stmt_free_result(s->h); /* reads what is left */
    s->open = false;
}
