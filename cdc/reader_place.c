/* cdc/reader_place.c — may a server's log be read on from a recorded place: asks the server for
 * what state/log_match.h decides by, and says what is wrong.
 *
 * ▶ A server never says by itself that a wanted position lies beyond what it has: MariaDB and MySQL
 * wait there for ever, or serve what was written instead. So this is asked before each dump. Events
 * reach us before gtid_executed shows their transaction, so a position that is ahead gets
 * AHEAD_GRACE_MS to be caught up with before it is an error.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cdc/reader_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AHEAD_GRACE_MS              5000
#define AHEAD_POLL_MS               100
#define WATCH_TIMEOUT_MS            5000
#define ERROR_IN_SHOW_BINLOG_EVENTS 1220

/* ---- a file ---- */

/* "binlog." of binlog.000042 */
static size_t base_len(const char *file)
{
    const char *dot = strrchr(file, '.');
    return dot ? (size_t)(dot - file) : strlen(file);
}

static bool is_older(const char *file, const char *first)
{
    size_t n = base_len(file);
    return n == base_len(first) && strncmp(file, first, n) == 0 &&
           position_file_compare(file, first) < 0;
}

static bool list_file(struct my_conn *c, const char *file, struct reader_file *out, struct err *e)
{
    struct my_cell cells[16];
    enum my_next next = MY_END;
    struct my_result *res = my_query(c, "SHOW BINARY LOGS", e);
    if (!res)
        return false;
    out->first[0] = 0;
    out->state = LOG_FILE_GONE;
    while (my_result_columns(res) <= 16 && (next = my_result_next(res, cells, e)) == MY_ROW) {
        const char *name = cells[0].p ? cells[0].p : "";
        if (!out->first[0])
            snprintf(out->first, sizeof out->first, "%s", name);
        if (strcmp(name, file) != 0)
            continue;
        out->state = LOG_FILE_THERE;
        out->size = cells[1].p ? strtoull(cells[1].p, NULL, 10) : 0;
    }
    my_result_free(res);
    if (out->state == LOG_FILE_GONE && is_older(file, out->first))
        out->state = LOG_FILE_OLDER;
    return next != MY_FAIL;
}

/* SHOW BINARY LOGS needs a privilege of its own; without it the file's size is not known. */
static bool list_if_allowed(struct my_conn *c, const char *file, struct reader_file *out,
                            struct err *e)
{
    if (list_file(c, file, out, e))
        return true;
    if (e->code != ERR_DB_DENIED)
        return false;
    err_clear(e);
    out->state = LOG_FILE_UNSEEN;
    return true;
}

bool reader_look_at_file(struct my_conn *c, const char *file, struct reader_file *out,
                         struct err *e)
{
    bool there = true;
    if (!list_if_allowed(c, file, out, e))
        return false;
    if (out->begun || (out->state != LOG_FILE_THERE && out->state != LOG_FILE_UNSEEN))
        return true;
    if (!my_log_begun(c, file, &out->begun, &there, e))
        return false;
    if (!there && out->state == LOG_FILE_THERE)
        return err_set_native(e, ERR_SRC_PURGED, ERR_CLASS_RETRY, 0, "%s was removed just now",
                              file);
    if (out->state == LOG_FILE_UNSEEN && (!there || out->begun)) {
        out->state = there ? LOG_FILE_THERE : LOG_FILE_GONE;
        out->size = UINT64_MAX;
    }
    return true;
}

/* ---- what follows the place ---- */

/* The GTID in the text that SHOW BINLOG EVENTS has of a GTID event: … GTID_NEXT= 'uuid:1', or
 * BEGIN GTID 0-1-2 … */
static bool shown_gtid(const char *info, struct gtid *out)
{
    struct err ignored = ERR_INIT;
    char text[160];
    const char *at = strstr(info, "GTID_NEXT= '"), *maria = strstr(info, "GTID ");
    if (!at && !maria)
        return false;
    at = at ? at + strlen("GTID_NEXT= '") : maria + strlen("GTID ");
    snprintf(text, sizeof text, "%.*s", (int)strcspn(at, "' "), at);
    return gtid_parse(text, out, &ignored);
}

/* What follows the place must be new. Servers of one MariaDB domain may number past each other, one
 * server never goes back. */
static bool was_read(const struct position *start, const struct gtid *next)
{
    struct gtid_set *one = gtid_set_new(next->flavor);
    gtid_set_add(one, next);
    bool read =
        gtid_set_flavor(start->gtids) == next->flavor && gtid_set_contains(start->gtids, one);
    gtid_set_free(one);
    if (!read || next->flavor == GTID_FLAVOR_MYSQL)
        return read;
    struct buf text CLEANUP(buf_fini) = BUF_INIT;
    char wanted[40];
    gtid_set_print(start->gtids, &text);
    snprintf(wanted, sizeof wanted, "%u-%u-", next->domain_id, next->server_id);
    const char *at = strstr(buf_str(&text), wanted);
    return at && (at == buf_str(&text) || at[-1] == ',');
}

