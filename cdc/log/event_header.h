/* cdc/log/event_header.h — the 19 bytes at the head of every event of a binary log, and the types of events.
 *
 * Format: MySQL internals "Binary Log Event"; MariaDB KB "2-binlog-event-header".
 */
#ifndef SLUICE_CDC_LOG_EVENT_HEADER_H
#define SLUICE_CDC_LOG_EVENT_HEADER_H

#include "cdc/log/wire.h"

#define EVENT_HEADER_LEN   19u
#define EVENT_CHECKSUM_LEN 4u
#define EVENT_IN_USE       0x1u
#define EVENT_ARTIFICIAL   0x20u
#define EVENT_IGNORABLE    0x80u

enum { /* event types, MySQL 0–43, MariaDB 160– */
       EV_QUERY = 2,
       EV_STOP = 3,
       EV_ROTATE = 4,
       EV_INTVAR = 5,
       EV_LOAD = 6,
       EV_RAND = 13,
       EV_USER_VAR = 14,
       EV_FORMAT_DESCRIPTION = 15,
       EV_XID = 16,
       EV_BEGIN_LOAD_QUERY = 17,
       EV_EXECUTE_LOAD_QUERY = 18,
       EV_TABLE_MAP = 19,
       EV_WRITE_ROWS_V1 = 23,
       EV_UPDATE_ROWS_V1 = 24,
       EV_DELETE_ROWS_V1 = 25,
       EV_INCIDENT = 26,
       EV_HEARTBEAT = 27,
       EV_IGNORABLE = 28,
       EV_ROWS_QUERY = 29,
       EV_WRITE_ROWS = 30,
       EV_UPDATE_ROWS = 31,
       EV_DELETE_ROWS = 32,
       EV_GTID = 33,
       EV_ANONYMOUS_GTID = 34,
       EV_PREVIOUS_GTIDS = 35,
       EV_TRANSACTION_CONTEXT = 36,
       EV_VIEW_CHANGE = 37,
       EV_XA_PREPARE = 38,
       EV_PARTIAL_UPDATE_ROWS = 39,
       EV_TRANSACTION_PAYLOAD = 40,
       EV_HEARTBEAT_V2 = 41,
       EV_GTID_TAGGED = 42,
       EV_LARGE_TRANSACTION_HEADER = 43,
       EV_AURORA_PADDING = 100,
       EV_ANNOTATE_ROWS = 160,
       EV_BINLOG_CHECKPOINT = 161,
       EV_MARIADB_GTID = 162,
       EV_GTID_LIST = 163,
       EV_START_ENCRYPTION = 164,
       EV_QUERY_COMPRESSED = 165,
       EV_WRITE_ROWS_COMPRESSED_V1 = 166,
       EV_UPDATE_ROWS_COMPRESSED_V1 = 167,
       EV_DELETE_ROWS_COMPRESSED_V1 = 168,
       EV_WRITE_ROWS_COMPRESSED = 169,
       EV_UPDATE_ROWS_COMPRESSED = 170,
       EV_DELETE_ROWS_COMPRESSED = 171,
       EV_PARTIAL_ROW_DATA = 172
};

struct event_header {
    uint32_t timestamp; /* seconds; 0: artificial */
    uint32_t server_id;
    uint32_t length;   /* length of the whole event, header and checksum included */
    uint32_t next_pos; /* low 32 bits of where the next event begins; 0: not told */
    uint16_t flags;
    uint8_t type;
};

/* p: at least EVENT_HEADER_LEN bytes. */
static inline struct event_header event_header_read(const uint8_t *p)
{
    return (struct event_header){.timestamp = wire_u32(p),
                                 .type = p[4],
                                 .server_id = wire_u32(p + 5),
                                 .length = wire_u32(p + 9),
                                 .next_pos = wire_u32(p + 13),
                                 .flags = wire_u16(p + 17)};
}

#endif
