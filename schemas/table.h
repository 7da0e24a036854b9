/* schemas/table.h — an immutable, refcounted table definition: columns, keys, character sets.
 *
 * Made from a table map's FULL metadata (cdc/log/decode) or from information_schema
 * (schemas/inspect). Type numbers are the protocol's (enum_field_types); meta is the table map's
 * metadata word.
 */
#ifndef SLUICE_SCHEMAS_TABLE_H
#define SLUICE_SCHEMAS_TABLE_H

#include "base/buf.h"
#include "schemas/types.h"

/* MariaDB types that travel as another one; known only from information_schema. So does VECTOR, as
 * VARCHAR of the character set binary: vector_dim tells it. */
enum schema_ext {
    SCHEMA_EXT_NONE,
    SCHEMA_EXT_UUID,
    SCHEMA_EXT_INET4,
    SCHEMA_EXT_INET6,
    SCHEMA_EXT_JSON_TEXT
};

struct schema_label {
    char *p; /* a NUL stands behind it, and may stand in it */
    size_t n;
    bool is_text; /* UTF-8; else bytes that are none in the column's character set, as they are */
};
struct schema_column {
    char *name;   /* NULL: the log has none (decode prints @n) */
    uint8_t type; /* the real type: ENUM and SET already resolved out of STRING */
    /* CHAR and BINARY (STRING), VARCHAR, VAR_STRING: most bytes. BLOB, JSON, GEOMETRY, VECTOR:
     * length bytes. NEWDECIMAL: precision<<8|scale. BIT: (bits/8)<<8|(bits%8). ENUM, SET: bytes a
     * value takes. TIME2, DATETIME2, TIMESTAMP2: fraction digits; TIME, DATETIME, TIMESTAMP too, in
     * MariaDB's format from before 10.1.2, where the log does not say them. Others: 0 or the type's
     * size. */
    uint16_t meta;
    uint16_t collation; /* id; 63 binary; 0 unknown or not a string */
    bool unsigned_known, is_unsigned;
    bool nullable;
    bool visible;        /* true unless known otherwise */
    bool generated;      /* virtual or stored; only information_schema knows */
    bool auto_increment; /* only information_schema knows */
    bool label_known;    /* labels filled */
    bool type_open;      /* a table map's: may be one of MariaDB's types that it does not tell */
    enum schema_ext ext;
    struct schema_label *labels; /* ENUM and SET; schemas/labels.h */
    size_t n_labels;
    /* Only information_schema knows these, and they are no part of the hash: */
    char *collation_name; /* "utf8mb4_bin"; NULL: no text */
    char *default_text;   /* COLUMN_DEFAULT; NULL: none, or NULL */
    char *extra;          /* EXTRA without auto_increment: "on update current_timestamp()" */
    char *expression;     /* a generated column's expression; NULL: it is not generated */
    char *column_type;    /* information_schema.COLUMN_TYPE: "decimal(12,2)"; NULL when from a table
                             map */
    uint32_t vector_dim;
    uint32_t geometry_type;
};
#define SCHEMA_COLLATION_BINARY 63u

/* What the column's values are. Of a table map's column that is one of MariaDB's UUID, INET4, INET6
 * and VECTOR: BYTES, as which they travel. */
static inline enum schema_value_kind schema_column_kind(const struct schema_column *c)
{
    enum schema_value_kind kind = (enum schema_value_kind)schema_types[c->type].kind;
    if (kind != SCHEMA_VALUE_TEXT)
        return kind;
    if (c->vector_dim > 0)
        return SCHEMA_VALUE_VECTOR;
    if (c->ext != SCHEMA_EXT_NONE && c->ext != SCHEMA_EXT_JSON_TEXT)
        return SCHEMA_VALUE_NETWORK;
    return c->collation == SCHEMA_COLLATION_BINARY ? SCHEMA_VALUE_BYTES : SCHEMA_VALUE_TEXT;
}

struct schema_key {
    char *name; /* "PRIMARY" */
    uint16_t *columns;
    uint32_t *prefix; /* 0 whole */
    size_t n;
    bool unique;
    bool not_null;         /* no nullable column */
    bool functional;       /* has parts that are expressions; columns holds the others */
    char *expressions;     /* these parts, each ended by ";"; NULL: none */
    bool without_overlaps; /* MariaDB: its last column is an application-time period */
};
struct schema_table {
    int refs;
    char *db, *name;
    struct schema_column *columns;
    size_t n_columns;
    size_t n_hidden;    /* further columns, behind these, that rows have and SQL does not show */
    bool whole;         /* the hidden ones are known to be these */
    bool keeps_history; /* MariaDB: the second hidden column is the end of each row's validity */
    bool sequence;      /* MariaDB: rows are a sequence's state, no table's */
    uint16_t *pk;       /* column numbers in key order; from metadata or information_schema */
    size_t n_pk;
    struct schema_key *keys; /* all keys, PRIMARY first; only from information_schema */
    size_t n_keys;
    uint64_t content_hash; /* hash of everything above: equal tables have equal hashes */
    bool full_metadata;    /* column names are known */
    char *unknown;         /* why they are not and must not be guessed; NULL: nobody asked */
    char *unknown_cure;
    char *engine, *create_sql, *row_format; /* only from information_schema */
    char *narrowed; /* a column whose default create_sql does not hold whole; NULL: none */
    void
        *row_plan; /* made by cdc/log/row.c on first use, set atomically; one block, freed by free()
                       with the table */
    uint64_t rows_estimate, bytes_estimate;
};
/* Columns of a row in the log. */
static inline size_t schema_table_width(const struct schema_table *t)
{
    return t->n_columns + t->n_hidden;
}
/* The last n columns become hidden ones; they are in no key then. */
void schema_table_hide(struct schema_table *t, size_t n);
/* One reference, all columns visible, nothing known of them. Thread: any. */
struct schema_table *schema_table_new(const char *db, const char *name, size_t n_columns);
/* A further reference to the same table (its count is the only thing that changes). Thread: any. */
struct schema_table *schema_table_ref(const struct schema_table *t);
void schema_table_unref(const struct schema_table *t);
/* Computes content_hash; called by whoever made the table, before it is shared. */
void schema_table_seal(struct schema_table *t);
/* Appends a key with room for n_columns (n is that number); the caller fills it before sealing. */
struct schema_key *schema_table_add_key(struct schema_table *t, const char *name, size_t n_columns);
/* What the definition says, as one JSON object (keys, engine and SQL text left out; the primary key
 * is there), and back; NULL with ERR_STATE_DB if the text is none of these. */
void schema_table_to_json(const struct schema_table *t, struct buf *out);
struct schema_table *schema_table_from_json(const char *json, struct err *e) WARN_UNUSED;
int schema_table_column(const struct schema_table *t,
                        const char *name); /* -1; case-insensitive ASCII */
/* Whether a table map's columns can be those of a definition: number, types, and names if it has
 * them. */
bool schema_table_same_types(const struct schema_table *log, const struct schema_table *known);
/* The same of one column, but for the name: a time that the log has in the format from before
 * 10.1.2 is the same, whose fraction digits it does not say. */
bool schema_column_same_type(const struct schema_column *log, const struct schema_column *known);
/* Key by which rows are identified: PRIMARY, else a unique key without nullable columns or
 * prefixes; NULL if none. */
const struct schema_key *schema_table_identity(const struct schema_table *t);

#endif
