/* vrepl/workflow/routing.c — the known journals, and the routing document that follows from them.
 *
 * The document holds no time and no measurement: the same journals, workflows and configuration
 * give the same bytes, so a new version is a new fact. A crash between server, store and file costs
 * at most a skipped number.
 */
#include "vrepl/workflow/routing.h"

#include "vrepl/workflow/workflow_type.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sys.h"
#include "cdc/sidecar/journal_row.h"
#include "cdc/sidecar/note.h"
#include "cdc/vstream/serving_shards.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX ((size_t)64 * 1024 * 1024)

struct routing {
    struct cdc_journal **journals; /* sorted by id, one each */
    size_t n, cap;
    uint64_t version;
    char *document; /* with the version; NULL before the first */
    char *content;  /* without: to see whether anything changed */
};

struct routing *routing_new(void)
{
    return mem_alloc(sizeof(struct routing));
}

void routing_free(struct routing *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->n; i++) {
        cdc_journal_fini(r->journals[i]);
        free(r->journals[i]);
    }
    free(r->journals);
    free(r->document);
    free(r->content);
    free(r);
}

/* True when it was new. With engine.lock. */
static bool add_locked(struct routing *r, struct cdc_journal *take)
{
    size_t at = r->n;
    while (at > 0 && r->journals[at - 1]->id > take->id)
        at--;
    if (at > 0 && r->journals[at - 1]->id == take->id) {
        cdc_journal_fini(take);
        return false;
    }
    mem_grow((void **)&r->journals, &r->cap, r->n + 1, sizeof *r->journals);
    memmove(&r->journals[at + 1], &r->journals[at], (r->n - at) * sizeof *r->journals);
    r->journals[at] = mem_alloc(sizeof *take);
    *r->journals[at] = *take;
    memset(take, 0, sizeof *take);
    r->n++;
    return true;
}

static void cache_journal(struct vrepl_engine *g, const struct cdc_journal *j)
{
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    char key[32];
    struct err e = ERR_INIT;
    snprintf(key, sizeof key, "%020lld", (long long)j->id);
    cdc_journal_print(j, &text);
    if (g->o.store != NULL && !store_doc_put(g->o.store, "journal", key, buf_str(&text), &e))
        log_err(LOG_WARN, "routing", &e);
}

void routing_add(struct vrepl_engine *g, struct cdc_journal *take)
{
    cache_journal(g, take);
    pthread_mutex_lock(&g->lock);
    add_locked(g->routing, take);
    pthread_mutex_unlock(&g->lock);
}

static bool load_one(void *ctx, const char *key, const char *value)
{
    struct routing *r = ctx;
    struct cdc_journal j = {0};
    struct err e = ERR_INIT;
    (void)key;
    if (cdc_journal_parse(value, &j, &e))
        add_locked(r, &j);
    else
        log_err(LOG_WARN, "routing", &e);
    return true;
}

static void see_version(struct routing *r, uint64_t version)
{
    r->version = version > r->version ? version : r->version;
}

static uint64_t document_version(const char *text)
{
    json_t *j = json_loads(text, 0, NULL);
    json_int_t v = json_integer_value(json_object_get(j, "version"));
    json_decref(j);
    return v > 0 ? (uint64_t)v : 0;
}

/* The last published document: the same facts after a restart are no new version. */
static void load_document(struct routing *r, const char *text)
{
    json_t *j = json_loads(text, 0, NULL);
    if (j == NULL)
        return;
    see_version(r, document_version(text));
    json_object_del(j, "version");
    json_object_del(j, "workflow");
    r->document = mem_strdup(text);
    r->content = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(j);
}

void routing_load_cache(struct vrepl_engine *g)
{
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    struct err e = ERR_INIT;
    bool found = false;
    pthread_mutex_lock(&g->lock);
    if (g->o.store != NULL) {
        if (!store_doc_each(g->o.store, "journal", load_one, g->routing, &e) ||
            !store_doc_get(g->o.store, "routing", "document", &text, &found, &e))
            log_err(LOG_WARN, "routing", &e);
        if (found)
            load_document(g->routing, buf_str(&text));
    }
    pthread_mutex_unlock(&g->lock);
}

