/* state/store.c — the SQLite file: opening, lock, migrations and every query.
 *
 * 1. One writer: all statements run under one mutex on one connection.
 * 2. Each change is one transaction; FULL makes it durable before the caller is told so.
 * 3. A migration and its number are committed together, so a crash leaves whole steps only.
 * Callbacks run after the mutex is released, on copied rows: they may use the store; that of
 * store_schema_each alone may not.
 */
#include "state/store.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/sys.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUSY_WAIT_MS 10000

struct store {
    pthread_mutex_t lock;
    sqlite3 *db;
    char *dir;
    int lock_fd;
    struct metric *checkpoint_seconds;
};

/* Number n is the n-th entry, from 1. Never change one that was released: append. */
static const char *const migrations[] = {
    "CREATE TABLE checkpoint (sink TEXT NOT NULL, keyspace TEXT NOT NULL, shard TEXT NOT NULL,"
    " position TEXT NOT NULL, data TEXT NOT NULL, acked_ms INTEGER NOT NULL,"
    " PRIMARY KEY (sink, keyspace, shard)) WITHOUT ROWID;"
    "CREATE TABLE document (space TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,"
    " changed_ms INTEGER NOT NULL, PRIMARY KEY (space, key)) WITHOUT ROWID;"
    "CREATE TABLE history (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, subject TEXT NOT NULL,"
    " kind TEXT NOT NULL, message TEXT NOT NULL);"
    "CREATE INDEX history_by_subject ON history (subject, id);"
    "CREATE TABLE dead_letter (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, sink TEXT NOT NULL,"
    " position TEXT NOT NULL, reason TEXT NOT NULL, record BLOB NOT NULL);"
    "CREATE INDEX dead_letter_by_sink ON dead_letter (sink, id);",
    "CREATE TABLE schema_version (id INTEGER PRIMARY KEY, server_uuid TEXT NOT NULL,"
    " db TEXT NOT NULL, name TEXT NOT NULL, from_file TEXT NOT NULL, seen_file TEXT NOT NULL,"
    " definition TEXT NOT NULL, from_pos INTEGER NOT NULL, seen_pos INTEGER NOT NULL,"
    " at_ms INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX schema_version_place ON schema_version"
    " (server_uuid, db, name, from_file, from_pos);",
    "ALTER TABLE schema_version ADD COLUMN seen_begun INTEGER NOT NULL DEFAULT 0;",
};
#define N_MIGRATIONS ((int)(sizeof migrations / sizeof migrations[0]))

/* --- errors ---------------------------------------------------------------------------------- */

static bool is_full(sqlite3 *db, int code)
{
    int number = sqlite3_system_errno(db);
    bool no_space = number == ENOSPC || number == EDQUOT;
    return (code & 0xff) == SQLITE_FULL || ((code & 0xff) == SQLITE_IOERR && no_space);
}

static bool fail(struct store *s, struct err *e, const char *what)
{
    int code = s->db ? sqlite3_extended_errcode(s->db) : SQLITE_NOMEM;
    const char *text = s->db ? sqlite3_errmsg(s->db) : "out of memory";
    if (s->db && is_full(s->db, code)) {
        err_set_native(e, ERR_DISK_FULL, ERR_CLASS_RETRY, code, "%s/state.db: cannot %s: %s",
                       s->dir, what, text);
        return err_cure(e, "make room on the file system of %s", s->dir);
    }
    bool busy = (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED;
    /* No descriptor, or no memory, for one of its files: for now. */
    bool passes = busy || (code & 0xff) == SQLITE_CANTOPEN || (code & 0xff) == SQLITE_NOMEM;
    err_set_native(e, ERR_STATE_DB, passes ? ERR_CLASS_RETRY : ERR_CLASS_FATAL, code,
                   "%s/state.db: cannot %s: %s", s->dir, what, text);
    if (busy)
        return err_cure(e, "end the other program that keeps %s/state.db locked", s->dir);
    if ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB)
        err_cure(e,
                 "move state.db, state.db-wal and state.db-shm out of %s and start again: sinks "
                 "find their positions with their data, workflows on the servers",
                 s->dir);
    return false;
}

