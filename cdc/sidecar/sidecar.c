/* cdc/sidecar/sidecar.c — the DDL of database _sluice, and forgetting a workflow's rows. */
#include "cdc/sidecar/sidecar.h"

#include "cdc/sidecar/incarnation.h"
#include "cdc/sidecar/journal.h"

#include <string.h>

/* Keys are compared byte by byte: two keyspaces may differ in case only. Positions are texts of any
 * length (a GTID set grows). Every table is InnoDB whatever the server's default engine is: the
 * rows must live and die with the transaction that writes them. */
#define NAME_TYPE "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL"
#define TEXT_TYPE "LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
#define TABLE_END ") ENGINE=InnoDB ROW_FORMAT=DYNAMIC"

static const char *const statements[] = {
    "CREATE DATABASE IF NOT EXISTS `" SLUICE_SIDECAR_DB "` CHARACTER SET utf8mb4",

    "CREATE TABLE IF NOT EXISTS `" SLUICE_SIDECAR_DB "`.`epoch` ("
    "`workflow` " NAME_TYPE ", `stream` " NAME_TYPE ", `epoch` BIGINT UNSIGNED NOT NULL,"
    " PRIMARY KEY (`workflow`, `stream`)" TABLE_END,

    "CREATE TABLE IF NOT EXISTS `" SLUICE_SIDECAR_DB "`.`position` ("
    "`workflow` " NAME_TYPE ", `stream` " NAME_TYPE ", `n` BIGINT UNSIGNED NOT NULL,"
    " `phase` VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,"
    " `pos` " TEXT_TYPE " NOT NULL, `u_pos` " TEXT_TYPE " NOT NULL,"
    " PRIMARY KEY (`workflow`, `stream`)" TABLE_END,

    "CREATE TABLE IF NOT EXISTS `" SLUICE_SIDECAR_DB "`.`progress` ("
    "`workflow` " NAME_TYPE ", `stream` " NAME_TYPE ", `tab` " NAME_TYPE ","
    " `range_no` INT UNSIGNED NOT NULL, `lower` " TEXT_TYPE " NOT NULL, `upper` " TEXT_TYPE
    " NOT NULL, `last` " TEXT_TYPE " NOT NULL, `done` TINYINT NOT NULL,"
    " `rows` BIGINT UNSIGNED NOT NULL,"
    " PRIMARY KEY (`workflow`, `stream`, `tab`, `range_no`)" TABLE_END,

    "CREATE TABLE IF NOT EXISTS `" SLUICE_SIDECAR_DB "`.`left_out` ("
    "`id` BINARY(32) NOT NULL, `workflow` " NAME_TYPE ", `stream` " NAME_TYPE ", `tab` " NAME_TYPE
    ", `row_key` LONGBLOB NOT NULL, `reason` LONGBLOB NOT NULL, PRIMARY KEY (`id`),"
    " KEY `of_stream` (`workflow`, `stream`)" TABLE_END,

    "CREATE TABLE IF NOT EXISTS `" SLUICE_SIDECAR_DB "`.`target_table` ("
    "`workflow` " NAME_TYPE ", `db` " NAME_TYPE ", `tab` " NAME_TYPE ", `incarnation` " TEXT_TYPE
    " NOT NULL, PRIMARY KEY (`workflow`, `db`, `tab`)" TABLE_END,

    SIDECAR_WORKFLOW_DDL,

    "CREATE TABLE IF NOT EXISTS `" SLUICE_SIDECAR_DB "`.`watermark` ("
    "`name` " NAME_TYPE ", `n` BIGINT UNSIGNED NOT NULL, PRIMARY KEY (`name`)" TABLE_END,

    "CREATE TABLE IF NOT EXISTS `" SLUICE_SIDECAR_DB "`.`journal` ("
    "`id` BIGINT NOT NULL, `val` " TEXT_TYPE " NOT NULL, PRIMARY KEY (`id`)" TABLE_END,
};
static const size_t n_statements = sizeof statements / sizeof *statements;

/* Asking first keeps a restart silent in the binary log: CREATE … IF NOT EXISTS is logged even when
 * it does nothing. */
static bool all_there(struct my_conn *c, bool *there, struct err *e)
{
    uint64_t found = 0;
    if (!my_query_u64(c,
                      "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = "
                      "'" SLUICE_SIDECAR_DB "' AND TABLE_NAME IN ('epoch', 'position', 'progress', "
                      "'left_out', 'target_table', 'workflow', 'watermark', 'journal')",
                      &found, e))
        return false;
    *there = found == n_statements - 1;
    return true;
}

bool sidecar_create(struct my_conn *c, struct err *e)
{
    bool there = false;
    if (!all_there(c, &there, e))
        return err_prepend(e, "sidecar tables");
    for (size_t i = 0; i < n_statements && !there; i++) {
        if (!my_exec(c, statements[i], NULL, e))
            return err_prepend(e, "sidecar tables");
    }
    return true;
}

