/* app/cli/decode_stats.h — what `sluice decode --stats` counts: rows by table, the largest
 * transactions, the time span. Thread: one.
 */
#ifndef SLUICE_APP_CLI_DECODE_STATS_H
#define SLUICE_APP_CLI_DECODE_STATS_H

#include "cdc/log/decode.h"

struct decode_stats;
struct decode_stats *decode_stats_new(void);
void decode_stats_free(struct decode_stats *s);
/* Before the changes of a batch: what was remembered of the last one's tables is forgotten. */
void decode_stats_batch(struct decode_stats *s);
void decode_stats_change(struct decode_stats *s, const struct cdc_change *c);
void decode_stats_print(const struct decode_stats *s, const struct cdc_decode_stats *d,
                        struct buf *out);

#endif
