/* app/vstream.c — feeds one HTTP client from the daemon's shared readers, one shard after another
 * in turn.
 *
 * Each serving shard has its own cdc_stream; they are polled in turn, so records of one shard keep
 * their order and shards do not wait for each other longer than a poll. Every commit is followed,
 * at the end of a batch, by a `vgtid` record from which the client can resume; nothing of a
 * transaction is sent before its commit was seen when it lies within one batch, and else in slices
 * (the client sees begin and commit with tx=1 and must drop what lacks its commit).
 */
#include "app/vstream.h"

#include "app/api.h"
#include "app/render.h"
#include "base/clock.h"
#include "base/mem.h"
#include "schemas/inspect.h"
#include "schemas/names.h"
#include "sinks/encode.h"
#include <stdlib.h>
#include <string.h>

struct vstream {
    struct daemon *daemon;
    struct http_call *call;
    const char *keyspace;
    struct cdc_stream **streams;
    const char **shards;
    struct cdc_change *begins; /* of the open transaction per shard */
    struct position *positions;
    size_t n;
    char **wanted; /* tables; none: all */
    size_t n_wanted;
    bool events, tx;
    struct encoder *encoder;
    struct cdc_row *before, *after;
    bool gone;
};

/* folds: how the shard's server compares names (cdc_reader_folds_names). */
static bool table_wanted(const struct vstream *v, const struct schema_table *t, bool folds)
{
    if (strcmp(t->db, "_sluice") == 0)
        return false;
    for (size_t i = 0; i < v->n_wanted; i++)
        if (schema_name_is(folds, v->wanted[i], t->name))
            return true;
    return v->n_wanted == 0;
}

static bool emit(void *ctx, const struct schema_table *table, const void *key, size_t key_len,
                 const void *value, size_t value_len, struct err *e)
{
    struct vstream *v = ctx;
    struct buf line = BUF_INIT;
    (void)table;
    (void)key;
    (void)key_len;
    (void)e;
    if (value == NULL)
        return true;
    buf_put_str(&line, v->events ? "data: " : "");
    buf_put(&line, value, value_len);
    buf_put_str(&line, v->events ? "\n\n" : "\n");
    v->gone = !http_line(v->call, v->events ? "text/event-stream" : "application/x-ndjson",
                         line.data, line.len);
    buf_fini(&line);
    return !v->gone;
}

static bool send_rows(struct vstream *v, struct encode_context *c, const struct cdc_change *change,
                      struct err *e)
{
    struct cdc_rows_iter it;
    size_t n = change->rows.n_columns;
    bool folds = cdc_reader_folds_names(daemon_reader(v->daemon, v->keyspace, c->shard));
    if (!table_wanted(v, change->rows.table, folds))
        return true;
    if (v->before == NULL || v->before->n_columns < n) {
        cdc_row_free(v->before);
        cdc_row_free(v->after);
        v->before = cdc_row_new(n);
        v->after = cdc_row_new(n);
    }
    cdc_rows_begin(&it, &change->rows);
    for (;;) {
        enum cdc_rows_result r = cdc_rows_next(&it, v->before, v->after, e);
        if (r != CDC_ROWS_ROW)
            return r == CDC_ROWS_END;
        if (!v->encoder->ops->row(v->encoder, c, change, v->before, v->after,
                                  change->rows.first_seq + it.row, emit, v, e))
            return false;
    }
}

static bool send_vgtid(struct vstream *v, struct err *e)
{
    struct vgtid g = {0};
    struct buf line = BUF_INIT;
    for (size_t i = 0; i < v->n; i++)
        vgtid_set(&g, v->keyspace, v->shards[i], &v->positions[i]);
    buf_put_str(&line, "{\"op\":\"vgtid\",\"vgtid\":");
    vgtid_print(&g, &line);
    buf_put_str(&line, "}");
    bool ok = emit(v, NULL, NULL, 0, line.data, line.len, e);
    buf_fini(&line);
    vgtid_fini(&g);
    return ok;
}

