/* sinks/snapshot_mark.h — which of Debezium's markers a row of an initial copy has. Pure. */
#ifndef SLUICE_SINKS_SNAPSHOT_MARK_H
#define SLUICE_SINKS_SNAPSHOT_MARK_H

#include "cdc/vstream/initial_copy.h"
#include "sinks/format/encode.h"

/* last_row and first_row are about the row's part. The last row of all is "last" whatever else it
 * is; "first" comes before "last_in_data_collection". */
enum encode_snapshot sink_snapshot_mark(const struct vstream_copied *part, bool first_row,
                                        bool last_row);

#endif
