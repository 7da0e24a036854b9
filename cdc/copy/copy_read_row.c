/* cdc/copy/copy_read_row.c — a row of the binary protocol becomes a row image as the binary log has
 * it.
 *
 * Forms: MySQL manual "Binary Protocol Value" on the one side, Field::pack of the
 * servers on the other. Where the two differ: INT24 travels as 4 bytes; YEAR as SHORT; temporal
 * types as broken-down fields; DECIMAL as text; ENUM and SET are selected as numbers; CHAR and
 * BINARY lose their padding in the log.
 */
#include "base/clock.h"
#include "cdc/copy/copy_read_internal.h"
#include "cdc/log/json_types.h"
#include "cdc/log/row_plan.h"
#include "cdc/log/wire.h"

#include <assert.h>
#include <string.h>

static enum copy_form string_form(const struct schema_column *c)
{
    bool raw =
        c->ext == SCHEMA_EXT_UUID || c->ext == SCHEMA_EXT_INET4 || c->ext == SCHEMA_EXT_INET6;
    return raw || c->collation == 63 ? COPY_BINARY : COPY_BYTES;
}

static bool form_of(const struct schema_column *c, enum copy_form *form)
{
    switch (c->type) {
    case SCHEMA_TYPE_TINY:
    case SCHEMA_TYPE_SHORT:
    case SCHEMA_TYPE_LONG:
    case SCHEMA_TYPE_INT24:
    case SCHEMA_TYPE_LONGLONG:
    case SCHEMA_TYPE_FLOAT:
    case SCHEMA_TYPE_DOUBLE:
    case SCHEMA_TYPE_ENUM:
    case SCHEMA_TYPE_SET:
        *form = COPY_INT;
        return true;
    case SCHEMA_TYPE_YEAR:
        *form = COPY_YEAR;
        return true;
    case SCHEMA_TYPE_DATE:
    case SCHEMA_TYPE_NEWDATE:
        *form = COPY_DATE;
        return true;
    case SCHEMA_TYPE_TIME2:
        *form = COPY_TIME2;
        return true;
    case SCHEMA_TYPE_DATETIME2:
        *form = COPY_DATETIME2;
        return true;
    case SCHEMA_TYPE_TIMESTAMP2:
        *form = COPY_TIMESTAMP2;
        return true;
    case SCHEMA_TYPE_NEWDECIMAL:
        *form = COPY_DECIMAL;
        return true;
    case SCHEMA_TYPE_BIT:
        *form = COPY_BIT;
        return true;
    case SCHEMA_TYPE_STRING:
        *form = string_form(c);
        return true;
    case SCHEMA_TYPE_VARCHAR:
    case SCHEMA_TYPE_VAR_STRING:
    case SCHEMA_TYPE_BLOB:
    case SCHEMA_TYPE_JSON:
    case SCHEMA_TYPE_GEOMETRY:
    case SCHEMA_TYPE_VECTOR:
        *form = COPY_BYTES;
        return true;
    case SCHEMA_TYPE_VARCHAR_COMPRESSED:
    case SCHEMA_TYPE_BLOB_COMPRESSED:
        *form = COPY_COMPRESSED;
        return true;
    default: /* old temporal types, which carry undeclared fractions, and unknown numbers */
        return false;
    }
}

bool copy_column_init(struct copy_column *out, const struct schema_table *t, size_t i,
                      struct err *e)
{
    const struct schema_column *c = &t->columns[i];
    const struct row_column *plan = &row_plan_of(t)->columns[i];
    out->column = c;
    out->width = plan->width;
    out->n_prefix = plan->n_prefix;
    if (plan->supported && form_of(c, &out->form))
        return true;
    return err_set(e, ERR_LOG_UNSUPPORTED, "%s.%s.%s: type %u (%s) cannot be copied", t->db,
                   t->name, c->name ? c->name : "?", c->type,
                   c->column_type ? c->column_type : "unknown");
}

