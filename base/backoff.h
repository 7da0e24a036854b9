/* base/backoff.h — exponential waiting with jitter, for reconnects and retries. */
#ifndef SLUICE_BASE_BACKOFF_H
#define SLUICE_BASE_BACKOFF_H

#include <stdint.h>

struct backoff {
    int64_t min_ms, max_ms, next_ms;
    unsigned tries;
};
void backoff_init(struct backoff *b, int64_t min_ms, int64_t max_ms);
int64_t backoff_next_ms(struct backoff *b); /* doubles; ± 25 % jitter */
void backoff_reset(struct backoff *b);      /* after a success */

#endif
