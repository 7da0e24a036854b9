/* vrepl/workflow/verbs.c — the workflow commands: find, lock, take the lease, finish what was
 * interrupted, do the verb.
 *
 * Every verb that changes something begins with the row on the server (wf_own), so an older
 * state.db or a second daemon cannot mislead it, and first brings an interrupted switch, complete
 * or cancel to its end.
 */
#include "vrepl/workflow/verbs.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "vrepl/move/object_names.h"
#include "vrepl/workflow/create.h"
#include "vrepl/workflow/finish.h"
#include "vrepl/workflow/recheck.h"
#include "vrepl/workflow/recopy.h"
#include "vrepl/workflow/routing.h"
#include "vrepl/workflow/sides.h"
#include "vrepl/workflow/status.h"
#include "vrepl/workflow/switch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define VERB_WAIT_S    30
#define MIN_TIMEOUT_MS 1000

void verbs_put(struct verb_call *c, json_t *take)
{
    char *text = json_dumps(take, JSON_COMPACT | JSON_ENCODE_ANY);
    assert(text != NULL);
    buf_put_str(c->result, text);
    free(text);
    json_decref(take);
}

/* What a verb works on: the workflow, locked and ours, and a connection to its row. */
struct work {
    struct workflow *w;
    enum wf_direction dir; /* the command named the reverse */
    bool locked;
    struct my_conn *home;
};

/* One that a failed create left in the list without a row is none. */
static struct workflow *find_living(struct verb_call *c, enum wf_direction *dir)
{
    struct workflow *w = wf_find(c->g, c->cmd->keyspace, c->cmd->workflow, dir);
    if (w == NULL || wf_state_now(w) != WF_NONE)
        return w;
    wf_unref(w);
    return NULL;
}

static bool find(struct verb_call *c, struct work *x, struct err *e)
{
    x->w = find_living(c, &x->dir);
    if (x->w == NULL) { /* another daemon may have made it */
        bool all = engine_scan(c->g, c->cmd->keyspace);
        x->w = find_living(c, &x->dir);
        if (x->w == NULL && !all)
            return err_set(e, ERR_DB_CONNECT,
                           "not every server of keyspace %s can be asked for workflow %s",
                           c->cmd->keyspace, c->cmd->workflow);
    }
    return x->w != NULL || err_set(e, ERR_WF_NOT_FOUND, "no streams found in keyspace %s for %s",
                                   c->cmd->keyspace, c->cmd->workflow);
}

/* How long a verb waits for another verb, and its statements for locks on the home server. */
static unsigned wait_s(const struct verb_call *c)
{
    int64_t ms = c->o->timeout_ms;
    return ms < 1000 ? 1 : ms > VERB_WAIT_S * 1000 ? VERB_WAIT_S : (unsigned)(ms / 1000);
}

static bool lock_verb(struct verb_call *c, struct work *x, struct err *e)
{
    x->locked = thread_lock_within(&x->w->verb, wait_s(c) * (int64_t)1000);
    return x->locked ||
           err_set(e, ERR_TIMEOUT, "another command on workflow %s is running", x->w->keys[0]);
}

static bool is_pending(enum wf_state s)
{
    const struct wf_transition *t = wf_transition_find(s, WF_EVENT_FOUND);
    return t != NULL && (t->action == WF_ACT_REMOVE_FENCE || t->action == WF_ACT_ROLL_FORWARD ||
                         t->action == WF_ACT_REMOVE_SOURCE || t->action == WF_ACT_REMOVE_TARGET);
}

static bool open_work(struct verb_call *c, struct work *x, struct err *e)
{
    if (!find(c, x, e) || !lock_verb(c, x, e))
        return false;
    if (x->w->def == NULL) /* its verb ended it while we waited */
        return err_set(e, ERR_WF_NOT_FOUND, "no streams found in keyspace %s for %s",
                       c->cmd->keyspace, c->cmd->workflow);
    x->home = wf_home_connect(x->w, e);
    if (x->home == NULL || !my_limit_lock_waits(x->home, wait_s(c), e) || !wf_own(x->w, x->home, e))
        return false;
    return !is_pending(x->w->state) || wf_resume(x->w, x->home, e);
}

