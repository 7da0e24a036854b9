/* tests/unit/test_cdc_committed.c — what is given of a log, wherever batches are cut, where a stream
 * of committed transactions stands, and where it ends. */
#include "base/mem.h"
#include "cdc/vstream/committed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

/* One batch: B begin, d a statement, C commit, X rollback, L one of a transaction that the log cuts
 * off, h heartbeat, g a gap. Changes are numbered by offset
 * from `place` on; a transaction's end is at its own. */
static struct cdc_batch *batch_of(const char *letters, uint64_t place)
{
    static const char kinds[] = "BdCXLhg";
    static const enum cdc_change_kind kind_of[] = {
        CDC_BEGIN, CDC_DDL, CDC_COMMIT, CDC_ROLLBACK, CDC_ROLLBACK, CDC_HEARTBEAT, CDC_GAP};
    struct cdc_batch *b = cdc_batch_new();
    for (; *letters; letters++, place++) {
        struct cdc_change *c = cdc_batch_add(b, kind_of[strchr(kinds, *letters) - kinds]);
        c->file = "binlog.000001";
        c->log_pos = place;
        if (c->kind == CDC_COMMIT || c->kind == CDC_ROLLBACK)
            c->end.next_pos = place;
        else if (c->kind == CDC_DDL)
            c->ddl.sql = "x";
        else if (c->kind == CDC_BEGIN)
            c->begin.query = "a text";
        if (*letters == 'L')
            c->end.cut_off = true;
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

/* ---- of a log ---- */

static size_t collect(const struct committed *c, const struct committed_part *part, char *seen)
{
    static const char letters[] = "B.dCXh..g";
    size_t lost = 0;
    for (size_t i = 0; i < part->n; i++) {
        const struct cdc_change *change = &part->changes[i];
        strncat(seen, &letters[change->kind], 1);
        if (change->kind == CDC_DDL || change->kind == CDC_COMMIT)
            assert_string_equal(part->begin->begin.query, "a text");
        if (change->kind == CDC_HEARTBEAT || change->kind == CDC_GAP)
            assert_null(part->begin);
        if (change->kind == CDC_ROLLBACK && change->end.cut_off)
            lost += committed_lost(c).pos == 107 && committed_lost(c).file[0] == 'b';
    }
    return lost;
}

/* Batches are separated by spaces; what is lost begins in the log at 107. */
static void assert_log(bool at_once, const char *batches, const char *want, size_t without_end)
{
    char seen[100] = "", letters[20];
    struct err e = ERR_INIT;
    struct committed_part part;
    struct committed *c =
        committed_new(&(struct committed_options){.at_once = at_once, .log = true}, NULL);
    size_t lost = 0;
    for (const char *p = batches; *p; p += strspn(p, " ")) {
        enum committed_next next;
        size_t n = strcspn(p, " ");
        memcpy(letters, p, n);
        letters[n] = '\0';
        put(c, letters, 100 + (uint64_t)(p - batches));
        while ((next = committed_next(c, &part, &e)) == COMMITTED_PART)
            lost += collect(c, &part, seen);
        assert_int_equal(next, COMMITTED_MORE);
        p += n;
    }
    if (committed_is_open(c)) {
        assert_int_equal(committed_lost(c).pos, 107);
        lost++;
    }
    assert_int_equal(lost, without_end);
    assert_string_equal(seen, want);
    committed_free(c);
}

static void a_log_gives_what_was_committed_and_what_lies_between(void **state)
{
    (void)state;
    assert_log(false, "BdChgBddC", "BdChgBddC", 0);
    assert_log(false, "B d ChBd dC", "BdChBddC", 0);
    assert_log(false, "BdC Bd dC B C", "BdCBddCBC", 0);
}

static void a_log_gives_the_rollback_alone_of_what_was_left_out(void **state)
{
    (void)state;
    assert_log(false, "BdXBdC", "XBdC", 0);
    assert_log(false, "Bd d X BdC", "XBdC", 0);
    assert_log(false, "BdC   hBdL BdC", "BdChXBdC", 1);
    assert_log(false, "BdC    Bd L BdC", "BdCXBdC", 1);
    assert_log(false, "BdC    Bd d", "BdC", 1);
}

static void a_log_that_is_not_shown_gives_all_at_once(void **state)
{
    (void)state;
    assert_log(true, "BdX    BdL", "BdXBdX", 1);
    assert_log(true, "BdX    Bd d", "BdXBdd", 1);
    assert_log(true, "BdC    Bd L BdC", "BdCBdXBdC", 1);
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
        cmocka_unit_test(a_log_gives_what_was_committed_and_what_lies_between),
        cmocka_unit_test(a_log_gives_the_rollback_alone_of_what_was_left_out),
        cmocka_unit_test(a_log_that_is_not_shown_gives_all_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
