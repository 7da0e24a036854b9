/* schemas/sharding/vindex_line.c — reads a vindex line, evaluates it and prints the result in one
 * word.
 */
#include "schemas/sharding/vindex_line.h"
#include "base/mem.h"
#include "schemas/sharding/vindex_input.h"
#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

enum { MAX_INPUTS = VINDEX_COLUMNS_MAX, MAX_FIELDS = 4 };

struct line {
    char *fields[MAX_FIELDS]; /* type, params, input types, inputs; in text */
    char *text;
    struct vindex_input inputs[MAX_INPUTS];
    struct buf bytes[MAX_INPUTS];
    size_t n_inputs;
};

static void line_fini(struct line *l)
{
    for (size_t i = 0; i < MAX_INPUTS; i++)
        buf_fini(&l->bytes[i]);
    mem_free_ptr(&l->text);
}

static bool split_fields(struct line *l, const char *line, struct err *e)
{
    l->text = mem_strdup(line);
    l->text[strcspn(l->text, "\r\n")] = 0;
    char *at = l->text;
    for (size_t i = 0; i < MAX_FIELDS; i++) {
        l->fields[i] = at;
        char *tab = strchr(at, '\t');
        if (!tab && i + 1 < MAX_FIELDS)
            return err_set(e, ERR_USAGE,
                           "a line needs type, parameters, input types and inputs, "
                           "separated by tabs");
        if (!tab)
            break;
        *tab = 0;
        at = tab + 1;
    }
    return true;
}

static int hex_value(char c)
{
    const char *digits = "0123456789abcdef";
    const char *found = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c) : NULL;
    return found ? (int)(found - digits) : -1;
}

static bool parse_hex(const char *hex, size_t n, struct buf *out, struct err *e)
{
    for (size_t i = 0; i < n; i += 2) {
        int high = hex_value(hex[i]), low = i + 1 < n ? hex_value(hex[i + 1]) : -1;
        if (high < 0 || low < 0)
            return err_set(e, ERR_USAGE, "an input is not hexadecimal: %.100s", hex);
        buf_put_u8(out, (uint8_t)(high << 4 | low));
    }
    return true;
}

/* A JSON string at the beginning of text; *used: its length with the quotes. */
static bool parse_json_string(const char *text, size_t *used, struct buf *out, struct err *e)
{
    json_error_t where;
    json_t *value =
        json_loads(text, JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &where);
    if (!value)
        return err_set(e, ERR_USAGE, "an input is not a JSON string: %s", where.text);
    bool ok = json_is_string(value);
    if (ok)
        buf_put(out, json_string_value(value), json_string_length(value));
    else
        err_set(e, ERR_USAGE, "an input is not a JSON string: %.100s", text);
    *used = (size_t)where.position;
    json_decref(value);
    return ok;
}

/* One input at *at; moves it behind. *is_null: it was NULL. */
static bool parse_input(const char **at, bool *is_null, struct buf *out, struct err *e)
{
    size_t n = strcspn(*at, ",");
    *is_null = false;
    if (**at == '"') {
        if (!parse_json_string(*at, &n, out, e))
            return false;
    } else if (n == 4 && strncmp(*at, "NULL", 4) == 0) {
        *is_null = true;
    } else {
        size_t skip = strncmp(*at, "hex:", 4) == 0 ? 4 : 0;
        if (!parse_hex(*at + skip, n - skip, out, e))
            return false;
    }
    *at += n;
    return true;
}

static bool names_integer(const char *type, bool *is_unsigned)
{
    *is_unsigned = strncmp(type, "UINT", 4) == 0;
    return *is_unsigned || strncmp(type, "INT", 3) == 0;
}

/* Vitess keeps the text of a number as it was sent: '007' is hashed as three characters, also as
 * INT64. */
