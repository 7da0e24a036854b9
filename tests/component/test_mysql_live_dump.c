/* tests/component/test_mysql_live_dump.c — the log of a real MariaDB and a real MySQL: by GTID and
 * by file position, huge events, heartbeats, a stalled peer, a second reader with the same id,
 * deleted logs. */
#include "base/clock.h"
#include "mysql/dump.h"
#include "tests/support/live_server.h"
#include "tests/support/loopback.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER_BYTES 19
enum event_type {
    EVENT_ROTATE = 4,
    EVENT_FORMAT = 15,
    EVENT_HEARTBEAT = 27,
    EVENT_HEARTBEAT_V2 = 41,
    EVENT_ANNOTATE = 160,
};

static uint32_t event_length(const uint8_t *event)
{
    return (uint32_t)event[9] | (uint32_t)event[10] << 8 | (uint32_t)event[11] << 16 |
           (uint32_t)event[12] << 24;
}

/* What one reading to the end of the log saw. */
struct seen {
    unsigned events;
    unsigned markers; /* events that contain the marker */
    unsigned annotated;
    size_t longest;
};

static void note_event(struct seen *s, const uint8_t *event, size_t n, const char *marker)
{
    assert_true(n >= HEADER_BYTES);
    assert_int_equal(event_length(event), n);
    s->events++;
    s->annotated += event[4] == EVENT_ANNOTATE;
    s->markers += event[4] != EVENT_ANNOTATE && memmem(event, n, marker, strlen(marker)) != NULL;
    s->longest = n > s->longest ? n : s->longest;
}

static struct my_dump_options to_the_end(uint32_t server_id, bool use_gtid)
{
    return (struct my_dump_options){
        .server_id = server_id, .non_block = true, .use_gtid = use_gtid};
}

static struct seen read_to_end(struct live *l, const struct my_dump_options *o,
                               const struct position *start, const char *marker)
{
    struct err e = ERR_INIT;
    struct seen s = {0};
    struct my_dump *d = my_dump_open(&l->params, o, start, &e);
    assert_ok(d, e);
    const uint8_t *event = NULL;
    size_t n = 0;
    enum my_next next;
    while ((next = my_dump_next(d, &event, &n, &e)) == MY_ROW)
        note_event(&s, event, n, marker);
    assert_ok(next == MY_END, e);
    my_dump_close(d);
    return s;
}

static void here(struct live *l, struct position *p)
{
    struct err e = ERR_INIT;
    assert_ok(my_current_position(l->admin, p, &e), e);
}

#define MARKER "m4rker-of-a-row"

static void write_marked_rows(struct live *l, unsigned n)
{
    struct err e = ERR_INIT;
    live_exec(l, "CREATE TABLE IF NOT EXISTS marked (id INT PRIMARY KEY AUTO_INCREMENT, s TEXT)");
    for (unsigned i = 0; i < n; i++)
        assert_ok(my_exec(l->admin, "INSERT INTO marked (s) VALUES ('" MARKER "')", NULL, &e), e);
}

static void both_kinds_of_positions_give_exactly_what_came_after(void **state)
{
    struct live *l = live_begin(state);
    struct position start = POSITION_INIT, end = POSITION_INIT;
    write_marked_rows(l, 3);
    here(l, &start);
    write_marked_rows(l, 5);
    here(l, &end);
    for (unsigned use_gtid = 0; use_gtid <= my_conn_server(l->admin)->gtid_mode; use_gtid++) {
        struct my_dump_options o = to_the_end(990001, use_gtid);
        assert_int_equal(read_to_end(l, &o, &start, MARKER).markers, 5);
        assert_int_equal(read_to_end(l, &o, &end, MARKER).markers, 0);
    }
    position_fini(&start);
    position_fini(&end);
}

static void an_empty_position_gives_the_oldest_log(void **state)
{
    struct live *l = live_begin(state);
    write_marked_rows(l, 1);
    struct my_dump_options o = to_the_end(990001, false);
    struct seen from_empty = read_to_end(l, &o, NULL, MARKER);
    uint64_t rows = 0;
    struct err e = ERR_INIT;
    assert_ok(my_query_u64(l->admin, "SELECT COUNT(*) FROM marked", &rows, &e), e);
    assert_true(from_empty.markers >= rows);
}

static void statements_are_sent_only_when_they_are_asked_for(void **state)
{
    struct live *l = live_begin(state);
    if (!live_is_mariadb(l))
        live_skip("on this server the reader has no say in it");
    struct position start = POSITION_INIT;
    here(l, &start);
    write_marked_rows(l, 2);
    struct my_dump_options o = to_the_end(990001, false);
    assert_int_equal(read_to_end(l, &o, &start, MARKER).annotated, 0);
    o.annotate = true;
    assert_int_equal(read_to_end(l, &o, &start, MARKER).annotated, 2);
    position_fini(&start);
}

