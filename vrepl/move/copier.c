/* vrepl/move/copier.c — one copier: its connections, and the writing of a chunk to a target exactly
 * once.
 *
 * A chunk is one transaction: epoch, progress row, rows, commit. The progress row is written under
 * the condition that it is as we know it; so a COMMIT whose answer was lost and that did land makes
 * the repetition miss, and the row read again under its lock says where we are. Plain INSERT in
 * strict mode, never IGNORE. On 1062 the chunk is written again row by row, without the rows whose
 * key is taken: replay brings those (vrepl/move/copy.c), and a list in the same transaction knows
 * which they are until it has (vrepl/move/left_out.h).
 */
#include "vrepl/move/copy_internal.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define COPY_LOCK_S 20 /* then the wait for a lock at the target is said, and tried again */

static void close_target(struct copier_target *t)
{
    vrepl_writer_free(t->writer);
    target_tx_free(t->tx);
    my_close(t->conn);
    *t = (struct copier_target){.conn = NULL};
}

void copier_close(struct copier *k)
{
    for (size_t i = 0; k->targets && i < k->copy->o.spec->n_targets; i++)
        close_target(&k->targets[i]);
    free(k->targets);
    k->targets = NULL;
    copy_reader_close(k->reader);
    k->reader = NULL;
    cdc_row_free(k->row);
    k->row = NULL;
    k->row_columns = 0;
}

/* Between two rounds the servers may have ended a session that said nothing. */
static bool still_there(struct my_conn *c)
{
    struct err lost = ERR_INIT;
    return c && my_ping(c, &lost);
}

static bool open_target(struct copier *k, size_t i, struct err *e)
{
    struct copier_target *t = &k->targets[i];
    const struct vrepl_copy_target *o = &k->copy->o.targets[i];
    if (still_there(t->conn))
        return true;
    close_target(t);
    t->conn = target_connect(o->params, "copy", e);
    if (!t->conn)
        return false;
    t->tx = target_tx_new(t->conn, &o->key);
    t->writer = vrepl_writer_new(t->conn, 2000, k->copy->chunk_bytes);
    return my_limit_lock_waits(t->conn, COPY_LOCK_S, e) &&
           my_exec(t->conn, "SET SESSION foreign_key_checks=0", NULL, e);
}

/* MySQL's JSON has types inside that a target on MySQL keeps; MariaDB's is its text. */
static bool open_reader(struct copier *k, struct err *e)
{
    const struct vrepl_stream_spec *s = k->copy->o.spec;
    bool keeps = false;
    k->reader = copy_reader_open(&s->source->primary, e);
    if (!k->reader)
        return false;
    for (size_t i = 0; i < s->n_targets; i++)
        keeps |= my_conn_server(k->targets[i].conn)->flavor == MY_FLAVOR_MYSQL;
    if (keeps && my_conn_server(copy_reader_conn(k->reader))->flavor == MY_FLAVOR_MYSQL)
        copy_reader_json_types(k->reader);
    return true;
}

bool copier_open(struct copier *k, struct err *e)
{
    const struct vrepl_stream_spec *s = k->copy->o.spec;
    if (!k->targets)
        k->targets = mem_calloc(s->n_targets, sizeof *k->targets);
    for (size_t i = 0; i < s->n_targets; i++) {
        if (!open_target(k, i, e)) {
            close_target(&k->targets[i]);
            return false;
        }
    }
    if (k->reader != NULL && still_there(copy_reader_conn(k->reader)))
        return true;
    copy_reader_close(k->reader);
    k->reader = NULL;
    return open_reader(k, e);
}

static struct cdc_row *row_for(struct copier *k, size_t n_columns)
{
    if (n_columns > k->row_columns) {
        cdc_row_free(k->row);
        k->row = cdc_row_new(n_columns);
        k->row_columns = n_columns;
    }
    return k->row;
}

/* Bounds are literals that are compared as the key's columns were when the ranges were cut. */
static bool same_order(const struct schema_table *a, const struct schema_table *b)
{
    const struct schema_key *x = schema_table_identity(a), *y = schema_table_identity(b);
    bool same = !x == !y && (!x || x->n == y->n);
    for (size_t i = 0; same && x && i < x->n; i++) {
        const struct schema_column *p = &a->columns[x->columns[i]], *q = &b->columns[y->columns[i]];
        same = !strcasecmp(p->name, q->name) && p->collation == q->collation &&
               schema_type_is_integer(p->type) == schema_type_is_integer(q->type);
    }
    return same;
}

const struct schema_table *copier_definition(struct copier *k, size_t table_no, struct err *e)
{
    const struct schema_table *cut_by = k->copy->o.sources[table_no];
    const struct schema_table *t = copy_view_definition(k->reader, cut_by->db, cut_by->name, e);
    if (!t || same_order(cut_by, t))
        return t;
    err_set(e, ERR_SCHEMA_MISMATCH, "%s.%s: its key was altered while it was being copied", t->db,
            t->name);
    err_cure(e,
             "alter the target's key alike, and copy the table anew (workflow stop, then workflow "
             "start --recopy %s)",
             k->copy->o.spec->tables[table_no].target_table);
    return NULL;
}

