/* vrepl/workflow/fence.c — the sessions of a switch on one shard: barrier, hold, marker, and which
 * kind of fence.
 *
 * ▶ The hold session runs with autocommit = 0 and innodb_table_locks = 1: only then LOCK TABLES …
 * WRITE also takes InnoDB's table lock and so waits for prepared XA transactions. Without, MariaDB
 * grants the lock past them, and their later XA COMMIT writes to the source after the switch: no
 * trigger sees it.
 *
 * Crash at any point: locks fall with the session; triggers and hidden names stay, are functions of
 * the workflow (names.h), and the row says since before the first of them that they may stand.
 */
#include "vrepl/workflow/fence_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cdc/sidecar/log_mark.h"
#include "vrepl/move/object_names.h"
#include "vrepl/workflow/blockers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BARRIER_WAIT_S 1
#define HOLD_IDLE_S                                                                                \
    20 /* the server ends a silent hold: a stopped process cannot block writers for long */
#define ARM_LOCK_S        1
#define NEEDS_SUPER       1419
#define LOCK_WAIT_TIMEOUT 1205
#define DEADLOCK          1213

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
    buf_printf(&sql,
               "SET SESSION autocommit = 0, innodb_table_locks = 1, wait_timeout = %d, "
               "@sluice_pass = ",
               HOLD_IDLE_S);
    buf_put_sql_string(&sql, d->pass, strlen(d->pass));
    return my_exec(c, buf_str(&sql), NULL, e);
}

bool fence_hold_open(struct fence_hold *h, struct workflow *w, const struct topo_shard *shard,
                     enum wf_side_name side, struct my_conn *home, struct err *e)
{
    *h = (struct fence_hold){.w = w, .shard = shard, .side = side};
    h->conn = my_connect(&shard->primary, "hold", e);
    h->aux = h->conn != NULL ? my_connect(&shard->primary, "switch", e) : NULL;
    if (h->aux != NULL && my_limit_lock_waits(h->aux, FENCE_LOCK_S, e) &&
        session_prepare(h->conn, w->def, e) && barrier_take(w, shard, h->conn, e) &&
        lease_verify(w->lease, home, e))
        return true;
    fence_hold_close(h);
    return err_prepend(e, "%s/%s", shard->keyspace, shard->name);
}

void fence_hold_close(struct fence_hold *h)
{
    my_close(h->conn);
    my_close(h->aux);
    h->conn = h->aux = NULL;
    h->locked = h->gated = false;
}

void fence_put_table(struct buf *sql, const struct topo_shard *s, const char *table)
{
    buf_put_table_name(sql, s->primary.database, table);
}

const char *fence_table(const struct fence_hold *h, size_t i)
{
    return wf_plain_name(&h->w->def->tables[i], h->side);
}

static bool limit_waits(struct fence_hold *h, unsigned wait_s, struct err *e)
{
    if (h->lock_s != wait_s && !my_limit_lock_waits(h->conn, wait_s, e))
        return false;
    h->lock_s = wait_s;
    return true;
}

static bool is_waiting(const struct err *e)
{
    return e->native == LOCK_WAIT_TIMEOUT || e->native == DEADLOCK;
}

bool fence_try(struct fence_hold *h, const char *sql, unsigned wait_s, struct err *e)
{
    if (!limit_waits(h, wait_s, e))
        return false;
    if (my_exec(h->conn, sql, NULL, e))
        return true;
    if (!is_waiting(e))
        return err_prepend(e, "%s/%s", h->shard->keyspace, h->shard->name);
    CLEANUP(buf_fini) struct buf who = BUF_INIT;
    blockers_name(h->aux, my_conn_id(h->conn), &who);
    err_set(e, ERR_WF_BLOCKED, "%s/%s: the tables could not be locked within %u s: %s",
            h->shard->keyspace, h->shard->name, wait_s,
            who.len > 0 ? buf_str(&who) : "no open transaction is visible to us");
    return err_cure(e, "end these transactions (XA COMMIT or XA ROLLBACK for prepared ones) and "
                       "repeat the command");
}

