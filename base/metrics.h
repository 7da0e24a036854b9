/* base/metrics.h — counters, gauges and histograms, rendered as Prometheus text.
 *
 * A metric handle is looked up once and then updated with atomics; handles live as long as the
 * process. A series of something that is gone is hidden: it is not rendered until it is looked up
 * again, and keeps its value. All functions are for any thread.
 */
#ifndef SLUICE_BASE_METRICS_H
#define SLUICE_BASE_METRICS_H

#include "base/buf.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };
struct metric; /* one time series */

/* name without the "sluice_" prefix; labels as `workflow="w",shard="-80"` or "" (values escaped by
 * metrics_labels). The same name and labels give the same handle. help: of the first registration.
 */
struct metric *metrics_get(enum metric_kind kind, const char *name, const char *labels,
                           const char *help);
void metric_hide(struct metric *m);
/* Hides every series with this label. */
void metrics_forget(const char *key, const char *value);
/* A family whose series are looked up anew by each pass over what exists: those that were not
 * looked up between the two calls are hidden by the second. */
void metrics_family_begin(const char *name);
void metrics_family_end(const char *name);
/* key, value, …, NULL → `key="value",…` into out. */
void metrics_labels(char *out, size_t out_len, ...);
void metric_add(struct metric *m, double v);
void metric_set(struct metric *m, double v);
void metric_observe(struct metric *m, double seconds); /* buckets 100 µs … 60 s */
double metric_value(const struct metric *m);
/* p in 0–1 from the histogram's buckets (upper bound of the bucket, interpolated). */
double metric_quantile(const struct metric *m, double p);
void metrics_render(struct buf *out);

#endif
