/* schemas/ddl_effect.c — what a DDL does to the rows of its tables, and its text for another table.
 *
 * Decided by what a statement can do, so the lists here are of what is known to be harmless: a
 * clause, an attribute or a statement that is not in them changes rows. A new column is harmless
 * only when the value that the rows get is written there (or is NULL, or the type's zero): every
 * server gives the same one. ▶ Without this rule partitions that were dropped, tables that were
 * exchanged and values that an ALTER converted stayed at the target as they had been.
 */
#include "schemas/ddl_effect.h"

#include "base/mem.h"
#include "schemas/charset.h"

#include <stdlib.h>
#include <string.h>

struct reader {
    struct sqltoken_scanner scanner;
    struct sqltoken at; /* not yet consumed */
    size_t clauses;
    size_t name_start, name_end; /* the altered table's name in the text */
    bool name_found;
};

/* Options of a table, "NAME [=] value", that say how its rows are stored and not which they are. */
static const char *const storage_options[] = {"COMMENT",
                                              "AUTO_INCREMENT",
                                              "ROW_FORMAT",
                                              "STATS_PERSISTENT",
                                              "AVG_ROW_LENGTH",
                                              "KEY_BLOCK_SIZE",
                                              "STATS_AUTO_RECALC",
                                              "STATS_SAMPLE_PAGES",
                                              "ALGORITHM",
                                              "LOCK",
                                              "MAX_ROWS",
                                              "MIN_ROWS",
                                              "CHARSET",
                                              "COLLATE",
                                              NULL};
static const char *const index_words[] = {"INDEX", "KEY", "UNIQUE", "FULLTEXT", "SPATIAL", NULL};
static const char *const index_names[] = {"INDEX", "KEY", NULL};
/* TIMESTAMP is apart: it may get the current time, and its texts depend on the session's zone.
 * REAL depends on the sql_mode. */
static const char *const column_types[] = {
    "BOOL",     "BOOLEAN", "BIT",        "TINYINT",  "SMALLINT", "MEDIUMINT", "INT",
    "INTEGER",  "BIGINT",  "DECIMAL",    "NUMERIC",  "FLOAT",    "DOUBLE",    "CHAR",
    "VARCHAR",  "BINARY",  "VARBINARY",  "TINYBLOB", "BLOB",     "LONGBLOB",  "MEDIUMBLOB",
    "TINYTEXT", "TEXT",    "MEDIUMTEXT", "LONGTEXT", "DATE",     "TIME",      "DATETIME",
    "YEAR",     "ENUM",    "SET",        "JSON",     NULL};
static const char *const column_flags[] = {"UNSIGNED", "SIGNED",    "ZEROFILL", "NULL",
                                           "VISIBLE",  "INVISIBLE", "FIRST",    NULL};

static void step(struct reader *r)
{
    sqltoken_next(&r->scanner, &r->at);
}

static bool take(struct reader *r, const char *word)
{
    bool found = sqltoken_is(&r->at, word);
    if (found)
        step(r);
    return found;
}

static bool take_any(struct reader *r, const char *const *words)
{
    for (; *words; words++)
        if (take(r, *words))
            return true;
    return false;
}

static bool at_punct(const struct reader *r, char c)
{
    return r->at.kind == SQLTOKEN_PUNCT && r->at.text[0] == c;
}

static bool take_punct(struct reader *r, char c)
{
    bool found = at_punct(r, c);
    if (found)
        step(r);
    return found;
}

static bool take_kind(struct reader *r, enum sqltoken_kind kind)
{
    bool found = r->at.kind == kind;
    if (found)
        step(r);
    return found;
}

static bool take_name(struct reader *r)
{
    return take_kind(r, SQLTOKEN_IDENT) || take_kind(r, SQLTOKEN_WORD);
}

static bool at_end(const struct reader *r)
{
    return r->at.kind == SQLTOKEN_END || at_punct(r, ';');
}

/* To the clause's comma, or the end; false: brackets do not match. */
static bool skip_clause(struct reader *r)
{
    size_t depth = 0;
    for (; !at_end(r) && !(depth == 0 && at_punct(r, ',')); step(r)) {
        if (at_punct(r, '('))
            depth++;
        if (at_punct(r, ')') && depth-- == 0)
            return false;
    }
    return depth == 0;
}

static bool skip_brackets(struct reader *r)
{
    if (!take_punct(r, '('))
        return true;
    while (!at_end(r) && !at_punct(r, ')')) {
        if (at_punct(r, '('))
            return false;
        step(r);
    }
    return take_punct(r, ')');
}

