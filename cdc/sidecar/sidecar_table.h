/* cdc/sidecar/sidecar_table.h — how a table of database _sluice is described, and what all their
 * statements share.
 *
 * Each table is described once, in the file that has all its statements: the DDL and
 * docs/internals/sidecar.md (by tools/gen_docs) are made from the description.
 */
#ifndef SLUICE_CDC_SIDECAR_SIDECAR_TABLE_H
#define SLUICE_CDC_SIDECAR_SIDECAR_TABLE_H

#include "cdc/sidecar/origin.h"
#include "mysql/conn.h"

#define SIDECAR_TABLE(name) "`" SLUICE_SIDECAR_DB "`.`" name "`"

/* Keys are compared byte by byte: two keyspaces may differ in case only. Positions are texts of any
 * length, because a GTID set grows. */
#define SIDECAR_NAME        "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL"
#define SIDECAR_WORD        "VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL"
#define SIDECAR_TEXT        "LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL"
#define SIDECAR_COUNT       "BIGINT UNSIGNED NOT NULL"

#define SIDECAR_COLUMNS_MAX 16

struct sidecar_column {
    const char *name, *type;
    const char *holds; /* for the reader of the documentation, as are the four texts below */
};
struct sidecar_table {
    const char *name;
    const char *servers; /* which servers have it */
    const char *row;     /* what one row stands for */
    const char *written; /* says by whom, and when */
    const char *removed; /* says by whom, and when */
    struct sidecar_column columns[SIDECAR_COLUMNS_MAX];
    const char *keys;
};

/* Whose rows: the workflow's key "<keyspace>/<workflow>" and the stream's name
 * "<source keyspace>/<source shard>><target shard>". Both are borrowed. */
struct sidecar_key {
    const char *workflow, *stream;
};

/* Appends the CREATE TABLE IF NOT EXISTS statement of a table. */
void sidecar_table_put_create(const struct sidecar_table *t, struct buf *sql);
/* Appends a condition that selects a stream's rows, with WHERE. */
void sidecar_put_where(struct buf *sql, const struct sidecar_key *key);
/* Removes a workflow's rows from a table that has the column `workflow`. */
bool sidecar_table_forget(struct my_conn *c, const struct sidecar_table *t,
                          const char *workflow_key, struct err *e) WARN_UNUSED;
/* The error says that the table, or the whole database, does not exist. */
bool sidecar_is_absent(const struct err *e);

#endif
