/* tests/unit/test_cdc_decode_events.c — the small events: format description, rotate, heartbeats,
 * incidents, GTIDs of each kind; positions and checksums; and each way in which they are malformed.
 */
#include "base/crc32.h"
#include "tests/support/decode_feeder.h"

#define UUID16 "0123456789abcdef"

/* Each on a decoder of its own, as the first event behind the format description. */
static const struct {
    const char *what;
    uint8_t type;
    const char *body;
    size_t n;
    enum err_code code;
    const char *text;
} malformed[] = {
    {"a rotate without position", 4, BYTES("\4\0\0\0\0\0\0"), ERR_LOG_FORMAT,
     "log:245 → ROTATE_EVENT (type 4) → the event's fields go beyond its 7 bytes"},
    {"a rotate without name", 4, BYTES("\4\0\0\0\0\0\0\0"), ERR_LOG_FORMAT,
     "rotate event without a file name"},
    {"a rotate whose name is a control character", 4, BYTES("\4\0\0\0\0\0\0\0\1"), ERR_LOG_FORMAT,
     "rotate event without a file name"},
    {"an XID of seven bytes", 16, BYTES("\1\0\0\0\0\0\0"), ERR_LOG_FORMAT,
     "log:245 → XID_EVENT (type 16) → the event's fields go beyond its 7 bytes"},
    {"an incident of one byte", 26, BYTES("\1"), ERR_LOG_FORMAT, "beyond its 1 bytes"},
    {"an incident without text", 26, BYTES("\1\0"), ERR_LOG_INCIDENT,
     "the server recorded incident 1: "},
    {"an incident", 26, BYTES("\1\0\4lost"), ERR_LOG_INCIDENT,
     "the server recorded incident 1: lost"},
    {"an incident whose text is cut", 26, BYTES("\1\0\x20lost"), ERR_LOG_INCIDENT,
     "the server recorded incident 1: lost"},
    {"a heartbeat's field that is cut", 41, BYTES("\1\5abc"), ERR_LOG_FORMAT, "beyond its 5 bytes"},
    {"a heartbeat's number that is cut", 41, BYTES("\2\2\xfc\1"), ERR_LOG_FORMAT,
     "beyond its 4 bytes"},
    {"a heartbeat's field without length", 41, BYTES("\1"), ERR_LOG_FORMAT, "beyond its 1 bytes"},
    {"a heartbeat's field number that is none", 41, BYTES("\xff"), ERR_LOG_FORMAT,
     "beyond its 1 bytes"},
    {"a query text without its length", 29, BYTES(""), ERR_LOG_FORMAT, "beyond its 0 bytes"},
    {"LOAD of the oldest form", 6, BYTES(""), ERR_LOG_STATEMENT,
     "LOAD DATA was logged as a statement"},
    {"LOAD of the newer form", 12, BYTES(""), ERR_LOG_STATEMENT, "LOAD DATA"},
    {"LOAD as a statement, cut", 18, BYTES(""), ERR_LOG_FORMAT, "beyond its 0 bytes"},
    {"LOAD as a statement", 18,
     BYTES("\5\0\0\0\0\0\0\0\1\0\0\0\0"
           "\0\0\0\0\0\0\0\0\0\0\0\0\0"
           "d\0LOAD DATA INFILE 'x' INTO TABLE t (a)"),
     ERR_LOG_STATEMENT, "d.t was changed by a statement instead of row events (\"LOAD DATA"},
    {"a GTID without number", 33, BYTES("\1" UUID16 "\1\0\0\0\0\0\0"), ERR_LOG_FORMAT,
     "beyond its 24 bytes"},
    {"GTID number 0", 33, BYTES("\1" UUID16 "\0\0\0\0\0\0\0\0"), ERR_LOG_FORMAT,
     "transaction number 0"},
    {"GTID number 2^63 - 1", 33, BYTES("\1" UUID16 "\377\377\377\377\377\377\377\177"),
     ERR_LOG_FORMAT, "transaction number 9223372036854775807"},
    {"an original commit time that is cut", 33,
     BYTES("\1" UUID16 "\1\0\0\0\0\0\0\0"
           "\2" UUID16 "\1\0\0\0\0\0\x80\1\0\0"),
     ERR_LOG_FORMAT, "beyond its 52 bytes"},
    {"an empty tagged GTID", 42, BYTES(""), ERR_LOG_FORMAT, "beyond its 0 bytes"},
    {"a tagged GTID longer than the event", 42, BYTES("\2\10\2"), ERR_LOG_FORMAT,
     "beyond its 3 bytes"},
    {"a tagged GTID shorter than its head", 42, BYTES("\2\4\2"), ERR_LOG_FORMAT,
     "beyond its 3 bytes"},
    {"a tagged GTID of version 2", 42, BYTES("\4\6\2"), ERR_LOG_UNSUPPORTED,
     "tagged GTID format 2 needs field 1"},
    {"a tagged GTID that needs a later field", 42, BYTES("\2\6\34"), ERR_LOG_UNSUPPORTED,
     "tagged GTID format 1 needs field 14"},
    {"a tagged GTID without number", 42, BYTES("\2\6\30"), ERR_LOG_FORMAT, "transaction number 0"},
    {"a tagged GTID with a negative number", 42, BYTES("\2\12\30\4\2"), ERR_LOG_FORMAT,
     "transaction number 18446744073709551615"},
    {"a tagged GTID whose uuid is cut", 42, BYTES("\2\12\30\2\2"), ERR_LOG_FORMAT,
     "beyond its 5 bytes"},
    {"a tagged GTID whose uuid has a number for a byte", 42,
     BYTES("\2\54\30\2\1\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), ERR_LOG_FORMAT,
     "beyond its 22 bytes"},
    {"a tagged GTID whose tag is cut", 42, BYTES("\2\14\30\6\4t"), ERR_LOG_FORMAT,
     "beyond its 6 bytes"},
    {"a tag of 33 characters", 42, BYTES("\2\116\30\6\102aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\0"),
     ERR_LOG_FORMAT, "beyond its 39 bytes"},
    {"a tag that begins with a digit", 42, BYTES("\2\14\30\6\2\71"), ERR_LOG_FORMAT,
     "beyond its 6 bytes"},
    {"a tag in capitals", 42, BYTES("\2\14\30\6\2T"), ERR_LOG_FORMAT, "beyond its 6 bytes"},
    {"a tag with a brace", 42, BYTES("\2\14\30\6\2{"), ERR_LOG_FORMAT, "beyond its 6 bytes"},
    {"a tag with a colon", 42, BYTES("\2\16\30\6\4t:"), ERR_LOG_FORMAT, "beyond its 7 bytes"},
    {"a number of nine bytes that is cut", 42, BYTES("\2\12\30\4\377"), ERR_LOG_FORMAT,
     "beyond its 5 bytes"},
    {"a MariaDB GTID without flags", 162, BYTES("\1\0\0\0\0\0\0\0\0\0\0\0"), ERR_LOG_FORMAT,
     "beyond its 12 bytes"},
    {"a prepared transaction without format", 162, BYTES("\1\0\0\0\0\0\0\0\0\0\0\0\x40\1\0\0"),
     ERR_LOG_FORMAT, "beyond its 16 bytes"},
    {"a prepared transaction whose name is cut", 162,
     BYTES("\1\0\0\0\0\0\0\0\0\0\0\0\x42\1\0\0\0\0\0\0\0\1\0\0\0\3\2abcd"), ERR_LOG_FORMAT,
     "beyond its 31 bytes"},
    {"a GTID list without count", 163, BYTES("\1\0\0"), ERR_LOG_FORMAT, "beyond its 3 bytes"},
    {"a GTID list longer than the event", 163, BYTES("\1\0\0\0\0\0\0\0\1\0\0\0\7\0\0\0\0\0\0"),
     ERR_LOG_FORMAT, "beyond its 19 bytes"},
    {"previous GTIDs that are cut", 35, BYTES("\1\0\0\0\0\0\0\0"), ERR_LOG_FORMAT,
     "a binary GTID set of 8 bytes is malformed"},
    {"an XA_PREPARE without flags", 38, BYTES(""), ERR_LOG_FORMAT, "beyond its 0 bytes"},
    {"an XA_PREPARE of nothing", 38, BYTES("\0"), ERR_LOG_FORMAT, "XA_PREPARE without XA START"},
    {"an event that nobody knows", 90, BYTES("x"), ERR_LOG_UNSUPPORTED,
     "log:245 → UNKNOWN_EVENT (type 90) → events of type 90 cannot be decoded"},
};

static void malformed_events_end_in_an_error_that_says_where(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        struct feeder f;
        struct err again = ERR_INIT;
        start(&f, 0, NULL);
        bool ok = feed(&f, malformed[i].type, malformed[i].body, malformed[i].n);
        if (ok)
            print_error("%s was accepted\n", malformed[i].what);
        assert_false(ok);
        assert_fails(&f, malformed[i].what, malformed[i].code, malformed[i].text);
        assert_non_null(strstr(f.e.text, "log:245 → "));
        assert_true(cdc_decoder_failed(f.d, &again));
        assert_string_equal(again.text, f.e.text);
        assert_false(feed(&f, 3, "", 0)); /* dead for good */
        assert_string_equal(again.text, f.e.text);
        stop(&f);
    }
}

