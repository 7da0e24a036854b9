/* cdc/log/value.h — one column's value inside a row image: a typed view, nothing copied.
 *
 * The bytes are those of the binary log's row encoding, also for rows of an initial
 * copy. Absent (the image does not contain the column) is not NULL. Includes nothing of mysql/:
 * runs on files, replays and fuzzers alike.
 */
#ifndef SLUICE_CDC_LOG_VALUE_H
#define SLUICE_CDC_LOG_VALUE_H

#include "cdc/log/change.h"

struct cdc_value {
    const struct schema_column *column;
    bool absent, null;
    bool json_diff;   /* p,n are a JSON diff vector, not a document */
    const uint8_t *p; /* the value without its length prefix */
    size_t n;
};

/* The row plan of a table definition (column offsets that need no look at data, lengths…), cached
 * on first use; immutable. */
struct cdc_row { /* values has n_columns entries, at least as many as the table; read only */
    struct cdc_value *values;
    size_t n_columns;
    /* row.c's: the plan whose full rows `values` is laid out for, and the one for whose rows all
     * are absent; 0: none */
    uint64_t full_of, absent_of;
};

/* Walks the images of a ROWS/COPY_ROWS change. */
struct row_plan;
struct cdc_rows_iter {
    const struct cdc_rows *rows;
    const struct row_plan *plan;
    uint32_t n_before, n_after; /* columns present in the images */
    bool whole;                 /* not an UPDATE, and all columns are present */
    const uint8_t *at, *end;
    const uint8_t *after_at; /* where the last row's after image begins, if it is an UPDATE's */
    uint32_t row;            /* number of the row that cdc_rows_next returned last */
    uint32_t next;
};
void cdc_rows_begin(struct cdc_rows_iter *it, const struct cdc_rows *rows);
/* before / after may be NULL when not wanted (still walked); for an INSERT before is set all
 * absent, for a DELETE after. MY_FAIL-like result: CDC_ROWS_FAIL with ERR_LOG_FORMAT naming table
 * and column. */
enum cdc_rows_result { CDC_ROWS_ROW, CDC_ROWS_END, CDC_ROWS_FAIL };
enum cdc_rows_result cdc_rows_next(struct cdc_rows_iter *it, struct cdc_row *before,
                                   struct cdc_row *after, struct err *e) WARN_UNUSED;
/* Checks a rows event body wholly once (lengths within bounds), so that later walks cannot fail,
 * and counts rows. Called by the decoder for every rows event. */
bool cdc_rows_validate(struct cdc_rows *rows, struct err *e) WARN_UNUSED;

struct cdc_row *cdc_row_new(size_t n_columns); /* heap */
void cdc_row_free(struct cdc_row *r);

/* Typed getters; the value is present and not NULL, of a matching type. */
int64_t cdc_value_i64(const struct cdc_value *v);  /* TINY…LONGLONG signed, YEAR */
uint64_t cdc_value_u64(const struct cdc_value *v); /* unsigned, BIT, ENUM index, SET mask */
float cdc_value_float(const struct cdc_value *v);
double cdc_value_double(const struct cdc_value *v);
bool cdc_value_decimal(const struct cdc_value *v, struct buf *out); /* "-12.30" with its scale */
struct cdc_datetime { /* as stored: zero and partial dates are kept */
    uint32_t year, month, day, hour, minute, second, micro;
    bool negative;   /* TIME only; hour up to 838 */
    unsigned fsp;    /* declared fraction digits */
    int64_t epoch_s; /* TIMESTAMP: seconds since 1970 (0 with micro 0 = zero timestamp) */
};
bool cdc_value_datetime(
    const struct cdc_value *v,
    struct cdc_datetime *out); /* DATE, TIME*, DATETIME*, TIMESTAMP* (fields in UTC) */
/* What to say where that is false. */
bool cdc_value_no_datetime(const struct cdc_value *v, struct err *e);
/* "2026-01-01 00:00:00.000000": all declared digits; as MySQL prints the type. */
void cdc_datetime_print(const struct cdc_value *v, const struct cdc_datetime *d, struct buf *out);
bool cdc_value_is_unsigned(const struct cdc_value *v);
/* Decompresses MariaDB compressed columns (140/141) into out; other types: appends the bytes. */
bool cdc_value_bytes(const struct cdc_value *v, struct buf *out, struct err *e) WARN_UNUSED;
/* Text of a character column in UTF-8; *valid false when bytes are invalid in its charset. BINARY
 * is padded to its length by cdc_value_binary. */
bool cdc_value_text(const struct cdc_value *v, struct buf *out, bool *valid,
                    struct err *e) WARN_UNUSED;
bool cdc_value_binary(const struct cdc_value *v, struct buf *out, struct err *e) WARN_UNUSED;
bool cdc_value_is_binary(const struct cdc_value *v); /* collation 63 */
/* MySQL JSON (type 245) → text as CAST(… AS CHAR) prints it. */
bool cdc_value_json(const struct cdc_value *v, struct buf *out, struct err *e) WARN_UNUSED;
/* A partial update's value: the document after the diffs, the before image's document being at
 * hand; or the diffs alone as [{"op":"replace","path":"$.a","value":1},…]. */
bool cdc_value_json_patched(const struct cdc_value *before, const struct cdc_value *diff,
                            struct buf *out, struct err *e) WARN_UNUSED;
bool cdc_value_json_diff(const struct cdc_value *v, struct buf *out, struct err *e) WARN_UNUSED;
/* MariaDB UUID, INET4, INET6 as text; false when the column is none of these. */
bool cdc_value_ext_text(const struct cdc_value *v, struct buf *out);
/* What to say of a value whose type no column of a table has. Returns false. */
bool cdc_value_no_kind(const struct cdc_value *v, struct err *e);
/* Same present/null state and same canonical bytes. */
bool cdc_value_equal(const struct cdc_value *a, const struct cdc_value *b);

#endif
