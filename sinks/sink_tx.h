/* sinks/sink_tx.h — records of committed transactions (cdc/vstream/committed.h): which tables are
 * wanted, what is known of them, and the encoder's calls.
 *
 * Behind the sinks' driver, `sluice stream` and the vstream over HTTP. Thread: one.
 */
#ifndef SLUICE_SINKS_SINK_TX_H
#define SLUICE_SINKS_SINK_TX_H

#include "cdc/vstream/committed.h"
#include "sinks/format/encode.h"

struct sink_tx_options {
    const char *database;      /* only tables of it; NULL: of all, but the sidecar's never */
    const char *const *tables; /* names; none: all */
    size_t n_tables;
    bool transactions;             /* BEGIN and COMMIT are records too */
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
    void *ctx; /* ctx of all the functions above */
};
struct sink_tx_stats {
    uint64_t rows, transactions, bytes; /* counts of wanted tables; bytes are those of row images */
};
struct sink_tx;
/* Strings and the encoder must outlive it. */
struct sink_tx *sink_tx_new(const struct sink_tx_options *o);
void sink_tx_free(struct sink_tx *t);
/* Encodes a part, whose transaction begins behind pos; pos stays where it is until the transaction's
 * end. Rows of a copy stand at their snapshot instead. After a failure the call may be repeated if nothing of the part was emitted yet (*clean). */
bool sink_tx_part(struct sink_tx *t, const struct committed_part *part, const struct position *pos,
                  bool *clean, struct err *e) WARN_UNUSED;
/* How the server of the next batch compares names (cdc_reader_folds_names); at first: as bytes. */
void sink_tx_fold_names(struct sink_tx *t, bool folds);
const struct sink_tx_stats *sink_tx_stats(const struct sink_tx *t);
bool sink_tx_wants(const struct sink_tx *t, const struct schema_table *table);

#endif
