/* tests/unit/test_state_log_match.c — whether a recorded position means anything on a server. */
#include "state/log_match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define A "3e11fa47-71ca-11e1-9e33-c80aa9429562"
#define B "4e11fa47-71ca-11e1-9e33-c80aa9429562"

/* A server: its name, what it has, what is before its oldest file, and the file that is asked for. */
struct seen {
    const char *server, *executed, *first;
    enum log_file file;
    uint32_t begun;
    uint64_t size;
    enum log_next next;
};
struct match_case {
    const char *recorded;
    struct seen now;
    enum log_match expected;
};

static struct gtid_set *set_of(const char *text)
{
    struct err e = ERR_INIT;
    struct gtid_set *set;
    if (!text)
        return NULL;
    set = gtid_set_parse(strchr(text, ':') ? GTID_FLAVOR_MYSQL : GTID_FLAVOR_MARIADB, text, &e);
    assert_non_null(set);
    return set;
}

static enum log_match match(const char *recorded, const struct seen *now)
{
    CLEANUP(position_fini) struct position p = POSITION_INIT;
    struct gtid_set *executed = set_of(now->executed), *first = set_of(now->first);
    struct log_view view = {.executed = executed,
                            .first = first,
                            .file = now->file,
                            .begun = now->begun,
                            .size = now->size,
                            .next = now->next};
    struct err e = ERR_INIT;
    snprintf(view.server, sizeof view.server, "%s", now->server);
    if (!position_parse(recorded, &p, &e))
        fail_msg("%s", e.text);
    enum log_match got = log_match(&p, &view);
    gtid_set_free(executed);
    gtid_set_free(first);
    return got;
}

static void check(const struct match_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        enum log_match got = match(cases[i].recorded, &cases[i].now);
        if (got != cases[i].expected)
            fail_msg("case %zu, %s: %d instead of %d", i, cases[i].recorded, (int)got,
                     (int)cases[i].expected);
    }
}
#define CHECK(...)                                                                                 \
    do {                                                                                           \
        static const struct match_case cases[] = {__VA_ARGS__};                                    \
        check(cases, sizeof cases / sizeof cases[0]);                                              \
    } while (0)

static void the_log_that_was_read_is_the_same(void **state)
{
    (void)state;
    CHECK({"MySQL56/" A ":1-5@b.000001:700~1." A ".1000",
           {A, A ":1-9", NULL, LOG_FILE_THERE, 1000, 900, LOG_NEXT_NEW},
           LOG_MATCH_SAME},
          {"MariaDB/0-7-5@b.000001:700~1.7.1000",
           {"7", "0-7-5", NULL, LOG_FILE_THERE, 1000, 700, LOG_NEXT_NEW},
           LOG_MATCH_SAME},
          {"FilePos/b.000001:700~1." A ".1000",
           {A, NULL, NULL, LOG_FILE_THERE, 1000, 700, LOG_NEXT_UNSEEN},
           LOG_MATCH_SAME},
          {"MySQL56/" A ":1-5@b.000001:700~1." A ".1000",
           {A, A ":1-9", NULL, LOG_FILE_UNSEEN, 0, 0, LOG_NEXT_UNSEEN},
           LOG_MATCH_SAME});
}

/* The numbers of a log that was reset or built anew reach those that were recorded, and pass them. */
static void a_file_begun_at_another_time_is_another_log(void **state)
{
    (void)state;
    CHECK({"MySQL56/" A ":1-5@b.000001:700~1." A ".1000",
           {A, A ":1-50", NULL, LOG_FILE_THERE, 1002, 9000, LOG_NEXT_NEW},
           LOG_MATCH_OTHER},
          {"MariaDB/0-7-5@b.000001:700~1.7.1000",
           {"7", "0-7-50", NULL, LOG_FILE_THERE, 999, 9000, LOG_NEXT_NEW},
           LOG_MATCH_OTHER},
          {"FilePos/b.000001:700~1." A ".1000",
           {A, NULL, NULL, LOG_FILE_THERE, 1002, 9000, LOG_NEXT_NEW},
           LOG_MATCH_OTHER},
          /* at once, and not after waiting for GTIDs that will come again */
          {"MySQL56/" A ":1-5@b.000001:700~1." A ".1000",
           {A, A ":1-2", NULL, LOG_FILE_THERE, 1002, 300, LOG_NEXT_UNSEEN},
           LOG_MATCH_OTHER},
          /* where the time is not known, the rest has to tell */
          {"MySQL56/" A ":1-5@b.000001:700~1." A ".0",
           {A, A ":1-50", NULL, LOG_FILE_THERE, 1002, 9000, LOG_NEXT_NEW},
           LOG_MATCH_SAME},
          {"MySQL56/" A ":1-5@b.000001:700~1." A ".1000",
           {A, A ":1-50", NULL, LOG_FILE_THERE, 0, 9000, LOG_NEXT_NEW},
           LOG_MATCH_SAME});
}