static bool if_exists(struct reader *r)
{
    if (!take(r, "IF"))
        return true;
    take(r, "NOT");
    return take(r, "EXISTS");
}

/* A literal, so that rows get the same value on every server. */
static bool default_value(struct reader *r, bool only_null)
{
    if (take(r, "NULL"))
        return true;
    if (only_null)
        return false;
    if (!take_punct(r, '-'))
        take_punct(r, '+');
    return take_kind(r, SQLTOKEN_NUMBER) || take_kind(r, SQLTOKEN_STRING) || take(r, "TRUE") ||
           take(r, "FALSE");
}

static bool column_attribute(struct reader *r, bool timestamp)
{
    if (take(r, "NOT"))
        return take(r, "NULL") && !timestamp;
    if (take(r, "DEFAULT"))
        return default_value(r, timestamp);
    if (take(r, "COMMENT"))
        return take_kind(r, SQLTOKEN_STRING);
    if (take(r, "CHARACTER"))
        return take(r, "SET") && take_name(r);
    if (take(r, "CHARSET") || take(r, "COLLATE") || take(r, "AFTER"))
        return take_name(r);
    return take_any(r, column_flags);
}

static bool column(struct reader *r)
{
    if (!take_name(r))
        return false;
    bool timestamp = take(r, "TIMESTAMP");
    if ((!timestamp && !take_any(r, column_types)) || !skip_brackets(r))
        return false;
    if (timestamp && !sqltoken_is(&r->at, "NULL")) /* else it may be NOT NULL by a setting */
        return false;
    while (!at_end(r) && !at_punct(r, ','))
        if (!column_attribute(r, timestamp))
            return false;
    return true;
}

/* A foreign key may cascade; a primary key makes its columns NOT NULL. */
static bool constraint(struct reader *r)
{
    if (!sqltoken_is(&r->at, "CHECK") && !sqltoken_is(&r->at, "UNIQUE") && !take_name(r))
        return false;
    return (take(r, "CHECK") || take(r, "UNIQUE")) && skip_clause(r);
}

static bool add_clause(struct reader *r)
{
    if (take(r, "COLUMN"))
        return if_exists(r) && column(r);
    if (take_any(r, index_words) || take(r, "CHECK"))
        return skip_clause(r);
    if (take(r, "CONSTRAINT"))
        return constraint(r);
    if (take(r, "PARTITION")) /* … PARTITIONS n deals the rows out anew */
        return if_exists(r) && at_punct(r, '(') && skip_clause(r);
    return if_exists(r) && column(r);
}

static bool drop_clause(struct reader *r)
{
    if (take(r, "FOREIGN"))
        return take(r, "KEY") && if_exists(r) && take_name(r);
    if (take(r, "CHECK"))
        return take_name(r);
    if (!take_any(r, index_names) || !if_exists(r))
        return false;
    struct sqltoken primary = r->at;
    primary.kind = SQLTOKEN_WORD;
    return !sqltoken_is(&primary, "PRIMARY") && take_name(r);
}

static bool storage_option(struct reader *r)
{
    static const char *const keys[] = {"ENABLE", "DISABLE", NULL};
    if (take(r, "FORCE"))
        return true;
    if (take_any(r, keys))
        return take(r, "KEYS");
    take(r, "DEFAULT");
    bool engine = take(r, "ENGINE"), charset = !engine && take(r, "CHARACTER");
    if (charset ? !take(r, "SET") : !engine && !take_any(r, storage_options))
        return false;
    take_punct(r, '=');
    if (engine) /* others may keep no rows at all */
        return take(r, "INNODB");
    return take_name(r) || take_kind(r, SQLTOKEN_NUMBER) || take_kind(r, SQLTOKEN_STRING);
}

static bool alter_clause(struct reader *r)
{
    if (take(r, "ADD"))
        return add_clause(r);
    if (take(r, "DROP"))
        return drop_clause(r);
    if (take(r, "ALTER")) /* a default, or whether an index is visible */
        return skip_clause(r);
    if (take(r, "RENAME"))
        return take_any(r, index_names) && skip_clause(r);
    return storage_option(r);
}

static bool table_name(struct reader *r)
{
    r->name_start = r->at.start;
    r->name_end = r->at.end;
    if (!take_name(r))
        return false;
    if (take_punct(r, '.')) {
        r->name_end = r->at.end;
        if (!take_name(r))
            return false;
    }
    r->name_found = true;
    return true;
}

