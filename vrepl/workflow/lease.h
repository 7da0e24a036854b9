/* vrepl/workflow/lease.h — keeps one workflow's lease alive from a thread of its own, and says when
 * it is lost.
 *
 * Safety never rests on the lease's time: every write is guarded by owner and epoch
 * (cdc/sidecar/workflow_row.h) and every applied transaction by the streams' epoch rows. The lease only says
 * who may try.
 */
#ifndef SLUICE_VREPL_WORKFLOW_LEASE_H
#define SLUICE_VREPL_WORKFLOW_LEASE_H

#include "cdc/sidecar/workflow_row.h"
#include "schemas/sharding/topology.h"

#define LEASE_MS       15000
#define LEASE_RENEW_MS 3000

struct lease;
/* The row's lease was acquired with this epoch. All texts are copied. */
struct lease *lease_new(const struct topo_shard *home, const struct wf_row_key *key);
/* Stops renewing; give_up also clears it on the server, so that the next owner need not wait. */
void lease_free(struct lease *l, bool give_up);
const struct wf_row_key *lease_key(const struct lease *l);
/* False with ERR_WF_FENCED once another owner was seen. Thread: any. */
bool lease_held(struct lease *l, struct err *e) WARN_UNUSED;
/* Asks the server now, on the given connection to the home shard. */
bool lease_verify(struct lease *l, struct my_conn *home, struct err *e) WARN_UNUSED;

#endif
