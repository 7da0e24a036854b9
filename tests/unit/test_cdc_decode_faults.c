/* tests/unit/test_cdc_decode_faults.c — logs as crashes, other versions and attackers leave them:
 * what other readers lost, doubled or took for something else. tests/ledger.tsv says whose bug each
 * of these is. */
#include "base/mem.h"
#include "cdc/log/jsonb.h"
#include "cdc/log/value.h"
#include "tests/support/feed_log.h"

#include <zlib.h>
#include <zstd.h>

/* ---- transactions ---- */

static void rows_without_a_table_map_are_an_error(void **state)
{
    struct feed f;
    (void)state;
    feed_begin(&f, FEED_MYSQL, NULL, false);
    assert_true(feed_gtid(&f, 1) && feed_query(&f, "BEGIN"));
    assert_false(feed_rows_alone(&f, 1));
    assert_int_equal(f.e.code, ERR_LOG_FORMAT);
    assert_int_equal(f.e.class_, ERR_CLASS_FATAL); /* not tried again and again */
    assert_non_null(strstr(f.e.text, "without a table map"));
    feed_end(&f);
}

static void a_transaction_that_ends_in_a_query_is_whole(void **state)
{
    struct feed f;
    (void)state;
    feed_begin(&f, FEED_MYSQL, "FilePos/binlog.000001:4", false);
    assert_true(feed_gtid(&f, 1) && feed_query(&f, "BEGIN") && feed_rows(&f, 2));
    assert_true(feed_query(&f, "COMMIT")); /* and nothing follows */
    feed_take(&f);
    assert_string_equal(f.seen, "B 0+2 C ");
    assert_int_equal(cdc_decoder_position(f.d)->pos, f.pos);
    feed_end(&f);
}

/* Four rows of a transaction were delivered; the server crashed and rolled it back. */
static void what_is_to_be_skipped_ends_with_its_transaction(void **state)
{
    struct feed f;
    (void)state;
    feed_begin(&f, FEED_MYSQL, "MySQL56/30313233-3435-3637-3839-616263646566:1@binlog.000001:4+4",
               false);
    assert_true(feed_gtid(&f, 2) && feed_query(&f, "BEGIN") && feed_rows(&f, 3));
    assert_true(feed_rotate(&f, "binlog.000002") && feed_format(&f, FEED_MYSQL, false, 1));
    char *text = position_text(cdc_decoder_position(f.d));
    assert_non_null(strstr(text, ":1@")); /* without the second, which never came to be */
    free(text);
    assert_true(feed_gtid(&f, 2) && feed_query(&f, "BEGIN") && feed_rows(&f, 2) && feed_xid(&f));
    feed_take(&f);
    assert_string_equal(f.seen, "B 0+3s R H B 0+2 C ");
    assert_string_equal(cdc_decoder_position(f.d)->file, "binlog.000002");
    assert_int_equal(cdc_decoder_position(f.d)->seq, 0);
    feed_end(&f);
}

static void a_prepared_transaction_that_is_rolled_back_leaves_nothing(void **state)
{
    struct feed f;
    (void)state;
    feed_begin(&f, FEED_MYSQL, NULL, false);
    assert_true(feed_gtid(&f, 1) && feed_query(&f, "XA START X'78',X'',1") && feed_rows(&f, 2));
    assert_true(feed_query(&f, "XA END X'78',X'',1"));
    assert_true(feed_event(&f, 38, "\0\1\0\0\0\1\0\0\0\0\0\0\0x", 14));
    assert_true(feed_gtid(&f, 2) && feed_query(&f, "XA ROLLBACK X'78',X'',1"));
    assert_true(feed_gtid(&f, 3) && feed_query(&f, "BEGIN") && feed_rows(&f, 1) && feed_xid(&f));
    feed_take(&f);
    assert_string_equal(f.seen, "B C B C B 0+1 C ");
    assert_true(feed_gtid(&f, 4)); /* the rolled-back one is gone, not waiting */
    assert_false(feed_query(&f, "XA COMMIT X'78',X'',1"));
    feed_end(&f);
}

