/* sinks/format/encode.h — one change to one record (key and value bytes) of a format. */
#ifndef SLUICE_SINKS_FORMAT_ENCODE_H
#define SLUICE_SINKS_FORMAT_ENCODE_H

#include "cdc/log/value.h"

/* Rows of an initial copy: which of them. */
enum encode_snapshot {
    ENCODE_SNAPSHOT_NONE, /* no copy: from the log */
    ENCODE_SNAPSHOT_ROW,
    ENCODE_SNAPSHOT_FIRST, /* of all */
    ENCODE_SNAPSHOT_FIRST_OF_TABLE,
    ENCODE_SNAPSHOT_LAST_OF_TABLE,
    ENCODE_SNAPSHOT_LAST /* of all */
};
struct encode_context {       /* what a record says about where it comes from */
    const char *installation; /* config name; Debezium's topic.prefix is `prefix` */
    const char *prefix;
    const char *keyspace, *shard;     /* NULL: left out (decode) */
    bool mariadb;                     /* flavour of the source */
    const char *version;              /* of this program */
    const struct position *pos;       /* consumer's position before this change; may be NULL */
    const struct cdc_change *begin;   /* BEGIN of the open transaction; NULL outside */
    int64_t now_ms, now_us, now_ns;   /* processing time */
    const struct schema_table *known; /* the same columns, with what no log says; or NULL */
    enum encode_snapshot snapshot;
    bool keyed; /* the destination finds records by their key, and orders those of one key only */
};
/* Output: called once per record. key NULL: no key. value NULL: tombstone. */
typedef bool (*encode_emit_fn)(void *ctx, const struct schema_table *table, const void *key,
                               size_t key_len, const void *value, size_t value_len, struct err *e);
struct encoder;
/* For encoders. Returns false: a record is beyond what one may be (SINK_RECORD). */
bool encode_too_large(struct err *e);
struct encoder_ops {
    const char *name; /* "ndjson", "debezium-json" */
    struct encoder *(*open)(const char *options_json, struct err *e);
    /* One row of a ROWS / COPY_ROWS change. seq: number of the row within its transaction. */
    bool (*row)(struct encoder *enc, const struct encode_context *c,
                const struct cdc_change *change, const struct cdc_row *before,
                const struct cdc_row *after, uint32_t seq, encode_emit_fn emit, void *ctx,
                struct err *e);
    /* DDL, BEGIN, COMMIT, HEARTBEAT…; formats that have nothing for a kind emit nothing. */
    bool (*other)(struct encoder *enc, const struct encode_context *c,
                  const struct cdc_change *change, encode_emit_fn emit, void *ctx, struct err *e);
    void (*close)(struct encoder *enc);
    bool wants_known; /* records say what only a definition of the server does */
};
struct encoder {
    const struct encoder_ops *ops;
};
const struct encoder_ops *encoder_find(const char *name); /* NULL; "" or NULL: ndjson */
void encoder_names(struct buf *out); /* "ndjson, debezium-json": for messages */

#endif
