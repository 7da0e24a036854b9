/* vrepl/workflow/vdiff_verbs.c — vdiff create, show, stop, resume, delete: comparisons as jobs,
 * their reports in the store.
 *
 * A job borrows the workflow's running streams (they tell when a common position is reached) and
 * ends early when these are stopped. A report that is stored as "started" with no job behind it was
 * interrupted by an end of the program: it is shown as stopped, and resume runs it again.
 */
#include "vrepl/workflow/verbs.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "schemas/names.h"
#include "vrepl/diff/vdiff.h"

#include <assert.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define SPACE "vdiff"

struct vdiff_job {
    struct vdiff_job *next;
    struct vrepl_engine *g;
    char *key;          /* of its workflow */
    struct workflow *w; /* a reference */
    char *uuid;
    struct flag_list tables; /* none: all of the workflow */
    unsigned samples;
    int64_t wait_ms;
    bool only_pks;
    int64_t created_ms;
    volatile int cancel;
    void (*progress)(void *ctx, const char *json); /* only while the creator waits */
    void *progress_ctx;
};

static char *new_uuid(void)
{
    unsigned char b[16];
    int made = RAND_bytes(b, sizeof b);
    assert(made == 1);
    (void)made;
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    CLEANUP(buf_fini) struct buf out = BUF_INIT;
    static const size_t cuts[] = {4, 6, 8, 10, 16};
    for (size_t i = 0, at = 0; i < 5; at = cuts[i++]) {
        buf_put_str(&out, i > 0 ? "-" : "");
        buf_put_hex(&out, b + at, cuts[i] - at);
    }
    return buf_take(&out);
}

static char *doc_key(const struct workflow *w, const char *uuid)
{
    return mem_printf("%s/%s", w->keys[0], uuid);
}

static char *shard_names(const struct workflow *w)
{
    CLEANUP(buf_fini) struct buf names = BUF_INIT;
    for (size_t i = 0; i < w->def->target.n_shards; i++)
        buf_printf(&names, "%s%s", i > 0 ? "," : "", w->def->target.shards[i]);
    return buf_take(&names);
}

/* report NULL: it has only begun, or failed. */
static bool save(const struct vdiff_job *job, const char *state, const struct vdiff_report *report,
                 const struct err *why, struct err *e)
{
    const struct workflow *w = job->w;
    CLEANUP(mem_free_ptr) char *key = doc_key(w, job->uuid);
    CLEANUP(mem_free_ptr) char *shards = shard_names(w);
    CLEANUP(buf_fini) struct buf document = BUF_INIT;
    const struct vdiff_head head = {.workflow = w->name,
                                    .keyspace = w->keyspace,
                                    .uuid = job->uuid,
                                    .shards = shards,
                                    .state = state,
                                    .error = why != NULL ? why->text : NULL,
                                    .started_ms = job->created_ms,
                                    .completed_ms = report != NULL ? clock_wall_ms() : 0};
    vdiff_report_put(&head, report, &document);
    return store_doc_put(w->engine->o.store, SPACE, key, buf_str(&document), e);
}

static bool wanted(const struct vdiff_job *job, const struct wf_table *t)
{
    return job->tables.n == 0 || flag_list_has(&job->tables, t->source) ||
           flag_list_has(&job->tables, t->target);
}

static bool known_table(const struct wf_def *d, const char *name)
{
    bool known = false;
    for (size_t k = 0; k < d->n_tables; k++)
        known = known || strcmp(d->tables[k].source, name) == 0 ||
                strcmp(d->tables[k].target, name) == 0;
    return known;
}

static bool unknown_table(const struct vdiff_job *job, const char *name, struct err *e)
{
    const struct wf_def *d = job->w->def;
    char **names = mem_calloc(d->n_tables + 1, sizeof *names);
    for (size_t i = 0; i < d->n_tables; i++)
        names[i] = d->tables[i].target;
    const char *near = schema_name_nearest(names, d->n_tables, name);
    err_set(e, ERR_WF_PRECONDITION, "there is no table %.100s in workflow %s", name, job->key);
    free(names);
    return near != NULL ? err_cure(e, "did you mean %s?", near)
                        : err_cure(e, "name tables as `workflow show` does");
}

