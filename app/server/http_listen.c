/* app/server/http_listen.c — one listening address of the API and the connections that came through
 * it.
 *
 * libevent tells nobody when a connection of its HTTP server ends. So each connection's
 * bufferevent is made here and a reference kept: once libevent has freed its own, the callbacks of
 * the bufferevent are gone, which a look once a second notices (sweep).
 *
 * A unix socket belongs to whoever holds the lock of the file beside it ("PATH.lock"): two daemons
 * that start at once cannot both remove and bind it, and the lock ends with its process.
 */
#include "app/server/http_listen.h"

#include "base/address.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sys.h"
#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTIONS_MAX    128u
#define REQUEST_TIMEOUT_MS 30000 /* from the connect, or the last answer, to a whole request */
#define CROWDED_TIMEOUT_MS 1000  /* the same while no further connection has room */
#define TICK_MS            500
#define BACKLOG            128

struct http_conn {
    struct bufferevent *bev;
    int64_t since_ms; /* connected, or last answered */
    bool busy;
};

struct http_port {
    struct evhttp *http;
    struct evconnlistener *listener;
    struct event *tick;
    struct http_conn *conns;
    size_t n_conns, cap_conns, max_conns;
    bool tcp;
    char *socket_path, *lock_path;
    int lock_fd;
};

/* ---- connections ---- */

static bool has_ended(struct bufferevent *bev)
{
    bufferevent_event_cb on_event = NULL;
    bufferevent_getcb(bev, NULL, NULL, &on_event, NULL);
    return on_event == NULL;
}

static void sweep(struct http_port *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->n_conns; i++) {
        if (has_ended(p->conns[i].bev))
            bufferevent_decref(p->conns[i].bev);
        else
            p->conns[kept++] = p->conns[i];
    }
    p->n_conns = kept;
}

/* Ends what has sent no whole request for so long. libevent sees the end as the client's. */
static void end_idle(struct http_port *p, int64_t timeout_ms)
{
    int64_t now = clock_mono_ms();
    for (size_t i = 0; i < p->n_conns; i++) {
        const struct http_conn *c = &p->conns[i];
        if (!c->busy && now - c->since_ms >= timeout_ms)
            shutdown(bufferevent_getfd(c->bev), SHUT_RDWR);
    }
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct http_port *p = arg;
    (void)fd, (void)what;
    sweep(p);
    bool crowded = p->n_conns >= p->max_conns;
    end_idle(p, crowded ? CROWDED_TIMEOUT_MS : REQUEST_TIMEOUT_MS);
    if (!crowded)
        evconnlistener_enable(p->listener); /* it may rest */
}

/* libevent asks for the bufferevent of a connection that it has accepted. */
static struct bufferevent *on_accepted(struct event_base *base, void *arg)
{
    struct http_port *p = arg;
    struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);
    if (bev == NULL)
        return NULL;
    bufferevent_incref(bev);
    mem_grow((void **)&p->conns, &p->cap_conns, p->n_conns + 1, sizeof *p->conns);
    p->conns[p->n_conns++] = (struct http_conn){.bev = bev, .since_ms = clock_mono_ms()};
    if (p->n_conns >= p->max_conns)
        evconnlistener_disable(p->listener);
    return bev;
}

static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    (void)arg;
    log_warn("api", "no further connection can be accepted: %s; trying again in %d ms",
             evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()), TICK_MS);
    evconnlistener_disable(listener);
}

void http_port_busy(struct http_port *p, struct evhttp_connection *conn, bool busy)
{
    const struct bufferevent *bev = evhttp_connection_get_bufferevent(conn);
    for (size_t i = 0; i < p->n_conns; i++)
        if (p->conns[i].bev == bev) {
            p->conns[i].busy = busy;
            p->conns[i].since_ms = clock_mono_ms();
        }
}

/* ---- addresses ---- */

static bool unix_address(const char *path, struct sockaddr_un *a, struct err *e)
{
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a->sun_path)
        return err_set(e, ERR_CONFIG, "the socket path %s is longer than %zu bytes", path,
                       sizeof a->sun_path - 1);
    memcpy(a->sun_path, path, strlen(path) + 1);
    return true;
}

static bool somebody_answers(const struct sockaddr_un *a)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool answers =
        fd >= 0 && (connect(fd, (const struct sockaddr *)a, sizeof *a) == 0 || errno == EAGAIN);
    if (fd >= 0)
        close(fd);
    return answers;
}

static bool taken(const char *path, struct err *e)
{
    err_set(e, ERR_CONFIG, "another daemon listens on unix:%s", path);
    return err_cure(e, "stop it, or give this one another `listen`");
}

static bool lock_socket(struct http_port *p, const char *path, struct err *e)
{
    p->lock_path = mem_printf("%s.lock", path);
    p->lock_fd = open(p->lock_path, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (p->lock_fd < 0)
        return err_set(e, ERR_IO, "cannot open %s: %s", p->lock_path, strerror(errno));
    return flock(p->lock_fd, LOCK_EX | LOCK_NB) == 0 || taken(path, e);
}

static bool clear_path(const char *path, const struct sockaddr_un *a, struct err *e)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return true;
    if (!S_ISSOCK(st.st_mode))
        return err_set(e, ERR_CONFIG, "%s exists and is no socket", path);
    if (somebody_answers(a))
        return taken(path, e);
    return unlink(path) == 0 ||
           err_set(e, ERR_IO, "cannot remove the old socket %s: %s", path, strerror(errno));
}

