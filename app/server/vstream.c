/* app/server/vstream.c — feeds one HTTP client from the daemon's shared readers, one shard after
 * another in turn.
 *
 * Each shard has its own cdc_stream and sink_tx; they are polled in turn, so records of one shard
 * keep their order and shards do not wait for each other longer than a poll. Invariants:
 *   1. Only whole committed transactions are sent, of the keyspace's database only (sink_tx).
 *   2. Every VGTID that is sent stands behind everything sent before it and in front of everything else.
 *   3. The stream never falls silent: a heartbeat says each shard's state; where shards or tables of it
 *      are switched away it ends with an error and the VGTID where it goes on (cdc/vstream/handover.h); and a
 *      shard that stopped serving without a journal in its log ends it too.
 */
#include "app/server/vstream.h"

#include "app/server/vstream_out.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/sys.h"
#include "cdc/vstream/handover.h"
#include "schemas/inspect.h"
#include "schemas/names.h"
#include "sinks/sink_tx.h"
#include "state/store.h"

#include <stdlib.h>
#include <string.h>

#define HEARTBEAT_MS     5000
#define HEARTBEAT_MIN_MS 100
#define HEARTBEAT_MAX_MS 3600000
#define POLL_ONE_MS      100 /* the wait for a shard's next batch when it is the only one */
#define POLL_EACH_MS     20
#define UNSERVED_MS      5000 /* a shard that does not serve may be quiet for so long */
#define LOOK_MS          1000 /* between two looks at which shards serve */

struct shard_feed { /* one shard */
    struct vstream *v;
    size_t i;
    const struct topo_shard *shard;
    struct cdc_reader *reader;
    struct cdc_stream *stream;
    struct sink_tx *tx;
    struct encoder *encoder;
    enum cdc_rest rest;
    struct err why;           /* of rest, where it has one */
    int64_t unserved_from_ms; /* monotonic; 0: it serves, or there is something to read */
};
struct vstream {
    struct daemon *daemon;
    const struct topo_keyspace *ks;
    struct vstream_out out;
    struct shard_feed *feeds;
    const char **shards;
    size_t n;
    char **wanted; /* tables; none: all */
    size_t n_wanted;
    bool tx;
    bool fresh; /* records were sent since the last VGTID */
    int64_t heartbeat_ms, heartbeat_at_ms, look_at_ms;
    struct handover handover;
};

/* ---- what is sent ---- */

static bool emit(void *ctx, const struct encode_record *r, struct err *e)
{
    struct shard_feed *f = ctx;
    if (r->value == NULL)
        return true;
    f->v->fresh = true;
    return vstream_out_record(&f->v->out, r->value, r->value_len) ||
           err_set(e, ERR_SHUTDOWN, "the client is gone");
}

static bool on_journal(void *ctx, const char *json, size_t n, struct err *e)
{
    struct shard_feed *f = ctx;
    bool ends = false;
    (void)n;
    if (!handover_take(&f->v->handover, f->i, json, cdc_reader_folds_names(f->reader),
                       sink_tx_position(f->tx), &ends, e))
        return false;
    if (ends)
        sink_tx_stop(f->tx);
    return true;
}

/* Where a client goes on. done: handover_complete. */
static bool position_now(const struct vstream *v, int done, struct vgtid *out, struct err *e)
{
    const struct position **at = mem_calloc(v->n + 1, sizeof *at);
    for (size_t i = 0; i < v->n; i++)
        at[i] = sink_tx_position(v->feeds[i].tx);
    bool ok = handover_vgtid(&v->handover, done, at, out, e);
    free(at);
    return ok;
}

static bool send_vgtid(struct vstream *v, struct err *e)
{
    CLEANUP(vgtid_fini) struct vgtid now = {0};
    v->fresh = false;
    return position_now(v, -1, &now, e) &&
           (vstream_out_vgtid(&v->out, &now) || err_set(e, ERR_SHUTDOWN, "the client is gone"));
}

static bool send_heartbeat(struct vstream *v, struct err *e)
{
    CLEANUP(vgtid_fini) struct vgtid now = {0};
    struct vstream_shard_state *states = mem_calloc(v->n + 1, sizeof *states);
    for (size_t i = 0; i < v->n; i++)
        states[i] = (struct vstream_shard_state){.shard = v->feeds[i].shard->name,
                                                 .rest = v->feeds[i].rest,
                                                 .ended = v->handover.family.shards[i].ended,
                                                 .why = v->feeds[i].why.text};
    bool ok = position_now(v, -1, &now, e) && (vstream_out_heartbeat(&v->out, &now, states, v->n) ||
                                               err_set(e, ERR_SHUTDOWN, "the client is gone"));
    free(states);
    v->fresh = false;
    v->heartbeat_at_ms = clock_mono_ms() + v->heartbeat_ms;
    return ok;
}

