/* vrepl/workflow/living.c — places (keyspace, shard, table) that two definitions have in common. */
#include "vrepl/workflow/living.h"

#include <string.h>

static const struct wf_side *side_of(const struct wf_def *d, bool target)
{
    return target ? &d->target : &d->source;
}

static const char *table_on(const struct wf_table *t, bool target)
{
    return target ? t->target : t->source;
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

static bool meet(const struct wf_def *a, bool a_target, const struct wf_def *b, bool b_target,
                 struct living_place *where)
{
    const char *shard = common_shard(side_of(a, a_target), side_of(b, b_target));
    for (size_t i = 0; shard != NULL && i < a->n_tables; i++) {
        const char *table = table_on(&a->tables[i], a_target);
        for (size_t k = 0; k < b->n_tables; k++) {
            if (strcmp(table, table_on(&b->tables[k], b_target)) != 0)
                continue;
            if (where != NULL)
                *where = (struct living_place){side_of(a, a_target)->keyspace, shard, table};
            return true;
        }
    }
    return false;
}

bool living_clash(const struct wf_def *a, const struct wf_def *b, struct living_place *where)
{
    bool a_reads = a->type == WF_MATERIALIZE, b_reads = b->type == WF_MATERIALIZE;
    return meet(a, true, b, true, where) ||
           (!a_reads && !b_reads && meet(a, false, b, false, where)) ||
           (!a_reads && meet(a, false, b, true, where)) ||
           (!b_reads && meet(a, true, b, false, where));
}

bool living_on(const struct wf_def *d, bool target, const struct wf_def *other,
               struct living_place *where)
{
    return meet(d, target, other, false, where) || meet(d, target, other, true, where);
}
