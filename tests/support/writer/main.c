/* tests/support/writer/main.c — the test application's options, threads, pace and end. */
/*
 * usage: sluice_test_writer --default HOST:PORT/DATABASE --log FILE [--routing FILE] …
 * Writes until SIGTERM, SIGINT or --duration; then finishes what it has begun, writes the summary
 * and exits 0; 1 when a row was not what it must be, or when it could not start.
 */
#include "tests/support/writer/writer.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t writer_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

uint64_t writer_wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

uint64_t writer_random(struct writer_thread *thread, uint64_t below)
{
    /* splitmix64 */
    uint64_t z = thread->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return below ? z % below : 0;
}

void writer_email(char *out, size_t room, uint64_t email)
{
    snprintf(out, room, "user%07llu@example.org", (unsigned long long)email);
}

void writer_sku(char *out, size_t room, uint32_t sku)
{
    static const char *const families[] = {"Tee", "Ägg", "BIKE", "本"};
    snprintf(out, room, "%s-%06u", families[sku % 4], sku);
}

/* --- options ------------------------------------------------------------------------------------
 */

static const struct option long_options[] = {
    {"default", required_argument, NULL, 'd'},
    {"user", required_argument, NULL, 'u'},
    {"password", required_argument, NULL, 'p'},
    {"routing", required_argument, NULL, 'r'},
    {"keyspace", required_argument, NULL, 'k'},
    {"log", required_argument, NULL, 'l'},
    {"summary", required_argument, NULL, 's'},
    {"threads", required_argument, NULL, 't'},
    {"rate", required_argument, NULL, 'R'},
    {"duration", required_argument, NULL, 'D'},
    {"seed", required_argument, NULL, 'S'},
    {"stop-within", required_argument, NULL, 'w'},
    {NULL, 0, NULL, 0},
};

static bool set_option(struct writer_options *options, int letter)
{
    switch (letter) {
    case 'd':
        options->fallback = optarg;
        return true;
    case 'u':
        options->user = optarg;
        return true;
    case 'p':
        options->password = optarg;
        return true;
    case 'r':
        options->routing_path = optarg;
        return true;
    case 'k':
        options->keyspace = optarg;
        return true;
    case 'l':
        options->log_path = optarg;
        return true;
    case 's':
        options->summary_path = optarg;
        return true;
    case 't':
        options->threads = (unsigned)strtoul(optarg, NULL, 10);
        return true;
    case 'R':
        options->rate = strtod(optarg, NULL);
        return true;
    case 'D':
        options->duration_s = (unsigned)strtoul(optarg, NULL, 10);
        return true;
    case 'S':
        options->seed = strtoull(optarg, NULL, 10);
        return true;
    case 'w':
        options->stop_within_s = (unsigned)strtoul(optarg, NULL, 10);
        return true;
    default:
        return false;
    }
}

static bool parse_options(struct writer_options *options, int argc, char **argv)
{
    *options = (struct writer_options){
        .user = "app",
        .password = "app-tests-only",
        .keyspace = "commerce",
        .threads = 2,
        .rate = 200,
        .seed = 1,
        .stop_within_s = 60,
    };
    for (int letter; (letter = getopt_long(argc, argv, "", long_options, NULL)) != -1;)
        if (!set_option(options, letter))
            return false;
    return options->fallback != NULL && options->log_path != NULL && options->threads > 0 &&
           options->rate > 0;
}

/* --- what exists already -------------------------------------------------------------------------
 */

static uint64_t ask_number(MYSQL *mysql, const char *sql)
{
    MYSQL_RES *result = NULL;
    if (mysql_query(mysql, sql) == 0)
        result = mysql_store_result(mysql);
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    uint64_t number = row && row[0] ? strtoull(row[0], NULL, 10) : 0;
    mysql_free_result(result);
    return number;
}

static void at_least(_Atomic uint64_t *counter, uint64_t value)
{
    if (atomic_load(counter) < value)
        atomic_store(counter, value);
}

static void read_counters(struct writer_shared *shared, MYSQL *mysql, bool products)
{
    at_least(&shared->next_customer,
             ask_number(mysql, "SELECT MAX(customer_id) FROM customers") / shared->options.threads +
                 1);
    at_least(&shared->next_order, ask_number(mysql, "SELECT MAX(order_id) FROM orders") + 1);
    at_least(&shared->next_email,
             ask_number(mysql, "SELECT MAX(SUBSTRING_INDEX(SUBSTRING(email, 5), '@', 1) + 0)"
                               " FROM customers") +
                 1);
    at_least(&shared->next_txid,
             ask_number(mysql, "SELECT GREATEST((SELECT COALESCE(MAX(version),0) FROM customers),"
                               " (SELECT COALESCE(MAX(version),0) FROM orders),"
                               " (SELECT COALESCE(MAX(version),0) FROM order_items))") +
                 1);
    if (products)
        shared->products = (unsigned)ask_number(mysql, "SELECT COUNT(*) FROM products");
}

static MYSQL *open_shard(const struct writer_options *options, const struct route_shard *shard)
{
    MYSQL *mysql = mysql_init(NULL);
    mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (mysql_real_connect(mysql, shard->host, options->user, options->password, shard->database,
                           shard->port, NULL, 0) != NULL)
        return mysql;
    fprintf(stderr, "writer: %s:%u/%s: %s\n", shard->host, shard->port, shard->database,
            mysql_error(mysql));
    mysql_close(mysql);
    return NULL;
}

