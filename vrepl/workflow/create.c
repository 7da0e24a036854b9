/* vrepl/workflow/create.c — preconditions, then row, tables, and the first start of the streams.
 *
 * Order: everything that may be refused comes before the first write. Then: sidecar tables, the row
 * (CREATING, with all it takes to go on), target tables one by one, RUNNING. A crash in between
 * leaves a CREATING row: the same create goes on from it, cancel removes everything.
 */
#include "vrepl/workflow/create.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "cdc/sidecar/sidecar.h"
#include "vrepl/move/object_names.h"
#include "vrepl/workflow/finish.h"
#include "vrepl/workflow/precheck.h"
#include "vrepl/workflow/routing.h"
#include "vrepl/workflow/sides.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct make {
    struct vrepl_engine *g;
    const char *keyspace, *name;
    struct wf_def *def;
    struct precheck pre;
    struct workflow *w;
    bool adopting;
    bool done; /* an earlier create of the same request came to its end; only its answer was lost */
};

static bool check_name(const char *name, struct err *e)
{
    size_t n = name != NULL ? strlen(name) : 0;
    size_t ok =
        n > 0 ? strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")
              : 0;
    size_t suffix = strlen(NAMES_REVERSE);
    if (n == 0 || n > 50 || ok != n)
        return err_set(
            e, ERR_USAGE,
            "a workflow's name has 1 to 50 letters, digits, dots, dashes and underscores");
    if (n > suffix && strcmp(name + n - suffix, NAMES_REVERSE) == 0)
        return err_set(e, ERR_USAGE, "a workflow's name does not end in %s: that is its reverse",
                       NAMES_REVERSE);
    return true;
}

static struct my_conn *home_conn(struct make *m)
{
    return m->pre.conns[WF_TARGET][0]; /* shards are sorted by name */
}

/* True when this process has answered a create of that name: the same again is a mistake of the
 * user's. */
static bool was_answered(struct make *m)
{
    enum wf_direction dir;
    struct workflow *w = wf_find(m->g, m->keyspace, m->name, &dir);
    bool yes = w != NULL && dir == WF_FORWARD && w->answered;
    wf_unref(w);
    return yes;
}

/* An interrupted create of the same request is adopted: its row says which tables are ours. */
static bool look_for_row(struct make *m, struct err *e)
{
    struct wf_row row;
    bool found;
    if (!wf_row_read(home_conn(m), m->keyspace, m->name, &row, &found, e))
        return false;
    if (!found)
        return true;
    bool young = row.state == WF_RUNNING || row.state == WF_STOPPED;
    m->done = young && row.decision == NULL && !was_answered(m);
    struct wf_def *old =
        row.state == WF_CREATING || m->done ? wf_def_parse(row.definition, e) : NULL;
    bool same = old != NULL && strcmp(row.installation, m->g->o.installation) == 0 &&
                wf_def_same_request(old, m->def);
    wf_row_fini(&row);
    if (!same) {
        wf_def_free(old);
        err_set(e, ERR_WF_EXISTS, "workflow %s already exists in keyspace %s", m->name,
                m->keyspace);
        return err_cure(e, "choose another name, or cancel or complete that one");
    }
    wf_def_free(m->def);
    m->def = m->pre.def = old;
    m->adopting = m->pre.adopting = true;
    return true;
}

/* A format that the source's default gave, where the target's default gives another: the limits of
 * keys and rows depend on it. NULL: nothing to say. *value: for the caller to free. */
static bool row_format_for(struct make *m, size_t k, const struct schema_table *source,
                           const char **format, char **value, struct err *e)
{
    *format = NULL;
    if (!my_query_text(m->pre.conns[WF_TARGET][k], "SELECT @@global.innodb_default_row_format",
                       value, e))
        return false;
    if (*value && source->row_format && strcasecmp(*value, source->row_format) != 0)
        *format = source->row_format;
    return true;
}

