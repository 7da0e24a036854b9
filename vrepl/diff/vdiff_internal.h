/* vrepl/diff/vdiff_internal.h — what the files of vdiff share. Not for others. */
#ifndef SLUICE_VREPL_DIFF_VDIFF_INTERNAL_H
#define SLUICE_VREPL_DIFF_VDIFF_INTERNAL_H

#include "base/map.h"
#include "cdc/copy/copy_read.h"
#include "vrepl/diff/vdiff.h"

/* One server of one side, while one table is compared. */
struct vdiff_end {
    const struct topo_shard *shard;
    struct copy_reader *reader; /* checksums and rows */
    struct schema_table *table;
    char *from;     /* "`db`.`table`" */
    char *checksum; /* "COUNT(*), SUM(hash)" over this end's columns */
    char *key_hash; /* "key text, hash" */
    char *row;      /* all compared columns as text, key first */
};

struct vdiff_key_column {
    uint16_t number; /* in the source's table */
    char *name;      /* quoted */
    char *charset;   /* NULL: no character column */
    char *collation;
    bool numeric;
};

/* One table's comparison. */
struct vdiff_run {
    const struct vdiff_request *rq;
    const struct vdiff_table *t;
    struct vdiff_end *sources, *targets;
    struct vdiff_key_column *key; /* n_key 0: no identity */
    size_t n_key;
    char **columns; /* names compared, key columns first */
    size_t n_columns;
    struct vdiff_counts *counts; /* one a target */
    uint64_t ranges_done, ranges;
    char salt[33]; /* hexadecimal digits, of this run */
};

#define VDIFF_HASH_LEN 32 /* hexadecimal digits of a row's hash that are compared */

__extension__ typedef unsigned __int128 vdiff_total;
struct vdiff_sum {
    uint64_t n;
    vdiff_total total; /* of the rows' hashes */
};

/* vdiff_sql.c: plans the expressions of both sides. */
bool vdiff_plan(struct vdiff_run *d, struct err *e) WARN_UNUSED;
void vdiff_plan_fini(struct vdiff_run *d);
/* "(`k`=… AND …)" of a key text as key_hash gives it (hex of the canonical bytes, joined by ',').
 */
bool vdiff_key_condition(const struct vdiff_run *d, const char *key, struct buf *sql,
                         struct err *e) WARN_UNUSED;

/* vdiff_rows.c: the rows of ranges that differ. */
struct vdiff_hash {
    char hash[VDIFF_HASH_LEN];
    size_t end; /* which source or target had it */
    unsigned times;
};
/* Finds, re-checks and counts what really differs in a range. */
bool vdiff_compare_rows(struct vdiff_run *d, const struct copy_range *range,
                        struct err *e) WARN_UNUSED;
/* Rows whose vindex columns belong to another shard: counted as extra there. */
bool vdiff_check_placement(struct vdiff_run *d, size_t target, struct err *e) WARN_UNUSED;
/* Waits until every stream has applied its source's present end. */
bool vdiff_wait_common(struct vdiff_run *d, struct err *e) WARN_UNUSED;

/* vdiff_row.c */
/* A row's columns (text or NULL, lengths) as {"Row":{…}}. */
void vdiff_row_json(const struct vdiff_run *d, const struct my_cell *cells, struct buf *out);

#endif
