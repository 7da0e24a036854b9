/* vrepl/fence.c — hold, marker, durable fence, and taking it away.
 *
 * ▶ The hold session runs with autocommit = 0: then LOCK TABLES … WRITE also takes InnoDB's table
 * lock and so waits for prepared XA transactions. With autocommit = 1 MariaDB grants the lock past
 * them, and their later XA COMMIT writes to the source after the switch: no trigger sees it. ▶
 * CREATE TRIGGER and ALTER TABLE … RENAME under LOCK TABLES keep the lock on both servers; RENAME
 * TABLE does not work there on MariaDB (1192). ▶ The comment that marks our DDL stands inside the
 * trigger's body: both servers rewrite what is before it.
 *
 * Crash at any point: locks fall with the session; triggers and hidden names stay, are functions of
 * the workflow (names.h), and the row says since before the hold that they may stand.
 */
#include "vrepl/fence.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "vrepl/blockers.h"
#include "vrepl/names.h"

#include <assert.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define BARRIER_WAIT_S 1
#define HOLD_IDLE_S                                                                                \
    20 /* the server ends a silent hold: a stopped process cannot block writers for long */
#define TRIGGER_EXISTS    1359
#define NO_TRIGGER        1360
#define NO_SUCH_TABLE     1146
#define NEEDS_SUPER       1419
#define LOCK_WAIT_TIMEOUT 1205

static const char events[] = {'i', 'u', 'd'};
static const char *const event_words[] = {"INSERT", "UPDATE", "DELETE"};

const char *fence_mode_name(enum vrepl_fence_mode m)
{
    switch (m) {
    case VREPL_FENCE_AUTO:
        return "auto";
    case VREPL_FENCE_TRIGGER:
        return "trigger";
    case VREPL_FENCE_RENAME:
        return "rename";
    }
    return "auto";
}

static bool barrier_try(struct my_conn *c, const char *name, bool *got, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    uint64_t one = 0;
    buf_printf(&sql, "SELECT IFNULL(GET_LOCK('%s', %d), 0)", name, BARRIER_WAIT_S);
    if (!my_query_u64(c, buf_str(&sql), &one, e))
        return false;
    *got = one == 1;
    return true;
}

/* The session that has the barrier belongs to an owner before us, or to a connection of ours that
 * the server has not missed yet. */
static void barrier_break(struct my_conn *c, const char *name)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    uint64_t id = 0;
    struct err e = ERR_INIT;
    buf_printf(&sql, "SELECT IFNULL(IS_USED_LOCK('%s'), 0)", name);
    if (my_query_u64(c, buf_str(&sql), &id, &e) && id != 0) {
        log_warn("fence", "ending connection %llu, which holds the fence barrier of an older owner",
                 (unsigned long long)id);
        if (my_execf(c, &e, "KILL %llu", (unsigned long long)id))
            return;
    }
    if (e.code != ERR_NONE)
        log_err(LOG_WARN, "fence", &e);
}

static bool barrier_take(struct workflow *w, const struct topo_shard *s, struct my_conn *c,
                         struct err *e)
{
    char name[NAMES_MAX];
    names_barrier(w->keys[0], s->keyspace, s->name, name, sizeof name);
    for (unsigned attempt = 0; attempt < 4; attempt++) {
        bool got = false;
        if (!barrier_try(c, name, &got, e))
            return false;
        if (got)
            return true;
        barrier_break(c, name);
    }
    return err_set(e, ERR_WF_BLOCKED, "another session holds the fence barrier %s on %s", name,
                   s->primary_address);
}

static bool session_prepare(struct my_conn *c, const struct wf_def *d, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_printf(&sql, "SET SESSION autocommit = 0, wait_timeout = %d, @sluice_pass = ", HOLD_IDLE_S);
    buf_put_sql_string(&sql, d->pass, strlen(d->pass));
    return my_exec(c, buf_str(&sql), NULL, e);
}

