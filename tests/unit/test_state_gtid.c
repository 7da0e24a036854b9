/* tests/unit/test_state_gtid.c — GTIDs and sets: text, algebra and MySQL's binary form. */
#include "state/gtid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define A "3e11fa47-71ca-11e1-9e33-c80aa9429562"
#define B "55778904-0299-11f1-b1b8-4ef0c4956feb"

static struct gtid_set *parse(enum gtid_flavor flavor, const char *text)
{
    struct err e = ERR_INIT;
    struct gtid_set *s = gtid_set_parse(flavor, text, &e);
    if (!s)
        print_message("%s\n", e.text);
    assert_non_null(s);
    return s;
}

static void assert_prints(const struct gtid_set *s, const char *want)
{
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    gtid_set_print(s, &b);
    assert_string_equal(buf_str(&b), want);
}

static void assert_round(enum gtid_flavor flavor, const char *text, const char *want)
{
    struct gtid_set *s = parse(flavor, text);
    assert_prints(s, want);
    gtid_set_free(s);
}

static void mysql_sets_are_normalised(void **state)
{
    (void)state;
    assert_round(GTID_FLAVOR_MYSQL, "", "");
    assert_round(GTID_FLAVOR_MYSQL, A ":1", A ":1");
    assert_round(GTID_FLAVOR_MYSQL, A ":7:1-3:4-5:9-9", A ":1-5:7:9");
    assert_round(GTID_FLAVOR_MYSQL, A ":1-10:3-4:8-20", A ":1-20");
    assert_round(GTID_FLAVOR_MYSQL, " " B ":2 ,\n" A ":1 - 2 ,", A ":1-2," B ":2");
    assert_round(GTID_FLAVOR_MYSQL, "3E11FA47-71CA-11E1-9E33-C80AA9429562:1", A ":1");
    assert_round(GTID_FLAVOR_MYSQL, "3E11FA4771CA11E19E33C80AA9429562:1", A ":1");
    assert_round(GTID_FLAVOR_MYSQL, A ":9223372036854775806", A ":9223372036854775806");
}

static void tags_hold_until_the_next_tag(void **state)
{
    (void)state;
    assert_round(GTID_FLAVOR_MYSQL, A ":1-3:Domain_2:8-52:domain_1:1-3:11",
                 A ":1-3:domain_1:1-3:11:domain_2:8-52");
    assert_round(GTID_FLAVOR_MYSQL, A ":t:1-3," A ":t:4," A ":1", A ":1:t:1-4");
    assert_round(GTID_FLAVOR_MYSQL, A ":_x9:5", A ":_x9:5");
}

static void mariadb_sets_keep_the_last_of_each_domain(void **state)
{
    (void)state;
    assert_round(GTID_FLAVOR_MARIADB, "1-1-7,0-1-42", "0-1-42,1-1-7");
    assert_round(GTID_FLAVOR_MARIADB, "0-1-5,0-2-9,0-1-7", "0-2-9");
    assert_round(GTID_FLAVOR_MARIADB, "", "");
    assert_round(GTID_FLAVOR_MARIADB, "4294967295-4294967295-18446744073709551615",
                 "4294967295-4294967295-18446744073709551615");
}

static void malformed_sets_are_refused(void **state)
{
    (void)state;
    static const char *mysql[] = {A,
                                  A ":",
                                  A ":0",
                                  A ":3-1",
                                  A ":1-",
                                  A ":1:",
                                  A ":1 2",
                                  A ":tag",
                                  A ":tag:",
                                  A ":1:tag",
                                  A ":9223372036854775807",
                                  A ":a23456789012345678901234567890123:1",
                                  A ":1;" B ":1",
                                  "3e11fa47:1",
                                  "3e11fa47-71ca-11e1-9e33-c80aa942956:1",
                                  "3e11fa47-71ca-11e1-9e33+c80aa9429562:1",
                                  "0-1-2",
                                  "x"};
    static const char *mariadb[] = {
        "0",       "0-1", "0-1-", "0-1-x", "0--1-2", "4294967296-1-1", "0-1-18446744073709551616",
        "0-1-1-1", A ":1"};
    for (size_t i = 0; i < sizeof mysql / sizeof mysql[0]; i++) {
        struct err e = ERR_INIT;
        assert_null(gtid_set_parse(GTID_FLAVOR_MYSQL, mysql[i], &e));
        assert_int_equal(e.code, ERR_POSITION_PARSE);
    }
    for (size_t i = 0; i < sizeof mariadb / sizeof mariadb[0]; i++) {
        struct err e = ERR_INIT;
        assert_null(gtid_set_parse(GTID_FLAVOR_MARIADB, mariadb[i], &e));
        assert_int_equal(e.code, ERR_POSITION_PARSE);
    }
    assert_null(gtid_set_parse(GTID_FLAVOR_NONE, "0-1-2", NULL));
}

