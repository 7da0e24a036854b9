/* tests/unit/test_base_text.c — what reaches a terminal. */
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static void shown(const char *in, const char *expect)
{
    struct buf b = BUF_INIT;
    assert_true(text_put_printable(&b, in, strlen(in), "\n\t"));
    assert_string_equal(buf_str(&b), expect);
    buf_fini(&b);
}

static void letters_of_all_scripts_stay(void **state)
{
    (void)state;
    shown("a\tb\nĀΩж漢字\xf0\x9f\x98\x80", "a\tb\nĀΩж漢字\xf0\x9f\x98\x80");
}

static void what_acts_on_a_terminal_is_escaped(void **state)
{
    (void)state;
    shown("\033]0;title\007", "\\x1b]0;title\\x07");
    shown("a\rb\x7f", "a\\x0db\\x7f");
    shown("\xc2\x9b"
          "31m",
          "\\xc2\\x9b31m");                   /* CSI as one character of C1 */
    shown("\xe2\x80\xae", "\\xe2\\x80\\xae"); /* right to left override */
    shown("\x9b"
          "31m",
          "\\x9b31m"); /* no UTF-8: C1 to a terminal of one byte */
    shown("\xe2\x80", "\\xe2\\x80");
}

static void a_json_document_stays_the_same_to_its_reader(void **state)
{
    struct buf b = BUF_INIT;
    static const char json[] = "{\n\"a\": \"\xc2\x9b\xe2\x80\xae Ω\"}";
    (void)state;
    assert_true(text_put_json_printable(&b, json, sizeof json - 1));
    assert_string_equal(buf_str(&b), "{\n\"a\": \"\\u009b\\u202e Ω\"}");
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_of_all_scripts_stay),
        cmocka_unit_test(what_acts_on_a_terminal_is_escaped),
        cmocka_unit_test(a_json_document_stays_the_same_to_its_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
