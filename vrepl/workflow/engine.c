/* vrepl/workflow/engine.c — all workflows of one installation: found on the servers, kept alive by
 * one keeper thread.
 *
 * The keeper, once a second: scans servers that have not been read (and all of them from time to
 * time), takes free leases, does what a state obliges an owner to do, restarts streams that failed
 * for a passing reason, and lets go of workflows that another daemon owns. It takes a workflow's
 * verb lock only if it is free.
 */
#include "vrepl/workflow/workflow.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thread.h"
#include "cdc/sidecar/sidecar.h"
#include "vrepl/workflow/routing.h"
#include "vrepl/workflow/status.h"
#include "vrepl/workflow/switch.h"
#include "vrepl/workflow/verb_flags.h"
#include "vrepl/workflow/verbs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEEPER_MS      1000
#define SCAN_MS        10000
#define RETRY_FIRST_MS 1000
#define RETRY_MOST_MS  30000
#define CLEAR_MS       30000ll

/* --- finding workflows
 * ------------------------------------------------------------------------------ */

static bool is_home(const struct vrepl_engine *g, const struct wf_row *row,
                    const struct topo_shard *s)
{
    struct err e = ERR_INIT;
    struct wf_def *d = wf_def_parse(row->definition, &e);
    const struct topo_shard *home =
        d != NULL ? topology_shard(g->o.topo, d->target.keyspace, wf_def_home(d)) : NULL;
    if (d == NULL)
        log_err(LOG_WARN, "engine", &e);
    wf_def_free(d);
    /* Shards may share a server, and so its _sluice: the row counts once. */
    return home == s;
}

static void adopt_row(struct vrepl_engine *g, const struct wf_row *row)
{
    struct err e = ERR_INIT;
    struct workflow *w = wf_add(g, row->keyspace, row->name);
    if (pthread_mutex_trylock(&w->verb) == 0) {
        if (w->lease == NULL && !wf_load(w, row, &e)) {
            log_err(LOG_WARN, "engine", &e);
            wf_set_error(w, &e);
        }
        pthread_mutex_unlock(&w->verb);
    }
    wf_unref(w);
}

static bool scan_shard(struct vrepl_engine *g, const struct topo_shard *s, struct err *e)
{
    struct wf_row *rows = NULL;
    size_t n = 0;
    struct my_conn *c = my_connect(&s->primary, "engine", e);
    bool ok = c != NULL && sidecar_check(c, e) && routing_read_server(g, c, e) &&
              wf_row_list(c, g->o.installation, &rows, &n, e);
    my_close(c);
    for (size_t i = 0; ok && i < n; i++) {
        if (is_home(g, &rows[i], s))
            adopt_row(g, &rows[i]);
    }
    wf_rows_free(rows, n);
    return ok || err_prepend(e, "%s/%s", s->keyspace, s->name);
}

bool engine_scan(struct vrepl_engine *g, const char *keyspace)
{
    bool all = true;
    for (size_t i = 0; i < g->o.topo->n_keyspaces; i++) {
        const struct topo_keyspace *ks = &g->o.topo->keyspaces[i];
        for (size_t k = 0;
             (keyspace == NULL || strcmp(keyspace, ks->name) == 0) && k < ks->n_shards; k++) {
            struct err e = ERR_INIT;
            if (!scan_shard(g, &ks->shards[k], &e)) {
                log_err(e.code == ERR_SIDECAR_NEWER ? LOG_WARN : LOG_DEBUG, "engine", &e);
                all = false;
            }
        }
    }
    return all;
}

/* --- keeping them alive
 * ----------------------------------------------------------------------------- */

/* release: the next owner need not wait until the lease runs out (lease_free). */
static void let_go(struct workflow *w, bool release)
{
    wf_streams_stop(w);
    wf_watch_stop(w);
    pthread_mutex_lock(&w->lock);
    struct lease *l = w->lease;
    w->lease = NULL;
    pthread_mutex_unlock(&w->lock);
    lease_free(l, release);
}

