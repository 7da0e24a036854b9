/* schemas/inspect_whole.c — labels and defaults that a server's texts show only in part, asked for.
 *
 * information_schema and SHOW CREATE TABLE are utf8mb3 (schemas/labels.c says what that loses).
 * Whole they are only as values. No row needs to hold a label for that, and nothing is written:
 *
 *   WITH RECURSIVE c(v, n) AS (
 *       SELECT t.`e`, 0 FROM (SELECT 1 AS one) o LEFT JOIN db.t ON FALSE   -- NULL, but of e's type
 *       UNION ALL SELECT n + 1, n + 1 FROM c WHERE n < number of labels)   -- stored as e's value
 *   SELECT n, HEX(v) FROM c WHERE n > 0
 *
 * Both servers give a recursive table's columns the types of its first SELECT, and convert what the
 * second gives to them: a number to the label with that number. HEX shows the label's bytes in the
 * column's character set, as the log's own metadata has them. MariaDB's DEFAULT(t.`c`) over the
 * same join is the default's value; MySQL prints a default that is no utf8mb3 as 0x… itself.
 */
#include "schemas/inspect_whole.h"

#include "base/mem.h"
#include "schemas/labels.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct whole {
    struct my_conn *conn;
    struct schema_table *t;
    bool *asked;     /* a column's labels */
    char **defaults; /* a column's default, as hexadecimal digits; NULL: its text is whole */
};

static void whole_fini(struct whole *w)
{
    for (size_t i = 0; i < w->t->n_columns; i++)
        free(w->defaults[i]);
    free(w->defaults);
    free(w->asked);
}

static bool has_labels(const struct schema_column *c)
{
    return c->type == SCHEMA_TYPE_ENUM || c->type == SCHEMA_TYPE_SET;
}

static void put_join(const struct schema_table *t, struct buf *sql)
{
    buf_put_str(sql, " FROM (SELECT 1 AS one) o LEFT JOIN ");
    buf_put_table_name(sql, t->db, t->name);
    buf_put_str(sql, " t ON FALSE");
}

static bool cannot_be_read(const char *what, const char *column, struct err *e)
{
    if (e->class_ == ERR_CLASS_RETRY)
        return false;
    struct err why = *e;
    err_set(e, ERR_SCHEMA_UNKNOWN,
            "column %s: the server shows its %s with '?' for what is not utf8mb3, and does not let "
            "us ask for the whole: %.600s",
            column, what, why.text);
    return err_cure(e, "grant SELECT on the table (the server must know WITH RECURSIVE), or leave "
                       "the table out");
}

/* ---- labels ---- */

static void put_labels_query(const struct schema_table *t, const struct schema_column *c,
                             struct buf *sql)
{
    buf_put_str(sql, "WITH RECURSIVE c(v, n) AS (SELECT t.");
    buf_put_ident(sql, c->name);
    buf_put_str(sql, ", 0");
    put_join(t, sql);
    buf_printf(sql, " UNION ALL SELECT %s, n + 1 FROM c WHERE n < %zu) ",
               c->type == SCHEMA_TYPE_ENUM ? "n + 1" : "1 << n", c->n_labels);
    buf_put_str(sql, "SELECT n, HEX(v) FROM c WHERE n > 0 ORDER BY n");
}

static int hex_value(char c)
{
    return c >= 'A' ? c - 'A' + 10 : c - '0';
}

static void add_from_hex(struct schema_column *c, const struct my_cell *hex)
{
    struct buf bytes CLEANUP(buf_fini) = BUF_INIT;
    for (size_t i = 0; i + 1 < hex->n; i += 2)
        buf_put_u8(&bytes, (uint8_t)(hex_value(hex->p[i]) << 4 | hex_value(hex->p[i + 1])));
    schema_labels_add_bytes(c, buf_str(&bytes), bytes.len);
}

/* c's labels become those that the server gives, if it gives as many. */
static bool take_labels(struct my_result *r, struct schema_column *c, struct err *e)
{
    size_t expected = c->n_labels;
    struct my_cell cells[2];
    enum my_next next;
    schema_labels_clear(c);
    while ((next = my_result_next(r, cells, e)) == MY_ROW && cells[1].p)
        add_from_hex(c, &cells[1]);
    if (next == MY_FAIL)
        return false;
    return c->n_labels == expected ||
           err_set(e, ERR_SCHEMA_MISMATCH, "%zu labels of %zu were given", c->n_labels, expected);
}

