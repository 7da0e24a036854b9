/* tests/golden/test_cdc_binlog_files.c — captured binary logs: the census of events and rows of
 * each, and values of some. */
#include "base/mem.h"
#include "cdc/log/decode.h"
#include "cdc/log/source.h"
#include "sinks/format/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define RMC "rust_mysql_common/"
#define SHY "mysql-binlog-connector-java/"

/* "type:count …" of all events in the file, those inside a payload too; rows; gaps (statements,
 * incidents). */
struct census {
    const char *file, *events;
    unsigned rows, gaps;
    const char *fails; /* part of the error with which reading ends, or NULL */
};
static const struct census files[] = {
    {"gh-ost/mysql-bin.000066", "2:13 4:1 15:1 16:11 19:16 30:9 31:5 32:3", 20, 0, NULL},
    {"gh-ost/mysql-bin.000070", "2:13 4:1 15:1 16:11 19:16 30:9 31:5 32:3", 20, 0, NULL},
    {SHY "mysql-bin.sakila.gz", "2:54 15:1 16:15 19:18 23:1374", 47273, 0, NULL},
    {SHY "mysql-bin.checksum-none", "2:40 3:1 15:1 16:36 19:36 30:34 31:2 34:40 35:1", 36, 0, NULL},
    {SHY "mysql-bin.checksum-crc32", "2:60 4:1 15:1 16:60 19:60 30:34 31:20 32:6 34:60 35:1", 63, 0,
     NULL},
    {SHY "mysql-bin.aurora-padding", "2:1 15:1 34:1 35:1 100:1", 0, 0, NULL},
    {SHY "mysql-bin.compressed", "2:1 4:1 15:1 16:1 19:1 31:1 34:1 35:1 40:1", 1, 0, NULL},
    {RMC "binlog_56_gtid_reserved_word.000001", "2:9 3:1 15:1 19:1 30:1 33:6 35:1", 1, 1, NULL},
    {RMC "binlog_savepoint.000001", "2:8 4:1 15:2 16:1", 0, 5, NULL},
    {RMC "binlog_transaction.000001", "2:17 4:1 15:1 16:1", 0, 6, NULL},
    {RMC "binlog_transaction_with_GTID.000001", "2:5 3:1 15:1 33:3 35:1", 0, 1, NULL},
    {RMC "binlog_transaction_with_anonymous_GTID.000001", "2:3 4:1 15:1 16:1 34:2 35:1", 0, 1,
     NULL},
    {RMC "binlog_truncated_event.000001", "", 0, 0,
     "at offset 4: an event is cut off after 10 bytes"},
    {RMC "bug11747887-bin.000003", "2:5 3:1 14:1 15:1 16:1", 0, 1, NULL},
    {RMC "bug16266.000001", "2:4 3:1 15:1", 0, 1, NULL},
    {RMC "corrupt-relay-bin.000624", "2:454 4:2 5:233 15:2 16:183", 0, 282, NULL},
    {RMC "json.binlog.000001", "2:8 15:1 16:6 19:6 30:4 31:1 34:8 35:1 39:1", 18, 0, NULL},
    {RMC "mariadb-bin.000001", "15:1 16:2 19:2 23:2 160:2 161:1 162:2 163:1", 2, 0, NULL},
    {RMC "minimal_row_metadata.000001", "2:1 4:1 15:1 16:1 19:1 30:1 34:1 35:1", 1, 0, NULL},
    {RMC "mysql_type_bit.000001", "2:3 15:1 16:1 19:1 30:1 33:3 35:1", 1, 0, NULL},
    {RMC "rpl_unfiltered_hidden_gcol.000001", "2:3 3:1 4:1 15:2 16:1 19:1 30:1 34:3 35:1", 1, 0,
     NULL},
    {RMC "update-full-row.binlog", "2:2 4:1 15:1 19:2 23:2 24:1 25:1", 7, 0, NULL},
    {RMC "ver_5_1_23.001", "2:9 3:1 5:1 9:1 13:1 14:1 15:1 16:1 17:1 18:1 19:3 23:1 24:1 25:1", 5,
     6, NULL},
    {RMC "write-partial-row.binlog", "2:2 4:1 15:1 19:2 23:3 25:1", 7, 0, NULL},
};

struct run {
    struct buf lines;
    struct cdc_decode_stats stats;
    unsigned rows, gaps;
    bool print;
    struct err e;
};

static const char *fixture(const char *name)
{
    static char path[1024];
    const char *root = getenv("SLUICE_FIXTURES");
    snprintf(path, sizeof path, "%s/binlogs/%s", root && *root ? root : "../shared/fixtures", name);
    return path;
}

static bool absent(const char *name)
{
    if (access(fixture(name), R_OK) == 0)
        return false;
    printf("skipped: external fixtures absent\n");
    return true;
}

static bool emit(void *ctx, const struct encode_record *record, struct err *e)
{
    struct run *r = ctx;
    (void)e;
    buf_put(&r->lines, record->value, record->value_len);
    return buf_put_u8(&r->lines, '\n');
}

