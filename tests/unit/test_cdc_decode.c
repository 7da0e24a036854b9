/* tests/unit/test_cdc_decode.c — the decoder on hand-made events: transactions, parts of them, resuming,
 * savepoints, XA. */
#include "base/crc32.h"
#include "tests/support/decode_feeder.h"

static void transactions_come_as_begin_rows_commit(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    gtid(&f, 1);
    assert_true(query(&f, "BEGIN") && rows(&f, 3) && rows(&f, 2));
    xid(&f);
    gtid(&f, 2);
    assert_true(query(&f, "CREATE TABLE x (a INT)"));
    take(&f, true);
    assert_string_equal(f.seen, "B 0+3 3+2 C B D C ");
    stop(&f);
}

static void a_transaction_that_rolled_back_ends_in_rollback(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    gtid(&f, 1);
    assert_true(query(&f, "BEGIN") && rows(&f, 1) && query(&f, "ROLLBACK"));
    gtid(&f, 2);
    assert_true(query(&f, "BEGIN") && rows(&f, 1));
    gtid(&f, 3); /* the one before was cut off */
    take(&f, true);
    assert_string_equal(f.seen, "B 0+1 R B 0+1 R ");
    stop(&f);
}

static void big_transactions_come_in_slices(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 1072, NULL);
    gtid(&f, 1);
    assert_true(query(&f, "BEGIN"));
    for (int i = 0; i < 3; i++) {
        assert_true(rows(&f, 150));
        take(&f, false);
    }
    xid(&f);
    take(&f, true);
    assert_string_equal(f.seen, "B 0+150 / 150+150 / 300+150 C ");
    stop(&f);
}

static void resuming_marks_what_was_delivered(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, "MySQL56/30313233-3435-3637-3839-616263646566:1@binlog.000001:4+4");
    gtid(&f, 2);
    assert_true(query(&f, "BEGIN") && rows(&f, 3) && rows(&f, 3));
    xid(&f);
    gtid(&f, 3);
    assert_true(query(&f, "BEGIN") && rows(&f, 2));
    xid(&f);
    take(&f, true);
    assert_string_equal(f.seen, "B 0+3s 3+1s 4+2 C B 0+2 C ");
    char *text = position_text(cdc_decoder_position(f.d));
    assert_non_null(strstr(text, ":1-3@"));
    free(text);
    stop(&f);
}

static void rows_after_a_savepoint_can_be_taken_back(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    gtid(&f, 1);
    assert_true(query(&f, "BEGIN") && rows(&f, 1) && query(&f, "SAVEPOINT `s`") && rows(&f, 2));
    assert_true(query(&f, "ROLLBACK TO `s`") && rows(&f, 1));
    xid(&f);
    take(&f, true);
    assert_string_equal(f.seen, "B 0+1 1+1 C ");
    stop(&f);
}

/* Far more than is held in memory: 40 statements of 40,000 rows are 8 MB. */
static void any_number_of_rows_can_be_taken_back(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    gtid(&f, 1);
    assert_true(query(&f, "BEGIN") && rows(&f, 2) && query(&f, "SAVEPOINT a") && rows(&f, 3));
    for (int i = 0; i < 40; i++) {
        assert_true(i != 20 || query(&f, "SAVEPOINT b"));
        assert_true(rows(&f, 40000));
        take(&f, true);
    }
    assert_true(query(&f, "ROLLBACK TO b") && query(&f, "ROLLBACK WORK TO SAVEPOINT A"));
    assert_true(rows(&f, 1) && query(&f, "SAVEPOINT c") && rows(&f, 4));
    xid(&f);
    take(&f, true);
    assert_string_equal(f.seen, "B 0+2 / 2+1 3+4 C ");
    stop(&f);
}

static void held_rows_leave_with_a_rollback_or_a_cut(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    gtid(&f, 1);
    assert_true(query(&f, "BEGIN") && rows(&f, 1) && query(&f, "SAVEPOINT a") && rows(&f, 3) &&
                query(&f, "ROLLBACK"));
    gtid(&f, 2);
    assert_true(query(&f, "BEGIN") && query(&f, "SAVEPOINT a") && rows(&f, 3));
    gtid(&f, 3);
    assert_true(query(&f, "BEGIN") && rows(&f, 2));
    xid(&f);
    gtid(&f, 4);
    assert_true(query(&f, "BEGIN") && !query(&f, "ROLLBACK TO a"));
    assert_int_equal(f.e.code, ERR_LOG_UNSUPPORTED);
    take(&f, true);
    assert_string_equal(f.seen, "B 0+1 R B R B 0+2 C B / ");
    stop(&f);
}

