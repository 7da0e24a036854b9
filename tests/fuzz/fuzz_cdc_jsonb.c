/* tests/fuzz/fuzz_cdc_jsonb.c — any bytes as binary JSON: nothing crashes, output is bounded, and
 * what one style prints the other prints too.
 */
#include "cdc/log/jsonb.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n > 65536)
        return 0;
    struct buf server CLEANUP(buf_fini) = BUF_INIT, debezium CLEANUP(buf_fini) = BUF_INIT;
    struct err e;
    if (!jsonb_print(data, n, JSONB_STYLE_SERVER, &server, &e))
        return 0;
    if (!jsonb_print(data, n, JSONB_STYLE_DEBEZIUM, &debezium, &e) || server.len == 0)
        abort();
    return 0;
}
