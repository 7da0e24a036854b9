/* schemas/ddl_session.h — the settings under which a DDL is repeated on another server. */
#ifndef SLUICE_SCHEMAS_DDL_SESSION_H
#define SLUICE_SCHEMAS_DDL_SESSION_H

#include "base/err.h"
#include "schemas/ddl_touch.h"

/* Appends a SET statement that gives one of our sessions, which are all alike (mysql/session.c),
 * each setting of the session that wrote the DDL that can change what its text means or makes.
 * ERR_WF_STATE: the log does not tell such a setting, or the target has none that is the same; *e
 * names it, and the cure. Pure. */
bool ddl_session_sql(const struct ddl_text *ddl, bool to_mariadb, struct buf *out,
                     struct err *e) WARN_UNUSED;

#endif