static void close_work(struct work *x, const struct err *e)
{
    if (x->w != NULL && x->locked) {
        bool ours =
            x->w->lease != NULL && e != NULL && e->code != ERR_NONE && is_pending(x->w->state);
        wf_set_error(x->w, ours ? e : NULL);
        pthread_mutex_unlock(&x->w->verb);
    }
    my_close(x->home);
    wf_unref(x->w);
}

static json_t *details(const struct workflow *w, const char *what, bool yes)
{
    json_t *list = json_array();
    for (size_t i = 0; i < w->sides[WF_TARGET].n; i++) {
        const struct topo_shard *s = w->sides[WF_TARGET].shards[i];
        json_array_append_new(list, json_pack("{s:{s:s, s:I}, s:b}", "tablet", "cell",
                                              s->cell != NULL ? s->cell : "", "uid",
                                              (json_int_t)(i + 1) * 100, what, yes));
    }
    return list;
}

/* --- what --dry-run says --- */

static void add_line(json_t *list, const char *fmt, const char *a, const char *b)
{
    CLEANUP(buf_fini) struct buf line = BUF_INIT;
    for (const char *p = fmt; *p != '\0'; p++) {
        if (*p == '$' && (p[1] == '1' || p[1] == '2'))
            buf_put_str(&line, *++p == '1' ? a : b);
        else
            buf_put_u8(&line, (uint8_t)*p);
    }
    json_array_append_new(list, json_string(buf_str(&line)));
}

static void put_plan(struct verb_call *c, const char *word, json_t *plan)
{
    json_t *summary = json_sprintf("%s dry run results for workflow %s.%s", word, c->cmd->keyspace,
                                   c->cmd->workflow);
    verbs_put(c, json_pack("{s:o, s:o}", "summary", summary, "dry_run_results", plan));
}

/* --- start, stop, update -------------------------------------------------------------------------
 */

static json_t *start_plan(const struct workflow *w, const struct recopy *r)
{
    json_t *list = json_array();
    const char *ks = w->sides[WF_TARGET].shards[0]->keyspace;
    for (size_t i = 0; r->any && i < w->def->n_tables; i++)
        add_line(list,
                 recopy_has(r, i)
                     ? "Empty table $1 on every target shard of keyspace $2, and copy it anew"
                     : "Keep the rows of table $1 in keyspace $2",
                 w->def->tables[i].target, ks);
    add_line(list, "Start the vreplication streams of $1", w->keys[wf_state_direction(w->state)],
             "");
    return list;
}

static void put_updated(struct verb_call *c, const struct work *x, bool changed)
{
    json_t *summary = json_sprintf(
        "Successfully updated the %s workflow on (%zu) target primary tablets in the %s keyspace",
        c->cmd->workflow, x->w->sides[WF_TARGET].n, c->cmd->keyspace);
    verbs_put(c, json_pack("{s:o, s:o}", "summary", summary, "details",
                           details(x->w, "changed", changed)));
}

static bool set_definition(struct work *x, bool stop_after_copy, const char *on_ddl, struct err *e)
{
    struct workflow *w = x->w;
    json_t *j = NULL;
    char *text = wf_def_print(w->def);
    j = json_loads(text, 0, NULL);
    free(text);
    json_object_set_new(j, "stop_after_copy", json_boolean(stop_after_copy));
    if (on_ddl != NULL)
        json_object_set_new(j, "on_ddl", json_string(on_ddl));
    text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    struct wf_row_set set = {.definition = text};
    struct wf_def *d = wf_def_parse(text, e);
    bool ok = d != NULL && wf_row_move(x->home, lease_key(w->lease), w->state, w->state, &set, e) &&
              wf_set_definition(w, &d, e);
    wf_def_free(d);
    free(text);
    return ok;
}

