/* tests/unit/test_schemas_keyrange.c — shard names, sets of ranges, equal division, the fleet's
 * lookups. */
#include "base/mem.h"
#include "schemas/sharding/topology.h"
#include "schemas/sharding/vindex_line.h"
#include "schemas/sharding/vschema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct keyrange range(const char *name)
{
    struct keyrange r;
    struct err e = ERR_INIT;
    if (!keyrange_parse(name, &r, &e))
        fail_msg("%s: %s", name, e.text);
    return r;
}

static void wrong_shard_names_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"",     "1",     "x-y", "-8",     "80-40",
                                        "-80-", "80-80", "--",  "80-8000"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct keyrange r;
        struct err e = ERR_INIT;
        assert_false(keyrange_parse(names[i], &r, &e));
        assert_int_equal(e.code, ERR_KEYRANGE);
    }
}

static void everything_has_three_names(void **state)
{
    (void)state;
    struct keyrange dash = range("-"), zero = range("0"), zeros = range("00-");
    assert_true(keyrange_is_full(&dash) && keyrange_is_full(&zero) && keyrange_is_full(&zeros));
    struct buf out CLEANUP(buf_fini) = BUF_INIT;
    keyrange_print(&zero, &out);
    assert_string_equal(buf_str(&out), "-");
}

static void assert_torn(const char *const *names, size_t n, bool covered, const char *why)
{
    struct keyrange set[8];
    CLEANUP(buf_fini) struct buf one = BUF_INIT;
    CLEANUP(buf_fini) struct buf all = BUF_INIT;
    assert_true(n <= 8);
    for (size_t i = 0; i < n; i++)
        set[i] = range(names[i]);
    assert_false(keyrange_is_partition(set, n, &one));
    assert_string_equal(buf_str(&one), why);
    assert_int_equal(keyrange_covers_all(set, n, &all), covered);
}

static void a_set_with_a_gap_or_an_overlap_is_no_partition(void **state)
{
    (void)state;
    static const char *const gap[] = {"90-", "-80"}, *const open_end[] = {"-40", "40-80"},
                             *const no_start[] = {"80-"}, *const both[] = {"-", "-80", "80-"},
                             *const apart[] = {"-80", "-40", "60-", "40-50"};
    assert_torn(gap, 2, false, "no range begins where -80 ends");
    assert_torn(open_end, 2, false, "no range begins where 40-80 ends");
    assert_torn(no_start, 1, false, "no range begins at the lowest keyspace id");
    assert_torn(NULL, 0, false, "no range begins at the lowest keyspace id");
    assert_torn(both, 3, true, "- and -80 overlap");
    assert_torn(apart, 4, false, "-80 and -40 overlap");
}

static void a_partition_may_stand_in_any_order_and_spelling(void **state)
{
    (void)state;
    struct keyrange set[] = {range("80-"), range("4000-80"), range("-40"), range("-")};
    struct buf why CLEANUP(buf_fini) = BUF_INIT;
    assert_true(keyrange_is_partition(set, 3, &why));
    assert_true(keyrange_is_partition(set + 3, 1, &why));
    assert_true(keyrange_covers_all(set, 4, &why));
}