static void the_checksum_is_told(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    char *setting CLEANUP(mem_free_ptr) = NULL;
    assert_ok(my_query_text(l->admin, "SELECT @@global.binlog_checksum", &setting, &e), e);
    struct my_dump_options o = to_the_end(990001, false);
    struct my_dump *d = my_dump_open(&l->params, &o, NULL, &e);
    assert_ok(d, e);
    assert_int_equal(my_dump_checksum(d), strcmp(setting, "CRC32") == 0);
    assert_int_equal(my_dump_server(d)->server_id, my_conn_server(l->admin)->server_id);
    my_dump_close(d);
}

/* Rows around the protocol's packet size and far above it, filled with a pattern that would show a
 * lost or doubled piece. */
static void events_longer_than_packets_arrive_whole(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    static const size_t sizes[] = {16776960, 16777215, 33554432, 41943040};
    live_exec(l, "CREATE TABLE long_rows (id INT PRIMARY KEY, b LONGBLOB)");
    struct my_stmt *s = my_prepare(l->admin, "INSERT INTO long_rows VALUES (?, ?)", &e);
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint32_t *blob = malloc(sizes[i] + 4);
        assert_non_null(blob);
        for (uint32_t k = 0; k < sizes[i] / 4 + 1; k++)
            blob[k] = k * 2654435761u;
        struct position start = POSITION_INIT;
        here(l, &start);
        struct my_value row[2] = {{MY_VALUE_I64, {.i64 = i}},
                                  {MY_VALUE_BYTES, {.bytes = {blob, sizes[i]}}}};
        assert_ok(my_stmt_exec(s, row, NULL, &e), e);
        struct my_dump_options o = to_the_end(990001, false);
        struct my_dump *d = my_dump_open(&l->params, &o, &start, &e);
        assert_ok(d, e);
        const uint8_t *event = NULL;
        size_t n = 0;
        bool found = false;
        while (my_dump_next(d, &event, &n, &e) == MY_ROW) {
            assert_int_equal(event_length(event), n);
            found = found || (n > sizes[i] && memmem(event, n, blob, sizes[i]) != NULL);
        }
        assert_true(found);
        my_dump_close(d);
        position_fini(&start);
        free(blob);
    }
    my_stmt_free(s);
}

static struct my_dump *open_waiting(struct live *l, const struct my_params *p, uint32_t server_id,
                                    struct err *e)
{
    struct position start = POSITION_INIT;
    here(l, &start);
    struct my_dump_options o = {.server_id = server_id, .heartbeat_ms = 300};
    struct my_dump *d = my_dump_open(p, &o, &start, e);
    position_fini(&start);
    return d;
}

static bool is_heartbeat(const uint8_t *event)
{
    return event[4] == EVENT_HEARTBEAT || event[4] == EVENT_HEARTBEAT_V2;
}

static void read_until_heartbeat(struct my_dump *d)
{
    struct err e = ERR_INIT;
    const uint8_t *event = NULL;
    size_t n = 0;
    do
        assert_ok(my_dump_next(d, &event, &n, &e) == MY_ROW, e);
    while (!is_heartbeat(event));
}

static void a_quiet_log_sends_heartbeats(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    struct my_dump *d = open_waiting(l, &l->params, 990002, &e);
    assert_ok(d, e);
    int64_t begin_ms = clock_mono_ms();
    read_until_heartbeat(d);
    read_until_heartbeat(d);
    assert_true(clock_mono_ms() - begin_ms < 10000);
    assert_false(my_dump_ready(d)); /* what has arrived is read */
    my_dump_close(d);
}

static void a_waiting_reader_is_listed_as_replica(void **state)
{
    struct live *l = live_begin(state);
    if (!live_client_is_connector())
        live_skip("libmysqlclient has no call to register as replica");
    struct err e = ERR_INIT;
    struct my_dump *d = open_waiting(l, &l->params, 990003, &e);
    assert_ok(d, e);
    read_until_heartbeat(d);
    struct my_result *r =
        my_query(l->admin, live_is_mariadb(l) ? "SHOW SLAVE HOSTS" : "SHOW REPLICAS", &e);
    assert_ok(r, e);
    struct my_cell c[8];
    bool listed = false;
    while (my_result_next(r, c, &e) == MY_ROW)
        listed = listed || strcmp(c[0].p, "990003") == 0;
    assert_true(listed);
    my_result_free(r);
    my_dump_close(d);
}

