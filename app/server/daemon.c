/* app/server/daemon.c — owns the running parts of one configuration and joins vrepl to sinks.
 *
 * Order of life: store (takes the directory's lock) → readers → engine (finds workflows on the
 * servers) → sinks (start on the serving shards, which the engine knows). Stopped in the opposite
 * order. Sinks made by `sink create` are kept in the store (space "sink"); YAML's are never written
 * there.
 */
#include "app/server/daemon.h"

#include "app/server/recover.h"
#include "app/server/sink_made.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/sys.h"
#include "sinks/kafka_property.h"
#include "sinks/topic.h"
#include <assert.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* One a shard and policy at statements instead of rows: consumers of one policy share a log, and
 * none stops or skips for another. Only those that somebody reads through are connected. */
struct daemon_reader {
    const struct topo_shard *shard;
    enum cdc_on_statement policy;
    struct cdc_reader *reader;
};
enum { N_POLICIES = CDC_STATEMENT_WARN + 1 };
struct policy_readers { /* what a sink driver asks */
    struct daemon *daemon;
    enum cdc_on_statement policy;
};
struct daemon_sink {
    struct sink_spec spec;
    struct sink_driver *driver; /* NULL while paused or failed to start */
    bool paused;
    char message[512];
};
struct daemon {
    const struct config *config;
    struct store *store;
    struct daemon_reader *readers;
    size_t n_readers;
    struct policy_readers by_policy[N_POLICIES];
    struct vrepl_engine *engine;
    pthread_mutex_t lock; /* sinks */
    struct daemon_sink **sinks;
    size_t n_sinks, cap_sinks;
    int64_t started_ms;
};

const struct config *daemon_config(const struct daemon *d)
{
    return d->config;
}

struct vrepl_engine *daemon_engine(struct daemon *d)
{
    return d->engine;
}

static struct cdc_reader *reader_by_policy(void *arg, const char *keyspace, const char *shard)
{
    const struct policy_readers *p = arg;
    const struct daemon *d = p->daemon;
    for (size_t i = 0; i < d->n_readers; i++)
        if (d->readers[i].policy == p->policy &&
            strcmp(d->readers[i].shard->keyspace, keyspace) == 0 &&
            strcmp(d->readers[i].shard->name, shard) == 0)
            return d->readers[i].reader;
    return NULL;
}

struct cdc_reader *daemon_reader(void *arg, const char *keyspace, const char *shard)
{
    struct daemon *d = arg;
    return reader_by_policy(&d->by_policy[CDC_STATEMENT_SKIP_UNRELATED], keyspace, shard);
}

static void make_shard_readers(struct daemon *d, const struct topo_shard *s)
{
    struct cdc_reader_options o = {.ring_bytes = d->config->ring_bytes,
                                   .private_readers = d->config->private_readers,
                                   .store = d->store,
                                   .spill_max_bytes = d->config->spill_max_bytes};
    for (size_t i = 0; i < N_POLICIES; i++) {
        o.on_statement = (enum cdc_on_statement)i;
        d->readers[d->n_readers++] = (struct daemon_reader){
            .shard = s,
            .policy = o.on_statement,
            .reader = cdc_reader_new(d->config->topo, s, &o),
        };
    }
}

static void make_readers(struct daemon *d)
{
    struct topology *t = d->config->topo;
    size_t n = 0;
    for (size_t i = 0; i < N_POLICIES; i++)
        d->by_policy[i] = (struct policy_readers){.daemon = d, .policy = (enum cdc_on_statement)i};
    for (size_t i = 0; i < t->n_keyspaces; i++)
        n += t->keyspaces[i].n_shards;
    d->readers = mem_calloc(n * N_POLICIES + 1, sizeof *d->readers);
    for (size_t i = 0; i < t->n_keyspaces; i++)
        for (size_t k = 0; k < t->keyspaces[i].n_shards; k++)
            make_shard_readers(d, &t->keyspaces[i].shards[k]);
}

