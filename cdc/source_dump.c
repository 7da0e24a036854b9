/* cdc/source_dump.c — a live server's log as a cdc_source, and what must hold before it may be read
 * on from a known place.
 *
 * ▶ A server never says by itself that a wanted position lies beyond what it has: MariaDB and MySQL
 * wait there for ever, or serve what was written instead. So the position is compared with the
 * server's own before each dump. Events reach us before gtid_executed shows their transaction, so a
 * position that is ahead gets AHEAD_GRACE_MS to be caught up with before it is an error.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "cdc/reader_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AHEAD_GRACE_MS 5000
#define AHEAD_POLL_MS  100

struct dump_source {
    struct cdc_source base;
    struct my_dump *dump;
};

static enum cdc_next dump_next(struct cdc_source *s, const uint8_t **event, size_t *n,
                               struct err *e)
{
    struct my_dump *dump = ((struct dump_source *)s)->dump;
    switch (my_dump_next(dump, event, n, e)) {
    case MY_ROW:
        s->piece = my_dump_piece(dump);
        return CDC_NEXT_OK;
    case MY_END:
        return CDC_NEXT_END;
    case MY_FAIL:
        return CDC_NEXT_FAIL;
    }
    return CDC_NEXT_FAIL;
}

static void dump_interrupt(struct cdc_source *s)
{
    my_dump_interrupt(((struct dump_source *)s)->dump);
}

static void dump_close(struct cdc_source *s)
{
    my_dump_close(((struct dump_source *)s)->dump);
    free(s);
}

static bool dump_ready(struct cdc_source *s)
{
    return my_dump_ready(((struct dump_source *)s)->dump);
}

static const struct cdc_source_ops dump_ops = {
    .next = dump_next, .interrupt = dump_interrupt, .close = dump_close, .ready = dump_ready};

struct cdc_source *cdc_source_open_dump(const struct my_params *p, const struct my_dump_options *o,
                                        const struct position *start, struct err *e)
{
    struct my_dump *dump = my_dump_open(p, o, start, e);
    if (!dump)
        return NULL;
    struct dump_source *s = mem_alloc(sizeof *s);
    s->base.ops = &dump_ops;
    s->dump = dump;
    return &s->base;
}

const struct my_server *reader_source_server(const struct cdc_source *s)
{
    return s->ops == &dump_ops ? my_dump_server(((const struct dump_source *)s)->dump) : NULL;
}

/* ---- may this server be read from that place? ---- */

enum place { PLACE_OK, PLACE_AHEAD, PLACE_PURGED, PLACE_FAIL };

static bool use_gtid(const struct position *start)
{
    return start->gtids && (!gtid_set_is_empty(start->gtids) || !start->file[0]);
}

static enum place place_by_gtid(struct my_conn *c, const struct position *start, struct err *e)
{
    struct position now = POSITION_INIT;
    if (!my_current_position(c, &now, e))
        return PLACE_FAIL;
    bool has = gtid_set_is_empty(start->gtids) ||
               (now.gtids && gtid_set_flavor(now.gtids) == gtid_set_flavor(start->gtids) &&
                gtid_set_contains(now.gtids, start->gtids));
    position_fini(&now);
    return has ? PLACE_OK : PLACE_AHEAD;
}

/* Compares one line of SHOW BINARY LOGS; *found when it is our file. */
static enum place place_in_file(const struct my_cell *cells, const struct position *start,
                                bool *found)
{
    if (!cells[0].p || strcmp(cells[0].p, start->file) != 0)
        return PLACE_OK;
    *found = true;
    uint64_t size = cells[1].p ? strtoull(cells[1].p, NULL, 10) : 0;
    return start->pos > size ? PLACE_AHEAD : PLACE_OK;
}

static enum place place_by_file(struct my_conn *c, const struct position *start, struct err *e)
{
    struct my_cell cells[16];
    char first[POSITION_FILE_MAX] = "";
    enum place place = PLACE_OK;
    enum my_next next = MY_END;
    bool found = false;
    struct my_result *res = my_query(c, "SHOW BINARY LOGS", e);
    if (!res)
        return PLACE_FAIL;
    while (my_result_columns(res) <= 16 && (next = my_result_next(res, cells, e)) == MY_ROW) {
        if (!first[0])
            snprintf(first, sizeof first, "%s", cells[0].p ? cells[0].p : "");
        if (!found)
            place = place_in_file(cells, start, &found);
    }
    my_result_free(res);
    if (next == MY_FAIL)
        return PLACE_FAIL;
    if (found)
        return place;
    return first[0] && position_file_compare(start->file, first) < 0 ? PLACE_PURGED : PLACE_AHEAD;
}

static enum place find_place(struct my_conn *c, const struct position *start, struct err *e)
{
    if (use_gtid(start))
        return place_by_gtid(c, start, e);
    return start->file[0] ? place_by_file(c, start, e) : PLACE_OK;
}

/* The transactions that were read and that this server does not have: errant ones of the server
 * that was read before, or lost ones of this. */
static void put_missing(struct my_conn *c, const struct position *start, struct buf *out)
{
    struct err ignored = ERR_INIT;
    struct position now = POSITION_INIT;
    if (!use_gtid(start) || !my_current_position(c, &now, &ignored))
        return;
    struct gtid_set *missing = gtid_set_copy(start->gtids);
    if (now.gtids && gtid_set_flavor(now.gtids) == gtid_set_flavor(missing))
        gtid_set_subtract(missing, now.gtids);
    gtid_set_print(missing, out);
    gtid_set_free(missing);
    position_fini(&now);
}