void copy_column_select(const struct schema_column *c, struct buf *sql)
{
    const char *cast = NULL;
    if (c->type == SCHEMA_TYPE_ENUM || c->type == SCHEMA_TYPE_SET)
        cast = "UNSIGNED"; /* not +0, which is a DOUBLE and loses bits of a SET */
    else if (c->ext == SCHEMA_EXT_UUID || c->ext == SCHEMA_EXT_INET6)
        cast = "BINARY(16)";
    else if (c->ext == SCHEMA_EXT_INET4)
        cast = "BINARY(4)";
    if (cast)
        buf_put_str(sql, "CAST(");
    buf_put_ident(sql, c->name);
    if (cast)
        buf_printf(sql, " AS %s)", cast);
}

static bool is_of_bytes(unsigned type)
{
    return type == SCHEMA_TYPE_VARCHAR || type == SCHEMA_TYPE_VECTOR || type == SCHEMA_TYPE_JSON ||
           (type >= 249 && type <= SCHEMA_TYPE_GEOMETRY); /* from TINY_BLOB */
}

/* The protocol's number of the types whose definition has a number of its own. */
static unsigned type_on_the_wire(uint8_t type)
{
    switch (type) {
    case SCHEMA_TYPE_NEWDATE:
        return SCHEMA_TYPE_DATE;
    case SCHEMA_TYPE_TIME2:
        return SCHEMA_TYPE_TIME;
    case SCHEMA_TYPE_DATETIME2:
        return SCHEMA_TYPE_DATETIME;
    case SCHEMA_TYPE_TIMESTAMP2:
        return SCHEMA_TYPE_TIMESTAMP;
    default:
        return type;
    }
}

static unsigned decimals_of(const struct copy_column *c)
{
    return c->form == COPY_DECIMAL ? c->column->meta & 0xffu : c->column->meta;
}

bool copy_column_is(const struct copy_column *c, const struct my_column *result)
{
    bool is_unsigned = result->flags & MY_COLUMN_UNSIGNED;
    switch (c->form) {
    case COPY_BYTES:
    case COPY_BINARY:
    case COPY_COMPRESSED:
    case COPY_JSON:
        return is_of_bytes(result->type);
    case COPY_TIME2:
    case COPY_DATETIME2:
    case COPY_TIMESTAMP2:
    case COPY_DECIMAL:
        return result->type == type_on_the_wire(c->column->type) &&
               result->decimals == decimals_of(c);
    case COPY_INT:
        if (c->column->type == SCHEMA_TYPE_ENUM || c->column->type == SCHEMA_TYPE_SET)
            return schema_type_is_integer((uint8_t)result->type); /* selected as numbers */
        if (schema_type_is_integer(c->column->type) && is_unsigned != c->column->is_unsigned)
            return false;
        return result->type == type_on_the_wire(c->column->type);
    case COPY_YEAR:
    case COPY_DATE:
    case COPY_BIT:
        return result->type == type_on_the_wire(c->column->type);
    }
    return false;
}

/* Fields of a DATE, DATETIME or TIMESTAMP cell; lengths 0, 4, 7, 11. */
struct fields {
    unsigned year, month, day, hour, minute, second, micro;
};

static bool read_fields(const struct my_wire *w, struct fields *f)
{
    *f = (struct fields){0};
    if (w->n >= 4) {
        f->year = wire_u16(w->p);
        f->month = w->p[2];
        f->day = w->p[3];
    }
    if (w->n >= 7) {
        f->hour = w->p[4];
        f->minute = w->p[5];
        f->second = w->p[6];
    }
    if (w->n == 11)
        f->micro = wire_u32(w->p + 7);
    return w->n == 0 || w->n == 4 || w->n == 7 || w->n == 11;
}

/* The fraction in the unit of its bytes: 1 byte 10⁻², 2 bytes 10⁻⁴, 3 bytes 10⁻⁶ (odd digits are
 * rounded up to even). */
static unsigned fraction(unsigned micro, unsigned fsp)
{
    static const unsigned divisor[] = {1000000, 10000, 100, 1};
    return micro / divisor[(fsp + 1) / 2];
}

static bool put_date(const struct my_wire *w, struct buf *out)
{
    struct fields f;
    if (!read_fields(w, &f))
        return false;
    return buf_put_le(out, (uint64_t)f.day | (uint64_t)f.month << 5 | (uint64_t)f.year << 9, 3);
}

