/* tests/unit/test_base_address.c — which addresses are this machine's. */
#include "base/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void splits(const char *text, const char *host, const char *port)
{
    char got[16];
    const char *at = NULL;
    assert_int_equal(address_split(text, got, sizeof got, &at), host != NULL);
    if (host != NULL) {
        assert_string_equal(got, host);
        assert_string_equal(at, port);
    }
}

static void a_host_and_a_port_are_told_apart(void **state)
{
    (void)state;
    splits("127.0.0.1:15999", "127.0.0.1", "15999");
    splits("[::1]:1", "::1", "1");
    splits("localhost:65535", "localhost", "65535");
    splits("localhost:65536", NULL, NULL);
    splits("localhost:", NULL, NULL);
    splits(":1", NULL, NULL);
    splits("localhost", NULL, NULL);
    splits("localhost:1@evil.example", NULL, NULL);
    splits("a-name-of-16-bytes:1", NULL, NULL);
}

static void a_name_that_begins_like_loopback_is_anybodys(void **state)
{
    static const char *const ours[] = {"localhost", "127.0.0.1", "127.9.8.7", "::1",
                                       "0:0:0:0:0:0:0:1"};
    static const char *const others[] = {"127.evil.example",
                                         "127.0.0.1.evil.example",
                                         "localhost.evil.example",
                                         "128.0.0.1",
                                         "::2",
                                         ""};
    (void)state;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        assert_true(address_is_loopback(ours[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(address_is_loopback(others[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_and_a_port_are_told_apart),
        cmocka_unit_test(a_name_that_begins_like_loopback_is_anybodys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
