/* cdc/log/decode_event.c — the small events: format description, rotate, XID, heartbeats, query
 * texts, incident.
 *
 * Formats: MySQL internals "Binary Log Event"; MariaDB KB "replication-protocol" pages.
 */
#include "cdc/log/decode_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define SERVER_VERSION_LEN 50u

/* 110805 of "11.8.5-MariaDB"; 0: not a version. */
static unsigned version_number(const char *version)
{
    unsigned v[3] = {0};
    if (sscanf(version, "%3u.%3u.%3u", &v[0], &v[1], &v[2]) != 3)
        return 0;
    return v[0] * 10000 + v[1] * 100 + v[2];
}

/* "5.6.1" or later, MariaDB "5.3" or later: the event ends in an algorithm byte and a checksum. */
static bool version_has_checksum(const char *version, bool mariadb)
{
    return version_number(version) >= (mariadb ? 50300u : 50601u);
}

/* It says so itself, and then has one. */
bool decode_format_has_checksum(const uint8_t *event, size_t n)
{
    const size_t version_at = EVENT_HEADER_LEN + 2;
    const size_t shortest = version_at + SERVER_VERSION_LEN + 5 + 5;
    char version[SERVER_VERSION_LEN + 1] = {0};
    if (n <= shortest)
        return false;
    memcpy(version, event + version_at, SERVER_VERSION_LEN);
    return version_has_checksum(version, strstr(version, "MariaDB") != NULL) &&
           event[n - EVENT_CHECKSUM_LEN - 1] == 1;
}

/* The file's head says when it was begun. Only now, that a position in it names its log, an idle
 * consumer may leave the old file. */
static void note_head(struct cdc_decoder *d, const struct event *ev)
{
    d->log.begun = ev->timestamp;
    d->open_log = NULL;
    if (strcmp(d->since.file, d->file) == 0)
        d->since.begun = d->log.begun;
    if (d->entered_pos)
        decode_heartbeat(d, ev, d->file, d->entered_pos);
    d->entered_pos = 0;
}

bool decode_format_description(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    struct wire w = wire_of(ev->body, ev->n);
    uint64_t binlog_version = wire_get(&w, 2);
    const uint8_t *text = wire_take(&w, SERVER_VERSION_LEN);
    uint64_t created = wire_get(&w, 4);
    uint64_t header_len = wire_get(&w, 1);
    if (w.failed)
        return decode_short(ev, e);
    if (binlog_version != 4 || header_len != EVENT_HEADER_LEN)
        return err_set(
            e, ERR_LOG_UNSUPPORTED,
            "log format %llu with headers of %llu bytes (MySQL 5.0 and later write 4 and 19)",
            (unsigned long long)binlog_version, (unsigned long long)header_len);
    if (created != 0)
        decode_cut_off(d, ev); /* the server started anew */
    char version[SERVER_VERSION_LEN + 1] = {0};
    memcpy(version, text, SERVER_VERSION_LEN);
    d->mariadb = strstr(version, "MariaDB") != NULL;
    bool accents = d->mariadb && version_number(version) >= 110500;
    d->names = accents ? IDENT_GENERAL1400_AS_CI : IDENT_GENERAL_CI;
    d->has_vectors = d->mariadb && version_number(version) >= 110700;
    d->checksum = false;
    if (version_has_checksum(version, d->mariadb)) {
        if (wire_left(&w) < 5)
            return decode_short(ev, e);
        uint8_t algorithm = w.end[-5];
        if (algorithm > 1 && algorithm != 255)
            return err_set(e, ERR_LOG_UNSUPPORTED, "checksum algorithm %u", algorithm);
        d->checksum = algorithm == 1;
        w.end -= 5;
    }
    memset(d->post_header_len, 0, sizeof d->post_header_len);
    size_t n = wire_left(&w) < 255 ? wire_left(&w) : 255;
    memcpy(d->post_header_len + 1, w.p, n);
    d->format_known = true;
    note_head(d, ev);
    return true;
}

