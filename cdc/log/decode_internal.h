/* cdc/log/decode_internal.h — the decoder's state and the functions its files share; nobody else
 * includes it.
 *
 *   decode.c          feed: header, checksum, position, dispatch; take
 *   decode_batch.c    the open batch, the ready ones, the open transaction
 *   decode_event.c    format description, rotate, heartbeat, incident and the other small events
 *   decode_query.c    QUERY: transaction words, DDL, statements in the log
 *   decode_gtid.c     GTID events of both servers
 *   decode_table.c    TABLE_MAP, the caches of definitions
 *   decode_metadata.c the table map's optional metadata
 *   decode_rows.c     row events of all kinds, compressed blocks, fragments
 *   decode_payload.c  TRANSACTION_PAYLOAD, streamed
 *   decode_hold.c     events held until it is known whether they count; savepoints
 *   decode_xa.c       transactions held between XA PREPARE and COMMIT
 */
#ifndef SLUICE_CDC_LOG_DECODE_INTERNAL_H
#define SLUICE_CDC_LOG_DECODE_INTERNAL_H

#include "base/map.h"
#include "cdc/log/decode.h"
#include "cdc/log/event_header.h"
#include "cdc/log/wire.h"
#include "schemas/ident.h"
#include "schemas/stmt_reach.h"

/* Flags of MariaDB's GTID event, and those of the byte behind its xid (log_event.h: FL_…_E1). */
#define MARIADB_GTID_STANDALONE      1u
#define MARIADB_GTID_COMMIT_ID       2u
#define MARIADB_GTID_PREPARED_XA     64u
#define MARIADB_GTID_COMPLETED_XA    128u
#define MARIADB_EXTRA_START_ALTER    2u
#define MARIADB_EXTRA_COMMIT_ALTER   4u
#define MARIADB_EXTRA_ROLLBACK_ALTER 8u

/* One event, header read, checksum cut off. */
struct event {
    uint32_t timestamp, server_id;
    uint8_t type;
    uint16_t flags;
    bool inner;         /* out of a TRANSACTION_PAYLOAD, or held until it was known to count */
    bool packed;        /* out of a TRANSACTION_PAYLOAD: its place is that of others too */
    const uint8_t *raw; /* header and body */
    const uint8_t *body;
    size_t n; /* length of the body */
    uint64_t start_pos, end_pos;
    /* The file in which an event that was held lies; NULL: it was not held. */
    const char *held_file;
    uint64_t held_pos;
    struct piece *piece; /* where raw lies, if it may be held */
};
/* raw: a whole event of n bytes; its checksum, if it has one, is still in the body. */
static inline struct event event_of(const uint8_t *raw, size_t n)
{
    const struct event_header h = event_header_read(raw);
    return (struct event){.timestamp = h.timestamp,
                          .server_id = h.server_id,
                          .type = h.type,
                          .flags = h.flags,
                          .raw = raw,
                          .body = raw + EVENT_HEADER_LEN,
                          .n = n - EVENT_HEADER_LEN};
}

/* A table map's definition; one for each different body. */
struct table_entry {
    struct schema_table *table;
    bool wanted, journal;
    size_t body_len;
    uint8_t *body; /* from the table map's flags on */
};
struct table_slot {
    uint64_t id;
    struct table_entry *entry; /* NULL: free */
};
struct table_cache {
    struct map *by_body;
    struct table_slot *slots; /* open addressing by table id; n_slots a power of two */
    size_t n_slots, n_used;
};

struct payload;  /* decode_payload.c */
struct xa_state; /* decode_xa.c */

struct savepoint {
    char name[260];
    uint64_t held_bytes; /* at the savepoint */
};

struct held_log; /* decode_hold.c */

/* Held events on their way through the decoder, and the event that ends their transaction. */
struct replay {
    struct held_log *log; /* NULL: none */
    struct event end;     /* its bytes are gone */
    bool xid;
};

struct transaction {
    bool open;
    bool implicit;   /* rows without BEGIN: ends with the statement */
    bool announced;  /* a GTID event came, its first event did not yet */
    bool standalone; /* MariaDB: no COMMIT will follow */
    bool undecided;  /* MariaDB's START ALTER or ROLLBACK ALTER: its statement is not in force */
    struct gtid gtid;
    uint64_t commit_us, original_commit_us;
    uint64_t start_pos; /* where its GTID or BEGIN event begins */
    uint32_t timestamp, server_id;
    bool thread_known;
    uint32_t thread_id;
    uint32_t seq;       /* rows so far */
    size_t begin_index; /* of BEGIN in the open batch; SIZE_MAX when that batch is gone */
    const char *query;  /* the statement's text, in the open batch */
    struct savepoint *savepoints;
    size_t n_savepoints, cap_savepoints;
};

struct cdc_decoder {
    struct cdc_decode_options o;
    struct cdc_decode_stats stats;
    struct err failure;
    bool failed;
    struct position pos; /* after the last change */
    bool gtids_known;    /* pos.gtids is complete */
    uint64_t resume_seq; /* rows of the first transaction that were delivered before */

