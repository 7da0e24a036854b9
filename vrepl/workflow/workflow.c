/* vrepl/workflow/workflow.c — one workflow in memory: made from its row, changed only by guarded
 * steps. */
#include "vrepl/workflow/workflow.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "cdc/sidecar/sidecar.h"
#include "vrepl/move/object_names.h"
#include "vrepl/workflow/fence.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define HOME_LOCK_S 10 /* who keeps the row locked for longer fails the step, not the daemon */

struct workflow *wf_new(struct vrepl_engine *g, const char *keyspace, const char *name)
{
    struct workflow *w = mem_alloc(sizeof *w);
    w->refs = 1;
    w->engine = g;
    w->keyspace = mem_strdup(keyspace);
    w->name = mem_strdup(name);
    w->keys[0] = mem_printf("%s/%s", keyspace, name);
    pthread_mutex_init(&w->verb, NULL);
    pthread_mutex_init(&w->lock, NULL);
    thread_cond_init(&w->unpinned);
    return w;
}

static void wf_free(struct workflow *w)
{
    assert(w->running == NULL && w->n_watches == 0 && w->lease == NULL);
    wf_def_free(w->def);
    wf_decision_free(w->decision);
    free(w->sides[WF_SOURCE].shards);
    free(w->sides[WF_TARGET].shards);
    free(w->keyspace);
    free(w->name);
    free(w->keys[0]);
    free(w->keys[1]);
    free(w->fence[0]);
    free(w->fence[1]);
    free(w->todo);
    free(w->owner);
    free(w->watches);
    pthread_mutex_destroy(&w->verb);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->unpinned);
    free(w);
}

void wf_unref(struct workflow *w)
{
    if (w == NULL)
        return;
    pthread_mutex_t *lock = &w->engine->lock;
    pthread_mutex_lock(lock);
    bool last = --w->refs == 0;
    pthread_mutex_unlock(lock);
    if (last)
        wf_free(w);
}

static bool is_reverse_of(struct workflow *w, const char *keyspace, const char *name)
{
    size_t n = strlen(w->name);
    if (strncmp(name, w->name, n) != 0 || strcmp(name + n, NAMES_REVERSE) != 0)
        return false;
    pthread_mutex_lock(&w->lock);
    bool yes = w->def != NULL && strcmp(w->def->source.keyspace, keyspace) == 0;
    pthread_mutex_unlock(&w->lock);
    return yes;
}

static struct workflow *find_locked(struct vrepl_engine *g, const char *keyspace, const char *name)
{
    for (size_t i = 0; i < g->n_workflows; i++) {
        struct workflow *w = g->workflows[i];
        if (strcmp(w->name, name) == 0 && strcmp(w->keyspace, keyspace) == 0)
            return w;
    }
    return NULL;
}

struct workflow *wf_find(struct vrepl_engine *g, const char *keyspace, const char *name,
                         enum wf_direction *dir)
{
    pthread_mutex_lock(&g->lock);
    struct workflow *w = find_locked(g, keyspace, name);
    *dir = WF_FORWARD;
    for (size_t i = 0; i < g->n_workflows && w == NULL; i++) {
        if (is_reverse_of(g->workflows[i], keyspace, name)) {
            w = g->workflows[i];
            *dir = WF_REVERSE;
        }
    }
    if (w != NULL)
        w->refs++;
    pthread_mutex_unlock(&g->lock);
    return w;
}

struct workflow *wf_add(struct vrepl_engine *g, const char *keyspace, const char *name)
{
    pthread_mutex_lock(&g->lock);
    struct workflow *w = find_locked(g, keyspace, name);
    if (w == NULL) {
        w = wf_new(g, keyspace, name);
        mem_grow((void **)&g->workflows, &g->cap_workflows, g->n_workflows + 1,
                 sizeof *g->workflows);
        g->workflows[g->n_workflows++] = w;
    }
    w->refs++;
    pthread_mutex_unlock(&g->lock);
    return w;
}

void wf_remove(struct workflow *w)
{
    struct vrepl_engine *g = w->engine;
    bool was = false;
    pthread_mutex_lock(&g->lock);
    for (size_t i = 0; i < g->n_workflows && !was; i++) {
        if (g->workflows[i] == w) {
            g->workflows[i] = g->workflows[--g->n_workflows];
            was = true;
        }
    }
    pthread_mutex_unlock(&g->lock);
    if (was)
        wf_unref(w);
}

