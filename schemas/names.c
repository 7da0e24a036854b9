/* schemas/names.c — names of tables and databases, compared as the server compares them.
 *
 * The server folds with its own tables of letters. Only ASCII is folded here, so a row's table,
 * which is compared with schema_name_is, is never another one; a name that differs beyond ASCII is
 * not found and refused where it is given.
 */
#include "schemas/names.h"

#include "base/buf.h"
#include "base/text.h"
#include "schemas/ddl_touch.h"

#include <stdlib.h>
#include <string.h>

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool schema_name_is(bool folds, const char *given, const char *stored)
{
    if (!folds)
        return strcmp(given, stored) == 0;
    for (; *given && lower(*given) == lower(*stored); given++)
        stored++;
    return *given == *stored;
}

bool schema_name_may_be(bool folds, const char *db, const char *table, const char *stored_db,
                        const char *stored)
{
    if (!folds)
        return strcmp(db, stored_db) == 0 && strcmp(table, stored) == 0;
    struct buf a CLEANUP(buf_fini) = BUF_INIT, b CLEANUP(buf_fini) = BUF_INIT;
    ddl_table_key(db, table, &a);
    ddl_table_key(stored_db, stored, &b);
    return strcmp(buf_str(&a), buf_str(&b)) == 0;
}

const char *schema_name_find(bool folds, char *const *stored, size_t n, const char *given)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(stored[i], given) == 0)
            return stored[i];
    for (size_t i = 0; i < n; i++)
        if (schema_name_is(folds, given, stored[i]))
            return stored[i];
    return NULL;
}

const char *schema_name_nearest(char *const *stored, size_t n, const char *given)
{
    const char *nearest = NULL;
    size_t least = strlen(given) / 2 + 1;
    for (size_t i = 0; i < n; i++) {
        size_t d = text_distance(given, stored[i]);
        if (d >= least)
            continue;
        least = d;
        nearest = stored[i];
    }
    return nearest;
}

bool schema_name_unknown(char *const *stored, size_t n, const char *db, const char *given,
                         struct err *e)
{
    const char *nearest = schema_name_nearest(stored, n, given);
    err_set(e, ERR_WF_PRECONDITION, "there is no table %s in database %s", given, db);
    if (nearest)
        return err_cure(e, "is it %s that is meant?", nearest);
    return err_cure(e, "name tables as SHOW TABLES prints them");
}

bool schema_names_exclude(char **names, size_t *n, bool folds, const char *db, char *const *without,
                          size_t n_without, struct err *e)
{
    for (size_t i = 0; i < n_without; i++) {
        if (!schema_name_find(folds, names, *n, without[i]))
            return schema_name_unknown(names, *n, db, without[i], e);
    }
    for (size_t i = 0; i < n_without; i++) {
        const char *stored = schema_name_find(folds, names, *n, without[i]);
        size_t at = 0;
        while (stored && names[at] != stored)
            at++;
        if (!stored) /* it was named twice */
            continue;
        free(names[at]);
        memmove(names + at, names + at + 1, (--*n - at) * sizeof *names);
    }
    return true;
}
