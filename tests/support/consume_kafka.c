/* tests/support/consume_kafka.c — prints every record of the topics with a prefix, with its
 * arrival. */
/*
 * usage: sluice_test_consumer BOOTSTRAP TOPIC-PREFIX
 * One line a record: microseconds since 1970, TAB, value. Tombstones are left out. Errors go to
 * stderr. Ends on SIGTERM, and shares nothing with the engine but librdkafka.
 *
 * auto.offset.reset is earliest: a broker that has just started may answer a question for a new
 * topic's first offset with "unknown topic", and librdkafka then goes on by that property, whose
 * default leaves out what is in the topic by then. Records may thus be printed twice, never
 * skipped.
 */
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { POLL_MS = 100, LOOK_MS = 200, ANSWER_MS = 2000 };

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[256];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof(text)) == RD_KAFKA_CONF_OK)
        return true;
    fprintf(stderr, "consumer: %s\n", text);
    return false;
}

static rd_kafka_t *open_consumer(const char *bootstrap)
{
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (!set(conf, "bootstrap.servers", bootstrap) || !set(conf, "group.id", "sluice-test") ||
        !set(conf, "enable.auto.commit", "false") || !set(conf, "fetch.wait.max.ms", "10") ||
        !set(conf, "auto.offset.reset", "earliest") ||
        !set(conf, "isolation.level", "read_committed"))
        return NULL;
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof(text));
    if (handle == NULL)
        fprintf(stderr, "consumer: %s\n", text);
    else
        rd_kafka_poll_set_consumer(handle);
    return handle;
}

/* Starts reading what `topic` has that is not read yet. */
static void take_up(rd_kafka_t *handle, const rd_kafka_metadata_topic_t *topic,
                    const rd_kafka_topic_partition_list_t *assigned)
{
    rd_kafka_topic_partition_list_t *fresh = rd_kafka_topic_partition_list_new(4);
    for (int i = 0; i < topic->partition_cnt; i++) {
        int32_t id = topic->partitions[i].id;
        if (rd_kafka_topic_partition_list_find(assigned, topic->topic, id) == NULL)
            rd_kafka_topic_partition_list_add(fresh, topic->topic, id)->offset =
                RD_KAFKA_OFFSET_BEGINNING;
    }
    if (fresh->cnt > 0)
        rd_kafka_error_destroy(rd_kafka_incremental_assign(handle, fresh));
    rd_kafka_topic_partition_list_destroy(fresh);
}

static void look_for_topics(rd_kafka_t *handle, const char *prefix)
{
    const rd_kafka_metadata_t *metadata;
    rd_kafka_topic_partition_list_t *assigned;
    if (rd_kafka_metadata(handle, 1, NULL, &metadata, ANSWER_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    if (rd_kafka_assignment(handle, &assigned) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        for (int i = 0; i < metadata->topic_cnt; i++)
            if (strncmp(metadata->topics[i].topic, prefix, strlen(prefix)) == 0)
                take_up(handle, &metadata->topics[i], assigned);
        rd_kafka_topic_partition_list_destroy(assigned);
    }
    rd_kafka_metadata_destroy(metadata);
}

static long long now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void print_record(const rd_kafka_message_t *message)
{
    if (message->payload == NULL)
        return;
    printf("%lld\t", now_us());
    fwrite(message->payload, 1, message->len, stdout);
    putchar('\n');
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};
    if (argc != 3) {
        fprintf(stderr, "usage: %s BOOTSTRAP TOPIC-PREFIX\n", argv[0]);
        return 2;
    }
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    rd_kafka_t *handle = open_consumer(argv[1]);
    if (handle == NULL)
        return 1;
    for (long long look_us = 0; !stopped;) {
        if (now_us() - look_us > LOOK_MS * 1000) {
            look_for_topics(handle, argv[2]);
            look_us = now_us();
        }
        rd_kafka_message_t *message = rd_kafka_consumer_poll(handle, POLL_MS);
        if (message == NULL) {
            fflush(stdout);
            continue;
        }
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            print_record(message);
        else
            fprintf(stderr, "consumer: %s\n", rd_kafka_message_errstr(message));
        rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(handle);
    rd_kafka_destroy(handle);
    return fflush(stdout) == 0 ? 0 : 1;
}
