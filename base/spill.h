/* base/spill.h — a file without a name for bytes that are too many for memory: appended, read
 * anywhere, cut back.
 *
 * It is unlinked as soon as it is open, so a crash leaves nothing behind. Failures are
 * ERR_DISK_FULL (RETRY) or ERR_IO (FATAL) and name the folder; after one, what was there before is
 * unchanged. Thread: one.
 */
#ifndef SLUICE_BASE_SPILL_H
#define SLUICE_BASE_SPILL_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct spill;
/* In the folder dir, which is made (0700) when it is missing. */
struct spill *spill_open(const char *dir, struct err *e) WARN_UNUSED;
/* For who has no state directory: a folder of this user's in $TMPDIR. malloc'ed; not made. */
char *spill_temporary_dir(void);
void spill_close(struct spill *s); /* NULL is fine; gives the disk space back */
uint64_t spill_len(const struct spill *s);
bool spill_append(struct spill *s, const void *p, size_t n, struct err *e) WARN_UNUSED;
/* n bytes from offset at on, all of which have been written. */
bool spill_read(const struct spill *s, uint64_t at, void *p, size_t n, struct err *e) WARN_UNUSED;
/* len: at most spill_len. What lies behind is forgotten. */
void spill_cut(struct spill *s, uint64_t len);

#endif
