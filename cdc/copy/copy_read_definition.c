/* cdc/copy/copy_read_definition.c — by which definition the rows of a read view are to be
 * understood.
 *
 * A definition that was read before the view opened may be another than the one by which the server
 * reads: an ALTER in between gives ENUM numbers of other labels, integers of other widths, columns
 * of other types, without any error. So the definition is read again for each view and table, in
 * this order:
 *
 *   1. The view touches the table. From here to the view's end its metadata lock keeps DDL away.
 *   2. The definition is read, by another connection: MySQL's information_schema shows an open
 *      snapshot the table as it was, not as it is read (measured on 9.7). None of these statements
 *      waits for a DDL that waits for 1: they all take the lock that has priority.
 *   3. Rows are read by it, or not at all: where the table was rebuilt after the view was made the
 *      server answers 1412, and a new view is tried.
 */
#include "base/mem.h"
#include "cdc/copy/copy_read_internal.h"
#include "schemas/inspect.h"

#include <stdlib.h>
#include <string.h>

void copy_definitions_forget(struct copy_reader *r)
{
    for (size_t i = 0; i < r->n_known; i++)
        schema_table_unref(r->known[i]);
    r->n_known = 0;
}

static const struct schema_table *find_known(const struct copy_reader *r, const char *db,
                                             const char *name)
{
    for (size_t i = 0; i < r->n_known; i++) {
        if (strcmp(r->known[i]->db, db) == 0 && strcmp(r->known[i]->name, name) == 0)
            return r->known[i];
    }
    return NULL;
}

/* LIMIT 0 reads nothing, but the lock stays with the transaction. */
static bool touch(struct copy_reader *r, const char *db, const char *name, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_str(&sql, "SELECT 1 FROM ");
    buf_put_table_name(&sql, db, name);
    buf_put_str(&sql, " LIMIT 0");
    struct my_result *res = my_query(r->conn, buf_str(&sql), e);
    my_result_free(res);
    return res != NULL;
}

static struct schema_table *inspect(struct copy_reader *r, const char *db, const char *name,
                                    struct err *e)
{
    if (!r->asker || !my_ping(r->asker, e)) {
        err_clear(e);
        my_close(r->asker);
        r->asker = my_connect(&r->params, "copy schema", e);
    }
    return r->asker ? schema_inspect(r->asker, db, name, e) : NULL;
}

const struct schema_table *copy_view_definition(struct copy_reader *r, const char *db,
                                                const char *name, struct err *e)
{
    const struct schema_table *t = find_known(r, db, name);
    if (t)
        return t;
    if (!r->in_view) {
        err_set(e, ERR_INTERNAL, "%s.%s is asked for outside a read view", db, name);
        return NULL;
    }
    t = touch(r, db, name, e) ? inspect(r, db, name, e) : NULL;
    if (!t) {
        err_prepend(e, "definition of %s.%s", db, name);
        return NULL;
    }
    mem_grow((void **)&r->known, &r->cap_known, r->n_known + 1, sizeof *r->known);
    r->known[r->n_known++] = t;
    return t;
}
