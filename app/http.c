/* app/http.c — libevent's evhttp in front of handler threads.
 *
 * A call has two owners: the loop (until the answer is sent or the client is gone) and the
 * handler's thread (until the handler returns); the last one frees it. What the handler writes goes
 * into `pending` under the call's lock, and `wake` tells the loop. Only the loop touches evhttp
 * objects.
 */
#include "app/http.h"

#include "base/log.h"
#include "base/mem.h"
#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <event2/thread.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define HTTP_PENDING_BYTES ((size_t)1024 * 1024)
#define HTTP_BODY_MAX      (1024 * 1024)
#define HTTP_HEADER_MAX    (16 * 1024)
#define HTTP_CALLS_MAX     128

struct http_server {
    struct event_base *base;
    struct evhttp *http;
    struct event *signals[2];
    struct event *stopper;
    char *socket_path;
    char *token;
    bool tcp;
    http_handler_fn handler;
    void *ctx;
    volatile int stopping;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    unsigned n_calls; /* handler threads that run */
    struct http_call *calls;
};

struct http_call {
    struct http_server *server;
    struct http_call *next, **back; /* in server->calls, under server->lock */
    struct evhttp_request *req;     /* loop only; NULL once the client is gone */
    struct event *wake;
    int owners;
    char *method, *path, *body;
    char *key, *accept, *prefer;
    struct evkeyvalq query;
    volatile int cancelled;
    pthread_mutex_t lock;
    pthread_cond_t drained;
    struct buf pending; /* under lock */
    char type[64];
    int status;
    bool started, streaming, done; /* under lock: what the handler decided */
    bool sending;                  /* loop only: a chunk is on its way */
    bool reply_started;            /* loop only */
};

static void call_free(struct http_call *c)
{
    event_free(c->wake);
    evhttp_clear_headers(&c->query);
    buf_fini(&c->pending);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->drained);
    free(c->method);
    free(c->path);
    free(c->body);
    free(c->key);
    free(c->accept);
    free(c->prefer);
    free(c);
}

static void call_unref(struct http_call *c)
{
    if (__atomic_sub_fetch(&c->owners, 1, __ATOMIC_ACQ_REL) == 0)
        call_free(c);
}

static void cancel_call(struct http_call *c)
{
    pthread_mutex_lock(&c->lock);
    c->cancelled = 1;
    pthread_cond_broadcast(&c->drained);
    pthread_mutex_unlock(&c->lock);
}

static void on_client_gone(struct evhttp_connection *conn, void *arg)
{
    struct http_call *c = arg;
    (void)conn;
    c->req = NULL;
    cancel_call(c);
    call_unref(c);
}

static void finish_loop_side(struct http_call *c)
{
    struct evhttp_connection *conn = evhttp_request_get_connection(c->req);
    evhttp_connection_set_closecb(conn, NULL, NULL);
    c->req = NULL;
}

static void send_whole(struct http_call *c)
{
    struct evbuffer *out = evbuffer_new();
    struct evhttp_request *req = c->req;
    evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type", c->type);
    evbuffer_add(out, c->pending.data, c->pending.len);
    finish_loop_side(c);
    evhttp_send_reply(req, c->status, NULL, out);
    evbuffer_free(out);
    call_unref(c);
}

static void pump(struct http_call *c);

static void on_chunk_sent(struct evhttp_connection *conn, void *arg)
{
    struct http_call *c = arg;
    (void)conn;
    c->sending = false;
    pump(c);
}

static void send_stream(struct http_call *c, bool done)
{
    if (!c->reply_started) {
        evhttp_add_header(evhttp_request_get_output_headers(c->req), "Content-Type", c->type);
        evhttp_send_reply_start(c->req, c->status, NULL);
        c->reply_started = true;
    }
    if (c->pending.len > 0) {
        struct evbuffer *out = evbuffer_new();
        evbuffer_add(out, c->pending.data, c->pending.len);
        buf_reset(&c->pending);
        pthread_cond_broadcast(&c->drained);
        c->sending = true;
        evhttp_send_reply_chunk_with_cb(c->req, out, on_chunk_sent, c);
        evbuffer_free(out);
    } else if (done) {
        struct evhttp_request *req = c->req;
        finish_loop_side(c);
        evhttp_send_reply_end(req);
        call_unref(c);
    }
}

