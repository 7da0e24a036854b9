/* app/config/config.c — from the checked YAML tree to the topology, limits and sinks that the
 * program uses. */
#include "app/config/config.h"

#include "app/config/config_keys.h"
#include "base/address.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sys.h"
#include "schemas/sharding/vschema.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define VSCHEMA_MAX_BYTES ((size_t)16 * 1024 * 1024)

void config_free(struct config *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->n_sinks; i++)
        sink_spec_fini(&c->sinks[i]);
    free(c->sinks);
    topology_free(c->topo);
    free(c->path);
    free(c->state_dir);
    free(c->listen);
    free(c->token_file);
    free(c->metrics_listen);
    free(c->routing_file);
    free(c);
}

static char *dup_text(const struct ytree *map, const char *key)
{
    return mem_strdup(ytree_text(map, key));
}

static bool is_loopback(const struct my_params *p)
{
    return p->socket != NULL || address_is_loopback(p->host);
}

static enum my_tls_mode tls_mode(const char *word, const struct my_params *p)
{
    static const char *const words[] = {"DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA",
                                        "VERIFY_IDENTITY"};
    for (unsigned i = 0; word != NULL && i < 5; i++)
        if (strcasecmp(words[i], word) == 0)
            return (enum my_tls_mode)i;
    if (p->tls_ca != NULL)
        return MY_TLS_VERIFY_IDENTITY;
    if (p->socket != NULL)
        return MY_TLS_DISABLED; /* it does not leave the machine */
    return is_loopback(p) ? MY_TLS_PREFERRED : MY_TLS_REQUIRED;
}

static enum my_cleartext cleartext(const char *word)
{
    if (word == NULL || strcasecmp(word, "never") == 0)
        return MY_CLEARTEXT_NEVER;
    return strcasecmp(word, "verify_ca") == 0 ? MY_CLEARTEXT_VERIFY_CA
                                              : MY_CLEARTEXT_VERIFY_IDENTITY;
}

static bool check_cleartext(const struct my_params *p, const char *name, struct err *e)
{
    bool by_ca = p->cleartext == MY_CLEARTEXT_VERIFY_CA;
    if (p->cleartext == MY_CLEARTEXT_NEVER || my_params_allow_cleartext(p))
        return true;
    err_set(e, ERR_CONFIG,
            "credentials '%s': cleartext_password would show the password to whoever answers on %s",
            name, p->host);
    return err_cure(e, "set tls.mode to %s",
                    by_ca ? "VERIFY_CA or VERIFY_IDENTITY" : "VERIFY_IDENTITY");
}

static bool fill_login(struct my_params *p, const struct ytree *root, const char *name,
                       struct err *e)
{
    const struct ytree *login = ytree_get(ytree_get(root, "credentials"), name != NULL ? name : "");
    if (login == NULL) {
        err_set(e, ERR_CONFIG, "credentials '%s' are not defined", name != NULL ? name : "");
        return err_cure(e, "add them under `credentials:`");
    }
    const struct ytree *tls = ytree_get(login, "tls");
    p->user = dup_text(login, "user");
    p->password_file = dup_text(login, "password_file");
    p->password_command = dup_text(login, "password_command");
    p->tls_ca = dup_text(tls, "ca");
    p->tls_cert = dup_text(tls, "cert");
    p->tls_key = dup_text(tls, "key");
    p->tls_mode = tls_mode(ytree_text(tls, "mode"), p);
    const char *compress = ytree_text(login, "compress");
    p->compress = compress != NULL && strcmp(compress, "true") == 0;
    p->cleartext = cleartext(ytree_text(login, "cleartext_password"));
    return check_cleartext(p, name, e);
}

static bool fill_shard(struct topo_shard *s, const char *keyspace, const char *name,
                       const char *address, const struct ytree *n, const struct ytree *root,
                       struct err *e)
{
    s->keyspace = mem_strdup(keyspace);
    s->name = mem_strdup(strcmp(name, "0") == 0 ? "-" : name);
    s->primary_address = mem_strdup(address);
    s->cell = dup_text(n, "cell");
    s->primary.database = dup_text(n, "database");
    if (s->primary.database == NULL)
        return err_set(e, ERR_CONFIG, "keyspace %s, shard %s: 'database' is missing", keyspace,
                       name);
    const struct ytree *replicas = ytree_get(n, "replicas");
    s->n_replicas = replicas != NULL ? replicas->n : 0;
    s->replicas = mem_calloc(s->n_replicas + 1, sizeof(char *));
    for (size_t i = 0; i < s->n_replicas; i++)
        s->replicas[i] = mem_strdup(replicas->items[i]->text);
    if (!keyrange_parse(s->name, &s->range, e) ||
        !my_params_parse_address(&s->primary, address, e) ||
        !fill_login(&s->primary, root, ytree_text(n, "credentials"), e))
        return err_prepend(e, "keyspace %s, shard %s", keyspace, name);
    return true;
}