/* ---- reading ---- */

static bool take_batch(struct shard_feed *f, struct cdc_batch *b, struct err *e)
{
    size_t at = 0;
    bool clean = false;
    f->rest = CDC_REST_BUSY;
    err_clear(&f->why);
    f->unserved_from_ms = 0;
    sink_tx_fold_names(f->tx, cdc_reader_folds_names(f->reader));
    if (!sink_tx_batch(f->tx, b, &at, &clean, e))
        return err_prepend(e, "%s/%s", f->shard->keyspace, f->shard->name);
    cdc_stream_ack(f->stream, sink_tx_position(f->tx));
    return !f->v->fresh || send_vgtid(f->v, e);
}

static void note_rest(struct shard_feed *f)
{
    err_clear(&f->why);
    f->rest = cdc_stream_rest(f->stream, &f->why);
}

static bool poll_feed(struct shard_feed *f, struct err *e)
{
    struct cdc_batch *b = NULL;
    switch (cdc_stream_next(f->stream, &b, f->v->n == 1 ? POLL_ONE_MS : POLL_EACH_MS, e)) {
    case CDC_NEXT_OK: {
        bool ok = take_batch(f, b, e);
        cdc_batch_unref(b);
        return ok;
    }
    case CDC_NEXT_TIMEOUT:
        note_rest(f);
        return true;
    case CDC_NEXT_END:
        return true;
    case CDC_NEXT_FAIL:
        break;
    }
    return err_prepend(e, "%s/%s", f->shard->keyspace, f->shard->name);
}

static bool poll_feeds(struct vstream *v, struct err *e)
{
    size_t ended = 0;
    for (size_t i = 0; i < v->n && *http_cancelled(v->out.call) == 0; i++) {
        if (v->handover.family.shards[i].ended)
            ended++;
        else if (!poll_feed(&v->feeds[i], e))
            return false;
    }
    int done = handover_complete(&v->handover);
    if (ended == v->n && done < 0) /* different journals on all shards: each waits for another's */
        clock_sleep_ms(POLL_ONE_MS, http_cancelled(v->out.call));
    return done < 0 || handover_error(&v->handover, done, e);
}

/* ---- shards that serve no more ---- */

static bool is_among(const char *const *names, size_t n, const char *name)
{
    bool found = false;
    for (size_t i = 0; i < n; i++)
        found = found || strcmp(names[i], name) == 0;
    return found;
}

static bool refuse_unserved(const struct shard_feed *f, const char *const *serving, size_t n,
                            struct err *e)
{
    CLEANUP(buf_fini) struct buf names = BUF_INIT;
    for (size_t i = 0; i < n; i++)
        buf_printf(&names, "%s%s", i > 0 ? ", " : "", serving[i]);
    err_set(
        e, ERR_SRC_HANDOVER,
        "%s/%s does not serve, and behind this position its log has no journal that says where it "
        "went; the shards of %s that serve now: %s",
        f->shard->keyspace, f->shard->name, f->shard->keyspace, buf_str(&names));
    return err_cure(e, "begin anew on the shards that serve, or from a VGTID that they sent");
}

/* The journal is in the log before the engine knows of the switch; so who serves no more and is at
 * its log's end for a while will not meet one. */
static bool check_serving(struct vstream *v, struct err *e)
{
    const char **serving = NULL;
    size_t n = vrepl_engine_serving(daemon_engine(v->daemon), v->ks->name, &serving);
    int64_t now_ms = clock_mono_ms();
    bool ok = true;
    for (size_t i = 0; ok && i < v->n; i++) {
        struct shard_feed *f = &v->feeds[i];
        bool fine = v->handover.family.shards[i].ended || f->rest != CDC_REST_IDLE ||
                    is_among(serving, n, f->shard->name);
        if (fine)
            f->unserved_from_ms = 0;
        else if (f->unserved_from_ms == 0)
            f->unserved_from_ms = now_ms;
        ok =
            fine || now_ms - f->unserved_from_ms < UNSERVED_MS || refuse_unserved(f, serving, n, e);
    }
    free(serving);
    v->look_at_ms = now_ms + LOOK_MS;
    return ok;
}

static bool step(struct vstream *v, struct err *e)
{
    if (!poll_feeds(v, e))
        return false;
    if (clock_mono_ms() >= v->look_at_ms && !check_serving(v, e))
        return false;
    return v->heartbeat_ms == 0 || clock_mono_ms() < v->heartbeat_at_ms || send_heartbeat(v, e);
}

/* ---- the request ---- */

