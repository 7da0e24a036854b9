/* mysql/dump.c — opening a log stream at a position, reading its events, telling why it ended.
 *
 * The session announces checksums, a heartbeat period and an identity derived from the server id,
 * so that a reconnect replaces its own half-dead predecessor at once, and two readers that were
 * given the same id by mistake are told so (ERR_SRC_SERVER_ID) whichever server it is. Silence:
 * before the first event the server may have to search through files, so that the first one may
 * take FIRST_EVENT_MS; afterwards two heartbeat periods without a byte mean a dead peer.
 */
#include "mysql/dump.h"

#include "base/fault.h"
#include "base/mem.h"
#include "mysql/dump_backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_HEARTBEAT_MS 5000u
#define FIRST_EVENT_MS       60000u
#define LOG_BEGIN            4u /* behind the file's magic number */

enum dump_flag { DUMP_NON_BLOCK = 1, DUMP_ANNOTATE = 2 };

struct my_dump {
    struct my_dump_backend *b;
    struct my_dump_skip skip;
    unsigned silence_ms;
    bool checksum;
    bool any_event;
    bool has_end; /* non_block: the log's end is an answer */
};

static bool is_mariadb(const struct my_dump *d)
{
    return d->b->ops->server(d->b)->flavor == MY_FLAVOR_MARIADB;
}

static bool exec(struct my_dump *d, struct buf *sql, struct err *e)
{
    bool ok = d->b->ops->exec(d->b, buf_str(sql), e);
    buf_reset(sql);
    return ok;
}

/* "sluice" in hexadecimal, then the server id. Without an id a dump is nobody's: the servers end no
 * other one for it. */
static void put_identity(struct buf *sql, uint32_t server_id)
{
    if (server_id)
        buf_printf(sql,
                   ", @slave_uuid = '736c7569-6365-4000-8000-0000%08x',"
                   " @replica_uuid = '736c7569-6365-4000-8000-0000%08x'",
                   server_id, server_id);
}

static bool prepare_common(struct my_dump *d, const struct my_dump_options *o,
                           unsigned heartbeat_ms, struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = BUF_INIT;
    unsigned long long period_ns = (unsigned long long)heartbeat_ms * 1000000u;
    buf_printf(&sql,
               "SET @master_heartbeat_period = %llu, @source_heartbeat_period = %llu,"
               " @master_binlog_checksum = @@global.binlog_checksum,"
               " @source_binlog_checksum = @@global.binlog_checksum",
               period_ns, period_ns);
    put_identity(&sql, o->server_id);
    return exec(d, &sql, e);
}

static bool prepare_mariadb(struct my_dump *d, const struct my_dump_options *o,
                            const struct position *start, struct err *e)
{
    struct buf sql CLEANUP(buf_fini) = BUF_INIT;
    struct buf set CLEANUP(buf_fini) = BUF_INIT;
    buf_put_str(&sql, "SET @mariadb_slave_capability = 4");
    if (o->use_gtid) {
        if (start->gtids)
            gtid_set_print(start->gtids, &set);
        buf_put_str(&sql, ", @slave_connect_state = ");
        buf_put_sql_string(&sql, set.data, set.len);
        buf_put_str(&sql, ", @slave_gtid_strict_mode = 1, @slave_gtid_ignore_duplicates = 0");
    }
    return exec(d, &sql, e);
}

static bool read_checksum(struct my_dump *d, struct err *e)
{
    char *text CLEANUP(mem_free_ptr) = NULL;
    if (!d->b->ops->text(d->b, "SELECT @@global.binlog_checksum", &text, e))
        return false;
    d->checksum = text && strcmp(text, "CRC32") == 0;
    return true;
}

static bool check_request(struct my_dump *d, const struct my_dump_options *o,
                          const struct position *start, struct err *e)
{
    const struct my_server *s = d->b->ops->server(d->b);
    const char *where = d->b->ops->where(d->b);
    if (!o->use_gtid)
        return true;
    if (!s->gtid_mode) {
        err_set(e, ERR_SRC_SETTING, "%s: a GTID position needs gtid_mode = ON", where);
        return err_cure(e, "start from file and position, or switch gtid_mode on");
    }
    enum gtid_flavor wanted = is_mariadb(d) ? GTID_FLAVOR_MARIADB : GTID_FLAVOR_MYSQL;
    if (start->gtids && gtid_set_flavor(start->gtids) != wanted)
        return err_set(e, ERR_SRC_IDENTITY, "%s: the position is of the other kind of server",
                       where);
    return true;
}

/* The servers refuse a replica without the privilege by the number of a wrong password. */
static bool start_failed(struct err *e)
{
    if (e && (e->native == 1045 || e->native == 1227)) {
        e->code = ERR_DB_DENIED;
        e->class_ = ERR_CLASS_FATAL;
        err_cure(e, "GRANT REPLICATION SLAVE ON *.* to that account");
    }
    return false;
}

