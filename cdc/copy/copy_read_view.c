/* cdc/copy/copy_read_view.c — read views of which it is proven what they include.
 *
 * ▶ A log reader gets events before other sessions can see their rows (3–11 % of them), so a view
 * that was opened after the reader had received the low watermark ("low" below) may lack rows of
 * transactions before it. What proves that it does not:
 *
 *   MySQL with GTIDs     gtid_executed contains low: it is updated after the engine's commit.
 *   MariaDB              A consistent snapshot whose own place in the log (binlog_snapshot_*) is at
 *                        or after low, and a row committed between low and the snapshot. ▶ An XA
 *                        COMMIT is in the log before the engine has made it visible, and 5 of 100
 *                        snapshots behind one lack its row; commits are made visible in their
 *                        order, so no snapshot lacks it once it has a later row.
 *   any server that we   A row committed after low was received: commits become visible in the
 *   may write to         order of the log (MySQL: binlog_order_commits, checked).
 *   any other            LOCK TABLES … READ of the tables that are read: it waits until every
 *                        transaction that wrote them has released its metadata lock, which happens
 *                        after the engine's commit. ▶ START TRANSACTION releases the session's own
 *                        table locks, so another connection holds them.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "cdc/copy/copy_read_internal.h"
#include "cdc/sidecar/log_mark.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS              5
#define LOCK_WAIT_SECONDS    3
#define LOCK_SILENCE_SECONDS 20 /* a suspended process does not hold up writers for longer */
#define EXACT_TRIES          5

static const char snapshot_sql[] = "START TRANSACTION WITH CONSISTENT SNAPSHOT";

enum proof { PROOF_YES, PROOF_NOT_POSSIBLE /* by this method */, PROOF_FAIL };

void copy_reader_lock_tables(struct copy_reader *r, const char *const *quoted_tables, size_t n)
{
    for (size_t i = 0; i < r->n_lock_tables; i++)
        free(r->lock_tables[i]);
    free(r->lock_tables);
    r->lock_tables = n ? mem_calloc(n, sizeof *r->lock_tables) : NULL;
    for (size_t i = 0; i < n; i++)
        r->lock_tables[i] = mem_strdup(quoted_tables[i]);
    r->n_lock_tables = n;
}

static bool begin_view(struct copy_reader *r, struct err *e)
{
    r->in_view = my_exec(r->conn, snapshot_sql, NULL, e);
    return r->in_view;
}

bool copy_end_view(struct copy_reader *r, struct err *e)
{
    copy_scan_end(r);
    copy_definitions_forget(r);
    r->in_view = false;
    return my_exec(r->conn, "COMMIT", NULL, e);
}

static bool not_visible(const struct position *low, struct err *e)
{
    CLEANUP(mem_free_ptr) char *text = position_text(low);
    return err_set(e, ERR_TIMEOUT, "the server does not show everything up to %.900s yet", text);
}

/* ---- MySQL with GTIDs ---- */

static enum proof prove_by_gtid(struct copy_reader *r, const struct position *low, int64_t until_ms,
                                struct err *e)
{
    const struct my_server *server = my_conn_server(r->conn);
    struct buf set = BUF_INIT;
    char *answer = NULL;
    if (server->flavor != MY_FLAVOR_MYSQL || !server->gtid_mode || !low->gtids)
        return PROOF_NOT_POSSIBLE;
    int64_t left_ms = until_ms - clock_mono_ms();
    struct buf sql = BUF_INIT;
    gtid_set_print(low->gtids, &set);
    buf_put_str(&sql, "SELECT WAIT_FOR_EXECUTED_GTID_SET(");
    buf_put_sql_string(&sql, buf_str(&set), set.len);
    buf_printf(&sql, ", %.3f)", left_ms > 1 ? (double)left_ms / 1000 : 0.001);
    bool ok = my_query_text(r->conn, buf_str(&sql), &answer, e);
    bool seen = ok && answer && strcmp(answer, "0") == 0;
    if (ok && !seen)
        not_visible(low, e);
    buf_fini(&set);
    buf_fini(&sql);
    free(answer);
    return seen && begin_view(r, e) ? PROOF_YES : PROOF_FAIL;
}

/* ---- a row of our own ---- */

