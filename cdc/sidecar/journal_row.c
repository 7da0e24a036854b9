/* cdc/sidecar/journal_row.c — the table of journals, and its statements. */
#include "cdc/sidecar/journal_row.h"

#define JOURNAL SIDECAR_TABLE("journal")

const struct sidecar_table journal_row_table = {
    .name = "journal",
    .servers = "every server that is a source",
    .row = "one decided switch: where the keyspace's streams go on",
    .written = "A switch, on every shard that it leaves, after its decision was committed.",
    .removed = "Never: streams that start at an older position still need it.",
    .columns = {{"id", "BIGINT NOT NULL", "milliseconds since 1970, shifted by 8 bits; grows"},
                {"val", SIDECAR_TEXT,
                 "the document, JSON with the field names of Vitess' journal"}},
    .keys = "PRIMARY KEY (`id`)",
};

bool journal_row_insert(struct my_conn *c, const struct cdc_journal *j, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    cdc_journal_print(j, &text);
    buf_printf(&sql, "INSERT INTO " JOURNAL " (`id`, `val`) VALUES (%lld", (long long)j->id);
    buf_put_sql_text(&sql, ", ", buf_str(&text));
    buf_put_u8(&sql, ')');
    if (my_exec(c, buf_str(&sql), NULL, e))
        return true;
    bool there = e->code == ERR_DB_DUPLICATE; /* by an earlier attempt */
    if (there)
        err_clear(e);
    return there;
}

bool journal_row_exists(struct my_conn *c, int64_t id, bool *yes, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    uint64_t n = 0;
    buf_printf(&sql, "SELECT COUNT(*) FROM " JOURNAL " WHERE `id` = %lld", (long long)id);
    if (!my_query_u64(c, buf_str(&sql), &n, e))
        return false;
    *yes = n > 0;
    return true;
}

bool journal_rows_each(struct my_conn *c, void (*fn)(void *ctx, const char *json), void *ctx,
                       struct err *e)
{
    struct my_cell v;
    enum my_next next = MY_FAIL;
    struct my_result *r = my_query(c, "SELECT `val` FROM " JOURNAL " ORDER BY `id`", e);
    if (!r && sidecar_is_absent(e)) {
        err_clear(e);
        return true;
    }
    while (r && (next = my_result_next(r, &v, e)) == MY_ROW)
        fn(ctx, v.p ? v.p : "");
    my_result_free(r);
    return next == MY_END;
}
