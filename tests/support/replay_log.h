/* tests/support/replay_log.h — a log of real events in memory and a server that serves it and cuts
 * connections.
 *
 * MariaDB events: GTID, table map with column names, rows v1, XID. Row i of transaction t has the
 * id t × 10⁶ + i, so a consumer can tell exactly what must come next.
 */
#ifndef SLUICE_TESTS_SUPPORT_REPLAY_LOG_H
#define SLUICE_TESTS_SUPPORT_REPLAY_LOG_H

#include "base/mem.h"
#include "cdc/reader.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_STEP   1000000
#define PAD_BYTES 160

/* ---- the log ---- */

struct log_event {
    size_t at, n;
    unsigned transaction; /* 0: before the first */
    bool first;           /* GTID event */
};
struct log {
    struct buf bytes;
    struct log_event *events;
    size_t n_events, cap;
    unsigned n_transactions;
    unsigned gtid_shift; /* added to GTIDs from this log on: another history */
};

static inline unsigned rows_of(unsigned t)
{
    return t % 97 == 0 ? 9000 : t % 7 + 1; /* some of several batches */
}

static inline void put_event(struct log *l, unsigned type, const struct buf *body,
                             unsigned transaction, bool first)
{
    size_t at = l->bytes.len, n = 19 + body->len;
    buf_put_le(&l->bytes, 1767225600, 4);
    buf_put_u8(&l->bytes, (uint8_t)type);
    buf_put_le(&l->bytes, 1, 4);
    buf_put_le(&l->bytes, n, 4);
    buf_put_le(&l->bytes, 4 + at + n, 4);
    buf_put_le(&l->bytes, 0, 2);
    buf_put(&l->bytes, body->data, body->len);
    mem_grow((void **)&l->events, &l->cap, l->n_events + 1, sizeof *l->events);
    l->events[l->n_events++] = (struct log_event){at, n, transaction, first};
}

static inline void put_format(struct log *l)
{
    struct buf b = BUF_INIT;
    char version[50] = "10.11.19-MariaDB-log";
    uint8_t lengths[171] = {0};
    lengths[1] = 13;
    lengths[3] = 8;
    lengths[18] = lengths[22] = lengths[23] = lengths[24] = 8;
    lengths[161] = 19;
    lengths[162] = 4;
    buf_put_le(&b, 4, 2);
    buf_put(&b, version, sizeof version);
    buf_put_le(&b, 0, 4);
    buf_put_u8(&b, 19);
    buf_put(&b, lengths, sizeof lengths);
    buf_put_u8(&b, 0); /* no checksums, but the field is there */
    buf_put_le(&b, 0, 4);
    put_event(l, 15, &b, 0, false);
    buf_fini(&b);
}

static inline void put_gtid(struct log *l, unsigned t)
{
    struct buf b = BUF_INIT;
    buf_put_le(&b, t + l->gtid_shift, 8);
    buf_put_le(&b, 0, 4);
    buf_put_u8(&b, 4); /* transactional */
    buf_put_le(&b, 0, 6);
    put_event(l, 162, &b, t, true);
    buf_fini(&b);
}

static inline void put_table_map(struct log *l, unsigned t)
{
    static const uint8_t names[] = {4, 7, 2, 'i', 'd', 3, 'p', 'a', 'd'};
    static const uint8_t key[] = {8, 1, 0};
    struct buf b = BUF_INIT;
    buf_put_le(&b, 18, 6);
    buf_put_le(&b, 1, 2);
    buf_put(&b, "\4shop", 6);
    buf_put(&b, "\6orders", 8);
    buf_put(&b, "\2\10\374", 3); /* BIGINT, BLOB */
    buf_put(&b, "\1\2", 2);
    buf_put_u8(&b, 2);
    buf_put(&b, "\1\1\0", 3); /* signedness */
    buf_put(&b, names, sizeof names);
    buf_put(&b, key, sizeof key);
    put_event(l, 19, &b, t, false);
    buf_fini(&b);
}

