/* mysql/checks_settings.c — the settings that decide whether a server can be read, copied, written
 * or switched; one row a setting.
 *
 * A setting that the server does not know at all is judged by its row's `absent`: older servers
 * lack some, newer ones have dropped others (a server without binlog_format can only log rows).
 */
#include "base/mem.h"
#include "mysql/checks_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOURCE (MY_ROLE_STREAM | MY_ROLE_COPY_SOURCE)
#define LOGGED (MY_ROLE_STREAM | MY_ROLE_COPY_SOURCE | MY_ROLE_SWITCH)
#define ANY    (LOGGED | MY_ROLE_TARGET)

enum flavors { MYSQL = 1, MARIADB = 2, BOTH = 3 };

/* ── settings with one right value ─────────────────────────────────────── */

struct fixed_setting {
    const char *name;
    const char *wanted;
    unsigned roles;      /* checked for these */
    unsigned fail_roles; /* FAIL for these, WARN for the others */
    enum flavors flavors;
    enum err_code code;
    enum my_check_level absent;
    bool dynamic;
};

static const struct fixed_setting fixed_settings[] = {
    {"log_bin", "ON", LOGGED, LOGGED, BOTH, ERR_SRC_SETTING, MY_CHECK_FAIL, false},
    {"binlog_format", "ROW", LOGGED, LOGGED, BOTH, ERR_SRC_BINLOG_FORMAT, MY_CHECK_OK, true},
    {"binlog_row_image", "FULL", LOGGED, MY_ROLE_COPY_SOURCE | MY_ROLE_SWITCH, BOTH,
     ERR_SRC_SETTING, MY_CHECK_OK, true},
    {"binlog_row_metadata", "FULL", LOGGED, 0, BOTH, ERR_SRC_SETTING, MY_CHECK_WARN, true},
    {"binlog_row_value_options", "", LOGGED, MY_ROLE_COPY_SOURCE | MY_ROLE_SWITCH, MYSQL,
     ERR_SRC_SETTING, MY_CHECK_OK, true},
    {"binlog_order_commits", "ON", LOGGED, MY_ROLE_COPY_SOURCE, MYSQL, ERR_SRC_SETTING, MY_CHECK_OK,
     true},
    {"sync_binlog", "1", SOURCE, 0, BOTH, ERR_SRC_SETTING, MY_CHECK_OK, true},
};

static void check_fixed(struct my_check_run *r, const struct fixed_setting *f)
{
    const char *found = my_check_variable(r, f->name);
    struct my_check *k = my_check_add(r, f->name, found && !found[0] ? "(empty)" : found,
                                      f->wanted[0] ? f->wanted : "(empty)");
    bool bad = found && strcasecmp(found, f->wanted) != 0;
    if (!found)
        my_check_judge(k, f->absent, f->code);
    else if (bad)
        my_check_judge(k, r->roles & f->fail_roles ? MY_CHECK_FAIL : MY_CHECK_WARN, f->code);
    if (k->level == MY_CHECK_OK)
        return;
    my_check_cure_set(r, k, f->name, f->wanted[0] ? f->wanted : "''", f->dynamic);
    if (strcmp(f->name, "log_bin") == 0 && r->platform == MY_PLATFORM_RDS)
        snprintf(k->cure, sizeof k->cure,
                 "switch automated backups on for the instance (retention ≥ 1 day): that starts "
                 "binary logging");
    if (strcmp(f->name, "log_bin") == 0 && r->platform == MY_PLATFORM_AURORA)
        my_check_cure_set(r, k, "binlog_format", "ROW", false);
}

static void check_fixed_settings(struct my_check_run *r)
{
    enum flavors ours = r->s->flavor == MY_FLAVOR_MARIADB ? MARIADB : MYSQL;
    for (size_t i = 0; i < sizeof fixed_settings / sizeof fixed_settings[0]; i++)
        if ((fixed_settings[i].roles & r->roles) && (fixed_settings[i].flavors & ours))
            check_fixed(r, &fixed_settings[i]);
}

