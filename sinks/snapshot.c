/* sinks/snapshot.c — reads the snapshot, one chunk ahead of what is given.
 *
 * A row's marker says whether others follow in its table and in all tables, which only the next
 * chunk tells: so each chunk is held until the next one was read, or nothing is left.
 */
#include "sinks/snapshot.h"

#include "base/mem.h"
#include "cdc/copy/copy_read.h"
#include "schemas/inspect.h"

#include <stdlib.h>

#define CHUNK_BYTES ((size_t)512 * 1024)

struct tables {
    struct schema_table **items;
    char **quoted;
    size_t n;
};

struct snapshot {
    struct sink_tx *tx;
    struct copy_reader *reader;
    struct cdc_batch *held;           /* the last chunk read; NULL: none */
    struct sink_snapshot_place place; /* of held */
    size_t table;                     /* number of held's table */
    sink_snapshot_between_fn between;
    void *ctx;
};

enum encode_snapshot sink_snapshot_mark(const struct sink_snapshot_place *place, bool first_row,
                                        bool last_row)
{
    bool first = first_row && place->begins, last = last_row && place->ends;
    if (last_row && place->is_last)
        return ENCODE_SNAPSHOT_LAST;
    if (first && place->first_table)
        return ENCODE_SNAPSHOT_FIRST;
    if (last)
        return ENCODE_SNAPSHOT_LAST_OF_TABLE;
    return first ? ENCODE_SNAPSHOT_FIRST_OF_TABLE : ENCODE_SNAPSHOT_ROW;
}

/* ---- which tables ---- */

static void tables_fini(struct tables *t)
{
    for (size_t i = 0; i < t->n; i++) {
        schema_table_unref(t->items[i]);
        free(t->quoted[i]);
    }
    free(t->items);
    free(t->quoted);
}

static char *quoted_name(const struct schema_table *t)
{
    struct buf name = BUF_INIT;
    buf_put_ident(&name, t->db);
    buf_put_str(&name, ".");
    buf_put_ident(&name, t->name);
    return buf_take(&name);
}

static bool list_tables(struct sink_tx *tx, struct my_conn *c, const char *db, struct tables *out,
                        struct err *e)
{
    char **names;
    size_t n;
    if (!schema_list_tables(c, db, &names, &n, e))
        return false;
    out->items = mem_calloc(n + 1, sizeof *out->items);
    out->quoted = mem_calloc(n + 1, sizeof *out->quoted);
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++) {
        struct schema_table *t = schema_inspect(c, db, names[i], e);
        ok = t != NULL;
        if (ok && sink_tx_wants(tx, t)) {
            out->quoted[out->n] = quoted_name(t);
            out->items[out->n++] = t;
        } else {
            schema_table_unref(t);
        }
    }
    schema_names_free(names, n);
    return ok;
}

/* ---- chunks ---- */

static bool give_held(struct snapshot *s, bool table_ends, bool is_last, struct err *e)
{
    bool ok = true;
    s->place.ends = table_ends;
    s->place.is_last = is_last;
    for (size_t i = 0; s->held && i < s->held->n_changes && ok; i++)
        ok = sink_tx_copy_rows(s->tx, &s->held->changes[i], &s->place, e);
    cdc_batch_unref(s->held);
    s->held = NULL;
    return ok;
}

static bool hold(struct snapshot *s, struct cdc_batch **take, size_t table, bool begins,
                 struct err *e)
{
    bool ok = give_held(s, s->table != table, false, e);
    s->held = *take;
    *take = NULL;
    s->table = table;
    s->place = (struct sink_snapshot_place){.first_table = table == 0, .begins = begins};
    return ok;
}

/* The definition is the view's: rows are read and published by it alone. */
static bool read_table(struct snapshot *s, const struct schema_table *listed, size_t number,
                       struct err *e)
{
    struct copy_range range = {0};
    const struct schema_table *t = copy_view_definition(s->reader, listed->db, listed->name, e);
    bool ok = t != NULL, begins = true;
    for (bool end = false; ok && !end;) {
        struct cdc_batch *b = NULL;
        ok = s->between(s->ctx, e) &&
             copy_read_chunk(s->reader, t, &range, NULL, CHUNK_BYTES, &b, &range.lower, &end, e);
        if (ok && b) {
            ok = hold(s, &b, number, begins, e);
            begins = false;
        }
        cdc_batch_unref(b);
    }
    copy_range_fini(&range);
    return ok;
}

bool sink_snapshot(struct sink_tx *tx, const struct my_params *source, struct position *at,
                   sink_snapshot_between_fn between, void *ctx, struct err *e)
{
    struct tables tables = {0};
    struct snapshot s = {.tx = tx, .between = between, .ctx = ctx};
    s.reader = copy_reader_open(source, e);
    const struct my_server *server = s.reader ? my_conn_server(copy_reader_conn(s.reader)) : NULL;
    if (server) {
        sink_tx_fold_names(tx, server->folds_names);
        sink_tx_is_of_mariadb(tx, server->flavor == MY_FLAVOR_MARIADB);
    }
    bool ok =
        s.reader && list_tables(tx, copy_reader_conn(s.reader), source->database, &tables, e) &&
        copy_exact_snapshot(s.reader, source, (const char *const *)tables.quoted, tables.n, at, e);
    if (ok)
        sink_tx_reset(tx, at);
    for (size_t i = 0; i < tables.n && ok; i++)
        ok = read_table(&s, tables.items[i], i, e);
    ok = ok && give_held(&s, true, true, e) && between(ctx, e);
    cdc_batch_unref(s.held);
    tables_fini(&tables);
    copy_reader_close(s.reader);
    return ok;
}
