/* cdc/vstream/lane.h — one shard's part of a change stream: the rows that exist, if they are wanted,
 * then committed transactions from its reader, in parts, up to the journal that ends the shard.
 *
 * A lane is pulled by one thread. The lanes of a sink are pulled each by its own and keep their
 * places in checkpoints; those of a merge belong to a vstream (cdc/vstream/vstream.h).
 *
 * How a lane that copies begins:
 *
 *     part* copied  part* taken …
 *     │     │       as below
 *     │     all rows were given; from here on the lane has a position, that of their snapshot
 *     some rows; a consumer that stops among them has nothing to go on from, and begins anew
 *
 * How a lane is read:
 *
 *     part* taken  part* taken  rest  part* taken  rest … ended
 *     │     │                   │                         the journal's transaction was taken
 *     │     │                   nothing came within the timeout
 *     │     everything that was read is given: a good moment to flush and to acknowledge
 *     a part of a committed transaction; the last one of a transaction says so
 */
#ifndef SLUICE_CDC_VSTREAM_LANE_H
#define SLUICE_CDC_VSTREAM_LANE_H

#include "cdc/reader.h"
#include "cdc/vstream/initial_copy.h"

enum vstream_next {
    VSTREAM_PART,
    VSTREAM_COPIED,
    VSTREAM_TAKEN,
    VSTREAM_REST,
    VSTREAM_ENDED,
    VSTREAM_FAIL
};

struct vstream_lane_options {
    const char *name;   /* the consumer's, for metrics and messages */
    size_t queue_bytes; /* 0: the reader's default */
    struct committed_options committed;
    struct initial_copy_options copy; /* with a source: the lane begins with a copy of it */
    /* A journal in a part that is about to be given; before: the position in front of its
     * transaction. *ends: the lane ends behind this transaction. False: an error (*e). */
    bool (*journal)(void *ctx, const char *json, const struct position *before, bool *ends,
                    struct err *e);
    void *ctx;
};
struct vstream_lane;
/* Takes the snapshot of a copy, else attaches to the reader, which must outlive the lane. start (not
 * used with a copy) NULL or empty: the log's end now. */
struct vstream_lane *vstream_lane_open(struct cdc_reader *reader,
                                       const struct vstream_lane_options *o,
                                       const struct position *start, struct err *e) WARN_UNUSED;
void vstream_lane_close(struct vstream_lane *l); /* NULL is fine */
/* PART: *part is valid until the next call. FAIL: the errors of cdc_stream_next and
 * committed_next; after class RETRY the call may be repeated. Thread: the lane's. */
enum vstream_next vstream_lane_next(struct vstream_lane *l, struct committed_part *part,
                                    int64_t timeout_ms, struct err *e) WARN_UNUSED;
/* The caller is done with the part that was given last; so does the next call say. Thread: the
 * lane's. */
void vstream_lane_taken(struct vstream_lane *l);
/* Whether rows of the initial copy have still to be given. Thread: the lane's. */
bool vstream_lane_copies(const struct vstream_lane *l);
/* Behind the last transaction that was given and taken; empty while the lane copies. Thread: the
 * lane's. */
const struct position *vstream_lane_position(const struct vstream_lane *l);
/* The reader's stream, for interrupting, acknowledging and asking; it lives as long as the lane. NULL
 * while the lane copies. */
struct cdc_stream *vstream_lane_stream(const struct vstream_lane *l);

#endif
