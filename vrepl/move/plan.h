/* vrepl/move/plan.h — how rows of one source definition become rows of one target table: columns by
 * name.
 *
 * A plan is made for a pair (source table definition at a position, target table definition) and is
 * immutable. A new source definition (DDL) gives a new plan. Refused, by name: a source column that
 * the target lacks, a target column without a source that has no way to get a value, keys that
 * differ.
 */
#ifndef SLUICE_VREPL_MOVE_PLAN_H
#define SLUICE_VREPL_MOVE_PLAN_H

#include "base/map.h"
#include "mysql/conn.h"
#include "schemas/table.h"
#include "vrepl/move/stream.h"

/* How a cdc_value becomes a my_value (vrepl/value_bind). */
enum plan_bind {
    PLAN_BIND_I64,
    PLAN_BIND_U64, /* unsigned integers, BIT, ENUM index, SET mask */
    PLAN_BIND_FLOAT,
    PLAN_BIND_DOUBLE,
    PLAN_BIND_DECIMAL,  /* text with its scale */
    PLAN_BIND_TEMPORAL, /* text with its fraction */
    PLAN_BIND_BYTES, /* bytes as they are: strings in their own charset, blobs, geometry, vectors */
    PLAN_BIND_BINARY,  /* BINARY(n): padded to n */
    PLAN_BIND_INFLATE, /* MariaDB compressed columns */
    PLAN_BIND_JSON,    /* binary JSON → text */
    PLAN_BIND_LABEL    /* ENUM and SET by label: the target numbers them otherwise */
};

struct plan_column {
    uint16_t source, target; /* column numbers */
    enum plan_bind bind;
    char *value; /* "?" or an expression of one "?": in VALUES and SET */
    char *where; /* the same in comparisons */
    bool key;    /* the column belongs to the identity key */
    /* The column belongs to the primary vindex, and is compared too (several sources). */
    bool guard;
    bool typed; /* JSON on both sides whose scalars have SQL types (vrepl/json_write) */
};

struct vrepl_plan {
    struct schema_table *source, *target; /* references held */
    const struct vrepl_table_spec *spec;
    size_t table_no;             /* the table's number in the stream's spec */
    struct plan_column *columns; /* those that are written, in the target's order */
    size_t n_columns;
    uint16_t
        *key; /* numbers in columns of the identity key, in key order; n_key 0: rows have no key */
    size_t n_key;
    uint16_t *vindex; /* source column numbers */
    size_t n_vindex;
    bool typed;       /* any of columns is */
    bool order_exact; /* the identity key's order compares exactly here: integers only */
};

/* Collation id → character set name of one server. */
struct plan_charsets;
struct plan_charsets *plan_charsets_load(struct my_conn *c, struct err *e) WARN_UNUSED;
void plan_charsets_free(struct plan_charsets *c);
const char *plan_charset(const struct plan_charsets *c, uint16_t collation); /* NULL unknown */

struct plan_options {
    const struct vrepl_table_spec *spec;
    size_t table_no;
    const struct plan_charsets *source_charsets, *target_charsets;
    enum my_flavor target_flavor;
    bool several_sources;
    bool may_narrow; /* the way back after a switch: only what no server refuses is checked */
};
/* ERR_SCHEMA_MISMATCH names table and column. */
struct vrepl_plan *vrepl_plan_new(const struct plan_options *o, const struct schema_table *source,
                                  const struct schema_table *target, struct err *e) WARN_UNUSED;
void vrepl_plan_free(struct vrepl_plan *p);

#endif
