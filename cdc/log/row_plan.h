/* cdc/log/row_plan.h — how a table's row images are walked: per column, and as runs of fixed width.
 * Shared by cdc/log/row*.c only; made once per table definition and kept with it.
 */
#ifndef SLUICE_CDC_LOG_ROW_PLAN_H
#define SLUICE_CDC_LOG_ROW_PLAN_H

#include "cdc/log/value.h"

/* One column: n_prefix 0 means `width` bytes, else a little-endian length of n_prefix bytes stands
 * before. */
struct row_column {
    uint32_t width;
    uint32_t offset; /* n_prefix 0: from the beginning of its run */
    uint8_t n_prefix;
    bool json;      /* takes a bit of a partial update's bitmap */
    bool supported; /* the type's length is known */
};
/* Columns without NULLs: n_columns of them in `fixed` bytes, then (n_prefix > 0) one more with a
 * length. */
struct row_run {
    uint32_t fixed;
    uint16_t n_columns;
    uint16_t n_prefix;
};
struct row_plan {
    uint64_t id; /* no other plan of this process has it; never 0 */
    uint32_t n_columns, n_runs, n_json;
    uint32_t null_bytes; /* length of the null bitmap of an image with all columns */
    bool all_supported;
    struct row_run *runs; /* behind the columns, in the same block */
    struct row_column columns[];
};

/* Never NULL; lives as long as the table. Thread: any. */
const struct row_plan *row_plan_of(const struct schema_table *t);

#endif
