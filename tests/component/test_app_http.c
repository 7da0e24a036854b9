/* tests/component/test_app_http.c — the HTTP server and the verbs' client over real sockets. */
#include "app/client.h"
#include "app/http.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct http_server *server;
    char address[80];
    pthread_t thread;
};

static void handler(void *ctx, struct http_call *c)
{
    (void)ctx;
    if (strcmp(http_path(c), "/echo") == 0) {
        http_reply(c, 200, "application/json", http_body(c), strlen(http_body(c)));
    } else if (strcmp(http_path(c), "/lines") == 0) {
        char line[64];
        for (int i = 0; i < 5000; i++) {
            int n = snprintf(line, sizeof line, "{\"line\":%d,\"padding\":\"%0*d\"}\n", i, 30, 0);
            if (!http_line(c, "application/x-ndjson", line, (size_t)n))
                break;
        }
        http_end(c);
    } else {
        http_reply(c, 404, "application/json",
                   "{\"error\":{\"code\":\"WF_NOT_FOUND\",\"message\":\"no such "
                   "thing\",\"cure\":\"look elsewhere\"}}",
                   84);
    }
}

static void *run(void *arg)
{
    http_run(arg);
    return NULL;
}

static int start(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err e = ERR_INIT;
    snprintf(f->address, sizeof f->address, "unix:/tmp/sluice-http-%ld.sock", (long)getpid());
    f->server = http_open(f->address, "a-token-of-16-bytes", handler, NULL, &e);
    if (f->server == NULL)
        return -1;
    *state = f;
    return pthread_create(&f->thread, NULL, run, f->server);
}

static int stop(void **state)
{
    struct fixture *f = *state;
    http_stop(f->server);
    pthread_join(f->thread, NULL);
    http_close(f->server);
    free(f);
    return 0;
}

static bool call(struct fixture *f, const char *token, const char *path, const char *body,
                 int *status, struct buf *answer, struct err *e)
{
    struct client_request rq = {.address = f->address,
                                .token = token,
                                .method = body != NULL ? "POST" : "GET",
                                .path = path,
                                .body = body};
    return client_call(&rq, status, answer, e);
}

static void a_body_comes_back(void **state)
{
    struct buf answer = BUF_INIT;
    struct err e = ERR_INIT;
    int status = 0;
    assert_true(call(*state, "a-token-of-16-bytes", "/echo", "{\"a\":1}", &status, &answer, &e));
    assert_int_equal(status, 200);
    assert_string_equal(buf_str(&answer), "{\"a\":1}");
    buf_fini(&answer);
}

static void a_wrong_or_missing_token_is_refused(void **state)
{
    struct buf answer = BUF_INIT;
    struct err e = ERR_INIT;
    int status = 0;
    assert_true(call(*state, "a-token-of-16-bytez", "/echo", "{}", &status, &answer, &e));
    assert_int_equal(status, 401);
    assert_true(call(*state, NULL, "/echo", "{}", &status, &answer, &e));
    assert_int_equal(status, 401);
    buf_fini(&answer);
}

struct counted {
    int n, wrong;
};

static void count_line(void *ctx, const char *line)
{
    struct counted *c = ctx;
    int number = -1;
    if (sscanf(line, "{\"line\":%d", &number) != 1 || number != c->n)
        c->wrong++;
    c->n++;
}

static void many_lines_arrive_in_order(void **state)
{
    struct fixture *f = *state;
    struct counted counted = {0, 0};
    struct buf answer = BUF_INIT;
    struct err e = ERR_INIT;
    int status = 0;
    struct client_request rq = {
        f->address, "a-token-of-16-bytes", "GET", "/lines", NULL, count_line, &counted};
    assert_true(client_call(&rq, &status, &answer, &e));
    assert_int_equal(counted.n, 5000);
    assert_int_equal(counted.wrong, 0);
    buf_fini(&answer);
}

static void an_error_document_becomes_an_error(void **state)
{
    struct buf answer = BUF_INIT;
    struct err e = ERR_INIT;
    int status = 0;
    assert_true(call(*state, "a-token-of-16-bytes", "/nothing", NULL, &status, &answer, &e));
    assert_int_equal(status, 404);
    assert_false(client_error(buf_str(&answer), &e));
    assert_int_equal(e.code, ERR_WF_NOT_FOUND);
    assert_string_equal(e.cure, "look elsewhere");
    buf_fini(&answer);
}

static void nobody_listening_says_how_to_start(void **state)
{
    struct buf answer = BUF_INIT;
    struct err e = ERR_INIT;
    int status = 0;
    struct client_request rq = {
        .address = "unix:/tmp/sluice-nobody.sock", .method = "GET", .path = "/"};
    (void)state;
    assert_false(client_call(&rq, &status, &answer, &e));
    assert_int_equal(e.code, ERR_DAEMON_UNREACHABLE);
    assert_non_null(strstr(e.cure, "sluice serve"));
    buf_fini(&answer);
}

static void an_open_address_is_refused(void **state)
{
    struct err e = ERR_INIT;
    (void)state;
    assert_null(http_open("0.0.0.0:15999", NULL, handler, NULL, &e));
    assert_int_equal(e.code, ERR_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_body_comes_back, start, stop),
        cmocka_unit_test_setup_teardown(a_wrong_or_missing_token_is_refused, start, stop),
        cmocka_unit_test_setup_teardown(many_lines_arrive_in_order, start, stop),
        cmocka_unit_test_setup_teardown(an_error_document_becomes_an_error, start, stop),
        cmocka_unit_test(nobody_listening_says_how_to_start),
        cmocka_unit_test(an_open_address_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
