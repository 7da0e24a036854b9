/* cdc/copy/copy_read_split.c — cuts a table into ranges of about equal size.
 *
 * Keys that begin with an integer: the server's own range estimates (EXPLAIN: two dives into the
 * index, no rows read) of intervals, the largest one halved until none is large; then the intervals
 * are put together. Other keys: every k-th entry of the index is read in its order. The ranges
 * always cover everything, however wrong the estimates are: the first has no lower, the last no
 * upper bound.
 */
#include "base/mem.h"
#include "base/sys.h"
#include "cdc/copy/copy_read_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define INTERVALS_MAX     512
#define INTERVALS_A_RANGE 8
#define ROWS_WORTH_IT     2000 /* smaller tables stay whole */

/* Values low to high, both included, of an integer column; biased so that signed ones compare as
 * unsigned do. */
struct interval {
    uint64_t low, high;
    uint64_t rows;
};

struct splitter {
    struct copy_reader *r;
    const struct schema_table *table;
    const struct copy_key_column *column;
    bool is_unsigned;
    struct interval intervals[INTERVALS_MAX];
    size_t n;
};

static uint64_t bias(const struct splitter *s, uint64_t v)
{
    return s->is_unsigned ? v : v ^ (uint64_t)1 << 63;
}

static void put_number(const struct splitter *s, uint64_t biased, struct buf *out)
{
    if (s->is_unsigned)
        buf_put_u64(out, biased);
    else
        buf_put_i64(out, (int64_t)bias(s, biased));
}

static void put_from(const struct splitter *s, struct buf *sql)
{
    buf_put_str(sql, " FROM ");
    buf_put_table_name(sql, s->table->db, s->table->name);
}

static bool explain_rows(struct my_conn *c, const char *sql, uint64_t *rows, struct err *e)
{
    struct my_cell cells[32];
    struct my_result *res = my_query(c, sql, e);
    *rows = 0;
    if (!res)
        return false;
    unsigned n = my_result_columns(res);
    enum my_next next = n <= 32 ? my_result_next(res, cells, e) : MY_END;
    for (unsigned i = 0; next == MY_ROW && i < n; i++) {
        if (strcasecmp(my_result_column_name(res, i), "rows") == 0 && cells[i].p)
            *rows = strtoull(cells[i].p, NULL, 10);
    }
    my_result_free(res);
    return next != MY_FAIL;
}

static bool estimate(struct splitter *s, struct interval *interval, struct err *e)
{
    struct buf sql = BUF_INIT;
    bool mysql = my_conn_server(s->r->conn)->flavor == MY_FLAVOR_MYSQL;
    buf_printf(&sql, "EXPLAIN %sSELECT %s", mysql ? "FORMAT=TRADITIONAL " : "",
               s->column->name_sql);
    put_from(s, &sql);
    buf_printf(&sql, " WHERE %s BETWEEN ", s->column->name_sql);
    put_number(s, interval->low, &sql);
    buf_put_str(&sql, " AND ");
    put_number(s, interval->high, &sql);
    bool ok = explain_rows(s->r->conn, buf_str(&sql), &interval->rows, e);
    buf_fini(&sql);
    return ok;
}

static bool parse_end(struct splitter *s, const struct my_cell *cell, uint64_t *out)
{
    int64_t number;
    if (!cell->p)
        return false;
    if (s->is_unsigned)
        return sys_parse_u64(cell->p, out);
    if (!sys_parse_i64(cell->p, &number))
        return false;
    *out = bias(s, (uint64_t)number);
    return true;
}

/* The whole key space as one interval; *empty when there is no row. */
static bool first_interval(struct splitter *s, bool *empty, struct err *e)
{
    struct buf sql = BUF_INIT;
    struct my_cell cells[2];
    buf_printf(&sql, "SELECT MIN(%s), MAX(%s)", s->column->name_sql, s->column->name_sql);
    put_from(s, &sql);
    struct my_result *res = my_query(s->r->conn, buf_str(&sql), e);
    buf_fini(&sql);
    if (!res)
        return false;
    enum my_next next = my_result_next(res, cells, e);
    *empty = next != MY_ROW || !parse_end(s, &cells[0], &s->intervals[0].low) ||
             !parse_end(s, &cells[1], &s->intervals[0].high);
    my_result_free(res);
    s->n = *empty ? 0 : 1;
    return next != MY_FAIL && (*empty || estimate(s, &s->intervals[0], e));
}

static size_t largest(const struct splitter *s)
{
    size_t best = 0;
    for (size_t i = 1; i < s->n; i++) {
        if (s->intervals[i].rows > s->intervals[best].rows)
            best = i;
    }
    return best;
}

static bool halve(struct splitter *s, size_t i, struct err *e)
{
    struct interval *left = &s->intervals[i];
    uint64_t middle = left->low + (left->high - left->low) / 2;
    memmove(left + 2, left + 1, (s->n - i - 1) * sizeof *left);
    left[1] = (struct interval){.low = middle + 1, .high = left->high};
    left->high = middle;
    s->n++;
    return estimate(s, left, e) && estimate(s, left + 1, e);
}

static bool refine(struct splitter *s, unsigned n_ranges, struct err *e)
{
    uint64_t enough = s->intervals[0].rows / ((uint64_t)n_ranges * INTERVALS_A_RANGE) + 1;
    while (s->n < INTERVALS_MAX) {
        size_t i = largest(s);
        if (s->intervals[i].rows <= enough || s->intervals[i].low == s->intervals[i].high)
            return true;
        if (!halve(s, i, e))
            return false;
    }
    return true;
}

