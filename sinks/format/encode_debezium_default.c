/* sinks/format/encode_debezium_default.c — what the connectors make of a column's definition: a
 * NULL is printed as the column's default, and FLOAT(M,D) as a double.
 *
 * The default stands in the definition as information_schema prints it: MariaDB an expression
 * ('x', 5, b'101', current_timestamp()), MySQL a text and, in EXTRA, whether it is an expression.
 * Facts were taken from the real engines' output (fixtures, NOTES.md). A default of theirs that is
 * none for them (an expression, a zero date, a TIMESTAMP's time of now) stays NULL. So does a text
 * with a question mark: information_schema, which is utf8mb3, prints other characters as one.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "cdc/log/value.h"
#include "schemas/sqltoken.h"
#include "sinks/format/encode_debezium.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MICROS INT64_C(1000000)

/* ---- the text ---- */

enum default_kind { DEFAULT_NONE, DEFAULT_LITERAL, DEFAULT_BITS, DEFAULT_HEX, DEFAULT_NOW };

static bool is_now(const char *text)
{
    static const char word[] = "current_timestamp";
    return strncasecmp(text, word, sizeof word - 1) == 0;
}

static bool is_number(const char *text)
{
    text += *text == '-' || *text == '+';
    return *text && strspn(text, "0123456789.eE+-") == strlen(text);
}

static enum default_kind put_bits(const char *text, struct buf *out)
{
    size_t n = strspn(text + 2, "01");
    buf_put(out, text + 2, n);
    return n && strcmp(text + 2 + n, "'") == 0 ? DEFAULT_BITS : DEFAULT_NONE;
}

static enum default_kind read_expression(const char *text, struct buf *out)
{
    struct sqltoken_scanner s;
    struct sqltoken t, more;
    size_t n = strlen(text);
    if (is_now(text))
        return DEFAULT_NOW;
    if (strncasecmp(text, "b'", 2) == 0)
        return put_bits(text, out);
    if (is_number(text)) {
        buf_put(out, text, n);
        return DEFAULT_LITERAL;
    }
    sqltoken_init(&s, text, n, false);
    if (!sqltoken_next(&s, &t) || t.kind != SQLTOKEN_STRING || sqltoken_next(&s, &more))
        return DEFAULT_NONE;
    sqltoken_string(text, &t, out);
    return DEFAULT_LITERAL;
}

static enum default_kind read_default(const struct schema_column *known, bool binary, bool mariadb,
                                      struct buf *out)
{
    const char *text = known->default_text;
    buf_reset(out);
    if (!text)
        return DEFAULT_NONE;
    if (mariadb)
        return read_expression(text, out);
    if (known->extra && strstr(known->extra, "DEFAULT_GENERATED"))
        return is_now(text) ? DEFAULT_NOW : DEFAULT_NONE;
    if (known->type == SCHEMA_TYPE_BIT)
        return strncmp(text, "b'", 2) == 0 ? put_bits(text, out) : DEFAULT_NONE;
    buf_put_str(out, text);
    return binary && strncmp(text, "0x", 2) == 0 ? DEFAULT_HEX : DEFAULT_LITERAL;
}

/* ---- the value ---- */

/* Beyond a signed number the default is the largest one, unlike a value, which wraps. */
static bool put_integer(const struct cdc_value *v, const char *text, struct buf *out)
{
    char *end;
    if (v->column->is_unsigned) {
        unsigned long long u = strtoull(text, &end, 10);
        buf_put_i64(out, u > INT64_MAX ? INT64_MAX : (int64_t)u);
    } else {
        buf_put_i64(out, strtoll(text, &end, 10));
    }
    return true;
}

static bool put_number(const char *text, bool single, struct buf *out)
{
    debezium_put_float(out, single ? (double)strtof(text, NULL) : strtod(text, NULL), single);
    return true;
}