static void add_journal(void *ctx, const char *json)
{
    struct vrepl_engine *g = ctx;
    struct cdc_journal j = {0};
    struct err bad = ERR_INIT;
    if (cdc_journal_parse(json, &j, &bad))
        routing_add(g, &j);
    else
        log_err(LOG_WARN, "routing", &bad);
}

static void version_note(const struct vrepl_engine *g, struct buf *out)
{
    buf_printf(out, "routing:%s", g->o.installation);
}

bool routing_read_server(struct vrepl_engine *g, struct my_conn *c, struct err *e)
{
    CLEANUP(buf_fini) struct buf note = BUF_INIT;
    uint64_t version = 0;
    version_note(g, &note);
    if (!journal_rows_each(c, add_journal, g, e) || !note_read(c, buf_str(&note), &version, e))
        return false;
    pthread_mutex_lock(&g->lock);
    see_version(g->routing, version);
    pthread_mutex_unlock(&g->lock);
    return true;
}

int64_t routing_next_id(struct vrepl_engine *g)
{
    int64_t id = clock_wall_ms() << 8;
    pthread_mutex_lock(&g->lock);
    const struct routing *r = g->routing;
    if (r->n > 0 && r->journals[r->n - 1]->id >= id)
        id = r->journals[r->n - 1]->id + 1;
    pthread_mutex_unlock(&g->lock);
    return id;
}

/* Where each table is: its name, every keyspace that had it, and the one that has it now. */
struct table_home {
    const char *table;
    const char **keyspaces;
    size_t n, cap;
    const char *now;
};
struct homes {
    struct table_home *items;
    size_t n, cap;
};

static void homes_free(struct homes *h)
{
    for (size_t i = 0; i < h->n; i++)
        free(h->items[i].keyspaces);
    free(h->items);
}

static bool home_has(const struct table_home *t, const char *keyspace)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->keyspaces[i], keyspace) == 0)
            return true;
    }
    return false;
}

static void home_add(struct table_home *t, const char *keyspace)
{
    if (home_has(t, keyspace))
        return;
    mem_grow((void **)&t->keyspaces, &t->cap, t->n + 1, sizeof *t->keyspaces);
    t->keyspaces[t->n++] = keyspace;
}

static void homes_note(struct homes *h, const char *table, const char *from, const char *to,
                       bool moved)
{
    struct table_home *t = NULL;
    for (size_t i = 0; i < h->n && t == NULL; i++) {
        if (strcmp(h->items[i].table, table) == 0 &&
            (home_has(&h->items[i], from) || home_has(&h->items[i], to)))
            t = &h->items[i];
    }
    if (t == NULL) {
        mem_grow((void **)&h->items, &h->cap, h->n + 1, sizeof *h->items);
        t = &h->items[h->n++];
        *t = (struct table_home){.table = table, .now = from};
    }
    home_add(t, from);
    home_add(t, to);
    if (moved)
        t->now = to;
}

static bool is_table_journal(const struct cdc_journal *j)
{
    return !j->shards && j->n_participants > 0 && j->n_shard_gtids > 0;
}

static void homes_from_journals(const struct routing *r, struct homes *h)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct cdc_journal *j = r->journals[i];
        for (size_t k = 0; is_table_journal(j) && k < j->n_tables; k++)
            homes_note(h, j->tables[k], j->participants[0].keyspace, j->shard_gtids[0].keyspace,
                       true);
    }
}

static void homes_from_workflows(const struct vrepl_engine *g, struct homes *h)
{
    for (size_t i = 0; i < g->n_workflows; i++) {
        const struct wf_def *d = g->workflows[i]->def;
        if (d == NULL || !d->type->rules_before_switch || !d->routing_rules)
            continue;
        for (size_t k = 0; k < d->n_tables; k++)
            homes_note(h, d->tables[k].source, d->source.keyspace, d->target.keyspace, false);
    }
}

