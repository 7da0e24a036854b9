/* vrepl/workflow/living.c — places (keyspace, shard, table) that two definitions have in common. */
#include "vrepl/workflow/living.h"

#include "vrepl/workflow/workflow_type.h"

#include <string.h>

static const struct wf_side *side_of(const struct wf_def *d, enum wf_side_name side)
{
    return side == WF_TARGET ? &d->target : &d->source;
}

static const char *table_on(const struct wf_table *t, enum wf_side_name side)
{
    return side == WF_TARGET ? t->target : t->source;
}

static const char *common_shard(const struct wf_side *a, const struct wf_side *b)
{
    for (size_t i = 0; strcmp(a->keyspace, b->keyspace) == 0 && i < a->n_shards; i++) {
        for (size_t k = 0; k < b->n_shards; k++) {
            if (strcmp(a->shards[i], b->shards[k]) == 0)
                return a->shards[i];
        }
    }
    return NULL;
}

static bool meet(const struct wf_def *a, enum wf_side_name a_side, const struct wf_def *b,
                 enum wf_side_name b_side, struct living_place *where)
{
    const char *shard = common_shard(side_of(a, a_side), side_of(b, b_side));
    for (size_t i = 0; shard != NULL && i < a->n_tables; i++) {
        const char *table = table_on(&a->tables[i], a_side);
        for (size_t k = 0; k < b->n_tables; k++) {
            if (strcmp(table, table_on(&b->tables[k], b_side)) != 0)
                continue;
            if (where != NULL)
                *where = (struct living_place){side_of(a, a_side)->keyspace, shard, table};
            return true;
        }
    }
    return false;
}

bool living_clash(const struct wf_def *a, const struct wf_def *b, struct living_place *where)
{
    bool a_reads = !a->type->takes_over, b_reads = !b->type->takes_over;
    return meet(a, WF_TARGET, b, WF_TARGET, where) ||
           (!a_reads && !b_reads && meet(a, WF_SOURCE, b, WF_SOURCE, where)) ||
           (!a_reads && meet(a, WF_SOURCE, b, WF_TARGET, where)) ||
           (!b_reads && meet(a, WF_TARGET, b, WF_SOURCE, where));
}

bool living_on(const struct wf_def *d, enum wf_side_name side, const struct wf_def *other,
               struct living_place *where)
{
    return meet(d, side, other, WF_SOURCE, where) || meet(d, side, other, WF_TARGET, where);
}
