/* vrepl/move/copy.c — copy rounds, and the argument why a moving table arrives whole.
 *
 * A chunk that is read at time T, and the log, must combine to the final state, with no lock held,
 * in parallel, resumable. The rule (vrepl/move/copy_rule.h decides by it, tests/model walks all
 * small histories):
 *
 *   Every change after the low watermark to a key that is copied *when the change is applied* is
 *   applied, in order, as DELETE or REPLACE, even if the key's read already contains it. A change
 *   may be dropped only while its key is not copied, for all changes of that key alike, and only
 *   because every later read of it provably includes the highest position that any applier of that
 *   target has passed.
 *
 * A round:
 *   1. Barrier: the appliers stand still, all of them have committed the same position: the low
 *      watermark.
 *   2. Proof: before a copier's read view opens, everything up to the low watermark is visible on
 *      the server that is read (a log reader gets events before other sessions can see their rows).
 *      It is proven anew for each low watermark.
 *   3. Copiers read ranges and write plain INSERTs, each chunk in one transaction with its progress
 *      row. What is not committed when the round ends is thrown away; what may be committed is
 *      asked for.
 *   4. Replay from the low watermark (vrepl/move/stream.c), as DELETE and REPLACE.
 *   5. Again, until all is copied. Then the end of the source's log after the last read is the high
 *      watermark. Until the appliers have passed it the target is not yet a state that the source
 *      ever had: no plain statements before it.
 *
 * Timelines. "low" is the round's low watermark, "view" where the reader's view stands, not before
 * low; "|" is the moment when the key's chunk is committed.
 *
 *   insert   low INS(5) view |   Replay of INS(5): key 5 is copied, and the view had it; REPLACE
 *                                writes it again.
 *            low view INS(5) |   Replay: REPLACE writes what the view had not.
 *            low view | INS(5)   The chunk of 5 comes in a later round. Integer keys: the change is
 *                                dropped now, and every later read begins at a low watermark that
 *                                includes it. Text keys: REPLACE now; the later chunk gets 1062 for
 *                                it and leaves the row out, and that round's replay brings its
 *                                changes in order.
 *   update   low UPD(5) view |   Replay: REPLACE with the same image.
 *            low view UPD(5) |   Replay: REPLACE with the newer one.
 *   delete   low DEL(5) view |   Replay: DELETE matches no row, as it should.
 *            low view DEL(5) |   Replay: DELETE takes the copied row away. (To drop it because "the
 *                                read contains it" would lose the delete when the row was inserted
 *                                again, and the chunk read between the two.)
 *   unique   low                 u is UNIQUE. The view holds 1:b, while the target still has 2:b
 *             UPD(2: u=b→a)      from an earlier round. The chunk's INSERT of 1 gets 1062 on u, and
 *             UPD(1: u=a→b)      the row is left out. Replay: REPLACE(2:a) and REPLACE(1:b), in the
 *                view |          log's order; a REPLACE may take away a row that a later change of
 *                                the same replay brings back. Both changes lie behind low, as two
 *                                rows cannot have held b at one time. This is why no place before
 *                                the high watermark is a state of the source.
 *   key      UPD(5→9)            The before image is key 5, the after image key 9, each by its own
 *   change                       "copied". Both: DELETE 5, REPLACE 9. Only 5: DELETE 5, and a later
 *                                read brings 9. Only 9: REPLACE 9, and a later read does not find 5.
 *   twins    low                 'a' and 'A' are one key to the server and two to memcmp. Such a
 *             DEL('a')           table is never asked "is it copied": every change is applied, and
 *             INS('A')           the server alone compares. The chunk's INSERT of 'A' gets 1062
 *                view |          while 'a' is there and is left out; replay DELETEs by the server's
 *                                comparison, and REPLACEs.
 *
 * That replay brings a row which a chunk left out stands on one premise: both sides call the same
 * rows equal. Let R be left out at the view because X stands at the target. R and X cannot have
 * stood on the source at one time, so one change of R lies between the low watermark and the latest
 * view of the round, and replay, which has it, writes or deletes R by its very key. The premise is
 * compared at create, at each attempt, at each DDL, and before the high watermark; and each R is
 * kept on a list in the chunk's transaction until that change strikes it off
 * (vrepl/move/left_out.h). The high watermark is not passed while one stands.
 *
 * For tables whose uncopied changes are dropped, a row under a primary key that is about to be
 * copied can only be foreign: that stops the copy, it is not left out.
 *
 * Tables without a usable key have no DELETE and REPLACE: they are copied wholly from one exact
 * snapshot, before the rounds; changes inside the snapshot are skipped, those behind it applied
 * exactly once by plain statements from the start. Such a copy is not resumable: a crash empties
 * the table again.
 *
 * Before a table is cut into ranges it waits: nothing of it is at the target, so its changes are
 * passed over, whatever its key, and so is a DDL that changes its rows only (vrepl_router_wait).
 * The stream passes them up to W, the log's end at the moment when the copy begins, and a barrier
 * makes that position durable on every target before the first range row is. So no range row stands
 * while a position before W may be read again, and no low watermark of the table's rounds lies
 * before W: its reads have all that was passed over. Of a DDL in particular, since it has its
 * metadata lock while it is written to the log, and the read takes that lock behind it: the read
 * waits until the DDL is over, or is refused (1412) where its view is older than the table. A DDL
 * behind W finds ranges, and stops the stream. Create begins so, and a new copy of single tables
 * (vrepl/workflow/recopy.h), whose other tables are applied exactly once throughout: they were a
 * state of the source where it began.
 *
 * Why a crash at any moment is harmless: positions and progress are rows of the transactions that
 * they describe; a new owner bumps the epoch first, so that nothing of the old one can land later;
 * a round leaves nothing behind but committed chunks, all read at views that included the low
 * watermark of their round.
 */
