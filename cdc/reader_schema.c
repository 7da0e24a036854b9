/* cdc/reader_schema.c — what table maps do not say, asked from the live server: the tracker's eyes.
 *
 * Names, signs and labels where the metadata is not FULL come from the tracker (schemas/tracker.h),
 * for which this file reads definitions between two ends of the log, and scans the log for DDL.
 * With FULL metadata only what MariaDB's log leaves open is asked for.
 *
 * ▶ information_schema alone may show a table as it was before a DDL that is in the log already
 * (the log is written before the change is visible). SHOW CREATE TABLE waits for such a DDL, which
 * holds its lock on the table until its change can be seen; so what is read after it has all DDL
 * that was in the log before. What comes while it is read is in the log before the end that is
 * asked for afterwards. Nothing is held meanwhile, because a lock that keeps DDL away waits for
 * LOCK TABLES … WRITE: as long as a dump is loaded.
 *
 * One connection a reader, made when it is first needed. It must be on the server whose log the
 * session reads: compared once a session and after each connect.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cdc/reader_definition.h"
#include "cdc/reader_internal.h"
#include "schemas/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LOCK_WAIT_S         5
#define ASK_TIMEOUT_MS      60000
#define NO_SUCH_TABLE       1146
#define NO_SUCH_DATABASE    1049
#define SCAN_ROUNDS         50 /* for the server's dump to show what its own status shows */
#define SCAN_ROUND_PAUSE_MS 100

static void disconnect(struct cdc_reader *r)
{
    my_close(r->schema_conn);
    r->schema_conn = NULL;
    r->schema_server[0] = 0;
}

/* ---- which server ---- */

static bool identify(struct cdc_reader *r, struct err *e)
{
    const struct my_server *s = my_conn_server(r->schema_conn);
    char *text CLEANUP(mem_free_ptr) = NULL;
    if (s->server_uuid[0]) {
        snprintf(r->schema_server, sizeof r->schema_server, "%s", s->server_uuid);
        return true;
    }
    if (!my_query_text(r->schema_conn,
                       "SELECT CONCAT('mariadb-', MD5(CONCAT_WS('/', @@server_id, @@hostname, "
                       "@@port, @@datadir)))",
                       &text, e))
        return false;
    snprintf(r->schema_server, sizeof r->schema_server, "%s", text ? text : "mariadb");
    return true;
}

static bool log_end(struct my_conn *c, struct log_place *out, struct err *e)
{
    struct position now = POSITION_INIT;
    bool ok = my_current_position(c, &now, e);
    if (ok)
        *out = reader_log_place(now.file, now.pos, NULL);
    position_fini(&now);
    return ok;
}

/* Asked for behind the end itself: of a log that was begun anew in between it is another one. */
static bool end_begun(struct my_conn *c, struct log_place *end, struct err *e)
{
    bool there;
    if (!my_log_begun(c, end->file, &end->begun, &there, e))
        return false;
    return there || err_set_native(e, ERR_SRC_PURGED, ERR_CLASS_RETRY, 0, "%s was removed just now",
                                   end->file);
}

static bool connect_schema(struct cdc_reader *r, struct err *e)
{
    if (r->schema_conn && my_ping(r->schema_conn, e))
        return true;
    err_clear(e);
    disconnect(r);
    r->schema_conn = my_connect_within(&r->shard->primary, "schema", ASK_TIMEOUT_MS, e);
    bool ok = r->schema_conn &&
              my_execf(r->schema_conn, e, "SET SESSION lock_wait_timeout = %d", LOCK_WAIT_S) &&
              identify(r, e);
    if (!ok)
        disconnect(r);
    return ok;
}

/* Servers without the setting never write names. */
static bool log_has_names(struct my_conn *c)
{
    struct err ignored = ERR_INIT;
    char *value CLEANUP(mem_free_ptr) = NULL;
    return my_query_text(c, "SELECT @@global.binlog_row_metadata", &value, &ignored) && value &&
           strcasecmp(value, "FULL") == 0;
}

