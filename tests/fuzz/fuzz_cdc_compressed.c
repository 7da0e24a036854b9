/* tests/fuzz/fuzz_cdc_compressed.c — MariaDB's compressed events and columns: any bytes as a block,
 * and any bytes that were packed into one, as rows of compressed columns and as a statement; what
 * is accepted can be walked and its values unpacked.
 *
 * Input: byte 0 chooses the event's type, byte 1 whether the rest is packed here.
 */
#include "base/mem.h"
#include "cdc/log/decode.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define INPUT_MAX 20000u

static uint8_t event[19 + 100 + INPUT_MAX + 100];

static const uint8_t types[] = {165, 166, 167, 168, 169, 170, 171};

static size_t put_event(uint8_t type, size_t n)
{
    uint32_t length = (uint32_t)(19 + n);
    memset(event, 0, 19);
    event[0] = 1;
    event[4] = type;
    memcpy(event + 9, &length, sizeof length);
    return length;
}

static size_t put_format(void)
{
    uint8_t *body = event + 19;
    memset(body, 0, 57 + 172 + 5);
    body[0] = 4;
    memcpy(body + 2, "10.11.0-MariaDB", 15);
    body[56] = 19;
    memset(body + 57, 8, 172);
    return put_event(15, 57 + 172 + 5);
}

/* INT, VARCHAR(300) COMPRESSED, BLOB COMPRESSED. */
static size_t put_map(void)
{
    static const uint8_t map[] = {9,   0, 0, 0, 0,   0,   1, 0,    1, 'd', 0, 1,
                                  't', 0, 3, 3, 141, 140, 3, 0x2c, 1, 2,   7};
    memcpy(event + 19, map, sizeof map);
    return put_event(19, sizeof map);
}

/* A block that is stored, not deflated: the fuzzer's bytes stay what they are. */
static size_t put_block(uint8_t *to, const uint8_t *data, size_t n)
{
    uint8_t *at = to;
    uint32_t check = (uint32_t)adler32(1, data, (uInt)n);
    *at++ = 0x82;
    *at++ = (uint8_t)(n >> 8);
    *at++ = (uint8_t)n;
    memcpy(at, "\x78\x01\x01", 3);
    at[3] = (uint8_t)n;
    at[4] = (uint8_t)(n >> 8);
    at[5] = (uint8_t)~n;
    at[6] = (uint8_t)(~n >> 8);
    memcpy(at + 7, data, n);
    at += 7 + n;
    for (int i = 3; i >= 0; i--)
        *at++ = (uint8_t)(check >> 8 * i);
    return (size_t)(at - to);
}

/* What stands before the block: a statement's head, or rows' of all three columns. */
static size_t put_head(uint8_t type)
{
    static const uint8_t query[] = {5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 'd', 0};
    static const uint8_t head[] = {9, 0, 0, 0, 0, 0, 1, 0};
    uint8_t *at = event + 19;
    if (type == 165) {
        memcpy(at, query, sizeof query);
        return sizeof query;
    }
    memcpy(at, head, sizeof head);
    at += sizeof head;
    if (type >= 169) {
        *at++ = 2;
        *at++ = 0;
    }
    *at++ = 3;
    *at++ = 7;
    if (type == 167 || type == 170)
        *at++ = 7;
    return (size_t)(at - event) - 19;
}

static void use_value(const struct cdc_value *v)
{
    struct buf out CLEANUP(buf_fini) = BUF_INIT;
    struct err e;
    bool valid;
    if (v->absent || v->null)
        return;
    bool unpacks = cdc_value_bytes(v, &out, &e);
    buf_reset(&out);
    if (cdc_value_text(v, &out, &valid, &e) != unpacks)
        abort();
}

static void use_rows(const struct cdc_rows *rows)
{
    struct cdc_row *before = cdc_row_new(3), *after = cdc_row_new(3);
    struct cdc_rows_iter it;
    struct err e;
    enum cdc_rows_result r;
    uint32_t n = 0;
    cdc_rows_begin(&it, rows);
    while ((r = cdc_rows_next(&it, before, after, &e)) == CDC_ROWS_ROW) {
        for (size_t i = 1; i < 3 && n < 50; i++) {
            use_value(&before->values[i]);
            use_value(&after->values[i]);
            (void)cdc_value_equal(&before->values[i], &after->values[i]);
        }
        n++;
    }
    if (r != CDC_ROWS_END || n != rows->n_rows)
        abort();
    cdc_row_free(before);
    cdc_row_free(after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2 || n > INPUT_MAX)
        return 0;
    struct cdc_decode_options o = {.batch_bytes = 0};
    struct cdc_decoder *d = cdc_decoder_new(&o, NULL);
    struct cdc_batch *b;
    struct err e;
    uint8_t type = types[data[0] % sizeof types];
    if (!cdc_decoder_feed(d, event, put_format(), &e) || !cdc_decoder_feed(d, event, put_map(), &e))
        abort();
    size_t head = put_head(type), block = n - 2;
    if (data[1] & 1)
        block = put_block(event + 19 + head, data + 2, n - 2);
    else
        memcpy(event + 19 + head, data + 2, n - 2);
    (void)cdc_decoder_feed(d, event, put_event(type, head + block), &e);
    while ((b = cdc_decoder_take(d, true)) != NULL) {
        for (size_t i = 0; i < b->n_changes; i++) {
            if (b->changes[i].kind == CDC_ROWS)
                use_rows(&b->changes[i].rows);
        }
        cdc_batch_unref(b);
    }
    cdc_decoder_free(d);
    return 0;
}
