/* vrepl/workflow/vschema_apply.h — replaces a keyspace's vschema, and keeps what it was. */
#ifndef SLUICE_VREPL_WORKFLOW_VSCHEMA_APPLY_H
#define SLUICE_VREPL_WORKFLOW_VSCHEMA_APPLY_H

#include "schemas/sharding/topology.h"
#include "schemas/sharding/vschema.h"

struct my_conn;

/* Checks `to` against the keyspace's last version (without one: the configuration's), stores it as
 * the next one on the keyspace's first shard, by name, and writes the file that the configuration
 * names. *version: the one that holds now; with dry_run nothing is written, and *version is the one
 * it would be. ERR_WF_PRECONDITION: rows of a table would belong elsewhere, or the configuration
 * names no file; nothing was changed. */
bool vschema_apply(const struct topo_keyspace *ks, const struct vschema *to, const char *text,
                   bool dry_run, uint64_t *version, struct err *e) WARN_UNUSED;
/* Appends the versions as a JSON array of {version, applied, vschema}. */
bool vschema_history(const struct topo_keyspace *ks, struct buf *json, struct err *e) WARN_UNUSED;

#endif