static bool start_streams(struct work *x, const struct recopy *r, struct err *e)
{
    enum wf_direction active = wf_state_direction(x->w->state);
    static const struct wf_row_set done = {.todo = ""};
    if (x->w->def->stop_after_copy && !set_definition(x, false, NULL, e))
        return false;
    if (!recheck_start(x->w, active, e) || (r->any && !recopy_prepare(x->w, r, x->home, e)) ||
        !wf_step(x->w, x->home, WF_EVENT_START, r->any ? &done : NULL, e))
        return false;
    wf_streams_stop(x->w);
    return wf_streams_run(x->w, active, e);
}

/* What an earlier start began is begun again, with what is asked for now. */
static bool what_to_recopy(const struct verb_call *c, const struct work *x, struct recopy *r,
                           struct err *e)
{
    if (!recopy_add(r, x->w->def, &c->o->recopy, e))
        return false;
    if (x->dir == WF_REVERSE && r->any)
        return err_set(e, ERR_WF_STATE, "start --recopy the workflow %s, not its reverse",
                       x->w->keys[0]);
    return x->dir == WF_REVERSE ||
           (recopy_add_pending(r, x->w, e) && (!r->any || recopy_check(x->w, e)));
}

static bool start_direction(struct verb_call *c, struct work *x, const struct recopy *r,
                            struct err *e)
{
    bool runs = x->dir == wf_state_direction(x->w->state);
    if (runs && c->o->dry_run) {
        put_plan(c, "Start", start_plan(x->w, r));
        return true;
    }
    if (runs && !start_streams(x, r, e))
        return false;
    put_updated(c, x, runs); /* the direction that does not run has nothing to start */
    return true;
}

static bool verb_start(struct verb_call *c, struct work *x, struct err *e)
{
    struct recopy r = RECOPY_INIT;
    bool ok = what_to_recopy(c, x, &r, e) && start_direction(c, x, &r, e);
    recopy_fini(&r);
    return ok;
}

static bool verb_stop(struct verb_call *c, struct work *x, struct err *e)
{
    if (x->dir != wf_state_direction(x->w->state)) {
        put_updated(c, x, false);
        return true;
    }
    bool changed = x->w->running != NULL;
    if (!wf_step(x->w, x->home, WF_EVENT_STOP, NULL, e))
        return false;
    wf_streams_stop(x->w);
    put_updated(c, x, changed);
    return true;
}

static bool verb_update(struct verb_call *c, struct work *x, struct err *e)
{
    const char *on_ddl = c->o->on_ddl;
    enum vrepl_on_ddl d;
    if (on_ddl == NULL || !wf_on_ddl_parse(on_ddl, &d))
        return err_set(e, ERR_USAGE, "--on-ddl is IGNORE, STOP, EXEC or EXEC_IGNORE");
    bool changed = d != x->w->def->on_ddl;
    if (changed && !set_definition(x, x->w->def->stop_after_copy, wf_on_ddl_name(d), e))
        return false;
    if (changed && x->w->running != NULL) {
        enum wf_direction dir = x->w->running->dir;
        wf_streams_stop(x->w);
        if (!wf_streams_run(x->w, dir, e))
            return false;
    }
    put_updated(c, x, changed);
    return true;
}

/* --- switchtraffic, reversetraffic
 * ------------------------------------------------------------------ */

static void put_tables(const struct workflow *w, enum wf_side_name side, struct buf *out)
{
    for (size_t i = 0; i < w->def->n_tables; i++)
        buf_printf(out, "%s%s", i > 0 ? "," : "", wf_plain_name(&w->def->tables[i], side));
}

