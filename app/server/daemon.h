/* app/server/daemon.h — everything that runs for one configuration: store, readers, workflow
 * engine, sinks. */
#ifndef SLUICE_APP_SERVER_DAEMON_H
#define SLUICE_APP_SERVER_DAEMON_H

#include "app/config/config.h"

struct daemon;
/* with_sinks false: only workflows (`--local` verbs). The configuration stays the caller's. */
struct daemon *daemon_open(const struct config *c, bool with_sinks, struct err *e) WARN_UNUSED;
void daemon_close(struct daemon *d); /* drains, checkpoints, gives leases up */
const struct config *daemon_config(const struct daemon *d);
struct vrepl_engine *daemon_engine(struct daemon *d);
struct cdc_reader *daemon_reader(void *d, const char *keyspace,
                                 const char *shard); /* NULL: unknown shard */

/* Sinks. verb: create, show, list, pause, resume, delete; flags: JSON of the command's options. */
bool daemon_sink(struct daemon *d, const char *verb, const char *name, const char *flags,
                 struct buf *result, struct err *e) WARN_UNUSED;
void daemon_status(struct daemon *d, struct buf *json);
void daemon_streams(struct daemon *d, struct buf *json);

#endif
