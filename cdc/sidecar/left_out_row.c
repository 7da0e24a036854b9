/* cdc/sidecar/left_out_row.c — the table of rows that copies left out, and its statements. */
#include "cdc/sidecar/left_out_row.h"

#define LEFT_OUT SIDECAR_TABLE("left_out")

const struct sidecar_table left_out_row_table = {
    .name = "left_out",
    .servers = "every server that is a target",
    .row = "one row that a copy left out for a duplicate key, and that replay has not brought yet",
    .written = "The transaction of the chunk that lacks the row adds it; the applied change that "
               "brings the row, or deletes it, removes it.",
    .removed = "as said; and complete, cancel, delete and a new copy.",
    .columns = {{"id", "BINARY(32) NOT NULL",
                 "SHA-256 of workflow, stream, table and key: the key itself may be longer than "
                 "what an index takes"},
                {"workflow", SIDECAR_NAME, "the workflow's key"},
                {"stream", SIDECAR_NAME, "as in `epoch`"},
                {"tab", SIDECAR_NAME, "the target's table"},
                {"row_key", "LONGBLOB NOT NULL", "the row's key, for people"},
                {"reason", "LONGBLOB NOT NULL", "the server's message of the duplicate"}},
    .keys = "PRIMARY KEY (`id`), KEY `of_stream` (`workflow`, `stream`)",
};

static void put_id(struct buf *sql, const uint8_t *id)
{
    buf_put_str(sql, "`id`=x'");
    buf_put_hex(sql, id, LEFT_OUT_ID_BYTES);
    buf_put_u8(sql, '\'');
}

bool left_out_row_put(struct my_conn *c, const struct sidecar_key *key, const char *tab,
                      const uint8_t *id, const char *row_key, const char *reason, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_sql_text(&sql, "REPLACE INTO " LEFT_OUT " SET `workflow`=", key->workflow);
    buf_put_sql_text(&sql, ",`stream`=", key->stream);
    buf_put_sql_text(&sql, ",`tab`=", tab);
    buf_put_sql_text(&sql, ",`row_key`=", row_key);
    buf_put_sql_text(&sql, ",`reason`=", reason);
    buf_put_u8(&sql, ',');
    put_id(&sql, id);
    return my_exec(c, buf_str(&sql), NULL, e);
}

bool left_out_row_remove(struct my_conn *c, const uint8_t *id, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_str(&sql, "DELETE FROM " LEFT_OUT " WHERE ");
    put_id(&sql, id);
    return my_exec(c, buf_str(&sql), NULL, e);
}

bool left_out_rows_each(struct my_conn *c, const struct sidecar_key *key,
                        void (*fn)(void *ctx, const void *id, size_t n), void *ctx, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    struct my_cell id;
    enum my_next next = MY_FAIL;
    buf_put_str(&sql, "SELECT `id` FROM " LEFT_OUT);
    sidecar_put_where(&sql, key);
    struct my_result *r = my_query(c, buf_str(&sql), e);
    while (r && (next = my_result_next(r, &id, e)) == MY_ROW)
        fn(ctx, id.p, id.n);
    my_result_free(r);
    return next == MY_END;
}

bool left_out_row_any(struct my_conn *c, const struct sidecar_key *key, bool *found,
                      struct buf *row_key, struct buf *reason, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    struct my_cell v[2];
    buf_put_str(&sql, "SELECT `row_key`,`reason` FROM " LEFT_OUT);
    sidecar_put_where(&sql, key);
    buf_put_str(&sql, " LIMIT 1");
    struct my_result *r = my_query(c, buf_str(&sql), e);
    enum my_next next = r ? my_result_next(r, v, e) : MY_FAIL;
    *found = next == MY_ROW;
    if (*found) {
        buf_put_str(row_key, v[0].p);
        buf_put_str(reason, v[1].p);
    }
    my_result_free(r);
    return next != MY_FAIL;
}

bool left_out_rows_forget_table(struct my_conn *c, const char *workflow_key, const char *tab,
                                struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_sql_text(&sql, "DELETE FROM " LEFT_OUT " WHERE `workflow` = ", workflow_key);
    buf_put_sql_text(&sql, " AND `tab` = ", tab);
    return my_exec(c, buf_str(&sql), NULL, e);
}
