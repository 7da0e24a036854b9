/* cdc/sidecar/log_mark.c — the table of log marks, and its one statement. */
#include "cdc/sidecar/log_mark.h"

const struct sidecar_table log_mark_table = {
    .name = "log_mark",
    .servers = "every server that is a source",
    .row = "one reason for which a transaction of our own is committed to the log",
    .written = "A copy, to prove which changes its reads include; a stream, so that the log passes "
               "a position now; a switch, to mark the final position.",
    .removed = "Never; there is one row a reason, which is updated.",
    .columns = {{"name", SIDECAR_NAME,
                 "`copy`, `stream:<workflow>` or `switch:<workflow>:<shard>`"},
                {"n", SIDECAR_COUNT, "how often; without meaning"}},
    .keys = "PRIMARY KEY (`name`)",
};

bool log_mark_write(struct my_conn *c, const char *name, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_sql_text(&sql, "INSERT INTO " SIDECAR_TABLE("log_mark") " SET `n`=1,`name`=", name);
    buf_put_str(&sql, " ON DUPLICATE KEY UPDATE `n`=`n`+1");
    return my_exec(c, buf_str(&sql), NULL, e);
}
