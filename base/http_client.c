/* base/http_client.c — one HTTP request and its answer, by libcurl. */
#include "base/http_client.h"

#include "base/mem.h"
#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_TIMEOUT_MS 10000L

struct answer {
    const struct http_client_request *rq;
    struct buf *body;
    bool too_large;
};

static void init_library(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* Gives out the whole lines of the body and keeps the rest. */
static void give_lines(struct answer *a)
{
    size_t done = 0;
    uint8_t *nl;
    while (done < a->body->len &&
           (nl = memchr(a->body->data + done, '\n', a->body->len - done)) != NULL) {
        *nl = '\0';
        const char *line = (const char *)a->body->data + done;
        if (line[0] != '\0')
            a->rq->on_line(a->rq->ctx, line);
        done = (size_t)(nl - a->body->data) + 1;
    }
    if (done > 0) {
        memmove(a->body->data, a->body->data + done, a->body->len - done);
        a->body->len -= done;
        a->body->data[a->body->len] = '\0';
    }
}

static size_t on_bytes(char *p, size_t size, size_t n, void *arg)
{
    struct answer *a = arg;
    size_t bytes = size * n;
    a->too_large |= a->body->len + bytes > a->rq->max_bytes || !buf_put(a->body, p, bytes);
    if (a->too_large)
        return 0;
    if (a->rq->on_line != NULL)
        give_lines(a);
    return bytes;
}

static void set_address(CURL *h, const struct http_client_request *rq, struct buf *url)
{
    bool is_unix = strncmp(rq->address, "unix:", 5) == 0;
    buf_printf(url, "http://%s%s", is_unix ? "localhost" : rq->address, rq->path);
    if (is_unix)
        curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, rq->address + 5);
    curl_easy_setopt(h, CURLOPT_URL, buf_str(url));
}

static struct curl_slist *headers_of(const struct http_client_request *rq)
{
    struct curl_slist *list = curl_slist_append(NULL, "Accept: application/json");
    list = curl_slist_append(list, "Content-Type: application/json");
    list = curl_slist_append(list, "Expect:");
    if (rq->token == NULL)
        return list;
    char *line = mem_printf("Authorization: Bearer %s", rq->token);
    list = curl_slist_append(list, line);
    explicit_bzero(line, strlen(line));
    free(line);
    return list;
}

static void set_limits(CURL *h, const struct http_client_request *rq)
{
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    if (rq->on_line == NULL)
        curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)rq->idle_ms);
    curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, (long)(rq->idle_ms + 999) / 1000);
}

static void set_request(CURL *h, const struct http_client_request *rq)
{
    curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, rq->method);
    if (strcmp(rq->method, "GET") == 0)
        return;
    const char *body = rq->body != NULL ? rq->body : "";
    curl_easy_setopt(h, CURLOPT_POST, 1L);
    curl_easy_setopt(h, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
}

static bool unreachable(const char *address, const char *why, struct err *e)
{
    err_set(e, ERR_DAEMON_UNREACHABLE, "no daemon answers on %s: %s", address, why);
    return err_cure(e, "start it with `sluice serve --config FILE`, or use --local");
}

/* number: what the system said, or 0. It is plainer than the library's text, which names a host and
 * a port also where a socket's file was asked for. */
static bool failed(const struct answer *a, CURLcode code, const char *text, long number,
                   struct err *e)
{
    const char *why = text[0] != '\0' ? text : curl_easy_strerror(code);
    if (a->too_large)
        return err_set(e, ERR_LIMIT, "the answer from %s is larger than %zu bytes", a->rq->address,
                       a->rq->max_bytes);
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST)
        return unreachable(a->rq->address, number > 0 ? strerror((int)number) : why, e);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(e, ERR_API, "%s: %s within %u s", a->rq->address,
                       a->rq->on_line ? "nothing came" : "no whole answer came",
                       a->rq->idle_ms / 1000);
    if (code == CURLE_URL_MALFORMAT)
        return err_set(e, ERR_CONFIG, "'%s' is no address like 127.0.0.1:15999 or unix:/path",
                       a->rq->address);
    return err_set(e, ERR_API, "the answer from %s broke off or is no HTTP: %s", a->rq->address,
                   why);
}

bool http_client_call(const struct http_client_request *rq, int *status, struct buf *body,
                      struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char text[CURL_ERROR_SIZE] = "";
    struct answer a = {.rq = rq, .body = body};
    struct buf url = BUF_INIT;
    long code = 0, number = 0;
    pthread_once(&once, init_library);
    CURL *h = curl_easy_init();
    struct curl_slist *headers = headers_of(rq);
    if (h == NULL)
        return err_set(e, ERR_INTERNAL, "the HTTP library does not start");
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, text);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, &a);
    set_address(h, rq, &url);
    set_limits(h, rq);
    set_request(h, rq);
    CURLcode rc = curl_easy_perform(h);
    curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &code);
    curl_easy_getinfo(h, CURLINFO_OS_ERRNO, &number);
    curl_slist_free_all(headers);
    curl_easy_cleanup(h);
    buf_fini(&url);
    *status = (int)code;
    return rc == CURLE_OK || failed(&a, rc, text, number, e);
}
