/* tests/component/test_cdc_byte_replay.c — a recorded dump over a socket that is cut at every byte,
 * has bits flipped and lengths changed: the reader resumes with no row lost or doubled, or stops
 * with an error that says why; it never gives a wrong value.
 *
 * The server is a socket of this test. Its first connection of a run is damaged, the later ones are
 * not, unless the log itself is. With SLUICE_DEEP every byte of the first 64 KiB is a place to cut.
 */
#include "base/crc32.h"
#include "base/log.h"
#include "cdc/log/wire.h"
#include "cdc/reader.h"
#include "mysql/conn.h"
#include "tests/support/loopback.h"
#include "tests/support/replay_expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>
/* cmocka wants setjmp and stdarg first */
#include <cmocka.h>

#define CUT_BYTES    65536u
#define TRANSACTIONS 90
#define MORE         130 /* with one of several batches */
#define HEADER       19u
#define CHECKSUM     4u

/* ---- the log with checksums, and the packets of its dump ---- */

struct recording {
    struct buf bytes; /* of the file, from its magic on */
    size_t *at;       /* of each event */
    size_t n_events;
    unsigned n_transactions;
};

static void put_sum(struct buf *b, size_t at)
{
    buf_put_le(b, crc32_portable(0, b->data + at, b->len - at), 4);
}

static void record(struct recording *r, unsigned n_transactions)
{
    struct log l = {0};
    log_make(&l, n_transactions);
    *r = (struct recording){.n_events = l.n_events, .n_transactions = n_transactions};
    buf_init(&r->bytes, (size_t)1 << 30);
    r->at = calloc(l.n_events, sizeof *r->at);
    buf_put(&r->bytes, "\xfe\x62\x69\x6e", 4);
    for (size_t i = 0; i < l.n_events; i++) {
        bool format = i == 0; /* has room for the checksum already */
        size_t n = l.events[i].n + (format ? 0 : CHECKSUM), at = r->bytes.len;
        uint32_t length = (uint32_t)n, end = (uint32_t)(at + n);
        r->at[i] = at;
        buf_put(&r->bytes, l.bytes.data + l.events[i].at, n - CHECKSUM);
        memcpy(r->bytes.data + at + 9, &length, 4);
        memcpy(r->bytes.data + at + 13, &end, 4);
        if (format)
            r->bytes.data[r->bytes.len - 1] = 1;
        put_sum(&r->bytes, at);
    }
    log_fini(&l);
}

static void record_fini(struct recording *r)
{
    buf_fini(&r->bytes);
    free(r->at);
}

static size_t event_end(const struct recording *r, size_t i)
{
    return i + 1 < r->n_events ? r->at[i + 1] : r->bytes.len;
}

static void put_packet(struct buf *out, uint8_t *seq, const void *p, size_t n)
{
    buf_put_le(out, n + 1, 3);
    buf_put_u8(out, (*seq)++);
    buf_put_u8(out, 0);
    buf_put(out, p, n);
}

static void put_rotate(struct buf *out, uint64_t pos)
{
    static const char name[] = "binlog.000001";
    buf_put_le(out, 0, 4);
    buf_put_u8(out, 4);
    buf_put_le(out, 1, 4);
    buf_put_le(out, HEADER + 8 + sizeof name - 1 + CHECKSUM, 4);
    buf_put_le(out, 0, 4);
    buf_put_le(out, 0x20, 2);
    buf_put_le(out, pos, 8);
    buf_put(out, name, sizeof name - 1);
    put_sum(out, 0);
}

/* What a server sends from `pos` on. */
static void put_stream(const struct recording *r, uint64_t pos, struct buf *out)
{
    struct buf event CLEANUP(buf_fini) = BUF_INIT;
    uint8_t seq = 1;
    size_t n_format = event_end(r, 0) - r->at[0];
    put_rotate(&event, pos);
    put_packet(out, &seq, event.data, event.len);
    buf_reset(&event);
    buf_put(&event, r->bytes.data + r->at[0], n_format - CHECKSUM);
    memset(event.data + 13, 0, 4);
    put_sum(&event, 0);
    put_packet(out, &seq, event.data, event.len);
    for (size_t i = 1; i < r->n_events; i++)
        if (r->at[i] >= pos)
            put_packet(out, &seq, r->bytes.data + r->at[i], event_end(r, i) - r->at[i]);
}