/* True when a stream has stopped for a reason that may pass. */
static bool streams_failed(struct workflow *w, bool *any)
{
    bool passing = true;
    *any = false;
    for (size_t i = 0; w->running != NULL && i < w->running->n; i++) {
        struct vrepl_stream_status st = {0};
        vrepl_stream_status(w->running->streams[i], &st);
        if (st.state == VREPL_STREAM_ERROR) {
            *any = true;
            passing = passing && st.may_pass;
        }
        vrepl_stream_status_fini(&st);
    }
    return *any && passing;
}

static void later(struct workflow *w, const struct err *e)
{
    int64_t wait = (int64_t)RETRY_FIRST_MS << (w->failures < 5 ? w->failures : 5);
    w->failures++;
    w->retry_at_ms = clock_mono_ms() + (wait < RETRY_MOST_MS ? wait : RETRY_MOST_MS);
    if (e != NULL) {
        log_err(LOG_WARN, "engine", e);
        wf_set_error(w, e);
    }
}

static bool wants_streams(enum wf_state s)
{
    return s == WF_RUNNING || s == WF_SWITCHED;
}

/* Work that the state obliges us to and that is not being done. */
static bool is_idle_duty(struct workflow *w)
{
    const struct wf_transition *t = wf_transition_find(w->state, WF_EVENT_FOUND);
    if (t == NULL || t->action == WF_ACT_NONE)
        return false;
    if (t->action == WF_ACT_WATCH_FENCE)
        return w->decision != NULL && w->n_watches == 0;
    return !wants_streams(w->state) || w->running == NULL;
}

static bool resume(struct workflow *w, struct err *e)
{
    struct my_conn *home = wf_home_connect(w, e);
    bool ok = home != NULL && wf_own(w, home, e) && wf_resume(w, home, e);
    my_close(home);
    return ok;
}

/* Triggers that a switch had to leave open cost every write a little. */
static void clear_fences(struct workflow *w)
{
    struct err e = ERR_INIT;
    if (clock_mono_ms() < w->clear_at_ms || !switch_left_open(w))
        return;
    w->clear_at_ms = clock_mono_ms() + (CLEAR_MS << w->clear_tries);
    w->clear_tries += w->clear_tries < 5; /* each try makes a table's writers wait for a second */
    struct my_conn *home = wf_home_connect(w, &e);
    if (home == NULL || !switch_clear(w, home, &e))
        log_err(LOG_INFO, "engine", &e);
    my_close(home);
}

/* With verb held. */
static void keep_owned(struct workflow *w)
{
    struct err e = ERR_INIT;
    bool any = false;
    if (!lease_held(w->lease, &e)) {
        log_err(LOG_WARN, "engine", &e);
        let_go(w, false);
        later(w, NULL);
        return;
    }
    if (streams_failed(w, &any)) {
        wf_streams_stop(w);
    } else if (!is_idle_duty(w)) {
        w->failures = any ? w->failures : 0;
        clear_fences(w);
        return;
    }
    if (resume(w, &e)) {
        wf_set_error(w, NULL);
        w->retry_at_ms = clock_mono_ms() + RETRY_FIRST_MS;
    } else {
        later(w, &e);
    }
}

/* Another daemon's, or nobody's: try to take it. */
static void keep_foreign(struct workflow *w)
{
    struct err e = ERR_INIT;
    if (w->def == NULL || w->state == WF_NONE)
        return;
    if (resume(w, &e)) {
        wf_set_error(w, NULL);
        w->failures = 0;
        log_info("engine", "workflow %s is ours (epoch %llu)", w->keys[0],
                 w->lease != NULL ? (unsigned long long)lease_key(w->lease)->epoch : 0ull);
        return;
    }
    if (e.code == ERR_WF_NOT_FOUND) { /* its owner ended it */
        let_go(w, false);
        wf_remove(w);
    } else if (e.code == ERR_WF_LEASE) {
        w->retry_at_ms = clock_mono_ms() + LEASE_MS / 4;
    } else {
        later(w, &e);
    }
}

