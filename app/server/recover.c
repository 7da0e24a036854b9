/* app/server/recover.c — collects what a destination tells of its sinks. */
#include "app/server/recover.h"

#include "base/mem.h"
#include "sinks/sink.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static struct recovered_sink *sink_named(struct recovered_sinks *all, const char *name)
{
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->items[i].name, name) == 0)
            return &all->items[i];
    mem_grow((void **)&all->items, &all->cap, all->n + 1, sizeof *all->items);
    struct recovered_sink *s = &all->items[all->n++];
    *s = (struct recovered_sink){.name = mem_strdup(name)};
    return s;
}

static bool add_definition(struct recovered_sink *s, const char *definition, struct err *e)
{
    sink_options_fini(&s->definition);
    s->by_command = true;
    if (sink_options_fill("create", definition, &s->definition, e))
        return true;
    e->code = ERR_SINK_CONFIG;
    return err_prepend(e, "the definition of sink %s there", s->name);
}

static bool add_lane(struct recovered_sink *s, const struct sink_memory *m, struct err *e)
{
    struct position pos = POSITION_INIT;
    if (!position_parse(m->position, &pos, e)) {
        position_fini(&pos);
        return err_prepend(e, "sink %s, %s/%s", s->name, m->keyspace, m->shard);
    }
    mem_grow((void **)&s->lanes, &s->cap_lanes, s->n_lanes + 1, sizeof *s->lanes);
    s->lanes[s->n_lanes++] = (struct recovered_lane){
        .keyspace = mem_strdup(m->keyspace), .shard = mem_strdup(m->shard), .pos = pos};
    return true;
}

static bool add_memory(void *ctx, const struct sink_memory *m, struct err *e)
{
    struct recovered_sink *s = sink_named(ctx, m->name);
    return m->definition ? add_definition(s, m->definition, e) : add_lane(s, m, e);
}

bool recover_read(const char *from, const char *prefix, const char *options_json,
                  struct recovered_sinks *out, struct err *e)
{
    char scheme[32];
    const char *target;
    if (!sink_parse_to(from, scheme, sizeof scheme, &target, e))
        return false;
    const struct sink_ops *ops = sink_find(scheme);
    if (ops->recall == NULL)
        return err_set(e, ERR_SINK_CONFIG, "%s keeps nothing of its sinks", scheme);
    json_t *options = json_loads(options_json, 0, NULL);
    json_object_set_new(options, "prefix", json_string(prefix));
    char *text = json_dumps(options, JSON_COMPACT);
    bool ok = ops->recall(target, text, add_memory, out, e);
    free(text);
    json_decref(options);
    return ok;
}

void recovered_sinks_fini(struct recovered_sinks *all)
{
    for (size_t i = 0; i < all->n; i++) {
        struct recovered_sink *s = &all->items[i];
        for (size_t k = 0; k < s->n_lanes; k++) {
            free(s->lanes[k].keyspace);
            free(s->lanes[k].shard);
            position_fini(&s->lanes[k].pos);
        }
        free(s->lanes);
        free(s->name);
        sink_options_fini(&s->definition);
    }
    free(all->items);
    *all = (struct recovered_sinks){0};
}