static void events_that_mean_nothing_here_are_passed_over(void **state)
{
    static const uint8_t types[] = {3, 5, 13, 14, 9, 11, 17, 28, 36, 37, 43, 161, 164};
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    for (size_t i = 0; i < sizeof types; i++)
        assert_true(feed(&f, types[i], "\1\2\3\4\5\6\7\10", 8));
    assert_true(feed(&f, 100, "padding", 7)); /* Aurora's */
    assert_seen(&f, "");
    assert_int_equal(cdc_decoder_stats(f.d)->skipped_events, 1);
    assert_int_equal(cdc_decoder_stats(f.d)->events[3], 1);
    assert_int_equal(cdc_decoder_stats(f.d)->bytes[3], 27);
    assert_false(cdc_decoder_failed(f.d, NULL));
    stop(&f);
}

/* ---- format description ---- */

static const struct {
    const char *what, *version;
    size_t at; /* byte of the body that is changed */
    uint8_t value;
    size_t n; /* of the body; 0: all */
    enum err_code code;
    const char *text;
} formats[] = {
    {"version 3", FEEDER_MYSQL, 0, 3, 0, ERR_LOG_UNSUPPORTED, "log format 3 with headers of 19"},
    {"headers of 20 bytes", FEEDER_MYSQL, 56, 20, 0, ERR_LOG_UNSUPPORTED,
     "log format 4 with headers of 20 bytes"},
    {"cut", FEEDER_MYSQL, 0, 4, 56, ERR_LOG_FORMAT, "beyond its 56 bytes"},
    {"no room for the checksum", FEEDER_MYSQL, 0, 4, 61, ERR_LOG_FORMAT, "beyond its 61 bytes"},
    {"algorithm 2", FEEDER_MYSQL, 217, 2, 0, ERR_LOG_UNSUPPORTED, "checksum algorithm 2"},
    {"a wrong checksum", FEEDER_MYSQL, 217, 1, 0, ERR_LOG_CHECKSUM, "checksum is 00000000"},
    {"algorithm 255: not known", FEEDER_MYSQL, 217, 255, 0, ERR_NONE, ""},
    {"a server older than checksums", "5.6.0-log", 217, 7, 0, ERR_NONE, ""},
    {"a server older than checksums, no table of lengths", "5.1.23", 0, 4, 57, ERR_NONE, ""},
    {"a MariaDB older than checksums", "5.2.99-MariaDB", 217, 7, 0, ERR_NONE, ""},
    {"the first MariaDB with checksums", "5.3.0-MariaDB", 217, 7, 0, ERR_LOG_UNSUPPORTED,
     "checksum algorithm 7"},
    {"the first MySQL with checksums", "5.6.1", 217, 7, 0, ERR_LOG_UNSUPPORTED,
     "checksum algorithm 7"},
    {"no version", "unknown", 217, 7, 0, ERR_NONE, ""},
};

