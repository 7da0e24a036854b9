/* cdc/copy/copy_read.h — reading a table in chunks so that chunk and log combine to the final
 * state.
 *
 * Yields batches of COPY_ROWS whose images are in the row-event encoding of `table`, so that the
 * rest of the program has one row decoder. The same row read here and from the log has the same
 * bytes. Rows come in key order within a chunk; chunks by bytes.
 *
 * The definition that the batches carry is `table` itself, except where it has columns of MySQL's
 * JSON: a copy of it then says SCHEMA_EXT_JSON_TEXT for them, and their value is the document's
 * text (the server does not give out its binary form). Type and length prefix stay those of JSON.
 * Compressed columns of MariaDB carry their bytes uncompressed (marker byte 00), which the log's
 * form allows.
 */
#ifndef SLUICE_CDC_COPY_COPY_READ_H
#define SLUICE_CDC_COPY_COPY_READ_H

#include "cdc/log/value.h"
#include "mysql/conn.h"

/* A key position: the identity key's values as SQL literals that this server compares as the column
 * does (text keys as hex literals with introducer and collation), joined by commas; opaque text,
 * stable, storable. "" = minus infinity as a lower, plus infinity as an upper bound. It may name
 * the first columns of the key only: then it stands behind all rows that begin so. Tables without
 * an identity key have bounds of the form "row N": they mean only something to the reader that gave
 * them, within one read view. */
struct copy_bound {
    char *sql; /* NULL or "" unbounded */
};
struct copy_range { /* lower exclusive, upper inclusive */
    struct copy_bound lower, upper;
};
void copy_range_fini(struct copy_range *r);

struct copy_reader; /* one connection, one table at a time */
struct copy_reader *copy_reader_open(const struct my_params *p, struct err *e) WARN_UNUSED;
void copy_reader_close(struct copy_reader *r);
struct my_conn *copy_reader_conn(struct copy_reader *r);
/* From now on MySQL's JSON documents carry, behind a zero byte, the types that their text does not
 * tell (cdc/log/json_types.h), where there are any. Before the first chunk. Tables with JSON
 * columns are then refused by a server that cannot tell types (MySQL before 8.0.4). */
void copy_reader_json_types(struct copy_reader *r);

/* Splits a table into about n ranges of equal size by sampling the identity key (index only). The
 * ranges cover everything. ranges: malloc'ed array. */
bool copy_split(struct copy_reader *r, const struct schema_table *t, unsigned n,
                struct copy_range **ranges, size_t *n_ranges, struct err *e) WARN_UNUSED;

/* ▶ Opens a read view (a REPEATABLE READ snapshot) of which it is proven that it has everything up
 * to `low`, the low watermark. Methods are tried in this order:
 *
 *   gtid_executed ⊇ low                     MySQL with GTIDs
 *   the snapshot's own place is behind low  MariaDB; the transaction that reads is the snapshot's
 *   a log mark, committed after low was     any server that we may write to
 *     received (cdc/sidecar/log_mark.h)
 *   LOCK TABLES … READ for a moment         any other, if copy_reader_lock_tables named tables
 *
 * The head of cdc/copy/copy_read_view.c says why each is a proof. Waits and retries for up to
 * timeout_ms; ERR_TIMEOUT (RETRY) when the server does not show it by then. */
bool copy_prove_visible(struct copy_reader *r, const struct position *low, int64_t timeout_ms,
                        struct err *e) WARN_UNUSED;
/* Tables (`db`.`table`, quoted) whose LOCK TABLES … READ may serve as the last method; none: not
 * tried. */
void copy_reader_lock_tables(struct copy_reader *r, const char *const *quoted_tables, size_t n);
/* Ends the read view; there may be none. */
bool copy_end_view(struct copy_reader *r, struct err *e) WARN_UNUSED;
/* One exact snapshot and its position, for tables without a usable key: the connection
 * stays in the snapshot. tables: for the short LOCK TABLES … READ on MySQL. */
bool copy_exact_snapshot(struct copy_reader *r, const struct my_params *p,
                         const char *const *quoted_tables, size_t n, struct position *out,
                         struct err *e) WARN_UNUSED;

/* ▶ The definition by which this view's reads see a table, borrowed until the view ends: DDL on the
 * table waits until then. One that was read before the view opened proves nothing. RETRY errors,
 * 1412 from a read among them (the table was altered after the view was made), want a new view. */
const struct schema_table *copy_view_definition(struct copy_reader *r, const char *db,
                                                const char *name, struct err *e) WARN_UNUSED;

/* " WHERE …" that selects the rows of a range, and an additional condition (NULL: none); "" for all
 * rows. For other questions about the same rows (checksums). Tables with an identity key only. */
bool copy_range_where(struct copy_reader *r, const struct schema_table *t,
                      const struct copy_range *range, const char *where, struct buf *sql,
                      struct err *e) WARN_UNUSED;

/* Reads up to max_bytes of rows of (range] into one batch of COPY_ROWS; *last becomes the bound of
 * the last row read (the next call starts there), *end true when the range is exhausted. where: an
 * additional SQL condition or NULL. All columns are read, generated ones too, as they are in the
 * log. *out NULL: no row was left. last: initialised; replaced. A failure may be repeated from the
 * same bound. */
bool copy_read_chunk(struct copy_reader *r, const struct schema_table *t,
                     const struct copy_range *range, const char *where, size_t max_bytes,
                     struct cdc_batch **out, struct copy_bound *last, bool *end,
                     struct err *e) WARN_UNUSED;

#endif
