/* tests/unit/test_schemas_ident.c — names compared by letters; the pairs were tried on servers
 * (SAVEPOINT a, ROLLBACK TO b).
 */
#include "schemas/ident.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    const char *a, *b;
    bool general_ci, general1400_as_ci;
} pairs[] = {
    {"a", "A", true, true},
    {"", "", true, true},
    {"a", "a ", false, false},
    {"a", "aa", false, false},
    {"größe", "GROSE", true, false},
    {"größe", "GROSSE", false, false},
    {"\303\251", "e", true, false},
    {"\303\251", "\303\211", true, true},                 /* é É */
    {"\304\261", "i", true, true},                        /* dotless i */
    {"\304\260", "i", true, false},                       /* I with a dot */
    {"\303\270", "o", false, false},                      /* ø */
    {"\317\203", "\317\202", true, true},                 /* σ ς */
    {"\320\266", "\320\226", true, true},                 /* ж Ж */
    {"\342\261\242", "\311\253", false, true},            /* U+2C62, U+026B */
    {"\341\203\220", "\341\262\220", false, true},        /* Georgian, two cases */
    {"\360\237\230\200", "\360\237\230\201", true, true}, /* beyond U+FFFF: both "?" */
    {"\360\237\230\200", "?", true, true},
};

static void names_are_compared_as_the_servers_do(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        if (ident_same(IDENT_GENERAL_CI, pairs[i].a, pairs[i].b) != pairs[i].general_ci ||
            ident_same(IDENT_GENERAL1400_AS_CI, pairs[i].a, pairs[i].b) !=
                pairs[i].general1400_as_ci)
            fail_msg("%s %s", pairs[i].a, pairs[i].b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_compared_as_the_servers_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
