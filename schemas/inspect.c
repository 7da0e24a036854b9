/* schemas/inspect.c — asks a server's information_schema for a table, and for what hangs on it.
 *
 * Names are compared as bytes, exactly as the server stores them. The definition is not read under
 * a lock: who needs it at a position of the log compares it with the table map.
 */
#include "schemas/inspect_internal.h"

#include "base/mem.h"
#include "base/sys.h"
#include "schemas/column_info.h"
#include "schemas/inspect_whole.h"
#include "schemas/names.h"
#include "schemas/sqltoken.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RESULT_COLUMNS = 32 };

bool inspect_is_mariadb(struct my_conn *c)
{
    return my_conn_server(c)->flavor == MY_FLAVOR_MARIADB;
}

void inspect_put_condition(struct buf *sql, const char *db_column, const char *db,
                           const char *table_column, const char *table)
{
    buf_printf(sql, "%s = ", db_column);
    buf_put_sql_string(sql, db, strlen(db));
    if (!table)
        return;
    buf_printf(sql, " AND %s = ", table_column);
    buf_put_sql_string(sql, table, strlen(table));
}

uint64_t inspect_u64(const struct my_cell *cell)
{
    uint64_t value = 0;
    return cell->p && sys_parse_u64(cell->p, &value) ? value : 0;
}

static bool cell_has(const struct my_cell *cell, const char *word)
{
    return cell->p && strstr(cell->p, word) != NULL;
}

/* MySQL caches row counts for a day otherwise. */
static bool fresh_statistics(struct my_conn *c, struct err *e)
{
    return inspect_is_mariadb(c) ||
           my_exec(c, "SET SESSION information_schema_stats_expiry = 0", NULL, e);
}

static bool unknown_table(const char *db, const char *table, struct err *e)
{
    return err_set(e, ERR_SCHEMA_UNKNOWN, "there is no table %s.%s", db, table);
}

/* ENGINE and the estimates; false also when there is no such base table. */
static bool read_table_row(struct my_conn *c, struct schema_table *t, struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = BUF_INIT;
    buf_put_str(&sql,
                "SELECT ENGINE, TABLE_ROWS, DATA_LENGTH, ROW_FORMAT FROM information_schema.TABLES "
                "WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND ");
    inspect_put_condition(&sql, "TABLE_SCHEMA", t->db, "TABLE_NAME", t->name);
    struct my_result *r = my_query(c, buf_str(&sql), e);
    if (!r)
        return false;
    struct my_cell cells[4];
    enum my_next next = my_result_next(r, cells, e);
    if (next == MY_ROW) {
        t->engine = mem_strdup(cells[0].p);
        t->row_format = mem_strdup(cells[3].p);
        t->rows_estimate = inspect_u64(&cells[1]);
        t->bytes_estimate = inspect_u64(&cells[2]);
    }
    my_result_free(r);
    return next == MY_ROW || (next == MY_END && unknown_table(t->db, t->name, e));
}

/* Collation ids are named by COLLATIONS, but MariaDB's newer ones only with their character set. */
const char *inspect_columns_query(const struct my_server *server)
{
    bool by_full_name = server->flavor == MY_FLAVOR_MARIADB && server->version >= 101000;
    if (by_full_name)
        return "SELECT c.COLUMN_NAME, c.DATA_TYPE, c.COLUMN_TYPE, c.CHARACTER_OCTET_LENGTH, "
               "c.NUMERIC_PRECISION, c.NUMERIC_SCALE, c.DATETIME_PRECISION, c.IS_NULLABLE, "
               "c.EXTRA, k.ID, c.COLLATION_NAME, c.COLUMN_DEFAULT, c.GENERATION_EXPRESSION, "
               "c.TABLE_NAME "
               "FROM information_schema.COLUMNS c LEFT JOIN "
               "information_schema.COLLATION_CHARACTER_SET_APPLICABILITY k "
               "ON k.FULL_COLLATION_NAME = c.COLLATION_NAME WHERE ";
    return "SELECT c.COLUMN_NAME, c.DATA_TYPE, c.COLUMN_TYPE, c.CHARACTER_OCTET_LENGTH, "
           "c.NUMERIC_PRECISION, c.NUMERIC_SCALE, c.DATETIME_PRECISION, c.IS_NULLABLE, "
           "c.EXTRA, k.ID, c.COLLATION_NAME, c.COLUMN_DEFAULT, c.GENERATION_EXPRESSION, "
           "c.TABLE_NAME "
           "FROM information_schema.COLUMNS c LEFT JOIN "
           "information_schema.COLLATIONS k ON k.COLLATION_NAME = c.COLLATION_NAME WHERE ";
}

