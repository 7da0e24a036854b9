/* cdc/log/event_text.h — one event of a binary log as one line of text, for people and for grep.
 *
 * "binlog.000002:313 TABLE_MAP_EVENT size=47 server_id=1 time=2026-01-02T03:04:05Z end=360 crc=ok
 * table_id=18 table=shop.orders columns=4". Nothing is decoded beyond the event itself, so that
 * events which the decoder refuses are shown too; bytes that do not make sense are shown as
 * `malformed`. Texts stand in double quotes, escaped as in JSON. Thread: one at a time.
 */
#ifndef SLUICE_CDC_LOG_EVENT_TEXT_H
#define SLUICE_CDC_LOG_EVENT_TEXT_H

#include "base/buf.h"
#include "state/gtid.h"

struct event_text; /* remembers the checksum's algorithm and the names of table ids */
struct event_text *event_text_new(void);
void event_text_free(struct event_text *t);
/* event: header, body and checksum, n ≥ 0 bytes; file: NULL or where it begins. Appends without a
 * line end. */
void event_text_line(struct event_text *t, const char *file, uint64_t offset, const uint8_t *event,
                     size_t n, struct buf *out);

/* What an event is to whoever cuts a log between transactions. */
enum event_kind {
    EVENT_KIND_FILE, /* of the file: format description, rotation, sets of GTIDs, heartbeats … */
    EVENT_KIND_GTID, /* announces a transaction; *gtid: NONE for an anonymous one */
    EVENT_KIND_QUERY,
    EVENT_KIND_OTHER
};
enum event_kind event_text_kind(const uint8_t *event, size_t n, uint32_t *timestamp,
                                struct gtid *gtid);

#endif
