/* tests/unit/test_vrepl_route.c — which target holds a keyspace id, and whether the source may have it. */
#include "vrepl/route.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_target_that_holds_the_id),
        cmocka_unit_test(a_wider_target_takes_no_stray_row_of_a_reshard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