bool copier_route(struct copier *k, const struct cdc_batch *b, const struct vrepl_plan **plan,
                  uint16_t **routes, struct err *e)
{
    const struct cdc_rows *rows = &b->changes[0].rows;
    assert(b->n_changes == 1 && b->changes[0].kind == CDC_COPY_ROWS);
    *routes = NULL;
    *plan = vrepl_router_plan(k->copy->o.router, rows->table, e);
    if (!*plan)
        return e->code != ERR_NONE
                   ? false
                   : err_set(e, ERR_INTERNAL, "%s is not of the stream", rows->table->name);
    if (!(*plan)->spec->vindex)
        return true;
    *routes = mem_calloc(rows->n_rows, sizeof **routes);
    struct cdc_row *row = row_for(k, rows->n_columns);
    struct cdc_rows_iter it;
    enum cdc_rows_result next;
    cdc_rows_begin(&it, rows);
    while ((next = cdc_rows_next(&it, NULL, row, e)) == CDC_ROWS_ROW) {
        if (!vrepl_route_row(k->copy->o.router, *plan, row, NULL, &(*routes)[it.row], e))
            break;
    }
    if (next == CDC_ROWS_END)
        return true;
    free(*routes);
    *routes = NULL;
    return false;
}

/* The identity key itself is taken: with dropped changes nobody but us can have put that row there.
 */
static bool is_identity(const struct vrepl_plan *p, const struct err *e)
{
    CLEANUP(buf_fini) struct buf name = BUF_INIT;
    const struct schema_key *key = schema_table_identity(p->target);
    if (!key)
        return true;
    buf_printf(&name, "'%s'", key->name);
    if (strstr(e->text, buf_str(&name)))
        return true;
    buf_reset(&name);
    buf_printf(&name, ".%s'", key->name);
    return strstr(e->text, buf_str(&name)) != NULL;
}

static bool may_skip(struct copier *k, size_t target_no, const struct copier_chunk *c,
                     struct err *e)
{
    const struct progress_table *t = &k->copy->o.targets[target_no].progress->tables[c->table_no];
    if (e->code != ERR_DB_DUPLICATE)
        return false;
    if (!t->exact_snapshot && !(t->order_exact && is_identity(c->plan, e)))
        return true;
    err_set_native(e, ERR_COPY_ROW, ERR_CLASS_FATAL, e->native, "%s", e->text);
    err_cure(e, "the target table held a row that the copy did not write; empty it and create the "
                "workflow again");
    return false;
}

static bool leave_out(struct copier *k, size_t target_no, const struct copier_chunk *c,
                      const struct cdc_row *row, struct err *e)
{
    const struct vrepl_copy_target *o = &k->copy->o.targets[target_no];
    const struct err duplicate = *e;
    err_clear(e);
    return left_out_add(o->left_out, k->targets[target_no].conn, &o->key, c->plan, row, &duplicate,
                        e);
}

/* one_by_one: rows whose key is taken are left out. */
static bool put_rows(struct copier *k, size_t target_no, const struct copier_chunk *c,
                     bool one_by_one, uint64_t *n, struct err *e)
{
    static const struct copy_statement insert = {.verb = COPY_INSERT, .strict = true};
    struct vrepl_writer *w = k->targets[target_no].writer;
    const struct cdc_rows *rows = &c->batch->changes[0].rows;
    struct cdc_row *row = row_for(k, rows->n_columns);
    struct cdc_rows_iter it;
    enum cdc_rows_result next;
    vrepl_writer_one_by_one(w, one_by_one);
    cdc_rows_begin(&it, rows);
    while ((next = cdc_rows_next(&it, NULL, row, e)) == CDC_ROWS_ROW) {
        if (c->routes && !vrepl_route_hits(c->routes[it.row], target_no))
            continue;
        if (vrepl_writer_put(w, c->plan, insert, NULL, row, e)) {
            ++*n;
            continue;
        }
        vrepl_writer_reset(w);
        if (!one_by_one || !may_skip(k, target_no, c, e) || !leave_out(k, target_no, c, row, e))
            return false;
    }
    return next == CDC_ROWS_END && vrepl_writer_flush(w, e);
}

static uint64_t rows_for(const struct copier_chunk *c, size_t target_no)
{
    uint64_t n = 0, all = c->batch ? c->batch->changes[0].rows.n_rows : 0;
    if (!c->routes)
        return all;
    for (uint64_t i = 0; i < all; i++)
        n += vrepl_route_hits(c->routes[i], target_no);
    return n;
}

