/* schemas/sqlstmt.c — which kind of statement a text is, and which tables a DDL touches.
 *
 * There is no grammar: each form is read as far as its table names, and what is not understood is
 * OTHER. Reads from the text's beginning to its end once; nothing here can fail.
 */
#include "schemas/sqlcursor.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_TABLES = sizeof((struct sqlstmt *)0)->tables / sizeof(struct sqlstmt_table) };

struct reader {
    struct sql_cursor c;
    struct sqlstmt *out;
};

static void skip_to(struct reader *r, const char *word)
{
    while (r->c.at.kind != SQLTOKEN_END && !sqltoken_is(&r->c.at, word))
        sql_step(&r->c);
}

static bool take_name(struct reader *r, char *out, size_t out_len)
{
    if (r->c.at.kind != SQLTOKEN_WORD && r->c.at.kind != SQLTOKEN_IDENT &&
        r->c.at.kind != SQLTOKEN_NUMBER)
        return false;
    size_t n = strnlen(r->c.at.text, out_len - 1);
    memcpy(out, r->c.at.text, n);
    out[n] = 0;
    sql_step(&r->c);
    return true;
}

/* [db.]name, added to the statement's tables. */
static bool take_table(struct reader *r)
{
    struct sqlstmt_table table = {.db = ""};
    sql_take_punct(&r->c, '.'); /* ".t" is a table of the default database */
    if (!take_name(r, table.name, sizeof table.name))
        return false;
    if (sql_take_punct(&r->c, '.')) {
        memcpy(table.db, table.name, sizeof table.db);
        if (!take_name(r, table.name, sizeof table.name))
            return false;
    }
    if (r->out->n_tables < MAX_TABLES)
        r->out->tables[r->out->n_tables++] = table;
    else
        r->out->more_tables = true;
    return true;
}

static void skip_if_exists(struct reader *r)
{
    if (sql_take(&r->c, "IF")) {
        r->out->if_absent = sql_take(&r->c, "NOT");
        sql_take(&r->c, "EXISTS");
    }
}

static void skip_wait(struct reader *r)
{
    if (sql_take(&r->c, "WAIT"))
        sql_step(&r->c);
    else
        sql_take(&r->c, "NOWAIT");
}

static void one_table(struct reader *r, enum sqlstmt_kind kind)
{
    r->out->kind = kind;
    skip_if_exists(r);
    take_table(r);
}

static void table_list(struct reader *r, enum sqlstmt_kind kind)
{
    r->out->kind = kind;
    skip_if_exists(r);
    do
        take_table(r);
    while (sql_take_punct(&r->c, ','));
}

/* INDEX [IF EXISTS] name … ON table, TRIGGER name … ON table */
static void table_after_on(struct reader *r, enum sqlstmt_kind kind)
{
    r->out->kind = kind;
    skip_to(r, "ON");
    if (sql_take(&r->c, "ON"))
        take_table(r);
}

/* RENAME [TO|AS|=] name, EXCHANGE PARTITION p WITH TABLE name, CONVERT PARTITION p TO TABLE name,
 * CONVERT TABLE name TO …: at the cursor. */
static void alter_clause(struct reader *r)
{
    static const char *const things[] = {"COLUMN", "INDEX", "KEY", NULL};
    static const char *const to[] = {"TO", "AS", NULL};
    if (sql_take(&r->c, "RENAME")) {
        if (sql_take_any(&r->c, things))
            return;
        if (!sql_take_any(&r->c, to))
            sql_take_punct(&r->c, '=');
        take_table(r);
    } else if (sql_take(&r->c, "EXCHANGE") || sql_take(&r->c, "CONVERT")) {
        while (r->c.at.kind != SQLTOKEN_END && !sql_at_punct(&r->c, ',') &&
               !sqltoken_is(&r->c.at, "TABLE"))
            sql_step(&r->c);
        if (sql_take(&r->c, "TABLE"))
            take_table(r);
    } else {
        sql_step(&r->c);
    }
}