static bool fill_template(struct topo_keyspace *ks, const struct ytree *shards,
                          const struct ytree *root, struct err *e)
{
    const char *pattern = ytree_text(shards, "template");
    int64_t n = 0;
    struct buf names = BUF_INIT;
    bool ok = true;
    const char *text = ytree_text(shards, "ranges");
    if (text == NULL || !sys_parse_i64(text, &n))
        return err_set(e, ERR_CONFIG, "keyspace %s: a template needs `ranges`", ks->name);
    const char *hole = strstr(pattern, "{n}");
    if (hole == NULL)
        return err_set(e, ERR_CONFIG, "keyspace %s: the template '%s' lacks {n}", ks->name,
                       pattern);
    ks->shards = mem_calloc((size_t)n, sizeof *ks->shards);
    ok = keyrange_generate((unsigned)n, &names, e);
    char *rest = NULL;
    char *name = ok ? strtok_r((char *)names.data, "\n", &rest) : NULL;
    for (int64_t i = 0; ok && i < n && name != NULL; i++, name = strtok_r(NULL, "\n", &rest)) {
        char *address =
            mem_printf("%.*s%lld%s", (int)(hole - pattern), pattern, (long long)i, hole + 3);
        ok = fill_shard(&ks->shards[ks->n_shards++], ks->name, name, address, shards, root, e);
        free(address);
    }
    buf_fini(&names);
    return ok;
}

static bool fill_shards(struct topo_keyspace *ks, const struct ytree *shards,
                        const struct ytree *root, struct err *e)
{
    if (ytree_get(shards, "template") != NULL)
        return fill_template(ks, shards, root, e);
    ks->shards = mem_calloc(shards->n + 1, sizeof *ks->shards);
    for (size_t i = 0; i < shards->n; i++) {
        const struct ytree *n = shards->items[i];
        if (n->kind != YTREE_MAP)
            return err_set(e, ERR_CONFIG, "keyspace %s: '%s' is only for a template", ks->name,
                           shards->keys[i]);
        if (!fill_shard(&ks->shards[ks->n_shards++], ks->name, shards->keys[i],
                        ytree_text(n, "primary"), n, root, e))
            return false;
    }
    if (ks->n_shards == 0)
        return err_set(e, ERR_CONFIG, "keyspace %s has no shard", ks->name);
    return true;
}

/* A path in the file is relative to the file. */
static char *relative_to(const char *config_path, const char *path)
{
    const char *slash = strrchr(config_path, '/');
    if (path[0] == '/' || slash == NULL)
        return mem_strdup(path);
    return mem_printf("%.*s/%s", (int)(slash - config_path), config_path, path);
}

static void warn_of_param(void *keyspace, const struct vindex *vindex, const char *param)
{
    log_warn("config",
             "keyspace %s: vindex %s of type %s takes no parameter '%.100s': it is ignored",
             (const char *)keyspace, vindex_name(vindex), vindex_type(vindex), param);
}

static bool fill_vschema(struct topo_keyspace *ks, const char *config_path, const char *file,
                         struct err *e)
{
    if (file == NULL) {
        ks->vschema = vschema_empty();
        return true;
    }
    struct buf text = BUF_INIT;
    char *path = relative_to(config_path, file);
    if (sys_read_file(path, VSCHEMA_MAX_BYTES, &text, e))
        ks->vschema = vschema_parse(buf_str(&text), e);
    if (ks->vschema == NULL)
        err_prepend(e, "keyspace %s: vschema %s", ks->name, path);
    else
        vschema_unknown_params(ks->vschema, warn_of_param, ks->name);
    buf_fini(&text);
    ks->vschema_file = path;
    return ks->vschema != NULL;
}

static bool fill_keyspaces(struct config *c, const struct ytree *root, struct err *e)
{
    const struct ytree *all = ytree_get(root, "keyspaces");
    struct topology *t = c->topo;
    t->keyspaces = mem_calloc(all->n + 1, sizeof *t->keyspaces);
    for (size_t i = 0; i < all->n; i++) {
        struct topo_keyspace *ks = &t->keyspaces[t->n_keyspaces++];
        ks->name = mem_strdup(all->keys[i]);
        if (!fill_vschema(ks, c->path, ytree_text(all->items[i], "vschema"), e) ||
            !fill_shards(ks, ytree_get(all->items[i], "shards"), root, e))
            return false;
    }
    return topology_finish(t, e);
}

