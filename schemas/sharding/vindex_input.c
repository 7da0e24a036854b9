/* schemas/sharding/vindex_input.c — a column's value becomes a vindex's input. */
#include "schemas/sharding/vindex_input.h"

#include "base/mem.h"
#include "base/sys.h"
#include "schemas/charset.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { COLLATION_UTF8MB4 = 45, UUID_BYTES = 16 };

struct vindex_value vindex_value_of(const struct schema_column *c)
{
    bool padded = c->type == SCHEMA_TYPE_STRING && c->collation == SCHEMA_COLLATION_BINARY;
    return (struct vindex_value){.column = c->name ? c->name : "?",
                                 .kind = schema_column_kind(c),
                                 .is_unsigned = c->is_unsigned,
                                 .collation = c->collation,
                                 .width = padded ? c->meta : 0};
}

static bool no_value(const struct vindex_value *v, const char *what, struct err *e)
{
    return err_set(e, ERR_VINDEX, "column %s is %s, '%.*s' is none of its values", v->column, what,
                   v->n < 100 ? (int)v->n : 100, (const char *)v->p);
}

static bool number_of_text(const struct vindex_value *v, struct vindex_input *out, struct err *e)
{
    char *text = mem_strndup((const char *)v->p, v->n);
    bool ok = strlen(text) == v->n &&
              (v->is_unsigned ? sys_parse_u64(text, &out->u64) : sys_parse_i64(text, &out->i64));
    free(text);
    return ok || no_value(v, "a number", e);
}

static bool number_of_log(const struct vindex_value *v, struct vindex_input *out, struct err *e)
{
    uint64_t u = 0;
    if (v->n < 1 || v->n > sizeof u)
        return err_set(e, ERR_LOG_FORMAT, "column %s: an integer of %zu bytes", v->column, v->n);
    for (size_t i = v->n; i > 0; i--)
        u = u << 8 | v->p[i - 1];
    unsigned shift = (unsigned)(64 - 8 * v->n);
    if (v->is_unsigned)
        out->u64 = u;
    else
        out->i64 = (int64_t)(u << shift) >> shift;
    return true;
}

static void bytes_input(const void *p, size_t n, struct vindex_input *out)
{
    *out = (struct vindex_input){.kind = VINDEX_IN_BYTES, .p = p, .n = n};
}

static bool text_input(const struct vindex_value *v, struct buf *scratch, struct vindex_input *out,
                       struct err *e)
{
    uint16_t collation = v->collation != 0 ? v->collation : COLLATION_UTF8MB4;
    bytes_input(v->p, v->n, out);
    if (charset_is_utf8_compatible(collation) && charset_is_valid_utf8(v->p, v->n))
        return true;
    if (!charset_to_utf8(collation, v->p, v->n, scratch))
        return err_set(e, ERR_VINDEX, "column %s: a value is no text of the character set %s",
                       v->column, charset_name(collation) ? charset_name(collation) : "?");
    bytes_input(buf_str(scratch), scratch->len, out);
    return true;
}

/* The log leaves zero bytes at the end out, and so may a person; the server pads both. */
static bool binary_input(const struct vindex_value *v, struct buf *scratch,
                         struct vindex_input *out, struct err *e)
{
    bytes_input(v->p, v->n, out);
    if (v->n >= v->width)
        return true;
    if (!buf_put(scratch, v->p, v->n))
        return err_set(e, ERR_LIMIT, "column %s: a value of %zu bytes", v->column, v->n);
    while (scratch->len < v->width)
        buf_put_u8(scratch, 0);
    bytes_input(buf_str(scratch), scratch->len, out);
    return true;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c != 0 ? strchr(digits, c | 0x20) : NULL;
    return at != NULL && c != '-' ? (int)(at - digits) : -1;
}

static bool read_uuid(const char *text, uint8_t out[UUID_BYTES])
{
    size_t n = 0;
    int high = -1;
    for (; *text != 0; text++) {
        int digit = hex_digit(*text);
        if (*text == '-')
            continue;
        if (digit < 0 || n == UUID_BYTES)
            return false;
        if (high < 0) {
            high = digit;
        } else {
            out[n++] = (uint8_t)(high << 4 | digit);
            high = -1;
        }
    }
    return n == UUID_BYTES && high < 0;
}

/* The width tells what the text is of: an INET4 has four bytes, a UUID no dot and no colon pair. */
static bool network_input(const struct vindex_value *v, struct buf *scratch,
                          struct vindex_input *out, struct err *e)
{
    char text[64] = "";
    uint8_t bytes[UUID_BYTES];
    if (v->form == VINDEX_FORM_LOG)
        return binary_input(v, scratch, out, e);
    if (v->n < sizeof text)
        memcpy(text, v->p, v->n);
    bool ok = v->width == 4 ? inet_pton(AF_INET, text, bytes) == 1
                            : inet_pton(AF_INET6, text, bytes) == 1 || read_uuid(text, bytes);
    if (!ok)
        return no_value(v, "a UUID or an address", e);
    buf_put(scratch, bytes, v->width);
    bytes_input(buf_str(scratch), scratch->len, out);
    return true;
}

bool vindex_input_of(const struct vindex_value *v, struct buf *scratch, struct vindex_input *out,
                     struct err *e)
{
    *out = (struct vindex_input){.kind = VINDEX_IN_NULL};
    if (v->p == NULL)
        return true;
    switch (v->kind) {
    case SCHEMA_VALUE_INTEGER:
        out->kind = v->is_unsigned ? VINDEX_IN_U64 : VINDEX_IN_I64;
        return v->form == VINDEX_FORM_LOG ? number_of_log(v, out, e) : number_of_text(v, out, e);
    case SCHEMA_VALUE_TEXT:
        return text_input(v, scratch, out, e);
    case SCHEMA_VALUE_BYTES:
        return binary_input(v, scratch, out, e);
    case SCHEMA_VALUE_NETWORK:
        return network_input(v, scratch, out, e);
    case SCHEMA_VALUE_NONE:
    case SCHEMA_VALUE_FLOAT:
    case SCHEMA_VALUE_DOUBLE:
    case SCHEMA_VALUE_DECIMAL:
    case SCHEMA_VALUE_BIT:
    case SCHEMA_VALUE_YEAR:
    case SCHEMA_VALUE_DATE:
    case SCHEMA_VALUE_TIME:
    case SCHEMA_VALUE_DATETIME:
    case SCHEMA_VALUE_TIMESTAMP:
    case SCHEMA_VALUE_ENUM:
    case SCHEMA_VALUE_SET:
    case SCHEMA_VALUE_JSON:
    case SCHEMA_VALUE_GEOMETRY:
    case SCHEMA_VALUE_VECTOR:
        break;
    }
    return err_set(e, ERR_VINDEX, "column %s: its type cannot be a sharding key", v->column);
}
