/* app/doctor.c — `sluice doctor`: every server of the configuration checked in parallel, one table.
 */
#include "app/commands.h"
#include "app/config.h"
#include "base/mem.h"
#include "mysql/checks.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct examination {
    const struct topo_shard *shard;
    enum my_platform platform;
    struct my_checks checks;
    struct my_server server;
    bool reached;
    struct err e;
    pthread_t thread;
};

static void *examine(void *arg)
{
    struct examination *x = arg;
    unsigned roles = MY_ROLE_STREAM | MY_ROLE_COPY_SOURCE | MY_ROLE_TARGET | MY_ROLE_SWITCH;
    struct my_conn *c = my_connect(&x->shard->primary, "doctor", &x->e);
    if (c == NULL)
        return NULL;
    x->server = *my_conn_server(c);
    x->reached =
        my_checks_run(c, roles, x->platform, x->shard->primary.database, &x->checks, &x->e);
    my_close(c);
    return NULL;
}

static enum my_platform platform_of(const char *word)
{
    return strcasecmp(word, "rds") == 0      ? MY_PLATFORM_RDS
           : strcasecmp(word, "aurora") == 0 ? MY_PLATFORM_AURORA
           : strcasecmp(word, "self") == 0   ? MY_PLATFORM_SELF
                                             : MY_PLATFORM_AUTO;
}

static size_t examine_all(const struct config *c, enum my_platform platform,
                          struct examination **out)
{
    size_t n = 0;
    for (size_t i = 0; i < c->topo->n_keyspaces; i++)
        n += c->topo->keyspaces[i].n_shards;
    struct examination *all = mem_calloc(n + 1, sizeof *all);
    n = 0;
    for (size_t i = 0; i < c->topo->n_keyspaces; i++)
        for (size_t k = 0; k < c->topo->keyspaces[i].n_shards; k++) {
            all[n].shard = &c->topo->keyspaces[i].shards[k];
            all[n].platform = platform;
            n++;
        }
    for (size_t i = 0; i < n; i++)
        if (pthread_create(&all[i].thread, NULL, examine, &all[i]) != 0)
            examine(&all[i]);
    for (size_t i = 0; i < n; i++)
        if (all[i].thread != 0)
            pthread_join(all[i].thread, NULL);
    *out = all;
    return n;
}

static const char *level_name(enum my_check_level level)
{
    return level == MY_CHECK_OK ? "ok" : level == MY_CHECK_WARN ? "warn" : "FAIL";
}

static void print_text(const struct examination *x, unsigned *failures)
{
    unsigned ok = 0;
    printf("%s/%s  %s  %s\n", x->shard->keyspace, x->shard->name, x->shard->primary_address,
           x->reached ? x->server.version_text : "not reached");
    if (!x->reached) {
        char text[2300];
        err_format(&x->e, text, sizeof text);
        printf("  FAIL  %s\n", text);
        ++*failures;
        return;
    }
    for (size_t i = 0; i < x->checks.n; i++) {
        const struct my_check *k = &x->checks.items[i];
        ok += k->level == MY_CHECK_OK;
        if (k->level == MY_CHECK_OK)
            continue;
        *failures += k->level == MY_CHECK_FAIL;
        printf("  %-4s  %s is %s, wanted %s%s%s", level_name(k->level), k->name, k->found,
               k->wanted, k->cure[0] != '\0' ? "; " : "", k->cure);
        printf(k->code != ERR_NONE ? " (code %s)\n" : "\n", err_code_name(k->code));
    }
    printf("  ok    %u of %zu checks\n", ok, x->checks.n);
}

static void put_json_text(struct buf *out, const char *key, const char *text)
{
    buf_printf(out, "\"%s\":\"", key);
    buf_put_json_escaped(out, text, strlen(text));
    buf_put_str(out, "\"");
}

static void put_json(const struct examination *x, struct buf *out, unsigned *failures)
{
    buf_printf(out, "{\"keyspace\":\"%s\",\"shard\":\"%s\",\"address\":\"%s\",\"reached\":%s,",
               x->shard->keyspace, x->shard->name, x->shard->primary_address,
               x->reached ? "true" : "false");
    put_json_text(out, "version", x->reached ? x->server.version_text : "");
    buf_put_str(out, ",");
    put_json_text(out, "error", x->reached ? "" : x->e.text);
    buf_put_str(out, ",\"checks\":[");
    *failures += !x->reached;
    for (size_t i = 0; x->reached && i < x->checks.n; i++) {
        const struct my_check *k = &x->checks.items[i];
        *failures += k->level == MY_CHECK_FAIL;
        buf_put_str(out, i > 0 ? ",{" : "{");
        put_json_text(out, "name", k->name);
        buf_printf(out, ",\"level\":\"%s\",\"code\":\"%s\",", level_name(k->level),
                   k->code != ERR_NONE ? err_code_name(k->code) : "");
        put_json_text(out, "found", k->found);
        buf_put_str(out, ",");
        put_json_text(out, "wanted", k->wanted);
        buf_put_str(out, ",");
        put_json_text(out, "cure", k->cure);
        buf_put_str(out, "}");
    }
    buf_put_str(out, "]}");
}

static void print_fixes(const struct examination *x)
{
    bool any = false;
    for (size_t i = 0; x->reached && i < x->checks.n; i++) {
        const struct my_check *k = &x->checks.items[i];
        if (k->level != MY_CHECK_FAIL || k->cure[0] == '\0')
            continue;
        if (!any)
            printf("-- %s/%s %s\n", x->shard->keyspace, x->shard->name, x->shard->primary_address);
        any = true;
        printf("-- %s is %s, wanted %s\n%s;\n", k->name, k->found, k->wanted, k->cure);
    }
}

static unsigned print_all(const struct opt_values *v, const struct examination *all, size_t n)
{
    unsigned failures = 0;
    struct buf json = BUF_INIT;
    buf_put_str(&json, "[");
    for (size_t i = 0; i < n; i++) {
        if (opt_flag(v, "fix-script"))
            print_fixes(&all[i]);
        else if (cmd_json(v)) {
            buf_put_str(&json, i > 0 ? ",\n" : "");
            put_json(&all[i], &json, &failures);
        } else
            print_text(&all[i], &failures);
    }
    if (cmd_json(v) && !opt_flag(v, "fix-script"))
        printf("%s]\n", buf_str(&json));
    buf_fini(&json);
    return failures;
}

int cmd_doctor(const struct opt_values *v)
{
    struct err e = ERR_INIT;
    struct config *c = config_load(opt_str(v, "config"), &e);
    if (c == NULL)
        return cmd_fail(v, &e);
    struct examination *all = NULL;
    size_t n = examine_all(c, platform_of(opt_str(v, "platform")), &all);
    unsigned failures = print_all(v, all, n);
    bool unreached = false;
    for (size_t i = 0; i < n; i++) {
        unreached |= !all[i].reached;
        my_checks_fini(&all[i].checks);
    }
    if (!cmd_json(v) && !opt_flag(v, "fix-script"))
        printf(failures > 0 ? "%u of the checks failed on %zu servers\n"
                            : "all is well (%u failures on %zu servers)\n",
               failures, n);
    free(all);
    config_free(c);
    return failures == 0 ? ERR_EXIT_OK : unreached ? ERR_EXIT_SOURCE : ERR_EXIT_PRECONDITION;
}
