/* cdc/vstream/handover.h — which shards a keyspace's stream reads, and where it goes on when a
 * switch of traffic takes shards or tables away from it. Pure.
 *
 * A reshard or a move leaves a journal in the log of each shard that served before it. What those
 * shards took before the switch is delivered wholly only when the stream has reached the journal on
 * every one of them that it reads:
 *
 *     shard -80   … rows … journal 7 |            (reached: nothing more is taken from it)
 *     shard 80-   … rows …     rows … journal 7 |  (reached: the switch is complete for the stream)
 *     VGTID       before the journals until then; afterwards the positions that the journal gives
 *
 * So a client that is cut off between the two resumes before both journals and meets them again.
 */
#ifndef SLUICE_CDC_VSTREAM_HANDOVER_H
#define SLUICE_CDC_VSTREAM_HANDOVER_H

#include "cdc/sidecar/journal.h"
#include "schemas/sharding/topology.h"
#include "state/position.h"

/* A start that would leave rows out is refused (ERR_POSITION_PARSE): the VGTID's shards must be
 * configured, be of this keyspace and make up its whole key range, or hold `only` (a shard's name;
 * NULL: the whole keyspace is read). serving (for the message) may be empty. They need not serve: a
 * journal in their logs says where they went. */
bool handover_check_start(const struct topo_keyspace *ks, const struct vgtid *v, const char *only,
                          const char *const *serving, size_t n_serving, struct err *e) WARN_UNUSED;

struct handover_shard {
    const char *name;
    struct position before; /* in front of the journal, once that was reached */
    struct cdc_journal journal;
    bool reached;
};
/* Zero before handover_init. Thread: one, or under the owner's lock. */
struct handover {
    const char *keyspace;
    const char *const *tables; /* that the stream wants; none: all */
    size_t n_tables;
    struct handover_shard *shards;
    size_t n;
};
/* Names and tables are borrowed. */
void handover_init(struct handover *h, const char *keyspace, const char *const *shards, size_t n,
                   const char *const *tables, size_t n_tables);
void handover_fini(struct handover *h);
/* A journal in the log of the i-th shard; before: the position in front of its transaction. *ends:
 * it takes the shard, or a wanted table of it, away, and nothing behind this transaction is to be
 * delivered from the shard. folds: how the shard's server compares names. */
bool handover_take(struct handover *h, size_t i, const char *json, bool folds,
                   const struct position *before, bool *ends, struct err *e) WARN_UNUSED;
/* The first shard whose journal was reached on all shards of the stream that it names; -1: none. */
int handover_complete(const struct handover *h);
/* at[k]: the position of each shard, behind its journal where that was reached. done:
 * handover_complete, or -1. Sets out to where a client goes on. Shards whose journal is not
 * complete stand in front of it. */
bool handover_vgtid(const struct handover *h, int done, const struct position *const *at,
                    struct vgtid *out, struct err *e) WARN_UNUSED;
/* Where the tables of a complete move went: the journal's positions. Nothing for a reshard. */
bool handover_moved(const struct handover *h, int done, struct vgtid *out,
                    struct err *e) WARN_UNUSED;
/* ERR_SRC_HANDOVER: what ended the stream, and how to go on. False. */
bool handover_error(const struct handover *h, int done, struct err *e);

#endif