static void a_range_begins_with_its_start_and_ends_before_its_end(void **state)
{
    (void)state;
    struct keyrange r = range("40-80");
    static const struct {
        struct ksid id;
        bool inside;
    } cases[] = {{{1, {0x3f}}, false},      {{1, {0x40}}, true},          {{2, {0x7f, 0xff}}, true},
                 {{1, {0x80}}, false},      {{2, {0x80, 0x00}}, false},   {{0, {0}}, false},
                 {{2, {0x40, 0x00}}, true}, {{3, {0x3f, 0xff, 1}}, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(keyrange_contains(&r, &cases[i].id), cases[i].inside);
    struct keyrange low = range("-40"), high = range("80-"), across = range("7f-81");
    assert_false(keyrange_intersects(&r, &low) || keyrange_intersects(&r, &high));
    assert_true(keyrange_intersects(&r, &across) && keyrange_intersects(&high, &across));
    assert_false(keyrange_contains_range(&r, &across));
}

static void a_boundary_longer_than_an_id_is_refused(void **state)
{
    (void)state;
    char name[2 * (KSID_MAX + 1) + 2];
    memset(name, '1', sizeof name);
    name[sizeof name - 2] = '-';
    name[sizeof name - 1] = 0;
    struct keyrange r;
    assert_false(keyrange_parse(name, &r, NULL));
    name[2 * KSID_MAX] = '-';
    name[2 * KSID_MAX + 1] = 0;
    assert_true(keyrange_parse(name, &r, NULL));
}

static void sets_are_equal_only_without_gap_and_overlap(void **state)
{
    (void)state;
    struct keyrange whole[] = {range("-")};
    struct keyrange halves[] = {range("80-"), range("-80")};
    struct keyrange gap[] = {range("-40"), range("80-")};
    struct keyrange overlap[] = {range("-80"), range("40-")};
    struct keyrange twice[] = {range("-80"), range("-80"), range("80-")};
    struct keyrange quarters[] = {range("40-80"), range("-40")};
    assert_true(keyrange_sets_equal(whole, 1, halves, 2));
    assert_true(keyrange_sets_equal(&halves[1], 1, quarters, 2));
    assert_false(keyrange_sets_equal(whole, 1, gap, 2));
    assert_false(keyrange_sets_equal(whole, 1, overlap, 2));
    assert_false(keyrange_sets_equal(whole, 1, twice, 3));
    assert_false(keyrange_sets_equal(whole, 1, quarters, 2));
    assert_false(keyrange_sets_equal(whole, 0, whole, 0));
}

static void generated_ranges_make_up_everything(void **state)
{
    (void)state;
    static const unsigned counts[] = {1, 2, 3, 20, 256, 257};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct buf lines CLEANUP(buf_fini) = BUF_INIT;
        struct err e = ERR_INIT;
        assert_true(keyrange_generate(counts[i], &lines, &e));
        struct keyrange *set = mem_calloc(counts[i], sizeof *set);
        char *at = (char *)lines.data, *line;
        size_t n = 0;
        while ((line = strsep(&at, "\n")) && *line)
            set[n++] = range(line);
        struct keyrange whole = range("-");
        assert_int_equal(n, counts[i]);
        assert_true(keyrange_sets_equal(&whole, 1, set, n));
        free(set);
    }
    struct buf none CLEANUP(buf_fini) = BUF_INIT;
    assert_false(keyrange_generate(0, &none, NULL));
    assert_false(keyrange_generate(65537, &none, NULL));
}

static const char sample[] =
    "{\"sharded\":true,\"vindexes\":{\"xxhash\":{\"type\":\"xxhash\"}},\"tables\":{"
    "\"customer\":{\"column_vindexes\":[{\"column\":\"customer_id\",\"name\":\"xxhash\"}],"
    "\"auto_increment\":{\"column\":\"customer_id\",\"sequence\":\"customer_seq\"}},"
    "\"orders\":{\"column_vindexes\":[{\"columns\":[\"customer_id\"],\"name\":\"xxhash\"}]},"
    "\"products\":{\"type\":\"reference\",\"source\":\"commerce.products\"}},"
    "\"foreign_key_mode\":\"managed\"}";

static void a_vschema_gives_each_table_its_primary_vindex(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct vschema *v = vschema_parse(sample, &e);
    assert_non_null(v);
    assert_true(v->sharded);
    const struct vschema_table *customer = vschema_table(v, "customer");
    assert_string_equal(vindex_type(customer->primary), "xxhash");
    assert_string_equal(customer->columns[0], "customer_id");
    assert_string_equal(customer->auto_increment_sequence, "customer_seq");
    assert_string_equal(vschema_table(v, "orders")->columns[0], "customer_id");
    const struct vschema_table *products = vschema_table(v, "products");
    assert_null(products->primary);
    assert_string_equal(products->source, "commerce.products");
    assert_null(vschema_table(v, "nothing"));
    assert_non_null(strstr(v->json, "\"foreign_key_mode\":\"managed\""));
    vschema_free(v);
}

static void wrong_vschemas_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "[]",
        "{\"sharded\":1}",
        "{\"vindexes\":[]}",
        "{\"vindexes\":{\"h\":{}}}",
        "{\"vindexes\":{\"h\":{\"type\":\"nosuch\"}}}",
        "{\"vindexes\":{\"h\":{\"type\":\"hash\",\"params\":{\"x\":1}}}}",
        "{\"sharded\":true,\"tables\":{\"t\":{}}}",
        "{\"sharded\":true,\"tables\":{\"t\":{\"pinned\":\"00\"}}}",
        "{\"sharded\":true,\"tables\":{\"t\":{\"column_vindexes\":[{\"column\":\"c\",\"name\":"
        "\"h\"}]}}}",
        "{\"sharded\":true,\"vindexes\":{\"h\":{\"type\":\"hash\"}},\"tables\":{\"t\":{"
        "\"column_vindexes\":[{\"columns\":[\"a\",\"b\"],\"name\":\"h\"}]}}}",
        "{\"tables\":{\"t\":{\"type\":\"strange\"}}}",
        "{\"tables\":{\"t\":{},\"t\":{}}}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct err e = ERR_INIT;
        struct vschema *v = vschema_parse(wrong[i], &e);
        if (v)
            fail_msg("accepted: %s", wrong[i]);
        assert_int_equal(e.code, ERR_VSCHEMA);
    }
}