/* --- statements ------------------------------------------------------------------------------ */

static bool run(struct store *s, const char *sql, struct err *e)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK || fail(s, e, "execute");
}

static void finalize(sqlite3_stmt **st)
{
    sqlite3_finalize(*st);
}
#define STATEMENT CLEANUP(finalize) sqlite3_stmt *

/* Prepares sql and binds n texts to ?1 … ?n; NULL on failure. */
static sqlite3_stmt *prepare(struct store *s, const char *sql, const char *const *texts, int n,
                             struct err *e)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) != SQLITE_OK) {
        fail(s, e, "prepare a statement");
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        if (sqlite3_bind_text(st, i + 1, texts[i], -1, SQLITE_TRANSIENT) != SQLITE_OK) {
            fail(s, e, "bind a value");
            sqlite3_finalize(st);
            return NULL;
        }
    }
    return st;
}

/* For statements without rows. */
static bool execute(struct store *s, sqlite3_stmt *st, const char *what, struct err *e)
{
    return sqlite3_step(st) == SQLITE_DONE || fail(s, e, what);
}

static const char *column(sqlite3_stmt *st, int i)
{
    const unsigned char *text = sqlite3_column_text(st, i);
    return text ? (const char *)text : "";
}

static void unlock(struct store **s)
{
    pthread_mutex_unlock(&(*s)->lock);
}

static struct store *locked(struct store *s)
{
    pthread_mutex_lock(&s->lock);
    return s;
}
/* Holds the mutex to the end of the block. */
#define LOCKED(s) CLEANUP(unlock) __attribute__((unused)) struct store *locked_ = locked(s)

/* --- opening --------------------------------------------------------------------------------- */

static bool fail_locked(struct store *s, struct err *e)
{
    char owner[256] = "";
    ssize_t n = pread(s->lock_fd, owner, sizeof owner - 1, 0);
    owner[n > 0 ? n : 0] = 0;
    owner[strcspn(owner, "\n")] = 0;
    err_set(e, ERR_STATE_LOCKED, "%s is used by %s", s->dir, owner[0] ? owner : "another process");
    return err_cure(e, "stop that process or set another state directory");
}

/* An open-file-description lock: it also holds against a second opening in this process, and the
 * kernel drops it however the process ends. */
static bool take_lock(struct store *s, struct err *e)
{
    CLEANUP(mem_free_ptr) char *path = mem_printf("%s/lock", s->dir);
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lock_fd < 0)
        return err_set_errno(e, ERR_IO, errno, "%s: cannot open: %s", path, strerror(errno));
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(s->lock_fd, F_OFD_SETLK, &whole) != 0)
        return fail_locked(s, e);
    char started[32];
    clock_format_ms(clock_wall_ms(), started, sizeof started);
    CLEANUP(mem_free_ptr)
    char *owner = mem_printf("process %d, started %s\n", (int)getpid(), started);
    /* Only for the reader of the message: a full disk must not keep the program from starting. */
    ssize_t n = ftruncate(s->lock_fd, 0) == 0 ? pwrite(s->lock_fd, owner, strlen(owner), 0) : 0;
    (void)n;
    return true;
}

static bool open_db(struct store *s, struct err *e)
{
    CLEANUP(mem_free_ptr) char *path = mem_printf("%s/state.db", s->dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set_errno(e, ERR_STATE_DB, errno, "%s: cannot open: %s", path, strerror(errno));
    close(fd); /* only created here, so that it is private from the start */
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &s->db, flags, NULL) != SQLITE_OK)
        return fail(s, e, "open");
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, BUSY_WAIT_MS);
    return run(s, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA trusted_schema=OFF", e);
}

