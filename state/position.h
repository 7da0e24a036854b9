/* state/position.h — a place in one server's change stream: GTID set + file:pos + rows of the open
 * transaction already delivered.
 *
 * Text: "MySQL56/<set>", "MariaDB/<set>" or "FilePos/<file>:<pos>" as Vitess writes them, then
 * optionally "@<file>:<pos>" (GTID forms) and "+<seq>". Examples:
 * "MariaDB/0-1-42@binlog.000003:4711", "FilePos/binlog.000003:4711+17". Empty text: nothing known
 * (from the beginning).
 *
 * seq counts row changes (one per row, an UPDATE counts one) of the transaction that begins at this
 * position and that were already delivered; resuming reads that transaction again and skips them.
 */
#ifndef SLUICE_STATE_POSITION_H
#define SLUICE_STATE_POSITION_H

#include "state/gtid.h"

#define POSITION_FILE_MAX 256

struct position {
    struct gtid_set *gtids;       /* owned; NULL when the server has no GTIDs */
    char file[POSITION_FILE_MAX]; /* "" unknown */
    uint64_t pos;                 /* 64 bits, also beyond 4 GiB */
    uint64_t seq;
};
#define POSITION_INIT                                                                              \
    {                                                                                              \
        0                                                                                          \
    }

void position_fini(struct position *p);
void position_copy(struct position *dst,
                   const struct position *src); /* dst is initialised or zero */
/* out is initialised or zero; unchanged on failure. */
bool position_parse(const char *text, struct position *out, struct err *e) WARN_UNUSED;
void position_print(const struct position *p, struct buf *out);
char *position_text(const struct position *p); /* malloc'ed */
bool position_is_empty(const struct position *p);
bool position_equal(const struct position *a, const struct position *b);
/* True when everything up to b is contained in a (GTID sets where both have them, else file:pos of
 * the same server, file names compared by their number). On equal places seq decides. GTIDs are
 * only comparable when every transaction has one: where anonymous ones occur, gtids must be NULL.
 */
bool position_at_or_after(const struct position *a, const struct position *b);
/* Compares "binlog.000009" < "binlog.000010" < "binlog.1000000" by number: <0, 0, >0. */
int position_file_compare(const char *a, const char *b);

/* VGTID: one position per keyspace/shard, as JSON like Vitess:
 * [{"keyspace":"customer","shard":"-80","gtid":"MariaDB/0-1-42@…"}], sorted by keyspace, shard. */
struct vgtid_entry {
    char *keyspace, *shard;
    struct position pos;
};
struct vgtid {
    struct vgtid_entry *entries;
    size_t n;
};
void vgtid_fini(struct vgtid *v);
/* out is zero or a VGTID, which is replaced; unchanged on failure. */
bool vgtid_parse(const char *json, struct vgtid *out, struct err *e) WARN_UNUSED;
void vgtid_print(const struct vgtid *v, struct buf *out);
struct position *vgtid_get(struct vgtid *v, const char *keyspace,
                           const char *shard); /* NULL if absent */
void vgtid_set(struct vgtid *v, const char *keyspace, const char *shard,
               const struct position *pos);

#endif
