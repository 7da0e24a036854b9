/* vrepl/workflow/finish.c — removing one side's tables, the fences, our rows, and last the
 * workflow's row.
 *
 * Every step can be done again; the row goes last, so that a crash leaves somebody who goes on.
 */
#include "vrepl/workflow/finish.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "cdc/sidecar/note.h"
#include "cdc/sidecar/sidecar.h"
#include "vrepl/move/object_names.h"
#include "vrepl/move/target_tx.h"
#include "vrepl/workflow/fence.h"
#include "vrepl/workflow/routing.h"
#include "vrepl/workflow/sides.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define REMOVE_FENCE_MS 30000
#define WATCH_WAIT_MS   30000
#define NO_SUCH_TABLE   1146

char *finish_options_print(const struct finish_options *o)
{
    json_t *j =
        json_pack("{s:b, s:b}", "keep_data", o->keep_data, "rename_tables", o->rename_tables);
    char *text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    return text;
}

static struct finish_options options_of(const struct workflow *w)
{
    json_t *j = w->todo != NULL ? json_loads(w->todo, 0, NULL) : NULL;
    struct finish_options o = {json_is_true(json_object_get(j, "keep_data")),
                               json_is_true(json_object_get(j, "rename_tables"))};
    json_decref(j);
    return o;
}

/* DDL outside any transaction, marked as ours; its session passes fences. */
static struct my_conn *connect_for_ddl(struct workflow *w, const struct topo_shard *s,
                                       struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    struct my_conn *c = my_connect(&s->primary, "finish", e);
    if (c == NULL)
        return NULL;
    buf_put_str(&sql, "SET SESSION foreign_key_checks = 0, @sluice_pass = ");
    buf_put_sql_string(&sql, w->def->pass, strlen(w->def->pass));
    if (my_exec(c, buf_str(&sql), NULL, e))
        return c;
    my_close(c);
    return NULL;
}

static bool drop_table(struct workflow *w, struct my_conn *c, const struct topo_shard *s,
                       const char *table, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_printf(&sql, "DROP /* sluice:%s */ TABLE IF EXISTS ", w->keys[0]);
    buf_put_table_name(&sql, s->primary.database, table);
    return my_exec(c, buf_str(&sql), NULL, e);
}

