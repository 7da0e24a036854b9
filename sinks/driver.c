/* sinks/driver.c — a sink's lanes: one a source shard, and what happens to them when shards are
 * split or merged.
 *
 * Across a reshard: a lane ends behind the journal's transaction, with a checkpoint
 * {"ended":true,"journal", "children":[{shard, gtid}]}. cdc/vstream/family.h decides from all
 * checkpoints when and where a child begins. Its position of the journal is stored as its checkpoint
 * before it begins; so a crash in between starts it again from there.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sys.h"
#include "base/thread.h"
#include "cdc/vstream/family.h"
#include "sinks/driver_internal.h"
#include "sinks/topic.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FLUSH_BYTES ((uint64_t)1024 * 1024)
#define FLUSH_MS    100

static char *dup_or(const char *text, const char *fallback)
{
    return mem_strdup(text && text[0] ? text : fallback);
}

static void copy_spec(struct sink_spec *to, const struct sink_spec *from,
                      const struct topology *topo)
{
    *to = *from;
    to->name = mem_strdup(from->name);
    to->keyspace = mem_strdup(from->keyspace);
    to->to = mem_strdup(from->to);
    to->format = mem_strdup(from->format);
    to->prefix = dup_or(from->prefix, topo->installation ? topo->installation : "sluice");
    to->topic = mem_strdup(from->topic);
    to->options_json = mem_strdup(from->options_json);
    to->from = mem_strdup(from->from);
    to->definition = mem_strdup(from->definition);
    to->tables = mem_calloc(from->n_tables + 1, sizeof *to->tables);
    for (size_t i = 0; i < from->n_tables; i++)
        to->tables[i] = mem_strdup(from->tables[i]);
}

bool driver_stopping(struct sink_driver *d)
{
    pthread_mutex_lock(&d->lock);
    bool stop = d->stop;
    pthread_mutex_unlock(&d->lock);
    return stop;
}

bool driver_pause(struct sink_driver *d, int64_t ms)
{
    int64_t until_ms = clock_mono_ms() + ms;
    pthread_mutex_lock(&d->lock);
    while (!d->stop && thread_wait_until(&d->wake, &d->lock, until_ms)) {
    }
    bool go_on = !d->stop;
    pthread_mutex_unlock(&d->lock);
    return go_on;
}

/* ---- lanes ---- */

static void lane_metrics(struct lane *l)
{
    char labels[400];
    metrics_labels(labels, sizeof labels, "sink", l->driver->spec->name, "keyspace",
                   l->shard->keyspace, "shard", l->shard->name, NULL);
    l->m_records = metrics_get(METRIC_COUNTER, "sink_records_total", labels,
                               "Records that a sink acknowledged.");
    l->m_bytes = metrics_get(METRIC_COUNTER, "sink_bytes_total", labels,
                             "Bytes of records that a sink acknowledged.");
    l->m_dead = metrics_get(METRIC_COUNTER, "sink_dead_letters_total", labels,
                            "Records that were kept as dead letters instead of published.");
    l->m_retries = metrics_get(METRIC_COUNTER, "sink_retries_total", labels,
                               "Waits for a sink, and new instances of it.");
    l->m_latency =
        metrics_get(METRIC_HISTOGRAM, "sink_latency_seconds", labels, "Time of a flush.");
    l->m_checkpoint =
        metrics_get(METRIC_HISTOGRAM, "checkpoint_seconds", labels, "Time to store a checkpoint.");
}

static struct lane *find_lane(struct sink_driver *d, const char *shard)
{
    struct lane *l = d->lanes;
    while (l && strcmp(l->shard->name, shard) != 0)
        l = l->next;
    return l;
}

static void lane_fini(struct lane *l)
{
    free(l->position_text);
    position_fini(&l->acked);
    cdc_journal_fini(&l->journal);
    buf_fini(&l->topic);
    schema_table_unref(l->topic_table);
}