/* The digits without the point, as many behind it as the column has. */
static bool put_decimal(const struct cdc_value *v, const char *text, struct buf *out)
{
    struct buf digits CLEANUP(buf_fini) = BUF_INIT;
    size_t scale = v->column->meta & 0xff, whole = strcspn(text, ".");
    const char *fraction = text[whole] ? text + whole + 1 : "";
    size_t n = strlen(fraction);
    buf_put(&digits, text, whole);
    buf_put(&digits, fraction, n < scale ? n : scale);
    for (; n < scale; n++)
        buf_put_u8(&digits, '0');
    if (strpbrk(text, "eE") || digits.len > 80)
        return false;
    debezium_put_unscaled(out, buf_str(&digits), *text == '-');
    return true;
}

static bool put_bit(const struct cdc_value *v, const char *digits, struct buf *out)
{
    unsigned bits = (v->column->meta >> 8) * 8u + (v->column->meta & 0xffu);
    uint64_t value = strtoull(digits, NULL, 2);
    uint8_t bytes[8];
    if (bits == 1) {
        buf_put_str(out, value ? "true" : "false");
        return true;
    }
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    debezium_put_base64(out, bytes, bits < 64 ? (bits + 7) / 8 : sizeof bytes);
    return true;
}

static int64_t micros_of(const char *fraction)
{
    int64_t us = 0;
    size_t digits = 0;
    for (; digits < 6 && *fraction >= '0' && *fraction <= '9'; digits++)
        us = us * 10 + (*fraction++ - '0');
    for (; digits < 6; digits++)
        us *= 10;
    return us;
}

static bool put_time(const char *text, struct buf *out)
{
    unsigned h = 0, m = 0, s = 0;
    int n = 0;
    bool negative = *text == '-';
    if (sscanf(text + negative, "%u:%u:%u%n", &h, &m, &s, &n) < 3)
        return false;
    const char *rest = text + negative + n;
    int64_t us =
        (((int64_t)h * 60 + m) * 60 + s) * MICROS + (*rest == '.' ? micros_of(rest + 1) : 0);
    buf_put_i64(out, negative ? -us : us);
    return true;
}

struct moment {
    int year;
    unsigned month, day;
    int64_t micros; /* of the day */
};

/* False: it is none, like a date without a month. */
static bool read_moment(const char *text, struct moment *at)
{
    unsigned h = 0, m = 0, s = 0;
    int n = 0, behind = 0;
    if (sscanf(text, "%d-%u-%u%n", &at->year, &at->month, &at->day, &n) < 3)
        return false;
    if (text[n] && sscanf(text + n, " %u:%u:%u%n", &h, &m, &s, &behind) < 3)
        return false;
    const char *rest = text + n + behind;
    at->micros =
        (((int64_t)h * 60 + m) * 60 + s) * MICROS + (*rest == '.' ? micros_of(rest + 1) : 0);
    return at->year > 0 && at->month > 0 && at->day > 0;
}

/* As its text, without the zeros at the end of its fraction. */
static bool put_timestamp(const char *text, struct buf *out)
{
    struct moment at;
    size_t n = strlen(text);
    if (!read_moment(text, &at) || n < 19 || strcmp(text, "1970-01-01 00:00:00") == 0)
        return false;
    if (strchr(text, '.')) {
        while (text[n - 1] == '0')
            n--;
        n -= text[n - 1] == '.';
    }
    buf_printf(out, "\"%.10sT%.*sZ\"", text, (int)(n - 11), text + 11);
    return true;
}

static bool put_datetime(const struct cdc_value *v, const char *text, struct buf *out)
{
    struct moment at;
    if (!read_moment(text, &at))
        return false;
    int64_t us = clock_days_from_civil(at.year, at.month, at.day) * 86400 * MICROS + at.micros;
    buf_put_i64(out, v->column->meta <= 3 ? us / 1000 : us);
    return true;
}

static bool put_date(const char *text, struct buf *out)
{
    struct moment at;
    if (!read_moment(text, &at))
        return false;
    buf_put_i64(out, clock_days_from_civil(at.year, at.month, at.day));
    return true;
}

