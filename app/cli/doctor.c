/* app/cli/doctor.c — `sluice doctor`: every server of the configuration checked in parallel, one
 * table.
 *
 * The account that is checked need not have any privilege yet: the login names no database, and
 * --grants prints what a new account needs even where nobody can log in.
 */
#include "app/cli/commands.h"
#include "app/cli/render.h"
#include "app/config/config.h"
#include "base/mem.h"
#include "mysql/checks.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct examination {
    const struct topo_shard *shard;
    unsigned roles;
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
    struct my_params login;
    my_params_copy(&login, &x->shard->primary);
    free(login.database); /* without a privilege on it the login would fail */
    login.database = NULL;
    struct my_conn *c = my_connect(&login, "doctor", &x->e);
    my_params_fini(&login);
    if (c == NULL)
        return NULL;
    x->server = *my_conn_server(c);
    x->reached =
        my_checks_run(c, x->roles, x->platform, x->shard->primary.database, &x->checks, &x->e);
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

#define ROLE_SOURCE (MY_ROLE_STREAM | MY_ROLE_COPY_SOURCE | MY_ROLE_SWITCH)
#define ROLE_TARGET                                                                                \
    (MY_ROLE_STREAM | MY_ROLE_TARGET | MY_ROLE_SWITCH) /* it is read for the way back */

static const struct {
    const char *name;
    unsigned roles;
} role_words[] = {{"source", ROLE_SOURCE},
                  {"target", ROLE_TARGET},
                  {"stream", MY_ROLE_STREAM},
                  {"sink", MY_ROLE_STREAM | MY_ROLE_COPY_SOURCE},
                  {"all", ROLE_SOURCE | ROLE_TARGET}};

static unsigned roles_of(const char *word)
{
    for (size_t i = 0; i < sizeof role_words / sizeof *role_words; i++)
        if (strcasecmp(word, role_words[i].name) == 0)
            return role_words[i].roles;
    return 0; /* the option table lets nothing else pass */
}

static size_t examine_all(const struct config *c, enum my_platform platform, unsigned roles,
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
            all[n].roles = roles;
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

/* SQL to be read and run by an administrator: what is no statement stands as a comment. */
static void print_fixes(const struct examination *x)
{
    printf("-- %s/%s %s\n", x->shard->keyspace, x->shard->name, x->shard->primary_address);
    if (!x->reached)
        printf("-- not reached: %s\n", x->e.text);
    for (size_t i = 0; x->reached && i < x->checks.n; i++) {
        const struct my_check *k = &x->checks.items[i];
        if (k->level == MY_CHECK_OK)
            continue;
        printf("-- %s: %s is %s, wanted %s\n", level_name(k->level), k->name, k->found, k->wanted);
        if (k->sql[0] != '\0')
            printf("%s;\n", k->sql);
        else if (k->cure[0] != '\0')
            printf("-- %s\n", k->cure);
    }
}

/* A statement a line, as it stands or for servers of one kind alone. */
static void print_statements(const char *lines, const char *only)
{
    for (const char *p = lines, *end; (end = strchr(p, '\n')) != NULL; p = end + 1) {
        int n = (int)(end - p);
        if (only == NULL)
            printf("%.*s\n", n, p);
        else /* without its semicolon */
            printf("%s %.*s */;\n", only, n - 1, p);
    }
}

static void print_account_for(const struct examination *x, const struct my_server *server,
                              const char *only)
{
    struct buf account = BUF_INIT, grants = BUF_INIT;
    const char *user = x->shard->primary.user != NULL ? x->shard->primary.user : "sluice";
    buf_put_sql_string(&account, user, strlen(user));
    buf_put_str(&account, "@'%'");
    my_checks_grants(server, x->roles, x->shard->primary.database, buf_str(&account), &grants);
    printf("-- CREATE USER %s IDENTIFIED BY '…'%s;\n", buf_str(&account),
           x->shard->primary.tls_mode >= MY_TLS_REQUIRED ? " REQUIRE SSL" : "");
    print_statements(buf_str(&grants), only);
    buf_fini(&account);
    buf_fini(&grants);
}

/* A server that was not reached may be either; each skips what is in the other's comments, so that
 * the script runs as it is printed. */
static void print_account(const struct examination *x)
{
    static const struct my_server either[] = {
        {.flavor = MY_FLAVOR_MYSQL, .version = 80000, .version_text = "MySQL"},
        {.flavor = MY_FLAVOR_MARIADB, .version = 101100, .version_text = "MariaDB"}};
    static const char *const only[] = {"/*!80000", "/*M!100500"};
    printf("-- %s/%s %s\n", x->shard->keyspace, x->shard->name, x->shard->primary_address);
    if (x->reached) {
        print_account_for(x, &x->server, NULL);
        return;
    }
    printf("-- not reached: %s\n", x->e.text);
    for (size_t i = 0; i < 2; i++) {
        printf("-- if it is %s:\n", either[i].version_text);
        print_account_for(x, &either[i], only[i]);
    }
}

static unsigned print_json(const struct examination *all, size_t n)
{
    unsigned failures = 0;
    struct buf json = BUF_INIT;
    buf_put_str(&json, "[");
    for (size_t i = 0; i < n; i++) {
        buf_put_str(&json, i > 0 ? ",\n" : "");
        put_json(&all[i], &json, &failures);
    }
    buf_put_str(&json, "]\n");
    render_print(stdout, &json, true);
    buf_fini(&json);
    return failures;
}

static unsigned print_table(const struct examination *all, size_t n)
{
    unsigned failures = 0;
    for (size_t i = 0; i < n; i++)
        print_text(&all[i], &failures);
    printf(failures > 0 ? "%u of the checks failed on %zu servers\n"
                        : "all is well (%u failures on %zu servers)\n",
           failures, n);
    return failures;
}

static int show(const struct opt_values *v, const struct examination *all, size_t n)
{
    bool unreached = false, accounts = opt_flag(v, "grants"), fixes = opt_flag(v, "fix-script");
    for (size_t i = 0; i < n; i++) {
        unreached |= !all[i].reached;
        if (accounts)
            print_account(&all[i]);
        else if (fixes)
            print_fixes(&all[i]);
    }
    if (accounts)
        return ERR_EXIT_OK;
    if (fixes)
        return unreached ? ERR_EXIT_SOURCE : ERR_EXIT_OK;
    unsigned failures = cmd_json(v) ? print_json(all, n) : print_table(all, n);
    return failures == 0 ? ERR_EXIT_OK : unreached ? ERR_EXIT_SOURCE : ERR_EXIT_PRECONDITION;
}

int cmd_doctor(const struct opt_values *v)
{
    struct err e = ERR_INIT;
    struct config *c = config_load(opt_str(v, "config"), &e);
    if (c == NULL)
        return cmd_fail(v, &e);
    struct examination *all = NULL;
    size_t n =
        examine_all(c, platform_of(opt_str(v, "platform")), roles_of(opt_str(v, "role")), &all);
    int code = show(v, all, n);
    for (size_t i = 0; i < n; i++)
        my_checks_fini(&all[i].checks);
    free(all);
    config_free(c);
    return code;
}
