/* schemas/inspect_internal.h — what the files of schemas/inspect*.c share. Not for others. */
#ifndef SLUICE_SCHEMAS_INSPECT_INTERNAL_H
#define SLUICE_SCHEMAS_INSPECT_INTERNAL_H

#include "schemas/inspect.h"

enum { INSPECT_COLUMN_CELLS = 14, INSPECT_MAX_COLUMNS = 8192 };

bool inspect_is_mariadb(struct my_conn *c);
uint64_t inspect_u64(const struct my_cell *cell); /* 0: no number */
/* "db_column = 'db' [AND table_column = 'table']"; table may be NULL. */
void inspect_put_condition(struct buf *sql, const char *db_column, const char *db,
                           const char *table_column, const char *table);
/* SELECT … FROM … WHERE, whose rows are cells for inspect_fill_column; the last is the table. */
const char *inspect_columns_query(const struct my_server *server);
bool inspect_fill_column(const struct my_cell *cells, bool mariadb, struct schema_column *out,
                         struct err *e) WARN_UNUSED;
/* A check of MariaDB: its name and its clause. */
void inspect_mark_json_text(struct schema_table *t, const char *name, const char *clause);
bool inspect_read_keys(struct my_conn *c, struct schema_table *t, struct err *e) WARN_UNUSED;

#endif
