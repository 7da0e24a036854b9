/* tests/unit/test_vrepl_route.c — which target holds a keyspace id, and whether the source may have it. */
#include "vrepl/move/route.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct topo_shard shard(const char *name)
{
    struct topo_shard s = {.name = (char *)(uintptr_t)name};
    struct err e = ERR_INIT;
    assert_true(keyrange_parse(name, &s.range, &e));
    return s;
}

static uint16_t target(const struct vrepl_stream_spec *s, uint8_t first_byte)
{
    const struct ksid id = {.n = 1, .bytes = {first_byte}};
    return vrepl_route_target(s, &id);
}

static void the_target_that_holds_the_id(void **state)
{
    (void)state;
    struct topo_shard source = shard("-"), low = shard("-80"), high = shard("80-");
    const struct topo_shard *targets[] = {&low, &high};
    struct vrepl_stream_spec s = {.source = &source, .targets = targets, .n_targets = 2};
    assert_int_equal(target(&s, 0x7f), 0);
    assert_int_equal(target(&s, 0x80), 1);
    s.n_targets = 1;
    assert_int_equal(target(&s, 0x80), ROUTE_NONE);
}

/* The way back of a split: the target is wider than the shard that is read. */
static void a_wider_target_takes_no_stray_row_of_a_reshard(void **state)
{
    (void)state;
    struct topo_shard source = shard("-80"), whole = shard("-");
    const struct topo_shard *targets[] = {&whole};
    struct vrepl_stream_spec s = {
        .source = &source, .targets = targets, .n_targets = 1, .one_key_space = true};
    assert_int_equal(target(&s, 0x7f), 0);
    assert_int_equal(target(&s, 0x80), ROUTE_NONE);
    s.one_key_space = false; /* a move's source has a key space of its own */
    assert_int_equal(target(&s, 0x80), 0);
}

static enum ddl_concern concern(const char *sql, const bool *waits, size_t *table_no)
{
    struct topo_shard source = shard("-");
    source.primary.database = (char *)(uintptr_t) "shop";
    const struct vrepl_table_spec tables[] = {{.source_table = "t"}, {.source_table = "u"}};
    const struct vrepl_stream_spec s = {.source = &source, .tables = tables, .n_tables = 2};
    const struct ddl_text ddl = {.sql = sql, .n = strlen(sql), .db = "shop"};
    *table_no = 9;
    return vrepl_route_ddl(&s, waits, &ddl, table_no);
}

/* Nothing of it is at the target: what only changes rows is nothing to it, but it is to the others
 * that the same statement touches. */
static void a_ddl_of_a_table_that_waits_for_its_copy_passes(void **state)
{
    static const bool first[] = {true, false}, both[] = {true, true};
    size_t no;
    (void)state;
    assert_int_equal(concern("ALTER TABLE t DROP PARTITION p", NULL, &no), DDL_CHANGES);
    assert_int_equal(no, 0);
    assert_int_equal(concern("ALTER TABLE t DROP PARTITION p", first, &no), DDL_UNRELATED);
    assert_int_equal(concern("TRUNCATE TABLE u", first, &no), DDL_CHANGES);
    assert_int_equal(no, 1);
    assert_int_equal(concern("RENAME TABLE t TO x, u TO t, x TO u", first, &no), DDL_CHANGES);
    assert_int_equal(no, 1);
    assert_int_equal(concern("RENAME TABLE t TO x, u TO t, x TO u", both, &no), DDL_UNRELATED);
    /* What --on-ddl decides is still asked of it: the target's definition may have to follow. */
    assert_int_equal(concern("ALTER TABLE t ADD COLUMN c INT", first, &no), DDL_KEEPS);
}

/* ---- rows of a batch ---- */

/* A table of one column, k VARBINARY(8), which is its key. */
static struct schema_table *table_of(const char *db, const char *name, const char *column)
{
    struct schema_table *t = schema_table_new(db, name, 1);
    t->columns[0] = (struct schema_column){.name = mem_strdup(column),
                                           .type = SCHEMA_TYPE_VARCHAR,
                                           .meta = 8,
                                           .collation = 63,
                                           .visible = true};
    struct schema_key *k = schema_table_add_key(t, "PRIMARY", 1);
    k->unique = k->not_null = true;
    t->full_metadata = true;
    schema_table_seal(t);
    return t;
}

static const uint8_t all_present[] = {1};

static void add_rows(struct cdc_batch *b, const struct schema_table *t, enum cdc_op op,
                     const char *images, size_t n)
{
    struct cdc_change *c = cdc_batch_add(b, CDC_ROWS);
    cdc_batch_hold_table(b, t);
    c->rows = (struct cdc_rows){.table = t,
                                .op = op,
                                .n_columns = 1,
                                .present_before = op == CDC_OP_INSERT ? NULL : all_present,
                                .present_after = op == CDC_OP_DELETE ? NULL : all_present,
                                .images = (const uint8_t *)images,
                                .images_len = n,
                                .n_rows = 1};
}
/* Of one image: no NULL, a length, the value. */
#define ROW(value)           "\xfe\x01" value
#define ADD(b, t, op, image) add_rows((b), (t), (op), (image), sizeof(image) - 1)

struct world {
    struct schema_table *t, *everywhere, *other, *position;
    struct vindex *vindex;
    struct topo_shard source, low, high;
    const struct topo_shard *targets[2];
    struct vrepl_table_spec specs[2];
    struct vrepl_stream_spec spec;
    struct schema_table *at_target[2];
    struct vrepl_router *router;
    struct cdc_batch *batch;
};