#include "vrepl/move/copy_internal.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "cdc/sidecar/progress_row.h"
#include "schemas/inspect.h"
#include "schemas/sqltoken.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void register_metrics(struct vrepl_copy *c)
{
    const struct vrepl_stream_spec *s = c->o.spec;
    char labels[700];
    c->m_rows = mem_calloc(s->n_tables + 1, sizeof(struct metric *));
    c->m_bytes = mem_calloc(s->n_tables + 1, sizeof(struct metric *));
    for (size_t i = 0; i < s->n_tables; i++) {
        metrics_labels(labels, sizeof labels, "workflow", s->workflow_key, "shard", s->source->name,
                       "table", s->tables[i].target_table, NULL);
        c->m_rows[i] =
            metrics_get(METRIC_COUNTER, "copy_rows_total", labels, "Rows read by initial copies.");
        c->m_bytes[i] = metrics_get(METRIC_COUNTER, "copy_bytes_total", labels,
                                    "Bytes of row images read by initial copies.");
    }
}

struct vrepl_copy *vrepl_copy_new(const struct vrepl_copy_options *o, struct err *e)
{
    struct vrepl_copy *c = mem_alloc(sizeof *c);
    size_t memory = o->spec->copy_memory_bytes ? o->spec->copy_memory_bytes : COPY_MEMORY_BYTES;
    c->o = *o;
    c->n_copiers = o->spec->copiers ? o->spec->copiers : COPY_COPIERS;
    /* A chunk exists as rows read, as a batch, as bound values and as the client library's packet.
     */
    c->chunk_bytes = memory / c->n_copiers / 5;
    if (c->chunk_bytes > 1024 * 1024)
        c->chunk_bytes = 1024 * 1024;
    c->copiers = mem_calloc(c->n_copiers, sizeof *c->copiers);
    for (size_t i = 0; i < c->n_copiers; i++)
        c->copiers[i].copy = c;
    pthread_mutex_init(&c->lock, NULL);
    register_metrics(c);
    /* The first one is needed for splitting; the others open when their first round begins. */
    if (copier_open(&c->copiers[0], e))
        return c;
    vrepl_copy_free(c);
    return NULL;
}