static void a_vindex_refuses_an_id_that_does_not_fit(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct vindex *v = vindex_new("b", "binary", NULL, &e);
    uint8_t bytes[KSID_MAX + 1] = {1};
    struct vindex_input in = {.kind = VINDEX_IN_BYTES, .p = bytes, .n = KSID_MAX};
    struct ksid id;
    assert_int_equal(vindex_map(v, &in, 1, &id, &e), VINDEX_KSID);
    assert_int_equal(id.n, KSID_MAX);
    in.n++;
    assert_int_equal(vindex_map(v, &in, 1, &id, &e), VINDEX_ERROR);
    assert_int_equal(e.code, ERR_VINDEX);
    assert_int_equal(vindex_map(v, &in, 2, &id, &e), VINDEX_ERROR);
    vindex_free(v);
}

/* Published by Vitess' own tests. */
static void vindexes_give_the_ids_of_vitess(void **state)
{
    (void)state;
    static const char *const lines[][2] = {
        {"hash\t{}\tINT64\t\"1\"", "166b40b44aba4bd6"},
        {"hash\t{}\tINT64\t\"-1\"", "355550b2150e2451"},
        {"hash\t{}\tUINT64\t\"18446744073709551615\"", "355550b2150e2451"},
        {"hash\t{}\tNULL_TYPE\tNULL", "NONE"},
        {"xxhash\t{}\tVARCHAR\t\"test1\"", "d01ab7e4d6978f0b"},
        {"xxhash\t{}\tINT64\t\"-1\"", "d8e2a6a7c8c7623d"},
        {"xxhash\t{}\tNULL_TYPE\tNULL", "99e9d85137db46ef"},
        {"binary_md5\t{}\tVARCHAR\t\"test1\"", "5a105e8b9d40e1329780d62ea2265d8a"},
        {"reverse_bits\t{}\tUINT64\t\"5\"", "a000000000000000"},
        {"numeric\t{}\tINT64\t\"1\"", "0000000000000001"},
        {"numeric\t{}\tINT64\t\"-1\"", "NONE"},
        {"binary\t{}\tVARBINARY\thex:00ff", "00ff"},
        {"null\t{}\tINT64\t\"7\"", "00"},
        {"reverse:hash\t{}\tKSID-HEX\t166b40b44aba4bd6", "UINT64:\"1\""},
        {"range:numeric\t{}\tUINT64,UINT64\t\"1\",\"2\"",
         "KEYRANGE:0000000000000001-0000000000000002"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct buf got CLEANUP(buf_fini) = BUF_INIT;
        struct err e = ERR_INIT;
        if (!vindex_line_eval(lines[i][0], &got, &e))
            fail_msg("%s: %s", lines[i][0], e.text);
        assert_string_equal(buf_str(&got), lines[i][1]);
    }
}

static void a_line_of_another_form_is_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {"",
                                        "hash",
                                        "hash\t{}\tINT64",
                                        "hash\t{}\tINT64\t\"1",
                                        "hash\t{}\tINT64\thex:1",
                                        "hash\t{}\tINT64\t\"1\"x"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct buf got CLEANUP(buf_fini) = BUF_INIT;
        struct err e = ERR_INIT;
        assert_false(vindex_line_eval(lines[i], &got, &e));
        assert_int_equal(e.code, ERR_USAGE);
        assert_int_equal(got.len, 0);
    }
}

