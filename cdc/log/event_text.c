/* cdc/log/event_text.c — the parts of each event that an operator looks for, read with a bounded
 * cursor.
 *
 * A printer of a type gets the body without the checksum and never fails: what a cursor ran over is
 * said by one word, and the line stays a line. Formats: as in the decode_*.c files.
 */
#include "cdc/log/event_text.h"

#include "base/clock.h"
#include "base/crc32.h"
#include "base/map.h"
#include "base/mem.h"
#include "cdc/log/decode_internal.h"
#include "cdc/log/wire.h"

#include <stdlib.h>
#include <string.h>

#define SQL_SHOWN      400u
#define TABLE_IDS_KEPT 100000u

enum checksum { CHECKSUM_UNKNOWN, CHECKSUM_NONE, CHECKSUM_CRC32 };

struct event_text {
    enum checksum checksum;
    uint8_t post_header_len[256];
    struct map *tables; /* table id → "db.table" */
};

struct line {
    struct event_text *t;
    struct event_header head;
    struct wire w; /* of the body */
    struct buf *out;
};

struct event_text *event_text_new(void)
{
    struct event_text *t = mem_alloc(sizeof *t);
    t->tables = map_new(free);
    return t;
}

void event_text_free(struct event_text *t)
{
    if (!t)
        return;
    map_free(t->tables);
    free(t);
}

/* ---- texts ---- */

static void put_escaped(struct buf *out, uint8_t c)
{
    if (c == '"' || c == '\\')
        buf_printf(out, "\\%c", c);
    else if (c == '\n' || c == '\t' || c == '\r')
        buf_printf(out, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
    else if (c < 0x20 || c == 0x7f)
        buf_printf(out, "\\u%04x", c);
    else
        buf_put_u8(out, c);
}

/* At most `shown` bytes, not cut inside a character; then how many there are in all. */
static void put_text(struct buf *out, const uint8_t *p, size_t n, size_t shown)
{
    size_t end = n < shown ? n : shown;
    while (end < n && end > 0 && (p[end] & 0xc0) == 0x80)
        end--;
    buf_put_u8(out, '"');
    for (size_t i = 0; i < end; i++)
        put_escaped(out, p[i]);
    buf_put_u8(out, '"');
    if (end < n)
        buf_printf(out, "…(%zu bytes)", n);
}

/* A name inside a word: no blanks, no quotes. */
static void put_name(struct buf *out, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] <= ' ' || p[i] == 0x7f || p[i] == '"' || p[i] == '\\')
            buf_printf(out, "\\u%04x", p[i]);
        else
            buf_put_u8(out, p[i]);
    }
}

/* ---- one printer for each kind of event ---- */

typedef void (*print_fn)(struct line *l);

static void print_format_description(struct line *l)
{
    struct wire *w = &l->w;
    uint64_t version = wire_get(w, 2);
    const uint8_t *server = wire_take(w, 50);
    (void)wire_take(w, 5);
    if (w->failed)
        return;
    buf_printf(l->out, " binlog_version=%llu server=", (unsigned long long)version);
    put_text(l->out, server, strnlen((const char *)server, 50), 50);
    size_t n = wire_left(w) < 255 ? wire_left(w) : 255;
    memset(l->t->post_header_len, 0, sizeof l->t->post_header_len);
    memcpy(l->t->post_header_len + 1, w->p, n);
    map_clear(l->t->tables); /* ids begin anew */
    const char *name = l->t->checksum == CHECKSUM_CRC32 ? "CRC32" : "NONE";
    buf_printf(l->out, " checksum=%s%s", name, l->head.flags & EVENT_IN_USE ? " in_use" : "");
}

static void print_rotate(struct line *l)
{
    uint64_t pos = wire_get(&l->w, 8);
    buf_put_str(l->out, " next=");
    put_name(l->out, l->w.p, strnlen((const char *)l->w.p, wire_left(&l->w)));
    buf_printf(l->out, ":%llu", (unsigned long long)pos);
}

static void put_sql(struct line *l, const uint8_t *p, size_t n)
{
    buf_put_str(l->out, " sql=");
    put_text(l->out, p, n, SQL_SHOWN);
}