/* What was held comes in batches of their usual size, as it would have without the savepoint. */
static void held_rows_are_taken_batch_by_batch(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 1024, NULL);
    gtid(&f, 1);
    assert_true(query(&f, "BEGIN") && query(&f, "SAVEPOINT a"));
    for (int i = 0; i < 3; i++)
        assert_true(rows(&f, 150));
    xid(&f);
    struct cdc_batch *b = cdc_decoder_take(f.d, false);
    assert_non_null(b);
    assert_true(b->ends_in_tx && b->n_changes <= 3);
    cdc_batch_unref(b);
    assert_true(cdc_decoder_in_transaction(f.d));
    gtid(&f, 2); /* a caller that did not take all */
    take(&f, true);
    assert_non_null(strstr(f.seen, "300+150 / C "));
    stop(&f);
}

static void held_bytes_have_a_limit(void **state)
{
    struct feeder f;
    struct cdc_decode_options o = {.held_max_bytes = 4096};
    (void)state;
    start(&f, 0, NULL);
    cdc_decoder_free(f.d);
    f.d = cdc_decoder_new(&o, NULL);
    assert_true(query(&f, "BEGIN") && query(&f, "SAVEPOINT a") && rows(&f, 700));
    assert_false(rows(&f, 200));
    assert_int_equal(f.e.code, ERR_LIMIT);
    assert_non_null(strstr(f.e.cure, "spill_max"));
    stop(&f);
}

static void prepared_transactions_are_published_at_their_commit(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    gtid(&f, 1);
    assert_true(query(&f, "XA START X'78',X'',1") && rows(&f, 2) &&
                query(&f, "XA END X'78',X'',1"));
    assert_true(feed(&f, 38, "\0\1\0\0\0\1\0\0\0\0\0\0\0x", 14));
    gtid(&f, 2);
    assert_true(query(&f, "BEGIN") && rows(&f, 1));
    xid(&f);
    gtid(&f, 3);
    assert_true(query(&f, "XA COMMIT X'78',X'',1"));
    take(&f, true);
    assert_string_equal(f.seen, "B C B 0+1 C B 0+2 C ");
    gtid(&f, 4);
    assert_false(query(&f, "XA COMMIT X'79',X'',1"));
    assert_non_null(strstr(f.e.text, "prepared before"));
    stop(&f);
}

struct older_log {
    struct feeder feeder;
    unsigned asked;
};

static struct cdc_prepared *older(void *ctx, const struct log_span *before, const char *xid,
                                  size_t n, struct err *e)
{
    struct older_log *o = ctx;
    o->asked++;
    assert_true(before->to.pos > 4);
    struct cdc_prepared *p = cdc_decoder_take_prepared(o->feeder.d, xid, n);
    if (!p)
        err_set(e, ERR_SRC_PURGED, "the log that has its XA PREPARE is purged");
    return p;
}

static void what_was_prepared_before_is_asked_for(void **state)
{
    struct older_log log = {0};
    struct feeder f;
    struct cdc_decode_options o = {.prepared = older, .prepared_ctx = &log};
    (void)state;
    start(&log.feeder, 0, NULL);
    gtid(&log.feeder, 1);
    assert_true(query(&log.feeder, "XA START X'78',X'',1") && rows(&log.feeder, 2) &&
                query(&log.feeder, "SAVEPOINT a") && rows(&log.feeder, 1) &&
                query(&log.feeder, "ROLLBACK TO a") && query(&log.feeder, "XA END X'78',X'',1") &&
                feed(&log.feeder, 38, "\0\1\0\0\0\1\0\0\0\0\0\0\0x", 14));
    start(&f, 0, NULL);
    cdc_decoder_free(f.d);
    f.d = cdc_decoder_new(&o, NULL);
    gtid(&f, 2);
    assert_true(query(&f, "XA COMMIT X'78',X'',1"));
    take(&f, true);
    assert_string_equal(f.seen, "B 0+2 C ");
    gtid(&f, 3);
    assert_false(query(&f, "XA COMMIT X'78',X'',1"));
    assert_int_equal(f.e.code, ERR_SRC_PURGED);
    assert_int_equal(log.asked, 2);
    stop(&f);
    stop(&log.feeder);
}

