/* cdc/sidecar/incarnation.c — InnoDB's numbers of tables, and what is recorded of them. */
#include "cdc/sidecar/incarnation.h"

#include "base/map.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define TARGET_TABLE SIDECAR_TABLE("target_table")
#define ER_ACCESS    1227

const struct sidecar_table incarnation_table = {
    .name = "target_table",
    .servers = "every server that is a target",
    .row = "one target table of a workflow: which storage its rows were written to",
    .written = "The first stream that writes to the table records it; a comparison (vdiff) without "
               "differences renews it.",
    .removed =
        "complete, cancel, delete and a new copy; a schema change of our own, before it runs.",
    .columns = {{"workflow", SIDECAR_NAME, "the workflow's key"},
                {"db", SIDECAR_NAME, "the table's database"},
                {"tab", SIDECAR_NAME, "the table"},
                {"incarnation", SIDECAR_TEXT,
                 "InnoDB's numbers of the table, and a hash of its "
                 "columns' names"}},
    .keys = "PRIMARY KEY (`workflow`, `db`, `tab`)",
};

bool incarnation_filename(const char *name, struct buf *out)
{
    for (const char *p = name; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c >= 0x80)
            return false;
        if (isalnum(c) || c == '_')
            buf_put_u8(out, c);
        else
            buf_printf(out, "@%04x", c);
    }
    return true;
}

/* ---- what is there ---- */

/* "db/table", "db/table#p#partition" (MariaDB: #P#), with subpartitions behind: all of one table.
 */
static size_t table_part(const char *name)
{
    const char *partition = strchr(name, '#'); /* encoded inside of names */
    return partition ? (size_t)(partition - name) : strlen(name);
}

static void add_number(struct map *by_table, const char *name, const char *what, const char *number)
{
    CLEANUP(buf_fini) struct buf all = BUF_INIT;
    size_t n = table_part(name);
    const char *before = map_get(by_table, name, n);
    buf_printf(&all, "%s%s%s", before ? before : what, before ? "," : "", number);
    map_put(by_table, name, n, buf_take(&all));
}

struct storage {          /* of all tables of a database, by "db/table" */
    struct map *numbers;  /* "innodb:7,8"; empty where the server does not tell */
    struct map *versions; /* "rows:0,0": on MySQL, columns that came or went by INSTANT ALTERs */
};

static void storage_init(struct storage *s)
{
    s->numbers = map_new(free);
    s->versions = map_new(free);
}

static void storage_fini(struct storage *s)
{
    map_free(s->numbers);
    map_free(s->versions);
}

static void add_storage(struct storage *s, const struct my_cell *cells)
{
    add_number(s->numbers, cells[0].p, "innodb:", cells[1].p);
    add_number(s->versions, cells[0].p, "rows:", cells[2].p);
}

static bool load_storage(struct my_conn *c, const char *database, struct storage *out,
                         struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    CLEANUP(buf_fini) struct buf folder = BUF_INIT;
    const struct my_server *server = my_conn_server(c);
    bool plain = server->flavor == MY_FLAVOR_MYSQL && server->version >= 80000;
    bool counts = plain && server->version >= 80029;
    struct my_cell cells[3];
    enum my_next next = MY_FAIL;
    struct err failed = ERR_INIT;
    if (!incarnation_filename(database, &folder))
        return true;
    buf_put_str(&folder, "/");
    buf_printf(&sql,
               "SELECT NAME, TABLE_ID, %s FROM information_schema.%s WHERE LEFT(NAME, %zu) = ",
               counts ? "TOTAL_ROW_VERSIONS" : "0", plain ? "INNODB_TABLES" : "INNODB_SYS_TABLES",
               folder.len);
    buf_put_sql_string(&sql, folder.data, folder.len);
    buf_put_str(&sql, " ORDER BY TABLE_ID");
    struct my_result *r = my_query(c, buf_str(&sql), &failed);
    while (r && (next = my_result_next(r, cells, &failed)) == MY_ROW)
        add_storage(out, cells);
    my_result_free(r);
    return next == MY_END || failed.native == ER_ACCESS || err_copy(e, &failed);
}

static bool read_time(struct my_conn *c, const char *database, const char *table, struct buf *out,
                      struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    struct my_cell cell;
    buf_put_sql_text(
        &sql, "SELECT CREATE_TIME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ", database);
    buf_put_sql_text(&sql, " AND TABLE_NAME = ", table);
    struct my_result *r = my_query(c, buf_str(&sql), e);
    enum my_next next = r ? my_result_next(r, &cell, e) : MY_FAIL;
    if (next == MY_ROW)
        buf_printf(out, "made:%s", cell.p ? cell.p : "");
    my_result_free(r);
    return next != MY_FAIL;
}

/* Appends what storage alone does not tell: which column each name stands for. */
static bool read_columns(struct my_conn *c, const char *database, const char *table,
                         struct buf *out, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    char *names = NULL;
    buf_put_sql_text(
        &sql,
        "SELECT LEFT(SHA2(GROUP_CONCAT(COLUMN_NAME ORDER BY ORDINAL_POSITION SEPARATOR '/'), "
        "224), 16) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ",
        database);
    buf_put_sql_text(&sql, " AND TABLE_NAME = ", table);
    if (!my_query_text(c, buf_str(&sql), &names, e))
        return false;
    buf_printf(out, " columns:%s", names ? names : "");
    free(names);
    return true;
}