static bool place_error(enum place place, struct my_conn *c, const struct position *start,
                        struct err *e)
{
    CLEANUP(buf_fini) struct buf missing = BUF_INIT;
    CLEANUP(mem_free_ptr) char *text = position_text(start);
    if (place == PLACE_PURGED) {
        err_set(e, ERR_SRC_PURGED, "the log at %.900s has been purged", text);
        return err_cure(
            e, "keep the log for longer, and start from the current position with a new copy");
    }
    put_missing(c, start, &missing);
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

static bool check_place(struct my_conn *c, const struct position *start, struct err *e)
{
    int64_t until_ms = clock_mono_ms() + AHEAD_GRACE_MS;
    enum place place;
    while ((place = find_place(c, start, e)) == PLACE_AHEAD && clock_mono_ms() < until_ms)
        clock_sleep_ms(AHEAD_POLL_MS, NULL);
    if (place == PLACE_FAIL && e->code == ERR_DB_DENIED)
        return true; /* SHOW BINARY LOGS needs a privilege of its own; the dump will tell */
    return place == PLACE_OK || (place != PLACE_FAIL && place_error(place, c, start, e));
}

/* MariaDB has no uuid. */
static void identity_text(const struct my_server *server, char *out, size_t n)
{
    if (server->server_uuid[0])
        snprintf(out, n, "%s", server->server_uuid);
    else
        snprintf(out, n, "with server_id %u", server->server_id);
}

/* file:pos means something on one server only. */
static bool check_identity(struct feed *f, const struct position *start, struct err *e)
{
    struct cdc_reader *r = f->reader;
    char known[sizeof r->identity];
    pthread_mutex_lock(&r->lock);
    if (!r->identity[0])
        memcpy(r->identity, f->identity, sizeof r->identity);
    memcpy(known, r->identity, sizeof known);
    pthread_mutex_unlock(&r->lock);
    if (use_gtid(start) || strcmp(known, f->identity) == 0)
        return true;
    err_set(e, ERR_SRC_IDENTITY, "%s is now server %s, the position %s:%llu is of server %s",
            r->shard->primary_address ? r->shard->primary_address : "the source", f->identity,
            start->file, (unsigned long long)start->pos, known);
    return err_cure(e, "positions without GTIDs cannot follow a failover: start anew, with "
                       "gtid_mode=ON if possible");
}

/* ---- is its log still the one that was read? ---- */

#define ERROR_IN_SHOW_BINLOG_EVENTS 1220

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

static bool begins_anew(const struct my_cell *cells, const struct position *start)
{
    struct gtid next;
    if (!cells[2].p || !cells[5].p)
        return true;
    return !is_inside(cells[2].p) && !(shown_gtid(cells[5].p, &next) && was_read(start, &next));
}

/* Whether nothing or a transaction begins at the place, one that was not read; *known false: it
 * cannot be seen. */
static bool follows(struct my_conn *c, const struct position *start, bool *known, struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = BUF_INIT;
    struct my_cell cells[16];
    *known = true;
    buf_put_str(&sql, "SHOW BINLOG EVENTS IN ");
    buf_put_sql_string(&sql, start->file, strlen(start->file));
    buf_printf(&sql, " FROM %llu LIMIT 1", (unsigned long long)start->pos);
    struct my_result *res = my_query(c, buf_str(&sql), e);
    enum my_next row = res && my_result_columns(res) == 6 ? my_result_next(res, cells, e) : MY_END;
    bool new = row != MY_ROW || begins_anew(cells, start);
    my_result_free(res);
    if (e->code == ERR_NONE)
        return new;
    *known = e->native == ERROR_IN_SHOW_BINLOG_EVENTS;
    return false;
}

/* A log that was reset, or restored from a copy, has GTIDs that were used before. By their numbers
 * alone it could not be told from the one that was read; by its file and position it can, as long
 * as it is the same server. */
static bool check_same_log(const struct feed *f, struct my_conn *c, const struct position *start,
                           struct err *e)
{
    bool known = true;
    if (!use_gtid(start) || !start->file[0] || start->pos > UINT32_MAX ||
        strcmp(f->read_from, f->identity) != 0)
        return true;
    enum place place = place_by_file(c, start, e);
    bool same = place == PLACE_PURGED || (place == PLACE_OK && follows(c, start, &known, e));
    if (same || !known || place == PLACE_FAIL) {
        bool passes = e->code == ERR_NONE || e->code == ERR_DB_DENIED;
        if (passes)
            err_clear(e);
        return passes;
    }
    err_set(e, ERR_SRC_IDENTITY,
            "what follows %s:%llu is not what followed it: the log was reset, or the server's data "
            "were restored",
            start->file, (unsigned long long)start->pos);
    return err_cure(e, "compare with `vdiff`, then start anew with a new copy");
}

struct cdc_source *reader_open_live(struct feed *f, const struct position *start, struct err *e)
{
    struct cdc_reader *r = f->reader;
    struct my_dump_options o = {.server_id = f->server_id,
                                .heartbeat_ms = r->o.heartbeat_ms,
                                .annotate = r->o.want_query,
                                .use_gtid = use_gtid(start)};
    struct cdc_source *source = NULL;
    struct my_conn *c = my_connect(&r->shard->primary, "reader", e);
    if (c) {
        identity_text(my_conn_server(c), f->identity, sizeof f->identity);
        __atomic_store_n(&r->folds_names, my_conn_server(c)->folds_names, __ATOMIC_RELAXED);
    }
    if (c && check_identity(f, start, e) && check_place(c, start, e) &&
        check_same_log(f, c, start, e))
        source = cdc_source_open_dump(&r->shard->primary, &o, start, e);
    my_close(c);
    if (!source)
        err_prepend(e, "%s/%s", r->shard->keyspace, r->shard->name);
    return source;
}
