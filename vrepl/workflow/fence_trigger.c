/* vrepl/workflow/fence_trigger.c — the fence of triggers: three a table that all read one row.
 *
 * Making three triggers a table takes milliseconds each, which nobody can wait for when there are
 * hundreds of tables. So they are made while everybody writes, and let everybody pass: `closed` of
 * the one row in _sluice.fence_<hash> is 0. The fence is one update of that row, and so is its end.
 *
 * Why the hold (LOCK TABLES fence WRITE, fence_x WRITE) is a hold of all armed tables:
 *   1. A statement that fires a trigger has the tables that the trigger reads opened with it, under
 *      metadata locks that last as long as its transaction. So the lock waits for every transaction
 *      that has written an armed table, and every later writer waits for the lock, before it has
 *      locked a row. A writer whose transaction is already in is never in its own way.
 *   2. A transaction that wrote a table before that was armed is waited for by arming it: LOCK
 *      TABLES … WRITE of the table itself, with autocommit = 0, which on InnoDB also waits for
 *      prepared XA transactions that no session has any more.
 *   3. A transaction that is prepared later has left its metadata locks on MariaDB when its session
 *      ends, and InnoDB lets its shared locks go at XA PREPARE. That is what fence_x is for: the
 *      trigger reads it FOR UPDATE, finds nothing, and so keeps an intention lock (IX) until the
 *      commit, which LOCK TABLES with autocommit = 0 and innodb_table_locks = 1 waits for. It is a
 *      table of its own because InnoDB would use the stronger lock for both reads of one table.
 *   4. ▶ The row is read by a locking read: a plain one sees the snapshot of its transaction.
 *      MariaDB ≥ 11.6 answers 1020 (innodb_snapshot_isolation) to a transaction whose snapshot is
 *      older than the row: it is refused as well.
 *   5. A table that came under a name of ours after it was armed (RENAME, ALTER by copying tools)
 *      has no triggers: fence_trigger_shut looks for all of them after the row was changed, still
 *      under the hold.
 * ▶ LOCK TABLES … READ of the tables would let readers go on too, but writers overtake it for ever;
 * LOCK TABLES … WRITE of armed tables locks the row's table for reading, so nobody could change it;
 * and together with the row's table it would run into deadlocks with writers that come in between.
 *
 * Our own streams set @sluice_pass and never read the row: they apply while the gate has it locked.
 */
#include "vrepl/workflow/fence_internal.h"

#include "base/log.h"
#include "cdc/sidecar/fence_row.h"
#include "vrepl/move/object_names.h"

#include <assert.h>
#include <openssl/sha.h>
#include <string.h>
#include <strings.h>

#define SLICE      8 /* tables armed at once: their writers wait for three statements each */
#define NO_TRIGGER 1360

static const char events[] = {'i', 'u', 'd'};
static const char *const event_words[] = {"INSERT", "UPDATE", "DELETE"};

static const char *row_name(const struct fence_hold *h, char *out, size_t out_len)
{
    names_fence(h->w->keys[0], h->shard->keyspace, h->shard->name, out, out_len);
    return out;
}

static void put_trigger_name(const struct fence_hold *h, size_t table, size_t event, char *out,
                             size_t out_len)
{
    names_trigger(h->w->keys[0], h->side == WF_TARGET, fence_table(h, table), events[event], out,
                  out_len);
}

/* The trigger's text goes into the log and to everybody who may show it; only who knows the pass
 * itself is let through. */
static void put_pass_hash(struct buf *sql, const char *pass)
{
    unsigned char hash[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)pass, strlen(pass), hash);
    buf_put_hex(sql, hash, sizeof hash);
}

/* ▶ The comment that marks our DDL stands inside the body: both servers rewrite what is before it.
 */
