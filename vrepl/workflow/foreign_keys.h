/* vrepl/workflow/foreign_keys.h — whether the foreign keys of one shard let its tables be moved,
 * and back.
 *
 * A cascade is not in the log (MariaDB, MySQL before 9.6). A key that leaves the set would let a
 * parent outside change children past the fence. A key within the set whose rows are placed apart
 * has no way back: its child may arrive before its parent.
 */
#ifndef SLUICE_VREPL_WORKFLOW_FOREIGN_KEYS_H
#define SLUICE_VREPL_WORKFLOW_FOREIGN_KEYS_H

#include "mysql/conn.h"
#include "vrepl/workflow/definition.h"

/* names: what the definition's tables are called there now, in its order. */
bool foreign_keys_check(const struct wf_def *d, const char *const *names, struct my_conn *c,
                        const struct topo_shard *s, struct err *e) WARN_UNUSED;

/* Do child and parent rows that pairs of columns join always have the same keyspace id? Pure.
 * pairs: child's and parent's column in turn, n_pairs of them. */
bool foreign_key_stays_together(const struct wf_table *child, const struct wf_table *parent,
                                const char *const *pairs, size_t n_pairs);

#endif
