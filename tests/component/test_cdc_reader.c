/* tests/component/test_cdc_reader.c — streams over a replayed log whose connections are cut: every
 * consumer gets every change after its start once and in order, whoever serves it.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "cdc/reader.h"
#include "tests/support/replay_expect.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static void position_of(unsigned after_transaction, uint64_t seq, struct position *out)
{
    char text[80];
    struct err e = ERR_INIT;
    if (after_transaction)
        snprintf(text, sizeof text, "MariaDB/0-1-%u", after_transaction);
    else
        snprintf(text, sizeof text, "MariaDB/");
    if (seq)
        snprintf(text + strlen(text), sizeof text - strlen(text), "+%llu", (unsigned long long)seq);
    if (!position_parse(text, out, &e)) {
        out->gtids = gtid_set_new(GTID_FLAVOR_MARIADB);
        assert_int_equal(after_transaction, 0);
    }
}

struct consumer {
    pthread_t thread;
    struct cdc_reader *reader;
    unsigned start, last; /* transactions: first is start + 1 */
    unsigned pause_at;    /* waits there until *gate is set */
    const int *gate;
    unsigned reattach_every; /* batches; 0 never */
    unsigned rewind_every;   /* the first 40 times */
    unsigned rewinds;
    size_t queue_bytes;
    struct expect x;
    char name[40];
    enum cdc_next end;
    struct err e;
    unsigned reached; /* atomic: x.transaction, for other threads */
};

static struct cdc_stream *consumer_attach(struct consumer *c, const struct position *at)
{
    struct cdc_stream_options o = {.name = c->name, .queue_bytes = c->queue_bytes};
    struct cdc_stream *s = cdc_reader_attach(c->reader, at, &o, &c->e);
    assert_non_null(s);
    return s;
}

/* A new attachment knows nothing of an open transaction: BEGIN comes again, delivered rows do not.
 */
static struct cdc_stream *consumer_reattach(struct consumer *c, struct cdc_stream *s)
{
    struct position at = POSITION_INIT;
    position_copy(&at, cdc_stream_position(s));
    cdc_stream_close(s);
    s = consumer_attach(c, &at);
    position_fini(&at);
    c->x.open = false;
    return s;
}

static void consumer_rewind(struct consumer *c, struct cdc_stream *s)
{
    struct position at = POSITION_INIT;
    unsigned back = c->x.transaction - 1 > c->start + 5 ? c->x.transaction - 6 : c->start;
    position_of(back, 0, &at);
    assert_true(cdc_stream_rewind(s, &at, &c->e));
    position_fini(&at);
    c->x.transaction = back + 1;
    c->x.row = 0;
    c->x.open = false;
}

static void *consume(void *arg)
{
    struct consumer *c = arg;
    struct position at = POSITION_INIT;
    struct cdc_batch *b;
    position_of(c->start, 0, &at);
    c->x.transaction = c->start + 1;
    struct cdc_stream *s = consumer_attach(c, &at);
    position_fini(&at);
    for (unsigned n = 1; c->x.transaction <= c->last && !c->x.wrong[0]; n++) {
        while (c->gate && c->x.transaction >= c->pause_at &&
               !__atomic_load_n(c->gate, __ATOMIC_ACQUIRE))
            clock_sleep_ms(1, NULL);
        c->end = cdc_stream_next(s, &b, 20000, &c->e);
        if (c->end != CDC_NEXT_OK)
            break;
        expect_batch(&c->x, b);
        __atomic_store_n(&c->reached, c->x.transaction, __ATOMIC_RELEASE);
        cdc_stream_ack(s, cdc_stream_position(s));
        cdc_batch_unref(b);
        if (c->reattach_every && n % c->reattach_every == 0)
            s = consumer_reattach(c, s);
        else if (c->rewind_every && n % c->rewind_every == 0 && c->rewinds++ < 40)
            consumer_rewind(c, s);
    }
    cdc_stream_close(s);
    return NULL;
}

static struct topo_shard shard = {.keyspace = (char[]){"commerce"}, .name = (char[]){"-"}};

static struct cdc_reader *reader_of(struct server *srv, size_t ring_bytes, unsigned private_readers)
{
    struct cdc_reader_options o = {.ring_bytes = ring_bytes,
                                   .private_readers = private_readers,
                                   .open = server_open,
                                   .open_ctx = srv};
    pthread_mutex_init(&srv->lock, NULL);
    return cdc_reader_new(NULL, &shard, &o);
}

