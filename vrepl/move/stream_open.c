/* vrepl/move/stream_open.c — an attempt begins: epochs first, then rows, definitions, router, log,
 * appliers.
 *
 * The order is the fence (docs/internals/apply.md): the new epoch stands committed on a target
 * before its position and progress are read, so that nothing of an older owner can land behind what
 * was read.
 */
#include "base/fault.h"
#include "base/mem.h"
#include "cdc/copy/copy_read.h"
#include "cdc/sidecar/sidecar.h"
#include "schemas/inspect.h"
#include "vrepl/move/hidden.h"
#include "vrepl/move/stream_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct target_tx_key stream_key(const struct vrepl_stream *s, size_t target_no)
{
    return (struct target_tx_key){.workflow = s->spec.workflow_key,
                                  .stream = s->targets[target_no].key,
                                  .epoch = s->spec.epoch};
}

static const char *target_name(const struct vrepl_stream *s, size_t i)
{
    return s->spec.targets[i]->name;
}

/* --- take-over --- */

static bool bump(struct vrepl_stream *s, size_t i, struct err *e)
{
    struct target_tx_key key = stream_key(s, i);
    struct my_conn *c = target_connect(&s->spec.targets[i]->primary, "stream", e);
    struct target_tx *tx = c ? target_tx_new(c, &key) : NULL;
    /* An older version of the program may have made the workflow without a table of now. */
    bool ok = tx && sidecar_create(c, e) && target_tx_take_over(tx, e);
    target_tx_free(tx);
    my_close(c);
    return ok ? true : err_prepend(e, "target %s", target_name(s, i));
}

/* Into place under the lock: vrepl_stream_status may look at the row meanwhile. */
static bool read_row(struct vrepl_stream *s, size_t i, struct target_tx *tx, struct err *e)
{
    struct target_row fresh = {.found = false};
    if (!target_tx_read(tx, &fresh, e)) {
        target_row_fini(&fresh);
        return false;
    }
    pthread_mutex_lock(&s->lock);
    struct target_row old = s->targets[i].row;
    s->targets[i].row = fresh;
    pthread_mutex_unlock(&s->lock);
    target_row_fini(&old);
    return true;
}

static bool read_rows(struct vrepl_stream *s, size_t i, struct err *e)
{
    struct target_tx_key key = stream_key(s, i);
    struct stream_target *t = &s->targets[i];
    struct my_conn *c = target_connect(&s->spec.targets[i]->primary, "stream", e);
    struct target_tx *tx = c ? target_tx_new(c, &key) : NULL;
    bool ok = tx && read_row(s, i, tx, e) && progress_load(&t->progress, c, &key, e) &&
              left_out_load(&t->left_out, c, &key, e);
    target_tx_free(tx);
    my_close(c);
    return ok ? true : err_prepend(e, "target %s", target_name(s, i));
}

bool stream_take_over(struct vrepl_stream *s, struct err *e)
{
    for (size_t i = 0; i < s->spec.n_targets; i++) {
        if (!bump(s, i, e))
            return false;
    }
    if (!FAULT_POINT("stream.open.after_epoch", e))
        return false;
    for (size_t i = 0; i < s->spec.n_targets; i++) {
        if (!read_rows(s, i, e))
            return false;
    }
    return true;
}

/* --- definitions --- */

static bool same_columns(const struct schema_table *a, const struct schema_table *b)
{
    bool same = a->n_columns == b->n_columns;
    for (size_t i = 0; same && i < a->n_columns; i++) {
        const struct schema_column *x = &a->columns[i], *y = &b->columns[i];
        same = !strcasecmp(x->name, y->name) && x->type == y->type && x->meta == y->meta &&
               x->collation == y->collation && x->is_unsigned == y->is_unsigned &&
               x->generated == y->generated;
    }
    return same;
}

static bool inspect_target(struct vrepl_stream *s, size_t i, struct my_conn *c, struct err *e)
{
    struct stream_attempt *now = &s->now;
    for (size_t k = 0; k < s->spec.n_tables; k++) {
        struct schema_table *t = schema_inspect(c, s->spec.targets[i]->primary.database,
                                                s->spec.tables[k].target_table, e);
        if (!t)
            return err_prepend(e, "target %s", target_name(s, i));
        if (i == 0) {
            now->targets[k] = t;
            continue;
        }
        bool same = same_columns(now->targets[k], t);
        schema_table_unref(t);
        if (!same)
            return err_set(e, ERR_SCHEMA_MISMATCH, "table %s differs between the targets %s and %s",
                           s->spec.tables[k].target_table, target_name(s, 0), target_name(s, i));
    }
    return true;
}

