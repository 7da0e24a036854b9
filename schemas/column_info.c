/* schemas/column_info.c — types by name: one row of a table each, the exceptions as functions. */
#include "schemas/column_info.h"

#include "base/mem.h"
#include "schemas/labels.h"
#include "schemas/sqltoken.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum shape {
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
    const char *name;
    enum schema_type type;
    uint16_t meta;
    enum shape shape;
    enum schema_ext ext;
};

static const struct type_row rows[] = {
    {"tinyint", SCHEMA_TYPE_TINY, 0, SHAPE_INTEGER, SCHEMA_EXT_NONE},
    {"smallint", SCHEMA_TYPE_SHORT, 0, SHAPE_INTEGER, SCHEMA_EXT_NONE},
    {"mediumint", SCHEMA_TYPE_INT24, 0, SHAPE_INTEGER, SCHEMA_EXT_NONE},
    {"int", SCHEMA_TYPE_LONG, 0, SHAPE_INTEGER, SCHEMA_EXT_NONE},
    {"bigint", SCHEMA_TYPE_LONGLONG, 0, SHAPE_INTEGER, SCHEMA_EXT_NONE},
    {"float", SCHEMA_TYPE_FLOAT, 4, SHAPE_INTEGER, SCHEMA_EXT_NONE},
    {"double", SCHEMA_TYPE_DOUBLE, 8, SHAPE_INTEGER, SCHEMA_EXT_NONE},
    {"decimal", SCHEMA_TYPE_NEWDECIMAL, 0, SHAPE_DECIMAL, SCHEMA_EXT_NONE},
    {"bit", SCHEMA_TYPE_BIT, 0, SHAPE_BIT, SCHEMA_EXT_NONE},
    {"date", SCHEMA_TYPE_DATE, 0, SHAPE_PLAIN, SCHEMA_EXT_NONE},
    {"year", SCHEMA_TYPE_YEAR, 0, SHAPE_PLAIN, SCHEMA_EXT_NONE},
    {"time", SCHEMA_TYPE_TIME2, 0, SHAPE_FRACTION, SCHEMA_EXT_NONE},
    {"datetime", SCHEMA_TYPE_DATETIME2, 0, SHAPE_FRACTION, SCHEMA_EXT_NONE},
    {"timestamp", SCHEMA_TYPE_TIMESTAMP2, 0, SHAPE_FRACTION, SCHEMA_EXT_NONE},
    {"char", SCHEMA_TYPE_STRING, 0, SHAPE_TEXT, SCHEMA_EXT_NONE},
    {"varchar", SCHEMA_TYPE_VARCHAR, 0, SHAPE_TEXT, SCHEMA_EXT_NONE},
    {"binary", SCHEMA_TYPE_STRING, 0, SHAPE_BINARY, SCHEMA_EXT_NONE},
    {"varbinary", SCHEMA_TYPE_VARCHAR, 0, SHAPE_BINARY, SCHEMA_EXT_NONE},
    {"tinytext", SCHEMA_TYPE_BLOB, 1, SHAPE_BLOB_TEXT, SCHEMA_EXT_NONE},
    {"text", SCHEMA_TYPE_BLOB, 2, SHAPE_BLOB_TEXT, SCHEMA_EXT_NONE},
    {"mediumtext", SCHEMA_TYPE_BLOB, 3, SHAPE_BLOB_TEXT, SCHEMA_EXT_NONE},
    {"longtext", SCHEMA_TYPE_BLOB, 4, SHAPE_BLOB_TEXT, SCHEMA_EXT_NONE},
    {"tinyblob", SCHEMA_TYPE_BLOB, 1, SHAPE_BLOB, SCHEMA_EXT_NONE},
    {"blob", SCHEMA_TYPE_BLOB, 2, SHAPE_BLOB, SCHEMA_EXT_NONE},
    {"mediumblob", SCHEMA_TYPE_BLOB, 3, SHAPE_BLOB, SCHEMA_EXT_NONE},
    {"longblob", SCHEMA_TYPE_BLOB, 4, SHAPE_BLOB, SCHEMA_EXT_NONE},
    {"enum", SCHEMA_TYPE_ENUM, 0, SHAPE_LABELS, SCHEMA_EXT_NONE},
    {"set", SCHEMA_TYPE_SET, 0, SHAPE_LABELS, SCHEMA_EXT_NONE},
    {"json", SCHEMA_TYPE_JSON, 4, SHAPE_PLAIN, SCHEMA_EXT_NONE},
    {"vector", SCHEMA_TYPE_VECTOR, 4, SHAPE_VECTOR, SCHEMA_EXT_NONE},
    {"geometry", SCHEMA_TYPE_GEOMETRY, 0, SHAPE_GEOMETRY, SCHEMA_EXT_NONE},
    {"point", SCHEMA_TYPE_GEOMETRY, 1, SHAPE_GEOMETRY, SCHEMA_EXT_NONE},
    {"linestring", SCHEMA_TYPE_GEOMETRY, 2, SHAPE_GEOMETRY, SCHEMA_EXT_NONE},
    {"polygon", SCHEMA_TYPE_GEOMETRY, 3, SHAPE_GEOMETRY, SCHEMA_EXT_NONE},
    {"multipoint", SCHEMA_TYPE_GEOMETRY, 4, SHAPE_GEOMETRY, SCHEMA_EXT_NONE},
    {"multilinestring", SCHEMA_TYPE_GEOMETRY, 5, SHAPE_GEOMETRY, SCHEMA_EXT_NONE},
    {"multipolygon", SCHEMA_TYPE_GEOMETRY, 6, SHAPE_GEOMETRY, SCHEMA_EXT_NONE},
    {"geometrycollection", SCHEMA_TYPE_GEOMETRY, 7, SHAPE_GEOMETRY, SCHEMA_EXT_NONE},
    {"geomcollection", SCHEMA_TYPE_GEOMETRY, 7, SHAPE_GEOMETRY, SCHEMA_EXT_NONE},
    {"uuid", SCHEMA_TYPE_STRING, 16, SHAPE_PLAIN, SCHEMA_EXT_UUID},
    {"inet6", SCHEMA_TYPE_STRING, 16, SHAPE_PLAIN, SCHEMA_EXT_INET6},
    {"inet4", SCHEMA_TYPE_STRING, 4, SHAPE_PLAIN, SCHEMA_EXT_INET4},
};

static const struct type_row *find_row(const char *data_type)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcasecmp(rows[i].name, data_type) == 0)
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