static bool skip_wait(struct reader *r)
{
    return take(r, "WAIT") ? take_kind(r, SQLTOKEN_NUMBER) : take(r, "NOWAIT") || true;
}

/* At the cursor: what stands behind ALTER. IGNORE removes rows that a key does not take. */
static bool alter_table(struct reader *r)
{
    static const char *const how[] = {"ONLINE", "OFFLINE", NULL};
    while (take_any(r, how))
        ;
    if (!take(r, "TABLE") || !if_exists(r) || !table_name(r) || !skip_wait(r))
        return false;
    for (r->clauses = 0; !at_end(r); r->clauses++) {
        if (!alter_clause(r))
            return false;
        take_punct(r, ','); /* table options need none */
    }
    return true;
}

/* CREATE or DROP [UNIQUE …] INDEX name … ON table; the primary key is no index here. */
static bool index_statement(struct reader *r, bool drops)
{
    while (take(r, "OR") || take(r, "REPLACE") || take(r, "ONLINE") || take(r, "OFFLINE") ||
           take(r, "UNIQUE") || take(r, "FULLTEXT") || take(r, "SPATIAL"))
        ;
    if (!take(r, "INDEX") || !if_exists(r))
        return false;
    struct sqltoken name = r->at;
    name.kind = SQLTOKEN_WORD;
    if ((drops && sqltoken_is(&name, "PRIMARY")) || !take_name(r))
        return false;
    while (!at_end(r) && !sqltoken_is(&r->at, "ON"))
        step(r);
    r->clauses = 1;
    return take(r, "ON") && table_name(r);
}

static bool keeps_rows(struct reader *r, const char *sql, size_t n, bool ansi_quotes)
{
    *r = (struct reader){.clauses = 0};
    sqltoken_init(&r->scanner, sql, n, ansi_quotes);
    step(r);
    if (take(r, "ALTER"))
        return alter_table(r);
    if (take(r, "DROP"))
        return index_statement(r, true);
    if (!take(r, "CREATE"))
        return false;
    struct reader before = *r;
    if (take(r, "TABLE")) /* of a table that is there: does nothing */
        return take(r, "IF");
    *r = before;
    return index_statement(r, false);
}

static bool same_name(const char *a_db, const char *a, const char *b_db, const char *b)
{
    struct buf x CLEANUP(buf_fini) = BUF_INIT, y CLEANUP(buf_fini) = BUF_INIT;
    ddl_table_key(a_db, a, &x);
    ddl_table_key(b_db, b, &y);
    return !strcmp(buf_str(&x), buf_str(&y));
}

static bool lists(const struct ddl_text *ddl, const struct sqlstmt *s, const char *db,
                  const char *table)
{
    for (size_t i = 0; i < s->n_tables; i++) {
        const char *its_db = s->tables[i].db[0] ? s->tables[i].db : ddl->db ? ddl->db : "";
        if (same_name(its_db, s->tables[i].name, db, table))
            return true;
    }
    return s->more_tables;
}

/* A word of the text is the name (of a statement whose form is not known). */
static bool mentions(const char *sql, size_t n, bool ansi_quotes, const char *name)
{
    struct sqltoken_scanner s;
    struct sqltoken at;
    sqltoken_init(&s, sql, n, ansi_quotes);
    while (sqltoken_next(&s, &at))
        if ((at.kind == SQLTOKEN_WORD || at.kind == SQLTOKEN_IDENT) &&
            same_name("", at.text, "", name))
            return true;
    return false;
}

/* DROP DATABASE db. Making or altering one leaves its tables' rows. */
static bool drops_database(const char *sql, size_t n, bool ansi_quotes, const char *db)
{
    struct sqltoken_scanner s;
    struct sqltoken at;
    sqltoken_init(&s, sql, n, ansi_quotes);
    return sqltoken_next(&s, &at) && sqltoken_is(&at, "DROP") && mentions(sql, n, ansi_quotes, db);
}

/* Statements of other kinds that are known to leave all rows. */
static bool other_keeps_rows(const char *sql, size_t n, bool ansi_quotes)
{
    static const char *const first[] = {"ANALYZE", "OPTIMIZE",  "CHECK", "FLUSH",    "SET",
                                        "INSTALL", "UNINSTALL", "USE",   "CHECKSUM", NULL};
    struct reader r = {.clauses = 0};
    sqltoken_init(&r.scanner, sql, n, ansi_quotes);
    step(&r);
    if (take_any(&r, first))
        return true;
    if (!take(&r, "CREATE") && !take(&r, "ALTER") && !take(&r, "DROP"))
        return false;
    for (; !at_end(&r); step(&r)) { /* views, servers, tablespaces: no table has its rows there */
        if (sqltoken_is(&r.at, "VIEW") || sqltoken_is(&r.at, "SERVER") ||
            sqltoken_is(&r.at, "RESOURCE"))
            return true;
        if (sqltoken_is(&r.at, "TABLE") || sqltoken_is(&r.at, "AS"))
            return false;
    }
    return false;
}