static void clear_units(struct vrepl_copy *c)
{
    for (size_t i = 0; i < c->n_units; i++) {
        free(c->units[i].targets);
        free(c->units[i].last);
    }
    c->n_units = 0;
}

void vrepl_copy_free(struct vrepl_copy *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_copiers; i++)
        copier_close(&c->copiers[i]);
    clear_units(c);
    free(c->units);
    free(c->copiers);
    free(c->m_rows);
    free(c->m_bytes);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

bool vrepl_copy_done(const struct vrepl_copy *c)
{
    for (size_t i = 0; i < c->o.spec->n_targets; i++) {
        if (!progress_done(c->o.targets[i].progress))
            return false;
    }
    return true;
}

/* --- ranges --- */

static bool reload(struct vrepl_copy *c, size_t target_no, struct err *e)
{
    struct vrepl_copy_target *t = &c->o.targets[target_no];
    return progress_load(t->progress, c->copiers[0].targets[target_no].conn, &t->key, e);
}

static bool insert_ranges(struct vrepl_copy *c, size_t target_no, size_t table_no,
                          const struct copy_range *ranges, size_t n, struct err *e)
{
    struct copier_target *k = &c->copiers[0].targets[target_no];
    const struct vrepl_copy_target *t = &c->o.targets[target_no];
    bool ok = target_tx_begin(k->tx, e);
    for (size_t i = 0; i < n && ok; i++)
        ok = progress_insert(k->conn, &t->key, t->progress->tables[table_no].name, (unsigned)i,
                             &ranges[i], e);
    ok = ok && target_tx_commit(k->tx, e);
    target_tx_rollback(k->tx);
    return ok;
}

static void free_ranges(struct copy_range *ranges, size_t n)
{
    for (size_t i = 0; i < n; i++)
        copy_range_fini(&ranges[i]);
    free(ranges);
}

/* The ranges that another target has already: all targets of a table are cut alike. */
static struct copy_range *ranges_elsewhere(const struct vrepl_copy *c, size_t table_no, size_t *n)
{
    for (size_t i = 0; i < c->o.spec->n_targets; i++) {
        const struct progress_table *t = &c->o.targets[i].progress->tables[table_no];
        if (t->n_ranges == 0)
            continue;
        struct copy_range *ranges = mem_calloc(t->n_ranges, sizeof *ranges);
        for (size_t k = 0; k < t->n_ranges; k++) {
            ranges[k].lower.sql = mem_strdup(t->ranges[k].lower);
            ranges[k].upper.sql = mem_strdup(t->ranges[k].upper);
        }
        *n = t->n_ranges;
        return ranges;
    }
    return NULL;
}

static unsigned wanted_ranges(const struct vrepl_copy *c, const struct schema_table *t)
{
    uint64_t most = 4 * c->n_copiers, n = t->rows_estimate / COPY_RANGE_ROWS;
    return n < 1 ? 1 : n > most ? (unsigned)most : (unsigned)n;
}

static bool split_table(struct vrepl_copy *c, size_t table_no, struct err *e)
{
    size_t n = 0;
    struct copy_range *ranges = ranges_elsewhere(c, table_no, &n);
    const struct schema_table *source = c->o.sources[table_no];
    if (!ranges &&
        !copy_split(c->copiers[0].reader, source, wanted_ranges(c, source), &ranges, &n, e))
        return err_prepend(e, "splitting %s", source->name);
    bool ok = true;
    for (size_t i = 0; i < c->o.spec->n_targets && ok; i++) {
        if (c->o.targets[i].progress->tables[table_no].n_ranges == 0)
            ok = insert_ranges(c, i, table_no, ranges, n, e) && reload(c, i, e);
    }
    free_ranges(ranges, n);
    return ok;
}

