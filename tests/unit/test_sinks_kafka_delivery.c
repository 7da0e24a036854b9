/* tests/unit/test_sinks_kafka_delivery.c — when a refused batch tells of a refused record. */
#include "sinks/kafka_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define TOO_LARGE RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE
#define INVALID   RD_KAFKA_RESP_ERR_INVALID_RECORD

static void a_record_in_a_batch_of_many_is_not_believed_refused(void **state)
{
    (void)state;
    assert_false(kafka_refused_alone(0, TOO_LARGE, 5000000));
    assert_false(kafka_refused_alone(0, INVALID, 100));
    assert_false(kafka_refused_alone(2000, TOO_LARGE, 1999)); /* the topic's limit was lowered */
    assert_false(kafka_refused_alone(2000, INVALID, 2000));
}

static void a_record_that_was_the_batch_is(void **state)
{
    (void)state;
    assert_true(kafka_refused_alone(1, INVALID, 100));
    assert_true(kafka_refused_alone(1, TOO_LARGE, 100));
    assert_true(kafka_refused_alone(2000, TOO_LARGE, 2000));
}

static void positions_stay_in_a_topic_that_is_only_compacted(void **state)
{
    (void)state;
    assert_true(kafka_keeps_last("compact", "604800000", "-1"));
    assert_true(kafka_keeps_last("delete", "-1", "-1"));
    assert_true(kafka_keeps_last(NULL, NULL, NULL)); /* the brokers do not say */
    assert_false(kafka_keeps_last("delete", "604800000", "-1"));
    assert_false(kafka_keeps_last("delete", "-1", "1000000"));
    assert_false(kafka_keeps_last("compact,delete", "604800000", "-1"));
    assert_false(kafka_keeps_last("delete", NULL, NULL));
}

static void check_ca(const char *kafka, const char *wanted)
{
    struct err e = ERR_INIT;
    char value[200] = "";
    size_t n = sizeof value;
    json_t *options = json_pack("{s:o}", "kafka", json_loads(kafka, 0, NULL));
    char name[] = "s", brokers[] = "127.0.0.1:1";
    struct kafka_sink s = {.name = name, .brokers = brokers, .options = options};
    rd_kafka_conf_t *conf = kafka_conf(&s, &e);
    assert_non_null(conf);
    rd_kafka_conf_get(conf, "ssl.ca.location", value, &n);
    assert_string_equal(value, wanted);
    rd_kafka_conf_destroy(conf);
    json_decref(options);
}

static void brokers_are_proven_by_the_systems_certificates(void **state)
{
    (void)state;
    check_ca("{\"security.protocol\": \"SASL_SSL\"}", "probe");
    check_ca("{\"security.protocol\": \"ssl\", \"ssl.ca.location\": \"/a\"}", "/a");
    check_ca("{}", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_in_a_batch_of_many_is_not_believed_refused),
        cmocka_unit_test(a_record_that_was_the_batch_is),
        cmocka_unit_test(brokers_are_proven_by_the_systems_certificates),
        cmocka_unit_test(positions_stay_in_a_topic_that_is_only_compacted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
