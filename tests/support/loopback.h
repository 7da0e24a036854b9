/* tests/support/loopback.h — a socket of the test itself that listens on this machine alone. */
#ifndef SLUICE_TESTS_SUPPORT_LOOPBACK_H
#define SLUICE_TESTS_SUPPORT_LOOPBACK_H

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
/* cmocka wants the others first */
#include <cmocka.h>

/* The socket; *port: the one that the system chose. */
static inline int loopback_listen(int backlog, unsigned *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t a_len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &a_len), 0);
    assert_int_equal(listen(fd, backlog), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

#endif
