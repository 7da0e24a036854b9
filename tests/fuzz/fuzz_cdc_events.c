/* tests/fuzz/fuzz_cdc_events.c — any bytes as an event stream behind a format description: the
 * decoder, row walks, every value and both record formats; nothing crashes, and every change that
 * comes out can be walked.
 *
 * Input: byte 0 chooses the server (MariaDB or MySQL) and options; then events: type u8, flags u8,
 * length u16, body. Headers are made here, so that the fuzzer need not find lengths.
 */
#include "base/mem.h"
#include "cdc/log/decode.h"
#include "sinks/format/encode.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool emit(void *ctx, const struct encode_record *r, struct err *e)
{
    (void)ctx;
    (void)e;
    return r->value_len > 0 || !r->value;
}

static size_t put_event(uint8_t *to, uint8_t type, uint8_t flags, const uint8_t *body, size_t n)
{
    uint32_t length = (uint32_t)(19 + n);
    memset(to, 0, 19);
    to[0] = 1;
    to[4] = type;
    memcpy(to + 9, &length, sizeof length);
    to[17] = flags;
    if (n)
        memcpy(to + 19, body, n);
    return length;
}

static size_t put_format(uint8_t *to, bool mariadb)
{
    uint8_t body[57 + 172 + 5] = {4};
    memcpy(body + 2, mariadb ? "10.11.0-MariaDB" : "9.7.0", mariadb ? 15 : 5);
    body[56] = 19;
    memset(body + 57, 8, 172);
    return put_event(to, 15, 0, body, sizeof body);
}

static void use_rows(const struct cdc_change *c, const struct cdc_change *begin)
{
    static const char *const formats[] = {"ndjson", "debezium-json"};
    static struct encoder *encoders[2]; /* for all inputs */
    struct cdc_row *before = cdc_row_new(c->rows.n_columns),
                   *after = cdc_row_new(c->rows.n_columns);
    for (unsigned f = 0; f < 2; f++) {
        if (!encoders[f])
            encoders[f] = encoder_find(formats[f])->open("{}", NULL);
        struct encoder *enc = encoders[f];
        struct encode_context context = {.begin = begin, .prefix = "p", .mariadb = f};
        struct cdc_rows_iter it;
        struct err e;
        enum cdc_rows_result r;
        uint32_t rows = 0;
        cdc_rows_begin(&it, &c->rows);
        while ((r = cdc_rows_next(&it, before, after, &e)) == CDC_ROWS_ROW && rows++ < 1000)
            if (rows <= 20) {
                const struct encode_row row = {&context, c, before, after, rows};
                (void)enc->ops->row(enc, &row, emit, NULL, &e);
            }
        if (r == CDC_ROWS_FAIL || (r == CDC_ROWS_END && rows != c->rows.n_rows))
            abort();
    }
    cdc_row_free(before);
    cdc_row_free(after);
}

static void use_batches(struct cdc_decoder *d, bool flush)
{
    struct cdc_batch *b;
    while ((b = cdc_decoder_take(d, flush)) != NULL) {
        struct cdc_change begin = {0};
        for (size_t i = 0; i < b->n_changes; i++) {
            if (b->changes[i].kind == CDC_BEGIN)
                begin = b->changes[i];
            if (b->changes[i].kind == CDC_ROWS)
                use_rows(&b->changes[i], &begin);
        }
        cdc_batch_unref(b);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static uint8_t event[19 + 65536];
    if (n < 1 || n > 65536)
        return 0;
    struct cdc_decode_options o = {.batch_bytes = data[0] & 2 ? 512 : 0,
                                   .want_query = data[0] & 4,
                                   .gap_instead_of_error = data[0] & 8,
                                   .verify_checksum = true};
    struct cdc_decoder *d = cdc_decoder_new(&o, NULL);
    struct err e;
    bool ok = cdc_decoder_feed(d, event, put_format(event, data[0] & 1), &e);
    const uint8_t *p = data + 1, *end = data + n;
    while (ok && end - p >= 4) {
        size_t len = (size_t)(p[2] | p[3] << 8);
        len = len > (size_t)(end - p - 4) ? (size_t)(end - p - 4) : len;
        ok = cdc_decoder_feed(d, event, put_event(event, p[0], p[1], p + 4, len), &e);
        p += 4 + len;
        use_batches(d, false);
    }
    use_batches(d, true);
    cdc_decoder_free(d);
    return 0;
}
