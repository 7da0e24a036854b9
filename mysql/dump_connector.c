/* mysql/dump_connector.c — dumps through MariaDB Connector/C: its command call and its packet
 * reader.
 *
 * The library's own replication calls (mariadb_rpl_*) are not used: they decode, and refuse what
 * they do not know. Packets of 16 MiB - 1 are joined by the reader. Works for both servers.
 */
#include "base/mem.h"
#include "mysql/dump_backend.h"
#include "mysql/internal.h"
#include "mysql/packet_reader.h"

#include <errmsg.h>
#include <ma_pvio.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The servers send events of up to 1 GiB and their own heads. */
#define MAX_EVENT_BYTES    (MY_MAX_PACKET_BYTES + ((size_t)1 << 20))
#define HEADER_ONLY_END    9     /* an end packet (FE) is shorter than this */
#define SESSION_TIMEOUT_MS 30000 /* for the statements before the stream */

struct connector {
    struct my_dump_backend base;
    struct my_conn *c;
    unsigned timeout_ms;
    struct packet_reader *plain; /* once the dump runs on a socket without TLS and compression */
};

static struct connector *of(struct my_dump_backend *b)
{
    return (struct connector *)b;
}

static const struct connector *of_const(const struct my_dump_backend *b)
{
    return (const struct connector *)b;
}

static struct my_dump_backend *connector_connect(const struct my_params *p, struct err *e)
{
    struct my_params borrowed = *p;
    if (borrowed.read_timeout_ms == 0)
        borrowed.read_timeout_ms = SESSION_TIMEOUT_MS;
    struct my_conn *c = my_connect(&borrowed, "dump", e);
    if (!c)
        return NULL;
    struct connector *b = mem_alloc(sizeof *b);
    b->base.ops = &my_dump_library;
    b->c = c;
    return &b->base;
}

static const struct my_server *connector_server(const struct my_dump_backend *b)
{
    return my_conn_server(of_const(b)->c);
}

static const char *connector_where(const struct my_dump_backend *b)
{
    return of_const(b)->c->where;
}

static bool connector_exec(struct my_dump_backend *b, const char *sql, struct err *e)
{
    return my_exec(of(b)->c, sql, NULL, e);
}

static bool connector_text(struct my_dump_backend *b, const char *sql, char **out, struct err *e)
{
    return my_query_text(of(b)->c, sql, out, e);
}

static void put_short_text(struct buf *b, const char *s)
{
    size_t n = strnlen(s, 60);
    buf_put_u8(b, (uint8_t)n);
    buf_put(b, s, n);
}

/* COM_REGISTER_SLAVE: makes us show in SHOW SLAVE HOSTS / SHOW REPLICAS. */
static bool register_replica(struct connector *b, uint32_t server_id, struct err *e)
{
    struct buf request CLEANUP(buf_fini) = BUF_INIT;
    char host[128] = "";
    if (gethostname(host, sizeof host - 1) != 0)
        host[0] = 0;
    buf_put_le(&request, server_id, 4);
    put_short_text(&request, host);
    put_short_text(&request, "sluice");
    put_short_text(&request, ""); /* password: shown by some servers, so never given */
    buf_put_le(&request, 0, 2);   /* port */
    buf_put_le(&request, 0, 4);   /* rank */
    buf_put_le(&request, 0, 4);   /* source id: filled in by the server */
    MYSQL *h = b->c->h;
    return h->methods->db_command(h, COM_REGISTER_SLAVE, (const char *)request.data, request.len, 0,
                                  NULL) == 0 ||
           my_conn_fail(b->c, e);
}

static void put_dump(struct buf *request, const struct my_dump_start *s)
{
    if (!s->gtid_command) {
        buf_put_le(request, s->pos, 4);
        buf_put_le(request, s->flags, 2);
        buf_put_le(request, s->server_id, 4);
        buf_put_str(request, s->file);
        return;
    }
    buf_put_le(request, s->flags, 2);
    buf_put_le(request, s->server_id, 4);
    buf_put_le(request, 0, 4); /* no file name: found by the set */
    buf_put_le(request, 4, 8);
    buf_put_le(request, s->gtids->len, 4);
    buf_put(request, s->gtids->data, s->gtids->len);
}

/* Bytes that the library has received and not yet given. */
static size_t read_ahead(const MARIADB_PVIO *io)
{
    return io->cache ? (size_t)(io->cache + io->cache_size - io->cache_pos) : 0;
}

/* What the library has read ahead goes along; it reads nothing more of this connection. */
static struct packet_reader *take_over(MYSQL *h)
{
    MARIADB_PVIO *io = h->net.pvio;
    if (!io || io->ctls || h->net.compress)
        return NULL;
    return packet_reader_new((int)mysql_get_socket(h), (uint8_t)h->net.pkt_nr, io->cache_pos,
                             read_ahead(io), MAX_EVENT_BYTES);
}

static bool connector_start(struct my_dump_backend *base, const struct my_dump_start *s,
                            struct err *e)
{
    struct connector *b = of(base);
    if (s->server_id && !register_replica(b, s->server_id, e))
        return false;
    struct buf request CLEANUP(buf_fini) = BUF_INIT;
    put_dump(&request, s);
    MYSQL *h = b->c->h;
    enum enum_server_command command =
        s->gtid_command ? (enum enum_server_command)MY_COM_BINLOG_DUMP_GTID : COM_BINLOG_DUMP;
    if (h->methods->db_command(h, command, (const char *)request.data, request.len, 1, NULL) != 0)
        return my_conn_fail(b->c, e);
    b->plain = take_over(h);
    return true;
}

