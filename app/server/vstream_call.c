/* app/server/vstream_call.c — gives one HTTP client the change stream of a keyspace
 * (cdc/vstream/vstream.h) from the daemon's shared readers.
 *
 * One thread pulls all lanes in turn. Invariants:
 *   1. Only whole committed transactions are sent, of the keyspace's database only.
 *   2. Every VGTID that is sent stands behind everything sent before it and in front of everything
 *      else.
 *   3. The stream never falls silent: a heartbeat says each shard's state; a switch of traffic is
 *      followed, or ends the stream with an error and the VGTID where it goes on; and a shard that
 *      stopped serving without a journal in its log ends it, too.
 */
#include "app/server/vstream_call.h"

#include "app/server/parameters.h"
#include "app/server/vstream_out.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/sys.h"
#include "cdc/vstream/vstream.h"
#include "schemas/inspect.h"
#include "schemas/names.h"
#include "sinks/sink_tx.h"
#include "state/store.h"

#include <stdlib.h>
#include <string.h>

#define POLL_ONE_MS  100 /* the wait for a shard's next batch when it is the only one */
#define POLL_EACH_MS 20
#define UNSERVED_MS  5000 /* a shard that does not serve may be quiet for so long */
#define LOOK_MS      1000 /* between two looks at which shards serve */

struct client;
struct feed { /* one lane */
    struct client *v;
    struct vstream_shard *lane;
    struct sink_tx *tx;
    struct encoder *encoder;
    int64_t unserved_from_ms; /* monotonic; 0: it serves, or there is something to read */
};
struct client {
    struct daemon *daemon;
    const struct topo_keyspace *ks;
    struct vstream_out out;
    struct vstream *vstream;
    struct feed **feeds; /* by the lane's number */
    size_t n, cap;
    struct vstream_parameters p;
    bool fresh;  /* records were sent since the last VGTID */
    bool inside; /* the last one was not the last of its transaction */
    int64_t heartbeat_at_ms, look_at_ms;
};

/* ---- what is sent ---- */

static bool emit(void *ctx, const struct encode_record *r, struct err *e)
{
    struct feed *f = ctx;
    if (r->value == NULL)
        return true;
    f->v->fresh = true;
    return vstream_out_record(&f->v->out, r->value, r->value_len) ||
           err_set(e, ERR_SHUTDOWN, "the client is gone");
}

/* Where a client goes on, while the stream does. */
static bool position_now(const struct client *v, struct vgtid *out, struct err *e)
{
    CLEANUP(vgtid_fini) struct vgtid moved = {0};
    return vstream_vgtid(v->vstream, out, &moved, e);
}

static bool send_vgtid(struct client *v, struct err *e)
{
    CLEANUP(vgtid_fini) struct vgtid now = {0};
    v->fresh = false;
    return position_now(v, &now, e) &&
           (vstream_out_vgtid(&v->out, &now) || err_set(e, ERR_SHUTDOWN, "the client is gone"));
}

/* Of the lanes that are part of the stream now. */
static size_t states_now(const struct client *v, struct vstream_shard_state *out)
{
    size_t n = 0;
    for (size_t i = 0; i < vstream_count(v->vstream); i++) {
        struct vstream_shard *lane = vstream_shard(v->vstream, i);
        struct vstream_state state = vstream_state(lane);
        if (!state.replaced)
            out[n++] = (struct vstream_shard_state){.shard = vstream_shard_is(lane)->name,
                                                    .rest = state.rest,
                                                    .ended = state.ended,
                                                    .why = state.why};
    }
    return n;
}

static bool send_heartbeat(struct client *v, struct err *e)
{
    CLEANUP(vgtid_fini) struct vgtid now = {0};
    struct vstream_shard_state *states = mem_calloc(vstream_count(v->vstream) + 1, sizeof *states);
    size_t n = states_now(v, states);
    bool ok = position_now(v, &now, e) && (vstream_out_heartbeat(&v->out, &now, states, n) ||
                                           err_set(e, ERR_SHUTDOWN, "the client is gone"));
    free(states);
    v->fresh = false;
    v->heartbeat_at_ms = clock_mono_ms() + v->p.heartbeat_ms;
    return ok;
}

/* ---- reading ---- */