static bool load_shard(struct writer_shared *shared, struct writer_thread *threads,
                       const struct route_doc *doc, const struct route_shard *shard)
{
    bool customers = strcmp(shard->keyspace, doc->keyspace_of[TABLE_CUSTOMERS]) == 0;
    bool products = strcmp(shard->keyspace, doc->keyspace_of[TABLE_PRODUCTS]) == 0;
    if (!shard->serving || (!customers && !products))
        return true;
    MYSQL *mysql = open_shard(&shared->options, shard);
    if (mysql == NULL)
        return false;
    bool loaded = true;
    if (products)
        shared->products = (unsigned)ask_number(mysql, "SELECT COUNT(*) FROM products");
    if (customers) {
        read_counters(shared, mysql, false);
        for (unsigned i = 0; i < shared->options.threads && loaded; i++)
            loaded = world_load(&threads[i].world, mysql, i, shared->options.threads);
    }
    mysql_close(mysql);
    return loaded;
}

static bool load_worlds(struct writer_shared *shared, struct writer_thread *threads)
{
    struct route_doc doc;
    struct route_stamp stamp = {0};
    route_init(&doc, &shared->options);
    route_refresh(&doc, &stamp, &shared->options);
    for (unsigned i = 0; i < doc.shard_count; i++)
        if (!load_shard(shared, threads, &doc, &doc.shard[i]))
            return false;
    for (unsigned i = 0; i < shared->options.threads; i++) {
        threads[i].route = doc;
        threads[i].stamp = stamp;
    }
    return shared->products > 0;
}

/* --- threads -------------------------------------------------------------------------------------
 */

static void wait_for(uint64_t due_us)
{
    struct timespec due = {
        .tv_sec = (time_t)(due_us / 1000000u),
        .tv_nsec = (long)(due_us % 1000000u) * 1000,
    };
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
        continue;
}

static void *thread_main(void *argument)
{
    struct writer_thread *thread = argument;
    struct writer_shared *shared = thread->shared;
    double step_us = 1e6 * shared->options.threads / shared->options.rate;
    double due_us = (double)writer_now_us() + step_us * thread->number / shared->options.threads;
    struct writer_txn *txn = calloc(1, sizeof(*txn));
    mysql_thread_init();
    while (txn != NULL && !atomic_load(&shared->stop)) {
        wait_for((uint64_t)due_us);
        plan_transaction(thread, txn);
        if (txn->op_count > 0 && !run_transaction(thread, txn))
            break;
        /* What a switch held up is made up for, but no more than half a second of it. */
        double now_us = (double)writer_now_us();
        due_us = due_us + step_us < now_us - 500000 ? now_us : due_us + step_us;
    }
    run_close_connections(thread);
    free(txn);
    mysql_thread_end();
    return NULL;
}

static void wait_for_end(struct writer_shared *shared, const sigset_t *signals)
{
    uint64_t end_us = shared->options.duration_s
                          ? writer_now_us() + shared->options.duration_s * 1000000ull
                          : UINT64_MAX;
    const struct timespec tick = {.tv_sec = 0, .tv_nsec = 50000000};
    while (!atomic_load(&shared->stop) && writer_now_us() < end_us)
        if (sigtimedwait(signals, NULL, &tick) > 0)
            break;
    atomic_store(&shared->stop_deadline_us,
                 writer_now_us() + shared->options.stop_within_s * 1000000ull);
    atomic_store(&shared->stop, true);
}

static bool run_threads(struct writer_shared *shared, struct writer_thread *threads)
{
    pthread_t ids[64];
    sigset_t signals;
    unsigned count = shared->options.threads > 64 ? 64 : shared->options.threads;
    uint64_t begun_us = writer_now_us();
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    for (unsigned i = 0; i < count; i++)
        if (pthread_create(&ids[i], NULL, thread_main, &threads[i]) != 0)
            return false;
    wait_for_end(shared, &signals);
    for (unsigned i = 0; i < count; i++)
        pthread_join(ids[i], NULL);
    return log_summary(shared, threads, (double)(writer_now_us() - begun_us) / 1e6);
}

static void init_threads(struct writer_shared *shared, struct writer_thread *threads)
{
    for (unsigned i = 0; i < shared->options.threads; i++) {
        threads[i].shared = shared;
        threads[i].number = i;
        threads[i].random = shared->options.seed * 1000003u + i;
        route_init(&threads[i].route, &shared->options);
    }
}

int main(int argc, char **argv)
{
    static struct writer_shared shared;
    if (!parse_options(&shared.options, argc, argv)) {
        fprintf(stderr,
                "usage: %s --default HOST:PORT/DB --log FILE [--routing FILE] [--keyspace K]"
                " [--threads N] [--rate TPS] [--duration S] [--summary FILE] [--seed N]"
                " [--stop-within S] [--user U] [--password P]\n",
                argv[0]);
        return 2;
    }
    struct writer_thread *threads = calloc(shared.options.threads, sizeof(*threads));
    shared.log = fopen(shared.options.log_path, "a");
    if (threads == NULL || shared.log == NULL || mysql_library_init(0, NULL, NULL) != 0) {
        fprintf(stderr, "writer: cannot start: %s\n", strerror(errno));
        return 1;
    }
    pthread_mutex_init(&shared.log_lock, NULL);
    init_threads(&shared, threads);
    bool good = load_worlds(&shared, threads) && run_threads(&shared, threads);
    for (unsigned i = 0; i < shared.options.threads; i++) {
        world_free(&threads[i].world);
        free(threads[i].took_us);
    }
    free(threads);
    fclose(shared.log);
    mysql_library_end();
    return good && atomic_load(&shared.anomalies) == 0 ? 0 : 1;
}