/* ---- the server ---- */

struct byte_server {
    int fd;
    unsigned port;
    pthread_t thread;
    const struct recording *log;
    pthread_mutex_t lock; /* guards the next two, and the log's bytes */
    struct buf first;     /* what the next connection gets, if damaged */
    bool damaged;         /* until that connection */
    unsigned dumps;       /* atomic */
};

static void put_ok(struct buf *out, uint8_t seq)
{
    buf_put_le(out, 7, 3);
    buf_put_u8(out, seq);
    buf_put(out, "\0\0\0\2\0\0\0", 7);
}

static void put_text(struct buf *out, const char *s)
{
    buf_put_u8(out, (uint8_t)strlen(s));
    buf_put_str(out, s);
}

static void put_reply(struct buf *out, uint8_t *seq, const struct buf *body)
{
    buf_put_le(out, body->len, 3);
    buf_put_u8(out, (*seq)++);
    buf_put(out, body->data, body->len);
}

static void put_eof(struct buf *out, uint8_t *seq)
{
    buf_put_le(out, 5, 3);
    buf_put_u8(out, (*seq)++);
    buf_put(out, "\xfe\0\0\2\0", 5);
}

/* One row of as many columns as a SELECT names; SHOW VARIABLES knows none. */
static void put_result(struct buf *out, const char *sql)
{
    static const char *const values[] = {"1", "1073741824", "", "", "0", ""};
    struct buf body CLEANUP(buf_fini) = BUF_INIT;
    uint8_t seq = 1;
    bool show = strncmp(sql, "SHOW", 4) == 0;
    unsigned n = show ? 2 : 1;
    for (const char *p = sql; !show && *p; p++)
        n += *p == ',';
    buf_put_u8(&body, (uint8_t)n);
    put_reply(out, &seq, &body);
    for (unsigned i = 0; i < n; i++) {
        buf_reset(&body);
        buf_put(&body, "\3def\0\0\0\1c\0", 10);
        buf_put_u8(&body, 12);
        buf_put_le(&body, 33, 2);
        buf_put_le(&body, 64, 4);
        buf_put(&body, "\xfd\0\0\0\0\0", 6);
        put_reply(out, &seq, &body);
    }
    put_eof(out, &seq);
    buf_reset(&body);
    for (unsigned i = 0; i < n; i++)
        put_text(&body, strstr(sql, "checksum") ? "CRC32" : values[i % 6]);
    if (!show)
        put_reply(out, &seq, &body);
    put_eof(out, &seq);
}

