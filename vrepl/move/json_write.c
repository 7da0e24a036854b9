/* vrepl/move/json_write.c — JSON_SET puts what the text does not tell over the document that it
 * tells.
 *
 *   {"a": 1.50, "b": [1, "2024-01-02"]}  →  JSON_SET(text, '$."a"', CAST(? AS DECIMAL(65,2)),
 *                                                          '$."b"[1]', CAST(? AS DATE))
 *
 * Each value is an expression of the SQL type that the server then keeps in the document. Types
 * that no function returns come from a column of that type that JSON_TABLE makes of an array of
 * one. TINYBLOB is the one type that only a table's column has: refused. In strict mode a date that
 * is none is an error, never NULL.
 */
#include "vrepl/move/json_write.h"

#include "base/mem.h"
#include "cdc/log/json_types.h"
#include "schemas/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARAMETERS_MAX    500u /* then values stand in the text */
#define COLUMN_DIGITS_MAX 65u  /* CAST; a literal of more digits stays exact */

/* Numbers of column types that row events have no use for. */
enum { TYPE_MEDIUM_BLOB = 250, TYPE_LONG_BLOB = 251 };
#define BLOB_SMALL  65535u
#define BLOB_MEDIUM 16777215u

void json_write_fini(struct json_write *w)
{
    buf_fini(&w->sql);
    free(w->values);
    *w = (struct json_write){0};
}

struct making {
    struct json_write *w;
    struct value_scratch *scratch;
};

static void add_value(struct json_write *w, struct my_value v)
{
    if (w->n == w->cap)
        mem_grow((void **)&w->values, &w->cap, w->n + 1, sizeof *w->values);
    w->values[w->n++] = v;
}

/* A parameter, or the text itself. */
static void put_text(const struct making *m, const char *text, size_t n)
{
    struct json_write *w = m->w;
    if (w->n >= PARAMETERS_MAX) {
        buf_put_sql_string(&w->sql, text, n);
        return;
    }
    buf_put_u8(&w->sql, '?');
    const void *kept = arena_copy(&m->scratch->arena, text, n);
    add_value(w, (struct my_value){.type = MY_VALUE_BYTES, .v.bytes = {.p = kept, .n = n}});
}

static void put_cast(const struct making *m, const struct json_typed *v, const char *type)
{
    buf_put_str(&m->w->sql, "CAST(");
    put_text(m, v->text, v->n);
    buf_printf(&m->w->sql, " AS %s)", type);
}

static bool put_decimal(const struct making *m, const struct json_typed *v)
{
    const char *point = memchr(v->text, '.', v->n);
    size_t scale = point ? (size_t)(v->text + v->n - point) - 1 : 0;
    char type[32];
    if (v->n > COLUMN_DIGITS_MAX) /* with sign and point: nearly so many digits */
        return buf_put(&m->w->sql, v->text, v->n);
    snprintf(type, sizeof type, "DECIMAL(%u,%zu)", COLUMN_DIGITS_MAX, scale);
    put_cast(m, v, type);
    return true;
}

/* Around a value: it becomes one of a column of that type. */
#define ONE_OF_COLUMN "(SELECT v FROM JSON_TABLE(JSON_ARRAY("

static void put_column(struct buf *sql, const char *type)
{
    buf_printf(sql,
               "),_utf8mb4'$[*]' COLUMNS(v %s PATH _utf8mb4'$' ERROR ON EMPTY ERROR ON ERROR)) t)",
               type);
}

static void put_timestamp(const struct making *m, const struct json_typed *v)
{
    buf_put_str(&m->w->sql, ONE_OF_COLUMN);
    put_cast(m, v, "DATETIME(6)");
    put_column(&m->w->sql, "TIMESTAMP(6)");
}