static bool ask_labels(struct whole *w, struct schema_column *c, struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = BUF_INIT;
    put_labels_query(w->t, c, &sql);
    struct my_result *r = my_query(w->conn, buf_str(&sql), e);
    bool ok = r && take_labels(r, c, e);
    my_result_free(r);
    return ok || cannot_be_read("labels", c->name, e);
}

/* ---- defaults ---- */

static bool is_narrowed(const struct schema_table *t, const struct create_spot *spot)
{
    return memchr(t->create_sql + spot->start, '?', spot->end - spot->start) != NULL;
}

/* A column that is NOT NULL has no default in the join's row: any row of the table shows it. */
static void put_default_query(const struct schema_table *t, const struct schema_column *c,
                              struct buf *sql)
{
    buf_put_str(sql, "SELECT HEX(DEFAULT(t.");
    buf_put_ident(sql, c->name);
    buf_put_str(sql, "))");
    if (c->nullable) {
        put_join(t, sql);
        return;
    }
    buf_put_str(sql, " FROM ");
    buf_put_table_name(sql, t->db, t->name);
    buf_put_str(sql, " t LIMIT 1");
}

static bool ask_default(struct whole *w, size_t column, struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = BUF_INIT;
    const struct schema_column *c = &w->t->columns[column];
    put_default_query(w->t, c, &sql);
    if (!my_query_text(w->conn, buf_str(&sql), &w->defaults[column], e))
        return cannot_be_read("default", c->name, e);
    if (!w->defaults[column] && !w->t->narrowed)
        w->t->narrowed = mem_strdup(c->name);
    return true;
}

static bool ask_defaults(struct whole *w, struct err *e)
{
    struct create_spots spots;
    struct create_spot spot;
    bool ok = true;
    if (my_conn_server(w->conn)->flavor != MY_FLAVOR_MARIADB)
        return true;
    create_spots_begin(&spots, w->t);
    while (ok && create_spots_next(&spots, &spot))
        if (!spot.labels && is_narrowed(w->t, &spot))
            ok = ask_default(w, spot.column, e);
    return ok;
}

/* ---- the text ---- */

static void put_spot(const struct whole *w, const struct create_spot *spot, struct buf *out)
{
    const char *sql = w->t->create_sql;
    if (spot->labels && w->asked[spot->column])
        schema_labels_put_sql(&w->t->columns[spot->column], out);
    else if (!spot->labels && w->defaults[spot->column])
        buf_printf(out, "x'%s'", w->defaults[spot->column]);
    else
        buf_put(out, sql + spot->start, spot->end - spot->start);
}

static void rewrite(struct whole *w)
{
    struct create_spots spots;
    struct create_spot spot;
    struct buf text = BUF_INIT;
    size_t done = 0;
    create_spots_begin(&spots, w->t);
    while (create_spots_next(&spots, &spot)) {
        buf_put(&text, w->t->create_sql + done, spot.start - done);
        put_spot(w, &spot, &text);
        done = spot.end;
    }
    buf_put_str(&text, w->t->create_sql + done);
    free(w->t->create_sql);
    w->t->create_sql = buf_take(&text);
}

bool schema_inspect_whole(struct my_conn *c, struct schema_table *t, struct err *e)
{
    struct whole w CLEANUP(whole_fini) = {.conn = c, .t = t};
    w.asked = mem_calloc(t->n_columns, sizeof *w.asked);
    w.defaults = mem_calloc(t->n_columns, sizeof *w.defaults);
    for (size_t i = 0; i < t->n_columns; i++) {
        struct schema_column *column = &t->columns[i];
        w.asked[i] = has_labels(column) && !schema_labels_are_whole(column);
        if (w.asked[i] && !ask_labels(&w, column, e))
            return false;
    }
    if (!ask_defaults(&w, e))
        return false;
    rewrite(&w);
    return true;
}
