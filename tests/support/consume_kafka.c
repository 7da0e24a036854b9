/* tests/support/consume_kafka.c — prints every record of the topics that match a pattern, with its
 * arrival. */
/*
 * usage: sluice_test_consumer BOOTSTRAP '^topic-pattern'
 * One line a record: microseconds since 1970, TAB, value. Tombstones are left out. Says `assigned`
 * on stderr once, ends on SIGTERM, and shares nothing with the engine but librdkafka.
 */
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { POLL_MS = 100 };

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static void on_rebalance(rd_kafka_t *handle, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *partitions, void *opaque)
{
    (void)opaque;
    bool assign = code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    rd_kafka_assign(handle, assign ? partitions : NULL);
    fprintf(stderr, "%s %d partitions\n", assign ? "assigned" : "revoked", partitions->cnt);
}

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[256];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof(text)) == RD_KAFKA_CONF_OK)
        return true;
    fprintf(stderr, "consumer: %s\n", text);
    return false;
}

static rd_kafka_t *open_consumer(const char *bootstrap, const char *pattern)
{
    char text[512], group[64];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    snprintf(group, sizeof(group), "sluice-test-%ld", (long)getpid());
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    if (!set(conf, "bootstrap.servers", bootstrap) || !set(conf, "group.id", group) ||
        !set(conf, "auto.offset.reset", "earliest") ||
        !set(conf, "topic.metadata.refresh.interval.ms", "200") ||
        !set(conf, "isolation.level", "read_committed") || !set(conf, "fetch.wait.max.ms", "10"))
        return NULL;
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof(text));
    if (handle == NULL) {
        fprintf(stderr, "consumer: %s\n", text);
        return NULL;
    }
    rd_kafka_poll_set_consumer(handle);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, pattern, RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(handle, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return handle;
}

static void print_record(const rd_kafka_message_t *message)
{
    struct timespec now;
    if (message->payload == NULL)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    printf("%lld\t", (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    fwrite(message->payload, 1, message->len, stdout);
    putchar('\n');
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};
    if (argc != 3) {
        fprintf(stderr, "usage: %s BOOTSTRAP '^PATTERN'\n", argv[0]);
        return 2;
    }
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    rd_kafka_t *handle = open_consumer(argv[1], argv[2]);
    if (handle == NULL)
        return 1;
    while (!stopped) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(handle, POLL_MS);
        if (message == NULL) {
            fflush(stdout);
            continue;
        }
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            print_record(message);
        rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(handle);
    rd_kafka_destroy(handle);
    return fflush(stdout) == 0 ? 0 : 1;
}
