/* mysql/stmt_wire.h — bytes of the prepared-statement protocol: parameters out, rows in; pure. */
#ifndef SLUICE_MYSQL_STMT_WIRE_H
#define SLUICE_MYSQL_STMT_WIRE_H

#include "mysql/conn.h"

/* Parameter type as sent: type number, 0x8000 unsigned. */
#define STMT_WIRE_BYTES 253u

/* Sets *type from a value that is not NULL (nor DEFAULT); false for those, *type stays. */
bool stmt_wire_note_type(const struct my_value *v, uint16_t *type);
/* COM_STMT_EXECUTE without the command byte; types: in and out, n of them. */
void stmt_wire_put_execute(struct buf *b, uint32_t stmt_id, const struct my_value *params,
                           unsigned n, uint16_t *types);
/* COM_STMT_BULK_EXECUTE: the head once, then any number of rows; false when a value is not of its
 * column's type. */
void stmt_wire_put_bulk_head(struct buf *b, uint32_t stmt_id, const uint16_t *types, unsigned n);
bool stmt_wire_put_bulk_row(struct buf *b, const struct my_value *row, unsigned n,
                            const uint16_t *types);

#define STMT_WIRE_LENENC ((int8_t)-1) /* length-encoded bytes */
#define STMT_WIRE_LEN8   ((int8_t)-2) /* temporal: one length byte, then so many */
/* How a column of that protocol type is laid out: bytes of a fixed width or one of the above. */
int8_t stmt_wire_width(unsigned type);
/* Bytes of the request that stmt_wire_put_execute would write, or a few more. */
size_t stmt_wire_execute_size(const struct my_value *params, unsigned n);
/* Cells of one row packet (first byte 0); false when it does not hold together. */
bool stmt_wire_slice_row(const uint8_t *p, size_t n, const int8_t *widths, unsigned n_columns,
                         struct my_wire *cells);
/* The same where n is only known to be enough: the end of the cells, NULL when they pass n. */
const uint8_t *stmt_wire_slice_cells(const uint8_t *p, size_t n, const int8_t *widths,
                                     unsigned n_columns, struct my_wire *cells);

#endif