static bool edit_table(struct make *m, size_t i, const char *row_format, struct buf *sql,
                       struct buf *dropped, struct err *e)
{
    const struct wf_table *t = &m->def->tables[i];
    const struct schema_collation_map map = precheck_collations(&m->pre, 0);
    struct schema_create_edit edit = {
        .new_name = t->target,
        .drop_foreign_keys = true,
        .drop_auto_increment =
            m->def->target.n_shards > 1 && t->vindex_type != NULL && !m->def->keep_auto_increment,
        .drop_secondary_keys = dropped != NULL && m->def->defer_secondary_keys,
        .collations = &map,
        .row_format = row_format,
    };
    const struct schema_table *source = m->pre.tables[i].source;
    if (source->create_sql == NULL)
        return err_set(e, ERR_INTERNAL, "no SHOW CREATE text of %s", t->source);
    if (source->narrowed) {
        err_set(e, ERR_WF_PRECONDITION,
                "%s.%s: its default has characters beyond utf8mb3, which the server shows as '?' "
                "and tells only by a row of the table, which has none",
                t->source, source->narrowed);
        return err_cure(e, "insert a row, or make the target table beforehand");
    }
    return schema_create_edit(source->create_sql, &edit, sql, dropped, e);
}

static bool plan_tables(struct make *m, struct err *e)
{
    for (size_t i = 0; i < m->def->n_tables && !m->adopting; i++) {
        struct wf_table *t = &m->def->tables[i];
        t->created = !m->pre.tables[i].on_target;
        if (!t->created)
            continue;
        CLEANUP(buf_fini) struct buf sql = BUF_INIT;
        CLEANUP(buf_fini) struct buf dropped = BUF_INIT;
        if (!edit_table(m, i, NULL, &sql, &dropped, e))
            return err_prepend(e, "table %s", t->source);
        for (size_t k = 0; k < m->pre.sides[WF_TARGET].n; k++) {
            if (!precheck_create_text(&m->pre, i, k, buf_str(&sql), e))
                return false;
        }
        t->deferred_keys = dropped.len > 0 ? mem_strdup(buf_str(&dropped)) : NULL;
    }
    return true;
}

static bool make_sidecars(struct make *m, struct err *e)
{
    for (size_t k = 2; k-- > 0;) { /* the target first: the row stands there */
        for (size_t i = 0; i < m->pre.sides[k].n; i++) {
            if (!sidecar_create(m->pre.conns[k][i], e))
                return err_prepend(e, "%s/%s", m->pre.sides[k].shards[i]->keyspace,
                                   m->pre.sides[k].shards[i]->name);
        }
    }
    return FAULT_POINT("create.after_sidecar", e);
}

static bool make_row(struct make *m, struct err *e)
{
    struct wf_row_key key = {m->keyspace, m->name, m->g->owner, 1};
    char *text = wf_def_print(m->def);
    bool ok = m->adopting || (finish_forget_notes(home_conn(m), m->keyspace, m->name, e) &&
                              wf_row_insert(home_conn(m), &key, m->g->o.installation,
                                            m->def->type->name, text, LEASE_MS, e));
    free(text);
    if (!ok && e->code == ERR_DB_DUPLICATE)
        return err_set(e, ERR_WF_EXISTS, "workflow %s already exists in keyspace %s", m->name,
                       m->keyspace);
    if (!ok || !FAULT_POINT("create.after_row", e))
        return false;
    m->w = wf_add(m->g, m->keyspace, m->name);
    pthread_mutex_lock(&m->w->verb);
    return wf_own(m->w, home_conn(m), e);
}

static bool create_whole(struct make *m, size_t i, size_t k, struct err *e)
{
    CLEANUP(buf_fini) struct buf edited = BUF_INIT;
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    CLEANUP(mem_free_ptr) char *value = NULL;
    const char *format = NULL;
    static const char begins[] = "CREATE TABLE ";
    if (!row_format_for(m, k, m->pre.tables[i].source, &format, &value, e) ||
        !edit_table(m, i, format, &edited, NULL, e))
        return false;
    if (strncmp(buf_str(&edited), begins, sizeof begins - 1) != 0)
        return err_set(e, ERR_INTERNAL, "unexpected SHOW CREATE text of %s",
                       m->def->tables[i].source);
    buf_printf(&sql, "CREATE /* sluice:%s */ TABLE IF NOT EXISTS ", m->w->keys[0]);
    buf_put(&sql, edited.data + sizeof begins - 1, edited.len - (sizeof begins - 1));
    return schema_exec_ddl(m->pre.conns[WF_TARGET][k], buf_str(&sql), e);
}

