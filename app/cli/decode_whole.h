/* app/cli/decode_whole.h — of the changes of a log those that count: transactions that were
 * committed, whole.
 *
 * A transaction that was rolled back, or has no end (the log ends in it, the server died in it), is
 * left out; one without an end is said on stderr with its place and counted. What spans batches is
 * held in a spool (cdc/log/spool.h), so memory is bounded. Thread: one.
 */
#ifndef SLUICE_APP_CLI_DECODE_WHOLE_H
#define SLUICE_APP_CLI_DECODE_WHOLE_H

#include "cdc/log/change.h"

struct decode_whole;
typedef bool (*decode_whole_fn)(void *ctx, const struct cdc_change *c, struct err *e);

/* give gets the changes of each whole transaction from BEGIN to COMMIT, what stands between
 * transactions, and the ROLLBACK alone of one that is left out: the position moves there. holds
 * false: it gets everything at once. */
struct decode_whole *decode_whole_new(bool holds, decode_whole_fn give, void *ctx);
void decode_whole_free(struct decode_whole *w); /* NULL is fine */
bool decode_whole_batch(struct decode_whole *w, struct cdc_batch *b, struct err *e) WARN_UNUSED;
/* Nothing follows. How many had no end, this one included. */
size_t decode_whole_end(struct decode_whole *w);

#endif
