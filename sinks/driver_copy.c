/* sinks/driver_copy.c — the initial copy of a sink: every wanted table from one exact snapshot.
 *
 * The snapshot's position is where the stream begins, so each later change follows each row's copy.
 * Nothing is checkpointed before the copy is complete: a crash begins it anew (records are doubled,
 * none is lost).
 */
#include "base/fault.h"
#include "base/mem.h"
#include "cdc/copy_read.h"
#include "schemas/inspect.h"
#include "sinks/driver_internal.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES ((size_t)512 * 1024)
#define FLUSH_BYTES ((uint64_t)4 * 1024 * 1024)

struct tables {
    struct schema_table **items;
    char **quoted;
    size_t n;
};

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

static bool list_tables(struct lane *l, struct my_conn *c, struct tables *out, struct err *e)
{
    const char *db = l->shard->primary.database;
    char **names;
    size_t n;
    sink_tx_fold_names(l->tx, my_conn_server(c)->folds_names);
    if (!schema_list_tables(c, db, &names, &n, e))
        return false;
    out->items = mem_calloc(n + 1, sizeof *out->items);
    out->quoted = mem_calloc(n + 1, sizeof *out->quoted);
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++) {
        struct schema_table *t = schema_inspect(c, db, names[i], e);
        ok = t != NULL;
        if (ok && sink_tx_wants(l->tx, t)) {
            out->quoted[out->n] = quoted_name(t);
            out->items[out->n++] = t;
        } else {
            schema_table_unref(t);
        }
    }
    schema_names_free(names, n);
    return ok;
}

static bool give_chunk(struct lane *l, struct cdc_batch *b, struct err *e)
{
    bool ok = true;
    for (size_t i = 0; b && i < b->n_changes && ok; i++)
        ok = sink_tx_copy_rows(l->tx, &b->changes[i], e);
    if (ok && l->dirty_bytes >= FLUSH_BYTES)
        ok = lane_flush(l, false, "", e);
    return ok;
}

static bool copy_table(struct lane *l, struct copy_reader *r, const struct schema_table *listed,
                       struct err *e)
{
    struct copy_range range = {0};
    const struct schema_table *t = copy_view_definition(r, listed->db, listed->name, e);
    bool ok = t != NULL;
    for (bool end = false; ok && !end;) {
        struct cdc_batch *b = NULL;
        ok = FAULT_POINT("sink.copy_chunk", e) &&
             copy_read_chunk(r, t, &range, NULL, CHUNK_BYTES, &b, &range.lower, &end, e) &&
             give_chunk(l, b, e);
        cdc_batch_unref(b);
        if (ok && driver_stopping(l->driver))
            ok = err_set(e, ERR_SHUTDOWN, "sink %s was asked to stop", l->driver->spec->name);
    }
    copy_range_fini(&range);
    return ok;
}

bool lane_copy(struct lane *l, struct position *at, struct err *e)
{
    struct tables tables = {0};
    lane_set_state(l, LANE_COPYING, NULL);
    struct copy_reader *r = copy_reader_open(&l->shard->primary, e);
    bool ok = r && list_tables(l, copy_reader_conn(r), &tables, e) &&
              copy_exact_snapshot(r, &l->shard->primary, (const char *const *)tables.quoted,
                                  tables.n, at, e);
    if (ok)
        sink_tx_reset(l->tx, at);
    for (size_t i = 0; i < tables.n && ok; i++)
        ok = copy_table(l, r, tables.items[i], e);
    tables_fini(&tables);
    copy_reader_close(r);
    return ok && lane_flush(l, true, "{\"copied\":true}", e);
}
