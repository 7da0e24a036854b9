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

/* The position of the latest journal that names the shard as a child, later than the one that ended
 * it, and that journal's id; NULL: none does. */
static const char *inherited(const struct family *f, const struct family_shard *child, int64_t *id)
{
    const char *gtid = NULL;
    *id = child->ended ? child->journal.id + 1 : INT64_MIN;
    for (size_t i = 0; i < f->n; i++) {
        const struct cdc_journal *j = &f->shards[i].journal;
        for (size_t k = 0; f->shards[i].ended && j->id >= *id && k < j->n_shard_gtids; k++) {
            if (strcmp(j->shard_gtids[k].shard, child->name) == 0) {
                gtid = j->shard_gtids[k].gtid;
                *id = j->id;
            }
        }
    }
    return gtid;
}

/* Whether the shard is still read, or has to be as the child of a journal before `id`. */
static bool is_living(const struct family *f, const struct family_shard *s, int64_t id)
{
    int64_t born;
    if (s->known && !s->ended)
        return true;
    return inherited(f, s, &born) && born < id;
}

/* Whether another shard that is to be read first holds a part of this one's range. */
static bool has_living_parent(const struct family *f, const struct family_shard *child, int64_t id)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct family_shard *s = &f->shards[i];
        if (s != child && keyrange_intersects(&s->range, &child->range) && is_living(f, s, id))
            return true;
    }
    return false;
}

enum family_start family_start(const struct family *f, size_t i, const char **gtid)
{
    const struct family_shard *s = &f->shards[i];
    int64_t id;
    *gtid = NULL;
    if (s->known && !s->ended)
        return FAMILY_GOES_ON;
    const char *from = inherited(f, s, &id);
    if (!from && (s->ended || !s->serves))
        return FAMILY_RESTS;
    if (has_living_parent(f, s, from ? id : INT64_MAX))
        return FAMILY_WAITS;
    *gtid = from;
    return from ? FAMILY_INHERITS : FAMILY_IS_NEW;
}

bool family_is_further(const struct family_shard *child, int64_t journal, const struct position *at)
{
    if (child->ended)
        return child->journal.id > journal;
    return child->known && position_at_or_after(&child->at, at);
}
