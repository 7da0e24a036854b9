/* cdc/vstream/family.c — decides by key ranges, by positions and by the journals that were reached.
 */
#include "cdc/vstream/family.h"

#include <string.h>

void family_shard_fini(struct family_shard *s)
{
    position_fini(&s->at);
    cdc_journal_fini(&s->journal);
    *s = (struct family_shard){0};
}

int family_find(const struct family *f, const char *shard)
{
    for (size_t i = 0; i < f->n; i++) {
        if (strcmp(f->shards[i].name, shard) == 0)
            return (int)i;
    }
    return -1;
}

bool family_is_parent(const struct family *f, const struct cdc_journal *j, const char *shard)
{
    for (size_t i = 0; i < j->n_participants; i++) {
        if (strcmp(j->participants[i].keyspace, f->keyspace) == 0 &&
            strcmp(j->participants[i].shard, shard) == 0)
            return true;
    }
    return false;
}

bool family_reached_by_all(const struct family *f, const struct cdc_journal *j)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct family_shard *s = &f->shards[i];
        bool is_read = s->known || s->serves;
        bool reached = s->ended && s->journal.id >= j->id;
        if (is_read && !reached && family_is_parent(f, j, s->name))
            return false;
    }
    return true;
}

/* Whether another shard that is still read holds a part of this one's range. */
static bool has_living_parent(const struct family *f, const struct family_shard *child)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct family_shard *s = &f->shards[i];
        if (s != child && s->known && !s->ended && keyrange_intersects(&s->range, &child->range))
            return true;
    }
    return false;
}

/* The position of the latest journal that names the shard as a child; NULL: none does. */
static const char *inherited(const struct family *f, const char *child)
{
    const char *gtid = NULL;
    int64_t latest = INT64_MIN;
    for (size_t i = 0; i < f->n; i++) {
        const struct cdc_journal *j = &f->shards[i].journal;
        for (size_t k = 0; f->shards[i].ended && j->id >= latest && k < j->n_shard_gtids; k++) {
            if (strcmp(j->shard_gtids[k].shard, child) == 0) {
                gtid = j->shard_gtids[k].gtid;
                latest = j->id;
            }
        }
    }
    return gtid;
}

enum family_start family_start(const struct family *f, size_t i, const char **gtid)
{
    const struct family_shard *s = &f->shards[i];
    *gtid = NULL;
    if (s->known)
        return s->ended ? FAMILY_RESTS : FAMILY_GOES_ON;
    if (!s->serves)
        return FAMILY_RESTS;
    if (has_living_parent(f, s))
        return FAMILY_WAITS;
    *gtid = inherited(f, s->name);
    return *gtid ? FAMILY_INHERITS : FAMILY_IS_NEW;
}

bool family_is_further(const struct family_shard *child, const struct position *at)
{
    return child->known && !child->ended && position_at_or_after(&child->at, at);
}
