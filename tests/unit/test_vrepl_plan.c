/* tests/unit/test_vrepl_plan.c — columns by name, refused mismatches, statement texts, copied keys.
 */
#include "base/mem.h"
#include "schemas/labels.h"
#include "vrepl/move/progress.h"
#include "vrepl/move/statement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct vrepl_table_spec spec = {.source_table = "t", .target_table = "t"};

static void set_column(struct schema_table *t, size_t i, const char *name, uint8_t type)
{
    t->columns[i] = (struct schema_column){.name = mem_strdup(name),
                                           .type = type,
                                           .collation = schema_type_is_integer(type) ? 0 : 63,
                                           .unsigned_known = true,
                                           .visible = true};
}

/* n columns, the first n_key of them PRIMARY. */
static struct schema_table *make_table(const char *const *names, const uint8_t *types, size_t n,
                                       size_t n_key)
{
    struct schema_table *t = schema_table_new("db", "t", n);
    for (size_t i = 0; i < n; i++)
        set_column(t, i, names[i], types[i]);
    t->full_metadata = true;
    if (n_key == 0)
        return t;
    t->n_keys = 1;
    t->keys = mem_calloc(1, sizeof *t->keys);
    t->keys[0] = (struct schema_key){.name = mem_strdup("PRIMARY"),
                                     .columns = mem_calloc(n, sizeof(uint16_t)),
                                     .prefix = mem_calloc(n, sizeof(uint32_t)),
                                     .n = n_key,
                                     .unique = true,
                                     .not_null = true};
    for (size_t i = 0; i < n_key; i++)
        t->keys[0].columns[i] = (uint16_t)i;
    return t;
}

static struct vrepl_plan *plan_for(const struct schema_table *source,
                                   const struct schema_table *target, struct err *e)
{
    struct plan_options o = {.spec = &spec, .target_flavor = MY_FLAVOR_MARIADB};
    return vrepl_plan_new(&o, source, target, e);
}

static const char *const id_a_b[] = {"id", "a", "b"};
static const uint8_t int_int_text[] = {SCHEMA_TYPE_LONG, SCHEMA_TYPE_LONG, SCHEMA_TYPE_VARCHAR};

static void columns_are_found_by_name_in_any_order(void **state)
{
    (void)state;
    static const char *const other_order[] = {"ID", "b", "a"};
    static const uint8_t types[] = {SCHEMA_TYPE_LONG, SCHEMA_TYPE_VARCHAR, SCHEMA_TYPE_LONG};
    struct err e = ERR_INIT;
    struct schema_table *s = make_table(id_a_b, int_int_text, 3, 1),
                        *t = make_table(other_order, types, 3, 1);
    struct vrepl_plan *p = plan_for(s, t, &e);
    assert_non_null(p);
    assert_int_equal(p->n_columns, 3);
    assert_int_equal(p->columns[1].source, 2);
    assert_int_equal(p->columns[2].source, 1);
    assert_true(p->order_exact);
    vrepl_plan_free(p);
    schema_table_unref(s);
    schema_table_unref(t);
}

static void refused(const char *const *source, const char *const *target, const char *says)
{
    struct err e = ERR_INIT;
    struct schema_table *s = make_table(source, int_int_text, 3, 1),
                        *t = make_table(target, int_int_text, 3, 1);
    assert_null(plan_for(s, t, &e));
    assert_int_equal(e.code, ERR_SCHEMA_MISMATCH);
    assert_non_null(strstr(e.text, says));
    assert_non_null(strstr(e.cure, "give the target table the source's columns"));
    schema_table_unref(s);
    schema_table_unref(t);
}

static void columns_that_one_side_lacks_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const lost[] = {"id", "a", "lost"};
    refused(lost, id_a_b, "lost");
    refused(id_a_b, lost, "b");
}

static void generated_columns_of_the_target_are_not_written(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct schema_table *s = make_table(id_a_b, int_int_text, 3, 1),
                        *t = make_table(id_a_b, int_int_text, 3, 1);
    t->columns[2].generated = true;
    struct vrepl_plan *p = plan_for(s, t, &e);
    assert_non_null(p);
    assert_int_equal(p->n_columns, 2);
    vrepl_plan_free(p);
    schema_table_unref(s);
    schema_table_unref(t);
}

/* As information_schema tells a table, which a copy reads by. */
static void tell_types(struct schema_table *t)
{
    for (size_t i = 0; i < t->n_columns; i++)
        t->columns[i].column_type = mem_strdup("int");
}

