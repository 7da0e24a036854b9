/* tests/support/decode_feeder.h — a decoder that is fed hand-made events, and what came out of it
 * as words.
 *
 * Words: B begin, D ddl, C commit, R rollback, H heartbeat, J journal, G gap, "first+n" rows ("s"
 * behind them: delivered before), "/" a batch that ends inside a transaction.
 */
#ifndef SLUICE_TESTS_SUPPORT_DECODE_FEEDER_H
#define SLUICE_TESTS_SUPPORT_DECODE_FEEDER_H

#include "cdc/log/decode.h"
#include "cdc/log/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FEEDER_MYSQL   "8.0.30"
#define FEEDER_MARIADB "10.11.6-MariaDB"
#define FEEDER_FIRST   245u /* offset of the first event behind the format description */

/* A string literal with its length, zero bytes inside included. */
#define BYTES(s) (s), sizeof(s) - 1

struct feeder {
    struct cdc_decoder *d;
    struct buf event;
    bool gathers; /* events are put one behind the other into `event`, and not fed */
    uint32_t pos;
    uint32_t timestamp;
    uint16_t flags;
    char seen[4000];
    struct err e;
};

static inline bool feed(struct feeder *f, uint8_t type, const void *body, size_t n)
{
    if (!f->gathers)
        buf_reset(&f->event);
    f->pos += (uint32_t)(19 + n);
    buf_put_le(&f->event, f->timestamp, 4);
    buf_put_u8(&f->event, type);
    buf_put_le(&f->event, 7, 4);
    buf_put_le(&f->event, 19 + n, 4);
    buf_put_le(&f->event, f->pos, 4);
    buf_put_le(&f->event, f->flags, 2);
    buf_put(&f->event, body, n);
    return f->gathers || cdc_decoder_feed(f->d, f->event.data, f->event.len, &f->e);
}

static inline bool feed_buf(struct feeder *f, uint8_t type, const struct buf *body)
{
    return feed(f, type, buf_str(body), body->len);
}

static inline void note_change(struct feeder *f, const struct cdc_change *c)
{
    static const char *const names[] = {"B", "", "D", "C", "R", "H", "J", "", "G"};
    size_t n = strlen(f->seen);
    if (c->kind == CDC_ROWS)
        snprintf(f->seen + n, sizeof f->seen - n, "%u+%u%s ", c->rows.first_seq, c->rows.n_rows,
                 c->skippable ? "s" : "");
    else
        snprintf(f->seen + n, sizeof f->seen - n, "%s ", names[c->kind]);
}

static inline void take(struct feeder *f, bool flush)
{
    struct cdc_batch *b;
    while ((b = cdc_decoder_take(f->d, flush)) != NULL) {
        for (size_t i = 0; i < b->n_changes; i++)
            note_change(f, &b->changes[i]);
        size_t n = strlen(f->seen);
        if (b->ends_in_tx)
            snprintf(f->seen + n, sizeof f->seen - n, "/ ");
        cdc_batch_unref(b);
    }
}

/* Everything so far is these words; they are forgotten. */
static inline void assert_seen(struct feeder *f, const char *want)
{
    take(f, true);
    assert_string_equal(f->seen, want);
    f->seen[0] = 0;
}

/* The body of a format description without checksums. */
static inline void put_format_body(struct buf *body, const char *version)
{
    char text[50] = {0};
    memcpy(text, version, strlen(version));
    buf_put_le(body, 4, 2);
    buf_put(body, text, sizeof text);
    buf_put_le(body, 0, 4);
    buf_put_u8(body, 19);
    for (int type = 1; type <= 160; type++)
        buf_put_u8(body, 8);
    buf_put_le(body, 0, 5);
}

static inline void start_with(struct feeder *f, const struct cdc_decode_options *o,
                              const char *version, const char *position)
{
    struct position pos = POSITION_INIT;
    struct buf format CLEANUP(buf_fini) = BUF_INIT;
    *f = (struct feeder){.pos = 4, .timestamp = 100};
    if (position)
        assert_true(position_parse(position, &pos, &f->e));
    f->d = cdc_decoder_new(o, &pos);
    position_fini(&pos);
    put_format_body(&format, version);
    assert_true(feed_buf(f, 15, &format));
}

static inline void start(struct feeder *f, size_t batch_bytes, const char *position)
{
    struct cdc_decode_options o = {.batch_bytes = batch_bytes, .verify_checksum = true};
    start_with(f, &o, FEEDER_MYSQL, position);
}

static inline void start_mariadb(struct feeder *f)
{
    struct cdc_decode_options o = {.verify_checksum = true};
    start_with(f, &o, FEEDER_MARIADB, NULL);
}

static inline void stop(struct feeder *f)
{
    cdc_decoder_free(f->d);
    buf_fini(&f->event);
}

/* The last feed failed with this code, and the text has this part. */
static inline void assert_fails(const struct feeder *f, const char *what, enum err_code code,
                                const char *text)
{
    if (f->e.code != code || !strstr(f->e.text, text))
        print_error("%s: %s \"%s\", not %s \"%s\"\n", what, err_code_name(f->e.code), f->e.text,
                    err_code_name(code), text);
    assert_int_equal(f->e.code, code);
    assert_non_null(strstr(f->e.text, text));
}

static inline void put_query(struct buf *body, const char *status, size_t status_len,
                             const char *sql)
{
    buf_put_le(body, 5, 4);
    buf_put_le(body, 0, 4);
    buf_put_u8(body, 1);
    buf_put_le(body, 0, 2);
    buf_put_le(body, status_len, 2);
    buf_put(body, status, status_len);
    buf_put(body, "d", 2);
    buf_put_str(body, sql);
}

static inline bool query(struct feeder *f, const char *sql)
{
    struct buf body CLEANUP(buf_fini) = BUF_INIT;
    put_query(&body, "", 0, sql);
    return feed_buf(f, 2, &body);
}

static inline void gtid(struct feeder *f, uint64_t gno)
{
    struct buf body CLEANUP(buf_fini) = BUF_INIT;
    buf_put_u8(&body, 1);
    buf_put(&body, "0123456789abcdef", 16);
    buf_put_le(&body, gno, 8);
    assert_true(feed_buf(f, 33, &body));
}

/* Table id 9 (or another), one INT. */
static inline void map_table_id(struct feeder *f, uint8_t id, char name)
{
    const uint8_t map[] = {id, 0, 0, 0, 0, 0, 1, 0, 1, 'd', 0, 1, (uint8_t)name, 0, 1, 3, 0, 1};
    assert_true(feed(f, 19, map, sizeof map));
}

static inline void map_table(struct feeder *f, char name)
{
    map_table_id(f, 9, name);
}

/* n rows of one INT each. */
static inline bool rows(struct feeder *f, unsigned n)
{
    struct buf body CLEANUP(buf_fini) = BUF_INIT;
    map_table(f, 't');
    buf_put(&body, "\x09\0\0\0\0\0\x01\0\x02\0\x01\xff", 12);
    for (unsigned i = 0; i < n; i++)
        buf_put(&body, "\0\x07\0\0\0", 5);
    return feed_buf(f, 30, &body);
}

static inline void xid(struct feeder *f)
{
    assert_true(feed(f, 16, "\1\0\0\0\0\0\0\0", 8));
}

#endif
