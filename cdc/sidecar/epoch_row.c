/* cdc/sidecar/epoch_row.c — the table of epochs, and its statements. */
#include "cdc/sidecar/epoch_row.h"

#define EPOCH SIDECAR_TABLE("epoch")

const struct sidecar_table epoch_row_table = {
    .name = "epoch",
    .servers = "every server that is a target",
    .row = "one stream: who may write for it",
    .written =
        "A new owner of the workflow raises it before it reads positions and progress; every "
        "transaction of ours locks it in share mode and compares it first.",
    .removed = "complete, cancel and delete remove it, a new copy does not: an older owner stays "
               "shut out.",
    .columns = {{"workflow", SIDECAR_NAME, "the workflow's key, `<keyspace>/<workflow>`"},
                {"stream", SIDECAR_NAME, "`<source keyspace>/<source shard>><target shard>`"},
                {"epoch", SIDECAR_COUNT, "the epoch of the workflow's lease; only ever raised"}},
    .keys = "PRIMARY KEY (`workflow`, `stream`)",
};

const char epoch_row_read_sql[] =
    "SELECT `epoch` FROM " EPOCH " WHERE `workflow`=? AND `stream`=? LOCK IN SHARE MODE";
const char epoch_row_take_over_sql[] =
    "INSERT INTO " EPOCH " (`workflow`,`stream`,`epoch`) VALUES (?,?,?) ON DUPLICATE KEY "
    "UPDATE `epoch`=GREATEST(`epoch`,?)";

bool epoch_rows_raise(struct my_conn *c, const char *workflow_key, uint64_t epoch,
                      uint64_t *n_above, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_printf(&sql, "UPDATE " EPOCH " SET `epoch` = GREATEST(`epoch`, %llu)",
               (unsigned long long)epoch);
    buf_put_sql_text(&sql, " WHERE `workflow` = ", workflow_key);
    if (!my_exec(c, buf_str(&sql), NULL, e))
        return false;
    buf_reset(&sql);
    buf_printf(&sql, "SELECT COUNT(*) FROM " EPOCH " WHERE `epoch` > %llu",
               (unsigned long long)epoch);
    buf_put_sql_text(&sql, " AND `workflow` = ", workflow_key);
    buf_put_str(&sql, " FOR UPDATE");
    return my_query_u64(c, buf_str(&sql), n_above, e);
}
