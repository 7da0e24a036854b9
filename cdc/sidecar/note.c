/* cdc/sidecar/note.c — the table of notes, and its statements. */
#include "cdc/sidecar/note.h"

#define NOTE SIDECAR_TABLE("note")

const struct sidecar_table note_table = {
    .name = "note",
    .servers = "the first target shard, by name, of a workflow",
    .row = "one fact that outlives the rows of workflows",
    .written = "The transaction that removes a workflow's row says how it ended; a switch writes "
               "the version of the routing document.",
    .removed = "A new workflow of the same name removes how the earlier one ended; the version is "
               "never removed.",
    .columns = {{"name", SIDECAR_NAME,
                 "`ended:complete:<workflow>`, `ended:cancel:<workflow>` or "
                 "`routing:<installation>`"},
                {"n", SIDECAR_COUNT, "the version; else without meaning"}},
    .keys = "PRIMARY KEY (`name`)",
};

bool note_raise(struct my_conn *c, const char *name, uint64_t n, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_sql_text(&sql, "INSERT INTO " NOTE " SET `name` = ", name);
    buf_printf(&sql, ", `n` = %llu ON DUPLICATE KEY UPDATE `n` = GREATEST(`n`, %llu)",
               (unsigned long long)n, (unsigned long long)n);
    return my_exec(c, buf_str(&sql), NULL, e);
}

bool note_read(struct my_conn *c, const char *name, uint64_t *n, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    *n = 0;
    buf_put_sql_text(&sql, "SELECT IFNULL(MAX(`n`), 0) FROM " NOTE " WHERE `name` = ", name);
    if (my_query_u64(c, buf_str(&sql), n, e))
        return true;
    if (!sidecar_is_absent(e))
        return false;
    err_clear(e);
    return true;
}

bool note_remove(struct my_conn *c, const char *name, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_sql_text(&sql, "DELETE FROM " NOTE " WHERE `name` = ", name);
    return my_exec(c, buf_str(&sql), NULL, e);
}