/* --- one exact snapshot --- */

static bool is_exact(const struct vrepl_copy *c, size_t table_no)
{
    return c->o.targets[0].progress->tables[table_no].exact_snapshot;
}

static bool exact_done(const struct vrepl_copy *c, size_t table_no)
{
    for (size_t i = 0; i < c->o.spec->n_targets; i++) {
        if (!progress_table_done(&c->o.targets[i].progress->tables[table_no]))
            return false;
    }
    return true;
}

static bool delete_some(struct copier_target *k, const char *table, uint64_t *hits, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_str(&sql, "DELETE FROM ");
    buf_put_ident(&sql, table);
    buf_put_str(&sql, " LIMIT 10000");
    bool ok = target_tx_begin(k->tx, e) && my_exec(k->conn, buf_str(&sql), hits, e) &&
              target_tx_commit(k->tx, e);
    target_tx_rollback(k->tx);
    return ok;
}

/* What an interrupted copy of this table left, rows first: the progress row says that they are
 * there. */
static bool empty_table(struct vrepl_copy *c, size_t target_no, size_t table_no, struct err *e)
{
    struct copier_target *k = &c->copiers[0].targets[target_no];
    const struct vrepl_copy_target *t = &c->o.targets[target_no];
    const char *name = t->progress->tables[table_no].name;
    if (t->progress->tables[table_no].n_ranges == 0)
        return true;
    for (uint64_t hits = 1; hits > 0;) {
        if (!delete_some(k, name, &hits, e))
            return false;
    }
    const struct sidecar_key key = {t->key.workflow, t->key.stream};
    bool ok = target_tx_begin(k->tx, e) && progress_rows_remove(k->conn, &key, name, e) &&
              target_tx_commit(k->tx, e);
    target_tx_rollback(k->tx);
    return ok && reload(c, target_no, e);
}

static bool write_chunk(struct copier *k, struct copier_chunk *chunk, unsigned range_no,
                        const bool *targets, struct err *e)
{
    uint16_t *routes = NULL;
    if (chunk->batch && !copier_route(k, chunk->batch, &chunk->plan, &routes, e))
        return false;
    chunk->routes = routes;
    bool ok = true;
    for (size_t i = 0; i < k->copy->o.spec->n_targets && ok; i++) {
        struct progress_table *t = &k->copy->o.targets[i].progress->tables[chunk->table_no];
        if (!targets || targets[i])
            ok = copier_write(k, i, &t->ranges[range_no], chunk, e);
    }
    free(routes);
    if (ok && chunk->batch) {
        metric_add(k->copy->m_rows[chunk->table_no], chunk->batch->changes[0].rows.n_rows);
        metric_add(k->copy->m_bytes[chunk->table_no],
                   (double)chunk->batch->changes[0].rows.images_len);
    }
    return ok;
}

static bool copy_exact_table(struct vrepl_copy *c, size_t table_no, struct err *e)
{
    struct copier *k = &c->copiers[0];
    struct copy_range all = {.lower = {NULL}, .upper = {NULL}};
    const struct schema_table *t = copier_definition(k, table_no, e);
    bool end = false, ok = t != NULL;
    while (ok && !end) {
        struct copy_bound last = {NULL};
        struct cdc_batch *b = NULL;
        ok = copy_read_chunk(k->reader, t, &all, NULL, c->chunk_bytes, &b, &last, &end, e);
        struct copier_chunk chunk = {
            .batch = b, .table_no = table_no, .new_last = last.sql ? last.sql : "end", .done = end};
        ok = ok && write_chunk(k, &chunk, 0, NULL, e);
        cdc_batch_unref(b);
        free(all.lower.sql);
        all.lower.sql = last.sql;
        if (*c->o.stop)
            ok = err_set(e, ERR_SHUTDOWN, "stopped");
    }
    free(all.lower.sql);
    return ok;
}