static bool fill_server_ids(struct topology *t, const char *text, struct err *e)
{
    char first[24];
    uint64_t a, b;
    const char *dash = strchr(text, '-');
    size_t n = dash != NULL ? (size_t)(dash - text) : 0;
    if (n > 0 && n < sizeof first) {
        memcpy(first, text, n);
        first[n] = '\0';
        if (sys_parse_u64(first, &a) && sys_parse_u64(dash + 1, &b) && a > 0 && a <= b &&
            b <= UINT32_MAX) {
            t->server_id_first = (uint32_t)a;
            t->server_id_last = (uint32_t)b;
            return true;
        }
    }
    return err_set(e, ERR_CONFIG, "server_ids '%s' is no range like 900000-900999", text);
}

static void fill_sink(struct sink_spec *s, const char *name, const struct ytree *n,
                      const char *installation)
{
    const char *prefix = ytree_text(n, "prefix"), *format = ytree_text(n, "format"),
               *topic = ytree_text(n, "topic");
    const struct ytree *tables = ytree_get(n, "tables");
    struct buf json = BUF_INIT;
    const char *copy = ytree_text(n, "copy"), *from = ytree_text(n, "from");
    ytree_json(n, &json);
    s->name = mem_strdup(name);
    s->keyspace = dup_text(n, "keyspace");
    s->to = dup_text(n, "to");
    s->format = mem_strdup(format != NULL ? format : SINK_DEFAULT_FORMAT);
    s->prefix = mem_strdup(prefix != NULL ? prefix : installation);
    s->topic = mem_strdup(topic != NULL ? topic : SINK_DEFAULT_TOPIC);
    s->from = mem_strdup(from != NULL ? from : SINK_DEFAULT_FROM);
    s->copy = copy != NULL && strcmp(copy, "true") == 0;
    s->options_json = buf_take(&json);
    s->from_yaml = true;
    s->n_tables = tables != NULL ? tables->n : 0;
    s->tables = mem_calloc(s->n_tables + 1, sizeof(char *));
    for (size_t i = 0; i < s->n_tables; i++)
        s->tables[i] = mem_strdup(tables->items[i]->text);
}

static void fill_sinks(struct config *c, const struct ytree *root)
{
    const struct ytree *all = ytree_get(root, "sinks");
    c->n_sinks = all != NULL ? all->n : 0;
    c->sinks = mem_calloc(c->n_sinks + 1, sizeof *c->sinks);
    for (size_t i = 0; i < c->n_sinks; i++)
        fill_sink(&c->sinks[i], all->keys[i], all->items[i], c->topo->installation);
}

/* Keys of what is not offered yet: nobody is to wait for it. */
static bool check_routing(const struct ytree *root, struct err *e)
{
    static const char *const keys[] = {"routing.kafka_topic", "routing.to"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (config_keys_text(root, keys[i]) == NULL)
            continue;
        err_set(e, ERR_CONFIG, "%s: the routing document is not published to Kafka yet", keys[i]);
        return err_cure(e, "remove the key; read routing.file or GET /v1/routing");
    }
    return true;
}

static bool check_sinks(const struct config *c, struct err *e)
{
    for (size_t i = 0; i < c->n_sinks; i++)
        if (topology_keyspace(c->topo, c->sinks[i].keyspace) == NULL)
            return err_set(e, ERR_CONFIG, "sink %s: there is no keyspace %s", c->sinks[i].name,
                           c->sinks[i].keyspace);
    return true;
}

static uint64_t size_of(const struct ytree *root, const char *path)
{
    uint64_t bytes = 0;
    struct err ignored = ERR_INIT;
    return sys_parse_size(config_keys_text(root, path), &bytes, &ignored) ? bytes : 0;
}

static unsigned number_of(const struct ytree *root, const char *path)
{
    uint64_t n = 0;
    return sys_parse_u64(config_keys_text(root, path), &n) ? (unsigned)n : 0;
}

static void fill_scalars(struct config *c, const struct ytree *root)
{
    const char *fence = config_keys_text(root, "fence.mode"), *listen = ytree_text(root, "listen");
    const char *routing = config_keys_text(root, "routing.file");
    c->topo->installation = dup_text(root, "name");
    c->state_dir = mem_strdup(config_keys_text(root, "state"));
    c->listen = listen != NULL ? mem_strdup(listen) : mem_printf("unix:%s/api.sock", c->state_dir);
    c->token_file = dup_text(root, "token_file");
    c->metrics_listen = dup_text(root, "metrics_listen");
    c->ring_bytes = size_of(root, "limits.ring");
    c->copy_memory_bytes = size_of(root, "limits.copy_memory");
    c->spill_max_bytes = size_of(root, "limits.spill_max");
    c->private_readers = number_of(root, "limits.private_readers");
    c->copiers = number_of(root, "limits.copiers");
    c->routing_file =
        routing != NULL ? mem_strdup(routing) : mem_printf("%s/routing.json", c->state_dir);
    c->fence = strcasecmp(fence, "trigger") == 0  ? VREPL_FENCE_TRIGGER
               : strcasecmp(fence, "rename") == 0 ? VREPL_FENCE_RENAME
                                                  : VREPL_FENCE_AUTO;
}

