/* base/http.h — requests to one HTTP server, by libcurl: over TCP, TLS or a unix socket, with
 * connections that are used again, bounded in bytes and in time.
 *
 * The other side is not trusted: whatever it sends, a call ends with an answer or an error, and
 * takes no more memory than it was given. No proxy, no redirect, no other protocol; credentials go
 * to another machine only encrypted.
 *
 * A call that fails says by its error's class whether the same request may succeed later:
 *
 *   nobody listens, the name does not resolve, the answer broke off or was late   RETRY
 *   no valid certificate, an address or a file that cannot be, too large          FATAL
 *
 * What an answer's status means is for the caller; http_status_class has the usual reading. Whether
 * a request that may have been executed can be repeated, only the caller knows too.
 */
#ifndef SLUICE_BASE_HTTP_H
#define SLUICE_BASE_HTTP_H

#include "base/buf.h"

struct http_client; /* one server: how it is asked, and its idle connections */

struct http_client_options {
    const char *address; /* "unix:/path", "host:port", "http://host[:port][/path]", "https://…" */
    const char *token;   /* bearer token, or NULL */
    const char *user, *password;      /* basic authentication, or NULL; not with a token */
    const char *ca_file;              /* https: who signs; NULL: the system's */
    const char *cert_file, *key_file; /* https: our own certificate, or NULL */
    const char *const *headers;       /* "Name: value" of every request, ended by NULL; or NULL */
    size_t max_bytes;                 /* an answer, or one line of it, may be as long; 0: 64 MiB */
    unsigned connect_ms;              /* 0: 10 s */
    unsigned idle_connections;        /* kept; 0: 4 */
};
/* Copies what it is given; asks nobody yet. ERR_CONFIG: the address is none, credentials would go
 * to another machine unencrypted, or libcurl is not there. */
struct http_client *http_client_new(const struct http_client_options *o, struct err *e) WARN_UNUSED;
void http_client_free(struct http_client *c); /* no call may be under way */

struct http_client_request {
    const char *method;         /* "GET", "POST", "PUT", "DELETE", … */
    const char *path;           /* path and query, appended to the address */
    const char *const *headers; /* as above; or NULL */
    const void *body;           /* NULL: none */
    size_t body_len;            /* 0 with a body: it is a text */
    unsigned idle_ms;           /* without a byte for so long the call fails; 0: 60 s */
    unsigned whole_ms;          /* the whole answer has to be there by then; 0: no such limit */
    /* Called for each line of the answer as it arrives, without its line end, not for empty ones;
     * the body then holds only what follows the last line end. NULL: the answer is collected. */
    void (*on_line)(void *ctx, const char *line);
    void *ctx;
};
struct http_client_answer {
    int status;
    int64_t retry_after_ms; /* what the server asks for; 0: nothing */
    struct buf body;
};
#define HTTP_CLIENT_ANSWER_INIT                                                                    \
    {                                                                                              \
        0, 0, BUF_INIT                                                                             \
    }
void http_client_answer_fini(struct http_client_answer *a);

/* True: there is an answer, of whatever status. a: initialised; its body is emptied first. Errors:
 * ERR_HTTP_CONNECT, ERR_HTTP_TLS, ERR_HTTP, ERR_LIMIT, with the class as above.
 * Thread: any, several at a time; blocks. */
bool http_client_call(struct http_client *c, const struct http_client_request *rq,
                      struct http_client_answer *a, struct err *e) WARN_UNUSED;

enum http_outcome {
    HTTP_DONE,    /* 2xx */
    HTTP_RETRY,   /* 408, 425, 429, and 5xx but 501 and 505: the same may succeed later */
    HTTP_REFUSED, /* the rest: it will not */
};
enum http_outcome http_status_class(int status); /* pure */

#endif
