/* vrepl/move/route.h — which target each image of each row of a batch belongs to, computed once,
 * shared by all appliers.
 *
 * A row whose sharding key changes gets different targets before and after: each applier acts per
 * image, so that it becomes a delete on one shard and an insert on the other. Transactions that
 * this workflow or its partner wrote (origin marker) are routed nowhere; tables outside the plan
 * too.
 */
#ifndef SLUICE_VREPL_MOVE_ROUTE_H
#define SLUICE_VREPL_MOVE_ROUTE_H

#include "cdc/log/value.h"
#include "schemas/ddl_effect.h"
#include "vrepl/move/plan.h"

#define ROUTE_NONE 0xFFFFu /* no target of this stream */
#define ROUTE_ALL  0xFFFEu /* every target */

struct route_change {
    const struct vrepl_plan *plan; /* ROWS: NULL when nothing of it is applied */
    uint32_t first;                /* where its rows begin in before/after */
    bool everywhere; /* all rows go to every target: before/after hold nothing for it */
    /* BEGIN: */
    bool foreign; /* the transaction holds something besides sidecar tables, so far as this batch
                     shows */
    /* DDL: */
    bool ddl_ours;    /* touches a table of the stream */
    bool ddl_changes; /* …and may change its rows without row events */
    /* The number of the table that a DDL names; one of them if it names several. */
    uint16_t ddl_table;
};
/* The most that a statement does to the tables of s, and to which. Those whose copy has not begun
 * (waits, NULL: none) have no rows that could differ: what only changes rows is nothing to them.
 * Pure. */
enum ddl_concern vrepl_route_ddl(const struct vrepl_stream_spec *s, const bool *waits,
                                 const struct ddl_text *ddl, size_t *table_no);
struct vrepl_routing { /* immutable once made */
    int refs;
    struct route_change *changes; /* one a change of the batch */
    uint16_t *before, *after;
    size_t n_rows;
};
void vrepl_routing_unref(struct vrepl_routing *r); /* Thread: any; NULL is fine */
struct vrepl_routing *vrepl_routing_ref(struct vrepl_routing *r);
bool vrepl_route_hits(uint16_t route, size_t target);

struct vrepl_router;
struct vrepl_router_options {
    const struct vrepl_stream_spec *spec;
    struct schema_table *const *targets; /* one a table of the spec: its definition at the target */
    const struct plan_charsets *source_charsets, *target_charsets;
    enum my_flavor target_flavor;
};
struct vrepl_router *vrepl_router_new(const struct vrepl_router_options *o);
void vrepl_router_free(struct vrepl_router *r); /* plans go too: every routing must be gone */
/* One a table: its copy has not begun, on any target. Until this is called again nothing of such a
 * table is routed (vrepl/move/copy.c argues it). NULL: none waits; borrowed. Appliers stand still.
 * Thread: the stream's. */
void vrepl_router_wait(struct vrepl_router *r, const bool *waits);
/* Batches in log order. Remembers the open transaction between batches. */
bool vrepl_route(struct vrepl_router *r, const struct cdc_batch *b, struct vrepl_routing **out,
                 struct err *e) WARN_UNUSED;
/* The plan for one source definition; NULL with *e when it does not fit, NULL and e->code ERR_NONE
 * when the table is not of the stream. */
const struct vrepl_plan *vrepl_router_plan(struct vrepl_router *r, const struct schema_table *t,
                                           struct err *e) WARN_UNUSED;
/* The target that holds a keyspace id; ROUTE_NONE: none, or the source may not have it either.
 * Pure.
 */
uint16_t vrepl_route_target(const struct vrepl_stream_spec *s, const struct ksid *id);
/* Target of one image of plan's table. */
bool vrepl_route_row(const struct vrepl_router *r, const struct vrepl_plan *plan,
                     const struct cdc_row *row, const struct cdc_row *fallback, uint16_t *out,
                     struct err *e) WARN_UNUSED;

#endif
