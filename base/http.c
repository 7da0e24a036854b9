/* base/http.c — requests to one HTTP server, by libcurl.
 *
 * A libcurl handle is a connection: idle ones lie on a stack, and a call takes the one that was used
 * last, whose connection is the likeliest to stand. After the call the handle is reset, which keeps
 * the connection.
 */
#include "base/http.h"

#include "base/address.h"
#include "base/clock.h"
#include "base/http_library.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_BYTES     ((size_t)64 * 1024 * 1024)
#define CONNECT_MS    10000
#define IDLE_MS       60000
#define IDLE_HANDLES  4
#define QUEUE_FULL_MS 20
#define TLS_SCHEME    "https://"
#define PLAIN_SCHEME  "http://"
#define UNIX_PREFIX   "unix:"
#define HEADERS_LIMIT 64

struct http_client {
    const struct http_library *lib;
    char *address; /* as given, for messages */
    char *url;     /* without a slash at the end */
    char *socket;  /* NULL: TCP */
    bool encrypted;
    char *token_line, *user, *password;
    char *ca_file, *cert_file, *key_file;
    char *headers[HEADERS_LIMIT];
    size_t n_headers;
    size_t max_bytes;
    unsigned connect_ms, idle_max;
    pthread_mutex_t lock; /* over the two below */
    CURL **idle;
    size_t n_idle;
};

/* ---- whom to ask ---- */

static bool begins(const char *text, const char *with)
{
    return strncasecmp(text, with, strlen(with)) == 0;
}

/* Whether what is sent there stays on this machine. The host is what libcurl would take for it: a
 * text that only begins like a loopback address is anybody's. */
static bool stays_here(const char *authority)
{
    char text[300], host[256];
    const char *port;
    size_t n = strcspn(authority, "/?#");
    if (n >= sizeof text - 4)
        return false;
    snprintf(text, sizeof text, "%.*s", (int)n, authority);
    if (!address_split(text, host, sizeof host, &port)) {
        snprintf(text, sizeof text, "%.*s:80", (int)n, authority);
        if (!address_split(text, host, sizeof host, &port))
            return false;
    }
    return address_is_loopback(host);
}

static void set_address(struct http_client *c, const char *address)
{
    c->address = mem_strdup(address);
    c->encrypted = begins(address, TLS_SCHEME);
    if (begins(address, UNIX_PREFIX)) {
        c->socket = mem_strdup(address + strlen(UNIX_PREFIX));
        c->url = mem_strdup(PLAIN_SCHEME "localhost");
        return;
    }
    bool whole = c->encrypted || begins(address, PLAIN_SCHEME);
    c->url = mem_printf("%s%s", whole ? "" : PLAIN_SCHEME, address);
    for (size_t n = strlen(c->url); n > 0 && c->url[n - 1] == '/'; n--)
        c->url[n - 1] = '\0';
}

static bool check_secrecy(const struct http_client *c, const char *what, struct err *e)
{
    if (c->socket != NULL || c->encrypted || stays_here(c->url + strlen(PLAIN_SCHEME)))
        return true;
    err_set(e, ERR_CONFIG, "the %s would go to %s unencrypted", what, c->address);
    return err_cure(e, "use https://, or forward a port of this machine to it, for example with "
                       "ssh -L");
}

static bool set_options(struct http_client *c, const struct http_client_options *o, struct err *e)
{
    c->max_bytes = o->max_bytes != 0 ? o->max_bytes : MAX_BYTES;
    c->connect_ms = o->connect_ms != 0 ? o->connect_ms : CONNECT_MS;
    c->idle_max = o->idle_connections != 0 ? o->idle_connections : IDLE_HANDLES;
    c->token_line = o->token != NULL ? mem_printf("Authorization: Bearer %s", o->token) : NULL;
    c->user = mem_strdup(o->user);
    c->password = mem_strdup(o->password);
    c->ca_file = mem_strdup(o->ca_file);
    c->cert_file = mem_strdup(o->cert_file);
    c->key_file = mem_strdup(o->key_file);
    for (size_t i = 0; o->headers != NULL && o->headers[i] != NULL; i++) {
        if (c->n_headers == HEADERS_LIMIT)
            return err_set(e, ERR_LIMIT, "%s: more than %d headers", c->address, HEADERS_LIMIT);
        c->headers[c->n_headers++] = mem_strdup(o->headers[i]);
    }
    return (o->token == NULL || check_secrecy(c, "token", e)) &&
           (o->password == NULL || check_secrecy(c, "password", e));
}

