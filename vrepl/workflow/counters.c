/* vrepl/workflow/counters.c — reads AUTO_INCREMENT counters of one side and raises the other's
 * above them.
 */
#include "vrepl/workflow/counters.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MARGIN      UINT64_C(1000) /* ids that may be given out between the raise and the hold */
#define LOCK_WAIT_S 5

struct counters {
    struct workflow *w;
    enum wf_side_name from, to;
    size_t n;         /* tables */
    uint64_t *next;   /* highest of the sources, this time */
    uint64_t *raised; /* at least so high on every target */
    char **types;     /* of the target's counted column; NULL: it counts nothing */
    bool known;       /* types were asked for */
};

struct counters *counters_new(struct workflow *w, enum wf_side_name from, enum wf_side_name to)
{
    struct counters *c = mem_alloc(sizeof *c);
    c->w = w;
    c->from = from;
    c->to = to;
    c->n = w->def->n_tables;
    c->next = mem_calloc(c->n + 1, sizeof *c->next);
    c->raised = mem_calloc(c->n + 1, sizeof *c->raised);
    c->types = mem_calloc(c->n + 1, sizeof *c->types);
    return c;
}

void counters_free(struct counters *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->n; i++)
        free(c->types[i]);
    free(c->types);
    free(c->next);
    free(c->raised);
    free(c);
}

static uint64_t largest(const char *column_type)
{
    static const struct {
        const char *name;
        unsigned bits;
    } types[] = {{"tinyint", 8}, {"smallint", 16}, {"mediumint", 24}, {"int", 32}, {"bigint", 64}};
    unsigned bits = 64;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strncasecmp(column_type, types[i].name, strlen(types[i].name)) == 0)
            bits = types[i].bits;
    bits -= strstr(column_type, "unsigned") == NULL;
    return bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
}

uint64_t counters_target(uint64_t next, const char *column_type)
{
    uint64_t most = largest(column_type);
    if (next >= most)
        return next; /* used up: as it is on the old side */
    uint64_t room = (most - next) / 16;
    return next + (room < MARGIN ? room : MARGIN);
}

static size_t find_table(const struct counters *c, enum wf_side_name side, const char *name)
{
    char own[400];
    size_t i = 0;
    for (; i < c->n; i++) {
        wf_table_name(c->w, &c->w->def->tables[i], side, own, sizeof own);
        if (strcmp(own, name) == 0)
            break;
    }
    return i;
}

static struct my_result *ask(const struct fence_hold *h, const char *what, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    buf_printf(&sql, "%s AND TABLE_SCHEMA = ", what);
    buf_put_sql_string(&sql, h->shard->primary.database, strlen(h->shard->primary.database));
    return my_query(h->aux, buf_str(&sql), e);
}

/* Which tables count on the side that will serve: only those are asked about later. */
static bool read_types(struct counters *c, const struct fence_hold *to, struct err *e)
{
    struct my_cell v[2];
    enum my_next next = MY_FAIL;
    struct my_result *r = ask(to,
                              "SELECT TABLE_NAME, COLUMN_TYPE FROM information_schema.COLUMNS "
                              "WHERE EXTRA LIKE '%auto_increment%'",
                              e);
    while (r != NULL && (next = my_result_next(r, v, e)) == MY_ROW) {
        size_t i = find_table(c, c->to, v[0].p);
        if (i < c->n && c->types[i] == NULL)
            c->types[i] = mem_strdup(v[1].p);
    }
    my_result_free(r);
    return next == MY_END;
}

/* The tables that count, as a condition; false: there is none. */
static bool put_names(const struct counters *c, struct buf *sql)
{
    char own[400];
    bool any = false;
    buf_put_str(sql, "SELECT TABLE_NAME, AUTO_INCREMENT FROM information_schema.TABLES WHERE "
                     "AUTO_INCREMENT IS NOT NULL AND TABLE_NAME IN (");
    for (size_t i = 0; i < c->n; i++) {
        if (c->types[i] == NULL)
            continue;
        wf_table_name(c->w, &c->w->def->tables[i], c->from, own, sizeof own);
        buf_put_str(sql, any ? "," : "");
        buf_put_sql_string(sql, own, strlen(own));
        any = true;
    }
    buf_put_str(sql, ")");
    return any;
}

static bool read_next(struct counters *c, const struct fence_hold *from, struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    struct my_cell v[2];
    enum my_next next = MY_FAIL;
    if (!put_names(c, &sql))
        return true;
    struct my_result *r = ask(from, buf_str(&sql), e);
    while (r != NULL && (next = my_result_next(r, v, e)) == MY_ROW) {
        size_t i = find_table(c, c->from, v[0].p);
        uint64_t n = v[1].p != NULL ? strtoull(v[1].p, NULL, 10) : 0;
        if (i < c->n && n > c->next[i])
            c->next[i] = n;
    }
    my_result_free(r);
    return next == MY_END;
}

/* The server never lowers a counter below its rows, so that a value that was too low does no
 * harm. */
static bool raise_one(struct counters *c, struct my_conn *conn, size_t i, uint64_t value,
                      struct err *e)
{
    CLEANUP(buf_fini) struct buf sql = BUF_INIT;
    char own[400];
    wf_table_name(c->w, &c->w->def->tables[i], c->to, own, sizeof own);
    buf_printf(&sql, "ALTER /* sluice:%s */ TABLE ", c->w->keys[0]);
    buf_put_ident(&sql, own);
    buf_printf(&sql, " AUTO_INCREMENT = %llu", (unsigned long long)value);
    return my_exec(conn, buf_str(&sql), NULL, e) ||
           err_prepend(e, "raising the AUTO_INCREMENT counter of %s", own);
}

static bool raise_all(struct counters *c, const struct topo_shard *to, const uint64_t *values,
                      struct err *e)
{
    struct my_conn *conn = my_connect(&to->primary, "switch", e);
    bool ok = conn != NULL && my_execf(conn, e, "SET SESSION lock_wait_timeout = %d", LOCK_WAIT_S);
    for (size_t i = 0; ok && i < c->n; i++)
        ok = values[i] == 0 || raise_one(c, conn, i, values[i], e);
    my_close(conn);
    return ok || err_prepend(e, "%s/%s", to->keyspace, to->name);
}

/* values[i]: what table i has to be raised to, 0 not at all; false: nothing at all. */
static bool choose(const struct counters *c, uint64_t *values)
{
    bool any = false;
    for (size_t i = 0; i < c->n; i++) {
        bool low = c->types[i] != NULL && c->next[i] > 1 && c->next[i] > c->raised[i];
        values[i] = low ? counters_target(c->next[i], c->types[i]) : 0;
        any = any || low;
    }
    return any;
}

bool counters_carry(struct counters *c, const struct fence_hold *from, size_t n_from,
                    const struct fence_hold *to, size_t n_to, struct err *e)
{
    if (!c->known && !read_types(c, &to[0], e))
        return false;
    c->known = true;
    for (size_t i = 0; i < n_from; i++) {
        if (!read_next(c, &from[i], e))
            return false;
    }
    uint64_t *values = mem_calloc(c->n + 1, sizeof *values);
    bool ok = true;
    if (choose(c, values)) {
        for (size_t i = 0; ok && i < n_to; i++)
            ok = raise_all(c, to[i].shard, values, e);
        for (size_t i = 0; ok && i < c->n; i++)
            c->raised[i] = values[i] > 0 ? values[i] : c->raised[i];
    }
    free(values);
    return ok;
}
