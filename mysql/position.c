/* mysql/position.c — where a server's log ends now, as a position that a dump can start from.
 *
 * File:pos and GTID set cannot be read at one instant. Both are read until two readings agree; on a
 * server that never rests the set that belongs to file:pos is asked for (MariaDB), or the older set
 * is kept (MySQL: its executed set only ever lags behind the log). So the result never claims a
 * transaction that is not in the log before file:pos.
 */
#include "mysql/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGREE_TRIES 5

struct reading {
    char file[POSITION_FILE_MAX];
    uint64_t pos;
    char *gtids; /* text, malloc'ed; NULL without GTIDs */
};

static void reading_fini(struct reading *r)
{
    free(r->gtids);
    r->gtids = NULL;
}

static const char *status_statement(const struct my_server *s)
{
    bool renamed = s->flavor == MY_FLAVOR_MYSQL && s->version >= 80200;
    return renamed ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS";
}

static bool no_log(struct my_conn *c, struct err *e)
{
    err_set(e, ERR_SRC_SETTING, "%s: log_bin is OFF", c->where);
    return err_cure(e, "start the server with --log-bin");
}

static bool read_status(struct my_conn *c, struct reading *out, struct err *e)
{
    struct my_result *r = my_query(c, status_statement(&c->server), e);
    if (!r)
        return false;
    struct my_cell cells[16];
    enum my_next next = my_result_columns(r) <= 16 ? my_result_next(r, cells, e) : MY_FAIL;
    if (next == MY_ROW && cells[0].p && cells[1].p) {
        snprintf(out->file, sizeof out->file, "%s", cells[0].p);
        out->pos = strtoull(cells[1].p, NULL, 10);
        if (c->server.flavor == MY_FLAVOR_MYSQL && c->server.gtid_mode && my_result_columns(r) > 4)
            out->gtids = strdup(cells[4].p ? cells[4].p : "");
    } else if (next != MY_FAIL) {
        next = MY_FAIL;
        no_log(c, e);
    }
    my_result_free(r);
    return next == MY_ROW;
}

static bool read_once(struct my_conn *c, struct reading *out, struct err *e)
{
    if (c->server.flavor == MY_FLAVOR_MARIADB &&
        !my_query_text(c, "SELECT @@gtid_binlog_pos", &out->gtids, e))
        return false;
    return read_status(c, out, e);
}

static bool agree(const struct reading *a, const struct reading *b)
{
    return a->pos == b->pos && strcmp(a->file, b->file) == 0 &&
           strcmp(a->gtids ? a->gtids : "", b->gtids ? b->gtids : "") == 0;
}

static bool ask_exact(struct my_conn *c, struct reading *r, struct err *e)
{
    if (c->server.flavor != MY_FLAVOR_MARIADB)
        return true;
    struct buf sql = BUF_INIT;
    buf_put_str(&sql, "SELECT BINLOG_GTID_POS(");
    buf_put_sql_string(&sql, r->file, strlen(r->file));
    buf_printf(&sql, ", %llu)", (unsigned long long)r->pos);
    char *exact = NULL;
    bool ok = my_query_text(c, buf_str(&sql), &exact, e);
    buf_fini(&sql);
    if (ok && exact) {
        free(r->gtids);
        r->gtids = exact;
    }
    return ok;
}

static bool read_agreed(struct my_conn *c, struct reading *out, struct err *e)
{
    if (!read_once(c, out, e))
        return false;
    for (unsigned i = 0; i < AGREE_TRIES; i++) {
        struct reading again = {0};
        if (!read_once(c, &again, e)) {
            reading_fini(&again);
            return false;
        }
        bool same = agree(out, &again);
        reading_fini(out);
        *out = again;
        if (same)
            return true;
    }
    return ask_exact(c, out, e);
}

bool my_current_position(struct my_conn *c, struct position *out, struct err *e)
{
    struct reading r = {0};
    struct position p = POSITION_INIT;
    bool ok = read_agreed(c, &r, e);
    if (ok && c->server.gtid_mode) {
        bool maria = c->server.flavor == MY_FLAVOR_MARIADB;
        p.gtids = gtid_set_parse(maria ? GTID_FLAVOR_MARIADB : GTID_FLAVOR_MYSQL,
                                 r.gtids ? r.gtids : "", e);
        ok = p.gtids != NULL;
    }
    if (ok) {
        snprintf(p.file, sizeof p.file, "%s", r.file);
        p.pos = r.pos;
        position_fini(out);
        *out = p;
    }
    reading_fini(&r);
    return ok;
}
