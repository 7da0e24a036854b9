/* tests/component/test_base_http.c — requests over real sockets to a server that answers as told. */
#include "base/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* What the path of a request asks for. */
static const struct {
    const char *path, *answer;
} answers[] = {
    {"/busy", "HTTP/1.1 503 Busy\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n"},
    {"/moved", "HTTP/1.1 302 Found\r\nLocation: /echo\r\nContent-Length: 0\r\n\r\n"},
    {"/half", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"},
    {"/lines", "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\none\n\ntwo\nrest"},
    {"/nothing", "no HTTP at all\r\n\r\n"},
    {"/mute", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"},
};

struct stub {
    int fd;
    char address[40];
    pthread_t thread;
    int accepted; /* connections so far */
};

static bool answer(int fd, const char *request)
{
    char path[64] = "", out[8192];
    sscanf(request, "%*s %63s", path);
    if (strcmp(path, "/drip") == 0) {
        send(fd, "HTTP/1.1 200 OK\r\n\r\n", 19, MSG_NOSIGNAL);
        while (send(fd, " ", 1, MSG_NOSIGNAL) == 1)
            poll(NULL, 0, 10);
        return false;
    }
    if (strcmp(path, "/slow") == 0) {
        send(fd, "HTTP/1.1 200 OK\r\n\r\n", 19, MSG_NOSIGNAL);
        for (int i = 0; i < 4; i++) {
            poll(NULL, 0, 1200);
            send(fd, "\n", 1, MSG_NOSIGNAL);
        }
        return false;
    }
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        if (strcmp(answers[i].path, path) != 0)
            continue;
        send(fd, answers[i].answer, strlen(answers[i].answer), MSG_NOSIGNAL);
        return strcmp(path, "/half") != 0 && strcmp(path, "/nothing") != 0;
    }
    int n = snprintf(out, sizeof out, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                     strlen(request), request);
    return send(fd, out, (size_t)n, MSG_NOSIGNAL) == n && strcmp(path, "/last") != 0;
}

/* A request is small: head and body come together, or in two pieces. */
static bool receive(int fd, char *request, size_t size)
{
    size_t len = 0, want = 0;
    while (len < size - 1) {
        ssize_t n = recv(fd, request + len, size - 1 - len, 0);
        if (n <= 0)
            return false;
        len += (size_t)n;
        request[len] = '\0';
        const char *end = strstr(request, "\r\n\r\n");
        const char *length = strcasestr(request, "Content-Length: ");
        want = length != NULL ? strtoul(length + 16, NULL, 10) : 0;
        if (end != NULL && (size_t)(request + len - end) >= 4 + want)
            return true;
    }
    return false;
}

static void *serve(void *arg)
{
    struct stub *s = arg;
    char request[4096];
    int fd;
    while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
        __atomic_add_fetch(&s->accepted, 1, __ATOMIC_ACQ_REL);
        while (receive(fd, request, sizeof request) && answer(fd, request))
            ;
        close(fd);
    }
    return NULL;
}

static int start(void **state)
{
    struct stub *s = calloc(1, sizeof *s);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(s->fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(s->fd, 8) != 0 ||
        getsockname(s->fd, (struct sockaddr *)&a, &len) != 0)
        return -1;
    snprintf(s->address, sizeof s->address, "127.0.0.1:%u", ntohs(a.sin_port));
    *state = s;
    return pthread_create(&s->thread, NULL, serve, s);
}

static int stop(void **state)
{
    struct stub *s = *state;
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
    free(s);
    return 0;
}

static struct http_client *client(const struct http_client_options *o)
{
    struct err e = ERR_INIT;
    struct http_client *c = http_client_new(o, &e);
    if (c == NULL)
        fail_msg("%s", e.text);
    return c;
}

