/* vrepl/move/stream.h — the data path of one workflow and one source shard: copy rounds, route,
 * apply.
 *
 * One vrepl_stream reads one source shard (one cdc_stream) and writes to all target shards of the
 * workflow that can receive its rows. The truth about what is done stands on the targets (epoch,
 * position, progress rows); this object can be thrown away at any moment and made again.
 */
#ifndef SLUICE_VREPL_MOVE_STREAM_H
#define SLUICE_VREPL_MOVE_STREAM_H

#include "cdc/reader.h"
#include "schemas/sharding/vschema.h"

enum vrepl_on_ddl {
    VREPL_ON_DDL_IGNORE,
    VREPL_ON_DDL_STOP,
    VREPL_ON_DDL_EXEC,
    VREPL_ON_DDL_EXEC_IGNORE
};

struct vrepl_table_spec {
    const char *source_table, *target_table; /* names in the shards' own databases */
    const struct vindex *vindex; /* NULL: every row goes to every target (unsharded, reference) */
    const char *const *vindex_columns;
    size_t n_vindex_columns;
    const char *deferred_keys; /* "ADD KEY …, ADD KEY …" to run, and verify, when the copy is
                                  complete; NULL: none */
};

struct vrepl_stream_spec {
    const char *workflow_key; /* "customer/split": the origin marker */
    const char
        *skip_origin; /* the partner's key ("customer/split_reverse"); own key is always skipped */
    const struct topo_shard *source;
    const struct topo_shard *const *targets; /* sorted by range */
    size_t n_targets;
    const struct vrepl_table_spec *tables;
    size_t n_tables;
    bool copy; /* begins with an initial copy; else start says where (targets' rows rule if present)
                */
    bool several_sources; /* others write the same target tables: plain statements guarded by vindex
                             columns */
    bool one_key_space;   /* a reshard's: the source's range too says which rows it may have */
    /* Where a stream that does not copy begins, when the target has no position row yet. */
    const struct position *start;
    uint64_t epoch; /* ours; rows of an older epoch are bumped at open, of a newer refuse
                       (ERR_WF_FENCED) */
    enum vrepl_on_ddl on_ddl;
    size_t copy_memory_bytes; /* 0: 16 MiB for all copiers */
    unsigned copiers;         /* 0: 2 */
    int64_t round_ms;         /* 0: 10,000 */
    bool stop_after_copy;
    const char *const *collation_map; /* "FROM=TO" (schemas/keys_fit.h) */
    size_t n_collation_map;
    const char *fence_pass; /* value for @sluice_pass so that fence triggers let us through */
};

enum vrepl_stream_state {
    VREPL_STREAM_STOPPED,
    VREPL_STREAM_COPYING,
    VREPL_STREAM_CATCHUP /* towards the high watermark */,
    VREPL_STREAM_RUNNING,
    VREPL_STREAM_ERROR
};
struct vrepl_table_status {
    const char *name;
    uint64_t rows_copied, rows_total, bytes_copied, bytes_total;
    bool done;
};
struct vrepl_stream_status {
    enum vrepl_stream_state state;
    char message[2080]; /* last error with its cure, or "" */
    char code[40];
    bool may_pass;       /* a new attempt may succeed where that error came */
    char position[2048]; /* lowest of all targets, text */
    int64_t lag_ms;      /* source commit → applied; −1 unknown */
    bool at_head;        /* nothing known to be missing */
    uint64_t rows_applied, transactions_applied, rows_copied;
    struct vrepl_table_status *tables; /* malloc'ed; names borrowed */
    size_t n_tables;
};

struct vrepl_stream;
/* Takes the stream over: sidecar tables exist; bumps the epoch rows, commits, then reads positions
 * and progress. Starts its threads. The spec is copied. */
struct vrepl_stream *vrepl_stream_start(const struct vrepl_stream_spec *spec,
                                        struct cdc_reader *reader, struct err *e) WARN_UNUSED;
/* Stops at a transaction boundary, joins the threads, frees. The targets' rows stay. */
void vrepl_stream_stop(struct vrepl_stream *s);
void vrepl_stream_status(struct vrepl_stream *s, struct vrepl_stream_status *out);
void vrepl_stream_status_fini(struct vrepl_stream_status *st);
/* Waits (by push) until every target has committed everything up to pos, with plain phase reached
 * (the high watermark is passed). ERR_TIMEOUT otherwise; the stream's own error if it stops. Thread: any. */
bool vrepl_stream_wait(struct vrepl_stream *s, const struct position *pos, int64_t timeout_ms,
                       struct err *e) WARN_UNUSED;
/* Makes every target commit its position now (an idle stream saves at most once a second
 * otherwise). */
bool vrepl_stream_flush(struct vrepl_stream *s, int64_t timeout_ms, struct err *e) WARN_UNUSED;
/* Freezes: everything up to pos stays applied, nothing after it will ever be. Used at the decision.
 */
bool vrepl_stream_freeze(struct vrepl_stream *s, const struct position *pos,
                         struct err *e) WARN_UNUSED;

#endif