static bool open_tx(struct feed *f, struct err *e)
{
    const struct config *c = daemon_config(f->v->daemon);
    const struct topo_shard *shard = vstream_shard_is(f->lane);
    f->encoder = encoder_find("ndjson")->open("{}", e);
    if (f->encoder == NULL)
        return false;
    struct sink_tx_options o = {.database = shard->primary.database,
                                .tables = (const char *const *)f->v->p.tables.items,
                                .n_tables = f->v->p.tables.n,
                                .transactions = f->v->p.tx,
                                .encoder = f->encoder,
                                .context = {.installation = c->topo->installation,
                                            .prefix = c->topo->installation,
                                            .keyspace = shard->keyspace,
                                            .shard = shard->name,
                                            .version = SLUICE_VERSION},
                                .emit = emit,
                                .ctx = f};
    f->tx = sink_tx_new(&o);
    return true;
}

/* Of the lanes that were added since; the next VGTID names them. */
static bool add_feeds(struct client *v, struct err *e)
{
    while (v->n < vstream_count(v->vstream)) {
        struct feed *f = mem_alloc(sizeof *f);
        mem_grow((void **)&v->feeds, &v->cap, v->n + 1, sizeof(struct feed *));
        f->v = v;
        f->lane = vstream_shard(v->vstream, v->n);
        v->feeds[v->n++] = f;
        v->fresh = true;
        if (!open_tx(f, e))
            return false;
    }
    return true;
}

static bool take_part(struct feed *f, const struct committed_part *part, struct err *e)
{
    bool clean = false;
    f->unserved_from_ms = 0;
    f->v->inside = !part->ends;
    sink_tx_fold_names(f->tx, vstream_folds_names(f->lane));
    if (!sink_tx_part(f->tx, part, vstream_position(f->lane), &clean, e))
        return false;
    vstream_taken(f->lane);
    return true;
}

static bool take_rest(struct feed *f, struct err *e)
{
    cdc_stream_ack(vstream_stream(f->lane), vstream_position(f->lane));
    return !f->v->fresh || send_vgtid(f->v, e);
}

static bool prepend_shard(const struct vstream_shard *lane, struct err *e)
{
    const struct topo_shard *shard = vstream_shard_is(lane);
    return e->code == ERR_SRC_HANDOVER ? false
                                       : err_prepend(e, "%s/%s", shard->keyspace, shard->name);
}

/* One part of one lane, or a wait for it. */
static bool pull(struct client *v, struct err *e)
{
    struct committed_part part;
    struct vstream_shard *lane = NULL;
    int64_t timeout_ms = v->n == 1 ? POLL_ONE_MS : POLL_EACH_MS;
    enum vstream_next next = vstream_next(v->vstream, &lane, &part, timeout_ms, e);
    if (lane == NULL)
        return true;
    struct feed *f = v->feeds[vstream_shard_number(lane)];
    switch (next) {
    case VSTREAM_PART:
        return take_part(f, &part, e) || prepend_shard(lane, e);
    case VSTREAM_COPIED:
    case VSTREAM_TAKEN:
        return take_rest(f, e);
    case VSTREAM_REST:
    case VSTREAM_ENDED:
        return add_feeds(v, e) && (!v->fresh || send_vgtid(v, e));
    case VSTREAM_FAIL:
        break;
    }
    return prepend_shard(lane, e);
}

/* ---- shards that serve no more ---- */

static bool is_among(const char *const *names, size_t n, const char *name)
{
    bool found = false;
    for (size_t i = 0; i < n; i++)
        found = found || strcmp(names[i], name) == 0;
    return found;
}

static bool refuse_unserved(const struct topo_shard *shard, const char *const *serving, size_t n,
                            struct err *e)
{
    CLEANUP(buf_fini) struct buf names = BUF_INIT;
    for (size_t i = 0; i < n; i++)
        buf_printf(&names, "%s%s", i > 0 ? ", " : "", serving[i]);
    err_set(
        e, ERR_SRC_HANDOVER,
        "%s/%s does not serve, and behind this position its log has no journal that says where it "
        "went; the shards of %s that serve now: %s",
        shard->keyspace, shard->name, shard->keyspace, buf_str(&names));
    return err_cure(e, "begin anew on the shards that serve, or from a VGTID that they sent");
}

