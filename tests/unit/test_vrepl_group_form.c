/* tests/unit/test_vrepl_group_form.c — which transactions form a group: one letter a change. */
#include "vrepl/move/group_form.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FIRST_POS 101u
#define TARGET    0u

static const struct vrepl_plan plan;

/* B begin, r a row for the target, o one for another target, n one of a table outside the stream,
 * D a DDL of the stream's tables, C commit, X rollback, H heartbeat; the first lies at FIRST_POS,
 * each further one a byte behind. */
struct made {
    struct cdc_batch *batch;
    struct vrepl_routing *routing;
};

static enum cdc_change_kind kind_of(char letter)
{
    switch (letter) {
    case 'B':
        return CDC_BEGIN;
    case 'D':
        return CDC_DDL;
    case 'C':
        return CDC_COMMIT;
    case 'X':
        return CDC_ROLLBACK;
    case 'H':
        return CDC_HEARTBEAT;
    default:
        return CDC_ROWS;
    }
}

static struct made make(const char *letters)
{
    size_t n = strlen(letters);
    struct made m = {cdc_batch_new(), mem_alloc(sizeof *m.routing)};
    m.routing->refs = 1;
    m.routing->changes = mem_calloc(n, sizeof *m.routing->changes);
    m.routing->before = mem_calloc(n, sizeof *m.routing->before);
    m.routing->after = mem_calloc(n, sizeof *m.routing->after);
    m.batch->bytes = 1000;
    for (size_t i = 0; i < n; i++) {
        struct cdc_change *c = cdc_batch_add(m.batch, kind_of(letters[i]));
        struct route_change *rc = &m.routing->changes[i];
        c->file = "binlog.000001";
        c->log_pos = FIRST_POS + i;
        m.routing->before[i] = ROUTE_NONE;
        m.routing->after[i] = letters[i] == 'r' ? (uint16_t)TARGET : (uint16_t)(TARGET + 1);
        rc->first = (uint32_t)i;
        rc->plan = letters[i] == 'r' || letters[i] == 'o' ? &plan : NULL;
        rc->ddl_ours = letters[i] == 'D';
        rc->foreign = true;
        if (c->kind == CDC_ROWS) {
            c->rows.n_rows = 1;
            c->rows.images_len = 10;
        } else if (c->kind == CDC_COMMIT || c->kind == CDC_ROLLBACK) {
            c->end.next_pos = c->log_pos;
        }
    }
    return m;
}

static struct position at(size_t letters_before)
{
    struct position p = POSITION_INIT;
    snprintf(p.file, sizeof p.file, "binlog.000001");
    p.pos = FIRST_POS + letters_before;
    return p;
}

struct want {
    size_t taken;
    bool relevant, outside, ddl;
    uint64_t transactions;
};

static void check(const struct group_rules *rules, bool skipping, const char *letters,
                  struct want want)
{
    struct made m = make(letters);
    struct group_form g = {.skipping = skipping};
    size_t taken = group_take(&g, rules, m.batch, m.routing, 0);
    if (taken != want.taken || g.relevant != want.relevant || g.outside != want.outside ||
        (g.ddl != NULL) != want.ddl || g.transactions != want.transactions)
        fail_msg("%s: took %zu, relevant %d, outside %d, ddl %d, %llu transactions", letters, taken,
                 g.relevant, g.outside, g.ddl != NULL, (unsigned long long)g.transactions);
    assert_int_equal(g.whole, taken > 0);
    assert_int_equal(g.held_bytes, want.transactions > 0 ? 1000 : 0);
    position_fini(&g.end);
    cdc_batch_unref(m.batch);
    vrepl_routing_unref(m.routing);
}

static struct group_rules rules_of(const struct position *durable)
{
    return (struct group_rules){.target_no = TARGET, .durable = durable};
}

static void whole_transactions_join_and_open_ones_wait(void **state)
{
    struct position start = at(0);
    const struct group_rules r = rules_of(&start);
    (void)state;
    check(&r, false, "BrCBrC", (struct want){6, true, false, false, 2});
    check(&r, false, "BrCBr", (struct want){3, true, false, false, 1});
    check(&r, false, "Brr", (struct want){0, false, false, false, 0});
    check(&r, false, "BrCHBrC", (struct want){7, true, false, false, 2});
}

