/* vrepl/move/progress.c — the image of the rows of progress, and the question "is this key copied" for
 * integer keys. */
#include "vrepl/move/progress.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void progress_init(struct progress *p, const struct vrepl_stream_spec *spec)
{
    p->n_tables = spec->n_tables;
    p->tables = mem_calloc(spec->n_tables + 1, sizeof *p->tables);
    for (size_t i = 0; i < spec->n_tables; i++)
        p->tables[i].name = spec->tables[i].target_table;
}

static void range_fini(struct progress_range *r)
{
    free(r->lower);
    free(r->upper);
    free(r->last);
}

static void clear_ranges(struct progress_table *t)
{
    for (size_t i = 0; i < t->n_ranges; i++)
        range_fini(&t->ranges[i]);
    free(t->ranges);
    t->ranges = NULL;
    t->n_ranges = 0;
    t->kept = false;
    position_fini(&t->snapshot);
    t->snapshot = (struct position)POSITION_INIT;
}

void progress_fini(struct progress *p)
{
    for (size_t i = 0; i < p->n_tables; i++)
        clear_ranges(&p->tables[i]);
    free(p->tables);
    p->tables = NULL;
    p->n_tables = 0;
}

static bool parse_int(const char **at, progress_int *out)
{
    const char *s = *at;
    bool negative = *s == '-';
    progress_int v = 0;
    size_t digits = 0;
    if (negative)
        s++;
    for (; *s >= '0' && *s <= '9' && digits < 21; s++, digits++)
        v = v * 10 + (*s - '0');
    *out = negative ? -v : v;
    *at = s;
    return digits > 0 && digits < 21;
}

/* "42" or "42,-7": what copy_read writes for integer keys. */
static bool parse_key(const char *text, struct progress_key *out)
{
    out->n = 0;
    if (!*text)
        return true;
    for (const char *at = text;; at++) {
        if (out->n >= PROGRESS_KEY_MAX || !parse_int(&at, &out->values[out->n]))
            return false;
        out->n++;
        if (!*at)
            return true;
        if (*at != ',')
            return false;
        while (at[1] == ' ')
            at++;
    }
}

static bool parse_bounds(const struct progress_table *t, struct progress_range *r, struct err *e)
{
    if (!t->order_exact)
        return true;
    if (parse_key(r->lower, &r->lower_key) && parse_key(r->upper, &r->upper_key) &&
        parse_key(r->last, &r->last_key))
        return true;
    return err_set(e, ERR_INTERNAL, "%s: a copy bound is no integer key: (%s, %s] at %s", t->name,
                   r->lower, r->upper, r->last);
}

bool progress_range_set(const struct progress_table *t, struct progress_range *r, const char *last,
                        bool done, struct err *e)
{
    char *copy = mem_strdup(last);
    free(r->last);
    r->last = copy;
    r->done = done;
    return parse_bounds(t, r, e);
}

static bool add_range(struct progress_table *t, const struct progress_row *row, struct err *e)
{
    t->ranges = mem_realloc(t->ranges, t->n_ranges + 1, sizeof *t->ranges);
    struct progress_range *r = &t->ranges[t->n_ranges++];
    *r = (struct progress_range){.no = row->range_no,
                                 .lower = mem_strdup(row->lower),
                                 .upper = mem_strdup(row->upper),
                                 .last = mem_strdup(row->last),
                                 .done = row->done,
                                 .rows = row->rows};
    t->kept = strcmp(r->last, PROGRESS_KEPT) == 0;
    if (t->kept)
        return true;
    if (t->exact_snapshot)
        return position_parse(r->lower, &t->snapshot, e);
    return parse_bounds(t, r, e);
}

static struct progress_table *find_table(struct progress *p, const char *name)
{
    for (size_t i = 0; i < p->n_tables; i++) {
        if (!strcmp(p->tables[i].name, name))
            return &p->tables[i];
    }
    return NULL;
}

static struct sidecar_key row_key(const struct target_tx_key *key)
{
    return (struct sidecar_key){key->workflow, key->stream};
}

static bool load_row(void *ctx, const struct progress_row *row, struct err *e)
{
    struct progress_table *t = find_table(ctx, row->tab);
    return !t || add_range(t, row, e);
}

