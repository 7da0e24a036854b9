/* tests/unit/test_sink_tx.c — only committed transactions become records, whole, wherever batches
 * are cut. */
#include "base/mem.h"
#include "sinks/sink_tx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static struct schema_table *orders, *items, *other, *sidecar;

static struct schema_table *table_of(const char *db, const char *name)
{
    struct schema_table *t = schema_table_new(db, name, 1);
    t->columns[0].name = mem_strdup("id");
    t->columns[0].type = SCHEMA_TYPE_LONG;
    t->full_metadata = true;
    return t;
}

static int make_tables(void **state)
{
    (void)state;
    orders = table_of("shop", "orders");
    items = table_of("shop", "items");
    orders->columns[0].nullable = items->columns[0].nullable = true; /* may be NULL, or a default */
    other = table_of("elsewhere", "orders");
    sidecar = table_of("_sluice", "position");
    return 0;
}

static int drop_tables(void **state)
{
    (void)state;
    schema_table_unref(orders);
    schema_table_unref(items);
    schema_table_unref(other);
    schema_table_unref(sidecar);
    return 0;
}

/* One letter a change: B begin, r row of orders, i of items, o of another database, s of the
 * sidecar, D a DDL, C commit, X rollback. */
static struct cdc_batch *batch_of(const char *letters)
{
    struct cdc_batch *b = cdc_batch_new();
    static uint64_t place = 100;
    for (; *letters; letters++) {
        bool row = strchr("rios", *letters) != NULL;
        enum cdc_change_kind kind = row               ? CDC_ROWS
                                    : *letters == 'B' ? CDC_BEGIN
                                    : *letters == 'C' ? CDC_COMMIT
                                    : *letters == 'D' ? CDC_DDL
                                                      : CDC_ROLLBACK;
        struct cdc_change *c = cdc_batch_add(b, kind);
        c->file = "binlog.000001";
        c->log_pos = ++place;
        if (row) {
            static const uint8_t present[] = {1}, image[] = {0xfe, 7, 0, 0, 0};
            c->rows.table = *letters == 'r'   ? orders
                            : *letters == 'i' ? items
                            : *letters == 'o' ? other
                                              : sidecar;
            cdc_batch_hold_table(b, c->rows.table);
            c->rows.n_columns = 1;
            c->rows.present_after = present;
            c->rows.images = image;
            c->rows.images_len = sizeof image;
            c->rows.n_rows = 1;
        } else if (kind == CDC_DDL) {
            c->ddl.sql = "ALTER TABLE elsewhere.orders ADD x INT";
            c->ddl.n = strlen(c->ddl.sql);
        } else if (kind != CDC_BEGIN) {
            c->end.next_pos = place;
        }
    }
    return b;
}

/* An encoder that writes one letter a record. */
static bool letter_row(struct encoder *enc, const struct encode_row *row, encode_emit_fn emit,
                       void *ctx, struct err *e)
{
    const struct encode_record r = {.context = row->context,
                                    .table = row->change->rows.table,
                                    .op = encode_op_of(row->change, row->context),
                                    .value = "r",
                                    .value_len = 1};
    (void)enc;
    assert_non_null(row->context->begin);
    assert_int_equal(cdc_value_i64(&row->after->values[0]), 7);
    return emit(ctx, &r, e);
}

static bool letter_other(struct encoder *enc, const struct encode_context *c,
                         const struct cdc_change *change, encode_emit_fn emit, void *ctx,
                         struct err *e)
{
    const struct encode_record r = {
        .context = c, .value = change->kind == CDC_BEGIN ? "B" : "C", .value_len = 1};
    (void)enc;
    return emit(ctx, &r, e);
}

static bool collect(void *ctx, const struct encode_record *r, struct err *e)
{
    (void)e;
    return buf_put(ctx, r->value, r->value_len);
}

/* The server proves nothing, but being asked leaves a mark. */
static bool note_question(void *ctx, const struct cdc_change *begin,
                          const struct schema_table *table, const struct schema_table **out,
                          struct err *e)
{
    assert_non_null(begin);
    assert_null(*out);
    (void)e;
    return buf_put(ctx, table == orders ? "?" : "!", 1);
}

static void feed(struct sink_tx *t, struct committed *held, const char *letters)
{
    struct cdc_batch *b = batch_of(letters);
    struct committed_part part;
    enum committed_next next;
    struct err e = ERR_INIT;
    bool clean;
    committed_put(held, b);
    cdc_batch_unref(b);
    while ((next = committed_next(held, &part, &e)) == COMMITTED_PART)
        assert_true(sink_tx_part(t, &part, committed_position(held), &clean, &e));
    assert_int_equal(next, COMMITTED_MORE);
}