/* A set that stands still says nothing about anonymous transactions; file and position do. */
static void anonymous_transactions_move_the_position(void **state)
{
    struct feed f;
    (void)state;
    feed_begin(&f, FEED_MYSQL, "MySQL56/30313233-3435-3637-3839-616263646566:1-5@binlog.000001:4",
               false);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(feed_gtid(&f, 0) && feed_query(&f, "BEGIN") && feed_rows(&f, 1));
        assert_true(feed_xid(&f));
        assert_int_equal(cdc_decoder_position(f.d)->pos, f.pos);
    }
    char *text = position_text(cdc_decoder_position(f.d));
    assert_non_null(strstr(text, ":1-5@"));
    free(text);
    feed_end(&f);
}

/* ---- positions ---- */

static void positions_beyond_four_gibibytes_are_followed(void **state)
{
    struct feed f;
    (void)state;
    feed_begin(&f, FEED_MYSQL, "FilePos/binlog.000001:4294967200", false);
    assert_true(feed_query(&f, "BEGIN") && feed_rows(&f, 30) && feed_xid(&f));
    assert_true(f.pos > UINT32_MAX);
    assert_int_equal(cdc_decoder_position(f.d)->pos, f.pos);
    assert_true(feed_query(&f, "BEGIN") && feed_rows(&f, 1) && feed_xid(&f));
    assert_int_equal(cdc_decoder_position(f.d)->pos, f.pos);
    feed_end(&f);
}

static void headers_without_a_position_are_counted(void **state)
{
    struct feed f;
    (void)state;
    feed_begin(&f, FEED_MARIADB, "FilePos/binlog.000001:4", false);
    for (uint64_t seq = 1; seq < 3; seq++) {
        assert_true(feed_mariadb_gtid(&f, seq));
        f.hide_pos = true;
        assert_true(feed_rows(&f, 2));
        f.hide_pos = seq == 2; /* and even at the end */
        assert_true(feed_xid(&f));
        f.hide_pos = false;
        assert_int_equal(cdc_decoder_position(f.d)->pos, f.pos);
    }
    feed_end(&f);
}

static void rotations_real_and_artificial_name_the_file(void **state)
{
    struct feed f;
    (void)state;
    feed_begin(&f, FEED_MYSQL, NULL, false);
    f.flags = 0x20; /* artificial: opens a connection, takes no room */
    f.timestamp = 0;
    assert_true(feed_rotate(&f, "binlog.000007"));
    f.timestamp = 100;
    feed_take(&f);
    assert_string_equal(f.seen, "");
    assert_true(feed_query(&f, "BEGIN") && feed_rows(&f, 1) && feed_xid(&f));
    assert_string_equal(cdc_decoder_position(f.d)->file, "binlog.000007");
    assert_int_equal(cdc_decoder_position(f.d)->pos, f.pos);
    assert_true(feed_rotate(&f, "binlog.1000000"));
    assert_string_equal(cdc_decoder_position(f.d)->file,
                        "binlog.000007"); /* until its head is read */
    assert_true(feed_format(&f, FEED_MYSQL, false, 0));
    assert_string_equal(cdc_decoder_position(f.d)->file, "binlog.1000000");
    assert_int_equal(cdc_decoder_position(f.d)->pos, 4);
    feed_end(&f);
}

static void what_is_in_no_file_takes_no_room(void **state)
{
    static const char name[] = "binlog.000001";
    struct feed f;
    (void)state;
    feed_begin(&f, FEED_MYSQL, "FilePos/binlog.000001:4", false);
    for (unsigned i = 0; i < 3; i++) {
        uint64_t here = f.pos;
        f.pos -= 19 + sizeof name - 1; /* a heartbeat's header says where the log ends */
        assert_true(feed_event(&f, 27, name, sizeof name - 1));
        assert_int_equal(f.pos, here);
        f.hide_pos = true;
        assert_true(feed_query(&f, "BEGIN") && feed_rows(&f, 1) && feed_xid(&f));
        f.hide_pos = false;
        assert_int_equal(cdc_decoder_position(f.d)->pos, f.pos);
    }
    feed_end(&f);
}

/* ---- checksums ---- */

