/* cdc/vstream/vstream.h — the change stream of a keyspace: whole committed transactions of all the
 * shards that serve, across reshards.
 *
 * Each shard has a lane, with a number that it keeps. When a reshard's journal was reached on all
 * lanes that it ends, lanes of its children are added (cdc/vstream/handover.h), which begin where
 * the journal says; nothing of them is given before, so the changes of a key stay in order:
 *
 *     lane 0  -    … transactions … journal | ended
 *     lane 1  -80                           | transactions …
 *     lane 2  80-                           | transactions …
 *
 * Lanes are pulled each by its own thread (vstream_pull), or all by one (vstream_next). The VGTID
 * stands behind every transaction that was given wholly and taken, and in front of all others.
 */
#ifndef SLUICE_CDC_VSTREAM_VSTREAM_H
#define SLUICE_CDC_VSTREAM_VSTREAM_H

#include "cdc/vstream/handover.h"
#include "cdc/vstream/lane.h"

struct vstream_options {
    const struct topo_keyspace *ks;
    const char *const
        *tables;           /* tables that are wanted: a move of others does not end the stream */
    size_t n_tables;       /* none: all */
    const char *name;      /* the consumer's, for metrics and messages */
    size_t queue_bytes;    /* limit of each lane's queue; 0: the reader's default */
    const char *spill_dir; /* as in committed_options, like the two below */
    uint64_t spill_max_bytes;
    bool at_once;
    /* Lanes that the stream begins with give the rows that exist before the changes behind them
     * (cdc/vstream/initial_copy.h): where it is wanted, from the servers of ks. */
    bool copy;
    const struct vgtid *until; /* NULL, or: each lane ends at its entry, which it must have */
    uint32_t until_time; /* 0, or: lanes end in front of the first transaction at or after it */
    /* The reader of a shard of ks, which must outlive the vstream; NULL: there is none (*e).
     * Thread: that of the lane that needs it. */
    struct cdc_reader *(*reader)(void *ctx, const struct topo_shard *shard, struct err *e);
    void *ctx;
};
struct vstream;
/* One lane a shard, numbered in this order. Everything in the options is borrowed. */
struct vstream *vstream_open(const struct vstream_options *o, const char *const *shards, size_t n);
void vstream_close(struct vstream *v); /* no lane is pulled any more; NULL is fine */

/* One lane, with its shard. It lives as long as the vstream. */
struct vstream_shard;
/* How many lanes there are by now, ended ones included. Thread: any. */
size_t vstream_count(struct vstream *v);
struct vstream_shard *vstream_shard(struct vstream *v, size_t i); /* Thread: any */
const struct topo_shard *vstream_shard_is(const struct vstream_shard *s);
size_t vstream_shard_number(const struct vstream_shard *s);
/* Whether a reshard added the lane, so that its start is known. */
bool vstream_is_child(const struct vstream_shard *s);

/* Attaches the lane to its reader, or takes the snapshot of its copy. start: not used for a child or
 * with a copy; else as in vstream_lane_open. Once for each lane, before it is pulled. Thread: the
 * lane's. */
bool vstream_begin(struct vstream_shard *s, const struct position *start,
                   struct err *e) WARN_UNUSED;
/* The lane's next. ENDED: its journal, its `until`, or the end of the whole stream was reached; the
 * lane has left its reader. FAIL: as vstream_lane_next, or ERR_SRC_HANDOVER: the stream cannot
 * follow a switch of traffic; it is over for all lanes, and vstream_vgtid says where a client goes
 * on. Thread: the lane's. */
enum vstream_next vstream_pull(struct vstream_shard *s, struct committed_part *part,
                               int64_t timeout_ms, struct err *e) WARN_UNUSED;
/* The caller is done with the part that was given last; so does the next call say. It matters before
 * vstream_vgtid. Thread: the lane's. */
void vstream_taken(struct vstream_shard *s);
/* vstream_pull of one lane after another, with transactions whole; *s says whose it is. Begins the lanes
 * of children itself. Waits for up to timeout_ms when nothing comes. Thread: one. */
enum vstream_next vstream_next(struct vstream *v, struct vstream_shard **s,
                               struct committed_part *part, int64_t timeout_ms,
                               struct err *e) WARN_UNUSED;

struct vstream_state {
    bool ended;         /* it is given up to its journal, or to its `until` */
    bool replaced;      /* the children of a reshard have taken its place in the stream */
    enum cdc_rest rest; /* what it waits for, since it last said VSTREAM_REST */
    const char *why;    /* why the lane rests, or ""; valid until the lane is pulled again */
};
struct vstream_state vstream_state(struct vstream_shard *s);
/* NULL before the lane begins, while it copies, and after it has ended. Thread: the lane's. */
struct cdc_stream *vstream_stream(const struct vstream_shard *s);
/* How the lane's server compares names. Thread: the lane's, once it began. */
bool vstream_folds_names(const struct vstream_shard *s);
/* Behind the last transaction that was given and taken. Thread: the lane's, or any while the lane is
 * not pulled. */
const struct position *vstream_position(const struct vstream_shard *s);

/* Where the stream goes on; moved: where the tables do that a move took away, or empty.
 * ERR_SRC_COPY: the copy of a lane was not given to its end, so there is no such place. Thread: any
 * while no lane is pulled. */
bool vstream_vgtid(struct vstream *v, struct vgtid *out, struct vgtid *moved,
                   struct err *e) WARN_UNUSED;

#endif