static const char *default_path(const char *path)
{
    if (path != NULL)
        return path;
    return access("sluice.yaml", R_OK) == 0 ? "sluice.yaml" : "/etc/sluice/sluice.yaml";
}

struct config *config_load(const char *path, struct err *e)
{
    struct config *c = mem_alloc(sizeof *c);
    c->path = mem_strdup(default_path(path));
    c->topo = mem_alloc(sizeof *c->topo);
    struct ytree *root = ytree_load(c->path, e);
    bool ok = root != NULL && config_keys_check(root, c->path, e);
    if (ok) {
        fill_scalars(c, root);
        fill_sinks(c, root);
        ok = (fill_server_ids(c->topo, config_keys_text(root, "server_ids"), e) &&
              fill_keyspaces(c, root, e) && check_sinks(c, e) && check_routing(root, e)) ||
             err_prepend(e, "%s", c->path);
    } else if (root == NULL && path == NULL) {
        err_cure(e, "name the configuration with --config or SLUICE_CONFIG");
    }
    ytree_free(root);
    if (ok)
        return c;
    config_free(c);
    return NULL;
}

static void show_shard(const struct topo_shard *s, struct buf *out)
{
    static const char *const modes[] = {"DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA",
                                        "VERIFY_IDENTITY"};
    buf_printf(out, "      \"%s\": {primary: %s, database: %s, user: %s, tls: %s", s->name,
               s->primary_address, s->primary.database, s->primary.user,
               modes[s->primary.tls_mode]);
    if (s->cell != NULL)
        buf_printf(out, ", cell: %s", s->cell);
    buf_printf(out, ", password: %s}\n",
               s->primary.password_file != NULL || s->primary.password_command != NULL ? "(set)"
                                                                                       : "(none)");
}

static void show_text(const struct config *c, struct buf *out)
{
    static const char *const fences[] = {"auto", "trigger", "rename"};
    const struct topology *t = c->topo;
    buf_printf(out, "# %s\nname: %s\nstate: %s\nlisten: %s\nserver_ids: %u-%u\n", c->path,
               t->installation, c->state_dir, c->listen, t->server_id_first, t->server_id_last);
    buf_printf(out,
               "limits: {ring: %llu, copy_memory: %llu, spill_max: %llu, private_readers: %u, "
               "copiers: %u}\n",
               (unsigned long long)c->ring_bytes, (unsigned long long)c->copy_memory_bytes,
               (unsigned long long)c->spill_max_bytes, c->private_readers, c->copiers);
    buf_printf(out, "routing: {file: %s}\nfence: {mode: %s}\nkeyspaces:\n", c->routing_file,
               fences[c->fence]);
    for (size_t i = 0; i < t->n_keyspaces; i++) {
        buf_printf(out, "  %s:\n    sharded: %s\n    shards:\n", t->keyspaces[i].name,
                   t->keyspaces[i].vschema->sharded ? "true" : "false");
        for (size_t k = 0; k < t->keyspaces[i].n_shards; k++)
            show_shard(&t->keyspaces[i].shards[k], out);
    }
    buf_put_str(out, c->n_sinks > 0 ? "sinks:\n" : "");
    for (size_t i = 0; i < c->n_sinks; i++)
        buf_printf(out, "  %s: {keyspace: %s, to: \"%s\", format: %s}\n", c->sinks[i].name,
                   c->sinks[i].keyspace, c->sinks[i].to, c->sinks[i].format);
}

void config_show(const struct config *c, bool json, struct buf *out)
{
    struct buf text = BUF_INIT;
    show_text(c, &text);
    if (json) {
        buf_put_str(out, "{\"config\":\"");
        buf_put_json_escaped(out, buf_str(&text), text.len);
        buf_put_str(out, "\"}\n");
    } else {
        buf_put(out, text.data, text.len);
    }
    buf_fini(&text);
}

void config_reference(struct buf *out)
{
    buf_put_str(out, "# Configuration\n\nGenerated from the key table (`sluice config reference`); "
                     "do not edit. `*` stands for a name "
                     "of your choice.\n\n| key | default | meaning |\n| --- | --- | --- |\n");
    for (const struct config_key *k = config_keys; k->path != NULL; k++) {
        buf_printf(out, "| `%s` | %s | %s%s", k->path,
                   k->fallback != NULL ? k->fallback
                   : k->required       ? "required"
                                       : "–",
                   k->doc, k->words != NULL ? "; one of " : "");
        for (const char *p = k->words != NULL ? k->words : ""; *p != '\0'; p++)
            buf_put(out, *p == '|' ? ", " : p, *p == '|' ? 2 : 1);
        buf_put_str(out, " |\n");
    }
}