static bool concerns(const struct ddl_text *ddl, const struct sqlstmt *s, const char *db,
                     const char *table)
{
    switch (s->kind) {
    case SQLSTMT_CREATE_TABLE:
    case SQLSTMT_ALTER_TABLE:
    case SQLSTMT_DROP_TABLE:
    case SQLSTMT_RENAME_TABLE:
    case SQLSTMT_TRUNCATE:
    case SQLSTMT_CREATE_INDEX:
    case SQLSTMT_DROP_INDEX:
        return !s->temporary && lists(ddl, s, db, table);
    case SQLSTMT_DATABASE:
        return drops_database(ddl->sql, ddl->n, ddl->ansi_quotes, db);
    case SQLSTMT_OTHER:
        return !other_keeps_rows(ddl->sql, ddl->n, ddl->ansi_quotes) &&
               mentions(ddl->sql, ddl->n, ddl->ansi_quotes, table);
    case SQLSTMT_BEGIN:
    case SQLSTMT_COMMIT:
    case SQLSTMT_ROLLBACK:
    case SQLSTMT_SAVEPOINT:
    case SQLSTMT_XA:
    case SQLSTMT_DML:
    case SQLSTMT_TRIGGER_OR_ROUTINE:
    case SQLSTMT_ACCOUNT:
        return false;
    }
    return true;
}

/* The text in UTF-8; what cannot be converted is read as it is: its names are folded anyhow. */
static struct ddl_text in_utf8(const struct ddl_text *ddl, struct buf *text)
{
    struct ddl_text out = *ddl;
    if (ddl->collation && !charset_is_utf8_compatible(ddl->collation) &&
        charset_to_utf8(ddl->collation, ddl->sql, ddl->n, text)) {
        out.sql = buf_str(text);
        out.n = text->len;
    }
    return out;
}

enum ddl_concern ddl_concern(const struct ddl_text *ddl, const char *db, const char *table)
{
    struct buf text CLEANUP(buf_fini) = BUF_INIT;
    struct ddl_text t = in_utf8(ddl, &text);
    struct sqlstmt *s = mem_alloc(sizeof *s);
    struct reader r;
    sqlstmt_classify(t.sql, t.n, t.ansi_quotes, s);
    bool concerned = concerns(&t, s, db, table);
    free(s);
    if (!concerned)
        return DDL_UNRELATED;
    /* Where a backslash is no escape, strings end elsewhere than the tokenizer believes. */
    bool readable = !t.no_backslash_escapes || !memchr(t.sql, '\\', t.n);
    return readable && keeps_rows(&r, t.sql, t.n, t.ansi_quotes) ? DDL_KEEPS : DDL_CHANGES;
}

/* No word of it means another thing in another session, or is a second table's name. */
static bool means_one_thing(const struct ddl_text *t, const struct reader *r)
{
    struct sqltoken_scanner s;
    struct sqltoken at;
    if (t->ansi_quotes || memchr(t->sql, '\\', t->n) || memmem(t->sql, t->n, "/*", 2))
        return false;
    sqltoken_init(&s, t->sql, t->n, false);
    while (sqltoken_next(&s, &at))
        if (at.kind == SQLTOKEN_PUNCT && at.text[0] == '.' &&
            (at.start < r->name_start || at.start >= r->name_end))
            return false;
    return true;
}

bool ddl_for_table(const struct ddl_text *ddl, const char *db, const char *table, struct buf *out)
{
    struct buf text CLEANUP(buf_fini) = BUF_INIT;
    struct ddl_text t = in_utf8(ddl, &text);
    struct reader r;
    bool other_charset = t.collation && !charset_is_utf8_compatible(t.collation) && !text.len;
    if (other_charset || !keeps_rows(&r, t.sql, t.n, t.ansi_quotes) || !r.name_found ||
        r.clauses != 1 || !means_one_thing(&t, &r))
        return false;
    buf_put(out, t.sql, r.name_start);
    buf_put_ident(out, db);
    buf_put_u8(out, '.');
    buf_put_ident(out, table);
    buf_put(out, t.sql + r.name_end, t.n - r.name_end);
    return true;
}