/* ---- bytes ---- */

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Skips what is no digit: the server breaks lines, which JSON writes as \n. */
static bool decode_base64(const char *p, size_t n, struct buf *out)
{
    uint32_t bits = 0;
    unsigned n_bits = 0;
    for (size_t i = 0; i < n && p[i] != '='; i++) {
        if (p[i] == '\\') {
            i++;
            continue;
        }
        int digit = base64_digit(p[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            buf_put_u8(out, (uint8_t)(bits >> n_bits));
        }
    }
    return !out->failed;
}

static void put_hex(struct buf *sql, const struct buf *bytes)
{
    buf_put_str(sql, "x'");
    buf_put_hex(sql, bytes->data, bytes->len);
    buf_put_u8(sql, '\'');
}

/* BIT's column takes a number. */
static bool put_bit(struct buf *sql, const struct buf *bytes)
{
    char type[16];
    uint64_t number = 0;
    if (bytes->len == 0 || bytes->len > sizeof number)
        return false;
    for (size_t i = 0; i < bytes->len; i++)
        number = number << 8 | bytes->data[i];
    snprintf(type, sizeof type, "BIT(%zu)", bytes->len * 8);
    buf_printf(sql, ONE_OF_COLUMN "CAST(%llu AS UNSIGNED)", (unsigned long long)number);
    put_column(sql, type);
    return true;
}

/* The type of an expression of bytes follows from the longest that it may be. */
static bool put_longer(struct buf *sql, const struct buf *bytes, unsigned length)
{
    buf_put_str(sql, "IF(TRUE,");
    put_hex(sql, bytes);
    buf_printf(sql, ",REPEAT(x'00',%u))", length);
    return true;
}

static bool put_of_column(struct buf *sql, const struct buf *bytes, const char *type)
{
    buf_put_str(sql, ONE_OF_COLUMN);
    put_hex(sql, bytes);
    put_column(sql, type);
    return true;
}

static bool put_binary(struct buf *sql, const struct buf *bytes)
{
    char type[16];
    if (bytes->len > 255)
        return false;
    snprintf(type, sizeof type, "BINARY(%zu)", bytes->len);
    return put_of_column(sql, bytes, type);
}

static bool put_bytes_of(unsigned type, const struct buf *bytes, struct buf *sql)
{
    if (type == SCHEMA_TYPE_VARCHAR) {
        put_hex(sql, bytes);
        return true;
    }
    if (type == SCHEMA_TYPE_BIT)
        return put_bit(sql, bytes);
    if (type == SCHEMA_TYPE_STRING)
        return put_binary(sql, bytes);
    if (type == SCHEMA_TYPE_BLOB)
        return bytes->len <= BLOB_SMALL && put_of_column(sql, bytes, "BLOB");
    if (type == TYPE_MEDIUM_BLOB)
        return put_longer(sql, bytes, BLOB_SMALL + 1);
    return type == TYPE_LONG_BLOB && put_longer(sql, bytes, BLOB_MEDIUM + 1);
}

/* text: base64:typeN:… */
static bool put_opaque(const struct making *m, const struct json_typed *v, struct err *e)
{
    static const char head[] = "base64:type";
    const char *end = v->text + v->n, *p = v->text + sizeof head - 1;
    unsigned type = 0;
    if (v->n < sizeof head || memcmp(v->text, head, sizeof head - 1) != 0)
        return err_set(e, ERR_LOG_FORMAT, "a JSON value of bytes is not written as such");
    for (; p < end && *p >= '0' && *p <= '9' && type < 1000; p++)
        type = type * 10 + (unsigned)(*p - '0');
    struct buf bytes CLEANUP(buf_fini) = BUF_INIT;
    if (p == end || *p != ':' || !decode_base64(p + 1, (size_t)(end - p) - 1, &bytes))
        return err_set(e, ERR_LOG_FORMAT, "a JSON value of bytes is not written as such");
    if (put_bytes_of(type, &bytes, &m->w->sql))
        return true;
    err_set(e, ERR_LOG_UNSUPPORTED,
            "JSON path %s: %zu bytes of column type %u cannot be written as what they are",
            buf_str(v->path), bytes.len, type);
    return err_cure(e, "store the value as VARBINARY, BINARY or BLOB, or leave the table out");
}

static bool put_typed(void *arg, const struct json_typed *v, struct err *e)
{
    const struct making *m = arg;
    struct buf *sql = &m->w->sql;
    buf_put_str(sql, ",_utf8mb4");
    buf_put_sql_string(sql, v->path->data, v->path->len);
    buf_put_u8(sql, ',');
    switch (v->type) {
    case JSON_TYPE_DECIMAL:
        return put_decimal(m, v);
    case JSON_TYPE_UNSIGNED:
        put_cast(m, v, "UNSIGNED");
        return true;
    case JSON_TYPE_DATE:
        put_cast(m, v, "DATE");
        return true;
    case JSON_TYPE_TIME:
        put_cast(m, v, "TIME(6)");
        return true;
    case JSON_TYPE_DATETIME:
        put_cast(m, v, "DATETIME(6)");
        return true;
    case JSON_TYPE_TIMESTAMP:
        put_timestamp(m, v);
        return true;
    case JSON_TYPE_OPAQUE:
        return put_opaque(m, v, e);
    case JSON_TYPE_PLAIN:
    case JSON_TYPE_UNKNOWN:
        break;
    }
    return err_set(e, ERR_INTERNAL, "a JSON type '%c' is to be written", (char)v->type);
}

/* ---- a document ---- */

/* Text and letters of a value of either form. */
static bool text_and_types(const struct cdc_value *v, struct buf *text, struct buf *letters,
                           struct err *e)
{
    if (v->column->ext == SCHEMA_EXT_JSON_TEXT) {
        const uint8_t *zero = v->n > 0 ? memchr(v->p, 0, v->n) : NULL;
        size_t n = zero ? (size_t)(zero - v->p) : v->n;
        buf_put(text, v->p, n);
        return !zero || buf_put(letters, zero + 1, v->n - n - 1);
    }
    struct arena a;
    struct jsonb_node root;
    arena_init(&a);
    bool ok = jsonb_parse(v->p, v->n, &a, &root, e);
    if (ok) {
        jsonb_node_print(&root, JSONB_STYLE_SERVER, text);
        json_types_of(&root, letters);
    }
    arena_fini(&a);
    return ok;
}

static bool make(struct making *m, const struct plan_column *col, const struct buf *text,
                 const struct buf *letters, struct err *e)
{
    struct json_write *w = m->w;
    const void *kept = arena_copy(&m->scratch->arena, text->data, text->len);
    add_value(w, (struct my_value){.type = MY_VALUE_BYTES, .v.bytes = {.p = kept, .n = text->len}});
    buf_printf(&w->sql, "JSON_SET(%s", col->value);
    size_t bare = w->sql.len;
    if (!json_types_walk((const char *)text->data, text->len, (const char *)letters->data,
                         letters->len, put_typed, m, e))
        return false;
    if (w->sql.len == bare) /* UNSIGNED values that are so anyway */
        w->n = 0;
    return (buf_put_u8(&w->sql, ')') && !w->sql.failed) ||
           err_set(e, ERR_LIMIT, "a JSON document's types are too long to be written");
}

bool json_write_make(struct json_write *w, const struct plan_column *col, const struct cdc_value *v,
                     struct value_scratch *scratch, struct err *e)
{
    struct buf text CLEANUP(buf_fini) = BUF_INIT, letters CLEANUP(buf_fini) = BUF_INIT;
    struct making m = {w, scratch};
    buf_reset(&w->sql);
    w->n = 0;
    if (!text_and_types(v, &text, &letters, e))
        return false;
    if (!json_types_told((const char *)letters.data, letters.len))
        return true;
    return make(&m, col, &text, &letters, e);
}
