/* cdc/log/row.c — walks row images: finds where each column's value lies, checks every length
 * against the end.
 *
 * An image: null bitmap over the present columns, then the values of those that are present and not
 * NULL, in table order. An UPDATE of event 39 puts value options and, if any value is a JSON diff,
 * a bitmap over all JSON columns of the table before the after image's null bitmap.
 * Invariants:
 *   1. `at` never passes `end`; a length is compared with what is left before it is added.
 *   2. Every row of a validated event takes at least one byte, except the single row of an event
 * whose images hold no column at all; so a walk ends.
 */
#include "base/mem.h"
#include "cdc/log/row_plan.h"
#include "cdc/log/wire.h"

#include <assert.h>
#include <stdlib.h>

#define OPTION_PARTIAL_JSON 1u

struct image {
    const struct row_plan *plan;
    const struct schema_table *table;
    const uint8_t *present;
    const uint8_t *nulls;
    const uint8_t *partial; /* NULL: no value is a diff */
    const uint8_t *end;
    uint32_t n_present;
    uint32_t failed_column; /* plan->n_columns: the image's head */
};

static bool all_present(const uint8_t *present, uint32_t n_columns)
{
    uint32_t whole = n_columns / 8, rest = (1u << n_columns % 8) - 1;
    for (uint32_t i = 0; i < whole; i++) {
        if (present[i] != 0xff)
            return false;
    }
    return rest == 0 || (present[whole] & rest) == rest;
}

static uint32_t count_present(const uint8_t *present, uint32_t n_columns)
{
    uint32_t n = 0;
    if (all_present(present, n_columns))
        return n_columns;
    for (uint32_t i = 0; i < n_columns / 8; i++)
        n += (uint32_t)__builtin_popcount(present[i]);
    if (n_columns % 8)
        n += (uint32_t)__builtin_popcount(present[n_columns / 8] & ((1u << n_columns % 8) - 1));
    return n;
}

static bool any_null(const uint8_t *nulls, uint32_t n)
{
    uint32_t whole = n / 8;
    for (uint32_t i = 0; i < whole; i++) {
        if (nulls[i])
            return true;
    }
    return n % 8 && (nulls[whole] & ((1u << n % 8) - 1));
}

/* The caller leaves the row as it is. */
static void set_all_absent(const struct cdc_rows_iter *it, struct cdc_row *out)
{
    const struct schema_table *t = it->rows->table;
    if (!out || out->absent_of == it->plan->id)
        return;
    out->absent_of = it->plan->id;
    out->full_of = 0;
    assert(out->n_columns >= it->plan->n_columns);
    for (size_t i = 0; i < it->plan->n_columns; i++)
        out->values[i] = (struct cdc_value){.column = &t->columns[i], .absent = true};
}

/* One value; its bytes into *v. The position behind it, or NULL. */
static inline const uint8_t *walk_value(const struct row_column *c, const uint8_t *at,
                                        const uint8_t *end, struct cdc_value *v)
{
    size_t left = (size_t)(end - at);
    size_t n = c->width;
    if (c->n_prefix) {
        if (left < c->n_prefix)
            return NULL;
        n = c->n_prefix == 1   ? at[0]
            : c->n_prefix == 2 ? wire_u16(at)
                               : (size_t)wire_le(at, c->n_prefix);
        at += c->n_prefix;
        left -= c->n_prefix;
    }
    if (left < n)
        return NULL;
    v->p = at;
    v->n = n;
    return at + n;
}

/* The length that stands before `at`, of a run whose last value has one. */
static inline size_t prefixed_length(const struct row_run *run, const uint8_t *at)
{
    return run->n_prefix == 1   ? at[-1]
           : run->n_prefix == 2 ? wire_u16(at - 2)
                                : (size_t)wire_le(at - run->n_prefix, run->n_prefix);
}

