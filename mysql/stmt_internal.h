/* mysql/stmt_internal.h — a prepared statement as stmt*.c and pipeline.c share it; nobody else
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
    MYSQL_BIND *binds; /* libmysqlclient: the parameters, as it takes them */
    bool open;
    bool rows_atomic; /* the server runs a bulk request of it as one statement (INSERT, REPLACE) */
};

bool my_stmt_fail(struct my_stmt *s, struct err *e); /* e from the connection's last error */
/* Sets e to ERR_LIMIT: that row of a batch (0: the only one) passes max_allowed_packet. */
bool my_stmt_too_long(struct my_stmt *s, size_t row, struct err *e);
/* The types of a column come from its first value that is not NULL. */
void my_stmt_note_types(struct my_stmt *s, const struct my_value *values, size_t rows);
/* A bulk request of the rows from `from` on that fit; *taken is their number, never 0. */
bool my_stmt_encode_rows(struct my_stmt *s, const struct my_value *values, size_t from, size_t rows,
                         size_t *taken, struct err *e) WARN_UNUSED;
/* Gives back what one huge request made the buffer grow to. */
void my_stmt_trim_request(struct buf *b);
void my_stmt_note_columns(struct my_stmt *s); /* of the result that has just begun */

/* The client library's part: stmt_connector.c or stmt_libmysqlclient.c. */
bool my_stmt_execute(struct my_stmt *s, const struct my_value *params, struct err *e) WARN_UNUSED;
/* Only with my_lib_has_raw_packets: one execution's request into c->request, ERR_LIMIT beyond
 * max_allowed_packet; writing what is in c->request; reading the answer to the oldest. */
enum my_request { MY_REQUEST_EXECUTE, MY_REQUEST_BULK };
bool my_stmt_encode(struct my_stmt *s, const struct my_value *params, struct err *e) WARN_UNUSED;
bool my_stmt_write(struct my_stmt *s, enum my_request kind, struct err *e) WARN_UNUSED;
bool my_stmt_answer(struct my_stmt *s, struct err *e) WARN_UNUSED;

#endif
