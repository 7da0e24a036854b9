/* mysql/stmt_wire.c — encoding of parameters and slicing of binary rows, without any I/O. */
#include "mysql/stmt_wire.h"

#include <string.h>

enum wire_type { /* the protocol's numbers */
                 WIRE_TINY = 1,
                 WIRE_SHORT = 2,
                 WIRE_LONG = 3,
                 WIRE_FLOAT = 4,
                 WIRE_DOUBLE = 5,
                 WIRE_NULL = 6,
                 WIRE_TIMESTAMP = 7,
                 WIRE_LONGLONG = 8,
                 WIRE_INT24 = 9,
                 WIRE_DATE = 10,
                 WIRE_TIME = 11,
                 WIRE_DATETIME = 12,
                 WIRE_YEAR = 13,
                 WIRE_UNSIGNED = 0x8000,
};

enum bulk_indicator { BULK_VALUE = 0, BULK_NULL = 1, BULK_DEFAULT = 2 };
#define BULK_SEND_TYPES 128u

bool stmt_wire_note_type(const struct my_value *v, uint16_t *type)
{
    switch (v->type) {
    case MY_VALUE_I64:
        *type = WIRE_LONGLONG;
        return true;
    case MY_VALUE_U64:
        *type = WIRE_LONGLONG | WIRE_UNSIGNED;
        return true;
    case MY_VALUE_FLOAT:
        *type = WIRE_FLOAT;
        return true;
    case MY_VALUE_DOUBLE:
        *type = WIRE_DOUBLE;
        return true;
    case MY_VALUE_BYTES:
        *type = STMT_WIRE_BYTES;
        return true;
    case MY_VALUE_NULL:
    case MY_VALUE_DEFAULT:
        return false;
    }
    return false;
}

/* A length-encoded integer. */
static void put_length(struct buf *b, uint64_t n)
{
    if (n < 251) {
        buf_put_u8(b, (uint8_t)n);
    } else if (n < 1u << 16) {
        buf_put_u8(b, 252);
        buf_put_le(b, n, 2);
    } else if (n < 1u << 24) {
        buf_put_u8(b, 253);
        buf_put_le(b, n, 3);
    } else {
        buf_put_u8(b, 254);
        buf_put_le(b, n, 8);
    }
}

static void put_value(struct buf *b, const struct my_value *v)
{
    uint32_t f;
    uint64_t d;
    switch (v->type) {
    case MY_VALUE_I64:
        buf_put_le(b, (uint64_t)v->v.i64, 8);
        return;
    case MY_VALUE_U64:
        buf_put_le(b, v->v.u64, 8);
        return;
    case MY_VALUE_FLOAT:
        memcpy(&f, &v->v.f, sizeof f);
        buf_put_le(b, f, 4);
        return;
    case MY_VALUE_DOUBLE:
        memcpy(&d, &v->v.d, sizeof d);
        buf_put_le(b, d, 8);
        return;
    case MY_VALUE_BYTES:
        put_length(b, v->v.bytes.n);
        buf_put(b, v->v.bytes.p, v->v.bytes.n);
        return;
    case MY_VALUE_NULL:
    case MY_VALUE_DEFAULT:
        return;
    }
}

static void put_types(struct buf *b, const uint16_t *types, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        buf_put_le(b, types[i], 2);
}

void stmt_wire_put_execute(struct buf *b, uint32_t stmt_id, const struct my_value *params,
                           unsigned n, uint16_t *types)
{
    buf_put_le(b, stmt_id, 4);
    buf_put_u8(b, 0);    /* no cursor */
    buf_put_le(b, 1, 4); /* iterations: always 1 */
    if (n == 0)
        return;
    size_t bitmap_len = (n + 7) / 8;
    uint8_t *bitmap = buf_reserve(b, bitmap_len);
    if (!bitmap)
        return;
    memset(bitmap, 0, bitmap_len);
    for (unsigned i = 0; i < n; i++)
        if (!stmt_wire_note_type(&params[i], &types[i]))
            bitmap[i / 8] |= (uint8_t)(1u << (i % 8));
    b->len += bitmap_len;
    buf_put_u8(b, 1); /* types follow */
    put_types(b, types, n);
    for (unsigned i = 0; i < n; i++)
        put_value(b, &params[i]);
}

