/* cdc/log/decode.h — raw binlog events in, batches of changes out. Knows no server, socket, clock
 * or consumer.
 *
 * Keeps: the format description (checksum, header lengths), table maps by id, the open transaction,
 * file and 64-bit position, table definitions cached by content. ▶ Positions are taken from GTID,
 * Xid/COMMIT and rotate events only. Verifies CRC32. Every event is decoded, skipped because it
 * says it may be, or an error with its position. Thread: one.
 */
#ifndef SLUICE_CDC_LOG_DECODE_H
#define SLUICE_CDC_LOG_DECODE_H

#include "cdc/log/event_header.h"
#include "cdc/log/value.h"
#include "cdc/log/wire.h"
#include "schemas/stmt_reach.h"

/* Whole events, one behind the other. */
struct cdc_events {
    const uint8_t *bytes;
    size_t n;             /* length of all events together */
    const uint64_t *good; /* bit nth, nth + 1, …: of the first, second, … event, whether it ends in
                             a checksum that was compared and is right */
    size_t nth;
    struct piece *piece; /* the piece of memory that they lie in; NULL: none */
};
/* Takes the first one off; there is one. Its bytes, *n of them. */
static inline const uint8_t *cdc_events_pop(struct cdc_events *events, size_t *n, bool *good)
{
    const uint8_t *event = events->bytes;
    *n = event_header_read(event).length;
    *good = events->good[events->nth / 64] >> events->nth % 64 & 1;
    events->bytes += *n;
    events->n -= *n;
    events->nth++;
    return event;
}

/* Callbacks that ask about the log are given the span that the decoder has seen without a gap: it
 * ends where the transaction of the question begins, and all DDL of it was given to `ddl`. */

/* Asked for what a table map does not say: names (metadata MINIMAL, NO_LOG), or UUID and INET
 * columns, which no table map tells from BINARY. log: the table as its map has it. A new reference
 * to the definition at the end of that span, or NULL: e unset means that nothing is known (columns are @1, @2
 * … and full_metadata is false); ERR_SCHEMA_UNKNOWN is kept with the table, for whoever needs its
 * rows; another error ends the decoding. Asked again after every DDL. A definition whose column
 * types differ from the log's is not used. */
typedef const struct schema_table *(*cdc_schema_fn)(void *ctx, const struct log_span *seen,
                                                    const struct schema_table *log, struct err *e);
struct cdc_change;
/* Told of every DDL, before anything that follows it is decoded. False ends the decoding. */
typedef bool (*cdc_ddl_fn)(void *ctx, const struct log_span *seen, const struct cdc_change *ddl,
                           struct err *e);

/* The content of a prepared XA transaction, to be given to another decoder. */
struct cdc_prepared;
/* xid: as XA COMMIT spells it. The caller's own, or NULL with *e set. */
typedef struct cdc_prepared *(*cdc_prepared_fn)(void *ctx, const struct log_span *seen,
                                                const char *xid, size_t n, struct err *e);

/* A statement that may have changed rows, in a log that should have them as rows. */
struct cdc_statement {
    const char *db; /* the session's */
    const char *sql;
    size_t n;
    const struct stmt_reach *reach; /* what its text tells */
    const struct log_span *seen;
    /* Databases that MySQL says it changed, each name ends in zero; NULL: not said. */
    const char *updated_dbs;
    size_t updated_n; /* bytes of all of them */
};
/* True: it is passed over (it changed nothing that anybody follows, or nobody minds). False ends
 * the decoding: *why, if set, says what is not proven; of class RETRY it is the decoder's own
 * error. */
typedef bool (*cdc_statement_fn)(void *ctx, const struct cdc_statement *st, struct err *why);

