/* vrepl/move/left_out.h — rows that a copy left out, until replay has brought them
 * (cdc/sidecar/left_out_row.h).
 *
 * A chunk's row whose key is taken at the target is left out, because replay brings it: that is
 * proven (vrepl/move/copy.c) where the unique keys and collations of both sides are the same.
 * Create and the checks of every pair of definitions see to that, and this list is the proof's
 * check at run time: the row's identity key is put on it in the chunk's transaction, a later DELETE
 * or REPLACE of that very key strikes it off in the applier's, and the high watermark is not passed while one
 * stands.
 *
 * Keys are compared by their bytes. A row whose very key stands at the target already is not put on
 * the list: replay of an earlier round brought it, with all changes up to the low watermark.
 *
 * The image in memory only says when the server has to be asked; it may hold keys that were never
 * committed or are struck off already. Thread: copiers add under the lock while appliers stand
 * still; the applier reads.
 */
#ifndef SLUICE_VREPL_MOVE_LEFT_OUT_H
#define SLUICE_VREPL_MOVE_LEFT_OUT_H

#include "vrepl/move/plan.h"
#include "vrepl/move/target_tx.h"

#include <pthread.h>

struct left_out { /* the list of one target */
    pthread_mutex_t lock;
    struct map *ids;
};
void left_out_init(struct left_out *l);
void left_out_fini(struct left_out *l);
/* Reads the stream's rows; nobody else may use l. */
bool left_out_load(struct left_out *l, struct my_conn *c, const struct target_tx_key *key,
                   struct err *e) WARN_UNUSED;

/* Inside a chunk's transaction, after `duplicate` (1062) kept row out: puts its key on the list,
 * unless that very key is there. */
bool left_out_add(struct left_out *l, struct my_conn *c, const struct target_tx_key *key,
                  const struct vrepl_plan *p, const struct cdc_row *row,
                  const struct err *duplicate, struct err *e) WARN_UNUSED;
/* Whether the row's key may stand on the list. */
bool left_out_holds(const struct left_out *l, const struct target_tx_key *key,
                    const struct vrepl_plan *p, const struct cdc_row *row);
/* Inside the applier's transaction; no answer may be pending on c. */
bool left_out_strike(struct my_conn *c, const struct target_tx_key *key, const struct vrepl_plan *p,
                     const struct cdc_row *row, struct err *e) WARN_UNUSED;
/* Inside the transaction that passes the high watermark: ERR_COPY_LEFT_OUT names a row that still stands. */
bool left_out_check(struct my_conn *c, const struct target_tx_key *key, struct err *e) WARN_UNUSED;
/* The statement that asks whether a row of this very key is there; its parameters are the key's
 * values, those of text columns twice. (For left_out_add, and its tests.) */
void left_out_statement(const struct vrepl_plan *p, struct buf *out);

#endif
