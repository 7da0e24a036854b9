/* cdc/sidecar/progress_row.c — the table of copy progress, and its statements. */
#include "cdc/sidecar/progress_row.h"

#include "cdc/sidecar/position_row.h"

#include <stdlib.h>
#include <string.h>

#define PROGRESS SIDECAR_TABLE("progress")
#define SELECT   "SELECT `tab`,`range_no`,`lower`,`upper`,`last`,`done`,`rows` FROM " PROGRESS

const struct sidecar_table progress_row_table = {
    .name = "progress",
    .servers = "every server that is a target",
    .row = "one range of keys of one table that is copied",
    .written =
        "The transaction that writes a chunk's rows moves it; the first one of a table makes "
        "its rows.",
    .removed = "complete, cancel, delete, a new copy, the preparation of a switch for streams the "
               "other way; a copy from one snapshot that is done again.",
    .columns = {{"workflow", SIDECAR_NAME, "the workflow's key"},
                {"stream", SIDECAR_NAME, "as in `epoch`"},
                {"tab", SIDECAR_NAME, "the target's table"},
                {"range_no", "INT UNSIGNED NOT NULL", "counted from 0"},
                {"lower", SIDECAR_TEXT,
                 "the key behind which the range begins; of a copy from one "
                 "snapshot: its position"},
                {"upper", SIDECAR_TEXT, "the last key of the range"},
                {"last", SIDECAR_TEXT, "the last key that is copied; `kept`: the rows were kept"},
                {"done", "TINYINT NOT NULL", "1: the whole range is copied"},
                {"rows", SIDECAR_COUNT, "how many were copied"}},
    .keys = "PRIMARY KEY (`workflow`, `stream`, `tab`, `range_no`)",
};

static struct progress_row row_of(const struct my_cell *cells)
{
    return (struct progress_row){.tab = cells[0].p,
                                 .range_no = (unsigned)strtoul(cells[1].p, NULL, 10),
                                 .lower = cells[2].p,
                                 .upper = cells[3].p,
                                 .last = cells[4].p,
                                 .done = cells[5].p[0] == '1',
                                 .rows = strtoull(cells[6].p, NULL, 10)};
}

bool progress_rows_each(struct my_conn *c, const struct sidecar_key *key,
                        bool (*fn)(void *ctx, const struct progress_row *row, struct err *e),
                        void *ctx, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    struct my_cell cells[7];
    enum my_next next = MY_FAIL;
    bool ok = true;
    buf_put_str(&sql, SELECT);
    sidecar_put_where(&sql, key);
    buf_put_str(&sql, " ORDER BY `tab`,`range_no`");
    struct my_result *r = my_query(c, buf_str(&sql), e);
    while (ok && r && (next = my_result_next(r, cells, e)) == MY_ROW) {
        const struct progress_row row = row_of(cells);
        ok = fn(ctx, &row, e);
    }
    my_result_free(r);
    return ok && next == MY_END;
}

static void put_where_range(struct buf *sql, const struct sidecar_key *key, const char *tab,
                            unsigned range_no)
{
    sidecar_put_where(sql, key);
    buf_put_sql_text(sql, " AND `tab`=", tab);
    buf_printf(sql, " AND `range_no`=%u", range_no);
}

bool progress_row_read(struct my_conn *c, const struct sidecar_key *key, const char *tab,
                       unsigned range_no,
                       bool (*fn)(void *ctx, const struct progress_row *row, struct err *e),
                       void *ctx, bool *found, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    struct my_cell cells[7];
    buf_put_str(&sql, SELECT);
    put_where_range(&sql, key, tab, range_no);
    buf_put_str(&sql, " FOR UPDATE");
    struct my_result *r = my_query(c, buf_str(&sql), e);
    enum my_next next = r ? my_result_next(r, cells, e) : MY_FAIL;
    bool ok = next != MY_FAIL;
    *found = next == MY_ROW;
    if (*found) {
        const struct progress_row row = row_of(cells);
        ok = fn(ctx, &row, e);
    }
    my_result_free(r);
    return ok;
}

