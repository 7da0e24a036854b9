/* mysql/checks.c — asks one server for settings and grants and gathers what does not fit the roles.
 */
#include "mysql/checks.h"

#include "base/mem.h"
#include "mysql/checks_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ── what the checks share ─────────────────────────────────────────────── */

const char *my_check_variable(const struct my_check_run *r, const char *name)
{
    return map_get_str(r->variables, name);
}

struct my_check *my_check_add(struct my_check_run *r, const char *name, const char *found,
                              const char *wanted)
{
    mem_grow((void **)&r->out->items, &r->cap, r->out->n + 1, sizeof *r->out->items);
    struct my_check *k = &r->out->items[r->out->n++];
    memset(k, 0, sizeof *k);
    snprintf(k->name, sizeof k->name, "%s", name);
    snprintf(k->found, sizeof k->found, "%s", found ? found : "(unknown here)");
    snprintf(k->wanted, sizeof k->wanted, "%s", wanted);
    return k;
}

void my_check_judge(struct my_check *k, enum my_check_level level, enum err_code code)
{
    k->level = level;
    k->code = level == MY_CHECK_OK ? ERR_NONE : code;
}

void my_check_cure_set(const struct my_check_run *r, struct my_check *k, const char *variable,
                       const char *value, bool dynamic)
{
    bool persist = r->s->flavor == MY_FLAVOR_MYSQL && r->s->version >= 80000;
    switch (r->platform) {
    case MY_PLATFORM_RDS:
        snprintf(k->cure, sizeof k->cure,
                 "set %s = %s in the DB parameter group of the instance (RDS > Parameter groups)%s",
                 variable, value, dynamic ? "" : " and reboot it");
        return;
    case MY_PLATFORM_AURORA:
        snprintf(k->cure, sizeof k->cure,
                 "set %s = %s in the DB cluster parameter group (RDS > Parameter groups)%s",
                 variable, value, dynamic ? "" : " and reboot the writer");
        return;
    case MY_PLATFORM_AUTO:
    case MY_PLATFORM_SELF:
        break;
    }
    if (dynamic)
        snprintf(k->sql, sizeof k->sql, "SET %s %s = %s", persist ? "PERSIST" : "GLOBAL", variable,
                 value);
    if (!dynamic)
        snprintf(k->cure, sizeof k->cure, "put %s = %s into [mysqld] of my.cnf and restart",
                 variable, value);
    else if (persist)
        snprintf(k->cure, sizeof k->cure,
                 "SET PERSIST %s = %s; open sessions keep the old value until they reconnect",
                 variable, value);
    else
        snprintf(k->cure, sizeof k->cure,
                 "SET GLOBAL %s = %s (and in my.cnf); open sessions keep the old value until they "
                 "reconnect",
                 variable, value);
}

/* ── the server's answers ──────────────────────────────────────────────── */

static bool load_variables(struct my_check_run *r, struct err *e)
{
    r->variables = map_new(free);
    struct my_result *rows = my_query(r->c, "SHOW GLOBAL VARIABLES", e);
    if (!rows)
        return false;
    struct my_cell cells[2];
    enum my_next next;
    while ((next = my_result_next(rows, cells, e)) == MY_ROW)
        map_put(r->variables, cells[0].p, cells[0].n,
                mem_strndup(cells[1].p ? cells[1].p : "", cells[1].n));
    my_result_free(rows);
    return next == MY_END;
}

static bool has_rdsadmin(struct my_conn *c)
{
    struct err ignored;
    uint64_t n = 0;
    return my_query_u64(c, "SELECT COUNT(*) FROM mysql.user WHERE User = 'rdsadmin'", &n,
                        &ignored) &&
           n > 0;
}

static enum my_platform detect_platform(struct my_check_run *r)
{
    const char *basedir = my_check_variable(r, "basedir");
    if (my_check_variable(r, "aurora_version"))
        return MY_PLATFORM_AURORA;
    if ((basedir && strncmp(basedir, "/rdsdbbin", strlen("/rdsdbbin")) == 0) || has_rdsadmin(r->c))
        return MY_PLATFORM_RDS;
    return MY_PLATFORM_SELF;
}

/* "a@b" → 'a'@'b', the host being behind the last @. */
static char *quoted_account(const char *account)
{
    struct buf out = BUF_INIT;
    const char *at = strrchr(account, '@');
    size_t user_len = at ? (size_t)(at - account) : strlen(account);
    buf_put_sql_string(&out, account, user_len);
    buf_put_str(&out, "@");
    const char *host = at ? at + 1 : "%";
    buf_put_sql_string(&out, host, strlen(host));
    return buf_take(&out);
}

static bool load_grant_lines(struct my_check_run *r, const char *sql, struct err *e)
{
    struct my_result *rows = my_query(r->c, sql, e);
    if (!rows)
        return false;
    struct my_cell cell;
    enum my_next next;
    while ((next = my_result_next(rows, &cell, e)) == MY_ROW)
        my_grants_add(r->grants, cell.p ? cell.p : "");
    my_result_free(rows);
    return next == MY_END;
}

