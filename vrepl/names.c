/* vrepl/names.c — names of fences, barriers and streams. */
#include "vrepl/names.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

static uint64_t hash_of(const char *a, const char *b, const char *c)
{
    char text[1024];
    int n = snprintf(text, sizeof text, "%s\n%s\n%s", a, b, c);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    return XXH64(text, len, 0);
}

static const char *side_text(bool target_side)
{
    return target_side ? "target" : "source";
}

void names_hidden(const char *workflow_key, bool target_side, const char *table, char *out,
                  size_t out_len)
{
    snprintf(out, out_len, "_sluice_f_%016llx",
             (unsigned long long)hash_of(workflow_key, side_text(target_side), table));
}

void names_trigger(const char *workflow_key, bool target_side, const char *table, char event,
                   char *out, size_t out_len)
{
    snprintf(out, out_len, "_sluice_f_%016llx_%c",
             (unsigned long long)hash_of(workflow_key, side_text(target_side), table), event);
}

void names_barrier(const char *workflow_key, const char *keyspace, const char *shard, char *out,
                   size_t out_len)
{
    snprintf(out, out_len, "sluice_fence_%016llx",
             (unsigned long long)hash_of(workflow_key, keyspace, shard));
}

void names_fence(const char *workflow_key, const char *keyspace, const char *shard, char *out,
                 size_t out_len)
{
    snprintf(out, out_len, "fence_%016llx",
             (unsigned long long)hash_of(workflow_key, keyspace, shard));
}

void names_old(const char *table, char *out, size_t out_len)
{
    snprintf(out, out_len, "_%.59s_old", table);
}

void names_stream(const char *source_keyspace, const char *source_shard, const char *target_shard,
                  char *out, size_t out_len)
{
    snprintf(out, out_len, "%s/%s>%s", source_keyspace, source_shard, target_shard);
}
