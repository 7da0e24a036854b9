/* base/map.c — hash map: chained buckets, a power of two of them.
 *
 * Chains are kept sorted by hash and key and the number of buckets depends only on the largest
 * count reached, so the order of iteration does not tell the order of insertion.
 */
#include "base/map.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    struct entry *next;
    uint64_t hash;
    void *value;
    size_t key_len;
    char key[];
};

struct map {
    struct entry **buckets;
    size_t n_buckets, count;
    void (*free_value)(void *);
};

#define CHAIN_BITS 16 /* map_next's iterator: bucket << CHAIN_BITS | place in the chain */

struct map *map_new(void (*free_value)(void *))
{
    struct map *m = mem_alloc(sizeof *m);
    m->n_buckets = 16;
    m->buckets = mem_calloc(m->n_buckets, sizeof(struct entry *));
    m->free_value = free_value;
    return m;
}

void map_free(struct map *m)
{
    if (!m)
        return;
    map_clear(m);
    free(m->buckets);
    free(m);
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}

uint64_t map_hash(const void *p, size_t n)
{
    const unsigned char *s = p;
    uint64_t h = 0x9e3779b97f4a7c15u ^ n, word;
    for (; n >= 8; n -= 8, s += 8) {
        memcpy(&word, s, 8);
        h = mix(h ^ word) + 0x9e3779b97f4a7c15u;
    }
    word = 0;
    if (n)
        memcpy(&word, s, n);
    return mix(h ^ word);
}

static int entry_compare(const struct entry *e, uint64_t hash, const void *key, size_t key_len)
{
    if (e->hash != hash)
        return e->hash < hash ? -1 : 1;
    if (e->key_len != key_len)
        return e->key_len < key_len ? -1 : 1;
    return key_len ? memcmp(e->key, key, key_len) : 0;
}

/* The link that points to the entry, or to the first greater one of its chain. */
static struct entry **find_link(const struct map *m, uint64_t hash, const void *key, size_t key_len,
                                bool *found)
{
    struct entry **link = &m->buckets[hash & (m->n_buckets - 1)];
    *found = false;
    for (; *link; link = &(*link)->next) {
        int c = entry_compare(*link, hash, key, key_len);
        *found = c == 0;
        if (c >= 0)
            break;
    }
    return link;
}

static void grow(struct map *m)
{
    struct entry **old = m->buckets;
    size_t n_old = m->n_buckets;
    m->n_buckets *= 2;
    m->buckets = mem_calloc(m->n_buckets, sizeof(struct entry *));
    for (size_t i = 0; i < n_old; i++) {
        for (struct entry *e = old[i], *next; e; e = next) {
            bool found;
            next = e->next;
            struct entry **link = find_link(m, e->hash, e->key, e->key_len, &found);
            assert(!found);
            e->next = *link;
            *link = e;
        }
    }
    free(old);
}

void *map_get(const struct map *m, const void *key, size_t key_len)
{
    bool found;
    struct entry **link = find_link(m, map_hash(key, key_len), key, key_len, &found);
    return found ? (*link)->value : NULL;
}

void *map_get_str(const struct map *m, const char *key)
{
    return map_get(m, key, strlen(key));
}

void map_put(struct map *m, const void *key, size_t key_len, void *value)
{
    bool found;
    uint64_t hash = map_hash(key, key_len);
    struct entry **link = find_link(m, hash, key, key_len, &found);
    if (found) {
        void *old = (*link)->value;
        (*link)->value = value;
        if (m->free_value && old != value)
            m->free_value(old);
        return;
    }
    if (key_len > SIZE_MAX - sizeof(struct entry))
        abort();
    struct entry *e = mem_realloc(NULL, sizeof *e + key_len, 1);
    *e = (struct entry){.next = *link, .hash = hash, .value = value, .key_len = key_len};
    if (key_len)
        memcpy(e->key, key, key_len);
    *link = e;
    if (++m->count > m->n_buckets)
        grow(m);
}

void map_put_str(struct map *m, const char *key, void *value)
{
    map_put(m, key, strlen(key), value);
}

static void free_entry(struct map *m, struct entry *e)
{
    if (m->free_value)
        m->free_value(e->value);
    free(e);
}

void *map_take(struct map *m, const void *key, size_t key_len)
{
    bool found;
    struct entry **link = find_link(m, map_hash(key, key_len), key, key_len, &found);
    if (!found)
        return NULL;
    void *value = (*link)->value;
    (*link)->value = NULL;
    (void)map_remove(m, key, key_len);
    return value;
}

bool map_remove(struct map *m, const void *key, size_t key_len)
{
    bool found;
    struct entry **link = find_link(m, map_hash(key, key_len), key, key_len, &found);
    if (!found)
        return false;
    struct entry *e = *link;
    *link = e->next;
    free_entry(m, e);
    m->count--;
    return true;
}

void map_clear(struct map *m)
{
    for (size_t i = 0; i < m->n_buckets; i++) {
        while (m->buckets[i]) {
            struct entry *e = m->buckets[i];
            m->buckets[i] = e->next;
            free_entry(m, e);
        }
    }
    m->count = 0;
}

size_t map_count(const struct map *m)
{
    return m->count;
}

bool map_next(const struct map *m, size_t *it, const void **key, size_t *key_len, void **value)
{
    size_t bucket = *it >> CHAIN_BITS, place = *it & (((size_t)1 << CHAIN_BITS) - 1);
    for (; bucket < m->n_buckets; bucket++, place = 0) {
        struct entry *e = m->buckets[bucket];
        for (size_t i = 0; e && i < place; i++)
            e = e->next;
        if (!e)
            continue;
        if (key)
            *key = e->key;
        if (key_len)
            *key_len = e->key_len;
        if (value)
            *value = e->value;
        *it = (bucket << CHAIN_BITS) + place + 1;
        return true;
    }
    *it = bucket << CHAIN_BITS;
    return false;
}
