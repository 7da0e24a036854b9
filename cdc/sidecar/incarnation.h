/* cdc/sidecar/incarnation.h — whether a target's table is still the one that rows were written to
 * (_sluice.target_table).
 *
 * A table that was emptied (TRUNCATE), or dropped and made again, has the same name and definition
 * and takes every later change: nothing but the rows that are missing tells. So each table is known
 * by what InnoDB calls its present storage (its numbers, one a partition), recorded when a stream
 * first writes to it. Another number is one of three things: it was emptied, made again, or rebuilt
 * by an ALTER or OPTIMIZE, and only the last of them keeps the rows. Which one is not told by the
 * server; a comparison (vdiff) without differences proves it, and records the new number. Until
 * then the switch is refused.
 *
 * An INSTANT ALTER keeps the number. ▶ It exchanges the names of two columns, or drops one and adds
 * another of its name, and no statement of ours fails: so the order of the columns' names is
 * recorded too, and on MySQL how many came and went. MariaDB does not count: there the last column
 * can be dropped and added again unnoticed.
 *
 * Where the account lacks PROCESS, or a name has letters beyond ASCII, the time at which the table
 * was made stands for the numbers: it changes with each ALTER, and not with a TRUNCATE on MySQL.
 */
#ifndef SLUICE_CDC_SIDECAR_INCARNATION_H
#define SLUICE_CDC_SIDECAR_INCARNATION_H

#include "cdc/sidecar/sidecar_table.h"

extern const struct sidecar_table incarnation_table;

/* The name as it stands in InnoDB's names of tables; false for letters beyond ASCII. */
bool incarnation_filename(const char *name, struct buf *out);

/* The present one of a table; "" when there is no such table. */
bool incarnation_read(struct my_conn *c, const char *database, const char *table, struct buf *out,
                      struct err *e) WARN_UNUSED;
/* changed[i]: table i is another than what is recorded of it for the workflow. Tables of which
 * nothing is recorded are recorded. Tables that are not there are not changed. columns: a question
 * more for each table; else only its storage counts. */
bool incarnations_check(struct my_conn *c, const char *workflow_key, const char *database,
                        const char *const *tables, size_t n, bool columns, bool *changed,
                        struct err *e) WARN_UNUSED;
/* What was read before and after a comparison that found no difference becomes what is known; of
 * tables of which anything is recorded. */
bool incarnation_prove(struct my_conn *c, const char *workflow_key, const char *database,
                       const char *table, const char *incarnation, struct err *e) WARN_UNUSED;
/* Before a DDL of our own: what stands there afterwards will be recorded. */
bool incarnation_forget(struct my_conn *c, const char *workflow_key, const char *database,
                        const char *table, struct err *e) WARN_UNUSED;

#endif