static bool start_engine(struct daemon *d, struct err *e)
{
    const struct config *c = d->config;
    struct vrepl_engine_options o = {.topo = c->topo,
                                     .store = d->store,
                                     .reader = daemon_reader,
                                     .reader_ctx = d,
                                     .installation = c->topo->installation,
                                     .routing_file = c->routing_file,
                                     .fence = c->fence,
                                     .copy_memory_bytes = (size_t)c->copy_memory_bytes,
                                     .copiers = c->copiers};
    d->engine = vrepl_engine_start(&o, e);
    return d->engine != NULL;
}

/* A sink made by command must not do more than publish; what an older version stored is no
 * exception. */
static bool check_properties(const struct sink_spec *s, struct err *e)
{
    const char *name = NULL;
    json_t *doc = s->from_yaml ? NULL : json_loads(s->options_json, 0, NULL), *value;
    bool ok = true;
    json_object_foreach(json_object_get(doc, "kafka"), name, value)
    {
        if (ok && kafka_property_needs_file(name)) {
            err_set(e, ERR_SINK_CONFIG,
                    "sink %s: the Kafka property %s is taken from the configuration file only",
                    s->name, name);
            err_cure(e, "define the sink under `sinks:` in the configuration file");
            ok = false;
        }
    }
    json_decref(doc);
    return ok;
}

/* The sink's own `on_statement`, of the configuration file or the command. */
static bool statement_policy(const struct sink_spec *s, enum cdc_on_statement *out, struct err *e)
{
    json_t *doc = json_loads(s->options_json, 0, NULL);
    const char *text = json_string_value(json_object_get(doc, "on_statement"));
    bool ok = cdc_on_statement_parse(text, out, e);
    json_decref(doc);
    return ok;
}

static void run_sink(struct daemon *d, struct daemon_sink *s)
{
    enum cdc_on_statement policy = CDC_STATEMENT_SKIP_UNRELATED;
    const char **shards = NULL;
    struct err e = ERR_INIT;
    size_t n = vrepl_engine_serving(d->engine, s->spec.keyspace, &shards);
    s->spec.spill_max_bytes = d->config->spill_max_bytes;
    s->message[0] = '\0';
    s->driver = check_properties(&s->spec, &e) && statement_policy(&s->spec, &policy, &e)
                    ? sink_driver_start(&s->spec, d->config->topo, shards, n, d->store,
                                        reader_by_policy, &d->by_policy[policy], &e)
                    : NULL;
    if (s->driver == NULL) {
        log_err(LOG_ERROR, "sink", &e);
        err_format(&e, s->message, sizeof s->message);
    }
    free(shards);
}

static struct daemon_sink *add_sink(struct daemon *d, const struct sink_spec *spec, bool paused)
{
    struct daemon_sink *s = mem_alloc(sizeof *s);
    s->spec = *spec;
    s->paused = paused;
    mem_grow((void **)&d->sinks, &d->cap_sinks, d->n_sinks + 1, sizeof *d->sinks);
    d->sinks[d->n_sinks++] = s;
    if (!paused)
        run_sink(d, s);
    return s;
}

/* The documents are collected first: starting a sink asks the store again. */
struct stored_sinks {
    struct {
        char *name, *document;
    } * items;
    size_t n, cap;
};

static bool collect_stored_sink(void *arg, const char *key, const char *value)
{
    struct stored_sinks *all = arg;
    mem_grow((void **)&all->items, &all->cap, all->n + 1, sizeof *all->items);
    all->items[all->n].name = mem_strdup(key);
    all->items[all->n++].document = mem_strdup(value);
    return true;
}