/* "ADD KEY `a` (…), ADD KEY `b` (…)" → "DROP KEY `a`, DROP KEY `b`", of those that are there. */
static void put_drops(const char *added, const struct schema_table *t, struct buf *out)
{
    struct sqltoken_scanner s;
    struct sqltoken tok;
    bool expects = false;
    sqltoken_init(&s, added, strlen(added), false);
    while (sqltoken_next(&s, &tok)) {
        bool name = expects && tok.kind == SQLTOKEN_IDENT;
        expects = sqltoken_is(&tok, "ADD") || (expects && !name);
        for (size_t i = 0; name && i < t->n_keys; i++) {
            if (strcasecmp(t->keys[i].name, tok.text) != 0)
                continue;
            buf_put_str(out, out->len > 0 ? ", DROP KEY " : "DROP KEY ");
            buf_put_ident(out, tok.text);
        }
    }
}

static bool drop_deferred(struct make *m, size_t i, size_t k, struct err *e)
{
    CLEANUP(buf_fini) struct buf drops = BUF_INIT;
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    const struct wf_table *t = &m->def->tables[i];
    if (t->deferred_keys == NULL)
        return true;
    struct schema_table *made =
        schema_inspect(m->pre.conns[WF_TARGET][k],
                       m->pre.sides[WF_TARGET].shards[k]->primary.database, t->target, e);
    if (made != NULL)
        put_drops(t->deferred_keys, made, &drops);
    schema_table_unref(made);
    if (made == NULL || drops.len == 0)
        return made != NULL;
    buf_printf(&sql, "ALTER /* sluice:%s */ TABLE ", m->w->keys[0]);
    buf_put_ident(&sql, t->target);
    buf_printf(&sql, " %s", buf_str(&drops));
    return schema_exec_ddl(m->pre.conns[WF_TARGET][k], buf_str(&sql), e);
}

/* Whole at first, compared with the source's, then without the keys that wait for the copy: what
 * the target refuses or makes otherwise is known before any row is copied. */
static bool make_table(struct make *m, size_t i, size_t k, struct err *e)
{
    return create_whole(m, i, k, e) && precheck_made(&m->pre, i, k, e) && drop_deferred(m, i, k, e);
}

static bool make_tables(struct make *m, struct err *e)
{
    for (size_t k = 0; k < m->pre.sides[WF_TARGET].n; k++) {
        const struct topo_shard *s = m->pre.sides[WF_TARGET].shards[k];
        if (!my_exec(m->pre.conns[WF_TARGET][k], "SET SESSION foreign_key_checks = 0", NULL, e))
            return false;
        for (size_t i = 0; i < m->def->n_tables; i++) {
            if (!m->def->tables[i].created)
                continue;
            if (!lease_verify(m->w->lease, home_conn(m), e) || !make_table(m, i, k, e))
                return err_prepend(e, "%s/%s: table %s", s->keyspace, s->name,
                                   m->def->tables[i].target);
            if (!FAULT_POINT("create.after_table", e))
                return false;
        }
    }
    return FAULT_POINT("create.before_running", e);
}

/* A statement that the target refuses would be refused again: nothing of ours shall stay. */
static bool undo(struct make *m, struct err *e)
{
    struct err second = ERR_INIT;
    struct finish_options none = {false, false};
    if (e->class_ != ERR_CLASS_FATAL || m->w == NULL || m->w->state != WF_CREATING)
        return false;
    char *todo = finish_options_print(&none);
    struct wf_row_set set = {.todo = todo};
    if (!wf_step(m->w, home_conn(m), WF_EVENT_CANCEL, &set, &second) ||
        !finish_cancel(m->w, home_conn(m), &second)) {
        log_err(LOG_WARN, "create", &second);
        err_cure(e, "run the same create again when the cause is gone, or cancel");
    }
    free(todo);
    return false;
}

