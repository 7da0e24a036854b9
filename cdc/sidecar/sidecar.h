/* cdc/sidecar/sidecar.h — the tables of database _sluice on the servers: names, DDL, creation.
 *
 *   on every server that is a target
 *   epoch      (workflow, stream) → epoch
 *              Locked FOR SHARE (MariaDB: LOCK IN SHARE MODE) as the first statement of every
 *              transaction that we write, compared, kept until commit. Bumped, and committed, by a
 *              new owner before it reads positions and progress.
 *   position   (workflow, stream) → n, pos, u_pos, phase, …
 *              Updated as the first *write* of every applied transaction (UPDATE … SET n = n + 1,
 *              …: one row matched): its table map marks the transaction with its origin (the workflow
 *              column) before any row of the user's.
 *   progress   (workflow, stream, tab, range_no) → lower, upper, last, done, rows
 *              One row a copy range.
 *   left_out   (id) → workflow, stream, tab, row_key, reason
 *              Rows that a copy left out for a duplicate key and that replay has not brought yet
 *              (vrepl/move/left_out.h).
 *   target_table (workflow, db, tab) → incarnation
 *              Which storage the rows of a target's table were written to (cdc/sidecar/incarnation.h).
 *
 *   on the first target shard by name of a workflow
 *   workflow   (keyspace, name) → type, definition, state, decision, fence to undo, lease
 *              The truth.
 *
 *   on every server that is a source
 *   watermark  (name) → n
 *              Committed to prove visibility, and to mark the final position of a switch.
 *   journal    (id) → val
 *              One document a decided switch (cdc/sidecar/journal.h).
 *
 * A workflow column holds "<keyspace>/<workflow>", a stream column
 * "<source keyspace>/<source shard>><target shard>".
 */
#ifndef SLUICE_CDC_SIDECAR_SIDECAR_H
#define SLUICE_CDC_SIDECAR_SIDECAR_H

#include "mysql/conn.h"

/* The table of workflows, made by sidecar_create with the others (its reader and writer:
 * vrepl/workflow/workflow_row.c). */
#define SIDECAR_WORKFLOW_DDL                                                                       \
    "CREATE TABLE IF NOT EXISTS _sluice.workflow ("                                                \
    "keyspace VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, "                    \
    "name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, "                        \
    "installation VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, "                \
    "type VARCHAR(32) NOT NULL, definition LONGTEXT CHARACTER SET utf8mb4 NOT NULL, "              \
    "state VARCHAR(32) NOT NULL, message VARCHAR(1024) CHARACTER SET utf8mb4 NOT NULL DEFAULT "    \
    "'', "                                                                                         \
    "decision LONGTEXT CHARACTER SET utf8mb4 NULL, fence TEXT CHARACTER SET utf8mb4 NULL, "        \
    "todo TEXT CHARACTER SET utf8mb4 NULL, "                                                       \
    "lease_owner VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '', "     \
    "lease_until DATETIME(3) NULL, epoch BIGINT UNSIGNED NOT NULL DEFAULT 0, "                     \
    "created DATETIME(3) NOT NULL, updated DATETIME(3) NOT NULL, "                                 \
    "PRIMARY KEY (keyspace, name)) ENGINE=InnoDB"

/* Creates whatever is missing (idempotent; statements commented with the workflow where it
 * matters). */
bool sidecar_create(struct my_conn *c, struct err *e) WARN_UNUSED;
/* Removes every row of one workflow key from epoch, position, progress, left_out and
 * target_table. */
bool sidecar_forget(struct my_conn *c, const char *workflow_key, struct err *e) WARN_UNUSED;
/* The same, but for the epochs: an older owner stays shut out. */
bool sidecar_forget_progress(struct my_conn *c, const char *workflow_key,
                             struct err *e) WARN_UNUSED;
/* Inside a transaction, for a new copy of some tables. Forgets what all streams have of one target
 * table. */
bool sidecar_forget_table(struct my_conn *c, const char *workflow_key, const char *db,
                          const char *table, struct err *e) WARN_UNUSED;
/* `last` of the one range of a table whose rows were kept (vrepl/move/progress.h). */
#define PROGRESS_KEPT "kept"
/* In streams that have passed U the rows of this table stay (PROGRESS_KEPT); in others its copy
 * goes on as it was. Before sidecar_copy_again. */
bool sidecar_keep_table(struct my_conn *c, const char *workflow_key, const char *table,
                        struct err *e) WARN_UNUSED;
/* All streams are in the phase of rounds; their positions stand. */
bool sidecar_copy_again(struct my_conn *c, const char *workflow_key, struct err *e) WARN_UNUSED;

#endif
