/* mysql/dump.h — the raw binary log of a live server: COM_BINLOG_DUMP[_GTID] and packets, nothing
 * decoded.
 *
 * Dump flag 2 (annotate events) only on request. Heartbeats are asked for; silence for two periods
 * is ERR_DB_LOST. Error 1236 becomes ERR_SRC_PURGED, ERR_SRC_SERVER_ID (same server id),
 * ERR_SRC_AHEAD (the position lies beyond the log), ERR_SRC_SETTING or ERR_SRC_DUMP, each with its
 * cure. A file position beyond 4 GiB, which the command cannot carry, is reached by reading its
 * file from the beginning. Source of wire facts: MySQL manual "Replication Protocol", MariaDB KB
 * "5-slave-registration".
 */
#ifndef SLUICE_MYSQL_DUMP_H
#define SLUICE_MYSQL_DUMP_H

#include "base/piece.h"
#include "mysql/conn.h"

struct my_dump_options {
    uint32_t server_id;    /* unique among all dumps of the installation; 0: only with non_block */
    unsigned heartbeat_ms; /* 0: 5,000 */
    bool annotate;         /* ask for the SQL text events */
    bool non_block;        /* end (MY_END) at the end of the log instead of waiting */
    bool use_gtid;         /* else start->file/pos */
};
struct my_dump;
/* start empty and !use_gtid: oldest log file from its beginning. */
struct my_dump *my_dump_open(const struct my_params *p, const struct my_dump_options *o,
                             const struct position *start, struct err *e) WARN_UNUSED;
/* One event (header, body, checksum), the leading 00 byte removed, continuation packets joined;
 * valid until the next call. MY_END only with non_block. */
enum my_next my_dump_next(struct my_dump *d, const uint8_t **event, size_t *n,
                          struct err *e) WARN_UNUSED;
/* The piece that the last event lies in, borrowed until the next; NULL: it can only be copied. */
struct piece *my_dump_piece(const struct my_dump *d);
/* True when bytes of a further event have arrived already (client cache, TLS or socket), so that
 * next will hardly wait: readers hand over what they have before they wait. */
bool my_dump_ready(const struct my_dump *d);
const struct my_server *my_dump_server(const struct my_dump *d);
bool my_dump_checksum(const struct my_dump *d); /* the server sends CRC32 (also the FDE says so) */
void my_dump_interrupt(
    struct my_dump *d); /* Thread: any; the blocked next fails with ERR_SHUTDOWN */
void my_dump_close(struct my_dump *d);

#endif