static void single_gtids_round_trip(void **state)
{
    (void)state;
    static const char *good[] = {"", A ":7", A ":mytag:3", "0-1-42", "4294967295-0-0"};
    static const char *bad[] = {"x", A, A ":0", A ":1-2", "0-1", "0-1-2-3", A ":tag", "0-1-2 x"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        CLEANUP(buf_fini) struct buf b = BUF_INIT;
        struct err e = ERR_INIT;
        struct gtid g;
        assert_true(gtid_parse(good[i], &g, &e));
        gtid_print(&g, &b);
        assert_string_equal(buf_str(&b), good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err e = ERR_INIT;
        struct gtid g;
        assert_false(gtid_parse(bad[i], &g, &e));
        assert_int_equal(e.code, ERR_POSITION_PARSE);
    }
}

static void adding_joins_intervals_in_any_order(void **state)
{
    (void)state;
    static const uint64_t order[] = {5, 1, 3, 2, 9, 8, 4, 4};
    struct gtid_set *s = gtid_set_new(GTID_FLAVOR_MYSQL);
    struct gtid g;
    assert_true(gtid_parse(A ":1", &g, NULL));
    assert_true(gtid_set_is_empty(s));
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        g.seq = order[i];
        gtid_set_add(s, &g);
        assert_true(gtid_set_contains_gtid(s, &g));
    }
    assert_prints(s, A ":1-5:8-9");
    g.seq = 6;
    assert_false(gtid_set_contains_gtid(s, &g));
    memcpy(g.tag, "t", 2);
    gtid_set_add(s, &g);
    assert_prints(s, A ":1-5:8-9:t:6");
    gtid_set_add(s, &(struct gtid){.flavor = GTID_FLAVOR_NONE});
    assert_prints(s, A ":1-5:8-9:t:6");
    gtid_set_free(s);
}

static void adding_to_a_mariadb_set_follows_the_log(void **state)
{
    (void)state;
    struct gtid_set *s = parse(GTID_FLAVOR_MARIADB, "0-1-10");
    struct gtid g = {.flavor = GTID_FLAVOR_MARIADB, .domain_id = 0, .server_id = 2, .seq = 8};
    assert_true(gtid_set_contains_gtid(s, &g));
    gtid_set_add(s, &g);
    assert_prints(s, "0-2-8");
    g.domain_id = 5;
    assert_false(gtid_set_contains_gtid(s, &g));
    gtid_set_add(s, &g);
    assert_prints(s, "0-2-8,5-2-8");
    gtid_set_free(s);
}

struct algebra {
    enum gtid_flavor flavor;
    const char *a, *b, *unioned, *subtracted;
    bool contains;
};

