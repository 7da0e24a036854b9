/* app/config/config_keys.c — the table of configuration keys and the check of a file against it. */
#include "app/config/config_keys.h"

#include "base/sys.h"
#include "base/text.h"
#include "sinks/sink.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

const struct config_key config_keys[] = {
    {"name", CONFIG_TEXT, NULL, NULL, 0, 0, true,
     "this installation: prefix of consumer groups, transactional ids and markers"},
    {"state", CONFIG_TEXT, "/var/lib/sluice", NULL, 0, 0, false,
     "directory for state.db, spill files and sockets (made 0700)"},
    {"server_ids", CONFIG_TEXT, "900000-900999", NULL, 0, 0, false,
     "range of replica server ids, one for each log that is read at a time"},
    {"listen", CONFIG_TEXT, NULL, NULL, 0, 0, false,
     "unix:PATH or 127.0.0.1:PORT of the API; default unix:<state>/api.sock"},
    {"token_file", CONFIG_TEXT, NULL, NULL, 0, 0, false,
     "file (0600 or 0640) with the bearer token that the API demands; needed with 127.0.0.1:PORT"},
    {"metrics_listen", CONFIG_TEXT, NULL, NULL, 0, 0, false,
     "HOST:PORT that answers /metrics, /healthz and /readyz without a token"},
    {"limits", CONFIG_MAP, NULL, NULL, 0, 0, false, "bounds of memory and disk"},
    {"limits.ring", CONFIG_SIZE, "64MiB", NULL, 1048576, 17179869184, false,
     "recent changes kept a source, for consumers that join"},
    {"limits.copy_memory", CONFIG_SIZE, "16MiB", NULL, 1048576, 17179869184, false,
     "all buffers of one workflow's copiers together"},
    {"limits.copiers", CONFIG_INT, "2", NULL, 1, 64, false, "parallel readers of an initial copy"},
    {"limits.spill_max", CONFIG_SIZE, "20GiB", NULL, 1048576, 1099511627776, false,
     "largest transaction that is kept on disk until its commit is seen"},
    {"limits.private_readers", CONFIG_INT, "4", NULL, 1, 64, false,
     "extra log readers a source for consumers that lag"},
    {"credentials", CONFIG_MAP, NULL, NULL, 0, 0, false, "logins by name"},
    {"credentials.*", CONFIG_MAP, NULL, NULL, 0, 0, false, "one login"},
    {"credentials.*.user", CONFIG_TEXT, NULL, NULL, 0, 0, true, "account"},
    {"credentials.*.password_file", CONFIG_TEXT, NULL, NULL, 0, 0, false,
     "file with the password (0600); read anew at each connect"},
    {"credentials.*.password_command", CONFIG_TEXT, NULL, NULL, 0, 0, false,
     "command that prints the password (tokens that expire)"},
    {"credentials.*.cleartext_password", CONFIG_WORDS, "never", "never|verify_identity|verify_ca",
     0, 0, false,
     "whether a server may ask for the password as it is (PAM, LDAP, cloud tokens): only with "
     "tls.mode VERIFY_IDENTITY, or from VERIFY_CA on"},
    {"credentials.*.tls", CONFIG_MAP, NULL, NULL, 0, 0, false, "encryption of the connections"},
    {"credentials.*.tls.mode", CONFIG_WORDS, NULL,
     "DISABLED|PREFERRED|REQUIRED|VERIFY_CA|VERIFY_IDENTITY", 0, 0, false,
     "as the mysql client; default VERIFY_IDENTITY with a ca, else DISABLED on a socket, "
     "PREFERRED on loopback, REQUIRED elsewhere"},
    {"credentials.*.tls.ca", CONFIG_TEXT, NULL, NULL, 0, 0, false,
     "file with the certificate authorities"},
    {"credentials.*.tls.cert", CONFIG_TEXT, NULL, NULL, 0, 0, false, "our certificate"},
    {"credentials.*.tls.key", CONFIG_TEXT, NULL, NULL, 0, 0, false, "its key"},
    {"credentials.*.compress", CONFIG_BOOL, "false", NULL, 0, 0, false,
     "compress what goes over the connections, the log too; for slow networks"},
    {"keyspaces", CONFIG_MAP, NULL, NULL, 0, 0, true, "logical databases by name"},
    {"keyspaces.*", CONFIG_MAP, NULL, NULL, 0, 0, false, "one keyspace"},
    {"keyspaces.*.vschema", CONFIG_TEXT, NULL, NULL, 0, 0, false,
     "file with Vitess vschema JSON, relative to this file"},
    {"keyspaces.*.shards", CONFIG_MAP, NULL, NULL, 0, 0, true,
     "shards by key range (`-`, `-80`, `80-`), or template and ranges"},
    {"keyspaces.*.shards.template", CONFIG_TEXT, NULL, NULL, 0, 0, false,
     "address of many shards alike: {n} is the shard's number from 0"},
    {"keyspaces.*.shards.ranges", CONFIG_INT, NULL, NULL, 1, 4096, false,
     "how many equal key ranges the template makes"},
    {"keyspaces.*.shards.database", CONFIG_TEXT, NULL, NULL, 0, 0, false, "their database"},
    {"keyspaces.*.shards.credentials", CONFIG_TEXT, NULL, NULL, 0, 0, false, "their login"},
    {"keyspaces.*.shards.cell", CONFIG_TEXT, NULL, NULL, 0, 0, false, "their cell"},
    {"keyspaces.*.shards.*", CONFIG_MAP, NULL, NULL, 0, 0, false, "one shard"},
    {"keyspaces.*.shards.*.primary", CONFIG_TEXT, NULL, NULL, 0, 0, true,
     "host:port or unix:PATH of the server that takes writes"},
    {"keyspaces.*.shards.*.replicas", CONFIG_LIST, NULL, NULL, 0, 0, false,
     "addresses of its replicas, for the routing document"},
    {"keyspaces.*.shards.*.database", CONFIG_TEXT, NULL, NULL, 0, 0, true,
     "database on that server"},
    {"keyspaces.*.shards.*.credentials", CONFIG_TEXT, NULL, NULL, 0, 0, true,
     "name under credentials"},
    {"keyspaces.*.shards.*.cell", CONFIG_TEXT, NULL, NULL, 0, 0, false, "where it stands"},
    {"routing", CONFIG_MAP, NULL, NULL, 0, 0, false, "publication of the routing document"},
    {"routing.file", CONFIG_TEXT, NULL, NULL, 0, 0, false,
     "file that is written atomically; default <state>/routing.json"},
    {"routing.kafka_topic", CONFIG_TEXT, NULL, NULL, 0, 0, false,
     "refused: not offered yet; read routing.file or GET /v1/routing"},
    {"routing.to", CONFIG_TEXT, NULL, NULL, 0, 0, false,
     "refused: not offered yet, as routing.kafka_topic"},
    {"fence", CONFIG_MAP, NULL, NULL, 0, 0, false, "how tables are closed at a switch"},
    {"fence.mode", CONFIG_WORDS, "auto", "auto|trigger|rename", 0, 0, false,
     "auto: trigger where privileges allow it, else rename"},
    {"sinks", CONFIG_MAP, NULL, NULL, 0, 0, false,
     "streams to publish, by name; commands refuse to change these"},
    {"sinks.*", CONFIG_MAP, NULL, NULL, 0, 0, false, "one sink"},
    {"sinks.*.keyspace", CONFIG_TEXT, NULL, NULL, 0, 0, true, "whose changes"},
    {"sinks.*.tables", CONFIG_LIST, NULL, NULL, 0, 0, false, "which tables; default all"},
    {"sinks.*.to", CONFIG_TEXT, NULL, NULL, 0, 0, true,
     "kafka://host:port[,…], file:PATH or stdout"},
    {"sinks.*.format", CONFIG_WORDS, SINK_DEFAULT_FORMAT, "ndjson|debezium-json", 0, 0, false,
     "record format"},
    {"sinks.*.prefix", CONFIG_TEXT, NULL, NULL, 0, 0, false,
     "Debezium's topic.prefix; default the installation's name"},
    {"sinks.*.topic", CONFIG_TEXT, SINK_DEFAULT_TOPIC, NULL, 0, 0, false,
     "topic template: {prefix} {keyspace} {shard} {db} {table}"},
    {"sinks.*.delivery", CONFIG_WORDS, "at-least-once", "at-least-once", 0, 0, false, "guarantee"},
    {"sinks.*.copy", CONFIG_BOOL, "false", NULL, 0, 0, false, "publish the rows that exist first"},
    {"sinks.*.from", CONFIG_TEXT, SINK_DEFAULT_FROM, NULL, 0, 0, false,
     "current, beginning or a VGTID; only where there is no checkpoint"},
    {"sinks.*.on_record_error", CONFIG_WORDS, "stop", "stop|dead_letter", 0, 0, false,
     "what happens to a record that the sink refuses"},
    {"sinks.*.on_statement", CONFIG_WORDS, SINK_DEFAULT_ON_STATEMENT, SINK_ON_STATEMENT, 0, 0,
     false,
     "at a statement in the log instead of rows: stop, unless it is proven to change only other "
     "databases, or never"},
    {"sinks.*.flush_bytes", CONFIG_INT, "1048576", NULL, 1, 1073741824, false,
     "records wait for a checkpoint at most until there are so many bytes"},
    {"sinks.*.flush_ms", CONFIG_INT, "100", NULL, 1, 60000, false,
     "and at most for so many milliseconds"},
    {"sinks.*.positions_topic", CONFIG_TEXT, NULL, NULL, 0, 0, false,
     "compacted topic for the sink's own position; default {prefix}.positions"},
    {"sinks.*.kafka", CONFIG_ANY, NULL, NULL, 0, 0, false,
     "librdkafka properties, passed on as they are; NAME_file: NAME is the first line of that "
     "file"},
    {NULL, CONFIG_MAP, NULL, NULL, 0, 0, false, NULL},
};