bool fence_insist(struct fence_hold *h, const char *sql, struct fence_wait *wait, struct err *e)
{
    for (;;) {
        int64_t begun_ms = clock_mono_ms();
        if (fence_try(h, sql, ARM_LOCK_S, e))
            return true;
        wait->left_ms -= clock_mono_ms() - begun_ms;
        if (e->code != ERR_WF_BLOCKED || wait->left_ms <= 0)
            return false;
        err_clear(e);
        if (!wait->go_on(wait->ctx, e))
            return false;
    }
}

struct map *fence_names(struct fence_hold *h, const char *sql, struct err *e)
{
    struct my_result *r = my_query(h->aux, sql, e);
    struct map *names = r != NULL ? map_new(free) : NULL;
    struct my_cell v[2];
    enum my_next next = MY_FAIL;
    while (r != NULL && (next = my_result_next(r, v, e)) == MY_ROW) {
        if (v[0].p != NULL && v[1].p != NULL)
            map_put_str(names, v[0].p, mem_strdup(v[1].p));
    }
    my_result_free(r);
    if (next == MY_END)
        return names;
    map_free(names);
    return NULL;
}

static bool lacks_privilege(const struct err *e)
{
    return e->code == ERR_DB_DENIED || e->native == NEEDS_SUPER;
}

/* Under a BEFORE INSERT trigger MySQL asks for the values of NOT NULL columns before it computes
 * the generated ones: no stream could write such a table back. */
static bool triggers_refuse_streams(struct fence_hold *h, bool *yes, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    uint64_t n = 0;
    *yes = false;
    if (my_conn_server(h->aux)->flavor != MY_FLAVOR_MYSQL)
        return true;
    buf_put_str(&sql, "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE IS_NULLABLE = 'NO' "
                      "AND GENERATION_EXPRESSION <> '' AND TABLE_SCHEMA = ");
    buf_put_sql_string(&sql, h->shard->primary.database, strlen(h->shard->primary.database));
    buf_put_str(&sql, " AND TABLE_NAME IN (''");
    for (size_t i = 0; i < h->w->def->n_tables; i++) {
        const char *table = wf_plain_name(&h->w->def->tables[i], h->side);
        buf_put_str(&sql, ", ");
        buf_put_sql_string(&sql, table, strlen(table));
    }
    buf_put_str(&sql, ")");
    bool ok = my_query_u64(h->aux, buf_str(&sql), &n, e);
    *yes = n > 0;
    return ok;
}

bool fence_prepare(struct fence_hold *h, enum vrepl_fence_mode mode, struct fence_wait *wait,
                   struct err *e)
{
    bool hide = false;
    if (mode != VREPL_FENCE_RENAME && !triggers_refuse_streams(h, &hide, e))
        return false;
    if (hide && mode == VREPL_FENCE_TRIGGER) {
        err_set(e, ERR_WF_PRECONDITION,
                "%s/%s: a table has a generated column that is NOT NULL: under a trigger fence "
                "there is no way back",
                h->shard->keyspace, h->shard->name);
        return err_cure(e, "set fence.mode to auto or rename");
    }
    mode = hide ? VREPL_FENCE_RENAME : mode;
    h->mode = mode == VREPL_FENCE_AUTO ? VREPL_FENCE_TRIGGER : mode;
    if (h->mode == VREPL_FENCE_TRIGGER) {
        if (fence_trigger_arm(h, wait, e))
            return true;
        if (mode == VREPL_FENCE_TRIGGER || !lacks_privilege(e))
            return false;
        log_err(LOG_INFO, "fence", e);
        err_clear(e);
        if (!fence_trigger_drop(h, wait, e))
            return false;
    }
    h->mode = VREPL_FENCE_RENAME;
    return fence_rename_measure(h, e);
}