static void algebra_matches_the_servers(void **state)
{
    (void)state;
    /* subtracted: what GTID_SUBTRACT(a, b) of MySQL answers; contains: GTID_SUBSET(b, a). */
    static const struct algebra cases[] = {
        {GTID_FLAVOR_MYSQL, A ":1-10", A ":3-5", A ":1-10", A ":1-2:6-10", true},
        {GTID_FLAVOR_MYSQL, A ":1-10", A ":1-10", A ":1-10", "", true},
        {GTID_FLAVOR_MYSQL, A ":1-10", A ":5-15", A ":1-15", A ":1-4", false},
        {GTID_FLAVOR_MYSQL, A ":1-3:7-9", A ":3-7", A ":1-9", A ":1-2:8-9", false},
        {GTID_FLAVOR_MYSQL, A ":1-3:7-9", A ":1:8", A ":1-3:7-9", A ":2-3:7:9", true},
        {GTID_FLAVOR_MYSQL, A ":1-3", B ":1-3", A ":1-3," B ":1-3", A ":1-3", false},
        {GTID_FLAVOR_MYSQL, A ":1-3:t:1-9", A ":t:2", A ":1-3:t:1-9", A ":1-3:t:1:3-9", true},
        {GTID_FLAVOR_MYSQL, A ":1-3", A ":t:2", A ":1-3:t:2", A ":1-3", false},
        {GTID_FLAVOR_MYSQL, A ":1-3," B ":2", "", A ":1-3," B ":2", A ":1-3," B ":2", true},
        {GTID_FLAVOR_MYSQL, "", A ":1", A ":1", "", false},
        {GTID_FLAVOR_MARIADB, "0-1-10,1-1-5", "0-2-10", "0-1-10,1-1-5", "1-1-5", true},
        {GTID_FLAVOR_MARIADB, "0-1-10", "0-2-11", "0-2-11", "", false},
        {GTID_FLAVOR_MARIADB, "0-1-10", "1-2-1", "0-1-10,1-2-1", "0-1-10", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct algebra *c = &cases[i];
        struct gtid_set *a = parse(c->flavor, c->a), *b = parse(c->flavor, c->b);
        struct gtid_set *copy = gtid_set_copy(a);
        assert_true(gtid_set_equal(a, copy));
        assert_int_equal(gtid_set_contains(a, b), c->contains);
        gtid_set_union(a, b);
        assert_prints(a, c->unioned);
        assert_true(gtid_set_contains(a, b) && gtid_set_contains(a, copy));
        gtid_set_subtract(copy, b);
        assert_prints(copy, c->subtracted);
        gtid_set_free(a);
        gtid_set_free(b);
        gtid_set_free(copy);
    }
}

static void equality_needs_the_same_flavor_and_members(void **state)
{
    (void)state;
    struct gtid_set *a = parse(GTID_FLAVOR_MYSQL, A ":1-3"),
                    *b = parse(GTID_FLAVOR_MYSQL, A ":1-4");
    struct gtid_set *c = parse(GTID_FLAVOR_MARIADB, ""), *d = parse(GTID_FLAVOR_MYSQL, "");
    struct gtid_set *x = parse(GTID_FLAVOR_MARIADB, "0-1-2"),
                    *y = parse(GTID_FLAVOR_MARIADB, "0-2-2");
    assert_false(gtid_set_equal(a, b));
    assert_false(gtid_set_equal(c, d));
    assert_false(gtid_set_equal(x, y));
    assert_true(gtid_set_equal(x, x));
    assert_null(gtid_set_copy(NULL));
    struct gtid_set *all[] = {a, b, c, d, x, y, NULL};
    for (size_t i = 0; i < 7; i++)
        gtid_set_free(all[i]);
}

static void random_sets_agree_with_a_bitmap(void **state)
{
    (void)state;
    uint64_t x = 42;
    for (int round = 0; round < 5000; round++) {
        struct gtid_set *s = gtid_set_new(GTID_FLAVOR_MYSQL), *o = gtid_set_new(GTID_FLAVOR_MYSQL);
        struct gtid g;
        assert_true(gtid_parse(A ":1", &g, NULL));
        uint64_t in_s = 0, in_o = 0;
        for (int i = 0; i < 3 + round % 12; i++) { /* few numbers: subsets are frequent */
            x = x * 6364136223846793005u + 1442695040888963407u;
            g.seq = (x >> 33) % 9 + 1;
            bool first = x >> 60 & 1;
            gtid_set_add(first ? s : o, &g);
            *(first ? &in_s : &in_o) |= (uint64_t)1 << g.seq;
        }
        struct gtid_set *u = gtid_set_copy(s), *d = gtid_set_copy(s);
        gtid_set_union(u, o);
        gtid_set_subtract(d, o);
        assert_int_equal(gtid_set_contains(s, o), (in_o & ~in_s) == 0);
        for (g.seq = 1; g.seq <= 11; g.seq++) {
            uint64_t bit = (uint64_t)1 << g.seq;
            assert_int_equal(gtid_set_contains_gtid(u, &g), ((in_s | in_o) & bit) != 0);
            assert_int_equal(gtid_set_contains_gtid(d, &g), (in_s & ~in_o & bit) != 0);
        }
        gtid_set_free(s);
        gtid_set_free(o);
        gtid_set_free(u);
        gtid_set_free(d);
    }
}

static void the_untagged_binary_form_is_the_documented_one(void **state)
{
    (void)state;
    static const uint8_t want[] = {1,    0,    0,    0,    0,    0,    0,    0,    0x3e, 0x11,
                                   0xfa, 0x47, 0x71, 0xca, 0x11, 0xe1, 0x9e, 0x33, 0xc8, 0x0a,
                                   0xa9, 0x42, 0x95, 0x62, 1,    0,    0,    0,    0,    0,
                                   0,    0,    1,    0,    0,    0,    0,    0,    0,    0,
                                   6,    0,    0,    0,    0,    0,    0,    0};
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    struct gtid_set *s = parse(GTID_FLAVOR_MYSQL, A ":1-5");
    assert_true(gtid_set_encode(s, &b));
    assert_int_equal(b.len, sizeof want);
    assert_memory_equal(b.data, want, sizeof want);
    gtid_set_free(s);
}

static void the_tagged_binary_form_has_its_marks(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    struct gtid_set *s = parse(GTID_FLAVOR_MYSQL, A ":1-5:mytag:3");
    assert_true(gtid_set_encode(s, &b));
    static const uint8_t head[] = {1, 2, 0, 0, 0, 0, 0, 1};
    assert_memory_equal(b.data, head, 8);
    assert_int_equal(b.data[24], 0); /* the source without tag comes first */
    assert_int_equal(b.data[24 + 1 + 8 + 16 + 16], 5 << 1);
    assert_memory_equal(b.data + 24 + 1 + 8 + 16 + 17, "mytag", 5);
    gtid_set_free(s);
}

/* The body of a PREVIOUS_GTIDS event that MySQL 9.7.4 wrote, and its @@gtid_executed. */
static const char server_bytes[] = "0105000000000001"
                                   "3e11fa4771ca11e19e33c80aa9429562"
                                   "00"
                                   "0200000000000000"
                                   "0100000000000000"
                                   "0300000000000000"
                                   "0400000000000000"
                                   "0500000000000000"
                                   "3e11fa4771ca11e19e33c80aa9429562"
                                   "0a6d79746167"
                                   "0100000000000000"
                                   "0300000000000000"
                                   "0400000000000000"
                                   "3e11fa4771ca11e19e33c80aa9429562"
                                   "047a7a"
                                   "0100000000000000"
                                   "0100000000000000"
                                   "0200000000000000"
                                   "55778904029911f1b1b84ef0c4956feb"
                                   "00"
                                   "0100000000000000"
                                   "0200000000000000"
                                   "0300000000000000"
                                   "55778904029911f1b1b84ef0c4956feb"
                                   "0274"
                                   "0100000000000000"
                                   "0400000000000000"
                                   "0500000000000000";
static const char server_text[] = A ":1-2:4:mytag:3:zz:1,\n" B ":2:t:4";

static void tagged_bytes_of_a_server_are_read_and_written_alike(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf raw = BUF_INIT;
    CLEANUP(buf_fini) struct buf ours = BUF_INIT;
    struct err e = ERR_INIT;
    for (size_t i = 0; i + 1 < sizeof server_bytes; i += 2) {
        const char digits[3] = {server_bytes[i], server_bytes[i + 1]};
        buf_put_u8(&raw, (uint8_t)strtoul(digits, NULL, 16));
    }
    struct gtid_set *read = gtid_set_decode(raw.data, raw.len, &e);
    struct gtid_set *text = parse(GTID_FLAVOR_MYSQL, server_text);
    assert_non_null(read);
    assert_true(gtid_set_equal(read, text));
    assert_true(gtid_set_encode(text, &ours));
    assert_int_equal(ours.len, raw.len);
    assert_memory_equal(ours.data, raw.data, raw.len);
    gtid_set_free(read);
    gtid_set_free(text);
}

static void binary_forms_round_trip(void **state)
{
    (void)state;
    static const char *sets[] = {"", A ":1-5", A ":1-5:9," B ":7", A ":1:t:1-3:x:5," B ":t:9"};
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        CLEANUP(buf_fini) struct buf b = BUF_INIT;
        struct err e = ERR_INIT;
        struct gtid_set *s = parse(GTID_FLAVOR_MYSQL, sets[i]);
        assert_true(gtid_set_encode(s, &b));
        struct gtid_set *back = gtid_set_decode(b.data, b.len, &e);
        assert_non_null(back);
        assert_true(gtid_set_equal(s, back));
        for (size_t n = 0; n < b.len; n++) {
            uint8_t *cut =
                malloc(n ? n : 1); /* exact size, so that a sanitizer sees a read behind */
            memcpy(cut, b.data, n);
            assert_null(gtid_set_decode(cut, n, &e));
            assert_int_equal(e.code, ERR_LOG_FORMAT);
            free(cut);
        }
        gtid_set_free(s);
        gtid_set_free(back);
    }
}