static void copy_spec(struct sink_spec *dst, const struct sink_spec *src)
{
    *dst = *src;
    dst->name = mem_strdup(src->name);
    dst->keyspace = mem_strdup(src->keyspace);
    dst->to = mem_strdup(src->to);
    dst->format = mem_strdup(src->format);
    dst->prefix = mem_strdup(src->prefix);
    dst->topic = mem_strdup(src->topic);
    dst->options_json = mem_strdup(src->options_json);
    dst->from = mem_strdup(src->from);
    dst->definition = mem_strdup(src->definition);
    dst->tables = mem_calloc(src->n_tables + 1, sizeof(char *));
    for (size_t i = 0; i < src->n_tables; i++)
        dst->tables[i] = mem_strdup(src->tables[i]);
}

static bool sink_paused(struct daemon *d, const char *name)
{
    struct buf text = BUF_INIT;
    struct err e = ERR_INIT;
    bool found = false;
    bool ok = store_doc_get(d->store, "sink_paused", name, &text, &found, &e);
    buf_fini(&text);
    return ok && found;
}

/* A document that cannot be read is shown as a sink that does not run: nobody may take it for
 * deleted. */
static void add_stored(struct daemon *d, const char *name, const char *document)
{
    struct sink_options o = {0};
    struct sink_spec spec;
    struct err e = ERR_INIT;
    bool ok = sink_options_fill("create", document, &o, &e) ||
              err_prepend(&e, "the stored definition of sink %s", name);
    if (!ok)
        sink_options_fini(&o);
    sink_made_spec(name, &o, d->config->topo->installation, &spec);
    struct daemon_sink *s = add_sink(d, &spec, !ok || sink_paused(d, name));
    if (!ok) {
        log_err(LOG_ERROR, "sink", &e);
        s->paused = false;
        err_format(&e, s->message, sizeof s->message);
    }
    sink_options_fini(&o);
}

static bool start_sinks(struct daemon *d, struct err *e)
{
    struct sink_spec spec;
    for (size_t i = 0; i < d->config->n_sinks; i++) {
        copy_spec(&spec, &d->config->sinks[i]);
        add_sink(d, &spec, sink_paused(d, spec.name));
    }
    struct stored_sinks stored = {0};
    bool ok = store_doc_each(d->store, "sink", collect_stored_sink, &stored, e);
    for (size_t i = 0; i < stored.n; i++) {
        add_stored(d, stored.items[i].name, stored.items[i].document);
        free(stored.items[i].name);
        free(stored.items[i].document);
    }
    free(stored.items);
    return ok;
}

struct daemon *daemon_open(const struct config *c, bool with_sinks, struct err *e)
{
    struct daemon *d = mem_alloc(sizeof *d);
    d->config = c;
    d->started_ms = clock_wall_ms();
    pthread_mutex_init(&d->lock, NULL);
    d->store = store_open(c->state_dir, e);
    bool ok = d->store != NULL;
    if (ok) {
        make_readers(d);
        ok = start_engine(d, e) && (!with_sinks || start_sinks(d, e));
    }
    if (ok)
        return d;
    daemon_close(d);
    return NULL;
}

static void free_sink(struct daemon_sink *s)
{
    if (s->driver != NULL)
        sink_driver_stop(s->driver);
    sink_spec_fini(&s->spec);
    free(s);
}

void daemon_close(struct daemon *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->n_sinks; i++) /* together: each may wait for its destination */
        if (d->sinks[i]->driver != NULL)
            sink_driver_ask_to_stop(d->sinks[i]->driver);
    for (size_t i = 0; i < d->n_sinks; i++)
        free_sink(d->sinks[i]);
    if (d->engine != NULL)
        vrepl_engine_stop(d->engine);
    for (size_t i = 0; i < d->n_readers; i++)
        cdc_reader_free(d->readers[i].reader);
    if (d->store != NULL)
        store_close(d->store);
    pthread_mutex_destroy(&d->lock);
    free(d->readers);
    free(d->sinks);
    free(d);
}

static struct daemon_sink *find_sink(struct daemon *d, const char *name, size_t *index)
{
    for (size_t i = 0; i < d->n_sinks; i++)
        if (strcmp(d->sinks[i]->spec.name, name) == 0) {
            *index = i;
            return d->sinks[i];
        }
    return NULL;
}