static bool commits_are_ordered(struct my_conn *c)
{
    struct err ignored = ERR_INIT;
    uint64_t ordered = 1;
    if (my_conn_server(c)->flavor == MY_FLAVOR_MYSQL &&
        !my_query_u64(c, "SELECT @@global.binlog_order_commits", &ordered, &ignored))
        return false;
    return ordered == 1;
}

/* The write is made and committed now, so after low was received; autocommit is on outside views. */
static enum proof write_mark(struct copy_reader *r, struct err *e)
{
    struct err why = ERR_INIT;
    if (log_mark_write(r->conn, "copy", &why))
        return PROOF_YES;
    log_debug("copy", "no log mark: %s", why.text);
    if (why.code != ERR_DB_LOST && why.code != ERR_DB_DEADLOCK)
        return PROOF_NOT_POSSIBLE;
    err_copy(e, &why);
    return PROOF_FAIL;
}

static enum proof prove_by_mark(struct copy_reader *r, struct err *e)
{
    if (!commits_are_ordered(r->conn))
        return PROOF_NOT_POSSIBLE;
    enum proof written = write_mark(r, e);
    if (written != PROOF_YES)
        return written;
    return begin_view(r, e) ? PROOF_YES : PROOF_FAIL;
}

/* ---- MariaDB ---- */

/* file:pos of the open consistent snapshot; *found false where the server has no such status. */
static bool snapshot_place(struct my_conn *c, struct position *out, bool *found, struct err *e)
{
    struct my_cell cells[2];
    enum my_next next;
    struct my_result *res = my_query(c, "SHOW STATUS LIKE 'binlog_snapshot_%'", e);
    if (!res)
        return false;
    while ((next = my_result_next(res, cells, e)) == MY_ROW) {
        if (!cells[0].p || !cells[1].p)
            continue;
        if (strcasecmp(cells[0].p, "binlog_snapshot_file") == 0)
            snprintf(out->file, sizeof out->file, "%s", cells[1].p);
        else if (strcasecmp(cells[0].p, "binlog_snapshot_position") == 0)
            out->pos = strtoull(cells[1].p, NULL, 10);
    }
    my_result_free(res);
    *found = out->file[0] && out->pos;
    return next == MY_END;
}

static bool place_log(struct my_conn *c, struct position *pos, struct err *e)
{
    bool there;
    my_server_name(my_conn_server(c), pos->log.server, sizeof pos->log.server);
    if (!my_log_begun(c, pos->file, &pos->log.begun, &there, e))
        return false;
    return there || err_set_native(e, ERR_SRC_PURGED, ERR_CLASS_RETRY, 0, "%s was removed just now",
                                   pos->file);
}

static bool place_gtids(struct my_conn *c, struct position *pos, struct err *e)
{
    struct buf sql = BUF_INIT;
    char *text = NULL;
    buf_put_str(&sql, "SELECT BINLOG_GTID_POS(");
    buf_put_sql_string(&sql, pos->file, strlen(pos->file));
    buf_printf(&sql, ", %llu)", (unsigned long long)pos->pos);
    bool ok = my_query_text(c, buf_str(&sql), &text, e);
    buf_fini(&sql);
    if (ok) {
        gtid_set_free(pos->gtids);
        pos->gtids = gtid_set_parse(GTID_FLAVOR_MARIADB, text ? text : "", e);
    }
    free(text);
    return ok && pos->gtids;
}

/* A place in this server's own log that is not before low. After a fail-over the file and the
 * offset of low are another server's; its GTIDs are not. */
static bool place_of(struct my_conn *c, const struct position *low, struct position *out,
                     struct err *e)
{
    if (!low->gtids) {
        position_copy(out, low);
        return true;
    }
    if (!my_current_position(c, out, e))
        return false;
    return (out->gtids && gtid_set_contains(out->gtids, low->gtids)) || not_visible(low, e);
}

static bool is_at_or_after(const struct position *at, const struct position *low)
{
    int order = position_file_compare(at->file, low->file);
    return order > 0 || (order == 0 && at->pos >= low->pos);
}