/* The journal is in the log before the engine knows of the switch; so who serves no more and is at
 * its log's end for a while will not meet one. */
static bool check_serving(struct client *v, struct err *e)
{
    const char **serving = NULL;
    size_t n = vrepl_engine_serving(daemon_engine(v->daemon), v->ks->name, &serving);
    int64_t now_ms = clock_mono_ms();
    bool ok = true;
    for (size_t i = 0; ok && i < v->n; i++) {
        struct feed *f = v->feeds[i];
        const struct topo_shard *shard = vstream_shard_is(f->lane);
        struct vstream_state state = vstream_state(f->lane);
        bool fine = state.ended || state.replaced || state.rest != CDC_REST_IDLE ||
                    is_among(serving, n, shard->name);
        if (fine)
            f->unserved_from_ms = 0;
        else if (f->unserved_from_ms == 0)
            f->unserved_from_ms = now_ms;
        ok = fine || now_ms - f->unserved_from_ms < UNSERVED_MS ||
             refuse_unserved(shard, serving, n, e);
    }
    free(serving);
    v->look_at_ms = now_ms + LOOK_MS;
    return ok;
}

static bool step(struct client *v, struct err *e)
{
    if (!pull(v, e))
        return false;
    if (v->inside)
        return true; /* no VGTID stands inside a transaction */
    if (clock_mono_ms() >= v->look_at_ms && !check_serving(v, e))
        return false;
    return v->p.heartbeat_ms == 0 || clock_mono_ms() < v->heartbeat_at_ms || send_heartbeat(v, e);
}

/* ---- the request ---- */

static bool read_request(struct client *v, struct err *e)
{
    const struct http_call *call = v->out.call;
    CLEANUP(mem_free_ptr) struct flag_text *given = NULL;
    size_t n = http_parameters(call, &given);
    if (strcmp(http_method(call), "GET") != 0)
        return err_set(e, ERR_USAGE, "a vstream is read by GET");
    if (!flags_fill_texts(vstream_parameters, http_path(call), given, n, &v->p, e))
        return false;
    if (v->p.keyspace == NULL)
        return err_set(e, ERR_USAGE, "the parameter keyspace is missing");
    v->ks = topology_keyspace(daemon_config(v->daemon)->topo, v->p.keyspace);
    return v->ks != NULL ||
           err_set(e, ERR_WF_NOT_FOUND, "there is no keyspace '%.100s'", v->p.keyspace);
}

/* ---- the start ---- */

/* Chooses the shards to begin with, in *out. start: the VGTID, or empty when the text is none. */
static bool choose_shards(const struct client *v, bool is_vgtid, const struct vgtid *start,
                          const char ***out, size_t *n_out, struct err *e)
{
    const char *only = v->p.shard, **serving = NULL;
    size_t n = vrepl_engine_serving(daemon_engine(v->daemon), v->ks->name, &serving);
    bool ok = !is_vgtid || handover_check_start(v->ks, start, only, serving, n, e);
    size_t n_from = is_vgtid ? start->n : n;
    *out = mem_calloc(n_from + 1, sizeof **out);
    for (size_t i = 0; ok && i < n_from; i++) {
        const char *name = is_vgtid ? start->entries[i].shard : serving[i];
        if (is_vgtid ? handover_is_within(v->ks, only, name)
                     : only == NULL || strcmp(only, name) == 0)
            (*out)[(*n_out)++] =
                topology_shard(daemon_config(v->daemon)->topo, v->ks->name, name)->name;
    }
    free(serving);
    return ok && (*n_out > 0 ||
                  err_set(e, ERR_WF_NOT_FOUND, "keyspace '%s' has no serving shard '%.100s'",
                          v->ks->name, only != NULL ? only : ""));
}

static bool tables_exist(const struct client *v, const struct topo_shard *s, struct err *e)
{
    if (v->p.tables.n == 0)
        return true;
    struct my_conn *c = my_connect(&s->primary, "vstream", e);
    bool ok =
        c != NULL && schema_tables_exist(c, s->primary.database,
                                         (const char *const *)v->p.tables.items, v->p.tables.n, e);
    my_close(c);
    return ok;
}

