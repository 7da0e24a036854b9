/* sinks/sink_status.c — renders a sink's status as JSON. */
#include "sinks/sink_status.h"

#include <stdlib.h>
#include <string.h>

/* A member and the comma after it; nothing for NULL. */
static void put_text(struct buf *out, const char *name, const char *text)
{
    if (text == NULL)
        return;
    buf_printf(out, "\"%s\":\"", name);
    buf_put_json_escaped(out, text, strlen(text));
    buf_put_str(out, "\",");
}

static void put_lane(const struct sink_lane_status *l, struct buf *out)
{
    buf_put_str(out, "{");
    put_text(out, "shard", l->shard);
    put_text(out, "state", l->state);
    put_text(out, "position", l->position);
    put_text(out, "message", l->message);
    buf_printf(out,
               "\"lag_seconds\":%.3f,\"records\":%llu,\"dead_letters\":%llu,"
               "\"skipped_statements\":%llu}",
               (double)l->lag_ms / 1000, (unsigned long long)l->records,
               (unsigned long long)l->dead_letters, (unsigned long long)l->skipped_statements);
}

void sink_status_put(const struct sink_status *s, struct buf *out)
{
    buf_put_str(out, "{");
    put_text(out, "summary", s->summary);
    put_text(out, "name", s->name);
    put_text(out, "state", s->state);
    put_text(out, "on_statement", s->on_statement);
    put_text(out, "message", s->message);
    put_text(out, "keyspace", s->keyspace);
    put_text(out, "to", s->to);
    put_text(out, "format", s->format);
    if (s->lanes != NULL) {
        buf_put_str(out, "\"streams\":[");
        for (size_t i = 0; i < s->n_lanes; i++) {
            buf_put_str(out, i > 0 ? "," : "");
            put_lane(&s->lanes[i], out);
        }
        buf_put_str(out, "],");
    }
    buf_printf(out, "\"from_yaml\":%s}", s->from_yaml ? "true" : "false");
}

void sink_status_fini(struct sink_status *s)
{
    for (size_t i = 0; i < s->n_lanes; i++) {
        free(s->lanes[i].position);
        free(s->lanes[i].message);
    }
    free(s->lanes);
    free(s->message);
    *s = (struct sink_status){0};
}
