/* app/server/vstream_out.h — what a vstream's client receives: records, VGTIDs, heartbeats and the
 * error at the end, as lines of JSON or as server-sent events. Thread: the call's. */
#ifndef SLUICE_APP_SERVER_VSTREAM_OUT_H
#define SLUICE_APP_SERVER_VSTREAM_OUT_H

#include "app/server/http_server.h"
#include "cdc/reader.h"

struct vstream_out {
    struct http_call *call;
    bool events;  /* text/event-stream, as the Accept header asks */
    bool started; /* the status is sent; errors are lines from now on */
    bool gone;    /* the client is */
};
void vstream_out_init(struct vstream_out *o, struct http_call *call);
/* One record, a JSON object without a line end. False: the client is gone. */
bool vstream_out_record(struct vstream_out *o, const void *json, size_t n);
/* {"op":"vgtid","vgtid":[…]}: everything before it was sent; the client may go on from there. */
bool vstream_out_vgtid(struct vstream_out *o, const struct vgtid *v);

struct vstream_shard_state {
    const char *shard;
    enum cdc_rest rest;
    bool ended;      /* its journal was reached; the others' are waited for */
    const char *why; /* CDC_REST_CUT and _WAITING: the reason; else empty */
};
/* {"op":"heartbeat","ts_ms":…,"vgtid":[…],"shards":[{"shard":"-","state":"idle|reading|waiting|disconnected|switched",
 * "error":"…"}]} */
bool vstream_out_heartbeat(struct vstream_out *o, const struct vgtid *v,
                           const struct vstream_shard_state *shards, size_t n);
/* Ends the answer. e NULL: without an error. Before the start: the error's status and document.
 * Later: a last line
 * {"error":{…},"vgtid":[…],"moved":[…]}, as an event "error" where events were asked for; v and moved may be NULL.
 */
void vstream_out_end(struct vstream_out *o, const struct err *e, const struct vgtid *v,
                     const struct vgtid *moved);

#endif
