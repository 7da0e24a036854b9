/* vrepl/workflow/recopy.c — in this order: todo, epochs, positions and progress, tables.
 *
 * The epoch rows are raised in the transaction that forgets: what an older owner has in flight is
 * waited for, and what it begins later is refused, so that nothing comes into a table after it was
 * emptied. Emptying comes after forgetting: rows that are gone are never counted as copied.
 */
#include "vrepl/workflow/recopy.h"

#include "base/fault.h"
#include "base/mem.h"
#include "cdc/sidecar/epoch_row.h"
#include "cdc/sidecar/position_row.h"
#include "cdc/sidecar/progress_row.h"
#include "cdc/sidecar/sidecar.h"
#include "schemas/names.h"
#include "vrepl/move/target_tx.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void recopy_fini(struct recopy *r)
{
    free(r->tables);
    *r = (struct recopy)RECOPY_INIT;
}

bool recopy_has(const struct recopy *r, size_t table_no)
{
    return r->all || (r->tables != NULL && r->tables[table_no]);
}

static bool unknown(const struct wf_def *d, const char *given, struct err *e)
{
    char **names = mem_calloc(d->n_tables + 1, sizeof *names);
    for (size_t i = 0; i < d->n_tables; i++)
        names[i] = d->tables[i].target;
    const char *near = schema_name_nearest(names, d->n_tables, given);
    err_set(e, ERR_WF_PRECONDITION, "--recopy: the workflow has no target table %.200s", given);
    free(names);
    return near != NULL ? err_cure(e, "is it %s that is meant?", near)
                        : err_cure(e, "`workflow show` has its tables");
}

static bool add_name(struct recopy *r, const struct wf_def *d, const char *given, struct err *e)
{
    for (size_t i = 0; i < d->n_tables; i++) {
        if (strcmp(d->tables[i].target, given) != 0)
            continue;
        r->tables[i] = true;
        return true;
    }
    return unknown(d, given, e);
}

bool recopy_add(struct recopy *r, const struct wf_def *d, const struct flag_choice *given,
                struct err *e)
{
    bool ok = true;
    r->all = r->all || given->all;
    r->any = r->any || given->all || given->list.n > 0;
    if (given->given && !given->all && given->list.n == 0)
        return err_set(e, ERR_USAGE, "--recopy names no table");
    if (r->tables == NULL && given->list.n > 0)
        r->tables = mem_calloc(d->n_tables + 1, sizeof *r->tables);
    for (size_t i = 0; ok && i < given->list.n; i++)
        ok = add_name(r, d, given->list.items[i], e);
    return ok;
}

/* What print_todo wrote: true, or the names of tables. */
static bool add_from_json(struct recopy *r, const struct wf_def *d, const json_t *v, struct err *e)
{
    struct flag_choice todo = {.given = v != NULL, .all = json_is_true(v)};
    const char **names = mem_calloc(json_array_size(v) + 1, sizeof *names);
    for (size_t i = 0; i < json_array_size(v); i++) {
        const char *name = json_string_value(json_array_get(v, i));
        if (name != NULL)
            names[todo.list.n++] = name;
    }
    todo.list.items = (char **)(uintptr_t)names; /* only read */
    bool ok = recopy_add(r, d, &todo, e);
    free(names);
    return ok;
}

bool recopy_add_pending(struct recopy *r, const struct workflow *w, struct err *e)
{
    json_t *todo = w->todo != NULL ? json_loads(w->todo, 0, NULL) : NULL;
    bool ok = add_from_json(r, w->def, json_object_get(todo, "recopy"), e);
    json_decref(todo);
    return ok;
}

static char *print_todo(const struct recopy *r, const struct wf_def *d)
{
    json_t *names = json_array();
    for (size_t i = 0; !r->all && i < d->n_tables; i++) {
        if (r->tables[i])
            json_array_append_new(names, json_string(d->tables[i].target));
    }
    json_t *todo = json_object();
    json_object_set_new(todo, "recopy", r->all ? json_true() : json_incref(names));
    char *text = json_dumps(todo, JSON_COMPACT);
    json_decref(todo);
    json_decref(names);
    return text;
}

