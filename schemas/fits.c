/* schemas/fits.c — whether every value of a source column can stand unchanged in a target column.
 *
 * "Fits" is about all values the type admits, not those present: strict mode would stop the copy at
 * the first one that does not, hours later. Pairs of types that are not named here do not fit.
 */
#include "schemas/charset.h"
#include "schemas/inspect.h"
#include "schemas/labels.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLLATION_BINARY = 63 };

struct pair {
    const struct schema_column *s, *t;
    char *reason;
    size_t reason_len;
};

static bool refuse(const struct pair *p, const char *fmt, ...) ERR_PRINTF(2, 3);

/* A table map says less than information_schema: not the digits of FLOAT(M,D), and nothing of
 * MariaDB's types that travel as another one. */
static bool is_of_log(const struct schema_column *c)
{
    return c->column_type == NULL;
}

enum { TYPE_TEXT_MAX = 41 };

static unsigned characters(const struct schema_column *c)
{
    unsigned width = charset_max_bytes(c->collation);
    return c->meta / (width ? width : 1);
}

/* As a person would write it; for a table map's columns put together from type and metadata. */
static void type_text(const struct schema_column *c, char out[TYPE_TEXT_MAX])
{
    const char *word = schema_type_word(c->type), *sign = c->is_unsigned ? " unsigned" : "";
    bool fraction = c->type == SCHEMA_TYPE_TIME2 || c->type == SCHEMA_TYPE_DATETIME2 ||
                    c->type == SCHEMA_TYPE_TIMESTAMP2;
    if (!is_of_log(c))
        snprintf(out, TYPE_TEXT_MAX, "%.40s", c->column_type);
    else if (c->type == SCHEMA_TYPE_NEWDECIMAL)
        snprintf(out, TYPE_TEXT_MAX, "decimal(%u,%u)%s", c->meta >> 8, c->meta & 0xffu, sign);
    else if (fraction && c->meta > 0)
        snprintf(out, TYPE_TEXT_MAX, "%s(%u)", word, c->meta);
    else if (c->type == SCHEMA_TYPE_STRING || c->type == SCHEMA_TYPE_VARCHAR)
        snprintf(out, TYPE_TEXT_MAX, "%s(%u)", word, characters(c));
    else
        snprintf(out, TYPE_TEXT_MAX, "%s%s", word, sign);
}

