/* sinks/sink.c — the table of sinks, and a sink's definition. */
#include "sinks/sink.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "sinks/sinks_internal.h"
#include "state/store.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define FORGET_MS 2000

const struct sink_ops *sink_find(const char *scheme)
{
    static const struct sink_ops *const all[] = {&sink_file_ops, &sink_stdout_ops, &sink_kafka_ops};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(all[i]->scheme, scheme) == 0)
            return all[i];
    }
    return NULL;
}

bool sink_name_check(const char *name, struct err *e)
{
    size_t n = strlen(name), len = 1;
    bool ok = n > strspn(name, ".") && n <= SINK_NAME_MAX_BYTES && !strpbrk(name, "/?#% ");
    for (size_t i = 0; ok && i < n; i += len) {
        len = text_shown_len(name + i, n - i);
        ok = len > 0;
    }
    return ok ||
           err_set(e, ERR_SINK_CONFIG,
                   "this is no sink's name: it has 1 to %d bytes that can be shown, no spaces "
                   "and none of / ? # %%",
                   SINK_NAME_MAX_BYTES);
}

bool sink_parse_to(const char *to, char *scheme, size_t scheme_len, const char **target,
                   struct err *e)
{
    size_t n = strcspn(to, ":");
    if (n == 0 || n >= scheme_len)
        return err_set(e, ERR_SINK_CONFIG,
                       "'%.200s' is no destination like kafka://host:9092, file:PATH or stdout",
                       to);
    memcpy(scheme, to, n);
    scheme[n] = '\0';
    *target = to[n] ? to + n + 1 : "";
    if (strncmp(*target, "//", 2) == 0)
        *target += 2;
    if (sink_find(scheme))
        return true;
    err_set(e, ERR_SINK_CONFIG, "there is no sink '%s'", scheme);
    return err_cure(e, "kafka, file and stdout exist");
}

void sink_spec_fini(struct sink_spec *s)
{
    for (size_t i = 0; i < s->n_tables; i++)
        free(s->tables[i]);
    free(s->tables);
    free(s->name);
    free(s->keyspace);
    free(s->to);
    free(s->format);
    free(s->prefix);
    free(s->topic);
    free(s->options_json);
    free(s->definition);
    free(s->from);
    *s = (struct sink_spec){0};
}

char *sink_options_text(const struct sink_spec *spec, int batch_bytes)
{
    json_t *o = spec->options_json && spec->options_json[0]
                    ? json_loads(spec->options_json, 0, NULL)
                    : NULL;
    if (!o)
        o = json_object();
    json_object_set_new(o, "name", json_string(spec->name));
    json_object_set_new(o, "prefix", json_string(spec->prefix));
    if (batch_bytes)
        json_object_set_new(o, "batch_bytes", json_integer(batch_bytes));
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

/* ---- a sink that was deleted ---- */

static bool is_over(void *until_ms)
{
    return clock_mono_ms() >= *(int64_t *)until_ms;
}

struct lanes {
    struct sink_place *items; /* own copies */
    size_t n, cap;
};

static bool add_lane(void *ctx, const char *keyspace, const char *shard)
{
    struct lanes *l = ctx;
    mem_grow((void **)&l->items, &l->cap, l->n + 1, sizeof *l->items);
    l->items[l->n++] =
        (struct sink_place){.keyspace = mem_strdup(keyspace), .shard = mem_strdup(shard)};
    return true;
}

static void lanes_fini(struct lanes *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->items[i].keyspace);
        free(l->items[i].shard);
    }
    free(l->items);
}

/* That the destination does not take the sink at all (SINK_CONFIG: a foreign file, no such
 * property) means that it was never told of it. */
static bool forget_lanes(const struct sink_spec *spec, const struct lanes *lanes, struct err *e)
{
    char scheme[32];
    const char *target;
    int64_t until_ms = clock_mono_ms() + FORGET_MS;
    const struct sink_stop stop = {.asked = is_over, .ctx = &until_ms};
    if (!sink_parse_to(spec->to, scheme, sizeof scheme, &target, e))
        return false;
    const struct sink_ops *ops = sink_find(scheme);
    CLEANUP(mem_free_ptr) char *options = sink_options_text(spec, 0);
    if (!ops->forget || ops->forget(target, options, &stop, lanes->items, lanes->n, e))
        return true;
    if (e->code == ERR_SHUTDOWN)
        err_set(e, ERR_SINK_UNREACHABLE, "%s does not answer", spec->to);
    return e->code == ERR_SINK_CONFIG;
}

bool sink_forget(const struct sink_spec *spec, struct store *store, struct err *e)
{
    struct lanes lanes = {0};
    bool ok = store_checkpoint_each(store, spec->name, add_lane, &lanes, e) &&
              forget_lanes(spec, &lanes, e);
    lanes_fini(&lanes);
    return ok;
}