bool driver_lane_start(struct sink_driver *d, const struct topo_shard *shard, struct err *e)
{
    struct lane *old = find_lane(d, shard->name);
    if (old && old->state != LANE_ENDED)
        return true;
    struct cdc_reader *reader = d->reader(d->reader_ctx, shard->keyspace, shard->name);
    if (!reader)
        return err_set(e, ERR_INTERNAL, "there is no reader of %s/%s", shard->keyspace,
                       shard->name);
    struct lane *l = mem_alloc(sizeof *l);
    l->driver = d;
    l->shard = shard;
    l->reader = reader;
    lane_metrics(l);
    int rc = pthread_create(&l->thread, NULL, lane_main, l);
    if (rc != 0) {
        free(l);
        return err_set_native(e, ERR_LIMIT, ERR_CLASS_RETRY, rc, "no thread for sink %s: %s",
                              d->spec->name, strerror(rc));
    }
    l->next = d->lanes; /* before the ended one of the same shard */
    d->lanes = l;
    return true;
}

/* ---- what the checkpoints say of the keyspace's shards ---- */

static const struct topo_keyspace *own_keyspace(const struct sink_driver *d)
{
    return topology_keyspace(d->topo, d->spec->keyspace);
}

/* The journal in a checkpoint's data: its id, and where its children begin. */
static void read_children(const json_t *data, struct cdc_journal *j)
{
    const json_t *children = json_object_get(data, "children");
    size_t n = json_array_size(children);
    *j = (struct cdc_journal){.id = json_integer_value(json_object_get(data, "journal")),
                              .shards = true};
    j->shard_gtids = mem_calloc(n + 1, sizeof *j->shard_gtids);
    for (size_t i = 0; i < n; i++) {
        const json_t *o = json_array_get(children, i);
        const char *shard = json_string_value(json_object_get(o, "shard"));
        const char *gtid = json_string_value(json_object_get(o, "gtid"));
        if (shard && gtid)
            j->shard_gtids[j->n_shard_gtids++] =
                (struct cdc_journal_shard){.shard = mem_strdup(shard), .gtid = mem_strdup(gtid)};
    }
}

static bool read_checkpoint(struct sink_driver *d, struct family_shard *s, struct err *e)
{
    struct buf text CLEANUP(buf_fini) = BUF_INIT;
    if (!store_checkpoint_get(d->store, d->spec->name, d->spec->keyspace, s->name, &s->at, &text,
                              &s->known, e))
        return false;
    json_t *data = text.len ? json_loads(buf_str(&text), 0, NULL) : NULL;
    s->ended = s->known && json_is_true(json_object_get(data, "ended"));
    if (s->ended)
        read_children(data, &s->journal);
    json_decref(data);
    return true;
}

static void family_close(struct family *f)
{
    for (size_t i = 0; i < f->n; i++)
        family_shard_fini(&f->shards[i]);
    free(f->shards);
    *f = (struct family){0};
}

/* Every shard of the keyspace; f is to be closed after a failure, too. */
static bool family_load(struct sink_driver *d, struct family *f, struct err *e)
{
    const struct topo_keyspace *ks = own_keyspace(d);
    *f = (struct family){.keyspace = ks->name, .n = ks->n_shards};
    f->shards = mem_calloc(ks->n_shards + 1, sizeof *f->shards);
    for (size_t i = 0; i < ks->n_shards; i++) {
        f->shards[i] =
            (struct family_shard){.name = ks->shards[i].name, .range = ks->shards[i].range};
        if (!read_checkpoint(d, &f->shards[i], e))
            return false;
    }
    return true;
}

static bool begin_at(struct sink_driver *d, const char *shard, const char *gtid, struct err *e)
{
    struct position at CLEANUP(position_fini) = POSITION_INIT;
    return position_parse(gtid, &at, e) &&
           store_checkpoint_put(d->store, d->spec->name, d->spec->keyspace, shard, &at, "", e);
}

static bool start_shard(struct sink_driver *d, const struct family *f, size_t i, struct err *e)
{
    const char *gtid;
    switch (family_start(f, i, &gtid)) {
    case FAMILY_RESTS:
    case FAMILY_WAITS:
        return true;
    case FAMILY_INHERITS:
        if (!begin_at(d, f->shards[i].name, gtid, e))
            return false;
        break;
    case FAMILY_GOES_ON:
    case FAMILY_IS_NEW:
        break;
    }
    return driver_lane_start(d, &own_keyspace(d)->shards[i], e);
}

/* ---- a shard that ended, and its children ---- */

