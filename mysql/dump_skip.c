/* mysql/dump_skip.c — counting through a log file to a position beyond 4 GiB.
 *
 * COM_BINLOG_DUMP carries 32 bits. For a later position the file is read from its beginning and
 * events are counted by their length. Artificial events (the rotate that opens a stream, a repeated
 * format description, heartbeats) are in no file: they are delivered and not counted. So are,
 * although they are counted, the format description and what a decoder needs before the first
 * transaction.
 */
#include "mysql/dump_backend.h"

#define HEADER_BYTES        19
#define FLAG_ARTIFICIAL     0x20u
#define EVENT_ROTATE        4
#define EVENT_FORMAT        15
#define EVENT_HEARTBEAT     27
#define EVENT_HEARTBEAT_V2  41
#define EVENT_START_ENCRYPT 164

static bool in_file(const uint8_t *event)
{
    unsigned flags = (unsigned)event[17] | (unsigned)event[18] << 8;
    return event[4] != EVENT_HEARTBEAT && event[4] != EVENT_HEARTBEAT_V2 &&
           !(flags & FLAG_ARTIFICIAL);
}

enum my_dump_skip_result my_dump_skip_event(struct my_dump_skip *s, const uint8_t *event, size_t n)
{
    if (s->wanted == 0 || n < HEADER_BYTES || !in_file(event))
        return MY_DUMP_DELIVER;
    if (s->at == s->wanted) {
        s->wanted = 0;
        return MY_DUMP_DELIVER;
    }
    s->at += n;
    if (s->at > s->wanted || event[4] == EVENT_ROTATE)
        return MY_DUMP_BAD_POSITION;
    return event[4] == EVENT_FORMAT || event[4] == EVENT_START_ENCRYPT ? MY_DUMP_DELIVER
                                                                       : MY_DUMP_SKIP;
}
