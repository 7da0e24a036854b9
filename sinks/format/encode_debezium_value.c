/* sinks/format/encode_debezium_value.c — column values as Debezium's connectors print them, default
 * handling modes.
 *
 * decimal.handling.mode precise, time.precision.mode adaptive_time_microseconds,
 * bigint.unsigned.handling.mode long, binary.handling.mode bytes. Facts were taken from the real
 * engines' output (fixtures, NOTES.md). What only a definition tells is put by
 * encode_debezium_default.c. Not imitated, because it is wrong: UUIDs that end in zero bytes.
 */
#include "base/clock.h"
#include "cdc/log/jsonb.h"
#include "cdc/log/number.h"
#include "cdc/log/wire.h"
#include "sinks/format/encode_debezium.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define MICROS INT64_C(1000000)

static uint32_t decode_utf8(const uint8_t **p, const uint8_t *end)
{
    const uint8_t *s = *p;
    unsigned more = *s >= 0xf0 ? 3 : *s >= 0xe0 ? 2 : *s >= 0xc0 ? 1 : 0;
    uint32_t c = more == 3 ? *s & 7u : more == 2 ? *s & 15u : more == 1 ? *s & 31u : *s;
    s++;
    for (; more > 0 && s < end; more--)
        c = c << 6 | (*s++ & 63u);
    *p = s;
    return c;
}

static void put_escaped(struct buf *out, uint8_t c)
{
    static const char shorts[] = "btn?fr";
    buf_put_u8(out, '\\');
    if (c == '"' || c == '\\')
        buf_put_u8(out, c);
    else if (c >= 8 && c <= 13 && c != 11)
        buf_put_u8(out, (uint8_t)shorts[c - 8]);
    else
        buf_printf(out, "u%04X", c);
}

void debezium_put_string(struct buf *out, const void *utf8, size_t n)
{
    const uint8_t *p = utf8, *end = p + n, *plain = p;
    buf_put_u8(out, '"');
    while (p < end) {
        bool special = *p < 0x20 || *p == '"' || *p == '\\' || *p >= 0xf0;
        if (!special) {
            p++;
            continue;
        }
        buf_put(out, plain, (size_t)(p - plain));
        if (*p >= 0xf0) {
            uint32_t c = decode_utf8(&p, end) - 0x10000;
            buf_printf(out, "\\u%04X\\u%04X", 0xd800 | (c >> 10 & 0x3ff), 0xdc00 | (c & 0x3ff));
        } else {
            put_escaped(out, *p++);
        }
        plain = p;
    }
    buf_put(out, plain, (size_t)(p - plain));
    buf_put_u8(out, '"');
}

void debezium_put_base64(struct buf *out, const void *p, size_t n)
{
    buf_put_u8(out, '"');
    buf_put_base64(out, p, n);
    buf_put_u8(out, '"');
}

void debezium_put_float(struct buf *out, double v, bool single)
{
    struct number_digits d;
    if (!isfinite(v)) {
        buf_put_str(out, "null");
        return;
    }
    if (single)
        number_digits_float_java((float)v, &d);
    else
        number_digits_double_java(v, &d);
    number_print_java(&d, out);
}

/* Decimal digits as a big-endian two's complement number without needless bytes. */
static size_t digits_to_bytes(const char *text, bool negative, uint8_t out[40])
{
    uint8_t n[40] = {0}; /* little-endian magnitude */
    size_t len = 1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            continue;
        unsigned carry = (unsigned)(*text - '0');
        for (size_t i = 0; i < len; i++) {
            carry += n[i] * 10u;
            n[i] = (uint8_t)carry;
            carry >>= 8;
        }
        if (carry)
            n[len++] = (uint8_t)carry;
        assert(len < sizeof n);
    }
    unsigned borrow = negative;
    for (size_t i = 0; negative && i < len; i++) {
        unsigned v = (uint8_t)~n[i] + borrow;
        n[i] = (uint8_t)v;
        borrow = v >> 8;
    }
    bool sign_shown = (n[len - 1] >> 7) == (negative && !borrow);
    if (!sign_shown)
        n[len++] = negative && !borrow ? 0xff : 0;
    while (len > 1 &&
           ((n[len - 1] == 0 && n[len - 2] < 0x80) || (n[len - 1] == 0xff && n[len - 2] >= 0x80)))
        len--;
    for (size_t i = 0; i < len; i++)
        out[i] = n[len - 1 - i];
    return len;
}

