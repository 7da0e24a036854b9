/* app/cli/commands_small.c — the commands that need no more than a page: status, sink, vindex,
 * keyrange, config … */
#include "app/cli/commands.h"
#include "app/cli/remote.h"
#include "app/cli/render.h"
#include "app/config/config.h"
#include "app/server/api.h"
#include "app/server/error_document.h"
#include "app/server/sink_flags.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/sys.h"
#include "schemas/sharding/vindex_line.h"
#include "schemas/sharding/vschema.h"
#include "sinks/sink.h"
#include "vrepl/workflow/vschema_apply.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool cmd_json(const struct opt_values *v)
{
    const char *format = v != NULL ? opt_str(v, "format") : NULL;
    return format != NULL && strcasecmp(format, "json") == 0;
}

static void print_buf(struct buf *b)
{
    fwrite(buf_str(b), 1, b->len, stdout);
    buf_fini(b);
}

int cmd_fail(const struct opt_values *v, const struct err *e)
{
    char text[2300];
    if (cmd_json(v)) {
        struct buf out = BUF_INIT;
        error_document_put(e, &out);
        buf_put_u8(&out, '\n');
        fwrite(buf_str(&out), 1, out.len, stderr);
        buf_fini(&out);
    } else {
        err_format(e, text, sizeof text);
        fprintf(stderr, "%s\n", text);
    }
    return (int)err_code_exit(e->code);
}

static int print_document(const struct opt_values *v, const char *json)
{
    struct buf out = BUF_INIT;
    if (cmd_json(v))
        render_json(json, &out);
    else
        render_text(json, &out);
    render_print(stdout, &out, cmd_json(v));
    buf_fini(&out);
    return ERR_EXIT_OK;
}

static int call_and_print(const struct opt_values *v, const char *method, const char *path,
                          const char *body)
{
    struct buf answer = BUF_INIT;
    struct err e = ERR_INIT;
    bool ok = remote_document(v, method, path, body, &answer, &e);
    int code = ok ? print_document(v, buf_str(&answer)) : cmd_fail(v, &e);
    buf_fini(&answer);
    return code;
}

int cmd_status(const struct opt_values *v)
{
    return call_and_print(v, "GET", "/v1/status", NULL);
}

int cmd_sink(const struct opt_values *v)
{
    struct err e = ERR_INIT;
    const char *verb = opt_verb(v), *name = opt_arg(v, 0);
    struct buf path = BUF_INIT, flags = BUF_INIT;
    int code;
    if (verb[0] == '\0' || (name == NULL && strcmp(verb, "list") != 0)) {
        err_set(&e, ERR_USAGE, verb[0] == '\0' ? "sink needs a verb" : "sink %s needs a name",
                verb);
        return cmd_fail(v, &e);
    }
    if (name != NULL && !sink_name_check(name, &e))
        return cmd_fail(v, &e);
    opt_flags_json(v, verb, &flags);
    if (strcmp(verb, "create") == 0 && opt_str(v, "format") != NULL && !cmd_json(v) &&
        strcasecmp(opt_str(v, "format"), "text") != 0) {
        flags.len--; /* the record format is an option of the sink, too */
        buf_printf(&flags, "%s\"format\":\"%s\"}", flags.len > 1 ? "," : "", opt_str(v, "format"));
    }
    buf_printf(&path, "/v1/sinks%s%s%s%s", name != NULL ? "/" : "", name != NULL ? name : "",
               name != NULL && strcmp(verb, "show") != 0 ? "/" : "",
               name != NULL && strcmp(verb, "show") != 0 ? verb : "");
    bool get = strcmp(verb, "list") == 0 || strcmp(verb, "show") == 0;
    struct sink_options told = {0}; /* only whether the verb takes it */
    if (!sink_options_fill(verb, buf_str(&flags), &told, &e))
        code = cmd_fail(v, &e);
    else
        code =
            call_and_print(v, get ? "GET" : "POST", buf_str(&path), get ? NULL : buf_str(&flags));
    sink_options_fini(&told);
    buf_fini(&path);
    buf_fini(&flags);
    return code;
}

