/* schemas/sharding/vindex.h — functions from column values to keyspace ids, byte for byte as
 * Vitess. */
#ifndef SLUICE_SCHEMAS_SHARDING_VINDEX_H
#define SLUICE_SCHEMAS_SHARDING_VINDEX_H

#include "schemas/sharding/keyrange.h"

#define VINDEX_COLUMNS_MAX 8 /* one vindex takes no more columns */

/* A value as it reaches a vindex: integers keep their sign, text its bytes (UTF-8), NULL is a kind.
 */
enum vindex_input_kind { VINDEX_IN_NULL, VINDEX_IN_I64, VINDEX_IN_U64, VINDEX_IN_BYTES };
struct vindex_input {
    enum vindex_input_kind kind;
    int64_t i64;
    uint64_t u64;
    const uint8_t *p;
    size_t n;
};
struct vindex; /* immutable */
/* type: one of those that docs/reference/vindexes.md lists. params_json: an object of strings, may
 * be NULL; names that the type does not take are kept for vindex_unknown_param. A file that a
 * parameter names is read here and never again. ERR_VSCHEMA: an unknown type, a wrong parameter. */
struct vindex *vindex_new(const char *name, const char *type, const char *params_json,
                          struct err *e) WARN_UNUSED;
void vindex_free(struct vindex *v);
const char *vindex_name(const struct vindex *v);
const char *vindex_type(const struct vindex *v);
/* How many columns decide a keyspace id, 1 to VINDEX_COLUMNS_MAX. */
size_t vindex_columns(const struct vindex *v);
/* No two keyspace ids for one value: only such a vindex places rows. */
bool vindex_is_unique(const struct vindex *v);
/* A table on a server has the answer, of this moment: vindex_map fails (see vindex_lookup.h). */
bool vindex_is_lookup(const struct vindex *v);
/* Vitess's measure of what a mapping costs: of two vindexes, the cheaper is asked. */
unsigned vindex_cost(const struct vindex *v);
/* The i-th parameter that the type does not take and ignores; NULL: there are no more. */
const char *vindex_unknown_param(const struct vindex *v, size_t i);
/* Two vindexes put every row at the same place if this text is the same: the type, and what its
 * parameters and the files that they name say. Appends. */
void vindex_put_placement(const struct vindex *v, struct buf *out);

enum vindex_result {
    VINDEX_KSID,
    VINDEX_NONE /* Vitess: the value maps to no shard */,
    VINDEX_ERROR
};
/* n_in other than vindex_columns() gives VINDEX_NONE or an error. Thread: any. */
enum vindex_result vindex_map(const struct vindex *v, const struct vindex_input *in, size_t n_in,
                              struct ksid *out, struct err *e) WARN_UNUSED;
/* The same for keyspace ids of any length (`binary` of a long value); appends to out. Thread: any.
 */
enum vindex_result vindex_map_buf(const struct vindex *v, const struct vindex_input *in,
                                  size_t n_in, struct buf *out, struct err *e) WARN_UNUSED;
/* The bytes with which the keyspace ids of all rows begin whose first n_in columns have these
 * values; appends. VINDEX_NONE: as above, or the vindex has no such beginning. Thread: any. */
enum vindex_result vindex_map_prefix(const struct vindex *v, const struct vindex_input *in,
                                     size_t n_in, struct buf *prefix, struct err *e) WARN_UNUSED;
/* The same for the rows whose column is LIKE the pattern (cfc only). */
enum vindex_result vindex_map_like(const struct vindex *v, const void *pattern, size_t n,
                                   struct buf *prefix, struct err *e) WARN_UNUSED;
/* The end of the range of ids that begin so: the prefix plus one; empty: no id is behind. Appends.
 */
void vindex_prefix_end(const struct buf *prefix, struct buf *end);
/* The value that maps to a keyspace id (hash, numeric, reverse_bits: U64; binary: BYTES borrowed
 * from id); false for vindexes that cannot be reversed and for ids of a wrong length. */
bool vindex_reverse(const struct vindex *v, const uint8_t *id, size_t n, struct vindex_input *out,
                    struct err *e) WARN_UNUSED;
/* Values from..to keep their order as ids: numeric and binary only. */
bool vindex_keeps_order(const struct vindex *v);

#endif
