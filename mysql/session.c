/* mysql/session.c — the one table of what our sessions pin, and why.
 *
 * A new session inherits the server's global values; `DEFAULT` means the global value, not the
 * compiled one. So every setting that can change the result of a statement of ours, or the
 * definition that a CREATE or ALTER makes, has its value here. The server is asked which of them it
 * knows: names come and go with versions. A setting that takes a privilege of its own (RESTRICTED)
 * is set where it differs and we may; where we may not, what it does is looked at afterwards (a
 * table that we make is compared with the source's).
 *
 * Not here: what is checked instead because a session cannot rule it (mysql/checks_settings.c), and
 * what a statement's own text says (engine, row format, character set and collation of each table).
 */
#include "base/mem.h"
#include "mysql/internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ER_ACCESS 1227

enum kind {
    KNOWN, /* set where the server knows it */
    FIRST, /* every server knows it, and it could spoil the question which of the others are */
    FIRST_MARIA,
    FIRST_MYSQL,
    RESTRICTED
};

struct pinned {
    const char *name, *value; /* as SQL */
    enum kind kind;
};

static const struct pinned pinned[] = {
    /* Statements: what a text means, and what its values are. */
    {"sql_mode", "'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'", FIRST},
    {"time_zone", "'+00:00'", KNOWN},
    {"lc_time_names", "'en_US'", KNOWN},
    {"lc_messages", "'en_US'", KNOWN}, /* the key's name is read from 1062's text */
    {"sql_auto_is_null", "0", KNOWN},
    {"div_precision_increment", "4", KNOWN},
    {"default_week_format", "0", KNOWN},
    {"default_regex_flags", "''", KNOWN},
    {"block_encryption_mode", "'aes-128-ecb'", RESTRICTED},
    {"group_concat_max_len", "1048576", KNOWN},
    {"max_sort_length", "4096", KNOWN},
    {"old_mode", "'UTF8_IS_UTF8MB3'", KNOWN},
    {"sql_if_exists", "0", KNOWN},
    {"windowing_use_high_precision", "1", RESTRICTED},
    {"optimizer_switch", "'default'", KNOWN},
    /* Limits: what is left out, or refused, above them. */
    {"max_join_size", "18446744073709551615", FIRST},
    {"sql_big_selects", "1", FIRST}, /* behind max_join_size, which clears it */
    {"sql_select_limit", "18446744073709551615", FIRST},
    {"sql_safe_updates", "0", KNOWN},
    {"cte_max_recursion_depth", "100000", KNOWN}, /* labels are counted by recursion */
    {"max_recursive_iterations", "100000", KNOWN},
    {"max_statement_time", "0", FIRST_MARIA},
    {"max_execution_time", "0", FIRST_MYSQL},
    {"net_read_timeout", "600", KNOWN},
    {"net_write_timeout", "600", KNOWN},
    {"wait_timeout", "28800", KNOWN},
    {"idle_transaction_timeout", "0", KNOWN},
    {"idle_readonly_transaction_timeout", "0", KNOWN},
    {"idle_write_transaction_timeout", "0", KNOWN},
    {"innodb_lock_wait_timeout", "50", KNOWN},
    {"lock_wait_timeout", "86400", KNOWN},
    /* Transactions and constraints. */
    {"autocommit", "1", FIRST},
    {"completion_type", "'NO_CHAIN'", KNOWN},
    {"tx_isolation", "'REPEATABLE-READ'", KNOWN},
    {"transaction_isolation", "'REPEATABLE-READ'", KNOWN},
    {"tx_read_only", "0", KNOWN},
    {"transaction_read_only", "0", KNOWN},
    {"innodb_table_locks", "1", KNOWN},
    {"foreign_key_checks", "1", KNOWN},
    {"unique_checks", "1", KNOWN},
    {"check_constraint_checks", "1", KNOWN},
    {"auto_increment_increment", "1", RESTRICTED},
    {"auto_increment_offset", "1", RESTRICTED},
    {"system_versioning_insert_history", "0", KNOWN},
    {"system_versioning_asof", "DEFAULT", KNOWN}, /* no time, whatever the global value is */
    /* Definitions: what CREATE and ALTER make, and what the server shows of them. */
    {"alter_algorithm", "'DEFAULT'", KNOWN},
    {"old_alter_table", "0", KNOWN}, /* an older name of it on MariaDB: the same value */
    {"character_set_collations", "''", KNOWN},
    {"default_collation_for_utf8mb4", "'utf8mb4_0900_ai_ci'", RESTRICTED},
    {"default_storage_engine", "'InnoDB'", KNOWN},
    {"enforce_storage_engine", "NULL", RESTRICTED},
    {"explicit_defaults_for_timestamp", "1", RESTRICTED},
    {"innodb_strict_mode", "1", RESTRICTED},
    {"innodb_compression_default", "0", KNOWN},
    {"innodb_default_encryption_key_id", "1", KNOWN},
    {"mhnsw_default_m", "6", KNOWN}, /* a vector key's text has them where they are others */
    {"mhnsw_default_distance", "'euclidean'", KNOWN},
    {"sql_require_primary_key", "0", RESTRICTED},
    {"sql_generate_invisible_primary_key", "0", RESTRICTED},
    {"show_gipk_in_create_table_and_information_schema", "1", KNOWN},
    {"show_create_table_verbosity", "0", KNOWN},
    {"show_create_table_skip_secondary_engine", "0", KNOWN},
    {"sql_quote_show_create", "1", KNOWN},
    {"information_schema_stats_expiry", "0", KNOWN},
    {"system_versioning_alter_history", "'ERROR'", KNOWN},
    /* The wire: what our own reader of answers counts on. */
    {"session_track_schema", "0", KNOWN},
    {"session_track_state_change", "0", KNOWN},
    {"session_track_system_variables", "''", KNOWN},
    {"session_track_transaction_info", "'OFF'", KNOWN},
    {"session_track_gtids", "'OFF'", RESTRICTED},
};
enum { N_PINNED = sizeof pinned / sizeof pinned[0] };

