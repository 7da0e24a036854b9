/* base/fault.h — named places where a test may make the program fail, wait or die.
 *
 * Armed by SLUICE_FAULT="name:action[:nth][,…]" or at run time by fault_arm: action kill (SIGKILL
 * to ourselves), fail (ERR_FAULT_INJECTED), stop (SIGSTOP to ourselves), delay=MS, exit=CODE; nth:
 * at the nth passing only (default 1), "*" always; "seed=N" instead picks the point and passing by
 * a seeded draw: `seed=N:kill:PERMILLE` fires at any point with that probability. "watch" arms
 * nothing and only counts; "" disarms. Not armed: one atomic load. Every name that was passed is
 * kept, fault_list shows them (tests check that each one was reached).
 */
#ifndef SLUICE_BASE_FAULT_H
#define SLUICE_BASE_FAULT_H

#include "base/buf.h"

extern int fault_armed; /* use FAULT_POINT */
bool fault_hit(const char *name, struct err *e);
bool fault_arm(const char *spec, struct err *e) WARN_UNUSED;
void fault_init_from_env(void);
void fault_list(struct buf *out); /* name TAB times passed, one a line */

/* True to go on; false with *e set when the point is armed with `fail`.
 * `if (!FAULT_POINT("copy.before_commit", e)) return false;` */
#define FAULT_POINT(name, e)                                                                       \
    (__builtin_expect(!__atomic_load_n(&fault_armed, __ATOMIC_RELAXED), 1) || fault_hit(name, e))

#endif