static inline void put_rows(struct log *l, unsigned t, unsigned from, unsigned to)
{
    static const char pad[PAD_BYTES];
    struct buf b = BUF_INIT;
    buf_put_le(&b, 18, 6);
    buf_put_le(&b, 1, 2);
    buf_put(&b, "\2\3", 2);
    for (unsigned i = from; i < to; i++) {
        buf_put_u8(&b, 0xfc);
        buf_put_le(&b, (uint64_t)t * ID_STEP + i, 8);
        buf_put_le(&b, sizeof pad, 2);
        buf_put(&b, pad, sizeof pad);
    }
    put_event(l, 23, &b, t, false);
    buf_fini(&b);
}

static inline void put_transaction(struct log *l, unsigned t)
{
    struct buf xid = BUF_INIT;
    put_gtid(l, t);
    for (unsigned i = 0; i < rows_of(t); i += 50) {
        put_table_map(l, t);
        put_rows(l, t, i, i + 50 < rows_of(t) ? i + 50 : rows_of(t));
    }
    buf_put_le(&xid, t, 8);
    put_event(l, 16, &xid, t, false);
    buf_fini(&xid);
}

/* A row of the sidecar's journal, in a transaction of its own. */
static inline void put_journal(struct log *l, unsigned t, const char *json)
{
    static const uint8_t names[] = {4, 7, 2, 'i', 'd', 3, 'v', 'a', 'l'};
    struct buf map = BUF_INIT, rows = BUF_INIT, xid = BUF_INIT;
    put_gtid(l, t);
    buf_put_le(&map, 19, 6);
    buf_put_le(&map, 1, 2);
    buf_put(&map, "\7_sluice", 9);
    buf_put(&map, "\7journal", 9);
    buf_put(&map, "\2\10\374", 3); /* BIGINT, BLOB */
    buf_put(&map, "\1\2", 2);
    buf_put_u8(&map, 2);
    buf_put(&map, names, sizeof names);
    put_event(l, 19, &map, t, false);
    buf_put_le(&rows, 19, 6);
    buf_put_le(&rows, 1, 2);
    buf_put(&rows, "\2\3", 2);
    buf_put_u8(&rows, 0xfc);
    buf_put_le(&rows, t, 8);
    buf_put_le(&rows, strlen(json), 2);
    buf_put(&rows, json, strlen(json));
    put_event(l, 23, &rows, t, false);
    buf_put_le(&xid, t, 8);
    put_event(l, 16, &xid, t, false);
    buf_fini(&map);
    buf_fini(&rows);
    buf_fini(&xid);
}

static inline void log_begin(struct log *l)
{
    buf_init(&l->bytes, (size_t)1 << 30);
    put_format(l);
}

static inline void log_make(struct log *l, unsigned n_transactions)
{
    log_begin(l);
    for (unsigned t = 1; t <= n_transactions; t++)
        put_transaction(l, t);
    l->n_transactions = n_transactions;
}

static inline void log_fini(struct log *l)
{
    buf_fini(&l->bytes);
    free(l->events);
}

/* ---- a server that serves it ---- */

struct server {
    pthread_mutex_t lock;
    struct log *log;
    struct log *after_first; /* another history from the second connection on; NULL: the same */
    unsigned connections, open, most_open;
    unsigned cut_every; /* events of a connection, about; 0: never cut */
    unsigned cut_first; /* events of the first connection; the later ones are not cut */
    bool block_at_end;
    size_t corrupt_event; /* 0: none; its type becomes unknown */
    bool in_halves;       /* the first half of the log comes without a gap, then each event alone */
    unsigned yielded[2];  /* in_halves: events of each half for which the thread leaves its core */
};
struct replay {
    struct cdc_source base;
    struct server *server;
    struct log *log;
    size_t at, left;
    unsigned opening; /* events of its own: rotate, format */
    struct buf event;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool interrupted;
    unsigned noise;
};

static inline enum cdc_next wait_for_interrupt(struct replay *r, struct err *e)
{
    pthread_mutex_lock(&r->lock);
    while (!r->interrupted)
        pthread_cond_wait(&r->wake, &r->lock);
    pthread_mutex_unlock(&r->lock);
    err_set(e, ERR_SHUTDOWN, "interrupted");
    return CDC_NEXT_FAIL;
}

