/* mysql/result.c — results of the text protocol, stored or streamed. */
#include "base/mem.h"
#include "mysql/internal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct my_result {
    struct my_conn *c;
    MYSQL_RES *res;
    unsigned n_columns;
    bool streamed;
};

static struct my_result *query(struct my_conn *c, const char *sql, size_t n, bool streamed,
                               struct err *e)
{
    assert(c->n_pending == 0);
    if (mysql_real_query(c->h, sql, n) != 0) {
        my_conn_fail(c, e);
        return NULL;
    }
    MYSQL_RES *res = streamed ? mysql_use_result(c->h) : mysql_store_result(c->h);
    if (!res) {
        if (mysql_errno(c->h) != 0)
            my_conn_fail(c, e);
        else
            err_set(e, ERR_INTERNAL, "%s: a query was expected, the statement has no result",
                    c->where);
        return NULL;
    }
    struct my_result *r = mem_alloc(sizeof *r);
    *r = (struct my_result){c, res, mysql_num_fields(res), streamed};
    return r;
}

struct my_result *my_query(struct my_conn *c, const char *sql, struct err *e)
{
    return query(c, sql, strlen(sql), false, e);
}

struct my_result *my_query_stream(struct my_conn *c, const char *sql, struct err *e)
{
    return query(c, sql, strlen(sql), true, e);
}

struct my_result *my_queryf(struct my_conn *c, struct err *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *sql = NULL;
    int n = vasprintf(&sql, fmt, ap);
    va_end(ap);
    if (n < 0) {
        err_set(e, ERR_NO_MEMORY, "%s: no memory for a statement", c->where);
        return NULL;
    }
    struct my_result *r = query(c, sql, (size_t)n, false, e);
    free(sql);
    return r;
}

unsigned my_result_columns(const struct my_result *r)
{
    return r->n_columns;
}

uint64_t my_result_rows(const struct my_result *r)
{
    return mysql_num_rows(r->res);
}

const char *my_result_column_name(const struct my_result *r, unsigned i)
{
    return i < r->n_columns ? mysql_fetch_field_direct(r->res, i)->name : "";
}

enum my_next my_result_next(struct my_result *r, struct my_cell *cells, struct err *e)
{
    MYSQL_ROW row = mysql_fetch_row(r->res);
    if (!row) {
        if (!r->streamed || mysql_errno(r->c->h) == 0)
            return MY_END;
        my_conn_fail(r->c, e);
        return MY_FAIL;
    }
    const unsigned long *lengths = mysql_fetch_lengths(r->res);
    for (unsigned i = 0; i < r->n_columns; i++)
        cells[i] = (struct my_cell){row[i], row[i] ? lengths[i] : 0};
    return MY_ROW;
}

void my_result_free(struct my_result *r)
{
    if (!r)
        return;
    mysql_free_result(r->res);
    free(r);
}

bool my_query_text(struct my_conn *c, const char *sql, char **out, struct err *e)
{
    *out = NULL;
    struct my_result *r = my_query(c, sql, e);
    if (!r)
        return false;
    struct my_cell *cells = mem_calloc(r->n_columns, sizeof *cells);
    enum my_next next = my_result_next(r, cells, e);
    if (next == MY_ROW && cells[0].p)
        *out = mem_strndup(cells[0].p, cells[0].n);
    free(cells);
    my_result_free(r);
    return next != MY_FAIL;
}

bool my_query_u64(struct my_conn *c, const char *sql, uint64_t *out, struct err *e)
{
    char *text CLEANUP(mem_free_ptr) = NULL;
    *out = 0;
    if (!my_query_text(c, sql, &text, e))
        return false;
    if (!text || text[0] < '0' || text[0] > '9')
        return err_set(e, ERR_DB_QUERY, "%s: a number was expected, found '%s'", c->where,
                       text ? text : "NULL");
    *out = strtoull(text, NULL, 10);
    return true;
}