static void checksums_begin_with_the_file_that_has_them(void **state)
{
    struct feed f;
    (void)state;
    feed_begin(&f, FEED_MYSQL, NULL, false);
    assert_true(feed_query(&f, "BEGIN") && feed_rows(&f, 1) && feed_xid(&f));
    assert_true(feed_rotate(&f, "binlog.000002") && feed_format(&f, FEED_MYSQL, true, 0));
    assert_true(feed_query(&f, "BEGIN") && feed_rows(&f, 1) && feed_xid(&f));
    f.checksum = false; /* this one lacks it */
    assert_false(feed_query(&f, "BEGIN"));
    assert_int_equal(f.e.code, ERR_LOG_CHECKSUM);
    feed_end(&f);
}

static void an_event_too_short_for_its_checksum_is_refused(void **state)
{
    struct feed f;
    (void)state;
    for (size_t n = 0; n < 4; n++) {
        feed_begin(&f, FEED_MYSQL, NULL, true);
        f.checksum = false;
        assert_false(feed_event(&f, 3, "\0\0\0", n)); /* STOP */
        assert_int_equal(f.e.code, ERR_LOG_CHECKSUM);
        feed_end(&f);
    }
}

/* A file that is being written has "in use" set; its checksum was computed without. */
static void a_file_in_use_has_the_checksum_of_one_that_is_not(void **state)
{
    struct feed f;
    (void)state;
    for (unsigned flip = 0; flip < 2; flip++) {
        feed_begin(&f, FEED_MYSQL, NULL, true);
        struct buf event = BUF_INIT;
        buf_put(&event, f.event.data, f.event.len); /* the format description */
        event.data[17] |= 1;
        event.data[60] ^= (uint8_t)flip;
        assert_int_equal(cdc_decoder_feed(f.d, event.data, event.len, &f.e), !flip);
        if (flip)
            assert_int_equal(f.e.code, ERR_LOG_CHECKSUM);
        buf_fini(&event);
        feed_end(&f);
    }
}

/* ---- what stands in place of changes ---- */

static void an_incident_stops_at_its_place(void **state)
{
    struct feed f;
    char place[40];
    (void)state;
    feed_begin(&f, FEED_MYSQL, "FilePos/binlog.000003:4", false);
    assert_true(feed_query(&f, "BEGIN") && feed_rows(&f, 1) && feed_xid(&f));
    snprintf(place, sizeof place, "binlog.000003:%llu", (unsigned long long)f.pos);
    assert_false(feed_event(&f, 26, "\1\0\4lost", 7));
    assert_int_equal(f.e.code, ERR_LOG_INCIDENT);
    assert_non_null(strstr(f.e.text, place));
    assert_non_null(strstr(f.e.text, "lost"));
    feed_end(&f);
}

#define DUMMY "# Dummy event replacing event type %u that slave cannot handle."

/* MariaDB puts a comment in place of what a replica says it cannot read. */
static void a_dummy_in_place_of_rows_stops_the_stream(void **state)
{
    static const struct {
        unsigned type;
        bool harmless;
    } cases[] = {{160, true},  {161, true},  {163, true},  {165, false},
                 {166, false}, {168, false}, {171, false}, {172, false}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct feed f;
        char text[100];
        feed_begin(&f, FEED_MARIADB, NULL, false);
        assert_true(feed_mariadb_gtid(&f, 1));
        snprintf(text, sizeof text, DUMMY, cases[i].type);
        assert_int_equal(feed_query(&f, text), cases[i].harmless);
        if (!cases[i].harmless)
            assert_int_equal(f.e.code, ERR_LOG_UNSUPPORTED);
        feed_end(&f);
    }
}

static void a_dummy_that_hides_what_it_was_stops_the_stream(void **state)
{
    struct feed f;
    (void)state;
    for (size_t n = 1; n < 38; n++) { /* cut to the event that it replaced */
        char text[100];
        snprintf(text, sizeof text, DUMMY, 166);
        text[n] = 0;
        feed_begin(&f, FEED_MARIADB, NULL, false);
        assert_true(feed_mariadb_gtid(&f, 1));
        assert_false(feed_query(&f, text));
        feed_end(&f);
    }
}

/* ---- hostile lengths ---- */