static bool check_whole(struct store *s, struct err *e)
{
    STATEMENT st = prepare(s, "PRAGMA quick_check(1)", NULL, 0, e);
    if (!st)
        return false;
    if (sqlite3_step(st) != SQLITE_ROW)
        return fail(s, e, "check");
    if (strcmp(column(st, 0), "ok") == 0)
        return true;
    err_set_native(e, ERR_STATE_DB, ERR_CLASS_FATAL, SQLITE_CORRUPT,
                   "%s/state.db is damaged: %.200s", s->dir, column(st, 0));
    return err_cure(e,
                    "move state.db, state.db-wal and state.db-shm out of %s and start again: "
                    "sinks find their positions with their data, workflows on the servers",
                    s->dir);
}

static bool read_version(struct store *s, int *version, struct err *e)
{
    if (!run(s,
             "CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY,"
             " at_ms INTEGER NOT NULL)",
             e))
        return false;
    STATEMENT st = prepare(s, "SELECT coalesce(max(number), 0) FROM migration", NULL, 0, e);
    if (!st)
        return false;
    if (sqlite3_step(st) != SQLITE_ROW)
        return fail(s, e, "read the version");
    *version = sqlite3_column_int(st, 0);
    return true;
}

static void rollback(struct store *s)
{
    sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL); /* fails only when there is none */
}

static bool migrate_one(struct store *s, int number, struct err *e)
{
    STATEMENT st = NULL;
    if (!run(s, "BEGIN IMMEDIATE", e))
        return false;
    int version = 0;
    bool ok = read_version(s, &version, e);
    if (ok && version >= number) {
        rollback(s); /* another process was first */
        return true;
    }
    ok = ok && run(s, migrations[number - 1], e);
    if (ok) {
        st = prepare(s, "INSERT INTO migration VALUES (?1, ?2)", NULL, 0, e);
        ok = st != NULL;
    }
    if (ok) {
        sqlite3_bind_int(st, 1, number);
        sqlite3_bind_int64(st, 2, clock_wall_ms());
        ok = execute(s, st, "record a migration", e) && run(s, "COMMIT", e);
    }
    if (!ok)
        rollback(s);
    return ok;
}

static bool migrate(struct store *s, struct err *e)
{
    int version = 0;
    if (!read_version(s, &version, e))
        return false;
    if (version > N_MIGRATIONS) {
        err_set(e, ERR_STATE_NEWER, "%s/state.db has version %d, this program knows %d", s->dir,
                version, N_MIGRATIONS);
        return err_cure(e, "use the newer program, or another state directory");
    }
    for (int number = version + 1; number <= N_MIGRATIONS; number++)
        if (!migrate_one(s, number, e))
            return err_prepend(e, "migration %d", number);
    return true;
}

