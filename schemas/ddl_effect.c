/* schemas/ddl_effect.c — what a DDL does to the rows of its tables, and its text for another table.
 *
 * Decided by what a statement can do, so the lists here are of what is known to be harmless: a
 * clause, an attribute or a statement that is not in them changes rows, and columns. A new column
 * is harmless to rows only when the value that they get is written there (or is NULL, or the type's
 * zero): every server gives the same one. ▶ Without this rule partitions that were dropped, tables
 * that were exchanged and values that an ALTER converted stayed at the target as they had been.
 *
 * Which clauses leave the columns, and the primary key, is a question of its own: dropping a
 * partition does, adding a column does not. A UNIQUE key counts as a column, because MariaDB makes
 * a hidden one for a key over long texts (schemas/inspect_log.c).
 */
#include "schemas/ddl_effect.h"

#include "base/mem.h"
#include "schemas/charset.h"
#include "schemas/sqlcursor.h"

#include <stdlib.h>
#include <string.h>

struct reader {
    struct sql_cursor c;
    size_t clauses;
    size_t name_start, name_end; /* the altered table's name in the text */
    bool name_found;
    bool changes_rows, changes_columns; /* of what was understood */
    bool maintains;                     /* as ANALYZE TABLE does: changes nothing at all */
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

static bool take_name(struct reader *r)
{
    return sql_take_kind(&r->c, SQLTOKEN_IDENT) || sql_take_kind(&r->c, SQLTOKEN_WORD);
}

static bool at_end(const struct reader *r)
{
    return r->c.at.kind == SQLTOKEN_END || sql_at_punct(&r->c, ';');
}

/* To the clause's comma, or the end; false: brackets do not match. */
static bool skip_clause(struct reader *r)
{
    size_t depth = 0;
    for (; !at_end(r) && !(depth == 0 && sql_at_punct(&r->c, ',')); sql_step(&r->c)) {
        if (sql_at_punct(&r->c, '('))
            depth++;
        if (sql_at_punct(&r->c, ')') && depth-- == 0)
            return false;
    }
    return depth == 0;
}

static bool skip_brackets(struct reader *r)
{
    if (!sql_take_punct(&r->c, '('))
        return true;
    while (!at_end(r) && !sql_at_punct(&r->c, ')')) {
        if (sql_at_punct(&r->c, '('))
            return false;
        sql_step(&r->c);
    }
    return sql_take_punct(&r->c, ')');
}

static bool if_exists(struct reader *r)
{
    if (!sql_take(&r->c, "IF"))
        return true;
    sql_take(&r->c, "NOT");
    return sql_take(&r->c, "EXISTS");
}

/* A literal, so that rows get the same value on every server. */
static bool default_value(struct reader *r, bool only_null)
{
    if (sql_take(&r->c, "NULL"))
        return true;
    if (only_null)
        return false;
    if (!sql_take_punct(&r->c, '-'))
        sql_take_punct(&r->c, '+');
    return sql_take_kind(&r->c, SQLTOKEN_NUMBER) || sql_take_kind(&r->c, SQLTOKEN_STRING) ||
           sql_take(&r->c, "TRUE") || sql_take(&r->c, "FALSE");
}

static bool column_attribute(struct reader *r, bool timestamp)
{
    if (sql_take(&r->c, "NOT"))
        return sql_take(&r->c, "NULL") && !timestamp;
    if (sql_take(&r->c, "DEFAULT"))
        return default_value(r, timestamp);
    if (sql_take(&r->c, "COMMENT"))
        return sql_take_kind(&r->c, SQLTOKEN_STRING);
    if (sql_take(&r->c, "CHARACTER"))
        return sql_take(&r->c, "SET") && take_name(r);
    if (sql_take(&r->c, "CHARSET") || sql_take(&r->c, "COLLATE") || sql_take(&r->c, "AFTER"))
        return take_name(r);
    return sql_take_any(&r->c, column_flags);
}

static bool column(struct reader *r)
{
    if (!take_name(r))
        return false;
    bool timestamp = sql_take(&r->c, "TIMESTAMP");
    if ((!timestamp && !sql_take_any(&r->c, column_types)) || !skip_brackets(r))
        return false;
    if (timestamp && !sqltoken_is(&r->c.at, "NULL")) /* else it may be NOT NULL by a setting */
        return false;
    while (!at_end(r) && !sql_at_punct(&r->c, ','))
        if (!column_attribute(r, timestamp))
            return false;
    return true;
}

/* A foreign key may cascade; a primary key makes its columns NOT NULL. */
static bool constraint(struct reader *r)
{
    static const char *const kinds[] = {"CHECK", "UNIQUE", "FOREIGN", NULL};
    struct sqltoken kind = r->c.at;
    if (!sql_take_any(&r->c, kinds)) {
        if (!take_name(r))
            return false;
        kind = r->c.at;
        if (!sql_take_any(&r->c, kinds))
            return false;
    }
    r->changes_columns = r->changes_columns || sqltoken_is(&kind, "UNIQUE");
    r->changes_rows = r->changes_rows || sqltoken_is(&kind, "FOREIGN");
    return skip_clause(r);
}

static bool add_column(struct reader *r)
{
    r->changes_columns = true;
    return if_exists(r) && column(r);
}

/* To the statement's end: no other clause may follow. */
static bool partitions(struct reader *r, bool keeps_rows)
{
    r->changes_rows = r->changes_rows || !keeps_rows;
    while (skip_clause(r))
        if (!sql_take_punct(&r->c, ','))
            return true;
    return false;
}

static bool add_clause(struct reader *r)
{
    if (sql_take(&r->c, "COLUMN"))
        return add_column(r);
    if (sqltoken_is(&r->c.at, "UNIQUE"))
        r->changes_columns = true;
    if (sql_take_any(&r->c, index_words) || sql_take(&r->c, "CHECK"))
        return skip_clause(r);
    if (sql_take(&r->c, "CONSTRAINT") || sqltoken_is(&r->c.at, "FOREIGN"))
        return constraint(r);
    if (sql_take(&r->c, "PARTITION")) /* … PARTITIONS n deals the rows out anew */
        return if_exists(r) && partitions(r, sql_at_punct(&r->c, '('));
    return add_column(r);
}

static bool drop_clause(struct reader *r)
{
    if (sql_take(&r->c, "PARTITION"))
        return partitions(r, false);
    if (sql_take(&r->c, "FOREIGN"))
        return sql_take(&r->c, "KEY") && if_exists(r) && take_name(r);
    if (sql_take(&r->c, "CHECK"))
        return take_name(r);
    if (!sql_take_any(&r->c, index_names) || !if_exists(r))
        return false;
    r->changes_columns = true; /* it may be a unique one */
    struct sqltoken primary = r->c.at;
    primary.kind = SQLTOKEN_WORD;
    return !sqltoken_is(&primary, "PRIMARY") && take_name(r);
}

static bool storage_option(struct reader *r)
{
    static const char *const keys[] = {"ENABLE", "DISABLE", NULL};
    if (sql_take(&r->c, "FORCE"))
        return true;
    if (sql_take_any(&r->c, keys))
        return sql_take(&r->c, "KEYS");
    sql_take(&r->c, "DEFAULT");
    bool engine = sql_take(&r->c, "ENGINE"), charset = !engine && sql_take(&r->c, "CHARACTER");
    if (charset ? !sql_take(&r->c, "SET") : !engine && !sql_take_any(&r->c, storage_options))
        return false;
    sql_take_punct(&r->c, '=');
    if (engine) /* others may keep no rows at all */
        return sql_take(&r->c, "INNODB");
    return take_name(r) || sql_take_kind(&r->c, SQLTOKEN_NUMBER) ||
           sql_take_kind(&r->c, SQLTOKEN_STRING);
}

/* What can be done to the partitions that a table has. CONVERT makes or takes a table, and EXCHANGE
 * is the one that gives rows another table's name. The tables that are moved are InnoDB's: there
 * REPAIR at most puts a row into its own partition. */
static bool partition_clause(struct reader *r)
{
    static const char *const maintains[] = {"ANALYZE", "CHECK",  "OPTIMIZE",
                                            "REBUILD", "REPAIR", NULL};
    static const char *const changes[] = {"TRUNCATE", "COALESCE", "REORGANIZE",
                                          "DISCARD",  "IMPORT",   NULL};
    if (sql_take_any(&r->c, maintains)) {
        r->maintains = true;
        return sql_take(&r->c, "PARTITION") && partitions(r, true);
    }
    if (sql_take_any(&r->c, changes))
        return (sql_take(&r->c, "PARTITION") || sql_take(&r->c, "TABLESPACE")) &&
               partitions(r, false);
    if (sql_take(&r->c, "REMOVE"))
        return sql_take(&r->c, "PARTITIONING") && partitions(r, false);
    return sql_take(&r->c, "PARTITION") && sql_take(&r->c, "BY") && partitions(r, false);
}

/* A column's default, or whether it or an index is visible. */
static bool alter_part(struct reader *r)
{
    if (!sql_take_any(&r->c, index_names))
        r->changes_columns = true;
    return skip_clause(r);
}

static bool alter_clause(struct reader *r)
{
    if (sql_take(&r->c, "ADD"))
        return add_clause(r);
    if (sql_take(&r->c, "DROP"))
        return drop_clause(r);
    if (sql_take(&r->c, "ALTER"))
        return alter_part(r);
    if (sql_take(&r->c, "RENAME"))
        return sql_take_any(&r->c, index_names) && skip_clause(r);
    return partition_clause(r) || storage_option(r);
}

static bool table_name(struct reader *r)
{
    r->name_start = r->c.at.start;
    r->name_end = r->c.at.end;
    if (!take_name(r))
        return false;
    if (sql_take_punct(&r->c, '.')) {
        r->name_end = r->c.at.end;
        if (!take_name(r))
            return false;
    }
    r->name_found = true;
    return true;
}

static bool skip_wait(struct reader *r)
{
    if (sql_take(&r->c, "WAIT"))
        return sql_take_kind(&r->c, SQLTOKEN_NUMBER);
    sql_take(&r->c, "NOWAIT");
    return true;
}

/* MariaDB's ALTER SEQUENCE: its columns are always the same, unless it gets another type (AS). */
static bool alter_sequence(struct reader *r)
{
    r->changes_rows = true;
    if (!if_exists(r) || !table_name(r))
        return false;
    while (!at_end(r) && !sqltoken_is(&r->c.at, "AS") && !sqltoken_is(&r->c.at, "RENAME"))
        sql_step(&r->c);
    return at_end(r);
}

/* At the cursor: what stands behind ALTER. IGNORE removes rows that a key does not take. */
static bool alter_table(struct reader *r)
{
    static const char *const how[] = {"ONLINE", "OFFLINE", NULL};
    while (sql_take_any(&r->c, how))
        ;
    if (sql_take(&r->c, "SEQUENCE"))
        return alter_sequence(r);
    if (!sql_take(&r->c, "TABLE") || !if_exists(r) || !table_name(r) || !skip_wait(r))
        return false;
    for (r->clauses = 0; !at_end(r); r->clauses++) {
        if (!alter_clause(r))
            return false;
        sql_take_punct(&r->c, ','); /* table options need none */
    }
    return true;
}

/* CREATE or DROP [UNIQUE …] INDEX name … ON table; the primary key is no index here. */
static bool index_statement(struct reader *r, bool drops)
{
    static const char *const before[] = {"OR",       "REPLACE", "ONLINE", "OFFLINE",
                                         "FULLTEXT", "SPATIAL", NULL};
    r->changes_columns = drops;
    for (bool more = true; more;) {
        bool unique = sql_take(&r->c, "UNIQUE");
        r->changes_columns = r->changes_columns || unique;
        more = unique || sql_take_any(&r->c, before);
    }
    if (!sql_take(&r->c, "INDEX") || !if_exists(r))
        return false;
    struct sqltoken name = r->c.at;
    name.kind = SQLTOKEN_WORD;
    if ((drops && sqltoken_is(&name, "PRIMARY")) || !take_name(r))
        return false;
    while (!at_end(r) && !sqltoken_is(&r->c.at, "ON"))
        sql_step(&r->c);
    r->clauses = 1;
    return sql_take(&r->c, "ON") && table_name(r);
}

/* True: all its clauses are known, and r has what they do. */
static bool understand(struct reader *r, const char *sql, size_t n, unsigned lex)
{
    *r = (struct reader){.clauses = 0};
    sql_begin(&r->c, sql, n, lex);
    if (sql_take(&r->c, "ALTER"))
        return alter_table(r);
    if (sql_take(&r->c, "DROP"))
        return index_statement(r, true);
    if (!sql_take(&r->c, "CREATE"))
        return false;
    struct reader before = *r;
    if (sql_take(&r->c, "TABLE")) /* of a table that is there: does nothing */
        return sql_take(&r->c, "IF");
    *r = before;
    return index_statement(r, false);
}

static bool keeps_rows(struct reader *r, const char *sql, size_t n, unsigned lex)
{
    return understand(r, sql, n, lex) && !r->changes_rows;
}

/* A version comment inside: some servers do not read what is in it. Around it all, or none: they
 * read it. */
static bool is_conditional(const char *sql, size_t n)
{
    for (size_t i = 1; i + 3 < n; i++)
        if (memcmp(sql + i, "/*!", 3) == 0 || memcmp(sql + i, "/*M!", 4) == 0)
            return true;
    return false;
}

bool ddl_keeps_columns(const char *sql, size_t n, unsigned lex)
{
    struct reader r;
    return !is_conditional(sql, n) && understand(&r, sql, n, lex) && r.name_found &&
           !r.changes_columns;
}

static bool same_name(const char *a_db, const char *a, const char *b_db, const char *b)
{
    struct buf x CLEANUP(buf_fini) = BUF_INIT, y CLEANUP(buf_fini) = BUF_INIT;
    ddl_table_key(a_db, a, &x);
    ddl_table_key(b_db, b, &y);
    return !strcmp(buf_str(&x), buf_str(&y));
}

/* A word of the text is the name (of a statement whose form is not known). */
static bool mentions(const char *sql, size_t n, unsigned lex, const char *name)
{
    struct sqltoken_scanner s;
    struct sqltoken at;
    sqltoken_init(&s, sql, n, lex);
    while (sqltoken_next(&s, &at))
        if ((at.kind == SQLTOKEN_WORD || at.kind == SQLTOKEN_IDENT) &&
            same_name("", at.text, "", name))
            return true;
    return false;
}

/* A statement whose tables could not be read may name it anywhere. */
static bool lists(const struct ddl_text *ddl, const struct sqlstmt *s, const char *db,
                  const char *table)
{
    for (size_t i = 0; i < s->n_tables; i++) {
        const char *its_db = s->tables[i].db[0] ? s->tables[i].db : ddl->db ? ddl->db : "";
        if (same_name(its_db, s->tables[i].name, db, table))
            return true;
    }
    return s->more_tables || (s->n_tables == 0 && mentions(ddl->sql, ddl->n, ddl->lex, table));
}

/* DROP DATABASE db. Making or altering one leaves its tables' rows. */
static bool drops_database(const char *sql, size_t n, unsigned lex, const char *db)
{
    struct sqltoken_scanner s;
    struct sqltoken at;
    sqltoken_init(&s, sql, n, lex);
    return sqltoken_next(&s, &at) && sqltoken_is(&at, "DROP") && mentions(sql, n, lex, db);
}

/* Statements of other kinds that are known to leave all rows. */
static bool other_keeps_rows(const char *sql, size_t n, unsigned lex)
{
    static const char *const first[] = {"ANALYZE",   "OPTIMIZE", "CHECK", "FLUSH",
                                        "REPAIR",    "SET",      "USE",   "INSTALL",
                                        "UNINSTALL", "CHECKSUM", NULL};
    struct reader r = {.clauses = 0};
    sql_begin(&r.c, sql, n, lex);
    if (sql_take_any(&r.c, first))
        return true;
    if (!sql_take(&r.c, "CREATE") && !sql_take(&r.c, "ALTER") && !sql_take(&r.c, "DROP"))
        return false;
    for (; !at_end(&r);
         sql_step(&r.c)) { /* views, servers, tablespaces: no table has its rows there */
        if (sqltoken_is(&r.c.at, "VIEW") || sqltoken_is(&r.c.at, "SERVER") ||
            sqltoken_is(&r.c.at, "RESOURCE"))
            return true;
        if (sqltoken_is(&r.c.at, "TABLE") || sqltoken_is(&r.c.at, "AS"))
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
        return drops_database(ddl->sql, ddl->n, ddl->lex, db);
    case SQLSTMT_OTHER:
        return !other_keeps_rows(ddl->sql, ddl->n, ddl->lex) &&
               mentions(ddl->sql, ddl->n, ddl->lex, table);
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

enum ddl_concern ddl_concern(const struct ddl_text *ddl, const char *db, const char *table)
{
    struct sqlstmt *s = mem_alloc(sizeof *s);
    struct reader r;
    sqlstmt_classify(ddl->sql, ddl->n, ddl->lex, s);
    bool concerned = concerns(ddl, s, db, table);
    free(s);
    if (!concerned)
        return DDL_UNRELATED;
    if (!keeps_rows(&r, ddl->sql, ddl->n, ddl->lex))
        return DDL_CHANGES;
    return r.maintains ? DDL_UNRELATED : DDL_KEEPS;
}

bool ddl_only_renames(const struct ddl_text *ddl)
{
    static const char *const to[] = {"TO", "AS", NULL};
    struct reader r = {.clauses = 0};
    sql_begin(&r.c, ddl->sql, ddl->n, ddl->lex);
    if (sql_take(&r.c, "RENAME"))
        return sql_take(&r.c, "TABLE") || sql_take(&r.c, "TABLES");
    if (!sql_take(&r.c, "ALTER") || !sql_take(&r.c, "TABLE") || !if_exists(&r) || !table_name(&r) ||
        !skip_wait(&r) || !sql_take(&r.c, "RENAME"))
        return false;
    if (!sql_take_any(&r.c, to))
        (void)sql_take_punct(&r.c, '=');
    return table_name(&r) && at_end(&r);
}

/* No part of it is read by some servers only, and none is a second table's name. */
static bool means_one_thing(const struct ddl_text *t, const struct reader *r)
{
    struct sqltoken_scanner s;
    struct sqltoken at;
    if (memmem(t->sql, t->n, "/*!", 3) || memmem(t->sql, t->n, "/*M!", 4))
        return false;
    sqltoken_init(&s, t->sql, t->n, t->lex);
    while (sqltoken_next(&s, &at))
        if (at.kind == SQLTOKEN_PUNCT && at.text[0] == '.' &&
            (at.start < r->name_start || at.start >= r->name_end))
            return false;
    return true;
}

static bool is_beyond_ascii(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)p[i] >= 0x80)
            return true;
    return false;
}

/* _binary, _latin1; BINARY, VARBINARY, LONGBLOB, VARBYTE */
static bool takes_bytes(const struct sqltoken *word)
{
    return word->kind == SQLTOKEN_WORD &&
           (word->text[0] == '_' || strcasestr(word->text, "BINARY") ||
            strcasestr(word->text, "BLOB") || strcasestr(word->text, "BYTE"));
}

/* A string becomes the same here as in the session that sent it: it is ASCII, or its characters are
 * known and nothing in the statement is about bytes. */
static bool strings_are_the_same(const struct ddl_text *t)
{
    struct sqltoken_scanner s;
    struct sqltoken at;
    bool beyond = false, bytes = memmem(t->sql, t->n, "\xef\xbf\xbd", 3) != NULL;
    if (t->strings == DDL_STRINGS_AS_SENT)
        return true;
    sqltoken_init(&s, t->sql, t->n, t->lex);
    while (sqltoken_next(&s, &at)) {
        beyond = beyond || (at.kind == SQLTOKEN_STRING &&
                            is_beyond_ascii(t->sql + at.start, at.end - at.start));
        bytes = bytes || takes_bytes(&at);
    }
    return !beyond || (t->strings == DDL_STRINGS_CONVERTED && !bytes);
}

bool ddl_for_table(const struct ddl_text *ddl, const char *db, const char *table, struct buf *out)
{
    struct reader r;
    if (!keeps_rows(&r, ddl->sql, ddl->n, ddl->lex) || !r.name_found || r.clauses != 1 ||
        !means_one_thing(ddl, &r) || !strings_are_the_same(ddl))
        return false;
    buf_put(out, ddl->sql, r.name_start);
    buf_put_table_name(out, db, table);
    buf_put(out, ddl->sql + r.name_end, ddl->n - r.name_end);
    return true;
}