int cmd_recover(const struct opt_values *v)
{
    struct err e = ERR_INIT;
    struct buf flags = BUF_INIT;
    if (opt_str(v, "from") == NULL) {
        err_set(&e, ERR_USAGE, "recover needs --from, like --from kafka://HOST:9092");
        return cmd_fail(v, &e);
    }
    opt_flags_json(v, "recover", &flags);
    int code = call_and_print(v, "POST", "/v1/recover", buf_str(&flags));
    buf_fini(&flags);
    return code;
}

/* ---- vindexes and key ranges ---- */

static int vindex_stdin(const struct opt_values *v)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    struct err e = ERR_INIT;
    while ((n = getline(&line, &cap, stdin)) > 0) {
        struct buf out = BUF_INIT;
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0] == '\0' || line[0] == '#')
            continue;
        if (!vindex_line_eval(line, &out, &e)) {
            free(line);
            buf_fini(&out);
            return cmd_fail(v, &e);
        }
        buf_put_u8(&out, '\n');
        print_buf(&out);
    }
    free(line);
    return ERR_EXIT_OK;
}

static void warn_of_params(const char *type, const char *params)
{
    struct err refused = ERR_INIT; /* each line says so */
    struct vindex *v = vindex_new(type, type, params, &refused);
    const char *name;
    for (size_t i = 0; v != NULL && (name = vindex_unknown_param(v, i)) != NULL; i++)
        fprintf(stderr, "warning: vindex type %s takes no parameter '%s': it is ignored\n", type,
                name);
    vindex_free(v);
}

int cmd_vindex(const struct opt_values *v)
{
    struct err e = ERR_INIT;
    if (opt_flag(v, "stdin"))
        return vindex_stdin(v);
    if (opt_n_args(v) < 2) {
        err_set(&e, ERR_USAGE, "vindex needs a type and at least one value, or --stdin");
        return cmd_fail(v, &e);
    }
    warn_of_params(opt_arg(v, 0), opt_str(v, "params"));
    for (size_t i = 1; i < opt_n_args(v); i++) {
        struct buf line = BUF_INIT, out = BUF_INIT;
        const char *params = opt_str(v, "params");
        buf_printf(&line, "%s\t%s\t%s\t\"", opt_arg(v, 0), params != NULL ? params : "{}",
                   opt_str(v, "type"));
        buf_put_json_escaped(&line, opt_arg(v, i), strlen(opt_arg(v, i)));
        buf_put_str(&line, "\"");
        bool ok = vindex_line_eval(buf_str(&line), &out, &e);
        buf_put_u8(&out, '\n');
        print_buf(&out);
        buf_fini(&line);
        if (!ok)
            return cmd_fail(v, &e);
    }
    return ERR_EXIT_OK;
}

int cmd_keyrange(const struct opt_values *v)
{
    uint64_t n = 0;
    struct err e = ERR_INIT;
    struct buf out = BUF_INIT;
    if (opt_n_args(v) != 1 || !sys_parse_u64(opt_arg(v, 0), &n) || n == 0 || n > 65536)
        err_set(&e, ERR_USAGE, "keyrange needs a number of shards from 1 to 65536");
    else if (keyrange_generate((unsigned)n, &out, &e)) {
        print_buf(&out);
        return ERR_EXIT_OK;
    }
    buf_fini(&out);
    return cmd_fail(v, &e);
}

/* ---- configuration, vschema, routing ---- */

static int print_reference(const struct opt_values *v)
{
    const char *what = opt_n_args(v) > 0 ? opt_arg(v, 0) : "configuration";
    struct buf out = BUF_INIT;
    struct err e = ERR_INIT;
    if (strcmp(what, "commands") == 0)
        opt_reference(&out);
    else if (strcmp(what, "configuration") == 0)
        config_reference(&out);
    else if (strcmp(what, "api") == 0)
        api_reference(&out);
    else {
        err_set(&e, ERR_USAGE, "there is no reference '%s'; use configuration, commands or api",
                what);
        return cmd_fail(v, &e);
    }
    print_buf(&out);
    return ERR_EXIT_OK;
}

