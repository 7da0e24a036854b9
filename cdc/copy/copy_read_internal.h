/* cdc/copy/copy_read_internal.h — what the files of copy_read share. Not for others. */
#ifndef SLUICE_CDC_COPY_COPY_READ_INTERNAL_H
#define SLUICE_CDC_COPY_COPY_READ_INTERNAL_H

#include "cdc/copy/copy_read.h"

/* How one result column becomes a column of a row image. */
enum copy_form {
    COPY_INT, /* the low `width` bytes */
    COPY_YEAR,
    COPY_DATE,
    COPY_TIME2,
    COPY_DATETIME2,
    COPY_TIMESTAMP2,
    COPY_DECIMAL,    /* from text */
    COPY_BIT,        /* big-endian, padded on the left */
    COPY_BYTES,      /* length prefix and bytes */
    COPY_BINARY,     /* the same without trailing zero bytes */
    COPY_COMPRESSED, /* length prefix, 00, bytes */
    COPY_JSON        /* length prefix, text, and 00 and types where the text does not tell them */
};
struct copy_column {
    enum copy_form form;
    uint32_t width;    /* fixed forms */
    unsigned n_prefix; /* others */
    size_t types_cell; /* COPY_JSON: number of the result's column with the types */
    const struct schema_column *column;
};
/* Fails with ERR_LOG_UNSUPPORTED for types that cannot be read so. */
bool copy_column_init(struct copy_column *out, const struct schema_table *t, size_t i,
                      struct err *e) WARN_UNUSED;
/* The SELECT expression that brings the column in that form. */
void copy_column_select(const struct schema_column *c, struct buf *sql);
/* Whether a result's column is of the form that copy_row_put expects: protocol type, sign, fraction
 * digits and scale. */
bool copy_column_is(const struct copy_column *c, const struct my_column *result);
/* Appends one row's image (null bitmap and values). */
bool copy_row_put(const struct copy_column *columns, size_t n, const struct my_wire *cells,
                  struct buf *out, struct err *e) WARN_UNUSED;

/* One key column: how a value of it is written in SQL. */
struct copy_key_column {
    const struct copy_column *column;
    uint16_t number; /* the column's number in the table, from 0 */
    char *name_sql;  /* `name` */
    char *charset;   /* "" for binary and for other types */
    char *collation;
};
struct copy_key {
    struct copy_key_column *columns;
    size_t n;          /* 0: the table has no identity key */
    char *force_index; /* " FORCE INDEX (`PRIMARY`)" or "" */
    char *order_by;    /* " ORDER BY `a`,`b`" or "" */
};
bool copy_key_init(struct copy_key *k, struct my_conn *c, const struct schema_table *t,
                   const struct copy_column *columns, struct err *e) WARN_UNUSED;
void copy_key_fini(struct copy_key *k);
/* Literals of a row's key, joined by commas. */
bool copy_key_literals(const struct copy_key *k,
                       const struct my_wire *values /* one a key column */, struct buf *out,
                       struct err *e) WARN_UNUSED;
/* " WHERE …" of a range and an additional condition; nothing when there is none. */
bool copy_key_where(const struct copy_key *k, const struct copy_range *range, const char *where,
                    struct buf *sql, struct err *e) WARN_UNUSED;

/* Everything about one table, made when it is first read. */
struct copy_plan {
    /* The definition that the caller gave; a reference is held. */
    const struct schema_table *source;
    /* The definition that the batches carry; a reference is held. */
    const struct schema_table *table;
    struct copy_column *columns;
    struct copy_key key;
    size_t n_cells;   /* of a result's row: the table's columns, and types of JSON documents */
    char *select;     /* "SELECT … FROM `db`.`t`" */
    size_t row_bytes; /* length of a recent row image; 0: not known yet */
};
struct copy_reader {
    struct my_conn *conn;
    struct copy_plan plan; /* source NULL: none */
    char **lock_tables;
    size_t n_lock_tables;
    struct my_params params; /* for the connection that holds table locks, and the asker */
    bool in_view;
    bool json_types;                   /* asked for */
    struct my_conn *asker;             /* reads definitions; NULL: not yet needed */
    const struct schema_table **known; /* definitions proven for the open view */
    size_t n_known, cap_known;
    struct buf images, key_bytes;
    struct my_stmt *scan; /* tables without a key: the one read that goes on */
    uint64_t scan_rows;
};
bool copy_plan_for(struct copy_reader *r, const struct schema_table *t, struct err *e) WARN_UNUSED;
void copy_scan_end(struct copy_reader *r);
/* With the end of a view what was proven for it is proven no more. */
void copy_definitions_forget(struct copy_reader *r);

#endif
