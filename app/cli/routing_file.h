/* app/cli/routing_file.h — which shards serve, without a daemon: from the published routing
 * document. */
#ifndef SLUICE_APP_CLI_ROUTING_FILE_H
#define SLUICE_APP_CLI_ROUTING_FILE_H

#include "app/config/config.h"

/* Names of the keyspace's serving shards by the routing file; where there is none, the shards of
 * the configuration that no other shard contains. malloc'ed array; names belong to the topology. */
size_t serving_shards(const struct config *c, const struct topo_keyspace *ks, const char ***out);
/* Where the routing document's table rules send "ks.t", else "ks.t" itself: malloc'ed "ks.t". */
char *serving_table_route(const struct config *c, const char *table);

#endif
