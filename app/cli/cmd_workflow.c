/* app/cli/cmd_workflow.c — movetables, reshard, materialize, vdiff, workflow: thin clients of the
 * API.
 *
 * The verb's flags go to the daemon as JSON; progress lines come back while it works. With --local
 * the same verb runs in this process over its own daemon object (which takes the state directory's
 * lock).
 */
#include "app/cli/client.h"
#include "app/cli/commands.h"
#include "app/cli/progress_line.h"
#include "app/cli/remote.h"
#include "app/cli/render.h"
#include "app/server/api.h"
#include "base/clock.h"
#include "base/mem.h"
#include "vrepl/workflow/verb_flags.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct verb_call {
    const struct opt_values *v;
    const char *type, *keyspace, *workflow, *verb;
    char *flags;
    struct progress *progress;
    struct buf result;
};

/* vtctldclient has the vdiff's id behind show, stop, resume, delete; it travels among the flags. */
static char *flags_of(const struct opt_values *v)
{
    struct buf json = BUF_INIT;
    opt_flags_json(v, opt_verb(v), &json);
    if (opt_n_args(v) == 0)
        return buf_take(&json);
    json_t *doc = json_loads(buf_str(&json), 0, NULL);
    json_object_set_new(doc, "uuid", json_string(opt_arg(v, 0)));
    char *text = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    buf_fini(&json);
    return text;
}

static bool needs_workflow(const struct verb_call *c)
{
    return strcmp(c->verb, "list") != 0 &&
           !(strcmp(c->type, "workflow") == 0 && strcmp(c->verb, "show") == 0);
}

static bool check_names(struct verb_call *c, struct err *e)
{
    bool generic = strcmp(c->type, "workflow") == 0;
    c->keyspace = opt_str(c->v, generic ? "keyspace" : "target-keyspace");
    c->workflow = opt_str(c->v, "workflow");
    if (c->verb[0] == '\0') {
        err_set(e, ERR_USAGE, "%s needs a verb", c->type);
        return err_cure(e, "its verbs are: %s", opt_command(c->v)->verbs);
    }
    if (c->keyspace == NULL)
        return err_set(e, ERR_USAGE, "--%s is missing", generic ? "keyspace" : "target-keyspace");
    if (c->workflow == NULL && needs_workflow(c))
        return err_set(e, ERR_USAGE, "--workflow is missing");
    c->workflow = c->workflow != NULL ? c->workflow : "";
    return true;
}

static void on_progress(void *ctx, const char *json)
{
    progress_show(ctx, json);
}

static bool run_local(struct verb_call *c, const char *verb, const char *flags, struct buf *result,
                      struct err *e)
{
    struct config *config = config_load(opt_str(c->v, "config"), e);
    struct daemon *d = config != NULL ? daemon_open(config, false, e) : NULL;
    struct vrepl_command cmd = {.type = c->type,
                                .keyspace = c->keyspace,
                                .workflow = c->workflow,
                                .verb = verb,
                                .flags = flags,
                                .progress = on_progress,
                                .progress_ctx = c->progress};
    bool ok = d != NULL && vrepl_engine_command(daemon_engine(d), &cmd, result, e);
    daemon_close(d);
    config_free(config);
    return ok;
}

struct line_reader {
    struct progress *progress;
    char *last;
};

/* The text behind `{"NAME":` without the closing brace, malloc'ed; NULL if the line is no JSON
 * object with this first member. The text is kept, not printed anew: numbers stay as they are. */
static char *member_text(const char *line, const char *name)
{
    char *head = mem_printf("{\"%s\":", name), *text = NULL;
    size_t n = strlen(head), len = strlen(line);
    json_t *doc = json_loads(line, 0, NULL);
    if (json_object_get(doc, name) != NULL && len > n && strncmp(line, head, n) == 0 &&
        line[len - 1] == '}')
        text = mem_strndup(line + n, len - n - 1);
    json_decref(doc);
    free(head);
    return text;
}

static void on_line(void *ctx, const char *line)
{
    struct line_reader *r = ctx;
    char *progress = member_text(line, "progress");
    if (progress != NULL) {
        progress_show(r->progress, progress);
        free(progress);
        return;
    }
    free(r->last);
    r->last = mem_strdup(line);
}

static bool read_last_line(const char *line, int status, const struct buf *body, struct buf *result,
                           struct err *e)
{
    char *text = line != NULL && status == 200 ? member_text(line, "result") : NULL;
    if (text == NULL)
        return client_error(line != NULL ? line : buf_str(body), e);
    buf_put_str(result, text);
    free(text);
    return true;
}