/* Thread: loop. Sends what may be sent now. */
static void pump(struct http_call *c)
{
    if (c->req == NULL || c->sending)
        return;
    __atomic_add_fetch(&c->owners, 1, __ATOMIC_ACQ_REL);
    pthread_mutex_lock(&c->lock);
    if (c->streaming)
        send_stream(c, c->done);
    else if (c->done)
        send_whole(c);
    pthread_mutex_unlock(&c->lock);
    call_unref(c);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    pump(arg);
}

static void leave_server(struct http_call *c)
{
    struct http_server *s = c->server;
    pthread_mutex_lock(&s->lock);
    *c->back = c->next;
    if (c->next != NULL)
        c->next->back = c->back;
    s->n_calls--;
    pthread_cond_broadcast(&s->idle);
    pthread_mutex_unlock(&s->lock);
}

static void *call_thread(void *arg)
{
    struct http_call *c = arg;
    c->server->handler(c->server->ctx, c);
    if (!c->done)
        http_reply(c, 500, "text/plain", "no answer\n", 10);
    leave_server(c);
    call_unref(c);
    return NULL;
}

static char *header_copy(struct evhttp_request *req, const char *name)
{
    return mem_strdup(evhttp_find_header(evhttp_request_get_input_headers(req), name));
}

static const char *method_name(struct evhttp_request *req)
{
    enum evhttp_cmd_type cmd = evhttp_request_get_command(req);
    return cmd == EVHTTP_REQ_GET      ? "GET"
           : cmd == EVHTTP_REQ_POST   ? "POST"
           : cmd == EVHTTP_REQ_DELETE ? "DELETE"
                                      : "?";
}

static struct http_call *call_new(struct http_server *s, struct evhttp_request *req)
{
    struct http_call *c = mem_alloc(sizeof *c);
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
    const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL,
               *query = uri != NULL ? evhttp_uri_get_query(uri) : NULL;
    struct evbuffer *body = evhttp_request_get_input_buffer(req);
    size_t n = evbuffer_get_length(body);
    c->server = s;
    c->req = req;
    c->owners = 2;
    c->method = mem_strdup(method_name(req));
    c->path = evhttp_uridecode(path != NULL ? path : "/", 0, NULL);
    TAILQ_INIT(&c->query);
    if (query != NULL)
        evhttp_parse_query_str(query, &c->query);
    c->body = mem_alloc(n + 1);
    evbuffer_remove(body, c->body, n);
    c->key = header_copy(req, "Idempotency-Key");
    c->accept = header_copy(req, "Accept");
    c->prefer = header_copy(req, "Prefer");
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->drained, NULL);
    c->wake = event_new(s->base, -1, 0, on_wake, c);
    return c;
}

static bool host_allowed(const struct http_server *s, struct evhttp_request *req)
{
    const char *host = evhttp_find_header(evhttp_request_get_input_headers(req), "Host");
    size_t n = host != NULL ? strcspn(host, ":") : 0;
    if (!s->tcp || (host != NULL && strncmp(host, "[::1]", 5) == 0))
        return true;
    return (n == 9 && strncasecmp(host, "localhost", 9) == 0) ||
           (n == 9 && strncmp(host, "127.0.0.1", 9) == 0);
}

static bool token_right(const struct http_server *s, struct evhttp_request *req)
{
    const char *given = evhttp_find_header(evhttp_request_get_input_headers(req), "Authorization");
    if (s->token == NULL)
        return true;
    size_t n = strlen(s->token);
    return given != NULL && strncmp(given, "Bearer ", 7) == 0 && strlen(given + 7) == n &&
           CRYPTO_memcmp(given + 7, s->token, n) == 0;
}

static void refuse(struct evhttp_request *req, int status, const char *message)
{
    struct evbuffer *out = evbuffer_new();
    evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type", "application/json");
    evbuffer_add_printf(
        out, "{\"error\":{\"code\":\"API\",\"message\":\"%s\",\"cure\":\"\",\"where\":\"\"}}\n",
        message);
    evhttp_send_reply(req, status, NULL, out);
    evbuffer_free(out);
}