static void walk_rows(struct run *r, struct encoder *enc, struct encode_context *c,
                      const struct cdc_change *change)
{
    struct cdc_rows_iter it;
    struct cdc_row *before = cdc_row_new(change->rows.n_columns),
                   *after = cdc_row_new(change->rows.n_columns);
    enum cdc_rows_result got;
    cdc_rows_begin(&it, &change->rows);
    while ((got = cdc_rows_next(&it, before, after, &r->e)) == CDC_ROWS_ROW) {
        r->rows++;
        const struct encode_row row = {c, change, before, after, change->rows.first_seq + it.row};
        assert_true(enc->ops->row(enc, &row, emit, r, &r->e));
    }
    assert_int_equal(got, CDC_ROWS_END);
    cdc_row_free(before);
    cdc_row_free(after);
}

static void walk_batches(struct run *r, struct cdc_decoder *d, struct encoder *enc,
                         struct encode_context *c, struct cdc_change *begin)
{
    struct cdc_batch *b;
    while ((b = cdc_decoder_take(d, true)) != NULL) {
        for (size_t i = 0; i < b->n_changes; i++) {
            const struct cdc_change *change = &b->changes[i];
            if (change->kind == CDC_BEGIN)
                *begin = *change;
            c->begin = begin;
            r->gaps += change->kind == CDC_GAP;
            if (change->kind == CDC_ROWS)
                walk_rows(r, enc, c, change);
            else if (change->kind == CDC_DDL)
                assert_true(enc->ops->other(enc, c, change, emit, r, &r->e));
        }
        cdc_batch_unref(b);
    }
}

/* Reads the file to its end or its error; every row goes through the encoder. */
static void read_file(const char *name, bool gaps, struct run *r)
{
    const char *path = fixture(name);
    struct cdc_decode_options o = {.verify_checksum = true, .gap_instead_of_error = gaps};
    struct cdc_source *s = cdc_source_open_files(&path, 1, 0, &r->e);
    struct cdc_decoder *d = cdc_decoder_new(&o, NULL);
    struct encoder *enc = encoder_find("ndjson")->open("{}", &r->e);
    struct encode_context c = {.prefix = "p"};
    struct cdc_change begin = {0};
    const uint8_t *event;
    size_t n;
    assert_non_null(s);
    while (s->ops->next(s, &event, &n, &r->e) == CDC_NEXT_OK &&
           cdc_decoder_feed(d, event, n, &r->e))
        walk_batches(r, d, enc, &c, &begin);
    r->stats = *cdc_decoder_stats(d);
    enc->ops->close(enc);
    cdc_decoder_free(d);
    s->ops->close(s);
}

static void census_text(const struct cdc_decode_stats *s, struct buf *out)
{
    for (unsigned i = 0; i < 256; i++) {
        if (s->events[i])
            buf_printf(out, "%s%u:%llu", out->len ? " " : "", i, (unsigned long long)s->events[i]);
    }
}

static void every_file_has_the_events_and_rows_that_were_counted(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (absent(files[i].file))
            return;
        struct run r = {.e = ERR_INIT};
        struct buf events = BUF_INIT;
        read_file(files[i].file, true, &r);
        census_text(&r.stats, &events);
        print_message("%s: %s\n", files[i].file, r.e.code ? r.e.text : buf_str(&events));
        assert_string_equal(buf_str(&events), files[i].events);
        assert_int_equal(r.rows, files[i].rows);
        assert_int_equal(r.gaps, files[i].gaps);
        if (files[i].fails)
            assert_non_null(strstr(r.e.text, files[i].fails));
        else
            assert_int_equal(r.e.code, ERR_NONE);
        buf_fini(&events);
        buf_fini(&r.lines);
    }
}

static void assert_has(const struct run *r, const char *text)
{
    if (!strstr(buf_str(&r->lines), text))
        fail_msg("no %s in:\n%s", text, buf_str(&r->lines));
}

static void partial_updates_show_their_diffs(void **state)
{
    (void)state;
    if (absent(RMC "json.binlog.000001"))
        return;
    struct run r = {.e = ERR_INIT};
    read_file(RMC "json.binlog.000001", false, &r);
    assert_int_equal(r.e.code, ERR_NONE);
    assert_has(&r, "\"before\":{\"@1\":1},\"after\":{\"@3\":\"Joe\",\"@4\":26},\"json_diff\":{\"@"
                   "2\":[{\"op\":\"replace\",\"path\":\"$.age\",\"value\":26}]}}");
    assert_has(&r, "\"before\":{\"@1\":6},\"after\":{\"@3\":\"Pete\",\"@4\":42},\"json_diff\":{\"@"
                   "2\":[{\"op\":\"replace\",\"path\":\"$.age\",\"value\":42}]}}");
    buf_fini(&r.lines);
}