/* File name at p: behind it some servers leave a checksum or padding. */
static size_t name_len(const uint8_t *p, size_t n)
{
    size_t len = 0;
    while (len < n && len < POSITION_FILE_MAX - 1 && p[len] >= 0x20)
        len++;
    return len;
}

bool decode_rotate(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    struct wire w = wire_of(ev->body, ev->n);
    uint64_t pos = wire_get(&w, 8);
    if (w.failed)
        return decode_short(ev, e);
    char name[POSITION_FILE_MAX] = {0};
    memcpy(name, w.p, name_len(w.p, wire_left(&w)));
    if (!name[0])
        return err_set(e, ERR_LOG_FORMAT, "rotate event without a file name");
    bool other = strcmp(name, d->file) != 0;
    if (other && ev->timestamp != 0 && !(ev->flags & EVENT_ARTIFICIAL))
        d->entered_pos = pos;
    decode_enter_file(d, name);
    d->file_pos = pos;
    return true;
}

bool decode_xid(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    if (ev->n < 8)
        return decode_short(ev, e);
    if (!d->tx.open)
        decode_begin(d, ev); /* an empty transaction */
    decode_commit(d, ev, true);
    return true;
}

bool decode_incident(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    (void)d;
    struct wire w = wire_of(ev->body, ev->n);
    uint64_t number = wire_get(&w, 2), len = wire_left(&w) ? wire_get(&w, 1) : 0;
    if (w.failed)
        return decode_short(ev, e);
    if (len > wire_left(&w))
        len = wire_left(&w);
    err_set(e, ERR_LOG_INCIDENT, "the server recorded incident %llu: %.*s",
            (unsigned long long)number, (int)len, (const char *)w.p);
    return err_cure(
        e,
        "changes are missing from the log; copy the tables again and go on behind this position");
}

bool decode_heartbeat_v1(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    (void)e;
    char name[POSITION_FILE_MAX] = {0};
    memcpy(name, ev->body, name_len(ev->body, ev->n));
    uint64_t low = event_header_read(ev->raw).next_pos;
    uint64_t pos = (d->file_pos & ~(uint64_t)UINT32_MAX) | low;
    if (pos + INT32_MAX < d->file_pos)
        pos += (uint64_t)UINT32_MAX + 1; /* events were left out across the boundary */
    if (!name[0] || strcmp(name, d->file) != 0 || low == 0)
        pos = low;
    if (name[0] && pos != 0)
        decode_heartbeat(d, ev, name, pos);
    return true;
}

bool decode_heartbeat_v2(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    struct wire w = wire_of(ev->body, ev->n);
    char name[POSITION_FILE_MAX] = {0};
    uint64_t pos = 0;
    while (wire_left(&w) > 0) {
        uint64_t field = wire_lenenc(&w);
        if (field == 0)
            break;
        struct wire v = wire_sub(&w, wire_lenenc(&w));
        if (field == 1)
            memcpy(name, v.p, name_len(v.p, wire_left(&v)));
        else if (field == 2)
            pos = wire_lenenc(&v);
        if (v.failed)
            return decode_short(ev, e);
    }
    if (w.failed)
        return decode_short(ev, e);
    if (name[0] && pos != 0)
        decode_heartbeat(d, ev, name, pos);
    return true;
}

bool decode_rows_query(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    if (ev->n < 1)
        return decode_short(ev, e);
    decode_set_query(d, ev->body + 1, ev->n - 1);
    return true;
}

bool decode_annotate(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    (void)e;
    decode_set_query(d, ev->body, ev->n);
    return true;
}

bool decode_load(struct cdc_decoder *d, const struct event *ev, struct err *e)
{
    (void)d;
    (void)ev;
    err_set(e, ERR_LOG_STATEMENT, "LOAD DATA was logged as a statement");
    return err_cure(
        e, "set binlog_format=ROW on the server (sessions too), then copy that table again");
}