static bool write_once(struct copier *k, size_t target_no, struct progress_range *r,
                       const struct copier_chunk *c, bool one_by_one, bool *moved, struct err *e)
{
    struct copier_target *t = &k->targets[target_no];
    const struct vrepl_copy_target *o = &k->copy->o.targets[target_no];
    const struct progress_table *table = &o->progress->tables[c->table_no];
    uint64_t n = rows_for(c, target_no), written = 0;
    *moved = false;
    if (!target_tx_begin(t->tx, e) ||
        !progress_advance(t->conn, &o->key, table, r, c->new_last, c->done, n, moved, e))
        return false;
    if (*moved)
        return false;
    if (!FAULT_POINT("copy.before_insert", e))
        return false;
    if (c->batch && !put_rows(k, target_no, c, one_by_one, &written, e))
        return false;
    if (!FAULT_POINT("copy.before_commit", e) || !target_tx_commit(t->tx, e) ||
        !FAULT_POINT("copy.after_commit", e))
        return false;
    r->rows += n;
    return progress_range_set(table, r, c->new_last, c->done, e);
}

/* Where do we stand? Under the row's lock, so that a commit of ours in flight is waited for. */
static bool reread(struct copier *k, size_t target_no, struct progress_range *r, size_t table_no,
                   struct err *e)
{
    struct copier_target *t = &k->targets[target_no];
    const struct vrepl_copy_target *o = &k->copy->o.targets[target_no];
    if (!open_target(k, target_no, e)) {
        close_target(t);
        return false;
    }
    bool ok = target_tx_begin(t->tx, e) &&
              progress_reread(t->conn, &o->key, &o->progress->tables[table_no], r, e);
    target_tx_rollback(t->tx);
    return ok;
}

static bool stopped(const struct copier *k, struct err *e)
{
    return *k->copy->o.stop ? !err_set(e, ERR_SHUTDOWN, "stopped") : false;
}

/* Repeats until it is known; only then may the round end. */
static bool reread_surely(struct copier *k, size_t target_no, struct progress_range *r,
                          size_t table_no, struct backoff *b, struct err *e)
{
    for (;;) {
        clock_sleep_ms(backoff_next_ms(b), k->copy->o.stop);
        if (stopped(k, e))
            return false;
        struct err again = ERR_INIT;
        if (reread(k, target_no, r, table_no, &again))
            return true;
        log_err(LOG_DEBUG, "copy", &again);
        if (again.class_ != ERR_CLASS_RETRY)
            return err_copy(e, &again);
    }
}

static bool is_written(const struct progress_range *r, const struct copier_chunk *c)
{
    return r->done == c->done && !strcmp(r->last, c->new_last);
}

static void name_row_error(struct err *e)
{
    if (e->code == ERR_DB_QUERY || e->code == ERR_DB_DUPLICATE || e->code == ERR_APPLY_MISSED)
        err_set_native(e, ERR_COPY_ROW, ERR_CLASS_FATAL, e->native, "%s", e->text);
}

/* A session that said nothing while rows were read may be gone; that is no wait to speak of. */
static bool freshen(struct copier *k, size_t target_no, struct progress_range *r, size_t table_no,
                    struct backoff *b, struct err *e)
{
    struct copier_target *t = &k->targets[target_no];
    struct err lost = ERR_INIT;
    int64_t now = clock_mono_ms();
    bool fresh = t->conn && now - t->used_ms < TARGET_AWAKE_MS;
    if (!fresh && !open_target(k, target_no, &lost)) {
        close_target(t);
        return reread_surely(k, target_no, r, table_no, b, e);
    }
    t->used_ms = now;
    return true;
}

static bool attempts(struct copier *k, size_t target_no, struct progress_range *r,
                     const struct copier_chunk *c, bool *waited, struct err *e)
{
    struct backoff b;
    bool one_by_one = false;
    CLEANUP(mem_free_ptr) char *from = mem_strdup(r->last);
    backoff_init(&b, 10, 2000);
    if (!freshen(k, target_no, r, c->table_no, &b, e))
        return false;
    for (;;) {
        struct err failed = ERR_INIT;
        bool moved = false;
        if (write_once(k, target_no, r, c, one_by_one, &moved, &failed))
            return true;
        target_tx_rollback(k->targets[target_no].tx);
        vrepl_writer_reset(k->targets[target_no].writer);
        bool row_error = failed.code == ERR_DB_DUPLICATE || failed.code == ERR_DB_QUERY;
        bool retry = moved || failed.class_ == ERR_CLASS_RETRY || failed.native == 1020;
        if (!retry && (one_by_one || !row_error)) {
            name_row_error(&failed);
            return err_copy(e, &failed);
        }
        one_by_one = one_by_one || !retry;
        if (retry && !moved) {
            *waited = true;
            k->copy->o.waits(k->copy->o.waits_ctx, &failed);
        }
        if (retry && !reread_surely(k, target_no, r, c->table_no, &b, e))
            return false;
        if (retry && is_written(r, c))
            return true;
        if (r->done || strcmp(r->last, from) != 0)
            return err_set(e, ERR_WF_FENCED, "%s: somebody else moved copy range %u",
                           c->plan ? c->plan->target->name : "", r->no);
    }
}

bool copier_write(struct copier *k, size_t target_no, struct progress_range *r,
                  const struct copier_chunk *c, struct err *e)
{
    bool waited = false;
    bool ok = attempts(k, target_no, r, c, &waited, e);
    if (ok && waited)
        k->copy->o.waits(k->copy->o.waits_ctx, NULL);
    return ok;
}