static void keep(struct workflow *w)
{
    if (pthread_mutex_trylock(&w->verb) != 0)
        return;
    if (clock_mono_ms() >= w->retry_at_ms) {
        if (w->lease != NULL)
            keep_owned(w);
        else
            keep_foreign(w);
    }
    pthread_mutex_unlock(&w->verb);
}

/* References to all of them; the caller gives them back. */
static struct workflow **take_all(struct vrepl_engine *g, size_t *n)
{
    pthread_mutex_lock(&g->lock);
    *n = g->n_workflows;
    struct workflow **list = mem_calloc(*n + 1, sizeof(void *));
    for (size_t i = 0; i < *n; i++) {
        list[i] = g->workflows[i];
        list[i]->refs++;
    }
    pthread_mutex_unlock(&g->lock);
    return list;
}

static void keep_all(struct vrepl_engine *g)
{
    size_t n;
    struct workflow **list = take_all(g, &n);
    for (size_t i = 0; i < n; i++) {
        keep(list[i]);
        wf_unref(list[i]);
    }
    free(list);
}

static void count_states(struct vrepl_engine *g)
{
    unsigned counts[WF_STATE_COUNT] = {0};
    char labels[64];
    pthread_mutex_lock(&g->lock);
    for (size_t i = 0; i < g->n_workflows; i++)
        counts[wf_state_now(g->workflows[i])]++;
    pthread_mutex_unlock(&g->lock);
    for (unsigned s = WF_CREATING; s < WF_STATE_COUNT; s++) {
        metrics_labels(labels, sizeof labels, "state", wf_state_name((enum wf_state)s), NULL);
        metric_set(metrics_get(METRIC_GAUGE, "workflow_state", labels, "Workflows in each state."),
                   counts[s]);
    }
}

static bool wait_for_turn(struct vrepl_engine *g)
{
    int64_t until = clock_mono_ms() + KEEPER_MS;
    pthread_mutex_lock(&g->lock);
    while (!g->stop && thread_wait_until(&g->wake, &g->lock, until)) {
    }
    bool go_on = !g->stop;
    pthread_mutex_unlock(&g->lock);
    return go_on;
}

static void publish(struct vrepl_engine *g)
{
    struct err e = ERR_INIT;
    if (!routing_publish(g, "", NULL, &e))
        log_err(LOG_WARN, "engine", &e);
}

static void *keeper_loop(void *arg)
{
    struct vrepl_engine *g = arg;
    do {
        keep_all(g);
        count_states(g);
        if (clock_mono_ms() >= g->scan_at_ms) {
            engine_scan(g, NULL);
            publish(g);
            g->scan_at_ms = clock_mono_ms() + SCAN_MS;
        }
    } while (wait_for_turn(g));
    return NULL;
}

/* --- start and stop
 * --------------------------------------------------------------------------------- */

/* The directory is locked by this process: an owner with the same host and directory is a dead one.
 */
static void name_owner(struct vrepl_engine *g)
{
    char host[80] = "host";
    struct stat st = {0};
    const char *dir = g->o.store != NULL ? store_dir(g->o.store) : "-";
    gethostname(host, sizeof host - 1);
    host[sizeof host - 1] = '\0';
    char *real = g->o.store != NULL ? realpath(dir, NULL) : NULL;
    if (g->o.store == NULL || stat(dir, &st) != 0)
        snprintf(g->heir, sizeof g->heir, "%s/pid-%d-", host, (int)getpid());
    else
        snprintf(g->heir, sizeof g->heir, "%s:%.90s#%llx/", host, real != NULL ? real : dir,
                 (unsigned long long)st.st_ino);
    free(real);
    snprintf(g->owner, sizeof g->owner, "%s%d.%llx", g->heir, (int)getpid(),
             (unsigned long long)clock_wall_us() & 0xffffffffu);
}

