/* schemas/create_spots.c — where a SHOW CREATE TABLE text has label lists and literal defaults. */
#include "schemas/inspect_whole.h"

#include <string.h>

void create_spots_begin(struct create_spots *w, const struct schema_table *t)
{
    *w = (struct create_spots){.t = t, .column = -1};
    sqltoken_init(&w->s, t->create_sql, strlen(t->create_sql), false);
}

static bool is_punct(const struct sqltoken *t, char c)
{
    return t->kind == SQLTOKEN_PUNCT && t->text[0] == c;
}

/* Items begin behind the first bracket and behind each comma directly in it; a column's begins with
 * its name and its type. */
static bool is_head(struct create_spots *w, const struct sqltoken *t)
{
    if (w->depth == 1 && (is_punct(t, ',') || is_punct(t, '('))) {
        w->starts = true;
    } else if (w->starts) {
        w->starts = false;
        w->column = t->kind == SQLTOKEN_IDENT ? schema_table_column(w->t, t->text) : -1;
        w->type_next = w->column >= 0;
    } else if (w->type_next) {
        w->type_next = false;
        w->in_labels = sqltoken_is(t, "ENUM") || sqltoken_is(t, "SET");
    } else {
        return false;
    }
    return true;
}

static bool ends_labels(struct create_spots *w, const struct sqltoken *t, struct create_spot *out)
{
    if (!w->in_labels)
        return false;
    if (w->depth == 2 && is_punct(t, '('))
        w->list_start = t->end;
    if (w->depth > 1)
        return false;
    w->in_labels = false;
    *out = (struct create_spot){(size_t)w->column, true, w->list_start, t->start};
    return true;
}

static bool is_default(struct create_spots *w, const struct sqltoken *t, struct create_spot *out)
{
    bool literal = w->default_next && w->column >= 0 && t->kind == SQLTOKEN_STRING;
    w->default_next = w->depth == 1 && sqltoken_is(t, "DEFAULT");
    if (literal)
        *out = (struct create_spot){(size_t)w->column, false, t->start, t->end};
    return literal;
}

bool create_spots_next(struct create_spots *w, struct create_spot *out)
{
    struct sqltoken t;
    while (sqltoken_next(&w->s, &t)) {
        w->depth += is_punct(&t, '(');
        w->depth -= is_punct(&t, ')');
        if (is_head(w, &t))
            continue;
        if (ends_labels(w, &t, out) || is_default(w, &t, out))
            return true;
    }
    return false;
}
