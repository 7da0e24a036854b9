/* tests/fuzz/fuzz_cdc_json_diff.c — any bytes as a document and a vector of diffs: nothing crashes,
 * and diffs that can be applied can be printed.
 *
 * Input: byte 0 says where the document ends, in 256ths of the rest.
 */
#include "cdc/log/jsonb.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2 || n > 65536)
        return 0;
    struct buf patched CLEANUP(buf_fini) = BUF_INIT, printed CLEANUP(buf_fini) = BUF_INIT;
    struct err e;
    size_t doc = data[0] * (n - 1) / 256;
    const uint8_t *diffs = data + 1 + doc;
    size_t n_diffs = n - 1 - doc;
    bool prints = jsonb_diff_print(diffs, n_diffs, &printed, &e);
    if (jsonb_diff_apply(data + 1, doc, diffs, n_diffs, JSONB_STYLE_SERVER, &patched, &e) &&
        (!prints || patched.len == 0))
        abort();
    return 0;
}