struct http_client *http_client_new(const struct http_client_options *o, struct err *e)
{
    struct http_client *c = mem_alloc(sizeof *c);
    pthread_mutex_init(&c->lock, NULL);
    set_address(c, o->address);
    if (set_options(c, o, e) && (c->lib = http_library(e)) != NULL) {
        c->idle = mem_calloc(c->idle_max, sizeof(void *));
        return c;
    }
    http_client_free(c);
    return NULL;
}

static void free_secret(char *text)
{
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
}

void http_client_free(struct http_client *c)
{
    if (c == NULL)
        return;
    while (c->n_idle > 0)
        c->lib->easy_cleanup(c->idle[--c->n_idle]);
    while (c->n_headers > 0)
        free_secret(c->headers[--c->n_headers]);
    free_secret(c->token_line);
    free_secret(c->password);
    free(c->user);
    free(c->address);
    free(c->url);
    free(c->socket);
    free(c->ca_file);
    free(c->cert_file);
    free(c->key_file);
    free(c->idle);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* ---- connections ---- */

static CURL *take_handle(struct http_client *c)
{
    pthread_mutex_lock(&c->lock);
    CURL *h = c->n_idle > 0 ? c->idle[--c->n_idle] : NULL;
    pthread_mutex_unlock(&c->lock);
    return h != NULL ? h : c->lib->easy_init();
}

/* Without the options of the call, whose memory goes away. */
static void give_handle(struct http_client *c, CURL *h)
{
    c->lib->easy_reset(h);
    pthread_mutex_lock(&c->lock);
    bool kept = c->n_idle < c->idle_max;
    if (kept)
        c->idle[c->n_idle++] = h;
    pthread_mutex_unlock(&c->lock);
    if (!kept)
        c->lib->easy_cleanup(h);
}

/* ---- one call ---- */

struct call {
    struct http_client *c;
    const struct http_client_request *rq;
    struct buf *body;
    bool too_large, silent;
    curl_off_t moved; /* bytes of both bodies so far */
    int64_t moved_ms; /* when the last of them did */
    char text[CURL_ERROR_SIZE];
};

/* Gives out the whole lines of the body and keeps the rest. */
static void give_lines(struct call *k)
{
    size_t done = 0;
    uint8_t *nl;
    while (done < k->body->len &&
           (nl = memchr(k->body->data + done, '\n', k->body->len - done)) != NULL) {
        *nl = '\0';
        const char *line = (const char *)k->body->data + done;
        if (line[0] != '\0')
            k->rq->on_line(k->rq->ctx, line);
        done = (size_t)(nl - k->body->data) + 1;
    }
    if (done > 0) {
        memmove(k->body->data, k->body->data + done, k->body->len - done);
        k->body->len -= done;
        k->body->data[k->body->len] = '\0';
    }
}

static size_t on_bytes(char *p, size_t size, size_t n, void *arg)
{
    struct call *k = arg;
    size_t bytes = size * n;
    k->too_large |= k->body->len + bytes > k->c->max_bytes || !buf_put(k->body, p, bytes);
    if (k->too_large)
        return 0;
    if (k->rq->on_line != NULL)
        give_lines(k);
    return bytes;
}

static struct curl_slist *headers_of(const struct call *k)
{
    const struct http_client *c = k->c;
    struct curl_slist *list = c->lib->slist_append(NULL, "Expect:");
    for (size_t i = 0; i < c->n_headers; i++)
        list = c->lib->slist_append(list, c->headers[i]);
    for (size_t i = 0; k->rq->headers != NULL && k->rq->headers[i] != NULL; i++)
        list = c->lib->slist_append(list, k->rq->headers[i]);
    return c->token_line != NULL ? c->lib->slist_append(list, c->token_line) : list;
}

static void free_headers(const struct http_client *c, struct curl_slist *list)
{
    for (struct curl_slist *p = list; p != NULL; p = p->next)
        explicit_bzero(p->data, strlen(p->data));
    c->lib->slist_free_all(list);
}

static void set_peer(const struct call *k, CURL *h, struct buf *url)
{
    const struct http_client *c = k->c;
    buf_printf(url, "%s%s", c->url, k->rq->path);
    c->lib->easy_setopt(h, CURLOPT_URL, buf_str(url));
    c->lib->easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, c->socket);
    c->lib->easy_setopt(h, CURLOPT_NOPROXY, "*");
    c->lib->easy_setopt(h, CURLOPT_PROTOCOLS_STR, c->encrypted ? "https" : "http");
    c->lib->easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    if (c->ca_file != NULL)
        c->lib->easy_setopt(h, CURLOPT_CAINFO, c->ca_file);
    if (c->cert_file != NULL)
        c->lib->easy_setopt(h, CURLOPT_SSLCERT, c->cert_file);
    if (c->key_file != NULL)
        c->lib->easy_setopt(h, CURLOPT_SSLKEY, c->key_file);
    if (c->user == NULL)
        return;
    c->lib->easy_setopt(h, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    c->lib->easy_setopt(h, CURLOPT_USERNAME, c->user);
    c->lib->easy_setopt(h, CURLOPT_PASSWORD, c->password != NULL ? c->password : "");
}

static unsigned idle_ms(const struct call *k)
{
    return k->rq->idle_ms != 0 ? k->rq->idle_ms : IDLE_MS;
}

/* About once a second. CURLOPT_LOW_SPEED_TIME would not do: its least speed is one byte a second, and
 * a daemon whose verb works on sends less. */
static int on_progress(void *arg, curl_off_t down_all, curl_off_t down, curl_off_t up_all,
                       curl_off_t up)
{
    struct call *k = arg;
    int64_t now_ms = clock_mono_ms();
    (void)down_all, (void)up_all;
    if (down + up != k->moved) {
        k->moved = down + up;
        k->moved_ms = now_ms;
    }
    k->silent = now_ms - k->moved_ms >= idle_ms(k);
    return k->silent;
}

static void set_limits(struct call *k, CURL *h)
{
    const struct http_library *lib = k->c->lib;
    k->moved_ms = clock_mono_ms();
    lib->easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    lib->easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)k->c->connect_ms);
    lib->easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)k->rq->whole_ms);
    lib->easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
    lib->easy_setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress);
    lib->easy_setopt(h, CURLOPT_XFERINFODATA, k);
}

