/* vrepl/workflow/status.c — JSON of a workflow's state. */
#include "vrepl/workflow/status.h"

#include "base/clock.h"
#include "base/mem.h"
#include "vrepl/workflow/fence.h"
#include "vrepl/workflow/workflow_type.h"

#include <stdlib.h>
#include <string.h>

#define LOG_LINES 100

const char *status_traffic(struct workflow *w)
{
    return wf_state_target_serves(wf_state_now(w)) ? "All Reads Switched. Writes Switched"
                                                   : "Reads Not Switched. Writes Not Switched";
}

bool status_has_direction(struct workflow *w, enum wf_direction dir)
{
    return dir == WF_FORWARD || wf_state_target_serves(wf_state_now(w));
}

/* A snapshot of the running streams of one direction; n 0 when they do not run. */
struct snapshot {
    struct vrepl_stream_status *streams;
    size_t n;
};

static void snapshot_take(struct workflow *w, enum wf_direction dir, struct snapshot *s)
{
    const struct wf_streams *r = w->running;
    *s = (struct snapshot){0};
    if (r == NULL || r->dir != dir)
        return;
    s->streams = mem_calloc(r->n + 1, sizeof *s->streams);
    for (; s->n < r->n; s->n++)
        vrepl_stream_status(r->streams[s->n], &s->streams[s->n]);
}

static void snapshot_fini(struct snapshot *s)
{
    for (size_t i = 0; i < s->n; i++)
        vrepl_stream_status_fini(&s->streams[i]);
    free(s->streams);
}

/* Without a copy before it, catching up is running. */
static const char *stream_word(const struct workflow *w, const struct vrepl_stream_status *st)
{
    switch (st->state) {
    case VREPL_STREAM_STOPPED:
        return "Stopped";
    case VREPL_STREAM_COPYING:
    case VREPL_STREAM_CATCHUP:
        return w->decision != NULL ? "Running" : "Copying";
    case VREPL_STREAM_RUNNING:
        return "Running";
    case VREPL_STREAM_ERROR:
        return "Error";
    }
    return "Error";
}

static int64_t lag_seconds(const struct vrepl_stream_status *st)
{
    return st->at_head ? 0 : st->lag_ms < 0 ? -1 : st->lag_ms / 1000;
}

static json_t *stream_info(const struct vrepl_stream_status *st)
{
    if (st->state == VREPL_STREAM_ERROR || st->message[0] != '\0')
        return json_sprintf("%s%s%s", st->code, st->code[0] != '\0' ? ": " : "", st->message);
    return json_sprintf("VStream Lag: %llds", (long long)lag_seconds(st));
}

static json_t *tablet_json(const struct topo_shard *s, size_t i)
{
    return json_pack("{s:s, s:I, s:s}", "cell", s->cell != NULL ? s->cell : "", "uid",
                     (json_int_t)(i + 1) * 100, "address", s->primary_address);
}

/* When the streams do not run here: what the row says. */
static const char *resting_word(const struct workflow *w)
{
    if (w->error.code != ERR_NONE)
        return "Error";
    return w->lease == NULL && w->state == WF_RUNNING ? "Unknown" : "Stopped";
}

static json_t *resting_info(const struct workflow *w)
{
    if (w->error.code != ERR_NONE)
        return json_sprintf("%s: %s", err_code_name(w->error.code), w->error.text);
    if (w->lease == NULL && w->owner != NULL && w->owner[0] != '\0')
        return json_sprintf("owned by %s", w->owner);
    return json_string(w->state == WF_CREATING ? "VStream has not started." : "");
}

static json_t *stream_json(const struct workflow *w, const struct snapshot *snap, size_t id,
                           enum wf_direction dir, size_t target, size_t source)
{
    const struct topo_shard *from = w->sides[wf_reads(dir)].shards[source];
    const struct topo_shard *to = w->sides[wf_writes(dir)].shards[target];
    const struct vrepl_stream_status *st = source < snap->n ? &snap->streams[source] : NULL;
    json_t *j = json_pack("{s:I, s:o}", "id", (json_int_t)id, "tablet", tablet_json(to, target));
    json_object_set_new(j, "source_shard", json_sprintf("%s/%s", from->keyspace, from->name));
    json_object_set_new(j, "position", json_string(st != NULL ? st->position : ""));
    json_object_set_new(j, "status",
                        json_string(st != NULL ? stream_word(w, st) : resting_word(w)));
    json_object_set_new(j, "info", st != NULL ? stream_info(st) : resting_info(w));
    json_object_set_new(j, "lag_seconds", json_integer(st != NULL ? lag_seconds(st) : -1));
    return j;
}

