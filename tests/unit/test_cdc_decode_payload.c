/* tests/unit/test_cdc_decode_payload.c — compressed transactions: packed in each way, larger than
 * the window they are unpacked through, and malformed. */
#include "tests/support/decode_feeder.h"

#include <zstd.h>

/* An event as it stands inside a payload: without checksum and position. */
static void put_inner(struct buf *out, uint8_t type, const void *body, size_t n)
{
    buf_put_le(out, 100, 4);
    buf_put_u8(out, type);
    buf_put_le(out, 7, 4);
    buf_put_le(out, 19 + n, 4);
    buf_put_le(out, 0, 6);
    buf_put(out, body, n);
}

static void put_begin(struct buf *out)
{
    struct buf body CLEANUP(buf_fini) = BUF_INIT;
    put_query(&body, "", 0, "BEGIN");
    put_inner(out, 2, body.data, body.len);
}

static void put_rows(struct buf *out, unsigned n)
{
    static const char map[] = "\x09\0\0\0\0\0\1\0\1d\0\1t\0\1\3\0\1";
    struct buf body CLEANUP(buf_fini) = BUF_INIT;
    put_inner(out, 19, BYTES(map));
    buf_put(&body, "\x09\0\0\0\0\0\1\0\2\0\1\xff", 12);
    for (unsigned i = 0; i < n; i++)
        buf_put(&body, "\0\7\0\0\0", 5);
    put_inner(out, 30, body.data, body.len);
}

/* BEGIN, rows, XID. */
static void put_transaction(struct buf *out, unsigned n_rows)
{
    put_begin(out);
    put_rows(out, n_rows);
    put_inner(out, 16, "12345678", 8);
}

static void put_number(struct buf *out, uint8_t type, uint64_t v)
{
    buf_put_u8(out, type);
    buf_put_u8(out, 5);
    buf_put_u8(out, 0xfd);
    buf_put_le(out, v, 3);
    buf_put_u8(out, 0); /* behind the number */
}

/* The event's body: fields, then the bytes packed by zstd or as they are. announced: unpacked size.
 */
static void put_payload(struct buf *body, const struct buf *events, bool packed, size_t announced)
{
    struct buf bytes CLEANUP(buf_fini) = BUF_INIT;
    if (packed) {
        size_t room = ZSTD_compressBound(events->len);
        uint8_t *to = buf_reserve(&bytes, room);
        bytes.len = ZSTD_compress(to, room, events->data, events->len, 1);
        assert_false(ZSTD_isError(bytes.len));
    } else {
        buf_put(&bytes, events->data, events->len);
    }
    buf_reset(body);
    buf_put(body, "\2\1", 2);
    buf_put_u8(body, packed ? 0 : 0xfc);
    if (!packed) {
        body->data[1] = 3;
        buf_put_le(body, 255, 2);
    }
    put_number(body, 3, announced);
    put_number(body, 77, 0); /* of a later version */
    put_number(body, 1, bytes.len);
    buf_put_u8(body, 0);
    buf_put(body, bytes.data, bytes.len);
}

static void payloads_unpack_in_each_form(void **state)
{
    (void)state;
    for (int packed = 0; packed < 2; packed++) {
        for (unsigned n_rows = 1; n_rows < 400000; n_rows = n_rows * 60 + 1) {
            struct feeder f;
            struct buf events CLEANUP(buf_fini) = BUF_INIT, body CLEANUP(buf_fini) = BUF_INIT;
            char want[40];
            start(&f, (size_t)8 << 20, NULL);
            put_transaction(&events, n_rows);
            put_payload(&body, &events, packed, events.len);
            gtid(&f, 1);
            assert_true(feed_buf(&f, 40, &body));
            snprintf(want, sizeof want, "B 0+%u C ", n_rows);
            assert_seen(&f, want);
            assert_false(cdc_decoder_failed(f.d, NULL));
            stop(&f);
        }
    }
}