static void put_trigger(const struct fence_hold *h, size_t table, size_t event, struct buf *sql)
{
    char name[NAMES_MAX];
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    buf_printf(&text, "sluice: table moved by workflow %.80s", h->w->keys[h->side == WF_TARGET]);
    put_trigger_name(h, table, event, name, sizeof name);
    buf_put_str(sql, "CREATE TRIGGER ");
    fence_put_table(sql, h->shard, name);
    buf_printf(sql, " BEFORE %s ON ", event_words[event]);
    fence_put_table(sql, h->shard, fence_table(h, table));
    buf_printf(sql, " FOR EACH ROW BEGIN /* sluice:%s */ DECLARE shut TINYINT; ", h->w->keys[0]);
    buf_put_str(sql, "IF NOT (SHA2(@sluice_pass, 256) <=> '");
    put_pass_hash(sql, h->w->def->pass);
    buf_put_str(sql, "') THEN ");
    fence_row_put_reading(sql, row_name(h, name, sizeof name), "shut");
    buf_put_str(sql, "IF NOT (shut <=> 0) THEN "
                     "SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 1290, MESSAGE_TEXT = ");
    buf_put_sql_string(sql, buf_str(&text), text.len);
    buf_put_str(sql, "; END IF; END IF; END");
}

/* Our triggers in that database, each with the table on which it stands. */
static struct map *our_triggers(struct fence_hold *h, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_str(&sql, "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS "
                      "WHERE TRIGGER_NAME LIKE '\\_sluice\\_f\\_%' AND TRIGGER_SCHEMA = ");
    buf_put_sql_string(&sql, h->shard->primary.database, strlen(h->shard->primary.database));
    return fence_names(h, buf_str(&sql), e);
}

static bool stands(const struct fence_hold *h, const struct map *triggers, size_t table,
                   size_t event)
{
    char name[NAMES_MAX];
    put_trigger_name(h, table, event, name, sizeof name);
    const char *on = map_get_str(triggers, name);
    return on != NULL && strcasecmp(on, fence_table(h, table)) == 0;
}

static bool is_armed(const struct fence_hold *h, const struct map *triggers, size_t table)
{
    return stands(h, triggers, table, 0) && stands(h, triggers, table, 1) &&
           stands(h, triggers, table, 2);
}

/* Whatever stood there before, everybody passes now: the side serves. */
static bool make_row(struct fence_hold *h, struct err *e)
{
    char name[NAMES_MAX];
    return fence_row_make(h->conn, row_name(h, name, sizeof name), h->w->keys[0], e);
}

/* Under the lock of its table. A trigger of that name may stand on a table that was renamed away.
 */
static bool arm_table(struct fence_hold *h, const struct map *triggers, size_t table, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    for (size_t k = 0; k < 3; k++) {
        buf_reset(&sql);
        put_trigger(h, table, k, &sql);
        if (!stands(h, triggers, table, k) && !my_exec(h->conn, buf_str(&sql), NULL, e))
            return err_prepend(e, "trigger fence on %s/%s, table %s", h->shard->keyspace,
                               h->shard->name, fence_table(h, table));
    }
    return true;
}

/* Those of [at, SLICE) that lack triggers; the end of the slice. */
static size_t put_slice(const struct fence_hold *h, const struct map *triggers, size_t at,
                        struct buf *sql)
{
    size_t end = at;
    for (unsigned n = 0; end < h->w->def->n_tables && n < SLICE; end++) {
        if (is_armed(h, triggers, end))
            continue;
        buf_put_str(sql, n++ == 0 ? "LOCK TABLES " : ", ");
        fence_put_table(sql, h->shard, fence_table(h, end));
        buf_put_str(sql, " WRITE");
    }
    return end;
}

static bool arm_slice(struct fence_hold *h, const struct map *triggers, size_t *at,
                      struct fence_wait *wait, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    struct err after = ERR_INIT;
    size_t begin = *at;
    *at = put_slice(h, triggers, begin, &sql);
    if (sql.len == 0)
        return true;
    if (!fence_insist(h, buf_str(&sql), wait, e))
        return false;
    bool ok = true;
    for (size_t i = begin; ok && i < *at; i++)
        ok = is_armed(h, triggers, i) || arm_table(h, triggers, i, e);
    bool unlocked = my_exec(h->conn, "UNLOCK TABLES", NULL, &after);
    return ok ? unlocked || err_copy(e, &after) : false;
}

