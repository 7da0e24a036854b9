/* base/metrics.c — the registry of time series; updates are lock-free, registration and rendering
 * lock.
 *
 * Series of one name stand together in the output, names and label sets in sorted order.
 */
#include "base/metrics.h"

#include "base/mem.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double bucket_bounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                       0.01,   0.025,   0.05,   0.1,   0.25,   0.5,
                                       1,      2.5,     5,      10,    30,     60};
#define N_BOUNDS (sizeof bucket_bounds / sizeof bucket_bounds[0])

struct metric {
    enum metric_kind kind;
    char *name, *labels, *help;
    uint64_t bits;      /* of the value as a double; of the sum for a histogram */
    uint64_t *counts;   /* N_BOUNDS + 1, histograms only */
    bool hidden, stale; /* under the registry's lock; stale: not looked up in the running pass */
};

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct metric **registry; /* sorted by name, labels */
static size_t registry_n, registry_cap;

static int metric_compare(const struct metric *m, const char *name, const char *labels)
{
    int c = strcmp(m->name, name);
    return c ? c : strcmp(m->labels, labels);
}

/* The index of the series or where it belongs. */
static size_t registry_find(const char *name, const char *labels)
{
    size_t low = 0, high = registry_n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (metric_compare(registry[middle], name, labels) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct metric *metric_new(enum metric_kind kind, const char *name, const char *labels,
                                 const char *help)
{
    struct metric *m = mem_alloc(sizeof *m);
    m->kind = kind;
    m->name = mem_strdup(name);
    m->labels = mem_strdup(labels);
    m->help = mem_strdup(help);
    if (kind == METRIC_HISTOGRAM)
        m->counts = mem_calloc(N_BOUNDS + 1, sizeof *m->counts);
    return m;
}

static void registry_insert(size_t at, struct metric *m)
{
    if (registry_n == registry_cap) {
        registry_cap = registry_cap ? 2 * registry_cap : 64;
        registry = mem_realloc(registry, registry_cap, sizeof *registry);
    }
    memmove(registry + at + 1, registry + at, (registry_n - at) * sizeof *registry);
    registry[at] = m;
    registry_n++;
}

struct metric *metrics_get(enum metric_kind kind, const char *name, const char *labels,
                           const char *help)
{
    labels = labels ? labels : "";
    pthread_mutex_lock(&registry_lock);
    size_t at = registry_find(name, labels);
    if (at == registry_n || metric_compare(registry[at], name, labels) != 0)
        registry_insert(at, metric_new(kind, name, labels, help ? help : ""));
    struct metric *m = registry[at];
    m->hidden = m->stale = false;
    pthread_mutex_unlock(&registry_lock);
    assert(m->kind == kind);
    return m;
}

void metric_hide(struct metric *m)
{
    pthread_mutex_lock(&registry_lock);
    m->hidden = true;
    pthread_mutex_unlock(&registry_lock);
}

/* Is `pair` one of the labels? No value holds a bare quotation mark, so a pair ends with one. */
static bool has_label(const struct metric *m, const char *pair)
{
    const char *at = strstr(m->labels, pair);
    while (at && at != m->labels && at[-1] != ',')
        at = strstr(at + 1, pair);
    return at != NULL;
}

void metrics_forget(const char *key, const char *value)
{
    char pair[512];
    metrics_labels(pair, sizeof pair, key, value, NULL);
    pthread_mutex_lock(&registry_lock);
    for (size_t i = 0; pair[0] && i < registry_n; i++)
        registry[i]->hidden = registry[i]->hidden || has_label(registry[i], pair);
    pthread_mutex_unlock(&registry_lock);
}

void metrics_family_begin(const char *name)
{
    pthread_mutex_lock(&registry_lock);
    for (size_t i = registry_find(name, ""); i < registry_n; i++)
        if (strcmp(registry[i]->name, name) == 0)
            registry[i]->stale = true;
    pthread_mutex_unlock(&registry_lock);
}

void metrics_family_end(const char *name)
{
    pthread_mutex_lock(&registry_lock);
    for (size_t i = registry_find(name, ""); i < registry_n; i++)
        if (strcmp(registry[i]->name, name) == 0)
            registry[i]->hidden = registry[i]->hidden || registry[i]->stale;
    pthread_mutex_unlock(&registry_lock);
}

static void put_label_value(struct buf *b, const char *value)
{
    for (; *value; value++) {
        if (*value == '\n')
            buf_put_str(b, "\\n");
        else if (*value == '"' || *value == '\\')
            buf_printf(b, "\\%c", *value);
        else
            buf_put_u8(b, (uint8_t)*value);
    }
}

void metrics_labels(char *out, size_t out_len, ...)
{
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    va_list ap;
    va_start(ap, out_len);
    for (const char *key; (key = va_arg(ap, const char *)) != NULL;) {
        const char *value = va_arg(ap, const char *);
        buf_printf(&b, "%s%s=\"", b.len ? "," : "", key);
        put_label_value(&b, value ? value : "");
        buf_put_u8(&b, '"');
    }
    va_end(ap);
    if (out_len == 0)
        return;
    /* A cut label set would be wrong text: none is better. */
    snprintf(out, out_len, "%s", b.len < out_len ? buf_str(&b) : "");
}

static double load(const uint64_t *bits)
{
    uint64_t raw = __atomic_load_n(bits, __ATOMIC_RELAXED);
    double v;
    memcpy(&v, &raw, sizeof v);
    return v;
}

static void store(uint64_t *bits, double v)
{
    uint64_t raw;
    memcpy(&raw, &v, sizeof raw);
    __atomic_store_n(bits, raw, __ATOMIC_RELAXED);
}

static void add(uint64_t *bits, double by)
{
    uint64_t old = __atomic_load_n(bits, __ATOMIC_RELAXED), new;
    do {
        double v;
        memcpy(&v, &old, sizeof v);
        v += by;
        memcpy(&new, &v, sizeof new);
    } while (
        !__atomic_compare_exchange_n(bits, &old, new, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

void metric_add(struct metric *m, double v)
{
    assert(m->kind != METRIC_HISTOGRAM);
    add(&m->bits, v);
}

void metric_set(struct metric *m, double v)
{
    assert(m->kind != METRIC_HISTOGRAM);
    store(&m->bits, v);
}

void metric_observe(struct metric *m, double seconds)
{
    assert(m->kind == METRIC_HISTOGRAM);
    size_t i = 0;
    while (i < N_BOUNDS && seconds > bucket_bounds[i])
        i++;
    __atomic_fetch_add(&m->counts[i], 1, __ATOMIC_RELAXED);
    add(&m->bits, seconds);
}

static uint64_t total_count(const struct metric *m)
{
    uint64_t n = 0;
    for (size_t i = 0; i <= N_BOUNDS; i++)
        n += __atomic_load_n(&m->counts[i], __ATOMIC_RELAXED);
    return n;
}

double metric_value(const struct metric *m)
{
    return m->kind == METRIC_HISTOGRAM ? (double)total_count(m) : load(&m->bits);
}

double metric_quantile(const struct metric *m, double p)
{
    assert(m->kind == METRIC_HISTOGRAM);
    double want = p * (double)total_count(m), below = 0;
    for (size_t i = 0; i < N_BOUNDS; i++) {
        double here = (double)__atomic_load_n(&m->counts[i], __ATOMIC_RELAXED);
        double low = i ? bucket_bounds[i - 1] : 0;
        if (here > 0 && below + here >= want)
            return low + (bucket_bounds[i] - low) * (want - below) / here;
        below += here;
    }
    return want > 0 ? bucket_bounds[N_BOUNDS - 1] : 0;
}

static void put_number(struct buf *b, double v)
{
    if (isfinite(v) && v == floor(v) && fabs(v) < 9e15)
        buf_put_i64(b, (int64_t)v);
    else
        buf_printf(b, "%.10g", v);
}

static void render_sample(struct buf *b, const struct metric *m, const char *suffix, double v)
{
    buf_printf(b, "sluice_%s%s", m->name, suffix);
    if (m->labels[0])
        buf_printf(b, "{%s}", m->labels);
    buf_put_u8(b, ' ');
    put_number(b, v);
    buf_put_u8(b, '\n');
}

static void render_histogram(struct buf *b, const struct metric *m)
{
    uint64_t below = 0;
    const char *comma = m->labels[0] ? "," : "";
    for (size_t i = 0; i <= N_BOUNDS; i++) {
        char bound[32] = "+Inf";
        if (i < N_BOUNDS)
            snprintf(bound, sizeof bound, "%g", bucket_bounds[i]);
        below += __atomic_load_n(&m->counts[i], __ATOMIC_RELAXED);
        buf_printf(b, "sluice_%s_bucket{%s%sle=\"%s\"} ", m->name, m->labels, comma, bound);
        buf_put_u64(b, below);
        buf_put_u8(b, '\n');
    }
    render_sample(b, m, "_sum", load(&m->bits));
    render_sample(b, m, "_count", (double)below);
}

static const char *kind_name(enum metric_kind kind)
{
    switch (kind) {
    case METRIC_COUNTER:
        return "counter";
    case METRIC_GAUGE:
        return "gauge";
    case METRIC_HISTOGRAM:
        return "histogram";
    }
    return "untyped";
}

void metrics_render(struct buf *out)
{
    const struct metric *before = NULL;
    pthread_mutex_lock(&registry_lock);
    for (size_t i = 0; i < registry_n; i++) {
        const struct metric *m = registry[i];
        if (m->hidden)
            continue;
        if (!before || strcmp(before->name, m->name) != 0) {
            buf_printf(out, "# HELP sluice_%s %s\n", m->name, m->help);
            buf_printf(out, "# TYPE sluice_%s %s\n", m->name, kind_name(m->kind));
        }
        before = m;
        if (m->kind == METRIC_HISTOGRAM)
            render_histogram(out, m);
        else
            render_sample(out, m, "", load(&m->bits));
    }
    pthread_mutex_unlock(&registry_lock);
}
