/* cdc/reader_internal.h — what the files of the reader share: resume points, ring, feeds, streams. Not for
 * others.
 *
 * Everything here is guarded by cdc_reader.lock, except what a comment gives to one thread.
 */
#ifndef SLUICE_CDC_READER_INTERNAL_H
#define SLUICE_CDC_READER_INTERNAL_H

#include "base/backoff.h"
#include "base/metrics.h"
#include "cdc/reader.h"
#include "schemas/tracker.h"
#include "state/log_match.h"

#include <pthread.h>

/* Where a feed or a stream goes on after a broken connection: a place between any two changes. A
 * position says how many rows of the open transaction were taken, and is enough for consumers; this
 * also tells which transaction it was, and its other changes. It lives as long as the process. */
struct resume_point {
    struct position pos; /* the last end of a transaction; seq: rows of the open one before here */
    bool in_tx;          /* a BEGIN was passed, its COMMIT was not */
    struct gtid open_gtid; /* of that transaction */
    uint64_t others;       /* DDL, JOURNAL, GAP of the open transaction before here */
};
void resume_point_fini(struct resume_point *m);
void resume_point_copy(struct resume_point *dst, const struct resume_point *src);
void resume_point_advance(struct resume_point *m, const struct cdc_change *c);

/* Takes out of a re-read transaction what lies before a point to resume from. */
struct reader_skip {
    bool active;
    bool drop_begin;  /* the consumer has the BEGIN already */
    struct gtid want; /* GTID that BEGIN must have then */
    bool any_others;  /* how many DDL, JOURNAL… went before is unknown: all before the last row */
    uint64_t rows, others; /* still to be dropped: absolute row number, count */
};
void reader_skip_init(struct reader_skip *s, const struct resume_point *resume);
/* b is not published yet. Fails with ERR_SRC_AHEAD when the log holds another transaction there. */
bool reader_skip_apply(struct reader_skip *s, struct cdc_batch *b, struct err *e) WARN_UNUSED;

/* The tail's recent batches, oldest first; numbered by serials without gaps. */
struct ring_entry {
    struct cdc_batch *batch;
    uint64_t offset; /* bytes of all batches published before it */
    size_t bytes;
    bool joinable; /* begins at a transaction boundary */
};
struct reader_ring {
    struct ring_entry *entries; /* circular, cap a power of two */
    size_t cap, first, n;
    uint64_t first_serial; /* of the oldest entry; serial of the next one = first_serial + n */
    uint64_t offset;       /* of the end */
    size_t bytes;
};
void reader_ring_push(struct reader_ring *r, struct cdc_batch *b,
                      bool joinable); /* takes the reference */
void reader_ring_drop_first(struct reader_ring *r);
void reader_ring_clear(struct reader_ring *r);
struct ring_entry *reader_ring_at(const struct reader_ring *r, uint64_t serial);
uint64_t reader_ring_end(const struct reader_ring *r); /* serial */
/* Finds the batch that begins exactly at pos (a boundary); false if none does. */
bool reader_ring_find(const struct reader_ring *r, const struct position *pos, uint64_t *serial);

/* One thread with one connection: the tail (owner NULL) or a private reader. */
struct feed {
    struct cdc_reader *reader;
    struct cdc_stream *owner;
    struct feed *next;          /* in reader->feeds */
    bool stop;                  /* nobody wants it any more: it ends and frees itself */
    struct cdc_source *source;  /* while open; closed by the feed's thread only */
    pthread_cond_t wake;        /* room, stop */
    struct resume_point resume; /* after the last published change; the feed's thread writes it
                                   under the lock */
    struct position idle_pos;   /* decoder's position when the log had nothing more; empty before */
    bool idle;                  /* waiting for the log, everything handed over */
    bool cut;                   /* between two connections, because of the reader's last error */
    /* The thread's own: */
    uint32_t server_id;
    bool has_server_id;
    struct backoff backoff;
    enum err_code told;     /* of the last error that was logged as a warning */
    char identity[40];      /* of the server of this session, as in log_id; "" before */
    struct my_conn *watch;  /* of this session; NULL before it was needed */
    bool progressed;        /* something was published since the connection was made */
    char schema_server[64]; /* of this session, as far as it asked; "" before */
    unsigned schema_log;    /* the tracker's number of the log, then */
    unsigned bad_events;    /* sessions in a row that ended in a wrong checksum without progress */
};

