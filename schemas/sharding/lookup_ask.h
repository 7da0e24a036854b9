/* schemas/sharding/lookup_ask.h — asks the servers of a lookup table where rows are now. */
#ifndef SLUICE_SCHEMAS_SHARDING_LOOKUP_ASK_H
#define SLUICE_SCHEMAS_SHARDING_LOOKUP_ASK_H

#include "schemas/sharding/topology.h"
#include "schemas/sharding/vindex_lookup.h"

/* Where the lookup table is: its name and the shards that serve it. */
struct lookup_place {
    const char *table;
    const struct topo_shard *const *shards;
    size_t n_shards;
};
/* The answers for n values, in their order; every shard is asked, many values in one statement. out
 * has room for n and is given back by vindex_answers_fini, after a failure too. Thread: any. */
bool lookup_ask(const struct vindex *v, const struct lookup_place *where,
                const struct vindex_input *in, size_t n, struct vindex_answer *out,
                struct err *e) WARN_UNUSED;

#endif