static json_t *shard_streams(const struct workflow *w, const struct snapshot *snap,
                             enum wf_direction dir)
{
    json_t *all = json_object();
    const struct wf_shards *to = &w->sides[wf_writes(dir)], *from = &w->sides[wf_reads(dir)];
    size_t id = 1;
    for (size_t i = 0; i < to->n; i++) {
        json_t *list = json_array();
        for (size_t k = 0; k < from->n; k++) {
            if (wf_exchange(w, from->shards[k], to->shards[i]))
                json_array_append_new(list, stream_json(w, snap, id++, dir, i, k));
        }
        char *key = mem_printf("%s/%s", to->shards[i]->keyspace, to->shards[i]->name);
        json_object_set_new(all, key, json_pack("{s:o}", "streams", list));
        free(key);
    }
    return all;
}

struct copy_sum {
    uint64_t rows_copied, rows_total, bytes_copied, bytes_total;
    bool done;
    size_t seen;
};

static struct copy_sum sum_table(const struct snapshot *snap, const char *name)
{
    struct copy_sum s = {.done = true};
    for (size_t i = 0; i < snap->n; i++) {
        for (size_t k = 0; k < snap->streams[i].n_tables; k++) {
            const struct vrepl_table_status *t = &snap->streams[i].tables[k];
            if (strcmp(t->name, name) != 0)
                continue;
            s.rows_copied += t->rows_copied;
            s.rows_total += t->rows_total;
            s.bytes_copied += t->bytes_copied;
            s.bytes_total += t->bytes_total;
            s.done = s.done && t->done;
            s.seen++;
        }
    }
    return s;
}

static double percentage(uint64_t part, uint64_t whole, bool done)
{
    double p = whole > 0 ? 100.0 * (double)part / (double)whole : 0.0;
    return done || p > 100.0 ? 100.0 : p;
}

static json_t *table_json(const struct copy_sum *s)
{
    json_t *j = json_object();
    json_object_set_new(j, "rows_copied", json_sprintf("%llu", (unsigned long long)s->rows_copied));
    json_object_set_new(j, "rows_total", json_sprintf("%llu", (unsigned long long)s->rows_total));
    json_object_set_new(j, "rows_percentage",
                        json_real(percentage(s->rows_copied, s->rows_total, s->done)));
    json_object_set_new(j, "bytes_copied",
                        json_sprintf("%llu", (unsigned long long)s->bytes_copied));
    json_object_set_new(j, "bytes_total", json_sprintf("%llu", (unsigned long long)s->bytes_total));
    json_object_set_new(j, "bytes_percentage",
                        json_real(percentage(s->bytes_copied, s->bytes_total, s->done)));
    json_object_set_new(j, "phase",
                        json_string(s->done              ? "COMPLETE"
                                    : s->rows_copied > 0 ? "IN_PROGRESS"
                                                         : "NOT_STARTED"));
    return j;
}

/* Only while something is being copied, as vtctldclient. */
static json_t *table_copy_state(const struct workflow *w, const struct snapshot *snap)
{
    json_t *all = json_object();
    bool copying = false;
    if (w->decision != NULL)
        return all;
    for (size_t i = 0; i < snap->n; i++)
        copying = copying || snap->streams[i].state == VREPL_STREAM_COPYING ||
                  snap->streams[i].state == VREPL_STREAM_CATCHUP;
    for (size_t i = 0; copying && i < w->def->n_tables; i++) {
        struct copy_sum s = sum_table(snap, w->def->tables[i].target);
        if (s.seen > 0)
            json_object_set_new(all, w->def->tables[i].source, table_json(&s));
    }
    return all;
}

static void put_alarm(const struct workflow *w, json_t *j)
{
    struct err e = ERR_INIT;
    for (size_t i = 0; i < w->n_watches; i++) {
        if (fence_watch_alarm(w->watches[i], &e)) {
            json_object_set_new(j, "alarm", json_sprintf("%s: %s", err_code_name(e.code), e.text));
            return;
        }
    }
}