static json_t *switch_plan(const struct workflow *w, enum wf_direction dir)
{
    CLEANUP(buf_fini) struct buf tables = BUF_INIT;
    const char *from = w->sides[wf_reads(dir)].shards[0]->keyspace,
               *to = w->sides[wf_writes(dir)].shards[0]->keyspace;
    const char *other = strchr(w->keys[wf_opposite(dir)], '/') + 1;
    json_t *list = json_array();
    put_tables(w, wf_reads(dir), &tables);
    add_line(list, "Lock tables [$1] of keyspace $2 for writing: writers wait from here on",
             buf_str(&tables), from);
    add_line(list, "Write a marker and wait for streams to reach it", "", "");
    add_line(list, "Create reverse vreplication workflow $1", other, "");
    add_line(list, "Fence writes on keyspace $2 for tables [$1]", buf_str(&tables), from);
    add_line(list, "Commit the decision: no way back before, no way but forward after", "", "");
    add_line(list, "Create journal entries on source databases", "", "");
    add_line(list, "Enable writes on keyspace $2 for tables [$1]", buf_str(&tables), to);
    add_line(list, "Switch routing from keyspace $1 to keyspace $2", from, to);
    add_line(list, "Routing rules for tables [$1] will be updated", buf_str(&tables), "");
    add_line(list, "Start reverse vreplication streams", "", "");
    add_line(list, "Unlock tables", "", "");
    return list;
}

static void put_switched(struct verb_call *c, struct workflow *w, enum wf_direction dir,
                         const char *start, int64_t blocked_ms, json_t *plan)
{
    const char *word = dir == WF_REVERSE ? "ReverseTraffic" : "SwitchTraffic";
    json_t *summary =
        plan != NULL
            ? json_sprintf("%s dry run results for workflow %s.%s", word, w->keyspace, w->name)
            : json_sprintf("%s was successful for workflow %s.%s", word, w->keyspace, w->name);
    verbs_put(c,
              json_pack("{s:o, s:s, s:s, s:o, s:I}", "summary", summary, "start_state", start,
                        "current_state", status_traffic(w), "dry_run_results",
                        plan != NULL ? plan : json_array(), "blocked_ms", (json_int_t)blocked_ms));
}

static bool names_primary(const struct flag_list *types)
{
    bool yes = types->n == 0;
    for (size_t i = 0; i < types->n; i++)
        yes = yes || strcasecmp(types->items[i], "primary") == 0;
    return yes;
}

static bool switch_flags(struct verb_call *c, struct switch_options *o, struct err *e)
{
    o->timeout_ms = c->o->timeout_ms;
    o->max_lag_ms = c->o->max_replication_lag_allowed_ms;
    o->follow = c->o->enable_reverse_replication;
    o->dry_run = c->o->dry_run;
    o->cancelled = c->cmd->cancelled;
    if (o->timeout_ms < MIN_TIMEOUT_MS)
        return err_set(e, ERR_USAGE, "--timeout is at least 1s");
    if (!names_primary(&c->o->tablet_types)) {
        err_set(e, ERR_WF_PRECONDITION,
                "reads alone are not switched: one command switches reads and writes");
        return err_cure(e, "leave --tablet-types out");
    }
    return true;
}

/* turn: WF_REVERSE undoes what the named direction does. */
static bool verb_switch(struct verb_call *c, struct work *x, enum wf_direction turn, struct err *e)
{
    struct switch_options o = {.dir = turn == WF_FORWARD ? x->dir : wf_opposite(x->dir)};
    struct switch_result r = {0};
    struct workflow *w = x->w;
    const char *start = status_traffic(w);
    if (!switch_flags(c, &o, e))
        return false;
    bool there = wf_state_direction(w->state) != o.dir;
    if (there && (o.dir == WF_FORWARD ||
                  w->decision != NULL)) { /* the same command again: its answer was lost */
        put_switched(c, w, o.dir, start, 0, NULL);
        return true;
    }
    if ((w->state == WF_RUNNING || w->state == WF_SWITCHED) && w->running == NULL &&
        !wf_resume(w, x->home, e))
        return false;
    if (o.dry_run) {
        if (!switch_check(w, &o, e))
            return false;
        put_switched(c, w, o.dir, start, 0, switch_plan(w, o.dir));
        return true;
    }
    if (!switch_run(w, x->home, &o, &r, e))
        return false;
    put_switched(c, w, o.dir, start, r.blocked_ms, NULL);
    return true;
}