static void values_of_small_files(void **state)
{
    static const struct {
        const char *file, *text;
    } cases[] = {
        {RMC "minimal_row_metadata.000001", "\"after\":{\"@1\":1,\"@3\":\"a\",\"@5\":3230202323}"},
        {RMC "mysql_type_bit.000001", "\"after\":{\"a\":4,\"b\":\"foo\",\"c\":32}"},
        {RMC "mariadb-bin.000001",
         "\"gtid\":\"0-1-2\",\"seq\":0,\"ts_ms\":1650493195000,\"key\":{\"id\":63},\"before\":null,"
         "\"after\":{\"id\":63,\"topic\":\"foo\""},
        {SHY "mysql-bin.sakila.gz", "\"@5\":\"7.99\",\"@6\":\"2005-08-19 05:40:36\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (absent(cases[i].file))
            return;
        struct run r = {.e = ERR_INIT};
        read_file(cases[i].file, false, &r);
        assert_int_equal(r.e.code, ERR_NONE);
        assert_has(&r, cases[i].text);
        buf_fini(&r.lines);
    }
}

static void a_statement_in_the_log_names_its_table(void **state)
{
    (void)state;
    if (absent(RMC "binlog_transaction.000001"))
        return;
    struct run r = {.e = ERR_INIT};
    read_file(RMC "binlog_transaction.000001", false, &r);
    assert_int_equal(r.e.code, ERR_LOG_STATEMENT);
    assert_non_null(strstr(r.e.text, "instead of row events"));
    assert_non_null(strstr(r.e.text, "binlog_transaction.000001:"));
    assert_non_null(strstr(r.e.cure, "binlog_format=ROW"));
    buf_fini(&r.lines);
}

/* The file cut at a length, or with one bit flipped, as a file of its own. */
static bool damaged_copy(const char *name, size_t cut, size_t flip, char *path)
{
    struct buf bytes = BUF_INIT;
    FILE *in = fopen(fixture(name), "rb"), *out = NULL;
    uint8_t chunk[4096];
    size_t n;
    int fd = mkstemp(path);
    assert_true(in && fd >= 0);
    while ((n = fread(chunk, 1, sizeof chunk, in)) > 0)
        buf_put(&bytes, chunk, n);
    fclose(in);
    bool inside = (cut == 0 || cut < bytes.len) && flip < bytes.len;
    if (inside && flip)
        bytes.data[flip] ^= (uint8_t)(1u << flip % 8);
    out = fdopen(fd, "wb");
    fwrite(bytes.data, 1, cut && inside ? cut : bytes.len, out);
    fclose(out);
    buf_fini(&bytes);
    return inside;
}

static void read_path(const char *path, struct run *r)
{
    struct cdc_decode_options o = {.verify_checksum = true};
    struct cdc_source *s = cdc_source_open_files(&path, 1, 0, &r->e);
    struct cdc_decoder *d = cdc_decoder_new(&o, NULL);
    const uint8_t *event;
    size_t n;
    while (s->ops->next(s, &event, &n, &r->e) == CDC_NEXT_OK &&
           cdc_decoder_feed(d, event, n, &r->e)) {
        struct cdc_batch *b;
        while ((b = cdc_decoder_take(d, true)) != NULL) {
            r->rows += (unsigned)b->n_changes;
            cdc_batch_unref(b);
        }
    }
    cdc_decoder_free(d);
    s->ops->close(s);
}

static void every_flipped_bit_is_found_by_the_checksum(void **state)
{
    (void)state;
    if (absent(RMC "mysql_type_bit.000001"))
        return;
    for (size_t flip = 4 + 130;; flip++) {
        char path[] = "/tmp/sluice-flip-XXXXXX";
        struct run r = {.e = ERR_INIT};
        bool inside = damaged_copy(RMC "mysql_type_bit.000001", 0, flip, path);
        if (inside)
            read_path(path, &r);
        unlink(path);
        if (!inside)
            break;
        assert_int_not_equal(r.e.code, ERR_NONE);
        assert_non_null(strstr(r.e.text, "sluice-flip"));
    }
}

static void every_cut_ends_at_an_event_or_in_an_error(void **state)
{
    (void)state;
    if (absent(RMC "json.binlog.000001"))
        return;
    unsigned clean = 0, errors = 0;
    for (size_t cut = 1;; cut++) {
        char path[] = "/tmp/sluice-cut-XXXXXX";
        struct run r = {.e = ERR_INIT};
        bool inside = damaged_copy(RMC "json.binlog.000001", cut, 0, path);
        if (inside)
            read_path(path, &r);
        unlink(path);
        if (!inside)
            break;
        clean += r.e.code == ERR_NONE;
        errors += r.e.code == ERR_LOG_FORMAT && strstr(r.e.text, "at offset") != NULL;
    }
    assert_int_equal(
        clean, 36); /* behind the magic and each of the 36 events, but the last is the whole file */
    assert_true(errors > 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file_has_the_events_and_rows_that_were_counted),
        cmocka_unit_test(partial_updates_show_their_diffs),
        cmocka_unit_test(values_of_small_files),
        cmocka_unit_test(a_statement_in_the_log_names_its_table),
        cmocka_unit_test(every_flipped_bit_is_found_by_the_checksum),
        cmocka_unit_test(every_cut_ends_at_an_event_or_in_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