static void hostile_binary_sets_are_refused(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    struct err e = ERR_INIT;
    buf_put_le(&b, UINT64_MAX >> 8, 8); /* more sources than bytes */
    assert_null(gtid_set_decode(b.data, b.len, &e));
    buf_reset(&b);
    buf_put_le(&b, 1, 8);
    buf_put(&b, "0123456789abcdef", 16);
    size_t at = b.len;
    buf_put_le(&b, UINT64_MAX, 8);
    assert_null(gtid_set_decode(b.data, b.len, &e));
    static const uint64_t bad[][2] = {{0, 5}, {5, 5}, {6, 5}, {1, (uint64_t)INT64_MAX + 1}};
    for (size_t i = 0; i < 4; i++) {
        b.len = at;
        buf_put_le(&b, 1, 8);
        buf_put_le(&b, bad[i][0], 8);
        buf_put_le(&b, bad[i][1], 8);
        assert_null(gtid_set_decode(b.data, b.len, &e));
    }
}

/* A number that wraps, a tag that is too long or stands for nothing, a set where one GTID belongs.
 */
static void single_gtids_with_numbers_and_tags_beyond_the_limits_are_refused(void **state)
{
    static const char *const bad[] = {
        A ":99999999999999999999",                /* × 10 wraps */
        A ":18446744073709551616",                /* + 6 wraps */
        A ":a23456789012345678901234567890123:1", /* 33 characters */
        A ":t:",
        A ":t:x",
        A ":",
        "0-1-99999999999999999999",
        "0-4294967296-1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err e = ERR_INIT;
        struct gtid g;
        assert_false(gtid_parse(bad[i], &g, &e));
        assert_int_equal(e.code, ERR_POSITION_PARSE);
        assert_int_equal(g.flavor, GTID_FLAVOR_NONE);
    }
}