/* A name that is no table of the workflow would be a comparison of nothing. */
static bool tables_known(const struct vdiff_job *job, struct err *e)
{
    for (size_t i = 0; i < job->tables.n; i++) {
        if (!known_table(job->w->def, job->tables.items[i]))
            return unknown_table(job, job->tables.items[i], e);
    }
    return true;
}

static size_t fill_tables(const struct vdiff_job *job, const struct wf_streams *s,
                          struct vdiff_table *out, char (*names)[260])
{
    const struct workflow *w = job->w;
    const struct topo_keyspace *ks =
        topology_keyspace(w->engine->o.topo, w->sides[wf_writes(s->dir)].shards[0]->keyspace);
    size_t n = 0;
    for (size_t i = 0; i < w->def->n_tables; i++) {
        const struct wf_table *t = &w->def->tables[i];
        if (!wanted(job, t))
            continue;
        const struct vschema_table *v =
            t->vindex_type != NULL && ks != NULL
                ? vschema_table(ks->vschema, wf_plain_name(t, wf_writes(s->dir)))
                : NULL;
        wf_table_name(w, t, wf_reads(s->dir), names[2 * n], sizeof names[0]);
        wf_table_name(w, t, wf_writes(s->dir), names[2 * n + 1], sizeof names[0]);
        out[n] = (struct vdiff_table){.source_table = names[2 * n],
                                      .target_table = names[2 * n + 1],
                                      .vindex = v != NULL ? v->primary : NULL,
                                      .vindex_columns = (const char *const *)t->columns,
                                      .n_vindex_columns = t->n_columns};
        n++;
    }
    return n;
}

static bool compare(struct vdiff_job *job, struct wf_streams *s, struct vdiff_report *report,
                    struct err *e)
{
    struct workflow *w = job->w;
    char(*names)[260] = mem_calloc(2 * w->def->n_tables + 1, sizeof *names);
    struct vdiff_table *tables = mem_calloc(w->def->n_tables + 1, sizeof *tables);
    const struct wf_shards *from = &w->sides[wf_reads(s->dir)], *to = &w->sides[wf_writes(s->dir)];
    struct vdiff_request rq = {.workflow_key = w->keys[s->dir],
                               .sources = from->shards,
                               .n_sources = from->n,
                               .targets = to->shards,
                               .n_targets = to->n,
                               .streams = s->streams,
                               .tables = tables,
                               .n_tables = fill_tables(job, s, tables, names),
                               .max_sample_rows = job->samples,
                               .wait_ms = job->wait_ms,
                               .only_pks = job->only_pks,
                               .cancelled = &job->cancel,
                               .progress = job->progress,
                               .progress_ctx = job->progress_ctx};
    bool ok = rq.n_tables > 0 ? vdiff_run(&rq, report, e)
                              : err_set(e, ERR_WF_PRECONDITION,
                                        "none of the tables is in workflow %s", w->keys[0]);
    free(names);
    free(tables);
    return ok;
}

static bool run_job(struct vdiff_job *job, struct err *e)
{
    struct vdiff_report report = {0};
    struct wf_streams *s = wf_streams_pin(job->w, &job->cancel);
    if (s == NULL)
        return err_set(e, ERR_WF_STATE,
                       "workflow %s: its streams are not running, or another vdiff uses them",
                       job->w->keys[0]);
    bool ok = compare(job, s, &report, e);
    wf_streams_unpin(job->w, s);
    ok = ok && save(job, "completed", &report, NULL, e);
    vdiff_report_fini(&report);
    return ok;
}