/* Tables that create left out by itself are said wherever somebody asks what the workflow is. */
static void put_left_out(const struct workflow *w, json_t *j)
{
    if (w->def->left_out != NULL)
        json_object_set_new(
            j, "tables_left_out",
            json_sprintf("%s (of a schema change that ran when the workflow was made)",
                         w->def->left_out));
}

json_t *status_json(struct workflow *w, enum wf_direction dir)
{
    const char *traffic = status_traffic(w);
    struct snapshot snap;
    json_t *j = json_object();
    pthread_mutex_lock(&w->lock);
    if (w->def != NULL) {
        snapshot_take(w, dir, &snap);
        json_object_set_new(j, "table_copy_state", table_copy_state(w, &snap));
        json_object_set_new(j, "shard_streams", shard_streams(w, &snap, dir));
        snapshot_fini(&snap);
        put_left_out(w, j);
    }
    json_object_set_new(j, "traffic_state", json_string(traffic));
    json_object_set_new(j, "state", json_string(wf_state_name(w->state)));
    if (w->owner != NULL)
        json_object_set_new(j, "owner",
                            json_string(w->lease != NULL ? w->engine->owner : w->owner));
    if (w->error.code != ERR_NONE)
        json_object_set_new(j, "error",
                            json_sprintf("%s: %s", err_code_name(w->error.code), w->error.text));
    put_alarm(w, j);
    pthread_mutex_unlock(&w->lock);
    return j;
}

static json_t *side_json(const struct wf_side *s)
{
    json_t *shards = json_array();
    for (size_t i = 0; i < s->n_shards; i++)
        json_array_append_new(shards, json_string(s->shards[i]));
    return json_pack("{s:s, s:o}", "keyspace", s->keyspace, "shards", shards);
}

static json_t *rule_json(const struct workflow *w, const struct wf_table *t, enum wf_direction dir,
                         const struct topo_shard *to)
{
    const char *match = wf_plain_name(t, wf_reads(dir));
    CLEANUP(buf_fini) struct buf columns = BUF_INIT;
    for (size_t i = 0; i < t->n_columns; i++)
        buf_printf(&columns, "%s%s", i > 0 ? ", " : "", t->columns[i]);
    json_t *filter =
        t->vindex_type != NULL
            ? json_sprintf("select * from %s where in_keyrange(%s, '%s.%s', '%s')", match,
                           buf_str(&columns), w->def->target.keyspace, t->vindex_type, to->name)
            : json_sprintf("select * from %s", match);
    return json_pack("{s:s, s:o}", "match", match, "filter", filter);
}

static json_t *binlog_source(const struct workflow *w, enum wf_direction dir,
                             const struct topo_shard *from, const struct topo_shard *to)
{
    json_t *rules = json_array();
    for (size_t i = 0; i < w->def->n_tables; i++)
        json_array_append_new(rules, rule_json(w, &w->def->tables[i], dir, to));
    return json_pack("{s:s, s:s, s:{s:o}, s:s, s:b}", "keyspace", from->keyspace, "shard",
                     from->name, "filter", "rules", rules, "on_ddl", wf_on_ddl_name(w->def->on_ddl),
                     "stop_after_copy", w->def->stop_after_copy);
}

static bool put_log(void *ctx, int64_t wall_ms, const char *kind, const char *message)
{
    json_t *list = ctx;
    json_array_append_new(
        list, json_pack("{s:s, s:{s:o}, s:s}", "type", kind, "created_at", "seconds",
                        json_sprintf("%lld", (long long)(wall_ms / 1000)), "message", message));
    return true;
}

static json_t *logs_json(struct workflow *w)
{
    json_t *list = json_array();
    struct err e = ERR_INIT;
    if (w->engine->o.store != NULL &&
        !store_log_each(w->engine->o.store, w->keys[0], LOG_LINES, put_log, list, &e))
        json_array_append_new(list, json_pack("{s:s, s:s}", "type", "Error", "message", e.text));
    return list;
}