static bool start_child(struct sink_driver *d, const struct family *f, int64_t journal,
                        const struct cdc_journal_shard *child, struct err *e)
{
    struct position at CLEANUP(position_fini) = POSITION_INIT;
    int i = strcmp(child->keyspace, f->keyspace) == 0 ? family_find(f, child->shard) : -1;
    if (i < 0) {
        log_warn("sink", "%s: the journal names shard %s/%s, which is not configured",
                 d->spec->name, child->keyspace, child->shard);
        return true;
    }
    if (!position_parse(child->gtid, &at, e))
        return false;
    bool further = family_is_further(&f->shards[i], journal, &at);
    if (further && f->shards[i].ended)
        return true;
    if (!further && !begin_at(d, child->shard, child->gtid, e))
        return false;
    pthread_mutex_lock(&d->lock);
    bool ok = d->stop || driver_lane_start(d, &own_keyspace(d)->shards[i], e);
    pthread_mutex_unlock(&d->lock);
    return ok;
}

/* The last parent to end starts them. */
static bool start_children(struct sink_driver *d, struct family *f, const struct cdc_journal *j,
                           struct err *e)
{
    bool ok = true;
    for (size_t i = 0; i < f->n; i++)
        f->shards[i].serves = true; /* a parent without a checkpoint is copied still */
    if (!family_reached_by_all(f, j))
        return true;
    for (size_t i = 0; ok && i < j->n_shard_gtids; i++)
        ok = start_child(d, f, j->id, &j->shard_gtids[i], e);
    return ok;
}

bool driver_start_children(struct lane *l, struct err *e)
{
    struct family f;
    pthread_mutex_lock(&l->driver->children_lock);
    bool ok = family_load(l->driver, &f, e) && start_children(l->driver, &f, &l->journal, e);
    pthread_mutex_unlock(&l->driver->children_lock);
    family_close(&f);
    return ok;
}

/* ---- the driver ---- */

/* A number of the options; YAML's come as text. */
static uint64_t number_option(const json_t *o, const char *name, uint64_t fallback)
{
    const json_t *v = json_object_get(o, name);
    uint64_t n = 0;
    if (json_is_integer(v) && json_integer_value(v) > 0)
        return (uint64_t)json_integer_value(v);
    return json_is_string(v) && sys_parse_u64(json_string_value(v), &n) && n > 0 ? n : fallback;
}

static void read_options(struct sink_driver *d)
{
    const char *text = d->spec->options_json;
    json_t *o = text && text[0] ? json_loads(text, 0, NULL) : NULL;
    const char *policy = json_string_value(json_object_get(o, "on_record_error"));
    d->dead_letters = policy && strcmp(policy, "dead_letter") == 0;
    const char *statements = json_string_value(json_object_get(o, "on_statement"));
    snprintf(d->on_statement, sizeof d->on_statement, "%s",
             statements ? statements : SINK_DEFAULT_ON_STATEMENT);
    d->flush_bytes = number_option(o, "flush_bytes", FLUSH_BYTES);
    d->flush_ms = (int64_t)number_option(o, "flush_ms", FLUSH_MS);
    json_decref(o);
}

static bool resolve(struct sink_driver *d, struct err *e)
{
    char scheme[32];
    if (!d->own.to || !sink_parse_to(d->own.to, scheme, sizeof scheme, &d->target, e))
        return d->own.to ? false : err_set(e, ERR_SINK_CONFIG, "the sink has no destination (to)");
    d->sink_ops = sink_find(scheme);
    d->encoder_ops = encoder_find(d->own.format);
    if (!sink_topic_check(&(struct sink_topic){.template = d->own.topic, .prefix = d->own.prefix},
                          e))
        return false;
    if (!own_keyspace(d))
        return err_set(e, ERR_SINK_CONFIG, "there is no keyspace %s", d->own.keyspace);
    if (d->encoder_ops)
        return true;
    struct buf names = BUF_INIT;
    encoder_names(&names);
    err_set(e, ERR_SINK_CONFIG, "there is no format '%s'", d->own.format);
    err_cure(e, "one of %s", buf_str(&names));
    buf_fini(&names);
    return false;
}

static bool mark_serving(struct family *f, const char *const *shards, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        int at = family_find(f, shards[i]);
        if (at < 0)
            return err_set(e, ERR_SINK_CONFIG, "there is no shard %s", shards[i]);
        f->shards[at].serves = true;
    }
    return true;
}

