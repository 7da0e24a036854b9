/* mysql/server_position.c — where a server's log ends now, as a position that a dump can start
 * from.
 *
 * File:pos and GTID set cannot be read at one instant. Both are read until two readings agree; on a
 * server that never rests the set that belongs to file:pos is asked for (MariaDB), or the older set
 * is kept (MySQL: its executed set only ever lags behind the log). So the result never claims a
 * transaction that is not in the log before file:pos.
 */
#include "mysql/dump.h"
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
        my_server_name(&c->server, p.log.server, sizeof p.log.server);
        position_fini(out);
        *out = p;
    }
    reading_fini(&r);
    return ok;
}

/* ---- whose log it is ---- */

#define EVENT_FORMAT_DESCRIPTION 15

/* The header's time of the format description, which is a file's first event. */
static enum my_next read_begun(struct my_dump *d, uint32_t *begun, struct err *e)
{
    const uint8_t *event;
    size_t n;
    enum my_next next;
    while ((next = my_dump_next(d, &event, &n, e)) == MY_ROW) {
        if (n >= 19 && event[4] == EVENT_FORMAT_DESCRIPTION) {
            *begun = (uint32_t)event[0] | (uint32_t)event[1] << 8 | (uint32_t)event[2] << 16 |
                     (uint32_t)event[3] << 24;
            break;
        }
    }
    return next;
}

static bool same_server(const struct my_server *a, const struct my_server *b)
{
    return a->server_id == b->server_id && strcmp(a->server_uuid, b->server_uuid) == 0;
}

bool my_log_begun(struct my_conn *c, const char *file, uint32_t *begun, bool *there, struct err *e)
{
    struct my_dump_options o = {.non_block = true};
    struct position head = {.pos = 4};
    struct err why = ERR_INIT;
    snprintf(head.file, sizeof head.file, "%s", file);
    *begun = 0;
    *there = true;
    struct my_dump *d = my_dump_open(&c->params, &o, &head, &why);
    enum my_next next = MY_FAIL;
    if (d && same_server(my_dump_server(d), &c->server))
        next = read_begun(d, begun, &why);
    else if (d)
        err_set_native(&why, ERR_SRC_IDENTITY, ERR_CLASS_RETRY, 0,
                       "%s leads to another server than before", c->where);
    my_dump_close(d);
    if (next != MY_FAIL || why.code == ERR_DB_DENIED)
        return true;
    *there = why.code != ERR_SRC_PURGED;
    if (*there)
        err_copy(e, &why);
    return !*there;
}

/* Since the last time this connection's server has not begun another file: in the same one it is
 * further on. (One that was begun anew in between, and has grown that far already, gets the log of
 * the old one: such a position is refused later, and not taken for what it is not.) */
static bool is_kept(const struct my_conn *c, const struct position *now)
{
    return c->kept.log.begun && strcmp(c->kept.file, now->file) == 0 && c->kept.pos <= now->pos;
}

bool my_lasting_position(struct my_conn *c, struct position *out, struct err *e)
{
    struct position now = POSITION_INIT;
    bool there = true;
    bool ok = my_current_position(c, &now, e);
    if (ok && is_kept(c, &now))
        now.log = c->kept.log;
    else if (ok)
        ok = my_log_begun(c, now.file, &now.log.begun, &there, e);
    if (ok && !there)
        ok = err_set_native(e, ERR_SRC_IDENTITY, ERR_CLASS_RETRY, 0,
                            "%s: its log was begun anew just now", c->where);
    if (ok) {
        memcpy(c->kept.file, now.file, sizeof c->kept.file);
        c->kept.pos = now.pos;
        c->kept.log = now.log;
        position_copy(out, &now);
    }
    position_fini(&now);
    return ok;
}
