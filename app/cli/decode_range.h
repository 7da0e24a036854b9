/* app/cli/decode_range.h — which transactions of a log `sluice decode` shows: by time and by GTID.
 *
 * A log is cut between transactions only. Thread: one.
 */
#ifndef SLUICE_APP_CLI_DECODE_RANGE_H
#define SLUICE_APP_CLI_DECODE_RANGE_H

#include "cdc/log/decode.h"
#include "state/gtid.h"

struct decode_range {
    uint32_t start_time, stop_time;            /* seconds since 1970; 0: not given */
    struct gtid_set *start_gtids, *stop_gtids; /* NULL: not given */
    bool gtids_seen;                           /* this log announces transactions by GTID */
    bool outside;                              /* the transaction that is being read is not shown */
};

enum decode_pass { DECODE_SHOW, DECODE_LEAVE_OUT, DECODE_STOP };

/* "2026-01-02T03:04:05Z", "2026-01-02 03:04:05" (UTC) or seconds since 1970. */
bool decode_range_time(const char *text, uint32_t *out, struct err *e) WARN_UNUSED;
/* A set of MySQL's or MariaDB's kind. */
bool decode_range_gtids(const char *text, struct gtid_set **out, struct err *e) WARN_UNUSED;
bool decode_range_given(const struct decode_range *r); /* false: all is shown */
/* The event that comes next; d has been fed everything before it that was not left out. */
enum decode_pass decode_range_look(struct decode_range *r, const struct cdc_decoder *d,
                                   const uint8_t *event, size_t n);
void decode_range_fini(struct decode_range *r);

#endif