/* ── settings that need a judgement ────────────────────────────────────── */

static uint64_t number_of(const struct my_check_run *r, const char *name, uint64_t absent)
{
    const char *text = my_check_variable(r, name);
    return text ? strtoull(text, NULL, 10) : absent;
}

static void check_server_id(struct my_check_run *r)
{
    struct my_check *k = my_check_add(r, "server_id", my_check_variable(r, "server_id"), "not 0");
    if (number_of(r, "server_id", 0) == 0) {
        my_check_judge(k, MY_CHECK_FAIL, ERR_SRC_SETTING);
        my_check_cure_set(r, k, "server_id", "(a number of its own)", true);
        k->sql[0] = '\0';
    }
}

/* Both modes work: with OFF positions are file and offset, which end with the server they belong
 * to. */
static void check_gtid(struct my_check_run *r)
{
    if (r->s->flavor == MY_FLAVOR_MARIADB) {
        my_check_add(r, "gtid", "MariaDB GTIDs", "any");
        return;
    }
    const char *mode = my_check_variable(r, "gtid_mode");
    struct my_check *k = my_check_add(r, "gtid_mode", mode ? mode : "OFF", "ON, or OFF");
    if (strcmp(k->found, "OFF") == 0)
        snprintf(k->found, sizeof k->found,
                 "OFF: positions are file and offset and do not survive a failover");
    else if (strcmp(k->found, "ON") != 0) {
        my_check_judge(k, MY_CHECK_WARN, ERR_SRC_SETTING);
        snprintf(k->cure, sizeof k->cure, "finish the change to ON (or back to OFF)");
    }
}

#define DAY_S ((uint64_t)86400)

static uint64_t retention_seconds(const struct my_check_run *r)
{
    uint64_t seconds = number_of(r, "binlog_expire_logs_seconds", 0);
    const char *days = my_check_variable(r, "expire_logs_days");
    return seconds > 0 ? seconds : (uint64_t)(days ? strtod(days, NULL) * (double)DAY_S : 0.0);
}

static void check_retention_self(struct my_check_run *r)
{
    uint64_t seconds = retention_seconds(r);
    char found[64];
    snprintf(found, sizeof found, seconds ? "%llu s" : "for ever", (unsigned long long)seconds);
    struct my_check *k = my_check_add(r, "binlog retention", found, "at least 1 day");
    if (seconds > 0 && seconds < DAY_S) {
        my_check_judge(k, MY_CHECK_WARN, ERR_SRC_SETTING);
        my_check_cure_set(r, k, "binlog_expire_logs_seconds", "604800", true);
    }
}

/* RDS deletes logs as soon as it can unless told otherwise, whatever the server's variables say. */
static void check_retention_rds(struct my_check_run *r)
{
    char *hours CLEANUP(mem_free_ptr) = NULL;
    struct err ignored;
    bool known = my_query_text(
        r->c, "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'",
        &hours, &ignored);
    char found[64];
    snprintf(found, sizeof found,
             hours   ? "%.20s hours"
             : known ? "none: deleted at once"
                     : "unknown",
             hours ? hours : "");
    struct my_check *k = my_check_add(r, "binlog retention", found, "at least 24 hours");
    if (hours && strtoul(hours, NULL, 10) >= 24)
        return;
    my_check_judge(k, known && !hours ? MY_CHECK_FAIL : MY_CHECK_WARN, ERR_SRC_SETTING);
    snprintf(k->cure, sizeof k->cure,
             "CALL mysql.rds_set_configuration('binlog retention hours', 168)");
    snprintf(k->sql, sizeof k->sql, "%s", k->cure);
}

static void check_retention(struct my_check_run *r)
{
    if (r->platform == MY_PLATFORM_RDS || r->platform == MY_PLATFORM_AURORA)
        check_retention_rds(r);
    else
        check_retention_self(r);
}