static bool inspect_targets(struct vrepl_stream *s, struct err *e)
{
    s->now.targets = mem_calloc(s->spec.n_tables + 1, sizeof(struct schema_table *));
    for (size_t i = 0; i < s->spec.n_targets; i++) {
        struct my_conn *c = my_connect(&s->spec.targets[i]->primary, "stream", e);
        bool ok = c && inspect_target(s, i, c, e);
        if (ok && i == 0) {
            s->now.target_flavor = my_conn_server(c)->flavor;
            s->now.target_charsets = plan_charsets_load(c, e);
            ok = s->now.target_charsets != NULL;
        }
        my_close(c);
        if (!ok)
            return false;
    }
    return true;
}

/* What a copy stands on (schemas/keys_fit.h), of the definitions as they are now. Deferred keys are
 * not unique ones. */
static bool keys_fit(const struct vrepl_stream *s, const struct my_conn *target,
                     const struct schema_table *from, const struct schema_table *to, struct err *e)
{
    char why[320];
    const struct schema_collation_map map = {
        .texts = s->spec.collation_map,
        .n = s->spec.n_collation_map,
        .uca = schema_collations_known(my_conn_server(s->now.source), my_conn_server(target)),
        .alike = my_conn_server(s->now.source)->flavor == my_conn_server(target)->flavor};
    if (schema_keys_fit(from, to, &map, why, sizeof why))
        return true;
    err_set(e, ERR_SCHEMA_MISMATCH, "target table %s: %s", to->name, why);
    return err_cure(e,
                    "give both tables the same unique keys, collations and generated columns, "
                    "and copy it anew (workflow stop, then workflow start --recopy %s)",
                    to->name);
}

/* A table that is gone or has another name is judged by its DDL in the log. */
static bool check_keys(const struct vrepl_stream *s, struct my_conn *target, size_t target_no,
                       size_t i, struct err *e)
{
    const struct vrepl_table_spec *spec = &s->spec.tables[i];
    struct schema_table *to = NULL,
                        *from = schema_inspect(s->now.source, s->spec.source->primary.database,
                                               spec->source_table, e);
    if (from)
        to = schema_inspect(target, s->spec.targets[target_no]->primary.database,
                            spec->target_table, e);
    bool ok = from && to ? keys_fit(s, target, from, to, e) : e->code == ERR_SCHEMA_UNKNOWN;
    if (ok)
        err_clear(e);
    schema_table_unref(from);
    schema_table_unref(to);
    return ok;
}

bool stream_check_keys(struct vrepl_stream *s, struct err *e)
{
    for (size_t k = 0; k < s->spec.n_targets; k++) {
        struct my_conn *c = my_connect(&s->spec.targets[k]->primary, "stream", e);
        bool ok = c != NULL;
        for (size_t i = 0; ok && i < s->spec.n_tables; i++)
            ok = s->targets[k].progress.tables[i].kept || check_keys(s, c, k, i, e);
        my_close(c);
        if (!ok)
            return err_prepend(e, "target %s", target_name(s, k));
    }
    return true;
}

static bool integer_key(const struct schema_table *t)
{
    const struct schema_key *k = schema_table_identity(t);
    bool ints = k != NULL;
    for (size_t i = 0; ints && i < k->n; i++)
        ints = schema_type_is_integer(t->columns[k->columns[i]].type);
    return ints;
}

static bool inspect_source(struct vrepl_stream *s, size_t i, struct err *e)
{
    struct schema_table *t = schema_inspect(s->now.source, s->spec.source->primary.database,
                                            s->spec.tables[i].source_table, e);
    if (!t)
        return err_prepend(e, "source");
    s->now.sources[i] = t;
    for (size_t k = 0; k < s->spec.n_targets; k++) {
        struct progress_table *p = &s->targets[k].progress.tables[i];
        p->order_exact = integer_key(t) && integer_key(s->now.targets[i]);
        p->exact_snapshot = !schema_table_identity(t);
    }
    s->rows_total[i] = t->rows_estimate;
    s->bytes_total[i] = t->bytes_estimate;
    return true;
}