/* Does a table path (with `*`) match this one? */
static bool path_matches(const char *pattern, const char *path)
{
    while (*pattern != '\0' && *path != '\0') {
        size_t n = strcspn(pattern, "."), m = strcspn(path, "/");
        if (!(n == 1 && pattern[0] == '*') && (n != m || strncmp(pattern, path, n) != 0))
            return false;
        pattern += n;
        path += m;
        if ((*pattern == '.') != (*path == '/'))
            return false;
        pattern += *pattern == '.';
        path += *path == '/';
    }
    return *pattern == '\0' && *path == '\0';
}

/* The exact key first, else the one with a wildcard. Paths here are joined by "/", for names hold
 * dots. */
static const struct config_key *find_key(const char *path)
{
    const struct config_key *wild = NULL;
    const char *leaf = strrchr(path, '/');
    leaf = leaf != NULL ? leaf + 1 : path;
    for (const struct config_key *k = config_keys; k->path != NULL; k++) {
        if (!path_matches(k->path, path))
            continue;
        const char *last = strrchr(k->path, '.');
        last = last != NULL ? last + 1 : k->path;
        if (strcmp(last, leaf) == 0)
            return k;
        wild = k;
    }
    return wild;
}

static bool unknown_key(const char *path, const char *file, unsigned line, struct err *e)
{
    const char *names[128];
    size_t n = 0;
    const char *leaf = strrchr(path, '/');
    size_t parent_len = leaf != NULL ? (size_t)(leaf - path) : 0;
    leaf = leaf != NULL ? leaf + 1 : path;
    for (const struct config_key *k = config_keys; k->path != NULL && n < 128; k++) {
        const char *last = strrchr(k->path, '.');
        char candidate[512];
        last = last != NULL ? last + 1 : k->path;
        snprintf(candidate, sizeof candidate, "%.*s%s%s", (int)parent_len, path,
                 parent_len > 0 ? "/" : "", last);
        if (last[0] != '*' && path_matches(k->path, candidate))
            names[n++] = last;
    }
    const char *near = text_nearest(leaf, names, n);
    err_set(e, ERR_CONFIG, "%s:%u: unknown key '%s'", file, line, leaf);
    if (near != NULL)
        return err_cure(e, "did you mean '%s'? `sluice config reference` lists all keys", near);
    return err_cure(e, "`sluice config reference` lists all keys");
}