/* All exact tables that are not done are read from one snapshot; its position is their progress
 * rows'. */
static bool begin_exact(struct vrepl_copy *c, const bool *wanted, struct err *e)
{
    const struct vrepl_stream_spec *s = c->o.spec;
    char **names = mem_calloc(s->n_tables + 1, sizeof *names);
    size_t n = 0;
    for (size_t i = 0; i < s->n_tables; i++) {
        struct buf name = BUF_INIT;
        if (!wanted[i])
            continue;
        buf_put_table_name(&name, s->source->primary.database, s->tables[i].source_table);
        names[n++] = buf_take(&name);
    }
    struct position at = POSITION_INIT;
    bool ok = copy_exact_snapshot(c->copiers[0].reader, &s->source->primary,
                                  (const char *const *)names, n, &at, e);
    struct copy_range range = {.lower = {ok ? position_text(&at) : NULL}};
    for (size_t i = 0; i < s->n_tables && ok; i++) {
        for (size_t t = 0; t < s->n_targets && ok && wanted[i]; t++)
            ok = insert_ranges(c, t, i, &range, 1, e) && reload(c, t, e);
    }
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
    copy_range_fini(&range);
    position_fini(&at);
    return ok;
}

static bool copy_exact(struct vrepl_copy *c, struct err *e)
{
    size_t n_tables = c->o.spec->n_tables, n = 0;
    bool *wanted = mem_calloc(n_tables + 1, sizeof *wanted);
    bool ok = true;
    for (size_t i = 0; i < n_tables && ok; i++) {
        wanted[i] = is_exact(c, i) && !exact_done(c, i);
        n += wanted[i];
        for (size_t t = 0; t < c->o.spec->n_targets && ok && wanted[i]; t++)
            ok = empty_table(c, t, i, e);
    }
    if (ok && n > 0)
        ok = begin_exact(c, wanted, e);
    for (size_t i = 0; i < n_tables && ok; i++)
        ok = !wanted[i] || copy_exact_table(c, i, e);
    if (ok && n > 0)
        ok = copy_end_view(c->copiers[0].reader, e);
    free(wanted);
    return ok;
}

bool vrepl_copy_prepare(struct vrepl_copy *c, struct err *e)
{
    if (!copy_exact(c, e))
        return false;
    for (size_t i = 0; i < c->o.spec->n_tables; i++) {
        if (!is_exact(c, i) && !split_table(c, i, e))
            return false;
    }
    return true;
}

/* --- rounds --- */

static struct copy_unit *find_unit(struct vrepl_copy *c, size_t table_no,
                                   const struct progress_range *r)
{
    for (size_t i = 0; i < c->n_units; i++) {
        struct copy_unit *u = &c->units[i];
        if (u->table_no == table_no && u->range_no == r->no && !strcmp(u->last, r->last))
            return u;
    }
    mem_grow((void **)&c->units, &c->cap_units, c->n_units + 1, sizeof *c->units);
    struct copy_unit *u = &c->units[c->n_units++];
    *u = (struct copy_unit){.table_no = table_no,
                            .range_no = r->no,
                            .last = mem_strdup(r->last),
                            .targets = mem_calloc(c->o.spec->n_targets, sizeof *u->targets)};
    return u;
}

/* After a crash targets may stand at different places of one range: each place is a unit of its
 * own. */
static void make_units(struct vrepl_copy *c)
{
    clear_units(c);
    for (size_t table_no = 0; table_no < c->o.spec->n_tables; table_no++) {
        for (size_t i = 0; i < c->o.spec->n_targets; i++) {
            const struct progress_table *t = &c->o.targets[i].progress->tables[table_no];
            for (size_t r = 0; r < t->n_ranges && !t->exact_snapshot; r++) {
                assert(t->ranges[r].no == r);
                if (!t->ranges[r].done)
                    find_unit(c, table_no, &t->ranges[r])->targets[i] = true;
            }
        }
    }
}

