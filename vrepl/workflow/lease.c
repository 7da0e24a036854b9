/* vrepl/workflow/lease.c — the renewing thread of one lease.
 *
 * A server that cannot be reached does not end the lease: nobody else can take it there either.
 * Only a row that names another owner or epoch does, and then for good.
 */
#include "vrepl/workflow/lease.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"

#include <pthread.h>
#include <stdlib.h>

struct lease {
    const struct topo_shard *home;
    char *keyspace, *name, *owner;
    struct wf_row_key key; /* its texts are the three above */
    pthread_t thread;
    pthread_mutex_t mutex; /* over stop; signalled by wake */
    pthread_cond_t wake;
    bool stop;
    volatile int lost;
};

static bool wait_for_turn(struct lease *l)
{
    int64_t until = clock_mono_ms() + LEASE_RENEW_MS;
    pthread_mutex_lock(&l->mutex);
    while (!l->stop && thread_wait_until(&l->wake, &l->mutex, until)) {
    }
    bool go_on = !l->stop;
    pthread_mutex_unlock(&l->mutex);
    return go_on;
}

static void note(struct lease *l, struct my_conn **c, const struct err *e)
{
    if (e->code == ERR_WF_LEASE || e->code == ERR_WF_NOT_FOUND) {
        __atomic_store_n(&l->lost, 1, __ATOMIC_SEQ_CST);
        log_err(LOG_WARN, "lease", e);
    } else {
        log_err(LOG_DEBUG, "lease", e);
        my_close(*c);
        *c = NULL;
    }
}

static void *renew_loop(void *arg)
{
    struct lease *l = arg;
    struct my_conn *c = NULL;
    while (__atomic_load_n(&l->lost, __ATOMIC_SEQ_CST) == 0 && wait_for_turn(l)) {
        struct err e = ERR_INIT;
        if (c == NULL)
            c = my_connect(&l->home->primary, "lease", &e);
        if (c == NULL || !my_limit_lock_waits(c, LEASE_RENEW_MS / 1000, &e) ||
            !wf_row_renew(c, &l->key, LEASE_MS, &e))
            note(l, &c, &e);
    }
    my_close(c);
    return NULL;
}

struct lease *lease_new(const struct topo_shard *home, const struct wf_row_key *key)
{
    struct lease *l = mem_alloc(sizeof *l);
    l->home = home;
    l->keyspace = mem_strdup(key->keyspace);
    l->name = mem_strdup(key->name);
    l->owner = mem_strdup(key->owner);
    l->key = (struct wf_row_key){l->keyspace, l->name, l->owner, key->epoch};
    pthread_mutex_init(&l->mutex, NULL);
    thread_cond_init(&l->wake);
    pthread_create(&l->thread, NULL, renew_loop, l);
    return l;
}

static void give_back(struct lease *l)
{
    struct err e = ERR_INIT;
    struct my_conn *c = my_connect(&l->home->primary, "lease", &e);
    if (c == NULL || !wf_row_release(c, &l->key, &e))
        log_err(LOG_DEBUG, "lease", &e);
    my_close(c);
}

void lease_free(struct lease *l, bool give_up)
{
    if (l == NULL)
        return;
    pthread_mutex_lock(&l->mutex);
    l->stop = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->mutex);
    pthread_join(l->thread, NULL);
    if (give_up && l->lost == 0)
        give_back(l);
    pthread_mutex_destroy(&l->mutex);
    pthread_cond_destroy(&l->wake);
    free(l->keyspace);
    free(l->name);
    free(l->owner);
    free(l);
}

const struct wf_row_key *lease_key(const struct lease *l)
{
    return &l->key;
}

bool lease_held(struct lease *l, struct err *e)
{
    if (__atomic_load_n(&l->lost, __ATOMIC_SEQ_CST) == 0)
        return true;
    return err_set(e, ERR_WF_FENCED, "another daemon owns workflow %s/%s now", l->keyspace,
                   l->name);
}

bool lease_verify(struct lease *l, struct my_conn *home, struct err *e)
{
    if (!lease_held(l, e))
        return false;
    if (wf_row_renew(home, &l->key, LEASE_MS, e))
        return true;
    if (e != NULL && e->code == ERR_WF_LEASE)
        __atomic_store_n(&l->lost, 1, __ATOMIC_SEQ_CST);
    return false;
}
