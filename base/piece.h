/* base/piece.h — received bytes that several may hold: whoever reads fills a piece, whoever needs
 * what lies in it keeps a reference instead of a copy.
 *
 * Bytes that somebody else may look at are never changed: a holder of the only reference may do
 * with the piece what it likes, others only write behind what they have given out. */
#ifndef SLUICE_BASE_PIECE_H
#define SLUICE_BASE_PIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PIECE_BYTES ((size_t)256 << 10) /* the usual size: stays in a core's second-level cache */

struct piece {
    int refs; /* atomic */
    size_t cap;
    uint8_t bytes[]; /* not zeroed */
};

/* With one reference. Emptied pieces of the usual size wait in a small pool. Thread: any. */
struct piece *piece_new(size_t cap);
struct piece *piece_ref(struct piece *p);    /* Thread: any */
void piece_unref(struct piece *p);           /* Thread: any; NULL is fine */
bool piece_is_shared(const struct piece *p); /* false: the caller's reference is the only one */
/* More room for the holder of the only reference; the bytes stay, p is gone. */
struct piece *piece_grow(struct piece *p, size_t cap);

#endif