/* All columns present, none NULL: only the lengths. */
static const uint8_t *skip_runs(const struct row_plan *plan, const uint8_t *at, const uint8_t *end)
{
    const struct row_run *run = plan->runs;
    for (uint32_t i = 0; i < plan->n_runs; i++, run++) {
        size_t left = (size_t)(end - at);
        size_t head = (size_t)run->fixed + run->n_prefix;
        if (left < head)
            return NULL;
        at += head;
        if (run->n_prefix == 0)
            continue;
        size_t n = prefixed_length(run, at);
        if (left - head < n)
            return NULL;
        at += n;
    }
    return at;
}

/* What all full rows of a table have in common stays in the caller's row from one to the next. */
static void lay_out_full(const struct row_plan *plan, const struct schema_table *t,
                         struct cdc_row *out)
{
    assert(out->n_columns >= plan->n_columns);
    for (size_t i = 0; i < plan->n_columns; i++)
        out->values[i] = (struct cdc_value){.column = &t->columns[i], .n = plan->columns[i].width};
    out->full_of = plan->id;
    out->absent_of = 0;
}

/* All columns present, none NULL, no diffs: where each value lies, and the lengths that differ. */
static inline const uint8_t *walk_full(const struct cdc_rows_iter *it, const uint8_t *at,
                                       struct cdc_row *out)
{
    const struct row_plan *plan = it->plan;
    const struct row_column *c = plan->columns;
    const struct row_run *run = plan->runs, *behind = run + plan->n_runs;
    if (out->full_of != plan->id)
        lay_out_full(plan, it->rows->table, out);
    for (struct cdc_value *v = out->values; run < behind; run++) {
        size_t left = (size_t)(it->end - at), head = (size_t)run->fixed + run->n_prefix;
        if (left < head)
            return NULL;
        for (size_t i = 0, n_fixed = run->n_columns; i < n_fixed; i++)
            v[i].p = at + c[i].offset;
        v += run->n_columns;
        c += run->n_columns;
        at += head;
        if (run->n_prefix == 0)
            continue;
        size_t n = prefixed_length(run, at);
        if (left - head < n)
            return NULL;
        v->p = at;
        v->n = n;
        at += n;
        c++;
        v++;
    }
    return at;
}

/* Any image. values may be NULL. */
static const uint8_t *walk_any(struct image *im, const uint8_t *at, struct cdc_value *values)
{
    const struct row_plan *plan = im->plan;
    uint32_t nth_present = 0, nth_json = 0;
    for (uint32_t i = 0; i < plan->n_columns; i++) {
        struct cdc_value v = {.column = &im->table->columns[i]};
        bool diff = plan->columns[i].json && im->partial && wire_bit(im->partial, nth_json);
        nth_json += plan->columns[i].json;
        v.absent = !wire_bit(im->present, i);
        if (!v.absent) {
            v.null = wire_bit(im->nulls, nth_present++);
            v.json_diff = diff && !v.null;
        }
        if (!v.absent && !v.null)
            at = walk_value(&plan->columns[i], at, im->end, &v);
        if (!at) {
            im->failed_column = i;
            return NULL;
        }
        if (values)
            values[i] = v;
    }
    return at;
}

/* An image behind its null bitmap's start. */
static const uint8_t *walk_image(const struct cdc_rows_iter *it, struct image *im,
                                 const uint8_t *at, struct cdc_row *out)
{
    uint32_t null_bytes = (im->n_present + 7) / 8;
    if ((size_t)(im->end - at) < null_bytes)
        return NULL;
    im->nulls = at;
    at += null_bytes;
    assert(!out || out->n_columns >= im->plan->n_columns);
    if (im->n_present == im->plan->n_columns && !im->partial &&
        !any_null(im->nulls, im->n_present)) {
        const uint8_t *behind = out ? walk_full(it, at, out) : skip_runs(im->plan, at, im->end);
        if (behind)
            return behind; /* else once more, to learn the column */
    }
    if (out)
        out->full_of = out->absent_of = 0;
    return walk_any(im, at, out ? out->values : NULL);
}

