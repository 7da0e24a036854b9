/* tests/component/test_mysql_live_packets.c — events that fill the protocol's packets to the byte,
 * and events longer than the server's own limit for statements, read from real servers. */
#include "mysql/dump.h"
#include "tests/support/live_server.h"

#define PACKET_MAX   ((size_t)0xffffff)
#define OK_BYTES     1 /* in front of each event */
#define SHORT_ROW    100
#define HEADER_BYTES 19

static void here(struct live *l, struct position *p)
{
    struct err e = ERR_INIT;
    assert_ok(my_current_position(l->admin, p, &e), e);
}

/* A pattern that would show a lost or doubled piece. */
static uint32_t *pattern(size_t n)
{
    uint32_t *blob = mem_alloc(n + 4);
    for (uint32_t k = 0; k < n / 4 + 1; k++)
        blob[k] = k * 2654435761u;
    return blob;
}

/* Inserts a row of n bytes; the length of the event in which it arrived whole. */
static size_t through_the_log(struct live *l, size_t n)
{
    static int64_t id;
    struct err e = ERR_INIT;
    struct position start = POSITION_INIT;
    uint32_t *blob = pattern(n);
    struct my_value row[2] = {{MY_VALUE_I64, {.i64 = ++id}},
                              {MY_VALUE_BYTES, {.bytes = {blob, n}}}};
    struct my_stmt *s = my_prepare(l->admin, "INSERT INTO packets VALUES (?, ?)", &e);
    assert_ok(s, e);
    here(l, &start);
    assert_ok(my_stmt_exec(s, row, NULL, &e), e);
    my_stmt_free(s);
    struct my_dump_options o = {.server_id = 990020, .non_block = true};
    struct my_dump *d = my_dump_open(&l->params, &o, &start, &e);
    assert_ok(d, e);
    const uint8_t *event = NULL;
    size_t event_len = 0, found = 0;
    enum my_next next;
    while ((next = my_dump_next(d, &event, &event_len, &e)) == MY_ROW) {
        if (event_len > n + HEADER_BYTES && memmem(event, event_len, blob, n))
            found = event_len;
    }
    assert_ok(next == MY_END, e);
    my_dump_close(d);
    position_fini(&start);
    free(blob);
    return found;
}

/* A packet that is full is followed by another one, which may be empty. */
static void events_that_fill_their_packets_arrive_whole(void **state)
{
    struct live *l = live_begin(state);
    live_exec(l, "CREATE TABLE packets (id INT PRIMARY KEY, b LONGBLOB)");
    size_t around = through_the_log(l, SHORT_ROW) - SHORT_ROW + OK_BYTES;
    for (size_t k = 1; k <= 2; k++) {
        for (size_t more = 0; more <= 2; more++) { /* one less, exactly, one more */
            size_t n = k * PACKET_MAX - 1 + more - around;
            size_t event_len = through_the_log(l, n);
            assert_int_equal(event_len + OK_BYTES, k * PACKET_MAX - 1 + more);
        }
    }
}

/* The limit is one for statements: what is in the log already is sent. */
static void a_small_limit_of_the_server_does_not_stop_a_dump(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    struct position start = POSITION_INIT;
    live_exec(l, "CREATE TABLE large (id INT PRIMARY KEY, b LONGBLOB)");
    here(l, &start);
    live_exec(l, "INSERT INTO large VALUES (1, REPEAT('l', 8000000))");
    live_exec(l, "SET GLOBAL max_allowed_packet = 1048576");
    struct my_dump_options o = {.server_id = 990020, .non_block = true};
    struct my_dump *d = my_dump_open(&l->params, &o, &start, &e);
    assert_ok(d, e);
    const uint8_t *event = NULL;
    size_t n = 0, longest = 0;
    enum my_next next;
    while ((next = my_dump_next(d, &event, &n, &e)) == MY_ROW)
        longest = n > longest ? n : longest;
    live_exec(l, "SET GLOBAL max_allowed_packet = 268435456");
    assert_ok(next == MY_END, e);
    assert_true(longest > 8000000);
    my_dump_close(d);
    position_fini(&start);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_that_fill_their_packets_arrive_whole),
        cmocka_unit_test(a_small_limit_of_the_server_does_not_stop_a_dump),
    };
    int failed = cmocka_run_group_tests_name("mariadb", tests, live_setup_mariadb, live_teardown);
    return failed + cmocka_run_group_tests_name("mysql", tests, live_setup_mysql, live_teardown);
}
