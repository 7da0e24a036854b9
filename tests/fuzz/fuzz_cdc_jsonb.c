/* tests/fuzz/fuzz_cdc_jsonb.c — any bytes as binary JSON and as a vector of diffs: nothing crashes,
 * output is bounded, and what one style prints the other prints too.
 */
#include "cdc/jsonb.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void print(const uint8_t *p, size_t n)
{
    struct buf server CLEANUP(buf_fini) = BUF_INIT, debezium CLEANUP(buf_fini) = BUF_INIT;
    struct err e;
    if (!jsonb_print(p, n, JSONB_STYLE_SERVER, &server, &e))
        return;
    if (!jsonb_print(p, n, JSONB_STYLE_DEBEZIUM, &debezium, &e) || server.len == 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2 || n > 65536)
        return 0;
    struct buf out CLEANUP(buf_fini) = BUF_INIT;
    struct err e;
    size_t doc = data[0] * (n - 1) / 256;
    print(data + 1, n - 1);
    buf_reset(&out);
    (void)jsonb_diff_print(data + 1 + doc, n - 1 - doc, &out, &e);
    buf_reset(&out);
    (void)jsonb_diff_apply(data + 1, doc, data + 1 + doc, n - 1 - doc, JSONB_STYLE_SERVER, &out,
                           &e);
    return 0;
}