static void a_column_that_only_the_target_generates_is_refused(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct schema_table *s = make_table(id_a_b, int_int_text, 3, 1),
                        *t = make_table(id_a_b, int_int_text, 3, 1);
    tell_types(s);
    t->columns[1].generated = true;
    assert_null(plan_for(s, t, &e));
    assert_int_equal(e.code, ERR_SCHEMA_MISMATCH);
    assert_non_null(strstr(e.text, "generated on the target only"));
    s->columns[1].generated = true;
    struct vrepl_plan *p = plan_for(s, t, &e);
    assert_non_null(p);
    vrepl_plan_free(p);
    schema_table_unref(s);
    schema_table_unref(t);
}

static struct vrepl_plan *plan_back(const struct schema_table *source,
                                    const struct schema_table *target, struct err *e)
{
    struct plan_options o = {.spec = &spec, .may_narrow = true};
    return vrepl_plan_new(&o, source, target, e);
}

static void a_source_column_wider_than_the_targets_is_refused_with_both_types(void **state)
{
    (void)state;
    static const uint8_t wider[] = {SCHEMA_TYPE_LONG, SCHEMA_TYPE_LONGLONG, SCHEMA_TYPE_VARCHAR};
    struct err e = ERR_INIT;
    struct schema_table *s = make_table(id_a_b, wider, 3, 1),
                        *t = make_table(id_a_b, int_int_text, 3, 1);
    assert_null(plan_for(s, t, &e));
    assert_int_equal(e.code, ERR_SCHEMA_MISMATCH);
    assert_non_null(strstr(e.text, "a: bigint to int"));
    assert_non_null(strstr(e.cure, "workflow start --recopy"));
    err_clear(&e);
    struct vrepl_plan *back = plan_back(s, t, &e); /* each value is checked by the server */
    assert_non_null(back);
    vrepl_plan_free(back);
    schema_table_unref(s);
    schema_table_unref(t);
}

static void what_no_server_refuses_is_refused_on_the_way_back_too(void **state)
{
    (void)state;
    static const uint8_t times[] = {SCHEMA_TYPE_LONG, SCHEMA_TYPE_DATETIME2, SCHEMA_TYPE_VARCHAR};
    struct err e = ERR_INIT;
    struct schema_table *s = make_table(id_a_b, times, 3, 1), *t = make_table(id_a_b, times, 3, 1);
    s->columns[1].meta = 6;
    assert_null(plan_back(s, t, &e));
    assert_non_null(strstr(e.text, "a: datetime(6) to datetime: fewer fraction digits"));
    schema_table_unref(s);
    schema_table_unref(t);
}

static void set_label(struct schema_column *c, const char *label)
{
    c->label_known = true;
    schema_labels_add(c, label, strlen(label));
}

static void labels_travel_by_name_where_their_bytes_can(void **state)
{
    (void)state;
    static const uint8_t labels[] = {SCHEMA_TYPE_LONG, SCHEMA_TYPE_ENUM, SCHEMA_TYPE_SET};
    struct err e = ERR_INIT;
    struct schema_table *t = make_table(id_a_b, labels, 3, 1);
    set_label(&t->columns[1], "paid");
    set_label(&t->columns[2], "\xf0\x9f\x98\x80");
    struct vrepl_plan *p = plan_for(t, t, &e);
    assert_non_null(p);
    assert_int_equal(p->columns[1].bind, PLAN_BIND_LABEL);
    assert_int_equal(p->columns[2].bind, PLAN_BIND_U64);
    vrepl_plan_free(p);
    schema_table_unref(t);
}

static void check_text(const struct vrepl_plan *p, enum copy_verb verb, const uint8_t *present,
                       const uint8_t *compared, size_t rows, const char *want)
{
    CLEANUP(buf_fini) struct buf out = BUF_INIT;
    statement_text(p, verb, present, compared, NULL, rows, &out);
    assert_string_equal(buf_str(&out), want);
}

static void statements_name_only_present_and_compared_columns(void **state)
{
    (void)state;
    static const uint8_t all[] = {1, 1, 1}, none[] = {0, 0, 0}, key[] = {1, 0, 0},
                         last[] = {0, 0, 1};
    struct err e = ERR_INIT;
    struct schema_table *t = make_table(id_a_b, int_int_text, 3, 1);
    struct vrepl_plan *p = plan_for(t, t, &e);
    assert_non_null(p);
    check_text(p, COPY_INSERT, all, none, 2,
               "INSERT INTO `t` (`id`,`a`,`b`) VALUES (?,?,?),(?,?,?)");
    check_text(p, COPY_REPLACE, all, none, 1, "REPLACE INTO `t` (`id`,`a`,`b`) VALUES (?,?,?)");
    check_text(p, COPY_UPDATE, last, key, 1, "UPDATE `t` SET `b`=? WHERE `id`=?");
    check_text(p, COPY_DELETE, none, key, 1, "DELETE FROM `t` WHERE `id`=?");
    vrepl_plan_free(p);
    schema_table_unref(t);
}