/* Their positions pass with the group; nothing of them is held. */
static void what_is_for_others_is_passed_over(void **state)
{
    struct position start = at(0);
    const struct group_rules r = rules_of(&start);
    (void)state;
    check(&r, false, "BoCBnC", (struct want){6, false, false, false, 0});
    check(&r, false, "BoCBrCBnC", (struct want){9, true, false, false, 1});
}

static void a_rolled_back_transaction_never_shares_a_group_with_rows(void **state)
{
    struct position start = at(0);
    const struct group_rules r = rules_of(&start);
    (void)state;
    check(&r, false, "BrXBrC", (struct want){3, false, true, false, 0});
    check(&r, false, "BrCBrX", (struct want){3, true, false, false, 1});
    check(&r, false, "BrXBoC", (struct want){6, false, true, false, 0});
}

static void what_the_target_has_is_outside(void **state)
{
    struct position durable = at(3); /* behind the first transaction */
    const struct group_rules r = rules_of(&durable);
    (void)state;
    check(&r, true, "BrCBrC", (struct want){3, false, true, false, 0});
    check(&r, true, "BrC", (struct want){3, false, true, false, 0});
    check(&r, false, "BrCBrC", (struct want){6, true, false, false, 2});
}

/* The place of a heartbeat proves that what was skipped is over, without a transaction behind it. */
static void a_heartbeat_at_the_durable_position_ends_skipping(void **state)
{
    struct position durable = at(3);
    const struct group_rules r = rules_of(&durable);
    struct made m = make("BrCH");
    struct group_form g = {.skipping = true};
    (void)state;
    assert_int_equal(group_take(&g, &r, m.batch, m.routing, 0), 4);
    assert_false(g.skipping);
    assert_true(g.end.pos == FIRST_POS + 3);
    position_fini(&g.end);
    cdc_batch_unref(m.batch);
    vrepl_routing_unref(m.routing);
}

static void nothing_is_applied_from_the_freeze_on(void **state)
{
    struct position start = at(0), freeze = at(2);
    struct group_rules r = rules_of(&start);
    (void)state;
    r.freeze = &freeze; /* where the first COMMIT lies */
    check(&r, false, "BrCBrC", (struct want){3, true, false, false, 1});
    r.freeze = NULL;
    r.frozen = true;
    check(&r, false, "BrCBrC", (struct want){6, false, true, false, 0});
}

static void a_ddl_is_alone_in_its_group(void **state)
{
    struct position start = at(0);
    struct group_rules r = rules_of(&start);
    (void)state;
    check(&r, false, "BrCBDCBrC", (struct want){3, true, false, false, 1});
    check(&r, false, "BDCBrC", (struct want){3, false, false, true, 0});
    r.frozen = true; /* counts outside only where somebody else may have to do it */
    check(&r, false, "BDCBrC", (struct want){6, false, true, false, 0});
    r.ddl_always = true;
    check(&r, false, "BDCBrC", (struct want){3, false, true, true, 0});
}

static void a_group_ends_when_it_is_full(void **state)
{
    struct position start = at(0);
    const struct group_rules r = rules_of(&start);
    char letters[3 * (GROUP_TX_MAX + 5) + 1] = "";
    (void)state;
    for (size_t i = 0; i < GROUP_TX_MAX + 5; i++)
        memcpy(letters + 3 * i, "BrC", 4);
    check(&r, false, letters, (struct want){3 * GROUP_TX_MAX, true, false, false, GROUP_TX_MAX});
    const struct group_form heavy = {.bytes = GROUP_BYTES_MAX},
                            held = {.held_bytes = GROUP_HELD_MAX};
    assert_true(group_is_full(&heavy));
    assert_true(group_is_full(&held));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_transactions_join_and_open_ones_wait),
        cmocka_unit_test(what_is_for_others_is_passed_over),
        cmocka_unit_test(a_rolled_back_transaction_never_shares_a_group_with_rows),
        cmocka_unit_test(what_the_target_has_is_outside),
        cmocka_unit_test(a_heartbeat_at_the_durable_position_ends_skipping),
        cmocka_unit_test(nothing_is_applied_from_the_freeze_on),
        cmocka_unit_test(a_ddl_is_alone_in_its_group),
        cmocka_unit_test(a_group_ends_when_it_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
