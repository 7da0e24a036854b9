/* base/clock.c — clocks and calendar arithmetic on Unix time. */
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t now_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

struct timespec clock_mono_after_ms(int64_t ms)
{
    int64_t at_us = now_us(CLOCK_MONOTONIC) + ms * 1000;
    return (struct timespec){.tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000};
}

int64_t clock_mono_us(void)
{
    return now_us(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
    return clock_mono_us() / 1000;
}

int64_t clock_wall_us(void)
{
    return now_us(CLOCK_REALTIME);
}

int64_t clock_wall_ms(void)
{
    return clock_wall_us() / 1000;
}

/* Both directions count in eras of 400 years that begin on 1 March (H. Hinnant, chrono-compatible
 * low-level date algorithms). */
int64_t clock_days_from_civil(int64_t y, unsigned m, unsigned d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * ((int64_t)m + (m > 2 ? -3 : 9)) + 2) / 5 + (int64_t)d - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

void clock_civil_from_days(int64_t days, int64_t *y, unsigned *m, unsigned *d)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    *d = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1);
    *m = (unsigned)(month < 10 ? month + 3 : month - 9);
    *y = year_of_era + era * 400 + (*m <= 2);
}

void clock_format_ms(int64_t wall_ms, char *out, size_t out_len)
{
    int64_t days = wall_ms / 86400000, ms = wall_ms % 86400000, year;
    unsigned month, day;
    if (ms < 0) {
        ms += 86400000;
        days--;
    }
    clock_civil_from_days(days, &year, &month, &day);
    snprintf(out, out_len, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", (int)year, month, day,
             (int)(ms / 3600000), (int)(ms / 60000 % 60), (int)(ms / 1000 % 60), (int)(ms % 1000));
}

void clock_sleep_ms(int64_t ms, const volatile int *stop)
{
    int64_t until = clock_mono_ms() + ms;
    for (int64_t left = ms; left > 0 && !(stop && __atomic_load_n(stop, __ATOMIC_ACQUIRE));
         left = until - clock_mono_ms()) {
        int64_t slice = stop && left > 50 ? 50 : left; /* how late a stop may be seen */
        struct timespec t = {.tv_sec = slice / 1000, .tv_nsec = slice % 1000 * 1000000};
        nanosleep(&t, NULL);
    }
}

bool clock_parse_time(const char *text, uint32_t *seconds)
{
    struct tm tm = {0};
    long long at = 0;
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!end)
        end = strptime(text, "%Y-%m-%d %H:%M:%S", &tm);
    if (end && (!*end || strcmp(end, "Z") == 0))
        at = timegm(&tm);
    else if (!end && text[0] && strlen(text) <= 10 && text[strspn(text, "0123456789")] == 0)
        at = strtoll(text, NULL, 10);
    if (at <= 0 || at > UINT32_MAX)
        return false;
    *seconds = (uint32_t)at;
    return true;
}
