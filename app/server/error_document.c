/* app/server/error_document.c — prints an error's code, message and cure as JSON. */
#include "app/server/error_document.h"

#include <string.h>

static void put_member(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, "\"%s\":\"", name);
    buf_put_json_escaped(out, text, strlen(text));
    buf_put_u8(out, '"');
}

void error_document_put(const struct err *e, struct buf *out)
{
    buf_put_str(out, "{\"error\":{");
    put_member(out, "code", err_code_name(e->code));
    buf_put_u8(out, ',');
    put_member(out, "message", e->text);
    buf_put_u8(out, ',');
    put_member(out, "cure", e->cure);
    buf_put_str(out, ",\"where\":\"\"}}");
}
