/* app/cli/client.c — the verbs' side of the daemon's HTTP API. */
#include "app/cli/client.h"

#include "base/address.h"

#include <jansson.h>
#include <string.h>

#define ANSWER_MAX ((size_t)64 * 1024 * 1024)
#define IDLE_MS    60000  /* the daemon sends a line end every few seconds while a verb works */
#define SILENT_MS  300000 /* verbs that answer once, at their end */

static bool stays_here(const char *address)
{
    char host[256];
    const char *port;
    return strncmp(address, "unix:", 5) == 0 ||
           (address_split(address, host, sizeof host, &port) && address_is_loopback(host));
}

bool client_call(const struct http_client_request *rq, int *status, struct buf *body, struct err *e)
{
    struct http_client_request bounded = *rq;
    if (rq->token != NULL && !stays_here(rq->address)) {
        err_set(e, ERR_CONFIG, "the token would go to %s unencrypted", rq->address);
        return err_cure(e, "forward a port of this machine to it, for example with ssh -L");
    }
    bounded.max_bytes = ANSWER_MAX;
    bounded.idle_ms = rq->on_line != NULL || strcmp(rq->method, "GET") == 0 ? IDLE_MS : SILENT_MS;
    return http_client_call(&bounded, status, body, e);
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