static void print_query(struct line *l)
{
    struct wire *w = &l->w;
    uint64_t thread = wire_get(w, 4);
    (void)wire_get(w, 4);
    size_t db_len = (size_t)wire_get(w, 1);
    uint64_t error = wire_get(w, 2);
    (void)wire_take(w, wire_get(w, 2));
    const uint8_t *db = wire_take(w, db_len);
    (void)wire_get(w, 1);
    if (w->failed)
        return;
    buf_printf(l->out, " thread=%llu error=%llu db=", (unsigned long long)thread,
               (unsigned long long)error);
    put_name(l->out, db, db_len);
    if (l->head.type != EV_QUERY_COMPRESSED) {
        put_sql(l, w->p, wire_left(w));
        return;
    }
    struct buf sql CLEANUP(buf_fini) = BUF_INIT;
    struct err ignored = ERR_INIT;
    if (decode_inflate_block(w, &sql, &ignored))
        put_sql(l, sql.data, sql.len);
    else
        w->failed = true;
}

static void print_rows_query(struct line *l)
{
    if (l->head.type == EV_ROWS_QUERY)
        (void)wire_get(&l->w, 1);
    put_sql(l, l->w.p, wire_left(&l->w));
}

static void print_xid(struct line *l)
{
    buf_printf(l->out, " xid=%llu", (unsigned long long)wire_get(&l->w, 8));
}

static bool read_gtid(uint8_t type, uint32_t server_id, struct wire *w, struct gtid *g)
{
    *g = (struct gtid){.flavor = GTID_FLAVOR_NONE};
    if (type == EV_GTID_TAGGED)
        return decode_tagged_gtid(w, g);
    if (type == EV_MARIADB_GTID) {
        g->flavor = GTID_FLAVOR_MARIADB;
        g->server_id = server_id;
        g->seq = wire_get(w, 8);
        g->domain_id = (uint32_t)wire_get(w, 4);
        return !w->failed;
    }
    (void)wire_get(w, 1);
    const uint8_t *uuid = wire_take(w, 16);
    uint64_t gno = wire_get(w, 8);
    if (w->failed || type == EV_ANONYMOUS_GTID)
        return !w->failed;
    g->flavor = GTID_FLAVOR_MYSQL;
    memcpy(g->uuid, uuid, 16);
    g->seq = gno;
    return true;
}

static void print_gtid(struct line *l)
{
    struct gtid g;
    l->w.failed = !read_gtid(l->head.type, l->head.server_id, &l->w, &g);
    if (l->w.failed || g.flavor == GTID_FLAVOR_NONE)
        return;
    buf_put_str(l->out, " gtid=");
    gtid_print(&g, l->out);
}

static void print_gtid_tail(struct line *l, unsigned flags)
{
    struct buf xid CLEANUP(buf_fini) = BUF_INIT;
    unsigned extra = decode_gtid_tail(&l->w, flags, &xid);
    if (extra & MARIADB_EXTRA_START_ALTER)
        buf_put_str(l->out, " start_alter");
    if (extra & MARIADB_EXTRA_COMMIT_ALTER)
        buf_put_str(l->out, " commit_alter");
    if (extra & MARIADB_EXTRA_ROLLBACK_ALTER)
        buf_put_str(l->out, " rollback_alter");
}

static void print_gtid_mariadb(struct line *l)
{
    static const char *const words[] = {"standalone",     "group_commit", "transactional",
                                        "allow_parallel", "waited",       "ddl",
                                        "prepared_xa",    "completed_xa"};
    print_gtid(l);
    unsigned flags = l->w.failed ? 0 : (unsigned)wire_get(&l->w, 1);
    for (unsigned i = 0; i < 8; i++) {
        if (flags >> i & 1)
            buf_printf(l->out, " %s", words[i]);
    }
    print_gtid_tail(l, flags);
}

static void print_previous_gtids(struct line *l)
{
    struct err ignored = ERR_INIT;
    struct gtid_set *set = gtid_set_decode(l->w.p, wire_left(&l->w), &ignored);
    l->w.failed = !set;
    if (!set)
        return;
    buf_put_str(l->out, " gtids=");
    gtid_set_print(set, l->out);
    gtid_set_free(set);
}

static void print_gtid_list(struct line *l)
{
    uint64_t count = wire_get(&l->w, 4) & 0x0fffffff;
    buf_put_str(l->out, " gtids=");
    for (uint64_t i = 0; i < count && !l->w.failed; i++) {
        uint64_t domain = wire_get(&l->w, 4), server = wire_get(&l->w, 4), seq = wire_get(&l->w, 8);
        if (!l->w.failed)
            buf_printf(l->out, "%s%llu-%llu-%llu", i ? "," : "", (unsigned long long)domain,
                       (unsigned long long)server, (unsigned long long)seq);
    }
}

static size_t table_id_len(const struct line *l)
{
    return l->t->post_header_len[l->head.type] == 6 ? 4 : 6;
}

