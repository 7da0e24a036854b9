/* schemas/stmt_reach.h — which tables a statement in the log can have changed, as far as its text
 * tells.
 *
 * A row-based log has rows, DDL and transaction control. Any other statement in it may have changed
 * rows that nobody sees. Its text alone proves only little: that it is of a kind that changes no
 * row, or that what it changed lies in tables it names (as long as they have no triggers and are no
 * views, which only the server knows). ▶ What is not understood is REACH_UNKNOWN: a wrong answer
 * may only ever be that one.
 */
#ifndef SLUICE_SCHEMAS_STMT_REACH_H
#define SLUICE_SCHEMAS_STMT_REACH_H

#include "schemas/sqltoken.h"

enum stmt_reach_kind {
    REACH_NOTHING, /* changes no row of any table */
    REACH_NAMED,   /* changes tables listed as written, reads only the listed ones, and calls no
                      stored function, if all of them are tables without triggers */
    REACH_UNKNOWN  /* why says what in the text may change anything */
};
struct stmt_reach_table {
    struct sqlstmt_table name;
    bool written;
};
struct stmt_reach {
    enum stmt_reach_kind kind;
    char why[300];
    struct stmt_reach_table tables[16];
    size_t n_tables;
};

/* lex: SQLTOKEN_…, of the session that wrote it. */
void stmt_reach_read(const char *sql, size_t n, unsigned lex, struct stmt_reach *out);
/* Whether CREATE TABLE fills the table from a query: in a row-based log it never does, the rows
 * follow it. */
bool stmt_reach_fills(const char *sql, size_t n, unsigned lex);

#endif
