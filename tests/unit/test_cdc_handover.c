/* tests/unit/test_cdc_handover.c — a stream ends where shards or tables are switched away, and goes on behind that. */
#include "base/mem.h"
#include "cdc/vstream/handover.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static const char *const both[] = {"-80", "80-"};
/* What merges -80 and 80- into -, and what moves table t of both to keyspace d. */
static const char merge[] =
    "{\"id\":7,\"migration_type\":\"SHARDS\",\"tables\":[],\"local_position\":\"FilePos/"
    "b.000001:9\","
    "\"shard_gtids\":[{\"keyspace\":\"c\",\"shard\":\"-\",\"gtid\":\"FilePos/m.000003:4\"}],"
    "\"participants\":[{\"keyspace\":\"c\",\"shard\":\"-80\"},{\"keyspace\":\"c\",\"shard\":\"80-"
    "\"}],"
    "\"source_workflows\":[\"c/merge\"]}";
static const char move[] =
    "{\"id\":8,\"migration_type\":\"TABLES\",\"tables\":[\"t\"],\"local_position\":\"FilePos/"
    "b.000001:9\","
    "\"shard_gtids\":[{\"keyspace\":\"d\",\"shard\":\"-\",\"gtid\":\"FilePos/m.000003:4\"}],"
    "\"participants\":[{\"keyspace\":\"c\",\"shard\":\"-80\"},{\"keyspace\":\"c\",\"shard\":\"80-"
    "\"}],"
    "\"source_workflows\":[\"d/move\"]}";

static struct position place(const char *text)
{
    struct position p = POSITION_INIT;
    struct err e = ERR_INIT;
    assert_true(position_parse(text, &p, &e));
    return p;
}

/* The shard reaches the journal with the position in front of it; does it end the shard? */
static bool reach(struct handover *h, size_t i, const char *json)
{
    struct err e = ERR_INIT;
    struct position before = place("FilePos/b.000001:100");
    bool ends = false;
    assert_true(handover_take(h, i, json, false, &before, &ends, &e));
    position_fini(&before);
    return ends;
}

/* Every shard stands at b.000001:200. */
static char *vgtid_text(const struct handover *h)
{
    struct position now = place("FilePos/b.000001:200");
    const struct position *const at[] = {&now, &now};
    struct vgtid v = {0};
    struct buf out = BUF_INIT;
    struct err e = ERR_INIT;
    assert_true(handover_vgtid(h, handover_complete(h), at, &v, &e));
    vgtid_print(&v, &out);
    vgtid_fini(&v);
    position_fini(&now);
    return buf_take(&out);
}

static void expect_vgtid(const struct handover *h, const char *want)
{
    CLEANUP(mem_free_ptr) char *text = vgtid_text(h);
    assert_string_equal(text, want);
}

static void a_reshard_ends_the_stream_when_all_its_shards_have_reached_it(void **state)
{
    struct handover h;
    struct err e = ERR_INIT;
    (void)state;
    handover_init(&h, "c", both, 2, NULL, 0);
    assert_true(reach(&h, 0, merge));
    assert_int_equal(handover_complete(&h), -1);
    expect_vgtid(&h, "[{\"keyspace\":\"c\",\"shard\":\"-80\",\"gtid\":\"FilePos/b.000001:100\"},"
                     "{\"keyspace\":\"c\",\"shard\":\"80-\",\"gtid\":\"FilePos/b.000001:200\"}]");
    assert_true(reach(&h, 1, merge));
    assert_int_equal(handover_complete(&h), 0);
    expect_vgtid(&h, "[{\"keyspace\":\"c\",\"shard\":\"-\",\"gtid\":\"FilePos/m.000003:4\"}]");
    assert_false(handover_error(&h, 0, &e));
    assert_int_equal(e.code, ERR_SRC_HANDOVER);
    assert_non_null(strstr(e.text, "c/-"));
    handover_fini(&h);
}

static void a_stream_of_one_shard_waits_for_no_other(void **state)
{
    struct handover h;
    (void)state;
    handover_init(&h, "c", both + 1, 1, NULL, 0);
    assert_true(reach(&h, 0, merge));
    assert_int_equal(handover_complete(&h), 0);
    handover_fini(&h);
}