static void format_descriptions_are_checked(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        struct feeder f;
        struct buf body CLEANUP(buf_fini) = BUF_INIT;
        start(&f, 0, NULL);
        put_format_body(&body, formats[i].version);
        body.data[formats[i].at] = formats[i].value;
        bool ok = feed(&f, 15, body.data, formats[i].n ? formats[i].n : body.len);
        if (ok != (formats[i].code == ERR_NONE))
            print_error("%s: %s\n", formats[i].what, ok ? "accepted" : f.e.text);
        assert_int_equal(ok, formats[i].code == ERR_NONE);
        if (!ok)
            assert_fails(&f, formats[i].what, formats[i].code, formats[i].text);
        stop(&f);
    }
}

static void a_servers_start_cuts_an_open_transaction_off(void **state)
{
    struct feeder f;
    struct buf body CLEANUP(buf_fini) = BUF_INIT;
    (void)state;
    start(&f, 0, NULL);
    put_format_body(&body, FEEDER_MARIADB);
    gtid(&f, 1);
    assert_true(query(&f, "BEGIN") && rows(&f, 1));
    assert_false(cdc_decoder_is_mariadb(f.d));
    assert_true(feed_buf(&f, 15, &body)); /* "created" 0: the same run, another connection */
    assert_true(cdc_decoder_is_mariadb(f.d) && cdc_decoder_in_transaction(f.d));
    body.data[52] = 1;
    assert_true(feed_buf(&f, 15, &body));
    assert_false(cdc_decoder_in_transaction(f.d));
    assert_seen(&f, "B 0+1 R ");
    stop(&f);
}

/* ---- checksums and headers ---- */