static void another_server_that_has_all_is_a_fail_over(void **state)
{
    (void)state;
    CHECK({"MySQL56/" A ":1-5@b.000001:700~1." A ".1000",
           {B, A ":1-5," B ":1-3", NULL, LOG_FILE_THERE, 2000, 100, LOG_NEXT_WRONG},
           LOG_MATCH_FAIL_OVER},
          {"MariaDB/0-7-5@b.000001:700~1.7.1000",
           {"8", "0-8-9", NULL, LOG_FILE_GONE, 0, 0, LOG_NEXT_UNSEEN},
           LOG_MATCH_FAIL_OVER},
          {"MySQL56/" A ":1-5@b.000001:700~1." A ".1000",
           {B, A ":1-4," B ":1-3", NULL, LOG_FILE_THERE, 1000, 900, LOG_NEXT_NEW},
           LOG_MATCH_BEHIND},
          {"MySQL56/" A ":1-5@b.000001:700~1." A ".1000",
           {B, NULL, NULL, LOG_FILE_THERE, 1000, 900, LOG_NEXT_NEW},
           LOG_MATCH_BEHIND},
          {"MySQL56/" A ":1-5@b.000001:700~1." A ".1000",
           {"7", "0-7-50", NULL, LOG_FILE_THERE, 1000, 900, LOG_NEXT_NEW},
           LOG_MATCH_BEHIND});
}

static void file_and_offset_are_of_one_server(void **state)
{
    (void)state;
    CHECK({"FilePos/b.000001:700~1." A ".1000",
           {B, NULL, NULL, LOG_FILE_THERE, 1000, 9000, LOG_NEXT_NEW},
           LOG_MATCH_OTHER},
          {"MariaDB/@b.000001:700~1.7.1000",
           {"8", "0-8-50", NULL, LOG_FILE_THERE, 1000, 9000, LOG_NEXT_NEW},
           LOG_MATCH_OTHER});
}

static void what_lies_beyond_the_log_is_waited_for(void **state)
{
    (void)state;
    CHECK({"MySQL56/" A ":1-5@b.000001:700~1." A ".1000",
           {A, A ":1-4", NULL, LOG_FILE_THERE, 1000, 900, LOG_NEXT_NEW},
           LOG_MATCH_BEHIND},
          {"FilePos/b.000001:700~1." A ".1000",
           {A, NULL, NULL, LOG_FILE_THERE, 1000, 699, LOG_NEXT_UNSEEN},
           LOG_MATCH_BEHIND},
          {"MySQL56/" A ":1-5@b.000001:700~1." A ".1000",
           {A, A ":1-50", NULL, LOG_FILE_THERE, 1000, 699, LOG_NEXT_UNSEEN},
           LOG_MATCH_BEHIND});
}

static void what_follows_must_follow(void **state)
{
    (void)state;
    CHECK({"MySQL56/" A ":1-5@b.000001:700~1." A ".1000",
           {A, A ":1-50", NULL, LOG_FILE_THERE, 1000, 9000, LOG_NEXT_WRONG},
           LOG_MATCH_OTHER},
          {"FilePos/b.000001:700~1." A ".1000",
           {A, NULL, NULL, LOG_FILE_THERE, 1000, 9000, LOG_NEXT_WRONG},
           LOG_MATCH_OTHER});
}

