/* schemas/sharding/topology.c — lookups in the configured fleet, and the pool of server ids.
 */
#include "schemas/sharding/topology.h"
#include "base/mem.h"
#include "schemas/sharding/vschema.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Guards the taken server ids of every topology: taken a few times an hour. */
static pthread_mutex_t server_ids_lock = PTHREAD_MUTEX_INITIALIZER;

static void shard_fini(struct topo_shard *s)
{
    for (size_t i = 0; i < s->n_replicas; i++)
        free(s->replicas[i]);
    free(s->replicas);
    free(s->keyspace);
    free(s->name);
    free(s->primary_address);
    free(s->cell);
    my_params_fini(&s->primary);
}

static void keyspace_fini(struct topo_keyspace *k)
{
    for (size_t i = 0; i < k->n_shards; i++)
        shard_fini(&k->shards[i]);
    free(k->shards);
    free(k->name);
    free(k->vschema_file);
    vschema_free(k->vschema);
}

void topology_free(struct topology *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n_keyspaces; i++)
        keyspace_fini(&t->keyspaces[i]);
    free(t->keyspaces);
    free(t->installation);
    free(t->server_ids_taken);
    free(t);
}

static int compare_shards(const void *a, const void *b)
{
    const struct topo_shard *left = a, *right = b;
    return keyrange_compare(&left->range, &right->range);
}

/* Shards of before and after a reshard may stand side by side, but no keyspace id may be nobody's:
 * its rows would have no place. */
static bool check_cover(const struct topo_keyspace *k, struct err *e)
{
    CLEANUP(buf_fini) struct buf why = BUF_INIT;
    struct keyrange *set = mem_calloc(k->n_shards + 1, sizeof *set);
    for (size_t i = 0; i < k->n_shards; i++)
        set[i] = k->shards[i].range;
    bool ok = k->n_shards == 0 || keyrange_covers_all(set, k->n_shards, &why);
    free(set);
    if (ok)
        return true;
    err_set(e, ERR_CONFIG, "keyspace %s: its shards leave a gap in the key range: %s", k->name,
            buf_str(&why));
    return err_cure(e, "name the shards so that some of them cover everything, as -80 and 80- do");
}

static bool finish_keyspace(struct topo_keyspace *k, struct err *e)
{
    for (size_t i = 0; i < k->n_shards; i++)
        if (!keyrange_parse(k->shards[i].name, &k->shards[i].range, e))
            return err_prepend(e, "keyspace %s", k->name);
    if (k->n_shards > 1)
        qsort(k->shards, k->n_shards, sizeof k->shards[0], compare_shards);
    for (size_t i = 1; i < k->n_shards; i++)
        if (keyrange_equal(&k->shards[i - 1].range, &k->shards[i].range))
            return err_set(e, ERR_CONFIG, "keyspace %s: shards %s and %s are the same range",
                           k->name, k->shards[i - 1].name, k->shards[i].name);
    if (!check_cover(k, e))
        return false;
    if (!k->vschema)
        k->vschema = vschema_empty();
    return true;
}

bool topology_finish(struct topology *t, struct err *e)
{
    for (size_t i = 0; i < t->n_keyspaces; i++)
        if (!finish_keyspace(&t->keyspaces[i], e))
            return false;
    return true;
}

struct topo_keyspace *topology_keyspace(const struct topology *t, const char *name)
{
    for (size_t i = 0; i < t->n_keyspaces; i++)
        if (strcmp(t->keyspaces[i].name, name) == 0)
            return &t->keyspaces[i];
    return NULL;
}

struct topo_shard *topology_shard(const struct topology *t, const char *keyspace, const char *shard)
{
    struct topo_keyspace *k = topology_keyspace(t, keyspace);
    struct keyrange wanted;
    if (!k || !keyrange_parse(shard, &wanted, NULL))
        return NULL;
    for (size_t i = 0; i < k->n_shards; i++)
        if (keyrange_equal(&k->shards[i].range, &wanted))
            return &k->shards[i];
    return NULL;
}

static bool is_taken(const struct topology *t, uint32_t id)
{
    for (size_t i = 0; i < t->n_server_ids_taken; i++)
        if (t->server_ids_taken[i] == id)
            return true;
    return false;
}

void topology_server_id_apart(struct topology *t)
{
    uint32_t half = (t->server_id_last - t->server_id_first) / 2, random = 0;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) == (ssize_t)sizeof random)
        t->server_id_from = t->server_id_last - random % (half + 1);
}

/* The first free id of the range [from, last] and then of [first, from). From the lowest on, after
 * a restart our own old dumps are replaced, not kept beside the new ones. */
static bool take_first_free(struct topology *t, uint32_t *id)
{
    uint64_t n = (uint64_t)t->server_id_last - t->server_id_first + 1;
    uint64_t skip = t->server_id_from ? t->server_id_from - t->server_id_first : 0;
    for (uint64_t k = 0; k < n; k++) {
        uint64_t i = t->server_id_first + (skip + k) % n;
        if (i == 0 || is_taken(t, (uint32_t)i))
            continue;
        void *items = t->server_ids_taken;
        mem_grow(&items, &t->cap_server_ids_taken, t->n_server_ids_taken + 1, sizeof(uint32_t));
        t->server_ids_taken = items;
        t->server_ids_taken[t->n_server_ids_taken++] = (uint32_t)i;
        *id = (uint32_t)i;
        return true;
    }
    return false;
}

bool topology_server_id_take(struct topology *t, uint32_t *id, struct err *e)
{
    pthread_mutex_lock(&server_ids_lock);
    bool ok = take_first_free(t, id);
    pthread_mutex_unlock(&server_ids_lock);
    if (ok)
        return true;
    err_set(e, ERR_CONFIG, "all server ids from %u to %u are in use", t->server_id_first,
            t->server_id_last);
    return err_cure(e, "widen server_ids in the configuration");
}

void topology_server_id_give(struct topology *t, uint32_t id)
{
    pthread_mutex_lock(&server_ids_lock);
    for (size_t i = 0; i < t->n_server_ids_taken; i++)
        if (t->server_ids_taken[i] == id) {
            t->server_ids_taken[i] = t->server_ids_taken[--t->n_server_ids_taken];
            break;
        }
    pthread_mutex_unlock(&server_ids_lock);
}
