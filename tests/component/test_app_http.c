/* tests/component/test_app_http.c — the HTTP server and the verbs' client over real sockets. */
#include "app/cli/client.h"
#include "app/server/http_server.h"

#include "base/clock.h"
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct http_server *server;
    char address[80];
    pthread_t thread;
};

static int was_cancelled; /* by /wait: 1 yes, -1 no */

static void handler(void *ctx, struct http_call *c)
{
    (void)ctx;
    if (strcmp(http_path(c), "/echo") == 0) {
        http_reply(c, 200, "application/json", http_body(c), strlen(http_body(c)));
    } else if (strcmp(http_path(c), "/unread") == 0) {
        static const struct flag_def known[] = {
            {.name = "a", .type = FLAG_LIST}, {.name = "b", .type = FLAG_LIST}, {.name = NULL}};
        struct flag_text *given = NULL;
        struct err e = ERR_INIT;
        size_t n = http_parameters(c, &given);
        bool ok = flags_fill_texts(known, "/unread", given, n, NULL, &e);
        http_reply(c, 200, "text/plain", ok ? "-" : e.text, ok ? 1 : strlen(e.text));
        free(given);
    } else if (strcmp(http_path(c), "/wait") == 0 || strcmp(http_path(c), "/stream") == 0) {
        int64_t end_ms = clock_mono_ms() + 10000;
        while (!__atomic_load_n(http_cancelled(c), __ATOMIC_ACQUIRE) && clock_mono_ms() < end_ms)
            poll(NULL, 0, 5);
        bool gone = __atomic_load_n(http_cancelled(c), __ATOMIC_ACQUIRE);
        __atomic_store_n(&was_cancelled, gone ? 1 : -1, __ATOMIC_RELEASE);
        http_reply(c, 200, "application/json", "{}", 2);
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

static int probe(void *ctx, const char *path, const char **type, struct buf *body)
{
    (void)ctx, (void)type;
    buf_put_str(body, path);
    return strcmp(path, "/readyz") == 0 ? 503 : 200;
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
    const struct http_options o = {.listen = f->address,
                                   .token = "a-token-of-16-bytes",
                                   .handler = handler,
                                   .stream_path = "/stream",
                                   .probe = probe};
    f->server = http_open(&o, &e);
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

static void unread(struct fixture *f, const char *path, const char *expected)
{
    struct buf answer = BUF_INIT;
    struct err e = ERR_INIT;
    int status = 0;
    assert_true(call(f, "a-token-of-16-bytes", path, NULL, &status, &answer, &e));
    assert_string_equal(buf_str(&answer), expected);
    buf_fini(&answer);
}

static void a_parameter_that_nobody_reads_is_found(void **state)
{
    unread(*state, "/unread", "-");
    unread(*state, "/unread?b=1&a=1", "-");
    unread(*state, "/unread?a=1&c=1", "/unread has no parameter 'c'");
    unread(*state, "/unread?A=1", "/unread has no parameter 'A'");
    unread(*state, "/unread?a=1&b=1&a=2", "/unread: the parameter a is given twice");
    unread(*state, "/unread?b=1&a=,", "/unread: the parameter a is empty");
    unread(*state, "/unread?a=1&A=2", "/unread has no parameter 'A'");
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
    struct client_request rq = {.address = f->address,
                                .token = "a-token-of-16-bytes",
                                .method = "GET",
                                .path = "/lines",
                                .on_line = count_line,
                                .ctx = &counted};
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

static void a_token_stays_on_this_machine(void **state)
{
    static const char *const elsewhere[] = {"127.0.0.1:1@evil.example", "127.evil.example:80",
                                            "localhost:1@evil.example", "localhost:80.evil.example",
                                            "evil.example:80"};
    (void)state;
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
        struct buf answer = BUF_INIT;
        struct err e = ERR_INIT;
        int status = 0;
        struct client_request rq = {
            .address = elsewhere[i], .token = "a-token-of-16-bytes", .method = "GET", .path = "/"};
        assert_false(client_call(&rq, &status, &answer, &e));
        assert_int_equal(e.code, ERR_CONFIG);
        buf_fini(&answer);
    }
}

static enum err_code opened(const char *listen, const char *token)
{
    struct err e = ERR_INIT;
    const struct http_options o = {.listen = listen, .token = token, .handler = handler};
    struct http_server *s = http_open(&o, &e);
    http_close(s);
    assert_true((s == NULL) == (e.code != ERR_NONE));
    return e.code;
}

static void an_open_address_is_refused(void **state)
{
    (void)state;
    assert_int_equal(opened("0.0.0.0:0", "a-token-of-16-bytes"), ERR_CONFIG);
    assert_int_equal(opened("[::]:0", "a-token-of-16-bytes"), ERR_CONFIG);
    assert_int_equal(opened("127.0.0.1:0", NULL), ERR_CONFIG);
    assert_int_equal(opened("127.0.0.1:x", "a-token-of-16-bytes"), ERR_CONFIG);
    assert_int_equal(opened("127.0.0.1:0", "a-token-of-16-bytes"), ERR_NONE);
}

static void a_socket_that_is_served_is_not_taken_over(void **state)
{
    struct fixture *f = *state;
    struct buf answer = BUF_INIT;
    struct err e = ERR_INIT;
    int status = 0;
    assert_int_equal(opened(f->address, NULL), ERR_CONFIG);
    assert_true(call(f, "a-token-of-16-bytes", "/echo", "{}", &status, &answer, &e));
    assert_int_equal(status, 200);
    buf_fini(&answer);
}

/* What is left of a daemon that died: nobody has the lock, nobody answers. */
static void a_socket_that_nobody_serves_is_replaced(void **state)
{
    char path[] = "/tmp/sluice-left-XXXXXX", address[64];
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    (void)state;
    assert_int_not_equal(close(mkstemp(path)), -1);
    snprintf(address, sizeof address, "unix:%s", path);
    assert_int_equal(opened(address, NULL), ERR_CONFIG); /* a file that is no socket */
    unlink(path);
    memcpy(a.sun_path, path, sizeof path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    close(fd);
    assert_int_equal(opened(address, NULL), ERR_NONE);
    assert_int_equal(access(path, F_OK), -1);
    snprintf(address, sizeof address, "%s.lock", path);
    unlink(address);
}

static void probes_are_answered_without_a_token(void **state)
{
    struct buf answer = BUF_INIT;
    struct err e = ERR_INIT;
    int status = 0;
    assert_true(call(*state, NULL, "/healthz", NULL, &status, &answer, &e));
    assert_int_equal(status, 200);
    buf_reset(&answer);
    assert_true(call(*state, NULL, "/readyz", NULL, &status, &answer, &e));
    assert_int_equal(status, 503);
    assert_string_equal(buf_str(&answer), "/readyz");
    assert_true(call(*state, NULL, "/metrics", NULL, &status, &answer, &e));
    assert_int_equal(status, 401);
    buf_fini(&answer);
}

static int connect_to(struct fixture *f, const char *rq)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "%s", f->address + 5);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(send(fd, rq, strlen(rq), MSG_NOSIGNAL), strlen(rq));
    return fd;
}

static int connect_unfinished(struct fixture *f)
{
    return connect_to(f, "GET /echo HTTP/1.1\r\nHost: localhost\r\nX: ");
}

static void a_long_query_is_read_and_half_a_body_is_not(void **state)
{
    enum { LONG = 100000 };
    static const char half[] = "POST /echo HTTP/1.1\r\nHost: localhost\r\n"
                               "Authorization: Bearer a-token-of-16-bytes\r\n"
                               "Content-Type: application/json\r\nContent-Length: 4\r\n\r\n{}\0x";
    char *path = malloc(LONG + 16), answer[16] = "";
    int n = snprintf(path, 16, "/unread?a=");
    memset(path + n, 'x', LONG);
    path[n + LONG] = '\0';
    unread(*state, path, "-");
    free(path);
    int fd = connect_to(*state, "");
    assert_int_equal(send(fd, half, sizeof half - 1, MSG_NOSIGNAL), sizeof half - 1);
    assert_int_equal(recv(fd, answer, 12, MSG_WAITALL), 12);
    assert_string_equal(answer, "HTTP/1.1 400");
    close(fd);
}

static void probes_are_answered_while_all_calls_run(void **state)
{
    enum { MANY = 128 };
    static const char rq[] = "GET /wait HTTP/1.1\r\nHost: localhost\r\n"
                             "Authorization: Bearer a-token-of-16-bytes\r\n\r\n";
    struct fixture *f = *state;
    int fds[MANY], status = 0;
    char answer[16] = "";
    for (int i = 0; i < MANY; i++)
        fds[i] = connect_to(f, rq);
    int fd = connect_to(f, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    struct pollfd one = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&one, 1, 8000), 1); /* they wait for 10 s */
    assert_int_equal(recv(fd, answer, sizeof answer - 1, 0), sizeof answer - 1);
    assert_int_equal(sscanf(answer, "HTTP/1.1 %d", &status), 1);
    assert_int_equal(status, 200);
    close(fd);
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
}

static void streams_leave_commands_room(void **state)
{
    enum { MANY = 120 };
    static const char rq[] = "GET /stream HTTP/1.1\r\nHost: localhost\r\n"
                             "Authorization: Bearer a-token-of-16-bytes\r\n\r\n";
    struct buf answer = BUF_INIT;
    struct err e = ERR_INIT;
    int fds[MANY], status = 0;
    for (int i = 0; i < MANY; i++)
        fds[i] = connect_to(*state, rq);
    assert_true(call(*state, "a-token-of-16-bytes", "/stream", NULL, &status, &answer, &e));
    assert_int_equal(status, 503);
    assert_non_null(strstr(buf_str(&answer), "too many streams"));
    buf_reset(&answer);
    assert_true(call(*state, "a-token-of-16-bytes", "/echo", "{}", &status, &answer, &e));
    assert_int_equal(status, 200);
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    buf_fini(&answer);
}

static void a_client_that_goes_cancels_what_it_waits_for(void **state)
{
    int said = 0;
    close(connect_to(*state, "GET /wait HTTP/1.1\r\nHost: localhost\r\n"
                             "Authorization: Bearer a-token-of-16-bytes\r\n\r\n"));
    while ((said = __atomic_load_n(&was_cancelled, __ATOMIC_ACQUIRE)) == 0)
        poll(NULL, 0, 5);
    assert_int_equal(said, 1);
}

static void unfinished_requests_give_way(void **state)
{
    enum { MANY = 160 };
    struct buf answer = BUF_INIT;
    struct err e = ERR_INIT;
    int status = 0, fds[MANY];
    char byte;
    for (int i = 0; i < MANY; i++)
        fds[i] = connect_unfinished(*state);
    assert_true(call(*state, "a-token-of-16-bytes", "/echo", "{}", &status, &answer, &e));
    assert_int_equal(status, 200);
    assert_int_equal(recv(fds[0], &byte, 1, 0), 0); /* the oldest was ended */
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    buf_fini(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_body_comes_back, start, stop),
        cmocka_unit_test_setup_teardown(a_socket_that_is_served_is_not_taken_over, start, stop),
        cmocka_unit_test(a_socket_that_nobody_serves_is_replaced),
        cmocka_unit_test_setup_teardown(probes_are_answered_without_a_token, start, stop),
        cmocka_unit_test_setup_teardown(a_client_that_goes_cancels_what_it_waits_for, start, stop),
        cmocka_unit_test_setup_teardown(unfinished_requests_give_way, start, stop),
        cmocka_unit_test_setup_teardown(probes_are_answered_while_all_calls_run, start, stop),
        cmocka_unit_test_setup_teardown(streams_leave_commands_room, start, stop),
        cmocka_unit_test_setup_teardown(a_parameter_that_nobody_reads_is_found, start, stop),
        cmocka_unit_test_setup_teardown(a_long_query_is_read_and_half_a_body_is_not, start, stop),
        cmocka_unit_test(a_token_stays_on_this_machine),
        cmocka_unit_test_setup_teardown(a_wrong_or_missing_token_is_refused, start, stop),
        cmocka_unit_test_setup_teardown(many_lines_arrive_in_order, start, stop),
        cmocka_unit_test_setup_teardown(an_error_document_becomes_an_error, start, stop),
        cmocka_unit_test(nobody_listening_says_how_to_start),
        cmocka_unit_test(an_open_address_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