bool fence_hold_open(struct fence_hold *h, struct workflow *w, const struct topo_shard *shard,
                     enum wf_side_name side, struct my_conn *home, struct err *e)
{
    *h = (struct fence_hold){.w = w, .shard = shard, .side = side};
    h->conn = my_connect(&shard->primary, "hold", e);
    h->aux = h->conn != NULL ? my_connect(&shard->primary, "switch", e) : NULL;
    if (h->aux != NULL && session_prepare(h->conn, w->def, e) &&
        barrier_take(w, shard, h->conn, e) && lease_verify(w->lease, home, e))
        return true;
    fence_hold_close(h);
    return err_prepend(e, "%s/%s", shard->keyspace, shard->name);
}

void fence_hold_close(struct fence_hold *h)
{
    my_close(h->conn);
    my_close(h->aux);
    h->conn = h->aux = NULL;
    h->locked = false;
}

static void put_table(struct buf *sql, const struct topo_shard *s, const char *table)
{
    buf_put_ident(sql, s->primary.database);
    buf_put_u8(sql, '.');
    buf_put_ident(sql, table);
}

static void put_lock_tables(struct buf *sql, const struct fence_hold *h)
{
    buf_put_str(sql, "LOCK TABLES "); /* the side that serves has no fence: plain names, sorted */
    for (size_t i = 0; i < h->w->def->n_tables; i++) {
        buf_put_str(sql, i > 0 ? ", " : "");
        put_table(sql, h->shard, wf_plain_name(&h->w->def->tables[i], h->side));
        buf_put_str(sql, " WRITE");
    }
}

bool fence_hold_lock(struct fence_hold *h, unsigned wait_s, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    assert(!h->locked);
    if (!my_execf(h->conn, e, "SET SESSION lock_wait_timeout = %u, innodb_lock_wait_timeout = %u",
                  wait_s, wait_s))
        return false;
    put_lock_tables(&sql, h);
    if (my_exec(h->conn, buf_str(&sql), NULL, e)) {
        h->locked = true;
        return true;
    }
    if (e->native != LOCK_WAIT_TIMEOUT)
        return err_prepend(e, "LOCK TABLES on %s/%s", h->shard->keyspace, h->shard->name);
    CLEANUP(buf_fini) struct buf who = BUF_INIT;
    blockers_name(h->aux, my_conn_id(h->conn), &who);
    err_set(e, ERR_WF_BLOCKED, "%s/%s: the tables could not be locked within %u s: %s",
            h->shard->keyspace, h->shard->name, wait_s,
            who.len > 0 ? buf_str(&who) : "no open transaction is visible to us");
    err_cure(e, "end these transactions (XA COMMIT or XA ROLLBACK for prepared ones) and repeat "
                "the command");
    return false;
}

void fence_hold_unlock(struct fence_hold *h)
{
    struct err e = ERR_INIT;
    if (h->locked &&
        (!my_exec(h->conn, "COMMIT", NULL, &e) || !my_exec(h->conn, "UNLOCK TABLES", NULL, &e)))
        log_err(LOG_WARN, "fence", &e); /* the connection is gone, and the lock with it */
    h->locked = false;
}

bool fence_hold_check(struct fence_hold *h, struct err *e)
{
    return my_ping(h->conn, e) ||
           err_prepend(e, "the hold on %s/%s is lost", h->shard->keyspace, h->shard->name);
}

bool fence_marker(struct fence_hold *h, struct position *out, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    CLEANUP(buf_fini) struct buf name = BUF_INIT;
    assert(h->locked);
    buf_printf(&name, "switch:%s:%s/%s", h->w->keys[0], h->shard->keyspace, h->shard->name);
    buf_put_str(&sql, "INSERT INTO _sluice.watermark (name, n) VALUES (");
    buf_put_sql_string(&sql, buf_str(&name), name.len);
    buf_put_str(&sql, ", 1) ON DUPLICATE KEY UPDATE n = n + 1");
    return my_exec(h->aux, buf_str(&sql), NULL, e) && my_current_position(h->aux, out, e);
}