static struct store *store_new(const char *dir)
{
    struct store *s = mem_alloc(sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    s->dir = mem_strdup(dir);
    s->lock_fd = -1;
    s->checkpoint_seconds = metrics_get(METRIC_HISTOGRAM, "checkpoint_seconds", "",
                                        "Time to make a checkpoint durable.");
    return s;
}

struct store *store_open(const char *dir, struct err *e)
{
    struct store *s = store_new(dir);
    if (sys_mkdir_private(dir, e) && take_lock(s, e) && open_db(s, e) && check_whole(s, e) &&
        migrate(s, e))
        return s;
    store_close(s);
    return NULL;
}

struct store *store_open_shared(const char *dir, struct err *e)
{
    struct store *s = store_new(dir);
    if (sys_mkdir_private(dir, e) && open_db(s, e) && migrate(s, e))
        return s;
    store_close(s);
    return NULL;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    int rc = sqlite3_close(s->db);
    assert(rc == SQLITE_OK); /* every statement was finalised */
    (void)rc;
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    pthread_mutex_destroy(&s->lock);
    free(s->dir);
    free(s);
}

const char *store_dir(const struct store *s)
{
    return s->dir;
}

/* --- checkpoints ----------------------------------------------------------------------------- */

static bool write_checkpoint(struct store *s, const char *const *texts, struct err *e)
{
    STATEMENT st = prepare(s, "INSERT OR REPLACE INTO checkpoint VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                           texts, 5, e);
    if (!st)
        return false;
    sqlite3_bind_int64(st, 6, clock_wall_ms());
    return execute(s, st, "write a checkpoint", e) &&
           FAULT_POINT("state.checkpoint.before_commit", e);
}

bool store_checkpoint_put(struct store *s, const char *sink, const char *keyspace,
                          const char *shard, const struct position *pos, const char *data,
                          struct err *e)
{
    CLEANUP(mem_free_ptr) char *text = position_text(pos);
    const char *texts[] = {sink, keyspace, shard, text, data ? data : ""};
    int64_t start_us = clock_mono_us();
    LOCKED(s);
    if (!run(s, "BEGIN IMMEDIATE", e))
        return false;
    if (!write_checkpoint(s, texts, e) || !run(s, "COMMIT", e)) {
        rollback(s);
        return false;
    }
    metric_observe(s->checkpoint_seconds, (double)(clock_mono_us() - start_us) / 1e6);
    return FAULT_POINT("state.checkpoint.after_commit", e);
}

bool store_checkpoint_get(struct store *s, const char *sink, const char *keyspace,
                          const char *shard, struct position *pos, struct buf *data, bool *found,
                          struct err *e)
{
    const char *texts[] = {sink, keyspace, shard};
    LOCKED(s);
    STATEMENT st = prepare(
        s, "SELECT position, data FROM checkpoint WHERE sink = ?1 AND keyspace = ?2 AND shard = ?3",
        texts, 3, e);
    if (!st)
        return false;
    int rc = sqlite3_step(st);
    *found = rc == SQLITE_ROW;
    if (rc == SQLITE_DONE)
        return true;
    if (rc != SQLITE_ROW)
        return fail(s, e, "read a checkpoint");
    if (data)
        buf_put_str(data, column(st, 1));
    return position_parse(column(st, 0), pos, e) ||
           err_prepend(e, "checkpoint of %s for %s/%s", sink, keyspace, shard);
}

/* One statement that changes rows; texts are ?1 … ?n. */
static bool change(struct store *s, const char *sql, const char *const *texts, int n, struct err *e)
{
    LOCKED(s);
    STATEMENT st = prepare(s, sql, texts, n, e);
    return st && execute(s, st, "write", e);
}

bool store_checkpoint_delete(struct store *s, const char *sink, struct err *e)
{
    return change(s, "DELETE FROM checkpoint WHERE sink = ?1", &sink, 1, e);
}

/* --- documents ------------------------------------------------------------------------------- */

bool store_doc_put(struct store *s, const char *space, const char *key, const char *value,
                   struct err *e)
{
    const char *texts[] = {space, key, value};
    LOCKED(s);
    STATEMENT st =
        prepare(s, "INSERT OR REPLACE INTO document VALUES (?1, ?2, ?3, ?4)", texts, 3, e);
    if (!st)
        return false;
    sqlite3_bind_int64(st, 4, clock_wall_ms());
    return execute(s, st, "write a document", e);
}

bool store_doc_get(struct store *s, const char *space, const char *key, struct buf *out,
                   bool *found, struct err *e)
{
    const char *texts[] = {space, key};
    LOCKED(s);
    STATEMENT st =
        prepare(s, "SELECT value FROM document WHERE space = ?1 AND key = ?2", texts, 2, e);
    if (!st)
        return false;
    int rc = sqlite3_step(st);
    *found = rc == SQLITE_ROW;
    if (rc == SQLITE_DONE)
        return true;
    if (rc != SQLITE_ROW)
        return fail(s, e, "read a document");
    return buf_put_str(out, column(st, 0)) ||
           err_set(e, ERR_LIMIT, "the document %s %s is too large", space, key);
}

bool store_doc_delete(struct store *s, const char *space, const char *key, struct err *e)
{
    const char *texts[] = {space, key};
    return change(s, "DELETE FROM document WHERE space = ?1 AND key = ?2", texts, 2, e);
}

struct row {
    int64_t number;
    char *first, *second;
};
struct rows {
    struct row *items;
    size_t n, cap;
};

static void rows_fini(struct rows *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free(r->items[i].first);
        free(r->items[i].second);
    }
    free(r->items);
}

/* Reads all rows (integer, text, text) of a prepared statement. */
static bool collect(struct store *s, sqlite3_stmt *st, struct rows *out, struct err *e)
{
    int rc;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        if (out->n == out->cap) {
            out->cap = out->cap ? 2 * out->cap : 16;
            out->items = mem_realloc(out->items, out->cap, sizeof *out->items);
        }
        out->items[out->n++] = (struct row){.number = sqlite3_column_int64(st, 0),
                                            .first = mem_strdup(column(st, 1)),
                                            .second = mem_strdup(column(st, 2))};
    }
    return rc == SQLITE_DONE || fail(s, e, "read");
}

