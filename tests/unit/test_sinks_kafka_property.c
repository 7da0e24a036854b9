/* tests/unit/test_sinks_kafka_property.c — properties that only the configuration file may set. */
#include "sinks/kafka_property.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static void what_runs_or_loads_code_is_for_the_file(void **state)
{
    static const char *const names[] = {
        "sasl.kerberos.kinit.cmd", "sasl.kerberos.keytab", "plugin.library.paths",
        "ssl.engine.location",     "ssl.engine.id",        "ssl.providers",
        "sasl.password_file",      "offset.store.path",    "sasl.oauthbearer.token.endpoint.url"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_true(kafka_property_needs_file(names[i]));
}

static void usual_properties_are_for_commands_too(void **state)
{
    static const char *const names[] = {"compression.type", "linger.ms",        "security.protocol",
                                        "sasl.mechanisms",  "sasl.username",    "sasl.password",
                                        "ssl.ca.location",  "message.max.bytes"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_false(kafka_property_needs_file(names[i]));
}

static void a_secret_names_its_property(void **state)
{
    (void)state;
    assert_int_equal(kafka_property_secret_len("sasl.password_file"), strlen("sasl.password"));
    assert_int_equal(kafka_property_secret_len("sasl.password"), 0);
    assert_int_equal(kafka_property_secret_len("_file"), 0);
}

/* Definitions stand at destinations, which others may read. */
static void secrets_are_no_part_of_a_definition(void **state)
{
    static const char *const secret[] = {"sasl.password",
                                         "ssl.key.password",
                                         "ssl.key.pem",
                                         "ssl.keystore.password",
                                         "sasl.oauthbearer.config",
                                         "sasl.oauthbearer.client.secret"},
                             *const plain[] = {"compression.type",  "linger.ms",
                                               "security.protocol", "sasl.mechanisms",
                                               "sasl.username",     "ssl.ca.location"};
    (void)state;
    for (size_t i = 0; i < sizeof secret / sizeof *secret; i++)
        assert_true(kafka_property_is_secret(secret[i]));
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        assert_false(kafka_property_is_secret(plain[i]));
}

/* They were taken, and silently not used. */
static void what_no_record_is_lost_by_is_not_to_be_had_otherwise(void **state)
{
    (void)state;
    assert_false(kafka_property_may_be("acks", "0"));
    assert_false(kafka_property_may_be("enable.idempotence", "false"));
    assert_false(kafka_property_may_be("message.timeout.ms", "1000"));
    assert_false(kafka_property_may_be("transactional.id", "x"));
    assert_false(kafka_property_may_be("bootstrap.servers", "other:9092"));
    assert_true(kafka_property_may_be("acks", "all"));
    assert_true(kafka_property_may_be("acks", "-1"));
    assert_true(kafka_property_may_be("linger.ms", "1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_runs_or_loads_code_is_for_the_file),
        cmocka_unit_test(usual_properties_are_for_commands_too),
        cmocka_unit_test(a_secret_names_its_property),
        cmocka_unit_test(secrets_are_no_part_of_a_definition),
        cmocka_unit_test(what_no_record_is_lost_by_is_not_to_be_had_otherwise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
