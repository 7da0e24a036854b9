/* cdc/sidecar/fence_row.c — the tables of a shard's fence, and their statements. */
#include "cdc/sidecar/fence_row.h"

#include "base/clock.h"

#define FENCE "`" SLUICE_SIDECAR_DB "`.`%s%s`"

const struct sidecar_table fence_row_table = {
    .name = "fence_<hash>",
    .servers = "every server of a workflow whose fence is made of triggers; with `fence_<hash>_x`, "
               "which has the same columns and no row",
    .row = "one shard's fence: whether its triggers let writers pass",
    .written = "Arming a fence makes it, closing and opening the fence update it; the triggers of "
               "the shard's tables read it.",
    .removed = "complete, cancel and delete drop both tables, after the triggers.",
    .columns = {{"id", "TINYINT NOT NULL", "1"},
                {"closed", "TINYINT NOT NULL", "1: writers are refused with error 1290"}},
    .keys = "PRIMARY KEY (`id`)",
};

bool fence_row_make(struct my_conn *c, const char *name, const char *workflow_key, struct err *e)
{
    static const char *const suffixes[] = {"", "_x"};
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    for (size_t i = 0; i < 2; i++) {
        buf_reset(&sql);
        buf_printf(&sql,
                   "CREATE /* sluice:%s */ TABLE IF NOT EXISTS " FENCE
                   " (id TINYINT NOT NULL PRIMARY KEY, closed TINYINT NOT NULL) ENGINE=InnoDB",
                   workflow_key, name, suffixes[i]);
        if (!my_exec(c, buf_str(&sql), NULL, e))
            return false;
    }
    return my_execf(c, e, "INSERT INTO " FENCE " VALUES (1, 0) ON DUPLICATE KEY UPDATE closed = 0",
                    name, "") &&
           my_exec(c, "COMMIT", NULL, e);
}

void fence_row_put_reading(struct buf *sql, const char *name, const char *variable)
{
    buf_printf(sql, "SELECT MAX(id) INTO %s FROM " FENCE " WHERE id = 1 FOR UPDATE; ", variable,
               name, "_x");
    buf_printf(sql, "SELECT MAX(closed) INTO %s FROM " FENCE " WHERE id = 1 LOCK IN SHARE MODE; ",
               variable, name, "");
}

void fence_row_put_hold(struct buf *sql, const char *name)
{
    buf_printf(sql, "LOCK TABLES " FENCE " WRITE, " FENCE " WRITE", name, "", name, "_x");
}

void fence_row_put_gate(struct buf *sql, const char *name)
{
    buf_printf(sql, "SELECT closed FROM " FENCE " WHERE id = 1 FOR UPDATE", name, "");
}

void fence_row_put_drop(struct buf *sql, const char *name, const char *workflow_key)
{
    buf_printf(sql, "DROP /* sluice:%s */ TABLE IF EXISTS " FENCE ", " FENCE, workflow_key, name,
               "", name, "_x");
}

bool fence_row_set(struct my_conn *c, const char *name, bool closed, uint64_t *matched,
                   struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_printf(&sql, "UPDATE " FENCE " SET closed = %d WHERE id = 1", name, "", closed);
    return my_exec(c, buf_str(&sql), matched, e) && my_exec(c, "COMMIT", NULL, e);
}

bool fence_row_read(struct my_conn *c, const char *name, bool *closed, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    uint64_t n = 0;
    buf_printf(&sql, "SELECT IFNULL(MAX(closed), 0) FROM " FENCE, name, "");
    bool ok = my_query_u64(c, buf_str(&sql), &n, e);
    *closed = n != 0;
    return ok;
}

static bool rename_there_and_back(struct my_conn *c, const char *name, int64_t *took_us,
                                  struct err *e)
{
    int64_t begun_us = clock_mono_us();
    if (!my_execf(c, e, "ALTER TABLE " FENCE " RENAME TO " FENCE, name, "", name, "_y") ||
        !my_execf(c, e, "ALTER TABLE " FENCE " RENAME TO " FENCE, name, "_y", name, ""))
        return false;
    *took_us = (clock_mono_us() - begun_us) / 2;
    return true;
}

bool fence_row_measure_rename(struct my_conn *c, const char *name, int64_t *took_us, struct err *e)
{
    return my_execf(c, e, "DROP TABLE IF EXISTS " FENCE ", " FENCE, name, "", name, "_y") &&
           my_execf(c, e, "CREATE TABLE " FENCE " (id TINYINT) ENGINE=InnoDB", name, "") &&
           rename_there_and_back(c, name, took_us, e) &&
           my_execf(c, e, "DROP TABLE " FENCE, name, "");
}
