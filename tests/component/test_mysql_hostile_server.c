/* tests/component/test_mysql_hostile_server.c — a server that asks for what it must not get: the
 * password as it is, or a file of the client. It is a socket of this test that follows a script. */
#include "mysql/conn.h"
#include "tests/support/loopback.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define USER     "user-of-the-test"
#define PASSWORD "pa55word-of-the-test"
#define SECRET   "content-of-a-file-of-the-client"

/* HandshakeV10 with mysql_native_password, without CLIENT_SSL, with CLIENT_LOCAL_FILES. */
static const uint8_t greeting[] = {
    0x4a, 0,   0,   0,   10,  '8', '.', '0', '.', '3',  '4',  0,   1,   0,   0,    0,
    'a',  'b', 'c', 'd', 'e', 'f', 'g', 'h', 0,   0xff, 0xf7, 8,   2,   0,   0xff, 0x81,
    21,   0,   0,   0,   0,   0,   0,   0,   0,   0,    0,    'i', 'j', 'k', 'l',  'm',
    'n',  'o', 'p', 'q', 'r', 's', 't', 0,   'm', 'y',  's',  'q', 'l', '_', 'n',  'a',
    't',  'i', 'v', 'e', '_', 'p', 'a', 's', 's', 'w',  'o',  'r', 'd', 0};
static const uint8_t login_ok[] = {7, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0};

struct packet {
    const void *bytes;
    size_t n;
};

/* After each packet that comes the next of `replies` goes out. */
struct script {
    int fd;
    unsigned port;
    const struct packet *replies;
    size_t n_replies;
    uint8_t received[8192];
    size_t n_received;
    size_t login_len; /* of the first packet */
    pthread_t thread;
};

static bool receive(struct script *s, int fd)
{
    ssize_t n = recv(fd, s->received + s->n_received, sizeof s->received - s->n_received, 0);
    s->n_received += n > 0 ? (size_t)n : 0;
    return n > 0;
}

static void *run_script(void *arg)
{
    struct script *s = arg;
    int fd = accept(s->fd, NULL, NULL);
    if (send(fd, greeting, sizeof greeting, MSG_NOSIGNAL) > 0 && receive(s, fd)) {
        s->login_len = s->n_received;
        for (size_t i = 0; i < s->n_replies; i++) {
            if (send(fd, s->replies[i].bytes, s->replies[i].n, MSG_NOSIGNAL) <= 0 ||
                !receive(s, fd))
                break;
        }
    }
    close(fd);
    return NULL;
}

static void script_open(struct script *s)
{
    s->fd = loopback_listen(1, &s->port);
    assert_int_equal(pthread_create(&s->thread, NULL, run_script, s), 0);
}

static struct err connect_to(struct script *s)
{
    char host[] = "127.0.0.1", user[] = USER, password[] = PASSWORD;
    struct my_params p = {
        .host = host, .user = user, .password = password, .tls_mode = MY_TLS_DISABLED};
    struct err e = ERR_INIT;
    script_open(s);
    p.port = s->port;
    assert_null(my_connect(&p, "test", &e));
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
    assert_true(s->login_len > 36);
    assert_non_null(memmem(s->received, s->n_received, USER, strlen(USER)));
    return e;
}

static bool is_connector(void)
{
    return strncmp(my_client_library(), "Connector/C", 11) == 0;
}

static void a_password_is_never_given_as_it_is(void **state)
{
    static const char clear[] = "\x16\0\0\2\xfemysql_clear_password";
    static const char dialog[] = "\x17\0\0\2\xfe"
                                 "dialog\0\4Please type it:";
    static const char old[] = "\x1c\0\0\2\xfemysql_old_password\0abcdefgh";
    static const char older[] = "\1\0\0\2\xfe";
    static const struct packet requests[] = {
        {clear, sizeof clear}, {dialog, sizeof dialog}, {old, sizeof old - 1}, {older, 5}};
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        struct script s = {.replies = &requests[i], .n_replies = 1};
        struct err e = connect_to(&s);
        /* libmysqlclient does not know the request of servers before 4.1. */
        bool unknown = requests[i].bytes == older && !is_connector();
        assert_int_equal(e.code, unknown ? ERR_DB_LOST : ERR_DB_AUTH);
        assert_null(memmem(s.received, s.n_received, PASSWORD, strlen(PASSWORD)));
        assert_int_equal(s.n_received, s.login_len); /* no answer at all */
        assert_null(strstr(e.text, PASSWORD));
    }
}

static void a_file_of_the_client_is_never_sent(void **state)
{
    char path[] = "/tmp/sluice-secret-XXXXXX", request[64];
    int fd = mkstemp(path);
    (void)state;
    assert_int_equal(write(fd, SECRET, sizeof SECRET), sizeof SECRET);
    close(fd);
    int n =
        snprintf(request, sizeof request, "%c%c%c%c\xfb%s", (int)strlen(path) + 1, 0, 0, 1, path);
    assert_int_equal(n, 5 + (int)strlen(path));
    const struct packet replies[] = {{login_ok, sizeof login_ok}, {request, (size_t)n}};
    struct script s = {.replies = replies, .n_replies = 2};
    struct err e = connect_to(&s);
    unlink(path);
    assert_int_not_equal(e.code, ERR_NONE);
    assert_null(memmem(s.received, s.n_received, SECRET, strlen(SECRET)));
    uint32_t asked = (uint32_t)s.received[4] | (uint32_t)s.received[5] << 8 |
                     (uint32_t)s.received[6] << 16 | (uint32_t)s.received[7] << 24;
    if (is_connector()) /* the other library always says so, and refuses each file */
        assert_int_equal(asked & 0x80, 0); /* CLIENT_LOCAL_FILES */
    assert_int_equal(asked & 0x10000, 0);  /* CLIENT_MULTI_STATEMENTS */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_password_is_never_given_as_it_is),
        cmocka_unit_test(a_file_of_the_client_is_never_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
