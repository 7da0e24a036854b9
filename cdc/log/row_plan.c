/* cdc/log/row_plan.c — makes the row plan of a table definition and publishes it on the definition.
 *
 * The pointer goes from NULL to its only value by compare-and-swap: two threads may make the plan
 * at the same time, the second one's is thrown away. Value widths: MySQL internals, "Row events".
 */
#include "cdc/log/row_plan.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

static uint32_t decimal_half_bytes(uint32_t digits)
{
    static const uint8_t rest[10] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};
    return digits / 9 * 4 + rest[digits % 9];
}

static uint32_t decimal_bytes(uint16_t meta)
{
    uint32_t precision = meta >> 8, scale = meta & 0xff;
    if (scale > precision)
        return 0;
    return decimal_half_bytes(precision - scale) + decimal_half_bytes(scale);
}

static uint32_t fraction_bytes(uint16_t fsp)
{
    return ((uint32_t)fsp + 1) / 2;
}

static struct row_column fixed(uint32_t width)
{
    return (struct row_column){.width = width, .supported = true};
}

static struct row_column counted(unsigned n_prefix)
{
    return (struct row_column){.n_prefix = (uint8_t)n_prefix,
                               .supported = n_prefix >= 1 && n_prefix <= 4};
}

static struct row_column temporal_column(const struct schema_column *c, uint32_t whole_bytes)
{
    struct row_column r = fixed(whole_bytes + fraction_bytes(c->meta));
    r.supported = c->meta <= 6;
    return r;
}

/* MariaDB's Type_handler_…::hires_bytes: one number, in units of the last declared digit. */
static struct row_column old_time_column(const struct schema_column *c)
{
    static const uint8_t time[] = {3, 4, 4, 5, 5, 5, 6}, datetime[] = {8, 6, 6, 7, 7, 7, 8},
                         timestamp[] = {4, 5, 5, 6, 6, 7, 7};
    if (c->meta > 6)
        return (struct row_column){0};
    if (c->type == SCHEMA_TYPE_TIME)
        return fixed(time[c->meta]);
    return fixed(c->type == SCHEMA_TYPE_DATETIME ? datetime[c->meta] : timestamp[c->meta]);
}

static struct row_column number_column(const struct schema_column *c)
{
    struct row_column r = fixed(0);
    switch (c->type) {
    case SCHEMA_TYPE_NEWDECIMAL:
        r.width = decimal_bytes(c->meta);
        r.supported = r.width > 0 && c->meta >> 8 <= 65;
        return r;
    case SCHEMA_TYPE_BIT:
        r.width = (uint32_t)(c->meta >> 8) + ((c->meta & 0xff) > 0);
        r.supported = r.width >= 1 && r.width <= 8;
        return r;
    default: /* ENUM, SET */
        r.width = c->meta;
        r.supported = r.width >= 1 && r.width <= 8;
        return r;
    }
}

static struct row_column column_plan(const struct schema_column *c)
{
    switch (c->type) {
    case SCHEMA_TYPE_NULL:
        return fixed(0);
    case SCHEMA_TYPE_TINY:
    case SCHEMA_TYPE_YEAR:
        return fixed(1);
    case SCHEMA_TYPE_SHORT:
        return fixed(2);
    case SCHEMA_TYPE_INT24:
    case SCHEMA_TYPE_DATE:
    case SCHEMA_TYPE_NEWDATE:
        return fixed(3);
    case SCHEMA_TYPE_TIME:
    case SCHEMA_TYPE_DATETIME:
    case SCHEMA_TYPE_TIMESTAMP:
        return old_time_column(c);
    case SCHEMA_TYPE_LONG:
    case SCHEMA_TYPE_FLOAT:
        return fixed(4);
    case SCHEMA_TYPE_LONGLONG:
    case SCHEMA_TYPE_DOUBLE:
        return fixed(8);
    case SCHEMA_TYPE_TIMESTAMP2:
        return temporal_column(c, 4);
    case SCHEMA_TYPE_DATETIME2:
        return temporal_column(c, 5);
    case SCHEMA_TYPE_TIME2:
        return temporal_column(c, 3);
    case SCHEMA_TYPE_NEWDECIMAL:
    case SCHEMA_TYPE_BIT:
    case SCHEMA_TYPE_ENUM:
    case SCHEMA_TYPE_SET:
        return number_column(c);
    case SCHEMA_TYPE_VARCHAR:
    case SCHEMA_TYPE_VAR_STRING:
    case SCHEMA_TYPE_VARCHAR_COMPRESSED:
    case SCHEMA_TYPE_STRING:
        return counted(c->meta < 256 ? 1 : 2);
    case SCHEMA_TYPE_BLOB:
    case SCHEMA_TYPE_BLOB_COMPRESSED:
    case SCHEMA_TYPE_JSON:
    case SCHEMA_TYPE_GEOMETRY:
    case SCHEMA_TYPE_VECTOR:
        return counted(c->meta);
    default: /* a byte from outside: DECIMAL of 4.x, TYPED_ARRAY, and what the future brings */
        return (struct row_column){0};
    }
}

static void add_run(struct row_plan *p, struct row_column *c)
{
    struct row_run *run = &p->runs[p->n_runs - 1];
    if (c->n_prefix == 0) {
        c->offset = run->fixed;
        run->fixed += c->width;
        run->n_columns++;
        return;
    }
    run->n_prefix = c->n_prefix;
    p->runs[p->n_runs++] = (struct row_run){0};
}

static struct row_plan *make_plan(const struct schema_table *t)
{
    size_t n = schema_table_width(t);
    size_t bytes = sizeof(struct row_plan) + n * sizeof(struct row_column);
    struct row_plan *p = mem_alloc(bytes + (n + 1) * sizeof(struct row_run));
    static uint64_t last_id;
    p->id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
    p->n_columns = (uint32_t)n;
    p->null_bytes = (uint32_t)(n + 7) / 8;
    p->runs = (struct row_run *)(void *)&p->columns[n];
    p->n_runs = 1;
    p->all_supported = true;
    for (size_t i = 0; i < n; i++) {
        struct row_column *c = &p->columns[i];
        *c = column_plan(&t->columns[i]);
        c->json = t->columns[i].type == SCHEMA_TYPE_JSON;
        p->n_json += c->json;
        p->all_supported = p->all_supported && c->supported;
        add_run(p, c);
    }
    assert(p->n_runs <= n + 1);
    return p;
}

const struct row_plan *row_plan_of(const struct schema_table *t)
{
    void **slot =
        (void **)(uintptr_t)&t->row_plan; /* the only field that changes after publishing */
    void *plan = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
    if (plan)
        return plan;
    struct row_plan *made = make_plan(t);
    if (__atomic_compare_exchange_n(slot, &plan, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return made;
    free(made);
    return plan;
}
