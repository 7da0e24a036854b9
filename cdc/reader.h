/* cdc/reader.h — the readers of one source shard: a shared tail with a ring of recent batches, and
 * private readers for consumers that are elsewhere.
 *
 * A consumer holds a cdc_stream and pulls batches at its own pace (pull, because copy rounds own
 * their control flow). It sees every change after its start position exactly once per attachment,
 * in order, whichever reader serves it. A consumer that starts elsewhere, or leaves its queue full
 * for 2 s, is served by a private reader from its last *pulled* position, and joins the tail again
 * at a transaction boundary inside the ring. No consumer stops the tail. At most private_readers of
 * them a source, then they queue; one whose queue stays full for 2 s gives its reader to those.
 * Connections are re-made with backoff at the last transaction boundary; a consumer never sees a
 * reconnect, except that a transaction that was cut is delivered again from its start with already
 * delivered rows skipped (seq). Thread: cdc_reader_* any; one cdc_stream is used by one thread,
 * cdc_stream_interrupt from any.
 */
#ifndef SLUICE_CDC_READER_H
#define SLUICE_CDC_READER_H

#include "cdc/log/decode.h"
#include "cdc/source_dump.h"
#include "schemas/sharding/topology.h"

/* A statement in the log instead of rows (docs/internals/decode.md): it stops all consumers; unless
 * the server proves that it changed nothing of this shard; or never, with a warning. */
enum cdc_on_statement { CDC_STATEMENT_SKIP_UNRELATED, CDC_STATEMENT_STOP, CDC_STATEMENT_WARN };
/* "skip-unrelated", "stop", "warn"; NULL: the first. */
bool cdc_on_statement_parse(const char *text, enum cdc_on_statement *out,
                            struct err *e) WARN_UNUSED;
const char *cdc_on_statement_name(enum cdc_on_statement policy);

struct cdc_reader;
struct cdc_reader_options {
    enum cdc_on_statement on_statement;
    size_t ring_bytes;        /* 0: 64 MiB, for this source */
    unsigned private_readers; /* 0: 4 */
    unsigned heartbeat_ms;    /* 0: 5,000 */
    bool want_query;
    /* An error when the first connection is refused; later ones are tried again in any case. */
    bool refuse_bad_login;
    unsigned retry_ms; /* the first pause after a lost connection; 0: 100 */
    /* How a log is opened; NULL: cdc_source_open_dump on the shard's primary. Tests put a replay
     * here. */
    struct cdc_source *(*open)(void *ctx, const struct position *start, uint32_t server_id,
                               struct err *e);
    void *open_ctx;
    /* As in cdc_decode_options; NULL: the reader's own tracker, with a live server. Thread: any. */
    cdc_schema_fn schema;
    cdc_ddl_fn ddl;
    void *schema_ctx;
    /* Where the tracker keeps versions; without both: in memory. */
    struct store *store;
    const char *state_dir; /* opened beside others when it is needed first; if that fails: memory */
    /* Limit of a transaction that is held until its end is known; 0: 20 GiB. */
    uint64_t spill_max_bytes;
};
/* No connection is made before the first attach; the tail stops when nobody is attached. */
struct cdc_reader *cdc_reader_new(struct topology *topo, const struct topo_shard *shard,
                                  const struct cdc_reader_options *o);
void cdc_reader_free(struct cdc_reader *r); /* all streams must be closed */
/* Status for people: JSON object
 * {"position","lag_seconds","connected","private_readers","consumers","skipped_statements",
 * "skipped_rows","last_error"}. */
void cdc_reader_status(struct cdc_reader *r, struct buf *json);
struct cdc_reader_counts {
    unsigned consumers;                        /* now */
    uint64_t skipped_statements, skipped_rows; /* since the reader was made */
};
struct cdc_reader_counts cdc_reader_counts(struct cdc_reader *r); /* Thread: any. */

/* Whether the server of the last connection folds names (lower_case_table_names). Thread: any. */
bool cdc_reader_folds_names(const struct cdc_reader *r);

/* The place where the log begins (oldest file) or ends now, with GTIDs where the server has them;
 * asks the server. Thread: any. */
bool cdc_reader_locate(struct cdc_reader *r, bool beginning, struct position *out,
                       struct err *e) WARN_UNUSED;

/* from: "current" (also NULL), "beginning", or a time (clock_parse_time): the first
 * transaction that the server wrote at or after it, the log's end when there is none,
 * ERR_SRC_PURGED when the log begins later. *named false: it is none of these, and out is not
 * touched. ERR_POSITION_PARSE: an empty text; it is a place that got lost, and not the log's end.
 */
bool cdc_reader_from(struct cdc_reader *r, const char *from, struct position *out, bool *named,
                     struct err *e) WARN_UNUSED;

struct cdc_stream;
struct cdc_stream_options {
    const char *name;   /* consumer's name for metrics and messages */
    size_t queue_bytes; /* 0: 8 MiB */
    bool until_idle;    /* CDC_NEXT_END once everything that existed at the attach was delivered */
};
/* start NULL or empty: from the server's current end. ERR_SRC_PURGED, ERR_SRC_AHEAD … come from
 * next. */
struct cdc_stream *cdc_reader_attach(struct cdc_reader *r, const struct position *start,
                                     const struct cdc_stream_options *o, struct err *e) WARN_UNUSED;
/* OK: *batch is a reference for the caller. TIMEOUT after timeout_ms (<0: never). FAIL: *e; class
 * RETRY errors have been retried inside for as long as they may pass (connection), so FAIL is for
 * the consumer's policy; it may be called again. */
enum cdc_next cdc_stream_next(struct cdc_stream *s, struct cdc_batch **batch, int64_t timeout_ms,
                              struct err *e) WARN_UNUSED;
/* The acknowledged position: what is before it will never be asked for again. Thread: any. */
void cdc_stream_ack(struct cdc_stream *s, const struct position *pos);
/* Position of the last change handed out (start position before the first). */
const struct position *cdc_stream_position(const struct cdc_stream *s);
/* Position the server had reached when last heard of (heartbeats included); lag in ms of the last
 * event. */
void cdc_stream_source_head(struct cdc_stream *s, struct position *out, int64_t *lag_ms);
/* What the stream waits for, when next times out. BUSY: it reads or connects. IDLE: it is
 * connected, at the log's end, and handed everything out. CUT: there is no connection; *e says why.
 * WAITING: others have all private readers; *e names them. Thread: the consumer's. */
enum cdc_rest { CDC_REST_BUSY, CDC_REST_IDLE, CDC_REST_CUT, CDC_REST_WAITING };
enum cdc_rest cdc_stream_rest(struct cdc_stream *s, struct err *e);
/* Throws away what is queued and continues from pos (through a private reader if need be). */
bool cdc_stream_rewind(struct cdc_stream *s, const struct position *pos, struct err *e) WARN_UNUSED;
void cdc_stream_interrupt(struct cdc_stream *s); /* a blocked next returns FAIL with ERR_SHUTDOWN */
void cdc_stream_close(struct cdc_stream *s);

#endif