static void statements_name_their_table(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    gtid(&f, 1);
    assert_true(query(&f, "BEGIN") && query(&f, "INSERT INTO mysql.rds_heartbeat2 VALUES (1)"));
    assert_false(query(&f, "UPDATE t SET a = 1"));
    assert_int_equal(f.e.code, ERR_LOG_STATEMENT);
    assert_non_null(strstr(f.e.text, "d.t"));
    stop(&f);
}

static void unknown_events_stop_unless_ignorable(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    f.event.len = 0;
    static const uint8_t ignorable[19] = {1, 0, 0, 0, 90, 0, 0, 0,    0, 19,
                                          0, 0, 0, 0, 0,  0, 0, 0x80, 0};
    assert_true(cdc_decoder_feed(f.d, ignorable, sizeof ignorable, &f.e));
    assert_int_equal(cdc_decoder_stats(f.d)->skipped_events, 1);
    assert_false(feed(&f, 90, "", 0));
    assert_int_equal(f.e.code, ERR_LOG_UNSUPPORTED);
    stop(&f);
}

/* Three INTs; the image has the first, which is NULL, and the third. */
static void a_column_that_the_image_lacks_is_absent_and_not_null(void **state)
{
    static const uint8_t map[] = {9, 0, 0, 0, 0, 0, 1, 0, 1, 'd', 0, 1, 't', 0, 3, 3, 3, 3, 0, 7};
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    gtid(&f, 1);
    assert_true(query(&f, "BEGIN") && feed(&f, 19, map, sizeof map));
    assert_true(feed(&f, 30, "\x09\0\0\0\0\0\x01\0\x02\0\x03\x05\x01\x2a\0\0\0", 17));
    struct cdc_batch *b = cdc_decoder_take(f.d, true);
    assert_non_null(b);
    assert_int_equal(b->n_changes, 2);
    struct cdc_row *row = cdc_row_new(3);
    struct cdc_rows_iter it;
    cdc_rows_begin(&it, &b->changes[1].rows);
    assert_int_equal(cdc_rows_next(&it, NULL, row, &f.e), CDC_ROWS_ROW);
    assert_true(row->values[0].null && !row->values[0].absent);
    assert_true(row->values[1].absent && !row->values[1].null);
    assert_false(row->values[2].absent || row->values[2].null);
    assert_int_equal(cdc_value_i64(&row->values[2]), 42);
    cdc_row_free(row);
    cdc_batch_unref(b);
    stop(&f);
}

static void a_table_id_that_is_used_again_is_the_newer_table(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    gtid(&f, 1);
    assert_true(query(&f, "BEGIN") && rows(&f, 1));
    map_table(&f, 'u');
    assert_true(feed(&f, 30, "\x09\0\0\0\0\0\x01\0\x02\0\x01\xff\0\x07\0\0\0", 17));
    struct cdc_batch *b = cdc_decoder_take(f.d, true);
    assert_int_equal(b->n_changes, 3);
    assert_string_equal(b->changes[1].rows.table->name, "t");
    assert_string_equal(b->changes[2].rows.table->name, "u");
    cdc_batch_unref(b);
    stop(&f);
}

static uint64_t decoded_pos(const struct feeder *f)
{
    return cdc_decoder_position(f->d)->pos;
}

static void positions_are_taken_between_transactions_alone(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, "FilePos/binlog.000001:4");
    gtid(&f, 1);
    assert_true(query(&f, "BEGIN") && rows(&f, 1));
    xid(&f);
    uint64_t boundary = f.pos;
    assert_int_equal(decoded_pos(&f), boundary);
    gtid(&f, 2);
    assert_true(query(&f, "BEGIN") && rows(&f, 2));
    assert_int_equal(decoded_pos(&f), boundary);
    assert_int_equal(cdc_decoder_position(f.d)->seq, 2);
    xid(&f);
    assert_int_equal(decoded_pos(&f), f.pos);
    assert_int_equal(cdc_decoder_position(f.d)->seq, 0);
    stop(&f);
}

static void put_sum(uint8_t *event, size_t n)
{
    uint32_t crc = crc32_portable(0, event, n - 4);
    memcpy(event + n - 4, &crc, 4);
}

/* A format description that announces checksums. */
static void start_with_sums(struct feeder *f)
{
    uint8_t format[19 + 57 + 160 + 5] = {0};
    start(f, 0, NULL);
    format[4] = 15;
    format[9] = sizeof format;
    format[19] = 4;
    memcpy(format + 21, "8.0.30", 6);
    format[75] = 19;
    memset(format + 76, 8, 160);
    format[sizeof format - 5] = 1;
    put_sum(format, sizeof format);
    assert_true(cdc_decoder_feed(f->d, format, sizeof format, &f->e));
}