static void rows_of_a_payload_are_numbered_through_it(void **state)
{
    struct buf events CLEANUP(buf_fini) = BUF_INIT, body CLEANUP(buf_fini) = BUF_INIT;
    struct feeder f;
    (void)state;
    put_begin(&events);
    put_rows(&events, 3);
    put_rows(&events, 2);
    put_inner(&events, 16, "12345678", 8);
    put_payload(&body, &events, true, events.len);
    start(&f, 0, NULL);
    gtid(&f, 1);
    assert_true(feed_buf(&f, 40, &body));
    struct cdc_batch *b = cdc_decoder_take(f.d, true);
    assert_int_equal(b->changes[1].rows.first_row, 0);
    assert_int_equal(b->changes[2].rows.first_row, 3);
    assert_int_equal(b->changes[1].log_pos, b->changes[2].log_pos);
    cdc_batch_unref(b);
    gtid(&f, 2);
    assert_true(query(&f, "BEGIN") && rows(&f, 3) && rows(&f, 2)); /* events of their own */
    b = cdc_decoder_take(f.d, true);
    assert_int_equal(b->changes[2].rows.first_row, 0);
    cdc_batch_unref(b);
    stop(&f);
}

/* What nobody took is unpacked before the next event; what nobody took at all is let go. */
static void a_payload_may_wait(void **state)
{
    struct buf events CLEANUP(buf_fini) = BUF_INIT, body CLEANUP(buf_fini) = BUF_INIT;
    struct feeder f;
    (void)state;
    put_begin(&events);
    for (int i = 0; i < 20; i++)
        put_rows(&events, 100);
    put_inner(&events, 16, "12345678", 8);
    put_payload(&body, &events, true, events.len);
    start(&f, 1024, NULL);
    gtid(&f, 1);
    assert_true(feed_buf(&f, 40, &body));
    gtid(&f, 2);
    assert_true(query(&f, "BEGIN") && rows(&f, 1));
    xid(&f);
    take(&f, true);
    const char *end = " 1800+100 / 1900+100 / C B 0+1 C ";
    assert_true(strlen(f.seen) > strlen(end));
    assert_string_equal(f.seen + strlen(f.seen) - strlen(end), end);
    gtid(&f, 3);
    assert_true(feed_buf(&f, 40, &body));
    stop(&f);
}

static const struct {
    const char *what, *body;
    size_t n;
    enum err_code code;
    const char *text;
} malformed[] = {
    {"no fields", BYTES(""), ERR_LOG_FORMAT, "beyond its 0 bytes"},
    {"fields without end", BYTES("\2\1\0"), ERR_LOG_FORMAT, "beyond its 3 bytes"},
    {"a field longer than the event", BYTES("\2\5\0"), ERR_LOG_FORMAT, "beyond its 3 bytes"},
    {"a later field longer than the event", BYTES("\x4d\5\0"), ERR_LOG_FORMAT,
     "beyond its 3 bytes"},
    {"a number that is cut", BYTES("\2\1\xfc\0\0"), ERR_LOG_FORMAT, "beyond its 5 bytes"},
    {"a size larger than the payload", BYTES("\2\1\0\1\1\5\0abc"), ERR_LOG_FORMAT,
     "beyond its 10 bytes"},
    {"a size smaller than the payload", BYTES("\2\1\0\1\1\2\0abc"), ERR_LOG_FORMAT,
     "beyond its 10 bytes"},
    {"another compression", BYTES("\2\1\1\3\1\5\1\1\3\0abc"), ERR_LOG_UNSUPPORTED,
     "payload compression 1"},
};

static void malformed_payloads_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        struct feeder f;
        start(&f, 0, NULL);
        bool ok = feed(&f, 40, malformed[i].body, malformed[i].n);
        if (ok)
            print_error("%s was accepted\n", malformed[i].what);
        assert_false(ok);
        assert_fails(&f, malformed[i].what, malformed[i].code, malformed[i].text);
        stop(&f);
    }
}

