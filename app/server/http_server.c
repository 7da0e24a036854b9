/* app/server/http_server.c — libevent's evhttp in front of handler threads.
 *
 * A call has two owners: the loop (until the answer is sent or the client is gone) and the
 * handler's thread (until the handler returns); the last one frees it. What the handler writes goes
 * into `pending` under the call's lock, and `wake` tells the loop. Only the loop touches evhttp
 * objects.
 */
#include "app/server/http_server.h"

#include "app/server/error_document.h"
#include "app/server/http_guard.h"
#include "app/server/http_listen.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include <assert.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/thread.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>

#define N_SIGNALS          3
#define HTTP_PENDING_BYTES ((size_t)1024 * 1024)
#define HTTP_BODY_MAX      (1024 * 1024)
#define HTTP_HEADER_MAX    (256 * 1024) /* a VGTID has some 250 bytes a shard in a query */
#define KEEP_ALIVE_MS      10000
#define TICK_MS            500

struct http_server {
    struct event_base *base;
    struct http_port *port, *metrics; /* metrics NULL: not wanted */
    struct event *signals[N_SIGNALS];
    struct event *stopper, *tick;
    char *token;
    http_handler_fn handler;
    http_probe_fn probe;
    void (*on_hangup)(void *ctx);
    void *ctx;
    volatile int stopping;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    const char *stream_path;     /* as given */
    unsigned n_calls, n_streams; /* handler threads that run; those of stream_path among them */
    struct http_call *calls;
};

struct http_call {
    struct http_server *server;
    struct http_call *next, **back; /* in server->calls, under server->lock */
    struct evhttp_request *req;     /* loop only; NULL once the client is gone */
    struct event *wake;
    int owners;
    char *method, *path, *target, *body;
    char *key, *accept, *prefer;
    struct evkeyvalq query;
    volatile int cancelled;
    pthread_mutex_t lock;
    pthread_cond_t drained;
    struct buf pending; /* under lock */
    char type[64];
    int status;
    bool streaming, done; /* under lock: what the handler decided */
    bool keep_alive;      /* under lock: empty lines are sent in between */
    int64_t sent_ms;      /* under lock: when something was last put */
    bool sending;         /* loop only: a chunk is on its way */
    bool reply_started;   /* loop only */
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
    free(c->target);
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
    __atomic_store_n(&c->cancelled, 1, __ATOMIC_RELEASE);
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
    http_port_busy(c->server->port, conn, false);
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

static bool is_stream(const struct http_call *c)
{
    const char *streams = c->server->stream_path;
    return streams != NULL && strcmp(c->path, streams) == 0;
}

static void leave_server(struct http_call *c)
{
    struct http_server *s = c->server;
    pthread_mutex_lock(&s->lock);
    *c->back = c->next;
    if (c->next != NULL)
        c->next->back = c->back;
    s->n_calls--;
    s->n_streams -= is_stream(c);
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

static char *path_of(struct evhttp_request *req)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
    const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
    return evhttp_uridecode(path != NULL ? path : "/", 0, NULL);
}

static struct http_call *call_new(struct http_server *s, struct evhttp_request *req)
{
    struct http_call *c = mem_alloc(sizeof *c);
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
    const char *query = uri != NULL ? evhttp_uri_get_query(uri) : NULL;
    struct evbuffer *body = evhttp_request_get_input_buffer(req);
    size_t n = evbuffer_get_length(body);
    c->server = s;
    c->req = req;
    c->owners = 2;
    c->method = mem_strdup(method_name(req));
    c->path = path_of(req);
    c->target = mem_strdup(evhttp_request_get_uri(req));
    TAILQ_INIT(&c->query);
    if (query != NULL)
        evhttp_parse_query_str(query, &c->query);
    c->body = mem_alloc(n + 1);
    evbuffer_remove(body, c->body, n);
    c->key = header_copy(req, "Idempotency-Key");
    c->accept = header_copy(req, "Accept");
    c->prefer = header_copy(req, "Prefer");
    pthread_mutex_init(&c->lock, NULL);
    thread_cond_init(&c->drained);
    c->wake = event_new(s->base, -1, 0, on_wake, c);
    return c;
}

static void refuse(struct evhttp_request *req, int status, const struct err *e)
{
    struct evbuffer *out = evbuffer_new();
    struct buf text = BUF_INIT;
    error_document_put(e, &text);
    buf_put_u8(&text, '\n');
    evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type", "application/json");
    evbuffer_add(out, text.data, text.len);
    evhttp_send_reply(req, status, NULL, out);
    buf_fini(&text);
    evbuffer_free(out);
}

static bool enter_server(struct http_server *s, struct http_call *c)
{
    pthread_mutex_lock(&s->lock);
    size_t max = http_port_calls_max(s->port);
    bool ok = !s->stopping && s->n_calls < max && !(is_stream(c) && s->n_streams >= max - max / 8);
    if (ok) {
        s->n_calls++;
        s->n_streams += is_stream(c);
        c->next = s->calls;
        c->back = &s->calls;
        if (s->calls != NULL)
            s->calls->back = &c->next;
        s->calls = c;
    }
    pthread_mutex_unlock(&s->lock);
    return ok;
}

static int guard(const struct http_server *s, struct evhttp_request *req, const char *path,
                 struct err *e)
{
    const struct evkeyvalq *in = evhttp_request_get_input_headers(req);
    struct http_head head = {.tcp = http_port_is_tcp(s->port),
                             .method = method_name(req),
                             .path = path,
                             .host = evhttp_find_header(in, "Host"),
                             .origin = evhttp_find_header(in, "Origin"),
                             .content_type = evhttp_find_header(in, "Content-Type"),
                             .authorization = evhttp_find_header(in, "Authorization")};
    return http_guard(&head, s->token, e);
}

/* Thread: loop. True: the path is a probe's and has been answered. */
static bool answer_probe(struct http_server *s, struct evhttp_request *req, const char *path)
{
    const char *type = "application/json";
    struct buf body = BUF_INIT;
    if (s->probe == NULL || evhttp_request_get_command(req) != EVHTTP_REQ_GET ||
        !(http_guard_is_probe(path) || strcmp(path, "/metrics") == 0))
        return false;
    int status = s->probe(s->ctx, path, &type, &body);
    struct evbuffer *out = evbuffer_new();
    evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type", type);
    evbuffer_add(out, body.data, body.len);
    evhttp_send_reply(req, status, NULL, out);
    evbuffer_free(out);
    buf_fini(&body);
    return true;
}

static void refuse_busy(struct http_call *c, struct evhttp_request *req)
{
    struct err e = ERR_INIT;
    err_set(&e, ERR_API, "too many %s at once, or the daemon is stopping",
            is_stream(c) ? "streams" : "requests");
    err_cure(&e, "end some of them, and try again");
    c->owners = 1;
    c->req = NULL;
    call_unref(c);
    refuse(req, 503, &e);
}

/* What follows a zero byte would be passed over. */
static bool body_is_text(struct evhttp_request *req)
{
    return evbuffer_search(evhttp_request_get_input_buffer(req), "", 1, NULL).pos < 0;
}

/* A query that cannot be read is taken for an empty one by who only reads its parameters. */
static bool query_is_whole(struct evhttp_request *req)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
    const char *query = uri != NULL ? evhttp_uri_get_query(uri) : NULL;
    struct evkeyvalq parameters;
    if (query == NULL || query[0] == '\0')
        return true;
    TAILQ_INIT(&parameters);
    bool ok = evhttp_parse_query_str(query, &parameters) == 0;
    evhttp_clear_headers(&parameters);
    return ok;
}