/* Value options and the partial bitmap before an after image of event 39. */
static const uint8_t *walk_options(struct image *im, const uint8_t *at)
{
    struct wire w = {at, im->end, false};
    uint64_t options = wire_lenenc(&w);
    if (!w.failed && (options & ~(uint64_t)OPTION_PARTIAL_JSON))
        return NULL;
    if (options & OPTION_PARTIAL_JSON)
        im->partial = wire_take(&w, (im->plan->n_json + 7) / 8);
    return w.failed ? NULL : w.p;
}

static bool image_fail(const struct image *im, const char *which, struct err *e)
{
    const struct schema_table *t = im->table;
    if (im->failed_column >= im->plan->n_columns)
        return err_set(e, ERR_LOG_FORMAT, "%s.%s: %s image ends inside its head", t->db, t->name,
                       which);
    const char *name = t->columns[im->failed_column].name;
    return err_set(
        e, ERR_LOG_FORMAT,
        "%s.%s.%s (column %u, type %u): value goes beyond the end of the event's %s image", t->db,
        t->name, name ? name : "@", im->failed_column + 1, t->columns[im->failed_column].type,
        which);
}

static struct image image_of(const struct cdc_rows_iter *it, bool after)
{
    return (struct image){
        .plan = it->plan,
        .table = it->rows->table,
        .present = after ? it->rows->present_after : it->rows->present_before,
        .end = it->end,
        .n_present = after ? it->n_after : it->n_before,
        .failed_column = it->plan->n_columns,
    };
}

void cdc_rows_begin(struct cdc_rows_iter *it, const struct cdc_rows *rows)
{
    *it = (struct cdc_rows_iter){
        .rows = rows, .at = rows->images, .end = rows->images + rows->images_len};
    it->plan = row_plan_of(rows->table);
    assert(rows->n_columns == it->plan->n_columns);
    if (rows->op != CDC_OP_INSERT)
        it->n_before = count_present(rows->present_before, rows->n_columns);
    if (rows->op != CDC_OP_DELETE)
        it->n_after = count_present(rows->present_after, rows->n_columns);
    it->whole = rows->op != CDC_OP_UPDATE && it->n_before + it->n_after == rows->n_columns &&
                !rows->table->unknown;
}

static bool next_before(struct cdc_rows_iter *it, struct cdc_row *before, struct err *e)
{
    if (it->rows->op == CDC_OP_INSERT) {
        set_all_absent(it, before);
        return true;
    }
    struct image im = image_of(it, false);
    const uint8_t *at = walk_image(it, &im, it->at, before);
    if (!at)
        return image_fail(&im, "before", e);
    it->at = it->after_at = at;
    return true;
}

static bool next_after(struct cdc_rows_iter *it, struct cdc_row *after, struct err *e)
{
    if (it->rows->op == CDC_OP_DELETE) {
        set_all_absent(it, after);
        return true;
    }
    struct image im = image_of(it, true);
    const uint8_t *at = it->at;
    if (it->rows->partial_json)
        at = walk_options(&im, at);
    if (at)
        at = walk_image(it, &im, at, after);
    if (!at)
        return image_fail(&im, "after", e);
    it->at = at;
    return true;
}

/* An INSERT that names no column, under row image MINIMAL, has no bytes and is one row. */
static bool is_empty_row(const struct cdc_rows_iter *it)
{
    return it->rows->images_len == 0 && it->n_before + it->n_after == 0 && it->next == 0;
}

/* Most rows: an INSERT's or DELETE's image of all columns without NULL. False: nothing was done. */
static inline bool next_whole(struct cdc_rows_iter *it, struct cdc_row *before,
                              struct cdc_row *after)
{
    bool insert = it->rows->op == CDC_OP_INSERT;
    struct cdc_row *row = insert ? after : before;
    const struct row_plan *plan = it->plan;
    if (!row || (size_t)(it->end - it->at) <= plan->null_bytes || any_null(it->at, plan->n_columns))
        return false;
    const uint8_t *at = walk_full(it, it->at + plan->null_bytes, row);
    if (!at)
        return false;
    set_all_absent(it, insert ? before : after);
    it->at = at;
    it->row = it->next++;
    return true;
}

