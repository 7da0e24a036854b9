/* app/stream_out.h — records of one shard on their way to stdout: whole transactions only.
 *
 * A transaction could still be rolled back until its commit is seen, so its records are held: in
 * memory up to STREAM_HOLD_BYTES, then in an unlinked temporary file. Thread: one a shard; stdout
 * is shared under a lock.
 */
#ifndef SLUICE_APP_STREAM_OUT_H
#define SLUICE_APP_STREAM_OUT_H

#include "base/buf.h"
#include <stdio.h>

#define STREAM_HOLD_BYTES ((size_t)8 * 1024 * 1024)

struct stream_out {
    struct buf held;
    FILE *spill; /* what came before `held`, once it was too much */
};
void stream_out_fini(struct stream_out *o);
bool stream_out_put(struct stream_out *o, const void *p, size_t n, struct err *e) WARN_UNUSED;
bool stream_out_release(struct stream_out *o, struct err *e) WARN_UNUSED; /* to stdout */
void stream_out_drop(struct stream_out *o);

#endif
