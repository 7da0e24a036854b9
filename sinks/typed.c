/* sinks/typed.c — what a column's values take to become final is found once a table.
 *
 * Bytes that are UTF-8 already, or no text at all, are final where they lie.
 */
#include "sinks/typed.h"

#include "base/mem.h"
#include "cdc/jsonb.h"
#include "cdc/wire.h"
#include "schemas/charset.h"

#include <assert.h>
#include <stdlib.h>

enum form {
    VIEW,
    SIGNED_4,
    SIGNED_8,
    SIGNED,
    UNSIGNED,
    DECIMAL,
    TIME,
    UTF8,
    TEXT,
    BYTES,
    JSON,
    EXTENSION
};

struct typed_rows {
    struct buf scratch;
    uint64_t sum; /* of what has no place in scratch: the reads are not left out */
    const struct schema_table *table; /* reference */
    uint8_t *forms;                   /* enum form, one a column */
    size_t cap_forms;
};

struct typed_rows *typed_rows_new(void)
{
    return mem_alloc(sizeof(struct typed_rows));
}

void typed_rows_free(struct typed_rows *t)
{
    if (!t)
        return;
    schema_table_unref(t->table);
    buf_fini(&t->scratch);
    free(t->forms);
    free(t);
}

static enum form bytes_form(const struct schema_column *c)
{
    const struct cdc_value v = {.column = c};
    if (c->type == SCHEMA_TYPE_JSON)
        return JSON;
    if (c->ext == SCHEMA_EXT_UUID || c->ext == SCHEMA_EXT_INET4 || c->ext == SCHEMA_EXT_INET6)
        return EXTENSION;
    bool compressed =
        c->type == SCHEMA_TYPE_VARCHAR_COMPRESSED || c->type == SCHEMA_TYPE_BLOB_COMPRESSED;
    if (!schema_type_is_string(c->type) || cdc_value_is_binary(&v))
        return compressed ? BYTES : VIEW;
    return !compressed && charset_is_utf8_compatible(c->collation) ? UTF8 : TEXT;
}

static enum form form_of(const struct schema_column *c)
{
    const struct cdc_value v = {.column = c};
    switch (c->type) {
    case SCHEMA_TYPE_TINY:
    case SCHEMA_TYPE_SHORT:
    case SCHEMA_TYPE_INT24:
    case SCHEMA_TYPE_LONG:
    case SCHEMA_TYPE_LONGLONG:
        return cdc_value_is_unsigned(&v)         ? UNSIGNED
               : c->type == SCHEMA_TYPE_LONG     ? SIGNED_4
               : c->type == SCHEMA_TYPE_LONGLONG ? SIGNED_8
                                                 : SIGNED;
    case SCHEMA_TYPE_NEWDECIMAL:
        return DECIMAL;
    case SCHEMA_TYPE_DATE:
    case SCHEMA_TYPE_NEWDATE:
    case SCHEMA_TYPE_TIME:
    case SCHEMA_TYPE_DATETIME:
    case SCHEMA_TYPE_TIMESTAMP:
    case SCHEMA_TYPE_TIME2:
    case SCHEMA_TYPE_DATETIME2:
    case SCHEMA_TYPE_TIMESTAMP2:
        return TIME;
    case SCHEMA_TYPE_FLOAT:
    case SCHEMA_TYPE_DOUBLE:
    case SCHEMA_TYPE_YEAR:
    case SCHEMA_TYPE_BIT:
    case SCHEMA_TYPE_ENUM:
    case SCHEMA_TYPE_SET:
        return VIEW;
    default: /* a byte from outside */
        return bytes_form(c);
    }
}

void typed_rows_table(struct typed_rows *t, const struct schema_table *table)
{
    if (t->table == table)
        return;
    schema_table_unref(t->table);
    t->table = schema_table_ref(table);
    mem_grow((void **)&t->forms, &t->cap_forms, table->n_columns, sizeof *t->forms);
    for (size_t i = 0; i < table->n_columns; i++)
        t->forms[i] = (uint8_t)form_of(&table->columns[i]);
}

static bool bad_value(const struct cdc_value *v, const char *what, struct err *e)
{
    return err_set(e, ERR_LOG_FORMAT, "%s: the value is no %s",
                   v->column->name ? v->column->name : "a column", what);
}

static bool take_time(struct typed_rows *t, const struct cdc_value *v, struct err *e)
{
    struct cdc_datetime d;
    if (!cdc_value_datetime(v, &d))
        return bad_value(v, "date or time", e);
    t->sum += d.year + d.month + d.day + d.hour + d.minute + d.second + d.micro;
    return true;
}

static bool take_decimal(struct typed_rows *t, const struct cdc_value *v, struct err *e)
{
    unsigned precision = v->column->meta >> 8, scale = v->column->meta & 0xff;
    int64_t unscaled = 0;
    bool ok = precision <= DECIMAL_UNSCALED_MAX
                  ? decimal_unscaled(v->p, v->n, precision, scale, &unscaled)
                  : cdc_value_decimal(v, &t->scratch);
    t->sum += (uint64_t)unscaled;
    return ok || bad_value(v, "decimal number", e);
}

static bool take_bytes(struct typed_rows *t, const struct cdc_value *v, enum form form,
                       struct err *e)
{
    bool valid = true; /* text that is not valid in its charset is shown as bytes */
    switch (form) {
    case UTF8:
        valid = charset_is_valid_utf8(v->p, v->n);
        break;
    case TEXT:
        if (!cdc_value_text(v, &t->scratch, &valid, e))
            return false;
        break;
    case BYTES:
        if (!cdc_value_bytes(v, &t->scratch, e))
            return false;
        break;
    case JSON:
        if (!v->json_diff && !cdc_value_json(v, &t->scratch, e))
            return false;
        break;
    case EXTENSION:
        valid = cdc_value_ext_text(v, &t->scratch);
        break;
    case VIEW:
    case SIGNED_4:
    case SIGNED_8:
    case SIGNED:
    case UNSIGNED:
    case DECIMAL:
    case TIME:
        break;
    }
    t->sum += valid;
    return true;
}

static inline bool take_value(struct typed_rows *t, const struct cdc_value *v, enum form form,
                              struct err *e)
{
    switch (form) {
    case VIEW:
        return true;
    case SIGNED_4:
        t->sum += (uint64_t)(int32_t)wire_u32(v->p);
        return true;
    case SIGNED_8:
        t->sum += wire_u64(v->p);
        return true;
    case SIGNED:
        t->sum += (uint64_t)cdc_value_i64(v);
        return true;
    case UNSIGNED:
        t->sum += cdc_value_u64(v);
        return true;
    case DECIMAL:
        return take_decimal(t, v, e);
    case TIME:
        return take_time(t, v, e);
    case UTF8:
    case TEXT:
    case BYTES:
    case JSON:
    case EXTENSION:
        return take_bytes(t, v, form, e);
    }
    return true;
}

bool typed_rows_row(struct typed_rows *t, const struct cdc_row *row, struct err *e)
{
    const struct cdc_value *v = row->values;
    size_t n = t->table->n_columns;
    assert(row->n_columns >= n);
    buf_reset(&t->scratch);
    for (size_t i = 0; i < n; i++, v++) {
        if (!v->absent && !v->null && !take_value(t, v, (enum form)t->forms[i], e))
            return false;
    }
    return true;
}