static int bind_unix(struct http_port *p, const char *path, struct err *e)
{
    struct sockaddr_un a;
    if (!unix_address(path, &a, e) || !lock_socket(p, path, e) || !clear_path(path, &a, e))
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t old = umask(0177);
    int rc = fd >= 0 ? bind(fd, (struct sockaddr *)&a, sizeof a) : -1;
    umask(old);
    if (rc == 0)
        p->socket_path = mem_strdup(path);
    if (rc == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    err_set(e, ERR_IO, "cannot listen on unix:%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* The loopback addresses that the guard takes in Host. */
static bool is_served(const char *host)
{
    return strcmp(host, "localhost") == 0 || strcmp(host, "127.0.0.1") == 0 ||
           strcmp(host, "::1") == 0;
}

bool http_listen_is_tcp(const char *listen)
{
    return strncmp(listen, "unix:", 5) != 0;
}

static bool refuse_reach(const char *listen, struct err *e)
{
    err_set(e, ERR_CONFIG, "listen '%s': only loopback addresses and unix sockets are served",
            listen);
    return err_cure(e, "listen on unix:PATH or 127.0.0.1:PORT, and put a proxy with TLS before it");
}

static int bind_address(const char *listen_on, const char *host, const char *port, struct err *e)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *a = NULL;
    const int one = 1;
    int rc = getaddrinfo(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, port, &hints, &a);
    int fd = rc == 0 ? socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
    bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
              bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
    if (!ok) {
        err_set(e, ERR_IO, "cannot listen on %s: %s", listen_on,
                rc != 0 ? gai_strerror(rc) : strerror(errno));
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    if (a != NULL)
        freeaddrinfo(a);
    return fd;
}

static int bind_tcp(struct http_port *p, const char *listen, enum http_reach reach, struct err *e)
{
    char host[256];
    const char *port = NULL;
    if (!address_split(listen, host, sizeof host, &port)) {
        err_set(e, ERR_CONFIG, "listen '%s' is neither unix:PATH nor 127.0.0.1:PORT", listen);
        return -1;
    }
    if (reach == HTTP_REACH_LOCAL && !is_served(host)) {
        refuse_reach(listen, e);
        return -1;
    }
    p->tcp = true;
    return bind_address(listen, host, port, e);
}

/* ---- life ---- */

/* Replication's connections come first: the API takes at most a quarter of the descriptors. */
static size_t connections_max(void)
{
    struct rlimit limit = {0, 0};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur / 4 >= CONNECTIONS_MAX)
        return CONNECTIONS_MAX;
    return limit.rlim_cur / 4 > 8 ? (size_t)limit.rlim_cur / 4 : 8;
}

struct http_port *http_port_open(struct event_base *base, const char *listen, enum http_reach reach,
                                 struct err *e)
{
    static const struct timeval every = {.tv_sec = TICK_MS / 1000,
                                         .tv_usec = TICK_MS % 1000 * 1000};
    struct http_port *p = mem_alloc(sizeof *p);
    p->lock_fd = -1;
    p->max_conns = connections_max();
    p->http = evhttp_new(base);
    int fd =
        http_listen_is_tcp(listen) ? bind_tcp(p, listen, reach, e) : bind_unix(p, listen + 5, e);
    struct evhttp_bound_socket *bound =
        fd >= 0 ? evhttp_accept_socket_with_handle(p->http, fd) : NULL;
    if (bound == NULL) {
        if (fd >= 0) {
            close(fd);
            err_set(e, ERR_IO, "cannot accept on %s", listen);
        }
        http_port_close(p);
        return NULL;
    }
    p->listener = evhttp_bound_socket_get_listener(bound);
    evconnlistener_set_error_cb(p->listener, on_accept_error);
    evhttp_set_bevcb(p->http, on_accepted, p);
    p->tick = event_new(base, -1, EV_PERSIST, on_tick, p);
    event_add(p->tick, &every);
    return p;
}

void http_port_close(struct http_port *p)
{
    if (p == NULL)
        return;
    if (p->socket_path != NULL)
        unlink(p->socket_path);
    if (p->lock_fd >= 0)
        close(p->lock_fd);
    evhttp_free(p->http);
    for (size_t i = 0; i < p->n_conns; i++)
        bufferevent_decref(p->conns[i].bev);
    if (p->tick != NULL)
        event_free(p->tick);
    free(p->conns);
    free(p->socket_path);
    free(p->lock_path);
    free(p);
}

struct evhttp *http_port_evhttp(struct http_port *p)
{
    return p->http;
}

bool http_port_is_tcp(const struct http_port *p)
{
    return p->tcp;
}

size_t http_port_calls_max(const struct http_port *p)
{
    size_t spare = p->max_conns / 16;
    return p->max_conns - (spare > 2 ? spare : 2);
}