static struct copy_unit *take_unit(struct vrepl_copy *c)
{
    struct copy_unit *found = NULL;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->n_units && !found && !c->round_over; i++) {
        if (!c->units[i].taken && !c->units[i].done)
            found = &c->units[i];
    }
    if (found)
        found->taken = true;
    pthread_mutex_unlock(&c->lock);
    return found;
}

static bool round_over(struct vrepl_copy *c)
{
    pthread_mutex_lock(&c->lock);
    c->round_over = c->round_over || *c->o.stop || clock_mono_ms() >= c->round_end_ms;
    bool over = c->round_over;
    pthread_mutex_unlock(&c->lock);
    return over;
}

static bool copy_chunk(struct copier *k, struct copy_unit *u, struct err *e)
{
    struct vrepl_copy *c = k->copy;
    size_t any = 0;
    while (!u->targets[any])
        any++;
    const struct progress_range *r =
        &c->o.targets[any].progress->tables[u->table_no].ranges[u->range_no];
    char *from = mem_strdup(u->last[0] ? u->last : r->lower), *to = mem_strdup(r->upper);
    struct copy_range range = {.lower = {from}, .upper = {to}};
    struct copy_bound last = {NULL};
    struct cdc_batch *b = NULL;
    bool end = false;
    const struct schema_table *t = copier_definition(k, u->table_no, e);
    bool ok = t && copy_read_chunk(k->reader, t, &range, NULL, c->chunk_bytes, &b, &last, &end, e);
    struct copier_chunk chunk = {.batch = b,
                                 .table_no = u->table_no,
                                 .new_last = last.sql ? last.sql : u->last,
                                 .done = end};
    ok = ok && write_chunk(k, &chunk, u->range_no, u->targets, e);
    if (ok) {
        char *now = mem_strdup(chunk.new_last);
        free(u->last);
        u->last = now;
        u->done = end;
    }
    cdc_batch_unref(b);
    free(last.sql);
    copy_range_fini(&range);
    return ok;
}

static bool copy_units(struct copier *k, struct err *e)
{
    struct copy_unit *u;
    while ((u = take_unit(k->copy))) {
        while (!u->done && !round_over(k->copy)) {
            if (!copy_chunk(k, u, e))
                return false;
        }
        if (u->done && !FAULT_POINT("copy.table.done", e))
            return false;
    }
    return true;
}

static void *copier_main(void *p)
{
    struct copier *k = p;
    struct vrepl_copy *c = k->copy;
    err_clear(&k->error);
    bool ok = copier_open(k, &k->error) &&
              copy_prove_visible(k->reader, c->low, COPY_PROVE_MS, &k->error) &&
              copy_units(k, &k->error) && copy_end_view(k->reader, &k->error);
    if (!ok) { /* the view may be gone: the next round connects anew */
        copy_reader_close(k->reader);
        k->reader = NULL;
        pthread_mutex_lock(&c->lock);
        c->round_over = c->round_over || k->error.class_ != ERR_CLASS_RETRY;
        pthread_mutex_unlock(&c->lock);
    }
    return NULL;
}

/* A copier that failed in a way that may pass has left its unit as the target's rows say. All of
 * them failing at once is worth an error: nothing would move. */
static bool judge(const struct vrepl_copy *c, size_t started, struct err *e)
{
    size_t failed = 0;
    for (size_t i = 0; i < started; i++) {
        const struct err *k = &c->copiers[i].error;
        if (k->code == ERR_NONE)
            continue;
        if (k->class_ != ERR_CLASS_RETRY)
            return err_copy(e, k);
        log_err(LOG_WARN, "copy", k);
        failed++;
    }
    return failed == 0 || failed < started || err_copy(e, &c->copiers[0].error);
}

