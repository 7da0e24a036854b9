/* tests/unit/test_cdc_decode_rows.c — row events of each kind: versions, operations, compressed
 * blocks, fragments, journals; and malformed ones. */
#include "cdc/log/change.h"
#include "tests/support/decode_feeder.h"

#include <zlib.h>

enum { INSERT, UPDATE, DELETE };

/* table id 9, flags: end of statement; version 2 has extra data. */
static void put_head(struct buf *body, bool v2)
{
    buf_put(body, "\x09\0\0\0\0\0\1\0", 8);
    if (v2)
        buf_put(body, "\5\0abc", 5);
}

/* One column, which is present in each image; one INT of 7, and for an UPDATE one of 8. */
static void put_images(struct buf *body, int op, bool compressed)
{
    static const char images[] = "\0\7\0\0\0\0\x08\0\0";
    size_t n = op == UPDATE ? 10 : 5;
    buf_put(body, "\1\xff\xff", op == UPDATE ? 3 : 2);
    if (!compressed) {
        buf_put(body, images, n);
        return;
    }
    uint8_t packed[100];
    uLongf packed_len = sizeof packed;
    assert_int_equal(compress(packed, &packed_len, (const Bytef *)images, n), Z_OK);
    buf_put_u8(body, 0x82);
    buf_put_be(body, n, 2);
    buf_put(body, packed, packed_len);
}

static const struct {
    uint8_t type;
    int op;
    bool v2, compressed;
} kinds[] = {
    {23, INSERT, false, false}, {24, UPDATE, false, false}, {25, DELETE, false, false},
    {30, INSERT, true, false},  {31, UPDATE, true, false},  {32, DELETE, true, false},
    {166, INSERT, false, true}, {167, UPDATE, false, true}, {168, DELETE, false, true},
    {169, INSERT, true, true},  {170, UPDATE, true, true},  {171, DELETE, true, true},
};

static void assert_one_row(struct feeder *f, int op)
{
    struct cdc_row *before = cdc_row_new(1), *after = cdc_row_new(1);
    struct cdc_rows_iter it;
    struct cdc_batch *b = cdc_decoder_take(f->d, true);
    assert_non_null(b);
    assert_int_equal(b->n_changes, 3);
    assert_int_equal(b->changes[1].rows.op, (enum cdc_op)op);
    cdc_rows_begin(&it, &b->changes[1].rows);
    assert_int_equal(cdc_rows_next(&it, before, after, &f->e), CDC_ROWS_ROW);
    assert_int_equal(before->values[0].absent, op == INSERT);
    assert_int_equal(after->values[0].absent, op == DELETE);
    if (op != INSERT)
        assert_int_equal(cdc_value_i64(&before->values[0]), 7);
    if (op != DELETE)
        assert_int_equal(cdc_value_i64(&after->values[0]), op == UPDATE ? 8 : 7);
    assert_int_equal(cdc_rows_next(&it, before, after, &f->e), CDC_ROWS_END);
    cdc_batch_unref(b);
    cdc_row_free(before);
    cdc_row_free(after);
}

static void row_events_of_each_kind_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct feeder f;
        struct buf body CLEANUP(buf_fini) = BUF_INIT;
        start_mariadb(&f);
        map_table(&f, 't');
        put_head(&body, kinds[i].v2);
        put_images(&body, kinds[i].op, kinds[i].compressed);
        assert_true(feed_buf(&f, kinds[i].type, &body));
        assert_one_row(&f, kinds[i].op);
        stop(&f);
    }
}

/* A consumer keeps its rows from one event to the next. */
static void kinds_may_follow_each_other_in_the_same_rows(void **state)
{
    static const int ops[] = {INSERT, DELETE, INSERT, UPDATE, DELETE,
                              UPDATE, INSERT, INSERT, DELETE};
    struct cdc_row *before = cdc_row_new(1), *after = cdc_row_new(1);
    struct cdc_rows_iter it;
    struct feeder f;
    size_t n = 0;
    (void)state;
    start_mariadb(&f);
    map_table(&f, 't');
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        struct buf body CLEANUP(buf_fini) = BUF_INIT;
        put_head(&body, true);
        put_images(&body, ops[i], false);
        assert_true(feed_buf(&f, (uint8_t)(30 + ops[i]), &body));
    }
    struct cdc_batch *b = cdc_decoder_take(f.d, true);
    for (size_t i = 0; i < b->n_changes; i++) {
        if (b->changes[i].kind != CDC_ROWS)
            continue;
        int op = ops[n++];
        cdc_rows_begin(&it, &b->changes[i].rows);
        assert_int_equal(cdc_rows_next(&it, before, after, &f.e), CDC_ROWS_ROW);
        assert_int_equal(before->values[0].absent, op == INSERT);
        assert_int_equal(after->values[0].absent, op == DELETE);
        assert_int_equal(op == INSERT ? 7 : cdc_value_i64(&before->values[0]), 7);
        assert_int_equal(op == DELETE ? 8 : cdc_value_i64(&after->values[0]), op == INSERT ? 7 : 8);
    }
    assert_int_equal(n, sizeof ops / sizeof *ops);
    cdc_batch_unref(b);
    cdc_row_free(before);
    cdc_row_free(after);
    stop(&f);
}