/* Bytes that would be passed over are refused: false. */
static bool is_readable(struct evhttp_request *req, struct err *e)
{
    if (!body_is_text(req))
        return err_set(e, ERR_API, "the body holds a zero byte");
    if (query_is_whole(req))
        return true;
    err_set(e, ERR_API, "the query is no list of NAME=VALUE that are joined by &");
    return err_cure(e, "write each parameter as NAME=VALUE");
}

static void start_call(struct http_server *s, struct evhttp_request *req)
{
    pthread_t thread;
    pthread_attr_t attr;
    struct http_call *c = call_new(s, req);
    if (!enter_server(s, c)) {
        refuse_busy(c, req);
        return;
    }
    http_port_busy(s->port, evhttp_request_get_connection(req), true);
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

static void on_request(struct evhttp_request *req, void *arg)
{
    struct http_server *s = arg;
    struct err e = ERR_INIT;
    char *path = path_of(req);
    int status = guard(s, req, path, &e);
    if (status == 0 && !is_readable(req, &e))
        status = 400;
    if (status != 0)
        refuse(req, status, &e);
    else if (!answer_probe(s, req, path))
        start_call(s, req);
    free(path);
}

/* The address for monitoring shows what a probe shows, and nothing else. */
static void on_metrics_request(struct evhttp_request *req, void *arg)
{
    struct err e = ERR_INIT;
    char *path = path_of(req);
    if (!answer_probe(arg, req, path)) {
        err_set(&e, ERR_API, "only /metrics, /healthz and /readyz are served here");
        refuse(req, 404, &e);
    }
    free(path);
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

static void keep_alive(struct http_call *c, int64_t now_ms)
{
    pthread_mutex_lock(&c->lock);
    bool due = c->keep_alive && !c->done && now_ms - c->sent_ms >= KEEP_ALIVE_MS;
    if (due) {
        buf_put_u8(&c->pending, '\n');
        c->sent_ms = now_ms;
    }
    pthread_mutex_unlock(&c->lock);
    if (due)
        event_active(c->wake, EV_TIMEOUT, 0);
}

/* libevent does not read from a connection whose request is being handled, and so does not see its
 * client go. A client that waits for an answer has no reason to close its side. */
static void look_for_client(struct http_call *c)
{
    char byte;
    if (c->req == NULL)
        return;
    struct bufferevent *bev =
        evhttp_connection_get_bufferevent(evhttp_request_get_connection(c->req));
    if (recv(bufferevent_getfd(bev), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
        cancel_call(c);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct http_server *s = arg;
    int64_t now_ms = clock_mono_ms();
    (void)fd, (void)what;
    pthread_mutex_lock(&s->lock);
    for (struct http_call *c = s->calls; c != NULL; c = c->next) {
        look_for_client(c);
        keep_alive(c, now_ms);
    }
    pthread_mutex_unlock(&s->lock);
}

static void on_hangup(evutil_socket_t number, short what, void *arg)
{
    struct http_server *s = arg;
    (void)number, (void)what;
    if (s->on_hangup != NULL)
        s->on_hangup(s->ctx);
}

static void forget_token(struct http_server *s)
{
    if (s->token != NULL)
        explicit_bzero(s->token, strlen(s->token));
    free(s->token);
    s->token = NULL;
}

void http_set_token(struct http_server *s, const char *token)
{
    forget_token(s);
    s->token = mem_strdup(token);
}

static void install_events(struct http_server *s)
{
    static const struct timeval every = {.tv_usec = TICK_MS * 1000};
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    for (unsigned i = 0; i < N_SIGNALS; i++) {
        s->signals[i] =
            evsignal_new(s->base, numbers[i], numbers[i] == SIGHUP ? on_hangup : on_signal, s);
        event_add(s->signals[i], NULL);
    }
    s->stopper = event_new(s->base, -1, EV_PERSIST, on_stop, s);
    s->tick = event_new(s->base, -1, EV_PERSIST, on_tick, s);
    event_add(s->tick, &every);
}

static bool check_token(const struct http_options *o, struct err *e)
{
    if (o->token != NULL || !http_listen_is_tcp(o->listen))
        return true;
    err_set(e, ERR_CONFIG, "listen '%s': every user of this machine reaches it, and web pages do",
            o->listen);
    return err_cure(e, "set token_file to a file with at least 16 random characters, or listen on "
                       "unix:PATH");
}

static struct http_port *open_port(struct http_server *s, const char *listen, enum http_reach reach,
                                   void (*on_req)(struct evhttp_request *, void *), struct err *e)
{
    struct http_port *p = http_port_open(s->base, listen, reach, e);
    if (p == NULL)
        return NULL;
    struct evhttp *http = http_port_evhttp(p);
    evhttp_set_max_body_size(http, HTTP_BODY_MAX);
    evhttp_set_max_headers_size(http, HTTP_HEADER_MAX);
    evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_DELETE);
    evhttp_set_gencb(http, on_req, s);
    return p;
}

struct http_server *http_open(const struct http_options *o, struct err *e)
{
    if (!check_token(o, e))
        return NULL;
    struct http_server *s = mem_alloc(sizeof *s);
    evthread_use_pthreads();
    signal(SIGPIPE, SIG_IGN);
    s->base = event_base_new();
    s->token = mem_strdup(o->token);
    s->stream_path = o->stream_path;
    s->handler = o->handler;
    s->probe = o->probe;
    s->on_hangup = o->on_hangup;
    s->ctx = o->ctx;
    pthread_mutex_init(&s->lock, NULL);
    thread_cond_init(&s->idle);
    install_events(s);
    s->port = open_port(s, o->listen, HTTP_REACH_LOCAL, on_request, e);
    if (s->port != NULL && o->metrics_listen != NULL)
        s->metrics = open_port(s, o->metrics_listen, HTTP_REACH_ANY, on_metrics_request, e);
    if (s->port != NULL && (s->metrics != NULL || o->metrics_listen == NULL))
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
        (void)thread_wait_ms(&s->idle, &s->lock, 1000);
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

void http_close(struct http_server *s)
{
    if (s == NULL)
        return;
    http_port_close(s->port);
    http_port_close(s->metrics);
    for (unsigned i = 0; i < N_SIGNALS; i++)
        event_free(s->signals[i]);
    event_free(s->stopper);
    event_free(s->tick);
    event_base_free(s->base);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->idle);
    forget_token(s);
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

const char *http_target(const struct http_call *c)
{
    return c->target;
}

size_t http_parameters(const struct http_call *c, struct flag_text **out)
{
    const struct evkeyval *kv;
    size_t n = 0, cap = 0;
    *out = NULL;
    TAILQ_FOREACH(kv, &c->query, next)
    {
        mem_grow((void **)out, &cap, n + 1, sizeof **out);
        (*out)[n++] = (struct flag_text){.name = kv->key, .text = kv->value};
    }
    return n;
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

/* Called with the lock. */
static void start_stream(struct http_call *c, const char *type)
{
    c->sent_ms = clock_mono_ms();
    if (c->streaming)
        return;
    c->streaming = true;
    c->status = 200;
    snprintf(c->type, sizeof c->type, "%s", type);
}

void http_keep_alive(struct http_call *c, const char *type)
{
    pthread_mutex_lock(&c->lock);
    start_stream(c, type);
    c->keep_alive = true;
    buf_put_u8(&c->pending, '\n');
    pthread_mutex_unlock(&c->lock);
    event_active(c->wake, EV_TIMEOUT, 0);
}

bool http_line(struct http_call *c, const char *type, const void *p, size_t n)
{
    pthread_mutex_lock(&c->lock);
    start_stream(c, type);
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
