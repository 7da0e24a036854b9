/* tests/unit/test_mysql_errors.c — a connection that failed says why in words, whatever the library's number is. */
#include "mysql/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define CONNECT_FAILED  2003
#define CONNECTION_LOST 2013

static const char *reason(unsigned number, const char *text)
{
    static char room[100];
    return my_error_reason(number, text, room, sizeof room);
}

static void numbers_of_the_system_become_words(void **state)
{
    (void)state;
    assert_string_equal(reason(CONNECT_FAILED, "Can't connect to server on 'db1' (111)"),
                        "Connection refused");
    assert_string_equal(reason(CONNECT_FAILED, "Can't connect to server on 'db1' (110)"),
                        "Connection timed out");
    assert_non_null(
        strstr(reason(CONNECT_FAILED, "Can't connect to server on 'db1' (115)"), "refused"));
    assert_string_equal(
        reason(CONNECTION_LOST, "Lost connection to server at 'handshake', system error: 110"),
        "Connection timed out");
}

static void other_numbers_are_left_alone(void **state)
{
    (void)state;
    assert_null(reason(CONNECT_FAILED, "Unknown server host 'db1' (-2)"));
    assert_null(reason(CONNECT_FAILED, "Can't connect to server on 'db1'"));
    assert_null(reason(1030, "Got error 28 (28)"));
    assert_null(reason(CONNECT_FAILED, ""));
    assert_null(reason(CONNECTION_LOST, "111"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_the_system_become_words),
        cmocka_unit_test(other_numbers_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
