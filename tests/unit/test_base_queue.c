/* tests/unit/test_base_queue.c — the bounded queue alone and between threads. */
#include "base/queue.h"

#include "base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static char a, b, c;

static void items_come_out_in_order(void **state)
{
    (void)state;
    struct queue *q = queue_new("order", 1000, NULL);
    void *take, *got;
    void *all[] = {&a, &b, &c};
    for (int i = 0; i < 3; i++) {
        take = all[i];
        assert_int_equal(queue_push(q, &take, 10, 0), QUEUE_OK);
        assert_null(take);
    }
    assert_int_equal(queue_bytes(q), 30);
    assert_int_equal(queue_pop(q, &got, 0), QUEUE_OK);
    assert_ptr_equal(got, &a);
    assert_int_equal(queue_pop(q, &got, 0), QUEUE_OK);
    assert_ptr_equal(got, &b);
    assert_int_equal(queue_pop(q, &got, 0), QUEUE_OK);
    assert_ptr_equal(got, &c);
    assert_int_equal(queue_pop(q, &got, 0), QUEUE_TIMEOUT);
    assert_int_equal(queue_bytes(q), 0);
    queue_free(q);
}

static void a_full_queue_refuses_and_keeps_the_item_with_its_owner(void **state)
{
    (void)state;
    struct queue *q = queue_new("full", 100, NULL);
    void *take = &a, *got;
    assert_int_equal(queue_push(q, &take, 60, 0), QUEUE_OK);
    take = &b;
    assert_int_equal(queue_push(q, &take, 41, 0), QUEUE_TIMEOUT);
    assert_ptr_equal(take, &b);
    int64_t start_ms = clock_mono_ms();
    assert_int_equal(queue_push(q, &take, 41, 30), QUEUE_TIMEOUT);
    assert_true(clock_mono_ms() - start_ms >= 29);
    assert_int_equal(queue_push(q, &take, 40, 0), QUEUE_OK);
    assert_int_equal(queue_pop(q, &got, 0), QUEUE_OK);
    assert_int_equal(queue_pop(q, &got, 0), QUEUE_OK);
    queue_free(q);
}

static void one_oversized_item_passes_when_the_queue_is_empty(void **state)
{
    (void)state;
    struct queue *q = queue_new("oversized", 10, NULL);
    void *take = &a, *got;
    assert_int_equal(queue_push(q, &take, 1000, 0), QUEUE_OK);
    take = &b;
    assert_int_equal(queue_push(q, &take, 1, 0), QUEUE_TIMEOUT);
    assert_int_equal(queue_pop(q, &got, 0), QUEUE_OK);
    assert_int_equal(queue_push(q, &take, 1, 0), QUEUE_OK);
    queue_free(q);
}

static void closing_drains_then_says_closed(void **state)
{
    (void)state;
    struct queue *q = queue_new("close", 10, NULL);
    void *take = &a, *got;
    assert_int_equal(queue_push(q, &take, 1, 0), QUEUE_OK);
    queue_close(q);
    take = &b;
    assert_int_equal(queue_push(q, &take, 1, -1), QUEUE_CLOSED);
    assert_ptr_equal(take, &b);
    assert_int_equal(queue_pop(q, &got, -1), QUEUE_OK);
    assert_ptr_equal(got, &a);
    assert_int_equal(queue_pop(q, &got, -1), QUEUE_CLOSED);
    queue_free(q);
}

static int freed;
static void count_free(void *p)
{
    (void)p;
    freed++;
}

static void what_is_left_is_freed(void **state)
{
    (void)state;
    struct queue *q = queue_new("left", 1000, count_free);
    freed = 0;
    for (int i = 0; i < 40; i++) {
        void *take = &a;
        assert_int_equal(queue_push(q, &take, 1, 0), QUEUE_OK);
    }
    queue_free(q);
    queue_free(NULL);
    assert_int_equal(freed, 40);
}

static void idle_means_empty_and_done(void **state)
{
    (void)state;
    struct queue *q = queue_new("idle", 1000, NULL);
    void *take = &a, *got;
    assert_int_equal(queue_wait_idle(q, 0), QUEUE_OK);
    assert_int_equal(queue_push(q, &take, 1, 0), QUEUE_OK);
    assert_int_equal(queue_wait_idle(q, 0), QUEUE_TIMEOUT);
    assert_int_equal(queue_pop(q, &got, 0), QUEUE_OK);
    assert_int_equal(queue_wait_idle(q, 5), QUEUE_TIMEOUT);
    queue_done(q);
    assert_int_equal(queue_wait_idle(q, -1), QUEUE_OK);
    queue_free(q);
}

#define N_ITEMS 20000
struct run {
    struct queue *q;
    uint64_t sum, count;
};

static void *produce(void *arg)
{
    struct run *r = arg;
    for (uintptr_t i = 1; i <= N_ITEMS; i++) {
        void *take = malloc(sizeof(uintptr_t));
        *(uintptr_t *)take = i;
        if (queue_push(r->q, &take, i % 50 + 1, -1) != QUEUE_OK)
            free(take);
    }
    return NULL;
}

static void *consume(void *arg)
{
    struct run *r = arg;
    void *item;
    while (queue_pop(r->q, &item, -1) == QUEUE_OK) {
        r->sum += *(uintptr_t *)item;
        r->count++;
        free(item);
        queue_done(r->q);
    }
    return NULL;
}

static void two_producers_and_two_consumers_lose_nothing(void **state)
{
    (void)state;
    struct queue *q = queue_new("threads", 500, free);
    struct run runs[4] = {{.q = q}, {.q = q}, {.q = q}, {.q = q}};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, i < 2 ? produce : consume, &runs[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(queue_wait_idle(q, 60000), QUEUE_OK);
    queue_close(q);
    for (int i = 2; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(runs[2].count + runs[3].count, 2 * N_ITEMS);
    assert_int_equal(runs[2].sum + runs[3].sum, (uint64_t)N_ITEMS * (N_ITEMS + 1));
    queue_free(q);
}

static void *close_it(void *q)
{
    queue_close(q);
    return NULL;
}

static void closing_wakes_a_waiting_pop(void **state)
{
    (void)state;
    struct queue *q = queue_new("wake", 10, NULL);
    pthread_t closer;
    void *got;
    assert_int_equal(pthread_create(&closer, NULL, close_it, q), 0);
    assert_int_equal(queue_pop(q, &got, -1), QUEUE_CLOSED);
    pthread_join(closer, NULL);
    queue_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_come_out_in_order),
        cmocka_unit_test(a_full_queue_refuses_and_keeps_the_item_with_its_owner),
        cmocka_unit_test(one_oversized_item_passes_when_the_queue_is_empty),
        cmocka_unit_test(closing_drains_then_says_closed),
        cmocka_unit_test(what_is_left_is_freed),
        cmocka_unit_test(idle_means_empty_and_done),
        cmocka_unit_test(two_producers_and_two_consumers_lose_nothing),
        cmocka_unit_test(closing_wakes_a_waiting_pop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