static bool answers_with_rows(struct my_check_run *r, const char *sql)
{
    struct err ignored;
    struct my_result *rows = my_query(r->c, sql, &ignored);
    bool any = rows && my_result_rows(rows) > 0;
    my_result_free(rows);
    return any;
}

/* Is the server itself a replica? MariaDB shows SLAVE STATUS with a privilege of its own only, and
 * to everybody how many of its replications run. */
static bool is_replica(struct my_check_run *r)
{
    bool maria = r->s->flavor == MY_FLAVOR_MARIADB;
    if (!maria && r->s->version >= 80022)
        return answers_with_rows(r, "SHOW REPLICA STATUS");
    return answers_with_rows(r, "SHOW SLAVE STATUS") ||
           (maria && answers_with_rows(r, "SHOW GLOBAL STATUS WHERE Variable_name = "
                                          "'Slaves_running' AND Value <> '0'"));
}

static void check_log_replica_updates(struct my_check_run *r)
{
    const char *found = my_check_variable(r, "log_replica_updates");
    const char *name = found ? "log_replica_updates" : "log_slave_updates";
    found = found ? found : my_check_variable(r, name);
    bool replica = is_replica(r);
    struct my_check *k = my_check_add(r, name, found, replica ? "ON (it is a replica)" : "any");
    if (!replica || (found && (strcmp(found, "ON") == 0 || strcmp(found, "1") == 0)))
        return;
    my_check_judge(k, MY_CHECK_FAIL, ERR_SRC_SETTING);
    my_check_cure_set(r, k, name, "ON", false);
}

#define PACKET_MIN ((uint64_t)16 << 20)

static void check_packet(struct my_check_run *r)
{
    uint64_t bytes = number_of(r, "max_allowed_packet", 0);
    char found[64];
    snprintf(found, sizeof found, "%llu", (unsigned long long)bytes);
    struct my_check *k =
        my_check_add(r, "max_allowed_packet", found, "at least the longest row, 16777216 or more");
    if (bytes < PACKET_MIN) {
        my_check_judge(k, MY_CHECK_WARN, ERR_SRC_SETTING);
        my_check_cure_set(r, k, "max_allowed_packet", "67108864", true);
    }
}

/* Our sessions pin these; they are shown because the application's sessions do not. */
static void note_pinned(struct my_check_run *r)
{
    my_check_add(r, "time_zone", my_check_variable(r, "time_zone"), "any (ours is +00:00)");
    my_check_add(r, "sql_mode", my_check_variable(r, "sql_mode"), "any (ours is strict)");
    my_check_add(r, "innodb_autoinc_lock_mode", my_check_variable(r, "innodb_autoinc_lock_mode"),
                 "any (rows are logged)");
}

static void check_table_names(struct my_check_run *r)
{
    const char *found = my_check_variable(r, "lower_case_table_names");
    struct my_check *k = my_check_add(r, "lower_case_table_names", found,
                                      "0 or 1, and the same on all servers of a workflow");
    if (found && strcmp(found, "2") == 0) {
        my_check_judge(k, MY_CHECK_FAIL, ERR_SRC_SETTING);
        snprintf(k->cure, sizeof k->cure,
                 "a server with 0 or 1: the log's names are not the tables' names with 2");
    }
}

static bool passes_read_only(const struct my_check_run *r)
{
    static const char *const bypass[] = {"SUPER", "CONNECTION_ADMIN", "READ_ONLY ADMIN",
                                         "READ ONLY ADMIN"};
    for (size_t i = 0; i < sizeof bypass / sizeof bypass[0]; i++)
        if (my_grants_have(r->grants, bypass[i], NULL))
            return true;
    return false;
}

static bool is_on(const char *value)
{
    return value && strcasecmp(value, "OFF") != 0 && strcmp(value, "0") != 0;
}

