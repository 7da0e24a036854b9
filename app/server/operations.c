/* app/server/operations.c — a ring of operations; the oldest finished one makes room. */
#include "app/server/operations.h"

#include "app/server/error_document.h"
#include "base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct operation {
    unsigned id;   /* 0: slot unused */
    char *key;     /* Idempotency-Key or NULL */
    char *request; /* what the key stands for; NULL without one */
    bool done;
    int status;
    char *answer;   /* document once done */
    char *progress; /* newest line */
};
struct operations {
    pthread_mutex_t lock;
    struct operation items[OPERATIONS_KEPT];
    unsigned next_id;
};

struct operations *operations_new(void)
{
    struct operations *o = mem_alloc(sizeof *o);
    pthread_mutex_init(&o->lock, NULL);
    return o;
}

static void clear(struct operation *p)
{
    free(p->key);
    free(p->request);
    free(p->answer);
    free(p->progress);
    *p = (struct operation){0};
}

void operations_free(struct operations *o)
{
    if (o == NULL)
        return;
    for (size_t i = 0; i < OPERATIONS_KEPT; i++)
        clear(&o->items[i]);
    pthread_mutex_destroy(&o->lock);
    free(o);
}

static struct operation *free_slot(struct operations *o)
{
    struct operation *oldest = NULL;
    for (size_t i = 0; i < OPERATIONS_KEPT; i++) {
        struct operation *p = &o->items[i];
        if (p->id == 0)
            return p;
        if (p->done && (oldest == NULL || p->id < oldest->id))
            oldest = p;
    }
    return oldest; /* never NULL: fewer calls run at once than slots exist */
}

static const struct operation *find_key(const struct operations *o, const char *key)
{
    for (size_t i = 0; key != NULL && i < OPERATIONS_KEPT; i++)
        if (o->items[i].key != NULL && strcmp(o->items[i].key, key) == 0)
            return &o->items[i];
    return NULL;
}

static struct operation *find(struct operations *o, unsigned id)
{
    for (size_t i = 0; i < OPERATIONS_KEPT; i++)
        if (o->items[i].id == id && id != 0)
            return &o->items[i];
    return NULL;
}

static int refuse(int status, struct buf *answer, const char *what, const char *cure)
{
    struct err e = ERR_INIT;
    err_set(&e, ERR_API, "%s", what);
    err_cure(&e, "%s", cure);
    error_document_put(&e, answer);
    return status;
}

/* Called with the lock. The request of a key is compared first: another verb never gets this one's
 * answer. */
static int answer_again(const struct operation *seen, const char *request, struct buf *answer)
{
    if (strcmp(seen->request, request) != 0)
        return refuse(422, answer, "this Idempotency-Key came with another request before",
                      "use a new key for each request");
    if (!seen->done)
        return refuse(409, answer, "the operation with this Idempotency-Key still runs",
                      "ask again, or follow it at /v1/operations");
    buf_put_str(answer, seen->answer);
    return seen->status;
}

int operations_begin(struct operations *o, const char *key, const char *request, unsigned *id,
                     struct buf *answer)
{
    int status = 0;
    pthread_mutex_lock(&o->lock);
    const struct operation *seen = find_key(o, key);
    if (seen != NULL) {
        status = answer_again(seen, request, answer);
    } else {
        struct operation *p = free_slot(o);
        assert(p != NULL);
        clear(p);
        p->id = *id = ++o->next_id;
        p->key = mem_strdup(key);
        p->request = key != NULL ? mem_strdup(request) : NULL;
    }
    pthread_mutex_unlock(&o->lock);
    return status;
}

void operations_progress(struct operations *o, unsigned id, const char *json)
{
    pthread_mutex_lock(&o->lock);
    struct operation *p = find(o, id);
    if (p != NULL) {
        free(p->progress);
        p->progress = mem_strdup(json);
    }
    pthread_mutex_unlock(&o->lock);
}

void operations_end(struct operations *o, unsigned id, int status, const char *answer)
{
    pthread_mutex_lock(&o->lock);
    struct operation *p = find(o, id);
    if (p != NULL) {
        p->done = true;
        p->status = status;
        p->answer = mem_strdup(answer);
    }
    pthread_mutex_unlock(&o->lock);
}

bool operations_show(struct operations *o, unsigned id, struct buf *out)
{
    pthread_mutex_lock(&o->lock);
    const struct operation *p = find(o, id);
    if (p != NULL)
        buf_printf(
            out, "{\"id\":\"%u\",\"state\":\"%s\",\"status\":%d,\"progress\":%s,\"answer\":%s}", id,
            p->done ? "done" : "running", p->status, p->progress != NULL ? p->progress : "null",
            p->answer != NULL ? p->answer : "null");
    pthread_mutex_unlock(&o->lock);
    return p != NULL;
}