static bool parameters_known(const struct http_call *call, struct err *e)
{
    static const char *const known[] = {"keyspace", "vgtid",     "tables", "shard",
                                        "tx",       "heartbeat", NULL};
    const char *name = http_query_unread(call, known);
    if (name == NULL)
        return true;
    err_set(e, ERR_USAGE, "vstream has no parameter '%.100s', or not twice", name);
    return err_cure(e,
                    "it takes keyspace, vgtid, tables, shard, tx and heartbeat, each once; tables "
                    "are separated by commas");
}

static bool read_tx(struct vstream *v, const char *text, struct err *e)
{
    v->tx = text != NULL && strcmp(text, "1") == 0;
    return v->tx || text == NULL || strcmp(text, "0") == 0 ||
           err_set(e, ERR_USAGE, "tx=%.100s is neither 0 nor 1", text);
}

static bool read_heartbeat(struct vstream *v, const char *text, struct err *e)
{
    v->heartbeat_ms = HEARTBEAT_MS;
    if (text != NULL && !sys_parse_duration_ms(text, &v->heartbeat_ms, e))
        return err_prepend(e, "heartbeat");
    return v->heartbeat_ms == 0 ||
           (v->heartbeat_ms >= HEARTBEAT_MIN_MS && v->heartbeat_ms <= HEARTBEAT_MAX_MS) ||
           err_set(e, ERR_USAGE, "heartbeat=%.100s is neither 0 nor between 100ms and 1h", text);
}

/* No list: all tables. An empty one would be somebody's variable without a value. */
static bool split_tables(struct vstream *v, const char *list, struct err *e)
{
    size_t cap = 0;
    for (const char *p = list; p != NULL && *p != '\0'; p += strcspn(p, ","), p += *p == ',') {
        mem_grow((void **)&v->wanted, &cap, v->n_wanted + 1, sizeof *v->wanted);
        v->wanted[v->n_wanted++] = mem_strndup(p, strcspn(p, ","));
    }
    return list == NULL || v->n_wanted > 0 ||
           err_set(e, ERR_USAGE, "the parameter tables names none; all are meant without it");
}

static bool read_request(struct vstream *v, struct err *e)
{
    const struct http_call *call = v->out.call;
    const char *keyspace = http_query(call, "keyspace");
    if (strcmp(http_method(call), "GET") != 0)
        return err_set(e, ERR_USAGE, "a vstream is read by GET");
    if (!parameters_known(call, e) || !read_tx(v, http_query(call, "tx"), e) ||
        !read_heartbeat(v, http_query(call, "heartbeat"), e))
        return false;
    if (keyspace == NULL)
        return err_set(e, ERR_USAGE, "the parameter keyspace is missing");
    if (!split_tables(v, http_query(call, "tables"), e))
        return false;
    v->ks = topology_keyspace(daemon_config(v->daemon)->topo, keyspace);
    return v->ks != NULL || err_set(e, ERR_WF_NOT_FOUND, "there is no keyspace '%.100s'", keyspace);
}

/* ---- the start ---- */

/* Chooses v->shards. start: the VGTID, or empty when the text is none. */
static bool choose_shards(struct vstream *v, bool is_vgtid, const struct vgtid *start,
                          struct err *e)
{
    const char *only = http_query(v->out.call, "shard"), **serving = NULL;
    size_t n = vrepl_engine_serving(daemon_engine(v->daemon), v->ks->name, &serving);
    bool ok = !is_vgtid || handover_check_start(v->ks, start, only, serving, n, e);
    size_t n_from = is_vgtid ? start->n : n;
    v->shards = mem_calloc(n_from + 1, sizeof *v->shards);
    for (size_t i = 0; ok && i < n_from; i++) {
        const char *name = is_vgtid ? start->entries[i].shard : serving[i];
        if (only == NULL || strcmp(only, name) == 0)
            v->shards[v->n++] =
                topology_shard(daemon_config(v->daemon)->topo, v->ks->name, name)->name;
    }
    free(serving);
    return ok &&
           (v->n > 0 || err_set(e, ERR_WF_NOT_FOUND, "keyspace '%s' has no serving shard '%.100s'",
                                v->ks->name, only != NULL ? only : ""));
}

static bool tables_exist(const struct vstream *v, const struct topo_shard *s, struct err *e)
{
    if (v->n_wanted == 0)
        return true;
    struct my_conn *c = my_connect(&s->primary, "vstream", e);
    bool ok = c != NULL && schema_tables_exist(c, s->primary.database,
                                               (const char *const *)v->wanted, v->n_wanted, e);
    my_close(c);
    return ok;
}

