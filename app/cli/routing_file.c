/* app/cli/routing_file.c — reads the routing file that the daemon writes. */
#include "app/cli/routing_file.h"

#include "base/mem.h"
#include "base/sys.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define ROUTING_MAX_BYTES ((size_t)64 * 1024 * 1024)

static json_t *load_routing(const struct config *c)
{
    struct buf text = BUF_INIT;
    struct err ignored = ERR_INIT;
    json_t *doc = sys_read_file(c->routing_file, ROUTING_MAX_BYTES, &text, &ignored)
                      ? json_loads(buf_str(&text), 0, NULL)
                      : NULL;
    buf_fini(&text);
    return doc;
}

static const char *own_name(const struct topo_keyspace *ks, const char *name)
{
    for (size_t i = 0; name != NULL && i < ks->n_shards; i++)
        if (strcmp(ks->shards[i].name, name) == 0)
            return ks->shards[i].name;
    return NULL;
}

static size_t from_document(const json_t *doc, const struct topo_keyspace *ks, const char **out)
{
    size_t n = 0, i;
    json_t *shard;
    json_t *shards =
        json_object_get(json_object_get(json_object_get(doc, "keyspaces"), ks->name), "shards");
    json_array_foreach(shards, i, shard)
    {
        const char *name = own_name(ks, json_string_value(json_object_get(shard, "name")));
        if (name != NULL && json_is_true(json_object_get(shard, "serving")) && n < ks->n_shards)
            out[n++] = name;
    }
    return n;
}

static bool contained(const struct topo_keyspace *ks, size_t k)
{
    for (size_t i = 0; i < ks->n_shards; i++)
        if (i != k && keyrange_contains_range(&ks->shards[i].range, &ks->shards[k].range) &&
            !keyrange_equal(&ks->shards[i].range, &ks->shards[k].range))
            return true;
    return false;
}

size_t serving_shards(const struct config *c, const struct topo_keyspace *ks, const char ***out)
{
    json_t *doc = load_routing(c);
    *out = mem_calloc(ks->n_shards + 1, sizeof(const char *));
    size_t n = from_document(doc, ks, *out);
    json_decref(doc);
    bool published = n > 0;
    for (size_t i = 0; !published && i < ks->n_shards; i++)
        if (!contained(ks, i))
            (*out)[n++] = ks->shards[i].name;
    return n;
}

char *serving_table_route(const struct config *c, const char *table)
{
    json_t *doc = load_routing(c), *rule;
    size_t i;
    char *found = NULL;
    json_t *rules = json_object_get(doc, "routing_rules");
    if (json_is_object(rules))
        rules = json_object_get(rules, "rules");
    json_array_foreach(rules, i, rule)
    {
        const char *from = json_string_value(json_object_get(rule, "from_table"));
        const char *to = json_string_value(json_array_get(json_object_get(rule, "to_tables"), 0));
        if (found == NULL && from != NULL && to != NULL && strcmp(from, table) == 0)
            found = mem_strdup(to);
    }
    json_decref(doc);
    return found != NULL ? found : mem_strdup(table);
}