static bool kept_everywhere(const struct vrepl_stream *s, size_t i)
{
    for (size_t k = 0; k < s->spec.n_targets; k++) {
        if (!s->targets[k].progress.tables[i].kept)
            return false;
    }
    return true;
}

/* Only a copy needs the source's definitions of now; the log brings its own. */
static bool inspect_sources(struct vrepl_stream *s, struct err *e)
{
    s->now.sources = mem_calloc(s->spec.n_tables + 1, sizeof(struct schema_table *));
    for (size_t i = 0; i < s->spec.n_tables; i++) {
        if (!kept_everywhere(s, i) && !inspect_source(s, i, e))
            return false;
    }
    return true;
}

/* Progress was read before it was known which tables compare exactly. */
static bool reload_progress(struct vrepl_stream *s, struct err *e)
{
    for (size_t i = 0; i < s->spec.n_targets; i++) {
        if (!read_rows(s, i, e))
            return false;
    }
    return true;
}

/* --- position rows --- */

static bool create_row(struct vrepl_stream *s, size_t i, const struct target_row *row,
                       struct err *e)
{
    struct target_tx_key key = stream_key(s, i);
    struct my_conn *c = target_connect(&s->spec.targets[i]->primary, "stream", e);
    struct target_tx *tx = c ? target_tx_new(c, &key) : NULL;
    bool ok =
        tx && target_tx_begin(tx, e) && target_tx_create_row(tx, row, e) && target_tx_commit(tx, e);
    if (tx)
        target_tx_rollback(tx);
    ok = ok && read_row(s, i, tx, e);
    target_tx_free(tx);
    my_close(c);
    return ok ? true : err_prepend(e, "target %s", target_name(s, i));
}

static bool first_position(struct vrepl_stream *s, struct target_row *row, struct err *e)
{
    row->phase = s->spec.copy ? COPY_PHASE_ROUNDS : COPY_PHASE_PLAIN;
    if (s->spec.copy || !s->spec.start)
        return my_lasting_position(s->now.source, &row->pos, e) || err_prepend(e, "source");
    position_copy(&row->pos, s->spec.start);
    return true;
}

static bool ensure_rows(struct vrepl_stream *s, struct err *e)
{
    struct target_row first = {.found = true};
    bool ok = true, asked = false;
    for (size_t i = 0; i < s->spec.n_targets && ok; i++) {
        if (s->targets[i].row.found)
            continue;
        ok = (asked || first_position(s, &first, e)) && create_row(s, i, &first, e);
        asked = true;
    }
    target_row_fini(&first);
    return ok;
}

static void find_start(struct vrepl_stream *s)
{
    const struct position *lowest = &s->targets[0].row.pos;
    for (size_t i = 1; i < s->spec.n_targets; i++) {
        if (position_at_or_after(lowest, &s->targets[i].row.pos))
            lowest = &s->targets[i].row.pos;
    }
    position_copy(&s->now.start, lowest);
}

/* --- the log and the appliers --- */

