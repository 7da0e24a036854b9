/* mysql/dump_libmysqlclient.c — dumps through MySQL's own client library: mysql_binlog_open, fetch,
 * close.
 *
 * Works for both servers: the request is the same, and flag 2 means annotate to MariaDB. Packets of
 * 16 MiB - 1 are joined by the library. It registers nobody as replica and has no call for it, so
 * that such a reader stands in the process list only.
 *
 * The library counts timeouts in seconds, from before the connect. A thread of each dump therefore
 * watches the stream: when no event has come for the allowed time while the reader waits, it shuts
 * the socket down, and the blocked read fails. Each event costs the reader two stores.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "mysql/dump_backend.h"
#include "mysql/internal.h"

#include <poll.h>
#include <sys/socket.h>

/* For what happens before the stream is watched; longer than any silence that is asked for. */
#define LIBRARY_TIMEOUT_MS 600000u
#define LOOKS_PER_TIMEOUT  8
#define IDLE_LOOK_MS       1000u

struct client {
    struct my_dump_backend base;
    struct my_conn *c;
    MYSQL_RPL rpl;
    bool open;
    bool watched;
    pthread_t watcher;
    pthread_mutex_t mutex; /* guards stop */
    pthread_cond_t wake;
    bool stop;
    unsigned timeout_ms; /* atomic; 0: none */
    unsigned n_reads;    /* atomic: reads begun */
    bool waiting;        /* atomic: inside a read */
    bool silent;         /* atomic: the watcher has ended the stream */
};

static struct client *of(struct my_dump_backend *b)
{
    return (struct client *)b;
}

static const struct client *of_const(const struct my_dump_backend *b)
{
    return (const struct client *)b;
}

/* ── the watcher ───────────────────────────────────────────────────────── */

static void pause_for(struct client *b, unsigned ms)
{
    if (!b->stop)
        (void)thread_wait_ms(&b->wake, &b->mutex, ms);
}

/* Thread: the watcher. A read is too long when the same one is seen for timeout_ms. */
static void *watch(void *arg)
{
    struct client *b = arg;
    unsigned seen = 0;
    int64_t since_ms = clock_mono_ms();
    pthread_mutex_lock(&b->mutex);
    while (!b->stop) {
        unsigned reads = __atomic_load_n(&b->n_reads, __ATOMIC_ACQUIRE);
        unsigned timeout_ms = __atomic_load_n(&b->timeout_ms, __ATOMIC_ACQUIRE);
        int64_t now_ms = clock_mono_ms();
        if (reads != seen || !__atomic_load_n(&b->waiting, __ATOMIC_ACQUIRE)) {
            seen = reads;
            since_ms = now_ms;
        } else if (timeout_ms > 0 && now_ms - since_ms >= timeout_ms) {
            __atomic_store_n(&b->silent, true, __ATOMIC_RELEASE);
            shutdown(b->c->fd, SHUT_RDWR);
            break;
        }
        pause_for(b, timeout_ms > 0 ? timeout_ms / LOOKS_PER_TIMEOUT + 1 : IDLE_LOOK_MS);
    }
    pthread_mutex_unlock(&b->mutex);
    return NULL;
}

static bool watcher_start(struct client *b, struct err *e)
{
    b->watched = pthread_create(&b->watcher, NULL, watch, b) == 0;
    return b->watched ||
           err_set(e, ERR_NO_MEMORY, "%s: no thread to watch the log stream", b->c->where);
}

static void watcher_stop(struct client *b)
{
    if (!b->watched)
        return;
    pthread_mutex_lock(&b->mutex);
    b->stop = true;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->mutex);
    pthread_join(b->watcher, NULL);
}

/* ── the backend ───────────────────────────────────────────────────────── */

static struct my_dump_backend *client_connect(const struct my_params *p, struct err *e)
{
    struct my_params borrowed = *p;
    if (borrowed.read_timeout_ms == 0)
        borrowed.read_timeout_ms = LIBRARY_TIMEOUT_MS;
    struct my_conn *c = my_connect(&borrowed, "dump", e);
    if (!c)
        return NULL;
    struct client *b = mem_alloc(sizeof *b);
    b->base.ops = &my_dump_library;
    b->c = c;
    pthread_mutex_init(&b->mutex, NULL);
    thread_cond_init(&b->wake);
    return &b->base;
}

