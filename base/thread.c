/* base/thread.c — waiting for other threads by the monotonic clock. */
#include "base/thread.h"

#include "base/clock.h"

#include <errno.h>

#define ASK_MS 5 /* joining and locking know no monotonic deadline that the thread sanitizer sees */

void thread_cond_init(pthread_cond_t *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(c, &attr);
    pthread_condattr_destroy(&attr);
}

bool thread_wait_until(pthread_cond_t *c, pthread_mutex_t *lock, int64_t mono_ms)
{
    if (mono_ms < 0)
        return pthread_cond_wait(c, lock) == 0;
    struct timespec t = {.tv_sec = mono_ms / 1000, .tv_nsec = mono_ms % 1000 * 1000000};
    return pthread_cond_timedwait(c, lock, &t) != ETIMEDOUT;
}

bool thread_wait_ms(pthread_cond_t *c, pthread_mutex_t *lock, int64_t ms)
{
    return thread_wait_until(c, lock, ms < 0 ? -1 : clock_mono_ms() + ms);
}

bool thread_join_within(pthread_t thread, int64_t ms)
{
    int64_t until = clock_mono_ms() + ms;
    while (pthread_tryjoin_np(thread, NULL) == EBUSY) {
        if (clock_mono_ms() >= until)
            return false;
        clock_sleep_ms(ASK_MS, NULL);
    }
    return true;
}

bool thread_lock_within(pthread_mutex_t *m, int64_t ms)
{
    int64_t until = clock_mono_ms() + ms;
    while (pthread_mutex_trylock(m) != 0) {
        if (clock_mono_ms() >= until)
            return false;
        clock_sleep_ms(ASK_MS, NULL);
    }
    return true;
}