/* Its length and checksum set; "in use" is not part of a format description's checksum. */
static void seal(struct buf *event)
{
    uint32_t n = (uint32_t)event->len;
    uint8_t in_use = event->data[17];
    memcpy(event->data + 9, &n, 4);
    if (event->data[4] == 15)
        event->data[17] &= 0xfe;
    uint32_t crc = crc32_portable(0, event->data, n - 4);
    event->data[17] = in_use;
    memcpy(event->data + n - 4, &crc, 4);
}

static void put_sealed(struct buf *event, uint8_t type, uint32_t timestamp, uint16_t flags,
                       const struct buf *body)
{
    buf_reset(event);
    buf_put_le(event, timestamp, 4);
    buf_put_u8(event, type);
    buf_put_le(event, 7, 4);
    buf_put_le(event, 0, 8);
    buf_put_le(event, flags, 2);
    buf_put(event, body->data, body->len);
    if (type != 15)
        buf_put_le(event, 0, 4);
    seal(event);
}

static void checksums_are_those_of_the_format_description(void **state)
{
    struct feeder f;
    struct buf body CLEANUP(buf_fini) = BUF_INIT, event CLEANUP(buf_fini) = BUF_INIT;
    (void)state;
    start(&f, 0, NULL);
    put_format_body(&body, FEEDER_MYSQL);
    body.data[body.len - 5] = 1;
    put_sealed(&event, 15, 100, 1, &body);
    assert_true(cdc_decoder_feed(f.d, event.data, event.len, &f.e));
    buf_reset(&body);
    buf_put_str(&body, "12345678");
    put_sealed(&event, 16, 100, 0, &body);
    assert_true(cdc_decoder_feed(f.d, event.data, event.len, NULL));
    event.data[20] ^= 1;
    assert_false(cdc_decoder_feed(f.d, event.data, event.len, &f.e));
    assert_fails(&f, "a flipped bit", ERR_LOG_CHECKSUM, "XID_EVENT (type 16) → checksum is ");
    stop(&f);
}

/* gap_instead_of_error is for what cannot be decoded, not for what was damaged. */
static void a_wrong_checksum_is_never_a_gap(void **state)
{
    struct feeder f;
    struct buf body CLEANUP(buf_fini) = BUF_INIT, event CLEANUP(buf_fini) = BUF_INIT;
    struct cdc_decode_options o = {.gap_instead_of_error = true, .verify_checksum = true};
    (void)state;
    start_with(&f, &o, FEEDER_MYSQL, NULL);
    assert_true(feed(&f, 90, "x", 1));
    assert_seen(&f, "G ");
    put_format_body(&body, FEEDER_MYSQL);
    body.data[body.len - 5] = 1;
    put_sealed(&event, 15, 100, 0, &body);
    event.data[30] ^= 1;
    assert_false(cdc_decoder_feed(f.d, event.data, event.len, &f.e));
    assert_int_equal(f.e.code, ERR_LOG_CHECKSUM);
    stop(&f);
}

static void checksums_are_not_looked_at_when_nobody_wants_them(void **state)
{
    struct feeder f;
    struct buf body CLEANUP(buf_fini) = BUF_INIT;
    struct cdc_decode_options o = {.verify_checksum = false};
    (void)state;
    start_with(&f, &o, FEEDER_MYSQL, NULL);
    put_format_body(&body, FEEDER_MYSQL);
    body.data[body.len - 5] = 1;
    assert_true(feed_buf(&f, 15, &body));
    assert_true(feed(&f, 16, "12345678wrong", 12)); /* 8 bytes and a checksum */
    stop(&f);
}

/* What comes before any format description: a rotate, with or without a checksum. */
static void the_first_rotate_may_have_a_checksum_or_none(void **state)
{
    (void)state;
    for (int with = 0; with < 2; with++) {
        struct cdc_decode_options o = {.verify_checksum = true};
        struct feeder f = {.d = cdc_decoder_new(&o, NULL)};
        struct buf body CLEANUP(buf_fini) = BUF_INIT, event CLEANUP(buf_fini) = BUF_INIT;
        buf_put_le(&body, 4, 8);
        buf_put_str(&body, "binlog.000042");
        put_sealed(&event, 4, with ? 0 : 100, 0x20, &body);
        if (!with) {
            event.len -= 4;
            event.data[9] = (uint8_t)event.len;
        }
        assert_true(cdc_decoder_feed(f.d, event.data, event.len, &f.e));
        assert_string_equal(cdc_decoder_place(f.d).file, "binlog.000042");
        assert_int_equal(cdc_decoder_place(f.d).pos, 4);
        stop(&f);
    }
}