static void remember_table(struct line *l, uint64_t id, const char *name)
{
    if (map_count(l->t->tables) >= TABLE_IDS_KEPT)
        map_clear(l->t->tables);
    map_put(l->t->tables, &id, sizeof id, mem_strdup(name));
}

static void print_table_map(struct line *l)
{
    struct wire *w = &l->w;
    struct buf name CLEANUP(buf_fini) = BUF_INIT;
    uint64_t id = wire_get(w, table_id_len(l));
    (void)wire_get(w, 2);
    size_t db_len = (size_t)wire_get(w, 1);
    const uint8_t *db = wire_take(w, db_len);
    (void)wire_get(w, 1);
    size_t table_len = (size_t)wire_get(w, 1);
    const uint8_t *table = wire_take(w, table_len);
    (void)wire_get(w, 1);
    uint64_t columns = wire_lenenc(w);
    if (w->failed)
        return;
    put_name(&name, db, db_len);
    buf_put_u8(&name, '.');
    put_name(&name, table, table_len);
    remember_table(l, id, buf_str(&name));
    buf_printf(l->out, " table_id=%llu table=%s columns=%llu", (unsigned long long)id,
               buf_str(&name), (unsigned long long)columns);
}

static void print_rows(struct line *l)
{
    uint64_t id = wire_get(&l->w, table_id_len(l));
    unsigned flags = (unsigned)wire_get(&l->w, 2);
    if (l->w.failed)
        return;
    const char *name = map_get(l->t->tables, &id, sizeof id);
    buf_printf(l->out, " table_id=%llu", (unsigned long long)id);
    if (name)
        buf_printf(l->out, " table=%s", name);
    if (flags & CDC_ROWS_STMT_END)
        buf_put_str(l->out, " stmt_end");
    if (flags & CDC_ROWS_NO_FK_CHECKS)
        buf_put_str(l->out, " no_fk_checks");
}

static void print_payload(struct line *l)
{
    static const char *const fields[4] = {NULL, "payload", "compression", "uncompressed"};
    for (uint64_t field; (field = wire_lenenc(&l->w)) != 0 && !l->w.failed;) {
        struct wire v = wire_sub(&l->w, wire_lenenc(&l->w));
        uint64_t value = wire_lenenc(&v);
        if (v.failed)
            l->w.failed = true;
        else if (field == 2)
            buf_printf(l->out, " compression=%s", value == 0 ? "zstd" : "none");
        else if (field < 4)
            buf_printf(l->out, " %s=%llu", fields[field], (unsigned long long)value);
    }
}

static void print_heartbeat(struct line *l)
{
    buf_put_str(l->out, " file=");
    put_name(l->out, l->w.p, strnlen((const char *)l->w.p, wire_left(&l->w)));
}

static void print_incident(struct line *l)
{
    buf_printf(l->out, " incident=%llu", (unsigned long long)wire_get(&l->w, 2));
    size_t n = wire_left(&l->w) ? (size_t)wire_get(&l->w, 1) : 0;
    const uint8_t *text = wire_take(&l->w, n);
    if (text)
        put_sql(l, text, n);
}

static void print_xa_prepare(struct line *l)
{
    struct wire *w = &l->w;
    bool one_phase = wire_get(w, 1);
    uint64_t format = wire_get(w, 4), gtrid = wire_get(w, 4), bqual = wire_get(w, 4);
    const uint8_t *xid = wire_take(w, gtrid + bqual);
    if (w->failed || gtrid > 64 || bqual > 64)
        return;
    buf_put_str(l->out, " xid=X'");
    buf_put_hex(l->out, xid, (size_t)gtrid);
    buf_put_str(l->out, "',X'");
    buf_put_hex(l->out, xid + gtrid, (size_t)bqual);
    buf_printf(l->out, "',%llu%s", (unsigned long long)format, one_phase ? " one_phase" : "");
}

