/* app/cli/client.c — the verbs' side of the daemon's HTTP API. */
#include "app/cli/client.h"

#include <jansson.h>
#include <string.h>

#define IDLE_MS   60000  /* the daemon sends a line end every few seconds while a verb works */
#define SILENT_MS 300000 /* verbs that answer once, at their end */

static const char *const headers[] = {"Accept: application/json", "Content-Type: application/json",
                                      NULL};

/* What it means of a daemon. */
static bool unanswered(struct err *e)
{
    if (e->code == ERR_HTTP)
        e->code = ERR_API;
    if (e->code != ERR_HTTP_CONNECT)
        return false;
    e->code = ERR_DAEMON_UNREACHABLE;
    return err_cure(e, "start the daemon with `sluice serve --config FILE`, or use --local");
}

bool client_call(const struct client_request *rq, int *status, struct buf *body, struct err *e)
{
    const struct http_client_options o = {
        .address = rq->address, .token = rq->token, .headers = headers};
    bool once = rq->on_line == NULL && strcmp(rq->method, "GET") != 0;
    struct http_client_request call = {.method = rq->method,
                                       .path = rq->path,
                                       .body = rq->body,
                                       .idle_ms = once ? SILENT_MS : IDLE_MS,
                                       .on_line = rq->on_line,
                                       .ctx = rq->ctx};
    struct http_client_answer a = HTTP_CLIENT_ANSWER_INIT;
    call.whole_ms = rq->on_line == NULL ? call.idle_ms : 0;
    struct http_client *c = http_client_new(&o, e);
    bool ok = c != NULL && (http_client_call(c, &call, &a, e) || unanswered(e));
    *status = a.status;
    buf_put(body, a.body.data, a.body.len);
    http_client_answer_fini(&a);
    http_client_free(c);
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