static void headers_are_checked(void **state)
{
    struct feeder f;
    static const uint8_t wrong[19] = {100, 0, 0, 0, 3, 7, 0, 0, 0, 20};
    (void)state;
    start(&f, 0, NULL);
    assert_false(cdc_decoder_feed(f.d, wrong, 18, &f.e));
    assert_fails(&f, "18 bytes", ERR_LOG_FORMAT,
                 "log:245: 18 bytes are less than an event's header");
    stop(&f);
    start(&f, 0, "FilePos/binlog.000001:4");
    assert_false(cdc_decoder_feed(f.d, wrong, 18, &f.e));
    assert_fails(&f, "18 bytes", ERR_LOG_FORMAT, "binlog.000001:245: 18 bytes are less");
    stop(&f);
    start(&f, 0, "FilePos/binlog.000001:4");
    assert_false(cdc_decoder_feed(f.d, wrong, 19, &f.e));
    assert_fails(
        &f, "a wrong length", ERR_LOG_FORMAT,
        "binlog.000001:245 → STOP_EVENT (type 3) → the header says 20 bytes, the event has "
        "19");
    stop(&f);
    cdc_decoder_free(NULL);
}

/* ---- positions ---- */

static struct log_place place_of(const struct feeder *f)
{
    return cdc_decoder_place(f->d);
}

static void rotate_to(struct feeder *f, uint64_t pos, const char *name)
{
    struct buf body CLEANUP(buf_fini) = BUF_INIT;
    buf_put_le(&body, pos, 8);
    buf_put_str(&body, name);
    assert_true(feed_buf(f, 4, &body));
}

/* The head of a file. */
static void format(struct feeder *f)
{
    CLEANUP(buf_fini) struct buf body = BUF_INIT;
    put_format_body(&body, FEEDER_MYSQL);
    assert_true(feed_buf(f, 15, &body));
}

static void positions_beyond_4_gib_are_counted(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    rotate_to(&f, UINT32_MAX - 30, "binlog.000002");
    f.pos = UINT32_MAX - 30;
    assert_true(feed(&f, 3, "", 0));
    assert_true(place_of(&f).pos == (uint64_t)UINT32_MAX - 11);
    assert_true(feed(&f, 3, "", 0)); /* its header's position has wrapped */
    assert_true(place_of(&f).pos == (uint64_t)UINT32_MAX + 8);
    f.pos += 1000; /* the server left something out */
    assert_true(feed(&f, 3, "", 0));
    assert_true(place_of(&f).pos == (uint64_t)UINT32_MAX + 1027);
    assert_string_equal(cdc_decoder_span(f.d).from.file, "binlog.000002");
    assert_true(cdc_decoder_span(f.d).from.pos == (uint64_t)UINT32_MAX + 1008);
    rotate_to(&f, UINT32_MAX - 30, "binlog.000003");
    f.pos = 500; /* left out across the boundary */
    assert_true(feed(&f, 3, "", 0));
    assert_true(place_of(&f).pos == (uint64_t)UINT32_MAX + 1 + 519);
    stop(&f);
}

static void positions_never_go_back_in_a_file(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    rotate_to(&f, 100000, "relay.000001");
    f.pos = 70000; /* a relay log: positions are the source's */
    assert_true(feed(&f, 3, "", 0));
    assert_int_equal(place_of(&f).pos, 100019);
    stop(&f);
}

static void artificial_events_take_no_room(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    rotate_to(&f, 1000, "binlog.000002");
    f.flags = 0x20;
    assert_true(feed(&f, 3, "", 0));
    assert_int_equal(place_of(&f).pos, 1000);
    f.flags = 0;
    assert_true(feed(&f, 27, "", 0) && feed(&f, 41, "", 0));
    assert_int_equal(place_of(&f).pos, 1000);
    f.timestamp = 0;
    rotate_to(&f, 4, "binlog.000003");
    assert_int_equal(place_of(&f).pos, 4);
    assert_seen(&f, "");
    format(&f);
    assert_seen(&f, "H "); /* of the first rotate, which the file ended in */
    stop(&f);
}

static void the_place_of_a_transaction_is_its_first_event(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, "FilePos/binlog.000001:4");
    gtid(&f, 1);
    assert_int_equal(place_of(&f).pos, FEEDER_FIRST);
    assert_true(query(&f, "BEGIN") && rows(&f, 1));
    assert_int_equal(place_of(&f).pos, FEEDER_FIRST);
    xid(&f);
    assert_int_equal(place_of(&f).pos, f.pos);
    stop(&f);
}

/* ---- heartbeats and rotates ---- */

