/* cdc/vstream/initial_copy.c — reads the snapshot, one chunk ahead of what is given.
 *
 * A part says whether others follow in its table and in all tables, which only the next chunk tells:
 * so each chunk is held until the next one was read, or nothing is left.
 */
#include "cdc/vstream/initial_copy.h"

#include "base/mem.h"
#include "cdc/copy/copy_read.h"
#include "cdc/sidecar/origin.h"
#include "schemas/inspect.h"
#include "schemas/names.h"

#include <stdlib.h>

#define CHUNK_BYTES ((size_t)512 * 1024)

struct chunk {
    struct cdc_batch *batch; /* NULL: none */
    size_t table;            /* its number */
    bool begins;             /* it is the first of its table */
};

struct initial_copy {
    struct initial_copy_options o;
    struct copy_reader *reader;
    struct position at;
    struct schema_table **tables;
    char **quoted;
    size_t n_tables;
    /* what is read next */
    size_t table;                          /* n_tables: nothing */
    const struct schema_table *definition; /* the view's; NULL: the table was not begun */
    struct copy_range range;
    bool begins;
    struct chunk ahead, given;
    struct vstream_copied copied; /* of given */
};

const struct position *initial_copy_position(const struct initial_copy *c)
{
    return &c->at;
}

/* ---- which tables ---- */

static bool wants(const struct initial_copy *c, const struct schema_table *t, bool folds)
{
    bool listed = c->o.n_tables == 0;
    for (size_t i = 0; i < c->o.n_tables && !listed; i++)
        listed = schema_name_is(folds, c->o.tables[i], t->name);
    return listed && !cdc_is_sidecar(t);
}

static char *quoted_name(const struct schema_table *t)
{
    struct buf name = BUF_INIT;
    buf_put_table_name(&name, t->db, t->name);
    return buf_take(&name);
}

static bool list_tables(struct initial_copy *c, struct err *e)
{
    struct my_conn *conn = copy_reader_conn(c->reader);
    bool folds = my_conn_server(conn)->folds_names, ok = true;
    const char *db = c->o.source->database;
    char **names;
    size_t n;
    if (!schema_list_tables(conn, db, &names, &n, e))
        return false;
    c->tables = mem_calloc(n + 1, sizeof(struct schema_table *));
    c->quoted = mem_calloc(n + 1, sizeof(char *));
    for (size_t i = 0; i < n && ok; i++) {
        struct schema_table *t = schema_inspect(conn, db, names[i], e);
        ok = t != NULL;
        if (ok && wants(c, t, folds)) {
            c->quoted[c->n_tables] = quoted_name(t);
            c->tables[c->n_tables++] = t;
        } else {
            schema_table_unref(t);
        }
    }
    schema_names_free(names, n);
    return ok;
}

/* ---- the snapshot ---- */

static bool take_snapshot(struct initial_copy *c, struct err *e)
{
    c->reader = copy_reader_open(c->o.source, e);
    if (c->reader == NULL || !list_tables(c, e))
        return false;
    const struct my_server *server = my_conn_server(copy_reader_conn(c->reader));
    c->copied =
        (struct vstream_copied){.at = &c->at, .mariadb = server->flavor == MY_FLAVOR_MARIADB};
    return copy_exact_snapshot(c->reader, c->o.source, (const char *const *)c->quoted, c->n_tables,
                               &c->at, e);
}

struct initial_copy *initial_copy_open(const struct initial_copy_options *o, struct err *e)
{
    struct initial_copy *c = mem_alloc(sizeof *c);
    c->o = *o;
    c->begins = true;
    if (take_snapshot(c, e))
        return c;
    initial_copy_close(c);
    return NULL;
}

void initial_copy_close(struct initial_copy *c)
{
    if (c == NULL)
        return;
    cdc_batch_unref(c->ahead.batch);
    cdc_batch_unref(c->given.batch);
    copy_range_fini(&c->range);
    copy_reader_close(c->reader);
    for (size_t i = 0; i < c->n_tables; i++) {
        schema_table_unref(c->tables[i]);
        free(c->quoted[i]);
    }
    free(c->tables);
    free(c->quoted);
    position_fini(&c->at);
    free(c);
}

/* ---- chunks ---- */

/* The definition is the view's: rows are read and published by it alone. */
static bool begin_table(struct initial_copy *c, struct err *e)
{
    const struct schema_table *listed = c->tables[c->table];
    if (c->definition == NULL)
        c->definition = copy_view_definition(c->reader, listed->db, listed->name, e);
    return c->definition != NULL;
}

static void end_table(struct initial_copy *c)
{
    copy_range_fini(&c->range);
    c->range = (struct copy_range){0};
    c->definition = NULL;
    c->begins = true;
    c->table++;
}

/* out stays empty when nothing is left. */
static bool read_chunk(struct initial_copy *c, struct chunk *out, struct err *e)
{
    while (out->batch == NULL && c->table < c->n_tables) {
        bool end = false;
        if (!begin_table(c, e) ||
            !copy_read_chunk(c->reader, c->definition, &c->range, NULL, CHUNK_BYTES, &out->batch,
                             &c->range.lower, &end, e))
            return false;
        if (out->batch != NULL) {
            out->table = c->table;
            out->begins = c->begins;
            c->begins = false;
        }
        if (end)
            end_table(c);
    }
    return true;
}

static enum initial_copy_next give(struct initial_copy *c, struct committed_part *part)
{
    const struct cdc_batch *b = c->given.batch;
    c->copied.first_table = c->given.table == 0;
    c->copied.begins = c->given.begins;
    c->copied.is_last = c->ahead.batch == NULL;
    c->copied.ends = c->copied.is_last || c->ahead.table != c->given.table;
    *part = (struct committed_part){
        .changes = b->changes, .n = b->n_changes, .ends = true, .copied = &c->copied};
    return INITIAL_COPY_PART;
}

enum initial_copy_next initial_copy_next(struct initial_copy *c, struct committed_part *part,
                                         struct err *e)
{
    do {
        struct chunk next = {0};
        if (!read_chunk(c, &next, e))
            return INITIAL_COPY_FAIL;
        cdc_batch_unref(c->given.batch);
        c->given = c->ahead;
        c->ahead = next;
    } while (c->given.batch == NULL && c->ahead.batch != NULL);
    return c->given.batch == NULL ? INITIAL_COPY_DONE : give(c, part);
}
