/* tests/component/test_sink_driver.c — a sink's driver over a replayed log, into a file and into a
 * mock Kafka cluster: killed between any two steps, with brokers down and refusing, it loses no
 * record and keeps each key's order.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/sys.h"
#include "sinks/sink.h"
#include "tests/support/replay_log.h"

#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants the four standard ones above */
#include <cmocka.h>

#define TRANSACTIONS  90 /* the mock keeps 5 MB a partition */
#define SMALL_FLUSHES "{\"flush_bytes\":\"2000\"}"

static struct log the_log;
static char dir[100], file_path[200];
static unsigned case_number;
static char installation[] = "test", database[] = "shop", keyspace_name[] = "commerce",
            shard_name[] = "-", sink_name[] = "orders", format[] = "ndjson";
static char *format_name = format;
static struct topo_shard shard;
static struct topo_keyspace keyspace;
static struct topology topo;

static uint64_t total_rows(void)
{
    uint64_t n = 0;
    for (unsigned t = 1; t <= TRANSACTIONS; t++)
        n += rows_of(t);
    return n;
}

static int begin(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    log_make(&the_log, TRANSACTIONS);
    shard = (struct topo_shard){.keyspace = keyspace_name, .name = shard_name};
    shard.primary.database = database;
    if (!keyrange_parse("-", &shard.range, &e))
        return -1;
    keyspace = (struct topo_keyspace){.name = keyspace_name, .shards = &shard, .n_shards = 1};
    topo =
        (struct topology){.installation = installation, .keyspaces = &keyspace, .n_keyspaces = 1};
    return 0;
}

static int end(void **state)
{
    (void)state;
    log_fini(&the_log);
    return 0;
}

/* A directory of its own for each test. */
static int new_dir(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/sluice-driver-%d-%u", (int)getpid(), case_number++);
    snprintf(file_path, sizeof file_path, "%s/out", dir);
    return sys_mkdir_private(dir, &e) ? 0 : -1;
}

