/* app/server/api.c — turns requests into engine verbs and documents.
 *
 * A verb's POST answers when the verb is done; with `?progress=1` it answers lines: {"progress":…}
 * as they come and a last {"result":…} or {"error":…}; with `Prefer: respond-async` it answers 202
 * and an id for /v1/operations/ID. A POST or DELETE whose Idempotency-Key was seen answers what the
 * first one answered (app/server/operations.h). DELETE of a sink, a comparison or a workflow is its
 * verb delete.
 */
#include "app/server/api.h"

#include "app/server/error_document.h"
#include "app/server/operations.h"
#include "app/server/parameters.h"
#include "app/server/sink_flags.h"
#include "app/server/vstream_call.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/sys.h"
#include "vrepl/workflow/verb_flags.h"
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct api {
    struct daemon *daemon;
    struct monitor *monitor;
    struct operations *operations;
};

struct api *api_new(struct daemon *d, struct monitor *m)
{
    struct api *a = mem_alloc(sizeof *a);
    a->daemon = d;
    a->monitor = m;
    a->operations = operations_new();
    return a;
}

void api_free(struct api *a)
{
    if (a == NULL)
        return;
    operations_free(a->operations);
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
    error_document_put(e, &body);
    reply_buf(call, api_error_status(e), &body);
    buf_fini(&body);
}

static void reply_not_found(struct http_call *call)
{
    struct err e = ERR_INIT;
    err_set(&e, ERR_API, "there is nothing at %s %s", http_method(call), http_path(call));
    struct buf body = BUF_INIT;
    error_document_put(&e, &body);
    reply_buf(call, 404, &body);
    buf_fini(&body);
}

static void reply_wrong_method(struct http_call *call, const char *methods)
{
    struct err e = ERR_INIT;
    struct buf body = BUF_INIT;
    err_set(&e, ERR_API, "%s takes no %s", http_path(call), http_method(call));
    err_cure(&e, "it takes %s", methods);
    error_document_put(&e, &body);
    reply_buf(call, 405, &body);
    buf_fini(&body);
}

static bool is_method(const struct http_call *call, const char *method)
{
    return strcmp(http_method(call), method) == 0;
}

/* Fills out by the table of the route's path, whose struct it is. A parameter that nobody reads would be passed over.
 * False: the call has been answered. */
static bool read_parameters(struct http_call *call, const struct flag_def *table, const char *path,
                            void *out)
{
    CLEANUP(mem_free_ptr) struct flag_text *given = NULL;
    struct err e = ERR_INIT;
    size_t n = http_parameters(call, &given);
    bool ok = flags_fill_texts(table, path, given, n, out, &e);
    if (!ok)
        reply_error(call, &e);
    return ok;
}

static bool takes_none(struct http_call *call)
{
    return read_parameters(call, no_parameters, http_path(call), NULL);
}

/* ---- operations ---- */

/* Registers an operation. False: the call has been answered. */
static bool operation_begin(struct api *a, struct http_call *call, unsigned *id)
{
    CLEANUP(buf_fini) struct buf request = BUF_INIT;
    CLEANUP(buf_fini) struct buf body = BUF_INIT;
    buf_printf(&request, "%s %s\n%s", http_method(call), http_target(call), http_body(call));
    int status = operations_begin(a->operations, http_header(call, "Idempotency-Key"),
                                  buf_str(&request), id, &body);
    if (status != 0)
        reply_buf(call, status, &body);
    return status == 0;
}

static void get_operation(struct api *a, struct http_call *call, char *rest)
{
    const char *number = rest[0] == '/' ? rest + 1 : rest;
    uint64_t id = 0;
    struct buf body = BUF_INIT;
    if (!is_method(call, "GET"))
        reply_wrong_method(call, "GET");
    else if (!takes_none(call))
        return;
    else if (sys_parse_u64(number, &id) && id <= UINT_MAX &&
             operations_show(a->operations, (unsigned)id, &body))
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
    operations_progress(run->api->operations, run->id, json);
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
        error_document_put(&e, &document);
    if (document.len == 0)
        buf_put_str(&document, "{}");
    operations_end(run->api->operations, run->id, status, buf_str(&document));
    if (run->call != NULL && run->lines)
        answer_lines(run->call, ok, buf_str(&document));
    else if (run->call != NULL)
        reply_buf(run->call, status, &document);
    buf_fini(&result);
    buf_fini(&document);
}

