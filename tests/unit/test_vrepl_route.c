/* tests/unit/test_vrepl_route.c — which target holds a keyspace id, and whether the source may have it. */
#include "vrepl/move/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_target_that_holds_the_id),
        cmocka_unit_test(a_wider_target_takes_no_stray_row_of_a_reshard),
        cmocka_unit_test(a_ddl_of_a_table_that_waits_for_its_copy_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