static int remove_dir(void **state)
{
    char command[160];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

/* ---- one run of a driver ---- */

struct run {
    struct server server;
    struct cdc_reader *reader;
    struct store *store;
    struct sink_driver *driver;
    struct sink_spec spec;
    char to[300];
};

static char first_place[] = "[{\"keyspace\":\"commerce\",\"shard\":\"-\","
                            "\"gtid\":\"FilePos/binlog.000001:4\"}]";
static char *start_place = first_place; /* the sink's `from` */

static struct cdc_reader *find_reader(void *ctx, const char *ks, const char *name)
{
    (void)ks;
    (void)name;
    return ((struct run *)ctx)->reader;
}

static void run_start_as(struct run *r, const char *to, const char *options, char *definition)
{
    static const char *const shards[] = {"-"};
    struct err e = ERR_INIT;
    *r = (struct run){.server = {.log = &the_log, .block_at_end = true}};
    struct cdc_reader_options o = {.open = server_open, .open_ctx = &r->server};
    pthread_mutex_init(&r->server.lock, NULL);
    snprintf(r->to, sizeof r->to, "%s", to);
    r->reader = cdc_reader_new(NULL, &shard, &o);
    r->store = store_open(dir, &e);
    if (!r->store)
        fail_msg("%s", e.text);
    r->spec = (struct sink_spec){.name = sink_name,
                                 .keyspace = keyspace_name,
                                 .to = r->to,
                                 .format = format_name,
                                 .prefix = database,
                                 .from = start_place,
                                 .definition = definition,
                                 .options_json = mem_strdup(options)};
    r->driver = sink_driver_start(&r->spec, &topo, shards, 1, r->store, find_reader, r, &e);
    if (!r->driver)
        fail_msg("%s", e.text);
}

static void run_start(struct run *r, const char *to, const char *options)
{
    run_start_as(r, to, options, NULL);
}

static void run_stop(struct run *r)
{
    sink_driver_stop(r->driver);
    store_close(r->store);
    cdc_reader_free(r->reader);
    free(r->spec.options_json);
}

static uint64_t acknowledged(struct run *r)
{
    struct sink_status status;
    sink_driver_status(r->driver, &status);
    uint64_t n = status.n_lanes > 0 ? status.lanes[0].records : 0;
    sink_status_fini(&status);
    return n;
}

static void put_status(struct sink_driver *d, struct buf *out)
{
    struct sink_status status;
    sink_driver_status(d, &status);
    sink_status_put(&status, out);
    sink_status_fini(&status);
}

static bool says(struct run *r, const char *what)
{
    struct buf text = BUF_INIT;
    put_status(r->driver, &text);
    bool yes = strstr(buf_str(&text), what) != NULL;
    buf_fini(&text);
    return yes;
}

static void wait_until_acknowledged(struct run *r, uint64_t n)
{
    int64_t until_ms = clock_mono_ms() + 60000;
    while (acknowledged(r) < n && clock_mono_ms() < until_ms)
        clock_sleep_ms(10, NULL);
    if (acknowledged(r) < n) {
        struct buf text = BUF_INIT;
        put_status(r->driver, &text);
        fail_msg("%llu records of %llu: %s", (unsigned long long)acknowledged(r),
                 (unsigned long long)n, buf_str(&text));
    }
}

static void wait_until_it_says(struct run *r, const char *what)
{
    int64_t until_ms = clock_mono_ms() + 30000;
    while (!says(r, what) && clock_mono_ms() < until_ms)
        clock_sleep_ms(10, NULL);
    if (!says(r, what)) {
        struct buf text = BUF_INIT;
        put_status(r->driver, &text);
        fail_msg("not %s: %s", what, buf_str(&text));
    }
}

/* The last transaction is acknowledged. */
static void wait_until_the_end(struct run *r)
{
    char place[60];
    snprintf(place, sizeof place, "binlog.000001:%zu", 4 + the_log.bytes.len);
    wait_until_it_says(r, place);
}

/* Runs the driver in a child that is killed by a fault point; true if it was killed. */
static bool run_and_be_killed(const char *to, const char *fault)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct run r;
        struct err e = ERR_INIT;
        if (!fault_arm(fault, &e))
            _exit(1);
        run_start(&r, to, SMALL_FLUSHES);
        for (int i = 0; i < 1000 && acknowledged(&r) < total_rows(); i++)
            clock_sleep_ms(10, NULL);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* ---- what arrived ---- */

struct seen {
    uint16_t *times; /* by number of the row in the log */
    uint64_t records;
    uint64_t last; /* for the order: number of the newest row so far */
    bool order_broken;
};

/* Number of a row among all of the log, from its id. */
static uint64_t number_of(uint64_t id)
{
    uint64_t n = id % ID_STEP;
    for (unsigned t = 1; t < id / ID_STEP; t++)
        n += rows_of(t);
    return n;
}

static void see(struct seen *s, const char *json, size_t n)
{
    json_t *o = json_loadb(json, n, JSON_ALLOW_NUL, NULL);
    assert_non_null(o);
    json_t *id = json_object_get(json_object_get(o, "after"), "id");
    if (json_is_integer(id)) {
        uint64_t number = number_of((uint64_t)json_integer_value(id));
        assert_true(number < total_rows());
        s->times[number]++;
        s->records++;
        s->order_broken |= number > s->last + 1 &&
                           s->records > 1; /* going back is a repetition, a gap is a loss */
        s->last = number;
    }
    json_decref(o);
}

static void assert_all_seen(struct seen *s, bool once)
{
    uint64_t lost = 0, doubled = 0;
    for (uint64_t i = 0; i < total_rows(); i++) {
        lost += s->times[i] == 0;
        doubled += s->times[i] > 1;
    }
    assert_int_equal(lost, 0);
    if (once)
        assert_int_equal(doubled, 0);
    assert_false(s->order_broken);
    free(s->times);
}

static void see_file(struct seen *s)
{
    struct err e = ERR_INIT;
    struct buf text = BUF_INIT;
    *s = (struct seen){.times = mem_calloc(total_rows(), sizeof *s->times)};
    assert_true(sys_read_file(file_path, 1 << 30, &text, &e));
    const char *p = buf_str(&text);
    for (const char *newline; (newline = strchr(p, '\n')) != NULL; p = newline + 1)
        see(s, p, (size_t)(newline - p));
    assert_int_equal(*p, '\0'); /* no half line */
    buf_fini(&text);
}

/* ---- file ---- */

static char *file_to(void)
{
    return mem_printf("file:%s", file_path);
}

static void a_file_holds_each_row_once_in_order(void **state)
{
    struct run r;
    struct seen s;
    CLEANUP(mem_free_ptr) char *to = file_to();
    (void)state;
    run_start(&r, to, "{}");
    wait_until_acknowledged(&r, total_rows());
    run_stop(&r);
    see_file(&s);
    assert_all_seen(&s, true);
    run_start(&r, to, "{}"); /* goes on where it was: nothing comes again */
    wait_until_it_says(&r, "\"running\"");
    run_stop(&r);
    see_file(&s);
    assert_all_seen(&s, true);
}

static void a_killed_file_sink_loses_nothing(void **state)
{
    static const char *const points[] = {"sink.before_flush:kill:3", "sink.after_flush:kill:3",
                                         "sink.before_checkpoint:kill:3",
                                         "sink.after_checkpoint:kill:3"};
    CLEANUP(mem_free_ptr) char *to = file_to();
    struct run r;
    struct seen s;
    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_true(run_and_be_killed(to, points[i]));
    run_start(&r, to, "{}");
    wait_until_the_end(&r);
    run_stop(&r);
    see_file(&s);
    assert_all_seen(&s, true); /* position and records are one write: not even doubled */
}

static void what_was_never_acknowledged_is_cut_off(void **state)
{
    struct run r;
    struct seen s;
    CLEANUP(mem_free_ptr) char *to = file_to();
    (void)state;
    run_start(&r, to, "{}");
    wait_until_acknowledged(&r, total_rows());
    run_stop(&r);
    FILE *f = fopen(file_path, "a");
    fprintf(f, "{\"op\":\"c\",\"after\":{\"id\":1000000}}\n{\"op\":\"c\",\"aft");
    fclose(f);
    run_start(&r, to, "{}");
    wait_until_it_says(&r, "\"running\"");
    run_stop(&r);
    see_file(&s);
    assert_all_seen(&s, true);
}

static void a_lost_state_database_costs_nothing(void **state)
{
    struct run r;
    struct seen s;
    char command[200];
    CLEANUP(mem_free_ptr) char *to = file_to();
    (void)state;
    run_start(&r, to, "{}");
    wait_until_acknowledged(&r, total_rows());
    run_stop(&r);
    snprintf(command, sizeof command, "rm -f %s/state.db*", dir);
    assert_int_equal(system(command), 0);
    run_start(&r, to, "{}");
    wait_until_it_says(&r, "\"running\"");
    run_stop(&r);
    see_file(&s);
    assert_all_seen(&s, true);
}

static char *last_place(void)
{
    return mem_printf("[{\"keyspace\":\"commerce\",\"shard\":\"-\","
                      "\"gtid\":\"FilePos/binlog.000001:%zu\"}]",
                      4 + the_log.bytes.len);
}

static void run_until_it_waits(const char *to)
{
    struct run r;
    run_start(&r, to, "{}");
    wait_until_it_says(&r, "\"waiting\"");
    run_stop(&r);
}

/* What was written while nothing could be written to, belongs to the sink. */
static void it_begins_where_it_was_first_started(void **state)
{
    struct run r;
    struct seen s;
    char missing[200];
    (void)state;
    snprintf(missing, sizeof missing, "%s/missing", dir);
    snprintf(file_path, sizeof file_path, "%s/missing/out", dir);
    CLEANUP(mem_free_ptr) char *to = file_to();
    run_until_it_waits(to);
    assert_int_equal(mkdir(missing, 0700), 0);
    start_place = last_place(); /* "current" has moved on */
    run_start(&r, to, "{}");
    wait_until_acknowledged(&r, total_rows());
    run_stop(&r);
    free(start_place);
    start_place = first_place;
    see_file(&s);
    assert_all_seen(&s, true);
}

/* ... but a destination that knows where the sink is says more than the place of a start. */
static void a_destination_knows_better_than_the_first_start(void **state)
{
    struct run r;
    struct seen s;
    char command[200];
    CLEANUP(mem_free_ptr) char *to = file_to();
    (void)state;
    assert_true(run_and_be_killed(to, "sink.after_checkpoint:kill:3"));
    snprintf(command, sizeof command, "rm -f %s/state.db*", dir);
    assert_int_equal(system(command), 0);
    start_place = last_place();
    run_start(&r, to, "{}");
    wait_until_the_end(&r);
    run_stop(&r);
    free(start_place);
    start_place = first_place;
    see_file(&s);
    assert_all_seen(&s, true);
}

/* A sink that has published nothing yet goes on where it began, not where `from` points later. */
static void a_start_outlives_the_state_directory(void **state)
{
    struct run r;
    struct seen s;
    char command[200];
    CLEANUP(mem_free_ptr) char *to = file_to();
    (void)state;
    start_place = last_place();
    run_start(&r, to, "{}");
    wait_until_it_says(&r, "\"running\"");
    run_stop(&r);
    free(start_place);
    start_place = first_place;
    snprintf(command, sizeof command, "rm -f %s/state.db*", dir);
    assert_int_equal(system(command), 0);
    run_start(&r, to, "{}");
    wait_until_the_end(&r);
    run_stop(&r);
    see_file(&s);
    assert_int_equal(s.records, 0);
    free(s.times);
}

/* ---- Kafka ---- */

struct kafka {
    rd_kafka_t *handle;
    rd_kafka_mock_cluster_t *cluster;
    char to[300];
};

#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER 1
#endif
#endif
#ifndef THREAD_SANITIZER
#define THREAD_SANITIZER 0
#endif

static void needs_kafka(void)
{
    if (THREAD_SANITIZER) { /* librdkafka begins threads by thrd_create, which it does not follow */
        print_message("skipped: librdkafka's threads crash in the thread sanitizer\n");
        skip();
    }
}

static void kafka_start(struct kafka *k)
{
    needs_kafka();
    char text[300];
    k->handle = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), text, sizeof text);
    assert_non_null(k->handle);
    k->cluster = rd_kafka_mock_cluster_new(k->handle, 1);
    assert_non_null(k->cluster);
    rd_kafka_mock_topic_create(k->cluster, "shop.shop.orders", 1, 1);
    rd_kafka_mock_topic_create(k->cluster, "shop.positions", 1, 1);
    snprintf(k->to, sizeof k->to, "kafka://%s", rd_kafka_mock_cluster_bootstraps(k->cluster));
}

