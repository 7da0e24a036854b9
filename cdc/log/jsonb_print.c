/* cdc/log/jsonb_print.c — a JSON tree as text, as the server or as Debezium's log client writes it.
 *
 * Server: ", " and ": ", doubles shortest with ".0" for whole ones, opaque dates quoted with six
 * fraction digits, other opaque values "base64:typeN:…" (MySQL sources sql-common/json_dom.cc).
 * Debezium: no blanks, doubles as the full decimal expansion of the binary value, opaque dates
 * without zero fractions, other opaque values as base64 (observed; fixtures' NOTES fact 18).
 */
#include "cdc/log/jsonb.h"
#include "cdc/log/number.h"
#include "cdc/log/wire.h"
#include "schemas/table.h"

#include <math.h>
#include <stdio.h>

static void put_string(const uint8_t *p, size_t n, struct buf *out)
{
    buf_put_u8(out, '"');
    buf_put_json_escaped(out, (const char *)p, n);
    buf_put_u8(out, '"');
}

static void put_server_double(const struct number_digits *d, struct buf *out)
{
    size_t before = out->len;
    number_print(d, out);
    for (size_t i = before; i < out->len; i++) {
        if (out->data[i] == '.' || out->data[i] == 'e')
            return;
    }
    buf_put_str(out, ".0");
}

/* The binary value's whole decimal expansion, as Java's new BigDecimal(double).toPlainString(). */
static void put_expansion(double v, struct buf *out)
{
    char text[1500];
    int n = snprintf(text, sizeof text, "%.1074f", v);
    while (text[n - 1] == '0')
        n--;
    n -= text[n - 1] == '.'; /* there always is one */
    buf_put(out, text, (size_t)n);
}

static void put_double(double v, enum jsonb_style style, struct buf *out)
{
    if (!isfinite(v)) {
        buf_put_str(out, "null");
        return;
    }
    struct number_digits d;
    number_digits_double(v, &d);
    if (style == JSONB_STYLE_SERVER)
        put_server_double(&d, out);
    else if (d.digits[0] == '0' || (d.point > -3 && d.point <= 7))
        number_print_java(&d, out);
    else
        put_expansion(v, out);
}

/* i64: year·13+month, day, hour, minute, second as DATETIME2, fraction in the low 24 bits. */
static void put_packed_time(uint8_t type, int64_t packed, enum jsonb_style style, struct buf *out)
{
    uint64_t v = packed < 0 ? 0 - (uint64_t)packed : (uint64_t)packed;
    uint32_t micro = (uint32_t)(v & 0xffffff);
    uint64_t hms = v >> 24;
    unsigned second = hms & 63, minute = hms >> 6 & 63;
    unsigned hour = (unsigned)(hms >> 12) & (type == SCHEMA_TYPE_TIME ? 0x3ffu : 31u);
    uint64_t ymd = hms >> 17;
    unsigned day = ymd & 31, month = (unsigned)((ymd >> 5) % 13),
             year = (unsigned)((ymd >> 5) / 13);
    bool fraction = style == JSONB_STYLE_SERVER || micro != 0;
    buf_put_u8(out, '"');
    if (packed < 0)
        buf_put_u8(out, '-');
    if (type != SCHEMA_TYPE_TIME)
        buf_printf(out, "%04u-%02u-%02u", year, month, day);
    if (type != SCHEMA_TYPE_TIME && type != SCHEMA_TYPE_DATE)
        buf_put_u8(out, ' ');
    if (type != SCHEMA_TYPE_DATE)
        buf_printf(out, "%02u:%02u:%02u", hour, minute, second);
    if (type != SCHEMA_TYPE_DATE && fraction && style == JSONB_STYLE_DEBEZIUM && micro % 1000 == 0)
        buf_printf(out, ".%03u", micro / 1000);
    else if (type != SCHEMA_TYPE_DATE && fraction)
        buf_printf(out, ".%06u", micro);
    buf_put_u8(out, '"');
}

static bool put_decimal(const struct jsonb_node *node, struct buf *out)
{
    size_t n = node->bytes.n, before = out->len;
    const uint8_t *p = node->bytes.p;
    if (n >= 2 && decimal_print(p + 2, n - 2, p[0], p[1], out))
        return true;
    out->len = before;
    return false;
}

static void put_opaque(const struct jsonb_node *node, enum jsonb_style style, struct buf *out)
{
    uint8_t type = node->opaque_type;
    bool time = type == SCHEMA_TYPE_DATE || type == SCHEMA_TYPE_DATETIME ||
                type == SCHEMA_TYPE_TIMESTAMP || type == SCHEMA_TYPE_TIME;
    if (time && node->bytes.n == 8) {
        put_packed_time(type, (int64_t)wire_u64(node->bytes.p), style, out);
        return;
    }
    if (type == SCHEMA_TYPE_NEWDECIMAL && put_decimal(node, out))
        return;
    buf_put_u8(out, '"');
    if (style == JSONB_STYLE_SERVER)
        buf_printf(out, "base64:type%u:", type);
    buf_put_base64(out, node->bytes.p, node->bytes.n);
    buf_put_u8(out, '"');
}

static void put_list(const struct jsonb_node *node, enum jsonb_style style, struct buf *out)
{
    bool object = node->kind == JSONB_OBJECT;
    const char *comma = style == JSONB_STYLE_SERVER ? ", " : ",",
               *colon = style == JSONB_STYLE_SERVER ? ": " : ":";
    buf_put_u8(out, object ? '{' : '[');
    for (size_t i = 0; i < node->list.n; i++) {
        const struct jsonb_member *m = &node->list.items[i];
        if (i > 0)
            buf_put_str(out, comma);
        if (object) {
            put_string(m->key, m->key_len, out);
            buf_put_str(out, colon);
        }
        jsonb_node_print(&m->node, style, out);
    }
    buf_put_u8(out, object ? '}' : ']');
}

void jsonb_node_print(const struct jsonb_node *node, enum jsonb_style style, struct buf *out)
{
    switch (node->kind) {
    case JSONB_NULL:
        buf_put_str(out, "null");
        return;
    case JSONB_TRUE:
        buf_put_str(out, "true");
        return;
    case JSONB_FALSE:
        buf_put_str(out, "false");
        return;
    case JSONB_INT:
        buf_put_i64(out, node->i64);
        return;
    case JSONB_UINT:
        buf_put_u64(out, node->u64);
        return;
    case JSONB_DOUBLE:
        put_double(node->number, style, out);
        return;
    case JSONB_STRING:
        put_string(node->bytes.p, node->bytes.n, out);
        return;
    case JSONB_OPAQUE:
        put_opaque(node, style, out);
        return;
    case JSONB_OBJECT:
    case JSONB_ARRAY:
        put_list(node, style, out);
        return;
    }
}

bool jsonb_print(const uint8_t *p, size_t n, enum jsonb_style style, struct buf *out, struct err *e)
{
    struct arena a;
    struct jsonb_node root;
    arena_init(&a);
    bool ok = jsonb_parse(p, n, &a, &root, e);
    if (ok)
        jsonb_node_print(&root, style, out);
    arena_fini(&a);
    return ok;
}
