/* cdc/log/jsonb.h — MySQL's binary JSON: parsing into a tree, printing, and the diffs of partial
 * updates. Format: MySQL sources sql-common/json_binary.h. Includes nothing of the
 * change stream.
 */
#ifndef SLUICE_CDC_LOG_JSONB_H
#define SLUICE_CDC_LOG_JSONB_H

#include "base/arena.h"
#include "base/buf.h"

enum jsonb_kind {
    JSONB_NULL,
    JSONB_TRUE,
    JSONB_FALSE,
    JSONB_INT,
    JSONB_UINT,
    JSONB_DOUBLE,
    JSONB_STRING,
    JSONB_OPAQUE,
    JSONB_OBJECT,
    JSONB_ARRAY
};
struct jsonb_member;
struct jsonb_node {
    enum jsonb_kind kind;
    uint8_t opaque_type; /* column type number of an OPAQUE */
    union {
        int64_t i64;
        uint64_t u64;
        double number;
        struct {
            const uint8_t *p;
            size_t n;
        } bytes; /* STRING (UTF-8), OPAQUE */
        struct {
            struct jsonb_member *items; /* in the arena */
            size_t n, cap;
        } list; /* OBJECT, ARRAY (keys NULL) */
    };
};
struct jsonb_member {
    const uint8_t *key;
    size_t key_len;
    struct jsonb_node node;
};

/* n 0 is the JSON null. Bytes of strings stay where they are. Depth is limited to JSONB_MAX_DEPTH.
 */
#define JSONB_MAX_DEPTH 128u
bool jsonb_parse(const uint8_t *p, size_t n, struct arena *a, struct jsonb_node *out,
                 struct err *e) WARN_UNUSED;

enum jsonb_style {
    JSONB_STYLE_SERVER,   /* as CAST(… AS CHAR): {"a": [1, 2.0]} */
    JSONB_STYLE_DEBEZIUM, /* as Debezium's binary log client: {"a":[1,2.0]}, doubles without
                             exponent */
};
void jsonb_node_print(const struct jsonb_node *node, enum jsonb_style style, struct buf *out);
bool jsonb_print(const uint8_t *p, size_t n, enum jsonb_style style, struct buf *out,
                 struct err *e) WARN_UNUSED;

/* Applies a vector of diffs to a document; prints the result. */
bool jsonb_diff_apply(const uint8_t *doc, size_t doc_len, const uint8_t *diffs, size_t n,
                      enum jsonb_style style, struct buf *out, struct err *e) WARN_UNUSED;
/* [{"op":"replace","path":"$.a","value":1},…] */
bool jsonb_diff_print(const uint8_t *diffs, size_t n, struct buf *out, struct err *e) WARN_UNUSED;

/* A column has at most 65 digits; a member of a JSON document has the precision of the server's own
 * numbers, nine groups of nine digits. Source: MySQL decimal.h, DECIMAL_MAX_POSSIBLE_PRECISION. */
#define DECIMAL_DIGITS_MAX 81u
#define DECIMAL_TEXT_MAX                                                                           \
    100u /* so many digits of groups that may be wrong, a sign, a zero, a point */
/* A packed decimal of the row format as text. Its length; 0 when the bytes are none or too few. The
 * rest of `to` is scratch. */
size_t decimal_text(const uint8_t *p, size_t n, unsigned precision, unsigned scale,
                    char to[DECIMAL_TEXT_MAX]);
/* Digits without their point: what does not change from value to value of a column is found once.
 * False for more than 18 digits, or more than 9 behind the point. */
struct decimal_shape {
    uint8_t whole_bytes, fraction_bytes;
    uint32_t high_limit, low_limit, fraction_limit; /* what each group of digits is less than */
};
bool decimal_shape_of(unsigned precision, unsigned scale, struct decimal_shape *out);
/* False when the bytes are none or too few. */
bool decimal_unscaled(const struct decimal_shape *s, const uint8_t *p, size_t n, int64_t *out);
/* The text appended; false when the bytes are none or too few. */
bool decimal_print(const uint8_t *p, size_t n, unsigned precision, unsigned scale, struct buf *out);

#endif
