/* app/server/http_guard.c — who may ask the API what: a decision about one request's head. */
#include "app/server/http_guard.h"

#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>

bool http_guard_is_probe(const char *path)
{
    return strcmp(path, "/healthz") == 0 || strcmp(path, "/readyz") == 0;
}

/* Is the host's name, without a port of digits, exactly this word? */
static bool host_is(const char *host, const char *word)
{
    size_t n = strlen(word);
    if (strncasecmp(host, word, n) != 0)
        return false;
    if (host[n] == '\0')
        return true;
    return host[n] == ':' && host[n + 1] != '\0' &&
           strspn(host + n + 1, "0123456789") == strlen(host + n + 1);
}

/* A name that an attacker's DNS answers for has a dot; through a unix socket clients put any word
 * into Host, so there each name without a dot is taken. */
static bool host_allowed(const struct http_head *h)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; h->host != NULL && i < sizeof names / sizeof *names; i++)
        if (host_is(h->host, names[i]))
            return true;
    return !h->tcp && (h->host == NULL || strpbrk(h->host, ".@[]") == NULL);
}

static bool is_json(const char *content_type)
{
    static const char json[] = "application/json";
    size_t n = sizeof json - 1;
    return content_type != NULL && strncasecmp(content_type, json, n) == 0 &&
           (content_type[n] == '\0' || content_type[n] == ';' || content_type[n] == ' ');
}

static bool token_right(const char *authorization, const char *token)
{
    size_t n = strlen(token);
    return authorization != NULL && strncmp(authorization, "Bearer ", 7) == 0 &&
           strlen(authorization + 7) == n && CRYPTO_memcmp(authorization + 7, token, n) == 0;
}

static int refused(int status, struct err *e, const char *why, const char *cure)
{
    err_set(e, ERR_API, "%s", why);
    err_cure(e, "%s", cure);
    return status;
}

int http_guard(const struct http_head *h, const char *token, struct err *e)
{
    if (!host_allowed(h))
        return refused(403, e, "this Host is not served", "use localhost or 127.0.0.1");
    if (h->origin != NULL)
        return refused(403, e, "requests of web pages are not served",
                       "send the request without an Origin header");
    if (http_guard_is_probe(h->path))
        return 0;
    if (token != NULL && !token_right(h->authorization, token))
        return refused(401, e, "a bearer token is needed",
                       "send `Authorization: Bearer` with what token_file holds");
    if (strcmp(h->method, "GET") != 0 && !is_json(h->content_type))
        return refused(415, e, "the body must be declared as JSON",
                       "send `Content-Type: application/json`");
    return 0;
}