void debezium_put_unscaled(struct buf *out, const char *digits, bool negative)
{
    uint8_t bytes[40];
    debezium_put_base64(out, bytes, digits_to_bytes(digits, negative, bytes));
}

static bool put_decimal(const struct cdc_value *v, struct buf *scratch, struct buf *out,
                        struct err *e)
{
    buf_reset(scratch);
    if (!cdc_value_decimal(v, scratch))
        return err_set(e, ERR_LOG_FORMAT, "not a decimal number");
    const char *text = buf_str(scratch);
    debezium_put_unscaled(out, text, *text == '-');
    return true;
}

static void put_bit(const struct cdc_value *v, struct buf *out)
{
    uint8_t le[8];
    if (v->column->meta == 1) {
        buf_put_str(out, v->p[0] & 1 ? "true" : "false");
        return;
    }
    for (size_t i = 0; i < v->n; i++)
        le[i] = v->p[v->n - 1 - i];
    debezium_put_base64(out, le, v->n);
}

static bool is_zero_date(const struct cdc_datetime *d)
{
    return d->month == 0 || d->day == 0;
}

/* Two-digit years are read as 1970–2069, as the engine's time adjuster does. */
static int64_t days_of(const struct cdc_datetime *d)
{
    int64_t year = d->year;
    if (year < 100)
        year += year < 70 ? 2000 : 1900;
    return clock_days_from_civil(year, d->month, d->day);
}

static void put_no_date(const struct cdc_value *v, struct buf *out)
{
    buf_put_str(out, v->column->nullable ? "null" : "0");
}

static int64_t micros_of_day(const struct cdc_datetime *d)
{
    return (((int64_t)d->hour * 60 + d->minute) * 60 + d->second) * MICROS + d->micro;
}

static void put_datetime(const struct cdc_value *v, const struct cdc_datetime *d, struct buf *out)
{
    if (is_zero_date(d)) {
        put_no_date(v, out);
        return;
    }
    int64_t us = days_of(d) * 86400 * MICROS + micros_of_day(d);
    buf_put_i64(out, d->fsp <= 3 ? us / 1000 : us);
}

static void put_timestamp(const struct cdc_value *v, const struct cdc_datetime *d, bool mariadb,
                          struct buf *out)
{
    if (d->epoch_s == 0 && d->micro == 0) {
        buf_put_str(out, v->column->nullable && !mariadb ? "null" : "\"1970-01-01T00:00:00Z\"");
        return;
    }
    size_t at = out->len + 11;
    buf_put_u8(out, '"');
    cdc_datetime_print(v, d, out);
    buf_put_str(out, "Z\"");
    if (!out->failed)
        out->data[at] = 'T';
}

static void put_date(const struct cdc_value *v, const struct cdc_datetime *d, struct buf *out)
{
    if (is_zero_date(d))
        put_no_date(v, out);
    else
        buf_put_i64(out, days_of(d));
}

static bool put_temporal(const struct cdc_value *v, enum schema_value_kind kind, bool mariadb,
                         struct buf *out, struct err *e)
{
    struct cdc_datetime d;
    if (!cdc_value_datetime(v, &d))
        return cdc_value_no_datetime(v, e);
    if (kind == SCHEMA_VALUE_DATE)
        put_date(v, &d, out);
    else if (kind == SCHEMA_VALUE_TIME)
        buf_put_i64(out, d.negative ? -micros_of_day(&d) : micros_of_day(&d));
    else if (kind == SCHEMA_VALUE_TIMESTAMP)
        put_timestamp(v, &d, mariadb, out);
    else
        put_datetime(v, &d, out);
    return true;
}

