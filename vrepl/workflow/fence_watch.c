/* vrepl/workflow/fence_watch.c — stays attached to a fenced shard's log and keeps the first foreign
 * row event on a fenced table: a write that went round the fence (TRUNCATE, a dropped trigger, a
 * disabled route). */
#include "vrepl/workflow/fence.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "cdc/sidecar/origin.h"
#include "vrepl/move/object_names.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WAIT_MS 1000

struct fence_watch {
    char *keys[2]; /* origins that are ours */
    char *database;
    char *where;   /* "commerce/-" */
    char **tables; /* own and hidden names */
    size_t n_tables;
    struct cdc_stream *stream;
    pthread_t thread;
    int stop;         /* atomic */
    bool in_tx, ours; /* of the transaction at hand */
    const struct topo_shard *shard;
    pthread_mutex_t mutex; /* over the three below */
    pthread_cond_t moved;
    struct position read; /* all before it has been looked at */
    struct err alarm;
    uint64_t seen;
};

static bool is_watched(const struct fence_watch *f, const struct schema_table *t)
{
    if (t == NULL || t->db == NULL || strcmp(t->db, f->database) != 0)
        return false;
    for (size_t i = 0; i < f->n_tables; i++) {
        if (strcmp(f->tables[i], t->name) == 0)
            return true;
    }
    return false;
}

static void raise_alarm(struct fence_watch *f, const struct cdc_change *c)
{
    pthread_mutex_lock(&f->mutex);
    bool first = f->seen++ == 0;
    if (first) {
        err_set(&f->alarm, ERR_WRITE_AFTER_FENCE,
                "%s: table %s was written at %s:%llu after traffic had been switched away",
                f->where, c->rows.table->name, c->file != NULL ? c->file : "?",
                (unsigned long long)c->log_pos);
        err_cure(&f->alarm,
                 "find who writes there (server id %u), carry the rows over by hand, then complete",
                 c->server_id);
    }
    pthread_mutex_unlock(&f->mutex);
    if (first)
        log_err(LOG_ERROR, "fence", &f->alarm);
}

static void look(struct fence_watch *f, const struct cdc_change *c)
{
    char origin[320];
    switch (c->kind) {
    case CDC_BEGIN:
        f->in_tx = f->ours = false;
        return;
    case CDC_ROWS:
        if (!f->in_tx && cdc_rows_origin(&c->rows, origin, sizeof origin))
            f->ours = strcmp(origin, f->keys[0]) == 0 || strcmp(origin, f->keys[1]) == 0;
        f->in_tx = true;
        if (!f->ours && !c->skippable && is_watched(f, c->rows.table))
            raise_alarm(f, c);
        return;
    case CDC_DDL:
    case CDC_COMMIT:
    case CDC_ROLLBACK:
    case CDC_HEARTBEAT:
    case CDC_JOURNAL:
    case CDC_COPY_ROWS:
    case CDC_GAP:
        return;
    }
}

static bool stopping(const struct fence_watch *f)
{
    return __atomic_load_n(&f->stop, __ATOMIC_SEQ_CST) != 0;
}

/* Behind a batch that has been looked at. */
static void note_read(struct fence_watch *f)
{
    const struct position *pos = cdc_stream_position(f->stream);
    cdc_stream_ack(f->stream, pos);
    pthread_mutex_lock(&f->mutex);
    position_fini(&f->read);
    position_copy(&f->read, pos);
    pthread_cond_broadcast(&f->moved);
    pthread_mutex_unlock(&f->mutex);
}

static void *watch_loop(void *arg)
{
    struct fence_watch *f = arg;
    while (!stopping(f)) {
        struct cdc_batch *b = NULL;
        struct err e = ERR_INIT;
        enum cdc_next next = cdc_stream_next(f->stream, &b, WAIT_MS, &e);
        if (next == CDC_NEXT_FAIL && !stopping(f)) {
            log_err(LOG_WARN, "fence", &e);
            pthread_mutex_lock(&f->mutex);
            if (f->seen == 0)
                err_copy(&f->alarm, &e);
            pthread_cond_broadcast(&f->moved);
            pthread_mutex_unlock(&f->mutex);
            break;
        }
        for (size_t i = 0; next == CDC_NEXT_OK && i < b->n_changes; i++)
            look(f, &b->changes[i]);
        if (next == CDC_NEXT_OK)
            note_read(f);
        cdc_batch_unref(b);
    }
    return NULL;
}