static bool enter_server(struct http_server *s, struct http_call *c)
{
    pthread_mutex_lock(&s->lock);
    bool ok = s->n_calls < HTTP_CALLS_MAX && !s->stopping;
    if (ok) {
        s->n_calls++;
        c->next = s->calls;
        c->back = &s->calls;
        if (s->calls != NULL)
            s->calls->back = &c->next;
        s->calls = c;
    }
    pthread_mutex_unlock(&s->lock);
    return ok;
}

static void on_request(struct evhttp_request *req, void *arg)
{
    struct http_server *s = arg;
    pthread_t thread;
    pthread_attr_t attr;
    if (!host_allowed(s, req)) {
        refuse(req, 403, "this Host is not served");
        return;
    }
    if (!token_right(s, req)) {
        refuse(req, 401, "a bearer token is needed");
        return;
    }
    struct http_call *c = call_new(s, req);
    if (!enter_server(s, c)) {
        c->owners = 1;
        c->req = NULL;
        call_unref(c);
        refuse(req, 503, "too many requests at once, or stopping");
        return;
    }
    evhttp_connection_set_closecb(evhttp_request_get_connection(req), on_client_gone, c);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attr, call_thread, c) != 0) {
        http_reply(c, 503, "text/plain", "no thread\n", 10);
        leave_server(c);
        call_unref(c);
    }
    pthread_attr_destroy(&attr);
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    http_stop(arg);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
    struct http_server *s = arg;
    (void)fd;
    (void)what;
    s->stopping = 1;
    pthread_mutex_lock(&s->lock);
    for (struct http_call *c = s->calls; c != NULL; c = c->next)
        cancel_call(c);
    pthread_mutex_unlock(&s->lock);
    event_base_loopbreak(s->base);
}

static int listen_unix(const char *path, struct err *e)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a.sun_path) {
        err_set(e, ERR_CONFIG, "the socket path %s is longer than %zu bytes", path,
                sizeof a.sun_path - 1);
        return -1;
    }
    memcpy(a.sun_path, path, strlen(path) + 1);
    struct stat st;
    if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
        err_set(e, ERR_CONFIG, "%s exists and is no socket", path);
        return -1;
    }
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t old = umask(0177);
    int rc = fd >= 0 ? bind(fd, (struct sockaddr *)&a, sizeof a) : -1;
    umask(old);
    if (rc != 0 || listen(fd, 128) != 0) {
        err_set(e, ERR_IO, "cannot listen on unix:%s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

static bool bind_unix(struct http_server *s, const char *path, struct err *e)
{
    int fd = listen_unix(path, e);
    if (fd < 0)
        return false;
    s->socket_path = mem_strdup(path);
    if (evhttp_accept_socket_with_handle(s->http, fd) != NULL)
        return true;
    close(fd);
    return err_set(e, ERR_IO, "cannot accept on unix:%s", path);
}

static bool bind_tcp(struct http_server *s, const char *listen, struct err *e)
{
    char host[64];
    const char *colon = strrchr(listen, ':');
    char *end = NULL;
    unsigned long port = colon != NULL ? strtoul(colon + 1, &end, 10) : 65536;
    if (colon == NULL || *end != '\0' || port > 65535 || (size_t)(colon - listen) >= sizeof host)
        return err_set(e, ERR_CONFIG, "listen '%s' is neither unix:PATH nor 127.0.0.1:PORT",
                       listen);
    snprintf(host, sizeof host, "%.*s", (int)(colon - listen), listen);
    if (strcmp(host, "127.0.0.1") != 0 && strcmp(host, "localhost") != 0) {
        err_set(e, ERR_CONFIG, "listen '%s': only loopback addresses and unix sockets are served",
                listen);
        return err_cure(
            e, "listen on unix:PATH or 127.0.0.1:PORT, and put a proxy with TLS before it");
    }
    s->tcp = true;
    if (evhttp_bind_socket(s->http, "127.0.0.1", (ev_uint16_t)port) == 0)
        return true;
    return err_set(e, ERR_IO, "cannot listen on %s: %s", listen, strerror(errno));
}

static void install_events(struct http_server *s)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    for (unsigned i = 0; i < 2; i++) {
        s->signals[i] = evsignal_new(s->base, numbers[i], on_signal, s);
        event_add(s->signals[i], NULL);
    }
    s->stopper = event_new(s->base, -1, EV_PERSIST, on_stop, s);
}

struct http_server *http_open(const char *listen, const char *token, http_handler_fn handler,
                              void *ctx, struct err *e)
{
    struct http_server *s = mem_alloc(sizeof *s);
    evthread_use_pthreads();
    signal(SIGPIPE, SIG_IGN);
    s->base = event_base_new();
    s->http = evhttp_new(s->base);
    s->token = mem_strdup(token);
    s->handler = handler;
    s->ctx = ctx;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->idle, NULL);
    evhttp_set_max_body_size(s->http, HTTP_BODY_MAX);
    evhttp_set_max_headers_size(s->http, HTTP_HEADER_MAX);
    evhttp_set_allowed_methods(s->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_DELETE);
    evhttp_set_gencb(s->http, on_request, s);
    install_events(s);
    bool is_unix = strncmp(listen, "unix:", 5) == 0;
    if (is_unix ? bind_unix(s, listen + 5, e) : bind_tcp(s, listen, e))
        return s;
    http_close(s);
    return NULL;
}