static void no_flavor_has_only_the_empty_set(void **state)
{
    CLEANUP(buf_fini) struct buf out = BUF_INIT;
    struct gtid none = {.flavor = GTID_FLAVOR_NONE};
    (void)state;
    struct gtid_set *s = parse(GTID_FLAVOR_NONE, " ");
    gtid_set_add(s, &none);
    assert_true(gtid_set_is_empty(s));
    assert_false(gtid_set_contains_gtid(s, &none));
    assert_int_equal(gtid_set_flavor(s), GTID_FLAVOR_NONE);
    assert_true(gtid_set_encode(s, &out));
    assert_int_equal(out.len, 8);
    gtid_print(&none, &out);
    assert_int_equal(out.len, 8);
    gtid_set_free(s);
    gtid_set_free(NULL);
}

static void a_set_with_itself_is_itself_or_nothing(void **state)
{
    static const struct {
        enum gtid_flavor flavor;
        const char *text;
    } sets[] = {{GTID_FLAVOR_MYSQL, A ":1-3:t:7," B ":2"}, {GTID_FLAVOR_MARIADB, "0-1-10,1-1-5"}};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct gtid_set *s = parse(sets[i].flavor, sets[i].text);
        gtid_set_union(s, s);
        assert_prints(s, sets[i].text);
        gtid_set_subtract(s, s);
        assert_true(gtid_set_is_empty(s));
        gtid_set_free(s);
    }
}

