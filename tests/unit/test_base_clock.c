/* tests/unit/test_base_clock.c — calendar arithmetic, formatting, waiting and backoff. */
#include "base/clock.h"

#include "base/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

static void days_match_the_c_library_over_four_centuries(void **state)
{
    (void)state;
    for (int64_t day = -150000; day <= 150000; day += 37) {
        time_t t = (time_t)(day * 86400);
        struct tm tm;
        int64_t year;
        unsigned month, day_of_month;
        gmtime_r(&t, &tm);
        clock_civil_from_days(day, &year, &month, &day_of_month);
        assert_int_equal(year, tm.tm_year + 1900);
        assert_int_equal(month, tm.tm_mon + 1);
        assert_int_equal(day_of_month, tm.tm_mday);
        assert_int_equal(clock_days_from_civil(year, month, day_of_month), day);
    }
}

static void years_zero_and_9999_are_known(void **state)
{
    (void)state;
    assert_int_equal(clock_days_from_civil(1970, 1, 1), 0);
    assert_int_equal(clock_days_from_civil(0, 1, 1), -719528);
    assert_int_equal(clock_days_from_civil(9999, 12, 31), 2932896);
    assert_int_equal(clock_days_from_civil(2000, 2, 29) + 1, clock_days_from_civil(2000, 3, 1));
}

static void times_are_formatted_in_utc_with_milliseconds(void **state)
{
    (void)state;
    char out[32];
    clock_format_ms(0, out, sizeof out);
    assert_string_equal(out, "1970-01-01T00:00:00.000Z");
    clock_format_ms(1767225600123, out, sizeof out);
    assert_string_equal(out, "2026-01-01T00:00:00.123Z");
    clock_format_ms(-1, out, sizeof out);
    assert_string_equal(out, "1969-12-31T23:59:59.999Z");
}

static void monotonic_time_does_not_go_back_and_wall_time_is_now(void **state)
{
    (void)state;
    int64_t last_us = clock_mono_us();
    for (int i = 0; i < 1000; i++) {
        int64_t now_us = clock_mono_us();
        assert_true(now_us >= last_us);
        last_us = now_us;
    }
    assert_true(clock_wall_ms() / 1000 - (int64_t)time(NULL) <= 1);
    assert_true(clock_wall_us() / 1000 >= clock_wall_ms() - 1000);
}

static void waiting_ends_when_told_to_stop(void **state)
{
    (void)state;
    volatile int stop = 1;
    int64_t start_ms = clock_mono_ms();
    clock_sleep_ms(60000, &stop);
    assert_true(clock_mono_ms() - start_ms < 1000);
    clock_sleep_ms(20, NULL);
    assert_true(clock_mono_ms() - start_ms >= 19);
}

static void backoff_doubles_within_its_jitter_up_to_the_maximum(void **state)
{
    (void)state;
    struct backoff b;
    backoff_init(&b, 100, 1000);
    static const int64_t centre[] = {100, 200, 400, 800, 1000, 1000};
    for (unsigned i = 0; i < 6; i++) {
        int64_t ms = backoff_next_ms(&b);
        assert_in_range(ms, centre[i] * 3 / 4, centre[i] * 5 / 4);
        assert_int_equal(b.tries, i + 1);
    }
    backoff_reset(&b);
    assert_in_range(backoff_next_ms(&b), 75, 125);
}

static void backoff_jitter_varies(void **state)
{
    (void)state;
    struct backoff b;
    backoff_init(&b, 100000, 100000);
    int64_t first = backoff_next_ms(&b);
    int different = 0;
    for (int i = 0; i < 20; i++)
        different += backoff_next_ms(&b) != first;
    assert_true(different > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(days_match_the_c_library_over_four_centuries),
        cmocka_unit_test(years_zero_and_9999_are_known),
        cmocka_unit_test(times_are_formatted_in_utc_with_milliseconds),
        cmocka_unit_test(monotonic_time_does_not_go_back_and_wall_time_is_now),
        cmocka_unit_test(waiting_ends_when_told_to_stop),
        cmocka_unit_test(backoff_doubles_within_its_jitter_up_to_the_maximum),
        cmocka_unit_test(backoff_jitter_varies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