bool inspect_fill_column(const struct my_cell *cells, bool mariadb, struct schema_column *out,
                         struct err *e)
{
    out->name = mem_strdup(cells[0].p);
    const struct schema_column_info info = {
        .data_type = cells[1].p ? cells[1].p : "",
        .column_type = cells[2].p ? cells[2].p : "",
        .octet_length = inspect_u64(&cells[3]),
        .precision = (unsigned)inspect_u64(&cells[4]),
        .scale = (unsigned)inspect_u64(&cells[5]),
        .fraction_digits = (unsigned)inspect_u64(&cells[6]),
        .collation = (uint16_t)inspect_u64(&cells[9]),
        .mariadb = mariadb,
    };
    out->nullable = cell_has(&cells[7], "YES");
    out->generated =
        cell_has(&cells[8], "VIRTUAL GENERATED") || cell_has(&cells[8], "STORED GENERATED");
    out->auto_increment = cell_has(&cells[8], "auto_increment");
    out->visible = !cell_has(&cells[8], "INVISIBLE");
    out->extra = out->auto_increment ? NULL : mem_strdup(cells[8].p);
    out->collation_name = mem_strdup(cells[10].p);
    out->default_text = mem_strdup(cells[11].p);
    out->expression = mem_strdup(cells[12].p);
    if (schema_column_from_info(&info, out, e))
        return true;
    return err_prepend(e, "column %s", out->name ? out->name : "?");
}

static bool read_columns(struct my_conn *c, struct schema_table *t, struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = BUF_INIT;
    buf_put_str(&sql, inspect_columns_query(my_conn_server(c)));
    inspect_put_condition(&sql, "c.TABLE_SCHEMA", t->db, "c.TABLE_NAME", t->name);
    buf_put_str(&sql, " ORDER BY c.ORDINAL_POSITION");
    struct my_result *r = my_query(c, buf_str(&sql), e);
    if (!r)
        return false;
    assert(t->n_columns == 0);
    size_t n = (size_t)my_result_rows(r);
    bool ok = (n > 0 && n <= INSPECT_MAX_COLUMNS) || unknown_table(t->db, t->name, e);
    t->columns = mem_realloc(t->columns, n ? n : 1, sizeof t->columns[0]);
    memset(t->columns, 0, n * sizeof t->columns[0]);
    struct my_cell cells[INSPECT_COLUMN_CELLS];
    enum my_next next = MY_END;
    while (ok && t->n_columns < n && (next = my_result_next(r, cells, e)) == MY_ROW)
        ok = inspect_fill_column(cells, inspect_is_mariadb(c), &t->columns[t->n_columns++], e);
    my_result_free(r);
    return ok && next != MY_FAIL;
}

/* MariaDB's JSON is a LONGTEXT whose own check is json_valid(column). */
void inspect_mark_json_text(struct schema_table *t, const char *name, const char *clause)
{
    int i = name ? schema_table_column(t, name) : -1;
    if (i >= 0 && t->columns[i].type == SCHEMA_TYPE_BLOB && t->columns[i].meta == 4 && clause &&
        strncmp(clause, "json_valid(", 11) == 0)
        t->columns[i].ext = SCHEMA_EXT_JSON_TEXT;
}

static bool mark_json_text(struct my_conn *c, struct schema_table *t, struct err *e)
{
    if (!inspect_is_mariadb(c))
        return true;
    struct buf sql CLEANUP(buf_fini) = BUF_INIT;
    buf_put_str(&sql, "SELECT CONSTRAINT_NAME, CHECK_CLAUSE FROM "
                      "information_schema.CHECK_CONSTRAINTS WHERE LEVEL = 'Column' AND ");
    inspect_put_condition(&sql, "CONSTRAINT_SCHEMA", t->db, "TABLE_NAME", t->name);
    struct my_result *r = my_query(c, buf_str(&sql), e);
    if (!r)
        return false;
    struct my_cell cells[2];
    enum my_next next;
    while ((next = my_result_next(r, cells, e)) == MY_ROW)
        inspect_mark_json_text(t, cells[0].p, cells[1].p);
    my_result_free(r);
    return next == MY_END;
}

