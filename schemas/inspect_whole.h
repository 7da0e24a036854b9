/* schemas/inspect_whole.h — what a server's own texts show only in part: labels and defaults. */
#ifndef SLUICE_SCHEMAS_INSPECT_WHOLE_H
#define SLUICE_SCHEMAS_INSPECT_WHOLE_H

#include "mysql/conn.h"
#include "schemas/sqltoken.h"
#include "schemas/table.h"

/* t: columns and create_sql as the server shows them. Labels and defaults that this text does not
 * hold whole are asked for, and put into both. ERR_SCHEMA_UNKNOWN with the column's name and the
 * cure where they cannot be had. Thread: the connection's. */
bool schema_inspect_whole(struct my_conn *c, struct schema_table *t, struct err *e) WARN_UNUSED;

/* A place in a SHOW CREATE TABLE text that utf8mb3 may have narrowed. */
struct create_spot {
    size_t column;     /* the column's number in the table that was given */
    bool labels;       /* between the brackets of ENUM or SET; else the string behind DEFAULT */
    size_t start, end; /* bounds of the word in the text, in bytes */
};
struct create_spots {
    const struct schema_table *t;
    struct sqltoken_scanner s;
    int depth, column;
    bool starts, type_next, in_labels, default_next;
    size_t list_start;
};
/* Walks the spots of t's create_sql. Pure. */
void create_spots_begin(struct create_spots *w, const struct schema_table *t);
bool create_spots_next(struct create_spots *w, struct create_spot *out);

#endif