/* A sink as it is shown; out: for sink_status_fini, while the lock is held. */
static void sink_status(struct daemon_sink *s, struct sink_status *out)
{
    if (s->driver != NULL)
        sink_driver_status(s->driver, out);
    else
        *out = (struct sink_status){.state = s->paused ? "Paused" : "Error",
                                    .message = mem_strdup(s->message)};
    out->name = s->spec.name;
    out->keyspace = s->spec.keyspace;
    out->to = s->spec.to;
    out->format = s->spec.format;
    out->from_yaml = s->spec.from_yaml;
}

static void sink_json(struct daemon_sink *s, struct buf *out)
{
    struct sink_status status;
    sink_status(s, &status);
    sink_status_put(&status, out);
    sink_status_fini(&status);
}

static void sinks_json(struct daemon *d, struct buf *out)
{
    buf_put_u8(out, '[');
    for (size_t i = 0; i < d->n_sinks; i++) {
        buf_put_str(out, i > 0 ? "," : "");
        sink_json(d->sinks[i], out);
    }
    buf_put_u8(out, ']');
}

static bool check_new_sink(struct daemon *d, const struct sink_spec *s, struct err *e)
{
    const char *colon = strchr(s->to, ':');
    char scheme[32] = "";
    if (!sink_name_check(s->name, e))
        return false;
    size_t n = colon != NULL ? (size_t)(colon - s->to) : strlen(s->to);
    memcpy(scheme, s->to, n < sizeof scheme ? n : sizeof scheme - 1);
    if (topology_keyspace(d->config->topo, s->keyspace) == NULL)
        return err_set(e, ERR_SINK_CONFIG, "sink %s: there is no keyspace '%s'", s->name,
                       s->keyspace);
    if (sink_find(scheme) == NULL) {
        err_set(e, ERR_SINK_CONFIG, "sink %s: cannot publish to '%s'", s->name, s->to);
        return err_cure(e, "use kafka://HOST:PORT, file:PATH or stdout");
    }
    const struct sink_topic topic = {.template = s->topic, .prefix = s->prefix};
    if (!sink_topic_check(&topic, e))
        return err_prepend(e, "sink %s", s->name);
    if (encoder_find(s->format) == NULL) {
        struct buf names = BUF_INIT;
        encoder_names(&names);
        err_set(e, ERR_SINK_CONFIG, "sink %s: there is no format '%s'", s->name, s->format);
        err_cure(e, "use one of %s", buf_str(&names));
        buf_fini(&names);
        return false;
    }
    enum cdc_on_statement policy;
    return statement_policy(s, &policy, e) ? true : err_prepend(e, "sink %s", s->name);
}

/* Fixes where each lane begins before the command answers: what is written from then on is
 * published, whenever the destination can be reached. A copy begins where it finds the rows. */
static bool fix_start(struct daemon *d, const struct sink_spec *s, struct err *e)
{
    const char **shards = NULL;
    size_t n = vrepl_engine_serving(d->engine, s->keyspace, &shards);
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        const struct topo_shard *shard = topology_shard(d->config->topo, s->keyspace, shards[i]);
        struct position at = POSITION_INIT;
        ok = sink_tables_exist(s, shard, e) &&
             (s->copy ||
              sink_first_position(s, daemon_reader(d, s->keyspace, shards[i]), shard, &at, e)) &&
             store_checkpoint_put(d->store, s->name, s->keyspace, shards[i], &at, SINK_FRESH, e);
        position_fini(&at);
        if (!ok)
            err_prepend(e, "sink %s, %s/%s", s->name, s->keyspace, shards[i]);
    }
    free(shards);
    return ok;
}

/* Checks and stores it, and starts it. Positions of the store stay as they are. */
static bool keep_sink(struct daemon *d, const struct sink_options *o, struct sink_spec *take,
                      struct err *e)
{
    CLEANUP(mem_free_ptr) char *document = sink_made_document(o);
    bool ok = store_doc_put(d->store, "sink", take->name, document, e);
    if (ok)
        add_sink(d, take, false);
    else
        sink_spec_fini(take);
    return ok;
}

