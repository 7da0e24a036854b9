/* mysql/pipeline.c — executions sent before the answers to earlier ones have come.
 *
 * The server runs requests in the order in which they arrive and answers in that order, so that n
 * statements cost one round trip. What makes this safe:
 * 1. A statement that fails does not stop those behind it, and a deadlock ends the transaction: the
 *    rest would then run outside of it. With autocommit off they run in a new transaction, which
 *    nothing commits: my_pipeline_open turns it off, and every other request (COMMIT too) is only
 *    sent when all answers were read.
 * 2. After a failure all later answers are read and dropped before the failure is returned: the
 *    connection is in step again.
 * 3. Answers wait in the socket while we send. PIPELINE_MAX answers of at most a few hundred bytes
 *    fit into any socket buffer, so the server never blocks on writing and reads on.
 * 4. An answer continues its request's packet numbers, which are kept with what is pending.
 *
 * A server behind Aurora's endpoint, a compressed connection, and a client library that takes no
 * packets of ours get each request alone.
 */
#include "base/mem.h"
#include "mysql/stmt_internal.h"

#include <assert.h>
#include <errmsg.h>
#include <stdlib.h>

#define ERROR_UNKNOWN_VARIABLE 1193 /* ER_UNKNOWN_SYSTEM_VARIABLE */

/* Aurora's front end does not promise to keep requests that come early. */
static bool is_aurora(struct my_conn *c, bool *aurora, struct err *e)
{
    struct err local = ERR_INIT;
    char *version = NULL;
    *aurora = my_query_text(c, "SELECT @@aurora_version", &version, &local);
    free(version);
    return *aurora || local.native == ERROR_UNKNOWN_VARIABLE || err_copy(e, &local);
}

bool my_pipeline_open(struct my_conn *c, struct err *e)
{
    bool aurora = false;
    if (!my_exec(c, "SET SESSION autocommit = 0", NULL, e) || !is_aurora(c, &aurora, e))
        return false;
    if (!c->pending)
        c->pending = mem_calloc(MY_PIPELINE_MAX, sizeof *c->pending);
    c->pipelined = my_lib_has_raw_packets && !aurora && !c->h->net.compress;
    return true;
}

size_t my_pipeline_count(const struct my_conn *c)
{
    return c->n_pending;
}

static struct my_pending *pending_at(struct my_conn *c, size_t i)
{
    return &c->pending[(c->first_pending + i) % MY_PIPELINE_MAX];
}

static void note_pending(struct my_stmt *s, uint64_t affected)
{
    struct my_conn *c = s->c;
    *pending_at(c, c->n_pending++) =
        (struct my_pending){.stmt = s, .packet = c->h->net.pkt_nr, .affected = affected};
}

static bool write_request(struct my_stmt *s, enum my_request kind, struct err *e)
{
    bool ok = my_stmt_write(s, kind, e);
    my_stmt_trim_request(&s->c->request);
    if (ok)
        note_pending(s, 0);
    else
        my_pipeline_drop(s->c);
    return ok;
}

bool my_stmt_send(struct my_stmt *s, const struct my_value *params, struct err *e)
{
    assert(s->c->pending && s->c->n_pending < MY_PIPELINE_MAX);
    if (s->c->pipelined)
        return my_stmt_encode(s, params, e) && write_request(s, MY_REQUEST_EXECUTE, e);
    uint64_t affected = 0;
    size_t waiting = s->c->n_pending;
    s->c->n_pending = 0; /* all answered already: only their counts wait */
    bool ok = my_stmt_exec(s, params, &affected, e);
    s->c->n_pending = ok ? waiting : 0;
    if (ok)
        note_pending(s, affected);
    return ok;
}

bool my_stmt_send_bulk(struct my_stmt *s, const struct my_value *values, size_t rows, size_t *taken,
                       struct err *e)
{
    assert(s->c->pipelined && s->c->server.bulk && rows > 0);
    assert(s->c->n_pending < MY_PIPELINE_MAX);
    my_stmt_reset(s);
    my_stmt_note_types(s, values, rows);
    return my_stmt_encode_rows(s, values, 0, rows, taken, e) &&
           write_request(s, MY_REQUEST_BULK, e);
}

bool my_pipeline_is_on(const struct my_conn *c)
{
    return c->pipelined;
}

static bool read_answer(struct my_conn *c, const struct my_pending *p, uint64_t *affected,
                        struct err *e)
{
    MYSQL *h = c->h;
    struct my_stmt *s = p->stmt;
    h->net.pkt_nr = p->packet;
    if (!my_stmt_answer(s, e))
        return false;
    if (s->open)
        my_stmt_note_columns(s);
    else
        *affected = mysql_affected_rows(h);
    return true;
}

static struct my_pending take_first(struct my_conn *c)
{
    struct my_pending p = *pending_at(c, 0);
    c->first_pending = (c->first_pending + 1) % MY_PIPELINE_MAX;
    c->n_pending--;
    return p;
}

bool my_pipeline_answer(struct my_conn *c, uint64_t *affected, struct err *e)
{
    assert(c->n_pending > 0);
    struct my_pending p = take_first(c);
    *affected = p.affected;
    if (!c->pipelined || read_answer(c, &p, affected, e))
        return true;
    my_pipeline_drop(c);
    return false;
}

void my_pipeline_drop(struct my_conn *c)
{
    while (c->n_pending > 0) {
        struct my_pending p = take_first(c);
        struct err ignored = ERR_INIT;
        uint64_t affected;
        if (!c->pipelined)
            continue;
        if (read_answer(c, &p, &affected, &ignored))
            my_stmt_reset(p.stmt);
        else if (ignored.native >= CR_MIN_ERROR && ignored.native <= CR_MAX_ERROR)
            c->n_pending = 0; /* the connection is gone, and all answers with it */
        err_clear(&ignored);
    }
}
