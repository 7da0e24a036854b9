/* tests/unit/test_state_position.c — positions and VGTIDs: text, order, JSON. */
#include "state/position.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define A "3e11fa47-71ca-11e1-9e33-c80aa9429562"

static struct position parse(const char *text)
{
    struct position p = POSITION_INIT;
    struct err e = ERR_INIT;
    if (!position_parse(text, &p, &e))
        fail_msg("%s", e.text);
    return p;
}

static void texts_round_trip(void **state)
{
    (void)state;
    static const char *texts[] = {"",
                                  "+17",
                                  "MySQL56/" A ":1-5",
                                  "MySQL56/" A ":1-5@binlog.000003:4711",
                                  "MySQL56/" A ":1-5:t:7@binlog.000003:4711+2",
                                  "MySQL56/",
                                  "MariaDB/0-1-42,1-1-7@bin.000001:4+1",
                                  "MariaDB/0-1-42+9",
                                  "FilePos/binlog.000003:4711",
                                  "FilePos/binlog.000003:18446744073709551615+17",
                                  "FilePos/a+b:c.000003:4711",
                                  "FilePos/a+b.000003:4711+1",
                                  "FilePos/a~1.b.000003:4711",
                                  "FilePos/a~1.2.3:4711~1.101.1764500000+1",
                                  "FilePos/b.000003:4~1." A ".0",
                                  "MySQL56/" A ":1-5@b.000003:4~1." A ".1764500000+2",
                                  "MariaDB/0-1-42~1.1.0"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        CLEANUP(position_fini) struct position p = parse(texts[i]);
        char *text = position_text(&p);
        assert_string_equal(text, texts[i]);
        free(text);
    }
}

static void fields_are_filled(void **state)
{
    (void)state;
    CLEANUP(position_fini) struct position p = parse("MariaDB/0-1-42@binlog.000003:4294967300+17");
    assert_int_equal(gtid_set_flavor(p.gtids), GTID_FLAVOR_MARIADB);
    assert_string_equal(p.file, "binlog.000003");
    assert_true(p.pos == 4294967300u && p.seq == 17);
    assert_true(!p.log.server[0] && !p.log.begun);
    CLEANUP(position_fini)
    struct position q = parse("MySQL56/" A ":1-5@b.000003:4~1." A ".4294967295+17");
    assert_string_equal(q.log.server, A);
    assert_string_equal(q.file, "b.000003");
    assert_true(q.log.begun == UINT32_MAX && q.pos == 4 && q.seq == 17);
}

static void malformed_texts_are_refused_and_change_nothing(void **state)
{
    (void)state;
    static const char *bad[] = {"x",
                                "FilePos/",
                                "FilePos/binlog.000001",
                                "FilePos/:4",
                                "FilePos/b:",
                                "FilePos/b:-1",
                                "FilePos/b:18446744073709551616",
                                "MySQL56/zzz",
                                "MySQL56/0-1-2",
                                "MariaDB/0-1-2@",
                                "MariaDB/0-1-2@file",
                                "MariaDB/0-1-2@file:1@file:2x",
                                "0-1-2",
                                "+99999999999999999999",
                                "FilePos/b.000001:4~",
                                "FilePos/b.000001:4~1.",
                                "FilePos/b.000001:4~1.101",
                                "FilePos/b.000001:4~1..7",
                                "FilePos/b.000001:4~1.101.",
                                "FilePos/b.000001:4~1.1x1.7",
                                "FilePos/b.000001:4~1.101.4294967296",
                                "FilePos/b.000001:4~1." A A ".7",
                                "FilePos/b.000001:4~2.101.7",
                                "FilePos/b.000001:4~11.101.7"};
    CLEANUP(position_fini) struct position p = parse("FilePos/keep.000001:4");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err e = ERR_INIT;
        if (position_parse(bad[i], &p, &e))
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(e.code, ERR_POSITION_PARSE);
    }
    assert_string_equal(p.file, "keep.000001");
    char longer[400] = "FilePos/";
    memset(longer + 8, 'x', POSITION_FILE_MAX);
    memcpy(longer + 8 + POSITION_FILE_MAX, ".000001:4", 10);
    assert_false(position_parse(longer, &p, NULL));
}