static void numbers_outside_the_servers_range_are_in_no_set(void **state)
{
    static const uint64_t numbers[] = {0, INT64_MAX, UINT64_MAX};
    struct gtid_set *s = parse(GTID_FLAVOR_MYSQL, A ":1-5");
    struct gtid g;
    (void)state;
    assert_true(gtid_parse(A ":1", &g, NULL));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        g.seq = numbers[i];
        gtid_set_add(s, &g);
        assert_false(gtid_set_contains_gtid(s, &g));
    }
    assert_prints(s, A ":1-5");
    gtid_set_free(s);
}

static void a_gtid_of_the_other_server_is_not_contained(void **state)
{
    struct gtid_set *mysql = parse(GTID_FLAVOR_MYSQL, A ":1-5"),
                    *mariadb = parse(GTID_FLAVOR_MARIADB, "0-1-10");
    struct gtid g;
    (void)state;
    assert_true(gtid_parse("0-1-10", &g, NULL));
    assert_false(gtid_set_contains_gtid(mysql, &g));
    assert_true(gtid_set_contains_gtid(mariadb, &g));
    g.seq = 11;
    assert_false(gtid_set_contains_gtid(mariadb, &g));
    assert_true(gtid_parse(B ":3", &g, NULL));
    assert_false(gtid_set_contains_gtid(mysql, &g));
    assert_true(gtid_parse(A ":t:3", &g, NULL));
    assert_false(gtid_set_contains_gtid(mysql, &g));
    gtid_set_free(mysql);
    gtid_set_free(mariadb);
}

static void sets_that_differ_anywhere_are_not_equal(void **state)
{
    static const struct {
        enum gtid_flavor flavor;
        const char *a, *b;
    } pairs[] = {
        {GTID_FLAVOR_MYSQL, A ":1", A ":1," B ":1"},   {GTID_FLAVOR_MYSQL, A ":1", B ":1"},
        {GTID_FLAVOR_MYSQL, A ":1", A ":t:1"},         {GTID_FLAVOR_MYSQL, A ":1", A ":1:3"},
        {GTID_FLAVOR_MYSQL, A ":1:3", A ":1:4"},       {GTID_FLAVOR_MARIADB, "0-1-2", "1-1-2"},
        {GTID_FLAVOR_MARIADB, "0-1-2", "0-1-2,1-1-2"}, {GTID_FLAVOR_MARIADB, "0-1-2", "0-1-3"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct gtid_set *a = parse(pairs[i].flavor, pairs[i].a);
        struct gtid_set *b = parse(pairs[i].flavor, pairs[i].b);
        assert_false(gtid_set_equal(a, b));
        assert_false(gtid_set_equal(b, a));
        gtid_set_free(a);
        gtid_set_free(b);
    }
}

/* Sources in a changing order, so that the one that was added to last is not the one that is meant.
 */
static void sources_and_domains_are_found_whatever_was_added_last(void **state)
{
    static const char *const order[] = {B ":1", A ":1", B ":3", A ":t:2", A ":2", B ":2", A ":t:1"};
    struct gtid_set *s = gtid_set_new(GTID_FLAVOR_MYSQL);
    (void)state;
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        struct gtid g;
        assert_true(gtid_parse(order[i], &g, NULL));
        gtid_set_add(s, &g);
    }
    assert_prints(s, A ":1-2:t:1-2," B ":1-3");
    struct gtid_set *absent = parse(GTID_FLAVOR_MYSQL, A ":u:1," B ":t:1");
    assert_false(gtid_set_contains(s, absent));
    gtid_set_subtract(s, absent);
    assert_prints(s, A ":1-2:t:1-2," B ":1-3");
    gtid_set_free(s);
    gtid_set_free(absent);
    struct gtid_set *m = parse(GTID_FLAVOR_MARIADB, "0-1-10,1-1-5"),
                    *older = parse(GTID_FLAVOR_MARIADB, "0-1-9,1-1-5");
    gtid_set_subtract(m, older);
    assert_prints(m, "0-1-10");
    gtid_set_free(m);
    gtid_set_free(older);
}

