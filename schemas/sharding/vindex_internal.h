/* schemas/sharding/vindex_internal.h — what the files of the vindex functions share: parameters, a
 * vindex's inside and the table of types.
 */
#ifndef SLUICE_SCHEMAS_SHARDING_VINDEX_INTERNAL_H
#define SLUICE_SCHEMAS_SHARDING_VINDEX_INTERNAL_H

#include "schemas/sharding/vindex.h"

enum { VINDEX_ID_BYTES = 8 };

/* Vitess's map of texts to texts. */
struct vindex_param {
    char *name, *value;
};
struct vindex_params {
    struct vindex_param *items;
    size_t n;
};
/* json: an object of strings; NULL, "" and null are empty. ERR_VSCHEMA: anything else. */
bool vindex_params_parse(const char *vindex, const char *json, struct vindex_params *out,
                         struct err *e) WARN_UNUSED;
void vindex_params_fini(struct vindex_params *p);
const char *vindex_param(const struct vindex_params *p, const char *name); /* NULL: absent */
/* An absent one is *out unchanged and true. ERR_VSCHEMA: not as Go's strconv.Atoi takes it. */
bool vindex_param_int(const char *vindex, const char *name, const char *text, int *out,
                      struct err *e) WARN_UNUSED;
/* Only "true" and "false"; absent: false. */
bool vindex_param_bool(const char *vindex, const struct vindex_params *p, const char *name,
                       bool *out, struct err *e) WARN_UNUSED;

struct vindex_kind {
    const char *type;
    const char *const *params; /* the names it takes, NULL at the end; NULL: all are passed on */
    unsigned columns;          /* 0: create sets v->n_columns */
    bool (*create)(struct vindex *v, const struct vindex_params *p,
                   struct err *e);     /* NULL: no-op */
    void (*destroy)(struct vindex *v); /* of v->own; NULL: there is none */
    /* n_in is v->n_columns, or for a partial one 1 or more. NULL: a lookup vindex. */
    enum vindex_result (*map)(const struct vindex *v, const struct vindex_input *in, size_t n_in,
                              struct buf *out, struct err *e);
    bool (*reverse)(const struct vindex *v, uint64_t id, uint64_t *value); /* NULL: cannot */
    /* What besides the type decides where rows go, appended; NULL: nothing does. */
    void (*place)(const struct vindex *v, struct buf *out);
    unsigned cost;
    bool keeps_order, partial, hashing, unique;
};
struct vindex {
    const struct vindex_kind *kind;
    char *name;
    size_t n_columns;
    char **unknown; /* names of parameters that the type does not take */
    size_t n_unknown;
    void *own;
};
/* A vindex that is part of another: its unknown parameters are the other's. */
struct vindex *vindex_new_part(const char *name, const char *type, const struct vindex_params *p,
                               struct err *e) WARN_UNUSED;
/* As part of another, a vindex that cannot map a value gives no id, and says no more (Vitess). */
enum vindex_result vindex_map_part(const struct vindex *v, const struct vindex_input *in,
                                   struct buf *out);

/* The value as the server prints it; NULL is empty. */
struct vindex_text {
    const uint8_t *p;
    size_t n;
    char digits[24];
};
void vindex_input_text(const struct vindex_input *in, struct vindex_text *t);
/* Decimal digits with white space around are a number too; false: no number, or below zero where
 * that is not allowed. */
bool vindex_input_number(const struct vindex_input *in, bool negative_allowed, uint64_t *out);
/* Says that the table of weights is missing, and the cure; false. */
bool vindex_loose_refused(const struct vindex *v, struct err *e);
bool vindex_md5(const void *p, size_t n, struct buf *out); /* appends 16 bytes */
/* The digest of the bytes is the keyspace id. */
enum vindex_result vindex_md5_id(const struct vindex *v, const void *p, size_t n, struct buf *out,
                                 struct err *e);
void vindex_xxhash(const void *p, size_t n, struct buf *out); /* appends 8 */

/* A JSON object of names to unsigned 64-bit numbers, sorted by name; jansson has no such
 * numbers. */
struct vindex_pair {
    char *name;
    uint64_t value;
};
bool vindex_pairs_parse(const char *vindex, const char *json, struct vindex_pair **out, size_t *n,
                        struct err *e) WARN_UNUSED;
void vindex_pairs_free(struct vindex_pair *pairs, size_t n);
/* NULL: there is none. The pairs are as vindex_pairs_parse gave them. */
const struct vindex_pair *vindex_pairs_find(const struct vindex_pair *pairs, size_t n,
                                            const char *name, size_t name_len);
/* A short text that differs when the pairs do, whatever order the JSON has. The pairs are as
 * vindex_pairs_parse gave them. */
void vindex_pairs_digest(const struct vindex_pair *pairs, size_t n, struct buf *out);

extern const char *const vindex_no_params[]; /* of a type that takes none */
extern const struct vindex_kind vindex_kinds_plain[], vindex_kinds_columns[], vindex_kinds_map[],
    vindex_kinds_cfc[], vindex_kinds_loose[], vindex_kinds_lookup[]; /* type NULL at the end */

#endif