static void a_file_that_is_gone_was_purged_or_never_there(void **state)
{
    (void)state;
    CHECK({"MySQL56/" A ":1-5@b.000003:700~1." A ".1000",
           {A, A ":1-50", A ":1-5", LOG_FILE_OLDER, 0, 0, LOG_NEXT_UNSEEN},
           LOG_MATCH_SAME},
          {"MySQL56/" A ":1-5@b.000003:700~1." A ".1000",
           {A, A ":1-50", A ":1-7", LOG_FILE_OLDER, 0, 0, LOG_NEXT_UNSEEN},
           LOG_MATCH_PURGED},
          {"MySQL56/" A ":1-5@b.000003:700~1." A ".1000",
           {A, A ":1-50", A ":1-4", LOG_FILE_OLDER, 0, 0, LOG_NEXT_UNSEEN},
           LOG_MATCH_OTHER},
          {"MySQL56/" A ":1-5@b.000003:700~1." A ".1000",
           {A, A ":1-50", NULL, LOG_FILE_GONE, 0, 0, LOG_NEXT_UNSEEN},
           LOG_MATCH_OTHER},
          {"MariaDB/0-7-5@b.000003:700~1.7.1000",
           {"7", "0-7-50", "", LOG_FILE_GONE, 0, 0, LOG_NEXT_UNSEEN},
           LOG_MATCH_OTHER},
          {"MariaDB/0-7-5@b.000003:700~1.7.1000",
           {"7", "0-7-50", "0-7-5", LOG_FILE_GONE, 0, 0, LOG_NEXT_UNSEEN},
           LOG_MATCH_SAME},
          {"FilePos/b.000003:700~1." A ".1000",
           {A, NULL, NULL, LOG_FILE_OLDER, 0, 0, LOG_NEXT_UNSEEN},
           LOG_MATCH_PURGED},
          {"FilePos/b.000003:700~1." A ".1000",
           {A, NULL, NULL, LOG_FILE_GONE, 0, 0, LOG_NEXT_UNSEEN},
           LOG_MATCH_OTHER});
}

static void positions_without_a_log_go_by_their_gtids(void **state)
{
    (void)state;
    CHECK({"MySQL56/" A ":1-5@b.000001:700",
           {B, A ":1-5", NULL, LOG_FILE_THERE, 2000, 100, LOG_NEXT_WRONG},
           LOG_MATCH_SAME},
          {"MySQL56/" A ":1-5@b.000001:700",
           {B, A ":1-4", NULL, LOG_FILE_THERE, 2000, 900, LOG_NEXT_NEW},
           LOG_MATCH_BEHIND},
          {"MySQL56/" A ":1-5",
           {B, A ":1-5", NULL, LOG_FILE_UNSEEN, 0, 0, LOG_NEXT_UNSEEN},
           LOG_MATCH_SAME},
          {"FilePos/b.000001:700",
           {B, NULL, NULL, LOG_FILE_THERE, 2000, 900, LOG_NEXT_NEW},
           LOG_MATCH_SAME},
          {"FilePos/b.000001:700",
           {B, NULL, NULL, LOG_FILE_THERE, 2000, 600, LOG_NEXT_UNSEEN},
           LOG_MATCH_BEHIND},
          {"FilePos/b.000001:700",
           {B, NULL, NULL, LOG_FILE_OLDER, 0, 0, LOG_NEXT_UNSEEN},
           LOG_MATCH_PURGED},
          {"", {B, NULL, NULL, LOG_FILE_UNSEEN, 0, 0, LOG_NEXT_UNSEEN}, LOG_MATCH_SAME});
}

static void a_place_is_there_or_nothing_is_believed(void **state)
{
    (void)state;
    const struct log_id known = {.server = A, .begun = 1000}, unknown = {.server = A};
    assert_true(log_has_place(&known, 700, LOG_FILE_THERE, 1000, 700));
    assert_false(log_has_place(&known, 701, LOG_FILE_THERE, 1000, 700));
    assert_false(log_has_place(&known, 700, LOG_FILE_THERE, 1001, 700));
    assert_false(log_has_place(&known, 700, LOG_FILE_THERE, 0, 700));
    assert_false(log_has_place(&unknown, 700, LOG_FILE_THERE, 0, 700));
    assert_false(log_has_place(&known, 700, LOG_FILE_OLDER, 1000, 700));
    assert_false(log_has_place(&known, 700, LOG_FILE_UNSEEN, 1000, 700));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_that_was_read_is_the_same),
        cmocka_unit_test(a_file_begun_at_another_time_is_another_log),
        cmocka_unit_test(another_server_that_has_all_is_a_fail_over),
        cmocka_unit_test(file_and_offset_are_of_one_server),
        cmocka_unit_test(what_lies_beyond_the_log_is_waited_for),
        cmocka_unit_test(what_follows_must_follow),
        cmocka_unit_test(a_file_that_is_gone_was_purged_or_never_there),
        cmocka_unit_test(positions_without_a_log_go_by_their_gtids),
        cmocka_unit_test(a_place_is_there_or_nothing_is_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
