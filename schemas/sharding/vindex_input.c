/* schemas/sharding/vindex_input.c — a value that is given as text becomes a vindex's input. */
#include "schemas/sharding/vindex_input.h"

#include "base/mem.h"
#include "base/sys.h"
#include <stdlib.h>
#include <string.h>

static bool integer_input(const struct schema_column *c, const char *p, size_t n,
                          struct vindex_input *out, struct err *e)
{
    char *text = mem_strndup(p, n);
    bool ok = strlen(text) == n &&
              (c->is_unsigned ? sys_parse_u64(text, &out->u64) : sys_parse_i64(text, &out->i64));
    out->kind = c->is_unsigned ? VINDEX_IN_U64 : VINDEX_IN_I64;
    if (!ok)
        err_set(e, ERR_VINDEX, "column %s is a number, '%s' is none of its values", c->name, text);
    free(text);
    return ok;
}

bool vindex_input_of_text(const struct schema_column *c, const char *p, size_t n,
                          struct vindex_input *out, struct err *e)
{
    *out = (struct vindex_input){.kind = VINDEX_IN_NULL};
    if (p == NULL)
        return true;
    if (schema_type_is_integer(c->type))
        return integer_input(c, p, n, out, e);
    if (!schema_type_is_string(c->type))
        return err_set(e, ERR_VINDEX, "column %s: its type cannot be a sharding key", c->name);
    *out = (struct vindex_input){.kind = VINDEX_IN_BYTES, .p = (const uint8_t *)p, .n = n};
    return true;
}
