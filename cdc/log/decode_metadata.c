/* cdc/log/decode_metadata.c — the optional metadata behind a table map: signs, charsets, names,
 * labels, keys.
 *
 * TLVs {type u8, length, value} in any order; unknown types are skipped. Some count only the
 * columns of one kind: `numeric` by SIGNEDNESS; `character` by the charset fields, where MariaDB
 * counts GEOMETRY and MySQL VECTOR too; ENUM and SET by theirs. The labels' texts are
 * in the column's character set, which another field gives: they are converted at the end.
 */
#include "base/mem.h"
#include "cdc/log/decode_internal.h"
#include "schemas/labels.h"

#include <assert.h>
#include <stdlib.h>

enum {
    META_SIGNEDNESS = 1,
    META_DEFAULT_CHARSET,
    META_COLUMN_CHARSET,
    META_COLUMN_NAME,
    META_SET_LABELS,
    META_ENUM_LABELS,
    META_GEOMETRY_TYPE,
    META_SIMPLE_PK,
    META_PK_WITH_PREFIX,
    META_ENUM_SET_DEFAULT_CHARSET,
    META_ENUM_SET_COLUMN_CHARSET,
    META_VISIBILITY,
    META_VECTOR_DIM
};

#define LABELS_MAX 65535u

struct metadata {
    struct schema_table *t;
    bool mariadb;
};
typedef bool (*column_fn)(const struct metadata *m, const struct schema_column *c);

static bool is_numeric(const struct metadata *m, const struct schema_column *c)
{
    (void)m;
    return schema_type_is_integer(c->type) || c->type == SCHEMA_TYPE_DECIMAL ||
           c->type == SCHEMA_TYPE_NEWDECIMAL || c->type == SCHEMA_TYPE_FLOAT ||
           c->type == SCHEMA_TYPE_DOUBLE || c->type == SCHEMA_TYPE_YEAR;
}

static bool is_character(const struct metadata *m, const struct schema_column *c)
{
    return c->type == SCHEMA_TYPE_STRING || c->type == SCHEMA_TYPE_VAR_STRING ||
           c->type == SCHEMA_TYPE_VARCHAR || c->type == SCHEMA_TYPE_BLOB ||
           c->type == SCHEMA_TYPE_VARCHAR_COMPRESSED || c->type == SCHEMA_TYPE_BLOB_COMPRESSED ||
           (c->type == SCHEMA_TYPE_GEOMETRY && m->mariadb) ||
           (c->type == SCHEMA_TYPE_VECTOR && !m->mariadb);
}

static bool is_enum_or_set(const struct metadata *m, const struct schema_column *c)
{
    (void)m;
    return c->type == SCHEMA_TYPE_ENUM || c->type == SCHEMA_TYPE_SET;
}

static bool is_enum(const struct metadata *m, const struct schema_column *c)
{
    (void)m;
    return c->type == SCHEMA_TYPE_ENUM;
}

static bool is_set(const struct metadata *m, const struct schema_column *c)
{
    (void)m;
    return c->type == SCHEMA_TYPE_SET;
}

static bool is_geometry(const struct metadata *m, const struct schema_column *c)
{
    (void)m;
    return c->type == SCHEMA_TYPE_GEOMETRY;
}

static bool is_vector(const struct metadata *m, const struct schema_column *c)
{
    (void)m;
    return c->type == SCHEMA_TYPE_VECTOR;
}

/* The next column from *i on that fn counts; NULL at the end. */
static struct schema_column *next_column(const struct metadata *m, column_fn fn, size_t *i)
{
    while (*i < m->t->n_columns) {
        struct schema_column *c = &m->t->columns[(*i)++];
        if (fn(m, c))
            return c;
    }
    return NULL;
}

static bool msb_bit(const uint8_t *bits, size_t n)
{
    return bits[n / 8] >> (7 - n % 8) & 1;
}

static void read_signs(const struct metadata *m, struct wire *v)
{
    size_t n_bytes = wire_left(v), nth = 0, i = 0;
    const uint8_t *bits = wire_take(v, n_bytes);
    for (struct schema_column *c; (c = next_column(m, is_numeric, &i)); nth++) {
        if (nth / 8 >= n_bytes) {
            v->failed = true;
            return;
        }
        c->unsigned_known = true;
        c->is_unsigned = msb_bit(bits, nth);
    }
}

static void read_visibility(const struct metadata *m, struct wire *v)
{
    const uint8_t *bits = wire_take(v, (m->t->n_columns + 7) / 8);
    for (size_t i = 0; bits && i < m->t->n_columns; i++)
        m->t->columns[i].visible = msb_bit(bits, i);
}

static void read_default_charset(const struct metadata *m, column_fn fn, struct wire *v)
{
    uint64_t fallback = wire_lenenc(v);
    uint64_t exception = UINT64_MAX, nth = 0;
    uint64_t collation = 0;
    size_t i = 0;
    for (struct schema_column *c; (c = next_column(m, fn, &i)); nth++) {
        if ((exception == UINT64_MAX || exception < nth) && wire_left(v) > 0) {
            exception = wire_lenenc(v);
            collation = wire_lenenc(v);
        }
        c->collation = (uint16_t)(exception == nth ? collation : fallback);
    }
}

