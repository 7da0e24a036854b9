/* vrepl/move/value_bind.c — cdc_value → my_value; the only place where a row's bytes change their
 * form.
 */
#include "vrepl/move/value_bind.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

static void bind_bytes(struct my_value *out, const void *p, size_t n)
{
    out->type = MY_VALUE_BYTES;
    out->v.bytes.p = n ? p : "";
    out->v.bytes.n = n;
}

void value_scratch_init(struct value_scratch *s)
{
    arena_init(&s->arena);
    buf_init(&s->text, 0);
}

void value_scratch_fini(struct value_scratch *s)
{
    arena_fini(&s->arena);
    buf_fini(&s->text);
}

#define SCRATCH_KEPT ((size_t)1024 * 1024)

static struct buf *fresh(struct value_scratch *s)
{
    if (s->text.cap > SCRATCH_KEPT)
        buf_fini(&s->text);
    buf_reset(&s->text);
    return &s->text;
}

/* Moves the text that was built aside into the arena. */
static bool bind_text(struct my_value *out, struct value_scratch *scratch, struct err *e)
{
    const struct buf *text = &scratch->text;
    if (text->failed)
        return err_set(e, ERR_LIMIT, "a value is larger than its limit");
    bind_bytes(out, arena_copy(&scratch->arena, buf_str(text), text->len + 1), text->len);
    return true;
}

static bool bind_decimal(const struct cdc_value *v, struct value_scratch *scratch,
                         struct my_value *out, struct err *e)
{
    struct buf *text = fresh(scratch);
    if (!cdc_value_decimal(v, text))
        return err_set(e, ERR_LOG_FORMAT, "not a decimal");
    return bind_text(out, scratch, e);
}

static bool bind_temporal(const struct cdc_value *v, struct value_scratch *scratch,
                          struct my_value *out, struct err *e)
{
    struct buf *text = fresh(scratch);
    struct cdc_datetime d;
    if (!cdc_value_datetime(v, &d))
        return cdc_value_no_datetime(v, e);
    cdc_datetime_print(v, &d, text);
    return bind_text(out, scratch, e);
}

static bool bind_json(const struct cdc_value *v, struct value_scratch *scratch,
                      struct my_value *out, struct err *e)
{
    struct buf *text = fresh(scratch);
    return cdc_value_json(v, text, e) && bind_text(out, scratch, e);
}

static bool bind_inflate(const struct cdc_value *v, struct value_scratch *scratch,
                         struct my_value *out, struct err *e)
{
    struct buf *bytes = fresh(scratch);
    return cdc_value_bytes(v, bytes, e) && bind_text(out, scratch, e);
}

/* cdc_value_binary appends; the length that counts is the column's. */
static bool bind_binary(const struct cdc_value *v, struct value_scratch *scratch,
                        struct my_value *out, struct err *e)
{
    if (v->n >= v->column->meta) {
        bind_bytes(out, v->p, v->n);
        return true;
    }
    struct buf *bytes = fresh(scratch);
    return cdc_value_binary(v, bytes, e) && bind_text(out, scratch, e);
}

static bool put_label(const struct schema_column *c, uint64_t index, struct buf *out, struct err *e)
{
    if (index >= c->n_labels)
        return err_set(e, ERR_LOG_FORMAT, "%s: no label %llu", c->name,
                       (unsigned long long)index + 1);
    buf_put(out, c->labels[index].p, c->labels[index].n);
    return true;
}

static bool bind_label(const struct cdc_value *v, struct value_scratch *scratch,
                       struct my_value *out, struct err *e)
{
    struct buf *text = fresh(scratch);
    uint64_t u = cdc_value_u64(v);
    if (v->column->type == SCHEMA_TYPE_ENUM) {
        if (u > 0 && !put_label(v->column, u - 1, text, e))
            return false;
        return bind_text(out, scratch, e);
    }
    for (unsigned bit = 0; bit < 64; bit++) {
        if (!(u >> bit & 1))
            continue;
        if (text->len > 0)
            buf_put_u8(text, ',');
        if (!put_label(v->column, bit, text, e))
            return false;
    }
    return bind_text(out, scratch, e);
}

bool value_bind(const struct plan_column *col, const struct cdc_value *v,
                struct value_scratch *scratch, struct my_value *out, struct err *e)
{
    assert(!v->absent);
    if (v->null) {
        out->type = MY_VALUE_NULL;
        return true;
    }
    if (v->json_diff)
        return err_set(e, ERR_LOG_UNSUPPORTED,
                       "%s: a partial JSON update cannot be applied; set "
                       "binlog_row_value_options='' on the source",
                       v->column->name);
    switch (col->bind) {
    case PLAN_BIND_I64:
        *out = (struct my_value){.type = MY_VALUE_I64, .v.i64 = cdc_value_i64(v)};
        return true;
    case PLAN_BIND_U64:
        *out = (struct my_value){.type = MY_VALUE_U64, .v.u64 = cdc_value_u64(v)};
        return true;
    case PLAN_BIND_FLOAT:
        *out = (struct my_value){.type = MY_VALUE_FLOAT, .v.f = cdc_value_float(v)};
        return true;
    case PLAN_BIND_DOUBLE:
        *out = (struct my_value){.type = MY_VALUE_DOUBLE, .v.d = cdc_value_double(v)};
        return true;
    case PLAN_BIND_DECIMAL:
        return bind_decimal(v, scratch, out, e);
    case PLAN_BIND_TEMPORAL:
        return bind_temporal(v, scratch, out, e);
    case PLAN_BIND_BYTES:
        bind_bytes(out, v->p, v->n);
        return true;
    case PLAN_BIND_BINARY:
        return bind_binary(v, scratch, out, e);
    case PLAN_BIND_INFLATE:
        return bind_inflate(v, scratch, out, e);
    case PLAN_BIND_JSON:
        return bind_json(v, scratch, out, e);
    case PLAN_BIND_LABEL:
        return bind_label(v, scratch, out, e);
    }
    return err_set(e, ERR_INTERNAL, "unknown binding %d", (int)col->bind);
}

static void describe_bytes(const uint8_t *p, size_t n, struct buf *out)
{
    size_t shown = n < 64 ? n : 64;
    bool printable = true;
    for (size_t i = 0; i < shown; i++)
        printable = printable && (p[i] >= 0x80 || isprint(p[i]));
    if (printable) {
        buf_put_u8(out, '\'');
        buf_put(out, p, shown);
        buf_put_u8(out, '\'');
    } else {
        buf_put_str(out, "0x");
        buf_put_hex(out, p, shown);
    }
    if (n > shown)
        buf_put_str(out, "...");
}

void value_describe(const struct my_value *v, struct buf *out)
{
    switch (v->type) {
    case MY_VALUE_NULL:
    case MY_VALUE_DEFAULT:
        buf_put_str(out, "NULL");
        break;
    case MY_VALUE_I64:
        buf_put_i64(out, v->v.i64);
        break;
    case MY_VALUE_U64:
        buf_put_u64(out, v->v.u64);
        break;
    case MY_VALUE_FLOAT:
        buf_printf(out, "%.9g", (double)v->v.f);
        break;
    case MY_VALUE_DOUBLE:
        buf_printf(out, "%.17g", v->v.d);
        break;
    case MY_VALUE_BYTES:
        describe_bytes(v->v.bytes.p, v->v.bytes.n, out);
        break;
    }
}
