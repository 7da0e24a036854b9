/* base/queue.c — the byte-bounded queue: one mutex, one condition for each kind of waiting. */
#include "base/queue.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thread.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct slot {
    void *item;
    size_t bytes;
};

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t has_item, has_room, is_idle;
    struct slot *slots; /* ring */
    size_t cap, first, count;
    size_t bytes, limit_bytes;
    size_t unfinished; /* popped, queue_done not yet called */
    bool closed;
    void (*free_item)(void *);
    struct metric *metric_bytes;
};

struct queue *queue_new(const char *name, size_t limit_bytes, void (*free_item)(void *))
{
    char labels[256];
    struct queue *q = mem_alloc(sizeof *q);
    pthread_mutex_init(&q->lock, NULL);
    thread_cond_init(&q->has_item);
    thread_cond_init(&q->has_room);
    thread_cond_init(&q->is_idle);
    q->limit_bytes = limit_bytes;
    q->free_item = free_item;
    metrics_labels(labels, sizeof labels, "queue", name, NULL);
    q->metric_bytes = metrics_get(METRIC_GAUGE, "queue_bytes", labels, "Bytes waiting in a queue.");
    return q;
}

/* Takes the first slot out; the caller holds the lock and knows that there is one. */
static struct slot take_first(struct queue *q)
{
    assert(q->count > 0);
    struct slot s = q->slots[q->first];
    q->first = (q->first + 1) % q->cap;
    q->count--;
    assert(q->bytes >= s.bytes);
    q->bytes -= s.bytes;
    metric_add(q->metric_bytes, -(double)s.bytes);
    return s;
}

void queue_free(struct queue *q)
{
    if (!q)
        return;
    while (q->count > 0) {
        struct slot s = take_first(q);
        if (q->free_item)
            q->free_item(s.item);
    }
    pthread_cond_destroy(&q->has_item);
    pthread_cond_destroy(&q->has_room);
    pthread_cond_destroy(&q->is_idle);
    pthread_mutex_destroy(&q->lock);
    free(q->slots);
    free(q);
}

static void put_last(struct queue *q, struct slot s)
{
    if (q->count == q->cap) {
        size_t cap = q->cap ? 2 * q->cap : 16;
        struct slot *slots = mem_calloc(cap, sizeof *slots);
        for (size_t i = 0; i < q->count; i++)
            slots[i] = q->slots[(q->first + i) % q->cap];
        free(q->slots);
        q->slots = slots;
        q->cap = cap;
        q->first = 0;
    }
    q->slots[(q->first + q->count) % q->cap] = s;
    q->count++;
    q->bytes += s.bytes;
    metric_add(q->metric_bytes, (double)s.bytes);
}

static int64_t deadline_of(int64_t timeout_ms)
{
    return timeout_ms < 0 ? -1 : clock_mono_ms() + timeout_ms;
}

static bool has_room(const struct queue *q, size_t bytes)
{
    return q->count == 0 || (q->bytes <= q->limit_bytes && bytes <= q->limit_bytes - q->bytes);
}

enum queue_result queue_push(struct queue *q, void **take, size_t bytes, int64_t timeout_ms)
{
    int64_t deadline_ms = deadline_of(timeout_ms);
    enum queue_result result = QUEUE_OK;
    pthread_mutex_lock(&q->lock);
    while (!q->closed && !has_room(q, bytes)) {
        if (timeout_ms != 0 && thread_wait_until(&q->has_room, &q->lock, deadline_ms))
            continue;
        result = q->closed || has_room(q, bytes) ? QUEUE_OK : QUEUE_TIMEOUT;
        break;
    }
    if (q->closed)
        result = QUEUE_CLOSED;
    if (result == QUEUE_OK) {
        put_last(q, (struct slot){.item = *take, .bytes = bytes});
        *take = NULL;
        pthread_cond_signal(&q->has_item);
    }
    pthread_mutex_unlock(&q->lock);
    return result;
}

enum queue_result queue_pop(struct queue *q, void **item, int64_t timeout_ms)
{
    int64_t deadline_ms = deadline_of(timeout_ms);
    enum queue_result result = QUEUE_OK;
    pthread_mutex_lock(&q->lock);
    while (q->count == 0 && !q->closed) {
        if (timeout_ms == 0 || !thread_wait_until(&q->has_item, &q->lock, deadline_ms))
            break;
    }
    if (q->count > 0) {
        *item = take_first(q).item;
        q->unfinished++;
        /* All: a small waiting item may fit where a large one does not. */
        pthread_cond_broadcast(&q->has_room);
    } else {
        *item = NULL;
        result = q->closed ? QUEUE_CLOSED : QUEUE_TIMEOUT;
    }
    pthread_mutex_unlock(&q->lock);
    return result;
}

void queue_close(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_cond_broadcast(&q->has_item);
    pthread_cond_broadcast(&q->has_room);
    pthread_cond_broadcast(&q->is_idle);
    pthread_mutex_unlock(&q->lock);
}

size_t queue_bytes(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    size_t bytes = q->bytes;
    pthread_mutex_unlock(&q->lock);
    return bytes;
}

enum queue_result queue_wait_idle(struct queue *q, int64_t timeout_ms)
{
    int64_t deadline_ms = deadline_of(timeout_ms);
    pthread_mutex_lock(&q->lock);
    while ((q->count > 0 || q->unfinished > 0) && !q->closed) {
        if (timeout_ms == 0 || !thread_wait_until(&q->is_idle, &q->lock, deadline_ms))
            break;
    }
    bool idle = q->count == 0 && q->unfinished == 0;
    enum queue_result result = idle ? QUEUE_OK : q->closed ? QUEUE_CLOSED : QUEUE_TIMEOUT;
    pthread_mutex_unlock(&q->lock);
    return result;
}

void queue_done(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    assert(q->unfinished > 0);
    q->unfinished--;
    if (q->unfinished == 0 && q->count == 0)
        pthread_cond_broadcast(&q->is_idle);
    pthread_mutex_unlock(&q->lock);
}
