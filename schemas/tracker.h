/* schemas/tracker.h — definitions of one source's tables at places of its log, where the log does
 * not say them (binlog_row_metadata MINIMAL, NO_LOG). Never guessed: proven, or refused.
 *
 * A place is where a transaction begins, in the files of one server's log. Files and offsets come
 * again when a log was reset or restored, so a place says when its file was begun, and what was
 * recorded is used only after the server has shown that it has that place. A caller that stands in the
 * log gives the span that it has read: its end is the place that it asks about, and all DDL of the
 * span was given to the tracker.
 *
 * Thread: any, for all functions; they lock, and one at a time asks the server.
 */
#ifndef SLUICE_SCHEMAS_TRACKER_H
#define SLUICE_SCHEMAS_TRACKER_H

#include "schemas/ddl_touch.h"
#include "schemas/inspect_log.h"
#include "schemas/table.h"
#include "state/store.h"

struct schema_tracker;
/* Definitions, and the ends that the log had before and after they were read: they contain every
 * DDL that is before `since`, and none that is at or behind `end`. */
struct tracker_reading {
    struct schema_list list;
    struct log_place since, end;
};
struct schema_tracker_ops {
    /* The table now (none: there is no such table), or with NULL all tables of db; out is zero. An
     * error (not UNKNOWN) means that it may be tried again. */
    bool (*inspect)(void *ctx, const char *db, const char *name, struct tracker_reading *out,
                    struct err *e);
    /* Reads the log from a place to at least another and gives each DDL to schema_tracker_found. */
    bool (*scan)(void *ctx, struct schema_tracker *t, const struct log_place *from,
                 const struct log_place *to, struct err *e);
    /* Where a file of the server's log ends now; *end's file "": there is no such file. */
    bool (*look)(void *ctx, const char *file, struct log_place *end, struct err *e);
};

/* store: where versions are kept, borrowed; NULL: in memory only. */
struct schema_tracker *schema_tracker_new(const struct schema_tracker_ops *ops,
                                          struct store *store);
/* Another store (or the first), before the next call of schema_tracker_session. */
void schema_tracker_use(struct schema_tracker *t, struct store *store);
void schema_tracker_free(struct schema_tracker *t);
/* A session begins to read the log of that server (up to 63 bytes that tell it from others). What
 * is known of another log, another server's or this one's before it was begun anew, is forgotten;
 * what is stored for this server is asked for again. *log: a number of the log. */
bool schema_tracker_session(struct schema_tracker *t, const char *server, void *ctx, unsigned *log,
                            struct err *e) WARN_UNUSED;
/* The number of the log that the last session began with. A session with another one is of a log
 * that is gone: it must not call any more. */
unsigned schema_tracker_log(struct schema_tracker *t);
/* Before a reader reads on: the definitions of all tables of db are read, once a server, so that
 * rows that are in the log by now, or come next, are known also when a DDL follows at once. */
bool schema_tracker_begin(struct schema_tracker *t, const char *db, void *ctx,
                          struct err *e) WARN_UNUSED;
/* A reader passed a DDL. ask: the server's definitions of its tables are read at once, so that they
 * are known also when further DDL follows before the next row. What cannot be had stays unknown. */
void schema_tracker_ddl(struct schema_tracker *t, const struct log_span *span,
                        const struct ddl_text *ddl, bool ask, void *ctx);
/* The definition of the log's table at the end of the span: a new reference. NULL: ERR_SCHEMA_UNKNOWN with the
 * reason and the cure, or an error of the ops. */
const struct schema_table *schema_tracker_definition(struct schema_tracker *t,
                                                     const struct log_span *span,
                                                     const struct schema_table *log, void *ctx,
                                                     struct err *e);
/* The same for a table whose names the log has, but not all of its types (columns with type_open):
 * a new reference to a table of the log's columns, in which these are as they are. Known beyond
 * what is proven as a whole: a column that no DDL between the place and a known definition may have
 * changed (schemas/ddl_columns.h). */
const struct schema_table *schema_tracker_types(struct schema_tracker *t,
                                                const struct log_span *span,
                                                const struct schema_table *log, void *ctx,
                                                struct err *e);
/* A reader has read the span; what is known to hold there is stored. */
void schema_tracker_seen(struct schema_tracker *t, const struct log_span *span);
/* Only for ops.scan, which runs under the tracker's lock. */
void schema_tracker_found(struct schema_tracker *t, const struct log_place *at,
                          const struct ddl_text *ddl);

#endif
