/* sinks/sink.h — a destination of records, and the driver that feeds it from streams.
 *
 * The driver advances the checkpoint in SQLite only after the sink acknowledged, in order; every
 * sink but stdout stores its position with its data too; at start the newest acknowledged of the
 * two wins.
 */
#ifndef SLUICE_SINKS_SINK_H
#define SLUICE_SINKS_SINK_H

#include "cdc/reader.h"
#include "sinks/format/encode.h"
#include "sinks/sink_status.h"
#include "state/store.h"

struct sink_record {
    const char *topic; /* topic, index or file section */
    enum encode_op op;
    /* BEGIN of the record's transaction, with its GTID and times; NULL: of an initial copy. */
    const struct cdc_change *tx;
    uint32_t tx_index; /* records of that transaction before this one: 0 is where it begins */
    const void *key;   /* NULL: none */
    size_t key_len;
    const void *value; /* NULL: tombstone */
    size_t value_len;
    int64_t timestamp_ms;
};
struct sink;
/* Asks whether the caller wants to stop: for operations that wait. Any thread. */
struct sink_stop {
    bool (*asked)(void *ctx);
    void *ctx;
};
/* What a destination says of a sink that publishes to it: its definition, or one lane's position;
 * the other is NULL. Borrowed for the call. */
struct sink_memory {
    const char *name, *definition, *keyspace, *shard, *position;
};
struct sink_place { /* one lane */
    char *keyspace, *shard;
};
typedef bool (*sink_recall_fn)(void *ctx, const struct sink_memory *m, struct err *e);
/* A destination. Call order, of one instance and from one thread: open; position; begin, where it
 * is not NULL; then write, commit, poll, refused and flush as often as there is something; close.
 * forget and recall are about a destination and need no instance. */
struct sink_ops {
    const char *scheme; /* "kafka", "file", "stdout" */
    bool keyed;         /* orders the records of one key only; false: all records of a lane */
    /* First. target: what stands behind the scheme; options_json: the sink's configuration. stop:
     * NULL, or outlives the sink. */
    struct sink *(*open)(const char *target, const char *options_json, const struct sink_stop *stop,
                         struct err *e);
    /* After begin; in the log's order. Bytes are copied or sent on return. RETRY: the same record
     * comes again; SKIP_ROW: this one record is refused. */
    bool (*write)(struct sink *s, const struct sink_record *r, struct err *e);
    /* After the last record of a transaction, before the first one of the next; n_records were
     * written, less those that were refused. NULL: the destination has no transactions. */
    bool (*commit)(struct sink *s, const struct cdc_change *tx, uint32_t n_records, struct err *e);
    /* After any write; with a position only between transactions. Everything written so far is
     * acknowledged and `position` (text) with it. Blocks up to timeout_ms. */
    bool (*flush)(struct sink *s, const char *keyspace, const char *shard, const char *position,
                  int64_t timeout_ms, struct err *e);
    /* After flush, and when write says SKIP_ROW later. The next record that `write` had taken and the
     * destination refused, and why; false: there is none. Lent until the next call. After a flush
     * without position, all records before it were either acknowledged or are given here; none is
     * both. NULL: refusals come from `write`. */
    bool (*refused)(struct sink *s, struct sink_record *r, struct err *why);
    void (*poll)(struct sink *s); /* After open: serves callbacks; called often. */
    /* After open, before any write. The position stored with the data; *out "" if none. */
    bool (*position)(struct sink *s, const char *keyspace, const char *shard, struct buf *out,
                     struct err *e);
    void (*close)(struct sink *s); /* Last. NULL is fine. */
    /* After position, before a lane's first record: who the sink is (definition; NULL: the
     * configuration file says it) and, unless position is NULL, where it begins ("": with a copy).
     * What stands there of another sink of its name holds no longer. NULL: the destination keeps
     * nothing. */
    bool (*begin)(struct sink *s, const char *keyspace, const char *shard, const char *definition,
                  const char *position, int64_t timeout_ms, struct err *e);
    /* Without an instance. The sink is deleted: nothing of it is recalled from now on. No sink of it
     * is open. NULL: the destination keeps nothing. */
    bool (*forget)(const char *target, const char *options_json, const struct sink_stop *stop,
                   const struct sink_place *lanes, size_t n_lanes, struct err *e);
    /* Without an instance. What stands at the destination of all sinks, the newest of each kind;
     * changes nothing. */
    bool (*recall)(const char *target, const char *options_json, sink_recall_fn fn, void *ctx,
                   struct err *e);
};
struct sink {
    const struct sink_ops *ops;
};
const struct sink_ops *sink_find(const char *scheme); /* NULL if unknown */

