/* tests/unit/test_sinks_tx.c — what a sink is given of a transaction: nothing before its end,
 * nothing of one that was rolled back, all of one that was cut into batches. */
#include "cdc/log/decode.h"
#include "sinks/sink_tx.h"
#include "tests/support/replay_log.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants the two above and stdlib first */
#include <cmocka.h>

/* ---- an encoder that notes the ids of the rows it is given ---- */

#define IDS_MAX 16
struct noting {
    struct encoder base;
    int64_t ids[IDS_MAX];
    unsigned n;
};

static bool note_row(struct encoder *enc, const struct encode_row *row, encode_emit_fn emit,
                     void *ctx, struct err *e)
{
    struct noting *n = (struct noting *)enc;
    (void)emit, (void)ctx, (void)e;
    assert_true(n->n < IDS_MAX);
    n->ids[n->n++] = cdc_value_i64(&row->after->values[0]);
    return true;
}

static bool note_other(struct encoder *enc, const struct encode_context *c,
                       const struct cdc_change *change, encode_emit_fn emit, void *ctx,
                       struct err *e)
{
    (void)enc, (void)c, (void)change, (void)emit, (void)ctx, (void)e;
    return true;
}

static const struct encoder_ops noting_ops = {
    .name = "noting", .rows = encode_row_by_row, .row = note_row, .other = note_other};

/* ---- a log of one transaction with rows 0 and 1, each in an event ---- */

static void put_rollback(struct log *l)
{
    static const char sql[] = "ROLLBACK";
    struct buf b = BUF_INIT;
    buf_put_le(&b, 1, 4);
    buf_put_le(&b, 0, 4);
    buf_put_u8(&b, 4); /* of the database's name */
    buf_put_le(&b, 0, 4);
    buf_put(&b, "shop", 5);
    buf_put(&b, sql, sizeof sql - 1);
    put_event(l, 2, &b, 1, false);
    buf_fini(&b);
}

static void put_xid(struct log *l)
{
    struct buf b = BUF_INIT;
    buf_put_le(&b, 1, 8);
    put_event(l, 16, &b, 1, false);
    buf_fini(&b);
}

struct fixture {
    struct log log;
    struct cdc_decoder *decoder;
    struct noting encoder;
    struct sink_tx *tx;
    struct committed *committed;
    size_t next; /* event that is fed next */
};

static void begin(struct fixture *f, bool rolled_back)
{
    struct cdc_decode_options decode = {.verify_checksum = true};
    struct sink_tx_options o = {.encoder = &f->encoder.base};
    struct position at = {.file = "binlog.000001", .pos = 4};
    *f = (struct fixture){.encoder.base.ops = &noting_ops};
    put_format(&f->log);
    put_gtid(&f->log, 1);
    put_table_map(&f->log, 1);
    put_rows(&f->log, 1, 0, 1);
    put_rows(&f->log, 1, 1, 2);
    if (rolled_back)
        put_rollback(&f->log);
    else
        put_xid(&f->log);
    at.gtids = gtid_set_new(GTID_FLAVOR_MARIADB);
    f->decoder = cdc_decoder_new(&decode, &at);
    f->tx = sink_tx_new(&o);
    f->committed = committed_new(&(struct committed_options){0}, &at);
    position_fini(&at);
}

static void end(struct fixture *f)
{
    sink_tx_free(f->tx);
    committed_free(f->committed);
    cdc_decoder_free(f->decoder);
    log_fini(&f->log);
}

/* Events up to (not including) `until` as one batch. */
static void give(struct fixture *f, size_t until)
{
    struct err e = ERR_INIT;
    struct committed_part part;
    enum committed_next next;
    bool clean;
    for (; f->next < until; f->next++) {
        const struct log_event *ev = &f->log.events[f->next];
        if (!cdc_decoder_feed(f->decoder, f->log.bytes.data + ev->at, ev->n, &e))
            fail_msg("%s", e.text);
    }
    struct cdc_batch *b = cdc_decoder_take(f->decoder, true);
    assert_non_null(b);
    committed_put(f->committed, b);
    cdc_batch_unref(b);
    while ((next = committed_next(f->committed, &part, &e)) == COMMITTED_PART)
        assert_true(sink_tx_part(f->tx, &part, committed_position(f->committed), &clean, &e));
    assert_int_equal(next, COMMITTED_MORE);
}

static void assert_both_rows(const struct fixture *f)
{
    assert_int_equal(f->encoder.n, 2);
    assert_int_equal(f->encoder.ids[0], ID_STEP);
    assert_int_equal(f->encoder.ids[1], ID_STEP + 1);
}

static void assert_at_the_end(const struct fixture *f)
{
    assert_int_equal(committed_position(f->committed)->pos, 4 + f->log.bytes.len);
    assert_false(committed_is_open(f->committed));
}

/* ---- tests ---- */

static void a_committed_transaction_is_given_in_order(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f, false);
    give(&f, f.log.n_events);
    assert_both_rows(&f);
    assert_at_the_end(&f);
    end(&f);
}

static void nothing_is_given_before_the_commit_was_seen(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f, false);
    give(&f, 4);
    assert_int_equal(f.encoder.n, 0);
    assert_int_equal(committed_position(f.committed)->pos, 4);
    assert_true(committed_is_open(f.committed));
    give(&f, f.log.n_events);
    assert_both_rows(&f);
    assert_at_the_end(&f);
    end(&f);
}

static void nothing_is_given_of_a_transaction_that_was_rolled_back(void **state)
{
    (void)state;
    for (size_t cut = 4; cut <= 6; cut++) { /* 6: all of it in one batch */
        struct fixture f;
        begin(&f, true);
        if (cut < f.log.n_events)
            give(&f, cut);
        give(&f, f.log.n_events);
        assert_int_equal(f.encoder.n, 0);
        assert_at_the_end(&f);
        end(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_committed_transaction_is_given_in_order),
        cmocka_unit_test(nothing_is_given_before_the_commit_was_seen),
        cmocka_unit_test(nothing_is_given_of_a_transaction_that_was_rolled_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