static bool start_stream(struct my_dump *d, const struct my_dump_options *o,
                         const struct position *start, struct err *e)
{
    struct buf gtids CLEANUP(buf_fini) = BUF_INIT;
    struct my_dump_start s = {.server_id = o->server_id, .file = "", .pos = LOG_BEGIN};
    s.flags = o->non_block ? DUMP_NON_BLOCK : 0u;
    if (o->annotate && is_mariadb(d))
        s.flags |= DUMP_ANNOTATE;
    if (o->use_gtid && !is_mariadb(d)) {
        s.gtid_command = true;
        s.gtids = &gtids;
        if (!start->gtids || gtid_set_is_empty(start->gtids))
            buf_put_le(&gtids, 0, 8);
        else
            gtid_set_encode(start->gtids, &gtids);
    } else if (!o->use_gtid && start->file[0]) {
        s.file = start->file;
        s.pos = start->pos > LOG_BEGIN ? start->pos : LOG_BEGIN;
        if (s.pos > UINT32_MAX) {
            d->skip = (struct my_dump_skip){.wanted = s.pos, .at = LOG_BEGIN};
            s.pos = LOG_BEGIN;
        }
    }
    return d->b->ops->start(d->b, &s, e) || start_failed(e);
}

static bool open_stream(struct my_dump *d, const struct my_params *p,
                        const struct my_dump_options *o, const struct position *start,
                        struct err *e)
{
    unsigned heartbeat_ms = o->heartbeat_ms ? o->heartbeat_ms : DEFAULT_HEARTBEAT_MS;
    d->silence_ms = 2 * heartbeat_ms;
    d->has_end = o->non_block;
    d->b = my_dump_library.connect(p, e);
    if (d->b)
        d->b->ops->reset_on_close(d->b, true);
    if (!d->b || !check_request(d, o, start, e) || !prepare_common(d, o, heartbeat_ms, e))
        return false;
    if (is_mariadb(d) && !prepare_mariadb(d, o, start, e))
        return false;
    if (!read_checksum(d, e) || !start_stream(d, o, start, e))
        return false;
    d->b->ops->set_read_timeout(d->b,
                                d->silence_ms > FIRST_EVENT_MS ? d->silence_ms : FIRST_EVENT_MS);
    return true;
}

struct my_dump *my_dump_open(const struct my_params *p, const struct my_dump_options *o,
                             const struct position *start, struct err *e)
{
    static const struct position nowhere = POSITION_INIT;
    struct my_dump *d = mem_alloc(sizeof *d);
    if (FAULT_POINT("dump.open", e) && open_stream(d, p, o, start ? start : &nowhere, e))
        return d;
    my_dump_close(d);
    return NULL;
}

/* A client library that does not register asks for nothing before the dump itself, whose refusal
 * comes in place of the first event. */
static void first_event_failed(struct err *e)
{
    my_dump_error(e);
    start_failed(e);
}

/* The first event has come: from now on silence is measured by the heartbeat. */
static void note_first_event(struct my_dump *d)
{
    d->any_event = true;
    d->b->ops->set_read_timeout(d->b, d->silence_ms);
}

enum my_next my_dump_next(struct my_dump *d, const uint8_t **event, size_t *n, struct err *e)
{
    struct err local; /* 2 KiB: cleared only when it is used */
    e = e ? e : &local;
    for (;;) {
        enum my_next next = d->b->ops->read(d->b, event, n, e);
        if (next == MY_FAIL && d->any_event)
            my_dump_error(e);
        else if (next == MY_FAIL)
            first_event_failed(e);
        if (next == MY_END)
            d->b->ops->reset_on_close(d->b, false); /* it listens again */
        if (next == MY_END && !d->has_end) {
            err_set(e, ERR_SRC_DUMP, "%s: the server ended the log stream", d->b->ops->where(d->b));
            return MY_FAIL;
        }
        if (next != MY_ROW)
            return next;
        if (!d->any_event)
            note_first_event(d);
        if (d->skip.wanted == 0)
            return MY_ROW;
        switch (my_dump_skip_event(&d->skip, *event, *n)) {
        case MY_DUMP_DELIVER:
            return MY_ROW;
        case MY_DUMP_SKIP:
            break;
        case MY_DUMP_BAD_POSITION:
            err_set(e, ERR_SRC_AHEAD, "%s: no event begins at the wanted position",
                    d->b->ops->where(d->b));
            return MY_FAIL;
        }
    }
}

struct piece *my_dump_piece(const struct my_dump *d)
{
    return d->b->ops->piece ? d->b->ops->piece(d->b) : NULL;
}

bool my_dump_ready(const struct my_dump *d)
{
    return d->b->ops->ready(d->b);
}

const struct my_server *my_dump_server(const struct my_dump *d)
{
    return d->b->ops->server(d->b);
}

bool my_dump_checksum(const struct my_dump *d)
{
    return d->checksum;
}

void my_dump_interrupt(struct my_dump *d)
{
    d->b->ops->interrupt(d->b);
}

void my_dump_close(struct my_dump *d)
{
    if (!d)
        return;
    if (d->b)
        d->b->ops->close(d->b);
    free(d);
}
