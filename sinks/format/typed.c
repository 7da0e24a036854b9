/* sinks/format/typed.c — what a column's values take to become final is found once a table.
 *
 * Bytes that are UTF-8 already, or no text at all, are final where they lie. A row is taken form by
 * form: a jump by each column's form would be guessed wrong more often than all else costs.
 */
#include "sinks/format/typed.h"

#include "base/mem.h"
#include "cdc/log/jsonb.h"
#include "cdc/log/wire.h"
#include "schemas/charset.h"

#include <assert.h>
#include <stdlib.h>

/* From LONG_DECIMAL on, values are brought into memory of their own. */
enum form {
    VIEW,
    SIGNED_4,
    SIGNED_8,
    SIGNED,
    UNSIGNED,
    DECIMAL,
    TIME,
    UTF8,
    LONG_DECIMAL,
    TEXT,
    BYTES,
    JSON,
    EXTENSION
};
#define N_FORMS ((size_t)EXTENSION + 1)

struct typed_column {
    uint32_t i; /* in the table */
    enum form form;
    struct decimal_shape shape; /* DECIMAL */
};

struct typed_rows {
    struct buf scratch;
    uint64_t sum; /* of what has no place in scratch: the reads are not left out */
    const struct schema_table *table; /* reference */
    struct typed_column *columns;     /* those of one form follow each other */
    size_t cap_columns;
    size_t first[N_FORMS + 1]; /* of each form, and the end */
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
    free(t->columns);
    free(t);
}

static enum form integer_form(const struct schema_column *c)
{
    if (c->is_unsigned)
        return UNSIGNED;
    if (c->type == SCHEMA_TYPE_LONG)
        return SIGNED_4;
    return c->type == SCHEMA_TYPE_LONGLONG ? SIGNED_8 : SIGNED;
}

/* And the shape of a DECIMAL. */
static enum form form_of(const struct schema_column *c, struct decimal_shape *shape)
{
    bool packed = schema_type_is_packed(c->type);
    switch (schema_column_kind(c)) {
    case SCHEMA_VALUE_INTEGER:
        return integer_form(c);
    case SCHEMA_VALUE_DECIMAL:
        return decimal_shape_of(c->meta >> 8, c->meta & 0xff, shape) ? DECIMAL : LONG_DECIMAL;
    case SCHEMA_VALUE_DATE:
    case SCHEMA_VALUE_TIME:
    case SCHEMA_VALUE_DATETIME:
    case SCHEMA_VALUE_TIMESTAMP:
        return TIME;
    case SCHEMA_VALUE_TEXT:
        return !packed && charset_is_utf8_compatible(c->collation) ? UTF8 : TEXT;
    case SCHEMA_VALUE_BYTES:
        return packed ? BYTES : VIEW;
    case SCHEMA_VALUE_JSON:
        return JSON;
    case SCHEMA_VALUE_NETWORK:
        return EXTENSION;
    case SCHEMA_VALUE_FLOAT:
    case SCHEMA_VALUE_DOUBLE:
    case SCHEMA_VALUE_YEAR:
    case SCHEMA_VALUE_BIT:
    case SCHEMA_VALUE_ENUM:
    case SCHEMA_VALUE_SET:
    case SCHEMA_VALUE_GEOMETRY:
    case SCHEMA_VALUE_VECTOR:
    case SCHEMA_VALUE_NONE:
        return VIEW;
    }
    return VIEW;
}

/* Counts the columns of each form, then puts each one at its form's place. */
static void sort_columns(struct typed_rows *t)
{
    const struct schema_table *table = t->table;
    size_t next[N_FORMS] = {0}, n = 0;
    struct typed_column c;
    for (size_t i = 0; i < table->n_columns; i++)
        next[form_of(&table->columns[i], &c.shape)]++;
    for (size_t form = 0; form < N_FORMS; form++) {
        t->first[form] = n;
        n += next[form];
        next[form] = t->first[form];
    }
    t->first[N_FORMS] = n;
    for (size_t i = 0; i < table->n_columns; i++) {
        c = (struct typed_column){.i = (uint32_t)i};
        c.form = form_of(&table->columns[i], &c.shape);
        t->columns[next[c.form]++] = c;
    }
}

