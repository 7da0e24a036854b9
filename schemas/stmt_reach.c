/* schemas/stmt_reach.c — what a statement names and calls, read without a grammar.
 *
 * Why this is enough: a statement changes a table that it does not name only through a trigger, a
 * view, a foreign key or a stored function. The first three are the server's to tell about the
 * names found here; a function's call is a name before a parenthesis (or a sequence's NEXT VALUE),
 * and every such name that is not a builtin function or a word of the language makes the statement
 * unknown. Tables stand behind FROM, JOIN, INTO, UPDATE, TABLE, USING and the commas of those
 * lists. A name taken for a table that is none (an alias, a CTE, a column) does not resolve on the
 * server, which proves nothing: the error is on the safe side.
 */
#include "schemas/stmt_reach.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MAX_DEPTH = 64 };

struct scan {
    struct sqltoken_scanner scanner;
    const char *sql;
    struct sqltoken at;
    struct sqltoken before; /* the last token that was passed */
    bool before_qualified;  /* … stands behind a dot */
    bool before_table;      /* … ended a table's name */
    bool expect;            /* a table's name comes next */
    bool all_written;       /* UPDATE, DELETE: each named table may be changed */
    bool is_delete;
    size_t depth;
    bool list[MAX_DEPTH];    /* commas separate tables */
    bool no_from[MAX_DEPTH]; /* inside a function with FROM in its syntax */
    struct stmt_reach *out;
};

static bool in_list(const struct sqltoken *t, const char *const *words)
{
    for (; t->kind == SQLTOKEN_WORD && *words; words++) {
        if (strcasecmp(t->text, *words) == 0)
            return true;
    }
    return false;
}

static void unknown(struct scan *s, const char *what, const char *name)
{
    if (s->out->kind == REACH_UNKNOWN)
        return;
    s->out->kind = REACH_UNKNOWN;
    snprintf(s->out->why, sizeof s->out->why, "%s%s", what, name);
}

static bool is_punct(const struct scan *s, const struct sqltoken *t, char c)
{
    return t->kind == SQLTOKEN_PUNCT && s->sql[t->start] == c;
}

static void step(struct scan *s)
{
    s->before_qualified = is_punct(s, &s->before, '.');
    s->before_table = false;
    s->before = s->at;
    sqltoken_next(&s->scanner, &s->at);
}

/* ---- calls ---- */

/* Words of the language that may stand before a parenthesis. */
static const char *const before_parenthesis[] = {
    "VALUES",  "VALUE",  "IN",      "AND",       "OR",       "NOT",       "XOR",      "ON",
    "AS",      "WHERE",  "SET",     "SELECT",    "FROM",     "JOIN",      "HAVING",   "BY",
    "UNION",   "ALL",    "ANY",     "SOME",      "EXISTS",   "WHEN",      "THEN",     "ELSE",
    "CASE",    "LIKE",   "BETWEEN", "USING",     "INDEX",    "KEY",       "OVER",     "INTO",
    "LIMIT",   "EXCEPT", "ROW",     "INTERSECT", "INTERVAL", "PARTITION", "DISTINCT", "RETURNING",
    "COLUMNS", "FIELDS", NULL};

/* Builtin functions that change nothing. A stored function of such a name is only called by
 * database.name( or, for some, with a space before the parenthesis. */