static void a_second_reader_with_the_same_id_ends_the_first(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    struct my_dump *first = open_waiting(l, &l->params, 990004, &e);
    assert_ok(first, e);
    read_until_heartbeat(first);
    struct my_dump *second = open_waiting(l, &l->params, 990004, &e);
    assert_ok(second, e);
    const uint8_t *event = NULL;
    size_t n = 0;
    enum my_next next = MY_ROW;
    while (next == MY_ROW)
        next = my_dump_next(first, &event, &n, &e);
    assert_int_equal(next, MY_FAIL);
    assert_int_equal(e.code, ERR_SRC_SERVER_ID);
    assert_int_equal(e.class_, ERR_CLASS_RETRY);
    read_until_heartbeat(second);
    my_dump_close(first);
    my_dump_close(second);
}

#define BIG_ROWS      30
#define BIG_ROW_BYTES "1000000"
#define LEAVERS       4

static void wait_until_the_server_cannot_write(struct live *l)
{
    struct err e = ERR_INIT;
    uint64_t writing = 0;
    int64_t deadline_ms = clock_mono_ms() + 20000;
    for (unsigned in_a_row = 0; in_a_row < 200 && clock_mono_ms() < deadline_ms;) {
        assert_ok(my_query_u64(l->admin,
                               "SELECT COUNT(*) FROM information_schema.processlist WHERE command "
                               "LIKE 'Binlog Dump%' AND (state LIKE '%riting to net%' OR state "
                               "LIKE '%ending %')",
                               &writing, &e),
                  e);
        in_a_row = writing > 0 ? in_a_row + 1 : 0;
    }
    assert_true(writing > 0);
}

/* The server ends the dump that has our id before it begins another, so it must see at once that
 * the reader of the old one is gone: also where it waits to write, and the reader, interrupted, has
 * read all that had arrived before it closed. */
static void a_reader_that_left_is_gone_at_once(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    struct position start = POSITION_INIT;
    here(l, &start);
    live_exec(l, "CREATE TABLE big (id INT PRIMARY KEY AUTO_INCREMENT, s LONGTEXT)");
    for (unsigned i = 0; i < BIG_ROWS; i++)
        live_exec(l, "INSERT INTO big (s) VALUES (REPEAT('b', " BIG_ROW_BYTES "))");
    for (unsigned i = 0; i < LEAVERS; i++) {
        struct my_dump_options o = {.server_id = 990012, .heartbeat_ms = 60000};
        int64_t begun_ms = clock_mono_ms();
        const uint8_t *event = NULL;
        size_t n = 0;
        struct my_dump *d = my_dump_open(&l->params, &o, &start, &e);
        assert_ok(d, e);
        assert_int_equal(my_dump_next(d, &event, &n, &e), MY_ROW);
        assert_true(clock_mono_ms() - begun_ms < 10000);
        wait_until_the_server_cannot_write(l);
        my_dump_interrupt(d);
        while (my_dump_next(d, &event, &n, &e) == MY_ROW)
            ;
        err_clear(&e);
        my_dump_close(d);
    }
    position_fini(&start);
}

struct interrupter {
    struct my_dump *d;
    struct my_conn *watcher;
    bool waiting; /* the dump was seen waiting for more */
};

static void *run_interrupt(void *arg)
{
    struct interrupter *i = arg;
    struct err ignored;
    uint64_t n = 0;
    int64_t deadline_ms = clock_mono_ms() + 20000;
    while (n == 0 && clock_mono_ms() < deadline_ms)
        if (!my_query_u64(i->watcher,
                          "SELECT COUNT(*) FROM information_schema.processlist "
                          "WHERE state LIKE '%has sent all binlog%'",
                          &n, &ignored))
            break;
    i->waiting = n > 0;
    my_dump_interrupt(i->d);
    return NULL;
}

static void an_interrupt_ends_a_blocked_read(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    struct position start = POSITION_INIT;
    here(l, &start);
    struct my_dump_options o = {.server_id = 990005, .heartbeat_ms = 60000};
    struct interrupter i = {my_dump_open(&l->params, &o, &start, &e), l->admin, false};
    assert_ok(i.d, e);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_interrupt, &i), 0);
    const uint8_t *event = NULL;
    size_t n = 0;
    enum my_next next = MY_ROW;
    while (next == MY_ROW)
        next = my_dump_next(i.d, &event, &n, &e);
    pthread_join(thread, NULL);
    assert_true(i.waiting);
    assert_int_equal(next, MY_FAIL);
    assert_int_equal(e.code, ERR_SHUTDOWN);
    my_dump_close(i.d);
    position_fini(&start);
}

