/* app/cli/decode_range.c — transactions are left out whole, before they are decoded.
 *
 * A transaction begins at its GTID event; in logs without those (MySQL before 5.7 with GTIDs off)
 * at a statement outside of a transaction. Its own events, table maps included, all come before the
 * next one, so what is shown never needs what was left out. Events of the file (format description,
 * rotation, sets of GTIDs) are always read: later events need them.
 */
#include "app/cli/decode_range.h"

#include "base/clock.h"
#include "cdc/log/event_text.h"

#include <string.h>

bool decode_range_time(const char *text, uint32_t *out, struct err *e)
{
    return clock_parse_time(text, out) ||
           err_set(e, ERR_USAGE, "'%s' is no time: 2026-01-02T03:04:05Z or seconds since 1970",
                   text);
}

bool decode_range_gtids(const char *text, struct gtid_set **out, struct err *e)
{
    bool mysql = strchr(text, ':') != NULL;
    *out = gtid_set_parse(mysql ? GTID_FLAVOR_MYSQL : GTID_FLAVOR_MARIADB, text, e);
    return *out != NULL;
}

static bool contains(const struct gtid_set *set, const struct gtid *g)
{
    return set && gtid_set_flavor(set) == g->flavor && gtid_set_contains_gtid(set, g);
}

static enum decode_pass begin_transaction(struct decode_range *r, uint32_t timestamp,
                                          const struct gtid *g)
{
    bool known = g->flavor != GTID_FLAVOR_NONE;
    if ((r->stop_time && timestamp >= r->stop_time) ||
        (r->stop_gtids && known && !contains(r->stop_gtids, g)))
        return DECODE_STOP;
    r->outside = timestamp < r->start_time || (known && contains(r->start_gtids, g));
    return r->outside ? DECODE_LEAVE_OUT : DECODE_SHOW;
}

bool decode_range_given(const struct decode_range *r)
{
    return r->start_time || r->stop_time || r->start_gtids || r->stop_gtids;
}

enum decode_pass decode_range_look(struct decode_range *r, const struct cdc_decoder *d,
                                   const uint8_t *event, size_t n)
{
    struct gtid g = {.flavor = GTID_FLAVOR_NONE};
    uint32_t timestamp = 0;
    switch (event_text_kind(event, n, &timestamp, &g)) {
    case EVENT_KIND_FILE:
        return DECODE_SHOW;
    case EVENT_KIND_GTID:
        r->gtids_seen = true;
        return begin_transaction(r, timestamp, &g);
    case EVENT_KIND_QUERY:
        if (!r->gtids_seen && !cdc_decoder_in_transaction(d))
            return begin_transaction(r, timestamp, &g);
        break;
    case EVENT_KIND_OTHER:
        break;
    }
    return r->outside ? DECODE_LEAVE_OUT : DECODE_SHOW;
}

void decode_range_fini(struct decode_range *r)
{
    gtid_set_free(r->start_gtids);
    gtid_set_free(r->stop_gtids);
}