/* One call of one client; the answer's status, and its body in *body (may be NULL). */
static int get(const struct http_client_options *o, const char *path, char **body, struct err *e)
{
    struct http_client *c = client(o);
    struct http_client_request rq = {.method = "GET", .path = path, .whole_ms = 3000};
    struct http_client_answer a = HTTP_CLIENT_ANSWER_INIT;
    *e = (struct err)ERR_INIT;
    bool ok = http_client_call(c, &rq, &a, e);
    if (body != NULL)
        *body = strdup(buf_str(&a.body));
    http_client_answer_fini(&a);
    http_client_free(c);
    return ok ? a.status : -1;
}

static void method_headers_and_body_arrive(void **state)
{
    const struct stub *s = *state;
    static const char *const always[] = {"Accept: application/json", NULL};
    static const char *const once[] = {"X-Request: 7", NULL};
    struct http_client *c = client(&(struct http_client_options){
        .address = s->address, .token = "secret-token", .headers = always});
    struct http_client_request rq = {
        .method = "PUT", .path = "/echo?a=1", .headers = once, .body = "a\0b", .body_len = 3};
    struct http_client_answer a = HTTP_CLIENT_ANSWER_INIT;
    struct err e = ERR_INIT;
    assert_true(http_client_call(c, &rq, &a, &e));
    assert_int_equal(a.status, 200);
    assert_int_equal(strncmp(buf_str(&a.body), "PUT /echo?a=1 HTTP/1.1\r\n", 24), 0);
    assert_non_null(strstr(buf_str(&a.body), "\r\nAccept: application/json\r\n"));
    assert_non_null(strstr(buf_str(&a.body), "\r\nX-Request: 7\r\n"));
    assert_non_null(strstr(buf_str(&a.body), "\r\nAuthorization: Bearer secret-token\r\n"));
    assert_non_null(strstr(buf_str(&a.body), "\r\nContent-Length: 3\r\n"));
    assert_null(strstr(buf_str(&a.body), "Expect:"));
    http_client_answer_fini(&a);
    http_client_free(c);
}

static void a_user_and_a_password_are_basic_authentication(void **state)
{
    const struct stub *s = *state;
    char *body;
    struct err e;
    const struct http_client_options o = {
        .address = s->address, .user = "user", .password = "pa:ss"};
    assert_int_equal(get(&o, "/echo", &body, &e), 200);
    assert_non_null(strstr(body, "\r\nAuthorization: Basic dXNlcjpwYTpzcw==\r\n"));
    free(body);
}

static void a_connection_is_used_again_and_replaced_when_it_is_gone(void **state)
{
    struct stub *s = *state;
    struct http_client *c = client(&(struct http_client_options){.address = s->address});
    struct http_client_answer a = HTTP_CLIENT_ANSWER_INIT;
    static const char *const paths[] = {"/echo", "/echo", "/last", "/echo"};
    static const int connections[] = {1, 1, 1, 2};
    for (size_t i = 0; i < 4; i++) {
        struct err e = ERR_INIT;
        struct http_client_request rq = {.method = "GET", .path = paths[i]};
        assert_true(http_client_call(c, &rq, &a, &e));
        assert_non_null(strstr(buf_str(&a.body), paths[i]));
        assert_int_equal(__atomic_load_n(&s->accepted, __ATOMIC_ACQUIRE), connections[i]);
    }
    http_client_answer_fini(&a);
    http_client_free(c);
}

/* A handle that a call returns forgets what the call set: the next one is no PUT with a body. */
static void a_call_leaves_nothing_to_the_next(void **state)
{
    const struct stub *s = *state;
    static const char *const once[] = {"X-Request: 7", NULL};
    struct http_client *c = client(&(struct http_client_options){.address = s->address});
    struct http_client_request put = {
        .method = "PUT", .path = "/echo", .headers = once, .body = "abc"};
    struct http_client_request plain = {.method = "GET", .path = "/echo"};
    struct http_client_answer a = HTTP_CLIENT_ANSWER_INIT;
    struct err e = ERR_INIT;
    assert_true(http_client_call(c, &put, &a, &e));
    assert_true(http_client_call(c, &plain, &a, &e));
    assert_int_equal(strncmp(buf_str(&a.body), "GET ", 4), 0);
    assert_null(strstr(buf_str(&a.body), "X-Request"));
    assert_null(strstr(buf_str(&a.body), "abc"));
    http_client_answer_fini(&a);
    http_client_free(c);
}

