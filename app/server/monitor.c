/* app/server/monitor.c — looks at everything that runs once a second and keeps what monitoring asks
 * for.
 *
 * A look walks the same documents that /v1/status shows. Series of what is gone disappear with the
 * next look: each family is looked up anew (metrics_family_begin, _end), and the counters of a
 * workflow that was there at the last look are forgotten with it.
 *
 * Lag is how long ago something last was where its source was. What the parts say of themselves is
 * only used while it is larger: somebody who is stuck does not notice it.
 */
#include "app/server/monitor.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thread.h"
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define LOOK_EVERY_MS 1000
#define LABELS_MAX    1024

/* What is not well, counted. */
struct problems {
    unsigned sources, sinks, streams, alarms;
};

/* One look: its labels → when that was last current (int64_t, monotonic ms), for each sink's lane
 * and each workflow's stream; and the names of the workflows. */
struct seen {
    struct map *current, *workflows;
};

struct look {
    struct problems problems;
    struct map
        *silent; /* "keyspace/shard" of the sources that are not connected; borrowed values */
    struct seen now;
    const struct seen *before;
    int64_t ms;
};

struct monitor {
    struct daemon *daemon;
    pthread_t thread;
    pthread_mutex_t lock; /* the next ones */
    pthread_cond_t wake;
    bool stop;
    int64_t looked_ms; /* 0: not yet */
    struct problems problems;
    struct seen seen; /* the thread's own */
};

static const char *const families[] = {
    "source_connected",      "sink_state",     "sink_lag_seconds",    "workflow_stream_state",
    "workflow_copied_ratio", "workflow_alarm", "workflow_lag_seconds"};

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static struct metric *source_connected(const char *labels)
{
    return metrics_get(METRIC_GAUGE, "source_connected", labels,
                       "1 while the log of a source that somebody reads is being received.");
}

static struct metric *sink_state(const char *labels)
{
    return metrics_get(METRIC_GAUGE, "sink_state", labels,
                       "1 for the state that a sink is in, for each source shard.");
}

static struct metric *sink_lag(const char *labels)
{
    return metrics_get(METRIC_GAUGE, "sink_lag_seconds", labels,
                       "How far a sink is behind its source; 0 when it has everything.");
}

static struct metric *stream_state(const char *labels)
{
    return metrics_get(METRIC_GAUGE, "workflow_stream_state", labels,
                       "1 for the state that a workflow's stream is in.");
}

static struct metric *stream_lag(const char *labels)
{
    return metrics_get(
        METRIC_GAUGE, "workflow_lag_seconds", labels,
        "How far a workflow's stream is behind its source; 0 when it has everything.");
}

static struct metric *copied_ratio(const char *labels)
{
    return metrics_get(METRIC_GAUGE, "workflow_copied_ratio", labels,
                       "Part of a table's rows that the initial copy has written, 0 to 1.");
}

static struct metric *alarm_raised(const char *labels)
{
    return metrics_get(METRIC_GAUGE, "workflow_alarm", labels,
                       "1 after a write on the fenced side of a workflow was seen.");
}

/* current: it has everything that its source has, as far as it knows. */
static double lag_of(struct look *l, const char *labels, bool current, double told)
{
    const int64_t *before = map_get_str(l->before->current, labels);
    int64_t *at = mem_alloc(sizeof *at);
    *at = current || before == NULL ? l->ms : *before;
    map_put_str(l->now.current, labels, at);
    double since = (double)(l->ms - *at) / 1000;
    return current ? 0 : since > told ? since : told;
}

static void note_silent(struct look *l, json_t *source)
{
    char *name = mem_printf("%s/%s", text_of(source, "keyspace"), text_of(source, "shard"));
    map_put_str(l->silent, name, source);
    free(name);
}

static void look_at_sources(const json_t *sources, struct look *l)
{
    char labels[LABELS_MAX];
    size_t i;
    json_t *source;
    json_array_foreach((json_t *)(uintptr_t)sources, i, source)
    {
        const json_t *reader = json_object_get(source, "reader");
        bool connected = json_is_true(json_object_get(reader, "connected"));
        if (json_integer_value(json_object_get(reader, "consumers")) == 0)
            continue; /* nobody reads it: there is no connection to be had */
        metrics_labels(labels, sizeof labels, "keyspace", text_of(source, "keyspace"), "shard",
                       text_of(source, "shard"), NULL);
        metric_set(source_connected(labels), connected);
        l->problems.sources += !connected;
        if (!connected)
            note_silent(l, source);
    }
}

