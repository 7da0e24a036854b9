/* tests/unit/test_app_http_guard.c — which requests the API obeys. */
#include "app/server/http_guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#define TOKEN "a-token-of-16-bytes"

static const struct http_head good = {.tcp = true,
                                      .method = "POST",
                                      .path = "/v1/workflows/k/w/cancel",
                                      .host = "127.0.0.1:15999",
                                      .content_type = "application/json",
                                      .authorization = "Bearer " TOKEN};

static int verdict(struct http_head h)
{
    struct err e = ERR_INIT;
    int status = http_guard(&h, TOKEN, &e);
    assert_int_equal(e.code, status == 0 ? ERR_NONE : ERR_API);
    return status;
}

static void a_program_with_the_token_is_served(void **state)
{
    struct http_head h = good;
    (void)state;
    assert_int_equal(verdict(h), 0);
    h.content_type = "Application/JSON; charset=utf-8";
    assert_int_equal(verdict(h), 0);
    h.method = "GET";
    h.content_type = NULL;
    assert_int_equal(verdict(h), 0);
}

static void a_wrong_or_missing_token_is_refused(void **state)
{
    static const char *const wrong[] = {
        NULL, "", "Bearer ", "Bearer a-token-of-16-bytez", "Bearer " TOKEN "x", "bearer " TOKEN,
        TOKEN};
    struct http_head h = good;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        h.authorization = wrong[i];
        assert_int_equal(verdict(h), 401);
    }
    h.path = "/metrics";
    h.method = "GET";
    assert_int_equal(verdict(h), 401);
}

static void a_web_page_is_refused(void **state)
{
    struct http_head h = good;
    (void)state;
    h.origin = "https://evil.example";
    assert_int_equal(verdict(h), 403);
    h.origin = "null";
    assert_int_equal(verdict(h), 403);
    h.tcp = false; /* a forwarded port may end at the unix socket */
    assert_int_equal(verdict(h), 403);
    h = good;
    h.content_type = "text/plain";
    assert_int_equal(verdict(h), 415);
    h.content_type = "application/jsonp";
    assert_int_equal(verdict(h), 415);
    h.content_type = NULL;
    h.method = "DELETE";
    assert_int_equal(verdict(h), 415);
}

static void a_name_that_somebody_resolves_to_loopback_is_refused(void **state)
{
    static const char *const hosts[] = {NULL,
                                        "",
                                        "evil.example",
                                        "localhost.evil.example",
                                        "127.0.0.1.evil.example",
                                        "127.0.0.1:1@evil",
                                        "[::1].evil.example",
                                        "localhost:80.evil.example",
                                        "localhost:",
                                        "0.0.0.0",
                                        "127.0.0.1:15999:1"};
    struct http_head h = good;
    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        h.host = hosts[i];
        assert_int_equal(verdict(h), 403);
    }
    h.host = "[::1]:80";
    assert_int_equal(verdict(h), 0);
    h.host = "LOCALHOST";
    assert_int_equal(verdict(h), 0);
    h.tcp = false;
    h.host = "sluice";
    assert_int_equal(verdict(h), 0);
    h.host = "evil.example";
    assert_int_equal(verdict(h), 403);
}

static void probes_need_no_token(void **state)
{
    struct http_head h = good;
    (void)state;
    h.method = "GET";
    h.authorization = NULL;
    h.path = "/healthz";
    assert_int_equal(verdict(h), 0);
    h.path = "/readyz";
    assert_int_equal(verdict(h), 0);
    h.path = "/readyz/";
    assert_int_equal(verdict(h), 401);
    h.path = "/healthz";
    h.origin = "https://evil.example";
    assert_int_equal(verdict(h), 403);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_with_the_token_is_served),
        cmocka_unit_test(a_wrong_or_missing_token_is_refused),
        cmocka_unit_test(a_web_page_is_refused),
        cmocka_unit_test(a_name_that_somebody_resolves_to_loopback_is_refused),
        cmocka_unit_test(probes_need_no_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
