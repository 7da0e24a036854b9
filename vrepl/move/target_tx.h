/* vrepl/move/target_tx.h — transactions on a target: fenced by the epoch, marked and made
 * idempotent by the position row.
 *
 * Every transaction begins with a shared lock on the stream's epoch row and its comparison; the
 * lock stays until commit, so that a new owner's bump waits for it and every later one of ours
 * fails with ERR_WF_FENCED. The position row's counter n is compared when it is written: a
 * transaction of ours whose COMMIT was lost on the way and landed after all makes the repetition
 * miss (TARGET_TX_MOVED) instead of applying twice. Thread: the connection's.
 *
 * An older owner may be suspended, or cut off, between the lock and its commit. The server ends its
 * session after TARGET_SILENCE_S, so that a take-over waits that long and not for ever; so these
 * transactions run on connections of target_connect only.
 */
#ifndef SLUICE_VREPL_MOVE_TARGET_TX_H
#define SLUICE_VREPL_MOVE_TARGET_TX_H

#include "mysql/conn.h"
#include "vrepl/move/copy_rule.h"

struct target_row { /* _sluice.position */
    bool found;
    uint64_t n;
    enum copy_phase phase;
    bool frozen; /* nothing after pos will ever be applied */
    struct position pos, high_pos;
};
void target_row_fini(struct target_row *r);

struct target_tx_key {
    const char *workflow, *stream; /* borrowed, longer-lived */
    uint64_t epoch;
};

/* Shorter than the servers' innodb_lock_wait_timeout of 50 s, within which a take-over waits. */
#define TARGET_SILENCE_S 30
#define TARGET_AWAKE_MS  10000 /* a connection that is kept says my_ping at least so often */
/* my_connect, with my_limit_silence of TARGET_SILENCE_S. */
struct my_conn *target_connect(const struct my_params *p, const char *role,
                               struct err *e) WARN_UNUSED;

struct target_tx;
struct target_tx *target_tx_new(struct my_conn *c, const struct target_tx_key *key);
void target_tx_free(struct target_tx *t); /* before its connection is closed */

/* Makes `epoch` the stream's, waiting for transactions of an older owner that are under way. A
 * newer epoch there: ERR_WF_FENCED. Committed on return; only then may position and progress be
 * read. */
bool target_tx_take_over(struct target_tx *t, struct err *e) WARN_UNUSED;

bool target_tx_begin(struct target_tx *t, struct err *e) WARN_UNUSED;
bool target_tx_commit(struct target_tx *t, struct err *e) WARN_UNUSED;
/* Errors are of no interest: a connection that cannot roll back is dead, and the server does it. */
void target_tx_rollback(struct target_tx *t);

/* Under the lock, so that a transaction of ours that is still in flight is waited for. Own
 * transaction. */
bool target_tx_read(struct target_tx *t, struct target_row *out, struct err *e) WARN_UNUSED;
/* Inside a transaction: the row is made (n 0), all columns. */
bool target_tx_create_row(struct target_tx *t, const struct target_row *row,
                          struct err *e) WARN_UNUSED;

enum target_tx_result { TARGET_TX_OK, TARGET_TX_MOVED, TARGET_TX_FAIL };
/* First write of a transaction: n → n+1 and, when the end is known, pos and phase. pos NULL: the
 * marker alone; target_tx_finish then writes them as the last statement. */
enum target_tx_result target_tx_mark(struct target_tx *t, uint64_t n, const struct position *pos,
                                     enum copy_phase phase, struct err *e) WARN_UNUSED;
/* target_tx_begin and target_tx_mark in one round trip, where the connection is pipelined (which
 * has autocommit off, so that there is no BEGIN). */
enum target_tx_result target_tx_open(struct target_tx *t, uint64_t n, const struct position *pos,
                                     enum copy_phase phase, struct err *e) WARN_UNUSED;
bool target_tx_finish(struct target_tx *t, const struct position *pos, enum copy_phase phase,
                      struct err *e) WARN_UNUSED;
/* Inside a marked transaction. */
bool target_tx_set_high(struct target_tx *t, const struct position *high,
                        struct err *e) WARN_UNUSED;
bool target_tx_set_frozen(struct target_tx *t, struct err *e) WARN_UNUSED;

#endif
