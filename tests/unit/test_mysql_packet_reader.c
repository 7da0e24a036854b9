/* tests/unit/test_mysql_packet_reader.c — packets through a pair of sockets, whole and in every way
 * cut. */
#include "base/mem.h"
#include "mysql/packet_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#define FULL  0xffffffu
#define LIMIT ((size_t)64 << 20)

static int pair[2];

static void open_pair(void)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
}

static void close_pair(void)
{
    close(pair[0]);
    if (pair[1] >= 0)
        close(pair[1]);
}

static size_t put_packet(uint8_t *to, uint8_t sequence, size_t n, uint8_t fill)
{
    to[0] = (uint8_t)n;
    to[1] = (uint8_t)(n >> 8);
    to[2] = (uint8_t)(n >> 16);
    to[3] = sequence;
    memset(to + 4, fill, n);
    return n + 4;
}

struct writer {
    const uint8_t *bytes;
    size_t n, piece;
};

static void *write_all(void *arg)
{
    struct writer *w = arg;
    for (size_t at = 0; at < w->n;) {
        size_t n = w->n - at < w->piece ? w->n - at : w->piece;
        ssize_t done = send(pair[1], w->bytes + at, n, MSG_NOSIGNAL);
        assert_true(done > 0);
        at += (size_t)done;
    }
    return NULL;
}

static bool all_are(const uint8_t *p, size_t n, uint8_t fill)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != fill)
            return false;
    return true;
}

static void packets_arrive_whole_however_they_are_cut(void **state)
{
    static const size_t pieces[] = {1, 3, 4, 5, 1000};
    uint8_t bytes[4096];
    (void)state;
    for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
        size_t n = 0;
        for (unsigned i = 0; i < 30; i++)
            n += put_packet(bytes + n, (uint8_t)(250 + i), i * 3, (uint8_t)i); /* numbers wrap */
        open_pair();
        /* what was read before comes first: the first 7 bytes */
        struct packet_reader *r = packet_reader_new(pair[0], 250, bytes, 7, LIMIT);
        struct writer w = {bytes + 7, n - 7, pieces[p]};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, write_all, &w), 0);
        for (unsigned i = 0; i < 30; i++) {
            const uint8_t *payload;
            size_t length;
            assert_int_equal(packet_reader_next(r, 10000, &payload, &length), PACKET_OK);
            assert_int_equal(length, i * 3);
            assert_true(all_are(payload, length, (uint8_t)i));
        }
        pthread_join(thread, NULL);
        assert_false(packet_reader_ready(r));
        packet_reader_free(r);
        close_pair();
    }
}

/* One payload of exactly k full packets, so that an empty one follows, and one of k and a rest;
 * between small ones. */
static void full_packets_are_joined_with_what_follows(void **state)
{
    size_t sizes[] = {5, FULL, 9, 2 * (size_t)FULL + 77, 1}, n = 0;
    uint8_t *bytes = malloc(4 * ((size_t)FULL + 64)), sequence = 1;
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        for (size_t left = sizes[i];; left -= FULL) {
            n += put_packet(bytes + n, sequence++, left < FULL ? left : FULL, (uint8_t)('a' + i));
            if (left < FULL)
                break;
        }
    }
    open_pair();
    struct packet_reader *r = packet_reader_new(pair[0], 1, NULL, 0, LIMIT);
    struct writer w = {bytes, n, 1 << 20};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_all, &w), 0);
    for (size_t i = 0; i < 5; i++) {
        const uint8_t *payload;
        size_t length;
        assert_int_equal(packet_reader_next(r, 10000, &payload, &length), PACKET_OK);
        assert_int_equal(length, sizes[i]);
        assert_true(all_are(payload, length, (uint8_t)('a' + i)));
    }
    pthread_join(thread, NULL);
    packet_reader_free(r);
    close_pair();
    free(bytes);
}

struct held {
    struct piece *piece;
    const uint8_t *payload;
    size_t n;
};

/* Payloads of every size up to three pieces; each third one is held until the end. */
static void what_is_held_stays_as_it_is(void **state)
{
    enum { N = 600 };
    size_t sizes[N], total = 0, n = 0, n_held = 0;
    struct held held[N];
    unsigned seed = 5;
    (void)state;
    for (size_t i = 0; i < N; i++) {
        seed = seed * 1103515245u + 12345u;
        sizes[i] = i % 60 == 59 ? 3 * PIECE_BYTES - i : i % 20 == 19 ? 90000 : (seed >> 16) % 9000;
        total += sizes[i] + 4;
    }
    uint8_t *bytes = malloc(total);
    for (size_t i = 0; i < N; i++)
        n += put_packet(bytes + n, (uint8_t)i, sizes[i], (uint8_t)(i % 251));
    open_pair();
    struct packet_reader *r = packet_reader_new(pair[0], 0, NULL, 0, LIMIT);
    struct writer w = {bytes, n, 30000};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_all, &w), 0);
    for (size_t i = 0; i < N; i++) {
        const uint8_t *payload;
        size_t length;
        assert_int_equal(packet_reader_next(r, 10000, &payload, &length), PACKET_OK);
        assert_int_equal(length, sizes[i]);
        assert_true(all_are(payload, length, (uint8_t)(i % 251)));
        struct piece *p = packet_reader_piece(r);
        assert_true(payload >= p->bytes && payload + length <= p->bytes + p->cap);
        if (i % 3 == 2)
            held[n_held++] = (struct held){piece_ref(p), payload, length};
    }
    pthread_join(thread, NULL);
    packet_reader_free(r);
    for (size_t i = 0; i < n_held; i++) {
        assert_true(all_are(held[i].payload, held[i].n, (uint8_t)((3 * i + 2) % 251)));
        piece_unref(held[i].piece);
    }
    close_pair();
    free(bytes);
}

static void what_is_no_packet_is_refused(void **state)
{
    uint8_t bytes[64];
    const uint8_t *payload;
    size_t length;
    (void)state;
    open_pair();
    size_t n = put_packet(bytes, 7, 20, 'x');
    struct packet_reader *r = packet_reader_new(pair[0], 6, bytes, n, LIMIT);
    assert_int_equal(packet_reader_next(r, 100, &payload, &length), PACKET_OUT_OF_ORDER);
    packet_reader_free(r);
    r = packet_reader_new(pair[0], 7, bytes, n, 19);
    assert_int_equal(packet_reader_next(r, 100, &payload, &length), PACKET_TOO_LONG);
    packet_reader_free(r);
    close_pair();
}

static void silence_and_an_end_are_a_loss(void **state)
{
    uint8_t bytes[64];
    const uint8_t *payload;
    size_t length;
    (void)state;
    open_pair();
    size_t n = put_packet(bytes, 0, 20, 'x');
    struct packet_reader *r = packet_reader_new(pair[0], 0, bytes, n - 1, LIMIT);
    assert_int_equal(packet_reader_next(r, 20, &payload, &length), PACKET_LOST); /* silent */
    close(pair[1]);
    pair[1] = -1;
    packet_reader_free(r);
    r = packet_reader_new(pair[0], 0, bytes, n - 1, LIMIT);
    assert_int_equal(packet_reader_next(r, 0, &payload, &length), PACKET_LOST); /* closed */
    packet_reader_free(r);
    close_pair();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_arrive_whole_however_they_are_cut),
        cmocka_unit_test(full_packets_are_joined_with_what_follows),
        cmocka_unit_test(what_is_held_stays_as_it_is),
        cmocka_unit_test(what_is_no_packet_is_refused),
        cmocka_unit_test(silence_and_an_end_are_a_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