static bool create_sink(struct daemon *d, const char *name, const struct sink_options *o,
                        struct buf *result, struct err *e)
{
    struct sink_spec spec;
    size_t i;
    if (find_sink(d, name, &i) != NULL) {
        err_set(e, ERR_WF_EXISTS, "a sink named %s exists", name);
        return err_cure(e, "choose another name, or `sluice sink delete %s` first", name);
    }
    sink_made_spec(name, o, d->config->topo->installation, &spec);
    if (!check_new_sink(d, &spec, e) || !check_properties(&spec, e) ||
        !store_checkpoint_delete(d->store, name, e) || !fix_start(d, &spec, e)) {
        sink_spec_fini(&spec);
        return false;
    }
    if (!keep_sink(d, o, &spec, e))
        return false;
    sink_json(find_sink(d, name, &i), result);
    return true;
}

static bool set_paused(struct daemon *d, struct daemon_sink *s, bool paused, struct err *e)
{
    bool ok = paused ? store_doc_put(d->store, "sink_paused", s->spec.name, "true", e)
                     : store_doc_delete(d->store, "sink_paused", s->spec.name, e);
    if (!ok)
        return false;
    if (s->driver != NULL)
        sink_driver_stop(s->driver);
    s->driver = NULL;
    s->paused = paused;
    if (!paused)
        run_sink(d, s);
    return true;
}

/* A destination that does not answer keeps nobody from deleting a sink, but it is said. */
static void forget_sink(struct daemon *d, const struct sink_spec *spec, struct buf *result)
{
    struct err why = ERR_INIT;
    buf_put_str(result, "{\"summary\":\"Sink deleted");
    if (!sink_forget(spec, d->store, &why)) {
        log_err(LOG_WARN, "sink", &why);
        buf_put_str(result,
                    "; its destination was not told, and `sluice recover` finds it there: ");
        buf_put_json_escaped(result, why.text, strlen(why.text));
    }
    buf_put_str(result, "\"}");
}

static bool delete_sink(struct daemon *d, struct daemon_sink *s, size_t index, struct buf *result,
                        struct err *e)
{
    if (s->spec.from_yaml) {
        err_set(e, ERR_WF_PRECONDITION, "sink %s is defined in %s", s->spec.name, d->config->path);
        return err_cure(e, "remove it there and restart the daemon");
    }
    if (s->driver != NULL)
        sink_driver_stop(s->driver); /* it would store another checkpoint */
    s->driver = NULL;
    forget_sink(d, &s->spec, result);
    if (!store_doc_delete(d->store, "sink", s->spec.name, e) ||
        !store_doc_delete(d->store, "sink_paused", s->spec.name, e) ||
        !store_checkpoint_delete(d->store, s->spec.name, e))
        return false;
    char *name = mem_strdup(s->spec.name);
    d->sinks[index] = d->sinks[--d->n_sinks];
    free_sink(s);
    metrics_forget("sink", name);
    free(name);
    return true;
}

/* ---- sinks whose state directory was lost ---- */

/* A sink that a destination tells of goes on where the newest position there says. What it has not
 * told yet, a copy that was not complete, begins anew. more: properties besides the definition's. */
static bool restore_sink(struct daemon *d, struct recovered_sink *r, const struct flag_list *more,
                         struct err *e)
{
    struct sink_spec spec;
    for (size_t i = 0; i < more->n; i++)
        flag_list_add(&r->definition.kafka, more->items[i]);
    sink_made_spec(r->name, &r->definition, d->config->topo->installation, &spec);
    bool ok = check_new_sink(d, &spec, e) && check_properties(&spec, e) &&
              store_checkpoint_delete(d->store, r->name, e);
    for (size_t i = 0; i < r->n_lanes && ok; i++)
        ok = store_checkpoint_put(d->store, r->name, r->lanes[i].keyspace, r->lanes[i].shard,
                                  &r->lanes[i].pos, "", e);
    if (ok)
        return keep_sink(d, &r->definition, &spec, e);
    sink_spec_fini(&spec);
    return false;
}

