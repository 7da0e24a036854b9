/* vrepl/move/apply_ddl.c — a DDL of the source, between the groups of whatever strategy: done at the target
 * as its own session would, or the end of the attempt.
 *
 * What is decided stands in ddl_rule.h. A DDL is alone in its group, and no transaction of ours is open: one
 * would be committed by it.
 */
#include "vrepl/move/apply_internal.h"

#include "base/buf.h"
#include "cdc/sidecar/incarnation.h"
#include "schemas/ddl_session.h"
#include "vrepl/move/ddl_rule.h"

#define SHOWN_MAX 400 /* bytes of a statement in an error */

static bool ddl_here(struct vrepl_apply *a, const struct group_form *f, struct buf *out)
{
    return ddl_for_table(&f->ddl->ddl, a->o.spec->targets[a->o.target_no]->primary.database,
                         a->o.spec->tables[f->ddl_route->ddl_table].target_table, out);
}

/* Settings that the target does not have, or that its account may not change. */
static bool take_session(struct vrepl_apply *a, const struct cdc_change *ddl, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    bool mariadb = my_conn_server(a->lane.conn)->flavor == MY_FLAVOR_MARIADB;
    if (!ddl_session_sql(&ddl->ddl, mariadb, &sql, e))
        return false;
    if (my_exec(a->lane.conn, buf_str(&sql), NULL, e))
        return true;
    err_prepend(e, "the settings of the session that wrote it are refused here");
    return err_cure(e, "make the change on the target by hand, workflow update --on-ddl IGNORE, "
                       "and start the workflow; or let the target have them");
}

/* With the settings of the session that wrote the statement, which no other statement of ours may
 * run under: whatever becomes of it, the connection ends with it. */
static bool run_as_its_session(struct vrepl_apply *a, const struct group_form *f,
                               const struct buf *sql, struct err *e)
{
    struct err closed = ERR_INIT;
    bool ok =
        take_session(a, f->ddl, e) && my_exec_n(a->lane.conn, buf_str(sql), sql->len, NULL, e);
    if (apply_lane_connect(&a->lane, &closed))
        return ok;
    if (ok)
        err_copy(e, &closed);
    return false;
}

/* Only ever on the workflow's own table at the target, whatever the text names. Not inside a
 * transaction: the epoch is read first. */
static bool exec_ddl(struct vrepl_apply *a, const struct group_form *f, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    if (!ddl_here(a, f, &sql)) {
        if (ddl_rule_skips_unknown(a->o.spec->on_ddl))
            return true;
        err_set(e, ERR_WF_STATE, "it is not known to be the same change on the target");
        return err_cure(e, "make the change on the target by hand, workflow update --on-ddl "
                           "IGNORE, and start the workflow");
    }
    bool ours = target_tx_begin(a->lane.tx, e);
    target_tx_rollback(a->lane.tx);
    ours = ours && incarnation_forget(a->lane.conn, a->lane.key.workflow,
                                      a->o.spec->targets[a->o.target_no]->primary.database,
                                      a->o.spec->tables[f->ddl_route->ddl_table].target_table, e);
    if (!ours || run_as_its_session(a, f, &sql, e))
        return ours;
    bool passes = ddl_rule_forgives(a->o.spec->on_ddl, e);
    if (passes)
        err_clear(e);
    return passes;
}

/* "a,b": the target tables whose rows the statement may change, as --recopy takes them. */
static void put_changed(const struct vrepl_apply *a, const struct ddl_text *ddl, struct buf *out)
{
    const struct vrepl_stream_spec *s = a->o.spec;
    for (size_t i = 0; i < s->n_tables; i++) {
        if (ddl_concern(ddl, s->source->primary.database, s->tables[i].source_table) == DDL_CHANGES)
            buf_printf(out, "%s%s", out->len > 0 ? "," : "", s->tables[i].target_table);
    }
}

/* Whatever on-ddl says: what the target has is no longer what the source has, and no row event will
 * say so. The position stays before the statement. */
static bool stop_before(const struct vrepl_apply *a, const struct group_form *f, int shown,
                        struct err *e)
{
    CLEANUP(buf_fini) struct buf tables = BUF_INIT;
    put_changed(a, &f->ddl->ddl, &tables);
    err_set(e, ERR_WF_STATE,
            "table %s: rows may have changed without row events, the target would keep the old "
            "ones: %.*s",
            a->o.spec->tables[f->ddl_route->ddl_table].source_table, shown, f->ddl->ddl.sql);
    return err_cure(
        e,
        "give the target table the source's definition and copy it anew (workflow stop, then "
        "workflow start --recopy %s); after a switch: cancel the workflow with the traffic at the "
        "source, and create it again",
        buf_str(&tables));
}

/* The position stands behind the statement from here on. */
static bool pass(struct vrepl_apply *a, const struct group_form *f, struct err *e)
{
    apply_pass(a, f);
    return apply_save(a, NULL, false, e);
}

static bool execute(struct vrepl_apply *a, const struct group_form *f, int shown, struct err *e)
{
    if (!exec_ddl(a, f, e))
        return err_prepend(e, "DDL of the source: %.*s", shown, f->ddl->ddl.sql);
    return pass(a, f, e) && err_set_native(e, ERR_SCHEMA_MISMATCH, ERR_CLASS_RETRY, 0,
                                           "the target's tables have changed");
}

bool apply_ddl(struct vrepl_apply *a, const struct group_form *f, struct err *e)
{
    const struct cdc_change *c = f->ddl;
    int shown = c->ddl.n < SHOWN_MAX ? (int)c->ddl.n : SHOWN_MAX;
    enum ddl_act act = ddl_rule(a->o.spec->on_ddl, f->outside, f->ddl_route->ddl_changes);
    a->parked = act == DDL_ACT_PARK; /* nothing behind it was routed */
    switch (act) {
    case DDL_ACT_PARK:
    case DDL_ACT_PASS:
        break;
    case DDL_ACT_STOP_BEFORE:
        return stop_before(a, f, shown, e);
    case DDL_ACT_EXECUTE:
        return execute(a, f, shown, e);
    case DDL_ACT_STOP_BEHIND:
        return pass(a, f, e) && err_set(e, ERR_WF_STATE, "stopped behind a DDL (on-ddl stop): %.*s",
                                        shown, c->ddl.sql);
    }
    return true;
}
