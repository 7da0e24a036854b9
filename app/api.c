/* app/api.c — turns requests into engine verbs and documents.
 *
 * A verb's POST answers when the verb is done; with `?progress=1` it answers lines: {"progress":…}
 * as they come and a last {"result":…} or {"error":…}; with `Prefer: respond-async` it answers 202
 * and an id for /v1/operations/ID. A POST whose Idempotency-Key was seen answers what the first one
 * answered.
 */
#include "app/api.h"

#include "app/render.h"
#include "app/vstream.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPERATIONS_KEPT 256

struct operation {
    unsigned id; /* 0: slot unused */
    char *key;   /* Idempotency-Key or NULL */
    bool done;
    int status;
    char *answer;   /* document once done */
    char *progress; /* newest line */
};
struct api {
    struct daemon *daemon;
    struct monitor *monitor;
    pthread_mutex_t lock;
    struct operation operations[OPERATIONS_KEPT]; /* ring: the oldest finished is reused */
    unsigned next_id;
};

struct api *api_new(struct daemon *d, struct monitor *m)
{
    struct api *a = mem_alloc(sizeof *a);
    a->daemon = d;
    a->monitor = m;
    pthread_mutex_init(&a->lock, NULL);
    return a;
}

static void operation_clear(struct operation *o)
{
    free(o->key);
    free(o->answer);
    free(o->progress);
    *o = (struct operation){0};
}

