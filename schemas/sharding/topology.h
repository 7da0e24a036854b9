/* schemas/sharding/topology.h — the fleet of one configuration: keyspaces, their shards, servers
 * and vschema.
 *
 * Filled by app/config from YAML, read by everybody, immutable afterwards.
 */
#ifndef SLUICE_SCHEMAS_SHARDING_TOPOLOGY_H
#define SLUICE_SCHEMAS_SHARDING_TOPOLOGY_H

#include "mysql/params.h"
#include "schemas/sharding/keyrange.h"

struct vschema; /* schemas/sharding/vschema.h */

struct topo_shard {
    char *keyspace; /* name of the owner */
    char *name;     /* "-", "-80", "80-" ; "0" is accepted as "-" */
    struct keyrange range;
    struct my_params primary; /* .database is the shard's database */
    char *primary_address;    /* host:port, as the configuration spells it */
    char **replicas;          /* addresses */
    size_t n_replicas;
    char *cell;
};
struct topo_keyspace {
    char *name;
    struct topo_shard
        *shards; /* sorted by range start; may hold overlapping sets (before and after a reshard) */
    size_t n_shards;
    char *vschema_file;      /* where the configuration has it from; NULL: nowhere */
    struct vschema *vschema; /* never NULL; unsharded and empty when none is configured */
};
struct topology {
    char *installation; /* config `name` */
    struct topo_keyspace *keyspaces;
    size_t n_keyspaces;
    uint32_t server_id_first, server_id_last; /* one for each dump */
    uint32_t server_id_from;    /* where the search for a free one begins; 0: with the first */
    uint32_t *server_ids_taken; /* only topology_server_id_take and _give touch these */
    size_t n_server_ids_taken, cap_server_ids_taken;
};
void topology_free(struct topology *t);
struct topo_keyspace *topology_keyspace(const struct topology *t,
                                        const char *name); /* NULL if unknown */
struct topo_shard *topology_shard(const struct topology *t, const char *keyspace,
                                  const char *shard);
/* ERR_CONFIG-worthy facts of a keyspace: every shard's range parsed from its name, shards sorted by
 * start, none twice, and no keyspace id without a shard. */
bool topology_finish(struct topology *t, struct err *e) WARN_UNUSED;
/* For a command that runs beside the daemon: its ids are searched from a random place of the
 * range's upper half on, so that its dumps replace neither the daemon's nor those of its own last
 * run, for which the servers would wait. */
void topology_server_id_apart(struct topology *t);
/* Takes / gives back a server id for a dump. Thread: any. */
bool topology_server_id_take(struct topology *t, uint32_t *id, struct err *e) WARN_UNUSED;
void topology_server_id_give(struct topology *t, uint32_t id);

#endif