static void rows_without_a_key_are_compared_wholly_and_go_one_by_one(void **state)
{
    (void)state;
    static const uint8_t all[] = {1, 1, 1}, none[] = {0, 0, 0};
    struct err e = ERR_INIT;
    struct schema_table *t = make_table(id_a_b, int_int_text, 3, 0);
    struct vrepl_plan *p = plan_for(t, t, &e);
    assert_non_null(p);
    assert_false(p->order_exact);
    check_text(p, COPY_DELETE, none, all, 1,
               "DELETE FROM `t` WHERE `id`<=>? AND `a`<=>? AND `b`<=>? LIMIT 1");
    vrepl_plan_free(p);
    schema_table_unref(t);
}

/* One range (10, 100] of which everything up to 50 is copied. */
static struct progress_table make_progress(struct progress_range *r)
{
    struct progress_table t = {.name = "t", .ranges = r, .n_ranges = 1, .order_exact = true};
    *r = (struct progress_range){
        .lower = mem_strdup("10"), .upper = mem_strdup("100"), .last = mem_strdup("")};
    return t;
}

static bool covers(const struct progress_table *t, const struct vrepl_plan *p, int32_t id)
{
    struct cdc_value values[3] = {{.absent = true}, {.absent = true}, {.absent = true}};
    struct cdc_row row = {.values = values, .n_columns = 3};
    uint8_t bytes[4];
    for (unsigned i = 0; i < 4; i++)
        bytes[i] = (uint8_t)((uint32_t)id >> (8 * i));
    values[0] = (struct cdc_value){.column = &p->source->columns[0], .p = bytes, .n = 4};
    return progress_covers(t, p, &row);
}

static void a_key_is_copied_within_its_range_up_to_the_last_one_written(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct progress_range r;
    struct progress_table t = make_progress(&r);
    struct schema_table *table = make_table(id_a_b, int_int_text, 3, 1);
    struct vrepl_plan *p = plan_for(table, table, &e);
    assert_true(progress_range_set(&t, &r, "", false, &e));
    assert_false(covers(&t, p, 11));
    assert_true(progress_range_set(&t, &r, "50", false, &e));
    assert_false(covers(&t, p, 10)); /* of the range before */
    assert_false(covers(&t, p, -5));
    assert_true(covers(&t, p, 11));
    assert_true(covers(&t, p, 50));
    assert_false(covers(&t, p, 51));
    assert_true(progress_range_set(&t, &r, "90", true, &e));
    assert_true(covers(&t, p, 100)); /* done: to the range's end */
    assert_false(covers(&t, p, 101));
    free(r.lower);
    free(r.upper);
    free(r.last);
    vrepl_plan_free(p);
    schema_table_unref(table);
}

static void a_bound_that_is_no_integer_is_an_error(void **state)
{
    (void)state;
    struct err e = ERR_INIT;
    struct progress_range r;
    struct progress_table t = make_progress(&r);
    assert_false(progress_range_set(&t, &r, "X'00'", false, &e));
    assert_int_equal(e.code, ERR_INTERNAL);
    free(r.lower);
    free(r.upper);
    free(r.last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_found_by_name_in_any_order),
        cmocka_unit_test(columns_that_one_side_lacks_are_refused_by_name),
        cmocka_unit_test(generated_columns_of_the_target_are_not_written),
        cmocka_unit_test(a_column_that_only_the_target_generates_is_refused),
        cmocka_unit_test(a_source_column_wider_than_the_targets_is_refused_with_both_types),
        cmocka_unit_test(what_no_server_refuses_is_refused_on_the_way_back_too),
        cmocka_unit_test(labels_travel_by_name_where_their_bytes_can),
        cmocka_unit_test(statements_name_only_present_and_compared_columns),
        cmocka_unit_test(rows_without_a_key_are_compared_wholly_and_go_one_by_one),
        cmocka_unit_test(a_key_is_copied_within_its_range_up_to_the_last_one_written),
        cmocka_unit_test(a_bound_that_is_no_integer_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