struct index_columns { /* of SHOW INDEX, found by name: the servers have different ones */
    unsigned non_unique, key_name, column_name, sub_part, n;
    unsigned expression; /* n: this server has none */
};

static bool find_index_columns(struct my_result *r, struct index_columns *at, struct err *e)
{
    at->n = my_result_columns(r);
    unsigned found = 0;
    at->expression = at->n;
    for (unsigned i = 0; i < at->n; i++) {
        const char *name = my_result_column_name(r, i);
        const struct {
            const char *name;
            unsigned *place;
        } wanted[] = {{"Non_unique", &at->non_unique},
                      {"Key_name", &at->key_name},
                      {"Column_name", &at->column_name},
                      {"Sub_part", &at->sub_part},
                      {"Expression", &at->expression}};
        for (size_t k = 0; k < 5; k++)
            if (strcmp(name, wanted[k].name) == 0) {
                *wanted[k].place = i;
                found += k < 4;
            }
    }
    return (found == 4 && at->n <= MAX_RESULT_COLUMNS) ||
           err_set(e, ERR_INTERNAL, "SHOW INDEX has %u columns of unexpected names", at->n);
}

static struct schema_key *find_key(struct schema_table *t, const char *name)
{
    for (size_t i = 0; i < t->n_keys; i++)
        if (strcmp(t->keys[i].name, name) == 0)
            return &t->keys[i];
    return NULL;
}

static struct schema_key *key_of(struct schema_table *t, const char *name)
{
    if (t->n_keys > 0 && strcmp(t->keys[t->n_keys - 1].name, name) == 0)
        return &t->keys[t->n_keys - 1];
    struct schema_key *k = schema_table_add_key(t, name, 0);
    k->not_null = true;
    return k;
}

static void add_expression(struct schema_key *k, const char *expression)
{
    char *all = mem_printf("%s%s;", k->expressions ? k->expressions : "", expression);
    free(k->expressions);
    k->expressions = all;
    k->functional = true;
}

static void add_key_part(struct schema_table *t, struct schema_key *k, const char *column,
                         uint64_t prefix)
{
    int number = column ? schema_table_column(t, column) : -1;
    if (number < 0) {
        k->functional = true;
        return;
    }
    k->columns = mem_realloc(k->columns, k->n + 1, sizeof k->columns[0]);
    k->prefix = mem_realloc(k->prefix, k->n + 1, sizeof k->prefix[0]);
    k->columns[k->n] = (uint16_t)number;
    k->prefix[k->n++] = (uint32_t)prefix;
    k->not_null = k->not_null && !t->columns[number].nullable;
}

bool inspect_read_keys(struct my_conn *c, struct schema_table *t, struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = BUF_INIT;
    buf_put_str(&sql, "SHOW INDEX FROM ");
    buf_put_table_name(&sql, t->db, t->name);
    struct my_result *r = my_query(c, buf_str(&sql), e);
    if (!r)
        return false;
    struct index_columns at = {0};
    struct my_cell cells[MAX_RESULT_COLUMNS];
    enum my_next next = MY_FAIL;
    if (find_index_columns(r, &at, e))
        while ((next = my_result_next(r, cells, e)) == MY_ROW) {
            struct schema_key *k = key_of(t, cells[at.key_name].p ? cells[at.key_name].p : "");
            k->unique = inspect_u64(&cells[at.non_unique]) == 0;
            if (at.expression < at.n && cells[at.expression].p)
                add_expression(k, cells[at.expression].p);
            else
                add_key_part(t, k, cells[at.column_name].p, inspect_u64(&cells[at.sub_part]));
        }
    my_result_free(r);
    return next == MY_END;
}

/* PRIMARY stands first in SHOW INDEX. */
static void fill_primary(struct schema_table *t)
{
    if (t->n_keys == 0 || strcmp(t->keys[0].name, "PRIMARY") != 0)
        return;
    const struct schema_key *k = &t->keys[0];
    t->pk = mem_calloc(k->n, sizeof t->pk[0]);
    memcpy(t->pk, k->columns, k->n * sizeof t->pk[0]);
    t->n_pk = k->n;
}