/* The first servers of 5.1 had ids of 4 bytes, which their format description says. */
static void table_ids_of_four_bytes_are_read(void **state)
{
    static const char map[] = "\x09\0\0\0\1\0\1d\0\1t\0\1\3\0\1";
    struct feeder f;
    struct buf body CLEANUP(buf_fini) = BUF_INIT;
    (void)state;
    start(&f, 0, NULL);
    put_format_body(&body, "5.1.5");
    body.data[57 + 18] = body.data[57 + 22] = 6;
    assert_true(feed_buf(&f, 15, &body));
    assert_true(feed(&f, 19, BYTES(map)));
    assert_true(feed(&f, 23, "\x09\0\0\0\1\0\1\xff\0\7\0\0\0", 13));
    assert_one_row(&f, INSERT);
    stop(&f);
}

static const struct {
    const char *what;
    uint8_t type;
    const char *body;
    size_t n;
    enum err_code code;
    const char *text;
} malformed[] = {
    {"no flags", 30, BYTES("\x09\0\0\0\0\0\1"), ERR_LOG_FORMAT, "beyond its 7 bytes"},
    {"no extra data", 30, BYTES("\x09\0\0\0\0\0\1\0\2"), ERR_LOG_FORMAT, "beyond its 9 bytes"},
    {"extra data shorter than its length", 30, BYTES("\x09\0\0\0\0\0\1\0\1\0\1\xff"),
     ERR_LOG_FORMAT, "beyond its 12 bytes"},
    {"extra data longer than the event", 30, BYTES("\x09\0\0\0\0\0\1\0\5\0\1\xff"), ERR_LOG_FORMAT,
     "beyond its 12 bytes"},
    {"no columns", 30, BYTES("\x09\0\0\0\0\0\1\0\2\0"), ERR_LOG_FORMAT, "beyond its 10 bytes"},
    {"a number of columns that is none", 30, BYTES("\x09\0\0\0\0\0\1\0\2\0\xff"), ERR_LOG_FORMAT,
     "beyond its 11 bytes"},
    {"65,536 columns", 30, BYTES("\x09\0\0\0\0\0\1\0\2\0\xfd\0\0\1"), ERR_LOG_FORMAT,
     "beyond its 14 bytes"},
    {"no bitmap", 30, BYTES("\x09\0\0\0\0\0\1\0\2\0\1"), ERR_LOG_FORMAT, "beyond its 11 bytes"},
    {"one bitmap of an UPDATE", 31, BYTES("\x09\0\0\0\0\0\1\0\2\0\1\xff"), ERR_LOG_FORMAT,
     "beyond its 12 bytes"},
    {"two columns of one", 30, BYTES("\x09\0\0\0\0\0\1\0\2\0\2\xff\0\7\0\0\0\7\0\0\0"),
     ERR_LOG_FORMAT, "d.t: 2 columns in the rows, 1 in the table map"},
    {"a table that was not announced", 30, BYTES("\x0a\0\0\0\0\0\1\0\2\0\1\xff\0\7\0\0\0"),
     ERR_LOG_FORMAT, "rows of table id 10 without a table map"},
    {"the end of a statement that does not end", 30, BYTES("\xff\xff\xff\0\0\0\0\0\2\0\1\xff"),
     ERR_LOG_FORMAT, "rows of table id 16777215 without a table map"},
    {"a row that is cut", 30, BYTES("\x09\0\0\0\0\0\1\0\2\0\1\xff\0\7\0\0"), ERR_LOG_FORMAT,
     "d.t.@ (column 1, type 3): value goes beyond the end of the event's after image"},
    {"a block without head", 169, BYTES("\x09\0\0\0\0\0\1\0\2\0\1\xff"), ERR_LOG_FORMAT,
     "d.t → a compressed block's head is not well-formed"},
    {"a block without length", 169, BYTES("\x09\0\0\0\0\0\1\0\2\0\1\xff\x80"), ERR_LOG_FORMAT,
     "d.t → a compressed block's head is not well-formed"},
    {"a block whose length is cut", 169, BYTES("\x09\0\0\0\0\0\1\0\2\0\1\xff\x82\0"),
     ERR_LOG_FORMAT, "d.t → a compressed block's head is not well-formed"},
    {"a length of five bytes", 169, BYTES("\x09\0\0\0\0\0\1\0\2\0\1\xff\x85\0\0\0\0\1"),
     ERR_LOG_FORMAT, "d.t → a compressed block's head is not well-formed"},
    {"another compression", 169, BYTES("\x09\0\0\0\0\0\1\0\2\0\1\xff\x91\1x"), ERR_LOG_UNSUPPORTED,
     "d.t → compression algorithm 1"},
    {"a block that claims too much", 169,
     BYTES("\x09\0\0\0\0\0\1\0\2\0\1\xff\x84\xff\xff\xff\xffx"), ERR_LOG_FORMAT,
     "d.t → a compressed block claims 4294967295 bytes out of 1"},
    {"a block that is no zlib stream", 169, BYTES("\x09\0\0\0\0\0\1\0\2\0\1\xff\x81\5xxxx"),
     ERR_LOG_FORMAT, "d.t → a compressed block does not unpack (zlib -3)"},
    {"a partial update of an unknown option", 39,
     BYTES("\x09\0\0\0\0\0\1\0\2\0\1\xff\xff\0\7\0\0\0\2\0\7\0\0\0"), ERR_LOG_FORMAT,
     "d.t: after image ends inside its head"},
    {"a fragment without flags", 172, BYTES("\1\0\0\0\1\0\0\0"), ERR_LOG_FORMAT,
     "beyond its 8 bytes"},
    {"a first fragment without size", 172, BYTES("\2\0\0\0\1\0\0\0\1\1\0\0"), ERR_LOG_FORMAT,
     "a row event in fragments of 0 bytes"},
    {"fragments of 2^62 bytes", 172, BYTES("\2\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\x40"), ERR_LOG_FORMAT,
     "a row event in fragments of 4611686018427387904 bytes"},
    {"a second fragment without the first", 172, BYTES("\2\0\0\0\2\0\0\0\0"), ERR_LOG_FORMAT,
     "fragment 2 of 2, 0 was expected"},
    {"a first fragment that does not say so", 172, BYTES("\2\0\0\0\1\0\0\0\0"), ERR_LOG_FORMAT,
     "fragment 1 of 2, 0 was expected"},
    {"a fragment of none", 172, BYTES("\0\0\0\0\1\0\0\0\1\5\0\0\0\0\0\0\0"), ERR_LOG_FORMAT,
     "fragment 1 of 0, 1 was expected"},
    {"a fragment longer than announced", 172, BYTES("\1\0\0\0\1\0\0\0\1\5\0\0\0\0\0\0\0abcdef"),
     ERR_LOG_FORMAT, "fragments are longer than announced"},
    {"fragments shorter than announced", 172,
     BYTES("\1\0\0\0\1\0\0\0\1\x20\0\0\0\0\0\0\0abcdefghijklmnopqrstuvw"), ERR_LOG_FORMAT,
     "fragments of 23 bytes, 32 were announced"},
    {"fragments of less than a header", 172, BYTES("\1\0\0\0\1\0\0\0\1\5\0\0\0\0\0\0\0abcde"),
     ERR_LOG_FORMAT, "fragments of 5 bytes, 5 were announced"},
    {"fragments of a rotate event", 172,
     BYTES("\1\0\0\0\1\0\0\0\1\x13\0\0\0\0\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
     ERR_LOG_FORMAT, "fragments of an event of type 4"},
    {"fragments of a type between those of rows", 172,
     BYTES("\1\0\0\0\1\0\0\0\1\x13\0\0\0\0\0\0\0\0\0\0\0\x1a\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
     ERR_LOG_FORMAT, "fragments of an event of type 26"},
    {"fragments of a GTID event", 172,
     BYTES("\1\0\0\0\1\0\0\0\1\x13\0\0\0\0\0\0\0\0\0\0\0\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
     ERR_LOG_FORMAT, "fragments of an event of type 33"},
    {"fragments of fragments", 172,
     BYTES("\1\0\0\0\1\0\0\0\1\x13\0\0\0\0\0\0\0\0\0\0\0\xac\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
     ERR_LOG_FORMAT, "fragments of an event of type 172"},
};

static void malformed_row_events_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        struct feeder f;
        start_mariadb(&f);
        map_table(&f, 't');
        bool ok = feed(&f, malformed[i].type, malformed[i].body, malformed[i].n);
        if (ok)
            print_error("%s was accepted\n", malformed[i].what);
        assert_false(ok);
        assert_fails(&f, malformed[i].what, malformed[i].code, malformed[i].text);
        stop(&f);
    }
}

static void an_event_may_only_end_the_statement(void **state)
{
    static const char end[] = "\xff\xff\xff\0\0\0\1\0\2\0\1\xff";
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    assert_true(feed(&f, 30, BYTES(end))); /* nothing is open */
    map_table(&f, 't');
    assert_true(feed(&f, 30, "\x09\0\0\0\0\0\0\0\2\0\1\xff\0\7\0\0\0", 17));
    assert_seen(&f, "B 0+1 / ");
    assert_true(feed(&f, 30, BYTES(end)));
    assert_seen(&f, "C ");
    stop(&f);
}

/* No rows at all, and a row that names no column. */
static void rows_may_have_no_bytes(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    map_table(&f, 't');
    assert_true(feed(&f, 30, "\x09\0\0\0\0\0\1\0\2\0\1\xff", 12));
    assert_seen(&f, "B C ");
    assert_true(feed(&f, 30, "\x09\0\0\0\0\0\1\0\2\0\1\0", 12));
    assert_seen(&f, "B 0+1 C ");
    stop(&f);
}

/* A counter of tables reaches the dummy's number: rows of a known map are rows. */
static void only_the_true_dummy_is_dropped(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    assert_true(feed(&f, 30, "\xff\xff\xff\0\0\0\1\0\2\0\1\xff", 12));
    assert_seen(&f, "");
    assert_true(feed(&f, 19, "\xff\xff\xff\0\0\0\1\0\1d\0\1t\0\1\3\0\1", 18));
    assert_true(feed(&f, 30, "\xff\xff\xff\0\0\0\1\0\2\0\1\xff\0\7\0\0\0", 17));
    assert_seen(&f, "B 0+1 C ");
    stop(&f);
}

/* ---- fragments ---- */

static void put_fragment(struct buf *body, unsigned total, unsigned seq, const struct buf *whole,
                         size_t from, size_t to)
{
    buf_reset(body);
    buf_put_le(body, total, 4);
    buf_put_le(body, seq, 4);
    buf_put_u8(body, seq == 1);
    if (seq == 1)
        buf_put_le(body, whole->len, 8);
    buf_put(body, whole->data + from, to - from);
}

static void fragments_are_joined(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct feeder f;
        struct buf whole CLEANUP(buf_fini) = BUF_INIT, part CLEANUP(buf_fini) = BUF_INIT;
        start_mariadb(&f);
        map_table(&f, 't');
        buf_put_le(&whole, 100, 4);
        buf_put_u8(&whole, kinds[i].type);
        buf_put_le(&whole, 7, 4);
        for (int k = 0; k < 10; k++)
            buf_put_u8(&whole, 0);
        put_head(&whole, kinds[i].v2);
        put_images(&whole, kinds[i].op, kinds[i].compressed);
        put_fragment(&part, 3, 1, &whole, 0, 10);
        assert_true(feed_buf(&f, 172, &part));
        put_fragment(&part, 3, 2, &whole, 10, 20);
        assert_true(feed_buf(&f, 172, &part));
        put_fragment(&part, 3, 3, &whole, 20, whole.len);
        assert_true(feed_buf(&f, 172, &part));
        assert_one_row(&f, kinds[i].op);
        put_fragment(&part, 3, 1, &whole, 0, 10);
        assert_true(feed_buf(&f, 172, &part));
        put_fragment(&part, 4, 2, &whole, 10, 20); /* another number of them */
        assert_false(feed_buf(&f, 172, &part));
        assert_fails(&f, "another total", ERR_LOG_FORMAT, "fragment 2 of 4, 2 was expected");
        stop(&f);
    }
}

/* ---- partial updates ---- */

static void a_partial_update_keeps_its_diff(void **state)
{
    static const char map[] = "\x09\0\0\0\0\0\1\0\1d\0\1t\0\2\3\xf5\1\4\3";
    struct feeder f;
    struct buf body CLEANUP(buf_fini) = BUF_INIT;
    (void)state;
    start(&f, 0, NULL);
    assert_true(feed(&f, 19, BYTES(map)));
    buf_put(&body, "\x09\0\0\0\0\0\1\0\2\0\2\xff\xff", 13);
    buf_put(&body, "\0\7\0\0\0\x08\0\0\0\2\1\0\7\0\5\2\0", 17);     /* before: 7, [2] */
    buf_put(&body, "\1\1\0\7\0\0\0\x0a\0\0\0\0\4$[0]\3\5\7\0", 21); /* after: 7, replace $[0] */
    assert_true(feed_buf(&f, 39, &body));
    struct cdc_batch *b = cdc_decoder_take(f.d, true);
    assert_int_equal(b->n_changes, 3);
    assert_true(b->changes[1].rows.partial_json);
    struct cdc_row *before = cdc_row_new(2), *after = cdc_row_new(2);
    struct cdc_rows_iter it;
    struct buf out CLEANUP(buf_fini) = BUF_INIT;
    cdc_rows_begin(&it, &b->changes[1].rows);
    assert_int_equal(cdc_rows_next(&it, before, after, &f.e), CDC_ROWS_ROW);
    assert_true(after->values[1].json_diff && !before->values[1].json_diff);
    assert_true(cdc_value_json_patched(&before->values[1], &after->values[1], &out, &f.e));
    assert_string_equal(buf_str(&out), "[7]");
    cdc_row_free(before);
    cdc_row_free(after);
    cdc_batch_unref(b);
    stop(&f);
}

/* ---- the sidecar's journal ---- */

/* _sluice.journal with columns of these types; names when given. */
static void map_journal(struct feeder *f, const char *types, const char *meta, size_t meta_len,
                        const char *names, size_t names_len)
{
    struct buf map CLEANUP(buf_fini) = BUF_INIT;
    buf_put(&map, "\x09\0\0\0\0\0\1\0\7_sluice\0\7journal\0", 26);
    buf_put_u8(&map, (uint8_t)strlen(types));
    buf_put_str(&map, types);
    buf_put_u8(&map, (uint8_t)meta_len);
    buf_put(&map, meta, meta_len);
    buf_put_u8(&map, 0xff);
    if (names) {
        buf_put_u8(&map, 4);
        buf_put_u8(&map, (uint8_t)names_len);
        buf_put(&map, names, names_len);
    }
    assert_true(feed_buf(f, 19, &map));
}

static void assert_journal(struct feeder *f, const char *want)
{
    struct cdc_batch *b = cdc_decoder_take(f->d, true);
    assert_non_null(b);
    assert_int_equal(b->n_changes, want ? 4 : 3);
    assert_int_equal(b->changes[1].kind, want ? CDC_JOURNAL : CDC_ROWS);
    if (want) {
        assert_string_equal(b->changes[1].journal.json, want);
        assert_int_equal(b->changes[1].journal.n, strlen(want));
        assert_int_equal(b->changes[2].kind, CDC_ROWS);
    }
    cdc_batch_unref(b);
}

static void journals_come_before_their_rows(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    map_journal(&f, "\xfc\3", BYTES("\1"), BYTES("\3val\2id")); /* "val", wherever it stands */
    assert_true(feed(&f, 30, "\x09\0\0\0\0\0\1\0\2\0\2\xff\0\2{}\7\0\0\0", 20));
    assert_journal(&f, "{}");
    assert_true(feed(&f, 30, "\x09\0\0\0\0\0\1\0\2\0\2\xff\1\7\0\0\0", 17)); /* NULL */
    assert_journal(&f, NULL);
    assert_true(feed(&f, 30, "\x09\0\0\0\0\0\1\0\2\0\2\xfe\0\7\0\0\0", 17)); /* absent */
    assert_journal(&f, NULL);
    assert_true(feed(&f, 32, "\x09\0\0\0\0\0\1\0\2\0\2\xff\0\2{}\7\0\0\0", 20)); /* deleted */
    assert_journal(&f, NULL);
    map_journal(&f, "\3\xf5", BYTES("\4"), NULL, 0); /* without names: the last column */
    assert_true(feed(&f, 30, "\x09\0\0\0\0\0\1\0\2\0\2\xff\0\7\0\0\0\2\0\0\0\4\1", 23));
    assert_journal(&f, "true");
    assert_false(feed(&f, 30, "\x09\0\0\0\0\0\1\0\2\0\2\xff\0\7\0\0\0\2\0\0\0\4\3", 23));
    assert_fails(&f, "no JSON", ERR_LOG_FORMAT, "binary JSON: unknown literal");
    stop(&f);
    start_mariadb(&f);
    map_journal(&f, "\x8c", BYTES("\1"), NULL, 0); /* a compressed column */
    struct buf row CLEANUP(buf_fini) = BUF_INIT;
    uint8_t packed[50];
    uLongf n = sizeof packed;
    assert_int_equal(compress(packed, &n, (const Bytef *)"{\"id\":1}", 8), Z_OK);
    buf_put(&row, "\x09\0\0\0\0\0\1\0\2\0\1\xff\0", 13);
    buf_put_u8(&row, (uint8_t)(n + 2));
    buf_put(&row, "\x81\x08", 2);
    buf_put(&row, packed, n);
    assert_true(feed_buf(&f, 30, &row));
    assert_journal(&f, "{\"id\":1}");
    assert_false(feed(&f, 30, "\x09\0\0\0\0\0\1\0\2\0\1\xff\0\1\x10", 15));
    assert_fails(&f, "broken", ERR_LOG_FORMAT, "a compressed column begins with 10");
    stop(&f);
}

/* The sidecar's other tables are data as any. */
static void other_tables_of_the_sidecar_are_no_journals(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    assert_true(feed(&f, 19, "\x09\0\0\0\0\0\1\0\7_sluice\0\1t\0\1\3\0\1", 24));
    assert_true(feed(&f, 30, "\x09\0\0\0\0\0\1\0\2\0\1\xff\0\7\0\0\0", 17));
    assert_seen(&f, "B 0+1 C ");
    stop(&f);
}

/* ---- parts ---- */

static void the_text_of_a_statement_follows_its_rows_into_the_next_batch(void **state)
{
    struct cdc_decode_options o = {.want_query = true, .batch_bytes = 1024};
    struct feeder f;
    unsigned n = 0;
    (void)state;
    start_with(&f, &o, FEEDER_MYSQL, NULL);
    gtid(&f, 1);
    assert_true(query(&f, "BEGIN") && feed(&f, 29, "\3text", 5));
    map_table(&f, 't');
    for (int i = 0; i < 100; i++) /* one statement: its end is not flagged */
        assert_true(feed(&f, 30, "\x09\0\0\0\0\0\0\0\2\0\1\xff\0\7\0\0\0", 17));
    struct cdc_batch *b;
    unsigned batches = 0;
    for (; (b = cdc_decoder_take(f.d, true)) != NULL; batches++) {
        for (size_t i = 0; i < b->n_changes; i++) {
            if (b->changes[i].kind != CDC_ROWS)
                continue;
            assert_string_equal(b->changes[i].rows.query, "text");
            n++;
        }
        cdc_batch_unref(b);
    }
    assert_int_equal(n, 100);
    assert_true(batches > 10);
    stop(&f);
    start(&f, 1024, NULL); /* batches that nobody took */
    gtid(&f, 1);
    assert_true(query(&f, "BEGIN") && rows(&f, 300) && rows(&f, 300) && rows(&f, 300));
    stop(&f);
}

/* An event of n rows of one INT each, in a piece of its own. */
static struct piece *rows_in_a_piece(struct feeder *f, unsigned n, size_t cap)
{
    assert_true(rows(f, n)); /* the decoder has it; the same once more, for the piece */
    struct piece *p = piece_new(cap);
    assert_true(f->event.len <= cap);
    memcpy(p->bytes, f->event.data, f->event.len);
    f->pos += (uint32_t)f->event.len;
    for (unsigned i = 0; i < 4; i++)
        p->bytes[13 + i] = (uint8_t)(f->pos >> 8 * i);
    return p;
}

static bool lies_in(const struct piece *p, const uint8_t *at)
{
    return at >= p->bytes && at < p->bytes + p->cap;
}

static void assert_sevens(const struct cdc_rows *rows, unsigned n)
{
    struct cdc_row *after = cdc_row_new(1);
    struct cdc_rows_iter it;
    struct err e = ERR_INIT;
    unsigned found = 0;
    cdc_rows_begin(&it, rows);
    for (; cdc_rows_next(&it, NULL, after, &e) == CDC_ROWS_ROW; found++)
        assert_int_equal(cdc_value_i64(&after->values[0]), 7);
    assert_int_equal(found, n);
    cdc_row_free(after);
}

static void long_images_are_held_where_they_lie(void **state)
{
    static const struct {
        unsigned n_rows;
        size_t cap;
        bool held;
    } cases[] = {
        {300, PIECE_BYTES, true}, {100, PIECE_BYTES, false}, {300, 40 * PIECE_BYTES, false}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct feeder f;
        start(&f, 0, NULL);
        assert_true(query(&f, "BEGIN"));
        struct piece *p = rows_in_a_piece(&f, cases[i].n_rows, cases[i].cap);
        assert_true(cdc_decoder_feed_kept(f.d, p->bytes, f.event.len, false, p, &f.e));
        assert_int_equal(piece_is_shared(p), cases[i].held);
        struct cdc_batch *b = cdc_decoder_take(f.d, true);
        assert_int_equal(b->n_changes, 3);
        assert_false(lies_in(p, b->changes[1].rows.images)); /* fed without a piece */
        assert_int_equal(lies_in(p, b->changes[2].rows.images), cases[i].held);
        assert_int_equal(lies_in(p, b->changes[2].rows.present_after), cases[i].held);
        assert_true(!cases[i].held || cdc_batch_memory(b) > cases[i].cap);
        if (!cases[i].held)
            memset(p->bytes, 0xff, p->cap);
        piece_unref(p);
        assert_sevens(&b->changes[2].rows, cases[i].n_rows);
        cdc_batch_unref(b);
        stop(&f);
    }
}

/* Once it is held, small images in it are too; and what is held beyond need is bounded. */
static void a_held_piece_is_used_and_pieces_are_bounded(void **state)
{
    struct feeder f;
    (void)state;
    start(&f, 0, NULL);
    assert_true(query(&f, "BEGIN"));
    struct piece *p = rows_in_a_piece(&f, 300, PIECE_BYTES);
    assert_true(cdc_decoder_feed_kept(f.d, p->bytes, f.event.len, false, p, &f.e));
    struct piece *small = rows_in_a_piece(&f, 1, PIECE_BYTES);
    memcpy(p->bytes + PIECE_BYTES / 2, small->bytes, f.event.len);
    piece_unref(small);
    assert_true(
        cdc_decoder_feed_kept(f.d, p->bytes + PIECE_BYTES / 2, f.event.len, false, p, &f.e));
    struct cdc_batch *b = cdc_decoder_take(f.d, true);
    assert_int_equal(b->n_changes, 5);
    assert_true(lies_in(p, b->changes[4].rows.images));
    cdc_batch_unref(b);
    piece_unref(p);
    unsigned n_fed = 0;
    for (; !cdc_decoder_has_batch(f.d); n_fed++) {
        p = rows_in_a_piece(&f, 300, PIECE_BYTES);
        assert_true(cdc_decoder_feed_kept(f.d, p->bytes, f.event.len, false, p, &f.e));
        piece_unref(p);
    }
    assert_int_equal(n_fed, 4);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_events_of_each_kind_are_read),
        cmocka_unit_test(kinds_may_follow_each_other_in_the_same_rows),
        cmocka_unit_test(table_ids_of_four_bytes_are_read),
        cmocka_unit_test(malformed_row_events_are_refused),
        cmocka_unit_test(an_event_may_only_end_the_statement),
        cmocka_unit_test(rows_may_have_no_bytes),
        cmocka_unit_test(only_the_true_dummy_is_dropped),
        cmocka_unit_test(fragments_are_joined),
        cmocka_unit_test(long_images_are_held_where_they_lie),
        cmocka_unit_test(a_held_piece_is_used_and_pieces_are_bounded),
        cmocka_unit_test(a_partial_update_keeps_its_diff),
        cmocka_unit_test(journals_come_before_their_rows),
        cmocka_unit_test(other_tables_of_the_sidecar_are_no_journals),
        cmocka_unit_test(the_text_of_a_statement_follows_its_rows_into_the_next_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