static bool side_resolve(struct workflow *w, const struct wf_side *s, struct wf_shards *out,
                         struct err *e)
{
    out->n = s->n_shards;
    out->shards = mem_calloc(s->n_shards, sizeof(void *));
    for (size_t i = 0; i < s->n_shards; i++) {
        out->shards[i] = topology_shard(w->engine->o.topo, s->keyspace, s->shards[i]);
        if (out->shards[i] == NULL) {
            err_set(e, ERR_CONFIG,
                    "workflow %s needs shard %s/%s, which the configuration does not have",
                    w->keys[0], s->keyspace, s->shards[i]);
            return false;
        }
    }
    return true;
}

bool wf_set_definition(struct workflow *w, struct wf_def **take, struct err *e)
{
    struct wf_shards source = {0}, target = {0};
    struct wf_def *d = *take;
    if (!side_resolve(w, &d->source, &source, e) || !side_resolve(w, &d->target, &target, e)) {
        free(source.shards);
        free(target.shards);
        return false;
    }
    pthread_mutex_lock(&w->engine->lock); /* the routing reads definitions under this lock alone */
    pthread_mutex_lock(&w->lock);
    struct wf_def *old = w->def;
    const struct topo_shard **gone[] = {w->sides[WF_SOURCE].shards, w->sides[WF_TARGET].shards};
    w->def = d;
    *take = NULL;
    w->sides[WF_SOURCE] = source;
    w->sides[WF_TARGET] = target;
    if (w->keys[1] == NULL)
        w->keys[1] = mem_printf("%s/%s%s", d->source.keyspace, w->name, NAMES_REVERSE);
    pthread_mutex_unlock(&w->lock);
    pthread_mutex_unlock(&w->engine->lock);
    wf_def_free(old);
    free(gone[0]);
    free(gone[1]);
    return true;
}

static char *fence_text(const json_t *j, const char *side)
{
    return mem_strdup(json_string_value(json_object_get(j, side)));
}

static void set_fence(struct workflow *w, const char *json)
{
    json_t *j = json != NULL ? json_loads(json, 0, NULL) : NULL;
    free(w->fence[WF_SOURCE]);
    free(w->fence[WF_TARGET]);
    w->fence[WF_SOURCE] = fence_text(j, "source");
    w->fence[WF_TARGET] = fence_text(j, "target");
    json_decref(j);
}

char *wf_fence_json(const char *source, const char *target)
{
    if (source == NULL && target == NULL)
        return mem_strdup("");
    json_t *j = json_pack("{s:s?, s:s?}", "source", source, "target", target);
    char *text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    return text;
}

bool wf_load(struct workflow *w, const struct wf_row *row, struct err *e)
{
    struct wf_decision *decision = NULL;
    struct wf_def *def = wf_def_parse(row->definition, e);
    if (def == NULL || !wf_set_definition(w, &def, e)) {
        wf_def_free(def);
        return err_prepend(e, "workflow %s", w->keys[0]);
    }
    if (row->decision != NULL && (decision = wf_decision_parse(row->decision, e)) == NULL)
        return err_prepend(e, "workflow %s", w->keys[0]);
    pthread_mutex_lock(&w->lock);
    wf_decision_free(w->decision);
    w->decision = decision;
    w->state = row->state;
    set_fence(w, row->fence);
    free(w->todo);
    w->todo = mem_strdup(row->todo);
    free(w->owner);
    w->owner = mem_strdup(row->owner);
    pthread_mutex_unlock(&w->lock);
    return true;
}

const struct topo_shard *wf_home(const struct workflow *w)
{
    assert(w->sides[WF_TARGET].n > 0);
    return w->sides[WF_TARGET].shards[0];
}

struct my_conn *wf_home_connect(struct workflow *w, struct err *e)
{
    const struct topo_shard *home = wf_home(w);
    struct my_conn *c = my_connect(&home->primary, "workflow", e);
    if (c != NULL && my_limit_lock_waits(c, HOME_LOCK_S, e) && sidecar_check(c, e))
        return c;
    my_close(c);
    err_prepend(e, "%s/%s, where workflow %s has its row", home->keyspace, home->name, w->keys[0]);
    return NULL;
}

static void take_lease(struct workflow *w, uint64_t epoch)
{
    struct wf_row_key key = {w->keyspace, w->name, w->engine->owner, epoch};
    struct lease *old = w->lease;
    struct lease *l = lease_new(wf_home(w), &key);
    pthread_mutex_lock(&w->lock);
    w->lease = l;
    pthread_mutex_unlock(&w->lock);
    lease_free(old, false);
}