static bool not_text(const struct cdc_value *v, struct err *e)
{
    err_set(e, ERR_SINK_RECORD, "%s: a label is not valid in its character set",
            v->column->name ? v->column->name : "column");
    return err_cure(e, "leave the table out, or use the format ndjson, which shows its bytes");
}

/* The engine keeps the backslash that escapes a comma inside a label. */
static bool put_enum(const struct cdc_value *v, struct buf *scratch, struct buf *out, struct err *e)
{
    uint64_t i = cdc_value_u64(v);
    buf_reset(scratch);
    if (i >= 1 && i <= v->column->n_labels) {
        const struct schema_label *l = &v->column->labels[i - 1];
        if (!l->is_text)
            return not_text(v, e);
        for (size_t k = 0; k < l->n; k++) {
            if (l->p[k] == ',')
                buf_put_u8(scratch, '\\');
            buf_put_u8(scratch, (uint8_t)l->p[k]);
        }
    }
    debezium_put_string(out, buf_str(scratch), scratch->len);
    return true;
}

static bool put_set(const struct cdc_value *v, struct buf *scratch, struct buf *out, struct err *e)
{
    uint64_t mask = cdc_value_u64(v);
    buf_reset(scratch);
    for (size_t i = 0; i < v->column->n_labels && i < 64; i++) {
        if (!(mask >> i & 1))
            continue;
        if (scratch->len)
            buf_put_u8(scratch, ',');
        if (!v->column->labels[i].is_text)
            return not_text(v, e);
        buf_put(scratch, v->column->labels[i].p, v->column->labels[i].n);
    }
    debezium_put_string(out, buf_str(scratch), scratch->len);
    return true;
}

#define GEOMETRY_POINT 1u
#define WKB_POINT_LEN  21u

static void put_geometry(const struct cdc_value *v, struct buf *out)
{
    uint32_t srid = 0;
    size_t head = v->n < 4 ? v->n : 4;
    const uint8_t *wkb = v->p + head;
    size_t n = v->n - head;
    memcpy(&srid, v->p, head);
    buf_put_u8(out, '{');
    if (v->column->geometry_type == GEOMETRY_POINT && n >= WKB_POINT_LEN) {
        double x, y;
        memcpy(&x, wkb + 5, sizeof x);
        memcpy(&y, wkb + 13, sizeof y);
        buf_put_str(out, "\"x\":");
        debezium_put_float(out, x, false);
        buf_put_str(out, ",\"y\":");
        debezium_put_float(out, y, false);
        buf_put_u8(out, ',');
    }
    buf_put_str(out, "\"wkb\":");
    debezium_put_base64(out, wkb, n);
    if (srid)
        buf_printf(out, ",\"srid\":%u}", srid);
    else
        buf_put_str(out, ",\"srid\":null}");
}

static void put_vector(const struct cdc_value *v, struct buf *out)
{
    buf_put_u8(out, '[');
    for (size_t i = 0; i + 4 <= v->n; i += 4) {
        float f;
        memcpy(&f, v->p + i, sizeof f);
        if (i)
            buf_put_u8(out, ',');
        debezium_put_float(out, (double)f, true);
    }
    buf_put_u8(out, ']');
}

static void put_network(const struct cdc_value *v, struct buf *scratch, struct buf *out)
{
    buf_reset(scratch);
    cdc_value_ext_text(v, scratch);
    debezium_put_string(out, buf_str(scratch), scratch->len);
}

static bool put_bytes(const struct cdc_value *v, struct buf *scratch, struct buf *out,
                      struct err *e)
{
    buf_reset(scratch);
    if (!cdc_value_binary(v, scratch, e))
        return false;
    debezium_put_base64(out, scratch->data, scratch->len);
    return true;
}

static bool put_text(const struct cdc_value *v, struct buf *scratch, struct buf *out, struct err *e)
{
    bool valid = true;
    buf_reset(scratch);
    if (!cdc_value_text(v, scratch, &valid, e))
        return false;
    if (!valid)
        return err_set(e, ERR_SINK_RECORD, "the text is not valid in its character set");
    debezium_put_string(out, buf_str(scratch), scratch->len);
    return true;
}

