/* schemas/column_info.c — types by name: the words of schemas/types.def, the exceptions as
 * functions. */
#include "schemas/column_info.h"

#include "base/mem.h"
#include "schemas/labels.h"
#include "schemas/sqltoken.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum shape {
    SHAPE_NONE,      /* information_schema does not mean this type by its word */
    SHAPE_PLAIN,     /* meta is that of the row */
    SHAPE_INTEGER,   /* the same, signed or not */
    SHAPE_DECIMAL,   /* precision << 8 | scale */
    SHAPE_BIT,       /* bits % 8 | bytes << 8 */
    SHAPE_FRACTION,  /* fraction digits */
    SHAPE_TEXT,      /* octets; has a collation */
    SHAPE_BINARY,    /* octets */
    SHAPE_BLOB_TEXT, /* meta: bytes of the length; has a collation */
    SHAPE_BLOB,
    SHAPE_LABELS,
    SHAPE_GEOMETRY, /* meta 4; the row's meta is the geometry's type */
    SHAPE_VECTOR
};

struct type_row {
    const char *word;
    enum schema_type type;
    uint16_t meta;
    enum shape shape;
    enum schema_ext ext;
};

static const struct type_row rows[] = {
#define SCHEMA_TYPE(name, number, kind, form, word, meta, shape)                                   \
    {word, SCHEMA_TYPE_##name, meta, SHAPE_##shape, SCHEMA_EXT_NONE},
#define SCHEMA_WORD(word, type, meta, shape, ext)                                                  \
    {word, SCHEMA_TYPE_##type, meta, SHAPE_##shape, SCHEMA_EXT_##ext},
#include "schemas/types.def"
};

static const struct type_row *find_row(const char *data_type)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].shape != SHAPE_NONE && strcasecmp(rows[i].word, data_type) == 0)
            return &rows[i];
    return NULL;
}

/* The strings in "enum('a','b')". */
static void parse_labels(const char *column_type, struct schema_column *c)
{
    struct sqltoken_scanner s;
    struct sqltoken t;
    sqltoken_init(&s, column_type, strlen(column_type), false);
    while (sqltoken_next(&s, &t)) {
        if (t.kind != SQLTOKEN_STRING)
            continue;
        struct buf label CLEANUP(buf_fini) = BUF_INIT;
        sqltoken_string(column_type, &t, &label);
        schema_labels_add(c, buf_str(&label), label.len);
    }
    c->label_known = true;
}

static uint16_t label_bytes(const struct schema_column *c)
{
    if (c->type == SCHEMA_TYPE_ENUM)
        return c->n_labels < 256 ? 1 : 2;
    size_t bytes = (c->n_labels + 7) / 8;
    return bytes > 4 ? 8 : (uint16_t)bytes;
}

static bool has_word(const char *column_type, const char *word)
{
    struct sqltoken_scanner s;
    struct sqltoken t;
    sqltoken_init(&s, column_type, strlen(column_type), false);
    while (sqltoken_next(&s, &t))
        if (sqltoken_is(&t, word))
            return true;
    return false;
}

static void make_compressed(struct schema_column *c)
{
    if (c->type == SCHEMA_TYPE_VARCHAR) {
        c->type = SCHEMA_TYPE_VARCHAR_COMPRESSED;
        c->meta++; /* the byte that says how it is compressed */
    } else if (c->type == SCHEMA_TYPE_BLOB)
        c->type = SCHEMA_TYPE_BLOB_COMPRESSED;
}

static uint32_t first_number(const char *text)
{
    return (uint32_t)strtoul(text + strcspn(text, "0123456789"), NULL, 10);
}

/* MariaDB's vectors travel as VARBINARY. */
static void fill_vector(const struct schema_column_info *in, struct schema_column *out)
{
    out->vector_dim = first_number(in->column_type);
    out->collation = 63;
    if (in->mariadb) {
        out->type = SCHEMA_TYPE_VARCHAR;
        out->meta = (uint16_t)(out->vector_dim * 4);
    }
}

static void fill_shape(const struct type_row *row, const struct schema_column_info *in,
                       struct schema_column *out)
{
    switch (row->shape) {
    case SHAPE_NONE:
    case SHAPE_PLAIN:
    case SHAPE_INTEGER:
        break;
    case SHAPE_DECIMAL:
        out->meta = (uint16_t)(in->precision << 8 | in->scale);
        break;
    case SHAPE_BIT:
        out->meta = (uint16_t)(in->precision % 8 | in->precision / 8 << 8);
        break;
    case SHAPE_FRACTION:
        out->meta = (uint16_t)in->fraction_digits;
        break;
    case SHAPE_TEXT:
    case SHAPE_BINARY:
        out->meta = (uint16_t)in->octet_length;
        break;
    case SHAPE_BLOB_TEXT:
    case SHAPE_BLOB:
        break;
    case SHAPE_LABELS:
        parse_labels(in->column_type, out);
        out->meta = label_bytes(out);
        break;
    case SHAPE_GEOMETRY:
        out->geometry_type = row->meta;
        out->meta = 4;
        break;
    case SHAPE_VECTOR:
        fill_vector(in, out);
        break;
    }
}

static uint16_t collation_of(const struct type_row *row, uint16_t given)
{
    switch (row->shape) {
    case SHAPE_TEXT:
    case SHAPE_BLOB_TEXT:
    case SHAPE_LABELS:
        return given ? given : 63;
    case SHAPE_BINARY:
    case SHAPE_BLOB:
        return 63;
    case SHAPE_PLAIN:
        return row->ext == SCHEMA_EXT_NONE ? 0 : 63;
    case SHAPE_NONE:
    case SHAPE_INTEGER:
    case SHAPE_DECIMAL:
    case SHAPE_BIT:
    case SHAPE_FRACTION:
    case SHAPE_GEOMETRY:
    case SHAPE_VECTOR:
        return 0;
    }
    return 0;
}

bool schema_column_from_info(const struct schema_column_info *in, struct schema_column *out,
                             struct err *e)
{
    const struct type_row *row = find_row(in->data_type);
    if (!row)
        return err_set(e, ERR_SCHEMA_MISMATCH, "type '%.100s' is not known", in->column_type);
    out->type = (uint8_t)row->type;
    out->meta = row->meta;
    out->ext = row->ext;
    out->collation = collation_of(row, in->collation);
    out->column_type = mem_strdup(in->column_type);
    fill_shape(row, in, out);
    if (row->shape == SHAPE_INTEGER || row->shape == SHAPE_DECIMAL) {
        out->unsigned_known = true;
        out->is_unsigned =
            has_word(in->column_type, "unsigned") || has_word(in->column_type, "zerofill");
    }
    if (in->mariadb && schema_type_is_string(out->type) && has_word(in->column_type, "COMPRESSED"))
        make_compressed(out);
    return true;
}
