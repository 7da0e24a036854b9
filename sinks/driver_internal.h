/* sinks/driver_internal.h — what the files of the driver share: the driver, and one lane a source
 * shard. */
#ifndef SLUICE_SINKS_DRIVER_INTERNAL_H
#define SLUICE_SINKS_DRIVER_INTERNAL_H

#include "base/metrics.h"
#include "cdc/sidecar/journal.h"
#include "cdc/vstream/lane.h"
#include "sinks/sink_tx.h"
#include "sinks/sinks_internal.h"

#include <pthread.h>

enum lane_state {
    LANE_STARTING,
    LANE_COPYING,
    LANE_RUNNING,
    LANE_WAITING,
    LANE_ERROR,
    LANE_ENDED,
    LANE_STOPPED
};

struct lane {
    struct sink_driver *driver;
    struct lane *next;
    const struct topo_shard *shard;
    struct cdc_reader *reader;
    pthread_t thread;
    /* Under the driver's lock: */
    enum lane_state state;
    char message[600];
    char *position_text; /* last acknowledged, for status */
    uint64_t records, dead_letters;
    struct cdc_stream *stream; /* source's; for interrupting */
    /* The thread's own: */
    struct sink *sink;
    struct sink_stop asked; /* the sink's way to see that the driver stops */
    int batch_bytes;        /* what the destination takes at once, after it refused more; 0: any */
    bool away;              /* the destination did not answer last time */
    bool without_reader;    /* its state says that it waits for a reader of the source */
    struct encoder *encoder;
    struct sink_tx *tx;
    struct vstream_lane *source; /* while attached */
    struct position acked;
    uint64_t dirty_records, dirty_bytes;
    int64_t first_dirty_ms; /* when the oldest record that is not flushed was written; 0: none */
    int64_t last_save_ms;
    bool journal_seen; /* the stream ends behind this transaction */
    struct cdc_journal journal;
    struct buf topic;
    const struct schema_table *topic_table; /* the table that `topic` is for; a reference is held */
    struct metric *m_records, *m_bytes, *m_retries, *m_latency, *m_checkpoint, *m_dead;
};

struct sink_driver {
    const struct sink_spec *spec; /* own copy below */
    struct sink_spec own;
    const struct topology *topo;
    struct store *store;
    sink_reader_fn reader;
    void *reader_ctx;
    const struct sink_ops *sink_ops;
    const char *target; /* in own.to */
    const struct encoder_ops *encoder_ops;
    char on_statement[16]; /* for the status: its readers' policy */
    bool dead_letters;     /* records that the sink refuses are stored, not an error */
    uint64_t flush_bytes;  /* records wait at most for so many */
    int64_t flush_ms;      /* and so long */
    pthread_mutex_t lock;
    pthread_mutex_t children_lock; /* one parent at a time looks at the others; taken before lock */
    pthread_cond_t wake;           /* stop */
    bool stop;
    struct lane *lanes;
};

/* driver.c */
bool driver_stopping(struct sink_driver *d);
/* Sleeps up to ms; false: the driver stops. */
bool driver_pause(struct sink_driver *d, int64_t ms);
bool driver_lane_start(struct sink_driver *d, const struct topo_shard *shard,
                       struct err *e) WARN_UNUSED; /* lock held */
/* The lane's shard ended by its journal: starts those children whose parents have all ended. */
bool driver_start_children(struct lane *l, struct err *e) WARN_UNUSED;
/* driver_lane.c */
void *lane_main(void *arg);
void lane_set_state(struct lane *l, enum lane_state state, const struct err *why);
bool lane_flush(struct lane *l, bool with_position, const char *data, struct err *e) WARN_UNUSED;
/* driver_emit.c */
/* The topic of a table's records; of those without a table (DDL, transactions) it is the prefix. */
const char *lane_topic(void *ctx, const struct schema_table *table);
bool lane_emit(void *ctx, const struct encode_record *r, struct err *e);
bool lane_committed(void *ctx, const struct cdc_change *begin, uint32_t n_records, struct err *e);
/* A row that the format cannot hold: kept as a dead letter, in the native format, or the error. */
bool lane_row_refused(void *ctx, const struct encode_row *row, struct err *e);
/* What the destination refused: kept as dead letters, or the first one is the error. */
bool lane_take_refused(struct lane *l, struct err *e) WARN_UNUSED;
bool lane_journal(void *ctx, const char *json, const struct position *before, bool *ends,
                  struct err *e);
/* driver_copy.c: before each part of a copy, and when all of it was given. */
bool lane_between_chunks(struct lane *l, struct err *e) WARN_UNUSED;
bool lane_copied(struct lane *l, struct err *e) WARN_UNUSED;

#endif
