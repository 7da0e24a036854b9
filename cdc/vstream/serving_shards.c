/* cdc/vstream/serving_shards.c — the serving shards: a first cover, then every SHARDS journal in
 * order. */
#include "cdc/vstream/serving_shards.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define NO_COVER 1000000u

static int shard_index(const struct topo_keyspace *ks, const char *name)
{
    for (size_t i = 0; i < ks->n_shards; i++) {
        if (strcmp(ks->shards[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

static bool same_point(const uint8_t *a, size_t na, const uint8_t *b, size_t nb)
{
    while (na > 0 && a[na - 1] == 0)
        na--;
    while (nb > 0 && b[nb - 1] == 0)
        nb--;
    return na == nb && memcmp(a, b, na) == 0;
}

static bool follows(const struct keyrange *a, const struct keyrange *b)
{
    return a->end_len > 0 && b->start_len > 0 &&
           same_point(a->end, a->end_len, b->start, b->start_len);
}

/* Fewest allowed shards from shard i's start to the end of the key space; memo: 0 not yet known. */
static unsigned cover_cost(const struct topo_keyspace *ks, const bool *allowed, size_t i,
                           unsigned *memo)
{
    if (memo[i] != 0)
        return memo[i];
    unsigned best = ks->shards[i].range.end_len == 0 ? 1 : NO_COVER;
    memo[i] = NO_COVER; /* against a cycle, which well-formed ranges cannot have */
    for (size_t j = 0; j < ks->n_shards && best != 1; j++) {
        if (!allowed[j] || !follows(&ks->shards[i].range, &ks->shards[j].range))
            continue;
        unsigned c = cover_cost(ks, allowed, j, memo) + 1;
        best = c < best ? c : best;
    }
    memo[i] = best;
    return best;
}

static int cheapest(const struct topo_keyspace *ks, const bool *allowed, int after, unsigned *memo)
{
    int best = -1;
    for (size_t i = 0; i < ks->n_shards; i++) {
        const struct keyrange *r = &ks->shards[i].range;
        bool candidate =
            allowed[i] && (after < 0 ? r->start_len == 0 : follows(&ks->shards[after].range, r));
        if (candidate && cover_cost(ks, allowed, i, memo) < NO_COVER &&
            (best < 0 || memo[i] < memo[best]))
            best = (int)i;
    }
    return best;
}

/* Marks the cheapest full cover; every allowed shard when there is none. */
static void mark_cover(const struct topo_keyspace *ks, const bool *allowed, bool *serving)
{
    unsigned *memo = mem_calloc(ks->n_shards + 1, sizeof *memo);
    int at = cheapest(ks, allowed, -1, memo);
    memset(serving, 0, ks->n_shards * sizeof *serving);
    if (at < 0)
        memcpy(serving, allowed, ks->n_shards * sizeof *serving);
    while (at >= 0) {
        serving[at] = true;
        at = ks->shards[at].range.end_len == 0 ? -1 : cheapest(ks, allowed, at, memo);
    }
    free(memo);
}

static bool names_keyspace(const struct cdc_journal *j, const struct topo_keyspace *ks)
{
    return j->shards && j->n_participants > 0 && strcmp(j->participants[0].keyspace, ks->name) == 0;
}

static void set_all(const struct topo_keyspace *ks, const struct cdc_journal_shard *list, size_t n,
                    bool *flags, bool value)
{
    for (size_t i = 0; i < n; i++) {
        int at = shard_index(ks, list[i].shard);
        if (at >= 0)
            flags[at] = value;
    }
}

bool serving_compute(const struct topo_keyspace *ks, const struct cdc_journal *const *journals,
                     size_t n_journals, const bool *pending, bool *serving)
{
    bool named = false;
    bool *old = mem_calloc(ks->n_shards + 1,
                           sizeof *old); /* served before the first journal that names it */
    bool *born = mem_calloc(ks->n_shards + 1, sizeof *born); /* not there at the beginning */
    for (size_t i = 0; i < n_journals; i++) {
        const struct cdc_journal *j = journals[i];
        if (!names_keyspace(j, ks))
            continue;
        for (size_t k = 0; k < j->n_participants; k++) {
            int at = shard_index(ks, j->participants[k].shard);
            if (at >= 0 && !born[at])
                old[at] = true;
        }
        for (size_t k = 0; k < j->n_shard_gtids; k++) {
            int at = shard_index(ks, j->shard_gtids[k].shard);
            if (at >= 0 && !old[at])
                born[at] = true;
        }
    }
    for (size_t i = 0; i < ks->n_shards; i++)
        old[i] = old[i] || (!born[i] && !pending[i]);
    mark_cover(ks, old, serving);
    for (size_t i = 0; i < n_journals; i++) {
        if (!names_keyspace(journals[i], ks))
            continue;
        named = true;
        set_all(ks, journals[i]->participants, journals[i]->n_participants, serving, false);
        set_all(ks, journals[i]->shard_gtids, journals[i]->n_shard_gtids, serving, true);
    }
    free(old);
    free(born);
    return named;
}