enum stream_mode {
    STREAM_UNPLACED, /* to be placed by its next pull */
    STREAM_WAITING,  /* all private readers are in use */
    STREAM_PRIVATE,
    STREAM_JOINED /* reads the ring from cursor on, once its own queue is empty */
};
enum feed_result { FEED_RUNNING, FEED_ENDED, FEED_FAILED };

struct cdc_stream {
    struct cdc_reader *reader;
    struct cdc_stream *next;
    struct feed asking; /* reads nothing: whoever a question to the schema connection is from */
    char name[80];
    size_t queue_limit_bytes;
    bool until_idle, ended, interrupted;
    struct position
        until; /* with until_idle: the end of the log at the attach; empty: the source's END */
    enum stream_mode mode;
    uint64_t waiting_since; /* ticket, for first come first served */
    pthread_cond_t wake;
    struct resume_point resume; /* after the last change handed out; the consumer's thread writes it
                                   under the lock */
    struct position acked;
    /* PRIVATE, and what is left of it after joining: */
    struct feed *feed;
    struct cdc_batch **queue;
    size_t queue_n, queue_cap;
    size_t queue_bytes;
    enum feed_result private_result;
    struct err private_err;
    /* JOINED: */
    uint64_t cursor;
    int64_t full_since_ms; /* 0: not full */
    int64_t last_event_us; /* commit time of the last transaction handed out */
    int64_t current_us; /* wall clock when it last had everything that the source had; 0: never */
    bool pulling;       /* the consumer waits in cdc_stream_next: it has done what it was given */
    struct metric *m_lag, *m_queue, *m_rows[3], *m_transactions, *m_bytes, *m_position;
};

struct cdc_reader {
    pthread_mutex_t lock;
    pthread_cond_t feeds_gone;
    struct topology *topo;
    const struct topo_shard *shard;
    struct cdc_reader_options o;
    struct feed *feeds; /* all that have not ended yet */
    struct feed *tail;
    enum feed_result tail_result; /* of the last tail, when there is none */
    struct err tail_err;
    struct reader_ring ring;
    struct cdc_stream *streams;
    uint64_t tickets;
    unsigned n_private;
    struct position head;
    char identity[40]; /* of the server of the first connection, as in log_id; "" before */
    bool connected;
    bool folds_names;            /* atomic; of the last server that a feed reached */
    pthread_mutex_t schema_lock; /* guards the next ones, and is held around the tracker's calls */
    struct my_conn *schema_conn;
    char schema_server[64]; /* which server schema_conn is on */
    struct schema_tracker *tracker;
    struct store *own_store; /* of o.state_dir */
    bool store_tried;
    struct err last_error;
    struct metric *m_reconnects, *m_ring, *m_statements, *m_skipped_rows;
    uint64_t skipped_statements, skipped_rows;
};

/* cdc/reader_feed.c */
bool reader_feed_start(struct cdc_reader *r, struct cdc_stream *owner,
                       const struct resume_point *from, struct err *e) WARN_UNUSED;
bool reader_feed_stopping(struct feed *f);
void reader_feed_stop(
    struct feed *f); /* asks it to end; it is not touched by the caller afterwards */
/* cdc/reader.c, called by feeds: */
bool reader_publish(struct feed *f, struct cdc_batch *b); /* takes the reference; false: stop */
void reader_idle(struct feed *f, const struct position *pos, bool in_tx);
void reader_feed_ended(struct feed *f, enum feed_result result,
                       const struct err *e); /* lock is held */
/* cdc/reader_schema.c: the decoder's callbacks; ctx: the feed. Thread: the feed's. */
const struct schema_table *reader_live_schema(void *ctx, const struct log_span *seen,
                                              const struct schema_table *log, struct err *e);