/* The trigger's text goes into the log and to everybody who may show it; only who knows the pass
 * itself is let through. */
static void put_pass_hash(struct buf *sql, const char *pass)
{
    unsigned char hash[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)pass, strlen(pass), hash);
    buf_put_hex(sql, hash, sizeof hash);
}

static void put_trigger(struct buf *sql, const struct fence_hold *h, const char *table,
                        const char *plain, size_t event)
{
    char name[NAMES_MAX];
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    buf_printf(&text, "sluice: table moved by workflow %.80s", h->w->keys[h->side == WF_TARGET]);
    names_trigger(h->w->keys[0], h->side == WF_TARGET, plain, events[event], name, sizeof name);
    buf_put_str(sql, "CREATE TRIGGER ");
    put_table(sql, h->shard, name);
    buf_printf(sql, " BEFORE %s ON ", event_words[event]);
    put_table(sql, h->shard, table);
    buf_printf(sql, " FOR EACH ROW BEGIN /* sluice:%s */ IF NOT (SHA2(@sluice_pass, 256) <=> '",
               h->w->keys[0]);
    put_pass_hash(sql, h->w->def->pass);
    buf_put_str(sql, "') THEN SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 1290, MESSAGE_TEXT = ");
    buf_put_sql_string(sql, buf_str(&text), text.len);
    buf_put_str(sql, "; END IF; END");
}

static bool make_triggers(struct fence_hold *h, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    for (size_t i = 0; i < h->w->def->n_tables; i++) {
        const char *table = wf_plain_name(&h->w->def->tables[i], h->side);
        for (size_t k = 0; k < 3; k++) {
            buf_reset(&sql);
            put_trigger(&sql, h, table, table, k);
            if (!my_exec(h->conn, buf_str(&sql), NULL, e) && e->native != TRIGGER_EXISTS)
                return err_prepend(e, "trigger fence on %s/%s, table %s", h->shard->keyspace,
                                   h->shard->name, table);
            err_clear(e);
        }
    }
    return true;
}

static bool rename_one(struct my_conn *c, const struct workflow *w, const struct topo_shard *s,
                       const char *from, const char *to, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_printf(&sql, "ALTER /* sluice:%s */ TABLE ", w->keys[0]);
    put_table(&sql, s, from);
    buf_put_str(&sql, " RENAME TO ");
    put_table(&sql, s, to);
    return my_exec(c, buf_str(&sql), NULL, e);
}

static bool make_hidden(struct fence_hold *h, struct err *e)
{
    char hidden[NAMES_MAX];
    for (size_t i = 0; i < h->w->def->n_tables; i++) {
        const char *table = wf_plain_name(&h->w->def->tables[i], h->side);
        names_hidden(h->w->keys[0], h->side == WF_TARGET, table, hidden, sizeof hidden);
        if (!rename_one(h->conn, h->w, h->shard, table, hidden, e))
            return err_prepend(e, "rename fence on %s/%s, table %s", h->shard->keyspace,
                               h->shard->name, table);
    }
    return true;
}

static bool lacks_privilege(const struct err *e)
{
    return e->code == ERR_DB_DENIED || e->native == NEEDS_SUPER;
}

bool fence_make(struct fence_hold *h, enum vrepl_fence_mode *mode, struct err *e)
{
    assert(h->locked);
    if (*mode != VREPL_FENCE_RENAME) {
        if (make_triggers(h, e)) {
            *mode = VREPL_FENCE_TRIGGER;
            return true;
        }
        if (*mode == VREPL_FENCE_TRIGGER || !lacks_privilege(e))
            return false;
        log_err(LOG_INFO, "fence", e);
        err_clear(e);
        if (!fence_unmake(h, e))
            return false;
    }
    *mode = VREPL_FENCE_RENAME;
    return make_hidden(h, e);
}