static bool word_known(const char *words, const char *text)
{
    size_t n = strlen(text);
    for (const char *p = words; *p != '\0'; p += strcspn(p, "|"), p += *p == '|')
        if (strcspn(p, "|") == n && strncasecmp(p, text, n) == 0)
            return true;
    return false;
}

static bool scalar_fits(const struct config_key *k, const char *text, char *why, size_t why_len)
{
    int64_t i;
    uint64_t bytes;
    struct err ignored = ERR_INIT;
    bool ok = true;
    if (k->type == CONFIG_INT)
        ok = sys_parse_i64(text, &i) && (k->max == 0 || (i >= k->min && i <= k->max));
    else if (k->type == CONFIG_SIZE)
        ok = sys_parse_size(text, &bytes, &ignored) && bytes >= (uint64_t)k->min &&
             bytes <= (uint64_t)k->max;
    else if (k->type == CONFIG_BOOL)
        ok = strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
    else if (k->type == CONFIG_WORDS)
        ok = word_known(k->words, text);
    if (ok)
        return true;
    if (k->words != NULL)
        snprintf(why, why_len, "must be one of %s", k->words);
    else if (k->type == CONFIG_BOOL)
        snprintf(why, why_len, "must be true or false");
    else
        snprintf(why, why_len, "must be a %s from %lld to %lld",
                 k->type == CONFIG_SIZE ? "size (like 64MiB)" : "number", (long long)k->min,
                 (long long)k->max);
    return false;
}

