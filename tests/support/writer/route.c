/* tests/support/writer/route.c — reads the routing document and finds the shard of a row. */
#include "tests/support/writer/writer.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

const char *const writer_table_name[TABLE_COUNT] = {"customers", "orders", "order_items",
                                                    "products"};

uint64_t route_keyspace_id(uint64_t value)
{
    /* Vitess hashes the decimal digits and lays the hash down little-endian; key ranges then
     * compare bytes from the left. */
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
    return __builtin_bswap64(XXH64(digits, (size_t)len, 0));
}

static void copy_text(char *out, size_t room, const char *text)
{
    snprintf(out, room, "%s", text ? text : "");
}

/* "80" → 0x80 followed by zero bits; "" → 0. */
static uint64_t range_bound(const char *hex)
{
    uint64_t bound = 0;
    unsigned digits = 0;
    for (; hex && hex[digits] && digits < 16; digits++) {
        char one[2] = {hex[digits], '\0'};
        bound = bound << 4 | strtoul(one, NULL, 16);
    }
    return digits == 0 ? 0 : bound << (4 * (16 - digits));
}

static void set_address(struct route_shard *shard, const char *address)
{
    const char *colon = strrchr(address, ':');
    size_t len = colon ? (size_t)(colon - address) : strlen(address);
    snprintf(shard->host, sizeof(shard->host), "%.*s", (int)len, address);
    shard->port = colon ? (unsigned)strtoul(colon + 1, NULL, 10) : 3306;
}

static void read_shard(struct route_doc *doc, const char *keyspace, const json_t *item)
{
    if (doc->shard_count == WRITER_SHARDS_MAX)
        return;
    struct route_shard *shard = &doc->shard[doc->shard_count];
    const json_t *range = json_object_get(item, "key_range");
    const char *primary = json_string_value(json_object_get(item, "primary"));
    if (primary == NULL)
        return;
    memset(shard, 0, sizeof(*shard));
    copy_text(shard->keyspace, sizeof(shard->keyspace), keyspace);
    copy_text(shard->name, sizeof(shard->name), json_string_value(json_object_get(item, "name")));
    copy_text(shard->database, sizeof(shard->database),
              json_string_value(json_object_get(item, "database")));
    set_address(shard, primary);
    shard->start = range_bound(json_string_value(json_object_get(range, "start")));
    shard->end = range_bound(json_string_value(json_object_get(range, "end")));
    shard->serving = json_is_true(json_object_get(item, "serving"));
    doc->shard_count++;
}

static enum writer_table table_by_name(const char *name, const char *keyspace)
{
    size_t len = strlen(keyspace);
    if (strncmp(name, keyspace, len) == 0 && name[len] == '.')
        name += len + 1;
    for (unsigned i = 0; i < TABLE_COUNT; i++)
        if (strcmp(name, writer_table_name[i]) == 0)
            return (enum writer_table)i;
    return TABLE_COUNT;
}

static void read_rules(struct route_doc *doc, const json_t *rules, const char *keyspace)
{
    size_t index;
    const json_t *rule;
    json_array_foreach(rules, index, rule)
    {
        const char *from = json_string_value(json_object_get(rule, "from_table"));
        const char *to = json_string_value(json_array_get(json_object_get(rule, "to_tables"), 0));
        enum writer_table table = from ? table_by_name(from, keyspace) : TABLE_COUNT;
        if (table == TABLE_COUNT || to == NULL || strchr(to, '.') == NULL)
            continue;
        snprintf(doc->keyspace_of[table], sizeof(doc->keyspace_of[table]), "%.*s",
                 (int)(strchr(to, '.') - to), to);
    }
}

static bool has_keyspace(const struct route_doc *doc, const char *keyspace)
{
    for (unsigned i = 0; i < doc->shard_count; i++)
        if (strcmp(doc->shard[i].keyspace, keyspace) == 0)
            return true;
    return false;
}

/* The shard of the command line, "HOST:PORT/DATABASE". */
static void add_fallback(struct route_doc *doc, const struct writer_options *options)
{
    struct route_shard *shard = &doc->shard[doc->shard_count++];
    const char *slash = strchr(options->fallback, '/');
    char address[160];
    snprintf(address, sizeof(address), "%.*s",
             slash ? (int)(slash - options->fallback) : (int)strlen(options->fallback),
             options->fallback);
    memset(shard, 0, sizeof(*shard));
    copy_text(shard->keyspace, sizeof(shard->keyspace), options->keyspace);
    copy_text(shard->name, sizeof(shard->name), "-");
    copy_text(shard->database, sizeof(shard->database), slash ? slash + 1 : options->keyspace);
    set_address(shard, address);
    shard->serving = true;
}

void route_init(struct route_doc *doc, const struct writer_options *options)
{
    memset(doc, 0, sizeof(*doc));
    for (unsigned i = 0; i < TABLE_COUNT; i++)
        copy_text(doc->keyspace_of[i], sizeof(doc->keyspace_of[i]), options->keyspace);
    add_fallback(doc, options);
}

static void read_document(struct route_doc *doc, const json_t *root,
                          const struct writer_options *options)
{
    const char *keyspace;
    json_t *item;
    memset(doc, 0, sizeof(*doc));
    doc->version = (uint64_t)json_integer_value(json_object_get(root, "version"));
    for (unsigned i = 0; i < TABLE_COUNT; i++)
        copy_text(doc->keyspace_of[i], sizeof(doc->keyspace_of[i]), options->keyspace);
    json_object_foreach(json_object_get(root, "keyspaces"), keyspace, item)
    {
        size_t index;
        json_t *shard;
        json_array_foreach(json_object_get(item, "shards"), index, shard)
            read_shard(doc, keyspace, shard);
    }
    read_rules(doc, json_object_get(root, "routing_rules"), options->keyspace);
    /* Products stay where they are: a reference table is copied, never moved. */
    copy_text(doc->keyspace_of[TABLE_PRODUCTS], sizeof(doc->keyspace_of[TABLE_PRODUCTS]),
              options->keyspace);
    if (!has_keyspace(doc, options->keyspace))
        add_fallback(doc, options);
}

bool route_refresh(struct route_doc *doc, struct route_stamp *stamp,
                   const struct writer_options *options)
{
    struct stat st;
    if (options->routing_path == NULL || stat(options->routing_path, &st) != 0)
        return false;
    struct route_stamp now = {
        .inode = st.st_ino,
        .size_bytes = (uint64_t)st.st_size,
        .mtime_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec,
    };
    if (memcmp(&now, stamp, sizeof(now)) == 0)
        return false;
    json_t *root = json_load_file(options->routing_path, 0, NULL);
    if (root == NULL)
        return false;
    read_document(doc, root, options);
    json_decref(root);
    *stamp = now;
    return true;
}

const struct route_shard *route_find(const struct route_doc *doc, enum writer_table table,
                                     uint64_t customer_id)
{
    uint64_t id = table == TABLE_PRODUCTS ? 0 : route_keyspace_id(customer_id);
    for (unsigned i = 0; i < doc->shard_count; i++) {
        const struct route_shard *shard = &doc->shard[i];
        if (!shard->serving || strcmp(shard->keyspace, doc->keyspace_of[table]) != 0)
            continue;
        if (id >= shard->start && (shard->end == 0 || id < shard->end))
            return shard;
    }
    return NULL;
}