static void kafka_stop(struct kafka *k)
{
    rd_kafka_mock_cluster_destroy(k->cluster);
    rd_kafka_destroy(k->handle);
}

/* Everything in the topic. */
static void see_topic(struct kafka *k, struct seen *s)
{
    char text[300];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(k->cluster), text,
                      sizeof text);
    rd_kafka_conf_set(conf, "group.id", "test", text, sizeof text);
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", text, sizeof text);
    rd_kafka_t *c = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    assert_non_null(c);
    rd_kafka_poll_set_consumer(c);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, "shop.shop.orders", 0)->offset =
        RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(c, list);
    rd_kafka_topic_partition_list_destroy(list);
    *s = (struct seen){.times = mem_calloc(total_rows(), sizeof *s->times)};
    for (bool ended = false; !ended;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(c, 10000);
        assert_non_null(m);
        ended = m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (!m->err)
            see(s, m->payload, m->len);
        rd_kafka_message_destroy(m);
    }
    rd_kafka_consumer_close(c);
    rd_kafka_destroy(c);
}

static void kafka_gets_each_row(void **state)
{
    struct kafka k;
    struct run r;
    struct seen s;
    (void)state;
    kafka_start(&k);
    run_start(&r, k.to, "{}");
    wait_until_acknowledged(&r, total_rows());
    run_stop(&r);
    see_topic(&k, &s);
    assert_all_seen(&s, true);
    kafka_stop(&k);
}