static bool check_node(const struct ytree *n, const char *path, const char *file, struct err *e);

static bool check_children(const struct ytree *n, const char *path, const char *file, struct err *e)
{
    char child[1024];
    for (size_t i = 0; i < n->n; i++) {
        snprintf(child, sizeof child, "%s%s%s", path, path[0] != '\0' ? "/" : "", n->keys[i]);
        if (!check_node(n->items[i], child, file, e))
            return false;
    }
    for (const struct config_key *k = config_keys; k->path != NULL; k++) {
        const char *last = strrchr(k->path, '.');
        last = last != NULL ? last + 1 : k->path;
        snprintf(child, sizeof child, "%s%s%s", path, path[0] != '\0' ? "/" : "", last);
        if (k->required && last[0] != '*' && path_matches(k->path, child) &&
            ytree_get(n, last) == NULL)
            return err_set(e, ERR_CONFIG, "%s:%u: '%s' is missing (%s)", file, n->line, last,
                           k->doc);
    }
    return true;
}

static bool check_node(const struct ytree *n, const char *path, const char *file, struct err *e)
{
    char why[200];
    const struct config_key *k = find_key(path);
    const char *leaf = strrchr(path, '/');
    leaf = leaf != NULL ? leaf + 1 : path;
    if (k == NULL)
        return unknown_key(path, file, n->line, e);
    switch (k->type) {
    case CONFIG_ANY:
        return true;
    case CONFIG_MAP:
        if (n->kind != YTREE_MAP)
            return err_set(e, ERR_CONFIG, "%s:%u: '%s' must hold keys", file, n->line, leaf);
        return check_children(n, path, file, e);
    case CONFIG_LIST:
        for (size_t i = 0; i < n->n; i++)
            if (n->kind != YTREE_LIST || n->items[i]->kind != YTREE_SCALAR)
                return err_set(e, ERR_CONFIG, "%s:%u: '%s' must be a list of words", file, n->line,
                               leaf);
        return n->kind == YTREE_LIST ||
               err_set(e, ERR_CONFIG, "%s:%u: '%s' must be a list", file, n->line, leaf);
    case CONFIG_TEXT:
    case CONFIG_INT:
    case CONFIG_SIZE:
    case CONFIG_BOOL:
    case CONFIG_WORDS:
        break;
    }
    if (n->kind != YTREE_SCALAR)
        return err_set(e, ERR_CONFIG, "%s:%u: '%s' must be a single value", file, n->line, leaf);
    if (!scalar_fits(k, n->text, why, sizeof why))
        return err_set(e, ERR_CONFIG, "%s:%u: '%s' %s, not '%s'", file, n->line, leaf, why,
                       n->text);
    return true;
}

bool config_keys_check(const struct ytree *root, const char *file, struct err *e)
{
    if (root->kind != YTREE_MAP)
        return err_set(e, ERR_CONFIG, "%s: must hold keys", file);
    return check_children(root, "", file, e);
}

const char *config_keys_text(const struct ytree *root, const char *path)
{
    const struct ytree *n = root;
    for (const char *p = path; n != NULL && *p != '\0';) {
        char part[64];
        size_t len = strcspn(p, ".");
        snprintf(part, sizeof part, "%.*s", (int)len, p);
        n = ytree_get(n, part);
        p += len;
        p += *p == '.';
    }
    if (n != NULL && n->kind == YTREE_SCALAR)
        return n->text;
    for (const struct config_key *k = config_keys; k->path != NULL; k++)
        if (strcmp(k->path, path) == 0)
            return k->fallback;
    return NULL;
}
