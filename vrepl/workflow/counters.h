/* vrepl/workflow/counters.h — AUTO_INCREMENT counters of the side that serves, carried to the side
 * that will.
 *
 * Rows carry ids, not the counter: an id that was given out and deleted, rolled back, or set by
 * ALTER TABLE is known to the old side only, and would be given out twice. So the new side's
 * counters are raised before the hold, with room for what is given out meanwhile, and compared
 * again under it. Thread: the switch's.
 */
#ifndef SLUICE_VREPL_WORKFLOW_COUNTERS_H
#define SLUICE_VREPL_WORKFLOW_COUNTERS_H

#include "vrepl/workflow/fence.h"

struct counters;
struct counters *counters_new(struct workflow *w, enum wf_side_name from, enum wf_side_name to);
void counters_free(struct counters *c);
/* from: sessions on the side that serves; to: on the side that will. Raises what is not above the
 * highest of `from`. Called before the hold, and again under it, where seldom anything is left to
 * do. Streams of the workflow write `to` meanwhile; a reader that stays in a transaction there
 * makes it fail after a few seconds. */
bool counters_carry(struct counters *c, const struct fence_hold *from, size_t n_from,
                    const struct fence_hold *to, size_t n_to, struct err *e) WARN_UNUSED;
/* What a counter is raised to: above `next`, within the type that information_schema names. */
uint64_t counters_target(uint64_t next, const char *column_type);

#endif