#define SINK_NAME_MAX_BYTES 100
/* A name stands in paths, labels and log lines: ERR_SINK_CONFIG when it is empty, too long, dots
 * alone, or has a space, / ? # % or a letter that acts on terminals. Pure. */
bool sink_name_check(const char *name, struct err *e);
/* "kafka://h:9092" → "kafka", "h:9092"; "file:/p" → "file", "/p"; "stdout" → "stdout", "". */
bool sink_parse_to(const char *to, char *scheme, size_t scheme_len, const char **target,
                   struct err *e) WARN_UNUSED;

/* Looks at the paths of all file sinks: what was renamed or removed is left, and its file made
 * anew. The same happens before each flush; this is for a rotation that wants it now. Thread: any.
 */
void sink_files_reopen(void);

/* What a definition that does not say otherwise has; the tables of flags and of configuration keys
 * show these. */
#define SINK_DEFAULT_FORMAT       "ndjson"
#define SINK_DEFAULT_TOPIC        "{prefix}.{db}.{table}"
#define SINK_DEFAULT_FROM         "current"
#define SINK_DEFAULT_ON_STATEMENT "skip-unrelated"
#define SINK_ON_STATEMENT         "skip-unrelated|stop|warn"

/* One sink's definition, from YAML or `sink create`. */
struct sink_spec {
    char *name, *keyspace, *to, *format, *prefix, *topic, *options_json /* incl. "kafka":{…} */;
    char *definition; /* what the destination keeps of a sink made by command; NULL: nothing */
    char **tables;    /* none: all */
    size_t n_tables;
    bool copy;  /* initial copy first */
    char *from; /* "current", "beginning", a time or a VGTID; only without a checkpoint */
    bool from_yaml;
    uint64_t spill_max_bytes; /* limits.spill_max; 0: default */
};
void sink_spec_fini(struct sink_spec *s);
/* The destination forgets a sink whose driver is gone, as far as store's checkpoints know its
 * lanes. False: it did not answer within 2 s, or cannot be written; it may still tell of the sink.
 */
bool sink_forget(const struct sink_spec *spec, struct store *store, struct err *e) WARN_UNUSED;
/* Each table that the definition names is one of the shard's; else ERR_USAGE with the nearest. */
bool sink_tables_exist(const struct sink_spec *spec, const struct topo_shard *shard,
                       struct err *e) WARN_UNUSED;

/* What a checkpoint's data says until a sink that was made by command has acknowledged something:
 * its position, empty where a copy comes first, is where it begins, whatever position stands at the
 * destination. */
#define SINK_FRESH "{\"fresh\":true}"
/* The same of a sink of the configuration file, whose state directory may have been lost: it begins
 * there only if the destination knows no position of it. */
#define SINK_UNASKED "{\"unasked\":true}"
/* Where the lane of a shard begins that has no checkpoint: spec's `from`, a named place or the
 * shard's entry of a VGTID. Asks the source. Thread: any. */
bool sink_first_position(const struct sink_spec *spec, struct cdc_reader *reader,
                         const struct topo_shard *shard, struct position *out,
                         struct err *e) WARN_UNUSED;

struct sink_driver;
typedef struct cdc_reader *(*sink_reader_fn)(void *ctx, const char *keyspace, const char *shard);
/* Starts the sink's threads (one per source shard). shards: names of the keyspace's serving shards;
 * a shard with a checkpoint that says it ended is left out. A JOURNAL of type SHARDS whose
 * participants contain the stream's shard ends that stream (flush, checkpoint "ended"), and its
 * children start at the journal's shard_gtids once all their parents have ended. */
struct sink_driver *sink_driver_start(const struct sink_spec *spec, const struct topology *topo,
                                      const char *const *shards, size_t n_shards,
                                      struct store *store, sink_reader_fn reader, void *reader_ctx,
                                      struct err *e) WARN_UNUSED;
/* The driver's threads begin to stop; what they wait for ends. For stopping many at once. */
void sink_driver_ask_to_stop(struct sink_driver *d);
void sink_driver_stop(struct sink_driver *d); /* drains, flushes, checkpoints; then frees */
/* out: for sink_status_fini; its texts are the driver's and the topology's. Thread: any. */
void sink_driver_status(struct sink_driver *d, struct sink_status *out);

#endif