/* "price: decimal(12,2) → decimal(10,2): fewer integer digits" */
static bool refuse(const struct pair *p, const char *fmt, ...)
{
    char why[100], from[TYPE_TEXT_MAX], to[TYPE_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    type_text(p->s, from);
    type_text(p->t, to);
    snprintf(p->reason, p->reason_len, "%.60s: %s to %s: %s", p->s->name ? p->s->name : "?", from,
             to, why);
    return false;
}

static bool other_type(const struct pair *p)
{
    return refuse(p, "another type");
}

enum family {
    FAMILY_INTEGER,
    FAMILY_DECIMAL,
    FAMILY_FLOATING,
    FAMILY_BIT,
    FAMILY_DATE,
    FAMILY_YEAR,
    FAMILY_TIME,
    FAMILY_DATETIME,
    FAMILY_TIMESTAMP,
    FAMILY_STRING,
    FAMILY_LABELS,
    FAMILY_JSON,
    FAMILY_GEOMETRY,
    FAMILY_VECTOR,
    FAMILY_NETWORK, /* UUID, INET4, INET6 */
    FAMILY_UNKNOWN
};

static enum family family_of(const struct schema_column *c)
{
    switch (schema_column_kind(c)) {
    case SCHEMA_VALUE_INTEGER:
        return FAMILY_INTEGER;
    case SCHEMA_VALUE_DECIMAL:
        return FAMILY_DECIMAL;
    case SCHEMA_VALUE_FLOAT:
    case SCHEMA_VALUE_DOUBLE:
        return FAMILY_FLOATING;
    case SCHEMA_VALUE_BIT:
        return FAMILY_BIT;
    case SCHEMA_VALUE_DATE:
        return FAMILY_DATE;
    case SCHEMA_VALUE_YEAR:
        return FAMILY_YEAR;
    case SCHEMA_VALUE_TIME:
        return FAMILY_TIME;
    case SCHEMA_VALUE_DATETIME:
        return FAMILY_DATETIME;
    case SCHEMA_VALUE_TIMESTAMP:
        return FAMILY_TIMESTAMP;
    case SCHEMA_VALUE_TEXT:
    case SCHEMA_VALUE_BYTES:
        return FAMILY_STRING;
    case SCHEMA_VALUE_ENUM:
    case SCHEMA_VALUE_SET:
        return FAMILY_LABELS;
    case SCHEMA_VALUE_JSON:
        return FAMILY_JSON;
    case SCHEMA_VALUE_GEOMETRY:
        return FAMILY_GEOMETRY;
    case SCHEMA_VALUE_VECTOR:
        return FAMILY_VECTOR;
    case SCHEMA_VALUE_NETWORK:
        return FAMILY_NETWORK;
    case SCHEMA_VALUE_NONE:
        return FAMILY_UNKNOWN;
    }
    return FAMILY_UNKNOWN;
}

static bool sign_fits(const struct pair *p)
{
    return p->s->is_unsigned || !p->t->is_unsigned || refuse(p, "no negative values");
}

static unsigned integer_bits(uint8_t type)
{
    switch (type) {
    case SCHEMA_TYPE_TINY:
        return 8;
    case SCHEMA_TYPE_SHORT:
        return 16;
    case SCHEMA_TYPE_INT24:
        return 24;
    case SCHEMA_TYPE_LONG:
        return 32;
    default:
        return 64;
    }
}

static unsigned integer_digits(const struct schema_column *c)
{
    switch (integer_bits(c->type)) {
    case 8:
        return 3;
    case 16:
        return 5;
    case 24:
        return c->is_unsigned ? 8 : 7;
    case 32:
        return 10;
    default:
        return c->is_unsigned ? 20 : 19;
    }
}

static bool integer_fits(const struct pair *p)
{
    unsigned have = integer_bits(p->s->type), room = integer_bits(p->t->type);
    if (p->s->is_unsigned && !p->t->is_unsigned)
        have++;
    return sign_fits(p) && (have <= room || refuse(p, "smaller range"));
}

static bool decimal_fits(const struct pair *p, unsigned whole, unsigned scale)
{
    unsigned to_scale = p->t->meta & 0xff, to_whole = (unsigned)(p->t->meta >> 8) - to_scale;
    if (whole > to_whole)
        return refuse(p, "fewer integer digits");
    return scale <= to_scale ? sign_fits(p) : refuse(p, "smaller scale");
}

/* "float(7,3)" rounds; *digits 0 when the type says nothing. */
static void declared_digits(const struct schema_column *c, unsigned *digits, unsigned *scale)
{
    const char *open = c->column_type ? strchr(c->column_type, '(') : NULL;
    const char *comma = open ? strchr(open, ',') : NULL;
    *digits = comma ? (unsigned)strtoul(open + 1, NULL, 10) : 0;
    *scale = comma ? (unsigned)strtoul(comma + 1, NULL, 10) : 0;
}

static bool floating_fits(const struct pair *p)
{
    unsigned digits, scale, to_digits, to_scale;
    declared_digits(p->s, &digits, &scale);
    declared_digits(p->t, &to_digits, &to_scale);
    if (p->s->type == SCHEMA_TYPE_DOUBLE && p->t->type == SCHEMA_TYPE_FLOAT)
        return refuse(p, "less precision");
    if (to_digits > 0 && !is_of_log(p->s) &&
        (digits == 0 || scale > to_scale || digits - scale > to_digits - to_scale))
        return refuse(p, "rounds to %u,%u digits", to_digits, to_scale);
    return sign_fits(p);
}

static unsigned bit_length(const struct schema_column *c)
{
    return (unsigned)(c->meta >> 8) * 8 + (c->meta & 0xff);
}

static bool fraction_fits(const struct pair *p)
{
    return p->s->meta <= p->t->meta || refuse(p, "fewer fraction digits");
}

static bool is_blob(const struct schema_column *c)
{
    return c->type == SCHEMA_TYPE_BLOB || c->type == SCHEMA_TYPE_BLOB_COMPRESSED;
}

static uint64_t max_octets(const struct schema_column *c)
{
    if (is_blob(c))
        return (UINT64_C(1) << (8 * c->meta)) - 1;
    return c->type == SCHEMA_TYPE_VARCHAR_COMPRESSED ? c->meta - 1u : c->meta;
}

static bool binary_fits(const struct pair *p)
{
    bool padded = p->t->type == SCHEMA_TYPE_STRING;
    if (padded && p->s->type != SCHEMA_TYPE_STRING)
        return refuse(p, "pads with zero bytes");
    if (padded && p->s->meta != p->t->meta)
        return refuse(p, "another length of BINARY");
    return max_octets(p->s) <= max_octets(p->t) || refuse(p, "shorter");
}

static bool is_unicode(const char *charset)
{
    static const char *const whole[] = {"utf8mb4", "utf16", "utf16le", "utf32", "gb18030"};
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++)
        if (strcmp(charset, whole[i]) == 0)
            return true;
    return false;
}