static const struct my_server *client_server(const struct my_dump_backend *b)
{
    return my_conn_server(of_const(b)->c);
}

static const char *client_where(const struct my_dump_backend *b)
{
    return of_const(b)->c->where;
}

static bool client_exec(struct my_dump_backend *b, const char *sql, struct err *e)
{
    return my_exec(of(b)->c, sql, NULL, e);
}

static bool client_text(struct my_dump_backend *b, const char *sql, char **out, struct err *e)
{
    return my_query_text(of(b)->c, sql, out, e);
}

static bool client_start(struct my_dump_backend *base, const struct my_dump_start *s, struct err *e)
{
    struct client *b = of(base);
    b->rpl = (MYSQL_RPL){.file_name = s->file,
                         .start_position = s->pos,
                         .server_id = s->server_id,
                         .flags = s->flags};
    if (s->gtid_command) {
        b->rpl.flags |= MYSQL_RPL_GTID;
        b->rpl.gtid_set_encoded_size = s->gtids->len;
        b->rpl.gtid_set_arg = s->gtids->data;
    }
    if (mysql_binlog_open(b->c->h, &b->rpl) != 0)
        return my_conn_fail(b->c, e);
    b->open = true;
    return watcher_start(b, e);
}

static void client_set_read_timeout(struct my_dump_backend *base, unsigned ms)
{
    struct client *b = of(base);
    __atomic_store_n(&b->timeout_ms, ms, __ATOMIC_RELEASE);
    pthread_mutex_lock(&b->mutex);
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->mutex);
}

static enum my_next read_failed(struct client *b, struct err *e)
{
    my_conn_fail(b->c, e);
    if (e && e->code == ERR_DB_LOST && __atomic_load_n(&b->silent, __ATOMIC_ACQUIRE))
        err_prepend(e, "the log stream was silent for %u ms",
                    __atomic_load_n(&b->timeout_ms, __ATOMIC_RELAXED));
    return MY_FAIL;
}

static enum my_next client_read(struct my_dump_backend *base, const uint8_t **event, size_t *n,
                                struct err *e)
{
    struct client *b = of(base);
    __atomic_fetch_add(&b->n_reads, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&b->waiting, true, __ATOMIC_RELEASE);
    int failed = mysql_binlog_fetch(b->c->h, &b->rpl);
    __atomic_store_n(&b->waiting, false, __ATOMIC_RELEASE);
    if (failed)
        return read_failed(b, e);
    if (b->rpl.size == 0)
        return MY_END;
    *event = b->rpl.buffer + 1;
    *n = b->rpl.size - 1;
    if (b->rpl.buffer[0] == 0)
        return MY_ROW;
    err_set(e, ERR_LOG_FORMAT, "%s: a packet of the log stream begins with 0x%02x", b->c->where,
            b->rpl.buffer[0]);
    return MY_FAIL;
}

/* What the library has buffered is not told: at a buffer's end this says no too early, and the
 * reader then hands over what it has a little sooner. */
static bool client_ready(const struct my_dump_backend *base)
{
    struct pollfd pfd = {.fd = of_const(base)->c->fd, .events = POLLIN};
    return pfd.fd < 0 || poll(&pfd, 1, 0) > 0;
}

static void client_interrupt(struct my_dump_backend *b)
{
    my_conn_interrupt(of(b)->c);
}

static void client_reset_on_close(struct my_dump_backend *b, bool on)
{
    my_conn_reset_on_close(of(b)->c, on);
}

static void client_close(struct my_dump_backend *base)
{
    struct client *b = of(base);
    watcher_stop(b);
    if (b->open)
        mysql_binlog_close(b->c->h, &b->rpl);
    my_close(b->c);
    pthread_cond_destroy(&b->wake);
    pthread_mutex_destroy(&b->mutex);
    mem_free_ptr(&base);
}

const struct my_dump_backend_ops my_dump_library = {
    .name = "mysql",
    .connect = client_connect,
    .server = client_server,
    .where = client_where,
    .exec = client_exec,
    .text = client_text,
    .start = client_start,
    .set_read_timeout = client_set_read_timeout,
    .read = client_read,
    .ready = client_ready,
    .interrupt = client_interrupt,
    .reset_on_close = client_reset_on_close,
    .close = client_close,
};