static void alter_table(struct reader *r)
{
    one_table(r, SQLSTMT_ALTER_TABLE);
    skip_wait(r);
    size_t depth = 0;
    while (r->c.at.kind != SQLTOKEN_END) {
        if (sql_at_punct(&r->c, '('))
            depth++;
        else if (sql_at_punct(&r->c, ')') && depth > 0)
            depth--;
        if (depth == 0 && r->c.at.kind == SQLTOKEN_WORD)
            alter_clause(r);
        else
            sql_step(&r->c);
    }
}

static void rename_tables(struct reader *r)
{
    r->out->kind = SQLSTMT_RENAME_TABLE;
    skip_if_exists(r);
    do {
        take_table(r);
        skip_wait(r);
        if (sql_take(&r->c, "TO"))
            take_table(r);
    } while (sql_take_punct(&r->c, ','));
}

static bool take_table_word(struct reader *r)
{
    static const char *const words[] = {"TABLE", "TABLES", "SEQUENCE", NULL};
    return sql_take_any(&r->c, words);
}

/* Things that CREATE, ALTER and DROP name alike and that are not tables. */
static bool other_object(struct reader *r)
{
    static const char *const databases[] = {"DATABASE", "SCHEMA", NULL};
    static const char *const accounts[] = {"USER", "ROLE", NULL};
    static const char *const routines[] = {"PROCEDURE", "FUNCTION", "EVENT", "PACKAGE", NULL};
    if (sql_take_any(&r->c, databases))
        r->out->kind = SQLSTMT_DATABASE;
    else if (sql_take_any(&r->c, accounts))
        r->out->kind = SQLSTMT_ACCOUNT;
    else if (sql_take_any(&r->c, routines))
        r->out->kind = SQLSTMT_TRIGGER_OR_ROUTINE;
    else if (sql_take(&r->c, "TRIGGER"))
        table_after_on(r, SQLSTMT_TRIGGER_OR_ROUTINE);
    else
        return false;
    return true;
}

/* DEFINER=user@host, ALGORITHM=…, SQL SECURITY …: words before the object's. */
static void skip_definer(struct reader *r)
{
    static const char *const objects[] = {"TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "PACKAGE",
                                          "VIEW",    "ROLE",      "USER",     "TABLE", NULL};
    if (!sqltoken_is(&r->c.at, "DEFINER") && !sqltoken_is(&r->c.at, "AGGREGATE"))
        return;
    sql_take(&r->c, "DEFINER");
    sql_take_punct(&r->c, '=');
    sql_step(&r->c); /* the definer may be named like an object */
    for (; r->c.at.kind != SQLTOKEN_END; sql_step(&r->c))
        for (size_t i = 0; objects[i]; i++)
            if (sqltoken_is(&r->c.at, objects[i]))
                return;
}

static void create(struct reader *r)
{
    static const char *const index_kinds[] = {"UNIQUE", "FULLTEXT", "SPATIAL", "VECTOR",
                                              "ONLINE", "OFFLINE",  NULL};
    if (sql_take(&r->c, "OR"))
        sql_take(&r->c, "REPLACE");
    r->out->temporary = sql_take(&r->c, "TEMPORARY");
    while (sql_take_any(&r->c, index_kinds))
        ;
    skip_definer(r);
    if (take_table_word(r))
        one_table(r, SQLSTMT_CREATE_TABLE);
    else if (sql_take(&r->c, "INDEX"))
        table_after_on(r, SQLSTMT_CREATE_INDEX);
    else
        other_object(r);
}

static void alter(struct reader *r)
{
    static const char *const before[] = {"ONLINE", "OFFLINE", "IGNORE", NULL};
    while (sql_take_any(&r->c, before))
        ;
    skip_definer(r);
    if (take_table_word(r))
        alter_table(r);
    else
        other_object(r);
}

static void drop(struct reader *r)
{
    r->out->temporary = sql_take(&r->c, "TEMPORARY");
    sql_take(&r->c, "ONLINE");
    if (take_table_word(r))
        table_list(r, SQLSTMT_DROP_TABLE);
    else if (sql_take(&r->c, "INDEX"))
        table_after_on(r, SQLSTMT_DROP_INDEX);
    else if (sql_take(&r->c, "TRIGGER"))
        r->out->kind = SQLSTMT_TRIGGER_OR_ROUTINE;
    else
        other_object(r);
}

