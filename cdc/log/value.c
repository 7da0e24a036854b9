/* cdc/log/value.c — typed getters of one column's value: numbers, bytes, text, equality.
 *
 * The bytes were bounds-checked by the row walk; what they mean is checked here, because nothing
 * else looks inside (decimal digits, compressed columns). Encodings: MySQL's Field::pack.
 */
#include "cdc/log/value.h"
#include "cdc/log/jsonb.h"
#include "cdc/log/wire.h"
#include "schemas/charset.h"

#include <assert.h>
#include <stdlib.h>
#include <zlib.h>

#define COLLATION_UTF8MB4 45u
#define COLUMN_MAX        ((size_t)2200 * 1024 * 1024)
#define INFLATE_RATIO_MAX 1100u

static int64_t sign_extend(uint64_t v, size_t n_bytes)
{
    unsigned shift = (unsigned)(64 - 8 * n_bytes);
    return (int64_t)(v << shift) >> shift;
}

int64_t cdc_value_i64(const struct cdc_value *v)
{
    assert(!v->absent && !v->null && v->n >= 1 && v->n <= 8);
    if (v->column->type == SCHEMA_TYPE_YEAR)
        return v->p[0] ? 1900 + v->p[0] : 0;
    return sign_extend(wire_le(v->p, v->n), v->n);
}

uint64_t cdc_value_u64(const struct cdc_value *v)
{
    assert(!v->absent && !v->null && v->n <= 8);
    if (v->column->type == SCHEMA_TYPE_BIT)
        return wire_be(v->p, v->n);
    if (v->column->type == SCHEMA_TYPE_YEAR)
        return (uint64_t)cdc_value_i64(v);
    return wire_le(v->p, v->n);
}

float cdc_value_float(const struct cdc_value *v)
{
    float f;
    assert(v->n == sizeof f);
    memcpy(&f, v->p, sizeof f);
    return f;
}

double cdc_value_double(const struct cdc_value *v)
{
    double d;
    assert(v->n == sizeof d);
    memcpy(&d, v->p, sizeof d);
    return d;
}

bool cdc_value_is_unsigned(const struct cdc_value *v)
{
    uint8_t type = v->column->type;
    return v->column->is_unsigned || type == SCHEMA_TYPE_BIT || type == SCHEMA_TYPE_ENUM ||
           type == SCHEMA_TYPE_SET;
}

bool cdc_value_decimal(const struct cdc_value *v, struct buf *out)
{
    assert(v->column->type == SCHEMA_TYPE_NEWDECIMAL);
    return decimal_print(v->p, v->n, v->column->meta >> 8, v->column->meta & 0xff, out);
}

bool cdc_value_is_binary(const struct cdc_value *v)
{
    return v->column->collation == SCHEMA_COLLATION_BINARY;
}

/* zlib or bare deflate into out, exactly len bytes. */
static bool inflate_column(const uint8_t *p, size_t n, bool bare, size_t len, struct buf *out,
                           struct err *e)
{
    uint8_t *to = buf_reserve(out, len);
    if (!to)
        return err_set(e, ERR_LIMIT, "a compressed column of %zu bytes", len);
    z_stream z = {.next_in = (Bytef *)(uintptr_t)p,
                  .avail_in = (uInt)n,
                  .next_out = to,
                  .avail_out = (uInt)len};
    if (inflateInit2(&z, bare ? -MAX_WBITS : MAX_WBITS) != Z_OK)
        return err_set(e, ERR_NO_MEMORY, "zlib");
    int rc = inflate(&z, Z_FINISH);
    size_t got = z.total_out;
    inflateEnd(&z);
    if (rc != Z_STREAM_END || got != len)
        return err_set(e, ERR_LOG_FORMAT, "a compressed column does not unpack (zlib %d)", rc);
    out->len += len;
    out->data[out->len] = 0;
    return true;
}

static bool unpack_column(const struct cdc_value *v, struct buf *out, struct err *e)
{
    if (v->n == 0)
        return true;
    unsigned head = v->p[0];
    if (head == 0)
        return buf_put(out, v->p + 1, v->n - 1) ||
               err_set(e, ERR_LIMIT, "a column of %zu bytes", v->n);
    size_t n_len = head & 7;
    if (head >> 4 != 8 || n_len == 0 || n_len > 4 || v->n < 1 + n_len)
        return err_set(e, ERR_LOG_FORMAT, "a compressed column begins with %02x", head);
    uint64_t len = wire_be(v->p + 1, n_len);
    size_t packed = v->n - 1 - n_len;
    if (len > COLUMN_MAX || len > (uint64_t)(packed + 64) * INFLATE_RATIO_MAX)
        return err_set(e, ERR_LOG_FORMAT, "a compressed column claims %llu bytes out of %zu",
                       (unsigned long long)len, packed);
    return inflate_column(v->p + 1 + n_len, packed, head & 8, (size_t)len, out, e);
}

static bool is_compressed(const struct cdc_value *v)
{
    return schema_type_is_packed(v->column->type);
}

static bool column_error(const struct cdc_value *v, struct err *e)
{
    return err_prepend(e, "%s", v->column->name ? v->column->name : "column");
}

bool cdc_value_bytes(const struct cdc_value *v, struct buf *out, struct err *e)
{
    assert(!v->absent && !v->null);
    if (is_compressed(v))
        return unpack_column(v, out, e) || column_error(v, e);
    return buf_put(out, v->p, v->n) || err_set(e, ERR_LIMIT, "a column of %zu bytes", v->n) ||
           column_error(v, e);
}

