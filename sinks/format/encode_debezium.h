/* sinks/format/encode_debezium.h — what the files of the Debezium format share. Private to
 * sinks/format/encode_debezium*.c. */
#ifndef SLUICE_SINKS_FORMAT_ENCODE_DEBEZIUM_H
#define SLUICE_SINKS_FORMAT_ENCODE_DEBEZIUM_H

#include "cdc/log/value.h"

#define DEBEZIUM_UNAVAILABLE "__debezium_unavailable_value"

/* One column's value as Debezium's JSON without schema has it, default handling modes. before: the
 * column in the before image, for values that an after image only completes (may be NULL). scratch:
 * any buffer. */
bool debezium_put_value(const struct cdc_value *v, const struct cdc_value *before, bool mariadb,
                        struct buf *scratch, struct buf *out, struct err *e) WARN_UNUSED;
/* A NULL as the default of its column, and FLOAT(M,D) as a double: where the definition that the
 * server gave says so. False: nothing was put, the value is as the log has it. */
bool debezium_put_known(const struct cdc_value *v, const struct schema_column *known, bool mariadb,
                        struct buf *scratch, struct buf *out) WARN_UNUSED;
void debezium_put_float(struct buf *out, double v, bool single);
/* Bytes as a quoted base64 text. */
void debezium_put_base64(struct buf *out, const void *p, size_t n);
/* Decimal digits (other characters are passed over) as base64 of a big-endian two's complement. */
void debezium_put_unscaled(struct buf *out, const char *digits, bool negative);
/* A quoted string with Jackson's escapes: controls as \u001B, characters beyond the BMP as two
 * escapes. */
void debezium_put_string(struct buf *out, const void *utf8, size_t n);

#endif
