/* cdc/vstream/serving_shards.h — which shards of a keyspace serve, as a function of its shards and
 * journals. Pure. */
#ifndef SLUICE_CDC_VSTREAM_SERVING_SHARDS_H
#define SLUICE_CDC_VSTREAM_SERVING_SHARDS_H

#include "cdc/sidecar/journal.h"
#include "schemas/sharding/topology.h"

/* journals: sorted by id, of any keyspace and type. pending: per shard, true for targets of a
 * reshard that is not decided. serving: per shard, filled. Returns whether a SHARDS journal named
 * the keyspace. The beginning, before the first journal, is the cover of the whole range by the
 * fewest shards that were not born as targets. */
bool serving_compute(const struct topo_keyspace *ks, const struct cdc_journal *const *journals,
                     size_t n_journals, const bool *pending, bool *serving);

#endif