static print_fn printer_of(uint8_t type)
{
    static const print_fn printers[256] = {
        [EV_QUERY] = print_query,
        [EV_ROTATE] = print_rotate,
        [EV_FORMAT_DESCRIPTION] = print_format_description,
        [EV_XID] = print_xid,
        [EV_TABLE_MAP] = print_table_map,
        [EV_WRITE_ROWS_V1] = print_rows,
        [EV_UPDATE_ROWS_V1] = print_rows,
        [EV_DELETE_ROWS_V1] = print_rows,
        [EV_INCIDENT] = print_incident,
        [EV_HEARTBEAT] = print_heartbeat,
        [EV_ROWS_QUERY] = print_rows_query,
        [EV_WRITE_ROWS] = print_rows,
        [EV_UPDATE_ROWS] = print_rows,
        [EV_DELETE_ROWS] = print_rows,
        [EV_GTID] = print_gtid,
        [EV_ANONYMOUS_GTID] = print_gtid,
        [EV_PREVIOUS_GTIDS] = print_previous_gtids,
        [EV_XA_PREPARE] = print_xa_prepare,
        [EV_PARTIAL_UPDATE_ROWS] = print_rows,
        [EV_TRANSACTION_PAYLOAD] = print_payload,
        [EV_GTID_TAGGED] = print_gtid,
        [EV_ANNOTATE_ROWS] = print_rows_query,
        [EV_MARIADB_GTID] = print_gtid_mariadb,
        [EV_GTID_LIST] = print_gtid_list,
        [EV_QUERY_COMPRESSED] = print_query,
        [EV_WRITE_ROWS_COMPRESSED_V1] = print_rows,
        [EV_UPDATE_ROWS_COMPRESSED_V1] = print_rows,
        [EV_DELETE_ROWS_COMPRESSED_V1] = print_rows,
        [EV_WRITE_ROWS_COMPRESSED] = print_rows,
        [EV_UPDATE_ROWS_COMPRESSED] = print_rows,
        [EV_DELETE_ROWS_COMPRESSED] = print_rows,
    };
    return printers[type];
}

/* ---- header and checksum ---- */

/* Returns the length without the checksum. */
static size_t put_checksum(struct event_text *t, const uint8_t *event, size_t n, struct buf *out)
{
    if (event_header_read(event).type == EV_FORMAT_DESCRIPTION)
        t->checksum = decode_format_has_checksum(event, n) ? CHECKSUM_CRC32 : CHECKSUM_NONE;
    bool matches = decode_crc_matches(event, n);
    bool has =
        matches || (t->checksum == CHECKSUM_CRC32 && n >= EVENT_HEADER_LEN + EVENT_CHECKSUM_LEN);
    buf_put_str(out, !has ? " crc=none" : matches ? " crc=ok" : " crc=BAD");
    return has ? n - EVENT_CHECKSUM_LEN : n;
}

void event_text_line(struct event_text *t, const char *file, uint64_t offset, const uint8_t *event,
                     size_t n, struct buf *out)
{
    char time[40];
    if (file)
        buf_printf(out, "%s:%llu ", file, (unsigned long long)offset);
    if (n < EVENT_HEADER_LEN) {
        buf_printf(out, "malformed size=%zu", n);
        return;
    }
    const struct event_header head = event_header_read(event);
    clock_format_ms((int64_t)head.timestamp * 1000, time, sizeof time);
    buf_printf(out, "%s size=%zu server_id=%u time=%s end=%u", cdc_event_type_name(head.type), n,
               head.server_id, time, head.next_pos);
    if (!strcmp(cdc_event_type_name(head.type), "UNKNOWN_EVENT"))
        buf_printf(out, " type=%u", head.type);
    size_t end = put_checksum(t, event, n, out);
    struct line l = {.t = t, .head = head, .out = out};
    l.w = wire_of(event + EVENT_HEADER_LEN, end - EVENT_HEADER_LEN);
    print_fn print = printer_of(head.type);
    if (print)
        print(&l);
    if (l.w.failed)
        buf_put_str(out, " malformed");
    if (head.length != n)
        buf_printf(out, " header_size=%u", head.length);
}

enum event_kind event_text_kind(const uint8_t *event, size_t n, uint32_t *timestamp,
                                struct gtid *gtid)
{
    if (n < EVENT_HEADER_LEN)
        return EVENT_KIND_OTHER;
    struct wire w = wire_of(event + EVENT_HEADER_LEN, n - EVENT_HEADER_LEN);
    const struct event_header head = event_header_read(event);
    *timestamp = head.timestamp;
    switch (head.type) {
    case EV_GTID:
    case EV_ANONYMOUS_GTID:
    case EV_GTID_TAGGED:
    case EV_MARIADB_GTID:
        return read_gtid(head.type, head.server_id, &w, gtid) ? EVENT_KIND_GTID : EVENT_KIND_OTHER;
    case EV_QUERY:
    case EV_QUERY_COMPRESSED:
        return EVENT_KIND_QUERY;
    case EV_FORMAT_DESCRIPTION:
    case EV_ROTATE:
    case EV_STOP:
    case EV_PREVIOUS_GTIDS:
    case EV_GTID_LIST:
    case EV_BINLOG_CHECKPOINT:
    case EV_START_ENCRYPTION:
    case EV_HEARTBEAT:
    case EV_HEARTBEAT_V2:
        return EVENT_KIND_FILE;
    default: /* a byte from outside */
        return EVENT_KIND_OTHER;
    }
}