static void emptiness_means_nothing_known(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool empty;
    } cases[] = {{"", true},
                 {"MySQL56/", true},
                 {"MariaDB/", true},
                 {"+1", false},
                 {"FilePos/b.000001:4", false},
                 {"MariaDB/0-1-1", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CLEANUP(position_fini) struct position p = parse(cases[i].text);
        assert_int_equal(position_is_empty(&p), cases[i].empty);
    }
}

static void copies_are_independent(void **state)
{
    (void)state;
    CLEANUP(position_fini) struct position a = parse("MariaDB/0-1-42@b.000001:4+1");
    CLEANUP(position_fini) struct position b = parse("MariaDB/9-9-9");
    position_copy(&b, &a);
    assert_true(position_equal(&a, &b));
    struct gtid g = {.flavor = GTID_FLAVOR_MARIADB, .seq = 43, .server_id = 1};
    gtid_set_add(b.gtids, &g);
    assert_false(position_equal(&a, &b));
    position_copy(&a, &a);
    position_fini(&b);
    assert_false(position_equal(&a, &b));
    position_copy(&b, &a);
    b.seq = 2;
    assert_false(position_equal(&a, &b));
}

static void files_are_ordered_by_their_numbers(void **state)
{
    (void)state;
    static const char *ordered[] = {"binlog.000009", "binlog.000010", "binlog.999999",
                                    "binlog.1000000"};
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < 4; j++) {
            int c = position_file_compare(ordered[i], ordered[j]);
            assert_int_equal((c > 0) - (c < 0), (i > j) - (i < j));
        }
    }
    assert_int_equal(position_file_compare("a.b.000001", "c.000001"), 0);
    assert_true(position_file_compare("a", "b") < 0);
    assert_true(position_file_compare("", "binlog.000001") < 0);
}

static void order_of_positions(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool after, before;
    } cases[] = {
        {"MySQL56/" A ":1-5", "MySQL56/" A ":1-4", true, false},
        {"MySQL56/" A ":1-5", "MySQL56/" A ":1-5", true, true},
        {"MySQL56/" A ":1-5+3", "MySQL56/" A ":1-5", true, false},
        {"MySQL56/" A ":1-5", "MySQL56/" A ":1-4+30", true, false},
        {"MySQL56/" A ":1-5:9", "MySQL56/" A ":1-6", false, false},
        {"MySQL56/" A ":1-5@x.000009:4", "MySQL56/" A ":1-5@y.000001:4", true, true},
        {"FilePos/b.000010:4", "FilePos/b.000009:99999", true, false},
        {"FilePos/b.000010:4", "FilePos/b.000010:4", true, true},
        {"FilePos/b.000010:5", "FilePos/b.000010:4+7", true, false},
        {"MariaDB/0-1-5@b.000001:100", "FilePos/b.000001:99", true, false},
        {"MariaDB/0-1-5,1-1-1", "MariaDB/0-1-6", false, false},
        {"FilePos/b.000001:4", "", true, false},
        {"MariaDB/0-1-5", "FilePos/b.000001:4", false, false},
        {"FilePos/b.000002:4~1.7.1000", "FilePos/b.000001:4~1.7.900", true, false},
        {"FilePos/b.000001:5~1.7.1000", "FilePos/b.000001:4~1.7.900", false, false},
        {"FilePos/b.000001:5~1.7.1000", "FilePos/b.000001:4~1.8.1000", false, false},
        {"FilePos/b.000001:5~1.7.1000", "FilePos/b.000001:4", true, false},
        {"MariaDB/0-1-6@b.000001:5~1.7.900", "MariaDB/0-1-5@b.000001:9~1.8.1000", true, false},
        {"", "", true, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CLEANUP(position_fini) struct position a = parse(cases[i].a);
        CLEANUP(position_fini) struct position b = parse(cases[i].b);
        if (position_at_or_after(&a, &b) != cases[i].after ||
            position_at_or_after(&b, &a) != cases[i].before)
            fail_msg("%s against %s", cases[i].a, cases[i].b);
    }
}