static void a_status_and_a_wait_come_back(void **state)
{
    const struct stub *s = *state;
    struct http_client *c = client(&(struct http_client_options){.address = s->address});
    struct http_client_request rq = {.method = "GET", .path = "/busy"};
    struct http_client_answer a = HTTP_CLIENT_ANSWER_INIT;
    struct err e = ERR_INIT;
    assert_true(http_client_call(c, &rq, &a, &e));
    assert_int_equal(a.status, 503);
    assert_int_equal(a.retry_after_ms, 2000);
    http_client_answer_fini(&a);
    http_client_free(c);
}

static void a_redirect_is_an_answer_and_not_followed(void **state)
{
    const struct stub *s = *state;
    const struct http_client_options o = {.address = s->address};
    struct err e;
    assert_int_equal(get(&o, "/moved", NULL, &e), 302);
}

static void what_breaks_off_may_succeed_later(void **state)
{
    const struct stub *s = *state;
    const struct http_client_options o = {.address = s->address};
    static const char *const paths[] = {"/half", "/nothing"};
    struct err e;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(get(&o, paths[i], NULL, &e), -1);
        assert_int_equal(e.code, ERR_HTTP);
        assert_int_equal(e.class_, ERR_CLASS_RETRY);
        assert_non_null(strstr(e.text, s->address));
    }
}

static void nobody_listening_may_come_later(void **state)
{
    static const char *const addresses[] = {"127.0.0.1:1", "unix:/tmp/sluice-nobody.sock"};
    struct err e;
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const struct http_client_options o = {.address = addresses[i]};
        assert_int_equal(get(&o, "/", NULL, &e), -1);
        assert_int_equal(e.code, ERR_HTTP_CONNECT);
        assert_int_equal(e.class_, ERR_CLASS_RETRY);
    }
}

static void *serve_late(void *arg)
{
    poll(NULL, 0, 100); /* so that the first attempt finds the queue full */
    return serve(arg);
}

static void a_full_queue_of_connections_is_waited_for(void **state)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char address[120];
    struct stub s = {.fd = socket(AF_UNIX, SOCK_STREAM, 0)};
    struct http_client_options o = {.address = address};
    struct err e;
    int fds[8], n = 0;
    (void)state;
    snprintf(a.sun_path, sizeof a.sun_path, "/tmp/sluice-full-%d.sock", (int)getpid());
    snprintf(address, sizeof address, "unix:%s", a.sun_path);
    assert_int_equal(bind(s.fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s.fd, 1), 0);
    do {
        fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    } while (connect(fds[n++], (struct sockaddr *)&a, sizeof a) == 0 && n < 8);
    assert_true(n < 8);
    for (int i = 0; i < n; i++)
        close(fds[i]);
    assert_int_equal(pthread_create(&s.thread, NULL, serve_late, &s), 0);
    if (get(&o, "/x", NULL, &e) != 200)
        fail_msg("%s", e.text);
    shutdown(s.fd, SHUT_RDWR);
    pthread_join(s.thread, NULL);
    close(s.fd);
    unlink(a.sun_path);
}