bool cdc_value_text(const struct cdc_value *v, struct buf *out, bool *valid, struct err *e)
{
    uint16_t collation = v->column->collation ? v->column->collation : COLLATION_UTF8MB4;
    *valid = true;
    if (!is_compressed(v)) {
        *valid = charset_to_utf8(collation, v->p, v->n, out);
        return true;
    }
    struct buf raw CLEANUP(buf_fini) = BUF_INIT;
    if (!cdc_value_bytes(v, &raw, e))
        return false;
    *valid = charset_to_utf8(collation, raw.data, raw.len, out);
    return true;
}

bool cdc_value_binary(const struct cdc_value *v, struct buf *out, struct err *e)
{
    if (!cdc_value_bytes(v, out, e))
        return false;
    if (v->column->type != SCHEMA_TYPE_STRING || v->n >= v->column->meta)
        return true;
    size_t n = v->column->meta - v->n;
    uint8_t *pad = buf_reserve(out, n);
    if (!pad)
        return err_set(e, ERR_LIMIT, "a column of %u bytes", v->column->meta);
    memset(pad, 0, n);
    out->len += n;
    out->data[out->len] = 0;
    return true;
}

static void print_uuid(const uint8_t p[16], struct buf *out)
{
    static const uint8_t groups[5] = {4, 2, 2, 2, 6};
    for (unsigned i = 0, at = 0; i < 5; at += groups[i++]) {
        if (i > 0)
            buf_put_u8(out, '-');
        buf_put_hex(out, p + at, groups[i]);
    }
}

/* As the server prints INET6 (Inet6::to_string of MariaDB's sources), which is not RFC 5952: the
 * first longest run of zero groups becomes "::", also a run of one; the last 32 bits of mapped and
 * compatible addresses are dotted. */
static void print_inet6(const uint8_t p[16], struct buf *out)
{
    unsigned best = 0, best_len = 0;
    for (unsigned i = 0, len; i < 8; i += len ? len : 1) {
        for (len = 0; i + len < 8 && p[2 * (i + len)] == 0 && p[2 * (i + len) + 1] == 0; len++)
            ;
        if (len > best_len) {
            best = i;
            best_len = len;
        }
    }
    bool gap = best_len > 0;
    bool mapped = best == 0 && ((best_len == 5 && p[10] == 0xff && p[11] == 0xff) || best_len == 6);
    for (unsigned i = 0; i < (mapped ? 6u : 8u); i++) {
        if (gap && i >= best && i < best + best_len) {
            if (i == best)
                buf_put_str(out, i == 0 ? "::" : ":");
            continue;
        }
        buf_printf(out, "%x%s", (unsigned)(p[2 * i] << 8 | p[2 * i + 1]), i < 7 ? ":" : "");
    }
    if (mapped)
        buf_printf(out, "%u.%u.%u.%u", p[12], p[13], p[14], p[15]);
}

bool cdc_value_ext_text(const struct cdc_value *v, struct buf *out)
{
    uint8_t p[16] = {0}; /* trailing zero bytes are not in the log */
    memcpy(p, v->p, v->n < sizeof p ? v->n : sizeof p);
    switch (v->column->ext) {
    case SCHEMA_EXT_UUID:
        print_uuid(p, out);
        return true;
    case SCHEMA_EXT_INET4:
        buf_printf(out, "%u.%u.%u.%u", p[0], p[1], p[2], p[3]);
        return true;
    case SCHEMA_EXT_INET6:
        print_inet6(p, out);
        return true;
    case SCHEMA_EXT_NONE:
    case SCHEMA_EXT_JSON_TEXT:
        return false;
    }
    return false;
}

bool cdc_value_no_kind(const struct cdc_value *v, struct err *e)
{
    err_set(e, ERR_LOG_UNSUPPORTED, "values of type %u are not known", v->column->type);
    return column_error(v, e);
}

bool cdc_value_json(const struct cdc_value *v, struct buf *out, struct err *e)
{
    assert(v->column->type == SCHEMA_TYPE_JSON && !v->json_diff);
    if (v->column->ext == SCHEMA_EXT_JSON_TEXT) /* of an initial copy, types behind the text */
        return buf_put(out, v->p, v->n > 0 ? strnlen((const char *)v->p, v->n) : 0) ||
               err_set(e, ERR_LIMIT, "a JSON document is too long");
    return jsonb_print(v->p, v->n, JSONB_STYLE_SERVER, out, e) || column_error(v, e);
}

bool cdc_value_json_patched(const struct cdc_value *before, const struct cdc_value *diff,
                            struct buf *out, struct err *e)
{
    assert(diff->json_diff && !before->json_diff && !before->absent && !before->null);
    return jsonb_diff_apply(before->p, before->n, diff->p, diff->n, JSONB_STYLE_SERVER, out, e) ||
           column_error(diff, e);
}

bool cdc_value_json_diff(const struct cdc_value *v, struct buf *out, struct err *e)
{
    assert(v->json_diff);
    return jsonb_diff_print(v->p, v->n, out, e) || column_error(v, e);
}

bool cdc_value_equal(const struct cdc_value *a, const struct cdc_value *b)
{
    if (a->absent != b->absent || a->null != b->null || a->json_diff != b->json_diff)
        return false;
    if (a->absent || a->null)
        return true;
    if (a->n == b->n && memcmp(a->p, b->p, a->n) == 0)
        return true;
    if (!is_compressed(a) && !is_compressed(b))
        return false;
    struct buf x CLEANUP(buf_fini) = BUF_INIT, y CLEANUP(buf_fini) = BUF_INIT;
    struct err e;
    return cdc_value_bytes(a, &x, &e) && cdc_value_bytes(b, &y, &e) && x.len == y.len &&
           (x.len == 0 || memcmp(x.data, y.data, x.len) == 0);
}