static const char *const builtins[] = {
    "ABS", "ADDDATE", "ADDTIME", "ASCII", "AVG", "BIN", "BIT_AND", "BIT_COUNT", "BIT_OR", "BIT_XOR",
    "CAST", "CEIL", "CEILING", "CHAR", "CHAR_LENGTH", "CHARACTER_LENGTH", "COALESCE", "CONCAT",
    "CONCAT_WS", "CONNECTION_ID", "CONV", "CONVERT", "CONVERT_TZ", "COUNT", "CRC32", "CURDATE",
    "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_USER", "CURTIME", "DATABASE",
    "DATE", "DATE_ADD", "DATE_FORMAT", "DATE_SUB", "DATEDIFF", "DAY", "DAYOFMONTH", "DAYOFWEEK",
    "DAYOFYEAR", "DENSE_RANK", "ELT", "EXTRACT", "FIELD", "FIND_IN_SET", "FLOOR", "FORMAT",
    "FROM_BASE64", "FROM_DAYS", "FROM_UNIXTIME", "GREATEST", "GROUP_CONCAT", "HEX", "HOUR", "IF",
    "IFNULL", "INET_ATON", "INET_NTOA", "INSTR", "ISNULL", "JSON_ARRAY", "JSON_EXTRACT",
    "JSON_OBJECT", "JSON_UNQUOTE", "LAST_DAY", "LAST_INSERT_ID", "LCASE", "LEAST", "LEFT", "LENGTH",
    "LOCALTIME", "LOCALTIMESTAMP", "LOCATE", "LOG", "LOWER", "LPAD", "LTRIM", "MAX", "MD5",
    "MICROSECOND", "MID", "MIN", "MINUTE", "MOD", "MONTH", "NOW", "NULLIF", "OCTET_LENGTH",
    "POSITION", "POW", "POWER", "QUARTER", "QUOTE", "RAND", "RANK", "REPEAT", "REPLACE", "REVERSE",
    "RIGHT", "ROUND", "ROW_NUMBER", "RPAD", "RTRIM", "SCHEMA", "SECOND", "SHA", "SHA1", "SHA2",
    "SIGN", "SPACE", "STD", "STDDEV", "STR_TO_DATE", "SUBDATE", "SUBSTR", "SUBSTRING",
    "SUBSTRING_INDEX", "SUBTIME", "SUM", "SYSDATE", "TIME", "TIME_TO_SEC", "TIMEDIFF", "TIMESTAMP",
    "TIMESTAMPADD", "TIMESTAMPDIFF", "TO_BASE64", "TO_DAYS", "TO_SECONDS", "TRIM", "TRUNCATE",
    "UCASE", "UNHEX", "UNIX_TIMESTAMP", "UPPER", "USER", "UTC_DATE", "UTC_TIME", "UTC_TIMESTAMP",
    "UUID", "UUID_SHORT", "UUID_TO_BIN", "VERSION", "WEEK", "WEEKDAY", "YEAR", "YEARWEEK",
    /* lengths of types, in CAST */
    "BINARY", "DECIMAL", "SIGNED", "UNSIGNED", NULL};

/* At a parenthesis: whether what stands before it is called, and may be a stored function. */
static void look_at_call(struct scan *s)
{
    const struct sqltoken *name = &s->before;
    bool names = name->kind == SQLTOKEN_WORD || name->kind == SQLTOKEN_IDENT;
    if (!names || s->before_table)
        return;
    if (!s->before_qualified && in_list(name, before_parenthesis))
        return;
    bool touches = name->end == s->at.start;
    if (s->before_qualified || !touches || !in_list(name, builtins))
        unknown(s, "it may call a stored function: ", name->text);
}

static void open_parenthesis(struct scan *s)
{
    static const char *const with_from[] = {"TRIM", "EXTRACT",  "SUBSTRING", "SUBSTR",
                                            "MID",  "POSITION", NULL};
    look_at_call(s);
    if (s->depth + 1 >= MAX_DEPTH) {
        unknown(s, "it is nested too deeply", "");
        return;
    }
    s->depth++;
    s->list[s->depth] = s->expect;
    s->no_from[s->depth] = in_list(&s->before, with_from);
}

/* ---- tables ---- */

static bool is_name(const struct sqltoken *t)
{
    return t->kind == SQLTOKEN_WORD || t->kind == SQLTOKEN_IDENT;
}

static void add_table(struct scan *s, const struct sqlstmt_table *name)
{
    struct stmt_reach *out = s->out;
    if (out->n_tables == sizeof out->tables / sizeof *out->tables) {
        unknown(s, "it names too many tables", "");
        return;
    }
    out->tables[out->n_tables].written = s->all_written || out->n_tables == 0;
    out->tables[out->n_tables++].name = *name;
}