static bool make_all(struct make *m, struct err *e)
{
    enum wf_event ev = m->def->auto_start ? WF_EVENT_CREATED : WF_EVENT_CREATED_STOPPED;
    if (!make_sidecars(m, e) || !make_row(m, e) || !make_tables(m, e) ||
        !wf_step(m->w, home_conn(m), ev, NULL, e))
        return undo(m, e);
    if (!FAULT_POINT("create.after_running", e))
        return false;
    if (m->def->routing_rules && !routing_publish(m->g, m->w->keys[0], home_conn(m), e))
        return false;
    return !m->def->auto_start || wf_streams_run(m->w, WF_FORWARD, e);
}

static bool check_all(struct make *m, struct err *e)
{
    if (!precheck_open(&m->pre, e) || !look_for_row(m, e))
        return false;
    return m->done ||
           (sides_check_new(m->g, m->keyspace, m->name, m->def, e) &&
            precheck_servers(&m->pre, e) && precheck_tables(&m->pre, e) && plan_tables(m, e));
}

static bool adopt_done(struct make *m, struct err *e)
{
    m->w = wf_add(m->g, m->keyspace, m->name);
    pthread_mutex_lock(&m->w->verb);
    return wf_own(m->w, home_conn(m), e) && wf_resume(m->w, home_conn(m), e);
}

static bool begin(struct make *m, const struct wf_type_ops *type, const struct verb_options *o,
                  struct err *e)
{
    if (!check_name(m->name, e) || (m->def = create_request(m->g, type, m->keyspace, o, e)) == NULL)
        return false;
    m->pre = (struct precheck){.g = m->g, .def = m->def, .tables_must_exist = o->skip_schema_copy};
    return true;
}

static json_t *plan_of(const struct make *m)
{
    json_t *list = json_array();
    const char *from = m->def->source.keyspace, *to = m->def->target.keyspace;
    if (m->done || m->adopting)
        json_array_append_new(
            list, json_sprintf("Workflow %s.%s exists already; it goes on", m->keyspace, m->name));
    for (size_t i = 0; i < m->def->n_tables && !m->done; i++) {
        const struct wf_table *t = &m->def->tables[i];
        json_array_append_new(list, json_sprintf("%s table %s in keyspace %s (%zu shards)",
                                                 t->created ? "Create" : "Use the empty", t->target,
                                                 to, m->def->target.n_shards));
        json_array_append_new(
            list,
            json_sprintf("Copy table %s from keyspace %s and follow its changes", t->source, from));
    }
    if (m->def->left_out != NULL)
        json_array_append_new(
            list, json_sprintf("Leave out %s: a schema change of them runs", m->def->left_out));
    return list;
}

bool create_check(struct vrepl_engine *g, const struct wf_type_ops *type, const char *keyspace,
                  const char *name, const struct verb_options *o, json_t **plan, struct err *e)
{
    struct make m = {.g = g, .keyspace = keyspace, .name = name};
    if (!begin(&m, type, o, e))
        return false;
    bool ok = check_all(&m, e);
    if (ok)
        *plan = plan_of(&m);
    precheck_close(&m.pre);
    wf_def_free(m.def);
    return ok;
}

bool create_run(struct vrepl_engine *g, const struct wf_type_ops *type, const char *keyspace,
                const char *name, const struct verb_options *o, struct workflow **out,
                struct err *e)
{
    struct make m = {.g = g, .keyspace = keyspace, .name = name};
    if (!begin(&m, type, o, e))
        return false;
    bool ok = check_all(&m, e) && (m.done ? adopt_done(&m, e) : make_all(&m, e));
    if (m.w != NULL) {
        m.w->answered = ok;
        wf_set_error(m.w, ok ? NULL : e);
        pthread_mutex_unlock(&m.w->verb);
    }
    precheck_close(&m.pre);
    wf_def_free(m.def);
    if (ok)
        *out = m.w;
    else
        wf_unref(m.w);
    return ok;
}