static struct topology *two_shards(void)
{
    struct topology *t = mem_alloc(sizeof *t);
    t->n_keyspaces = 1;
    t->keyspaces = mem_alloc(sizeof *t->keyspaces);
    struct topo_keyspace *k = t->keyspaces;
    k->name = mem_strdup("customer");
    k->n_shards = 2;
    k->shards = mem_calloc(2, sizeof *k->shards);
    k->shards[0].name = mem_strdup("80-");
    k->shards[1].name = mem_strdup("-80");
    t->server_id_first = 100;
    t->server_id_last = 101;
    return t;
}

static void a_fleet_with_a_gap_is_refused_by_name(void **state)
{
    (void)state;
    struct topology *t = two_shards();
    struct err e = ERR_INIT;
    free(t->keyspaces[0].shards[0].name);
    t->keyspaces[0].shards[0].name = mem_strdup("90-");
    assert_false(topology_finish(t, &e));
    assert_int_equal(e.code, ERR_CONFIG);
    assert_non_null(strstr(e.text, "keyspace customer"));
    assert_non_null(strstr(e.text, "no range begins where -80 ends"));
    topology_free(t);
}

static void shards_are_sorted_and_found_by_range(void **state)
{
    (void)state;
    struct topology *t = two_shards();
    struct err e = ERR_INIT;
    assert_true(topology_finish(t, &e));
    assert_string_equal(t->keyspaces[0].shards[0].name, "-80");
    assert_non_null(t->keyspaces[0].vschema);
    assert_ptr_equal(topology_shard(t, "customer", "80-"), &t->keyspaces[0].shards[1]);
    assert_null(topology_shard(t, "customer", "0"));
    assert_null(topology_shard(t, "nothing", "80-"));
    topology_free(t);
}

static void server_ids_are_given_once(void **state)
{
    (void)state;
    struct topology *t = two_shards();
    struct err e = ERR_INIT;
    uint32_t a = 0, b = 0, c = 0;
    assert_true(topology_server_id_take(t, &a, &e));
    assert_true(topology_server_id_take(t, &b, &e));
    assert_int_equal(a, 100);
    assert_int_equal(b, 101);
    assert_false(topology_server_id_take(t, &c, &e));
    topology_server_id_give(t, a);
    assert_true(topology_server_id_take(t, &c, &e));
    assert_int_equal(c, 100);
    topology_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_shard_names_are_refused),
        cmocka_unit_test(everything_has_three_names),
        cmocka_unit_test(a_set_with_a_gap_or_an_overlap_is_no_partition),
        cmocka_unit_test(a_partition_may_stand_in_any_order_and_spelling),
        cmocka_unit_test(a_range_begins_with_its_start_and_ends_before_its_end),
        cmocka_unit_test(a_boundary_longer_than_an_id_is_refused),
        cmocka_unit_test(sets_are_equal_only_without_gap_and_overlap),
        cmocka_unit_test(generated_ranges_make_up_everything),
        cmocka_unit_test(a_vschema_gives_each_table_its_primary_vindex),
        cmocka_unit_test(wrong_vschemas_are_refused),
        cmocka_unit_test(a_vindex_refuses_an_id_that_does_not_fit),
        cmocka_unit_test(vindexes_give_the_ids_of_vitess),
        cmocka_unit_test(a_line_of_another_form_is_refused),
        cmocka_unit_test(a_fleet_with_a_gap_is_refused_by_name),
        cmocka_unit_test(shards_are_sorted_and_found_by_range),
        cmocka_unit_test(server_ids_are_given_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
