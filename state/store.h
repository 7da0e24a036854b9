/* state/store.h — the SQLite file <state>/state.db: checkpoints of sinks, cache and history of
 * workflows, sink definitions, schema versions, dead letters.
 *
 * WAL, synchronous FULL, one writer (a mutex), numbered migrations in one table, refused when
 * written by a newer version. The directory is locked (fcntl) by one process; the lock file names
 * it. The truth about workflows is on the servers; this is their cache. Thread: any
 * (internally locked). SQLITE_BUSY from foreign processes is waited out (bounded).
 */
#ifndef SLUICE_STATE_STORE_H
#define SLUICE_STATE_STORE_H

#include "state/position.h"

struct store;
/* Beside another process that may have the directory: only for schema versions. NULL with an error
 * when the file cannot be had. */
struct store *store_open_shared(const char *dir, struct err *e) WARN_UNUSED;
/* dir is created 0700. ERR_STATE_LOCKED names the other process's pid and start time. */
struct store *store_open(const char *dir, struct err *e) WARN_UNUSED;
void store_close(struct store *s);
const char *store_dir(const struct store *s);

/* Checkpoint of one sink and source shard. data: sink-specific JSON ("" if none). acked_ms: wall
 * time. Durable when it returns true. ERR_DISK_FULL (RETRY) when there is no space. */
bool store_checkpoint_put(struct store *s, const char *sink, const char *keyspace,
                          const char *shard, const struct position *pos, const char *data,
                          struct err *e) WARN_UNUSED;
/* *found false when there is none. data may be NULL, else initialised. */
bool store_checkpoint_get(struct store *s, const char *sink, const char *keyspace,
                          const char *shard, struct position *pos, struct buf *data, bool *found,
                          struct err *e) WARN_UNUSED;
/* Calls fn for each place that the sink has a checkpoint of, until it returns false. */
bool store_checkpoint_each(struct store *s, const char *sink,
                           bool (*fn)(void *ctx, const char *keyspace, const char *shard),
                           void *ctx, struct err *e) WARN_UNUSED;
bool store_checkpoint_delete(struct store *s, const char *sink, struct err *e) WARN_UNUSED;

/* Small named documents: sinks made by `sink create`, paused flags, routing version, vdiff reports.
 * space: "sink", "routing", "workflow", "vdiff" …; key within it; value JSON text. */
bool store_doc_put(struct store *s, const char *space, const char *key, const char *value,
                   struct err *e) WARN_UNUSED;
bool store_doc_get(struct store *s, const char *space, const char *key, struct buf *out,
                   bool *found, struct err *e) WARN_UNUSED;
bool store_doc_delete(struct store *s, const char *space, const char *key,
                      struct err *e) WARN_UNUSED;
/* Calls fn for each document of the space in key order; fn returns false to stop. */
bool store_doc_each(struct store *s, const char *space,
                    bool (*fn)(void *ctx, const char *key, const char *value), void *ctx,
                    struct err *e) WARN_UNUSED;

/* History of what happened: appended, newest first on reading. */
bool store_log_append(struct store *s, const char *subject, const char *kind, const char *message,
                      struct err *e) WARN_UNUSED;
bool store_log_each(struct store *s, const char *subject, unsigned limit,
                    bool (*fn)(void *ctx, int64_t wall_ms, const char *kind, const char *message),
                    void *ctx, struct err *e) WARN_UNUSED;

/* The versions of tables that a schema tracker recorded for one server (uuid). A version holds from
 * one place of that server's log to another, both included; definition: JSON. */
struct store_schema {
    const char *server_uuid, *db, *name;
    const char *from_file, *seen_file;
    uint64_t from_pos, seen_pos;
    uint32_t seen_begun; /* when seen_file was begun, as in log_id; 0: not known */
    const char *definition;
};
/* Replaces the version of the same table that begins at the same place; of the others of that table
 * the newest 32 are kept. */
bool store_schema_put(struct store *s, const struct store_schema *v, struct err *e) WARN_UNUSED;
/* Oldest records first; v is borrowed for the call, which may not use the store. */
bool store_schema_each(struct store *s, const char *server_uuid,
                       void (*fn)(void *ctx, const struct store_schema *v), void *ctx,
                       struct err *e) WARN_UNUSED;

bool store_dead_letter(struct store *s, const char *sink, const char *position, const char *reason,
                       const void *record, size_t n, struct err *e) WARN_UNUSED;

#endif