bool recopy_check(const struct workflow *w, struct err *e)
{
    if (w->decision != NULL) {
        err_set(e, ERR_WF_STATE, "workflow %s has been switched: --recopy is not possible",
                w->keys[0]);
        return err_cure(e, "with the traffic at the source, cancel it and create it again");
    }
    if (w->state == WF_STOPPED)
        return true;
    err_set(e, ERR_WF_STATE, "workflow %s is %s: --recopy needs a stopped workflow", w->keys[0],
            wf_state_name(w->state));
    return err_cure(e, "stop it first (workflow stop)");
}

static bool raise_epochs(struct workflow *w, struct my_conn *c, struct err *e)
{
    uint64_t newer = 0;
    if (!epoch_rows_raise(c, w->keys[0], lease_key(w->lease)->epoch, &newer, e))
        return false;
    return newer == 0 || err_set(e, ERR_WF_FENCED, "workflow %s has a newer owner", w->keys[0]);
}

/* In one transaction: no stream is ever seen with some of its tables reset. */
static bool reset_tables(const struct workflow *w, const struct recopy *r, struct my_conn *c,
                         const char *database, struct err *e)
{
    bool ok = true;
    for (size_t i = 0; ok && i < w->def->n_tables; i++) {
        const char *name = w->def->tables[i].target;
        ok = recopy_has(r, i) ? sidecar_forget_table(c, w->keys[0], database, name, e)
                              : progress_rows_keep_table(c, w->keys[0], name, e);
    }
    return ok && position_rows_copy_again(c, w->keys[0], e);
}

static bool forget(struct workflow *w, const struct recopy *r, struct my_conn *c,
                   const char *database, struct err *e)
{
    if (my_exec(c, "BEGIN", NULL, e) && raise_epochs(w, c, e) &&
        (r->all ? sidecar_forget_progress(c, w->keys[0], e) : reset_tables(w, r, c, database, e)) &&
        my_exec(c, "COMMIT", NULL, e))
        return true;
    struct err ignored = ERR_INIT;
    if (!my_exec(c, "ROLLBACK", NULL, &ignored))
        err_clear(&ignored); /* then the session is dead, and the server does it */
    return false;
}

static bool empty_tables(const struct workflow *w, const struct recopy *r, struct my_conn *c,
                         const struct topo_shard *s, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    for (size_t i = 0; i < w->def->n_tables; i++) {
        if (!recopy_has(r, i))
            continue;
        buf_reset(&sql);
        buf_put_str(&sql, "TRUNCATE TABLE ");
        buf_put_table_name(&sql, s->primary.database, w->def->tables[i].target);
        if (!my_exec(c, buf_str(&sql), NULL, e) || !FAULT_POINT("recopy.after_table", e))
            return false;
    }
    return true;
}

static bool reset_shard(struct workflow *w, const struct recopy *r, struct my_conn *home,
                        const struct topo_shard *s, struct err *e)
{
    struct my_conn *c = target_connect(&s->primary, "recopy", e);
    bool ok = c != NULL && my_exec(c, "SET SESSION foreign_key_checks = 0", NULL, e) &&
              forget(w, r, c, s->primary.database, e) && FAULT_POINT("recopy.after_forget", e) &&
              lease_verify(w->lease, home, e) && empty_tables(w, r, c, s, e);
    my_close(c);
    return ok || err_prepend(e, "%s/%s", s->keyspace, s->name);
}

bool recopy_prepare(struct workflow *w, const struct recopy *r, struct my_conn *home, struct err *e)
{
    char *todo = print_todo(r, w->def);
    struct wf_row_set set = {.todo = todo};
    bool ok = recopy_check(w, e) && wf_step(w, home, WF_EVENT_STOP, &set, e);
    free(todo);
    if (!ok)
        return false;
    wf_streams_stop(w);
    for (size_t i = 0; ok && i < w->sides[WF_TARGET].n; i++)
        ok = reset_shard(w, r, home, w->sides[WF_TARGET].shards[i], e);
    return ok;
}
