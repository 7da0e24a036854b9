/* vrepl/workflow/living.h — which workflows live on the same tables of the same shards. Pure.
 *
 * A table on a shard may have any number of readers that never switch (materialize), but only one
 * workflow that fences or writes it: what one of two would fence, drop or take for its own copy
 * would be the other's source.
 */
#ifndef SLUICE_VREPL_WORKFLOW_LIVING_H
#define SLUICE_VREPL_WORKFLOW_LIVING_H

#include "vrepl/workflow/definition.h"

struct living_place { /* borrowed from the first definition */
    const char *keyspace, *shard, *table;
};
/* Would these two be in each other's way? where (may be NULL): the first place that both claim. */
bool living_clash(const struct wf_def *a, const struct wf_def *b, struct living_place *where);
/* Does `other` read or write a table on that side of d? */
bool living_on(const struct wf_def *d, enum wf_side_name side, const struct wf_def *other,
               struct living_place *where);

#endif