static void a_move_ends_who_wants_one_of_its_tables(void **state)
{
    static const char *const wants_t[] = {"u", "t"}, *const wants_u[] = {"u"};
    struct handover h;
    struct vgtid moved = {0};
    struct err e = ERR_INIT;
    (void)state;
    handover_init(&h, "c", both, 2, wants_u, 1);
    assert_false(reach(&h, 0, move));
    handover_fini(&h);
    handover_init(&h, "c", both, 2, wants_t, 2);
    assert_true(reach(&h, 0, move));
    assert_true(reach(&h, 1, move));
    expect_vgtid(&h, "[{\"keyspace\":\"c\",\"shard\":\"-80\",\"gtid\":\"FilePos/b.000001:200\"},"
                     "{\"keyspace\":\"c\",\"shard\":\"80-\",\"gtid\":\"FilePos/b.000001:200\"}]");
    assert_true(handover_moved(&h, 0, &moved, &e));
    assert_int_equal(moved.n, 1);
    assert_string_equal(moved.entries[0].keyspace, "d");
    vgtid_fini(&moved);
    handover_fini(&h);
}

static void other_keyspaces_journals_pass(void **state)
{
    struct handover h;
    (void)state;
    handover_init(&h, "d", both, 2, NULL, 0);
    assert_false(reach(&h, 0, merge));
    assert_false(reach(&h, 0, move));
    handover_fini(&h);
}

/* What splits -80 and 80- into four at once. */
static const char quarter[] =
    "{\"id\":9,\"migration_type\":\"SHARDS\",\"tables\":[],\"local_position\":\"FilePos/"
    "b.000001:9\",\"shard_gtids\":["
    "{\"keyspace\":\"c\",\"shard\":\"-40\",\"gtid\":\"FilePos/q.000001:4\"},"
    "{\"keyspace\":\"c\",\"shard\":\"40-80\",\"gtid\":\"FilePos/q.000002:4\"},"
    "{\"keyspace\":\"c\",\"shard\":\"80-\",\"gtid\":\"FilePos/q.000003:4\"}],"
    "\"participants\":[{\"keyspace\":\"c\",\"shard\":\"-80\"},{\"keyspace\":\"c\",\"shard\":\"80-"
    "\"}],"
    "\"source_workflows\":[\"c/quarter\"]}";

/* Follows, in a configuration of n of the shards -, -80, 80-, -40, 40-80. */
static bool follow(struct handover *h, size_t n, struct err *e)
{
    static char names[][6] = {"-", "-80", "80-", "-40", "40-80"};
    struct topo_shard shards[5] = {0};
    struct topo_keyspace ks = {.name = (char[]){"c"}, .shards = shards, .n_shards = n};
    for (size_t i = 0; i < n; i++) {
        shards[i].name = names[i];
        assert_true(keyrange_parse(names[i], &shards[i].range, e));
    }
    return handover_follow(h, handover_complete(h), &ks, e);
}

static void expect_start(const struct handover *h, const char *want)
{
    const struct position *const at[8] = {0};
    CLEANUP(vgtid_fini) struct vgtid v = {0};
    CLEANUP(buf_fini) struct buf out = BUF_INIT;
    struct err e = ERR_INIT;
    assert_true(handover_vgtid(h, handover_complete(h), at, &v, &e));
    vgtid_print(&v, &out);
    assert_string_equal(buf_str(&out), want);
}

static void a_followed_reshard_puts_the_children_in_the_parents_place(void **state)
{
    struct handover h;
    struct err e = ERR_INIT;
    (void)state;
    handover_init(&h, "c", both, 2, NULL, 0);
    assert_true(reach(&h, 0, merge));
    assert_true(reach(&h, 1, merge));
    assert_true(follow(&h, 3, &e));
    assert_int_equal(h.family.n, 3); /* appended: the parents keep their index */
    assert_int_equal(handover_complete(&h), -1);
    expect_start(&h, "[{\"keyspace\":\"c\",\"shard\":\"-\",\"gtid\":\"FilePos/m.000003:4\"}]");
    handover_fini(&h);
}

