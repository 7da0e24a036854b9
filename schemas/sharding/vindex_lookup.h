/* schemas/sharding/vindex_lookup.h — vindexes whose answer stands in a table: what is asked, and
 * what the answer means.
 *
 * They say where a row is now, not where it was at a position of the log: rows that are copied or
 * replicated are never placed by one. Whoever asks is told so by the name: nothing here is called
 * by vindex_map, which stays a function of its input.
 */
#ifndef SLUICE_SCHEMAS_SHARDING_VINDEX_LOOKUP_H
#define SLUICE_SCHEMAS_SHARDING_VINDEX_LOOKUP_H

#include "schemas/sharding/vindex.h"

struct vindex_lookup {
    char *table; /* of the lookup table: TABLE or KEYSPACE.TABLE */
    char **from; /* its columns with the values; the first one is looked up, as in Vitess */
    size_t n_from;
    char *to;          /* its column with the keyspace id */
    bool write_only;   /* still being filled: the answer is every shard */
    bool ignore_nulls; /* NULL has no row: a NULL is on every shard */
    bool hashed;       /* `to` holds a number, of which the keyspace id is the hash */
    bool loose;        /* `from` holds the first 8 bytes of the value's unicode_loose_md5 */
};
/* NULL: v is a function. */
const struct vindex_lookup *vindex_lookup_of(const struct vindex *v);

struct vindex_answer {
    bool everywhere;  /* any shard may have the rows */
    struct ksid *ids; /* else those of these keyspace ids; none: no row has the value */
    size_t n;
};
void vindex_answers_fini(struct vindex_answer *answers, size_t n);
/* Whether the table has to be asked for the value; else *out is the answer. */
bool vindex_lookup_needs_table(const struct vindex *v, const struct vindex_input *in,
                               struct vindex_answer *out);
/* Appends the question for several values as one statement. Its rows are the number of the value (0
 * to n-1) and what vindex_lookup_take takes. table: quoted. False: a value cannot be asked for. */
bool vindex_lookup_sql(const struct vindex *v, const char *table, const struct vindex_input *in,
                       size_t n, struct buf *sql, struct err *e) WARN_UNUSED;
/* Adds one row's answer (to: NULL for SQL's NULL) to the value's. ERR_VINDEX: the second row of a
 * unique one, or no keyspace id. */
bool vindex_lookup_take(const struct vindex *v, const char *to, size_t n_to,
                        struct vindex_answer *out, struct err *e) WARN_UNUSED;

#endif