bool vrepl_copy_round(struct vrepl_copy *c, const struct position *low, int64_t budget_ms,
                      struct err *e)
{
    size_t started = 0;
    if (!FAULT_POINT("copy.round.barrier", e))
        return false;
    make_units(c);
    c->low = low;
    c->round_over = false;
    c->round_end_ms = clock_mono_ms() + budget_ms;
    while (started < c->n_copiers && started < c->n_units &&
           pthread_create(&c->copiers[started].thread, NULL, copier_main, &c->copiers[started]) ==
               0)
        started++;
    for (size_t i = 0; i < started; i++)
        pthread_join(c->copiers[i].thread, NULL);
    if (started == 0 && c->n_units > 0)
        return err_set(e, ERR_INTERNAL, "no thread for a copier");
    return *c->o.stop ? err_set(e, ERR_SHUTDOWN, "stopped") : judge(c, started, e);
}

/* --- deferred keys --- */

static bool has_key(struct my_conn *c, const char *table, const char *key, bool *yes, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    uint64_t n = 0;
    buf_put_str(&sql,
                "SELECT COUNT(*) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA=DATABASE()"
                " AND TABLE_NAME=");
    buf_put_sql_string(&sql, table, strlen(table));
    buf_put_str(&sql, " AND INDEX_NAME=");
    buf_put_sql_string(&sql, key, strlen(key));
    if (!my_query_u64(c, buf_str(&sql), &n, e))
        return false;
    *yes = n > 0;
    return true;
}

/* Walks "ADD KEY `a` (…), ADD INDEX `b` (…)": the identifier behind each ADD … KEY. *missing: the
 * first key that the table lacks; "" if it has them all. */
static bool find_missing(struct my_conn *c, const struct vrepl_table_spec *t, char *missing,
                         size_t len, struct err *e)
{
    struct sqltoken_scanner s;
    struct sqltoken tok;
    bool expects = false;
    missing[0] = 0;
    sqltoken_init(&s, t->deferred_keys, strlen(t->deferred_keys), false);
    while (sqltoken_next(&s, &tok) && !missing[0]) {
        bool found = true;
        if (sqltoken_is(&tok, "ADD"))
            expects = true;
        if (!expects || tok.kind != SQLTOKEN_IDENT)
            continue;
        expects = false;
        if (!has_key(c, t->target_table, tok.text, &found, e))
            return false;
        if (!found) {
            strncpy(missing, tok.text, len - 1);
            missing[len - 1] = 0;
        }
    }
    return true;
}

static bool alter(struct my_conn *c, const char *workflow, const struct vrepl_table_spec *t,
                  struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_printf(&sql, "ALTER /* sluice:%s */ TABLE ", strstr(workflow, "*/") ? "" : workflow);
    buf_put_ident(&sql, t->target_table);
    buf_printf(&sql, " %s", t->deferred_keys);
    /* 1061, duplicate key name: another stream's last step was faster; the check that follows
     * decides. */
    if (schema_exec_ddl(c, buf_str(&sql), e))
        return true;
    bool there = e->native == 1061;
    if (there)
        err_clear(e);
    return there;
}

bool vrepl_copy_add_keys(struct my_conn *c, const char *workflow, const struct vrepl_table_spec *t,
                         struct err *e)
{
    char missing[260];
    bool busy = false;
    if (!t->deferred_keys || !*t->deferred_keys)
        return true;
    if (!progress_rows_open(c, workflow, t->target_table, &busy, e) ||
        !find_missing(c, t, missing, sizeof missing, e))
        return false;
    if (busy || !missing[0])
        return true;
    if (!FAULT_POINT("copy.keys.before", e) || !alter(c, workflow, t, e) ||
        !FAULT_POINT("copy.keys.after", e) || !find_missing(c, t, missing, sizeof missing, e))
        return err_prepend(e, "keys of %s", t->target_table);
    if (missing[0])
        return err_set(e, ERR_SCHEMA_MISMATCH, "%s: key %s is not there after it was added",
                       t->target_table, missing);
    return true;
}