/* The events inside: the head is fine, and what follows is only looked at as batches are taken. */
static const struct {
    const char *what, *events;
    size_t n;
    int more; /* announced beyond what there is */
    enum err_code code;
    const char *text;
} inside[] = {
    {"an event without header", BYTES("12345"), 0, ERR_LOG_FORMAT, "ends inside an event"},
    {"less than was announced", BYTES(""), 5, ERR_LOG_FORMAT, "ends inside an event"},
    {"more than was announced", BYTES("12345"), -1, ERR_LOG_FORMAT, "holds more than it announces"},
    {"an event shorter than its header", BYTES("\0\0\0\0\3\0\0\0\0\x12\0\0\0\0\0\0\0\0\0"), 0,
     ERR_LOG_FORMAT, "an event of 18 bytes inside the payload"},
    {"an event longer than the payload", BYTES("\0\0\0\0\3\0\0\0\0\x14\0\0\0\0\0\0\0\0\0"), 0,
     ERR_LOG_FORMAT, "an event of 20 bytes inside the payload"},
    {"an event that is cut", BYTES("\0\0\0\0\3\0\0\0\0\x14\0\0\0\0\0\0\0\0\0"), 1, ERR_LOG_FORMAT,
     "ends inside an event"},
    {"a rotate event", BYTES("\0\0\0\0\4\0\0\0\0\x13\0\0\0\0\0\0\0\0\0"), 0, ERR_LOG_FORMAT,
     "an event of type 4 inside a payload"},
    {"a format description", BYTES("\0\0\0\0\x0f\0\0\0\0\x13\0\0\0\0\0\0\0\0\0"), 0, ERR_LOG_FORMAT,
     "an event of type 15 inside a payload"},
    {"a payload", BYTES("\0\0\0\0\x28\0\0\0\0\x13\0\0\0\0\0\0\0\0\0"), 0, ERR_LOG_FORMAT,
     "an event of type 40 inside a payload"},
    {"an event that is malformed", BYTES("\0\0\0\0\x10\0\0\0\0\x14\0\0\0\0\0\0\0\0\0\1"), 0,
     ERR_LOG_FORMAT, "payload → XID_EVENT → the event's fields go beyond its 1 bytes"},
};

static void malformed_events_inside_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * sizeof inside / sizeof *inside; i++) {
        const size_t k = i / 2;
        struct feeder f;
        struct buf events CLEANUP(buf_fini) = BUF_INIT, body CLEANUP(buf_fini) = BUF_INIT;
        if (i % 2 == 0 && inside[k].more != 0)
            continue; /* bytes that are not packed are as many as there are */
        start(&f, 0, k % 2 ? "FilePos/binlog.000001:4" : NULL);
        buf_put(&events, inside[k].events, inside[k].n);
        put_payload(&body, &events, i % 2, inside[k].n + (size_t)inside[k].more);
        assert_true(feed_buf(&f, 40, &body));
        assert_null(cdc_decoder_take(f.d, true));
        assert_true(cdc_decoder_failed(f.d, &f.e));
        assert_fails(&f, inside[k].what, inside[k].code, inside[k].text);
        if (k % 2)
            assert_non_null(strstr(f.e.text, "binlog.000001:"));
        assert_null(cdc_decoder_take(f.d, true));
        assert_false(feed(&f, 3, "", 0));
        stop(&f);
    }
}

/* Of an event of 300 KiB only the first half is there. */
static void a_large_event_that_is_cut_is_refused(void **state)
{
    struct buf events CLEANUP(buf_fini) = BUF_INIT, body CLEANUP(buf_fini) = BUF_INIT;
    struct feeder f;
    (void)state;
    put_transaction(&events, 60000);
    size_t whole = events.len;
    events.len /= 2;
    put_payload(&body, &events, true, whole);
    start(&f, 0, NULL);
    assert_true(feed_buf(&f, 40, &body));
    assert_false(feed(&f, 3, "", 0)); /* found out by whoever comes first */
    assert_fails(&f, "cut", ERR_LOG_FORMAT, "the payload ends inside an event");
    stop(&f);
}