/* What the server has of the table; *differs: its value as text is another one. */
struct known {
    bool there[N_PINNED], differs[N_PINNED];
};

static bool is_value(const struct pinned *p, const char *shown)
{
    char quoted[300];
    bool number = p->value[0] == '0' || p->value[0] == '1';
    snprintf(quoted, sizeof quoted, "'%.290s'", shown);
    if (number)
        return strcasecmp(shown, p->value[0] == '1' ? "ON" : "OFF") == 0 ||
               strcmp(shown, p->value) == 0;
    return strcasecmp(quoted, p->value) == 0 || strcasecmp(shown, p->value) == 0 ||
           (shown[0] == 0 && strcmp(p->value, "NULL") == 0);
}

static void note(struct known *k, const char *name, const char *value)
{
    for (size_t i = 0; i < N_PINNED; i++) {
        if (strcasecmp(pinned[i].name, name) != 0)
            continue;
        k->there[i] = true;
        k->differs[i] = !is_value(&pinned[i], value);
    }
}

static bool ask(struct my_conn *c, struct known *k, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    struct my_cell v[2];
    enum my_next next = MY_FAIL;
    buf_put_str(&sql, "SHOW SESSION VARIABLES WHERE Variable_name IN (");
    for (size_t i = 0; i < N_PINNED; i++)
        buf_printf(&sql, "%s'%s'", i > 0 ? "," : "", pinned[i].name);
    buf_put_str(&sql, ")");
    struct my_result *r = my_query(c, buf_str(&sql), e);
    while (r && (next = my_result_next(r, v, e)) == MY_ROW)
        note(k, v[0].p ? v[0].p : "", v[1].p ? v[1].p : "");
    my_result_free(r);
    return next == MY_END;
}

static bool set_first(struct my_conn *c, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    enum kind ours = c->server.flavor == MY_FLAVOR_MARIADB ? FIRST_MARIA : FIRST_MYSQL;
    buf_put_str(&sql, "SET NAMES binary, character_set_results = NULL");
    for (size_t i = 0; i < N_PINNED; i++)
        if (pinned[i].kind == FIRST || pinned[i].kind == ours)
            buf_printf(&sql, ", SESSION %s = %s", pinned[i].name, pinned[i].value);
    return my_exec(c, buf_str(&sql), NULL, e);
}

static bool set_restricted(struct my_conn *c, const struct pinned *p, struct err *e)
{
    struct err refused = ERR_INIT;
    if (my_execf(c, &refused, "SET SESSION %s = %s", p->name, p->value))
        return true;
    return refused.native == ER_ACCESS || err_copy(e, &refused);
}

bool my_session_pin(struct my_conn *c, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    struct known k = {{false}, {false}};
    if (!set_first(c, e) || !ask(c, &k, e))
        return false;
    for (size_t i = 0; i < N_PINNED; i++)
        if (k.there[i] && k.differs[i] && pinned[i].kind == KNOWN)
            buf_printf(&sql, "%s SESSION %s = %s", sql.len > 0 ? "," : "SET", pinned[i].name,
                       pinned[i].value);
    if (sql.len > 0 && !my_exec(c, buf_str(&sql), NULL, e))
        return false;
    for (size_t i = 0; i < N_PINNED; i++)
        if (k.there[i] && k.differs[i] && pinned[i].kind == RESTRICTED &&
            !set_restricted(c, &pinned[i], e))
            return false;
    return true;
}