/* One tagged source; only its tag's bytes differ. */
static void tags_in_binary_sets_are_checked(void **state)
{
    static const struct {
        const char *tag; /* length byte and text */
        size_t n;
        bool good;
    } cases[] = {
        {"\x02t", 2, true},
        {"\x00", 1, true},
        {"\x03t", 2, false},
        {"\x04t9", 3, true},
        {"\x04"
         "9t",
         3, false},
        {"\x04t-", 3, false},
        {"\x04t\0", 3, false},
        {"\x04\0t", 3, false},
        {"\x42"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         34, false},
        {"\x40"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         33, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CLEANUP(buf_fini) struct buf b = BUF_INIT;
        struct err e = ERR_INIT;
        buf_put_le(&b, (uint64_t)1 << 56 | 1 << 8 | 1, 8);
        buf_put(&b, "0123456789abcdef", 16);
        buf_put(&b, cases[i].tag, cases[i].n);
        buf_put_le(&b, 1, 8);
        buf_put_le(&b, 3, 8);
        buf_put_le(&b, 4, 8);
        struct gtid_set *s = gtid_set_decode(b.data, b.len, &e);
        assert_int_equal(s != NULL, cases[i].good);
        assert_int_equal(e.code, cases[i].good ? ERR_NONE : ERR_LOG_FORMAT);
        gtid_set_free(s);
    }
}

static void bytes_behind_a_binary_set_and_unknown_formats_are_refused(void **state)
{
    static const struct {
        uint64_t head;
        size_t rest;
    } cases[] = {{0, 1}, {(uint64_t)1 << 56 | 2, 0}, {(uint64_t)1 << 56, 0}, {1, 23}, {2, 47}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CLEANUP(buf_fini) struct buf b = BUF_INIT;
        struct err e = ERR_INIT;
        buf_put_le(&b, cases[i].head, 8);
        for (size_t k = 0; k < cases[i].rest; k++)
            buf_put_u8(&b, 0);
        assert_null(gtid_set_decode(b.data, b.len, &e));
        assert_int_equal(e.code, ERR_LOG_FORMAT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mysql_sets_are_normalised),
        cmocka_unit_test(tags_hold_until_the_next_tag),
        cmocka_unit_test(mariadb_sets_keep_the_last_of_each_domain),
        cmocka_unit_test(malformed_sets_are_refused),
        cmocka_unit_test(single_gtids_round_trip),
        cmocka_unit_test(adding_joins_intervals_in_any_order),
        cmocka_unit_test(adding_to_a_mariadb_set_follows_the_log),
        cmocka_unit_test(algebra_matches_the_servers),
        cmocka_unit_test(equality_needs_the_same_flavor_and_members),
        cmocka_unit_test(random_sets_agree_with_a_bitmap),
        cmocka_unit_test(the_untagged_binary_form_is_the_documented_one),
        cmocka_unit_test(the_tagged_binary_form_has_its_marks),
        cmocka_unit_test(tagged_bytes_of_a_server_are_read_and_written_alike),
        cmocka_unit_test(binary_forms_round_trip),
        cmocka_unit_test(hostile_binary_sets_are_refused),
        cmocka_unit_test(single_gtids_with_numbers_and_tags_beyond_the_limits_are_refused),
        cmocka_unit_test(no_flavor_has_only_the_empty_set),
        cmocka_unit_test(a_set_with_itself_is_itself_or_nothing),
        cmocka_unit_test(numbers_outside_the_servers_range_are_in_no_set),
        cmocka_unit_test(a_gtid_of_the_other_server_is_not_contained),
        cmocka_unit_test(sets_that_differ_anywhere_are_not_equal),
        cmocka_unit_test(sources_and_domains_are_found_whatever_was_added_last),
        cmocka_unit_test(tags_in_binary_sets_are_checked),
        cmocka_unit_test(bytes_behind_a_binary_set_and_unknown_formats_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