static void heartbeats_move_the_position_between_transactions(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, "FilePos/binlog.000001:4");
    f.pos = 100000;
    assert_true(feed(&f, 27, "binlog.000002", 13));
    assert_string_equal(cdc_decoder_position(f.d)->file, "binlog.000002");
    assert_int_equal(cdc_decoder_position(f.d)->pos, 100013 + 19);
    assert_true(feed(&f, 27, "binlog.000002", 13)); /* the same file */
    assert_true(feed(&f, 41, "\1\15binlog.000003\2\3\xfc\0\x10\3\1x\0rest", 29));
    assert_string_equal(cdc_decoder_position(f.d)->file, "binlog.000003");
    assert_int_equal(cdc_decoder_position(f.d)->pos, 4096);
    /* without a name or a place nothing is said */
    assert_true(feed(&f, 41, "\1\15binlog.000009", 15) && feed(&f, 41, "\2\1\5", 3));
    f.pos = UINT32_MAX - 18; /* + 19: position 0 */
    assert_true(feed(&f, 27, "", 0));
    f.pos = UINT32_MAX - 18 - 13;
    assert_true(feed(&f, 27, "binlog.000009", 13));
    assert_seen(&f, "H H H ");
    assert_string_equal(cdc_decoder_position(f.d)->file, "binlog.000003");
    gtid(&f, 1);
    assert_true(feed(&f, 27, "binlog.000004", 13));
    assert_true(query(&f, "BEGIN") && feed(&f, 27, "binlog.000004", 13));
    assert_seen(&f, "B / ");
    stop(&f);
}

static void heartbeats_of_version_1_take_the_high_part_from_the_file(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    f.timestamp = 0;
    rotate_to(&f, (uint64_t)5 << 32, "binlog.000002");
    f.pos = 4096;
    assert_true(feed(&f, 27, "binlog.000002", 13));
    assert_true(cdc_decoder_position(f.d)->pos == ((uint64_t)5 << 32) + 4096 + 32);
    rotate_to(&f, ((uint64_t)6 << 32) - 100, "binlog.000002"); /* all events since were left out */
    f.pos = 4096;
    assert_true(feed(&f, 27, "binlog.000002", 13));
    assert_true(cdc_decoder_position(f.d)->pos == ((uint64_t)6 << 32) + 4096 + 32);
    stop(&f);
}

static void a_rotate_to_another_file_is_a_heartbeat(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, "FilePos/binlog.000001:4");
    rotate_to(&f, 4, "binlog.000002");
    assert_seen(&f, "");
    format(&f); /* only now its log is known */
    assert_seen(&f, "H ");
    assert_string_equal(cdc_decoder_position(f.d)->file, "binlog.000002");
    rotate_to(&f, 4, "binlog.000002"); /* the same */
    format(&f);
    f.flags = 0x20;
    rotate_to(&f, 4, "binlog.000003"); /* artificial */
    f.flags = 0;
    f.timestamp = 0;
    rotate_to(&f, 4, "binlog.000004");
    assert_seen(&f, "");
    assert_string_equal(place_of(&f).file, "binlog.000004");
    assert_string_equal(cdc_decoder_position(f.d)->file, "binlog.000002");
    stop(&f);
}

static void assert_at(const struct feeder *f, const char *want)
{
    char *text = position_text(cdc_decoder_position(f->d));
    assert_string_equal(text, want);
    free(text);
}

static void positions_name_the_log_that_their_file_is_of(void **state)
{
    struct cdc_decode_options o = {.verify_checksum = true, .server = "7"};
    struct feeder f;
    (void)state;
    start_with(&f, &o, FEEDER_MYSQL, "FilePos/binlog.000001:4~1.6.50"); /* before a fail-over */
    assert_at(&f, "FilePos/binlog.000001:4~1.6.50");
    gtid(&f, 1);
    xid(&f);
    assert_at(&f, "FilePos/binlog.000001:316~1.7.100");
    assert_int_equal(place_of(&f).begun, 100);
    rotate_to(&f, 4, "binlog.000002");
    assert_at(&f, "FilePos/binlog.000001:316~1.7.100");
    f.pos = 4;
    f.timestamp = 200;
    format(&f);
    assert_at(&f, "FilePos/binlog.000002:4~1.7.200");
    f.timestamp = 300;
    gtid(&f, 2);
    xid(&f);
    assert_at(&f, "FilePos/binlog.000002:316~1.7.200");
    assert_int_equal(cdc_decoder_span(f.d).from.begun, 100);
    stop(&f);
}

/* ---- GTIDs ---- */

/* Announces a transaction and opens it; its BEGIN. */
static void assert_begins(struct feeder *f, const char *want_gtid, uint64_t commit_us,
                          uint64_t original_us)
{
    CLEANUP(buf_fini) struct buf text = BUF_INIT;
    xid(f);
    struct cdc_batch *b = cdc_decoder_take(f->d, true);
    assert_non_null(b);
    assert_int_equal(b->changes[0].kind, CDC_BEGIN);
    gtid_print(&b->changes[0].begin.gtid, &text);
    assert_string_equal(buf_str(&text), want_gtid);
    assert_true(b->changes[0].begin.commit_us == commit_us);
    assert_true(b->changes[0].begin.original_commit_us == original_us);
    cdc_batch_unref(b);
}

