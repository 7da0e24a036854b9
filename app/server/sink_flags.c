/* app/server/sink_flags.c — checks what a verb of sinks is told, for commands and the API alike. */
#include "app/server/sink_flags.h"

#include "vrepl/workflow/flag_table.h"

#include <jansson.h>
#include <string.h>

#define VERBS "create show list pause resume delete recover"

static const struct flag_def defs[] = {
    {"keyspace", FLAG_TEXT, NULL, "create", NULL, NULL},
    {"tables", FLAG_ARRAY, NULL, "create", NULL, NULL},
    {"to", FLAG_TEXT, NULL, "create", NULL, NULL},
    {"format", FLAG_TEXT, NULL, "create", NULL, NULL},
    {"prefix", FLAG_TEXT, NULL, "create recover", NULL, NULL},
    {"topic", FLAG_TEXT, NULL, "create", NULL, NULL},
    {"from", FLAG_TEXT, NULL, "create recover", NULL, NULL},
    {"on_statement", FLAG_TEXT, NULL, "create", NULL, NULL},
    {"copy", FLAG_BOOL, NULL, "create", NULL, NULL},
    {"kafka", FLAG_ARRAY, NULL, "create recover", NULL, NULL},
    {"dry_run", FLAG_BOOL, NULL, "recover", NULL, NULL},
    {NULL, FLAG_BOOL, NULL, NULL, NULL, NULL},
};

bool sink_flags_takes(const char *verb, const char *name)
{
    return flags_takes(defs, "sink", verb, name);
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
        return flags_check_text(defs, "sink", verb, body, e) && check_properties(body, e);
    err_set(e, ERR_USAGE, "sinks have no verb %.100s", verb);
    return err_cure(e, "their verbs are: %s", VERBS);
}