static void job_list(struct vdiff_job *job)
{
    pthread_mutex_lock(&job->g->jobs_lock);
    job->next = job->g->jobs;
    job->g->jobs = job;
    pthread_mutex_unlock(&job->g->jobs_lock);
}

static void job_free(struct vdiff_job *job)
{
    flag_list_fini(&job->tables);
    free(job->uuid);
    free(job->key);
    free(job);
}

/* Once it is off the list, the engine may go away: nothing of it is touched afterwards. */
static void job_end(struct vdiff_job *job)
{
    struct vrepl_engine *g = job->g;
    wf_unref(job->w);
    pthread_mutex_lock(&g->jobs_lock);
    struct vdiff_job **p = &g->jobs;
    while (*p != job)
        p = &(*p)->next;
    *p = job->next;
    pthread_cond_broadcast(&g->job_ended);
    pthread_mutex_unlock(&g->jobs_lock);
    job_free(job);
}

static bool do_job(struct vdiff_job *job, struct err *e)
{
    struct err second = ERR_INIT;
    bool ok = run_job(job, e);
    if (!ok && !save(job, job->cancel != 0 ? "stopped" : "error", NULL, e, &second))
        log_err(LOG_WARN, "vdiff", &second);
    return ok;
}

static void *job_thread(void *arg)
{
    struct vdiff_job *job = arg;
    struct err e = ERR_INIT;
    if (!do_job(job, &e))
        log_err(LOG_WARN, "vdiff", &e);
    job_end(job);
    return NULL;
}

void vdiff_verbs_stop(struct vrepl_engine *g, const char *workflow_key)
{
    pthread_mutex_lock(&g->jobs_lock);
    for (;;) {
        bool any = false;
        for (struct vdiff_job *job = g->jobs; job != NULL; job = job->next) {
            if (workflow_key != NULL && strcmp(job->key, workflow_key) != 0)
                continue;
            job->cancel = 1;
            any = true;
        }
        if (!any)
            break;
        pthread_cond_wait(&g->job_ended, &g->jobs_lock);
    }
    pthread_mutex_unlock(&g->jobs_lock);
}

/* --- verbs
 * ------------------------------------------------------------------------------------------ */

static bool read_doc(struct verb_call *c, const struct workflow *w, const char *uuid, json_t **out,
                     struct err *e)
{
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    char *key = doc_key(w, uuid);
    bool found = false;
    bool ok = store_doc_get(c->g->o.store, SPACE, key, &text, &found, e);
    free(key);
    *out = ok && found ? json_loads(buf_str(&text), 0, NULL) : NULL;
    if (ok && *out == NULL)
        return err_set(e, ERR_WF_NOT_FOUND, "there is no vdiff %s of workflow %s", uuid,
                       w->keys[0]);
    return ok;
}

struct collect {
    char *prefix;
    json_t *list; /* newest last */
};

static bool collect_one(void *ctx, const char *key, const char *value)
{
    struct collect *x = ctx;
    json_t *j = strncmp(key, x->prefix, strlen(x->prefix)) == 0 ? json_loads(value, 0, NULL) : NULL;
    if (j != NULL)
        json_array_append_new(x->list, j);
    return true;
}

static json_t *all_docs(struct verb_call *c, const struct workflow *w, struct err *e)
{
    struct collect x = {mem_printf("%s/", w->keys[0]), json_array()};
    if (!store_doc_each(c->g->o.store, SPACE, collect_one, &x, e)) {
        json_decref(x.list);
        x.list = NULL;
    }
    free(x.prefix);
    return x.list;
}

static bool is_running(struct verb_call *c, const char *uuid)
{
    bool yes = false;
    pthread_mutex_lock(&c->g->jobs_lock);
    for (const struct vdiff_job *job = c->g->jobs; job != NULL; job = job->next)
        yes = yes || strcmp(job->uuid, uuid) == 0;
    pthread_mutex_unlock(&c->g->jobs_lock);
    return yes;
}

