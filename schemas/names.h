/* schemas/names.h — names of tables and databases, compared as the server compares them.
 *
 * A server with lower_case_table_names=1 stores and logs every name in lower case, but a statement
 * in its log names tables as somebody wrote them. Pure. Thread: any.
 */
#ifndef SLUICE_SCHEMAS_NAMES_H
#define SLUICE_SCHEMAS_NAMES_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether `given`, which somebody wrote, is the stored name. folds: the server's
 * lower_case_table_names is not 0. Letters beyond ASCII are compared as bytes: never a wrong table.
 */
bool schema_name_is(bool folds, const char *given, const char *stored);
/* Whether a statement that names db.table may mean the stored one; where the server folds, letters
 * beyond ASCII are all alike: never too few. */
bool schema_name_may_be(bool folds, const char *db, const char *table, const char *stored_db,
                        const char *stored);
/* The stored name that is meant: the same bytes, else, where the server folds, the same letters.
 * NULL: none. */
const char *schema_name_find(bool folds, char *const *stored, size_t n, const char *given);
/* The one with the fewest letters to change; NULL if none is near. */
const char *schema_name_nearest(char *const *stored, size_t n, const char *given);
/* ERR_WF_PRECONDITION that says where there is no such table, with the nearest name as the cure.
 * False. */
bool schema_name_unknown(char *const *stored, size_t n, const char *db, const char *given,
                         struct err *e);
/* Takes the tables that somebody named out of names (as schema_names_free frees them) and keeps
 * their order. A name that means none is an error (schema_name_unknown): what was to be left out
 * would be taken along. */
bool schema_names_exclude(char **names, size_t *n, bool folds, const char *db, char *const *without,
                          size_t n_without, struct err *e);

#endif
