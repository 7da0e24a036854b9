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
 * So a client that is cut off between the two resumes before both journals and meets them again. When
 * the switch is complete the stream follows it, where it can, to the shards that serve now.
 */
#ifndef SLUICE_CDC_VSTREAM_HANDOVER_H
#define SLUICE_CDC_VSTREAM_HANDOVER_H

#include "cdc/vstream/family.h"
#include "schemas/sharding/topology.h"
#include "state/position.h"

/* A start that would leave rows out is refused (ERR_POSITION_PARSE): the VGTID's shards must be
 * configured, be of this keyspace and make up its whole key range, or that of `only` (a shard's
 * name; NULL: the whole keyspace is read). serving (for the message) may be empty. They need not serve: a
 * journal in their logs says where they went. */
bool handover_check_start(const struct topo_keyspace *ks, const struct vgtid *v, const char *only,
                          const char *const *serving, size_t n_serving, struct err *e) WARN_UNUSED;

/* Whether a stream that was asked for `only` (NULL: everything) reads the shard: it is that one, or
 * holds a part of its key range. */
bool handover_is_within(const struct topo_keyspace *ks, const char *only, const char *shard);

/* The shards keep their index for ever: shards that a reshard made are appended, and one that gave
 * its rows to them is no longer `known`. Of a shard whose journal was reached (`ended`), `at` stands
 * in front of the journal. Zero before handover_init. Thread: one, or under the owner's lock. */
struct handover {
    struct family family;
    size_t cap;
    const char *const *tables; /* tables that the stream wants; none: all */
    size_t n_tables;
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
/* Whether the i-th shard's journal was reached, on all shards of the stream that it names. */
bool handover_is_complete(const struct handover *h, size_t i);
/* The first shard of which that holds; -1: none. */
int handover_complete(const struct handover *h);
/* at[k]: the position of each shard, behind its journal where that was reached; NULL where its
 * reading has not begun. done: handover_complete, or -1. Sets out to where a client goes on. Shards
 * whose journal is not complete stand in front of it. */
bool handover_vgtid(const struct handover *h, int done, const struct position *const *at,
                    struct vgtid *out, struct err *e) WARN_UNUSED;
/* Where the tables of a complete move went: the journal's positions. Nothing for a reshard. */
bool handover_moved(const struct handover *h, int done, struct vgtid *out,
                    struct err *e) WARN_UNUSED;
/* Puts the children of a complete reshard in the place of their parents; they begin at `at`. False,
 * and nothing is changed, where the stream cannot follow (ERR_SRC_HANDOVER, which says why and how a
 * client goes on): tables moved to another keyspace; a child that is not configured; a child that
 * holds rows of a parent that this stream does not read; a journal without a usable position. The
 * names of new shards are ks's. */
bool handover_follow(struct handover *h, int done, const struct topo_keyspace *ks,
                     struct err *e) WARN_UNUSED;
/* ERR_SRC_HANDOVER: what ended the stream, and how to go on. False. */
bool handover_error(const struct handover *h, int done, struct err *e);

#endif