static inline void make_rotate(struct replay *r, uint64_t pos)
{
    static const char name[] = "binlog.000001";
    buf_reset(&r->event);
    buf_put_le(&r->event, 0, 4);
    buf_put_u8(&r->event, 4);
    buf_put_le(&r->event, 1, 4);
    buf_put_le(&r->event, 19 + 8 + sizeof name - 1, 4);
    buf_put_le(&r->event, 0, 4);
    buf_put_le(&r->event, 0x20, 2);
    buf_put_le(&r->event, pos, 8);
    buf_put(&r->event, name, sizeof name - 1);
}

static inline void copy_event(struct replay *r, const struct log_event *ev)
{
    buf_reset(&r->event);
    buf_put(&r->event, r->log->bytes.data + ev->at, ev->n);
    if (r->server->corrupt_event && ev == &r->log->events[r->server->corrupt_event])
        r->event.data[4] = 90;
}

static inline enum cdc_next replay_next(struct cdc_source *s, const uint8_t **event, size_t *n,
                                        struct err *e)
{
    struct replay *r = (struct replay *)s;
    if (r->server->in_halves && sched_getscheduler(0) == SCHED_BATCH)
        r->server->yielded[r->at > r->log->n_events / 2]++;
    if (r->opening == 0) {
        make_rotate(r, r->at < r->log->n_events ? 4 + r->log->events[r->at].at
                                                : 4 + r->log->bytes.len);
    } else if (r->opening == 1) {
        copy_event(r, &r->log->events[0]);
        r->event.data[13] = r->event.data[14] = r->event.data[15] = r->event.data[16] = 0;
    } else if (r->left == 0) {
        err_set(e, ERR_DB_LOST, "cut");
        return CDC_NEXT_FAIL;
    } else if (r->at >= r->log->n_events) {
        return r->server->block_at_end ? wait_for_interrupt(r, e) : CDC_NEXT_END;
    } else {
        copy_event(r, &r->log->events[r->at++]);
        r->left--;
    }
    r->opening++;
    *event = r->event.data;
    *n = r->event.len;
    return CDC_NEXT_OK;
}

static inline void replay_interrupt(struct cdc_source *s)
{
    struct replay *r = (struct replay *)s;
    pthread_mutex_lock(&r->lock);
    r->interrupted = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
}

static inline void replay_close(struct cdc_source *s)
{
    struct replay *r = (struct replay *)s;
    pthread_mutex_lock(&r->server->lock);
    r->server->open--;
    pthread_mutex_unlock(&r->server->lock);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->wake);
    buf_fini(&r->event);
    free(r);
}

/* The network has gaps at odd places. */
static inline bool replay_ready(struct cdc_source *s)
{
    struct replay *r = (struct replay *)s;
    if (r->server->in_halves)
        return r->at < r->log->n_events / 2;
    return r->at < r->log->n_events && ++r->noise % 23 != 0;
}

static inline size_t first_event(const struct log *l, const struct position *start)
{
    struct buf text = BUF_INIT;
    unsigned after = 0;
    if (start->gtids)
        gtid_set_print(start->gtids, &text);
    if (text.len)
        sscanf(buf_str(&text), "0-1-%u", &after);
    buf_fini(&text);
    size_t i = 1;
    while (i < l->n_events &&
           (l->events[i].transaction <= after || 4 + l->events[i].at < start->pos))
        i++;
    return i;
}

static inline struct cdc_source *server_open(void *ctx, const struct position *start,
                                             uint32_t server_id, struct err *e)
{
    static const struct cdc_source_ops ops = {.next = replay_next,
                                              .interrupt = replay_interrupt,
                                              .close = replay_close,
                                              .ready = replay_ready};
    struct server *srv = ctx;
    struct replay *r = mem_alloc(sizeof *r);
    (void)server_id;
    (void)e;
    pthread_mutex_lock(&srv->lock);
    unsigned k = srv->connections++;
    srv->open++;
    if (srv->open > srv->most_open)
        srv->most_open = srv->open;
    pthread_mutex_unlock(&srv->lock);
    r->base.ops = &ops;
    r->server = srv;
    r->log = k && srv->after_first ? srv->after_first : srv->log;
    r->at = first_event(r->log, start);
    r->left = srv->cut_every ? srv->cut_every / 2 + k * 7919 % srv->cut_every : SIZE_MAX;
    if (srv->cut_first && k == 0)
        r->left = srv->cut_first;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->wake, NULL);
    return &r->base;
}

#endif