/* Feeds batches (separated by spaces) and gives the records. */
static void assert_records_with(struct sink_tx_options o, bool wants_known, const char *batches,
                                const char *records)
{
    const struct encoder_ops ops = {.rows = encode_row_by_row,
                                    .row = letter_row,
                                    .other = letter_other,
                                    .wants_known = wants_known};
    struct encoder encoder = {.ops = &ops};
    struct buf out = BUF_INIT;
    o.database = "shop";
    o.encoder = &encoder;
    o.define = note_question;
    o.ctx = &out;
    struct sink_tx *t = sink_tx_new(&o);
    struct committed *held = committed_new(&(struct committed_options){0}, NULL);
    char *copy = mem_strdup(batches), *rest = copy;
    for (char *part; (part = strsep(&rest, " ")) != NULL;)
        feed(t, held, part);
    assert_string_equal(buf_str(&out), records);
    free(copy);
    sink_tx_free(t);
    committed_free(held);
    buf_fini(&out);
}

static void assert_records_of(bool wants_known, const char *batches, const char *records)
{
    const struct sink_tx_options o = {.transactions = true, .emit = collect};
    assert_records_with(o, wants_known, batches, records);
}

static void assert_records(const char *batches, const char *records)
{
    assert_records_of(false, batches, records);
}

static void a_committed_transaction_is_given_whole(void **state)
{
    (void)state;
    assert_records("BrrC", "BrrC");
    assert_records("Br rC", "BrrC");
    assert_records("B r r C", "BrrC");
    assert_records("BrCBr CBrC", "BrCBrCBrC");
}

static void an_unfinished_transaction_is_not_given(void **state)
{
    (void)state;
    assert_records("Brr", "");
    assert_records("BrC Brrr", "BrC");
}

static void a_rolled_back_transaction_is_never_given(void **state)
{
    (void)state;
    assert_records("BrrX", "");
    assert_records("Br rX", "");
    assert_records("Br r XBrC", "BrC");
}

static void other_databases_and_the_sidecar_are_left_out(void **state)
{
    (void)state;
    assert_records("BoC", "");
    assert_records("BsrsoC", "BrC");
    assert_records("Bs oC", "");
}

static void the_position_moves_over_what_is_left_out_too(void **state)
{
    struct cdc_batch *b = batch_of("BoCBrX");
    struct buf text = BUF_INIT;
    struct err e = ERR_INIT;
    struct committed *held = committed_new(&(struct committed_options){0}, NULL);
    struct committed_part part;
    char want[40];
    (void)state;
    snprintf(want, sizeof want, "FilePos/binlog.000001:%llu",
             (unsigned long long)b->changes[5].end.next_pos);
    committed_put(held, b);
    assert_int_equal(committed_next(held, &part, &e), COMMITTED_PART);
    assert_int_equal(part.n, 3);
    assert_int_equal(committed_next(held, &part, &e), COMMITTED_MORE);
    position_print(committed_position(held), &text);
    assert_string_equal(buf_str(&text), want);
    cdc_batch_unref(b);
    committed_free(held);
    buf_fini(&text);
}

/* A question may scan the log: tables whose rows take turns must not ask again and again. */
static void the_server_is_asked_once_for_each_table_until_a_ddl(void **state)
{
    (void)state;
    assert_records_of(true, "BririC BrC BiC", "B?r!rrrCBrCBrC");
    assert_records_of(true, "BrC BDC BriC", "B?rCB?r!rC");
}

static const char *topic_of(void *ctx, const struct schema_table *table)
{
    (void)ctx;
    return table ? table->name : "-";
}

/* "orders0," for the first record of a transaction. */
static bool collect_place(void *ctx, const struct encode_record *r, struct err *e)
{
    (void)e;
    return buf_printf(ctx, "%s%u,", r->context->topic, r->tx_index);
}

static bool collect_end(void *ctx, const struct cdc_change *begin, uint32_t n, struct err *e)
{
    (void)e;
    assert_int_equal(begin->kind, CDC_BEGIN);
    return buf_printf(ctx, "|%u ", n);
}

/* Also when it came in several batches; one without a record has no end either. */
static void a_record_has_its_topic_and_its_place_in_the_transaction(void **state)
{
    const struct sink_tx_options o = {
        .emit = collect_place, .topic = topic_of, .committed = collect_end};
    struct sink_tx_options with_begin = o;
    (void)state;
    assert_records_with(o, false, "BrirC BoC Br", "orders0,items1,orders2,|3 ");
    assert_records_with(o, false, "Br rC BrXBiC", "orders0,orders1,|2 items0,|1 ");
    with_begin.transactions = true;
    assert_records_with(with_begin, false, "BrC", "-0,orders1,-2,|3 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_has_its_topic_and_its_place_in_the_transaction),
        cmocka_unit_test(a_committed_transaction_is_given_whole),
        cmocka_unit_test(an_unfinished_transaction_is_not_given),
        cmocka_unit_test(a_rolled_back_transaction_is_never_given),
        cmocka_unit_test(other_databases_and_the_sidecar_are_left_out),
        cmocka_unit_test(the_server_is_asked_once_for_each_table_until_a_ddl),
        cmocka_unit_test(the_position_moves_over_what_is_left_out_too),
    };
    return cmocka_run_group_tests(tests, make_tables, drop_tables);
}
