/* vrepl/move/object_names.c — names of fences, barriers and streams. */
#include "vrepl/move/object_names.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>

#define NAMES_OLD_WHOLE 59 /* of 64: "_" and "_old" beside it */
#define NAMES_OLD_CUT   42 /* the hash tells names apart that begin alike */

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

void names_hidden_prefix(const char *table, char *out, size_t out_len)
{
    snprintf(out, out_len, NAMES_FENCE_PREFIX "%08x", (unsigned)XXH32(table, strlen(table), 0));
}

void names_hidden(const char *workflow_key, bool target_side, const char *table, char *out,
                  size_t out_len)
{
    char prefix[NAMES_MAX];
    names_hidden_prefix(table, prefix, sizeof prefix);
    snprintf(out, out_len, "%s%08x", prefix,
             (unsigned)hash_of(workflow_key, side_text(target_side), table));
}

bool names_is_hidden(const char *name, const char *table)
{
    char prefix[NAMES_MAX];
    if (strncasecmp(name, NAMES_FENCE_PREFIX, sizeof NAMES_FENCE_PREFIX - 1) != 0)
        return false;
    names_hidden_prefix(table, prefix, sizeof prefix);
    return strlen(name) == strlen(prefix) + 8 && strncasecmp(name, prefix, strlen(prefix)) == 0;
}

void names_trigger(const char *workflow_key, bool target_side, const char *table, char event,
                   char *out, size_t out_len)
{
    char hidden[NAMES_MAX];
    names_hidden(workflow_key, target_side, table, hidden, sizeof hidden);
    snprintf(out, out_len, "%s_%c", hidden, event);
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
    size_t n = strlen(table);
    if (n <= NAMES_OLD_WHOLE) {
        snprintf(out, out_len, "_%s_old", table);
        return;
    }
    for (n = NAMES_OLD_CUT; n > 0 && ((unsigned char)table[n] & 0xC0u) == 0x80u;) /* a character */
        n--;
    snprintf(out, out_len, "_%.*s_%016llx_old", (int)n, table,
             (unsigned long long)hash_of("old", "", table));
}
