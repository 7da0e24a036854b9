/* tests/unit/test_cdc_journal.c — journal documents keep everything on the way to text and back. */
#include "base/mem.h"
#include "cdc/sidecar/journal.h"
#include "cdc/sidecar/origin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static const char document[] =
    "{\"id\":7,\"migration_type\":\"SHARDS\",\"tables\":[\"a\\\"b\"],\"local_position\":\"MariaDB/"
    "0-1-9\","
    "\"shard_gtids\":[{\"keyspace\":\"c\",\"shard\":\"-80\",\"gtid\":\"MariaDB/0-2-1\"}],"
    "\"participants\":[{\"keyspace\":\"c\",\"shard\":\"-\"}],\"source_workflows\":[\"c/split\"]}";

static void a_document_survives_parsing_and_printing(void **state)
{
    struct cdc_journal j;
    struct err e = ERR_INIT;
    struct buf out = BUF_INIT;
    (void)state;
    assert_true(cdc_journal_parse(document, &j, &e));
    assert_int_equal(j.id, 7);
    assert_true(j.shards);
    assert_string_equal(j.tables[0], "a\"b");
    assert_string_equal(j.shard_gtids[0].gtid, "MariaDB/0-2-1");
    assert_null(j.participants[0].gtid);
    cdc_journal_print(&j, &out);
    assert_string_equal(buf_str(&out), document);
    cdc_journal_fini(&j);
    buf_fini(&out);
}

static void a_shard_without_position_is_refused(void **state)
{
    struct cdc_journal j;
    struct err e = ERR_INIT;
    (void)state;
    assert_false(cdc_journal_parse(
        "{\"id\":7,\"migration_type\":\"SHARDS\",\"local_position\":\"x\",\"shard_gtids\":"
        "[{\"keyspace\":\"c\",\"shard\":\"-\"}],\"source_workflows\":[\"c/s\"]}",
        &j, &e));
    assert_int_equal(e.code, ERR_LOG_FORMAT);
    assert_false(cdc_journal_parse("{\"id\":7", &j, &e));
    assert_int_equal(e.code, ERR_LOG_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_survives_parsing_and_printing),
        cmocka_unit_test(a_shard_without_position_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
