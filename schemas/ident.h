/* schemas/ident.h — names of what stands in no file (savepoints), compared as the server compares
 * them.
 *
 * Unlike names of tables and databases (schemas/names.h) they are compared by a collation of the
 * system's character set, whatever the settings. Pure. Thread: any.
 */
#ifndef SLUICE_SCHEMAS_IDENT_H
#define SLUICE_SCHEMAS_IDENT_H

#include <stdbool.h>

enum ident_collation {
    IDENT_GENERAL_CI,       /* utf8mb3_general_ci: MySQL, MariaDB before 11.5; no accents */
    IDENT_GENERAL1400_AS_CI /* utf8mb3_general1400_as_ci: MariaDB since 11.5; with accents */
};
/* a and b are UTF-8. */
bool ident_same(enum ident_collation collation, const char *a, const char *b);

#endif