/* WRITE_ROWS_COMPRESSED_V1 of two rows whose unpacked length is claimed to be `claim`. */
static bool feed_compressed(struct feed *f, uint32_t claim)
{
    struct buf body = BUF_INIT, images = feed_images(2);
    uint8_t packed[100];
    uLongf n = sizeof packed;
    assert_int_equal(compress(packed, &n, images.data, images.len), Z_OK);
    buf_put(&body, "\x09\0\0\0\0\0\x01\0\x01\xff", 10);
    buf_put_u8(&body, 0x84);
    buf_put_be(&body, claim, 4);
    buf_put(&body, packed, n);
    bool ok = feed_map(f) && feed_event(f, 166, body.data, body.len);
    buf_fini(&images);
    buf_fini(&body);
    return ok;
}

static void a_compressed_block_is_as_long_as_it_says(void **state)
{
    static const uint32_t claims[] = {10, 0, 9, 11, 1u << 20, UINT32_MAX};
    struct feed f;
    (void)state;
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        feed_begin(&f, FEED_MARIADB, NULL, false);
        assert_true(feed_mariadb_gtid(&f, 1));
        assert_int_equal(feed_compressed(&f, claims[i]), claims[i] == 10);
        if (claims[i] == 10) {
            assert_true(feed_xid(&f));
            feed_take(&f);
            assert_string_equal(f.seen, "B 0+2 C ");
        } else {
            assert_int_equal(f.e.code, ERR_LOG_FORMAT);
        }
        feed_end(&f);
    }
}

/* TRANSACTION_PAYLOAD around `inner`, which is claimed to have `claim` bytes. */
static bool feed_payload(struct feed *f, const struct buf *inner, uint32_t claim)
{
    struct buf body = BUF_INIT;
    size_t cap = ZSTD_compressBound(inner->len);
    uint8_t *packed = mem_alloc(cap);
    size_t n = ZSTD_compress(packed, cap, inner->data, inner->len, 3);
    assert_false(ZSTD_isError(n));
    buf_put(&body, "\2\1\0\3\5\xfe", 6); /* zstd; the unpacked size in 8 bytes … */
    body.data[4] = 9;
    buf_put_le(&body, claim, 8);
    buf_put(&body, "\1\5\xfd", 3); /* … and the packed one in 3 */
    body.data[body.len - 2] = 4;
    buf_put_le(&body, n, 3);
    buf_put_u8(&body, 0);
    buf_put(&body, packed, n);
    bool ok = feed_event(f, 40, body.data, body.len);
    feed_take(f);
    ok = ok && !cdc_decoder_failed(f->d, &f->e);
    free(packed);
    buf_fini(&body);
    return ok;
}

static void put_inner(struct buf *out, uint8_t type, const void *body, size_t n)
{
    buf_put_le(out, 100, 4);
    buf_put_u8(out, type);
    buf_put_le(out, 7, 4);
    buf_put_le(out, 19 + n, 4);
    buf_put_le(out, 0, 6); /* no position of their own */
    buf_put(out, body, n);
}

static struct buf whole_transaction(void)
{
    static const uint8_t map[] = {9, 0, 0, 0, 0, 0, 1, 0, 1, 'd', 0, 1, 't', 0, 1, 3, 0, 1};
    struct buf out = BUF_INIT;
    put_inner(&out, 2, "\5\0\0\0\0\0\0\0\1\0\0\0\0d\0BEGIN", 20);
    put_inner(&out, 19, map, sizeof map);
    put_inner(&out, 30, "\x09\0\0\0\0\0\x01\0\x02\0\x01\xff\0\x07\0\0\0", 17);
    put_inner(&out, 16, "\1\0\0\0\0\0\0\0", 8);
    return out;
}

static void a_payloads_events_stand_where_it_does(void **state)
{
    struct feed f;
    struct buf inner = whole_transaction();
    (void)state;
    feed_begin(&f, FEED_MYSQL, "FilePos/binlog.000001:4", false);
    assert_true(feed_gtid(&f, 1));
    assert_true(feed_payload(&f, &inner, (uint32_t)inner.len));
    assert_string_equal(f.seen, "B 0+1 C ");
    assert_int_equal(cdc_decoder_position(f.d)->pos, f.pos);
    feed_end(&f);
    buf_fini(&inner);
}

