/* vrepl/diff/vdiff_report.h — what a comparison found: a struct that is rendered once, with vtctldclient's
 * field names. Pure.
 */
#ifndef SLUICE_VREPL_DIFF_VDIFF_REPORT_H
#define SLUICE_VREPL_DIFF_VDIFF_REPORT_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

/* Of one table on one target. */
struct vdiff_counts {
    uint64_t processed, mismatched, extra_source, extra_target;
    struct buf mismatched_sample, extra_source_sample, extra_target_sample; /* JSON, comma-joined */
    unsigned n_mismatched_sample, n_extra_source_sample, n_extra_target_sample;
};
struct vdiff_table_report {
    char *table;
    struct vdiff_counts *targets; /* in the order of the report's shards */
};
struct vdiff_report {
    char **shards; /* the targets' names */
    size_t n_shards;
    struct vdiff_table_report *tables;
    size_t n_tables;
};
uint64_t vdiff_counts_differences(const struct vdiff_counts *c);
/* All tables on all targets. */
uint64_t vdiff_report_rows(const struct vdiff_report *r);
uint64_t vdiff_report_differences(const struct vdiff_report *r);
void vdiff_report_fini(struct vdiff_report *r);

/* Whose comparison it is, and how it stands. */
struct vdiff_head {
    const char *workflow, *keyspace, *uuid;
    const char *shards;   /* a,b */
    const char *state;    /* "started", "completed", "stopped", "error" */
    const char *error;    /* NULL: none */
    int64_t started_ms;   /* wall clock */
    int64_t completed_ms; /* 0: it is not */
};
/* The document that is stored and shown. r: NULL before there is one. */
void vdiff_report_put(const struct vdiff_head *h, const struct vdiff_report *r, struct buf *out);

#endif
