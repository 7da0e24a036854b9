/* state/position.h — a place in one server's change stream: GTID set + file:pos + rows of the open
 * transaction already delivered, and which log these are of.
 *
 * Text, the same wherever a position stands (state.db, _sluice, topics, files, VGTIDs):
 * "MySQL56/<set>", "MariaDB/<set>" or "FilePos/<file>:<pos>" as Vitess writes them, then optionally
 * "@<file>:<pos>" (GTID forms), "~1.<server>.<begun>" (whose log it is; 1: the version of this
 * part) and "+<seq>". Examples: "MariaDB/0-1-42@binlog.000003:4711~1.101.1764500000",
 * "FilePos/binlog.000003:4711+17". Empty text: nothing known (from the beginning). Texts without
 * "~…", of other programs and earlier versions, are read: their log is not known.
 *
 * Numbers and names say nothing by themselves: a log that was reset, or another server's, gives the
 * same ones out again. state/log_match.h decides what a position means on a server.
 *
 * seq counts row changes (one per row, an UPDATE counts one) of the transaction that begins at this
 * position and that were already delivered; resuming reads that transaction again and skips them.
 */
#ifndef SLUICE_STATE_POSITION_H
#define SLUICE_STATE_POSITION_H

#include "state/gtid.h"

#define POSITION_FILE_MAX 256

/* Whose log a position's file and offset are of. */
struct log_id {
    char server[40]; /* MySQL: server_uuid; MariaDB: server_id; "" unknown */
    uint32_t begun;  /* when the server began the named file: the seconds in its first event; 0
                        unknown */
};

/* A place in the files of one server's log, without GTIDs: for questions about the log itself. Which
 * server's log it is, whoever has the place must know. */
struct log_place {
    char file[POSITION_FILE_MAX]; /* "" unknown */
    uint64_t pos;
    uint32_t begun; /* as in log_id */
};
/* <0, 0, >0 as a is before b in one server's log. Files are compared by their number. */
int log_place_compare(const struct log_place *a, const struct log_place *b);
/* A stretch of a log that was read from end to end, nothing left out. */
struct log_span {
    struct log_place from, to;
};

/* A place between two transactions, which is stored and resumed from. seq alone reaches into the
 * transaction that begins there. */
struct position {
    struct gtid_set *gtids;       /* owned; NULL when the server has no GTIDs */
    char file[POSITION_FILE_MAX]; /* "" unknown */
    uint64_t pos;                 /* 64 bits, also beyond 4 GiB */
    uint64_t seq;
    struct log_id log; /* whose log file and pos are of */
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
/* In all parts, what is known of the log included. */
bool position_equal(const struct position *a, const struct position *b);
/* True when everything up to b is contained in a (GTID sets where both have them, else file:pos of
 * the same log, file names compared by their number). On equal places seq decides. GTIDs are
 * only comparable when every transaction has one: where anonymous ones occur, gtids must be NULL.
 */
bool position_at_or_after(const struct position *a, const struct position *b);
/* Whether a dump begins by GTID there: an empty set beside a file names no place. */
bool position_is_by_gtid(const struct position *p);
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
