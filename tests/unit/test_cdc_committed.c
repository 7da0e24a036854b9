/* tests/unit/test_cdc_committed.c — where a stream of committed transactions stands, and where it
 * ends. */
#include "base/mem.h"
#include "cdc/vstream/committed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

/* One batch: B begin, d a statement, C commit, X rollback, g a gap. Changes are numbered by offset
 * from `place` on; a transaction's end is at its own. */
static struct cdc_batch *batch_of(const char *letters, uint64_t place)
{
    static const char kinds[] = "BdCXg";
    static const enum cdc_change_kind kind_of[] = {CDC_BEGIN, CDC_DDL, CDC_COMMIT, CDC_ROLLBACK,
                                                   CDC_GAP};
    struct cdc_batch *b = cdc_batch_new();
    for (; *letters; letters++, place++) {
        struct cdc_change *c = cdc_batch_add(b, kind_of[strchr(kinds, *letters) - kinds]);
        c->file = "binlog.000001";
        c->log_pos = place;
        if (c->kind == CDC_COMMIT || c->kind == CDC_ROLLBACK)
            c->end.next_pos = place;
        else if (c->kind == CDC_DDL)
            c->ddl.sql = "x";
    }
    return b;
}

static struct committed *open_at(const struct committed_options *o, uint64_t place)
{
    struct position start = {.file = "binlog.000001", .pos = place};
    return committed_new(o, &start);
}

static void put(struct committed *c, const char *letters, uint64_t place)
{
    struct cdc_batch *b = batch_of(letters, place);
    committed_put(c, b);
    cdc_batch_unref(b);
}

static void expect(struct committed *c, enum committed_next want, size_t n, bool ends)
{
    struct committed_part part = {0};
    struct err e = ERR_INIT;
    assert_int_equal(committed_next(c, &part, &e), want);
    assert_int_equal(part.n, n);
    assert_int_equal(part.ends, ends);
}

static void expect_place(const struct committed *c, uint64_t place)
{
    assert_int_equal(committed_position(c)->pos, place);
}

static void the_position_waits_for_the_taking(void **state)
{
    struct committed *c = open_at(&(struct committed_options){0}, 4);
    (void)state;
    put(c, "BdCBdC", 100);
    expect(c, COMMITTED_PART, 3, true);
    expect_place(c, 4);
    committed_taken(c);
    expect_place(c, 102);
    expect(c, COMMITTED_PART, 3, true);
    expect_place(c, 102);
    expect(c, COMMITTED_MORE, 0, false);
    expect_place(c, 105);
    committed_free(c);
}

static void a_cut_transaction_is_given_change_by_change(void **state)
{
    struct committed *c = open_at(&(struct committed_options){0}, 4);
    (void)state;
    put(c, "Bd", 100);
    expect(c, COMMITTED_MORE, 0, false);
    assert_true(committed_is_open(c));
    put(c, "C", 200);
    expect(c, COMMITTED_PART, 1, false);
    expect(c, COMMITTED_PART, 1, false);
    expect_place(c, 4);
    expect(c, COMMITTED_PART, 1, true);
    expect(c, COMMITTED_MORE, 0, false);
    expect_place(c, 200);
    assert_false(committed_is_open(c));
    committed_free(c);
}

static void a_stop_is_behind_the_transaction_that_is_given(void **state)
{
    struct committed *c = open_at(&(struct committed_options){0}, 4);
    (void)state;
    put(c, "BdCBdC", 100);
    expect(c, COMMITTED_PART, 3, true);
    committed_stop(c);
    expect(c, COMMITTED_END, 0, false);
    expect_place(c, 102);
    committed_free(c);
}

static void nothing_is_given_behind_the_end(void **state)
{
    struct position until = {.file = "binlog.000001", .pos = 102};
    struct committed *c = open_at(&(struct committed_options){.until = &until}, 4);
    (void)state;
    put(c, "BdCBdC", 100);
    expect(c, COMMITTED_PART, 3, true);
    expect(c, COMMITTED_END, 0, false);
    expect(c, COMMITTED_END, 0, false);
    committed_free(c);
}

static void who_shows_nothing_gets_it_at_once(void **state)
{
    struct committed *c = open_at(&(struct committed_options){.at_once = true}, 4);
    (void)state;
    put(c, "Bd", 100);
    expect(c, COMMITTED_PART, 2, false);
    expect(c, COMMITTED_MORE, 0, false);
    put(c, "X", 200);
    expect(c, COMMITTED_PART, 1, true);
    expect(c, COMMITTED_MORE, 0, false);
    expect_place(c, 200);
    committed_free(c);
}

static void what_cannot_be_read_stops_it(void **state)
{
    struct committed *c = open_at(&(struct committed_options){0}, 4);
    (void)state;
    put(c, "BdCg", 100);
    expect(c, COMMITTED_PART, 3, true);
    expect(c, COMMITTED_FAIL, 0, false);
    expect_place(c, 102);
    committed_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_position_waits_for_the_taking),
        cmocka_unit_test(a_cut_transaction_is_given_change_by_change),
        cmocka_unit_test(a_stop_is_behind_the_transaction_that_is_given),
        cmocka_unit_test(nothing_is_given_behind_the_end),
        cmocka_unit_test(who_shows_nothing_gets_it_at_once),
        cmocka_unit_test(what_cannot_be_read_stops_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