static void rename_statement(struct reader *r)
{
    if (take_table_word(r))
        rename_tables(r);
    else
        other_object(r);
}

static void truncate(struct reader *r)
{
    sql_take(&r->c, "TABLE");
    one_table(r, SQLSTMT_TRUNCATE);
}

static void start(struct reader *r)
{
    if (sql_take(&r->c, "TRANSACTION"))
        r->out->kind = SQLSTMT_BEGIN;
}

/* ROLLBACK [WORK] TO … undoes a part and is told apart from the end of a transaction. */
static void rollback(struct reader *r)
{
    sql_take(&r->c, "WORK");
    r->out->kind = sql_take(&r->c, "TO") ? SQLSTMT_SAVEPOINT : SQLSTMT_ROLLBACK;
}

static void set(struct reader *r)
{
    if (sqltoken_is(&r->c.at, "PASSWORD") || sqltoken_is(&r->c.at, "ROLE") ||
        sqltoken_is(&r->c.at, "DEFAULT"))
        r->out->kind = SQLSTMT_ACCOUNT;
}

static const struct {
    const char *word;
    enum sqlstmt_kind kind;
    void (*read)(struct reader *r); /* NULL: the kind is known by the word */
} statements[] = {
    {"BEGIN", SQLSTMT_BEGIN, NULL},
    {"START", SQLSTMT_OTHER, start},
    {"COMMIT", SQLSTMT_COMMIT, NULL},
    {"ROLLBACK", SQLSTMT_ROLLBACK, rollback},
    {"SAVEPOINT", SQLSTMT_SAVEPOINT, NULL},
    {"RELEASE", SQLSTMT_SAVEPOINT, NULL},
    {"XA", SQLSTMT_XA, NULL},
    {"CREATE", SQLSTMT_OTHER, create},
    {"ALTER", SQLSTMT_OTHER, alter},
    {"DROP", SQLSTMT_OTHER, drop},
    {"RENAME", SQLSTMT_OTHER, rename_statement},
    {"TRUNCATE", SQLSTMT_TRUNCATE, truncate},
    {"INSERT", SQLSTMT_DML, NULL},
    {"UPDATE", SQLSTMT_DML, NULL},
    {"DELETE", SQLSTMT_DML, NULL},
    {"REPLACE", SQLSTMT_DML, NULL},
    {"LOAD", SQLSTMT_DML, NULL},
    {"WITH", SQLSTMT_DML, NULL},
    {"GRANT", SQLSTMT_ACCOUNT, NULL},
    {"REVOKE", SQLSTMT_ACCOUNT, NULL},
    {"SET", SQLSTMT_OTHER, set},
};

/* MariaDB: SET STATEMENT variable=value, … FOR statement */
static void skip_set_statement(struct reader *r)
{
    struct sql_cursor ahead = r->c;
    sql_step(&ahead);
    if (!sqltoken_is(&r->c.at, "SET") || !sqltoken_is(&ahead.at, "STATEMENT"))
        return;
    skip_to(r, "FOR");
    sql_take(&r->c, "FOR");
}

void sqlstmt_classify(const char *sql, size_t n, unsigned lex, struct sqlstmt *out)
{
    out->kind = SQLSTMT_OTHER;
    out->temporary = out->if_absent = out->more_tables = false;
    out->n_tables =
        0; /* the tables themselves are large: clearing them all costs more than the reading */
    struct reader r = {.out = out};
    sql_begin(&r.c, sql, n, lex);
    while (sql_at_punct(&r.c, '(') || sql_at_punct(&r.c, ';'))
        sql_step(&r.c);
    skip_set_statement(&r);
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        if (!sql_take(&r.c, statements[i].word))
            continue;
        out->kind = statements[i].kind;
        if (statements[i].read)
            statements[i].read(&r);
        return;
    }
}