bool fence_hold_lock(struct fence_hold *h, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    assert(!h->locked && h->mode != VREPL_FENCE_AUTO);
    if (h->mode == VREPL_FENCE_TRIGGER)
        fence_trigger_put_hold(h, &sql);
    else
        fence_rename_put_hold(h, &sql);
    h->locked = fence_try(h, buf_str(&sql), FENCE_LOCK_S, e);
    return h->locked;
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
    CLEANUP(buf_fini) struct buf name = BUF_INIT;
    assert(h->locked);
    buf_printf(&name, "switch:%s:%s/%s", h->w->keys[0], h->shard->keyspace, h->shard->name);
    return log_mark_write(h->aux, buf_str(&name), e) && my_current_position(h->aux, out, e);
}

bool fence_make(struct fence_hold *h, struct err *e)
{
    assert(h->locked);
    return h->mode == VREPL_FENCE_TRIGGER ? fence_trigger_shut(h, e) : fence_rename_hide(h, e);
}

bool fence_gate(struct fence_hold *h, struct err *e)
{
    const char *stands = h->w->fence[h->side];
    if (h->gated || stands == NULL || strcmp(stands, FENCE_IS_OPEN) == 0)
        return true;
    bool hidden = strcmp(stands, fence_mode_name(VREPL_FENCE_RENAME)) == 0;
    h->mode = hidden ? VREPL_FENCE_RENAME : VREPL_FENCE_TRIGGER;
    if (hidden && h->cost_ms == 0 && !fence_rename_measure(h, e))
        return false;
    h->gated = hidden ? fence_rename_gate(h, e) : fence_trigger_gate(h, e);
    return h->gated;
}

bool fence_gate_yield(struct fence_hold *h, struct err *e)
{
    if (!h->gated || h->mode != VREPL_FENCE_RENAME)
        return true;
    h->gated = false;
    return my_exec(h->conn, "UNLOCK TABLES", NULL, e);
}

/* A session that knows of no mode cleans up after a crash, which may have left either kind. */
bool fence_open(struct fence_hold *h, struct err *e)
{
    if ((h->mode != VREPL_FENCE_TRIGGER && !fence_rename_show(h, e)) ||
        (h->mode != VREPL_FENCE_RENAME && !fence_trigger_open(h, e)))
        return err_prepend(e, "opening the fence on %s/%s", h->shard->keyspace, h->shard->name);
    if (h->gated && !my_exec(h->conn, "UNLOCK TABLES", NULL, e))
        return false;
    h->gated = false;
    return true;
}

bool fence_clear(struct fence_hold *h, struct fence_wait *wait, struct err *e)
{
    return fence_trigger_drop(h, wait, e) ||
           err_prepend(e, "clearing the fence on %s/%s", h->shard->keyspace, h->shard->name);
}

static bool always_on(void *ctx, struct err *e)
{
    (void)ctx;
    (void)e;
    return true;
}

static bool insist_on_open(struct fence_hold *h, int64_t wait_ms, struct err *e)
{
    int64_t until = clock_mono_ms() + wait_ms;
    if (!limit_waits(h, FENCE_LOCK_S, e))
        return false;
    while (!fence_open(h, e)) {
        if (e->class_ != ERR_CLASS_RETRY || e->code == ERR_DB_LOST || clock_mono_ms() >= until)
            return false;
        err_clear(e);
    }
    return true;
}

bool fence_remove(struct workflow *w, const struct topo_shard *shard, enum wf_side_name side,
                  struct my_conn *home, int64_t wait_ms, bool *open, struct err *e)
{
    struct fence_hold h;
    struct fence_wait wait = {.left_ms = wait_ms, .go_on = always_on};
    bool opened = false;
    if (fence_hold_open(&h, w, shard, side, home, e))
        opened = insist_on_open(&h, wait_ms, e);
    bool ok = opened && fence_clear(&h, &wait, e);
    fence_hold_close(&h);
    if (open != NULL)
        *open = opened;
    return ok;
}