static bool is_told_of(struct daemon *d, const struct recovered_sink *r,
                       const struct topo_shard *shard)
{
    for (size_t i = 0; i < r->n_lanes; i++) {
        const struct topo_shard *s =
            topology_shard(d->config->topo, r->lanes[i].keyspace, r->lanes[i].shard);
        if (s != NULL && (s == shard || (strcmp(s->keyspace, shard->keyspace) == 0 &&
                                         keyrange_intersects(&s->range, &shard->range))))
            return true;
    }
    return false;
}

/* Each serving shard has a place to begin: its own, or that of one it was split or merged from. */
static bool has_positions(struct daemon *d, const struct recovered_sink *r)
{
    const char **shards = NULL, *keyspace = r->definition.keyspace;
    size_t n = vrepl_engine_serving(d->engine, keyspace != NULL ? keyspace : "", &shards), i = 0;
    while (i < n && is_told_of(d, r, topology_shard(d->config->topo, keyspace, shards[i])))
        i++;
    free(shards);
    return i == n;
}

static const char *what_of(struct daemon *d, const struct recovered_sink *r)
{
    size_t i;
    if (find_sink(d, r->name, &i) != NULL)
        return "exists";
    if (!r->by_command)
        return "defined elsewhere";
    return r->definition.copy || has_positions(d, r) ? "found" : "without a position";
}

static bool recover_one(struct daemon *d, struct recovered_sink *r, const struct sink_options *o,
                        json_t *list, struct err *e)
{
    const char *what = what_of(d, r);
    bool ok = true;
    if (strcmp(what, "found") == 0 && !o->dry_run) {
        ok = restore_sink(d, r, &o->kafka, e);
        what = "recovered";
    }
    json_array_append_new(list, json_pack("{s:s,s:s}", "name", r->name, "result", what));
    return ok;
}

static bool recover_sinks(struct daemon *d, const struct sink_options *o, struct buf *result,
                          struct err *e)
{
    struct recovered_sinks all = {0};
    const char *prefix = o->prefix != NULL ? o->prefix : d->config->topo->installation;
    json_t *list = json_array();
    CLEANUP(mem_free_ptr) char *properties = sink_made_properties(o);
    bool ok = recover_read(o->from != NULL ? o->from : "", prefix, properties, &all, e);
    for (size_t i = 0; i < all.n && ok; i++)
        ok = recover_one(d, &all.items[i], o, list, e);
    CLEANUP(mem_free_ptr) char *text = json_dumps(list, JSON_COMPACT);
    if (ok)
        buf_printf(result, "{\"sinks\":%s}", text);
    json_decref(list);
    recovered_sinks_fini(&all);
    return ok;
}

static bool sink_verb(struct daemon *d, const char *verb, const char *name,
                      const struct sink_options *o, struct buf *result, struct err *e)
{
    size_t i = 0;
    if (strcmp(verb, "list") == 0) {
        sinks_json(d, result);
        return true;
    }
    if (strcmp(verb, "create") == 0)
        return create_sink(d, name, o, result, e);
    if (strcmp(verb, "recover") == 0)
        return recover_sinks(d, o, result, e);
    struct daemon_sink *s = find_sink(d, name, &i);
    if (s == NULL)
        return err_set(e, ERR_WF_NOT_FOUND, "there is no sink named %s", name);
    bool ok = true;
    if (strcmp(verb, "pause") == 0 || strcmp(verb, "resume") == 0)
        ok = set_paused(d, s, verb[0] == 'p', e);
    else if (strcmp(verb, "delete") == 0)
        return delete_sink(d, s, i, result, e);
    if (ok)
        sink_json(s, result);
    return ok;
}

