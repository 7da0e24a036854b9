/* app/cli/decode_run.h — a log, from files or from a server, to records or raw lines on stdout, and
 * figures.
 *
 * One thread: source → decoder → batch → encoder → a write buffer. With figures alone (format none)
 * and in format raw, changes that cannot be decoded are counted, not fatal, so that any log can be
 * looked at; raw prints the events as they lie in the log and decodes them only to count rows.
 */
#ifndef SLUICE_APP_CLI_DECODE_RUN_H
#define SLUICE_APP_CLI_DECODE_RUN_H

#include "app/cli/decode_range.h"
#include "app/cli/decode_stats.h"
#include "cdc/log/event_text.h"
#include "cdc/log/source.h"
#include "cdc/vstream/committed.h"
#include "sinks/format/encode.h"

struct decode_run { /* the first part is the caller's */
    const char *format, *prefix;
    const char *tables; /* "db.table,db.*,table"; NULL: all */
    uint64_t start_pos, stop_pos;
    struct decode_range range;
    bool verify, show_stats, tx;
    bool warn_of_statements; /* those in the log instead of rows are passed over with a warning */
    bool live; /* the source is a server: then is_end is asked after each event, heartbeats included
                */
    bool (*is_end)(void *ctx, struct cdc_source *s, const struct cdc_decoder *d);
    void *is_end_ctx;

    bool raw;
    const struct encoder_ops *ops;
    struct encoder *encoder;
    struct encode_context context;
    char *spill_dir;
    struct committed *committed; /* transactions that count: what is shown is taken from it */
    size_t n_lost;               /* transactions without an end */
    struct position pos;
    struct cdc_row *before, *after;
    struct buf out;
    struct decode_stats *stats;   /* NULL: not wanted */
    struct event_text *text;      /* what format raw has read so far; NULL in other formats */
    char file[POSITION_FILE_MAX]; /* where the event that is being shown lies */
    uint64_t offset;
};

/* Once format, prefix and show_stats are set. */
bool decode_run_open(struct decode_run *r, struct err *e) WARN_UNUSED;
/* What the decoder of this run is made with; borrows r. */
struct cdc_decode_options decode_run_options(struct decode_run *r);
/* To the end; what was decoded is written. Figures go to stderr, after a failure too. */
bool decode_run_source(struct decode_run *r, struct cdc_source *s, struct cdc_decoder *d,
                       struct err *e) WARN_UNUSED;
void decode_run_fini(struct decode_run *r);

#endif