static bool put_datetime2(const struct copy_column *c, const struct my_wire *w, struct buf *out)
{
    struct fields f;
    if (!read_fields(w, &f))
        return false;
    uint64_t ymd = ((uint64_t)f.year * 13 + f.month) << 5 | f.day;
    uint64_t hms = (uint64_t)f.hour << 12 | (uint64_t)f.minute << 6 | f.second;
    buf_put_be(out, (ymd << 17 | hms) + 0x8000000000u, 5);
    return c->width == 5 || buf_put_be(out, fraction(f.micro, c->column->meta), c->width - 5);
}

static bool put_timestamp2(const struct copy_column *c, const struct my_wire *w, struct buf *out)
{
    struct fields f;
    uint64_t seconds = 0;
    if (!read_fields(w, &f))
        return false;
    if (f.year) {
        int64_t days = clock_days_from_civil(f.year, f.month, f.day);
        seconds = (uint64_t)(days * 86400 + f.hour * 3600 + f.minute * 60 + f.second);
    }
    buf_put_be(out, seconds, 4);
    return c->width == 4 || buf_put_be(out, fraction(f.micro, c->column->meta), c->width - 4);
}

/* TIME: 8 or 12 bytes: sign, days u32, hour, minute, second, micro u32. The packed form is one
 * signed number (hms and fraction together) over an offset, so that bytes sort as times do. */
static bool put_time2(const struct copy_column *c, const struct my_wire *w, struct buf *out)
{
    unsigned fraction_bytes = c->width - 3;
    if (w->n != 0 && w->n != 8 && w->n != 12)
        return false;
    int64_t packed = 0;
    if (w->n) {
        uint64_t hour = (uint64_t)wire_u32(w->p + 1) * 24 + w->p[5];
        unsigned micro = w->n == 12 ? wire_u32(w->p + 8) : 0;
        packed = (int64_t)(hour << 12 | (uint64_t)w->p[6] << 6 | w->p[7]);
        packed = packed << (8 * fraction_bytes);
        if (fraction_bytes)
            packed += fraction(micro, c->column->meta);
        if (w->p[0])
            packed = -packed;
    }
    uint64_t offset = (uint64_t)0x800000 << (8 * fraction_bytes);
    return buf_put_be(out, (uint64_t)packed + offset, c->width);
}

static const uint8_t digits_bytes[10] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};

static void put_digits(struct buf *out, const char *digits, unsigned n)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < n; i++)
        v = v * 10 + (uint64_t)(digits[i] - '0');
    if (n)
        buf_put_be(out, v, digits_bytes[n]);
}

/* Splits "-12.30" into exactly `whole` and `scale` digits. */
static bool split_decimal(const struct my_wire *w, unsigned whole, unsigned scale, char *digits,
                          bool *negative)
{
    const char *p = (const char *)w->p, *end = p + w->n;
    *negative = p < end && *p == '-';
    p += *negative;
    while (p < end && *p == '0')
        p++;
    const char *dot = memchr(p, '.', (size_t)(end - p));
    size_t n_whole = (size_t)((dot ? dot : end) - p), n_frac = dot ? (size_t)(end - dot - 1) : 0;
    if (n_whole > whole || n_frac > scale)
        return false;
    memset(digits, '0', whole + scale);
    memcpy(digits + whole - n_whole, p, n_whole);
    if (n_frac)
        memcpy(digits + whole, dot + 1, n_frac);
    for (unsigned i = 0; i < whole + scale; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return false;
    }
    return true;
}

static bool put_decimal(const struct copy_column *c, const struct my_wire *w, struct buf *out)
{
    unsigned precision = c->column->meta >> 8, scale = c->column->meta & 0xff,
             whole = precision - scale;
    char digits[256];
    bool negative;
    if (precision > 65 || !split_decimal(w, whole, scale, digits, &negative))
        return false;
    size_t at = out->len;
    put_digits(out, digits, whole % 9);
    for (unsigned i = whole % 9; i < whole; i += 9)
        put_digits(out, digits + i, 9);
    unsigned i = whole;
    for (; i + 9 <= precision; i += 9)
        put_digits(out, digits + i, 9);
    put_digits(out, digits + i, precision - i);
    if (out->failed || out->len - at != c->width)
        return false;
    for (size_t b = at; negative && b < out->len; b++)
        out->data[b] ^= 0xff;
    out->data[at] ^= 0x80;
    return true;
}

