/* cdc/sidecar/progress_row.h — the statements on _sluice.progress: how far each key range of each
 * table is copied.
 */
#ifndef SLUICE_CDC_SIDECAR_PROGRESS_ROW_H
#define SLUICE_CDC_SIDECAR_PROGRESS_ROW_H

#include "cdc/sidecar/sidecar_table.h"

extern const struct sidecar_table progress_row_table;

/* `last` of the one range of a table whose rows were kept (vrepl/move/progress.h). */
#define PROGRESS_KEPT "kept"

/* One row; the texts are borrowed. Bounds are texts as cdc/copy/copy_read.h prints them. */
struct progress_row {
    const char *tab;
    unsigned range_no;
    const char *lower, *upper, *last;
    bool done;
    uint64_t rows;
};

/* Calls fn for every row of the stream, by table and range, until it fails. */
bool progress_rows_each(struct my_conn *c, const struct sidecar_key *key,
                        bool (*fn)(void *ctx, const struct progress_row *row, struct err *e),
                        void *ctx, struct err *e) WARN_UNUSED;
/* Locks and reads one row, and calls fn with it; *found false: it is not there. */
bool progress_row_read(struct my_conn *c, const struct sidecar_key *key, const char *tab,
                       unsigned range_no,
                       bool (*fn)(void *ctx, const struct progress_row *row, struct err *e),
                       void *ctx, bool *found, struct err *e) WARN_UNUSED;
/* Inside a transaction: */
bool progress_row_insert(struct my_conn *c, const struct sidecar_key *key,
                         const struct progress_row *row, struct err *e) WARN_UNUSED;
/* was → last and done, with rows added; *moved when the row is not as `was` says. */
bool progress_row_advance(struct my_conn *c, const struct sidecar_key *key,
                          const struct progress_row *was, const char *last, bool done,
                          uint64_t rows, bool *moved, struct err *e) WARN_UNUSED;
/* Removes a table's rows of one stream. */
bool progress_rows_remove(struct my_conn *c, const struct sidecar_key *key, const char *tab,
                          struct err *e) WARN_UNUSED;
/* Removes a table's rows of all streams of a workflow. */
bool progress_rows_forget_table(struct my_conn *c, const char *workflow_key, const char *tab,
                                struct err *e) WARN_UNUSED;
/* In streams that have passed the high watermark, one row with PROGRESS_KEPT takes the place of a
 * table's rows; in others they stay. */
bool progress_rows_keep_table(struct my_conn *c, const char *workflow_key, const char *tab,
                              struct err *e) WARN_UNUSED;
/* Whether any stream of the workflow still copies the table. */
bool progress_rows_open(struct my_conn *c, const char *workflow_key, const char *tab, bool *open,
                        struct err *e) WARN_UNUSED;

#endif