void http_run(struct http_server *s)
{
    event_base_loop(s->base, EVLOOP_NO_EXIT_ON_EMPTY);
    s->stopping = 1;
    pthread_mutex_lock(&s->lock);
    while (s->n_calls > 0) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 1;
        pthread_cond_timedwait(&s->idle, &s->lock, &until);
        pthread_mutex_unlock(&s->lock);
        event_base_loop(s->base, EVLOOP_NONBLOCK);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    event_base_loop(s->base, EVLOOP_NONBLOCK);
}

void http_stop(struct http_server *s)
{
    event_active(s->stopper, EV_TIMEOUT, 0);
}

bool http_stopping(const struct http_server *s)
{
    return s->stopping != 0;
}

void http_close(struct http_server *s)
{
    if (s == NULL)
        return;
    if (s->socket_path != NULL)
        unlink(s->socket_path);
    evhttp_free(s->http);
    for (unsigned i = 0; i < 2; i++)
        event_free(s->signals[i]);
    event_free(s->stopper);
    event_base_free(s->base);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->idle);
    if (s->token != NULL)
        explicit_bzero(s->token, strlen(s->token));
    free(s->token);
    free(s->socket_path);
    free(s);
}

const char *http_method(const struct http_call *c)
{
    return c->method;
}

const char *http_path(const struct http_call *c)
{
    return c->path;
}

const char *http_query(const struct http_call *c, const char *name)
{
    return evhttp_find_header(&c->query, name);
}

const char *http_body(const struct http_call *c)
{
    return c->body;
}

const char *http_header(const struct http_call *c, const char *name)
{
    return strcasecmp(name, "Idempotency-Key") == 0 ? c->key
           : strcasecmp(name, "Accept") == 0        ? c->accept
           : strcasecmp(name, "Prefer") == 0        ? c->prefer
                                                    : NULL;
}

const volatile int *http_cancelled(const struct http_call *c)
{
    return &c->cancelled;
}

void http_reply(struct http_call *c, int status, const char *type, const void *body, size_t n)
{
    pthread_mutex_lock(&c->lock);
    assert(!c->done);
    c->status = status;
    snprintf(c->type, sizeof c->type, "%s", type);
    buf_put(&c->pending, body, n);
    c->done = true;
    pthread_mutex_unlock(&c->lock);
    event_active(c->wake, EV_TIMEOUT, 0);
}

bool http_line(struct http_call *c, const char *type, const void *p, size_t n)
{
    pthread_mutex_lock(&c->lock);
    if (!c->streaming) {
        c->streaming = true;
        c->status = 200;
        snprintf(c->type, sizeof c->type, "%s", type);
    }
    while (c->pending.len > HTTP_PENDING_BYTES && !c->cancelled)
        pthread_cond_wait(&c->drained, &c->lock);
    bool alive = !c->cancelled;
    if (alive)
        buf_put(&c->pending, p, n);
    pthread_mutex_unlock(&c->lock);
    event_active(c->wake, EV_TIMEOUT, 0);
    return alive;
}

void http_end(struct http_call *c)
{
    pthread_mutex_lock(&c->lock);
    c->done = true;
    pthread_mutex_unlock(&c->lock);
    event_active(c->wake, EV_TIMEOUT, 0);
}
