/* cdc/sidecar/position_row.c — the table of positions, and its statements. */
#include "cdc/sidecar/position_row.h"

#define POSITION SIDECAR_TABLE("position")
#define OURS     " WHERE `workflow`=? AND `stream`=?"

const struct sidecar_table position_row_table = {
    .name = "position",
    .servers = "every server that is a target",
    .row = "one stream: how far it is applied",
    .written = "Every applied transaction updates it as its first write, which marks the "
               "transaction in the log as ours, with the workflow as its origin; an idle stream at "
               "most once a second.",
    .removed =
        "complete, cancel, delete, a new copy of everything, and the preparation of a switch "
        "for streams the other way.",
    .columns = {{"workflow", SIDECAR_NAME,
                 "the workflow's key; first, so that it is found in a log "
                 "without column names"},
                {"stream", SIDECAR_NAME, "as in `epoch`"},
                {"n", SIDECAR_COUNT,
                 "how many transactions were applied: says whether a commit "
                 "whose answer was lost has landed"},
                {"phase", SIDECAR_WORD, "`copy`, `catchup`, `plain` or `frozen`"},
                {"pos", SIDECAR_TEXT, "the source's position up to which all is applied"},
                {"high_pos", SIDECAR_TEXT, "the high watermark, once known"}},
    .keys = "PRIMARY KEY (`workflow`, `stream`)",
};

const char position_row_mark_sql[] = "UPDATE " POSITION " SET `n`=`n`+1" OURS " AND `n`=?";
const char position_row_move_sql[] =
    "UPDATE " POSITION " SET `n`=`n`+1,`pos`=?,`phase`=?" OURS " AND `n`=?";
const char position_row_finish_sql[] = "UPDATE " POSITION " SET `pos`=?,`phase`=?" OURS;

bool position_row_insert(struct my_conn *c, const struct sidecar_key *key, const char *phase,
                         const char *position, const char *high, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_sql_text(&sql, "INSERT INTO " POSITION " SET `n`=0,`workflow`=", key->workflow);
    buf_put_sql_text(&sql, ",`stream`=", key->stream);
    buf_put_sql_text(&sql, ",`phase`=", phase);
    buf_put_sql_text(&sql, ",`pos`=", position);
    buf_put_sql_text(&sql, ",`high_pos`=", high);
    return my_exec(c, buf_str(&sql), NULL, e);
}

static bool set(struct my_conn *c, const struct sidecar_key *key, const char *assignment,
                const char *value, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_str(&sql, "UPDATE " POSITION " SET ");
    buf_put_sql_text(&sql, assignment, value);
    sidecar_put_where(&sql, key);
    return my_exec(c, buf_str(&sql), NULL, e);
}

bool position_row_set_high(struct my_conn *c, const struct sidecar_key *key, const char *high,
                           struct err *e)
{
    return set(c, key, "`high_pos`=", high, e);
}

bool position_row_set_phase(struct my_conn *c, const struct sidecar_key *key, const char *phase,
                            struct err *e)
{
    return set(c, key, "`phase`=", phase, e);
}

bool position_row_read(struct my_conn *c, const struct sidecar_key *key,
                       bool (*fn)(void *ctx, const struct my_cell *cells, struct err *e), void *ctx,
                       struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    struct my_cell cells[4];
    buf_put_str(&sql, "SELECT `n`,`phase`,`pos`,`high_pos` FROM " POSITION);
    sidecar_put_where(&sql, key);
    buf_put_str(&sql, " FOR UPDATE");
    struct my_result *r = my_query(c, buf_str(&sql), e);
    enum my_next next = r ? my_result_next(r, cells, e) : MY_FAIL;
    bool ok = next == MY_ROW ? fn(ctx, cells, e) : next == MY_END;
    my_result_free(r);
    return ok;
}

bool position_rows_copy_again(struct my_conn *c, const char *workflow_key, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_sql_text(&sql,
                     "UPDATE " POSITION " SET `phase` = '" POSITION_PHASE_COPY
                     "', `high_pos` = '' WHERE `workflow` = ",
                     workflow_key);
    return my_exec(c, buf_str(&sql), NULL, e);
}

void position_rows_put_plain(struct buf *sql, const char *workflow_key)
{
    buf_put_sql_text(sql,
                     "(SELECT s.`stream` FROM " POSITION
                     " s WHERE s.`phase` = '" POSITION_PHASE_PLAIN "' AND s.`workflow` = ",
                     workflow_key);
    buf_put_u8(sql, ')');
}