static void a_payload_holds_what_it_says(void **state)
{
    struct feed f;
    struct buf inner = whole_transaction(), zeros = BUF_INIT;
    (void)state;
    memset(buf_reserve(&zeros, 8 << 20), 0, 8 << 20);
    zeros.len = 8 << 20; /* in a kilobyte */
    for (unsigned i = 0; i < 3; i++) {
        feed_begin(&f, FEED_MYSQL, NULL, false);
        assert_true(feed_gtid(&f, 1));
        bool ok = i == 0
                      ? feed_payload(&f, &zeros, 100)
                      : feed_payload(&f, &inner, (uint32_t)inner.len + (i == 1 ? 1 : UINT32_MAX));
        assert_false(ok);
        assert_int_equal(f.e.code, ERR_LOG_FORMAT);
        if (i != 1) /* nothing is missing in that one */
            assert_null(strstr(f.seen, "C"));
        feed_end(&f);
    }
    buf_fini(&inner);
    buf_fini(&zeros);
}

static void a_payload_inside_a_payload_is_refused(void **state)
{
    struct feed f;
    struct buf inner = BUF_INIT;
    (void)state;
    put_inner(&inner, 40, "\0", 1);
    feed_begin(&f, FEED_MYSQL, NULL, false);
    assert_true(feed_gtid(&f, 1));
    assert_false(feed_payload(&f, &inner, (uint32_t)inner.len));
    assert_int_equal(f.e.code, ERR_LOG_FORMAT);
    feed_end(&f);
    buf_fini(&inner);
}

/* Each length of a QUERY event at its largest: of the database's name and of the status variables.
 */
static void lengths_of_a_statement_stay_inside_it(void **state)
{
    struct feed f;
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        uint8_t body[] = "\5\0\0\0\0\0\0\0\1\0\0\0\0d\0BEGIN";
        body[i ? 11 : 8] = 0xff;
        body[12] = i ? 0xff : 0;
        feed_begin(&f, FEED_MYSQL, NULL, false);
        assert_false(feed_event(&f, 2, body, sizeof body - 1));
        assert_int_equal(f.e.code, ERR_LOG_FORMAT);
        feed_end(&f);
    }
}

/* Status variables that end inside one of them are of no harm: nothing of the text is lost. */
static void status_variables_may_be_of_another_version(void **state)
{
    static const uint8_t status[][3] = {{1, 0, 0}, {6, 200, 'x'}, {250, 1, 1}, {2, 9, 's'}};
    struct feed f;
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct buf body = BUF_INIT;
        buf_put(&body, "\5\0\0\0\0\0\0\0\1\0\0\3\0", 13);
        buf_put(&body, status[i], 3);
        buf_put(&body, "d\0CREATE TABLE x (a INT)", 24);
        feed_begin(&f, FEED_MYSQL, NULL, false);
        assert_true(feed_gtid(&f, 1) && feed_event(&f, 2, body.data, body.len));
        feed_take(&f);
        assert_string_equal(f.seen, "B D C ");
        feed_end(&f);
        buf_fini(&body);
    }
}

/* ---- values ---- */

static void json_text(const uint8_t *p, size_t n, const char *want)
{
    struct buf out = BUF_INIT;
    struct err e = ERR_INIT;
    assert_int_equal(jsonb_print(p, n, JSONB_STYLE_SERVER, &out, &e), want != NULL);
    if (want)
        assert_string_equal(buf_str(&out), want);
    buf_fini(&out);
}