/* A stream of -80 goes on with what was made of it, and with nothing of 80-. */
static void a_stream_of_one_shard_follows_its_own_rows_only(void **state)
{
    struct handover h;
    struct err e = ERR_INIT;
    (void)state;
    handover_init(&h, "c", both, 1, NULL, 0);
    assert_true(reach(&h, 0, quarter));
    assert_true(follow(&h, 5, &e));
    expect_start(&h, "[{\"keyspace\":\"c\",\"shard\":\"-40\",\"gtid\":\"FilePos/q.000001:4\"},"
                     "{\"keyspace\":\"c\",\"shard\":\"40-80\",\"gtid\":\"FilePos/q.000002:4\"}]");
    handover_fini(&h);
}

static void refuses_to_follow(const char *json, size_t n_read, size_t n_configured, const char *why)
{
    struct handover h;
    struct err e = ERR_INIT;
    handover_init(&h, "c", both, n_read, NULL, 0);
    for (size_t i = 0; i < n_read; i++)
        assert_true(reach(&h, i, json));
    assert_false(follow(&h, n_configured, &e));
    assert_int_equal(e.code, ERR_SRC_HANDOVER);
    assert_non_null(strstr(e.text, why));
    assert_int_equal(handover_complete(&h), 0); /* it still says where a client goes on */
    handover_fini(&h);
}

static void what_cannot_be_followed_is_said(void **state)
{
    (void)state;
    refuses_to_follow(quarter, 2, 3, "the configuration has no shard c/-40");
    refuses_to_follow(merge, 1, 3, "c/- also holds rows of 80-, which is not read");
    refuses_to_follow(move, 2, 3, "moved tables");
}

static bool starts(const char *json, const char *only)
{
    struct topo_shard shards[] = {{.name = (char[]){"-"}},
                                  {.name = (char[]){"-80"}},
                                  {.name = (char[]){"80-"}},
                                  {.name = (char[]){"-20"}},
                                  {.name = (char[]){"20-80"}}};
    struct topo_keyspace ks = {.name = (char[]){"c"}, .shards = shards, .n_shards = 5};
    struct vgtid v = {0};
    struct err e = ERR_INIT;
    for (size_t i = 0; i < 5; i++)
        assert_true(keyrange_parse(shards[i].name, &shards[i].range, &e));
    bool ok = vgtid_parse(json, &v, &e) && handover_check_start(&ks, &v, only, both, 2, &e);
    assert_true(ok || (e.code == ERR_POSITION_PARSE && strstr(e.cure, "-80, 80-")));
    vgtid_fini(&v);
    return ok;
}

#define ENTRY(shard) "{\"keyspace\":\"c\",\"shard\":\"" shard "\",\"gtid\":\"FilePos/b.000001:4\"}"

static void a_start_without_a_place_for_every_row_is_refused(void **state)
{
    (void)state;
    assert_true(starts("[" ENTRY("-80") "," ENTRY("80-") "]", NULL));
    assert_true(starts("[" ENTRY("-") "]", NULL)); /* its log says where it went */
    assert_true(starts("[" ENTRY("80-") "]", "80-"));
    assert_true(starts("[" ENTRY("-20") "," ENTRY("20-80") "]", "-80"));
    assert_false(starts("[" ENTRY("-20") "]", "-80"));
    assert_false(starts("[]", NULL));
    assert_false(starts("[" ENTRY("-80") "]", NULL));
    assert_false(starts("[" ENTRY("-80") "]", "80-"));
    assert_false(starts("[" ENTRY("-") "," ENTRY("80-") "]", NULL));
    assert_false(starts("[" ENTRY("-40") "," ENTRY("40-") "]", NULL));
    assert_false(
        starts("[{\"keyspace\":\"d\",\"shard\":\"-\",\"gtid\":\"FilePos/b.000001:4\"}]", NULL));
    assert_false(starts("[{\"keyspace\":\"c\",\"shard\":\"-\",\"gtid\":\"\"}]", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reshard_ends_the_stream_when_all_its_shards_have_reached_it),
        cmocka_unit_test(a_stream_of_one_shard_waits_for_no_other),
        cmocka_unit_test(a_move_ends_who_wants_one_of_its_tables),
        cmocka_unit_test(other_keyspaces_journals_pass),
        cmocka_unit_test(a_followed_reshard_puts_the_children_in_the_parents_place),
        cmocka_unit_test(a_stream_of_one_shard_follows_its_own_rows_only),
        cmocka_unit_test(what_cannot_be_followed_is_said),
        cmocka_unit_test(a_start_without_a_place_for_every_row_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