static enum proof try_snapshot(struct copy_reader *r, const struct position *place,
                               const struct position *low, struct err *e)
{
    struct position at = POSITION_INIT;
    bool found = false;
    enum proof proof = PROOF_FAIL;
    if (begin_view(r, e) && snapshot_place(r->conn, &at, &found, e)) {
        if (!found)
            proof = PROOF_NOT_POSSIBLE;
        else if (is_at_or_after(&at, place))
            proof = PROOF_YES;
        else
            not_visible(low, e);
    }
    position_fini(&at);
    if (proof == PROOF_YES)
        return proof;
    struct err ignored = ERR_INIT;
    return copy_end_view(r, &ignored) ? proof : PROOF_FAIL;
}

/* Without a row of ours, the snapshot's place is a proof only while no XA transaction is on its
 * way: one that is in the log and not yet visible is still among the prepared ones. */
static bool no_xa_prepared(struct copy_reader *r, struct err *e)
{
    struct my_cell cells[4];
    struct my_result *res = my_query(r->conn, "XA RECOVER", e);
    enum my_next next =
        res && my_result_columns(res) == 4 ? my_result_next(res, cells, e) : MY_FAIL;
    my_result_free(res);
    if (next != MY_ROW)
        return next == MY_END;
    err_set(e, ERR_TIMEOUT,
            "XA transactions are prepared here, and no row of ours can be written: "
            "it is not known which changes this server's reads include");
    return err_cure(e, "let the account write to " LOG_MARK_NAME);
}

static enum proof prove_once(struct copy_reader *r, const struct position *low, struct err *e)
{
    struct position place = POSITION_INIT;
    enum proof proof = PROOF_FAIL;
    if (place_of(r->conn, low, &place, e)) {
        enum proof row = write_mark(r, e);
        if (row == PROOF_YES || (row == PROOF_NOT_POSSIBLE && no_xa_prepared(r, e)))
            proof = try_snapshot(r, &place, low, e);
    }
    position_fini(&place);
    return proof;
}

static enum proof prove_by_snapshot(struct copy_reader *r, const struct position *low,
                                    int64_t until_ms, struct err *e)
{
    if (my_conn_server(r->conn)->flavor != MY_FLAVOR_MARIADB)
        return PROOF_NOT_POSSIBLE;
    for (;;) {
        err_clear(e);
        enum proof proof = prove_once(r, low, e);
        if (proof != PROOF_FAIL || e->code != ERR_TIMEOUT || clock_mono_ms() >= until_ms)
            return proof;
        clock_sleep_ms(POLL_MS, NULL);
    }
}

/* ---- table locks ---- */

static bool lock_statement(char *const *tables, size_t n, struct buf *sql, struct err *e)
{
    buf_put_str(sql, "LOCK TABLES ");
    for (size_t i = 0; i < n; i++)
        buf_printf(sql, "%s%s READ", i ? ", " : "", tables[i]);
    return !sql->failed || err_set(e, ERR_LIMIT, "too many tables for one LOCK TABLES");
}

/* A connection that holds READ locks on the tables (without autocommit InnoDB's too, so that no
 * prepared XA transaction has written them); of none at all, any moment shows everything. */
static struct my_conn *lock_tables(const struct my_params *p, char *const *tables, size_t n,
                                   int64_t until_ms, struct err *e)
{
    struct buf sql = BUF_INIT;
    struct my_conn *c = my_connect(p, "copy lock", e);
    bool ok = c &&
              my_execf(c, e,
                       "SET SESSION autocommit = 0, innodb_table_locks = 1, "
                       "lock_wait_timeout = %d, innodb_lock_wait_timeout = %d",
                       LOCK_WAIT_SECONDS, LOCK_WAIT_SECONDS) &&
              my_limit_silence(c, LOCK_SILENCE_SECONDS, e) && lock_statement(tables, n, &sql, e);
    while (ok && n > 0 && !my_exec_n(c, buf_str(&sql), sql.len, NULL, e)) {
        ok = e->code == ERR_DB_DEADLOCK && clock_mono_ms() < until_ms;
        if (!ok)
            err_prepend(e, "LOCK TABLES for a moment");
    }
    buf_fini(&sql);
    if (ok)
        return c;
    my_close(c);
    return NULL;
}

static enum proof prove_by_lock(struct copy_reader *r, int64_t until_ms, struct err *e)
{
    if (!r->n_lock_tables)
        return PROOF_NOT_POSSIBLE;
    struct my_conn *locker = lock_tables(&r->params, r->lock_tables, r->n_lock_tables, until_ms, e);
    bool ok = locker && begin_view(r, e);
    my_close(locker);
    return ok ? PROOF_YES : PROOF_FAIL;
}