    bool format_known, checksum, mariadb, has_vectors;
    enum ident_collation names; /* how the server compares the names of savepoints */
    uint8_t post_header_len[256];
    char file[POSITION_FILE_MAX];
    uint64_t file_pos;      /* behind the last event */
    struct log_id log;      /* whose log `file` is; begun 0 until its head was read */
    uint64_t entered_pos;   /* the file was entered by a rotation, whose head is to come */
    struct log_place since; /* from here on every event was seen; file "" before the first */

    struct transaction tx;
    struct cdc_batch *open;
    const char *open_file;         /* `file` in the open batch, or NULL */
    const char *open_held;         /* the same of the held events that run through the decoder */
    const struct log_id *open_log; /* with open_file; NULL: not known */
    struct cdc_batch **ready;
    size_t n_ready, cap_ready;
    uint64_t serial;

    struct table_cache tables;
    struct sqlstmt stmt;
    struct buf scratch;   /* decompressed query text */
    struct buf utf8;      /* a statement that was in another character set */
    struct buf fragments; /* PARTIAL_ROW_DATA so far: header and body */
    uint64_t fragments_size;
    uint32_t fragments_next, fragments_total;
    struct payload *payload; /* being unpacked, or NULL */
    struct xa_state *xa;
    struct held_log *holding; /* rows go there, and not to consumers yet; or NULL */
    struct replay replay;
};

/* decode.c */
bool decode_dispatch(struct cdc_decoder *d, const struct event *ev, struct err *e) WARN_UNUSED;
/* An event that cannot be used: a GAP if the options say so, else the error that *e holds already.
 */
bool decode_gap(struct cdc_decoder *d, const struct event *ev, struct err *e) WARN_UNUSED;
bool decode_short(const struct event *ev, struct err *e); /* "event ends early"; false */
/* Where the open or announced transaction begins, else ev. */
struct log_span decode_span(const struct cdc_decoder *d, const struct event *ev);

/* decode_batch.c */
struct cdc_batch *decode_batch(struct cdc_decoder *d, size_t need); /* the open batch with room */
struct cdc_change *decode_add(struct cdc_decoder *d, enum cdc_change_kind kind,
                              const struct event *ev);
/* The change lies in the file that is being read: its name and log, in the open batch. */
void decode_set_file(struct cdc_decoder *d, struct cdc_change *c);
void decode_enter_file(struct cdc_decoder *d, const char *file);
bool decode_batch_full(const struct cdc_decoder *d);
struct cdc_batch *decode_batch_pop(struct cdc_decoder *d, bool flush);
void decode_begin(struct cdc_decoder *d,
                  const struct event *ev); /* opens the announced (or an anonymous) transaction */
void decode_end(struct cdc_decoder *d, const struct event *ev, enum cdc_change_kind kind, bool xid);
void decode_cut_off(struct cdc_decoder *d,
                    const struct event *ev); /* an open transaction that will not end */
void decode_heartbeat(struct cdc_decoder *d, const struct event *ev, const char *file,
                      uint64_t pos);
void decode_set_query(struct cdc_decoder *d, const void *text, size_t n);

/* handlers: one event each */
typedef bool (*decode_fn)(struct cdc_decoder *d, const struct event *ev, struct err *e);
bool decode_format_description(struct cdc_decoder *d, const struct event *ev, struct err *e);
bool decode_rotate(struct cdc_decoder *d, const struct event *ev, struct err *e);
bool decode_xid(struct cdc_decoder *d, const struct event *ev, struct err *e);
bool decode_incident(struct cdc_decoder *d, const struct event *ev, struct err *e);
bool decode_heartbeat_v1(struct cdc_decoder *d, const struct event *ev, struct err *e);
bool decode_heartbeat_v2(struct cdc_decoder *d, const struct event *ev, struct err *e);
bool decode_rows_query(struct cdc_decoder *d, const struct event *ev, struct err *e);
bool decode_annotate(struct cdc_decoder *d, const struct event *ev, struct err *e);
bool decode_load(struct cdc_decoder *d, const struct event *ev, struct err *e);
bool decode_query(struct cdc_decoder *d, const struct event *ev, struct err *e);
bool decode_execute_load(struct cdc_decoder *d, const struct event *ev, struct err *e);
bool decode_query_compressed(struct cdc_decoder *d, const struct event *ev, struct err *e);
bool decode_gtid(struct cdc_decoder *d, const struct event *ev, struct err *e);
bool decode_gtid_tagged(struct cdc_decoder *d, const struct event *ev, struct err *e);
bool decode_gtid_mariadb(struct cdc_decoder *d, const struct event *ev, struct err *e);
bool decode_previous_gtids(struct cdc_decoder *d, const struct event *ev, struct err *e);
bool decode_gtid_list(struct cdc_decoder *d, const struct event *ev, struct err *e);
bool decode_table_map(struct cdc_decoder *d, const struct event *ev, struct err *e);
bool decode_rows(struct cdc_decoder *d, const struct event *ev, struct err *e);
bool decode_row_fragment(struct cdc_decoder *d, const struct event *ev, struct err *e);
bool decode_payload(struct cdc_decoder *d, const struct event *ev, struct err *e);
bool decode_xa_prepare(struct cdc_decoder *d, const struct event *ev, struct err *e);