/* ── a peer that falls silent ──────────────────────────────────────────── */

struct proxy { /* one connection, forwarded until stalled */
    int listener, client, server;
    unsigned port;
    int stalled; /* atomic */
    int stop;    /* atomic */
    pthread_t thread;
};

static bool forward(int from, int to)
{
    char bytes[16384];
    ssize_t n = read(from, bytes, sizeof bytes);
    return n > 0 && write(to, bytes, (size_t)n) == n;
}

static void *run_proxy(void *arg)
{
    struct proxy *p = arg;
    p->client = accept(p->listener, NULL, NULL);
    while (!__atomic_load_n(&p->stop, __ATOMIC_ACQUIRE)) {
        bool stalled = __atomic_load_n(&p->stalled, __ATOMIC_ACQUIRE);
        short wanted = stalled ? 0 : POLLIN;
        struct pollfd fds[2] = {{.fd = p->client, .events = wanted},
                                {.fd = p->server, .events = wanted}};
        if (poll(fds, 2, 20) <= 0)
            continue;
        if (stalled || (fds[0].revents && !forward(p->client, p->server)) ||
            (fds[1].revents && !forward(p->server, p->client)))
            break;
    }
    return NULL;
}

static void proxy_open(struct proxy *p, const struct my_params *to)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)to->port)};
    memset(p, 0, sizeof *p);
    assert_int_equal(inet_pton(AF_INET, to->host, &a.sin_addr), 1);
    p->server = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(p->server, (struct sockaddr *)&a, sizeof a), 0);
    p->listener = loopback_listen(1, &p->port);
    assert_int_equal(pthread_create(&p->thread, NULL, run_proxy, p), 0);
}

static void proxy_close(struct proxy *p)
{
    __atomic_store_n(&p->stop, 1, __ATOMIC_RELEASE);
    pthread_join(p->thread, NULL);
    close(p->client);
    close(p->server);
    close(p->listener);
}

static void a_peer_that_is_silent_for_two_periods_is_lost(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    struct proxy proxy;
    proxy_open(&proxy, &l->params);
    struct my_params p = l->params;
    p.port = proxy.port;
    struct my_dump *d = open_waiting(l, &p, 990006, &e);
    assert_ok(d, e);
    read_until_heartbeat(d);
    __atomic_store_n(&proxy.stalled, 1, __ATOMIC_RELEASE);
    int64_t begin_ms = clock_mono_ms();
    const uint8_t *event = NULL;
    size_t n = 0;
    enum my_next next = MY_ROW;
    while (next == MY_ROW)
        next = my_dump_next(d, &event, &n, &e);
    assert_int_equal(next, MY_FAIL);
    assert_int_equal(e.code, ERR_DB_LOST);
    assert_int_equal(e.class_, ERR_CLASS_RETRY);
    assert_true(clock_mono_ms() - begin_ms < 5000);
    my_dump_close(d);
    proxy_close(&proxy);
}

/* ── positions that cannot be served ───────────────────────────────────── */

static struct err fail_at(struct live *l, const struct position *start, bool use_gtid)
{
    struct err e = ERR_INIT;
    struct my_dump_options o = to_the_end(990007, use_gtid);
    struct my_dump *d = my_dump_open(&l->params, &o, start, &e);
    const uint8_t *event = NULL;
    size_t n = 0;
    enum my_next next = d ? MY_ROW : MY_FAIL;
    while (next == MY_ROW)
        next = my_dump_next(d, &event, &n, &e);
    assert_int_equal(next, MY_FAIL);
    my_dump_close(d);
    return e;
}

static void a_position_beyond_the_log_is_ahead(void **state)
{
    struct live *l = live_begin(state);
    struct position p = POSITION_INIT;
    struct err e;
    here(l, &p);
    p.pos += 1000000;
    e = fail_at(l, &p, false);
    assert_int_equal(e.code, ERR_SRC_AHEAD);
    assert_int_equal(e.class_, ERR_CLASS_FATAL);
    assert_true(e.cure[0] != 0);
    position_fini(&p);
}

static void a_gtid_that_the_server_never_had_is_ahead(void **state)
{
    struct live *l = live_begin(state);
    const struct my_server *s = my_conn_server(l->admin);
    if (!s->gtid_mode)
        live_skip("this server has no GTIDs");
    struct position p = POSITION_INIT;
    struct err e = ERR_INIT;
    char *text = live_is_mariadb(l) ? mem_printf("MariaDB/0-%u-999999999", s->server_id)
                                    : mem_printf("MySQL56/%s:1-999999999", s->server_uuid);
    assert_ok(position_parse(text, &p, &e), e);
    e = fail_at(l, &p, true);
    assert_int_equal(e.code, ERR_SRC_AHEAD);
    position_fini(&p);
    free(text);
}

