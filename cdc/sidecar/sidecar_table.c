/* cdc/sidecar/sidecar_table.c — the statements that are alike for all tables. */
#include "cdc/sidecar/sidecar_table.h"

#define NO_SUCH_TABLE    1146
#define NO_SUCH_DATABASE 1049

/* Every table is InnoDB whatever the server's default engine is: the rows must live and die with
 * the transaction that writes them. */
void sidecar_table_put_create(const struct sidecar_table *t, struct buf *sql)
{
    buf_printf(sql, "CREATE TABLE IF NOT EXISTS `" SLUICE_SIDECAR_DB "`.`%s` (", t->name);
    for (const struct sidecar_column *c = t->columns; c->name != NULL; c++)
        buf_printf(sql, "`%s` %s, ", c->name, c->type);
    buf_printf(sql, "%s) ENGINE=InnoDB ROW_FORMAT=DYNAMIC", t->keys);
}

void sidecar_put_where(struct buf *sql, const struct sidecar_key *key)
{
    buf_put_sql_text(sql, " WHERE `workflow`=", key->workflow);
    buf_put_sql_text(sql, " AND `stream`=", key->stream);
}

bool sidecar_table_forget(struct my_conn *c, const struct sidecar_table *t,
                          const char *workflow_key, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_printf(&sql, "DELETE FROM `" SLUICE_SIDECAR_DB "`.`%s`", t->name);
    buf_put_sql_text(&sql, " WHERE `workflow` = ", workflow_key);
    return my_exec(c, buf_str(&sql), NULL, e);
}

bool sidecar_is_absent(const struct err *e)
{
    return e->native == NO_SUCH_TABLE || e->native == NO_SUCH_DATABASE;
}