static bool send_change(struct vstream *v, size_t i, struct encode_context *c,
                        const struct cdc_change *change, bool *commits, struct err *e)
{
    if (change->skippable)
        return true;
    if (change->kind == CDC_BEGIN)
        v->begins[i] = *change;
    *commits |= change->kind == CDC_COMMIT;
    c->begin = &v->begins[i];
    if (change->kind == CDC_ROWS)
        return send_rows(v, c, change, e);
    if (change->kind == CDC_DDL ||
        (v->tx && (change->kind == CDC_BEGIN || change->kind == CDC_COMMIT)))
        return v->encoder->ops->other(v->encoder, c, change, emit, v, e);
    return true;
}

static bool send_batch(struct vstream *v, size_t i, const struct cdc_batch *b, struct err *e)
{
    const struct topo_shard *shard =
        topology_shard(daemon_config(v->daemon)->topo, v->keyspace, v->shards[i]);
    struct encode_context c = {.installation = daemon_config(v->daemon)->topo->installation,
                               .prefix = daemon_config(v->daemon)->topo->installation,
                               .keyspace = v->keyspace,
                               .shard = shard->name,
                               .version = SLUICE_VERSION,
                               .pos = &v->positions[i],
                               .now_ms = clock_wall_ms()};
    bool commits = false;
    for (size_t k = 0; k < b->n_changes; k++) {
        if (!send_change(v, i, &c, &b->changes[k], &commits, e))
            return false;
        cdc_position_advance(&v->positions[i], &b->changes[k]);
    }
    /* The begin's query text lives in the batch; only its plain fields outlive it. */
    v->begins[i].begin.query = NULL;
    v->begins[i].file = NULL;
    return !commits || send_vgtid(v, e);
}

static bool poll_streams(struct vstream *v, struct err *e)
{
    for (size_t i = 0; i < v->n && *http_cancelled(v->call) == 0; i++) {
        struct cdc_batch *b = NULL;
        enum cdc_next r = cdc_stream_next(v->streams[i], &b, v->n == 1 ? 200 : 20, e);
        if (r == CDC_NEXT_FAIL)
            return false;
        if (r != CDC_NEXT_OK)
            continue;
        bool ok = send_batch(v, i, b, e);
        cdc_stream_ack(v->streams[i], &v->positions[i]);
        cdc_batch_unref(b);
        if (!ok)
            return false;
    }
    return true;
}

/* entry: the shard's place in a VGTID, or NULL; else text names one. */
static bool start_place(struct cdc_reader *r, const struct position *entry, const char *text,
                        struct position *out, struct err *e)
{
    bool named = true;
    if (entry)
        position_copy(out, entry);
    else if (!cdc_reader_from(r, text, out, &named, e))
        return false;
    return named ||
           err_set(e, ERR_USAGE, "vgtid=%.100s is no VGTID, time, current or beginning", text);
}

/* A shard without a place would begin at the log's end: what lies before it would be lost. */
static bool refuse_absent(const char *keyspace, const char *shard, struct err *e)
{
    err_set(e, ERR_POSITION_PARSE, "the VGTID has no position for the serving shard %s/%s",
            keyspace, shard);
    return err_cure(e, "name every serving shard in vgtid, or begin anew without it");
}

static bool parameters_known(const struct http_call *call, struct err *e)
{
    static const char *const known[] = {"keyspace", "vgtid", "tables", "shard", "tx", NULL};
    const char *name = http_query_unknown(call, known);
    if (name == NULL)
        return true;
    err_set(e, ERR_USAGE, "vstream has no parameter '%.100s'", name);
    return err_cure(e, "it takes keyspace, vgtid, tables, shard and tx");
}

static void split_tables(struct vstream *v, const char *list)
{
    size_t cap = 0;
    for (const char *p = list; p != NULL && *p != '\0'; p += strcspn(p, ","), p += *p == ',') {
        mem_grow((void **)&v->wanted, &cap, v->n_wanted + 1, sizeof *v->wanted);
        v->wanted[v->n_wanted++] = mem_strndup(p, strcspn(p, ","));
    }
}

static bool tables_exist(const struct vstream *v, const char *shard, struct err *e)
{
    if (v->n_wanted == 0)
        return true;
    const struct topo_shard *s = topology_shard(daemon_config(v->daemon)->topo, v->keyspace, shard);
    struct my_conn *c = my_connect(&s->primary, "vstream", e);
    bool ok = c != NULL && schema_tables_exist(c, s->primary.database,
                                               (const char *const *)v->wanted, v->n_wanted, e);
    my_close(c);
    return ok || err_prepend(e, "%s/%s", v->keyspace, shard);
}

