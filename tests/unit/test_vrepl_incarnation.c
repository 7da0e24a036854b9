/* tests/unit/test_vrepl_incarnation.c — names as InnoDB writes them. */
#include "cdc/sidecar/incarnation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_name(const char *name, const char *written)
{
    CLEANUP(buf_fini) struct buf out = BUF_INIT;
    assert_true(incarnation_filename(name, &out));
    assert_string_equal(buf_str(&out), written);
}

/* As information_schema.INNODB_TABLES of MySQL 9.7 and INNODB_SYS_TABLES of MariaDB 11.8 show. */
static void what_is_no_letter_is_encoded(void **state)
{
    (void)state;
    assert_name("order_items2", "order_items2");
    assert_name("my-t 1", "my@002dt@00201");
    assert_name("a#p#b", "a@0023p@0023b");
    assert_name("we.i$rd/", "we@002ei@0024rd@002f");
}

static void letters_beyond_ascii_are_not_guessed(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf out = BUF_INIT;
    assert_false(incarnation_filename("t\xc3\xbc", &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_letter_is_encoded),
        cmocka_unit_test(letters_beyond_ascii_are_not_guessed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
