/* cdc/copy_read_view.c — read views of which it is proven what they include.
 *
 * ▶ A log reader gets events before other sessions can see their rows (3–11 % of them), so reading
 * after having received A proves nothing. What does: MySQL with GTIDs: gtid_executed contains A; it
 * is updated after the engine's commit. MariaDB: a consistent snapshot whose own place in the log
 * (binlog_snapshot_*) is at or after A. Any server that we may write to: a row committed after A
 * was received; commits become visible in the order of the log (MySQL: binlog_order_commits,
 * checked). LOCK TABLES … READ of the tables that are read: it waits until every transaction that
 * wrote them has released its metadata lock, which happens after the engine's commit. ▶ START
 * TRANSACTION releases the session's own table locks, so another connection holds them.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "cdc/copy_read_internal.h"
#include "cdc/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS           5
#define LOCK_WAIT_SECONDS 3

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

static bool not_visible(const struct position *a, struct err *e)
{
    CLEANUP(mem_free_ptr) char *text = position_text(a);
    return err_set(e, ERR_TIMEOUT, "the server does not show everything up to %.900s yet", text);
}

/* ---- MySQL with GTIDs ---- */

static enum proof prove_by_gtid(struct copy_reader *r, const struct position *a, int64_t until_ms,
                                struct err *e)
{
    const struct my_server *server = my_conn_server(r->conn);
    struct buf set = BUF_INIT;
    char *answer = NULL;
    if (server->flavor != MY_FLAVOR_MYSQL || !server->gtid_mode || !a->gtids)
        return PROOF_NOT_POSSIBLE;
    int64_t left_ms = until_ms - clock_mono_ms();
    struct buf sql = BUF_INIT;
    gtid_set_print(a->gtids, &set);
    buf_put_str(&sql, "SELECT WAIT_FOR_EXECUTED_GTID_SET(");
    buf_put_sql_string(&sql, buf_str(&set), set.len);
    buf_printf(&sql, ", %.3f)", left_ms > 1 ? (double)left_ms / 1000 : 0.001);
    bool ok = my_query_text(r->conn, buf_str(&sql), &answer, e);
    bool seen = ok && answer && strcmp(answer, "0") == 0;
    if (ok && !seen)
        not_visible(a, e);
    buf_fini(&set);
    buf_fini(&sql);
    free(answer);
    return seen && begin_view(r, e) ? PROOF_YES : PROOF_FAIL;
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

static bool snapshot_includes(struct my_conn *c, struct position *at, const struct position *a,
                              bool *yes, struct err *e)
{
    *yes = false;
    if (a->file[0]) {
        int order = position_file_compare(at->file, a->file);
        *yes = order > 0 || (order == 0 && at->pos >= a->pos);
        return true;
    }
    if (!place_gtids(c, at, e))
        return false;
    *yes = a->gtids && gtid_set_contains(at->gtids, a->gtids);
    return true;
}

static enum proof try_snapshot(struct copy_reader *r, const struct position *a, struct err *e)
{
    struct position at = POSITION_INIT;
    bool found = false, yes = false;
    enum proof proof = PROOF_FAIL;
    if (begin_view(r, e) && snapshot_place(r->conn, &at, &found, e)) {
        if (!found)
            proof = PROOF_NOT_POSSIBLE;
        else if (snapshot_includes(r->conn, &at, a, &yes, e))
            proof = yes ? PROOF_YES : PROOF_FAIL;
        if (proof == PROOF_FAIL && e->code == ERR_NONE)
            not_visible(a, e);
    }
    position_fini(&at);
    if (proof == PROOF_YES)
        return proof;
    struct err ignored = ERR_INIT;
    return copy_end_view(r, &ignored) ? proof : PROOF_FAIL;
}

static enum proof prove_by_snapshot(struct copy_reader *r, const struct position *a,
                                    int64_t until_ms, struct err *e)
{
    if (my_conn_server(r->conn)->flavor != MY_FLAVOR_MARIADB)
        return PROOF_NOT_POSSIBLE;
    for (;;) {
        err_clear(e);
        enum proof proof = try_snapshot(r, a, e);
        if (proof != PROOF_FAIL || e->code != ERR_TIMEOUT || clock_mono_ms() >= until_ms)
            return proof;
        clock_sleep_ms(POLL_MS, NULL);
    }
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

/* The write is made and committed now, so after A was received; autocommit is on outside views. */
static enum proof prove_by_watermark(struct copy_reader *r, struct err *e)
{
    struct err why = ERR_INIT;
    if (!commits_are_ordered(r->conn))
        return PROOF_NOT_POSSIBLE;
    if (!my_exec(r->conn,
                 "INSERT INTO " SLUICE_SIDECAR_DB ".watermark (name, n) VALUES ('copy', 1) "
                 "ON DUPLICATE KEY UPDATE n = n + 1",
                 NULL, &why)) {
        log_debug("copy", "no watermark: %s", why.text);
        if (why.code == ERR_DB_LOST || why.code == ERR_DB_DEADLOCK) {
            err_copy(e, &why);
            return PROOF_FAIL;
        }
        return PROOF_NOT_POSSIBLE;
    }
    return begin_view(r, e) ? PROOF_YES : PROOF_FAIL;
}

/* ---- table locks ---- */

static bool lock_statement(char *const *tables, size_t n, struct buf *sql, struct err *e)
{
    buf_put_str(sql, "LOCK TABLES ");
    for (size_t i = 0; i < n; i++)
        buf_printf(sql, "%s%s READ", i ? ", " : "", tables[i]);
    return !sql->failed || err_set(e, ERR_LIMIT, "too many tables for one LOCK TABLES");
}

/* A connection that holds READ locks on the tables. */
static struct my_conn *lock_tables(const struct my_params *p, char *const *tables, size_t n,
                                   int64_t until_ms, struct err *e)
{
    struct buf sql = BUF_INIT;
    struct my_conn *c = my_connect(p, "copy lock", e);
    bool ok = c && my_execf(c, e, "SET SESSION lock_wait_timeout = %d", LOCK_WAIT_SECONDS) &&
              lock_statement(tables, n, &sql, e);
    while (ok && !my_exec_n(c, buf_str(&sql), sql.len, NULL, e)) {
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

bool copy_prove_visible(struct copy_reader *r, const struct position *a, int64_t timeout_ms,
                        struct err *e)
{
    int64_t until_ms = clock_mono_ms() + timeout_ms;
    if (!FAULT_POINT("copy.prove_visible", e) || !copy_end_view(r, e))
        return false;
    enum proof proof = prove_by_gtid(r, a, until_ms, e);
    if (proof == PROOF_NOT_POSSIBLE)
        proof = prove_by_snapshot(r, a, until_ms, e);
    if (proof == PROOF_NOT_POSSIBLE)
        proof = prove_by_watermark(r, e);
    if (proof == PROOF_NOT_POSSIBLE)
        proof = prove_by_lock(r, until_ms, e);
    if (proof == PROOF_NOT_POSSIBLE) {
        err_set(e, ERR_SRC_SETTING, "nothing proves which changes this server's reads include");
        err_cure(e, "set gtid_mode=ON, or let the account write to %s.watermark or lock the tables",
                 SLUICE_SIDECAR_DB);
    }
    return proof == PROOF_YES;
}

/* ---- one exact snapshot ---- */

static bool exact_on_mariadb(struct copy_reader *r, struct position *out, struct err *e)
{
    bool found = false;
    if (!begin_view(r, e) || !snapshot_place(r->conn, out, &found, e))
        return false;
    if (!found)
        return err_set(e, ERR_SRC_SETTING,
                       "the server keeps no binary log: its snapshot has no position");
    return place_gtids(r->conn, out, e);
}

static bool exact_under_lock(struct copy_reader *r, const struct my_params *p,
                             const char *const *quoted_tables, size_t n, struct position *out,
                             struct err *e)
{
    char **tables = mem_calloc(n ? n : 1, sizeof *tables);
    for (size_t i = 0; i < n; i++)
        tables[i] = mem_strdup(quoted_tables[i]);
    struct my_conn *locker = lock_tables(p, tables, n, clock_mono_ms() + 60000, e);
    bool ok = locker && begin_view(r, e) && my_current_position(locker, out, e);
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
    bool ok = my_conn_server(r->conn)->flavor == MY_FLAVOR_MARIADB
                  ? exact_on_mariadb(r, &at, e)
                  : exact_under_lock(r, p, quoted_tables, n, &at, e);
    if (ok)
        position_copy(out, &at);
    position_fini(&at);
    return ok || err_prepend(e, "exact snapshot");
}
