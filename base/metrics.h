/* base/metrics.h — counters, gauges and histograms, rendered as Prometheus text.
 *
 * A metric handle is looked up once and then updated with atomics; handles live as long as the
 * process.
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
