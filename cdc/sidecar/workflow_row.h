/* cdc/sidecar/workflow_row.h — one row of _sluice.workflow: read, lease, and the guarded change
 * of state.
 *
 * The only statements that touch the table. A write names owner and epoch in its WHERE, a change of
 * state also the state that it leaves: it matches one row or it did not happen.
 * Thread: that of the connection.
 */
#ifndef SLUICE_CDC_SIDECAR_WORKFLOW_ROW_H
#define SLUICE_CDC_SIDECAR_WORKFLOW_ROW_H

#include "cdc/sidecar/sidecar_table.h"
#include "cdc/sidecar/workflow_column.h"

extern const struct sidecar_table workflow_row_table;

struct wf_row {
    char *keyspace, *name, *installation, *type, *definition, *message;
    enum wf_state state;
    char *decision; /* JSON or NULL: the last decided switch (also long after it was finished) */
    char *fence;    /* JSON or NULL: sides that a fence may stand on */
    char *todo;     /* JSON or NULL: flags of a complete or cancel that is under way, journal of a
                       planned switch */
    char *owner;
    bool lease_live; /* the lease has not run out, by the server's clock */
    uint64_t epoch;
};
void wf_row_fini(struct wf_row *r);
void wf_rows_free(struct wf_row *rows, size_t n);

struct wf_row_key {
    const char *keyspace, *name, *owner;
    uint64_t epoch;
};
/* Columns that a change of state also writes; NULL leaves the column, "" sets it to NULL (message:
 * to ""). */
struct wf_row_set {
    const char *definition, *decision, *fence, *todo, *message;
};

/* *found false also when the table does not exist. out is zeroed first. */
bool wf_row_read(struct my_conn *c, const char *keyspace, const char *name, struct wf_row *out,
                 bool *found, struct err *e) WARN_UNUSED;
/* All rows of an installation on this server. */
bool wf_row_list(struct my_conn *c, const char *installation, struct wf_row **rows, size_t *n,
                 struct err *e) WARN_UNUSED;
/* A new row in state CREATING, with the lease, epoch 1. ERR_DB_DUPLICATE when there is one. */
bool wf_row_insert(struct my_conn *c, const struct wf_row_key *k, const char *installation,
                   const char *type, const char *definition, int64_t lease_ms,
                   struct err *e) WARN_UNUSED;
/* Takes the lease: at once from nobody, from an expired owner, or from `heir_of` (a prefix: an
 * older process of our own, which cannot be alive because we hold its state directory); the epoch
 * grows by one. Renewing by the owner itself keeps the epoch. ERR_WF_LEASE names the owner
 * otherwise. */
bool wf_row_acquire(struct my_conn *c, const char *keyspace, const char *name, const char *owner,
                    const char *heir_of, int64_t lease_ms, uint64_t *epoch,
                    struct err *e) WARN_UNUSED;
/* ERR_WF_LEASE when owner or epoch are no longer ours (class FATAL); connection errors otherwise.
 */
bool wf_row_renew(struct my_conn *c, const struct wf_row_key *k, int64_t lease_ms,
                  struct err *e) WARN_UNUSED;
/* Gives the lease up: the next owner need not wait. */
bool wf_row_release(struct my_conn *c, const struct wf_row_key *k, struct err *e) WARN_UNUSED;
/* The guarded change of state, from → to. ERR_WF_LEASE or ERR_WF_STATE when it did not match. */
bool wf_row_move(struct my_conn *c, const struct wf_row_key *k, enum wf_state from,
                 enum wf_state to, const struct wf_row_set *set, struct err *e) WARN_UNUSED;
bool wf_row_delete(struct my_conn *c, const struct wf_row_key *k, enum wf_state from,
                   struct err *e) WARN_UNUSED;

#endif
