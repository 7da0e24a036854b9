/* schemas/ddl_effect.h — what a DDL does to the rows of its tables, and its text for another table.
 */
#ifndef SLUICE_SCHEMAS_DDL_EFFECT_H
#define SLUICE_SCHEMAS_DDL_EFFECT_H

#include "schemas/ddl_touch.h"

enum ddl_concern {
    DDL_UNRELATED, /* names the table nowhere where it could be changed */
    DDL_KEEPS,     /* known to leave every row, and every value of a column, as it is */
    DDL_CHANGES    /* anything else: rows or values may differ without a row event */
};
/* What ddl may do to db.table. Names are compared folded (ddl_table_key): never too few. Pure.
 * Thread: any. */
enum ddl_concern ddl_concern(const struct ddl_text *ddl, const char *db, const char *table);
/* An ALTER TABLE or CREATE INDEX of which it is known that it leaves the table's columns (the
 * hidden ones of a UNIQUE key too) and its primary key as they are, whatever it does to rows. False
 * for all others. Pure. */
bool ddl_keeps_columns(const char *sql, size_t n, unsigned lex);
/* RENAME TABLE, or ALTER TABLE name RENAME name and nothing else. Pure. */
bool ddl_only_renames(const struct ddl_text *ddl);
/* Appends the statement with db.table in place of the one table that it names. False:
 * it is not of a form (DDL_KEEPS, one clause, one table) for which that is known to be the same
 * change in a session that is as the one that wrote it (schemas/ddl_session.h). */
bool ddl_for_table(const struct ddl_text *ddl, const char *db, const char *table, struct buf *out);

#endif