#define UUID_TEXT "30313233-3435-3637-3839-616263646566"

static void gtids_of_each_version_are_read(void **state)
{
    static const char v56[] = "\1" UUID16 "\7\0\0\0\0\0\0\0";
    static const char v57[] = "\1" UUID16 "\7\0\0\0\0\0\0\0\2" UUID16;
    static const char v80[] = "\1" UUID16 "\7\0\0\0\0\0\0\0\2" UUID16 "\5\0\0\0\0\0\0";
    static const char copy[] =
        "\1" UUID16 "\7\0\0\0\0\0\0\0\2" UUID16 "\5\0\0\0\0\0\x80\3\0\0\0\0\0\0";
    static const char other[] = "\1" UUID16 "\7\0\0\0\0\0\0\0\1" UUID16 "\5\0\0\0\0\0\0";
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    assert_true(feed(&f, 33, BYTES(v56)));
    assert_begins(&f, UUID_TEXT ":7", 0, 0);
    assert_true(feed(&f, 33, BYTES(v57)));
    assert_begins(&f, UUID_TEXT ":7", 0, 0);
    assert_true(feed(&f, 33, BYTES(v80)));
    assert_begins(&f, UUID_TEXT ":7", 5, 5);
    assert_true(feed(&f, 33, BYTES(copy)));
    assert_begins(&f, UUID_TEXT ":7", 5, 3);
    assert_true(feed(&f, 33, BYTES(other))); /* another kind of timestamps */
    assert_begins(&f, UUID_TEXT ":7", 0, 0);
    assert_true(feed(&f, 34, "\1" UUID16 "\0\0\0\0\0\0\0\0", 25));
    assert_begins(&f, "", 0, 0);
    stop(&f);
}

static void put_head(struct buf *body, size_t n_fields)
{
    buf_put_u8(body, 2);
    buf_put_u8(body, (uint8_t)((3 + n_fields) << 1));
    buf_put_u8(body, 12 << 1);
}

static void tagged_gtids_are_read(void **state)
{
    static const char fields[] = "\0\0"
                                 "\2````````````````" /* 16 × 0x30 as a number */
                                 "\4\34"              /* 7 */
                                 "\6\10ab_9"
                                 "\10\2\12\4"
                                 "\14\12\16\6"
                                 "\20\2\22\2\24\2\26\2";
    static const char large[] = "\4\377\2\0\0\0\0\0\0\1" /* 2^56 + 2: half of it */
                                "\30\0\1\2";             /* a field of a later version */
    struct feeder f;
    struct buf body CLEANUP(buf_fini) = BUF_INIT;
    (void)state;
    start(&f, 0, NULL);
    put_head(&body, sizeof fields - 1);
    buf_put(&body, BYTES(fields));
    buf_put_str(&body, "behind the fields");
    assert_true(feed_buf(&f, 42, &body));
    assert_begins(&f, "30303030-3030-3030-3030-303030303030:ab_9:7", 5, 3);
    buf_reset(&body);
    put_head(&body, sizeof large - 1);
    buf_put(&body, BYTES(large));
    assert_true(feed_buf(&f, 42, &body));
    assert_begins(&f, "00000000-0000-0000-0000-000000000000:36028797018963969", 0, 0);
    buf_reset(&body);
    put_head(&body, 1 + 32 + 2);
    buf_put_u8(&body, 2);
    for (int i = 0; i < 16; i++)
        buf_put(&body, "\375\3", 2); /* 0xff takes two bytes */
    buf_put(&body, "\4\4", 2);
    assert_true(feed_buf(&f, 42, &body));
    assert_begins(&f, "ffffffff-ffff-ffff-ffff-ffffffffffff:1", 0, 0);
    stop(&f);
}

static void mariadb_gtids_are_read(void **state)
{
    struct feeder f;
    (void)state;
    start_mariadb(&f);
    assert_true(feed(&f, 162, "\x2a\0\0\0\0\0\0\0\5\0\0\0\4", 13));
    assert_begins(&f, "5-7-42", 100000000, 100000000);
    assert_true(feed(&f, 162, "\x2b\0\0\0\0\0\0\0\5\0\0\0\1", 13)); /* stands alone */
    assert_seen(&f, "");
    assert_true(query(&f, "CREATE TABLE t (a INT)"));
    assert_seen(&f, "B D C ");
    stop(&f);
}

