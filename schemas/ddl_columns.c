/* schemas/ddl_columns.c — which columns of its table a DDL may have changed; never too few.
 *
 * An ALTER TABLE that changes, drops or renames a column names it outside of brackets (CHANGE,
 * MODIFY, ALTER, DROP, RENAME COLUMN, ADD). What it names in brackets is an index's or an
 * expression's, or a column that it adds, which then was not there before. AFTER names a neighbour.
 * CONVERT changes columns without naming them. A table that is renamed or takes another's place is
 * no longer the same one: those have two tables, or are no ALTER.
 */
#include "schemas/ddl_columns.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static bool is_punct(const struct sqltoken *t, char c)
{
    return t->kind == SQLTOKEN_PUNCT && t->text[0] == c;
}

static void add(struct ddl_columns *c, const char *word)
{
    if (c->words.len == 0)
        buf_put_u8(&c->words, '\n');
    ddl_table_key("", word, &c->words);
    buf_put_u8(&c->words, '\n');
}

bool ddl_words_have(const char *words, const char *name)
{
    struct buf key CLEANUP(buf_fini) = BUF_INIT;
    buf_put_u8(&key, '\n');
    ddl_table_key("", name, &key);
    buf_put_u8(&key, '\n');
    return strstr(words, buf_str(&key)) != NULL;
}

/* Behind "ALTER … TABLE [IF EXISTS] [db.]name". */
static bool skip_table(struct sqltoken_scanner *s)
{
    struct sqltoken t;
    bool more = true;
    while ((more = sqltoken_next(s, &t)) && !sqltoken_is(&t, "TABLE"))
        ;
    more = more && sqltoken_next(s, &t);
    if (more && sqltoken_is(&t, "IF"))
        more = sqltoken_next(s, &t) && sqltoken_next(s, &t);
    struct sqltoken_scanner behind = *s;
    if (more && sqltoken_next(&behind, &t) && is_punct(&t, '.')) {
        more = sqltoken_next(&behind, &t);
        *s = behind;
    }
    return more;
}

static void read_alter(struct sqltoken_scanner *s, struct ddl_columns *out)
{
    struct sqltoken t;
    int depth = 0;
    bool neighbour = false;
    out->any = !skip_table(s);
    while (sqltoken_next(s, &t)) {
        depth += is_punct(&t, '(');
        depth -= is_punct(&t, ')');
        if (depth > 0 || t.kind == SQLTOKEN_STRING || t.kind == SQLTOKEN_PUNCT)
            continue;
        out->any = out->any || sqltoken_is(&t, "CONVERT");
        if (!neighbour)
            add(out, t.text);
        neighbour = sqltoken_is(&t, "AFTER");
    }
}

/* Not LIKE, not the columns of a SELECT, and not IF NOT EXISTS, which may have done nothing. */
static void read_create(struct sqltoken_scanner *s, struct ddl_columns *out)
{
    struct sqltoken t;
    out->creates = true;
    while (sqltoken_next(s, &t)) {
        out->any = out->any || sqltoken_is(&t, "LIKE") || sqltoken_is(&t, "SELECT") ||
                   sqltoken_is(&t, "EXISTS");
        if (t.kind == SQLTOKEN_WORD || t.kind == SQLTOKEN_IDENT)
            add(out, t.text);
    }
}

void ddl_columns(const struct ddl_text *ddl, struct ddl_columns *out)
{
    struct sqlstmt *kind = mem_alloc(sizeof *kind);
    struct sqltoken_scanner s;
    sqlstmt_classify(ddl->sql, ddl->n, ddl->lex, kind);
    sqltoken_init(&s, ddl->sql, ddl->n, ddl->lex);
    if (kind->n_tables != 1 || kind->more_tables)
        out->any = true;
    else if (kind->kind == SQLSTMT_ALTER_TABLE)
        read_alter(&s, out);
    else if (kind->kind == SQLSTMT_CREATE_TABLE)
        read_create(&s, out);
    else
        out->any = kind->kind != SQLSTMT_DROP_INDEX && kind->kind != SQLSTMT_CREATE_INDEX;
    free(kind);
}

void ddl_columns_fini(struct ddl_columns *c)
{
    buf_fini(&c->words);
}
