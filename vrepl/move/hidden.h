/* vrepl/move/hidden.h — what a DDL, or a row, does to a table under the name by which a fence hides
 * it. */
#ifndef SLUICE_VREPL_MOVE_HIDDEN_H
#define SLUICE_VREPL_MOVE_HIDDEN_H

#include "mysql/conn.h"
#include "schemas/ddl_effect.h"

/* ddl_concern of db.table, whatever it is called at the time. Pure. Thread: any. */
enum ddl_concern hidden_concern(const struct ddl_text *ddl, const char *db, const char *table);
/* Whether any table of db has a name as a fence gives it: only then hidden_is_alone can fail. */
bool hidden_any(struct my_conn *source, const char *db, bool *any, struct err *e) WARN_UNUSED;
/* The log may be read on: only one table of the source has the table's name or one by which a fence
 * hides it. ERR_WF_STATE with a cure: there are more. */
bool hidden_is_alone(struct my_conn *source, const char *db, const char *table,
                     struct err *e) WARN_UNUSED;

#endif