/* Values without names, signs or character sets are not given out where they could be known. */
static bool refuse_unknown(const struct schema_table *t, struct err *e)
{
    err_set(e, ERR_SCHEMA_UNKNOWN, "%s.%s: %s", t->db, t->name, t->unknown);
    return err_cure(e, "%s", t->unknown_cure);
}

static __attribute__((noinline)) enum cdc_rows_result
next_any(struct cdc_rows_iter *it, struct cdc_row *before, struct cdc_row *after, struct err *e)
{
    if (it->next == 0 && it->rows->table->unknown && (before || after)) {
        refuse_unknown(it->rows->table, e);
        return CDC_ROWS_FAIL;
    }
    const uint8_t *start = it->at;
    bool empty = is_empty_row(it);
    if (it->at == it->end && !empty)
        return CDC_ROWS_END;
    if (!next_before(it, before, e) || !next_after(it, after, e))
        return CDC_ROWS_FAIL;
    if (it->at == start && !empty) {
        err_set(e, ERR_LOG_FORMAT, "%s.%s: bytes behind images without columns",
                it->rows->table->db, it->rows->table->name);
        return CDC_ROWS_FAIL;
    }
    it->row = it->next++;
    return CDC_ROWS_ROW;
}

enum cdc_rows_result cdc_rows_next(struct cdc_rows_iter *it, struct cdc_row *before,
                                   struct cdc_row *after, struct err *e)
{
    if (it->whole && next_whole(it, before, after))
        return CDC_ROWS_ROW;
    return next_any(it, before, after, e);
}

static bool check_supported(const struct cdc_rows_iter *it, const uint8_t *present, struct err *e)
{
    const struct schema_table *t = it->rows->table;
    for (uint32_t i = 0; present && i < it->plan->n_columns; i++) {
        if (!it->plan->columns[i].supported && wire_bit(present, i))
            return err_set(e, ERR_LOG_UNSUPPORTED,
                           "%s.%s.%s (column %u): type %u with metadata 0x%04x cannot be decoded",
                           t->db, t->name, t->columns[i].name ? t->columns[i].name : "@", i + 1,
                           t->columns[i].type, t->columns[i].meta);
    }
    return true;
}

/* INSERT or DELETE, all columns present: the common case without a call per image. */
static void skip_plain_rows(struct cdc_rows_iter *it, uint32_t n_present)
{
    const struct row_plan *plan = it->plan;
    if (n_present != plan->n_columns || it->rows->op == CDC_OP_UPDATE)
        return;
    while ((size_t)(it->end - it->at) > plan->null_bytes && !any_null(it->at, n_present)) {
        const uint8_t *at = skip_runs(plan, it->at + plan->null_bytes, it->end);
        if (!at)
            return;
        it->at = at;
        it->next++;
    }
}

bool cdc_rows_validate(struct cdc_rows *rows, struct err *e)
{
    struct cdc_rows_iter it;
    cdc_rows_begin(&it, rows);
    if (!it.plan->all_supported && (!check_supported(&it, rows->present_before, e) ||
                                    !check_supported(&it, rows->present_after, e)))
        return false;
    enum cdc_rows_result r;
    do {
        skip_plain_rows(&it, rows->op == CDC_OP_INSERT ? it.n_after : it.n_before);
        r = cdc_rows_next(&it, NULL, NULL, e);
    } while (r == CDC_ROWS_ROW);
    rows->n_rows = it.next;
    return r == CDC_ROWS_END;
}

struct cdc_row *cdc_row_new(size_t n_columns)
{
    struct cdc_row *r = mem_alloc(sizeof *r);
    r->values = mem_calloc(n_columns ? n_columns : 1, sizeof *r->values);
    r->n_columns = n_columns;
    return r;
}

void cdc_row_free(struct cdc_row *r)
{
    if (!r)
        return;
    free(r->values);
    free(r);
}
