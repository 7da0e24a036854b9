/* tests/support/feed_log.h — hand-made events of either server, fed to a decoder one by one, and
 * what came out of it as a line of words.
 *
 * Words: B (BEGIN), first+n[s] (ROWS; s: delivered before), D, C, R, H, J, G as the kinds of
 * changes. Table id 9 is d.t with one INT.
 */
#ifndef SLUICE_TESTS_SUPPORT_FEED_LOG_H
#define SLUICE_TESTS_SUPPORT_FEED_LOG_H

#include "base/crc32.h"
#include "cdc/log/decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FEED_MYSQL   "8.0.30"
#define FEED_MARIADB "10.11.6-MariaDB-log"

struct feed {
    struct cdc_decoder *d;
    struct buf event;
    uint64_t pos;       /* where the next event begins */
    bool checksum;      /* events carry one */
    bool hide_pos;      /* headers say 0 */
    uint16_t flags;     /* of the next event */
    uint32_t timestamp; /* of the events */
    char seen[4000];
    struct err e;
};

static inline void feed_header(struct feed *f, uint8_t type, size_t n)
{
    f->pos += n;
    buf_reset(&f->event);
    buf_put_le(&f->event, f->timestamp, 4);
    buf_put_u8(&f->event, type);
    buf_put_le(&f->event, 7, 4);
    buf_put_le(&f->event, n, 4);
    buf_put_le(&f->event, f->hide_pos ? 0 : f->pos & UINT32_MAX, 4);
    buf_put_le(&f->event, f->flags, 2);
    f->flags = 0;
}

static inline bool feed_event(struct feed *f, uint8_t type, const void *body, size_t n)
{
    feed_header(f, type, 19 + n + (f->checksum ? 4 : 0));
    buf_put(&f->event, body, n);
    if (f->checksum)
        buf_put_le(&f->event, crc32_compute(0, f->event.data, f->event.len), 4);
    return cdc_decoder_feed(f->d, f->event.data, f->event.len, &f->e);
}

static inline void feed_note(struct feed *f, const struct cdc_batch *b)
{
    static const char *const names[] = {"B", "", "D", "C", "R", "H", "J", "", "G"};
    for (size_t i = 0; i < b->n_changes; i++) {
        const struct cdc_change *c = &b->changes[i];
        size_t n = strlen(f->seen);
        if (c->kind == CDC_ROWS)
            snprintf(f->seen + n, sizeof f->seen - n, "%u+%u%s ", c->rows.first_seq, c->rows.n_rows,
                     c->skippable ? "s" : "");
        else
            snprintf(f->seen + n, sizeof f->seen - n, "%s ", names[c->kind]);
    }
}

static inline void feed_take(struct feed *f)
{
    for (struct cdc_batch *b; (b = cdc_decoder_take(f->d, true)) != NULL;) {
        feed_note(f, b);
        cdc_batch_unref(b);
    }
}

/* A format description; `created` is not 0 when the server has just started. */
static inline bool feed_format(struct feed *f, const char *version, bool checksum, uint32_t created)
{
    uint8_t body[2 + 50 + 4 + 1 + 171 + 1] = {4};
    snprintf((char *)body + 2, 50, "%s", version);
    memcpy(body + 52, &created, 4);
    body[56] = 19;
    memset(body + 57, 8, 171);
    body[sizeof body - 1] = checksum;
    f->checksum = true; /* the field is always there */
    bool ok = feed_event(f, 15, body, sizeof body);
    f->checksum = checksum;
    return ok;
}

static inline void feed_begin(struct feed *f, const char *version, const char *position,
                              bool checksum)
{
    struct position start = POSITION_INIT;
    struct cdc_decode_options o = {.verify_checksum = true, .want_query = true};
    *f = (struct feed){.pos = 4, .timestamp = 100};
    if (position)
        assert_true(position_parse(position, &start, &f->e));
    f->d = cdc_decoder_new(&o, &start);
    if (start.pos > 4)
        f->pos = start.pos;
    else
        assert_true(feed_format(f, version, checksum, 0));
    position_fini(&start);
}

static inline void feed_end(struct feed *f)
{
    cdc_decoder_free(f->d);
    buf_fini(&f->event);
}

static inline bool feed_query(struct feed *f, const char *sql)
{
    struct buf body = BUF_INIT;
    buf_put_le(&body, 5, 4);
    buf_put_le(&body, 0, 4);
    buf_put_u8(&body, 1);
    buf_put_le(&body, 0, 4);
    buf_put(&body, "d", 2);
    buf_put_str(&body, sql);
    bool ok = feed_event(f, 2, body.data, body.len);
    buf_fini(&body);
    return ok;
}

static inline bool feed_gtid(struct feed *f, uint64_t gno)
{
    struct buf body = BUF_INIT;
    buf_put_u8(&body, 1);
    buf_put(&body, "0123456789abcdef", 16);
    buf_put_le(&body, gno, 8);
    bool ok = feed_event(f, gno ? 33 : 34, body.data, body.len);
    buf_fini(&body);
    return ok;
}

static inline bool feed_mariadb_gtid(struct feed *f, uint64_t seq)
{
    struct buf body = BUF_INIT;
    buf_put_le(&body, seq, 8);
    buf_put_le(&body, 0, 4);
    buf_put_u8(&body, 4); /* transactional */
    buf_put_le(&body, 0, 6);
    bool ok = feed_event(f, 162, body.data, body.len);
    buf_fini(&body);
    return ok;
}

static inline bool feed_map(struct feed *f)
{
    static const uint8_t map[] = {9, 0, 0, 0, 0, 0, 1, 0, 1, 'd', 0, 1, 't', 0, 1, 3, 0, 1};
    return feed_event(f, 19, map, sizeof map);
}

/* The images of n rows of one INT each. */
static inline struct buf feed_images(unsigned n)
{
    struct buf images = BUF_INIT;
    for (unsigned i = 0; i < n; i++)
        buf_put(&images, "\0\x07\0\0\0", 5);
    return images;
}

/* WRITE_ROWS without its table map. */
static inline bool feed_rows_alone(struct feed *f, unsigned n)
{
    struct buf body = BUF_INIT, images = feed_images(n);
    buf_put(&body, "\x09\0\0\0\0\0\x01\0\x02\0\x01\xff", 12);
    buf_put(&body, images.data, images.len);
    bool ok = feed_event(f, 30, body.data, body.len);
    buf_fini(&images);
    buf_fini(&body);
    return ok;
}

static inline bool feed_rows(struct feed *f, unsigned n)
{
    return feed_map(f) && feed_rows_alone(f, n);
}

static inline bool feed_xid(struct feed *f)
{
    return feed_event(f, 16, "\1\0\0\0\0\0\0\0", 8);
}

static inline bool feed_rotate(struct feed *f, const char *file)
{
    struct buf body = BUF_INIT;
    buf_put_le(&body, 4, 8);
    buf_put_str(&body, file);
    bool ok = feed_event(f, 4, body.data, body.len);
    f->pos = 4;
    buf_fini(&body);
    return ok;
}

#endif
