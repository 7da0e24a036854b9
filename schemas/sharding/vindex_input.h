/* schemas/sharding/vindex_input.h — a column's value becomes a vindex's input, by the column's type.
 * Pure.
 *
 * A value that comes out of the log, one that a query gave and one that a person typed map to the
 * same shard only if all three become the same input: '007' is the number 7 in an INT column and
 * three characters in a VARCHAR, 'é' is one byte in a latin1 column and two in the vindex.
 */
#ifndef SLUICE_SCHEMAS_SHARDING_VINDEX_INPUT_H
#define SLUICE_SCHEMAS_SHARDING_VINDEX_INPUT_H

#include "schemas/sharding/vindex.h"
#include "schemas/table.h"

enum vindex_form {
    VINDEX_FORM_LOG, /* the row format: integers little-endian, BINARY(n) without the zero bytes at
                        its end, compressed columns unpacked */
    VINDEX_FORM_TEXT /* the servers' text protocol, or typed: decimal digits */
};

struct vindex_value {
    const char *column; /* the column's name, which messages give */
    enum schema_value_kind kind;
    enum vindex_form form;
    bool is_unsigned;
    uint16_t collation; /* the character set of p, whatever the column's is; 0: UTF-8 */
    uint16_t width;     /* BINARY(n): n; else 0 */
    const uint8_t *p;   /* NULL: SQL's NULL */
    size_t n;
};

/* What c's type says; form, p and n are left to the caller, and collation is that of the column. */
struct vindex_value vindex_value_of(const struct schema_column *c);
/* Integers become numbers of the column's sign, text its bytes in UTF-8, binary strings their bytes
 * (UUID, INET4 and INET6 too). *out borrows from v or from scratch, which is empty at first.
 * ERR_VINDEX: the column's type cannot be a sharding key, or the value is none of the type. */
bool vindex_input_of(const struct vindex_value *v, struct buf *scratch, struct vindex_input *out,
                     struct err *e) WARN_UNUSED;

#endif
