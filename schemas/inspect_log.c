/* schemas/inspect_log.c — definitions as the server's log has them, of one table or of all of a
 * database, in as many questions.
 *
 * MariaDB's rows have columns at their end that no SQL shows (measured on 10.11 and 11.8, also
 * after ALTER):
 *
 *   visible columns …, row_start, row_end, DB_ROW_HASH_1, DB_ROW_HASH_2 …
 *
 * The first two are TIMESTAMP(6) of a table WITH SYSTEM VERSIONING that declares none of its own;
 * row_end is in its primary key. One BIGINT UNSIGNED each belongs to the unique keys that are kept
 * as hashes (SHOW INDEX says HASH): keys over TEXT and BLOB, over more bytes than an index takes,
 * or declared so. They are told by what the server says of the table, never by the log's types
 * alone; whether these then agree is for who compares them (schema_table_same_types).
 */
#include "schemas/inspect_log.h"

#include "base/map.h"
#include "base/mem.h"
#include "schemas/inspect_internal.h"
#include "schemas/labels.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct logged {
    struct schema_table *table;
    size_t cap;      /* of its columns */
    unsigned hashes; /* unique keys that are hashes */
    bool versioned, own_row_start, has_primary, in_memory, bad;
};
struct reading {
    struct my_conn *conn;
    const char *db, *name; /* name NULL: all */
    struct map *by_name;   /* of struct logged */
};

static void logged_free(void *p)
{
    struct logged *l = p;
    schema_table_unref(l->table);
    free(l);
}

void schema_list_fini(struct schema_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        schema_table_unref(l->tables[i]);
    free(l->tables);
    *l = (struct schema_list){.tables = NULL};
}

/* Calls fn for each row of the query, whose last cell names a table that is read. */
static bool each_row(struct reading *r, const struct buf *sql, unsigned cells_n,
                     void (*fn)(struct reading *, struct logged *, const struct my_cell *),
                     struct err *e)
{
    struct my_cell cells[INSPECT_COLUMN_CELLS];
    enum my_next next;
    struct my_result *rows = my_query(r->conn, buf_str(sql), e);
    if (!rows)
        return false;
    while ((next = my_result_next(rows, cells, e)) == MY_ROW) {
        const char *name = cells[cells_n - 1].p;
        struct logged *l = name ? map_get_str(r->by_name, name) : NULL;
        if (l)
            fn(r, l, cells);
    }
    my_result_free(rows);
    return next == MY_END;
}

static bool read_tables(struct reading *r, struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = BUF_INIT;
    buf_put_str(&sql, "SELECT TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES WHERE "
                      "TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE') AND ");
    inspect_put_condition(&sql, "TABLE_SCHEMA", r->db, "TABLE_NAME", r->name);
    struct my_result *rows = my_query(r->conn, buf_str(&sql), e);
    struct my_cell cells[3];
    enum my_next next = MY_FAIL;
    while (rows && (next = my_result_next(rows, cells, e)) == MY_ROW) {
        struct logged *l = mem_alloc(sizeof *l);
        l->table = schema_table_new(r->db, cells[0].p, 0);
        l->table->sequence = strcmp(cells[1].p, "SEQUENCE") == 0;
        l->versioned = strcmp(cells[1].p, "SYSTEM VERSIONED") == 0;
        l->in_memory = cells[2].p && strcasecmp(cells[2].p, "MEMORY") == 0;
        map_put_str(r->by_name, cells[0].p, l);
    }
    my_result_free(rows);
    return next == MY_END;
}

static struct schema_column *add_column(struct logged *l)
{
    struct schema_table *t = l->table;
    mem_grow((void **)&t->columns, &l->cap, schema_table_width(t) + 1, sizeof *t->columns);
    struct schema_column *c = &t->columns[schema_table_width(t)];
    memset(c, 0, sizeof *c);
    return c;
}

static void take_column(struct reading *r, struct logged *l, const struct my_cell *cells)
{
    struct err e = ERR_INIT; /* of a type that is not known: who needs the table is told */
    struct schema_column *c = add_column(l);
    l->bad = !inspect_fill_column(cells, inspect_is_mariadb(r->conn), c, &e) || l->bad ||
             l->table->n_columns == INSPECT_MAX_COLUMNS;
    l->own_row_start = l->own_row_start || (c->expression && !strcmp(c->expression, "ROW START"));
    l->table->n_columns++;
}

static bool read_columns(struct reading *r, struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = BUF_INIT;
    buf_put_str(&sql, inspect_columns_query(my_conn_server(r->conn)));
    inspect_put_condition(&sql, "c.TABLE_SCHEMA", r->db, "c.TABLE_NAME", r->name);
    buf_put_str(&sql, " ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION");
    return each_row(r, &sql, INSPECT_COLUMN_CELLS, take_column, e);
}

static void take_check(struct reading *r, struct logged *l, const struct my_cell *cells)
{
    (void)r;
    inspect_mark_json_text(l->table, cells[0].p, cells[1].p);
}

static bool read_checks(struct reading *r, struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = BUF_INIT;
    if (!inspect_is_mariadb(r->conn))
        return true;
    buf_put_str(&sql, "SELECT CONSTRAINT_NAME, CHECK_CLAUSE, TABLE_NAME FROM "
                      "information_schema.CHECK_CONSTRAINTS WHERE LEVEL = 'Column' AND ");
    inspect_put_condition(&sql, "CONSTRAINT_SCHEMA", r->db, "TABLE_NAME", r->name);
    return each_row(r, &sql, 3, take_check, e);
}

