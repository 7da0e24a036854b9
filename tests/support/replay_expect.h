/* tests/support/replay_expect.h — a consumer of replay_log.h's log that knows what must come. */
#ifndef SLUICE_TESTS_SUPPORT_REPLAY_EXPECT_H
#define SLUICE_TESTS_SUPPORT_REPLAY_EXPECT_H

#include "tests/support/replay_log.h"

struct expect {
    unsigned transaction; /* that is open or comes next */
    uint64_t row;         /* that comes next in it */
    bool open;
    uint64_t rows_seen;
    char wrong[200];
};

static inline void expect_rows(struct expect *x, const struct cdc_rows *rows)
{
    static const char no_pad[PAD_BYTES];
    struct cdc_row *after = cdc_row_new(rows->table->n_columns);
    struct cdc_rows_iter it;
    struct err e = ERR_INIT;
    cdc_rows_begin(&it, rows);
    if (rows->first_seq != x->row && !x->wrong[0])
        snprintf(x->wrong, sizeof x->wrong, "transaction %u: first_seq %u, row %llu is due",
                 x->transaction, rows->first_seq, (unsigned long long)x->row);
    while (cdc_rows_next(&it, NULL, after, &e) == CDC_ROWS_ROW) {
        int64_t id = cdc_value_i64(&after->values[0]);
        int64_t due = (int64_t)x->transaction * ID_STEP + (int64_t)x->row;
        if (id != due && !x->wrong[0])
            snprintf(x->wrong, sizeof x->wrong, "row %lld came, %lld is due", (long long)id,
                     (long long)due);
        const struct cdc_value *pad = &after->values[1];
        if ((pad->n != PAD_BYTES || memcmp(pad->p, no_pad, PAD_BYTES) != 0) && !x->wrong[0])
            snprintf(x->wrong, sizeof x->wrong, "row %lld has another value", (long long)id);
        x->row++;
        x->rows_seen++;
    }
    cdc_row_free(after);
}

static inline void expect_change(struct expect *x, const struct cdc_change *c)
{
    switch (c->kind) {
    case CDC_BEGIN:
        if ((x->open || c->begin.gtid.seq != x->transaction) && !x->wrong[0])
            snprintf(x->wrong, sizeof x->wrong, "BEGIN of %llu came, %u is due, open %d",
                     (unsigned long long)c->begin.gtid.seq, x->transaction, x->open);
        x->open = true;
        break;
    case CDC_ROWS:
        if (!x->open && !x->wrong[0])
            snprintf(x->wrong, sizeof x->wrong, "rows outside a transaction");
        expect_rows(x, &c->rows);
        break;
    case CDC_COMMIT:
        if ((!x->open || x->row != rows_of(x->transaction)) && !x->wrong[0])
            snprintf(x->wrong, sizeof x->wrong, "COMMIT of %u after %llu rows", x->transaction,
                     (unsigned long long)x->row);
        x->open = false;
        x->transaction++;
        x->row = 0;
        break;
    case CDC_DDL:
    case CDC_ROLLBACK:
    case CDC_JOURNAL:
    case CDC_COPY_ROWS:
    case CDC_GAP:
        snprintf(x->wrong, sizeof x->wrong, "an unexpected change of kind %d", (int)c->kind);
        break;
    case CDC_HEARTBEAT:
        break;
    }
}

static inline void expect_batch(struct expect *x, const struct cdc_batch *b)
{
    for (size_t i = 0; i < b->n_changes; i++)
        expect_change(x, &b->changes[i]);
}

#endif