struct ranges {
    struct copy_range *items;
    size_t n, cap;
};

static void add_range(struct ranges *r, char *upper)
{
    mem_grow((void **)&r->items, &r->cap, r->n + 1, sizeof *r->items);
    r->items[r->n] = (struct copy_range){0};
    if (r->n && r->items[r->n - 1].upper.sql)
        r->items[r->n].lower.sql = mem_strdup(r->items[r->n - 1].upper.sql);
    r->items[r->n++].upper.sql = upper;
}

/* Intervals together until each range has its share. */
static void join_intervals(const struct splitter *s, unsigned n_ranges, struct ranges *out)
{
    uint64_t total = 0, sum = 0;
    for (size_t i = 0; i < s->n; i++)
        total += s->intervals[i].rows;
    for (size_t i = 0; i + 1 < s->n && out->n + 1 < n_ranges; i++) {
        sum += s->intervals[i].rows;
        if (sum * n_ranges < total * (out->n + 1))
            continue;
        struct buf upper = BUF_INIT;
        put_number(s, s->intervals[i].high, &upper);
        add_range(out, buf_take(&upper));
    }
}

static bool split_integers(struct copy_reader *r, const struct schema_table *t, unsigned n,
                           struct ranges *out, struct err *e)
{
    struct splitter *s = mem_alloc(sizeof *s);
    bool empty = true;
    s->r = r;
    s->table = t;
    s->column = &r->plan.key.columns[0];
    s->is_unsigned = s->column->column->column->is_unsigned;
    bool ok = first_interval(s, &empty, e);
    if (ok && !empty && s->intervals[0].rows >= ROWS_WORTH_IT) {
        ok = refine(s, n, e);
        if (ok)
            join_intervals(s, n, out);
    }
    free(s);
    return ok;
}

/* ---- other keys ---- */

static char *step_sql(struct copy_reader *r, const struct schema_table *t, const char *from,
                      uint64_t step, struct err *e)
{
    const struct copy_key *k = &r->plan.key;
    struct copy_range range = {.lower.sql = mem_strdup(from)};
    struct buf sql = BUF_INIT;
    for (size_t i = 0; i < k->n; i++) {
        buf_put_str(&sql, i ? "," : "SELECT ");
        copy_column_select(&t->columns[k->columns[i].number], &sql);
    }
    buf_put_str(&sql, " FROM ");
    buf_put_table_name(&sql, t->db, t->name);
    buf_put_str(&sql, k->force_index);
    bool ok = copy_key_where(k, &range, NULL, &sql, e);
    buf_printf(&sql, "%s LIMIT 1 OFFSET %llu", k->order_by, (unsigned long long)step);
    copy_range_fini(&range);
    if (ok)
        return buf_take(&sql);
    buf_fini(&sql);
    return NULL;
}

/* The key that lies step rows behind from; *upper NULL when there are not so many. */
static bool step_key(struct copy_reader *r, const struct schema_table *t, const char *from,
                     uint64_t step, char **upper, struct err *e)
{
    CLEANUP(mem_free_ptr) char *sql = step_sql(r, t, from, step, e);
    struct my_wire cells[64];
    struct buf text = BUF_INIT;
    *upper = NULL;
    assert(r->plan.key.n <= 64);
    struct my_stmt *s = sql ? my_prepare(r->conn, sql, e) : NULL;
    bool ok = s && my_stmt_query(s, NULL, e);
    enum my_next next = ok ? my_stmt_next(s, cells, e) : MY_FAIL;
    ok = next == MY_END || (next == MY_ROW && copy_key_literals(&r->plan.key, cells, &text, e));
    if (ok && next == MY_ROW)
        *upper = buf_take(&text);
    buf_fini(&text);
    my_stmt_free(s);
    return ok;
}

static bool split_by_steps(struct copy_reader *r, const struct schema_table *t, unsigned n,
                           struct ranges *out, struct err *e)
{
    uint64_t step = t->rows_estimate / n;
    if (t->rows_estimate < ROWS_WORTH_IT)
        return true;
    while (out->n + 1 < n) {
        const char *from = out->n ? out->items[out->n - 1].upper.sql : "";
        char *upper;
        if (!step_key(r, t, from, step, &upper, e))
            return false;
        if (!upper)
            return true;
        add_range(out, upper);
    }
    return true;
}

bool copy_split(struct copy_reader *r, const struct schema_table *t, unsigned n,
                struct copy_range **ranges, size_t *n_ranges, struct err *e)
{
    struct ranges out = {0};
    bool ok = copy_plan_for(r, t, e);
    if (ok && n > 1 && r->plan.key.n) {
        bool integer = schema_type_is_integer(r->plan.key.columns[0].column->column->type);
        ok = integer ? split_integers(r, t, n, &out, e) : split_by_steps(r, t, n, &out, e);
    }
    if (!ok) {
        for (size_t i = 0; i < out.n; i++)
            copy_range_fini(&out.items[i]);
        free(out.items);
        return err_prepend(e, "split of %s.%s", t->db, t->name);
    }
    add_range(&out, NULL);
    *ranges = out.items;
    *n_ranges = out.n;
    return true;
}
