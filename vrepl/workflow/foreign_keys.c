/* vrepl/workflow/foreign_keys.c — information_schema's foreign keys against a workflow's tables. */
#include "vrepl/workflow/foreign_keys.h"

#include "base/mem.h"
#include "vrepl/workflow/workflow_type.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MOST_PAIRS 64 /* InnoDB's limit of columns in a key */

static const struct wf_table *in_set(const struct wf_def *d, const char *const *names,
                                     const char *want_db, const char *db, const char *table)
{
    for (size_t i = 0; db != NULL && table != NULL && i < d->n_tables; i++) {
        if (strcmp(db, want_db) == 0 && strcmp(names[i], table) == 0)
            return &d->tables[i];
    }
    return NULL;
}

static bool cascades(const char *rule)
{
    return rule != NULL && strcasecmp(rule, "RESTRICT") != 0 && strcasecmp(rule, "NO ACTION") != 0;
}

bool foreign_key_stays_together(const struct wf_table *child, const struct wf_table *parent,
                                const char *const *pairs, size_t n_pairs)
{
    if (parent->vindex_type == NULL) /* its rows are on every shard */
        return true;
    bool same = child->vindex_type != NULL && child->n_columns == parent->n_columns &&
                strcmp(child->placement, parent->placement) == 0;
    for (size_t i = 0; same && i < child->n_columns; i++) {
        bool joined = false;
        for (size_t k = 0; k < n_pairs && !joined; k++)
            joined = strcasecmp(pairs[2 * k], child->columns[i]) == 0 &&
                     strcasecmp(pairs[2 * k + 1], parent->columns[i]) == 0;
        same = joined;
    }
    return same;
}

/* v: CONSTRAINT_NAME, CONSTRAINT_SCHEMA, TABLE_NAME of one key. */
static struct my_result *pairs_query(struct my_conn *c, const struct my_cell *v, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    static const char *const columns[] = {"CONSTRAINT_NAME", "CONSTRAINT_SCHEMA", "TABLE_NAME"};
    buf_put_str(&sql, "SELECT COLUMN_NAME, REFERENCED_COLUMN_NAME FROM "
                      "information_schema.KEY_COLUMN_USAGE WHERE REFERENCED_COLUMN_NAME IS NOT "
                      "NULL");
    for (size_t i = 0; i < 3; i++) {
        buf_printf(&sql, " AND %s = ", columns[i]);
        buf_put_sql_string(&sql, v[i].p, strlen(v[i].p));
    }
    return my_query(c, buf_str(&sql), e);
}

static bool check_together(const struct wf_table *child, const struct wf_table *parent,
                           struct my_conn *c, const struct my_cell *v, struct err *e)
{
    const char *pairs[2 * MOST_PAIRS];
    char *own[2 * MOST_PAIRS];
    size_t n = 0;
    struct my_cell cells[2];
    enum my_next next = MY_FAIL;
    struct my_result *r = pairs_query(c, v, e);
    while (r != NULL && (next = my_result_next(r, cells, e)) == MY_ROW && n < MOST_PAIRS) {
        for (size_t k = 0; k < 2; k++)
            pairs[2 * n + k] = own[2 * n + k] = mem_strdup(cells[k].p);
        n++;
    }
    my_result_free(r);
    bool ok = next == MY_END && foreign_key_stays_together(child, parent, pairs, n);
    for (size_t i = 0; i < 2 * n; i++)
        free(own[i]);
    if (ok || next == MY_FAIL)
        return ok;
    err_set(e, ERR_WF_PRECONDITION,
            "foreign key %s from %s to %s joins rows that land on different target shards", v[0].p,
            v[2].p, v[4].p);
    return err_cure(e,
                    "shard both tables by the columns of the key, make %s a reference table, or "
                    "drop the key",
                    v[4].p);
}

static bool check_key(const struct wf_def *d, const char *const *names, struct my_conn *c,
                      const char *db, const struct my_cell *v, struct err *e)
{
    const struct wf_table *child = in_set(d, names, db, v[1].p, v[2].p),
                          *parent = in_set(d, names, db, v[3].p, v[4].p);
    if (child == NULL && parent == NULL)
        return true;
    if (child != NULL && (cascades(v[5].p) || cascades(v[6].p))) {
        err_set(e, ERR_WF_PRECONDITION,
                "foreign key %s of %s cascades (ON UPDATE %s, ON DELETE %s): the log does not hold "
                "such changes",
                v[0].p, v[2].p, v[5].p, v[6].p);
        return err_cure(e,
                        "let the application make these changes, and define the key with RESTRICT");
    }
    if (!d->type->takes_over)
        return true;
    if (child != NULL && parent != NULL)
        return d->target.n_shards == 1 || check_together(child, parent, c, v, e);
    err_set(e, ERR_WF_PRECONDITION, "foreign key %s from %s to %s leaves the set of tables", v[0].p,
            v[2].p, v[4].p);
    return err_cure(e, "move both tables in one workflow, or drop the key");
}

bool foreign_keys_check(const struct wf_def *d, const char *const *names, struct my_conn *c,
                        const struct topo_shard *s, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    CLEANUP(buf_fini) struct buf db = BUF_INIT;
    buf_put_sql_string(&db, s->primary.database, strlen(s->primary.database));
    buf_printf(&sql,
               "SELECT CONSTRAINT_NAME, CONSTRAINT_SCHEMA, TABLE_NAME, UNIQUE_CONSTRAINT_SCHEMA, "
               "REFERENCED_TABLE_NAME, UPDATE_RULE, DELETE_RULE FROM "
               "information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = %s "
               "OR UNIQUE_CONSTRAINT_SCHEMA = %s",
               buf_str(&db), buf_str(&db));
    struct my_result *r = my_query(c, buf_str(&sql), e);
    struct my_cell v[7];
    enum my_next next = MY_FAIL;
    while (r != NULL && (next = my_result_next(r, v, e)) == MY_ROW) {
        if (!check_key(d, names, c, s->primary.database, v, e))
            break;
    }
    my_result_free(r);
    return next == MY_END || err_prepend(e, "%s/%s", s->keyspace, s->name);
}
