/* tests/unit/test_cdc_spool.c — a transaction comes out of the spool as it went in, from memory and
 * from disk. */
#include "base/fault.h"
#include "base/mem.h"
#include "cdc/log/spool.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the first ones above */
#include <cmocka.h>

static char dir[] = "/tmp/sluice-spool-XXXXXX";

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static size_t names_in_spill(void)
{
    char path[100];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/spill", dir);
    DIR *d = opendir(path);
    for (struct dirent *entry; d && (entry = readdir(d)) != NULL;)
        n += entry->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

static int remove_dir(void **state)
{
    char path[100];
    (void)state;
    snprintf(path, sizeof path, "%s/spill", dir);
    rmdir(path);
    return rmdir(dir);
}

/* One batch with a rows change whose images are n bytes of a pattern. */
static struct cdc_batch *batch_of(const struct schema_table *t, unsigned number, size_t n)
{
    struct cdc_batch *b = cdc_batch_new();
    uint8_t *images = arena_alloc(&b->arena, n), *present = arena_alloc(&b->arena, 1);
    memset(images, (int)number, n);
    *present = 3;
    struct cdc_change *c = cdc_batch_add(b, CDC_ROWS);
    cdc_batch_hold_table(b, t);
    c->file = arena_strndup(&b->arena, "binlog.000001", 13);
    c->log_pos = number;
    c->rows.table = t;
    c->rows.n_columns = 2;
    c->rows.present_after = present;
    c->rows.images = images;
    c->rows.images_len = n;
    c->rows.n_rows = number;
    b->bytes = n;
    return b;
}

static void fill(struct cdc_spool *s, const struct schema_table *t, unsigned from, unsigned to,
                 size_t bytes)
{
    struct err e = ERR_INIT;
    for (unsigned i = from; i < to; i++) {
        struct cdc_batch *b = batch_of(t, i, bytes);
        assert_true(cdc_spool_add(s, b, 0, 1, &e));
        cdc_batch_unref(b);
    }
}

static void check(struct cdc_spool *s, const struct schema_table *t, unsigned n, size_t bytes)
{
    const struct cdc_change *c;
    struct err e = ERR_INIT;
    cdc_spool_rewind(s);
    for (unsigned i = 0; i < n; i++) {
        assert_true(cdc_spool_next(s, &c, &e));
        assert_non_null(c);
        assert_int_equal(c->log_pos, i);
        assert_ptr_equal(c->rows.table, t);
        assert_null(c->rows.present_before);
        assert_int_equal(c->rows.present_after[0], 3);
        assert_int_equal(c->rows.images_len, bytes);
        assert_int_equal(c->rows.images[0], (uint8_t)i);
        assert_int_equal(c->rows.images[bytes - 1], (uint8_t)i);
        assert_string_equal(c->file, "binlog.000001");
    }
    assert_true(cdc_spool_next(s, &c, &e));
    assert_null(c);
}

static void changes_come_back_in_order_from_memory_and_disk(void **state)
{
    struct schema_table *t = schema_table_new("shop", "orders", 2);
    struct cdc_spool *s = cdc_spool_new(dir, 50000, 0);
    (void)state;
    fill(s, t, 0, 200, 1000);
    assert_int_equal(names_in_spill(), 0); /* nothing is left to clean after a crash */
    check(s, t, 200, 1000);
    check(s, t, 200, 1000);
    cdc_spool_clear(s);
    assert_true(cdc_spool_is_empty(s));
    fill(s, t, 0, 3, 1000);
    check(s, t, 3, 1000);
    cdc_spool_free(s);
    schema_table_unref(t);
}

static void a_failed_add_may_be_repeated(void **state)
{
    struct schema_table *t = schema_table_new("shop", "orders", 2);
    struct cdc_spool *s = cdc_spool_new(dir, 1, 0);
    struct err e = ERR_INIT;
    (void)state;
    fill(s, t, 0, 5, 100);
    struct cdc_batch *b = batch_of(t, 5, 100);
    assert_true(fault_arm("spool.write:fail", &e));
    assert_false(cdc_spool_add(s, b, 0, 1, &e));
    assert_true(cdc_spool_add(s, b, 0, 1, &e));
    assert_true(fault_arm("", &e));
    cdc_batch_unref(b);
    check(s, t, 6, 100);
    cdc_spool_free(s);
    schema_table_unref(t);
}

static void the_limit_is_an_error_that_names_it(void **state)
{
    struct schema_table *t = schema_table_new("shop", "orders", 2);
    struct cdc_spool *s = cdc_spool_new(dir, 1, 5000);
    struct err e = ERR_INIT;
    (void)state;
    struct cdc_batch *b = batch_of(t, 1, 6000);
    assert_false(cdc_spool_add(s, b, 0, 1, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_non_null(strstr(e.cure, "spill_max"));
    cdc_batch_unref(b);
    cdc_spool_free(s);
    schema_table_unref(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_come_back_in_order_from_memory_and_disk),
        cmocka_unit_test(a_failed_add_may_be_repeated),
        cmocka_unit_test(the_limit_is_an_error_that_names_it),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