/* The words of SHOW BINLOG EVENTS for what stands behind a transaction's GTID event. */
static bool is_inside(const char *type)
{
    static const char *const words[] = {"Table_map", "rows", "Rows", "Xid", "Query", "payload"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strstr(type, words[i]))
            return true;
    }
    return false;
}

/* Without GTIDs a transaction may begin with a Query event. */
static enum log_next judge_event(const struct my_cell *cells, const struct position *start)
{
    struct gtid next;
    if (!cells[2].p || !cells[5].p || !start->gtids)
        return LOG_NEXT_NEW;
    bool read = shown_gtid(cells[5].p, &next) && was_read(start, &next);
    return read || is_inside(cells[2].p) ? LOG_NEXT_WRONG : LOG_NEXT_NEW;
}

static bool look_behind(struct my_conn *c, const struct position *start, enum log_next *next,
                        struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = BUF_INIT;
    struct my_cell cells[16];
    buf_put_str(&sql, "SHOW BINLOG EVENTS IN ");
    buf_put_sql_string(&sql, start->file, strlen(start->file));
    buf_printf(&sql, " FROM %llu LIMIT 1", (unsigned long long)start->pos);
    struct my_result *res = my_query(c, buf_str(&sql), e);
    enum my_next row = res && my_result_columns(res) == 6 ? my_result_next(res, cells, e) : MY_END;
    *next = row == MY_ROW ? judge_event(cells, start) : LOG_NEXT_NEW;
    my_result_free(res);
    if (e->code == ERR_NONE)
        return true;
    bool no_event = e->native == ERROR_IN_SHOW_BINLOG_EVENTS;
    *next = no_event ? LOG_NEXT_WRONG : LOG_NEXT_UNSEEN;
    if (!no_event && e->code != ERR_DB_DENIED)
        return false;
    err_clear(e);
    return true;
}

/* ---- what the server shows ---- */

struct look {
    struct my_conn *c;
    struct log_view view;
    struct reader_file file;
    struct position now;
    struct gtid_set *first;
};

static void look_fini(struct look *l)
{
    position_fini(&l->now);
    gtid_set_free(l->first);
}

static bool look_into_file(struct look *l, const struct position *p, struct err *e)
{
    bool is_gone, asks_behind;
    if (!p->log.begun) {
        if (!list_if_allowed(l->c, p->file, &l->file, e))
            return false;
    } else if (!reader_look_at_file(l->c, p->file, &l->file, e)) {
        return false;
    }
    l->view.file = l->file.state;
    l->view.begun = l->file.begun;
    l->view.size = l->file.size;
    is_gone = l->file.state == LOG_FILE_GONE || l->file.state == LOG_FILE_OLDER;
    if (is_gone && p->gtids && l->file.first[0]) {
        gtid_set_free(l->first);
        l->first = NULL;
        if (!reader_first_gtids(l->c, l->file.first, &l->first, e))
            return false;
        l->view.first = l->first;
    }
    asks_behind = l->file.state == LOG_FILE_THERE && p->pos <= l->file.size &&
                  p->pos <= UINT32_MAX && p->log.server[0];
    return !asks_behind || look_behind(l->c, p, &l->view.next, e);
}

static bool look(struct look *l, const struct position *p, struct err *e)
{
    bool mine = !p->log.server[0] || strcmp(p->log.server, l->view.server) == 0;
    l->view.next = LOG_NEXT_UNSEEN;
    if (position_is_by_gtid(p) && !my_current_position(l->c, &l->now, e))
        return false;
    l->view.executed = l->now.gtids;
    bool names_place = p->file[0] && (p->log.server[0] || !position_is_by_gtid(p));
    return !mine || !names_place || look_into_file(l, p, e);
}

/* ---- what is wrong ---- */

/* The transactions that were read and that this server does not have: errant ones of the server
 * that was read before, or lost ones of this. */
static void put_missing(const struct look *l, const struct position *p, struct buf *out)
{
    if (!position_is_by_gtid(p))
        return;
    struct gtid_set *missing = gtid_set_copy(p->gtids);
    if (l->now.gtids && gtid_set_flavor(l->now.gtids) == gtid_set_flavor(missing))
        gtid_set_subtract(missing, l->now.gtids);
    gtid_set_print(missing, out);
    gtid_set_free(missing);
}

