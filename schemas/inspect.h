/* schemas/inspect.h — reading table definitions from a live server (information_schema, SHOW
 * CREATE). */
#ifndef SLUICE_SCHEMAS_INSPECT_H
#define SLUICE_SCHEMAS_INSPECT_H

#include "mysql/conn.h"
#include "schemas/keys_fit.h"
#include "schemas/sqltoken.h"
#include "schemas/table.h"

/* ERR_SCHEMA_UNKNOWN if there is no such base table. New reference. */
struct schema_table *schema_inspect(struct my_conn *c, const char *db, const char *table,
                                    struct err *e) WARN_UNUSED;
/* Names of all base tables of db, sorted, for schema_names_free; without `_sluice…`. */
bool schema_list_tables(struct my_conn *c, const char *db, char ***names, size_t *n,
                        struct err *e) WARN_UNUSED;
/* Takes out of names the tables of a schema change that is proven to run (gh-ost's change log
 * beside its ghost, pt-online-schema-change's triggers) and appends them to left, ", " between. */
bool schema_leave_ghosts(struct my_conn *c, const char *db, char **names, size_t *n,
                         struct buf *left, struct err *e) WARN_UNUSED;
/* Each of wanted names a table of db as the server compares names; else ERR_USAGE with the nearest
 * name. */
bool schema_tables_exist(struct my_conn *c, const char *db, const char *const *wanted, size_t n,
                         struct err *e) WARN_UNUSED;
void schema_names_free(char **names, size_t n);
/* Triggers on the table except our own (`_sluice…`): for preconditions. Appends a text list, nothing
 * if there are none. */
bool schema_triggers(struct my_conn *c, const char *db, const char *table, struct buf *out,
                     struct err *e) WARN_UNUSED;
/* Why a source column's values might not fit the target's column; true if they all fit. reason: ≤
 * 200 bytes. */
bool schema_column_fits(const struct schema_column *source, const struct schema_column *target,
                        char *reason, size_t reason_len);
/* The same of what no server tells, not even in strict mode: fraction digits, scale, precision,
 * trailing spaces. A value out of an integer's range, a missing label, a NULL are errors of their
 * own, with the row; so a stream back into narrower columns may begin. */
bool schema_column_guarded(const struct schema_column *source, const struct schema_column *target,
                           char *reason, size_t reason_len);

/* Editing SHOW CREATE TABLE texts (no DDL grammar; the tokenizer's brackets and quotes only). */
struct schema_create_edit {
    const char *new_name; /* NULL keeps */
    bool drop_foreign_keys;
    bool drop_auto_increment; /* the column attribute and the table option */
    bool drop_secondary_keys; /* not unique, full-text or spatial ones; collected in *dropped */
    const struct schema_collation_map *collations; /* written instead of those that they map */
    const char *row_format;                        /* written if the text names none; NULL: not */
};
bool schema_create_edit(const char *create_sql, const struct schema_create_edit *edit,
                        struct buf *out,
                        struct buf *dropped /* "ADD KEY …, ADD KEY …" or empty; may be NULL */,
                        struct err *e) WARN_UNUSED;
/* The next word that names a collation in such a text (behind COLLATE). */
bool schema_create_next_collation(struct sqltoken_scanner *s, struct sqltoken *t);
/* Runs a DDL made of SHOW CREATE text, whose literals are UTF-8: in our sessions (SET NAMES binary)
 * the server would take them as bytes of the column's character set, or as binary strings. The
 * session is as before afterwards, also after an error. */
bool schema_exec_ddl(struct my_conn *c, const char *sql, struct err *e) WARN_UNUSED;

#endif
