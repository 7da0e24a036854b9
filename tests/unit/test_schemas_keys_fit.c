/* tests/unit/test_schemas_keys_fit.c — which pairs of unique keys call the same rows equal. */
#include "base/mem.h"
#include "schemas/keys_fit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Columns id, a, b, c: id a number, the others text of one collation. */
static struct schema_table *table(const char *collation)
{
    static const char *const names[] = {"id", "a", "b", "c"};
    struct schema_table *t = schema_table_new("d", "t", 4);
    for (size_t i = 0; i < 4; i++) {
        t->columns[i].name = mem_strdup(names[i]);
        t->columns[i].type = i == 0 ? SCHEMA_TYPE_LONG : SCHEMA_TYPE_VARCHAR;
        t->columns[i].collation_name = i == 0 ? NULL : mem_strdup(collation);
    }
    return t;
}

/* "PRIMARY:id", "u:a,b(10)"; columns by their one letter, id as "i". */
static struct schema_key *key(struct schema_table *t, const char *name, const char *columns)
{
    static const char letters[] = "iabc";
    size_t n = 0;
    struct schema_key *k = schema_table_add_key(t, name, strlen(columns));
    for (const char *at = columns; *at; at++) {
        if (*at == '*') {
            k->prefix[n - 1] = 10;
            continue;
        }
        k->columns[n++] = (uint16_t)(strchr(letters, *at) - letters);
    }
    k->n = n;
    k->unique = k->not_null = true;
    return k;
}

static struct schema_table *with_key(const char *collation, const char *columns)
{
    struct schema_table *t = table(collation);
    key(t, "PRIMARY", "i");
    if (columns)
        key(t, "u", columns);
    return t;
}

static void expect_tables(struct schema_table *s, struct schema_table *t,
                          const struct schema_collation_map *map, const char *why)
{
    char reason[320] = "";
    bool fits = schema_keys_fit(s, t, map, reason, sizeof reason);
    if (fits != (why == NULL) || (why && !strstr(reason, why)))
        fail_msg("%s: %s", why ? why : "fits", fits ? "fits" : reason);
    schema_table_unref(s);
    schema_table_unref(t);
}

static void expect(const char *from, const char *to, const char *why)
{
    expect_tables(with_key("utf8mb4_bin", from), with_key("utf8mb4_bin", to), NULL, why);
}

static void keys_are_compared_both_ways(void **state)
{
    (void)state;
    expect("a", "a", NULL);
    expect("ab", "ba", NULL);
    expect("a", NULL, "lacks the source's unique key u");
    expect(NULL, "a", "has a unique key u, which the source lacks");
    expect("ab", "a", "lacks the source's");
    expect("a", "ab", "lacks the source's");
    expect("a*", "a", "lacks the source's");
    expect("a*", "a*", NULL);
}

static void what_is_not_unique_makes_no_difference(void **state)
{
    (void)state;
    struct schema_table *s = with_key("utf8mb4_bin", NULL), *t = with_key("utf8mb4_bin", NULL);
    key(t, "k", "a")->unique = false;
    expect_tables(s, t, NULL, NULL);
}

static void periods_and_expressions_are_part_of_a_key(void **state)
{
    (void)state;
    struct schema_table *s = with_key("utf8mb4_bin", "ab"), *t = with_key("utf8mb4_bin", "ab");
    t->keys[1].without_overlaps = true;
    expect_tables(s, t, NULL, "lacks the source's");
    s = with_key("utf8mb4_bin", "a");
    t = with_key("utf8mb4_bin", "a");
    s->keys[1].expressions = mem_strdup("lower(`b`);");
    t->keys[1].expressions = mem_strdup("upper(`b`);");
    expect_tables(s, t, NULL, "lacks the source's");
    s = with_key("utf8mb4_bin", "a");
    t = with_key("utf8mb4_bin", "a");
    s->columns[1].generated = t->columns[1].generated = true;
    t->columns[1].expression = mem_strdup("left(`b`,3)");
    expect_tables(s, t, NULL, "another expression");
}