static void read_column_charsets(const struct metadata *m, column_fn fn, struct wire *v)
{
    size_t i = 0;
    for (struct schema_column *c; (c = next_column(m, fn, &i));)
        c->collation = (uint16_t)wire_lenenc(v);
}

static void read_names(const struct metadata *m, struct wire *v)
{
    for (size_t i = 0; i < m->t->n_columns && !v->failed; i++) {
        struct wire name = wire_sub(v, wire_lenenc(v));
        if (name.failed || memchr(name.p, 0, wire_left(&name))) {
            v->failed = true;
            return;
        }
        free(m->t->columns[i].name);
        m->t->columns[i].name = mem_strndup((const char *)name.p, wire_left(&name));
    }
    m->t->full_metadata = !v->failed;
}

static void read_column_labels(struct schema_column *c, struct wire *v)
{
    uint64_t n = wire_lenenc(v);
    if (v->failed || n > LABELS_MAX || n > wire_left(v) || c->label_known) {
        v->failed = true;
        return;
    }
    c->label_known = true;
    for (uint64_t i = 0; i < n; i++) {
        struct wire text = wire_sub(v, wire_lenenc(v));
        if (text.failed)
            return;
        schema_labels_add_unreadable(c, text.p, wire_left(&text));
    }
}

static void read_labels(const struct metadata *m, column_fn fn, struct wire *v)
{
    size_t i = 0;
    for (struct schema_column *c; !v->failed && (c = next_column(m, fn, &i));)
        read_column_labels(c, v);
}

static void convert_labels(struct schema_column *c)
{
    struct schema_column raw = *c;
    c->labels = NULL;
    c->n_labels = 0;
    for (size_t i = 0; i < raw.n_labels; i++)
        schema_labels_add_bytes(c, raw.labels[i].p, raw.labels[i].n);
    schema_labels_clear(&raw);
}

static void read_geometry_types(const struct metadata *m, struct wire *v)
{
    size_t i = 0;
    for (struct schema_column *c; (c = next_column(m, is_geometry, &i));)
        c->geometry_type = (uint32_t)wire_lenenc(v);
}

static void read_vector_dims(const struct metadata *m, struct wire *v)
{
    size_t i = 0;
    for (struct schema_column *c; (c = next_column(m, is_vector, &i));)
        c->vector_dim = (uint32_t)wire_lenenc(v);
}

static void read_key(const struct metadata *m, bool prefixes, struct wire *v)
{
    struct schema_table *t = m->t;
    free(t->pk);
    t->pk = mem_calloc(t->n_columns, sizeof *t->pk);
    t->n_pk = 0;
    while (wire_left(v) > 0) {
        uint64_t column = wire_lenenc(v);
        if (prefixes)
            (void)wire_lenenc(v);
        if (v->failed || column >= t->n_columns || t->n_pk == t->n_columns) {
            v->failed = true;
            return;
        }
        t->pk[t->n_pk++] = (uint16_t)column;
    }
}

static void read_field(const struct metadata *m, uint64_t type, struct wire *v)
{
    switch (type) {
    case META_SIGNEDNESS:
        read_signs(m, v);
        return;
    case META_DEFAULT_CHARSET:
        read_default_charset(m, is_character, v);
        return;
    case META_COLUMN_CHARSET:
        read_column_charsets(m, is_character, v);
        return;
    case META_COLUMN_NAME:
        read_names(m, v);
        return;
    case META_SET_LABELS:
        read_labels(m, is_set, v);
        return;
    case META_ENUM_LABELS:
        read_labels(m, is_enum, v);
        return;
    case META_GEOMETRY_TYPE:
        read_geometry_types(m, v);
        return;
    case META_SIMPLE_PK:
    case META_PK_WITH_PREFIX:
        read_key(m, type == META_PK_WITH_PREFIX, v);
        return;
    case META_ENUM_SET_DEFAULT_CHARSET:
        read_default_charset(m, is_enum_or_set, v);
        return;
    case META_ENUM_SET_COLUMN_CHARSET:
        read_column_charsets(m, is_enum_or_set, v);
        return;
    case META_VISIBILITY:
        read_visibility(m, v);
        return;
    case META_VECTOR_DIM:
        read_vector_dims(m, v);
        return;
    default: /* a field of a later server */
        return;
    }
}

bool decode_metadata(struct schema_table *t, bool mariadb, struct wire *w, struct err *e)
{
    struct metadata m = {t, mariadb};
    bool failed = false;
    while (wire_left(w) > 0 && !failed) {
        uint64_t type = wire_get(w, 1);
        struct wire v = wire_sub(w, wire_lenenc(w));
        if (!v.failed)
            read_field(&m, type, &v);
        failed = v.failed || w->failed;
    }
    for (size_t i = 0; i < t->n_columns; i++)
        convert_labels(&t->columns[i]);
    if (failed)
        return err_set(e, ERR_LOG_FORMAT, "the optional metadata is not well-formed");
    return true;
}