static void run(struct consumer *all, size_t n, struct cdc_reader *r)
{
    for (size_t i = 0; i < n; i++) {
        all[i].reader = r;
        snprintf(all[i].name, sizeof all[i].name, "c%zu", i);
        pthread_create(&all[i].thread, NULL, consume, &all[i]);
    }
    for (size_t i = 0; i < n; i++)
        pthread_join(all[i].thread, NULL);
}

static void assert_complete(const struct consumer *c)
{
    if (c->x.wrong[0] || c->x.transaction != c->last + 1)
        print_error("%s: next is transaction %u of %u, end %d, wrong: %s, error: %s\n", c->name,
                    c->x.transaction, c->last, (int)c->end, c->x.wrong, c->e.text);
    assert_string_equal(c->x.wrong, "");
    assert_int_equal(c->x.transaction, c->last + 1);
}

/* ---- tests ---- */

static struct log small_log;

static int make_logs(void **state)
{
    (void)state;
    log_make(&small_log, 4000);
    return 0;
}

static int free_logs(void **state)
{
    (void)state;
    log_fini(&small_log);
    return 0;
}

static void one_consumer_sees_no_cut(void **state)
{
    struct server srv = {.log = &small_log, .cut_every = 700};
    struct consumer c = {.last = 4000};
    (void)state;
    struct cdc_reader *r = reader_of(&srv, 0, 0);
    run(&c, 1, r);
    assert_complete(&c);
    assert_true(srv.connections > 10);
    cdc_reader_free(r);
}

static void a_backlog_is_read_without_taking_the_core_from_others(void **state)
{
    struct server srv = {.log = &small_log, .in_halves = true};
    struct consumer c = {.last = 4000};
    (void)state;
    if (sched_getscheduler(0) != SCHED_OTHER)
        skip();
    struct cdc_reader *r = reader_of(&srv, 0, 0);
    run(&c, 1, r);
    assert_complete(&c);
    cdc_reader_free(r);
    assert_true(srv.yielded[0] > 1000);
    assert_int_equal(srv.yielded[1], 0);
}

static void a_connection_cut_at_each_event_loses_nothing(void **state)
{
    struct log l = {0};
    (void)state;
    log_make(&l, 12);
    for (unsigned cut = 1; cut < l.n_events; cut++) {
        struct server srv = {.log = &l, .cut_first = cut};
        struct consumer c = {.last = 12};
        struct cdc_reader *r = reader_of(&srv, 0, 0);
        run(&c, 1, r);
        assert_complete(&c);
        cdc_reader_free(r);
    }
    log_fini(&l);
}

static void many_consumers_at_different_places(void **state)
{
    struct server srv = {.log = &small_log, .cut_every = 3000, .block_at_end = true};
    struct consumer c[8] = {{.last = 4000}};
    (void)state;
    for (unsigned i = 0; i < 8; i++)
        c[i] = (struct consumer){.start = i * 450, .last = 4000, .queue_bytes = 400000};
    struct cdc_reader *r = reader_of(&srv, 4 << 20, 2);
    run(c, 8, r);
    for (unsigned i = 0; i < 8; i++)
        assert_complete(&c[i]);
    assert_true(srv.most_open <=
                5); /* the tail, two private readers, and what is just being closed */
    cdc_reader_free(r);
}

/* Of all readers of this program, as the metrics say it. */
static double ring_bytes(void)
{
    struct buf text CLEANUP(buf_fini) = BUF_INIT;
    metrics_render(&text);
    const char *at = strstr(buf_str(&text), "\nsluice_memory_bytes{arena=\"ring\"");
    assert_non_null(at);
    return strtod(strchr(at, '}') + 1, NULL);
}

static void a_stopped_consumer_does_not_stop_the_others(void **state)
{
    struct server srv = {.log = &small_log, .block_at_end = true};
    int gate = 0;
    struct consumer slow = {
        .last = 4000, .pause_at = 300, .gate = &gate, .queue_bytes = 200000, .name = "slow"};
    struct consumer fast = {.last = 4000, .queue_bytes = 200000, .name = "fast"};
    (void)state;
    struct cdc_reader *r = reader_of(&srv, 1 << 20, 2);
    slow.reader = fast.reader = r;
    pthread_create(&slow.thread, NULL, consume, &slow);
    pthread_create(&fast.thread, NULL, consume, &fast);
    pthread_join(fast.thread, NULL); /* although slow does not move */
    assert_complete(&fast);
    assert_true(ring_bytes() <= 2 << 20); /* its limit, and a batch */
    __atomic_store_n(&gate, 1, __ATOMIC_RELEASE);
    pthread_join(slow.thread, NULL);
    assert_complete(&slow);
    cdc_reader_free(r);
}