static bool drop_triggers(struct my_conn *c, const struct workflow *w, const struct topo_shard *s,
                          enum wf_side_name side, const char *table, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    char name[NAMES_MAX];
    for (size_t k = 0; k < 3; k++) {
        names_trigger(w->keys[0], side == WF_TARGET, table, events[k], name, sizeof name);
        buf_reset(&sql);
        buf_printf(&sql, "DROP /* sluice:%s */ TRIGGER IF EXISTS ", w->keys[0]);
        put_table(&sql, s, name);
        if (!my_exec(c, buf_str(&sql), NULL, e) && e->native != NO_TRIGGER &&
            e->native != NO_SUCH_TABLE)
            return false;
        err_clear(e);
    }
    return true;
}

/* Names in information_schema that belong to our fence: triggers and hidden tables. */
static bool fence_stands(struct my_conn *c, const struct workflow *w, const struct topo_shard *s,
                         enum wf_side_name side, const char *table, bool *triggers, bool *hidden,
                         struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    CLEANUP(buf_fini) struct buf db = BUF_INIT;
    char name[NAMES_MAX];
    uint64_t n = 0, m = 0;
    names_hidden(w->keys[0], side == WF_TARGET, table, name, sizeof name);
    buf_put_sql_string(&db, s->primary.database, strlen(s->primary.database));
    buf_printf(&sql,
               "SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s AND "
               "TRIGGER_NAME LIKE '%s\\_%%'",
               buf_str(&db), name);
    if (!my_query_u64(c, buf_str(&sql), &n, e))
        return false;
    buf_reset(&sql);
    buf_printf(&sql,
               "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND "
               "TABLE_NAME = '%s'",
               buf_str(&db), name);
    if (!my_query_u64(c, buf_str(&sql), &m, e))
        return false;
    *triggers = n > 0;
    *hidden = m > 0;
    return true;
}

static bool unmake_table(struct my_conn *c, struct my_conn *look, const struct workflow *w,
                         const struct topo_shard *s, enum wf_side_name side, const char *table,
                         struct err *e)
{
    bool triggers = false, hidden = false;
    char name[NAMES_MAX];
    if (!fence_stands(look, w, s, side, table, &triggers, &hidden, e) ||
        (triggers && !drop_triggers(c, w, s, side, table, e)))
        return false;
    names_hidden(w->keys[0], side == WF_TARGET, table, name, sizeof name);
    return !hidden || rename_one(c, w, s, name, table, e);
}

bool fence_unmake(struct fence_hold *h, struct err *e)
{
    for (size_t i = 0; i < h->w->def->n_tables; i++) {
        const char *table = wf_plain_name(&h->w->def->tables[i], h->side);
        if (!unmake_table(h->conn, h->aux, h->w, h->shard, h->side, table, e))
            return err_prepend(e, "removing the fence on %s/%s, table %s", h->shard->keyspace,
                               h->shard->name, table);
    }
    return true;
}

static bool remove_all(struct fence_hold *h, int64_t timeout_ms, struct err *e)
{
    int64_t until = clock_mono_ms() + timeout_ms;
    if (!my_exec(h->conn, "SET SESSION lock_wait_timeout = 2, innodb_lock_wait_timeout = 2", NULL,
                 e))
        return false;
    while (!fence_unmake(h, e)) {
        if (e->class_ != ERR_CLASS_RETRY || e->code == ERR_DB_LOST || clock_mono_ms() >= until)
            return false;
        err_clear(e);
    }
    return true;
}

bool fence_remove(struct workflow *w, const struct topo_shard *shard, enum wf_side_name side,
                  struct my_conn *home, int64_t timeout_ms, struct err *e)
{
    struct fence_hold h;
    if (!fence_hold_open(&h, w, shard, side, home, e))
        return false;
    bool ok = remove_all(&h, timeout_ms, e);
    fence_hold_close(&h);
    return ok;
}