bool copy_prove_visible(struct copy_reader *r, const struct position *low, int64_t timeout_ms,
                        struct err *e)
{
    int64_t until_ms = clock_mono_ms() + timeout_ms;
    if (!FAULT_POINT("copy.prove_visible", e) || !copy_end_view(r, e))
        return false;
    enum proof proof = prove_by_gtid(r, low, until_ms, e);
    if (proof == PROOF_NOT_POSSIBLE)
        proof = prove_by_snapshot(r, low, until_ms, e);
    if (proof == PROOF_NOT_POSSIBLE)
        proof = prove_by_mark(r, e);
    if (proof == PROOF_NOT_POSSIBLE)
        proof = prove_by_lock(r, until_ms, e);
    if (proof == PROOF_NOT_POSSIBLE) {
        err_set(e, ERR_SRC_SETTING, "nothing proves which changes this server's reads include");
        err_cure(e, "set gtid_mode=ON, or let the account write to " LOG_MARK_NAME
                    " or lock the tables");
    }
    return proof == PROOF_YES;
}

/* ---- one exact snapshot ---- */

static bool xa_commits(struct my_conn *c, uint64_t *n, struct err *e)
{
    return my_query_u64(c,
                        "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE "
                        "VARIABLE_NAME = 'COM_XA_COMMIT'",
                        n, e);
}

/* The snapshot's own place is its position unless an XA COMMIT that lies before it was not visible
 * yet. None was when none was prepared, and none has begun since until the snapshot was open. */
static bool exact_by_snapshot(struct copy_reader *r, struct position *out, bool *exact,
                              struct err *e)
{
    bool found = false;
    uint64_t before = 0, after = 0;
    if (!xa_commits(r->conn, &before, e))
        return false;
    bool none = no_xa_prepared(r, e);
    if (!none && e->code != ERR_TIMEOUT)
        return false;
    err_clear(e);
    if (!begin_view(r, e) || !snapshot_place(r->conn, out, &found, e) ||
        !xa_commits(r->conn, &after, e))
        return false;
    if (!found)
        return err_set(e, ERR_SRC_SETTING,
                       "the server keeps no binary log: its snapshot has no position");
    *exact = none && before == after;
    return !*exact || (place_gtids(r->conn, out, e) && place_log(r->conn, out, e));
}

static bool exact_on_mariadb(struct copy_reader *r, struct position *out, bool *exact,
                             struct err *e)
{
    *exact = false;
    for (unsigned i = 0; i < EXACT_TRIES && !*exact; i++) {
        struct position at = POSITION_INIT;
        bool ok = exact_by_snapshot(r, &at, exact, e);
        if (*exact)
            position_copy(out, &at);
        position_fini(&at);
        if (!ok || (!*exact && !copy_end_view(r, e)))
            return false;
    }
    return true;
}

static bool exact_under_lock(struct copy_reader *r, const struct my_params *p,
                             const char *const *quoted_tables, size_t n, struct position *out,
                             struct err *e)
{
    char **tables = mem_calloc(n ? n : 1, sizeof *tables);
    for (size_t i = 0; i < n; i++)
        tables[i] = mem_strdup(quoted_tables[i]);
    struct my_conn *locker = lock_tables(p, tables, n, clock_mono_ms() + 60000, e);
    bool ok = locker && begin_view(r, e) && my_lasting_position(locker, out, e);
    my_close(locker);
    for (size_t i = 0; i < n; i++)
        free(tables[i]);
    free(tables);
    return ok;
}

bool copy_exact_snapshot(struct copy_reader *r, const struct my_params *p,
                         const char *const *quoted_tables, size_t n, struct position *out,
                         struct err *e)
{
    struct position at = POSITION_INIT;
    if (!FAULT_POINT("copy.exact_snapshot", e) || !copy_end_view(r, e))
        return false;
    bool maria = my_conn_server(r->conn)->flavor == MY_FLAVOR_MARIADB, exact = false;
    bool ok = (!maria || exact_on_mariadb(r, &at, &exact, e)) &&
              (exact || exact_under_lock(r, p, quoted_tables, n, &at, e));
    if (ok)
        position_copy(out, &at);
    position_fini(&at);
    return ok || err_prepend(e, "exact snapshot");
}
