/* tests/unit/test_vrepl_copy_rule.c — the decision table of vrepl/copy_rule, case by case, by name.
 */
#include "vrepl/move/copy_rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* "D" DELETE, "R" REPLACE, "I" INSERT, "U" UPDATE, in order; "!" behind a strict one. */
static void check(const struct copy_change *c, const char *want)
{
    static const char letters[] = {'D', 'R', 'I', 'U'};
    struct copy_statements got = copy_rule_decide(c);
    char text[8] = "";
    size_t n = 0;
    for (size_t i = 0; i < got.n; i++) {
        text[n++] = letters[got.s[i].verb];
        if (got.s[i].strict)
            text[n++] = '!';
    }
    text[n] = 0;
    assert_string_equal(text, want);
}

static void plain_phase_uses_strict_statements(void **state)
{
    (void)state;
    struct copy_change c = {.phase = COPY_PHASE_PLAIN, .order_exact = true};
    c.has_after = true;
    check(&c, "I!");
    c.has_before = true;
    check(&c, "U!");
    c.key_changed = true;
    check(&c, "U!");
    c.key_changed = false;
    c.has_after = false;
    check(&c, "D!");
}

static void changes_of_uncopied_exact_keys_are_dropped(void **state)
{
    (void)state;
    struct copy_change c = {.phase = COPY_PHASE_ROUNDS, .order_exact = true};
    c.has_after = true;
    check(&c, "");
    c.has_before = true;
    check(&c, "");
    c.key_changed = true;
    check(&c, "");
}

static void nothing_is_dropped_where_order_is_not_exact(void **state)
{
    (void)state;
    struct copy_change c = {.phase = COPY_PHASE_ROUNDS, .has_after = true};
    check(&c, "R");
    c.has_before = true;
    check(&c, "R");
    c.key_changed = true;
    check(&c, "DR");
    c.key_changed = false;
    c.has_after = false;
    check(&c, "D");
}

static void key_change_over_the_copy_border_keeps_only_the_copied_side(void **state)
{
    (void)state;
    struct copy_change c = {.phase = COPY_PHASE_ROUNDS,
                            .order_exact = true,
                            .has_before = true,
                            .has_after = true,
                            .key_changed = true};
    c.before_copied = true;
    check(&c, "D");
    c.before_copied = false;
    c.after_copied = true;
    check(&c, "R");
    c.before_copied = true;
    check(&c, "DR");
}

static void delete_comes_before_replace_in_catchup(void **state)
{
    (void)state;
    struct copy_change c = {.phase = COPY_PHASE_CATCHUP,
                            .order_exact = true,
                            .has_before = true,
                            .has_after = true,
                            .key_changed = true};
    check(&c, "DR"); /* progress is not asked any more: everything is copied */
    c.key_changed = false;
    check(&c, "R");
}

static void row_that_leaves_or_enters_is_one_statement(void **state)
{
    (void)state;
    struct copy_change c = {.phase = COPY_PHASE_CATCHUP, .has_before = true};
    check(&c, "D");
    c.has_before = false;
    c.has_after = true;
    check(&c, "R");
    c.has_after = false;
    check(&c, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_phase_uses_strict_statements),
        cmocka_unit_test(changes_of_uncopied_exact_keys_are_dropped),
        cmocka_unit_test(nothing_is_dropped_where_order_is_not_exact),
        cmocka_unit_test(key_change_over_the_copy_border_keeps_only_the_copied_side),
        cmocka_unit_test(delete_comes_before_replace_in_catchup),
        cmocka_unit_test(row_that_leaves_or_enters_is_one_statement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
