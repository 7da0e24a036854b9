/* cdc/log/event_header.h — the 19 bytes at the head of every event of a binary log.
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

struct event_header {
    uint32_t timestamp; /* seconds; 0: artificial */
    uint32_t server_id;
    uint32_t length;   /* of the whole event, header and checksum with it */
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
