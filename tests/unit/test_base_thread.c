/* tests/unit/test_base_thread.c — waits, joins and locks end at their deadline, and before it when there is reason to. */
#include "base/thread.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define LONG_MS 60000

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
};

static void gate_init(struct gate *g)
{
    pthread_mutex_init(&g->lock, NULL);
    thread_cond_init(&g->changed);
    g->open = false;
}

static void gate_open(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->open = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

static void *wait_for_gate(void *arg)
{
    struct gate *g = arg;
    int64_t until = clock_mono_ms() + LONG_MS;
    pthread_mutex_lock(&g->lock);
    while (!g->open && thread_wait_until(&g->changed, &g->lock, until)) {
    }
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

static void a_wait_ends_at_its_monotonic_deadline(void **state)
{
    (void)state;
    struct gate g;
    int64_t begun = clock_mono_ms();
    gate_init(&g);
    pthread_mutex_lock(&g.lock);
    while (thread_wait_until(&g.changed, &g.lock, begun + 20)) {
    }
    assert_true(clock_mono_ms() >= begun + 20);
    assert_false(thread_wait_ms(&g.changed, &g.lock, 0));
    pthread_mutex_unlock(&g.lock);
}

static void a_thread_that_runs_is_not_joined_and_one_that_ended_is(void **state)
{
    (void)state;
    struct gate g;
    pthread_t thread;
    gate_init(&g);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_gate, &g), 0);
    assert_false(thread_join_within(thread, 10));
    gate_open(&g);
    assert_true(thread_join_within(thread, LONG_MS));
}

static void *take_and_fail(void *arg)
{
    return thread_lock_within(arg, 10) ? arg : NULL;
}

static void a_lock_that_another_thread_has_is_given_up(void **state)
{
    (void)state;
    struct gate g;
    pthread_t thread;
    void *got = &g;
    gate_init(&g);
    assert_true(thread_lock_within(&g.lock, 0));
    assert_int_equal(pthread_create(&thread, NULL, take_and_fail, &g.lock), 0);
    pthread_join(thread, &got);
    assert_null(got);
    pthread_mutex_unlock(&g.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_ends_at_its_monotonic_deadline),
        cmocka_unit_test(a_thread_that_runs_is_not_joined_and_one_that_ended_is),
        cmocka_unit_test(a_lock_that_another_thread_has_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