static void bytes_that_are_not_zstd_are_refused(void **state)
{
    struct buf events CLEANUP(buf_fini) = BUF_INIT, body CLEANUP(buf_fini) = BUF_INIT;
    struct feeder f;
    (void)state;
    put_transaction(&events, 1000);
    put_payload(&body, &events, true, events.len);
    for (int damage = 0; damage < 2; damage++) {
        start(&f, 0, NULL);
        if (damage)
            memset(body.data + body.len - 20, 0xff, 20);
        else
            body.data[26] ^= 0xff; /* the frame's magic number */
        assert_true(feed_buf(&f, 40, &body));
        take(&f, true);
        assert_true(cdc_decoder_failed(f.d, &f.e));
        assert_fails(&f, "damaged", ERR_LOG_FORMAT, "the payload does not unpack");
        stop(&f);
    }
}

/* Its last block is missing: all that was announced came out, but the frame has no end. */
static void a_frame_without_its_end_is_refused(void **state)
{
    struct buf events CLEANUP(buf_fini) = BUF_INIT, body CLEANUP(buf_fini) = BUF_INIT;
    uint8_t packed[4096];
    struct feeder f;
    (void)state;
    put_transaction(&events, 3);
    ZSTD_CStream *stream = ZSTD_createCStream();
    assert_false(ZSTD_isError(ZSTD_initCStream(stream, 1)));
    ZSTD_inBuffer in = {events.data, events.len, 0};
    ZSTD_outBuffer out = {packed, sizeof packed, 0};
    assert_false(ZSTD_isError(ZSTD_compressStream2(stream, &out, &in, ZSTD_e_flush)));
    ZSTD_freeCStream(stream);
    buf_put(&body, "\2\1\0", 3);
    put_number(&body, 3, events.len);
    buf_put_u8(&body, 0); /* no size: to the event's end */
    buf_put(&body, packed, out.pos);
    start(&f, 0, NULL);
    assert_true(feed_buf(&f, 40, &body));
    assert_seen(&f, "B 0+3 C ");
    assert_true(cdc_decoder_failed(f.d, &f.e));
    assert_fails(&f, "no end", ERR_LOG_FORMAT, "the payload ends inside an event");
    stop(&f);
}

static void a_prepared_transaction_may_come_in_a_payload(void **state)
{
    struct buf events CLEANUP(buf_fini) = BUF_INIT, body CLEANUP(buf_fini) = BUF_INIT;
    struct feeder f;
    (void)state;
    put_query(&body, "", 0, "XA START X'78',X'',1");
    put_inner(&events, 2, body.data, body.len);
    put_rows(&events, 2);
    put_inner(&events, 38, "\1\1\0\0\0\1\0\0\0\0\0\0\0x", 14);
    put_payload(&body, &events, true, events.len);
    start(&f, 0, NULL);
    gtid(&f, 1);
    assert_true(feed_buf(&f, 40, &body));
    assert_seen(&f, "B 0+2 C ");
    assert_false(cdc_decoder_failed(f.d, NULL));
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(payloads_unpack_in_each_form),
        cmocka_unit_test(rows_of_a_payload_are_numbered_through_it),
        cmocka_unit_test(a_payload_may_wait),
        cmocka_unit_test(malformed_payloads_are_refused),
        cmocka_unit_test(malformed_events_inside_are_refused),
        cmocka_unit_test(a_large_event_that_is_cut_is_refused),
        cmocka_unit_test(bytes_that_are_not_zstd_are_refused),
        cmocka_unit_test(a_frame_without_its_end_is_refused),
        cmocka_unit_test(a_prepared_transaction_may_come_in_a_payload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
