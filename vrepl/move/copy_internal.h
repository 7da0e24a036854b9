/* vrepl/move/copy_internal.h — what copy.c (rounds) and copier.c (one copier's reads and writes)
 * share.
 */
#ifndef SLUICE_VREPL_MOVE_COPY_INTERNAL_H
#define SLUICE_VREPL_MOVE_COPY_INTERNAL_H

#include "vrepl/move/copy.h"
#include "vrepl/move/writer.h"

#include <pthread.h>

#define COPY_MEMORY_BYTES ((size_t)16 * 1024 * 1024)
#define COPY_COPIERS      2u
#define COPY_RANGE_ROWS   25000u /* a range is at least so big */
#define COPY_PROVE_MS     30000

/* What one copier works on: one range of one table for the targets that stand at the same place of
 * it. */
struct copy_unit {
    size_t table_no;
    unsigned range_no;
    bool *targets; /* one a target */
    char *last;
    bool taken, done;
};

struct copier_target { /* a copier's own connection to one target */
    struct my_conn *conn;
    struct target_tx *tx;
    struct vrepl_writer *writer;
    int64_t used_ms; /* when a chunk's first attempt began */
};
struct copier {
    struct vrepl_copy *copy;
    struct copy_reader *reader; /* own connection to the source */
    struct copier_target *targets;
    struct cdc_row *row;
    size_t row_columns;
    pthread_t thread;
    struct err error;
};
struct vrepl_copy {
    struct vrepl_copy_options o;
    struct copier *copiers;
    size_t n_copiers, chunk_bytes;
    struct metric **m_rows, **m_bytes; /* one a table */
    pthread_mutex_t lock;
    struct copy_unit *units;
    size_t n_units, cap_units;
    bool round_over; /* nobody takes another chunk */
    int64_t round_end_ms;
    const struct position *low; /* the low watermark of this round */
};

/* copier.c */
void copier_close(struct copier *k);
/* Opens whatever is not open. */
bool copier_open(struct copier *k, struct err *e) WARN_UNUSED;
/* Writes one chunk to one target, exactly once; new_last and done go into the progress row of r. */
struct copier_chunk {
    const struct cdc_batch *batch; /* NULL: no rows */
    const struct vrepl_plan *plan;
    const uint16_t *routes; /* one a row; NULL: all rows go everywhere */
    size_t table_no;
    const char *new_last;
    bool done;
};
bool copier_write(struct copier *k, size_t target_no, struct progress_range *r,
                  const struct copier_chunk *chunk, struct err *e) WARN_UNUSED;
/* By which the copier's view reads the table; borrowed until the view ends. Refused: one that is
 * ordered by another key than the one by which the table's ranges were cut. */
const struct schema_table *copier_definition(struct copier *k, size_t table_no,
                                             struct err *e) WARN_UNUSED;
/* Plan and routes of a chunk; *routes malloc'ed or NULL. */
bool copier_route(struct copier *k, const struct cdc_batch *b, const struct vrepl_plan **plan,
                  uint16_t **routes, struct err *e) WARN_UNUSED;

#endif