bool progress_row_insert(struct my_conn *c, const struct sidecar_key *key,
                         const struct progress_row *row, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_sql_text(&sql, "INSERT INTO " PROGRESS " SET `workflow`=", key->workflow);
    buf_put_sql_text(&sql, ",`stream`=", key->stream);
    buf_put_sql_text(&sql, ",`tab`=", row->tab);
    buf_printf(&sql, ",`range_no`=%u", row->range_no);
    buf_put_sql_text(&sql, ",`lower`=", row->lower);
    buf_put_sql_text(&sql, ",`upper`=", row->upper);
    buf_put_sql_text(&sql, ",`last`=", row->last);
    buf_printf(&sql, ",`done`=%d,`rows`=%llu", row->done, (unsigned long long)row->rows);
    return my_exec(c, buf_str(&sql), NULL, e);
}

bool progress_row_advance(struct my_conn *c, const struct sidecar_key *key,
                          const struct progress_row *was, const char *last, bool done,
                          uint64_t rows, bool *moved, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    uint64_t hits = 0;
    buf_put_sql_text(&sql, "UPDATE " PROGRESS " SET `last`=", last);
    buf_printf(&sql, ",`done`=%d,`rows`=`rows`+%llu", done, (unsigned long long)rows);
    put_where_range(&sql, key, was->tab, was->range_no);
    buf_put_sql_text(&sql, " AND `done`=0 AND `last`=", was->last);
    if (!my_exec(c, buf_str(&sql), &hits, e))
        return false;
    *moved = hits != 1;
    return true;
}

bool progress_rows_remove(struct my_conn *c, const struct sidecar_key *key, const char *tab,
                          struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_str(&sql, "DELETE FROM " PROGRESS);
    sidecar_put_where(&sql, key);
    buf_put_sql_text(&sql, " AND `tab`=", tab);
    return my_exec(c, buf_str(&sql), NULL, e);
}

static void put_where_table(struct buf *sql, const char *workflow_key, const char *tab)
{
    buf_put_sql_text(sql, " WHERE `workflow` = ", workflow_key);
    buf_put_sql_text(sql, " AND `tab` = ", tab);
}

bool progress_rows_forget_table(struct my_conn *c, const char *workflow_key, const char *tab,
                                struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_str(&sql, "DELETE FROM " PROGRESS);
    put_where_table(&sql, workflow_key, tab);
    return my_exec(c, buf_str(&sql), NULL, e);
}

#define KEPT_RANGE "4294967295" /* until the rows whose place it takes are gone */

/* The new row has how many were copied. */
static bool make_kept_row(struct my_conn *c, const char *workflow_key, const char *tab,
                          struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_str(&sql,
                "INSERT INTO " PROGRESS " (`workflow`, `stream`, `tab`, `range_no`, `lower`, "
                "`upper`, `last`, `done`, `rows`) SELECT `workflow`, `stream`, `tab`, " KEPT_RANGE
                ", '', '', '" PROGRESS_KEPT "', 1, SUM(`rows`) FROM " PROGRESS);
    put_where_table(&sql, workflow_key, tab);
    buf_put_str(&sql, " AND `stream` IN ");
    position_rows_put_plain(&sql, workflow_key);
    buf_put_str(&sql, " GROUP BY `workflow`, `stream`, `tab`");
    return my_exec(c, buf_str(&sql), NULL, e);
}

static bool remove_others(struct my_conn *c, const char *workflow_key, const char *tab,
                          struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_str(&sql, "DELETE FROM " PROGRESS);
    put_where_table(&sql, workflow_key, tab);
    buf_put_str(&sql, " AND `range_no` <> " KEPT_RANGE " AND `stream` IN ");
    position_rows_put_plain(&sql, workflow_key);
    return my_exec(c, buf_str(&sql), NULL, e);
}

bool progress_rows_keep_table(struct my_conn *c, const char *workflow_key, const char *tab,
                              struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_str(&sql, "UPDATE " PROGRESS " SET `range_no` = 0");
    put_where_table(&sql, workflow_key, tab);
    buf_put_str(&sql, " AND `range_no` = " KEPT_RANGE);
    return (make_kept_row(c, workflow_key, tab, e) && remove_others(c, workflow_key, tab, e) &&
            my_exec(c, buf_str(&sql), NULL, e)) ||
           err_prepend(e, "keeping %s", tab);
}

bool progress_rows_open(struct my_conn *c, const char *workflow_key, const char *tab, bool *open,
                        struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    uint64_t n = 0;
    buf_put_str(&sql, "SELECT COUNT(*) FROM " PROGRESS);
    put_where_table(&sql, workflow_key, tab);
    buf_put_str(&sql, " AND `done`=0");
    if (!my_query_u64(c, buf_str(&sql), &n, e))
        return false;
    *open = n > 0;
    return true;
}