static bool send_all(int fd, const struct buf *b)
{
    for (size_t done = 0; done < b->len;) {
        ssize_t n = send(fd, b->data + done, b->len - done, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

/* HandshakeV10 of a MariaDB with mysql_native_password: no TLS, no compression, no end packets left
 * out. */
static bool greet(int fd)
{
    struct buf b CLEANUP(buf_fini) = BUF_INIT;
    static const char version[] = "5.5.5-10.11.19-MariaDB";
    buf_put_le(&b, 1 + sizeof version + 4 + 9 + 2 + 1 + 2 + 2 + 1 + 10 + 13 + 22, 3);
    buf_put_u8(&b, 0);
    buf_put_u8(&b, 10);
    buf_put(&b, version, sizeof version);
    buf_put_le(&b, 1, 4);
    buf_put(&b, "abcdefgh", 9);
    buf_put_le(&b, 0xf75f, 2);
    buf_put_u8(&b, 33);
    buf_put_le(&b, 2, 2);
    buf_put_le(&b, 0x002f, 2);
    buf_put_u8(&b, 21);
    buf_put(&b, "\0\0\0\0\0\0\0\0\0\0", 10);
    buf_put(&b, "ijklmnopqrst", 13);
    buf_put(&b, "mysql_native_password", 22);
    return send_all(fd, &b);
}

/* A packet of the client; false: it is gone. */
static bool receive(int fd, char *to, size_t cap)
{
    uint8_t head[4];
    if (recv(fd, head, 4, MSG_WAITALL) != 4)
        return false;
    size_t n = (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16;
    if (n >= cap || recv(fd, to, n, MSG_WAITALL) != (ssize_t)n)
        return false;
    to[n] = 0;
    return true;
}

static void wait_until_gone(int fd)
{
    char byte;
    while (recv(fd, &byte, 1, 0) > 0)
        ;
}

static void serve_dump(struct byte_server *s, int fd, const char *request)
{
    struct buf out CLEANUP(buf_fini) = BUF_INIT;
    buf_init(&out, (size_t)1 << 30);
    __atomic_add_fetch(&s->dumps, 1, __ATOMIC_RELAXED);
    pthread_mutex_lock(&s->lock);
    bool damaged = s->damaged;
    s->damaged = false;
    if (damaged)
        buf_put(&out, s->first.data, s->first.len);
    else
        put_stream(s->log, wire_u32((const uint8_t *)request + 1), &out);
    pthread_mutex_unlock(&s->lock);
    if (send_all(fd, &out) && !damaged)
        wait_until_gone(fd);
}

static void serve(struct byte_server *s, int fd)
{
    static char request[65536];
    if (!greet(fd) || !receive(fd, request, sizeof request))
        return;
    for (uint8_t seq = 2;; seq = 1) {
        struct buf out CLEANUP(buf_fini) = BUF_INIT;
        if (seq == 1 && !receive(fd, request, sizeof request))
            return;
        if (seq == 1 && request[0] == 1)
            return; /* COM_QUIT */
        if (seq == 1 && request[0] == 18) {
            serve_dump(s, fd, request);
            return;
        }
        if (seq == 1 && request[0] == 3 &&
            (strncmp(request + 1, "SELECT", 6) == 0 || strncmp(request + 1, "SHOW", 4) == 0))
            put_result(&out, request + 1);
        else
            put_ok(&out, seq);
        if (!send_all(fd, &out))
            return;
    }
}

static void *server_main(void *arg)
{
    struct byte_server *s = arg;
    for (int fd; (fd = accept(s->fd, NULL, NULL)) >= 0;) {
        serve(s, fd);
        close(fd);
    }
    return NULL;
}

static void server_start(struct byte_server *s, const struct recording *log)
{
    *s = (struct byte_server){.log = log};
    buf_init(&s->first, (size_t)1 << 30);
    pthread_mutex_init(&s->lock, NULL);
    s->fd = loopback_listen(4, &s->port);
    assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
}

/* The next dump is these bytes, and then the connection ends. */
static void damage(struct byte_server *s, const void *bytes, size_t n)
{
    pthread_mutex_lock(&s->lock);
    buf_reset(&s->first);
    buf_put(&s->first, bytes, n);
    s->damaged = true;
    pthread_mutex_unlock(&s->lock);
}

static void server_stop(struct byte_server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
    pthread_mutex_destroy(&s->lock);
    buf_fini(&s->first);
}

/* ---- a run ---- */

static struct cdc_source *open_dump(void *ctx, const struct position *start, uint32_t server_id,
                                    struct err *e)
{
    struct byte_server *s = ctx;
    char host[] = "127.0.0.1", user[] = "u", password[] = "p";
    struct my_params p = {.host = host,
                          .port = s->port,
                          .user = user,
                          .password = password,
                          .tls_mode = MY_TLS_DISABLED};
    struct my_dump_options o = {.server_id = 7, .heartbeat_ms = 5000};
    (void)server_id;
    return cdc_source_open_dump(&p, &o, start, e);
}

struct outcome {
    bool complete;
    struct expect x;
    struct err e;
};

static struct topo_shard shard = {.keyspace = (char[]){"k"}, .name = (char[]){"-"}};

static struct outcome run(struct byte_server *s)
{
    struct cdc_reader_options ro = {.open = open_dump, .open_ctx = s, .retry_ms = 1};
    struct cdc_stream_options so = {.name = "bytes"};
    struct outcome out = {.e = ERR_INIT};
    struct position start = POSITION_INIT;
    struct cdc_batch *b;
    out.x.transaction = 1;
    snprintf(start.file, sizeof start.file, "binlog.000001");
    start.pos = 4;
    struct cdc_reader *r = cdc_reader_new(NULL, &shard, &ro);
    struct cdc_stream *stream = cdc_reader_attach(r, &start, &so, &out.e);
    assert_non_null(stream);
    while (out.x.transaction <= s->log->n_transactions && !out.x.wrong[0]) {
        enum cdc_next next = cdc_stream_next(stream, &b, 20000, &out.e);
        if (next != CDC_NEXT_OK)
            break;
        expect_batch(&out.x, b);
        cdc_batch_unref(b);
    }
    cdc_stream_close(stream);
    cdc_reader_free(r);
    position_fini(&start);
    out.complete = out.x.transaction == s->log->n_transactions + 1 && !out.x.open;
    return out;
}

static void assert_right(const struct outcome *o, const char *what, size_t at)
{
    bool told = o->e.code != ERR_NONE && o->e.text[0];
    if (o->x.wrong[0] || !(o->complete || told))
        fail_msg("%s at %zu: wrong: '%s', error: '%s', next is transaction %u", what, at,
                 o->x.wrong, o->e.text, o->x.transaction);
}

static bool is_deep(void)
{
    const char *deep = getenv("SLUICE_DEEP");
    return deep && deep[0];
}

/* The library's own replication calls, as libmysqlclient has them, ask more of a server. */
static bool other_library(void)
{
    bool other = strncmp(my_client_library(), "Connector/C", 11) != 0;
    if (other) {
        printf("skipped: the server of this test speaks to Connector/C\n");
        skip();
    }
    return other;
}

/* ---- tests ---- */

struct fixture {
    struct recording log;
    struct byte_server s;
    struct buf stream; /* of the whole log */
};

/* False: skipped. */
static bool begin(struct fixture *f, unsigned n_transactions)
{
    if (other_library())
        return false;
    record(&f->log, n_transactions);
    buf_init(&f->stream, (size_t)1 << 30);
    put_stream(&f->log, 4, &f->stream);
    server_start(&f->s, &f->log);
    return true;
}

static void end(struct fixture *f)
{
    server_stop(&f->s);
    buf_fini(&f->stream);
    record_fini(&f->log);
}

static void run_cut(struct fixture *f, size_t cut)
{
    struct byte_server *s = &f->s;
    unsigned before = __atomic_load_n(&s->dumps, __ATOMIC_RELAXED);
    damage(s, f->stream.data, cut);
    struct outcome o = run(s);
    if (!o.complete || o.x.wrong[0])
        fail_msg("cut at %zu: wrong: '%s', error: '%s', next is transaction %u", cut, o.x.wrong,
                 o.e.text, o.x.transaction);
    unsigned dumps = __atomic_load_n(&s->dumps, __ATOMIC_RELAXED) - before;
    assert_true(dumps >= 1 && dumps <= 2);
}

static void a_dump_cut_at_every_byte_goes_on(void **state)
{
    struct fixture f;
    (void)state;
    if (!begin(&f, TRANSACTIONS))
        return;
    assert_true(f.stream.len > CUT_BYTES);
    for (size_t cut = 0; cut < CUT_BYTES; cut += is_deep() || cut < 1200 ? 1 : 61)
        run_cut(&f, cut);
    end(&f);
}

static void a_dump_cut_later_goes_on(void **state)
{
    struct fixture f;
    unsigned seed = 20261128;
    (void)state;
    if (!begin(&f, MORE))
        return;
    for (unsigned i = 0; i < (is_deep() ? 2000u : 100u); i++) {
        seed = seed * 1103515245u + 12345u;
        run_cut(&f, CUT_BYTES + (seed >> 4) % (f.stream.len - CUT_BYTES));
    }
    end(&f);
}

/* One bit at each byte of the first transactions' packets: rotate, format, and each kind of event.
 */
static void a_flipped_bit_never_gives_a_wrong_value(void **state)
{
    struct fixture f;
    unsigned resumed = 0;
    (void)state;
    if (!begin(&f, 12))
        return;
    size_t last = f.log.at[11] - f.log.at[1] + 400;
    assert_true(last < f.stream.len);
    for (size_t at = 0; at < last; at++) {
        f.stream.data[at] ^= (uint8_t)(1u << at % 8);
        damage(&f.s, f.stream.data, f.stream.len);
        f.stream.data[at] ^= (uint8_t)(1u << at % 8);
        struct outcome o = run(&f.s);
        assert_right(&o, "a bit flipped", at);
        resumed += o.complete;
    }
    assert_true(resumed > last * 3 / 4);
    end(&f);
}

/* The length of each packet and the length in each event's header, on the way: the checksum or the
 * packets' numbers tell. */
static void a_changed_length_on_the_way_never_gives_a_wrong_value(void **state)
{
    struct fixture f;
    (void)state;
    if (!begin(&f, 6))
        return;
    for (size_t at = 0, n; at < f.stream.len; at += 4 + n) {
        n = wire_u24(f.stream.data + at);
        const uint32_t lengths[] = {0, (uint32_t)n - 1, (uint32_t)n + 1, 0xffffffff};
        for (unsigned i = 0; i < 8; i++) {
            bool packet = i < 4;
            uint32_t value = lengths[i % 4] - (!packet && i % 4 != 3 && i % 4 != 0);
            uint8_t *field = f.stream.data + at + (packet ? 0 : 5 + 9), right[4];
            memcpy(right, field, sizeof right);
            memcpy(field, &value, packet ? 3 : 4);
            damage(&f.s, f.stream.data, f.stream.len);
            memcpy(field, right, sizeof right);
            struct outcome o = run(&f.s);
            assert_right(&o, packet ? "a packet's length" : "an event's length", at);
        }
    }
    end(&f);
}

/* One byte of the event [at, end), whose checksum stays right. */
static void change_log(struct byte_server *s, size_t at, size_t end, uint8_t *field, uint8_t value)
{
    uint8_t *bytes = s->log->bytes.data;
    pthread_mutex_lock(&s->lock);
    *field = value;
    uint32_t sum = crc32_portable(0, bytes + at, end - at - CHECKSUM);
    memcpy(bytes + end - CHECKSUM, &sum, CHECKSUM);
    pthread_mutex_unlock(&s->lock);
}

/* A log that was written so: its checksums are right, and only its structure can tell. Each byte
 * that is a length or a count is 0, one less, one more, and the most. */
static void a_wrong_length_in_the_log_is_an_error_or_harmless(void **state)
{
    static const struct {
        uint8_t type;
        size_t at; /* in the body */
    } fields[] = {
        {19, 8},  /* table map: length of the database's name */
        {19, 14}, /* of the table's */
        {19, 22}, /* columns */
        {19, 25}, /* their metadata's length */
        {23, 8},  /* rows: columns */
        {23, 19}, /* length of a value */
    };
    struct fixture fx;
    (void)state;
    if (!begin(&fx, 8))
        return;
    unsigned errors = 0, n = 0;
    for (size_t f = 0; f < sizeof fields / sizeof *fields; f++) {
        size_t event = 1;
        while (fx.log.bytes.data[fx.log.at[event] + 4] != fields[f].type)
            event++;
        size_t at = fx.log.at[event], end = event_end(&fx.log, event);
        uint8_t *field = fx.log.bytes.data + at + HEADER + fields[f].at, right = *field;
        const uint8_t values[] = {0, (uint8_t)(right - 1), (uint8_t)(right + 1), 255};
        for (unsigned i = 0; i < 4; i++, n++) {
            change_log(&fx.s, at, end, field, values[i]);
            struct outcome o = run(&fx.s);
            assert_right(&o, "a length in the log", at + HEADER + fields[f].at);
            errors += !o.complete;
            change_log(&fx.s, at, end, field, right);
        }
    }
    assert_int_equal(errors, n);
    end(&fx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dump_cut_at_every_byte_goes_on),
        cmocka_unit_test(a_dump_cut_later_goes_on),
        cmocka_unit_test(a_flipped_bit_never_gives_a_wrong_value),
        cmocka_unit_test(a_changed_length_on_the_way_never_gives_a_wrong_value),
        cmocka_unit_test(a_wrong_length_in_the_log_is_an_error_or_harmless),
    };
    log_init(LOG_ERROR, false); /* thousands of lost connections are no news here */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
