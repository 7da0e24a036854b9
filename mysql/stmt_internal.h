/* mysql/stmt_internal.h — a prepared statement as stmt.c and pipeline.c share it; nobody else
 * includes it. */
#ifndef SLUICE_MYSQL_STMT_INTERNAL_H
#define SLUICE_MYSQL_STMT_INTERNAL_H

#include "mysql/internal.h"

struct my_stmt {
    struct my_conn *c;
    MYSQL_STMT *h;
    uint16_t *types; /* per parameter: the type last sent, so that a NULL does not change it */
    struct my_column *columns;
    int8_t *fixed; /* per column: bytes of a fixed-width value, stmt_wire's codes for others */
    unsigned n_columns;
    bool open;
    bool rows_atomic; /* the server runs a bulk request of it as one statement (INSERT, REPLACE) */
};

bool my_stmt_fail(struct my_stmt *s, struct err *e); /* e from the connection's last error */
/* One execution's request into c->request; ERR_LIMIT beyond max_allowed_packet. */
bool my_stmt_encode(struct my_stmt *s, const struct my_value *params, struct err *e) WARN_UNUSED;
/* The types of a column come from its first value that is not NULL. */
void my_stmt_note_types(struct my_stmt *s, const struct my_value *values, size_t rows);
/* A bulk request of the rows from `from` on that fit; *taken is their number, never 0. */
bool my_stmt_encode_rows(struct my_stmt *s, const struct my_value *values, size_t from, size_t rows,
                         size_t *taken, struct err *e) WARN_UNUSED;
/* Gives back what one huge request made the buffer grow to. */
void my_stmt_trim_request(struct buf *b);
void my_stmt_note_columns(struct my_stmt *s); /* of the result that has just begun */

#endif