/* [db.]name at the cursor; the cursor is behind it then. */
static void take_table(struct scan *s)
{
    struct sqlstmt_table table = {.db = ""};
    memcpy(table.name, s->at.text, sizeof table.name);
    step(s);
    if (is_punct(s, &s->at, '.')) {
        step(s);
        memcpy(table.db, table.name, sizeof table.db);
        memcpy(table.name, s->at.text, sizeof table.name);
        if (!is_name(&s->at))
            unknown(s, "its table is not understood", "");
        step(s);
    }
    bool target = s->out->n_tables == 0 && !s->all_written;
    if (!target && is_punct(s, &s->at, '('))
        unknown(s, "it reads a function as a table: ", table.name);
    add_table(s, &table);
    s->before_table = true;
    s->expect = false;
}

/* A table has to come. True: the token was used. */
static bool expected(struct scan *s)
{
    static const char *const modifiers[] = {"LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "IGNORE",
                                            "QUICK",        "INTO",          "FROM",    "TABLE",
                                            "IF",           "NOT",           "EXISTS",  NULL};
    static const char *const queries[] = {"SELECT", "VALUES", "DUAL", NULL};
    if (in_list(&s->at, modifiers)) {
        step(s);
        return true;
    }
    if (in_list(&s->at, queries)) {
        s->expect = false;
        return false;
    }
    if (is_name(&s->at)) {
        take_table(s);
        return true;
    }
    if (!is_punct(s, &s->at, '(')) {
        unknown(s, "its tables are not understood", "");
        s->expect = false;
    }
    return false;
}

static void look_at_word(struct scan *s)
{
    static const char *const ends[] = {"SET",       "WHERE",  "GROUP", "ORDER", "HAVING",
                                       "LIMIT",     "SELECT", "UNION", "VALUE", "VALUES",
                                       "RETURNING", "WINDOW", NULL};
    static const char *const begins[] = {"JOIN", "STRAIGHT_JOIN", "INTO", "TABLE", NULL};
    static const char *const not_update[] = {"KEY", "FOR", "ON", NULL};
    static const char *const strange[] = {"WITH",    "CALL",   "NEXT",      "NEXTVAL", "PREVIOUS",
                                          "LASTVAL", "SETVAL", "PROCEDURE", NULL};
    bool lists = (sqltoken_is(&s->at, "FROM") && !s->no_from[s->depth]) ||
                 (sqltoken_is(&s->at, "UPDATE") && !in_list(&s->before, not_update)) ||
                 (sqltoken_is(&s->at, "USING") && s->is_delete);
    if (in_list(&s->at, strange))
        unknown(s, "its effect is not known: ", s->at.text);
    if (lists || in_list(&s->at, begins))
        s->expect = true;
    if (lists)
        s->list[s->depth] = true;
    if (in_list(&s->at, ends))
        s->list[s->depth] = false;
    bool join_columns = sqltoken_is(&s->at, "USING");
    step(s);
    if (join_columns && is_punct(s, &s->at, '('))
        s->expect = false;
}

static void read_tables(struct scan *s)
{
    while (s->at.kind != SQLTOKEN_END && s->out->kind != REACH_UNKNOWN) {
        if (s->expect && expected(s))
            continue;
        if (is_punct(s, &s->at, '('))
            open_parenthesis(s);
        else if (is_punct(s, &s->at, ')') && s->depth > 0)
            s->depth--;
        else if (is_punct(s, &s->at, ','))
            s->expect = s->list[s->depth];
        else if (s->at.kind == SQLTOKEN_WORD && !is_punct(s, &s->before, '.')) {
            look_at_word(s);
            continue;
        }
        step(s);
    }
    if (s->expect || s->out->n_tables == 0)
        unknown(s, "it names no table", "");
}

/* ---- kinds of statements ---- */