static bool collect_documents(struct store *s, const char *space, struct rows *out, struct err *e)
{
    LOCKED(s);
    STATEMENT st =
        prepare(s, "SELECT changed_ms, key, value FROM document WHERE space = ?1 ORDER BY key",
                &space, 1, e);
    return st && collect(s, st, out, e);
}

bool store_doc_each(struct store *s, const char *space,
                    bool (*fn)(void *ctx, const char *key, const char *value), void *ctx,
                    struct err *e)
{
    CLEANUP(rows_fini) struct rows rows = {0};
    if (!collect_documents(s, space, &rows, e))
        return false;
    for (size_t i = 0; i < rows.n; i++)
        if (!fn(ctx, rows.items[i].first, rows.items[i].second))
            break;
    return true;
}

static bool collect_checkpoints(struct store *s, const char *sink, struct rows *out, struct err *e)
{
    LOCKED(s);
    STATEMENT st = prepare(
        s, "SELECT 0, keyspace, shard FROM checkpoint WHERE sink = ?1 ORDER BY 2, 3", &sink, 1, e);
    return st && collect(s, st, out, e);
}

bool store_checkpoint_each(struct store *s, const char *sink,
                           bool (*fn)(void *ctx, const char *keyspace, const char *shard),
                           void *ctx, struct err *e)
{
    CLEANUP(rows_fini) struct rows rows = {0};
    if (!collect_checkpoints(s, sink, &rows, e))
        return false;
    for (size_t i = 0; i < rows.n; i++)
        if (!fn(ctx, rows.items[i].first, rows.items[i].second))
            break;
    return true;
}

/* --- history and dead letters ---------------------------------------------------------------- */

bool store_log_append(struct store *s, const char *subject, const char *kind, const char *message,
                      struct err *e)
{
    const char *texts[] = {subject, kind, message};
    LOCKED(s);
    STATEMENT st =
        prepare(s, "INSERT INTO history (subject, kind, message, at_ms) VALUES (?1, ?2, ?3, ?4)",
                texts, 3, e);
    if (!st)
        return false;
    sqlite3_bind_int64(st, 4, clock_wall_ms());
    return execute(s, st, "write history", e);
}

static bool collect_history(struct store *s, const char *subject, unsigned limit, struct rows *out,
                            struct err *e)
{
    LOCKED(s);
    STATEMENT st = prepare(s,
                           "SELECT at_ms, kind, message FROM history WHERE subject = ?1"
                           " ORDER BY id DESC LIMIT ?2",
                           &subject, 1, e);
    if (!st)
        return false;
    sqlite3_bind_int64(st, 2, limit);
    return collect(s, st, out, e);
}

bool store_log_each(struct store *s, const char *subject, unsigned limit,
                    bool (*fn)(void *ctx, int64_t wall_ms, const char *kind, const char *message),
                    void *ctx, struct err *e)
{
    CLEANUP(rows_fini) struct rows rows = {0};
    if (!collect_history(s, subject, limit, &rows, e))
        return false;
    for (size_t i = 0; i < rows.n; i++)
        if (!fn(ctx, rows.items[i].number, rows.items[i].first, rows.items[i].second))
            break;
    return true;
}