static void a_killed_kafka_sink_loses_nothing(void **state)
{
    static const char *const points[] = {"sink.before_flush:kill:3", "sink.after_flush:kill:3",
                                         "sink.before_checkpoint:kill:3",
                                         "sink.after_checkpoint:kill:3"};
    struct kafka k;
    struct run r;
    struct seen s;
    (void)state;
    kafka_start(&k);
    for (size_t i = 0; i < 4; i++)
        assert_true(run_and_be_killed(k.to, points[i]));
    run_start(&r, k.to, "{}");
    wait_until_the_end(&r);
    run_stop(&r);
    see_topic(&k, &s);
    assert_all_seen(&s, false);
    kafka_stop(&k);
}

static void a_broker_that_is_down_is_a_pause(void **state)
{
    struct kafka k;
    struct run r;
    struct seen s;
    (void)state;
    kafka_start(&k);
    rd_kafka_mock_broker_set_down(k.cluster, 1);
    run_start(&r, k.to, "{}");
    wait_until_it_says(&r, "\"waiting\"");
    assert_int_equal(acknowledged(&r), 0);
    rd_kafka_mock_broker_set_up(k.cluster, 1);
    wait_until_acknowledged(&r, total_rows());
    run_stop(&r);
    see_topic(&k, &s);
    assert_all_seen(&s, false);
    kafka_stop(&k);
}

static void produce_errors_that_pass_lose_nothing(void **state)
{
    struct kafka k;
    struct run r;
    struct seen s;
    (void)state;
    kafka_start(&k);
    rd_kafka_mock_push_request_errors(
        k.cluster, 0 /* Produce */, 5, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR);
    run_start(&r, k.to, "{}");
    wait_until_acknowledged(&r, total_rows());
    run_stop(&r);
    see_topic(&k, &s);
    assert_all_seen(&s, false);
    kafka_stop(&k);
}

