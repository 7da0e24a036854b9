/* tests/component/test_mysql_tls_guard.c — a server that offers no encryption gets nothing of the
 * login when encryption is demanded. The server is a socket of this test that says hello and
 * listens. */
#include "mysql/conn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define USER     "user-of-the-test"
#define PASSWORD "pa55word-of-the-test"

struct listener {
    int fd;
    unsigned port;
    bool one_byte_at_a_time;
    unsigned n_accepted;
    char received[4096];
    size_t n_received;
    pthread_t thread;
};

/* HandshakeV10 of an old server: protocol 4.1, plug-in authentication, but no CLIENT_SSL. */
static const uint8_t greeting[] = {
    0x4a, 0,   0,   0,   10,  '8', '.', '0', '.', '3',  '4',  0,   1,   0,   0,    0,
    'a',  'b', 'c', 'd', 'e', 'f', 'g', 'h', 0,   0xff, 0xf7, 8,   2,   0,   0xff, 0x81,
    21,   0,   0,   0,   0,   0,   0,   0,   0,   0,    0,    'i', 'j', 'k', 'l',  'm',
    'n',  'o', 'p', 'q', 'r', 's', 't', 0,   'c', 'a',  'c',  'h', 'i', 'n', 'g',  '_',
    's',  'h', 'a', '2', '_', 'p', 'a', 's', 's', 'w',  'o',  'r', 'd', 0};

static void say_hello(const struct listener *l, int fd)
{
    size_t step = l->one_byte_at_a_time ? 1 : sizeof greeting;
    for (size_t i = 0; i < sizeof greeting; i += step)
        if (send(fd, greeting + i, step, MSG_NOSIGNAL) != (ssize_t)step)
            return;
}

/* Asks for the whole password (caching_sha2_password: 4), as if its short form were not known here.
 */
static const uint8_t whole_password_please[] = {2, 0, 0, 2, 1, 4};

static void receive(struct listener *l, int fd)
{
    ssize_t n = recv(fd, l->received + l->n_received, sizeof l->received - l->n_received, 0);
    l->n_received += n > 0 ? (size_t)n : 0;
}

/* Says hello to everybody who comes until one sends something; that one is asked for the password.
 */
static void *run_listener(void *arg)
{
    struct listener *l = arg;
    int fd, no_delay = 1;
    while (l->n_received == 0 && (fd = accept(l->fd, NULL, NULL)) >= 0) {
        l->n_accepted++;
        setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &no_delay, sizeof no_delay);
        say_hello(l, fd);
        receive(l, fd);
        if (l->n_received > 0 &&
            send(fd, whole_password_please, sizeof whole_password_please, MSG_NOSIGNAL) > 0)
            receive(l, fd);
        close(fd);
    }
    return NULL;
}

static void listener_open(struct listener *l)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t a_len = sizeof a;
    l->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(l->fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(l->fd, (struct sockaddr *)&a, &a_len), 0);
    assert_int_equal(listen(l->fd, 1), 0);
    l->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&l->thread, NULL, run_listener, l), 0);
}

static struct err connect_with(struct listener *l, enum my_tls_mode mode)
{
    char host[] = "127.0.0.1", user[] = USER, password[] = PASSWORD;
    struct my_params p = {.host = host, .user = user, .password = password, .tls_mode = mode};
    struct err e = ERR_INIT;
    listener_open(l);
    p.port = l->port;
    assert_null(my_connect(&p, "test", &e));
    shutdown(l->fd, SHUT_RDWR); /* ends the accept */
    pthread_join(l->thread, NULL);
    close(l->fd);
    return e;
}

static void nothing_is_sent_when_encryption_is_demanded(void **state)
{
    (void)state;
    for (unsigned mode = MY_TLS_REQUIRED; mode <= MY_TLS_VERIFY_IDENTITY; mode++) {
        struct listener l = {0};
        struct err e = connect_with(&l, (enum my_tls_mode)mode);
        assert_int_equal(e.code, ERR_DB_TLS);
        assert_int_equal(e.class_, ERR_CLASS_FATAL);
        assert_int_equal(l.n_received, 0);
        assert_int_equal(l.n_accepted, 1);
    }
}

static void a_greeting_in_single_bytes_is_understood_too(void **state)
{
    (void)state;
    struct listener l = {.one_byte_at_a_time = true};
    struct err e = connect_with(&l, MY_TLS_REQUIRED);
    assert_int_equal(e.code, ERR_DB_TLS);
    assert_int_equal(l.n_received, 0);
}

/* The other half of the proof: with less than REQUIRED the same listener does get a login, on a
 * connection that never asked for encryption, and the password still only under an RSA key (the
 * request for it is the byte 2). */
static void a_login_without_encryption_never_shows_the_password(void **state)
{
    (void)state;
    for (unsigned mode = MY_TLS_DISABLED; mode <= MY_TLS_PREFERRED; mode++) {
        struct listener l = {0};
        struct err e = connect_with(&l, (enum my_tls_mode)mode);
        static const uint8_t key_request[] = {1, 0, 0, 3, 2};
        assert_int_not_equal(e.code, ERR_DB_TLS);
        /* Connector/C comes a second time in PREFERRED, then without having asked for TLS. */
        assert_in_range(l.n_accepted, 1, mode == MY_TLS_PREFERRED ? 2 : 1);
        assert_non_null(memmem(l.received, l.n_received, USER, strlen(USER)));
        assert_null(memmem(l.received, l.n_received, PASSWORD, strlen(PASSWORD)));
        assert_memory_equal(l.received + l.n_received - sizeof key_request, key_request,
                            sizeof key_request);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_sent_when_encryption_is_demanded),
        cmocka_unit_test(a_greeting_in_single_bytes_is_understood_too),
        cmocka_unit_test(a_login_without_encryption_never_shows_the_password),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