static void check_read_only(struct my_check_run *r)
{
    bool super = is_on(my_check_variable(r, "super_read_only"));
    const char *name = super ? "super_read_only" : "read_only";
    const char *found = my_check_variable(r, name);
    struct my_check *k = my_check_add(r, name, found, "OFF");
    if (super || (is_on(found) && !passes_read_only(r))) {
        my_check_judge(k, MY_CHECK_FAIL, ERR_DB_READ_ONLY);
        snprintf(k->cure, sizeof k->cure, "%s",
                 r->platform == MY_PLATFORM_SELF
                     ? "connect to the primary, or SET GLOBAL read_only = OFF"
                     : "connect to the writer endpoint");
    }
}

/* Without it, a server that logs lets only SUPER create triggers (error 1419). */
static void check_trigger_trust(struct my_check_run *r)
{
    const char *name = "log_bin_trust_function_creators";
    const char *found = my_check_variable(r, name);
    if (!found || !is_on(my_check_variable(r, "log_bin")))
        return;
    struct my_check *k = my_check_add(r, name, found, "ON, or SUPER for the account");
    if (!is_on(found) && !my_grants_have(r->grants, "SUPER", NULL)) {
        my_check_judge(k, MY_CHECK_WARN, ERR_DB_DENIED);
        my_check_cure_set(r, k, name, "1", true);
    }
}

/* Is name among the comma-separated list? */
static bool listed(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *s = list; s && *s; s = strchr(s, ','), s = s ? s + 1 : s)
        if (strncmp(s, name, n) == 0 && (s[n] == 0 || s[n] == ','))
            return true;
    return false;
}

static void judge_filter(struct my_check_run *r, const char *only, const char *ignore)
{
    char found[160];
    snprintf(found, sizeof found, "binlog_do_db=%.60s binlog_ignore_db=%.60s", only, ignore);
    struct my_check *k = my_check_add(r, "binlog filter", found, "none for this database");
    bool out =
        r->database && ((only[0] && !listed(only, r->database)) || listed(ignore, r->database));
    my_check_judge(k, out ? MY_CHECK_FAIL : MY_CHECK_WARN, ERR_SRC_SETTING);
    snprintf(k->cure, sizeof k->cure,
             "remove binlog_do_db and binlog_ignore_db from my.cnf and restart");
}

/* Changes of databases that the server filters out of its log would be lost silently. */
static void check_filter(struct my_check_run *r)
{
    bool renamed = r->s->flavor == MY_FLAVOR_MYSQL && r->s->version >= 80200;
    struct err ignored;
    struct my_result *rows =
        my_query(r->c, renamed ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS", &ignored);
    struct my_cell cells[16];
    if (rows && my_result_columns(rows) >= 4 && my_result_columns(rows) <= 16 &&
        my_result_next(rows, cells, &ignored) == MY_ROW && (cells[2].n > 0 || cells[3].n > 0))
        judge_filter(r, cells[2].p, cells[3].p);
    my_result_free(rows);
}

/* ── the table ─────────────────────────────────────────────────────────── */

static const struct {
    void (*check)(struct my_check_run *r);
    unsigned roles;
} judged[] = {
    {check_server_id, LOGGED},
    {check_gtid, LOGGED},
    {check_retention, SOURCE},
    {check_log_replica_updates, LOGGED},
    {check_filter, LOGGED},
    {check_packet, ANY},
    {check_table_names, ANY},
    {note_pinned, ANY},
    {check_read_only, MY_ROLE_TARGET | MY_ROLE_SWITCH},
    {check_trigger_trust, MY_ROLE_TARGET | MY_ROLE_SWITCH},
};

bool my_check_settings(struct my_check_run *r, struct err *e)
{
    check_fixed_settings(r);
    for (size_t i = 0; i < sizeof judged / sizeof judged[0]; i++)
        if (judged[i].roles & r->roles)
            judged[i].check(r);
    return my_ping(r->c, e); /* a check that could not ask must not pass for a clean server */
}