static bool put_hex(const char *hex, struct buf *out)
{
    struct buf bytes CLEANUP(buf_fini) = BUF_INIT;
    for (unsigned byte; sscanf(hex, "%2x", &byte) == 1; hex += 2)
        buf_put_u8(&bytes, (uint8_t)byte);
    debezium_put_base64(out, buf_str(&bytes), bytes.len);
    return true;
}

static bool put_text(const struct schema_column *known, bool binary, const struct buf *text,
                     struct buf *out)
{
    bool other = known->ext != SCHEMA_EXT_NONE && known->ext != SCHEMA_EXT_JSON_TEXT;
    if (other || known->vector_dim > 0 ||
        memchr(text->data ? text->data : (const void *)"", '?', text->len))
        return false;
    if (binary)
        debezium_put_base64(out, text->data, text->len);
    else
        debezium_put_string(out, text->data, text->len);
    return true;
}

static bool put_literal(const struct cdc_value *v, const struct schema_column *known, bool binary,
                        struct buf *text, struct buf *out)
{
    switch (schema_column_kind(v->column)) {
    case SCHEMA_VALUE_INTEGER:
    case SCHEMA_VALUE_YEAR:
        return put_integer(v, buf_str(text), out);
    case SCHEMA_VALUE_FLOAT:
        return put_number(buf_str(text), !strchr(known->column_type, ','), out);
    case SCHEMA_VALUE_DOUBLE:
        return put_number(buf_str(text), false, out);
    case SCHEMA_VALUE_DECIMAL:
        return put_decimal(v, buf_str(text), out);
    case SCHEMA_VALUE_DATE:
        return put_date(buf_str(text), out);
    case SCHEMA_VALUE_TIME:
        return put_time(buf_str(text), out);
    case SCHEMA_VALUE_TIMESTAMP:
        return put_timestamp(buf_str(text), out);
    case SCHEMA_VALUE_DATETIME:
        return put_datetime(v, buf_str(text), out);
    case SCHEMA_VALUE_TEXT:
    case SCHEMA_VALUE_BYTES:
    case SCHEMA_VALUE_ENUM:
    case SCHEMA_VALUE_SET:
        return put_text(known, binary, text, out);
    case SCHEMA_VALUE_BIT:
    case SCHEMA_VALUE_JSON:
    case SCHEMA_VALUE_GEOMETRY:
    case SCHEMA_VALUE_VECTOR:
    case SCHEMA_VALUE_NETWORK:
    case SCHEMA_VALUE_NONE:
        break;
    }
    return false;
}

static bool put_default(const struct cdc_value *v, const struct schema_column *known, bool mariadb,
                        struct buf *scratch, struct buf *out)
{
    bool datetime = schema_column_kind(v->column) == SCHEMA_VALUE_DATETIME;
    bool binary = cdc_value_is_binary(v);
    switch (read_default(known, binary, mariadb, scratch)) {
    case DEFAULT_NONE:
        return false;
    case DEFAULT_LITERAL:
        return put_literal(v, known, binary, scratch, out);
    case DEFAULT_BITS:
        return v->column->type == SCHEMA_TYPE_BIT && put_bit(v, buf_str(scratch), out);
    case DEFAULT_HEX:
        return put_hex(buf_str(scratch) + 2, out);
    case DEFAULT_NOW:
        if (datetime)
            buf_put_u8(out, '0');
        return datetime;
    }
    return false;
}

bool debezium_put_known(const struct cdc_value *v, const struct schema_column *known, bool mariadb,
                        struct buf *scratch, struct buf *out)
{
    if (!known->column_type || v->absent)
        return false;
    if (v->null)
        return put_default(v, known, mariadb, scratch, out);
    bool wide = v->column->type == SCHEMA_TYPE_FLOAT && strchr(known->column_type, ',');
    if (wide)
        debezium_put_float(out, (double)cdc_value_float(v), false);
    return wide;
}
