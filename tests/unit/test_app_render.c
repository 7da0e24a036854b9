/* tests/unit/test_app_render.c — answers as text: what a table leaves out is seen to be left out. */
#include "app/cli/render.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define TEN    "0123456789"
#define FIFTY  TEN TEN TEN TEN TEN
#define UMLAUT "\xc3\xa4"

static void assert_shown(const char *json, const char *expected)
{
    struct buf text = BUF_INIT;
    render_text(json, &text);
    assert_string_equal(buf_str(&text), expected);
    buf_fini(&text);
}

static void a_long_value_ends_in_a_mark_where_it_is_cut(void **state)
{
    (void)state;
    assert_shown("[{\"position\":\"" FIFTY TEN "0\",\"status\":\"Running\"}]",
                 "position                                                      status\n"
                 "" FIFTY "012345678\xe2\x80\xa6  Running\n");
    assert_shown("[{\"position\":\"" FIFTY TEN "\",\"status\":\"Running\"}]",
                 "position                                                      status\n"
                 "" FIFTY TEN "  Running\n");
}

static void the_last_column_is_whole(void **state)
{
    (void)state;
    assert_shown("[{\"name\":\"a\",\"message\":\"" FIFTY FIFTY "\"}]",
                 "name  message\na     " FIFTY FIFTY "\n");
}

static void columns_are_as_wide_as_their_characters(void **state)
{
    (void)state;
    assert_shown("[{\"table\":\"" UMLAUT UMLAUT UMLAUT UMLAUT UMLAUT UMLAUT "\",\"n\":1},"
                 "{\"table\":\"abcdef\",\"n\":2}]",
                 "table   n\n" UMLAUT UMLAUT UMLAUT UMLAUT UMLAUT UMLAUT "  1\nabcdef  2\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_value_ends_in_a_mark_where_it_is_cut),
        cmocka_unit_test(the_last_column_is_whole),
        cmocka_unit_test(columns_are_as_wide_as_their_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
