/* schemas/sharding/vindex.h — functions from column values to keyspace ids, byte for byte as
 * Vitess. */
#ifndef SLUICE_SCHEMAS_SHARDING_VINDEX_H
#define SLUICE_SCHEMAS_SHARDING_VINDEX_H

#include "schemas/sharding/keyrange.h"

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
/* type: hash, xxhash, numeric, binary, binary_md5, reverse_bits, null. params_json may be NULL.
 * Unknown types and parameters are refused (ERR_VSCHEMA). */
struct vindex *vindex_new(const char *name, const char *type, const char *params_json,
                          struct err *e) WARN_UNUSED;
void vindex_free(struct vindex *v);
const char *vindex_name(const struct vindex *v);
const char *vindex_type(const struct vindex *v);
enum vindex_result {
    VINDEX_KSID,
    VINDEX_NONE /* Vitess: the value maps to no shard */,
    VINDEX_ERROR
};
/* Thread: any. */
enum vindex_result vindex_map(const struct vindex *v, const struct vindex_input *in, size_t n_in,
                              struct ksid *out, struct err *e) WARN_UNUSED;
/* The same for keyspace ids of any length (`binary` of a long value); appends to out. Thread: any.
 */
enum vindex_result vindex_map_buf(const struct vindex *v, const struct vindex_input *in,
                                  size_t n_in, struct buf *out, struct err *e) WARN_UNUSED;
/* The value that maps to a keyspace id (hash, numeric, reverse_bits: U64; binary: BYTES borrowed
 * from id); false for vindexes that cannot be reversed and for ids of a wrong length. */
bool vindex_reverse(const struct vindex *v, const uint8_t *id, size_t n, struct vindex_input *out,
                    struct err *e) WARN_UNUSED;
/* Values from..to keep their order as ids: numeric and binary only. */
bool vindex_keeps_order(const struct vindex *v);

#endif
