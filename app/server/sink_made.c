/* app/server/sink_made.c — one definition in its three forms. */
#include "app/server/sink_made.h"

#include "base/mem.h"
#include "sinks/kafka_property.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* librdkafka's properties come as ["a=b",…]; sinks want {"kafka":{"a":"b"}}. */
char *sink_made_properties(const struct sink_options *o)
{
    json_t *options = json_object(), *kafka = json_object();
    for (size_t i = 0; i < o->kafka.n; i++) {
        const char *text = o->kafka.items[i], *equals = strchr(text, '=');
        char *name = mem_strndup(text, (size_t)(equals - text));
        json_object_set_new(kafka, name, json_string(equals + 1));
        free(name);
    }
    json_object_set_new(options, "kafka", kafka);
    if (o->on_statement != NULL)
        json_object_set_new(options, "on_statement", json_string(o->on_statement));
    char *text = json_dumps(options, JSON_COMPACT);
    json_decref(options);
    return text;
}

static char *put(const struct sink_options *o)
{
    CLEANUP(buf_fini) struct buf out = BUF_INIT;
    flags_put(sink_flags, "sink", "create", o, &out);
    return buf_take(&out);
}

char *sink_made_document(const struct sink_options *o)
{
    return put(o);
}

/* What the destination keeps: what the command said, without secrets and without what only the start
 * asked for. */
static char *definition_of(const struct sink_options *o)
{
    struct sink_options kept = *o; /* borrows */
    kept.from = NULL;
    kept.kafka = (struct flag_list){NULL, 0};
    for (size_t i = 0; i < o->kafka.n; i++) {
        const char *text = o->kafka.items[i];
        CLEANUP(mem_free_ptr) char *name = mem_strndup(text, strcspn(text, "="));
        if (!kafka_property_is_secret(name))
            flag_list_add(&kept.kafka, text);
    }
    char *definition = put(&kept);
    flag_list_fini(&kept.kafka);
    return definition;
}

static char *text_or(const char *text, const char *otherwise)
{
    return mem_strdup(text != NULL ? text : otherwise);
}

void sink_made_spec(const char *name, const struct sink_options *o, const char *installation,
                    struct sink_spec *out)
{
    *out = (struct sink_spec){.name = mem_strdup(name),
                              .keyspace = text_or(o->keyspace, ""),
                              .to = text_or(o->to, ""),
                              .format = text_or(o->format, ""),
                              .prefix = text_or(o->prefix, installation),
                              .topic = text_or(o->topic, ""),
                              .from = text_or(o->from, ""),
                              .copy = o->copy,
                              .options_json = sink_made_properties(o),
                              .definition = definition_of(o),
                              .n_tables = o->tables.n,
                              .tables = mem_calloc(o->tables.n + 1, sizeof(char *))};
    for (size_t i = 0; i < o->tables.n; i++)
        out->tables[i] = mem_strdup(o->tables.items[i]);
}
