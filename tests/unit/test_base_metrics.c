/* tests/unit/test_base_metrics.c — the registry, the Prometheus text and quantiles. */
#include "base/metrics.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void the_same_name_and_labels_give_the_same_handle(void **state)
{
    (void)state;
    struct metric *m = metrics_get(METRIC_COUNTER, "same_total", "a=\"1\"", "Help.");
    assert_ptr_equal(m, metrics_get(METRIC_COUNTER, "same_total", "a=\"1\"", "Other."));
    assert_ptr_not_equal(m, metrics_get(METRIC_COUNTER, "same_total", "a=\"2\"", "Other."));
    metric_add(m, 2);
    metric_add(m, 0.5);
    assert_true(metric_value(m) == 2.5);
    metric_set(m, 7);
    assert_true(metric_value(m) == 7);
}

static void labels_are_escaped_and_never_cut(void **state)
{
    (void)state;
    char out[64];
    metrics_labels(out, sizeof out, "queue", "a\"b\\c\nd", "shard", "-80", NULL);
    assert_string_equal(out, "queue=\"a\\\"b\\\\c\\nd\",shard=\"-80\"");
    metrics_labels(out, 10, "queue", "too long for it", NULL);
    assert_string_equal(out, "");
    metrics_labels(out, sizeof out, NULL);
    assert_string_equal(out, "");
}

static void the_text_has_help_type_and_sorted_samples(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    metric_set(metrics_get(METRIC_GAUGE, "zz_bytes", "q=\"b\"", "Bytes."), 3);
    metric_set(metrics_get(METRIC_GAUGE, "zz_bytes", "q=\"a\"", "Bytes."), 1.5);
    metric_add(metrics_get(METRIC_COUNTER, "zz_total", "", "All."), 12);
    metrics_render(&b);
    assert_non_null(strstr(buf_str(&b), "# HELP sluice_zz_bytes Bytes.\n"
                                        "# TYPE sluice_zz_bytes gauge\n"
                                        "sluice_zz_bytes{q=\"a\"} 1.5\n"
                                        "sluice_zz_bytes{q=\"b\"} 3\n"
                                        "# HELP sluice_zz_total All.\n"
                                        "# TYPE sluice_zz_total counter\n"
                                        "sluice_zz_total 12\n"));
}

static void histograms_count_sum_and_estimate(void **state)
{
    (void)state;
    CLEANUP(buf_fini) struct buf b = BUF_INIT;
    struct metric *m = metrics_get(METRIC_HISTOGRAM, "wait_seconds", "s=\"x\"", "Waiting.");
    assert_true(metric_quantile(m, 0.5) == 0);
    for (int i = 0; i < 90; i++)
        metric_observe(m, 0.003);
    for (int i = 0; i < 10; i++)
        metric_observe(m, 2);
    assert_true(metric_value(m) == 100);
    double p50 = metric_quantile(m, 0.5), p99 = metric_quantile(m, 0.99);
    assert_true(p50 > 0.0025 && p50 <= 0.005);
    assert_true(p99 > 1 && p99 <= 2.5);
    metric_observe(m, 1000);
    assert_true(metric_quantile(m, 1) == 60);
    metrics_render(&b);
    const char *text = buf_str(&b);
    assert_non_null(strstr(text, "# TYPE sluice_wait_seconds histogram\n"));
    assert_non_null(strstr(text, "sluice_wait_seconds_bucket{s=\"x\",le=\"0.0025\"} 0\n"));
    assert_non_null(strstr(text, "sluice_wait_seconds_bucket{s=\"x\",le=\"0.005\"} 90\n"));
    assert_non_null(strstr(text, "sluice_wait_seconds_bucket{s=\"x\",le=\"+Inf\"} 101\n"));
    assert_non_null(strstr(text, "sluice_wait_seconds_sum{s=\"x\"} 1020.27\n"));
    assert_non_null(strstr(text, "sluice_wait_seconds_count{s=\"x\"} 101\n"));
}

static void *add_many(void *m)
{
    for (int i = 0; i < 50000; i++)
        metric_add(m, 1);
    return NULL;
}

static void additions_from_several_threads_all_count(void **state)
{
    (void)state;
    struct metric *m = metrics_get(METRIC_COUNTER, "threads_total", "", "x");
    pthread_t t[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&t[i], NULL, add_many, m), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    assert_true(metric_value(m) == 150000);
}

static void what_is_gone_is_not_rendered(void **state)
{
    CLEANUP(buf_fini) struct buf out = BUF_INIT;
    (void)state;
    struct metric *m = metrics_get(METRIC_GAUGE, "gone", "sink=\"a\",shard=\"-\"", "");
    metrics_get(METRIC_GAUGE, "gone", "sink=\"ab\"", "");
    metrics_get(METRIC_GAUGE, "gone", "other_sink=\"a\"", "");
    metric_set(m, 7);
    metrics_forget("sink", "a");
    metrics_render(&out);
    assert_null(strstr(buf_str(&out), "gone{sink=\"a\""));
    assert_non_null(strstr(buf_str(&out), "gone{sink=\"ab\"} 0"));
    assert_non_null(strstr(buf_str(&out), "gone{other_sink=\"a\"} 0"));
    buf_reset(&out);
    assert_ptr_equal(metrics_get(METRIC_GAUGE, "gone", "sink=\"a\",shard=\"-\"", ""), m);
    metrics_render(&out);
    assert_non_null(strstr(buf_str(&out), "gone{sink=\"a\",shard=\"-\"} 7"));
}

static void a_pass_hides_what_it_did_not_meet(void **state)
{
    CLEANUP(buf_fini) struct buf out = BUF_INIT;
    (void)state;
    metrics_get(METRIC_GAUGE, "met", "a=\"1\"", "");
    metrics_get(METRIC_GAUGE, "met", "a=\"2\"", "");
    metrics_family_begin("met");
    metrics_get(METRIC_GAUGE, "met", "a=\"2\"", "");
    metrics_family_end("met");
    metrics_render(&out);
    assert_null(strstr(buf_str(&out), "met{a=\"1\"}"));
    assert_non_null(strstr(buf_str(&out), "met{a=\"2\"} 0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_gone_is_not_rendered),
        cmocka_unit_test(a_pass_hides_what_it_did_not_meet),
        cmocka_unit_test(the_same_name_and_labels_give_the_same_handle),
        cmocka_unit_test(labels_are_escaped_and_never_cut),
        cmocka_unit_test(the_text_has_help_type_and_sorted_samples),
        cmocka_unit_test(histograms_count_sum_and_estimate),
        cmocka_unit_test(additions_from_several_threads_all_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