#define FIRST_ANSWER_MS 3000 /* what the command waits for a destination's first answer */
#define FIRST_STEP_MS   20

static void put_first_answer(struct sink_status *status, struct buf *result)
{
    CLEANUP(mem_free_ptr) char *summary = NULL;
    if (status->message[0] != '\0')
        status->summary = summary =
            mem_printf("Sink %s is created, but not delivering: %s", status->name, status->message);
    buf_reset(result);
    sink_status_put(status, result);
}

/* The sink as it is now; false: it is still starting. */
static bool first_answer(struct daemon *d, const char *name, struct buf *result)
{
    size_t i;
    struct sink_status status = {.state = ""};
    pthread_mutex_lock(&d->lock);
    struct daemon_sink *s = find_sink(d, name, &i);
    if (s != NULL) {
        sink_status(s, &status);
        put_first_answer(&status, result);
    }
    bool starting = s == NULL || strcmp(status.state, "starting") == 0;
    sink_status_fini(&status);
    pthread_mutex_unlock(&d->lock);
    return !starting;
}

/* A destination that refuses or is away says so at once: the command's answer has it. */
static void add_first_answer(struct daemon *d, const char *name, struct buf *result)
{
    int64_t until_ms = clock_mono_ms() + FIRST_ANSWER_MS;
    while (!first_answer(d, name, result) && clock_mono_ms() < until_ms)
        clock_sleep_ms(FIRST_STEP_MS, NULL);
}

static bool on_sinks(struct daemon *d, const char *verb, const char *name,
                     const struct sink_options *o, struct buf *result, struct err *e)
{
    pthread_mutex_lock(&d->lock);
    bool ok = sink_verb(d, verb, name, o, result, e);
    pthread_mutex_unlock(&d->lock);
    if (ok && strcmp(verb, "create") == 0)
        add_first_answer(d, name, result);
    return ok;
}

bool daemon_sink(struct daemon *d, const char *verb, const char *name, const char *flags,
                 struct buf *result, struct err *e)
{
    struct sink_options o = {0};
    bool ok = sink_options_fill(verb, flags, &o, e) && on_sinks(d, verb, name, &o, result, e);
    sink_options_fini(&o);
    return ok;
}

/* Of the policies that are not the default one only the readers that have consumers. */
void daemon_streams(struct daemon *d, struct buf *json)
{
    bool first = true;
    buf_put_u8(json, '[');
    for (size_t i = 0; i < d->n_readers; i++) {
        const struct daemon_reader *r = &d->readers[i];
        CLEANUP(buf_fini) struct buf one = BUF_INIT;
        if (r->policy != CDC_STATEMENT_SKIP_UNRELATED &&
            cdc_reader_counts(r->reader).consumers == 0)
            continue;
        cdc_reader_status(r->reader, &one);
        buf_printf(json,
                   "%s{\"keyspace\":\"%s\",\"shard\":\"%s\",\"on_statement\":\"%s\",\"reader\":%s}",
                   first ? "" : ",", r->shard->keyspace, r->shard->name,
                   cdc_on_statement_name(r->policy), one.len > 0 ? buf_str(&one) : "{}");
        first = false;
    }
    buf_put_u8(json, ']');
}

void daemon_status(struct daemon *d, struct buf *json)
{
    buf_printf(json,
               "{\"name\":\"%s\",\"version\":\"%s\",\"uptime_seconds\":%lld,\"memory_bytes\":%zu,"
               "\"workflows\":",
               d->config->topo->installation, SLUICE_VERSION,
               (long long)((clock_wall_ms() - d->started_ms) / 1000), sys_rss_bytes());
    vrepl_engine_status(d->engine, json);
    buf_put_str(json, ",\"sinks\":");
    pthread_mutex_lock(&d->lock);
    sinks_json(d, json);
    pthread_mutex_unlock(&d->lock);
    buf_put_str(json, ",\"sources\":");
    daemon_streams(d, json);
    buf_put_str(json, "}");
}