static void set_request(struct call *k, CURL *h)
{
    const struct http_library *lib = k->c->lib;
    const struct http_client_request *rq = k->rq;
    lib->easy_setopt(h, CURLOPT_ERRORBUFFER, k->text);
    lib->easy_setopt(h, CURLOPT_WRITEFUNCTION, on_bytes);
    lib->easy_setopt(h, CURLOPT_WRITEDATA, k);
    lib->easy_setopt(h, CURLOPT_CUSTOMREQUEST, rq->method);
    if (strcasecmp(rq->method, "HEAD") == 0)
        lib->easy_setopt(h, CURLOPT_NOBODY, 1L);
    if (rq->body == NULL &&
        (strcasecmp(rq->method, "GET") == 0 || strcasecmp(rq->method, "HEAD") == 0))
        return;
    const char *body = rq->body != NULL ? rq->body : "";
    size_t len = rq->body_len != 0 ? rq->body_len : strlen(body);
    lib->easy_setopt(h, CURLOPT_POST, 1L);
    lib->easy_setopt(h, CURLOPT_POSTFIELDS, body);
    lib->easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
}

/* ---- what went wrong ---- */

static bool is_tls_error(CURLcode code)
{
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CERTPROBLEM ||
           code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_ISSUER_ERROR ||
           code == CURLE_SSL_CIPHER;
}

