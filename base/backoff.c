/* base/backoff.c — doubling waits with jitter, so that many clients do not return together. */
#include "base/backoff.h"

#include "base/clock.h"

#include <assert.h>

void backoff_init(struct backoff *b, int64_t min_ms, int64_t max_ms)
{
    assert(min_ms > 0 && min_ms <= max_ms);
    *b = (struct backoff){.min_ms = min_ms, .max_ms = max_ms, .next_ms = min_ms};
}

static uint64_t random_u64(void)
{
    static _Thread_local uint64_t x;
    if (x == 0)
        x = (uint64_t)clock_mono_us() ^ (uint64_t)(uintptr_t)&x ^ 0x9e3779b97f4a7c15u;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

int64_t backoff_next_ms(struct backoff *b)
{
    int64_t base = b->next_ms;
    b->next_ms = base > b->max_ms / 2 ? b->max_ms : base * 2;
    b->tries++;
    int64_t spread = base / 2; /* ± 25 % */
    int64_t jitter = spread > 0 ? (int64_t)(random_u64() % (uint64_t)(spread + 1)) : 0;
    return base - spread / 2 + jitter;
}

void backoff_reset(struct backoff *b)
{
    b->next_ms = b->min_ms;
    b->tries = 0;
}