static void correct_state(struct verb_call *c, json_t *doc)
{
    const char *state = json_string_value(json_object_get(doc, "State"));
    const char *uuid = json_string_value(json_object_get(doc, "UUID"));
    if (state != NULL && uuid != NULL && strcmp(state, "started") == 0 && !is_running(c, uuid))
        json_object_set_new(doc, "State", json_string("stopped"));
    json_object_del(doc, "created_ms");
}

static json_t *newest(const json_t *list)
{
    json_t *best = NULL;
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *j = json_array_get(list, i);
        if (best == NULL || json_integer_value(json_object_get(j, "created_ms")) >=
                                json_integer_value(json_object_get(best, "created_ms")))
            best = j;
    }
    return best;
}

static bool show_all(struct verb_call *c, json_t *list)
{
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *j = json_array_get(list, i);
        correct_state(c, j);
        json_t *line = json_object();
        json_object_set(line, "UUID", json_object_get(j, "UUID"));
        json_object_set(line, "Workflow", json_object_get(j, "Workflow"));
        json_object_set(line, "Keyspace", json_object_get(j, "Keyspace"));
        json_object_set(line, "Shard", json_object_get(j, "Shards"));
        json_object_set(line, "State", json_object_get(j, "State"));
        json_array_append_new(out, line);
    }
    json_decref(list);
    verbs_put(c, out);
    return true;
}

static bool vdiff_show(struct verb_call *c, struct workflow *w, const char *uuid, struct err *e)
{
    json_t *doc = NULL;
    bool last = uuid == NULL || strcmp(uuid, "last") == 0;
    if (!last && strcmp(uuid, "all") != 0) {
        if (!read_doc(c, w, uuid, &doc, e))
            return false;
    } else {
        json_t *list = all_docs(c, w, e);
        if (list == NULL)
            return false;
        if (!last)
            return show_all(c, list);
        doc = json_incref(newest(list));
        json_decref(list);
    }
    if (doc == NULL)
        return err_set(e, ERR_WF_NOT_FOUND, "workflow %s has no vdiff", w->keys[0]);
    correct_state(c, doc);
    verbs_put(c, doc);
    return true;
}

static struct vdiff_job *job_new(struct verb_call *c, struct workflow *w, const char *uuid)
{
    struct vdiff_job *job = mem_alloc(sizeof *job);
    pthread_mutex_lock(&c->g->lock);
    w->refs++;
    pthread_mutex_unlock(&c->g->lock);
    job->g = c->g;
    job->key = mem_strdup(w->keys[0]);
    job->w = w;
    job->uuid = uuid != NULL ? mem_strdup(uuid) : new_uuid();
    for (size_t i = 0; i < c->o->tables.n; i++)
        flag_list_add(&job->tables, c->o->tables.items[i]);
    job->samples = (unsigned)c->o->max_report_sample_rows;
    job->wait_ms = c->o->filtered_replication_wait_time_ms;
    job->only_pks = c->o->only_pks;
    job->created_ms = clock_wall_ms();
    return job;
}

/* In the caller's thread, so that its progress and its going away are simply those of the job. */
static bool run_waiting(struct verb_call *c, struct vdiff_job *job, struct err *e)
{
    job->progress = c->cmd->progress;
    job->progress_ctx = c->cmd->progress_ctx;
    job_list(job);
    bool ok = do_job(job, e);
    char *uuid = mem_strdup(job->uuid);
    struct workflow *w = job->w; /* the caller has a reference of its own */
    job_end(job);
    ok = ok && vdiff_show(c, w, uuid, e);
    free(uuid);
    return ok;
}

static void run_detached(struct verb_call *c, struct vdiff_job *job, bool resume)
{
    pthread_t t;
    json_t *summary =
        resume ? json_string("VDiff resume scheduled")
               : json_sprintf("VDiff %s scheduled on target shards, use show to view progress",
                              job->uuid);
    verbs_put(c, json_pack("{s:o, s:s}", "summary", summary, "UUID", job->uuid));
    job_list(job);
    pthread_create(&t, NULL, job_thread, job);
    pthread_detach(t);
}

