/* cdc/vstream/initial_copy.h — the rows that exist where a lane begins: every wanted table of the
 * shard's database from one exact snapshot, table by table in the order of their names.
 *
 *     open        the snapshot is taken; `at` is its position
 *     next*       one chunk of rows each
 *     done        the lane goes on behind `at`, so each later change of a row follows the row
 *
 * A lane runs it (cdc/vstream/lane.h) and gives its chunks as parts; nobody else does. Nothing of it
 * survives a crash: a copy that was not given to its end begins anew, with a later snapshot.
 *
 * Thread: one.
 */
#ifndef SLUICE_CDC_VSTREAM_INITIAL_COPY_H
#define SLUICE_CDC_VSTREAM_INITIAL_COPY_H

#include "cdc/vstream/committed.h"
#include "mysql/params.h"

struct initial_copy_options {
    const struct my_params *source; /* the shard's server and database; NULL: there is no copy */
    const char *const *tables;      /* that are wanted; none: all */
    size_t n_tables;
};

/* Where a part stands among the rows of a copy. */
struct vstream_copied {
    const struct position *at; /* of the snapshot */
    bool mariadb;              /* the source's flavour, before a GTID tells it */
    bool first_table;          /* of all wanted ones, empty or not */
    bool begins, ends;         /* the first, the last part of its table */
    bool is_last;              /* nothing follows in any table */
};

enum initial_copy_next { INITIAL_COPY_PART, INITIAL_COPY_DONE, INITIAL_COPY_FAIL };

struct initial_copy;
/* Takes the snapshot. Options are borrowed. */
struct initial_copy *initial_copy_open(const struct initial_copy_options *o,
                                       struct err *e) WARN_UNUSED;
void initial_copy_close(struct initial_copy *c); /* NULL is fine */
/* PART: changes of CDC_COPY_ROWS, with part->copied; valid until the next call. A call that failed
 * may be repeated. */
enum initial_copy_next initial_copy_next(struct initial_copy *c, struct committed_part *part,
                                         struct err *e) WARN_UNUSED;
/* The snapshot's position. */
const struct position *initial_copy_position(const struct initial_copy *c);

#endif
