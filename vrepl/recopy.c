/* vrepl/recopy.c — in this order: todo, epochs, positions and progress, tables.
 *
 * The epoch rows are raised in the transaction that forgets: what an older owner has in flight is
 * waited for, and what it begins later is refused, so that nothing comes into a table after it was
 * emptied. Emptying comes after forgetting: rows that are gone are never counted as copied.
 */
#include "vrepl/recopy.h"

#include "base/fault.h"
#include "cdc/journal.h"
#include "vrepl/sidecar.h"

#include <jansson.h>
#include <string.h>

bool recopy_pending(const struct workflow *w)
{
    json_t *j = w->todo != NULL ? json_loads(w->todo, 0, NULL) : NULL;
    bool yes = json_is_true(json_object_get(j, "recopy"));
    json_decref(j);
    return yes;
}

static bool check_state(const struct workflow *w, struct err *e)
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
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    const unsigned long long ours = lease_key(w->lease)->epoch;
    uint64_t newer = 0;
    buf_printf(&sql,
               "UPDATE `" SLUICE_SIDECAR_DB "`.`epoch` SET `epoch` = GREATEST(`epoch`, %llu) "
               "WHERE `workflow` = ",
               ours);
    buf_put_sql_string(&sql, w->keys[0], strlen(w->keys[0]));
    if (!my_exec(c, buf_str(&sql), NULL, e))
        return false;
    buf_reset(&sql);
    buf_printf(&sql, "SELECT COUNT(*) FROM `" SLUICE_SIDECAR_DB "`.`epoch` WHERE `epoch` > %llu ",
               ours);
    buf_put_str(&sql, "AND `workflow` = ");
    buf_put_sql_string(&sql, w->keys[0], strlen(w->keys[0]));
    buf_put_str(&sql, " FOR UPDATE");
    if (!my_query_u64(c, buf_str(&sql), &newer, e))
        return false;
    return newer == 0 || err_set(e, ERR_WF_FENCED, "workflow %s has a newer owner", w->keys[0]);
}

static bool forget(struct workflow *w, struct my_conn *c, struct err *e)
{
    if (my_exec(c, "BEGIN", NULL, e) && raise_epochs(w, c, e) &&
        sidecar_forget_progress(c, w->keys[0], e) && my_exec(c, "COMMIT", NULL, e))
        return true;
    struct err ignored = ERR_INIT;
    if (!my_exec(c, "ROLLBACK", NULL, &ignored))
        err_clear(&ignored); /* then the session is dead, and the server does it */
    return false;
}

static bool empty_tables(struct workflow *w, struct my_conn *c, const struct topo_shard *s,
                         struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    for (size_t i = 0; i < w->def->n_tables; i++) {
        buf_reset(&sql);
        buf_put_str(&sql, "TRUNCATE TABLE ");
        buf_put_ident(&sql, s->primary.database);
        buf_put_u8(&sql, '.');
        buf_put_ident(&sql, w->def->tables[i].target);
        if (!my_exec(c, buf_str(&sql), NULL, e) || !FAULT_POINT("recopy.after_table", e))
            return false;
    }
    return true;
}

static bool reset_shard(struct workflow *w, struct my_conn *home, const struct topo_shard *s,
                        struct err *e)
{
    struct my_conn *c = my_connect(&s->primary, "recopy", e);
    bool ok = c != NULL && my_exec(c, "SET SESSION foreign_key_checks = 0", NULL, e) &&
              forget(w, c, e) && FAULT_POINT("recopy.after_forget", e) &&
              lease_verify(w->lease, home, e) && empty_tables(w, c, s, e);
    my_close(c);
    return ok || err_prepend(e, "%s/%s", s->keyspace, s->name);
}

bool recopy_prepare(struct workflow *w, struct my_conn *home, struct err *e)
{
    struct wf_row_set set = {.todo = "{\"recopy\":true}"};
    if (!check_state(w, e) || !wf_step(w, home, WF_EVENT_STOP, &set, e))
        return false;
    wf_streams_stop(w);
    for (size_t i = 0; i < w->sides[WF_TARGET].n; i++) {
        if (!reset_shard(w, home, w->sides[WF_TARGET].shards[i], e))
            return false;
    }
    return true;
}