static bool vdiff_create(struct verb_call *c, struct workflow *w, const char *uuid, bool resume,
                         struct err *e)
{
    struct vdiff_job *job = job_new(c, w, uuid);
    if (!tables_known(job, e) || !save(job, "started", NULL, NULL, e)) {
        wf_unref(job->w);
        job_free(job);
        return false;
    }
    if (c->o->wait)
        return run_waiting(c, job, e);
    run_detached(c, job, resume);
    return true;
}

static void stop_one(struct verb_call *c, const char *uuid)
{
    pthread_mutex_lock(&c->g->jobs_lock);
    for (;;) {
        struct vdiff_job *job = c->g->jobs;
        while (job != NULL && strcmp(job->uuid, uuid) != 0)
            job = job->next;
        if (job == NULL)
            break;
        job->cancel = 1;
        pthread_cond_wait(&c->g->job_ended, &c->g->jobs_lock);
    }
    pthread_mutex_unlock(&c->g->jobs_lock);
}

static bool delete_one(struct verb_call *c, const struct workflow *w, const char *uuid,
                       struct err *e)
{
    char *key = doc_key(w, uuid);
    stop_one(c, uuid);
    bool ok = store_doc_delete(c->g->o.store, SPACE, key, e);
    free(key);
    return ok;
}

static bool vdiff_delete(struct verb_call *c, struct workflow *w, const char *uuid, struct err *e)
{
    bool ok = true;
    if (strcmp(uuid, "all") != 0) {
        json_t *doc = NULL;
        ok = read_doc(c, w, uuid, &doc, e) && delete_one(c, w, uuid, e);
        json_decref(doc);
    } else {
        json_t *list = all_docs(c, w, e);
        ok = list != NULL;
        for (size_t i = 0; ok && i < json_array_size(list); i++)
            ok = delete_one(c, w,
                            json_string_value(json_object_get(json_array_get(list, i), "UUID")), e);
        json_decref(list);
    }
    if (ok)
        verbs_put(c, json_pack("{s:s}", "summary", "VDiff delete completed"));
    return ok;
}

static bool on_workflow(struct verb_call *c, struct workflow *w, struct err *e)
{
    const char *verb = c->cmd->verb, *uuid = c->o->uuid;
    if (strcmp(verb, "create") == 0)
        return vdiff_create(c, w, uuid, false, e);
    if (strcmp(verb, "show") == 0)
        return vdiff_show(c, w, uuid, e);
    if (uuid == NULL)
        return err_set(e, ERR_USAGE, "vdiff %s needs a UUID", verb);
    json_t *doc = NULL;
    if (strcmp(verb, "delete") == 0)
        return vdiff_delete(c, w, uuid, e);
    if (!read_doc(c, w, uuid, &doc, e))
        return false;
    json_decref(doc);
    if (strcmp(verb, "resume") == 0)
        return vdiff_create(c, w, uuid, true, e);
    if (strcmp(verb, "stop") != 0)
        return err_set(e, ERR_USAGE, "there is no verb %s for vdiff", verb);
    stop_one(c, uuid);
    verbs_put(c, json_pack("{s:s}", "summary", "VDiff stop completed"));
    return true;
}

bool vdiff_verbs_run(struct verb_call *c, struct err *e)
{
    enum wf_direction dir;
    struct workflow *w = wf_find(c->g, c->cmd->keyspace, c->cmd->workflow, &dir);
    if (w == NULL)
        return err_set(e, ERR_WF_NOT_FOUND, "no streams found in keyspace %s for %s",
                       c->cmd->keyspace, c->cmd->workflow);
    bool ok = c->g->o.store != NULL ? on_workflow(c, w, e)
                                    : err_set(e, ERR_INTERNAL, "vdiff needs a state directory");
    wf_unref(w);
    return ok;
}
