/* schemas/sql_mode.h — a session's sql_mode as the log has it: one word of bits, which MySQL and
 * MariaDB do not give the same meaning. */
#ifndef SLUICE_SCHEMAS_SQL_MODE_H
#define SLUICE_SCHEMAS_SQL_MODE_H

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

/* How the session's texts are cut into tokens: SQLTOKEN_… (schemas/sqltoken.h). */
unsigned sql_mode_lex(uint64_t mode, bool mariadb);
/* Appends the names, with commas between, under which a session of the other server reads and runs
 * a DDL as that session did. ERR_WF_STATE with a cure: the other server has no such mode. Pure.
 */
bool sql_mode_names(uint64_t mode, bool from_mariadb, bool to_mariadb, struct buf *out,
                    struct err *e) WARN_UNUSED;

#endif