bool reader_live_ddl(void *ctx, const struct log_span *seen, const struct cdc_change *ddl,
                     struct err *e);
/* cdc/reader_statement.c: cdc_statement_fn; ctx: the feed. Thread: the feed's. */
bool reader_live_statement(void *ctx, const struct cdc_statement *st, struct err *why);
/* Takes schema_lock. The connection for questions, on the session's server; NULL: *e. */
struct my_conn *reader_schema_lock(struct feed *f, struct err *e);
void reader_schema_unlock(struct feed *f);
/* A session begins: the definitions of the shard's tables are read, if its log does not say them.
 */
void reader_live_begin(struct feed *f);
/* The connection to the log broke. */
void reader_live_lost(struct feed *f);
/* The session is over: what it has read is kept. */
void reader_live_seen(struct feed *f, const struct log_span *seen);
/* cdc/reader_xa.c: cdc_prepared_fn; ctx: the feed. Thread: the feed's. */
struct cdc_prepared *reader_live_prepared(void *ctx, const struct log_span *seen, const char *xid,
                                          size_t n, struct err *e);
/* cdc/reader_locate.c: SHOW BINARY LOGS up to and with `last` (NULL: all), oldest first; names is
 * the caller's to free. */
struct reader_files {
    char (*names)[POSITION_FILE_MAX];
    size_t n, cap;
};
bool reader_list_files(struct my_conn *c, const char *last, struct reader_files *out,
                       struct err *e) WARN_UNUSED;
/* cdc/reader_scan.c: reads a server's log from `from` on, without rows, until `to` (if it has a
 * file) or what `look` wants is reached, or the log ends. */
struct reader_scan {
    struct cdc_reader *reader;
    struct feed *feed;              /* whose end is the scan's end; NULL: nobody's */
    const struct my_server *server; /* whose log it has to be */
    uint32_t server_id;             /* of the dump */
    struct cdc_decode_options options;
    struct log_place from, to;
    bool (*look)(void *ctx, const struct cdc_batch *b); /* true: reached; NULL: at nothing */
    void *look_ctx;
    bool reached;
    struct cdc_decoder *decoder; /* after the scan, until reader_scan_fini */
};
bool reader_scan(struct reader_scan *s, struct err *e) WARN_UNUSED;
void reader_scan_fini(struct reader_scan *s);
const char *reader_spill_dir(const struct cdc_reader *r); /* NULL: the decoder's own default */
/* log: whose file it is; NULL: not known. */
struct log_place reader_log_place(const char *file, uint64_t pos, const struct log_id *log);
bool reader_same_server(const struct my_server *a, const struct my_server *b);
/* cdc/reader_place.c: a file of the server's log, as far as the server lets us look; what is known
 * of `begun` before is kept. */
struct reader_file {
    enum log_file state;
    uint32_t begun;
    uint64_t size;
    char first[POSITION_FILE_MAX]; /* its oldest file; "": not known */
};
bool reader_look_at_file(struct my_conn *c, const char *file, struct reader_file *out,
                         struct err *e) WARN_UNUSED;
/* False: the place is not (or no longer) one of this server's log; what is missing yet is waited
 * for, for some seconds. */
bool reader_check_place(struct my_conn *c, const struct position *p, struct err *e) WARN_UNUSED;
/* At a heartbeat: false when the log now ends before what was read of it. Thread: the feed's. */
bool reader_log_goes_on(struct feed *f, const struct position *at, struct err *e) WARN_UNUSED;
/* cdc/reader_locate.c: the GTIDs before its oldest file; *out NULL: it has none. */
bool reader_first_gtids(struct my_conn *c, const char *first, struct gtid_set **out,
                        struct err *e) WARN_UNUSED;
/* cdc/source_dump.c */
struct cdc_source *reader_open_live(struct feed *f, const struct position *start,
                                    struct err *e) WARN_UNUSED;
/* The server that the source is connected to; NULL for others than reader_open_live's. */
const struct my_server *reader_source_server(const struct cdc_source *s);

#endif
