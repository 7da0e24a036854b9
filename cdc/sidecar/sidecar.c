/* cdc/sidecar/sidecar.c — the list of all tables; making them, and forgetting a workflow's rows. */
#include "cdc/sidecar/sidecar.h"

#include "cdc/sidecar/epoch_row.h"
#include "cdc/sidecar/incarnation.h"
#include "cdc/sidecar/journal_row.h"
#include "cdc/sidecar/left_out_row.h"
#include "cdc/sidecar/log_mark.h"
#include "cdc/sidecar/note.h"
#include "cdc/sidecar/position_row.h"
#include "cdc/sidecar/progress_row.h"
#include "cdc/sidecar/sidecar_version.h"
#include "cdc/sidecar/vschema_row.h"
#include "cdc/sidecar/workflow_row.h"

static const struct sidecar_table *const tables[] = {
    &epoch_row_table,   &position_row_table, &progress_row_table, &left_out_row_table,
    &incarnation_table, &workflow_row_table, &log_mark_table,     &note_table,
    &journal_row_table, &vschema_row_table,
};
static const size_t n_tables = sizeof tables / sizeof *tables;

/* Asking first keeps a restart silent in the binary log: CREATE … IF NOT EXISTS is logged even when
 * it does nothing. */
static bool all_there(struct my_conn *c, bool *there, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    uint64_t found = 0;
    buf_put_str(&sql, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = "
                      "'" SLUICE_SIDECAR_DB "' AND TABLE_NAME IN (");
    for (size_t i = 0; i < n_tables; i++)
        buf_printf(&sql, "%s'%s'", i ? ", " : "", tables[i]->name);
    buf_put_u8(&sql, ')');
    bool ok = my_query_u64(c, buf_str(&sql), &found, e);
    *there = found == n_tables;
    return ok;
}

static bool create_missing(struct my_conn *c, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    bool ok = true;
    for (size_t i = 0; ok && i < n_tables; i++) {
        buf_reset(&sql);
        sidecar_table_put_create(tables[i], &sql);
        ok = my_exec(c, buf_str(&sql), NULL, e);
    }
    return ok;
}

/* Under the lock the version is read again: another session may have been here in between. */
static bool bring_up(struct my_conn *c, struct err *e)
{
    unsigned version = 0;
    return sidecar_version_read(c, &version, e) &&
           my_exec(c, "CREATE DATABASE IF NOT EXISTS `" SLUICE_SIDECAR_DB "` CHARACTER SET utf8mb4",
                   NULL, e) &&
           sidecar_upgrade(c, version, e) && create_missing(c, e);
}

static bool is_up(struct my_conn *c, bool *yes, struct err *e)
{
    unsigned version = 0;
    *yes = false;
    return sidecar_version_read(c, &version, e) &&
           (version < SIDECAR_VERSION || all_there(c, yes, e));
}

bool sidecar_create(struct my_conn *c, struct err *e)
{
    bool up = false;
    bool ok = is_up(c, &up, e);
    if (ok && !up) {
        ok = sidecar_lock(c, e) && bring_up(c, e);
        sidecar_unlock(c);
    }
    return ok || err_prepend(e, "sidecar tables");
}

bool sidecar_check(struct my_conn *c, struct err *e)
{
    unsigned version = 0;
    uint64_t n = 0;
    if (!sidecar_version_read(c, &version, e) ||
        (version < SIDECAR_VERSION &&
         !my_query_u64(c,
                       "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = "
                       "'" SLUICE_SIDECAR_DB "'",
                       &n, e)))
        return err_prepend(e, "sidecar tables");
    return n == 0 || sidecar_create(c, e);
}

bool sidecar_forget_progress(struct my_conn *c, const char *workflow_key, struct err *e)
{
    static const struct sidecar_table *const of_streams[] = {
        &progress_row_table, &left_out_row_table, &incarnation_table, &position_row_table};
    for (size_t i = 0; i < sizeof of_streams / sizeof *of_streams; i++) {
        if (!sidecar_table_forget(c, of_streams[i], workflow_key, e))
            return err_prepend(e, "forgetting %s", workflow_key);
    }
    return true;
}

bool sidecar_forget(struct my_conn *c, const char *workflow_key, struct err *e)
{
    if (!sidecar_table_forget(c, &epoch_row_table, workflow_key, e))
        return err_prepend(e, "forgetting %s", workflow_key);
    return sidecar_forget_progress(c, workflow_key, e);
}

bool sidecar_forget_table(struct my_conn *c, const char *workflow_key, const char *db,
                          const char *table, struct err *e)
{
    return (progress_rows_forget_table(c, workflow_key, table, e) &&
            left_out_rows_forget_table(c, workflow_key, table, e) &&
            incarnation_forget(c, workflow_key, db, table, e)) ||
           err_prepend(e, "forgetting %s", table);
}

bool sidecar_forget_positions(struct my_conn *c, const char *workflow_key, struct err *e)
{
    return (sidecar_table_forget(c, &progress_row_table, workflow_key, e) &&
            sidecar_table_forget(c, &position_row_table, workflow_key, e)) ||
           err_prepend(e, "forgetting the positions of %s", workflow_key);
}
