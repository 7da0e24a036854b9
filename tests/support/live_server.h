/* tests/support/live_server.h — the real servers that component tests talk to, named by the
 * environment.
 *
 * SLUICE_TEST_MARIADB and SLUICE_TEST_MYSQL: "host:port:user:password" of an account that may do
 * everything. Without one its tests print `skipped: no server given` and are skipped.
 */
#ifndef SLUICE_TESTS_SUPPORT_LIVE_SERVER_H
#define SLUICE_TESTS_SUPPORT_LIVE_SERVER_H

#include "base/mem.h"
#include "mysql/conn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIVE_DATABASE "sluice_live"

struct live {
    struct my_params params; /* of the account that may do everything */
    struct my_conn *admin;   /* default database LIVE_DATABASE, empty at the beginning */
};

#define assert_ok(condition, e)                                                                    \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("%s: %s", #condition, (e).text);                                              \
    } while (0)

/* Bulk, pipelining and the registration as replica are Connector/C's alone. */
static inline bool live_client_is_connector(void)
{
    return strstr(my_client_library(), "Connector/C") != NULL;
}

static inline bool live_is_mariadb(const struct live *l)
{
    return my_conn_server(l->admin)->flavor == MY_FLAVOR_MARIADB;
}

/* The next field of "a:b:c:d", malloc'ed; the last one takes the rest. */
static inline char *live_field(const char **rest, bool last)
{
    const char *end = last ? NULL : strchr(*rest, ':');
    size_t n = end ? (size_t)(end - *rest) : strlen(*rest);
    char *field = mem_strndup(*rest, n);
    *rest += end ? n + 1 : n;
    return field;
}

static inline bool live_params(const char *variable, struct my_params *p)
{
    const char *text = getenv(variable);
    if (!text || !text[0])
        return false;
    memset(p, 0, sizeof *p);
    p->host = live_field(&text, false);
    char *port = live_field(&text, false);
    p->port = (unsigned)strtoul(port, NULL, 10);
    free(port);
    p->user = live_field(&text, false);
    p->password = live_field(&text, true);
    return true;
}

static inline void live_exec(struct live *l, const char *sql)
{
    struct err e = ERR_INIT;
    if (!my_exec(l->admin, sql, NULL, &e))
        fail_msg("%s: %s", sql, e.text);
}

/* A connection as another account of this server (NULL: the account that may do everything). */
static inline struct my_conn *live_connect(struct live *l, const char *user, const char *password,
                                           struct err *e)
{
    struct my_params p = l->params;
    char database[] = LIVE_DATABASE;
    p.database = database;
    if (user) {
        union {
            const char *in;
            char *out;
        } u = {.in = user}, w = {.in = password};
        p.user = u.out;
        p.password = w.out;
    }
    return my_connect(&p, "test", e);
}

static inline int live_setup_of(const char *variable, void **state)
{
    struct live *l = mem_alloc(sizeof *l);
    struct err e = ERR_INIT;
    *state = l;
    if (!live_params(variable, &l->params))
        return 0;
    l->admin = my_connect(&l->params, "test", &e);
    if (!l->admin) {
        fprintf(stderr, "%s: %s\n", variable, e.text);
        return -1;
    }
    /* Sessions take the global limit when they connect, so that the admin connects again. */
    bool ok = my_exec(l->admin, "SET GLOBAL max_allowed_packet = 268435456", NULL, &e) &&
              my_exec(l->admin, "DROP DATABASE IF EXISTS " LIVE_DATABASE, NULL, &e) &&
              my_exec(l->admin, "CREATE DATABASE " LIVE_DATABASE, NULL, &e);
    my_close(l->admin);
    l->admin = ok ? live_connect(l, NULL, NULL, &e) : NULL;
    if (!l->admin)
        fprintf(stderr, "%s: %s\n", variable, e.text);
    return l->admin ? 0 : -1;
}

static inline int live_setup_mariadb(void **state)
{
    return live_setup_of("SLUICE_TEST_MARIADB", state);
}

static inline int live_setup_mysql(void **state)
{
    return live_setup_of("SLUICE_TEST_MYSQL", state);
}

static inline int live_teardown(void **state)
{
    struct live *l = *state;
    struct err ignored;
    /* Connections that a failed test left behind may hold locks. */
    if (l->admin && my_exec(l->admin, "SET lock_wait_timeout = 2", NULL, &ignored) &&
        !my_exec(l->admin, "DROP DATABASE IF EXISTS " LIVE_DATABASE, NULL, &ignored))
        fprintf(stderr, "%s\n", ignored.text);
    my_close(l->admin);
    my_params_fini(&l->params);
    free(l);
    return 0;
}

static inline void live_skip(const char *reason)
{
    print_message("skipped: %s\n", reason);
    skip();
}

/* Begins every test: skips it when no server was given. */
static inline struct live *live_begin(void **state)
{
    struct live *l = *state;
    if (!l->admin)
        live_skip("no server given");
    return l;
}

#endif
