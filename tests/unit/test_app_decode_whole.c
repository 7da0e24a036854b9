/* tests/unit/test_app_decode_whole.c — what was committed comes whole, wherever batches are cut;
 * what was rolled back or has no end does not come. */
#include "app/cli/decode_whole.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* One letter a change: B begin, D ddl, C commit, R rollback, X cut off, H heartbeat. */
static struct cdc_batch *batch_of(const char *letters, size_t n)
{
    static const char known[] = "BDCRXH";
    static const enum cdc_change_kind kinds[] = {CDC_BEGIN,    CDC_DDL,      CDC_COMMIT,
                                                 CDC_ROLLBACK, CDC_ROLLBACK, CDC_HEARTBEAT};
    struct cdc_batch *b = cdc_batch_new();
    for (size_t i = 0; i < n; i++) {
        struct cdc_change *c = cdc_batch_add(b, kinds[strchr(known, letters[i]) - known]);
        c->file = "binlog.000001";
        c->log_pos = 100 + i;
        if (letters[i] == 'B')
            c->begin.query = "a text";
        else if (letters[i] == 'D')
            c->ddl.sql = c->ddl.db = "";
        else if (letters[i] == 'X')
            c->end.cut_off = true;
    }
    return b;
}

static bool collect(void *ctx, const struct cdc_change *c, struct err *e)
{
    static const char letters[] = "B.DCRH";
    (void)e;
    if (c->kind == CDC_BEGIN)
        assert_string_equal(c->begin.query, "a text");
    strncat(ctx, &letters[c->kind], 1);
    return true;
}

/* Batches are separated by spaces. */
static void assert_given(bool holds, const char *batches, const char *want, size_t without_end)
{
    char seen[100] = "";
    struct err e = ERR_INIT;
    struct decode_whole *w = decode_whole_new(holds, collect, seen);
    for (const char *p = batches; *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");
        struct cdc_batch *b = batch_of(p, n);
        assert_true(decode_whole_batch(w, b, &e));
        cdc_batch_unref(b);
        p += n;
    }
    assert_int_equal(decode_whole_end(w), without_end);
    assert_string_equal(seen, want);
    decode_whole_free(w);
}

static void what_was_committed_comes_whole(void **state)
{
    (void)state;
    assert_given(true, "BDCHBDDC", "BDCHBDDC", 0);
    assert_given(true, "B D CHBD DC", "BDCHBDDC", 0);
    assert_given(true, "BDC BD DC B C", "BDCBDDCBC", 0);
}

static void what_was_rolled_back_or_cut_off_does_not_come(void **state)
{
    (void)state;
    assert_given(true, "BDRBDC", "RBDC", 0);
    assert_given(true, "BD D R BDC", "RBDC", 0);
    assert_given(true, "BDX BDC", "RBDC", 1);
    assert_given(true, "BDC BD D", "BDC", 1);
    assert_given(true, "B DX BD", "R", 2);
}

static void who_shows_nothing_gets_all_at_once(void **state)
{
    (void)state;
    assert_given(false, "BDR BD", "BDRBD", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_committed_comes_whole),
        cmocka_unit_test(what_was_rolled_back_or_cut_off_does_not_come),
        cmocka_unit_test(who_shows_nothing_gets_all_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