static bool charset_fits(const struct pair *p)
{
    const char *from = charset_name(p->s->collation), *to = charset_name(p->t->collation);
    if (!from || !to)
        return refuse(p, "unknown character set");
    bool basic_plane = strcmp(from, "utf8mb3") == 0 || strcmp(from, "ucs2") == 0;
    bool to_basic = strcmp(to, "utf8mb3") == 0 || strcmp(to, "ucs2") == 0;
    bool single = charset_max_bytes(p->s->collation) == 1;
    if (strcmp(from, to) == 0 || is_unicode(to) || ((basic_plane || single) && to_basic) ||
        (strcmp(from, "ascii") == 0 && strcmp(to, "swe7") != 0))
        return true;
    return refuse(p, "character set %s has characters that %s has not", from, to);
}

/* The longest text of c in characters. */
static uint64_t max_characters(const struct schema_column *c)
{
    unsigned width = charset_max_bytes(c->collation);
    return is_blob(c) || width == 0 ? max_octets(c) : max_octets(c) / width;
}

/* The longest text of the source in the target's bytes. */
static uint64_t octets_at_target(const struct pair *p)
{
    const char *from = charset_name(p->s->collation), *to = charset_name(p->t->collation);
    bool same = strcmp(from, to) == 0 || strcmp(from, "ascii") == 0 ||
                (strcmp(from, "utf8mb3") == 0 && strcmp(to, "utf8mb4") == 0);
    if (same && is_blob(p->s))
        return max_octets(p->s);
    unsigned width = charset_max_bytes(same ? p->s->collation : p->t->collation);
    return max_characters(p->s) * width;
}

static bool text_fits(const struct pair *p)
{
    if (!charset_fits(p))
        return false;
    if (p->t->type == SCHEMA_TYPE_STRING && p->s->type != SCHEMA_TYPE_STRING)
        return refuse(p, "CHAR drops trailing spaces");
    bool ok = is_blob(p->t) ? octets_at_target(p) <= max_octets(p->t)
                            : max_characters(p->s) <= max_characters(p->t);
    return ok || refuse(p, "shorter");
}

static bool string_fits(const struct pair *p)
{
    bool from_binary = p->s->collation == COLLATION_BINARY;
    bool to_binary = p->t->collation == COLLATION_BINARY;
    if (from_binary != to_binary)
        return refuse(p, from_binary ? "binary to text" : "text to binary");
    if (p->t->ext == SCHEMA_EXT_JSON_TEXT && p->s->ext != SCHEMA_EXT_JSON_TEXT && !is_of_log(p->s))
        return refuse(p, "not every text is JSON");
    return from_binary ? binary_fits(p) : text_fits(p);
}

static bool has_label(const struct schema_column *c, const struct schema_label *label)
{
    for (size_t i = 0; i < c->n_labels; i++)
        if (schema_label_same(&c->labels[i], label))
            return true;
    return false;
}

static bool no_label(const struct pair *p, const struct schema_label *label)
{
    struct buf text CLEANUP(buf_fini) = BUF_INIT;
    schema_label_describe(label, &text);
    return refuse(p, "no label '%.60s'", buf_str(&text));
}

/* Labels travel as text, or by number where both sides have the same ones. */
static bool travels(const struct pair *p)
{
    return schema_labels_are_text(p->s) || schema_labels_same(p->s, p->t) ||
           refuse(p, "a label is no text in its character set, and the labels differ");
}

static bool labels_fit(const struct pair *p)
{
    if (p->s->type != p->t->type)
        return other_type(p);
    for (size_t i = 0; i < p->s->n_labels; i++)
        if (!has_label(p->t, &p->s->labels[i]))
            return no_label(p, &p->s->labels[i]);
    return travels(p);
}

static bool geometry_fits(const struct pair *p)
{
    return p->t->geometry_type == 0 || p->s->geometry_type == p->t->geometry_type ||
           (is_of_log(p->s) && p->s->geometry_type == 0) || refuse(p, "another kind of geometry");
}

