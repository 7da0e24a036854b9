/* tests/fuzz/fuzz_cdc_payload.c — a compressed transaction of any events: packed here, unpacked by
 * the decoder in batches as small as they can be; and any bytes as a packed one.
 */
#include "base/mem.h"
#include "cdc/log/decode.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static uint8_t event[19 + 200000];

static size_t put_header(uint8_t type, size_t body)
{
    uint32_t length = (uint32_t)(19 + body);
    memset(event, 0, 19);
    event[0] = 1;
    event[4] = type;
    memcpy(event + 9, &length, sizeof length);
    return length;
}

static size_t put_lenenc(uint8_t *to, size_t v)
{
    to[0] = 0xfd;
    to[1] = (uint8_t)v;
    to[2] = (uint8_t)(v >> 8);
    to[3] = (uint8_t)(v >> 16);
    return 4;
}

static size_t put_field(uint8_t *to, uint8_t type, size_t v)
{
    to[0] = type;
    to[1] = 4;
    return 2 + put_lenenc(to + 2, v);
}

/* Fields, then the bytes compressed (or as they are, as if they were compressed). */
static size_t put_payload(const uint8_t *data, size_t n, bool compress)
{
    uint8_t *at = event + 19;
    uint8_t *packed = mem_alloc(n + 1024);
    size_t len = n;
    if (compress)
        len = ZSTD_compress(packed, n + 1024, data, n, 1);
    else
        memcpy(packed, data, n);
    at += put_field(at, 3, n);
    *at++ = 2;
    *at++ = 1;
    *at++ = 0;
    at += put_field(at, 1, len);
    *at++ = 0;
    memcpy(at, packed, len);
    free(packed);
    return put_header(40, (size_t)(at - event) - 19 + len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2 || n > 60000)
        return 0;
    struct cdc_decode_options o = {.batch_bytes = 256};
    struct cdc_decoder *d = cdc_decoder_new(&o, NULL);
    struct cdc_batch *b;
    struct err e;
    bool ok = cdc_decoder_feed(d, event, put_payload(data + 1, n - 1, data[0] & 1), &e);
    while ((b = cdc_decoder_take(d, true)) != NULL)
        cdc_batch_unref(b);
    if (ok && !cdc_decoder_failed(d, &e) &&
        cdc_decoder_feed(d, event, put_header(3, 0), &e) == false)
        abort(); /* a STOP event is always fine on a decoder that is alive */
    cdc_decoder_free(d);
    return 0;
}