/* MariaDB's log never tells all types. */
static bool log_says_all(struct my_conn *c)
{
    return my_conn_server(c)->flavor != MY_FLAVOR_MARIADB && log_has_names(c);
}

/* Not touched for servers whose log says all. */
static void open_store(struct cdc_reader *r)
{
    struct err e = ERR_INIT;
    if (r->store_tried || !r->o.state_dir || log_says_all(r->schema_conn))
        return;
    r->store_tried = true;
    r->own_store = store_open_shared(r->o.state_dir, &e);
    if (r->own_store)
        schema_tracker_use(r->tracker, r->own_store);
    else
        log_err(LOG_DEBUG, "schema", &e);
}

/* Another session has found another log since. */
static bool is_of_this_log(const struct feed *f, struct err *e)
{
    struct cdc_reader *r = f->reader;
    return schema_tracker_log(r->tracker) == f->schema_log ||
           err_set_native(e, ERR_SRC_IDENTITY, ERR_CLASS_RETRY, 0,
                          "%s has another log than the one that is read",
                          r->shard->primary_address ? r->shard->primary_address : "the source");
}

/* The connection is on the session's server, and the tracker knows which one that is. */
static bool meet(struct feed *f, struct err *e)
{
    struct cdc_reader *r = f->reader;
    const struct my_server *log = f->source ? reader_source_server(f->source) : NULL;
    if (!connect_schema(r, e))
        return false;
    if (log && !reader_same_server(my_conn_server(r->schema_conn), log)) {
        disconnect(r);
        if (!connect_schema(r, e))
            return false;
    }
    bool other = log && !reader_same_server(my_conn_server(r->schema_conn), log);
    if (f->schema_server[0] && strcmp(f->schema_server, r->schema_server) != 0)
        other = true;
    if (other)
        return err_set_native(e, ERR_SRC_IDENTITY, ERR_CLASS_RETRY, 0,
                              "%s leads to another server than the one whose log is read",
                              r->shard->primary_address ? r->shard->primary_address : "the source");
    open_store(r);
    if (!f->schema_server[0]) {
        if (!schema_tracker_session(r->tracker, r->schema_server, f, &f->schema_log, e))
            return false;
        snprintf(f->schema_server, sizeof f->schema_server, "%s", r->schema_server);
    }
    return is_of_this_log(f, e);
}

/* ---- the definition now ---- */

/* Returns when the DDL that the log has of the table can be seen, or there is no such table. */
static bool await_ddl(struct my_conn *c, const char *db, const char *name, struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = BUF_INIT;
    buf_put_str(&sql, "SHOW CREATE TABLE ");
    buf_put_table_name(&sql, db, name);
    struct my_result *res = my_query(c, buf_str(&sql), e);
    my_result_free(res);
    if (res)
        return true;
    if (e->native != NO_SUCH_TABLE && e->native != NO_SUCH_DATABASE)
        return false;
    err_clear(e);
    return true;
}

/* MariaDB's information_schema opens each table, and waits by itself. */
static bool await_all(struct feed *f, const char *db, struct err *e)
{
    struct my_conn *c = f->reader->schema_conn;
    char **names;
    size_t n;
    if (my_conn_server(c)->flavor == MY_FLAVOR_MARIADB)
        return true;
    bool ok = schema_list_tables(c, db, &names, &n, e);
    for (size_t i = 0; ok && i < n; i++) {
        if (reader_feed_stopping(f))
            ok = err_set(e, ERR_SHUTDOWN, "the reader was stopped");
        else if (!await_ddl(c, db, names[i], e) && e->class_ == ERR_CLASS_RETRY)
            ok = false;
    }
    schema_names_free(names, n);
    if (ok)
        err_clear(e); /* of a table that is not for us: it is not shown either */
    return ok;
}