static void an_answer_that_is_too_large_is_given_up(void **state)
{
    const struct stub *s = *state;
    const struct http_client_options o = {.address = s->address, .max_bytes = 20};
    struct err e;
    assert_int_equal(get(&o, "/echo", NULL, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(e.class_, ERR_CLASS_FATAL);
}

static void an_answer_without_an_end_is_given_up(void **state)
{
    const struct stub *s = *state;
    struct http_client *c = client(&(struct http_client_options){.address = s->address});
    struct http_client_request rq = {.method = "GET", .path = "/drip", .whole_ms = 300};
    struct http_client_answer a = HTTP_CLIENT_ANSWER_INIT;
    struct err e = ERR_INIT;
    assert_false(http_client_call(c, &rq, &a, &e));
    assert_int_equal(e.code, ERR_HTTP);
    assert_int_equal(e.class_, ERR_CLASS_RETRY);
    http_client_answer_fini(&a);
    http_client_free(c);
}

/* What the daemon sends while a verb works is less than a byte a second. */
static void a_byte_now_and_then_is_no_silence(void **state)
{
    const struct stub *s = *state;
    struct http_client *c = client(&(struct http_client_options){.address = s->address});
    struct http_client_request slow = {.method = "POST", .path = "/slow", .idle_ms = 2800},
                               mute = {.method = "POST", .path = "/mute", .idle_ms = 300};
    struct http_client_answer a = HTTP_CLIENT_ANSWER_INIT;
    struct err e = ERR_INIT;
    if (!http_client_call(c, &slow, &a, &e))
        fail_msg("%s", e.text);
    assert_int_equal(a.body.len, 4);
    assert_false(http_client_call(c, &mute, &a, &e));
    assert_int_equal(e.code, ERR_HTTP);
    assert_int_equal(e.class_, ERR_CLASS_RETRY);
    assert_non_null(strstr(e.text, "nothing came within"));
    http_client_answer_fini(&a);
    http_client_free(c);
}

static void join_line(void *ctx, const char *line)
{
    buf_printf(ctx, "[%s]", line);
}

static void lines_come_one_by_one_and_the_rest_stays(void **state)
{
    const struct stub *s = *state;
    struct http_client *c = client(&(struct http_client_options){.address = s->address});
    struct buf lines = BUF_INIT;
    struct http_client_request rq = {
        .method = "GET", .path = "/lines", .on_line = join_line, .ctx = &lines};
    struct http_client_answer a = HTTP_CLIENT_ANSWER_INIT;
    struct err e = ERR_INIT;
    assert_true(http_client_call(c, &rq, &a, &e));
    assert_string_equal(buf_str(&lines), "[one][two]");
    assert_string_equal(buf_str(&a.body), "rest");
    buf_fini(&lines);
    http_client_answer_fini(&a);
    http_client_free(c);
}

static void credentials_leave_this_machine_only_encrypted(void **state)
{
    static const struct {
        const char *address;
        bool allowed;
    } cases[] = {
        {"127.0.0.1:1", true},
        {"http://localhost:1/base", true},
        {"http://localhost", true},
        {"unix:/tmp/x.sock", true},
        {"https://evil.example", true},
        {"HTTPS://evil.example:443/x", true},
        {"evil.example:80", false},
        {"http://evil.example", false},
        {"127.0.0.1:1@evil.example", false},
        {"http://127.0.0.1:1@evil.example/", false},
        {"127.evil.example:80", false},
        {"localhost:80.evil.example", false},
        {"http://localhost:80?@evil.example/", true}, /* the host ends before the query */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = ERR_INIT;
        const struct http_client_options token = {.address = cases[i].address, .token = "t"};
        const struct http_client_options password = {
            .address = cases[i].address, .user = "u", .password = "p"};
        struct http_client *c = http_client_new(&token, &e);
        assert_int_equal(c != NULL, cases[i].allowed);
        assert_int_equal(e.code, cases[i].allowed ? ERR_NONE : ERR_CONFIG);
        http_client_free(c);
        c = http_client_new(&password, &e);
        assert_int_equal(c != NULL, cases[i].allowed);
        http_client_free(c);
    }
}

static void a_status_says_whether_to_try_again(void **state)
{
    static const int later[] = {408, 425, 429, 500, 502, 503, 504, 599};
    static const int never[] = {100, 301, 400, 401, 403, 404, 409, 422, 501, 505};
    (void)state;
    for (size_t i = 0; i < sizeof later / sizeof *later; i++)
        assert_int_equal(http_status_class(later[i]), HTTP_RETRY);
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        assert_int_equal(http_status_class(never[i]), HTTP_REFUSED);
    assert_int_equal(http_status_class(200), HTTP_DONE);
    assert_int_equal(http_status_class(204), HTTP_DONE);
}

/* openssl's own server, with a certificate made now for 127.0.0.1. */
static pid_t serve_tls(const char *folder, unsigned port)
{
    char command[600];
    snprintf(command, sizeof command,
             "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
             "-keyout key.pem -out cert.pem -days 2 -subj /CN=stub -addext "
             "subjectAltName=IP:127.0.0.1 >log 2>&1 && exec openssl s_server -accept "
             "127.0.0.1:%u -cert cert.pem -key key.pem -Verify 1 -CAfile cert.pem -www "
             "-quiet >>log 2>&1",
             folder, port);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static unsigned free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static void a_server_is_believed_by_its_certificate_alone(void **state)
{
    char folder[] = "/tmp/sluice-tls-XXXXXX", address[60], cert[80], key[80], command[100];
    unsigned port = free_port();
    struct err e = ERR_INIT;
    (void)state;
    if (system("openssl version >/dev/null 2>&1") != 0)
        skip(); /* there is no program openssl */
    assert_non_null(mkdtemp(folder));
    snprintf(address, sizeof address, "https://127.0.0.1:%u", port);
    snprintf(cert, sizeof cert, "%s/cert.pem", folder);
    snprintf(key, sizeof key, "%s/key.pem", folder);
    pid_t pid = serve_tls(folder, port);
    struct http_client_options o = {.address = address,
                                    .ca_file = cert,
                                    .cert_file = cert,
                                    .key_file = key,
                                    .user = "u",
                                    .password = "p"};
    int status = -1;
    for (int i = 0; i < 500 && status < 0; i++) {
        status = get(&o, "/", NULL, &e);
        poll(NULL, 0, 10);
    }
    struct err unknown = ERR_INIT, anonymous = ERR_INIT;
    o.ca_file = NULL; /* the system's, which did not sign it */
    int refused = get(&o, "/", NULL, &unknown);
    o.ca_file = cert;
    o.cert_file = o.key_file = NULL;
    int without = get(&o, "/", NULL, &anonymous);
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(status, 200);
    assert_int_equal(refused, -1);
    assert_int_equal(unknown.code, ERR_HTTP_TLS);
    assert_int_equal(unknown.class_, ERR_CLASS_FATAL);
    assert_int_equal(without, -1); /* it wants ours */
}

#define ON_STUB(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STUB(method_headers_and_body_arrive),
        ON_STUB(a_user_and_a_password_are_basic_authentication),
        ON_STUB(a_connection_is_used_again_and_replaced_when_it_is_gone),
        ON_STUB(a_call_leaves_nothing_to_the_next),
        ON_STUB(a_status_and_a_wait_come_back),
        ON_STUB(a_redirect_is_an_answer_and_not_followed),
        ON_STUB(what_breaks_off_may_succeed_later),
        cmocka_unit_test(nobody_listening_may_come_later),
        cmocka_unit_test(a_full_queue_of_connections_is_waited_for),
        ON_STUB(an_answer_that_is_too_large_is_given_up),
        ON_STUB(an_answer_without_an_end_is_given_up),
        ON_STUB(a_byte_now_and_then_is_no_silence),
        ON_STUB(lines_come_one_by_one_and_the_rest_stays),
        cmocka_unit_test(credentials_leave_this_machine_only_encrypted),
        cmocka_unit_test(a_status_says_whether_to_try_again),
        cmocka_unit_test(a_server_is_believed_by_its_certificate_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
