/* mysql/packet_reader.h — protocol packets from a plain socket, read in large pieces.
 *
 * The client library reads 16 KiB at a time, and asks the socket first: at a log's speed that is
 * most of what reading costs. This reader takes over a connection on which only packets come: no
 * TLS, no compression, nothing to be answered. Packets of 16 MiB - 1 bytes are joined with what
 * follows. Source: MySQL manual, "MySQL Packets". */
#ifndef SLUICE_MYSQL_PACKET_READER_H
#define SLUICE_MYSQL_PACKET_READER_H

#include "base/piece.h"

struct packet_reader; /* Thread: one at a time.  Locks: none. */

enum packet_result {
    PACKET_OK,
    PACKET_LOST,         /* the other side is gone, or was silent for the timeout */
    PACKET_OUT_OF_ORDER, /* a number was left out: this is no packet's beginning */
    PACKET_TOO_LONG,     /* longer than max_bytes */
};

/* Does not own fd. `sequence` is the number of the next packet; `read` bytes (copied) came before.
 */
struct packet_reader *packet_reader_new(int fd, uint8_t sequence, const void *read, size_t n_read,
                                        size_t max_bytes);
void packet_reader_free(struct packet_reader *r);

/* The payload stays until the next call. timeout_ms 0: waits for ever. */
enum packet_result packet_reader_next(struct packet_reader *r, unsigned timeout_ms,
                                      const uint8_t **payload, size_t *n);

/* Where the last payload lies: who wants it for longer takes a reference. Borrowed until the next
 * packet. */
struct piece *packet_reader_piece(const struct packet_reader *r);

/* Have bytes of the next packet been received? Asks the socket only when none are held. */
bool packet_reader_ready(const struct packet_reader *r);

#endif
