/* sinks/snapshot_mark.c — the order of Debezium's conditions. */
#include "sinks/snapshot_mark.h"

enum encode_snapshot sink_snapshot_mark(const struct vstream_copied *part, bool first_row,
                                        bool last_row)
{
    bool first = first_row && part->begins, last = last_row && part->ends;
    if (last_row && part->is_last)
        return ENCODE_SNAPSHOT_LAST;
    if (first && part->first_table)
        return ENCODE_SNAPSHOT_FIRST;
    if (last)
        return ENCODE_SNAPSHOT_LAST_OF_TABLE;
    return first ? ENCODE_SNAPSHOT_FIRST_OF_TABLE : ENCODE_SNAPSHOT_ROW;
}