bool fence_trigger_arm(struct fence_hold *h, struct fence_wait *wait, struct err *e)
{
    if (!make_row(h, e))
        return err_prepend(e, "trigger fence on %s/%s", h->shard->keyspace, h->shard->name);
    struct map *triggers = our_triggers(h, e);
    bool ok = triggers != NULL;
    for (size_t at = 0; ok && at < h->w->def->n_tables;)
        ok = arm_slice(h, triggers, &at, wait, e) && wait->go_on(wait->ctx, e);
    map_free(triggers);
    return ok;
}

void fence_trigger_put_hold(const struct fence_hold *h, struct buf *sql)
{
    char name[NAMES_MAX];
    fence_row_put_hold(sql, row_name(h, name, sizeof name));
}

bool fence_trigger_shut(struct fence_hold *h, struct err *e)
{
    uint64_t matched = 0;
    char name[NAMES_MAX];
    assert(h->locked);
    if (!fence_row_set(h->conn, row_name(h, name, sizeof name), true, &matched, e))
        return false;
    struct map *triggers = matched == 1 ? our_triggers(h, e) : NULL;
    size_t i = 0;
    while (triggers != NULL && i < h->w->def->n_tables && is_armed(h, triggers, i))
        i++;
    bool all = triggers != NULL && i == h->w->def->n_tables;
    if (triggers != NULL && !all) {
        err_set(e, ERR_WF_PRECONDITION,
                "%s/%s: table %s lost its fence triggers: it was replaced while the switch began",
                h->shard->keyspace, h->shard->name, fence_table(h, i));
        err_cure(e, "let schema changes end, and repeat the command");
    } else if (matched != 1) {
        err_set(e, ERR_WF_STATE, "%s/%s: the row of the fence is gone", h->shard->keyspace,
                h->shard->name);
    }
    map_free(triggers);
    return all;
}

bool fence_trigger_gate(struct fence_hold *h, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    char name[NAMES_MAX];
    fence_row_put_gate(&sql, row_name(h, name, sizeof name));
    return fence_try(h, buf_str(&sql), FENCE_LOCK_S, e);
}

static bool is_absent(struct err *e)
{
    bool absent = e->native == NO_TRIGGER || sidecar_is_absent(e);
    if (absent)
        err_clear(e);
    return absent;
}

/* A row that says so already is not touched: transactions of writers that passed have it locked. */
bool fence_trigger_open(struct fence_hold *h, struct err *e)
{
    char name[NAMES_MAX];
    bool closed = false;
    if (!fence_row_read(h->aux, row_name(h, name, sizeof name), &closed, e))
        return is_absent(e);
    return (!closed && !h->gated) || fence_row_set(h->conn, name, false, NULL, e);
}

static bool drop_trigger(struct fence_hold *h, const char *name, struct fence_wait *wait,
                         struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_printf(&sql, "DROP /* sluice:%s */ TRIGGER IF EXISTS ", h->w->keys[0]);
    fence_put_table(&sql, h->shard, name);
    return wait->go_on(wait->ctx, e) && (fence_insist(h, buf_str(&sql), wait, e) || is_absent(e));
}

static bool drop_row(struct fence_hold *h, struct fence_wait *wait, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    char name[NAMES_MAX];
    fence_row_put_drop(&sql, row_name(h, name, sizeof name), h->w->keys[0]);
    return fence_insist(h, buf_str(&sql), wait, e) || is_absent(e);
}

/* The row goes last: a trigger without its row lets nobody pass. */
bool fence_trigger_drop(struct fence_hold *h, struct fence_wait *wait, struct err *e)
{
    char name[NAMES_MAX];
    struct map *triggers = our_triggers(h, e);
    bool ok = triggers != NULL;
    for (size_t i = 0; ok && i < 3 * h->w->def->n_tables; i++) {
        put_trigger_name(h, i / 3, i % 3, name, sizeof name);
        ok = map_get_str(triggers, name) == NULL || drop_trigger(h, name, wait, e);
    }
    map_free(triggers);
    return ok && drop_row(h, wait, e);
}
