/* sinks/sink.c — the table of sinks, and a sink's definition. */
#include "sinks/sink.h"

#include "sinks/sinks_internal.h"

#include <stdlib.h>
#include <string.h>

const struct sink_ops *sink_find(const char *scheme)
{
    static const struct sink_ops *const all[] = {&sink_file_ops, &sink_stdout_ops, &sink_kafka_ops};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(all[i]->scheme, scheme) == 0)
            return all[i];
    }
    return NULL;
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