static void connector_set_read_timeout(struct my_dump_backend *base, unsigned ms)
{
    struct connector *b = of(base);
    b->timeout_ms = ms;
    my_lib_set_read_timeout(b->c->h, ms);
}

static enum my_next failed(const struct connector *b, struct err *e)
{
    if (e && e->code == ERR_DB_LOST && b->timeout_ms > 0)
        err_prepend(e, "the log stream broke or was silent for %u ms", b->timeout_ms);
    return MY_FAIL;
}

/* FF, code 2, optionally '#' and an SQL state of 5, text. Source: MySQL manual, ERR_Packet. */
static bool server_error(struct connector *b, const uint8_t *p, size_t n, struct err *e)
{
    if (n < 3)
        return my_conn_fail_as(b->c, e, CR_MALFORMED_PACKET, "Malformed packet");
    size_t at = n >= 9 && p[3] == '#' ? 9 : 3;
    char text[512];
    snprintf(text, sizeof text, "%.*s", (int)(n - at < sizeof text ? n - at : sizeof text - 1),
             (const char *)p + at);
    return my_conn_fail_as(b->c, e, (unsigned)p[1] | (unsigned)p[2] << 8, text);
}

static bool read_plain(struct connector *b, const uint8_t **p, size_t *n, struct err *e)
{
    switch (packet_reader_next(b->plain, b->timeout_ms, p, n)) {
    case PACKET_OK:
        return *n == 0 || (*p)[0] != 0xff || server_error(b, *p, *n, e);
    case PACKET_LOST:
        return my_conn_fail_as(b->c, e, CR_SERVER_LOST, "Lost connection to server during query");
    case PACKET_OUT_OF_ORDER:
        return my_conn_fail_as(b->c, e, CR_MALFORMED_PACKET, "Packets out of order");
    case PACKET_TOO_LONG:
        return my_conn_fail_as(b->c, e, CR_NET_PACKET_TOO_LARGE,
                               "The event is longer than a packet may be");
    }
    return false;
}

static bool read_library(struct connector *b, const uint8_t **p, size_t *n, struct err *e)
{
    MYSQL *h = b->c->h;
    my_conn_trim(b->c);
    unsigned long length = mysql_net_read_packet(h);
    if (length == packet_error)
        return my_conn_fail(b->c, e);
    *p = h->net.read_pos;
    *n = length;
    return true;
}

static enum my_next connector_read(struct my_dump_backend *base, const uint8_t **event, size_t *n,
                                   struct err *e)
{
    struct connector *b = of(base);
    const uint8_t *p;
    size_t length;
    bool ok = b->plain ? read_plain(b, &p, &length, e) : read_library(b, &p, &length, e);
    if (__builtin_expect(!ok, 0))
        return failed(b, e);
    if (__builtin_expect(length > 0 && p[0] == 0, 1)) {
        *event = p + 1;
        *n = length - 1;
        return MY_ROW;
    }
    if (length > 0 && p[0] == 0xfe && length < HEADER_ONLY_END)
        return MY_END;
    err_set(e, ERR_LOG_FORMAT, "%s: a packet of the log stream begins with 0x%02x", b->c->where,
            length > 0 ? p[0] : 0u);
    return MY_FAIL;
}

static struct piece *connector_piece(const struct my_dump_backend *base)
{
    const struct connector *b = of_const(base);
    return b->plain ? packet_reader_piece(b->plain) : NULL;
}

static bool connector_ready(const struct my_dump_backend *base)
{
    const struct connector *b = of_const(base);
    if (b->plain)
        return packet_reader_ready(b->plain);
    const NET *net = &b->c->h->net;
    const MARIADB_PVIO *io = net->pvio;
    if (!io) /* broken: next fails at once */
        return true;
    if (net->remain_in_buf > 0 || read_ahead(io) > 0)
        return true;
    struct pollfd pfd = {.fd = b->c->fd, .events = POLLIN};
    return poll(&pfd, 1, 0) > 0;
}

static void connector_interrupt(struct my_dump_backend *b)
{
    my_conn_interrupt(of(b)->c);
}

static void connector_reset_on_close(struct my_dump_backend *b, bool on)
{
    my_conn_reset_on_close(of(b)->c, on);
}

static void connector_close(struct my_dump_backend *base)
{
    packet_reader_free(of(base)->plain);
    my_close(of(base)->c);
    mem_free_ptr(&base);
}

const struct my_dump_backend_ops my_dump_library = {
    .name = "mariadb",
    .connect = connector_connect,
    .server = connector_server,
    .where = connector_where,
    .exec = connector_exec,
    .text = connector_text,
    .start = connector_start,
    .set_read_timeout = connector_set_read_timeout,
    .read = connector_read,
    .piece = connector_piece,
    .ready = connector_ready,
    .interrupt = connector_interrupt,
    .reset_on_close = connector_reset_on_close,
    .close = connector_close,
};