/* MySQL shows a role's privileges only USING it; MariaDB shows those of the session's role by
 * itself. Only roles that the session has switched on count, as the server counts. */
static bool load_grants(struct my_check_run *r, struct err *e)
{
    r->grants = my_grants_new();
    char *account CLEANUP(mem_free_ptr) = NULL;
    char *roles CLEANUP(mem_free_ptr) = NULL;
    struct err ignored;
    if (!my_query_text(r->c, "SELECT CURRENT_USER()", &account, e))
        return false;
    r->account = quoted_account(account ? account : "");
    bool known = my_query_text(r->c, "SELECT CURRENT_ROLE()", &roles, &ignored);
    bool active = known && roles && strcmp(roles, "NONE") != 0;
    if (!active || r->s->flavor == MY_FLAVOR_MARIADB)
        return load_grant_lines(r, "SHOW GRANTS", e);
    char *sql CLEANUP(mem_free_ptr) = mem_printf("SHOW GRANTS FOR CURRENT_USER() USING %s", roles);
    return load_grant_lines(r, sql, e);
}

/* ── privileges ────────────────────────────────────────────────────────── */

struct missing {
    const struct my_grants *grants;
    const char *database; /* NULL: global */
    struct buf list;
};

static void note_missing(void *ctx, const char *privilege)
{
    struct missing *m = ctx;
    if (my_grants_have(m->grants, privilege, m->database))
        return;
    buf_put_str(&m->list, m->list.len ? ", " : "");
    buf_put_str(&m->list, privilege);
}

static void check_need(struct my_check_run *r, enum my_grant_scope scope, enum my_grant_need need,
                       const char *database)
{
    static const char *const wanted[] = {[MY_GRANT_REQUIRED] = "all that are needed",
                                         [MY_GRANT_HELPFUL] =
                                             "those that name who blocks a switch"};
    struct missing m = {.grants = r->grants, .database = database};
    char name[64];
    snprintf(name, sizeof name, "privileges on %.40s.*", database ? database : "*");
    my_grants_needed(r->s, r->roles, scope, need, note_missing, &m);
    struct my_check *k = my_check_add(r, name, "all there", wanted[need]);
    if (m.list.len > 0) {
        struct buf cure CLEANUP(buf_fini) = BUF_INIT;
        my_grants_statement(&cure, buf_str(&m.list), scope, database, r->account);
        snprintf(k->found, sizeof k->found, "missing: %s", buf_str(&m.list));
        snprintf(k->cure, sizeof k->cure, "%s", buf_str(&cure));
        snprintf(k->sql, sizeof k->sql, "%s", buf_str(&cure));
        my_check_judge(k, need == MY_GRANT_REQUIRED ? MY_CHECK_FAIL : MY_CHECK_WARN, ERR_DB_DENIED);
    }
    buf_fini(&m.list);
}

static void check_scope(struct my_check_run *r, enum my_grant_scope scope, const char *database)
{
    check_need(r, scope, MY_GRANT_REQUIRED, database);
    if (scope == MY_GRANT_GLOBAL && (r->roles & MY_ROLE_SWITCH))
        check_need(r, scope, MY_GRANT_HELPFUL, database);
}

static void check_privileges(struct my_check_run *r)
{
    check_scope(r, MY_GRANT_GLOBAL, NULL);
    if (r->database && r->database[0])
        check_scope(r, MY_GRANT_DATABASE, r->database);
    if (r->roles & (MY_ROLE_TARGET | MY_ROLE_SWITCH))
        check_scope(r, MY_GRANT_SIDECAR, MY_SIDECAR_DATABASE);
}

/* ── the whole ─────────────────────────────────────────────────────────── */

static void run_fini(struct my_check_run *r)
{
    map_free(r->variables);
    my_grants_free(r->grants);
    free(r->account);
}

bool my_checks_run(struct my_conn *c, unsigned roles, enum my_platform platform,
                   const char *database, struct my_checks *out, struct err *e)
{
    memset(out, 0, sizeof *out);
    struct my_check_run r = {
        .c = c, .s = my_conn_server(c), .roles = roles, .database = database, .out = out};
    bool ok = load_variables(&r, e) && load_grants(&r, e);
    if (ok) {
        r.platform = platform == MY_PLATFORM_AUTO ? detect_platform(&r) : platform;
        out->platform = r.platform;
        ok = my_check_settings(&r, e);
    }
    if (ok)
        check_privileges(&r);
    else
        my_checks_fini(out);
    run_fini(&r);
    return ok;
}

void my_checks_fini(struct my_checks *c)
{
    free(c->items);
    memset(c, 0, sizeof *c);
}

bool my_checks_require(const struct my_checks *c, const char *where, struct err *e)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct my_check *k = &c->items[i];
        if (k->level != MY_CHECK_FAIL)
            continue;
        err_set(e, k->code, "%s%s%s is %s, needed: %s", where, where[0] ? ": " : "", k->name,
                k->found, k->wanted);
        return err_cure(e, "%s", k->cure);
    }
    return true;
}
