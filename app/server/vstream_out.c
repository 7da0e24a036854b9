/* app/server/vstream_out.c — builds a vstream's lines and gives them to the HTTP server. */
#include "app/server/vstream_out.h"

#include "app/server/api.h"
#include "app/server/error_document.h"
#include "base/clock.h"

#include <string.h>

void vstream_out_init(struct vstream_out *o, struct http_call *call)
{
    const char *accept = http_header(call, "Accept");
    *o = (struct vstream_out){.call = call};
    o->events = accept != NULL && strstr(accept, "text/event-stream") != NULL;
}

/* event: the name of a server-sent event; NULL: a plain message. */
static bool put_line(struct vstream_out *o, const char *event, const void *json, size_t n)
{
    CLEANUP(buf_fini) struct buf line = BUF_INIT;
    if (o->events && event != NULL)
        buf_printf(&line, "event: %s\n", event);
    buf_put_str(&line, o->events ? "data: " : "");
    buf_put(&line, json, n);
    buf_put_str(&line, o->events ? "\n\n" : "\n");
    o->started = true;
    o->gone = !http_line(o->call, o->events ? "text/event-stream" : "application/x-ndjson",
                         line.data, line.len);
    return !o->gone;
}

bool vstream_out_record(struct vstream_out *o, const void *json, size_t n)
{
    return put_line(o, NULL, json, n);
}

bool vstream_out_vgtid(struct vstream_out *o, const struct vgtid *v)
{
    CLEANUP(buf_fini) struct buf json = BUF_INIT;
    buf_put_str(&json, "{\"op\":\"vgtid\",\"vgtid\":");
    vgtid_print(v, &json);
    buf_put_u8(&json, '}');
    return put_line(o, NULL, json.data, json.len);
}

static const char *state_name(const struct vstream_shard_state *s)
{
    if (s->ended)
        return "switched";
    switch (s->rest) {
    case CDC_REST_BUSY:
        return "reading";
    case CDC_REST_IDLE:
        return "idle";
    case CDC_REST_CUT:
        return "disconnected";
    case CDC_REST_WAITING:
        return "waiting";
    }
    return "reading";
}

static void put_shard(struct buf *json, const struct vstream_shard_state *s)
{
    buf_put_str(json, "{\"shard\":\"");
    buf_put_json_escaped(json, s->shard, strlen(s->shard));
    buf_printf(json, "\",\"state\":\"%s\"", state_name(s));
    if (s->why[0] != '\0' && !s->ended) {
        buf_put_str(json, ",\"error\":\"");
        buf_put_json_escaped(json, s->why, strlen(s->why));
        buf_put_u8(json, '"');
    }
    buf_put_u8(json, '}');
}

bool vstream_out_heartbeat(struct vstream_out *o, const struct vgtid *v,
                           const struct vstream_shard_state *shards, size_t n)
{
    CLEANUP(buf_fini) struct buf json = BUF_INIT;
    buf_printf(&json,
               "{\"op\":\"heartbeat\",\"ts_ms\":%lld,\"vgtid\":", (long long)clock_wall_ms());
    vgtid_print(v, &json);
    buf_put_str(&json, ",\"shards\":[");
    for (size_t i = 0; i < n; i++) {
        buf_put_str(&json, i > 0 ? "," : "");
        put_shard(&json, &shards[i]);
    }
    buf_put_str(&json, "]}");
    return put_line(o, NULL, json.data, json.len);
}

/* error_document_put's document has one member; others follow it. */
static void put_member(struct buf *json, const char *name, const struct vgtid *v)
{
    if (v == NULL || v->n == 0)
        return;
    json->len--; /* the closing brace */
    buf_printf(json, ",\"%s\":", name);
    vgtid_print(v, json);
    buf_put_u8(json, '}');
}

void vstream_out_end(struct vstream_out *o, const struct err *e, const struct vgtid *v,
                     const struct vgtid *moved)
{
    CLEANUP(buf_fini) struct buf json = BUF_INIT;
    if (e != NULL)
        error_document_put(e, &json);
    put_member(&json, "vgtid", v);
    put_member(&json, "moved", moved);
    if (!o->started) {
        buf_put_u8(&json, '\n');
        http_reply(o->call, e != NULL ? api_error_status(e) : 200, "application/json", json.data,
                   json.len);
        return;
    }
    if (e != NULL && !o->gone)
        (void)put_line(o, "error", json.data, json.len);
    http_end(o->call);
}