static void decimals_below_one_keep_their_zero(void **state)
{
    static const struct {
        unsigned precision, scale;
        uint8_t bytes[6];
        size_t n;
        const char *text;
    } cases[] = {{10, 0, {0x80, 0, 0, 0, 0}, 5, "0"},
                 {1, 0, {0x80}, 1, "0"},
                 {1, 1, {0x81}, 1, "0.1"},
                 {5, 5, {0x7f, 0xff, 0xfe}, 3, "-0.00001"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out = BUF_INIT;
        assert_true(
            decimal_print(cases[i].bytes, cases[i].n, cases[i].precision, cases[i].scale, &out));
        assert_string_equal(buf_str(&out), cases[i].text);
        buf_fini(&out);
    }
    /* opaque NEWDECIMAL(1,1) inside a document */
    json_text((const uint8_t *)"\x0f\xf6\x03\x01\x01\x81", 6, "0.1");
}

static void documents_deeper_than_the_servers_are_refused(void **state)
{
    (void)state;
    static const size_t depths[] = {1, 100, JSONB_MAX_DEPTH, JSONB_MAX_DEPTH + 1, 4000};
    for (size_t k = 0; k < sizeof depths / sizeof *depths; k++) {
        size_t depth = depths[k];
        struct buf doc = BUF_INIT;
        buf_put_u8(&doc, 0x02); /* small arrays of one element each, the last one empty */
        for (size_t i = 1; i < depth; i++) {
            buf_put_le(&doc, 1, 2);
            buf_put_le(&doc, 7 * (depth - i) + 4, 2);
            buf_put(&doc, "\x02\x07", 3);
        }
        buf_put(&doc, "\0\0\x04", 4);
        struct buf out = BUF_INIT;
        struct err e = ERR_INIT;
        bool ok = jsonb_print(doc.data, doc.len, JSONB_STYLE_SERVER, &out, &e);
        assert_int_equal(ok, depth <= JSONB_MAX_DEPTH);
        if (ok)
            assert_int_equal(out.len, 2 * depth);
        buf_fini(&out);
        buf_fini(&doc);
    }
    assert_true(JSONB_MAX_DEPTH >= 100); /* what the server itself allows */
}

static void time_text(const uint8_t *p, size_t n, uint16_t digits, const char *want)
{
    struct schema_column c = {.type = SCHEMA_TYPE_TIME2, .meta = digits};
    struct cdc_value v = {.column = &c, .p = p, .n = n};
    struct cdc_datetime d;
    struct buf out = BUF_INIT;
    assert_true(cdc_value_datetime(&v, &d));
    cdc_datetime_print(&v, &d, &out);
    assert_string_equal(buf_str(&out), want);
    buf_fini(&out);
}

static void times_beyond_a_day_and_below_zero_are_kept(void **state)
{
    (void)state;
    /* 0x800000 + (hour << 12 | minute << 6 | second), negated as a whole with its fraction */
    time_text((const uint8_t *)"\x86\x40\x00", 3, 0, "100:00:00");
    time_text((const uint8_t *)"\xb4\x6e\xfb", 3, 0, "838:59:59");
    time_text((const uint8_t *)"\x4b\x91\x05", 3, 0, "-838:59:59");
    time_text((const uint8_t *)"\x79\xc0\x00\x00", 4, 1, "-100:00:00.0");
    time_text((const uint8_t *)"\x79\xbf\xff\xce", 4, 1, "-100:00:00.5");
    time_text((const uint8_t *)"\x7f\xff\xff\xff\xf6", 5, 3, "-00:00:00.001");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_without_a_table_map_are_an_error),
        cmocka_unit_test(a_transaction_that_ends_in_a_query_is_whole),
        cmocka_unit_test(what_is_to_be_skipped_ends_with_its_transaction),
        cmocka_unit_test(a_prepared_transaction_that_is_rolled_back_leaves_nothing),
        cmocka_unit_test(anonymous_transactions_move_the_position),
        cmocka_unit_test(positions_beyond_four_gibibytes_are_followed),
        cmocka_unit_test(headers_without_a_position_are_counted),
        cmocka_unit_test(rotations_real_and_artificial_name_the_file),
        cmocka_unit_test(what_is_in_no_file_takes_no_room),
        cmocka_unit_test(checksums_begin_with_the_file_that_has_them),
        cmocka_unit_test(an_event_too_short_for_its_checksum_is_refused),
        cmocka_unit_test(a_file_in_use_has_the_checksum_of_one_that_is_not),
        cmocka_unit_test(an_incident_stops_at_its_place),
        cmocka_unit_test(a_dummy_in_place_of_rows_stops_the_stream),
        cmocka_unit_test(a_dummy_that_hides_what_it_was_stops_the_stream),
        cmocka_unit_test(a_compressed_block_is_as_long_as_it_says),
        cmocka_unit_test(a_payloads_events_stand_where_it_does),
        cmocka_unit_test(a_payload_holds_what_it_says),
        cmocka_unit_test(a_payload_inside_a_payload_is_refused),
        cmocka_unit_test(lengths_of_a_statement_stay_inside_it),
        cmocka_unit_test(status_variables_may_be_of_another_version),
        cmocka_unit_test(decimals_below_one_keep_their_zero),
        cmocka_unit_test(documents_deeper_than_the_servers_are_refused),
        cmocka_unit_test(times_beyond_a_day_and_below_zero_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