static void vgtids_are_sorted_json(void **state)
{
    (void)state;
    CLEANUP(vgtid_fini) struct vgtid v = {0};
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    CLEANUP(position_fini) struct position p = parse("MariaDB/0-1-42@b.000001:4");
    vgtid_set(&v, "customer", "80-", &p);
    vgtid_set(&v, "customer", "-80", &p);
    vgtid_set(&v, "a\"b", "-", &p);
    p.seq = 5;
    vgtid_set(&v, "customer", "80-", &p);
    vgtid_print(&v, &b);
    assert_string_equal(
        buf_str(&b),
        "[{\"keyspace\":\"a\\\"b\",\"shard\":\"-\",\"gtid\":\"MariaDB/0-1-42@b.000001:4\"},"
        "{\"keyspace\":\"customer\",\"shard\":\"-80\",\"gtid\":\"MariaDB/0-1-42@b.000001:4\"},"
        "{\"keyspace\":\"customer\",\"shard\":\"80-\",\"gtid\":\"MariaDB/0-1-42@b.000001:4+5\"}]");
    assert_non_null(vgtid_get(&v, "customer", "80-"));
    assert_null(vgtid_get(&v, "customer", "-40"));
    CLEANUP(vgtid_fini) struct vgtid back = {0};
    CLEANUP(buf_fini) struct buf again = BUF_INIT;
    struct err e = ERR_INIT;
    assert_true(vgtid_parse(buf_str(&b), &back, &e));
    vgtid_print(&back, &again);
    assert_string_equal(buf_str(&again), buf_str(&b));
}

static void malformed_vgtids_are_refused(void **state)
{
    (void)state;
    static const char *bad[] = {"",
                                "{}",
                                "[1]",
                                "[{\"keyspace\":\"a\",\"shard\":\"-\"}]",
                                "[{\"keyspace\":\"a\",\"shard\":\"-\",\"gtid\":7}]",
                                "[{\"keyspace\":\"a\",\"shard\":\"-\",\"gtid\":\"nonsense\"}]",
                                ("[{\"keyspace\":\"a\",\"shard\":\"-\",\"gtid\":\"\"},"
                                 "{\"keyspace\":\"a\",\"shard\":\"-\",\"gtid\":\"\"}]"),
                                ("[{\"keyspace\":\"a\",\"shard\":\"-\",\"gtid\":\"\","
                                 "\"table_p_ks\":[{\"table_name\":\"t\"}]}]")};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CLEANUP(vgtid_fini) struct vgtid v = {0};
        struct err e = ERR_INIT;
        assert_false(vgtid_parse(bad[i], &v, &e));
        assert_int_equal(e.code, ERR_POSITION_PARSE);
        assert_int_equal(v.n, 0);
    }
    CLEANUP(vgtid_fini) struct vgtid v = {0};
    assert_true(vgtid_parse("[]", &v, NULL));
    assert_int_equal(v.n, 0);
    assert_true(vgtid_parse(
        "[{\"keyspace\":\"a\",\"shard\":\"-\",\"gtid\":\"\",\"table_p_ks\":[]}]", &v, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_round_trip),
        cmocka_unit_test(fields_are_filled),
        cmocka_unit_test(malformed_texts_are_refused_and_change_nothing),
        cmocka_unit_test(emptiness_means_nothing_known),
        cmocka_unit_test(copies_are_independent),
        cmocka_unit_test(files_are_ordered_by_their_numbers),
        cmocka_unit_test(order_of_positions),
        cmocka_unit_test(vgtids_are_sorted_json),
        cmocka_unit_test(malformed_vgtids_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