static void take_names(struct fence_watch *f, const struct workflow *w, enum wf_side_name side)
{
    char hidden[NAMES_MAX];
    const struct wf_def *d = w->def;
    f->tables = mem_calloc(d->n_tables * 2, sizeof *f->tables);
    for (size_t i = 0; i < d->n_tables; i++) {
        const char *plain = wf_plain_name(&d->tables[i], side);
        names_hidden(w->keys[0], side == WF_TARGET, plain, hidden, sizeof hidden);
        f->tables[f->n_tables++] = mem_strdup(plain);
        f->tables[f->n_tables++] = mem_strdup(hidden);
    }
}

static void watch_free(struct fence_watch *f)
{
    if (f->stream != NULL)
        cdc_stream_close(f->stream);
    for (size_t i = 0; i < f->n_tables; i++)
        free(f->tables[i]);
    free(f->tables);
    free(f->keys[0]);
    free(f->keys[1]);
    free(f->database);
    free(f->where);
    position_fini(&f->read);
    pthread_mutex_destroy(&f->mutex);
    pthread_cond_destroy(&f->moved);
    free(f);
}

struct fence_watch *fence_watch_start(struct workflow *w, const struct topo_shard *shard,
                                      enum wf_side_name side, struct cdc_reader *reader,
                                      const struct position *from, struct err *e)
{
    struct fence_watch *f = mem_alloc(sizeof *f);
    pthread_mutex_init(&f->mutex, NULL);
    thread_cond_init(&f->moved);
    f->shard = shard;
    position_copy(&f->read, from);
    f->keys[0] = mem_strdup(w->keys[0]);
    f->keys[1] = mem_strdup(w->keys[1]);
    f->database = mem_strdup(shard->primary.database);
    f->where = mem_printf("%s/%s", shard->keyspace, shard->name);
    take_names(f, w, side);
    struct cdc_stream_options o = {.name = "fence"};
    f->stream = cdc_reader_attach(reader, from, &o, e);
    if (f->stream == NULL) {
        watch_free(f);
        return NULL;
    }
    pthread_create(&f->thread, NULL, watch_loop, f);
    return f;
}

void fence_watch_stop(struct fence_watch *f)
{
    if (f == NULL)
        return;
    __atomic_store_n(&f->stop, 1, __ATOMIC_SEQ_CST);
    cdc_stream_interrupt(f->stream);
    pthread_join(f->thread, NULL);
    watch_free(f);
}

static bool wait_for(struct fence_watch *f, const struct position *pos, int64_t timeout_ms)
{
    int64_t until = clock_mono_ms() + timeout_ms;
    bool time_left = true;
    pthread_mutex_lock(&f->mutex);
    while (f->alarm.code == ERR_NONE && !position_at_or_after(&f->read, pos) && time_left)
        time_left = thread_wait_until(&f->moved, &f->mutex, until);
    bool there = f->alarm.code != ERR_NONE || position_at_or_after(&f->read, pos);
    pthread_mutex_unlock(&f->mutex);
    return there;
}

bool fence_watch_catch_up(struct fence_watch *f, int64_t timeout_ms, struct err *e)
{
    struct position now = POSITION_INIT;
    struct my_conn *c = my_connect(&f->shard->primary, "fence", e);
    bool ok = c != NULL && my_current_position(c, &now, e);
    my_close(c);
    if (ok && !wait_for(f, &now, timeout_ms))
        ok = err_set(e, ERR_TIMEOUT, "%s: the log has not been searched for late writes in time",
                     f->where);
    position_fini(&now);
    return ok;
}

bool fence_watch_alarm(struct fence_watch *f, struct err *e)
{
    pthread_mutex_lock(&f->mutex);
    bool seen = f->alarm.code != ERR_NONE;
    if (seen)
        err_copy(e, &f->alarm);
    pthread_mutex_unlock(&f->mutex);
    return seen;
}