static void applier_changed(void *ctx)
{
    struct vrepl_stream *s = ctx;
    pthread_mutex_lock(&s->lock);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static bool start_applier(struct vrepl_stream *s, size_t i, struct err *e)
{
    struct vrepl_apply_options o = {.spec = &s->spec,
                                    .target_no = i,
                                    .key = stream_key(s, i),
                                    .progress = &s->targets[i].progress,
                                    .left_out = &s->targets[i].left_out,
                                    .row = &s->targets[i].row,
                                    .behind_start =
                                        !position_equal(&s->targets[i].row.pos, &s->now.start),
                                    .changed = applier_changed,
                                    .ctx = s};
    struct vrepl_apply *a = vrepl_apply_start(&o, e);
    if (!a)
        return err_prepend(e, "target %s", target_name(s, i));
    pthread_mutex_lock(&s->lock);
    s->targets[i].apply = a;
    if (s->freeze)
        vrepl_apply_freeze(a, &s->freeze_pos);
    pthread_mutex_unlock(&s->lock);
    return true;
}

static bool attach(struct vrepl_stream *s, struct err *e)
{
    struct vrepl_router_options r = {.spec = &s->spec,
                                     .targets = s->now.targets,
                                     .source_charsets = s->now.source_charsets,
                                     .target_charsets = s->now.target_charsets,
                                     .target_flavor = s->now.target_flavor};
    s->now.router = vrepl_router_new(&r);
    find_start(s);
    for (size_t i = 0; i < s->spec.n_targets; i++) {
        if (!start_applier(s, i, e))
            return false;
    }
    struct cdc_stream_options o = {.name = s->spec.workflow_key};
    s->now.in = cdc_reader_attach(s->reader, &s->now.start, &o, e);
    return s->now.in != NULL;
}

static bool sources_are_alone(struct vrepl_stream *s, struct err *e)
{
    const char *db = s->spec.source->primary.database;
    bool any = false, ok = hidden_any(s->now.source, db, &any, e);
    for (size_t i = 0; ok && any && i < s->spec.n_tables; i++)
        ok = hidden_is_alone(s->now.source, db, s->spec.tables[i].source_table, e);
    return ok ? true : err_prepend(e, "source");
}

/* Once all targets are plain the source's tables may have other names, or be gone. */
static bool copies(const struct vrepl_stream *s)
{
    for (size_t i = 0; i < s->spec.n_targets; i++) {
        if (s->targets[i].row.phase != COPY_PHASE_PLAIN)
            return true;
    }
    return false;
}

bool stream_open(struct vrepl_stream *s, struct err *e)
{
    struct stream_attempt *now = &s->now;
    bool news = false; /* definitions are read by every attempt */
    if (!stream_take_over(s, e) || !inspect_targets(s, e))
        return false;
    now->source = my_connect(&s->spec.source->primary, "stream", e);
    if (!now->source)
        return err_prepend(e, "source");
    now->source_charsets = plan_charsets_load(now->source, e);
    if (!now->source_charsets || !sources_are_alone(s, e) || !ensure_rows(s, e) ||
        !stream_check_tables(s, &news, e))
        return false;
    if (copies(s) && !(stream_check_keys(s, e) && inspect_sources(s, e) && reload_progress(s, e)))
        return false;
    stream_note_progress(s);
    return attach(s, e);
}

static void close_appliers(struct vrepl_stream *s)
{
    for (size_t i = 0; i < s->spec.n_targets; i++) {
        pthread_mutex_lock(&s->lock);
        struct vrepl_apply *a = s->targets[i].apply;
        s->targets[i].apply = NULL;
        pthread_mutex_unlock(&s->lock);
        if (!a)
            continue;
        struct vrepl_apply_status st;
        vrepl_apply_status(a, &st);
        pthread_mutex_lock(&s->lock);
        s->rows_before += st.rows;
        s->transactions_before += st.transactions;
        position_copy(&s->targets[i].row.pos, &st.committed);
        pthread_mutex_unlock(&s->lock);
        vrepl_apply_status_fini(&st);
        vrepl_apply_stop(a);
    }
}

static void unref_tables(struct schema_table **tables, size_t n)
{
    for (size_t i = 0; tables && i < n; i++) {
        if (tables[i])
            schema_table_unref(tables[i]);
    }
    free(tables);
}

void stream_close(struct vrepl_stream *s)
{
    struct stream_attempt *now = &s->now;
    if (now->in)
        cdc_stream_close(now->in);
    close_appliers(s);
    vrepl_router_free(now->router);
    unref_tables(now->sources, s->spec.n_tables);
    unref_tables(now->targets, s->spec.n_tables);
    free(now->waits);
    plan_charsets_free(now->source_charsets);
    plan_charsets_free(now->target_charsets);
    my_close(now->source);
    for (size_t i = 0; i < s->spec.n_targets; i++) {
        my_close(s->targets[i].looker);
        s->targets[i].looker = NULL;
    }
    position_fini(&now->start);
    *now = (struct stream_attempt){.in = NULL};
}

void stream_note_progress(struct vrepl_stream *s)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->spec.n_tables; i++) {
        s->rows_copied[i] = 0;
        s->table_done[i] = true;
        for (size_t k = 0; k < s->spec.n_targets; k++) {
            const struct progress_table *t = &s->targets[k].progress.tables[i];
            for (size_t r = 0; r < t->n_ranges; r++)
                s->rows_copied[i] += t->ranges[r].rows;
            s->table_done[i] = s->table_done[i] && progress_table_done(t);
        }
    }
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}