static bool too_late(const struct call *k, struct err *e)
{
    bool whole = k->rq->whole_ms != 0 && k->rq->whole_ms <= idle_ms(k);
    return err_set_native(e, ERR_HTTP, ERR_CLASS_RETRY, 0, "%s: %s within %u s", k->c->address,
                          whole ? "no whole answer came" : "nothing came",
                          (whole ? k->rq->whole_ms : idle_ms(k)) / 1000);
}

/* number: what the system said, or 0. It is plainer than the library's text, which names a host and
 * a port also where a socket's file was asked for. */
static bool failed(const struct call *k, CURLcode code, long number, struct err *e)
{
    const char *why = k->text[0] != '\0' ? k->text : k->c->lib->easy_strerror(code);
    const char *address = k->c->address;
    if (k->too_large)
        return err_set(e, ERR_LIMIT, "the answer from %s is larger than %zu bytes", address,
                       k->c->max_bytes);
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST)
        return err_set_native(e, ERR_HTTP_CONNECT, ERR_CLASS_RETRY, (int)number,
                              "nobody answers on %s: %s", address,
                              number > 0 ? strerror((int)number) : why);
    if (code == CURLE_OPERATION_TIMEDOUT || k->silent)
        return too_late(k, e);
    if (code == CURLE_URL_MALFORMAT)
        return err_set(e, ERR_CONFIG, "'%s' is no address like 127.0.0.1:15999 or unix:/path",
                       address);
    if (is_tls_error(code))
        return err_set(e, ERR_HTTP_TLS, "%s: %s", address, why);
    return err_set_native(e, ERR_HTTP, ERR_CLASS_RETRY, 0,
                          "the answer from %s broke off or is no HTTP: %s", address, why);
}

/* A unix socket's queue of connections that nobody has accepted yet may be full; connecting then
 * fails at once (EAGAIN, which libcurl 7.88 tells as no error of the system's at all) where it would
 * wait over TCP. Nothing was sent, so it is tried again. */
static bool queue_is_full(const struct http_client *c, CURLcode rc, long number)
{
    return c->socket != NULL && rc == CURLE_COULDNT_CONNECT && (number == 0 || number == EAGAIN);
}

static CURLcode perform(const struct http_client *c, CURL *h, long *number)
{
    int64_t end_ms = clock_mono_ms() + c->connect_ms;
    for (;;) {
        *number = 0;
        CURLcode rc = c->lib->easy_perform(h);
        c->lib->easy_getinfo(h, CURLINFO_OS_ERRNO, number);
        if (!queue_is_full(c, rc, *number) || clock_mono_ms() >= end_ms)
            return rc;
        clock_sleep_ms(QUEUE_FULL_MS, NULL);
    }
}

void http_client_answer_fini(struct http_client_answer *a)
{
    buf_fini(&a->body);
}

bool http_client_call(struct http_client *c, const struct http_client_request *rq,
                      struct http_client_answer *a, struct err *e)
{
    struct call k = {.c = c, .rq = rq, .body = &a->body};
    CLEANUP(buf_fini) struct buf url = BUF_INIT;
    long status = 0, number = 0;
    curl_off_t wait_s = 0;
    CURL *h = take_handle(c);
    if (h == NULL)
        return err_set(e, ERR_INTERNAL, "the HTTP library does not start");
    struct curl_slist *headers = headers_of(&k);
    buf_reset(&a->body);
    c->lib->easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    set_peer(&k, h, &url);
    set_limits(&k, h);
    set_request(&k, h);
    CURLcode rc = perform(c, h, &number);
    c->lib->easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    c->lib->easy_getinfo(h, CURLINFO_RETRY_AFTER, &wait_s);
    a->status = (int)status;
    a->retry_after_ms = (int64_t)wait_s * 1000;
    bool ok = rc == CURLE_OK || failed(&k, rc, number, e);
    free_headers(c, headers);
    give_handle(c, h);
    return ok;
}

enum http_outcome http_status_class(int status)
{
    if (status >= 200 && status < 300)
        return HTTP_DONE;
    bool later = status == 408 || status == 425 || status == 429 ||
                 (status >= 500 && status != 501 && status != 505);
    return later ? HTTP_RETRY : HTTP_REFUSED;
}
