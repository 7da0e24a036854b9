/* sinks/snapshot.h — the rows that exist where a stream begins, as records: every wanted table from
 * one exact snapshot.
 */
#ifndef SLUICE_SINKS_SNAPSHOT_H
#define SLUICE_SINKS_SNAPSHOT_H

#include "mysql/params.h"
#include "sinks/sink_tx.h"

/* Called before each chunk is read, and after the last one was given: writes out, sees whether to
 * stop. */
typedef bool (*sink_snapshot_between_fn)(void *ctx, struct err *e);
/* Gives the rows of all tables of source's database that tx wants, table by table in the order of
 * their names; the stream goes on at *at, so each later change follows each row. Thread: any, one
 * at a time. */
bool sink_snapshot(struct sink_tx *tx, const struct my_params *source, struct position *at,
                   sink_snapshot_between_fn between, void *ctx, struct err *e) WARN_UNUSED;

/* Where a chunk stands among the rows of the snapshot. Pure. */
struct sink_snapshot_place {
    bool first_table;           /* of all wanted ones, empty or not */
    bool begins, ends, is_last; /* of its table's chunks; is_last: nothing follows in any table */
};
/* Which of Debezium's markers a row has: last_row and first_row are about its chunk. The last row
 * of all is "last" whatever else it is; "first" comes before "last_in_data_collection". */
enum encode_snapshot sink_snapshot_mark(const struct sink_snapshot_place *place, bool first_row,
                                        bool last_row);

#endif
