/* app/client.c — a small HTTP/1.1 client for the daemon's own API: connection per request, chunked
 * answers. */
#include "app/client.h"

#include "base/mem.h"
#include "base/sys.h"
#include <errno.h>
#include <jansson.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX ((size_t)256 * 1024 * 1024)

static bool unreachable(const char *address, const char *why, struct err *e)
{
    err_set(e, ERR_DAEMON_UNREACHABLE, "no daemon answers on %s: %s", address, why);
    return err_cure(e, "start it with `sluice serve --config FILE`, or use --local");
}

static int connect_unix(const char *path, const char *address, struct err *e)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a.sun_path) {
        err_set(e, ERR_CONFIG, "the socket path %s is longer than %zu bytes", path,
                sizeof a.sun_path - 1);
        return -1;
    }
    memcpy(a.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) != 0) {
        unreachable(address, strerror(errno), e);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

static int connect_tcp(const char *address, struct err *e)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    if (colon == NULL || (size_t)(colon - address) >= sizeof host) {
        err_set(e, ERR_CONFIG, "'%s' is no address like 127.0.0.1:15999 or unix:/path", address);
        return -1;
    }
    snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int rc = getaddrinfo(host, colon + 1, &hints, &list);
    int fd = -1;
    for (struct addrinfo *a = list; rc == 0 && a != NULL && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    if (fd < 0)
        unreachable(address, rc != 0 ? gai_strerror(rc) : strerror(errno), e);
    if (list != NULL)
        freeaddrinfo(list);
    return fd;
}

static bool send_all(int fd, const uint8_t *p, size_t n, struct err *e)
{
    while (n > 0) {
        ssize_t w = send(fd, p, n, MSG_NOSIGNAL);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return err_set(e, ERR_API, "the daemon closed the connection: %s", strerror(errno));
        p += w;
        n -= (size_t)w;
    }
    return true;
}

static bool send_request(int fd, const struct client_request *rq, struct err *e)
{
    struct buf head = BUF_INIT;
    size_t n = rq->body != NULL ? strlen(rq->body) : 0;
    buf_printf(
        &head,
        "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: application/json\r\n",
        rq->method, rq->path);
    if (rq->token != NULL)
        buf_printf(&head, "Authorization: Bearer %s\r\n", rq->token);
    buf_printf(&head, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n", n);
    buf_put(&head, rq->body, n);
    bool ok = send_all(fd, head.data, head.len, e);
    explicit_bzero(head.data, head.len);
    buf_fini(&head);
    return ok;
}

/* The answer as it arrives: header first, then body bytes, maybe chunked. */
struct answer {
    const struct client_request *rq;
    struct buf raw;   /* not consumed yet */
    struct buf *body; /* decoded */
    size_t lined;     /* body bytes already given out as lines */
    int status;
    bool chunked, ended;
    bool header_done;
    ssize_t length; /* -1 unknown */
};

static bool parse_header(struct answer *a, struct err *e)
{
    char *end = a->raw.data != NULL ? strstr((char *)a->raw.data, "\r\n\r\n") : NULL;
    if (end == NULL)
        return true;
    if (sscanf((char *)a->raw.data, "HTTP/1.%*d %d", &a->status) != 1)
        return err_set(e, ERR_API, "the answer is no HTTP");
    *end = '\0';
    a->chunked = strcasestr((char *)a->raw.data, "\r\ntransfer-encoding: chunked") != NULL;
    const char *length = strcasestr((char *)a->raw.data, "\r\ncontent-length:");
    a->length = length != NULL ? (ssize_t)strtoll(length + 17, NULL, 10) : -1;
    size_t header = (size_t)(end - (char *)a->raw.data) + 4;
    memmove(a->raw.data, a->raw.data + header, a->raw.len - header);
    a->raw.len -= header;
    a->raw.data[a->raw.len] = '\0';
    a->header_done = true;
    return true;
}

static void drop_raw(struct answer *a, size_t n)
{
    memmove(a->raw.data, a->raw.data + n, a->raw.len - n);
    a->raw.len -= n;
    a->raw.data[a->raw.len] = '\0';
}

static void take_chunks(struct answer *a)
{
    while (!a->ended && a->raw.len > 0) {
        char *eol = strstr((char *)a->raw.data, "\r\n");
        if (eol == NULL)
            return;
        size_t size = strtoull((char *)a->raw.data, NULL, 16);
        size_t head = (size_t)(eol - (char *)a->raw.data) + 2;
        if (a->raw.len < head + size + 2)
            return;
        a->ended = size == 0;
        buf_put(a->body, a->raw.data + head, size);
        drop_raw(a, head + size + 2);
    }
}

static void give_lines(struct answer *a)
{
    uint8_t *nl;
    while (a->rq->on_line != NULL && a->body->len > a->lined &&
           (nl = memchr(a->body->data + a->lined, '\n', a->body->len - a->lined)) != NULL) {
        *nl = '\0';
        a->rq->on_line(a->rq->ctx, (char *)a->body->data + a->lined);
        *nl = '\n';
        a->lined = (size_t)(nl - a->body->data) + 1;
    }
}

static bool take_bytes(struct answer *a, struct err *e)
{
    if (!a->header_done && !parse_header(a, e))
        return false;
    if (!a->header_done)
        return true;
    if (a->chunked) {
        take_chunks(a);
    } else {
        buf_put(a->body, a->raw.data, a->raw.len);
        drop_raw(a, a->raw.len);
        a->ended = a->length >= 0 && a->body->len >= (size_t)a->length;
    }
    give_lines(a);
    return !a->body->failed ||
           err_set(e, ERR_LIMIT, "the daemon's answer is larger than %zu bytes", ANSWER_MAX);
}

static bool receive(int fd, struct answer *a, struct err *e)
{
    while (!a->ended) {
        uint8_t *room = buf_reserve(&a->raw, 65536);
        ssize_t n = room != NULL ? recv(fd, room, 65536, 0) : -1;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        a->raw.len += (size_t)n;
        a->raw.data[a->raw.len] = '\0';
        if (!take_bytes(a, e))
            return false;
    }
    if (!a->header_done || (!a->ended && (a->chunked || a->length >= 0)))
        return err_set(e, ERR_API, "the daemon's answer broke off; it may have been stopped");
    return true;
}

bool client_call(const struct client_request *rq, int *status, struct buf *body, struct err *e)
{
    bool is_unix = strncmp(rq->address, "unix:", 5) == 0;
    int fd = is_unix ? connect_unix(rq->address + 5, rq->address, e) : connect_tcp(rq->address, e);
    if (fd < 0)
        return false;
    struct answer a = {.rq = rq, .body = body, .length = -1};
    buf_init(&a.raw, ANSWER_MAX);
    bool ok = send_request(fd, rq, e) && receive(fd, &a, e);
    *status = a.status;
    buf_fini(&a.raw);
    close(fd);
    return ok;
}

static enum err_code code_of(const char *name)
{
    for (int i = 1; name != NULL && i < ERR_CODE_COUNT; i++)
        if (strcmp(err_code_name((enum err_code)i), name) == 0)
            return (enum err_code)i;
    return ERR_API;
}

bool client_error(const char *json, struct err *e)
{
    json_t *doc = json_loads(json, 0, NULL);
    json_t *error = json_object_get(doc, "error");
    const char *message = json_string_value(json_object_get(error, "message"));
    const char *cure = json_string_value(json_object_get(error, "cure"));
    err_set(e, code_of(json_string_value(json_object_get(error, "code"))), "%s",
            message != NULL ? message : "the daemon answered something that is no error document");
    if (cure != NULL && cure[0] != '\0')
        err_cure(e, "%s", cure);
    json_decref(doc);
    return false;
}