/* --- schema versions ------------------------------------------------------------------------- */

static bool write_schema(struct store *s, const struct store_schema *v, struct err *e)
{
    const char *texts[] = {v->server_uuid, v->db,        v->name,
                           v->from_file,   v->seen_file, v->definition};
    STATEMENT put = prepare(
        s,
        "INSERT INTO schema_version (server_uuid, db, name, from_file, seen_file, definition,"
        " from_pos, seen_pos, at_ms, seen_begun)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        " ON CONFLICT (server_uuid, db, name, from_file, from_pos) DO UPDATE SET"
        " seen_file = excluded.seen_file, seen_pos = excluded.seen_pos,"
        " definition = excluded.definition, at_ms = excluded.at_ms,"
        " seen_begun = excluded.seen_begun",
        texts, 6, e);
    if (!put)
        return false;
    sqlite3_bind_int64(put, 7, (sqlite3_int64)v->from_pos);
    sqlite3_bind_int64(put, 8, (sqlite3_int64)v->seen_pos);
    sqlite3_bind_int64(put, 9, clock_wall_ms());
    sqlite3_bind_int64(put, 10, v->seen_begun);
    if (!execute(s, put, "write a schema version", e))
        return false;
    STATEMENT prune = prepare(s,
                              "DELETE FROM schema_version WHERE server_uuid = ?1 AND db = ?2"
                              " AND name = ?3 AND id NOT IN (SELECT id FROM schema_version WHERE"
                              " server_uuid = ?1 AND db = ?2 AND name = ?3 ORDER BY id DESC"
                              " LIMIT 32)",
                              texts, 3, e);
    return prune && execute(s, prune, "remove old schema versions", e);
}

bool store_schema_put(struct store *s, const struct store_schema *v, struct err *e)
{
    LOCKED(s);
    if (!run(s, "BEGIN IMMEDIATE", e))
        return false;
    if (write_schema(s, v, e) && run(s, "COMMIT", e))
        return true;
    rollback(s);
    return false;
}

bool store_schema_each(struct store *s, const char *server_uuid,
                       void (*fn)(void *ctx, const struct store_schema *v), void *ctx,
                       struct err *e)
{
    LOCKED(s);
    STATEMENT st = prepare(s,
                           "SELECT db, name, from_file, seen_file, definition, from_pos, seen_pos,"
                           " seen_begun FROM schema_version WHERE server_uuid = ?1 ORDER BY id",
                           &server_uuid, 1, e);
    if (!st)
        return false;
    int rc;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        const struct store_schema v = {.server_uuid = server_uuid,
                                       .db = column(st, 0),
                                       .name = column(st, 1),
                                       .from_file = column(st, 2),
                                       .seen_file = column(st, 3),
                                       .definition = column(st, 4),
                                       .from_pos = (uint64_t)sqlite3_column_int64(st, 5),
                                       .seen_pos = (uint64_t)sqlite3_column_int64(st, 6),
                                       .seen_begun = (uint32_t)sqlite3_column_int64(st, 7)};
        fn(ctx, &v);
    }
    return rc == SQLITE_DONE || fail(s, e, "read schema versions");
}

bool store_dead_letter(struct store *s, const char *sink, const char *position, const char *reason,
                       const void *record, size_t n, struct err *e)
{
    const char *texts[] = {sink, position, reason};
    LOCKED(s);
    STATEMENT st = prepare(s,
                           "INSERT INTO dead_letter (sink, position, reason, record, at_ms)"
                           " VALUES (?1, ?2, ?3, ?4, ?5)",
                           texts, 3, e);
    if (!st)
        return false;
    if (sqlite3_bind_blob64(st, 4, n ? record : "", n, SQLITE_STATIC) != SQLITE_OK)
        return fail(s, e, "bind a record");
    sqlite3_bind_int64(st, 5, clock_wall_ms());
    return execute(s, st, "write a dead letter", e);
}