static int by_table(const void *a, const void *b)
{
    const struct table_home *x = a, *y = b;
    int c = strcmp(x->table, y->table);
    return c != 0 ? c : strcmp(x->now, y->now);
}

static void put_rule(json_t *rules, const char *keyspace, const struct table_home *t,
                     const char *type)
{
    char *from = keyspace != NULL ? mem_printf("%s.%s%s", keyspace, t->table, type)
                                  : mem_printf("%s%s", t->table, type);
    char *to = mem_printf("%s.%s", t->now, t->table);
    json_array_append_new(rules, json_pack("{s:s, s:[s]}", "from_table", from, "to_tables", to));
    free(from);
    free(to);
}

static json_t *routing_rules(const struct vrepl_engine *g)
{
    static const char *const types[] = {"", "@replica", "@rdonly"};
    struct homes h = {0};
    json_t *rules = json_array();
    homes_from_journals(g->routing, &h);
    homes_from_workflows(g, &h);
    if (h.n > 0)
        qsort(h.items, h.n, sizeof *h.items, by_table);
    for (size_t i = 0; i < h.n; i++) {
        for (size_t k = 0; k < 3; k++) {
            put_rule(rules, NULL, &h.items[i], types[k]);
            for (size_t m = 0; m < h.items[i].n; m++)
                put_rule(rules, h.items[i].keyspaces[m], &h.items[i], types[k]);
        }
    }
    homes_free(&h);
    return rules;
}

static void mark_pending(const struct vrepl_engine *g, const struct topo_keyspace *ks,
                         bool *pending)
{
    for (size_t i = 0; i < g->n_workflows; i++) {
        const struct workflow *w = g->workflows[i];
        if (w->def == NULL || !w->def->type->target_pending ||
            strcmp(w->def->target.keyspace, ks->name) != 0)
            continue;
        for (size_t k = 0; k < w->sides[WF_TARGET].n; k++)
            pending[w->sides[WF_TARGET].shards[k] - ks->shards] = true;
    }
}

/* malloc'ed flags, one a shard. With engine.lock. */
static bool *serving_flags(const struct vrepl_engine *g, const struct topo_keyspace *ks,
                           bool *named)
{
    bool *flags = mem_calloc(ks->n_shards + 1, sizeof *flags);
    bool *pending = mem_calloc(ks->n_shards + 1, sizeof *pending);
    const struct cdc_journal **list = mem_calloc(g->routing->n + 1, sizeof(void *));
    for (size_t i = 0; i < g->routing->n; i++)
        list[i] = g->routing->journals[i];
    mark_pending(g, ks, pending);
    *named = serving_compute(ks, list, g->routing->n, pending, flags);
    free(pending);
    free(list);
    return flags;
}

static json_t *shard_json(const struct topo_shard *s, bool serving)
{
    CLEANUP(buf_fini) struct buf start = BUF_INIT;
    CLEANUP(buf_fini) struct buf end = BUF_INIT;
    json_t *replicas = json_array();
    buf_put_hex(&start, s->range.start, s->range.start_len);
    buf_put_hex(&end, s->range.end, s->range.end_len);
    for (size_t i = 0; i < s->n_replicas; i++)
        json_array_append_new(replicas, json_string(s->replicas[i]));
    return json_pack("{s:s, s:{s:s, s:s}, s:b, s:s?, s:o, s:s, s:s?}", "name", s->name, "key_range",
                     "start", buf_str(&start), "end", buf_str(&end), "serving", serving, "primary",
                     s->primary_address, "replicas", replicas, "cell",
                     s->cell != NULL ? s->cell : "", "database", s->primary.database);
}