/* One stream as `show` prints it: the status fields and what it reads. */
static json_t *show_stream(const struct workflow *w, const struct snapshot *snap, size_t id,
                           enum wf_direction dir, size_t target, size_t source)
{
    const struct topo_shard *from = w->sides[wf_reads(dir)].shards[source];
    const struct topo_shard *to = w->sides[wf_writes(dir)].shards[target];
    const struct vrepl_stream_status *st = source < snap->n ? &snap->streams[source] : NULL;
    json_t *j = json_object();
    json_object_set_new(j, "id", json_sprintf("%zu", id));
    json_object_set_new(j, "shard", json_string(to->name));
    json_object_set_new(j, "tablet", tablet_json(to, target));
    json_object_set_new(j, "binlog_source", binlog_source(w, dir, from, to));
    json_object_set_new(j, "position", json_string(st != NULL ? st->position : ""));
    json_object_set_new(j, "stop_position", json_string(""));
    json_object_set_new(j, "state", json_string(st != NULL ? stream_word(w, st) : resting_word(w)));
    json_object_set_new(j, "db_name", json_string(to->primary.database));
    json_object_set_new(j, "message", st != NULL ? json_string(st->message) : resting_info(w));
    json_object_set_new(
        j, "rows_copied",
        json_sprintf("%llu", st != NULL ? (unsigned long long)st->rows_copied : 0ull));
    return j;
}

static json_t *show_streams(struct workflow *w, enum wf_direction dir, int64_t *lag)
{
    struct snapshot snap;
    json_t *all = json_object();
    const struct wf_shards *to = &w->sides[wf_writes(dir)], *from = &w->sides[wf_reads(dir)];
    size_t id = 1;
    snapshot_take(w, dir, &snap);
    for (size_t i = 0; i < snap.n; i++)
        *lag = lag_seconds(&snap.streams[i]) > *lag ? lag_seconds(&snap.streams[i]) : *lag;
    for (size_t i = 0; i < to->n; i++) {
        json_t *list = json_array();
        for (size_t k = 0; k < from->n; k++) {
            if (wf_exchange(w, from->shards[k], to->shards[i]))
                json_array_append_new(list, show_stream(w, &snap, id++, dir, i, k));
        }
        char *key = mem_printf("%s/%s", to->shards[i]->name, to->shards[i]->primary_address);
        bool serving = wf_state_direction(w->state) != dir;
        json_object_set_new(
            all, key, json_pack("{s:o, s:b}", "streams", list, "is_primary_serving", serving));
        free(key);
    }
    snapshot_fini(&snap);
    return all;
}

json_t *status_show(struct workflow *w, enum wf_direction dir, bool logs)
{
    int64_t lag = 0;
    json_t *log_lines = logs ? logs_json(w) : NULL;
    json_t *j = json_object();
    pthread_mutex_lock(&w->lock);
    json_object_set_new(j, "name",
                        json_sprintf("%s%s", w->name, dir == WF_REVERSE ? "_reverse" : ""));
    if (w->def != NULL) {
        json_object_set_new(j, "source",
                            side_json(dir == WF_REVERSE ? &w->def->target : &w->def->source));
        json_object_set_new(j, "target",
                            side_json(dir == WF_REVERSE ? &w->def->source : &w->def->target));
        json_t *streams = show_streams(w, dir, &lag);
        json_object_set_new(j, "max_v_replication_lag", json_sprintf("%lld", (long long)lag));
        json_object_set_new(j, "shard_streams", streams);
        json_object_set_new(j, "workflow_type", json_string(w->def->type->name));
        json_object_set_new(j, "workflow_sub_type", json_string("None"));
        put_left_out(w, j);
        json_object_set_new(j, "max_v_replication_transaction_lag",
                            json_sprintf("%lld", (long long)lag));
        json_object_set_new(j, "defer_secondary_keys", json_boolean(w->def->defer_secondary_keys));
        const char *handling = w->def->keep_auto_increment ? "LEAVE" : "REMOVE";
        json_object_set_new(j, "options",
                            json_pack("{s:s}", "sharded_auto_increment_handling", handling));
    }
    json_object_set_new(j, "state", json_string(wf_state_name(w->state)));
    pthread_mutex_unlock(&w->lock);
    if (log_lines != NULL)
        json_object_set_new(j, "logs", log_lines);
    return j;
}
