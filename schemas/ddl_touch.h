/* schemas/ddl_touch.h — which tables' columns or keys a DDL may have changed; never too few. */
#ifndef SLUICE_SCHEMAS_DDL_TOUCH_H
#define SLUICE_SCHEMAS_DDL_TOUCH_H

#include "schemas/sqltoken.h"

/* What a string beyond ASCII in a statement became on its way to the server's tables. */
enum ddl_strings {
    DDL_STRINGS_AS_SENT,   /* its bytes here are those that the server had */
    DDL_STRINGS_CONVERTED, /* its characters are; its bytes were those of another character set */
    DDL_STRINGS_VARY       /* not even these: the session let it pass through a second one */
};
/* What the log tells of the session that wrote a DDL, as far as it can change what the text means.
 */
struct ddl_session {
    bool known, mariadb;
    uint64_t sql_mode;
    const char *time_zone;  /* NULL: not told, as where nothing depends on it */
    const char *collations; /* ids with commas between that character sets have by default, where
                               that is not the servers' own choice; NULL: it is */
    uint16_t lc_time_names; /* 0: en_US */
};
struct ddl_text {
    const char *db;  /* default database, UTF-8; may be NULL */
    const char *sql; /* UTF-8, whatever the session's character set was; bytes that are not, as a
                        UTF-8 session sent them, may be in its strings */
    size_t n;
    unsigned lex; /* SQLTOKEN_… */
    struct ddl_session session;
    enum ddl_strings strings;
};
struct ddl_touched {
    bool all;                        /* may concern any table */
    struct buf names;                /* "\nkey\nkey\n" */
    struct sqlstmt_table tables[64]; /* as written, db filled in, UTF-8; for asking the server */
    size_t n_tables;
};
/* out is zero. Forms that are not understood set `all`; those that cannot change a column or the
 * primary key (TRUNCATE, ddl_keeps_columns, triggers, views, new databases) touch nothing. CREATE
 * TABLE IF NOT EXISTS is in tables only. Thread: any. */
void ddl_touch(const struct ddl_text *ddl, struct ddl_touched *out);
void ddl_touched_fini(struct ddl_touched *t);
/* "db.table" folded so that all spellings by which a server may know one table are one key: ASCII
 * case, and what stands for letters beyond ASCII in any character set. Different tables may share a
 * key. name "*": all tables of db. */
void ddl_table_key(const char *db, const char *name, struct buf *out);
/* Whether the names have that table, by itself or by its database. */
bool ddl_names_have(const char *names, const char *db, const char *name);

#endif