static bool read_between(struct feed *f, const char *db, const char *name,
                         struct tracker_reading *out, struct err *e)
{
    struct my_conn *c = f->reader->schema_conn;
    return log_end(c, &out->since, e) && end_begun(c, &out->since, e) &&
           (name ? await_ddl(c, db, name, e) : await_all(f, db, e)) &&
           schema_inspect_logged(c, db, name, &out->list, e) && log_end(c, &out->end, e) &&
           end_begun(c, &out->end, e);
}

static bool inspect(void *ctx, const char *db, const char *name, struct tracker_reading *out,
                    struct err *e)
{
    if (read_between(ctx, db, name, out, e))
        return true;
    if (e->class_ == ERR_CLASS_RETRY)
        return false;
    struct err why = *e; /* only this table cannot be asked for: no privilege, a view */
    err_set(e, ERR_SCHEMA_UNKNOWN, "its definition is not known: %.1000s", why.text);
    return err_cure(e, "%s", why.cure[0] ? why.cure : "set binlog_row_metadata=FULL");
}

/* ---- reading the log for DDL ---- */

static bool scan_ddl(void *ctx, const struct log_span *seen, const struct cdc_change *ddl,
                     struct err *e)
{
    (void)e;
    schema_tracker_found(ctx, &seen->to, &ddl->ddl);
    return true;
}

static bool scan_rounds(struct reader_scan *s, struct err *e)
{
    for (unsigned i = 0; i < SCAN_ROUNDS; i++) {
        bool ok = reader_scan(s, e);
        reader_scan_fini(s);
        if (!ok || s->reached)
            return ok;
        clock_sleep_ms(SCAN_ROUND_PAUSE_MS, NULL);
    }
    return err_set_native(e, ERR_SRC_DUMP, ERR_CLASS_RETRY, 0,
                          "the log ends before %s:%llu, which the server has written", s->to.file,
                          (unsigned long long)s->to.pos);
}

static bool scan(void *ctx, struct schema_tracker *t, const struct log_place *from,
                 const struct log_place *to, struct err *e)
{
    struct feed *f = ctx;
    struct topology *topo = f->reader->topo;
    struct reader_scan s = {.reader = f->reader,
                            .feed = f,
                            .from = *from,
                            .to = *to,
                            .options = {.ddl = scan_ddl, .schema_ctx = t}};
    if (!f->reader->schema_conn)
        return err_set_native(e, ERR_DB_LOST, ERR_CLASS_RETRY, 0, "the connection was lost");
    if (!topo || !topology_server_id_take(topo, &s.server_id, e))
        return topo ? false : err_set(e, ERR_SCHEMA_UNKNOWN, "there is no server id for a scan");
    log_debug("schema", "reading %s:%llu to %s:%llu for DDL", from->file,
              (unsigned long long)from->pos, to->file, (unsigned long long)to->pos);
    s.server = my_conn_server(f->reader->schema_conn);
    bool ok = scan_rounds(&s, e);
    topology_server_id_give(topo, s.server_id);
    if (ok || e->code != ERR_SRC_PURGED)
        return ok;
    err_set(e, ERR_SCHEMA_UNKNOWN,
            "its definition is not known: the log from %s:%llu on, which may hold a DDL, is purged",
            from->file, (unsigned long long)from->pos);
    return err_cure(e, "start at a later position with a new copy, and set "
                       "binlog_row_metadata=FULL");
}

/* ---- the decoder's questions ---- */

static bool look(void *ctx, const char *file, struct log_place *end, struct err *e)
{
    struct cdc_reader *r = ((struct feed *)ctx)->reader;
    struct reader_file there = {.begun = 0};
    if (!r->schema_conn)
        return err_set_native(e, ERR_DB_LOST, ERR_CLASS_RETRY, 0, "the connection was lost");
    if (!reader_look_at_file(r->schema_conn, file, &there, e))
        return false;
    *end = (struct log_place){.pos = there.size, .begun = there.begun};
    if (there.state == LOG_FILE_THERE)
        snprintf(end->file, sizeof end->file, "%s", file);
    return true;
}

static const struct schema_tracker_ops ops = {.inspect = inspect, .scan = scan, .look = look};

