/* sinks/format/encode.h — one change to one record (key and value bytes) of a format. */
#ifndef SLUICE_SINKS_FORMAT_ENCODE_H
#define SLUICE_SINKS_FORMAT_ENCODE_H

#include "cdc/log/value.h"

/* Rows of an initial copy: which of them. */
enum encode_snapshot {
    ENCODE_SNAPSHOT_NONE, /* no copy: from the log */
    ENCODE_SNAPSHOT_ROW,
    ENCODE_SNAPSHOT_FIRST, /* the first row of all tables */
    ENCODE_SNAPSHOT_FIRST_OF_TABLE,
    ENCODE_SNAPSHOT_LAST_OF_TABLE,
    ENCODE_SNAPSHOT_LAST /* the last row of all tables */
};
struct encode_context {       /* what a record says about where it comes from */
    const char *installation; /* config name; Debezium's topic.prefix is `prefix` */
    const char *prefix;
    const char *keyspace, *shard;     /* NULL: left out (decode) */
    bool mariadb;                     /* flavour of the source */
    const char *version;              /* this program's version */
    const struct position *pos;       /* consumer's position before this change; may be NULL */
    const struct cdc_change *begin;   /* BEGIN of the open transaction; NULL outside */
    int64_t now_ms, now_us, now_ns;   /* processing time */
    const struct schema_table *known; /* the same columns, with what no log says; or NULL */
    enum encode_snapshot snapshot;
    bool keyed; /* the destination finds records by their key, and orders those of one key only */
    const char *topic; /* where the records of this change go: topic or index, as the destination
                          spells it; NULL: they go nowhere in particular */
};
enum encode_op {
    ENCODE_COPY, /* a row of an initial copy */
    ENCODE_INSERT,
    ENCODE_UPDATE,
    ENCODE_DELETE,
    ENCODE_TRUNCATE,
    ENCODE_DDL,
    ENCODE_BEGIN,
    ENCODE_COMMIT,
    ENCODE_ROLLBACK,
    ENCODE_HEARTBEAT
};
struct encode_record {
    const struct encode_context *context;
    const struct schema_table *table; /* NULL: of no table */
    enum encode_op op;
    uint32_t tx_index; /* records of the same transaction before this one; filled in by sink_tx */
    const void *key;   /* NULL: none */
    size_t key_len;
    const void *value; /* NULL: tombstone, which op does not change */
    size_t value_len;
};
/* Output: called once per record; everything is borrowed for the call. */
typedef bool (*encode_emit_fn)(void *ctx, const struct encode_record *r, struct err *e);

/* One row of a statement. Valid until the next one is asked for. */
struct encode_row {
    const struct encode_context *context;
    const struct cdc_change *change;
    const struct cdc_row *before, *after;
    uint32_t seq; /* number of the row within its transaction */
};
/* All rows of a ROWS or COPY_ROWS change, on their way through an encoder. */
struct encode_rows {
    const struct cdc_change *change;
    /* The next row. Nobody asks again behind CDC_ROWS_END or CDC_ROWS_FAIL. */
    enum cdc_rows_result (*next)(void *source, struct encode_row *row, struct err *e);
    /* A row that the format or emit refuses (SKIP_ROW, *e says why); true: it is dealt with, and
     * the next one may come. NULL: such a row is an error. */
    bool (*refused)(void *source, const struct encode_row *row, struct err *e);
    void *source;
    encode_emit_fn emit;
    void *ctx; /* ctx of emit */
};

struct encoder;
/* For encoders. Returns false: a record is beyond what one may be (SINK_RECORD). */
bool encode_too_large(struct err *e);
/* What a row's change is called where it is neither left nor entered by its key. */
enum encode_op encode_op_of(const struct cdc_change *change, const struct encode_context *c);

/* A format. Call order: open, then any number of rows and other, in the log's order and from one
 * thread at a time, then close. An encoder keeps nothing of a change beyond the call. */
struct encoder_ops {
    const char *name; /* "ndjson", "debezium-json" */
    /* First. NULL with *e: the options are not the format's. */
    struct encoder *(*open)(const char *options_json, struct err *e);
    /* After open: one statement's rows, between `other` of its BEGIN and of its COMMIT. Formats
     * whose records are of one row each have encode_row_by_row here. */
    bool (*rows)(struct encoder *enc, struct encode_rows *rows, struct err *e);
    /* One row; only encode_row_by_row and those who have a single row call it. NULL: the format
     * has records of whole statements. */
    bool (*row)(struct encoder *enc, const struct encode_row *row, encode_emit_fn emit, void *ctx,
                struct err *e);
    /* After open: DDL, BEGIN, COMMIT, HEARTBEAT…; formats that have nothing for a kind emit
     * nothing. */
    bool (*other)(struct encoder *enc, const struct encode_context *c,
                  const struct cdc_change *change, encode_emit_fn emit, void *ctx, struct err *e);
    /* Last. NULL is fine. */
    void (*close)(struct encoder *enc);
    bool wants_known; /* records say what only a definition of the server does */
};
/* `rows` of a format with one row a record, by its `row`. Errors name the table. */
bool encode_row_by_row(struct encoder *enc, struct encode_rows *rows, struct err *e);
struct encoder {
    const struct encoder_ops *ops;
};
const struct encoder_ops *encoder_find(const char *name); /* NULL; "" or NULL: ndjson */
void encoder_names(struct buf *out); /* "ndjson, debezium-json": for messages */

#endif