static void a_reader_without_the_privilege_is_denied(void **state)
{
    struct live *l = live_begin(state);
    struct err e = ERR_INIT;
    live_exec(l, "DROP USER IF EXISTS sluice_nodump@'127.0.0.1'");
    live_exec(l, "CREATE USER sluice_nodump@'127.0.0.1' IDENTIFIED BY 'pw'");
    char user[] = "sluice_nodump", password[] = "pw";
    struct my_params p = l->params;
    p.user = user;
    p.password = password;
    struct my_dump_options o = to_the_end(990008, false);
    struct my_dump *d = my_dump_open(&p, &o, NULL, &e);
    const uint8_t *event = NULL;
    size_t n = 0;
    if (d) /* a client library that does not register is refused with the first answer */
        assert_int_equal(my_dump_next(d, &event, &n, &e), MY_FAIL);
    my_dump_close(d);
    assert_int_equal(e.code, ERR_DB_DENIED);
    assert_int_equal(e.class_, ERR_CLASS_FATAL);
    live_exec(l, "DROP USER sluice_nodump@'127.0.0.1'");
}

static bool log_is_listed(struct live *l, const char *file)
{
    struct err e = ERR_INIT;
    struct my_result *r = my_query(l->admin, "SHOW BINARY LOGS", &e);
    assert_ok(r, e);
    struct my_cell c[8];
    bool listed = false;
    while (my_result_next(r, c, &e) == MY_ROW)
        listed = listed || strcmp(c[0].p, file) == 0;
    my_result_free(r);
    return listed;
}

/* A server keeps a file that a dump reads, also for a reader that it has not missed yet, and one
 * that its engine may need for recovery: so this may take some tries. */
static void purge_before(struct live *l, const char *keep, const char *gone)
{
    struct err e = ERR_INIT;
    int64_t deadline_ms = clock_mono_ms() + 60000;
    do {
        assert_ok(my_execf(l->admin, &e, "PURGE BINARY LOGS TO '%s'", keep), e);
        assert_true(clock_mono_ms() < deadline_ms);
    } while (log_is_listed(l, gone));
}

/* Last of its group: it deletes the server's logs. */
static void deleted_logs_are_told_with_the_way_out(void **state)
{
    struct live *l = live_begin(state);
    struct position old = POSITION_INIT, now = POSITION_INIT;
    struct err e = ERR_INIT;
    here(l, &old);
    write_marked_rows(l, 1);
    live_exec(l, "FLUSH BINARY LOGS");
    here(l, &now);
    purge_before(l, now.file, old.file);
    for (unsigned use_gtid = 0; use_gtid <= my_conn_server(l->admin)->gtid_mode; use_gtid++) {
        e = fail_at(l, &old, use_gtid);
        assert_int_equal(e.code, ERR_SRC_PURGED);
        assert_int_equal(e.class_, ERR_CLASS_FATAL);
        assert_non_null(strstr(e.cure, "copy the tables again"));
    }
    position_fini(&old);
    position_fini(&now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_kinds_of_positions_give_exactly_what_came_after),
        cmocka_unit_test(an_empty_position_gives_the_oldest_log),
        cmocka_unit_test(statements_are_sent_only_when_they_are_asked_for),
        cmocka_unit_test(the_checksum_is_told),
        cmocka_unit_test(events_longer_than_packets_arrive_whole),
        cmocka_unit_test(a_quiet_log_sends_heartbeats),
        cmocka_unit_test(a_waiting_reader_is_listed_as_replica),
        cmocka_unit_test(a_second_reader_with_the_same_id_ends_the_first),
        cmocka_unit_test(a_reader_that_left_is_gone_at_once),
        cmocka_unit_test(an_interrupt_ends_a_blocked_read),
        cmocka_unit_test(a_peer_that_is_silent_for_two_periods_is_lost),
        cmocka_unit_test(a_position_beyond_the_log_is_ahead),
        cmocka_unit_test(a_gtid_that_the_server_never_had_is_ahead),
        cmocka_unit_test(a_reader_without_the_privilege_is_denied),
        cmocka_unit_test(deleted_logs_are_told_with_the_way_out),
    };
    int failed = cmocka_run_group_tests_name("mariadb", tests, live_setup_mariadb, live_teardown);
    return failed + cmocka_run_group_tests_name("mysql", tests, live_setup_mysql, live_teardown);
}
