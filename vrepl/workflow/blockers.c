/* vrepl/workflow/blockers.c — open transactions and prepared XA transactions of a server, in words.
 */
#include "vrepl/workflow/blockers.h"

#include <string.h>

#define MOST 8

static void separate(struct buf *out)
{
    if (out->len > 0)
        buf_put_str(out, "; ");
}

static void name_transactions(struct my_conn *c, uint64_t except, struct buf *out)
{
    struct err e = ERR_INIT; /* without the PROCESS privilege we name nobody */
    struct my_result *r =
        my_queryf(c, &e,
                  "SELECT t.trx_mysql_thread_id, p.USER, p.HOST, TIMESTAMPDIFF(SECOND, "
                  "t.trx_started, NOW()), p.COMMAND, "
                  "LEFT(IFNULL(p.INFO, ''), 80) FROM information_schema.INNODB_TRX t JOIN "
                  "information_schema.PROCESSLIST p "
                  "ON p.ID = t.trx_mysql_thread_id WHERE t.trx_mysql_thread_id NOT IN (%llu, "
                  "CONNECTION_ID()) "
                  "ORDER BY t.trx_started LIMIT %d",
                  (unsigned long long)except, MOST);
    struct my_cell v[6];
    while (r != NULL && my_result_next(r, v, &e) == MY_ROW) {
        separate(out);
        bool idle = v[4].p != NULL && strcmp(v[4].p, "Sleep") == 0;
        buf_printf(out, "connection %s (%s@%s, transaction open for %s s, %s%s)", v[0].p,
                   v[1].p != NULL ? v[1].p : "?", v[2].p != NULL ? v[2].p : "?",
                   v[3].p != NULL ? v[3].p : "?", idle ? "idle" : "running ", idle ? "" : v[5].p);
    }
    my_result_free(r);
}

static void name_prepared(struct my_conn *c, struct buf *out)
{
    struct err e = ERR_INIT; /* MySQL wants XA_RECOVER_ADMIN */
    struct my_result *r = my_query(c, "XA RECOVER", &e);
    struct my_cell v[4];
    unsigned n = 0;
    while (r != NULL && my_result_columns(r) == 4 && n++ < MOST &&
           my_result_next(r, v, &e) == MY_ROW) {
        separate(out);
        buf_printf(out, "prepared XA transaction '%s'", v[3].p != NULL ? v[3].p : "?");
    }
    my_result_free(r);
}

static void name_lockers(struct my_conn *c, uint64_t except, struct buf *out)
{
    struct err e = ERR_INIT;
    struct my_result *r = my_queryf(
        c, &e,
        "SELECT ID, USER, HOST, TIME, COMMAND FROM information_schema.PROCESSLIST WHERE "
        "ID NOT IN (%llu, CONNECTION_ID()) AND COMMAND IN ('Query', 'Execute') AND TIME >= 1 "
        "AND INFO NOT LIKE '%%Binlog Dump%%' ORDER BY TIME DESC LIMIT %d",
        (unsigned long long)except, MOST);
    struct my_cell v[5];
    while (r != NULL && my_result_next(r, v, &e) == MY_ROW) {
        separate(out);
        buf_printf(out, "connection %s (%s@%s, a statement runs for %s s)", v[0].p,
                   v[1].p != NULL ? v[1].p : "?", v[2].p != NULL ? v[2].p : "?", v[3].p);
    }
    my_result_free(r);
}

void blockers_name(struct my_conn *c, uint64_t except, struct buf *out)
{
    name_transactions(c, except, out);
    name_prepared(c, out);
    if (out->len == 0)
        name_lockers(c, except, out);
}
