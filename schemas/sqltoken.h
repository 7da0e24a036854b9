/* schemas/sqltoken.h — SQL tokenizer: words, quoted identifiers, strings, numbers, comments,
 * punctuation. Only to find which tables a DDL touches and to edit SHOW CREATE texts; there is no
 * grammar. */
#ifndef SLUICE_SCHEMAS_SQLTOKEN_H
#define SLUICE_SCHEMAS_SQLTOKEN_H

#include "base/buf.h"

enum sqltoken_kind {
    SQLTOKEN_END,
    SQLTOKEN_WORD,
    SQLTOKEN_IDENT /* `quoted`, text unquoted */,
    SQLTOKEN_STRING,
    SQLTOKEN_NUMBER,
    SQLTOKEN_PUNCT
};
struct sqltoken {
    enum sqltoken_kind kind;
    size_t start, end; /* byte offsets in the text */
    char text[260];    /* words and identifiers, unquoted, truncated */
};
/* How the session that wrote a text cuts it (schemas/sql_mode.h); 0 in all sessions of ours. */
enum sqltoken_lex {
    SQLTOKEN_ANSI_QUOTES = 1,  /* "x" is an identifier */
    SQLTOKEN_NO_BACKSLASH = 2, /* a backslash is a character as any other */
    SQLTOKEN_BRACKETS = 4      /* [x] is an identifier: MariaDB's sql_mode MSSQL */
};
struct sqltoken_scanner {
    const char *sql;
    size_t n, at;
    unsigned lex;
    bool in_version_comment;
};
void sqltoken_init(struct sqltoken_scanner *s, const char *sql, size_t n, unsigned lex);
bool sqltoken_next(
    struct sqltoken_scanner *s,
    struct sqltoken *t); /* false at the end; comments skipped, version comments entered */
bool sqltoken_is(const struct sqltoken *t, const char *word); /* WORD, case-insensitive */
/* Appends the whole value of a STRING token of sql, with its backslash escapes and doubled quotes
 * resolved. */
void sqltoken_string(const char *sql, const struct sqltoken *t, struct buf *out);

enum sqlstmt_kind {
    SQLSTMT_OTHER,
    SQLSTMT_BEGIN,
    SQLSTMT_COMMIT,
    SQLSTMT_ROLLBACK,
    SQLSTMT_SAVEPOINT,
    SQLSTMT_XA,
    SQLSTMT_CREATE_TABLE,
    SQLSTMT_ALTER_TABLE,
    SQLSTMT_DROP_TABLE,
    SQLSTMT_RENAME_TABLE,
    SQLSTMT_TRUNCATE,
    SQLSTMT_CREATE_INDEX,
    SQLSTMT_DROP_INDEX,
    SQLSTMT_DML,
    SQLSTMT_DATABASE,
    SQLSTMT_TRIGGER_OR_ROUTINE,
    SQLSTMT_ACCOUNT
};
struct sqlstmt_table {
    char db[260], name[260]; /* db "" = default database */
};
struct sqlstmt {
    enum sqlstmt_kind kind;
    bool temporary;
    bool if_absent; /* IF NOT EXISTS */
    struct sqlstmt_table tables[64];
    size_t n_tables;
    bool more_tables; /* there were more than fit */
};
/* Never fails: what is not understood is OTHER. ROLLBACK TO is SAVEPOINT; MariaDB's sequences count
 * as tables; ALTER … RENAME, RENAME TABLE, EXCHANGE and CONVERT PARTITION list both tables. */
void sqlstmt_classify(const char *sql, size_t n, unsigned lex, struct sqlstmt *out);

#endif
