/* schemas/inspect_log.h — definitions as the server's log has them: with the columns that SQL does
 * not show, and of sequences too. */
#ifndef SLUICE_SCHEMAS_INSPECT_LOG_H
#define SLUICE_SCHEMAS_INSPECT_LOG_H

#include "mysql/conn.h"
#include "schemas/table.h"

struct schema_list {
    struct schema_table **tables;
    size_t n, cap;
};
void schema_list_fini(struct schema_list *l);
/* Appends the table (none: there is no such base table or sequence), or with NULL all tables of db
 * that can be understood. What only copies need (keys, engine, text) is left out; the primary key
 * is that of schema_table_identity. Nothing is locked meanwhile. */
bool schema_inspect_logged(struct my_conn *c, const char *db, const char *table,
                           struct schema_list *out, struct err *e) WARN_UNUSED;

#endif
