/* vrepl/workflow/routing.h — who serves what: rebuilt from the journals on the servers, published
 * as a versioned document.
 *
 * Journals of type SHARDS say which shards serve, in the order of their ids; those of type TABLES
 * where a table lives. The configuration speaks only for keyspaces that no journal names. Versions
 * only grow: the next one is above what the store, the servers (cdc/sidecar/note.h) and the file
 * have seen. Locks: engine.lock, taken inside.
 */
#ifndef SLUICE_VREPL_WORKFLOW_ROUTING_H
#define SLUICE_VREPL_WORKFLOW_ROUTING_H

#include "cdc/sidecar/journal.h"
#include "vrepl/workflow/workflow.h"

struct routing *routing_new(void);
void routing_free(struct routing *r);
/* Takes the store's cache: journals of servers that cannot be reached now, and the last version. */
void routing_load_cache(struct vrepl_engine *g);
/* Reads one server's journals and version. */
bool routing_read_server(struct vrepl_engine *g, struct my_conn *c, struct err *e) WARN_UNUSED;
/* Adds (or knows already, by id) one journal, takes it. */
void routing_add(struct vrepl_engine *g, struct cdc_journal *take);
/* An id above all that are known, and by the clock. */
int64_t routing_next_id(struct vrepl_engine *g);
/* Rebuilds the document; when it says something new it gets the next version and goes to home's
 * server (may be NULL), the store, the file and on_routing. */
bool routing_publish(struct vrepl_engine *g, const char *workflow_key, struct my_conn *home,
                     struct err *e) WARN_UNUSED;
/* Writes the current document again, as it is: at a start, when the file may be gone. */
bool routing_republish(struct vrepl_engine *g, struct err *e) WARN_UNUSED;
/* The same without telling anybody: whether the store and the file take a document now. A switch
 * asks before anybody waits for it. */
bool routing_try(struct vrepl_engine *g, struct err *e) WARN_UNUSED;
/* Is the shard serving? Without any SHARDS journal of the keyspace *known is false. */
bool routing_serves(struct vrepl_engine *g, const char *keyspace, const char *shard, bool *known);
/* The shards that serve a keyspace must be one partition of the key range: else rows would have no
 * place, or two. ERR_WF_PRECONDITION says where it is torn. */
bool routing_check_partition(struct vrepl_engine *g, const char *keyspace,
                             struct err *e) WARN_UNUSED;

#endif