static json_t *keyspace_json(const struct vrepl_engine *g, const struct topo_keyspace *ks)
{
    bool named;
    bool *flags = serving_flags(g, ks, &named);
    json_t *vschema = ks->vschema->json != NULL ? json_loads(ks->vschema->json, 0, NULL) : NULL;
    json_t *vindexes = json_incref(json_object_get(vschema, "vindexes"));
    json_t *tables = json_incref(json_object_get(vschema, "tables"));
    json_t *shards = json_array();
    for (size_t i = 0; i < ks->n_shards; i++)
        json_array_append_new(shards, shard_json(&ks->shards[i], flags[i]));
    json_decref(vschema);
    free(flags);
    return json_pack("{s:b, s:o, s:o, s:o}", "sharded", ks->vschema->sharded, "vindexes",
                     vindexes != NULL ? vindexes : json_object(), "tables",
                     tables != NULL ? tables : json_object(), "shards", shards);
}

/* With engine.lock. */
static json_t *content_json(const struct vrepl_engine *g)
{
    json_t *keyspaces = json_object();
    for (size_t i = 0; i < g->o.topo->n_keyspaces; i++) {
        const struct topo_keyspace *ks = &g->o.topo->keyspaces[i];
        json_object_set_new(keyspaces, ks->name, keyspace_json(g, ks));
    }
    return json_pack("{s:o, s:[], s:o}", "routing_rules", routing_rules(g), "shard_routing_rules",
                     "keyspaces", keyspaces);
}

static void see_file(struct vrepl_engine *g)
{
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    struct err ignored = ERR_INIT; /* there may be none yet */
    if (g->o.routing_file != NULL && sys_read_file(g->o.routing_file, FILE_MAX, &text, &ignored))
        see_version(g->routing, document_version(buf_str(&text)));
}

/* The new document, malloc'ed, or NULL when nothing changed. */
static char *build(struct vrepl_engine *g, const char *workflow_key, uint64_t *version)
{
    char *document = NULL;
    pthread_mutex_lock(&g->lock);
    struct routing *r = g->routing;
    json_t *content = content_json(g);
    char *text = json_dumps(content, JSON_COMPACT | JSON_SORT_KEYS);
    if (r->content == NULL || strcmp(r->content, text) != 0) {
        see_file(g);
        *version = ++r->version;
        json_t *whole =
            json_pack("{s:I, s:s}", "version", (json_int_t)*version, "workflow", workflow_key);
        json_object_update(whole, content);
        document = json_dumps(whole, JSON_COMPACT);
        json_decref(whole);
        free(r->content);
        free(r->document);
        r->content = text;
        r->document = mem_strdup(document);
        text = NULL;
    }
    json_decref(content);
    free(text);
    pthread_mutex_unlock(&g->lock);
    return document;
}

static bool save_version(struct vrepl_engine *g, struct my_conn *home, uint64_t version,
                         struct err *e)
{
    CLEANUP(buf_fini) struct buf note = BUF_INIT;
    version_note(g, &note);
    return note_raise(home, buf_str(&note), version, e);
}

bool routing_try(struct vrepl_engine *g, struct err *e)
{
    char *document = NULL;
    pthread_mutex_lock(&g->lock);
    document = mem_strdup(g->routing->document);
    pthread_mutex_unlock(&g->lock);
    bool ok =
        document == NULL ||
        ((g->o.store == NULL || store_doc_put(g->o.store, "routing", "document", document, e)) &&
         (g->o.routing_file == NULL ||
          sys_write_file_atomic(g->o.routing_file, document, strlen(document), 0644, e)));
    free(document);
    return ok || err_prepend(e, "the routing document cannot be written now");
}

/* The next routing_publish takes what there is for something new. */
static void publish_again(struct vrepl_engine *g)
{
    pthread_mutex_lock(&g->lock);
    free(g->routing->content);
    g->routing->content = NULL;
    pthread_mutex_unlock(&g->lock);
}