static bool forget(struct my_conn *c, const char *workflow_key, bool epochs, struct err *e)
{
    static const char *const tables[] = {"epoch", "progress", "left_out", "target_table",
                                         "position"};
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    for (size_t i = epochs ? 0 : 1; i < sizeof tables / sizeof *tables; i++) {
        buf_reset(&sql);
        buf_printf(&sql, "DELETE FROM `" SLUICE_SIDECAR_DB "`.`%s` WHERE `workflow` = ", tables[i]);
        buf_put_sql_string(&sql, workflow_key, strlen(workflow_key));
        if (!my_exec(c, buf_str(&sql), NULL, e))
            return err_prepend(e, "forgetting %s", workflow_key);
    }
    return true;
}

bool sidecar_forget(struct my_conn *c, const char *workflow_key, struct err *e)
{
    return forget(c, workflow_key, true, e);
}

bool sidecar_forget_progress(struct my_conn *c, const char *workflow_key, struct err *e)
{
    return forget(c, workflow_key, false, e);
}

static bool forget_table_in(struct my_conn *c, const char *sidecar_table, const char *workflow_key,
                            const char *table, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_printf(&sql, "DELETE FROM `" SLUICE_SIDECAR_DB "`.`%s`", sidecar_table);
    buf_put_sql_text(&sql, " WHERE `workflow` = ", workflow_key);
    buf_put_sql_text(&sql, " AND `tab` = ", table);
    return my_exec(c, buf_str(&sql), NULL, e);
}

bool sidecar_forget_table(struct my_conn *c, const char *workflow_key, const char *db,
                          const char *table, struct err *e)
{
    return (forget_table_in(c, "progress", workflow_key, table, e) &&
            forget_table_in(c, "left_out", workflow_key, table, e) &&
            incarnation_forget(c, workflow_key, db, table, e)) ||
           err_prepend(e, "forgetting %s", table);
}

#define PROGRESS   "`" SLUICE_SIDECAR_DB "`.`progress`"
#define KEPT_RANGE "4294967295" /* until the rows that it takes the place of are gone */
#define PLAIN_STREAMS                                                                              \
    "(SELECT s.`stream` FROM `" SLUICE_SIDECAR_DB "`.`position` s WHERE s.`phase` = 'plain'"       \
    " AND s.`workflow` = "

/* The new row has how many were copied. */
static void put_kept_row(struct buf *sql, const char *workflow_key, const char *table)
{
    buf_put_str(sql,
                "INSERT INTO " PROGRESS " (`workflow`, `stream`, `tab`, `range_no`, `lower`, "
                "`upper`, `last`, `done`, `rows`) SELECT `workflow`, `stream`, `tab`, " KEPT_RANGE
                ", '', '', '" PROGRESS_KEPT "', 1, SUM(`rows`) FROM " PROGRESS);
    buf_put_sql_text(sql, " WHERE `workflow` = ", workflow_key);
    buf_put_sql_text(sql, " AND `tab` = ", table);
    buf_put_sql_text(sql, " AND `stream` IN " PLAIN_STREAMS, workflow_key);
    buf_put_str(sql, ") GROUP BY `workflow`, `stream`, `tab`");
}

static bool run_on_table(struct my_conn *c, struct buf *sql, const char *workflow_key,
                         const char *table, struct err *e)
{
    buf_put_sql_text(sql, " AND `workflow` = ", workflow_key);
    buf_put_sql_text(sql, " AND `tab` = ", table);
    return my_exec(c, buf_str(sql), NULL, e);
}

bool sidecar_keep_table(struct my_conn *c, const char *workflow_key, const char *table,
                        struct err *e)
{
    CLEANUP(buf_fini) struct buf make = BUF_INIT;
    CLEANUP(buf_fini) struct buf old = BUF_INIT;
    CLEANUP(buf_fini) struct buf number = BUF_INIT;
    put_kept_row(&make, workflow_key, table);
    buf_put_sql_text(&old,
                     "DELETE FROM " PROGRESS " WHERE `range_no` <> " KEPT_RANGE
                     " AND `stream` IN " PLAIN_STREAMS,
                     workflow_key);
    buf_put_str(&old, ")");
    buf_put_str(&number, "UPDATE " PROGRESS " SET `range_no` = 0 WHERE `range_no` = " KEPT_RANGE);
    return (my_exec(c, buf_str(&make), NULL, e) && run_on_table(c, &old, workflow_key, table, e) &&
            run_on_table(c, &number, workflow_key, table, e)) ||
           err_prepend(e, "keeping %s", table);
}

bool sidecar_copy_again(struct my_conn *c, const char *workflow_key, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_sql_text(&sql,
                     "UPDATE `" SLUICE_SIDECAR_DB "`.`position` SET `phase` = 'copy', `u_pos` = ''"
                     " WHERE `workflow` = ",
                     workflow_key);
    return my_exec(c, buf_str(&sql), NULL, e);
}
