/* tests/unit/test_vrepl_hidden.c — a fence's renames pass by what they do, whoever wrote them and
 * whatever their comments say. */
#include "vrepl/move/hidden.h"
#include "vrepl/move/object_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

/* $ and @ are hidden names of t, ! one of another table. */
static enum ddl_concern concern(const char *form)
{
    char a[NAMES_MAX], b[NAMES_MAX], other[NAMES_MAX];
    struct buf sql CLEANUP(buf_fini) = BUF_INIT;
    names_hidden("customer/w", false, "t", a, sizeof a);
    names_hidden("other/w", true, "t", b, sizeof b);
    names_hidden("customer/w", false, "u", other, sizeof other);
    for (const char *p = form; *p; p++) {
        const char *name = *p == '$' ? a : *p == '@' ? b : *p == '!' ? other : NULL;
        if (name)
            buf_put_str(&sql, name);
        else
            buf_put_u8(&sql, (uint8_t)*p);
    }
    struct ddl_text ddl = {.db = "d", .sql = buf_str(&sql), .n = sql.len};
    return hidden_concern(&ddl, "d", "t");
}

static void the_table_moves_to_a_hidden_name_and_back(void **state)
{
    static const char *const forms[] = {"RENAME TABLE t TO $",
                                        "RENAME /* sluice:customer/w */ TABLE `d`.`t` TO `d`.`$`",
                                        "RENAME TABLE u TO !, t TO $, v TO w",
                                        "RENAME TABLE $ TO t",
                                        "ALTER TABLE t RENAME TO @",
                                        "ALTER TABLE d.@ RENAME d.t",
                                        "RENAME TABLE u TO !",
                                        "DROP TABLE !",
                                        "ANALYZE TABLE $",
                                        NULL};
    (void)state;
    for (const char *const *f = forms; *f; f++)
        if (concern(*f) != DDL_UNRELATED)
            fail_msg("%s", *f);
}

static void a_mark_makes_nothing_of_a_user_harmless(void **state)
{
    static const char *const forms[] = {
        "RENAME /* sluice:customer/w */ TABLE n TO $",
        "RENAME /* sluice:customer/w */ TABLE t TO $, n TO t",
        "RENAME /* sluice:customer/w */ TABLE t TO $, $ TO t",
        "RENAME /* sluice:customer/w */ TABLE t TO !",
        "RENAME /* sluice:customer/w */ TABLE ! TO t",
        "RENAME /* sluice:customer/w */ TABLE t TO _sluice_f_0123456789abcdef",
        "RENAME TABLE e.$ TO d.t",
        "RENAME TABLE d.t TO e.$",
        "RENAME TABLE e.$ TO d.@",
        "RENAME TABLE $ TO @",
        "RENAME TABLE T TO $",
        "ALTER /* sluice:customer/w */ TABLE t DROP COLUMN c, RENAME TO $",
        "ALTER /* sluice:customer/w */ TABLE t RENAME TO $, DROP COLUMN c",
        "TRUNCATE /* sluice:customer/w */ TABLE $",
        "DROP /* sluice:customer/w */ TABLE IF EXISTS $",
        "CREATE TABLE $ LIKE n",
        "CREATE VIEW $ AS SELECT 1",
        "ALTER TABLE $ DROP PARTITION p",
        "RENAME /* sluice:customer/w */ TABLE t TO o, n TO t",
        NULL};
    (void)state;
    for (const char *const *f = forms; *f; f++)
        if (concern(*f) != DDL_CHANGES)
            fail_msg("%s", *f);
}

static void a_hidden_name_tells_its_table(void **state)
{
    char a[NAMES_MAX], b[NAMES_MAX], trigger[NAMES_MAX];
    (void)state;
    names_hidden("customer/w", false, "orders", a, sizeof a);
    names_hidden("customer/w", true, "orders", b, sizeof b);
    names_trigger("customer/w", true, "orders", 'i', trigger, sizeof trigger);
    assert_string_not_equal(a, b);
    assert_true(names_is_hidden(a, "orders") && names_is_hidden(b, "orders"));
    assert_false(names_is_hidden(a, "order") || names_is_hidden(trigger, "orders"));
    assert_false(names_is_hidden("_sluice_f_", "orders") || names_is_hidden("orders", "orders"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_moves_to_a_hidden_name_and_back),
        cmocka_unit_test(a_mark_makes_nothing_of_a_user_harmless),
        cmocka_unit_test(a_hidden_name_tells_its_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
