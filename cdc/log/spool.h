/* cdc/log/spool.h — the changes of one open transaction, kept until its end is known: in memory,
 * then in a file.
 *
 * For consumers that may not show a part of a transaction. Batches are held by reference up to
 * memory_bytes; what comes then is written to <dir>/spill, up to max_bytes. The file has no name
 * (it is unlinked as soon as it is open), so a crash leaves nothing behind. Thread: one.
 */
#ifndef SLUICE_CDC_LOG_SPOOL_H
#define SLUICE_CDC_LOG_SPOOL_H

#include "cdc/log/change.h"

#define CDC_SPOOL_MEMORY_BYTES ((size_t)8 * 1024 * 1024)

struct cdc_spool;
/* dir: the state directory; NULL: no file, max_bytes of memory. 0 takes the defaults (8 MiB, 20
 * GiB). */
struct cdc_spool *cdc_spool_new(const char *dir, size_t memory_bytes, uint64_t max_bytes);
void cdc_spool_free(struct cdc_spool *s);
/* Adds changes first … first+n−1 of b. All or nothing: after a failure (ERR_DISK_FULL RETRY,
 * ERR_LIMIT over max_bytes, ERR_IO) the same call may be repeated. */
bool cdc_spool_add(struct cdc_spool *s, struct cdc_batch *b, size_t first, size_t n,
                   struct err *e) WARN_UNUSED;
bool cdc_spool_is_empty(const struct cdc_spool *s);
/* Walks everything in order, as often as wanted: rewind, then next until *change is NULL. A change
 * is valid until the next call. */
void cdc_spool_rewind(struct cdc_spool *s);
bool cdc_spool_next(struct cdc_spool *s, const struct cdc_change **change,
                    struct err *e) WARN_UNUSED;
void cdc_spool_clear(struct cdc_spool *s); /* gives disk space back */

#endif