/* columns: false leaves out what stands behind the first blank. */
static bool find(struct my_conn *c, const struct storage *s, const char *database,
                 const char *table, bool columns, struct buf *out, struct err *e)
{
    CLEANUP(buf_fini) struct buf name = BUF_INIT;
    bool plain = incarnation_filename(database, &name) && buf_put_u8(&name, '/') &&
                 incarnation_filename(table, &name);
    const char *known = plain ? map_get(s->numbers, name.data, name.len) : NULL;
    buf_reset(out);
    if (!known)
        return read_time(c, database, table, out, e);
    buf_put_str(out, known);
    if (!columns)
        return true;
    buf_printf(out, " %s", (const char *)map_get(s->versions, name.data, name.len));
    return read_columns(c, database, table, out, e);
}

bool incarnation_read(struct my_conn *c, const char *database, const char *table, struct buf *out,
                      struct err *e)
{
    struct storage s;
    storage_init(&s);
    bool ok = load_storage(c, database, &s, e) && find(c, &s, database, table, true, out, e);
    storage_fini(&s);
    return ok;
}

/* ---- what is recorded ---- */

static void put_where(const char *workflow_key, const char *database, const char *table,
                      struct buf *sql)
{
    buf_put_sql_text(sql, " WHERE `workflow` = ", workflow_key);
    buf_put_sql_text(sql, " AND `db` = ", database);
    if (table)
        buf_put_sql_text(sql, " AND `tab` = ", table);
}

static bool load_recorded(struct my_conn *c, const char *workflow_key, const char *database,
                          struct map *out, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    struct my_cell cells[2];
    enum my_next next = MY_FAIL;
    buf_put_str(&sql, "SELECT `tab`, `incarnation` FROM " TARGET_TABLE);
    put_where(workflow_key, database, NULL, &sql);
    struct my_result *r = my_query(c, buf_str(&sql), e);
    while (r && (next = my_result_next(r, cells, e)) == MY_ROW)
        map_put(out, cells[0].p, strlen(cells[0].p), mem_strdup(cells[1].p));
    my_result_free(r);
    return next == MY_END;
}

static bool record(struct my_conn *c, const char *workflow_key, const char *database,
                   const char *table, const char *incarnation, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_sql_text(&sql, "INSERT INTO " TARGET_TABLE " SET `workflow` = ", workflow_key);
    buf_put_sql_text(&sql, ", `db` = ", database);
    buf_put_sql_text(&sql, ", `tab` = ", table);
    buf_put_sql_text(&sql, ", `incarnation` = ", incarnation);
    /* Another stream of the workflow may just have done so: its answer stands. */
    buf_put_str(&sql, " ON DUPLICATE KEY UPDATE `tab` = VALUES(`tab`)");
    return my_exec(c, buf_str(&sql), NULL, e);
}

/* Whether recorded begins with now, as a whole or to a blank. */
static bool is_same(const char *recorded, const char *now)
{
    size_t n = strlen(now);
    return strncmp(recorded, now, n) == 0 && (recorded[n] == 0 || recorded[n] == ' ');
}

struct check {
    struct my_conn *c;
    const char *workflow_key, *database;
    bool columns;
    struct storage now;
    struct map *recorded;
};

static bool check_table(const struct check *k, const char *table, bool *changed, struct err *e)
{
    CLEANUP(buf_fini) struct buf now = BUF_INIT;
    const char *recorded = map_get(k->recorded, table, strlen(table));
    if (!find(k->c, &k->now, k->database, table, k->columns || !recorded, &now, e))
        return false;
    *changed = recorded && now.len > 0 && !is_same(recorded, buf_str(&now));
    return recorded || now.len == 0 ||
           record(k->c, k->workflow_key, k->database, table, buf_str(&now), e);
}

bool incarnations_check(struct my_conn *c, const char *workflow_key, const char *database,
                        const char *const *tables, size_t n, bool columns, bool *changed,
                        struct err *e)
{
    struct check k = {c, workflow_key, database, columns, {NULL, NULL}, map_new(free)};
    storage_init(&k.now);
    bool ok = load_recorded(c, workflow_key, database, k.recorded, e) &&
              load_storage(c, database, &k.now, e);
    for (size_t i = 0; ok && i < n; i++)
        ok = check_table(&k, tables[i], &changed[i], e);
    storage_fini(&k.now);
    map_free(k.recorded);
    return ok;
}

bool incarnation_prove(struct my_conn *c, const char *workflow_key, const char *database,
                       const char *table, const char *incarnation, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_sql_text(&sql, "UPDATE " TARGET_TABLE " SET `incarnation` = ", incarnation);
    put_where(workflow_key, database, table, &sql);
    return my_exec(c, buf_str(&sql), NULL, e);
}

bool incarnation_forget(struct my_conn *c, const char *workflow_key, const char *database,
                        const char *table, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_str(&sql, "DELETE FROM " TARGET_TABLE);
    put_where(workflow_key, database, table, &sql);
    return my_exec(c, buf_str(&sql), NULL, e);
}
