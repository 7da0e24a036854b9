/* vrepl/diff/vdiff.h — compares source and target of a workflow: checksums of key ranges computed
 * in the servers, only differing ranges read row by row, differences of a moving table re-checked
 * at a later common position.
 */
#ifndef SLUICE_VREPL_DIFF_VDIFF_H
#define SLUICE_VREPL_DIFF_VDIFF_H

#include "schemas/sharding/vschema.h"
#include "vrepl/diff/vdiff_report.h"
#include "vrepl/move/stream.h"

struct vdiff_table {
    const char *source_table, *target_table;
    const struct vindex *vindex; /* NULL: every row is on every target */
    const char *const *vindex_columns;
    size_t n_vindex_columns;
};
#define VDIFF_SAMPLES_MAX 10000 /* a report holds no more, whatever is asked for */
struct vdiff_request {
    /* "<keyspace>/<workflow>": under it the incarnations of target tables are kept. */
    const char *workflow_key;
    const struct topo_shard *const *sources;
    size_t n_sources;
    const struct topo_shard *const *targets;
    size_t n_targets;
    /* One a source, in the sources' order: a comparison waits until each has applied a position. */
    struct vrepl_stream *const *streams;
    const struct vdiff_table *tables;
    size_t n_tables;
    unsigned max_sample_rows; /* for each kind of difference and table; 0: VDIFF_SAMPLES_MAX */
    int64_t wait_ms;          /* how long a common position may take */
    bool only_pks;
    const volatile int *cancelled;
    void (*progress)(void *ctx, const char *json);
    void *progress_ctx;
};
/* Runs to the end (Thread: the caller's). report: for vdiff_report_fini, also when false is returned.
 * An error is never a clean result. */
bool vdiff_run(const struct vdiff_request *rq, struct vdiff_report *report,
               struct err *e) WARN_UNUSED;

#endif
