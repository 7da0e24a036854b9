/* cdc/sidecar/vschema_row.c — the table of a keyspace's vschemas, and its statements. */
#include "cdc/sidecar/vschema_row.h"

#include "base/sys.h"

#define VSCHEMA SIDECAR_TABLE("vschema")

const struct sidecar_table vschema_row_table = {
    .name = "vschema",
    .servers = "the first shard, by name, of a keyspace whose vschema was applied",
    .row = "one version of the keyspace's vschema",
    .written =
        "`sluice vschema apply`, before it writes the file that the configuration names; the "
        "first one adds the vschema that it replaces too.",
    .removed = "Never.",
    .columns = {{"keyspace", SIDECAR_NAME, "whose vschema"},
                {"version", SIDECAR_COUNT, "1, 2, …"},
                {"applied", "VARCHAR(32) CHARACTER SET ascii NOT NULL", "the server's time in UTC"},
                {"json", SIDECAR_TEXT, "Vitess's JSON"},
                {"placements", SIDECAR_TEXT,
                 "how each table is placed, as JSON: what files of vindexes said then is in it"}},
    .keys = "PRIMARY KEY (`keyspace`, `version`)",
};

static bool absent_is_none(struct err *e)
{
    if (!sidecar_is_absent(e))
        return false;
    err_clear(e);
    return true;
}

bool vschema_row_last(struct my_conn *c, const char *keyspace, uint64_t *version, struct buf *json,
                      struct buf *placements, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    struct my_cell v[3];
    *version = 0;
    buf_put_sql_text(
        &sql,
        "SELECT `version`, `json`, `placements` FROM " VSCHEMA " WHERE `keyspace` = ", keyspace);
    buf_put_str(&sql, " ORDER BY `version` DESC LIMIT 1");
    struct my_result *r = my_query(c, buf_str(&sql), e);
    if (r == NULL)
        return absent_is_none(e);
    enum my_next next = my_result_next(r, v, e);
    bool ok = next != MY_FAIL;
    if (next == MY_ROW)
        ok = sys_parse_u64(v[0].p, version) && buf_put(json, v[1].p, v[1].n) &&
             buf_put(placements, v[2].p, v[2].n);
    my_result_free(r);
    return ok;
}

bool vschema_row_add(struct my_conn *c, const char *keyspace, uint64_t version, const char *json,
                     const char *placements, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_sql_text(&sql, "INSERT INTO " VSCHEMA " SET `keyspace` = ", keyspace);
    buf_printf(&sql, ", `version` = %llu, `applied` = UTC_TIMESTAMP()",
               (unsigned long long)version);
    buf_put_sql_text(&sql, ", `json` = ", json);
    buf_put_sql_text(&sql, ", `placements` = ", placements);
    if (my_exec(c, buf_str(&sql), NULL, e))
        return true;
    return e->code == ERR_DB_DUPLICATE
               ? err_set(e, ERR_TIMEOUT, "version %llu of the vschema of %s was applied just now",
                         (unsigned long long)version, keyspace)
               : false;
}

bool vschema_rows_each(struct my_conn *c, const char *keyspace,
                       void (*fn)(void *ctx, uint64_t version, const char *applied,
                                  const char *json),
                       void *ctx, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    struct my_cell v[3];
    enum my_next next;
    uint64_t version = 0;
    buf_put_sql_text(
        &sql, "SELECT `version`, `applied`, `json` FROM " VSCHEMA " WHERE `keyspace` = ", keyspace);
    buf_put_str(&sql, " ORDER BY `version`");
    struct my_result *r = my_query(c, buf_str(&sql), e);
    if (r == NULL)
        return absent_is_none(e);
    while ((next = my_result_next(r, v, e)) == MY_ROW && sys_parse_u64(v[0].p, &version))
        fn(ctx, version, v[1].p, v[2].p);
    my_result_free(r);
    return next == MY_END;
}
