/* app/server/sink_flags.c — the table, and what of a value it cannot say: a property has a name. */
#include "app/server/sink_flags.h"

#include "sinks/sink.h"

#include <jansson.h>
#include <string.h>

#define VERBS    "create show list pause resume delete recover"
#define FIELD(f) FLAG_FIELD(sink_options, f)

/* clang-format off */
const struct flag_def sink_flags[] = {
    {.name = "keyspace", .type = FLAG_TEXT, .arg = "KEYSPACE", .commands = "sink", .verbs = "create",
     .doc = "whose changes", .field = FIELD(keyspace)},
    {.name = "tables", .type = FLAG_ARRAY, .commands = "sink", .verbs = "create",
     .doc = "only these tables", .field = FIELD(tables)},
    {.name = "to", .type = FLAG_TEXT, .arg = "URL", .commands = "sink", .verbs = "create",
     .doc = "kafka://HOST:PORT[,…], file:PATH or stdout", .field = FIELD(to)},
    {.name = "format", .type = FLAG_TEXT, .arg = "FORMAT", .commands = "sink", .verbs = "create", .fallback = SINK_DEFAULT_FORMAT,
     .doc = "record format", .field = FIELD(format)},
    {.name = "prefix", .type = FLAG_TEXT, .arg = "NAME", .commands = "sink", .verbs = "create",
     .doc = "Debezium's topic.prefix (default: the installation's name)", .field = FIELD(prefix)},
    {.name = "prefix", .type = FLAG_TEXT, .arg = "NAME", .commands = "recover", .verbs = "recover",
     .doc = "the sinks' prefix (default: the installation's name)", .field = FIELD(prefix)},
    {.name = "topic", .type = FLAG_TEXT, .arg = "TEMPLATE", .commands = "sink", .verbs = "create", .fallback = SINK_DEFAULT_TOPIC,
     .doc = "topic of a record", .field = FIELD(topic)},
    {.name = "from", .type = FLAG_TEXT, .arg = "POSITION", .commands = "sink", .verbs = "create", .fallback = SINK_DEFAULT_FROM,
     .doc = "current, beginning, a time or a VGTID", .field = FIELD(from)},
    {.name = "from", .type = FLAG_TEXT, .arg = "URL", .commands = "recover", .verbs = "recover",
     .doc = "where the sinks publish: kafka://HOST:PORT[,…] or file:PATH", .field = FIELD(from)},
    {.name = "copy", .type = FLAG_BOOL, .commands = "sink", .verbs = "create", .fallback = "false",
     .doc = "publish the rows that exist first", .field = FIELD(copy)},
    {.name = "on-statement", .type = FLAG_TEXT, .arg = SINK_ON_STATEMENT, .commands = "sink", .verbs = "create",
     .fallback = SINK_DEFAULT_ON_STATEMENT,
     .doc = "at a statement in the log instead of rows: stop, unless it is proven to change only other databases, or never", .field = FIELD(on_statement)},
    {.name = "kafka", .type = FLAG_ARRAY, .commands = "sink", .verbs = "create",
     .doc = "librdkafka properties: name=value,…", .field = FIELD(kafka)},
    {.name = "kafka", .type = FLAG_ARRAY, .commands = "recover", .verbs = "recover",
     .doc = "librdkafka properties, also for the sinks: name=value,…", .field = FIELD(kafka)},
    {.name = "dry-run", .type = FLAG_BOOL, .commands = "recover", .verbs = "recover", .fallback = "false",
     .doc = "only show what is found", .field = FIELD(dry_run)},
    {.name = NULL},
};
/* clang-format on */

static const char *command_of(const char *verb)
{
    return strcmp(verb, "recover") == 0 ? verb : "sink";
}

/* A property without a value would be passed over. */
static bool check_properties(const struct flag_list *kafka, struct err *e)
{
    for (size_t i = 0; i < kafka->n; i++) {
        const char *equals = strchr(kafka->items[i], '=');
        if (equals == NULL || equals == kafka->items[i])
            return err_set(e, ERR_USAGE, "kafka: '%.100s' is no name=value", kafka->items[i]);
    }
    return true;
}

/* An empty text is a value that got lost, not a default: a sink would begin elsewhere. */
static bool check_empty(const char *verb, const char *body, struct err *e)
{
    const char *name, *empty = NULL;
    json_t *members = body != NULL ? json_loads(body, 0, NULL) : NULL, *v;
    json_object_foreach(members, name, v)
    {
        if (json_is_string(v) && json_string_length(v) == 0)
            empty = name;
    }
    if (empty != NULL) {
        err_set(e, ERR_USAGE, "sink %s: %.100s is empty", verb, empty);
        err_cure(e, "leave it out, or give it a value");
    }
    json_decref(members);
    return empty == NULL;
}

bool sink_options_fill(const char *verb, const char *body, struct sink_options *o, struct err *e)
{
    if (flags_word(VERBS, verb))
        return flags_fill(sink_flags, command_of(verb), verb, body, o, e) &&
               check_empty(verb, body, e) && check_properties(&o->kafka, e);
    err_set(e, ERR_USAGE, "sinks have no verb %.100s", verb);
    return err_cure(e, "their verbs are: %s", VERBS);
}

void sink_options_fini(struct sink_options *o)
{
    flags_clear(sink_flags, o);
}

void sink_flags_reference(struct buf *out)
{
    static const char *const verbs[] = {"create", "recover"};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        buf_printf(out, "\n### %s\n\n| member | type | default | meaning |\n",
                   i == 0 ? "sink create" : "recover");
        buf_put_str(out, "| --- | --- | --- | --- |\n");
        flags_reference(sink_flags, command_of(verbs[i]), verbs[i], out);
    }
}