static struct cdc_reader *locked(struct feed *f)
{
    struct cdc_reader *r = f->reader;
    pthread_mutex_lock(&r->schema_lock);
    if (!r->tracker)
        r->tracker = schema_tracker_new(&ops, r->o.store);
    return r;
}

struct my_conn *reader_schema_lock(struct feed *f, struct err *e)
{
    struct cdc_reader *r = locked(f);
    return meet(f, e) ? r->schema_conn : NULL;
}

void reader_schema_unlock(struct feed *f)
{
    pthread_mutex_unlock(&f->reader->schema_lock);
}

const struct schema_table *reader_live_schema(void *ctx, const struct log_span *seen,
                                              const struct schema_table *log, struct err *e)
{
    struct feed *f = ctx;
    const struct schema_table *t = NULL;
    struct cdc_reader *r = locked(f);
    if (meet(f, e))
        t = log->full_metadata ? schema_tracker_types(r->tracker, seen, log, f, e)
                               : schema_tracker_definition(r->tracker, seen, log, f, e);
    pthread_mutex_unlock(&r->schema_lock);
    return t;
}

bool reader_live_ddl(void *ctx, const struct log_span *seen, const struct cdc_change *ddl,
                     struct err *e)
{
    struct feed *f = ctx;
    struct cdc_reader *r = locked(f);
    bool ok = meet(f, e);
    if (ok)
        schema_tracker_ddl(r->tracker, seen, &ddl->ddl, !log_says_all(r->schema_conn), f);
    pthread_mutex_unlock(&r->schema_lock);
    return ok;
}

/* What cannot be read now is asked for again when a row needs it. */
static void begin_tables(struct feed *f)
{
    struct cdc_reader *r = f->reader;
    const char *db = r->shard->primary.database;
    struct err e = ERR_INIT;
    int64_t begun = clock_mono_ms();
    bool ok = meet(f, &e);
    if (ok && (!db || !db[0] || log_has_names(r->schema_conn)))
        return;
    if (ok && schema_tracker_begin(r->tracker, db, f, &e))
        log_debug("schema", "the tables of %s were read in %lld ms", db,
                  (long long)(clock_mono_ms() - begun));
    else
        log_err(LOG_DEBUG, "schema", &e);
}

/* What broke it may have broken the connection that definitions are asked on, silently. */
void reader_live_lost(struct feed *f)
{
    struct cdc_reader *r = locked(f);
    disconnect(r);
    pthread_mutex_unlock(&r->schema_lock);
}

void reader_live_begin(struct feed *f)
{
    (void)locked(f);
    begin_tables(f);
    pthread_mutex_unlock(&f->reader->schema_lock);
}

void reader_live_seen(struct feed *f, const struct log_span *seen)
{
    struct cdc_reader *r = locked(f);
    if (strcmp(f->schema_server, r->schema_server) == 0 &&
        schema_tracker_log(r->tracker) == f->schema_log)
        schema_tracker_seen(r->tracker, seen);
    pthread_mutex_unlock(&r->schema_lock);
}

/* ---- the consumers' questions ---- */

bool cdc_stream_definition(struct cdc_stream *s, const struct cdc_change *begin,
                           const struct schema_table *log, const struct schema_table **out,
                           struct err *e)
{
    struct feed *f = &s->asking;
    struct cdc_reader *r = s->reader;
    *out = NULL;
    if (r->o.open || r->o.schema || !begin->file || !log->full_metadata)
        return true;
    f->reader = r;
    f->schema_server[0] = '\0'; /* the server may be another one since the last question */
    (void)locked(f);
    bool met = meet(f, e);
    if (met) {
        struct log_place at = reader_log_place(begin->file, begin->log_pos, begin->log);
        struct log_span only = {.from = at, .to = at};
        *out = schema_tracker_types(r->tracker, &only, log, f, e);
    }
    pthread_mutex_unlock(&r->schema_lock);
    if (*out || !met || e->code == ERR_SHUTDOWN)
        return *out != NULL;
    log_err(LOG_DEBUG, "schema", e);
    err_clear(e);
    return true;
}