static void wait_until_it_read(const struct consumer *c, unsigned transaction)
{
    int64_t until_ms = clock_mono_ms() + 20000;
    while (__atomic_load_n(&c->reached, __ATOMIC_ACQUIRE) < transaction &&
           clock_mono_ms() < until_ms)
        clock_sleep_ms(1, NULL);
    assert_true(__atomic_load_n(&c->reached, __ATOMIC_ACQUIRE) >= transaction);
}

/* One has the tail, one the only private reader, and does not read; the third gets that. */
static void who_does_not_read_keeps_no_private_reader(void **state)
{
    struct server srv = {.log = &small_log, .block_at_end = true};
    int gate = 0;
    struct consumer c[3] = {
        {.last = 4000, .start = 3800, .pause_at = 3900, .gate = &gate, .name = "tail"},
        {.last = 4000, .pause_at = 100, .gate = &gate, .queue_bytes = 50000, .name = "stuck"},
        {.last = 4000, .queue_bytes = 200000, .name = "third"}};
    (void)state;
    struct cdc_reader *r = reader_of(&srv, 1 << 20, 1);
    for (size_t i = 0; i < 3; i++) {
        c[i].reader = r;
        pthread_create(&c[i].thread, NULL, consume, &c[i]);
        if (c[i].gate)
            wait_until_it_read(&c[i], c[i].pause_at);
    }
    pthread_join(c[2].thread, NULL);
    assert_complete(&c[2]);
    __atomic_store_n(&gate, 1, __ATOMIC_RELEASE);
    for (size_t i = 0; i < 2; i++) {
        pthread_join(c[i].thread, NULL);
        assert_complete(&c[i]);
    }
    assert_true(srv.most_open <= 3); /* and what is just being closed */
    cdc_reader_free(r);
}

static void attaching_detaching_and_rewinding_race(void **state)
{
    struct server srv = {.log = &small_log, .cut_every = 2500, .block_at_end = true};
    struct consumer c[6] = {
        {.last = 4000, .queue_bytes = 300000},
        {.last = 4000, .reattach_every = 11, .queue_bytes = 300000},
        {.last = 4000, .reattach_every = 29, .start = 100},
        {.last = 4000, .rewind_every = 13, .queue_bytes = 300000},
        {.last = 4000, .rewind_every = 37, .start = 2000},
        {.last = 4000, .rewind_every = 17, .reattach_every = 19, .start = 1000},
    };
    (void)state;
    struct cdc_reader *r = reader_of(&srv, 2 << 20, 2);
    run(c, 6, r);
    for (unsigned i = 0; i < 6; i++)
        assert_complete(&c[i]);
    cdc_reader_free(r);
}

static void resuming_inside_a_transaction_skips_its_delivered_rows(void **state)
{
    struct server srv = {.log = &small_log};
    struct consumer c = {.last = 98};
    struct position at = POSITION_INIT;
    struct cdc_batch *b;
    (void)state;
    struct cdc_reader *r = reader_of(&srv, 0, 0);
    c.reader = r;
    position_of(96, 4321, &at);
    struct cdc_stream *s = consumer_attach(&c, &at);
    c.x.transaction = 97;
    c.x.row = 4321;
    while (c.x.transaction <= c.last && !c.x.wrong[0]) {
        assert_int_equal(cdc_stream_next(s, &b, 5000, &c.e), CDC_NEXT_OK);
        expect_batch(&c.x, b);
        cdc_batch_unref(b);
    }
    assert_complete(&c);
    cdc_stream_close(s);
    position_fini(&at);
    cdc_reader_free(r);
}

static void a_transaction_that_vanished_while_it_was_read_is_an_error(void **state)
{
    struct log other = {.gtid_shift = 100000};
    struct server srv = {.log = &small_log, .after_first = &other};
    struct consumer c = {.last = 4000};
    (void)state;
    log_make(&other, 200); /* where transaction 97 was it holds 100097 */
    for (size_t i = 1; i < small_log.n_events && small_log.events[i].transaction <= 97; i++)
        srv.cut_first = (unsigned)i - 60;
    struct cdc_reader *r = reader_of(&srv, 0, 0);
    run(&c, 1, r);
    assert_int_equal(c.end, CDC_NEXT_FAIL);
    assert_int_equal(c.e.code, ERR_SRC_AHEAD);
    assert_string_equal(c.x.wrong, "");
    cdc_reader_free(r);
    log_fini(&other);
}