static struct schema_table *generated(const char *expression)
{
    struct schema_table *t = with_key("utf8mb4_bin", NULL);
    t->columns[2].generated = expression != NULL;
    t->columns[2].expression = expression ? mem_strdup(expression) : NULL;
    return t;
}

static void a_generated_column_computes_the_same(void **state)
{
    (void)state;
    const struct schema_collation_map alike = {.alike = true}, other = {.alike = false};
    expect_tables(generated("`i` * 2"), generated("`i` * 2"), &alike, NULL);
    expect_tables(generated("`i` * 2"), generated("`i` * 3"), &alike, "another expression");
    expect_tables(generated("`i` * 2"), generated("(`i` * 2)"), &other, NULL); /* its own text */
    expect_tables(generated("`i` * 2"), generated(NULL), &alike, NULL); /* takes each value */
    expect_tables(generated(NULL), generated("`i` * 2"), NULL, "on the target only");
}

static void collations_of_key_columns_are_the_same(void **state)
{
    (void)state;
    expect_tables(with_key("utf8mb4_bin", "a"), with_key("utf8mb4_general_ci", "a"), NULL,
                  "compares by utf8mb4_general_ci, the source's by utf8mb4_bin");
    expect_tables(with_key("utf8mb4_bin", NULL), with_key("utf8mb4_general_ci", NULL), NULL, NULL);
    expect_tables(with_key("utf8_bin", "a"), with_key("utf8mb3_bin", "a"), NULL, NULL);
}

static void a_map_names_pairs_in_both_directions(void **state)
{
    (void)state;
    static const char *const texts[] = {"utf8mb4_bin=latin1_bin"};
    const struct schema_collation_map said = {texts, 1, false, false}, uca = {NULL, 0, true, false};
    expect_tables(with_key("utf8mb4_bin", "a"), with_key("latin1_bin", "a"), &said, NULL);
    expect_tables(with_key("latin1_bin", "a"), with_key("utf8mb4_bin", "a"), &said, NULL);
    expect_tables(with_key("utf8mb4_0900_ai_ci", "a"), with_key("utf8mb4_uca1400_nopad_ai_ci", "a"),
                  &said, "compares by");
    expect_tables(with_key("utf8mb4_0900_ai_ci", "a"), with_key("utf8mb4_uca1400_nopad_ai_ci", "a"),
                  &uca, NULL);
    expect_tables(with_key("utf8mb4_0900_ai_ci", "a"), with_key("utf8mb4_uca1400_nopad_as_cs", "a"),
                  &uca, "compares by");
}

static void rows_are_identified_by_the_same_columns(void **state)
{
    (void)state;
    struct schema_table *s = table("utf8mb4_bin"), *t = table("utf8mb4_bin");
    key(s, "PRIMARY", "i");
    key(s, "u", "a");
    key(t, "PRIMARY", "a");
    key(t, "u", "i");
    expect_tables(s, t, NULL, "identified by key PRIMARY");
}

static void defaults_are_compared_as_texts(void **state)
{
    (void)state;
    char why[320];
    struct schema_table *s = table("utf8mb4_bin"), *t = table("utf8mb4_bin");
    assert_true(schema_defaults_fit(s, t, why, sizeof why));
    t->columns[1].extra = mem_strdup("on update current_timestamp()");
    assert_false(schema_defaults_fit(s, t, why, sizeof why));
    s->columns[1].extra = mem_strdup("on update current_timestamp()");
    s->columns[2].default_text = mem_strdup("'x'");
    assert_false(schema_defaults_fit(s, t, why, sizeof why));
    assert_non_null(strstr(why, "default"));
    schema_table_unref(s);
    schema_table_unref(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_compared_both_ways),
        cmocka_unit_test(what_is_not_unique_makes_no_difference),
        cmocka_unit_test(periods_and_expressions_are_part_of_a_key),
        cmocka_unit_test(a_generated_column_computes_the_same),
        cmocka_unit_test(collations_of_key_columns_are_the_same),
        cmocka_unit_test(a_map_names_pairs_in_both_directions),
        cmocka_unit_test(rows_are_identified_by_the_same_columns),
        cmocka_unit_test(defaults_are_compared_as_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
