/* tests/support/stream_tool.c — runs one vrepl_stream by itself, driven by lines on stdin, for
 * tests and benchmarks.
 *
 *   stream_tool --source ADDR/DB --target SHARD=ADDR/DB… --table NAME[=TARGET][:VINDEX:COLUMN]…
 * [--keys TABLE=SQL]
 *               [--user U] [--password P] [--epoch N] [--copy] [--round-ms N] [--copiers N]
 * [--several]
 *               [--workflow KEY] [--skip-origin KEY] [--start POS] [--on-ddl ignore|stop|exec]
 *   stdin:  status | wait MS | wait MS POSITION | flush MS | freeze | metrics | stop
 * Every line is answered by one line: "ok …" or "error CODE text".
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "cdc/sidecar/sidecar.h"
#include "vrepl/move/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TARGETS 8
#define MAX_TABLES  32

struct tool {
    struct topology topo;
    struct topo_shard source, targets[MAX_TARGETS];
    const struct topo_shard *target_list[MAX_TARGETS];
    struct vrepl_table_spec tables[MAX_TABLES];
    const char *vindex_columns[MAX_TABLES][1];
    struct vindex *vindexes[MAX_TABLES];
    struct vrepl_stream_spec spec;
    const char *collation_map; /* "FROM=TO" */
    struct position start;
    char *user, *password;
    struct vrepl_stream *stream;
};

static void die(const struct err *e)
{
    char line[2200];
    err_format(e, line, sizeof line);
    printf("%s\n", line);
    exit(1);
}

static void parse_server(struct topo_shard *s, const char *text, const char *keyspace,
                         const char *name)
{
    struct err e = ERR_INIT;
    char *copy = mem_strdup(text), *slash = strrchr(copy, '/');
    if (slash)
        *slash = 0;
    s->keyspace = mem_strdup(keyspace);
    s->name = mem_strdup(name);
    if (!keyrange_parse(name, &s->range, &e) || !my_params_parse_address(&s->primary, copy, &e))
        die(&e);
    s->primary.database = mem_strdup(slash ? slash + 1 : "test");
    s->primary_address = copy;
}

static void parse_target(struct tool *t, const char *text)
{
    const char *eq = strchr(text, '=');
    char *name = mem_strndup(text, (size_t)(eq - text));
    size_t i = t->spec.n_targets++;
    parse_server(&t->targets[i], eq + 1, "customer", name);
    t->target_list[i] = &t->targets[i];
    free(name);
}

/* NAME[=TARGET][:VINDEX:COLUMN] */
static void parse_table(struct tool *t, const char *text)
{
    struct err e = ERR_INIT;
    char *save = NULL, *copy = mem_strdup(text);
    size_t i = t->spec.n_tables++;
    struct vrepl_table_spec *spec = &t->tables[i];
    char *name = strtok_r(copy, ":", &save), *vindex = strtok_r(NULL, ":", &save),
         *column = strtok_r(NULL, ":", &save);
    char *eq = strchr(name, '=');
    if (eq)
        *eq = 0;
    spec->source_table = name;
    spec->target_table = eq ? eq + 1 : name;
    if (!column)
        return;
    t->vindexes[i] = vindex_new(vindex, vindex, NULL, &e);
    if (!t->vindexes[i])
        die(&e);
    t->vindex_columns[i][0] = column;
    spec->vindex = t->vindexes[i];
    spec->vindex_columns = t->vindex_columns[i];
    spec->n_vindex_columns = 1;
}

static void parse_keys(struct tool *t, const char *text)
{
    const char *eq = strchr(text, '=');
    for (size_t i = 0; eq && i < t->spec.n_tables; i++) {
        const char *name = t->tables[i].target_table;
        if (strlen(name) == (size_t)(eq - text) && !strncmp(name, text, strlen(name)))
            t->tables[i].deferred_keys = eq + 1;
    }
}

static void parse_option(struct tool *t, const char *name, const char *value)
{
    struct err e = ERR_INIT;
    if (!strcmp(name, "--source"))
        parse_server(&t->source, value, "commerce", "-");
    else if (!strcmp(name, "--target"))
        parse_target(t, value);
    else if (!strcmp(name, "--table"))
        parse_table(t, value);
    else if (!strcmp(name, "--keys"))
        parse_keys(t, value);
    else if (!strcmp(name, "--user"))
        t->user = mem_strdup(value);
    else if (!strcmp(name, "--password"))
        t->password = mem_strdup(value);
    else if (!strcmp(name, "--epoch"))
        t->spec.epoch = strtoull(value, NULL, 10);
    else if (!strcmp(name, "--round-ms"))
        t->spec.round_ms = strtoll(value, NULL, 10);
    else if (!strcmp(name, "--copiers"))
        t->spec.copiers = (unsigned)strtoul(value, NULL, 10);
    else if (!strcmp(name, "--workflow"))
        t->spec.workflow_key = value;
    else if (!strcmp(name, "--skip-origin"))
        t->spec.skip_origin = value;
    else if (!strcmp(name, "--collation-map")) {
        t->collation_map = value;
        t->spec.collation_map = &t->collation_map;
        t->spec.n_collation_map = 1;
    } else if (!strcmp(name, "--on-ddl"))
        t->spec.on_ddl = !strcmp(value, "stop")   ? VREPL_ON_DDL_STOP
                         : !strcmp(value, "exec") ? VREPL_ON_DDL_EXEC
                                                  : VREPL_ON_DDL_IGNORE;
    else if (!strcmp(name, "--start") && position_parse(value, &t->start, &e))
        t->spec.start = &t->start;
    else {
        printf("unknown option %s\n", name);
        exit(2);
    }
}