static bool is_canonical(const struct vindex_input *in, const char *p, size_t n)
{
    char digits[24];
    if (in->kind == VINDEX_IN_U64)
        snprintf(digits, sizeof digits, "%" PRIu64, in->u64);
    else
        snprintf(digits, sizeof digits, "%" PRId64, in->i64);
    return strlen(digits) == n && memcmp(digits, p, n) == 0;
}

void vindex_input_of_type(const char *type, const void *p, size_t n, struct vindex_input *out)
{
    struct vindex_value v = {
        .column = type, .form = VINDEX_FORM_TEXT, .kind = SCHEMA_VALUE_BYTES, .p = p, .n = n};
    struct vindex_value number = v;
    struct err e = ERR_INIT; /* what is no number reaches the vindex as its bytes */
    number.kind = SCHEMA_VALUE_INTEGER;
    if (names_integer(type, &number.is_unsigned) && vindex_input_of(&number, NULL, out, &e) &&
        is_canonical(out, p, n))
        return;
    bool ok = vindex_input_of(&v, NULL, out, &e);
    assert(ok); /* bytes are always an input */
    (void)ok;   /* without assertions */
}

static bool parse_inputs(struct line *l, struct err *e)
{
    const char *at = l->fields[3];
    char *types = l->fields[2];
    for (;;) {
        if (l->n_inputs == MAX_INPUTS)
            return err_set(e, ERR_USAGE, "a line has at most %d inputs", MAX_INPUTS);
        size_t i = l->n_inputs++;
        const char *type = types ? strsep(&types, ",") : "VARBINARY";
        bool is_null;
        if (!parse_input(&at, &is_null, &l->bytes[i], e))
            return false;
        if (is_null || strcmp(type, "NULL_TYPE") == 0)
            l->inputs[i] = (struct vindex_input){.kind = VINDEX_IN_NULL};
        else
            vindex_input_of_type(type, buf_str(&l->bytes[i]), l->bytes[i].len, &l->inputs[i]);
        if (*at == 0)
            return true;
        if (*at++ != ',')
            return err_set(e, ERR_USAGE, "inputs are separated by ',': %.100s", l->fields[3]);
    }
}

static void print_failure(const char *word, const struct err *cause, struct buf *out)
{
    buf_put_str(out, word);
    buf_put_str(out, cause->text);
}

static void print_result(enum vindex_result result, const struct buf *id, const struct err *cause,
                         struct buf *out)
{
    switch (result) {
    case VINDEX_KSID:
        buf_put_hex(out, buf_str(id), id->len);
        break;
    case VINDEX_NONE:
        buf_put_str(out, "NONE");
        break;
    case VINDEX_ERROR:
        print_failure("ERR: ", cause, out);
        break;
    }
}

/* All ids that begin so, as a range. */
static void print_prefix(enum vindex_result result, const struct buf *prefix,
                         const struct err *cause, struct buf *out)
{
    struct buf end CLEANUP(buf_fini) = BUF_INIT;
    if (result != VINDEX_KSID)
        print_result(result, prefix, cause, out);
    else if (prefix->len == 0)
        buf_put_str(out, "ALLSHARDS");
    else {
        vindex_prefix_end(prefix, &end);
        buf_put_str(out, "KEYRANGE:");
        buf_put_hex(out, buf_str(prefix), prefix->len);
        buf_put_u8(out, '-');
        buf_put_hex(out, buf_str(&end), end.len);
    }
}

static void print_forward(const struct vindex *v, const struct line *l, struct buf *out)
{
    struct buf id CLEANUP(buf_fini) = BUF_INIT;
    struct err cause = ERR_INIT;
    enum vindex_result result;
    if (l->n_inputs < vindex_columns(v)) {
        result = vindex_map_prefix(v, l->inputs, l->n_inputs, &id, &cause);
        print_prefix(result, &id, &cause, out);
    } else {
        result = vindex_map_buf(v, l->inputs, l->n_inputs, &id, &cause);
        print_result(result, &id, &cause, out);
    }
}