/* --- complete, cancel
 * ------------------------------------------------------------------------------- */

static void put_ended(struct verb_call *c, bool complete, json_t *plan, json_t *detail)
{
    json_t *summary = plan != NULL
                          ? json_sprintf("Complete dry run results for workflow %s.%s",
                                         c->cmd->keyspace, c->cmd->workflow)
                          : json_sprintf("Successfully %s the %s workflow in the %s keyspace",
                                         complete ? "completed" : "cancelled", c->cmd->workflow,
                                         c->cmd->keyspace);
    if (complete)
        verbs_put(c, json_pack("{s:o, s:o}", "summary", summary, "dry_run_results",
                               plan != NULL ? plan : json_array()));
    else
        verbs_put(c, json_pack("{s:o, s:o}", "summary", summary, "details",
                               detail != NULL ? detail : json_array()));
}

static json_t *cancel_plan(const struct workflow *w, const struct finish_options *o)
{
    json_t *list = json_array();
    const char *ks = w->sides[WF_TARGET].shards[0]->keyspace;
    add_line(list, "Stop the vreplication streams of $1", w->keys[0], "");
    for (size_t i = 0; i < w->def->n_tables && !o->keep_data; i++)
        add_line(list,
                 w->def->tables[i].created ? "Drop table $1 in keyspace $2"
                                           : "Empty table $1 in keyspace $2",
                 w->def->tables[i].target, ks);
    add_line(list, "Delete vreplication streams of $1", w->keys[0], "");
    return list;
}

static json_t *complete_plan(const struct workflow *w, const struct finish_options *o)
{
    json_t *list = json_array();
    CLEANUP(buf_fini) struct buf tables = BUF_INIT;
    put_tables(w, WF_SOURCE, &tables);
    const char *ks = w->sides[WF_SOURCE].shards[0]->keyspace;
    if (o->keep_data)
        add_line(list, "Tables [$1] stay in keyspace $2", buf_str(&tables), ks);
    else if (o->rename_tables)
        add_line(list, "Renaming these tables to _NAME_old in keyspace $2: [$1]", buf_str(&tables),
                 ks);
    else
        add_line(list, "Dropping these tables from keyspace $2: [$1]", buf_str(&tables), ks);
    add_line(list, "Fences on [$1] will be removed", buf_str(&tables), "");
    add_line(list, "Delete reverse vreplication streams of $1", w->keys[1], "");
    add_line(list, "Delete vreplication streams of $1", w->keys[0], "");
    return list;
}

static bool begin_end(struct work *x, enum wf_event ev, const struct finish_options *o,
                      struct err *e)
{
    char *todo = finish_options_print(o);
    struct wf_row_set set = {.todo = todo};
    bool ok = wf_step(x->w, x->home, ev, &set, e);
    free(todo);
    return ok;
}

