/* vrepl/move/group_form.h — which of the source's transactions form one transaction at the target,
 * and which must not be applied there. Pure.
 *
 * A group is a range of the log that is applied, or passed over, as a whole. Rules:
 *   1. Only transactions whose end is at hand join. Where the first one's is not, the group is
 *      empty, and its caller streams that transaction.
 *   2. A transaction is outside when the target has it already (it lies before the durable
 *      position), when the target is frozen before it, or when the source rolled it back. One that
 *      is outside and one with rows for this target never share a group.
 *   3. A DDL of the stream's tables is alone in its group.
 *   4. A group is full at GROUP_TX_MAX relevant transactions, GROUP_BYTES_MAX of their images or
 *      GROUP_HELD_MAX of the batches that hold them. So it is bounded whatever the queue holds.
 */
#ifndef SLUICE_VREPL_MOVE_GROUP_FORM_H
#define SLUICE_VREPL_MOVE_GROUP_FORM_H

#include "vrepl/move/route.h"

#define GROUP_TX_MAX    200u
#define GROUP_BYTES_MAX ((size_t)1024 * 1024)
#define GROUP_HELD_MAX  ((size_t)4 * 1024 * 1024) /* limit of the batches that a group holds */

/* One source transaction: enough to say whether a position contains it. */
struct group_tx {
    struct gtid gtid;
    char file[POSITION_FILE_MAX];
    uint64_t pos;
    uint64_t commit_us;
};
void group_tx_note(struct group_tx *tx, const struct cdc_change *begin);
bool group_tx_is_in(const struct position *p, const struct group_tx *tx);

/* What holds for the target while a group is formed. Borrowed. */
struct group_rules {
    size_t target_no;
    const struct position *durable; /* everything before it is at the target */
    const struct position *freeze; /* nothing from it on is applied; NULL: no freeze is asked for */
    bool frozen;                   /* nothing more is applied at all */
    bool ddl_always; /* a DDL counts outside too: another target may yet have to do it */
};

struct group_form {
    bool whole;                           /* ends inside what is at hand: `end` is known */
    bool relevant;                        /* something of it is for this target */
    bool foreign;                         /* it holds something besides sidecar tables */
    bool outside;                         /* it holds transactions that must not be applied */
    bool skipping;                        /* what is read still lies before the durable position */
    struct group_tx tx;                   /* the last one looked at */
    const struct cdc_change *ddl;         /* a DDL of the stream's tables: alone in its group */
    const struct route_change *ddl_route; /* what it does */
    struct position end;                  /* the position behind the last transaction that joined */
    uint64_t transactions, commit_us;
    size_t bytes, held_bytes;
};

/* Rule 2 of one transaction; at: the position before it. */
bool group_is_outside(struct group_form *g, const struct group_rules *r,
                      const struct cdc_change *begin, const struct position *at);
/* Whole transactions of b from `from` on join, as long as they may; returns where that ends: at
 * `from` when none joins. held_bytes grows by the batch if any of them is relevant. */
size_t group_take(struct group_form *g, const struct group_rules *r, const struct cdc_batch *b,
                  const struct vrepl_routing *routing, size_t from);
bool group_is_full(const struct group_form *g);
/* Whether an image of the rows belongs to the target. */
bool group_rows_hit(const struct cdc_rows *rows, const struct vrepl_routing *routing,
                    const struct route_change *rc, size_t target_no);
/* Index of the COMMIT or ROLLBACK of the transaction that i is in; n_changes if it is not here. */
size_t group_find_end(const struct cdc_batch *b, size_t i);

#endif