static bool same_family_fits(const struct pair *p, enum family f)
{
    switch (f) {
    case FAMILY_INTEGER:
        return integer_fits(p);
    case FAMILY_DECIMAL:
        return decimal_fits(p, (unsigned)(p->s->meta >> 8) - (p->s->meta & 0xffu),
                            p->s->meta & 0xff);
    case FAMILY_FLOATING:
        return floating_fits(p);
    case FAMILY_BIT:
        return bit_length(p->s) <= bit_length(p->t) || refuse(p, "fewer bits");
    case FAMILY_TIME:
    case FAMILY_DATETIME:
    case FAMILY_TIMESTAMP:
        return fraction_fits(p);
    case FAMILY_STRING:
        return string_fits(p);
    case FAMILY_LABELS:
        return labels_fit(p);
    case FAMILY_GEOMETRY:
        return geometry_fits(p);
    case FAMILY_VECTOR:
        return p->s->vector_dim <= p->t->vector_dim || refuse(p, "fewer dimensions");
    case FAMILY_NETWORK:
        return p->s->ext == p->t->ext || other_type(p);
    case FAMILY_DATE:
    case FAMILY_YEAR:
    case FAMILY_JSON:
        return true;
    case FAMILY_UNKNOWN:
        return other_type(p);
    }
    return false;
}

/* A JSON document is at most as long as a LONGTEXT, and is UTF-8. */
static bool takes_json(const struct schema_column *t)
{
    return is_blob(t) && t->meta == 4 && charset_name(t->collation) &&
           strcmp(charset_name(t->collation), "utf8mb4") == 0;
}

/* MariaDB's UUID, INET and VECTOR are binary strings in a table map; the server checks what it
 * gets.
 */
static bool travels_as_bytes(const struct pair *p, enum family to)
{
    bool bytes = is_of_log(p->s) && schema_type_is_string(p->s->type) &&
                 (p->s->collation == COLLATION_BINARY || p->s->collation == 0);
    return bytes && (to == FAMILY_NETWORK || to == FAMILY_VECTOR);
}

static bool type_fits(const struct pair *p)
{
    enum family from = family_of(p->s), to = family_of(p->t);
    if (from == to)
        return same_family_fits(p, from);
    if (from == FAMILY_INTEGER && to == FAMILY_DECIMAL)
        return decimal_fits(p, integer_digits(p->s), 0);
    if (from == FAMILY_JSON && takes_json(p->t))
        return true;
    if (p->s->ext == SCHEMA_EXT_JSON_TEXT && to == FAMILY_JSON)
        return true;
    if (travels_as_bytes(p, to))
        return true;
    return other_type(p);
}

static bool fits(const struct pair *p)
{
    if (p->t->generated) /* a table map does not say it of its own columns */
        return p->s->generated || is_of_log(p->s) || refuse(p, "generated on the target only");
    return type_fits(p);
}

static bool is_number(const struct schema_label *l)
{
    return l->n > 0 && strspn(l->p, "0123456789") == l->n;
}

/* A label that is missing is refused, unless it can be taken for the number of another one. */
static bool labels_are_guarded(const struct pair *p)
{
    for (size_t i = 0; i < p->s->n_labels; i++)
        if (is_number(&p->s->labels[i]) && !has_label(p->t, &p->s->labels[i]))
            return no_label(p, &p->s->labels[i]);
    return travels(p);
}

bool schema_column_guarded(const struct schema_column *source, const struct schema_column *target,
                           char *reason, size_t reason_len)
{
    const struct pair p = {source, target, reason, reason_len};
    enum family from = family_of(source), to = family_of(target);
    if (reason_len > 0)
        reason[0] = 0;
    if (from == FAMILY_INTEGER && to == FAMILY_INTEGER)
        return true;
    if (from == FAMILY_LABELS && to == FAMILY_LABELS && source->type == target->type)
        return labels_are_guarded(&p);
    return fits(&p);
}

bool schema_column_fits(const struct schema_column *source, const struct schema_column *target,
                        char *reason, size_t reason_len)
{
    const struct pair p = {source, target, reason, reason_len};
    if (reason_len > 0)
        reason[0] = 0;
    if (source->nullable && !target->nullable && !target->generated)
        return refuse(&p, "no NULL");
    return fits(&p);
}
