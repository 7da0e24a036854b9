/* schemas/sharding/keyrange.h — half-open ranges of keyspace ids and shard names, as go/vt/key. */
#ifndef SLUICE_SCHEMAS_SHARDING_KEYRANGE_H
#define SLUICE_SCHEMAS_SHARDING_KEYRANGE_H

#include "base/buf.h"

#define KSID_MAX 64 /* bytes of a keyspace id we keep inline; longer ones are refused */
struct ksid {
    uint8_t n;
    uint8_t bytes[KSID_MAX];
};
struct keyrange { /* start ≤ id < end; empty end = unbounded */
    uint8_t start[KSID_MAX], end[KSID_MAX];
    uint8_t start_len, end_len;
};
bool keyrange_parse(const char *name, struct keyrange *out,
                    struct err *e) WARN_UNUSED; /* "-80"; "-" and "0" are everything */
void keyrange_print(const struct keyrange *r, struct buf *out);
bool keyrange_contains(const struct keyrange *r, const struct ksid *id);
bool keyrange_intersects(const struct keyrange *a, const struct keyrange *b);
bool keyrange_contains_range(const struct keyrange *outer, const struct keyrange *inner);
bool keyrange_equal(const struct keyrange *a, const struct keyrange *b);
bool keyrange_is_full(const struct keyrange *r);
/* Sorted, contiguous, no gap or overlap, from a's start to b's end equal? For `reshard create`. */
bool keyrange_sets_equal(const struct keyrange *a, size_t na, const struct keyrange *b, size_t nb);
/* Do some of the ranges, in any order, make up the whole range once: no keyspace id without one of
 * them? If not, why (≥ 1 byte appended) says what is missing: "no range begins where -80 ends". */
bool keyrange_covers_all(const struct keyrange *set, size_t n, struct buf *why);
/* Do all of them together make up the whole range, each keyspace id in exactly one? */
bool keyrange_is_partition(const struct keyrange *set, size_t n, struct buf *why);
/* Order of two keyspace ids: −1, 0, 1; bytewise, trailing zero bytes do not count. */
int keyrange_compare_ids(const uint8_t *a, size_t na, const uint8_t *b, size_t nb);
/* "start-end" in hex whose order is not checked (Vitess ParseKeyRangeParts), for arguments of
 * functions. */
bool keyrange_parse_unordered(const char *text, struct keyrange *out, struct err *e) WARN_UNUSED;
/* Order by start, then by end: −1, 0, 1; an empty start is the lowest, an empty end the highest. */
int keyrange_compare(const struct keyrange *a, const struct keyrange *b);
int keyrange_compare_starts(const struct keyrange *a, const struct keyrange *b);
int keyrange_compare_ends(const struct keyrange *a, const struct keyrange *b);
/* a's end is b's start. */
bool keyrange_contiguous(const struct keyrange *a, const struct keyrange *b);
/* The union of two ranges that touch; false if they do not. */
bool keyrange_add(const struct keyrange *a, const struct keyrange *b, struct keyrange *out);
/* Vitess GenerateShardRanges: n equal ranges ("-40","40-80",…), appended as lines. */
bool keyrange_generate(unsigned n, struct buf *out, struct err *e) WARN_UNUSED;
/* The same with the number of hex digits in a boundary: 2, 4, or 0 for the fewest that do. */
bool keyrange_generate_digits(unsigned n, unsigned hex_digits, struct buf *out,
                              struct err *e) WARN_UNUSED;

#endif