struct cdc_decode_options {
    size_t batch_bytes; /* 0: CDC_BATCH_BYTES */
    bool verify_checksum;
    bool want_query;           /* keep annotate / rows-query text */
    bool gap_instead_of_error; /* undecodable events become CDC_GAP */
    cdc_schema_fn schema;
    cdc_ddl_fn ddl;
    void *schema_ctx;           /* ctx of schema and ddl */
    cdc_statement_fn statement; /* NULL: each ends the decoding */
    void *statement_ctx;
    /* Row images of tables for which this returns false are dropped unseen (their ROWS do not
     * appear, but count for seq). NULL: all are wanted. It is not asked about tables of the
     * database _sluice, which are always decoded. */
    bool (*want_table)(void *ctx, const char *db, const char *table);
    void *want_ctx;
    /* Asked at an XA COMMIT for what was prepared before this decoder's first event; `seen` ends at
     * that COMMIT; NULL: an error. */
    cdc_prepared_fn prepared;
    void *prepared_ctx;
    /* Rows that are held until it is known whether they count (XA, SAVEPOINT) go to
     * <spill_dir>/spill beyond a few MiB; NULL: a folder in $TMPDIR. Over held_max_bytes (0: 20
     * GiB) is an error. Borrowed. */
    const char *spill_dir;
    uint64_t held_max_bytes;
    /* Whose log it is: positions say so (struct log_id). NULL or "": they do not. Copied. */
    const char *server;
};
struct cdc_decoder;
struct cdc_decoder *cdc_decoder_new(const struct cdc_decode_options *o,
                                    const struct position *start);
void cdc_decoder_free(struct cdc_decoder *d);
/* Feeds one event (header to checksum). What is needed of its bytes is copied. False: *e
 * says what and where (file:pos → event type → table.column); the decoder is then dead. */
bool cdc_decoder_feed(struct cdc_decoder *d, const uint8_t *event, size_t n,
                      struct err *e) WARN_UNUSED;
/* The same; checked: the event ends in a checksum that the caller has compared and found right. It
 * is not compared again (and of no meaning where the log has none). piece (or NULL): where the
 * event lies; batches hold it instead of a copy of long images. */
bool cdc_decoder_feed_kept(struct cdc_decoder *d, const uint8_t *event, size_t n, bool checked,
                           struct piece *piece, struct err *e) WARN_UNUSED;
/* The same for one after another, which are taken off, until there is a batch. */
bool cdc_decoder_feed_many(struct cdc_decoder *d, struct cdc_events *events,
                           struct err *e) WARN_UNUSED;
/* A batch that is full, or (flush) whatever is there; NULL if nothing. The caller owns the
 * reference. To be called until NULL after every feed: a compressed transaction is unpacked batch
 * by batch here. If that fails, NULL comes early, and cdc_decoder_failed (and the next feed) says
 * why. */
struct cdc_batch *cdc_decoder_take(struct cdc_decoder *d, bool flush);
/* Whether take would give or unpack something without flush, or has failed: for callers that take
 * after every event. */
bool cdc_decoder_has_batch(const struct cdc_decoder *d);
bool cdc_decoder_failed(const struct cdc_decoder *d, struct err *e); /* true: dead, *e set */
const struct position *
cdc_decoder_position(const struct cdc_decoder *d); /* the place behind the last fed event */
/* Where the open transaction begins, else where the last fed event ends, in the file that is being
 * read. */
struct log_place cdc_decoder_place(const struct cdc_decoder *d);
/* What was seen without a gap, up to that place. */
struct log_span cdc_decoder_span(const struct cdc_decoder *d);
bool cdc_decoder_in_transaction(const struct cdc_decoder *d);
bool cdc_decoder_is_mariadb(const struct cdc_decoder *d); /* as the last format description says */
/* Takes out what XA PREPARE of that xid left and no COMMIT or ROLLBACK has ended; NULL: nothing. */
struct cdc_prepared *cdc_decoder_take_prepared(struct cdc_decoder *d, const char *xid, size_t n);
/* What XA PREPARE left and nothing has ended: its xid, and where it begins. */
typedef void (*cdc_left_fn)(void *ctx, const char *xid, size_t n, const char *file, uint64_t pos);
void cdc_decoder_each_prepared(const struct cdc_decoder *d, cdc_left_fn fn, void *ctx);
struct cdc_decode_stats { /* what `decode --stats` prints */
    uint64_t events[256], bytes[256];
    uint64_t rows, transactions, skipped_events; /* skipped: of unknown type, ignorable */
    uint64_t skipped_statements;                 /* as .statement said */
    uint64_t skipped_sequence_rows;              /* MariaDB's sequences are no tables */
    uint64_t skipped_history_rows;               /* of MariaDB's system-versioned tables */
};
const struct cdc_decode_stats *cdc_decoder_stats(const struct cdc_decoder *d);
const char *cdc_event_type_name(uint8_t type); /* "WRITE_ROWS_EVENT_V1" */

#endif