static void put_unavailable(const struct cdc_value *v, struct buf *out)
{
    const char text[] = DEBEZIUM_UNAVAILABLE;
    if (v->column->type == SCHEMA_TYPE_BLOB && schema_column_kind(v->column) == SCHEMA_VALUE_BYTES)
        debezium_put_base64(out, text, sizeof text - 1);
    else
        debezium_put_string(out, text, sizeof text - 1);
}

static bool put_json(const struct cdc_value *v, const struct cdc_value *before, struct buf *scratch,
                     struct buf *out, struct err *e)
{
    bool ok;
    buf_reset(scratch);
    if (v->column->ext == SCHEMA_EXT_JSON_TEXT) { /* of an initial copy: as the server prints it */
        debezium_put_string(out, v->p, v->n);
        return true;
    }
    if (!v->json_diff) {
        ok = jsonb_print(v->p, v->n, JSONB_STYLE_DEBEZIUM, scratch, e);
    } else if (before && !before->absent && !before->null) {
        ok = jsonb_diff_apply(before->p, before->n, v->p, v->n, JSONB_STYLE_DEBEZIUM, scratch, e);
    } else {
        put_unavailable(v, out);
        return true;
    }
    if (ok)
        debezium_put_string(out, buf_str(scratch), scratch->len);
    return ok;
}

static bool put_present(const struct cdc_value *v, const struct cdc_value *before, bool mariadb,
                        struct buf *scratch, struct buf *out, struct err *e)
{
    const enum schema_value_kind kind = schema_column_kind(v->column);
    switch (kind) {
    case SCHEMA_VALUE_INTEGER:
        buf_put_i64(out, v->column->is_unsigned ? (int64_t)cdc_value_u64(v) : cdc_value_i64(v));
        return true;
    case SCHEMA_VALUE_YEAR:
        buf_put_i64(out, 1900 + v->p[0]);
        return true;
    case SCHEMA_VALUE_FLOAT:
        debezium_put_float(out, (double)cdc_value_float(v), true);
        return true;
    case SCHEMA_VALUE_DOUBLE:
        debezium_put_float(out, cdc_value_double(v), false);
        return true;
    case SCHEMA_VALUE_DECIMAL:
        return put_decimal(v, scratch, out, e);
    case SCHEMA_VALUE_BIT:
        put_bit(v, out);
        return true;
    case SCHEMA_VALUE_ENUM:
        return put_enum(v, scratch, out, e);
    case SCHEMA_VALUE_SET:
        return put_set(v, scratch, out, e);
    case SCHEMA_VALUE_JSON:
        return put_json(v, before, scratch, out, e);
    case SCHEMA_VALUE_GEOMETRY:
        put_geometry(v, out);
        return true;
    case SCHEMA_VALUE_VECTOR:
        put_vector(v, out);
        return true;
    case SCHEMA_VALUE_DATE:
    case SCHEMA_VALUE_TIME:
    case SCHEMA_VALUE_DATETIME:
    case SCHEMA_VALUE_TIMESTAMP:
        return put_temporal(v, kind, mariadb, out, e);
    case SCHEMA_VALUE_NETWORK:
        put_network(v, scratch, out);
        return true;
    case SCHEMA_VALUE_BYTES:
        return put_bytes(v, scratch, out, e);
    case SCHEMA_VALUE_TEXT:
        return put_text(v, scratch, out, e);
    case SCHEMA_VALUE_NONE:
        break;
    }
    return cdc_value_no_kind(v, e);
}

bool debezium_put_value(const struct cdc_value *v, const struct cdc_value *before, bool mariadb,
                        struct buf *scratch, struct buf *out, struct err *e)
{
    if (v->absent && before && !before->absent)
        return debezium_put_value(before, NULL, mariadb, scratch, out, e); /* not changed */
    if (!v->absent && !v->null)
        return put_present(v, before, mariadb, scratch, out, e);
    if (v->absent)
        put_unavailable(v, out);
    else
        buf_put_str(out, "null");
    return true;
}