bool progress_load(struct progress *p, struct my_conn *c, const struct target_tx_key *key,
                   struct err *e)
{
    const struct sidecar_key of = row_key(key);
    for (size_t i = 0; i < p->n_tables; i++)
        clear_ranges(&p->tables[i]);
    return progress_rows_each(c, &of, load_row, p, e) || err_prepend(e, "copy progress");
}

bool progress_table_done(const struct progress_table *t)
{
    for (size_t i = 0; i < t->n_ranges; i++) {
        if (!t->ranges[i].done)
            return false;
    }
    return t->n_ranges > 0;
}

bool progress_done(const struct progress *p)
{
    for (size_t i = 0; i < p->n_tables; i++) {
        if (!progress_table_done(&p->tables[i]))
            return false;
    }
    return true;
}

bool progress_table_waits(const struct progress_table *t)
{
    return t->n_ranges == 0 || (t->exact_snapshot && !progress_table_done(t));
}

bool progress_insert(struct my_conn *c, const struct target_tx_key *key, const char *tab,
                     unsigned range_no, const struct copy_range *range, struct err *e)
{
    const struct sidecar_key of = row_key(key);
    const struct progress_row row = {.tab = tab,
                                     .range_no = range_no,
                                     .lower = range->lower.sql ? range->lower.sql : "",
                                     .upper = range->upper.sql ? range->upper.sql : "",
                                     .last = ""};
    return progress_row_insert(c, &of, &row, e);
}

bool progress_advance(struct my_conn *c, const struct target_tx_key *key,
                      const struct progress_table *t, const struct progress_range *r,
                      const char *new_last, bool done, uint64_t rows, bool *moved, struct err *e)
{
    const struct sidecar_key of = row_key(key);
    const struct progress_row was = {.tab = t->name, .range_no = r->no, .last = r->last};
    return progress_row_advance(c, &of, &was, new_last, done, rows, moved, e);
}

struct reread {
    const struct progress_table *table;
    struct progress_range *range;
};

static bool reread_row(void *ctx, const struct progress_row *row, struct err *e)
{
    struct reread *into = ctx;
    into->range->rows = row->rows;
    return progress_range_set(into->table, into->range, row->last, row->done, e);
}

bool progress_reread(struct my_conn *c, const struct target_tx_key *key, struct progress_table *t,
                     struct progress_range *r, struct err *e)
{
    const struct sidecar_key of = row_key(key);
    struct reread into = {t, r};
    bool found = false;
    if (!progress_row_read(c, &of, t->name, r->no, reread_row, &into, &found, e))
        return false;
    return found ||
           err_set(e, ERR_WF_FENCED, "%s: copy progress of range %u is gone", t->name, r->no);
}

static bool key_of(const struct vrepl_plan *plan, const struct cdc_row *row,
                   struct progress_key *out)
{
    if (plan->n_key > PROGRESS_KEY_MAX)
        return false;
    out->n = plan->n_key;
    for (size_t i = 0; i < plan->n_key; i++) {
        const struct plan_column *c = &plan->columns[plan->key[i]];
        const struct cdc_value *v = &row->values[c->source];
        if (v->absent || v->null)
            return false;
        out->values[i] = c->bind == PLAN_BIND_U64 ? (progress_int)cdc_value_u64(v)
                                                  : (progress_int)cdc_value_i64(v);
    }
    return true;
}

static int compare(const struct progress_key *a, const struct progress_key *b)
{
    size_t n = a->n < b->n ? a->n : b->n;
    for (size_t i = 0; i < n; i++) {
        if (a->values[i] != b->values[i])
            return a->values[i] < b->values[i] ? -1 : 1;
    }
    return 0;
}

static bool range_covers(const struct progress_range *r, const struct progress_key *key)
{
    if (r->lower_key.n > 0 && compare(key, &r->lower_key) <= 0)
        return false;
    if (r->done)
        return r->upper_key.n == 0 || compare(key, &r->upper_key) <= 0;
    return r->last_key.n > 0 && compare(key, &r->last_key) <= 0;
}

bool progress_covers(const struct progress_table *t, const struct vrepl_plan *plan,
                     const struct cdc_row *row)
{
    struct progress_key key;
    assert(t->order_exact);
    /* A key that cannot be read counts as copied: applying is always right, dropping is an
     * optimisation. */
    if (!key_of(plan, row, &key))
        return true;
    for (size_t i = 0; i < t->n_ranges; i++) {
        if (range_covers(&t->ranges[i], &key))
            return true;
    }
    return false;
}