static bool table_there(struct my_conn *c, const struct topo_shard *s, const char *table, bool *yes,
                        struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    uint64_t n = 0;
    buf_put_str(&sql, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ");
    buf_put_sql_string(&sql, s->primary.database, strlen(s->primary.database));
    buf_put_str(&sql, " AND TABLE_NAME = ");
    buf_put_sql_string(&sql, table, strlen(table));
    bool ok = my_query_u64(c, buf_str(&sql), &n, e);
    *yes = n > 0;
    return ok;
}

/* The name that the old table has now: hidden by a rename fence, or its own under triggers. Both
 * gone means that an earlier attempt has renamed it. */
static bool rename_to_old(struct workflow *w, struct my_conn *c, const struct topo_shard *s,
                          const char *table, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    char old[NAMES_MAX + 8], hidden[NAMES_MAX];
    bool is_hidden, is_plain, is_done;
    names_old(table, old, sizeof old);
    names_hidden(w->keys[0], false, table, hidden, sizeof hidden);
    if (!table_there(c, s, hidden, &is_hidden, e) || !table_there(c, s, table, &is_plain, e) ||
        !table_there(c, s, old, &is_done, e))
        return false;
    if (!is_hidden && !is_plain && is_done)
        return true;
    if (is_done) {
        err_set(e, ERR_WF_PRECONDITION, "table %s cannot become %s: that name is taken", table,
                old);
        return err_cure(e, "rename %s; the complete then goes on by itself", old);
    }
    buf_printf(&sql, "ALTER /* sluice:%s */ TABLE ", w->keys[0]);
    buf_put_table_name(&sql, s->primary.database, is_hidden ? hidden : table);
    buf_put_str(&sql, " RENAME TO ");
    buf_put_table_name(&sql, s->primary.database, old);
    return my_exec(c, buf_str(&sql), NULL, e) && FAULT_POINT("complete.after_rename", e);
}

static bool drop_source_table(struct workflow *w, struct my_conn *c, const struct topo_shard *s,
                              const char *table, struct err *e)
{
    char hidden[NAMES_MAX];
    names_hidden(w->keys[0], false, table, hidden, sizeof hidden);
    return drop_table(w, c, s, hidden, e) && drop_table(w, c, s, table, e) &&
           FAULT_POINT("complete.after_drop", e);
}

/* A fence goes with its table when that is dropped. Else it goes last: a table under its own name
 * without a fence would take writes that nobody carries over. A trigger fence follows its table
 * under the new name, so that nothing is open in between. */
static bool clear_source(struct workflow *w, struct my_conn *home, const struct topo_shard *s,
                         const struct finish_options *o, struct err *e)
{
    struct my_conn *c = connect_for_ddl(w, s, e);
    bool ok = c != NULL;
    for (size_t i = 0; ok && !o->keep_data && i < w->def->n_tables; i++) {
        const char *table = w->def->tables[i].source;
        ok = o->rename_tables ? rename_to_old(w, c, s, table, e)
                              : drop_source_table(w, c, s, table, e);
    }
    if (ok) /* with dropped tables, their row is left */
        ok = fence_remove(w, s, WF_SOURCE, home, REMOVE_FENCE_MS, NULL, e);
    my_close(c);
    return ok || err_prepend(e, "%s/%s", s->keyspace, s->name);
}

/* What a switch left on the side that stays: triggers that let everybody pass. */
static bool clear_open_fence(struct workflow *w, struct my_conn *home, enum wf_side_name side,
                             struct err *e)
{
    for (size_t i = 0; w->fence[side] != NULL && i < w->sides[side].n; i++) {
        if (!fence_remove(w, w->sides[side].shards[i], side, home, REMOVE_FENCE_MS, NULL, e))
            return false;
    }
    return true;
}

static bool old_names_free(struct workflow *w, const struct topo_shard *s, struct err *e)
{
    struct my_conn *c = my_connect(&s->primary, "finish", e);
    bool ok = c != NULL;
    for (size_t i = 0; ok && i < w->def->n_tables; i++) {
        char old[NAMES_MAX + 8];
        bool taken;
        names_old(w->def->tables[i].source, old, sizeof old);
        ok = table_there(c, s, old, &taken, e);
        if (!ok || !taken)
            continue;
        ok = err_set(e, ERR_WF_PRECONDITION, "%s/%s: table %s cannot become %s: that name is taken",
                     s->keyspace, s->name, w->def->tables[i].source, old);
        err_cure(e, "rename %s, or complete with --keep-data", old);
    }
    my_close(c);
    return ok;
}

/* What the watches have not read yet may hold such a row, so they are waited for. */
static bool no_late_writes(struct workflow *w, struct err *e)
{
    for (size_t i = 0; i < w->n_watches; i++) {
        if (fence_watch_alarm(w->watches[i], e) ||
            !fence_watch_catch_up(w->watches[i], WATCH_WAIT_MS, e) ||
            fence_watch_alarm(w->watches[i], e))
            return err_cure(e, "look for the row in the source and carry it over; --rename-tables "
                               "and --keep-data complete without dropping it");
    }
    return true;
}

bool finish_check_complete(struct workflow *w, const struct finish_options *o, struct err *e)
{
    if (o->keep_data)
        return true;
    for (size_t i = 0; o->rename_tables && i < w->sides[WF_SOURCE].n; i++) {
        if (!old_names_free(w, w->sides[WF_SOURCE].shards[i], e))
            return false;
    }
    return (o->rename_tables || no_late_writes(w, e)) && sides_check_drop(w, WF_SOURCE, e);
}

static bool forget_side(struct workflow *w, enum wf_side_name side, struct err *e)
{
    for (size_t i = 0; i < w->sides[side].n; i++) {
        const struct topo_shard *s = w->sides[side].shards[i];
        struct my_conn *c = my_connect(&s->primary, "finish", e);
        bool ok = c != NULL;
        for (size_t k = 0; ok && k < 2; k++) {
            ok = sidecar_forget(c, w->keys[k], e) || sidecar_is_absent(e);
            if (ok)
                err_clear(e);
        }
        my_close(c);
        if (!ok)
            return err_prepend(e, "%s/%s", s->keyspace, s->name);
    }
    return true;
}

static void note_name(struct buf *out, const char *keyspace, const char *name, const char *verb)
{
    buf_printf(out, "ended:%s:%s/%s", verb, keyspace, name);
}

bool finish_forget_notes(struct my_conn *home, const char *keyspace, const char *name,
                         struct err *e)
{
    CLEANUP(buf_fini) struct buf complete = BUF_INIT;
    CLEANUP(buf_fini) struct buf cancel = BUF_INIT;
    note_name(&complete, keyspace, name, "complete");
    note_name(&cancel, keyspace, name, "cancel");
    return note_remove(home, buf_str(&complete), e) && note_remove(home, buf_str(&cancel), e);
}

static bool has_note(const struct topo_shard *s, const char *note, bool *yes, struct err *e)
{
    uint64_t n = 0;
    struct my_conn *c = my_connect(&s->primary, "finish", e);
    bool ok = c != NULL && note_read(c, note, &n, e);
    my_close(c);
    *yes = *yes || n > 0;
    return ok;
}

bool finish_was(struct vrepl_engine *g, const char *keyspace, const char *name, const char *verb,
                bool *yes, struct err *e)
{
    CLEANUP(buf_fini) struct buf note = BUF_INIT;
    const struct topo_keyspace *ks = topology_keyspace(g->o.topo, keyspace);
    note_name(&note, keyspace, name, verb);
    *yes = false;
    for (size_t i = 0; ks != NULL && i < ks->n_shards && !*yes; i++) {
        if (!has_note(&ks->shards[i], buf_str(&note), yes, e))
            return false;
    }
    return true;
}

static bool delete_row(struct workflow *w, struct my_conn *home, const char *verb, struct err *e)
{
    CLEANUP(buf_fini) struct buf note = BUF_INIT;
    note_name(&note, w->keyspace, w->name, verb);
    if (!my_limit_silence(home, TARGET_SILENCE_S, e) ||
        !my_exec(home, "START TRANSACTION", NULL, e))
        return false;
    if (note_raise(home, buf_str(&note), 1, e) &&
        wf_row_delete(home, lease_key(w->lease), w->state, e) && my_exec(home, "COMMIT", NULL, e))
        return true;
    struct err ignored = ERR_INIT; /* the first error is the one to tell */
    if (!my_exec(home, "ROLLBACK", NULL, &ignored))
        log_err(LOG_DEBUG, "workflow", &ignored);
    return false;
}

static bool last_step(struct workflow *w, struct my_conn *home, const char *verb, struct err *e)
{
    if (!delete_row(w, home, verb, e))
        return false;
    log_info("workflow", "%s is gone (%s)", w->keys[0], verb);
    pthread_mutex_lock(&w->lock);
    struct lease *l = w->lease;
    w->lease = NULL;
    w->state = WF_NONE;
    pthread_mutex_unlock(&w->lock);
    lease_free(l, false);
    wf_remove(w);
    return true;
}

bool finish_complete(struct workflow *w, struct my_conn *home, struct err *e)
{
    assert(w->state == WF_COMPLETING);
    struct finish_options o = options_of(w);
    wf_streams_stop(w);
    wf_watch_stop(w);
    if (!FAULT_POINT("complete.after_stop", e))
        return false;
    for (size_t i = 0; i < w->sides[WF_SOURCE].n; i++) {
        if (!lease_verify(w->lease, home, e) ||
            !clear_source(w, home, w->sides[WF_SOURCE].shards[i], &o, e))
            return false;
    }
    if (!FAULT_POINT("complete.after_source", e) || !clear_open_fence(w, home, WF_TARGET, e) ||
        !forget_side(w, WF_SOURCE, e) || !forget_side(w, WF_TARGET, e) ||
        !FAULT_POINT("complete.after_forget", e) ||
        !routing_publish(w->engine, w->keys[0], home, e))
        return false;
    return last_step(w, home, "complete", e) && FAULT_POINT("complete.after_row", e);
}

static bool clear_target_table(struct workflow *w, struct my_conn *c, const struct topo_shard *s,
                               const struct wf_table *t, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    char hidden[NAMES_MAX];
    names_hidden(w->keys[0], true, t->target, hidden, sizeof hidden);
    if (t->created)
        return drop_table(w, c, s, hidden, e) && drop_table(w, c, s, t->target, e);
    buf_printf(&sql, "TRUNCATE /* sluice:%s */ TABLE ",
               w->keys[0]); /* it was there, empty, before us */
    buf_put_table_name(&sql, s->primary.database, t->target);
    if (my_exec(c, buf_str(&sql), NULL, e) || e->native == NO_SUCH_TABLE) {
        err_clear(e);
        return true;
    }
    return false;
}

static bool clear_target(struct workflow *w, struct my_conn *home, const struct topo_shard *s,
                         struct err *e)
{
    struct finish_options o = options_of(w);
    bool pre_existing = false;
    for (size_t i = 0; i < w->def->n_tables; i++)
        pre_existing = pre_existing || !w->def->tables[i].created;
    if (w->fence[WF_TARGET] != NULL && (o.keep_data || pre_existing) &&
        !fence_remove(w, s, WF_TARGET, home, REMOVE_FENCE_MS, NULL, e))
        return false;
    struct my_conn *c = connect_for_ddl(w, s, e);
    bool ok = c != NULL;
    for (size_t i = 0; ok && !o.keep_data && i < w->def->n_tables; i++)
        ok = clear_target_table(w, c, s, &w->def->tables[i], e) &&
             FAULT_POINT("cancel.after_drop", e);
    my_close(c);
    if (ok && w->fence[WF_TARGET] != NULL) /* with dropped tables, their row is left */
        ok = fence_remove(w, s, WF_TARGET, home, REMOVE_FENCE_MS, NULL, e);
    return ok || err_prepend(e, "%s/%s", s->keyspace, s->name);
}

bool finish_cancel(struct workflow *w, struct my_conn *home, struct err *e)
{
    assert(w->state == WF_CANCELLING);
    wf_streams_stop(w);
    wf_watch_stop(w);
    if (!FAULT_POINT("cancel.after_stop", e))
        return false;
    for (size_t i = 0; i < w->sides[WF_TARGET].n; i++) {
        if (!lease_verify(w->lease, home, e) ||
            !clear_target(w, home, w->sides[WF_TARGET].shards[i], e))
            return false;
    }
    if (!FAULT_POINT("cancel.after_target", e) || !clear_open_fence(w, home, WF_SOURCE, e) ||
        !forget_side(w, WF_TARGET, e) || !forget_side(w, WF_SOURCE, e) ||
        !FAULT_POINT("cancel.after_forget", e))
        return false;
    return last_step(w, home, "cancel", e) && routing_publish(w->engine, w->keys[0], home, e) &&
           FAULT_POINT("cancel.after_row", e);
}