static void take_key_part(struct reading *r, struct logged *l, const struct my_cell *cells)
{
    struct schema_table *t = l->table;
    bool first = inspect_u64(&cells[3]) == 1;
    int column = cells[1].p ? schema_table_column(t, cells[1].p) : -1;
    bool hash = inspect_is_mariadb(r->conn) && strcmp(cells[2].p, "HASH") == 0;
    l->hashes += first && hash && !l->in_memory; /* whose own indexes are hashes */
    if (strcmp(cells[0].p, "PRIMARY") != 0 || column < 0)
        return;
    l->has_primary = true;
    t->pk = mem_realloc(t->pk, t->n_pk + 1, sizeof *t->pk);
    t->pk[t->n_pk++] = (uint16_t)column;
}

static bool read_unique_keys(struct reading *r, struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = BUF_INIT;
    buf_put_str(&sql, "SELECT INDEX_NAME, COLUMN_NAME, INDEX_TYPE, SEQ_IN_INDEX, TABLE_NAME "
                      "FROM information_schema.STATISTICS WHERE NON_UNIQUE = 0 AND ");
    inspect_put_condition(&sql, "TABLE_SCHEMA", r->db, "TABLE_NAME", r->name);
    buf_put_str(&sql, " ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX");
    return each_row(r, &sql, 5, take_key_part, e);
}

/* Rows are told apart by the first unique key that can; in the server's order, which only SHOW
 * INDEX has. */
static bool find_identity(struct reading *r, struct logged *l, struct err *e)
{
    struct schema_table *t = l->table;
    if (l->has_primary || t->sequence)
        return true;
    if (!inspect_read_keys(r->conn, t, e))
        return false;
    const struct schema_key *k = schema_table_identity(t);
    for (size_t i = 0; k && i < k->n; i++) {
        t->pk = mem_realloc(t->pk, t->n_pk + 1, sizeof *t->pk);
        t->pk[t->n_pk++] = k->columns[i];
    }
    return true;
}

static void hide(struct logged *l, const char *name, enum schema_type type, uint16_t meta)
{
    struct schema_column *c = add_column(l);
    *c = (struct schema_column){.name = mem_strdup(name),
                                .type = (uint8_t)type,
                                .meta = meta,
                                .unsigned_known = true,
                                .is_unsigned = true};
    l->table->n_hidden++;
}

static void add_hidden(struct logged *l)
{
    l->table->keeps_history = l->versioned && !l->own_row_start;
    if (l->table->keeps_history) {
        hide(l, "row_start", SCHEMA_TYPE_TIMESTAMP2, 6);
        hide(l, "row_end", SCHEMA_TYPE_TIMESTAMP2, 6);
    }
    for (unsigned i = 0; i < l->hashes; i++)
        hide(l, "", SCHEMA_TYPE_LONGLONG, 0); /* the server numbers them as it likes */
}

/* Labels that the texts show in part are read with the whole table. */
static bool complete_labels(struct reading *r, struct schema_table *t, struct err *e)
{
    bool whole = true;
    for (size_t i = 0; i < t->n_columns; i++)
        whole = whole && schema_labels_are_whole(&t->columns[i]);
    if (whole)
        return true;
    struct schema_table *other = schema_inspect(r->conn, t->db, t->name, e);
    bool ok = other && other->n_columns == t->n_columns;
    for (size_t i = 0; ok && i < t->n_columns; i++) {
        struct schema_column c = t->columns[i];
        t->columns[i] = other->columns[i];
        other->columns[i] = c;
    }
    schema_table_unref(other);
    return ok || (e->code == ERR_NONE &&
                  err_set(e, ERR_SCHEMA_UNKNOWN, "%s.%s was altered", t->db, t->name));
}

/* False: nobody answers. A table that is not understood is left out; of one that was asked for *e
 * says why. */
static bool finish(struct reading *r, struct logged *l, struct schema_list *out, struct err *e)
{
    struct err why = ERR_INIT;
    if (l->bad || l->table->n_columns == 0)
        err_set(&why, ERR_SCHEMA_UNKNOWN,
                "a column of %s.%s is not shown, or of a type that is "
                "not known",
                r->db, l->table->name);
    bool ok =
        why.code == ERR_NONE && complete_labels(r, l->table, &why) && find_identity(r, l, &why);
    if (!ok)
        return (!r->name && why.class_ != ERR_CLASS_RETRY) || err_copy(e, &why);
    add_hidden(l);
    l->table->full_metadata = l->table->whole = true;
    schema_table_seal(l->table);
    mem_grow((void **)&out->tables, &out->cap, out->n + 1, sizeof *out->tables);
    out->tables[out->n++] = l->table;
    l->table = NULL;
    return true;
}

bool schema_inspect_logged(struct my_conn *c, const char *db, const char *table,
                           struct schema_list *out, struct err *e)
{
    struct reading r = {.conn = c, .db = db, .name = table, .by_name = map_new(logged_free)};
    void *l = NULL;
    size_t it = 0;
    bool ok = read_tables(&r, e) &&
              (map_count(r.by_name) == 0 ||
               (read_columns(&r, e) && read_checks(&r, e) && read_unique_keys(&r, e)));
    while (ok && map_next(r.by_name, &it, NULL, NULL, &l))
        ok = finish(&r, l, out, e);
    map_free(r.by_name);
    return ok || err_prepend(e, "%s", table ? table : db);
}
