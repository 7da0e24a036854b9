/* base/clock.h — monotonic time for waiting, wall time for showing; formatting without localtime.
 */
#ifndef SLUICE_BASE_CLOCK_H
#define SLUICE_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
int64_t clock_wall_ms(void); /* since 1970-01-01 UTC */
int64_t clock_wall_us(void);
/* "2026-01-01T00:00:00.000Z" into out (≥ 25 bytes). */
void clock_format_ms(int64_t wall_ms, char *out, size_t out_len);
/* "2026-01-02T03:04:05Z" (T may be a space, Z is implied) or seconds since 1970; false: neither, or
 * not between 1970 and 2106. */
bool clock_parse_time(const char *text, uint32_t *seconds);
/* Proleptic Gregorian days since 1970-01-01 ↔ civil date. */
int64_t clock_days_from_civil(int64_t y, unsigned m, unsigned d);
void clock_civil_from_days(int64_t days, int64_t *y, unsigned *m, unsigned *d);
/* The monotonic time so many ms from now, as waits on conditions and semaphores want it. */
struct timespec clock_mono_after_ms(int64_t ms);
/* Sleeps in the daemon's own retry loops, ends early when *stop (may be NULL) becomes non-zero. */
void clock_sleep_ms(int64_t ms, const volatile int *stop);

#endif
