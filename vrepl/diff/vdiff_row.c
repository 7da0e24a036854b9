/* vrepl/diff/vdiff_row.c — a differing row as the report shows it. */
#include "vrepl/diff/vdiff_internal.h"

#include "base/text.h"
#include <string.h>

#define COLUMN_TEXT_MAX 128

static void put_text(struct buf *out, const char *text, size_t n)
{
    buf_put_u8(out, '"');
    buf_put_json_escaped(out, text, n);
    buf_put_u8(out, '"');
}

/* A zero byte is no character for most readers of JSON; bytes are shown as such. */
static bool is_text(const struct my_cell *c)
{
    return memchr(c->p, '\0', c->n) == NULL && text_is_utf8(c->p, c->n);
}

void vdiff_row_json(const struct vdiff_run *d, const struct my_cell *cells, struct buf *out)
{
    buf_put_str(out, "{\"Row\":{");
    for (size_t i = 0; i < d->n_columns; i++) {
        struct buf value = BUF_INIT;
        size_t n = cells[i].n;
        bool cut = n > COLUMN_TEXT_MAX && i >= d->n_key;
        buf_put_str(out, i > 0 ? "," : "");
        put_text(out, d->columns[i], strlen(d->columns[i]));
        buf_put_u8(out, ':');
        if (cells[i].p == NULL) {
            buf_put_str(out, "null");
        } else if (is_text(&cells[i])) {
            while (cut && n > COLUMN_TEXT_MAX - 20 &&
                   ((unsigned char)cells[i].p[COLUMN_TEXT_MAX - 20] & 0xc0) != 0x80)
                n = COLUMN_TEXT_MAX - 20;
            put_text(&value, cells[i].p, n);
            if (cut && n < cells[i].n)
                value.len--, buf_put_str(&value, "...[TRUNCATED]\"");
        } else {
            buf_put_str(&value, "\"0x");
            buf_put_hex(&value, cells[i].p, cut ? COLUMN_TEXT_MAX / 2 : n);
            buf_put_str(&value, cut ? "...[TRUNCATED]\"" : "\"");
        }
        buf_put(out, value.data, value.len);
        buf_fini(&value);
    }
    buf_put_str(out, "}}");
}
