/* schemas/types.c — the table of column types. */
#include "schemas/types.h"

#include <stddef.h>

const struct schema_type_info schema_types[UINT8_MAX + 1] = {
#define SCHEMA_TYPE(name, number, kind, form, word, meta, shape)                                   \
    [number] = {SCHEMA_VALUE_##kind, SCHEMA_FORM_##form, word},
#include "schemas/types.def"
};

static const char *const kind_names[] = {
#define SCHEMA_KIND(name) [SCHEMA_VALUE_##name] = #name,
#include "schemas/types.def"
};

const char *schema_type_word(uint8_t type)
{
    return schema_types[type].word != NULL ? schema_types[type].word : "?";
}

const char *schema_value_name(enum schema_value_kind kind)
{
    return kind_names[kind];
}