static bool verb_complete(struct verb_call *c, struct work *x, struct err *e)
{
    struct finish_options o = {c->o->keep_data, c->o->rename_tables};
    struct workflow *w = x->w;
    if (w->state == WF_NONE) { /* its interrupted complete was just brought to its end */
        put_ended(c, true, NULL, NULL);
        return true;
    }
    if (x->dir == WF_REVERSE)
        return err_set(e, ERR_WF_STATE, "complete the workflow %s, not its reverse", w->keys[0]);
    if (wf_transition_find(w->state, WF_EVENT_COMPLETE) == NULL)
        return err_set(e, ERR_WF_STATE,
                       "cannot complete workflow because you have not yet switched all read and "
                       "write traffic");
    if (!finish_check_complete(w, &o, e))
        return false;
    if (c->o->dry_run) {
        put_ended(c, true, complete_plan(w, &o), NULL);
        return true;
    }
    vdiff_verbs_stop(c->g, w->keys[0]);
    if (!begin_end(x, WF_EVENT_COMPLETE, &o, e) || !finish_complete(w, x->home, e))
        return false;
    put_ended(c, true, NULL, NULL);
    return true;
}

static bool verb_cancel(struct verb_call *c, struct work *x, struct err *e)
{
    struct finish_options o = {c->o->keep_data, false};
    struct workflow *w = x->w;
    if (w->state == WF_NONE) {
        put_ended(c, false, NULL, NULL);
        return true;
    }
    if (x->dir == WF_REVERSE)
        return err_set(e, ERR_WF_STATE, "cancel the workflow %s, not its reverse", w->keys[0]);
    if (wf_transition_find(w->state, WF_EVENT_CANCEL) == NULL) {
        err_set(e, ERR_WF_STATE,
                "cannot delete workflow because you have already switched write traffic");
        return err_cure(e, "complete it, or run reversetraffic first");
    }
    if (!o.keep_data && !sides_check_drop(w, WF_TARGET, e))
        return false;
    if (c->o->dry_run) {
        put_plan(c, "Cancel", cancel_plan(w, &o));
        return true;
    }
    vdiff_verbs_stop(c->g, w->keys[0]);
    json_t *detail = details(w, "deleted", true);
    bool ok = begin_end(x, WF_EVENT_CANCEL, &o, e) && finish_cancel(w, x->home, e);
    if (ok)
        put_ended(c, false, NULL, detail);
    else
        json_decref(detail);
    return ok;
}

/* --- list, show, status, create
 * --------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_free(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

/* Names of a keyspace's workflows: those into it, and reverses of those out of it. malloc'ed texts.
 */
static size_t names_of(struct vrepl_engine *g, const char *keyspace, char ***out)
{
    size_t n = 0;
    pthread_mutex_lock(&g->lock);
    *out = mem_calloc(2 * g->n_workflows + 1, sizeof **out);
    for (size_t i = 0; i < g->n_workflows; i++) {
        struct workflow *w = g->workflows[i];
        if (w->def == NULL)
            continue;
        if (strcmp(w->keyspace, keyspace) == 0)
            (*out)[n++] = mem_strdup(w->name);
        if (strcmp(w->def->source.keyspace, keyspace) == 0 && status_has_direction(w, WF_REVERSE))
            (*out)[n++] = mem_printf("%s%s", w->name, NAMES_REVERSE);
    }
    pthread_mutex_unlock(&g->lock);
    qsort(*out, n, sizeof **out, by_text);
    return n;
}

static bool verb_list(struct verb_call *c)
{
    char **names;
    size_t n = names_of(c->g, c->cmd->keyspace, &names);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(names[i]));
    names_free(names, n);
    verbs_put(c, list);
    return true;
}

static bool verb_show(struct verb_call *c)
{
    const char *only = c->cmd->workflow;
    char **names;
    size_t n = names_of(c->g, c->cmd->keyspace, &names);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        enum wf_direction dir;
        struct workflow *w = NULL;
        if (only == NULL || only[0] == '\0' || strcmp(only, names[i]) == 0)
            w = wf_find(c->g, c->cmd->keyspace, names[i], &dir);
        if (w != NULL)
            json_array_append_new(list, status_show(w, dir, c->o->include_logs));
        wf_unref(w);
    }
    names_free(names, n);
    verbs_put(c, json_pack("{s:o}", "workflows", list));
    return true;
}

