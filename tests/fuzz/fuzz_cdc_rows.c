/* tests/fuzz/fuzz_cdc_rows.c — any bytes as the rows of a table with a column of each type: what
 * validates can be walked again with the same number of rows, and every value read and printed.
 */
#include "base/mem.h"
#include "cdc/log/value.h"
#include "sinks/format/encode.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct {
    uint8_t type;
    uint16_t meta, collation;
} columns[] = {
    {SCHEMA_TYPE_LONG, 0, 0},
    {SCHEMA_TYPE_TINY, 0, 0},
    {SCHEMA_TYPE_LONGLONG, 0, 0},
    {SCHEMA_TYPE_FLOAT, 4, 0},
    {SCHEMA_TYPE_DOUBLE, 8, 0},
    {SCHEMA_TYPE_NEWDECIMAL, 30 << 8 | 12, 0},
    {SCHEMA_TYPE_BIT, 1 << 8 | 4, 0},
    {SCHEMA_TYPE_YEAR, 0, 0},
    {SCHEMA_TYPE_DATE, 0, 0},
    {SCHEMA_TYPE_TIME2, 3, 0},
    {SCHEMA_TYPE_DATETIME2, 6, 0},
    {SCHEMA_TYPE_TIMESTAMP2, 1, 0},
    {SCHEMA_TYPE_TIME, 0, 0},
    {SCHEMA_TYPE_DATETIME, 0, 0},
    {SCHEMA_TYPE_TIMESTAMP, 0, 0},
    {SCHEMA_TYPE_VARCHAR, 40, 45},
    {SCHEMA_TYPE_VARCHAR, 400, 8},
    {SCHEMA_TYPE_STRING, 16, 63},
    {SCHEMA_TYPE_BLOB, 2, 63},
    {SCHEMA_TYPE_BLOB, 4, 28},
    {SCHEMA_TYPE_ENUM, 1, 45},
    {SCHEMA_TYPE_SET, 3, 45},
    {SCHEMA_TYPE_JSON, 4, 0},
    {SCHEMA_TYPE_GEOMETRY, 4, 0},
    {SCHEMA_TYPE_VECTOR, 4, 0},
    {SCHEMA_TYPE_VARCHAR_COMPRESSED, 300, 45},
    {SCHEMA_TYPE_BLOB_COMPRESSED, 3, 63},
};
#define N_COLUMNS    (sizeof columns / sizeof *columns)

#define PRINTED_ROWS 20u

/* Made once, for all inputs. */
static struct {
    struct schema_table *table;
    struct encoder *ndjson, *debezium;
    struct cdc_row *before, *after;
} fixed;

static void make_fixed(void)
{
    struct schema_table *t = schema_table_new("d", "t", N_COLUMNS);
    for (size_t i = 0; i < N_COLUMNS; i++) {
        t->columns[i].type = columns[i].type;
        t->columns[i].meta = columns[i].meta;
        t->columns[i].collation = columns[i].collation;
        t->columns[i].nullable = i % 2;
        t->columns[i].is_unsigned = i % 3 == 0;
    }
    schema_table_seal(t);
    fixed.table = t;
    fixed.ndjson = encoder_find("ndjson")->open("{}", NULL);
    fixed.debezium = encoder_find("debezium-json")->open("{}", NULL);
    fixed.before = cdc_row_new(N_COLUMNS);
    fixed.after = cdc_row_new(N_COLUMNS);
}

static bool emit(void *ctx, const struct encode_record *r, struct err *e)
{
    (void)ctx;
    (void)e;
    return r->value_len > 0 || !r->value;
}

static void use(const struct cdc_rows *rows)
{
    struct cdc_change c = {.kind = CDC_ROWS, .rows = *rows};
    struct cdc_row *before = fixed.before, *after = fixed.after;
    struct encoder *nd = fixed.ndjson, *db = fixed.debezium;
    struct encode_context context = {.prefix = "p"};
    struct cdc_rows_iter it;
    struct err e;
    uint32_t n = 0;
    enum cdc_rows_result r;
    cdc_rows_begin(&it, rows);
    while ((r = cdc_rows_next(&it, before, after, &e)) == CDC_ROWS_ROW) {
        n++;
        if (n > PRINTED_ROWS)
            continue;
        const struct encode_row row = {&context, &c, before, after, n};
        (void)nd->ops->row(nd, &row, emit, NULL, &e);
        (void)db->ops->row(db, &row, emit, NULL, &e);
        for (size_t i = 0; i < N_COLUMNS; i++)
            (void)cdc_value_equal(&before->values[i], &after->values[i]);
    }
    if (r != CDC_ROWS_END || n != rows->n_rows)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const size_t bitmap = (N_COLUMNS + 7) / 8;
    if (n < 1 + 2 * bitmap || n > 65536)
        return 0;
    if (!fixed.table)
        make_fixed();
    struct cdc_rows rows = {.table = fixed.table,
                            .op = (enum cdc_op)(data[0] % 3),
                            .n_columns = N_COLUMNS,
                            .n_rows = 0};
    rows.partial_json = rows.op == CDC_OP_UPDATE && data[0] & 0x80;
    rows.present_before = rows.op == CDC_OP_INSERT ? NULL : data + 1;
    rows.present_after = rows.op == CDC_OP_DELETE ? NULL : data + 1 + bitmap;
    rows.images = data + 1 + 2 * bitmap;
    rows.images_len = n - 1 - 2 * bitmap;
    struct err e;
    if (cdc_rows_validate(&rows, &e))
        use(&rows);
    return 0;
}