static bool start_lanes(struct sink_driver *d, const char *const *shards, size_t n_shards,
                        struct err *e)
{
    struct family f;
    bool ok = family_load(d, &f, e) && mark_serving(&f, shards, n_shards, e);
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; ok && i < f.n; i++)
        ok = start_shard(d, &f, i, e);
    pthread_mutex_unlock(&d->lock);
    family_close(&f);
    return ok;
}

struct sink_driver *sink_driver_start(const struct sink_spec *spec, const struct topology *topo,
                                      const char *const *shards, size_t n_shards,
                                      struct store *store, sink_reader_fn reader, void *reader_ctx,
                                      struct err *e)
{
    struct sink_driver *d = mem_alloc(sizeof *d);
    thread_cond_init(&d->wake);
    pthread_mutex_init(&d->lock, NULL);
    pthread_mutex_init(&d->children_lock, NULL);
    copy_spec(&d->own, spec, topo);
    d->spec = &d->own;
    d->topo = topo;
    d->store = store;
    d->reader = reader;
    d->reader_ctx = reader_ctx;
    read_options(d);
    if (resolve(d, e) && start_lanes(d, shards, n_shards, e))
        return d;
    err_prepend(e, "sink %s", spec->name);
    sink_driver_stop(d);
    return NULL;
}

void sink_driver_ask_to_stop(struct sink_driver *d)
{
    pthread_mutex_lock(&d->lock);
    d->stop = true;
    pthread_cond_broadcast(&d->wake);
    for (struct lane *l = d->lanes; l; l = l->next) {
        if (l->stream)
            cdc_stream_interrupt(l->stream);
    }
    pthread_mutex_unlock(&d->lock);
}

void sink_driver_stop(struct sink_driver *d)
{
    if (!d)
        return;
    sink_driver_ask_to_stop(d);
    for (struct lane *l = d->lanes, *next; l; l = next) { /* no lane is added any more */
        pthread_join(l->thread, NULL);
        next = l->next;
        lane_fini(l);
        free(l);
    }
    pthread_mutex_destroy(&d->lock);
    pthread_mutex_destroy(&d->children_lock);
    pthread_cond_destroy(&d->wake);
    sink_spec_fini(&d->own);
    free(d);
}

/* ---- status ---- */

static const char *state_name(enum lane_state s)
{
    static const char *const names[] = {
        [LANE_STARTING] = "starting", [LANE_COPYING] = "copying", [LANE_RUNNING] = "running",
        [LANE_WAITING] = "waiting",   [LANE_ERROR] = "error",     [LANE_ENDED] = "ended",
        [LANE_STOPPED] = "stopped"};
    return names[s];
}

/* The worst of the lanes' states. */
static enum lane_state overall(const struct sink_driver *d)
{
    static const enum lane_state order[] = {LANE_ERROR,   LANE_WAITING, LANE_STARTING, LANE_COPYING,
                                            LANE_RUNNING, LANE_STOPPED, LANE_ENDED};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        for (const struct lane *l = d->lanes; l; l = l->next) {
            if (l->state == order[i])
                return order[i];
        }
    }
    return LANE_RUNNING;
}

static void lane_status(const struct lane *l, struct sink_lane_status *out)
{
    *out = (struct sink_lane_status){
        .shard = l->shard->name,
        .state = state_name(l->state),
        .position = mem_strdup(l->position_text ? l->position_text : ""),
        .message = mem_strdup(l->message),
        .records = l->records,
        .dead_letters = l->dead_letters,
        .skipped_statements = cdc_reader_counts(l->reader).skipped_statements};
    if (l->stream)
        cdc_stream_source_head(l->stream, NULL, &out->lag_ms);
}

void sink_driver_status(struct sink_driver *d, struct sink_status *out)
{
    const char *message = "";
    size_t n = 0;
    pthread_mutex_lock(&d->lock);
    for (const struct lane *l = d->lanes; l; l = l->next)
        n++;
    *out = (struct sink_status){.name = d->spec->name,
                                .state = state_name(overall(d)),
                                .on_statement = d->on_statement,
                                .lanes = mem_calloc(n + 1, sizeof *out->lanes)};
    for (const struct lane *l = d->lanes; l; l = l->next) {
        lane_status(l, &out->lanes[out->n_lanes++]);
        message = l->message[0] ? l->message : message;
    }
    out->message = mem_strdup(message);
    pthread_mutex_unlock(&d->lock);
}
