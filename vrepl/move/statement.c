/* vrepl/move/statement.c — SQL texts with placeholders; every name quoted, no value ever in a text.
 */
#include "vrepl/move/statement.h"

static const char *target_name(const struct vrepl_plan *p, const struct plan_column *c)
{
    return p->target->columns[c->target].name;
}

static const char *value_text(const struct vrepl_plan *p, const char *const *texts, size_t i)
{
    return texts && texts[i] ? texts[i] : p->columns[i].value;
}

static const char *where_text(const struct vrepl_plan *p, const char *const *texts, size_t i)
{
    return texts && texts[p->n_columns + i] ? texts[p->n_columns + i] : p->columns[i].where;
}

static void put_values(const struct vrepl_plan *p, const uint8_t *present, const char *const *texts,
                       struct buf *out)
{
    const char *separator = "(";
    for (size_t i = 0; i < p->n_columns; i++) {
        if (!present[i])
            continue;
        buf_put_str(out, separator);
        buf_put_str(out, value_text(p, texts, i));
        separator = ",";
    }
    buf_put_str(out, *separator == '(' ? "()" : ")");
}

static void put_insert(const struct vrepl_plan *p, const uint8_t *present, const char *const *texts,
                       size_t rows, struct buf *out)
{
    const char *separator = " (";
    buf_put_ident(out, p->target->name);
    for (size_t i = 0; i < p->n_columns; i++) {
        if (!present[i])
            continue;
        buf_put_str(out, separator);
        buf_put_ident(out, target_name(p, &p->columns[i]));
        separator = ",";
    }
    buf_put_str(out, *separator == ' ' ? " () VALUES " : ") VALUES ");
    for (size_t r = 0; r < rows; r++) {
        if (r > 0)
            buf_put_u8(out, ',');
        put_values(p, present, texts, out);
    }
}

static void put_where(const struct vrepl_plan *p, const uint8_t *compared, const char *const *texts,
                      struct buf *out)
{
    const char *separator = " WHERE ";
    for (size_t i = 0; i < p->n_columns; i++) {
        const struct plan_column *c = &p->columns[i];
        if (!compared[i])
            continue;
        buf_put_str(out, separator);
        buf_put_ident(out, target_name(p, c));
        buf_put_str(out, c->key ? "=" : "<=>");
        buf_put_str(out, where_text(p, texts, i));
        separator = " AND ";
    }
    /* Of equal rows one goes, as one went on the source. */
    if (p->n_key == 0)
        buf_put_str(out, " LIMIT 1");
}

static void put_update(const struct vrepl_plan *p, const uint8_t *present, const char *const *texts,
                       struct buf *out)
{
    const char *separator = " SET ";
    buf_put_ident(out, p->target->name);
    for (size_t i = 0; i < p->n_columns; i++) {
        if (!present[i])
            continue;
        buf_put_str(out, separator);
        buf_put_ident(out, target_name(p, &p->columns[i]));
        buf_put_u8(out, '=');
        buf_put_str(out, value_text(p, texts, i));
        separator = ",";
    }
}

void statement_text(const struct vrepl_plan *p, enum copy_verb verb, const uint8_t *present,
                    const uint8_t *compared, const char *const *texts, size_t rows, struct buf *out)
{
    switch (verb) {
    case COPY_INSERT:
        buf_put_str(out, "INSERT INTO ");
        put_insert(p, present, texts, rows, out);
        break;
    case COPY_REPLACE:
        buf_put_str(out, "REPLACE INTO ");
        put_insert(p, present, texts, rows, out);
        break;
    case COPY_UPDATE:
        buf_put_str(out, "UPDATE ");
        put_update(p, present, texts, out);
        put_where(p, compared, texts, out);
        break;
    case COPY_DELETE:
        buf_put_str(out, "DELETE FROM ");
        buf_put_ident(out, p->target->name);
        put_where(p, compared, texts, out);
        break;
    }
}