static bool put_bit(const struct copy_column *c, const struct my_wire *w, struct buf *out)
{
    if (w->n > c->width)
        return false;
    for (size_t i = w->n; i < c->width; i++)
        buf_put_u8(out, 0);
    return buf_put(out, w->p, w->n);
}

static bool put_counted(const struct copy_column *c, const struct my_wire *w, size_t n,
                        struct buf *out)
{
    bool marker = c->form == COPY_COMPRESSED && n > 0;
    size_t total = n + marker;
    if (c->n_prefix < 4 && total >> (8 * c->n_prefix))
        return false;
    buf_put_le(out, total, c->n_prefix);
    if (marker)
        buf_put_u8(out, 0);
    return buf_put(out, w->p, n);
}

/* types: NULL where the document has no scalar, or is large and has plain ones only. */
static bool put_json(const struct copy_column *c, const struct my_wire *text,
                     const struct my_wire *types, struct buf *out)
{
    bool told = types->p && json_types_told((const char *)types->p, types->n);
    size_t total = text->n + (told ? 1 + types->n : 0);
    if (c->n_prefix < 4 && total >> (8 * c->n_prefix))
        return false;
    buf_put_le(out, total, c->n_prefix);
    buf_put(out, text->p, text->n);
    if (told)
        buf_put_u8(out, 0);
    return told ? buf_put(out, types->p, types->n) : !out->failed;
}

static bool put_cell(const struct copy_column *c, const struct my_wire *w, struct buf *out)
{
    size_t n = w->n;
    switch (c->form) {
    case COPY_INT:
        return n >= c->width && buf_put(out, w->p, c->width);
    case COPY_YEAR:
        return n == 2 && buf_put_u8(out, (uint8_t)(wire_u16(w->p) ? wire_u16(w->p) - 1900 : 0));
    case COPY_DATE:
        return put_date(w, out);
    case COPY_TIME2:
        return put_time2(c, w, out);
    case COPY_DATETIME2:
        return put_datetime2(c, w, out);
    case COPY_TIMESTAMP2:
        return put_timestamp2(c, w, out);
    case COPY_DECIMAL:
        return put_decimal(c, w, out);
    case COPY_BIT:
        return put_bit(c, w, out);
    case COPY_BINARY:
        while (n && w->p[n - 1] == 0)
            n--;
        return put_counted(c, w, n, out);
    case COPY_BYTES:
    case COPY_COMPRESSED:
        return put_counted(c, w, n, out);
    case COPY_JSON:
        return false; /* two cells: copy_row_put */
    }
    return false;
}

bool copy_row_put(const struct copy_column *columns, size_t n, const struct my_wire *cells,
                  struct buf *out, struct err *e)
{
    size_t null_bytes = (n + 7) / 8, at = out->len;
    uint8_t *bitmap = buf_reserve(out, null_bytes);
    if (!bitmap)
        return err_set(e, ERR_LIMIT, "a chunk of rows is over %zu bytes", out->max);
    memset(bitmap, 0, null_bytes);
    if (n % 8) /* the servers set the bits behind the last column */
        bitmap[null_bytes - 1] = (uint8_t)(0xff << (n % 8));
    out->len += null_bytes;
    for (size_t i = 0; i < n; i++) {
        if (!cells[i].p)
            out->data[at + i / 8] |= (uint8_t)(1u << (i % 8));
        else if (columns[i].form == COPY_JSON
                     ? !put_json(&columns[i], &cells[i], &cells[columns[i].types_cell], out)
                     : !put_cell(&columns[i], &cells[i], out))
            return err_set(e, out->failed ? ERR_LIMIT : ERR_LOG_FORMAT,
                           "column %s: a value of %zu bytes is not what its type %u says",
                           columns[i].column->name, cells[i].n, columns[i].column->type);
    }
    return true;
}