static bool read_create(struct my_conn *c, struct schema_table *t, struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = BUF_INIT;
    buf_put_str(&sql, "SHOW CREATE TABLE ");
    buf_put_table_name(&sql, t->db, t->name);
    struct my_result *r = my_query(c, buf_str(&sql), e);
    if (!r)
        return false;
    struct my_cell cells[MAX_RESULT_COLUMNS];
    bool ok = my_result_columns(r) == 2 && my_result_next(r, cells, e) == MY_ROW && cells[1].p;
    if (ok)
        t->create_sql = mem_strdup(cells[1].p);
    my_result_free(r);
    return ok || unknown_table(t->db, t->name, e);
}

/* SHOW INDEX does not tell a key over a period from one over its two columns: the word in the key's
 * brackets does. */
static void mark_periods(struct schema_table *t)
{
    struct sqltoken_scanner s;
    struct sqltoken tok;
    struct schema_key *key = NULL;
    bool named = false, primary = false;
    sqltoken_init(&s, t->create_sql, strlen(t->create_sql), false);
    while (sqltoken_next(&s, &tok)) {
        primary = primary || sqltoken_is(&tok, "PRIMARY");
        if (sqltoken_is(&tok, "KEY")) {
            key = primary && t->n_keys > 0 ? &t->keys[0] : NULL;
            named = !primary;
            primary = false;
        } else if (named && tok.kind == SQLTOKEN_IDENT) {
            key = find_key(t, tok.text);
            named = false;
        } else if (key && sqltoken_is(&tok, "OVERLAPS")) {
            key->without_overlaps = true;
        }
    }
}

struct schema_table *schema_inspect(struct my_conn *c, const char *db, const char *table,
                                    struct err *e)
{
    struct schema_table *t = schema_table_new(db, table, 0);
    if (!fresh_statistics(c, e) || !read_table_row(c, t, e) || !read_columns(c, t, e) ||
        !mark_json_text(c, t, e) || !inspect_read_keys(c, t, e) || !read_create(c, t, e) ||
        !schema_inspect_whole(c, t, e)) {
        err_prepend(e, "%s.%s", db, table);
        schema_table_unref(t);
        return NULL;
    }
    fill_primary(t);
    mark_periods(t);
    t->full_metadata = true;
    schema_table_seal(t);
    return t;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What a fence calls a table that it hides: "_sluice_f_<16 hex>" (vrepl/move/object_names.h). */
static bool is_ours(const char *name)
{
    static const char prefix[] = "_sluice_f_";
    const size_t n = sizeof prefix - 1;
    return strncmp(name, prefix, n) == 0 && strlen(name) == n + 16 &&
           strspn(name + n, "0123456789abcdef") == 16;
}

static size_t drop_internal(char **names, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (is_ours(names[i]))
            free(names[i]);
        else
            names[kept++] = names[i];
    return kept;
}

void schema_names_free(char **names, size_t n)
{
    for (size_t i = 0; names && i < n; i++)
        free(names[i]);
    free(names);
}

bool schema_list_tables(struct my_conn *c, const char *db, char ***names, size_t *n, struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = BUF_INIT;
    *names = NULL;
    *n = 0;
    buf_put_str(&sql, "SELECT TABLE_NAME FROM information_schema.TABLES "
                      "WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND ");
    inspect_put_condition(&sql, "TABLE_SCHEMA", db, NULL, NULL);
    struct my_result *r = my_query(c, buf_str(&sql), e);
    if (!r)
        return false;
    char **list = mem_calloc((size_t)my_result_rows(r), sizeof *list);
    size_t count = 0, cap = (size_t)my_result_rows(r);
    struct my_cell cell;
    enum my_next next = MY_END;
    while (count < cap && (next = my_result_next(r, &cell, e)) == MY_ROW)
        list[count++] = mem_strdup(cell.p ? cell.p : "");
    my_result_free(r);
    if (next == MY_FAIL) {
        schema_names_free(list, count);
        return false;
    }
    qsort(list, count, sizeof *list, compare_names);
    *n = drop_internal(list, count);
    *names = list;
    return true;
}

bool schema_tables_exist(struct my_conn *c, const char *db, const char *const *wanted, size_t n,
                         struct err *e)
{
    char **names;
    size_t n_names;
    if (!schema_list_tables(c, db, &names, &n_names, e))
        return false;
    bool folds = my_conn_server(c)->folds_names, ok = true;
    for (size_t i = 0; i < n && ok; i++)
        ok = schema_name_find(folds, names, n_names, wanted[i]) ||
             schema_name_unknown(names, n_names, db, wanted[i], e);
    schema_names_free(names, n_names);
    return ok;
}

/* ---- what a schema change leaves behind while it runs ---- */

/* gh-ost's change log has a form of its own, and stands beside the ghost; pt-online-schema-change
 * has triggers on the table that it changes. A name alone proves nothing: applications have tables
 * called _orders_old. */
static struct my_result *query_ghosts(struct my_conn *c, const char *db, struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = BUF_INIT;
    buf_put_str(&sql, "SELECT g.TABLE_NAME FROM information_schema.TABLES g WHERE ");
    inspect_put_condition(&sql, "g.TABLE_SCHEMA", db, NULL, NULL);
    buf_put_str(&sql, " AND ((g.TABLE_NAME LIKE '\\_%\\_gh_' AND (SELECT GROUP_CONCAT("
                      "l.COLUMN_NAME ORDER BY l.ORDINAL_POSITION) FROM information_schema.COLUMNS "
                      "l WHERE l.TABLE_SCHEMA = g.TABLE_SCHEMA AND l.TABLE_NAME = CONCAT(LEFT("
                      "g.TABLE_NAME, CHAR_LENGTH(g.TABLE_NAME) - 1), 'c')) = "
                      "'id,last_update,hint,value') OR EXISTS (SELECT 1 FROM "
                      "information_schema.TRIGGERS p WHERE p.EVENT_OBJECT_SCHEMA = g.TABLE_SCHEMA "
                      "AND p.TRIGGER_NAME LIKE 'pt\\_osc\\_%' AND "
                      "p.ACTION_STATEMENT LIKE CONCAT('%`', g.TABLE_NAME, '`%') AND "
                      "g.TABLE_NAME LIKE '\\_%\\_new' AND "
                      "TRIM(LEADING '_' FROM g.TABLE_NAME) = CONCAT(TRIM(LEADING '_' FROM "
                      "p.EVENT_OBJECT_TABLE), '_new')))");
    return my_query(c, buf_str(&sql), e);
}

static size_t take_out(char **names, size_t n, const char *name)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            free(names[i]);
        else
            names[kept++] = names[i];
    return kept;
}