bool wf_own(struct workflow *w, struct my_conn *home, struct err *e)
{
    uint64_t epoch = 0;
    struct wf_row row;
    bool found;
    if (!wf_row_acquire(home, w->keyspace, w->name, w->engine->owner, w->engine->heir, LEASE_MS,
                        &epoch, e) ||
        !wf_row_read(home, w->keyspace, w->name, &row, &found, e))
        return false;
    if (!found)
        return err_set(e, ERR_WF_NOT_FOUND, "there is no workflow %s in keyspace %s", w->name,
                       w->keyspace);
    bool ok = wf_load(w, &row, e);
    wf_row_fini(&row);
    struct err ignored = ERR_INIT;
    if (ok && (w->lease == NULL || lease_key(w->lease)->epoch != epoch ||
               !lease_held(w->lease, &ignored))) {
        wf_streams_stop(w); /* of an older epoch, if any */
        take_lease(w, epoch);
    }
    return ok;
}

static bool already_there(struct workflow *w, enum wf_state next, struct err *e)
{
    struct wf_row row;
    bool found;
    struct my_conn *c = wf_home_connect(w, e);
    if (c == NULL)
        return false;
    bool read = wf_row_read(c, w->keyspace, w->name, &row, &found, e);
    bool there = read && found && row.state == next &&
                 strcmp(row.owner, lease_key(w->lease)->owner) == 0 &&
                 row.epoch == lease_key(w->lease)->epoch;
    if (read)
        wf_row_fini(&row);
    my_close(c);
    return there;
}

static void remember(struct workflow *w, enum wf_state next, const struct wf_row_set *set)
{
    struct wf_decision *decision = NULL;
    if (set != NULL && set->decision != NULL && set->decision[0] != '\0') {
        decision = wf_decision_parse(set->decision, NULL);
        assert(decision != NULL); /* we printed it */
    }
    pthread_mutex_lock(&w->lock);
    w->state = next;
    if (decision != NULL) {
        wf_decision_free(w->decision);
        w->decision = decision;
    }
    if (set != NULL && set->fence != NULL)
        set_fence(w, set->fence[0] != '\0' ? set->fence : NULL);
    if (set != NULL && set->todo != NULL) {
        free(w->todo);
        w->todo = set->todo[0] != '\0' ? mem_strdup(set->todo) : NULL;
    }
    pthread_mutex_unlock(&w->lock);
}

bool wf_step(struct workflow *w, struct my_conn *home, enum wf_event ev,
             const struct wf_row_set *set, struct err *e)
{
    const struct wf_transition *t = wf_transition_find(w->state, ev);
    if (t == NULL)
        return err_set(e, ERR_WF_STATE, "workflow %s is %s: %s is not possible", w->keys[0],
                       wf_state_name(w->state), wf_event_name(ev));
    if (!lease_held(w->lease, e))
        return false;
    if (!wf_row_move(home, lease_key(w->lease), t->state, t->next, set, e)) {
        struct err second = ERR_INIT;
        bool unknown = e->class_ == ERR_CLASS_RETRY && t->state != t->next;
        if (!unknown || !already_there(w, t->next, &second))
            return false;
        err_clear(e);
    }
    remember(w, t->next, set);
    log_info("workflow", "%s: %s -> %s (%s)", w->keys[0], wf_state_name(t->state),
             wf_state_name(t->next), wf_event_name(ev));
    if (w->engine->o.store != NULL) {
        struct err ignored = ERR_INIT; /* history for people; the row is the truth */
        if (!store_log_append(w->engine->o.store, w->keys[0], "State Changed",
                              wf_state_name(t->next), &ignored))
            log_err(LOG_WARN, "workflow", &ignored);
    }
    return true;
}

const char *wf_plain_name(const struct wf_table *t, enum wf_side_name side)
{
    return side == WF_SOURCE ? t->source : t->target;
}

void wf_table_name(const struct workflow *w, const struct wf_table *t, enum wf_side_name side,
                   char *out, size_t out_len)
{
    const char *mode = w->fence[side];
    if (mode != NULL && strcmp(mode, "rename") == 0)
        names_hidden(w->keys[0], side == WF_TARGET, wf_plain_name(t, side), out, out_len);
    else
        snprintf(out, out_len, "%s", wf_plain_name(t, side));
}

enum wf_state wf_state_now(struct workflow *w)
{
    pthread_mutex_lock(&w->lock);
    enum wf_state s = w->state;
    pthread_mutex_unlock(&w->lock);
    return s;
}

void wf_set_error(struct workflow *w, const struct err *e)
{
    pthread_mutex_lock(&w->lock);
    if (e == NULL)
        err_clear(&w->error);
    else
        err_copy(&w->error, e);
    pthread_mutex_unlock(&w->lock);
}

enum wf_side_name wf_reads(enum wf_direction dir)
{
    return dir == WF_REVERSE ? WF_TARGET : WF_SOURCE;
}

enum wf_side_name wf_writes(enum wf_direction dir)
{
    return dir == WF_REVERSE ? WF_SOURCE : WF_TARGET;
}
