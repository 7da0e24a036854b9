/* app/cli/stream_raw.c — a live log as `sluice decode --format raw` shows a file: one dump, one
 * thread.
 *
 * Heartbeats, every 200 ms of silence, are the clock by which the ends are looked at: a signal, an
 * idle time, a position. They are not shown.
 */
#include "app/cli/stream_raw.h"

#include "app/cli/decode_run.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cdc/reader.h"

#include <string.h>

#define HEARTBEAT_MS 200

struct raw {
    const struct stream_request *rq;
    const struct topo_shard *shard;
    struct position start, until;
    struct decode_run run;
    uint64_t events;  /* seen so far, heartbeats apart */
    int64_t since_ms; /* monotonic: when the last one came */
};

static uint64_t count_events(const struct cdc_decoder *d)
{
    const struct cdc_decode_stats *s = cdc_decoder_stats(d);
    uint64_t sum = s->transactions;
    for (unsigned i = 0; i < 256; i++)
        sum += i == 27 || i == 41 ? 0 : s->events[i];
    return sum;
}

static bool is_end(void *ctx, struct cdc_source *s, const struct cdc_decoder *d)
{
    struct raw *r = ctx;
    if (stream_interrupted())
        return true;
    if (!position_is_empty(&r->until) && !cdc_decoder_in_transaction(d) &&
        position_at_or_after(cdc_decoder_position(d), &r->until))
        return true;
    if (r->rq->until_idle_ms == 0 || s->ops->ready(s))
        return false;
    uint64_t events = count_events(d);
    int64_t now_ms = clock_mono_ms();
    if (events != r->events)
        r->since_ms = now_ms;
    r->events = events;
    return now_ms - r->since_ms >= r->rq->until_idle_ms;
}

static bool find_places(struct raw *r, struct topology *topo, struct err *e)
{
    struct cdc_reader_options o = {.heartbeat_ms = HEARTBEAT_MS};
    struct cdc_reader *reader = cdc_reader_new(topo, r->shard, &o);
    bool named = false;
    bool ok = cdc_reader_from(reader, r->rq->from, &r->start, &named, e) &&
              (named || stream_entry(r->rq->from, r->shard, &r->start, e)) &&
              stream_until(r->rq, r->shard, &r->until, &r->run.range.stop_time, e);
    cdc_reader_free(reader);
    return ok;
}

static bool read_log(struct raw *r, uint32_t server_id, struct err *e)
{
    bool by_gtid = r->start.gtids && !gtid_set_is_empty(r->start.gtids);
    struct my_dump_options o = {.server_id = server_id,
                                .heartbeat_ms = HEARTBEAT_MS,
                                .annotate = true,
                                .use_gtid = by_gtid || !r->start.file[0]};
    struct cdc_source *s = cdc_source_open_dump(&r->shard->primary, &o, &r->start, e);
    if (!s)
        return false;
    struct cdc_decode_options options = decode_run_options(&r->run);
    struct cdc_decoder *d = cdc_decoder_new(&options, &r->start);
    r->since_ms = clock_mono_ms();
    bool ok = decode_run_source(&r->run, s, d, e);
    cdc_decoder_free(d);
    s->ops->close(s);
    return ok;
}

static char *join(const char *const *names, size_t n)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%s%s", i > 0 ? "," : "", names[i]);
    return n > 0 ? buf_take(&b) : NULL;
}

bool stream_raw(struct topology *topo, const struct stream_request *rq, struct err *e)
{
    struct raw r = {.rq = rq, .start = POSITION_INIT, .until = POSITION_INIT};
    uint32_t server_id = 0;
    if (rq->n_shards != 1 || rq->copy) {
        err_set(e, ERR_USAGE, "--format raw shows the log of one shard, without --copy");
        return err_cure(e, "name the shard with --shards");
    }
    CLEANUP(mem_free_ptr) char *tables = join(rq->tables, rq->n_tables);
    r.shard = topology_shard(topo, rq->keyspace, rq->shards[0]);
    r.run = (struct decode_run){.format = "raw",
                                .prefix = rq->prefix,
                                .tables = tables,
                                .verify = true,
                                .show_stats = rq->stats,
                                .live = true,
                                .is_end = is_end,
                                .is_end_ctx = &r};
    bool ok = decode_run_open(&r.run, e) && find_places(&r, topo, e) &&
              topology_server_id_take(topo, &server_id, e);
    if (ok) {
        ok = read_log(&r, server_id, e);
        topology_server_id_give(topo, server_id);
    }
    decode_run_fini(&r.run);
    position_fini(&r.start);
    position_fini(&r.until);
    return ok && (!stream_interrupted() || err_set(e, ERR_SHUTDOWN, "interrupted"));
}
