/* sinks/sink_tx.h — whole transactions out of a stream of batches, as records: nothing of a
 * transaction is encoded before its COMMIT was seen, nothing ever of one that was rolled back.
 *
 * Behind the sinks' driver and `sluice stream`. Keeps the position after the last transaction that
 * was encoded wholly: a checkpoint may be set there. Thread: one.
 */
#ifndef SLUICE_SINKS_SINK_TX_H
#define SLUICE_SINKS_SINK_TX_H

#include "cdc/log/spool.h"
#include "sinks/format/encode.h"

struct sink_tx_options {
    const char *database;      /* only tables of it; NULL: of all, but the sidecar's never */
    const char *const *tables; /* names; none: all */
    size_t n_tables;
    bool transactions;        /* BEGIN and COMMIT are records too */
    const char *spill_dir;    /* state directory, or NULL: big transactions stay in memory */
    uint64_t spill_max_bytes; /* 0: default */
    const struct position
        *until; /* NULL, or: sink_tx_batch returns behind the transaction that reaches it */
    uint32_t until_time;           /* 0, or: it stops before the first transaction at or after it */
    struct encoder *encoder;       /* borrowed; NULL: every value is decoded, nothing is encoded */
    struct encode_context context; /* what stays the same; begin, pos and times are filled in */
    encode_emit_fn emit;
    /* Before anything of a change is encoded: where its records go; table NULL: those of no table.
     * Lent until the next question. NULL: nowhere in particular. */
    const char *(*topic)(void *ctx, const struct schema_table *table);
    /* Behind the last record of a transaction that has any. NULL: nobody asks. */
    bool (*committed)(void *ctx, const struct cdc_change *begin, uint32_t n_records, struct err *e);
    /* What the server proves of a table where the transaction begins (*out: a new reference, or
     * NULL); false: later, perhaps. NULL: nobody can be asked. */
    bool (*define)(void *ctx, const struct cdc_change *begin, const struct schema_table *table,
                   const struct schema_table **out, struct err *e);
    /* A row that the encoder or emit refuses (SKIP_ROW, *e says why); true: it is dealt with, and
     * the transaction goes on. NULL: such a row is an error. */
    bool (*refused)(void *ctx, const struct encode_row *row, struct err *e);
    /* A committed JOURNAL; NULL: not wanted. */
    bool (*journal)(void *ctx, const char *json, size_t n, struct err *e);
    void *ctx; /* of all these */
};
struct sink_tx_stats {
    uint64_t rows, transactions, bytes; /* of wanted tables; bytes of images */
};
struct sink_tx;
/* Strings and the encoder must outlive it. */
struct sink_tx *sink_tx_new(const struct sink_tx_options *o, const struct position *start);
void sink_tx_free(struct sink_tx *t);
/* Takes changes *at … of b; *at moves on and is b->n_changes at the end. After a failure the call
 * may be repeated if nothing of the transaction at *at was emitted yet (*clean), else by
 * sink_tx_reset only. */
bool sink_tx_batch(struct sink_tx *t, struct cdc_batch *b, size_t *at, bool *clean,
                   struct err *e) WARN_UNUSED;
/* How the server of the next batch compares names (cdc_reader_folds_names); at first: as bytes. */
void sink_tx_fold_names(struct sink_tx *t, bool folds);
/* Drops the open transaction; the stream was rewound to pos. */
void sink_tx_reset(struct sink_tx *t, const struct position *pos);
/* Which flavour the source has, before a transaction's GTID tells. */
void sink_tx_is_of_mariadb(struct sink_tx *t, bool yes);
struct sink_snapshot_place;
/* A chunk of an initial copy, and where it stands among its rows (sinks/snapshot.h). */
bool sink_tx_copy_rows(struct sink_tx *t, const struct cdc_change *c,
                       const struct sink_snapshot_place *place, struct err *e) WARN_UNUSED;
const struct position *sink_tx_position(const struct sink_tx *t);
bool sink_tx_reached(
    const struct sink_tx *t); /* until, or behind the transaction of sink_tx_stop */
/* From the journal callback: nothing behind this transaction is taken. */
void sink_tx_stop(struct sink_tx *t);
bool sink_tx_is_open(const struct sink_tx *t); /* a part of a transaction is held back */
const struct sink_tx_stats *sink_tx_stats(const struct sink_tx *t);
bool sink_tx_wants(const struct sink_tx *t, const struct schema_table *table);

#endif