/* entry: the shard's place in a VGTID, or NULL; else text names one. */
static bool start_place(const struct shard_feed *f, const struct position *entry, const char *text,
                        struct position *out, struct err *e)
{
    bool named = true;
    if (entry != NULL)
        position_copy(out, entry);
    else if (!cdc_reader_from(f->reader, text, out, &named, e))
        return false;
    return named ||
           err_set(e, ERR_USAGE, "vgtid=%.100s is no VGTID, time, current or beginning", text);
}

static void open_tx(struct shard_feed *f)
{
    const struct config *c = daemon_config(f->v->daemon);
    struct sink_tx_options o = {.database = f->shard->primary.database,
                                .tables = (const char *const *)f->v->wanted,
                                .n_tables = f->v->n_wanted,
                                .transactions = f->v->tx,
                                .spill_dir = c->state_dir,
                                .encoder = f->encoder,
                                .context = {.installation = c->topo->installation,
                                            .prefix = c->topo->installation,
                                            .keyspace = f->shard->keyspace,
                                            .shard = f->shard->name,
                                            .version = SLUICE_VERSION},
                                .emit = emit,
                                .journal = on_journal,
                                .ctx = f};
    f->tx = sink_tx_new(&o, cdc_stream_position(f->stream));
}

static bool attach(struct shard_feed *f, const struct position *entry, const char *text,
                   struct err *e)
{
    struct cdc_stream_options o = {.name = "vstream"};
    CLEANUP(position_fini) struct position at = POSITION_INIT;
    if (!tables_exist(f->v, f->shard, e) || !start_place(f, entry, text, &at, e))
        return false;
    f->encoder = encoder_find("ndjson")->open("{}", e);
    f->stream = f->encoder != NULL ? cdc_reader_attach(f->reader, &at, &o, e) : NULL;
    if (f->stream == NULL)
        return false;
    open_tx(f);
    return true;
}

static bool attach_all(struct vstream *v, const char *text, struct err *e)
{
    CLEANUP(vgtid_fini) struct vgtid start = {0};
    bool is_vgtid = text != NULL && text[0] == '[';
    if ((is_vgtid && !vgtid_parse(text, &start, e)) || !choose_shards(v, is_vgtid, &start, e))
        return false;
    v->feeds = mem_calloc(v->n + 1, sizeof *v->feeds);
    handover_init(&v->handover, v->ks->name, v->shards, v->n, (const char *const *)v->wanted,
                  v->n_wanted);
    for (size_t i = 0; i < v->n; i++) {
        struct shard_feed *f = &v->feeds[i];
        *f = (struct shard_feed){.v = v, .i = i};
        f->shard = topology_shard(daemon_config(v->daemon)->topo, v->ks->name, v->shards[i]);
        f->reader = daemon_reader(v->daemon, v->ks->name, v->shards[i]);
        const struct position *entry = vgtid_get(&start, v->ks->name, v->shards[i]);
        if (!attach(f, entry, text, e))
            return err_prepend(e, "%s/%s", v->ks->name, v->shards[i]);
    }
    return true;
}

static void vstream_fini(struct vstream *v)
{
    for (size_t i = 0; v->feeds != NULL && i < v->n; i++) {
        struct shard_feed *f = &v->feeds[i];
        cdc_stream_close(f->stream);
        sink_tx_free(f->tx);
        if (f->encoder != NULL)
            f->encoder->ops->close(f->encoder);
    }
    handover_fini(&v->handover);
    schema_names_free(v->wanted, v->n_wanted);
    free(v->feeds);
    free(v->shards);
}

/* The last line of a stream that had begun. */
static void end_with(struct vstream *v, const struct err *e)
{
    CLEANUP(vgtid_fini) struct vgtid now = {0};
    CLEANUP(vgtid_fini) struct vgtid moved = {0};
    struct err unusable = ERR_INIT; /* a journal without a place to go on says so itself */
    int done = handover_complete(&v->handover);
    if (position_now(v, done, &now, &unusable) &&
        (done < 0 || handover_moved(&v->handover, done, &moved, &unusable)))
        vstream_out_end(&v->out, e, &now, &moved);
    else
        vstream_out_end(&v->out, &unusable, NULL, NULL);
}

void vstream_serve(struct daemon *d, struct http_call *call)
{
    struct err e = ERR_INIT;
    struct vstream v = {.daemon = d};
    vstream_out_init(&v.out, call);
    bool ok =
        read_request(&v, &e) && attach_all(&v, http_query(call, "vgtid"), &e) && send_vgtid(&v, &e);
    v.heartbeat_at_ms = clock_mono_ms() + v.heartbeat_ms;
    while (ok && *http_cancelled(call) == 0)
        ok = step(&v, &e);
    if (v.out.started)
        end_with(&v, ok ? NULL : &e);
    else
        vstream_out_end(&v.out, ok ? NULL : &e, NULL, NULL);
    vstream_fini(&v);
}