#define XID_BYTES (19 + 8 + 4)
static const uint8_t xid_event[XID_BYTES] = {100, 0, 0, 0, 16, 7, 0, 0, 0, XID_BYTES};

static void a_wrong_checksum_ends_the_stream(void **state)
{
    struct feeder f;
    uint8_t event[XID_BYTES];
    (void)state;
    start_with_sums(&f);
    memcpy(event, xid_event, sizeof event);
    put_sum(event, sizeof event);
    assert_true(cdc_decoder_feed(f.d, event, sizeof event, &f.e));
    event[20] ^= 1;
    assert_false(cdc_decoder_feed(f.d, event, sizeof event, &f.e));
    assert_int_equal(f.e.code, ERR_LOG_CHECKSUM);
    stop(&f);
}

/* Batches come where they come when events are fed one by one. */
static void events_that_lie_together_are_fed_until_there_is_a_batch(void **state)
{
    static const uint64_t good[1] = {0};
    struct feeder f;
    unsigned stops = 0;
    (void)state;
    start(&f, 1072, NULL);
    buf_reset(&f.event);
    f.gathers = true;
    gtid(&f, 1);
    (void)query(&f, "BEGIN");
    for (int i = 0; i < 3; i++)
        (void)rows(&f, 150);
    xid(&f);
    struct cdc_events events = {.bytes = f.event.data, .n = f.event.len, .good = good};
    for (; events.n > 0; stops++) {
        assert_true(cdc_decoder_feed_many(f.d, &events, &f.e));
        assert_true(events.n == 0 || cdc_decoder_has_batch(f.d));
        take(&f, false);
    }
    take(&f, true);
    assert_int_equal(stops, 3);
    assert_string_equal(f.seen, "B 0+150 / 150+150 / 300+150 C ");
    stop(&f);
}

/* All but those of the events 3, 64 and 66 were found right before: they alone are looked at. */
static void of_events_together_each_has_its_own_checksum(void **state)
{
    enum { EVENTS = 70 };
    static const uint64_t good[2] = {~(uint64_t)(1 << 3), 0x3a};
    (void)state;
    for (size_t wrong = 0; wrong < EVENTS; wrong++) {
        struct feeder f;
        uint8_t bytes[EVENTS][XID_BYTES];
        bool passes = wrong != 3 && wrong != 64 && wrong != 66;
        for (size_t i = 0; i < EVENTS; i++) {
            memcpy(bytes[i], xid_event, XID_BYTES);
            put_sum(bytes[i], XID_BYTES);
        }
        bytes[wrong][XID_BYTES - 1] ^= 1;
        start_with_sums(&f);
        struct cdc_events events = {.bytes = bytes[0], .n = sizeof bytes, .good = good};
        assert_int_equal(cdc_decoder_feed_many(f.d, &events, &f.e), passes);
        assert_int_equal(events.n, passes ? 0 : (EVENTS - 1 - wrong) * XID_BYTES);
        assert_true(passes || f.e.code == ERR_LOG_CHECKSUM);
        stop(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transactions_come_as_begin_rows_commit),
        cmocka_unit_test(a_transaction_that_rolled_back_ends_in_rollback),
        cmocka_unit_test(big_transactions_come_in_slices),
        cmocka_unit_test(resuming_marks_what_was_delivered),
        cmocka_unit_test(rows_after_a_savepoint_can_be_taken_back),
        cmocka_unit_test(any_number_of_rows_can_be_taken_back),
        cmocka_unit_test(held_rows_leave_with_a_rollback_or_a_cut),
        cmocka_unit_test(held_rows_are_taken_batch_by_batch),
        cmocka_unit_test(held_bytes_have_a_limit),
        cmocka_unit_test(what_was_prepared_before_is_asked_for),
        cmocka_unit_test(prepared_transactions_are_published_at_their_commit),
        cmocka_unit_test(statements_name_their_table),
        cmocka_unit_test(unknown_events_stop_unless_ignorable),
        cmocka_unit_test(a_column_that_the_image_lacks_is_absent_and_not_null),
        cmocka_unit_test(a_table_id_that_is_used_again_is_the_newer_table),
        cmocka_unit_test(positions_are_taken_between_transactions_alone),
        cmocka_unit_test(a_wrong_checksum_ends_the_stream),
        cmocka_unit_test(events_that_lie_together_are_fed_until_there_is_a_batch),
        cmocka_unit_test(of_events_together_each_has_its_own_checksum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
