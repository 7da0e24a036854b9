/* vrepl/move/progress.h — how far each key range of each table is copied to one target
 * (cdc/sidecar/progress_row.h).
 *
 * The rows on the target are the truth; this is their image in memory, changed only after the
 * transaction that changed them is known to be committed. While appliers run nobody changes it. A
 * table that is copied from one exact snapshot has one row (range 0) whose `lower` is the
 * snapshot's position; its changes up to there are in the copy, those after it are applied exactly
 * once. A table whose rows were kept when others of its stream began to be copied anew
 * (vrepl/workflow/recopy.h) has one row (range 0) whose `last` is PROGRESS_KEPT, which is no bound:
 * it was a state of the source at the stream's position and stays one, whatever key it has or gets.
 */
#ifndef SLUICE_VREPL_MOVE_PROGRESS_H
#define SLUICE_VREPL_MOVE_PROGRESS_H

#include "cdc/copy/copy_read.h"
#include "cdc/sidecar/progress_row.h"
#include "vrepl/move/plan.h"
#include "vrepl/move/target_tx.h"

#define PROGRESS_KEY_MAX 16
__extension__ typedef __int128 progress_int;
struct progress_key { /* a bound of integer keys; n 0: unbounded, or not parsed */
    size_t n;
    progress_int values[PROGRESS_KEY_MAX];
};
struct progress_range { /* lower exclusive, upper inclusive; texts as copy_read.h's bounds */
    unsigned no;
    char *lower, *upper, *last;
    bool done;
    uint64_t rows;
    struct progress_key lower_key, upper_key, last_key;
};
struct progress_table {
    const char *name; /* the target table's name; borrowed from the spec */
    struct progress_range *ranges;
    size_t n_ranges;
    bool order_exact;    /* bounds are parsed */
    bool exact_snapshot; /* copied from one exact snapshot */
    bool kept;           /* every change is applied exactly once, as after the high watermark */
    struct position snapshot; /* the exact snapshot's position, once it was taken */
};
struct progress {
    struct progress_table *tables; /* one a table of the spec, in its order */
    size_t n_tables;
};

void progress_init(struct progress *p, const struct vrepl_stream_spec *spec);
void progress_fini(struct progress *p);
/* Reads all rows of the stream; nothing else may be copying. */
bool progress_load(struct progress *p, struct my_conn *c, const struct target_tx_key *key,
                   struct err *e) WARN_UNUSED;
bool progress_table_done(const struct progress_table *t);
bool progress_done(const struct progress *p);
/* Nothing of it that is there now will stay: its copy has not begun, or will begin again. */
bool progress_table_waits(const struct progress_table *t);

/* Inside a target transaction: */
bool progress_insert(struct my_conn *c, const struct target_tx_key *key, const char *tab,
                     unsigned range_no, const struct copy_range *range, struct err *e) WARN_UNUSED;
/* last → new_last, rows added; *moved when the row is not as r says (an earlier COMMIT landed). */
bool progress_advance(struct my_conn *c, const struct target_tx_key *key,
                      const struct progress_table *t, const struct progress_range *r,
                      const char *new_last, bool done, uint64_t rows, bool *moved,
                      struct err *e) WARN_UNUSED;
/* Reads one range again, locked. */
bool progress_reread(struct my_conn *c, const struct target_tx_key *key, struct progress_table *t,
                     struct progress_range *r, struct err *e) WARN_UNUSED;
/* After the commit. ERR_INTERNAL: a bound of an exact key is no list of integers. */
bool progress_range_set(const struct progress_table *t, struct progress_range *r, const char *last,
                        bool done, struct err *e) WARN_UNUSED;

/* Is the key of this image copied? Only for tables with order_exact. Thread: any while nobody
 * copies. */
bool progress_covers(const struct progress_table *t, const struct vrepl_plan *plan,
                     const struct cdc_row *row);

#endif
