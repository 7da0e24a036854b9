/* vrepl/workflow/status.h — what people see of a workflow, as JSON with vtctldclient's field names.
 *
 * Reads memory only: an answer never waits for a server or for a verb. jansson objects, new
 * references.
 */
#ifndef SLUICE_VREPL_WORKFLOW_STATUS_H
#define SLUICE_VREPL_WORKFLOW_STATUS_H

#include "vrepl/workflow/workflow.h"

#include <jansson.h>

/* {"table_copy_state","shard_streams","traffic_state", "state","owner","error"} of one
 * direction. */
json_t *status_json(struct workflow *w, enum wf_direction dir);
/* One element of `show`'s "workflows". logs: with the history. */
json_t *status_show(struct workflow *w, enum wf_direction dir, bool logs);
/* "Reads Not Switched. Writes Not Switched" or "All Reads Switched. Writes Switched". */
const char *status_traffic(struct workflow *w);
/* Streams of this direction exist (the forward ones always; the reverse ones after a switch). */
bool status_has_direction(struct workflow *w, enum wf_direction dir);

#endif