static bool attach_shards(struct vstream *v, const char *vgtid_text, const char *only,
                          struct err *e)
{
    struct vgtid g = {0};
    struct cdc_stream_options o = {.name = "vstream"};
    const char **serving = NULL;
    size_t n = vrepl_engine_serving(daemon_engine(v->daemon), v->keyspace, &serving);
    bool is_vgtid = vgtid_text != NULL && vgtid_text[0] == '[';
    bool ok = !is_vgtid || vgtid_parse(vgtid_text, &g, e);
    v->shards = serving;
    v->streams = mem_calloc(n + 1, sizeof(struct cdc_stream *));
    v->positions = mem_calloc(n + 1, sizeof *v->positions);
    v->begins = mem_calloc(n + 1, sizeof *v->begins);
    for (size_t i = 0; ok && i < n; i++) {
        if (only != NULL && strcmp(only, serving[i]) != 0)
            continue;
        struct cdc_reader *r = daemon_reader(v->daemon, v->keyspace, serving[i]);
        v->shards[v->n] = serving[i];
        struct position *entry = is_vgtid ? vgtid_get(&g, v->keyspace, serving[i]) : NULL;
        ok = tables_exist(v, serving[i], e) &&
             (!is_vgtid || entry != NULL || refuse_absent(v->keyspace, serving[i], e)) &&
             start_place(r, entry, is_vgtid ? NULL : vgtid_text, &v->positions[v->n], e);
        v->streams[v->n] = ok ? cdc_reader_attach(r, &v->positions[v->n], &o, e) : NULL;
        ok = v->streams[v->n] != NULL;
        if (ok)
            position_copy(&v->positions[v->n], cdc_stream_position(v->streams[v->n]));
        v->n += ok;
    }
    vgtid_fini(&g);
    return ok && (v->n > 0 || err_set(e, ERR_WF_NOT_FOUND,
                                      "keyspace '%s' has no such serving shard", v->keyspace));
}

static void vstream_fini(struct vstream *v)
{
    for (size_t i = 0; i < v->n; i++) {
        cdc_stream_close(v->streams[i]);
        position_fini(&v->positions[i]);
    }
    if (v->encoder != NULL)
        v->encoder->ops->close(v->encoder);
    cdc_row_free(v->before);
    cdc_row_free(v->after);
    schema_names_free(v->wanted, v->n_wanted);
    free(v->streams);
    free(v->shards);
    free(v->positions);
    free(v->begins);
}

void vstream_serve(struct daemon *d, struct http_call *call)
{
    const char *accept = http_header(call, "Accept"), *keyspace = http_query(call, "keyspace"),
               *tx = http_query(call, "tx");
    struct err e = ERR_INIT;
    struct vstream v = {.daemon = d, .call = call, .keyspace = keyspace != NULL ? keyspace : ""};
    split_tables(&v, http_query(call, "tables"));
    v.events = accept != NULL && strstr(accept, "text/event-stream") != NULL;
    v.tx = tx != NULL && strcmp(tx, "1") == 0;
    v.encoder = encoder_find("ndjson")->open("{}", &e);
    bool ok = v.encoder != NULL && parameters_known(call, &e) &&
              attach_shards(&v, http_query(call, "vgtid"), http_query(call, "shard"), &e) &&
              send_vgtid(&v, &e);
    bool started = ok;
    while (ok && *http_cancelled(call) == 0)
        ok = poll_streams(&v, &e);
    if (!ok && !v.gone) {
        struct buf body = BUF_INIT;
        buf_put_str(&body, started && v.events ? "data: " : "");
        render_error(&e, &body);
        buf_put_str(&body, started && v.events ? "\n\n" : "\n");
        if (started)
            http_line(call, v.events ? "text/event-stream" : "application/x-ndjson", body.data,
                      body.len);
        else
            http_reply(call, api_error_status(&e), "application/json", body.data, body.len);
        buf_fini(&body);
    }
    if (started)
        http_end(call);
    vstream_fini(&v);
}
