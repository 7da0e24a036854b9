/* tests/unit/test_vrepl_vdiff_report.c — a report says each difference, and no other than were found. */
#include "vrepl/diff/vdiff_report.h"

#include "base/mem.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static const struct vdiff_head head = {.workflow = "w",
                                       .keyspace = "k",
                                       .uuid = "u",
                                       .shards = "-80,80-",
                                       .state = "completed",
                                       .started_ms = 1000,
                                       .completed_ms = 61000};

/* Two shards, one table: 10 rows on the first, 5 on the second. */
static struct vdiff_report report_of(uint64_t mismatched, uint64_t extra)
{
    struct vdiff_report r = {.n_shards = 2, .n_tables = 1};
    r.shards = mem_calloc(2, sizeof *r.shards);
    r.shards[0] = mem_strdup("-80");
    r.shards[1] = mem_strdup("80-");
    r.tables = mem_calloc(1, sizeof *r.tables);
    r.tables[0].table = mem_strdup("a\"b");
    r.tables[0].targets = mem_calloc(2, sizeof *r.tables[0].targets);
    r.tables[0].targets[0].processed = 10;
    r.tables[0].targets[0].mismatched = mismatched;
    r.tables[0].targets[1].processed = 5;
    r.tables[0].targets[1].extra_target = extra;
    return r;
}

static json_t *printed(const struct vdiff_head *h, struct vdiff_report *r)
{
    CLEANUP(buf_fini) struct buf out = BUF_INIT;
    vdiff_report_put(h, r, &out);
    json_t *doc = json_loads(buf_str(&out), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(doc);
    if (r != NULL)
        vdiff_report_fini(r);
    return doc;
}

static long long at(const json_t *o, const char *a, const char *b, const char *c)
{
    const json_t *v = json_object_get(o, a);
    v = b != NULL ? json_object_get(v, b) : v;
    v = c != NULL ? json_object_get(v, c) : v;
    assert_true(json_is_integer(v));
    return json_integer_value(v);
}

static void differences_of_all_shards_are_summed(void **state)
{
    struct vdiff_report r = report_of(2, 1);
    (void)state;
    assert_int_equal(vdiff_report_rows(&r), 15);
    assert_int_equal(vdiff_report_differences(&r), 3);
    buf_put_str(&r.tables[0].targets[0].mismatched_sample, "{\"Source\":{}},{\"Source\":{}}");
    json_t *doc = printed(&head, &r);
    assert_true(json_is_true(json_object_get(doc, "HasMismatch")));
    assert_int_equal(at(doc, "Differences", NULL, NULL), 3);
    assert_int_equal(at(doc, "TableSummary", "a\"b", "RowsCompared"), 15);
    assert_int_equal(at(doc, "TableSummary", "a\"b", "MatchingRows"), 12);
    assert_int_equal(at(doc, "TableSummary", "a\"b", "MismatchedRows"), 2);
    const json_t *shards = json_object_get(json_object_get(doc, "Reports"), "a\"b");
    assert_int_equal(at(shards, "80-", "ExtraRowsTarget", NULL), 1);
    assert_int_equal(
        json_array_size(json_object_get(json_object_get(shards, "-80"), "MismatchedRowsSample")),
        2);
    json_decref(doc);
}

static void a_report_without_differences_is_clean(void **state)
{
    struct vdiff_report r = report_of(0, 0);
    (void)state;
    json_t *doc = printed(&head, &r);
    assert_true(json_is_false(json_object_get(doc, "HasMismatch")));
    assert_string_equal(json_string_value(json_object_get(doc, "StartedAt")),
                        "1970-01-01 00:00:01");
    assert_string_equal(json_string_value(json_object_get(doc, "CompletedAt")),
                        "1970-01-01 00:01:01");
    json_decref(doc);
}

static void an_error_is_never_a_clean_result(void **state)
{
    struct vdiff_head failed = head;
    (void)state;
    failed.state = "error";
    failed.error = "the server said \"no\"";
    failed.completed_ms = 0;
    json_t *doc = printed(&failed, NULL);
    assert_string_equal(json_string_value(json_object_get(doc, "State")), "error");
    assert_string_equal(json_string_value(json_object_get(doc, "Errors")), failed.error);
    assert_null(json_object_get(doc, "CompletedAt"));
    assert_null(json_object_get(doc, "TableSummary"));
    json_decref(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_of_all_shards_are_summed),
        cmocka_unit_test(a_report_without_differences_is_clean),
        cmocka_unit_test(an_error_is_never_a_clean_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
