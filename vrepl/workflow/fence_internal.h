/* vrepl/workflow/fence_internal.h — what the two kinds of fence share. All run in h->conn, which
 * has the barrier and autocommit = 0, unless they say otherwise. */
#ifndef SLUICE_VREPL_WORKFLOW_FENCE_INTERNAL_H
#define SLUICE_VREPL_WORKFLOW_FENCE_INTERNAL_H

#include "base/map.h"
#include "vrepl/workflow/fence.h"

/* fence.c */
void fence_put_table(struct buf *sql, const struct topo_shard *s, const char *table);
const char *fence_table(const struct fence_hold *h, size_t i); /* its plain name on that side */
/* One attempt at a statement that waits for locks at most wait_s seconds. */
bool fence_try(struct fence_hold *h, const char *sql, unsigned wait_s, struct err *e) WARN_UNUSED;
/* The same until it succeeds, the wait is used up, or go_on says no. */
bool fence_insist(struct fence_hold *h, const char *sql, struct fence_wait *wait,
                  struct err *e) WARN_UNUSED;
/* Names of information_schema that begin as ours do, each with what it stands on; by h->aux. */
struct map *fence_names(struct fence_hold *h, const char *sql, struct err *e) WARN_UNUSED;

/* fence_trigger.c */
bool fence_trigger_arm(struct fence_hold *h, struct fence_wait *wait, struct err *e) WARN_UNUSED;
void fence_trigger_put_hold(const struct fence_hold *h, struct buf *sql);
bool fence_trigger_shut(struct fence_hold *h, struct err *e) WARN_UNUSED;
bool fence_trigger_gate(struct fence_hold *h, struct err *e) WARN_UNUSED;
bool fence_trigger_open(struct fence_hold *h, struct err *e) WARN_UNUSED;
bool fence_trigger_drop(struct fence_hold *h, struct fence_wait *wait, struct err *e) WARN_UNUSED;

/* fence_rename.c */
bool fence_rename_measure(struct fence_hold *h, struct err *e) WARN_UNUSED;
void fence_rename_put_hold(const struct fence_hold *h, struct buf *sql);
bool fence_rename_hide(struct fence_hold *h, struct err *e) WARN_UNUSED;
bool fence_rename_gate(struct fence_hold *h, struct err *e) WARN_UNUSED;
bool fence_rename_show(struct fence_hold *h, struct err *e) WARN_UNUSED;

#endif