static void print_like(const struct vindex *v, const struct line *l, struct buf *out)
{
    struct buf prefix CLEANUP(buf_fini) = BUF_INIT;
    struct err cause = ERR_INIT;
    const struct buf *pattern = &l->bytes[0];
    enum vindex_result result = vindex_map_like(v, buf_str(pattern), pattern->len, &prefix, &cause);
    print_prefix(result, &prefix, &cause, out);
}

static void print_range(const struct vindex *v, const struct line *l, struct buf *out)
{
    struct buf start CLEANUP(buf_fini) = BUF_INIT, end CLEANUP(buf_fini) = BUF_INIT;
    struct err cause = ERR_INIT;
    if (!vindex_keeps_order(v) || l->n_inputs != 2)
        buf_printf(out, "ERR: vindex type %s does not map a range", vindex_type(v));
    else if (vindex_map_buf(v, &l->inputs[0], 1, &start, &cause) != VINDEX_KSID ||
             vindex_map_buf(v, &l->inputs[1], 1, &end, &cause) != VINDEX_KSID)
        buf_put_str(out, "ERR: a bound of the range does not map to a keyspace id");
    else {
        buf_put_str(out, "KEYRANGE:");
        buf_put_hex(out, buf_str(&start), start.len);
        buf_put_u8(out, '-');
        buf_put_hex(out, buf_str(&end), end.len);
    }
}

static void print_bytes(const uint8_t *p, size_t n, struct buf *out)
{
    json_t *text = json_stringn((const char *)p, n); /* NULL if not UTF-8 */
    buf_put_str(out, text ? "VARBINARY:\"" : "VARBINARY:hex:");
    if (text) {
        buf_put_json_escaped(out, (const char *)p, n);
        buf_put_u8(out, '"');
    } else {
        buf_put_hex(out, p, n);
    }
    json_decref(text);
}

static void print_reverse(const struct vindex *v, const struct line *l, struct buf *out)
{
    struct err cause = ERR_INIT;
    struct vindex_input value;
    const struct buf *id = &l->bytes[0];
    if (!vindex_reverse(v, (const uint8_t *)buf_str(id), id->len, &value, &cause))
        print_failure("ERR: ", &cause, out);
    else if (value.kind == VINDEX_IN_U64)
        buf_printf(out, "UINT64:\"%" PRIu64 "\"", value.u64);
    else
        print_bytes(value.p, value.n, out);
}

/* "reverse:hash" with prefix "reverse:" gives "hash", else NULL. */
static const char *after_prefix(const char *text, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(text, prefix, n) == 0 ? text + n : NULL;
}

/* Cuts suffix off the end of text, if it stands there. */
static bool cut_suffix(char *text, const char *suffix)
{
    size_t n = strlen(text), m = strlen(suffix);
    if (n < m || strcmp(text + n - m, suffix) != 0)
        return false;
    text[n - m] = 0;
    return true;
}

bool vindex_line_eval(const char *line, struct buf *out, struct err *e)
{
    struct line l CLEANUP(line_fini) = {.n_inputs = 0};
    if (!split_fields(&l, line, e) || !parse_inputs(&l, e))
        return false;
    bool like = cut_suffix(l.fields[0], "(prefix)");
    const char *reverse = after_prefix(l.fields[0], "reverse:");
    const char *range = after_prefix(l.fields[0], "range:");
    const char *type = reverse ? reverse : range ? range : l.fields[0];
    struct err cause = ERR_INIT;
    struct vindex *v = vindex_new(type, type, l.fields[1], &cause);
    if (!v)
        print_failure("CREATE-ERR: ", &cause, out);
    else if (reverse)
        print_reverse(v, &l, out);
    else if (range)
        print_range(v, &l, out);
    else if (like)
        print_like(v, &l, out);
    else
        print_forward(v, &l, out);
    vindex_free(v);
    return !out->failed || err_set(e, ERR_LIMIT, "the result is too long");
}
