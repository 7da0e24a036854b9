/* schemas/sqlcursor.h — one token of look-ahead over a statement, for those who read its words in
 * order: sqlstmt.c (which kind of statement it is) and ddl_effect.c (what it does to rows). */
#ifndef SLUICE_SCHEMAS_SQLCURSOR_H
#define SLUICE_SCHEMAS_SQLCURSOR_H

#include "schemas/sqltoken.h"

struct sql_cursor {
    struct sqltoken_scanner scanner;
    struct sqltoken at; /* not yet consumed */
};

static inline void sql_step(struct sql_cursor *c)
{
    sqltoken_next(&c->scanner, &c->at);
}

static inline void sql_begin(struct sql_cursor *c, const char *sql, size_t n, unsigned lex)
{
    sqltoken_init(&c->scanner, sql, n, lex);
    sql_step(c);
}

/* Consumes the word if it comes next. */
static inline bool sql_take(struct sql_cursor *c, const char *word)
{
    bool found = sqltoken_is(&c->at, word);
    if (found)
        sql_step(c);
    return found;
}

/* The first of the words, which end with NULL, that comes next. */
static inline bool sql_take_any(struct sql_cursor *c, const char *const *words)
{
    for (; *words; words++)
        if (sql_take(c, *words))
            return true;
    return false;
}

static inline bool sql_at_punct(const struct sql_cursor *c, char punct)
{
    return c->at.kind == SQLTOKEN_PUNCT && c->at.text[0] == punct;
}

static inline bool sql_take_punct(struct sql_cursor *c, char punct)
{
    bool found = sql_at_punct(c, punct);
    if (found)
        sql_step(c);
    return found;
}

static inline bool sql_take_kind(struct sql_cursor *c, enum sqltoken_kind kind)
{
    bool found = c->at.kind == kind;
    if (found)
        sql_step(c);
    return found;
}

#endif