static void look_at_lane(const json_t *sink, const json_t *lane, struct look *l)
{
    char labels[LABELS_MAX];
    const char *name = text_of(sink, "name"), *keyspace = text_of(sink, "keyspace");
    const char *shard = text_of(lane, "shard"), *state = text_of(lane, "state");
    double told = json_number_value(json_object_get(lane, "lag_seconds"));
    bool current = strcmp(state, "running") == 0 && told <= 0;
    metrics_labels(labels, sizeof labels, "sink", name, "keyspace", keyspace, "shard", shard,
                   "state", state, NULL);
    metric_set(sink_state(labels), 1);
    metrics_labels(labels, sizeof labels, "sink", name, "keyspace", keyspace, "shard", shard, NULL);
    if (strcmp(state, "ended") != 0) /* its shard's changes come from others now */
        metric_set(sink_lag(labels), lag_of(l, labels, current, told));
    l->problems.sinks += strcmp(state, "error") == 0;
}

/* A sink without lanes is paused, or could not be started. */
static void look_at_resting(const json_t *sink, struct look *l)
{
    char labels[LABELS_MAX];
    bool paused = strcasecmp(text_of(sink, "state"), "paused") == 0;
    metrics_labels(labels, sizeof labels, "sink", text_of(sink, "name"), "keyspace",
                   text_of(sink, "keyspace"), "shard", "", "state", paused ? "paused" : "error",
                   NULL);
    metric_set(sink_state(labels), 1);
    l->problems.sinks += !paused;
}

static void look_at_sinks(const json_t *sinks, struct look *l)
{
    size_t i, k;
    json_t *sink, *lane;
    json_array_foreach((json_t *)(uintptr_t)sinks, i, sink)
    {
        const json_t *lanes = json_object_get(sink, "streams");
        json_array_foreach((json_t *)(uintptr_t)lanes, k, lane)
        {
            look_at_lane(sink, lane, l);
        }
        if (lanes == NULL)
            look_at_resting(sink, l);
    }
}

static void look_at_stream(const char *workflow, const char *shard, const json_t *stream,
                           struct look *l)
{
    char labels[LABELS_MAX];
    const char *state = text_of(stream, "status"), *source = text_of(stream, "source_shard");
    double told = json_number_value(json_object_get(stream, "lag_seconds"));
    bool current =
        strcmp(state, "Running") == 0 && told <= 0 && map_get_str(l->silent, source) == NULL;
    metrics_labels(labels, sizeof labels, "workflow", workflow, "shard", shard, "source", source,
                   "state", state, NULL);
    metric_set(stream_state(labels), 1);
    metrics_labels(labels, sizeof labels, "workflow", workflow, "shard", shard, "source", source,
                   NULL);
    metric_set(stream_lag(labels), lag_of(l, labels, current, told));
    l->problems.streams += strcmp(state, "Error") == 0;
}

static void look_at_streams(const char *workflow, const json_t *status, struct look *l)
{
    const char *shard;
    json_t *of_shard, *stream;
    size_t i;
    json_object_foreach(json_object_get(status, "shard_streams"), shard, of_shard)
    {
        json_array_foreach(json_object_get(of_shard, "streams"), i, stream)
        {
            look_at_stream(workflow, shard, stream, l);
        }
    }
}

static void look_at_copy(const char *workflow, const json_t *status)
{
    char labels[LABELS_MAX];
    const char *table;
    json_t *copy;
    json_object_foreach(json_object_get(status, "table_copy_state"), table, copy)
    {
        double percent = json_number_value(json_object_get(copy, "rows_percentage"));
        metrics_labels(labels, sizeof labels, "workflow", workflow, "table", table, NULL);
        metric_set(copied_ratio(labels), percent / 100);
    }
}

static void look_at_workflows(const json_t *workflows, struct look *l)
{
    char labels[LABELS_MAX];
    size_t i;
    json_t *status;
    json_array_foreach((json_t *)(uintptr_t)workflows, i, status)
    {
        char *name = mem_printf("%s/%s", text_of(status, "keyspace"), text_of(status, "workflow"));
        bool alarm = json_object_get(status, "alarm") != NULL;
        look_at_streams(name, status, l);
        look_at_copy(name, status);
        metrics_labels(labels, sizeof labels, "workflow", name, NULL);
        metric_set(alarm_raised(labels), alarm);
        l->problems.alarms += alarm;
        map_put_str(l->now.workflows, name, name);
    }
}