/* SET changes variables only, but its values may be calls and queries. */
static bool sets_plainly(struct scan s)
{
    while (s.at.kind != SQLTOKEN_END && !is_punct(&s, &s.at, '(') && !sqltoken_is(&s.at, "FOR"))
        step(&s);
    return s.at.kind == SQLTOKEN_END;
}

/* ANALYZE before a statement, on MariaDB, runs it. */
static bool changes_nothing(const struct scan *s)
{
    static const char *const harmless[] = {"FLUSH",    "OPTIMIZE", "REPAIR",  "CHECK",
                                           "CHECKSUM", "CACHE",    "INSTALL", "UNINSTALL",
                                           "GRANT",    "REVOKE",   NULL};
    static const char *const of_tables[] = {"TABLE", "TABLES", "LOCAL", "NO_WRITE_TO_BINLOG", NULL};
    struct scan ahead = *s;
    if (s->at.kind == SQLTOKEN_END || in_list(&s->at, harmless))
        return true;
    step(&ahead);
    if (sqltoken_is(&s->at, "ANALYZE"))
        return in_list(&ahead.at, of_tables);
    return sqltoken_is(&s->at, "SET") && sets_plainly(*s);
}

static void skip_set_statement(struct scan *s)
{
    struct scan ahead = *s;
    step(&ahead);
    if (!sqltoken_is(&s->at, "SET") || !sqltoken_is(&ahead.at, "STATEMENT"))
        return;
    while (s->at.kind != SQLTOKEN_END && !sqltoken_is(&s->at, "FOR"))
        step(s);
    step(s);
}

static void read_statement(struct scan *s)
{
    static const char *const one_target[] = {"INSERT", "REPLACE", "LOAD", "CREATE", NULL};
    static const char *const many[] = {"UPDATE", "DELETE", NULL};
    s->all_written = in_list(&s->at, many);
    s->is_delete = sqltoken_is(&s->at, "DELETE");
    if (!s->all_written && !in_list(&s->at, one_target)) {
        unknown(s, "it may change any table: ", s->at.text);
        return;
    }
    if (sqltoken_is(&s->at, "INSERT") || sqltoken_is(&s->at, "REPLACE")) {
        step(s);
        s->expect = true;
    }
    read_tables(s);
}

/* Where a backslash may be half of a character, strings may end elsewhere. */
static bool strings_are_certain(const char *sql, size_t n)
{
    bool high = false;
    for (size_t i = 0; i < n; i++)
        high = high || (unsigned char)sql[i] >= 0x80;
    return !memchr(sql, '\\', n) || !high;
}

static void begin(struct scan *s, const char *sql, size_t n, unsigned lex)
{
    memset(s, 0, sizeof *s);
    s->sql = sql;
    s->before.kind = SQLTOKEN_END;
    sqltoken_init(&s->scanner, sql, n, lex);
    sqltoken_next(&s->scanner, &s->at);
}

void stmt_reach_read(const char *sql, size_t n, unsigned lex, struct stmt_reach *out)
{
    struct scan s;
    out->kind = REACH_NAMED;
    out->n_tables = 0;
    out->why[0] = 0;
    begin(&s, sql, n, lex);
    s.out = out;
    if (changes_nothing(&s)) {
        out->kind = REACH_NOTHING;
        return;
    }
    skip_set_statement(&s);
    if (!strings_are_certain(sql, n))
        unknown(&s, "its strings may end elsewhere than they seem to", "");
    else
        read_statement(&s);
}

bool stmt_reach_fills(const char *sql, size_t n, unsigned lex)
{
    struct scan s;
    unsigned tables = 0;
    begin(&s, sql, n, lex);
    for (; s.at.kind != SQLTOKEN_END; step(&s)) {
        bool partition = sqltoken_is(&s.at, "LESS") || sqltoken_is(&s.at, "IN");
        if (sqltoken_is(&s.before, "VALUES") && !partition)
            return true;
        tables += sqltoken_is(&s.at, "TABLE");
        if (sqltoken_is(&s.at, "SELECT") || tables > 1)
            return true;
    }
    return sqltoken_is(&s.before, "VALUES");
}
