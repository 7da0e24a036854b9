/* tests/unit/test_sinks_encode_ndjson.c — under which keys a change is published. */
#include "base/mem.h"
#include "sinks/format/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four standard ones above */
#include <cmocka.h>

static struct schema_table *table_of_ids(void)
{
    struct schema_table *t = schema_table_new("shop", "orders", 1);
    t->columns[0].name = mem_strdup("id");
    t->columns[0].type = SCHEMA_TYPE_LONG;
    t->columns[0].unsigned_known = true;
    t->pk = mem_calloc(1, sizeof *t->pk);
    t->n_pk = 1;
    t->full_metadata = true;
    schema_table_seal(t);
    return t;
}

/* "key=record|" of each record. */
static bool note(void *ctx, const struct encode_record *r, struct err *e)
{
    (void)e;
    buf_put(ctx, r->key, r->key_len);
    buf_put_u8(ctx, '=');
    buf_put(ctx, r->value, r->value_len < 9 ? r->value_len : 9);
    buf_put_u8(ctx, '|');
    return true;
}

static void assert_update(bool keyed, uint8_t from, uint8_t to, const char *expected)
{
    struct schema_table *t = table_of_ids();
    const uint8_t before[] = {from, 0, 0, 0}, after[] = {to, 0, 0, 0};
    struct cdc_row *old = cdc_row_new(1), *new = cdc_row_new(1);
    struct cdc_change c = {.kind = CDC_ROWS};
    struct encode_context context = {.keyed = keyed};
    struct buf out = BUF_INIT;
    struct err e = ERR_INIT;
    struct encoder *enc = encoder_find("ndjson")->open("{}", &e);
    c.rows.table = t;
    c.rows.op = CDC_OP_UPDATE;
    old->values[0] = (struct cdc_value){.column = &t->columns[0], .p = before, .n = 4};
    new->values[0] = (struct cdc_value){.column = &t->columns[0], .p = after, .n = 4};
    const struct encode_row row = {&context, &c, old, new, 0};
    assert_true(enc->ops->row(enc, &row, note, &out, &e));
    assert_string_equal(buf_str(&out), expected);
    enc->ops->close(enc);
    cdc_row_free(old);
    cdc_row_free(new);
    schema_table_unref(t);
    buf_fini(&out);
}

static void an_update_is_one_record_under_its_key(void **state)
{
    (void)state;
    assert_update(true, 1, 1, "{\"id\":1}={\"op\":\"u\"|");
}

/* Else who keeps the newest record of each key keeps the row twice, and who reads the partitions in
 * another order deletes what came to the old key later. */
static void a_changed_key_is_deleted_and_created_where_keys_count(void **state)
{
    (void)state;
    assert_update(true, 1, 2, "{\"id\":1}={\"op\":\"d\"|{\"id\":2}={\"op\":\"c\"|");
    assert_update(false, 1, 2, "{\"id\":2}={\"op\":\"u\"|");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_update_is_one_record_under_its_key),
        cmocka_unit_test(a_changed_key_is_deleted_and_created_where_keys_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