static struct seen seen_new(void)
{
    return (struct seen){map_new(free), map_new(free)};
}

static void seen_free(struct seen *s)
{
    map_free(s->current);
    map_free(s->workflows);
}

static void forget_workflows(const struct look *l)
{
    const void *name;
    size_t it = 0, n;
    void *text;
    while (map_next(l->before->workflows, &it, &name, &n, &text))
        if (map_get(l->now.workflows, name, n) == NULL)
            metrics_forget("workflow", text);
}

static struct problems look(struct monitor *m)
{
    struct look l = {.now = seen_new(), .before = &m->seen, .ms = clock_mono_ms()};
    l.silent = map_new(NULL);
    struct buf text = BUF_INIT;
    daemon_status(m->daemon, &text);
    json_t *doc = json_loads(buf_str(&text), 0, NULL);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        metrics_family_begin(families[i]);
    look_at_sources(json_object_get(doc, "sources"), &l);
    look_at_sinks(json_object_get(doc, "sinks"), &l);
    look_at_workflows(json_object_get(doc, "workflows"), &l);
    forget_workflows(&l);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        metrics_family_end(families[i]);
    seen_free(&m->seen);
    m->seen = l.now;
    map_free(l.silent);
    json_decref(doc);
    buf_fini(&text);
    return l.problems;
}

/* Called with the lock. */
static void wait_for_next(struct monitor *m)
{
    int64_t until = clock_mono_ms() + LOOK_EVERY_MS;
    while (!m->stop && thread_wait_until(&m->wake, &m->lock, until)) {
    }
}

static void *run(void *arg)
{
    struct monitor *m = arg;
    pthread_mutex_lock(&m->lock);
    while (!m->stop) {
        pthread_mutex_unlock(&m->lock);
        struct problems p = look(m);
        pthread_mutex_lock(&m->lock);
        m->problems = p;
        m->looked_ms = clock_mono_ms();
        wait_for_next(m);
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

struct monitor *monitor_start(struct daemon *d, struct err *e)
{
    struct monitor *m = mem_alloc(sizeof *m);
    m->daemon = d;
    m->seen = seen_new();
    m->looked_ms = clock_mono_ms();
    pthread_mutex_init(&m->lock, NULL);
    thread_cond_init(&m->wake);
    if (pthread_create(&m->thread, NULL, run, m) == 0)
        return m;
    pthread_cond_destroy(&m->wake);
    pthread_mutex_destroy(&m->lock);
    seen_free(&m->seen);
    free(m);
    err_set(e, ERR_IO, "the thread for monitoring does not start");
    return NULL;
}

void monitor_stop(struct monitor *m)
{
    if (m == NULL)
        return;
    pthread_mutex_lock(&m->lock);
    m->stop = true;
    pthread_cond_signal(&m->wake);
    pthread_mutex_unlock(&m->lock);
    pthread_join(m->thread, NULL);
    pthread_cond_destroy(&m->wake);
    pthread_mutex_destroy(&m->lock);
    seen_free(&m->seen);
    free(m);
}

int monitor_health(struct monitor *m, struct buf *json)
{
    pthread_mutex_lock(&m->lock);
    int64_t age_ms = clock_mono_ms() - m->looked_ms;
    pthread_mutex_unlock(&m->lock);
    bool ok = age_ms < MONITOR_STUCK_MS;
    buf_printf(json, "{\"status\":\"%s\",\"looked_seconds_ago\":%lld}\n", ok ? "ok" : "stuck",
               (long long)(age_ms / 1000));
    return ok ? 200 : 503;
}

int monitor_ready(struct monitor *m, struct buf *json)
{
    pthread_mutex_lock(&m->lock);
    struct problems p = m->problems;
    bool fresh = clock_mono_ms() - m->looked_ms < MONITOR_STUCK_MS;
    pthread_mutex_unlock(&m->lock);
    bool ok = fresh && p.sources + p.sinks + p.streams + p.alarms == 0;
    buf_printf(json,
               "{\"status\":\"%s\",\"sources_disconnected\":%u,\"sinks_in_error\":%u,"
               "\"streams_in_error\":%u,\"alarms\":%u}\n",
               ok      ? "ok"
               : fresh ? "failing"
                       : "stuck",
               p.sources, p.sinks, p.streams, p.alarms);
    return ok ? 200 : 503;
}