static struct cdc_reader *reader_of(void *ctx, const struct topo_shard *shard, struct err *e)
{
    const struct client *v = ctx;
    struct cdc_reader *reader = daemon_reader(v->daemon, shard->keyspace, shard->name);
    if (reader == NULL)
        err_set(e, ERR_INTERNAL, "there is no reader of %s/%s", shard->keyspace, shard->name);
    return reader;
}

/* entry: the shard's place in a VGTID, or NULL; else text names one. */
static bool start_place(struct client *v, const struct topo_shard *shard,
                        const struct position *entry, const char *text, struct position *out,
                        struct err *e)
{
    bool named = true;
    struct cdc_reader *reader = reader_of(v, shard, e);
    if (reader == NULL)
        return false;
    if (entry != NULL)
        position_copy(out, entry);
    else if (!cdc_reader_from(reader, text, out, &named, e))
        return false;
    return named ||
           err_set(e, ERR_USAGE, "vgtid=%.100s is no VGTID, time, current or beginning", text);
}

static bool begin(struct client *v, struct vstream_shard *lane, struct vgtid *start,
                  const char *text, struct err *e)
{
    CLEANUP(position_fini) struct position at = POSITION_INIT;
    const struct topo_shard *shard = vstream_shard_is(lane);
    const struct position *entry = vgtid_get(start, shard->keyspace, shard->name);
    return (tables_exist(v, shard, e) && start_place(v, shard, entry, text, &at, e) &&
            vstream_begin(lane, &at, e)) ||
           err_prepend(e, "%s/%s", shard->keyspace, shard->name);
}

static void open_stream(struct client *v, const char *const *shards, size_t n)
{
    struct vstream_options o = {.ks = v->ks,
                                .tables = (const char *const *)v->p.tables.items,
                                .n_tables = v->p.tables.n,
                                .name = "vstream",
                                .spill_dir = daemon_config(v->daemon)->state_dir,
                                .reader = reader_of,
                                .ctx = v};
    v->vstream = vstream_open(&o, shards, n);
}

static bool begin_all(struct client *v, struct err *e)
{
    const char *text = v->p.vgtid;
    CLEANUP(vgtid_fini) struct vgtid start = {0};
    CLEANUP(mem_free_ptr) const char **shards = NULL;
    bool is_vgtid = text != NULL && text[0] == '[';
    size_t n = 0;
    if ((is_vgtid && !vgtid_parse(text, &start, e)) ||
        !choose_shards(v, is_vgtid, &start, &shards, &n, e))
        return false;
    open_stream(v, shards, n);
    for (size_t i = 0; i < n; i++) {
        if (!begin(v, vstream_shard(v->vstream, i), &start, text, e))
            return false;
    }
    return add_feeds(v, e);
}

static void client_fini(struct client *v)
{
    for (size_t i = 0; i < v->n; i++) {
        struct feed *f = v->feeds[i];
        sink_tx_free(f->tx);
        if (f->encoder != NULL)
            f->encoder->ops->close(f->encoder);
        free(f);
    }
    vstream_close(v->vstream);
    flags_clear(vstream_parameters, &v->p);
    free(v->feeds);
}

/* The last line of a stream that had begun. */
static void end_with(struct client *v, const struct err *e)
{
    CLEANUP(vgtid_fini) struct vgtid now = {0};
    CLEANUP(vgtid_fini) struct vgtid moved = {0};
    struct err unusable = ERR_INIT; /* a journal without a place to go on says so itself */
    if (vstream_vgtid(v->vstream, &now, &moved, &unusable))
        vstream_out_end(&v->out, e, &now, &moved);
    else
        vstream_out_end(&v->out, &unusable, NULL, NULL);
}

void vstream_serve(struct daemon *d, struct http_call *call)
{
    struct err e = ERR_INIT;
    struct client v = {.daemon = d};
    vstream_out_init(&v.out, call);
    bool ok = read_request(&v, &e) && begin_all(&v, &e) && send_vgtid(&v, &e);
    v.heartbeat_at_ms = clock_mono_ms() + v.p.heartbeat_ms;
    while (ok && *http_cancelled(call) == 0)
        ok = step(&v, &e);
    if (v.out.started)
        end_with(&v, ok ? NULL : &e);
    else
        vstream_out_end(&v.out, ok ? NULL : &e, NULL, NULL);
    client_fini(&v);
}
