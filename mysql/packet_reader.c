/* mysql/packet_reader.c — a buffer before a socket, and packets in it.
 *
 * The piece's bytes [begin, end) were received and not yet given. A packet's payload lies behind
 * its header of 4 bytes (length 3, number 1); the headers inside a joined payload are closed up in
 * place. A length alone allocates at most one packet (16 MiB) more than has arrived.
 *
 * Invariant: what lies before `begin` may be held by others. As long as it is, bytes are only
 * written behind it; when its room is used up, what is not yet given moves to a new piece.
 */
#include "mysql/packet_reader.h"

#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define HEADER_BYTES 4u
#define FULL_BYTES   0xffffffu /* of a packet that goes on in the next */
#define KEEP_BYTES   ((size_t)4 << 20)
#define ROOM_BYTES   (PIECE_BYTES / 4) /* less is not worth a call */

struct packet_reader {
    int fd;
    uint8_t sequence;
    size_t max_bytes;
    struct piece *piece;
    size_t begin, end;
};

struct packet_reader *packet_reader_new(int fd, uint8_t sequence, const void *read, size_t n_read,
                                        size_t max_bytes)
{
    struct packet_reader *r = mem_alloc(sizeof *r);
    *r = (struct packet_reader){.fd = fd, .sequence = sequence, .max_bytes = max_bytes};
    r->piece = piece_new(n_read > PIECE_BYTES ? n_read : PIECE_BYTES);
    if (n_read)
        memcpy(r->piece->bytes, read, n_read);
    r->end = n_read;
    return r;
}

void packet_reader_free(struct packet_reader *r)
{
    if (!r)
        return;
    piece_unref(r->piece);
    free(r);
}

/* What is not yet given, to the front of a piece of that size. */
static void move_to_new(struct packet_reader *r, size_t cap)
{
    struct piece *fresh = piece_new(cap);
    size_t n = r->end - r->begin;
    assert(n <= cap);
    memcpy(fresh->bytes, r->piece->bytes + r->begin, n);
    piece_unref(r->piece);
    r->piece = fresh;
    r->begin = 0;
    r->end = n;
}

static void to_front(struct packet_reader *r)
{
    if (r->begin == 0)
        return;
    if (piece_is_shared(r->piece)) {
        move_to_new(r, r->end - r->begin > PIECE_BYTES ? r->piece->cap : PIECE_BYTES);
        return;
    }
    memmove(r->piece->bytes, r->piece->bytes + r->begin, r->end - r->begin);
    r->end -= r->begin;
    r->begin = 0;
}

static bool wait_for_bytes(const struct packet_reader *r, unsigned timeout_ms)
{
    struct pollfd p = {.fd = r->fd, .events = POLLIN};
    int n;
    do {
        n = poll(&p, 1, timeout_ms ? (int)timeout_ms : -1);
    } while (n < 0 && errno == EINTR);
    return n > 0;
}

static bool receive(struct packet_reader *r, unsigned timeout_ms)
{
    for (;;) {
        ssize_t n = recv(r->fd, r->piece->bytes + r->end, r->piece->cap - r->end, MSG_DONTWAIT);
        if (n > 0) {
            r->end += (size_t)n;
            return true;
        }
        bool again = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
        if (!again || !wait_for_bytes(r, timeout_ms))
            return false;
    }
}

/* At least n bytes from begin on. */
static bool hold(struct packet_reader *r, size_t n, unsigned timeout_ms)
{
    if (r->end - r->begin >= n)
        return true;
    size_t cap = r->piece->cap;
    if (cap - r->begin < n || cap - r->end < ROOM_BYTES)
        to_front(r);
    if (r->piece->cap < n)
        r->piece = piece_grow(r->piece, n + PIECE_BYTES);
    while (r->end - r->begin < n)
        if (!receive(r, timeout_ms))
            return false;
    return true;
}

/* One packet more behind the `have` bytes of payload; *n is its length. */
static enum packet_result join(struct packet_reader *r, size_t have, bool first,
                               unsigned timeout_ms, size_t *n)
{
    size_t at = first ? 0 : HEADER_BYTES + have;
    if (!hold(r, at + HEADER_BYTES, timeout_ms))
        return PACKET_LOST;
    uint8_t *head = r->piece->bytes + r->begin + at;
    *n = (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16;
    if (head[3] != r->sequence)
        return PACKET_OUT_OF_ORDER;
    r->sequence++;
    if (have + *n > r->max_bytes)
        return PACKET_TOO_LONG;
    if (!first) {
        size_t behind = r->end - r->begin - at - HEADER_BYTES;
        memmove(head, head + HEADER_BYTES, behind);
        r->end -= HEADER_BYTES;
    }
    return hold(r, HEADER_BYTES + have + *n, timeout_ms) ? PACKET_OK : PACKET_LOST;
}

enum packet_result packet_reader_next(struct packet_reader *r, unsigned timeout_ms,
                                      const uint8_t **payload, size_t *n)
{
    if (r->piece->cap > KEEP_BYTES && r->end - r->begin <= PIECE_BYTES)
        move_to_new(r, PIECE_BYTES);
    else if (r->begin == r->end && !piece_is_shared(r->piece))
        r->begin = r->end = 0;
    size_t length, have = 0;
    bool first = true;
    do {
        enum packet_result got = join(r, have, first, timeout_ms, &length);
        if (got != PACKET_OK)
            return got;
        have += length;
        first = false;
    } while (length == FULL_BYTES);
    *payload = r->piece->bytes + r->begin + HEADER_BYTES;
    *n = have;
    r->begin += HEADER_BYTES + have;
    return PACKET_OK;
}

struct piece *packet_reader_piece(const struct packet_reader *r)
{
    return r->piece;
}

bool packet_reader_ready(const struct packet_reader *r)
{
    struct pollfd p = {.fd = r->fd, .events = POLLIN};
    return r->end > r->begin || poll(&p, 1, 0) > 0;
}