static void engine_free(struct vrepl_engine *g)
{
    assert(g->jobs == NULL);
    while (g->n_workflows > 0)
        wf_remove(g->workflows[g->n_workflows - 1]);
    routing_free(g->routing);
    free(g->workflows);
    pthread_mutex_destroy(&g->lock);
    pthread_mutex_destroy(&g->jobs_lock);
    pthread_cond_destroy(&g->wake);
    pthread_cond_destroy(&g->job_ended);
    free(g);
}

/* A full disk is no reason not to start: the keeper publishes until it has done it. */
static bool publish_first(struct vrepl_engine *g, struct err *e)
{
    if (routing_publish(g, "", NULL, e) && routing_republish(g, e))
        return true;
    if (e->class_ != ERR_CLASS_RETRY)
        return false;
    log_err(LOG_WARN, "engine", e);
    err_clear(e);
    return true;
}

struct vrepl_engine *vrepl_engine_start(const struct vrepl_engine_options *o, struct err *e)
{
    struct vrepl_engine *g = mem_alloc(sizeof *g);
    g->o = *o;
    pthread_mutex_init(&g->lock, NULL);
    pthread_mutex_init(&g->jobs_lock, NULL);
    thread_cond_init(&g->wake);
    thread_cond_init(&g->job_ended);
    g->routing = routing_new();
    name_owner(g);
    routing_load_cache(g);
    engine_scan(g, NULL);
    if (!publish_first(g, e)) {
        engine_free(g);
        return NULL;
    }
    g->scan_at_ms = clock_mono_ms() + SCAN_MS;
    pthread_create(&g->keeper, NULL, keeper_loop, g);
    return g;
}

static void end_workflow(struct workflow *w)
{
    pthread_mutex_lock(&w->verb);
    let_go(w, true);
    pthread_mutex_unlock(&w->verb);
    wf_remove(w);
    wf_unref(w);
}

void vrepl_engine_stop(struct vrepl_engine *g)
{
    if (g == NULL)
        return;
    pthread_mutex_lock(&g->lock);
    g->stop = true;
    pthread_cond_signal(&g->wake);
    pthread_mutex_unlock(&g->lock);
    pthread_join(g->keeper, NULL);
    vdiff_verbs_stop(g, NULL);
    size_t n;
    struct workflow **list = take_all(g, &n);
    for (size_t i = 0; i < n; i++)
        end_workflow(list[i]);
    free(list);
    engine_free(g);
}

/* --- commands
 * --------------------------------------------------------------------------------------- */

bool vrepl_engine_command(struct vrepl_engine *g, const struct vrepl_command *cmd,
                          struct buf *result, struct err *e)
{
    struct verb_options o = {0};
    struct verb_call c = {.g = g, .cmd = cmd, .o = &o, .result = result};
    bool vdiff = strcmp(cmd->type, "vdiff") == 0;
    bool ok = verb_options_fill(cmd->type, cmd->verb, cmd->flags, &o, e) &&
              (vdiff ? vdiff_verbs_run(&c, e) : verbs_run(&c, e));
    verb_options_fini(&o);
    return ok;
}

void vrepl_engine_status(struct vrepl_engine *g, struct buf *json)
{
    size_t n;
    struct workflow **list = take_all(g, &n);
    json_t *all = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *j = status_json(list[i], wf_state_direction(wf_state_now(list[i])));
        json_object_set_new(j, "keyspace", json_string(list[i]->keyspace));
        json_object_set_new(j, "workflow", json_string(list[i]->name));
        json_array_append_new(all, j);
        wf_unref(list[i]);
    }
    free(list);
    char *text = json_dumps(all, JSON_COMPACT);
    buf_put_str(json, text);
    free(text);
    json_decref(all);
}