static void post_verb(struct api *a, struct http_call *call, struct vrepl_command *cmd, bool lines)
{
    struct verb_run run = {.api = a, .call = call};
    const char *prefer = http_header(call, "Prefer");
    if (!operation_begin(a, call, &run.id))
        return;
    bool later = prefer != NULL && strcmp(prefer, "respond-async") == 0;
    run.lines = lines && !later;
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

/* Splits "/v1/workflows/ks/w/verb" after the prefix (in place); the number of parts, also of those
 * above max. */
static size_t split_path(char *rest, char **parts, size_t max)
{
    size_t n = 0;
    char *save = NULL;
    for (char *p = strtok_r(rest, "/", &save); p != NULL; p = strtok_r(NULL, "/", &save), n++) {
        if (n < max)
            parts[n] = p;
    }
    return n;
}

static void reply_workflows(struct api *a, struct http_call *call)
{
    struct buf body = BUF_INIT;
    vrepl_engine_status(daemon_engine(a->daemon), &body);
    reply_buf(call, 200, &body);
    buf_fini(&body);
}

/* The body's flags, if it has any, and the comparison's id. malloc'ed. */
static char *with_uuid(const char *body, const char *uuid)
{
    json_t *flags =
        body[0] != '\0' ? json_loads(body, JSON_REJECT_DUPLICATES, NULL) : json_object();
    if (!json_is_object(flags)) { /* the verb's check says what is wrong with it */
        json_decref(flags);
        return mem_strdup(body);
    }
    json_object_set_new(flags, "uuid", json_string(uuid));
    char *text = json_dumps(flags, JSON_COMPACT);
    json_decref(flags);
    return text;
}

/* parts[n]: KEYSPACE, WORKFLOW, and the verb, or the id of the comparison that is shown or deleted. */
static void run_on(struct api *a, struct http_call *call, char *const *parts, size_t n,
                   const char *type, bool lines)
{
    const char *body = http_body(call);
    bool get = is_method(call, "GET");
    CLEANUP(mem_free_ptr)
    char *flags = n == 3 && !is_method(call, "POST") ? with_uuid(body, parts[2]) : mem_strdup(body);
    struct vrepl_command cmd = {.type = type,
                                .keyspace = parts[0],
                                .workflow = strcmp(parts[1], "*") != 0 ? parts[1] : "",
                                .verb = get                         ? "show"
                                        : is_method(call, "DELETE") ? "delete"
                                                                    : parts[2],
                                .flags = flags};
    if (get)
        get_verb(a, call, &cmd);
    else
        post_verb(a, call, &cmd, lines);
}

static void route_verb(struct api *a, struct http_call *call, char *rest, bool vdiff,
                       const struct verb_parameters *p)
{
    const char *type = vdiff ? "vdiff" : p->type;
    char *parts[3] = {NULL, NULL, NULL};
    size_t n = split_path(rest, parts, 3);
    bool post = is_method(call, "POST");
    if (n == 0 && !vdiff && is_method(call, "GET"))
        reply_workflows(a, call);
    else if (n == 3 && (post || vdiff))
        run_on(a, call, parts, n, type, p->progress);
    else if (n == 2 && !post && !(vdiff && is_method(call, "DELETE")))
        run_on(a, call, parts, n, type, p->progress);
    else if (n >= 2 && n <= 3)
        reply_wrong_method(call, n == 3 ? "POST" : "GET and DELETE; verbs are posted to its /VERB");
    else
        reply_not_found(call);
}

static void route_workflows(struct api *a, struct http_call *call, char *rest, bool vdiff)
{
    struct verb_parameters p = {0};
    if (read_parameters(call, verb_parameters, vdiff ? "/v1/vdiff" : "/v1/workflows", &p))
        route_verb(a, call, rest, vdiff, &p);
    flags_clear(verb_parameters, &p);
}

static void change_sink(struct api *a, struct http_call *call, const char *verb, const char *name)
{
    struct buf result = BUF_INIT;
    struct err e = ERR_INIT;
    unsigned id = 0;
    if (!operation_begin(a, call, &id))
        return;
    bool ok = daemon_sink(a->daemon, verb, name, http_body(call), &result, &e);
    int status = ok ? 200 : api_error_status(&e);
    if (!ok) {
        buf_reset(&result);
        error_document_put(&e, &result);
    }
    operations_end(a->operations, id, status, buf_str(&result));
    reply_buf(call, status, &result);
    buf_fini(&result);
}

static void show_sinks(struct api *a, struct http_call *call, const char *name)
{
    struct buf result = BUF_INIT;
    struct err e = ERR_INIT;
    if (daemon_sink(a->daemon, name != NULL ? "show" : "list", name, NULL, &result, &e))
        reply_buf(call, 200, &result);
    else
        reply_error(call, &e);
    buf_fini(&result);
}

static void route_sinks(struct api *a, struct http_call *call, char *rest)
{
    char *parts[2] = {NULL, NULL};
    size_t n = split_path(rest, parts, 2);
    if (!takes_none(call))
        return;
    if (n <= 1 && is_method(call, "GET"))
        show_sinks(a, call, parts[0]);
    else if (n == 2 && is_method(call, "POST"))
        change_sink(a, call, parts[1], parts[0]);
    else if (n == 1 && is_method(call, "DELETE"))
        change_sink(a, call, "delete", parts[0]);
    else if (n <= 2)
        reply_wrong_method(call, n == 2   ? "POST"
                                 : n == 1 ? "GET and DELETE; verbs are posted to its /VERB"
                                          : "GET");
    else
        reply_not_found(call);
}

static void recover(struct api *a, struct http_call *call)
{
    if (!is_method(call, "POST"))
        reply_wrong_method(call, "POST");
    else if (takes_none(call))
        change_sink(a, call, "recover", "");
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

static void route_document(struct api *a, struct http_call *call, const char *path)
{
    struct buf body = BUF_INIT;
    size_t i = 0;
    while (strcmp(path, documents[i].path) != 0)
        i++;
    if (!is_method(call, "GET")) {
        reply_wrong_method(call, "GET");
    } else if (takes_none(call)) {
        documents[i].make(a->daemon, &body);
        reply_buf(call, 200, &body);
    }
    buf_fini(&body);
}

static void route_status(struct api *a, struct http_call *call, char *rest)
{
    (void)rest;
    route_document(a, call, http_path(call));
}

static void route_all_workflows(struct api *a, struct http_call *call, char *rest)
{
    route_workflows(a, call, rest, false);
}

static void route_vdiff(struct api *a, struct http_call *call, char *rest)
{
    route_workflows(a, call, rest, true);
}

static void route_recover(struct api *a, struct http_call *call, char *rest)
{
    (void)rest;
    recover(a, call);
}

static void route_vstream(struct api *a, struct http_call *call, char *rest)
{
    (void)rest;
    vstream_serve(a->daemon, call);
}

#define AND_BELOW true

/* What there is, in the order of the reference; the first that fits answers. */
static const struct route {
    const char *path;
    bool below; /* also what follows it after a slash */
    void (*serve)(struct api *a, struct http_call *call, char *rest);
    const char *requests; /* methods and shapes, as documented */
    const char *doc;
    const struct flag_def *parameters; /* NULL: none */
} routes[] = {
    {"/v1/status", false, route_status, "GET", "what the daemon does", NULL},
    {"/v1/streams", false, route_status, "GET", "the readers of every source shard", NULL},
    {"/v1/routing", false, route_status, "GET", "the routing document", NULL},
    {"/v1/faultpoints", false, route_status, "GET", "fault points of a build for tests", NULL},
    {"/v1/workflows", AND_BELOW, route_all_workflows,
     "GET; GET and DELETE /KEYSPACE/WORKFLOW; POST /KEYSPACE/WORKFLOW/VERB",
     "all workflows; one (show, delete); a verb, its flags the JSON body", verb_parameters},
    {"/v1/vdiff", AND_BELOW, route_vdiff,
     "GET /KEYSPACE/WORKFLOW; GET and DELETE /KEYSPACE/WORKFLOW/UUID; POST /KEYSPACE/WORKFLOW/VERB",
     "comparisons, in the same way", verb_parameters},
    {"/v1/sinks", AND_BELOW, route_sinks, "GET; GET and DELETE /NAME; POST /NAME/VERB",
     "all sinks; one; a verb, its flags the JSON body", NULL},
    {"/v1/recover", false, route_recover, "POST", "finds sinks whose state directory was lost",
     NULL},
    {"/v1/operations", AND_BELOW, get_operation, "GET /ID",
     "what became of a request that was answered with 202", NULL},
    {"/v1/vstream", false, route_vstream, "GET", "the change stream of a keyspace",
     vstream_parameters},
};

static bool route_fits(const struct route *r, const char *path)
{
    size_t n = strlen(r->path);
    return strncmp(path, r->path, n) == 0 && (path[n] == '\0' || (r->below && path[n] == '/'));
}

static void route(struct api *a, struct http_call *call, char *path)
{
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (!route_fits(&routes[i], path))
            continue;
        routes[i].serve(a, call, path + strlen(routes[i].path));
        return;
    }
    reply_not_found(call);
}

static void reference_parameters(struct buf *out)
{
    buf_put_str(out, "\n## Parameters of a request\n");
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (routes[i].parameters == NULL)
            continue;
        buf_printf(out, "\n### %s\n\n| parameter | type | default | meaning |\n", routes[i].path);
        buf_put_str(out, "| --- | --- | --- | --- |\n");
        flags_reference_texts(routes[i].parameters, routes[i].path, out);
    }
}

void api_reference(struct buf *out)
{
    buf_put_str(out,
                "# HTTP API\n\nGenerated from the tables of routes and flags (`sluice config "
                "reference api`); do not edit.\n\n"
                "Answers are JSON; an error is `{\"error\":{\"code\",\"message\",\"cure\","
                "\"where\"}}` with 400 (usage), 404, 405, 409 (another state), 412 (refused "
                "by a precondition) or 500.\nA POST with `Prefer: respond-async` is answered "
                "with 202 and an id for `/v1/operations/ID`; one with an `Idempotency-Key` that "
                "was seen answers what the first one answered.\nAn unknown parameter or member "
                "is an error that names the nearest one.\n\n"
                "| path | requests | meaning |\n| --- | --- | --- |\n");
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        buf_printf(out, "| `%s` | %s | %s |\n", routes[i].path, routes[i].requests, routes[i].doc);
    reference_parameters(out);
    buf_put_str(out, "\n## Members of a verb's body\n");
    verb_flags_reference(out);
    sink_flags_reference(out);
}

void api_handle(void *arg, struct http_call *call)
{
    char *path = mem_strdup(http_path(call));
    log_debug("api", "%s %s", http_method(call), path);
    route(arg, call, path);
    free(path);
}