static void a_refused_delivery_begins_anew_from_the_acknowledged_position(void **state)
{
    struct kafka k;
    struct run r;
    struct seen s;
    (void)state;
    kafka_start(&k);
    rd_kafka_mock_push_request_errors(k.cluster, 0, 1,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    run_start(&r, k.to, "{}");
    wait_until_the_end(&r);
    run_stop(&r);
    see_topic(&k, &s);
    assert_all_seen(&s, false);
    kafka_stop(&k);
}

/* ---- rows that a format cannot hold ---- */

/* Two rows of a table whose text is utf8mb4; the first one's is no text. */
static void put_rows_of_text(struct log *l)
{
    static const uint8_t metadata[] = {1, 1, 0,  /* signedness */
                                       2, 1, 45, /* utf8mb4_general_ci */
                                       4, 7, 2,  'i', 'd', 3, 'p', 'a', 'd', 8, 1, 0};
    struct buf map = BUF_INIT, rows = BUF_INIT, xid = BUF_INIT;
    put_gtid(l, 1);
    buf_put(&map, "\20\0\0\0\0\0\1\0", 8);
    buf_put(&map, "\4shop\0\5notes\0\2\10\374\1\2\2", 19);
    buf_put(&map, metadata, sizeof metadata);
    put_event(l, 19, &map, 1, false);
    buf_put(&rows, "\20\0\0\0\0\0\1\0\2\3", 10);
    for (uint64_t id = 1; id <= 2; id++) {
        buf_put_u8(&rows, 0xfc);
        buf_put_le(&rows, id, 8);
        buf_put(&rows, id == 1 ? "\1\0\377" : "\1\0a", 3);
    }
    put_event(l, 23, &rows, 1, false);
    buf_put_le(&xid, 1, 8);
    put_event(l, 16, &xid, 1, false);
    buf_fini(&map);
    buf_fini(&rows);
    buf_fini(&xid);
}

static uint64_t dead_letters(char *first, size_t len);

static void a_row_that_the_format_cannot_hold_is_a_dead_letter(void **state)
{
    static char debezium[] = "debezium-json";
    struct log whole = the_log;
    struct run r;
    struct buf text = BUF_INIT;
    struct err e = ERR_INIT;
    char first[400];
    CLEANUP(mem_free_ptr) char *to = file_to();
    (void)state;
    the_log = (struct log){0};
    put_format(&the_log);
    put_rows_of_text(&the_log);
    format_name = debezium;
    run_start(&r, to, "{}");
    wait_until_it_says(&r, "shop.notes → pad → the text is not valid in its character set");
    assert_true(says(&r, "after FilePos/binlog.000001:4")); /* and nothing is passed over */
    assert_int_equal(acknowledged(&r), 0);
    run_stop(&r);
    run_start(&r, to, "{\"on_record_error\":\"dead_letter\"}");
    wait_until_the_end(&r);
    assert_true(says(&r, "\"dead_letters\":1"));
    run_stop(&r);
    assert_int_equal(dead_letters(first, sizeof first), 1);
    assert_non_null(strstr(first, "\"pad\":{\"hex\":\"ff\"}"));
    assert_true(sys_read_file(file_path, 1 << 20, &text, &e));
    assert_non_null(strstr(buf_str(&text), "\"after\":{\"id\":2,\"pad\":\"a\"}"));
    assert_null(strstr(buf_str(&text), "\"id\":1,"));
    buf_fini(&text);
    log_fini(&the_log);
    the_log = whole;
    format_name = format;
}

/* ---- refused batches and records ---- */

static uint64_t dead_letters(char *first, size_t len)
{
    char path[140];
    sqlite3 *db;
    sqlite3_stmt *st;
    snprintf(path, sizeof path, "%s/state.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT count(*), min(record) FROM dead_letter", -1, &st, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    uint64_t n = (uint64_t)sqlite3_column_int64(st, 0);
    const unsigned char *record = sqlite3_column_text(st, 1);
    snprintf(first, len, "%s", record ? (const char *)record : "");
    sqlite3_finalize(st);
    sqlite3_close(db);
    return n;
}

/* The brokers know where the sink begins: what it sends next are records. */
static void begin_in_kafka(const struct kafka *k)
{
    assert_true(run_and_be_killed(k->to, "sink.before_flush:kill:1"));
}

/* A topic whose max.message.bytes is below the producer's batch: no record of it is at fault. */
static void a_refused_batch_comes_again_record_by_record(void **state)
{
    struct kafka k;
    struct run r;
    struct seen s;
    char first[100];
    (void)state;
    kafka_start(&k);
    begin_in_kafka(&k);
    rd_kafka_mock_push_request_errors(k.cluster, 0, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    run_start(&r, k.to, "{\"on_record_error\":\"dead_letter\"}");
    wait_until_the_end(&r);
    run_stop(&r);
    see_topic(&k, &s);
    assert_all_seen(&s, false);
    assert_int_equal(dead_letters(first, sizeof first), 0);
    kafka_stop(&k);
}

/* The broker refuses a batch, then, alone, the first row; every other row arrives. */
static void the_refused_record_is_the_dead_letter(void **state)
{
    struct kafka k;
    struct run r;
    struct seen s;
    char first[1000];
    (void)state;
    kafka_start(&k);
    begin_in_kafka(&k);
    rd_kafka_mock_push_request_errors(k.cluster, 0, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    run_start(&r, k.to, "{\"on_record_error\":\"dead_letter\"}");
    wait_until_it_says(&r, "SINK_BATCH"); /* the next instance sends record by record */
    rd_kafka_mock_push_request_errors(k.cluster, 0, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    wait_until_the_end(&r);
    run_stop(&r);
    assert_int_equal(dead_letters(first, sizeof first), 1);
    see_topic(&k, &s);
    json_t *dead = json_loads(first, JSON_DISABLE_EOF_CHECK, NULL);
    uint64_t id =
        (uint64_t)json_integer_value(json_object_get(json_object_get(dead, "after"), "id"));
    assert_int_equal(s.times[number_of(id)], 0);
    s.times[number_of(id)] = 1;
    s.order_broken = false; /* the one that is missing is no gap */
    assert_all_seen(&s, false);
    json_decref(dead);
    kafka_stop(&k);
}

/* Else a sink whose state was lost would begin at its definition's `from`, and lose what is
 * between.
 */
static void positions_that_cannot_be_described_are_not_absent(void **state)
{
    struct kafka k;
    struct run r;
    struct seen s;
    (void)state;
    kafka_start(&k);
    rd_kafka_mock_topic_set_error(k.cluster, "shop.positions",
                                  RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    run_start(&r, k.to, "{}");
    wait_until_it_says(&r, "cannot be described");
    assert_int_equal(acknowledged(&r), 0);
    rd_kafka_mock_topic_set_error(k.cluster, "shop.positions", RD_KAFKA_RESP_ERR_NO_ERROR);
    wait_until_the_end(&r);
    run_stop(&r);
    see_topic(&k, &s);
    assert_all_seen(&s, true);
    kafka_stop(&k);
}

static void a_dead_broker_does_not_hold_a_stop(void **state)
{
    struct kafka k;
    struct run r;
    (void)state;
    kafka_start(&k);
    run_start(&r, k.to, SMALL_FLUSHES);
    rd_kafka_mock_broker_set_down(k.cluster, 1);
    wait_until_it_says(&r, "\"waiting\"");
    int64_t began_ms = clock_mono_ms();
    run_stop(&r);
    assert_true(clock_mono_ms() - began_ms < 4000);
    kafka_stop(&k);
}

/* A table named like it, with a template without the database: its keys could be positions. */
static void rows_do_not_go_to_the_topic_of_positions(void **state)
{
    struct kafka k;
    struct err e = ERR_INIT;
    const struct sink_record r = {.topic = "shop.positions", .key = "{}", .key_len = 2};
    (void)state;
    kafka_start(&k);
    const struct sink_ops *ops = sink_find("kafka");
    struct sink *s = ops->open(k.to + strlen("kafka://"), "{\"prefix\":\"shop\"}", NULL, &e);
    assert_non_null(s);
    assert_false(ops->write(s, &r, &e));
    assert_int_equal(e.code, ERR_SINK_CONFIG);
    ops->close(s);
    kafka_stop(&k);
}

static void why_no_broker_answers_is_said(void **state)
{
    struct kafka k;
    struct run r;
    (void)state;
    kafka_start(&k);
    run_start(&r, k.to, "{\"kafka\":{\"security.protocol\":\"ssl\"}}");
    wait_until_it_says(&r, "check security.protocol");
    run_stop(&r);
    kafka_stop(&k);
}

/* A sink that takes messages of 1,000 bytes only, and rows of which each is larger. */
#define TINY_MESSAGES "\"kafka\":{\"message.max.bytes\":\"1000\",\"batch.size\":\"500\"}"

static void a_record_that_is_too_large_stops_the_sink_and_is_named(void **state)
{
    struct kafka k;
    struct run r;
    (void)state;
    kafka_start(&k);
    run_start(&r, k.to, "{" TINY_MESSAGES "}");
    wait_until_it_says(&r, "\"error\"");
    assert_true(says(&r, "SINK_RECORD"));
    assert_true(says(&r, "shop.shop.orders"));
    assert_true(says(&r, "1000000")); /* the first row's key */
    assert_int_equal(acknowledged(&r), 0);
    run_stop(&r);
    kafka_stop(&k);
}

static void refused_records_may_be_kept_as_dead_letters(void **state)
{
    struct kafka k;
    struct run r;
    (void)state;
    kafka_start(&k);
    run_start(&r, k.to, "{\"on_record_error\":\"dead_letter\"," TINY_MESSAGES "}");
    wait_until_the_end(&r);
    run_stop(&r);
    kafka_stop(&k);
}

/* ---- a lost state directory, of a sink that no file defines ---- */

struct recalled {
    char name[40], definition[100], position[200];
};

static bool note_memory(void *ctx, const struct sink_memory *m, struct err *e)
{
    struct recalled *r = ctx;
    (void)e;
    snprintf(r->name, sizeof r->name, "%s", m->name);
    if (m->definition)
        snprintf(r->definition, sizeof r->definition, "%s", m->definition);
    else
        snprintf(r->position, sizeof r->position, "%s", m->position);
    return true;
}

static struct recalled recall(const char *scheme, const char *target)
{
    struct recalled r = {.name = ""};
    struct err e = ERR_INIT;
    if (!sink_find(scheme)->recall(target, "{\"prefix\":\"shop\"}", note_memory, &r, &e))
        fail_msg("%s", e.text);
    return r;
}

static void run_defined(struct run *r, const char *to)
{
    run_start_as(r, to, "{}", (char[]){"{\"to\":\"here\"}"});
    wait_until_the_end(r);
    run_stop(r);
}

/* The sink is deleted while its driver is gone, as one that is paused is. */
static void run_forget(struct run *r)
{
    struct err e = ERR_INIT;
    sink_driver_stop(r->driver);
    if (!sink_forget(&r->spec, r->store, &e))
        fail_msg("%s", e.text);
    r->driver = NULL;
    run_stop(r);
}

static void assert_recalled(const struct recalled *found)
{
    assert_string_equal(found->name, "orders");
    assert_string_equal(found->definition, "{\"to\":\"here\"}");
    assert_non_null(strstr(found->position, "binlog.000001"));
}

static void a_file_tells_of_its_sink(void **state)
{
    struct run r;
    CLEANUP(mem_free_ptr) char *to = file_to();
    (void)state;
    run_defined(&r, to);
    struct recalled found = recall("file", file_path);
    assert_recalled(&found);
    assert_int_equal(unlink(file_path), 0); /* a rotation: the new file tells of it too */
    char command[200];
    snprintf(command, sizeof command, "rm -f %s/state.db*", dir);
    assert_int_equal(system(command), 0);
    run_defined(&r, to);
    found = recall("file", file_path);
    assert_recalled(&found);
    run_start_as(&r, to, "{}", (char[]){"{\"to\":\"here\"}"});
    wait_until_it_says(&r, "\"running\"");
    run_forget(&r);
    found = recall("file", file_path);
    assert_string_equal(found.name, "");
}

static void kafka_tells_of_its_sink(void **state)
{
    struct kafka k;
    struct run r;
    (void)state;
    kafka_start(&k);
    run_defined(&r, k.to);
    struct recalled found = recall("kafka", k.to + strlen("kafka://"));
    assert_recalled(&found);
    run_start_as(&r, k.to, "{}", (char[]){"{\"to\":\"here\"}"});
    wait_until_it_says(&r, "\"running\"");
    run_forget(&r);
    found = recall("kafka", k.to + strlen("kafka://"));
    assert_string_equal(found.name, "");
    kafka_stop(&k);
}

static void a_file_that_is_gone_is_not_made_to_forget(void **state)
{
    struct run r;
    CLEANUP(mem_free_ptr) char *to = file_to();
    (void)state;
    run_start_as(&r, to, "{}", (char[]){"{\"to\":\"here\"}"});
    wait_until_the_end(&r);
    assert_int_equal(unlink(file_path), 0);
    run_forget(&r);
    assert_int_not_equal(access(file_path, F_OK), 0);
}

static void a_dead_broker_that_cannot_forget_is_named_soon(void **state)
{
    struct run r;
    struct err e = ERR_INIT;
    (void)state;
    needs_kafka();
    run_start_as(&r, "kafka://127.0.0.1:1", "{}", (char[]){"{\"to\":\"here\"}"});
    sink_driver_stop(r.driver);
    r.driver = NULL;
    int64_t began_ms = clock_mono_ms();
    assert_false(sink_forget(&r.spec, r.store, &e));
    assert_int_equal(e.code, ERR_SINK_UNREACHABLE);
    assert_in_range(clock_mono_ms() - began_ms, 0, 8000);
    run_stop(&r);
}

/* ---- across a reshard ---- */

#define SPLIT_AFTER 40
#define CHILD_AFTER 60
static const char split_journal[] =
    "{\"id\":5,\"migration_type\":\"SHARDS\",\"tables\":[],\"local_position\":\"MariaDB/"
    "0-1-40\",\"shard_gtids\":["
    "{\"keyspace\":\"commerce\",\"shard\":\"-80\",\"gtid\":\"MariaDB/0-1-60\"},"
    "{\"keyspace\":\"commerce\",\"shard\":\"80-\",\"gtid\":\"MariaDB/0-1-60\"}],"
    "\"participants\":[{\"keyspace\":\"commerce\",\"shard\":\"-\"}],\"source_workflows\":["
    "\"commerce/split\"]}";

struct reshard {
    struct run run;
    struct log parent_log;
    struct server servers[3];
    struct cdc_reader *readers[3];
    struct topo_shard shards[3];
    struct topo_keyspace keyspace;
    struct topology topo;
};
static char split_names[3][4] = {"-", "-80", "80-"};

static struct cdc_reader *find_split_reader(void *ctx, const char *ks, const char *name)
{
    struct reshard *r = ctx;
    (void)ks;
    for (int i = 0; i < 3; i++) {
        if (strcmp(r->shards[i].name, name) == 0)
            return r->readers[i];
    }
    return NULL;
}

static void make_parent_log(struct log *l)
{
    log_begin(l);
    for (unsigned t = 1; t <= SPLIT_AFTER; t++)
        put_transaction(l, t);
    put_journal(l, SPLIT_AFTER + 1, split_journal);
    for (unsigned t = SPLIT_AFTER + 2; t <= TRANSACTIONS; t++)
        put_transaction(l, t); /* after the switch: not the stream's any more */
}

static void reshard_open(struct reshard *r)
{
    struct err e = ERR_INIT;
    *r = (struct reshard){0};
    make_parent_log(&r->parent_log);
    r->keyspace = (struct topo_keyspace){.name = keyspace_name, .shards = r->shards, .n_shards = 3};
    r->topo = (struct topology){
        .installation = installation, .keyspaces = &r->keyspace, .n_keyspaces = 1};
    for (int i = 0; i < 3; i++) {
        struct cdc_reader_options o = {.open = server_open, .open_ctx = &r->servers[i]};
        r->servers[i].log = i ? &the_log : &r->parent_log;
        r->servers[i].block_at_end = true;
        pthread_mutex_init(&r->servers[i].lock, NULL);
        r->shards[i] = (struct topo_shard){.keyspace = keyspace_name, .name = split_names[i]};
        r->shards[i].primary.database = database;
        assert_true(keyrange_parse(split_names[i], &r->shards[i].range, &e));
        r->readers[i] = cdc_reader_new(NULL, &r->shards[i], &o);
    }
    r->run.store = store_open(dir, &e);
    assert_non_null(r->run.store);
}

static void reshard_start(struct reshard *r, const char *const *serving, size_t n)
{
    CLEANUP(mem_free_ptr) char *to = file_to();
    struct err e = ERR_INIT;
    struct sink_spec spec = {
        .name = sink_name,
        .keyspace = keyspace_name,
        .to = to,
        .format = format,
        .prefix = database,
        .options_json = (char[]){SMALL_FLUSHES},
        .from = (char[]){
            "[{\"keyspace\":\"commerce\",\"shard\":\"-\",\"gtid\":\"FilePos/binlog.000001:4\"}]"}};
    r->run.driver =
        sink_driver_start(&spec, &r->topo, serving, n, r->run.store, find_split_reader, r, &e);
    if (!r->run.driver)
        fail_msg("%s", e.text);
}

static void reshard_close(struct reshard *r)
{
    store_close(r->run.store);
    for (int i = 0; i < 3; i++)
        cdc_reader_free(r->readers[i]);
    log_fini(&r->parent_log);
}

/* Rows of a shard's transactions first … last in the file; each must be there once, and no other.
 */
static void assert_shard_rows(const char *name, unsigned first, unsigned last)
{
    struct err e = ERR_INIT;
    struct buf text = BUF_INIT;
    uint64_t n = 0, want = 0;
    char mark[30];
    snprintf(mark, sizeof mark, "\"shard\":\"%s\",\"db\"", name);
    assert_true(sys_read_file(file_path, 1 << 30, &text, &e));
    for (const char *p = buf_str(&text); (p = strstr(p, mark)) != NULL; p++) {
        const char *id = strstr(p, "\"after\":{\"id\":");
        assert_non_null(id);
        unsigned t = (unsigned)(strtoull(id + 14, NULL, 10) / ID_STEP);
        assert_true(t >= first && t <= last);
        n++;
    }
    for (unsigned t = first; t <= last; t++)
        want += rows_of(t);
    assert_int_equal(n, want);
    buf_fini(&text);
}

static void assert_split_published(void)
{
    assert_shard_rows("-", 1, SPLIT_AFTER);
    assert_shard_rows("-80", CHILD_AFTER + 1, TRANSACTIONS);
    assert_shard_rows("80-", CHILD_AFTER + 1, TRANSACTIONS);
}

static bool both_at_the_end(struct reshard *r)
{
    struct buf text = BUF_INIT;
    char place[60];
    snprintf(place, sizeof place, "0-1-%u@", TRANSACTIONS);
    put_status(r->run.driver, &text);
    const char *one = strstr(buf_str(&text), place);
    bool both = one && strstr(one + 1, place);
    buf_fini(&text);
    return both;
}

static void wait_for_both(struct reshard *r)
{
    int64_t until_ms = clock_mono_ms() + 30000;
    while (!both_at_the_end(r) && clock_mono_ms() < until_ms)
        clock_sleep_ms(10, NULL);
    assert_true(both_at_the_end(r));
}

static void children_begin_where_the_journal_of_the_split_says(void **state)
{
    static const char *const before[] = {"-"}, *const after[] = {"-80", "80-"};
    struct reshard r;
    (void)state;
    reshard_open(&r);
    reshard_start(&r, before, 1);
    wait_for_both(&r);
    sink_driver_stop(r.run.driver);
    assert_split_published();
    reshard_start(&r, after, 2); /* the parent has ended: it does not begin again */
    wait_for_both(&r);
    assert_false(says(&r.run, "\"shard\":\"-\""));
    sink_driver_stop(r.run.driver);
    assert_split_published();
    reshard_close(&r);
}

/* The split happened while the sink was not running: the parent's stream is read to its end first.
 */
static void a_split_that_was_missed_is_caught_up_with(void **state)
{
    static const char *const after[] = {"-80", "80-"};
    struct reshard r;
    struct position at = POSITION_INIT;
    struct err e = ERR_INIT;
    (void)state;
    reshard_open(&r);
    assert_true(position_parse("FilePos/binlog.000001:4", &at, &e));
    assert_true(store_checkpoint_put(r.run.store, "orders", "commerce", "-", &at, "", &e));
    reshard_start(&r, after, 2);
    wait_for_both(&r);
    sink_driver_stop(r.run.driver);
    assert_split_published();
    reshard_close(&r);
    position_fini(&at);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, new_dir, remove_dir)
    const struct CMUnitTest tests[] = {
        CASE(a_file_holds_each_row_once_in_order),
        CASE(a_killed_file_sink_loses_nothing),
        CASE(what_was_never_acknowledged_is_cut_off),
        CASE(a_lost_state_database_costs_nothing),
        CASE(it_begins_where_it_was_first_started),
        CASE(a_destination_knows_better_than_the_first_start),
        CASE(a_start_outlives_the_state_directory),
        CASE(kafka_gets_each_row),
        CASE(a_killed_kafka_sink_loses_nothing),
        CASE(a_broker_that_is_down_is_a_pause),
        CASE(produce_errors_that_pass_lose_nothing),
        CASE(a_refused_delivery_begins_anew_from_the_acknowledged_position),
        CASE(a_record_that_is_too_large_stops_the_sink_and_is_named),
        CASE(a_row_that_the_format_cannot_hold_is_a_dead_letter),
        CASE(refused_records_may_be_kept_as_dead_letters),
        CASE(a_refused_batch_comes_again_record_by_record),
        CASE(the_refused_record_is_the_dead_letter),
        CASE(positions_that_cannot_be_described_are_not_absent),
        CASE(a_dead_broker_does_not_hold_a_stop),
        CASE(rows_do_not_go_to_the_topic_of_positions),
        CASE(why_no_broker_answers_is_said),
        CASE(a_file_tells_of_its_sink),
        CASE(a_file_that_is_gone_is_not_made_to_forget),
        CASE(a_dead_broker_that_cannot_forget_is_named_soon),
        CASE(kafka_tells_of_its_sink),
        CASE(children_begin_where_the_journal_of_the_split_says),
        CASE(a_split_that_was_missed_is_caught_up_with),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
