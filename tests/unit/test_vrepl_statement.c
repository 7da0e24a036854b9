/* tests/unit/test_vrepl_statement.c — the texts of the four statements, word for word. */
#include "vrepl/move/statement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* `o``dd`(id, text, price): id is the key, price is compared as a DECIMAL. */
static struct schema_column columns[] = {
    {.name = (char[]){"id"}}, {.name = (char[]){"te`xt"}}, {.name = (char[]){"price"}}};
static struct schema_table target = {.name = (char[]){"o`dd"}, .columns = columns, .n_columns = 3};
static struct plan_column planned[] = {
    {.target = 0, .key = true, .value = (char[]){"?"}, .where = (char[]){"?"}},
    {.target = 1,
     .value = (char[]){"CONVERT(? USING latin1)"},
     .where = (char[]){"CONVERT(? USING latin1)"}},
    {.target = 2, .value = (char[]){"?"}, .where = (char[]){"CAST(? AS DECIMAL(9,2))"}}};

static void check(size_t n_key, enum copy_verb verb, const char *present, const char *compared,
                  const char *const *texts, size_t rows, const char *want)
{
    const struct vrepl_plan p = {
        .target = &target, .columns = planned, .n_columns = 3, .n_key = n_key};
    uint8_t set[3], in_where[3];
    struct buf out CLEANUP(buf_fini) = BUF_INIT;
    for (size_t i = 0; i < 3; i++) {
        set[i] = present[i] == '1';
        in_where[i] = compared[i] == '1';
    }
    statement_text(&p, verb, set, in_where, texts, rows, &out);
    assert_string_equal(buf_str(&out), want);
}

static void an_insert_names_what_the_image_has(void **state)
{
    (void)state;
    check(1, COPY_INSERT, "111", "000", NULL, 1,
          "INSERT INTO `o``dd` (`id`,`te``xt`,`price`) VALUES (?,CONVERT(? USING latin1),?)");
    check(1, COPY_INSERT, "101", "000", NULL, 1, "INSERT INTO `o``dd` (`id`,`price`) VALUES (?,?)");
    check(1, COPY_INSERT, "000", "000", NULL, 1, "INSERT INTO `o``dd` () VALUES ()");
}

static void a_replace_takes_several_rows(void **state)
{
    (void)state;
    check(1, COPY_REPLACE, "101", "000", NULL, 3,
          "REPLACE INTO `o``dd` (`id`,`price`) VALUES (?,?),(?,?),(?,?)");
}

static void an_update_finds_its_row_by_key_and_guards(void **state)
{
    (void)state;
    check(1, COPY_UPDATE, "010", "100", NULL, 1,
          "UPDATE `o``dd` SET `te``xt`=CONVERT(? USING latin1) WHERE `id`=?");
    check(1, COPY_UPDATE, "101", "101", NULL, 1,
          "UPDATE `o``dd` SET `id`=?,`price`=? WHERE `id`=? AND `price`<=>CAST(? AS DECIMAL(9,2))");
}

/* NULLs are equal to each other there, and one of several equal rows goes. */
static void without_a_key_whole_rows_are_compared_and_one_goes(void **state)
{
    (void)state;
    check(0, COPY_DELETE, "000", "011", NULL, 1,
          "DELETE FROM `o``dd` WHERE `te``xt`<=>CONVERT(? USING latin1) AND "
          "`price`<=>CAST(? AS DECIMAL(9,2)) LIMIT 1");
    check(1, COPY_DELETE, "000", "100", NULL, 1, "DELETE FROM `o``dd` WHERE `id`=?");
}

/* Of a document that its text does not tell: of set columns first, then of compared ones. */
static void an_expression_stands_for_the_plans(void **state)
{
    const char *const texts[] = {NULL, "JSON_OBJECT(?,?)", NULL, NULL, "JSON_ARRAY(?)", NULL};
    (void)state;
    check(0, COPY_UPDATE, "110", "010", texts, 1,
          "UPDATE `o``dd` SET `id`=?,`te``xt`=JSON_OBJECT(?,?) WHERE `te``xt`<=>JSON_ARRAY(?) "
          "LIMIT 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_insert_names_what_the_image_has),
        cmocka_unit_test(a_replace_takes_several_rows),
        cmocka_unit_test(an_update_finds_its_row_by_key_and_guards),
        cmocka_unit_test(without_a_key_whole_rows_are_compared_and_one_goes),
        cmocka_unit_test(an_expression_stands_for_the_plans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