bool schema_leave_ghosts(struct my_conn *c, const char *db, char **names, size_t *n,
                         struct buf *left, struct err *e)
{
    struct my_result *r = query_ghosts(c, db, e);
    struct my_cell cell;
    enum my_next next = MY_FAIL;
    while (r && (next = my_result_next(r, &cell, e)) == MY_ROW) {
        *n = take_out(names, *n, cell.p);
        buf_put_str(left, left->len > 0 ? ", " : "");
        buf_put_str(left, cell.p);
    }
    my_result_free(r);
    return next == MY_END;
}

/* The first cell of each row, joined by ", ". */
static bool list_rows(struct my_conn *c, const char *sql, struct buf *out, struct err *e)
{
    struct my_result *r = my_query(c, sql, e);
    if (!r)
        return false;
    struct my_cell cell;
    enum my_next next;
    for (bool first = true; (next = my_result_next(r, &cell, e)) == MY_ROW; first = false) {
        buf_put_str(out, first ? "" : ", ");
        buf_put_str(out, cell.p ? cell.p : "");
    }
    my_result_free(r);
    return next == MY_END;
}

bool schema_triggers(struct my_conn *c, const char *db, const char *table, struct buf *out,
                     struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = BUF_INIT;
    buf_put_str(&sql, "SELECT CONCAT(TRIGGER_NAME, ' ', ACTION_TIMING, ' ', EVENT_MANIPULATION) "
                      "FROM information_schema.TRIGGERS WHERE "
                      "LEFT(TRIGGER_NAME, 7) <> '_sluice' AND ");
    inspect_put_condition(&sql, "EVENT_OBJECT_SCHEMA", db, "EVENT_OBJECT_TABLE", table);
    buf_put_str(&sql, " ORDER BY 1");
    return list_rows(c, buf_str(&sql), out, e);
}

bool schema_exec_ddl(struct my_conn *c, const char *sql, struct err *e)
{
    struct err undo = ERR_INIT;
    if (!my_exec(c, "SET NAMES utf8mb4", NULL, e))
        return false;
    bool ok = my_exec(c, sql, NULL, e);
    if (!my_exec(c, "SET NAMES binary, character_set_results = NULL", NULL, &undo))
        return ok ? err_copy(e, &undo) : false;
    return ok;
}