int cmd_config(const struct opt_values *v)
{
    struct err e = ERR_INIT;
    struct buf out = BUF_INIT;
    if (strcmp(opt_verb(v), "reference") == 0)
        return print_reference(v);
    struct config *c = config_load(opt_str(v, "config"), &e);
    if (c == NULL)
        return cmd_fail(v, &e);
    config_show(c, cmd_json(v), &out);
    print_buf(&out);
    config_free(c);
    return ERR_EXIT_OK;
}

int cmd_graph(const struct opt_values *v)
{
    struct buf out = BUF_INIT;
    (void)v;
    vrepl_graph(&out);
    print_buf(&out);
    return ERR_EXIT_OK;
}

static const struct topo_keyspace *keyspace_of(const struct opt_values *v, const struct config *c,
                                               struct err *e)
{
    const char *name = opt_str(v, "keyspace");
    const struct topo_keyspace *ks = name != NULL ? topology_keyspace(c->topo, name) : NULL;
    if (ks == NULL)
        err_set(e, ERR_USAGE, "there is no keyspace '%s'", name != NULL ? name : "");
    return ks;
}

static bool get_vschema(const struct opt_values *v, const struct config *c, struct err *e)
{
    const struct topo_keyspace *ks = keyspace_of(v, c, e);
    CLEANUP(buf_fini) struct buf history = BUF_INIT;
    struct buf out = BUF_INIT;
    if (ks == NULL || (opt_flag(v, "history") && !vschema_history(ks, &history, e)))
        return false;
    render_json(history.len > 0 ? buf_str(&history) : ks->vschema->json, &out);
    print_buf(&out);
    return true;
}

static void warn_of_param(void *n, const struct vindex *vindex, const char *param)
{
    fprintf(stderr, "warning: vindex %s of type %s takes no parameter '%s': it is ignored\n",
            vindex_name(vindex), vindex_type(vindex), param);
    ++*(size_t *)n;
}

static bool check_params(const struct opt_values *v, const struct vschema *parsed, struct err *e)
{
    size_t unknown = 0;
    vschema_unknown_params(parsed, warn_of_param, &unknown);
    return unknown == 0 || !opt_flag(v, "strict") ||
           err_set(e, ERR_VSCHEMA, "%zu unknown parameter%s, with --strict", unknown,
                   unknown == 1 ? "" : "s");
}

static bool apply_parsed(const struct opt_values *v, const struct topo_keyspace *ks,
                         const struct vschema *parsed, const char *text, struct err *e)
{
    uint64_t version = 0;
    bool dry_run = opt_flag(v, "dry-run");
    if (!check_params(v, parsed, e) || !vschema_apply(ks, parsed, text, dry_run, &version, e))
        return false;
    if (dry_run)
        printf("the vschema is valid and would be version %" PRIu64 " of keyspace %s\n", version,
               ks->name);
    else
        printf("version %" PRIu64
               " of the vschema of keyspace %s is in %s; a daemon that runs takes "
               "it when it starts again\n",
               version, ks->name, ks->vschema_file);
    return true;
}

static bool apply_vschema(const struct opt_values *v, const struct config *c, struct err *e)
{
    const char *file = opt_str(v, "vschema-file");
    const struct topo_keyspace *ks = keyspace_of(v, c, e);
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    if (ks == NULL)
        return false;
    if (file == NULL)
        return err_set(e, ERR_USAGE, "--vschema-file is missing");
    struct vschema *parsed =
        sys_read_file(file, 16 << 20, &text, e) ? vschema_parse(buf_str(&text), e) : NULL;
    bool ok = parsed != NULL ? apply_parsed(v, ks, parsed, buf_str(&text), e)
                             : err_prepend(e, "%s", file);
    vschema_free(parsed);
    return ok;
}

int cmd_vschema(const struct opt_values *v)
{
    struct err e = ERR_INIT;
    struct config *c = config_load(opt_str(v, "config"), &e);
    bool ok = c != NULL;
    if (ok && strcmp(opt_verb(v), "apply") == 0)
        ok = apply_vschema(v, c, &e);
    else if (ok)
        ok = get_vschema(v, c, &e);
    config_free(c);
    return ok ? ERR_EXIT_OK : cmd_fail(v, &e);
}