#define EXECUTE_HEAD_BYTES  16
#define EXECUTE_PARAM_BYTES 5 /* null bit, type, and what MySQL's attributes add: an empty name */

size_t stmt_wire_execute_size(const struct my_value *params, unsigned n)
{
    size_t size = EXECUTE_HEAD_BYTES + EXECUTE_PARAM_BYTES * (size_t)n;
    for (unsigned i = 0; i < n; i++)
        size += sizeof(uint64_t) + 1 + (params[i].type == MY_VALUE_BYTES ? params[i].v.bytes.n : 0);
    return size;
}

void stmt_wire_put_bulk_head(struct buf *b, uint32_t stmt_id, const uint16_t *types, unsigned n)
{
    buf_put_le(b, stmt_id, 4);
    buf_put_le(b, BULK_SEND_TYPES, 2);
    put_types(b, types, n);
}

bool stmt_wire_put_bulk_row(struct buf *b, const struct my_value *row, unsigned n,
                            const uint16_t *types)
{
    for (unsigned i = 0; i < n; i++) {
        const struct my_value *v = &row[i];
        uint16_t type = types[i];
        bool value = stmt_wire_note_type(v, &type);
        if (type != types[i])
            return false;
        buf_put_u8(b, value ? BULK_VALUE : v->type == MY_VALUE_DEFAULT ? BULK_DEFAULT : BULK_NULL);
        put_value(b, v);
    }
    return true;
}

int8_t stmt_wire_width(unsigned type)
{
    switch (type) {
    case WIRE_TINY:
        return 1;
    case WIRE_SHORT:
    case WIRE_YEAR:
        return 2;
    case WIRE_LONG:
    case WIRE_INT24:
    case WIRE_FLOAT:
        return 4;
    case WIRE_LONGLONG:
    case WIRE_DOUBLE:
        return 8;
    case WIRE_NULL:
        return 0;
    case WIRE_DATE:
    case WIRE_DATETIME:
    case WIRE_TIMESTAMP:
    case WIRE_TIME:
        return STMT_WIRE_LEN8;
    default: /* not an enum: every other type of the protocol is length-encoded */
        return STMT_WIRE_LENENC;
    }
}

/* Reads a length-encoded integer; NULL when it passes end. */
static const uint8_t *take_length(const uint8_t *p, const uint8_t *end, uint64_t *n)
{
    static const uint8_t extra_bytes[4] = {2, 3, 8, 0};
    if (p >= end)
        return NULL;
    unsigned first = *p++;
    if (first < 251) {
        *n = first;
        return p;
    }
    if (first == 251 || first == 255)
        return NULL;
    size_t extra = extra_bytes[first - 252];
    if ((size_t)(end - p) < extra)
        return NULL;
    uint64_t v = 0;
    for (size_t i = 0; i < extra; i++)
        v |= (uint64_t)p[i] << (8 * i);
    *n = v;
    return p + extra;
}

const uint8_t *stmt_wire_slice_cells(const uint8_t *p, size_t n, const int8_t *widths,
                                     unsigned n_columns, struct my_wire *cells)
{
    const uint8_t *end = p + n;
    const uint8_t *nulls = p + 1;
    size_t head = 1 + ((size_t)n_columns + 9) / 8;
    if (n < head)
        return NULL;
    p += head;
    for (unsigned i = 0; i < n_columns; i++) {
        if (nulls[(i + 2) / 8] >> ((i + 2) % 8) & 1) {
            cells[i] = (struct my_wire){NULL, 0};
            continue;
        }
        uint64_t len = (uint64_t)(unsigned char)widths[i];
        if (widths[i] < 0) {
            if (widths[i] == STMT_WIRE_LENENC)
                p = take_length(p, end, &len);
            else if (p < end)
                len = *p++;
            else
                p = NULL;
            if (!p)
                return NULL;
        }
        if (len > (uint64_t)(end - p))
            return NULL;
        cells[i] = (struct my_wire){p, (size_t)len};
        p += len;
    }
    return p;
}

bool stmt_wire_slice_row(const uint8_t *p, size_t n, const int8_t *widths, unsigned n_columns,
                         struct my_wire *cells)
{
    return stmt_wire_slice_cells(p, n, widths, n_columns, cells) == p + n;
}
