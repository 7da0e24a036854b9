/* cdc/log/change.h — the vocabulary of the change stream: batches of changes.
 *
 * A cdc_batch holds raw row images, in an arena of its own or in the pieces they were received in,
 * and a vector of cdc_change. It is bounded in bytes (CDC_BATCH_BYTES, more only for one larger row
 * event; the pieces may have a few times as many); it holds many small transactions or a part of a
 * big one. Once published it is immutable and atomically refcounted; everything inside
 * (changes, row bytes, names, SQL text) lives exactly as long as the batch. Table definitions are
 * refcounted by the batch for that time.
 *
 * Order of changes for one transaction: BEGIN, (ROWS | DDL)*, COMMIT. A transaction that the server
 * rolled back ends in ROLLBACK instead of COMMIT; consumers that applied a part of it must undo it
 * (appliers roll back, sinks never show a part). A DDL outside a transaction comes as BEGIN, DDL,
 * COMMIT. HEARTBEAT and GAP stand between transactions. Every COMMIT carries the file:pos after it.
 */
#ifndef SLUICE_CDC_LOG_CHANGE_H
#define SLUICE_CDC_LOG_CHANGE_H

#include "base/arena.h"
#include "base/piece.h"
#include "schemas/ddl_touch.h"
#include "schemas/table.h"
#include "state/position.h"

#define CDC_BATCH_BYTES ((size_t)256 * 1024) /* stays in a core's second-level cache */

enum cdc_change_kind {
    CDC_BEGIN,
    CDC_ROWS,
    CDC_DDL,
    CDC_COMMIT,
    CDC_ROLLBACK,
    CDC_HEARTBEAT,
    CDC_JOURNAL, /* a row of _sluice.journal was inserted; comes inside its transaction, before its
                    ROWS */
    CDC_COPY_ROWS, /* rows of an initial copy: images as an INSERT's, in row-event encoding */
    CDC_GAP        /* an event that could not be read; policy decides */
};
enum cdc_op { CDC_OP_INSERT, CDC_OP_UPDATE, CDC_OP_DELETE };

/* Flags of a rows event (wire values). */
#define CDC_ROWS_STMT_END     1u
#define CDC_ROWS_NO_FK_CHECKS 2u
#define CDC_ROWS_RELAX_UNIQUE 4u

struct cdc_rows {
    const struct schema_table *table;
    enum cdc_op op;
    bool partial_json; /* UPDATE whose after images may hold JSON diffs (event 39) */
    uint16_t flags;
    uint32_t n_columns;            /* how many columns the event has: schema_table_width(table) */
    const uint8_t *present_before; /* bitmap, LSB first; UPDATE and DELETE (NULL for INSERT) */
    const uint8_t *present_after;  /* INSERT and UPDATE (NULL for DELETE) */
    const uint8_t
        *images; /* the images one behind another: per row [before][after] as op has them */
    size_t images_len;
    uint32_t n_rows;    /* rows (an UPDATE's pair is one) */
    uint32_t first_seq; /* number of the first row within its transaction, from 0 */
    uint32_t first_row; /* number of the first row within its event, that is the one which stands
                         * in the log: > 0 for the rest of one that resuming cut in two, and in a
                         * TRANSACTION_PAYLOAD, which has all rows of its transaction */
    /* Of rows that were held back until their transaction's end (XA, savepoints): where their event
     * lies, before log_pos, and perhaps in an earlier file. held_file NULL: at log_pos. So (file,
     * pos, number of the row in the event) names a row for ever, the same each time it is read. */
    const char *held_file;
    uint64_t held_pos;
    const char *query; /* annotate / rows-query text of the statement or NULL */
};

struct cdc_change {
    enum cdc_change_kind kind;
    bool skippable; /* resuming inside a transaction: already delivered (seq); readers drop these */
    uint32_t server_id; /* the server that wrote it first */
    uint32_t timestamp; /* header time, seconds */
    uint64_t log_pos;   /* file offset of the event's start; COMMIT, HEARTBEAT: position after it */
    const char *file;   /* log file of log_pos, interned for the batch */
    const struct log_id *log; /* whose file it is, likewise; NULL: not known */
    union {
        struct {
            struct gtid gtid;
            uint64_t commit_us; /* immediate commit time µs since 1970; 0 unknown (MariaDB: header
                                   seconds × 10⁶) */
            uint64_t original_commit_us; /* 0 unknown */
            const char
                *query; /* annotate / rows-query text of the first statement or NULL; as sent */
            bool thread_known;
            /* The session that wrote it, as the BEGIN or DDL statement says (MySQL). */
            uint32_t thread_id;
        } begin;
        struct cdc_rows rows; /* ROWS, COPY_ROWS */
        struct ddl_text ddl;  /* its sql is zero-terminated too */
        struct {
            struct gtid gtid;   /* the GTID of the transaction that ends */
            uint64_t next_pos;  /* = log_pos */
            bool xid;           /* XID event (transactional) or COMMIT query */
            bool cut_off;       /* ROLLBACK: the log has no end of it */
            uint64_t commit_us; /* as in BEGIN */
        } end;                  /* COMMIT, ROLLBACK */
        struct {
            const char *json; /* the journal's document */
            size_t n;
        } journal;
        struct {
            uint8_t event_type;
            const char *why;
        } gap;
    };
};

struct cdc_batch {
    int refs;
    struct arena arena;
    struct cdc_change *changes;
    size_t n_changes;
    size_t bytes;          /* charged to every queue that holds it */
    struct position start; /* before the first change; seq counts inside an open transaction */
    bool starts_in_tx;     /* the first change goes on with a transaction of an earlier batch */
    bool ends_in_tx;       /* the last change leaves a transaction open */
    struct gtid open_gtid; /* GTID of the transaction that is open at the start */
    int64_t received_us;   /* wall clock when its last event arrived */
    uint64_t serial;       /* counts up within one reader */
    const struct schema_table **tables; /* references held */
    size_t n_tables, cap_tables, cap_changes;
    struct piece **pieces; /* references held */
    size_t n_pieces, cap_pieces;
    size_t pieces_bytes; /* how long all pieces are together */
    size_t images_bytes; /* how many of their bytes are row images of this batch */
};

struct cdc_batch *cdc_batch_new(void);
struct cdc_batch *cdc_batch_ref(struct cdc_batch *b); /* Thread: any */
void cdc_batch_unref(struct cdc_batch *b);            /* Thread: any; NULL is fine */
struct cdc_change *cdc_batch_add(struct cdc_batch *b,
                                 enum cdc_change_kind kind); /* zeroed; before publishing */
size_t cdc_batch_memory(const struct cdc_batch *b);          /* bytes that it holds */
void cdc_batch_hold_table(struct cdc_batch *b, const struct schema_table *t);
/* n bytes in p are used by this batch. */
void cdc_batch_hold_piece(struct cdc_batch *b, struct piece *p, size_t n);
bool cdc_batch_holds_piece(const struct cdc_batch *b, const struct piece *p);

/* Advances pos by one change: COMMIT/ROLLBACK add the GTID, set file:pos and seq 0; ROWS inside a
 * transaction set seq behind its rows; HEARTBEAT sets file:pos. file:pos comes with its log. A
 * position without a GTID set stays
 * without (the set before it is unknown): one that begins empty takes the batch's start first. */
void cdc_position_advance(struct position *pos, const struct cdc_change *c);

#endif
