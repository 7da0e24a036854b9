/* base/thread.h — waiting for other threads by the monotonic clock. With the wall clock, which may
 * be set back, a lease would not be renewed in time and a stop would hang.
 *
 * Thread: any. Nothing outside base/ makes a condition variable or gives a deadline to pthread.
 */
#ifndef SLUICE_BASE_THREAD_H
#define SLUICE_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

void thread_cond_init(pthread_cond_t *c);
/* Waits once, as pthread_cond_wait, until the time of clock_mono_ms() (< 0: without end); false:
 * that time has come. */
bool thread_wait_until(pthread_cond_t *c, pthread_mutex_t *lock, int64_t mono_ms);
/* The same, for so many ms from now (< 0: without end). */
bool thread_wait_ms(pthread_cond_t *c, pthread_mutex_t *lock, int64_t ms);
/* False: the thread still runs after so many ms, and has yet to be joined. */
bool thread_join_within(pthread_t thread, int64_t ms);
/* False: another thread still has it after so many ms. */
bool thread_lock_within(pthread_mutex_t *m, int64_t ms);

#endif
