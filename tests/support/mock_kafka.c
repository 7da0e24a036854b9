/* tests/support/mock_kafka.c — a process of its own around librdkafka's mock cluster. */
/*
 * usage: sluice_test_kafka [TOPIC]...
 * Makes the topics (the mock knows no request to make one), prints the address to connect to as one
 * line and serves until its standard input ends or a signal comes.  The mock keeps 5 MB a
 * partition: who consumes has to read while the other side produces.
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

/* Waits for a signal, or for the end of a standard input that is a pipe. */
static void serve(void)
{
    char ignored[64];
    while (!stopped) {
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        if (poll(&input, 1, -1) > 0 && read(STDIN_FILENO, ignored, sizeof(ignored)) <= 0)
            return;
    }
}

int main(int argc, char **argv)
{
    char text[512] = "";
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), text, sizeof(text));
    rd_kafka_mock_cluster_t *cluster = handle ? rd_kafka_mock_cluster_new(handle, 1) : NULL;
    if (cluster == NULL) {
        fprintf(stderr, "mock_kafka: no mock cluster: %s\n", handle ? "refused" : text);
        return 1;
    }
    for (int i = 1; i < argc; i++)
        rd_kafka_mock_topic_create(cluster, argv[i], 2, 1);
    printf("%s\n", rd_kafka_mock_cluster_bootstraps(cluster));
    fflush(stdout);
    serve();
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(handle);
    return 0;
}
