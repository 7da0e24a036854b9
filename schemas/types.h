/* schemas/types.h — column types by their number in a table map, and what kind of value each has.
 *
 * All of it comes from schemas/types.def.
 */
#ifndef SLUICE_SCHEMAS_TYPES_H
#define SLUICE_SCHEMAS_TYPES_H

#include <stdbool.h>
#include <stdint.h>

enum schema_type { /* values are the wire's */
#define SCHEMA_TYPE(name, number, kind, form, word, meta, shape) SCHEMA_TYPE_##name = number,
#include "schemas/types.def"
};

/* What a value is, however its bytes lie in a row. A switch over kinds names all of them and has no
 * default: so a new kind is found by the compiler wherever values are read or written. */
enum schema_value_kind {
#define SCHEMA_KIND(name) SCHEMA_VALUE_##name,
#include "schemas/types.def"
};

enum schema_form { SCHEMA_FORM_NOW, SCHEMA_FORM_OLD, SCHEMA_FORM_PACKED };

struct schema_type_info {
    uint8_t kind;     /* enum schema_value_kind; NONE for numbers that are no type */
    uint8_t form;     /* enum schema_form */
    const char *word; /* "varchar"; NULL for numbers that are no type */
};
extern const struct schema_type_info schema_types[UINT8_MAX + 1];

const char *schema_type_word(uint8_t type);            /* "?" where there is none */
const char *schema_value_name(enum schema_value_kind); /* "INTEGER": for messages and tests */

static inline bool schema_type_is_integer(uint8_t type)
{
    return schema_types[type].kind == SCHEMA_VALUE_INTEGER;
}

/* CHAR, VARCHAR, TEXT, BLOB, BINARY …: the collation tells which. */
static inline bool schema_type_is_string(uint8_t type)
{
    return schema_types[type].kind == SCHEMA_VALUE_TEXT;
}

/* TIME, DATETIME, TIMESTAMP of the format from before MySQL 5.6 and MariaDB 10.1.2. */
static inline bool schema_type_is_old_time(uint8_t type)
{
    return schema_types[type].form == SCHEMA_FORM_OLD &&
           schema_types[type].kind != SCHEMA_VALUE_NONE;
}

/* MariaDB's COMPRESSED columns. */
static inline bool schema_type_is_packed(uint8_t type)
{
    return schema_types[type].form == SCHEMA_FORM_PACKED;
}

#endif
