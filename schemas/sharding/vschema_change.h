/* schemas/sharding/vschema_change.h — which tables another vschema would place elsewhere. Pure. */
#ifndef SLUICE_SCHEMAS_SHARDING_VSCHEMA_CHANGE_H
#define SLUICE_SCHEMAS_SHARDING_VSCHEMA_CHANGE_H

#include "schemas/sharding/vschema.h"

/* Appends how each table is placed, as JSON: {"orders":{"place":"xxhash over customer_id",
 * "vindex":"by_customer"}}. Tables that nothing places, as in a keyspace that is not sharded, are
 * left out. It is kept, because the files that parameters of vindexes name may change. */
void vschema_placements(const struct vschema *v, struct buf *json);
/* Calls fn for each table of `placements` that `to` places otherwise, or not any more; before and
 * after say how: "vindex by_customer: xxhash over customer_id", "on every shard", "not placed". The
 * name of a vindex makes no difference. False: fn gave false, or ERR_VSCHEMA: no such JSON. */
bool vschema_moved_tables(const char *placements, const struct vschema *to,
                          bool (*fn)(void *ctx, const char *table, const char *before,
                                     const char *after, struct err *e),
                          void *ctx, struct err *e) WARN_UNUSED;

#endif