static bool behind(const struct look *l, const struct position *p, const char *text, struct err *e)
{
    CLEANUP(buf_fini) struct buf missing = BUF_INIT;
    put_missing(l, p, &missing);
    if (missing.len > 0)
        err_set(e, ERR_SRC_AHEAD,
                "the server lacks transactions that were read before: %.600s (of %.600s): it lost "
                "them, or is another server",
                buf_str(&missing), text);
    else
        err_set(e, ERR_SRC_AHEAD,
                "the server has not reached %.900s: it lost transactions or is another server",
                text);
    return err_cure(e,
                    "connect to the server that has them, or compare with `vdiff` and start anew");
}

static bool purged(const char *text, struct err *e)
{
    err_set(e, ERR_SRC_PURGED, "the log at %.900s has been purged", text);
    return err_cure(e,
                    "keep the log for longer, and start from the current position with a new copy");
}

static void put_other(const struct look *l, const struct position *p, struct buf *out)
{
    const struct log_view *v = &l->view;
    if (p->log.server[0] && strcmp(p->log.server, v->server) != 0)
        buf_printf(out, "this is now server %s, and a file and offset mean nothing there",
                   v->server);
    else if (v->file == LOG_FILE_THERE && p->log.begun && v->begun != p->log.begun)
        buf_printf(out, "its %s was begun at another time than the one that was read", p->file);
    else if (v->file == LOG_FILE_THERE)
        buf_put_str(out, "what follows there is not what followed it");
    else
        buf_printf(out, "it has no %s, and its log begins with other transactions", p->file);
}

static bool other(const struct look *l, const struct position *p, const char *text, struct err *e)
{
    CLEANUP(buf_fini) struct buf why = BUF_INIT;
    CLEANUP(buf_fini) struct buf missing = BUF_INIT;
    put_other(l, p, &why);
    put_missing(l, p, &missing);
    if (missing.len > 0)
        buf_printf(&why, "; it lacks transactions that were read before: %.300s",
                   buf_str(&missing));
    err_set(e, ERR_SRC_IDENTITY,
            "%.600s is of another log than the server has now (it was reset, restored, built anew, "
            "or is another server): %.600s",
            text, buf_str(&why));
    return err_cure(e, "compare with `vdiff`, then copy anew (`workflow start --recopy`; a sink: "
                       "`sink delete`, and `sink create --copy`) or start from a place of this log "
                       "(`--from`)");
}

static bool judge(enum log_match match, const struct look *l, const struct position *p,
                  struct err *e)
{
    CLEANUP(mem_free_ptr) char *text = position_text(p);
    switch (match) {
    case LOG_MATCH_FAIL_OVER:
        log_info("reader", "server %s has what was read of server %s, and is read on by GTID",
                 l->view.server, p->log.server);
        return true;
    case LOG_MATCH_SAME:
        return true;
    case LOG_MATCH_BEHIND:
        return behind(l, p, text, e);
    case LOG_MATCH_PURGED:
        return purged(text, e);
    case LOG_MATCH_OTHER:
        return other(l, p, text, e);
    }
    return false;
}

bool reader_check_place(struct my_conn *c, const struct position *p, struct err *e)
{
    CLEANUP(look_fini) struct look l = {.c = c};
    int64_t until_ms = clock_mono_ms() + AHEAD_GRACE_MS;
    enum log_match match;
    bool looked;
    my_server_name(my_conn_server(c), l.view.server, sizeof l.view.server);
    while ((looked = look(&l, p, e)) && (match = log_match(p, &l.view)) == LOG_MATCH_BEHIND &&
           clock_mono_ms() < until_ms)
        clock_sleep_ms(AHEAD_POLL_MS, NULL);
    return looked && judge(match, &l, p, e);
}

/* ---- while nothing comes ---- */

/* ▶ A dump that waits at the end of a log does not notice that the log is begun anew: it sends
 * heartbeats until the new log is longer. What cannot be asked is asked at the next heartbeat. */
bool reader_log_goes_on(struct feed *f, const struct position *at, struct err *e)
{
    struct err ignored = ERR_INIT;
    CLEANUP(position_fini) struct position now = POSITION_INIT;
    if (!f->watch)
        f->watch =
            my_connect_within(&f->reader->shard->primary, "watch", WATCH_TIMEOUT_MS, &ignored);
    if (!f->watch || !my_current_position(f->watch, &now, &ignored)) {
        my_close(f->watch);
        f->watch = NULL;
        return true;
    }
    int order = position_file_compare(now.file, at->file);
    if (!at->file[0] || strcmp(now.log.server, at->log.server) != 0 || order > 0 ||
        (order == 0 && now.pos >= at->pos))
        return true;
    return err_set_native(e, ERR_SRC_IDENTITY, ERR_CLASS_RETRY, 0,
                          "the log ends at %s:%llu, before %s:%llu, which was read", now.file,
                          (unsigned long long)now.pos, at->file, (unsigned long long)at->pos);
}