static bool run_remote(struct verb_call *c, const char *verb, const char *flags, struct buf *result,
                       struct err *e)
{
    struct line_reader r = {.progress = c->progress};
    struct buf path = BUF_INIT, body = BUF_INIT;
    int status = 0;
    buf_printf(&path, "/v1/workflows/%s/%s/%s?type=%s&progress=1", c->keyspace,
               c->workflow[0] != '\0' ? c->workflow : "*", verb, c->type);
    bool ok = remote_call(c->v, "POST", buf_str(&path), flags, on_line, &r, &status, &body, e) &&
              read_last_line(r.last, status, &body, result, e);
    free(r.last);
    buf_fini(&path);
    buf_fini(&body);
    return ok;
}

static bool run_verb(struct verb_call *c, const char *verb, const char *flags, struct buf *result,
                     struct err *e)
{
    return opt_flag(c->v, "local") ? run_local(c, verb, flags, result, e)
                                   : run_remote(c, verb, flags, result, e);
}

/* vdiff create --wait: the report decides the exit code. */
static int exit_of(const struct verb_call *c)
{
    int code = ERR_EXIT_OK;
    if (strcmp(c->type, "vdiff") != 0)
        return code;
    json_t *doc = json_loads(buf_str(&c->result), 0, NULL);
    if (json_is_true(json_object_get(doc, "HasMismatch")) ||
        json_is_true(json_object_get(doc, "has_mismatch")))
        code = ERR_EXIT_DIFFERENCES;
    json_decref(doc);
    return code;
}

static bool copy_done(const char *json)
{
    json_t *doc = json_loads(json, 0, NULL), *table;
    const char *name;
    bool done = true;
    json_object_foreach(json_object_get(doc, "table_copy_state"), name, table)
    {
        const char *phase = json_string_value(json_object_get(table, "phase"));
        done &= phase != NULL && strcasecmp(phase, "complete") == 0;
    }
    const char *shard;
    json_t *streams, *one;
    size_t i;
    json_object_foreach(json_object_get(doc, "shard_streams"), shard, streams)
    {
        json_array_foreach(json_object_get(streams, "streams"), i, one)
        {
            const char *status = json_string_value(json_object_get(one, "status"));
            done &= status != NULL && strcasecmp(status, "Running") == 0;
        }
    }
    json_decref(doc);
    return done;
}

/* create --wait=30m: until every stream has left the copy phase. */
static bool wait_for_copy(struct verb_call *c, struct err *e)
{
    int64_t limit_ms = opt_ms(c->v, "wait"), end = clock_mono_ms() + limit_ms;
    struct buf status = BUF_INIT;
    bool ok = true, done = false;
    while (ok && !done && clock_mono_ms() < end) {
        buf_reset(&status);
        ok = run_verb(c, "status", "{}", &status, e);
        done = ok && copy_done(buf_str(&status));
        progress_show(c->progress, buf_str(&status));
        if (!done)
            clock_sleep_ms(200, NULL);
    }
    if (ok && done) {
        buf_reset(&c->result);
        buf_put(&c->result, status.data, status.len);
    }
    buf_fini(&status);
    return ok &&
           (done || err_set(e, ERR_TIMEOUT, "the copy is not complete after %lld s; it goes on",
                            (long long)(limit_ms / 1000)));
}

static void print_result(const struct verb_call *c)
{
    struct buf out = BUF_INIT;
    if (cmd_json(c->v))
        render_json(buf_str(&c->result), &out);
    else if (strcmp(c->type, "vdiff") != 0 || !render_vdiff(buf_str(&c->result), &out))
        render_text(buf_str(&c->result), &out);
    render_print(stdout, &out, cmd_json(c->v));
    buf_fini(&out);
}

/* What a script gives for vtctldclient's sake: nothing follows from it, and it is said. */
static void note_no_effect(const struct verb_call *c)
{
    struct buf notes = BUF_INIT;
    verb_flags_notes(c->type, c->verb, c->flags, &notes);
    fputs(buf_str(&notes), stderr);
    buf_fini(&notes);
}

int cmd_workflow(const struct opt_values *v)
{
    struct err e = ERR_INIT;
    struct verb_call c = {.v = v, .type = opt_command(v)->name, .verb = opt_verb(v)};
    int code = ERR_EXIT_OK;
    if (!check_names(&c, &e))
        return cmd_fail(v, &e);
    c.flags = flags_of(v);
    if (strcmp(c.verb, "progress") == 0) /* vtctldclient's other word for it */
        c.verb = "status";
    note_no_effect(&c);
    c.progress = progress_new(opt_str(v, "progress"));
    /* The daemon refuses the same; here it needs none. */
    bool ok = verb_flags_check(c.type, c.verb, c.flags, &e) &&
              run_verb(&c, c.verb, c.flags, &c.result, &e);
    if (ok && strcmp(c.verb, "create") == 0 && strcmp(c.type, "vdiff") != 0 &&
        opt_given(v, "wait") && !opt_flag(v, "dry-run"))
        ok = wait_for_copy(&c, &e);
    progress_free(c.progress);
    if (ok) {
        print_result(&c);
        code = exit_of(&c);
    } else {
        code = cmd_fail(v, &e);
    }
    free(c.flags);
    buf_fini(&c.result);
    return code;
}
