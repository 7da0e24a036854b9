/* tests/unit/test_mysql_params.c — addresses of servers, read and shown. */
#include "mysql/conn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <string.h>

struct address_case {
    const char *text;
    const char *host;
    unsigned port;
    const char *shown;
};

static void addresses_are_read_and_shown(void **state)
{
    (void)state;
    static const struct address_case good[] = {
        {"db1:3307", "db1", 3307, "db1:3307"},
        {"db1", "db1", 3306, "db1:3306"},
        {"[::1]:3306", "::1", 3306, "[::1]:3306"},
        {"[fe80::1]", "fe80::1", 3306, "[fe80::1]:3306"},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct my_params p = {0};
        struct err e = ERR_INIT;
        char shown[100];
        assert_true(my_params_parse_address(&p, good[i].text, &e));
        assert_string_equal(p.host, good[i].host);
        assert_int_equal(p.port, good[i].port);
        my_params_address(&p, shown, sizeof shown);
        assert_string_equal(shown, good[i].shown);
        my_params_fini(&p);
    }
}

static void a_socket_replaces_an_earlier_host(void **state)
{
    (void)state;
    struct my_params p = {0};
    struct err e = ERR_INIT;
    char shown[100];
    assert_true(my_params_parse_address(&p, "db1:3307", &e));
    assert_true(my_params_parse_address(&p, "unix:/run/mysqld/mysqld.sock", &e));
    assert_null(p.host);
    assert_string_equal(p.socket, "/run/mysqld/mysqld.sock");
    my_params_address(&p, shown, sizeof shown);
    assert_string_equal(shown, "unix:/run/mysqld/mysqld.sock");
    my_params_fini(&p);
}

static void wrong_addresses_are_configuration_errors(void **state)
{
    (void)state;
    static const char *const bad[] = {"",         ":3306",     "db1:",     "db1:0",  "db1:65536",
                                      "db1:33x",  "::1",       "[::1",     "[]:1",   "[::1]x",
                                      "unix:rel", "[::1]:abc", "a:b:3306", "db1:-1", "unix:"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct my_params p = {0};
        struct err e = ERR_INIT;
        assert_false(my_params_parse_address(&p, bad[i], &e));
        assert_int_equal(e.code, ERR_CONFIG);
        my_params_fini(&p);
    }
}

static void a_copy_owns_its_texts(void **state)
{
    (void)state;
    struct my_params a = {0}, b;
    struct err e = ERR_INIT;
    assert_true(my_params_parse_address(&a, "db1:3307", &e));
    a.tls_mode = MY_TLS_VERIFY_CA;
    my_params_copy(&b, &a);
    assert_ptr_not_equal(a.host, b.host);
    my_params_fini(&a);
    assert_string_equal(b.host, "db1");
    assert_int_equal(b.tls_mode, MY_TLS_VERIFY_CA);
    my_params_fini(&b);
}

static bool allows(enum my_cleartext given, enum my_tls_mode mode)
{
    char host[] = "db1";
    struct my_params p = {.host = host, .cleartext = given, .tls_mode = mode};
    return my_params_allow_cleartext(&p);
}

static void a_password_goes_as_it_is_only_to_a_proven_server(void **state)
{
    (void)state;
    assert_false(allows(MY_CLEARTEXT_NEVER, MY_TLS_VERIFY_IDENTITY));
    assert_false(allows(MY_CLEARTEXT_VERIFY_IDENTITY, MY_TLS_REQUIRED));
    assert_false(allows(MY_CLEARTEXT_VERIFY_IDENTITY, MY_TLS_VERIFY_CA));
    assert_true(allows(MY_CLEARTEXT_VERIFY_IDENTITY, MY_TLS_VERIFY_IDENTITY));
    assert_false(allows(MY_CLEARTEXT_VERIFY_CA, MY_TLS_REQUIRED));
    assert_true(allows(MY_CLEARTEXT_VERIFY_CA, MY_TLS_VERIFY_CA));
    assert_true(allows(MY_CLEARTEXT_VERIFY_CA, MY_TLS_VERIFY_IDENTITY));
}

static void no_connection_reads_the_systems_whole_bundle(void **state)
{
    (void)state;
    unsetenv("SSL_CERT_FILE");
    my_tls_without_bundle();
    assert_string_equal(getenv("SSL_CERT_FILE"), "/dev/null");
    setenv("SSL_CERT_FILE", "/etc/ssl/mine.pem", 1);
    my_tls_without_bundle();
    assert_string_equal(getenv("SSL_CERT_FILE"), "/etc/ssl/mine.pem");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_and_shown),
        cmocka_unit_test(a_socket_replaces_an_earlier_host),
        cmocka_unit_test(wrong_addresses_are_configuration_errors),
        cmocka_unit_test(a_copy_owns_its_texts),
        cmocka_unit_test(no_connection_reads_the_systems_whole_bundle),
        cmocka_unit_test(a_password_goes_as_it_is_only_to_a_proven_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