static void an_undecodable_event_reaches_every_consumer_as_an_error(void **state)
{
    struct server srv = {.log = &small_log, .corrupt_event = 1000};
    struct consumer c[2] = {{.last = 4000}, {.last = 4000, .start = 10}};
    (void)state;
    struct cdc_reader *r = reader_of(&srv, 0, 0);
    run(c, 2, r);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(c[i].end, CDC_NEXT_FAIL);
        assert_int_not_equal(c[i].e.class_, ERR_CLASS_RETRY);
        assert_string_equal(c[i].x.wrong, "");
    }
    cdc_reader_free(r);
}

/* File and position of the first rows event of transaction 5, without GTIDs. */
static void a_position_on_rows_ends_in_an_error_and_not_in_a_loop(void **state)
{
    struct server srv = {.log = &small_log};
    struct position at = POSITION_INIT;
    struct cdc_batch *b;
    struct err e = ERR_INIT;
    size_t i = 0;
    (void)state;
    while (small_log.events[i].transaction != 5)
        i++;
    snprintf(at.file, sizeof at.file, "binlog.000001");
    at.pos = 4 + small_log.events[i + 2].at; /* behind GTID and table map */
    struct cdc_reader *r = reader_of(&srv, 0, 0);
    struct cdc_stream *s = cdc_reader_attach(r, &at, NULL, &e);
    assert_non_null(s);
    assert_int_equal(cdc_stream_next(s, &b, 20000, &e), CDC_NEXT_FAIL);
    assert_int_equal(e.code, ERR_LOG_FORMAT);
    assert_int_equal(srv.connections, 1);
    assert_int_equal(cdc_stream_position(s)->pos, at.pos);
    cdc_stream_close(s);
    cdc_reader_free(r);
}

static void an_interrupted_pull_returns_at_once(void **state)
{
    struct server srv = {.log = &small_log, .block_at_end = true};
    struct position at = POSITION_INIT;
    struct cdc_batch *b;
    struct err e = ERR_INIT;
    (void)state;
    struct cdc_reader *r = reader_of(&srv, 0, 0);
    position_of(4000, 0, &at);
    struct cdc_stream *s = cdc_reader_attach(r, &at, NULL, &e);
    assert_int_equal(cdc_stream_next(s, &b, 50, &e), CDC_NEXT_TIMEOUT);
    cdc_stream_interrupt(s);
    assert_int_equal(cdc_stream_next(s, &b, -1, &e), CDC_NEXT_FAIL);
    assert_int_equal(e.code, ERR_SHUTDOWN);
    cdc_stream_close(s);
    position_fini(&at);
    cdc_reader_free(r);
}

static void an_empty_text_is_no_place(void **state)
{
    struct err e = ERR_INIT;
    CLEANUP(position_fini) struct position at = POSITION_INIT;
    bool named = true;
    (void)state;
    assert_false(cdc_reader_from(NULL, "", &at, &named, &e)); /* asks no server */
    assert_int_equal(e.code, ERR_POSITION_PARSE);
    assert_true(cdc_reader_from(NULL, "[]", &at, &named, &e));
    assert_false(named);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_consumer_sees_no_cut),
        cmocka_unit_test(a_backlog_is_read_without_taking_the_core_from_others),
        cmocka_unit_test(a_connection_cut_at_each_event_loses_nothing),
        cmocka_unit_test(many_consumers_at_different_places),
        cmocka_unit_test(a_stopped_consumer_does_not_stop_the_others),
        cmocka_unit_test(who_does_not_read_keeps_no_private_reader),
        cmocka_unit_test(attaching_detaching_and_rewinding_race),
        cmocka_unit_test(resuming_inside_a_transaction_skips_its_delivered_rows),
        cmocka_unit_test(a_transaction_that_vanished_while_it_was_read_is_an_error),
        cmocka_unit_test(an_undecodable_event_reaches_every_consumer_as_an_error),
        cmocka_unit_test(a_position_on_rows_ends_in_an_error_and_not_in_a_loop),
        cmocka_unit_test(an_interrupted_pull_returns_at_once),
        cmocka_unit_test(an_empty_text_is_no_place),
    };
    return cmocka_run_group_tests(tests, make_logs, free_logs);
}
