/* state/gtid.h — GTIDs and GTID sets of MySQL (with tags) and MariaDB (domains): pure values, no
 * I/O.
 *
 * Text forms: MySQL "uuid:1-5:7:tag:1-3,uuid:9" as @@gtid_executed prints it (any case, spaces,
 * line ends, and a uuid more than once are read; lower case out, sorted, intervals joined); MariaDB
 * "0-1-42,1-1-7" (one per domain: the last sequence of that domain, sorted by domain).
 */
#ifndef SLUICE_STATE_GTID_H
#define SLUICE_STATE_GTID_H

#include "base/buf.h"

enum gtid_flavor { GTID_FLAVOR_NONE, GTID_FLAVOR_MYSQL, GTID_FLAVOR_MARIADB };

/* One transaction's GTID. NONE: the transaction has none (anonymous). */
struct gtid {
    enum gtid_flavor flavor;
    uint8_t uuid[16];   /* MySQL */
    char tag[33];       /* MySQL, lower case, "" without */
    uint32_t domain_id; /* MariaDB */
    uint32_t server_id; /* MariaDB */
    uint64_t seq;       /* gno or sequence number */
};
void gtid_print(const struct gtid *g, struct buf *out); /* "" for NONE */
bool gtid_parse(const char *text, struct gtid *out, struct err *e) WARN_UNUSED;

struct gtid_set; /* opaque, owned */
struct gtid_set *gtid_set_new(enum gtid_flavor flavor);
void gtid_set_free(struct gtid_set *s);
struct gtid_set *gtid_set_copy(const struct gtid_set *s);
enum gtid_flavor gtid_set_flavor(const struct gtid_set *s);
struct gtid_set *gtid_set_parse(enum gtid_flavor flavor, const char *text,
                                struct err *e) WARN_UNUSED;
void gtid_set_print(const struct gtid_set *s, struct buf *out);
bool gtid_set_is_empty(const struct gtid_set *s);
/* Amortised O(1) for the next gno. MariaDB: g becomes the last of its domain, whatever its number
 * (the order of the log counts; without gtid_strict_mode numbers may go back). NONE has no effect.
 */
void gtid_set_add(struct gtid_set *s, const struct gtid *g);
void gtid_set_union(struct gtid_set *s, const struct gtid_set *other);
void gtid_set_subtract(
    struct gtid_set *s,
    const struct gtid_set *other); /* MySQL exact; MariaDB: domains whose seq ≤ other's go */
bool gtid_set_contains(const struct gtid_set *s, const struct gtid_set *subset);
bool gtid_set_contains_gtid(const struct gtid_set *s, const struct gtid *g);
bool gtid_set_equal(const struct gtid_set *a, const struct gtid_set *b);
/* MySQL's binary form of COM_BINLOG_DUMP_GTID and PREVIOUS_GTIDS (as MySQL 5.6 on; with tags as
 * MySQL 8.3 on). */
bool gtid_set_encode(const struct gtid_set *s, struct buf *out);
struct gtid_set *gtid_set_decode(const uint8_t *p, size_t n, struct err *e) WARN_UNUSED;

#endif
