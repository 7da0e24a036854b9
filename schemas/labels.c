/* schemas/labels.c — labels of ENUM and SET columns: kept with their length, compared, and as SQL.
 *
 * A label may hold any character of its column's character set, also U+0000, and in the character
 * set binary any byte. information_schema and SHOW CREATE TABLE show it through utf8mb3:
 *
 *   - a character beyond U+FFFF, or a byte that is none, becomes '?';
 *   - MySQL shows a binary label that is not UTF-8 as x'…', a digit missing for each byte below 16.
 *
 * Both leave a mark. So a list without a '?', of a column that is not binary, is whole: every other
 * character of utf8mb3 stands for itself. Any other list is asked for (schemas/inspect_whole.c).
 */
#include "schemas/labels.h"

#include "base/mem.h"
#include "schemas/charset.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define COLLATION_BINARY  63u
#define COLLATION_UTF8MB4 45u

static void add(struct schema_column *c, const void *p, size_t n, bool is_text)
{
    bool full = (c->n_labels & (c->n_labels - 1)) == 0; /* its room is a power of two */
    char *copy = mem_alloc(n + 1);
    if (n > 0)
        memcpy(copy, p, n);
    if (full)
        c->labels = mem_realloc(c->labels, c->n_labels ? 2 * c->n_labels : 1, sizeof *c->labels);
    c->labels[c->n_labels++] = (struct schema_label){.p = copy, .n = n, .is_text = is_text};
}

void schema_labels_add(struct schema_column *c, const void *utf8, size_t n)
{
    add(c, utf8, n, charset_is_valid_utf8(utf8, n));
}

void schema_labels_add_bytes(struct schema_column *c, const void *p, size_t n)
{
    struct buf text CLEANUP(buf_fini) = BUF_INIT;
    if (charset_to_utf8(c->collation ? c->collation : COLLATION_UTF8MB4, p, n, &text))
        add(c, buf_str(&text), text.len, true);
    else
        add(c, p, n, false);
}

void schema_labels_add_unreadable(struct schema_column *c, const void *p, size_t n)
{
    add(c, p, n, false);
}

void schema_labels_clear(struct schema_column *c)
{
    for (size_t i = 0; i < c->n_labels; i++)
        free(c->labels[i].p);
    free(c->labels);
    c->labels = NULL;
    c->n_labels = 0;
}

void schema_labels_copy(struct schema_column *to, const struct schema_column *from)
{
    to->labels = NULL;
    to->n_labels = 0;
    to->label_known = from->label_known;
    for (size_t i = 0; i < from->n_labels; i++)
        add(to, from->labels[i].p, from->labels[i].n, from->labels[i].is_text);
}

bool schema_label_same(const struct schema_label *a, const struct schema_label *b)
{
    return a->n == b->n && a->is_text == b->is_text && memcmp(a->p, b->p, a->n) == 0;
}

bool schema_labels_same(const struct schema_column *a, const struct schema_column *b)
{
    bool same = a->n_labels == b->n_labels;
    for (size_t i = 0; i < a->n_labels && same; i++)
        same = schema_label_same(&a->labels[i], &b->labels[i]);
    return same;
}

bool schema_labels_are_text(const struct schema_column *c)
{
    bool text = true;
    for (size_t i = 0; i < c->n_labels && text; i++)
        text = c->labels[i].is_text;
    return text;
}

bool schema_labels_are_whole(const struct schema_column *c)
{
    bool whole = c->n_labels == 0 || c->collation != COLLATION_BINARY;
    for (size_t i = 0; i < c->n_labels && whole; i++)
        whole = c->labels[i].is_text && !memchr(c->labels[i].p, '?', c->labels[i].n);
    return whole;
}

void schema_label_describe(const struct schema_label *l, struct buf *out)
{
    if (l->is_text) {
        buf_put(out, l->p, l->n);
        return;
    }
    buf_put_str(out, "0x");
    buf_put_hex(out, l->p, l->n);
}

void schema_labels_put_sql(const struct schema_column *c, struct buf *out)
{
    for (size_t i = 0; i < c->n_labels; i++) {
        const struct schema_label *l = &c->labels[i];
        buf_put_str(out, i > 0 ? "," : "");
        if (l->is_text) {
            buf_put_sql_string(out, l->p, l->n);
            continue;
        }
        buf_put_str(out, "x'");
        buf_put_hex(out, l->p, l->n);
        buf_put_str(out, "'");
    }
}
