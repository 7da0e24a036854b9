/* vrepl/workflow/fence_rename.c — the fence of hidden names: under the hold every table is renamed.
 *
 * ▶ RENAME TABLE under LOCK TABLES is refused by MariaDB (1192) and by MySQL before 8.0.13: there
 * it is ALTER TABLE … RENAME, one at a time. Either takes a time for each table that only the
 * server's disks decide, while writers wait: fence_rename_measure tries it on a table of our own,
 * so that a switch which cannot end in time is refused before anybody waits.
 */
#include "vrepl/workflow/fence_internal.h"

#include "cdc/sidecar/fence_row.h"
#include "vrepl/move/object_names.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MYSQL_RENAME_UNDER_LOCK 80013

static void hidden_name(const struct fence_hold *h, size_t i, char *out, size_t out_len)
{
    names_hidden(h->w->keys[0], h->side == WF_TARGET, fence_table(h, i), out, out_len);
}

void fence_rename_put_hold(const struct fence_hold *h, struct buf *sql)
{
    for (size_t i = 0; i < h->w->def->n_tables; i++) {
        buf_put_str(sql, i == 0 ? "LOCK TABLES " : ", ");
        fence_put_table(sql, h->shard, fence_table(h, i));
        buf_put_str(sql, " WRITE");
    }
}

static bool renames_many(const struct fence_hold *h)
{
    const struct my_server *s = my_conn_server(h->conn);
    return s->flavor == MY_FLAVOR_MYSQL && s->version >= MYSQL_RENAME_UNDER_LOCK;
}

static bool rename_one(struct fence_hold *h, const char *from, const char *to, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_printf(&sql, "ALTER /* sluice:%s */ TABLE ", h->w->keys[0]);
    fence_put_table(&sql, h->shard, from);
    buf_put_str(&sql, " RENAME TO ");
    fence_put_table(&sql, h->shard, to);
    return my_exec(h->conn, buf_str(&sql), NULL, e) ||
           err_prepend(e, "rename fence on %s/%s, table %s", h->shard->keyspace, h->shard->name,
                       from);
}

static void put_pair(struct fence_hold *h, const char *from, const char *to, struct buf *sql)
{
    if (sql->len == 0)
        buf_printf(sql, "RENAME /* sluice:%s */ TABLE ", h->w->keys[0]);
    else
        buf_put_str(sql, ", ");
    fence_put_table(sql, h->shard, from);
    buf_put_str(sql, " TO ");
    fence_put_table(sql, h->shard, to);
}

/* Those tables for which `hidden` (may be NULL: all) has the hidden name. */
static bool rename_all(struct fence_hold *h, const struct map *hidden, bool hide, struct err *e)
{
    CLEANUP(buf_fini) struct buf many = BUF_INIT;
    char name[NAMES_MAX];
    for (size_t i = 0; i < h->w->def->n_tables; i++) {
        const char *plain = fence_table(h, i);
        hidden_name(h, i, name, sizeof name);
        if (hidden != NULL && map_get_str(hidden, name) == NULL)
            continue;
        if (renames_many(h))
            put_pair(h, hide ? plain : name, hide ? name : plain, &many);
        else if (!rename_one(h, hide ? plain : name, hide ? name : plain, e))
            return false;
    }
    return many.len == 0 || my_exec(h->conn, buf_str(&many), NULL, e) ||
           err_prepend(e, "rename fence on %s/%s", h->shard->keyspace, h->shard->name);
}

bool fence_rename_hide(struct fence_hold *h, struct err *e)
{
    assert(h->locked);
    return rename_all(h, NULL, true, e);
}

static struct map *hidden_tables(struct fence_hold *h, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_put_str(&sql, "SELECT TABLE_NAME, TABLE_NAME FROM information_schema.TABLES WHERE "
                      "TABLE_NAME LIKE '\\_sluice\\_f\\_%' AND TABLE_SCHEMA = ");
    buf_put_sql_string(&sql, h->shard->primary.database, strlen(h->shard->primary.database));
    return fence_names(h, buf_str(&sql), e);
}

bool fence_rename_gate(struct fence_hold *h, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    char name[NAMES_MAX];
    struct map *hidden = hidden_tables(h, e);
    for (size_t i = 0; hidden != NULL && i < h->w->def->n_tables; i++) {
        hidden_name(h, i, name, sizeof name);
        if (map_get_str(hidden, name) == NULL)
            continue;
        buf_put_str(&sql, sql.len == 0 ? "LOCK TABLES " : ", ");
        fence_put_table(&sql, h->shard, name);
        buf_put_str(&sql, " WRITE");
    }
    bool ok = hidden != NULL && (sql.len == 0 || fence_try(h, buf_str(&sql), FENCE_LOCK_S, e));
    map_free(hidden);
    return ok;
}

bool fence_rename_show(struct fence_hold *h, struct err *e)
{
    struct map *hidden = hidden_tables(h, e);
    bool ok = hidden != NULL && rename_all(h, hidden, false, e);
    map_free(hidden);
    return ok;
}

bool fence_rename_measure(struct fence_hold *h, struct err *e)
{
    char name[NAMES_MAX];
    int64_t took_us = 0;
    names_fence(h->w->keys[0], h->shard->keyspace, h->shard->name, name, sizeof name);
    bool ok = fence_row_measure_rename(h->conn, name, &took_us, e);
    h->cost_ms = took_us * (int64_t)h->w->def->n_tables / 1000;
    return ok || err_prepend(e, "rename fence on %s/%s", h->shard->keyspace, h->shard->name);
}