void typed_rows_table(struct typed_rows *t, const struct schema_table *table)
{
    if (t->table == table)
        return;
    schema_table_unref(t->table);
    t->table = schema_table_ref(table);
    mem_grow((void **)&t->columns, &t->cap_columns, table->n_columns, sizeof *t->columns);
    sort_columns(t);
}

static bool bad_value(const struct cdc_value *v, const char *what, struct err *e)
{
    return err_set(e, ERR_LOG_FORMAT, "%s: the value is no %s",
                   v->column->name ? v->column->name : "a column", what);
}

static bool take_long(struct typed_rows *t, const struct cdc_value *v, enum form form,
                      struct err *e)
{
    bool valid = true; /* text that is not valid in its charset is shown as bytes */
    switch (form) {
    case LONG_DECIMAL:
        if (!cdc_value_decimal(v, &t->scratch))
            return bad_value(v, "decimal number", e);
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
    case UTF8:
        break;
    }
    t->sum += valid;
    return true;
}

struct span {
    const struct typed_column *at, *end;
};

static inline struct span columns_of(const struct typed_rows *t, size_t from, size_t to)
{
    return (struct span){t->columns + t->first[from], t->columns + t->first[to]};
}

/* The next column's value, *c its column; NULL behind the last. NULLs and what is absent is left
 * out. */
static inline const struct cdc_value *next_value(struct span *s, const struct cdc_row *row,
                                                 const struct typed_column **c)
{
    while (s->at < s->end) {
        *c = s->at++;
        const struct cdc_value *v = &row->values[(*c)->i];
        if (!v->absent && !v->null)
            return v;
    }
    return NULL;
}

static void take_integers(struct typed_rows *t, const struct cdc_row *row)
{
    const struct typed_column *c;
    const struct cdc_value *v;
    struct span s = columns_of(t, SIGNED_4, SIGNED_8);
    while ((v = next_value(&s, row, &c)))
        t->sum += (uint64_t)(int32_t)wire_u32(v->p);
    s = columns_of(t, SIGNED_8, SIGNED);
    while ((v = next_value(&s, row, &c)))
        t->sum += wire_u64(v->p);
    s = columns_of(t, SIGNED, UNSIGNED);
    while ((v = next_value(&s, row, &c)))
        t->sum += (uint64_t)cdc_value_i64(v);
    s = columns_of(t, UNSIGNED, DECIMAL);
    while ((v = next_value(&s, row, &c)))
        t->sum += cdc_value_u64(v);
}

static bool take_decimals(struct typed_rows *t, const struct cdc_row *row, struct err *e)
{
    const struct typed_column *c;
    const struct cdc_value *v;
    for (struct span s = columns_of(t, DECIMAL, TIME); (v = next_value(&s, row, &c));) {
        int64_t unscaled;
        if (!decimal_unscaled(&c->shape, v->p, v->n, &unscaled))
            return bad_value(v, "decimal number", e);
        t->sum += (uint64_t)unscaled;
    }
    return true;
}

static bool take_times(struct typed_rows *t, const struct cdc_row *row, struct err *e)
{
    const struct typed_column *c;
    const struct cdc_value *v;
    for (struct span s = columns_of(t, TIME, UTF8); (v = next_value(&s, row, &c));) {
        struct cdc_datetime d;
        if (!cdc_value_datetime(v, &d))
            return bad_value(v, "date or time", e);
        t->sum += d.year + d.month + d.day + d.hour + d.minute + d.second + d.micro;
    }
    return true;
}

static void check_texts(struct typed_rows *t, const struct cdc_row *row)
{
    const struct typed_column *c;
    const struct cdc_value *v;
    for (struct span s = columns_of(t, UTF8, LONG_DECIMAL); (v = next_value(&s, row, &c));)
        t->sum += charset_is_valid_utf8(v->p, v->n);
}

bool typed_rows_row(struct typed_rows *t, const struct cdc_row *row, struct err *e)
{
    const struct typed_column *c;
    const struct cdc_value *v;
    assert(row->n_columns >= t->table->n_columns);
    take_integers(t, row);
    if (!take_decimals(t, row, e) || !take_times(t, row, e))
        return false;
    check_texts(t, row);
    struct span s = columns_of(t, LONG_DECIMAL, N_FORMS);
    if (s.at < s.end)
        buf_reset(&t->scratch);
    while ((v = next_value(&s, row, &c))) {
        if (!take_long(t, v, c->form, e))
            return false;
    }
    return true;
}