bool routing_republish(struct vrepl_engine *g, struct err *e)
{
    char *document = NULL;
    pthread_mutex_lock(&g->lock);
    document = mem_strdup(g->routing->document);
    pthread_mutex_unlock(&g->lock);
    bool ok = document == NULL || g->o.routing_file == NULL ||
              sys_write_file_atomic(g->o.routing_file, document, strlen(document), 0644, e);
    if (ok && document != NULL && g->o.on_routing != NULL)
        g->o.on_routing(g->o.on_routing_ctx, document);
    if (!ok)
        publish_again(g);
    free(document);
    return ok;
}

bool routing_publish(struct vrepl_engine *g, const char *workflow_key, struct my_conn *home,
                     struct err *e)
{
    uint64_t version = 0;
    char *document = build(g, workflow_key, &version);
    if (document == NULL)
        return true;
    bool ok =
        (home == NULL || save_version(g, home, version, e)) &&
        (g->o.store == NULL || store_doc_put(g->o.store, "routing", "document", document, e)) &&
        (g->o.routing_file == NULL ||
         sys_write_file_atomic(g->o.routing_file, document, strlen(document), 0644, e));
    if (ok && g->o.on_routing != NULL)
        g->o.on_routing(g->o.on_routing_ctx, document);
    if (!ok) {
        publish_again(g);
        err_prepend(e, "publishing the routing");
    }
    free(document);
    return ok;
}

bool routing_serves(struct vrepl_engine *g, const char *keyspace, const char *shard, bool *known)
{
    bool serves = false;
    const struct topo_keyspace *ks = topology_keyspace(g->o.topo, keyspace);
    *known = false;
    if (ks == NULL)
        return false;
    pthread_mutex_lock(&g->lock);
    bool *flags = serving_flags(g, ks, known);
    pthread_mutex_unlock(&g->lock);
    for (size_t i = 0; i < ks->n_shards; i++)
        serves = serves || (flags[i] && strcmp(ks->shards[i].name, shard) == 0);
    free(flags);
    return serves;
}

bool routing_check_partition(struct vrepl_engine *g, const char *keyspace, struct err *e)
{
    CLEANUP(buf_fini) struct buf why = BUF_INIT;
    const char **shards;
    size_t n = vrepl_engine_serving(g, keyspace, &shards);
    struct keyrange *set = mem_calloc(n + 1, sizeof *set);
    for (size_t i = 0; i < n; i++)
        set[i] = topology_shard(g->o.topo, keyspace, shards[i])->range;
    bool ok = keyrange_is_partition(set, n, &why);
    free(set);
    free(shards);
    if (ok)
        return true;
    err_set(e, ERR_WF_PRECONDITION,
            "keyspace %s: the shards that serve do not make up the key range: %s", keyspace,
            buf_str(&why));
    return err_cure(e, "put the missing shards back into the configuration");
}

void vrepl_engine_routing(struct vrepl_engine *g, struct buf *json)
{
    struct err e = ERR_INIT;
    pthread_mutex_lock(&g->lock);
    bool there = g->routing->document != NULL;
    pthread_mutex_unlock(&g->lock);
    if (!there && !routing_publish(g, "", NULL, &e))
        log_err(LOG_WARN, "routing", &e);
    pthread_mutex_lock(&g->lock);
    buf_put_str(json, g->routing->document != NULL ? g->routing->document : "{}");
    pthread_mutex_unlock(&g->lock);
}

size_t vrepl_engine_serving(struct vrepl_engine *g, const char *keyspace, const char ***shards)
{
    const struct topo_keyspace *ks = topology_keyspace(g->o.topo, keyspace);
    bool named;
    size_t n = 0;
    *shards = NULL;
    if (ks == NULL)
        return 0;
    pthread_mutex_lock(&g->lock);
    bool *flags = serving_flags(g, ks, &named);
    pthread_mutex_unlock(&g->lock);
    *shards = mem_calloc(ks->n_shards + 1, sizeof(char *));
    for (size_t i = 0; i < ks->n_shards; i++) {
        if (flags[i])
            (*shards)[n++] = ks->shards[i].name;
    }
    free(flags);
    return n;
}