static void the_head_of_a_file_gives_the_set_when_none_is_known(void **state)
{
    static const char set[] = "\1\0\0\0\0\0\0\0" UUID16 "\1\0\0\0\0\0\0\0"
                              "\1\0\0\0\0\0\0\0\6\0\0\0\0\0\0\0";
    static const char list[] = "\2\0\0\0\0\0\0\0\1\0\0\0\7\0\0\0\0\0\0\0"
                               "\1\0\0\0\2\0\0\0\11\0\0\0\0\0\0\0";
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    f.flags = 0x20;
    assert_true(feed(&f, 35, BYTES(set))); /* made up by the server for this connection */
    assert_null(cdc_decoder_position(f.d)->gtids);
    f.flags = 0;
    gtid(&f, 9);
    assert_true(feed(&f, 35, BYTES(set))); /* not at the head */
    assert_null(cdc_decoder_position(f.d)->gtids);
    assert_true(query(&f, "BEGIN") && feed(&f, 35, BYTES(set)));
    assert_null(cdc_decoder_position(f.d)->gtids);
    xid(&f);
    assert_true(feed(&f, 35, BYTES(set)));
    char *text = position_text(cdc_decoder_position(f.d));
    assert_non_null(strstr(text, UUID_TEXT ":1-5"));
    free(text);
    assert_true(feed(&f, 35, "\0\0\0\0\0\0\0\0", 8)); /* known now */
    text = position_text(cdc_decoder_position(f.d));
    assert_non_null(strstr(text, UUID_TEXT ":1-5"));
    free(text);
    stop(&f);
    start_mariadb(&f);
    assert_true(feed(&f, 163, BYTES(list)) && feed(&f, 163, "\0\0\0\0", 4));
    text = position_text(cdc_decoder_position(f.d));
    assert_non_null(strstr(text, "0-1-7,1-2-9"));
    free(text);
    stop(&f);
}

/* ---- the texts of statements ---- */

static void the_text_of_a_statement_goes_with_its_rows(void **state)
{
    struct cdc_decode_options o = {.want_query = true};
    struct feeder f;
    (void)state;
    start_with(&f, &o, FEEDER_MYSQL, NULL);
    assert_true(feed(&f, 29, "\7outside", 8)); /* no transaction is open */
    gtid(&f, 1);
    assert_true(query(&f, "BEGIN") && feed(&f, 29, "\3one", 4) && rows(&f, 1));
    assert_true(feed(&f, 160, "two", 3) && rows(&f, 1));
    struct cdc_batch *b = cdc_decoder_take(f.d, true);
    assert_int_equal(b->n_changes, 3);
    assert_string_equal(b->changes[0].begin.query, "one");
    assert_string_equal(b->changes[1].rows.query, "one");
    assert_string_equal(b->changes[2].rows.query, "two");
    cdc_batch_unref(b);
    assert_true(feed(&f, 160, "three", 5) && rows(&f, 1)); /* BEGIN was in the batch before */
    b = cdc_decoder_take(f.d, true);
    assert_int_equal(b->n_changes, 1);
    assert_string_equal(b->changes[0].rows.query, "three");
    cdc_batch_unref(b);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_events_end_in_an_error_that_says_where),
        cmocka_unit_test(events_that_mean_nothing_here_are_passed_over),
        cmocka_unit_test(format_descriptions_are_checked),
        cmocka_unit_test(a_servers_start_cuts_an_open_transaction_off),
        cmocka_unit_test(checksums_are_those_of_the_format_description),
        cmocka_unit_test(a_wrong_checksum_is_never_a_gap),
        cmocka_unit_test(checksums_are_not_looked_at_when_nobody_wants_them),
        cmocka_unit_test(the_first_rotate_may_have_a_checksum_or_none),
        cmocka_unit_test(headers_are_checked),
        cmocka_unit_test(positions_beyond_4_gib_are_counted),
        cmocka_unit_test(positions_never_go_back_in_a_file),
        cmocka_unit_test(artificial_events_take_no_room),
        cmocka_unit_test(the_place_of_a_transaction_is_its_first_event),
        cmocka_unit_test(heartbeats_move_the_position_between_transactions),
        cmocka_unit_test(heartbeats_of_version_1_take_the_high_part_from_the_file),
        cmocka_unit_test(a_rotate_to_another_file_is_a_heartbeat),
        cmocka_unit_test(positions_name_the_log_that_their_file_is_of),
        cmocka_unit_test(gtids_of_each_version_are_read),
        cmocka_unit_test(tagged_gtids_are_read),
        cmocka_unit_test(mariadb_gtids_are_read),
        cmocka_unit_test(the_head_of_a_file_gives_the_set_when_none_is_known),
        cmocka_unit_test(the_text_of_a_statement_goes_with_its_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