/* decode_table.c */
void table_cache_init(struct table_cache *c);
void table_cache_fini(struct table_cache *c);
/* After a DDL: definitions that a schema function gave may be others now. */
void table_cache_forget(struct table_cache *c);
/* Between transactions: bounds both caches, whose ids change as the server opens tables anew. */
void table_cache_trim(struct table_cache *c);
const struct table_entry *table_cache_find(const struct table_cache *c, uint64_t table_id);
/* decode_metadata.c: fills t from the TLVs; with a PRIMARY KEY into t->pk. */
bool decode_metadata(struct schema_table *t, bool mariadb, struct wire *w,
                     struct err *e) WARN_UNUSED;

struct rows_head {
    uint64_t table_id;
    uint16_t flags;
    const uint8_t *bitmaps; /* from here on copied */
    size_t bitmaps_len;
    uint32_t n_columns;
    bool unpacked; /* the images do not lie in the event */
};
/* decode_rows.c: the rows become a change (two, where some were delivered before). */
bool decode_publish_rows(struct cdc_decoder *d, const struct event *ev,
                         const struct table_entry *entry, const struct rows_head *h,
                         struct cdc_rows *rows, struct err *e) WARN_UNUSED;
/* decode_history.c: those of them that change the current rows of a table that keeps_history. */
bool decode_publish_current(struct cdc_decoder *d, const struct event *ev,
                            const struct table_entry *entry, const struct rows_head *h,
                            struct cdc_rows *rows, struct err *e) WARN_UNUSED;
/* decode_rows.c: MariaDB's block (algorithm, length, deflate) appended to out. */
bool decode_inflate_block(struct wire *w, struct buf *out, struct err *e) WARN_UNUSED;
/* The checksum that an event's bytes (n: without it) have. */
uint32_t decode_event_crc(const uint8_t *event, size_t n);
/* Whether the last four of an event's n bytes are its checksum. */
bool decode_crc_matches(const uint8_t *event, size_t n);
/* Whether a format description (whole, n bytes) says that its log has checksums. */
bool decode_format_has_checksum(const uint8_t *event, size_t n);
/* What follows the flags of MariaDB's GTID event: the xid, if there is one, to *xid as XA COMMIT
 * spells it. The extra flags, 0 in older versions. */
unsigned decode_gtid_tail(struct wire *w, unsigned flags, struct buf *xid);
/* A tagged GTID event's body; false when it is not well-formed. */
bool decode_tagged_gtid(struct wire *w, struct gtid *out);
size_t decode_table_id_len(const struct cdc_decoder *d, uint8_t type);

/* decode_payload.c: goes on until a batch is full or the payload ends. */
bool payload_continue(struct cdc_decoder *d, struct err *e) WARN_UNUSED;
void payload_free(struct payload *p);

/* decode_hold.c */
struct held_log *held_new(const struct cdc_decoder *d); /* of events of the file that is read */
void held_free(void *p);
const char *held_place(const struct held_log *h, uint64_t *pos); /* where its transaction begins */
/* For an event while d->holding. */
bool hold_event(struct cdc_decoder *d, const struct event *ev, struct err *e) WARN_UNUSED;
/* Every event but those of a replay comes through here. */
static inline bool hold_or_dispatch(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    return d->holding ? hold_event(d, ev, e) : decode_dispatch(d, ev, e);
}
void hold_drop(struct cdc_decoder *d);
/* h (taken) as rows of the open transaction, then its COMMIT at ev. */
void hold_replay(struct cdc_decoder *d, const struct event *ev, struct held_log *h, bool xid);
bool replay_continue(struct cdc_decoder *d, struct err *e) WARN_UNUSED; /* as payload_continue */
void replay_fini(struct cdc_decoder *d);
/* The open transaction commits: what is held comes first. */
void decode_commit(struct cdc_decoder *d, const struct event *ev, bool xid);
void decode_savepoint(struct cdc_decoder *d, const char *name);
bool decode_rollback_to(struct cdc_decoder *d, const char *name, struct err *e) WARN_UNUSED;

/* decode_xa.c */
void xa_cut_off(struct cdc_decoder *d); /* what was between START and PREPARE will not end */
bool xa_statement(struct cdc_decoder *d, const struct event *ev, const char *sql, size_t n,
                  struct err *e) WARN_UNUSED;
void xa_start(struct cdc_decoder *d, const char *xid, size_t n); /* xid as XA COMMIT spells it */
void xa_free(struct xa_state *xa);

#endif