static bool verb_status(struct verb_call *c, struct err *e)
{
    struct work x = {0};
    if (!find(c, &x, e))
        return err_prepend(e, "failed to get workflow state for %s.%s workflow", c->cmd->keyspace,
                           c->cmd->workflow);
    verbs_put(c, status_json(x.w, x.dir));
    wf_unref(x.w);
    return true;
}

static bool plan_create(struct verb_call *c, const struct wf_type_ops *type, struct err *e)
{
    json_t *plan = NULL;
    if (!create_check(c->g, type, c->cmd->keyspace, c->cmd->workflow, c->o, &plan, e))
        return false;
    put_plan(c, "Create", plan);
    return true;
}

static bool verb_create(struct verb_call *c, struct err *e)
{
    const struct wf_type_ops *type = wf_type_by_command(c->cmd->type);
    struct workflow *w = NULL;
    if (type == NULL)
        return err_set(e, ERR_USAGE, "%s has no verb create", c->cmd->type);
    if (c->o->dry_run)
        return plan_create(c, type, e);
    if (!create_run(c->g, type, c->cmd->keyspace, c->cmd->workflow, c->o, &w, e))
        return false;
    verbs_put(c, status_json(w, WF_FORWARD));
    wf_unref(w);
    return true;
}

struct verb {
    const char *name;
    bool (*run)(struct verb_call *c, struct work *x, struct err *e);
    const char *note; /* finish_was: the workflow may be gone because the verb was done */
};

static bool verb_switchtraffic(struct verb_call *c, struct work *x, struct err *e)
{
    return verb_switch(c, x, WF_FORWARD, e);
}

static bool verb_reversetraffic(struct verb_call *c, struct work *x, struct err *e)
{
    return verb_switch(c, x, WF_REVERSE, e);
}

static const struct verb verbs[] = {
    {"start", verb_start, NULL},
    {"stop", verb_stop, NULL},
    {"update", verb_update, NULL},
    {"switchtraffic", verb_switchtraffic, NULL},
    {"reversetraffic", verb_reversetraffic, NULL},
    {"complete", verb_complete, "complete"},
    {"cancel", verb_cancel, "cancel"},
    {"delete", verb_cancel, "cancel"},
};

static bool done_before(struct verb_call *c, const struct verb *v, struct err *e)
{
    bool yes = false;
    struct err first = *e;
    if (v->note == NULL || e->code != ERR_WF_NOT_FOUND)
        return false;
    if (!finish_was(c->g, c->cmd->keyspace, c->cmd->workflow, v->note, &yes, e) || !yes)
        return err_copy(e, &first);
    err_clear(e);
    put_ended(c, strcmp(v->note, "complete") == 0, NULL, NULL);
    return true;
}

static bool run_on_workflow(struct verb_call *c, const struct verb *v, struct err *e)
{
    struct work x = {0};
    bool ok = open_work(c, &x, e);
    if (ok && x.w->state == WF_NONE && v->note == NULL)
        ok = err_set(e, ERR_WF_NOT_FOUND, "no streams found in keyspace %s for %s",
                     c->cmd->keyspace, c->cmd->workflow);
    ok = ok && v->run(c, &x, e);
    close_work(&x, ok ? NULL : e);
    return ok || done_before(c, v, e);
}

bool verbs_run(struct verb_call *c, struct err *e)
{
    const char *verb = c->cmd->verb;
    if (strcmp(verb, "create") == 0)
        return verb_create(c, e);
    if (strcmp(verb, "list") == 0)
        return verb_list(c);
    if (strcmp(verb, "show") == 0)
        return verb_show(c);
    if (strcmp(verb, "status") == 0 || strcmp(verb, "progress") == 0)
        return verb_status(c, e);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(verb, verbs[i].name) == 0)
            return run_on_workflow(c, &verbs[i], e);
    }
    return err_set(e, ERR_USAGE, "there is no verb %s for %s", verb, c->cmd->type);
}
