/* app/server/sink_flags.c — the table, and what of a value it cannot say: a property has a name. */
#include "app/server/sink_flags.h"

#include "sinks/sink.h"

#include <jansson.h>
#include <string.h>

#define VERBS "create show list pause resume delete recover"

/* clang-format off */
const struct flag_def sink_flags[] = {
    {.name = "keyspace", .type = FLAG_TEXT, .arg = "KEYSPACE", .commands = "sink", .verbs = "create",
     .doc = "whose changes"},
    {.name = "tables", .type = FLAG_ARRAY, .commands = "sink", .verbs = "create",
     .doc = "only these tables"},
    {.name = "to", .type = FLAG_TEXT, .arg = "URL", .commands = "sink", .verbs = "create",
     .doc = "kafka://HOST:PORT[,…], file:PATH or stdout"},
    {.name = "format", .type = FLAG_TEXT, .arg = "FORMAT", .commands = "sink", .verbs = "create", .fallback = SINK_DEFAULT_FORMAT,
     .doc = "record format"},
    {.name = "prefix", .type = FLAG_TEXT, .arg = "NAME", .commands = "sink", .verbs = "create",
     .doc = "Debezium's topic.prefix (default: the installation's name)"},
    {.name = "prefix", .type = FLAG_TEXT, .arg = "NAME", .commands = "recover", .verbs = "recover",
     .doc = "the sinks' prefix (default: the installation's name)"},
    {.name = "topic", .type = FLAG_TEXT, .arg = "TEMPLATE", .commands = "sink", .verbs = "create", .fallback = SINK_DEFAULT_TOPIC,
     .doc = "topic of a record"},
    {.name = "from", .type = FLAG_TEXT, .arg = "POSITION", .commands = "sink", .verbs = "create", .fallback = SINK_DEFAULT_FROM,
     .doc = "current, beginning, a time or a VGTID"},
    {.name = "from", .type = FLAG_TEXT, .arg = "URL", .commands = "recover", .verbs = "recover",
     .doc = "where the sinks publish: kafka://HOST:PORT[,…] or file:PATH"},
    {.name = "copy", .type = FLAG_BOOL, .commands = "sink", .verbs = "create", .fallback = "false",
     .doc = "publish the rows that exist first"},
    {.name = "on-statement", .type = FLAG_TEXT, .arg = SINK_ON_STATEMENT, .commands = "sink", .verbs = "create",
     .fallback = SINK_DEFAULT_ON_STATEMENT,
     .doc = "at a statement in the log instead of rows: stop, unless it is proven to change only other databases, or never"},
    {.name = "kafka", .type = FLAG_ARRAY, .commands = "sink", .verbs = "create",
     .doc = "librdkafka properties: name=value,…"},
    {.name = "kafka", .type = FLAG_ARRAY, .commands = "recover", .verbs = "recover",
     .doc = "librdkafka properties, also for the sinks: name=value,…"},
    {.name = "dry-run", .type = FLAG_BOOL, .commands = "recover", .verbs = "recover", .fallback = "false",
     .doc = "only show what is found"},
    {.name = NULL},
};
/* clang-format on */

static const char *command_of(const char *verb)
{
    return strcmp(verb, "recover") == 0 ? verb : "sink";
}

/* What has no value would be passed over. */
static bool check_properties(const char *body, struct err *e)
{
    bool ok = true;
    json_t *flags = body != NULL ? json_loads(body, 0, NULL) : NULL;
    const json_t *kafka = json_object_get(flags, "kafka");
    for (size_t i = 0; ok && i < json_array_size(kafka); i++) {
        const char *text = json_string_value(json_array_get(kafka, i));
        const char *equals = text != NULL ? strchr(text, '=') : NULL;
        ok = (equals != NULL && equals != text) ||
             err_set(e, ERR_USAGE, "kafka: '%.100s' is no name=value", text != NULL ? text : "");
    }
    json_decref(flags);
    return ok;
}

bool sink_flags_check(const char *verb, const char *body, struct err *e)
{
    if (flags_word(VERBS, verb))
        return flags_check(sink_flags, command_of(verb), verb, body, e) &&
               check_properties(body, e);
    err_set(e, ERR_USAGE, "sinks have no verb %.100s", verb);
    return err_cure(e, "their verbs are: %s", VERBS);
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
