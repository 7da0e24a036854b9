/* tests/unit/test_mysql_dump_rules.c — error 1236 told apart by the servers' own texts; counting to
 * a position beyond 4 GiB. */
#include "mysql/dump_backend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

struct text_case {
    const char *text;
    enum err_code code;
};

/* Texts as MySQL 9.7 and MariaDB 10.11 sent them, and as their sources have them. */
static const struct text_case cases[] = {
    {"Could not find first log file name in binary log index file", ERR_SRC_PURGED},
    {"Cannot replicate because the source purged required binary logs. Replicate the missing "
     "transactions from elsewhere",
     ERR_SRC_PURGED},
    {"Could not find GTID state requested by slave in any binlog files. Probably the slave state "
     "is "
     "too old and required binlog files have been purged.",
     ERR_SRC_PURGED},
    {"A slave with the same server_uuid/server_id as this slave has connected to the master; the "
     "first "
     "event 'binlog.000001' at 4",
     ERR_SRC_SERVER_ID},
    {"A replica with the same server_uuid/server_id as this replica has connected to the source",
     ERR_SRC_SERVER_ID},
    {"Client requested master to start replication from position > file size", ERR_SRC_AHEAD},
    {"Client requested source to start replication from position > file size", ERR_SRC_AHEAD},
    {"Error: connecting slave requested to start from GTID 0-1-99, which is not in the master's "
     "binlog",
     ERR_SRC_AHEAD},
    {"Replica has more GTIDs than the source has, using the source's SERVER_UUID.", ERR_SRC_AHEAD},
    {"The replication sender thread cannot start in AUTO_POSITION mode: this server has GTID_MODE "
     "= "
     "OFF instead of ON.",
     ERR_SRC_SETTING},
    {"log event entry exceeded max_allowed_packet; Increase max_allowed_packet on master",
     ERR_SRC_SETTING},
    {"binlog truncated in the middle of event; consider out of disk space on source", ERR_SRC_DUMP},
};

static void each_text_of_1236_has_its_code(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err e = ERR_INIT;
        err_set_native(&e, ERR_DB_QUERY, ERR_CLASS_FATAL, MY_ERROR_DUMP, "db1:3306 (dump): %s",
                       cases[i].text);
        my_dump_error(&e);
        assert_int_equal(e.code, cases[i].code);
        assert_int_equal(e.native, MY_ERROR_DUMP);
    }
}

static void a_purged_log_and_a_clash_of_ids_name_their_cure(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    err_set_native(&e, ERR_DB_QUERY, ERR_CLASS_FATAL, MY_ERROR_DUMP, "%s", cases[0].text);
    my_dump_error(&e);
    assert_non_null(strstr(e.cure, "copy the tables again"));
    err_set_native(&e, ERR_DB_QUERY, ERR_CLASS_FATAL, MY_ERROR_DUMP, "%s", cases[3].text);
    my_dump_error(&e);
    assert_int_equal(e.class_, ERR_CLASS_RETRY);
    assert_non_null(strstr(e.cure, "server_ids"));
}

static void mariadbs_own_number_for_a_clash_is_known(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    err_set_native(&e, ERR_DB_QUERY, ERR_CLASS_FATAL, MY_ERROR_SAME_ID,
                   "A slave with the same server_uuid/server_id is already connected");
    my_dump_error(&e);
    assert_int_equal(e.code, ERR_SRC_SERVER_ID);
}

static void other_numbers_stay_as_they_are(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    err_set_native(&e, ERR_DB_LOST, ERR_CLASS_RETRY, 2013, "binary logs purged");
    my_dump_error(&e);
    assert_int_equal(e.code, ERR_DB_LOST);
}

enum { ROTATE = 4, FORMAT = 15, QUERY = 2, HEARTBEAT = 27, ARTIFICIAL = 0x20 };

static enum my_dump_skip_result feed(struct my_dump_skip *s, uint8_t type, uint8_t flags, size_t n)
{
    static uint8_t event[200];
    memset(event, 0, sizeof event);
    event[4] = type;
    event[17] = flags;
    assert_true(n <= sizeof event);
    return my_dump_skip_event(s, event, n);
}

static void events_before_the_position_are_skipped_and_the_heads_delivered(void **state)
{
    (void)state;
    struct my_dump_skip s = {.wanted = 4 + 100 + 50 + 60, .at = 4};
    assert_int_equal(feed(&s, ROTATE, ARTIFICIAL, 40), MY_DUMP_DELIVER);
    assert_int_equal(feed(&s, FORMAT, 0, 100), MY_DUMP_DELIVER);
    assert_int_equal(feed(&s, QUERY, 0, 50), MY_DUMP_SKIP);
    assert_int_equal(feed(&s, HEARTBEAT, 0, 40), MY_DUMP_DELIVER);
    assert_int_equal(feed(&s, QUERY, 0, 60), MY_DUMP_SKIP);
    assert_int_equal(feed(&s, QUERY, 0, 70), MY_DUMP_DELIVER);
    assert_int_equal(feed(&s, QUERY, 0, 70), MY_DUMP_DELIVER);
}

static void a_position_inside_an_event_is_refused(void **state)
{
    (void)state;
    struct my_dump_skip s = {.wanted = 4 + 100 + 10, .at = 4};
    assert_int_equal(feed(&s, FORMAT, 0, 100), MY_DUMP_DELIVER);
    assert_int_equal(feed(&s, QUERY, 0, 50), MY_DUMP_BAD_POSITION);
}

static void a_file_that_ends_before_the_position_is_refused(void **state)
{
    (void)state;
    struct my_dump_skip s = {.wanted = 1u << 20, .at = 4};
    assert_int_equal(feed(&s, FORMAT, 0, 100), MY_DUMP_DELIVER);
    assert_int_equal(feed(&s, ROTATE, 0, 50), MY_DUMP_BAD_POSITION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_text_of_1236_has_its_code),
        cmocka_unit_test(a_purged_log_and_a_clash_of_ids_name_their_cure),
        cmocka_unit_test(mariadbs_own_number_for_a_clash_is_known),
        cmocka_unit_test(other_numbers_stay_as_they_are),
        cmocka_unit_test(events_before_the_position_are_skipped_and_the_heads_delivered),
        cmocka_unit_test(a_position_inside_an_event_is_refused),
        cmocka_unit_test(a_file_that_ends_before_the_position_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