void api_free(struct api *a)
{
    if (a == NULL)
        return;
    for (size_t i = 0; i < OPERATIONS_KEPT; i++)
        operation_clear(&a->operations[i]);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

int api_error_status(const struct err *e)
{
    if (e->code == ERR_WF_NOT_FOUND)
        return 404;
    if (e->code == ERR_WF_EXISTS || e->code == ERR_WF_STATE || e->code == ERR_WF_LEASE)
        return 409;
    switch (err_code_exit(e->code)) {
    case ERR_EXIT_USAGE:
        return 400;
    case ERR_EXIT_PRECONDITION:
        return 412;
    case ERR_EXIT_OK:
    case ERR_EXIT_FAILED:
    case ERR_EXIT_SOURCE:
    case ERR_EXIT_TARGET:
    case ERR_EXIT_DIFFERENCES:
    case ERR_EXIT_TIMEOUT:
    case ERR_EXIT_INTERRUPTED:
        break;
    }
    return 500;
}

static void reply_buf(struct http_call *call, int status, struct buf *body)
{
    buf_put_u8(body, '\n');
    http_reply(call, status, "application/json", body->data, body->len);
}

static void reply_error(struct http_call *call, const struct err *e)
{
    struct buf body = BUF_INIT;
    render_error(e, &body);
    reply_buf(call, api_error_status(e), &body);
    buf_fini(&body);
}

static void reply_not_found(struct http_call *call)
{
    struct err e = ERR_INIT;
    err_set(&e, ERR_API, "there is nothing at %s %s", http_method(call), http_path(call));
    struct buf body = BUF_INIT;
    render_error(&e, &body);
    reply_buf(call, 404, &body);
    buf_fini(&body);
}

/* ---- operations ---- */

static struct operation *free_slot(struct api *a)
{
    struct operation *oldest = NULL;
    for (size_t i = 0; i < OPERATIONS_KEPT; i++) {
        struct operation *o = &a->operations[i];
        if (o->id == 0)
            return o;
        if (o->done && (oldest == NULL || o->id < oldest->id))
            oldest = o;
    }
    return oldest; /* never NULL: fewer calls run at once than slots exist */
}

static struct operation *find_key(struct api *a, const char *key)
{
    for (size_t i = 0; key != NULL && i < OPERATIONS_KEPT; i++)
        if (a->operations[i].key != NULL && strcmp(a->operations[i].key, key) == 0)
            return &a->operations[i];
    return NULL;
}

/* Registers an operation. False: the key was seen and the call has been answered. */
static bool operation_begin(struct api *a, struct http_call *call, unsigned *id)
{
    const char *key = http_header(call, "Idempotency-Key");
    struct buf body = BUF_INIT;
    int status = 0;
    pthread_mutex_lock(&a->lock);
    struct operation *seen = find_key(a, key);
    if (seen != NULL && seen->done) {
        status = seen->status;
        buf_put_str(&body, seen->answer);
    } else if (seen != NULL) {
        struct err e = ERR_INIT;
        err_set(&e, ERR_WF_STATE, "the operation with this Idempotency-Key still runs");
        status = 409;
        render_error(&e, &body);
    } else {
        struct operation *o = free_slot(a);
        operation_clear(o);
        o->id = *id = ++a->next_id;
        o->key = mem_strdup(key);
    }
    pthread_mutex_unlock(&a->lock);
    if (status != 0)
        reply_buf(call, status, &body);
    buf_fini(&body);
    return status == 0;
}

static struct operation *find_operation(struct api *a, unsigned id)
{
    for (size_t i = 0; i < OPERATIONS_KEPT; i++)
        if (a->operations[i].id == id && id != 0)
            return &a->operations[i];
    return NULL;
}

static void operation_end(struct api *a, unsigned id, int status, const char *answer)
{
    pthread_mutex_lock(&a->lock);
    struct operation *o = find_operation(a, id);
    if (o != NULL) {
        o->done = true;
        o->status = status;
        o->answer = mem_strdup(answer);
    }
    pthread_mutex_unlock(&a->lock);
}

static void get_operation(struct api *a, struct http_call *call, unsigned id)
{
    struct buf body = BUF_INIT;
    pthread_mutex_lock(&a->lock);
    const struct operation *o = find_operation(a, id);
    if (o != NULL)
        buf_printf(
            &body, "{\"id\":\"%u\",\"state\":\"%s\",\"status\":%d,\"progress\":%s,\"answer\":%s}",
            id, o->done ? "done" : "running", o->status, o->progress != NULL ? o->progress : "null",
            o->answer != NULL ? o->answer : "null");
    pthread_mutex_unlock(&a->lock);
    if (body.len > 0)
        reply_buf(call, 200, &body);
    else
        reply_not_found(call);
    buf_fini(&body);
}

/* ---- verbs ---- */

struct verb_run {
    struct api *api;
    struct http_call *call; /* NULL once a 202 was sent */
    unsigned id;
    bool lines;
};

static void on_progress(void *ctx, const char *json)
{
    struct verb_run *run = ctx;
    pthread_mutex_lock(&run->api->lock);
    struct operation *o = find_operation(run->api, run->id);
    if (o != NULL) {
        free(o->progress);
        o->progress = mem_strdup(json);
    }
    pthread_mutex_unlock(&run->api->lock);
    if (!run->lines || run->call == NULL)
        return;
    struct buf line = BUF_INIT;
    buf_printf(&line, "{\"progress\":%s}\n", json);
    http_line(run->call, "application/x-ndjson", line.data, line.len);
    buf_fini(&line);
}

static void answer_lines(struct http_call *call, bool ok, const char *document)
{
    struct buf line = BUF_INIT;
    if (ok)
        buf_printf(&line, "{\"result\":%s}\n", document);
    else
        buf_printf(&line, "%s\n", document);
    http_line(call, "application/x-ndjson", line.data, line.len);
    http_end(call);
    buf_fini(&line);
}

/* Runs the verb and answers, unless a 202 was sent before. */
static void run_verb(struct verb_run *run, const struct vrepl_command *cmd)
{
    struct buf result = BUF_INIT, document = BUF_INIT;
    struct err e = ERR_INIT;
    bool ok = vrepl_engine_command(daemon_engine(run->api->daemon), cmd, &result, &e);
    int status = ok ? 200 : api_error_status(&e);
    if (ok)
        buf_put(&document, result.data, result.len);
    else
        render_error(&e, &document);
    if (document.len == 0)
        buf_put_str(&document, "{}");
    operation_end(run->api, run->id, status, buf_str(&document));
    if (run->call != NULL && run->lines)
        answer_lines(run->call, ok, buf_str(&document));
    else if (run->call != NULL)
        reply_buf(run->call, status, &document);
    buf_fini(&result);
    buf_fini(&document);
}

static void post_verb(struct api *a, struct http_call *call, struct vrepl_command *cmd)
{
    struct verb_run run = {.api = a, .call = call};
    const char *progress = http_query(call, "progress"), *prefer = http_header(call, "Prefer");
    if (!operation_begin(a, call, &run.id))
        return;
    bool later = prefer != NULL && strcmp(prefer, "respond-async") == 0;
    run.lines = !later && progress != NULL && strcmp(progress, "1") == 0;
    if (run.lines)
        http_keep_alive(call, "application/x-ndjson");
    cmd->progress = on_progress;
    cmd->progress_ctx = &run;
    cmd->cancelled = http_cancelled(call);
    if (later) {
        struct buf body = BUF_INIT;
        buf_printf(&body, "{\"id\":\"%u\"}", run.id);
        reply_buf(call, 202, &body);
        buf_fini(&body);
        run.call = NULL;
        cmd->cancelled = NULL;
    }
    run_verb(&run, cmd);
}

static void get_verb(struct api *a, struct http_call *call, struct vrepl_command *cmd)
{
    struct buf result = BUF_INIT;
    struct err e = ERR_INIT;
    if (vrepl_engine_command(daemon_engine(a->daemon), cmd, &result, &e))
        reply_buf(call, 200, &result);
    else
        reply_error(call, &e);
    buf_fini(&result);
}

/* ---- routes ---- */

/* Splits "/v1/workflows/ks/w/verb" after the prefix into at most 3 parts (in place). */
static size_t split_path(char *rest, char **parts, size_t max)
{
    size_t n = 0;
    char *save = NULL;
    for (char *p = strtok_r(rest, "/", &save); p != NULL && n < max; p = strtok_r(NULL, "/", &save))
        parts[n++] = p;
    return n;
}

static void route_workflows(struct api *a, struct http_call *call, char *rest,
                            const char *fixed_type)
{
    char *parts[3] = {NULL, NULL, NULL};
    size_t n = split_path(rest, parts, 3);
    const char *type = http_query(call, "type"), *flags = http_body(call);
    bool post = strcmp(http_method(call), "POST") == 0;
    struct vrepl_command cmd = {.type = fixed_type != NULL ? fixed_type
                                        : type != NULL     ? type
                                                           : "workflow",
                                .keyspace = n > 0 ? parts[0] : "",
                                .workflow = n > 1 && strcmp(parts[1], "*") != 0 ? parts[1] : "",
                                .flags = flags != NULL && flags[0] != '\0' ? flags : "{}"};
    struct buf uuid = BUF_INIT;
    if (n == 0 && !post && fixed_type == NULL) {
        struct buf body = BUF_INIT;
        vrepl_engine_status(daemon_engine(a->daemon), &body);
        reply_buf(call, 200, &body);
        buf_fini(&body);
    } else if (post && n == 3) {
        cmd.verb = parts[2];
        post_verb(a, call, &cmd);
    } else if (!post && n == 3 && fixed_type != NULL) {
        cmd.verb = "show";
        buf_printf(&uuid, "{\"uuid\":\"%s\"}", parts[2]);
        cmd.flags = buf_str(&uuid);
        get_verb(a, call, &cmd);
    } else if (!post && n == 2) {
        cmd.verb = "show";
        get_verb(a, call, &cmd);
    } else {
        reply_not_found(call);
    }
    buf_fini(&uuid);
}

static void route_sinks(struct api *a, struct http_call *call, char *rest)
{
    char *parts[2] = {NULL, NULL};
    size_t n = split_path(rest, parts, 2);
    bool post = strcmp(http_method(call), "POST") == 0;
    const char *verb = n == 2 && post ? parts[1] : n == 1 ? "show" : "list";
    struct buf result = BUF_INIT;
    struct err e = ERR_INIT;
    if ((post && n != 2) || (!post && n > 1))
        reply_not_found(call);
    else if (daemon_sink(a->daemon, verb, n > 0 ? parts[0] : "", http_body(call), &result, &e))
        reply_buf(call, 200, &result);
    else
        reply_error(call, &e);
    buf_fini(&result);
}

static void recover(struct api *a, struct http_call *call)
{
    struct buf result = BUF_INIT;
    struct err e = ERR_INIT;
    if (daemon_sink(a->daemon, "recover", "", http_body(call), &result, &e))
        reply_buf(call, 200, &result);
    else
        reply_error(call, &e);
    buf_fini(&result);
}

int api_probe(void *arg, const char *path, const char **type, struct buf *body)
{
    struct api *a = arg;
    if (strcmp(path, "/healthz") == 0)
        return monitor_health(a->monitor, body);
    if (strcmp(path, "/readyz") == 0)
        return monitor_ready(a->monitor, body);
    *type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_render(body);
    return 200;
}

typedef void (*document_fn)(struct daemon *d, struct buf *out);

static void routing_document(struct daemon *d, struct buf *out)
{
    vrepl_engine_routing(daemon_engine(d), out);
}

static void fault_document(struct daemon *d, struct buf *out)
{
    struct buf list = BUF_INIT;
    (void)d;
    fault_list(&list);
    buf_put_str(out, "{\"points\":\"");
    buf_put_json_escaped(out, buf_str(&list), list.len);
    buf_put_str(out, "\"}");
    buf_fini(&list);
}

static const struct {
    const char *path;
    document_fn make;
} documents[] = {
    {"/v1/status", daemon_status},
    {"/v1/streams", daemon_streams},
    {"/v1/routing", routing_document},
    {"/v1/faultpoints", fault_document},
};

static bool route_document(struct api *a, struct http_call *call, const char *path)
{
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++)
        if (strcmp(path, documents[i].path) == 0) {
            struct buf body = BUF_INIT;
            documents[i].make(a->daemon, &body);
            reply_buf(call, 200, &body);
            buf_fini(&body);
            return true;
        }
    return false;
}

static void route(struct api *a, struct http_call *call, char *path)
{
    if (strcmp(http_method(call), "GET") == 0 && route_document(a, call, path))
        return;
    else if (strncmp(path, "/v1/workflows", 13) == 0 && (path[13] == '\0' || path[13] == '/'))
        route_workflows(a, call, path + 13, NULL);
    else if (strncmp(path, "/v1/vdiff/", 10) == 0)
        route_workflows(a, call, path + 10, "vdiff");
    else if (strncmp(path, "/v1/sinks", 9) == 0 && (path[9] == '\0' || path[9] == '/'))
        route_sinks(a, call, path + 9);
    else if (strcmp(path, "/v1/recover") == 0 && strcmp(http_method(call), "POST") == 0)
        recover(a, call);
    else if (strncmp(path, "/v1/operations/", 15) == 0)
        get_operation(a, call, (unsigned)strtoul(path + 15, NULL, 10));
    else if (strcmp(path, "/v1/vstream") == 0)
        vstream_serve(a->daemon, call);
    else
        reply_not_found(call);
}

void api_handle(void *arg, struct http_call *call)
{
    char *path = mem_strdup(http_path(call));
    log_debug("api", "%s %s", http_method(call), path);
    route(arg, call, path);
    free(path);
}