static void set_login(const struct tool *t, struct topo_shard *s)
{
    s->primary.user = mem_strdup(t->user);
    s->primary.password = mem_strdup(t->password);
}

static void parse(struct tool *t, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--copy"))
            t->spec.copy = true;
        else if (!strcmp(argv[i], "--several"))
            t->spec.several_sources = true;
        else if (i + 1 < argc) {
            parse_option(t, argv[i], argv[i + 1]);
            i++;
        }
    }
    set_login(t, &t->source);
    for (size_t i = 0; i < t->spec.n_targets; i++)
        set_login(t, &t->targets[i]);
    t->spec.source = &t->source;
    t->spec.targets = t->target_list;
    t->spec.tables = t->tables;
}

static void make_sidecar(const struct my_params *p)
{
    struct err e = ERR_INIT;
    struct my_conn *c = my_connect(p, "stream_tool", &e);
    if (!c || !sidecar_create(c, &e))
        die(&e);
    my_close(c);
}

static void answer(bool ok, const struct err *e)
{
    if (ok)
        printf("ok\n");
    else
        printf("error %s %s\n", err_code_name(e->code), e->text);
}

static void print_status(struct tool *t)
{
    static const char *const states[] = {"STOPPED", "COPYING", "CATCHUP", "RUNNING", "ERROR"};
    struct vrepl_stream_status st;
    vrepl_stream_status(t->stream, &st);
    printf("ok state=%s rows_copied=%llu rows_applied=%llu transactions=%llu lag_ms=%lld "
           "at_head=%d position=%s code=%s message=%s\n",
           states[st.state], (unsigned long long)st.rows_copied,
           (unsigned long long)st.rows_applied, (unsigned long long)st.transactions_applied,
           (long long)st.lag_ms, st.at_head, st.position, st.code, st.message);
    vrepl_stream_status_fini(&st);
}

static bool source_position(struct tool *t, struct position *out, struct err *e)
{
    struct my_conn *c = my_connect(&t->source.primary, "stream_tool", e);
    bool ok = c && my_current_position(c, out, e);
    my_close(c);
    return ok;
}

static void wait_for(struct tool *t, const char *args)
{
    struct err e = ERR_INIT;
    struct position pos = POSITION_INIT;
    char *rest = NULL;
    int64_t ms = strtoll(args, &rest, 10);
    while (*rest == ' ')
        rest++;
    bool ok = *rest ? position_parse(rest, &pos, &e) : source_position(t, &pos, &e);
    answer(ok && vrepl_stream_wait(t->stream, &pos, ms, &e), &e);
    position_fini(&pos);
}

static void freeze(struct tool *t)
{
    struct err e = ERR_INIT;
    struct position pos = POSITION_INIT;
    bool ok = source_position(t, &pos, &e) && vrepl_stream_wait(t->stream, &pos, 30000, &e) &&
              vrepl_stream_freeze(t->stream, &pos, &e);
    answer(ok, &e);
    position_fini(&pos);
}

static void print_metrics(void)
{
    CLEANUP(buf_fini) struct buf out = BUF_INIT;
    metrics_render(&out);
    for (char *at = (char *)out.data; at && *at; at++) {
        if (*at == '\n')
            *at = '|';
    }
    printf("ok %s\n", buf_str(&out));
}

static bool command(struct tool *t, const char *line)
{
    struct err e = ERR_INIT;
    if (!strcmp(line, "stop"))
        return false;
    if (!strcmp(line, "status"))
        print_status(t);
    else if (!strncmp(line, "wait ", 5))
        wait_for(t, line + 5);
    else if (!strncmp(line, "flush ", 6))
        answer(vrepl_stream_flush(t->stream, strtoll(line + 6, NULL, 10), &e), &e);
    else if (!strcmp(line, "freeze"))
        freeze(t);
    else if (!strcmp(line, "metrics"))
        print_metrics();
    else
        printf("error USAGE unknown command\n");
    fflush(stdout);
    return true;
}

int main(int argc, char **argv)
{
    static struct tool t;
    struct err e = ERR_INIT;
    char line[4096];
    log_init(getenv("STREAM_TOOL_DEBUG") ? LOG_DEBUG : LOG_WARN, false);
    fault_init_from_env();
    t.user = mem_strdup("root");
    t.password = mem_strdup("root");
    t.spec.workflow_key = "customer/test";
    t.spec.epoch = 1;
    t.topo = (struct topology){.server_id_first = 900000, .server_id_last = 900999};
    parse(&t, argc, argv);
    make_sidecar(&t.source.primary);
    for (size_t i = 0; i < t.spec.n_targets; i++)
        make_sidecar(&t.targets[i].primary);
    struct cdc_reader_options ro = {.heartbeat_ms = 1000};
    struct cdc_reader *reader = cdc_reader_new(&t.topo, &t.source, &ro);
    t.stream = vrepl_stream_start(&t.spec, reader, &e);
    if (!t.stream)
        die(&e);
    printf("ok started\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        if (!command(&t, line))
            break;
    }
    vrepl_stream_stop(t.stream);
    cdc_reader_free(reader);
    printf("ok stopped\n");
    return 0;
}