static void make_world(struct world *w)
{
    static const char *const columns[] = {"k"};
    struct err e = ERR_INIT;
    *w = (struct world){.t = table_of("shop", "t", "k"),
                        .everywhere = table_of("shop", "ref", "k"),
                        .other = table_of("shop", "other", "k"),
                        .position = table_of("_sluice", "position", "workflow"),
                        .vindex = vindex_new("b", "binary", NULL, &e),
                        .source = shard("-"),
                        .low = shard("-80"),
                        .high = shard("80-"),
                        .batch = cdc_batch_new()};
    w->source.primary.database = (char *)(uintptr_t) "shop";
    w->targets[0] = &w->low;
    w->targets[1] = &w->high;
    w->specs[0] = (struct vrepl_table_spec){.source_table = "t",
                                            .target_table = "t",
                                            .vindex = w->vindex,
                                            .vindex_columns = columns,
                                            .n_vindex_columns = 1};
    w->specs[1] = (struct vrepl_table_spec){.source_table = "ref", .target_table = "ref"};
    w->spec = (struct vrepl_stream_spec){.workflow_key = "W",
                                         .source = &w->source,
                                         .targets = w->targets,
                                         .n_targets = 2,
                                         .tables = w->specs,
                                         .n_tables = 2};
    w->at_target[0] = w->t;
    w->at_target[1] = w->everywhere;
    const struct vrepl_router_options o = {.spec = &w->spec, .targets = w->at_target};
    w->router = vrepl_router_new(&o);
    cdc_batch_add(w->batch, CDC_BEGIN);
}

static void free_world(struct world *w)
{
    cdc_batch_unref(w->batch);
    vrepl_router_free(w->router);
    vindex_free(w->vindex);
    struct schema_table *tables[] = {w->t, w->everywhere, w->other, w->position};
    for (size_t i = 0; i < 4; i++)
        schema_table_unref(tables[i]);
}

static struct vrepl_routing *route(struct world *w)
{
    struct vrepl_routing *r = NULL;
    struct err e = ERR_INIT;
    if (!vrepl_route(w->router, w->batch, &r, &e))
        fail_msg("%s", e.text);
    return r;
}

static void each_image_goes_where_its_key_belongs(void **state)
{
    struct world w;
    (void)state;
    make_world(&w);
    ADD(w.batch, w.t, CDC_OP_INSERT, ROW("\x10"));
    ADD(w.batch, w.t, CDC_OP_UPDATE, ROW("\x10") ROW("\x90"));
    ADD(w.batch, w.t, CDC_OP_DELETE, ROW("\x90"));
    ADD(w.batch, w.everywhere, CDC_OP_INSERT, ROW("\x90"));
    struct vrepl_routing *r = route(&w);
    static const uint16_t before[] = {ROUTE_NONE, 0, 1}, after[] = {0, 1, ROUTE_NONE};
    assert_int_equal(r->n_rows, 3);
    assert_memory_equal(r->before, before, sizeof before);
    assert_memory_equal(r->after, after, sizeof after);
    assert_false(r->changes[1].everywhere);
    assert_true(r->changes[4].everywhere);
    vrepl_routing_unref(r);
    free_world(&w);
}

/* A foreign transaction moves the position; one of the sidecar alone does not. */
static void tables_outside_are_foreign_and_go_nowhere(void **state)
{
    struct world w;
    (void)state;
    make_world(&w);
    ADD(w.batch, w.position, CDC_OP_INSERT, ROW("X"));
    cdc_batch_add(w.batch, CDC_COMMIT);
    cdc_batch_add(w.batch, CDC_BEGIN);
    ADD(w.batch, w.other, CDC_OP_INSERT, ROW("\x10"));
    cdc_batch_add(w.batch, CDC_COMMIT);
    struct vrepl_routing *r = route(&w);
    assert_null(r->changes[1].plan);
    assert_false(r->changes[2].foreign);
    assert_null(r->changes[4].plan);
    assert_true(r->changes[5].foreign);
    vrepl_routing_unref(r);
    free_world(&w);
}

/* The marker stands before any row of the user's; the next transaction has none. */
static void what_the_workflow_wrote_itself_goes_nowhere(void **state)
{
    struct world w;
    (void)state;
    make_world(&w);
    ADD(w.batch, w.position, CDC_OP_UPDATE, ROW("W") ROW("W"));
    ADD(w.batch, w.t, CDC_OP_INSERT, ROW("\x10"));
    cdc_batch_add(w.batch, CDC_COMMIT);
    cdc_batch_add(w.batch, CDC_BEGIN);
    ADD(w.batch, w.position, CDC_OP_UPDATE, ROW("V") ROW("V"));
    ADD(w.batch, w.t, CDC_OP_INSERT, ROW("\x10"));
    struct vrepl_routing *r = route(&w);
    assert_null(r->changes[2].plan);
    assert_non_null(r->changes[6].plan);
    vrepl_routing_unref(r);
    free_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_image_goes_where_its_key_belongs),
        cmocka_unit_test(tables_outside_are_foreign_and_go_nowhere),
        cmocka_unit_test(what_the_workflow_wrote_itself_goes_nowhere),
        cmocka_unit_test(the_target_that_holds_the_id),
        cmocka_unit_test(a_wider_target_takes_no_stray_row_of_a_reshard),
        cmocka_unit_test(a_ddl_of_a_table_that_waits_for_its_copy_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
